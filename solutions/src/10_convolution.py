# %% [markdown]
# # 10 · Convolution: exercises
#
# Six tasks, about 120 minutes, after lecture 10.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · A filter with holes
#
# **build** · level ●●○ · 20 minutes · `convolution`
#
# *So that a unit sees further without more weights: the trick of many nets for sound and for maps.*
#
# In a **dilated** convolution neighbouring weights look at pixels that lie `dilation` apart: a 3×3 filter with dilation 2 spans 5×5 pixels, and uses nine of them.
# Stride 1, no padding. All channels of a filter add up, as in the lecture.
#
# <details><summary>Hint 1</summary>How large is the window now? A side of k weights spans (k − 1) · dilation + 1 pixels, and the result shrinks by one less than that.</details>
# <details><summary>Hint 2</summary>Turn the loops round: for each weight (i, j), which part of x does it meet? A whole rectangle that starts at row i · dilation and column j · dilation.</details>
# <details><summary>Hint 3</summary>Add up w[:, :, i, j] times that rectangle, over the channels: <code>np.einsum("kc,nchw->nkhw", …)</code>, which adds up over c, the one index that does not stand on the right.</details>

# %%
def dilated(x, w, dilation):
    """x: (n, c, height, width), w: (k, c, i, j) -> (n, k, rows, columns)."""
    # solution
    high, wide = w.shape[2:]
    rows = x.shape[2] - (high - 1) * dilation
    columns = x.shape[3] - (wide - 1) * dilation
    y = np.zeros((len(x), len(w), rows, columns))
    for i in range(high):
        for j in range(wide):
            top, left = i * dilation, j * dilation
            y += np.einsum("kc,nchw->nkhw", w[:, :, i, j],
                           x[:, :, top:top + rows, left:left + columns])
    return y
    # end solution


# %%
check("10.dilated", dilated)

# %% [markdown] tags=["solution-only"]
# Nine products of whole rectangles in place of thousands of small windows: the loop runs over the *weights*.
# With the windows of the lecture it is one step in a slice: `view[..., ::dilation, ::dilation]` of windows of the full span.

# %% [markdown]
# ## 2 · Average pooling, backward
#
# **build** · level ●●○ · 20 minutes · `pooling`
#
# *Because overlapping windows are where a pooling's gradient goes wrong.*
#
# Average pooling of `size`×`size` windows that start every `stride` pixels; pixels that no window reaches are ignored.
# Given `g`, the gradient with respect to the result, return the gradient with respect to `x`. `shape` is the shape of `x`.
#
# <details><summary>Hint 1</summary>Nobody wins here. Every pixel of a window gets the same share of the window's gradient. Which one?</details>
# <details><summary>Hint 2</summary>With stride &lt; size a pixel lies in several windows, and gets a share from each of them. They add up.</details>
# <details><summary>Hint 3</summary>Start from zeros of the given shape, and add g / size² to <code>d[:, :, i : i + stride * rows : stride, …]</code> for each place (i, j) of the window.</details>

# %%
def avg_pool_gradient(g, shape, size, stride):
    """g: (n, c, rows, columns) -> gradient of x, of `shape` (n, c, height, width)."""
    # solution
    d = np.zeros(shape)
    rows, columns = g.shape[2:]
    for i in range(size):
        for j in range(size):
            down = slice(i, i + stride * rows, stride)
            right = slice(j, j + stride * columns, stride)
            d[:, :, down, right] += g / size**2
    return d
    # end solution


# %%
check("10.avg_pool", avg_pool_gradient)

# %% [markdown] tags=["solution-only"]
# Inside one `+=` no pixel is met twice, because for one place (i, j) the windows' pixels differ. So a slice will do, and `np.add.at` is not needed.
# A max pooling sends everything to one pixel, a mean a little to each: the first learns sharp detectors, the second moves every weight a little.

# %% [markdown]
# ## 3 · Which pixels does this unit see?
#
# **debug** · level ●●○ · 15 minutes · `cnn`
#
# *So that you can say which part of a photograph an answer came from.*
#
# Layers are triples (size, stride, padding), the first one next to the picture; the picture has one axis only.
# Unit $u$ of a layer begins at $u \cdot s - p$ of its input (stride $s$, padding $p$).
# Which pixels does unit `i` of the last layer see? Return the first and the last, where pixels of the border count: −1 is the first zero left of the picture.
# The function below is right for some nets. Find one where it is not, and mend it.
#
# <details><summary>Hint 1</summary>Take one layer of size 3, stride 1, padding 1. Unit 0 sees the pixels −1, 0 and 1. What does the function say?</details>
# <details><summary>Hint 2</summary>Unit u of a layer starts at place u · stride of its <em>padded</em> input. Where is that place in the input without the border?</details>
# <details><summary>Hint 3</summary>The loop goes down from the last layer to the picture. Take the padding off in each layer, for both ends.</details>

# %%
def sees(layers, i):
    """layers: list of (size, stride, padding) from the picture upward
    -> first and last pixel of unit i."""
    # solution
    first = last = i
    for size, stride, padding in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + size - 1
    return first, last
    # exercise
    # first = last = i
    # for size, stride, padding in reversed(layers):
    #     first = first * stride
    #     last = last * stride + size - 1
    # return first, last
    # end solution


# %%
check("10.sees", sees)

# %% [markdown] tags=["solution-only"]
# Without padding it was right, so a test on section 1's filters alone would have passed.
# Note the direction: the lecture's formula goes up and gives the size; going down gives the place as well.

# %% [markdown]
# ## 4 · Who stays the same?
#
# **predict** · level ●●○ · 10 minutes · `pooling` `convolution`
#
# *So that you know which nets may flicker when the camera moves.*
#
# A picture on a ring (what leaves on the right comes in on the left) moves by **one** pixel. Its sides are even numbers of pixels.
# All filters are 3×3, with the border taken from the ring, then ReLU. How many of these five stacks give the same answer as before, whatever the weights?
#
# - convolution, mean of each map
# - convolution with stride 2, maximum of each map
# - convolution, max pooling by 2, maximum of each map
# - convolution, average pooling by 2, mean of each map
# - convolution, every pixel of each map into a dense layer
#
# Commit to a number from "0" to "5", then check: the check measures all five.
#
# <details><summary>Hint 1</summary>With stride 1 the maps move along with the picture. A maximum or a mean over a whole map does not care where things are.</details>
# <details><summary>Hint 2</summary>What is the maximum of maxima of windows that cover everything? And the mean of means of windows of equal size?</details>
# <details><summary>Hint 3</summary>Stride 2 keeps every second window only. After a move by one pixel it keeps the others.</details>

# %%
# solution
answer = "3"
# end solution

# %%
check("10.shift", answer)

# %% [markdown] tags=["solution-only"]
# The first, third and fourth. The third surprises: pooling's stride keeps the pooled map from moving along, yet its maximum is the maximum of the whole map.
# Put another convolution between pooling and maximum, and it breaks.

# %% [markdown]
# ## 5 · Click rate around the clock
#
# **apply** · level ●●○ · 20 minutes · `convolution`
#
# *Because a convolution is also the honest way to smooth counts, and midnight is no border.*
#
# For each hour of the day estimate the click rate from the hours around it: the weighted number of clicks, divided by the weighted number of impressions.
# `kernel` has odd length; its middle weighs the hour itself, the entries to its left the hours before. Hour 23 and hour 0 are neighbours.
# Where there is no impression with any weight, the rate is 0.
#
# <details><summary>Hint 1</summary>First the counts, 24 impressions and 24 clicks: <code>np.bincount(…, minlength=24)</code>. Smooth these, and divide at the end.</details>
# <details><summary>Hint 2</summary>Rates of single hours must not be averaged: an hour with three impressions would count as much as one with a thousand.</details>
# <details><summary>Hint 3</summary>Pad with what comes from the other side, <code>np.pad(counts, half, mode="wrap")</code>, or take <code>np.roll</code>. And correlate: no flip.</details>

# %%
def hourly_rate(hour, click, kernel):
    """hour: (n,) from 0 to 23, click: (n,) of 0 and 1, kernel: (odd,) weights
    -> rates (24,)."""
    # solution
    half = len(kernel) // 2

    def smooth(counts):
        # more than once round, if it must
        around = np.pad(counts.astype(float), half, mode="wrap")
        return np.lib.stride_tricks.sliding_window_view(around, len(kernel)) @ kernel

    shown = smooth(np.bincount(hour, minlength=24))
    clicked = smooth(np.bincount(hour[click == 1], minlength=24))
    return np.divide(clicked, shown, out=np.zeros(24), where=shown > 0)
    # end solution


# %%
if check("10.hours", hourly_rate):
    log = data.load("ads", rows=200_000, seed=SEED)
    few, rest = log[:4000], log[4000:]
    hour = rest.features["hour"]
    true = np.bincount(hour, rest.truth, 24) / np.bincount(hour, minlength=24)
    fig, ax = plots.figure("4,000 impressions: one hour alone is noise, "
                           "nine hours show the day",
                           xlabel="hour", ylabel="click rate (%)")
    for kernel, label, color in [([1.0], "each hour alone", plots.GREY),
                                 (np.bartlett(11)[1:-1], "nine hours, weighted",
                                  plots.ORANGE)]:
        rate = hourly_rate(few.features["hour"], few.click, np.array(kernel))
        ax.plot(100 * rate, color=color, label=label)
    ax.plot(100 * true, color=plots.COLOR["truth"], label="truth")
    ax.legend()
    plots.show("A jagged line, a smooth one, and the true click rate by hour, "
               "which the smooth one follows.")

# %% [markdown] tags=["solution-only"]
# A filter in one dimension, on a ring, applied to two channels: the same operation as on photographs.
# How wide the kernel should be is bias against variance once more (lecture 03): wide is calm, and wrong where the day turns.

# %% [markdown]
# ## 6 · Letters, wherever they stand
#
# **apply** · level ●●● · 35 minutes · `cnn` `pooling`
#
# *Because section 5's LeNet misread most letters that had moved by six pixels, and about half at four.*
#
# Build and train a net that reads the letters A to J also when they have moved by up to 4 pixels in any direction:
#
# - it takes (n, 1, 28, 28), values from 0 to 1, and returns (n, 10) scores;
# - at most 60,000 weights;
# - at least 85 % right on letters that stand in the middle;
# - at least 70 % right on letters moved by 4 pixels, in every one of eight directions.
#
# The lecture names two remedies, under *What goes wrong in practice*. Either will do, in a minute of training.
#
# <details><summary>Hint 1</summary>Train on <code>data.load("glyphs")</code>, 6,000 pictures or more. Other data, other values or a net still in training mode do badly on any test.</details>
# <details><summary>Hint 2</summary>Where do places enter LeNet? In <code>nn.Flatten</code> before the dense layers. With <code>nn.AdaptiveMaxPool2d(1)</code> only the largest value of each map goes on; give it more maps. And give the first layer a wide border, <code>padding=6</code>: letters that have moved stand in corners.</details>
# <details><summary>Hint 3</summary>Or leave the net as it is, and move each training batch: <code>torch.roll</code> by a random step from −4 to 4 along axes 2 and 3 (it wraps: what leaves on the right comes in on the left). LeNet itself has more than 60,000 weights: make a dense layer smaller.</details>

# %%
def trained_reader():
    """Build and train a net: (n, 1, 28, 28) -> (n, 10)."""
    # solution
    letters = data.load("glyphs", n=6000, seed=SEED)
    x = torch.tensor(letters.x)[:, None].to(run.device)
    y = torch.tensor(letters.labels).to(run.device)
    torch.manual_seed(SEED)
    net = nn.Sequential(
        # (n, 8, 18, 18): a wide border
        nn.Conv2d(1, 8, 5, padding=6), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(8, 24, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),   # (n, 24, 9, 9)
        nn.Conv2d(24, 64, 3, padding=1), nn.ReLU(),                   # (n, 64, 9, 9)
        # the largest of each map: no places
        nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    ).to(run.device)
    epochs = 3
    descent = torch.optim.Adam(net.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, 6e-3,
                                                   total_steps=epochs * -(-len(x) // 64))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(64):
            descent.zero_grad()
            F.cross_entropy(net(x[rows]), y[rows]).backward()
            descent.step()
            schedule.step()
    return net.eval()
    # end solution


# %%
check("10.anywhere", trained_reader())

# %% [markdown] tags=["solution-only"]
# No letter was moved during training: without a layer that knows places, a moved letter is no new letter.
# The wide border of the first layer matters: with `padding=2` fewer windows reach the corners of the page, and letters there suffer. Try it.
# And four pixels are a multiple of the total stride of 4, so only there is it guaranteed that the maps move along. Try 3 pixels, or 8.
# Moved training pictures teach the same by example, but need more of them.
