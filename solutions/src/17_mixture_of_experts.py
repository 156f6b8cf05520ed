# %% [markdown]
# # 17 · Mixture of experts: exercises
#
# Seven tasks, about 110 minutes, after lecture 17.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
from scipy.special import expit, logsumexp
from sklearn.linear_model import LogisticRegression

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Spread the first centres
#
# **build** · level ●○○ · 10 minutes · `clustering`
#
# *Because a good start saves more than many restarts.*
#
# **k-means++** draws the first centre at random and each further one from the points, with a probability in proportion to the squared distance to the *nearest* centre so far.
# Return these probabilities. Where every point lies on a centre, all are equally likely.
# Points may lie far from the origin and close together.
#
# <details><summary>Hint 1</summary>Squared distance to each centre first, (n, k); then the smallest in each row; then divide by the sum.</details>
# <details><summary>Hint 2</summary>If the sum is 0 there is nothing to divide by: return 1 / n for each.</details>
# <details><summary>Hint 3</summary>Subtract before you square. x² − 2xc + c² loses all digits far from the origin.</details>

# %%
def next_centre(X, centres):
    """X (n, d), centres so far (k, d) -> (n,) probabilities of being the next one."""
    # solution
    far = ((X[:, None] - centres) ** 2).sum(axis=2).min(axis=1)
    return far / far.sum() if far.sum() > 0 else np.full(len(X), 1 / len(X))
    # end solution


# %%
check("17.start", next_centre)

# %% [markdown] tags=["solution-only"]
# Drawing, not taking the farthest: the farthest point is often an outlier, and an outlier makes a poor centre.
# D. Arthur and S. Vassilvitskii (2007) prove that this start alone is, on average, at most $8\,(\ln k + 2)$ times as bad, in inertia, as the best clustering.

# %% [markdown]
# ## 2 · Who is to blame, a thousand steps away
#
# **build** · level ●●○ · 15 minutes · `clustering`
#
# *So that one far point does not fill your model with nan.*
#
# The groups are Gaussians whose coordinates are independent: group $k$ has share $\pi_k$, mean $\mu_k$ and a *variance* for each coordinate.
# Return the responsibilities. They must be right at a distance of 1000 as well, where every density is zero in floating point.
#
# <details><summary>Hint 1</summary>Work with logarithms to the end: log share + log density, one number for each point and group.</details>
# <details><summary>Hint 2</summary>The log density adds up, over the coordinates, −(x − μ)² / (2 var) and −log(var) / 2. The second part differs between groups: keep it.</details>
# <details><summary>Hint 3</summary>Take the row's <code>logsumexp</code> off before <code>exp</code>.</details>

# %%
def blame(X, share, mean, var):
    """X (n, d), share (k,), mean (k, d), var (k, d) -> (n, k), rows sum to one."""
    # solution
    away = X[:, None] - mean  # (n, k, d)
    log_p = np.log(share) - 0.5 * (away**2 / var + np.log(var)).sum(axis=2)
    return np.exp(log_p - logsumexp(log_p, axis=1, keepdims=True))
    # end solution


# %%
check("17.blame", blame)

# %% [markdown] tags=["solution-only"]
# Far out, all densities are tiny, but their *ratio* is still clear: the widest group takes nearly all the blame.
# That is right by the model, and seldom what you want for an outlier. A group with a very large variance and a small share is the usual remedy.

# %% [markdown]
# ## 3 · The likelihood falls. It must not.
#
# **debug** · level ●●○ · 15 minutes · `clustering`
#
# *Because "it never falls" is the best test that an EM program has.*
#
# This M-step, for the groups of task 2, has made it through review. In tests the likelihood goes down now and then, and a group that lost all its points jumps to the origin. Mend it.
#
# - Shares, means and variances are those of the points, weighted by `r`, and variances are around the *new* means.
# - No variance is below `FLOOR`. Those above it are not changed.
# - A group without any responsibility has share 0, keeps its old mean, and gets the variance `FLOOR`.
#
# <details><summary>Hint 1</summary>Which mean belongs into the variance? The weighted mean of (X − mean)² needs no trick with squares, and loses no digits.</details>
# <details><summary>Hint 2</summary>np.maximum(var, FLOOR) is the best variance that the floor allows; var + FLOOR is not.</details>
# <details><summary>Hint 3</summary>For an empty group: <code>np.where(n[:, None] &gt; 0, mean, old)</code>, with a divisor that is never 0.</details>

# %%
FLOOR = 1e-3


def m_step(X, r, old):
    """X (n, d), r (n, k), old means (k, d) -> share (k,), mean (k, d), var (k, d)."""
    # solution
    n = r.sum(axis=0)
    safe = np.where(n > 0, n, 1)[:, None]
    mean = np.where(n[:, None] > 0, r.T @ X / safe, old)
    var = np.einsum("nk,nkd->kd", r, (X[:, None] - mean) ** 2) / safe
    return n / len(X), mean, np.maximum(var, FLOOR)
    # exercise
    # n = r.sum(axis=0)[:, None] + 1e-300
    # mean = r.T @ X / n
    # var = r.T @ X**2 / n - old**2
    # return n[:, 0] / len(X), mean, np.maximum(var, FLOOR)
    # end solution


# %%
if check("17.m_step", m_step):
    X = np.concatenate([rng.normal(at, 0.4, (60, 2)) for at in (0, 2, 3)])
    share, mean, var, trace = np.full(3, 1 / 3), X[[0, 1, 70]], np.ones((3, 2)), []
    for _ in range(40):
        away = X[:, None] - mean
        log_p = np.log(share) - 0.5 * (away**2 / var + np.log(2 * np.pi * var)).sum(axis=2)
        total = logsumexp(log_p, axis=1)
        trace.append(total.mean())
        share, mean, var = m_step(X, np.exp(log_p - total[:, None]), mean)
    _, ax = plots.figure("With your M-step the likelihood only rises", xlabel="step",
                         ylabel="log-likelihood (nats)", size=(7, 3.2))
    ax.plot(trace, color=plots.BLUE)
    plots.show("The log-likelihood rises at every step and flattens.")

# %% [markdown] tags=["solution-only"]
# $E[x^2] - m^2$ is a variance only if $m$ is the mean of the *same* weights. With the old mean it can even be negative, and the floor hid that: a safety net that swallows the error it was not made for.

# %% [markdown]
# ## 4 · What does one more group cost?
#
# **build** · level ●●○ · 15 minutes · `clustering`
#
# *Because likelihood alone always asks for one more group.*
#
# A Gaussian mixture in $d$ dimensions has $K$ groups; each has a share, a mean and a full covariance.
# You get `log_p`: for each point and group the log of share times density, as the lecture's `log_joint` returns it.
# Return $\text{BIC} = -2 L + m \log n$. $L$ is the log-likelihood of all points, $m$ the number of *free* parameters.
# Some points lie a thousand away.
#
# <details><summary>Hint 1</summary>L is a sum over the points: for each, the log of the sum of its densities over the groups.</details>
# <details><summary>Hint 2</summary>Free: K − 1 shares (they sum to one), K · d for the means, and for each covariance the entries on and below its diagonal.</details>
# <details><summary>Hint 3</summary>Far out every density is 0 in floating point, so never leave the logarithms: <code>logsumexp(log_p, axis=1)</code>.</details>

# %%
def bic(log_p, d):
    """log_p (n, K): log of share times density; d coordinates -> a number."""
    # solution
    n, K = log_p.shape
    free = K - 1 + K * d + K * d * (d + 1) // 2
    return -2 * logsumexp(log_p, axis=1).sum() + free * np.log(n)
    # end solution


# %%
check("17.bic", bic)

# %% [markdown] tags=["solution-only"]
# In the plane a group costs $6 \log n$, in 50 dimensions $1326 \log n$: full covariances get dear, and diagonal ones ($2d + 1$ a group) are the usual way out.
# A price of 2 instead of $\log n$ makes it Akaike's criterion, which asks what predicts best, and takes more groups.

# %% [markdown]
# ## 5 · Twins
#
# **predict** · level ●●○ · 10 minutes · `moe`
#
# *So that you see what moves first in a mixture, and what sets it going.*
#
# Two experts start as exact copies, with the same two weights. The gate's logits for the points are drawn at random.
# The loss is lecture 17's: minus the log-likelihood of the mixture. What has a gradient at the first step?
#
# - **a** – nothing: copies stay copies
# - **b** – the experts only
# - **c** – the gate only
# - **d** – both
#
# <details><summary>Hint 1</summary>The gradient of the gate is g − r. What is r where both experts say the same?</details>
# <details><summary>Hint 2</summary>An expert's gradient sums its errors, weighted by its own responsibilities.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("17.twins", answer)

# %% [markdown] tags=["solution-only"]
# Both densities are equal, so $r = g$ exactly, and the gate has no reason to move. The experts have: each is pulled by the points that the gate, by chance, sends to it.
# One step later they differ, and the gate begins to learn. Had the gate been flat as well, nothing would ever part them: lecture 07's symmetry.

# %% [markdown]
# ## 6 · No more seats
#
# **build** · level ●●● · 20 minutes · `moe`
#
# *Because on real machines each expert has room for so many tokens and no more.*
#
# Each point asks its `k` experts with the largest logits; on a tie, those with the smaller number. Their weights are the softmax of these `k` logits.
# But an expert takes at most `capacity` points, first come, first served, in the order of the rows. Who comes too late loses this expert: the weight becomes 0, and the other weights stay as they are.
# Logits may be ±1000.
#
# <details><summary>Hint 1</summary><code>np.argsort(-logits, axis=1, kind="stable")[:, :k]</code> are the chosen, ties by number. <code>np.put_along_axis</code> makes a mask of them.</details>
# <details><summary>Hint 2</summary>A running sum down the rows of the mask numbers the visitors of each expert: 1, 2, 3 …</details>
# <details><summary>Hint 3</summary>Softmax first, over the chosen only, with the largest logit taken off; then set to zero who comes too late; do not rescale.</details>

# %%
def seats(logits, k, capacity):
    """logits (n, K), k experts a point, capacity points an expert -> weights (n, K)."""
    # solution
    chosen = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    asked = np.zeros(logits.shape, dtype=bool)
    np.put_along_axis(asked, chosen, True, axis=1)
    p = np.where(asked, np.exp(logits - logits.max(axis=1, keepdims=True)), 0)
    p = p / p.sum(axis=1, keepdims=True)
    return np.where(np.cumsum(asked, axis=0) <= capacity, p, 0)
    # end solution


# %%
check("17.seats", seats)

# %% [markdown] tags=["solution-only"]
# A point that loses all its experts gets zeros. In a language model the skip connection carries the token past the layer, unchanged.
# First come, first served lets a token's fate depend on what else is in the batch, so the same prompt may get another answer in other company. Capacity makes every batch the same size for the hardware; the load balancing loss keeps few from being turned away.

# %% [markdown]
# ## 7 · An expert for each device
#
# **apply** · level ●●● · 25 minutes · `moe`
#
# *Because cutting data by expert costs more than people think.*
#
# Tastes differ by device: a hard gate is at hand, and it is free. Return the click probabilities of the new impressions from a mixture with an expert for each device.
# Three experts trained apart have a third of the log each, and **lose** to one machine without the device. Beat it by 1.2 points of the gap, sharing what is common.
# Keep to `COLUMNS` and the device. And the log may lack a device that comes up later: what then?
#
# <details><summary>Hint 1</summary>Train one machine on all rows, without the device. Its logit is the common part; an expert only has to say what its device adds.</details>
# <details><summary>Hint 2</summary>Eight numbers an expert are enough: one for each category. Let a price on their squares keep them small where there are few rows.</details>
# <details><summary>Hint 3</summary>One indicator for each device × category, beside the common columns, in the same regression, does it too: <code>past.one_hot([*COLUMNS, ("device", "category")])</code>. A device that was never seen has weights of 0, so the common part answers.</details>

# %%
COLUMNS = ["category", "position", "ad", "user", "context", "hour"]


def by_device(past, new):
    """Two ad logs; the clicks of `new` are unknown to you -> (len(new),) probabilities."""
    # solution
    shared = LogisticRegression(C=0.3, max_iter=300).fit(past.one_hot(COLUMNS), past.click)
    common, cell = [], []
    for log in (past, new):
        common.append(shared.decision_function(log.one_hot(COLUMNS)))
        cell.append(8 * log.features["device"] + log.features["category"])
    # what each expert adds, for each category; 0 for who was never seen
    adds = np.zeros(3 * 8)
    for _ in range(10):  # Newton's steps, each cell for itself, with a price of 2 a² on a
        p = expit(common[0] + adds[cell[0]])
        slope = np.bincount(cell[0], past.click - p, 24) - 4 * adds
        adds += slope / (np.bincount(cell[0], p * (1 - p), 24) + 4)
    return expit(common[1] + adds[cell[1]])
    # end solution


# %%
check("17.devices", by_device)

# %% tags=["solution-only"]
log = data.load("ads", rows=90_000, seed=SEED)
past, new = log[:60_000], log[60_000:]


def one(past, new):
    machine = LogisticRegression(C=0.3, max_iter=300).fit(past.one_hot(COLUMNS), past.click)
    return machine.predict_proba(new.one_hot(COLUMNS))[:, 1]


apart = np.zeros(len(new))
for device in range(3):
    rows = new.features["device"] == device
    apart[rows] = one(past[past.features["device"] == device], new[rows])
answers = {"three experts apart": apart, "one machine": one(past, new),
           "shared + experts": by_device(past, new)}
plots.bars("Share first, then specialize",
           {name: 100 * new.share_of_gap(p) for name, p in answers.items()},
           xlabel="share of the gap (%)", unit=" %", digits=1)
plots.show("Three bars: experts apart are lowest, one machine is higher, "
           "shared plus experts is highest.")

# %% [markdown] tags=["solution-only"]
# The hard gate was right, and still the experts apart lost: each had to learn 400 users and 50 ads anew, from a third of the rows.
# Sparse language models do the same as you: attention, embeddings and, in many, one **shared expert** serve every token, and only a part is specialized.
