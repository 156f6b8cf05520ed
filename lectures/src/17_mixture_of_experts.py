# %% [markdown]
# # 17 · Mixture of experts
#
# **Question.** Lecture 03 gave each machine one fixed say everywhere. What if the one who knows this corner speaks, and the others keep silent?
#
# **You will be able to** cluster by k-means and by a Gaussian mixture, and say what EM promises; choose how many groups; let a gate weigh experts by the input, trained by EM or by gradient; keep experts alive when only a few may work, and name the price; tell when a gate earns its keep on the ad log; count what a sparse language model holds and what it uses.
#
# **Needs** 03, 05, 08 · **Minutes** 95 to teach, 140 to study · **CPU** 25 s
#
# On the map: `moe` · `clustering`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer, on a larger ad log
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
from math import comb

import numpy as np
import torch
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import experts as helpers  # data, rivals, pictures
from utils.scratch import many  # many small networks trained at once (lecture 04)
from utils.scratch.factorization import FactorizationMachine, fit_clicks

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("17")

# %% [markdown]
# ## 1 · k-means: two steps that take turns
#
# On the map: `clustering`
#
# **Clustering** (클러스터링) sorts points into groups, and nobody says what the groups are.
# **k-means** (k-평균) describes a group by its centre. Two steps take turns:
#
# 1. each point joins the nearest centre;
# 2. each centre moves to the mean of its points.
#
# Both lower the same error, the **inertia** (관성): the sum of squared distances from points to their centres.
#
# By hand: four points on a line, at 1, 2, 9 and 10, and two centres that start on the points 1 and 2.
#
# - The point 1 joins the centre 1; the points 2, 9, 10 join the centre 2. The inertia is $0 + 0 + 7^2 + 8^2 = 113$.
# - The centres move to 1 and to $(2 + 9 + 10)/3 = 7$. Now the point 2 is nearer to 1, and changes over. The loop does the rest.

# %%
points, middles = [1, 2, 9, 10], [1, 2]
for _ in range(3):
    joins = [min((0, 1), key=lambda j: (p - middles[j]) ** 2) for p in points]
    error = sum((p - middles[j]) ** 2 for p, j in zip(points, joins, strict=True))
    print(f"centres {middles}, the points join {joins}, inertia {error}")
    middles = [float(np.mean([p for p, own in zip(points, joins, strict=True) if own == j]))
               for j in (0, 1)]

# %% [markdown]
# **Ask the room.** Why does it end after finitely many turns? And why may two starts end differently?
#
# <details><summary>One answer</summary>
#
# There are finitely many ways to sort $n$ points, and none comes twice while the error falls.
# Each start goes downhill to the nearest place where neither step helps, and there may be several such places.
# </details>
#
# Now in the plane: 700 points from four clouds, two long ones side by side, one small, one upright (the picture shows them).
# All distances come at once: `X[:, None] - centres` has one entry for each pair of a point and a centre.
#
# **The library's way** is `KMeans`. It spreads the first centres out (**k-means++** (k-평균++), the first task), and so needs fewer starts.

# %%
def nearest(X, centres):
    """X (n, 2), centres (K, 2) -> the nearest centre's number (n,), and the inertia."""
    far = ((X[:, None] - centres) ** 2).sum(axis=2)    # (n, K)
    return far.argmin(axis=1), far.min(axis=1).sum()


def kmeans(X, centres):
    """Until no point changes over -> centres (K, 2), numbers (n,), inertia."""
    label = None
    while True:
        before, (label, inertia) = label, nearest(X, centres)
        if before is not None and (label == before).all():
            return centres, label, inertia
        centres = np.array([X[label == j].mean(axis=0) if (label == j).any() else centres[j]
                            for j in range(len(centres))])

# %%
X, group = helpers.clouds(rng)  # (700, 2), (700,); the machine is not told the group
starts = [X[rng.choice(len(X), 4, replace=False)] for _ in range(20)]  # four points each
runs = [kmeans(X, start) for start in starts]
inertia = [error for *_, error in runs]
best = np.argmin(inertia)
library = KMeans(4, init=starts[best], n_init=1, tol=0, algorithm="lloyd").fit(X)
claim("k-means: largest difference from scikit-learn's centres",
      np.abs(runs[best][0] - library.cluster_centers_).max(), at_most=1e-6)

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Do the four points on the board before the loop runs.
# Wrong answer to expect at the question: "it ends, so it has found the best". Show the picture then.
# The method is MacQueen's by name (1967); Lloyd had it at Bell Labs in 1957 and printed it in 1982.

# %%
ends = {f"a bad end: inertia {max(inertia):.0f}": np.argmax(inertia),
        f"the best of twenty: {inertia[best]:.0f}": best}
plots.groups("One rule, two starts, two answers; neither sees the long clouds",
             dict.fromkeys(ends, X), [runs[at][1] for at in ends.values()], size=(9.5, 3.9))
plots.show("Four clouds, two of them long, cut by two runs of k-means; "
           "both cut the long clouds across.")

# %% [markdown]
# ## 2 · A Gaussian mixture: groups with a shape, and doubt
#
# On the map: `clustering`
#
# Even the best start cuts the long clouds: squared distance knows only round groups.
#
# A **Gaussian mixture** (가우시안 혼합) says how a point comes about: draw a group $j$ with probability $\pi_j$, its *share*; then draw the point from a Gaussian: mean $\mu_j$, its place, and covariance matrix $\Sigma_j$, its shape.
#
# By hand, on a line: two groups with equal shares, means 0 and 4, variance 1. Who made the point 1?
#
# - Its density under the first group is in proportion to $e^{-1^2/2} = 0.607$, under the second to $e^{-3^2/2} = 0.011$.
# - The first group's part of the sum is $0.607 / 0.618 = 0.98$, the second's 0.02.
#
# Each part is the **responsibility** (책임도) of its group. For point $x_i$ and group $j$, with the density $N$ of a Gaussian:
#
# $$r_{ij} = \frac{\pi_j\, N(x_i;\, \mu_j, \Sigma_j)}{\sum_{l} \pi_{l}\, N(x_i;\, \mu_{l}, \Sigma_{l})}$$

# %% [markdown]
# Replace "joins the nearest" by responsibilities, and "mean" by a weighted mean:
#
# - **E-step:** the responsibilities, with the groups as they are;
# - **M-step:** the groups, with the responsibilities as they are. With $n_j = \sum_i r_{ij}$, the points' worth of group $j$:
#
# $$\pi_j = \frac{n_j}{n} \qquad \mu_j = \frac{1}{n_j} \sum_i r_{ij}\, x_i \qquad \Sigma_j = \frac{1}{n_j} \sum_i r_{ij}\, (x_i - \mu_j)(x_i - \mu_j)^\top$$
#
# For example, the points 1 and 3 with $r = 0.98$ and $0.02$ give the mean $(0.98 \cdot 1 + 0.02 \cdot 3)/1 = 1.04$.
#
# The two steps together are **EM** (기댓값 최대화), expectation–maximization (Dempster, Laird and Rubin, 1977).
# What it raises is the **log-likelihood** (로그 가능도): the log of the density that the model gives to the points.
# Densities are tiny, so the code keeps their logarithms to the end. **The library's way** is `GaussianMixture`.
#
# <details><summary>Why it never falls, and its one trap</summary>
#
# For any weights $r_i$ the log-likelihood of $x_i$ is $\sum_j r_{ij} \log \frac{\pi_j N_j}{r_{ij}}$ plus a KL (lecture 13): how far $r_i$ is from the responsibilities.
# The E-step makes the KL zero, so the first sum *is* the log-likelihood. The M-step raises the first sum, and the KL cannot fall below zero.
# The trap: a group on a single point has a density without bound. A floor under the variance forbids it.
# </details>

# %%
def log_joint(X, share, mean, cov):
    """log of share times density: X (n, d), mean (K, d), cov (K, d, d) -> (n, K)."""
    out = []
    for p, m, c in zip(share, mean, cov, strict=True):
        root = np.linalg.cholesky(c)                   # c = root @ root.T
        z = solve_triangular(root, (X - m).T, lower=True)  # in units of its shape
        out.append(np.log(p) - 0.5 * (z**2).sum(axis=0) - np.log(np.diag(root)).sum())
    return np.stack(out, axis=1) - X.shape[1] / 2 * np.log(2 * np.pi)


def m_step(X, r):
    n = r.sum(axis=0)                                  # (K,) points' worth of each group
    mean = r.T @ X / n[:, None]
    away = X[:, None] - mean                           # (n, K, d)
    # for each group the weighted sum of the products of two coordinates
    return n / len(X), mean, np.einsum("nk,nki,nkj->kij", r, away, away) / n[:, None, None]

# %%
def em(X, share, mean, cov, steps=200):
    trace = []
    for _ in range(steps):
        log_p = log_joint(X, share, mean, cov)
        total = logsumexp(log_p, axis=1)               # (n,) log-likelihood of each point
        trace.append(total.mean())
        share, mean, cov = m_step(X, np.exp(log_p - total[:, None]))
    return share, mean, cov, np.array(trace)

# %% [markdown] tags=["notes"]
# **Notes for the room (22 minutes).**
#
# Draw two overlapping bells on the board. Ask for the responsibility of the point where they cross, then of one far outside.
# Somebody may see it: with equal variances the responsibility of the first group is a sigmoid of x, so it is lecture 01's regression (here of the score 4, and σ(4) = 0.98).
# At the number of groups expect "take the elbow of the inertia". Ask two people to mark the elbow: they will not mark the same place.

# %%
# start where k-means started, with small round groups; keep the likeliest end
fits = [em(X, np.full(4, 0.25), start, np.tile(0.5 * np.eye(2), (4, 1, 1)))
        for start in starts[:8]]
share, mean, cov, trace = max(fits, key=lambda fit: fit[-1][-1])
blame = log_joint(X, share, mean, cov).argmax(axis=1)  # the likeliest group of each point
claim("EM, eight runs: smallest change of the log-likelihood at a step (nats a point)",
      min(np.diff(trace).min() for *_, trace in fits), at_least=-1e-10)
claim("k-means against the true groups: adjusted Rand index (1 is right, 0 is chance)",
      adjusted_rand_score(group, runs[best][1]), at_most=0.65)
claim("the mixture against the true groups: adjusted Rand index",
      adjusted_rand_score(group, blame), at_least=0.9)

# %%
helpers.draw_mixture("The mixture gives each group its shape, and climbs without a slip",
                     X, blame, mean, cov, trace[:100])
plots.show("Ellipses lie along the long clouds; "
           "the likelihood rises at every step and flattens.")

# %% [markdown]
# Shrink all $\Sigma_j$ to one tiny circle and EM *is* k-means: responsibilities become 0 or 1.
#
# **How many groups?** Inertia and likelihood cannot say: each new group makes both better. **BIC** (베이즈 정보 기준), the Bayesian information criterion (Schwarz, 1978), puts a price on each of the $m$ free parameters. With $L$, the log-likelihood of all $n$ points:
#
# $$\text{BIC} = -2 L + m \log n \qquad \text{the smallest wins}$$
#
# The **silhouette** (실루엣; Rousseeuw, 1987) needs no model. With $a$, a point's mean distance to its own group, and $b$ to the nearest other one, it is $(b - a)/\max(a, b)$, averaged over the points; the largest wins.
#
# <details><summary>Both by hand</summary>
#
# In the plane a group has 2 + 3 + 1 numbers for mean, covariance and share, and the shares sum to one: $m = 6K - 1$. With $n = 700$ one more group costs $6 \log 700 = 39$: it must raise $L$ by 20 nats.
# The point 1 of section 1: $a = 1$, $b = (8 + 9)/2 = 8.5$, silhouette $7.5/8.5 = 0.88$.
# </details>
#
# Both judge the four clouds, one round cloud without any groups, and a ring.
#
# **Predict first.** Which judge says "one" for the one round cloud?

# %%
predict("17.groups", "both", "only BIC", "only the silhouette", "neither")
angle = rng.uniform(0, 2 * np.pi, 400)
ring = 3 * np.stack([np.cos(angle), np.sin(angle)], 1) + 0.2 * rng.normal(size=(400, 2))
sets = {"four clouds": X, "one round cloud": rng.normal(size=(400, 2)), "a ring": ring}
# for each K: `GaussianMixture(K, n_init=10).fit(Z).bic(Z)`; the silhouette of k-means
scores = {name: helpers.judges(Z, most=8, seed=SEED) for name, Z in sets.items()}

# %%
helpers.draw_judges("BIC counts Gaussians; the silhouette never says one", scores)
plots.show("Two panels of three lines, the chosen number circled: BIC takes four, one, and "
           "many for the ring; the silhouette never takes one.")
by_bic = {name: 1 + bic.argmin() for name, (bic, _) in scores.items()}
outcome("17.groups", "only BIC" if by_bic["one round cloud"] == 1 else "neither")
claim("four clouds: groups by BIC", by_bic["four clouds"], at_least=4, at_most=4)
claim("one round cloud: groups by BIC", by_bic["one round cloud"], at_least=1, at_most=1)
claim("a ring, which is one thing: groups by BIC", by_bic["a ring"], at_least=5)

# %% [markdown]
# ## 3 · An ensemble whose combiner looks at the input
#
# On the map: `moe`
#
# With $f_j(x)$ the answer of machine $j$, of $K$:
#
# | combiner | answer | weights |
# |---|---|---|
# | bag (03) | $\sum_j \frac1K f_j(x)$ | equal |
# | stack (03) | $\sum_j w_j f_j(x)$ | learned, fixed |
# | **mixture of experts** (전문가 혼합) | $\sum_j g_j(x)\, f_j(x)$ | the input decides |
#
# The $f_j$ are now **experts** (전문가). The weights $g$ come from the **gating network** (게이트 신경망), *gate* for short: a small classifier that guesses whom to ask (Jacobs and others, 1991).
# By hand: one expert says $0.6$, another $1.3$, the gate $0.9$ and $0.1$. The answer is $0.9 \cdot 0.6 + 0.1 \cdot 1.3 = 0.67$.
#
# The problem below: four straight pieces and noise.
#
# **Predict first.** Four straight lines are fitted to bootstrap samples of it, then averaged (bag) or stacked. How far does the *better* get below the error of one line?

# %%
s = schematics.Sketch("A mixture of experts: the gate looks at the input, too",
                      width=9.5, height=3.1)
source = s.circle("x", at=(0.9, 1.4), kind="data", r=0.34)
gate = s.box("gate: softmax", at=(3.2, 2.75), kind="family")
drawn = [s.box(f"expert {j}", at=(3.2, 2.0 - 0.75 * (j - 1))) for j in (1, 2, 3)]
times = [s.circle("×", at=(5.7, box.y), r=0.2) for box in drawn]
total = s.circle("+", at=(7.6, 1.25), r=0.26)
s.connect([source], [gate, *drawn])
for j, (box, sign) in enumerate(zip(drawn, times, strict=True)):
    s.arrow(box, sign, f"f{'₁₂₃'[j]}(x)", left=False, at=0.45)
    s.arrow(gate.right, sign, color=plots.ORANGE)
    s.arrow(sign, total)
s.text("g₁, g₂, g₃", (5.35, 2.75), color=plots.ORANGE)
s.arrow(total, (9.3, 1.25), "answer")
s.show("The input goes to a gate and three experts; each expert's answer is multiplied by "
       "its weight from the gate, and the three are added.")
predict("17.bag", "hardly at all", "to about half of it", "to nearly nothing")

# %%
CUTS = [-1.0, 0.3, 1.2]


def pieces(x):
    lines = [2 * x + 3, -1.5 * x - 0.5, 3 * x - 2, 2.8 - x]
    return np.choose(np.digitize(x, CUTS), lines)      # digitize: the number of the piece


def with_one(x):
    return np.stack([x, np.ones_like(x)], axis=-1)     # (n, 2): slope and offset


x, x_new = rng.uniform(-2, 2, 300), np.linspace(-2, 2, 500)
y, y_new = pieces(x) + 0.1 * rng.normal(size=300), pieces(x_new)

line_of = np.linalg.lstsq  # least squares; its first result
samples = rng.integers(0, 300, (4, 300))
bag = np.transpose([line_of(with_one(x[i]), y[i])[0] for i in samples])
weights = line_of(with_one(x) @ bag, y)[0]             # a regression on the four opinions
one, bagged, stacked = (np.mean((with_one(x_new) @ line - y_new) ** 2) for line in
                        (line_of(with_one(x), y)[0], bag.mean(1), bag @ weights))
ratio = min(bagged, stacked) / one
outcome("17.bag", "hardly at all" if ratio > 0.8 else
        "to about half of it" if ratio > 0.2 else "to nearly nothing")
claim("bag or stack, the better: its error over that of one line (ratio)", ratio,
      at_least=0.9)

# %% [markdown]
# A sum of straight lines with *fixed* weights is a straight line. Let $x$ decide: section 2 once more, with a regression in each group. Expert $j$ says that $y$ is its line plus noise.
# Let the gate be Gaussian too (Xu, Jordan and Hinton, 1995): group $j$ lives around $\mu_j$, variance $v_j$, and
#
# $$g_j(x) = \frac{\pi_j N(x; \mu_j, v_j)}{\sum_l \pi_l N(x; \mu_l, v_l)}$$
#
# Then *all* of the M-step is a formula: weighted means, and for each expert a weighted least squares.
#
# The responsibility has seen $y$: $g_j$ times $y$'s density, over the sum. The gate has not seen $y$; it learns to foretell the responsibility.
#
# EM needs many starts (section 1): every array has a leading axis of $S$ starts.

# %%
FLOOR = 1e-3  # below it no variance may fall


def log_normal(away, var):
    return -0.5 * (away**2 / var + np.log(2 * np.pi * var))


def experts_m(x, y, r):
    """r (S, n, K) -> the gate's shares, middles and widths, each (S, 1, K); the experts'
    lines (S, K, 2) and noise (S, 1, K)."""
    n = r.sum(1, keepdims=True) + 1e-12
    middle = (r * x[:, None]).sum(1, keepdims=True) / n
    width = (r * (x[:, None] - middle) ** 2).sum(1, keepdims=True) / n
    A = with_one(x)  # weighted least squares: (AᵀRA)⁻¹ AᵀRy for each start and expert
    square = np.einsum("snk,ni,nj->skij", r, A, A)
    cross = np.einsum("snk,ni,n->ski", r, A, y)[..., None]
    line = (np.linalg.pinv(square, hermitian=True) @ cross)[..., 0]
    missed = y[:, None] - A @ line.swapaxes(1, 2)
    noise = np.maximum((r * missed**2).sum(1, keepdims=True) / n, FLOOR)
    return n / len(x), middle, np.maximum(width, FLOOR), line, noise

# %%
def log_gate(x, share, middle, width):
    """log π N(x; m, v), and log g: that, less the log of its sum over the experts."""
    raw = np.log(share) + log_normal(x[:, None] - middle, width)
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

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Let the room draw the weight curves of bag and stack: horizontal lines.
# What usually goes wrong: people take the responsibility for the gate. Ask which of the two you have when a new $x$ comes in.

# %%
# control: freeze each expert's weight at its mean over all x; the lines stay
gate, line, trace = experts_em(x, y, K=4)
likely = trace[-1].argmax()  # the likeliest start, judged on the training rows
g = np.exp(log_gate(x_new, *gate)[1])[likely]          # (n, K)
f = with_one(x_new) @ line[likely].T                   # (n, K)
frozen = f @ g.mean(0)
claim("EM with experts, 16 starts: smallest change of the log-likelihood (nats a point)",
      np.diff(trace, axis=0).min(), at_least=-1e-8)
claim("the mixture's error, as a share of one line's",
      np.mean(((g * f).sum(1) - y_new) ** 2) / one, at_most=0.025)
claim("the same four lines without a gate that looks: share of one line's error",
      np.mean((frozen - y_new) ** 2) / one, at_least=0.9)

# %%
helpers.draw_gate("The gate finds the pieces, and each piece gets its own line",
                  x, y, x_new, f, g, CUTS)
plots.show("Left: four lines on four pieces. "
           "Right: four weights switch from 0 to 1 at the dotted true cuts.")

# %% [markdown]
# ## 4 · The gate by gradient, and how many experts to hire
#
# On the map: `moe`
#
# Formulas for the M-step exist for lines and Gaussian gates. Gradient descent trains *any* gate and *any* expert.
#
# Take a softmax gate with logits $z_j(x)$, and as loss minus the log-likelihood of $y$. With $d_j$, the density of $y$ under expert $j$:
#
# $$\text{loss} = -\log \sum_j g_j d_j = -\log \sum_j e^{z_j} d_j + \log \sum_j e^{z_j}$$
#
# The slope of the first logarithm is $e^{z_j} d_j$ over the sum: the responsibility $r_j$. The slope of the second is $e^{z_j}$ over the sum: the gate $g_j$. So
#
# $$\frac{\partial\, \text{loss}}{\partial z_j} = g_j - r_j$$
#
# For example, $g = (0.5, 0.5)$ and $d = (0.8, 0.2)$: $r = (0.8, 0.2)$, and the slopes are $-0.3$ and $+0.3$. A step down raises the logit of the expert that fits.
# The gate is a softmax regression (lecture 01) whose labels are the responsibilities.

# %% [markdown]
# In code, a mixture is a row of the table `theta`, as in lecture 04: $K$ lines, and a gate with a hidden layer of 16 units. The noise is taken as 0.2.
#
# **Ask the room.** The squared error of the *mixed* answer is another loss. Under which of the two do experts compete, under which do they cooperate?
#
# <details><summary>One answer</summary>
#
# The likelihood makes them compete, for each point wants *one* expert that fits.
# The squared error of the mix lets two wrong experts average to a right answer.
# </details>

# %%
NOISE = 0.2


def experts(theta, x, K):
    """theta (nets, weights), x (n, 1) -> answers and the gate's logits, (nets, n, K)."""
    (slope, offset), = many.layers(theta[:, :2 * K], 1, K)
    (W1, b1), (W2, b2) = many.layers(theta[:, 2 * K:], 1, 16, K)
    return x @ slope + offset, torch.tanh(x @ W1 + b1) @ W2 + b2


def start(nets, K):  # twice as wide as PyTorch's own start: the pieces are steep
    return 2 * torch.cat([many.random_start(nets, *sizes, device=run.device)
                          for sizes in ((1, K), (1, 16, K))], dim=1)


def fits_of(f, y):
    return -0.5 * ((y - f) / NOISE) ** 2               # log d, but for a constant


def surprise(f, z, y):
    """Minus the log-likelihood, in units of y squared: (nets,)."""
    return -(NOISE**2) * (z.log_softmax(-1) + fits_of(f, y)).logsumexp(-1).mean(1)


xt, yt, xt_new, yt_new = (many.tensor(part[:, None], run.device)
                          for part in (x, y, x_new, y_new))

torch.manual_seed(SEED)
f, z = (part.detach().requires_grad_() for part in experts(start(3, 4), xt, 4))
surprise(f, z, yt).sum().backward()
g, r = z.softmax(2), (z.log_softmax(2) + fits_of(f, yt)).softmax(2)
claim("the gate's gradient, times n / 0.2²: largest difference from g − r",
      (z.grad * len(x) / NOISE**2 - (g - r)).abs().max().item(), at_most=1e-4)

# %% [markdown]
# The pieces are four. How many experts should be hired?
# Eight starts train at each of two rates; `race` keeps the rate with the smaller training loss. EM gets sixteen starts.
# The rival has no gate: 16 ReLUs (lecture 04), 49 weights to 184, the same starts, rates and steps.
# An error below 0.01 counts as *solved*: all pieces found.
#
# With spare experts each piece is near some expert's start: by descent they serve the search, not the answer. And if a plain network solves it too, a gate must *earn* its place: by silence (section 5), or by experts that know more than a line (section 6).

# %%
RACE = {"rates": [0.03, 0.1], "steps": run.steps(run.pick(lecture=400, full=2000))}


def squared(answer):
    """Error on new points: (nets, n) -> (nets,)."""
    return (answer - yt_new[:, 0]).square().mean(1).detach().cpu().numpy()


def mixed(f, z):
    return (z.softmax(-1) * f).sum(-1)                 # the mixture's answer


def plain(theta, x):
    (W, b), (v, u) = many.layers(theta, 1, 16, 1)
    return (torch.relu(x @ W + b) @ v + u)[..., 0]


by_descent, by_em = {}, {}
for K in (2, 4, 8):
    crew, loss = helpers.race(lambda theta, K=K: surprise(*experts(theta, xt, K), yt),
                              start(8, K), **RACE)
    by_descent[K] = squared(mixed(*experts(crew, xt_new, K)))
    gate, line, _ = experts_em(x, y, K)
    parts = np.exp(log_gate(x_new, *gate)[1]) * (with_one(x_new) @ line.swapaxes(1, 2))
    by_em[K] = ((parts.sum(2) - y_new) ** 2).mean(1)
net, _ = helpers.race(lambda theta: (plain(theta, xt) - yt[:, 0]).square().mean(1),
                      2 * many.random_start(8, 1, 16, 1, device=run.device), **RACE)
by_net = squared(plain(net, xt_new))

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
#
# Jacobs and others (1991) made exactly the step of the question: from the squared error of the mix to the likelihood.
# In the picture, a start that fails has left one expert with two pieces and another with none.
# Do not hide the plain network: somebody will ask for it.

# %%
rows = {**{f"{K} experts": (by_descent[K], by_em[K]) for K in by_em},
        "16 ReLUs,\nno gate": (by_net, [])}
helpers.draw_starts("By descent, eight experts solve it from more starts than four", rows,
                    {"one line": one, "solved": 0.01})
plots.show("Dots for each start: two experts never solve it; four solve it from some by "
           "descent and from most by EM, eight from all; 16 ReLUs, no gate, from some.")

# %%
at, piece = loss.argmin(), np.digitize(x_new, CUTS)  # eight experts, the likeliest start
asked = experts(crew, xt_new, 8)[1][at].argmax(1).cpu().numpy()
pure = sum(np.bincount(piece[asked == j]).max() for j in np.unique(asked)) / len(piece)
claim("by descent, eight experts instead of four: more starts that solve it (share)",
      np.mean(by_descent[8] < 0.01) - np.mean(by_descent[4] < 0.01), at_least=0.2)
claim("nobody named the pieces; who has most weight at a point tells its piece (share)",
      pure, at_least=0.9)

# %% [markdown]
# ## 5 · Ask only two: the gate that saves work, and its price
#
# On the map: `moe`
#
# So far gates are *dense*: all experts run. A **top-k gate** (상위 k 게이트) runs only $k$ experts: it keeps the $k$ largest logits, and takes the softmax of these. The others count as $-\infty$.
# For example, logits $2, 1, 0, -1$ with $k = 2$: the weights are $0.73, 0.27, 0, 0$. More experts then cost hardly more work.
#
# But who is not asked has the weight 0: no gradient. It stays as bad as it is, and is not asked the next time either. A **dead expert** (죽은 전문가), here, is one that fewer than 1 % of the points ask.
#
# **Ask the room.** What would you do to keep experts alive?
#
# <details><summary>One answer</summary>
#
# Make an uneven load cost something; raise the logits of idle experts; add noise, so that everybody is asked now and then; give each expert a number of seats; let experts choose points. All have been used.
# </details>

# %% [markdown]
# Two remedies, of which the second is younger (section 7):
#
# - The **load balancing loss** (부하 균형 손실; Fedus and others, 2021, for $k = 1$) is added to the loss, times a strength $c$:
#
# $$\frac{K}{k} \sum_j a_j\, \bar p_j$$
#
# $a_j$, the share of points that ask expert $j$, has no gradient. $\bar p_j$, the mean of its full softmax, has one.
# By hand, two experts and $k = 1$: if all points ask the first, with $\bar p = (0.8, 0.2)$, it is $2 \cdot (1 \cdot 0.8 + 0 \cdot 0.2) = 1.6$; under an even load it is 1.
#
# - A bias for each expert counts only when the gate *chooses*, not in the weights. After each step it goes up by $u$ for who is idle, and down for who is busy. The loss stays as it was.

# %%
def choose(z, k):
    """Who is asked, True or False, (nets, n, K): the k largest logits of each point."""
    return torch.zeros_like(z, dtype=torch.bool).scatter(-1, z.topk(k, -1).indices, True)


def masked(z, asked):
    return z.masked_fill(~asked, -torch.inf)           # e to the −∞ is 0, exactly


def balance(z, asked):
    a, k = asked.float().mean(1), asked[0, 0].sum()    # (nets, K)
    return z.shape[-1] / k * (a * z.softmax(-1).mean(1)).sum(-1)


with torch.no_grad():
    f, z = experts(start(8, 8), xt, 8)
asked = choose(z, 2)
leaky = ((masked(z, asked).softmax(-1) + 1e-9).log() + fits_of(f, yt)).softmax(-1)
print(f"responsibility of experts nobody asked: {(leaky * ~asked).sum(-1).mean():.2f}")

# %% [markdown]
# How exact must the mask be? The printed line lets $10^{-9}$ stand for zero: experts that nobody asked take part of the responsibility, for where no asked one fits, densities are smaller. So our mask is exact.
#
# The pushes of the bias are the last 8 numbers of a row of `theta`; no gradient reaches them, and `sparse` moves them by hand.
#
# The price of sparsity: compare at equal work (*two dense*) and at equal size (*eight dense*). With $c = 0.01$ two of eight is far better than two dense. Against eight dense its error was, by seed, from the same to twenty times as large. Sparsity buys a *larger* model for the same work; it does not promise the same model for less.

# %%
REMEDIES = {"none": (0, 0), "c = 0.01": (0.01, 0), "c = 0.1": (0.1, 0), "bias": (0, 0.03)}


def route(theta, x):
    """-> answers, logits, and who is asked: two of eight, after the push."""
    f, z = experts(theta[:, :-8], x, 8)
    return f, z, choose(z + theta[:, None, -8:], 2)


def sparse(theta, c, u):
    f, z, asked = route(theta, xt)
    if theta.requires_grad:                            # while it trains
        theta.data[:, -8:] += u * (2 / 8 - asked.float().mean(1)).sign()
    return surprise(f, masked(z, asked), yt) + c * balance(z, asked)


errors, loads = {}, {}
for name, remedy in REMEDIES.items():
    first = torch.cat([start(8, 8), torch.zeros(8, 8, device=run.device)], dim=1)
    crew, _ = helpers.race(lambda theta, r=remedy: sparse(theta, *r), first, **RACE)
    f, z, asked = route(crew, xt_new)
    errors[name] = squared(mixed(f, masked(z, asked)))
    loads[name] = asked.float().mean(1).cpu().numpy()  # (starts, experts)
dead = {name: (load < 0.01).sum(1).mean() for name, load in loads.items()}
middle = {name: np.median(values) for name, values in errors.items()}

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# "The rich get richer" is the phrase that sticks.
# The mask is worth a minute: with `log(g + 1e-9)` in its place the picture is of another machine.
# Letting experts choose is expert-choice routing (Zhou and others, 2022).

# %%
notes = {name: f"{dead[name]:.1f} of 8 dead,\nmedian error {middle[name]:.4f}"
         for name in loads}
helpers.draw_loads("Without a remedy experts die; too much of it costs accuracy", loads,
                   notes, even=2 / 8)
plots.show("Load of eight experts under four remedies: steep with several at zero without "
           "one, nearly flat with the strongest.")

# %%
two, eight = (np.median(by_descent[K]) for K in (2, 8))
sparse_two = middle["c = 0.01"]
print(f"median error: two {two:.4f}, two of eight {sparse_two:.4f}, eight {eight:.4f}")
claim("no remedy: experts that are dead, of eight, mean over starts", dead["none"],
      at_least=2.4)
claim("a strong balancing loss over a weak one: error of c = 0.1 over c = 0.01 (ratio)",
      middle["c = 0.1"] / middle["c = 0.01"], at_least=1.5)
claim("equal work, c = 0.01: median error of two of eight over two dense (ratio)",
      sparse_two / two, at_most=0.08)

# %% [markdown]
# ## 6 · The ad log: a gate is worth what it can find
#
# On the map: `moe`
#
# In the ad log of lecture 00 tastes switch. Two tables of segment (age × gender) by category are mixed by a **regime** (국면): at each site one holds for half of the day, the other for the rest.
#
# We freeze 08's factorization machine and train what is *added* to its logits, from segment, category, site, hour:
#
# - *one table*: segment × category, no gate;
# - *crosses*: that table, plus one of (site, hour) × category; no gate;
# - *one network*: 16 ReLUs over indicators; no gate;
# - *network gate*: a small network of site and hour weighs two tables;
# - *a logit a cell*: two logits for each of the $5 \times 24$ cells of site and hour weigh two tables.

# %% [markdown]
# A model is again a row of `theta`: two tables of 96 weights, then the gate's numbers. `tables[:, taste]` looks up the two weights of an impression.
# Each addition trains from two starts, at two rates and two prices on squared weights, for the same number of steps. Day 9 chooses the setting; days 10 to 13 judge.
#
# **Predict first.** Which addition earns most on later days?

# %%
predict("17.ads", "one table", "crosses", "one network", "network gate", "a logit a cell")


def by_cell(numbers):
    return numbers.unflatten(1, (120, 2)).softmax(2)   # (nets, 120, 2)


def two_tables(theta, taste, cell, gate):
    tables, g = theta[:, :192].unflatten(1, (96, 2)), gate(theta[:, 192:])
    return (tables[:, taste] * g[:, cell]).sum(2)      # (nets, n): what is added to a logit

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
day, columns = log.features["day"], ["user", "age", "gender", "ad", "category", "context",
                                     "site", "position", "device", "hour"]
logs = log[day < 9], log[day == 9], log[day >= 10]     # to fit, to choose, to judge
torch.manual_seed(SEED)
machine = FactorizationMachine({name: log.sizes[name] for name in columns}).to(run.device)
fit_clicks(machine, logs[0].features, logs[0].click, epochs=3)
parts = [(part, helpers.impressions(machine, part)) for part in logs]

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
#
# Expect bets on the network gate: it is the only one that could generalize over hours and sites.
# Somebody will ask how you know the cells in real life. You do not: you try candidates (site × hour, device, ad slot) and keep what pays on later days.
# At MMoE, ask which questions your own ranker answers, and which two disagree.

# %%
def normal(weights, spread=0.3):
    return spread * torch.randn(2, weights, device=run.device)


def fresh(*sizes):
    return many.random_start(2, *sizes, device=run.device)


additions = {
    "one table": (helpers.one_table, normal(96)),
    "crosses": (helpers.crosses, normal(96 + 960, 0.03)),
    "one network": (helpers.one_network, fresh(140, 16, 1)),
    "network gate": (lambda *at: two_tables(*at, helpers.network_gate),
                     torch.cat([normal(192), 2 * fresh(29, 16, 2)], dim=1)),
    "a logit a cell": (lambda *at: two_tables(*at, by_cell), normal(192 + 240))}
GRID = {"rates": [0.02, 0.1], "strengths": [3e-6, 3e-5],
        "steps": run.steps(run.pick(lecture=500, full=3000))}
found = {name: helpers.fit_added(forward, first, parts, **GRID)
         for name, (forward, first) in additions.items()}
shares = {name: values for name, (_, values) in found.items()}

# %%
alone = 100 * logs[2].share_of_gap(machine.probability(logs[2].features))
helpers.draw_shares("Two experts pay where the gate finds the regime",
                    {"nothing added": [alone], **shares}, gated=list(shares)[3:])
plots.show("Dots, a row for each addition: a logit a cell is far to the right of all "
           "others; the network gate is among the additions without a gate.")
outcome("17.ads", max(shares, key=lambda name: np.mean(shares[name])))

# %% [markdown]
# The network gate *could* say much the same. It does not get there. Our guess: while the tables are alike, no gate earns anything; while the gate is flat, both learn the same. A logit a cell breaks that more easily.
#
# Is it the regime that was found? Here, and only here, the truth can be looked up. And a control: the same tables, with the cells of the learned gate shuffled.

# %%
truth = data.ad_world().mode  # (5 sites, 24 hours): the weight of the first table
theta = found["a logit a cell"][0][:1]
learned = by_cell(theta[:, 192:])[0, :, 0].cpu().numpy().reshape(5, 24)
order = torch.randperm(120, device=run.device)
p = helpers.probabilities(lambda *at: two_tables(
    *at, lambda numbers: by_cell(numbers)[:, order]), theta, parts[2][1])
likeness = np.corrcoef(learned.ravel(), truth.ravel())[0, 1]
claim("a logit a cell, worst start, over the best addition without a gate (points)",
      min(shares["a logit a cell"]) - max(np.mean(shares[name])
                                          for name in list(shares)[:3]), at_least=1)
claim("a logit a cell over the network gate, worst start over best (points)",
      min(shares["a logit a cell"]) - max(shares["network gate"]), at_least=1)
claim("correlation of the gate with the true regime, but for the experts' names",
      abs(likeness), at_least=0.75)
claim("the same tables under a shuffled gate lose (points of the gap)",
      shares["a logit a cell"][0] - 100 * logs[2].share_of_gap(p[0]), at_least=3)

# %%
shown = learned if likeness > 0 else 1 - learned  # the experts' order is chance
helpers.draw_regimes("The gate has found which hours of which site go together",
                     {"learned weight of an expert": shown, "true regime": truth})
plots.show("Two heat maps of site by hour: "
           "in both each site is bright for half of the day, shifted by site.")

# %% [markdown]
# This log *was* made by two tables and a gate: home ground. On yours, try the crosses first.
#
# **Many questions.** An ad ranker asks: a click? a purchase? Questions that disagree pull shared weights to and fro, and an answer may get *worse* by sharing: **negative transfer** (부정 전이).
# **MMoE** (다중 게이트 전문가 혼합), multi-gate mixture of experts (Ma and others, 2018), shares the experts. Each question $q$ has its own gate, and a small network $h$ on top, the *tower*:
#
# $$\text{answer}_q(x) = h_q\Big(\sum_j g^q_j(x)\, f_j(x)\Big)$$
#
# **PLE** (점진적 계층 추출), progressive layered extraction (Tang and others, 2020), adds experts for one question only. Both papers report gains; on small made-up pairs of questions we saw none beyond the spread. Train each question alone, as the rival.

# %%
s = schematics.Sketch("MMoE: the experts are shared, each question has its own gate",
                      width=9.5, height=2.9)
source = s.circle("x", at=(0.8, 1.35), kind="data", r=0.34)
drawn = [s.box(f"expert {j}", at=(3.1, 1.35 - 0.75 * (j - 2))) for j in (1, 2, 3)]
s.connect([source], drawn)
s.frame(drawn, "shared", color=plots.BLUE)
for question, at, color in (("click", 2.1, plots.ORANGE), ("purchase", 0.6, plots.GREEN)):
    meet = s.box(f"weighted sum,\ngate of {question}", at=(6.0, at), kind="family",
                 fontsize=12)
    tower = s.box("tower", at=(7.9, at))
    s.connect(drawn, [meet], color=color)
    s.arrow(meet, tower)
    s.text(question, (8.95, at + 0.25), fontsize=12)
    s.arrow(tower, (9.4, at))
s.show("One input feeds three shared experts; two weighted sums, one by the gate of the "
       "click and one by the gate of the purchase, lead to a tower each.")

# %% [markdown]
# ## 7 · From here to large language models
#
# On the map: `moe`
#
# In a sparse language model the experts are small networks inside a layer. The gate, there called **router** (라우터), picks some for each *token*, a word or a piece of one, in each layer (Shazeer and others, 2017). For each expert the layer collects the tokens that ask it, runs the expert on those rows only, and adds the results back in their places.
#
# Mixtral 8×7B (Jiang and others, 2024), from its published sizes: 32 layers, vectors of 4,096 numbers, eight experts a layer with three matrices of 4,096 × 14,336; the rest 1.6 billion. "8×7B" sounds like 56 billion, of which 14 work. Count.

# %%
D, layers, V = 4096, 32, 32000
expert = 3 * D * 14336                                 # one expert in one layer
attention = 2 * D * D + 2 * D * D // 4  # four queries share a key and a value
rest = layers * (attention + 8 * D + 2 * D) + 2 * V * D + D  # router, norms, two tables
total, active = ((rest + layers * k * expert) / 1e9 for k in (8, 2))
claim("Mixtral, billions held, not 56: only experts are there eight times",
      total, at_least=46.5, at_most=47)
claim("Mixtral, billions that work on a token", active, at_least=12.5, at_most=13)

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Say that the eight of "two of eight" are eight in *each layer*, chosen anew for each token.
# The price is memory and traffic: a batch of tokens asks all experts, so all must be near. On many devices tokens travel to their expert; there an uneven load hurts in seconds.

# %% [markdown]
# Since 2024 routing has changed in three ways; DeepSeek-V3 (2024) shows all:
#
# - **Fine-grained experts** (세분화 전문가). Smaller and more: 256 a layer, 8 are asked, in many more combinations.
# - A **shared expert** (공유 전문가). It works on every token, so the others need not all learn what is common.
# - The *bias of section 5* in place of most of the balancing loss (Wang and others, 2024).
#
# From its published sizes: 58 sparse layers, vectors of 7,168, experts of three matrices of 7,168 × 2,048; all the rest is about 14.4 billion.
#
# **Ask the room.** All parameters lie in memory, whoever works. For whom is that a bargain?
#
# <details><summary>One answer</summary>
#
# For who serves many users at once: in a large batch every expert finds work, and all share the memory. For one user on one card a dense model of the same memory is usually better.
# </details>

# %%
small = 3 * 7168 * 2048                                # one of its small experts
held, used = (14.4 + 58 * count * small / 1e9 for count in (1 + 256, 1 + 8))
for name, most, works, ways in (("Mixtral", total, active, comb(8, 2)),
                                ("DeepSeek-V3", held, used, comb(256, 8))):
    print(f"{name:>12}: {most:3.0f} billion held, {works:2.0f} used, {works / most:3.0%}; "
          f"{ways:.2g} ways to choose in a layer")

# %% [markdown]
# ## What goes wrong in practice
#
# - **One start.** Take many, judged by training likelihood.
# - **Likelihood that falls.** It is a bug in the E- or M-step, always.
# - **Densities, not logarithms.** At a distance of 1000 all are zero.
# - **A number of groups is a model's.** The ring is one thing, and gets many Gaussians, as a curve gets many straight pieces. The silhouette compares with *another* group, so it cannot say one.
# - **A mask that leaks.** Plot the load first, then the loss.
# - **Balancing too hard.** If the pieces are unequal, an even load is wrong.
# - **A gate that cannot get there.** Try a plainer one, and compare with crosses and with *no* gate.
# - **Reading meaning into experts.** Jiang and others looked for topics in Mixtral's experts and found few.

# %% [markdown]
# ## Summary
#
# 1. k-means and EM take turns between "who belongs where" and "what is each group", and their objective never gets worse.
# 2. BIC chooses a number of groups by a price on parameters, and is right where the model is.
# 3. A mixture of experts is an ensemble whose weights depend on the input; the gate's gradient is $g - r$.
# 4. Top-k buys a larger model for the same work, and may pay in accuracy; a remedy keeps experts alive.
# 5. On the ad log one gate earned several points over no gate; another, able to say the same, did not.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 17`, then open `exercises/work/17_exercises.ipynb`: seven tasks, about 110 minutes.
#
# - J. MacQueen (1967), Berkeley Symposium 5; S. Lloyd (1982), *Least squares quantization in PCM*.
# - A. Dempster, N. Laird, D. Rubin (1977), *Maximum likelihood from incomplete data via the EM algorithm*.
# - G. Schwarz (1978), *Estimating the dimension of a model*; P. Rousseeuw (1987), *Silhouettes*.
# - R. Jacobs, M. Jordan, S. Nowlan, G. Hinton (1991), *Adaptive mixtures of local experts*; L. Xu, M. Jordan, G. Hinton (1995), NIPS 7.
# - N. Shazeer and others (2017), ICLR; W. Fedus, B. Zoph, N. Shazeer (2021), *Switch Transformers*, arXiv:2101.03961; Y. Zhou and others (2022), NeurIPS.
# - J. Ma and others (2018), KDD; H. Tang and others (2020), RecSys.
# - A. Jiang and others (2024), arXiv:2401.04088; L. Wang and others (2024), arXiv:2408.15664; DeepSeek-AI (2024), arXiv:2412.19437.
