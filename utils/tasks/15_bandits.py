"""The tasks of lecture 15."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(15)


# --------------------------------------------------------------------------------------------- 15.late
def _batch(K, n, oldest=48):
    age = rng.integers(0, oldest, n).astype(float)
    ad, clicked = rng.integers(0, K, n), rng.random(n) < 0.3
    return rng.uniform(0.5, 5, K), rng.uniform(0.5, 40, K), ad, clicked, age, 24.0


def _edge_of_window():
    """One ad, impressions of exactly the window's age, and just younger."""
    return (np.ones(1), np.full(1, 24.0), np.zeros(4, int), np.array([True, False, True, False]),
            np.array([24.0, 24.0, 23.99, 23.99]), 24.0)  # fmt: skip


def _nothing_yet():
    return np.ones(3), np.ones(3), np.zeros(0, int), np.zeros(0, bool), np.zeros(0), 24.0


def _one_by_one(a, b, ad, clicked, age, window, counts=lambda click, closed: closed):
    a, b = a.astype(float), b.astype(float)
    for i in range(len(ad)):
        if counts(clicked[i], age[i] >= window):
            (a if clicked[i] else b)[ad[i]] += 1
    return a, b


def _once_per_ad(a, b, ad, clicked, age, window):
    a, b, closed = a.copy(), b.copy(), age >= window
    a[ad[closed & clicked]] += 1
    b[ad[closed & ~clicked]] += 1
    return a, b


late = Function(
    "15.late",
    cases=[
        Case("200 impressions of five ads", _batch(5, 200)),
        Case("an ad that was never shown", _batch(60, 20)),
        Case("impressions exactly as old as the window", _edge_of_window()),
        Case("an empty batch", _nothing_yet()),
    ],
    oracle=_one_by_one,
    mistakes=[
        Mistake("an ad that occurs many times is counted once", _once_per_ad, 1),
        Mistake(
            "open impressions are counted too: leave out those younger than the window",
            lambda *args: _one_by_one(*args, counts=lambda click, closed: True),
            2,
        ),
        Mistake(
            "young clicks are counted but young misses are not, so every rate looks too high",
            lambda *args: _one_by_one(*args, counts=lambda click, closed: closed or click),
            2,
        ),
        Mistake(
            "young misses are counted: their click may still come",
            lambda *args: _one_by_one(*args, counts=lambda click, closed: closed or not click),
            2,
        ),
        Mistake("a counts clicks, b counts impressions without one", lambda *args: _one_by_one(*args)[::-1]),
        Mistake(
            "b counts impressions without a click, not all impressions",
            lambda a, b, *rest: (
                _one_by_one(a, b, *rest)[0],
                _one_by_one(a, b, *rest)[1] + _one_by_one(a, b, *rest)[0] - a,
            ),
        ),
        Mistake(
            "an impression exactly as old as the window is closed",
            lambda a, b, ad, clicked, age, window: _one_by_one(
                a, b, ad, clicked, age, np.nextafter(window, np.inf)
            ),
            2,
        ),
    ],
    concepts=["bayesian-inference"],
)


# ----------------------------------------------------------------------------------------- 15.thompson
VISITORS = 20_000
APART = 0.02  # shares of as many visitors lie within this of their probabilities, in more than five spreads


def _best(a, b):
    """The probability that each of independent Beta(a, b) is the largest: along each one's own quantiles."""
    from scipy.stats import beta

    u = (np.arange(4000) + 0.5) / 4000
    each = []
    for k in range(len(a)):
        x = beta(a[k], b[k]).ppf(u)
        each.append(np.prod([beta(a[j], b[j]).cdf(x) for j in range(len(a)) if j != k], axis=0).mean())
    return np.array(each)


def _shares(ads, K):
    return np.bincount(np.asarray(ads, int), minlength=K)[:K] / max(len(ads), 1)


def _like(belief):
    """Whether the shares of the ads are those of such beliefs: `belief(clicks, shown, alpha, beta)`."""

    def close(ads, clicks, shown, alpha, beta, visitors, draw):
        a, b = belief(clicks, shown, alpha, beta)
        if visitors < VISITORS or (a <= 0).any() or (b <= 0).any():
            return None
        return bool(np.abs(_shares(ads, len(shown)) - _best(a, b)).max() < APART)

    return close


_right = _like(lambda clicks, shown, alpha, beta: (alpha + clicks, beta + shown - clicks))


def _not(belief):
    """Holds where the shares are right, or at least not those of another belief, wherever they differ."""
    other = _like(belief)
    return lambda *args: _right(*args) is not False or other(*args) is not True


def _in_proportion(ads, clicks, shown, alpha, beta, visitors, draw):
    means = (alpha + clicks) / (alpha + beta + shown)
    close = np.abs(_shares(ads, len(shown)) - means / means.sum()).max() < APART
    return _right(ads, clicks, shown, alpha, beta, visitors, draw) is not False or not close


def _counts(*counts, alpha=1.0, beta=1.0, visitors=VISITORS):
    clicks, shown = np.array(counts, float).T
    return clicks, shown, alpha, beta, visitors, np.random.default_rng(7)


def _cases():
    return [
        Case(
            "ads that are clicked more often than not",
            _counts((8, 10), (5, 10), (30, 50), alpha=3.0, beta=0.5),
        ),
        Case("three ads and a prior near the truth", _counts((4, 100), (0, 10), (9, 150), beta=24.0)),
        Case("a flat prior", _counts((4, 100), (0, 10), (20, 600))),
        Case("an ad that was never shown", _counts((0, 0), (30, 700), (45, 1000), beta=24.0)),
        Case("a prior that is worth much", _counts((2, 20), (3, 20), alpha=8.0, beta=92.0)),
        Case("one visitor", _counts((4, 100), (0, 10), visitors=1)),
        Case("one ad", _counts((4, 100), visitors=5)),
    ]


thompson = Function(
    "15.thompson",
    cases=_cases,
    like=lambda clicks, shown, alpha, beta, visitors, draw: np.zeros(visitors, int),
    rules=[
        Rule("the ads are numbered from 0 to K − 1", lambda ads, clicks, shown, *rest: (
            np.asarray(ads).dtype.kind in "iu" and ads.min() >= 0 and ads.max() < len(shown)), 3),
        Rule("every visitor is shown the same ad: draw anew for each, and draw rates, do not take means",
             lambda ads, clicks, shown, alpha, beta, visitors, draw: (
                 visitors < VISITORS or len(np.unique(ads)) > 1), 2),
        Rule("β grows by the misses, shown − clicks, not by all impressions", _not(
            lambda clicks, shown, alpha, beta: (alpha + clicks, beta + shown)), 1),
        Rule("α goes with the clicks, β with the misses", _not(
            lambda clicks, shown, alpha, beta: (beta + clicks, alpha + shown - clicks)), 1),
        Rule("the prior is Beta(α, β), not a flat one", _not(
            lambda clicks, shown, alpha, beta: (1 + clicks, 1 + shown - clicks)), 1),
        Rule("the ads are shown in proportion to their mean rates; show the one with the largest draw",
             _in_proportion, 3),
        Rule("each ad is to be shown as often as it is believed to be the best",
             lambda *args: _right(*args) is not False, 1),
    ],
    draws=True,
    concepts=["thompson-sampling", "bayesian-inference"],
)  # fmt: skip


# ------------------------------------------------------------------------------------------- 15.better
def _by_sum(aA, bA, aB, bB):
    """The closed form for whole a: a finite sum of Beta functions, in logarithms."""
    from scipy.special import betaln

    i = np.arange(int(aA))
    terms = betaln(aB + i, bA + bB) - np.log(bA + i) - betaln(1 + i, bA) - betaln(aB, bB)
    return float(np.exp(terms).sum())


def _by_normal(aA, bA, aB, bB):
    from scipy.stats import norm

    def moments(a, b):
        return a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1))

    (mA, vA), (mB, vB) = moments(aA, bA), moments(aB, bB)
    return float(norm.cdf((mA - mB) / np.sqrt(vA + vB)))


def _by_means(aA, bA, aB, bB):
    return float(aA / (aA + bA) > aB / (aB + bB))


better = Function(
    "15.better",
    cases=[
        Case("no data at all", (1.0, 1.0, 1.0, 1.0)),
        Case("a few clicks", (4.0, 90.0, 2.0, 80.0)),
        Case("A without a click", (1.0, 11.0, 3.0, 200.0)),
        Case("a hundred thousand impressions each", (4100.0, 95_900.0, 4000.0, 96_000.0)),
        Case("B surely better", (11.0, 990.0, 60.0, 940.0)),
        Case("different amounts of data", (2.0, 10.0, 400.0, 9600.0)),
    ],
    oracle=_by_sum,
    mistakes=[
        Mistake("this is the probability that B is better", lambda *p: 1 - _by_sum(*p)),
        Mistake("means alone say nothing of how sure you are", _by_means, 1),
        Mistake("a normal approximation is not right to three decimals with few clicks", _by_normal, 1),
    ],
    concepts=["bayesian-inference"],
    rtol=0,
    atol=7e-4,
)


# -------------------------------------------------------------------------------------------- 15.klucb
def _kl(p, q):
    from scipy.special import xlogy

    return float(xlogy(p, p) - xlogy(p, q) + xlogy(1 - p, 1 - p) - xlogy(1 - p, 1 - q))


def _by_root(clicks, shown, t, divergence=_kl, budget=np.log):
    """Ad by ad, with a root finder."""
    from scipy.optimize import brentq

    index = np.ones(len(clicks))
    for k, (s, n) in enumerate(zip(clicks, shown, strict=True)):
        if n == 0 or s == n:
            continue
        p, top = s / n, 1 - 1e-15

        def excess(q, p=p, n=n):
            return n * divergence(p, q) - budget(t)

        if budget(t) <= 0:
            index[k] = p
        elif excess(top) > 0:
            index[k] = brentq(excess, max(p, 1e-15), top, xtol=1e-14)
    return index


def _below(clicks, shown, t):
    """The smallest rate that the data do not contradict: of the misses, mirrored."""
    return np.where(shown > 0, 1 - _by_root(shown - clicks, shown, t), 1.0)


def _ucb1(clicks, shown, t):
    n = np.maximum(shown, 1)
    return np.where(shown > 0, clicks / n + np.sqrt(2 * np.log(t) / n), 1.0)


def _pinsker(clicks, shown, t):
    n = np.maximum(shown, 1)
    return np.where(shown > 0, np.minimum(clicks / n + np.sqrt(np.log(t) / (2 * n)), 1), 1.0)


_COUNTS = rng.integers(5, 3000, 8).astype(float)
_CLICKS = np.floor(_COUNTS * rng.uniform(0.01, 0.2, 8))

klucb = Function(
    "15.klucb",
    cases=[
        Case("eight ads after 10,000 rounds", (_CLICKS, _COUNTS, 10_000)),
        Case("no clicks at all", (np.zeros(4), np.array([1.0, 10, 100, 10_000]), 5000)),
        Case("nothing but clicks", (np.array([1.0, 7]), np.array([1.0, 7]), 20)),
        Case("an ad that was never shown", (np.array([0.0, 3]), np.array([0.0, 50]), 51)),
        Case("t = 1, where log t is 0", (np.array([2.0, 30]), np.array([40.0, 60]), 1)),
        Case("one impression, much time", (np.array([0.0]), np.array([1.0]), 1e12)),
    ],
    oracle=_by_root,
    mistakes=[
        Mistake("this is the smallest such rate; the index is the largest", _below),
        Mistake(
            "KL's arguments have changed places: the observed rate comes first",
            lambda *args: _by_root(*args, divergence=lambda p, q: _kl(q, p)),
        ),
        Mistake("KL is not multiplied by the number of impressions", lambda c, n, t: _by_root(
            np.where(n > 0, c / np.maximum(n, 1), 0), np.minimum(n, 1), t)),
        Mistake("this is UCB1", _ucb1),
        Mistake("a quadratic bound on KL is not KL: solve with KL itself", _pinsker),
        Mistake("this is the observed rate, without any optimism", lambda c, n, t: np.where(
            n > 0, c / np.maximum(n, 1), 1.0)),
        Mistake("a KL in bits? Use the natural logarithm", lambda *args: _by_root(
            *args, budget=lambda t: np.log(t) * np.log(2))),
    ],
    overflow_hint=2,
    concepts=["thompson-sampling"],
    rtol=0,
    atol=1e-6,
)  # fmt: skip


# ------------------------------------------------------------------------------------------- 15.robust
def _random_log(n, K, cap):
    new, q = rng.dirichlet(np.ones(K), n), rng.uniform(0.01, 0.3, (n, K))
    shown = rng.integers(0, K, n)
    return new, q, shown, rng.uniform(0.05, 0.6, n), (rng.random(n) < 0.2).astype(int), cap


@cache
def _robust_cases():
    from utils import data

    log, world = data.load("ads", rows=3000, seed=15), data.ad_world()
    ad, n = log.features["ad"], 3000
    fits = world.segment_category[2 * log.features["age"] + log.features["gender"]][
        :, world.category
    ]  # (n, 50)
    new = np.eye(50)[fits.argmax(1)] * 0.8 + 0.2 / 50
    q = np.broadcast_to(np.linspace(0.02, 0.06, 50), (n, 50)).copy()
    one = _random_log(1, 4, 2.0)
    greedy = _random_log(40, 3, 1e9)
    return [
        Case("the ad log, weights up to 20", (new, q, ad, world.ad_share[ad], log.click, 20.0)),
        Case("a cap that nothing reaches", _random_log(60, 5, 1e9)),
        Case("cap 0, the model alone", _random_log(30, 4, 0.0)),
        Case("a single impression", one),
        Case("a policy that is sure of itself", (np.eye(3)[rng.integers(0, 3, 40)], *greedy[1:])),
    ]


def _by_rows(new, q, shown, chance, click, cap, weight=None, base=None, error=None):
    terms = []
    for i in range(len(shown)):
        k, old = shown[i], chance[i]
        w = weight(new[i, k], old, cap) if weight else min(new[i, k] / old, cap)
        model = base(new[i], q[i], k) if base else sum(x * y for x, y in zip(new[i], q[i], strict=True))
        rest = error(click[i], q[i, k]) if error else click[i] - q[i, k]
        terms.append(model + w * rest)
    return float(np.mean(terms)), float(np.std(terms) / np.sqrt(len(terms)))


def _changed(**parts):
    return lambda *args: _by_rows(*args, **parts)


robust = Function(
    "15.robust",
    cases=_robust_cases,
    oracle=_by_rows,
    mistakes=[
        Mistake("the weights are not capped", _changed(weight=lambda new, old, cap: new / old), 1),
        Mistake("rows above the cap keep the weight cap, they do not lose it", _changed(
            weight=lambda new, old, cap: new / old if new / old <= cap else 0.0), 1),
        Mistake("the weight is new over old", _changed(weight=lambda new, old, cap: min(old / new, cap)), 1),
        Mistake("the weight is the new policy's chance divided by the old one's", _changed(
            weight=lambda new, old, cap: min(1 / old, cap)), 1),
        Mistake("this is capped IPS; the model's part is missing", _changed(
            base=lambda new, q, shown: 0.0, error=lambda click, guess: click), 2),
        Mistake("this is the model alone; what it did not foresee is missing", _changed(
            error=lambda click, guess: 0.0), 2),
        Mistake("the model's part averages over the new policy, not over the shown ad", _changed(
            base=lambda new, q, shown: q[shown]), 2),
        Mistake("the model's part is weighted by the new policy's chances", _changed(
            base=lambda new, q, shown: q.mean()), 2),
        Mistake("clicks are counted twice: subtract the model's guess for the shown ad", _changed(
            error=lambda click, guess: click), 2),
        Mistake("a standard error is the standard deviation divided by √n", lambda *args: (
            _by_rows(*args)[0], _by_rows(*args)[1] * np.sqrt(len(args[2]))), 3),
        Mistake("this standard deviation divides by n − 1; divide by n, as np.std does", lambda *args: (
            _by_rows(*args)[0], _by_rows(*args)[1] * np.sqrt(len(args[2]) / (len(args[2]) - 1))), 3),
        Mistake("√n, not n: the standard error falls slowly", lambda *args: (
            _by_rows(*args)[0], _by_rows(*args)[1] / np.sqrt(len(args[2]))), 3),
    ],
    concepts=["thompson-sampling"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 15.prior
@cache
def _worst_prior() -> str:
    draws, rates, runs = np.random.default_rng(0), np.linspace(0.01, 0.08, 10), 40
    lost = {}
    for option, a, b in [("a", 1, 1), ("b", 1, 24), ("c", 1, 2400), ("d", 50, 50)]:
        shown, clicks = np.zeros((2, runs, 10))
        for _ in range(5000):
            ad = draws.beta(a + clicks, b + shown - clicks).argmax(1)
            shown[np.arange(runs), ad] += 1
            clicks[np.arange(runs), ad] += draws.random(runs) < rates[ad]
        lost[option] = (shown * (rates.max() - rates)).sum()
    return max(lost, key=lost.get)


prior = Choice(
    "15.prior",
    options=("a", "b", "c", "d"),
    truth=_worst_prior,
    wrong="another one loses more, because it takes longer to disprove; run the next cell and see",
    hint=2,
    concepts=["thompson-sampling"],
)

TASKS = [late, thompson, better, klucb, robust, prior]
