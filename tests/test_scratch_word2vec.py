"""Gate 6: the word vectors of lecture 09: counts as by loops, gradients as by autograd, and loud errors."""

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from torch.nn import functional as F

from utils import data
from utils.errors import UserError
from utils.scratch import word2vec
from utils.scratch.glove import cooccurrence, glove, glove_loss, glove_weight
from utils.scratch.word2vec import WordVectors, read, train
from utils.scratch.word_probe import ANALOGIES, GROUPS, group_scores, hits, plurals

# What `read` makes of the pinned packages' docstrings: the same on every machine.
VOCABULARY = "c134994eeb8cf254a251a4376b72517f1755277f5a22e34b78dc04773ed4dfcf"
TOKENS = "0e0a7784301fd932d570c3d5c6c48f75141cd62e7eda96adcf1ca81889ba7224"

TEXT = [
    line.split()
    for line in (
        "the cat sat on the mat",
        "the dog sat on the log",
        "a cat and a dog",
        "cat",
        "",
        "the mat and the log and the the",
    )
]


def random_text(seed=0, sentences=300, words=12):
    rng = np.random.default_rng(seed)
    names = [f"w{i}" for i in range(words)]
    share = 1 / np.arange(1, words + 1)
    return [
        list(rng.choice(names, size=rng.integers(1, 15), p=share / share.sum())) for _ in range(sentences)
    ]


def two_topics(seed=0, sentences=3000):
    """Sentences about colours or about numbers, with words that both use: what a model should tell apart."""
    rng = np.random.default_rng(seed)
    topics = [["red", "green", "blue", "white"], ["one", "two", "three", "four"]]
    common = ["the", "of", "a"]
    return [list(rng.choice(topics[rng.integers(2)] + common, size=8)) for _ in range(sentences)]


# ---------------------------------------------------------------------------------------- text and counts


def test_read_numbers_frequent_words_first():
    corpus = read(TEXT, min_count=2)
    assert corpus.words == ["the", "and", "cat", "a", "dog", "log", "mat", "on", "sat"]
    assert corpus.count.tolist() == [8, 3, 3, 2, 2, 2, 2, 2, 2]
    assert [corpus.words[i] for i in corpus.ids] == [word for line in TEXT for word in line]
    assert corpus.sentence.tolist() == [k for k, line in enumerate(TEXT) for _ in line]
    assert corpus.tokens == sum(map(len, TEXT)) and corpus.index["cat"] == 2
    rare = read([*TEXT, ["unseen", "cat"]], min_count=2)
    assert "unseen" not in rare.index and rare.tokens == corpus.tokens + 2
    assert len(rare.ids) == len(corpus.ids) + 1


def test_the_frozen_corpus_is_the_same_everywhere():
    corpus = read([line.split() for line in data.load("docstrings").splitlines()])
    assert hashlib.sha256(" ".join(corpus.words).encode()).hexdigest() == VOCABULARY
    tokens = np.stack([corpus.ids, corpus.sentence]).astype("<i8")
    assert hashlib.sha256(tokens.tobytes()).hexdigest() == TOKENS
    judged = [kind for kind in GROUPS.values() if sum(word in corpus.index for word in kind.split()) > 1]
    assert len(judged) == len(GROUPS)  # the probe has words of every kind in this corpus


def count_by_loop(corpus, window, harmonic):
    counts = np.zeros((len(corpus.words),) * 2)
    for i, one in enumerate(corpus.ids):
        for j, other in enumerate(corpus.ids):
            if i != j and abs(i - j) <= window and corpus.sentence[i] == corpus.sentence[j]:
                counts[one, other] += 1 / abs(i - j) if harmonic else 1
    return counts


@pytest.mark.parametrize("harmonic", [False, True])
@pytest.mark.parametrize("window", [1, 2, 5, 50])
def test_cooccurrence_is_the_double_loop(window, harmonic):
    corpus = read(TEXT, min_count=1)
    counts = cooccurrence(corpus, window, harmonic=harmonic)
    assert np.allclose(counts.toarray(), count_by_loop(corpus, window, harmonic), atol=1e-12)


@given(seed=st.integers(0, 999), window=st.integers(1, 9), harmonic=st.booleans())
@settings(deadline=None, max_examples=20)
def test_cooccurrence_of_any_text(seed, window, harmonic):
    corpus = read(random_text(seed, sentences=6), min_count=1)
    counts = cooccurrence(corpus, window, harmonic=harmonic)
    assert np.allclose(counts.toarray(), count_by_loop(corpus, window, harmonic), atol=1e-12)


def test_cooccurrence_of_one_token():
    assert cooccurrence(read([["a"]], min_count=1)).nnz == 0


# --------------------------------------------------------------------------------- skip-gram, CBOW, GloVe


def batch_of_blocks(seed=0, blocks=4, size=3, around=7, groups=2, noise=5, dim=6):
    """x, y, z and who is a pair, at random; x in the middle for skip-gram."""
    g = torch.Generator().manual_seed(seed)
    x, y, z = (
        torch.randn(*shape, dim, generator=g, dtype=torch.float64)
        for shape in ((blocks, size), (blocks, around), (groups, noise))
    )
    pairs = (torch.rand(blocks, size, around, generator=g) < 0.4).double()
    pairs[0, 0] = 0  # a word without neighbours
    return x, y, z, pairs


def skipgram_by_loop(x, y, z, pairs, negatives):
    loss = torch.zeros((), dtype=x.dtype)
    share = len(x) // len(z)
    for b, t, s in pairs.nonzero().tolist():
        loss = loss - F.logsigmoid(x[b, t] @ y[b, s])
        loss = loss - negatives * F.logsigmoid(-(z[b // share] @ x[b, t])).mean()
    return loss


def cbow_by_loop(x, y, z, pairs, negatives):
    loss = torch.zeros((), dtype=x.dtype)
    share = len(x) // len(z)
    for b in range(len(y)):
        for t in range(y.shape[1]):
            neighbours = pairs[b, t].nonzero()[:, 0]
            if len(neighbours):
                h = x[b, neighbours].mean(0)
                loss = loss - F.logsigmoid(h @ y[b, t])
                loss = loss - negatives * F.logsigmoid(-(z[b // share] @ h)).mean()
    return loss


METHODS = {"skipgram": skipgram_by_loop, "cbow": cbow_by_loop}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [{}, {"blocks": 6, "groups": 3}, {"blocks": 1, "groups": 1, "noise": 1}])
def test_loss_is_the_loop_and_gradients_are_autograds(method, shape):
    x, y, z, pairs = batch_of_blocks(**shape)
    x, y = (x, y) if method == "skipgram" else (y, x)  # in CBOW the words around come first
    leaves = [p.clone().requires_grad_() for p in (x, y, z)]
    by_loop = METHODS[method](*leaves, pairs, 5)
    expected = torch.autograd.grad(by_loop, leaves)
    loss_of, gradients_of = word2vec._METHODS[method]
    assert torch.isclose(loss_of(x, y, z, pairs, 5), by_loop, rtol=1e-12)
    kept = [p.clone() for p in (x, y, z, pairs)]
    for mine, theirs in zip(gradients_of(x, y, z, pairs, 5), expected, strict=True):
        assert mine.shape == theirs.shape and torch.allclose(mine, theirs, rtol=1e-10, atol=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(kept, (x, y, z, pairs), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_gradients_of_huge_scores_are_finite(method):
    x, y, z, pairs = batch_of_blocks()
    x, y = (x, y) if method == "skipgram" else (y, x)
    loss_of, gradients_of = word2vec._METHODS[method]
    huge = [1000 * p for p in (x, y, z)]
    assert loss_of(*huge, pairs, 5).isfinite()
    assert all(g.isfinite().all() for g in gradients_of(*huge, pairs, 5))


@pytest.mark.parametrize("window", [1, 3, 5])
def test_blocks_hold_each_pair_of_the_text_once(window):
    """With every word kept and every reach drawn again: the same pairs, counted by a plain loop."""
    corpus = read(random_text(), min_count=1)
    blocks = word2vec._Blocks(corpus, window, 0, np.random.default_rng(3), "cpu")
    draw = np.random.default_rng(3)
    draw.random(len(corpus.ids))
    reach = draw.integers(1, window + 1, len(corpus.ids))
    expected = np.zeros((len(corpus.words),) * 2)
    for i, one in enumerate(corpus.ids):
        for j in range(max(0, i - reach[i]), min(len(corpus.ids), i + reach[i] + 1)):
            if i != j and corpus.sentence[i] == corpus.sentence[j]:
                expected[one, corpus.ids[j]] += 1
    found = np.zeros_like(expected)
    for chosen, noise in blocks:
        tokens, pairs = blocks.look(chosen)
        block, middle, around = pairs.nonzero().T
        np.add.at(found, (tokens[block, middle + window].numpy(), tokens[block, around].numpy()), 1)
        assert len(tokens) % len(noise) == 0 and noise.max() < len(corpus.words)
    assert np.array_equal(found, expected)
    assert len(list(blocks)) == len(blocks)


def test_frequent_words_are_skipped_and_noise_follows_the_counts():
    count = np.array([90_000, 9_000, 900, 100])
    keep = word2vec._keep(count, 1e-3)
    f = count / count.sum()
    assert np.allclose(keep, np.minimum(1, np.sqrt(1e-3 / f) + 1e-3 / f))
    assert keep[-1] == 1 and np.all(np.diff(keep) >= 0) and np.all(word2vec._keep(count, 0) == 1)
    corpus = read(random_text(sentences=4000), min_count=1)
    noise = word2vec._Blocks(corpus, 2, 0, np.random.default_rng(0), "cpu").noise.flatten()
    share = np.bincount(noise, minlength=len(corpus.words)) / len(noise)
    expected = corpus.count**0.75 / (corpus.count**0.75).sum()
    assert np.abs(share - expected).max() < 6 * np.sqrt(0.25 / len(noise))


def test_a_row_gets_the_sum_of_its_gradients_and_adagrads_step():
    table = word2vec._Table(np.ones((5, 3)), "cpu")
    ids, gradient = torch.tensor([[4, 1], [1, 1]]), torch.arange(12.0).view(2, 2, 3)
    for _ in range(2):
        table.descend([(ids, gradient)], lr=0.5)
    total = {4: gradient[0, 0], 1: gradient[0, 1] + gradient[1].sum(0)}
    for row in range(5):
        g = total.get(row, torch.zeros(3))
        first, second = (torch.sqrt(n * g.square().mean() + 1e-8) for n in (1, 2))
        assert torch.allclose(table.values[row], 1 - 0.5 * g / first - 0.5 * g / second, rtol=1e-5)


def glove_by_loop(w, c, b, d, counts, x_max):
    loss = 0.0
    for i, row in enumerate(counts):
        for j, x in enumerate(row):
            if x > 0:
                loss += min(1, (x / x_max) ** 0.75) * (w[i] @ c[j] + b[i] + d[j] - np.log(x)) ** 2
    return loss


def test_gloves_loss_is_the_plain_loop():
    rng = np.random.default_rng(0)
    w, c, b, d = (rng.normal(size=shape) for shape in ((4, 3), (6, 3), (4,), (6,)))
    counts = rng.poisson(1.0, (4, 6)) * rng.random((4, 6)) * 20
    loss = glove_loss(*map(torch.tensor, (w, c, b, d, counts)), x_max=10)
    assert np.isclose(loss.item(), glove_by_loop(w, c, b, d, counts, 10), rtol=1e-12)
    assert torch.equal(glove_weight(torch.tensor([0.0, 10.0, 99.0]), 10), torch.tensor([0.0, 1.0, 1.0]))


def test_one_pass_of_glove_is_autograd_with_adagrad():
    """All rows in one block: one step, which PyTorch can take as well."""
    counts = cooccurrence(read(TEXT, min_count=1), 3, harmonic=True)
    size = counts.shape[0]
    ours = glove(counts, [str(i) for i in range(size)], dim=4, epochs=1, lr=0.1, x_max=2, rows=size, seed=5)
    rng = np.random.default_rng(5)
    total = counts.sum(1)
    bias = np.log(total) - np.log(total.sum()) / 2
    starts = (*((rng.random((size, 4)) - 0.5) / 4 for _ in range(2)), bias, bias)
    w, c, b, d = leaves = [torch.tensor(s, dtype=torch.float32, requires_grad=True) for s in starts]
    optimizer = torch.optim.Adagrad(leaves, lr=0.1, eps=0, initial_accumulator_value=1e-8)
    loss = glove_loss(w, c, b, d, torch.tensor(counts.toarray()).float(), 2)
    (loss / 2).backward()  # the half that hides in lr
    optimizer.step()
    assert np.isclose(ours.loss[0], loss.item() / counts.nnz, rtol=1e-5)
    assert np.allclose(ours.table, (w + c).detach(), atol=1e-4)


# ------------------------------------------------------------------------------------- what comes out


MAKERS = {
    "skipgram": lambda corpus, seed: train(corpus, dim=8, epochs=5, sample=0, seed=seed),
    "cbow": lambda corpus, seed: train(corpus, method="cbow", dim=8, epochs=5, sample=0, seed=seed),
    "glove": lambda corpus, seed: glove(
        cooccurrence(corpus, harmonic=True), corpus.words, dim=8, epochs=10, rows=4, seed=seed
    ),
}


@pytest.mark.parametrize("name", MAKERS)
def test_words_of_one_topic_come_together(name):
    corpus = read(two_topics(), min_count=1)
    vectors = MAKERS[name](corpus, 0)
    groups = {"colours": "red green blue white", "numbers": "one two three four"}
    scores = group_scores(vectors.words, vectors.table, groups)
    assert min(scores.values()) > 0.95
    assert {word for word, _ in vectors.nearest("red", 3)} == {"green", "blue", "white"}
    assert vectors.loss[-1] < vectors.loss[0]
    assert vectors.table.shape == vectors.context.shape == (len(corpus.words), 8)


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_seed_gives_the_same_vectors(name):
    corpus = read(random_text(), min_count=1)
    one, again, other = (MAKERS[name](corpus, seed).table for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.allclose(one, other)


@pytest.mark.parametrize("method", METHODS)
def test_workers_change_nothing_but_the_time(method):
    corpus = read(random_text(sentences=2000), min_count=1)
    before = torch.get_num_threads()
    one, two, eight = (train(corpus, method=method, dim=8, epochs=2, sample=0, workers=n) for n in (1, 2, 8))
    assert np.allclose(one.table, two.table, atol=1e-4) and np.allclose(one.table, eight.table, atol=1e-4)
    assert np.allclose(one.loss, two.loss, rtol=1e-4)
    assert torch.get_num_threads() == before


def test_training_approaches_pmi_minus_log_k():
    """Levy & Goldberg (2014), with room for every pair: as many numbers as words."""
    corpus = read(two_topics(), min_count=1)
    vectors = train(corpus, dim=11, window=2, epochs=30, sample=0, negatives=3, lr=0.2)
    counts = cooccurrence(corpus, 2).toarray()
    noise = corpus.count**0.75 / (corpus.count**0.75).sum()
    met = counts > 0
    pmi = np.log(np.where(met, counts, 1) / counts.sum(1, keepdims=True) / noise) - np.log(3)
    products = vectors.table @ vectors.context.T
    assert np.corrcoef(products[met], pmi[met])[0, 1] > 0.9


def vectors_in_the_plane():
    names = ["east", "north", "west", "far", "nowhere"]
    return WordVectors(names, np.array([[1, 0], [0, 1], [-1, 0], [5, 5.0], [0, 0]], dtype=np.float32))


def test_neighbours_by_hand():
    v = vectors_in_the_plane()
    assert [word for word, _ in v.nearest("east", 3)] == ["far", "north", "nowhere"]
    assert v.nearest("east", 99)[-1][0] == "west" and len(v.nearest("east", 99)) == 4
    assert dict(v.nearest("east", 1)) == {"far": pytest.approx(np.sqrt(0.5))}
    assert dict(v.nearest("nowhere", 1)) == {"east": 0}


def test_analogy_by_hand():
    v = vectors_in_the_plane()  # east is to north as west is to …: (0, 1) - (1, 0) + (-1, 0) = (-2, 1)
    assert [word for word, _ in v.analogy("east", "north", "west", 2)] == ["nowhere", "far"]
    assert v.analogy("east", "north", "west", 1, exclude=False)[0][0] == "west"


def test_scores_of_groups_by_hand():
    words = ["a", "b", "c", "d", "unused"]
    table = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 1]])
    assert group_scores(words, table, {"x": "a b", "y": "c d"}) == {"x": 1.0, "y": 1.0}
    assert group_scores(words, table, {"x": "a c", "y": "b d"}) == {"x": 0.0, "y": 0.5}
    same = group_scores(words, np.ones((5, 2)), {"x": "a b missing", "y": "c d", "z": "c gone"})
    assert same == {"x": 0.5, "y": 0.5}  # a tie counts a half; a kind with one known word is left out
    both = group_scores(words, table, {"x": "a b c", "y": "c d"})
    assert both["y"] == 1.0  # c has two kinds, so only d is asked against a and b, and c against nobody of x


# ------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda c: read(["the cat"], 1), "a sentence is a string"),
        (lambda c: read(TEXT, 99), "no word occurs 99 times"),
        (lambda c: read(TEXT, 0), "min_count is 0"),
        (lambda c: read(TEXT, 1.5), "min_count is 1.5"),
        (lambda c: cooccurrence(c, 0), "window is 0"),
        (lambda c: cooccurrence(c, True), "window is True"),
        (lambda c: train(c, dim=0), "dim is 0"),
        (lambda c: train(c, window=-1), "window is -1"),
        (lambda c: train(c, epochs=2.0), "epochs is 2.0"),
        (lambda c: train(c, negatives=0), "negatives is 0"),
        (lambda c: train(c, workers=3), "workers is 3"),
        (lambda c: train(c, lr=0), "lr is 0"),
        (lambda c: train(c, lr=float("nan")), "lr is nan"),
        (lambda c: train(c, sample=-1), "sample is -1"),
        (lambda c: train(read([["a"]], 1)), "fewer than two tokens"),
        (lambda c: train(read([["a"], ["b"]], 1), sample=0), "no two words are left side by side"),
        (lambda c: train(c, epochs=5, lr=1e38, sample=0), "the loss is|a vector is not finite"),
        (lambda c: glove(cooccurrence(c), c.words[1:]), r"shape \(9, 9\); expected \(8, 8\)"),
        (lambda c: glove(csr_array((9, 9)), c.words), "holds no pair"),
        (lambda c: glove(csr_array(np.triu(np.ones((9, 9)))), c.words), "not symmetric"),
        (lambda c: glove(csr_array(np.full((9, 9), np.nan)), c.words), "nan"),
        (lambda c: glove(cooccurrence(c), c.words, x_max=0), "x_max is 0"),
        (lambda c: glove(cooccurrence(c), c.words, rows=0), "rows is 0"),
        (lambda c: glove(cooccurrence(c), c.words, lr=1e38), "the loss is|a vector is not finite"),
        (lambda c: group_scores(c.words, np.ones((2, 2))), "shape"),
        (lambda c: group_scores(c.words, np.ones((9, 2)), {"x": "cat dog"}), "fewer than two kinds"),
        (lambda c: vectors_in_the_plane().nearest("south"), "'south' is not among the 5 words"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(read(TEXT, min_count=2))


def test_unknown_method_is_named():
    with pytest.raises(UserError, match="unknown method 'glove'; choose one of: skipgram, cbow"):
        train(read(TEXT, min_count=1), method="glove")


def test_plurals_are_pairs_of_frequent_words():
    words, count = ["row", "rows", "as", "ass", "bit", "bits", "bus"], [50, 30, 90, 40, 70, 19, 80]
    assert plurals(words, count).tolist() == [[0, 1]]  # "as" is too short, "bits" too rare
    assert plurals(words, count, at_least=19).tolist() == [[0, 1], [4, 5]]
    assert plurals(["bus"], [80]).shape == (0, 2)


def test_hits_count_both_ways():
    table = np.array([[1, 0], [1, 0.1], [1, 0.5], [1, 0.6], [0, 0]])
    # Row 1 is the nearest of row 0; row 3's nearest is row 2, as row 2's is row 3; row 1's nearest is row 0.
    assert hits(table, np.array([[0, 1], [2, 3], [0, 3]]), n=1).tolist() == [1, 1, 0]
    assert hits(table, np.array([[1, 3]]), n=2).tolist() == [0.5]  # 1 sees 0 and 2 first, 3 sees 2 and 1
    assert hits(5 * table, np.array([[0, 3]]), n=3).tolist() == [1]


def test_analogies_are_six_pairs_a_family():
    assert {len(family.split()) for family in ANALOGIES.values()} == {12}
