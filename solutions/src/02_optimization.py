# %% [markdown]
# # 02 · Optimization: exercises
#
# Seven tasks, about 110 minutes, after lecture 02.
# Write your code where a cell says `# your code here`, run the cell, then run the check below it.
# ○ is not written yet, ✗ says what is wrong and which hint helps, ✔ is right, and saved.
# Nothing here can break: change what you like.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · The speed limit
#
# **build** · level ●●○ · 15 minutes · `learning-rate` `steepest-descent`
#
# *So that you can say in advance which learning rate explodes.*
#
# Steepest descent on the mean squared error of linear regression, $\frac1n \sum_i (x_i w - y_i)^2$, converges below some learning rate and diverges above it.
# Return that limit. It depends on the inputs $X$ only.
#
# <details><summary>Hint 1</summary>The limit is 2 / L, with L the largest eigenvalue of the matrix of second derivatives. Derive the gradient once more: which matrix is it?</details>
# <details><summary>Hint 2</summary>The gradient is 2 / n · X.T @ (X @ w − y). Its derivative by w is 2 / n · X.T @ X. Do not lose the 2, nor the n.</details>
# <details><summary>Hint 3</summary><code>np.linalg.eigvalsh</code> returns the eigenvalues of a symmetric matrix in rising order.</details>

# %%
def speed_limit(X):
    """The largest learning rate below which descent on the MSE converges. X: (n, d) -> one number."""
    # solution
    curvature = 2 / len(X) * X.T @ X
    return 2 / np.linalg.eigvalsh(curvature)[-1]
    # end solution


# %%
check("02.limit", speed_limit)

# %% [markdown] tags=["solution-only"]
# Multiply one column by ten, and the limit falls by up to a hundred.
# The trace of the curvature (the sum of its eigenvalues) bounds L from above and needs no eigenvalues: a safe first guess for large problems.

# %% [markdown]
# ## 2 · A ball that rolls
#
# **build** · level ●○○ · 10 minutes · `momentum`
#
# *Because everybody uses momentum, and few know which of its formulas their library has.*
#
# You get the gradients of several steps, one a row. Start at $w$ with velocity zero and take all the steps:
# $v \leftarrow \beta v + g$, then $w \leftarrow w - \eta v$. Return the weights after *each* step.
#
# <details><summary>Hint 1</summary>The velocity outlives the step. Where must it be set to zero: before the loop, or in it?</details>
# <details><summary>Hint 2</summary>The order matters: first the new velocity, then the step with the <i>new</i> velocity. And the gradient enters with weight 1, not 1 − β.</details>

# %%
def roll(w, gradients, lr, beta):
    """Momentum. w: (d,), gradients: (steps, d) -> the weights after each step, (steps, d)."""
    # solution
    v, path = np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w = w - lr * v
        path.append(w)
    return np.array(path)
    # end solution


# %%
check("02.momentum", roll)

# %% [markdown] tags=["solution-only"]
# With a constant gradient the velocity grows to g / (1 − β): at β = 0.9 every step is ten times as long.
# So a learning rate that was tuned without momentum has to shrink when you switch it on, and back.
# Keras and older papers put the learning rate inside the velocity; with a schedule the two differ.

# %% [markdown]
# ## 3 · An AdaGrad that forgets
#
# **debug** · level ●●○ · 15 minutes · `adagrad`
#
# *Because both bugs were in code that trained, only badly.*
#
# AdaGrad divides each step by the root of the sum of all squared gradients, the present one included.
# The function below has two bugs. Find and mend both.
#
# <details><summary>Hint 1</summary>Feed it one gradient, [3.0], and compute by hand: the first step of AdaGrad has length lr, whatever the gradient.</details>
# <details><summary>Hint 2</summary>In which order are the memory updated and the step taken?</details>
# <details><summary>Hint 3</summary>A gradient of 2 and a sum of squares of 4: what does the formula divide by? Look for the root.</details>

# %%
def adagrad(w, gradients, lr, eps=1e-10):
    """AdaGrad. w: (d,), gradients: (steps, d) -> the weights after the last step, (d,)."""
    # solution
    total = np.zeros_like(w)
    for g in gradients:
        total = total + g**2
        w = w - lr * g / (np.sqrt(total) + eps)
    return w
    # exercise
    # total = np.ones_like(w)
    # for g in gradients:
    #     w = w - lr * g / (total + eps)
    #     total = total + g**2
    # return w
    # end solution


# %%
check("02.adagrad", adagrad)

# %% [markdown] tags=["solution-only"]
# Somebody saw a division by zero in the first step (the memory was updated too late) and started the sum at one instead.
# That hid the first bug and made the second one, the missing root, look harmless while gradients were near one.
# A test on gradients of 0.001 and of 1,000 finds both.

# %% [markdown]
# ## 4 · Adam's first steps
#
# **build** · level ●●○ · 20 minutes · `adam`
#
# *So that you know what the two corrections are for.*
#
# Adam keeps running means of $g$ and of $g^2$ that start at zero, so the first ones are too small.
# After step $t$, counted from 1, divide the mean of $g$ by $1 - \beta_1^t$ and the mean of $g^2$ by $1 - \beta_2^t$.
# Then step: $w \leftarrow w - \eta \cdot \text{mean} / (\sqrt{\text{square}} + \epsilon)$. Return the weights after *each* step.
#
# <details><summary>Hint 1</summary>After one step the corrected mean is g itself, and the corrected square is g². So the first step has length lr. Does yours?</details>
# <details><summary>Hint 2</summary>Keep the uncorrected means in memory, and correct copies. <code>enumerate(gradients, start=1)</code> counts from 1.</details>
# <details><summary>Hint 3</summary>ε is added to the root, not under it.</details>

# %%
def adam(w, gradients, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam. w: (d,), gradients: (steps, d) -> the weights after each step, (steps, d)."""
    # solution
    mean, square, path = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        mean = beta1 * mean + (1 - beta1) * g
        square = beta2 * square + (1 - beta2) * g**2
        w = w - lr * (mean / (1 - beta1**t)) / (np.sqrt(square / (1 - beta2**t)) + eps)
        path.append(w)
    return np.array(path)
    # end solution


# %%
check("02.adam", adam)

# %% [markdown] tags=["solution-only"]
# Without the corrections the first mean is 0.1 g and the first root is 0.03 |g|: the first step would be three times too long, not too short.
# The second mean is the slower one, so leaving it uncorrected is the worse mistake; warm-up is a remedy against the same start.

# %% [markdown]
# ## 5 · A loss in other units
#
# **predict** · level ●○○ · 5 minutes · `adam` `sgd`
#
# *Because somebody will change a mean into a sum, over 1,000 rows.*
#
# A loss is multiplied by 1,000: the same bottom, every gradient 1,000 times as large. The learning rates stay as they were, tuned.
# What happens? Commit to one letter, then check.
#
# - **a** – SGD and Adam both diverge
# - **b** – SGD diverges, Adam walks the same path as before
# - **c** – SGD walks the same path as before, Adam diverges
# - **d** – both walk the same path as before, since the bottom is the same
#
# <details><summary>Hint 1</summary>The curvature grows with the loss. Where is 2 / L now?</details>
# <details><summary>Hint 2</summary>Adam divides the mean of g by the root of the mean of g². What does a factor of 1,000 do to each of them?</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("02.units", answer)

# %% [markdown] tags=["solution-only"]
# Adam's path does not depend on the scale of the loss (but for ε), and that is half of why its default rate travels so well.
# The other side: with Adam, weighting the *whole* loss by a constant does nothing at all.

# %% [markdown]
# ## 6 · Downhill without a slope
#
# **build** · level ●●○ · 15 minutes · `evolution`
#
# *So that you can optimize what nobody can differentiate.*
#
# Return evolution's estimate of the gradient from given noise, one draw a row:
# try $w + \sigma\varepsilon$ and $w - \sigma\varepsilon$; weigh $\varepsilon$ with the difference of the two losses over $2\sigma$; average over the draws.
#
# <details><summary>Hint 1</summary>The loss takes one w at a time, so loop over the rows of the noise.</details>
# <details><summary>Hint 2</summary>For a loss that is a straight line, slope s, one draw ε gives (s · ε) ε. Check the factor 2, the σ and the sign on paper.</details>
# <details><summary>Hint 3</summary><code>gain @ noise / len(noise)</code> is the mean of the weighted draws, if <code>gain</code> has one number a draw.</details>

# %%
def evolution_gradient(loss, w, noise, sigma):
    """Evolution's gradient. loss: (d,) -> a number, w: (d,), noise: (m, d), sigma > 0 -> (d,)."""
    # solution
    gain = np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise]) / (2 * sigma)
    return gain @ noise / len(noise)
    # end solution


# %%
check("02.evolution", evolution_gradient)

# %% [markdown] tags=["solution-only"]
# The mirror image pays: it removes the value of the loss itself, which would otherwise be the largest part of the noise.
# Try it: with `loss(w + sigma * e) / sigma` alone, add 100 to the loss, and the estimate drowns.

# %% [markdown]
# ## 7 · Clicks, one batch at a time
#
# **apply** · level ●●● · 30 minutes · `sgd` `adagrad` `optimization`
#
# *So that you have trained a click model the way it is done on logs that fit no memory.*
#
# `ones` holds, for each impression, the numbers of its eleven ones, as in lecture 02; there are 548 in all.
# Train logistic regression on mini-batches, in any order drawn from `rng`, with any optimizer from your own hand.
# Return 548 weights; the score of a row is the sum of its eleven. No bias is needed.
# The check wants 30 % of the gap on later days, on logs that you have not seen; the result has to depend on `rng`, and on nothing else that is random.
#
# <details><summary>Hint 1</summary>Gradient of a batch: <code>np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows), minlength=548)</code>, with error = p − click.</details>
# <details><summary>Hint 2</summary>Start every weight at a negative value, so that the sum of eleven is the logit of 4 %. From zero, the first hundred steps only learn that clicks are rare.</details>
# <details><summary>Hint 3</summary>Plain SGD with lr 1 and batches of 100 needs about ten passes. AdaGrad with lr 0.1 is there after one.</details>

# %%
def train_clicks(ones, click, rng):
    """ones: (n, 11) of 0..547, click: (n,) of 0 and 1 -> weights (548,), float."""
    # solution
    w = np.full(548, np.log(0.04 / 0.96) / 11)
    total = np.zeros_like(w)
    for _ in range(3):  # passes
        for rows in np.array_split(rng.permutation(len(click)), len(click) // 100):
            error = 1 / (1 + np.exp(-w[ones[rows]].sum(axis=1))) - click[rows]
            g = np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows), minlength=548)
            total += g**2
            w = w - 0.1 * g / (np.sqrt(total) + 1e-10)
    return w
    # end solution


# %%
if check("02.clicks", train_clicks):
    log = data.load("ads", rows=100_000, seed=SEED)
    columns = [column for column in log.sizes if column != "day"]
    firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
    ones = np.stack([log.features[column] for column in columns], axis=1) + firsts[:-1]
    past = log.features["day"] < 10
    w = train_clicks(ones[past], log.click[past], np.random.default_rng(SEED))
    share = 100 * log[~past].share_of_gap(1 / (1 + np.exp(-w[ones[~past]].sum(axis=1))))
    plots.bars("Your model on the ad log", {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %", colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# Rare ids decide here: there are 400 users, and some are seen fewer than a hundred times in all.
# With one rate for all weights, a rate that moves the rare ones shakes the frequent ones; AdaGrad gives each its own.
# More passes begin to memorize: the share stops rising after a few, and regularization is lecture 06.
