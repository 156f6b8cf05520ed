"""The tasks of lecture 19."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake

rng = np.random.default_rng(18)


# --------------------------------------------------------------------------------------------- 19.slots
def _slots(bid, pctr, S, reserve, pays="next", floor=True, keep=True, score=lambda b, p: b * p, last=False):
    """One view after the other."""
    winner, price = np.full((len(bid), S), -1), np.zeros((len(bid), S))
    for row, (b, p) in enumerate(zip(bid, pctr, strict=True)):
        s = score(b, p)
        order = sorted(range(len(b)), key=lambda a: (-s[a], -a if last else a))
        order_shown = [a for a in order if s[a] >= reserve] if keep else order
        for slot, a in enumerate(order_shown[:S]):
            after = 0 if pays == "second" else slot
            beat = float(s[order[after + 1]]) if after + 1 < len(order) else 0.0
            if pays == "shown only" and slot + 1 >= min(S, len(order_shown)):
                beat = 0.0
            beat = max(beat, reserve) if floor else beat
            winner[row, slot] = a
            price[row, slot] = {"own": b[a], "view": beat}.get(pays, beat / p[a])
    return winner, price


def _views(n, A):
    return np.round(rng.lognormal(0, 0.6, (n, A)), 3), np.round(rng.uniform(0.01, 0.4, (n, A)), 3)


slots = Function(
    "19.slots",
    cases=[
        Case("two slots, five ads", (*_views(6, 5), 2, 0.05)),
        Case("no reserve", (*_views(5, 4), 3, 0.0)),
        Case("fewer ads than slots", (*_views(4, 2), 4, 0.02)),
        Case("a single ad", (*_views(3, 1), 1, 0.01)),
        Case("equal scores", (np.full((2, 4), 2.0), np.full((2, 4), 0.25), 2, 0.1)),
        Case("a score that is just the reserve", (np.array([[2.0, 1.0]]), np.array([[0.25, 0.25]]), 2, 0.25)),
        Case("a reserve that nobody reaches", (*_views(3, 3), 2, 9.0)),
        Case(
            "a reserve that some reach",
            (np.array([[4.0, 1.0, 3.0, 2.0]]), np.array([[0.125, 0.75, 0.0625, 0.125]]), 3, 0.375),
        ),
        Case(
            "equal scores of different bids",
            (np.array([[1.0, 4.0, 2.0, 8.0]]), np.array([[0.5, 0.125, 0.25, 0.0625]]), 3, 0.25),
        ),
        Case("a bid of zero, no reserve", (np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]]), 2, 0.0)),
        Case("one ad, three slots, no reserve", (np.array([[2.0]]), np.array([[0.5]]), 3, 0.0)),
        Case(
            "sixty ads with scores of three kinds",
            (np.tile([1.0, 2.0, 4.0], (2, 20)), np.full((2, 60), 0.25), 25, 0.3),
        ),
    ],
    oracle=_slots,
    mistakes=[
        Mistake("this is first price: the own bid sets no price", lambda *a: _slots(*a, pays="own"), 3),
        Mistake(
            "that is the price of a view; divide by the winner's own pCTR",
            lambda *a: _slots(*a, pays="view"),
            3,
        ),
        Mistake(
            "each winner pays against the next score, not against the second of all",
            lambda *a: _slots(*a, pays="second"),
            2,
        ),
        Mistake(
            "the last slot pays too: against the best loser", lambda *a: _slots(*a, pays="shown only"), 2
        ),
        Mistake("the reserve counts in the price as well", lambda *a: _slots(*a, floor=False), 2),
        Mistake("nobody below the reserve is shown", lambda *a: _slots(*a, keep=False), 2),
        Mistake("ads rank by bid × pCTR, not by bid", lambda *a: _slots(*a, score=lambda b, p: b), 1),
        Mistake("of equal scores the smaller number goes first", lambda *a: _slots(*a, last=True), 1),
    ],
    concepts=["ad-ranking"],
)


# --------------------------------------------------------------------------------------------- 19.truth
@cache
def _best_bid() -> str:
    """Each bid from 0 to 20 in steps of 0.1, played out."""
    gains = {}
    for bid in np.arange(0.05, 20, 0.1):
        winner, price = _slots(np.array([[bid, 4.0, 2.0]]), np.ones((1, 3)), 2, 0.0)
        slot = np.flatnonzero(winner[0] == 0)
        gains[bid] = [1.0, 0.9][slot[0]] * (10 - price[0, slot[0]]) if len(slot) else 0.0
    best = max(gains.values())
    if any(abs(gain - best) < 1e-9 for bid, gain in gains.items() if abs(bid - 10) < 0.06):
        return "a"
    return "b" if any(2 < bid < 4 and abs(gain - best) < 1e-9 for bid, gain in gains.items()) else "c"


truth = Choice(
    "19.truth",
    options=("a", "b", "c"),
    truth=_best_bid,
    wrong="work out both gains: how often seen, times value less price",
    right="7.2 in the second slot against 6 in the first",
    concepts=["ad-ranking"],
)


# ---------------------------------------------------------------------------------------------- 19.undo
def _undo(q, keep, clicks_too=False, upside_down=False, shared=False, small=False):
    """A heap of a million kept rows, counted back to the full log."""
    out = []
    for share, kept in zip(q, np.full(len(keep), np.mean(keep)) if shared else keep, strict=True):
        clicks, misses = 1e6 * float(share), 1e6 * (1 - float(share))
        misses = misses * kept if upside_down else misses / kept
        clicks = clicks / kept if clicks_too else clicks
        out.append(float(share) * kept if small else clicks / (clicks + misses))
    return np.array(out)


undo = Function(
    "19.undo",
    cases=[
        Case("4 clicks of 100, a tenth of the misses kept", (np.array([4 / 13.6]), np.array([0.1]))),
        Case(
            "sites thinned by different shares",
            (rng.uniform(0.02, 0.95, 30), rng.choice([0.02, 0.1, 0.5], 30)),
        ),
        Case("a log that was not thinned", (rng.uniform(0, 1, 6), np.ones(6))),
        Case("a prediction of 0 and one of 1", (np.array([0.0, 1.0, 0.5]), np.array([0.1, 0.1, 0.01]))),
        Case("a thousandth kept", (np.array([0.5, 0.9, 0.999]), np.full(3, 0.001))),
    ],
    oracle=_undo,
    mistakes=[
        Mistake("q · keep is right for small q only", lambda *a: _undo(*a, small=True), 1),
        Mistake(
            "upside down: a miss that was kept stands for more misses, not for fewer",
            lambda *a: _undo(*a, upside_down=True),
            2,
        ),
        Mistake(
            "nothing is undone: misses stand for more than one, clicks do not",
            lambda *a: _undo(*a, clicks_too=True),
            2,
        ),
        Mistake("each row has a share of its own", lambda *a: _undo(*a, shared=True), 1),
        Mistake(
            "those are the odds, clicks over misses; a probability is clicks over all",
            lambda q, keep: np.divide(q * keep, 1 - q, out=np.full(len(q), np.inf), where=q < 1),
            3,
        ),
    ],
    concepts=["ad-ranking"],
)


# -------------------------------------------------------------------------------------------- 19.encode
def _encode(ids, hour, click, prior, weight, sees=lambda mine, other, i, j: other < mine):
    """For each row, one after the other, all others."""
    out = np.zeros(len(ids))
    for i in range(len(ids)):
        use = [j for j in range(len(ids)) if ids[j] == ids[i] and sees(hour[i], hour[j], i, j)]
        out[i] = (sum(int(click[j]) for j in use) + weight * prior) / (len(use) + weight)
    return out


def _unsmoothed(ids, hour, click, prior, weight):
    out = np.full(len(ids), float(prior))
    for i in range(len(ids)):
        use = (ids == ids[i]) & (hour < hour[i])
        out[i] = click[use].mean() if use.any() else prior
    return out


def _everybody(ids, hour, click, prior, weight):
    return _encode(np.zeros_like(ids), hour, click, prior, weight)


def _encode_bug(ids, hour, click, prior, weight):
    clicks, seen = np.bincount(ids, click), np.bincount(ids)
    return (clicks[ids] + weight * prior) / (seen[ids] + weight)


def _rows(n, k, hours, shuffled=False):
    hour = rng.integers(0, hours, n)
    hour = hour if shuffled else np.sort(hour)
    return rng.integers(0, k, n), hour, rng.integers(0, 2, n), 0.04, 5.0


encode = Function(
    "19.encode",
    cases=[
        Case("rows in the order of time", _rows(40, 4, 10)),
        Case("rows in any order", _rows(40, 4, 10, shuffled=True)),
        Case(
            "all rows in the same hour",
            (np.array([0, 0, 1]), np.array([3, 3, 3]), np.array([1, 0, 1]), 0.1, 2.0),
        ),
        Case("a single row", (np.array([2]), np.array([0]), np.array([1]), 0.04, 1.0)),
        Case(
            "hours that are far apart",
            (np.array([0, 0, 0]), np.array([900, -7, 12]), np.array([0, 1, 1]), 0.5, 0.5),
        ),
    ],
    oracle=_encode,
    mistakes=[
        Mistake(
            "rows of the same hour still see one another",
            lambda *a: _encode(*a, sees=lambda mine, other, i, j: other <= mine),
            2,
        ),
        Mistake(
            "leaving out the own row is not enough: later rows still count",
            lambda *a: _encode(*a, sees=lambda mine, other, i, j: i != j),
            1,
        ),
        Mistake(
            "rows of the same hour still see those above them",
            lambda *a: _encode(*a, sees=lambda mine, other, i, j: other < mine or (other == mine and j < i)),
            2,
        ),
        Mistake(
            "rows do not come in the order of time: compare hours, not row numbers",
            lambda *a: _encode(*a, sees=lambda mine, other, i, j: j < i),
            1,
        ),
        Mistake(
            "time runs backward: a row uses smaller hours",
            lambda *a: _encode(*a, sees=lambda mine, other, i, j: other > mine),
            1,
        ),
        Mistake("the smoothing is lost", _unsmoothed, 2),
        Mistake("each id has counters of its own", _everybody, 1),
    ],
    bug=_encode_bug,
    concepts=["ad-ranking"],
)


# ------------------------------------------------------------------------------------------ 19.from_log
def _from_log(shown, mu, y, new, clip, norm="weights", clipped="weight", agree=True, size="effective"):
    total = weighed = squares = rows = 0.0
    for a, m, reward, other in zip(shown, mu, y, new, strict=True):
        if agree and a != other:
            continue
        w = 1 / m if clipped != "weight" else min(1 / m, clip)
        w = 0.0 if clipped == "dropped" and w > clip else w
        total, weighed, squares, rows = total + w * reward, weighed + w, squares + w * w, rows + (w > 0)
    if weighed == 0:
        return 0.0, 0.0
    estimate = total / (weighed if norm == "weights" else len(y) if norm == "rows" else rows)
    n = {"effective": weighed**2 / squares, "rows": float(rows), "inverse": squares / weighed**2}[size]
    return float(estimate), float(n)


def _policy(n, A, clip):
    return (
        rng.integers(0, A, n),
        rng.uniform(0.02, 1, n),
        rng.integers(0, 2, n) * 2.5,
        rng.integers(0, A, n),
        clip,
    )


_five = np.arange(5)
from_log = Function(
    "19.from_log",
    cases=[
        Case("two hundred rows", _policy(200, 3, 10.0)),
        Case("a clip that never bites", _policy(100, 2, 1e6)),
        Case("a clip that bites nearly always", _policy(100, 2, 1.5)),
        Case("rankings that never agree", (_five, np.full(5, 0.5), np.ones(5), _five + 1, 10.0)),
        Case("a single row", (np.array([3]), np.array([0.01]), np.array([4.0]), np.array([3]), 20.0)),
        Case(
            "rows that earned nothing", (_five, np.array([0.5, 0.5, 0.1, 0.2, 0.4]), np.zeros(5), _five, 4.0)
        ),
        Case("certain logs", (_five, np.ones(5), _five * 1.0, np.array([0, 1, 2, 0, 0]), 5.0)),
    ],
    oracle=_from_log,
    mistakes=[
        Mistake(
            "self-normalized: divide by the sum of the weights", lambda *a: _from_log(*a, norm="rows"), 2
        ),
        Mistake(
            "divide by the sum of the weights, not by the number of rows that agree",
            lambda *a: _from_log(*a, norm="agreeing"),
            2,
        ),
        Mistake("no weight is clipped yet", lambda *a: _from_log(*a, clipped="no"), 1),
        Mistake(
            "a weight above the clip is lowered to it, not dropped",
            lambda *a: _from_log(*a, clipped="dropped"),
            1,
        ),
        Mistake("rows on which the two disagree have weight 0", lambda *a: _from_log(*a, agree=False), 1),
        Mistake(
            "the effective size is not the number of rows that agree",
            lambda *a: _from_log(*a, size="rows"),
            1,
        ),
        Mistake("the effective size is upside down", lambda *a: _from_log(*a, size="inverse"), 1),
    ],
    concepts=["ad-ranking"],
)


# --------------------------------------------------------------------------------------------- 19.paced
def _paced(v, p, rival, budget, at_most=1.0, together=True, price=lambda v, p, r: r, strict=True):
    """Each m between two ratios is tried."""
    ratio = [float(r / (v * q)) for q, r in zip(p, rival, strict=True)]
    steps = sorted(set(ratio))
    between = [0.0] + [(a + b) / 2 for a, b in zip(steps, [*steps[1:], 2 * steps[-1] + 2], strict=True)]
    best = [False] * len(p)
    for m in between:
        won = [m > x and (x < at_most or (not strict and x == at_most)) for x in ratio]
        cost = sum(float(price(v, q, r)) for q, r, w in zip(p, rival, won, strict=True) if w)
        if cost <= budget and sum(won) >= sum(best):
            best = won
    return np.array(best)


def _in_order(v, p, rival, budget):
    """Spend until the money is gone, from morning on."""
    won, left = np.zeros(len(p), dtype=bool), budget
    for i in range(len(p)):
        if rival[i] < v * p[i] and rival[i] <= left:
            won[i], left = True, left - rival[i]
    return won


def _ties_parted(v, p, rival, budget):
    ratio = rival / (v * p)
    order = np.argsort(ratio, kind="stable")
    order = order[ratio[order] < 1]
    won = np.zeros(len(p), dtype=bool)
    won[order[np.cumsum(rival[order]) <= budget]] = True
    return won


def _by_key(key, skip=False):
    def paced(v, p, rival, budget):
        won, left = np.zeros(len(p), dtype=bool), budget
        for i in np.argsort(key(v, p, rival), kind="stable"):
            if rival[i] >= v * p[i]:
                continue
            if rival[i] > left:
                if skip:
                    continue
                break
            won[i], left = True, left - rival[i]
        return won

    return paced


def _day(n, budget):
    return 4.0, np.round(rng.uniform(0.01, 0.3, n), 3), np.round(rng.lognormal(-1, 0.8, n), 3), budget


paced = Function(
    "19.paced",
    cases=[
        Case("a tight budget", _day(40, 1.0)),
        Case("money for everything", _day(30, 1e6)),
        Case("no money", _day(10, 0.0)),
        Case(
            "equal ratios", (2.0, np.array([0.25, 0.5, 0.25, 0.5]), np.array([0.25, 0.5, 0.25, 0.125]), 0.7)
        ),
        Case("a rival that is just as strong", (1.0, np.array([0.5, 0.25]), np.array([0.5, 0.125]), 9.0)),
        Case("views without a rival", (1.0, np.array([0.5, 0.25, 0.5]), np.array([0.0, 0.0, 0.25]), 0.0)),
        Case("a dear view before a cheap one", (1.0, np.array([1.0, 0.1]), np.array([0.5, 0.06]), 0.2)),
        Case("a budget that is just enough", (1.0, np.array([1.0, 1.0]), np.array([0.25, 0.5]), 0.75)),
        Case("a single view", (3.0, np.array([0.5]), np.array([1.0]), 2.0)),
        Case("rivals that are all too strong", (1.0, np.array([0.5, 0.25]), np.array([0.75, 0.5]), 9.0)),
        Case("ratios close together", (1.0, np.array([1.0, 1.0]), np.array([0.500021, 0.500029]), 0.6)),
    ],
    oracle=_paced,
    mistakes=[
        Mistake("the money goes in the order of the day; choose by ratio", _in_order, 2),
        Mistake("views with the same ratio are won together, or not at all", _ties_parted, 2),
        Mistake("m is at most 1: no view above its value", lambda *a: _paced(*a, at_most=np.inf), 1),
        Mistake(
            "the client pays the rival's score, not its own",
            lambda *a: _paced(*a, price=lambda v, p, r: v * p),
            1,
        ),
        Mistake(
            "the cheapest views first is another rule: divide by the value", _by_key(lambda v, p, r: r), 1
        ),
        Mistake(
            "one m for the whole day: after the first view that is too dear, nothing more",
            _by_key(lambda v, p, r: r / (v * p), skip=True),
            2,
        ),
        Mistake(
            "a score must be above the rival's, not just reach it", lambda *a: _paced(*a, strict=False), 1
        ),
    ],
    concepts=["ad-ranking"],
)

TASKS = [slots, truth, undo, encode, from_log, paced]
