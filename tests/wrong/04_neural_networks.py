"""Wrong answers to lecture 04's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional as F

from utils.training import fit


# -- 04.merge
def merged(networks, order=1, hidden=1.0, out=1.0, bias=1.0):
    W, b, V, c = zip(*networks, strict=True)
    return np.hstack(W) * hidden, np.concatenate(b) * hidden, np.concatenate(V[::order]) * out, sum(c) * bias


def merged_with(**factors):
    """Each factor is a power of the number of networks: -1 divides by it."""

    def merge(networks):
        return merged(networks, **{name: float(len(networks)) ** power for name, power in factors.items()})

    return merge


def merge_averaging_weights(networks):
    return tuple(np.mean(part, axis=0) for part in zip(*networks, strict=True))


def merge_padded(networks):
    """Averaged weights again, narrow networks filled up with zeros."""
    widest = max(len(b) for _, b, *_ in networks)

    def wide(part, axis):
        missing = [(0, widest - part.shape[i] if i == axis else 0) for i in range(part.ndim)]
        return np.pad(part, missing)

    padded = [(wide(W, 1), wide(b, 0), wide(V, 0), c) for W, b, V, c in networks]
    return merge_averaging_weights(padded)


def merge_interleaved(networks):
    """The right units, but the biases dealt out in another order."""
    W, b, V, c = merged(networks, out=1 / len(networks), bias=1 / len(networks))
    return W, b[::-1], V, c


def merge_one_by_one(networks):
    """A running mean of networks: the k-th enters with the share 1 / k."""
    W, b, V, c = networks[0]
    for k, (W2, b2, V2, c2) in enumerate(networks[1:], start=2):
        V, c = np.vstack([V * (k - 1), V2]) / k, (c * (k - 1) + c2) / k
        W, b = np.hstack([W, W2]), np.append(b, b2)
    return W, b, V, c


def merge_scaled_inside(networks):
    """ReLU(a / M) = ReLU(a) / M, so the hidden layer may be divided in place of V."""
    many = len(networks)
    return merged(networks, hidden=1 / many, bias=1 / many)


def merge_backward(networks):
    """All units, the last one first: views with negative strides."""
    W, b, V, c = merged(networks, out=1 / len(networks), bias=1 / len(networks))
    return W[:, ::-1], b[::-1], V[::-1], c


def merge_in_place(networks):
    for network in networks:
        network[2][:] /= len(networks)
    return merged(networks, bias=1 / len(networks))


def merge_with_a_spare_unit(networks):
    W, b, V, c = merged(networks, out=1 / len(networks), bias=1 / len(networks))
    return np.pad(W, ((0, 0), (0, 1))), np.append(b, 0), np.pad(V, ((0, 1), (0, 0))), c


# -- 04.smooth
def quiet(function):
    """Without NumPy's warnings: what is wrong with the answer is the subject, not how loud it is."""

    def wrapped(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return wrapped


def celu(z, alpha=1.0):
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))


def swish(z, beta=1.0):
    return z * expit(beta * z)


def smooth_by_loop(z, alpha, beta):
    out = np.empty_like(z)
    for i, value in np.ndenumerate(z):
        out[i] = value if value > 0 else alpha * np.expm1(value / alpha)
    return out, np.array([value * expit(beta * value) for value in z.ravel()]).reshape(z.shape)


# -- 04.turn
def turned_with(columns=True, bias=True, out=1.0):
    def turn(W, b, v, u):
        sign = np.where(v < 0, -1.0, 1.0)
        return W * (sign if columns else 1), b * (sign if bias else 1), np.abs(v), u + out * v[v < 0].sum()

    return turn


def turn_in_place(W, b, v, u):
    against = v < 0
    u = u + v[against].sum()
    W[:, against] *= -1
    b[against] *= -1
    v[against] *= -1
    return W, b, v, u


def turn_one_by_one(W, b, v, u):
    W, b, v = W.copy(), b.copy(), v.copy()
    for j in range(len(v)):
        if v[j] < 0:
            u, v[j], W[:, j], b[j] = u + v[j], -v[j], -W[:, j], -b[j]
    return W, b, v, u


# -- 04.line
def moons(make_net, steps=300, lr=0.03):
    def answer(x, y, x_new, rng):
        torch.manual_seed(int(rng.integers(2**31)))
        net = make_net()
        inputs, target = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
        descent = torch.optim.Adam(net.parameters(), lr=lr)
        for _ in range(steps):
            descent.zero_grad()
            F.binary_cross_entropy_with_logits(net(inputs)[:, 0], target).backward()
            descent.step()
        with torch.no_grad():
            return torch.sigmoid(net(torch.tensor(x_new, dtype=torch.float32))[:, 0]).double().numpy()

    return answer


def net(*middle, units=32):
    """A function that makes the network: `middle` are functions that make its modules."""
    return lambda: nn.Sequential(nn.Linear(2, units), *[make() for make in middle], nn.Linear(units, 1))


def between():
    return nn.Linear(32, 32)


def moons_by_sklearn(x, y, x_new, rng):
    starts = rng.integers(2**31, size=8)  # one alone can end in a bad valley, another one on each machine
    nets = [
        MLPClassifier((16,), solver="lbfgs", max_iter=400, alpha=1e-2, random_state=int(s)) for s in starts
    ]
    return min((net.fit(x, y) for net in nets), key=lambda net: net.loss_).predict_proba(x_new)[:, 1]


def moons_own_seed(x, y, x_new, rng):
    return moons(net(nn.Tanh))(x, y, x_new, np.random.default_rng(0))


def moons_hard(x, y, x_new, rng):
    return (moons(net(nn.Tanh))(x, y, x_new, rng) > 0.5).astype(float) * 3 - 1


# -- 04.radius
def planes(x, layers, relu=True, c_off=True):
    """The score and the slope of every hidden unit at x, as lists."""
    A, c, scores, slopes = np.eye(len(x)), np.zeros(len(x)), [], []
    for W, b in layers[:-1]:
        A, c = W.T @ A, W.T @ c + b
        on = A @ x + c > 0
        scores, slopes = scores + list(A @ x + c), slopes + list(A)
        if relu:
            A, c = A * on[:, None], c * on if c_off else c
    return np.array(scores), np.array(slopes)


def radius_with(pick=np.min, size=np.abs, length=lambda slopes: np.linalg.norm(slopes, axis=1), **options):
    def answer(x, layers):
        scores, slopes = planes(x, layers, **options)
        moves = slopes.any(axis=1)
        return pick(size(scores[moves]) / length(slopes[moves]))

    return answer


def local_regression(x, layers):
    """The lecture's, with its arguments in this order."""
    A, c = np.eye(len(x)), np.zeros(len(x))
    for i, (W, b) in enumerate(layers):
        A, c = W.T @ A, W.T @ c + b
        if i < len(layers) - 1:
            on = A @ x + c > 0
            A, c = A * on[:, None], c * on
    return A, c


def radius_of_first_layer(x, layers):
    W, b = layers[0]
    with np.errstate(all="ignore"):
        return np.nanmin(np.abs(x @ W + b) / np.linalg.norm(W, axis=0))


def radius_of_last_layer(x, layers):
    """The planes of the last hidden layer only; of the first one if the last never moves."""
    here = layers[-2][0].shape[1]
    scores, slopes = planes(x, layers)
    if slopes[-here:].any():
        scores, slopes = scores[-here:], slopes[-here:]
    moves = slopes.any(axis=1)
    return np.min(np.abs(scores[moves]) / np.linalg.norm(slopes[moves], axis=1))


def radius_with_output(x, layers):
    (V, _), constant = layers[-1], np.zeros(layers[-1][0].shape[1])
    return radius_with()(x, [*layers, (np.eye(V.shape[1]), constant)])


def radius_by_columns(x, layers):
    """As if a unit's weights were its slope, in every layer."""
    distances, h = [], x
    for W, b in layers[:-1]:
        score = h @ W + b
        distances += [abs(s) / np.linalg.norm(w) for s, w in zip(score, W.T, strict=True) if w.any()]
        h = np.maximum(score, 0)
    return min(distances)


def radius_divided_by_zero(x, layers):
    scores, slopes = planes(x, layers)
    with np.errstate(all="ignore"):
        return np.min(np.abs(scores) / np.linalg.norm(slopes, axis=1))


def radius_by_search(x, layers):
    """Walk in a thousand random directions until a ReLU switches: never less, mostly more."""
    directions = np.random.default_rng(0).normal(size=(1000, len(x)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)

    def pattern(points):
        on = []
        for W, b in layers[:-1]:
            on.append(points @ W + b > 0)
            points = np.maximum(points @ W + b, 0)
        return np.hstack(on)

    low, high, here = np.zeros(1000), np.full(1000, 100.0), pattern(x[None])
    for _ in range(60):
        middle = (low + high) / 2
        same = (pattern(x + middle[:, None] * directions) == here).all(axis=1)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return float(low.min())


def radius_by_masks(x, layers):
    """From the weights alone, backward: the slope of a unit is its column of W, through the open units."""
    nearest, h, chain = np.inf, x, np.eye(len(x))
    for W, b in layers[:-1]:
        score, slopes = h @ W + b, chain @ W  # (outs,), (d, outs)
        for s, slope in zip(score, slopes.T, strict=True):
            if np.dot(slope, slope) > 0:
                nearest = min(nearest, float(abs(s)) / np.sqrt(np.dot(slope, slope)))
        chain, h = slopes * (score > 0), np.maximum(score, 0)
    return nearest


def radius_by_nudging_scores(x, layers):
    """The slopes by central differences of the frozen network: exact, since it is linear."""
    masks, h = [], x
    for W, b in layers[:-1]:
        masks.append(h @ W + b > 0)
        h = np.maximum(h @ W + b, 0)

    def scores(point):
        out = []
        for (W, b), mask in zip(layers[:-1], masks, strict=True):
            out.append(point @ W + b)
            point = out[-1] * mask
        return np.concatenate(out)

    steps = np.eye(len(x))
    slopes = np.array([(scores(x + e) - scores(x - e)) / 2 for e in steps])  # (d, units)
    length = np.sqrt((slopes**2).sum(axis=0))
    moves = length > 1e-9
    return np.min(np.abs(scores(x))[moves] / length[moves])


# -- 04.clicks
SINGLES = ["user", "age", "gender", "ad", "category", "context", "site", "position", "device", "hour"]


def values(log, columns=SINGLES):
    starts = np.cumsum([0, *[log.sizes[name] for name in columns[:-1]]])
    return torch.tensor(np.stack([log.features[name] for name in columns], axis=1) + starts)


def clicks_by_net(make_net, plan, weight=None):
    def predict(past, future):
        torch.manual_seed(0)
        model = make_net(sum(past.sizes[name] for name in SINGLES))
        pair = values(past), torch.tensor(past.click, dtype=torch.float32)
        price = None if weight is None else torch.tensor(float(weight))
        for lr, epochs in plan:
            fit(model, pair, epochs=epochs, lr=lr, batch_size=500,
                loss=lambda z, y: F.binary_cross_entropy_with_logits(z, y, pos_weight=price))  # fmt: skip
        with torch.no_grad():
            return torch.sigmoid(model(values(future))).double().numpy()

    return predict


def hidden_net(units=32, middle=nn.ReLU):
    def make(width):
        model = nn.Sequential(
            nn.EmbeddingBag(width, units, mode="sum"), middle(), nn.Linear(units, 1), nn.Flatten(0)
        )
        nn.init.normal_(model[0].weight, std=0.1)
        nn.init.constant_(model[2].bias, -3.2)
        return model

    return make


def clicks_logistic(past, future):
    model = LogisticRegression(max_iter=300).fit(past.one_hot(SINGLES), past.click)
    return model.predict_proba(future.one_hot(SINGLES))[:, 1]


def clicks_by_sparse_matrix(past, future):
    """One-hot rows times a matrix, by hand: hidden = X @ W as a sparse product, trained with its own Adam."""
    torch.manual_seed(1)
    x, y, x_new = values(past), torch.tensor(past.click, dtype=torch.float32), values(future)
    W = (0.1 * torch.randn(sum(past.sizes[name] for name in SINGLES), 32)).requires_grad_()
    v, c = (0.2 * torch.randn(32)).requires_grad_(), torch.tensor(-3.2, requires_grad=True)
    descent = torch.optim.Adam([W, v, c], lr=0.005)
    steps = 4 * (len(x) // 500)
    schedule = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (500,))
        descent.zero_grad()
        logit = torch.relu(W[x[rows]].sum(1)) @ v + c
        F.binary_cross_entropy_with_logits(logit, y[rows]).backward()
        descent.step()
        schedule.step()
    with torch.no_grad():
        return torch.sigmoid(torch.relu(W[x_new].sum(1)) @ v + c).double().numpy()


GOOD_PLAN = ((0.005, 3), (0.001, 1))
ONES = np.ones((2, 2))

WRONG = {
    "04.merge": {
        "sum": (merged, "the sum of the networks"),
        "biases added": (merged_with(out=-1), "biases c are added"),
        "outputs added": (merged_with(bias=-1), "V still adds"),
        "divided twice": (merged_with(hidden=-1, out=-1, bias=-1), "once is enough"),
        "averaged weights": (merge_averaging_weights, "your code stops"),
        "averaged weights, filled up": (merge_padded, "side by side"),
        "V backward": (
            lambda networks: merged(networks, order=-1, out=1 / len(networks), bias=1 / len(networks)),
            "another order",
        ),
        "b backward": (merge_interleaved, "not the mean"),
        "divided by the root": (merged_with(out=-0.5, bias=-1), "not the mean"),
        "the first of them": (lambda networks: networks[0], "shape"),
        "a list of layers": (lambda networks: [(W, b) for W, b, _, _ in networks], "4 results"),
        "a spare unit": (merge_with_a_spare_unit, "shape"),
        "in place": (merge_in_place, "changes its input"),
    },
    "04.smooth": {
        "the lecture's": (lambda z, alpha, beta: (celu(z), swish(z)), "the lecture's ELU and Swish"),
        "α forgotten": (lambda z, alpha, beta: (celu(z), swish(z, beta)), "α does nothing"),
        "β forgotten": (lambda z, alpha, beta: (celu(z, alpha), swish(z)), "β does nothing"),
        "α in front only": (
            lambda z, alpha, beta: (
                np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
                swish(z, beta),
            ),
            "not divided by it",
        ),
        "α below only": (
            lambda z, alpha, beta: (
                np.where(z > 0, z, np.expm1(np.minimum(z, 0) / alpha)),
                swish(z, beta),
            ),
            "does not stand in front",
        ),
        "one over α": (lambda z, alpha, beta: (celu(z, 1 / alpha), swish(z, beta)), "the other way round"),
        "exp minus one": (
            lambda z, alpha, beta: (
                np.where(z > 0, z, alpha * (np.exp(np.minimum(z, 0) / alpha) - 1)),
                swish(z, beta),
            ),
            "cancel",
        ),
        "mask": (
            quiet(
                lambda z, alpha, beta: (
                    z * (z > 0) + alpha * np.expm1(z / alpha) * (z <= 0),
                    swish(z, beta),
                )
            ),
            "too late",
        ),
        "overflow": (
            quiet(
                lambda z, alpha, beta: (celu(z, alpha), z * np.exp(beta * z) / (1 + np.exp(beta * z))),
            ),
            "overflows",
        ),
        "swapped": (lambda z, alpha, beta: (swish(z, beta), celu(z, alpha)), "swapped"),
        "knobs swapped": (lambda z, alpha, beta: (celu(z, beta or 1.0), swish(z, alpha)), "wrong values"),
        "sigmoid": (lambda z, alpha, beta: (celu(z, alpha), expit(beta * z)), "factor z"),
        "β in front too": (lambda z, alpha, beta: (celu(z, alpha), beta * swish(z, beta)), "inside the"),
        "ReLU": (lambda z, alpha, beta: (np.maximum(z, 0), swish(z, beta)), "first is a ReLU"),
        "one of two": (lambda z, alpha, beta: celu(z, alpha), "expected 2 results"),
        "clipped at −20": (
            lambda z, alpha, beta: (celu(z, alpha), np.clip(z, -20, 20) * expit(beta * z)),
            "wrong values",
        ),
    },
    "04.xor": {
        "the lecture's steps": ((ONES, np.array([-0.5, -1.5]), np.array([1.0, -1.0]), -0.5), "(0, 0)"),
        "sum only": ((ONES, np.array([0.0, -1.0]), np.array([1.0, 0.0]), 0.0), "(1, 1)"),
        "taken off once": ((ONES, np.array([0.0, -1.0]), np.array([1.0, -1.0]), 0.0), "(1, 1)"),
        "constant": ((0 * ONES, np.zeros(2), np.zeros(2), 0.5), "(0, 0)"),
        "OR": ((ONES, np.array([0.0, -1.0]), np.array([0.5, 0.0]), 0.0), "(0, 1) and (1, 0)"),
        "three units": ((np.ones((2, 3)), np.zeros(3), np.zeros(3), 0.0), "shape"),
        "output forgotten": ((ONES, np.array([0.0, -1.0]), np.array([1.0, -2.0])), "expected 4 results"),
        "nan": ((ONES * np.nan, np.zeros(2), np.zeros(2), 0.0), "nan"),
        "a text": ("OR and not AND", "expected 4 results"),
        "tensors": (
            (torch.ones(2, 2), torch.tensor([0.0, -1.0]), torch.tensor([1.0, -2.0]), 0.0),
            "should be a NumPy array",
        ),
    },
    "04.line": {
        "wider": (moons(net(units=64), steps=60), "straight line"),
        "deeper": (moons(net(between)), "straight line"),
        "bent at the end": (moons(lambda: nn.Sequential(*net()(), nn.Tanh())), "stand between"),
        "bent at the end, twice": (moons(lambda: nn.Sequential(*net()(), nn.Sigmoid())), "stand between"),
        "one unit": (moons(net(nn.Tanh, units=1)), "stand between"),
        "noise at the input": (moons(lambda: nn.Sequential(nn.Dropout(0.2), *net(nn.Tanh)())), "96 %"),
        "the other class": (lambda *a: 1 - moons(net(nn.Tanh))(*a), "96 %"),
        "too short": (moons(net(nn.Tanh), steps=15), "be trained"),
        "own seed": (moons_own_seed, "whatever the generator"),
        "not a probability": (moons_hard, "left [0, 1]"),
        "logistic regression": (
            lambda x, y, x_new, rng: LogisticRegression(C=1e3).fit(x, y).predict_proba(x_new)[:, 1],
            "straight line",
        ),
        "both classes": (lambda x, y, x_new, rng: np.full((len(x_new), 2), 0.5), "shape"),
    },
    "04.turn": {
        "as it was": (lambda W, b, v, u: (W, b, v, u), "still negative"),
        "sign dropped": (lambda W, b, v, u: (W, b, np.abs(v), u), "only the sign of v"),
        "constant forgotten": (turned_with(out=0.0), "leaves a constant"),
        "constant with the other sign": (turned_with(out=-1.0), "the wrong way"),
        "b forgotten": (turned_with(bias=False), "b is not"),
        "W forgotten": (turned_with(columns=False), "W is not"),
        "left out": (lambda W, b, v, u: (W, b, np.maximum(v, 0), u), "left out"),
        "mean in place of sum": (
            lambda W, b, v, u: (*turned_with()(W, b, v, u)[:3], u + np.minimum(v, 0).mean()),
            "not those of the given",
        ),
        "u forgotten": (lambda W, b, v, u: turned_with()(W, b, v, u)[:3], "4 results"),
        "in place": (turn_in_place, "changes its input"),
    },
    "04.radius": {
        "the lecture's": (local_regression, "one number"),
        "first layer": (radius_of_first_layer, "only the first hidden layer"),
        "last hidden layer": (radius_of_last_layer, "only the last hidden layer"),
        "with the output": (radius_with_output, "no ReLU follows"),
        "scores": (radius_with(length=lambda slopes: 1.0), "smallest score"),
        "squared": (radius_with(length=lambda slopes: (slopes**2).sum(axis=1)), "not by its square"),
        "summed sizes": (radius_with(length=lambda slopes: np.abs(slopes).sum(axis=1)), "root of its"),
        "weights for slopes": (radius_by_columns, "not a column of W"),
        "no ReLU": (radius_with(relu=False), "pass nothing on"),
        "c kept": (radius_with(c_off=False), "still add their bias"),
        "farthest": (radius_with(pick=np.max), "farthest"),
        "on units only": (
            radius_with(size=lambda scores: np.where(scores > 0, scores, np.inf)),
            "off can switch on",
        ),
        "signed": (radius_with(size=lambda scores: scores), "not negative"),
        "mean": (radius_with(pick=np.mean), "wrong values"),
        "divided by zero": (radius_divided_by_zero, "contains nan"),
        "searched": (radius_by_search, "wrong values"),
        "all of them": (radius_with(pick=lambda distances: distances), "one number"),
    },
    "04.clicks": {
        "logistic regression": (clicks_logistic, "three points"),
        "base rate": (lambda past, future: np.full(len(future), past.click.mean()), "three points"),
        "a linear layer": (clicks_by_net(hidden_net(middle=nn.Identity), GOOD_PLAN), "three points"),
        "balanced": (clicks_by_net(hidden_net(), ((0.01, 1),), weight=24), "mean prediction"),
        "overfitted": (clicks_by_net(hidden_net(64), ((0.02, 6),)), "three points"),
        "both columns": (lambda past, future: np.full((len(future), 2), 0.04), "shape"),
        "reads the answer": (lambda past, future: future.click.astype(float), "left (0, 1)"),
        "the past": (lambda past, future: np.full(len(past), 0.04), "shape"),
    },
}

RIGHT = {
    "04.merge": {
        "one by one": merge_one_by_one,
        "divided inside": merge_scaled_inside,
        "the last unit first": merge_backward,
        "single precision": lambda networks: tuple(
            np.float32(part)
            for part in merged(networks, order=1, out=1 / len(networks), bias=1 / len(networks))
        ),
    },
    "04.smooth": {
        "loop": smooth_by_loop,
        "maximum": lambda z, alpha, beta: (
            np.maximum(z, 0) + alpha * np.expm1(np.minimum(z, 0) / alpha),
            z / (1 + np.exp(-np.maximum(beta * z, -700))),
        ),
        "by the library": lambda z, alpha, beta: (F.celu(torch.tensor(z), alpha).numpy(), swish(z, beta)),
    },
    "04.xor": {
        "tent": (ONES, np.array([0.0, -1.0]), np.array([1.0, -2.0]), 0.0),
        "difference": (np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2), np.ones(2), 0.0),
        "whole numbers": ((ONES.astype(int), np.array([0, -1]), np.array([1, -2]), 0)),
        "from above": (-ONES, np.array([1.0, 2.0]), np.array([-2.0, 1.0]), 0.0),
    },
    "04.line": {
        "ReLU": moons(net(nn.ReLU)),
        "sigmoid": moons(net(nn.Sigmoid)),
        "GELU": moons(net(nn.GELU)),
        "ELU": moons(net(nn.ELU)),
        "two hidden layers": moons(net(nn.Tanh, between, nn.Tanh)),
        "scikit-learn": moons_by_sklearn,
    },
    "04.turn": {
        "unit by unit": turn_one_by_one,
        "doubled": lambda W, b, v, u: (
            np.where(v < 0, -W, W),
            b * np.copysign(1, v),
            np.copysign(v, 1),
            u - (np.abs(v).sum() - v.sum()) / 2,
        ),
    },
    "04.radius": {"masks": radius_by_masks, "frozen network": radius_by_nudging_scores},
    "04.clicks": {
        "by hand": clicks_by_sparse_matrix,
        "64 units": clicks_by_net(hidden_net(64), GOOD_PLAN),
    },
}
