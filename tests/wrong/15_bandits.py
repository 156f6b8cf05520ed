"""Wrong answers to lecture 15's tasks, each with its message, and right ones written otherwise."""

from itertools import pairwise

import numpy as np
from scipy import integrate, stats
from scipy.special import xlogy


# ------------------------------------------------------------------------------------------------ late
def late(a, b, ad, clicked, age, window, keep=lambda clicked, closed: closed):
    rows = keep(clicked, age >= window)
    new = np.stack([a, b]).astype(float)
    np.add.at(new, (np.where(clicked[rows], 0, 1), ad[rows]), 1)
    return new[0], new[1]


def once_per_ad(a, b, ad, clicked, age, window):
    a, b, closed = a.copy(), b.copy(), age >= window
    a[ad[closed & clicked]] += 1
    b[ad[closed & ~clicked]] += 1
    return a, b


def late_in_place(a, b, ad, clicked, age, window):
    closed = age >= window
    np.add.at(a, ad[closed & clicked], 1)
    np.add.at(b, ad[closed & ~clicked], 1)
    return a, b


def short_counts(a, b, ad, clicked, age, window):
    """No minlength: the last ads may be missing."""
    closed = age >= window
    return a + np.bincount(ad[closed & clicked]), b + np.bincount(ad[closed & ~clicked])


def b_counts_all(a, b, ad, clicked, age, window):
    new, _ = late(a, b, ad, clicked, age, window)
    return new, b + np.bincount(ad[age >= window], minlength=len(b))


def late_loop(a, b, ad, clicked, age, window):
    a, b = a.copy(), b.copy()
    for k, click, hours in zip(ad, clicked, age, strict=True):
        if hours >= window:
            a[k] += click
            b[k] += not click
    return a, b


# -------------------------------------------------------------------------------------------- thompson
def sample(clicks, shown, alpha, beta, visitors, draw, size=None):
    """Beta draws as ratios of Gamma draws."""
    size = (visitors, len(shown)) if size is None else size
    x = draw.gamma(alpha + clicks, size=size)
    return (x / (x + draw.gamma(beta + shown - clicks, size=size))).argmax(-1)


def visitor_by_visitor(clicks, shown, alpha, beta, visitors, draw):
    return np.array([draw.beta(alpha + clicks, beta + shown - clicks).argmax() for _ in range(visitors)])


def one_draw(clicks, shown, alpha, beta, visitors, draw):
    return np.full(visitors, draw.beta(alpha + clicks, beta + shown - clicks).argmax())


def by_mean(clicks, shown, alpha, beta, visitors, draw):
    return np.full(visitors, ((alpha + clicks) / (alpha + beta + shown)).argmax())


def in_proportion(clicks, shown, alpha, beta, visitors, draw):
    means = (alpha + clicks) / (alpha + beta + shown)
    return draw.choice(len(shown), size=visitors, p=means / means.sum())


def by_a_normal(clicks, shown, alpha, beta, visitors, draw):
    belief = stats.beta(alpha + clicks, beta + shown - clicks)
    return draw.normal(belief.mean(), belief.std(), (visitors, len(shown))).argmax(1)


def of_itself(clicks, shown, alpha, beta, visitors, draw):
    return sample(clicks, shown, alpha, beta, visitors, np.random.default_rng(0))


# ---------------------------------------------------------------------------------------------- better
def by_integral(aA, bA, aB, bB):
    A, B = stats.beta(aA, bA), stats.beta(aB, bB)
    inside = [A.ppf(q) for q in (1e-9, 0.01, 0.5, 0.99, 1 - 1e-9)]
    parts = [integrate.quad(lambda x: A.pdf(x) * B.cdf(x), low, high)[0]
             for low, high in pairwise(inside)]  # fmt: skip
    return sum(parts)


def by_many_draws(aA, bA, aB, bB):
    draw = np.random.default_rng(0)
    return float(np.mean(draw.beta(aA, bA, 4_000_000) > draw.beta(aB, bB, 4_000_000)))


def by_few_draws(aA, bA, aB, bB):
    draw = np.random.default_rng(0)
    return float(np.mean(draw.beta(aA, bA, 1000) > draw.beta(aB, bB, 1000)))


def coarse_grid(aA, bA, aB, bB):
    x = (np.arange(200) + 0.5) / 200
    return float(np.mean(stats.beta(aA, bA).pdf(x) * stats.beta(aB, bB).cdf(x)))


def normal(aA, bA, aB, bB):
    A, B = stats.beta(aA, bA), stats.beta(aB, bB)
    return float(stats.norm.cdf((A.mean() - B.mean()) / np.hypot(A.std(), B.std())))


def in_arrays(aA, bA, aB, bB):
    return np.array([by_integral(aA, bA, aB, bB)])


# ----------------------------------------------------------------------------------------------- klucb
def kl(p, q):
    return xlogy(p, p) - xlogy(p, q) + xlogy(1 - p, 1 - p) - xlogy(1 - p, 1 - q)


def klucb(clicks, shown, t, divergence=kl, steps=60, scale=None, unseen=1.0, start=None, bits=False):
    n = np.maximum(shown, 1)
    p = clicks / n
    low, high = (p if start is None else np.full_like(p, start)), np.ones_like(p)
    for _ in range(steps):
        q = (low + high) / 2
        ok = (n if scale is None else scale) * divergence(p, q) <= (np.log2(t) if bits else np.log(t))
        low, high = np.where(ok, q, low), np.where(ok, high, q)
    return np.where(shown > 0, low, unseen)


def naive_kl(p, q):
    with np.errstate(all="ignore"):
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def with_naive_kl(clicks, shown, t):
    return klucb(clicks, shown, t, divergence=naive_kl)


def nan_if_unseen(clicks, shown, t):
    with np.errstate(all="ignore"):
        return np.where(shown > 0, klucb(clicks, shown, t), clicks / shown)


def smallest(clicks, shown, t):
    return np.where(shown > 0, 1 - klucb(shown - clicks, shown, t), 1.0)


def ucb1(clicks, shown, t):
    n = np.maximum(shown, 1)
    return np.where(shown > 0, clicks / n + np.sqrt(2 * np.log(t) / n), 1.0)


def by_newton(clicks, shown, t):
    """From above, where KL is convex in q, Newton's steps never overshoot; bisection guards the start."""
    q = klucb(clicks, shown, t, steps=12)
    p, n = clicks / np.maximum(shown, 1), np.maximum(shown, 1)
    inner = (shown > 0) & (clicks < shown) & (t > 1)
    q = np.where(inner, klucb(clicks, shown, t, steps=45), q)
    safe = np.where(inner & (q < 1 - 1e-12), q, 0.5)
    slope = n * (safe - p) / (safe * (1 - safe))
    step = (n * kl(p, safe) - np.log(t)) / np.where(slope > 0, slope, 1)
    return np.where(inner & (q < 1 - 1e-6) & (slope > 0), q - step, q)


# ---------------------------------------------------------------------------------------------- robust
def robust(new, q, shown, chance, click, cap, weight=None, model=None, guess=None, error=None):
    k = shown[:, None]
    ours, said = np.take_along_axis(new, k, 1)[:, 0], np.take_along_axis(q, k, 1)[:, 0]
    w = np.clip(ours / chance, None, cap) if weight is None else weight(ours, chance, cap)
    base = np.einsum("nk,nk->n", new, q) if model is None else model(new, q, said)
    terms = base + w * (click - (said if guess is None else guess * said))
    return terms.mean(), (np.sqrt(terms.var() / len(terms)) if error is None else error(terms))


def quiet_std(terms):
    """Of one row it is nan, as `np.std(ddof=1)` has it."""
    with np.errstate(all="ignore"):
        return np.sqrt(((terms - terms.mean()) ** 2).sum() / np.float64(len(terms) - 1))


def capped_ips(new, q, shown, chance, click, cap):
    return robust(new, 0 * q, shown, chance, click, cap)


def self_normalized(new, q, shown, chance, click, cap):
    value, error = robust(new, q, shown, chance, click, cap)
    w = np.minimum(new[np.arange(len(shown)), shown] / chance, cap)
    return value / max(w.mean(), 1e-9), error


WRONG = {
    "15.late": {
        "once per ad": (once_per_ad, "counted once"),
        "open ones too": (
            lambda *x: late(*x, keep=lambda clicked, closed: np.ones_like(closed)),
            "open impressions are counted",
        ),
        "young clicks": (
            lambda *x: late(*x, keep=lambda clicked, closed: closed | clicked),
            "every rate looks too high",
        ),
        "young misses": (
            lambda *x: late(*x, keep=lambda clicked, closed: closed | ~clicked),
            "may still come",
        ),
        "swapped": (lambda *x: late(*x)[::-1], "a counts clicks"),
        "all impressions in b": (b_counts_all, "not all impressions"),
        "older only": (
            lambda a, b, ad, clicked, age, window: late(a, b, ad, clicked, age, window + 1e-9),
            "exactly as old",
        ),
        "in place": (late_in_place, "changes its input"),
        "short counts": (short_counts, "your code stops"),
        "only a": (lambda *x: late(*x)[0], "expected 2 results"),
    },
    "15.thompson": {
        "one draw for all": (one_draw, "every visitor is shown the same ad"),
        "means": (by_mean, "every visitor is shown the same ad"),
        "all impressions": (
            lambda c, n, a, b, v, draw: sample(c, n + c, a, b, v, draw),
            "not by all impressions",
        ),
        "swapped": (lambda c, n, a, b, v, draw: sample(c, n, b, a, v, draw), "α goes with the clicks"),
        "flat prior": (lambda c, n, a, b, v, draw: sample(c, n, 1, 1, v, draw), "not a flat one"),
        "in proportion": (in_proportion, "in proportion to their mean rates"),
        "smallest draw": (
            lambda c, n, a, b, v, draw: sample(n - c, n, b, a, v, draw),
            "as often as it is believed",
        ),
        "normal": (by_a_normal, "as often as it is believed"),
        "a row a draw": (
            lambda c, n, a, b, v, draw: draw.beta(a + c, b + n - c, size=(v, len(n))),
            "shape",
        ),
        "its own generator": (of_itself, "draw from the argument"),
        "numbered from 1": (lambda *x: 1 + sample(*x), "from 0 to K − 1"),
    },
    "15.better": {
        "B better": (lambda *x: 1 - by_integral(*x), "B is better"),
        "means": (lambda a, b, c, d: float(a / (a + b) > c / (c + d)), "how sure you are"),
        "normal": (normal, "normal approximation"),
        "few draws": (by_few_draws, "wrong values"),
        "coarse grid": (coarse_grid, "wrong values"),
        "an array": (in_arrays, "should be one number"),
        "percent": (lambda *x: 100 * by_integral(*x), "wrong values"),
    },
    "15.klucb": {
        "smallest": (smallest, "the smallest such rate"),
        "arguments swapped": (
            lambda *x: klucb(*x, divergence=lambda p, q: kl(q, p)),
            "changed places",
        ),
        "without n": (lambda *x: klucb(*x, scale=1.0), "not multiplied"),
        "UCB1": (ucb1, "this is UCB1"),
        "observed": (
            lambda c, n, t: np.where(n > 0, c / np.maximum(n, 1), 1.0),
            "without any optimism",
        ),
        "0 log 0": (with_naive_kl, "wrong values"),
        "never shown": (nan_if_unseen, "nan"),
        "never shown is 0": (lambda *x: klucb(*x, unseen=0.0), "wrong values for an ad that was never"),
        "ten halvings": (lambda *x: klucb(*x, steps=10), "wrong values"),
        "log2": (lambda *x: klucb(*x, bits=True), "wrong values"),
    },
    "15.robust": {
        "no cap": (lambda *x: robust(*x, weight=lambda new, old, cap: new / old), "not capped"),
        "dropped above the cap": (
            lambda *x: robust(*x, weight=lambda new, old, cap: np.where(new / old <= cap, new / old, 0)),
            "do not lose it",
        ),
        "upside down": (
            lambda *x: robust(
                *x, weight=lambda new, old, cap: np.minimum(old / np.maximum(new, 1e-300), cap)
            ),
            "new over old",
        ),
        "one over old": (
            lambda *x: robust(*x, weight=lambda new, old, cap: np.minimum(1 / old, cap)),
            "divided by the old one's",
        ),
        "IPS": (capped_ips, "capped IPS"),
        "n − 1": (
            lambda *x: robust(*x, error=lambda t: t.std(ddof=1) / np.sqrt(len(t)) if len(t) > 1 else 0.0),
            "divides by n − 1",
        ),
        "n − 1, and nan": (
            lambda *x: robust(*x, error=lambda t: quiet_std(t) / np.sqrt(len(t))),
            "divides by n − 1",
        ),
        "model alone": (lambda *x: robust(*x, weight=lambda new, old, cap: 0 * new), "the model alone"),
        "shown ad's guess": (
            lambda *x: robust(*x, model=lambda new, q, said: said),
            "not over the shown ad",
        ),
        "guess not subtracted": (lambda *x: robust(*x, guess=0), "counted twice"),
        "deviation": (lambda *x: robust(*x, error=np.std), "divided by √n"),
        "divided by n": (lambda *x: robust(*x, error=lambda t: t.std() / len(t)), "√n, not n"),
        "self-normalized": (self_normalized, "wrong values"),
        "estimate only": (lambda *x: robust(*x)[0], "expected 2 results"),
    },
    "15.prior": {
        "flat": ("a", "takes longer to disprove"),
        "the business": ("b", "takes longer to disprove"),
        "the pessimist": ("c", "takes longer to disprove"),
        "a number": (50, "answer with one of"),
    },
}

RIGHT = {
    "15.late": {"add.at": late, "loop": late_loop},
    "15.thompson": {"Gamma draws": sample, "a loop": visitor_by_visitor},
    "15.better": {"an integral": by_integral, "four million draws": by_many_draws},
    "15.klucb": {"sixty halvings": klucb, "Newton at the end": by_newton},
    "15.robust": {"einsum": robust},
    "15.prior": {"d": "d", "D.": "D."},
}
