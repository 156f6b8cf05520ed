"""The tasks of lecture 16."""

import numpy as np

from utils.checks import Case, Function, Mistake, Rule

rng = np.random.default_rng(15)


# ------------------------------------------------------------------------------------------ 16.iterate
def _world(S, A, gamma, rounds, seed, ends=0):
    """Chances of all kinds; from the last `ends` states nothing follows and nothing is earned."""
    draw = np.random.default_rng(seed)
    P = draw.dirichlet(np.ones(S), size=(S, A))
    P[draw.random((S, A, S)) < 0.3] = 0
    P /= np.maximum(P.sum(2, keepdims=True), 1e-9)
    R = 2 * draw.normal(size=(S, A))
    if ends:
        P[-ends:], R[-ends:] = 0, 0
    return P, R, gamma, rounds


def _corridor(rounds):
    """The lecture's: A, B, goal; left, right."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[1, 0, 0] = 1
    P[0, 1, [0, 1]] = P[1, 1, [1, 2]] = 0.2, 0.8
    return P, np.array([[-1.0, -1], [-1, -1], [0, 0]]), 0.9, rounds


def _look_ahead(P, R, gamma, rounds, best=max, reward=1.0, late=0, in_place=False, own=1.0):
    """The same in nested loops; the arguments are the usual slips."""
    S, A = R.shape
    V = [0.0] * S
    for _ in range(rounds + late):
        old = V if in_place else list(V)
        Q = []
        for s in range(S):
            Q.append([
                reward * R[s, a] + gamma * own * sum(P[s, a, k] * old[k] for k in range(S)) for a in range(A)
            ])  # fmt: skip
            if in_place:
                V[s] = best(Q[s])
        V = V if in_place else [best(row) for row in Q]
    return np.array(Q)


def _mean(row):
    return sum(row) / len(row)


def _backward(P, R, gamma, rounds):
    V = np.zeros(len(P))
    for _ in range(rounds):
        Q = R + gamma * np.einsum("tas,t->sa", P, V)
        V = Q.max(1)
    return Q


iterate = Function(
    "16.iterate",
    cases=[
        Case("the lecture's corridor, two rounds", _corridor(2)),
        Case("the corridor, five rounds", _corridor(5)),
        Case("one round", _world(4, 3, 0.9, 1, seed=1)),
        Case("six states, three actions", _world(6, 3, 0.8, 7, seed=2, ends=1)),
        Case("one action", _world(5, 1, 0.95, 4, seed=3)),
        Case("no discount, three rounds", _world(4, 2, 1.0, 3, seed=4, ends=2)),
        Case("a discount of 0", _world(4, 2, 0.0, 3, seed=5)),
    ],
    oracle=_look_ahead,
    mistakes=[
        Mistake("the discount is missing", lambda P, R, gamma, rounds: _look_ahead(P, R, 1.0, rounds), 2),
        Mistake(
            "the discount multiplies what comes after, not the reward",
            lambda P, R, gamma, rounds: _look_ahead(P, R, gamma, rounds, reward=gamma),
            2,
        ),
        Mistake(
            "the best action counts, not the mean of all", lambda *args: _look_ahead(*args, best=_mean), 1
        ),
        Mistake(
            "the best action is the one with the largest Q", lambda *args: _look_ahead(*args, best=min), 1
        ),
        Mistake("this looks one round too far", lambda *args: _look_ahead(*args, late=1), 1),
        Mistake(
            "each round reads the V of the round before, not a half renewed one",
            lambda *args: _look_ahead(*args, in_place=True),
            1,
        ),
        Mistake("the reward is missing", lambda *args: _look_ahead(*args, reward=0.0), 1),
        Mistake("the last axis of P is the next state: sum over that one", _backward, 1),
        Mistake(
            "nothing is looked ahead: these are the rewards", lambda *args: _look_ahead(*args, own=0.0), 1
        ),
    ],
    concepts=["reinforcement-learning"],
)


# -------------------------------------------------------------------------------------------- 16.learn
def _steps(n, S, A, ends=0.2, stops=0.2, lr=0.3, gamma=0.9):
    kind = rng.random(n)
    terminated, truncated = kind < ends, kind > 1 - stops
    return (
        rng.normal(size=(S, A)) + 1,
        rng.integers(0, S, n),
        rng.integers(0, A, n),
        rng.normal(size=n),
        rng.integers(0, S, n),
        terminated,
        truncated,
        lr,
        gamma,
    )


def _chain():
    """Three steps along a line, the last one ends: the order matters."""
    return (
        np.zeros((4, 2)),
        np.array([2, 1, 0]),
        np.array([0, 0, 0]),
        np.array([1.0, 0, 0]),
        np.array([3, 2, 1]),
        np.array([True, False, False]),
        np.zeros(3, bool),
        1.0,
        0.5,
    )


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


# ---------------------------------------------------------------------------------------- 16.reinforce
def _episode(T, S, A, gamma, seed):
    draw = np.random.default_rng(seed)
    policy = draw.dirichlet(np.ones(A), size=S)
    return (draw.integers(0, S, T), draw.integers(0, A, T), draw.normal(size=T) - 1, policy,
            draw.normal(size=S), gamma)  # fmt: skip


def _by_nudge(s, a, r, policy, baseline, gamma):
    """Differences of the weighted log-chances, in the logits: no formula for the slope."""
    T, weight = len(s), []
    for t in range(T):
        G = sum(gamma ** (k - t) * r[k] for k in range(t, T))
        weight.append(gamma**t * (G - baseline[s[t]]))

    def total(logits):
        chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return sum(w * np.log(chances[i, j]) for w, i, j in zip(weight, s, a, strict=True))

    logits, grad, nudge = np.log(policy), np.zeros_like(policy), 1e-5
    for place in np.ndindex(policy.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += nudge
        down[place] -= nudge
        grad[place] = (total(up) - total(down)) / (2 * nudge)
    return grad


def _slips(s, a, r, policy, baseline, gamma, late=None, base=1.0, taken_only=False, sign=1.0, to_go=True,
           future=None, before=False, once=False):  # fmt: skip
    T, grad = len(s), np.zeros_like(policy)
    for t in range(T):
        span = range(t, T) if to_go else range(T)
        span = range(t + 1) if before else span
        G = sum((gamma if future is None else future) ** abs(k - (t if to_go else 0)) * r[k] for k in span)
        push = (gamma if late is None else late) ** t * (G - base * baseline[s[t]])
        slope = np.eye(policy.shape[1])[a[t]] - (0 if taken_only else policy[s[t]])
        grad[s[t]] = sign * push * slope + (0 if once else grad[s[t]])
    return grad


reinforce = Function(
    "16.reinforce",
    cases=[
        Case("one step", _episode(1, 2, 2, 0.9, seed=11)),
        Case(
            "three steps in three states",
            (
                np.array([0, 1, 2]),
                np.array([1, 0, 1]),
                np.array([-1.0, -1, -5]),
                np.full((3, 2), 0.5),
                np.array([-6.0, -5, -4]),
                0.9,
            ),
        ),
        Case("twelve steps", _episode(12, 4, 3, 0.8, seed=12)),
        Case("one state, again and again", _episode(6, 1, 3, 0.9, seed=13)),
        Case("no discount", _episode(7, 3, 2, 1.0, seed=14)),
        Case("an episode without steps", _episode(0, 3, 2, 0.9, seed=15)),
    ],
    oracle=_by_nudge,
    mistakes=[
        Mistake("the factor γ^t in front is missing", lambda *args: _slips(*args, late=1.0), 1),
        Mistake("the baseline is not taken off", lambda *args: _slips(*args, base=0.0), 1),
        Mistake("the baseline is taken off, not added", lambda *args: _slips(*args, base=-1.0), 1),
        Mistake(
            "the slope of log π also pushes the other actions down: minus π in the whole row",
            lambda *args: _slips(*args, taken_only=True),
            2,
        ),
        Mistake("the sign is wrong: this descends", lambda *args: _slips(*args, sign=-1.0), 1),
        Mistake(
            "G_t begins at step t: what was earned before is settled",
            lambda *args: _slips(*args, to_go=False),
            1,
        ),
        Mistake("the rewards inside G_t are not discounted", lambda *args: _slips(*args, future=1.0), 1),
        Mistake(
            "G_t adds up what comes after step t, not what came before",
            lambda *args: _slips(*args, before=True),
            1,
        ),
        Mistake(
            "a state visited twice gets both contributions: add, do not overwrite",
            lambda *args: _slips(*args, once=True),
            2,
        ),
    ],
    concepts=["reinforcement-learning"],
    rtol=1e-5,
    atol=1e-7,
)


# ------------------------------------------------------------------------------------------- 16.double
def _after(n, A, gamma, seed, ends=0.3):
    draw = np.random.default_rng(seed)
    net = draw.normal(size=(n, A)) + 2
    return net, net + draw.normal(size=(n, A)), draw.normal(size=n), draw.random(n) < ends, gamma


def _row_by_row(net, copy, reward, terminated, gamma, chooses=0, values=1, ends=True, pick=max, paid=1.0):
    tables, out = (net, copy), []
    for i in range(len(reward)):
        row = list(tables[chooses][i])
        ahead = tables[values][i][row.index(pick(row))]
        out.append(paid * reward[i] + (0.0 if ends and terminated[i] else gamma * ahead))
    return np.array(out)


double = Function(
    "16.double",
    cases=[
        Case(
            "two actions",
            (np.array([[1.0, 2]]), np.array([[5.0, 3]]), np.array([1.0]), np.array([False]), 0.9),
        ),
        Case("an end", (np.array([[1.0, 2]]), np.array([[5.0, 3]]), np.array([1.0]), np.array([True]), 0.9)),
        Case("twenty steps, three actions", _after(20, 3, 0.9, seed=21)),
        Case(
            "a tie",
            (np.ones((2, 3)), np.array([[1.0, 2, 3], [3, 2, 1]]), np.zeros(2), np.zeros(2, bool), 0.5),
        ),
        Case("negative values", tuple(-x if i < 3 else x for i, x in enumerate(_after(9, 4, 0.8, seed=22)))),
        Case("no end anywhere, no discount", _after(6, 2, 1.0, seed=23, ends=0)),
        Case("no steps", _after(0, 2, 0.9, seed=24)),
    ],
    oracle=_row_by_row,
    mistakes=[
        Mistake(
            "this is the plain DQN's target: the copy both chooses and values",
            lambda *args: _row_by_row(*args, chooses=1),
            1,
        ),
        Mistake(
            "the net both chooses and values: the copy is not asked",
            lambda *args: _row_by_row(*args, values=0),
            1,
        ),
        Mistake(
            "the two have changed places: the net chooses, the copy values",
            lambda *args: _row_by_row(*args, chooses=1, values=0),
            1,
        ),
        Mistake(
            "after an end nothing follows: the target is the reward alone",
            lambda *args: _row_by_row(*args, ends=False),
            1,
        ),
        Mistake(
            "the future is switched off where it should be on",
            lambda net, copy, reward, terminated, gamma: _row_by_row(net, copy, reward, ~terminated, gamma),
            1,
        ),
        Mistake(
            "the net chooses its best action, not its worst", lambda *args: _row_by_row(*args, pick=min), 1
        ),
        Mistake(
            "the discount is missing",
            lambda net, copy, reward, terminated, gamma: _row_by_row(net, copy, reward, terminated, 1.0),
            1,
        ),
        Mistake("the reward is missing", lambda *args: _row_by_row(*args, paid=0.0), 1),
    ],
    concepts=["reinforcement-learning"],
)


# --------------------------------------------------------------------------------------------- 16.clip
def _batch(n, e, seed, spread=0.4):
    draw = np.random.default_rng(seed)
    old = np.log(draw.uniform(0.05, 0.9, n))
    return old + spread * draw.normal(size=n), old, draw.normal(size=n), e


def _case_by_case(new, old, advantage, e):
    """No minimum: where the way out of the band would pay, the gain stays at the band's edge."""
    out = []
    for up, down, A in zip(new, old, advantage, strict=True):
        rho = np.exp(up) / np.exp(down)
        if A >= 0 and rho > 1 + e:
            rho = 1 + e
        elif A < 0 and rho < 1 - e:
            rho = 1 - e
        out.append(rho * A)
    return np.array(out)


def _with(
    new, old, advantage, e, ratio=lambda new, old: np.exp(new - old), meet=np.minimum, low=True, top=True
):
    rho = ratio(new, old)
    held = np.clip(rho, 1 - e if low else None, 1 + e if top else None)
    return meet(rho * advantage, held * advantage)


clip = Function(
    "16.clip",
    cases=[
        Case("a good action, likelier", (np.log([0.6]), np.log([0.4]), np.array([2.0]), 0.2)),
        Case("a bad action, likelier", (np.log([0.6]), np.log([0.4]), np.array([-2.0]), 0.2)),
        Case("a bad action, less likely", (np.log([0.2]), np.log([0.4]), np.array([-2.0]), 0.2)),
        Case("a good action, less likely", (np.log([0.2]), np.log([0.4]), np.array([2.0]), 0.2)),
        Case("forty steps", _batch(40, 0.2, seed=31)),
        Case("a narrow band", _batch(20, 0.05, seed=32)),
        Case("the old policy", (np.log([0.3, 0.5]), np.log([0.3, 0.5]), np.array([1.0, -1.0]), 0.2)),
        Case("no steps", _batch(0, 0.2, seed=33)),
    ],
    oracle=_case_by_case,
    mistakes=[
        Mistake(
            "the ratio is new over old, not old over new",
            lambda *args: _with(*args, ratio=lambda new, old: np.exp(old - new)),
            1,
        ),
        Mistake(
            "these are logarithms: the ratio is exp of their difference",
            lambda *args: _with(*args, ratio=lambda new, old: new / old),
            1,
        ),
        Mistake(
            "a difference of logarithms is not the ratio yet: exp is missing",
            lambda *args: _with(*args, ratio=lambda new, old: new - old),
            1,
        ),
        Mistake(
            "only clipped: the minimum with ρA is missing, so a bad action that got likelier stays so",
            lambda *args: _with(*args, meet=lambda free, held: held),
            2,
        ),
        Mistake("nothing is clipped", lambda *args: _with(*args, meet=lambda free, held: free), 2),
        Mistake(
            "the smaller of the two products, not the larger", lambda *args: _with(*args, meet=np.maximum), 2
        ),
        Mistake("the band has a lower edge too, 1 − e", lambda *args: _with(*args, low=False), 2),
        Mistake(
            "the minimum is over the two products, not over the ratios",
            lambda new, old, advantage, e: (
                np.minimum(np.exp(new - old), np.clip(np.exp(new - old), 1 - e, 1 + e)) * advantage
            ),
            2,
        ),
        Mistake("this is the loss; the gain has the other sign", lambda *args: -_case_by_case(*args), 1),
    ],
    concepts=["reinforcement-learning"],
)


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
        Case(
            "illegal moves with a large prior",
            _node([2, 0, 1, 0], [-2, 0, -1, 0], [0.3, 0.6, 0.05, 0.05], legal=[True, False, True, False]),
        ),
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
        Mistake(
            "this is the lecture's rule: an unvisited move counts as 0",
            lambda *args: _by_loop(*args, unseen=lambda mean, f: 0.0),
            1,
        ),
        Mistake(
            "the reduction f is not taken off", lambda *args: _by_loop(*args, unseen=lambda mean, f: mean), 1
        ),
        Mistake(
            "f is taken off, not added", lambda *args: _by_loop(*args, unseen=lambda mean, f: mean + f), 1
        ),
        Mistake(
            "f is taken off 0, not off what was seen here",
            lambda *args: _by_loop(*args, unseen=lambda mean, f: -f),
            1,
        ),
        Mistake(
            "an unvisited move is not tried before all others here",
            lambda *args: _by_loop(*args, unseen=lambda mean, f: 1e9),
            1,
        ),
        Mistake(
            "the most visited move is played at the end; here it is about what to look at", _most_visited, 1
        ),
        Mistake("on a tie the smallest number", _last_of_ties, 2),
    ],
    concepts=["alphago"],
    rtol=0,
    atol=0,
)


TASKS = [iterate, learn, reinforce, double, clip, puct]
