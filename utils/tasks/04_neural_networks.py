"""The tasks of lecture 04."""

from functools import cache
from itertools import pairwise

import numpy as np

from utils.checks import Case, Function, Mistake, Rule, Value
from utils.tasks import without_clicks, without_truth

rng = np.random.default_rng(4)


# --------------------------------------------------------------------------------------------- 04.merge
def _members(d, k, *units):
    """Random networks with one hidden layer: (W, b, V, c) each."""
    sizes = [((d, h), h, (h, k), k) for h in units]
    return [tuple(rng.normal(size=size) for size in four) for four in sizes]


def _logits(x, W, b, V, c):
    """PyTorch's layers with these weights, in double precision: (n, k)."""
    import torch

    # contiguous: PyTorch takes no array that is read backward, such as W[:, ::-1]
    W, b, V, c, x = (torch.tensor(np.ascontiguousarray(part, dtype=float)) for part in (W, b, V, c, x))
    return torch.nn.functional.linear(torch.relu(torch.nn.functional.linear(x, W.T, b)), V.T, c).numpy()


def _is_their_mean(merged, networks):
    """Whether the one network answers as the mean of the others, on 200 points."""
    x = 2 * np.random.default_rng(8).normal(size=(200, len(networks[0][0])))
    wanted = sum(_logits(x, *network) for network in networks) / len(networks)
    return np.allclose(_logits(x, *merged), wanted, rtol=1e-5, atol=1e-5)  # single precision will do


def _zeros_like_all(networks):
    (d, _), k = networks[0][0].shape, len(networks[0][3])
    units = sum(len(b) for _, b, *_ in networks)
    return np.zeros((d, units)), np.zeros(units), np.zeros((units, k)), np.zeros(k)


def _side_by_side(hidden=1, out=1, bias=1, order=1):
    """All units in one layer, with a switch for each usual mistake; a factor each."""

    def code(networks):
        W, b, V, c = zip(*networks, strict=True)
        by = [f(len(networks)) if callable(f) else f for f in (hidden, out, bias)]
        W, b, V = np.hstack(W), np.concatenate(b), np.concatenate(V[::order])
        return W * by[0], b * by[0], V * by[1], sum(c) * by[2]

    return code


def _over(many):
    return 1 / many


merge = Function(
    "04.merge",
    cases=[
        Case("three networks of 5, 2 and 8 units", (_members(4, 3, 5, 2, 8),)),
        Case("two networks of equal size", (_members(3, 2, 6, 6),)),
        Case("one network alone", (_members(2, 2, 3),)),
        Case("four single units, one output", (_members(1, 1, 1, 1, 1, 1),)),
        Case("a network and its opposite", ((lambda n: [n, (n[0], n[1], -n[2], n[3])])(*_members(5, 2, 4)),)),
    ],
    like=_zeros_like_all,
    rules=[
        Rule("the logits of the one network are not the mean of theirs", _is_their_mean, 2),
    ],
    mistakes=[
        Mistake("this is the sum of the networks; the mean divides V, and averages c", _side_by_side(), 2),
        Mistake(
            "the biases c are added up here; like the rest of the logits they are averaged",
            _side_by_side(out=_over),
            2,
        ),
        Mistake("c is averaged, but V still adds the networks up", _side_by_side(bias=_over), 2),
        Mistake(
            "everything is divided, the hidden layer and V: once is enough",
            _side_by_side(hidden=_over, out=_over, bias=_over),
            2,
        ),
        Mistake(
            "the rows of V stand in another order than the columns of W: each unit has one of both",
            _side_by_side(out=_over, bias=_over, order=-1),
            3,
        ),
        Mistake(
            "these are averaged weights, and with a ReLU in between no mean of the networks: "
            "set the units side by side",
            lambda networks: tuple(np.mean(part, axis=0) for part in zip(*networks, strict=True)),
            1,
        ),
    ],
    concepts=["mlp", "ann"],
)


# -------------------------------------------------------------------------------------------- 04.smooth
def _smooth(z, alpha, beta):
    import torch

    z = torch.tensor(z)
    return torch.nn.functional.celu(z, alpha).numpy(), (z * torch.sigmoid(beta * z)).numpy()


def _swish(z, beta):
    return z * 0.5 * (1 + np.tanh(0.5 * beta * z))


def _celu(z, alpha, height=None, stretch=None):
    height, stretch = alpha if height is None else height, alpha if stretch is None else stretch
    return np.where(z > 0, z, height * np.expm1(np.minimum(z, 0) / stretch))


smooth = Function(
    "04.smooth",
    cases=[
        Case("scores around zero, both knobs at 1", (rng.normal(0, 2, 30), 1.0, 1.0)),
        Case("a batch of scores, α = 2 and β = 0.5", (rng.normal(0, 2, (4, 3)), 2.0, 0.5)),
        Case("scores of ±1000", (np.array([1000.0, -1000.0, 800.0, -800.0]), 0.5, 3.0)),
        Case("tiny scores", (np.array([-1e-13, 1e-13, -1e-10, 0.0]), 3.0, 2.0)),
        Case("scores of ±8, α = 0.1 and β = 0", (np.array([8.0, -8.0, -5.0]), 0.1, 0.0)),
    ],
    oracle=_smooth,
    mistakes=[
        Mistake(
            "these are the lecture's ELU and Swish: α and β do nothing yet",
            lambda z, alpha, beta: (_celu(z, 1), _swish(z, 1)),
        ),
        Mistake("α does nothing yet", lambda z, alpha, beta: (_celu(z, 1), _swish(z, beta))),
        Mistake("β does nothing yet", lambda z, alpha, beta: (_celu(z, alpha), _swish(z, 1))),
        Mistake(
            "α stands in front, but z is not divided by it",
            lambda z, alpha, beta: (_celu(z, alpha, stretch=1), _swish(z, beta)),
        ),
        Mistake(
            "z is divided by α, but α does not stand in front",
            lambda z, alpha, beta: (_celu(z, alpha, height=1), _swish(z, beta)),
        ),
        Mistake(
            "α divides where it should multiply, or the other way round",
            lambda z, alpha, beta: (_celu(z, 1 / alpha), _swish(z, beta)),
        ),
        Mistake(
            "for tiny scores the digits of exp(z / α) − 1 cancel",
            lambda z, alpha, beta: (
                np.where(z > 0, z, alpha * (np.exp(np.minimum(z, 0) / alpha) - 1)),
                _swish(z, beta),
            ),
            1,
        ),
        Mistake(
            "the mask comes too late: infinity times zero is nan",
            lambda z, alpha, beta: (
                z * (z > 0) + alpha * np.expm1(z / alpha) * (z <= 0),
                _swish(z, beta),
            ),
            2,
        ),
        Mistake(
            "the sigmoid overflows for large scores: infinity over infinity is nan",
            lambda z, alpha, beta: (_celu(z, alpha), z * np.exp(beta * z) / (1 + np.exp(beta * z))),
            3,
        ),
        Mistake(
            "the two are swapped: CELU comes first",
            lambda z, alpha, beta: (_swish(z, beta), _celu(z, alpha)),
        ),
        Mistake(
            "the second is a sigmoid, not yet a Swish: it lacks the factor z",
            lambda z, alpha, beta: (_celu(z, alpha), 0.5 * (1 + np.tanh(0.5 * beta * z))),
        ),
        Mistake(
            "β belongs inside the sigmoid only, not in front of z",
            lambda z, alpha, beta: (_celu(z, alpha), beta * _swish(z, beta)),
        ),
        Mistake(
            "the first is a ReLU: CELU bends to −α on the left",
            lambda z, alpha, beta: (np.maximum(z, 0), _swish(z, beta)),
        ),
    ],
    rtol=1e-6,
    atol=1e-18,  # CELU at −1e-13 is about −1e-13: that is not zero
    overflow_hint=2,
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
    kinds = [part.dtype if isinstance(part, np.ndarray) else float for part in answer]
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
    net = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 1))
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


def _border_bends(p, x, y, x_new, rng, y_new):
    """Whether no straight line parts the higher half of the answers from the lower half."""
    from sklearn.linear_model import LogisticRegression

    high = p > np.median(p)
    return high.any() and LogisticRegression(C=1e6, max_iter=1000).fit(x_new, high).score(x_new, high) < 0.99


line = Function(
    "04.line",
    cases=_moons,
    like=lambda x, y, x_new, rng: np.full(len(x_new), 0.5),
    rules=[
        Rule("a probability left [0, 1]", lambda p, *_: (p >= 0).all() and (p <= 1).all(), 1),
        Rule("it is still a straight line: each logit is a linear function of the point", _is_no_line, 2),
        Rule(
            "the border is still a straight line: what bends must stand between the layers, and be trained",
            _border_bends,
            2,
        ),
        Rule(
            "it bends, but fewer than 96 % of the new points are right",
            lambda p, x, y, x_new, rng, y_new: np.mean((p > 0.5) == y_new) >= 0.96,
            2,
        ),
    ],
    bug=_moons_net,
    draws=True,
    seconds=60,
    concepts=["activation", "ann"],
)


# ---------------------------------------------------------------------------------------------- 04.turn
def _one_logit(x, W, b, v, u):
    """PyTorch's layers with these weights, in double precision: (n,)."""
    import torch

    W, b, v, x = (torch.tensor(np.asarray(part, dtype=np.float64)) for part in (W, b, v, x))
    return (torch.sigmoid(x @ W + b) @ v + float(u)).numpy()


def _same_logits(answer, *given):
    x = 2 * np.random.default_rng(9).normal(size=(200, len(given[0])))
    return np.allclose(_one_logit(x, *answer), _one_logit(x, *given), rtol=1e-5, atol=1e-5)


def _turned(W, b, v, u, *, w=True, bias=True, weight=np.abs, out=1.0):
    """The turned network, with a switch for each usual mistake."""
    sign = np.where(v < 0, -1.0, 1.0)
    return W * (sign if w else 1), b * (sign if bias else 1), weight(v), u + out * v[v < 0].sum()


_some = rng.normal(size=(2, 5)), rng.normal(size=5)

turn = Function(
    "04.turn",
    cases=[
        Case(
            "three for, two against",
            (rng.normal(size=(3, 5)), rng.normal(size=5), np.array([2.0, -1.0, 0.5, -3.0, 1.0]), 0.7),
        ),
        Case("all against", (*_some, -np.abs(rng.normal(size=5)), -1.5)),
        Case("all for", (*_some, np.abs(rng.normal(size=5)), 0.3)),
        Case("a unit without a vote", (*_some, np.array([0.0, -1.0, 1.0, 0.0, -2.0]), 0.0)),
        Case("one unit, against", (rng.normal(size=(4, 1)), rng.normal(size=1), np.array([-2.5]), 1.0)),
    ],
    like=lambda W, b, v, u: (np.zeros_like(W), np.zeros_like(b), np.zeros_like(v), 0.0),
    rules=[
        Rule("an output weight is still negative", lambda answer, *_: (np.asarray(answer[2]) >= 0).all(), 1),
        Rule("the logits are not those of the given network", _same_logits, 2),
    ],
    mistakes=[
        Mistake(
            "only the sign of v was dropped: a unit that votes against must be turned round first",
            lambda W, b, v, u: (W, b, np.abs(v), u),
            1,
        ),
        Mistake(
            "the units are turned, but each leaves a constant v behind, which belongs to u",
            lambda W, b, v, u: _turned(W, b, v, u, out=0.0),
            2,
        ),
        Mistake(
            "u moves the wrong way: it takes the negative weights as they are",
            lambda W, b, v, u: _turned(W, b, v, u, out=-1.0),
            2,
        ),
        Mistake("W is turned, but b is not", lambda W, b, v, u: _turned(W, b, v, u, bias=False), 3),
        Mistake("b is turned, but W is not", lambda W, b, v, u: _turned(W, b, v, u, w=False), 3),
        Mistake(
            "the units that vote against were left out; they must vote too, turned round",
            lambda W, b, v, u: (W, b, np.maximum(v, 0), u),
            1,
        ),
    ],
    concepts=["ann", "sigmoid"],
)


# -------------------------------------------------------------------------------------------- 04.radius
def _layers(*sizes):
    """Random weights and biases: pairs (W, b)."""
    return [(rng.normal(size=(ins, outs)), rng.normal(size=outs)) for ins, outs in pairwise(sizes)]


def _by_autograd(x, layers):
    """Unit by unit: the size of its score, over the length of the score's gradient, from PyTorch."""
    import torch

    point = torch.tensor(x, requires_grad=True)
    here, distances = point, []
    for W, b in layers[:-1]:
        scores = here @ torch.tensor(W) + torch.tensor(b)
        for score in scores:
            (gradient,) = torch.autograd.grad(score, point, retain_graph=True)
            if gradient.any():
                distances.append((score.abs() / gradient.norm()).item())
        here = torch.relu(scores)
    return min(distances)


def _nearest(
    x,
    layers,
    *,
    pick=min,
    size=np.abs,
    length=np.linalg.norm,
    relu=True,
    which=None,
    columns=False,
    c_off=True,
):
    """The distance to a hinge with a switch for each usual mistake; `which` selects the layers looked at."""
    A, c, distances = np.eye(len(x)), np.zeros(len(x)), []
    for i, (W, b) in enumerate(layers):
        A, c = W.T @ A, W.T @ c + b
        for row, column, score in zip(A, W.T, A @ x + c, strict=True):
            slope = column if columns else row
            if slope.any() and i in range(len(layers))[which or slice(0, -1)]:
                distances.append(size(score) / length(slope))
        if relu:
            on = A @ x + c > 0
            A, c = A * on[:, None], c * on if c_off else c
    return pick(distances)


def _on_side_only(score):
    return score if score > 0 else np.inf


_dead = [(rng.normal(size=(3, 4)), np.full(4, -50.0)), (rng.normal(size=(4, 5)), 0.01 * rng.normal(size=5))]
_constant = (rng.normal(size=(3, 4)) * [1, 1, 0, 1], rng.normal(size=4) * [1, 1, 0, 1])

radius = Function(
    "04.radius",
    cases=[
        Case("two hidden layers", (rng.normal(size=5), _layers(5, 8, 6, 3))),
        Case(
            "a single unit", (np.array([3.0, 4.0]), [(np.array([[0.6], [0.8]]), np.ones(1)), *_layers(1, 1)])
        ),
        Case(
            "a unit that is off, nearest", (np.zeros(2), [(np.eye(2), np.array([5.0, -1.0])), *_layers(2, 2)])
        ),
        Case("a deep unit, nearest", (0.2 * rng.normal(size=4), _layers(4, 3, 60, 2))),
        Case("a unit of the first layer, nearest", (0.2 * rng.normal(size=4), _layers(4, 60, 3, 2))),
        Case("every unit of the first layer off", (rng.normal(size=3), [*_dead, *_layers(5, 2)])),
        Case("a unit without weights", (rng.normal(size=3), [_constant, *_layers(4, 2)])),
        Case("three hidden layers", (rng.normal(size=3), _layers(3, 6, 6, 6, 1))),
        Case("an output near zero", (np.ones(2), [(np.eye(2), np.ones(2)), (np.eye(2), np.full(2, -2.01))])),
    ],
    oracle=_by_autograd,
    mistakes=[
        Mistake(
            "only the first hidden layer is looked at; deeper units switch too",
            lambda x, layers: _nearest(x, layers, which=slice(0, 1)),
            3,
        ),
        Mistake(
            "only the last hidden layer is looked at; the units below it switch too",
            lambda x, layers: _nearest(x, layers, which=slice(-2, -1)),
            3,
        ),
        Mistake(
            "the output is looked at too, but no ReLU follows it",
            lambda x, layers: _nearest(x, layers, which=slice(None)),
            3,
        ),
        Mistake(
            "this is the smallest score; a distance is a score divided by the length of its slope",
            lambda x, layers: _nearest(x, layers, length=lambda slope: 1.0),
            2,
        ),
        Mistake(
            "divide by the length of the slope, not by its square",
            lambda x, layers: _nearest(x, layers, length=lambda slope: slope @ slope),
            2,
        ),
        Mistake(
            "the length of a slope is the root of its summed squares",
            lambda x, layers: _nearest(x, layers, length=lambda slope: np.abs(slope).sum()),
            2,
        ),
        Mistake(
            "for a deeper unit the slope with respect to x is a row of A, not a column of W",
            lambda x, layers: _nearest(x, layers, columns=True),
            1,
        ),
        Mistake(
            "units that are off pass nothing on: A and c are set to zero where the score is negative",
            lambda x, layers: _nearest(x, layers, relu=False),
            3,
        ),
        Mistake(
            "the switched-off units still add their bias: the ReLU sets c to zero too",
            lambda x, layers: _nearest(x, layers, c_off=False),
            3,
        ),
        Mistake("this is the farthest hinge", lambda x, layers: _nearest(x, layers, pick=max), 2),
        Mistake(
            "only units that are on are looked at; one that is off can switch on",
            lambda x, layers: _nearest(x, layers, size=_on_side_only),
            3,
        ),
        Mistake(
            "a distance is not negative: take the size of the score",
            lambda x, layers: _nearest(x, layers, size=lambda score: score),
            2,
        ),
    ],
    concepts=["relu", "mlp"],
)

# -------------------------------------------------------------------------------------------- 04.clicks
SINGLES = ["user", "age", "gender", "ad", "category", "context", "site", "position", "device", "hour"]


@cache
def _logs():
    """Two ad logs, split in time, and what a logistic regression gets. No truth, no later click."""
    from sklearn.linear_model import LogisticRegression

    from utils import data

    cases = []
    for seed in (73, 74):
        log = data.load("ads", rows=100_000, seed=seed)
        past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
        model = LogisticRegression(max_iter=300).fit(past.one_hot(SINGLES), past.click)
        plain = future.share_of_gap(model.predict_proba(future.one_hot(SINGLES))[:, 1])
        args = without_truth(past), without_clicks(future)
        cases.append(Case(f"ad log {seed}", args, known=(future, plain)))
    return cases


clicks = Function(
    "04.clicks",
    cases=_logs,
    like=lambda past, hidden: np.full(len(hidden), 0.5),
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
    seconds=60,
    concepts=["mlp", "ann"],
)

TASKS = [merge, smooth, xor, line, turn, radius, clicks]
