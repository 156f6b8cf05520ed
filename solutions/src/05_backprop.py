# %% [markdown]
# # 05 · Back-propagation: exercises
#
# Seven tasks, about 125 minutes, after lecture 05.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Nudge it, and watch every output
#
# **build** · level ●●○ · 15 minutes · `backprop`
#
# *So that you can referee any derivative, also a layer's.*
#
# The lecture's referee takes a loss, one number. A layer has many outputs, so its slopes are a table: each output by each input, the **Jacobian**.
# For example $f(x_1, x_2) = (x_1 x_2,\ 3 x_1)$ at (2, 5): the first output moves by 5 for each unit of $x_1$ and by 2 for each unit of $x_2$; the second by 3 and 0. The table is [[5, 2], [3, 0]].
#
# `f` takes an array and returns an array, each of any shape, a single number included. Return the Jacobian by central differences:
# nudge one entry of `x` up by `h`, then down by `h`, and divide the change of the outputs by `2h`.
# Its shape is that of `f(x)` followed by that of `x`: `J[i, j]` is output `i` by input `j`. Leave `x` as it was.
#
# <details><summary>Hint 1</summary>Which entry has been nudged when you call f? Exactly one. Start each time from a fresh copy of x. Add nothing up: a number for each output.</details>
# <details><summary>Hint 2</summary><code>for i in np.ndindex(x.shape)</code> visits every entry of an array of any shape. <code>J[..., *i] = change</code> fills in all outputs for one input, if J has the outputs' axes first.</details>
# <details><summary>Hint 3</summary>(f(up) − f(down)) / (2h), not (f(up) − f(x)) / h: the one-sided difference is right to h only, the central one to h².</details>

# %%
def jacobian(f, x, h=1e-5):
    """Central differences. f: array -> array, x: array of any shape
    -> (*shape of f(x), *shape of x)."""
    # solution
    J = np.zeros((*np.shape(f(x)), *x.shape))
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        J[..., *i] = (f(x + step) - f(x - step)) / (2 * h)
    return J
    # end solution


# %%
check("05.jacobian", jacobian)

# %% [markdown] tags=["solution-only"]
# It costs two calls of f for every input, so nobody trains with it.
# But it knows nothing of your derivation, and that is what a referee is for.
# Neither mode builds this table. Backward takes a gradient of the outputs and gives back that gradient *times* the table; forward takes a nudge of the inputs and gives back the table times that nudge.

# %% [markdown]
# ## 2 · Cross-entropy with holes in the labels, backward
#
# **build** · level ●●○ · 20 minutes · `backprop`
#
# *Because this is the first gradient of every classifier's backward pass, and real labels have holes.*
#
# Scores $z$ of shape $(n, k)$, labels of shape $(n,)$. A label of −1 says that nobody knows: such a row takes no part.
# The others ask for **smoothed** answers, so that no score has to be infinite:
#
# $$q = (1 - s) \cdot \text{one-hot} + s / k \qquad L = -\frac1m \sum_{\text{known rows}} \sum_j q_j \log p_j$$
#
# $s$ is `smooth`, from 0 to 1, $p$ the softmax of the row, $j$ runs over the $k$ classes, and $m$ is the number of known rows, at least one.
# With $k = 4$, $s = 0.2$ and class 0 true, $q$ is (0.85, 0.05, 0.05, 0.05): one-hot gives up 0.2, and all four share it.
# Return the gradient of $L$ with respect to $z$. It must be right for scores of 1000 as well.
#
# <details><summary>Hint 1</summary>For one row, −log p[j] = log Σ exp(z) − z[j], and the q sum to one. Differentiate with respect to each z: the first term gives the shares p.</details>
# <details><summary>Hint 2</summary>Shares minus answers, and the answers are q. Unknown rows get zeros, and the mean is over the known ones.</details>
# <details><summary>Hint 3</summary>exp(1000) overflows: take each row's largest score off before exp. And an index of −1 is the last class: NumPy does not complain.</details>

# %%
def cross_entropy_gradient(z, labels, smooth):
    """z: (n, k) scores, labels: (n,) of −1 … k − 1, smooth: number
    -> (n, k), zeros in unknown rows."""
    # solution
    known = labels >= 0
    answers = np.full(z.shape, smooth / z.shape[1])
    answers[known, labels[known]] += 1 - smooth
    e = np.exp(z - z.max(axis=1, keepdims=True))
    gradient = e / e.sum(axis=1, keepdims=True) - answers
    return np.where(known[:, None], gradient, 0) / known.sum()
    # end solution


# %%
check("05.cross_entropy", cross_entropy_gradient)

# %% [markdown] tags=["solution-only"]
# The softmax alone has a full k × k Jacobian, and the logarithm divides by shares that may be zero.
# Taken together nearly everything cancels, which is why libraries fuse the two: `cross_entropy` takes scores, not shares.
# Its options `ignore_index` and `label_smoothing` are this task.

# %% [markdown]
# ## 3 · The bias that grew
#
# **debug** · level ●●○ · 15 minutes · `backprop`
#
# *Because this bug does not crash: NumPy broadcasts the wrong gradient without a word.*
#
# A linear layer computes `y = x @ w + b` with `w` (d, k) and `b` (k,). Its backward was written for `x` of shape (n, d).
# Then somebody passed sentences, (batch, words, d), and took care to turn the last two axes only. Nothing stops.
# Mend it for any number of axes, from two on. `g` is the gradient with respect to `y`; return those of `x`, `w` and `b`.
#
# <details><summary>Hint 1</summary>Print the three shapes for x (2, 4, 3) and w (3, 5). A gradient has the shape of what it belongs to.</details>
# <details><summary>Hint 2</summary>Every word of every sentence used the same w and the same b. What is used many times gets all its gradients, added up.</details>
# <details><summary>Hint 3</summary>Words are rows, whichever sentence they stand in: <code>x.reshape(-1, x.shape[-1])</code> is (all words, d), and then the old rules hold.</details>

# %%
def linear_backward(x, w, g):
    """Backward of x @ w + b. x: (..., d), w: (d, k), g: (..., k)
    -> dx like x, dw like w, db (k,)."""
    # solution
    rows, gradients = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    return g @ w.T, rows.T @ gradients, gradients.sum(axis=0)
    # exercise
    # dx = g @ w.swapaxes(-1, -2)
    # dw = x.swapaxes(-1, -2) @ g
    # db = g.sum(axis=0)
    # return dx, dw, db
    # end solution


# %%
check("05.linear", linear_backward)

# %% [markdown] tags=["solution-only"]
# With the bug, `w - lr * dw` is a stack of matrices after the first step, one for each sentence of the batch, and `b` has a row for each word.
# The next forward and backward pass broadcast them without a word: (batch, words, d) @ (batch, d, k) is a legal product.
# So each sentence of the batch trains a matrix of its own, and the loss still falls. It stops with an error at the first batch of another size, if there is one.
# Compare shapes after the first step, always.

# %% [markdown]
# ## 4 · Layer norm, backward
#
# **build** · level ●●● · 25 minutes · `backprop`
#
# *So that you can do the one everybody looks up.*
#
# Each row of $x$ is shifted to mean 0 and scaled to variance 1: $y = (x - \mu) / s$. Here $\mu$ is the mean of the row, $d$ the number of its entries,
# and $s = \sqrt{\text{var} + \epsilon}$ with the variance var, the mean of $(x - \mu)^2$, and a small $\epsilon$ (`eps`) against a division by zero.
# Given $g$, the gradient with respect to $y$, return the gradient with respect to $x$.
#
# <details><summary>Hint 1</summary>An entry of x acts on y in three ways: itself, through μ, and through s. Three terms add up.</details>
# <details><summary>Hint 2</summary>Do the mean alone first: for y = x − mean(x) the gradient is g − mean(g), row by row.</details>
# <details><summary>Hint 3</summary>The term of s takes away the part of g that points along y: y · mean(g · y). In all: (g − mean(g) − y · mean(g · y)) / s.</details>

# %%
def layer_norm_gradient(x, g, eps=1e-5):
    """Gradient with respect to x of layer norm without weights.
    x: (n, d), g: (n, d) -> (n, d)."""
    # solution
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    y = (x - x.mean(axis=1, keepdims=True)) / s
    return (g - g.mean(axis=1, keepdims=True) - y * (g * y).mean(axis=1, keepdims=True)) / s
    # end solution


# %%
check("05.layer_norm", layer_norm_gradient)

# %% [markdown] tags=["solution-only"]
# Read it as geometry: y cannot move along the vector of ones, because its mean is 0, nor along itself, because its length is fixed.
# So the backward takes these two directions out of g. Batch norm is the same over the other axis.

# %% [markdown]
# ## 5 · Clip by global norm
#
# **build** · level ●○○ · 10 minutes · `exploding`
#
# *So that one bad batch does not cost you the run.*
#
# Given the gradients of all weights, a list of arrays, and `limit`: if the norm of all of them *as one vector* exceeds the limit,
# scale all by the same factor so that it is the limit. Otherwise change nothing. Return a list of new arrays, each with its own dtype.
#
# <details><summary>Hint 1</summary>One norm for all arrays: the root of the sum of all squares, over every array.</details>
# <details><summary>Hint 2</summary>One factor for all: limit / norm, but never more than 1. What if every gradient is zero?</details>
# <details><summary>Hint 3</summary>A NumPy number such as <code>np.sqrt(4.0)</code> turns float32 arrays into float64; <code>float(…)</code> makes a Python number of it, which does not.</details>

# %%
def clip(gradients, limit):
    """Gradients, a list of arrays, scaled to a global norm of at most `limit`
    -> a list of their shapes."""
    # solution
    norm = np.sqrt(sum(float(np.sum(g * g)) for g in gradients))
    # a NumPy number would widen float32
    factor = float(limit / norm) if norm > limit else 1.0
    return [g * factor for g in gradients]
    # end solution


# %%
check("05.clip", clip)

# %% [markdown] tags=["solution-only"]
# One factor for all keeps the direction of the step. Clipping each array, or each entry, turns it.
# `torch.nn.utils.clip_grad_norm_` does the same and returns the norm before clipping: log it.

# %% [markdown]
# ## 6 · Which net still learns?
#
# **predict** · level ●●○ · 10 minutes · `vanishing` `exploding`
#
# *So that you see it before you have paid for the run.*
#
# Four nets of 20 layers of 64 units read digits for 200 steps of the same optimizer, gradients clipped.
# Only one gets above 80 %. Commit to one letter, then check: the check trains all four.
#
# - **a** – sigmoid, weights of spread 1/√64 (Glorot)
# - **b** – tanh, weights of spread 1
# - **c** – tanh, weights of spread 1/√64 (Glorot)
# - **d** – ReLU, weights of spread 0.01
#
# <details><summary>Hint 1</summary>For each net, what is the typical factor of one layer: slope of the activation times what the weights do to the length?</details>
# <details><summary>Hint 2</summary>64 weights of spread s make the length 8 s times as long. The slope near zero: sigmoid ¼, tanh 1, ReLU 1 for half of the units. A saturated unit has slope 0.</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("05.learns", answer)

# %% [markdown] tags=["solution-only"]
# a: ¼ a layer. b: the length grows eightfold, every unit saturates, and the gradients that get through explode.
# d: 0.08 a layer, less for the units that are off: by the last layer nothing of the picture is left. c: about 1.
# Not the sigmoid is to blame, but the product: the lecture's sigmoid from N(0, 1) learns, only later than c.

# %% [markdown]
# ## 7 · Vectors for users and ads
#
# **apply** · level ●●● · 30 minutes · `backprop`
#
# *Because every large click model is a table of vectors, and this is the line where its gradient goes wrong.*
#
# Each user and each ad has a vector, a row of weights of its own. The logit of a click is $z = b + u \cdot a$, with $u$ the user's row of $U$ and $a$ the ad's row of $A$:
# for $u = (1, 2)$, $a = (0.5, -1)$ and $b = 0$ it is $1 \cdot 0.5 - 2 \cdot 1 = -1.5$.
# The loss is the mean cross-entropy of $\sigma(z)$. Return the gradients with respect to $U$, $A$ and $b$.
# A user who appears in three rows of the batch gets three gradients, added up.
#
# <details><summary>Hint 1</summary>Lecture 01: the gradient with respect to the logit is (p − click) / n, one number a row. From there it goes to b, to u and to a.</details>
# <details><summary>Hint 2</summary>z = b + u · a: the gradient of u is (that number) times a, and the other way round. Now each belongs to a row of U.</details>
# <details><summary>Hint 3</summary><code>dU[user] += …</code> keeps only one of the rows of a user who appears twice. <code>np.add.at(dU, user, …)</code> adds all.</details>

# %%
def table_gradients(U, A, b, user, ad, click):
    """U: (users, r), A: (ads, r), b: number, user, ad, click: (n,)
    -> dU, dA, db, shaped like U, A, b."""
    # solution
    u, a = U[user], A[ad]                                     # (n, r), (n, r)
    z = b + (u * a).sum(axis=1)                               # (n,)
    # sigmoid through tanh: no overflow
    dz = (0.5 * (1 + np.tanh(0.5 * z)) - click) / len(click)
    dU, dA = np.zeros_like(U), np.zeros_like(A)
    np.add.at(dU, user, dz[:, None] * a)
    np.add.at(dA, ad, dz[:, None] * u)
    return dU, dA, dz.sum()
    # end solution


# %%
if check("05.tables", table_gradients):
    log = data.load("ads", rows=100_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    U, A = rng.normal(0, 0.3, (400, 4)), rng.normal(0, 0.3, (50, 4))
    # one column each stands still: the other side's is a bias of its own
    U[:, 0] = A[:, 1] = 1.0
    b, (mean, square) = np.log(0.04 / 0.96), ([0, 0, 0], [0, 0, 0])
    for step in range(1, 1501):  # Adam, lecture 02
        rows = rng.integers(len(past), size=1000)
        batch = past.features["user"][rows], past.features["ad"][rows], past.click[rows]
        g = list(table_gradients(U, A, b, *batch))
        g[0][:, 0], g[1][:, 1] = 0, 0
        mean = [0.9 * m + 0.1 * d for m, d in zip(mean, g, strict=True)]
        square = [0.999 * s + 0.001 * d**2 for s, d in zip(square, g, strict=True)]
        move = [0.01 * m / (1 - 0.9**step) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
                for m, s in zip(mean, square, strict=True)]
        U, A, b = U - move[0], A - move[1], b - move[2]
    z = b + (U[future.features["user"]] * A[future.features["ad"]]).sum(axis=1)
    share = 100 * future.share_of_gap(1 / (1 + np.exp(-z)))
    plots.bars("Users and ads as vectors, on the ad log",
               {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your vectors, truth.")

# %% [markdown] tags=["solution-only"]
# Nothing but the ids of user and ad went in: no age, no hour, no position.
# `dU[user] += …` runs without an error: busy users get one of their many gradients, and nothing tells you.
# Lecture 08 takes these tables up again, with all columns.
