"""Word vectors, as built in lecture 09: skip-gram and CBOW with negative samples.

    corpus = read([line.split() for line in text.splitlines()])
    vectors = train(corpus, dim=64, epochs=3)      # or method="cbow"
    vectors.nearest("matrix")                      # [("matrices", 0.8), ...]

The lecture trains on pairs of words, one by one in a batch. `train` minimizes the same loss, but never makes
a pair: it cuts the text into blocks of neighbouring tokens. All pairs of a block are a band in the product of
its centres with its contexts, and a group of blocks shares its negatives. So everything is matrix products,
and each token's row is read and written once a batch, not once a pair.

Mikolov and others (2013), Distributed Representations of Words and Phrases and their Compositionality;
Duchi, Hazan & Singer (2011) for AdaGrad, here with one step size for each row.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from utils.errors import choose

BLOCK = 16  # tokens of a block: few, so that a batch holds many places of the text
BLOCKS = 128  # blocks of a batch
GROUPS_OF_NEGATIVES, NEGATIVES_OF_A_GROUP = 8, 64  # 16 blocks share 64 negatives
SLOWEST = 0.05  # the last step of a training, as a share of the first
TINY = 1e-8


# ---------------------------------------------------------------------------------------------- text


@dataclass(frozen=True)
class Corpus:
    """A text as numbers. Word i is `words[i]`; frequent words come first, ties in order of the alphabet.

    count: (V,) how often each word occurs; ids: (n,) the text, without its rare words; sentence: (n,) the
    number of each token's sentence, which never falls; tokens: the length of the text with its rare words.
    """

    words: list[str]
    count: np.ndarray
    ids: np.ndarray
    sentence: np.ndarray
    tokens: int

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}


def read(sentences: Iterable[Sequence[str]], min_count: int = 10) -> Corpus:
    """Number the words that occur at least `min_count` times, and leave the others out.

    Raises: ValueError if a sentence is a string instead of a list of words, or no word is frequent enough.
    """
    whole("min_count", min_count, 1)
    sentences = list(sentences)
    if any(isinstance(sentence, str) for sentence in sentences):
        raise ValueError("a sentence is a string; expected a list of words: line.split()")
    count = Counter(word for sentence in sentences for word in sentence)
    kept = sorted((-times, word) for word, times in count.items() if times >= min_count)
    if not kept:
        raise ValueError(f"no word occurs {min_count} times; lower min_count or give more text")
    index = {word: i for i, (_, word) in enumerate(kept)}
    rows = [[index[word] for word in sentence if word in index] for sentence in sentences]
    return Corpus(
        words=list(index),
        count=np.array([-times for times, _ in kept]),
        ids=np.array([i for row in rows for i in row], dtype=np.int64),
        sentence=np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
        tokens=count.total(),
    )


# ---------------------------------------------------------------------------------------------- vectors


@dataclass(frozen=True)
class WordVectors:
    """A vector for each word, and what can be asked of them.

    words: V names; table: (V, dim) float32; context: (V, dim) the second table, of the words as neighbours,
    or None; loss: the training loss of each epoch. Similarity is the cosine.
    """

    words: list[str]
    table: np.ndarray
    context: np.ndarray | None = None
    loss: list[float] = field(default_factory=list)

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def unit(self) -> np.ndarray:
        """The table with rows of length one: (V, dim). A row of zeros stays."""
        return self.table / np.maximum(np.linalg.norm(self.table, axis=1, keepdims=True), 1e-12)

    def nearest(self, word: str, n: int = 8) -> list[tuple[str, float]]:
        """The n words with the largest cosine to `word`, which is not among them, and their cosines."""
        return self._towards(self.unit[self._row(word)], n, without=[word])

    def analogy(self, a: str, b: str, c: str, n: int = 5, *, exclude: bool = True) -> list[tuple[str, float]]:
        """a is to b as c is to …: the n words nearest to b - a + c, of unit vectors.

        `exclude` leaves a, b and c out, as is usual; without it, c or b is nearly always the answer.
        """
        target = self.unit[self._row(b)] - self.unit[self._row(a)] + self.unit[self._row(c)]
        return self._towards(target, n, without=[a, b, c] if exclude else [])

    def _towards(self, direction: np.ndarray, n: int, without: Sequence[str]) -> list[tuple[str, float]]:
        cosine = self.unit @ (direction / max(np.linalg.norm(direction), 1e-12))
        cosine[[self._row(word) for word in without]] = -np.inf
        best = np.argsort(-cosine, kind="stable")[: min(n, len(self.words) - len(set(without)))]
        return [(self.words[i], float(cosine[i])) for i in best]

    def _row(self, word: str) -> int:
        if word not in self.index:
            raise ValueError(f"{word!r} is not among the {len(self.words):,} words; rare words are left out")
        return self.index[word]


# ---------------------------------------------------------------------------- skip-gram and CBOW, in blocks


def skipgram_loss(x: Tensor, y: Tensor, z: Tensor, pairs: Tensor, negatives: float) -> Tensor:
    """Skip-gram with shared negatives on a batch of B blocks: a word guesses each of its neighbours.

    Parameters: x: (B, T, D) the words in the middle; y: (B, S, D) the words around, from the second table;
    z: (G, K, D) negatives, each row of K shared by B / G blocks; pairs: (B, T, S) float, 1 where a word in
    the middle and one around are a pair; `negatives` is how many a pair has: each of K counts negatives / K.
    Returns: the sum over pairs of -log sigmoid(x . y) - negatives * mean over K of log sigmoid(-x . z).
    """
    band = torch.bmm(x, y.transpose(1, 2))  # (B, T, S), of which the band inside the window counts
    return (F.softplus(-band) * pairs).sum() + _noise_loss(x, z, pairs.sum(2), negatives)


def skipgram_gradients(
    x: Tensor, y: Tensor, z: Tensor, pairs: Tensor, negatives: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `skipgram_loss` by x, y and z, in their shapes: inputs times error, as ever."""
    x_grad, z_grad = _noise_gradients(x, z, pairs.sum(2), negatives)
    slope = torch.bmm(x, y.transpose(1, 2)).sigmoid_().sub_(1).mul_(pairs)  # in place: the largest array
    return x_grad.baddbmm_(slope, y), torch.bmm(slope.transpose(1, 2), x), z_grad


def cbow_loss(x: Tensor, y: Tensor, z: Tensor, pairs: Tensor, negatives: float) -> Tensor:
    """CBOW on a batch of B blocks: the mean h of a word's neighbours guesses it.

    Parameters: as in `skipgram_loss`, with the tables' roles swapped: x: (B, S, D) the words around;
    y: (B, T, D) the words in the middle, from the second table. A word without neighbours is left out.
    Returns: the sum over middle words of -log sigmoid(h . y) - negatives * mean over K of
    log sigmoid(-h . z).
    """
    h, _, there = _mean_around(x, pairs)
    return (F.softplus(-(h * y).sum(2)) * there).sum() + _noise_loss(h, z, there, negatives)


def cbow_gradients(
    x: Tensor, y: Tensor, z: Tensor, pairs: Tensor, negatives: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `cbow_loss` by x, y and z, in their shapes."""
    h, share, there = _mean_around(x, pairs)
    h_grad, z_grad = _noise_gradients(h, z, there, negatives)
    slope = ((h * y).sum(2).sigmoid() - 1).mul_(there)[:, :, None]  # (B, T, 1)
    h_grad += slope * y
    return torch.bmm(share.transpose(1, 2), h_grad), slope * h, z_grad


def _mean_around(x: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Means of the words around (B, T, D), their shares (B, T, S), and whether there are any (B, T)."""
    around = pairs.sum(2, keepdim=True)
    share = pairs / around.clamp(min=1)
    return torch.bmm(share, x), share, (around[:, :, 0] > 0).to(x.dtype)


def _noise_loss(x: Tensor, z: Tensor, times: Tensor, negatives: float) -> Tensor:
    """The price of scores with negatives; times (B, T): how many pairs each row of x stands for."""
    score = torch.bmm(x.reshape(len(z), -1, x.shape[2]), z.transpose(1, 2))  # (G, B T / G, K)
    return (F.softplus(score).mean(2).flatten() * times.flatten()).sum() * negatives


def _noise_gradients(x: Tensor, z: Tensor, times: Tensor, negatives: float) -> tuple[Tensor, Tensor]:
    grouped = x.reshape(len(z), -1, x.shape[2])
    weight = times.view(len(z), -1, 1) * (negatives / z.shape[1])
    slope = torch.bmm(grouped, z.transpose(1, 2)).sigmoid_().mul_(weight)
    return torch.bmm(slope, z).view_as(x), torch.bmm(slope.transpose(1, 2), grouped)


_METHODS = {"skipgram": (skipgram_loss, skipgram_gradients), "cbow": (cbow_loss, cbow_gradients)}


def train(
    corpus: Corpus,
    *,
    method: str = "skipgram",
    dim: int = 100,
    window: int = 5,
    negatives: int = 5,
    epochs: int = 5,
    lr: float = 0.4,
    sample: float = 1e-3,
    seed: int = 0,
    workers: int = 1,
    device: torch.device | str = "cpu",
) -> WordVectors:
    """Word vectors by skip-gram or CBOW with negative samples.

    Parameters: `method` is "skipgram" or "cbow"; `window`: each token draws its reach from 1 to this;
    `negatives` a pair; `lr`: AdaGrad's step, falling to a twentieth; `sample`: a word whose share f of the
    text is larger is kept with probability sqrt(sample / f) + sample / f, and with 0 every word is kept;
    `workers`: 1, 2, 4 or 8 threads share a batch: another time, and but for rounding the same result.
    Returns: `WordVectors` with both tables; its loss is a mean over pairs (CBOW: over middle words), from one
    batch in sixteen. The same seed and workers give the same vectors on one machine.
    Raises: ValueError for an option out of range or a loss that is not finite; UserError for another method.
    """
    if method not in _METHODS:
        raise choose("method", method, _METHODS)
    for name, value in {"dim": dim, "window": window, "negatives": negatives, "epochs": epochs}.items():
        whole(name, value, 1)
    positive("lr", lr)
    if len(corpus.ids) < 2:
        raise ValueError("the corpus holds fewer than two tokens; read it with a lower min_count")
    if workers not in (1, 2, 4, 8):
        raise ValueError(f"workers is {workers!r}; expected 1, 2, 4 or 8, which share the groups of a batch")
    loss_of, gradients_of = _METHODS[method]
    rng = np.random.default_rng(seed)
    first = _Table((rng.random((len(corpus.words), dim)) - 0.5) / dim, device)
    second = _Table(np.zeros((len(corpus.words), dim)), device)

    def learn(text: "_Blocks", blocks: Tensor, noise: Tensor, judge: bool):
        """One worker's share of a batch: rows and gradients for both tables, loss, number of answers."""
        tokens, pairs = text.look(blocks)
        middle = tokens[:, window : window + BLOCK]
        inner, outer = (middle, tokens) if method == "skipgram" else (tokens, middle)
        batch = first.rows(inner), second.rows(outer), second.rows(noise), pairs, negatives
        loss, answers = torch.zeros(()), torch.zeros(())
        if judge:
            loss = loss_of(*batch)
            answers = pairs.sum() if method == "skipgram" else (pairs.sum(2) > 0).sum()
        x_grad, y_grad, z_grad = gradients_of(*batch)
        return [(inner, x_grad)], [(outer, y_grad), (noise, z_grad)], loss.cpu(), answers.cpu()

    losses = []
    with _shared_by(workers) as run:
        for epoch in range(epochs):
            text = _Blocks(corpus, window, sample, rng, device)
            total, number = 0.0, 0.0
            for step, (blocks, noise) in enumerate(text):
                shares = zip(blocks.chunk(workers), noise.chunk(workers), strict=True)
                done = run(lambda share, text=text, step=step: learn(text, *share, step % 16 == 0), shares)
                total += sum(loss.item() for *_, loss, _ in done)
                number += sum(answers.item() for *_, answers in done)
                rate = lr * max(SLOWEST, 1 - (epoch + step / len(text)) / epochs)
                one = [part for share in done for part in share[0]]
                other = [part for share in done for part in share[1]]
                run(lambda job, rate=rate: job[0].descend(job[1], rate), [(first, one), (second, other)])
            losses.append(total / max(number, 1))
            finite(losses[-1], [first.values, second.values], epoch, lr)
    return WordVectors(corpus.words, first.numpy(), second.numpy(), losses)


@contextmanager
def _shared_by(workers: int):
    """A `map` that is done when it returns, by so many threads, in each of which PyTorch uses one.

    The products of a batch are too small for PyTorch's own threads: they would wait for each other most of
    the time, and on a busy machine nearly all of it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if workers == 1:
            yield lambda f, jobs: [f(job) for job in jobs]
        else:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                yield lambda f, jobs: list(pool.map(f, jobs))
    finally:
        torch.set_num_threads(before)


class _Table:
    """A table of vectors (V, D), and AdaGrad with one step size a row."""

    def __init__(self, values: np.ndarray, device):
        self.values = torch.tensor(values, dtype=torch.float32, device=device)
        self.squares = torch.full((len(values),), TINY, device=device)

    def rows(self, ids: Tensor) -> Tensor:
        """(...) -> (..., D); `index_select` is several times as fast as brackets."""
        return self.values.index_select(0, ids.flatten()).view(*ids.shape, -1)

    def descend(self, parts: Sequence[tuple[Tensor, Tensor]], lr: float) -> None:
        """One step; parts: pairs of row numbers (...) and their gradients (..., D).

        A row that occurs often gets the sum of its gradients. Sorted by row, equal rows stand side by side,
        and `embedding_bag` adds up each stretch: no scatter.
        """
        flat = torch.cat([ids.flatten() for ids, _ in parts])
        gradient = torch.cat([g.reshape(-1, g.shape[-1]) for _, g in parts])
        order = torch.sort(flat, stable=True)
        new = order.values.diff(prepend=order.values[:1] - 1) != 0
        start = new.nonzero()[:, 0]
        rows = order.values[start]
        total = F.embedding_bag(order.indices, gradient, start, mode="sum")
        self.squares[rows] += total.square().mean(1)
        total *= self.squares[rows].rsqrt()[:, None]
        self.values.index_add_(0, rows, total, alpha=-lr)

    def numpy(self) -> np.ndarray:
        return self.values.cpu().numpy()


class _Blocks:
    """One epoch: the text without the words that are skipped this time, in batches of blocks.

    Yields (blocks, noise): (B,) numbers of blocks for `look`, and (G, K) negatives; B is a multiple of G.
    """

    def __init__(self, corpus: Corpus, window: int, sample: float, rng: np.random.Generator, device):
        kept = rng.random(len(corpus.ids)) < _keep(corpus.count, sample)[corpus.ids]
        ids, sentence = corpus.ids[kept], corpus.sentence[kept]
        place, reach = np.arange(len(ids)), rng.integers(1, window + 1, len(ids))
        left = np.minimum(reach, place - np.searchsorted(sentence, sentence, "left"))
        right = np.minimum(reach, np.searchsorted(sentence, sentence, "right") - 1 - place)
        if not left.any():
            raise ValueError(
                "no two words are left side by side; give more text, or skip fewer words with sample=0"
            )

        blocks = -(-len(ids) // BLOCK)
        fill = -blocks % GROUPS_OF_NEGATIVES  # blocks that hold no pair, so that groups are equally large
        pad = (blocks + fill) * BLOCK - len(ids)
        self.ids = torch.from_numpy(np.pad(ids, (window, pad + window))).to(device)
        self.left, self.right = (
            torch.from_numpy(np.pad(side, (0, pad)).astype(np.int16)).view(-1, BLOCK, 1).to(device)
            for side in (left, right)
        )
        self.order = torch.from_numpy(rng.permutation(blocks + fill)).to(device)
        self.span = torch.arange(BLOCK + 2 * window, device=device)
        self.distance = (self.span - self.span[:BLOCK, None] - window).to(torch.int16)  # of middle to around
        self.elsewhere = self.distance != 0  # a token is not its own neighbour
        edges = np.cumsum(corpus.count**0.75)  # the noise: rare words are drawn more than they occur
        drawn = rng.random((len(self), GROUPS_OF_NEGATIVES, NEGATIVES_OF_A_GROUP)) * edges[-1]
        self.noise = torch.from_numpy(np.searchsorted(edges, drawn, "right")).to(device)

    def __len__(self) -> int:
        return -(-len(self.order) // BLOCKS)

    def __iter__(self):
        return zip(self.order.split(BLOCKS), self.noise, strict=True)

    def look(self, blocks: Tensor) -> tuple[Tensor, Tensor]:
        """The words of some blocks, and who is a pair: (B, BLOCK + 2 window), (B, BLOCK, BLOCK + 2 window).

        The outer words are there as neighbours only. A pair is 1 where both stand in one sentence and within
        the reach that the middle word has drawn.
        """
        near = (self.distance >= -self.left[blocks]) & (self.distance <= self.right[blocks]) & self.elsewhere
        return self.ids[(blocks * BLOCK)[:, None] + self.span], near.float()


def _keep(count: np.ndarray, sample: float) -> np.ndarray:
    """The probability with which each word is kept: (V,). The formula of the authors' program."""
    if not 0 <= sample < np.inf:
        raise ValueError(f"sample is {sample}; expected a share of the text such as 1e-3, or 0 to keep all")
    if sample == 0:
        return np.ones(len(count))
    ratio = sample * count.sum() / count
    return np.minimum(1, np.sqrt(ratio) + ratio)


# ------------------------------------------------------------------------------------------------ errors


def whole(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number, at least {least}")


def positive(name: str, value: float) -> None:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is {value!r}; expected a positive number")


def finite(loss: float, tables: Sequence[Tensor], epoch: int, lr: float) -> None:
    if not np.isfinite(loss):
        raise ValueError(f"the loss is {loss} in epoch {epoch + 1}; try a smaller lr than {lr:g}")
    if not all(table.isfinite().all() for table in tables):
        raise ValueError(f"a vector is not finite after epoch {epoch + 1}; try a smaller lr than {lr:g}")
