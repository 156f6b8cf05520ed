# %% [markdown]
# # 16 · Reinforcement learning: exercises
#
# Six tasks, about 100 minutes, after lecture 16.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Look one step ahead, again and again
#
# **build** · level ●○○ · 15 minutes · `reinforcement-learning`
#
# *Because whoever knows the rules of a world need not try it out.*
#
# Value iteration for any world: begin with $V = 0$, and in each round compute $Q(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s')$ for all states from the *last* round's $V$, then $V(s) = \max_a Q(s, a)$. Return the $Q$ of the last round.
#
# <details><summary>Hint 1</summary>The sum over s′ is a matrix product: P @ V has the shape (S, A).</details>
# <details><summary>Hint 2</summary>The discount multiplies what comes after, not the reward.</details>


# %%
def iterate(P, R, gamma, rounds):
    """P (S, A, S) chances of the next state, R (S, A) rewards, rounds ≥ 1 -> Q (S, A)."""
    # solution
    V = np.zeros(len(P))
    for _ in range(rounds):
        Q = R + gamma * P @ V
        V = Q.max(1)
    return Q
    # end solution


# %%
check("16.iterate", iterate)

# %% [markdown] tags=["solution-only"]
# After $k$ rounds $Q$ is exact for a game that ends after $k$ steps: planning with a horizon.

# %% [markdown]
# ## 2 · After the end comes nothing
#
# **debug** · level ●●○ · 15 minutes · `reinforcement-learning`
#
# *Because this bug does not crash: the agent learns, and values the end of the world.*
#
# Steps arrive in order, and each one updates the table that the next one reads. The code below is almost Q-learning.
# `terminated` means that the world has ended; `truncated`, that somebody stopped the clock. Mend it, and leave the given table as it is.
#
# <details><summary>Hint 1</summary>What is the value of a state in which the episode is over? And what stands in the table there?</details>
# <details><summary>Hint 2</summary>The pole that stands when time is up has not fallen. Only <code>terminated</code> switches the future off.</details>


# %%
def learn(Q, s, a, reward, after, terminated, truncated, lr, gamma):
    """Q (S, A); s, a, after (n,) int; reward (n,);
    terminated, truncated (n,) bool -> new Q (S, A)."""
    # solution
    Q = Q.copy()
    for i in range(len(s)):
        future = 0.0 if terminated[i] else Q[after[i]].max()
        Q[s[i], a[i]] += lr * (reward[i] + gamma * future - Q[s[i], a[i]])
    return Q
    # exercise
    # Q = Q.copy()
    # for i in range(len(s)):
    #     future = Q[after[i]].max()
    #     Q[s[i], a[i]] += lr * (reward[i] + gamma * future - Q[s[i], a[i]])
    # return Q
    # end solution


# %%
check("16.learn", learn)

# %% [markdown] tags=["solution-only"]
# In a table that starts at zero the bug stays hidden: nobody ever acts in the last state, so its row stays zero. With a net it breaks out, since a net guesses something there.
# Treating `truncated` as an end is the opposite error: near the time limit every state looks worthless.

# %% [markdown]
# ## 3 · More of what went better than expected
#
# **build** · level ●●○ · 20 minutes · `reinforcement-learning`
#
# *Because PPO, RLHF and GRPO are this gradient with a better baseline.*
#
# One episode: in step $t$ the state was `s[t]`, the action `a[t]`, the reward `r[t]`. The policy is a softmax over logits, a row of chances for each state. Return REINFORCE's gradient of the logits,
#
# $$\sum_t \gamma^t \,\big(G_t - b(s_t)\big)\, \nabla \log \pi(a_t \mid s_t), \qquad G_t = r_t + \gamma\, r_{t+1} + \gamma^2 r_{t+2} + \dots$$
#
# <details><summary>Hint 1</summary>Go backward: G = r[t] + gamma * G.</details>
# <details><summary>Hint 2</summary>In row s[t] the slope is 1 − π for the taken action and −π for every other. A state may be visited twice: add up.</details>


# %%
def reinforce(s, a, r, policy, baseline, gamma):
    """s, a (T,) int, r (T,), policy (S, A), baseline (S,)
    -> gradient of the logits (S, A)."""
    # solution
    grad, G = np.zeros_like(policy), 0.0
    for t in reversed(range(len(s))):
        G = r[t] + gamma * G
        slope = -policy[s[t]]
        slope[a[t]] += 1
        grad[s[t]] += gamma**t * (G - baseline[s[t]]) * slope
    return grad
    # end solution


# %%
check("16.reinforce", reinforce)

# %% [markdown] tags=["solution-only"]
# Each row of the gradient adds up to 0: chances add up to 1, so what one action gains the others lose.
# Most libraries leave out the $\gamma^t$. They climb something else then, in which late steps count as much as early ones.

# %% [markdown]
# ## 4 · One chooses, the other values
#
# **build** · level ●●○ · 15 minutes · `reinforcement-learning`
#
# *Because the largest of several guesses is too large, on average, even if each guess is fair.*
#
# A double DQN's target: in the state after, the *net* chooses the best action, the *copy* says what it is worth. After an end the target is the reward alone.
#
# <details><summary>Hint 1</summary>argmax over one table, the entry from the other: copy[np.arange(n), best].</details>
# <details><summary>Hint 2</summary>If a tie, the smaller number, which is argmax's own way.</details>


# %%
def double_target(net, copy, reward, terminated, gamma):
    """net, copy (n, A): Q of the states after; reward (n,),
    terminated (n,) bool -> (n,)."""
    # solution
    best = net.argmax(1)
    ahead = copy[np.arange(len(net)), best]
    return reward + gamma * np.where(terminated, 0.0, ahead)
    # end solution


# %%
check("16.double", double_target)

# %% [markdown] tags=["solution-only"]
# An action that the net overrates by luck is chosen, but the copy has drawn its luck elsewhere, so the luck is not paid twice.

# %% [markdown]
# ## 5 · As far as a fifth, and no further
#
# **build** · level ●●○ · 15 minutes · `reinforcement-learning`
#
# *Because a batch that is used ten times is nine times out of date.*
#
# PPO's gain for each step: $\min\big(\rho A,\ \operatorname{clip}(\rho, 1 - e, 1 + e)\, A\big)$, with $\rho = \pi_{\text{new}} / \pi_{\text{old}}$. You are given the *logarithms* of both.
#
# <details><summary>Hint 1</summary>A ratio of chances is exp of a difference of logarithms.</details>
# <details><summary>Hint 2</summary>The minimum is over the two products, not over the ratios: with A &lt; 0 that is something else.</details>


# %%
def gain(new, old, advantage, e):
    """new, old, advantage (n,), e a number -> (n,)."""
    # solution
    rho = np.exp(new - old)
    return np.minimum(rho * advantage, np.clip(rho, 1 - e, 1 + e) * advantage)
    # end solution


# %%
check("16.clip", gain)

# %% [markdown] tags=["solution-only"]
# It is never more than $\rho A$: a careful guess at what the new policy would earn. Where it is flat, its gradient is 0 and the step teaches nothing more.

# %% [markdown]
# ## 6 · Which move to look at first
#
# **build** · level ●●○ · 20 minutes · `alphago`
#
# *Because with few simulations most moves are never visited, and what you assume of them decides.*
#
# The lecture's PUCT gives an unvisited move the value 0: a draw. In a lost position that looks splendid, and the search tries every bad move once.
# Assume instead that an unvisited move is worth a little less than what was seen here so far: $\bar v - f$, with $\bar v = \sum_b W_b / \sum_b N_b$ over legal moves (0 if nothing was visited).
# The bonus is the lecture's, $c\, P_a \sqrt{1 + \sum_b N_b} \,/\, (1 + N_a)$, the sum over legal moves too. Return the number of the best legal move, the smallest on a tie.
#
# <details><summary>Hint 1</summary>Mean values first: W / N where N &gt; 0, v̄ − f elsewhere. Beware of 0 / 0.</details>
# <details><summary>Hint 2</summary>Illegal moves get −∞ before argmax; a score of 0 would beat a legal move in a lost position.</details>


# %%
def first_play(N, W, P, legal, c, f):
    """N, W, P (A,) floats, legal (A,) bool (at least one), c and f numbers
    -> the move, an int."""
    # solution
    total = N[legal].sum()
    seen = W[legal].sum() / total if total > 0 else 0.0
    value = np.where(N > 0, W / np.maximum(N, 1), seen - f)
    score = value + c * P * np.sqrt(1 + total) / (1 + N)
    return int(np.where(legal, score, -np.inf).argmax())
    # end solution


# %%
check("16.puct", first_play)

# %% [markdown] tags=["solution-only"]
# The literature calls it *first play urgency*. It is a prior once more: what do you believe of that which you have not seen?
