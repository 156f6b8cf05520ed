"""The tasks of lecture 12."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(12)


def _sigmoid(z):
    return 0.5 * (1 + np.tanh(np.asarray(z) / 2))


# ------------------------------------------------------------------------------------------- 12.coupled
def _cell(B, d, H, scale=1.0):
    """Arguments of one step."""
    shapes = [(B, d), (B, H), (B, H), (d, 3 * H), (H, 3 * H), (3 * H,)]
    return tuple(scale * rng.normal(size=shape) for shape in shapes)


def _saturated():
    """Scores of -1000, 0 and 1000 in the three blocks, in all combinations, through the bias alone."""
    b = np.array(np.meshgrid(*[[-1000.0, 0.0, 1000.0]] * 3)).reshape(3, -1)  # (3, 27)
    H = b.shape[1]
    return (np.ones((2, 1)), np.zeros((2, H)), rng.normal(size=(2, H)), np.zeros((1, 3 * H)),
            np.zeros((H, 3 * H)), b.reshape(-1))  # fmt: skip


def _by_lstm_cell(x, h, c, W, U, b):
    """torch's cell: an input gate with the forget gate's weights, negated, is 1 - f."""
    import torch

    H = h.shape[1]

    def blocks(w):
        f, g, o = w[..., :H], w[..., H : 2 * H], w[..., 2 * H :]
        return torch.tensor(np.concatenate([-f, f, g, o], axis=-1).T)

    cell = torch.nn.LSTMCell(x.shape[1], H).double()
    with torch.no_grad():
        cell.weight_ih.copy_(blocks(W))
        cell.weight_hh.copy_(blocks(U))
        cell.bias_ih.copy_(blocks(b))
        cell.bias_hh.zero_()
        new_h, new_c = cell(torch.tensor(x), (torch.tensor(h), torch.tensor(c)))
    return new_h.numpy(), new_c.numpy()


def _coupled_with(new_cell, shown=np.tanh, order=(0, 1, 2)):
    """The step with another line for the cell, or other blocks."""

    def step(x, h, c, W, U, b):
        parts = np.split(x @ W + h @ U + b, 3, axis=1)
        f, g, o = (parts[i] for i in order)
        c_new = new_cell(_sigmoid(f), np.tanh(g), c, g)
        return _sigmoid(o) * shown(c_new), c_new

    return step


def _old_cell_shown(x, h, c, W, U, b):
    o = (x @ W + h @ U + b)[:, 2 * h.shape[1] :]
    return _sigmoid(o) * np.tanh(c), _by_lstm_cell(x, h, c, W, U, b)[1]


def _without_memory(x, h, c, W, U, b):
    return _by_lstm_cell(x, np.zeros_like(h), c, W, U, b)


coupled = Function(
    "12.coupled",
    cases=[
        Case("a batch of five", _cell(5, 3, 4)),
        Case("one sequence, one unit", _cell(1, 2, 1)),
        Case("a cell far from zero", _cell(3, 2, 6, scale=3.0)),
        Case("scores of ±1000", _saturated()),
    ],
    oracle=_by_lstm_cell,
    mistakes=[
        Mistake(
            "f and 1 − f have changed places: f is what is kept",
            _coupled_with(lambda f, g, c, _: (1 - f) * c + f * g),
            2,
        ),
        Mistake(
            "the candidate comes in whole; its weight is 1 − f",
            _coupled_with(lambda f, g, c, _: f * c + g),
            2,
        ),
        Mistake(
            "the candidate goes through tanh before it is taken in",
            _coupled_with(lambda f, g, c, raw: f * c + (1 - f) * raw),
            2,
        ),
        Mistake(
            "h is o times the tanh of the new cell",
            _coupled_with(lambda f, g, c, _: f * c + (1 - f) * g, shown=lambda c: c),
        ),
        Mistake("h shows the old cell; compute c first", _old_cell_shown),
        Mistake(
            "the blocks are in another order: forget, candidate, output",
            _coupled_with(lambda f, g, c, _: f * c + (1 - f) * g, order=(0, 2, 1)),
            1,
        ),
        Mistake("the old state h is not read: x @ W + h @ U + b", _without_memory),
    ],
    overflow_hint=3,
    concepts=["lstm"],
)


# --------------------------------------------------------------------------------------------- 12.leaks
def _leaky(T, B, d, H, a, scale=0.5, last_only=False):
    g = rng.normal(size=(T, B, H))
    if last_only:
        g[:-1] = 0
    return (rng.normal(size=(T, B, d)), scale * rng.normal(size=(d, H)), scale * rng.normal(size=(H, H)),
            rng.normal(size=H), a, g)  # fmt: skip


def _by_tape(xs, W, U, b, a, g):
    import torch

    xs, W, U, b, g = (torch.tensor(array) for array in (xs, W, U, b, g))
    xs.requires_grad_()
    U.requires_grad_()
    h, loss = torch.zeros_like(g[0]), 0.0
    for x, weight in zip(xs, g, strict=True):
        h = (1 - a) * h + a * torch.tanh(x @ W + h @ U + b)
        loss = loss + (h * weight).sum()
    dU, dxs = torch.autograd.grad(loss, [U, xs], allow_unused=True)
    return (torch.zeros_like(U) if dU is None else dU).numpy(), dxs.numpy()


def _leaks_with(straight=True, factor=True, slope_of_state=False, all_steps=True, carried=True, late=False):
    """The walk back with one thing left out."""

    def through(xs, W, U, b, a, g):
        hs, tanhs = [np.zeros_like(g[0])], []
        for x in xs:
            tanhs.append(np.tanh(x @ W + hs[-1] @ U + b))
            hs.append((1 - a) * hs[-1] + a * tanhs[-1])
        dU, dxs, later = np.zeros_like(U), np.zeros_like(xs), np.zeros_like(g[0])
        for t in reversed(range(len(xs))):
            direct = g[t] if all_steps or t == len(xs) - 1 else 0
            dh = direct + (later if carried else 0)
            s = hs[t + 1] if slope_of_state else tanhs[t]
            dz = (a if factor else 1) * dh * (1 - s**2)
            dU += hs[t + late].T @ dz
            dxs[t] = dz @ W.T
            later = dz @ U.T + ((1 - a) * dh if straight else 0)
        return dU, dxs

    return through


def _as_if_no_leak(xs, W, U, b, a, g):
    """The lecture's gradient: of the plain RNN."""
    return _by_tape(xs, W, U, b, 1.0, g)


leaks = Function(
    "12.leaks",
    cases=[
        Case("six steps", _leaky(6, 4, 3, 5, 0.3)),
        Case("a = 1, the plain RNN", _leaky(5, 2, 3, 4, 1.0)),
        Case("a single step", _leaky(1, 3, 2, 4, 0.5)),
        Case("forty steps, a = 0.02, loss at the end only", _leaky(40, 2, 2, 3, 0.02, last_only=True)),
        Case("saturated units", _leaky(8, 2, 2, 3, 0.6, scale=6.0)),
    ],
    oracle=_by_tape,
    mistakes=[
        Mistake("this is the gradient of the plain RNN: the state also goes on by 1 − a", _as_if_no_leak, 1),
        Mistake(
            "the straight path sends nothing back: add (1 − a) · dh to what goes to the step before",
            _leaks_with(straight=False),
            1,
        ),
        Mistake("the tanh is scaled by a, and so is its gradient", _leaks_with(factor=False), 2),
        Mistake(
            "the slope of tanh is 1 − s² with s the tanh; you squared the state h",
            _leaks_with(slope_of_state=True),
            2,
        ),
        Mistake("only the last step's gradient is used; each step has one", _leaks_with(all_steps=False)),
        Mistake("nothing goes back from later steps", _leaks_with(carried=False), 1),
        Mistake("for U the state before the step counts, not the one after it", _leaks_with(late=True), 3),
    ],
    concepts=["rnn"],
)


# ------------------------------------------------------------------------------------------- 12.padding
def _states(T, B, H, padding=None):
    h, lengths = rng.normal(size=(T, B, H)), rng.integers(1, T + 1, B)
    lengths[0] = T
    if padding is not None:
        h[np.arange(T)[:, None] >= lengths] = padding
    return h, lengths


def _mean_by_loop(h, lengths):
    means = np.zeros(h.shape[1:])
    for i, length in enumerate(lengths):
        if length:
            means[i] = h[:length, i].mean(axis=0)
    return means


def _short(h, lengths, by=1):
    """The mean over too many steps, or too few."""
    return _mean_by_loop(h, np.clip(lengths + by, 0, len(h)))


def _divided_by_all(h, lengths):
    return _mean_by_loop(h, lengths) * (lengths / len(h))[:, None]


def _sums(h, lengths):
    return _mean_by_loop(h, lengths) * lengths[:, None]


def _last_states(h, lengths):
    return np.stack([h[n - 1, i] if n else np.zeros(h.shape[2]) for i, n in enumerate(lengths)])


padding = Function(
    "12.padding",
    cases=[
        Case("sentences of several lengths", _states(7, 5, 3)),
        Case("padding of 1000", _states(6, 4, 2, padding=1000.0)),
        Case("a sentence of length 0", (rng.normal(size=(4, 3, 2)), np.array([0, 4, 1]))),
        Case("padding of nan", _states(6, 4, 2, padding=np.nan)),
        Case("no padding at all", (rng.normal(size=(5, 2, 3)), np.array([5, 5]))),
    ],
    oracle=_mean_by_loop,
    mistakes=[
        Mistake("the sum is over real steps, but it is divided by T", _divided_by_all, 3),
        Mistake("one step of padding is in the mean: real steps are 0 … length − 1", _short, 1),
        Mistake("the last real step is missing", lambda h, n: _short(h, n, by=-1), 1),
        Mistake("this is the sum, not the mean", _sums, 3),
        Mistake("this is the last real state; the mean of all real ones is wanted", _last_states),
    ],
    bug=lambda h, lengths: h.mean(axis=0),
    overflow_hint=2,
    concepts=["rnn"],
)


# ---------------------------------------------------------------------------------------------- 12.bias
def _best_bias():
    """Run torch's cell for 500 steps with each bias: a fair share is left, and the gate has a slope."""
    import torch

    cell, good = torch.nn.LSTMCell(1, 1).double(), []
    for letter, bias in {"a": 1.0, "b": 3.0, "c": 6.0, "d": 50.0}.items():
        gate = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
        torch.sigmoid(gate).backward()
        with torch.no_grad():
            for p in cell.parameters():
                p.zero_()
            cell.bias_ih[1] = bias
            state = (torch.zeros(1, 1).double(), torch.ones(1, 1).double())
            for _ in range(500):
                state = cell(torch.zeros(1, 1).double(), state)
        if state[1].item() > 0.2 and gate.grad.item() > 1e-4:
            good.append(letter)
    (letter,) = good
    return letter


bias = Choice(
    "12.bias",
    options=["a", "b", "c", "d"],
    truth=_best_bias,
    wrong="with that bias next to nothing is left after 500 steps, or no gradient can move the gate any more",
    right="e⁶ is about 400 steps, and the gate still has a slope",
    concepts=["lstm"],
)


# ------------------------------------------------------------------------------------------- 12.nucleus
def _nucleus_by_loop(z, temperature, top):
    """One symbol after the other, the likeliest first."""
    from scipy.special import softmax

    p = softmax(np.asarray(z) / temperature)
    kept, total = [], 0.0
    for symbol in sorted(range(len(p)), key=lambda i: (-p[i], i)):
        if top < 1 and total >= top:
            break
        kept.append(symbol)
        total += p[symbol]
    out = np.zeros(len(p))
    out[kept] = p[kept] / p[kept].sum()
    return out


def _nucleus_with(cut, after=None, scaled=True):
    def nucleus(z, temperature, top):
        from scipy.special import softmax

        p = softmax(z / (1 if after else temperature))
        order = np.argsort(-p, kind="stable")
        keep = order[cut(p[order], np.cumsum(p[order]), top)]
        if after:
            p = softmax(z / temperature)
        out = np.zeros_like(p)
        out[keep] = p[keep]
        return out / (out.sum() if scaled else 1)

    return nucleus


def _before(p, total, top):
    return (total - p < top) | (top == 1)


def _one_too_few(z, temperature, top):
    def cut(p, total, top):
        return (total < top) | (np.arange(len(p)) == 0) | (top == 1)

    return _nucleus_with(cut)(z, temperature, top)


def _upside_down(z, temperature, top):
    return _nucleus_by_loop(z, 1 / temperature, top)


def _sorted(z, temperature, top):
    return -np.sort(-_nucleus_by_loop(z, temperature, top))


def _never_reaches_one():
    """Logits whose running sum ends below 1 by rounding."""
    for seed in range(1000):
        z = np.random.default_rng(seed).normal(size=50)
        p = np.exp(z - z.max())
        p /= p.sum()
        if np.cumsum(-np.sort(-p))[-1] < 1:
            return z
    raise AssertionError("no such logits found")


nucleus = Function(
    "12.nucleus",
    cases=lambda: [
        Case("five symbols, top = 0.7", (np.log([0.1, 0.4, 0.05, 0.25, 0.2]), 1.0, 0.7)),
        Case("temperature 2", (np.array([3.0, 0.0, 1.0, -2.0, 2.0, 0.5]), 2.0, 0.8)),
        Case("temperature 0.1", (np.array([1.0, 1.2, 0.8, 1.1]), 0.1, 0.95)),
        Case("a tie of four", (np.zeros(4), 1.0, 0.6)),
        Case("top = 1", (_never_reaches_one(), 1.5, 1.0)),
        Case("a small top", (np.array([0.0, 0.5, 0.2]), 1.0, 0.01)),
        Case("logits of 1000", (np.array([1000.0, 999.0, -1000.0]), 1.0, 0.9)),
        Case("eight symbols, top = 0.6", (np.random.default_rng(1).normal(size=8), 1.0, 0.6)),
        Case("a tie whose half is exactly top", (np.zeros(4), 1.0, 0.5)),
        Case("top = 1, symbols as rare as e⁻⁶⁰", (np.array([0.0, -50.0, -60.0]), 1.0, 1.0)),
        Case("sixty symbols of three kinds", (np.log(np.tile([1.0, 2.0, 4.0], 20)), 1.0, 0.75)),
    ],
    oracle=_nucleus_by_loop,
    rules=[
        Rule(
            "with top = 1 every symbol stays possible, the rarest too",
            lambda out, z, temperature, top: top < 1 or (np.asarray(out) > 0).all(),
            3,
        )
    ],
    mistakes=[
        Mistake("the probabilities that are left do not sum to one", _nucleus_with(_before, scaled=False), 1),
        Mistake(
            "the symbol that takes the sum to top is missing; the sum must be at least top",
            _one_too_few,
            3,
        ),
        Mistake("the nucleus was chosen before the temperature acted", _nucleus_with(_before, after=True), 1),
        Mistake("the logits are divided by the temperature, not multiplied", _upside_down, 1),
        Mistake("the temperature has no effect", lambda z, t, top: _nucleus_by_loop(z, 1.0, top), 1),
        Mistake("the result is sorted; each symbol must stay in its place", _sorted, 2),
        Mistake("nothing is cut off", lambda z, t, top: _nucleus_by_loop(z, t, 1.0), 2),
        Mistake("only the likeliest symbol is kept", lambda z, t, top: _nucleus_by_loop(z, t, 0.0001), 2),
    ],
    concepts=["rnn"],
)


# ----------------------------------------------------------------------------------------------- 12.gru
def _spans(out, hidden):
    return np.exp(np.asarray(out)[hidden : 2 * hidden])


def _within(out, hidden, longest, _):
    spans = _spans(out, hidden)  # to single precision
    return (spans >= 1 - 1e-5).all() and (spans <= (longest - 1) * (1 + 1e-5)).all()


def _even_spans(out, hidden, longest, _):
    """Deciles of the spans lie where those of a uniform distribution do, give or take five deviations."""
    if hidden < 1000:
        return True
    wanted = np.linspace(0.1, 0.9, 9)
    measured = (np.quantile(_spans(out, hidden), wanted) - 1) / (longest - 2)
    return np.abs(measured - wanted).max() < 5 * 0.5 / np.sqrt(hidden)


def _logs_even(out, hidden, longest, _):
    """False if it is the logarithm that is uniform."""
    if hidden < 1000:
        return True
    logs = np.log(_spans(out, hidden)) / np.log(longest - 1)
    return np.abs(np.quantile(logs, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() > 0.04


def _all_differ(out, hidden, longest, _):
    return len(np.unique(_spans(out, hidden))) > 0.99 * hidden  # single precision may round two to one


gru = Function(
    "12.gru",
    cases=[
        Case("3,000 units, lags up to 100", (3000, 100, np.random.default_rng(1))),
        Case("24 units, lags up to 30", (24, 30, np.random.default_rng(2))),
        Case("one unit", (1, 500, np.random.default_rng(3))),
        Case("lags up to 3", (2000, 3, np.random.default_rng(4))),
    ],
    like=lambda hidden, longest, generator: np.zeros(3 * hidden),
    rules=[
        Rule(
            "only the update gate's block, the second, may differ from zero",
            lambda out, hidden, *_: not (np.any(out[:hidden]) or np.any(out[2 * hidden :])),
            1,
        ),
        Rule(
            "the sign is wrong: in nn.GRU z = 1 keeps, so a long span is a large positive bias",
            lambda out, hidden, *_: not (out[hidden : 2 * hidden] < -1e-9).all(),
            1,
        ),
        Rule("a unit's span, exp(bias), is not from 1 to longest − 1", _within, 2),
        Rule("units share a span; each needs its own draw", _all_differ, 2),
        Rule("the logarithm is uniform; the span itself should be", _logs_even, 2),
        Rule("the spans are not spread evenly from 1 to longest − 1", _even_spans, 2),
    ],
    draws=True,
    concepts=["rnn", "lstm"],
)


# ------------------------------------------------------------------------------------------- 12.consent
def _visits(n, shortest, longest, give, take, generator):
    """Visits, and for each the truth after every event."""
    p = np.full(9, 0.88 / 7)
    p[[give, take]] = 0.06
    visits = [generator.choice(9, size=k, p=p) for k in generator.integers(shortest, longest + 1, n)]
    truths = []
    for visit in visits:
        state, after = False, []
        for event in visit:
            state = event == give or (state and event != take)
            after.append(state)
        truths.append(np.array(after, dtype=bool))
    return visits, truths


@cache
def _logs():
    """Two logs with other events. New visits 1, 3, … 15 are the first halves of 0, 2, … 14; 16 is empty."""
    cases = []
    for seed, (give, take) in {5: (0, 6), 6: (8, 3)}.items():
        generator = np.random.default_rng(seed)
        visits, truths = _visits(1500, 1, 30, give, take, generator)
        ended = np.array([after[-1] for after in truths])
        new, after = _visits(150, 80, 200, give, take, generator)
        for i in range(0, 16, 2):
            half = len(new[i]) // 2
            new[i + 1], after[i + 1] = new[i][:half], after[i][:half]
        new[16], after[16] = new[16][:0], after[16][:0]
        cases.append(Case(f"log {seed}", (visits, ended, new), known=(after,)))
    return cases


def _cut(out, new):
    """The answers of each visit."""
    return np.split(np.asarray(out), np.cumsum([len(v) for v in new])[:-1])


def _right(out, new, after, part=slice(None)):
    said = np.concatenate([p[part] > 0.5 for p in _cut(out, new)])
    return np.mean(said == np.concatenate([t[part] for t in after]))


def _as_before(out, visits, ended, new, _):
    """What is said of half a visit is what was said when the rest was there."""
    parts = _cut(out, new)
    return all(np.allclose(parts[i + 1], parts[i][: len(parts[i + 1])], atol=1e-3) for i in range(0, 16, 2))


consent = Function(
    "12.consent",
    cases=_logs,
    like=lambda visits, ended, new: np.full(sum(len(v) for v in new), 0.5),
    rules=[
        Rule(
            "these are not probabilities: a value is not from 0 to 1",
            lambda out, *_: (out >= 0).all() and (out <= 1).all(),
            2,
        ),
        Rule(
            "nearly all answers are on the wrong side: is this the probability of no consent?",
            lambda out, visits, ended, new, after: _right(out, new, after) > 0.1,
            2,
        ),
        Rule("what was said early in a visit changes with what comes later", _as_before, 2),
        Rule(
            "in the first twenty events of a visit, fewer than 97 % of the answers are right",
            lambda out, visits, ended, new, after: _right(out, new, after, slice(0, 20)) >= 0.97,
            1,
        ),
        Rule(
            "late in long visits fewer than 97 % of the answers are right: the memory does not last",
            lambda out, visits, ended, new, after: _right(out, new, after, slice(60, None)) >= 0.97,
            3,
        ),
    ],
    concepts=["lstm"],
)

TASKS = [coupled, leaks, padding, bias, nucleus, gru, consent]
