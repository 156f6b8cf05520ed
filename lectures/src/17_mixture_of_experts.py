# %% [markdown]
# # 17 · Mixture of experts
#
# **Question.** Lecture 03 gave every machine the same say everywhere. What if the one who knows this corner speaks, and the others keep silent?
#
# **You will be able to** cluster by k-means and by a Gaussian mixture, and say what EM promises; let a gate weigh experts by the input, trained by EM or by gradient; keep experts alive when only a few may work; tell when a gate earns its keep on the ad log; count what a sparse language model holds and what it uses.
#
# **Needs** 03, 05, 08 · **Minutes** 90 to teach, 130 to study · **CPU** 30 s
#
# On the map: `moe` · `clustering`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer, on a larger ad log
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import time

import numpy as np
import torch
from matplotlib.patches import Ellipse
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch.factorization import FactorizationMachine, fit_clicks

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)
COLORS = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE, plots.RED, plots.SKY,
          plots.GREY, plots.INK]

# %%
concept_map.show("17")

# %% [markdown]
# ## 1 · k-means: two steps that take turns
#
# On the map: `clustering`
#
# Neither of its two steps can raise the error, so k-means always comes to rest, though not always in a good place.
#
# **Clustering** (클러스터링) sorts points into groups without being told any group.
# **k-means** describes a group by its centre. Two steps take turns:
#
# 1. each point joins the nearest centre;
# 2. each centre moves to the mean of its points.
#
# The error that both lower is the **inertia**, the sum of squared distances from each point to its centre.
#
# **Ask the room.** Why does it end after finitely many steps? And why may two starts end differently?
#
# <details><summary>One answer</summary>
#
# There are finitely many ways to sort $n$ points, and none comes twice while the error falls.
# Each start goes downhill to the nearest place where neither step helps, and there are several.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Wrong answer to expect: "so it finds the best". Show the first picture.

# %%
def cloud(n, middle, length, width, degrees):
    turn = np.radians(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return middle + rng.normal(size=(n, 2)) * [length, width] @ axes


X = np.concatenate([cloud(200, [-2, 1], 1.6, 0.25, 35),
                    cloud(200, [-0.6, -0.6], 1.6, 0.25, 35),
                    cloud(200, [3, 2], 0.3, 0.3, 0), cloud(100, [3.5, -2], 1.0, 0.5, 90)])
group = np.repeat([0, 1, 2, 3], [200, 200, 200, 100])  # nobody is told


def nearest(X, centres):
    """X (n, d), centres (k, d) -> the nearest centre's number (n,), and the inertia."""
    far = ((X[:, None] - centres) ** 2).sum(axis=2)    # (n, k)
    return far.argmin(axis=1), far.min(axis=1).sum()


def kmeans(X, centres):
    """Until no point changes its centre
    -> centres (k, d), numbers (n,), inertia after each step."""
    label, trace = None, []
    while True:
        before, (label, inertia) = label, nearest(X, centres)
        trace.append(inertia)
        if before is not None and (label == before).all():
            return centres, label, np.array(trace)
        centres = np.array([X[label == k].mean(axis=0) if (label == k).any() else centres[k]
                            for k in range(len(centres))])


starts = [X[rng.choice(len(X), 4, replace=False)] for _ in range(20)]
runs = [kmeans(X, start) for start in starts]
inertia = np.array([trace[-1] for _, _, trace in runs])
best = inertia.argmin()
centres, label, _ = runs[best]

# %%
library = KMeans(4, init=starts[best], n_init=1, tol=0, algorithm="lloyd").fit(X)
claim("our centres are scikit-learn's",
      np.abs(centres - library.cluster_centers_).max(), at_most=1e-6)
claim("so is our inertia", abs(inertia[best] / library.inertia_ - 1), at_most=1e-8)
claim("in none of twenty runs did the inertia rise at a step",
      max((np.diff(trace) / trace[0]).max() for _, _, trace in runs), at_most=1e-12)

# %%
ends = {f"{name}: inertia {inertia[at]:.0f}": at
        for name, at in [("a bad end", inertia.argmax()),
                          ("the best of twenty", best)]}

# %%
fig, axes = plots.panels("One rule, two starts, two answers", ends, xlabel="first number",
                         ylabel="second number", size=(9.5, 3.9), sharey=True)
for ax, at in zip(axes, ends.values(), strict=True):
    ax.scatter(*X.T, c=np.array(COLORS)[runs[at][1]], s=8, alpha=0.6)
    ax.plot(*runs[at][0].T, "X", color=plots.INK, markersize=11)
plots.show("Four stretched clouds cut by two runs of k-means; "
           "both cut the long clouds across.")

# %% [markdown]
# ## 2 · A Gaussian mixture: groups with a shape, and doubt
#
# On the map: `clustering`
#
# Replace "nearest" by a probability and "mean" by a weighted mean, and k-means becomes EM, whose likelihood never falls.
#
# The best of twenty is still wrong about the long clouds: squared distance knows only round groups. No restart mends a wrong model.
#
# A **Gaussian mixture** (가우시안 혼합) says how a point comes about: draw a group $k$ with probability $\pi_k$, then a point from the Gaussian with mean $\mu_k$ and covariance $\Sigma_k$.
#
# - **E-step**: how far is group $k$ to blame for point $x_i$? The **responsibility**
#   $$r_{ik} = \frac{\pi_k\, N(x_i;\, \mu_k, \Sigma_k)}{\sum_j \pi_j\, N(x_i;\, \mu_j, \Sigma_j)}$$
# - **M-step**: each group's share, mean and covariance, with the points weighted by $r_{ik}$.
#
# Together: **EM**, expectation–maximization. Densities are tiny, so compute with their logarithms.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Draw two overlapping bells on the board, ask for the responsibility of the point where they cross, then of one far outside.
# If lecture 13 was taught, say: same bound, but here the posterior is exact.

# %%
def log_joint(X, share, mean, cov):
    """log of share times density, (n, k):
    X (n, d), share (k,), mean (k, d), cov (k, d, d)."""
    out = []
    for p, m, c in zip(share, mean, cov, strict=True):
        root = np.linalg.cholesky(c)                   # c = root @ root.T
        z = solve_triangular(root, (X - m).T, lower=True)
        out.append(np.log(p) - 0.5 * (z**2).sum(axis=0) - np.log(np.diag(root)).sum())
    return np.stack(out, axis=1) - X.shape[1] / 2 * np.log(2 * np.pi)


def m_step(X, r):
    n = r.sum(axis=0)                                  # (k,) points' worth of each group
    mean = r.T @ X / n[:, None]
    away = X[:, None] - mean                           # (n, k, d)
    return n / len(X), mean, np.einsum("nk,nki,nkj->kij", r, away, away) / n[:, None, None]

# %%
def em(X, share, mean, cov, steps=300):
    trace = []
    for _ in range(steps):
        log_p = log_joint(X, share, mean, cov)
        total = logsumexp(log_p, axis=1)               # (n,) log-likelihood of each point
        trace.append(total.mean())
        share, mean, cov = m_step(X, np.exp(log_p - total[:, None]))
    return share, mean, cov, np.array(trace)


begins = [(np.full(4, 0.25), start, np.tile(0.5 * np.eye(2), (4, 1, 1)))
          for start in starts[:8]]
fits = [em(X, *begin) for begin in begins]  # where k-means started, with small round groups
best = np.argmax([trace[-1] for *_, trace in fits])    # the likeliest
share, mean, cov, trace = fits[best]

first = begins[best]
library = GaussianMixture(4, weights_init=first[0], means_init=first[1], reg_covar=0,
                          precisions_init=np.linalg.inv(first[2]), tol=1e-12,
                          max_iter=999).fit(X)

# %%
claim("the likelihood never falls, in eight runs: smallest change at a step",
      min(np.diff(trace).min() for *_, trace in fits), at_least=-1e-10)
claim("our likelihood is scikit-learn's", abs(trace[-1] - library.score(X)), at_most=1e-5)
claim("so are our means", np.abs(mean - library.means_).max(), at_most=1e-2)
blame = log_joint(X, share, mean, cov).argmax(axis=1)
claim("k-means misses the true groups (1 is right, 0 is chance)",
      adjusted_rand_score(group, label), at_most=0.85)
claim("the mixture finds them", adjusted_rand_score(group, blame), at_least=0.9)

# %%
fig, axes = plots.panels("The mixture gives each group its shape, "
                         "and climbs without a slip",
                         ["two standard deviations of each group", "likelihood by step"],
                         xlabel="first number", ylabel="second number", size=(10, 3.9))
axes[0].scatter(*X.T, c=np.array(COLORS)[blame], s=8, alpha=0.6)
for m, c in zip(mean, cov, strict=True):
    size, axis = np.linalg.eigh(c)
    axes[0].add_patch(Ellipse(m, *4 * np.sqrt(size), fill=False, linewidth=2,
                              color=plots.INK,
                              angle=np.degrees(np.arctan2(axis[1, 0], axis[0, 0]))))
axes[1].plot(trace[:100], color=plots.BLUE)
axes[1].set(xlabel="step of EM", ylabel="log-likelihood of a point (nats)")
plots.show("Ellipses lie along the long clouds; "
           "the likelihood rises at every step and flattens.")

# %% [markdown]
# <details><summary>Why it never falls</summary>
#
# For any weights $r_i$ over the groups, the log-likelihood of $x_i$ is $\sum_k r_{ik} \log \frac{p(x_i, k)}{r_{ik}}$ plus the KL divergence from $r_i$ to the true posterior $p(k \mid x_i)$, as in lecture 13.
# The E-step makes the KL zero, so that the first sum *is* the likelihood. The M-step raises the first sum. The KL cannot fall below zero, so the likelihood rises at least as much.
# </details>
#
# Shrink all $\Sigma_k$ to one tiny circle and EM *is* k-means: responsibilities become 0 or 1.
#
# The library's way is `GaussianMixture`; `KMeans` for section 1.
#
# Beware: a group that sits on a single point has a density without bound. Its likelihood is infinite and worthless. A floor under the variance forbids it.

# %% [markdown]
# ## 3 · An ensemble whose combiner looks at the input
#
# On the map: `moe`
#
# A bag of straight lines is a straight line; with weights that depend on $x$, enough straight lines follow any curve.
#
# With $f_k(x)$ the answer of machine $k$, of $K$:
#
# | combiner | answer | weights |
# |---|---|---|
# | bag (03) | $\sum_k \frac1K f_k(x)$ | equal |
# | stack (03) | $\sum_k w_k f_k(x)$ | learned, fixed |
# | **mixture of experts** (전문가 혼합) | $\sum_k g_k(x) f_k(x)$ | learned, and the input decides |
#
# The $f_k$ are now **experts**, and $g$ is the **gate**: a small classifier, softmax at its end, that guesses whom to ask.
#
# The problem: four straight pieces, end to end, and noise.
#
# **Predict first.** Four straight lines, fitted to four bootstrap samples, and a regression stacked on them. How good can it get?

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
# Let the room draw the weight curves of bag and stack first: horizontal lines. Then uncover the right panel.
# What usually goes wrong: people take the responsibility for the gate. Ask which of the two you have when a new $x$ comes in.
# The floor is a maximum, not an addition: added, the M-step would no longer be the best answer and the promise would break.

# %%
CUTS = [-1.0, 0.3, 1.2]


def pieces(x):
    lines = [2 * x + 3, -1.5 * x - 0.5, 3 * x - 2, 2.8 - x]
    return np.choose(np.digitize(x, CUTS), lines)


def with_one(x):
    return np.stack([x, np.ones_like(x)], axis=-1)


x = rng.uniform(-2, 2, 400)
y = pieces(x) + 0.1 * rng.normal(size=400)
x_new = np.linspace(-2, 2, 500)
y_new = pieces(x_new)

samples = [rng.integers(0, 400, 400) for _ in range(4)]
bag = [np.linalg.lstsq(with_one(x[i]), y[i])[0] for i in samples]
opinions, opinions_new = (with_one(at) @ np.transpose(bag) for at in (x, x_new))  # (n, 4)
weights = np.linalg.lstsq(opinions, y)[0]
one = np.mean((with_one(x_new) @ np.linalg.lstsq(with_one(x), y)[0] - y_new) ** 2)

claim("the bag's error, as a share of one line's",
      np.mean((opinions_new.mean(1) - y_new) ** 2) / one, at_least=0.9)
claim("the stack's error, as a share of one line's",
      np.mean((opinions_new @ weights - y_new) ** 2) / one, at_least=0.9)

# %% [markdown]
# Now the mixture. It is section 2 once more, with a regression in each group: expert $k$ says that $y$ is its line plus noise.
# Let the gate be Gaussian too: group $k$ lives around $m_k$, and $g_k(x) \propto \pi_k N(x; m_k, v_k)$ (Xu, Jordan and Hinton, 1995).
# Then *all* of the M-step is a formula: weighted means, and a weighted least squares for each expert.
#
# The responsibility has seen $y$: it asks whose line fits, and whose region it is. The gate has not, and learns to foretell it.
#
# Every array gets a leading axis of $S$ starts, side by side: EM needs many (section 1).

# %%
FLOOR = 1e-3  # below it no variance may fall


def log_normal(away, var):
    return -0.5 * (away**2 / var + np.log(2 * np.pi * var))


def experts_m(x, y, r):
    """r (S, n, K) -> shares, middles and widths of the gate, lines (S, K, 2),
    noise: each (S, 1, K)."""
    n = r.sum(1, keepdims=True) + 1e-12
    middle = (r * x[:, None]).sum(1, keepdims=True) / n
    width = (r * (x[:, None] - middle) ** 2).sum(1, keepdims=True) / n
    A = with_one(x)
    square = np.einsum("snk,ni,nj->skij", r, A, A)
    cross = np.einsum("snk,ni,n->ski", r, A, y)[..., None]
    line = (np.linalg.pinv(square, hermitian=True) @ cross)[..., 0]
    missed = y[:, None] - A @ line.swapaxes(1, 2)
    noise = np.maximum((r * missed**2).sum(1, keepdims=True) / n, FLOOR)
    return n / len(x), middle, np.maximum(width, FLOOR), line, noise

# %%
def log_gate(x, share, middle, width):
    raw = np.log(share) + log_normal(x[:, None] - middle, width)
    # with the density of x, and without
    return raw, raw - logsumexp(raw, axis=2, keepdims=True)


def experts_em(x, y, K, S=16, steps=150):
    middle = rng.choice(x, (S, 1, K))                  # start: softly to some points
    r, trace = np.exp(-2 * (x[:, None] - middle) ** 2), []
    r /= r.sum(2, keepdims=True)
    for _ in range(steps):
        *gate, line, noise = experts_m(x, y, r)
        missed = y[:, None] - with_one(x) @ line.swapaxes(1, 2)
        log_p = log_gate(x, *gate)[0] + log_normal(missed, noise)
        total = logsumexp(log_p, axis=2, keepdims=True)
        trace.append(total.mean((1, 2)))
        r = np.exp(log_p - total)
    return gate, line, np.array(trace)

# %%
gate, line, trace = experts_em(x, y, K=4)
g = np.exp(log_gate(x_new, *gate)[1])                  # (S, n, K)
f = with_one(x_new) @ line.swapaxes(1, 2)              # (S, n, K)
likely = trace[-1].argmax()  # the likeliest start, judged on the training rows
claim("EM with experts: no start sees its likelihood fall",
      np.diff(trace, axis=0).min(), at_least=-1e-8)
claim("the mixture's error, as a share of one line's",
      np.mean(((g * f).sum(2)[likely] - y_new) ** 2) / one, at_most=0.05)

# %%
fig, axes = plots.panels("The gate finds the pieces, and each piece gets its own line",
                         ["experts where they have the say", "the gate: who is asked"],
                         xlabel="x", ylabel="y", size=(10, 3.7))
axes[0].plot(x, y, ".", color=plots.GREY, markersize=3, alpha=0.6)
for k in np.argsort(gate[1][likely, 0]):
    color, says = COLORS[k], g[likely, :, k]
    axes[0].plot(x_new, np.where(says > 0.05, f[likely, :, k], np.nan), color=color)
    axes[1].plot(x_new, says, color=color)
    plots.name(axes[1], x_new[int(np.average(np.arange(500), weights=says))], 1.09,
               f"expert {k + 1}", color, dx=-22, fontsize=10)
for cut in CUTS:
    axes[1].axvline(cut, color=plots.INK, linestyle=":", linewidth=1)
axes[1].set(ylabel="weight of the expert", ylim=(-0.03, 1.18))
plots.show("Left: four lines on four pieces. "
           "Right: four weights switch from 0 to 1 at the dotted true cuts.")

# %% [markdown]
# ## 4 · The gate by gradient, and how many experts to hire
#
# On the map: `moe`
#
# Gradient descent trains any gate and any expert, and its gradient is EM in disguise; both get stuck, and spare experts help.
#
# Take a softmax gate with logits $z_k(x)$, and as loss minus the log-likelihood of $y$: $-\log \sum_k g_k(x)\, N(y; f_k(x), \sigma^2)$.
# By lecture 01's rule for softmax,
#
# $$\frac{\partial\, \text{loss}}{\partial z_k} = g_k - r_k$$
#
# The gate is a softmax regression whose labels are the responsibilities. EM would hold $r$ still and fit; descent moves both a little.
#
# **Ask the room.** The squared error of the *mixed* answer is another loss. Under which of the two must experts compete, under which can they cooperate?
#
# <details><summary>One answer</summary>
#
# The likelihood makes them compete, for each point wants *one* expert that fits.
# The squared error of the mix lets two wrong experts average to a right answer.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
# Jacobs and others (1991) made exactly this step, from the squared error of the mix to the likelihood.
# In the picture, a start that fails has left one expert with two pieces and another with none.

# %%
class Experts(nn.Module):
    """S mixtures side by side: K lines, and a gate with a hidden layer of 16.
    Weights have a leading S."""

    def __init__(self, S, K, H=16):
        super().__init__()
        sizes = {"lines": (S, 2, K), "w": (S, 2, H), "gate": (S, H, K)}
        scale = {"lines": 1.0, "w": 1.5, "gate": 0.25}
        self.p = nn.ParameterDict({name: scale[name] * torch.randn(*size)
                                   for name, size in sizes.items()})
        self.p["log_sigma"] = torch.zeros(S, 1, 1)

    def forward(self, x):
        x1 = torch.stack([x, torch.ones_like(x)], 1)   # (n, 2)
        logits = torch.tanh(x1 @ self.p["w"]) @ self.p["gate"]
        return x1 @ self.p["lines"], logits            # each (S, n, K)


def log_joint_y(f, logits, y, log_sigma):
    """log of g_k times the density of y under expert k, but for a constant: (S, n, K)."""
    return (logits.log_softmax(2) - 0.5 * ((y[:, None] - f) / log_sigma.exp()) ** 2
            - log_sigma)

# %%
def descend(model, loss, steps, lr=0.03):
    """Adam, its rate fading; the S losses are added up,
    so that no start feels the others."""
    descent = torch.optim.Adam(model.parameters(), lr)
    fade = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02, total_iters=steps)
    for _ in runtime.track(range(steps), "steps"):
        descent.zero_grad()
        loss(model).sum().backward()
        descent.step()
        fade.step()
    return model


xt, yt, xt_new, yt_new = (torch.tensor(part, dtype=torch.float32, device=run.device)
                          for part in (x, y, x_new, y_new))


def surprise(model):
    f, logits = model(xt)
    return -log_joint_y(f, logits, yt, model.p["log_sigma"]).logsumexp(2).mean(1)  # (S,)

# %%
torch.manual_seed(SEED)
f, logits = (part.detach().requires_grad_() for part in Experts(3, 4).to(run.device)(xt))
log_p = log_joint_y(f, logits, yt, torch.zeros((), device=run.device))
(-log_p.logsumexp(2)).sum().backward()
g, r = logits.softmax(2), log_p.softmax(2)
claim("the gradient of the logits is g − r",
      (logits.grad - (g - r)).detach().abs().max(), at_most=1e-5)

# %%
def error(model):
    with torch.no_grad():
        f, logits = model(xt_new)
        # (S,)
        return ((logits.softmax(2) * f).sum(2) - yt_new).square().mean(1).cpu().numpy()

# %%
counts, by_descent, by_em = [2, 4, 6, 8], {}, {}
for K in counts:
    torch.manual_seed(SEED)
    model = descend(Experts(16, K).to(run.device), surprise,
                    run.pick(lecture=420, full=2000))
    by_descent[K] = error(model)
    gate, line, _ = experts_em(x, y, K)
    mixed = (np.exp(log_gate(x_new, *gate)[1])
             * (with_one(x_new) @ line.swapaxes(1, 2))).sum(2)
    by_em[K] = ((mixed - y_new) ** 2).mean(1)

# %%
fig, ax = plots.figure("Four experts suffice in theory; spare ones make it happen",
                       xlabel="experts", ylabel="error on new points (log)", size=(7.8, 4))
for errors, color, shift in [(by_descent, plots.BLUE, -0.12), (by_em, plots.ORANGE, 0.12)]:
    for K, values in errors.items():
        ax.semilogy(K + shift + np.linspace(-0.08, 0.08, 16), np.sort(values), ".",
                    color=color)
for level, label in [(one, "one line"), (0.01, "solved")]:
    ax.axhline(level, color=plots.GREY, linewidth=1, linestyle=":")
    plots.name(ax, 8.3, level, label, plots.GREY)
plots.name(ax, 2, 0.025, "descent", plots.BLUE, dx=-18)
plots.name(ax, 2, 0.045, "EM", plots.ORANGE, dx=14)
ax.set(xticks=counts, xlim=(1.5, 8.4))
plots.show("Dots for 16 starts: two experts never solve it, four sometimes, "
           "eight nearly always.")

# %%
solved = {K: np.mean(by_descent[K] < 0.01) for K in counts}
solved_em = {K: np.mean(by_em[K] < 0.01) for K in counts}
claim("two experts are too few: error of the best of 16 starts",
      min(by_descent[2]), at_least=0.03)
claim("eight instead of four: this much more often", solved[8] - solved[4], at_least=0.1)
claim("six experts by EM solve it from nearly every start", solved_em[6], at_least=0.75)

# %%
with torch.no_grad():
    # eight experts, the likeliest start
    (_, logits), at = model(xt_new), surprise(model).argmin()
asked, piece = logits[at].argmax(1).cpu().numpy(), np.digitize(x_new, CUTS)
pure = sum(np.bincount(piece[asked == k]).max() for k in np.unique(asked)) / len(piece)
claim("nobody named the pieces, but the expert who is asked tells the piece",
      pure, at_least=0.9)

# %% [markdown]
# ## 5 · Ask only two: sparse gates and dead experts
#
# On the map: `moe`
#
# If only the best $k$ experts run, more experts cost hardly more time; but who is not asked does not learn.
#
# So far gates are **dense**: all experts run.
# A **top-k gate** keeps the $k$ largest logits and takes their softmax.
# An expert outside gets no gradient and stays bad. It is **dead** if fewer than 1 % of points ask it.
#
# The **load balancing loss** (Fedus and others, 2021, for $k = 1$) is
#
# $$\frac{K}{k} \sum_j a_j\, \bar p_j$$
#
# $a_j$ is the share of points that ask expert $j$, which has no gradient. $\bar p_j$ is its mean full softmax, which has one. Even load gives 1.
#
# **Predict first.** We add $c$ times this loss. What does a small $c$ do to the error, what a large one?

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
# "The rich get richer" is the phrase that sticks. Ask for other remedies: noise on the logits, a bias that is raised for idle experts, capacity limits. All are in use.

# %%
def top(logits, k):
    """The softmax of the k largest logits, zero for the rest;
    and who is asked, True or False."""
    chosen = logits.topk(k, dim=-1).indices            # exactly k, also where logits tie
    asked = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, chosen, True)
    return logits.masked_fill(~asked, -torch.inf).softmax(-1), asked


def balance(logits, asked):
    """Logits (..., n, K), asked (..., n, K) -> (...,): 1 where the load is even."""
    K, k = logits.shape[-1], asked[0, 0].sum()
    return K / k * (asked.float().mean(-2) * logits.softmax(-1).mean(-2)).sum(-1)


def sparse(c, sigma=0.2):
    """Loss with two of eight asked:
    surprise at a given noise, in units of y squared, and c of balance."""
    def loss(model):
        f, logits = model(xt)
        g, asked = top(logits, 2)
        log_p = (g + 1e-9).log() - 0.5 * ((yt[:, None] - f) / sigma) ** 2
        return -(sigma**2) * log_p.logsumexp(2).mean(1) + c * balance(logits, asked)
    return loss


loads, errors = {}, {}

# %%
for c in (0, 0.01, 0.1):
    torch.manual_seed(SEED)
    model = descend(Experts(12, 8).to(run.device), sparse(c),
                    run.pick(lecture=400, full=2000))
    with torch.no_grad():
        f, logits = model(xt_new)
        g, asked = top(logits, 2)
        loads[c] = asked.float().mean(1).cpu().numpy()  # (S, K)
        errors[c] = ((g * f).sum(2) - yt_new).square().mean(1).cpu().numpy()

# %%
dead = {c: (load < 0.01).sum(1).mean() for c, load in loads.items()}
fig, axes = plots.panels("Without balancing experts die; "
                         "a little mends it, much of it costs accuracy",
                         [f"c = {c}: {dead[c]:.1f} of 8 dead\nmedian error "
                          f"{np.median(errors[c]):.3f}"
                          for c in loads],
                         xlabel="expert, busiest first",
                         ylabel="share of points that ask it (%)",
                         size=(10, 3.6), sharey=True)
for ax, load, color in zip(axes, loads.values(), [plots.RED, plots.GREEN, plots.ORANGE],
                           strict=True):
    ax.bar(np.arange(1, 9), 100 * np.sort(load)[:, ::-1].mean(0), color=color)
    ax.axhline(25, color=plots.INK, linestyle=":", linewidth=1)
plots.name(axes[0], 5.2, 25, "even load", plots.INK, dy=9)
plots.show("Load of eight experts: steep with several at zero, flatter with c = 0.01, "
           "nearly flat with 0.1.")

# %%
middle = {c: np.median(values) for c, values in errors.items()}
claim("without balancing, experts of eight that are dead, on average",
      dead[0], at_least=1.2)
claim("with a little, nearly none", dead[0.01], at_most=0.4)
claim("and the error falls: without, relative to a little",
      middle[0] / middle[0.01], at_least=1.2)
claim("much of it makes the error rise again: much, relative to a little",
      middle[0.1] / middle[0.01], at_least=1.2)

# %% [markdown]
# ## 6 · The ad log: a gate is worth what it can find
#
# On the map: `moe`
#
# The same experts earn much or little; the form of the gate decides.
#
# In this log tastes switch: two tables, segment (age × gender) × category, are mixed by a **regime** that turns with the hour, at each site at another time.
# We freeze the logits of lecture 08's factorization machine, and train what is added to them:
#
# - one table: no gate;
# - two tables and a small network as gate, on indicators of site and hour;
# - two tables and a gate with one logit pair for each of the 5 × 24 cells;
# - no experts: one network that sees all this, with *more* compute.
#
# **Predict first.** Which one finds the regime?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Expect bets on the network as gate: it is the only one that could generalize over hours and sites.
# Somebody will ask how you know the cells in real life. You do not: you try candidates (site × hour, device, ad slot) and keep what pays on later days.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
COLUMNS = ["user", "age", "gender", "ad", "category", "context", "site", "position",
           "device", "hour"]
torch.manual_seed(SEED)
machine = FactorizationMachine({name: log.sizes[name] for name in COLUMNS}).to(run.device)
history = fit_clicks(machine, past.features, past.click, epochs=4)


def rows_of(log):
    """The frozen logit, segment, category and site × hour cell of each impression."""
    age, gender, category, site, hour = (
        torch.tensor(log.features[name], dtype=torch.int64, device=run.device)
        for name in ("age", "gender", "category", "site", "hour"))
    with torch.no_grad():
        frozen = machine(machine.ids(log.features))
    return frozen, 2 * age + gender, category, 24 * site + hour


past_rows, future_rows = rows_of(past), rows_of(future)

# %%
class Tables(nn.Module):
    """S times E tables of segment × category, mixed by a gate over the 120 cells:
    None, "network", "cell"."""

    def __init__(self, S, E, gate):
        super().__init__()
        self.tables = nn.Parameter(0.3 * torch.randn(S, 96, E))
        site, hour = torch.arange(120) // 24, torch.arange(120) % 24
        # (120, 29)
        self.register_buffer("seen",
                             torch.cat([F.one_hot(site), F.one_hot(hour)], 1).float())
        self.cells = nn.Parameter(0.3 * torch.randn(S, 120, E)) if gate == "cell" else None
        if gate == "network":
            self.w1 = nn.Parameter(torch.randn(S, 29, 16) / 1.4)
            self.w2 = nn.Parameter(torch.randn(S, 16, E) / 4)
        self.gate = gate

    def weights(self):                                 # (S, 120, E)
        if self.gate is None:
            return torch.ones(1, 120, 1, device=self.seen.device)
        return (self.cells if self.gate == "cell"
                else torch.tanh(self.seen @ self.w1) @ self.w2).softmax(2)

    def forward(self, segment, category, cell):        # (n,) each -> (S, n)
        return (self.tables[:, 8 * segment + category] * self.weights()[:, cell]).sum(2)

# %%
class OneNetwork(nn.Module):
    """S networks, each with a hidden layer of H over four indicators; no experts."""

    def __init__(self, S, H=32):
        super().__init__()
        self.w1 = nn.Parameter(0.5 * torch.randn(S, 12 + 8 + 120, H))
        self.w2 = nn.Parameter(torch.randn(S, H, 1) / H**0.5)

    def forward(self, segment, category, cell):
        # the rows in use
        score = self.w1[:, segment] + self.w1[:, 12 + category] + self.w1[:, 20 + cell]
        return (torch.relu(score) @ self.w2)[..., 0]

# %%
def learn(model, epochs, lr, batch=4000):
    """Adds to the frozen logit -> the share of the gap on later days of each start,
    in per cent."""
    y = torch.tensor(past.click, dtype=torch.float32, device=run.device)
    descent = torch.optim.Adam(model.to(run.device).parameters(), lr)
    fade = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02,
                                             total_iters=epochs * -(-len(y) // batch))
    for _ in runtime.track(range(epochs), "epochs"):
        for i in torch.randperm(len(y), device=run.device).split(batch):
            frozen, *ids = (column[i] for column in past_rows)
            logits = frozen + model(*ids)
            loss = (F.binary_cross_entropy_with_logits(logits, y[i].expand_as(logits))
                    * len(logits))
            descent.zero_grad()
            loss.backward()
            descent.step()
            fade.step()
    with torch.no_grad():
        p = (future_rows[0] + model(*future_rows[1:])).cpu().double().sigmoid().numpy()
    return np.array([100 * future.share_of_gap(row) for row in p])

# %%
alone = 100 * future.share_of_gap(machine.probability(future.features))
shares = {"factorization machine": [alone]}
models = {}
for name, model, lr, epochs in [("+ one table", lambda: Tables(4, 1, None), 0.15, 6),
                                ("+ one network", lambda: OneNetwork(2), 0.01, 10),
                                ("+ two tables, network as gate",
                                 lambda: Tables(8, 2, "network"), 0.06, 10),
                                ("+ two tables, a logit a cell",
                                 lambda: Tables(4, 2, "cell"), 0.15, 10)]:
    torch.manual_seed(SEED)
    models[name], begin = model(), time.process_time()
    shares[name] = learn(models[name], epochs, lr)
    cpu = (time.process_time() - begin) / len(shares[name])
    print(f"{name}: {cpu:.2f} s of CPU a start")

# %%
fig, ax = plots.figure("Two experts pay where the gate can see the regime", ylabel="",
                       size=(8.5, 3.2),
                       xlabel="share of the gap on later days (%), a dot for each start")
for row, (name, values) in enumerate(shares.items()):
    ax.plot(values, [row] * len(values), "o",
            color=plots.BLUE if "tables" in name else plots.GREY, alpha=0.6)
    plots.name(ax, max(values), row, f"{np.mean(values):.1f} %", plots.INK, dx=10)
ax.set_yticks(range(len(shares)), shares)
ax.margins(x=0.12)
plots.show("Dots: the gate with a logit a cell is highest in all starts; "
           "the network gate is scattered.")

# %%
static, cells = np.mean(shares["+ one table"]), shares["+ two tables, a logit a cell"]
scattered, network = shares["+ two tables, network as gate"], shares["+ one network"]
claim("one table adds to the factorization machine",
      static - shares["factorization machine"][0], at_least=1)
claim("two tables with a logit a cell beat one table, in the worst start",
      min(cells) - static, at_least=1)
claim("they beat the one network", min(cells) - np.mean(network), at_least=2)
claim("a network as gate: its worst start earns far less than a logit a cell",
      np.mean(cells) - min(scattered), at_least=1.5)

# %% [markdown]
# The network *could* express this gate; from many starts it does not get there. Experts and gate must learn at the same time: while the tables are alike, no gate earns anything, and while the gate is flat, the tables stay alike.
# One logit for each cell breaks the circle more easily.
# Trained jointly, and on more rows, the cells keep their lead over one table: see the ladder in `data/README.md`.
#
# Is it the regime that was found? Here, and only here, the truth can be looked up.

# %%
truth = data.ad_world().mode  # (5 sites, 24 hours): the weight of the first table
with torch.no_grad():
    weights = models["+ two tables, a logit a cell"].weights()
    found = weights[0, :, 0].cpu().numpy().reshape(5, 24)
likeness = np.corrcoef(found.ravel(), truth.ravel())[0, 1]
shown = found if likeness > 0 else 1 - found  # which expert is called the first is chance
claim("correlation of the gate with the true regime, but for the experts' names",
      abs(likeness), at_least=0.6)

# %%
fig, axes = plots.panels("The gate has found which hours of which site go together",
                         ["learned weight of an expert", "true regime"], xlabel="hour",
                         ylabel="site", size=(10, 2.9), sharey=True)
for ax, picture in zip(axes, (shown, truth), strict=True):
    ax.imshow(picture, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    ax.set(xticks=range(0, 24, 6), yticks=range(5))
    ax.grid(visible=False)
plots.show("Two heat maps of site by hour: "
           "in both each site is bright for half of the day, shifted by site.")

# %% [markdown]
# ## 7 · From here to large language models
#
# On the map: `moe`
#
# A sparse layer holds many experts and runs a few: parameters grow, work per word does not.
#
# In a sparse language model the experts are small networks, and the gate, there called **router**, picks two of eight for each word in each layer. Lecture 20 builds the rest of such a model.
#
# Two ways to compute the same. Dense: run all experts, multiply most results by zero. By index: collect the words of each expert, run it on those, add the results back in their places.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# Say that the eight are eight in each layer, chosen anew for each word.
# The price is memory and traffic: a batch of words asks all experts, so all must be near. On many devices, words travel to their expert; this is where an uneven load hurts in seconds.

# %%
class SparseLayer(nn.Module):
    def __init__(self, D=64, H=256, E=8, k=2):
        super().__init__()
        self.router, self.k = nn.Linear(D, E, bias=False), k
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(D, H), nn.ReLU(), nn.Linear(H, D)) for _ in range(E))

    def dense(self, x):                                # (n, D) -> (n, D)
        g, _ = top(self.router(x), self.k)
        return (g[:, :, None]
                * torch.stack([expert(x) for expert in self.experts], 1)).sum(1)

    def forward(self, x):
        g, asked = top(self.router(x), self.k)
        out, self.worked = torch.zeros_like(x), 0
        for e, expert in enumerate(self.experts):
            rows = asked[:, e].nonzero()[:, 0]         # the words that ask expert e
            out = out.index_add(0, rows, g[rows, e, None] * expert(x[rows]))
            self.worked += len(rows)
        return out


torch.manual_seed(SEED)
words = torch.randn(2048, 64).double()  # on the CPU: its time is measured below
layer = SparseLayer().double()
by_index, dense = layer(words), layer.dense(words)
grads = [torch.autograd.grad(out.square().sum(), list(layer.parameters()))
         for out in (by_index, dense)]

# %%
claim("by index = dense with masked weights",
      (by_index - dense).detach().abs().max(), at_most=1e-12)
claim("and so are the gradients, relative to the largest",
      max(((u - v).abs().max() / v.abs().max()).item()
          for u, v in zip(*grads, strict=True)), at_most=1e-10)
claim("rows that the experts worked on, relative to dense", layer.worked / (8 * len(words)),
      at_least=0.25, at_most=0.25)

# %%
def cpu_seconds(function, repeats=20):
    with torch.no_grad():
        function(words)
        begin = time.process_time()
        for _ in range(repeats):
            function(words)
    return (time.process_time() - begin) / repeats


print(f"dense / by index: {cpu_seconds(layer.dense) / cpu_seconds(layer):.1f} in CPU time, "
      "4 by counting")

# %% [markdown]
# Now a real one, Mixtral 8×7B (Jiang and others, 2024), from its published sizes: 32 layers, vectors of 4,096 numbers, experts with three matrices of 4,096 × 14,336, a vocabulary of 32,000.
#
# **Predict first.** "8×7B": how many billion parameters does it hold, and how many touch a word?

# %%
D, H, layers, V = 4096, 14336, 32, 32000
expert = 3 * D * H                                     # one expert in one layer
attention = 2 * D * D + 2 * D * D // 4  # four queries share a key and a value
# with router, norms, first and last table
rest = layers * (attention + 8 * D + 2 * D) + 2 * V * D + D
total, active = (rest + layers * k * expert for k in (8, 2))
claim("billions held, not 56: only experts are there eight times",
      total / 1e9, at_least=46, at_most=47.5)
claim("billions that touch a word", active / 1e9, at_least=12, at_most=13.5)

# %%
fig, ax = plots.figure("All of it must lie in memory, a good quarter of it works on a word",
                       ylabel="", xlabel="parameters (billions)", size=(8, 2.3))
for row, k in enumerate((8, 2)):
    ax.barh(row, rest / 1e9, color=plots.GREY)
    ax.barh(row, layers * k * expert / 1e9, left=rest / 1e9, color=plots.BLUE)
    plots.name(ax, (total, active)[row] / 1e9, row, f"{(total, active)[row] / 1e9:.1f}",
               plots.INK)
plots.name(ax, 22, 1, "grey: all that is no expert", plots.GREY)
ax.set_yticks([0, 1], ["held: eight experts", "used: two experts"])
ax.invert_yaxis()
plots.show("Two bars: about 47 billion held, about 13 billion used; "
           "nearly all of both is experts.")

# %% [markdown]
# ## What goes wrong in practice
#
# - **One start.** Take many, judged by training likelihood; spread the first centres (**k-means++**, the first task); hire spare experts.
# - **Likelihood that falls** is a bug in the E- or M-step, always.
# - **Densities, not logarithms.** At distance 1000 all are zero; zero by zero is nan.
# - **A group on a single point.** Floor the variances.
# - **Dead experts.** Plot the load before you plot the loss.
# - **Balancing too hard.** Our pieces are unequally long: an even load is wrong.
# - **A gate that cannot get there.** Try a plainer one, and compare with *no* gate first.
# - **Reading meaning into experts.** We could check the regime since we made it. Jiang and others looked for topics in Mixtral's experts and found few; syntax showed more.

# %% [markdown]
# ## Summary
#
# 1. k-means and EM take turns between "who belongs where" and "what is each group", and their objective never gets worse.
# 2. A mixture of experts is an ensemble whose weights depend on the input; the gate learns to foretell responsibilities.
# 3. Its gradient is $g - r$; spare experts and restarts save it from bad ends.
# 4. Top-k buys parameters without work; balancing keeps experts alive, at a price.
# 5. On the ad log the right gate earned several points of the gap; a wrong one earned little or nothing.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 17`, then open `exercises/work/17_exercises.ipynb`: seven tasks, about 115 minutes.
#
# - S. Lloyd (1982), *Least squares quantization in PCM*, IEEE Transactions on Information Theory 28.
# - A. Dempster, N. Laird, D. Rubin (1977), *Maximum likelihood from incomplete data via the EM algorithm*, Journal of the Royal Statistical Society B 39.
# - R. Jacobs, M. Jordan, S. Nowlan, G. Hinton (1991), *Adaptive mixtures of local experts*, Neural Computation 3.
# - L. Xu, M. Jordan, G. Hinton (1995), *An alternative model for mixtures of experts*, NIPS 7.
# - N. Shazeer and others (2017), *Outrageously large neural networks: the sparsely-gated mixture-of-experts layer*, ICLR.
# - W. Fedus, B. Zoph, N. Shazeer (2021), *Switch Transformers*, arXiv:2101.03961.
# - A. Jiang and others (2024), *Mixtral of experts*, arXiv:2401.04088.
