"""The tasks of lecture 07."""

from functools import cache
from itertools import pairwise, product
from math import exp, log, sqrt

import numpy as np
from scipy.special import expit, logsumexp

from utils.checks import Case, Choice, Function, Mistake, Rule
from utils.tasks import hidden_ad_logs

rng = np.random.default_rng(7)


# ------------------------------------------------------------------------------------------- 07.rescale
def _relu(z):
    return np.maximum(z, 0)


def _sigmoid(z):
    return expit(z)


def _by_definition(x, matrices, activation):
    """Each variance by a plain loop over rows; each spread from all pairs of scores."""
    rows, new = [np.asarray(row) for row in x], []
    for W in matrices:
        scores = [[sum(a * w for a, w in zip(row, unit, strict=True)) for unit in W.T] for row in rows]
        n, total = len(scores), 0.0
        for unit in zip(*scores, strict=True):
            middle = sum(unit) / n
            total += sum((z - middle) ** 2 for z in unit) / n
        spread = sqrt(total / W.shape[1])
        factor = 1 / spread if spread > 1e-12 else 1.0
        new.append(W * factor)
        rows = [activation(np.array(row) * factor) for row in scores]
    return tuple(new)


def _loop(x, matrices, activation, *, measure=None, pass_on=True, after=False, guard=True):
    """The task with a switch for each usual mistake."""
    measure = measure or (lambda z: np.sqrt(z.var(axis=0).mean()))
    h, new = x, []
    for W in matrices:
        z = h @ W
        spread = measure(activation(z) if after else z)
        new.append(W / spread if not guard or np.all(spread > 1e-12) else W)
        h = activation(h @ (new[-1] if pass_on else W))
    return tuple(new)


def _glorot_sized(x, matrices, activation):
    return tuple(W / W.std() * np.sqrt(2 / sum(W.shape)) for W in matrices)


def _matrices(*sizes):
    return tuple(rng.normal(size=shape) for shape in pairwise(sizes))


_x = rng.normal(size=(30, 6)) + 2
_even = np.eye(6, 3) / np.sqrt(_x[:, :3].var(axis=0).mean())  # scores of difference one
rescale = Function(
    "07.rescale",
    cases=[
        Case("three sigmoid layers", (_x, _matrices(6, 8, 5, 4), _sigmoid)),
        Case("three ReLU layers", (_x, _matrices(6, 5, 7, 3), _relu)),
        Case("tanh, tiny weights", (_x, tuple(1e-5 * W for W in _matrices(6, 4, 4)), np.tanh)),
        Case("one layer", (rng.normal(size=(7, 3)), _matrices(3, 2), np.tanh)),
        Case("two rows, one unit", (rng.normal(size=(2, 3)), _matrices(3, 1, 1), np.tanh)),
        Case("rows that are all alike", (np.ones((5, 3)), _matrices(3, 4, 2), _sigmoid)),
        Case(
            "a layer whose units are all off",
            (_relu(_x) + 1, (-np.ones((6, 3)), *_matrices(3, 2)), _relu),
        ),
        Case("a difference of 1.5e-12", (_x, (1.5e-12 * _even,), np.tanh)),
        Case("a difference of 0.7e-12", (_x, (0.7e-12 * _even,), np.tanh)),
    ],
    oracle=_by_definition,
    mistakes=[
        Mistake(
            "this is the spread of all scores together; a unit that says the same to every input counts as "
            "signal there. Take the variance over the rows, unit by unit",
            lambda *a: _loop(*a, measure=np.std),
        ),
        Mistake(
            "this is the root mean square, where the mean counts as signal; take the variance over the rows",
            lambda *a: _loop(*a, measure=lambda z: np.sqrt((z**2).mean())),
        ),
        Mistake(
            "each unit is divided by its own difference; the whole matrix should be divided by one number",
            lambda *a: _loop(*a, measure=lambda z: z.std(axis=0)),
        ),
        Mistake(
            "the standard deviations were averaged; average the variances, then take the root",
            lambda *a: _loop(*a, measure=lambda z: z.std(axis=0).mean()),
        ),
        Mistake(
            "divided by the variance; divide by its root",
            lambda *a: _loop(*a, measure=lambda z: z.var(axis=0).mean()),
        ),
        Mistake(
            "this variance divides by n - 1; divide by n, as z.var(axis=0) does",
            lambda *a: _loop(*a, measure=lambda z: np.sqrt(z.var(axis=0, ddof=1).mean())),
        ),
        Mistake(
            "the first matrix is right, but the next layer was measured on the old signal",
            lambda *a: _loop(*a, pass_on=False),
            2,
        ),
        Mistake(
            "measured after the activation; measure the scores before it", lambda *a: _loop(*a, after=True), 3
        ),
        Mistake("this is Glorot's rule; here the spread is measured on x", _glorot_sized),
    ],
    concepts=["initialization", "random-init"],
)


# ------------------------------------------------------------------------------------------ 07.residual
@cache
def _twenty_blocks() -> str:
    """Run three such nets and look."""
    draw = np.random.default_rng(20)
    sizes = []
    for _ in range(3):
        x = draw.normal(size=(50, 256))
        for _ in range(20):
            x = x + np.maximum(x, 0) @ draw.normal(0, sqrt(2 / 256), (256, 256))
        sizes.append(np.sqrt((x**2).mean()))
    options = {"a": 1.0, "b": 4.5, "c": 1e3, "d": 1e6}
    return min(options, key=lambda letter: abs(log(options[letter] / np.median(sizes))))


residual = Choice(
    "07.residual",
    options=("a", "b", "c", "d"),
    truth=_twenty_blocks,
    wrong="three such nets, run just now, say otherwise",
    right="three such nets, run just now, say so too",
    concepts=["random-init"],
)


# -------------------------------------------------------------------------------------------- 07.energy
def _all_hidden_states(v, W, b, c):
    """The sum over every hidden state, by the definition of the energy."""
    states = np.array(list(product([0.0, 1.0], repeat=len(c))))  # (2^k, k)
    energy = [[((row - b) ** 2).sum() / 2 - c @ h - row @ W @ h for h in states] for row in v]
    return -logsumexp(-np.array(energy), axis=1)


def _softplus(z):
    return np.logaddexp(0, z)


def _case(n, d, k, size=1.0):
    return rng.normal(size=(n, d)), size * rng.normal(size=(d, k)), rng.normal(size=d), rng.normal(size=k)


energy = Function(
    "07.energy",
    cases=[
        Case("5 rows, 4 visible, 3 hidden", _case(5, 4, 3)),
        Case("more hidden than visible", _case(6, 2, 8)),
        Case("one row, one of each", _case(1, 1, 1)),
        Case(
            "scores of 1,000 and -1,000",
            (np.array([[1.0], [-1.0]]), np.array([[1000.0, -1000.0, 3.0]]), np.zeros(1), np.zeros(3)),
        ),
        Case("no weights", (rng.normal(size=(3, 4)), np.zeros((4, 2)), np.ones(4), np.zeros(2))),
        Case(
            "rows at b",
            (np.tile([1.0, -2.0], (3, 1)), rng.normal(size=(2, 2)), np.array([1.0, -2.0]), np.ones(2)),
        ),
    ],
    oracle=_all_hidden_states,
    mistakes=[
        Mistake(
            "this is the lecture's free energy of visible bits; here the visible part is half the squared "
            "distance from b",
            lambda v, W, b, c: -v @ b - _softplus(v @ W + c).sum(1),
        ),
        Mistake(
            "the half before the squared distance is missing",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) - _softplus(v @ W + c).sum(1),
        ),
        Mistake(
            "the quadratic part has the wrong sign: far from b means improbable, a high free energy",
            lambda v, W, b, c: -((v - b) ** 2).sum(1) / 2 - _softplus(v @ W + c).sum(1),
        ),
        Mistake(
            "the hidden part has the wrong sign",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 + _softplus(v @ W + c).sum(1),
            2,
        ),
        Mistake(
            "the hidden part is averaged over the units; it is a sum",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - _softplus(v @ W + c).mean(1),
            2,
        ),
        Mistake(
            "the hidden biases c are missing",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - _softplus(v @ W).sum(1),
            2,
        ),
        Mistake(
            "this is the energy of the best hidden state; the free energy sums over all of them",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - np.maximum(v @ W + c, 0).sum(1),
            1,
        ),
        Mistake(
            "this is the energy at the hidden probabilities; the free energy sums over hidden states",
            lambda v, W, b, c: ((v - b) ** 2).sum(1) / 2 - ((v @ W + c) * expit(v @ W + c)).sum(1),
            1,
        ),
    ],
    overflow_hint=3,
    concepts=["rbm"],
)


# --------------------------------------------------------------------------------------------- 07.chain
def _probability(v, W, c):
    """p(h = 1 | v) by the energies of the unit's two states, row by row."""
    return np.array(
        [[1 / (1 + exp(-float(row @ unit) - bias)) for unit, bias in zip(W.T, c, strict=True)] for row in v]
    )


def _like_chain(v, chain, W, b, c, generator):
    return np.zeros(W.shape), object()  # bits may be floats, integers or booleans: the rules see to it


def _halves(v, new, W, c):
    """Both halves of the gradient, each a mean of outer products over its rows."""
    return [
        sum(np.outer(row, h) for row, h in zip(rows, _probability(rows, W, c), strict=True)) / len(rows)
        for rows in (v, new)
    ]


def _close(a, b):
    return np.allclose(a, b, rtol=1e-6, atol=1e-9)


def _data_minus_model(out, v, chain, W, b, c, _):
    data, model = _halves(v, out[1], W, c)
    return _close(out[0], data - model)


def _sign(out, v, chain, W, b, c, _):
    data, model = _halves(v, out[1], W, c)
    return _close(data, model) or not _close(out[0], model - data)


def _own_number(out, v, chain, W, b, c, _):
    data, model = _halves(v, out[1], W, c)
    n, m = len(v), len(chain)
    slips = (data - model * m / n, data * n / m - model, n * data - m * model)
    return _close(out[0], data - model) or not any(_close(out[0], slip) for slip in slips)


def _after_the_step(out, v, chain, W, b, c, _):
    data, model = _halves(v, out[1], W, c)
    before = _halves(v, chain, W, c)[1]
    return _close(out[0], data - model) or not _close(out[0], data - before)


def _products(chain, W, b, c):
    """The exact mean of each product of two new bits, (m d, m d), and of each bit on the diagonal.

    Bits of one chain share its hidden state; bits of different chains have nothing in common.
    """
    states = np.array(list(product([0.0, 1.0], repeat=len(c))))
    p = _probability(chain, W, c)[:, None]  # (m, 1, k)
    share = (p * states + (1 - p) * (1 - states)).prod(2)  # (m, 2^k): how probable each hidden state is
    down = _probability(states, W.T, b)  # (2^k, d)
    mean = (share @ down).ravel()
    exact, d = np.outer(mean, mean), W.shape[0]
    for i, weight in enumerate(share):
        exact[i * d : (i + 1) * d, i * d : (i + 1) * d] = (weight[:, None] * down).T @ down
    np.fill_diagonal(exact, mean)
    return exact


def _right_steps(results, v, chain, W, b, c, _):
    """In 400 draws each bit and each product of two bits has its exact mean: none is five standard errors
    off, and the mean squared one is not far above 1."""
    new = np.array([result[1].ravel() for result in results], dtype=float)  # (400, m d)
    exact = _products(chain, W, b, c)
    error = np.sqrt(exact * (1 - exact) / len(new)) + 1e-3
    off = (new.T @ new / len(new) - exact)[np.triu_indices(len(exact))] / error[np.triu_indices(len(exact))]
    return np.abs(off).max() < 5 and np.mean(off**2) < 1.45


def _bits(*shape):
    return rng.integers(0, 2, shape).astype(float)


def _chain_case(n, m, d, k, seed):
    args = _bits(n, d), _bits(m, d), 2 * rng.normal(size=(d, k)), rng.normal(size=d), rng.normal(size=k)
    return (*args, np.random.default_rng(seed))


def _open_case():
    """Nearly fair coins, and hidden bits that move the visible ones: too few coins, or shared ones, show."""
    v, chain, W, _, _, generator = _chain_case(6, 12, 5, 3, 1)
    return v, chain, W, 0.3 - W.sum(axis=1) / 2, -chain.mean(axis=0) @ W, generator


chain = Function(
    "07.chain",
    cases=[
        Case("6 rows, 12 chains", _open_case()),
        Case("as many chains as rows", _chain_case(5, 5, 4, 3, 2)),
        Case("one row, ten chains", _chain_case(1, 10, 3, 4, 3)),
        Case("one of each", _chain_case(1, 1, 1, 1, 4)),
        Case("grey data, 20 chains", (rng.random((7, 4)), *_chain_case(1, 20, 4, 2, 5)[1:])),
    ],
    like=_like_chain,
    rules=[
        Rule("the new chain should be an array of the shape of `chain`",
             lambda out, v, chain, *_: isinstance(out[1], np.ndarray) and out[1].shape == chain.shape),
        Rule("the new chain should hold bits, 0 and 1: toss coins on the way down too",
             lambda out, *_: set(np.unique(out[1])) <= {0.0, 1.0}),
        Rule("the gradient has its sign turned: the data's half comes first", _sign, 2),
        Rule("each half is a mean over its own rows: divide by n and by m", _own_number, 2),
        Rule("the gradient uses the chain as it was before the step", _after_the_step, 3),
        Rule("the gradient is not the data's half minus that of the chain you return, both with hidden "
             "probabilities", _data_minus_model, 2),
    ],
    draws=True,
    trials=Rule(
        "in 400 draws the new chains are not where one step from `chain`, with coins up and down, takes them",
        _right_steps,
        1,
    ),
    concepts=["rbm"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 07.layers
def _whitener(rows):
    """Removes the mean, divides by the spread, bends: what it does depends on the rows it was fitted on."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 0.5
    return lambda new: np.tanh((new - mean) / spread)


def _directions(rows):
    """Turns to the rows' own axes, strongest first, and weakens each by a different factor."""
    mean = rows.mean(axis=0)
    strength, axes = np.linalg.eigh(np.cov(rows.T) + np.eye(rows.shape[1]))
    axes = axes * np.sign(axes.sum(axis=0))
    return lambda new: (new - mean) @ axes / np.sqrt(strength)


def _nearest(rows):
    """Distances to the first rows that it was fitted on, as many as there are columns."""
    places = rows[: rows.shape[1]].copy()
    return lambda new: np.sqrt(((new[:, None] - places) ** 2).sum(axis=2))


def _composed(train, new, fit, depth):
    """All encoders first, each fitted on `train` sent through the ones before; then applied in order."""
    encoders = []
    for _ in range(depth):
        rows = train
        for encode in encoders:
            rows = encode(rows)
        encoders.append(fit(rows))
    for encode in encoders:
        new = encode(new)
    return new


def _stuck(train, new, fit, depth):
    for _ in range(depth):
        new = fit(train)(new)
    return new


def _fitted_on_new(train, new, fit, depth):
    for _ in range(depth):
        new = fit(new)(new)
    return new


def _fitted_on_both(train, new, fit, depth):
    for _ in range(depth):
        encode = fit(np.concatenate([train, new]))
        train, new = encode(train), encode(new)
    return new


def _layers_case(n, m, d):
    return rng.normal(size=(n, d)) * np.arange(1, d + 1) + 1, rng.normal(size=(m, d)) * 2


layers = Function(
    "07.layers",
    cases=[
        Case("three layers of equal width", (*_layers_case(20, 7, 4), _whitener, 3)),
        Case("two layers that turn the axes", (*_layers_case(15, 6, 3), _directions, 2)),
        Case("distances to learned places, four layers", (*_layers_case(9, 4, 3), _nearest, 4)),
        Case("one layer", (*_layers_case(8, 5, 3), _whitener, 1)),
        Case("a single new row", (*_layers_case(8, 1, 3), _whitener, 2)),
        Case("no layer at all", (*_layers_case(6, 4, 3), _whitener, 0)),
    ],
    oracle=_composed,
    bug=_stuck,
    mistakes=[
        Mistake("every layer is fitted on the new rows; train is what you may learn from", _fitted_on_new, 2),
        Mistake(
            "the layers are fitted on train and new together; learn from train alone", _fitted_on_both, 2
        ),
        Mistake("the first two layers are right, the later ones are fitted on the second's input",
                lambda train, new, fit, depth: _two_then_stuck(train, new, fit, depth), 1),
    ],
    concepts=["layer-wise", "dbn"],
)  # fmt: skip


def _two_then_stuck(train, new, fit, depth):
    for layer in range(depth):
        encode = fit(train)
        new = encode(new)
        train = encode(train) if layer == 0 else train
    return new


# ------------------------------------------------------------------------------------------- 07.control
def _same_numbers(out, matrices, _):
    return all(
        np.array_equal(np.sort(new, None), np.sort(W, None)) for new, W in zip(out, matrices, strict=True)
    )


def _columns(W):
    return {tuple(column) for column in np.asarray(W).T}


def _not_renamed(out, matrices, _):
    """Unless all is as before: a set of whole columns that have changed places."""
    return not any(
        _columns(new) == _columns(W) and not np.array_equal(new, W)
        for new, W in zip(out, matrices, strict=True)
        if W.shape[0] > 1 and W.shape[1] > 1
    )


def _own_weights(out, matrices, _):
    return all(
        np.array_equal(np.sort(new, axis=0), np.sort(W, axis=0)) for new, W in zip(out, matrices, strict=True)
    )


def _moved(out, matrices, _):
    """Matrices so large that chance leaves none of them as it was."""
    return not any(np.array_equal(new, W) for new, W in zip(out, matrices, strict=True) if W.size > 20)


def _own_orders(out, matrices, _):
    return not any(
        _columns(new.T) == _columns(W.T)
        for new, W in zip(out, matrices, strict=True)
        if W.size > 20 and W.shape[1] > 1
    )


def _places(new, W):
    """Where each weight of `W` now stands in its column: (d, k), for columns of distinct numbers."""
    return new.argsort(axis=0)[W.argsort(axis=0).argsort(axis=0), np.arange(W.shape[1])]


def _fair_orders(results, matrices, _):
    """In 400 draws any two weights stand at any two places as often as independent fair orders put them."""
    places = np.hstack(
        [
            np.array([_places(out[i], W) for out in results]).reshape(len(results), -1)
            for i, W in enumerate(matrices)
        ]
    )  # (400, weights)
    units = [(i, j) for i, W in enumerate(matrices) for _ in W for j in range(W.shape[1])]
    depth = [len(matrices[i]) for i, _ in units]
    worst = 0.0
    for a in range(len(units)):
        for b in range(a):
            own = units[a] == units[b]
            p = 1 / (depth[a] * (depth[b] - own))
            table = np.zeros((depth[a], depth[b]))
            np.add.at(table, (places[:, a], places[:, b]), 1 / len(results))
            off = np.abs(table - p)[~np.eye(depth[a], dtype=bool)] if own else np.abs(table - p)
            worst = max(worst, off.max() / sqrt(p * (1 - p) / len(results)))
    return worst < 5.5


control = Function(
    "07.control",
    cases=[
        Case("two small matrices", (_matrices(4, 3, 2), np.random.default_rng(1))),
        Case("three layers", (_matrices(12, 9, 8, 7), np.random.default_rng(2))),
        Case("one unit", (_matrices(30, 1), np.random.default_rng(3))),
        Case("one input", (_matrices(1, 6), np.random.default_rng(4))),
        Case("units of very different scales",
             (tuple(W * 10.0 ** np.arange(6) for W in _matrices(11, 6)), np.random.default_rng(5))),
    ],
    like=lambda matrices, _: tuple(np.zeros(W.shape) for W in matrices),
    rules=[
        Rule("these are not the weights of before: move them, and change or draw none", _same_numbers, 1),
        Rule("whole units have changed places: that only gives them other names", _not_renamed, 2),
        Rule("weights have moved from one unit to another, so a unit's scale has changed: shuffle within "
             "each column", _own_weights, 1),
        Rule("a matrix is as it was: its knowledge is all there", _moved, 1),
        Rule("all units of a layer were shuffled in the same order: the angles between them, W.T @ W, are as "
             "before, and so is much of the knowledge", _own_orders, 2),
    ],
    draws=True,
    trials=Rule(
        "in 400 draws some orders come too often, or the orders of two units go together: each unit of each "
        "matrix needs a fair order of its own",
        _fair_orders,
        2,
    ),
    fresh=True,
    concepts=["pre-training", "fine-tuning"],
)  # fmt: skip


# ----------------------------------------------------------------------------------------------- 07.ctr
FEW = 4000


@cache
def _new_site():
    """The two hidden logs, seen from a site that opens: the others' past, its first rows, its future."""
    cases = []
    for case in hidden_ad_logs():
        (past, hidden), (future,) = case.args, case.known
        new, later = past.features["site"] == 0, future.features["site"] == 0
        cases.append(
            Case(f"{case.label}, site 0", (past[~new], past[new][:FEW], hidden[later]), (future[later],))
        )
    return cases


def _share(p, past, few, hidden, future):
    return 100 * future.share_of_gap(p)


ctr = Function(
    "07.ctr",
    cases=_new_site,
    like=lambda past, few, future: np.full(len(future), 0.5),
    rules=[
        Rule("a probability left (0, 1)", lambda p, *_: np.all((p > 0) & (p < 1)), 2),
        Rule(
            "the mean prediction is far from the new site's click rate",
            lambda p, past, few, hidden, future: 0.6 < p.mean() / few.click.mean() < 1.6,
            2,
        ),
        Rule("less than a tenth of the gap is closed", lambda *a: _share(*a) > 10, 1),
        Rule("a part of the gap is closed, but less than the 27 % asked for", lambda *a: _share(*a) >= 27, 3),
    ],
    seconds=60,
    concepts=["fine-tuning", "pre-training"],
)

TASKS = [rescale, residual, energy, chain, layers, control, ctr]
