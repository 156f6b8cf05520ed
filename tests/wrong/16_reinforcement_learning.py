"""Wrong answers to lecture 16's tasks, each with its message, and right ones written otherwise."""

import numpy as np


# --------------------------------------------------------------------------------------------- iterate
def iterate(P, R, gamma, rounds, best=lambda Q: Q.max(1), paid=1.0, more=0, first=0.0):
    V = np.full(len(P), first)
    for _ in range(rounds + more):
        Q = paid * R + gamma * np.einsum("sat,t->sa", P, V)
        V = best(Q)
    return Q


def half_renewed(P, R, gamma, rounds):
    V, Q = np.zeros(len(P)), np.zeros(R.shape)
    for _ in range(rounds):
        for s in range(len(P)):
            Q[s] = R[s] + gamma * P[s] @ V
            V[s] = Q[s].max()
    return Q


def transposed(P, R, gamma, rounds):
    return iterate(P.transpose(2, 1, 0), R, gamma, rounds)


def recursive(P, R, gamma, rounds):
    """The value of a game that ends after `rounds` steps."""
    if rounds == 1:
        return R + 0.0
    V = recursive(P, R, gamma, rounds - 1).max(1)
    return R + gamma * np.tensordot(P, V, axes=1)


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


# ------------------------------------------------------------------------------------------- reinforce
def reinforce(s, a, r, policy, baseline, gamma, late=None, base=1.0, minus=1.0, start=0.0, inner=None):
    grad, G = np.zeros(policy.shape), start
    for t in range(len(s) - 1, -1, -1):
        G = r[t] + (gamma if inner is None else inner) * G
        push = (gamma if late is None else late) ** t * (G - base * baseline[s[t]])
        grad[s[t], a[t]] += push
        grad[s[t]] -= minus * push * policy[s[t]]
    return grad


def whole_return(s, a, r, policy, baseline, gamma):
    G = (gamma ** np.arange(len(r)) * r).sum()
    grad = np.zeros(policy.shape)
    for t in range(len(s)):
        grad[s[t]] += gamma**t * (G - baseline[s[t]]) * (np.eye(policy.shape[1])[a[t]] - policy[s[t]])
    return grad


def overwritten(s, a, r, policy, baseline, gamma):
    grad = np.zeros(policy.shape)
    for t in range(len(s)):
        G = (gamma ** np.arange(len(r) - t) * r[t:]).sum()
        grad[s[t]] = gamma**t * (G - baseline[s[t]]) * (np.eye(policy.shape[1])[a[t]] - policy[s[t]])
    return grad


def fancy_plus(s, a, r, policy, baseline, gamma):
    """`grad[s] += …` with an array of states adds one contribution for each state only."""
    steps = np.arange(len(r))
    later = np.triu(gamma ** np.maximum(steps[None] - steps[:, None], 0))
    push = gamma**steps * (later @ r - baseline[s])
    grad = np.zeros(policy.shape)
    grad[s] += push[:, None] * (np.eye(policy.shape[1])[a] - policy[s])
    return grad


def all_steps_at_once(s, a, r, policy, baseline, gamma):
    steps = np.arange(len(r))
    later = np.triu(gamma ** np.maximum(steps[None] - steps[:, None], 0))  # γ^(k−t) where k ≥ t
    push = gamma**steps * (later @ r - baseline[s])
    visited = (s[:, None] == np.arange(len(policy))).astype(float)  # (T, S) one-hot
    return visited.T @ (push[:, None] * (np.eye(policy.shape[1])[a] - policy[s]))


# ---------------------------------------------------------------------------------------------- double
def double(net, copy, reward, terminated, gamma, chooses=None, values=None, over=lambda end: end):
    best = (net if chooses is None else chooses(net, copy)).argmax(1)[:, None]
    ahead = np.take_along_axis(copy if values is None else values(net, copy), best, 1)[:, 0]
    return reward + gamma * ahead * ~over(terminated)


def one_hot_choice(net, copy, reward, terminated, gamma):
    chosen = np.eye(net.shape[1])[net.argmax(1)]
    out = reward + gamma * (chosen * copy).sum(1)
    out[terminated] = reward[terminated]
    return out


def ends_negative(net, copy, reward, terminated, gamma):
    out = double(net, copy, reward, terminated, gamma)
    out[terminated] = 0
    return out


# ------------------------------------------------------------------------------------------------ clip
def gain(new, old, advantage, e, rho=lambda new, old: np.exp(new - old), meet=np.minimum):
    rho = rho(new, old)
    return meet(rho * advantage, np.minimum(np.maximum(rho, 1 - e), 1 + e) * advantage)


def by_sign(new, old, advantage, e):
    rho = np.exp(new) / np.exp(old)
    return np.where(advantage > 0, np.minimum(rho, 1 + e), np.maximum(rho, 1 - e)) * advantage


def clipped_log(new, old, advantage, e):
    """Clips the difference of logarithms at ±e, which is not the ratio's band."""
    rho, held = np.exp(new - old), np.exp(np.clip(new - old, -e, e))
    return np.minimum(rho * advantage, held * advantage)


def mean_of_gains(new, old, advantage, e):
    return gain(new, old, advantage, e).mean() if len(new) else np.zeros(0)


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
    "16.iterate": {
        "no discount": (lambda P, R, g, n: iterate(P, R, 1.0, n), "discount is missing"),
        "reward discounted": (lambda P, R, g, n: iterate(P, R, g, n, paid=g), "not the reward"),
        "mean": (lambda *x: iterate(*x, best=lambda Q: Q.mean(1)), "not the mean of all"),
        "worst": (lambda *x: iterate(*x, best=lambda Q: Q.min(1)), "largest Q"),
        "too far": (lambda *x: iterate(*x, more=1), "one round too far"),
        "half renewed": (half_renewed, "not a half renewed one"),
        "no reward": (lambda *x: iterate(*x, paid=0.0), "reward is missing"),
        "transposed": (transposed, "last axis of P"),
        "rewards only": (lambda P, R, g, n: R + 0.0, "these are the rewards"),
        "starts at one": (lambda *x: iterate(*x, first=1.0), "wrong values"),
        "V returned": (lambda *x: iterate(*x).max(1), "shape"),
    },
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
    "16.reinforce": {
        "no γ^t": (lambda *x: reinforce(*x, late=1.0), "in front is missing"),
        "no baseline": (lambda *x: reinforce(*x, base=0.0), "not taken off"),
        "baseline added": (lambda *x: reinforce(*x, base=-1.0), "not added"),
        "taken action only": (lambda *x: reinforce(*x, minus=0.0), "pushes the other actions down"),
        "descends": (lambda *x: -reinforce(*x), "sign is wrong"),
        "whole return": (whole_return, "begins at step t"),
        "G not discounted": (lambda *x: reinforce(*x, inner=1.0), "inside G_t are not discounted"),
        "overwritten": (overwritten, "do not overwrite"),
        "one contribution a state": (fancy_plus, "do not overwrite"),
        "other actions up": (lambda *x: reinforce(*x, minus=-1.0), "wrong values"),
        "begins with one": (lambda *x: reinforce(*x, start=1.0), "wrong values"),
    },
    "16.double": {
        "plain": (lambda *x: double(*x, chooses=lambda net, copy: copy), "plain DQN's target"),
        "net alone": (lambda *x: double(*x, values=lambda net, copy: net), "copy is not asked"),
        "changed places": (
            lambda *x: double(*x, chooses=lambda net, copy: copy, values=lambda net, copy: net),
            "changed places",
        ),
        "no end": (lambda *x: double(*x, over=lambda end: end & False), "nothing follows"),
        "upside down": (lambda *x: double(*x, over=lambda end: ~end), "where it should be on"),
        "worst": (lambda *x: double(*x, chooses=lambda net, copy: -net), "not its worst"),
        "no discount": (lambda a, b, r, e, g: double(a, b, r, e, 1.0), "discount is missing"),
        "no reward": (lambda a, b, r, e, g: double(a, b, 0 * r, e, g), "reward is missing"),
        "ends at zero": (ends_negative, "wrong values"),
    },
    "16.clip": {
        "old over new": (
            lambda *x: gain(*x, rho=lambda new, old: np.exp(old - new)),
            "not old over new",
        ),
        "logs divided": (lambda *x: gain(*x, rho=lambda new, old: new / old), "exp of their difference"),
        "no exp": (lambda *x: gain(*x, rho=lambda new, old: new - old), "exp is missing"),
        "clipped only": (lambda *x: gain(*x, meet=lambda free, held: held), "only clipped"),
        "free": (lambda *x: gain(*x, meet=lambda free, held: free), "nothing is clipped"),
        "larger": (lambda *x: gain(*x, meet=np.maximum), "not the larger"),
        "loss": (lambda *x: -gain(*x), "other sign"),
        "minimum of ratios": (
            lambda new, old, A, e: np.minimum(np.exp(new - old), 1 + e) * A,
            "not over the ratios",
        ),
        "clipped ratios met": (
            lambda new, old, A, e: (
                np.minimum(np.exp(new - old), np.clip(np.exp(new - old), 1 - e, 1 + e)) * A
            ),
            "not over the ratios",
        ),
        "logs clipped": (clipped_log, "wrong values"),
        "mean": (mean_of_gains, "should be a NumPy array"),
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
    "16.iterate": {"einsum": iterate, "recursive": recursive},
    "16.learn": {"weighted mean": learn, "a dict of rows": with_rows},
    "16.reinforce": {"in parts": reinforce, "one product": all_steps_at_once},
    "16.double": {"take along": double, "one-hot": one_hot_choice},
    "16.clip": {"bounds in turn": gain, "by sign": by_sign},
    "16.puct": {"divide where": puct, "legal only": among_legal, "sorted": sorted_moves},
}
