# %% [markdown]
# # 11 · The X-Nets: exercises
#
# Six tasks, about 120 minutes, after lecture 11.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
from copy import deepcopy

import numpy as np
import torch
from scipy.optimize import minimize
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from utils import plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

from torchvision import models  # after runtime.setup

# %% [markdown]
# ## 1 · The bill before the meal
#
# **build** · level ●●○ · 20 minutes · `alexnet` `vgg`
#
# *So that you know what a net will cost from its plan, before there is a net.*
#
# A plan is a list of layers. `("conv", k, size, stride, padding, groups)` makes k channels, `("pool", size, stride)` has no padding, `("dense", k)` reads all that is there.
# With **groups**, the channels in and the channels out are dealt into as many groups, and a filter sees only its own group.
# Convolutions and dense layers have biases.
#
# Return the number of weights, biases included, and of multiply-adds for one input; biases and pooling count as no work. Pure arithmetic: no torch.
#
# A small one: the input (1, 4, 4) and the plan `[("conv", 2, 3, 1, 0, 1), ("dense", 5)]`.
# Two filters: 2 · 9 weights, 2 biases, and on 2×2 pixels 18 · 4 = 72 multiply-adds.
# The dense layer reads 8 numbers: 40 weights, 5 biases, 40 multiply-adds. Together: 65 and 112.
#
# <details><summary>Hint 1</summary>Carry c, h and w along. A side becomes <code>(side + 2 * padding - size) // stride + 1</code>: what does not fit is dropped.</details>
# <details><summary>Hint 2</summary>A filter has c / groups · size² weights, and there are k of them. Each works once for every pixel of the map that <i>comes out</i>.</details>
# <details><summary>Hint 3</summary>A dense layer reads c · h · w numbers. After it, c is its k, and h = w = 1.</details>

# %%
def cost(shape, plan):
    """shape: (channels, height, width), plan: list of layers
    -> weights, multiply-adds (two ints)."""
    # solution
    (c, h, w), weights, work = shape, 0, 0
    for kind, *numbers in plan:
        if kind == "pool":
            size, stride = numbers
            h, w = (h - size) // stride + 1, (w - size) // stride + 1
        elif kind == "conv":
            k, size, stride, padding, groups = numbers
            h, w = ((side + 2 * padding - size) // stride + 1 for side in (h, w))
            filters = k * c // groups * size**2
            weights, work, c = weights + filters + k, work + filters * h * w, k
        else:
            matrix = c * h * w * numbers[0]
            weights, work = weights + matrix + numbers[0], work + matrix
            c, h, w = numbers[0], 1, 1
    return weights, work
    # end solution


# %%
def alexnet_2012(groups):
    return [("conv", 96, 11, 4, 0, 1), ("pool", 3, 2), ("conv", 256, 5, 1, 2, groups),
            ("pool", 3, 2),
            ("conv", 384, 3, 1, 1, 1), ("conv", 384, 3, 1, 1, groups),
            ("conv", 256, 3, 1, 1, groups),
            ("pool", 3, 2), ("dense", 4096), ("dense", 4096), ("dense", 1000)]


if check("11.cost", cost):
    for groups in (1, 2):
        weights, work = cost((3, 227, 227), alexnet_2012(groups))
        print(f"AlexNet as in the paper, {groups} group(s): "
              f"{weights:,} weights, {work:,} multiply-adds")

# %% [markdown] tags=["solution-only"]
# AlexNet was cut in two because one graphics card of 2012 was too small: two groups, one on each. That saved over a third of the work, and hardly any weights, since those sit in the dense layers.
# At the far end, as many groups as channels is a *depthwise* convolution. With a 1×1 convolution after it, it is the block of the nets for phones.
# torchvision's AlexNet is a later plan, with fewer filters and no groups.

# %% [markdown]
# ## 2 · Twice as large a picture
#
# **predict** · level ●○○ · 10 minutes · `vgg`
#
# *Because your pictures will not have the size of the paper's.*
#
# VGG-16 is meant for 224×224 pixels, and its first dense layer has 25,088 inputs. Give torchvision's VGG-16 a picture of 448×448. What happens?
#
# - **a** – An error: the dense layer does not fit.
# - **b** – It runs: the same weights, about four times the work.
# - **c** – It runs: four times the weights, and about four times the work.
# - **d** – It runs: the same weights, about sixteen times the work.
#
# <details><summary>Hint 1</summary>Which layers care for the size of a picture? <code>print(models.vgg16())</code>, and look at what stands between the convolutions and the dense layers.</details>
# <details><summary>Hint 2</summary>Twice the side is four times the pixels, and a filter works once for every pixel.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("11.larger", answer)

# %%
with torch.device("meta"):
    net = models.vgg16()
for side in (224, 448):
    with FlopCounterMode(display=False) as counter:
        maps = net.features(torch.empty(1, 3, side, side, device="meta"))
        net.classifier(net.avgpool(maps).flatten(1))
    work = counter.get_total_flops() / 2e9
    print(f"{side}: maps {tuple(maps.shape[1:])}, {work:.1f} billion multiply-adds")

# %% [markdown] tags=["solution-only"]
# `AdaptiveAvgPool2d((7, 7))` averages maps of any size down to 7×7. The paper's net had no such layer and would have refused.
# That it runs does not mean that it is right: the filters learned things of one size, and they are now twice as large in pixels. Use the size of the weights' own `transforms()`, or fine-tune.

# %% [markdown]
# ## 3 · Thin, filter, widen, add
#
# **build** · level ●●○ · 25 minutes · `resnet` `googlenet`
#
# *Because ResNet-50 is made of this block, and it is GoogLeNet's idea inside ResNet's.*
#
# A **bottleneck** block: 1×1 convolution to few channels, 3×3 on those, 1×1 back to many; batch norm after each, ReLU after the first two.
# Then the skip is added, and a last ReLU follows the sum. `stride` belongs to the 3×3.
# If `state` has a `downsample.0.weight`, the skip is that 1×1 convolution, with the same stride and a batch norm, `downsample.1`; else it is x itself.
#
# Write it for evaluation, from a state dict with torchvision's names: `conv1.weight` … `conv3.weight`, and `bn1.weight`, `bn1.bias`, `bn1.running_mean`, `bn1.running_var` … for each batch norm. No convolution has a bias; batch norm's epsilon is 1e-5.
#
# <details><summary>Hint 1</summary><code>F.conv2d(x, state["conv2.weight"], stride=stride, padding=1)</code>. Only the 3×3 needs padding.</details>
# <details><summary>Hint 2</summary><code>F.batch_norm(h, mean, var, weight, bias)</code> uses the running statistics, as evaluation must. A small function with the layer's name saves four copies.</details>
# <details><summary>Hint 3</summary>No ReLU between the third batch norm and the sum; one after the sum.</details>

# %%
def bottleneck(x, state, stride):
    """x: (n, c, h, w) tensor, state: name -> tensor, stride of the 3×3
    -> (n, k, h', w')."""
    # solution
    def norm(h, name):
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(h, *(state[f"{name}.{part}"] for part in parts))

    h = F.relu(norm(F.conv2d(x, state["conv1.weight"]), "bn1"))
    h = F.relu(norm(F.conv2d(h, state["conv2.weight"], stride=stride, padding=1), "bn2"))
    h = norm(F.conv2d(h, state["conv3.weight"]), "bn3")
    if "downsample.0.weight" in state:
        x = norm(F.conv2d(x, state["downsample.0.weight"], stride=stride), "downsample.1")
    return F.relu(h + x)
    # end solution


# %%
check("11.bottleneck", bottleneck)

# %% [markdown] tags=["solution-only"]
# With 256 channels outside and 64 inside, the block has 70 thousand weights; two 3×3 layers on 256 channels would have 1.2 million.
# In the paper the stride sits on the first 1×1, which throws three pixels of four away unread. torchvision moved it to the 3×3, and others call that version 1.5. Weights of one do not fit the other, and nothing would tell you but the accuracy.

# %% [markdown]
# ## 4 · Frozen, it said
#
# **debug** · level ●●○ · 15 minutes · `resnet`
#
# *Because both bugs run through without a word, and both are common.*
#
# `fine_tune` replaces the head `net.fc`, trains that head alone for twenty steps, and returns the scores of new inputs.
# `net.body` must stay exactly as it was trained, batch norm's statistics included. Two things are wrong. Mend them.
# The new head begins as a fixed matrix, so that there is one right answer.
#
# <details><summary>Hint 1</summary>Print the new head's weights after training. Which tensors does the optimizer hold?</details>
# <details><summary>Hint 2</summary><code>requires_grad_(False)</code> holds weights still. Running means are no weights; what moves them is the mode, train or eval.</details>

# %%
def fine_tune(net, classes, x, y, new):
    """net with net.body and net.fc;
    x: (n, ...), y: (n,) classes, new: (m, ...) -> (m, classes) scores."""
    # solution
    net = deepcopy(net).eval()
    net.body.requires_grad_(False)
    net.fc = nn.Linear(net.fc.in_features, classes, dtype=x.dtype)
    nn.init.eye_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)
    descent = torch.optim.SGD(net.fc.parameters(), lr=0.5)
    for _ in range(20):
        descent.zero_grad()
        F.cross_entropy(net(x), y).backward()
        descent.step()
    return net(new).detach()
    # exercise
    # net = deepcopy(net).train()
    # descent = torch.optim.SGD(net.fc.parameters(), lr=0.5)
    # net.body.requires_grad_(False)
    # net.fc = nn.Linear(net.fc.in_features, classes, dtype=x.dtype)
    # nn.init.eye_(net.fc.weight)
    # nn.init.zeros_(net.fc.bias)
    # for _ in range(20):
    #     descent.zero_grad()
    #     F.cross_entropy(net(x), y).backward()
    #     descent.step()
    # return net.eval()(new).detach()
    # end solution


# %%
check("11.frozen", fine_tune)

# %% [markdown] tags=["solution-only"]
# The optimizer keeps the tensors that it was given, not the attribute's name. It went on holding the old head, which no loss could reach.
# In training mode batch norm scales by the batch's own mean and moves its running one, so the "frozen" body gave other features in training than afterwards, and was spoiled for everybody else who uses it.

# %% [markdown]
# ## 5 · Squash, backward
#
# **build** · level ●●● · 25 minutes · `capsnet`
#
# *Because lengths and directions are where gradients meet 0 / 0.*
#
# For $v = \text{squash}(s)$ of lecture 11 and the gradient $g$ of the loss with respect to $v$, return the gradient with respect to $s$, by hand and in NumPy.
# It must be right for lengths from $10^{-100}$ to $10^{100}$, and 0 for a vector of zeros, which is its limit.
#
# In numbers: for s = (3, 4) and g = (1, 0) it is about (0.1284, −0.0852).
#
# <details><summary>Hint 1</summary>With $n = \|s\|$ it is $v = a(n)\, s$, $a = n / (1 + n^2)$. Two things depend on s: the factor s, and n. Product rule.</details>
# <details><summary>Hint 2</summary>$\partial n / \partial s = s / n = u$, the direction. So the gradient is $a\, g + a'(n)\, n\, u\, (u \cdot g)$, with $a' = (1 - n^2) / (1 + n^2)^2$.</details>
# <details><summary>Hint 3</summary>No small constant: it spoils short vectors. Divide by <code>np.where(n &gt; 0, n, 1)</code> instead. For long ones, split the fraction so that nothing reaches $n^4$: $a'\, n = a\, (1 - n^2) / (1 + n^2)$.</details>

# %%
def squash_back(s, g):
    """s, g: (m, d) vectors and gradients -> (m, d)."""
    # solution
    n = np.linalg.norm(s, axis=1, keepdims=True)
    u = s / np.where(n > 0, n, 1)
    a = n / (1 + n**2)
    return a * (g + (1 - n**2) / (1 + n**2) * u * (u * g).sum(axis=1, keepdims=True))
    # end solution


# %%
if check("11.squash", squash_back):
    lengths = np.logspace(-3, 3, 61)[:, None]
    s = lengths * [[1.0, 0.0]]
    along, across = (abs(squash_back(s, np.tile(g, (61, 1)))).max(axis=1)
                     for g in np.eye(2))
    _, ax = plots.figure("A long capsule can still turn, but hardly grow",
                         xlabel="length of s (log)", ylabel="slope (log)")
    for label, values, color in (("along s", along, plots.BLUE),
                                 ("across s", across, plots.ORANGE)):
        ax.loglog(lengths, values, color=color)
        plots.name(ax, 1e3, values[-1], label, color)
    plots.show("Two slopes over the length: "
               "at first a factor of 2 apart, then along s falls much faster.")

# %% [markdown] tags=["solution-only"]
# Across $s$ the slope is $n / (1 + n^2)$, along it $2n / (1 + n^2)^2$. A short vector has next to no slope in any direction, so a capsule of length zero stays there: a saturation at both ends.
# A constant such as $10^{-9}$ under the root is harmless in the lecture, and makes the slope more than ten times too small for lengths below $10^{-6}$.

# %% [markdown]
# ## 6 · Keep the old model, add a correction
#
# **apply** · level ●●● · 25 minutes · `resnet`
#
# *Because in production the block that you may not touch is the model that runs today.*
#
# Users' numbers may no longer be stored (`user` is 0 everywhere). But the score of the old model, a logit $x$, comes with every impression, old and new.
# It knows users, ads, contexts and positions. It misses which age and gender like which category, and what hour and device change.
#
# Predict with $\sigma(x + f)$: keep the old score, learn a correction.
# From 30,000 impressions the check wants 84 % of the gap; the old score alone has about 63 %. From 500 impressions the correction may cost 3 % at most, and there may be none at all yet: $f = 0$ is a harmless start.
#
# <details><summary>Hint 1</summary>A logistic regression whose score has the old logit added, with no weight on it: <code>z = old + X @ w</code>. The gradient by w is the usual one.</details>
# <details><summary>Hint 2</summary>Crosses, from <code>past.one_hot([...])</code>: <code>("age", "gender", "category")</code>, <code>("hour", "category")</code>, <code>("device", "category")</code>.</details>
# <details><summary>Hint 3</summary>Take the <i>sum</i> of the losses and add a fixed price, such as 5/2 · ‖w‖², around zero. So few rows move the weights little, and many rows move them far.</details>

# %%
def sigmoid(z):
    return 0.5 * (1 + np.tanh(z / 2))


def improve(past, old, future, old_future):
    """past, future: ad logs; old, old_future: their logits (n,), (m,)
    -> (m,) click probabilities."""
    # solution
    crosses = [("age", "gender", "category"), ("hour", "category"), ("device", "category")]
    X = past.one_hot(crosses)

    def loss(w):
        z = old + X @ w
        total = np.sum(np.logaddexp(0, z) - past.click * z) + 5 / 2 * w @ w
        return total, X.T @ (sigmoid(z) - past.click) + 5 * w

    w = minimize(loss, np.zeros(X.shape[1]), jac=True, method="L-BFGS-B").x
    return sigmoid(old_future + future.one_hot(crosses) @ w)
    # end solution


# %%
check("11.correction", improve)

# %% [markdown] tags=["solution-only"]
# This is a residual block with one layer, and also one step of boosting: lecture 03's second model, fitted to what the first has left.
# Put a small net in the place of `X @ w`, its last layer at zero, and it stays true: on the first day it predicts what the old model predicted.
