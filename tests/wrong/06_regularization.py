"""Wrong answers to lecture 06's tasks, each with its message, and right ones written otherwise."""

import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, Ridge


# ----------------------------------------------------------------------------------------------- ridge
def the_lectures_ridge(X, y, price, m):
    return np.linalg.solve(X.T @ X + np.diag(price), X.T @ y), 0.0


def with_ones(X, y, price, m, bias=0.0, centre=None):
    """A column of ones whose price is `bias`; `centre` is what the weights are pulled to."""
    X1, P = np.column_stack([X, np.ones(len(X))]), np.diag([*price, bias])
    pull = P @ np.append(m if centre is None else centre, 0.0)
    w = np.linalg.solve(X1.T @ X1 + P, X1.T @ y + pull)
    return w[:-1], w[-1]


def no_bias(X, y, price, m):
    return m + np.linalg.solve(X.T @ X + np.diag(price), X.T @ (y - X @ m)), 0.0


def targets_centred_only(X, y, price, m):
    w = no_bias(X, y - y.mean(), price, m)[0]
    return w, np.mean(y - X @ w)


def yesterdays_bias(X, y, price, m):
    return with_ones(X, y, price, m)[0], np.mean(y - X @ m)


def half_the_price(X, y, price, m):
    return with_ones(X, y, price / 2, m)


def mean_of_squares(X, y, price, m):
    return with_ones(X, y, price * len(y), m)


def by_the_inverse(X, y, price, m):
    """Fails where a price is zero: divides by it."""
    Xc, e = X - X.mean(0), y - X @ m
    with np.errstate(all="ignore"):
        S = np.diag(1 / price)
        w = m + S @ Xc.T @ np.linalg.solve(Xc @ S @ Xc.T + np.eye(len(y)), e - e.mean())
    return w, np.mean(y - X @ w)


def m_in_place(X, y, price, m):
    w, b = with_ones(X, y, price, m)
    m += w - m
    return m, b


def by_scaled_columns(X, y, price, m):
    """Scaled by 1 / root(p), each column pays the same, and the library's ridge does the rest."""
    root = np.sqrt(np.maximum(price, 1e-9))
    model = Ridge(alpha=1.0, solver="svd").fit(X / root, y - X @ m)
    w = m + model.coef_ / root
    return w, float(np.mean(y - X @ w))


# ------------------------------------------------------------------------------------------------ rows
def soft(w, pull):
    return np.sign(w) * np.maximum(np.abs(w) - pull, 0)


def rows_by(share, bias_too=False):
    """Every row is multiplied by share(its length, pull)."""

    def soft_rows(W, pull):
        out = W.copy()
        for i in range(len(W) if bias_too else len(W) - 1):
            length = np.linalg.norm(W[i])
            out[i] *= share(length, pull)
        return out

    return soft_rows


def shorten(length, pull):
    return max(1 - pull / length, 0) if length else 0


def no_guard(W, pull):
    with np.errstate(all="ignore"):
        length = np.linalg.norm(W[:-1], axis=1, keepdims=True)
        return np.vstack([np.maximum(1 - pull / length, 0) * W[:-1], W[-1:]])


def by_columns(W, pull):
    length = np.linalg.norm(W[:-1], axis=0)
    return np.vstack([np.maximum(1 - pull / np.maximum(length, 1e-300), 0) * W[:-1], W[-1:]])


def absolute_lengths(W, pull):
    length = np.abs(W[:-1]).sum(axis=1, keepdims=True)
    return np.vstack([np.maximum(1 - pull / np.maximum(length, 1e-300), 0) * W[:-1], W[-1:]])


def rows_in_place(W, pull):
    W[:-1] = rows_by(shorten)(W, pull)[:-1]
    return W


def without_the_bias(W, pull):
    return rows_by(shorten)(W, pull)[:-1]


def by_torch(W, pull):
    """The length is shrunk by the library, the direction kept."""
    import torch
    from torch.nn import functional as F

    rows = torch.tensor(W[:-1])
    length = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    return np.vstack([(F.normalize(rows, dim=1) * F.softshrink(length, pull)).numpy(), W[-1:]])


# -------------------------------------------------------------------------------------------- channels
def channels_by(shape, scale, keep=lambda draw, p: draw >= p):
    def drop_channels(x, p, rng):
        if p == 1 and scale is right_scale:
            return np.zeros_like(x)
        return x * keep(rng.random(shape(x)), p) * scale(p)

    return drop_channels


def two_by_two(x, p, rng):
    """Pictures 2i and 2i + 1 lose the same channels."""
    if p == 1:
        return np.zeros_like(x)
    keep = rng.random(((len(x) + 1) // 2, x.shape[1], 1, 1)) >= p
    return x * np.repeat(keep, 2, axis=0)[: len(x)] / (1 - p)


def right_scale(p):
    return 1 / (1 - p)


def own_channels(x):
    return (*x.shape[:2], 1, 1)


def divided_by_zero(x, p, rng):
    with np.errstate(all="ignore"):
        return x * (rng.random((*x.shape[:2], 1, 1)) >= p) / (1 - np.float64(p))


def divided_by_p(x, p, rng):
    return x * (rng.random((*x.shape[:2], 1, 1)) >= p) / max(p, 1e-9)


def always_so_many(x, p, rng):
    """The first channels of each picture: not random at all."""
    kept = np.arange(x.shape[1]) >= p * x.shape[1]
    return x * kept[None, :, None, None] * (right_scale(p) if p < 1 else 0)


def equally_many(x, p, rng):
    kept = np.array([rng.permutation(x.shape[1]) >= round(p * x.shape[1]) for _ in x])
    return x * kept[:, :, None, None] * (right_scale(p) if p < 1 else 0)


def global_state(x, p, rng):
    return channels_by(own_channels, right_scale)(x, p, np.random.default_rng())


def one_by_one(x, p, rng):
    out = np.zeros_like(x)
    for i in range(len(x)):
        for c in range(x.shape[1]):
            if rng.uniform() < 1 - p:
                out[i, c] = x[i, c] / (1 - p)
    return out


def by_binomial(x, p, rng):
    kept = rng.binomial(1, 1 - p, size=x.shape[:2])
    return np.einsum("nchw,nc->nchw", x, kept / max(1 - p, 1e-12))


# ------------------------------------------------------------------------------------------------ stop
def replaying(better, wait=lambda epoch, warmup: epoch >= warmup, stop=lambda w, p: w == p, keep=max):
    """The loop; `better(score, best, before, least)`, `keep(old, new)` is what counts as the best."""

    def replay(scores, patience, least, warmup):
        best, before, restored, waited = -np.inf, -np.inf, 0, 0
        for epoch, score in enumerate(scores):
            if better(score, best, before, least):
                best, restored, waited = score, epoch, 0
            elif wait(epoch, warmup):
                waited += 1
            before = score
            if stop(waited, patience):
                break
        return restored, epoch

    return replay


def improved(score, best, before, least):
    return score > best + least


def the_lectures_stop(scores, patience, least, warmup):
    best, kept, waited = np.inf, 0, 0
    for epoch, now in enumerate(scores):
        best, kept, waited = (now, epoch, 0) if now < best else (best, kept, waited + 1)
        if waited == patience:
            break
    return kept, epoch


def highest_seen(scores, patience, least, warmup):
    """Everything above the largest raises the bar, improvement or not."""
    best, restored, waited = -np.inf, 0, 0
    for epoch, score in enumerate(scores):
        if score > best + least:
            restored, waited = epoch, 0
        elif epoch >= warmup:
            waited += 1
        best = np.fmax(best, score)
        if waited == patience:
            break
    return restored, epoch


def waits_in_warmup(scores, patience, least, warmup):
    best, restored, waited = -np.inf, 0, 0
    for epoch, score in enumerate(scores):
        if score > best + least:
            best, restored, waited = score, epoch, 0
        else:
            waited += 1
        if waited >= patience and epoch >= warmup:
            break
    return restored, epoch


def starts_from_the_first(scores, patience, least, warmup):
    """best = scores[0]: nothing is larger than nan."""
    best, restored, waited = scores[0], 0, 0
    for epoch, score in enumerate(scores[1:], start=1):
        if score > best + least:
            best, restored, waited = score, epoch, 0
        elif epoch >= warmup:
            waited += 1
        if waited == patience:
            return restored, epoch
    return restored, len(scores) - 1


def not_worse(score, best, before, least):
    """Turned round, so that nan improves."""
    return not score <= best + least


def with_an_iterator(scores, patience, least, warmup):
    """No counter: the epoch at which the patience ends is moved on at each improvement."""
    best, restored, end = float("-inf"), 0, max(warmup - 1, -1) + patience
    for epoch in range(len(scores)):
        if scores[epoch] - best > least:
            best, restored = float(scores[epoch]), epoch
            end = max(epoch, warmup - 1) + patience
        if epoch >= end:
            return restored, epoch
    return restored, len(scores) - 1


def best_of_all(scores, *rest):
    return int(np.nanargmax(scores)), with_an_iterator(scores, *rest)[1]


def shifted(*args):
    restored, last = with_an_iterator(*args)
    return restored + 1, last + 1


# ------------------------------------------------------------------------------------------------ fold
def folding(factor=lambda g, v, e: g / np.sqrt(v + e), bias=lambda b, m, f, beta: (b - m) * f + beta):
    def fold(W, b, gamma, beta, mean, var, eps=1e-5):
        f = factor(gamma, var, eps)
        return W * f, bias(b, mean, f, beta)

    return fold


def along_rows(W, b, gamma, beta, mean, var, eps=1e-5):
    f = gamma / np.sqrt(var + eps)
    return W * f[:, None], (b - mean) * f + beta


def eps_of_its_own(W, b, gamma, beta, mean, var, eps=1e-5):
    return folding()(W, b, gamma, beta, mean, var)


def the_lectures_norm(W, b, gamma, beta, mean, var, eps=1e-5):
    """Normalizes the weights by their own mean and variance, as if they were the batch."""
    return gamma * (W - W.mean(0)) / np.sqrt(W.var(0) + eps) + beta, b


def scaled_in_place(W, b, gamma, beta, mean, var, eps=1e-5):
    f = gamma / np.sqrt(var + eps)
    W *= f
    return W, (b - mean) * f + beta


def by_the_library(W, b, gamma, beta, mean, var, eps=1e-5):
    import torch
    from torch.nn.utils.fusion import fuse_linear_bn_weights

    parts = (torch.tensor(v) for v in (mean, var))
    weight, bias = fuse_linear_bn_weights(
        torch.tensor(W.T), torch.tensor(b), *parts, eps, torch.tensor(gamma), torch.tensor(beta)
    )
    return weight.detach().numpy().T, bias.detach().numpy()


def by_a_matrix(W, b, gamma, beta, mean, var, eps=1e-5):
    """Both layers as one matrix on (x, 1)."""
    first = np.vstack([W, b - mean])
    both = first @ np.diag(gamma * (var + eps) ** -0.5)
    return both[:-1], both[-1] + beta


# ------------------------------------------------------------------------------------------------- ctr
IDS = [
    "user",
    "ad",
    "advertiser",
    "context",
    "age",
    "gender",
    "category",
    "site",
    "position",
    "hour",
    "device",
]
CROSSES = [
    ("user", "category"),
    ("context", "ad"),
    ("age", "gender", "category"),
    ("device", "category"),
    ("hour", "category"),
]


def priced(C=0.3, columns=(*IDS, *CROSSES), **options):
    def predict_clicks(past, future):
        model = LogisticRegression(C=C, max_iter=500, **options)
        return model.fit(past.one_hot(columns), past.click).predict_proba(future.one_hot(columns))[:, 1]

    return predict_clicks


def classes(past, future):
    return LogisticRegression().fit(past.one_hot(IDS), past.click).predict(future.one_hot(IDS))


def judged_on_itself(past, future):
    """The price that fits the fitted rows best: none."""
    X = past.one_hot([*IDS, *CROSSES])
    models = [LogisticRegression(C=C, max_iter=500).fit(X, past.click) for C in (0.1, 1, 10)]
    best = min(models, key=lambda model: past.log_loss(model.predict_proba(X)[:, 1]))
    return best.predict_proba(future.one_hot([*IDS, *CROSSES]))[:, 1]


def by_hand(past, future):
    """A Gaussian belief, written as a loss for SciPy."""
    X, y = past.one_hot([*IDS, *CROSSES]), past.click
    start = np.zeros(X.shape[1] + 1)

    def loss(w, price=4.0):
        z = X @ w[:-1] + w[-1]
        p = 1 / (1 + np.exp(-z))
        slope = np.append(X.T @ (p - y) + price * w[:-1], (p - y).sum())
        return np.logaddexp(0, z).sum() - y @ z + price / 2 * w[:-1] @ w[:-1], slope

    w = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    return 1 / (1 + np.exp(-(future.one_hot([*IDS, *CROSSES]) @ w[:-1] + w[-1])))


WRONG = {
    "06.ridge": {
        "the lecture's": (the_lectures_ridge, "wrong values"),
        "no bias": (no_bias, "no bias"),
        "targets centred only": (targets_centred_only, "the columns are not"),
        "the bias pays": (lambda *a: with_ones(*a, bias=1.0), "has a price too"),
        "shrinks to zero": (lambda *a: with_ones(*a, centre=0 * a[3]), "yesterday's weights"),
        "m not added": (lambda *a: (with_ones(*a)[0] - a[3], with_ones(*a)[1]), "add m"),
        "yesterday's bias": (yesterdays_bias, "belongs to yesterday"),
        "half the price": (half_the_price, "half the price"),
        "twice the price": (lambda X, y, p, m: with_ones(X, y, 2 * p, m), "twice the price"),
        "root of the price": (lambda X, y, p, m: with_ones(X, y, p**0.5, m), "without a root"),
        "mean of squares": (mean_of_squares, "a sum here"),
        "mean of y": (lambda *a: (with_ones(*a)[0], a[1].mean()), "have mean zero"),
        "squared price": (lambda X, y, p, m: with_ones(X, y, p**2, m), "squared"),
        "one price for all": (lambda X, y, p, m: with_ones(X, y, p * 0 + p.mean(), m), "its own price"),
        "divides by the price": (by_the_inverse, "nan"),
        "in place": (m_in_place, "changes its input"),
        "weights only": (lambda *a: with_ones(*a)[0], "expected 2 results"),
    },
    "06.rows": {
        "the lecture's": (soft, "number by number"),
        "the lecture's, bias kept": (
            lambda W, pull: np.vstack([soft(W[:-1], pull), W[-1:]]),
            "number by number",
        ),
        "bias too": (rows_by(shorten, bias_too=True), "bias"),
        "hard": (rows_by(lambda length, pull: length > pull), "keep their length"),
        "turned round": (rows_by(lambda length, pull: 1 - pull / length if length else 0), "turn round"),
        "not guarded": (no_guard, "nan"),
        "by columns": (by_columns, "an input is a row"),
        "sum of absolutes": (absolute_lengths, "root of its sum"),
        "bias lost": (without_the_bias, "shape"),
        "in place": (rows_in_place, "changes its input"),
        "ridge": (rows_by(lambda length, pull: 1 / (1 + pull)), "wrong values"),
    },
    "06.channels": {
        "the lecture's": (channels_by(lambda x: x.shape, right_scale), "in part"),
        "rows of pixels": (channels_by(lambda x: (*x.shape[:3], 1), right_scale), "in part"),
        "the same for all pictures": (
            channels_by(lambda x: (1, x.shape[1], 1, 1), right_scale),
            "for each picture",
        ),
        "one mask for two pictures": (two_by_two, "some share a mask"),
        "whole pictures": (channels_by(lambda x: (len(x), 1, 1, 1), right_scale), "for each channel"),
        "keeps p": (channels_by(own_channels, right_scale, lambda draw, p: draw < p), "is not p"),
        "always two": (channels_by(own_channels, lambda p: 2), "wrong scale"),
        "no scale": (channels_by(own_channels, lambda p: 1), "wrong scale"),
        "divided by p": (divided_by_p, "wrong scale"),
        "the other way": (channels_by(own_channels, lambda p: 1 - p), "wrong scale"),
        "0 / 0": (divided_by_zero, "nan"),
        "not random": (always_so_many, "for each picture"),
        "equally many": (equally_many, "its own toss"),
        "nothing dropped": (lambda x, p, rng: x.copy(), "nothing is silenced"),
        "own generator": (global_state, "each time"),
    },
    "06.stop": {
        "the lecture's": (the_lectures_stop, "wrong values"),
        "lowest": (lambda scores, *a: with_an_iterator(-scores, *a), "higher is better"),
        "against the epoch before": (
            replaying(lambda score, best, before, least: score > before + least),
            "the epoch before",
        ),
        "against the largest": (highest_seen, "largest seen"),
        "no least": (lambda s, p, least, w: with_an_iterator(s, p, 0.0, w), "`least` is ignored"),
        "just as much": (replaying(lambda s, best, before, least: s >= best + least), "not just as much"),
        "one late": (replaying(improved, stop=lambda w, p: w > p), "too late"),
        "no warm-up": (lambda s, p, least, w: with_an_iterator(s, p, least, 0), "warm-up is ignored"),
        "waits in the warm-up": (waits_in_warmup, "waiting in the warm-up"),
        "from one": (shifted, "from 0"),
        "last weights": (lambda *a: (with_an_iterator(*a)[1],) * 2, "not the best"),
        "best of all": (best_of_all, "after the stop too"),
        "starts from nan": (starts_from_the_first, "wrong values"),
        "nan improves": (replaying(not_worse), "wrong values"),
    },
    "06.fold": {
        "the lecture's": (the_lectures_norm, "wrong values"),
        "no bias": (folding(bias=lambda b, m, f, beta: beta - m * f), "bias is lost"),
        "bias not scaled": (folding(bias=lambda b, m, f, beta: b - m * f + beta), "it comes before"),
        "beta scaled": (folding(bias=lambda b, m, f, beta: (b - m + beta) * f), "comes last"),
        "mean added": (folding(bias=lambda b, m, f, beta: (b + m) * f + beta), "wrong sign"),
        "variance": (folding(lambda g, v, e: g / (v + e)), "take its root"),
        "no gamma": (folding(lambda g, v, e: 1 / np.sqrt(v + e)), "γ is lost"),
        "eps beside": (folding(lambda g, v, e: g / (np.sqrt(v) + e)), "under the root"),
        "own eps": (eps_of_its_own, "not used"),
        "along the rows": (along_rows, "your code stops"),
        "in place": (scaled_in_place, "changes its input"),
        "turned": (lambda *a: (folding()(*a)[0].T, folding()(*a)[1]), "shape"),
    },
    "06.copies": {
        "noise": ("a", "say otherwise"),
        "mirrors": ("c", "say otherwise"),
        "no copies": ("d", "say otherwise"),
        "no letter": (4, "answer with one of"),
    },
    "06.ctr": {
        "the usual price": (priced(1.0), "less than 42 %"),
        "no price": (priced(1e4), "by heart"),
        "too high a price": (priced(0.01), "less than 42 %"),
        "no crosses": (priced(0.3, IDS), "less than 42 %"),
        "judged on itself": (judged_on_itself, "by heart"),
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "less than 42 %"),
        "classes": (classes, "a probability is asked"),
        "balanced": (priced(0.3, class_weight="balanced"), "not the click rate"),
    },
}

RIGHT = {
    "06.ridge": {"scaled columns": by_scaled_columns, "a column of ones": with_ones},
    "06.rows": {"PyTorch": by_torch, "loop": rows_by(lambda n, pull: (n - pull) / n if n > pull else 0.0)},
    "06.channels": {"loops": one_by_one, "binomial": by_binomial},
    "06.stop": {"a moving end": with_an_iterator, "loop": replaying(improved)},
    "06.fold": {"one matrix": by_a_matrix, "PyTorch": by_the_library},
    "06.copies": {"b": "B."},
    "06.ctr": {"by hand": by_hand, "C = 0.3": priced()},
}
