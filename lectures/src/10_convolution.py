# %% [markdown]
# # 10 · Convolution
#
# **Question.** Move a letter by two pixels and every input of a network has changed. How can a machine know that it is the same letter?
#
# **You will be able to** slide a filter over a picture, and turn that into one matrix product with its gradients; say what shared weights buy and what they do not; build LeNet and judge it on fonts that it has never seen; ask a trained net which pixels it used.
#
# **Needs** 05, 06 · **Minutes** 90 to teach, 150 to study · **CPU** 35 s
#
# On the map: `convolution` · `pooling` · `cnn`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more letters, more starts, and Fashion-MNIST
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import timeit
from itertools import pairwise

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim

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
# A filter is a small linear regression that looks at one window after the other, always with the same weights.
#
# A **filter**, also called kernel, is a small array of weights $w$. Lay it on a picture $x$ at row $r$ and column $c$, multiply, add up, move on by one pixel:
#
# $$y_{r,c} = \sum_{i,j} w_{i,j}\, x_{r+i,\; c+j}$$
#
# The result $y$ is a picture again, a **feature map**: bright where the window looks like the filter. That is **convolution** (합성곱).
#
# Two knobs. **Stride** $s$: move by $s$ pixels at a time. **Padding** $p$: first add a border of $p$ zeros.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Do the first three windows by hand on the board, with a 2×2 filter on a 4×4 picture, then run.
# Somebody with a signal-processing background will say that this is correlation. Right: a convolution flips the filter first. Since the weights are learned, the flip changes nothing, and every deep-learning library leaves it out.

# %%
def correlate(x, w, stride=1, padding=0):
    """Slide the filter w (high, wide) over the picture x: one number for each window."""
    x, (high, wide) = np.pad(x, padding), w.shape
    y = np.empty(((x.shape[0] - high) // stride + 1, (x.shape[1] - wide) // stride + 1))
    for r in range(y.shape[0]):
        for c in range(y.shape[1]):
            top, left = r * stride, c * stride
            window = x[top:top + high, left:left + wide]
            y[r, c] = (w * window).sum()
    return y


# Filters were designed by hand long before they were learned.
photo = data.load("photos")["china"].mean(axis=2)[60:220, 130:330] / 255  # (160, 200), grey
edge = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
filters = {"blur": np.full((5, 5), 1 / 25), "left − right": edge, "top − bottom": edge.T,
           "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]])}
seen = {name: correlate(photo, w) for name, w in filters.items()}

fig, axes = plots.panels("One photograph, four filters: each finds something else",
                         ["photograph", *seen], xlabel="", ylabel="", size=(9, 2.1))
for ax, picture in zip(axes, [photo, *seen.values()], strict=True):
    low, high = np.quantile(picture, [0.01, 0.99])
    ax.imshow(picture[:100, 30:150], cmap="gray", vmin=low, vmax=high,
              interpolation="nearest")
    ax.axis("off")
plots.show("A temple roof; blurred; its vertical edges; its horizontal edges; sharpened.")

# %% [markdown]
# How large is the result? A side of $n$ pixels, a filter of side $k$:
#
# $$\left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1$$
#
# **Predict first.** A picture of 28×28, a filter of 5×5, padding 2. What is the side of the result with stride 1? With stride 2?

# %%
x, w = rng.normal(size=(28, 28)), rng.normal(size=(5, 5))
print([correlate(x, w, stride, padding=2).shape for stride in (1, 2)])

gaps = []
for k, stride, padding in [(1, 1, 0), (3, 1, 1), (4, 3, 0), (5, 1, 2), (5, 2, 2),
                           (2, 2, 1)]:
    w = rng.normal(size=(k, k))
    library = F.conv2d(*(torch.tensor(a)[None, None] for a in (x, w)), stride=stride,
                       padding=padding)
    gaps.append(np.abs(correlate(x, w, stride, padding) - library[0, 0].numpy()).max())
claim("our loops are F.conv2d, for six sizes, strides and paddings",
      max(gaps), at_most=1e-12)

# %% [markdown]
# ## 2 · One matrix product, and lecture 01 again
#
# On the map: `convolution`
#
# Put every window in a row of its own, and a convolution is a matrix times a vector: a linear regression with windows for rows.
#
# No pixel need be copied to *see* all windows. An array is memory and **strides**, the number of bytes to the next entry along each axis.
# `sliding_window_view` gives two more axes with the strides of the first two: four axes, the old memory.
# Only the product wants rows side by side, and makes the copy. This arrangement is known as **im2col**.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Print `view.strides` and ask what would happen if somebody wrote into the view: nine windows would change at once. NumPy makes it read-only for that reason.
# The regression at the end of this part is worth a minute of silence: the filter that a camera app used, found by lecture 01.

# %%
view = sliding_window_view(photo, (3, 3))   # (158, 198, 3, 3): every window
windows = view.reshape(-1, 9)               # (158·198, 9): now they are copied
print(f"strides in bytes {view.strides}, memory {photo.nbytes:,} bytes; "
      f"copied {windows.nbytes:,} bytes")
product = (windows @ edge.ravel()).reshape(158, 198)

# %%
claim("the matrix product is the loop's result",
      np.abs(product - seen["left − right"]).max(), at_most=1e-12)
loop, fast = (min(timeit.repeat(job, number=1, repeat=2)) for job in (
    lambda: correlate(photo, edge),
    lambda: sliding_window_view(photo, (3, 3)).reshape(-1, 9) @ edge.ravel()))
claim("and many times as fast as the loop", loop / fast, at_least=20)

# %%
# A regression can be fitted. Here is a photograph before and after a filter, with noise;
# which filter was it?
after = windows @ edge.ravel() + rng.normal(0, 0.05, len(windows))
found = np.linalg.lstsq(windows, after)[0].reshape(3, 3)
print(found.round(2))
claim("least squares finds the filter from before and after",
      np.abs(found - edge).max(), at_most=0.1)

# %% [markdown]
# Real layers have several input **channels** $c$ (red, green, blue, or the feature maps of the layer before) and several filters.
# A filter then has a slice for each channel, and the slices' results add up.
#
# The gradients need no new idea. $Y = X W^\top$, with a row of $X$ for each window and a row of $W$ for each filter. If $G$ arrives, the gradient of the loss $L$ with respect to $Y$, lecture 05 gives
#
# $$\frac{\partial L}{\partial W} = G^\top X, \qquad \frac{\partial L}{\partial X} = G\, W$$
#
# The second is the gradient of the *copies*. A pixel that was copied into nine windows gets nine gradients, and they add up.

# %%
def conv2d(x, w, b, stride=1, padding=0):
    """x: (n, c, h, w), w: (k, c, i, j), b: (k,)
    -> scores (n, k, rows, columns), and the windows."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    view = sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    n, _, rows, columns = view.shape[:4]  # (n, c, rows, columns, i, j)
    # a row for each window
    windows = view.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    y = windows @ w.reshape(len(w), -1).T + b  # (n·rows·columns, k)
    return y.reshape(n, rows, columns, -1).transpose(0, 3, 1, 2), windows

# %%
def conv2d_gradients(g, windows, x, w, stride=1, padding=0):
    """g: (n, k, rows, columns), the gradient that arrives -> gradients of x, w and b."""
    n, k, rows, columns = g.shape
    _, c, high, wide = w.shape
    flat = g.transpose(0, 2, 3, 1).reshape(-1, k)  # (n·rows·cols, k)
    dw = (flat.T @ windows).reshape(w.shape)
    copies = (flat @ w.reshape(k, -1)).reshape(n, rows, columns, c, high, wide)
    dx = np.zeros((n, c, x.shape[2] + 2 * padding, x.shape[3] + 2 * padding))
    for i in range(high):
        for j in range(wide):  # every copy goes home
            dx[:, :, i:i + stride * rows:stride, j:j + stride * columns:stride] += (
                copies[:, :, :, :, i, j].transpose(0, 3, 1, 2))
    inside = dx[:, :, padding:padding + x.shape[2], padding:padding + x.shape[3]]
    return inside, dw, flat.sum(axis=0)


gaps = []
for size, stride, padding in [(3, 1, 0), (3, 1, 1), (5, 1, 2), (2, 2, 0), (3, 2, 1),
                              (4, 3, 2), (1, 1, 0)]:
    x = rng.normal(size=(4, 3, 10, 9))
    w = rng.normal(size=(5, 3, size, size))
    b = rng.normal(size=5)
    y, windows = conv2d(x, w, b, stride, padding)
    g = rng.normal(size=y.shape)
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    library = F.conv2d(*theirs, stride, padding)
    expected = torch.autograd.grad(library, theirs, torch.tensor(g))
    pairs = zip([y, *conv2d_gradients(g, windows, x, w, stride, padding)],
                [library.detach(), *expected], strict=True)
    gaps += [np.abs(mine - other.numpy()).max() for mine, other in pairs]
claim("values and all three gradients are F.conv2d's, in seven settings",
      max(gaps), at_most=1e-10)

# %% [markdown]
# What has this to do with the layers of lecture 04?
# Seen from the pixels, a convolution *is* such a layer, a **dense** one, where every unit sees every input, but with two restrictions:
# a unit sees one window only, so most weights are zero, and all units share the same nine numbers.
# To see the matrix, send every picture that has a single white pixel through the layer.
#
# (`utils/scratch/convolution.py` puts these functions on lecture 05's tape, faster. A whole network trained there gives PyTorch's losses: see its tests.)

# %%
basis = np.eye(64).reshape(64, 1, 8, 8)  # 64 pictures with one white pixel
matrix = conv2d(basis, np.arange(1.0, 10).reshape(1, 1, 3, 3),
                np.zeros(1))[0].reshape(64, 36).T
fig, ax = plots.figure("A convolution is a dense layer: "
                       "mostly zeros, and nine numbers again and again",
                       xlabel="input: one column for each of 8 × 8 pixels", ylabel="unit",
                       size=(8.5, 4.6))
ax.imshow(np.where(matrix > 0, matrix, np.nan), cmap="viridis", aspect="auto",
          interpolation="nearest")
plots.name(ax, 38, 4, f"36 × 64 = {matrix.size:,} places", plots.INK)
plots.name(ax, 38, 7,
           f"{np.count_nonzero(matrix)} in use, {len(np.unique(matrix)) - 1} numbers",
           plots.INK)
plots.show("A matrix with a broken diagonal band: "
           "each row holds nine coloured squares, one step on.")

# %% [markdown]
# ## 3 · What sharing buys
#
# On the map: `convolution` · `cnn`
#
# Shared weights are few, and what they learn in one place they know in every place.
#
# Three nets read letters on a large page. During training, every letter stands in the upper left of the page.
# In the test it stands there, or further down to the right.
#
# - **dense**: 128 hidden units, each sees the whole page;
# - **local**: each unit sees a window, and each window has *its own* weights;
# - **convolution**: the same windows, and one set of weights for all of them.
#
# The last two end alike: each feature map's largest value, wherever it is, and ten scores from these 32 numbers.
#
# **Predict first.** Which of the three read the letter in its new place?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Collect votes for each net. Many expect the local net to read on, "because it looks at windows too". It has windows there, but nobody has ever trained them.

# %%
def tensors(letters):
    """Pictures (n, 1, 28, 28) from 0 to 1, and labels, on this run's device."""
    return (torch.tensor(letters.x, device=run.device)[:, None],
            torch.tensor(letters.labels, device=run.device))


@torch.no_grad()
def accuracy(net, x, y):
    return (net(x).argmax(1) == y).float().mean().item()

# %%
class Local(nn.Module):
    """A convolution that does not share: each of its windows has filters of its own."""

    def __init__(self, c, k, size, side, stride):
        super().__init__()
        self.size, self.stride, self.out = size, stride, (side - size) // stride + 1
        bound = (c * size**2) ** -0.5                                # as nn.Conv2d starts
        self.w = nn.Parameter(torch.empty(self.out**2, c * size**2,
                                          k).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(self.out**2, 1, k).uniform_(-bound, bound))

    def forward(self, x):
        windows = F.unfold(x, self.size, stride=self.stride)  # (n, c·size², places): im2col
        y = torch.baddbmm(self.b, windows.permute(2, 0, 1), self.w)  # (places, n, k)
        return y.permute(1, 2, 0).unflatten(2, (self.out, self.out))


def train(net, x, y, epochs, lr=4e-3, batch=64, start=0):
    """Adam, the rate rising to `lr` and falling again (lecture 02)."""
    torch.manual_seed(1000 * SEED + start)  # the order of the batches
    descent = torch.optim.Adam(net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, lr,
                                                   total_steps=epochs * -(-len(x) // batch))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            descent.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            descent.step()
            schedule.step()
    return net.eval()

# %%
glyphs = data.load("glyphs", n=run.pick(lecture=6000, full=20_000), seed=SEED)
judge = data.load("glyphs", split="test", n=2000, seed=SEED)


def pages(letters, low, high):
    """Letters of 14×14 on pages of 36×36,
    the corner of each at a random place from low to high."""
    small, y = F.avg_pool2d(tensors(letters)[0], 2), tensors(letters)[1]
    x = torch.zeros(len(y), 1, 36, 36, device=run.device)
    for page, letter, (top, left) in zip(x, small, rng.integers(low, high + 1, (len(y), 2)),
                                         strict=True):
        page[:, top:top + 14, left:left + 14] = letter
    return x, y


x, y = pages(glyphs[:3000], 6, 9)
here, there = pages(judge[:1000], 6, 9), pages(judge[:1000], 13, 16)


def net_of(first, second):
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveMaxPool2d(1),
                         nn.Flatten(), nn.Linear(32, 10))


torch.manual_seed(SEED)
nets = {
    "dense": nn.Sequential(nn.Flatten(), nn.Linear(36 * 36, 128), nn.ReLU(),
                           nn.Linear(128, 10)),
    "local": net_of(Local(1, 8, 5, side=36, stride=2), Local(8, 32, 4, side=16, stride=2)),
    "convolution": net_of(nn.Conv2d(1, 8, 5, stride=2), nn.Conv2d(8, 32, 4, stride=2)),
}
weights = {name: sum(p.numel() for p in net.parameters()) for name, net in nets.items()}
trained = {name: train(net.to(run.device), x, y, epochs=6, lr=1e-2)
           for name, net in nets.items()}
read = {name: (accuracy(net, *here), accuracy(net, *there))
        for name, net in trained.items()}

# %%
bars = {f"{name}, {weights[name]:,} weights: {place}": 100 * read[name][i]
        for i, place in enumerate(["where trained", "elsewhere"]) for name in read}
plots.bars("Only shared weights read a letter where no letter has been", bars,
           xlabel="accuracy (%)",
           unit=" %",
           colors={label: plots.GREEN if "convolution" in label else plots.GREY
                   for label in bars})
plots.show("Where trained all three nets read most letters; "
           "elsewhere only the convolution does.")

# %%
claim("sharing saves weights: local over convolution",
      weights["local"] / weights["convolution"], at_least=30)
claim("where they were trained, the convolution keeps up with the local net",
      read["convolution"][0] - read["local"][0], at_least=-0.05)
claim("elsewhere the dense and the local net guess",
      max(read["dense"][1], read["local"][1]), at_most=0.25)
claim("elsewhere the convolution reads as before",
      abs(read["convolution"][1] - read["convolution"][0]), at_most=0.06)

# %% [markdown]
# ## 4 · Pooling, and what a shift does
#
# On the map: `pooling` · `convolution`
#
# Pooling makes maps smaller and forgets a little of where things are; how a net answers to a shift can be measured.
#
# **Pooling** (풀링) keeps one number of each window: the largest (max pooling) or the mean (average pooling).
# It has nothing to learn. The gradient of a maximum goes to the winner alone, and the losers get nothing.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# *Equivariant*: the answer moves along. *Invariant*: the answer stays. A detector should be the first, a classifier the second.
# Expect "CNNs are invariant to shifts" from the room. Write it on the board, with a question mark; section 5 measures it.

# %%
def max_pool2d(x, size, stride):
    """x: (n, c, h, w) -> the largest of each window (n, c, rows, columns),
    and its place in the window."""
    view = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    flat = view.reshape(*view.shape[:4], -1)  # (n, c, rows, columns, size²)
    return flat.max(axis=-1), flat.argmax(axis=-1)


def max_pool2d_gradient(g, winner, shape, size, stride):
    """Each entry of g goes to the pixel that won;
    a pixel that won in two windows gets two gradients."""
    dx, (i, channel, r, c) = np.zeros(shape), np.indices(winner.shape)
    np.add.at(dx, (i, channel, r * stride + winner // size, c * stride + winner % size), g)
    return dx


gaps = []
for size, stride in [(2, 2), (3, 3), (3, 2), (2, 1)]:
    x = rng.normal(size=(2, 3, 9, 8))
    (y, winner), leaf = max_pool2d(x, size, stride), torch.tensor(x, requires_grad=True)
    library, g = F.max_pool2d(leaf, size, stride), rng.normal(size=y.shape)
    library.backward(torch.tensor(g))
    gaps += [np.abs(y - library.detach().numpy()).max(),
             np.abs(max_pool2d_gradient(g, winner, x.shape, size, stride)
                    - leaf.grad.numpy()).max()]
claim("max pooling and its gradient are F.max_pool2d's, overlapping windows too",
      max(gaps), at_most=1e-12)

mean = F.avg_pool2d(torch.tensor(photo)[None, None], 2)[0, 0].numpy()
claim("average pooling is a convolution with equal weights and a stride",
      np.abs(correlate(photo, np.full((2, 2), 1 / 4), stride=2) - mean).max(),
      at_most=1e-12)

# %% [markdown]
# Shift a picture, then filter it; or filter it, then shift the result.
# Where both agree, the layer is **equivariant**: $f(\text{shift}(x)) = \text{shift}(f(x))$.
# To leave the border out at first, the picture is bent to a ring: what leaves on the right comes in on the left.
#
# Each layer may shift its answer by as many pixels as suits it best, and what then remains is the error.
#
# **Predict first.** A layer with stride 2. For which shifts of the picture is it equivariant?

# %%
ring = torch.tensor(photo[:160, :192], dtype=torch.float32)[None, None]
ring = ring - ring.mean()
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


def error(f, shift):
    """How far f(shifted picture) is from f(picture), shifted as well as possible:
    a share of its length."""
    moved, still = f(ring.roll(shift, dims=3)), f(ring)
    return min((moved - still.roll(k, dims=3)).norm() / moved.norm()
               for k in range(-1, shift + 2)).item()


broken = {name: [error(f, shift) for shift in range(9)] for name, f in layers.items()}
fig, axes = plots.panels("A convolution moves along with the picture; "
                         "borders, strides and pooling do not",
                         broken, xlabel="shift (pixels)", ylabel="left behind (share)",
                         size=(10, 3), sharey=True)
for ax, line, color in zip(axes, broken.values(),
                           [plots.GREEN, plots.BLUE, plots.ORANGE, plots.RED], strict=True):
    ax.plot(line, "o-", color=color, markersize=5)
    ax.set_xticks(range(0, 9, 2))
plots.show("Error by shift, in four panels: zero; low and flat; zero at even shifts; "
           "zero at 0, 4 and 8.")

# %%
claim("on a ring a convolution moves along exactly", max(broken["on a ring"]), at_most=1e-5)
claim("zeros at the border break it", min(broken["zeros at the border"][1:]), at_least=0.01)
claim("stride 2 breaks it for odd shifts", min(broken["stride 2"][1::2]), at_least=0.05)
claim("but keeps even ones", max(broken["stride 2"][::2]), at_most=1e-5)
claim("two poolings of 2 keep multiples of 4",
      max(broken["two poolings of 2"][::4]), at_most=1e-5)
claim("and break all other shifts",
      min(broken["two poolings of 2"][k] for k in (1, 2, 3, 5, 6, 7)), at_least=0.05)

# %% [markdown]
# This is proved, not only measured: on a ring, a convolution with stride 1 commutes with every shift, and every linear layer that does is a convolution.
# With total stride $s$ only shifts by multiples of $s$ survive. That breaks more than is widely believed (Azulay and Weiss, 2019), and blurring before each subsampling mends a good part (Zhang, 2019).
#
# **Ask the room.** A camera on a conveyor belt: the same part, one pixel further, and the net's answer flips.
# Which layers do you suspect, and how would you find out?

# %% [markdown]
# ## 5 · LeNet, and fonts that it has never seen
#
# On the map: `cnn`
#
# Filters, pooling, filters, pooling, then a small dense net: on unseen fonts it beats the dense net, which beats softmax regression.
#
# A **convolutional neural network** (합성곱 신경망) stacks what you have built.
# LeNet (LeCun and others, 1998) read the digits on cheques. The original had a scaled tanh and a kind of average pooling; ours has ReLU and max pooling.
# Both ReLU and the maximum keep order, so they may trade places: pooling first leaves ReLU a quarter of the work.
#
# Pictures of letters A to J, 27 fonts to train on. Nine more fonts are kept apart, since the usual random split hides the question: has the net learned letters, or these fonts?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Ask before the picture which font will be the hardest; show fraktur capitals on the web if nobody has seen any.
# The one number to keep: LeNet does this with less than a third of the dense net's weights.

# %%
def lenet():
    return nn.Sequential(
        # (n, 1, 28, 28) -> (n, 6, 14, 14)
        nn.Conv2d(1, 6, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(),             # -> (n, 16, 5, 5)
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    ).to(run.device)


def dense(*sizes):
    parts = [part for d, k in pairwise(sizes) for part in (nn.Linear(d, k), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *parts[:-1]).to(run.device)


MODELS = {"softmax": lambda: dense(784, 10), "MLP": lambda: dense(784, 256, 10),
          "LeNet": lenet}
COLORS = {"softmax": plots.GREY, "MLP": plots.BLUE, "LeNet": plots.ORANGE}
print({name: f"{sum(p.numel() for p in make().parameters()):,} weights"
       for name, make in MODELS.items()})
x, y = tensors(glyphs)
seen, foreign = tensors(judge), data.load("glyphs", split="unseen", n=2000, seed=SEED)
unseen = tensors(foreign)
models = {}
for name, make in MODELS.items():
    for start in range(run.pick(lecture=2, full=5)):
        torch.manual_seed(1000 * SEED + start)
        models[name, start] = train(make(), x, y, epochs=4, start=start)

# %%
def mean_over_starts(measure):
    """Model name -> the mean of measure(net) over its starts."""
    return {name: np.mean([measure(net) for (label, _), net in models.items()
                           if label == name], axis=0)
            for name in MODELS}


def by_style(net):
    """Accuracy on each of the unseen fonts: (9,)."""
    with torch.no_grad():
        right = (net(unseen[0]).argmax(1) == unseen[1]).cpu().numpy()
    return np.array([right[foreign.styles == style].mean()
                     for style in np.unique(foreign.styles)])


on_seen, on_unseen = (mean_over_starts(lambda net, d=d: accuracy(net, *d))
                      for d in (seen, unseen))
styles = [foreign.style_names[style] for style in np.unique(foreign.styles)]
on_style = mean_over_starts(by_style)
order = np.argsort(on_style["LeNet"])[::-1]
rows = ["27 fonts of the training", "9 unseen fonts", *(f"    {styles[i]}" for i in order)]

# %%
fig, ax = plots.figure("LeNet is best on unseen fonts, "
                       "but nobody reads script and fraktur well",
                       xlabel="accuracy (%)", ylabel="", size=(8.5, 4.8))
values = {name: 100 * np.r_[on_seen[name], on_unseen[name], on_style[name][order]]
          for name in MODELS}
# the row with room for names
apart = np.argmax(np.diff(list(values.values()), axis=0).min(axis=0))
for name, color in COLORS.items():
    ax.plot(values[name], range(len(rows)), "o", color=color, markersize=8)
    plots.name(ax, values[name][apart], apart, name, color, dx=0, dy=12, ha="center")
ax.set_yticks(range(len(rows)), rows, color=plots.INK)
ax.set(xlim=(30, 102), ylim=(len(rows) - 0.5, -0.9))
plots.show("Dots for three models in eleven rows: LeNet leads nearly everywhere; "
           "two fonts are far below.")

# %%
claim("on unseen fonts the MLP beats softmax",
      on_unseen["MLP"] - on_unseen["softmax"], at_least=0.02)
claim("on unseen fonts LeNet beats the MLP",
      on_unseen["LeNet"] - on_unseen["MLP"], at_least=0.01)
claim("every model is worse on unseen fonts than on the fonts it knows",
      min(on_seen[name] - on_unseen[name] for name in MODELS), at_least=0.01)
hard = [i for i, name in enumerate(styles) if "script" in name or "fraktur" in name]

# %%
claim("LeNet on script and fraktur, less its mean on the other fonts",
      on_style["LeNet"][hard].mean() - np.delete(on_style["LeNet"], hard).mean(),
      at_most=-0.05)

# %% [markdown]
# The mean over fonts would have hidden that two fonts of nine make most of the mistakes.
# Look at errors by group before you look at single errors.
#
# Now to the question mark of section 4. Is LeNet invariant to shifts?
#
# **Predict first.** The test letters move to the right by 6 pixels of 28. Some lose a little at the edge, but you would read them.
# Unmoved, LeNet reads nearly all. And now?

# %%
some, labels, shifts = seen[0][:1000], seen[1][:1000], range(9)
# white comes in from the left
moved = [F.pad(some, (shift, 0))[..., :28] for shift in shifts]
after = mean_over_starts(lambda net: [accuracy(net, x, labels) for x in moved])

# %%
fig, ax = plots.figure("LeNet bears a shift of one or two pixels, not of six", size=(8, 4),
                       xlabel="shift to the right (pixels)", ylabel="accuracy (%)")
for name, color in COLORS.items():
    ax.plot(shifts, 100 * after[name], "o-", color=color, markersize=5, label=name)
ax.legend()
plots.show("Three falling lines; LeNet falls later than the others, "
           "but at six pixels it is near guessing.")
claim("at a shift of 2 LeNet's lead over the MLP grows",
      (after["LeNet"][2] - after["MLP"][2]) - (after["LeNet"][0] - after["MLP"][0]),
      at_least=0.03)
claim("but at a shift of 6 most of LeNet's answers are wrong",
      after["LeNet"][6], at_most=0.4)

# %% [markdown]
# ## 6 · What does it look at?
#
# On the map: `cnn` · `convolution`
#
# A trained net can be opened: its maps can be drawn, its windows measured, and its pixels erased.
#
# First the six filters of the first layer, and what each finds in a letter.

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
# Let the room describe a filter in words ("left edge", "dark blob") before you point at its maps.
# When somebody says that a saliency map *explains* a decision: the test at the end of this part asks for more than a nice picture.

# %%
net, letter = models["LeNet", 0], (judge.labels == 6).argmax()              # a G
maps = net[0](seen[0][[letter]]).relu().detach().cpu().numpy()[0]             # (6, 28, 28)
# drawn larger
filters = net[0].weight.detach().cpu().numpy()[:, 0].repeat(5, axis=1).repeat(5, axis=2)
drawn = [np.zeros((28, 28)), *np.pad(filters, [(0, 0), (1, 2), (1, 2)]), judge.x[letter],
         *maps]
plots.images(np.array([picture / max(abs(picture).max(), 1e-9) for picture in drawn]),
             columns=7,
             names=["", *(f"filter {i}" for i in range(1, 7)), *[""] * 7], diverging=True,
             title="Six filters (blue: positive), and where each of them answers in a G")
plots.show("Top: six 5 by 5 filters. Below: "
           "a G, and six maps, each with strokes of one direction or side.")

# %% [markdown]
# How much of the picture can a unit see? That is its **receptive field**. Going up, a layer of size $k$ adds $k-1$ steps,
# and a step is as many pixels as all strides below it multiplied:
#
# $$r \leftarrow r + (k - 1) \cdot \text{step}, \qquad \text{step} \leftarrow \text{step} \cdot s$$
#
# A gradient knows it without the formula: which pixels change the unit in the middle of the map at all, for any of 300 letters?
#
# **Predict first.** 5×5 filters, pooling by 2, 5×5 filters, pooling by 2. How large is the field of a unit at the end?

# %%
def field(depth):
    """Mean size of the gradient of the middle unit of a map,
    with respect to each pixel: (28, 28)."""
    x = unseen[0][:300].clone().requires_grad_()
    maps = net[:depth](x)  # (300, channels, side, side)
    middle = maps.shape[2] // 2
    maps[:, :, middle, middle].sum().backward()
    return x.grad.abs().mean(dim=(0, 1)).cpu().numpy()

# %%
computed, r, step = [], 1, 1
for k, s in [(5, 1), (2, 2), (5, 1), (2, 2)]:
    r, step = r + (k - 1) * step, step * s
    computed.append(r)
fields = [field(depth) for depth in (1, 2, 4, 5)]                # depth 3 is a ReLU
measured = [np.ptp(np.nonzero(f.any(axis=0))[0]) + 1 for f in fields]

stages = ["filters 1", "pooling 1", "filters 2", "pooling 2"]
plots.images(np.array([f / f.max() for f in fields]), columns=4,
             names=[f"{name}: {side}×{side}"
                    for name, side in zip(stages, measured, strict=True)],
             title="The field grows from stage to stage, and its middle counts most")
plots.show("Four squares of growing size; "
           "the last spans over half the picture, darkest in the middle.")

claim("the measured fields are the computed ones",
      max(abs(np.subtract(measured, computed))), at_most=0)
rows = np.nonzero(fields[3].any(axis=1))[0]
columns = np.nonzero(fields[3].any(axis=0))[0]
box = fields[3][rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]   # 16 × 16
claim("the middle quarter of the last field carries over a third of the gradient",
      box[4:12, 4:12].sum() / box.sum(), at_least=0.33)

# %% [markdown]
# Which pixels decided? Three usual answers:
#
# - **saliency**: the gradient of the true letter's score, its size at each pixel;
# - **gradient × pixel**: the same, times the ink that is there;
# - **occlusion**: cover a patch with white, and see how far the letter's probability falls.
#
# A map that looks sensible proves little. Test it: erase the five patches of 49 that it calls most important, and look at the probability again.
# A fair rival knows nothing of the net: it erases the patches with the most ink.

# %%
x, y = seen[0][:500], seen[1][:500]


@torch.no_grad()
def probability(x):
    """Of the true letter: (n,)."""
    return net(x).softmax(1).gather(1, y[:, None])[:, 0]


leaf = x.clone().requires_grad_()
net(leaf).gather(1, y[:, None]).sum().backward()
occlusion, before = torch.zeros(500, 1, 7, 7, device=run.device), probability(x)
for i in range(7):
    for j in range(7):
        covered = x.clone()
        covered[:, :, 4 * i:4 * i + 4, 4 * j:4 * j + 4] = 0
        occlusion[:, 0, i, j] = before - probability(covered)

maps = {"occlusion": occlusion, "gradient × pixel": F.avg_pool2d((leaf.grad * x).abs(), 4),
        "saliency": F.avg_pool2d(leaf.grad.abs(), 4), "most ink": F.avg_pool2d(x, 4),
        "any patch": torch.rand(500, 1, 7, 7).to(run.device)}

# %%
def erase(importance, patches=5):
    """Mean probability of the true letter after the most important patches have become
    white."""
    top = importance.flatten(1).topk(patches).indices
    keep = torch.ones(500, 49, device=run.device).scatter(1, top, 0).view(500, 1, 7, 7)
    return probability(x * F.interpolate(keep, scale_factor=4)).mean().item()


left = {name: erase(importance) for name, importance in maps.items()}
few = [int((y == letter).nonzero()[0]) for letter in range(8)]
rows = [x[few], *(F.interpolate(maps[name][few].clamp(min=0), scale_factor=4)
                  for name in ("saliency", "gradient × pixel", "occlusion"))]
grid = torch.cat([row / row.amax((1, 2, 3), keepdim=True)
                  for row in rows])[:, 0].cpu().numpy()
labels = ["letter", "saliency", "grad. × pixel", "occlusion"]
plots.images(grid, columns=8,
             names=[labels[i // 8] if i % 8 == 0 else "" for i in range(32)],
             title="Eight letters, and three opinions on what made the net say so")
plots.show("Four rows of eight: letters, and three maps of 7 by 7 patches each, "
           "which agree only in part.")

# %%
print({name: round(value, 2)
       for name, value in {"nothing erased": before.mean().item(), **left}.items()})
claim("erasing any five patches does little",
      before.mean().item() - left["any patch"], at_most=0.2)
claim("occlusion finds what the net needs: erased, most of the probability is gone",
      left["occlusion"], at_most=0.3)
claim("gradient × pixel beats the most ink",
      left["most ink"] - left["gradient × pixel"], at_least=0.03)
claim("plain saliency beats the most ink by little, if at all",
      left["most ink"] - left["saliency"], at_most=0.1)

# %% [markdown]
# Occlusion has an advantage here: the test asks nearly what it measured. It costs 49 forward passes, though, and the gradient one backward.
# Plain saliency, the map seen most often, does about as well in this test as "where the ink is", which needs no network at all.
# So before you trust such a map, give it a rival that knows nothing (Adebayo and others, 2018).
#
# **Ask the room.** A net sorts X-rays by disease, and its saliency lights up at the hospital's stamp in the corner.
# Which test of your own would settle it?

# %% [markdown]
# ## 7 · Filters can move to another task
#
# On the map: `cnn`
#
# What a net learned to see helps it with a new task that has few labels, if the new pictures are made of the same parts.
#
# Fifty pictures of *other* letters, K to T. Three ways to read them, each with LeNet's shape:
# from scratch; with the filters of section 5 kept as they are and new dense layers; with filters that were never trained.
# The profile `full` asks the same of Fashion-MNIST: shirts and shoes in place of letters. CIFAR-10 goes the same way, made grey and smaller: write its name in the list.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# Run the profile `full` before the session (`dlmap run 10 --profile full`, with the data at hand) and show its last lines here: letters' filters help letters, and clothes hardly.

# %%
def task(name, split, n):
    """n pictures of another task, grey and 28×28: tensors x, y."""
    if name == "letters K to T":
        return tensors(data.load("glyphs", split=split, n=n, seed=SEED,
                                 classes="KLMNOPQRST"))
    images = data.load(name, split=split)
    images = images[np.random.default_rng(SEED).permutation(len(images))[:n]]
    x = torch.tensor(images.x, device=run.device)
    x = x.mean(dim=3) if x.ndim == 4 else x                          # colour -> grey
    y = torch.tensor(images.labels, device=run.device)
    return F.interpolate(x[:, None], size=(28, 28)), y

# %%
def transfer(name, labels=50, draws=3):
    """Mean test accuracy from few labels, over several draws of them:
    how the filters came -> accuracy."""
    pool, answers = task(name, "train", labels * draws)
    x_test, y_test = task(name, "test", 1000)
    reached = {"from scratch": [], "letters' filters, kept": [],
               "untrained filters, kept": []}
    for draw in range(draws):
        rows = slice(draw * labels, (draw + 1) * labels)
        for how, results in reached.items():
            torch.manual_seed(1000 * SEED + draw)
            new, x, test = lenet(), pool[rows], x_test
            if how.startswith("letters"):
                new[:6].load_state_dict(net[:6].state_dict())        # two layers of filters
            if how.endswith("kept"):
                with torch.no_grad():  # computed once, never trained
                    new, x, test = new[6:], new[:6](x), new[:6](test)
            results.append(accuracy(train(new, x, answers[rows], epochs=80, lr=2e-3,
                                          batch=32), test, y_test))
    return {how: np.mean(results) for how, results in reached.items()}

# %%
moved_to = {name: transfer(name) for name in
            run.pick(lecture=["letters K to T"], full=["letters K to T", "fashion_mnist"])}
for name, reached in moved_to.items():
    print(f"{name}:", {how: f"{100 * value:.0f} %" for how, value in reached.items()})

gain = {name: reached["letters' filters, kept"] - reached["from scratch"]
        for name, reached in moved_to.items()}
luck = {name: reached["letters' filters, kept"] - reached["untrained filters, kept"]
        for name, reached in moved_to.items()}

# %%
claim("fifty labels of new letters: filters that know letters beat a start from scratch",
      gain["letters K to T"], at_least=0.02)
claim("and filters that were never trained", luck["letters K to T"], at_least=0.04)

# %%
if run.profile == "full":  # needs Fashion-MNIST, some minutes
    claim("fifty labels of clothes: filters that know letters change little",
          abs(gain["fashion_mnist"]), at_most=0.06)
    clothes = train(lenet(), *task("fashion_mnist", "train", 60_000), epochs=8, batch=128)
    claim("the same LeNet, trained on all clothes, sorts unseen ones",
          accuracy(clothes, *task("fashion_mnist", "test", 10_000)), at_least=0.88)

# %% [markdown]
# ## What goes wrong in practice
#
# - **"A CNN is invariant to shifts."** Folklore. The filters move along, but section 5's dense layers are tied to places, and every training letter stood in the middle. Shift the training pictures (lecture 06), or let no layer know places, as section 3's global maximum does.
# - **The axes.** PyTorch wants `(n, c, h, w)`, photographs come as `(h, w, c)`. A wrong `reshape` runs and learns nothing; use `permute`.
# - **A random split.** One font, one patient, one camera in both halves: the test is easy, and says nothing about new ones. Hold out whole groups.
# - **Bytes or fractions?** Trained on 0 to 1, fed with 0 to 255: sure and wrong.
# - **Stride too early.** Each one drops three of four places, and small things with them.

# %% [markdown]
# ## Summary
#
# 1. A convolution is one small regression, applied to every window; as a matrix: mostly zeros, the rest shared.
# 2. Windows in rows make it one product, and the gradients are those of a product.
# 3. Sharing saves weights, and what is learned in one place is known in all.
# 4. A convolution moves along with a shift; borders, strides, pooling and dense layers at the end do not.
# 5. Judge on groups never seen, look at errors by group, and test what a map of importance claims.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 10`, then open `exercises/work/10_exercises.ipynb`: six tasks, about 120 minutes.
#
# - K. Fukushima (1980), *Neocognitron: a self-organizing neural network model for a mechanism of pattern recognition unaffected by shift in position*, Biological Cybernetics 36.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner (1998), *Gradient-based learning applied to document recognition*, Proceedings of the IEEE 86.
# - K. Chellapilla, S. Puri, P. Simard (2006), *High performance convolutional neural networks for document processing*, IWFHR.
# - V. Dumoulin, F. Visin (2016), *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel (2016), *Understanding the effective receptive field in deep convolutional neural networks*, NIPS.
# - J. Adebayo and others (2018), *Sanity checks for saliency maps*, NeurIPS.
# - A. Azulay, Y. Weiss (2019), *Why do deep convolutional networks generalize so poorly to small image transformations?*, JMLR 20.
# - R. Zhang (2019), *Making convolutional networks shift-invariant again*, ICML.
