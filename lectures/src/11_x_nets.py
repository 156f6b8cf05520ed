# %% [markdown]
# # 11 · The X-Nets
#
# **Question.** From 2012 to 2017 each famous network brought one idea. Which idea, and what is it worth when you test it yourself?
#
# **You will be able to** build the block of each net and check it against torchvision; count weights and work before you train; say why depth hurts a plain net and not a residual one; see boosting inside a ResNet; replace a pre-trained net's head and fine-tune it.
#
# **Needs** 06, 10 · **Minutes** 90 to teach, 150 to study · **CPU** 45 s
#
# On the map: `alexnet` · `vgg` · `googlenet` · `resnet` · `capsnet`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more letters
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim

# small pictures: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)

# after runtime.setup, which mends its import beside a CPU build of torch
from torchvision import models

# %%
concept_map.show("11")

# %% [markdown]
# ## 1 · AlexNet: three tricks and a lot of data
#
# On the map: `alexnet`
#
# AlexNet won the 2012 ImageNet contest by a wide margin, and three of its tricks became famous. You take each of them away.
#
# It is LeNet's plan, larger: five convolutions, three dense layers, 1.2 million photographs, two graphics cards. Its tricks:
#
# - **ReLU** in place of tanh: trains faster;
# - **dropout** in the dense layers: against overfitting (lecture 06);
# - **overlapping pooling**: windows of 3 with stride 2, so neighbours share pixels.
#
# A small copy reads 2,500 letters A to J, as in lecture 10, four times each.
#
# **Predict first.** Take one trick away at a time. Which one will be missed most?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Write the votes on the board. Nearly everybody votes for ReLU, because the paper did (tanh took six times as long there).
# Do not let the room conclude that the paper was wrong: 60 million weights, SGD with momentum and six days on two graphics cards are another place.

# %%
def tensors(letters):
    """Pictures (n, 1, 28, 28) from 0 to 1, and labels, on this run's device."""
    return (torch.tensor(letters.x, device=run.device)[:, None],
            torch.tensor(letters.labels, device=run.device))


x, y = tensors(data.load("glyphs", n=run.pick(lecture=2500, full=20_000), seed=SEED))
seen, unseen = (tensors(data.load("glyphs", split=split, n=1000, seed=SEED))
                for split in ("test", "unseen"))


@torch.no_grad()
def accuracy(net, x, y):
    return (net(x).argmax(1) == y).float().mean().item()


def cross_entropy(net, x, y):
    return F.cross_entropy(net(x), y)


def train(net, x, y, epochs=4, lr=4e-3, batch=64, loss=cross_entropy, groups=None):
    """Adam, the rate rising to `lr` and falling again, as in lecture 10.
    A new net is in training mode."""
    torch.manual_seed(SEED)  # the order of the batches
    descent = torch.optim.Adam(groups or net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, lr,
                                                   total_steps=epochs * -(-len(x) // batch))
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            descent.zero_grad()
            loss(net, x[rows], y[rows]).backward()
            descent.step()
            schedule.step()
    return net.eval()

# %%
def small_alexnet(activation=nn.ReLU, drop=0.5, window=3):
    side = 2 if window == 3 else 3
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2), activation(),
        nn.MaxPool2d(window, stride=2), nn.Conv2d(16, 32, 3, padding=1), activation(),
        nn.Conv2d(32, 32, 3, padding=1), activation(), nn.MaxPool2d(window, stride=2),
        nn.Flatten(),
        nn.Dropout(drop), nn.Linear(32 * side**2, 128), activation(), nn.Dropout(drop),
        nn.Linear(128, 10),
    ).to(run.device)


variants = {"all three tricks": {}, "tanh for ReLU": {"activation": nn.Tanh},
            "no dropout": {"drop": 0.0}, "pooling without overlap": {"window": 2}}
without, small = {}, {}
for name, options in variants.items():
    torch.manual_seed(SEED)
    net = train(small_alexnet(**options), x, y)
    without[name] = [100 * accuracy(net, *pair) for pair in ((x, y), seen, unseen)]
    small.setdefault("AlexNet", net)  # for the table in section 7

# %%
fig, ax = plots.figure("Take a trick away, and this small net reads better, not worse",
                       size=(8.5, 3.4), xlabel="accuracy (%)", ylabel="")
PLACES = {"training letters": plots.COLOR["train"],
          "new letters, known fonts": plots.COLOR["test"],
          "new letters, unseen fonts": plots.PURPLE}
for values, (place, color) in zip(np.transpose(list(without.values())), PLACES.items(),
                                  strict=True):
    ax.plot(values, range(len(without)), "o", color=color, markersize=9, label=place)
fig.legend(loc="outside lower center", ncols=3)
ax.set_yticks(range(len(without)), without, color=plots.INK)
ax.set_ylim(3.5, -0.5)
plots.show("Four rows of three dots. All rows below the first, where a trick is missing, "
           "lie further right.")

# %%
lost = {name: np.subtract(without["all three tricks"], values)
        for name, values in without.items()}
claim("without dropout the training letters are read better (points)",
      -lost["no dropout"][0], at_least=1)
claim("and so are new letters: this net does not overfit yet (points)",
      -lost["no dropout"][1], at_least=0)
claim("tanh is not behind ReLU here (points)", lost["tanh for ReLU"][1], at_most=1)
claim("overlap gains nothing here (points)", lost["pooling without overlap"][1], at_most=1)

# %% [markdown]
# None of the three is missed. That is no refutation: a remedy shows its worth only where there is the disease.
#
# - Dropout pays where a net can learn its data by heart. Four passes with 32,000 weights cannot (lecture 06 has cases that can).
# - Overlap leaves fewer positions here, so the next layer has fewer weights; the paper reports a gain of 0.4 points.
# - Tanh saturates, which costs steps with plain SGD. Adam and five layers hide it; and in lecture 05 even twenty tanh layers learn, from Glorot's start.
#
# What AlexNet proved was the sum: this plan, much data, and a machine that can train it.

# %% [markdown]
# ## 2 · VGG: only 3×3, but many
#
# On the map: `vgg` · `alexnet`
#
# A stack of small filters sees as much as one large filter, with fewer weights and a bend after each layer.
#
# AlexNet's filters have sides of 11, 5 and 3. VGG (2014) has 3×3 throughout, up to 16 convolutions deep.
# Two layers of 3×3 see 5×5 pixels, three see 7×7: the receptive field of lecture 10. With $C$ channels in and out:
#
# $$\text{one } 7\times7: \; 49\, C^2 \qquad\qquad \text{three } 3\times3: \; 3 \cdot 9\, C^2 = 27\, C^2$$
#
# Three blocks on the same stem are compared below. A layer from here on is a convolution, batch norm (lecture 06) and ReLU; VGG came before batch norm.
#
# **Predict first.** Leave the ReLUs between the three layers out. Can the stack still do more than one 7×7 filter? Can it do as much?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# "As much": no. 27 numbers cannot make every set of 49, and the proof is the count.
# "More": no. Without bends a stack of convolutions is one convolution, as in lecture 04 a stack of linear layers was one.

# %%
stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False)
                        for _ in range(3))).double().to(run.device)
dot = torch.zeros(1, 1, 13, 13, dtype=torch.double, device=run.device)
dot[0, 0, 6, 6] = 1
answer = stack(dot)  # what three filters make of one white pixel ...
whole = answer[:, :, 3:10, 3:10].flip(2, 3)             # ... is one 7×7 filter, upside down
noise = torch.randn(1, 1, 30, 30, dtype=torch.double, device=run.device)
# the border sees other zeros
gap = (stack(noise) - F.conv2d(noise, whole, padding=3))[:, :, 3:-3, 3:-3]
claim("without ReLU three 3×3 filters are one 7×7 filter",
      gap.abs().max().item(), at_most=1e-12)

# %%
def conv(c, k, size, stride=1):
    """c channels -> k channels, side kept (or halved by stride 2); batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(c, k, size, stride, padding=size // 2, bias=False),
                         nn.BatchNorm2d(k), nn.ReLU())


def reader(*blocks, channels, side=3):
    """Stem, blocks, ten scores: (n, 1, 28, 28) -> (n, 16, 7, 7)
    -> (n, channels, side, side) -> (n, 10)."""
    return nn.Sequential(conv(1, 16, 5, stride=2), nn.MaxPool2d(2), *blocks,
                         nn.MaxPool2d(7 // side),
                         nn.Flatten(), nn.Linear(channels * side**2, 10)).to(run.device)


def weights(net):
    return sum(p.numel() for p in net.parameters())


blocks = {"one 3×3": [3], "one 7×7": [7], "three 3×3": [3, 3, 3]}
read = {}
for name, sizes in blocks.items():
    torch.manual_seed(SEED)
    block = [conv(16, 16, size) for size in sizes]
    net = train(reader(*block, channels=16), x, y)
    read[name] = [100 * accuracy(net, *seen), 100 * accuracy(net, *unseen)]
small["VGG"] = net
claim("three 3×3 need about half of the weights of one 7×7",
      3 * weights(conv(16, 16, 3)) / weights(conv(16, 16, 7)), at_most=0.56)
claim("and read new letters as well (points)",
      read["three 3×3"][0] - read["one 7×7"][0], at_least=-2.5)
claim("better than one 3×3 (points)",
      read["three 3×3"][0] - read["one 3×3"][0], at_least=0.3)

# %% [markdown]
# How large are the real nets? torchvision has them. To count, no pixel needs to be computed:
# on PyTorch's device `meta` a tensor has a shape and no content, so 138 million weights take no memory.
# `FlopCounterMode` then adds up the arithmetic of one picture.
#
# It counts a multiplication and an addition as two operations. Papers and torchvision's tables count the pair as one, and call that FLOPs too.
# This course says **multiply-adds** for the pair.
#
# **Ask the room.** A net must fit into a phone's memory; another must answer in a millisecond on a slow chip.
# Which layers do you look at first, in each case?

# %%
from torch.utils.flop_counter import FlopCounterMode


def bill(net, *shape):
    """Layer -> (weights, multiply-adds for one input of this shape),
    for convolutions and dense layers."""
    with FlopCounterMode(display=False) as counter:
        net.to("meta").eval()(torch.empty(1, *shape, device="meta"))
    # module path, beginning with the net's own -> counts
    operations = counter.get_flop_counts()
    top = type(net).__name__
    return {name: (weights(layer), sum(operations[f"{top}.{name}"].values()) // 2)
            for name, layer in net.named_modules()
            if isinstance(layer, nn.Conv2d | nn.Linear)}


with torch.device("meta"):
    bills = {"AlexNet": bill(models.alexnet(), 3, 224, 224),
             "VGG-16": bill(models.vgg16(), 3, 224, 224)}

# %%
fig, axes = plots.panels("Weights sit in the dense layers, work in the convolutions", bills,
                         xlabel="share of the net (%)", ylabel="", size=(10, 4.4))
for ax, layers in zip(axes, bills.values(), strict=True):
    # share (layers, 2)
    share = 100 * np.array(list(layers.values())) / np.sum(list(layers.values()), axis=0)
    dense = sum(name.startswith("classifier") for name in layers)
    labels = [f"conv {i + 1}" for i in range(len(share) - dense)]
    labels += [f"dense {i + 1}" for i in range(dense)]
    rows = np.arange(len(share))
    for offset, values, color in zip((-0.2, 0.2), share.T, (plots.BLUE, plots.ORANGE),
                                     strict=True):
        ax.barh(rows + offset, values, 0.4, color=color)
    ax.set_yticks(rows, labels, fontsize=9, color=plots.INK)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
plots.name(axes[0], 45, 0.5, "weights", plots.BLUE)
plots.name(axes[0], 45, 1.1, "multiply-adds", plots.ORANGE)
plots.show("Bars by layer: the first dense layer holds most weights; "
           "convolutions do nearly all work.")

# %%
for name, layers in bills.items():
    total = np.sum(list(layers.values()), axis=0)  # (weights, multiply-adds)
    dense = np.sum([counts for layer, counts in layers.items() if "classifier" in layer],
                   axis=0)
    claim(f"{name}: million weights", total[0] / 1e6, at_least=60)
    claim(f"{name}: share of the weights in three dense layers",
          dense[0] / total[0], at_least=0.85)
    claim(f"{name}: share of the work in convolutions",
          1 - dense[1] / total[1], at_least=0.9)

# %% [markdown]
# ## 3 · GoogLeNet: several sizes side by side, and a cheap 1×1
#
# On the map: `googlenet`
#
# Which filter size is right? GoogLeNet (2014) takes several at once, and pays for it with 1×1 convolutions that thin out the channels first.
#
# A **1×1 convolution** looks at one pixel and mixes its channels: the same small regression in every pixel.
# From 192 channels to 16 it makes the picture twelve times thinner and keeps its height and width.
#
# An **Inception** block has four branches, side by side on the same input; their channels are joined:
# 1×1; thin, then 3×3; thin, then 5×5; the largest of 3×3 pixels, then 1×1.
#
# **Predict first.** The first Inception block of the real net: 192 channels, 28×28 pixels.
# What share of the multiply-adds remains, compared with 3×3 and 5×5 filters straight on the 192 channels?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Draw the four branches. The question that always comes: "why is 1×1 not useless?" It would be on a grey picture; with 192 channels it is lecture 01's regression with 192 inputs, in each pixel.
# The second saving is at the end of the net: the mean over each map, then one dense layer with 1 million weights, where AlexNet has 59 million.

# %%
class Inception(nn.Module):
    """Four branches, their channels joined.
    `thin3` and `thin5`: channels after the 1×1 in front."""

    def __init__(self, c, one, thin3, three, thin5, five, pool, size=5):
        super().__init__()
        self.branches = nn.ModuleList([
            conv(c, one, 1),
            nn.Sequential(conv(c, thin3, 1), conv(thin3, three, 3)),
            nn.Sequential(conv(c, thin5, 1), conv(thin5, five, size)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(c, pool, 1)),
        ])

    def forward(self, x):
        # (n, one+three+five+pool, h, w)
        return torch.cat([branch(x) for branch in self.branches], dim=1)


torch.manual_seed(SEED)
inception = Inception(16, 8, 8, 16, 4, 8, 8)               # 8 + 16 + 8 + 8 = 40 channels
small["GoogLeNet"] = train(reader(inception, channels=40), x, y)
claim("a small GoogLeNet, one block on the stem, reads new letters",
      accuracy(small["GoogLeNet"], *seen), at_least=0.88)
pixelwise, picture = nn.Conv2d(192, 16, 1), torch.randn(2, 192, 6, 6)
as_regression = F.linear(picture.movedim(1, -1), pixelwise.weight[:, :, 0, 0],
                         pixelwise.bias).movedim(-1, 1)
claim("a 1×1 convolution is one regression for every pixel",
      (pixelwise(picture) - as_regression).abs().max().item(), at_most=1e-5)

# %%
first = [(64, 1), (128, 3), (32, 5)]  # filters and their size, on 192 channels
straight = sum(28**2 * 192 * k * size**2 for k, size in first)
block = Inception(192, 64, 96, 128, 16, 32, 32)
thinned = sum(work for _, work in bill(block, 192, 28, 28).values())

# %%
plots.bars("1×1 in front pays for the large filters",
           xlabel="million multiply-adds for one picture",
           values={"filters straight on 192 channels": straight / 1e6,
                   "1×1 in front": thinned / 1e6})
plots.show("Two bars: straight 303 million; "
           "with 1 by 1 in front 128, a pooling branch included.")
claim("with 1×1 in front less than half of the work remains",
      thinned / straight, at_most=0.45)

# %%
# its "5×5" has 3×3 filters: size=3
from torchvision.models.googlenet import Inception as TheirInception

ours = Inception(192, 64, 96, 128, 16, 32, 32, size=3)
theirs = TheirInception(192, 64, 96, 128, 16, 32, 32)
ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(),
                              strict=True)))
# batch norm's smallest spread, as in this net
ours.apply(lambda layer: setattr(layer, "eps", 1e-3))
picture = torch.rand(2, 192, 28, 28)
with torch.no_grad():
    a, b = (net.eval()(picture) for net in (ours, theirs))
claim("our block with torchvision's weights gives its output",
      (a - b).abs().max().item(), at_most=1e-4)

# %% [markdown]
# ## 4 · ResNet: add to what is there
#
# On the map: `resnet` · `vgg`
#
# From some depth on, a plain net gets worse with every layer, even on its training data. With one addition a block it does not.
#
# If depth is good, stack twelve blocks of two layers. Too many weights and it overfits, you would think. Let us see.
#
# A plain block computes $f(x)$, and the next one sees nothing else. A **residual block** adds what came in, the **skip connection**:
#
# $$y = x + f(x)$$
#
# So $f$ need not make a better picture of the letter. It makes a *correction*, and $f = 0$ is a harmless start.
# The slope is $1 + f'(x)$: lecture 05's path without a factor.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Before the cell: "24 layers with batch norm, 2,500 letters. What happens?" Expect "overfitting". Point at the left panel: the *training* accuracy is what falls.
# He and others called it degradation: a deeper net could copy the shallow one and let the rest be the identity. It does not find that.

# %%
class Chain(nn.Module):
    """Stem, `depth` blocks of two convolutions, ten scores; with or without skips."""

    def __init__(self, depth, skip, c=16):
        super().__init__()
        self.skip, self.without = skip, set()  # blocks to leave out, in section 5
        self.stem = nn.Sequential(conv(1, c, 5, stride=2), nn.MaxPool2d(4, 4, padding=1))
        self.blocks = nn.ModuleList(nn.Sequential(*conv(c, c, 3), *conv(c, c, 3)[:2])
                                    for _ in range(depth))
        self.head = nn.Linear(16 * c, 10)

    def states(self, x):
        """The maps (n, c, 4, 4) after the stem and after each block."""
        states = [self.stem(x)]
        for i, f in enumerate(self.blocks):
            h = states[-1]
            if i not in self.without:
                h = h + f(h) if self.skip else F.relu(f(h))
            states.append(h)
        return states

    def forward(self, x):
        return self.head(self.states(x)[-1].flatten(1))


DEPTHS, chains = [2, 6, 12], {}


def train_chains(skip):
    for depth in DEPTHS:
        torch.manual_seed(SEED)
        chains[skip, depth] = train(Chain(depth, skip).to(run.device), x, y)
        print(f"{'residual' if skip else 'plain':8s} {depth:2d} blocks: "
              f"{100 * accuracy(chains[skip, depth], x, y):.0f} % of the training letters")


train_chains(skip=False)

# %%
train_chains(skip=True)
small["ResNet"] = chains[True, 2]
reached = {name: np.array([[100 * accuracy(chains[skip, depth], *pair) for depth in DEPTHS]
                           # (training and new letters, depths)
                           for pair in ((x, y), seen)])
           for name, skip in (("residual", True), ("plain", False))}
CHAIN_COLORS = {"residual": plots.ORANGE, "plain": plots.BLUE}

# %%
_, axes = plots.panels("Depth hurts the plain net, on its own training letters already",
                       ["training letters", "new letters"], xlabel="blocks of two layers",
                       ylabel="accuracy (%)", size=(9.5, 3.6), sharey=True)
for ax, panel in zip(axes, zip(*reached.values(), strict=True), strict=True):
    for (name, color), values in zip(CHAIN_COLORS.items(), panel, strict=True):
        ax.plot(DEPTHS, values, "o-", color=color)
        plots.name(ax, DEPTHS[-1], values[-1], name, color)
plots.show("Two panels: the plain net falls steeply from 2 to 12 blocks, "
           "the residual net stays level.")

# %%
plain, residual = reached["plain"], reached["residual"]
claim("training letters: what depth 12 costs the plain net (points)",
      plain[0, 0] - plain[0, 2], at_least=5)
claim("and the residual net (points)", residual[0, 0] - residual[0, 2], at_most=1)
claim("at 12 blocks the skip is worth (points on new letters)",
      residual[1, 2] - plain[1, 2], at_least=5)
claim("but 2 blocks and 12 read new letters alike: difference (points)",
      residual[1, 2] - residual[1, 0], at_least=-4, at_most=4)

# %%
theirs = models.resnet.BasicBlock(16, 16).to(run.device).eval()
f = chains[True, 12].blocks[0]
theirs.load_state_dict(dict(zip(theirs.state_dict(), f.state_dict().values(), strict=True)))
with torch.no_grad():
    h = chains[True, 12].stem(x[:100])
    gap = (F.relu(h + f(h)) - theirs(h)).abs().max().item()
claim("torchvision's BasicBlock is ours with a ReLU after the sum", gap, at_most=1e-5)

# %% [markdown]
# Mind the last of the four claims on depth. The skip *lets* you go deep; on this task, with 2,500 letters, depth itself buys nothing.
# On ImageNet it did: torchvision's ResNets get better from 18 to 152 layers (section 7).
#
# Two notes on real ResNets. Where side and channels change, the skip has a 1×1 convolution with stride 2.
# And the original has a ReLU after the sum; without it, as here, the path stays free of any factor (He and others, 2016).
#
# **Ask the room.** With sigmoids and without batch norm, would the skip alone have been enough? (Lecture 05 tried.)

# %% [markdown]
# ## 5 · A ResNet is boosting that was trained together
#
# On the map: `resnet`
#
# The sum has the form of lecture 03's boosting; two experiments show how far the likeness goes.
#
# $x_0$ comes from the stem, block $l$ adds $f_l(x_{l-1})$, and the head is linear, with weights $W$ and bias $b$:
#
# $$\text{scores} = W x_0 + W f_1(x_0) + \dots + W f_L(x_{L-1}) + b$$
#
# That is an **additive model**: each block casts a vote. Boosting builds such a sum block by block.
# Unravelled, two ways through each block make $2^{L}$ paths. The gradient comes mainly through the shorter ones: an ensemble of shallow nets (Veit and others, 2016).
#
# An ensemble bears the loss of a member. A chain does not bear that of a link.
#
# **Predict first.** Remove one of twelve trained blocks, without training again. How many letters in a hundred does each net still read?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# This is the thesis again: ask who sees lecture 03 in the formula before you say it.
# Then ask where it breaks: the votes were not trained one after the other, and the right panel shows what that changes.
# In that panel every net is read after each block with its last head: what would it say if it ended here?

# %%
net = chains[True, 12]
with torch.no_grad():
    states = net.states(seen[0])
    votes = [F.linear(h.flatten(1), net.head.weight)
             for h in (states[0],
                       *(f(h) for f, h in zip(net.blocks, states, strict=False)))]
    gap = (sum(votes) + net.head.bias - net(seen[0])).abs().max().item()
claim("the scores are the sum of thirteen votes and a bias", gap, at_most=1e-3)

# %%
deleted = {}
for name, skip in (("residual", True), ("plain", False)):
    net, deleted[name] = chains[skip, 12], []
    for block in range(12):
        net.without = {block}
        deleted[name].append(100 * accuracy(net, *seen))
    net.without = set()

# %%
# Boosting builds the same net:
# each block learns what those before it have left, and is then frozen.
class Stage(nn.Module):
    """One block on top of maps that stay as they are; the head goes on learning."""

    def __init__(self, f, head):
        super().__init__()
        self.f, self.head = f, head

    def forward(self, h):
        return self.head((h + self.f(h)).flatten(1))


@torch.no_grad()
def loss_by_depth(states, head, y):
    return [F.cross_entropy(head(h.flatten(1)), y).item() for h in states]


torch.manual_seed(SEED)
greedy = Chain(12, skip=True).to(run.device)
train(nn.Sequential(greedy.stem, nn.Flatten(), greedy.head), x, y, epochs=2)
with torch.no_grad():
    h, states = greedy.stem(x), [greedy.stem(seen[0])]
stagewise = loss_by_depth(states, greedy.head, seen[1])
for f in greedy.blocks:
    train(Stage(f, greedy.head), h, y, epochs=2)
    with torch.no_grad():
        h, states = h + f(h), [states[0] + f(states[0])]
    stagewise += loss_by_depth(states, greedy.head, seen[1])
with torch.no_grad():
    together = {skip: loss_by_depth(chains[skip, 12].states(seen[0]), chains[skip, 12].head,
                                    seen[1])
                for skip in (True, False)}

# %%
fig, (left, right) = plots.panels("A residual net can lose a block; "
                                  "trained together, votes are small steps",
                                  ["delete one block", "read out after each block"],
                                  xlabel="block",
                                  ylabel="accuracy on new letters (%)", size=(11, 4))
for name, color in CHAIN_COLORS.items():
    left.plot(range(1, 13), deleted[name], "o-", color=color, markersize=5)
    left.axhline(reached[name][1, 2], color=color, linewidth=1, linestyle=":")
    plots.name(left, 7, {"residual": 76, "plain": 26}[name], name, color)
right.plot(together[False], "o-", color=plots.BLUE, markersize=5)
right.plot(together[True], "o-", color=plots.ORANGE, markersize=5)
right.plot(stagewise, "o-", color=plots.GREEN, markersize=5)
left.set(xlabel="block deleted", ylim=(0, 100))
right.set(ylabel="loss on new letters (nats)", xlabel="blocks used", ylim=(-0.15, 3.6))
plots.name(right, 7.5, 3.0, "plain", plots.BLUE)
plots.name(right, 3, 1.5, "residual, trained together", plots.ORANGE)
plots.name(right, 1, 0.04, "block by block (boosting)", plots.GREEN)
plots.show("Left: without one block the residual net stays near its dotted line, "
           "the plain net is at chance. "
           "Right: the residual loss falls step by step, boosting's at once, "
           "plain stays high.")

# %%
claim("plain: the best it does without one of its blocks (%)",
      max(deleted["plain"]), at_most=50)
claim("residual: median without one block, short of all (points)",
      residual[1, 2] - np.median(deleted["residual"]), at_most=4)
falls = np.sum(np.diff(together[True]) < 0)
claim("read block by block, the residual loss falls nearly always (steps of twelve)",
      falls, at_least=10)
claim("after one block boosting is ahead: ratio of its loss to the residual net's",
      stagewise[1] / together[True][1], at_most=0.5)
claim("at the end it is behind: ratio of its loss to the residual net's",
      stagewise[-1] / together[True][-1], at_least=1.05)

# %% [markdown]
# So the thesis holds in form, and you see where it ends.
#
# - *Form*: the scores are a sum of votes, each improves on those before, and most can be missed.
# - *Training*: boosting is greedy. Its first block takes all it can, the rest learn leftovers, and soon the noise (lecture 03's overfitting). Trained together, no block takes all it can: the loss falls in small steps, and the early blocks also prepare the maps for the later ones, so they are missed most.
#
# As in lectures 03 and 04: an ensemble in its form, more than an ensemble by its training.

# %% [markdown]
# ## 6 · CapsNet: a vector for each thing, and parts that vote
#
# On the map: `capsnet`
#
# A capsule says how surely a thing is there *and how it looks*. A fine idea; here it reads less well than a plain CNN.
#
# Pooling throws away where things are. Capsules (Sabour, Frosst and Hinton, 2017) keep it. A **capsule** is a small vector: its *length* is the probability, its *direction* the pose. **Squash** brings a vector $s$ to a length below 1:
#
# $$\text{squash}(s) = \frac{\|s\|^2}{1 + \|s\|^2} \, \frac{s}{\|s\|}$$
#
# Each part $i$ predicts each whole $k$ through weights of its own: $\hat u_{ik} = W_{ik} u_i$. **Routing by agreement** decides whom a part speaks to:
# $c_{ik}$, a softmax over the wholes, weighs the predictions; $v_k = \text{squash}(\sum_i c_{ik} \hat u_{ik})$ is the whole;
# then $b_{ik}$, the softmax's score, grows by $\hat u_{ik} \cdot v_k$: more for those who agree. Three rounds.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# It is k-means (lecture 17) with soft assignments, run inside the forward pass: votes that lie together pull the centre, and the centre pulls the votes.
# Be fair: the paper's gain was on overlapping digits and small affine warps. Say what was measured here and what was not.

# %%
def squash(s):
    """Keep the direction; length n becomes n² / (1 + n²). s: (..., d)"""
    n2 = (s**2).sum(-1, keepdim=True)
    return n2 / (1 + n2) * s / (n2 + 1e-9).sqrt()  # 1e-9: a zero vector has no direction


def route(u_hat, rounds=3):
    """u_hat: (n, parts, wholes, d) predictions
    -> wholes (n, wholes, d), couplings c of each round."""
    b, fixed, couplings = torch.zeros_like(u_hat[..., 0]), u_hat.detach(), []
    for _ in range(rounds - 1):  # no gradient through the early rounds
        # (n, parts, wholes): a part shares out one voice
        couplings.append(b.softmax(dim=2))
        v = squash(torch.einsum("nik,nikd->nkd", couplings[-1], fixed))
        b = b + torch.einsum("nikd,nkd->nik", fixed, v)
    couplings.append(b.softmax(dim=2))
    return squash(torch.einsum("nik,nikd->nkd", couplings[-1], u_hat)), couplings

# %%
class CapsNet(nn.Module):
    """(n, 1, 14, 14) -> lengths of ten capsules (n, 10);
    18 parts of 8 numbers, 10 wholes of 12."""

    def __init__(self, rounds=3):
        super().__init__()
        self.rounds = rounds
        self.first = nn.Conv2d(1, 24, 5)
        self.parts = nn.Conv2d(24, 2 * 8, 5, stride=2)
        self.W = nn.Parameter(0.3 * torch.randn(18, 8, 10 * 12))
        self.decoder = nn.Sequential(nn.Linear(120, 128), nn.ReLU(), nn.Linear(128, 196),
                                     nn.Sigmoid())

    def wholes(self, x):
        maps = self.parts(F.relu(self.first(x)))  # (n, 16, 3, 3)
        u = squash(maps.unflatten(1, (2, 8)).movedim(2, -1).flatten(1, 3))  # (n, 18, 8)
        # u_hat (n, 18, 10, 12)
        u_hat = torch.einsum("nip,ipq->niq", u, self.W).unflatten(2, (10, 12))
        return route(u_hat, self.rounds)

    def forward(self, x):
        return self.wholes(x)[0].norm(dim=2)

    def draw(self, v, y):
        """Picture (n, 1, 14, 14) from the capsule of letter y alone;
        the nine others are set to zero."""
        return self.decoder((v
                             * F.one_hot(y, 10)[..., None]).flatten(1)).view(-1, 1, 14, 14)

# %% [markdown]
# The loss asks the true capsule to be long and the others to be short.
# Beside it a small decoder must **reconstruct** the picture from the true capsule alone, so its direction has to carry the pose.
#
# The rival has two convolutions of the same sizes, the second with 32 filters in place of 16, then two dense layers, and cross-entropy. Both read the letters at 14×14 pixels.
#
# **Predict first.** Which one reads new letters better? And is routing three times better than once?

# %%
half, half_seen, half_unseen = ((F.avg_pool2d(u, 2), labels)
                                for u, labels in ((x, y), seen, unseen))


def margin_loss(lengths, y):
    """The true capsule should be longer than 0.9, each other one shorter than 0.1."""
    true = F.one_hot(y, 10)
    return (true * F.relu(0.9 - lengths)**2
            + 0.5 * (1 - true) * F.relu(lengths - 0.1)**2).sum(1).mean()


def margin_and_picture(net, x, y):
    v, _ = net.wholes(x)
    return (margin_loss(v.norm(dim=2), y)
            + 0.02 * (net.draw(v, y) - x).square().sum((1, 2, 3)).mean())


def small_cnn():
    return nn.Sequential(nn.Conv2d(1, 24, 5), nn.ReLU(), nn.Conv2d(24, 32, 5, stride=2),
                         nn.ReLU(),
                         nn.Flatten(), nn.Linear(288, 64), nn.ReLU(), nn.Linear(64, 10))


rivals = {"CapsNet, three rounds": (CapsNet, margin_and_picture),
          "CapsNet, one round": (lambda: CapsNet(rounds=1), margin_and_picture),
          "CNN": (small_cnn, cross_entropy)}
reading, fitted = {}, {}
for name, (make, loss) in rivals.items():
    torch.manual_seed(SEED)
    net = fitted[name] = train(make().to(run.device), half[0], y, epochs=5, lr=1e-2,
                               loss=loss)
    reading[name] = [100 * accuracy(net, *half_seen), 100 * accuracy(net, *half_unseen)]
small["CapsNet"] = capsnet = fitted["CapsNet, three rounds"]

ahead = np.subtract(reading["CNN"], reading["CapsNet, three rounds"])

# %%
claim("the CNN reads new letters at least as well as the CapsNet (points)",
      ahead[0], at_least=-0.5)
claim("on unseen fonts too (points)", ahead[1], at_least=0)
readers = weights(fitted["CNN"]), weights(capsnet) - weights(capsnet.decoder)
claim("the readers are of like size: CNN over CapsNet",
      readers[0] / readers[1], at_least=0.7, at_most=1.5)
claim("three rounds of routing beat one (points)",
      reading["CapsNet, three rounds"][0] - reading["CapsNet, one round"][0], at_least=0.3)

# %% [markdown]
# No gain, then, whatever the idea promises. That was one task and one size; bring your own.
# What routing does can still be seen: the parts of a letter move their voices towards the right whole.
# And reconstruction shows what a capsule knows. Train the decoder a little longer, the capsules held still:
# below the letters stands what it draws from the true capsule, then from the next letter's; then a B with one of its twelve entries moved.

# %%
@torch.no_grad()
def shares(rounds):
    """Mean share of the voices in a picture of B that each letter gets,
    round by round: (rounds, 10)."""
    capsnet.rounds = rounds
    couplings = capsnet.wholes(half_seen[0][half_seen[1] == 1])[1]
    return np.array([c.mean(dim=(0, 1)).cpu().numpy() for c in couplings])


voices = 100 * shares(rounds=6)
right = []
for capsnet.rounds in (1, 3, 6):
    right.append(100 * accuracy(capsnet, *half_seen))
capsnet.rounds = 3

fig, ax = plots.figure("Pictures of B: with each round more voices go to B", size=(8, 3.6),
                       xlabel="round of routing", ylabel="share of the voices (%)")
ax.plot(range(1, 7), voices, color=plots.GREY, linewidth=1)
ax.plot(range(1, 7), voices[:, 1], "o-", color=plots.ORANGE)
ax.axvline(3, color=plots.GREY, linewidth=1, linestyle=":")
plots.name(ax, 6, voices[-1, 1], "B", plots.ORANGE)
plots.name(ax, 6, np.delete(voices[-1], 1).mean(), "the nine others", plots.GREY)
plots.name(ax, 3, voices[-1, 1], "trained with three rounds", plots.GREY,
           fontweight="normal")
plots.show("Ten lines start at ten percent; "
           "the one of B rises in every round, the others fall a little.")
claim("three rounds: voices for B, relative to the first round",
      voices[2, 1] / voices[0, 1], at_least=1.2)
claim("that is far from a decision (%)", voices[2, 1], at_most=40)
claim("more rounds than it was trained with sharpen the shares",
      voices[5, 1] / voices[2, 1], at_least=1.3)
claim("but do not read better (points)", right[2] - right[1], at_most=0.5)

# %%
with torch.no_grad():
    own = F.one_hot(y, 10)[..., None] * capsnet.wholes(half[0])[0]
train(capsnet.decoder, own.flatten(1), half[0].flatten(1), epochs=15, lr=3e-3,
      loss=lambda net, v, pixels: F.mse_loss(net(v), pixels))
with torch.no_grad():
    pictures, letters = half_seen
    wholes = capsnet.wholes(pictures)[0]
    drawn, other = capsnet.draw(wholes, letters), capsnet.draw(wholes, (letters + 1) % 10)
    first = [int((letters == letter).nonzero()[0]) for letter in range(10)]
    moved = wholes[first[1]].repeat(12, 10, 1, 1)  # (12 entries, 10 steps, 10 letters, 12)
    moved[range(12), :, 1, range(12)] += torch.linspace(-0.3, 0.3, 10, device=run.device)
    bees = capsnet.draw(moved.flatten(0, 1),
                        torch.ones(120, dtype=torch.long, device=run.device))
    bees = bees.view(12, 10, 1, 14, 14)
    change = (bees[:, 9] - bees[:, 0]).square().sum((1, 2, 3))
    strong = change.argsort(descending=True)[:3].tolist()

labels = ["letter", "own", "next one's", *(f"entry {i + 1}" for i in strong)]
grid = torch.cat([pictures[first], drawn[first], other[first],
                  *bees[strong]])[:, 0].cpu().numpy()
plots.images(grid, names=[labels[i // 10] if i % 10 == 0 else "" for i in range(len(grid))],
             title="The true capsule draws its letter, "
                   "and its entries say how the letter looks")
plots.show("Six rows of ten: letters; blurred copies; pale shapes from a wrong capsule; "
           "three rows of B that "
           "change slant, width or weight step by step.")
claim("a capsule that is not the letter's draws it worse: ratio of squared errors",
      ((other - pictures).square().mean() / (drawn - pictures).square().mean()).item(),
      at_least=1.4)

# %% [markdown]
# ## 7 · Which one, and never from zero
#
# On the map: `alexnet` · `vgg` · `googlenet` · `resnet` · `capsnet`
#
# Compare weights, work and accuracy before you choose; then take a net that is already trained.
#
# torchvision publishes each net's counts and its accuracy on ImageNet. The counts you check; the accuracy you take on trust, since that training takes days.
# Below the picture stand today's small copies, on fonts they have not seen. (CapsNet is not in torchvision.)

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# The question for the picture: who would still take VGG? Answer: those who want its feature maps, for style transfer say, and few others.
# In the fine-tuning part, write the four ways on the board and let the room order them before the cell runs.

# %%
NAMES = {"AlexNet": "alexnet", "VGG-16": "vgg16", "GoogLeNet": "googlenet",
         "ResNet-18": "resnet18", "ResNet-50": "resnet50", "ResNet-152": "resnet152"}
facts = {}
for label, name in NAMES.items():
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):                                 # shapes only
        net = models.get_model(name, weights=None, **options)
    work = sum(work for _, work in bill(net, 3, 224, 224).values())
    card = models.get_model_weights(name)["IMAGENET1K_V1"].meta
    facts[label] = weights(net), work, card["_metrics"]["ImageNet-1K"]["acc@1"]
    published = np.array([card["num_params"], 1e9 * card["_ops"]])
    apart = abs(np.array([weights(net), work]) / published - 1)
    claim(f"{label}: weights as published (largest relative difference)",
          apart[0], at_most=0)
    claim(f"{label}: multiply-adds as published, to their three digits",
          apart[1], at_most=2e-3)

# %%
fig, ax = plots.figure("ImageNet: a twentieth of VGG's weights, and nearly as good",
                       size=(8.5, 4.3),
                       xlabel="million weights (log)", ylabel="accuracy as published (%)")
for label, (count, work, top1) in facts.items():
    color = plots.ORANGE if label.startswith("Res") else plots.BLUE
    ax.scatter(count / 1e6, top1, s=60 * work / 1e9, color=color, alpha=0.6, linewidth=0)
    plots.name(ax, count / 1e6, top1, f"{label}: {work / 1e9:.1f}", color,
               dx=4 + 3.8 * (work / 1e9)**0.5,
               dy={"GoogLeNet": -14, "ResNet-50": -10}.get(label, 0))
ax.set(xscale="log", xlim=(4, 400), ylim=(50, 84), xticks=[5, 10, 20, 50, 100, 200])
ax.set_xticklabels([5, 10, 20, 50, 100, 200])
ax.minorticks_off()
plots.name(ax, 4.3, 82.5, "disc, number: billion multiply-adds a picture", plots.GREY,
           fontweight="normal")
plots.show("Discs: AlexNet low at 61 million; "
           "GoogLeNet at 6.6 nearly as high as VGG-16 at 138.")

# %%
for label, net in small.items():
    unseen_accuracy = accuracy(net, *(half_unseen if label == "CapsNet" else unseen))
    print(f"small {label:10s}{weights(net):7,} weights, "
          f"{100 * unseen_accuracy:.0f} % on fonts never seen")

# %% [markdown]
# AlexNet's copy is last, as on ImageNet; the others lie within a few points, and the ResNet's does not lead, as ResNets do there. A ranking belongs to its data.
#
# **Fine-tuning**: nobody trains the first layers again. With a network connection it begins so:
#
# ```python
# net = models.resnet18(weights="DEFAULT")                     # downloads 45 MB, once
# prepare = models.ResNet18_Weights.DEFAULT.transforms()       # the size and scaling it was trained with
# ```
#
# Here a narrow ResNet of torchvision's parts first learns other letters, K to Z.
# Then fifty labelled A to J, thirty passes, four ways:
#
# - **from scratch**: the same net, a random start;
# - **new head**: replace `fc`, freeze the rest, its batch norm in `eval` mode;
# - **all, one rate**: new head, train everything;
# - **head first, then all by stage**: each stage gets a third of the rate above: **discriminative rates** (Howard and Ruder, 2018), for the lowest filters are the most general.
#
# **Predict first.** Put the four in order.

# %%
def narrow_resnet(classes, c=8):
    """torchvision's ResNet with one block a stage, narrow, for grey 28×28;
    c, 2c, 4c, 8c channels."""
    Block = models.resnet.BasicBlock
    with torch.device("meta"):
        net = models.ResNet(Block, [1, 1, 1, 1])  # the plan; its layers are replaced
    net.conv1 = nn.Conv2d(1, c, 3, stride=2, padding=1, bias=False)
    net.bn1 = nn.BatchNorm2d(c)
    net.maxpool, net.layer1 = nn.Identity(), Block(c, c)
    for stage in (2, 3, 4):
        k = c * 2**(stage - 1)
        skip = nn.Sequential(nn.Conv2d(k // 2, k, 1, stride=2, bias=False),
                             nn.BatchNorm2d(k))
        setattr(net, f"layer{stage}", Block(k // 2, k, stride=2, downsample=skip))
    net.fc = nn.Linear(8 * c, classes)
    return net.to(run.device)


others = tensors(data.load("glyphs", n=len(x), seed=SEED, classes="KLMNOPQRSTUVWXYZ"))
torch.manual_seed(SEED)
teacher = train(narrow_resnet(16), *others, epochs=3, lr=5e-3)
print(f"{weights(teacher):,} weights; "
      f"{100 * accuracy(teacher, *others):.0f} % of the letters K to Z read")


def tune(net, rates, x, y, epochs):
    """Train the modules named in `rates` (module -> learning rate);
    all the others stay as they are."""
    net.requires_grad_(False).eval()
    for module in rates:
        module.requires_grad_(True).train()
    groups = [{"params": module.parameters()} for module in rates]
    return train(net, x, y, epochs, list(rates.values()), batch=32, groups=groups)

# %%
from copy import deepcopy


def by_stage(net, top=8e-3):
    stages = [net.fc, net.layer4, net.layer3, net.layer2, net.layer1, net.bn1, net.conv1]
    return {stage: top / 3**min(i, 4) for i, stage in enumerate(stages)}


def adapt(way, x, y):
    if way == "from scratch":
        net = narrow_resnet(10)
        return tune(net, {net: 5e-3}, x, y, epochs=30)
    net = deepcopy(teacher)
    # before the optimizer is made
    net.fc = nn.Linear(net.fc.in_features, 10).to(run.device)
    if way == "new head":
        return tune(net, {net.fc: 1e-2}, x, y, epochs=30)
    if way == "all, one rate":
        return tune(net, {net: 2e-3}, x, y, epochs=30)
    tune(net, {net.fc: 1e-2}, x, y, epochs=10)
    return tune(net, by_stage(net), x, y, epochs=20)


WAYS = ["from scratch", "all, one rate", "new head", "head first, then all by stage"]
DRAWS = 2
tuned = np.zeros((len(WAYS), DRAWS, 2))
for draw in range(DRAWS):
    rows = slice(50 * draw, 50 * (draw + 1))
    for way, results in zip(WAYS, tuned, strict=True):
        torch.manual_seed(1000 * SEED + draw)
        net = adapt(way, x[rows], y[rows])
        results[draw] = [100 * accuracy(net, *pair) for pair in (seen, unseen)]

# %%
fig, ax = plots.figure("Fifty labels: a trained net reads far more than a random start",
                       size=(8.5, 3.6),
                       xlabel="accuracy (%), two draws of the fifty", ylabel="")
for shift, values, (label, color) in zip((-0.1, 0.1), tuned.T, list(PLACES.items())[1:],
                                         strict=True):
    ax.plot(values.T, np.arange(len(WAYS)) + shift, "o", color=color,
            label=[label, *[None] * (DRAWS - 1)])
fig.legend(loc="outside lower center", ncols=2)
ax.set_yticks(range(len(WAYS)), WAYS, color=plots.INK)
ax.invert_yaxis()
plots.show("Dots in four rows: from scratch far to the left, "
           "the three ways of fine-tuning far to the right.")

# %%
scratch, one_rate, head, staged = tuned.mean(axis=(1, 2))
claim("a new head on a trained net gains over a start from scratch (points)",
      head - scratch, at_least=10)
claim("one rate for all is not clearly better than the head alone (points)",
      one_rate - head, at_most=8)
claim("head first, then all by stage is not far behind the head alone (points)",
      staged - head, at_least=-6)
claim("nor behind one rate for all (points)", staged - one_rate, at_least=-4)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A name is not a proof.** torchvision's "5×5" branch of Inception has 3×3 filters: an old slip, kept for the published weights. Count.
# - **The wrong preparation.** Pictures of another size or scaling than in training: no error, poor results. Use the weights' own `transforms()`.
# - **Lecture 07's two traps of fine-tuning.** An optimizer made before the head was replaced; frozen layers left in training mode.
# - **A skip that changes the size.** $x + f(x)$ that broadcasts: no error, and nonsense.
# - **Deep because it is famous.** ResNet-152 for 2,500 pictures. Begin with the smallest net that is trained already.
# - **FLOPs as time.** The count ignores memory: many thin branches run slower than their number says. Measure.

# %% [markdown]
# ## Summary
#
# 1. AlexNet: LeNet grown large, with ReLU and dropout. On a small task none of its tricks is missed.
# 2. VGG: small filters in a stack see as far as large ones, with fewer weights and more bends.
# 3. GoogLeNet: 1×1 convolutions thin the channels out, and so several filter sizes fit side by side.
# 4. ResNet: add, do not replace. Depth no longer hurts, blocks become small votes; boosting's form, not its training.
# 5. CapsNet: vectors and agreement; no gain here. And in practice: take a trained net, replace its head, then unfreeze gently.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 11`, then open `exercises/work/11_exercises.ipynb`: six tasks, about 120 minutes.
#
# - A. Krizhevsky, I. Sutskever, G. E. Hinton (2012), *ImageNet Classification with Deep Convolutional Neural Networks*, NIPS.
# - M. Lin, Q. Chen, S. Yan (2014), *Network In Network*, ICLR: the 1×1 convolution.
# - K. Simonyan, A. Zisserman (2015), *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR.
# - C. Szegedy and others (2015), *Going Deeper with Convolutions*, CVPR.
# - K. He, X. Zhang, S. Ren, J. Sun (2016), *Deep Residual Learning for Image Recognition*, CVPR; and *Identity Mappings in Deep Residual Networks*, ECCV.
# - A. Veit, M. Wilber, S. Belongie (2016), *Residual Networks Behave Like Ensembles of Relatively Shallow Networks*, NIPS.
# - F. Huang, J. Ash, J. Langford, R. Schapire (2018), *Learning Deep ResNet Blocks Sequentially using Boosting Theory*, ICML.
# - S. Sabour, N. Frosst, G. E. Hinton (2017), *Dynamic Routing Between Capsules*, NIPS.
# - J. Howard, S. Ruder (2018), *Universal Language Model Fine-tuning for Text Classification*, ACL.
