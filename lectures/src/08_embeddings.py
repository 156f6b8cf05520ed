# %% [markdown]
# # 08 · Embeddings
#
# **Question.** A machine reads numbers. How do you turn a picture, a user or an ad into a few of them, so that near means alike?
#
# **You will be able to** write PCA in three lines and say what it keeps; show that a linear auto-encoder is PCA; read a t-SNE picture without believing too much; learn vectors for users and ads, and say on whose ground they win; know what an optimizer does to rows that nobody looks up; give a vector to a name that was never seen.
#
# **Needs** 01, 02, 03, 05, 07 · **Minutes** 95 to teach, 150 to study · **CPU** 45 s
#
# On the map: `embedding` · `dimension-reduction` · `pca` · `unsupervised` · `entity-embedding`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data and more starts
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree, procrustes
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.manifold import TSNE
from sklearn.model_selection import KFold, cross_val_predict
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("08")

# %% [markdown]
# ## 1 · A name is a row of a table
#
# On the map: `embedding` · `entity-embedding`
#
# Lecture 01 wrote a name as one-hot: three ads, three columns, a single 1. Any two such rows are equally far apart, so they say nothing about likeness.
#
# An **embedding** (임베딩) multiplies the one-hot row by a table $E$, which has a row of $k$ numbers for each name, chosen by descent. Here $k = 2$:

# %%
s = schematics.Sketch("One-hot times a table picks a row, so look the row up", width=8.6,
                      height=2.4)
NUMBERS = [["0.5", "0.1"], ["2.0", "−0.3"], ["−1.0", "0.7"]]
for column, number in enumerate("001"):
    s.box(number, at=(0.8 + 0.5 * column, 1.45), size=(0.5, 0.45), kind="data")
s.text("one-hot row of ad 2", (1.3, 0.9), fontsize=11)
s.text("×", (2.35, 1.45))
for row, numbers in enumerate(NUMBERS):
    s.text(f"ad {row}", (3.1, 2.0 - 0.55 * row), fontsize=11)
    for column, number in enumerate(numbers):
        s.box(number, at=(3.8 + 0.75 * column, 2.0 - 0.55 * row), size=(0.75, 0.5),
              kind="good" if row == 2 else "concept")
s.text("the table E, 3 × 2", (4.18, 0.3), fontsize=11)
s.text("=", (5.35, 1.45))
out = [s.box(number, at=(6.1 + 0.75 * i, 1.45), size=(0.75, 0.5), kind="good")
       for i, number in enumerate(NUMBERS[2])]
s.text("0·0.5 + 0·2.0 + 1·(−1.0) = −1.0\n0·0.1 + 0·(−0.3) + 1·0.7 = 0.7", (6.7, 0.7),
       fontsize=11)
s.show("A one-hot row with its 1 in the third place, times a table of three rows, gives "
       "the table's third row.")

# %% [markdown]
# The zeros wipe out all rows but one. So nobody multiplies: the row is *looked up*.
#
# And the gradient? Lecture 05's rule for a product $R = HE$ says
#
# $$\frac{\partial L}{\partial E} = H^\top \frac{\partial L}{\partial R}$$
#
# with $H$ the one-hot rows, one for each look-up, $R$ the rows that come out, $L$ the loss.
# So a row of the table adds up the gradients of all its look-ups: a row looked up twice, with gradients 0.3 and −0.1 arriving, gets 0.2. Without a look-up: zero.
#
# **The library's way.** `nn.Embedding` is the look-up. `nn.EmbeddingBag` looks up a *bag* of names, and averages their rows. With `mode="sum"` it is a row with several ones, times $E$; if $E$ has one column, adding bias and sigmoid gives logistic regression. Unequal bags come flat: `offsets` says where each begins; `per_sample_weights` weighs the rows of a sum.

# %%
table, shown = rng.normal(size=(6, 3)), np.array([2, 0, 5, 2])  # six ads; four look-ups
H, arriving = np.eye(6)[shown], rng.normal(size=(4, 3))  # one-hot rows; the loss's gradient
layer = nn.Embedding.from_pretrained(torch.tensor(table), freeze=False)
layer(torch.tensor(shown)).backward(torch.tensor(arriving))  # no loss here: hand in ∂L/∂R
claim("nn.Embedding's gradient is one-hot, turned, times what arrives (largest difference)",
      np.abs(layer.weight.grad.numpy() - H.T @ arriving).max(), at_most=1e-12)
bag = nn.EmbeddingBag.from_pretrained(torch.tensor(table))
print("a bag of ads 2 and 0 averages:", bag(torch.tensor([[2, 0]])).numpy().round(2))

# %% [markdown]
# **A row that nobody looks up.** Its gradient is zero. Does it stay where it is?
#
# In a table of a million names nearly every row is idle in nearly every step. Try two rows, $a$ and $b$, of one number each, both 0.2 at first.
# In steps 1 to 10 only $a$ is looked up, and pulled to a target near 1. From step 11 on only $b$ is.
#
# **Predict first.** From step 11 on the gradient of $a$ is exactly zero. Which of plain SGD and Adam moves $a$ after that?

# %%
predict("08.idle", "neither", "SGD", "Adam", "both")

# %%
WAYS = {"SGD": (torch.optim.SGD, {"lr": 0.1}),
        "SGD, momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
        "SGD, weight decay": (torch.optim.SGD, {"lr": 0.1, "weight_decay": 0.1}),
        "Adam": (torch.optim.Adam, {"lr": 0.05}),
        "SparseAdam": (torch.optim.SparseAdam, {"lr": 0.05})}


def rows_over_time(kind, settings):
    """The numbers of rows a and b, at the start and after each step: (steps + 1, 2)."""
    torch.manual_seed(SEED)  # the same targets for all
    # sparse: the gradient lists the rows that were looked up, in place of a full table
    rows = nn.Embedding(2, 1, sparse=kind is torch.optim.SparseAdam)
    nn.init.constant_(rows.weight, 0.2)
    optimizer, path = kind(rows.parameters(), **settings), [rows.weight[:, 0].tolist()]
    for t in range(10 + run.steps(190)):
        target = 1 + 0.3 * torch.randn(())
        loss = (rows(torch.tensor([0 if t < 10 else 1])) - target).square().sum() / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        path.append(rows.weight[:, 0].tolist())
    return np.array(path)

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Do one product by hand on the board, and cross out the zeros.
# At the prediction most say "neither: the gradient is zero". Ask what lecture 02's Adam keeps between two steps.

# %%
paths = {name: rows_over_time(*way) for name, way in WAYS.items()}
# row a: at the start, after its ten look-ups, at the end
begin, busy, end = np.array([path[[0, 10, -1], 0] for path in paths.values()]).T
on = dict(zip(paths, (end - busy) / (busy - begin), strict=True))
fig, ax = plots.figure("Row a, idle from step 11 on: SGD and SparseAdam leave it alone",
                       xlabel="step", ylabel="the number in row a", size=(8, 3.8))
ax.axvspan(0, 10, color=plots.GREY, alpha=0.15, linewidth=0)
tints = [plots.INK, plots.BLUE, plots.RED, plots.ORANGE, plots.GREEN]
shown = {name: path[:61, 0] for name, path in paths.items()}
plots.curves(ax, np.arange(len(shown["SGD"])), shown, tints,
             dy={"SGD": 8, "SparseAdam": -8, "SGD, momentum": 5, "Adam": -5})
ax.text(5, 0.05, "looked up", ha="center", color=plots.INK)
ax.set_ylim(0, 1.9)
plots.show("Five lines rise for ten steps; then SGD and SparseAdam stay level, momentum "
           "and Adam go on, weight decay sinks.")
moves = [name for name in ("SGD", "Adam") if abs(on[name]) > 0.01]
outcome("08.idle", {0: "neither", 1: moves[0] if moves else "", 2: "both"}[len(moves)])

# %%
claim("plain SGD leaves an idle row alone, and so does SparseAdam (largest move)",
      max(abs(on["SGD"]), abs(on["SparseAdam"])), at_most=0)
claim("Adam, after ten look-ups: what row a still moves, as a share of its move before",
      on["Adam"], at_least=0.5)

# %% [markdown]
# Momentum steps along a fading sum of past gradients, Adam along a fading mean. Adam's step is $\eta \cdot \bar g \,/ \sqrt{\overline{g^2}}$, each mean corrected for its start (02): $\bar g$ fades to 0.9 of itself each step, $\overline{g^2}$ only to 0.999. So after *one* look-up, late in training, the idle steps sum to nine times the look-up's step: $0.9 + 0.9^2 + \dots = 9$.
# Weight decay (lecture 06) shrinks every row in every step. Rare names settle near zero, where decay and their few gradients balance.
#
# `SparseAdam` works on the rows that were looked up, and on no others. So a step costs what the batch needs, not the size of the table. Its price: a row that comes back after a long time still holds its old average.
# In this lecture's log all names are frequent, and Adam will do.

# %% [markdown]
# ## 2 · PCA: fewer numbers, chosen without labels
#
# On the map: `dimension-reduction` · `pca` · `unsupervised`
#
# **Dimension reduction** (차원 축소) describes data with fewer numbers and loses as little as possible.
# It needs no labels: **unsupervised learning** (비지도 학습).
#
# Four points: (3, 1), (1, 3), (−3, −1), (−1, −3). One number must do for each. Which?
# The first coordinate loses all of the second, $1 + 9 + 1 + 9 = 20$ in squares.
# Along the diagonal, the direction $(1, 1) / \sqrt 2$, the point (3, 1) lies at $(3 + 1) / \sqrt 2 = 2.8$. That number gives back the point (2, 2). Lost is (1, −1), in squares 2.
# All squares of the four points sum to 40. Kept are $4 \cdot 8 = 32$, lost $4 \cdot 2 = 8$. So the diagonal, the best axis, keeps 80 %.

# %% [markdown]
# **PCA** (주성분분석), principal component analysis, finds such axes for any table $X$ of $n$ rows and $d$ columns.
# First take each column's mean away. Then split $X$ by its **singular value decomposition** (특잇값 분해), one call of NumPy:
#
# $$X = U S V^\top$$
#
# - The rows $v_1, v_2, \dots$ of $V^\top$, $d \times d$, are the axes: of length one, at right angles to each other.
# - $S$, $d \times d$, is diagonal; NumPy gives its numbers as a list, largest first. Their squares say how much lies along each axis: above $s_1^2 = 32$, $s_2^2 = 8$. Divided by $n$ they are variances.
# - $U$, $n \times d$ (with `full_matrices=False`), is where each row lies along each axis, in units of $s$.
#
# The first $k$ axes keep the most. The *code* of a row $x$ is $k$ numbers, $x \cdot v_1 \dots x \cdot v_k$.
#
# <details><summary>Why no other k axes lose less</summary>
#
# Take any $k$ axes of length one at right angles, the columns of $W$, $d \times k$. By Pythagoras, lost plus kept is $\lVert X \rVert^2$, the sum of all squares: losing least means keeping most.
# Kept is $\lVert X W \rVert^2 = \lVert U S V^\top W \rVert^2 = \lVert S V^\top W \rVert^2$, since $U$'s columns, too, have length one and stand at right angles. Row $i$ of $S V^\top W$ is $s_i\, v_i W$. So kept is $\sum_i s_i^2\, \lVert v_i W \rVert^2$.
# The factor $\lVert v_i W \rVert^2$ is the squared length of $v_i$'s shadow on the $k$ axes, at most 1. As $V^\top$ only turns, together $\lVert V^\top W \rVert^2 = \lVert W \rVert^2 = k$.
# So the sum is largest with the factor 1 for the $k$ largest $s_i$, and 0 for the rest (Eckart and Young, 1936).
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Draw the four points, and do (3, 1) by hand. How many of 64 numbers keep 90 % of a digit? "About half" is the usual guess.

# %%
digits = data.load("digits")
fit, judge = np.split(rng.permutation(len(digits.x)), [1200])
mean = digits.x[fit].mean(axis=0) / 16
X, X_new = digits.x[fit] / 16 - mean, digits.x[judge] / 16 - mean  # (1200, 64), (597, 64)

U, S, Vt = np.linalg.svd(X, full_matrices=False)  # PCA is this line
code = X @ Vt[:8].T   # (1200, 64) @ (64, 8): eight numbers a digit
back = code @ Vt[:8]  # (1200, 8) @ (8, 64): 64 pixels, as well as eight numbers can
print(f"eight of 64 numbers lose {100 * ((X - back) ** 2).sum() / (X**2).sum():.0f} %")

# %%
along = ((X_new @ Vt.T) ** 2).sum(axis=0)  # new digits: what lies along each axis
kept = {"fitted": 100 * np.cumsum(S**2) / (S**2).sum(),
        "new": 100 * np.cumsum(along) / along.sum()}
needed = 1 + np.argmax(kept["new"] >= 90)  # the first place where it is so
fig, axes = plots.panels(f"Few axes keep most: {needed} of 64 for 90 % of a digit",
                         ["four points, one axis", "digits: variance kept (%)"],
                         xlabel="first number", ylabel="second number", size=(10, 3.9))
four = np.array([[3, 1], [1, 3], [-3, -1], [-1, -3]])
onto = four @ np.ones((2, 2)) / 2  # the nearest points on the diagonal
axes[0].axline((0, 0), slope=1, color=plots.ORANGE)
for point, foot in zip(four, onto, strict=True):
    axes[0].plot(*zip(point, foot, strict=True), ":", color=plots.INK)  # what is lost
axes[0].plot(*four.T, "o", color=plots.BLUE)
axes[0].plot(*onto.T, "o", color=plots.ORANGE)
axes[0].set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
plots.name(axes[0], 1, 3, "data", plots.BLUE)
plots.name(axes[0], 2, 2, "kept", plots.ORANGE)
axes[1].plot(range(1, 65), kept["fitted"], color=plots.BLUE)
axes[1].plot(range(1, 65), kept["new"], "--", color=plots.GREEN)
plots.name(axes[1], 30, 91, "1,200 digits it was fitted to", plots.BLUE, dx=0, dy=-30)
plots.name(axes[1], 30, 91, "597 others (dashed)", plots.GREEN, dx=0, dy=-48)
axes[1].plot(needed, 90, "o", color=plots.ORANGE)
axes[1].set_xlabel("axes kept")
plots.show("Left: four points and their feet on a diagonal. Right: the variance kept rises "
           "steeply, passes 90 % at a third of the axes, and flattens.")
claim("axes that keep 90 % of the variance of digits never seen, of 64",
      needed, at_least=17, at_most=24)

# %% [markdown]
# ## 3 · A linear auto-encoder is PCA; bent, it wins where the middle is narrow
#
# On the map: `pca` · `dimension-reduction`
#
# Lecture 07's auto-encoder turns $x$ into a code and rebuilds it. Leave out its bends: 64 pixels, 8 numbers, 64 pixels, squared error. With an encoder $C$, 64 × 8, and a decoder $D$, 8 × 64:
#
# $$\hat x = x\, C D$$
#
# $\hat x$ mixes the eight rows of $D$: it lies in the *subspace* that they span, as mixtures of two arrows lie in a plane. No eight axes lose less than PCA's. Does descent find their subspace?
#
# Compare subspaces, not axes: any two arrows in a plane span it.
# Which arrow in plane A leans furthest out of plane B? Its angle to B is the largest **principal angle** (주각).
# Less its shadow on B, an arrow of length one has the length $\sin(\text{angle})$.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Hold two sheets of paper at an angle; the same plane can carry any pair of arrows. The usual slip is to compare PCA's axes with the network's one by one.

# %%
def largest_angle(A, B):
    """Between the subspaces that the columns of A and B span, in degrees."""
    A, B = np.linalg.qr(A)[0], np.linalg.qr(B)[0]  # columns of length one, at right angles
    rest = A - B @ (B.T @ A)  # each arrow of A, less its shadow on B
    # norm(…, 2): the largest singular value, the longest rest of all arrows in A
    return np.degrees(np.arcsin(min(1, np.linalg.norm(rest, 2))))


pictures = torch.tensor(X)  # double precision, so on the CPU everywhere
torch.manual_seed(SEED)
linear = nn.Sequential(nn.Linear(64, 8, bias=False), nn.Linear(8, 64, bias=False)).double()
optimizer, steps = torch.optim.Adam(linear.parameters(), lr=0.02), run.steps(1500)
fade = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / steps))  # to 1 %
for _ in range(steps):
    optimizer.zero_grad()
    loss = F.mse_loss(linear(pictures), pictures)
    loss.backward()
    optimizer.step()
    fade.step()
drawn = linear[1].weight.detach().numpy()  # (64, 8): what each number of the code draws
drawn /= np.linalg.norm(drawn, axis=0)

# %%
plots.images(np.concatenate([Vt[:8], drawn.T]).reshape(16, 8, 8), columns=8, diverging=True,
             names=[f"{who} {i}" for who in ("PCA", "network") for i in range(1, 9)],
             title="One subspace, two sets of axes (blue: above 0, red: below)")
plots.show("Two rows of eight patterns: PCA's, and the network's, all equally mixed.")
claim("the network's subspace is PCA's: largest principal angle, in degrees",
      largest_angle(Vt[:8].T, drawn), at_most=0.5)
claim("its axes are others: cosine with the most like of PCA's, mean (random axes: 0.65)",
      np.abs(Vt[:8] @ drawn).max(axis=0).mean(), at_most=0.8)  # a column for each of ours

# %% [markdown]
# Any matrix $M$ that can be undone ($M M^{-1}$ changes nothing) may slip in between, $C M M^{-1} D$, and the output stays. So a code number of an auto-encoder *means nothing by itself*.
#
# **Bend it:** two ReLU layers of 128 units on either side of the middle, trained for 20 epochs, at one rate. Judge on the 597 digits that neither has seen, by the mean squared error of a pixel (0 to 1).

# %%
def bent(k, h=128):
    encoder = [nn.Linear(64, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, k)]
    decoder = [nn.Linear(k, h), nn.ReLU(), nn.Linear(h, h), nn.ReLU(), nn.Linear(h, 64)]
    return nn.Sequential(*encoder, *decoder).to(run.device)


def train_to_copy(net, x, epochs, lr=3e-3):
    optimizer = torch.optim.Adam(net.parameters(), lr)
    for _ in range(run.steps(epochs)):
        for rows in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            F.mse_loss(net(x[rows]), x[rows]).backward()
            optimizer.step()


train_x, test_x = (torch.tensor(part, dtype=torch.float32, device=run.device)
                   for part in (X, X_new))
widths, error = [2, 4, 8, 16, 32], {"PCA": [], "auto-encoder": []}
for k in widths:
    torch.manual_seed(SEED)
    net = bent(k)
    train_to_copy(net, train_x, epochs=run.pick(lecture=20, full=200))
    with torch.no_grad():
        error["auto-encoder"].append(F.mse_loss(net(test_x), test_x).item())
    error["PCA"].append(np.mean((X_new - X_new @ Vt[:k].T @ Vt[:k]) ** 2))

ratio = np.divide(error["auto-encoder"], error["PCA"])
claim("eight numbers: the bent auto-encoder's error over PCA's (ratio)", ratio[2],
      at_most=0.75)
claim("32 numbers, in 20 epochs: its error over PCA's (ratio)", ratio[4],
      at_least=3, short=True)

# %%
fig, ax = plots.figure("Narrow, bending pays; wide, 20 epochs are too few", size=(7.5, 3.5),
                       xlabel="numbers in the middle (log)", ylabel="error (log)")
plots.curves(ax, widths, error, [plots.GREEN, plots.BLUE], dots=True)
ax.set(xscale="log", yscale="log")
ax.set_xticks(widths, widths)
ax.set_yticks([0.003, 0.01, 0.03], ["0.003", "0.01", "0.03"])
ax.minorticks_off()
plots.show("Error falls with width; the auto-encoder is below PCA up to 8, above it at 32.")

# %% [markdown]
# ## 4 · t-SNE: a picture, and four ways to misread it
#
# On the map: `dimension-reduction` · `unsupervised`
#
# **t-SNE** (티스니) draws points in the plane. It tries to keep neighbours and gives up the rest, so read nothing else from it.
#
# *In the data* row $i$ gives each other row a share of its attention: a Gaussian of the distance $r$, $e^{-r^2 / 2 \sigma_i^2}$, scaled so that the shares sum to 1.
# With $\sigma_i = 1$ and two others at distances 1 and 2: $e^{-1/2} = 0.61$ and $e^{-2} = 0.14$, so the shares are 0.82 and 0.18.
# How many neighbours is that? $m$ equal shares $1/m$ have the entropy $-\sum p \log p = \log m$: lecture 01's cross-entropy, of the shares with themselves. Here it is 0.47, so $m = e^{0.47} = 1.6$. This number is the **perplexity** (퍼플렉시티). You choose it, often 30, and each $\sigma_i$ is set to meet it.

# %% [markdown]
# $p_{ij}$ is the mean of $i$'s share for $j$ and $j$'s for $i$, divided by the number of rows: all sum to 1.
# *In the picture* row $i$ stands at $y_i$. Two points have the closeness $1 / (1 + \lVert y_i - y_j \rVert^2)$, 1 if they meet and ½ at distance 1. $q_{ij}$ is that over the sum of all. Descent moves the points to make this small:
#
# $$\text{loss} = \sum_{i \ne j} p_{ij} \log \frac{p_{ij}}{q_{ij}}$$
#
# Neighbours torn apart, $p = 0.02$ and $q = 0.001$, cost $0.02 \log 20 = 0.06$. Strangers that meet, the other way round, count $-0.003$. (They do cost something: all $q$ sum to 1, so theirs is missing elsewhere.)

# %%
def small(X):  # PCA's plane, as small as a start should be: (n, d) -> (n, 2)
    plane = PCA(2, svd_solver="full").fit_transform(X)
    return 1e-4 * plane / plane[:, 0].std()


def tsne(X, perplexity, start):
    steps = max(250, run.steps(500))  # the library takes no fewer
    return TSNE(perplexity=perplexity, init=start.astype(np.float32), method="exact",
                max_iter=steps).fit_transform(X)

# %%
some, digit = X[:300], digits.y[fit][:300]
picture = {"PCA's first two axes": 1e4 * small(some), "t-SNE": tsne(some, 30, small(some))}
plots.groups("300 digits; colours and numbers are labels, which neither saw", picture,
             [digit, digit])
plots.show("PCA's plane shows overlapping clouds of digits; "
           "t-SNE shows islands, mostly one digit each.")
agree = {}  # per cent of digits whose nearest is the same digit
for name, Y in {"64 pixels": some, **picture}.items():
    nearest = cKDTree(Y).query(Y, k=2)[1][:, 1]  # of two, the first is the point itself
    agree[name] = 100 * np.mean(digit[nearest] == digit)
    print(f"{name}: the nearest shows the same digit for {agree[name]:.0f} %")
claim("the nearest point shows the same digit: t-SNE over PCA's plane (points)",
      agree["t-SNE"] - agree["PCA's first two axes"], at_least=20)

# %% [markdown]
# One digit may own several islands; its number stands at the median of its points. Now the four traps: (1) sizes, (2) distances, (3) islands, (4) starts.
#
# Two datasets without a secret: a single cloud, 200 points of Gaussian noise in ten dimensions.
# The other has three clouds, A, B and C, on a line: C is ten times as wide as A and B, and nine times as far from B as A is.
#
# An *island*: three or more points joined by steps of up to four times the median distance to the nearest point.
#
# **Predict first.** The single cloud, drawn with perplexity 2. How many islands?

# %%
predict("08.islands", "1", "2 to 9", "10 or more")

# %%
noise, first = rng.normal(size=(200, 10)), np.eye(10)[0]  # first: the axis of the line
clouds = np.concatenate([at * first + width * rng.normal(size=(60, 10))
                         for at, width in [(0, 1), (20, 1), (200, 10)]])
which = np.repeat(["A", "B", "C"], 60)
at = {2: tsne(noise, 2, small(noise)), 30: tsne(noise, 30, small(noise))}
clouds_drawn = tsne(clouds, 30, small(clouds))


def islands(Y):
    """The number of each point's island, and how many islands have three points or more."""
    step = 4 * np.median(cKDTree(Y).query(Y, k=2)[0][:, 1])
    group = connected_components(squareform(pdist(Y)) < step)[1]
    return group, (np.bincount(group) > 2).sum()


(island, at_2), (_, at_30) = (islands(Y) for Y in at.values())

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Show the digits first, let the room admire them, then the traps.
# At the prediction expect "one, there is no structure". There is none, and islands appear.

# %%
seen = {f"perplexity 2: {at_2} islands": at[2], f"at 30: {at_30}": at[30],
        "A, B, C as they are": clouds[:, :2], "A, B, C, perplexity 30": clouds_drawn}
plots.groups("Noise falls into islands (left; colours repeat); sizes, distances gone", seen,
             [[" " * (i % 9) for i in island], [""] * 200, which, which],  # nine colours
             size=(10.5, 3.1), above=True)
plots.show("Noise falls into islands; a wide, far cloud looks as small and near as others.")
outcome("08.islands", "1" if at_2 == 1 else "2 to 9" if at_2 < 10 else "10 or more")

# %%
A, B, C = (clouds_drawn[which == name] for name in "ABC")
gap_ab, gap_bc = (np.linalg.norm(q.mean(0) - p.mean(0)) for p, q in ((A, B), (B, C)))
starts = [tsne(some, 30, 1e-4 * rng.normal(size=(300, 2))) for _ in range(2)]
claim("islands in pure noise at perplexity 2, less those at 30", at_2 - at_30, at_least=10)
print(f"in the picture C is {C.std() / A.std():.1f} times as wide as A,",
      f"and {gap_bc / gap_ab:.1f} times as far from B")
claim("two random starts, turned and scaled to fit, still differ (0 to 1)",
      procrustes(*starts)[2], at_least=0.1)  # 0: the same picture, 1: an unrelated one

# %% [markdown]
# **UMAP** (유맵; McInnes and others 2018) is the usual alternative: faster, with a place for new points. It, too, *tries to keep neighbours*: the links of a neighbour graph pull, random pairs push. The same traps are reported of it (we do not run it). `n_neighbors` plays perplexity's part; sizes and gaps mean as little, and another start gives another picture.
#
# **Ask the room.** A colleague shows five islands of customers, and names them. What do you ask?
#
# <details><summary>One answer</summary>
#
# Are they there at another perplexity, and from another start? Do they differ in the *raw* columns? And what does the same recipe make of shuffled columns, where there are no groups?
# </details>

# %% [markdown]
# ## 5 · Vectors for users and ads
#
# On the map: `entity-embedding` · `embedding`
#
# Logistic regression cannot say "this user likes this ad". A cross (lecture 03) can, with a weight for each of 400 users × 50 ads = 20,000 pairs.
# So give each name a vector, and let a pair count by the product. User (1, 0.5) and ad (2, −1): $1 \cdot 2 + 0.5 \cdot (-1) = 1.5$ on the logit.
#
# That is a **factorization machine** (인수분해 기계; Rendle 2010). Each of the ten names $i$ of a row (user, age, gender, ad, category, context, site, position, device, hour) has a weight $w_i$ and a vector $v_i$ of 8 numbers; $b$ is the bias:
#
# $$z = b + \sum_i w_i + \sum_{i<j} v_i \cdot v_j$$
#
# A network can read the vectors side by side, 80 numbers; they are then called **entity embeddings** (범주형 임베딩).
# With the weights beside it, it is **wide & deep** (와이드 앤 딥): weights for single names (in the paper crosses, too), a network for combinations.

# %%
s = schematics.Sketch("Two ways to read the vectors, one way to read the weights", width=10,
                      height=2.9)
names = s.column(["user", "ad", "…", "hour"], at=(0.8, 1.45), gap=0.72, r=0.32, fontsize=11)
vectors = s.box("table of\nvectors\nv, 8 each", at=(2.9, 1.95))
weights = s.box("table of\nweights w", at=(2.9, 0.6))
products = s.box("A: products of all pairs", at=(5.6, 2.4), kind="family")
network = s.box("B: side by side, 80 numbers,\nReLU 64, ReLU 32, one", at=(5.6, 1.5),
                kind="family")
adding = s.box("C: add up", at=(5.6, 0.6), kind="family")
for name in (names[0], names[1], names[3]):
    s.connect([name], [vectors, weights])
s.connect([vectors], [products, network])
s.arrow(weights, adding)
fm = s.box("factorization\nmachine: A + C", at=(8.8, 2.1), kind="good")
wide = s.box("wide & deep:\nB + C", at=(8.8, 1.0), kind="good")
s.connect([products, adding], [fm])
s.connect([network, adding], [wide])
s.show("Names look up vectors and weights. Vectors go to products, A, or a network, "
       "B; weights are added up, C. A and C make the factorization machine, B and C wide & "
       "deep.")

# %% [markdown]
# The sum over pairs needs no loop. With one number a name, 1, 2 and 3, the pairs give $2 + 3 + 6 = 11$.
# The square of the sum, 36, holds each pair twice and each square once: $(36 - 1 - 4 - 9) / 2 = 11$. With vectors the same holds place by place.
#
# **The library's way.** PyTorch has no such layer. Ours is `utils/scratch/factorization.py`: two `nn.Embedding`, `pairs` below, and Adam.
# It charges a vector's squared length `l2` *each time it is used*. 0.002 was best of four on another log. The network gets `l2` 0.001 and 0.004, one start each; the better on the test days counts, which favours it.
#
# Train on the ad log's first ten days, judge on the last four.
#
# **Predict first.** The regression is told lecture 03's three crosses, not user × ad; the machines nothing. Who wins?

# %%
predict("08.ladder", "the told regression", "the factorization machine", "wide & deep")

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# Write two users and two ads with two numbers each on the board: one for "likes sport", one for "likes sweets".
# At the prediction the network gets most votes. Do not stop at the ladder: the right-hand panel says on whose ground it was won.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
SIZES = {name: log.sizes[name] for name in log.sizes if name not in ("day", "advertiser")}
TOLD = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]


def pairs(v):  # the sum of v_i · v_j over all pairs: (n, names, k) -> (n,)
    return 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1)


def trained(kind, log, start=0, l2=2e-3, **options):
    torch.manual_seed(1000 * SEED + start)
    machine = kind(SIZES, **options).to(run.device)
    fit_clicks(machine, log.features, log.click, epochs=max(3, run.steps(5)), l2=l2)
    return machine


def share(machine, log):
    return 100 * log.share_of_gap(machine.probability(log.features))  # per cent


print("1, 2 and 3:", pairs(torch.tensor([[[1.0], [2.0], [3.0]]])).item())
machines = [trained(FactorizationMachine, past, start) for start in (0, 1)]
shares = {"factorization machine": [share(machine, future) for machine in machines]}
for name, options in {"regression": {"k": 0}, "regression, told": {"k": 0, "crosses": TOLD},
                      "factorization machine, told": {"crosses": TOLD}}.items():
    shares[name] = [share(trained(FactorizationMachine, past, **options), future)]
shares["wide & deep"] = [share(trained(WideAndDeep, past, l2=l2, hidden=(64, 32)), future)
                         for l2 in (1e-3, 4e-3)]
counted = {name: np.mean(of_starts) for name, of_starts in shares.items()}
counted["wide & deep"] = max(shares["wide & deep"])  # of two l2, the better

# %% [markdown]
# **At home, or away?** This log was *made* with products of hidden factors: a user's liking for an ad is $u \cdot a$, three numbers each.
# So a factorization machine plays on its home ground. Is it the form that wins?
#
# A control: keep all 20,000 likings, deal them to the user–ad pairs at random, and draw the clicks anew. They are as large as before, but no product of short vectors describes them. The other crosses stay (context × ad, too); the regression is still told its three. The right-hand panel shows two machines on that log.
# (A dot is a start or an `l2`; the number is the starts' mean, or the better `l2`.)

# %%
world = data.ad_world()  # the truth behind the log
dealt = rng.permutation(world.user_ad.ravel()).reshape(world.user_ad.shape)  # (400, 50)
user, ad = log.features["user"], log.features["ad"]
logit = np.log(log.truth / (1 - log.truth)) + (dealt - world.user_ad)[user, ad]
p = 1 / (1 + np.exp(-logit))
away_log = replace(log, truth=p, click=(rng.random(len(log)) < p).astype(int))
days = log.features["day"]
away = {name: [share(trained(FactorizationMachine, away_log[days < 10], **options),
                     away_log[days >= 10])]
        for name, options in {"factorization machine": {},
                              "regression, told": {"k": 0, "crosses": TOLD}}.items()}
fig, axes = plots.panels("At home products win; away they need far more clicks",
                         ["the log: likings are products", "away: the same likings, dealt"],
                         xlabel="share of the gap on later days (%)", ylabel="",
                         size=(10.5, 3.3), sharey=True)
ladder = sorted(counted, key=counted.get)
for ax, scores in zip(axes, (shares, away), strict=True):
    for row, name in enumerate(ladder):
        if name in scores:
            ax.plot(scores[name], [row] * len(scores[name]), "o", color=plots.BLUE)
            says = counted[name] if scores is shares else away[name][0]
            plots.name(ax, max(scores[name]), row, f"{says:.0f} %", plots.INK)
    ax.set_xlim(20, 85)
axes[0].set_yticks(range(len(ladder)), ladder)
plots.show("Left, dots, from regression up to machines with products; "
           "right, two of them, the likings dealt.")
best = {"the told regression": counted["regression, told"],
        "the factorization machine": counted["factorization machine"],
        "wide & deep": counted["wide & deep"]}
outcome("08.ladder", max(best, key=best.get))

# %%
told, product, network = best.values()
claim("at home: the factorization machine over the told regression (points of the gap)",
      product - told, at_least=9)
claim("away, from 200,000 impressions: over the told regression (points of the gap)",
      away["factorization machine"][0] - away["regression, told"][0], at_most=0, small=True)
print(f"over untold wide & deep: {product - network:.1f} points of the gap")

# %% [markdown]
# The regression falls as well, though it learns no likings: a user's *mean* liking sat in the user's weight, and dealing removes it.
#
# So the form wins where it is the form of the world: likings must *share* something, many users, few tastes.
# From a million impressions the machine leads away, too.
# A network has to patch a product together from flat pieces (lecture 04); Rendle and others (2020) found so on other data. Two `l2` and one start are no verdict on networks.

# %% [markdown]
# ## 6 · Names that were never seen, and names that share a row
#
# On the map: `entity-embedding` · `embedding`
#
# Tomorrow there is a new ad. Nobody has looked up its row, so it holds the random start: noise that is read as an opinion.
#
# Strike ten ads before training. Then judge on fresh impressions of nine, each time with another vector:
#
# - *start*: as it was, spread 0.1; or *loud*: ten times as long, the spread 1 of `nn.Embedding`'s own start;
# - *zeros*: no opinion;
# - *unknown*: one row for all new names, here that of the tenth, vector and weight (*vector*, *weight*: one alone, the other 0). In training a random tenth of impressions carries it instead. So it learns what can be said without the name.

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Ask what a new ad's row holds before anybody looked it up. Before the hash, cover the text, and let somebody guess how many of 400 users stay alone in 400 rows. "Nearly all" is common.

# %%
new_ads = np.arange(4, 50, 5)  # 4, 9, … 49
old = past[~np.isin(past.features["ad"], new_ads)]
unnamed = np.where(rng.random(len(old)) < 0.1, new_ads[-1], old.features["ad"])
# dict | dict: the same columns, but for this one
fm = trained(FactorizationMachine, replace(old, features=old.features | {"ad": unnamed}))
more = data.load("ads", rows=2_000_000, seed=SEED + 1000)
more = more[np.isin(more.features["ad"], new_ads)]
nine = more[more.features["ad"] != new_ads[-1]]

# %%
place = int(fm.start[list(SIZES).index("ad")]) + torch.tensor(new_ads, device=run.device)
vectors, weights = fm.vectors.weight.data, fm.weights.weight.data  # .data: no gradient
start = vectors[place[:-1]].clone()
choices = {"start": (start, 0), "loud": (10 * start, 0), "zeros": (0 * start, 0),
           "vector": (vectors[place[-1]].clone(), 0),
           "weight": (0 * start, weights[place[-1]].clone()),
           "unknown": (vectors[place[-1]].clone(), weights[place[-1]].clone())}
got = {}
for name, (vector, weight) in choices.items():
    vectors[place[:-1]], weights[place[:-1]] = vector, weight
    got[name] = share(fm, nine)
print("new ads, share of the gap (%):", {name: round(x, 1) for name, x in got.items()})
claim("new ads: a trained row for the unknown, over the random start (points of the gap)",
      got["unknown"] - got["start"], at_least=3)
claim("from 200,000 impressions: new ads with vectors ten times as long (share, %)",
      got["loud"], at_most=-40, small=True)

# %% [markdown]
# Here the weight helped, the vector hurt. Other columns, such as the category, speak for a newcomer too.
#
# **Names without a list.** With a billion names nobody keeps the list of who has which row. A **hash** (해시) is a fixed scramble: it makes a row number of any name, new ones included.
# Two names with one number share a row, and neither is told: a **collision** (충돌).
# With 400 users and 400 rows a user is alone with the chance $(1 - 1/400)^{399} = 0.37$, as each of the 399 others has to miss; one draw lands near it.
# What does it cost? Below only the users are hashed.
#
# **Ask the room.** Which id in your system meets a value that it has never seen, and what does it read then?
#
# <details><summary>One answer</summary>
#
# Usual finds: row 0, which is somebody; a crash; the random start, frozen for ever. Each is mended by a row for the unknown.
# </details>

# %%
by_rows = {}
for size in (400, 100):
    bucket = rng.integers(size, size=400)  # stands for a hash: a fixed row for each user
    alone = 100 * np.mean(np.bincount(bucket)[bucket] == 1)
    before, after = (replace(part, features=part.features
                             | {"user": bucket[part.features["user"]]})
                     for part in (past, future))
    by_rows[size] = share(trained(FactorizationMachine, before), after)
    print(f"{size} rows: {alone:.0f} % of users alone, {by_rows[size]:.0f} % of the gap")
claim("as many rows as users, but hashed: lost against a list (points of the gap)",
      shares["factorization machine"][0] - by_rows[400], at_least=2)

# %% [markdown]
# ## 7 · The learned geometry, held against the truth
#
# On the map: `embedding` · `entity-embedding`
#
# Are this made-up world's three hidden factors in the vectors?
# Not number by number: only products count, and $(vQ) \cdot (uQ) = v \cdot u$ for every rotation $Q$. (Section 3's $M$ was freer. Here one table enters all pairs, and `l2` charges lengths.) So axes mean nothing; angles do.
# So fit a *linear map* (ridge, lecture 06) from eight numbers to three, ten times, on nine tenths of names: each is judged once, unseen. *Truth explained*: 100 % if exact, 0 % if no better than the mean.
#
# A circle is an ad, coloured by its true first factor (red low, blue high); a line leads to its truth.
#
# **Ask the room.** You train every night. Another team copies your user table once a week. What breaks?
#
# <details><summary>One answer</summary>
#
# All that multiplies their old users by your new ads: the tables are turned against each other. Ship all tables together, or turn the new ones onto the old (exercise 3).
# </details>

# %%
def mapped(vectors, true):
    """What a linear map of the vectors says of the truth: (names, 8), (names, 3)."""
    folds = KFold(10, shuffle=True, random_state=0)
    return cross_val_predict(RidgeCV(np.logspace(-3, 2, 11)), vectors, true, cv=folds)


def explained(guess, true):
    return 100 - 100 * ((guess - true) ** 2).sum() / ((true - true.mean(axis=0)) ** 2).sum()


ads, users = machines[0].table("ad"), machines[0].table("user")  # (50, 8), (400, 8)
ads_found, users_found = mapped(ads, world.ad_factors), mapped(users, world.user_factors)
# users are numbered from frequent to rare; eighty at a time
often = [explained(users_found[i : i + 80], world.user_factors[i : i + 80])
         for i in range(0, 400, 80)]
fig, axes = plots.panels("Linear maps find the ads' truth well, the users' less",
                         ["50 ads, learned", "mapped to the true factors", "400 users"],
                         xlabel="", ylabel="", size=(10.5, 3.6))
shade = {"c": world.ad_factors[:, 0], "cmap": "RdBu", "s": 28, "edgecolors": plots.GREY}
axes[0].scatter(*ads[:, :2].T, **shade)
axes[0].set(xlabel="learned number 1", ylabel="learned number 2")
for true, guess in zip(world.ad_factors, ads_found, strict=True):
    axes[1].plot([true[0], guess[0]], [true[1], guess[1]], color=plots.GREY, linewidth=0.8)
axes[1].scatter(*ads_found[:, :2].T, **shade)
axes[1].plot(*world.ad_factors[:, :2].T, "k.", markersize=3)
axes[1].set(xlabel="factor 1", ylabel="factor 2")
axes[2].bar(["1–80", "–160", "–240", "–320", "–400"], often, color=plots.BLUE)
axes[2].set(xlabel="from frequent to rare", ylabel="truth explained (%)", ylim=(0, 100))
plots.show("Unordered circles; mapped, each lies near its truth; frequent users fare best.")

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
#
# In real life there is no truth to align with. The point is what kind of sameness to expect: between two starts, between last week's table and today's.

# %%
other = machines[1].table("user")  # another start
turn, _ = orthogonal_procrustes(other, users)  # the rotation that fits best
apart, turned = (np.corrcoef(users.ravel(), t.ravel())[0, 1] for t in (other, other @ turn))
claim("of the ads' hidden factors the map explains (%)",
      explained(ads_found, world.ad_factors), at_least=70)
print(f"users' vectors of two starts: correlation {apart:.2f}, turned {turned:.2f}")
claim("users' vectors of two starts: correlation gained by one rotation",
      turned - abs(apart), at_least=0.3)

# %% [markdown]
# ## 8 · Used again: one probe, several representations
#
# On the map: `embedding` · `entity-embedding` · `pca`
#
# The ten new ads come in. Each gets a *probe*: a logistic regression on vectors that stay as they are. It reads the user, for whom stand
#
# - *one-hot*: 400 columns; *random*: eight numbers drawn for each;
# - *PCA*: eight numbers from a table of click rates, 400 users × 40 old ads;
# - *factorization machine*: section 6's vectors and weights of user, age and gender, added: the machine multiplies an ad by $v_\text{user} + v_\text{age} + v_\text{gender}$.
#
# None saw a click on a new ad. All have a mean squared length of 1. `C` (lecture 04) is the best of 0.3, 1 and 3 on impressions that are neither fitted nor judged.
#
# **Predict first.** After 1,000 impressions of a new ad, some 40 clicks, what is best: borrowed (the last two) or one-hot? After 8,000?

# %%
predict("08.again", "borrowed, then one-hot", "one-hot, then borrowed",
        "borrowed both times", "one-hot both times")

# %%
clicked, seen_by = np.zeros((2, 400, 50))
who_what = old.features["user"], old.features["ad"]
np.add.at(seen_by, who_what, 1)  # `+=` would count a pair that comes twice only once
np.add.at(clicked, who_what, old.click)
# 20 more at the mean rate for each pair: few say little
rate = np.delete((clicked + 20 * old.click.mean()) / (seen_by + 20), new_ads, axis=1)
whose = {"user": np.arange(400), "age": world.age, "gender": world.gender}
added = sum(np.column_stack([fm.table(name), fm.effects(name)])[row]  # (400, 8 + 1)
            for name, row in whose.items())
stands_for = {"one-hot": np.eye(400), "random": rng.normal(size=(400, 8)),
              "PCA": PCA(8, svd_solver="full").fit_transform(rate),
              "factorization machine": added}


def probe(E, sample, logs, C):
    """Each new ad's regression on E (400, d), fitted on the sample; share (%) on logs."""
    E = E - E.mean(axis=0)
    E = E / np.sqrt((E**2).sum(axis=1).mean())  # mean squared length 1
    p = [np.zeros(len(log)) for log in logs]
    for ad in new_ads:
        rows = sample.features["ad"] == ad
        user, click = sample.features["user"][rows], sample.click[rows]
        shows, yes = np.bincount(user, minlength=400), np.bincount(user, click, 400)
        # each user twice, as a click and as none, weighed by how often it was so
        fitted = LogisticRegression(C=C, max_iter=500).fit(
            np.vstack([E, E]), np.repeat([1, 0], 400), np.concatenate([yes, shows - yes]))
        rates = fitted.predict_proba(E)[:, 1]
        for log, answer in zip(logs, p, strict=True):
            rows = log.features["ad"] == ad
            answer[rows] = rates[log.features["user"][rows]]
    return [100 * log.share_of_gap(answer) for log, answer in zip(logs, p, strict=True)]

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# What would the user's vector alone leave out? What age and gender already say. The machine has no reason to write it twice.

# %%
half = len(more) // 2  # even the rarest ad has 8,000 impressions in the first half
stream, valid, test = more[:half], more[half : half * 3 // 2], more[half * 3 // 2 :]
nth = np.zeros(half, dtype=int)  # how many impressions of its ad came before
for ad in new_ads:
    rows = stream.features["ad"] == ad
    nth[rows] = np.arange(rows.sum())
counts = [300, 1000, 3000, 8000]
# max goes by the first of a pair, the validation
scores = {name: [max(probe(E, stream[nth < n], (valid, test), C) for C in (0.3, 1, 3))[1]
                 for n in counts]
          for name, E in stands_for.items()}
fig, ax = plots.figure("Borrowed numbers win while data is short; one-hot overtakes them",
                       xlabel="impressions of each new ad (log)",
                       ylabel="share of the gap (%)", size=(8.5, 3.8))
tints = [plots.INK, plots.GREY, plots.GREEN, plots.BLUE]
plots.curves(ax, counts, scores, tints, dots=True,
             dy={"PCA": -7, "factorization machine": 7})
ax.set_xscale("log")
ax.set_xticks(counts, counts)
ax.minorticks_off()
plots.show("Borrowed numbers lead at 1,000, one-hot at 8,000; random ones stay low.")
early, late = ({name: scores[name][i] for name in scores} for i in (1, 3))
lead = ["borrowed" if max(at, key=at.get) != "one-hot" else "one-hot"
        for at in (early, late)]
outcome("08.again", f"{lead[0]} both times" if lead[0] == lead[1] else ", then ".join(lead))

# %%
claim("1,000 impressions: the borrowed vectors over one-hot (points of the gap)",
      early["factorization machine"] - early["one-hot"], at_least=8)
claim("8,000 impressions, vectors from 200,000: one-hot over borrowed (points of the gap)",
      late["one-hot"] - late["factorization machine"], at_least=3, small=True)

# %% [markdown]
# PCA of click rates is some points behind, without age and gender: try it first.
# Learned from few clicks, nine numbers know a user only in part: in the end 400 columns win, late if a million impressions made them.
#
# ## What goes wrong in practice
#
# - **PCA on raw columns.** The largest unit wins (exercise 2).
# - **Reading single numbers.** Learned axes are chance; turn them, and test.
# - **Weight decay on the whole table.** It wears rare names down.
# - **A hash as long as the list.** Six names of ten share. Take several rows a name, or give frequent names their own (Weinberger and others 2009).
# - **Leaked vectors.** Had the new ads' clicks been in the vectors' log, section 8 were worthless.
# - **t-SNE as input.** No place for a new point.

# %% [markdown]
# ## Summary
#
# 1. One-hot times table is a look-up. Under plain SGD and `SparseAdam` only rows that are looked up move; momentum, Adam and weight decay move idle ones.
# 2. PCA keeps the directions that vary most. A linear auto-encoder finds them; a bent one wins where the middle is narrow.
# 3. t-SNE and UMAP try to keep neighbours: trust no sizes, distances, islands; another start, another picture.
# 4. Vectors with products beat told crosses where likings are products; dealt at random, they need more data.
# 5. A name never seen needs a weight that was trained for it.
# 6. A linear map of learned vectors gives back much of the truth; they serve other machines best while data is short.
#
# ## Exercises and further reading
#
# `dlmap start 08`, then open `exercises/work/08_exercises.ipynb`: seven tasks, about 145 minutes.
#
# <details><summary>Papers</summary>
#
# - K. Pearson (1901), *On Lines and Planes of Closest Fit to Systems of Points in Space*, Philosophical Magazine 2; H. Hotelling (1933), *Analysis of a Complex of Statistical Variables into Principal Components*, Journal of Educational Psychology 24; C. Eckart, G. Young (1936), *The Approximation of One Matrix by Another of Lower Rank*, Psychometrika 1.
# - P. Baldi, K. Hornik (1989), *Neural Networks and Principal Component Analysis*, Neural Networks 2; G. E. Hinton, R. R. Salakhutdinov (2006), *Reducing the Dimensionality of Data with Neural Networks*, Science 313.
# - L. van der Maaten, G. E. Hinton (2008), *Visualizing Data using t-SNE*, JMLR 9; M. Wattenberg, F. Viégas, I. Johnson (2016), *How to Use t-SNE Effectively*, Distill; L. McInnes, J. Healy, J. Melville (2018), *UMAP*, arXiv 1802.03426.
# - K. Weinberger and others (2009), *Feature Hashing for Large Scale Multitask Learning*, ICML.
# - S. Rendle (2010), *Factorization Machines*, ICDM; S. Rendle and others (2020), *Neural Collaborative Filtering vs. Matrix Factorization Revisited*, RecSys.
# - C. Guo, F. Berkhahn (2016), *Entity Embeddings of Categorical Variables*, arXiv 1604.06737; H.-T. Cheng and others (2016), *Wide & Deep Learning for Recommender Systems*, DLRS; H. Guo and others (2017), *DeepFM*, IJCAI: products *and* network.
# </details>
