# %% [markdown]
# # 10 · Convolution
#
# **Question.** Move a letter by two pixels and every input of a network has changed. How can a machine know that it is the same letter?
#
# **You will be able to** slide a filter over a picture, and turn that into one matrix product with its gradients; say what shared weights buy and what they do not; build LeNet and judge it on fonts that it has never seen; test a map of "what the net looked at" against a rival; answer for each pixel with a small U-Net.
#
# **Needs** 05, 06 · **Minutes** 95 to teach, 150 to study · **CPU** 35 s
#
# On the map: `convolution` · `pooling` · `cnn`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more letters and more starts
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import timeit
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.colors import ListedColormap
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch.pages import Local, pages, scenes  # letters on pages

# small pictures: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("10")

# %% [markdown]
# ## 1 · One small filter, everywhere
#
# On the map: `convolution`
#
# A filter scores one window after the other, as a linear regression would, always with the same weights.
#
# A **filter** (필터), also called **kernel** (커널), is a small array of weights.
# Lay it on a picture: each weight meets the pixel under it. Multiply, add up, write the sum down. Then move on by one pixel.
#
# In the drawing the picture has 4×4 pixels, dark (0) on the left and bright (1) on the right. The filter has 2×2 weights: right minus left.
# At the lit window it says $-1 \cdot 0 + 1 \cdot 1 - 1 \cdot 0 + 1 \cdot 1 = 2$: here it gets brighter.

# %%
def correlate(x, w, stride=1, padding=0):
    """Slide the filter w over the picture x: one number for each window."""
    x, (high, wide) = np.pad(x, padding), w.shape
    tops = range(0, x.shape[0] - high + 1, stride)  # where a window may begin
    lefts = range(0, x.shape[1] - wide + 1, stride)
    return np.array([[(w * x[top:top + high, left:left + wide]).sum() for left in lefts]
                     for top in tops])


picture = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 1, 1]])
rise = np.array([[-1, 1], [-1, 1]])
s = schematics.Sketch("The window slides; the weights stay", width=9, height=2.9)
s.table(picture, (0.6, 2.1), lit=list(product((0, 1), (1, 2))))  # rows 0, 1; columns 1, 2
s.table(rise, (4.1, 1.6))
s.table(correlate(picture, rise), (6.9, 1.85), lit=[(0, 1)])
s.arrow((1.2, 2.55), (2.0, 2.55), "then 1 pixel on")
s.arrow((2.4, 1.5), (3.8, 1.4), "times")
s.arrow((4.9, 1.5), (7.35, 2.15), "add up", bend=0.3)
for words, x in (("picture x, 4 × 4", 1.35), ("filter w, 2 × 2", 4.35),
                 ("result y, 3 × 3", 7.4)):
    s.text(words, (x, 0.13), fontsize=12)
s.show("A 4 by 4 picture with a lit 2 by 2 window, a filter, and the 3 by 3 result.")

# %% [markdown]
# In a formula: the filter $w$ lies with its upper left corner on row $r$ and column $c$ of the picture $x$, counted from 0. Its weight $w_{i,j}$ stands $i$ rows below and $j$ columns to the right:
#
# $$y_{r,c} = \sum_{i,j} w_{i,j}\, x_{r+i,\; c+j}$$
#
# The result $y$ is a picture again, a **feature map** (특징 맵): large where bright pixels meet positive weights, and dark ones negative. That is **convolution** (합성곱).
#
# **Stride** (스트라이드) $s$: move by $s$ pixels at a time, so $x_{sr+i,\, sc+j}$. **Padding** (패딩) $p$: first add a border of $p$ zeros.
#
# How large is the result? A window of side $k$ fits into a side of $n$ pixels at $n - k + 1$ places: 2 in 4 at three.
# The border makes $n$ larger by $2p$, and a stride takes every $s$-th place only. ($\lfloor\;\rfloor$: round down.)
#
# $$\left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1$$
#
# With $n = 28$, $k = 5$, $p = 2$: stride 1 gives $27 + 1 = 28$, stride 2 gives $\lfloor 13.5 \rfloor + 1 = 14$.
#
# Filters were designed by hand long before they were learned. Here are four.

# %%
photo = data.load("photos")["china"].mean(axis=2)[60:220, 130:330] / 255  # (160, 200), grey
# left minus right (the drawing had right minus left); in its map mid-grey is 0
edge = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
filters = {"blur": np.full((5, 5), 1 / 25), "left − right": edge, "top − bottom": edge.T,
           "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])}
seen = {"photograph": photo} | {name: correlate(photo, w) for name, w in filters.items()}

# %%
fig, axes = plots.panels("One photograph, four filters: each finds something else", seen,
                         xlabel="", ylabel="", size=(9, 2.1))
for ax, shown in zip(axes, seen.values(), strict=True):
    low, high = np.quantile(shown, [0.01, 0.99])  # what is below is black, above white
    ax.imshow(shown[:100, 30:150], cmap="gray", vmin=low, vmax=high,
              interpolation="nearest")
    ax.axis("off")
plots.show("A temple roof; blurred; its vertical edges; its horizontal edges; sharpened.")

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Do the first three windows by hand on the board, with the numbers of the drawing, then run.
# Somebody will say that this is correlation. Right: a convolution flips the filter first.
# Since the weights are learned, the flip only changes their order; PyTorch leaves it out.

# %%
# F.conv2d wants pictures × channels (section 2) × rows × columns: [None, None] adds two
x, gaps = rng.normal(size=(28, 28)), []
for k, s, p in [(1, 1, 0), (3, 1, 1), (4, 3, 0), (5, 1, 2), (5, 2, 2)]:
    w = rng.normal(size=(k, k))
    four = [torch.tensor(a)[None, None] for a in (x, w)]
    gaps.append(correlate(x, w, s, p) - F.conv2d(*four, stride=s, padding=p)[0, 0].numpy())
claim("our loops and F.conv2d, five sizes, strides and paddings: largest difference",
      max(np.abs(gap).max() for gap in gaps), at_most=1e-12)

# %% [markdown]
# ## 2 · One matrix product, and lecture 01 again
#
# On the map: `convolution`
#
# Put every window in a row of its own, and a convolution is a matrix times a vector: a linear regression with windows for rows.
#
# In the drawing the lit window is the row (0, 1, 0, 1), and the filter the column (−1, 1, −1, 1): their product is 2. Nine windows are nine rows. This is known as **im2col** (im2col), image to columns; ours are rows.
#
# To *see* all windows nothing is copied. An array is memory and *strides* (not the filter's): how many bytes it is to the next entry along each axis. Here a row is 200 pixels of 8 bytes.
# `sliding_window_view` adds two axes with the strides of the first two. Only `reshape`, which wants rows side by side, makes the copy.

# %%
print(*sliding_window_view(picture, (2, 2)).reshape(9, 4))  # the drawing's nine rows
view = sliding_window_view(photo, (3, 3))   # (158, 198, 3, 3): every window
windows = view.reshape(-1, 9)               # (158·198, 9): now they are copied
print("strides in bytes", view.strides, "memory", photo.nbytes, "copied", windows.nbytes)
loop, fast = (min(timeit.repeat(job, number=1, repeat=2)) for job in (
    lambda: correlate(photo, edge),
    lambda: sliding_window_view(photo, (3, 3)).reshape(-1, 9) @ edge.ravel()))
print(f"the loop takes {loop / fast:.0f} times as long as the matrix product")

# %%
# A regression can be fitted. The photograph before and after a filter, with some noise:
after = windows @ edge.ravel() + rng.normal(0, 0.05, len(windows))
found = np.linalg.lstsq(windows, after)[0].reshape(3, 3)
print(found.round(2))
claim("least squares finds the filter from before and after: largest error of a weight",
      np.abs(found - edge).max(), at_most=0.015)

# %% [markdown]
# Real layers have several input **channels** (채널): red, green, blue, or the feature maps of the layer before.
# A filter then has a slice for each channel. Each slice slides over its own channel, and the results *add up* to one map, with one bias for the filter.
#
# A layer has several filters, and each makes one map: the channels of the next layer.
# In the drawing 3 channels of 4×4 meet 2 filters of 3×2×2; out come 2 maps of 3×3. The layer has $2 \cdot 3 \cdot 2 \cdot 2 = 24$ weights and 2 biases.
# On its right is one number of map 1: three windows times three slices give 2, −1 and 3; the bias is 0.

# %%
three = np.array([[[1, 0], [2, 1]], [[0, 1], [1, 3]], [[2, 1], [0, 1]]])
slices = np.array([[[1, 0], [0, 1]], [[1, -1], [0, 0]], [[1, 1], [5, 0]]])
sums = (three * slices).sum(axis=(1, 2))  # one for each channel: (3,)
s = schematics.Sketch("A filter has a slice for each channel; a layer has a map for each "
                      "filter", width=10, height=3.6)


def pile(count, side, at, kind="data"):
    """Squares one behind the other; the last is in front."""
    return [s.box("", (at[0] + 0.16 * k, at[1] - 0.16 * k), size=(side, side), kind=kind)
            for k in range(count)][-1]


volume, maps = pile(3, 1.2, (0.9, 2.1)), pile(2, 0.9, (4.3, 2.05), "concept")
for kernel in (pile(3, 0.5, (2.6, y), "family") for y in (2.8, 1.4)):
    s.arrow(volume, kernel)
    s.arrow(kernel, (3.8, 1.9))
for words, at in (("3 channels\n4 × 4", (1.05, 0.45)),
                  ("2 filters\n3 × 2 × 2", (2.8, 0.45)),
                  ("2 maps\n3 × 3", (4.4, 0.45)), ("windows", (5.95, 3.45)),
                  ("slices", (7.15, 3.45)), ("a number\nof map 1", (9.2, 2.45))):
    s.text(words, at, fontsize=12)
for c, y in enumerate((3.0, 2.0, 1.0)):
    s.table(three[c], (5.75, y), side=0.38)
    s.text("×", (6.5, y - 0.19))
    s.table(slices[c], (6.95, y), side=0.38, lit=list(product((0, 1), (0, 1))))
    s.arrow((7.6, y - 0.19), (8.6, 1.85), f"{sums[c]}".replace("-", "−"), at=0.3)
s.box(f"+ 0 = {sums.sum()}", (9.2, 1.85))
s.show("Three channels, two filters of three slices, two maps; one sum written out.")

# %% [markdown]
# The gradients need no new idea. With $X$, a row for each window, and $W$, a row for each filter, the layer is $Y = X W^\top$.
# If $G$ arrives, the gradient of the loss $L$ by $Y$, lecture 05's rule gives $\partial L / \partial W^\top = X^\top G$; with rows and columns swapped:
#
# $$\frac{\partial L}{\partial W} = G^\top X, \qquad \frac{\partial L}{\partial X} = G\, W$$
#
# The second is the gradient of the *copies*. A pixel that was copied into nine windows gets nine gradients, and they add up: what is used several times gets the sum.
#
# In the code `transpose` reorders the axes, the window's last, so that `reshape` makes a row of each window.

# %%
def conv2d(x, w, b, stride=1, padding=0):
    """x: (n, c, h, w), w: (k, c, i, j), b: (k,) -> (n, k, rows, columns), windows."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    view = sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, rows, columns = view.shape[:4]  # of (n, c, rows, columns, i, j)
    windows = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    y = windows @ w.reshape(len(w), -1).T + b  # (n·rows·columns, k)
    return y.reshape(n, rows, columns, -1).transpose(0, 3, 1, 2), windows

# %%
def conv2d_gradients(g, windows, x, w, stride=1, padding=0):
    """g: (n, k, rows, columns), the gradient that arrives -> gradients of x, w and b."""
    n, k, rows, columns = g.shape
    _, c, high, wide = w.shape
    flat = g.transpose(0, 2, 3, 1).reshape(-1, k)  # (n·rows·columns, k)
    dw = (flat.T @ windows).reshape(w.shape)
    copies = (flat @ w.reshape(k, -1)).reshape(n, rows, columns, c, high, wide)
    dx = np.zeros((n, c, x.shape[2] + 2 * padding, x.shape[3] + 2 * padding))
    # weight (i, j) of window (r, c) met pixel (stride·r + i, stride·c + j)
    for i, j in np.ndindex(high, wide):
        dx[:, :, i:i + stride * rows:stride, j:j + stride * columns:stride] += (
            copies[:, :, :, :, i, j].transpose(0, 3, 1, 2))
    inside = dx[:, :, padding:padding + x.shape[2], padding:padding + x.shape[3]]
    return inside, dw, flat.sum(axis=0)


gaps = []
for size, stride, padding in [(3, 1, 0), (3, 1, 1), (5, 1, 2), (3, 2, 1), (4, 3, 2)]:
    arrays = [rng.normal(size=s) for s in [(4, 3, 10, 9), (5, 3, size, size), (5,)]]
    y, windows = conv2d(*arrays, stride, padding)
    g = rng.normal(size=y.shape)
    mine = [y, *conv2d_gradients(g, windows, *arrays[:2], stride, padding)]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    library = F.conv2d(*theirs, stride, padding)
    theirs = [library.detach(), *torch.autograd.grad(library, theirs, torch.tensor(g))]
    gaps += [np.abs(m - t.numpy()).max() for m, t in zip(mine, theirs, strict=True)]
claim("values and three gradients against F.conv2d, five settings: largest difference",
      max(gaps), at_most=1e-10)

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
#
# Print `view.strides` and ask what would happen if somebody wrote into the view: nine windows would change at once. NumPy makes it read-only for that reason.
# The regression is worth a minute of silence: the filter that a camera app used, found by lecture 01.
# At the volume, ask for the number of weights if the picture were grey (2·2·2 = 8), and with 64 filters (64·12 = 768).

# %% [markdown]
# What has this to do with the layers of lecture 04?
# Seen from the pixels, a convolution *is* such a layer, a **dense layer** (완전 연결층), where every unit sees every input, but with two restrictions:
# a unit sees one window only, so most weights are zero, and all units share the same nine numbers (one 3×3 filter, one grey picture).
#
# To see the matrix, send every picture that has a single white pixel through the layer: what comes out is that pixel's column.
# Below, a colour is one of the weights 1 to 9; white is zero.
#
# (`utils/scratch/convolution.py` puts these functions on lecture 05's tape, faster.)

# %%
nine, basis = np.arange(1.0, 10).reshape(1, 1, 3, 3), np.eye(64).reshape(64, 1, 8, 8)
matrix = conv2d(basis, nine, np.zeros(1))[0].reshape(64, 36).T
fig, ax = plots.figure(f"As a dense layer a convolution uses {np.count_nonzero(matrix)} of "
                       f"{matrix.size:,} places, and nine numbers", ylabel="36 units",
                       xlabel="input: one column for each of 8 × 8 pixels", size=(8.5, 4))
ax.imshow(np.where(matrix, matrix, np.nan), cmap="viridis", aspect="auto")
ax.grid(visible=False)
plots.show("A matrix with a broken diagonal band; each row holds nine colours.")

# %% [markdown]
# ## 3 · What sharing buys
#
# On the map: `convolution` · `cnn`
#
# Shared weights are few, and what a filter learns in one place it knows in every place.
#
# Three nets read letters of 14×14 pixels on a page of 36×36: ink 1, paper 0, some noise. In training every letter stands in the upper left.
# In the test it stands there, or *elsewhere*: seven pixels further down and right.
#
# - *dense*: 128 hidden units, each sees the whole page;
# - *local*: each unit sees a window, and each window has *its own* weights;
# - *convolution*: the same windows, and one set of weights for all of them.
#
# The last two end alike: the largest value of each of 32 feature maps, wherever it is, and ten scores from these 32 numbers. All three train at one rate, 0.01.

# %%
def tensors(letters):
    """Pictures (n, 1, 28, 28) from 0 to 1, and labels, on this run's device."""
    return (torch.tensor(letters.x, device=run.device)[:, None],
            torch.tensor(letters.labels, device=run.device))


@torch.no_grad()
def accuracy(net, x, y):
    return (net(x).argmax(1) == y).float().mean().item()


def train(net, x, y, steps, lr, batch=64, start=0):
    """Adam on `steps` batches, the rate rising to `lr` and falling again (lecture 02)."""
    torch.manual_seed(1000 * SEED + start)  # which rows come when
    descent = torch.optim.Adam(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, lr, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (batch,), device=run.device)
        descent.zero_grad()
        F.cross_entropy(net(x[rows]), y[rows]).backward()
        descent.step()
        schedule.step()
    return net.eval()

# %%
glyphs = data.load("glyphs", n=run.pick(lecture=6000, full=20_000), seed=SEED)
judge = data.load("glyphs", split="test", n=2000, seed=SEED)
x, y = pages(glyphs[:3000], 6, 9, rng, run.device)  # rows and columns from 6 to 9
here, there = (pages(judge[:1000], low, high, rng, run.device)
               for low, high in ((6, 9), (13, 16)))
plots.strips("The letters A to J, small, each on a page of its own",
             {"in training": x, "elsewhere": there[0]}, columns=10, frame=True)
plots.show("Ten pages with a letter in the upper left; ten with one in the lower right.")

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Collect votes for each net. The local net has windows there too, but nobody has ever trained them.

# %% [markdown]
# **Predict first.** Which read more than half of the letters elsewhere, where none has been in training?
# (A guess is right in 10 % of cases.)

# %%
predict("10.place", "all three", "local and convolution", "only the convolution", "none",
        "another set")

# %%
def net_of(first, second):
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(),
                         nn.AdaptiveMaxPool2d(1),  # the largest value of each map
                         nn.Flatten(), nn.Linear(32, 10))


torch.manual_seed(SEED)
nets = {"dense": nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 128), nn.ReLU(),
                               nn.Linear(128, 10)),
        "local": net_of(Local(1, 8, 5, side=36, stride=2),  # w: one more axis, the window
                        Local(8, 32, 4, side=16, stride=2)),
        "convolution": net_of(nn.Conv2d(1, 8, 5, stride=2), nn.Conv2d(8, 32, 4, stride=2))}
weights, read = {}, {}  # read: accuracy in per cent, where trained and elsewhere
for name, net in nets.items():
    train(net.to(run.device), x, y, run.steps(280), lr=1e-2)  # 0.003, 0.03 tell the same
    weights[name] = sum(p.numel() for p in net.parameters())
    read[name] = 100 * accuracy(net, *here), 100 * accuracy(net, *there)
    print(f"{name}: {weights[name]:,} weights; {read[name][0]:.0f} % right where trained, "
          f"{read[name][1]:.0f} % elsewhere")
able = " and ".join(name for name, (_, elsewhere) in read.items() if elsewhere > 50)
outcome("10.place", {"": "none", "convolution": "only the convolution",
                     "local and convolution": "local and convolution",
                     "dense and local and convolution": "all three"
                     }.get(able, "another set"))
claim("local over convolution: weights (ratio)",
      weights["local"] / weights["convolution"], at_least=50)
claim("where trained, the convolution against the local net: difference, points",
      abs(read["convolution"][0] - read["local"][0]), at_most=7)
claim("elsewhere the better of the dense and the local net is right, per cent",
      max(read["dense"][1], read["local"][1]), at_most=18)
claim("the convolution, elsewhere against where trained: difference, points of accuracy",
      abs(read["convolution"][1] - read["convolution"][0]), at_most=5.5)

# %% [markdown]
# ## 4 · Pooling, and what a shift does
#
# On the map: `pooling` · `convolution`
#
# Pooling makes maps smaller and forgets a little of where things are; how a net answers to a shift can be measured.
#
# **Pooling** (풀링) keeps one number of each window: the largest (max pooling) or the mean (average pooling).
# The window 1, 5, 2, 0 becomes 5, or 2. Pooling has nothing to learn.
# The gradient of a maximum goes to the winner alone, the 5: nudge a loser, and the maximum stays.
#
# In the code `argmax` says which of the window's `size²` pixels won. That number divided by `size` is its row, and the rest its column.

# %%
def max_pool2d(x, size, stride):
    """x: (n, c, h, w) -> the largest of each window (n, c, rows, columns), its place."""
    view = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    flat = view.reshape(*view.shape[:4], -1)  # (n, c, rows, columns, size²)
    return flat.max(axis=-1), flat.argmax(axis=-1)


def max_pool2d_gradient(g, winner, shape, size, stride):
    """Each entry of g goes to its winner; who won in two windows gets two gradients."""
    dx, (i, channel, r, c) = np.zeros(shape), np.indices(winner.shape)
    # dx[places] += g would count a pixel once even if it won twice
    np.add.at(dx, (i, channel, r * stride + winner // size, c * stride + winner % size), g)
    return dx


x = rng.normal(size=(2, 3, 9, 8))
(y, winner), leaf = max_pool2d(x, 3, 2), torch.tensor(x, requires_grad=True)
library, g = F.max_pool2d(leaf, 3, 2), rng.normal(size=y.shape)
library.backward(torch.tensor(g))
gap = np.abs(max_pool2d_gradient(g, winner, x.shape, 3, 2) - leaf.grad.numpy()).max()
claim("max pooling and its gradient against F.max_pool2d: largest difference",
      max(gap, np.abs(y - library.detach().numpy()).max()), at_most=1e-12)

# %% [markdown]
# (Average pooling needs no code of its own: it is a convolution with equal weights and a stride.)
#
# Shift a picture, then filter it; or filter it, then shift the result.
# Where both agree, the layer is **equivariant** (등변): $f(\text{shift}(x)) = \text{shift}(f(x))$.
# First no border: the picture is a ring, right end joined to left. With zeros there, windows across the seam lose their neighbours.
#
# With stride 2 a layer looks at windows 0, 2, 4, … Shift the picture by 1, and it looks at the windows between. Shift by 2, and it meets the old ones, one place on.
#
# Shift the unmoved picture's answer to fit the moved one's best. *Left behind* is the length of their difference, divided by that of the moved one's.

# %%
ring = torch.tensor(photo[:160, :192], dtype=torch.float32)[None, None]
ring = ring - ring.mean()  # mid-grey is 0: else its sameness hides what is left
torch.manual_seed(SEED)
one, two = torch.randn(6, 1, 5, 5) / 5, torch.randn(16, 6, 5, 5) / 150**0.5


def around(x, w, stride=1):
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="circular"), w, stride=stride)


layers = {
    "on a ring": lambda x: around(x, one),
    "zeros at the border": lambda x: F.conv2d(x, one, padding=2),
    "stride 2": lambda x: around(x, one, stride=2),
    "two poolings of 2": lambda x: F.max_pool2d(
        around(F.max_pool2d(around(x, one), 2).relu(), two), 2),
}


def left_behind(f, shift):
    """0: f(picture) moved along exactly; √2: as far apart as two unrelated maps."""
    moved, still = f(ring.roll(shift, dims=3)), f(ring)  # roll: shift round the ring
    return min((moved - still.roll(k, dims=3)).norm() / moved.norm()
               for k in range(-1, shift + 2)).item()

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# *Equivariant*: the answer moves along. *Invariant*: the answer stays. A detector should be the first, a classifier the second.
# Before the next picture: for which shifts is the layer with stride 2 equivariant? And two poolings?
# Expect "CNNs are invariant to shifts" from the room. Write it on the board, with a question mark; section 5 measures it.

# %%
behind = {name: [left_behind(f, shift) for shift in range(9)] for name, f in layers.items()}
fig, axes = plots.panels("A convolution moves along with the picture; at borders and "
                         "between strides it does not", behind, xlabel="shift (pixels)",
                         ylabel="left behind (share)", size=(10, 3), sharey=True)
for ax, line, color in zip(axes, behind.values(), ("C2", "C0", "C1", "C3"), strict=True):
    ax.plot(line, "o-", color=color, markersize=5)
    ax.set_xticks([0, 2, 4, 6, 8])
plots.show("Error by shift: zero; low and flat; zero at even shifts; zero at 0, 4 and 8.")

# %%
ring_, border, strided, pooled = behind.values()
claim("left behind on a ring, at even shifts with stride 2, at 4 and 8 with two poolings",
      max(ring_ + strided[::2] + pooled[::4]), at_most=1e-5)
claim("left behind at the other shifts, with stride 2 or two poolings: the least share",
      min(strided[1::2] + [pooled[k] for k in (1, 2, 3, 5, 6, 7)]), at_least=0.15)
claim("left behind with zeros at the border, at any shift: the least share",
      min(border[1:]), at_least=0.1)

# %% [markdown]
# This is proved, not only measured: on a ring, a convolution with stride 1 gives the same whether one shifts first or last, and every linear layer (no bias, no ReLU: a sum goes to the sum) that does so is a convolution, with a filter up to the picture's size.
#
# <details><summary>The proof, in three lines</summary>
#
# Let $S^k$ shift a picture by $k$ pixels. By section 1's formula a convolution is a sum of shifted pictures, each times a weight. Shifts may trade places, so a shift before it or after it gives the same.
#
# Now let $f$ be linear, and let shifts come before or after it alike. Call $\delta$ the picture with one white pixel, at place 0. Any picture is a sum of such pixels, moved and weighted: $x = \sum_k x_k\, S^k \delta$.
#
# So $f(x) = \sum_k x_k\, S^k f(\delta)$: one small picture, $f(\delta)$, moved to each pixel and weighted by it. That is a convolution; its filter is $f(\delta)$, read backwards.
# </details>
#
# Strides multiply: with product $s$ only shifts by multiples of $s$ are safe. Section 3's convolution ($s = 4$) read *elsewhere*: its training letters began at 6 to 9, each remainder by 4. Strides break more than is believed (Azulay and Weiss, 2019); blurring first mends a good part (Zhang, 2019).
#
# **Ask the room.** A camera on a conveyor belt: the same part, one pixel further, and the net's answer flips.
# Which layers do you suspect, and how would you find out?
#
# <details><summary>One answer</summary>
#
# Strides and poolings first, then borders. Shift one picture by 0 to 8 pixels and plot the net's score: a zigzag with the period of the strides' product names them.
# </details>

# %% [markdown]
# ## 5 · LeNet, and fonts that it has never seen
#
# On the map: `cnn`
#
# Filters, pooling, filters, pooling, then a dense net of two hidden layers: on unseen fonts it beats the dense net, which beats softmax regression.
#
# A **convolutional neural network** (합성곱 신경망), CNN for short, stacks what you have built.
# LeNet (LeCun and others, 1998) read the digits on cheques; ours has ReLU and max pooling in place of scaled tanh and averages.
# ReLU and the maximum may trade places: pooling first leaves ReLU a quarter of the work.
#
# The letters are A to J, in 27 fonts to train on. Nine more fonts are kept apart (the picture shows a B of each): has the net learned letters, or these fonts?

# %%
def lenet():
    return nn.Sequential(  # the comments are shapes at the end of the line
        nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),   # (n, 6, 14, 14)
        nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(),             # (n, 16, 5, 5)
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10)).to(run.device)


MAKE = {"softmax": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).to(run.device),
        "MLP": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(),
                                     nn.Linear(256, 10)).to(run.device),
        "LeNet": lenet}
# the best on other letters, within noise, of rates from 0.001 to 0.032; above, up to 0.256,
# softmax gets no better
RATES = {"softmax": 0.032, "MLP": 0.016, "LeNet": 0.008}
COLORS = {"softmax": plots.GREY, "MLP": plots.BLUE, "LeNet": plots.ORANGE}
(x, y), seen, models = tensors(glyphs), tensors(judge), {name: [] for name in MAKE}
foreign = data.load("glyphs", split="unseen", n=2000, seed=SEED)
for name, start in product(MAKE, range(run.pick(lecture=2, full=5))):
    torch.manual_seed(1000 * SEED + start)
    net = train(MAKE[name](), x, y, run.steps(320), RATES[name], start=start)
    models[name].append(net)
print({name: f"{sum(p.numel() for p in nets[0].parameters()):,} weights"
       for name, nets in models.items()})

# %% [markdown]
# The nets are judged on letters that stand in the middle: of the 27 known fonts, of all nine unseen fonts, of each of the nine.
# And on known fonts moved to the right: is LeNet invariant to shifts?
#
# (`F.pad(x, (shift, 0))` adds columns of white on the left; `[..., :28]` cuts the right off.)
#
# **Predict first.** The test letters move by 6 pixels of 28. Some lose a little at the edge, but you would read them.
# Unmoved, LeNet reads more than nine of ten. And now?

# %%
predict("10.shift", "over 90 %", "70 to 90 %", "40 to 70 %", "under 40 %")

# %%
unseen, fonts = tensors(foreign), np.unique(foreign.styles)


def readings(net):
    """Per cent right: known fonts, unseen, each unseen font (9,), each shift (9,)."""
    right = (net(unseen[0]).argmax(1) == unseen[1]).cpu().numpy()
    by_font = [right[foreign.styles == font].mean() for font in fonts]
    moved = [F.pad(seen[0], (shift, 0))[..., :28] for shift in range(9)]
    by_shift = [accuracy(net, x, seen[1]) for x in moved]
    return 100 * np.array([accuracy(net, *seen), right.mean(), *by_font, *by_shift])

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Ask for a B of the two lowest fonts, once the picture is there.
# The one number to keep: LeNet does this with less than a third of the dense net's weights.
# At the prediction, most trust the convolution. The dense layers on top of it know places. Below 10 %, worse than guessing: a moved letter resembles another.

# %%
value = {name: np.mean([readings(net) for net in nets], axis=0)  # the mean over starts
         for name, nets in models.items()}
names = [foreign.style_names[font] for font in fonts]
order = np.argsort(value["LeNet"][2:11])[::-1]
rows = ["27 known fonts", "9 unseen fonts", *(f"    {names[i]}" for i in order)]
fig, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained",
                                  width_ratios=(1.25, 1))
plots.headline(fig, "LeNet is best on unseen fonts; a shift of six pixels undoes it too")
for name, color in COLORS.items():
    style = {"color": color, "markersize": 7, "label": name}
    left.plot([*value[name][:2], *value[name][2:11][order]], range(11), "o", **style)
    right.plot(range(9), value[name][11:], "o-", **style)
for row, i in enumerate(order, start=2):  # a letter B of each unseen font
    b = ((foreign.styles == fonts[i]) & (foreign.labels == 1)).argmax()
    left.imshow(foreign.x[b], extent=(31, 35, row + 0.45, row - 0.45), cmap="gray_r",
                aspect="auto")
right.axhline(10, color=plots.INK, linestyle=":", label="guessing")
left.set_yticks(range(11), rows, color=plots.INK)
left.set(xlim=(30, 102), ylim=(10.5, -0.6), xlabel="accuracy (%)")
right.set(xlabel="shift to the right (pixels)", ylabel="accuracy (%)", ylim=(0, 102))
right.legend()
plots.show("Left: dots of three models in eleven rows, LeNet mostly ahead, two fonts far "
           "below. Right: three falling lines, LeNet's last, all low at six pixels.")
by_six = value["LeNet"][11 + 6]
outcome("10.shift", "over 90 %" if by_six > 90 else "70 to 90 %" if by_six >= 70 else
        "40 to 70 %" if by_six >= 40 else "under 40 %")
claim("LeNet on letters that have moved by 6 pixels: right, per cent", by_six, at_most=28)

# %% [markdown]
# Two fonts of nine, script and fraktur, make most of the mistakes; the mean over fonts hides that.
# Look at errors by group first.
#
# LeNet's dense layers are tied to places, and in training every letter stood in the middle. Is that why the shift undoes it?
# As a control, section 3's net reads the same letters: it ends in the largest value of each map, and has no places.

# %%
torch.manual_seed(SEED)
control = train(net_of(nn.Conv2d(1, 8, 5, stride=2, padding=6),  # a border of 6 zeros
                       nn.Conv2d(8, 32, 4, stride=2)).to(run.device),
                x, y, run.steps(320), lr=1e-2)
middle, moved = readings(control)[[11, 11 + 6]]
print(f"no places: {middle:.0f} % right in the middle, {moved:.0f} % moved by 6 pixels")
claim("moved by 6 pixels LeNet loses more than the net without places, points of accuracy",
      value["LeNet"][11] - by_six - (middle - moved), at_least=55)

# %%
unknown = {name: numbers[1] for name, numbers in value.items()}
claim("unseen fonts: the MLP less softmax regression, points of accuracy",
      unknown["MLP"] - unknown["softmax"], at_least=1.5)
claim("unseen fonts: LeNet less the MLP, points of accuracy",
      unknown["LeNet"] - unknown["MLP"], at_least=1)
hard = np.array(["script" in name or "fraktur" in name for name in names])
claim("LeNet on script and fraktur, less its mean on the others, points of accuracy",
      value["LeNet"][2:11][hard].mean() - value["LeNet"][2:11][~hard].mean(), at_most=-10)

# %% [markdown]
# ## 6 · What does it look at?
#
# On the map: `cnn` · `convolution`
#
# A trained net can be opened. But a picture of "where it looked" needs a rival before it is believed.
#
# How much of the picture can a unit see? That is its **receptive field** (수용 영역).
# Going up, a layer of size $k$ adds $k - 1$ steps, and a step is as many pixels as all strides below it multiplied:
#
# | layer of LeNet | size $k$ | step | field (pixels) |
# |---|---|---|---|
# | filters 1 | 5 | 1 | $1 + 4 \cdot 1 = 5$ |
# | pooling 1 | 2 | 1 | $5 + 1 \cdot 1 = 6$ |
# | filters 2 | 5 | 2 | $6 + 4 \cdot 2 = 14$ |
# | pooling 2 | 2 | 2 | $14 + 1 \cdot 2 = 16$ |
#
# A gradient knows it without the formula: which pixels move a map's middle unit at all, for any of 300 letters?
# The picture shows them in frames of 28×28 pixels; above, the first layer's filters (blue: positive, red: negative), and what each finds in a G.

# %%
def field(depth):
    """Mean size of the gradient of a map's middle unit by each pixel: (28, 28)."""
    x = unseen[0][:300].clone().requires_grad_()
    maps = net[:depth](x)  # (300, channels, side, side)
    maps[:, :, maps.shape[2] // 2, maps.shape[2] // 2].sum().backward()
    return x.grad.abs().mean(dim=(0, 1)).cpu().numpy()


net, letter = models["LeNet"][0], (judge.labels == 6).argmax()  # the first G
fields = [field(depth) for depth in (1, 2, 4, 5)]               # depth 3 is a ReLU
# from the first column with a gradient to the last (ptp: largest less smallest)
sides = [np.ptp(np.nonzero(f.any(axis=0))[0]) + 1 for f in fields]
claim("receptive fields by the gradient against the table: largest difference, pixels",
      max(abs(np.subtract(sides, [5, 6, 14, 16]))), at_most=0)
maps = net[0](seen[0][[letter]]).relu().detach().cpu().numpy()[0]      # (6, 28, 28)
filters = net[0].weight.detach().cpu().numpy()[:, 0]                   # (6, 5, 5)
drawn = {f"filter {i + 1}": f for i, f in enumerate(filters)}
drawn |= {f"its map {i + 1}": m for i, m in enumerate(maps)}
drawn |= {"the letter": judge.x[letter]}
drawn |= {f"{stage}: {side}×{side}": f for stage, side, f in zip(
    ("filters 1", "pooling 1", "filters 2", "pooling 2"), sides, fields, strict=True)}
fig, axes = plt.subplots(3, 6, figsize=(9.5, 5.3), layout="constrained")
plots.headline(fig, "First strokes and sides; two stages up a unit sees most of a letter")
axes[2, 5].axis("off")
for ax, (name, shown) in zip(axes.flat, drawn.items(), strict=False):
    low, cmap = (-abs(shown).max(), "RdBu") if len(shown) == 5 else (0, "gray_r")
    ax.imshow(shown, cmap=cmap, vmin=low, vmax=abs(shown).max())
    ax.set(xticks=[], yticks=[])
    ax.set_title(name, fontsize=11, loc="center")
    ax.spines[:].set_visible(True)
plots.show("Six 5 by 5 filters; their maps of a G, some nearly whole, some only sides; "
           "the G and four growing fields in frames, the last 16 of 28 pixels a side.")

# %% [markdown]
# The last field is darkest in its middle: the rim reaches the unit through few windows.
#
# Which pixels made one decision? Three usual answers:
#
# - **saliency** (현저성): the size of the slope of the true letter's score by each pixel;
# - **gradient × pixel** (기울기 × 픽셀): the size of slope times ink;
# - **occlusion** (가림): cover a patch with white; how far does the letter's probability fall?
#
# Test each: its means rank 49 patches of 4×4 pixels. Erase the first five: the lower the probability, the more the map knew.
#
# Two rivals know nothing of what was learned: the patches with the most *ink*, and the same maps of five LeNets with *random weights* (Adebayo and others, 2018).

# %%
def gradient_maps(net):
    """Saliency, and gradient × pixel, averaged over patches: (500, 1, 7, 7) each."""
    leaf = x.clone().requires_grad_()
    net(leaf).gather(1, y[:, None]).sum().backward()  # gather: the true letter's score
    return F.avg_pool2d(leaf.grad.abs(), 4), F.avg_pool2d((leaf.grad * x).abs(), 4)


@torch.no_grad()
def probability(net, x):
    return net(x).softmax(1).gather(1, y[:, None])[:, 0]  # of the true letter: (n,)


def erase(net, importance):
    """Mean probability of the true letter when the five first patches are white."""
    top = importance.flatten(1).topk(5).indices
    keep = torch.ones(500, 49, device=run.device).scatter(1, top, 0).view(500, 1, 7, 7)
    return probability(net, x * F.interpolate(keep, scale_factor=4)).mean().item()


def occlusion(net):
    falls, before = torch.zeros(500, 1, 7, 7, device=run.device), probability(net, x)
    for i, j in product(range(7), range(7)):
        covered = x.clone()
        covered[:, :, 4 * i:4 * i + 4, 4 * j:4 * j + 4] = 0
        falls[:, 0, i, j] = before - probability(net, covered)
    return falls

# %%
x, y = seen[0][:500], seen[1][:500]
torch.manual_seed(SEED)
strangers = [gradient_maps(lenet()) for _ in range(5)]  # random weights
by_chance, runs = torch.rand(500, 1, 7, 7).to(run.device), []
for net in models["LeNet"]:
    saliency, times_pixel = gradient_maps(net)
    maps = {"occlusion": [occlusion(net)], "gradient × pixel": [times_pixel],
            "the same, random nets": [m[1] for m in strangers],
            "most ink": [F.avg_pool2d(x, 4)],
            "saliency": [saliency], "saliency, random nets": [m[0] for m in strangers],
            "any five patches": [by_chance]}
    runs.append([np.mean([erase(net, one) for one in some]) for some in maps.values()])
left = dict(zip(maps, np.mean(runs, axis=0), strict=True))  # what is left, by map

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Let the room say which side of the G each map shows.
# When somebody says that a saliency map *explains* a decision: this test asks for more than a nice picture.
# The sentence for the board: a map that looks the same for a net that has learned nothing does not show what was learned.

# %% [markdown]
# **Predict first.** Gradient × pixel of *random* nets picks five patches of each letter, and they are erased.
# How much of the trained nets' probability is left, compared with erasing the five patches with the most ink?
#
# In the picture each row is a map of the last LeNet, or first random net, as black as its own largest value (empty: no patch lowers the probability). Its number is the probability left (nearly 1 before erasing), the mean over 500 letters and both LeNets.

# %%
CHOICES = "more, by 0.1 or more", "about as much", "less, by 0.1 or more"
predict("10.random", *CHOICES)

# %%
strips = {"letter": x}
for name, some in list(maps.items())[:6]:
    large = F.interpolate(some[0].clamp(min=0), scale_factor=4)  # falls below 0 are white
    # each map by its own largest; where no patch lowers the probability all is white
    largest = large.amax((1, 2, 3), keepdim=True).clamp(min=1e-9)
    strips[f"{name} {left[name]:.2f}"] = large / largest
plots.strips("What a random net's map knows, it has from the ink", strips, 10, frame=True)
plt.gcf().set_size_inches(9, 5.6)
plots.show("Ten letters, six maps of each, and the probability that is left: lowest for "
           "occlusion and gradient times pixel; its random nets and the ink are alike.")
random_, ink = left["the same, random nets"], left["most ink"]
outcome("10.random", CHOICES[1 + (ink - random_ >= 0.1) - (random_ - ink >= 0.1)])
claim("gradient × pixel of random nets less the most ink: difference of what is left",
      abs(random_ - ink), at_most=0.05)
claim("gradient × pixel of the trained nets leaves less than the ink, by",
      ink - left["gradient × pixel"], at_least=0.15)
claim("occlusion leaves less than the ink, by", ink - left["occlusion"], at_least=0.13)
claim("saliency leaves less than saliency of random nets, by",
      left["saliency, random nets"] - left["saliency"], at_least=0.1)
claim("saliency against the most ink: difference of what is left",
      abs(left["saliency"] - ink), at_most=0.1)
firsts = [m.flatten(1).topk(5).indices for m in
          (*maps["the same, random nets"], maps["most ink"][0])]
shared = np.mean([(one[:, :, None] == firsts[-1][:, None]).sum().item() / len(x)
                  for one in firsts[:-1]])  # each against each of the ink's
print(f"left by any five patches: {left['any five patches']:.2f}; of five patches "
      f"a random net and the ink share {shared:.1f} (by chance {25 / 49:.1f})")

# %% [markdown]
# - *Gradient × pixel* passes: of a trained net it leaves far less than the ink does. But its looks prove nothing: random nets draw letters too, and score as the ink does, with largely its patches (printed).
# - *Saliency*, the map seen most often, does hold what was learned: random nets' is worse. Yet it tells about as much as the ink.
# - *Occlusion* leaves little too, but the test asks nearly what it measured.
#
# **Ask the room.** A net sorts X-rays by disease, and its saliency lights up at the hospital's stamp in the corner.
# Which test of your own would settle it?
#
# <details><summary>One answer</summary>
#
# Move the stamp: paste one hospital's on the other's pictures, or cover it. If the answers follow the stamp, the net reads it. And test on a hospital that was never in training.
# </details>
#
# A net's filters can also move to another task that has few labels; lecture 11 does that.

# %% [markdown]
# ## 7 · An answer for each pixel
#
# On the map: `cnn` · `pooling`
#
# "Which letter?" has one answer for a picture. "Which pixels are road, tumour, the letter E?" has one for each pixel: a **dense prediction** (밀집 예측).
#
# To know *which* letter it is, a unit needs a large field; pooling gives one, and loses the place.
# To know *where* the ink ends, it needs single pixels; the first maps have them, and see no letter.
#
# A **U-Net** (유넷; Ronneberger and others, 2015) goes down by pooling, and up again by repeating each number 2×2 times. A **bridge** (건너뛰기 연결) hands early maps across: on the way up a layer gets both as channels.
#
# The wanted answer has a colour for each letter: A blue, B orange, C green, D red, E purple. White is paper.

# %%
TINTS = ListedColormap(["white", plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED,
                        plots.PURPLE])
COLORED = {"cmap": TINTS, "vmin": 0, "vmax": 5}
# ink is what is darker than 0.35: thin strokes fall into pieces
(x, y), (x_new, y_new) = (scenes(data.load("glyphs", split=split, n=n, seed=SEED,
                                           classes="ABCDE"), rng, run.device)
                          for split, n in (("train", 3000), ("test", 800)))
s = schematics.Sketch("A U-Net: down to see more, up to answer for each pixel",
                      width=11.2, height=3.4)
a, b, c, d, e, f = (s.box(size, place, fontsize=12) for size, place in (
    ("8 maps\n16 × 32", (2.9, 2.85)), ("16 maps\n8 × 16", (3.8, 1.7)),
    ("32 maps, twice\n4 × 8", (5.0, 0.5)), ("16 maps\n8 × 16", (6.2, 1.7)),
    ("8 maps\n16 × 32", (7.1, 2.85)), ("6 scores\n16 × 32", (8.5, 2.85))))
for start, end, words in ((a, b, "pool"), (b, c, "pool"), (c, d, "repeat"),
                          (d, e, "repeat")):
    s.arrow(start, end, words, left=False)
for start, end in ((a, e), (b, d)):
    s.arrow(start, end, "bridge", dashed=True, color=plots.RED)
for shown, at, look, words in ((x[0, 0], 0.2, {"vmin": 0, "vmax": 1}, "page, 16 × 32"),
                               (y[0], 9.3, COLORED, "wanted answer")):
    s.box("", (at + 0.9, 2.85), size=(1.84, 0.94), kind="data")
    s.ax.imshow(shown.cpu(), extent=(at, at + 1.8, 2.4, 3.3), zorder=3, **look)
    s.text(words, (at + 0.9, 2.15), fontsize=12)
s.arrow((2.04, 2.85), a)
s.arrow(e, f)
s.text("≈", (9.14, 2.85))
s.show("A page of two letters; boxes going down by pooling and up by repeating, with two "
       "dashed bridges across; the wanted answer, each letter's pixels in its colour.")

# %%
def block(c, k, gap=1):
    """3×3 filters with weights `gap` pixels apart; then lecture 06's normalization, each
    map by its mean and spread over all pictures and pixels."""
    return nn.Sequential(nn.Conv2d(c, k, 3, padding=gap, dilation=gap), nn.BatchNorm2d(k),
                         nn.ReLU())


class UNet(nn.Module):
    def __init__(self, bridges=True):
        super().__init__()
        self.bridges, self.a, self.b = bridges, block(1, 8), block(8, 16)
        self.c = nn.Sequential(block(16, 32), block(32, 32))
        # True counts as 1: with bridges come 16 maps more, and 8
        self.d, self.e = block(32 + 16 * bridges, 16), block(16 + 8 * bridges, 8)
        self.scores = nn.Conv2d(8, 6, 1)

    def join(self, low, early):
        """Make the lower maps as large as the early ones, and put both side by side."""
        low = F.interpolate(low, scale_factor=2)
        return torch.cat([low, early], dim=1) if self.bridges else low

    def forward(self, x):
        a = self.a(x)                                # (n, 8, 16, 32)
        b = self.b(F.max_pool2d(a, 2))               # (n, 16, 8, 16)
        c = self.c(F.max_pool2d(b, 2))               # (n, 32, 4, 8)
        d = self.d(self.join(c, b))                  # (n, 16, 8, 16)
        return self.scores(self.e(self.join(d, a)))  # (n, 6, 16, 32)


def flat(*gaps):
    return nn.Sequential(*(block(12 if i else 1, 12, gap) for i, gap in enumerate(gaps)),
                         nn.Conv2d(12, 6, 1))

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Ask why plain accuracy over pixels is no measure here: paper everywhere would be right on most.
# The filters with holes are exercise 1; they are the serious rival, and take their time.

# %% [markdown]
# At the end a filter of 1×1 makes six scores *for each pixel*: paper, A to E. The loss is the softmax's, averaged over all pixels.
#
# Three rivals get the same rows and steps. *No bridges*: the same net without them. *No pooling*: four layers of 12 maps at full size, about as many multiplications; a field of $1 + 4 \cdot 2 = 9$ pixels, less than a letter. *Holes*: the same, with weights 1, 2, 4 and 1 pixels apart; a field of $1 + 2(1+2+4+1) = 17$.
#
# Most pixels are paper, so accuracy would flatter. The measure is the **overlap** (겹침 비율, intersection over union): pixels whose letter is right, divided by all pixels where the net or the truth sees a letter. 1 is perfect.

# %%
@torch.no_grad()
def overlap(net):
    """On the new pages: the share, and the answers (400, 16, 32)."""
    said = torch.cat([net(part).argmax(1) for part in x_new.split(100)])
    right, either = (said == y_new) & (y_new > 0), (said > 0) | (y_new > 0)
    return (right.sum() / either.sum()).item(), said


torch.manual_seed(SEED)
rivals = {"U-Net": UNet(), "no bridges": UNet(bridges=False),
          "no pooling": flat(1, 1, 1, 1), "holes": flat(1, 2, 4, 1)}
share, answers = {}, {"page": x_new[:, 0], "wanted": y_new}
for name, rival in rivals.items():
    train(rival.to(run.device), x, y, run.steps(200), lr=0.02, batch=16)
    share[name], said = overlap(rival)
    answers[f"{name}: {share[name]:.2f}"] = said
fig, axes = plots.panels("Four nets colour each pixel; above, the overlap with wanted",
                         answers, xlabel="", ylabel="", size=(10.5, 3.2))
for ax, (name, shown) in zip(axes, answers.items(), strict=True):
    ax.imshow(torch.cat([*shown[:4]]).cpu(), **({"vmax": 1} if name == "page" else COLORED))
    ax.hlines([15.5, 31.5, 47.5], -0.5, 31.5, colors=plots.GREY, linewidth=0.8)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    ax.grid(visible=False)
plots.show("Four pages, the wanted colours, and four answers; without "
           "bridges letters are blurred or missing, without pooling colours are mixed.")

# %%
claim("the U-Net's overlap less that without bridges",
      share["U-Net"] - share["no bridges"], at_least=0.08)
claim("the U-Net's overlap less that without pooling",
      share["U-Net"] - share["no pooling"], at_least=0.05)

# %% [markdown]
# The number above each answer is its overlap on 400 new pages. A hint, no verdict: one rate, one start, 24,000 weights against 4,000. Holes (exercise 1) see far at full size.
#
# ## What goes wrong in practice
#
# - **"A CNN is invariant to shifts": folklore.** Shift the training pictures (`torch.roll` wraps: keep a white border), or let no layer know places, as section 3's maximum does; give it a wide border (`padding=6`), for letters in corners.
# - **The axes.** PyTorch wants `(n, c, h, w)`, photographs come as `(h, w, c)`. A wrong `reshape` runs and learns worse; `permute(0, 3, 1, 2)` reorders the axes.
# - **A random split.** One font or patient in both halves: an easy test. Hold out whole groups.
# - **Bytes or fractions?** Trained on 0 to 1, fed with 0 to 255: the scores mean nothing, however sure.
# - **Early strides.** Stride 2 drops three of four places.

# %% [markdown]
# ## Summary
#
# 1. A convolution is one small filter, applied to every window; as a matrix: mostly zeros, the rest shared.
# 2. Windows in rows make it one product, and the gradients are those of a product.
# 3. Sharing saves weights, and what is learned in one place is known in all, if every remainder by the stride was trained.
# 4. A convolution moves along with a shift; borders, strides (but by their multiples) and dense layers do not.
# 5. Judge on groups never seen, look at errors by group, and give a map of importance two rivals: the ink, and random weights.
# 6. An answer for each pixel gains from the far view and the near one.
#
# ## Exercises and further reading
#
# `dlmap start 10`, then open `exercises/work/10_exercises.ipynb`: six tasks, about 120 minutes.
#
# <details><summary>Papers</summary>
#
# - K. Fukushima (1980), *Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by shift in position*, Biological Cybernetics 36.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), *Gradient-based learning applied to document recognition*, Proceedings of the IEEE 86.
# - K. Chellapilla, S. Puri, P. Simard (2006), *High performance convolutional neural networks for document processing*, IWFHR.
# - O. Ronneberger, P. Fischer, T. Brox (2015), *U-Net: convolutional networks for biomedical image segmentation*, MICCAI.
# - V. Dumoulin, F. Visin (2016), *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel (2016), *Understanding the effective receptive field in deep convolutional neural networks*, NIPS.
# - J. Adebayo and others (2018), *Sanity checks for saliency maps*, NeurIPS.
# - A. Azulay, Y. Weiss (2019), *Why do deep convolutional networks generalize so poorly to small image transformations?*, JMLR 20.
# - R. Zhang (2019), *Making convolutional networks shift-invariant again*, ICML.
# </details>
