"""GloVe, as built in lecture 09: word vectors from counts of which words stand near which.

    corpus = word2vec.read([line.split() for line in text.splitlines()])
    vectors = glove(cooccurrence(corpus, harmonic=True), corpus.words, dim=64)

Pennington, Socher & Manning (2014), GloVe: Global Vectors for Word Representation.
"""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from torch import Tensor

from utils.scratch.word2vec import TINY, Corpus, WordVectors, finite, positive, whole


def cooccurrence(corpus: Corpus, window: int = 5, *, harmonic: bool = False) -> csr_array:
    """How often each pair of words stands at most `window` apart in a sentence: (V, V), symmetric.

    `harmonic`: a pair at distance d counts 1/d, as in GloVe; else 1. A rare word that was left out leaves no
    gap. Two of the same word side by side count twice, once from each.
    """
    whole("window", window, 1)
    size, counts = len(corpus.words), csr_array((len(corpus.words),) * 2)
    for d in range(1, window + 1):
        together = corpus.sentence[d:] == corpus.sentence[:-d]
        left, right = corpus.ids[:-d][together], corpus.ids[d:][together]
        weight = np.full(len(left), 1 / d if harmonic else 1.0)
        counts = counts + coo_array((weight, (left, right)), (size, size)).tocsr()
    return (counts + counts.T).tocsr()


def glove_weight(counts: Tensor, x_max: float, power: float = 0.75) -> Tensor:
    """How much a cell matters: (count / x_max)^power, at most 1, and nothing where the count is 0."""
    return (counts / x_max).clamp(max=1).pow(power)


def glove_loss(w: Tensor, c: Tensor, b: Tensor, d: Tensor, counts: Tensor, x_max: float) -> Tensor:
    """The sum over cells of weight * (w . c + b + d - log count)^2; a count of 0 is left out.

    w: (R, D), b: (R,) for the rows; c: (S, D), d: (S,) for the columns; counts: (R, S).
    """
    miss = w @ c.T + b[:, None] + d - torch.where(counts > 0, counts, 1.0).log()
    return (glove_weight(counts, x_max) * miss.square()).sum()


def glove(
    counts: csr_array,
    words: Sequence[str],
    *,
    dim: int = 100,
    epochs: int = 8,
    lr: float = 0.1,
    x_max: float = 10.0,
    rows: int = 64,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> WordVectors:
    """GloVe by AdaGrad, `rows` rows of the counts at a time against all columns: two matrix products.

    Most cells of such a block are zero and weigh nothing, yet the product is faster than picking the others
    out, up to some tens of thousands of words. The biases start where the words ignore each other, b + d =
    log of the count that chance expects, so that the vectors need not learn how frequent a word is.
    Parameters: counts: (V, V) sparse, symmetric; words: V names; `x_max`: a count that weighs fully.
    Returns: `WordVectors`: its table is the sum of both, as the authors advise, its context the second one;
    its loss is the mean over cells that are not zero.
    Raises: ValueError for an option out of range, counts that fit neither the words nor GloVe, or a loss that
    is not finite.
    """
    for name, value in {"dim": dim, "epochs": epochs, "rows": rows}.items():
        whole(name, value, 1)
    positive("lr", lr)
    positive("x_max", x_max)
    counts, size = csr_array(counts), len(words)
    if counts.shape != (size, size):
        raise ValueError(f"counts has shape {counts.shape}; expected ({size}, {size}), the number of words")
    if counts.nnz == 0 or counts.data.min() < 0 or not np.isfinite(counts.data).all():
        raise ValueError(
            "counts holds no pair, or a negative number or nan; expected what cooccurrence gives"
        )
    if abs(counts - counts.T).max() > 1e-6 * counts.max():
        raise ValueError("counts is not symmetric; add its transpose, as cooccurrence does")
    rng = np.random.default_rng(seed)
    w, c = (
        torch.tensor((rng.random((size, dim)) - 0.5) / dim, dtype=torch.float32, device=device)
        for _ in range(2)
    )
    total = np.maximum(counts.sum(1), TINY)
    b = torch.tensor(np.log(total) - np.log(total.sum()) / 2, dtype=torch.float32, device=device)
    d = b.clone()
    squares = {name: torch.full_like(p, TINY) for name, p in {"w": w, "c": c, "b": b, "d": d}.items()}

    def descend(name: str, p: Tensor, at, gradient: Tensor) -> None:
        squares[name][at] += gradient.square()
        p[at] -= lr * gradient / squares[name][at].sqrt()

    losses = []
    for epoch in range(epochs):
        loss = torch.zeros((), device=device)
        for block in np.array_split(rng.permutation(size), -(-size // rows)):
            x = torch.from_numpy(counts[block].toarray()).float().to(device)  # (R, V)
            weight, target = glove_weight(x, x_max), torch.where(x > 0, x, 1.0).log_()
            at = torch.from_numpy(block).to(device)
            inner = w[at]
            miss = (inner @ c.T).add_(b[at][:, None]).add_(d).sub_(target)
            slope = weight.mul_(miss)  # half the derivative by the score: AdaGrad does not see a factor
            loss += slope.flatten() @ miss.flatten()
            inner_grad, c_grad = slope @ c, slope.T @ inner
            descend("w", w, at, inner_grad)
            descend("c", c, slice(None), c_grad)
            descend("b", b, at, slope.sum(1))
            descend("d", d, slice(None), slope.sum(0))
        losses.append(loss.item() / counts.nnz)
        finite(losses[-1], [w, c], epoch, lr)
    return WordVectors(list(words), (w + c).cpu().numpy(), c.cpu().numpy(), losses)
