# %% [markdown]
# # 11 · The X-Nets
#
# **Question.** From 2012 to 2017 each famous network brought one idea. Where does the idea pay, and where does it not?
#
# **You will be able to** draw the block of each net, build it and check it against torchvision; count weights and work before you train; name one condition where each idea pays; tell what a recipe gave from what an architecture gave; put a new head on a trained net and fine-tune it.
#
# **Needs** 06, 07, 10 · **Minutes** 92 to teach, 150 to study · **CPU** 45 s
#
# On the map: `alexnet` · `vgg` · `googlenet` · `resnet` · `capsnet`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more letters
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
from copy import deepcopy
from functools import partial  # partial(f, 1) is f with its first argument given

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import x_nets  # letters moved and overlaid, the loop, drawings
from utils.scratch.x_nets import accuracy, best, train

# small pictures: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)

# after runtime.setup, which mends its import beside a CPU build of torch
from torchvision import models
from torchvision.models.googlenet import Inception as TheirInception

# %%
concept_map.show("11")

# %% [markdown]
# ## 1 · AlexNet: remedies for a net that learns by heart
#
# On the map: `alexnet`
#
# A remedy shows its worth only where there is the disease. So each section asks under what condition its idea pays.
#
# **AlexNet** (AlexNet) won the ImageNet contest of 2012: name the thing in a photograph, one of a thousand. It is a larger LeNet (lecture 10): five convolutions, three dense layers, 61 million weights, on two graphics cards, since one was too small.
#
# With 1.2 million photographs it still overfitted. The paper credits two remedies of lecture 06: augmentation and dropout. Three things more made it faster or a little better: ReLU in place of tanh, pooling windows that overlap, and **local response normalization** (국소 반응 정규화), where a large value makes its neighbours in other maps smaller.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Lecture 06 had this table for a dense net; ask who remembers it. Many take dropout, since it is the famous one.
# Do not let the room conclude that ReLU was a mistake: 61 million weights and six days are another place.
# For overlapping pooling the paper reports 0.4 points.

# %%
def tensors(letters):
    """Pictures (n, 1, 28, 28) from 0 to 1, and labels, on this run's device."""
    return (torch.tensor(letters.x, device=run.device)[:, None],  # one channel
            torch.tensor(letters.labels, device=run.device))


drawn = data.load("glyphs", n=run.pick(lecture=3000, full=20_000), seed=SEED)
x, y = tensors(drawn[500:])    # 2,500 letters to learn from
choose = tensors(drawn[:500])  # 500 to choose the learning rate on
known, unseen = (tensors(data.load("glyphs", split=split, n=1000, seed=SEED))
                 for split in ("test", "unseen"))
x_any = x_nets.any_size((x, y), SEED)[0]
choose_any, known_any, unseen_any = (x_nets.any_size(pair, SEED)
                                     for pair in (choose, known, unseen))
rows = {"training": x, "new, known fonts": known[0], "new, unseen fonts": unseen[0],
        "one letter, augmented": x_nets.augment(x[:1].repeat(12, 1, 1, 1)),
        "any size, any place": x_any}
plots.strips("The letters: as drawn, in other fonts, augmented, at any size", rows)
plots.show("Five rows of twelve letters: upright, unseen fonts, one letter twelve times "
           "turned and shifted, small and large letters anywhere on the page.")

# %% [markdown]
# The data are lecture 10's letters A to J; half of the "new" ones, the test, are in fonts never seen. In the last row each letter has 40 to 100 % of its size and lies anywhere on the page, for section 2.
#
# The training is lecture 10's: Adam, whose rate rises and falls again. `best(make, …)` trains from one start at two rates, the same for all rivals, and keeps the net that reads more of 500 other letters, `choose`. Two rates are few: believe large gains only.
#
# Now the disease: 200 letters, each seen 38 times, three labels of ten wrong, as in lecture 06. The test labels are right.
#
# **Predict first.** One change at a time to a net without any remedy. Which one reads most new letters?

# %%
predict("11.remedy", "dropout", "augmentation", "no change")

# %%
def small_alexnet(drop=0.0):
    """(n, 1, 28, 28) -> (n, 8, 8, 8) -> (n, 16, 4, 4) -> (n, 10)."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=4), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1),
        nn.Flatten(), nn.Dropout(drop), nn.Linear(256, 128), nn.ReLU(),
        nn.Dropout(drop), nn.Linear(128, 10))


chance = torch.rand(2, 200, device=run.device)
another = (y[:200] + 1 + (9 * chance[0]).long()) % 10  # a letter that it is not
spoiled = torch.where(chance[1] < 0.3, another, y[:200])  # three labels of ten
remedy = {}
for name, drop, change in (("no change", 0.0, None), ("dropout", 0.5, None),
                           ("augmentation", 0.0, x_nets.augment)):
    net = best(partial(small_alexnet, drop), (x[:200], spoiled), choose, (3e-3, 1e-2),
               run.steps(240), batch=32, change=change)
    remedy[name] = accuracy(net, known, unseen)
    print(f"{name:13s} {remedy[name]:.1f} % of new letters read")
outcome("11.remedy", max(remedy, key=remedy.get))
claim("wrong labels: augmentation gains over no remedy, points of accuracy",
      remedy["augmentation"] - remedy["no change"], at_least=6)

# %% [markdown]
# Augmentation pays: no letter comes twice in the same form, and a turned A is still an A, which is true. Dropout costs here. Only in three times the steps does the net learn the wrong labels, and then it read 2 to 9 points more with dropout, on each of five seeds. For ReLU against tanh, and for overlapping windows, we found no such condition in a net of this size. What AlexNet proved was the sum: plan, remedies, data, machines.
#
# **Ask the room.** Which of AlexNet's five ingredients live on in nearly every net of today?
#
# <details><summary>One answer</summary>
#
# Augmentation, and ReLU or a relative. Batch norm took the place of local response normalization, strides that of pooling; dropout is light where data is plenty.
# </details>

# %% [markdown]
# ## 2 · VGG: only 3×3, but many
#
# On the map: `vgg` · `alexnet`
#
# A stack of small filters sees as many pixels as one large filter, with fewer weights and a bend (a ReLU) after each layer. It pays where these layers must see the shape.
#
# AlexNet's filters have sides of 11, 5 and 3. **VGG** (VGG; 2014) has 3×3 throughout; VGG-16 has 13 such layers.
# In the picture, a row of pixels from the side: each circle sees the circles that its lines lead to.

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Let somebody follow the lines from the top down and count the pixels.
# "Can the stack do as much as one 7×7?" No: 27 numbers cannot make every set of 49. "More?" With bends yes, without them no, as in lecture 04.
# At the bill, ask for the layer with the most weights first. Most say a late convolution.

# %%
x_nets.draw_stack()

# %% [markdown]
# So two layers of 3×3 see 5×5 pixels, three see 7×7. With $C$ maps in and $C$ out:
#
# $$\text{one } 7\times7: \; 49\, C^2 \text{ weights} \qquad\qquad \text{three } 3\times3: \; 3 \cdot 9\, C^2 = 27\, C^2$$
#
# What makes the stack more than one filter? Leave the ReLUs out. Then each layer makes weighted sums of weighted sums, and those are weighted sums again, as in lecture 04: *one* filter. Which one? As in lecture 10's proof, send one white pixel through. What comes out is seven pixels wide: that filter, read backwards. Turned round, it must do to noise, borders apart, what the stack does.

# %%
torch.manual_seed(SEED)
stack = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(3)))
dot, noise = torch.zeros(1, 1, 13, 13), torch.randn(1, 1, 30, 30)
dot[0, 0, 6, 6] = 1
whole = stack(dot)[:, :, 3:10, 3:10].flip(2, 3)  # a 7×7 filter, turned back
gap = (stack(noise) - F.conv2d(noise, whole, padding=3))[:, :, 3:-3, 3:-3]
claim("three 3×3 without ReLU against one 7×7: largest difference away from the border",
      gap.abs().max().item(), at_most=1e-6)

# %% [markdown]
# Now a race on letters of any size. Each net ends with the *mean* of each map, over all pixels: **global average pooling** (전역 평균 풀링). A mean keeps no places, so what the block does not see, nothing sees. Below the block is a **stem** (줄기): 16 filters of 5×5, stride 2, then pooling, to 7×7 pixels.
# From here on a layer is a convolution, batch norm (lecture 06), ReLU. (VGG came before batch norm, and was hard to train.)
#
# To be fair, all blocks do the same work, counted in **multiply-adds** (곱셈-덧셈): a multiplication with its addition. A filter's weight does one for each pixel that comes out. `bill` counts them on PyTorch's device `meta`, where a tensor has a shape and no content. (PyTorch counts the two apart, so we halve.)

# %%
def weights(net):
    return sum(p.numel() for p in net.parameters())


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


def work(net, *shape):
    return sum(count for _, count in bill(net, *shape).values())

# %%
def conv(c, k, size, stride=1, bend=True):
    """c maps -> k maps, side kept (or divided by the stride); batch norm, ReLU."""
    return nn.Sequential(nn.Conv2d(c, k, size, stride, padding=size // 2, bias=False),
                         nn.BatchNorm2d(k), nn.ReLU() if bend else nn.Identity())


def reader(stem, block, maps):
    """(n, 1, 28, 28) -> stem -> block (n, maps, 7, 7) -> means (n, maps) -> (n, 10)."""
    return nn.Sequential(stem(), block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(maps, 10))


def race(stem, blocks, rates, steps, starts=1):
    """blocks: name -> (block, maps out). Name -> per cent of new letters read."""
    read = {}
    for name, (block, maps) in blocks.items():
        make = partial(reader, stem, block, maps)
        nets = [best(make, (x_any, y), choose_any, rates, run.steps(steps),
                     batch=32, start=start) for start in range(starts)]
        read[name] = np.mean([accuracy(net, known_any, unseen_any) for net in nets])
        net = make()
        print(f"{name:22s}{weights(net):7,} weights  {work(net, 1, 28, 28) / 1e6:.2f} "
              f"million multiply-adds  {read[name]:.1f} % read")
    return read


def narrow_stem():
    return nn.Sequential(conv(1, 16, 5, stride=2), nn.MaxPool2d(2))


def three(bend):
    return nn.Sequential(conv(16, 22, 3, bend=bend), conv(22, 22, 3, bend=bend),
                         conv(22, 22, 3))


SMALL = {"one 3×3": (partial(conv, 16, 87, 3), 87),  # name: the block, maps that come out
         "one 7×7": (partial(conv, 16, 16, 7), 16), "three 3×3": (partial(three, True), 22),
         "no ReLU inside": (partial(three, False), 22)}

# %% [markdown]
# At equal work there is room for one layer with 87 filters of 3×3, or one with 16 of 7×7, or three with 22 of 3×3 each. The last row is a control: the three once more, without the ReLUs between them. Each number is the mean of two starts. (Of rates from 0.01 to 0.08, these blocks did best at 0.02 or 0.04.)

# %%
read = race(narrow_stem, SMALL, (2e-2, 4e-2), 90, starts=2)
claim("in 90 steps, equal work: three 3×3 beat one 7×7, points of accuracy",
      read["three 3×3"] - read["one 7×7"], at_least=7, short=True)
claim("what the ReLUs between the three bring, points of accuracy",
      read["three 3×3"] - read["no ReLU inside"], at_least=15)

# %% [markdown]
# So seven pixels alone do not pay: three of four blocks see them, and the stack without bends, one filter but for borders, is worst. (In three times the steps the lead over 7×7 halves.) And the real nets? Below, each layer's share of weights and work.
#
# **Ask the room.** A net must fit into a phone's memory; another must answer in a millisecond on a slow chip. Which layers do you look at first, in each case? Guess, then look.
#
# <details><summary>One answer</summary>
#
# Memory: the dense layers, nine weights of ten. Time: the convolutions, since each of their weights works once for every pixel.
# </details>

# %%
with torch.device("meta"):
    bills = {"AlexNet": bill(models.alexnet(), 3, 224, 224),
             "VGG-16": bill(models.vgg16(), 3, 224, 224)}
shares = x_nets.draw_bills(bills)["VGG-16"]
claim("VGG-16: share of the weights in three dense layers", shares[0], at_least=0.89)
claim("VGG-16: share of the work in convolutions", shares[1], at_least=0.99)

# %% [markdown]
# ## 3 · GoogLeNet: several sizes side by side, and a cheap 1×1
#
# On the map: `googlenet`
#
# **GoogLeNet** (GoogLeNet; 2014) filters with several sizes at once; 1×1 convolutions thin the maps out first. That pays where many maps come in.
#
# A **1×1 convolution** (1×1 합성곱) looks at one pixel and mixes its maps: the same small regression in every pixel. A pixel with 2, 0 and 1 in three maps and a filter of weights 1, 5, −1 give $2 \cdot 1 + 0 \cdot 5 - 1 \cdot 1 = 1$. Two such filters make two maps of three.
#
# An **Inception** block (인셉션) has four branches on the same input, and their maps are joined. The picture has the real net's first block's numbers.
#
# What do the orange 1×1 save? (The lowest row comes later.) The branch with 5×5, for one pixel that comes out, straight on 192 maps: $192 \cdot 32 \cdot 25 = 153{,}600$ multiply-adds. Through 16 maps: $192 \cdot 16 + 16 \cdot 32 \cdot 25 = 15{,}872$, a tenth.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# "Is 1×1 not useless?" It would be on a grey picture; with 192 maps it is lecture 01's regression with 192 inputs, in each pixel.
# Let the room do the two sums of the 5×5 branch first.

# %%
x_nets.draw_inception()

# %%
class Inception(nn.Module):
    """Four branches, their maps joined.
    `thin3` and `thin5`: maps after the 1×1 in front."""

    def __init__(self, c, one, thin3, three, thin5, five, pool, size=5):
        super().__init__()
        self.branches = nn.ModuleList([
            conv(c, one, 1),
            nn.Sequential(conv(c, thin3, 1), conv(thin3, three, 3)),
            nn.Sequential(conv(c, thin5, 1), conv(thin5, five, size)),
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv(c, pool, 1)),
        ])

    def forward(self, x):
        # (n, one + three + five + pool, h, w)
        return torch.cat([branch(x) for branch in self.branches], dim=1)


# torchvision's "5×5" has 3×3 filters, an old slip that its published weights keep
ours = Inception(192, 64, 96, 128, 16, 32, 32, size=3)
theirs = TheirInception(192, 64, 96, 128, 16, 32, 32)
values = theirs.state_dict().values()  # their weights, in the order of ours
ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
ours.apply(lambda layer: setattr(layer, "eps", 1e-3))  # batch norm's, as in that net
picture = torch.rand(2, 192, 28, 28)
claim("our block with torchvision's weights: largest difference in its output",
      (ours.eval()(picture) - theirs.eval()(picture)).abs().max().item(), at_most=1e-5)

# %% [markdown]
# The thinning can go to the end. A **depthwise convolution** (깊이별 합성곱) gives each map one filter of its own and mixes nothing; a 1×1 after it mixes. From 192 maps to 192 that is $192 \cdot 9 + 192 \cdot 192 = 38{,}592$ multiply-adds a pixel, where 3×3 straight needs $192 \cdot 192 \cdot 9$, nearly nine times as many. The nets for phones (MobileNet, 2017) are made so.
#
# The race again: 64 maps of 7×7 pixels come in. The same work buys 16 filters of 3×3 straight; 57 behind a 1×1 to 16 maps; or 135 of 1×1 behind a depthwise one. (They also have more maps, and a ReLU more.)
#
# GoogLeNet also had **auxiliary heads** (보조 출력층): outputs half-way up, with losses of their own, so that lower layers got more gradient. With batch norm few nets need them.

# %%
def depthwise():  # 64 groups: each map alone
    return nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, groups=64, bias=False),
                         nn.BatchNorm2d(64), nn.ReLU(), conv(64, 135, 1))


blocks = {"3×3 straight": (partial(conv, 64, 16, 3), 16),
          "1×1, then 3×3": (lambda: nn.Sequential(conv(64, 16, 1), conv(16, 57, 3)), 57),
          "Inception": (partial(Inception, 64, 16, 16, 24, 8, 10, 16), 66),
          "depthwise, then 1×1": (depthwise, 135)}

# %%
read = race(partial(conv, 1, 64, 5, 4), blocks, (2e-2, 5e-2), 160)
straight = read["3×3 straight"]
claim("many maps, equal work: 1×1 in front gains over straight, points of accuracy",
      read["1×1, then 3×3"] - straight, at_least=3)
claim("many maps, equal work: Inception gains over straight, points of accuracy",
      read["Inception"] - straight, at_least=4)
claim("many maps, equal work: depthwise, then 1×1, over straight, points of accuracy",
      read["depthwise, then 1×1"] - straight, at_least=8)

# %% [markdown]
# ## 4 · ResNet: add to what is there
#
# On the map: `resnet` · `vgg`
#
# From some depth on, a plain net gets worse with every layer, even on its training data. With one addition a block it does not, and where depth is needed, that pays.
#
# Three layers read these letters better than one. So take sixteen. A plain block computes $f(x)$, and the next one sees nothing else. The **residual block** (잔차 블록) of **ResNet** (ResNet; 2015) adds what came in; the line round $f$ is the **skip connection** (스킵 연결):
#
# $$y = x + f(x)$$
#
# So $f$ makes only a *correction*, and $f = 0$ is a harmless start. And the gradient? A nudge of $x$ moves $y$ by $1 + f'(x)$ times as much, in place of $f'(x)$ times. Let $f'$ be 0.1 in each of eight blocks. Plain, $0.1^8$ is left, a hundred-millionth. With skips, $1.1^8 = 2.1$.

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# At the prediction expect "overfitting": better on the training letters, worse on new ones. Point at the left panel afterwards.
# He and others called it degradation: a deeper net could copy the shallow one and let the rest be the identity. Descent does not find that.

# %%
x_nets.draw_residual()

# %%
class Chain(nn.Module):
    """Stem, `depth` blocks of two convolutions, ten scores; with or without skips."""

    def __init__(self, depth, skip, last, c=8):
        super().__init__()
        self.skip, self.last = skip, last  # `last`: a ReLU at the end of each block
        self.without = None  # a block to leave out, in section 5
        self.stem = nn.Sequential(conv(1, c, 5, stride=2), nn.MaxPool2d(2))
        self.blocks = nn.ModuleList(nn.Sequential(conv(c, c, 3), conv(c, c, 3, bend=False))
                                    for _ in range(depth))
        self.head = nn.Linear(c, 10)

    def states(self, x):
        """The maps (n, c, 7, 7) after the stem and after each block."""
        states = [self.stem(x)]
        for i, f in enumerate(self.blocks):
            h = states[-1]
            if i != self.without:
                h = h + f(h) if self.skip else f(h)
                h = F.relu(h) if self.last else h
            states.append(h)
        return states

    def forward(self, x):
        return self.head(self.states(x)[-1].mean((2, 3)))  # the mean of each map

# %% [markdown]
# (In torchvision a last ReLU follows the sum; without it the path stays free: He and others, 2016. A *bottleneck* thins the maps for its 3×3. Where side or number of maps change, the skip has a 1×1.)
#
# Two, four and eight blocks of two layers, all with batch norm, letters of any size. The plain blocks have the last ReLU, the residual ones do not.
#
# **Predict first.** What do eight plain blocks do, compared with two?

# %%
DEPTH = ("better on training letters and on new ones",
         "better on training letters, worse on new ones", "worse on both")
predict("11.depth", *DEPTH)

# %%
DEPTHS, trained, new, chains = [2, 4, 8], [(x_any, y)], [known_any, unseen_any], {}
for name, make in (("plain", partial(Chain, skip=False, last=True)),
                   ("residual", partial(Chain, skip=True, last=False)),
                   ("control", partial(Chain, skip=True, last=True))):
    chains[name] = [best(partial(make, depth), (x_any, y), choose_any, (1e-2, 3e-2),
                         run.steps(100), batch=32)
                    for depth in (DEPTHS if name != "control" else [8])]

# %% [markdown]
# Left, the letters that the nets were trained on; right, new ones. The control is eight residual blocks *with* the last ReLU: from the plain net the skip alone differs.

# %%
# name -> (depths, 2): per cent of the training letters and of new ones that are read
reached = {name: np.array([(accuracy(net, *trained), accuracy(net, *new)) for net in nets])
           for name, nets in chains.items()}
x_nets.draw_depth("Depth ruins the plain net, not the residual one", DEPTHS, reached)
plain, residual, control = reached.values()
gain = plain[2] - plain[0]  # of eight blocks over two: training, new
outcome("11.depth", DEPTH[0 if gain[1] > 0 else 1 if gain[0] > 0 else 2])
claim("training letters: what eight blocks cost the plain net, points of accuracy",
      -gain[0], at_least=12)
claim("new letters: eight residual blocks over eight plain ones, points of accuracy",
      residual[2, 1] - plain[2, 1], at_least=23)
claim("the skip alone, the last ReLU kept: gain over plain, points of accuracy",
      control[0, 1] - plain[2, 1], at_least=12)

# %% [markdown]
# So this is no overfitting: the plain net reads its *training* letters worse.

# %% [markdown]
# ## 5 · Is a ResNet boosting? Judge it with a fair reader
#
# On the map: `resnet`
#
# The sum has the form of lecture 03's boosting. How far the likeness goes depends on who reads the blocks.
#
# Take one map, one pixel, one letter: the stem gives 2, two blocks add 1 and −0.5, the head's weight is 3, its bias 0.1. The score $3 \cdot 2.5 + 0.1$ is $6 + 3 - 1.5 + 0.1$: three votes and the bias.
#
# In general $x_0$ comes from the stem, and block $l$ of $L$ adds $f_l(x_{l-1})$. The mean over pixels (a bar) and the head, with weights $W$ and bias $b$, take sums to sums:
#
# $$\text{scores} = W \bar x_0 + W \bar f_1(x_0) + \dots + W \bar f_L(x_{L-1}) + b$$
#
# That is an **additive model** (가법 모형): each block casts a vote. An ensemble bears the loss of a member; a chain breaks with any link. So take one of eight trained blocks out.

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# This is the thesis again: ask who sees lecture 03 in the formula before you say it.
# A tempting mistake is to give only boosting a new head at each depth: it concludes too much. Show the dashed lines first, then the solid ones.

# %%
net, left_out = chains["residual"][2], {}
with torch.no_grad():
    states = net.states(known_any[0])
    # the stem's maps, and what each block adds to those that came into it
    parts = [states[0], *(f(h) for f, h in zip(net.blocks, states[:-1], strict=True))]
    votes = sum(F.linear(part.mean((2, 3)), net.head.weight) for part in parts)
    gap = (votes + net.head.bias - net(known_any[0])).abs().max().item()
claim("nine votes and a bias against the net's scores: largest difference",
      gap, at_most=1e-4)
for name in ("plain", "residual"):
    deep, left_out[name] = chains[name][2], []
    for deep.without in range(8):  # each block in turn
        left_out[name].append(accuracy(deep, *new))
    deep.without = None  # all are back

# %% [markdown]
# Now build the same net as boosting would: each block is trained, with the head, on the blocks before it, which stay as they are. Each gets as many steps as the whole net, but a step trains one block of eight: equal work, about.
#
# How far has a net come after each block? Two readers say it. The *last head*, that of the end of training, was made for the last block only. A **refitted head** (다시 맞춘 출력층) is a softmax regression (lecture 01) for that depth alone. Boosting and the residual net ("together") get both.
#
# Picture, left: one block taken out; the dotted lines are the whole nets. Right: read after each block, dashed with the last head, solid with a refitted one.

# %%
def boosting(lr):
    torch.manual_seed(SEED)
    net = Chain(8, skip=True, last=False).to(run.device)
    first = nn.Sequential(net.stem, nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.head)
    train(first, x_any, y, lr, run.steps(100), batch=32)
    h = net.stem(x_any).detach()
    for f in net.blocks:
        train(x_nets.Stage(f, net.head), h, y, lr, run.steps(100), batch=32)
        h = (h + f(h)).detach()  # what the next block gets
    return net


built = max(map(boosting, (1e-2, 3e-2)), key=lambda net: accuracy(net, choose_any))
test_x = torch.cat([known_any[0], unseen_any[0]])
test_y = torch.cat([known_any[1], unseen_any[1]])
read = {}
for name, net in (("together", chains["residual"][2]), ("boosting", built)):
    with torch.no_grad():
        # the mean of each map after the stem and each block: lists of (n, 8)
        learned, tested = ([h.mean((2, 3)) for h in net.states(u)] for u in (x_any, test_x))
    last = [accuracy(net.head, (h, test_y)) for h in tested]
    read[name] = last, x_nets.refitted(learned, y, tested, test_y)

# %%
x_nets.draw_readers("A late block can go; refit before you read", left_out, reached, read)
(joint_last, joint_own), (boost_last, boost_own) = read.values()
claim("without one block the residual net keeps, median, share of its letters",
      np.median(left_out["residual"]) / residual[2, 1], at_least=0.7)
claim("after two blocks the last head hides what the joint net has, points of accuracy",
      joint_own[2] - joint_last[2], at_least=18)
claim("at the end, heads refitted: together over boosting, points of accuracy",
      joint_own[-1] - boost_own[-1], at_least=3)

# %% [markdown]
# So the thesis holds in form, but an early block cannot go: the later ones read it. Refitted, the net trained together shows much more after two blocks than with its last head; part of the gap, there after eight too, is the refit itself. Boosting, at equal work, ends behind, refitted; with the last heads it does not, here.
#
# **Ask the room.** Somebody shows only the dashed line of "together" and says: "the early blocks know nothing". What do you answer?
#
# <details><summary>One answer</summary>
#
# The head was never asked to read them. Fit it anew for that depth. What a layer knows and what one fixed reader finds in it are two things.
# </details>

# %% [markdown]
# ## 6 · CapsNet: a vector for each thing, and parts that vote
#
# On the map: `capsnet`
#
# A capsule says how surely a thing is there *and how it looks*, and parts choose the whole that they belong to. Where two things lie on top of each other, the choice pays.
#
# A **capsule** (캡슐) is a small vector, and **CapsNet** (CapsNet; 2017) a net of them. Its *length* says how surely the thing is there, its *direction* how it looks. **Squash** (스쿼시) brings a vector $s$ to a length below 1; $\|s\|$ is its length:
#
# $$\text{squash}(s) = \frac{\|s\|^2}{1 + \|s\|^2} \, \frac{s}{\|s\|}$$
#
# A length of 1 becomes ½, a length of 3 becomes 0.9. The lower capsules are *parts*, the upper ones *wholes*, one for each letter. Part $i$ guesses from its vector $u_i$ that of whole $k$: $\hat u_{ik} = W_{ik} u_i$. Where $k$ is there, guesses should agree.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Do the example with two parts on the board, two rounds.
# It is a soft clustering inside the forward pass: votes that lie together pull the centre, and the centre pulls the votes.
# Be fair: on single letters a plain net of the same size reads at least as well.

# %%
s = schematics.Sketch("Two parts, two wholes: the predictions for A agree", width=9.4,
                      height=3.3)
parts = s.column(["part 1", "part 2"], at=(1.0, 1.6), gap=1.8, r=0.42, fontsize=11)
for high, name, kind, text in (
        (2.5, "A", "good", "predictions (1, 0) and (1, 0)\nlength 0.50, then 0.61"),
        (0.7, "B", "off", "predictions (0, 1) and (0, −1)\nlength 0, stays 0")):
    whole = s.circle(name, at=(5.2, high), r=0.36, kind=kind)
    near, far = parts if name == "A" else parts[::-1]
    share = "share 0.50, then 0.62" if name == "A" else "share 0.50, then 0.38"
    s.arrow(near, whole, share, width=3 if name == "A" else 1, left=name == "A")
    s.arrow(far, whole, width=3 if name == "A" else 1)
    s.text(text, (7.6, high), fontsize=12)
s.show("Thick arrows from both parts to A with shares rising to 0.62, thin ones to B.")

# %% [markdown]
# **Routing by agreement** (합의 라우팅) decides whom a part speaks to. Each part has one voice to share out: the shares $c_{ik}$ are a softmax of scores $b_{ik}$ that begin at zero. A round is:
#
# 1. The wholes: $v_k = \text{squash}(\sum_i c_{ik}\, \hat u_{ik})$.
# 2. Before another round the scores grow by the agreement $\hat u_{ik} \cdot v_k$, the shares with them.
#
# In the picture all shares begin at ½. A gets ½ (1, 0) + ½ (1, 0) = (1, 0), squashed (0.5, 0). B gets (0, 0). Each prediction for A agrees by 1 · 0.5, each for B by 0. The softmax of 0.5 and 0 is 0.62 and 0.38: now A gets (1.24, 0), squashed (0.61, 0).

# %%
def squash(s):
    """Keep the direction; length n becomes n² / (1 + n²). s: (..., d)"""
    n2 = (s**2).sum(-1, keepdim=True)
    return n2 / (1 + n2) * s / (n2 + 1e-9).sqrt()  # 1e-9: a zero vector has no direction


def route(u_hat, rounds):
    """u_hat: (n, parts, wholes, d) predictions -> wholes (n, wholes, d), shares."""
    b, fixed = torch.zeros_like(u_hat[..., 0]), u_hat.detach()
    for _ in range(rounds - 1):  # no gradient through the early rounds
        c = b.softmax(dim=2)[..., None]          # (n, parts, wholes, 1)
        v = squash((c * fixed).sum(dim=1))       # over the parts
        b = b + (fixed * v[:, None]).sum(dim=3)  # the dot product with the whole
    c = b.softmax(dim=2)
    return squash((c[..., None] * u_hat).sum(dim=1)), c


# one picture, two parts; each with its predictions for A and for B
example = torch.tensor([[[[1.0, 0], [0, 1]], [[1, 0], [0, -1]]]])
wholes, shares = route(example, rounds=2)
print("shares of part 1:", shares[0, 0].numpy().round(2),
      "lengths of A and B:", wholes[0].norm(dim=1).numpy().round(2))

# %% [markdown]
# The condition: two different letters on one page of 14×14 pixels. An answer is right if the two longest capsules are the two letters. The loss wants the true capsules longer than 0.9, each other one shorter than 0.1; the others count half, since there are eight of them.
#
# The rival is a plain convolutional net with as many weights, whose ten sigmoids get the *same* loss. A CapsNet's step takes 1.45 times as long here, so the rival gets 435 steps for 300. The control is the same CapsNet with one round: there each part speaks to all wholes alike.

# %%
class CapsNet(nn.Module):
    """(n, 1, 14, 14) -> lengths of ten capsules (n, 10)."""

    def __init__(self, rounds):
        super().__init__()
        self.rounds = rounds
        self.first = nn.Conv2d(1, 24, 5)
        self.parts = nn.Conv2d(24, 2 * 8, 5, stride=2)
        self.W = nn.Parameter(0.3 * torch.randn(18, 8, 10 * 12))

    def wholes(self, x):
        maps = self.parts(F.relu(self.first(x)))  # (n, 16, 3, 3): 2 × 9 parts of 8
        # sixteen maps are two groups of eight; the eight go last: one part, 8 numbers
        u = squash(maps.unflatten(1, (2, 8)).movedim(2, -1).flatten(1, 3))  # (n, 18, 8)
        # each part times its own matrix: 18 products of (n, 8) and (8, 120)
        u_hat = (u.transpose(0, 1) @ self.W).transpose(0, 1)
        return route(u_hat.unflatten(2, (10, 12)), self.rounds)[0]  # (n, 10, 12)

    def forward(self, x):
        return self.wholes(x).norm(dim=2)


def plain_net():
    return nn.Sequential(nn.Conv2d(1, 24, 5), nn.ReLU(), nn.Conv2d(24, 32, 5, stride=2),
                         nn.ReLU(), nn.Flatten(), nn.Linear(288, 32), nn.ReLU(),
                         nn.Linear(32, 10), nn.Sigmoid())


READERS = {"CapsNet, 3 rounds": (partial(CapsNet, 3), 300), "plain net": (plain_net, 435),
           "CapsNet, 1 round": (partial(CapsNet, 1), 300)}

# %%
def margin_loss(lengths, y):
    """y: (n, 2), the letters that are there; what is missing to the margins, squared."""
    there = F.one_hot(y, 10).sum(1)
    return (there * F.relu(0.9 - lengths)**2
            + 0.5 * (1 - there) * F.relu(lengths - 0.1)**2).sum(1).mean()


pages, page_choose, page_test = (x_nets.overlap(pair, SEED)
                                 for pair in ((x, y), choose, known))
nets, read = {}, {}
for name, (make, steps) in READERS.items():
    net = best(make, pages[:2], page_choose[:2], (1e-2, 2e-2), run.steps(steps), batch=32,
               score=x_nets.both_read, loss=margin_loss)
    nets[name], read[name] = net, x_nets.both_read(net, page_test)
    print(f"{name:18s}{weights(net):7,} weights  {read[name]:.1f} % of pages read")

# %% [markdown]
# Routing is worth its rounds; in three times the steps it was still ahead, by one and by five points. But in equal time the *plain* net is as good: on five seeds from 3 points behind to 6 ahead. So routing pays inside a CapsNet; a reason to build one this is not.
#
# What does a capsule know? A small decoder learns to **reconstruct** (복원) *one* letter of a page, without the other, from the twelve numbers of its capsule.
#
# It is told which letter to draw. So its rival is that letter's mean picture. On what share of pages is the decoder nearer to the truth? About half would mean: a capsule says *which* letter, not how it looks.

# %%
three_rounds, _, one_round = read.values()
claim("two letters on a page, in 300 steps: three rounds beat one, points of accuracy",
      three_rounds - one_round, at_least=3, short=True)


def first_capsule(page):
    """The wholes with all but the first letter set to zero: (n, 120)."""
    with torch.no_grad():
        v = nets["CapsNet, 3 rounds"].wholes(page[0])
    return (v * F.one_hot(page[1][:, 0], 10)[..., None]).flatten(1)


torch.manual_seed(SEED)
decoder = nn.Sequential(nn.Linear(120, 128), nn.ReLU(), nn.Linear(128, 196), nn.Sigmoid())
own, test_own = (page[2][:, 0].flatten(1) for page in (pages, page_test))  # (n, 196)
train(decoder.to(run.device), first_capsule(pages), own, 5e-3, run.steps(250),
      loss=F.mse_loss)
with torch.no_grad():
    again = decoder(first_capsule(page_test))
plots.strips("From one capsule: one letter of the page, without the other",
             {"the page": page_test[0], "its first letter": page_test[2][:, :1],
              "from its capsule": again.view(-1, 1, 14, 14)})
plots.show("Twelve pages of two letters; one of the letters; a blurred copy of that one.")
first, test_first = pages[1][:, 0], page_test[1][:, 0]  # which letter it is
means = torch.stack([own[first == letter].mean(0) for letter in range(10)])[test_first]
nearer = ((again - test_own)**2).mean(1) < ((means - test_own)**2).mean(1)
claim("from its capsule: share of pages drawn better than by the letter's mean picture",
      nearer.float().mean().item(), at_least=0.58)

# %% [markdown]
# ## 7 · Which one, and never from zero
#
# On the map: `alexnet` · `vgg` · `googlenet` · `resnet` · `capsnet`
#
# A published accuracy belongs to a recipe as much as to an architecture. And with few labels, start from a trained net.
#
# torchvision publishes each net's accuracy on ImageNet; some twice: by the recipe of their time, and by one of 2021: longer, with more augmentation, label smoothing and weight averaging (lecture 06).
#
# **Predict first.** ResNet-152 has three times the layers of ResNet-50. What gains more over ResNet-50 with the old recipe: the new recipe, or ResNet-152?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Of every table of architectures ask: the same recipe?
# In the second half, let the room order the four ways first.

# %%
predict("11.recipe", "the new recipe", "three times the layers")

# %%
facts = x_nets.imagenet(lambda net: (weights(net), work(net, 3, 224, 224)))
x_nets.draw_imagenet("ResNet-50: two recipes, nearly five points apart", facts)
(old, new_recipe), (deeper, _) = facts["ResNet-50"][2], facts["ResNet-152"][2]
outcome("11.recipe", "the new recipe" if new_recipe > deeper else "three times the layers")
claim("ImageNet: the new recipe gains for ResNet-50, points of accuracy",
      new_recipe - old, at_least=4.5)
claim("ImageNet: ResNet-152 over ResNet-50, both old, points of accuracy",
      deeper - old, at_most=2.3)

# %% [markdown]
# So a table of architectures compares recipes too, unless all rows were trained alike.
#
# The other advice is lecture 07's fine-tuning: take a net that was trained on much data, put a new head on it, train a little more on your own few. Few people start the first layers from zero again. **The library's way**, with a network connection:
#
# ```python
# net = models.resnet18(weights="DEFAULT")                # downloads 45 MB, once
# prepare = models.ResNet18_Weights.DEFAULT.transforms()  # the size and scaling of its training
# net.fc = nn.Linear(net.fc.in_features, 10)              # a new head: ten scores
# ```
#
# Here a narrow ResNet has learned the letters K to Z. The own data: *fifty* letters A to J. Four ways, 32 steps each (from scratch 132, since the other letters took 100), the better of two rates, two draws of the fifty. (A fifth way: a smaller rate for each lower stage, since its filters are the most general: **discriminative rates** (층별 학습률).)

# %%
def adapt(way, lr, x, y):
    net = deepcopy(untrained if way == "from scratch" else teacher)
    net.fc = nn.Linear(net.fc.in_features, 10).to(run.device)  # before the optimizer
    if way == "head first, then all":
        x_nets.tune(net, {net.fc: 1.5e-2}, x, y, run.steps(12))
    part = net.fc if way == "new head only" else net  # the part that learns
    return x_nets.tune(net, {part: lr}, x, y, run.steps(STEPS[way]))

# %%
others = tensors(data.load("glyphs", n=2500, seed=SEED, classes="KLMNOPQRSTUVWXYZ"))
torch.manual_seed(SEED)
untrained = x_nets.narrow_resnet(16).to(run.device)
teacher = train(deepcopy(untrained), *others, 5e-3, run.steps(100), batch=32)
STEPS = {"from scratch": 132, "new head only": 32, "all at once": 32,
         "head first, then all": 20}
mean = {}
for way in STEPS:
    shares = []
    for draw in range(2):
        fifty, nets = slice(50 * draw, 50 * (draw + 1)), []
        for lr in (5e-3, 1.5e-2):
            torch.manual_seed(1000 * SEED + draw)
            nets.append(adapt(way, lr, x[fifty], y[fifty]))
        shares.append(accuracy(max(nets, key=lambda net: accuracy(net, choose)),
                               known, unseen))
    mean[way] = np.mean(shares)
plots.bars("Fifty labels: start from a trained net",
           mean, xlabel="new letters read (%), mean of two draws", digits=1)
plots.show("Four bars: from scratch far behind three that begin with the trained net.")
claim("fifty labels: from scratch with four times the steps is behind a new head, points "
      "of accuracy", mean["new head only"] - mean["from scratch"], at_least=9)

# %% [markdown]
# The large step is the trained net. What then learns, and when, is worth a few points, and the best of the three differs from draw to draw. Why the head first? It is random, and its first gradients could spoil the trained layers.
#
# ## What goes wrong in practice
#
# - **A name is not a proof.** torchvision's "5×5" branch has 3×3 filters, its AlexNet is a plan of 2014.
# - **The wrong preparation.** Pictures of another size or scaling than in training: no error, poor results.
# - **A stale optimizer.** It was made before the head was replaced (exercise 4).
# - **A skip that broadcasts.** $x + f(x)$ of unlike sizes: sometimes no error, and nonsense.
# - **Multiply-adds as time.** Many thin branches run slower than their number says.

# %% [markdown]
# ## Summary
#
# 1. AlexNet: LeNet grown large. Augmentation pays at once, dropout where a net learns wrong things by heart.
# 2. VGG: at equal work three small filters beat a large one, by the bends between them.
# 3. GoogLeNet: 1×1 convolutions thin the maps out. Where many come in, that pays.
# 4. ResNet: add, do not replace. A plain net of that depth reads even its training letters badly. In form it is boosting; refit the head before you compare.
# 5. CapsNet: parts choose their whole. Where letters overlap the choice pays, though a plain net is as good. In practice: compare recipes before architectures; start from a trained net.
#
# ## Exercises and further reading
#
# `dlmap start 11`, then open `exercises/work/11_exercises.ipynb`: six tasks, about 120 minutes.
#
# <details><summary>Papers</summary>
#
# - A. Krizhevsky and others (2012), *ImageNet Classification with Deep Convolutional Neural Networks*, NIPS.
# - M. Lin, Q. Chen, S. Yan (2014), *Network In Network*, ICLR.
# - K. Simonyan, A. Zisserman (2015), *Very Deep Convolutional Networks for Large-Scale Image Recognition*, ICLR.
# - C. Szegedy and others (2015), *Going Deeper with Convolutions*, CVPR.
# - K. He and others (2016), *Deep Residual Learning for Image Recognition*, CVPR; and *Identity Mappings in Deep Residual Networks*, ECCV.
# - A. Veit, M. Wilber, S. Belongie (2016), *Residual Networks Behave Like Ensembles of Relatively Shallow Networks*, NIPS.
# - A. Howard and others (2017), *MobileNets*, arXiv 1704.04861.
# - S. Sabour, N. Frosst, G. E. Hinton (2017), *Dynamic Routing Between Capsules*, NIPS.
# - F. Huang and others (2018), *Learning Deep ResNet Blocks Sequentially using Boosting Theory*, ICML.
# - J. Howard, S. Ruder (2018), *Universal Language Model Fine-tuning for Text Classification*, ACL.
# </details>
