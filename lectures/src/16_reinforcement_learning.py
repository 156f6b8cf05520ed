# %% [markdown]
# # 16 · Reinforcement learning
#
# **Question.** Nobody tells you the right answer; you only see what your own choice earned. How do you learn, and what does learning cost?
#
# **You will be able to** choose ads with Thompson sampling, and say what exploration costs; update a belief by Bayes' rule; judge a new policy from an old log; solve a small world by value iteration, Q-learning and policy gradient; train a DQN and distrust it; build AlphaGo in small and judge it against perfect play.
#
# **Needs** 01, 05 · **Minutes** 90 to teach, 150 to study · **CPU** 35 s
#
# On the map: `reinforcement-learning` · `alphago`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer, with more runs
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
from copy import deepcopy
from itertools import pairwise

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.nn.functional import smooth_l1_loss

from utils import concept_map, plots, runtime
from utils.claims import claim

# arrays this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)


def band(ax, at, runs, color, name, dy=0):
    """Mean and middle 80 % of runs (runs, len(at)), with their name at the right end."""
    ax.fill_between(at, *np.quantile(runs, [0.1, 0.9], axis=0), color=color, alpha=0.15)
    ax.plot(at, runs.mean(0), color=color)
    plots.name(ax, at[-1], runs[:, -1].mean(), name, color, dy=dy)

# %%
concept_map.show("16")

# %% [markdown]
# ## 5 · When actions have consequences: value iteration and Q-learning
#
# On the map: `reinforcement-learning`
#
# A bandit's visitor leaves. In an MDP what you do now decides where you stand next.
#
# A **Markov decision process**, MDP, has states $s$, actions $a$, probabilities $P(s' \mid s, a)$ of the next state and rewards $R(s, a)$.
# The best **value** $V$ of a state, and the best value $Q$ of an action in it, obey **Bellman's equation**:
#
# $$Q(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s'), \qquad V(s) = \max_a Q(s, a)$$
#
# The **discount** $\gamma < 1$ makes later rewards count less.
# **Value iteration** turns the equation into an assignment and repeats it. Each round shrinks the error by $\gamma$.
#
# Our world: a cliff. Each step costs 1, falling costs 30, and one step in five slips sideways.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Let the room draw the best path before the picture. Wrong answer to expect: straight along the cliff. Slipping makes the detour pay.

# %%
H, L, GAMMA, SLIP = 4, 7, 0.97, 0.2
MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])     # up, right, down, left
S, START, GOAL = H * L, (H - 1) * L, H * L - 1
PITS = np.arange(START + 1, GOAL)  # the bottom row, between start and goal
END = np.isin(np.arange(S), [GOAL, *PITS])

spot = np.stack(np.divmod(np.arange(S), L), 1)           # (S, 2) row and column
# lands (S, 4) where each move ends
lands = np.clip(spot[:, None] + MOVES, 0, [H - 1, L - 1]) @ [L, 1]
P = np.zeros((S, 4, S))
for a in range(4):
    for move, chance in [(a, 1 - SLIP), ((a + 1) % 4, SLIP / 2), ((a - 1) % 4, SLIP / 2)]:
        P[np.arange(S), a, lands[:, move]] += chance
R = -1 - 30 * P[:, :, PITS].sum(2)
P[END], R[END] = 0, 0                                    # the end: nothing comes after it

V, change = np.zeros(S), []
for _ in range(200):
    Q_best = R + GAMMA * P @ V                           # (S, 4)
    change.append(np.abs(Q_best.max(1) - V).max())
    V = Q_best.max(1)


def worth(policy):
    """Exact value of each state under policy (S, 4),
    by solving Bellman's equation without the max."""
    step, reward = np.einsum("sa,sat->st", policy, P), (policy * R).sum(1)
    return np.linalg.solve(np.eye(S) - GAMMA * step, reward)


claim("value iteration = its own policy's exact value",
      np.abs(worth(np.eye(4)[Q_best.argmax(1)]) - V).max(), at_most=1e-3)
claim("its error shrinks by γ a round at least",
      (change[60] / change[20]) ** (1 / 40), at_most=GAMMA)

# %% [markdown]
# Value iteration needs $P$ and $R$. **Q-learning** has only steps taken: from $s$, action $a$, reward $r$, next state $s'$. It moves its estimate towards what this one step suggests, at rate $\eta$:
#
# $$Q(s, a) \leftarrow Q(s, a) + \eta \big(r + \gamma \max_{a'} Q(s', a') - Q(s, a)\big)$$
#
# The bracket's first part is the **target**. At the end of an episode the target is $r$ alone: nothing comes after it.
# It explores as in section 1, with $\varepsilon$-greedy. Ten learners walk side by side.

# %%
def q_learning(steps, learners=10, epsilon=0.2, seed=SEED):
    rng, each = np.random.default_rng([seed, 5]), np.arange(learners)
    Q, visits = np.zeros((2, learners, S, 4))
    s = np.full(learners, START)
    for _ in range(steps):
        explore = rng.random(learners) < epsilon
        a = np.where(explore, rng.integers(4, size=learners), Q[each, s].argmax(1))
        after = (P[s, a].cumsum(1) > rng.random((learners, 1))).argmax(1)
        reward = -1.0 - 30 * np.isin(after, PITS)
        target = reward + GAMMA * np.where(END[after], 0, Q[each, after].max(1))
        visits[each, s, a] += 1
        Q[each, s, a] += visits[each, s, a] ** -0.6 * (target - Q[each, s, a])
        s = np.where(END[after], START, after)
    return Q


Q = q_learning(run.pick(lecture=20_000, full=100_000))

def draw_world(ax, values, actions):
    ax.imshow(np.where(END, np.nan, values).reshape(H, L), cmap="Blues", vmin=-22, vmax=20)
    for s in np.flatnonzero(~END):
        y, x = spot[s]
        ax.text(x, y, "↑→↓←"[actions[s]], ha="center", va="center", fontsize=15,
                color=plots.INK)
    for s in np.flatnonzero(END):
        ax.text(*spot[s][::-1], "goal" if s == GOAL else "pit", ha="center", va="center",
                color=plots.RED)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)

# %%
fig, axes = plots.panels("Steps alone teach the path that the equation knows",
                         ["value iteration knows the world; start: left",
                          "Q-learning walks in it"],
                         xlabel="", ylabel="", size=(10, 3.4))
draw_world(axes[0], V, Q_best.argmax(1))
draw_world(axes[1], Q[0].max(1), Q[0].argmax(1))
plots.show("Two maps with an arrow in each field: "
           "both go up two fields, then right, and down to the goal.")

# %%
reached = np.array([worth(np.eye(4)[one.argmax(1)])[START] for one in Q])
random_walk = np.full((S, 4), 0.25)
uniform = worth(random_walk)[START]
claim("Q-learning closes the gap from random to best walk: share, median of ten",
      np.median((reached - uniform) / (V[START] - uniform)), at_least=0.95)
claim("its value of the start is near the truth",
      abs(np.median(Q[:, START].max(1)) - V[START]), at_most=4)

# %% [markdown]
# ## 6 · Networks: policy gradient, and a DQN on CartPole
#
# On the map: `reinforcement-learning`
#
# Learn the policy directly, or learn $Q$ with a net. Both work, and both are noisy.
#
# A **policy gradient** climbs the expected return $J$, here from starts anywhere. With $\theta$ the policy's logits, $G_t$ the discounted reward from step $t$ on, and $b$ any **baseline** that does not depend on the action:
#
# $$\nabla_\theta J = \mathbb E \sum_t \gamma^t \big(G_t - b(s_t)\big) \nabla_\theta \log \pi_\theta(a_t \mid s_t)$$
#
# In words: make likelier what went better than expected. The baseline leaves the mean alone, because $\mathbb E\, \nabla \log \pi = 0$.
# Gradient ascent with such samples is **REINFORCE** (Williams 1992).
#
# **Predict first.** In the cliff world, how much does $b(s) = V^\pi(s)$ shrink the gradient's variance: by a tenth, to a half, to a tenth, or less?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# All returns here are negative, so without a baseline every action is pushed down, and the good ones only less.
# Before the DQN: ask for three reasons why a net that fits its own predictions might run away.

# %%
def walks(policy, count, rng, longest=150):
    """Episodes side by side: states (-1 after the end), actions, rewards: (time, count)."""
    s, trail = rng.choice(np.flatnonzero(~END), count), []
    for _ in range(longest):
        on = s >= 0
        a = (policy[s].cumsum(1) > rng.random((count, 1))).argmax(1)
        after = (P[s, a].cumsum(1) > rng.random((count, 1))).argmax(1)
        trail.append((s, a, np.where(on, -1.0 - 30 * np.isin(after, PITS), 0)))
        s = np.where(on & ~END[after], after, -1)
        if (s < 0).all():
            break
    return (np.array(part) for part in zip(*trail, strict=True))


def policy_gradient(policy, baseline, count, rng):
    """One gradient for each episode: (count, S, 4)."""
    s, a, r = walks(policy, count, rng)
    grad, G, each = np.zeros((count, S, 4)), np.zeros(count), np.arange(count)
    for t in reversed(range(len(s))):
        G = r[t] + GAMMA * G
        advantage = np.where(s[t] >= 0, GAMMA**t * (G - baseline[s[t]]), 0)
        grad[each, s[t]] += advantage[:, None] * (np.eye(4)[a[t]] - policy[s[t]])
    return grad

def reinforce(with_baseline, steps=200, rate=0.5):
    """Gradient ascent on the logits, 20 episodes a step.
    Returns the exact value of the start in the end."""
    logits = np.zeros((S, 4))
    for _ in range(steps):
        policy = softmax(logits)
        slope = policy_gradient(policy, worth(policy) * with_baseline, 20, rng).mean(0)
        logits += rate * slope
    return worth(softmax(logits))[START]

# %%
grads = [policy_gradient(random_walk, b, 10_000, rng)
         for b in (np.zeros(S), worth(random_walk))]
without, with_it = (((g - g.mean(0)) ** 2).sum((1, 2)).mean() for g in grads)
claim("the baseline shrinks the variance to", with_it / without, at_most=0.15)
climbed = np.array([[reinforce(b) for b in (0, 1)]
                    for _ in runtime.track(range(5), "REINFORCE")])
without, with_it = (np.median(climbed, axis=0) - uniform) / (V[START] - uniform)
print("REINFORCE, share of the gap: "
      f"{100 * without:.0f} % without, {100 * with_it:.0f} % with the baseline")
claim("with the baseline it closes the gap to the best walk: share, median of five",
      with_it, at_least=0.75)
claim("without it, at the same rate and number of walks, less by",
      with_it - without, at_least=0.05)

# %% [markdown]
# Too many states for a table? Let a net guess $Q$. A **DQN**, deep Q-network, fits $Q(s, a)$ to Q-learning's target. Two crutches keep it upright:
#
# - **Replay**: train on random past steps, not on the last ones, which are all alike.
# - **Target net**: compute targets with a copy that is renewed now and then, so that the net does not chase itself.
#
# CartPole, from gymnasium: balance a pole, one point a step, at most 500.
# Five learners at once: each weight has a leading axis, one entry per learner.
#
# When time runs out the pole has not fallen: that is no end, and the target goes on. `terminated` and `truncated` are two things.

# %%
class QNets(nn.Module):
    """Five nets 4 → 64 → 64 → 2 side by side: x (5, n, 4) -> (5, n, 2)."""

    def __init__(self, nets=5, sizes=(4, 64, 64, 2)):
        super().__init__()
        self.w = nn.ParameterList((2 * torch.rand(nets, a, b) - 1) / a**0.5
                                  for a, b in pairwise(sizes))
        self.b = nn.ParameterList(torch.zeros(nets, 1, b) for b in sizes[1:])

    def forward(self, x):
        x = x / x.new_tensor([2.4, 3, 0.21, 3])          # the state's usual size
        for layer, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = torch.baddbmm(b, x.relu() if layer else x, w)
        return x


@torch.no_grad()
def act(nets, s):
    """s: (5 · n, 4) -> the best action of each, (5 · n,)."""
    values = nets(torch.tensor(s, device=run.device).view(5, -1, 4))
    return values.argmax(2).flatten().cpu().numpy()

def carts(n):
    return gym.make_vec("CartPole-v1", num_envs=5 * n,
                        vectorization_mode="vector_entry_point")


def points(nets, n=10):
    """Mean points of each learner's greedy policy over n episodes: (5,)."""
    env, alive, total = carts(n), np.ones(5 * n, bool), np.zeros(5 * n)
    s, _ = env.reset(seed=1000)
    while alive.any():
        s, _, terminated, truncated, _ = env.step(act(nets, s))
        total += alive
        alive &= ~(terminated | truncated)
    return total.reshape(5, n).mean(1)

# %%
def q_loss(nets, target, rows, gamma=0.99):
    """rows (5, batch, 11): state, state after it, action, end, reset.
    Sum of five mean losses."""
    x, x_after, (a, end, reset) = rows[..., :4], rows[..., 4:8], rows[..., 8:].unbind(2)
    y = 1 + gamma * (1 - end) * target(x_after).max(2).values.detach()
    q = nets(x).gather(2, a.long()[..., None])[..., 0]
    return (smooth_l1_loss(q, y, reduction="none") * (1 - reset)).mean(1).sum()

# %%
def dqn(steps, with_target=True, n=4, batch=64, memory=5000):
    """Train five DQNs, n carts each.
    Returns their points at ten moments, (10, 5), and the largest Q."""
    torch.manual_seed(SEED)
    rng, nets, env = np.random.default_rng([SEED, 7]), QNets().to(run.device), carts(n)
    target, descent = deepcopy(nets), torch.optim.Adam(nets.parameters(), lr=1e-3)
    s, _ = env.reset(seed=SEED)
    store = np.zeros((memory, 5, n, 11), np.float32)
    reset = np.zeros(5 * n, bool)
    curve = []
    for t in runtime.track(range(steps), "DQN"):
        explore = rng.random(5 * n) < max(0.05, 1 - t / (0.3 * steps))
        a = np.where(explore, rng.integers(2, size=5 * n), act(nets, s))
        after, _, terminated, truncated, _ = env.step(a)
        store[t % memory] = np.column_stack([s, after, a, terminated,
                                             reset]).reshape(5, n, 11)
        # gymnasium spends the next step on the reset
        s, reset = after, terminated | truncated
        if t >= 50:
            i = rng.integers(min(t + 1, memory), size=(5, batch))
            cart = rng.integers(n, size=(5, batch))
            rows = torch.tensor(store[i, np.arange(5)[:, None], cart], device=run.device)
            descent.zero_grad()
            q_loss(nets, target if with_target else nets, rows).backward()
            descent.step()
        if t % 100 == 0:
            target.load_state_dict(nets.state_dict())
        if (t + 1) % (steps // 10) == 0:
            curve.append(points(nets))
    return np.array(curve), nets(rows[..., :4]).max().item()

# %%
STEPS = run.pick(lecture=2500, full=20_000)
(curves, _), (without, belief) = dqn(STEPS), dqn(STEPS, with_target=False)      # (10, 5)
peak, end = curves.max(0), curves[-1]
claim("every DQN has a moment at which it balances for (points, the worst of five)",
      peak.min(), at_least=60)
claim("on average a learner ends at this share of its own peak",
      (end / peak).mean(), at_most=0.95)
claim("no state is worth more than 1 / (1 − γ) = 100; "
      "without the target net it believes in", belief,
      at_least=1000)

# %%
fig, ax = plots.figure("DQN learns, and forgets again; "
                       "without the target net its values run away",
                       xlabel="updates", ylabel="points (at most 500)")
for name, lines, color in [("DQN", curves, plots.BLUE),
                           ("no target net", without, plots.RED)]:
    ax.plot(STEPS // 10 * np.arange(1, 11), lines, color=color, linewidth=1.2, alpha=0.7)
    plots.name(ax, STEPS, lines[-1].mean(), name, color)
plots.show("Five curves of points rise to some hundreds and fall back, up and down; "
           "five others stay at ten.")
claim("without the target net all stay near nothing (points, the best of five)",
      without.max(), at_most=90)

# %% [markdown]
# ## 7 · AlphaGo in small: a net guides a search, the search teaches the net
#
# On the map: `alphago`
#
# Search makes a weak player strong; a net learns from it; search starts from the better net.
#
# **AlphaGo** (알파고, 2016) learned from human games first. AlphaGo Zero (2017), which we follow, starts from nothing. Its net has two outputs: a **policy** $P(a \mid s)$ and a **value** $v(s)$, who will win.
# **Monte Carlo tree search**, MCTS, grows a tree from the present position. Each simulation walks down by **PUCT**:
#
# $$a = \arg\max_a\; \frac{W_a}{N_a} + c\, P(a \mid s)\, \frac{\sqrt{1 + \sum_b N_b}}{1 + N_a}$$
#
# $N$ counts visits, $W$ adds up the values found there, $c$ weighs curiosity: section 1's optimism, with a prior. A new position is worth the net's $v$; its sign changes at every step up.
#
# Our board is tic-tac-toe: minimax gives the truth for each position.

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
# Draw three simulations by hand. Wrong answer to expect: "it plays the move with the best mean". It plays the most visited one: a mean of one visit is luck.

# %%
LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8],
                  [0, 4, 8], [2, 4, 6]])
boards, number, child, result = [(0,) * 9], {(0,) * 9: 0}, [], []
for board in boards:  # grows while we walk; +1 is who moves, -1 the other
    lost = (np.array(board)[LINES].sum(1) == -3).any()
    result.append(-1.0 if lost else np.nan if 0 in board else 0.0)  # nan: the game goes on
    row = [-1] * 9
    for a in np.flatnonzero(np.array(board) == 0) if np.isnan(result[-1]) else []:
        after = tuple(-1 if k == a else -stone for k, stone in enumerate(board))
        if after not in number:
            number[after] = len(boards)
            boards.append(after)
        row[a] = number[after]
    child.append(row)
boards, child, result = np.array(boards), np.array(child), np.array(result)
going, legal = np.isnan(result), child >= 0

# %%
perfect = np.nan_to_num(result)
for s in reversed(np.flatnonzero(going)):  # later positions have larger numbers
    perfect[s] = -perfect[child[s, legal[s]]].min()
best_moves = legal & (-perfect[child] == perfect[:, None])
# some legal move is a mistake
MATTERS = np.flatnonzero(going & (best_moves.sum(1) < legal.sum(1)))


def rollout(s):
    """The result of one random game from each position,
    in the eyes of whoever moves there."""
    s, sign = s.copy(), np.ones(len(s))
    while going[s].any():
        on = going[s]
        a = np.where(legal[s], rng.random((len(s), 9)), -1).argmax(1)
        s, sign = np.where(on, child[s, a], s), np.where(on, -sign, sign)
    return sign * result[s]


print(f"{len(boards)} positions, in {len(MATTERS)} of them a move can be wrong")
claim("with perfect play nobody wins", abs(perfect[0]), at_most=0)

# %%
def puct(n, w, prior, allowed, c=1.5):
    """The move to look at next, for each row: n, w, prior, allowed (B, 9) -> (B,)."""
    score = (w / np.maximum(n, 1)
             + c * prior * np.sqrt(1 + n.sum(1, keepdims=True)) / (1 + n))
    return np.where(allowed, score, -np.inf).argmax(1)

# %%
def search(roots, prior, value, sims):
    """MCTS from many positions side by side: roots (B,) -> visits of each move, (B, 9).

    prior(s): (n,) -> (n, 9), value(s): (n,) -> (n,), in the eyes of whoever moves in s.
    """
    B, each = len(roots), np.arange(len(roots))
    place, kid = np.zeros((B, sims + 1), int), np.full((B, sims + 1, 9), -1)
    N, W, P = np.zeros((3, B, sims + 1, 9))  # node 0 is the root, each simulation adds one
    place[:, 0], P[:, 0] = roots, prior(roots)
    for new in range(1, sims + 1):
        node, walking, path = np.zeros(B, int), np.ones(B, bool), []
        while walking.any():                             # down
            s = place[each, node]
            a = puct(N[each, node], W[each, node], P[each, node], legal[s])
            path.append((walking.copy(), node, a))
            opened = walking & (kid[each, node, a] < 0)
            kid[each[opened], node[opened], a[opened]] = new
            place[opened, new] = child[s, a][opened]
            node = np.where(walking, kid[each, node, a], node)
            walking &= ~opened & going[place[each, node]]
        s = place[each, node]
        # the net, or the rules
        P[each, node], v = prior(s), np.where(going[s], value(s), result[s])
        for on, node, a in reversed(path):               # and back up
            v = np.where(on, -v, v)
            N[each[on], node[on], a[on]] += 1
            W[each[on], node[on], a[on]] += v[on]
    return N[:, 0]

# %% [markdown]
# **Self-play**: all games at once, each move drawn from the search's visits, with some noise on the prior for variety. Then the net learns from every position:
#
# - policy: the visits of the search, by cross-entropy;
# - value: the game's result, by squared error.
#
# With so few positions the net can read all of them at once, into two tables.
#
# The rival without a net: all legal moves equally likely a priori, and a position's value is one game played out at random, a **rollout**. That was MCTS before; AlphaGo mixed both.
#
# **Ask the room.** With 24 simulations a move, which gains more: a better value or a better prior?

# %%
class PolicyValue(nn.Module):
    def __init__(self, H=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(18, H), nn.ReLU(), nn.Linear(H, H), nn.ReLU())
        self.policy, self.value = nn.Linear(H, 9), nn.Linear(H, 1)

    def forward(self, x):
        h = self.body(x)
        return self.policy(h), torch.tanh(self.value(h))[:, 0]


planes = torch.tensor(np.hstack([boards == 1, boards == -1]), dtype=torch.float32,
                      device=run.device)
closed = torch.tensor(~legal, device=run.device)


@torch.no_grad()
def read(net):
    """The net's policy (positions, 9), illegal moves masked out,
    and its value (positions,)."""
    logits, v = net(planes)
    return torch.softmax(logits.masked_fill(closed, -1e9), 1).cpu().numpy(), v.cpu().numpy()

# %%
def self_play(prior, value, games, sims, rng):
    """Positions (n,), the search's visits as shares (n, 9),
    results in the mover's eyes (n,)."""
    s, moves = np.zeros(games, int), []
    while going[s].any():
        on = np.flatnonzero(going[s])
        noise = rng.gamma(1.0, size=(len(on), 9)) * legal[s[on]]
        noisy = prior.copy()
        noisy[s[on]] = 0.75 * prior[s[on]] + 0.25 * noise / noise.sum(1, keepdims=True)
        visits = search(s[on], noisy.__getitem__, value.__getitem__, sims) / sims
        moves.append((on, s[on], visits))
        a = (visits.cumsum(1) > rng.random((len(on), 1)) * (1 - 1e-9)).argmax(1)
        s[on] = child[s[on], a]
    length = np.bincount(np.concatenate([on for on, _, _ in moves]))
    z = [result[s[on]] * (-1.0) ** (length[on] - t) for t, (on, _, _) in enumerate(moves)]
    return [np.concatenate(part)
            for part in ([x for _, x, _ in moves], [x for _, _, x in moves], z)]

# %%
def alpha(generations, games=64, sims=24):
    torch.manual_seed(SEED)
    rng, net = np.random.default_rng([SEED, 8]), PolicyValue().to(run.device)
    descent, memory, curve = torch.optim.Adam(net.parameters(), lr=3e-3), [], []
    for _ in runtime.track(range(generations), "self-play"):
        prior, value = read(net)
        curve.append(best_moves[MATTERS, prior[MATTERS].argmax(1)].mean())
        memory = [*memory, self_play(prior, value, games, sims, rng)][-16:]
        s, visits, z = (np.concatenate(part) for part in zip(*memory, strict=True))
        for _ in range(50):
            i = rng.integers(len(s), size=128)
            y, won = (torch.tensor(t[i], dtype=torch.float32, device=run.device)
                      for t in (visits, z))
            logits, v = net(planes[s[i]])
            logits = logits.masked_fill(closed[s[i]], -1e9)
            loss = -(y * logits.log_softmax(1)).sum(1).mean() + ((v - won) ** 2).mean()
            descent.zero_grad()
            loss.backward()
            descent.step()
    return *read(net), curve


def lost_games(prior, value, sims, games=200):
    """Share of games lost to a perfect player (a random best move); each begins half."""
    s, ours = np.zeros(games, int), np.arange(games) % 2 == 0
    while going[s].any():
        on, a = going[s], (best_moves[s] * rng.random((games, 9))).argmax(1)
        think = on & ours
        a[think] = search(s[think], prior, value, sims).argmax(1)
        s, ours = np.where(on, child[s, a], s), ours ^ on
    return (np.where(ours, result[s], -result[s]) < 0).mean()


prior, value, curve = alpha(run.pick(lecture=50, full=200))

# %%
even = legal / np.maximum(legal.sum(1, keepdims=True), 1)  # each legal move alike
PLAYERS = {"net + search": (prior.__getitem__, value.__getitem__),
           "rollouts + search": (even.__getitem__, rollout)}
tested, BUDGETS = rng.choice(MATTERS, 800, replace=False), [6, 12, 24, 48, 96]
right = {name: [best_moves[tested, search(tested, *player, sims).argmax(1)].mean()
                for sims in BUDGETS]
         for name, player in PLAYERS.items()}
lost = {name: [lost_games(*player, sims) for sims in BUDGETS]
        for name, player in PLAYERS.items()}
alone = best_moves[tested, prior[tested].argmax(1)].mean()
chance = (even * best_moves)[tested].sum(1).mean()

fig, axes = plots.panels("Search makes the net stronger, and the net makes search stronger",
                         ["single positions: perfect moves",
                          "whole games: lost to the perfect player"],
                         xlabel="simulations a move", ylabel="share (%)", size=(10, 4))
for ax, shares in zip(axes, (right, lost), strict=True):
    for (name, share), color, dy in zip(shares.items(), (plots.BLUE, plots.ORANGE), (8, -8),
                                        strict=True):
        ax.plot(BUDGETS, 100 * np.array(share), "o-", color=color)
        plots.name(ax, BUDGETS[-1], 100 * share[-1], name, color,
                   dy=dy if ax is axes[0] else -dy)
    ax.set(xscale="log", xticks=BUDGETS, xticklabels=BUDGETS, ylim=(0, 103))
    ax.minorticks_off()
for level, label, color in [(alone, "net alone", plots.GREEN),
                            (chance, "random", plots.GREY)]:
    axes[0].axhline(100 * level, color=color, linewidth=1.2)
    plots.name(axes[0], BUDGETS[-1], 100 * level, label, color, dy=-10)
plots.show("Left, share of perfect moves over simulations, right, share of games lost, "
           "for net and rollouts.")

# %%
claim("the net alone is ahead of random moves (share of perfect moves) by",
      alone - chance, at_least=0.3)
claim("24 simulations with the net beat the net alone",
      right["net + search"][2] - alone, at_least=0.02)
ahead = np.array(right["net + search"]) - right["rollouts + search"]
claim("with 6 simulations the net is ahead of rollouts", ahead[0], at_least=0.1)
claim("96 simulations with the net: share of perfect moves",
      right["net + search"][-1], at_least=0.95)
claim("of games against perfect play the net loses fewer than rollouts do, on average, by",
      np.mean(lost["rollouts + search"]) - np.mean(lost["net + search"]), at_least=0.1)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Greedy by accident.** A recommender that trains on its own clicks is greedy. Visitors differ and explore for you, so it often works; some runs get stuck.
# - **A log without propensities**, or with chances of zero: section 4 is closed to you.
# - **The world moves**; a posterior that never forgets stays sure of last year.
# - **Right on average.** Nearly every move is perfect, and the perfect player still wins games: one slip is enough, and every game has the same start.
# - **`done` is two things**: bootstrap where time ran out, not where the world ended.
# - **One seed, best checkpoint.** A net that bootstraps on data of its own choice has no guarantee. Show all seeds.

# %% [markdown]
# ## Summary
#
# 1. To learn from rewards alone you must explore, and regret is its price; the best rate is logarithmic.
# 2. Bayes' rule turns clicks into belief, and Thompson sampling turns belief into action.
# 3. An old log can judge a new policy, if it kept its propensities.
# 4. Bellman's equation values actions by what follows; Q-learning, policy gradient and DQN solve it from samples, ever less safely.
# 5. Search improves a net's moves, and the net learns them: that loop is AlphaGo Zero.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 16`, then open `exercises/work/16_exercises.ipynb`: seven tasks, about 115 minutes.
#
# - W. Thompson (1933), *On the likelihood that one unknown probability exceeds another …*, Biometrika 25.
# - T. L. Lai, H. Robbins (1985), *Asymptotically efficient adaptive allocation rules*.
# - R. J. Williams (1992), *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, Machine Learning 8.
# - P. Auer and others (2002), *Finite-time analysis of the multiarmed bandit problem*, Machine Learning 47.
# - M. Dudík and others (2011), *Doubly robust policy evaluation and learning*, ICML.
# - E. Kaufmann and others (2012), *Thompson sampling: an asymptotically optimal finite-time analysis*, ALT.
# - V. Mnih and others (2015), *Human-level control through deep reinforcement learning*, Nature 518.
# - D. Silver and others (2016), *Mastering the game of Go with deep neural networks and tree search*, Nature 529.
# - D. Silver and others (2017), *Mastering the game of Go without human knowledge*, Nature 550.
# - R. S. Sutton, A. G. Barto (2018), *Reinforcement learning: an introduction*.
