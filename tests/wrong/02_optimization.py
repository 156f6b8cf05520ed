"""Wrong answers to lecture 02's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.optimize import minimize


# -- 02.limit
def limit_by_power_iteration(X):
    v = np.ones(X.shape[1]) + 0.01 * np.arange(X.shape[1])
    for _ in range(10_000):
        v = X.T @ (X @ v)
        v = v / np.linalg.norm(v)
    return float(len(X) / (v @ X.T @ X @ v))


def limit_as_standard_deviation(X):
    return 2 / (np.max(np.std(X, axis=0)) + 1e-9)


# -- 02.momentum
def momentum_reset(w, gradients, lr, beta):
    path = []
    for g in gradients:
        v = np.zeros_like(w)
        v = beta * v + g
        w = w - lr * v
        path.append(w)
    return np.array(path)


def momentum_dampened(w, gradients, lr, beta):
    v, path = 0 * w, []
    for g in gradients:
        v = beta * v + (1 - beta) * g
        w = w - lr * v
        path.append(w)
    return np.array(path)


def momentum_late(w, gradients, lr, beta):
    v, path = 0 * w, []
    for g in gradients:
        w = w - lr * v
        v = beta * v + g
        path.append(w)
    return np.array(path)


def momentum_last_only(w, gradients, lr, beta):
    v = 0 * w
    for g in gradients:
        v = beta * v + g
        w = w - lr * v
    return w


def momentum_in_place(w, gradients, lr, beta):
    v, path = np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w -= lr * v
        path.append(w.copy())
    return np.array(path)


def momentum_one_array(w, gradients, lr, beta):
    w, v, path = w.copy(), np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w -= lr * v
        path.append(w)  # the same array, again and again
    return np.array(path)


def momentum_with_start(w, gradients, lr, beta):
    v, path = np.zeros_like(w), [w]
    for g in gradients:
        v = beta * v + g
        path.append(path[-1] - lr * v)
    return np.array(path)


def momentum_rate_inside(w, gradients, lr, beta):
    v, path = np.zeros_like(w), []
    for g in gradients:
        v = beta * v - lr * g
        w = w + v
        path.append(w)
    return np.stack(path)


def momentum_by_sums(w, gradients, lr, beta):
    steps = len(gradients)
    ages = np.arange(steps)[:, None] - np.arange(steps)  # how many steps ago
    weights = np.where(ages >= 0, float(beta) ** np.maximum(ages, 0), 0)
    return w - lr * np.cumsum(weights @ gradients, axis=0)


# -- 02.adagrad
def adagrad_no_root(w, gradients, lr, eps=1e-10):
    total = np.zeros_like(w)
    for g in gradients:
        total = total + g**2
        w = w - lr * g / (total + eps)
    return w


def adagrad_late(w, gradients, lr, eps=1e-10):
    total = np.zeros_like(w)
    for g in gradients:
        w = w - lr * g / (np.sqrt(total) + eps)
        total = total + g**2
    return w


def adagrad_late_from_one(w, gradients, lr, eps=1e-10):
    total = np.ones_like(w)
    for g in gradients:
        w = w - lr * g / (np.sqrt(total) + eps)
        total = total + g**2
    return w


def adagrad_from_one(w, gradients, lr, eps=1e-10):
    total = np.ones_like(w)
    for g in gradients:
        total = total + g**2
        w = w - lr * g / (np.sqrt(total) + eps)
    return w


def adagrad_absolute(w, gradients, lr, eps=1e-10):
    total = np.zeros_like(w)
    for g in gradients:
        total = total + np.abs(g)
        w = w - lr * g / (total + eps)
    return w


def adagrad_one_rate(w, gradients, lr, eps=1e-10):
    total = 0.0
    for g in gradients:
        total = total + np.sum(g**2)
        w = w - lr * g / (np.sqrt(total) + eps)
    return w


def adagrad_by_cumsum(w, gradients, lr, eps=1e-10):
    return w - np.sum(lr * gradients / (np.sqrt(np.cumsum(gradients**2, axis=0)) + eps), axis=0)


# -- 02.adam
def adam_with(first=True, second=True, start=1, root=True, inside=False):
    def adam(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        m, s, path = 0 * w, 0 * w, []
        for t, g in enumerate(gradients, start):
            m, s = m + (1 - beta1) * (g - m), s + (1 - beta2) * (g * g - s)
            mean = m / (1 - beta1**t) if first else m
            square = s / (1 - beta2**t) if second else s
            size = np.sqrt(square + eps) if inside else (np.sqrt(square) if root else square) + eps
            w = w - lr * mean / size
            path.append(w)
        return np.array(path)

    return adam


def adam_from_zero(*args):
    with np.errstate(all="ignore"):
        return adam_with(start=0)(*args)


def adam_last(*args):
    return adam_with()(*args)[-1]


def adam_default_rate(w, gradients, lr=0.001, *rest):
    return adam_with()(w, gradients, 0.001, *rest)


def adam_folded(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """Kingma and Ba's faster form: both corrections go into the rate, and the root of one into ε."""
    m, s, path = 0 * w, 0 * w, []
    for t, g in enumerate(gradients, 1):
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        root = np.sqrt(1 - beta2**t)
        w = w - lr * root / (1 - beta1**t) * m / (np.sqrt(s) + eps * root)
        path.append(w)
    return np.array(path)


# -- 02.evolution
def evolution_stacked(loss, w, noise, sigma):
    up = np.array([loss(row) for row in w + sigma * noise])
    down = np.array([loss(row) for row in w - sigma * noise])
    return np.mean((up - down)[:, None] * noise, axis=0) / (2 * sigma)


def evolution_both_sides(loss, w, noise, sigma):
    both = np.concatenate([noise, -noise])
    return np.mean([loss(w + sigma * e) * e for e in both], axis=0) / sigma


def evolution_on_all_at_once(loss, w, noise, sigma):
    return (loss(w + sigma * noise) - loss(w - sigma * noise)) / (2 * sigma) * noise.mean(axis=0)


def finite_differences(loss, w, noise, sigma):
    return np.array([(loss(w + sigma * e) - loss(w - sigma * e)) / (2 * sigma) for e in np.eye(len(w))])


# -- 02.clicks
BASE = np.log(0.04 / 0.96) / 11


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def gradient(w, ones, click, rows):
    error = sigmoid(w[ones[rows]].sum(axis=1)) - click[rows]
    return np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows), minlength=548)


def clicks_by_sgd(lr, passes, batch=100, start=BASE):
    def train(ones, click, rng):
        w = np.full(548, start)
        for _ in range(passes * len(click) // batch):
            w = w - lr * gradient(w, ones, click, rng.integers(0, len(click), batch))
        return w

    return train


def clicks_by_adam(ones, click, rng):
    optimizer_w = torch.full((548,), BASE, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([optimizer_w], lr=0.004)
    for _ in range(2):
        for rows in np.array_split(rng.permutation(len(click)), len(click) // 100):
            optimizer_w.grad = torch.tensor(gradient(optimizer_w.detach().numpy(), ones, click, rows))
            optimizer.step()
    return optimizer_w.detach().numpy()


def clicks_full_batch(ones, click, rng):
    w, rows = np.full(548, BASE) + 1e-6 * rng.normal(size=548), np.arange(len(click))
    for _ in range(30):
        w = w - 20 * gradient(w, ones, click, rows)
    return w


def clicks_without_luck(ones, click, rng):
    rows = np.arange(len(click))

    def objective(w):
        z = w[ones].sum(axis=1)
        return np.mean(np.logaddexp(0, z) - click * z) + 0.5e-5 * w @ w, gradient(
            w, ones, click, rows
        ) + 1e-5 * w

    return minimize(objective, np.full(548, BASE), jac=True, method="L-BFGS-B", options={"maxiter": 40}).x


def clicks_with_own_luck(ones, click, rng):
    return clicks_by_sgd(1.0, 10)(ones, click, np.random.default_rng())


WRONG = {
    "02.limit": {
        "no factor two": (lambda X: 2 * len(X) / np.linalg.eigvalsh(X.T @ X)[-1], "factor 2"),
        "sum": (lambda X: 1 / np.linalg.eigvalsh(X.T @ X)[-1], "number of rows"),
        "one over L": (lambda X: len(X) / 2 / np.linalg.norm(X, 2) ** 2, "2 / L"),
        "the singular value itself": (lambda X: len(X) / np.linalg.norm(X, 2), "wrong values"),
        "flattest": (lambda X: len(X) / max(np.linalg.eigvalsh(X.T @ X)[0], 1e-9), "wrong values"),
        "trace": (lambda X: len(X) / np.sum(X**2), "trace"),
        "diagonal": (lambda X: 1 / np.max(np.mean(X**2, axis=0)), "diagonal"),
        "all eigenvalues": (lambda X: np.linalg.eigvalsh(X.T @ X), "one number"),
        "rows and columns swapped": (lambda X: X.shape[1] / np.linalg.norm(X, 2) ** 2, "wrong values"),
        "spread": (limit_as_standard_deviation, "wrong values"),
    },
    "02.momentum": {
        "velocity reset": (momentum_reset, "lost between steps"),
        "dampened": (momentum_dampened, "weight 1"),
        "old velocity": (momentum_late, "old velocity"),
        "last only": (momentum_last_only, "shape"),
        "start included": (momentum_with_start, "shape"),
        "in place": (momentum_in_place, "changes its input"),
        "one array many times": (momentum_one_array, "wrong values"),
        "uphill": (lambda w, g, lr, beta: momentum_by_sums(w, g, -lr, beta), "climbs"),
        "a list": (lambda w, g, lr, beta: list(momentum_by_sums(w, g, lr, beta)), "NumPy array"),
    },
    "02.adagrad": {
        "no root": (adagrad_no_root, "root of the sum is missing"),
        "late from one": (adagrad_late_from_one, "before the step"),
        "late from zero": (adagrad_late, "before the step"),
        "from one": (adagrad_from_one, "starts at zero"),
        "absolute values": (adagrad_absolute, "wrong values"),
        "one rate for all": (adagrad_one_rate, "wrong values"),
        "no memory": (
            lambda w, g, lr, eps=1e-10: w - lr * np.sum(g / (np.abs(g) + eps), axis=0),
            "memory is lost",
        ),
    },
    "02.adam": {
        "no correction": (adam_with(first=False, second=False), "corrections are missing"),
        "only the first": (adam_with(second=False), "only the mean"),
        "only the second": (adam_with(first=False), "only the squares"),
        "from zero": (adam_from_zero, "contains"),
        "from two": (adam_with(start=2), "count from 1"),
        "no root": (adam_with(root=False), "root of the mean"),
        "eps inside": (adam_with(inside=True), "under the root"),
        "last only": (adam_last, "shape"),
        "its own rate": (adam_default_rate, "wrong values"),
    },
    "02.units": {
        "both diverge": ("a", "measured just now"),
        "the other way round": ("c", "measured just now"),
        "no difference": ("d", "measured just now"),
        "no letter": ("x", "answer with one of"),
        "a number": (2, "answer with one of"),
    },
    "02.evolution": {
        "sigma, not two": (lambda *a: 2 * evolution_stacked(*a), "2σ apart"),
        "no division": (lambda *a: 2 * a[3] * evolution_stacked(*a), "2σ is missing"),
        "half a division": (lambda *a: a[3] * evolution_stacked(*a), "division by σ is missing"),
        "divided twice": (lambda *a: evolution_stacked(*a) / a[3], "once too often"),
        "downhill": (lambda *a: -evolution_stacked(*a), "sign"),
        "sum": (lambda *a: len(a[2]) * evolution_stacked(*a), "sum over the draws"),
        "one side": (
            lambda f, w, noise, s: np.mean([f(w + s * e) * e for e in noise], axis=0) / s,
            "mirror image is missing",
        ),
        "against the middle": (
            lambda f, w, noise, s: np.mean([(f(w + s * e) - f(w)) * e for e in noise], axis=0) / s,
            "loss at w",
        ),
        "finite differences": (finite_differences, "wrong values"),
        "all at once": (evolution_on_all_at_once, "for a bowl"),
    },
    "02.clicks": {
        "untrained": (
            lambda ones, click, rng: np.full(548, BASE) + 1e-9 * rng.normal(size=548),
            "30 % of the gap",
        ),
        "zeros": (lambda ones, click, rng: 1e-9 * rng.normal(size=548), "click rate"),
        "one short pass": (clicks_by_sgd(0.1, 1), "30 % of the gap"),
        "rate too large": (clicks_by_sgd(30.0, 2), "the"),
        "full batch, thirty steps": (clicks_full_batch, "30 % of the gap"),
        "no luck at all": (clicks_without_luck, "the result is the same"),
        "its own generator": (clicks_with_own_luck, "same generator"),
        "probabilities": (lambda ones, click, rng: rng.random(len(click)), "shape"),
        "a column": (lambda ones, click, rng: rng.normal(size=(548, 1)), "shape"),
    },
}

RIGHT = {
    "02.limit": {
        "power iteration": limit_by_power_iteration,
        "singular value": lambda X: len(X) / np.linalg.svd(X, compute_uv=False)[0] ** 2,
    },
    "02.momentum": {"rate inside the velocity": momentum_rate_inside, "by sums": momentum_by_sums},
    "02.adagrad": {"cumulative sum": adagrad_by_cumsum},
    "02.adam": {"folded into the rate": adam_folded, "other running means": adam_with()},
    "02.units": {"b": "b"},
    "02.evolution": {"stacked": evolution_stacked, "both sides": evolution_both_sides},
    "02.clicks": {"Adam": clicks_by_adam, "SGD, ten passes": clicks_by_sgd(1.0, 10)},
}
