"""Wrong answers to lecture 07's tasks, each with its message, and right ones written otherwise."""

from functools import partial

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import vstack
from scipy.special import expit, logsumexp
from sklearn.linear_model import LogisticRegression


# --------------------------------------------------------------------------------------------- rescale
def rescaled(measure, *, pass_on=True, after=False, guard=1e-12):
    def rescale(x, matrices, activation):
        h, new = x, []
        for W in matrices:
            z = activation(h @ W) if after else h @ W
            spread = measure(z)
            with np.errstate(all="ignore"):
                new.append(W / spread if np.all(spread > guard) else W)
                h = activation(h @ (new[-1] if pass_on else W))
        return tuple(new)

    return rescale


def difference(z):
    return np.sqrt(z.var(axis=0).mean())


def in_place(x, matrices, activation):
    for W in matrices:
        W /= difference(x @ W)
        x = activation(x @ W)
    return matrices


def the_lectures_glorot(x, matrices, activation):
    draw = np.random.default_rng(0)
    return tuple((2 / sum(W.shape)) ** 0.5 * draw.normal(size=W.shape) for W in matrices)


def after_the_product(x, matrices, activation):
    """Divide by the spread of the signal that comes in, not of the one that goes out."""
    new = []
    for W in matrices:
        new.append(W / max(difference(x), 1e-12))
        x = activation(x @ new[-1])
    return tuple(new)


def by_centred_norm(x, matrices, activation, alike=1e-12):
    """The same number as a Frobenius norm; the mended scores are the old ones divided."""
    new = []
    for W in matrices:
        z = x @ W
        spread = np.linalg.norm(z - z.mean(0)) / np.sqrt(z.size)
        factor = spread if spread > alike else 1.0
        new.append(W / factor)
        x = activation(z / factor)
    return new


def by_recursion(x, matrices, activation):
    if not matrices:
        return ()
    first, *rest = matrices
    covariance = np.atleast_2d(np.cov(x.T, bias=True))
    spread = np.sqrt(max(np.trace(first.T @ covariance @ first) / first.shape[1], 0))
    first = first / spread if spread > 1e-12 else first
    return (first, *by_recursion(activation(x @ first), rest, activation))


# ---------------------------------------------------------------------------------------------- energy
def softplus(z):
    return np.logaddexp(0, z)


def the_lectures(v, W, b, c):
    return -v @ b - softplus(v @ W + c).sum(1)


def overflowing(v, W, b, c):
    with np.errstate(over="ignore"):
        return 0.5 * ((v - b) ** 2).sum(1) - np.log(1 + np.exp(v @ W + c)).sum(1)


def clipped(v, W, b, c):
    return 0.5 * ((v - b) ** 2).sum(1) - np.log(1 + np.exp(np.clip(v @ W + c, -50, 50))).sum(1)


def by_doubling(v, W, b, c):
    """Sum over hidden states unit by unit: each one doubles the list of exponents."""
    exponents = np.zeros((len(v), 1))
    for unit, bias in zip(W.T, c, strict=True):
        exponents = np.hstack([exponents, exponents + (v @ unit + bias)[:, None]])
    return np.array([(row - b) @ (row - b) / 2 for row in v]) - logsumexp(exponents, axis=1)


def expanded(v, W, b, c):
    z = v @ W + c
    soft = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return (v**2).sum(1) / 2 - v @ b + b @ b / 2 - np.einsum("nk->n", soft)


# ----------------------------------------------------------------------------------------------- chain
def toss(p, rng):
    return (rng.random(p.shape) < p).astype(float)


def stepped(
    v, chain, W, b, c, rng, *, start=None, hidden_coins=True, visible_coins=True, steps=1, sign=1, old=False,
    means=(True, True), bits=False, stale=False, back=None, cast=float,
):  # fmt: skip
    x = chain if start is None else start(v, chain)
    for _ in range(steps):
        p = expit(x @ W + c)
        h = toss(p, rng) if hidden_coins else p
        x = expit(h @ W.T + b)
        x = toss(x, rng) if visible_coins else x
    of_data, of_model = expit(v @ W + c), expit(x @ W + c)
    if bits:
        of_data, of_model = toss(of_data, rng), toss(of_model, rng)
    model = (chain.T @ expit(chain @ W + c)) if old else x.T @ (h if stale else of_model)
    n, m = (len(v), len(chain)) if all(means) else ((1, 1) if not any(means) else (len(v), len(v)))
    return sign * (v.T @ of_data / n - model / m), x.astype(cast) if back is None else back(chain)


def the_lectures_cd(v, chain, W, b, c, rng):
    here = expit(v @ W + c)
    seen = toss(expit(toss(here, rng) @ W.T + b), rng)
    h = expit(seen @ W + c)
    return (v.T @ here - seen.T @ h) / len(v), (v - seen).mean(0), (here - h).mean(0)


def from_data(v, chain):
    return np.resize(np.round(v), chain.shape)


def coins_of_shape(up, down):
    """One coin for several units or chains, where each should have its own."""

    def persistent_step(v, chain, W, b, c, rng):
        sizes = {"m": len(chain), "k": len(c), "d": len(b), 1: 1}
        h = (rng.random([sizes[s] for s in up]) < expit(chain @ W + c)).astype(float)
        new = (rng.random([sizes[s] for s in down]) < expit(h @ W.T + b)).astype(float)
        return v.T @ expit(v @ W + c) / len(v) - new.T @ expit(new @ W + c) / len(new), new

    return persistent_step


def no_visible_bias(v, chain, W, b, c, rng):
    return stepped(v, chain, W, 0 * b, c, rng)


def chain_by_chain(v, chain, W, b, c, rng):
    """Loops, and coins by rng.binomial."""
    new = np.empty_like(chain)
    for i, row in enumerate(chain):
        h = rng.binomial(1, expit(row @ W + c))
        new[i] = rng.binomial(1, expit(W @ h + b))
    data = np.mean([np.outer(row, expit(row @ W + c)) for row in v], axis=0)
    model = np.mean([np.outer(row, expit(row @ W + c)) for row in new], axis=0)
    return data - model, new


def by_noise(v, chain, W, b, c, rng):
    """A coin as a logit compared with logistic noise."""
    h = (chain @ W + c > rng.logistic(size=(len(chain), len(c)))) * 1.0
    new = (h @ W.T + b > rng.logistic(size=chain.shape)) * 1.0
    return np.einsum("nd,nk->dk", v, expit(v @ W + c)) / len(v) - np.einsum(
        "nd,nk->dk", new, expit(new @ W + c)
    ) / len(new), new


# ---------------------------------------------------------------------------------------------- layers
def on_new(train, new, fit, depth):
    for _ in range(depth):
        new = fit(new)(new)
    return new


def on_both(train, new, fit, depth):
    for _ in range(depth):
        encode = fit(np.concatenate([train, new]))
        train, new = encode(train), encode(new)
    return new


def of_train(train, new, fit, depth):
    for _ in range(depth):
        train = fit(train)(train)
    return train


def one_too_few(train, new, fit, depth):
    for _ in range(depth - 1):
        encode = fit(train)
        train, new = encode(train), encode(new)
    return new


def at_least_one(train, new, fit, depth):
    for _ in range(max(depth, 1)):
        encode = fit(train)
        train, new = encode(train), encode(new)
    return new


def refitted_after(train, new, fit, depth):
    """Encodes train first and fits anew on its code before new is encoded."""
    for _ in range(depth):
        train = fit(train)(train)
        new = fit(train)(new)
    return new


def the_lectures_stack(train, new, fit, depth):
    layers = []
    for _ in range(depth):
        layers.append(fit(train))
        train = expit(train @ layers[-1][0] + layers[-1][2])
    return layers


def both_at_once(train, new, fit, depth):
    """Fit on the upper rows of one array and encode it whole."""
    rows = np.concatenate([train, new])
    for _ in range(depth):
        rows = fit(rows[: len(train)])(rows)
    return rows[len(train) :]


def by_recursion_on_depth(train, new, fit, depth):
    if depth == 0:
        return new
    encode = fit(train)
    return by_recursion_on_depth(encode(train), encode(new), fit, depth - 1)


# --------------------------------------------------------------------------------------------- control
def each(change):
    return lambda matrices, rng: tuple(change(W, rng) for W in matrices)


def redrawn(W, rng):
    return W.mean(0) + W.std(0) * rng.normal(size=W.shape)


def rolled(W, rng):
    """For each unit a turn of its own: places are fair, orders are not."""
    return np.stack([np.roll(w, rng.integers(len(w))) for w in W.T], axis=1)


def one_swap(W, rng):
    new = W.copy()
    for column in new.T:
        i, j = rng.integers(len(column), size=2)
        column[[i, j]] = column[[j, i]]
    return new


def same_seed_for_all(matrices, rng):
    seed = int(rng.integers(2**32))
    return tuple(np.random.default_rng(seed).permuted(W, axis=0) for W in matrices)


def in_place_shuffle(matrices, rng):
    return tuple(rng.permuted(W, axis=0, out=W) for W in matrices)


def first_layer_only(matrices, rng):
    return tuple(rng.permuted(W, axis=0) if i == 0 else W.copy() for i, W in enumerate(matrices))


def by_noise_order(W, rng):
    """Sort each column by noise."""
    return np.take_along_axis(W, rng.random(W.shape).argsort(axis=0), axis=0)


def by_exchange(matrices, rng):
    """Fisher and Yates, by hand, column by column."""
    new = []
    for W in matrices:
        W = np.array(W)
        for j in range(W.shape[1]):
            for i in range(len(W) - 1, 0, -1):
                k = rng.integers(i + 1)
                W[i, j], W[k, j] = W[k, j], W[i, j]
        new.append(W)
    return new


# ------------------------------------------------------------------------------------------------- ctr
COLUMNS = [
    "age", "gender", "category", "site", "position", "hour", "device", "user", "ad", "advertiser", "context",
]  # fmt: skip


def loss_and_gradient(w, X, y, price, centre):
    z, away = X @ w, w - centre
    loss = np.mean(np.logaddexp(0, z) - y * z) + price / 2 * away @ away
    return loss, X.T @ (expit(z) - y) / len(y) + price * away


def fitted(log, price, centre):
    X = log.one_hot(COLUMNS)
    return minimize(loss_and_gradient, centre, (X, log.click, price, centre), jac=True, method="L-BFGS-B").x


def tuned(past, few, future, price=0.003):
    X = future.one_hot(COLUMNS)
    return expit(X @ fitted(few, price, fitted(past, 1e-5, np.zeros(X.shape[1]))))


def few_only(past, few, future, price=0.001):
    X = future.one_hot(COLUMNS)
    return expit(X @ fitted(few, price, np.zeros(X.shape[1])))


def past_only(past, few, future):
    X = future.one_hot(COLUMNS)
    return expit(X @ fitted(past, 1e-5, np.zeros(X.shape[1])))


def around_zero(past, few, future):
    """Starts at the old weights, but pays for the distance from zero: the minimum forgets its start."""
    X, old = few.one_hot(COLUMNS), fitted(past, 1e-5, np.zeros(few.one_hot(COLUMNS).shape[1]))
    w = minimize(loss_and_gradient, old, (X, few.click, 0.003, 0 * old), jac=True, method="L-BFGS-B").x
    return expit(future.one_hot(COLUMNS) @ w)


def together(past, few, future):
    X = vstack([past.one_hot(COLUMNS), few.one_hot(COLUMNS)]).tocsr()
    model = LogisticRegression(C=0.3, max_iter=400).fit(X, np.append(past.click, few.click))
    return model.predict_proba(future.one_hot(COLUMNS))[:, 1]


def stopped_early(past, few, future):
    """No price at all: plain descent from the old weights, and few steps."""
    X = few.one_hot(COLUMNS)
    w = fitted(past, 1e-5, np.zeros(X.shape[1]))
    for _ in range(60):
        w = w - 3.0 * (X.T @ (expit(X @ w) - few.click) / len(few))
    return expit(future.one_hot(COLUMNS) @ w)


WRONG = {
    "07.rescale": {
        "alike too early": (partial(by_centred_norm, alike=1e-11), "a difference of 1.5e-12"),
        "alike too late": (partial(by_centred_norm, alike=1e-13), "a difference of 0.7e-12"),
        "all scores together": (rescaled(np.std), "all scores together"),
        "root mean square": (rescaled(lambda z: np.sqrt((z**2).mean())), "root mean square"),
        "unit by unit": (rescaled(lambda z: z.std(axis=0)), "by one number"),
        "mean of deviations": (rescaled(lambda z: z.std(axis=0).mean()), "average the variances"),
        "variance": (rescaled(lambda z: z.var(axis=0).mean()), "divide by its root"),
        "n - 1": (rescaled(lambda z: np.sqrt(z.var(axis=0, ddof=1).mean())), "divide by n"),
        "old signal": (rescaled(difference, pass_on=False), "measured on the old signal"),
        "after the activation": (rescaled(difference, after=True), "before it"),
        "no guard": (rescaled(difference, guard=-1), "contains"),
        "rows instead of units": (rescaled(lambda z: np.sqrt(z.var(axis=1).mean())), "wrong values"),
        "the lecture's glorot": (the_lectures_glorot, "wrong values"),
        "the signal that comes in": (after_the_product, "wrong values"),
        "in place": (in_place, "changes its input"),
        "only the first": (lambda x, m, f: rescaled(difference)(x, m[:1], f), "results"),
    },
    "07.residual": {
        "He keeps it": ("a", "say otherwise"),
        "sizes add as roots": ("b", "say otherwise"),
        "the mean square": ("d", "say otherwise"),
        "no letter": (1024, "answer with one of"),
    },
    "07.energy": {
        "the lecture's": (the_lectures, "of visible bits"),
        "no half": (lambda v, W, b, c: the_lectures(v, W, 0 * b, c) + ((v - b) ** 2).sum(1), "half before"),
        "sign of the distance": (
            lambda v, W, b, c: the_lectures(v, W, 0 * b, c) - ((v - b) ** 2).sum(1) / 2,
            "quadratic part has the wrong sign",
        ),
        "sign of the hidden part": (
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 + softplus(v @ W + c).sum(1),
            "hidden part has the wrong sign",
        ),
        "mean over units": (
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - softplus(v @ W + c).mean(1),
            "it is a sum",
        ),
        "no hidden bias": (
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - softplus(v @ W).sum(1),
            "biases c are missing",
        ),
        "the best state": (
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - np.maximum(v @ W + c, 0).sum(1),
            "best hidden state",
        ),
        "at the probabilities": (
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - ((v @ W + c) * expit(v @ W + c)).sum(1),
            "at the hidden probabilities",
        ),
        "overflow": (overflowing, "contains inf"),
        "clipped": (clipped, "wrong values"),
        "no b": (lambda v, W, b, c: (v**2).sum(1) / 2 - softplus(v @ W + c).sum(1), "wrong values"),
        "one number": (lambda v, W, b, c: the_lectures(v, W, b, c).mean(), "should be a NumPy array"),
    },
    "07.chain": {
        "the lecture's": (the_lectures_cd, "expected 2 results"),
        "starts at the data": (partial(stepped, start=from_data), "in 400 draws"),
        "no coins going down": (partial(stepped, visible_coins=False), "should hold bits"),
        "no coins going up": (partial(stepped, hidden_coins=False), "in 400 draws"),
        "two steps": (partial(stepped, steps=2), "in 400 draws"),
        "five steps": (partial(stepped, steps=5), "in 400 draws"),
        "sign": (partial(stepped, sign=-1), "sign turned"),
        "sums": (partial(stepped, means=(False, False)), "divide by n and by m"),
        "both by n": (partial(stepped, means=(True, False)), "divide by n and by m"),
        "old chain in the gradient": (partial(stepped, old=True), "before the step"),
        "old chain returned": (partial(stepped, back=np.copy), "both with hidden"),
        "coins in the gradient": (partial(stepped, bits=True), "both with hidden"),
        "hidden of the step before": (partial(stepped, stale=True), "both with hidden"),
        "own generator": (
            lambda v, chain, W, b, c, rng: stepped(v, chain, W, b, c, np.random.default_rng()),
            "each time",
        ),
        "fixed generator": (
            lambda v, chain, W, b, c, rng: stepped(v, chain, W, b, c, np.random.default_rng(0)),
            "whatever the generator",
        ),
        "one coin for all": (coins_of_shape((1, 1), (1, 1)), "in 400 draws"),
        "one coin for all hidden units": (coins_of_shape((1, 1), ("m", "d")), "in 400 draws"),
        "one coin a chain": (coins_of_shape(("m", 1), ("m", "d")), "in 400 draws"),
        "the same coins for all chains": (coins_of_shape((1, "k"), ("m", "d")), "in 400 draws"),
        "no visible bias": (no_visible_bias, "in 400 draws"),
        "rounded": (
            lambda v, chain, W, b, c, rng: stepped(
                v,
                chain,
                W,
                b,
                c,
                rng,
                back=lambda old: np.round(expit(np.round(expit(old @ W + c)) @ W.T + b)),
            ),
            "both with hidden",
        ),
    },
    "07.layers": {
        "every layer on the new rows": (on_new, "fitted on the new rows"),
        "on both": (on_both, "train and new together"),
        "the code of train": (of_train, "shape"),
        "one layer too few": (one_too_few, "wrong values"),
        "no layer is one": (at_least_one, "wrong values"),
        "fitted again": (refitted_after, "wrong values"),
        "the lecture's stack": (the_lectures_stack, "your code stops"),
    },
    "07.control": {
        "nothing": (each(lambda W, rng: W), "the input itself"),
        "a copy": (each(lambda W, rng: W.copy()), "knowledge is all there"),
        "redrawn": (each(redrawn), "not the weights of before"),
        "signs tossed": (each(lambda W, rng: W * rng.choice([-1, 1], W.shape)), "not the weights of before"),
        "the whole matrix": (
            each(lambda W, rng: rng.permutation(W.ravel()).reshape(W.shape)),
            "from one unit to another",
        ),
        "along the rows": (each(lambda W, rng: rng.permuted(W, axis=1)), "from one unit to another"),
        "units renamed": (each(lambda W, rng: rng.permutation(W, axis=1)), "other names"),
        "one order for all units": (each(lambda W, rng: rng.permutation(W)), "in the same order"),
        "turned over": (each(lambda W, rng: W[::-1].copy()), "in the same order"),
        "rolled": (each(rolled), "in 400 draws"),
        "one swap": (each(one_swap), "in 400 draws"),
        "sorted": (each(lambda W, rng: np.sort(W, axis=0)), "whatever the generator"),
        "the same order in each matrix": (same_seed_for_all, "in 400 draws"),
        "first layer only": (first_layer_only, "knowledge is all there"),
        "in place": (in_place_shuffle, "changes its input"),
        "own generator": (
            lambda matrices, rng: each(by_noise_order)(matrices, np.random.default_rng()),
            "each time",
        ),
        "fixed generator": (
            lambda matrices, rng: each(by_noise_order)(matrices, np.random.default_rng(0)),
            "whatever the generator",
        ),
        "only the first": (lambda matrices, rng: each(by_noise_order)(matrices[:1], rng), "results"),
    },
    "07.ctr": {
        "few only": (few_only, "less than the 27 %"),
        "few only, free": (partial(few_only, price=1e-5), "less than a tenth"),
        "past only": (past_only, "mean prediction"),
        "forgets": (partial(tuned, price=1e-5), "less than a tenth"),
        "around zero": (around_zero, "less than the 27 %"),
        "base rate": (lambda past, few, future: np.full(len(future), few.click.mean()), "less than a tenth"),
        "the other class": (lambda past, few, future: 1 - tuned(past, few, future), "mean prediction"),
        "logits": (lambda past, few, future: np.log(tuned(past, few, future)), "left (0, 1)"),
        "reads the answer": (lambda past, few, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, few, future: future.truth, "contains nan"),
        "clicks of the few": (lambda past, few, future: tuned(past, few, few), "shape"),
    },
}

RIGHT = {
    "07.rescale": {"by a norm": by_centred_norm, "by the covariance": by_recursion},
    "07.residual": {"c": "c"},
    "07.energy": {"by doubling": by_doubling, "multiplied out": expanded},
    "07.chain": {
        "chain by chain": chain_by_chain,
        "by noise": by_noise,
        "whole numbers": partial(stepped, cast=np.int64),
        "booleans": partial(stepped, cast=bool),
    },
    "07.layers": {"both at once": both_at_once, "by recursion": by_recursion_on_depth},
    "07.control": {"sorted by noise": each(by_noise_order), "by exchange": by_exchange},
    "07.ctr": {
        "together": together,
        "stopped early": stopped_early,
        "a higher price": partial(tuned, price=0.005),
    },
}
