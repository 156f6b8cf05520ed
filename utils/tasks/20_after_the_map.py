"""The tasks of lecture 20."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake

rng = np.random.default_rng(19)


# -------------------------------------------------------------------------------------------- 20.mask
def _texts(lengths, T, scale=1.0, padding=None):
    """Scores of texts that are padded on the left; `padding` stands where padding asks or is asked."""
    scores = scale * rng.normal(size=(len(lengths), T, T))
    if padding is not None:
        for b, n in enumerate(lengths):
            scores[b, :, : T - n] = scores[b, : T - n] = padding
    return scores, np.array(lengths)


def _seen_row_by_row(causal=True, own=True, left=True, padded=True, empty=0.0):
    """A loop over rows, with scipy's softmax. `empty`: what a row that sees nothing sums to."""

    def weights(scores, lengths):
        from scipy.special import softmax

        B, T, _ = scores.shape
        out = np.zeros((B, T, T))
        for b in range(B):
            first, last = (T - lengths[b], T) if left else (0, lengths[b])
            for t in range(T):
                low, high = (first, last) if padded else (0, T)
                columns = [j for j in range(low, high) if not causal or j < t + own]
                if columns:
                    hidden = np.setdiff1d(range(T), columns)
                    row = scores[b, t].copy()
                    row[hidden] = -np.inf
                    out[b, t] = softmax(row)
                else:
                    out[b, t] = empty / T
        return out

    return weights


mask = Function(
    "20.mask",
    cases=[
        Case("texts of 5, 3 and 1", _texts([5, 3, 1], 5)),
        Case("a text of length 0", _texts([0, 4], 4)),
        Case("no padding at all", _texts([6], 6)),
        Case("one column", _texts([1, 0], 1)),
        Case("scores of ±1000", _texts([4, 2, 3], 4, scale=1000.0)),
        Case("padding that is nan", _texts([3, 0, 5], 5, padding=np.nan)),
        Case("padding far above the real scores", _texts([3, 1], 5, padding=1e300)),
        Case("scores of just 0", (np.array([[[0.0, 2, 1], [1, 0, 2], [0, -1, 0]]]), np.array([3]))),
    ],
    oracle=_seen_row_by_row(),
    mistakes=[
        Mistake(
            "a row that sees nothing gets even weights; it should get zeros",
            _seen_row_by_row(empty=1.0),
            3,
        ),
        Mistake("a row may see its own column: j ≤ t, not j < t", _seen_row_by_row(own=False), 1),
        Mistake("the padding is on the left: the last columns are real", _seen_row_by_row(left=False), 1),
        Mistake("rows see columns that come after them", _seen_row_by_row(causal=False), 1),
        Mistake("the padding is seen", _seen_row_by_row(padded=False), 1),
    ],
    overflow_hint=2,
    concepts=["attention"],
)


# -------------------------------------------------------------------------------------------- 20.leak
def _window_by_loop(first=0, extra=0, ahead=0):
    """Row t sees t - (window - 1) - extra … t + ahead - first, one by one."""

    def seen(T, window):
        out = np.zeros((T, T), dtype=bool)
        for t in range(T):
            for j in range(max(0, t - window + 1 - extra), min(T, t + ahead - first + 1)):
                out[t, j] = True
        return out

    return seen


leak = Function(
    "20.leak",
    cases=[
        Case("T = 6, window = 3", (6, 3)),
        Case("window = 1: itself only", (5, 1)),
        Case("a window longer than the text", (4, 9)),
        Case("a window as long as the text", (5, 5)),
        Case("a single position", (1, 1)),
        Case("T = 12, window = 7", (12, 7)),
    ],
    oracle=_window_by_loop(),
    bug=_window_by_loop(extra=1, ahead=1),
    mistakes=[
        Mistake("the future is shut now, but the window is one too long", _window_by_loop(extra=1), 2),
        Mistake("the next position is still seen", _window_by_loop(ahead=1), 1),
        Mistake("a position sees itself too", _window_by_loop(first=1), 1),
        Mistake("the window is one too short: it counts the position itself", _window_by_loop(extra=-1), 2),
        Mistake("there is no window: all of the past is seen", lambda T, _: _window_by_loop()(T, T), 2),
        Mistake("rows and columns are swapped: row t looks", lambda *a: _window_by_loop()(*a).T),
    ],
    concepts=["attention"],
)


# ------------------------------------------------------------------------------------------- 20.cache
def _token(B, t, C, heads, scale=1.0):
    x, K, V = rng.normal(size=(B, C)), rng.normal(size=(B, t, C)), rng.normal(size=(B, t, C))
    Wq, Wk, Wv = scale * rng.normal(size=(3, C, C)) / np.sqrt(C)
    return x, K, V, Wq, Wk, Wv, heads


def _by_torch(scale=None, blocks=True, newest=True, first=False, values="v", shifted=False):
    """torch's own attention, one query over the cache; the arguments are the usual mistakes."""

    def step(x, K, V, Wq, Wk, Wv, heads):
        import torch

        k, v = (x @ Wk)[:, None], (x @ (Wv if values == "v" else Wk))[:, None]
        joined = [(k, K), (v, V)] if first else [(K, k), (V, v)]
        K, V = (np.concatenate(pair, axis=1) for pair in joined)

        def cut(a):  # (B, t, C) -> (B, heads, t, C / heads)
            B, t = a.shape[:2]
            a = torch.tensor(a)
            if blocks:
                return a.view(B, t, heads, -1).transpose(1, 2)
            return a.view(B, t, -1, heads).permute(0, 3, 1, 2)

        end = None if newest else -1
        C = x.shape[1]
        out = torch.nn.functional.scaled_dot_product_attention(
            cut((x @ Wq)[:, None]), cut(K[:, :end]), cut(V[:, :end]), scale=scale and scale(C, heads)
        )
        out = out[:, :, 0] if blocks else out[:, :, 0].transpose(1, 2)
        return out.reshape(x.shape).numpy(), K, V

    return step


cached = Function(
    "20.cache",
    cases=[
        Case("five earlier tokens, two heads", _token(3, 5, 8, 2)),
        Case("an empty cache", _token(2, 0, 6, 3)),
        Case("one head", _token(2, 4, 4, 1)),
        Case("as many heads as columns", _token(2, 3, 5, 5)),
        Case("scores in the thousands", _token(2, 6, 8, 4, scale=60.0)),
        Case(
            "the first token of a single text, scores far below 0",
            (
                np.array([[1.0, 2.0]]),
                *np.zeros((2, 1, 0, 2)),
                40 * np.eye(2),
                -40 * np.eye(2),
                np.ones((2, 2)),
                2,
            ),
        ),
    ],
    oracle=_by_torch(),
    mistakes=[
        Mistake("the scale belongs to the head: √(C / heads)", _by_torch(scale=lambda C, h: C**-0.5), 2),
        Mistake("the scores are not divided by √d", _by_torch(scale=lambda C, h: 1.0), 2),
        Mistake("the new token does not see itself", _by_torch(newest=False), 1),
        Mistake("the new key and value come last in the cache, not first", _by_torch(first=True), 1),
        Mistake("the columns are dealt out one by one; each head owns a block", _by_torch(blocks=False), 2),
        Mistake("the new value is made with the key's matrix", _by_torch(values="k")),
    ],
    concepts=["attention"],
)


# -------------------------------------------------------------------------------------------- 20.lora
@cache
def _best_start():
    """Which start leaves the model as it was and still gives a gradient."""
    import torch

    x, W, target = (torch.tensor(rng.normal(size=shape)) for shape in [(20, 6), (6, 6), (20, 6)])
    small = [torch.tensor(0.1 * rng.normal(size=shape)) for shape in [(6, 2), (2, 6)]]
    for option, (a, b) in {"a": (0, 0), "b": (1, 1), "c": (1, 0)}.items():
        A, B = (s.requires_grad_() for s in ((a * small[0]).detach(), (b * small[1]).detach()))
        gradients = torch.autograd.grad((x @ (W + A @ B) - target).square().mean(), [A, B])
        if (A @ B).abs().max() == 0 and max(g.abs().max() for g in gradients) > 0:
            return option
    raise AssertionError("one of the three must do")


lora = Choice(
    "20.lora",
    options=["a", "b", "c"],
    truth=_best_start,
    wrong="the model is changed at once, or it can never change: look at AB and at the gradients",
    concepts=["attention"],
    right="unchanged at the start, and the zero factor has a gradient",
)


# -------------------------------------------------------------------------------------------- 20.back
def _noisy(n, d, t, share):
    share = np.array(share)
    x = rng.normal(size=(n, d))
    return np.sqrt(share[t]) * x + np.sqrt(1 - share[t]) * rng.normal(size=(n, d)), x, t, share


def _by_joint(z, x, t, share):
    """From the joint normal distribution of the two neighbours, given x: regress one on the other."""
    keep = share[t] / share[t - 1]
    variance, noisier = 1 - share[t - 1], 1 - share[t]
    covariance = np.sqrt(keep) * variance
    mean = np.sqrt(share[t - 1]) * x + covariance / noisier * (z - np.sqrt(share[t]) * x)
    return mean, float(variance - covariance**2 / noisier)


def _with(change):
    """The right result, changed by change(mean, variance, z, x, t, share)."""
    return lambda *args: change(*_by_joint(*args), *args)


def _weights_swapped(z, x, t, share):
    keep = share[t] / share[t - 1]
    of_z, of_x = np.sqrt(keep) * (1 - share[t - 1]), np.sqrt(share[t - 1]) * (1 - keep)
    return (of_z * x + of_x * z) / (1 - share[t]), _by_joint(z, x, t, share)[1]


back = Function(
    "20.back",
    cases=[
        Case("a step in the middle", _noisy(6, 3, 2, [1.0, 0.9, 0.7, 0.4, 0.1])),
        Case("t = 1, the last step of all", _noisy(4, 2, 1, [1.0, 0.8, 0.5])),
        Case("nearly pure noise", _noisy(3, 5, 4, [1.0, 0.6, 0.2, 0.02, 1e-4])),
        Case("one row, one number", _noisy(1, 1, 3, [1.0, 0.99, 0.98, 0.5])),
    ],
    oracle=_by_joint,
    mistakes=[
        Mistake(
            "the variance is that of the step forward, 1 − α; knowing x makes it smaller",
            _with(lambda m, v, z, x, t, s: (m, 1 - s[t] / s[t - 1])),
            2,
        ),
        Mistake(
            "the second result is a standard deviation; the variance is asked",
            _with(lambda m, v, *_: (m, v**0.5)),
        ),
        Mistake(
            "this is where x would be after t − 1 steps; it does not use z",
            _with(lambda m, v, z, x, t, s: (np.sqrt(s[t - 1]) * x, v)),
            1,
        ),
        Mistake(
            "z is undone as if there were no x: z / √α is one of two facts",
            _with(lambda m, v, z, x, t, s: (z / np.sqrt(s[t] / s[t - 1]), v)),
            2,
        ),
        Mistake("the weights of z and x are swapped", _weights_swapped, 2),
    ],
    overflow_hint=3,
    concepts=["diffusion"],
)


# ------------------------------------------------------------------------------------------- 20.guide
def _guess(n, d, w, now, then, spread=1.0):
    told, free = rng.normal(size=(2, n, d))
    x = rng.uniform(-1, 1, size=(n, d))
    z = np.sqrt(now) * x + np.sqrt(1 - now) * (free + spread * rng.normal(size=(n, d)))
    return z, told, free, w, now, then


def _number_by_number(mix=None, limit=1.0, again=True, roots=True, fresh=None):
    """A loop over all numbers, with the standard library's math; the arguments are the usual mistakes."""
    import math

    mix = mix or (lambda told, free, w: (1 - w) * free + w * told)

    def step(z, told, free, w, now, then):
        out = np.empty_like(z)
        root = math.sqrt if roots else float
        for place in np.ndindex(z.shape):
            noise = mix(told[place], free[place], w)
            x = (z[place] - root(1 - now) * noise) / root(now)
            x = max(-limit, min(limit, x))
            if again:
                noise = (z[place] - root(now) * x) / root(1 - now)
            out[place] = root(then) * x + root(1 - then) * noise
        return out

    return step


def _noise_cut(z, told, free, w, now, then):
    noise = np.clip(free + w * (told - free), -1, 1)
    x = (z - np.sqrt(1 - now) * noise) / np.sqrt(now)
    return np.sqrt(then) * x + np.sqrt(1 - then) * noise


guide = Function(
    "20.guide",
    cases=[
        Case("w = 1: what was asked for, no more", _guess(5, 3, 1.0, 0.5, 0.7)),
        Case("w = 0: free", _guess(4, 3, 0.0, 0.4, 0.6)),
        Case("w = 3, and much to cut off", _guess(6, 4, 3.0, 0.3, 0.5)),
        Case("w = 1.5, the last step: then = 1", _guess(3, 2, 1.5, 0.9, 1.0)),
        Case("nearly pure noise", _guess(3, 5, 7.5, 1e-4, 0.01)),
        Case(
            "one row, one number, nothing to cut off",
            (
                np.array([[0.31]]),
                np.array([[0.2]]),
                np.array([[0.1]]),
                2.0,
                0.64,
                0.81,
            ),
        ),
    ],
    oracle=_number_by_number(),
    mistakes=[
        Mistake(
            "w is counted from `told` on; w = 1 should give `told` alone",
            _number_by_number(mix=lambda told, free, w: told + w * (told - free)),
            1,
        ),
        Mistake(
            "`told` and `free` are swapped: w = 0 should give `free`",
            _number_by_number(mix=lambda told, free, w: told + w * (free - told)),
            1,
        ),
        Mistake(
            "w leads away from `told`",
            _number_by_number(mix=lambda told, free, w: free - w * (told - free)),
            1,
        ),
        Mistake("x is not cut off at −1 and 1", _number_by_number(limit=np.inf)),
        Mistake(
            "the noise is still the one before x was cut off; take the one that goes with x",
            _number_by_number(again=False),
            2,
        ),
        Mistake("the noise is cut off; the guess of the data should be", _noise_cut, 2),
        Mistake("the shares are of the variance: take their square roots", _number_by_number(roots=False)),
    ],
    concepts=["diffusion"],
)


# ------------------------------------------------------------------------------------------ 20.clicks
def _users(lengths, T, d, base=0.04, trust=1.0, scale=1.0, padding=np.nan):
    B = len(lengths)
    ads, clicks = scale * rng.normal(size=(B, T, d)), (rng.random((B, T)) < 0.4).astype(float)
    for b, n in enumerate(lengths):
        ads[b, n:], clicks[b, n:] = padding, padding
    return ads, clicks, np.array(lengths), rng.normal(size=(B, d)), base, trust


def _user_by_user(root=True, sink=True, scaled_trust=False, padded=False, even=False, empty=None):
    """One user at a time, with scipy's softmax."""

    def rates(ads, clicks, lengths, candidate, base, trust):
        from scipy.special import softmax

        B, T, d = ads.shape
        out = np.zeros(B)
        for b in range(B):
            n = T if padded else lengths[b]
            scores = [a @ candidate[b] / (np.sqrt(d) if root else 1) for a in ads[b, :n]]
            values = list(clicks[b, :n])
            if even:
                scores = [0.0 for _ in scores]
            if sink or not scores:
                scores.append(trust / np.sqrt(d) if scaled_trust else trust)
                values.append(base if empty is None else empty)
            out[b] = softmax(scores) @ np.array(values)
        return out

    return rates


clicks = Function(
    "20.clicks",
    cases=[
        Case("users with 5, 2 and 0 past ads", _users([5, 2, 0], 5, 4)),
        Case("a zero as padding", _users([3, 1, 4], 6, 3, padding=0.0)),
        Case("no trust in the base rate", _users([4, 0], 4, 2, trust=-1000.0)),
        Case("scores in the thousands", _users([4, 3, 1], 4, 4, scale=2000.0)),
        Case("full histories", _users([3, 3], 3, 5, base=0.5, trust=0.0)),
        Case("all users new", _users([0, 0], 2, 3, base=0.07)),
        Case(
            "a single user, scores of 1000 and 2000",
            (
                np.array([[[1000.0] * 4, [500.0] * 4, [np.nan] * 4]]),
                np.array([[1.0, 0.0, np.nan]]),
                np.array([2]),
                np.ones((1, 4)),
                0.04,
                1.0,
            ),
        ),
    ],
    oracle=_user_by_user(),
    mistakes=[
        Mistake("the base rate has no part where there is a history", _user_by_user(sink=False), 1),
        Mistake("the ads' scores are not divided by √d", _user_by_user(root=False)),
        Mistake("trust is not divided by √d", _user_by_user(scaled_trust=True), 1),
        Mistake("all past ads count alike; the scores are not used", _user_by_user(even=True)),
        Mistake("the extra entry's value is the base rate, not 0", _user_by_user(empty=0.0), 1),
        Mistake("the padding counts as past ads", _user_by_user(padded=True), 1),
    ],
    overflow_hint=3,
    concepts=["attention"],
)

TASKS = [mask, leak, cached, lora, back, guide, clicks]
