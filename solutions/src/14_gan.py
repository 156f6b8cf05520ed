# %% [markdown]
# # 14 · Generative adversarial network: exercises
#
# Six tasks, about 95 minutes, after lecture 14.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from torch.nn import functional as F

from utils import data, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · The best discriminator of an uneven batch
#
# **build** · level ●●○ · 15 minutes · `gan`
#
# *So that a ratio of densities survives places where both are zero on a computer.*
#
# A share `share` of the batch is real, the rest fake. By Bayes' rule, the best discriminator says
#
# $$D(x) = \frac{\text{share} \cdot p(x)}{\text{share} \cdot p(x) + (1 - \text{share}) \cdot q(x)}$$
#
# You get $\log p$ and $\log q$ at some points, as arrays. They may be −5000, and one or both may be −∞.
# Where both are −∞ nothing was learned: answer `share`.
#
# <details><summary>Hint 1</summary>Divide by the numerator: D depends on log p − log q and on share alone.</details>
# <details><summary>Hint 2</summary>The logit of D is log p − log q + log(share / (1 − share)), and <code>scipy.special.expit</code> is a sigmoid that does not overflow.</details>
# <details><summary>Hint 3</summary>−∞ minus −∞ is nan. Compute the difference with <code>np.subtract(…, where=…, out=…)</code>, or put 0 there first: with a difference of 0 the formula answers <code>share</code>.</details>

# %%
from scipy.special import expit, logit


def best_discriminator(log_p, log_q, share):
    """D at each point. log_p, log_q: (n,) arrays, share: number between 0 and 1 -> (n,)."""
    # solution
    known = ~(np.isneginf(log_p) & np.isneginf(log_q))
    ratio = np.subtract(log_p, log_q, where=known, out=np.zeros_like(log_p))
    return expit(ratio + logit(share))
    # end solution


# %%
check("14.ratio", best_discriminator)

# %% [markdown] tags=["solution-only"]
# The share is a bias and nothing more: it moves every logit by the same amount. Real and fake in equal numbers make it zero.
# A discriminator trained on an uneven batch still estimates the ratio, once that bias is taken off.

# %% [markdown]
# ## 2 · A judge that is never certain
#
# **build** · level ●○○ · 15 minutes · `gan`
#
# *Because smoothing the wrong side rewards fakes, and a loss in probabilities overflows.*
#
# The discriminator's loss with one-sided label smoothing, from logits, in NumPy:
# on real things the target is `target` (0.9, say), on fakes it is 0. Average over the real ones, average over the fakes, and add both.
# The two arrays may differ in length, and logits may be ±1000.
#
# <details><summary>Hint 1</summary>The log-loss of a logit l with target t is −t log σ(l) − (1 − t) log(1 − σ(l)).</details>
# <details><summary>Hint 2</summary>−log σ(l) = log(1 + e^(−l)), and <code>np.logaddexp(0, -l)</code> computes it without overflow.</details>

# %%
def smoothed_loss(real, fake, target):
    """real: (n,) and fake: (m,) logits; target: number -> one number, in nats."""
    # solution
    on_real = target * np.logaddexp(0, -real) + (1 - target) * np.logaddexp(0, real)
    return on_real.mean() + np.logaddexp(0, fake).mean()
    # end solution


# %%
check("14.smooth", smoothed_loss)

# %% [markdown] tags=["solution-only"]
# With target $t$ the best discriminator is $t p / (p + q)$. It never exceeds $t$, so its logit is bounded above.
# With a target above 0 for the fakes too, the numerator would contain $q$: fakes would be drawn to where fakes already are.

# %% [markdown]
# ## 3 · The generator that helps
#
# **debug** · level ●●○ · 20 minutes · `gan`
#
# *Because this bug raises no error, and the losses look healthy.*
#
# The function plays some turns with plain gradient descent: in each, the discriminator takes one step, then the generator one, with the non-saturating loss, against the *new* discriminator.
# It should return the weights of both. As it stands, each net is moved by gradients that are not its own. Find them.
#
# <details><summary>Hint 1</summary>After the discriminator's <code>backward()</code>, print <code>G.weight.grad</code>. Should anything be there?</details>
# <details><summary>Hint 2</summary>There are two leaks: from D's loss into G, through the fakes; and from G's loss into D, kept until D's next step.</details>
# <details><summary>Hint 3</summary>Cut the fakes off with <code>.detach()</code> in D's turn, and clear D's gradients right before D's <code>backward()</code>.</details>

# %%
def descend(net, lr):
    """One step of gradient descent; the gradients are cleared afterwards."""
    with torch.no_grad():
        for weight in net.parameters():
            if weight.grad is not None:
                weight -= lr * weight.grad
            weight.grad = None


def turns(G, D, real, noise, lr):
    """G, D: modules; real (n, d);
    noise (turns, n, k): one batch a turn -> weights of G, weights of D."""
    # solution
    for z in noise:
        D.zero_grad()                                     # what G's turn left here
        (F.softplus(-D(real)).mean() + F.softplus(D(G(z).detach())).mean()).backward()
        descend(D, lr)
        F.softplus(-D(G(z))).mean().backward()
        descend(G, lr)
    # exercise
    # for z in noise:
    #     (F.softplus(-D(real)).mean() + F.softplus(D(G(z))).mean()).backward()
    #     descend(D, lr)
    #     F.softplus(-D(G(z))).mean().backward()
    #     descend(G, lr)
    # end solution
    weights = torch.nn.utils.parameters_to_vector
    return weights(G.parameters()).detach(), weights(D.parameters()).detach()


# %%
check("14.turns", turns)

# %% [markdown] tags=["solution-only"]
# In the handed-out code G descends the sum of its own loss and of D's: half of its step helps D to recognize it.
# With two optimizers that each clear their own net right before `backward()`, the missing `detach` costs only time. Do both anyway.

# %% [markdown]
# ## 4 · Flat at the real pictures
#
# **build** · level ●●● · 20 minutes · `gan`
#
# *Because a penalty on a gradient teaches nothing unless it has a gradient itself.*
#
# **R1** (Mescheder and others 2018) wants the discriminator's logit flat at the *real* pictures, with no steepness 1 and no points in between:
#
# $$\frac{\gamma}{2}\, \mathbb E_{\text{real } x}\big[\lVert \nabla_x\, \ell(x) \rVert^2\big]$$
#
# The squared norm is over all pixels of a picture, the average over pictures.
# Write the penalty. The check runs `calm`, which lets D descend it by one step: so a gradient must go through your result.
#
# <details><summary>Hint 1</summary>Which input needs a gradient? A copy of the pictures: <code>real.detach().requires_grad_()</code>.</details>
# <details><summary>Hint 2</summary>The rows do not meet in D, so the gradient of the <em>sum</em> of the logits holds each picture's own gradient.</details>
# <details><summary>Hint 3</summary><code>torch.autograd.grad(D(x).sum(), x, create_graph=True)</code>; without <code>create_graph</code> the result is a plain number, and <code>backward()</code> stops. Then squares, summed over <code>flatten(1)</code>, one mean.</details>

# %%
def r1(D, real, gamma):
    """D: pictures (n, 1, h, w) -> logits (n, 1); real: pictures;
    gamma: number -> one number, a tensor."""
    # solution
    x = real.detach().clone().requires_grad_()
    slope, = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gamma / 2 * slope.square().flatten(1).sum(1).mean()
    # end solution


def calm(D, real, gamma, lr):
    """One step of D on the penalty alone -> the penalty, D's new weights."""
    penalty = r1(D, real, gamma)
    if penalty is ...:
        return ...                                        # not written yet
    D.zero_grad()
    penalty.backward()
    descend(D, lr)
    return penalty.detach(), torch.nn.utils.parameters_to_vector(D.parameters()).detach()


# %%
check("14.r1", calm)

# %% [markdown] tags=["solution-only"]
# Where the generator is perfect, the best logit is 0 everywhere, and so is its slope: R1 is satisfied there, while a wish for steepness 1 is not.
# That is the argument for it in the paper, which also proves convergence near that point.

# %% [markdown]
# ## 5 · One good drawing in ten
#
# **predict** · level ●●○ · 10 minutes · `gan`
#
# *So that you ask how many drawings a coverage was measured with.*
#
# The real things are 300 points of a standard Gaussian in the plane, and $k = 5$.
# A generator draws a perfect point one time in ten, and otherwise a point a hundred standard deviations away.
# It draws 10,000 times. What are density and coverage? Commit to one letter, then check.
#
# - **a** – both near 0.1
# - **b** – density near 1, coverage near 0.1
# - **c** – density near 0.1, coverage above 0.9
# - **d** – both above 0.9
#
# <details><summary>Hint 1</summary>Which of the two is an average over drawings, and which asks only whether there is any?</details>
# <details><summary>Hint 2</summary>There are 1,000 perfect points among them, for 300 balls.</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("14.measures", answer)

# %% [markdown] tags=["solution-only"]
# Coverage only grows with the number of drawings, and forgives any amount of scribble. Density does not, and forgives collapse.
# Report both, and draw as many as there are real things.

# %% [markdown]
# ## 6 · The discriminator as a pair of scales
#
# **apply** · level ●●○ · 15 minutes · `gan`
#
# *So that a log from last week can answer for today's traffic.*
#
# You have a `past` log, with clicks, and `today`'s, whose traffic is mixed differently: other devices, other hours, other ages. Each device has hours of its own, so a ratio of counts for each column, multiplied, counts the same change twice. Today's clicks are not known yet.
# Give each past row a weight, so that the weighted past looks like today: the ratio today's density / past density at that row.
# Train a discriminator between the two logs, and remember that they differ in length.
# The columns that matter are given; the mean weight should be about 1.
#
# <details><summary>Hint 1</summary>Class 1: a row of today's. Which function of D is the ratio of the densities? D itself is not.</details>
# <details><summary>Hint 2</summary>D / (1 − D) is the ratio of densities times the ratio of the lengths. Take the lengths off.</details>
# <details><summary>Hint 3</summary><code>scipy.sparse.vstack</code> the two <code>one_hot(columns)</code>, fit scikit-learn's LogisticRegression, and use <code>np.exp(model.decision_function(…))</code>, times len(past) / len(today).</details>

# %%
from scipy import sparse
from sklearn.linear_model import LogisticRegression

columns = ["device", "hour", "age"]


def weights(past, today):
    """past, today: ad logs with `one_hot(columns)` and `len`
    -> (len(past),) ratio today / past."""
    # solution
    rows = sparse.vstack([today.one_hot(columns), past.one_hot(columns)])
    label = np.repeat([1, 0], [len(today), len(past)])
    model = LogisticRegression(C=10.0, max_iter=300).fit(rows, label)
    return np.exp(model.decision_function(past.one_hot(columns))) * len(past) / len(today)
    # end solution


# %%
if check("14.weights", weights):
    log = data.load("ads", rows=30_000, seed=SEED)
    past, today = log[:20_000], log[20_000:][log.features["device"][20_000:] == 1]
    weighted = np.average(past.features["device"] == 1, weights=weights(past, today))
    print(f"share of device 1: past {np.mean(past.features['device'] == 1):.2f}, "
          f"weighted {weighted:.2f}")

# %% [markdown] tags=["solution-only"]
# The same trick estimates how a new policy would have done on an old log (lecture 15), and tells you that a training set has aged: a discriminator that cannot tell the two logs apart is good news.
# Where today has rows that the past has not, no weight helps.
