"""Wrong answers to lecture 04's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional as F

from utils.training import fit


def forward_recursive(x, layers):
    (W, b), *rest = layers
    z = x @ W + b
    return forward_recursive(z * (z > 0), rest) if rest else z


def forward_in_place(x, layers):
    for W, b in layers[:-1]:
        np.maximum(x, -1e9, out=x)
        x = np.maximum(x @ W + b, 0)
        x += 0
    W, b = layers[-1]
    return x @ W + b


def forward_overwriting(x, layers):
    x -= 1
    return forward_recursive(x + 1, layers) * 1.0


def forward_tanh(x, layers):
    for W, b in layers[:-1]:
        x = np.tanh(x @ W + b)
    return x @ layers[-1][0] + layers[-1][1]


def forward_bias_after(x, layers):
    for W, b in layers[:-1]:
        x = np.maximum(x @ W, 0) + b
    return x @ layers[-1][0] + layers[-1][1]


def forward_all_relu(x, layers):
    for W, b in layers:
        x = np.maximum(x @ W + b, 0)
    return x


def forward_linear(x, layers):
    for W, b in layers:
        x = x @ W + b
    return x


def quiet(function):
    """Without NumPy's warnings: what is wrong with the answer is the subject, not how loud it is."""

    def wrapped(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return wrapped


def elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


def swish(z):
    return z * expit(z)


def elu_by_loop(z):
    out = np.empty_like(z)
    for i, value in np.ndenumerate(z):
        out[i] = value if value > 0 else np.expm1(value)
    return out, np.array([value * expit(value) for value in z.ravel()]).reshape(z.shape)


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


def net(*middle, units=16):
    """A function that makes the network: `middle` are functions that make its modules."""
    return lambda: nn.Sequential(nn.Linear(2, units), *[make() for make in middle], nn.Linear(units, 1))


def between():
    return nn.Linear(16, 16)


def moons_by_sklearn(x, y, x_new, rng):
    seed = int(rng.integers(2**31))
    model = MLPClassifier((16,), solver="lbfgs", max_iter=300, alpha=1e-3, random_state=seed).fit(x, y)
    return model.predict_proba(x_new)[:, 1]


def moons_own_seed(x, y, x_new, rng):
    return moons(net(nn.Tanh))(x, y, x_new, np.random.default_rng(0))


def moons_hard(x, y, x_new, rng):
    return (moons(net(nn.Tanh))(x, y, x_new, rng) > 0.5).astype(float) * 3 - 1


def local_by_masks(x, layers):
    """Two passes: first the patterns, then the product from the output back to the input."""
    masks, h = [], x
    for W, b in layers[:-1]:
        masks.append((h @ W + b > 0).astype(float))
        h = np.maximum(h @ W + b, 0)
    W, b = layers[-1]
    out, A = h @ W + b, W
    for (W, _), mask in zip(layers[-2::-1], masks[::-1], strict=True):
        A = W @ (mask[:, None] * A)
    return A.T, out - x @ A


def local_with(*, c_kept=False, relu=True, at=None):
    def answer(x, layers):
        A, c = np.eye(len(x)), np.zeros(len(x))
        for i, (W, b) in enumerate(layers):
            A, c = W.T @ A, W.T @ c + b
            if relu and i < len(layers) - 1:
                on = A @ (x if at is None else at * x) + c > 0
                A, c = on[:, None] * A, c if c_kept else c * on
        return A, c

    return answer


def local_output_as_c(x, layers):
    A, c = local_by_masks(x, layers)
    return A, A @ x + c


def local_on_its_side(x, layers):
    A, c = local_by_masks(x, layers)
    return A.T, c


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
    "04.forward": {
        "ReLU at the end": (forward_all_relu, "after the last layer"),
        "no ReLU": (forward_linear, "no ReLU between"),
        "no bias": (lambda x, layers: forward_recursive(x, [(W, 0 * b) for W, b in layers]), "biases"),
        "bias after the ReLU": (forward_bias_after, "wrong values"),
        "tanh": (forward_tanh, "wrong values"),
        "first layer only": (lambda x, layers: x @ layers[0][0] + layers[0][1], "shape"),
        "input overwritten": (forward_overwriting, "changes its input"),
        "weights on their side": (lambda x, layers: x @ layers[0][0].T, "your code stops"),
    },
    "04.smooth": {
        "exp minus one": (lambda z: (np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1), swish(z)), "cancel"),
        "mask": (quiet(lambda z: (z * (z > 0) + np.expm1(z) * (z <= 0), swish(z))), "too late"),
        "overflow": (quiet(lambda z: (elu(z), z * np.exp(z) / (1 + np.exp(z)))), "overflows"),
        "swapped": (lambda z: (swish(z), elu(z)), "swapped"),
        "sigmoid": (lambda z: (elu(z), expit(z)), "factor z"),
        "ReLU": (lambda z: (np.maximum(z, 0), swish(z)), "first is a ReLU"),
        "one of two": (lambda z: elu(z), "expected 2 results"),
        "tanh on the left": (lambda z: (np.where(z > 0, z, np.tanh(z)), swish(z)), "wrong values"),
        "clipped at −20": (lambda z: (elu(z), np.clip(z, -20, 20) * expit(z)), "wrong values"),
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
    },
    "04.line": {
        "wider": (moons(net(units=64), steps=60), "straight line"),
        "deeper": (moons(net(between)), "straight line"),
        "too short": (moons(net(nn.Tanh), steps=15), "96 %"),
        "own seed": (moons_own_seed, "whatever the generator"),
        "not a probability": (moons_hard, "left [0, 1]"),
        "logistic regression": (
            lambda x, y, x_new, rng: LogisticRegression(C=1e3).fit(x, y).predict_proba(x_new)[:, 1],
            "straight line",
        ),
        "both classes": (lambda x, y, x_new, rng: np.full((len(x_new), 2), 0.5), "shape"),
    },
    "04.pieces": {
        "one a unit": ("a", "counted just now"),
        "two a unit": ("c", "counted just now"),
        "every pattern": ("d", "counted just now"),
        "the number": (11, "answer with one of"),
    },
    "04.local": {
        "c kept": (local_with(c_kept=True), "still add their bias"),
        "no ReLU": (local_with(relu=False), "without its ReLUs"),
        "around zero": (local_with(at=0), "around zero"),
        "output as c": (local_output_as_c, "take A x off"),
        "on its side": (local_on_its_side, "lies on its side"),
        "A only": (lambda x, layers: local_by_masks(x, layers)[0], "expected 2 results"),
        "twice x": (local_with(at=2), "wrong values"),
        "intercept forgotten": (
            lambda x, layers: (local_by_masks(x, layers)[0], 0 * layers[-1][1]),
            "result 2",
        ),
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
    "04.forward": {"recursive": forward_recursive},
    "04.smooth": {
        "loop": elu_by_loop,
        "maximum": lambda z: (
            np.maximum(z, 0) + np.expm1(np.minimum(z, 0)),
            z / (1 + np.exp(-np.maximum(z, -700))),
        ),
    },
    "04.xor": {
        "tent": (ONES, np.array([0.0, -1.0]), np.array([1.0, -2.0]), 0.0),
        "difference": (np.array([[1.0, -1.0], [-1.0, 1.0]]), np.zeros(2), np.ones(2), 0.0),
        "whole numbers": ((ONES.astype(int), np.array([0, -1]), np.array([1, -2]), 0)),
        "from above": (-ONES, np.array([1.0, 2.0]), np.array([-2.0, 1.0]), 0.0),
    },
    "04.line": {
        "ReLU": moons(net(nn.ReLU, units=32)),
        "two hidden layers": moons(net(nn.Tanh, between, nn.Tanh)),
        "scikit-learn": moons_by_sklearn,
    },
    "04.pieces": {"b": "b"},
    "04.local": {"masks": local_by_masks},
    "04.clicks": {
        "by hand": clicks_by_sparse_matrix,
        "64 units": clicks_by_net(hidden_net(64), GOOD_PLAN),
    },
}
