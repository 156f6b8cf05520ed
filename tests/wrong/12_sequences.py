"""Wrong answers to lecture 12's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch
from scipy.special import expit
from scipy.special import softmax as scipy_softmax
from torch import nn


# --------------------------------------------------------------------------------------------- coupled
def coupled(x, h, c, W, U, b, cell=lambda f, g, c: f * c + (1 - f) * np.tanh(g), sigmoid=expit, show=np.tanh):
    f, g, o = np.split(x @ W + h @ U + b, 3, axis=1)
    c_new = cell(sigmoid(f), g, c)
    return sigmoid(o) * show(c_new), c_new


def the_lectures_lstm(x, h, c, W, U, b):
    i, f, g, o = np.split(x @ W + h @ U + b, 4, axis=1)
    c = expit(f) * c + expit(i) * np.tanh(g)
    return expit(o) * np.tanh(c), c


def overflowing(z):
    with np.errstate(all="ignore"):
        return np.exp(z) / (1 + np.exp(z))


def old_cell_shown(x, h, c, W, U, b):
    _, new_c = coupled(x, h, c, W, U, b)
    o = (x @ W + h @ U + b)[:, 2 * h.shape[1] :]
    return expit(o) * np.tanh(c), new_c


def other_blocks(x, h, c, W, U, b):
    f, o, g = np.split(x @ W + h @ U + b, 3, axis=1)
    c = expit(f) * c + (1 - expit(f)) * np.tanh(g)
    return expit(o) * np.tanh(c), c


def in_place(x, h, c, W, U, b):
    new_h, new_c = coupled(x, h, c, W, U, b)
    c[:] = new_c
    return new_h, c


def one_by_one(x, h, c, W, U, b):
    """Each entry by itself, with Python's numbers."""
    H = h.shape[1]
    new_h, new_c = np.empty_like(h), np.empty_like(c)
    for row in range(len(x)):
        for k in range(H):
            f, g, o = (x[row] @ W[:, k + s * H] + h[row] @ U[:, k + s * H] + b[k + s * H] for s in range(3))
            candidate = np.tanh(g)
            new_c[row, k] = candidate + expit(f) * (c[row, k] - candidate)
            new_h[row, k] = np.tanh(new_c[row, k]) / (1 + np.exp(-max(o, -700.0)))
    return new_h, new_c


def by_gru(x, h, c, W, U, b):
    """A convex sum is what torch.lerp does."""
    z = torch.tensor(x) @ torch.tensor(W) + torch.tensor(h) @ torch.tensor(U) + torch.tensor(b)
    f, g, o = z.chunk(3, dim=1)
    c_new = torch.lerp(g.tanh(), torch.tensor(c), f.sigmoid())
    return (o.sigmoid() * c_new.tanh()).numpy(), c_new.numpy()


# ----------------------------------------------------------------------------------------------- leaks
def leaks(xs, W, U, b, a, g, straight=True, factor=None, squared="tanh", at=0, carry=True, only_last=False):
    hs, s = [np.zeros_like(g[0])], []
    for x in xs:
        s.append(np.tanh(x @ W + hs[-1] @ U + b))
        hs.append((1 - a) * hs[-1] + a * s[-1])
    dU, dxs, later = np.zeros_like(U), np.zeros_like(xs), np.zeros_like(g[0])
    for t in range(len(xs) - 1, -1, -1):
        dh = (0 if only_last and t < len(xs) - 1 else g[t]) + (later if carry else 0)
        slope = 1 - (s[t] if squared == "tanh" else hs[t + 1]) ** 2
        dz = (a if factor is None else factor) * dh * slope
        dU += hs[t + at].T @ dz
        dxs[t] = dz @ W.T
        later = dz @ U.T + (1 - a) * dh * straight
    return dU, dxs


def the_lectures_walk(xs, W, U, b, a, g):
    """through_time of the lecture, on its own states: the gradient of another net."""
    hs, h = [], np.zeros_like(g[0])
    for x in xs:
        h = np.tanh(x @ W + h @ U + b)
        hs.append(h)
    dU, dxs, later = np.zeros_like(U), np.zeros_like(xs), np.zeros_like(h)
    for t in reversed(range(len(xs))):
        delta = (g[t] + later) * (1 - hs[t] ** 2)
        dU += (hs[t - 1] if t > 0 else np.zeros_like(h)).T @ delta
        dxs[t] = delta @ W.T
        later = delta @ U.T
    return dU, dxs


def wraps_around(xs, W, U, b, a, g):
    """hs[t - 1] at t = 0 is the last state, by Python's indices."""
    dU, dxs = leaks(xs, W, U, b, a, g)
    hs, h = [], np.zeros_like(g[0])
    for x in xs:
        h = (1 - a) * h + a * np.tanh(x @ W + h @ U + b)
        hs.append(h)
    return dU + hs[-1].T @ (dxs[0] @ np.linalg.pinv(W.T)), dxs


def by_tape(xs, W, U, b, a, g):
    xs_, U_ = torch.tensor(xs, requires_grad=True), torch.tensor(U, requires_grad=True)
    h, hs = torch.zeros(g[0].shape, dtype=torch.float64), []
    for x in xs_:
        h = torch.lerp(h, torch.tanh(x @ torch.tensor(W) + h @ U_ + torch.tensor(b)), a)
        hs.append(h)
    torch.stack(hs).backward(torch.tensor(g))
    return U_.grad.numpy(), xs_.grad.numpy()


def forward_mode(xs, W, U, b, a, g):
    """dU carried forward with the state, entry by entry: real-time recurrent learning."""
    H = len(U)
    h, dU = np.zeros_like(g[0]), np.zeros_like(U)
    carried = np.zeros((H, H, *h.shape))  # how each entry of U has moved the state
    for x, weight in zip(xs, g, strict=True):
        s = np.tanh(x @ W + h @ U + b)
        moved = np.einsum("ijbk,kl->ijbl", carried, U)
        for i, j in np.ndindex(H, H):
            moved[i, j, :, j] += h[:, i]
        carried = (1 - a) * carried + a * moved * (1 - s**2)
        h = (1 - a) * h + a * s
        dU += np.einsum("ijbk,bk->ij", carried, weight)
    return dU, leaks(xs, W, U, b, a, g)[1]


# --------------------------------------------------------------------------------------------- padding
def loop(h, lengths, first=0, extra=0, divide=None):
    out = np.zeros(h.shape[1:])
    for i, n in enumerate(lengths):
        part = h[first : max(n + extra, 0), i]
        if len(part):
            out[i] = part.sum(axis=0) / (divide or len(part))
    return out


def masked_product(h, lengths):
    real = np.arange(len(h))[:, None] < lengths
    return (h * real[:, :, None]).sum(axis=0) / np.maximum(lengths, 1)[:, None]


def nan_mean(h, lengths):
    """Right but for a sentence of length 0, where the mean of nothing is nan."""
    real = np.arange(len(h))[:, None] < lengths
    with np.errstate(all="ignore"):
        return np.where(real[:, :, None], h, 0).sum(axis=0) / lengths[:, None]


def padding_overwritten(h, lengths):
    h[np.arange(len(h))[:, None] >= lengths] = 0
    return h.sum(axis=0) / np.maximum(lengths, 1)[:, None]


def last_state(h, lengths):
    return np.where(lengths[:, None] > 0, h[lengths - 1, np.arange(len(lengths))], 0)


def by_running_sums(h, lengths):
    sums = np.concatenate([np.zeros((1, *h.shape[1:])), np.nancumsum(h, axis=0)])
    return sums[lengths, np.arange(len(lengths))] / np.where(lengths == 0, 1, lengths)[:, None]


# --------------------------------------------------------------------------------------------- nucleus
def nucleus(z, temperature, top, before=True, heat=True, scale=True, place=True, after=False,
            kind="stable"):  # fmt: skip
    p = scipy_softmax(z / temperature if heat and not after else z)
    order = np.argsort(-p, kind=kind)
    total = np.cumsum(p[order])
    count = len(p) if top == 1 else max(int((total < top).sum()) + before, 1)
    if after:
        p = scipy_softmax(z / temperature)
    out = np.zeros_like(p)
    out[order[:count] if place else np.arange(count)] = p[order[:count]]
    return out / out.sum() if scale else out


def first_above(z, temperature, top):
    """argmax finds no sum that reaches 1, and answers 0."""
    p = scipy_softmax(z / temperature)
    order = np.argsort(-p, kind="stable")
    keep = order[: np.argmax(np.cumsum(p[order]) >= top + 1e-9 * (top == 1)) + 1]
    out = np.zeros_like(p)
    out[keep] = p[keep] / p[keep].sum()
    return out


def likely_enough(z, temperature, top):
    p = scipy_softmax(z / temperature)
    p = np.where(p >= 1 - top, p, 0)
    return p / p.sum() if p.sum() else p


def no_shift(z, temperature, top):
    with np.errstate(all="ignore"):
        p = np.exp(z / temperature) / np.exp(z / temperature).sum()
        order = np.argsort(-p, kind="stable")
        keep = order[np.cumsum(p[order]) - p[order] < top]
        out = np.zeros_like(p)
        out[keep] = p[keep] / p[keep].sum()
    return out


def unsorted_sum(z, temperature, top):
    p = scipy_softmax(z / temperature)
    order, before = np.argsort(-p, kind="stable"), np.cumsum(p) - p
    keep = order[(before < top) | (top == 1)]
    out = np.zeros_like(p)
    out[keep] = p[keep] / p[keep].sum()
    return out


def reached_is_not_enough(z, temperature, top):
    p = scipy_softmax(z / temperature)
    order = np.argsort(-p, kind="stable")
    keep = order[np.cumsum(p[order]) - p[order] <= top]
    out = np.zeros_like(p)
    out[keep] = p[keep] / p[keep].sum()
    return out


def sum_of_all_but_rounding(z, temperature, top):
    """Symbols whose sum before them has reached 1 are cut, also for top = 1."""
    p = scipy_softmax(z / temperature)
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    keep = order[before < top] if top < 1 else order[before < 1]
    out = np.zeros_like(p)
    out[keep] = p[keep] / p[keep].sum()
    return out


def ties_backward(z, temperature, top):
    return nucleus(z[::-1], temperature, top)[::-1]


def the_lectures_temperature(z, temperature, top):
    return torch.softmax(torch.tensor(z) / temperature, dim=-1)


def by_torch(z, temperature, top):
    p = torch.softmax(torch.tensor(z) / temperature, dim=0)
    ordered, order = torch.sort(p, descending=True, stable=True)
    cut = torch.roll(ordered.cumsum(0), 1) >= top
    cut[0] = False
    if top == 1:
        cut[:] = False
    return torch.zeros_like(p).scatter(0, order, ordered.masked_fill(cut, 0) / ordered[~cut].sum()).numpy()


def largest_first(z, temperature, top):
    """Take the largest that is left until there is enough."""
    p = scipy_softmax(z / temperature)
    left, out = p.copy(), np.zeros_like(p)
    while left.max() > 0 and (out.sum() < top or top == 1):
        i = left.argmax()
        out[i], left[i] = p[i], 0
    return out / out.sum()


# ------------------------------------------------------------------------------------------------- gru
def gru(hidden, longest, rng, block=1, sign=1, draw=None):
    bias = np.zeros(3 * hidden)
    spans = rng.uniform(1, longest - 1, hidden) if draw is None else draw(hidden, longest, rng)
    bias[block * hidden : (block + 1) * hidden] = sign * np.log(spans)
    return bias


def the_lectures_chrono(hidden, longest, rng):
    """f and i of the LSTM's first two blocks."""
    bias = gru(hidden, longest, rng)
    bias[:hidden] = -bias[hidden : 2 * hidden]
    return bias


def three_columns(hidden, longest, rng):
    return np.log(rng.uniform([1, 1, 1], [1 + 1e-15, longest - 1, 1 + 1e-15], (hidden, 3))).T.ravel() * (
        np.repeat([0, 1, 0], hidden)
    )


# --------------------------------------------------------------------------------------------- consent
class Net(nn.Module):
    def __init__(self, cell, H=24, reset=0.0):
        super().__init__()
        self.table, self.net, self.head = nn.Embedding(10, 16), cell(16, H), nn.Linear(H, 1)
        if reset:
            nn.init.constant_(self.net.bias_ih_l0[H : 2 * H].detach(), reset)

    def forward(self, x):
        h, _ = self.net(self.table(x))
        return self.head(h)[..., 0]


def padded(visits):
    return nn.utils.rnn.pad_sequence([torch.as_tensor(v) + 1 for v in visits])


def learned(visits, ended, pick="last", cell=nn.LSTM, epochs=10, reset=1.0):
    torch.manual_seed(1)
    net, y = Net(cell, reset=reset), torch.as_tensor(ended).float()
    descent = torch.optim.Adam(net.parameters(), 0.01)
    x, lengths = padded(visits), torch.tensor([len(v) for v in visits])
    for _ in range(epochs):
        for rows in torch.randperm(len(y)).split(64):
            z = net(x[:, rows])
            if pick == "last":
                loss = nn.functional.binary_cross_entropy_with_logits(
                    z[lengths[rows] - 1, torch.arange(len(rows))], y[rows]
                )
            else:
                real = torch.arange(len(x))[:, None] < lengths[rows]
                loss = nn.functional.binary_cross_entropy_with_logits(z[real], y[rows].expand_as(z)[real])
            descent.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            descent.step()
    return net


def answers(net, new):
    """Probabilities after each event: a list of arrays."""
    with torch.no_grad():
        p = torch.sigmoid(net(padded(new))).numpy()
    return [p[: len(v), i] for i, v in enumerate(new)]


def consent(visits, ended, new, **options):
    return np.concatenate(answers(learned(visits, ended, **options), new))


def ends_only(visits, ended, new):
    """The lecture's classifier: one answer a visit."""
    return np.array([a[-1] if len(a) else 0.5 for a in answers(learned(visits, ended), new)])


def padding_kept(visits, ended, new):
    net = learned(visits, ended)
    with torch.no_grad():
        return torch.sigmoid(net(padded(new))).T.flatten().numpy()


def time_first(visits, ended, new):
    """The first events of all visits, then the second ones, and so on."""
    net, x = learned(visits, ended), padded(new)
    with torch.no_grad():
        return torch.sigmoid(net(x))[x > 0].numpy()


def a_list(visits, ended, new):
    return answers(learned(visits, ended), new)


def final_answer_everywhere(visits, ended, new):
    every = answers(learned(visits, ended), new)
    return np.concatenate([np.full(len(a), a[-1] if len(a) else 0.5) for a in every])


def share_of_ends(visits, ended, new):
    return np.full(sum(map(len, new)), np.mean(ended))


def logits(visits, ended, new):
    p = consent(visits, ended, new) * 0.999 + 0.0005
    return np.log(p / (1 - p))


def counts(visits, ended, new):
    """A bag of events, up to each event."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(np.stack([np.bincount(v, minlength=9) for v in visits]), ended)
    return model.predict_proba(np.concatenate([np.eye(9)[v].cumsum(axis=0) for v in new]))[:, 1]


def forgets_every_thirty(visits, ended, new):
    """Runs the net on pieces of thirty events, each from a fresh state."""
    pieces = [v[i : i + 30] for v in new for i in range(0, len(v), 30)]
    return np.concatenate(answers(learned(visits, ended), pieces))


def by_search(visits, ended, new):
    """No net: try all pairs of events, keep the pair that explains the ends, run the latch."""

    def latch(visit, give, take):
        level = np.where(visit == give, 1.0, np.where(visit == take, -1.0, 0.0))
        at = np.maximum.accumulate(np.where(level != 0, np.arange(len(visit)), -1))
        return np.where(at >= 0, level[at] > 0, False).astype(float) if len(visit) else np.zeros(0)

    pairs = [(give, take) for give in range(9) for take in range(9) if give != take]
    ends = {pair: np.mean([latch(v, *pair)[-1] == e for v, e in zip(visits, ended, strict=True)])
            for pair in pairs}  # fmt: skip
    best = max(ends, key=ends.get)
    return np.concatenate([0.01 + 0.98 * latch(v, *best) for v in new])


WRONG = {
    "12.coupled": {
        "the lecture's": (the_lectures_lstm, "your code stops"),
        "swapped": (
            lambda *a: coupled(*a, cell=lambda f, g, c: (1 - f) * c + f * np.tanh(g)),
            "f is what is kept",
        ),
        "added whole": (lambda *a: coupled(*a, cell=lambda f, g, c: f * c + np.tanh(g)), "comes in whole"),
        "raw candidate": (lambda *a: coupled(*a, cell=lambda f, g, c: f * c + (1 - f) * g), "through tanh"),
        "sigmoid candidate": (
            lambda *a: coupled(*a, cell=lambda f, g, c: f * c + (1 - f) * expit(g)),
            "wrong values",
        ),
        "cell shown raw": (lambda *a: coupled(*a, show=lambda c: c), "tanh of the new cell"),
        "old cell shown": (old_cell_shown, "compute c first"),
        "other blocks": (other_blocks, "another order"),
        "overflow": (lambda *a: coupled(*a, sigmoid=overflowing), "nan"),
        "in place": (in_place, "changes its input"),
        "h only": (lambda *a: coupled(*a)[0], "expected 2 results"),
        "c first": (lambda *a: coupled(*a)[::-1], "wrong values"),
        "no state": (
            lambda x, h, c, W, U, b: coupled(x, np.zeros_like(h), c, W, U, b),
            "old state h is not read",
        ),
    },
    "12.leaks": {
        "the lecture's": (the_lectures_walk, "plain RNN"),
        "no straight path": (lambda *a: leaks(*a, straight=False), "straight path"),
        "factor forgotten": (lambda *a: leaks(*a, factor=1), "scaled by a"),
        "slope of the state": (lambda *a: leaks(*a, squared="state"), "squared the state"),
        "state after": (lambda *a: leaks(*a, at=1), "before the step"),
        "nothing carried": (lambda *a: leaks(*a, carry=False), "later steps"),
        "last g only": (lambda *a: leaks(*a, only_last=True), "only the last step"),
        "wraps around": (wraps_around, "wrong values"),
        "U transposed": (lambda *a: (leaks(*a)[0].T, leaks(*a)[1]), "wrong values"),
        "mean over the batch": (
            lambda *a: (leaks(*a)[0] / a[0].shape[1], leaks(*a)[1]),
            "wrong values",
        ),
        "one result": (lambda *a: leaks(*a)[0], "expected 2 results"),
    },
    "12.padding": {
        "one too many": (
            lambda h, n: loop(h, np.minimum(n, len(h) - 1), extra=1),
            "one step of padding",
        ),
        "one missing": (lambda h, n: loop(h, n, extra=-1), "last real step is missing"),
        "divided by T": (lambda h, n: loop(h, n, divide=len(h)), "divided by T"),
        "sum": (lambda h, n: loop(h, n, divide=1), "not the mean"),
        "last state": (last_state, "last real state"),
        "mask times h": (masked_product, "contains nan"),
        "mean of nothing": (nan_mean, "contains nan"),
        "padding overwritten": (padding_overwritten, "changes its input"),
        "first step skipped": (lambda h, n: loop(h, n, first=1), "wrong values"),
        "last column": (lambda h, n: h[-1], "contains nan for padding of nan"),
    },
    "12.bias": {
        "the folk advice": ("a", "next to nothing"),
        "twenty steps": ("b", "next to nothing"),
        "locked open": ("d", "no gradient can move"),
        "the number": (6, "answer with one of"),
    },
    "12.nucleus": {
        "the lecture's": (the_lectures_temperature, "nothing is cut off"),
        "not scaled": (lambda *a: nucleus(*a, scale=False), "do not sum to one"),
        "one too few": (lambda *a: nucleus(*a, before=False), "at least top"),
        "cut before heat": (lambda *a: nucleus(*a, after=True), "before the temperature"),
        "no heat": (lambda *a: nucleus(*a, heat=False), "no effect"),
        "inverse heat": (lambda z, t, top: nucleus(z, 1 / t, top), "not multiplied"),
        "sorted": (lambda *a: nucleus(*a, place=False), "in its place"),
        "no cut": (lambda z, t, top: scipy_softmax(z / t), "nothing is cut"),
        "greedy": (lambda z, t, top: np.eye(len(z))[np.argmax(z)], "only the likeliest"),
        "argmax of nothing": (first_above, "every symbol stays possible"),
        "a threshold": (likely_enough, "wrong values for a small top"),
        "overflow": (no_shift, "contains nan"),
        "ties backward": (ties_backward, "wrong values for a tie"),
        "any of a tie": (lambda *a: nucleus(*a, kind=None), "wrong values for sixty symbols"),
        "sum over the unsorted": (unsorted_sum, "wrong values"),
        "one too many": (reached_is_not_enough, "wrong values for a tie whose half"),
        "top = 1 by its sum": (sum_of_all_but_rounding, "the rarest too"),
    },
    "12.gru": {
        "the lecture's": (the_lectures_chrono, "second, may differ"),
        "the paper's sign": (lambda *a: gru(*a, sign=-1), "z = 1 keeps"),
        "reset gate": (lambda *a: gru(*a, block=0), "second, may differ"),
        "last block": (lambda *a: gru(*a, block=2), "second, may differ"),
        "uniform logarithm": (
            lambda *a: gru(*a, draw=lambda h, n, rng: np.exp(rng.uniform(0, np.log(n - 1), h))),
            "logarithm is uniform",
        ),
        "spans, not logarithms": (
            lambda *a: gru(*a, draw=lambda h, n, rng: np.exp(rng.uniform(1, n - 1, h))),
            "from 1 to longest",
        ),
        "one for all": (
            lambda *a: gru(*a, draw=lambda h, n, rng: np.full(h, rng.uniform(1, n - 1))),
            "its own draw",
        ),
        "from zero": (
            lambda *a: gru(*a, draw=lambda h, n, rng: rng.uniform(0.001, n - 1, h)),
            "from 1 to longest",
        ),
        "up to longest": (
            lambda *a: gru(*a, draw=lambda h, n, rng: rng.uniform(1, n, h)),
            "from 1 to longest",
        ),
        "only the short half": (
            lambda *a: gru(*a, draw=lambda h, n, rng: rng.uniform(1, n / 2, h)),
            "not spread evenly",
        ),
        "a grid": (
            lambda *a: gru(*a, draw=lambda h, n, rng: np.linspace(1, n - 1, h)),
            "draw from the argument",
        ),
        "own generator": (lambda h, n, rng: gru(h, n, np.random.default_rng()), "each time"),
        "one gate only": (lambda h, n, rng: gru(h, n, rng)[h : 2 * h], "shape"),
        "a few spans for many": (
            lambda *a: gru(*a, draw=lambda h, n, rng: np.resize(rng.uniform(1, n - 1, h // 2 + 1), h)),
            "its own draw",
        ),
    },
    "12.consent": {
        "the lecture's": (ends_only, "should have shape"),
        "padding kept": (padding_kept, "should have shape"),
        "a list": (a_list, "should be a NumPy array"),
        "time first": (time_first, "changes with what comes later"),
        "the end everywhere": (final_answer_everywhere, "changes with what comes later"),
        "share of ends": (share_of_ends, "fewer than 97 %"),
        "bag of events": (counts, "fewer than 97 %"),
        "no consent": (lambda *a: 1 - consent(*a), "no consent"),
        "both directions": (
            lambda *a: consent(*a, cell=lambda d, H: nn.LSTM(d, H // 2, bidirectional=True), reset=0),
            "changes with what comes later",
        ),
        "forgets every thirty": (forgets_every_thirty, "memory does not last"),
        "logits": (logits, "not probabilities"),
        "trained for no time": (lambda *a: consent(*a, epochs=0), "fewer than 97 %"),
    },
}

RIGHT = {
    "12.coupled": {"one by one": one_by_one, "lerp": by_gru},
    "12.leaks": {"by tape": by_tape, "forward mode": forward_mode},
    "12.padding": {"running sums": by_running_sums, "loop": loop},
    "12.bias": {"c": "c", "C.": "C."},
    "12.nucleus": {"torch": by_torch, "largest first": largest_first},
    "12.gru": {
        "one by one": gru,
        "three columns": three_columns,
        "single precision": lambda *a: gru(*a).astype(np.float32),
    },
    "12.consent": {
        "by search": by_search,
        "a GRU": lambda *a: consent(*a, cell=nn.GRU),
        "every step has the end's label": lambda *a: consent(*a, pick="all"),
    },
}
