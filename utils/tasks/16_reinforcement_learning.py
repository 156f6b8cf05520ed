"""The tasks of lecture 16."""

import numpy as np

from utils.checks import Case, Function, Mistake, Rule

rng = np.random.default_rng(15)


# -------------------------------------------------------------------------------------------- 16.learn
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
    "16.learn",
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


# --------------------------------------------------------------------------------------------- 16.puct
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
    "16.puct",
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


TASKS = [learn, puct]
