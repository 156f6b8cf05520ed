"""Wrong answers to lecture 19's tasks, each with its message, and right ones written otherwise."""

import numpy as np
from scipy.special import expit, logit


# ----------------------------------------------------------------------------------------------- slots
def slots(bid, pctr, S, reserve, beat=None, divide=True, floor=True, keep=True):
    """Best first, one slot after the other: mask the winner and look again."""
    score, row = bid * pctr, np.arange(len(bid))
    left = np.c_[score, np.full((len(bid), S + 1), -1.0)]
    winner, price = np.full((len(bid), S), -1), np.zeros((len(bid), S))
    for slot in range(S):
        a = left.argmax(1)
        top = left[row, a].copy()
        left[row, a] = -1
        ok = (top >= (reserve if keep else 0)) & (top >= 0)
        against = np.maximum(left.max(1), reserve if floor else 0)
        if beat is not None:
            against = beat(score, against)
        p = pctr[row, np.minimum(a, bid.shape[1] - 1)]
        winner[ok, slot] = a[ok]
        price[ok, slot] = (against / p if divide else against)[ok]
    return winner, price


def first_price(bid, pctr, S, reserve):
    winner, _ = slots(bid, pctr, S, reserve)
    return winner, np.where(winner >= 0, np.take_along_axis(bid, np.maximum(winner, 0), 1), 0.0)


def by_bid(bid, pctr, S, reserve):
    winner, _ = slots(bid, np.ones_like(pctr), S, reserve)
    return winner, _ / np.where(winner >= 0, np.take_along_axis(pctr, np.maximum(winner, 0), 1), 1)


def second_for_all(bid, pctr, S, reserve):
    def beat(score, against):
        two = np.sort(np.c_[score, np.zeros(len(score))], axis=1)[:, -2]
        return np.maximum(two, reserve)

    return slots(bid, pctr, S, reserve, beat=beat)


def mirrored(bid, pctr, S, reserve):
    winner, price = slots(bid[:, ::-1], pctr[:, ::-1], S, reserve)
    return np.where(winner >= 0, bid.shape[1] - 1 - winner, -1), price


def above_reserve(bid, pctr, S, reserve):
    return slots(bid, pctr, S, np.nextafter(reserve, np.inf))


def padded_with_zeros(bid, pctr, S, reserve, kind="stable", fill=0.0):
    """Missing ads get the score `fill`: 0 reaches a reserve of 0."""
    room = ((0, 0), (0, S + 1))
    score, p = np.pad(bid * pctr, room, constant_values=fill), np.pad(pctr, room, constant_values=1.0)
    order = np.argsort(-score, axis=1, kind=kind)[:, : S + 1]
    ranked = np.take_along_axis(score, order, axis=1)
    shown = (ranked[:, :S] >= reserve) & (ranked[:, :S] >= 0)
    price = np.maximum(ranked[:, 1:], reserve) / np.take_along_axis(p, order, axis=1)[:, :S]
    return np.where(shown, order[:, :S], -1), np.where(shown, price, 0.0)


def losers_left_out(bid, pctr, S, reserve):
    """Only shown ads set prices."""
    winner, _ = slots(bid, pctr, S, reserve)
    at = np.maximum(winner, 0)
    score = np.where(winner >= 0, np.take_along_axis(bid * pctr, at, 1), 0)
    after = np.c_[score[:, 1:], np.zeros(len(bid))]
    price = np.maximum(after, reserve) / np.take_along_axis(pctr, at, 1)
    return winner, np.where(winner >= 0, price, 0.0)


def sorted_by_bid_too(bid, pctr, S, reserve):
    """Sorts tuples (−score, bid, …): of equal scores the smaller bid goes first."""
    order = np.lexsort((bid, -bid * pctr), axis=1)
    winner, price = slots(*(np.take_along_axis(a, order, 1) for a in (bid, pctr)), S, reserve)
    return np.where(winner >= 0, np.take_along_axis(order, np.maximum(winner, 0), 1), -1), price


def hidden_by(reaches):
    """The reserve asks another question than whether the own score reaches it."""

    def answer(bid, pctr, S, reserve):
        winner, price = slots(bid, pctr, S, reserve, keep=False)
        shown = (winner >= 0) & reaches(bid, pctr, np.maximum(winner, 0), reserve)
        return np.where(shown, winner, -1), np.where(shown, price, 0.0)

    return answer


def bid_reaches(bid, pctr, at, reserve):
    return np.take_along_axis(bid, at, 1) >= reserve


def best_reaches(bid, pctr, at, reserve):
    return (bid * pctr).max(1, keepdims=True) >= reserve


def slots_as_lists(bid, pctr, S, reserve):
    out, paid = np.full((len(bid), S), -1), np.zeros((len(bid), S))
    for i in range(len(bid)):
        offers = sorted(((-b * p, a) for a, (b, p) in enumerate(zip(bid[i], pctr[i], strict=True))))
        offers = [(-s, a) for s, a in offers] + [(0.0, None)]
        for slot in range(min(S, len(offers) - 1)):
            s, a = offers[slot]
            if s < reserve:
                break
            out[i, slot], paid[i, slot] = a, max(offers[slot + 1][0], reserve) / pctr[i, a]
    return out, paid


# ------------------------------------------------------------------------------------------------ undo
def undo_by_odds(q, keep):
    """From the odds, with a prediction of 1 left alone."""
    with np.errstate(divide="ignore"):
        odds = keep * q / (1 - q)
    return np.where(q == 1, 1.0, odds / (1 + np.where(np.isinf(odds), 0, odds)))


def odds_only(q, keep):
    with np.errstate(divide="ignore"):
        return keep * q / (1 - q)


# ---------------------------------------------------------------------------------------------- encode
def encode(ids, hour, click, prior, weight, same=False, own=True):
    """All pairs of rows at once."""
    sees = (hour[:, None] >= hour) if same else (hour[:, None] > hour)
    sees = sees & (ids[:, None] == ids)
    if not own:
        sees = sees & ~np.eye(len(ids), dtype=bool)
    return (sees @ click + weight * prior) / (sees.sum(1) + weight)


def encode_by_sort(ids, hour, click, prior, weight):
    out = np.zeros(len(ids))
    for one in np.unique(ids):
        rows = np.flatnonzero(ids == one)
        rows = rows[np.argsort(hour[rows], kind="stable")]
        before = np.searchsorted(hour[rows], hour[rows], side="left")
        clicks = np.r_[0, np.cumsum(click[rows])][before]
        out[rows] = (clicks + weight * prior) / (before + weight)
    return out


def leave_one_out(ids, hour, click, prior, weight):
    clicks, seen = np.bincount(ids, click), np.bincount(ids)
    return (clicks[ids] - click + weight * prior) / (seen[ids] - 1 + weight)


def running(ids, hour, click, prior, weight):
    """In the order of time, without care for equal hours."""
    out, clicks, seen = np.zeros(len(ids)), {}, {}
    for i in np.argsort(hour, kind="stable"):
        k = ids[i]
        out[i] = (clicks.get(k, 0) + weight * prior) / (seen.get(k, 0) + weight)
        clicks[k], seen[k] = clicks.get(k, 0) + click[i], seen.get(k, 0) + 1
    return out


def rows_above(ids, hour, click, prior, weight):
    return encode(ids, np.arange(len(ids)), click, prior, weight)


def no_smoothing(ids, hour, click, prior, weight):
    small = encode(ids, hour, click, prior, 1e-13)
    return small


# -------------------------------------------------------------------------------------------- from_log
def from_log(shown, mu, y, new, clip):
    agree = shown == new
    if agree.sum() == 0:
        return 0.0, 0.0
    w = np.clip(1 / mu[agree], None, clip)
    return float(np.average(y[agree], weights=w)), float(1 / ((w / w.sum()) ** 2).sum())


def log_with(weights, estimate=None, size=None):
    def answer(shown, mu, y, new, clip):
        w = weights(shown, mu, new, clip)
        if not w.any():
            return 0.0, 0.0
        value = (w * y).sum() / (w.sum() if estimate is None else estimate(w))
        return float(value), float(w.sum() ** 2 / (w**2).sum() if size is None else size(w))

    return answer


def usual(shown, mu, new, clip):
    return np.minimum(1 / mu, clip) * (shown == new)


def zero_by_zero(shown, mu, y, new, clip):
    w = usual(shown, mu, new, clip)
    with np.errstate(all="ignore"):
        return float(np.sum(w * y) / np.sum(w)), float(np.sum(w) ** 2 / np.sum(w**2))


def nothing_earned(shown, mu, y, new, clip):
    """Takes an estimate of 0 for rankings that never agree."""
    estimate, size = from_log(shown, mu, y, new, clip)
    return (estimate, size) if estimate else (0.0, 0.0)


# ----------------------------------------------------------------------------------------------- paced
def paced(v, p, rival, budget):
    """Sorted, with the last row of each group of equal ratios as the only place to cut."""
    ratio = rival / (v * p)
    order = np.argsort(ratio, kind="stable")
    cost, r = np.cumsum(rival[order]), ratio[order]
    ends = np.r_[r[1:] != r[:-1], True] & (r < 1) & (cost <= budget)
    won = np.zeros(len(p), dtype=bool)
    if ends.any():
        won[order[: np.flatnonzero(ends).max() + 1]] = True
    return won


def parted(v, p, rival, budget):
    ratio = rival / (v * p)
    won, spent = np.zeros(len(p), dtype=bool), 0.0
    for i in np.argsort(ratio, kind="stable"):
        if ratio[i] >= 1 or spent + rival[i] > budget:
            break
        won[i], spent = True, spent + rival[i]
    return won


def skipping(v, p, rival, budget):
    ratio = rival / (v * p)
    won, spent = np.zeros(len(p), dtype=bool), 0.0
    for i in np.argsort(ratio, kind="stable"):
        if ratio[i] < 1 and spent + rival[i] <= budget:
            won[i], spent = True, spent + rival[i]
    return won


def morning(v, p, rival, budget):
    won = np.zeros(len(p), dtype=bool)
    for i in range(len(p)):
        won[i] = rival[i] < v * p[i] and rival[won].sum() + rival[i] <= budget
    return won


def over_value(v, p, rival, budget):
    ratio = rival / (v * p)
    levels = [r for r in np.unique(ratio) if rival[ratio <= r].sum() <= budget]
    return ratio <= levels[-1] if levels else np.zeros(len(p), dtype=bool)


def pays_own(v, p, rival, budget):
    ratio = rival / (v * p)
    levels = [r for r in np.unique(ratio[ratio < 1]) if (v * p)[ratio <= r].sum() <= budget]
    return ratio <= levels[-1] if levels else np.zeros(len(p), dtype=bool)


def reaching(v, p, rival, budget):
    ratio = rival / (v * p)
    levels = [r for r in np.unique(ratio[ratio <= 1]) if rival[ratio <= r].sum() <= budget]
    return ratio <= levels[-1] if levels else np.zeros(len(p), dtype=bool)


def on_a_grid(v, p, rival, budget):
    won = [m * v * p > rival for m in np.linspace(0, 1, 10_001)]
    return [w for w in won if rival[w].sum() <= budget][-1]


def from_the_top(v, p, rival, budget):
    """Begins with all that can be won, as if there were always some."""
    ratio = rival / (v * p)
    levels = list(np.unique(ratio[ratio < 1]))
    won = ratio <= levels[-1]
    while rival[won].sum() > budget:
        levels.pop()
        won = ratio <= levels[-1] if levels else np.zeros(len(p), dtype=bool)
    return won


WRONG = {
    "19.slots": {
        "first price": (first_price, "first price"),
        "not divided": (lambda *a: slots(*a, divide=False), "price of a view"),
        "second for all": (second_for_all, "not against the second of all"),
        "no floor": (lambda *a: slots(*a, floor=False), "in the price as well"),
        "reserve only a price": (lambda *a: slots(*a, keep=False), "below the reserve"),
        "last of equals": (mirrored, "smaller number"),
        "above the reserve only": (above_reserve, "wrong values"),
        "losers set no price": (losers_left_out, "best loser"),
        "by bid": (by_bid, "not by bid"),
        "winners only": (lambda *a: slots(*a)[0], "expected 2 results"),
        "ads that do not exist": (padded_with_zeros, "wrong values for one ad"),
        "any of a tie": (lambda *a: padded_with_zeros(*a, kind=None, fill=-1.0), "wrong values for sixty"),
        "ties by bid": (sorted_by_bid_too, "wrong values for equal scores of different bids"),
        "reserve for bids": (hidden_by(bid_reaches), "wrong values for a reserve that some reach"),
        "reserve for the best": (hidden_by(best_reaches), "wrong values for a reserve that some reach"),
        "one slot": (lambda b, p, S, r: slots(b, p, 1, r), "shape"),
    },
    "19.truth": {
        "the truth": ("a", "both gains"),
        "nothing": ("c", "both gains"),
        "a number": (7.2, "answer with one of"),
    },
    "19.undo": {
        "times keep": (lambda q, keep: q * keep, "small q only"),
        "upside down": (lambda q, keep: q / (q + (1 - q) * keep), "upside down"),
        "clicks too": (lambda q, keep: (q / keep) / (q / keep + (1 - q) / keep), "nothing is undone"),
        "one share": (lambda q, keep: q / (q + (1 - q) / keep.mean()), "a share of its own"),
        "odds": (odds_only, ""),
        "shifted by a common logarithm": (lambda q, keep: expit(logit(q) + np.log10(keep)), "wrong values"),
        "nothing undone": (lambda q, keep: q, "nothing is undone"),
        "the first only": (lambda q, keep: (q / (q + (1 - q) / keep))[:1], "shape"),
    },
    "19.encode": {
        "same hour": (lambda *a: encode(*a, same=True), "same hour still see one another"),
        "leave one out": (leave_one_out, "not enough"),
        "running": (running, "same hour still see those above"),
        "rows above": (rows_above, "compare hours"),
        "backward": (lambda i, h, *a: encode(i, -h, *a), "backward"),
        "no smoothing": (no_smoothing, "smoothing is lost"),
        "all ids alike": (lambda i, *a: encode(0 * i, *a), "counters of its own"),
        "same hour but own": (lambda *a: encode(*a, same=True, own=False), "wrong values"),
        "clicks counted": (lambda i, h, c, p, w: encode(i, h, c, p, w) * (1 + w), "wrong values"),
    },
    "19.from_log": {
        "IPS": (log_with(usual, lambda w: len(w)), "sum of the weights"),
        "mean of agreeing": (log_with(usual, lambda w: (w > 0).sum()), "rows that agree"),
        "not clipped": (log_with(lambda s, m, n, c: (s == n) / m), "clipped yet"),
        "dropped": (log_with(lambda s, m, n, c: (s == n) / m * (1 / m <= c)), "not dropped"),
        "all rows": (log_with(lambda s, m, n, c: np.minimum(1 / m, c)), "disagree"),
        "rows that agree": (log_with(usual, size=lambda w: (w > 0).sum()), "effective size is not"),
        "upside down": (log_with(usual, size=lambda w: (w**2).sum() / w.sum() ** 2), "upside down"),
        "zero by zero": (zero_by_zero, "contains nan"),
        "weights are mu": (log_with(lambda s, m, n, c: m * (s == n)), "wrong values"),
        "nothing earned": (nothing_earned, "wrong values for rows that earned nothing"),
        "estimate only": (lambda *a: from_log(*a)[0], "expected 2 results"),
    },
    "19.paced": {
        "morning": (morning, "order of the day"),
        "parted": (parted, "won together"),
        "skipping": (skipping, "one m for the whole day"),
        "above value": (over_value, "at most 1"),
        "own price": (pays_own, "not its own"),
        "reaching": (reaching, "not just reach it"),
        "all that pay": (lambda v, p, r, b: r < v * p, "wrong values"),
        "on a grid": (on_a_grid, "wrong values for ratios close together"),
        "from the top": (from_the_top, "stops for rivals that are all too strong"),
        "numbers": (lambda *a: np.flatnonzero(paced(*a)), "shape"),
        "zeros and ones": (lambda *a: paced(*a).astype(int), "dtype"),
    },
}

RIGHT = {
    "19.slots": {"one by one": slots, "lists": slots_as_lists},
    "19.truth": {"b": "b", "B.": "B."},
    "19.undo": {
        "odds": undo_by_odds,
        "shift": lambda q, keep: expit(logit(q) + np.log(keep)),
        "clicks thinned": lambda q, keep: q * keep / (q * keep + 1 - q),
    },
    "19.encode": {"pairs": encode, "sorted": encode_by_sort},
    "19.from_log": {"average": from_log, "weights": log_with(usual)},
    "19.paced": {"cut at ends": paced},
}
