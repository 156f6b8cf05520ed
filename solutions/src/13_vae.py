# %% [markdown]
# # 13 · Variational auto-encoder: exercises
#
# Six tasks, about 105 minutes, after lecture 13.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import math

import numpy as np
import torch

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · The price against a prior that is learned
#
# **build** · level ●○○ · 15 minutes · `vae`
#
# *So that you can price a code against any Gaussian, as a model with two layers of codes must.*
#
# The lecture's prior is the standard Gaussian. Here each number of the code has a prior with its own mean and variance, $p = \mathcal N(m, t^2)$, against $q = \mathcal N(\mu, \sigma^2)$:
#
# $$\text{KL}(q \,\|\, p) = \tfrac12 \left( \frac{\sigma^2 + (\mu - m)^2}{t^2} - 1 - \log \frac{\sigma^2}{t^2} \right)$$
#
# Return it in nats, summed over the code. All widths come as log-variances.
# It must survive a log-variance of 1500, in $q$ and in $p$: the ratio of both is harmless.
#
# <details><summary>Hint 1</summary>Check the two simple cases first: the same Gaussian twice costs nothing, and the prior (0, 0) gives the lecture's formula.</details>
# <details><summary>Hint 2</summary>Which of the two is divided by which? q's variance and the squared distance of the means are measured in units of p's variance.</details>
# <details><summary>Hint 3</summary>A ratio of variances is <code>torch.exp(logvar - prior_logvar)</code>, and dividing by the prior's variance is multiplying by <code>torch.exp(-prior_logvar)</code>. Nothing large is ever exponentiated.</details>

# %%
def kl(mu, logvar, prior_mu, prior_logvar):
    """KL(q || p) in nats. mu, logvar: (n, d); prior_mu, prior_logvar: (d,) or (n, d);
    tensors -> (n,)."""
    # solution
    ratio = torch.exp(logvar - prior_logvar)
    distance = (mu - prior_mu) ** 2 * torch.exp(-prior_logvar)
    return 0.5 * (ratio + distance - 1 - (logvar - prior_logvar)).sum(dim=1)
    # end solution


# %%
check("13.kl", kl)

# %% [markdown] tags=["solution-only"]
# `torch.distributions.kl_divergence` computes the same from standard deviations, and gives nan where those overflow.
# That is why encoders put out log-variances, and why the price is written with differences of them.

# %% [markdown]
# ## 2 · The tighter bound, from draws that you have
#
# **build** · level ●●○ · 20 minutes · `vae`
#
# *Because bounds can be compared only at the same k, and draws are expensive.*
#
# You have $S$ log-weights for each of $n$ pictures, one row a draw. You want the importance-weighted bound with $k$ draws, and to waste none:
# rows 1 to $k$ give one estimate, the next $k$ rows another, and so on; the result is the mean of these $S / k$ estimates.
# $k$ divides $S$.
# Log-weights near −2000 are common, and one draw may have weight zero, a log-weight of −∞.
#
# <details><summary>Hint 1</summary>With k = 1 it is the plain mean of the log-weights, with k = S it is the lecture's function.</details>
# <details><summary>Hint 2</summary><code>log_weights.reshape(-1, k, n)</code> has a group of k draws in each entry of its first axis.</details>
# <details><summary>Hint 3</summary>Within a group: average the weights, then the logarithm, all of it by <code>torch.logsumexp(…, dim=1) - math.log(k)</code>. Across the groups: a plain mean.</details>

# %%
def grouped_bound(log_weights, k):
    """Bound on log p(x) with k draws.
    log_weights: (S, n) tensor, k: int that divides S -> (n,)."""
    # solution
    groups = log_weights.reshape(-1, k, log_weights.shape[1])  # (S / k, k, n)
    return (torch.logsumexp(groups, dim=1) - math.log(k)).mean(dim=0)
    # end solution


# %%
check("13.bound", grouped_bound)

# %% [markdown] tags=["solution-only"]
# Averaging the logarithms across the groups is Jensen's inequality again, so this is below what all $S$ draws in one group give.
# A claim such as "−85.7 nats" therefore needs its $k$ beside it.

# %% [markdown]
# ## 3 · MSE plus KL
#
# **debug** · level ●●○ · 20 minutes · `vae`
#
# *Because this loss is in a thousand notebooks, and nobody there can say what its β is.*
#
# The pictures are grey, so the decoder predicts the mean of each pixel, and a pixel is Gaussian around it with standard deviation `s`, the same for all.
# The function should return the negative ELBO of a batch: nats a picture, averaged over the pictures, with nothing left out.
# What it returns is something else. Find out what, and mend it.
#
# <details><summary>Hint 1</summary>A picture's log-probability is a sum over its pixels, and its price a sum over the code. Where does this code take a mean instead?</details>
# <details><summary>Hint 2</summary>−log N(x; m, s²) = (x − m)² / (2 s²) + log s + ½ log 2π, for each pixel.</details>
# <details><summary>Hint 3</summary><code>flatten(1).sum(1)</code> sums over all pixels of a picture; then one mean over the batch at the end.</details>

# %%
def negative_elbo(prediction, x, mu, logvar, s):
    """prediction, x: (n, 1, h, w); mu, logvar: (n, d);
    s: a number above 0 -> one number, a tensor."""
    # solution
    nats = (x - prediction) ** 2 / (2 * s**2) + math.log(s) + 0.5 * math.log(2 * math.pi)
    price = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    return (nats.flatten(1).sum(1) + price.sum(1)).mean()
    # exercise
    # error = ((x - prediction) ** 2).mean()
    # price = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()
    # return error + price
    # end solution


# %%
check("13.loss", negative_elbo)

# %% [markdown] tags=["solution-only"]
# Times the number of pixels $D$ and divided by $2 s^2$, the handed-out error is the right one. Its price is divided by $d$.
# So it minimizes a β-VAE's loss with $\beta = D / (2 s^2 d)$: for 28×28 pixels, ten numbers and $s = 0.1$, β is nearly 4,000, and the code collapses.
# The constants do not change the gradient for the weights. Without them the number is no bound, and $s$ cannot be learned.

# %% [markdown]
# ## 4 · How many axes survive?
#
# **predict** · level ●●○ · 10 minutes · `vae`
#
# *So that a collapsed code tells you what you asked for, and not that training failed.*
#
# The linear VAE of section 4, on the wines. The variances along their principal axes are 4.71, 2.50, 1.45, 0.92, 0.85, 0.64, …
# The code has six axes, the decoder's noise is fixed at $s = 0.5$, and the price is weighted with $\beta = 8$.
# Trained to the end, how many axes carry information? Commit to one letter, then check.
#
# - **a** – six: all six variances are above $s^2 = 0.25$
# - **b** – three, those with a variance above 1
# - **c** – two
# - **d** – none: β above 1 switches the code off
#
# <details><summary>Hint 1</summary>Divide reconstruction − β KL by β. What has become of the 1 / (2 s²) in the reconstruction?</details>
# <details><summary>Hint 2</summary>For the weights it is the objective of a plain VAE with the noise β s² (up to a constant). Now section 4's rule: which variances are above that noise?</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("13.axes", answer)

# %% [markdown] tags=["solution-only"]
# For a fixed Gaussian noise, β is no new idea: it is a claim about how noisy a pixel is.
# With a learned $s$ the two part: then β changes what is traded, and $s$ follows.

# %% [markdown]
# ## 5 · When the code is made of bits
#
# **build** · level ●●○ · 20 minutes · `vae`
#
# *Because a coin has no derivative, and the score function does not need one.*
#
# The code is $d$ bits; bit $j$ is one with probability $\sigma(l_j)$, where $l_j$ is its logit. You have $k \ge 2$ draws, and the value $f$ of each.
# Estimate the gradient of $\mathbb E[f]$ by the logits with the score function, one estimate for each draw.
# The baseline of a draw is the mean value of the *other* draws. (Its own value in it would bias the estimate.)
#
# <details><summary>Hint 1</summary>The derivative of log P(b) by the logit is lecture 01's "answer minus probability": b − σ(l), for each bit.</details>
# <details><summary>Hint 2</summary>The mean of the others, for all draws at once: <code>(values.sum() - values) / (k - 1)</code>.</details>
# <details><summary>Hint 3</summary>For each draw (value − baseline), as a column, times (bits − probability). For the sigmoid use <code>scipy.special.expit</code>, which does not overflow.</details>

# %%
from scipy.special import expit


def score_estimates(logits, bits, values):
    """d E[f] / d logits, one a draw.
    logits: (d,), bits: (k, d) of 0 and 1, values: (k,) -> (k, d)."""
    # solution
    baseline = (values.sum() - values) / (len(values) - 1)                       # (k,)
    return (values - baseline)[:, None] * (bits - expit(logits))  # (k, 1) * (k, d)
    # end solution


# %%
check("13.score", score_estimates)

# %% [markdown] tags=["solution-only"]
# With the plain mean in place of the others' mean the estimate is too small by a factor of $1 - 1/k$: half, at two draws.
# Average your rows, and σ(l) cancels: the values minus their baselines add up to zero. Row by row it matters.
# The same estimator trains policies in lecture 16, and language models from human feedback.

# %% [markdown]
# ## 6 · The watchman
#
# **apply** · level ●●● · 20 minutes · `vae`
#
# *So that the traffic that nobody described rings a bell.*
#
# You get ten days of good traffic, and then batches of 200 impressions. Give each batch a number, larger for odder.
# Most batches are good. In some, **one row in four** has come through a broken join; in others, one row in four is from the lecture's dull bot.
# The check asks that nearly every odd batch, of either kind, gets a larger number than nearly every good one, on logs that you have not seen.
# Any method will do; a VAE is not needed. `past.one_hot(columns)` and `past.features` are as in the lecture.
#
# <details><summary>Hint 1</summary>Two kinds need two feelers: how many pairs of values in the batch were never seen together, and how rare its single values are. One number for each, averaged over the batch.</details>
# <details><summary>Hint 2</summary>The bot's batch has too <em>little</em> surprise. So look at both sides: the distance from what is usual.</details>
# <details><summary>Hint 3</summary>Bring both feelers to one scale: cut the past into batches of 200, and divide each distance from the mean by the standard deviation over those. Then take the larger of the two.</details>

# %%
columns = ["age", "gender", "ad", "advertiser", "category", "context", "site", "position",
           "device", "hour"]


def suspicion(past, batches):
    """past: an ad log; batches: a list of ad logs of 200 rows
    -> (len(batches),), larger is odder."""
    # solution
    known = past.one_hot(columns)  # (rows, values) sparse
    never = (known.T @ known).toarray() == 0  # (values, values)
    rarity = -np.log(np.maximum(known.mean(axis=0), 1e-6))                       # (values,)

    def feelers(batch):
        shown = batch.one_hot(columns).toarray()
        return ((shown @ never) * shown).sum(1).mean(), (shown @ rarity).mean()

    usual = np.array([feelers(past[start : start + 200])
                      for start in range(0, len(past) - 199, 200)])
    seen = np.array([feelers(batch) for batch in batches])  # (batches, 2)
    width = np.maximum(usual.std(axis=0), 1e-3)  # no pair of the past is new
    return (np.abs(seen - usual.mean(axis=0)) / width).max(axis=1)
    # end solution


# %%
if check("13.traffic", suspicion):
    log = data.load("ads", rows=60_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    batches = [future[start : start + 200] for start in range(0, 4000, 200)]
    fig, ax = plots.figure("Good batches, by your watchman",
                           xlabel="batch", ylabel="suspicion")
    ax.plot(suspicion(past, batches), "o")
    plots.show("The suspicion of twenty good batches, as dots.")

# %% [markdown] tags=["solution-only"]
# Nothing of the past is new to itself, so the first feeler's usual width is zero, and needs a floor. The cleaner way is to hold out two days of the past for the usual values.
# The bell tells you *that* something is odd. Neither this nor a VAE tells you whether it is a bot or a holiday.
