# %% [markdown]
# # 16 · Reinforcement learning: exercises
#
# Two tasks, about 35 minutes, after lecture 16.

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
# ## 1 · After the end comes nothing
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
# ## 2 · Which move to look at first
#
# **build** · level ●●○ · 20 minutes · `alphago`
#
# *Because with few simulations most moves are never visited, and what you assume of them decides.*
#
# The lecture's PUCT gives an unvisited move the value 0: a draw. In a lost position that looks splendid, and the search tries every bad move once.
# Assume instead that an unvisited move is worth a little less than what was seen here so far: $\bar v - f$, with $\bar v = \sum_b W_b / \sum_b N_b$ over legal moves (0 if nothing was visited).
# The bonus is the lecture's, $c\, P_a \sqrt{1 + \sum_b N_b} \,/\, (1 + N_a)$. Return the number of the best legal move, the smallest on a tie.
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

