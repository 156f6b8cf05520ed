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
    concepts=["reinforcement-learning"],
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
    concepts=["reinforcement-learning"],
)  # fmt: skip


# -------------------------------------------------------------------------------------------- 15.learn
def _steps(n, S, A, ends=0.2, stops=0.2, lr=0.3, gamma=0.9):
    kind = rng.random(n)
    terminated, truncated = kind < ends, kind > 1 - stops
    return (rng.normal(size=(S, A)) + 1, rng.integers(0, S, n), rng.integers(0, A, n), rng.normal(size=n),
            rng.integers(0, S, n), terminated, truncated, lr, gamma)  # fmt: skip


def _chain():
    """Three steps along a line, the last one ends: the order matters."""
    return (np.zeros((4, 2)), np.array([2, 1, 0]), np.array([0, 0, 0]), np.array([1.0, 0, 0]),
            np.array([3, 2, 1]), np.array([True, False, False]), np.zeros(3, bool), 1.0, 0.5)  # fmt: skip


def _by_error(Q, s, a, reward, after, terminated, truncated, lr, gamma, over=None, future=max, order=1):
    """Q-learning on nested lists; `over` says when nothing follows."""
    table = Q.tolist()
    for i in range(len(s))[::order]:
        row = table[int(after[i])]
        ended = terminated[i] if over is None else over(terminated[i], truncated[i])
        nxt = 0.0 if ended else future(row)
        old = table[int(s[i])][int(a[i])]
        table[int(s[i])][int(a[i])] = old + lr * (reward[i] + gamma * nxt - old)
    return np.array(table)


def _all_at_once(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    new = Q.copy()
    target = reward + gamma * np.where(terminated, 0, Q[after].max(1))
    new[s, a] += lr * (target - Q[s, a])
    return new


def _nothing_learned_at_the_end(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    k = ~terminated
    return _by_error(Q, s[k], a[k], reward[k], after[k], terminated[k], truncated[k], lr, gamma)


learn = Function(
    "15.learn",
    cases=[
        Case("thirty steps", _steps(30, 5, 3)),
        Case("a chain of three", _chain()),
        Case("episodes that only time ends", _steps(20, 4, 2, ends=0, stops=0.5)),
        Case("every step is the last", _steps(15, 4, 2, ends=1.1, stops=0)),
        Case("both flags at once", (*_steps(1, 3, 2)[:5], np.ones(1, bool), np.ones(1, bool), 0.5, 0.9)),
        Case("no steps", _steps(0, 3, 2)),
    ],
    oracle=_by_error,
    bug=lambda *args: _by_error(*args, over=lambda terminated, truncated: False),
    mistakes=[
        Mistake(
            "a truncated episode has not ended: only terminated switches the future off",
            lambda *args: _by_error(*args, over=lambda terminated, truncated: terminated or truncated),
            2,
        ),
        Mistake(
            "the flag is truncated where it should be terminated",
            lambda *args: _by_error(*args, over=lambda terminated, truncated: truncated),
            2,
        ),
        Mistake("the future is switched off where it should be on", lambda *args: _by_error(
            *args, over=lambda terminated, truncated: not terminated), 1),
        Mistake("each step must read the table that the step before has left", _all_at_once, 1),
        Mistake("the steps go in their order, not backward", lambda *args: _by_error(*args, order=-1), 1),
        Mistake("the last step of an episode teaches too: its target is the reward",
                _nothing_learned_at_the_end, 1),
        Mistake("Q-learning takes the best next action, not their mean", lambda *args: _by_error(
            *args, future=lambda row: sum(row) / len(row)), 1),
    ],
    concepts=["reinforcement-learning"],
)  # fmt: skip


# --------------------------------------------------------------------------------------------- 15.puct
def _node(N, W, P, legal=None, c=1.5, f=0.2):
    N, W, P = (np.array(array, dtype=float) for array in (N, W, P))
    return N, W, P, np.ones(len(N), bool) if legal is None else np.array(legal, bool), c, f


def _by_loop(N, W, P, legal, c, f, unseen=None, root=None, illegal=False, rise=1, outer=None):
    visits = sum(n for n, ok in zip(N, legal, strict=True) if ok)
    mean = sum(w for w, ok in zip(W, legal, strict=True) if ok) / visits if visits else 0.0
    best, top = -1, -np.inf
    for a in range(len(N)):
        if not legal[a] and not illegal:
            continue
        value = W[a] / N[a] if N[a] else (mean - f if unseen is None else unseen(mean, f))
        bonus = c * P[a] * np.sqrt((1 + visits) if root is None else root(visits)) / (rise + N[a] or 1e-12)
        score = value + bonus if outer is None else outer(value, bonus)
        if score > top:
            best, top = a, score
    return best


def _last_of_ties(*args):
    N, W, P, legal, c, f = args
    return len(N) - 1 - _by_loop(N[::-1], W[::-1], P[::-1], legal[::-1], c, f)


def _most_visited(N, W, P, legal, c, f):
    return int(np.where(legal, N, -1).argmax())


def _random_node(seed):
    """A position in the middle of a search: illegal moves may have visits, left from another move order."""
    draw = np.random.default_rng(seed)
    N = draw.integers(0, 5, 4) * (draw.random(4) < 0.7)
    legal = draw.random(4) < 0.7
    legal[draw.integers(4)] = True
    return _node(N, N * draw.uniform(-1, 1, 4), draw.dirichlet(np.ones(4)), legal, draw.uniform(0.2, 3), 0.3)


puct = Function(
    "15.puct",
    cases=[
        Case("a lost position", _node([4, 3, 0, 0], [-3.6, -2.4, 0, 0], [0.4, 0.3, 0.15, 0.15])),
        Case("nothing visited", _node([0, 0, 0], [0, 0, 0], [0.2, 0.5, 0.3])),
        Case("nothing visited, a tie", _node([0, 0, 0, 0], [0, 0, 0, 0], [0.1, 0.4, 0.4, 0.1])),
        Case("illegal moves with a large prior", _node([2, 0, 1, 0], [-2, 0, -1, 0], [0.3, 0.6, 0.05, 0.05],
                                                       legal=[True, False, True, False])),
        Case("one legal move", _node([0, 0, 0], [0, 0, 0], [0.9, 0.1, 0.0], legal=[False, False, True])),
        Case("a won position", _node([6, 0, 1], [5.4, 0, 0.2], [0.5, 0.4, 0.1], f=0.5)),
        Case("a good move and a new one", _node([4, 0], [2, 0], [0.5, 0.5], c=0.2, f=0.3)),
        Case("a very good move", _node([4, 2, 0], [3.6, 0, 0], [0.4, 0.3, 0.3], c=0.1, f=0.4)),
        Case("no reduction, f = 0", _node([3, 0], [1.5, 0], [0.8, 0.2], c=0.3, f=0.0)),
        Case("priors of zero", _node([1, 0, 0], [-1, 0, 0], [1, 0, 0], c=0.1, f=0.3)),
        Case("a rare move that won", _node([30, 2, 10], [3, 1.9, 2], [0.7, 0.05, 0.25])),
        Case("many visits, a small bonus", _node([80, 60, 5], [41, 30, 2.2], [0.5, 0.3, 0.2], c=1.0)),
        *[Case(f"position {seed} of a hundred", _random_node(seed)) for seed in range(1, 101)],
    ],
    oracle=_by_loop,
    rules=[Rule("an illegal move was chosen", lambda out, N, W, P, legal, c, f: legal[int(out)], 2)],
    mistakes=[
        Mistake("this is the lecture's rule: an unvisited move counts as 0", lambda *args: _by_loop(
            *args, unseen=lambda mean, f: 0.0), 1),
        Mistake("the reduction f is not taken off", lambda *args: _by_loop(
            *args, unseen=lambda mean, f: mean), 1),
        Mistake("f is taken off, not added", lambda *args: _by_loop(
            *args, unseen=lambda mean, f: mean + f), 1),
        Mistake("f is taken off 0, not off what was seen here", lambda *args: _by_loop(
            *args, unseen=lambda mean, f: -f), 1),
        Mistake("an unvisited move is not tried before all others here", lambda *args: _by_loop(
            *args, unseen=lambda mean, f: 1e9), 1),
        Mistake("the most visited move is played at the end; here it is about what to look at",
                _most_visited, 1),
        Mistake("on a tie the smallest number", _last_of_ties, 2),
    ],
    concepts=["alphago"],
    rtol=0,
    atol=0,
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

TASKS = [late, better, klucb, robust, learn, puct, prior]
