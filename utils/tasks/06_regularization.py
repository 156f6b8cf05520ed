"""The tasks of lecture 06."""

import math
from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(6)


# -------------------------------------------------------------------------------------------- 06.ridge
def _stacked(X, y, price, m, bias=0.0):
    """Least squares with a row more for each price: root(p) times w should be root(p) times m."""
    d = X.shape[1]
    rows = np.block([[X, np.ones((len(X), 1))], [np.diag(np.sqrt([*price, bias]))]])
    solution = np.linalg.lstsq(rows, np.concatenate([y, np.sqrt(price) * m, [0.0]]), rcond=None)[0]
    return solution[:d], float(solution[d])


def _without_bias(X, y, price, m):
    return m + np.linalg.solve(X.T @ X + np.diag(price), X.T @ (y - X @ m)), 0.0


def _columns_not_centred(X, y, price, m):
    """The targets are centred, the columns are not."""
    w, _ = _without_bias(X, y - y.mean(), price, m)
    return w, float(np.mean(y - X @ w))


def _wrong_bias(X, y, price, m):
    return _stacked(X, y, price, m)[0], float(np.mean(y - X @ m))


def _rows(n, d, offset=0.0):
    X = rng.normal(size=(n, d)) + offset
    return X, X @ rng.normal(size=d) + 3 + rng.normal(size=n)


ridge = Function(
    "06.ridge",
    cases=[
        Case("30 rows, 4 columns", (*_rows(30, 4), np.array([1.0, 5.0, 0.2, 20.0]), rng.normal(size=4))),
        Case("columns far from zero", (*_rows(20, 3, 10.0), np.array([2.0, 3.0, 4.0]), rng.normal(size=3))),
        Case("two weights without a price", (*_rows(25, 3), np.array([0.0, 4.0, 0.0]), rng.normal(size=3))),
        Case("no price at all", (*_rows(15, 2), np.zeros(2), np.ones(2))),
        Case("a very high price", (*_rows(15, 2), np.full(2, 1e7), np.array([1.0, -2.0]))),
        Case("3 rows, 5 columns", (*_rows(3, 5), np.arange(1.0, 6.0), rng.normal(size=5))),
        Case("yesterday's weights zero", (*_rows(12, 2, 1.0), np.array([1.0, 2.0]), np.zeros(2))),
        Case("one column", (*_rows(6, 1, -2.0), np.array([0.5]), np.array([2.0]))),
    ],
    oracle=_stacked,
    mistakes=[
        Mistake(
            "this shrinks to zero, as the lecture's ridge does; shrink to yesterday's weights",
            lambda X, y, price, m: _stacked(X, y, price, 0 * m),
            1,
        ),
        Mistake("there is no bias in this: the line is forced through zero", _without_bias, 2),
        Mistake("the targets are centred, the columns are not", _columns_not_centred, 2),
        Mistake(
            "the bias has a price too; it should be free", lambda *a: _stacked(*a, bias=float(a[2].mean())), 2
        ),
        Mistake("the bias has a price too; it should be free", lambda *a: _stacked(*a, bias=1.0), 2),
        Mistake("w is right; b belongs to yesterday's weights", _wrong_bias, 3),
        Mistake(
            "b is the mean of y only where the columns have mean zero",
            lambda X, y, price, m: (_stacked(X, y, price, m)[0], float(y.mean())),
            3,
        ),
        *[
            Mistake(
                message, lambda X, y, price, m, change=change: _stacked(X, y, change(price, len(y)), m), 3
            )
            for message, change in (
                ("the price is squared on its way", lambda price, n: price**2),
                ("the price enters as it is, without a root", lambda price, n: np.sqrt(price)),
                ("twice the price: both squares bring a 2, and the two cancel", lambda price, n: 2 * price),
                ("half the price: both squares bring a 2, and the two cancel", lambda price, n: price / 2),
                ("the errors are a sum here, not a mean", lambda price, n: n * price),
            )
        ],
        Mistake(
            "each weight has its own price; here all pay the same",
            lambda X, y, price, m: _stacked(X, y, np.full_like(price, price.mean()), m),
            3,
        ),
        Mistake(
            "this is w − m; add m at the end",
            lambda X, y, price, m: (_stacked(X, y, price, m)[0] - m, _stacked(X, y, price, m)[1]),
            1,
        ),
    ],
    concepts=["l2", "regularization"],
    rtol=1e-4,
    atol=1e-5,
)


# --------------------------------------------------------------------------------------------- 06.rows
def _row_by_row(W, pull, bias_too=False):
    out = []
    for row in W.tolist()[: None if bias_too else -1]:
        length = math.hypot(*row)
        out.append([v - pull * v / length if length > pull else 0.0 for v in row])
    return np.array(out if bias_too else [*out, W[-1].tolist()])


def _shortened(W, by):
    """Each row but the last is multiplied by `by(row)`."""
    return np.array([*[row * by(row) for row in W[:-1]], W[-1]])


def _by_columns(W, pull):
    return np.vstack([W[:-1] * [_share(math.hypot(*column), pull) for column in W[:-1].T], W[-1:]])


def _hard(row, pull):
    return float(math.hypot(*row) > pull)


def _share(length, pull):
    return max(1 - pull / length, 0.0) if length else 0.0


rows = Function(
    "06.rows",
    cases=[
        Case("6 rows of 3", (rng.normal(size=(6, 3)), 1.2)),
        Case("square", (rng.normal(size=(4, 4)), 1.5)),
        Case("a row (3, 4)", (np.array([[3.0, 4.0], [0.3, 0.4], [0.1, -0.2]]), 1.0)),
        Case("a row of zeros", (np.array([[0.0, 0.0], [2.0, -1.0], [1.0, 1.0]]), 0.5)),
        Case("a row exactly as long as the pull", (np.array([[0.6, 0.8], [5.0, 12.0], [7.0, 7.0]]), 1.0)),
        Case("pull 0, with a row of zeros", (np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]), 0.0)),
        Case("one unit", (np.array([[-3.0], [0.5], [2.0], [0.2]]), 1.0)),
        Case("only the bias", (np.array([[0.1, 0.2]]), 5.0)),
    ],
    oracle=_row_by_row,
    mistakes=[
        Mistake(
            "this is the lecture's threshold, number by number; a row lives or dies as one",
            lambda W, pull: np.vstack([np.sign(W[:-1]) * np.maximum(np.abs(W[:-1]) - pull, 0), W[-1:]]),
            1,
        ),
        Mistake(
            "this is the lecture's threshold, number by number; a row lives or dies as one",
            lambda W, pull: np.sign(W) * np.maximum(np.abs(W) - pull, 0),
            1,
        ),
        Mistake(
            "the bias's row is shortened too; it should stay",
            lambda W, pull: _row_by_row(W, pull, bias_too=True),
            2,
        ),
        Mistake(
            "long rows keep their length; every row should be shorter by the pull",
            lambda W, pull: _shortened(W, lambda row: _hard(row, pull)),
            1,
        ),
        Mistake(
            "short rows turn round; they should be zero",
            lambda W, pull: _shortened(W, lambda row: 1 - pull / math.hypot(*row)),
            2,
        ),
        Mistake(
            "the length of a row is the root of its sum of squares",
            lambda W, pull: _shortened(W, lambda row: _share(np.abs(row).sum(), pull)),
            1,
        ),
        Mistake(
            "these are the lengths of the columns; an input is a row",
            _by_columns,
            1,
        ),
        Mistake(
            "one length decides for the whole table; each row has its own",
            lambda W, pull: _shortened(W, lambda row: _share(float(np.linalg.norm(W[:-1])), pull)),
            1,
        ),
    ],
    concepts=["l1"],
)


# ----------------------------------------------------------------------------------------- 06.channels
def _whole(out, x, p, _):
    """Each channel of each picture is zero, or what it was but for a factor."""
    for got, was in zip(out.reshape(-1, x[0, 0].size), x.reshape(-1, x[0, 0].size), strict=True):
        factor = got @ was / (was @ was)
        if not np.allclose(got, factor * was, atol=1e-9):
            return False
    return True


def _silent(out):
    return (out == 0).all(axis=(2, 3))  # (n, channels)


def _share_right(out, x, p, _):
    """The silenced share, to five standard deviations."""
    return abs(_silent(out).mean() - p) <= 5 * np.sqrt(p * (1 - p) / out[:, :, 0, 0].size)


def _some(out, x, p, _):
    return p == 0 or _silent(out).any()


def _own_toss(out, x, p, _):
    """The number of silenced channels differs from picture to picture."""
    return len(x) < 20 or len(set(_silent(out).sum(axis=1))) > 1


def _each_picture(out, x, p, _):
    silent = _silent(out)
    return len(x) < 20 or len(np.unique(silent, axis=0)) > 1


def _each_channel(out, x, p, _):
    silent = _silent(out)
    return len(x) < 20 or len(np.unique(silent, axis=1).T) > 1


def _all_differ(out, x, p, _):
    """Hardly two pictures have the same mask, nor two channels."""
    silent = _silent(out)
    many = [len(np.unique(masks, axis=0)) for masks in (silent, silent.T)]
    return len(x) < 20 or (many[0] > 0.8 * len(x) and many[1] > 0.8 * x.shape[1])


def _scaled(out, x, p, _):
    kept = ~_silent(out)
    return not kept.any() or np.allclose(out[kept], x[kept] / (1 - p))


def _pictures(n, c, h, w):
    return rng.normal(size=(n, c, h, w)) + 2


channels = Function(
    "06.channels",
    cases=[
        Case("p = 0.2", (_pictures(40, 30, 3, 3), 0.2, np.random.default_rng(1))),
        Case("p = 0.5", (_pictures(30, 40, 2, 2), 0.5, np.random.default_rng(2))),
        Case("p = 0.9", (_pictures(40, 40, 2, 3), 0.9, np.random.default_rng(3))),
        Case("p = 0", (_pictures(3, 2, 4, 4), 0.0, np.random.default_rng(4))),
        Case("p = 1", (_pictures(3, 2, 4, 4), 1.0, np.random.default_rng(5))),
    ],
    like=lambda x, p, generator: np.zeros_like(x),
    rules=[
        Rule("a channel is silenced in part; it is kept or silenced as one", _whole, 1),
        Rule("nothing is silenced", _some, 1),
        Rule("all pictures lose the same channels; draw for each picture", _each_picture, 1),
        Rule("a picture loses all of its channels or none; draw for each channel", _each_channel, 2),
        Rule("some share a mask; each channel of each picture has its own toss", _all_differ, 2),
        Rule("every picture loses equally many; each channel should have its own toss", _own_toss, 2),
        Rule("the share of silenced channels is not p", _share_right, 2),
        Rule("the channels that stay have the wrong scale: the mean changes", _scaled, 3),
    ],
    bug=lambda x, p, generator: x * (generator.random(x.shape) >= p) * 2,
    draws=True,
    seconds=60,
    concepts=["dropout"],
)


# --------------------------------------------------------------------------------------------- 06.stop
def _by_the_rules(scores, patience, least, warmup):
    """For each epoch anew: where was the last improvement, and how many epochs were waited since."""
    improvements = []
    for epoch, score in enumerate(scores.tolist()):
        if not math.isnan(score) and (not improvements or score - scores[improvements[-1]] > least):
            improvements.append(epoch)
        since = range(improvements[-1] + 1 if improvements else 0, epoch + 1)
        if len([e for e in since if e >= warmup]) >= patience:
            return improvements[-1], epoch
    return improvements[-1], len(scores) - 1


def _loop(
    scores,
    patience,
    least,
    warmup,
    sign=1,
    against="improvement",
    equal=False,
    late=0,
    counts=False,
    reset=True,
):
    """The usual loop, with a switch for each usual mistake."""
    best, restored, waited, before = -np.inf, 0, 0, -np.inf
    for epoch, score in enumerate(sign * scores):
        than = {"improvement": best, "largest": best, "before": before}[against] + least
        if score > than or (equal and score >= than):
            best, restored, waited = score, epoch, 0
        elif epoch >= warmup or counts:
            waited += 1
        if against == "largest":
            best = np.fmax(best, score)
        before = score
        if waited >= patience + late and epoch >= warmup * counts:
            break
    return restored, epoch


_climb = np.array([0.5, 0.6, 0.7, 0.68, 0.69, 0.75, 0.7, 0.71, 0.72, 0.73, 0.9])
stop = Function(
    "06.stop",
    cases=[
        Case("a climb and a pause", (_climb, 4, 0.0, 0)),
        Case("patience 2", (_climb, 2, 0.0, 0)),
        Case("patience 1, falling from the start", (np.array([0.9, 0.8, 0.7, 0.95]), 1, 0.0, 0)),
        Case("small steps, least = 0.01", (0.5 + 0.004 * np.arange(12.0), 4, 0.01, 0)),
        Case("a step of exactly least", (np.array([0.25, 0.5, 0.75, 0.75, 1.0]), 2, 0.25, 0)),
        Case("equal scores", (np.array([0.5, 0.7, 0.7, 0.7, 0.7, 0.8]), 3, 0.0, 0)),
        Case("a warm-up of 5", (np.array([0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.15, 0.7, 0.6]), 2, 0.0, 5)),
        Case("the best in the warm-up", (np.array([0.3, 0.9, 0.4, 0.5, 0.6, 0.7, 0.8]), 3, 0.0, 3)),
        Case("a nan in the middle", (np.array([0.5, 0.6, np.nan, 0.55, 0.58, 0.9]), 3, 0.0, 0)),
        Case("nan first", (np.array([np.nan, np.nan, 0.2, 0.1, 0.3, 0.25]), 3, 0.0, 0)),
        Case("never stopped", (np.array([0.1, 0.2, 0.3, 0.25]), 3, 0.0, 0)),
        Case("one epoch", (np.array([0.4]), 1, 0.0, 0)),
    ],
    oracle=_by_the_rules,
    mistakes=[
        Mistake("this looks for the lowest score; here higher is better", lambda *a: _loop(*a, sign=-1), 1),
        Mistake(
            "each score is compared with the epoch before; compare with the last improvement",
            lambda *a: _loop(*a, against="before"),
            2,
        ),
        Mistake(
            "each score is compared with the largest seen; compare with the last improvement",
            lambda *a: _loop(*a, against="largest"),
            2,
        ),
        Mistake("`least` is ignored", lambda s, p, least, w: _loop(s, p, 0.0, w), 2),
        Mistake(
            "an improvement must be more than `least`, not just as much", lambda *a: _loop(*a, equal=True), 2
        ),
        Mistake("it stops one epoch too late", lambda *a: _loop(*a, late=1), 3),
        Mistake("the warm-up is ignored", lambda s, p, least, w: _loop(s, p, least, 0), 3),
        Mistake("waiting in the warm-up is counted; it should not be", lambda *a: _loop(*a, counts=True), 3),
        Mistake(
            "epochs are counted from 0",
            lambda *a: tuple(epoch + 1 for epoch in _by_the_rules(*a)),
            3,
        ),
        Mistake(
            "the last epoch's weights are restored, not the best ones",
            lambda *a: (_by_the_rules(*a)[1],) * 2,
            3,
        ),
        Mistake(
            "the restored epoch is the best of *all* scores, those after the stop too",
            lambda s, *a: (int(np.nanargmax(s)), _by_the_rules(s, *a)[1]),
            3,
        ),
    ],
    concepts=["early-stopping"],
)


# --------------------------------------------------------------------------------------------- 06.fold
def _asked(W, b, gamma, beta, mean, var, eps=1e-5):
    """Ask PyTorch's two layers what they make of zero, and of each input alone."""
    import torch
    from torch import nn

    linear = nn.Linear(*W.shape, dtype=torch.float64)
    norm = nn.BatchNorm1d(len(b), eps=eps, dtype=torch.float64).eval()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor(W.T))
        linear.bias.copy_(torch.tensor(b))
        for place, values in (
            (norm.weight, gamma),
            (norm.bias, beta),
            (norm.running_mean, mean),
            (norm.running_var, var),
        ):
            place.copy_(torch.tensor(values))
        bias = norm(linear(torch.zeros(1, len(W), dtype=torch.float64)))[0]
        weights = norm(linear(torch.eye(len(W), dtype=torch.float64))) - bias
    return weights.numpy(), bias.numpy()


def _folded(W, b, gamma, beta, mean, var, eps=1e-5, factor=None, bias=None):
    f = gamma / np.sqrt(var + eps) if factor is None else factor(gamma, var, eps)
    return W * f, (b - mean) * f + beta if bias is None else bias(b, mean, f, beta)


def _layer(d, k):
    return (
        rng.normal(size=(d, k)),
        rng.normal(size=k),
        rng.normal(size=k) + 1,
        rng.normal(size=k),
        rng.normal(size=k),
        rng.random(k) * 4 + 0.1,
    )


fold = Function(
    "06.fold",
    cases=[
        Case("5 inputs, 3 units", _layer(5, 3)),
        Case("4 inputs, 4 units", _layer(4, 4)),
        Case("one unit", _layer(3, 1)),
        Case("one input", _layer(1, 4)),
        Case("a unit that never changed (variance 0)", (*_layer(3, 2)[:5], np.array([0.0, 1.0]))),
        Case("a large ε", (*_layer(3, 2), 0.5)),
        Case("γ = 0 and γ < 0", (*_layer(2, 2)[:2], np.array([0.0, -2.0]), *_layer(2, 2)[3:])),
    ],
    oracle=_asked,
    mistakes=[
        Mistake(
            "the layer's own bias is lost",
            lambda W, b, *a: _folded(W, 0 * b, *a),
            3,
        ),
        Mistake(
            "the layer's bias is added after the scaling; it comes before",
            lambda *a: _folded(*a, bias=lambda b, mean, f, beta: b - mean * f + beta),
            3,
        ),
        Mistake(
            "β is scaled too; it comes last",
            lambda *a: _folded(*a, bias=lambda b, mean, f, beta: (b - mean + beta) * f),
            3,
        ),
        Mistake(
            "the mean has the wrong sign",
            lambda *a: _folded(*a, bias=lambda b, mean, f, beta: (b + mean) * f + beta),
            1,
        ),
        Mistake(
            "this divides by the variance; take its root",
            lambda *a: _folded(*a, factor=lambda gamma, var, eps: gamma / (var + eps)),
            2,
        ),
        Mistake(
            "ε is missing, or not under the root",
            lambda *a: _folded(*a, factor=lambda gamma, var, eps: gamma / (np.sqrt(var) + eps)),
            3,
        ),
        Mistake(
            "ε is missing, or not under the root",
            lambda *a: _folded(*a[:6], factor=lambda gamma, var, eps: gamma / np.sqrt(var)),
            3,
        ),
        Mistake("the argument `eps` is not used", lambda *a: _folded(*a[:6]), 3),
        Mistake(
            "γ is lost",
            lambda *a: _folded(*a, factor=lambda gamma, var, eps: 1 / np.sqrt(var + eps)),
            2,
        ),
        Mistake(
            "the factors go along the rows; a unit is a column of W",
            lambda W, b, gamma, beta, mean, var, eps=1e-5: (
                W * (gamma / np.sqrt(var + eps))[:, None],
                _folded(W, b, gamma, beta, mean, var, eps)[1],
            ),
            2,
        ),
    ],
    concepts=["batch-norm"],
)


# ------------------------------------------------------------------------------------------- 06.copies
@cache
def _measured() -> str:
    """The nearest neighbour on 100 digits and four copies of each: mean accuracy over nine draws.

    The digits lie in the order of their writers: each third of the rows is judged by what others wrote.
    """
    from sklearn.datasets import load_digits
    from sklearn.neighbors import KNeighborsClassifier

    digits = load_digits()
    draw = np.random.default_rng(7)

    def shifted(x, axis, by):
        return np.roll(np.pad(x, ((0, 0), (1, 1), (1, 1))), by, axis=axis)[:, 1:-1, 1:-1]

    makers = {
        "a": lambda x: [x + draw.normal(0, 1, x.shape) for _ in range(4)],
        "b": lambda x: [shifted(x, axis, by) for axis in (1, 2) for by in (-1, 1)],
        "c": lambda x: [x[:, :, ::-1], x[:, ::-1], x[:, ::-1, ::-1], np.rot90(x, axes=(1, 2))],
        "d": lambda x: [x] * 4,
    }
    score = dict.fromkeys(makers, 0.0)
    rows = np.arange(len(digits.target))
    for unseen in 3 * np.array_split(rows, 3):
        seen = draw.permutation(np.setdiff1d(rows, unseen))[:100]
        for letter, copies in makers.items():
            x = np.concatenate([digits.images[seen], *copies(digits.images[seen])]).reshape(500, -1)
            model = KNeighborsClassifier(1).fit(x, np.tile(digits.target[seen], 5))
            score[letter] += model.score(digits.data[unseen], digits.target[unseen])
    return max(score, key=score.get)


copies = Choice(
    "06.copies",
    options=("a", "b", "c", "d"),
    truth=_measured,
    wrong="nine draws of 100 digits, copied and measured just now, say otherwise",
    right="nine draws of 100 digits, copied and measured just now, say so too",
    concepts=["augmentation", "noise"],
)


# ---------------------------------------------------------------------------------------------- 06.ctr
@cache
def _short_logs() -> list[Case]:
    """Two short ad logs, split in time. The answer sees no truth, and no clicks of the future."""
    from utils import data

    cases = []
    for seed in (61, 62):
        log = data.load("ads", rows=30_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        args = without_truth(past), without_clicks(future)
        cases.append(Case(f"short log {seed}", args, known=(future,)))
    return cases


ctr = Function(
    "06.ctr",
    cases=_short_logs,
    like=lambda past, hidden: np.full(len(hidden), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 3),
        Rule(
            "the mean prediction is not the click rate, so no bid could use it",
            lambda p, a, b, future: 0.75 < p.mean() / future.click.mean() < 1.3,
            3,
        ),
        Rule(
            "this is far worse than the base rate: the weights have learned the past by heart",
            lambda p, a, b, future: future.share_of_gap(p) > -0.05,
            2,
        ),
        Rule("this is less than 42 % of the gap", lambda p, a, b, future: future.share_of_gap(p) >= 0.42, 1),
    ],
    seconds=60,
    concepts=["l2", "regularization"],
)

TASKS = [ridge, rows, channels, stop, fold, copies, ctr]
