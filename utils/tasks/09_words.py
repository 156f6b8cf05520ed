"""The tasks of lecture 09."""

from functools import cache
from math import log

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(9)


# --------------------------------------------------------------------------------------------- 09.right
def right_by_loop(ids, sentence, window, size):
    counts = np.zeros((size, size))
    for i, one in enumerate(ids.tolist()):
        for d in range(1, window + 1):
            if i + d < len(ids) and sentence[i + d] == sentence[i]:
                counts[one, ids[i + d]] += 1 / d
    return counts


def counted(weight=lambda d: 1 / d, both=False, turned=False, any_sentence=False, farthest=0):
    """The same with a mistake."""

    def count(ids, sentence, window, size):
        counts = np.zeros((size, size))
        for d in range(1, min(window + farthest, len(ids) - 1) + 1):
            same = (sentence[:-d] == sentence[d:]) | any_sentence
            np.add.at(counts, (ids[:-d][same], ids[d:][same]), weight(d))
        return counts + counts.T if both else counts.T if turned else counts

    return count


def keeps_one(ids, sentence, window, size):
    counts = np.zeros((size, size))
    for d in range(1, min(window, len(ids) - 1) + 1):
        same = sentence[:-d] == sentence[d:]
        counts[ids[:-d][same], ids[d:][same]] += 1 / d
    return counts


def _text(n, size, sentences, seed):
    draw = np.random.default_rng(seed)
    return draw.integers(size, size=n), np.sort(draw.integers(sentences, size=n))


right = Function(
    "09.right",
    cases=[
        Case("60 tokens in 7 sentences", (*_text(60, 5, 7, 1), 3, 5)),
        Case("one long sentence", (*_text(40, 9, 1, 2), 5, 9)),
        Case("the same word again and again", (np.zeros(6, int), np.array([0, 0, 0, 0, 1, 1]), 2, 2)),
        Case("a window longer than the text", (np.array([0, 1, 2]), np.zeros(3, int), 10, 3)),
        Case("words that never occur", (np.array([4, 1]), np.array([7, 7]), 1, 6)),
        Case("one token", (np.array([2]), np.array([0]), 5, 3)),
    ],
    oracle=right_by_loop,
    mistakes=[
        Mistake("equal pairs at one distance count only once: `+=` keeps one of them", keeps_one, 2),
        Mistake("this looks both ways; count the right-hand side only", counted(both=True), 1),
        Mistake("rows and columns are swapped: the row is the word on the left", counted(turned=True), 1),
        Mistake("each pair counts 1, as in the lecture; here it is 1 / d", counted(weight=lambda d: 1), 1),
        Mistake("pairs across the end of a sentence are counted", counted(any_sentence=True), 1),
        Mistake("the nearest neighbour counts 1/2: its distance is 1", counted(lambda d: 1 / (d + 1)), 1),
        Mistake("the window is one too long", counted(farthest=1), 3),
        Mistake("the window is one too short", counted(farthest=-1), 3),
    ],
    concepts=["glove"],
)


# ---------------------------------------------------------------------------------------------- 09.npmi
def npmi_by_loop(counts):
    total = float(counts.sum())
    result = np.full(counts.shape, -1.0)
    for i, j in np.argwhere(counts > 0).tolist():
        p = counts[i, j] / total
        if p == 1:
            result[i, j] = 1.0
        else:
            chance = (counts[i].sum() / total) * (counts[:, j].sum() / total)
            result[i, j] = (log(p) - log(chance)) / -log(p)
    return result


def npmi_with(zero=-1.0, positive=False, scale=True, power=1.0, sign=-1.0, by_row=False):
    def code(counts):
        p = counts / counts.sum()
        row, column = p.sum(axis=1, keepdims=True), p.sum(axis=0) ** power
        chance = row * column / column.sum()
        result = np.full(counts.shape, zero)
        seen = (p > 0) & (p < 1)
        over = sign * np.log((p / row if by_row else p)[seen]) if scale else 1.0
        result[seen] = np.log(p[seen] / chance[seen]) / over
        result[p == 1] = 1.0 if scale else 0.0
        return np.maximum(result, 0) if positive else result

    return code


def no_care_for_one(counts):
    p = counts / counts.sum()
    chance = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    result = np.full(counts.shape, -1.0)
    result[p > 0] = np.log(p[p > 0] / chance[p > 0]) / -np.log(p[p > 0])
    return result


npmi = Function(
    "09.npmi",
    cases=[
        Case("8 words and 8 neighbours", (rng.poisson(2.0, (8, 8)).astype(float),)),
        Case("4 words and 9 neighbours", (rng.poisson(1.0, (4, 9)) + 0.5 * (rng.random((4, 9)) < 0.5),)),
        Case("words that are never apart", (np.diag([3.0, 5.0, 1.0]),)),
        Case("words that ignore each other", (np.outer([1.0, 2.0, 5.0], [4.0, 1.0, 3.0]),)),
        Case("a word without neighbours", (np.array([[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.0, 5.0, 0.0]]),)),
        Case("huge and tiny counts", (np.array([[1e12, 1.0], [1.0, 0.0]]),)),
        Case("one cell with everything", (np.array([[0.0, 0.0], [7.0, 0.0]]),)),
    ],
    oracle=npmi_by_loop,
    mistakes=[
        Mistake("this is PMI itself, not divided by its largest value", npmi_with(scale=False), 1),
        Mistake("the negative values are cut off, as in PPMI; keep them", npmi_with(positive=True), 2),
        Mistake("cells without a count got 0; their limit is -1", npmi_with(zero=0.0), 2),
        Mistake("the neighbours' shares are raised to 0.75; use plain shares", npmi_with(power=0.75), 1),
        Mistake("the sign is wrong: divide by minus log p(w, c)", npmi_with(sign=1.0), 1),
        Mistake("divided by the share within the row; p(w, c) is a share of all", npmi_with(by_row=True), 1),
        Mistake("nan where one cell holds all counts", no_care_for_one, 3),
    ],
    concepts=["word2vec"],
)


# ---------------------------------------------------------------------------------------------- 09.cbow
def cbow_by_autograd(x, there, v, z):
    leaves = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, v, z)]
    neighbours, middle, noise = leaves
    exists = torch.tensor(there, dtype=torch.float64)
    losses = []
    for i in range(len(x)):
        h = (exists[i] @ neighbours[i]) / exists[i].sum()
        losses.append(-F.logsigmoid(h @ middle[i]) - F.logsigmoid(-noise[i] @ h).sum())
    loss = torch.stack(losses).sum()
    loss.backward()
    return loss.item(), *(leaf.grad.numpy() for leaf in leaves)


def sigmoid(s):
    return np.exp(-np.logaddexp(0, -s))


def cbow_with(
    mean=True, divide=True, mask=True, yes=1.0, average=1.0, half_noise=False, over_m=False, rows=1.0
):
    """The solution's formulas, with one of the usual slips."""

    def code(x, there, v, z):
        number = there.sum(axis=1, keepdims=True) if not over_m else np.full((len(x), 1), x.shape[1])
        share = there / (number if mean else 1)
        h = np.einsum("nm,nmd->nd", share, x)
        on, off = (h * v).sum(1), np.einsum("nd,nkd->nk", h, z)
        scale = z.shape[1] if average != 1.0 else 1.0
        over = len(x) if rows != 1.0 else 1.0
        loss = (np.logaddexp(0, -on).sum() + np.logaddexp(0, off).sum() / scale) / over
        error, error_no = (sigmoid(on) - yes) / over, sigmoid(off) / scale / over
        h_grad = error[:, None] * v + (0 if half_noise else np.einsum("nk,nkd->nd", error_no, z))
        back = share if divide else there.astype(float)
        back = back if mask else np.ones_like(share) / there.sum(axis=1, keepdims=True)
        return loss, back[:, :, None] * h_grad[:, None], error[:, None] * h, error_no[:, :, None] * h[:, None]

    return code


def _windows(n, m, k, d, seed, scale=1.0):
    draw = np.random.default_rng(seed)
    there = (draw.random((n, m)) < 0.6).astype(float)
    there[np.arange(n), draw.integers(m, size=n)] = 1.0
    x, v, z = (scale * draw.normal(size=shape) for shape in ((n, m, d), (n, d), (n, k, d)))
    return x, there, v, z


_FAR = (
    np.full((2, 2, 1), 40.0),
    np.ones((2, 2)),
    np.array([[25.0], [-25.0]]),
    np.array([[[25.0]], [[-25.0]]]),
)
cbow = Function(
    "09.cbow",
    cases=[
        Case("7 windows", _windows(7, 4, 5, 3, 1)),
        Case("full windows", (lambda x, t, v, z: (x, np.ones_like(t), v, z))(*_windows(4, 6, 2, 5, 2))),
        Case("one neighbour each", _windows(3, 1, 4, 2, 3)),
        Case("a single window", _windows(1, 5, 3, 4, 4)),
        Case("scores of 1000", _FAR),
        Case(
            "vectors of zeros",
            tuple(a * (a.ndim == 2 and a.shape == (3, 2)) for a in _windows(3, 2, 2, 4, 5)),
        ),
    ],
    oracle=cbow_by_autograd,
    mistakes=[
        Mistake("h is the sum of the neighbours; take their mean", cbow_with(mean=False), 3),
        Mistake("the gradient by x is not divided by the number of neighbours", cbow_with(divide=False), 3),
        Mistake("neighbours that do not exist get a gradient too", cbow_with(mask=False), 3),
        Mistake("divided by m, not by the number of neighbours there are", cbow_with(over_m=True), 3),
        Mistake("the negatives are averaged; the loss adds them up", cbow_with(average=0), 2),
        Mistake("the loss is a mean over the windows; it should be a sum", cbow_with(rows=0), 2),
        Mistake("the gradient by x forgets the negatives", cbow_with(half_noise=True), 2),
        Mistake("the error of the yes lacks its minus one", cbow_with(yes=0.0), 2),
    ],
    concepts=["word2vec"],
    rtol=1e-6,
    atol=1e-9,
)


# ---------------------------------------------------------------------------------------------- 09.rest
def _where_it_rests():
    """The loss of one pair that chance brings together, minimized: a yes, and five times a no."""
    rest = minimize_scalar(lambda s: np.logaddexp(0, -s) + 5 * np.logaddexp(0, s), bounds=(-50, 50)).x
    return min({"a": 0.0, "b": -1.6, "c": 1.6, "d": -50.0}.items(), key=lambda item: abs(item[1] - rest))[0]


rest = Choice(
    "09.rest",
    options=("a", "b", "c", "d"),
    truth=_where_it_rests,
    wrong="minimizing the loss of one yes and five noes over one score ends elsewhere",
    right="one yes and five noes: the score rests at minus log 5",
    concepts=["word2vec"],
)


# ------------------------------------------------------------------------------------------- 09.analogy
def analogy_by_sorting(table, a, b, c, n):
    unit = [row / np.sqrt((row**2).sum()) for row in table]
    target = unit[b] - unit[a] + unit[c]
    others = sorted(set(range(len(table))) - {a, b, c})
    ranked = sorted(others, key=lambda i: (-round(float(unit[i] @ target), 9), i))
    return np.array(ranked[:n])


def ranked(scale=True, drop=("a", "b", "c"), sign=1, cut=0, swap=False, far=False, itself=False):
    def code(table, a, b, c, n):
        unit = table / np.linalg.norm(table, axis=1, keepdims=True) if scale else table
        first, second = (b, a) if swap else (a, b)
        cosine = unit @ (unit[second] - unit[first] + unit[c])
        given = {"a": a, "b": b, "c": c}
        cosine = -cosine if far else cosine
        if not itself:
            cosine[[given[name] for name in drop]] = -np.inf
        return np.argsort(-cosine, kind="stable")[cut : n + cut]

    return code


_LONG = rng.normal(size=(12, 3)) * 10.0 ** rng.integers(-6, 6, (12, 1))
_BETWEEN = np.array([[1.0, 0.6], [0.1, 1.0], [2.0, 0.0], [1.0, -0.1], [1.0, -0.6], [-1.0, 0.2], [1.0, 0.3]])
_TIES = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 2, 0], [0, 3, 0], [-1, 1, 1], [1, 1, 0], [0, 0, 4]])
analogy = Function(
    "09.analogy",
    cases=[
        Case("30 words", (rng.normal(size=(30, 4)) * rng.uniform(0.2, 5, (30, 1)), 3, 8, 20, 5)),
        Case("rows of very different lengths", (_LONG, 0, 5, 11, 3)),
        Case("words that point the same way", (_TIES, 0, 1, 2, 4)),
        Case("a stands between b and c", (_BETWEEN, 2, 0, 4, 3)),
        Case("c is b", (rng.normal(size=(9, 3)), 2, 4, 4, 3)),
        Case("a is b", (rng.normal(size=(9, 3)), 6, 6, 1, 4)),
        Case("all the words that are left", (rng.normal(size=(7, 2)), 1, 2, 3, 4)),
        Case("sixty words in three directions", (np.tile(np.diag([1.0, 2.0, 0.5]), (20, 1)), 0, 1, 2, 25)),
    ],
    oracle=analogy_by_sorting,
    bug=ranked(itself=True, cut=3),
    mistakes=[
        Mistake("the three given words are still among the answers", ranked(itself=True), 2),
        Mistake("a is left out no longer; it may come back as well", ranked(drop=("b", "c")), 2),
        Mistake("c comes back: all three given words stay out", ranked(drop=("a", "b")), 2),
        Mistake("b comes back: all three given words stay out", ranked(drop=("a", "c")), 2),
        Mistake("the rows are not scaled to length one any more", ranked(scale=False), 2),
        Mistake("these are the farthest words", ranked(far=True), 2),
        Mistake("a and b are swapped", ranked(swap=True), 2),
    ],
    concepts=["word2vec", "glove"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 09.pieces
def pieces_by_ends(word, rows, shortest, longest):
    """Over all starts and ends, in place of lengths."""
    marked, found = "<" + word + ">", []
    for start in range(len(marked)):
        for end in range(start + 1, len(marked) + 1):
            if shortest <= end - start <= longest:
                found.append(rows.get(marked[start:end]))
    found = [row for row in found if row is not None]
    size = len(next(iter(rows.values())))
    return np.array([sum(row[i] for row in found) / max(len(found), 1) for i in range(size)])


def pieces_with(mark=True, more=0, fewer=0, once=False, over_all=False, total=False, empty=0.0):
    def code(word, rows, shortest, longest):
        marked = f"<{word}>" if mark else word
        runs = [
            marked[i : i + n]
            for n in range(shortest + fewer, longest + 1 + more)
            for i in range(len(marked) - n + 1)
        ]
        runs = list(dict.fromkeys(runs)) if once else runs
        known = [rows[run] for run in runs if run in rows]
        if not known:
            return np.full_like(next(iter(rows.values())), empty)
        return np.sum(known, axis=0) / (1 if total else len(runs) if over_all else len(known))

    return code


def _rows(words, d, seed, share=0.7):
    """Vectors for a part of the pieces of some words, of 1 to 7 letters."""
    draw = np.random.default_rng(seed)
    marked = [f"<{word}>" for word in words]
    runs = {m[i : i + n] for m in [*marked, *words] for n in range(1, 8) for i in range(len(m) - n + 1)}
    return {run: draw.normal(size=d) for run in sorted(runs) if draw.random() < share}


pieces = Function(
    "09.pieces",
    cases=[
        Case("matrices", ("matrices", _rows(["matrix", "matrices", "prices"], 4, 1), 3, 6)),
        Case("banana, whose ana comes twice", ("banana", _rows(["banana"], 3, 2, 1.0), 3, 3)),
        Case("a word that is a piece of another", ("her", _rows(["where", "her"], 5, 3, 1.0), 2, 5)),
        Case("a word shorter than the pieces", ("a", _rows(["a", "at"], 2, 4, 1.0), 3, 6)),
        Case("one letter at a time", ("noon", _rows(["noon", "on"], 3, 5), 1, 2)),
        Case("few known pieces", ("tree", {"ree": np.array([1.0, -2.0]), "<tr": np.array([3, 0.5])}, 3, 6)),
        Case("nothing known", ("xyz", {"abc": np.array([1.0, 2.0, 3.0])}, 3, 6)),
        Case("no letters", ("", {"<>": np.array([4.0]), "a": np.array([1.0])}, 2, 3)),
    ],
    oracle=pieces_by_ends,
    mistakes=[
        Mistake("the word lacks its marks < and >", pieces_with(mark=False), 1),
        Mistake("the longest pieces are missing: `longest` is included", pieces_with(more=-1), 2),
        Mistake("pieces longer than `longest` are counted", pieces_with(more=1), 2),
        Mistake("pieces shorter than `shortest` are counted", pieces_with(fewer=-1), 2),
        Mistake("a piece that comes twice in the word counts twice", pieces_with(once=True), 3),
        Mistake("divided by all pieces; take the mean of the known", pieces_with(over_all=True), 3),
        Mistake("this is the sum; take the mean", pieces_with(total=True), 3),
    ],
    concepts=["word2vec"],
)  # fmt: skip


# ----------------------------------------------------------------------------------------------- 09.ads
def category_score(table, category):
    """The lecture's probe: how often an ad is nearer to one of its category than to one of another."""
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    cosine, wins = unit @ unit.T, []
    for a, own in enumerate(category):
        foreign = cosine[a, category != own]
        wins += [(cosine[a, b] > foreign).mean() for b in np.flatnonzero(category == own) if b != a]
    return float(np.mean(wins))


@cache
def _logs():
    from utils import data

    cases = []
    for seed in (75, 76):
        ads = data.load("ads", rows=900_000, seed=seed)
        # each ad aims at a quarter of the users; the others see it less
        draw = np.random.default_rng(seed)
        aim, group = draw.integers(4, size=ads.sizes["user"]), draw.integers(4, size=ads.sizes["ad"])
        aimed = aim[ads.features["user"]] == group[ads.features["ad"]]
        ads = ads[np.flatnonzero(aimed | (draw.random(len(ads)) < 0.2))]
        category = np.zeros(ads.sizes["ad"], dtype=int)
        category[ads.features["ad"]] = ads.features["category"]
        columns = ads.features["user"], ads.features["ad"], ads.click
        cases.append(Case(f"ad log {seed}", columns, known=(category,)))
    return cases


ads = Function(
    "09.ads",
    cases=_logs,
    like=lambda user, ad, click: np.zeros((50, 12)),
    rules=[
        Rule("two ads have the same vector", lambda out, *_: len(np.unique(out, axis=0)) == 50, 1),
        Rule(
            "ads of one category are hardly nearer to each other than a guess has it",
            lambda out, user, ad, click, category: category_score(out, category) >= 0.6,
            1,
        ),
        Rule(
            "categories hold together less than 0.76 of the time",
            lambda out, user, ad, click, category: category_score(out, category) >= 0.76,
            2,
        ),
    ],
    concepts=["word2vec"],
)

TASKS = [right, npmi, cbow, rest, analogy, pieces, ads]
