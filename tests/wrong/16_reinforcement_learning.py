"""Wrong answers to lecture 16's tasks, each with its message, and right ones written otherwise."""

import numpy as np


# ----------------------------------------------------------------------------------------------- learn
def learn(Q, s, a, reward, after, terminated, truncated, lr, gamma, over=lambda end, stop: end, best=np.max):
    Q = Q.copy()
    for i in range(len(s)):
        target = reward[i] + gamma * best(Q[after[i]]) * (not over(terminated[i], truncated[i]))
        Q[s[i], a[i]] = (1 - lr) * Q[s[i], a[i]] + lr * target
    return Q


def all_at_once(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    new = Q.copy()
    new[s, a] += lr * (reward + gamma * np.where(terminated, 0, Q[after].max(1)) - Q[s, a])
    return new


def ends_skipped(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    k = ~terminated
    return learn(Q, s[k], a[k], reward[k], after[k], terminated[k], truncated[k], lr, gamma)


def learn_in_place(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    Q[:] = learn(Q, s, a, reward, after, terminated, truncated, lr, gamma)
    return Q


def last_row_wiped(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    """Sets the end's row to zero, which it may not be elsewhere."""
    Q = Q.copy()
    Q[after[terminated]] = 0
    return learn(Q, s, a, reward, after, terminated & False, truncated, lr, gamma)


def with_rows(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    table = {k: row.copy() for k, row in enumerate(Q)}
    for here, act, gain, there, end in zip(s, a, reward, after, terminated, strict=True):
        future = 0 if end else gamma * table[there].max()
        table[here][act] += lr * (gain + future - table[here][act])
    return np.stack([table[k] for k in range(len(Q))])


# ------------------------------------------------------------------------------------------------ puct
def puct(N, W, P, legal, c, f, unseen=lambda seen, f: seen - f, root=lambda n: np.sqrt(1 + n), closed=-np.inf,
         over_legal=True, known=0):  # fmt: skip
    on = legal if over_legal else np.ones_like(legal)
    n = N[on].sum()
    seen = W[on].sum() / max(n, 1)
    value = np.full(len(N), unseen(seen, f), dtype=float)
    np.divide(W, N, out=value, where=known < N)
    return int(np.argmax(np.where(legal, value + c * P * root(n) / (1 + N), closed)))


def last_of_ties(N, W, P, legal, c, f):
    return len(N) - 1 - puct(N[::-1], W[::-1], P[::-1], legal[::-1], c, f)


def number_among_legal(N, W, P, legal, c, f):
    k = np.flatnonzero(legal)
    return puct(N[k], W[k], P[k], legal[k], c, f)


def among_legal(N, W, P, legal, c, f):
    k = np.flatnonzero(legal)
    return int(k[puct(N[k], W[k], P[k], legal[k], c, f)])


def sorted_moves(N, W, P, legal, c, f):
    n = sum(N[legal])
    seen = sum(W[legal]) / n if n else 0

    def score(k):
        return (W[k] / N[k] if N[k] else seen - f) + c * P[k] * (1 + n) ** 0.5 / (1 + N[k])

    return min((k for k in range(len(N)) if legal[k]), key=lambda k: (-score(k), k))


def nan_value(N, W, P, legal, c, f):
    with np.errstate(all="ignore"):
        score = np.where(legal, W / N + c * P * np.sqrt(1 + N.sum()) / (1 + N), -np.inf)
    return int(score.argmax())


WRONG = {
    "16.learn": {
        "time is no end": (
            lambda *x: learn(*x, over=lambda end, stop: end or stop),
            "has not ended",
        ),
        "the other flag": (lambda *x: learn(*x, over=lambda end, stop: stop), "should be terminated"),
        "upside down": (lambda *x: learn(*x, over=lambda end, stop: not end), "where it should be on"),
        "all at once": (all_at_once, "step before has left"),
        "ends skipped": (ends_skipped, "teaches too"),
        "mean": (lambda *x: learn(*x, best=np.mean), "not their mean"),
        "in place": (learn_in_place, "changes its input"),
        "row wiped": (last_row_wiped, "wrong values"),
    },
    "16.puct": {
        "the lecture's": (lambda *x: puct(*x, unseen=lambda seen, f: 0.0), "lecture's rule"),
        "no reduction": (lambda *x: puct(*x, unseen=lambda seen, f: seen), "not taken off"),
        "added": (lambda *x: puct(*x, unseen=lambda seen, f: seen + f), "not added"),
        "off zero": (lambda *x: puct(*x, unseen=lambda seen, f: -f), "not off what was seen"),
        "first of all": (lambda *x: puct(*x, unseen=lambda seen, f: 1e6), "before all others"),
        "illegal counts 0": (lambda *x: puct(*x, closed=0.0), "illegal move was chosen"),
        "last of ties": (last_of_ties, "smallest number"),
        "without the one": (lambda *x: puct(*x, root=np.sqrt), "wrong values"),
        "number among legal": (number_among_legal, "an illegal move was chosen"),
        "0 / 0": (nan_value, "wrong values"),
        "root forgotten": (lambda *x: puct(*x, root=lambda n: 1.0), "wrong values"),
        "illegal visits counted": (lambda *x: puct(*x, over_legal=False), "wrong values for position"),
        "two under the root": (
            lambda *x: puct(*x, root=lambda n: np.sqrt(2 + n)),
            "wrong values for position",
        ),
        "one visit is none": (lambda *x: puct(*x, known=1), "wrong values for position"),
    },
}

RIGHT = {
    "16.learn": {"weighted mean": learn, "a dict of rows": with_rows},
    "16.puct": {"divide where": puct, "legal only": among_legal, "sorted": sorted_moves},
}
