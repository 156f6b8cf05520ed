# %% [markdown]
# # 06 · Regularization
#
# **Question.** A network can learn anything by heart. What makes it learn the rule instead, and what does each remedy really buy?
#
# **You will be able to** see overfitting while it happens, and stop in time; derive L2 and L1 and say which one to bet on; write dropout and batch norm so that they equal PyTorch's; augment data without lying; compare remedies over seeds before you believe in one.
#
# **Needs** 03, 05 · **Minutes** 100 to teach, 140 to study · **CPU** 35 s
#
# On the map: `regularization` · `l1` · `l2` · `dropout` · `augmentation` · `noise` · `early-stopping` · `batch-norm`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" repeats on more samples
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
from copy import deepcopy
from itertools import product

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LassoCV, Ridge, RidgeCV, lasso_path
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("06")

# %% [markdown]
# ## 1 · Overfit on purpose, then stop in time
#
# On the map: `regularization` · `early-stopping`
#
# A network with more weights than data learns the rule first and the mistakes in the data after it; stop between the two.
#
# **Overfitting** (과적합) means: good on the rows it has seen, worse on others.
# **Regularization** (정칙화) is whatever narrows this gap.
#
# Our patient: 300 pictures of letters, averaged down to 14×14 pixels, and a net with 43,000 weights.
# To make it worse, three labels of ten are wrong. The test labels are right.
#
# **Predict first.** 240 of the pictures are for training, so about 72 have a wrong label.
# For how many of these will the net, trained to the end, repeat the *wrong* label?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Expect "few, they contradict the others". In the end: nearly all. A net has room for every exception.
# Read the right picture slowly: at first the net contradicts its wrong labels, and is right.

# %%
RUNS, ROWS = run.pick(lecture=5, full=20), 300
# two more, to choose strengths on
drawn = data.load("glyphs", split="train", n=(RUNS + 2) * ROWS, seed=SEED)
judge = data.load("glyphs", split="test", n=2000, seed=SEED)


def pictures(images):
    """(n, 28, 28) bytes -> (n, 1, 14, 14): averaged down, paper 0,
    ink about 1 in spread."""
    return F.avg_pool2d(torch.tensor(images, dtype=torch.float32,
                                     device=run.device)[:, None], 2) / 64


x_test, y_test = pictures(judge.images), torch.tensor(judge.labels, device=run.device)


def sample(i, wrong=0.0):
    """The i-th 300 pictures: x, the labels given (a share of them wrong),
    the true labels."""
    source, rows = np.random.default_rng([SEED, i]), slice(i * ROWS, (i + 1) * ROWS)
    true = drawn.labels[rows]
    given = np.where(source.random(ROWS) < wrong,
                     (true + source.integers(1, 10, ROWS)) % 10, true)
    return pictures(drawn.images[rows]), *(torch.tensor(y, device=run.device)
                                           for y in (given, true))

# %%
def network(i, *, drop=0.0, norm=False, units=128, layers=2):
    """196 pixels, hidden ReLU layers, ten scores;
    the same i gives the same start (He's, lecture 05)."""
    torch.manual_seed(1000 * SEED + i)
    parts, ins = [nn.Flatten()], 196
    for _ in range(layers):
        parts += [nn.Linear(ins, units), *([nn.BatchNorm1d(units)] if norm else []),
                  nn.ReLU(), nn.Dropout(drop)]
        ins = units
    net = nn.Sequential(*parts, nn.Linear(ins, 10))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net.to(run.device)


# %%
LR = 0.003


def epochs(net, x, y, count=30, descent=None, decay=0.0, l1=0.0, change=None):
    """Train in batches of 60, and pause after each epoch, so that others can look:
    yields its number."""
    matrices = [w for w in net.parameters() if w.ndim > 1]
    # biases and batch norm's scales: never priced
    others = [w for w in net.parameters() if w.ndim == 1]
    descent = descent or torch.optim.AdamW(
        [{"params": matrices, "weight_decay": decay},
         {"params": others, "weight_decay": 0.0}], LR, fused=True)
    for epoch in range(count):
        net.train()
        for rows in torch.randperm(len(x), device=x.device).split(60):
            descent.zero_grad()
            F.cross_entropy(net(change(x[rows]) if change else x[rows]), y[rows]).backward()
            descent.step()
            with torch.no_grad():
                for w in matrices if l1 else []:
                    w.copy_(F.softshrink(w, LR * l1))  # section 3
        yield epoch


def train(net, x, y, **how):
    for _ in epochs(net, x, y, **how):
        pass
    return net


@torch.no_grad()
def measure(net, x, y):
    """Log-loss and accuracy, in evaluation mode."""
    scores = net.eval()(x)
    return F.cross_entropy(scores, y).item(), (scores.argmax(1) == y).float().mean().item()


# %%
x, given, true = sample(0, wrong=0.3)
fit, watch = slice(0, 240), slice(240, None)
misled = (given != true)[fit]
loss = {"train": [], "validation": [], "test": []}
rate = {"wrong label": [], "true letter": []}
net = network(0)
for _ in epochs(net, x[fit], given[fit], 60):
    for name, rows in {"train": (x[fit], given[fit]),
                       "validation": (x[watch], given[watch]),
                       "test": (x_test, y_test)}.items():
        loss[name].append(measure(net, *rows)[0])
    for name, labels in {"wrong label": given, "true letter": true}.items():
        rate[name].append(100 * measure(net, x[fit][misled], labels[fit][misled])[1])

fig, (left, right) = plots.panels("First the rule, then the exceptions by heart",
                                  ["loss", "training pictures with a wrong label"],
                                  xlabel="epoch", ylabel="log-loss (nats)", size=(10, 3.8))
for name, line in loss.items():
    left.plot(line, color=plots.COLOR[name])
    plots.name(left, 59, line[-1], name, plots.COLOR[name], dy=8 if name == "test" else 0)
left.axvline(np.argmin(loss["validation"]), color=plots.GREY, linestyle=":")
plots.name(left, np.argmin(loss["validation"]), 0.85, "best validation loss", plots.GREY)
for (name, line), color in zip(rate.items(), (plots.RED, plots.INK), strict=True):
    right.plot(line, color=color)
    plots.name(right, 59, line[-1], name, color)
right.set_ylabel("the net's answer (%)")
plots.show("Left: training loss falls to zero, the others fall and then climb. "
           "Right: two lines cross.")

# %%
claim("in the end the net repeats nearly every wrong label (%)",
      rate["wrong label"][-1], at_least=95)
claim("at its best it answered many of them with the true letter (%)",
      max(rate["true letter"]), at_least=25)
claim("the training loss is gone", loss["train"][-1], at_most=0.05)
claim("the test loss is far above its best",
      loss["test"][-1] - min(loss["test"]), at_least=0.3)

# %% [markdown]
# **Early stopping** (조기 종료) watches the loss on rows that are held back.
# It keeps a copy of the best weights. After so many epochs without a better one, its **patience**, it stops and puts the copy back.
#
# The copy must be a copy: `state_dict()` hands out the live weights, which go on learning.
# PyTorch leaves this loop to you; Keras has `EarlyStopping(restore_best_weights=True)`.

# %%
def stop_early(net, going, x, y, patience=8):
    """Follow the training `going` until `patience` epochs bring nothing better;
    restore the best weights."""
    best, kept, waited = np.inf, None, 0
    for _ in going:
        now = measure(net, x, y)[0]
        best, kept, waited = ((now, deepcopy(net.state_dict()), 0) if now < best
                              else (best, kept, waited + 1))
        if waited == patience:
            break
    net.load_state_dict(kept)
    return best


early = network(0)
reached = stop_early(early, epochs(early, x[fit], given[fit], 60), x[watch], given[watch])
claim("the restored weights are the best ones",
      abs(measure(early, x[watch], given[watch])[0] - reached), at_most=1e-6)
claim("stopped in time, the test loss is lower by", measure(net, x_test, y_test)[0]
      - measure(early, x_test, y_test)[0], at_least=0.03)

# %% [markdown]
# ## 2 · L2: a belief that weights are small
#
# On the map: `l2`
#
# **L2** (가중치 감쇠, weight decay) adds a price on large weights; it is the same as a Gaussian belief about them, and it shrinks most where the data say least.
#
# $$\hat w = \arg\min_w\ \tfrac12\lVert y - Xw\rVert^2 + \tfrac\lambda2 \lVert w\rVert^2 = (X^\top X + \lambda I)^{-1}X^\top y$$
#
# $X$ holds $n$ rows, $y$ the targets, $w$ the weights, $\lambda$ is the price, $I$ the identity. For linear regression it is called **ridge**.
#
# Now Bayes' way. Believe, before any data, $w \sim N(0, \tau^2)$; noise has variance $\sigma^2$.
# Likelihood times belief, scaled to sum to one, is the **posterior** (사후 분포). Its logarithm is, but for a constant, $-\frac{1}{2\sigma^2}\lVert y - Xw\rVert^2 - \frac{1}{2\tau^2}\lVert w\rVert^2$.
# So ridge is its peak, which for a Gaussian is its mean as well, with $\lambda = \sigma^2/\tau^2$.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# The two columns correlate by 0.9: the data know the sum of the two weights well and their difference badly. So the valley is long.
# Ask where the belief moves the answer most, before you point at the picture. Usual wrong answer: "it pulls straight to zero".

# %%
def ridge(X, y, lam):
    """Half the squared error plus lam / 2 times the sum of w².
    X: (n, d), y: (n,) -> (d,)."""
    return np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T @ y)


diabetes = data.load("diabetes")
X = (diabetes.x - diabetes.x.mean(0)) / diabetes.x.std(0)  # (442, 10)
y = diabetes.y - diabetes.y.mean()  # centred, so that no bias is needed

# %%
two = X[:, [4, 5]]  # two blood values that say nearly the same
sigma, tau = np.std(y - two @ ridge(two, y, 0)), 10.0
side = np.linspace(-60, 60, 121)
# grid (14641, 2) pairs of weights
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
log_likelihood = -((y - grid @ two.T) ** 2).sum(axis=1) / (2 * sigma**2)
log_prior = -(grid**2).sum(axis=1) / (2 * tau**2)
posterior = np.exp(log_likelihood + log_prior - (log_likelihood + log_prior).max())
posterior_mean = posterior @ grid / posterior.sum()
prices = np.logspace(-1, 4.5, 60)
spread = np.linalg.svd(X, compute_uv=False) ** 2  # what the data know of each direction
kept = spread / (spread + prices[:, None])        # (60, 10)

# %%
fig, (left, right) = plots.panels("The belief moves the weights where the data say little",
                                  ["two columns that nearly agree", "ten directions"],
                                  xlabel="weight of s1", ylabel="weight of s2",
                                  size=(10, 4.2))
for values, color in ((log_likelihood, plots.BLUE), (log_prior, plots.GREY)):
    left.contour(side, side, values.reshape(121, 121),
                 levels=values.max() - np.array([4.5, 2, 0.5]),
                 colors=color, linestyles="solid", linewidths=1.2)
left.plot(*np.array([ridge(two, y, lam) for lam in np.append(0, prices)]).T,
          color=plots.RED)
left.plot(*posterior_mean, "o", color=plots.RED)
left.set(xlim=(-40, 60), ylim=(-56, 36))
plots.name(left, 18, 27, "data alone", plots.BLUE)
plots.name(left, -38, 33, "belief", plots.GREY, dx=0)
plots.name(left, -38, -48, "ridge, λ from ∞ to 0; dot: the\nmean of data and belief",
           plots.RED, dx=0)
right.semilogx(prices, 100 * kept, color=plots.GREY, linewidth=1)
right.semilogx(prices, 100 * kept[:, [0, -1]], color=plots.BLUE)
plots.name(right, 2000, 70, "best known", plots.BLUE)
plots.name(right, 0.07, 30, "least\nknown", plots.BLUE)
right.set(xlabel="price λ", ylabel="kept (%)")
plots.show("Left: a long ellipse, a circle, and a path between. "
           "Right: ten S-curves, falling at other λ.")

# %%
directions = np.linalg.svd(X, full_matrices=False)[2]
shrunk = (directions @ ridge(X, y, 100)) / (directions @ ridge(X, y, 0))
claim("the posterior's mean is ridge with λ = σ²/τ²",
      np.abs(posterior_mean - ridge(two, y, sigma**2 / tau**2)).max(), at_most=0.05)
claim("ridge keeps d²/(d² + λ) of each direction, and turns none",
      np.abs(shrunk - spread / (spread + 100)).max(), at_most=1e-9)
claim("scikit-learn's ridge agrees", np.abs(Ridge(100, fit_intercept=False).fit(X, y).coef_
                                            - ridge(X, y, 100)).max(), at_most=1e-8)

# %%
# In PyTorch the price is an option of the optimizer.
# Its gradient is lam · w: steps shrink w a little.
A, b = torch.tensor(X / np.sqrt(len(X))), torch.tensor(y / np.sqrt(len(X)))
w = torch.zeros(10, dtype=torch.float64, requires_grad=True)
descent = torch.optim.SGD([w], lr=0.2, weight_decay=100 / len(X))
for _ in range(500):
    descent.zero_grad()
    (0.5 * ((b - A @ w) ** 2).sum()).backward()
    descent.step()
claim("descent with weight_decay arrives at ridge",
      np.abs(w.detach().numpy() - ridge(X, y, 100)).max(), at_most=1e-6)

# crosses (442, 65)
crosses = np.column_stack([X,
                           *(X[:, i] * X[:, j] for i in range(10) for j in range(i, 10))])
crosses = (crosses - crosses.mean(0)) / crosses.std(0)
# price -> share of the variance, on 342 patients after 100
explained = {1e-6: [], 50: [], 1e4: []}
for lam in 20 * list(explained):
    seen, unseen = np.split(rng.permutation(442), [100])
    error = y[unseen] - crosses[unseen] @ ridge(crosses[seen], y[seen], lam)
    explained[lam].append(1 - np.mean(error**2) / np.var(y[unseen]))
claim("65 columns, 100 patients, no price: worse than the mean",
      np.mean(explained[1e-6]), at_most=-0.2)
claim("with one, a good part is explained", np.mean(explained[50]), at_least=0.3)
claim("with a far too high one, next to nothing", np.mean(explained[1e4]), at_most=0.1)

# %% [markdown]
# ## 3 · L1: a bet that most weights are zero
#
# On the map: `l1`
#
# **L1** prices $\lambda \sum |w|$. The price of the last bit of a weight never gets cheaper, so small weights go to zero exactly.
#
# L2 pulls with strength $\lambda w$, which fades as $w$ does. L1 pulls with $\lambda$, however small $w$ is.
# $|w|$ has a corner at zero. So descend on the error alone, then pull each weight by a fixed amount and stop it *at* zero: the **soft threshold**.
# The result is the **lasso**. The last cell lets each of the two bets win where it is true.
#
# **Predict first.** Lower the price step by step from very high. Do the weights of the lasso come in together, or one by one? And those of ridge?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Read both panels from right to left. Note that s1 changes its sign on the way: a path is not a ranking of causes.
# Usual slip: "L1 selects the true columns". Of two that agree it takes one, more or less by chance.

# %%
def soft(w, pull):
    return np.sign(w) * np.maximum(np.abs(w) - pull, 0)


def lasso(X, y, lam, w, steps=3000):
    """Half the squared error plus lam times the sum of |w|, from a start w: (d,)."""
    # lecture 02: one over the largest curvature
    G, c, lr = X.T @ X, X.T @ y, 1 / np.linalg.norm(X, 2) ** 2
    for _ in range(steps):
        w = soft(w - lr * (G @ w - c), lr * lam)
    return w


# %%
path, w = [], np.zeros(10)
strengths = np.logspace(4.35, 1, 40)  # each start is the last result
for lam in strengths:
    w = lasso(X, y, lam, w)
    path.append(w)
# (40, 10) each
path, ridges = np.array(path), np.array([ridge(X, y, lam) for lam in strengths])
colors = {"bmi": plots.BLUE, "bp": plots.GREEN, "s5": plots.ORANGE, "s1": plots.RED,
          "s3": plots.PURPLE}

fig, axes = plots.panels("Ridge makes all weights small; the lasso lets them in one by one",
                         ["ridge", "lasso"], xlabel="price λ", ylabel="weight",
                         size=(10, 3.9), sharey=True)
for ax, lines in zip(axes, (ridges, path), strict=True):
    for name, line in zip(diabetes.feature_names, lines.T, strict=True):
        color = colors.get(name, "#BBBBBB")
        ax.semilogx(strengths, line, color=color, linewidth=2.2 if name in colors else 1)
        if name in colors:
            plots.name(ax, strengths[-1], line[-1], name, color, dx=-8, ha="right",
                       fontsize=11,
                       dy={"bmi": -7, "s5": 7}.get(name, 0) if ax is axes[0] else 0)
    ax.set_xlim(3.5, None)
plots.show("Ten weights against the price: "
           "left all fade smoothly, right they reach zero one after another.")

# %%
# it divides the error by n
theirs = lasso_path(X, y, alphas=strengths / len(X), tol=1e-8)[1].T
w = np.zeros(10)
for _ in range(3000):  # plain descent on the penalized loss, at the eleventh price
    w = w - 1e-4 * (X.T @ (X @ w - y) + strengths[10] * np.sign(w))
claim("our lasso is scikit-learn's along the whole path",
      np.abs(path - theirs).max(), at_most=0.05)
claim("at the eleventh price most weights are exactly zero",
      np.sum(path[10] == 0), at_least=5)
claim("of ridge's none is, nor of plain descent's",
      np.sum(ridges == 0) + np.sum(w == 0), at_most=0)
claim("F.softshrink is our soft threshold",
      abs(F.softshrink(torch.tensor(-5.0), 2) - soft(-5, 2)), at_most=0)

# %%
models = LassoCV(alphas=20, cv=5, max_iter=20_000), RidgeCV(np.logspace(0, 3, 7), cv=5)
# useful columns of 100 -> the lasso's lead in explained variance, after 100 rows
lead = {5: [], 100: []}
for useful in run.pick(lecture=6, full=30) * list(lead):
    A, w = rng.normal(size=(1100, 100)), rng.normal(size=100) * (np.arange(100) < useful)
    b = A @ (3 * w / np.linalg.norm(w)) + rng.normal(0, 1.5, 1100)
    lead[useful].append(np.subtract(*(m.fit(A[:100], b[:100]).score(A[100:], b[100:])
                                      for m in models)))
claim("5 of 100 columns useful: the lasso wins", np.mean(lead[5]), at_least=0.1)
claim("all 100 useful: ridge wins", np.mean(lead[100]), at_most=-0.02)

# %% [markdown]
# ## 4 · Change the data: noise, then augmentation
#
# On the map: `noise` · `augmentation`
#
# **Noise** (잡음 주입) on the inputs is L2 in disguise for a linear model; **augmentation** (데이터 증강) is noise that knows the world, and is worth far more.
#
# Show each row many times, each time with fresh noise $\varepsilon$ of variance $s^2$ in every input. The expected squared error of a row $(x, y)$ is
#
# $$\mathbb E\big[(y - (x + \varepsilon)^\top w)^2\big] = (y - x^\top w)^2 + s^2\lVert w\rVert^2$$
#
# because the noise has mean zero. Summed over $n$ rows: ridge with $\lambda = n s^2$.
# For a network this holds only for small noise and to first order: there the price is on the slope of the output, not on the weights (Bishop, 1995).

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Let the room multiply the square out. The cross term vanishes: that is all.
# If a picture of the next part looks blank, the fill colour is not the paper's: a classic bug of augmentation.

# %%
def with_noise(s, copies=200):
    """Plain least squares on noisy copies of every row: (10,)."""
    noisy = np.tile(X, (copies, 1)) + rng.normal(0, s, (copies * len(X), 10))
    return ridge(noisy, np.tile(y, copies), 0)


noises, fine = np.array([0.1, 0.25, 0.5, 0.75, 1, 1.5, 2]), np.linspace(0, 2, 50)
trained = np.array([with_noise(s) for s in noises])             # (7, 10)
priced = np.array([ridge(X, y, len(X) * s**2) for s in noises])      # (7, 10)
lines = np.array([ridge(X, y, len(X) * s**2) for s in fine])

fig, ax = plots.figure("Noise on the inputs is L2: "
                       "dots were trained with noise, lines are ridge",
                       xlabel="spread of the noise s (inputs have spread 1)",
                       ylabel="weight", size=(8, 3.9))
for j, name in enumerate(diabetes.feature_names):
    ax.plot(fine, lines[:, j], color=colors.get(name, "#BBBBBB"),
            linewidth=2.2 if name in colors else 1)
    ax.plot(noises, trained[:, j], "o", color=colors.get(name, "#BBBBBB"), markersize=5)
    if name in colors:
        plots.name(ax, 0, lines[0, j], name, colors[name], dx=-8, ha="right", fontsize=11)
ax.set_xlim(-0.2, None)
plots.show("Ten weights shrink as noise grows; "
           "the dots of noisy training lie on the lines of ridge.")

claim("trained with noise, weights are ridge's (in units of the largest)",
      np.abs(trained - priced).max() / np.abs(priced).max(), at_most=0.1)
few, many = (np.mean([np.abs(with_noise(1, copies) - ridge(X, y, len(X))).mean()
                      for _ in range(10)])
             for copies in (4, 400))
claim("100 times the copies, about a tenth of the difference",
      few / many, at_least=6, at_most=16)

# %% [markdown]
# You know more than "inputs wobble": a letter turned by ten degrees is the same letter.
# **Augmentation** makes such copies on the fly, new ones each epoch.
# By hand it is a linear map of coordinates: for each pixel of the new picture, where in the old one to look.
#
# The library's way is `torchvision.transforms.v2`. One trap: a call draws *one* transform for the whole batch.
#
# An honest word: our letters were themselves drawn with small turns and shifts. Few worlds are known so well.
#
# **Ask the room.** An augmentation is a statement about your world: "this change leaves the answer alone".
# Name one that is true for photographs of cats and false for digits. Is there any for a row of the ad log?

# %%
# after runtime.setup, which mends its import beside a CPU build
from torchvision.transforms import v2


def warp(x, degrees, size, shift):
    """Turn, scale and shift each picture its own way. x: (n, 1, h, w);
    degrees, size: (n,), shift: (n, 2)."""
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    # turn (n, 2, 2)
    turn = torch.stack([torch.stack([cos, sin], 1), torch.stack([-sin, cos], 1)], 1)
    where = torch.cat([turn, shift[:, :, None]], 2)  # (n, 2, 3)
    return F.grid_sample(x, F.affine_grid(where, x.shape, align_corners=False),
                         align_corners=False)


def moved(x):
    """Every picture a little, each in its own way."""
    up_to = 2 * torch.rand(4, len(x), device=x.device) - 1  # (4, n) from -1 to 1
    return warp(x, 10 * up_to[0], 1 + 0.15 * up_to[1], 0.15 * up_to[2:].T)


affine = v2.RandomAffine(degrees=10, translate=(0.075, 0.075), scale=(0.85, 1.15),
                         interpolation=v2.InterpolationMode.BILINEAR)

# %%
def in_groups(transform, size=20):
    """Draw anew for every 20 pictures: fresh enough, and quick."""
    return lambda x: torch.cat([transform(group) for group in x.split(size)])


x, true, _ = sample(0)
eight = x[[int((true == k).nonzero()[0]) for k in range(8)]]
shown = torch.cat([eight, moved(eight), v2.functional.horizontal_flip(eight)])
plots.images(shown[:, 0].cpu().numpy(),
             "Moved, it is the same letter; mirrored, it is a lie", columns=8,
             names=[f"{a}{b}" for a in ("", "moved ", "mirrored ")
                    for b in judge.class_names[:8]])
plots.show("Eight letters, the same turned and shifted a little, and the same mirrored.")

ones = torch.ones(8, device=run.device)
turned = v2.functional.affine(eight, 20, [0, 0], 1.2, [0, 0],
                              interpolation=v2.InterpolationMode.BILINEAR)
claim("our warp is torchvision's",
      (warp(eight, 20 * ones, 1.2 * ones, 0 * torch.stack([ones, ones], 1))
       - turned).abs().max(), at_most=1e-4)

# %%
tries = None, moved, in_groups(affine), in_groups(v2.RandomHorizontalFlip(0.5), 1)
plain, by_us, by_v2, mirrored = (
    [measure(train(network(i), *sample(i)[:2], change=change), x_test, y_test)[1]
     for i in range(3)]
    for change in tries)

# %%
claim("letters moved a little: accuracy rises",
      np.mean(by_us) - np.mean(plain), at_least=0.01)
claim("moved by torchvision: the same, but for luck",
      abs(np.mean(by_v2) - np.mean(by_us)), at_most=0.04)
claim("mirrored: it falls, for no test letter is",
      np.mean(mirrored) - np.mean(plain), at_most=-0.02)

# %% [markdown]
# ## 5 · Dropout: an ensemble in one training
#
# On the map: `dropout`
#
# **Dropout** (드롭아웃) trains a different thinned network at each step and answers with all of them at once.
# It *behaves* like a bag and is none: the members share their weights, err more alike, and are worse alone.
#
# In training each unit is silenced with probability $p$, anew for every row. What stays is divided by $1 - p$, so the *expected* sum does not change: **inverted scaling**.
# In evaluation it does nothing.
#
# $k$ units have $2^k$ masks, each a network. A bag (lecture 03) would average their answers.
# **Weight scaling**, one pass with nothing dropped, is a shortcut.
# With one dropout layer before a softmax, and $p = \frac12$, it *is* an average: the geometric mean of all $2^k$ answers, scaled to sum to one.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Why geometric: a softmax of averaged scores is a product of softmaxes, each to the power 1/2^k.
# Usual wrong answer: at test time, drop too. Look at the picture's first dot, that is what you would get.

# %%
def dropout(x, p, training=True):
    """Silence each entry with probability p, and scale the others by 1 / (1 - p).
    x: any shape."""
    return x * (torch.rand_like(x) >= p) / (1 - p) if training else x


for name, layer in {"ours": lambda x: dropout(x, 0.3),
                    "PyTorch's": nn.Dropout(0.3)}.items():
    out = layer(torch.ones(1000, 100))
    claim(f"{name}: the silenced share",
          (out == 0).float().mean(), at_least=0.29, at_most=0.31)
    claim(f"{name}: the mean stays", out.mean(), at_least=0.98, at_most=1.02)

# %%
hidden, V = torch.rand(20, 10, dtype=torch.float64), torch.randn(10, 4, dtype=torch.float64)
# masks (1024, 10), p = 1/2
masks = torch.tensor(list(product([0.0, 1.0], repeat=10)), dtype=torch.float64)
answers = (hidden * masks[:, None] / 0.5 @ V).log_softmax(-1)  # (1024, 20, 4)
scaled, geometric = (hidden @ V).softmax(-1), answers.mean(0).softmax(-1)

# %%
claim("weight scaling is the geometric mean of all 1,024 networks",
      (scaled - geometric).abs().max(), at_most=1e-12)
claim("not their plain average: largest gap",
      (scaled - answers.exp().mean(0)).abs().max(), at_least=0.02)

# %% [markdown]
# With two hidden layers nothing is exact any more. So measure, with wrong labels again:
#
# - **one mask**, two, … thirty-two, their answers averaged: **Monte-Carlo dropout**;
# - **weight scaling**;
# - an **explicit bag**: nets of half the units, as many as dropout leaves, each trained apart on its own bootstrap sample.
#
# **Predict first.** Eight nets trained apart are eight trainings, dropout is one. By how many points do they win?

# %%
counts, MASKS, MEMBERS = [1, 2, 4, 8, 16, 32], 32, 8
monte_carlo, bagged, whole, alike = [], [], [], []
for i in range(3):
    x, given, _ = sample(i, wrong=0.3)
    dropped = train(network(i, drop=0.5), x, given)
    whole.append(measure(dropped, x_test, y_test)[1])
    members = []
    for j in range(MEMBERS):
        rows = torch.randint(ROWS, (ROWS,), device=run.device)
        members.append(train(network(100 * j + i, units=64), x[rows], given[rows]).eval())
    dropped.train()  # masks on again
    for curve, machines in ((monte_carlo, MASKS * [dropped]), (bagged, members)):
        with torch.no_grad():
            answers = torch.stack([machine(x_test).softmax(1) for machine in machines])
        curve.append([(answers[:m].mean(0).argmax(1) == y_test).float().mean().item()
                      for m in counts if m <= len(machines)])
        errors = (answers[:MEMBERS] - F.one_hot(y_test, 10)).flatten(1)  # (8, 20000)
        alike.append(errors.corrcoef()[*np.triu_indices(MEMBERS, 1)].mean().item())
thin, apart, scaling = np.mean(monte_carlo, 0), np.mean(bagged, 0), np.mean(whole)

# %%
fig, ax = plots.figure("One training with dropout comes close to a bag of eight trainings",
                       xlabel="answers averaged", ylabel="test accuracy (%)",
                       size=(7.5, 3.9))
ax.semilogx(counts, 100 * thin, "o-", color=plots.PURPLE)
ax.semilogx(counts[: len(apart)], 100 * apart, "o-", color=plots.BLUE)
ax.axhline(100 * scaling, color=plots.GREEN, linestyle=":")
plots.name(ax, 16, 100 * thin[4], "masks of one net", plots.PURPLE, dx=-20, dy=-16)
plots.name(ax, 4, 100 * apart[2], "nets trained apart", plots.BLUE, dx=-8, dy=8, ha="right")
plots.name(ax, 32, 100 * scaling, "weight scaling: one pass", plots.GREEN, dx=0, dy=9,
           ha="right")
ax.set_xticks(counts, counts)
ax.minorticks_off()
plots.show("Two rising curves of accuracy over the number of answers, "
           "and a line they approach.")

# %%
claim("averaging 32 masks is far better than one mask", thin[-1] - thin[0], at_least=0.04)
claim("weight scaling is level with 32 masks, for one pass",
      abs(scaling - thin[-1]), at_most=0.02)
claim("the explicit bag gains by averaging too", apart[-1] - apart[0], at_least=0.03)
claim("masks of one net err more alike than nets trained apart: correlation, more by",
      np.mean(alike[::2]) - np.mean(alike[1::2]), at_least=0.05)
claim("one training with dropout is not far from eight trainings",
      abs(scaling - apart[-1]), at_most=0.06)

# %% [markdown]
# ## 6 · Batch norm: it steadies the training
#
# On the map: `batch-norm` · `dropout`
#
# **Batch normalization** (배치 정규화) gives each unit mean 0 and variance 1 over the batch, then lets it choose its own scale and shift.
#
# $$y = \gamma\,\frac{x - \mu}{\sqrt{v + \epsilon}} + \beta$$
#
# $\mu, v$ are the unit's mean and variance over the batch, $\gamma$ and $\beta$ are learned, $\epsilon$ avoids a division by zero.
# A single picture at evaluation has no batch. So training keeps **running statistics**, and evaluation uses those.
#
# A detail that breaks many copies: the variance that divides has $n$ below, the one that is remembered $n - 1$.
#
# The article behind this map says that some networks are stable with batch norm alone, without dropout.
# So test it: six layers, right labels, plain descent at five learning rates, with and without each.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Let the room find the consequence of a batch of one in training: PyTorch refuses, since the variance is zero.
# Why it works is still argued about: the first story was "covariate shift", the later one a smoother loss. Say so.

# %%
class BatchNorm(nn.Module):
    """x: (n, d) -> (n, d), each column to mean 0 and variance 1;
    by running statistics in evaluation."""

    def __init__(self, d, momentum=0.1, eps=1e-5):
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))
        # a buffer is saved with the weights, but not trained
        self.register_buffer("mean", torch.zeros(d))
        self.register_buffer("var", torch.ones(d))
        self.momentum, self.eps = momentum, eps

    def forward(self, x):
        mean, var, n = self.mean, self.var, len(x)
        if self.training:
            mean, var = x.mean(0), x.var(0, correction=0)
            self.mean = self.mean + self.momentum * (mean.detach() - self.mean)
            self.var = self.var + self.momentum * (var.detach() * n / (n - 1) - self.var)
        return self.gamma * (x - mean) / (var + self.eps).sqrt() + self.beta

# %%
pair = BatchNorm(5).double(), nn.BatchNorm1d(5, dtype=torch.float64)
steps = [torch.optim.SGD(norm.parameters(), lr=0.1) for norm in pair]
gap = {"outputs": 0.0, "gradients": 0.0, "running statistics": 0.0}
for _ in range(30):
    z = 3 * torch.randn(8, 5, dtype=torch.float64) + 2
    inputs = [z.clone().requires_grad_() for norm in pair]
    outputs = [norm(x) for norm, x in zip(pair, inputs, strict=True)]
    for output, step in zip(outputs, steps, strict=True):
        step.zero_grad()
        output.sin().sum().backward()  # any loss will do
        step.step()
    buffers = [torch.cat([*norm.buffers()][:2]) for norm in pair]
    for what, (ours, theirs) in zip(gap, (outputs, [x.grad for x in inputs], buffers),
                                    strict=True):
        gap[what] = max(gap[what], (ours - theirs).abs().max().item())

for what, largest in gap.items():
    claim(f"equal to nn.BatchNorm1d over 30 steps of training: {what}",
          largest, at_most=1e-6)
learned = [torch.cat([*norm.parameters()]) for norm in pair]
claim("equal scales and shifts, after learning",
      (learned[0] - learned[1]).detach().abs().max(), at_most=1e-6)
answers = [norm.eval()(z) for norm in pair]
claim("equal in evaluation", (answers[0] - answers[1]).detach().abs().max(), at_most=1e-6)

# %%
normed = train(network(0, norm=True), *sample(0)[:2]).train()  # somebody forgot eval()
with torch.no_grad():
    company = [normed(x_test[[*range(50), *others]])[:50].softmax(1)
               for others in (range(50, 100), range(1000, 1050))]
claim("left in training mode, answers depend on the company in the batch: "
      "a probability moves by up to",
      (company[0] - company[1]).abs().max(), at_least=0.1)

# %%
RATES = [0.03, 0.1, 0.3, 1.0, 3.0]
KINDS = {"neither": {}, "dropout": {"drop": 0.2}, "batch norm": {"norm": True},
         "both": {"norm": True, "drop": 0.2}}
PAINT = dict(zip(KINDS, [plots.GREY, plots.PURPLE, plots.BLUE, plots.SKY], strict=True))


def deep_score(i, lr, **kind):
    net = network(i, layers=6, units=64, **kind)
    train(net, *sample(i)[:2], count=10, descent=torch.optim.SGD(net.parameters(), lr))
    return measure(net, x_test, y_test)[1]


by_rate = {name: np.array([[deep_score(i, lr, **kind) for lr in RATES] for i in range(3)])
           for name, kind in KINDS.items()}  # (3, 5) each

fig, ax = plots.figure("Batch norm alone still learns where the nets without it are lost",
                       xlabel="learning rate", ylabel="test accuracy (%)", size=(7.5, 3.9))
for name, scores in by_rate.items():
    ax.fill_between(RATES, 100 * scores.min(0), 100 * scores.max(0), color=PAINT[name],
                    alpha=0.2, lw=0)
    ax.semilogx(RATES, 100 * scores.mean(0), "o-", color=PAINT[name])
    plots.name(ax, RATES[-1], 100 * scores[:, -1].mean(), name, PAINT[name],
               dy={"neither": 7, "dropout": -7, "batch norm": 7, "both": -7}[name])
ax.set_xticks(RATES, RATES)
ax.minorticks_off()
plots.show("Accuracy over learning rate: "
           "without batch norm both lines drop to chance at rate 1.")

# %%
best = {name: scores.mean(0).max() for name, scores in by_rate.items()}
claim("at rate 1 the nets without batch norm are at chance",
      max(by_rate[name][:, 3].max() for name in ("neither", "dropout")), at_most=0.3)
claim("batch norm alone learns there, in every run",
      by_rate["batch norm"][:, 3].min(), at_least=0.5)
claim("dropout on top adds nothing to speak of",
      best["both"] - best["batch norm"], at_most=0.03)
claim("at the smallest rate batch norm is slower than none",
      (by_rate["neither"] - by_rate["batch norm"])[:, 0].mean(), at_least=0.03)
claim("its best is not behind",
      best["batch norm"] - max(best["neither"], best["dropout"]), at_least=-0.05)

# %% [markdown]
# ## 7 · All in one table
#
# On the map: `regularization` · `l1` · `l2` · `dropout` · `augmentation` · `noise` · `early-stopping` · `batch-norm`
#
# With right labels augmentation brings accuracy, and most of the others little but a lower log-loss; with wrong labels most of them bring accuracy too.
#
# The remark held for *training*. Does batch norm also replace dropout against overfitting?
#
# Same net, same five samples, same starts.
# Each tick is a sample: a remedy less *nothing*, both trained on it. Such **paired** differences cancel the luck of the draw.
# Dots are means, bars 95 % intervals.
#
# **Predict first.** Eight remedies. Which ones *lose* accuracy with right labels?
#
# <details><summary>How it is kept fair</summary>
#
# The strengths of L2, L1 and noise are the best of three by log-loss, chosen on two further samples with right labels, and kept for the wrong ones. Dropout keeps section 5's one half.
# Early stopping takes its 60 validation pictures out of the 300, stops by log-loss and is judged by accuracy: hard terms, but usual ones.
# Augmentation runs 40 epochs instead of 30; without it, the training loss is near zero by then (section 1).
# "L2" is AdamW's decay: it shrinks every weight by the same share, a cousin of section 2's price, not its twin (lecture 02). L1 after a step of Adam is such a cousin too.
# The intervals are Student's, with five samples.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
# Expect protest: "but dropout always helps me". Ask how noisy the labels were, and how large the net.

# %%
def noise(s):
    return v2.GaussianNoise(sigma=s, clip=False)


WAYS = {
    "nothing": [{}],
    "L2": [{"decay": price} for price in (0.3, 3, 30)],
    "L1": [{"l1": price} for price in (0.03, 0.3, 3)],
    "dropout": [{"drop": 0.5}],
    "input noise": [{"change": noise(s)} for s in (0.3, 1.0, 3.0)],
    "early stopping": [{"patience": 8}],
    "batch norm": [{"norm": True}],
    "batch norm + dropout": [{"norm": True, "drop": 0.5}],
    "augmentation": [{"change": moved, "count": 40}],
}


def trained(i, wrong, drop=0.0, norm=False, patience=None, **how):
    x, y, _ = sample(i, wrong)
    net = network(i, drop=drop, norm=norm)
    if patience:
        stop_early(net, epochs(net, x[fit], y[fit]), x[watch], y[watch], patience)
        return net
    return train(net, x, y, **how)


def judged(how):
    """Trained on one further sample, judged on another, both with right labels:
    log-loss."""
    return measure(trained(RUNS, 0.0, **how), *sample(RUNS + 1)[:2])[0]

# %%
def scores(how, wrong):
    """Log-loss, accuracy and share of zero weights, for each sample: (RUNS, 3)."""
    nets = [trained(i, wrong, **how) for i in range(RUNS)]
    weights = [torch.cat([w.flatten() for w in net.parameters() if w.ndim > 1])
               for net in nets]
    return np.array([[*measure(net, x_test, y_test), (w == 0).float().mean().item()]
                     for net, w in zip(nets, weights, strict=True)])


chosen = {way: min(tries, key=judged) if len(tries) > 1 else tries[0]
          for way, tries in WAYS.items()}
right = {way: scores(how, wrong=0.0) for way, how in chosen.items()}

# %%
wrong = {way: scores(how, wrong=0.3) for way, how in chosen.items()}


def half(values):
    """Half the 95 % interval of a mean."""
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


print(f"{'':22}{'right labels':>26}{'wrong labels':>29}")
print(f"{'':22}{'accuracy (%)':>14}{'log-loss':>14}"
      f"{'accuracy (%)':>15}{'log-loss':>14}{'zeros (%)':>11}")
for way in WAYS:
    cells = [f"{scale * v[:, k].mean():7.{d}f} ± {scale * half(v[:, k]):.{d}f}"
             for v in (right[way], wrong[way]) for k, scale, d in ((1, 100, 1), (0, 1, 2))]
    print(f"{way:22}" + "".join(f"{cell:>14}" for cell in cells)
          + f"{100 * right[way][:, 2].mean():10.0f}")

fig, axes = plots.panels("Augmentation dwarfs the rest; "
                         "with wrong labels most of them pay too",
                         ["right labels", "three of ten labels wrong"],
                         xlabel="accuracy gained (points)", ylabel="", size=(10, 4),
                         sharey=True)
names = list(WAYS)[1:]
for ax, table in zip(axes, (right, wrong), strict=True):
    for row, way in enumerate(names):
        gained = 100 * (table[way] - table["nothing"])[:, 1]
        ax.plot(gained, [row] * len(gained), "|", color=plots.GREY, markersize=9)
        ax.errorbar(gained.mean(), row, xerr=half(gained), fmt="o", color=plots.BLUE,
                    markersize=5)
    ax.axvline(0, color=plots.INK, linewidth=1)
axes[0].set_yticks(range(len(names)), names)
axes[0].set_ylim(len(names) - 0.5, -0.5)
plots.show("Eight remedies, two panels: "
           "left only augmentation is far right of zero, right most are.")

# %%
clean, noisy = ({way: (t[way] - t["nothing"]).mean(0) for way in WAYS}
                for t in (right, wrong))
others = max(clean[way][1] for way in names[:-1])
priced = ("L2", "L1", "dropout", "input noise")
claim("right labels: augmentation brings accuracy", clean["augmentation"][1], at_least=0.03)
claim("the best of the others brings far less",
      clean["augmentation"][1] - others, at_least=0.015)
claim("which is little", others, at_most=0.05)
claim("L2, L1, dropout, noise each lower the log-loss",
      max(clean[way][0] for way in priced), at_most=-0.05)
claim("L1 leaves a good part of the weights at zero", right["L1"][:, 2].min(), at_least=0.3)
claim("early stopping costs accuracy", clean["early stopping"][1], at_most=-0.005)

# %%
claim("wrong labels: L2, L1, dropout and noise each bring accuracy",
      min(noisy[way][1] for way in priced), at_least=0.01)
claim("augmentation brings most",
      noisy["augmentation"][1] - max(noisy[way][1] for way in names[:-1]), at_least=0.02)
claim("batch norm alone brings none", noisy["batch norm"][1], at_most=0.02)
claim("dropout on top of it does",
      noisy["batch norm + dropout"][1] - noisy["batch norm"][1], at_least=0.01)

# %% [markdown]
# ## A closing surprise: more weights, less error
#
# On the map: `regularization` · `l2`
#
# Make a model larger and it overfits: that is the textbook. Make it larger still, and the error falls again, below its first best. That is **double descent**.
#
# 150 digits, one label of ten wrong, random ReLU features (lecture 04's frozen layer), least squares on top.
# Where many solutions fit exactly, take the one with the smallest weights: a regularization that nobody asked for.
# At one width only one solution fits, and it has to bend wildly for it. A price on the weights takes that away.
#
# **Predict first.** 150 rows. At how many features is the test error worst?

# %%
digits = data.load("digits")
WIDTHS = [10, 20, 40, 60, 80, 110, 130, 150, 170, 200, 250, 400, 800, 1600]


def widths(source, price=None):
    """Test error (share) at each width:
    smallest weights that fit best, or ridge with a price."""
    order = source.permutation(len(digits.x))
    seen, unseen = order[:150], order[150:1150]
    lies = (digits.y[seen] + source.integers(1, 10, 150) * (source.random(150) < 0.1)) % 10
    bent = np.maximum((digits.x / 4 - 1.2) @ source.normal(size=(64, 1600)) / 8
                      + source.normal(size=1600), 0)
    errors = []
    for width in WIDTHS:
        a, b, target = bent[seen, :width], bent[unseen, :width], np.eye(10)[lies]
        weights = (np.linalg.lstsq(a, target)[0] if price is None
                   else ridge(a, target, price * width))
        errors.append(np.mean((b @ weights).argmax(axis=1) != digits.y[unseen]))
    return errors


descents = {name: np.array([widths(np.random.default_rng([SEED, i]), price)
                            for i in range(RUNS)])
            for name, price in {"smallest exact fit": None, "ridge": 0.5}.items()}

# %%
fig, ax = plots.figure("Worst where rows and features are equally many, best far beyond",
                       xlabel="random features", ylabel="test error (%)", size=(8, 4))
for (name, errors), color in zip(descents.items(), (plots.RED, plots.BLUE), strict=True):
    ax.fill_between(WIDTHS, 100 * errors.min(0), 100 * errors.max(0), color=color,
                    alpha=0.2, linewidth=0)
    ax.semilogx(WIDTHS, 100 * errors.mean(0), "o-", color=color, markersize=4)
    plots.name(ax, WIDTHS[-1], 100 * errors.mean(0)[-1], name, color)
ax.axvline(150, color=plots.GREY, linestyle=":")
ax.set_xticks([10, 40, 150, 400, 1600], [10, 40, "150 = rows", 400, 1600])
ax.minorticks_off()
plots.show("Test error falls, climbs to a peak at 150 features, and falls again; "
           "ridge has no peak.")

# %%
free, priced = (errors.mean(0) for errors in descents.values())
at = WIDTHS.index(150)
claim("the worst width is at the number of rows",
      WIDTHS[int(free.argmax())], at_least=130, at_most=170)
claim("there the error is high", free[at], at_least=0.45)
claim("the widest beats the best narrow one", min(free[:at]) - free[-1], at_least=0.02)
claim("with a price there is no peak", priced[at] - min(priced[:at]), at_most=0.02)
claim("and even the widest is better with it", free[-1] - priced[-1], at_least=0.01)

# %% [markdown]
# ## What goes wrong in practice
#
# - **`net.eval()` forgotten.** Dropout still drops, batch norm looks at the company. Or `train()` forgotten after a validation: no remedy at all.
# - **The test set as a judge of strengths.** Choose by validation rows.
# - **A price on biases and batch norm's scales.** `weight_decay` takes all parameters; give these a group with 0.
# - **A penalty with Adam.** Use AdamW (lecture 02).
# - **Patience of one.** A validation loss wobbles.
# - **Rows augmented before the split.** The copies leak.
# - **Batches of two with batch norm.** The statistics are noise. Layer norm (lecture 19) needs no batch.
# - **One seed.** Most differences in section 7's left panel are smaller than luck.
#
# **Ask the room.** Your labels are clicks: 4 % yes, and mostly luck. Which of section 7's panels is your world?

# %% [markdown]
# ## Summary
#
# 1. A net learns the rule first, then the exceptions. Early stopping stops between, saves time, and pays with rows.
# 2. L2 is a Gaussian belief and shrinks what the data know least; L1 is a bet on few columns and makes exact zeros.
# 3. Know your world: augmentation brings accuracy and dwarfs the rest. Plain noise is L2 for a linear model.
# 4. L2, L1, noise and dropout lower the log-loss, and bring accuracy where labels are wrong. Dropout answers like a bag, for one training. Batch norm steadies training, and cures no wrong label.
# 5. Size alone is not overfitting: far beyond the number of rows the error falls again.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 06`, then open `exercises/work/06_exercises.ipynb`: seven tasks, about 120 minutes.
#
# - A. E. Hoerl, R. W. Kennard (1970), *Ridge Regression*, Technometrics 12.
# - C. M. Bishop (1995), *Training with Noise is Equivalent to Tikhonov Regularization*, Neural Computation 7.
# - R. Tibshirani (1996), *Regression Shrinkage and Selection via the Lasso*, JRSS B 58.
# - N. Srivastava and others (2014), *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, JMLR 15.
# - S. Ioffe, C. Szegedy (2015), *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift*, ICML.
# - Y. Gal, Z. Ghahramani (2016), *Dropout as a Bayesian Approximation*, ICML.
# - D. Arpit and others (2017), *A Closer Look at Memorization in Deep Networks*, ICML.
# - C. Zhang and others (2017), *Understanding Deep Learning Requires Rethinking Generalization*, ICLR.
# - S. Santurkar and others (2018), *How Does Batch Normalization Help Optimization?*, NeurIPS.
# - M. Belkin and others (2019), *Reconciling Modern Machine-Learning Practice and the Classical Bias–Variance Trade-Off*, PNAS 116.
