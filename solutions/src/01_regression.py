# %% [markdown]
# # 01 · Regression: exercises
#
# Seven tasks, about 105 minutes, after lecture 01.

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
# ## 1 · The gradient when rows count differently
#
# **build** · level ●○○ · 10 minutes · `mse` `linear-regression`
#
# *So that "inputs times error" is in your fingers.*
#
# A log is summed up before training: a row that stands for 20 impressions has the row weight 20.
# The loss is the weighted mean of the squared errors, with row weights $s_i \ge 0$ (in code `rows`); $x_i^\top w$ is the prediction for row $i$:
#
# $$\text{loss}(w) = \frac{\sum_i s_i\, (x_i^\top w - y_i)^2}{\sum_i s_i}$$
#
# Write its gradient with respect to $w$. No loop is needed.
#
# <details><summary>Hint 1</summary>Start from the error, <code>X @ w - y</code>. Each row's error enters with its row weight.</details>
# <details><summary>Hint 2</summary>Two constants: the 2 from the square, and the sum below the fraction.</details>
# <details><summary>Hint 3</summary><code>X.T @ (something of shape (n,))</code> sums, for each weight, its input times that something.</details>

# %%
def weighted_gradient(X, y, w, rows):
    """Gradient of the weighted MSE. X: (n, d), y: (n,), w: (d,), rows: (n,) -> (d,)."""
    # solution
    return 2 / rows.sum() * X.T @ (rows * (X @ w - y))
    # end solution


# %%
check("01.gradient", weighted_gradient)

# %% [markdown] tags=["solution-only"]
# With a sum in place of the mean, the gradient grows with the data, and a learning rate that works on 100 rows explodes on 10,000.
# Row weights are also how a thinned log is mended in training: a kept non-click counts ten times.

# %% [markdown]
# ## 2 · Cross-entropy that survives large scores
#
# **build** · level ●●○ · 15 minutes · `cross-entropy` `softmax-regression`
#
# *Because one log(0) turns the loss of a whole batch into infinity.*
#
# Given scores, one per class, and the number of the true class, return the mean cross-entropy of the softmax in nats.
# It must be right where one score is 1000 above the true one: softmax rounds to exactly 0 there, but the price is 1000 nats.
#
# <details><summary>Hint 1</summary>The loss of a row is −log of the true class's share. Put the softmax in and simplify: a difference of two terms is left.</details>
# <details><summary>Hint 2</summary>−log (e^t / Σ e^z) = log Σ e^z − t. So no share is ever computed, and nothing is clipped.</details>
# <details><summary>Hint 3</summary>For log Σ e^z take the largest score out first, or use <code>scipy.special.logsumexp</code>. <code>scores[np.arange(n), labels]</code> picks the true scores.</details>

# %%
def cross_entropy(scores, labels):
    """Mean cross-entropy in nats. scores: (n, k), labels: (n,) int < k -> one number."""
    # solution
    top = scores.max(axis=1)
    log_total = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    return np.mean(log_total - scores[np.arange(len(labels)), labels])
    # end solution


# %%
check("01.cross_entropy", cross_entropy)

# %% [markdown] tags=["solution-only"]
# Clipping the shares to 1e-7 also avoids the infinity, and much code does it.
# But it caps the price of a mistake at 16 nats, and the gradient there is zero: the model is never told.
# This is why `torch.nn.functional.cross_entropy` takes scores and not probabilities.

# %% [markdown]
# ## 3 · The price of an interval
#
# **build** · level ●●○ · 15 minutes · `custom-loss`
#
# *So that you can judge "between 80 and 120" as fairly as "about 100".*
#
# A forecast is an interval from `low` to `high` that should hold the truth in a share $1 - \alpha$ of the cases.
# Its price, row by row: its width, plus $2 / \alpha$ for each unit by which the truth lies outside, on either side.
# Return the mean price.
#
# <details><summary>Hint 1</summary>One row: low 8, high 10, truth 13, α = 0.1. The width is 2, and the truth is 3 outside: 2 + 20 · 3 = 62.</details>
# <details><summary>Hint 2</summary>How far below? <code>np.maximum(low - y, 0)</code>: zero where the truth is not below. And how far above?</details>

# %%
def interval_price(low, high, y, alpha):
    """Mean interval score. low, high, y: (n,), 0 < alpha < 1 -> one number."""
    # solution
    outside = np.maximum(low - y, 0) + np.maximum(y - high, 0)
    return np.mean(high - low + 2 / alpha * outside)
    # end solution


# %%
check("01.interval", interval_price)

# %% [markdown] tags=["solution-only"]
# This is two quantile losses in disguise: the price is the sum of the losses for the quantiles $\alpha/2$ and $1 - \alpha/2$, times $2/\alpha$.
# So the cheapest interval runs from one quantile to the other (Gneiting & Raftery 2007). The check computes it that way.

# %% [markdown]
# ## 4 · A loop that runs and does not learn
#
# **debug** · level ●●○ · 15 minutes · `logistic-regression`
#
# *Because you will write this loop a hundred times, and its usual slips raise no error.*
#
# It should be the lecture's loop: gradient descent on the mean cross-entropy of one neuron, from given knobs.
# `knobs` holds the weights, and the bias last; all three inputs are tensors. Two slips are in it. Find them and mend them.
# The rule to hold it to: each step takes off `lr` times the mean of (p − y) times the input.
#
# <details><summary>Hint 1</summary>Call it with one row, a learning rate of 0.1 and 1, 2, 3 steps, and compare with the lecture's rule by hand: step against (p − y) times the input.</details>
# <details><summary>Hint 2</summary>The first step is too small: which function does <code>BCEWithLogitsLoss</code> apply by itself?</details>
# <details><summary>Hint 3</summary>The later steps are too large: PyTorch <i>adds</i> new slopes to the old ones, until <code>zero_grad</code> forgets them.</details>

# %%
import torch


def train(inputs, target, knobs, lr, steps):
    """Descend. inputs: (n, d), target: (n,), knobs: (d + 1,) -> new knobs: (d + 1,)."""
    # solution
    knobs = knobs.clone().requires_grad_()  # a copy that remembers what is done with it
    optimizer = torch.optim.SGD([knobs], lr=lr)  # the list of what it may turn
    loss_of = torch.nn.BCEWithLogitsLoss()
    for _ in range(steps):
        logits = inputs @ knobs[:-1] + knobs[-1]
        optimizer.zero_grad()
        loss_of(logits, target).backward()
        optimizer.step()
    return knobs.detach()
    # exercise
    # knobs = knobs.clone().requires_grad_()  # a copy that remembers what is done with it
    # optimizer = torch.optim.SGD([knobs], lr=lr)  # the list of what it may turn
    # loss_of = torch.nn.BCEWithLogitsLoss()
    # for _ in range(steps):
    #     p = torch.sigmoid(inputs @ knobs[:-1] + knobs[-1])
    #     loss_of(p, target).backward()
    #     optimizer.step()
    # return knobs.detach()
    # end solution


# %%
check("01.loop", train)

# %% [markdown] tags=["solution-only"]
# A sigmoid of a sigmoid lies between 0.5 and 0.73, so the machine can never be sure, and it learns a little all the same: that is why nobody notices.
# Slopes that are never forgotten grow from step to step. With a small learning rate even that arrives, by luck.
# So test a new loop where the answer is known: one row, one step, by hand.

# %% [markdown]
# ## 5 · Centimetres to millimetres
#
# **predict** · level ●○○ · 5 minutes · `linear-regression`
#
# *So that units never surprise you.*
#
# A column of inputs is delivered in millimetres from now on, so its numbers are ten times as large.
# You fit a line by gradient descent again, to convergence. What happens? Commit to one letter, then check.
#
# - **a** – the weight is ten times smaller, the predictions are the same, and so is the largest learning rate that still works
# - **b** – the weight is ten times smaller, the predictions are the same, and the largest learning rate that still works is about a hundred times smaller
# - **c** – the weight is the same, and the predictions are ten times larger
# - **d** – the weight is ten times smaller, and the predictions are worse
#
# <details><summary>Hint 1</summary>The prediction is w times x. If x grows tenfold, which w gives the same prediction? Then look at the gradient: inputs times error.</details>
# <details><summary>Hint 2</summary>The gradient with respect to w is ten times larger, and the w that it should change is ten times smaller.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("01.units", answer)

# %% [markdown] tags=["solution-only"]
# The steepness of the bowl grows with the square of the input's scale, and the largest useful learning rate is its inverse.
# This is why inputs are scaled before a descent, and why trees (lecture 03) do not care.

# %% [markdown]
# ## 6 · Mend the thinned log
#
# **build** · level ●●○ · 15 minutes · `logistic-regression`
#
# *Because somebody will hand you a log with one in ten non-clicks kept.*
#
# A model was trained on a log in which every click was kept, and each non-click with probability `kept`.
# Its probabilities are too high. Return the probabilities for the full traffic.
# The ends must work too: 0 stays 0, and 1 stays 1.
#
# <details><summary>Hint 1</summary>Think of 1,000 impressions with 40 clicks, kept = 0.1. How many clicks and non-clicks are in the thinned log? What is p before and after?</details>
# <details><summary>Hint 2</summary>Thinning keeps <code>kept</code> of the non-clicks, so the odds p / (1 − p) become 1 / kept times as large. Undo that.</details>
# <details><summary>Hint 3</summary>From odds back to a probability: p = odds / (1 + odds). Multiply through by 1 − p, and nothing divides by zero.</details>

# %%
def mend(p, kept):
    """From the thinned log to the full traffic. p: (n,), 0 < kept <= 1 -> (n,)."""
    # solution
    return kept * p / (kept * p + 1 - p)
    # end solution


# %%
check("01.thinned", mend)

# %% [markdown] tags=["solution-only"]
# Lecture 01 shifted the logit by log(kept); this is the same in probabilities, and it needs no logarithm.
# Multiplying p by kept looks right for small p and is wrong for large p: try p = 0.9.

# %% [markdown]
# ## 7 · Clicks, with crosses
#
# **apply** · level ●●● · 30 minutes · `logistic-regression`
#
# *So that you beat the lecture on the ad log.*
#
# Attributes and ids add up, each with its own weight. But young men may like games, and old women may not.
# A **cross** gives every *combination* a weight of its own: `past.one_hot(["user", ("age", "gender", "category")])`.
# Fit on `past`, return click probabilities for the rows of `future`; use any columns and any solver.
# The check wants half of the gap, on logs that you have not seen; `future.click` is hidden there, and the `truth` of both.
#
# <details><summary>Hint 1</summary>scikit-learn's <code>LogisticRegression</code> takes the sparse matrix as it is. <code>predict_proba(...)[:, 1]</code> is the click's probability.</details>
# <details><summary>Hint 2</summary>Start from all single columns, then add <code>("age", "gender", "category")</code>, <code>("device", "category")</code>, <code>("hour", "category")</code>.</details>
# <details><summary>Hint 3</summary>Do not balance the classes: <code>class_weight="balanced"</code> makes every probability several times too high.</details>

# %%
from sklearn.linear_model import LogisticRegression

columns = ["user", "age", "gender", "ad", "advertiser", "category",
           "context", "site", "position", "device", "hour"]


def predict_clicks(past, future):
    """past, future: ad logs -> (len(future),) click probabilities."""
    # solution
    crosses = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]
    model = LogisticRegression(max_iter=300)
    model.fit(past.one_hot(columns + crosses), past.click)
    return model.predict_proba(future.one_hot(columns + crosses))[:, 1]
    # end solution


# %%
if check("01.ctr", predict_clicks):
    log = data.load("ads", rows=100_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    share = 100 * future.share_of_gap(predict_clicks(past, future))
    plots.bars("Your model on the ad log", {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# The crosses had to be chosen by hand, and there are hundreds of possible ones.
# Learning them instead of listing them is what trees (03), hidden layers (04) and factorization machines (08) are for.
