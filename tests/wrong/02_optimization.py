"""Wrong answers to lecture 02's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import rankdata


# -- 02.limit
def limit_with(*, over=np.sum, power=1, price_two=2, which=lambda H: np.linalg.eigvalsh(H)[-1], top=2):
    def limit(X, c, price):
        H = 2 * X.T @ (X * c[:, None] ** power) / over(c) + price_two * price * np.eye(X.shape[1])
        return top / which(H)

    return limit


def limit_by_power_iteration(X, c, price):
    v = np.ones(X.shape[1]) + 0.01 * np.arange(X.shape[1])
    for _ in range(10_000):
        v = X.T @ (c * (X @ v))
        v = v / np.linalg.norm(v)
    return float(1 / (v @ (X.T @ (c * (X @ v))) / c.sum() + price))


def limit_by_singular_value(X, c, price):
    return 1 / (np.linalg.norm(X * np.sqrt(c / c.sum())[:, None], 2) ** 2 + price)


def limit_weights_inside_residual(X, c, price):
    """The weight once on each side of the square."""
    weighted = c[:, None] * X
    return 1 / (np.linalg.eigvalsh(weighted.T @ weighted / c.sum())[-1] + price)


def limit_price_everywhere(X, c, price):
    """The price on every entry of the matrix, not on its diagonal."""
    return 2 / np.linalg.eigvalsh(2 * X.T @ (X * c[:, None]) / c.sum() + 2 * price)[-1]


# -- 02.momentum
def path_of(step):
    def path(w, gradients, lr, beta):
        v, places = np.zeros_like(w), []
        for g in gradients:
            w, v = step(w, v, g, lr, beta)
            places.append(w)
        return np.array(places)

    return path


def old_velocity(w, v, g, lr, beta):
    return w - lr * (g + beta * v), beta * v + g


def momentum_reset(w, gradients, lr, beta):
    path = []
    for g in gradients:
        v = np.zeros_like(w)
        v = beta * v + g
        w = w - lr * (g + beta * v)
        path.append(w)
    return np.array(path)


def dampened(w, v, g, lr, beta):
    v = beta * v + (1 - beta) * g
    return w - lr * (g + beta * v), v


def rate_inside(w, v, g, lr, beta):
    """The form of Keras: the velocity holds the rate and the sign."""
    v = beta * v - lr * g
    return w + beta * v - lr * g, v


def momentum_last_only(w, gradients, lr, beta):
    return momentum_by_sums(w, gradients, lr, beta)[-1]


def momentum_in_place(w, gradients, lr, beta):
    v, path = np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w -= lr * (g + beta * v)
        path.append(w.copy())
    return np.array(path)


def momentum_one_array(w, gradients, lr, beta):
    w, v, path = w.copy(), np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w -= lr * (g + beta * v)
        path.append(w)  # the same array, again and again
    return np.array(path)


def momentum_with_start(w, gradients, lr, beta):
    return np.vstack([w, momentum_by_sums(w, gradients, lr, beta)])


def momentum_gradients_in_place(w, gradients, lr, beta):
    """The velocity is a name for the first gradient, and then grows in it."""
    v, path = gradients[0], []
    for t, g in enumerate(gradients):
        if t:
            v *= beta
            v += g
        w = w - lr * (g + beta * v)
        path.append(w)
    return np.array(path)


def momentum_kept_between_calls(w, gradients, lr, beta, memory={}):  # noqa: B006
    path = []
    for g in gradients:
        memory[w.shape] = beta * memory.get(w.shape, 0) + g
        w = w - lr * (g + beta * memory[w.shape])
        path.append(w)
    return np.array(path)


def momentum_by_sums(w, gradients, lr, beta):
    steps = len(gradients)
    ages = np.arange(steps)[:, None] - np.arange(steps)  # how many steps ago
    weights = np.where(ages >= 0, float(beta) ** np.maximum(ages, 0), 0)
    return w - lr * np.cumsum(gradients + beta * (weights @ gradients), axis=0)


# -- 02.adagrad
def by_row(square):
    return square.mean(axis=1, keepdims=True)


def adagrad_with(first=0.0, root=True, late=False, share=by_row):
    def adagrad(W, gradients, lr, eps=1e-10):
        total = first
        for g in gradients:
            used = total + (0 if late else share(g**2))
            W = W - lr * g / ((np.sqrt(used) if root else used) + eps)
            total = total + share(g**2)
        return W

    return adagrad


def adagrad_absolute(W, gradients, lr, eps=1e-10):
    total = np.zeros((len(W), 1))
    for g in gradients:
        total = total + np.abs(g).mean(axis=1, keepdims=True)
        W = W - lr * g / (total + eps)
    return W


def adagrad_no_memory(W, gradients, lr, eps=1e-10):
    for g in gradients:
        W = W - lr * g / (np.sqrt(by_row(g**2)) + eps)
    return W


def adagrad_by_cumsum(W, gradients, lr, eps=1e-10):
    total = np.cumsum(np.einsum("trk,trk->tr", gradients, gradients) / W.shape[1], axis=0)
    return W - np.sum(lr * gradients / (np.sqrt(total)[..., None] + eps), axis=0)


def adagrad_by_norm(W, gradients, lr, eps=1e-10):
    W, total = W.copy(), np.zeros(len(W))
    for g in gradients:
        for i, row in enumerate(g):
            total[i] += np.linalg.norm(row) ** 2 / len(row)
            W[i] -= lr * row / (total[i] ** 0.5 + eps)
    return W


# -- 02.adamax
def adamax_with(correct=lambda m, t, b1, b2: m / (1 - b1**t), start=1, fade=True, late_eps=False):
    def adamax(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
        m, u, path = 0 * w, 0 * w, []
        for t, g in enumerate(gradients, start):
            m = m + (1 - beta1) * (g - m)
            u = np.maximum(beta2 * u if fade else u, np.abs(g) + (0 if late_eps else eps))
            w = w - lr * correct(m, t, beta1, beta2) / (u + (eps if late_eps else 0))
            path.append(w)
        return np.array(path)

    return adamax


def adamax_both(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam's second correction on the largest as well."""
    m, u, path = 0 * w, 0 * w, []
    for t, g in enumerate(gradients, 1):
        m, u = beta1 * m + (1 - beta1) * g, np.maximum(beta2 * u, np.abs(g) + eps)
        w = w - lr * (m / (1 - beta1**t)) / (u / (1 - beta2**t))
        path.append(w)
    return np.array(path)


def adamax_from_zero(*args):
    with np.errstate(all="ignore"):
        return adamax_with(start=0)(*args)


def adam(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    m, s, path = 0 * w, 0 * w, []
    for t, g in enumerate(gradients, 1):
        m, s = beta1 * m + (1 - beta1) * g, beta2 * s + (1 - beta2) * g**2
        w = w - lr * m / (1 - beta1**t) / (np.sqrt(s / (1 - beta2**t)) + eps)
        path.append(w)
    return np.array(path)


def adamax_one_largest(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    m, u, path = 0 * w, 0.0, []
    for t, g in enumerate(gradients, 1):
        m, u = beta1 * m + (1 - beta1) * g, max(beta2 * u, np.max(np.abs(g)) + eps)
        w = w - lr * m / (1 - beta1**t) / u
        path.append(w)
    return np.array(path)


def adamax_without_mean(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    u, path = 0 * w, []
    for g in gradients:
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        w = w - lr * g / u
        path.append(w)
    return np.array(path)


def adamax_own_rate(w, gradients, lr=0.002, *rest):
    return adamax_with()(w, gradients, 0.002, *rest)


def adamax_folded(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    """The correction goes into the rate, and the maximum is taken over all fading sizes at once."""
    sizes = np.abs(gradients) + eps  # (steps, d)
    m, path = 0 * w, []
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        fade = beta2 ** np.arange(t)[::-1, None]
        w = w - lr / (1 - beta1**t) * m / np.max(fade * sizes[:t], axis=0)
        path.append(w)
    return np.stack(path)


# -- 02.evolution
def ranked(losses):
    return losses.argsort().argsort()


def evolution_with(rank=ranked, scale=lambda m: 2 * m - 1, gain=lambda up, down: up - down, mean=True):
    def evolution(loss, w, noise, sigma):
        m = len(noise)
        losses = np.array([loss(w + s * sigma * e) for s in (1, -1) for e in noise])
        u = rank(losses) / scale(m) - 0.5
        weighted = gain(u[:m], u[m:]) @ noise
        return weighted / m if mean else weighted

    return evolution


def apart(losses):
    return np.concatenate([ranked(side) for side in np.split(losses, 2)])


def evolution_in_pairs(loss, w, noise, sigma):
    """Tries in the order plus, minus, plus, minus, …, ranked by SciPy."""
    losses = [loss(w + s * sigma * e) for e in noise for s in (1, -1)]
    u = (rankdata(losses).reshape(-1, 2) - 1) / (len(losses) - 1)
    return np.mean((u[:, 0] - u[:, 1])[:, None] * noise, axis=0)


def evolution_by_sorting(loss, w, noise, sigma):
    signed = np.vstack([noise, -noise])
    order = np.argsort([loss(w + sigma * e) for e in signed])
    return np.linspace(-0.5, 0.5, len(signed)) @ signed[order] / len(noise)


def evolution_of_lecture(loss, w, noise, sigma):
    gain = np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise]) / (2 * sigma)
    return gain @ noise / len(noise)


def evolution_of_ranked_differences(loss, w, noise, sigma):
    gain = np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise])
    return ((rankdata(gain) - 1) / max(len(gain) - 1, 1) - 0.5) @ noise / len(noise)


def evolution_on_all_at_once(loss, w, noise, sigma):
    losses = np.array([loss(w + sigma * noise), loss(w - sigma * noise)])
    return (ranked(losses)[0] - ranked(losses)[1]) * noise.mean(axis=0)


def evolution_own_noise(loss, w, noise, sigma):
    return evolution_with()(loss, w, np.random.default_rng(0).normal(size=noise.shape), sigma)


# -- 02.clicks
def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def base(click):
    """All weights equal, so that each row has the click rate of the log."""
    return np.full(548, np.log(click.mean() / (1 - click.mean())) / 11)


def gradient(w, ones, click, rows, weight=1.0):
    error = weight * (sigmoid(w[ones[rows]].sum(axis=1)) - click[rows])
    return np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows), minlength=548)


def clicks_by_sgd(lr, passes, batch=100, undo=lambda kept: np.log(kept) / 11):
    def train(ones, click, kept, rng):
        w = base(click)
        for _ in range(passes * len(click) // batch):
            w = w - lr * gradient(w, ones, click, rng.integers(0, len(click), batch))
        return w + undo(kept)

    return train


def clicks_on_a_line(ones, click, kept, rng):
    """SGD whose rate falls on a line from 4 to zero, two passes."""
    w, steps = base(click), 2 * len(click) // 100
    for t in range(steps):
        w = w - 4 * (1 - t / steps) * gradient(w, ones, click, rng.integers(0, len(click), 100))
    return w + np.log(kept) / 11


def clicks_by_adam(ones, click, kept, rng):
    w = torch.tensor(base(click), requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.02)
    for _ in range(3):
        for rows in np.array_split(rng.permutation(len(click)), len(click) // 100):
            w.grad = torch.tensor(gradient(w.detach().numpy(), ones, click, rows))
            optimizer.step()
    return w.detach().numpy() + np.log(kept) / 11


def clicks_weighted(ones, click, kept, rng):
    """Each kept row without a click stands for 1 / kept of them, so nothing is undone at the end."""
    times = np.where(click == 1, 1, 1 / kept)
    rate = np.average(click, weights=times)
    w, total = np.full(548, np.log(rate / (1 - rate)) / 11), np.zeros(548)
    for _ in range(3):
        for rows in np.array_split(rng.permutation(len(click)), len(click) // 100):
            g = gradient(w, ones, click, rows, times[rows])
            total += g**2
            w = w - 0.1 * g / (np.sqrt(total) + 1e-10)
    return w


def clicks_full_batch(ones, click, kept, rng):
    w, rows = base(click) + 1e-6 * rng.normal(size=548), np.arange(len(click))
    for _ in range(30):
        w = w - 2 * gradient(w, ones, click, rows)
    return w + np.log(kept) / 11


def clicks_without_luck(ones, click, kept, rng):
    rows = np.arange(len(click))

    def objective(w):
        z = w[ones].sum(axis=1)
        loss = np.mean(np.logaddexp(0, z) - click * z) + 0.5e-4 * w @ w
        return loss, gradient(w, ones, click, rows) + 1e-4 * w

    w = minimize(objective, base(click), jac=True, method="L-BFGS-B", options={"maxiter": 40}).x
    return w + np.log(kept) / 11


def clicks_with_own_luck(ones, click, kept, rng):
    return clicks_by_sgd(0.3, 12)(ones, click, kept, np.random.default_rng())


WRONG = {
    "02.limit": {
        "no price": (limit_with(price_two=0), "price on large weights is missing"),
        "price once": (limit_with(price_two=1), "twice the price"),
        "no weights": (limit_with(power=0, over=len), "weights of the rows"),
        "mean over rows": (limit_with(over=len), "not by the number of rows"),
        "weights squared": (limit_with(power=2), "squared here"),
        "weights in the residual": (limit_weights_inside_residual, "squared here"),
        "no factor two": (lambda *a: 2 * limit_with()(*a), "factor 2"),
        "no factor two but for the price": (limit_with(over=lambda c: 2 * c.sum()), "factor 2"),
        "sum": (limit_with(over=lambda c: 1), "sum of the weights"),
        "one over L": (limit_with(top=1), "2 / L"),
        "flattest": (limit_with(which=lambda H: max(np.linalg.eigvalsh(H)[0], 1e-9)), "flattest"),
        "price everywhere": (limit_price_everywhere, "on the diagonal"),
        "trace": (limit_with(which=np.trace), "trace"),
        "norm of all entries": (limit_with(which=np.linalg.norm), "over all entries"),
        "diagonal": (limit_with(which=lambda H: np.diag(H).max()), "diagonal"),
        "all eigenvalues": (lambda X, c, price: np.linalg.eigvalsh(X.T @ X), "one number"),
        "root of the weights": (limit_with(power=0.5), "wrong values"),
    },
    "02.momentum": {
        "plain momentum": (
            path_of(lambda w, v, g, lr, beta: (w - lr * (beta * v + g), beta * v + g)),
            "plain momentum",
        ),
        "old velocity": (path_of(old_velocity), "old velocity"),
        "velocity reset": (momentum_reset, "lost between steps"),
        "no velocity": (path_of(lambda w, v, g, lr, beta: (w - lr * g, v)), "plain descent"),
        "dampened": (path_of(dampened), "weight 1"),
        "whole velocity": (
            path_of(lambda w, v, g, lr, beta: (w - lr * (2 * g + beta * v), beta * v + g)),
            "takes β v",
        ),
        "last only": (momentum_last_only, "shape"),
        "start included": (momentum_with_start, "shape"),
        "in place": (momentum_in_place, "changes its input"),
        "first gradient in place": (momentum_gradients_in_place, "changes its input"),
        "one array many times": (momentum_one_array, "wrong values"),
        "kept between calls": (momentum_kept_between_calls, "wrong values"),
        "uphill": (lambda w, g, lr, beta: momentum_by_sums(w, g, -lr, beta), "climbs"),
        "a list": (lambda w, g, lr, beta: list(momentum_by_sums(w, g, lr, beta)), "NumPy array"),
    },
    "02.adagrad": {
        "no root": (adagrad_with(root=False), "root of the sum is missing"),
        "no root, from one": (adagrad_with(1.0, root=False), "root of the sum is missing"),
        "late from one": (adagrad_with(1.0, late=True), "before the step"),
        "late from zero": (adagrad_with(late=True), "before the step"),
        "from one": (adagrad_with(1.0), "starts at zero"),
        "an entry each": (adagrad_with(share=lambda s: s), "memory of its own"),
        "sum over the row": (adagrad_with(share=lambda s: s.sum(axis=1, keepdims=True)), "not their sum"),
        "over columns": (adagrad_with(share=lambda s: s.mean(axis=0, keepdims=True)), "each column"),
        "axes not kept": (adagrad_with(share=lambda s: s.mean(axis=1)), "your code stops"),
        "one rate for all": (adagrad_with(share=np.mean), "whole table"),
        "absolute values": (adagrad_absolute, "wrong values"),
        "no memory": (adagrad_no_memory, "memory is lost"),
        "own ε": (lambda W, gradients, lr, eps=0.0: adagrad_with()(W, gradients, lr), "`eps` is not used"),
        "another default": (
            lambda W, gradients, lr, eps=1e-8: adagrad_with()(W, gradients, lr, eps),
            "default",
        ),
    },
    "02.adamax": {
        "no correction": (adamax_with(correct=lambda m, t, b1, b2: m), "not corrected"),
        "both corrected": (adamax_both, "needs no correction"),
        "other beta": (adamax_with(correct=lambda m, t, b1, b2: m / (1 - b2**t)), "its own β₁"),
        "from zero": (adamax_from_zero, "contains"),
        "from two": (adamax_with(start=2), "count from 1"),
        "Adam": (adam, "this is Adam"),
        "never fades": (adamax_with(fade=False), "never fades"),
        "ε added late": (adamax_with(late_eps=True), "inside the maximum"),
        "no mean": (adamax_without_mean, "the running mean"),
        "one largest": (adamax_one_largest, "every weight has its own"),
        "last only": (lambda *args: adamax_with()(*args)[-1], "shape"),
        "its own rate": (adamax_own_rate, "wrong values"),
        "another default": (lambda *args: adamax_with()(*(*args, 2e-3, 0.9, 0.999, 1e-5)[:6]), "near 1e-8"),
    },
    "02.units": {
        "both diverge": ("a", "measured just now"),
        "the other way round": ("c", "measured just now"),
        "no difference": ("d", "measured just now"),
        "no letter": ("x", "answer with one of"),
        "a number": (2, "answer with one of"),
    },
    "02.evolution": {
        "order, not ranks": (evolution_with(rank=np.argsort), "gives the order"),
        "ranked apart": (evolution_with(rank=apart), "ranked apart"),
        "divided by 2m": (evolution_with(scale=lambda m: 2 * m), "less one"),
        "differences ranked": (evolution_of_ranked_differences, "differences of losses are ranked"),
        "bare ranks": (evolution_with(scale=lambda m: 1), "bare ranks"),
        "over sigma": (lambda *a: evolution_in_pairs(*a) / (2 * a[3]), "no unit"),
        "the lecture's": (evolution_of_lecture, "outlier"),
        "losses": (lambda *a: 2 * a[3] * evolution_of_lecture(*a), "outlier"),
        "downhill": (lambda *a: -evolution_in_pairs(*a), "sign"),
        "one side": (evolution_with(gain=lambda up, down: up), "mirror image is missing"),
        "sum": (evolution_with(mean=False), "sum over the draws"),
        "mean over tries": (lambda *a: evolution_in_pairs(*a) / 2, "not over the 2m"),
        "all at once": (evolution_on_all_at_once, "for a bowl"),
        "own noise": (evolution_own_noise, "wrong values"),
    },
    "02.clicks": {
        "not undone": (clicks_by_sgd(0.3, 12, undo=lambda kept: 0), "undo the thinning"),
        "undone eleven times": (clicks_by_sgd(0.3, 12, undo=np.log), "the full log"),
        "undone the wrong way": (clicks_by_sgd(0.3, 12, undo=lambda kept: -np.log(kept) / 11), "full log"),
        "untrained": (
            lambda ones, click, kept, rng: base(click) + np.log(kept) / 11 + 1e-9 * rng.normal(size=548),
            "26 % of the gap",
        ),
        "zeros": (lambda ones, click, kept, rng: 1e-9 * rng.normal(size=548), "the full log"),
        "one short pass": (clicks_by_sgd(0.1, 1), "26 % of the gap"),
        "rate too large": (clicks_by_sgd(30.0, 2), "the"),
        "full batch, thirty steps": (clicks_full_batch, "26 % of the gap"),
        "no luck at all": (clicks_without_luck, "the result is the same"),
        "its own generator": (clicks_with_own_luck, "same generator"),
        "probabilities": (lambda ones, click, kept, rng: rng.random(len(click)), "shape"),
        "a column": (lambda ones, click, kept, rng: rng.normal(size=(548, 1)), "shape"),
    },
}

RIGHT = {
    "02.limit": {
        "power iteration": limit_by_power_iteration,
        "singular value": limit_by_singular_value,
        "spectral norm": lambda X, c, price: 1 / (np.linalg.norm((X.T * c) @ X / c.sum(), 2) + price),
    },
    "02.momentum": {"rate inside the velocity": path_of(rate_inside), "by sums": momentum_by_sums},
    "02.adagrad": {"cumulative sum": adagrad_by_cumsum, "row by row": adagrad_by_norm},
    "02.adamax": {"all sizes at once": adamax_folded, "another running mean": adamax_with()},
    "02.units": {"b": "b", "a capital and a bracket": "B)"},
    "02.evolution": {"in pairs": evolution_in_pairs, "by sorting": evolution_by_sorting},
    "02.clicks": {
        "Adam": clicks_by_adam,
        "SGD, twelve passes": clicks_by_sgd(0.3, 12),
        "SGD on a line": clicks_on_a_line,
        "weighted rows": clicks_weighted,
    },
}
