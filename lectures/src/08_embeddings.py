# %% [markdown]
# # 08 · Embeddings
#
# **Question.** A machine reads numbers. How do you turn a picture, a user or an ad into a few of them, so that near means alike?
#
# **You will be able to** write PCA in three lines and say what it keeps; show that a linear auto-encoder is PCA; read a t-SNE picture without believing too much; learn vectors for users and ads that beat every model so far; hold them against the truth, and use them again elsewhere.
#
# **Needs** 01, 03, 05, 07 · **Minutes** 95 to teach, 130 to study · **CPU** 45 s
#
# On the map: `embedding` · `dimension-reduction` · `pca` · `unsupervised` · `entity-embedding`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data and more starts
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes, subspace_angles
from scipy.spatial import procrustes
from scipy.special import entr, rel_entr
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import TargetEncoder
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, training
from utils.claims import claim
from utils.scratch import factorization

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("08")

# %% [markdown]
# ## 1 · From a name to a vector
#
# On the map: `embedding` · `entity-embedding`
#
# A table with a row of numbers for each name turns names into vectors; it is a layer like any other.
#
# Lecture 01 wrote a name as **one-hot**: six ads, six columns, a single one. All such rows are equally far apart.
#
# An **embedding** (임베딩) multiplies the one-hot row by a table $E$, a row of $k$ numbers for each name.
# The product picks a row, so look it up instead.
#
# Going back, a row collects the gradients from wherever it was looked up: $\partial L / \partial E = H^\top \, \partial L / \partial R$, with $H$ the one-hot rows, $R$ the rows that came out, $L$ the loss.
#
# **The library's way.** `nn.Embedding` is the lookup. `nn.EmbeddingBag` looks up several names a row and adds them: one-hot with several ones.
# With $k = 1$ that is lecture 01's logistic regression.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Do one product by hand on the board. Then ask what the gradient of a row is that nobody looked up. Zero: a name that is never seen keeps its random start for ever.

# %%
shown = np.array([2, 0, 5, 2])  # four impressions: which of six ads
table = rng.normal(size=(6, 3))
one_hot = np.eye(6)[shown]  # (4, 6)
vectors = one_hot @ table  # (4, 6) @ (6, 3) -> (4, 3)

fig, axes = plots.panels("A product with one-hot rows picks rows of the table",
                         ["one-hot (4 × 6)", "table (6 × 3)", "product (4 × 3)"],
                         xlabel="column",
                         ylabel="row", size=(9, 3.2), width_ratios=[6, 3, 3])
for ax, matrix in zip(axes, [one_hot, table, vectors], strict=True):
    ax.imshow(matrix, cmap="RdBu", vmin=-2, vmax=2)
    ax.set(xticks=range(matrix.shape[1]), yticks=range(len(matrix)), ylim=(5.5, -0.5))
    ax.grid(visible=False)
plots.show("Three coloured grids: rows 2, 0, 5 and 2 of the table come out as the product.")
claim("one-hot times table is a row of the table",
      np.abs(vectors - table[shown]).max(), at_most=0)

# %%
layer = nn.Embedding.from_pretrained(torch.tensor(table), freeze=False)
above = torch.tensor(rng.normal(size=(4, 3)))  # a gradient that arrives from above
layer(torch.tensor(shown)).backward(above)

# %%
claim("nn.Embedding's gradient is one-hot, turned, times what arrives",
      np.abs(layer.weight.grad.numpy() - one_hot.T @ above.numpy()).max(), at_most=1e-12)
both = nn.EmbeddingBag.from_pretrained(layer.weight.detach(),
                                       mode="sum")(torch.tensor([[2, 0]]))
claim("nn.EmbeddingBag of two names is the product with two ones",
      np.abs(both.numpy() - [1, 0, 1, 0, 0, 0] @ table).max(), at_most=1e-12)

# %% [markdown]
# ## 2 · PCA: fewer numbers, chosen without labels
#
# On the map: `dimension-reduction` · `pca` · `unsupervised`
#
# The directions in which data varies most carry most of it.
#
# **Dimension reduction** (차원 축소) describes data with fewer numbers and loses as little as possible.
# It needs no labels: **unsupervised learning** (비지도 학습).
#
# **PCA** (주성분분석), principal component analysis: take the mean away, then split the table $X$, $n$ rows by $d$ columns, by its **singular value decomposition**:
#
# $$X = U S V^\top$$
#
# The rows of $V^\top$ are axes, at right angles. $S$ says how far the data spreads along each, largest first.
# Keep the first $k$ axes.
#
# <details><summary>Why no other k axes lose less</summary>
#
# Project on the columns of any $d \times k$ matrix $W$ whose columns have length one and stand at right angles. What is lost, plus what is kept, is $\lVert X \rVert^2$, so losing least means keeping most.
# Kept is $\lVert X W \rVert^2 = \sum_i s_i^2 \lVert W^\top v_i \rVert^2$, with $s_i$ the singular values and $v_i$ their axes.
# The factors $\lVert W^\top v_i \rVert^2$ lie between 0 and 1 and add up to $k$. So the sum is largest when they are 1 for the $k$ largest $s_i$: $W$ spans the first $k$ axes. (Eckart and Young, 1936.)
# </details>
#
# **Predict first.** A digit has 64 pixels. How many axes do you need to keep 90 % of the variance?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Collect guesses for the prediction before you run; "about half" is usual.

# %%
digits = data.load("digits")
fit, judge = np.split(rng.permutation(len(digits.x)), [1200])
mean = digits.x[fit].mean(axis=0) / 16
X, X_new = digits.x[fit] / 16 - mean, digits.x[judge] / 16 - mean  # (1200, 64), (597, 64)

U, S, Vt = np.linalg.svd(X, full_matrices=False)  # PCA is this line
kept = S**2 / (S**2).sum()  # share of the variance along each axis
code = X @ Vt[:8].T  # (1200, 64) @ (64, 8): eight numbers a picture
back = code @ Vt[:8]  # and back to 64 pixels, as well as eight numbers can

# %%
library = PCA(8).fit(X)
claim("scikit-learn's axes are ours, up to a sign",
      np.abs(np.abs(library.components_ @ Vt[:8].T) - np.eye(8)).max(), at_most=1e-6)
claim("and so is the variance kept",
      np.abs(library.explained_variance_ratio_ - kept[:8]).max(), at_most=1e-10)
claim("what is lost is the squared spread along the axes that were dropped",
      np.abs(((X - back) ** 2).sum() / (S[8:] ** 2).sum() - 1), at_most=1e-10)

# %%
kept_new = ((X_new @ Vt.T) ** 2).sum(axis=0)
share_kept = {"train": 100 * np.cumsum(kept),
              "test": 100 * np.cumsum(kept_new) / kept_new.sum()}
needed = 1 + np.argmax(share_kept["test"] >= 90)

fig, ax = plots.figure(f"{needed} of 64 axes keep 90 % of the variance", xlabel="axes kept",
                       ylabel="variance kept (%)", size=(7.5, 3.6))
for name, curve in share_kept.items():
    ax.plot(range(1, 65), curve, color=plots.COLOR[name],
            linestyle="--" if name == "test" else "-")
ax.plot(needed, 90, "o", color=plots.INK)
plots.name(ax, 10, share_kept["train"][9], "digits it was fitted to", plots.COLOR["train"],
           dx=14, dy=0)
plots.name(ax, 10, share_kept["train"][9], "digits never seen (dashed)",
           plots.COLOR["test"], dx=14, dy=-20)
plots.show("The share of variance kept rises steeply, passes 90 % at a third of the axes, "
           "and flattens.")

# %%
def same_digit(known, new):
    """How often the nearest known row shows the same digit: (1200, k), (597, k)
    -> share."""
    far = ((new[:, None] - known) ** 2).sum(axis=2)
    return np.mean(digits.y[fit][far.argmin(axis=1)] == digits.y[judge])


claim("a third of the axes keeps 90 % on digits never seen", needed, at_most=24)
claim("with eight of 64 numbers, near means alike: the nearest is the same digit",
      same_digit(code, X_new @ Vt[:8].T), at_least=0.85)

# %% [markdown]
# ## 3 · A linear auto-encoder is PCA; bend it, and it beats PCA
#
# On the map: `pca` · `dimension-reduction`
#
# The best linear way through a narrow middle is known; the network finds the same space, and not the same axes.
#
# Lecture 07's auto-encoder: an encoder squeezes $x$ into $k$ numbers, a decoder draws $x$ again, and the loss is the squared error.
# Leave out the activations, and nothing can beat PCA. Does descent get there?
#
# How far apart are two subspaces? Take the unit vector in the one that is worst reached by the other: the angle between them is the largest **principal angle**.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Hold two sheets of paper at an angle: the same plane can carry any pair of arrows.
# The usual slip is to compare PCA's axes with the network's one by one, and to conclude that training failed.

# %%
def largest_angle(A, B):
    """Between the spaces that the columns of A and B span, in degrees;
    its sine is what A cannot reach."""
    A, B = np.linalg.qr(A)[0], np.linalg.qr(B)[0]
    return np.degrees(np.arcsin(min(1, np.linalg.norm(B - A @ (A.T @ B), 2))))


pictures = torch.tensor(X)  # double precision, so on the CPU everywhere
torch.manual_seed(SEED)
linear = nn.Sequential(nn.Linear(64, 8, bias=False), nn.Linear(8, 64, bias=False)).double()
descent = torch.optim.Adam(linear.parameters(), lr=0.02)
# to a hundredth at the end
fade = torch.optim.lr_scheduler.ExponentialLR(descent, 0.01 ** (1 / 1500))
for _ in range(1500):
    descent.zero_grad()
    loss = F.mse_loss(linear(pictures), pictures)
    loss.backward()
    descent.step()
    fade.step()
drawn = linear[1].weight.detach().numpy()  # (64, 8): what each code number draws
drawn /= np.linalg.norm(drawn, axis=0)

# %%
angle = largest_angle(Vt[:8].T, drawn)
claim("the decoder spans PCA's subspace: largest principal angle, in degrees",
      angle, at_most=1)
claim("SciPy's subspace_angles says the same",
      abs(angle - np.degrees(subspace_angles(Vt[:8].T, drawn).max())), at_most=1e-4)
claim("its error is PCA's, to a hundred-thousandth",
      loss.item() / np.mean((X - back) ** 2) - 1, at_most=1e-5)
claim("but its axes are others: the best match of each of PCA's, "
      "on average (1 is the same)",
      np.abs(Vt[:8] @ drawn).max(axis=1).mean(), at_most=0.9)

# %%
plots.images(np.concatenate([Vt[:8], drawn.T]).reshape(16, 8, 8),
             names=[f"PCA {i}" for i in range(1, 9)]
             + [f"network {i}" for i in range(1, 9)], columns=8,
             diverging=True,
             title="The same subspace, other axes: both rows span the same pictures")
plots.show("Two rows of eight patterns: "
           "PCA's from coarse to fine, the network's all equally mixed.")

# %% [markdown]
# Any invertible matrix $M$ may slip in between, $D M M^{-1} C$ with $C$ the encoder and $D$ the decoder, and the output does not change.
# So a code number of an auto-encoder *means nothing by itself*. PCA's axes are ordered because we ordered them.
#
# **Bend it:** ReLU layers on both sides, the same narrow middle. Judge on digits that neither has seen.
# With 32 numbers nearly nothing is lost, and PCA gets that exactly; a network first has to learn to copy.

# %%
def bent(k, h=128):
    encoder = [nn.Linear(64, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, k)]
    decoder = [nn.Linear(k, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 64)]
    return nn.Sequential(*encoder, *decoder).to(run.device)


train_x, test_x = (torch.tensor(part, dtype=torch.float32, device=run.device)
                   for part in (X, X_new))
widths, error = [2, 4, 8, 16, 32], {"PCA": [], "auto-encoder": []}
for k in widths:
    torch.manual_seed(SEED)
    net = bent(k)
    training.fit(net, (train_x, train_x), epochs=run.pick(lecture=20, full=200),
                 loss=F.mse_loss, lr=3e-3, batch_size=100)
    with torch.no_grad():
        error["auto-encoder"].append(F.mse_loss(net(test_x), test_x).item())
    error["PCA"].append(np.mean((X_new - X_new @ Vt[:k].T @ Vt[:k]) ** 2))

fig, ax = plots.figure("Where the middle is narrow, bending pays; "
                       "where it is wide, PCA is hard to beat",
                       xlabel="numbers in the middle", ylabel="error on new digits (log)",
                       size=(7.5, 3.8))
for (name, line), color in zip(error.items(), [plots.GREEN, plots.BLUE], strict=True):
    ax.loglog(widths, line, "o-", color=color)
    plots.name(ax, 4, line[1], name, color, dx=10 if name == "PCA" else -80,
               dy=8 if name == "PCA" else -14)
ax.set_xticks(widths, widths)
ax.set_yticks([0.002, 0.005, 0.01, 0.02, 0.05], ["0.002", "0.005", "0.01", "0.02", "0.05"])
ax.minorticks_off()
plots.show("Error falls with width for both; "
           "the auto-encoder is well below PCA when narrow, above it at 32.")

# %%
ratio = dict(zip(widths, np.divide(error["auto-encoder"], error["PCA"]), strict=True))
claim("eight bent numbers lose less than PCA's eight", ratio[8], at_most=0.75)
claim("two bent numbers lose less than PCA's two", ratio[2], at_most=0.8)
claim("at 32, and with this much training, PCA wins", ratio[32], at_least=1.2)

# %% [markdown]
# ## 4 · t-SNE: a picture, and four ways to misread it
#
# On the map: `dimension-reduction` · `unsupervised`
#
# t-SNE keeps neighbours and gives up everything else, so read nothing else from it.
#
# Row $i$ gives each other row a share: a Gaussian of their distance, as wide as needed for about 30 real neighbours, the **perplexity**.
# $p_{ij}$ is that share, over both directions. With points $y_i$ in the picture, $w_{ij} = 1 / (1 + \lVert y_i - y_j \rVert^2)$ and $q$ is $w$, scaled to sum to one:
#
# $$\text{loss} = \sum_{ij} p_{ij} \log \frac{p_{ij}}{q_{ij}} \qquad \frac{\partial\, \text{loss}}{\partial y_i} = 4 \sum_j (p_{ij} - q_{ij})\, w_{ij}\, (y_i - y_j)$$
#
# Torn neighbours are dear, strangers that meet are cheap.
# Descent has momentum (lecture 02), a gain for each coordinate, and at first twelvefold pulls, so that groups find each other.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Show the digits first, let the room admire them, then the traps.
# What to expect at the prediction: "then there is no structure". There is none, and islands appear.

# %%
def neighbour_shares(X, perplexity):
    """Shares p_ij, (n, n): each row's entropy is that of `perplexity` equal shares."""
    far = ((X[:, None] - X) ** 2).sum(axis=2)
    np.fill_diagonal(far, np.inf)  # nobody is their own neighbour
    far -= far.min(axis=1, keepdims=True)  # the same shares, and no underflow
    low, high = np.full((len(X), 1), 1e-8), np.full((len(X), 1), 1e8)
    for _ in range(60):  # halve the interval, in logarithms
        narrow = np.sqrt(low * high)
        p = np.exp(-narrow * far)
        p /= p.sum(axis=1, keepdims=True)
        wide = entr(p).sum(axis=1, keepdims=True) > np.log(perplexity)
        low, high = np.where(wide, narrow, low), np.where(wide, high, narrow)
    return (p + p.T) / (2 * len(X))


def closeness(Y):
    size = (Y**2).sum(axis=1)
    return (1 - np.eye(len(Y))) / (1 + size[:, None] + size - 2 * Y @ Y.T)


def gradient(p, Y):
    w = closeness(Y)
    pull = (p - w / w.sum()) * w
    return 4 * (pull.sum(axis=1)[:, None] * Y - pull @ Y)


def tsne(p, Y, steps=500, lr=50):
    """From shares p (n, n) and a start (n, 2) to a picture (n, 2)."""
    velocity, gain = np.zeros_like(Y), np.ones_like(Y)
    for t in range(steps):
        g = gradient(12 * p if t < 100 else p, Y)
        # up while it goes on
        gain = np.where(g * velocity < 0, gain + 0.2, 0.8 * gain).clip(0.01)
        velocity = (0.5 if t < 100 else 0.8) * velocity - lr * gain * g
        Y = Y + velocity
    return Y

# %%
def small(X):
    """PCA's plane, as small as a start should be: (n, 2)."""
    plane = PCA(2, svd_solver="full").fit_transform(X)
    return 1e-4 * plane / plane[:, 0].std()


some, digit = X[:300], digits.y[fit][:300]
p = neighbour_shares(some, perplexity=30)
picture = {"PCA": 1e4 * small(some), "t-SNE": tsne(p, small(some))}
fig, axes = plots.panels("300 digits in two dimensions, "
                         "coloured by a label that neither has seen", picture,
                         xlabel="first number", ylabel="second number", size=(10, 4.4))
for ax, Y in zip(axes, picture.values(), strict=True):
    ax.scatter(*Y.T, c=digit, cmap="tab10", s=9)
    for d in range(10):
        ax.text(*np.median(Y[digit == d], axis=0), d, ha="center", va="center",
                fontweight="bold",
                bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "alpha": 0.8,
                      "linewidth": 0})
plots.show("PCA's plane shows overlapping clouds of digits; "
           "t-SNE shows islands, mostly one digit each.")

# %%
at = torch.tensor(picture["PCA"], requires_grad=True)
others = ~torch.eye(300, dtype=torch.bool)
# every ordered pair of two different points
w = 1 / (1 + ((at[:, None] - at) ** 2).sum(2))[others]
F.kl_div((w / w.sum()).log(), torch.tensor(p)[others], reduction="sum").backward()
off = np.abs(at.grad.numpy() - gradient(p, picture["PCA"])).max()
claim("the gradient by hand is PyTorch's, of its largest entry",
      off / at.grad.abs().max(), at_most=1e-8)

# %%
def nearest_agrees(Y):
    return np.mean(digit[np.argmax(closeness(Y), axis=1)] == digit)


w = closeness(picture["t-SNE"])
library = TSNE(perplexity=30, init=small(some).astype(np.float32), method="exact",
               max_iter=500).fit(some)

# %%
claim("our loss is scikit-learn's, give or take",
      rel_entr(p, w / w.sum()).sum() / library.kl_divergence_, at_least=0.75, at_most=1.25)
claim("t-SNE: the nearest point is the same digit",
      nearest_agrees(picture["t-SNE"]), at_least=0.9)
claim("PCA's plane: far less often", nearest_agrees(picture["PCA"]), at_most=0.75)

# %% [markdown]
# **Predict first.** Two datasets without a secret.
# One is a single cloud: 200 points of Gaussian noise. How many islands at perplexity 2?
# The other has three clouds on a line: C is ten times as wide as A and B, and nine times as far from B as A is. What is left of that?

# %%
noise, first = rng.normal(size=(200, 10)), np.eye(10)[0]
clouds = np.concatenate([at + width * rng.normal(size=(60, 10))
                         for at, width in [(0 * first, 1), (20 * first, 1),
                                           (200 * first, 10)]])
which = np.repeat([0, 1, 2], 60)
seen = {"noise, perplexity 2": tsne(neighbour_shares(noise, 2), small(noise)),
        "noise, perplexity 30": tsne(neighbour_shares(noise, 30), small(noise)),
        "three clouds as they are": clouds[:, :2],
        "the same, perplexity 30": tsne(neighbour_shares(clouds, 30), small(clouds))}

fig, axes = plots.panels("Islands in noise; sizes and distances gone", seen,
                         xlabel="first number", ylabel="second number", size=(10.5, 3.1))
for (name, Y), ax in zip(seen.items(), axes, strict=True):
    color = (plots.GREY if "noise" in name
             else np.array([plots.BLUE, plots.ORANGE, plots.GREEN])[which])
    ax.scatter(*Y.T, c=color, s=8)
    ax.set_title(name, fontsize=11)
    ax.set_aspect("equal", adjustable="datalim")
    for i in range(3 if "noise" not in name else 0):
        plots.name(ax, *Y[which == i].mean(axis=0), "ABC"[i], plots.INK, dx=-4, dy=14)
plots.show("Noise falls into islands at perplexity 2; "
           "a wide, far cloud becomes as small and near as others.")

# %%
def islands(Y):
    """How well a picture falls into groups: the best silhouette of k-means (lecture 16);
    1 is perfect."""
    groups = [KMeans(k, n_init=2, random_state=0).fit_predict(Y) for k in (5, 10, 20, 30)]
    return max(silhouette_score(Y, group) for group in groups)

# %%
Y = seen["the same, perplexity 30"]
middle = np.array([Y[which == i].mean(axis=0) for i in range(3)])
width = [np.linalg.norm(Y[which == i] - middle[i], axis=1).mean() for i in range(3)]
step = np.linalg.norm(np.diff(middle, axis=0), axis=1)  # from A to B, from B to C

# %%
claim("trap 1, perplexity: at 2, noise looks more grouped than at 30",
      islands(seen["noise, perplexity 2"]) - islands(seen["noise, perplexity 30"]),
      at_least=0.1)
claim("trap 2, sizes: C was ten times as wide as A; in the picture",
      width[2] / width[0], at_most=2)
claim("trap 3, distances: C was nine times as far; in the picture",
      step[1] / step[0], at_most=2)
starts = [tsne(p, 1e-4 * rng.normal(size=(300, 2))) for _ in range(3)]
differ = [procrustes(a, b)[2] for a, b in [starts[:2], starts[1:], starts[::2]]]
claim("trap 4, random start: after the best turn and scale, "
      "two pictures differ by this share",
      max(differ), at_least=0.15)

# %% [markdown]
# ## 5 · Vectors for users and ads
#
# On the map: `entity-embedding` · `embedding`
#
# A vector for each name, and products between them, beat every model of the earlier lectures.
#
# Logistic regression has a weight for each name and cannot say "this user likes this ad". A cross can, with a weight for each of 20,000 pairs, most of them hardly ever seen.
# A **factorization machine** gives each name $i$ a weight $w_i$ and a vector $v_i$ of $k$ numbers, and a pair the product of its vectors:
#
# $$z = b + \sum_i w_i + \sum_{i<j} v_i \cdot v_j$$
#
# The sums run over the ten names of the row. A user who has never met an ad still has a product with it, learned from others.
# No double loop is needed: $\sum_{i<j} v_i \cdot v_j = \tfrac12 \big( \lVert \sum_i v_i \rVert^2 - \sum_i \lVert v_i \rVert^2 \big)$, since the square of a sum holds every pair twice.

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
# Write two users and two ads with two numbers each on the board: one for "likes sport", one for "likes sweets". Then say that nobody names the numbers; descent finds them.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
COLUMNS = ["user", "age", "gender", "ad", "category", "context", "site", "position",
           "device", "hour"]
# told by a human
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]
SHAPES = [[log.sizes[name] for name in cross] for cross in CROSSES]
SIZES = [log.sizes[name] for name in COLUMNS] + [int(np.prod(shape)) for shape in SHAPES]
START = np.cumsum([0, *SIZES])  # one common table: where each column's rows begin


def ids(log):
    """Rows of the common table, ten names and three crosses an impression: (n, 13)."""
    crossed = [np.ravel_multi_index([log.features[name] for name in cross], shape)
               for cross, shape in zip(CROSSES, SHAPES, strict=True)]
    columns = np.stack([*(log.features[name] for name in COLUMNS), *crossed], axis=1)
    return torch.tensor(columns + START[:-1], device=run.device)

# %%
def pairs(v):
    """The sum of v_i · v_j over all pairs of names: (n, names, k) -> (n,)."""
    return 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1)


class FactorizationMachine(nn.Module):
    def __init__(self, k=8, spread=0.1, told=False):
        super().__init__()
        self.names = 13 if told else 10  # whether the wide part sees the crosses, too
        self.bias = nn.Parameter(torch.tensor(-3.2))  # 4 % clicks
        self.weights = nn.Embedding(int(START[-1]), 1)
        self.vectors = nn.Embedding(int(START[10]), k)
        nn.init.zeros_(self.weights.weight)
        nn.init.normal_(self.vectors.weight, std=spread)

    def wide(self, x):
        # logistic regression
        return self.bias + self.weights(x[:, : self.names]).sum((1, 2))

    def forward(self, x):
        v = self.vectors(x[:, :10])  # (n, 10) -> (n, 10, k)
        return self.wide(x) + pairs(v), v

# %% [markdown]
# Instead of products, a network can read the vectors, laid end to end: **entity embeddings** (범주형 임베딩).
# Add the wide part with its crosses, and it is **wide & deep**: the wide part learns exceptions by heart, the deep part generalizes.
#
# **Predict first.** Nobody tells the factorization machine a cross. Lecture 03's regression was told the three that matter.
# Who wins? And if a network reads the same vectors, without products?

# %%
class Deep(FactorizationMachine):
    def __init__(self, k=8, spread=0.3, told=False):
        super().__init__(k, spread, told)
        layers = [nn.Linear(10 * k, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(),
                  nn.Linear(32, 1)]
        self.deep = nn.Sequential(*layers)

    def forward(self, x):
        v = self.vectors(x[:, :10])
        # (n, 10, k) -> (n, 10k) -> (n,)
        return self.bias + self.deep(v.flatten(1))[:, 0], v


class WideAndDeep(Deep):
    def forward(self, x):
        logits, v = super().forward(x)
        return logits + self.wide(x) - self.bias, v

# %%
def train(model, log, epochs=5, lr=0.02, l2=2e-3):
    """Adam, its rate fading; l2 is the price of a vector's squared length,
    each time it is used."""
    x, y = ids(log), torch.tensor(log.click, dtype=torch.float32, device=run.device)
    descent = torch.optim.Adam(model.parameters(), lr)
    fade = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02,
                                             total_iters=epochs * len(y) // 2000)
    for _ in range(epochs):
        for rows in torch.randperm(len(y), device=run.device).split(2000):
            logits, v = model(x[rows])
            loss = (F.binary_cross_entropy_with_logits(logits, y[rows])
                    + l2 * v.square().sum((1, 2)).mean())
            descent.zero_grad()
            loss.backward()
            descent.step()
            fade.step()
    return model


@torch.no_grad()
def share(model, log):
    """Share of the gap, in per cent."""
    return 100 * log.share_of_gap(model(ids(log))[0].cpu().double().sigmoid().numpy())

# %%
def start(kind, i=0, **options):
    torch.manual_seed(1000 * SEED + i)
    return kind(**options).to(run.device)


machines = [train(start(FactorizationMachine, i), past)
            for i in range(run.pick(lecture=2, full=5))]
shares = {"factorization machine": [share(model, future) for model in machines]}
for name, options in {"regression (01)": {"k": 0},
                      "regression, told (03)": {"k": 0, "told": True},
                      "factorization machine, told": {"told": True}}.items():
    shares[name] = [share(train(start(FactorizationMachine, **options), past), future)]

# %%
def columns(log, names):
    return np.column_stack([log.features[name] for name in names])


for name, kind in {"entity embeddings": Deep, "wide & deep, told": WideAndDeep}.items():
    # Deep never looks
    shares[name] = [share(train(start(kind, i, told=True), past, l2=1e-3), future)
                    for i in range(len(machines))]
# as in lecture 03
encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=SEED))
who = ["user", "ad", "context"]
rest = ["age", "gender", "category", "site", "position", "device", "hour"]
x = np.hstack([encoder.fit_transform(columns(past, who), past.click), columns(past, rest)])
x_new = np.hstack([encoder.transform(columns(future, who)), columns(future, rest)])
boosting = HistGradientBoostingClassifier(learning_rate=0.2, max_iter=60, max_depth=5,
                                          early_stopping=False)
p_new = boosting.fit(x, past.click).predict_proba(x_new)[:, 1]
shares["boosting (03)"] = [100 * future.share_of_gap(p_new)]

# %%
fig, ax = plots.figure("The factorization machine climbs above all that earlier lectures "
                       "reached",
                       xlabel="share of the gap on later days (%), a dot for each start",
                       ylabel="", size=(8, 3.6))
ladder = sorted(shares, key=lambda name: np.mean(shares[name]), reverse=True)
for row, name in enumerate(ladder):
    color = plots.GREY if "(0" in name else plots.BLUE
    ax.plot(shares[name], [row] * len(shares[name]), "o", color=color, markersize=8,
            alpha=0.7)
    plots.name(ax, max(shares[name]), row, f"{np.mean(shares[name]):.0f} %", plots.INK,
               dx=10)
ax.set_yticks(range(len(ladder)), ladder)
ax.set_xlim(0, 100)
plots.show("Dots, from regression at the bottom to machines with products of vectors, "
           "near 70 %, at the top.")

# %%
best = {name: np.mean(values) for name, values in shares.items()}
told, product = best["regression, told (03)"], best["factorization machine"]
claim("the factorization machine, told nothing, beats the told regression",
      product - told, at_least=7)
claim("a network over such vectors, without products, stays behind it",
      product - best["entity embeddings"], at_least=1)
claim("wide & deep beats its wide part", best["wide & deep, told"] - told, at_least=8)
claim("and its deep part",
      best["wide & deep, told"] - best["entity embeddings"], at_least=4)
claim("being told helps it too", best["factorization machine, told"] - product, at_least=2)

# %% [markdown]
# Why does a network fall short? Its ReLU layers have to patch a product together from flat pieces, and 4 % clicks are few to learn it from.
# With more data or more passes the gap may close; here the right *form* is worth more than a flexible one.
# Two starts of one machine may lie points apart, as those of wide & deep in the picture do: do not rank close rungs.
# And start vectors small: products of $N(0, 1)$ numbers, PyTorch's own start, begin as loud nonsense about every pair.
#
# **The library's way.** PyTorch has no such layer. Ours, with checks and errors, stays in `utils/scratch/factorization.py`, for lectures 16 and 18. Its `WideAndDeep(pairs=True)` has products *and* network: DeepFM.

# %%
loud = train(start(FactorizationMachine, spread=1.0), past, epochs=3)
claim("with nn.Embedding's own start the factorization machine is worse than the base rate",
      share(loud, future), at_most=0)

sizes = dict(zip(COLUMNS, SIZES[:10], strict=True))
kept = factorization.FactorizationMachine(sizes).to(run.device)
ours = (machines[0].state_dict()
        | {"weights.weight": machines[0].weights.weight[: START[10]]})
# it also holds where the columns begin, which ours does not
kept.load_state_dict(ours, strict=False)
with torch.no_grad():
    x = ids(future[:1000])
    v = machines[0].vectors(x[:, :10])  # (1000, 10, 8)
    loop = sum((v[:, i] * v[:, j]).sum(1) for i in range(10) for j in range(i))
    # it counts each column's names from zero
    apart = kept(x[:, :10] - kept.start) - machines[0](x)[0]
claim("the short form is the double loop over pairs",
      (pairs(v) - loop).abs().max(), at_most=1e-4)
claim("the kept machine gives our logits", apart.abs().max(), at_most=1e-4)

# %% [markdown]
# ## 6 · The learned geometry, held against the truth
#
# On the map: `embedding` · `entity-embedding`
#
# Up to a linear map, the vectors hold most of the truth about ads, about half for users, more for frequent ones.
#
# This log was made from hidden factors, three for each user, ad and context. Are they in there?
# Number by number you find nothing: the model uses vectors only through products, and $(vQ) \cdot (uQ) = v \cdot u$ for every rotation $Q$.
# As in section 3, axes mean nothing; angles do.
#
# So ask for a *linear map* from the eight learned numbers to the three true ones, fitted on nine tenths of the names, judged on the rest.
#
# **Ask the room.** Your team trains anew every night. Another team copies only the user table, once a week. What breaks?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# In real life there is no truth to align with. Say so; the point is what kind of sameness to expect: between two starts, between last week's table and today's.

# %%
world, model = data.ad_world(), machines[0]
truth = {"user": world.user_factors, "ad": world.ad_factors,
         "context": world.context_factors}


def table(model, name):
    """The learned vectors of a column: (names, k)."""
    i = COLUMNS.index(name)
    return model.vectors.weight[START[i] : START[i + 1]].detach().cpu().double().numpy()


def mapped(vectors, true):
    """What a linear map of the vectors says of the truth;
    each name is judged by a map fitted without it."""
    folds = KFold(10, shuffle=True, random_state=0)
    return cross_val_predict(RidgeCV(np.logspace(-3, 2, 11)), vectors, true, cv=folds)


def explained(guess, true):
    return 1 - ((guess - true) ** 2).sum() / ((true - true.mean(axis=0)) ** 2).sum()


found = {name: mapped(table(model, name), truth[name]) for name in truth}
# Users are numbered from frequent to rare; eighty at a time:
often = [explained(found["user"][i : i + 80], truth["user"][i : i + 80])
         for i in range(0, 400, 80)]

# %%
fig, axes = plots.panels("One linear map turns learned vectors into the hidden truth",
                         ["50 ads, first two learned numbers", "mapped to the true factors",
                          "users, from frequent to rare"], xlabel="", ylabel="",
                         size=(10.5, 3.8))
shade = {"c": truth["ad"][:, 0], "cmap": "RdBu", "s": 28, "edgecolors": plots.GREY,
         "linewidths": 0.5}
axes[0].scatter(*table(model, "ad")[:, :2].T, **shade)
axes[0].set(xlabel="learned number 1", ylabel="learned number 2")
for true, guess in zip(truth["ad"], found["ad"], strict=True):
    axes[1].plot([true[0], guess[0]], [true[1], guess[1]], color=plots.GREY, linewidth=0.8)
axes[1].scatter(*found["ad"][:, :2].T, **shade)
axes[1].plot(*truth["ad"][:, :2].T, "k.", markersize=3)
axes[1].set(xlabel="factor 1 (dot: true, circle: found)", ylabel="factor 2")
axes[2].bar(["80", "160", "240", "320", "400"], [100 * o for o in often], color=plots.BLUE)
axes[2].set(xlabel="rank of the users, up to", ylabel="truth explained (%)", ylim=(0, 100))
plots.show("Unordered dots; after a linear map each lies near its truth; "
           "frequent users are found better.")

# %%
quality = {name: explained(found[name], truth[name]) for name in truth}
claim("a linear map of the ads' vectors explains most of the truth",
      quality["ad"], at_least=0.75)
claim("of the users' vectors, about half", quality["user"], at_least=0.35, at_most=0.7)
nothing = rng.normal(size=(400, 8))
claim("of random vectors, nothing",
      explained(mapped(nothing, truth["user"]), truth["user"]), at_most=0.05)
claim("frequent users are found better than rare ones", often[0] - often[-1], at_least=0.08)

# %%
one, other = table(machines[0], "user"), table(machines[1], "user")
turn, _ = orthogonal_procrustes(other, one)  # the best rotation
claim("two starts: number by number, the users' vectors have little in common",
      abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]), at_most=0.5)
claim("after one rotation they agree: correlation",
      np.corrcoef(one.ravel(), (other @ turn).ravel())[0, 1], at_least=0.7)

# %% [markdown]
# ## 7 · Used again: one probe, several representations
#
# On the map: `embedding` · `entity-embedding` · `pca`
#
# Vectors learned in one task are features for the next, and pay most while its data is short.
#
# Ten ads are new: struck from the log before any learning.
# The **probe** of an ad reads the user only: a fresh logistic regression, or the click rate of the 50 nearest users.
# What stands for the user changes:
#
# - **one-hot**; **random**: eight numbers;
# - **PCA**: eight numbers from the 400 × 40 click rates on old ads;
# - **factorization machine**: the rows of user, age and gender, added, as products see them;
# - **entity embeddings**: the three vectors end to end, as the network reads them.
#
# **Predict first.** Which is best after 1,000 impressions of a new ad, some 40 clicks? And after 8,000?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Ask what the user's vector alone would leave out: whatever age and gender already say. The model has no reason to write it twice.

# %%
fresh_ads = np.arange(4, 50, 5)
old = past[~np.isin(past.features["ad"], fresh_ads)]
clicked, seen_by = np.zeros((400, 50)), np.zeros((400, 50))
np.add.at(seen_by, (old.features["user"], old.features["ad"]), 1)
np.add.at(clicked, (old.features["user"], old.features["ad"]), old.click)
# 20 impressions at the mean: few say little
rate = (clicked + 20 * old.click.mean()) / (seen_by + 20)
rate = np.delete(rate, fresh_ads, axis=1)  # (400, 40)

fm, deep = train(start(FactorizationMachine), old), train(start(Deep), old, l2=1e-3)
rows = np.stack([np.arange(400), world.age, world.gender], axis=1) + START[:3]  # (400, 3)
rows = torch.tensor(rows, device=run.device)
with torch.no_grad():
    # added (400, 3, 9) -> (400, 9)
    added = torch.cat([fm.vectors(rows), fm.weights(rows)], dim=2).sum(1)
    end_to_end = deep.vectors(rows).flatten(1)  # (400, 24)
stands_for = {"one-hot": np.eye(400), "random": rng.normal(size=(400, 8)),
              "PCA": PCA(8, svd_solver="full").fit_transform(rate),
              "factorization machine": added.cpu().double().numpy(),
              "entity embeddings": end_to_end.cpu().double().numpy()}

# %%
def by_user(log, ad):
    """For each user, how often the ad was shown and clicked: two arrays (400,)."""
    rows = log.features["ad"] == ad
    user = log.features["user"][rows]
    return np.bincount(user, minlength=400), np.bincount(user, log.click[rows], 400)


def regress(E, shows, clicks):
    """Logistic regression on what stands for the user: (400, d) -> click rates (400,)."""
    twice, yes = np.vstack([E, E]), np.repeat([1, 0], 400)
    weights = np.concatenate([clicks, shows - clicks])
    return LogisticRegression(max_iter=300).fit(twice, yes, weights).predict_proba(E)[:, 1]


def ask_neighbours(E, shows, clicks, k=50):
    """The click rate of the 50 nearest users,
    and of 50 impressions at the ad's own rate."""
    far = ((E[:, None] - E) ** 2).sum(axis=2) if E.shape[1] < 50 else 2 - 2 * E @ E.T
    near = far.argpartition(k, axis=1)[:, :k]
    return ((clicks[near].sum(axis=1) + 50 * clicks.sum() / shows.sum())
            / (shows[near].sum(axis=1) + 50))


def probe(machine, E, sample, test):
    """Share of the gap on the new ads, in per cent, all representations on one scale."""
    E = E - E.mean(axis=0)
    E = E / np.sqrt((E**2).sum(axis=1).mean())  # one fixed price must mean the same to all
    p = np.zeros(len(test))
    for ad in fresh_ads:
        rows = test.features["ad"] == ad
        p[rows] = machine(E, *by_user(sample, ad))[test.features["user"][rows]]
    return 100 * test.share_of_gap(p)

# %%
more = data.load("ads", rows=1_000_000, seed=SEED + 1000)
more = more[np.isin(more.features["ad"], fresh_ads)]
first_half, test = more[: len(more) // 2], more[len(more) // 2 :]
turn_of = np.zeros(len(first_half), dtype=int)  # how often its ad was shown before
for ad in fresh_ads:
    rows = first_half.features["ad"] == ad
    turn_of[rows] = np.arange(rows.sum())

counts, scores = [300, 1000, 3000, 8000], {}
for machine in (regress, ask_neighbours):
    for name, E in stands_for.items():
        scores[machine, name] = [probe(machine, E, first_half[turn_of < n], test)
                                 for n in counts]

fig, axes = plots.panels("Borrowed vectors win while data is short; "
                         "with enough clicks, one-hot wins",
                         ["logistic regression", "nearest neighbours"],
                         xlabel="impressions of each new ad",
                         ylabel="share of the gap (%)", size=(10, 4), sharey=True)
tint = dict(zip(stands_for, [plots.INK, plots.GREY, plots.GREEN, plots.BLUE, plots.ORANGE],
                strict=True))
for (machine, name), line in scores.items():
    ax = axes[int(machine is ask_neighbours)]
    ax.semilogx(counts, line, "o-", color=tint[name])
    apart = {"factorization machine": 6, "PCA": -5, "random": 6, "one-hot": -6}.get(name, 0)
    plots.name(ax, counts[-1], line[-1], name if machine is ask_neighbours else "",
               tint[name], dy=apart)
for ax in axes:
    ax.set(xticks=counts, xticklabels=counts, ylim=(-5, 55))
    ax.minorticks_off()
plots.show("Left: vectors lead at 1,000 impressions, one-hot at 8,000. "
           "Right: vectors and PCA lead.")

# %%
few, many = ({name: scores[regress, name][i] for name in stands_for} for i in (1, 3))
claim("1,000 impressions: borrowed vectors are far ahead of one-hot",
      few["factorization machine"] - few["one-hot"], at_least=8)
claim("and ahead of PCA", few["factorization machine"] - few["PCA"], at_least=1)
claim("random vectors of the same length are worth little", few["random"], at_most=12)
claim("8,000: one-hot is ahead",
      many["one-hot"] - many["factorization machine"], at_least=3)
gain = np.subtract(scores[ask_neighbours, "factorization machine"],
                   scores[ask_neighbours, "one-hot"])
claim("nearest neighbours need near to mean alike: at 3,000, ahead of one-hot",
      gain[2], at_least=12)

# %% [markdown]
# PCA of plain counts is close behind: try it first, it takes a line and a second.
# A few numbers cannot hold all that is peculiar to one user, so in the end 400 columns win.
# And the vectors know what their task needed, nothing else: for a probe about something that never moved a click they may be as poor as random ones.
#
# **Ask the room.** Which table of vectors in your company could serve a second task, and what did its first task leave out?

# %% [markdown]
# ## What goes wrong in practice
#
# - **PCA on raw columns.** The largest unit wins (task 2). Bring columns to one spread first, unless they share a unit, as pixels do.
# - **Reading single numbers.** "Number 3 is sport": only after you have turned the space so that it is, and tested it.
# - **Mixing tables** of two starts, or of yesterday and today. Turn them first, or ship all tables together.
# - **Names never seen** keep their random start. Train a row for "unknown".
# - **Leaked vectors.** Had the new ads' clicks been in the log that the vectors learned from, section 7 would be worthless (lecture 00).
# - **t-SNE as evidence.** It keeps neighbours only, and has no place for a new point. Give other machines PCA's numbers or an encoder's.

# %% [markdown]
# ## Summary
#
# 1. An embedding is a table; one-hot times table is a lookup, and only rows that were looked up learn.
# 2. PCA keeps the directions that vary most. A linear auto-encoder finds the same subspace, with other axes.
# 3. A bent auto-encoder wins where the middle is narrow. t-SNE keeps neighbours: no sizes, no distances, no islands to count.
# 4. Vectors with products beat the crosses that a human told, and a network that has to discover products.
# 5. A linear map of learned vectors gives back much of the hidden truth; they serve other machines best when their data is short.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 08`, then open `exercises/work/08_exercises.ipynb`: six tasks, about 120 minutes.
#
# - C. Eckart, G. Young (1936), *The approximation of one matrix by another of lower rank*, Psychometrika 1.
# - P. Baldi, K. Hornik (1989), *Neural networks and principal component analysis: learning from examples without local minima*, Neural Networks 2.
# - G. E. Hinton, R. R. Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*, Science 313.
# - L. van der Maaten, G. E. Hinton (2008), *Visualizing data using t-SNE*, JMLR 9.
# - M. Wattenberg, F. Viégas, I. Johnson (2016), *How to use t-SNE effectively*, Distill.
# - S. Rendle (2010), *Factorization machines*, ICDM.
# - C. Guo, F. Berkhahn (2016), *Entity embeddings of categorical variables*, arXiv 1604.06737.
# - H.-T. Cheng and others (2016), *Wide & deep learning for recommender systems*, DLRS.
# - H. Guo and others (2017), *DeepFM: a factorization-machine based neural network for CTR prediction*, IJCAI.
# - S. Rendle, W. Krichene, L. Zhang, J. Anderson (2020), *Neural collaborative filtering vs. matrix factorization revisited*, RecSys.
