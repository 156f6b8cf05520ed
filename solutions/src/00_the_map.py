# %% [markdown]
# # 00 · The map: exercises
#
# Five tasks, about 65 minutes, after lecture 00.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import concept_map, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · The accuracy of doing nothing
#
# **predict** · level ●○○ · 5 minutes · `data-practice`
#
# *Because a score is news only if the baseline is known.*
#
# On the ad log of lecture 00 a gradient boosting model (lecture 03) is trained to predict clicks,
# and turned into yes or no at a probability of one half. How many percentage points of accuracy does it gain over "never click"?
#
# - **a** – more than 5
# - **b** – between 1 and 5
# - **c** – less than 1
#
# <details><summary>Hint 1</summary>How many of the impressions does the model give a probability above one half, when 4 % are clicked?</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("00.baseline", answer)

# %% [markdown] tags=["solution-only"]
# There is no room above 96 %, and hardly any impression is more likely clicked than not.
# A good model and a useless one look the same. Choose a metric that can see the difference, before you choose a model.

# %% [markdown]
# ## 2 · Split by group
#
# **build** · level ●●○ · 15 minutes · `data-practice`
#
# *So that no user sits on both sides of a split.*
#
# Given the group of each row (a user number), return a mask of the rows that go to the test side:
# all rows of a group go to the same side, and `share` of the **groups**, rounded, are tested, each group with the same chance.
# Draw with the generator `rng`.
# Two helpers: `np.unique(a)` gives each value of `a` once; `np.isin(a, b)` tells for each element of `a` whether it is in `b`.
#
# <details><summary>Hint 1</summary>Draw for each <em>group</em>, not for each row. <code>np.unique(groups)</code> lists the groups.</details>
# <details><summary>Hint 2</summary>Choose groups: <code>rng.permutation(...)</code> and take the first <code>round(share * number)</code>.</details>
# <details><summary>Hint 3</summary><code>np.isin(groups, chosen)</code> is the mask of the rows whose group was chosen.</details>

# %%
def split_by_group(groups, share, rng):
    """groups: (n,) int, 0 < share < 1, rng: np.random.Generator
    -> (n,) bool, True for the test rows."""
    # solution
    names = rng.permutation(np.unique(groups))
    return np.isin(groups, names[: round(share * len(names))])
    # end solution


# %%
check("00.split", split_by_group)

# %% [markdown] tags=["solution-only"]
# `rng.choice` draws with replacement unless told otherwise: then a group can be drawn twice, and too few are tested.
# `sklearn.model_selection.GroupShuffleSplit` does the same.

# %% [markdown]
# ## 3 · Every row judged by a model that has not seen it
#
# **build** · level ●●○ · 15 minutes · `data-practice`
#
# *So that with few rows you still get an honest score from all of them.*
#
# This is the heart of cross-validation. `fold` holds the name of each row's fold.
# Answer each row with a model that was fitted on all rows of the *other* folds. The answers stand in the order of the rows.
#
# `fit(x, y)` learns from rows `x` and their answers `y`, and returns a function: `predict = fit(x, y)`, then `predict(new_x)` gives an answer for each row of `new_x`.
# The names of the folds may be any whole numbers, and the rows of a fold need not stand together.
#
# <details><summary>Hint 1</summary>One round for each fold: <code>for name in np.unique(fold)</code>. Which rows learn in this round, and which are answered?</details>
# <details><summary>Hint 2</summary>With <code>out = fold == name</code>, learn from <code>x[~out], y[~out]</code> and answer <code>x[out]</code>.</details>
# <details><summary>Hint 3</summary>Make room first, <code>answers = np.empty(len(y))</code>, and write with the mask: <code>answers[out] = …</code>. So each answer lands at its own row.</details>

# %%
def answers_out_of_fold(fit, x, y, fold):
    """fit: see above; x: (n, d), y: (n,) float, fold: (n,) int, two folds or more
    -> (n,) answers."""
    # solution
    answers = np.empty(len(y))
    for name in np.unique(fold):
        out = fold == name
        predict = fit(x[~out], y[~out])
        answers[out] = predict(x[out])
    return answers
    # end solution


# %%
check("00.folds", answers_out_of_fold)

# %% [markdown] tags=["solution-only"]
# Whatever `fit` does (scale, choose columns, train) it does with the other folds only: this is what a pipeline is for.
# Who chooses the folds decides what the score promises: rows at random for the same users, whole users for new ones.
# scikit-learn: `cross_val_predict`. For a log in the order of time even this is a leak, since the other folds hold the future (exercise 03.leak).

# %% [markdown]
# ## 4 · A rate that looks into the future
#
# **debug** · level ●●● · 20 minutes · `data-practice`
#
# *Because this is the leak that passes most reviews.*
#
# The clicks of a day reach the data store in the night. So for each row, the function should return the click rate of
# its user on **earlier days**, smoothed: $\dfrac{\text{clicks} + 0.4}{\text{rows} + 10}$. The rows are in the order of time.
# It runs, and a model with this feature gets a wonderful AUC. Find the leak and mend it.
#
# <details><summary>Hint 1</summary>Take one user with two rows: no click today, a click tomorrow. What should the two rates be? What are they?</details>
# <details><summary>Hint 2</summary>Which rows may a row look at? Those of the same user whose day is smaller, all of them.</details>
# <details><summary>Hint 3</summary>Keep <code>clicks</code> and <code>shown</code> for each user. Go day by day: first write the rates of all rows of the day, then count them.</details>

# %%
def rate_before(user, day, click):
    """user, day: (n,) int, click: (n,) of 0 and 1, rows in the order of time
    -> (n,) rates."""
    # solution
    clicks, shown = np.zeros(user.max() + 1), np.zeros(user.max() + 1)
    rate = np.empty(len(user))
    for today in np.unique(day):
        rows = day == today
        rate[rows] = (clicks[user[rows]] + 0.4) / (shown[user[rows]] + 10)
        np.add.at(clicks, user[rows], click[rows])  # += would count a user once a day
        np.add.at(shown, user[rows], 1)
    return rate
    # exercise
    # clicks = np.bincount(user, click)
    # shown = np.bincount(user)
    # return ((clicks + 0.4) / (shown + 10))[user]
    # end solution


# %%
check("00.leak", rate_before)

# %% [markdown] tags=["solution-only"]
# Leaving out only the row itself is not enough: clicks *after* the row are still inside, and in a test they are the answer.
# And what counts is not when a click happened but when you could know it: here, the night after.

# %% [markdown]
# ## 5 · How sure is a click rate?
#
# **build** · level ●●○ · 10 minutes · `data-practice`
#
# *So that you do not celebrate three clicks.*
#
# Return the ends of the 95 % Wilson interval for a click rate: with $\hat p = k / n$ and $z = 1.96$,
#
# $$\frac{\hat p + \frac{z^2}{2n} \pm z \sqrt{\frac{\hat p (1 - \hat p)}{n} + \frac{z^2}{4 n^2}}}{1 + \frac{z^2}{n}}$$
#
# 1.96 is section 5's: 95 % of a bell curve lie within 1.96 standard deviations of its middle.
# Unlike $\hat p \pm z \sqrt{\hat p (1 - \hat p) / n}$ it works for zero clicks as well (Wilson 1927).
#
# <details><summary>Hint 1</summary>Compute the centre and the half width first; both are divided by 1 + z²/n.</details>
# <details><summary>Hint 2</summary>Mind what stands under the root: z² / (4 n²), with n squared.</details>

# %%
def wilson(clicks, shown):
    """clicks, shown: whole numbers, 0 <= clicks <= shown, shown > 0
    -> (low, high), two numbers."""
    # solution
    z, p = 1.96, clicks / shown
    center = p + z**2 / (2 * shown)
    half = z * np.sqrt(p * (1 - p) / shown + z**2 / (4 * shown**2))
    return (center - half) / (1 + z**2 / shown), (center + half) / (1 + z**2 / shown)
    # end solution


# %%
check("00.interval", wilson)

# %% [markdown] tags=["solution-only"]
# Zero clicks in 20 impressions: the simple interval says [0, 0], as if we knew. Wilson's says that up to 16 % is possible.
# Lecture 15 builds on this: how sure a click rate is decides which ad to try next.

# %% [markdown]
# ## Your map
#
# Nodes fill with colour as you finish the exercises.

# %%
concept_map.show(simple=True, progress=True)
