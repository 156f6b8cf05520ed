"""A walk along a cliff whose every chance is known, and many learners that walk it side by side.

    world = cliff.World(slip=0.2)
    world.P, world.R                        # (S, 4, S) chances of the next state, (S, 4) mean rewards
    world.worth(policy)                     # (S,) what a policy (S, 4) is worth from each state, exactly
    Q = cliff.by_steps([world], sarsa=[False], learners=10, steps=20_000, rng=rng)

Lecture 16 writes each rule for one learner; here a learner is a row of a table. The world is after
R. S. Sutton & A. G. Barto (2018), whose ground does not slip and whose cliff costs 100.
"""

from collections.abc import Sequence

import numpy as np

from utils import plots
from utils.scratch.regression import softmax

UP, RIGHT, DOWN, LEFT = range(4)
ARROWS = "↑→↓←"
MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])
ROWS, COLUMNS, FALL, GAMMA = 4, 7, 30, 0.97
START, GOAL = (ROWS - 1) * COLUMNS, ROWS * COLUMNS - 1
PITS = np.arange(START + 1, GOAL)  # the bottom row, between start and goal
S = ROWS * COLUMNS
END = np.isin(np.arange(S), [GOAL, *PITS])


class World:
    """The cliff. A step costs 1, a fall 30 more and ends the walk; with chance `slip` a step goes sideways.

    `P` (S, 4, S) are the chances of the next state, `R` (S, 4) the mean rewards; nothing follows an end.
    """

    def __init__(self, slip: float = 0.0):
        place = np.stack(np.divmod(np.arange(S), COLUMNS), axis=1)  # (S, 2) row and column
        lands = np.clip(place[:, None] + MOVES, 0, [ROWS - 1, COLUMNS - 1]) @ [COLUMNS, 1]  # (S, 4)
        self.slip, self.P = slip, np.zeros((S, 4, S))
        for a in range(4):
            for move, chance in [(a, 1 - slip), ((a + 1) % 4, slip / 2), ((a - 1) % 4, slip / 2)]:
                self.P[np.arange(S), a, lands[:, move]] += chance
        self.R = -1 - FALL * self.P[:, :, PITS].sum(2)
        self.P[END], self.R[END] = 0, 0

    def worth(self, policy: np.ndarray) -> np.ndarray:
        """(S,) exact values under `policy` (..., S, 4): V = r + γPV is a system of linear equations."""
        step = np.einsum("...sa,sat->...st", policy, self.P)
        reward = (policy * self.R).sum(-1)
        return np.linalg.solve(np.eye(S) - GAMMA * step, reward[..., None])[..., 0]

    def best(self) -> np.ndarray:
        """(S, 4) the best value of each action, by value iteration until nothing moves."""
        Q = np.zeros((S, 4))
        for _ in range(1000):
            Q = self.R + GAMMA * self.P @ Q.max(1)
        return Q


def draw(ax, Q: np.ndarray) -> None:
    """A map: an arrow for the best action of each field, its value below; the start's in bold."""
    shade = np.where(END, np.nan, Q.max(1)).reshape(ROWS, COLUMNS)
    ax.imshow(shade, cmap="Blues", vmin=-20, vmax=15)
    for s, (row, column) in enumerate(np.ndindex(shade.shape)):
        words, color = f"{ARROWS[Q[s].argmax()]}\n{Q[s].max():.0f}".replace("-", "−"), plots.INK
        if END[s]:
            words, color = ("goal", plots.GREEN) if s == GOAL else ("pit", plots.RED)
        ax.text(column, row, words, ha="center", va="center", color=color,
                fontweight="bold" if s == START else None)  # fmt: skip
    ax.set(xticks=[], yticks=[])
    ax.grid(False)


def draw_corridor(s) -> None:
    """Lecture 16's first world on a Sketch: A, B and a goal, an arrow for each chance."""
    A, B, goal = (
        s.circle(name, at=(x, 1.2), kind=kind, r=0.36)
        for name, x, kind in (("A", 1.6, "concept"), ("B", 4.5, "concept"), ("goal", 7.4, "good"))
    )
    for start, end in ((A, B), (B, goal)):
        s.arrow(start, end, "right: 0.8", bend=0.2)
        s.arrow((start.x - 0.22, 1.5), (start.x + 0.22, 1.5), bend=1.5)
        s.text("right: 0.2", (start.x, 2.08), fontsize=11)
    s.arrow(B, A, "left: 1", bend=0.2)
    s.arrow((1.75, 0.87), (1.45, 0.87), bend=1.5)
    s.text("left: 1", (1.6, 0.42), fontsize=11)


def greedy(Q: np.ndarray, epsilon: float = 0.0) -> np.ndarray:
    """The policy that takes the best action, and with chance `epsilon` any: (..., S, 4) -> (..., S, 4)."""
    return (1 - epsilon) * np.eye(4)[Q.argmax(-1)] + epsilon / 4


def by_steps(
    worlds: Sequence[World],
    sarsa: Sequence[bool],
    *,
    learners: int,
    steps: int,
    rng: np.random.Generator,
    epsilon: float = 0.2,
) -> np.ndarray:
    """Q-learning, or SARSA where `sarsa` says so, from steps alone; all start again at START after an end.

    The rate of a pair of state and action is (its visits) ** −0.6. Returns Q (len(worlds), learners, S, 4).
    """
    table = np.stack([world.P.cumsum(2) for world in worlds])  # (groups, S, 4, S)
    group = np.repeat(np.arange(len(worlds)), learners)
    same, each = np.repeat(sarsa, learners), np.arange(len(group))
    Q, visits = np.zeros((2, len(group), S, 4))

    def choose(s):
        any_, explore = rng.integers(4, size=len(s)), rng.random(len(s)) < epsilon
        return np.where(explore, any_, Q[each, s].argmax(1))

    s = np.full(len(group), START)
    a = choose(s)
    for _ in range(steps):
        after = (table[group, s, a] > rng.random((len(s), 1))).argmax(1)
        reward = -1.0 - FALL * np.isin(after, PITS)
        then = choose(after)
        future = np.where(same, Q[each, after, then], Q[each, after].max(1))
        visits[each, s, a] += 1
        error = reward + GAMMA * np.where(END[after], 0, future) - Q[each, s, a]
        Q[each, s, a] += visits[each, s, a] ** -0.6 * error
        s = np.where(END[after], START, after)
        a = np.where(END[after], choose(s), then)
    return Q.reshape(len(worlds), learners, S, 4)


def walks(
    world: World, policy: np.ndarray, walkers: int, rng: np.random.Generator, longest: int = 200
) -> list:
    """Walks from anywhere under each policy (G, S, 4), `walkers` each, side by side.

    After `longest` steps the clock is stopped: what is still to come counts GAMMA ** longest, 0.002, or less.
    Returns: for each time step the numbers of the walks still going, their policy's number, state, action,
    reward and next state, each (walks still going,).
    """
    chances, lands = policy.cumsum(-1), world.P.cumsum(2)
    walk = np.arange(len(policy) * walkers)
    which, s = walk // walkers, rng.choice(np.flatnonzero(~END), len(walk))
    trail = []
    for _ in range(longest):
        a = (chances[which, s] > rng.random((len(s), 1)) * (1 - 1e-9)).argmax(1)
        after = (lands[s, a] > rng.random((len(s), 1))).argmax(1)
        trail.append((walk, which, s, a, -1.0 - FALL * np.isin(after, PITS), after))
        on = ~END[after]
        walk, which, s = walk[on], which[on], after[on]
        if not on.any():
            break
    return trail


def gradients(world, policy, baseline, walkers, rng) -> np.ndarray:
    """REINFORCE's gradient of each single walk under one policy (S, 4): (walkers, S, 4)."""
    G, grad = np.zeros(walkers), np.zeros((walkers, S, 4))
    trail = walks(world, policy[None], walkers, rng)
    for t, (walk, _, s, a, r, _) in reversed(list(enumerate(trail))):
        G[walk] = r + GAMMA * G[walk]
        push = GAMMA**t * (G[walk] - baseline[s])
        grad[walk, s] += push[:, None] * (np.eye(4)[a] - policy[s])
    return grad


def climb(
    world: World,
    kinds: Sequence[str],
    rates: Sequence[float],
    *,
    runs: int,
    updates: int,
    rng: np.random.Generator,
    walkers: int = 20,
    critic_rate: float = 0.3,
) -> np.ndarray:
    """Policy gradient on logits, for each kind of baseline, each rate and each run, side by side.

    Kinds: "none"; "exact", the true value of the present policy; "learned", a table that follows the returns
    of the same walks; "critic", that table too, whose one-step error r + γV(s') − V(s) takes the place of the
    return less the baseline.
    Returns: the exact value of START in the end, (kinds, rates, runs).
    """
    kind, rate = (np.repeat(x, runs) for x in (np.repeat(kinds, len(rates)), np.tile(rates, len(kinds))))
    learned, one_step = np.isin(kind, ["learned", "critic"]), kind == "critic"
    logits, V, seen = np.zeros((len(kind), S, 4)), *np.zeros((2, len(kind), S))
    for _ in range(updates):
        policy = softmax(logits)
        V[kind == "exact"] = world.worth(policy[kind == "exact"])
        G, grad = np.zeros(len(kind) * walkers), np.zeros_like(logits)
        total, count = np.zeros((2, len(kind), S))
        for t, (walk, which, s, a, r, after) in reversed(list(enumerate(walks(world, policy, walkers, rng)))):
            G[walk] = r + GAMMA * G[walk]
            judged = r + GAMMA * np.where(END[after], 0, V[which, after])
            push = GAMMA**t * (np.where(one_step[which], judged, G[walk]) - V[which, s]) / walkers
            np.add.at(grad, (which, s, a), push)
            np.add.at(grad, (which, s), -push[:, None] * policy[which, s])
            np.add.at(total, (which, s), G[walk])
            np.add.at(count, (which, s), 1)
        seen += count > 0
        pull = np.maximum(critic_rate, 1 / np.maximum(seen, 1)) * (count > 0)  # at first a plain mean
        V += learned[:, None] * pull * (total / np.maximum(count, 1) - V)
        logits += rate[:, None, None] * grad
    return world.worth(softmax(logits))[:, START].reshape(len(kinds), len(rates), runs)
