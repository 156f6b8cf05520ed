"""The tasks of lecture 04."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule, Value

rng = np.random.default_rng(4)


def _layers(*sizes, scale=1.0):
    """Random weights and biases: pairs (W, b)."""
    return [(rng.normal(0, scale, (ins, outs)), rng.normal(0, scale, outs)) for ins, outs in pairwise(sizes)]


def _torch_net(layers):
    """The same network, built from PyTorch's own modules, in double precision."""
    import torch
    from torch import nn

    modules = []
    for W, b in layers:
        linear = nn.Linear(*W.shape).double()
        linear.load_state_dict({"weight": torch.tensor(W.T.copy()), "bias": torch.tensor(b)})
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


# ------------------------------------------------------------------------------------------- 04.forward
def _forward(x, layers):
    import torch

    return _torch_net(layers)(torch.tensor(x)).detach().numpy()


def _loop(x, layers, *, last=False, between=True, bias=True):
    """The forward pass with a switch for each usual mistake."""
    for i, (W, b) in enumerate(layers):
        x = x @ W + b * bias
        if (between and i < len(layers) - 1) or (last and i == len(layers) - 1):
            x = np.maximum(x, 0)
    return x


forward = Function(
    "04.forward",
    cases=[
        Case("two hidden layers", (rng.normal(size=(20, 5)), _layers(5, 8, 6, 3))),
        Case("one hidden layer and one row", (rng.normal(size=(1, 4)), _layers(4, 7, 2))),
        Case("no hidden layer", (rng.normal(size=(9, 3)), _layers(3, 2))),
        Case("as many outputs as inputs", (rng.normal(size=(4, 4)), _layers(4, 4, 4))),
        Case("three hidden layers, one output", (rng.normal(size=(6, 2)), _layers(2, 5, 5, 5, 1))),
    ],
    oracle=_forward,
    mistakes=[
        Mistake(
            "there is a ReLU after the last layer too: a logit may be negative",
            lambda x, layers: _loop(x, layers, last=True),
            2,
        ),
        Mistake(
            "there is no ReLU between the layers, so all of them are one",
            lambda x, layers: _loop(x, layers, between=False),
            2,
        ),
        Mistake("the biases are missing", lambda x, layers: _loop(x, layers, bias=False), 1),
    ],
    concepts=["mlp", "relu"],
)


# -------------------------------------------------------------------------------------------- 04.smooth
def _smooth(z):
    import torch

    z = torch.tensor(z)
    return torch.nn.functional.elu(z).numpy(), torch.nn.functional.silu(z).numpy()


def _swish(z):
    return z * 0.5 * (1 + np.tanh(0.5 * z))


def _elu(z):
    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))


smooth = Function(
    "04.smooth",
    cases=[
        Case("scores around zero", (rng.normal(0, 2, 30),)),
        Case("a batch of scores", (rng.normal(0, 2, (4, 3)),)),
        Case("scores of ±1000", (np.array([1000.0, -1000.0, 800.0, -800.0]),)),
        Case("tiny scores", (np.array([-1e-13, 1e-13, -1e-10, 0.0]),)),
        Case("scores of ±8", (np.array([8.0, -8.0, -5.0]),)),
    ],
    oracle=_smooth,
    mistakes=[
        Mistake(
            "for tiny scores the digits of exp(z) − 1 cancel",
            lambda z: (np.where(z > 0, z, np.exp(np.minimum(z, 0)) - 1), _swish(z)),
            1,
        ),
        Mistake(
            "the mask comes too late: infinity times zero is nan",
            lambda z: (z * (z > 0) + np.expm1(z) * (z <= 0), _swish(z)),
            2,
        ),
        Mistake(
            "the sigmoid overflows for large scores: infinity over infinity is nan",
            lambda z: (_elu(z), z * np.exp(z) / (1 + np.exp(z))),
            3,
        ),
        Mistake("ELU and Swish are swapped: ELU comes first", lambda z: (_swish(z), _elu(z))),
        Mistake(
            "the second is a sigmoid, not yet a Swish: it lacks the factor z",
            lambda z: (_elu(z), 0.5 * (1 + np.tanh(0.5 * z))),
        ),
        Mistake("the first is a ReLU: ELU bends to −1 on the left", lambda z: (np.maximum(z, 0), _swish(z))),
    ],
    rtol=1e-6,
    atol=1e-18,  # ELU at −1e-13 is about −1e-13: that is not zero
    concepts=["elu", "swish", "activation"],
)

# ----------------------------------------------------------------------------------------------- 04.xor
CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def _xor_output(answer):
    W, b, v, c = (np.asarray(part, dtype=float) for part in answer)
    return np.maximum(CORNERS @ W + b, 0) @ v + c


def _is_right_on(*rows):
    wanted = np.array([0.0, 1.0, 1.0, 0.0])
    return lambda answer: np.allclose(_xor_output(answer)[list(rows)], wanted[list(rows)], atol=1e-9)


def _like_xor(answer):
    """Zeros of the right shapes; whole numbers will do as well."""
    shapes = [(2, 2), (2,), (2,)]
    kinds = [getattr(part, "dtype", float) for part in answer]
    return (*[np.zeros(shape, kind) for shape, kind in zip(shapes, kinds, strict=False)], 0.0)


xor = Value(
    "04.xor",
    like=_like_xor,
    rules=[
        Rule("the output is not 0 at (0, 0)", _is_right_on(0), 2),
        Rule("the output is not 1 at both (0, 1) and (1, 0)", _is_right_on(1, 2), 2),
        Rule("the output is not 0 at (1, 1)", _is_right_on(3), 3),
    ],
    concepts=["relu", "mlp"],
)


# ---------------------------------------------------------------------------------------------- 04.line
def _moons_net(x, y, x_new, rng):
    """The network as the exercise hands it out: two linear layers with nothing in between."""
    import torch
    from torch import nn

    torch.manual_seed(int(rng.integers(2**31)))
    net = nn.Sequential(nn.Linear(2, 16), nn.Linear(16, 1))
    inputs, target = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)
    descent = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(300):
        descent.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(net(inputs)[:, 0], target).backward()
        descent.step()
    with torch.no_grad():
        return torch.sigmoid(net(torch.tensor(x_new, dtype=torch.float32))[:, 0]).double().numpy()


@cache
def _moons():
    """Two moons, noise 0.15, twice: half to train, half to judge by answers that only the rules know."""
    from sklearn.datasets import make_moons

    cases = []
    for seed in (5, 6):
        x, y = make_moons(600, noise=0.15, random_state=seed)
        args = x[:300], y[:300], x[300:], np.random.default_rng(seed)
        cases.append(Case(f"moons {seed}", args, known=(y[300:],)))
    return cases


def _is_no_line(p, x, y, x_new, rng, y_new):
    """Whether the logits of the answer are more than a linear function of the point."""
    logits = np.log(np.clip(p, 1e-9, 1 - 1e-9) / np.clip(1 - p, 1e-9, 1))
    inside = np.abs(logits) < 12  # beyond, single precision rounds the probability
    if inside.sum() < 3:
        return False
    X = np.column_stack([x_new, np.ones(len(x_new))])[inside]
    fitted = X @ np.linalg.lstsq(X, logits[inside], rcond=None)[0]
    return np.std(logits[inside] - fitted) > 0.05 * np.std(logits[inside])


line = Function(
    "04.line",
    cases=_moons,
    like=lambda x, y, x_new, rng: np.zeros(len(x_new)),
    rules=[
        Rule("a probability left [0, 1]", lambda p, *_: (p >= 0).all() and (p <= 1).all(), 1),
        Rule("it is still a straight line: each logit is a linear function of the point", _is_no_line, 2),
        Rule(
            "it bends, but fewer than 96 % of the new points are right",
            lambda p, x, y, x_new, rng, y_new: np.mean((p > 0.5) == y_new) >= 0.96,
            2,
        ),
    ],
    bug=_moons_net,
    draws=True,
    concepts=["activation", "ann"],
)


# -------------------------------------------------------------------------------------------- 04.pieces
@cache
def _counted_pieces() -> str:
    """Walk along a line and count the pieces of random one-layer networks with 10 ReLUs; the most of 200."""
    draw = np.random.default_rng(7)
    most = 0
    for _ in range(200):
        w, kinks, v = draw.normal(size=10), draw.uniform(-1, 1, 10), draw.normal(size=10)
        edges = np.concatenate([[-2.0], np.sort(kinks), [2.0]])
        inside = edges[:-1, None] + np.diff(edges)[:, None] * np.array([0.3, 0.6])  # two points a stretch
        value = np.maximum(w * (inside[..., None] - kinks), 0) @ v
        slope = (value[:, 1] - value[:, 0]) / (inside[:, 1] - inside[:, 0])
        most = max(most, 1 + int(np.sum(~np.isclose(np.diff(slope), 0, atol=1e-9))))
    return {10: "a", 11: "b", 20: "c", 1024: "d"}[most]


pieces = Choice(
    "04.pieces",
    options=("a", "b", "c", "d"),
    truth=_counted_pieces,
    wrong="the most pieces of 200 random networks, counted just now, are another number",
    right="counted just now on 200 random networks: none has more",
    concepts=["relu"],
)


# --------------------------------------------------------------------------------------------- 04.local
def _by_autograd(x, layers):
    import torch

    net, point = _torch_net(layers), torch.tensor(x)
    A = torch.autograd.functional.jacobian(net, point)
    return A.numpy(), (net(point) - A @ point).detach().numpy()


def _read_off(x, layers, *, keep_c=False, relu=True, at_zero=False):
    """The local regression with a switch for each usual mistake."""
    A, c = np.eye(len(x)), np.zeros(len(x))
    for i, (W, b) in enumerate(layers):
        A, c = W.T @ A, W.T @ c + b
        if relu and i < len(layers) - 1:
            on = A @ (0 * x if at_zero else x) + c > 0
            A, c = A * on[:, None], c if keep_c else c * on
    return A, c


_dead = [(rng.normal(size=(3, 4)), np.full(4, -50.0)), (rng.normal(size=(4, 2)), np.array([0.5, -0.5]))]

local = Function(
    "04.local",
    cases=[
        Case("two hidden layers", (rng.normal(size=5), _layers(5, 8, 6, 3))),
        Case("one output", (rng.normal(size=4), _layers(4, 9, 1))),
        Case("a point near zero", (0.2 * rng.normal(size=4), _layers(4, 30, 30, 2))),
        Case("no hidden layer", (rng.normal(size=3), _layers(3, 2))),
        Case("every ReLU off", (rng.normal(size=3), _dead)),
        Case("three hidden layers", (rng.normal(size=2), _layers(2, 6, 6, 6, 2))),
    ],
    oracle=_by_autograd,
    mistakes=[
        Mistake(
            "the switched-off units still add their bias: the ReLU sets c to zero too",
            lambda x, layers: _read_off(x, layers, keep_c=True),
            3,
        ),
        Mistake(
            "no unit is ever switched off: this is the network without its ReLUs",
            lambda x, layers: _read_off(x, layers, relu=False),
            3,
        ),
        Mistake(
            "this is the regression around zero, not around x",
            lambda x, layers: _read_off(x, layers, at_zero=True),
            3,
        ),
        Mistake(
            "A is the gradient, but c is the whole output: take A x off",
            lambda x, layers: (_by_autograd(x, layers)[0], _forward(x, layers)),
            2,
        ),
        Mistake(
            "A lies on its side: it should be (outputs, inputs)",
            lambda x, layers: (_by_autograd(x, layers)[0].T, _by_autograd(x, layers)[1]),
            2,
        ),
    ],
    concepts=["relu", "mlp"],
)

# -------------------------------------------------------------------------------------------- 04.clicks
SINGLES = ["user", "age", "gender", "ad", "category", "context", "site", "position", "device", "hour"]


@cache
def _logs():
    """Two ad logs, split in time, and what a logistic regression gets. The future has no clicks, no truth."""
    from sklearn.linear_model import LogisticRegression

    from utils import data

    cases = []
    for seed in (73, 74):
        log = data.load("ads", rows=100_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        model = LogisticRegression(max_iter=300).fit(past.one_hot(SINGLES), past.click)
        plain = future.share_of_gap(model.predict_proba(future.one_hot(SINGLES))[:, 1])
        hidden = replace(future, click=np.zeros_like(future.click), truth=np.full(len(future), np.nan))
        cases.append(Case(f"ad log {seed}", (past, hidden), known=(future, plain)))
    return cases


clicks = Function(
    "04.clicks",
    cases=_logs,
    like=lambda past, hidden: np.zeros(len(hidden)),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: (p > 0).all() and (p < 1).all(), 2),
        Rule(
            "the mean prediction is not the click rate, so no bid could use it",
            lambda p, past, hidden, future, plain: 0.8 < p.mean() / future.click.mean() < 1.25,
            2,
        ),
        Rule(
            "this is not three points of the gap above a logistic regression on the same columns",
            lambda p, past, hidden, future, plain: future.share_of_gap(p) >= plain + 0.03,
            3,
        ),
    ],
    concepts=["mlp", "ann"],
)

TASKS = [forward, smooth, xor, line, pieces, local, clicks]
