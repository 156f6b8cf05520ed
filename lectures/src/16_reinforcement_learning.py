# %% [markdown]
# # 16 · Reinforcement learning
#
# **Question.** What you do now decides where you stand next. How do you learn from rewards that come late, and how far does search carry a net?
#
# **You will be able to** solve a small known world by Bellman's equation, an unknown one by Q-learning, SARSA and policy gradient; say what a baseline, a critic, a target net and a clip are for, and what happens without; grow a search tree by hand; build AlphaGo in small and judge it against perfect play.
#
# **Needs** 01, 05, 15 · **Minutes** 95 to teach, 150 to study · **CPU** 30 s
#
# On the map: `reinforcement-learning` · `alphago`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from torch.nn.functional import huber_loss

from utils import concept_map, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import cartpole, cliff, tictactoe

# arrays this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("16")

# %% [markdown]
# ## 1 · A world whose rules are known: Bellman's equation
#
# On the map: `reinforcement-learning`
#
# In **reinforcement learning** (강화학습) an agent learns from rewards alone which actions pay off. The bandit's visitor of lecture 15 leaves; here you stay, and what you do decides where you stand next.
#
# A **Markov decision process** (마르코프 결정 과정), MDP for short, has states $s$, actions $a$, chances $P(s' \mid s, a)$ of the next state $s'$, and a mean reward $R(s, a)$. A policy says which action to take in which state. An **episode** (에피소드) is one run to the end.
#
# A smallest one: a corridor with two fields and a goal. Each step costs 1. `right` works four times in five, else you stay; `left` always leads to A.

# %%
s = schematics.Sketch("An MDP: states, actions, chances; every step costs 1", width=9,
                      height=2.3)
cliff.draw_corridor(s)
s.show("Three circles, A, B and goal. Arrows named right lead on with chance 0.8 and "
       "back to the same circle with 0.2; arrows named left lead to A.")

# %% [markdown]
# What is it worth to stand in B? Call the best **value** (가치) of a state $V(s)$: the mean of all that is still to come. A reward $k$ steps later counts $\gamma^k$ times; $\gamma$ ("gamma") is the **discount** (할인율), here 0.9.
#
# We do not know $V$, so begin with 0 everywhere and look one step ahead, again and again:
#
# - round 1: every step costs 1, so $V(A) = V(B) = -1$
# - round 2: $V(B) = -1 + 0.9 \,(0.8 \cdot 0 + 0.2 \cdot (-1)) = -1.18$
# - round 2: $V(A) = -1 + 0.9 \,(0.8 \cdot (-1) + 0.2 \cdot (-1)) = -1.9$
#
# In letters, with $Q(s, a)$ for the value of an action if everything after it is best: **Bellman's equation** (벨만 방정식; Bellman 1957),
#
# $$Q(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s'), \qquad V(s) = \max_a Q(s, a)$$
#
# Read as an assignment and repeated, it is **value iteration** (가치 반복):

# %%
corridor = {"A": {"left": {"A": 1.0}, "right": {"B": 0.8, "A": 0.2}},
            "B": {"left": {"A": 1.0}, "right": {"goal": 0.8, "B": 0.2}}}
V = {"A": 0.0, "B": 0.0, "goal": 0.0}
for sweep in range(1, 6):
    V = V | {state: max(-1 + 0.9 * sum(chance * V[after] for after, chance in ahead.items())
                        for ahead in actions.values())
             for state, actions in corridor.items()}     # V | {...}: a copy, partly new
    print(f"round {sweep}: V(A) = {V['A']:.3f}, V(B) = {V['B']:.3f}")

# %% [markdown]
# Each round leaves at most $\gamma$ times the error: an error in $V(s')$ enters multiplied by $\gamma$ and by chances that add up to one.
#
# Now a world for three sections, the *cliff*: 4 × 7 fields, start bottom left, goal bottom right, pits between. A step costs 1, a fall 30 more; pits and goal end the episode; $\gamma = 0.97$.
# Two kinds of ground: *firm*, and *slippery*, where one step in five goes sideways.
#
# `P` is a table (28, 4, 28), `R` one of (28, 4). The sum over $s'$ becomes a matrix product, all states and actions at once. For one fixed policy there is no max, and the equation is linear: `worth` solves it, exactly.

# %%
firm, slippery = cliff.World(slip=0.0), cliff.World(slip=0.2)
def value_iteration(world):
    V = np.zeros(cliff.S)
    for _ in range(300):
        Q = world.R + cliff.GAMMA * world.P @ V          # (S, 4, S) @ (S,) -> (S, 4)
        V = Q.max(1)
    return Q
best = {"firm ground": value_iteration(firm), "slippery ground": value_iteration(slippery)}

# %%
fig, axes = plots.panels("Where the ground slips, the best path keeps away from the edge",
                         list(best), xlabel="", ylabel="", size=(10, 3.7))
for ax, Q in zip(axes, best.values(), strict=True):
    cliff.draw(ax, Q)
plots.show("Arrows and values in each field: on firm ground the path runs right above the "
           "pits, on slippery ground one row higher.")
claim("value iteration's V = its policy's exact value, slippery (largest difference)",
      np.abs(slippery.worth(cliff.greedy(Q)) - Q.max(1)).max(), at_most=1e-9)

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Let the room draw the path before the picture. Wrong answer to expect: along the edge, "it is shortest". The start is in bold.
# Let somebody compute round 3 of V(B): −1 + 0.9 · 0.2 · (−1.18) = −1.21.
# Ask why `worth` needs no rounds: V = r + γPV is a system of 28 linear equations.

# %% [markdown]
# ## 2 · From steps alone: Q-learning and SARSA
#
# On the map: `reinforcement-learning`
#
# Take $P$ and $R$ away. What is left are steps: from $s$, action $a$ earned $r$ and led to $s'$, where $a'$ was chosen.
#
# By hand ($\gamma = 0.9$): you believe $Q(s, a) = -5$. The step cost 1. In $s'$ you hold the best action for worth $-2$, but, exploring, you chose one that you hold for worth $-10$.
#
# - **Q-learning** (Q 러닝; Watkins 1989) takes the best: $-1 + 0.9 \cdot (-2) = -2.8$
# - **SARSA** (살사; Rummery and Niranjan 1994) takes the chosen one: $-1 + 0.9 \cdot (-10) = -10$
#
# This **target** (목표값) less the belief is the **TD error** (시간차 오차; temporal difference). The belief moves towards the target at the rate $\eta$ ("eta"). With $\eta = 0.5$, $-5$ becomes $-3.9$ or $-7.5$:
#
# $$Q(s, a) \leftarrow Q(s, a) + \eta \,\Big(r + \gamma \, Q(s', \cdot) - Q(s, a)\Big), \qquad \cdot = \text{the best, or } a'$$

# %% [markdown]
# After an end the target is $r$ alone: nothing follows. Both explore by lecture 15's $\varepsilon$-greedy: one step in five at random, for ever.
#
# One learner, plainly. (`rng.choice(28, p=...)` draws a state with given chances.)

# %%
def learn_alone(world, steps, sarsa, epsilon=0.2):
    Q, visits = np.zeros((2, cliff.S, 4))

    def choose(s):
        return rng.integers(4) if rng.random() < epsilon else Q[s].argmax()

    s, a = cliff.START, rng.integers(4)
    for _ in range(steps):
        after = rng.choice(cliff.S, p=world.P[s, a])
        r = -1 - cliff.FALL * (after in cliff.PITS)
        then = choose(after)
        future = Q[after, then] if sarsa else Q[after].max()
        visits[s, a] += 1
        rate = visits[s, a] ** -0.6                      # falls, but not too fast
        Q[s, a] += rate * (r + cliff.GAMMA * (0 if cliff.END[after] else future) - Q[s, a])
        s, a = (cliff.START, choose(cliff.START)) if cliff.END[after] else (after, then)
    return Q


Q = learn_alone(firm, 3000, sarsa=False)
print(f"V(start): {Q[cliff.START].max():.1f} after 3,000 steps; "
      f"the truth is {best['firm ground'][cliff.START].max():.1f}")

# %% [markdown]
# `cliff.by_steps` is the same with a row for each learner, ten of each kind side by side. Two rules, two grounds, one cause changed at a time.
# We judge what they learned exactly, by `worth`, twice: walked greedily, and walked while exploring goes on.
#
# **Predict first.** On firm ground, exploration goes on. Which of the two earns more per episode?

# %%
predict("16.sarsa", "Q-learning", "SARSA", "the same, within 1 point")

# %%
grounds, rules = ("firm ground", "slippery ground"), ("Q-learning", "SARSA")
learned = cliff.by_steps([firm, firm, slippery, slippery], [False, True] * 2, learners=10,
                         steps=run.steps(run.pick(lecture=12_000, full=36_000)),
                         rng=np.random.default_rng([SEED, 5]))
learned = learned.reshape(2, 2, 10, cliff.S, 4)          # ground, rule, learner
earned = np.array([[[np.median(world.worth(cliff.greedy(Q, epsilon))[:, cliff.START])
                     for epsilon in (0, 0.2)] for Q in rows]
                   for world, rows in zip((firm, slippery), learned, strict=True)])
for place in np.ndindex(2, 2):
    print("{:16} {:11} greedy {:6.1f}   exploring {:6.1f}".format(
        grounds[place[0]], rules[place[1]], *earned[place]))
gap = earned[:, 1] - earned[:, 0]                        # SARSA − Q-learning
outcome("16.sarsa", "the same, within 1 point" if abs(gap[0, 1]) < 1
        else rules[int(gap[0, 1] > 0)])
fig, axes = plots.panels("Firm ground: the best path, and the best for one who explores",
                         rules, xlabel="median of ten learners", ylabel="", size=(10, 3.7))
for ax, Q in zip(axes, learned[0], strict=True):
    cliff.draw(ax, np.median(Q, 0))
plots.show("Two maps: Q-learning's arrows run right above the pits, SARSA's one or two "
           "rows higher, and its values are lower.")
claim("firm ground, exploring: SARSA earns more (points an episode)", gap[0, 1], at_least=2)
claim("firm ground, greedy: Q-learning earns more (points)", -gap[0, 0], at_least=1.5)
claim("slippery ground: the two differ (points, the larger of both walks)",
      np.abs(gap[1]).max(), at_most=1.1)

# %% [markdown]
# Q-learning learns about the best policy while it follows another, so it is **off-policy** (오프 폴리시). Along the edge each random step may be the last; its own exploring is not in its values. SARSA is **on-policy** (온 폴리시): it values what it does, exploring included, and keeps away.
# Where the ground itself slips, the world teaches both the same detour, and hardly a difference is left.
#
# **Ask the room.** Your ad server explores with 2 % of the traffic, for ever. Which rule fits, and what would change it?
#
# <details><summary>One answer</summary>
#
# If exploring stays, judge by what is earned with it: SARSA. If it stops after the trial, Q-learning learns what you will then use. As ε falls to 0 the two meet.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Do the two updates on the board; only one term differs.
# Wrong answer to expect: "SARSA is worse, it found the longer path". Ask: worse when walked how?

# %% [markdown]
# ## 3 · Learn the policy itself: REINFORCE, a baseline, a critic
#
# On the map: `reinforcement-learning`
#
# A softmax over logits $\theta$ ("theta") chooses one of two actions, at $\frac12$ each. You take the first. The **return** (반환값) $G$, all that came after, is $-10$. The slope of $\log \pi(a)$, the log of its chance, is $1 - \frac12$ for its own logit, $-\frac12$ for the other (lecture 01: one-hot minus softmax).
#
# - $G$ times slope: $(-5, +5)$. The taken action gets *less* likely, whichever it is, where all returns are negative.
# - Average play earns $-12$ here. $-10 - (-12) = +2$, so: $(+1, -1)$. More of what went better than expected.
#
# What is taken off is a **baseline** $b(s)$ (not 00's). With $G_t$ the discounted reward from step $t$ on:
#
# $$\nabla_\theta J = \mathbb E \sum_t \gamma^t \,\big(G_t - b(s_t)\big)\, \nabla_\theta \log \pi_\theta(a_t \mid s_t)$$
#
# $J$ is the mean return, $\mathbb E$ a mean over episodes. Climbing it is a **policy gradient** (정책 경사); with sampled returns, **REINFORCE** (리인포스; Williams 1992).
#
# <details><summary>Why this holds</summary>
#
# An episode $\tau$ ("tau") has the chance $p(\tau)$ and the return $G(\tau)$, so $J = \sum_\tau p(\tau)\, G(\tau)$. Since $(\log p)' = p'/p$, $\nabla J = \sum_\tau p(\tau)\, G(\tau)\, \nabla \log p(\tau)$: a mean, which samples estimate. $\log p(\tau)$ is a sum of the policy's terms and the world's, and the world's do not depend on $\theta$. What was earned before step $t$ is settled: of $G$, $\gamma^t G_t$ is left.
#
# The baseline changes no mean: $\sum_a \pi(a)\, \nabla \log \pi(a) = \sum_a \nabla \pi(a) = \nabla 1 = 0$, times any $b(s)$.
# </details>
#
# One episode, plainly:

# %%
def episode_gradient(walk, policy, baseline):
    """walk: a list of (state, action, reward), policy (S, 4), baseline (S,) -> (S, 4)."""
    grad, G = np.zeros_like(policy), 0.0
    for t, (s, a, r) in reversed(list(enumerate(walk))):  # from the end, as G adds up
        G = r + cliff.GAMMA * G
        slope = np.eye(4)[a] - policy[s]                 # of log π(a | s)
        grad[s] += cliff.GAMMA**t * (G - baseline[s]) * slope
    return grad

# %% [markdown]
# `cliff.gradients` does that for many episodes at once, each from a random field, slippery ground, a uniform policy. The mean gradient is the same with any baseline; the noise is not.
#
# **Predict first.** How much of the gradient's variance is left with $b(s) = V^\pi(s)$, the exact value of the present policy?

# %%
LEFT = {"about nine tenths": 0.9, "about half": 0.5, "about a tenth or less": 0.1}
predict("16.baseline", *LEFT)

# %%
uniform, noise = np.full((cliff.S, 4), 0.25), []
for b in (np.zeros(cliff.S), slippery.worth(uniform)):   # no baseline; the exact one
    grads = cliff.gradients(slippery, uniform, b, walkers=6000, rng=rng)  # (6000, S, 4)
    noise.append(((grads - grads.mean(0)) ** 2).sum((1, 2)).mean())
left = noise[1] / noise[0]
outcome("16.baseline", min(LEFT, key=lambda label: abs(LEFT[label] - left)))
claim("with the exact value as baseline, variance left (share)", left, at_most=0.06)

# %% [markdown]
# Nobody hands you $V^\pi$. Learn it from the same walks: a table (soon a net) that follows the returns is a **critic** (비평자), and critic and policy together are an **actor–critic** (액터-크리틱).
#
# The critic may do more. $G_t$ carries the luck of the whole walk. Stop after one step, and the critic judges the rest: $G_t - b$, the **advantage** (이점), becomes the TD error,
#
# $$\delta_t = r_t + \gamma\, V(s_{t+1}) - V(s_t)$$
#
# Less noise, but wrong as long as the critic is.
# Four learners, each at five rates, eight runs each: `cliff.climb` trains all 160 side by side, 20 walks an update. Two have a critic: *learned baseline* and *critic*; only *critic* stops after one step.

# %%
kinds, RATES = ("none", "learned", "exact", "critic"), (0.1, 0.2, 0.5, 1.0, 2.0)
updates = run.steps(run.pick(lecture=200, full=600))
end = cliff.climb(slippery, kinds, RATES, runs=8, updates=updates,
                  rng=np.random.default_rng([SEED, 6]))  # (4, 5, 8) exact value of START
low, high = slippery.worth(uniform)[cliff.START], best["slippery ground"][cliff.START].max()
share = 100 * (end - low) / (high - low)                 # of the way from random to best
middle = np.median(share, 2)                             # (4, 5)
none, with_learned, with_exact, with_critic = middle.max(1)  # each at its best rate
claim("in 200 updates, best rate each: the critic leads no baseline (points of the way)",
      with_critic - none, at_least=5, short=True)
claim("exact value and critic differ, best rate each (points)",
      abs(with_critic - with_exact), at_most=6)
claim("at the rate 1 no baseline falls behind the critic (points)",
      middle[3, 3] - middle[0, 3], at_least=30)

# %%
fig, ax = plots.figure("A learned critic does as well as the exact value", size=(8, 4.2),
                       xlabel="learning rate (log)",
                       ylabel="of the way from random to best (%)")
names = ("no baseline", "learned baseline", "exact baseline", "critic")
for row, name, color, dy in zip(share, names,
                                (plots.GREY, plots.SKY, plots.ORANGE, plots.BLUE),
                                (0, 0, -6, 6), strict=True):
    ax.fill_between(RATES, *np.quantile(row, [0.25, 0.75], axis=1), color=color, alpha=0.15,
                    linewidth=0)
    ax.semilogx(RATES, np.median(row, 1), "o-", color=color)
    plots.name(ax, RATES[-1], np.median(row[-1]), name, color, dy=dy)
ax.set_xticks(RATES, RATES)
ax.minorticks_off()
ax.set(ylim=(-25, 105))
plots.show("Median and middle half of eight runs over the rate: critic and exact value "
           "stay high, a learned baseline falls at large rates, no baseline falls to zero.")

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Do (−5, +5) and (+1, −1) on the board before any formula.
# Wrong answer to expect: "the baseline changes what is learned". It changes no mean, only the noise.
# The two learned ones differ in one thing: whether the critic also stands in for the rest of the walk. At large rates that is what counts: its target is less noisy.

# %% [markdown]
# ## 4 · Too many states for a table: DQN
#
# On the map: `reinforcement-learning`
#
# Let a net guess $Q$ from the state. It learns, and it can run away from all truth: here you see with what.
#
# *CartPole*: balance a pole on a cart. A state is four numbers, an action a push to the left or right, each step earns 1. The pole may tilt by 12°, the cart leave the middle by 2.4. After 500 steps the clock is stopped.
#
# That the pole falls is an end: `terminated`. That time is up is none, `truncated`: the pole still stands, and the target goes on.

# %%
s = schematics.Sketch("CartPole: four numbers in, a push out", width=9, height=2.5)
cartpole.draw(s)
s.show("A cart on a line with a tilted pole; arrows push it from the left and the right. "
       "Beside it a column of four numbers, a state.")

# %% [markdown]
# A **DQN** (심층 Q 신경망), deep Q-network, fits $Q(s, a)$ to Q-learning's target. A net changes everywhere when it learns anywhere, so two crutches:
#
# - **Replay** (재현 버퍼): keep past steps, train on random ones. The last ones are all alike.
# - **Target net** (목표 신경망): compute targets with a copy, renewed every 100 updates, so that the net does not chase itself.
#
# Two losses: the squared error, and lecture 01's **Huber loss** (후버 손실), straight beyond an error of 1, so that no error pulls harder than 1.
#
# Each with each, four learners a cell, and a fifth cell that will tell why. Twenty nets side by side in `cartpole.Nets`: `x` is (20, n, 4), the output (20, n, 2). The carts are the library gymnasium's, in NumPy for many at once.

# %%
CELLS = [(loss, copy) for loss in ("squared", "Huber") for copy in ("target net", "none")]
CELLS.append(("Huber, falls × 10", "none"))
RUNS, CARTS, BATCH, MEMORY = 4, 4, 64, 5000
straight, frozen, heavy = (  # (20, 1): which nets have a Huber loss, a copy, heavy falls
    torch.tensor([name in " ".join(cell) for cell in CELLS]).repeat_interleave(RUNS)
    .to(run.device)[:, None] for name in ("Huber", "target net", "falls"))


def q_loss(nets, copies, rows, gamma=0.99):
    """rows (20, batch, 10): state, action, state after, fallen -> losses (20, batch)."""
    x, a, after, fallen = rows.split([4, 1, 4, 1], dim=2)
    with torch.no_grad():                                # the target is no function of θ
        ahead = torch.where(frozen[..., None], copies(after), nets(after)).max(2).values
    y = 1 + gamma * (1 - fallen[..., 0]) * ahead
    q = nets(x).gather(2, a.long())[..., 0]              # Q of the action that was taken
    weight = 1 + 9 * heavy * fallen[..., 0]
    return weight * torch.where(straight, huber_loss(q, y, reduction="none"), (q - y) ** 2)

# %%
def dqn(steps, rate=2e-3):
    """Train twenty DQNs -> points at ten moments (10, 5, 4); largest Q there (5, 4)."""
    torch.manual_seed(SEED)
    rng, count = np.random.default_rng([SEED, 7]), RUNS * len(CELLS)
    nets = cartpole.Nets(count, (4, 32, 32, 2)).to(run.device)
    copies, poles = deepcopy(nets), cartpole.Poles(count * CARTS, rng)
    adam = cartpole.Adam(nets, [rate] * count)
    store, curve = np.zeros((MEMORY, count, CARTS, 10), np.float32), []
    for t in runtime.track(range(steps), "DQN"):
        s, explore = poles.s, rng.random(count * CARTS) < max(0.05, 1 - t / (0.3 * steps))
        a = np.where(explore, rng.integers(2, size=len(s)), nets.best(s))
        after, fallen, _ = poles.step(a)
        store[t % MEMORY] = np.column_stack([s, a, after, fallen]).reshape(-1, CARTS, 10)
        i = rng.integers(min(t + 1, MEMORY), size=(count, BATCH))
        rows = store[i, np.arange(count)[:, None], rng.integers(CARTS, size=i.shape)]
        adam.step(q_loss(nets, copies, nets.tensor(rows)).mean(1).sum())
        if t % 100 == 0:
            copies.load_state_dict(nets.state_dict())
        if (t + 1) % max(1, steps // 10) == 0:
            curve.append(cartpole.points(nets, carts=5))
    largest = nets(nets.tensor(rows[..., :4])).amax((1, 2)).detach().cpu().numpy()
    return np.array(curve).reshape(-1, len(CELLS), RUNS), largest.reshape(-1, RUNS)


updates = run.steps(run.pick(lecture=2000, full=6000))
curve, largest = dqn(updates)                            # curve: moments, cells, runs

# %% [markdown]
# **Predict first.** Without the target net, with which loss do the learners learn nothing?

# %%
WHERE = ("with either", "with Huber only", "with the squared error only", "with neither")
predict("16.target", *WHERE)

# %%
fig, axes = plots.panels("No target net: Huber runs away, unless its falls weigh more",
                         ["target net", "no target net"], xlabel="updates",
                         ylabel="points (at most 500)", size=(10, 4), sharey=True)
at = max(1, updates // 10) * np.arange(1, len(curve) + 1)
for (loss, copy), lines in zip(CELLS, curve.transpose(1, 0, 2), strict=True):
    ax = axes[int(copy == "none")]
    color = {"squared": plots.BLUE, "Huber": plots.GREEN}.get(loss, plots.ORANGE)
    ax.plot(at, lines, color=color, linewidth=1, alpha=0.45)
    ax.plot(at, lines.mean(1), color=color)
    plots.name(ax, at[-1], lines[-1].mean(), loss.replace(", ", ",\n"), color,
               dy={"squared": 7, "Huber": -7}.get(loss, 0))
plots.show("Points over updates, four thin lines and their mean for each cell: all rise "
           "and waver, but for Huber without a target net, which stays at ten.")
late = curve[len(curve) // 2:].mean((0, 2))              # second half: a mean for each cell
square, huber = late[1] < 30, late[3] < 30
outcome("16.target", WHERE[0 if square and huber else 1 if huber else 2 if square else 3])
for cell, score, rows in zip(CELLS, late, largest, strict=True):
    print("{:17} {:11}".format(*cell), f"{score:3.0f} points,",
          f"largest Q {rows.min():,.0f} to {rows.max():,.0f}")
claim("squared, no target net: largest Q of four (100 is the most there is)",
      largest[1].max(), at_least=100)
claim("Huber, no target net: smallest of four largest Q", largest[3].min(),
      at_least=200_000)
claim("no target net, squared (points, second half)", late[1], at_least=130)
claim("no target net, Huber, falls counted ten times (points)", late[4], at_least=50)

# %% [markdown]
# Discounted by 0.99, $1 + 0.99 + 0.99^2 + \dots$ is at most 100. Why Huber? Only a fall knows the truth: its target is 1. If all values are too high by hundreds, the squared error pulls a fall's value down with hundreds. Huber lets each row pull with 1 at most; falls are few, and the others, whose targets rise with the net itself, outvote them. The fifth cell proves it: count each fall ten times, and the same learner learns.
#
# The squared error alone stops the chase too, if late: its values overshoot, and it balances no worse.
#
# A maximum overshoots by itself: two actions worth 0, guessed as $+1$ and $-1$, look like $+1$. In a **double DQN** (이중 DQN; van Hasselt 2016) the net chooses the action, the copy values it (exercise 4).

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Before the table: ask why a net that fits its own predictions might run away.
# "Without the target net its values run away" is soon said by who has only tried one loss.
# With 64 units at the rates 3e-4, 1e-3 and 3e-3, tried once each, Huber without a copy stayed at 9 points too; the other cells learned.

# %% [markdown]
# ## 5 · Use each batch more than once: PPO
#
# On the map: `reinforcement-learning`
#
# A policy gradient is right at the present policy only. After one step the walks are another policy's. Can they be used ten times?
#
# Lecture 15's weight helps: $\rho$ ("rho") $= \pi_{\text{new}}(a \mid s) / \pi_{\text{old}}(a \mid s)$, at first 1, and its slope that of $\log \pi$. **PPO** (근위 정책 최적화; proximal policy optimization, Schulman and others 2017) climbs
#
# $$\min\big(\rho A,\ \operatorname{clip}(\rho,\, 0.8,\, 1.2)\, A\big)$$
#
# with $A$ the advantage. By hand:
#
# - $A = 2$, $\rho = 1.5$: $\min(3, 2.4) = 2.4$. Flat: no further push, the action has gained enough.
# - $A = -2$, $\rho = 1.5$: $\min(-3, -2.4) = -3$. Not flat: a bad action that got likelier is still pushed back.

# %%
def ppo_loss(out, old, a, A, goal, clip):
    """out (nets, n, 3), log-chances of the taken a under the old policy -> (nets, n)."""
    new = out[..., :2].log_softmax(2).gather(2, a)[..., 0]
    rho = (new - old).exp()
    gain = torch.minimum(rho * A, torch.clamp(rho, 1 - clip, 1 + clip) * A)
    return -gain + 0.5 * (out[..., 2] - goal) ** 2       # the critic's share: squared error

# %% [markdown]
# Actor and critic share a net with three outputs: two logits, and the value in tens of points. Sixteen carts play 32 steps; `cartpole.advantages` adds TD errors up over later steps, the $k$-th times $(\gamma \lambda)^k$ with $\lambda$ ("lambda") $= 0.95$ (GAE; Schulman and others 2016): $\lambda = 0$ is section 3's critic, $\lambda = 1$ the whole return less the baseline.
#
# Three ways to use such a batch of 512: once; ten times without a clip (a huge one); ten times with 0.2. Three rates each, four learners each.

# %%
def ppo(rates, clips, passes, batches):
    """Nets with these rates and clips -> points at some moments (moments, nets)."""
    torch.manual_seed(SEED)
    nets, curve = cartpole.Nets(len(rates), (4, 32, 32, 3), torch.tanh).to(run.device), []
    adam, clip = cartpole.Adam(nets, rates), torch.tensor(clips, device=run.device)[:, None]
    poles = cartpole.Poles(16 * len(rates), np.random.default_rng([SEED, 9]))
    for batch in runtime.track(range(batches), "batches"):
        x, a, after, fallen, over = cartpole.play(nets, poles, 32)  # (32, nets, 16, ·)
        with torch.no_grad():
            v, v_after = (10 * torch.stack([nets(t)[..., 2] for t in part])
                          for part in (x, after))
            A = cartpole.advantages(v, v_after, fallen[..., 0], over[..., 0])
            x, a, A, goal = map(cartpole.flat, (x, a.long(), A, (A + v) / 10))
            A = (A - A.mean(1, True)) / (A.std(1, keepdim=True) + 1e-8)
            old = nets(x)[..., :2].log_softmax(2).gather(2, a)[..., 0]
        for _ in range(passes):
            adam.step(ppo_loss(nets(x), old, a, A, goal, clip).mean(1).sum())
        if (batch + 1) % max(1, batches // 8) == 0:
            curve.append(cartpole.points(nets))
    return np.array(curve)


PPO_RATES, batches = (3e-3, 1e-2, 3e-2), run.steps(run.pick(lecture=36, full=108))
rates = np.repeat(PPO_RATES, 4).tolist()                 # twelve learners
once = ppo(rates, [1e9] * 12, passes=1, batches=batches)
ten = ppo(rates * 2, [1e9] * 12 + [0.2] * 12, passes=10, batches=batches)

# %%
races = {"once": once, "ten times, no clip": ten[:, :12],
         "ten times, clip 0.2": ten[:, 12:]}
races = {name: points.reshape(-1, 3, 4) for name, points in races.items()}
fig, axes = plots.panels("The clip keeps a large rate from ruin", sharey=True,
                         names=[f"rate {rate:g}" for rate in PPO_RATES], size=(10.5, 3.9),
                         xlabel="steps of all carts, thousands",
                         ylabel="points (at most 500)")
at = 0.512 * max(1, batches // 8) * np.arange(1, len(once) + 1)
for (name, lines), color in zip(races.items(), (plots.GREY, plots.RED, plots.BLUE),
                                strict=True):            # lines: moments, rates, learners
    for ax, part in zip(axes, lines.transpose(1, 0, 2), strict=True):
        ax.plot(at, part, color=color, linewidth=0.8, alpha=0.3)
        ax.plot(at, part.mean(1), color=color, label=name)
axes[0].legend(loc="upper left", fontsize=10)
axes[0].set(ylim=(0, 700), yticks=range(0, 501, 100))
plots.show("Points over steps at three rates: with the clip all rise; without it the "
           "largest rate stays low; a batch used once learns slower.")
half = {name: lines[len(lines) // 2:].mean((0, 2)) for name, lines in races.items()}  # (3,)
for name, score in half.items():
    print(f"{name:20} " + "   ".join(f"{x:3.0f}" for x in score), " points, second half")
ten_free, ten_held = half["ten times, no clip"], half["ten times, clip 0.2"]
claim("rate 0.03: the clip leads no clip (points, second half of the run)",
      ten_held[2] - ten_free[2], at_least=100)
claim("best rate each: the clip leads a batch used once (points)",
      ten_held.max() - half["once"].max(), at_least=20)

# %% [markdown]
# Large language models are tuned this way. An episode is an answer, its reward the score of a model trained on people's choices between two answers: **RLHF** (인간 피드백 강화학습; Ouyang and others 2022), with PPO. **GRPO** (그룹 상대 정책 최적화; Shao and others 2024) drops the critic: it draws a group of answers to one question, and the baseline is the group's mean. That is section 3, with another $b$. Lecture 20 goes on from here.
#
# **Ask the room.** Curves like these are all you have: which learner, at which moment, do you ship, and what do you report?
#
# <details><summary>One answer</summary>
#
# Choose the moment on episodes that you do not report, or the best of many lucky moments is sold as skill. Report all seeds, and the spread.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Draw min(ρA, clip(ρ)A) over ρ for A = 2 and A = −2.
# Wrong answer to expect: "the clip makes learning slower". It lets a batch be used ten times.
# At small rates no clip is not far behind; the clip buys tolerance of the rate.

# %% [markdown]
# ## 6 · One tree, three simulations
#
# On the map: `alphago`
#
# With the rules at hand you can look ahead. A **Monte Carlo tree search** (몬테카를로 트리 탐색), MCTS, looks where it pays.
#
# Our game is tic-tac-toe. A position is a number; `game.child[s, a]` is where move `a` leads, `game.result[s]` is −1 if whoever moves there has lost. Values are always *in the eyes of whoever moves*: on each level up, the sign changes.
#
# A *prior* $P_a$ says which moves look good, a value how a position looks. $N_a$ counts how often move $a$ was looked at, $W_a$ adds up what was found there. Look next at
#
# $$a = \arg\max_a\; \frac{W_a}{N_a} + c\, P_a\, \frac{\sqrt{1 + \sum_b N_b}}{1 + N_a}$$
#
# This is PUCT: the mean so far, and a bonus as in lecture 15's UCB, weighted by the prior; it shrinks with visits. $c = 1.5$.

# %%
game = tictactoe.Game()


def simulate(tree, s, path, prior, value):
    """One simulation from position s: its value, in the eyes of whoever moves in s."""
    if not game.going[s]:
        return game.result[s]                            # the rules know
    if path not in tree:                                 # a new leaf: ask, do not go deeper
        tree[path] = {"N": np.zeros(9), "W": np.zeros(9), "P": prior(s)}
        return value(s)
    N, W, P = tree[path].values()
    score = W / np.maximum(N, 1) + 1.5 * P * np.sqrt(1 + N.sum()) / (1 + N)
    a = np.where(game.legal[s], score, -np.inf).argmax()
    v = -simulate(tree, game.child[s, a], (*path, a), prior, value)  # their gain, our loss
    N[a] += 1
    W[a] += v
    return v

# %% [markdown]
# A position with three moves left, × to move. The prior (on the arrows) says 0.5, 0.3, 0.2; anything unfinished is worth 0.2 to the mover. Move 2, bottom right, wins at once; neither adviser knows.
#
# - Simulation 1: nothing was visited, so the prior decides: move 1. It opens a leaf worth 0.2 to ○, so −0.2 to ×.
# - Simulation 2: move 1 scores $-0.2 + 1.5 \cdot 0.5 \cdot \sqrt 2 / 2 = 0.33$, move 2 $1.5 \cdot 0.3 \cdot \sqrt 2 = 0.64$. Move 2; the game is over: +1.
# - Simulation 3: move 2 has $1 + 1.5 \cdot 0.3 \cdot \sqrt 3 / 2 = 1.39$. Again.

# %%
board = [1, -1, 1, -1, 1, 0, -1, 0, 0]                   # +1 is ×, who moves; 0 is free
root, moves, chances = game.number[tuple(board)], [5, 8, 7], [0.5, 0.3, 0.2]


def by_hand(s):
    P = game.even[s].copy()
    if s == root:
        P[moves] = chances
    return P


tree, pictures = {}, []
simulate(tree, root, (), by_hand, lambda s: 0.2)         # opens the root itself
for _ in range(3):
    simulate(tree, root, (), by_hand, lambda s: 0.2)
    pictures.append((tree[()]["N"][moves], tree[()]["W"][moves]))
s = schematics.Sketch("Three simulations: down by the score, a value back up", width=10.6,
                      height=3.0)
tictactoe.draw_simulations(s, board, chances, pictures)
s.show("Three panels, each a board above three boxes with N and W. In the first, move 1 "
       "gets N 1, W −0.2; in the second, move 2 N 1, W 1; in the third, move 2 N 2, W 2.")

# %% [markdown]
# Played in the end is the move with the most *visits*, not with the best mean: a mean of one visit is luck, and visits only go where means stay good.
#
# Python is slow for that. `tictactoe.search` grows a thousand trees side by side: a row a tree, `N` is (trees, nodes, 9), each simulation adds one node to every tree. Same rule, same trees (`np.sin` stands for some value):

# %%
some, advisers = rng.choice(4520, 40, replace=False), (game.even.__getitem__, np.sin)
some, trees = np.flatnonzero(game.going)[some], [{} for _ in some]
for tree, s in zip(trees, some, strict=True):
    for _ in range(31):                                  # the first opens the root
        simulate(tree, s, (), *advisers)
plain = np.array([tree[()]["N"] for tree in trees])
claim("side by side or one by one: visits of a move differ (largest of 40 trees)",
      np.abs(tictactoe.search(game, some, *advisers, 30) - plain).max(), at_most=0)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Grow the three simulations on the board, with the room as the score.
# Wrong answer to expect: "it plays the move with the best mean". A mean of one visit is luck.
# Ask for the sign: +1 for × is −1 for ○, so the value turns over at every step up.

# %% [markdown]
# ## 7 · AlphaGo in small: a net guides the search, the search teaches the net
#
# On the map: `alphago`
#
# A search plays better than its advisers. So let the advisers learn from the search, and search again.
#
# **AlphaGo** (알파고) beat one of the world's best Go players in 2016; its pipeline, first row, began with human games. AlphaGo Zero (2017), second row, began with nothing, and beat AlphaGo. We build the second.

# %%
s = schematics.Sketch("2016: four steps from human games. 2017: one loop from nothing",
                      width=10.6, height=3.0)
tictactoe.draw_pipelines(s)
s.show("First row: human games, a policy net that imitates, the same net after "
       "self-play, a value net, a search. Second row: one net, a search, games of "
       "self-play, and an arrow back to the net.")

# %% [markdown]
# A **rollout** (롤아웃) plays one game out at random and takes its result for the value: MCTS before nets.
#
# The loop, twenty generations:
#
# - **Self-play** (자가 대국): 64 games, 24 simulations a move. To explore, moves are drawn by visits, the root's prior with noise.
# - The net learns: its policy the visits, by cross-entropy; its value the game's result, by squared error.
#
# The square has eight symmetries: each position is shown turned or mirrored at random, lecture 06's augmentation.
# There are so few positions that the net reads all of them at once, into two tables.

# %%
class PolicyValue(nn.Module):
    def __init__(self, H=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(18, H), nn.ReLU(), nn.Linear(H, H), nn.ReLU())
        self.policy, self.value = nn.Linear(H, 9), nn.Linear(H, 1)

    def forward(self, x):  # (n, 18): my stones, then the other's
        h = self.body(x)
        return self.policy(h), torch.tanh(self.value(h))[:, 0]


planes = torch.tensor(game.planes, device=run.device)
closed = torch.tensor(~game.legal, device=run.device)


@torch.no_grad()
def read(net):
    """Policy (positions, 9), illegal moves masked out, and value (positions,)."""
    logits, v = net(planes)
    return torch.softmax(logits.masked_fill(closed, -1e9), 1).cpu().numpy(), v.cpu().numpy()

# %%
def alpha(generations, games=64, sims=24, updates=50):
    """AlphaGo Zero in small -> the net's policy and value of every position."""
    torch.manual_seed(SEED)
    rng, net = np.random.default_rng([SEED, 8]), PolicyValue().to(run.device)
    adam, memory = torch.optim.Adam(net.parameters(), lr=3e-3), []
    for _ in runtime.track(range(generations), "self-play"):
        played = tictactoe.self_play(game, *read(net), games, sims, rng)
        memory = [*memory, played][-16:]                 # the last sixteen generations
        s, visits, z = (np.concatenate(part) for part in zip(*memory, strict=True))
        for _ in range(updates):
            i, turn = rng.integers(len(s), size=128), rng.integers(8, size=128)
            here = game.turned[turn, s[i]]
            target = np.take_along_axis(visits[i], tictactoe.TURNS[turn], 1)
            y, won = (torch.tensor(t, dtype=torch.float32, device=run.device)
                      for t in (target, z[i]))
            logits, v = net(planes[here])
            log_p = logits.masked_fill(closed[here], -1e9).log_softmax(1)
            loss = -(y * log_p).sum(1).mean() + ((v - won) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
    return read(net)


prior, value = alpha(run.steps(run.pick(lecture=20, full=60)))

# %% [markdown]
# How good is it? A tempting test is 200 games from the empty board against the perfect player; in it, more simulations do not help. But that is *one* start: self-play has been through its lines hundreds of times, and one reply, learned right or wrong, decides.
#
# A fair judge takes many starts: all 260 openings of two or three stones that are not lost for the net. It moves first; a game is *spoiled* if it ends worse than its opening was worth.
#
# **Predict first.** The net alone, or with 48 simulations: how many of its spoiled games does the search save?

# %%
SAVES = ("hardly any", "about a quarter", "more than half")
predict("16.search", *SAVES)

# %%
openings = np.concatenate([game.after(2), game.after(3)])
openings = openings[game.perfect[openings] >= 0]
net, roll = value.__getitem__, game.rollout(np.random.default_rng([SEED, 10]))
PLAYERS = {"net + search": (prior, net), "net's prior, rollouts": (prior, roll),
           "net's value, even prior": (game.even, net),
           "rollouts, even prior": (game.even, roll)}
SIMS = [6, 12, 24, 48, 96]
shares = {name: [tictactoe.spoiled(game, openings, tictactoe.searching(
    game, table.__getitem__, judge, sims), rng) for sims in SIMS]
    for name, (table, judge) in PLAYERS.items()}
alone, alone_empty = (tictactoe.spoiled(game, starts, lambda s: prior[s].argmax(1), rng)
                      for starts in (openings, np.zeros(200, int)))
fig, ax = plots.figure("Search saves games that the net spoils, and the net makes it cheap",
                       xlabel="simulations a move (log)",
                       ylabel="games spoiled against perfect play (%)", size=(8.5, 4.4))
colors = (plots.BLUE, plots.SKY, plots.PURPLE, plots.ORANGE)
for (name, line), color in zip(shares.items(), colors, strict=True):
    ax.plot(SIMS, line, "o-", color=color)
    plots.name(ax, SIMS[0], line[0], name, color, dx=-8, ha="right")
ax.axhline(alone, color=plots.GREEN, linewidth=1.5)
plots.name(ax, SIMS[-1], alone, "net alone", plots.GREEN)
ax.set(xscale="log", xticks=SIMS, xticklabels=SIMS, ylim=(-3, 100), xlim=(0.9, 100))
ax.minorticks_off()
plots.show("Share of spoiled games over simulations for four players, all falling; net "
           "with search starts below the net alone and is lowest at nearly every point.")

# %% [markdown]
# The two mixed players change one adviser back at a time. At six simulations the prior matters more: it decides what is looked at.
# From the empty board the net alone spoils nothing, as the claims will say: judged there, it is perfect and search is useless.
#
# **Ask the room.** In Go a position has about 250 moves, here at most 9. Which adviser gains more there?
#
# <details><summary>One answer</summary>
#
# The prior: an even one spreads over all 250 moves, or clings to the first that looks good. And a random game says less the longer it is, so the value gains, too.
# </details>

# %%
both, _, _, plain = shares.values()
saved = 1 - both[3] / max(alone, 1e-9)
outcome("16.search", SAVES[2] if saved > 0.5 else SAVES[1] if saved > 0.12 else SAVES[0])
claim("the net alone, from the empty board: games spoiled (%)", alone_empty, at_most=0)
claim("the net alone, from the 260 openings: games spoiled (%)", alone, at_least=18)
claim("net alone, less net + 48 simulations (points spoiled)", alone - both[3], at_least=5)
claim("24 simulations: rollouts, less net + search (points spoiled)", plain[2] - both[2],
      at_least=15)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Ask first: AlphaGo's value was half net, half rollout; why does AlphaGo Zero's need no rollouts?
# Let the room find what is wrong with the tempting test: one start, learned by heart.
# AlphaZero (2018) plays chess with the same loop; MuZero (2020) learns the rules as well.

# %% [markdown]
# ## What goes wrong in practice
#
# - **`done` is two things.** Go on where time ran out, not where the world ended.
# - **One seed, best checkpoint.** Show all seeds, the end and the peak.
# - **Safer loss.** Values ran away.
# - **One start.** Two hundred games from the empty board are one test.
# - **The reward is the wish.** You get what you wrote.
#
# ## Summary
#
# 1. Bellman's equation values an action by its reward and by what follows.
# 2. Q-learning values the best policy, SARSA the one that explores.
# 3. Policy gradient: more of what beat the baseline; a learned critic will do.
# 4. A DQN must hear its ends; PPO's clip makes one batch last for ten steps.
# 5. Search improves the net's moves, and the net learns them.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 16`, then open `exercises/work/16_exercises.ipynb`: six tasks, about 100 minutes.
#
# <details><summary>Books and papers</summary>
#
# - R. Bellman (1957), *Dynamic programming*.
# - C. Watkins (1989), *Learning from delayed rewards*, thesis, Cambridge.
# - R. J. Williams (1992), *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, Machine Learning 8.
# - G. A. Rummery, M. Niranjan (1994), *On-line Q-learning using connectionist systems*.
# - V. Mnih and others (2015), *Human-level control through deep reinforcement learning*, Nature 518.
# - H. van Hasselt, A. Guez, D. Silver (2016), *Deep reinforcement learning with double Q-learning*, AAAI.
# - J. Schulman and others (2016), *High-dimensional continuous control using generalized advantage estimation*, ICLR; (2017), *Proximal policy optimization algorithms*, arXiv:1707.06347.
# - D. Silver and others (2016), *Mastering the game of Go with deep neural networks and tree search*, Nature 529; (2017), *… without human knowledge*, Nature 550; (2018), *A general reinforcement learning algorithm …*, Science 362.
# - J. Schrittwieser and others (2020), *Mastering Atari, Go, chess and shogi by planning with a learned model*, Nature 588.
# - R. S. Sutton, A. G. Barto (2018), *Reinforcement learning: an introduction*.
# - L. Ouyang and others (2022), *Training language models to follow instructions with human feedback*, NeurIPS 35; Z. Shao and others (2024), *DeepSeekMath*, arXiv:2402.03300.
# </details>
