# %% [markdown]
# # 06 · Regularization: exercises
#
# Seven tasks, about 120 minutes, after lecture 06.

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
# ## 1 · A belief that is not zero
#
# **build** · level ●●○ · 20 minutes · `l2` `regularization`
#
# *Because yesterday's model is a better guess than zero, and not every weight deserves the same doubt.*
#
# The lecture's ridge believes in weights near zero. You have yesterday's weights $m$, and trust each one by its own amount:
#
# $$\ell(w) = \sum_i (y_i - x_i w - b)^2 + \sum_j p_j\,(w_j - m_j)^2$$
#
# $x_i$ is row $i$ of the inputs and $y_i$ its target, as in the lecture. $p_j \ge 0$ is the price of moving weight $j$ away from $m_j$. The bias $b$ has no price.
# Return the $w$ and the $b$ that make this smallest. No column is constant, but there may be fewer rows than columns: then all prices are positive.
#
# For example, one column with rows −1 and 1, targets −2 and 2, $m = 1$ and $p = 2$. Then $b = 0$ and $\ell = 2(2 - w)^2 + 2(w - 1)^2$. The data say 2, yesterday says 1, and $w = 1.5$.
#
# <details><summary>Hint 1</summary>Yesterday's error is easier to look at: put u = w − m and the targets y − X m. For u this is a ridge that shrinks to zero.</details>
# <details><summary>Hint 2</summary>A free bias: take the mean off each column and off the targets first, and compute b at the end. A column of ones works too, if its price is 0.</details>
# <details><summary>Hint 3</summary>Derive: (XᵀX + P) u = Xᵀ(y − X m), with X and the targets centred and P = <code>np.diag(price)</code>. Then b = mean(y) − mean(X) @ w, with the columns as they were.</details>

# %%
def ridge_around(X, y, price, m):
    """X: (n, d), y: (n,), price: (d,) at least 0, m: (d,)
    -> weights w (d,), bias b, a number."""
    # solution
    centred, error = X - X.mean(axis=0), y - X @ m
    u = np.linalg.solve(centred.T @ centred + np.diag(price),
                        centred.T @ (error - error.mean()))
    w = m + u
    return w, np.mean(y - X @ w)
    # end solution


# %%
check("06.ridge", ridge_around)

# %% [markdown] tags=["solution-only"]
# A high price says: this weight is known from elsewhere. Price 0 says: forget yesterday.
# In Bayes' words the belief is a Gaussian around $m$, with a variance of $\sigma^2 / p_j$ for weight $j$.
# Fine-tuning a trained net with such a pull back to where it started is a real method, and lecture 07 will need the thought.

# %% [markdown]
# ## 2 · A whole column, or nothing
#
# **build** · level ●●○ · 15 minutes · `l1`
#
# *So that you can remove an input from a network, and not only single numbers from a table.*
#
# The lecture's soft threshold sets single weights to zero. To drop an *input*, all weights that leave it have to go together.
# The **group lasso** prices $\lambda \sum_j \lVert W_j \rVert$, with $W_j$ the row of weights of input $j$ and $\lVert\cdot\rVert$ its length (Yuan and Lin, 2006).
# Its threshold shortens every row by `pull`, without turning it, and sets a row that is no longer than `pull` to zero.
# With a pull of 1, the row (3, 4) has length 5 and should have 4: it becomes (2.4, 3.2). The row (0.3, 0.4) becomes (0, 0).
# The last row of `W` belongs to the bias, and stays.
# Return the new `W`.
#
# <details><summary>Hint 1</summary>One number a row decides: its length, <code>np.linalg.norm(rows, axis=1, keepdims=True)</code>. What is (3, 4) multiplied by, to become (2.4, 3.2)?</details>
# <details><summary>Hint 2</summary>Multiply a row by (length − pull) / length, but never by less than 0.</details>
# <details><summary>Hint 3</summary>A row of zeros has length 0: divide by something that is not 0 there, such as <code>np.maximum(length, 1e-300)</code>.</details>

# %%
def soft_rows(W, pull):
    """W: (inputs + 1, units), the last row is the bias's;
    pull: at least 0 -> new W, same shape."""
    # solution
    length = np.linalg.norm(W[:-1], axis=1, keepdims=True)
    keep = np.maximum(1 - pull / np.maximum(length, 1e-300), 0)
    return np.vstack([keep * W[:-1], W[-1:]])
    # end solution


# %%
check("06.rows", soft_rows)

# %% [markdown] tags=["solution-only"]
# With one unit a row is one number, its length is $|w|$, and this *is* the lecture's soft threshold.
# The same trick with the rows turned round removes a whole unit, and so makes the net smaller and faster. Single zeros, scattered over a matrix, save no time on most hardware.

# %% [markdown]
# ## 3 · Dropout for pictures
#
# **debug** · level ●●○ · 15 minutes · `dropout`
#
# *Because both bugs leave a net that trains, only worse.*
#
# In a picture neighbours know each other: silence one pixel, and the next one tells.
# A channel is one of several pictures of the same place, such as red, green, blue.
# So **channel dropout** (`nn.Dropout2d`) silences whole channels: in each picture, each channel as one, each by its own toss.
# The function below was made from the lecture's and draws from `rng`. It has two bugs. Find and mend both.
# The expected value (the mean over all masks) of every entry should be what it was. `p` may be 0, or 1: all zeros.
#
# <details><summary>Hint 1</summary>Call it on ones of shape (2, 3, 4, 4) and look at one channel. Should it hold zeros and other numbers side by side? And do both pictures lose the same channels?</details>
# <details><summary>Hint 2</summary>One number for each picture and each channel: draw with shape (n, c, 1, 1) and let it broadcast.</details>
# <details><summary>Hint 3</summary>Let p = 0.25. What is the mean of x × mask? By what do you divide to get x back? And p = 1 keeps nothing, so there is nothing to scale: return zeros, not 0 / 0.</details>

# %%
def drop_channels(x, p, rng):
    """x: (n, channels, h, w), p: the share to silence, rng: a NumPy generator
    -> same shape as x."""
    # solution
    if p == 1:
        return np.zeros_like(x)
    kept = rng.random((*x.shape[:2], 1, 1)) >= p
    return x * kept / (1 - p)
    # exercise
    # kept = rng.random(x.shape) >= p
    # return x * kept * 2
    # end solution


# %%
check("06.channels", drop_channels)

# %% [markdown] tags=["solution-only"]
# At p = ½ the factor 2 is right, and ½ is what everybody tests first. Test at 0.2.
# A net trained with the wrong scale sees inputs of another size in evaluation than in training, and no error tells you.

# %% [markdown]
# ## 4 · Stop when it no longer pays
#
# **build** · level ●●○ · 20 minutes · `early-stopping`
#
# *Because a wobble of 0.0001 should not keep a cluster busy for a night.*
#
# Replay a training from its scores, one an epoch, *higher is better*:
#
# - An epoch is an **improvement** if its score is more than `least` above that of the last improvement.
# - After `patience` epochs in a row without one, training stops.
# - Waiting in the first `warmup` epochs does not count.
# - The first score that is a number is an improvement; nan never is.
#
# Return two epoch numbers, counted from 0: the last improvement, whose weights are restored, and the last epoch trained.
# A number always comes before the patience is over, not all are nan.
#
# For example, 0.5, 0.6, 0.7, 0.68, 0.69, 0.9 with patience 2, `least` 0, no warm-up: the answer is 2, 4, and the 0.9 is never seen.
#
# <details><summary>Hint 1</summary>The lecture keeps the *lowest*, and counts every better epoch. Which two comparisons change? What does a comparison with nan give?</details>
# <details><summary>Hint 2</summary>Start with best = −∞. Compare with the score of the last <i>improvement</i>, not with the largest score seen, and not with the epoch before.</details>
# <details><summary>Hint 3</summary>Raise the count of waiting only where epoch ≥ warmup; set it to 0 at each improvement. If nothing stops the training, the last trained epoch is the last there is.</details>

# %%
def replay(scores, patience, least, warmup):
    """scores: (epochs,), patience >= 1, least >= 0, warmup >= 0
    -> restored epoch, last epoch."""
    # solution
    best, restored, waited = -np.inf, 0, 0
    for epoch, score in enumerate(scores):
        if score > best + least:
            best, restored, waited = score, epoch, 0
        elif epoch >= warmup:
            waited += 1
        if waited == patience:
            break
    return restored, epoch
    # end solution


# %%
check("06.stop", replay)

# %% [markdown] tags=["solution-only"]
# `least` is `min_delta` in Keras and in Lightning. It has a trap: a score that climbs by less than `least` at every epoch looks like no progress against the epoch *before*, but adds up against the last improvement.
# The weights you restore are then not the very best ones: they may miss the best score by up to `least`.

# %% [markdown]
# ## 5 · Batch norm, and then without it
#
# **build** · level ●●● · 15 minutes · `batch-norm`
#
# *So that a trained net runs without batch norm, faster, with the same answers.*
#
# In evaluation batch norm is a fixed line for each unit: subtract, divide, multiply, add.
# So it can be folded into the linear layer before it, which computes $z = xW + b$.
# Given the layer and the batch norm after it, return $W'$ and $b'$ such that $xW' + b'$ is what the two gave together, for every $x$.
#
# For example, one input and one unit, $W = 2$, $b = 1$, running mean 1, variance 4, $\gamma = 3$, $\beta = 0.5$, and a tiny $\epsilon$. The input 2 gives $z = 5$; less the mean it is 4; over the root of the variance it is 2; times 3 plus 0.5 it is 6.5. $W' = 3$ and $b' = 0.5$ give the same: $2 \cdot 3 + 0.5$.
#
# <details><summary>Hint 1</summary>Write y = γ (xW + b − mean) / √(var + ε) + β, and collect what multiplies x.</details>
# <details><summary>Hint 2</summary>Each unit has its own factor, γ / √(var + ε). A unit is a <i>column</i> of W here: (d, units) times (units,) broadcasts along the columns.</details>
# <details><summary>Hint 3</summary>The layer's own bias is shifted before it is scaled: b' = (b − mean) · factor + β. ε stands under the root.</details>

# %%
def fold(W, b, gamma, beta, mean, var, eps=1e-5):
    """W: (d, units); b, gamma, beta and the running mean, var: (units,)
    -> W', b', of the same shapes."""
    # solution
    factor = gamma / np.sqrt(var + eps)
    return W * factor, (b - mean) * factor + beta
    # end solution


# %%
check("06.fold", fold)

# %% [markdown] tags=["solution-only"]
# Every tool that prepares a net for a telephone does this. In PyTorch: `torch.nn.utils.fusion.fuse_linear_bn_eval`, where a unit is a *row* of the weights.
# In training it is not possible, since mean and variance then depend on the batch.
# The formula shows too why a bias before batch norm is useless in training: the mean takes it off again.

# %% [markdown]
# ## 6 · Which one will help?
#
# **predict** · level ●●○ · 10 minutes · `augmentation` `noise` `regularization`
#
# *Because a remedy is a statement about the world: is it true?*
#
# Handwritten digits, 8 × 8 pixels, 100 for training, and the plainest model that can learn everything by heart: the nearest neighbour, which answers the nearest training row's label.
# Test and training digits come from different writers. You may add four copies of each, made by one of these. Which one raises the test accuracy most? Commit to one letter, then check.
#
# - **a** – copies with noise on each pixel, a sixteenth of the range of grey
# - **b** – copies shifted by one pixel: left, right, up, down
# - **c** – copies mirrored left to right, top to bottom, both, and turned by a quarter
# - **d** – none: four exact copies, so that every row counts five times
#
# <details><summary>Hint 1</summary>When does a copy change the answer of a nearest neighbour? Only where it lies nearer to a test digit than every row before.</details>
# <details><summary>Hint 2</summary>Which of these does a real writer do? Noise makes copies that lie around a row on all sides, in 64 directions, hardly any of which a pen takes.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("06.copies", answer)

# %% [markdown] tags=["solution-only"]
# People do not write at the same place of the paper twice, another writer even less; so a shifted digit is a digit.
# Exact copies change nothing at all for a nearest neighbour, noise hardly anything. Mirrored digits are mostly no digits, and bring wrong neighbours.

# %% [markdown]
# ## 7 · Clicks, from a log that is too short
#
# **apply** · level ●●● · 25 minutes · `l2` `regularization`
#
# *So that you see what a price is worth where it matters: many columns, few clicks.*
#
# `past` is a short ad log, with far fewer clicks than `past.one_hot(COLUMNS)` has columns; `future` is a log of later days.
# Fit logistic regression on *all* of `COLUMNS`, with a price that you find on the past alone (scikit-learn's `C` is one over the price). Return click probabilities for `future`.
# The check wants 42 % of the gap (lecture 01) on logs that you have not seen; `future.click` is hidden there, and the `truth` of both.
# `LogisticRegression()` as it stands falls short, and without a price it ends far below the base rate.
#
# <details><summary>Hint 1</summary>To find a price, hold back the last days: <code>past[past.features["day"] < 7]</code> to fit, the rest to judge. Not a random part: the future is later.</details>
# <details><summary>Hint 2</summary>A smaller <code>C</code> is a higher price. Try C from 0.01 to 10, each about three times the last, and judge by <code>log_loss</code>, a method of the log.</details>
# <details><summary>Hint 3</summary>Once the price is known, fit again on all of <code>past</code>. <code>max_iter=500</code>. Do not balance the classes.</details>

# %%
from sklearn.linear_model import LogisticRegression

COLUMNS = ["user", "ad", "advertiser", "context", "age", "gender", "category", "site",
           "position", "hour",
           "device", ("user", "category"), ("context", "ad"), ("age", "gender", "category"),
           ("device", "category"), ("hour", "category")]


def predict_clicks(past, future):
    """past, future: ad logs -> (len(future),) click probabilities."""
    # solution
    def fitted(log, C):
        return LogisticRegression(C=C, max_iter=500).fit(log.one_hot(COLUMNS), log.click)

    early, late = past[past.features["day"] < 7], past[past.features["day"] >= 7]
    judge = late.one_hot(COLUMNS)
    C = min((0.01, 0.03, 0.1, 0.3, 1, 3),
            key=lambda C: late.log_loss(fitted(early, C).predict_proba(judge)[:, 1]))
    return fitted(past, C).predict_proba(future.one_hot(COLUMNS))[:, 1]
    # end solution


# %%
if check("06.ctr", predict_clicks):
    log = data.load("ads", rows=30_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    share = 100 * future.share_of_gap(predict_clicks(past, future))
    plots.bars(f"Your model, from {past.click.sum():.0f} clicks",
               {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# scikit-learn adds the error of all rows up before it adds the price, so the right `C` depends on how many rows there are: look again when the log grows.
# Most of the crosses have no click at all. Without a price their weights run to minus infinity, and the first click there costs a fortune.
# A Gaussian belief says: until you have seen something, think of this cross as of any other.
