# %% [markdown]
# # 02 · Optimization: exercises
#
# Seven tasks, about 110 minutes, after lecture 02.

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
# *So that you can say in advance which learning rate explodes, for your loss and not only for the lecture's.*
#
# Rows of a log seldom count alike, and large weights usually cost something:
#
# $$\ell(w) = \frac{\sum_i c_i\,(x_i w - y_i)^2}{\sum_i c_i} + p\,\lVert w\rVert^2$$
#
# $c_i \ge 0$ is the weight of row $i$, and $p$ is the price of a unit of squared weight.
# For one row $x = 2$ with $c = 3$ and $p = 0.5$ it is $(2w - y)^2 + 0.5\,w^2$: the slope is $8w - 4y + w$, its slope 9, and the limit $2/9$.
# Steepest descent converges below some learning rate and diverges above it. Return that limit, for any number of rows and weights. It does not depend on $y$.
#
# <details><summary>Hint 1</summary>The limit is 2 / L, with L the largest eigenvalue of the matrix of second derivatives. Derive the loss twice: which matrix is it?</details>
# <details><summary>Hint 2</summary>The gradient is 2 / Σc · X.T @ (c · (X @ w − y)) + 2 p w. Derive once more: how does the price enter, and where do the weights of the rows stand?</details>
# <details><summary>Hint 3</summary><code>np.linalg.eigvalsh</code> returns the eigenvalues of a symmetric matrix in rising order. <code>X * c[:, None]</code> multiplies each row by its weight.</details>

# %%
def speed_limit(X, c, price):
    """The largest rate below which descent converges.
    X: (n, d), c: (n,) row weights, price -> a number."""
    # solution
    curvature = 2 * X.T @ (X * c[:, None]) / c.sum()
    return 2 / (np.linalg.eigvalsh(curvature)[-1] + 2 * price)
    # end solution


# %%
check("02.limit", speed_limit)

# %% [markdown] tags=["solution-only"]
# The price adds $2p$ to *every* eigenvalue. So the limit falls a little, but the smallest curvature, which decides how long descent takes, may grow many times. What else such a price does is lecture 06's subject.
# The trace of the curvature (the sum of its eigenvalues) bounds L from above and needs no eigenvalues: a safe first guess for large problems.

# %% [markdown]
# ## 2 · A ball that looks ahead
#
# **build** · level ●○○ · 10 minutes · `momentum`
#
# *So that you know what `nesterov=True` does in your library.*
#
# Nesterov's momentum steps as if the velocity had already moved the ball once more:
# $v \leftarrow \beta v + g$ as in the lecture, then $w \leftarrow w - \eta\,(g + \beta v)$ with the *new* $v$.
# With $\eta = 1$, $\beta = \frac12$, $w = 0$ and gradients 1, 1: first $v = 1$ and $w = -1.5$, then $v = 1.5$ and $w = -3.25$.
# You get the gradients of several steps, one a row. Start at $w$ with velocity zero and take all the steps.
# Return the weights after *each* step.
#
# <details><summary>Hint 1</summary>The velocity outlives the step. Where must it be set to zero: before the loop, or in it?</details>
# <details><summary>Hint 2</summary>First the new velocity, where the gradient enters with weight 1, not 1 − β. Then the step: the gradient, and β times the <i>new</i> velocity.</details>

# %%
def look_ahead(w, gradients, lr, beta):
    """Nesterov's momentum. w: (d,), gradients: (steps, d)
    -> the weights after each step, (steps, d)."""
    # solution
    v, path = np.zeros_like(w), []
    for g in gradients:
        v = beta * v + g
        w = w - lr * (g + beta * v)
        path.append(w)
    return np.array(path)
    # end solution


# %%
check("02.momentum", look_ahead)

# %% [markdown] tags=["solution-only"]
# With the *old* velocity, $g + \beta v$ is the new velocity itself: plain momentum. One line in the wrong order, and the look ahead is gone.
# With a constant gradient the velocity grows to g / (1 − β) in both: at β = 0.9 a step is ten times as long.
# So a learning rate that was tuned without momentum has to shrink when you switch it on.

# %% [markdown]
# ## 3 · An AdaGrad for a table of vectors
#
# **debug** · level ●●○ · 15 minutes · `adagrad`
#
# *Because both bugs were in code that trained, only badly.*
#
# A large click model keeps a row of weights for each user. A memory as large as the table would be a second table.
# So **row-wise** AdaGrad keeps *one number a row*: the sum, over all steps, of the mean of the row's squared gradients, the present one included.
# A row's step is divided by the root of its number (plus `eps`).
# The function below has two bugs, and a patch that hides one of them. Mend all three lines.
#
# <details><summary>Hint 1</summary>Feed it one row of two weights and one gradient, (3, 4). The mean square is 12.5. By hand: the first step is lr · (3, 4) / √12.5.</details>
# <details><summary>Hint 2</summary>In which order are the memory updated and the step taken?</details>
# <details><summary>Hint 3</summary>A number 12.5 in the memory: what does the formula divide by? Look for the root.</details>

# %%
def adagrad_by_row(W, gradients, lr, eps=1e-10):
    """Row-wise AdaGrad. W: (rows, r), gradients: (steps, rows, r)
    -> the table after the last step."""
    # solution
    total = np.zeros((len(W), 1))
    for g in gradients:
        total = total + (g**2).mean(axis=1, keepdims=True)
        W = W - lr * g / (np.sqrt(total) + eps)
    return W
    # exercise
    # total = np.ones((len(W), 1))
    # for g in gradients:
    #     W = W - lr * g / (total + eps)
    #     total = total + (g**2).mean(axis=1, keepdims=True)
    # return W
    # end solution


# %%
check("02.adagrad", adagrad_by_row)

# %% [markdown] tags=["solution-only"]
# Somebody saw a division by zero in the first step (the memory was updated too late) and started the sum at one instead.
# That hid the first bug and made the second one, the missing root, look harmless while gradients were near one.
# A test on gradients of 0.001 and of 1,000 finds both.

# %% [markdown]
# ## 4 · Adam's other half
#
# **build** · level ●●○ · 20 minutes · `adam`
#
# *So that you know what a correction is for, and when there is none to make.*
#
# **AdaMax**, from the same article as Adam, divides by the largest recent gradient in place of a root of a mean:
# $m \leftarrow \beta_1 m + (1 - \beta_1)\, g$ and $u \leftarrow \max(\beta_2 u,\ |g| + \epsilon)$, entry by entry; both start at zero.
# $g$ is the gradient, $\beta_1$ and $\beta_2$ say how much of the old stays, and $\epsilon$ keeps $u$ above zero.
# The step is $\eta$ times $m$ over $u$. But one of the two starts too small, as in Adam, and is divided by $1 - \beta^t$ first, with its own $\beta$; the other is right from the first step on.
# Which? Return the weights after *each* step; $t$ counts from 1.
#
# <details><summary>Hint 1</summary>Take one step by hand. What is m, as a share of g? What is u? The right first step has length lr.</details>
# <details><summary>Hint 2</summary>Keep the uncorrected mean in memory, and correct a copy. <code>enumerate(gradients, start=1)</code> counts from 1.</details>
# <details><summary>Hint 3</summary><code>np.maximum</code> compares entry by entry. What fades is the old u, not the new |g|; ε is added to |g|.</details>

# %%
def adamax(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    """AdaMax. w: (d,), gradients: (steps, d) -> the weights after each step, (steps, d)."""
    # solution
    mean, largest, path = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        mean = beta1 * mean + (1 - beta1) * g
        largest = np.maximum(beta2 * largest, np.abs(g) + eps)
        w = w - lr * mean / (1 - beta1**t) / largest
        path.append(w)
    return np.array(path)
    # end solution


# %%
check("02.adamax", adamax)

# %% [markdown] tags=["solution-only"]
# A running mean that starts at zero is pulled towards zero; a maximum is not: the first gradient wins against it at once.
# In Adam both memories are means. Without its corrections the first mean is 0.1 g and the first root is 0.03 |g|: the first step would be three times too *long*.

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
# The other side: with Adam, weighting the *whole* loss by a constant does next to nothing.

# %% [markdown]
# ## 6 · Downhill by ranks
#
# **build** · level ●●○ · 15 minutes · `evolution`
#
# *So that one absurd loss among forty does not decide where you go.*
#
# The lecture weighs each draw with a difference of losses. In practice people weigh with **ranks** (Salimans, 2017):
# take the losses of all $2m$ tries, $w + \sigma\varepsilon_k$ and $w - \sigma\varepsilon_k$, and rank them *together*, from −½ for the smallest to ½ for the largest, in equal steps.
# (Losses 30, 10, 20, 40 get the ranks $\frac16$, $-\frac12$, $-\frac16$, $\frac12$.)
# Weigh $\varepsilon_k$ with the rank of its try less the rank of its mirror image; average over the $m$ draws.
# Nothing is divided by $\sigma$, since a rank has no unit. The noise is given, one draw a row; no two losses are equal.
#
# <details><summary>Hint 1</summary>The loss takes one w at a time: loop over the tries, and collect all 2m losses before you rank any.</details>
# <details><summary>Hint 2</summary>For losses 30, 10, 20 the ranks are 2, 0, 1. <code>argsort</code> says which loss comes first, 1, 2, 0; <code>argsort</code> of that is the ranks. Divide by 2m − 1, and take ½ off.</details>
# <details><summary>Hint 3</summary><code>gain @ noise / len(noise)</code> is the mean of the weighted draws, if <code>gain</code> has one number a draw: rank at plus, less rank at minus.</details>

# %%
def evolution_by_rank(loss, w, noise, sigma):
    """A direction like the gradient.
    loss: (d,) -> a number, w: (d,), noise: (m, d), sigma > 0 -> (d,)."""
    # solution
    m = len(noise)
    # losses (2m,)
    losses = np.array([loss(w + step) for step in sigma * np.concatenate([noise, -noise])])
    ranks = losses.argsort().argsort() / (2 * m - 1) - 0.5
    return (ranks[:m] - ranks[m:]) @ noise / m
    # end solution


# %%
check("02.evolution", evolution_by_rank)

# %% [markdown] tags=["solution-only"]
# Add 100 to the loss, take its exponential, let one try cost 1e12: the ranks stay, and so does the step.
# The price: the length of the step no longer says how steep it is. Near the bottom it does not shrink by itself, so a schedule must do it.

# %% [markdown]
# ## 7 · Clicks, from a thinned log
#
# **apply** · level ●●● · 30 minutes · `sgd` `adagrad` `optimization`
#
# *Because no log server keeps every impression that nobody clicked.*
#
# The server keeps every click, but of the rows without one only the share `kept`, here one in ten.
# `ones` holds, for each row that is left, the numbers of its eleven ones, as in lecture 02, 548 in all.
# Train logistic regression on mini-batches drawn from `rng`, with any optimizer of your own.
# Return 548 weights. The sum of a row's eleven must be the logit of a click in the *full* log, where clicks are rare; no bias is needed.
# The check wants 26 % of the gap on later days of full logs that you have not seen. Draw from `rng` and from nothing else.
#
# <details><summary>Hint 1</summary>Gradient of a batch: <code>np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows), minlength=548)</code>, with error = p − click. Start every weight so that the sum of eleven is the logit of the click rate you see.</details>
# <details><summary>Hint 2</summary>Thinning divides the rows without a click by ten, so the odds p / (1 − p) are ten times too high. What is that on the logit? Spread the correction over the eleven weights, at the end.</details>
# <details><summary>Hint 3</summary>Plain SGD with lr 0.3 and batches of 100 needs about ten passes. AdaGrad with lr 0.1 is there after one, SGD with a rate that falls on a line from 4 to zero after two.</details>

# %%
def train_clicks(ones, click, kept, rng):
    """ones: (n, 11) of 0..547, click: (n,) of 0 and 1, kept: 0.1
    -> weights (548,), float."""
    # solution
    w = np.full(548, np.log(click.mean() / (1 - click.mean())) / 11)
    total = np.zeros_like(w)
    for _ in range(3):  # passes
        for rows in np.array_split(rng.permutation(len(click)), len(click) // 100):
            error = 1 / (1 + np.exp(-w[ones[rows]].sum(axis=1))) - click[rows]
            g = np.bincount(ones[rows].ravel(), np.repeat(error, 11) / len(rows),
                            minlength=548)
            total += g**2
            w = w - 0.1 * g / (np.sqrt(total) + 1e-10)
    return w + np.log(kept) / 11  # the odds of the thinned log are 1 / kept times too high
    # end solution


# %%
if check("02.clicks", train_clicks):
    log = data.load("ads", rows=100_000, seed=SEED)
    columns = [column for column in log.sizes if column != "day"]
    firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
    ones = np.stack([log.features[column] for column in columns], axis=1) + firsts[:-1]
    rng, past = np.random.default_rng(SEED), log.features["day"] < 10
    stays = past & ((log.click == 1) | (rng.random(len(past)) < 0.1))
    w = train_clicks(ones[stays], log.click[stays], 0.1, rng)
    share = 100 * log[~past].share_of_gap(1 / (1 + np.exp(-w[ones[~past]].sum(axis=1))))
    plots.bars(f"Your model has seen {stays.sum():,} of {past.sum():,} rows",
               {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# A seventh of the rows does nearly what all of them do: the clicks are what is scarce, and none was dropped.
# Another way is to give each kept row without a click the weight 1 / kept in the gradient; then nothing is undone at the end.
# Rare ids decide here: a constant rate that moves the rare ones shakes the frequent ones. AdaGrad gives each its own, and lets it fall; SGD with a schedule comes close.
