"""Wrong answers to lecture 01's tasks, each with its message, and right ones written otherwise."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from scipy.special import softmax as scipy_softmax
from sklearn.linear_model import LogisticRegression


def gradient_by_loop(X, y, w):
    total = np.zeros(len(w))
    for row, target in zip(X, y, strict=True):
        total += 2 * (row @ w - target) * row
    return total / len(y)


def gradient_in_place(X, y, w):
    y -= X @ w
    return -2 * X.T @ y / len(y)


def naive_cross_entropy(z, y):
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def clipped_cross_entropy(z, y):
    with np.errstate(all="ignore"):
        p = np.clip(1 / (1 + np.exp(-z)), 1e-7, 1 - 1e-7)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()


def softmax_by_row(z):
    return np.stack([np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in z])


def softmax_overflowing(z):
    with np.errstate(all="ignore"):
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def softmax_one_maximum(z):
    with np.errstate(all="ignore"):
        e = np.exp(z - z.max())
        return e / e.sum(axis=1, keepdims=True)


SINGLES = ["user", "age", "gender", "ad", "category", "context", "site", "position", "device", "hour"]
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]


def clicks(columns, **options):
    def predict(past, future):
        model = LogisticRegression(max_iter=300, **options).fit(past.one_hot(columns), past.click)
        return model.predict_proba(future.one_hot(columns))[:, 1]

    return predict


def clicks_by_descent(past, future):
    columns = [*SINGLES, *CROSSES, ("site", "hour")]
    X, y = past.one_hot(columns), past.click

    def loss_and_gradient(w):
        z = X @ w
        gradient = X.T @ (expit(z) - y) / len(y) + 1e-5 * w
        return np.mean(np.logaddexp(0, z) - y * z) + 0.5e-5 * w @ w, gradient

    w = minimize(loss_and_gradient, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B").x
    return expit(future.one_hot(columns) @ w)


def clicks_as_classes(past, future):
    return LogisticRegression().fit(past.one_hot(SINGLES), past.click).predict(future.one_hot(SINGLES))


WRONG = {
    "01.gradient": {
        "no factor two": (lambda X, y, w: X.T @ (X @ w - y) / len(y), "factor 2"),
        "sum": (lambda X, y, w: 2 * X.T @ (X @ w - y), "number of rows"),
        "downhill": (lambda X, y, w: -2 / len(y) * X.T @ (X @ w - y), "sign"),
        "X not turned": (lambda X, y, w: X @ (X @ w - y), "your code stops"),
        "the error itself": (lambda X, y, w: X @ w - y, "shape"),
        "input overwritten": (gradient_in_place, "changes its input"),
        "divided by the weights": (lambda X, y, w: 2 / len(w) * X.T @ (X @ w - y), "wrong values"),
        "one column too many": (lambda X, y, w: (2 / len(y) * X.T @ (X @ w - y))[:, None], "shape"),
    },
    "01.cross_entropy": {
        "probabilities in between": (naive_cross_entropy, "contains"),
        "clipped": (clipped_cross_entropy, "clipping"),
        "sum": (lambda z, y: np.sum(np.logaddexp(0, z) - y * z), "sum"),
        "bits": (lambda z, y: np.mean(np.logaddexp(0, z) - y * z) / np.log(2), "bits"),
        "only the yes half": (lambda z, y: np.mean(y * np.logaddexp(0, -z)), "wrong values"),
        "swapped": (lambda z, y: np.mean((1 - y) * np.logaddexp(0, -z) + y * np.logaddexp(0, z)), "swapped"),
        "likelihood": (lambda z, y: np.mean(y * z - np.logaddexp(0, z)), "sign"),
        "one per row": (lambda z, y: np.logaddexp(0, z) - y * z, "one number"),
    },
    "01.quantile": {
        "swapped": (lambda p, y, t: np.mean(np.maximum(t * (p - y), (t - 1) * (p - y))), "swapped"),
        "negative": (lambda p, y, t: np.mean(np.where(p < y, t, 1 - t) * (y - p)), "negative"),
        "sum": (lambda p, y, t: np.sum(np.maximum(t * (y - p), (t - 1) * (y - p))), "sum"),
        "absolute": (lambda p, y, t: np.mean(np.abs(y - p)), "wrong values"),
        "only too low": (lambda p, y, t: np.mean(np.maximum(t * (y - p), 0)), "wrong values"),
        "squared": (lambda p, y, t: np.mean(np.where(y > p, t, 1 - t) * (y - p) ** 2), "wrong values"),
    },
    "01.softmax": {
        "columns": (lambda z: np.exp(z - z.max(0)) / np.exp(z - z.max(0)).sum(0), "columns"),
        "no maximum": (softmax_overflowing, "overflows"),
        "one maximum": (softmax_one_maximum, "one maximum"),
        "sigmoid": (expit, "do not add up"),
        "hard maximum": (lambda z: (z == z.max(1, keepdims=True)).astype(float), "wrong values"),
        "logarithm": (lambda z: np.log(scipy_softmax(z, axis=1)), "do not add up"),
    },
    "01.units": {
        "same learning rate": ("a", "measured just now"),
        "same weight": ("c", "measured just now"),
        "worse": ("d", "measured just now"),
        "no letter": ("e", "answer with one of"),
        "the whole sentence": (["b"], "answer with one of"),
    },
    "01.thinned": {
        "times kept": (lambda p, kept: p * kept, "odds"),
        "thinned again": (lambda p, kept: p / (p + kept * (1 - p)), "other direction"),
        "divided by kept": (lambda p, kept: p / kept, "left [0, 1]"),
        "unchanged": (lambda p, kept: p.copy(), "wrong values"),
        "logit shifted up": (lambda p, kept: expit(np.log(p / (1 - p)) - np.log(kept)), "other direction"),
    },
    "01.ctr": {
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "half of the gap"),
        "no crosses": (clicks(SINGLES), "half of the gap"),
        "balanced": (clicks(SINGLES + CROSSES, class_weight="balanced"), "mean prediction"),
        "classes": (clicks_as_classes, "dtype"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "reads the truth": (lambda past, future: future.truth, "contains nan"),
        "both columns": (lambda past, future: np.full((len(future), 2), 0.04), "shape"),
        "the past": (lambda past, future: np.full(len(past), 0.04), "shape"),
    },
}

RIGHT = {
    "01.gradient": {
        "loop": gradient_by_loop,
        "einsum": lambda X, y, w: np.einsum("nd,n->d", X, X @ w - y) * 2 / len(y),
    },
    "01.cross_entropy": {
        "log_expit": lambda z, y: -np.mean(y * log_expit(z) + (1 - y) * log_expit(-z)),
        "maximum": lambda z, y: float(np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))),
    },
    "01.quantile": {"where": lambda p, y, t: np.where(y >= p, t * (y - p), (1 - t) * (p - y)).mean()},
    "01.softmax": {"row by row": softmax_by_row, "scipy": lambda z: scipy_softmax(z, axis=1)},
    "01.units": {"b": "b"},
    "01.thinned": {
        "counting": lambda p, kept: 1 - (1 - p) / (1 - p + kept * p),
        "weights": lambda p, kept: p / (p + (1 - p) / kept),
    },
    "01.ctr": {"by descent": clicks_by_descent},
}
