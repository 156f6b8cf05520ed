# %% [markdown]
# # 07 · Initialization and pre-training
#
# **Question.** Training has to start somewhere. How much does the place matter, and what can a network learn before it sees the first label?
#
# **You will be able to** say why weights start at random and how large; derive Glorot's and He's rule and check any layer against them; train a restricted Boltzmann machine and an auto-encoder, and stack them layer by layer; fine-tune with few labels; tell what pre-training really brings from what a well-chosen scale would have brought as well.
#
# **Needs** 05, 06 · **Minutes** 90 to teach, 140 to study · **CPU** 40 s
#
# On the map: `initialization` · `random-init` · `pre-training` · `rbm` · `dbn` · `auto-encoder` · `layer-wise` · `fine-tuning`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" repeats on more splits
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
from functools import partial
from itertools import product

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import BernoulliRBM
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, training
from utils.claims import claim
from utils.scratch.rbm import RBM

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)

# %%
concept_map.show("07")

# %% [markdown]
# ## 1 · Zeros: eight units, and all of them the same
#
# On the map: `initialization` · `random-init`
#
# Units that start equal stay equal, so a start must be random (무작위) before it can be anything else.
#
# **Initialization** (초기화) chooses the weights that training starts from.
# Zero is a fine start for a regression (lecture 01). In a network, a hidden unit learns from what comes in and from what comes back.
# Two units with the same weights get the same of both, so they take the same step, and so on for ever: the **symmetry** is never broken.
#
# **Predict first.** 64 pixels, eight tanh units, ten scores. All weights start at 0, or all at 0.1, or at random.
# Which of the three nets learn something?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Expect "zeros learn slowly". With tanh they do not learn at all: no signal goes up and none comes down, only the last bias moves.
# All at 0.1 does learn something, and this is the trap: a wide net that behaves like one unit.

# %%
digits = data.load("digits")
# pixels (1797, 64) from 0 to 1
pixels = torch.tensor(digits.x / 16, dtype=torch.float32, device=run.device)
labels = torch.tensor(digits.y, device=run.device)
torch.manual_seed(SEED)
train, test = torch.randperm(len(pixels)).split([1257, 540])


# %%
def eight_units(start):
    """64-8-10 with tanh, trained from weights that `start` sets in place."""
    net = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).to(run.device)
    for layer in (net[0], net[2]):
        start(layer.weight)
        nn.init.zeros_(layer.bias)
    training.fit(net, (pixels[train], labels[train]), epochs=20, optimizer="momentum",
                 lr=0.1, batch_size=100)
    return net


# %%
nets = {"all 0": eight_units(nn.init.zeros_),
        "all 0.1": eight_units(lambda w: nn.init.constant_(w, 0.1)),
        "random": eight_units(lambda w: nn.init.normal_(w, std=0.1))}
learned = {name: net[0].weight.detach().cpu() for name, net in nets.items()}  # (8, 64) each
plots.images(torch.cat([learned["all 0.1"], learned["random"]]).reshape(-1, 8, 8).numpy(),
             columns=8,
             names=[f"{name}: unit {i}" for name in ("all 0.1", "random")
                    for i in range(1, 9)],
             diverging=True,
             title="Started equal, eight units learn one picture; started at random, eight")
plots.show("Two rows of eight weight pictures: "
           "the upper eight are identical, the lower ones all differ.")

# %%
claim("started at zero, no hidden weight has moved",
      learned["all 0"].abs().max(), at_most=0)
claim("started at 0.1, the eight units are copies",
      (learned["all 0.1"] - learned["all 0.1"][0]).abs().max(), at_most=1e-4)
right = {name: training.evaluate(net, (pixels[test], labels[test]))[1]
         for name, net in nets.items()}
claim("eight copies read few digits", right["all 0.1"], at_most=0.6)
claim("eight different units read most", right["random"], at_least=0.8)

# %% [markdown]
# ## 2 · How large? So that the signal keeps its size
#
# On the map: `random-init`
#
# Choose the weights' spread so that a layer's signal is as large as the one it got.
#
# A score sums over $d$ inputs, $z = \sum_i w_i h_i$. With independent weights of mean zero
#
# $$\operatorname{Var}(z) = d \,\operatorname{Var}(w)\, \overline{h^2}$$
#
# where $\overline{h^2}$ is the mean square of what comes in. So:
#
# - **tanh** is the identity near zero: **Glorot**, $\operatorname{Var}(w) = 2/(d + k)$, with $k$ the units of this layer.
# - **ReLU** throws half of the mean square away: **He**, $\operatorname{Var}(w) = 2/d$.
# - The **sigmoid** has slope ¼ at zero: *four times* Glorot's spread makes up for it there. Its output is near ½ anyway, so its panel shows how much inputs *differ*.
#
# <details><summary>Why d + k, and why 2?</summary>
#
# Forward, $\operatorname{Var}(w) = 1/d$ keeps the mean square. On the way back the gradient sums over the $k$ units and wants $1/k$. Glorot takes the middle of $d$ and $k$.
# A score is as often negative as positive, and symmetric, so ReLU keeps half of its mean square; twice the variance makes up for that.
# </details>
#
# **Predict first.** `nn.Linear(256, 256)` twenty times, with ReLU, no start chosen. How large is the signal at the end?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Derive the variance on the board. The ½ of ReLU is the only trick: a symmetric z is positive half of the time.
# Most people think that the library's default is He's. It is not: its variance is 1/(3d), a sixth of He's, for historical reasons.

# %%
def glorot(d, k, gain=1.0):
    return gain * (2 / (d + k)) ** 0.5 * torch.randn(k, d)


def he(d, k):
    return (2 / d) ** 0.5 * torch.randn(k, d)


def orthogonal(d, k):
    """Rows (or columns, whichever are fewer) of length one at right angles:
    nothing is stretched."""
    draw = torch.randn(k, d)
    q, r = torch.linalg.qr(draw if k >= d else draw.T)
    q = q * r.diagonal().sign()  # otherwise the signs are the method's, not chance's
    return q if k >= d else q.T


library = {"Glorot": (glorot, nn.init.xavier_normal_),
           "orthogonal": (orthogonal, nn.init.orthogonal_),
           "He": (he, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
           "4 × Glorot": (lambda d, k: glorot(d, k, 4),
                          lambda w: nn.init.xavier_normal_(w, gain=4))}
for name, (ours, theirs) in library.items():
    gaps = []
    for d, k in [(64, 100), (100, 64), (50, 50)]:
        torch.manual_seed(SEED)
        mine = ours(d, k)
        torch.manual_seed(SEED)  # the same luck for the library
        gaps.append((mine - theirs(torch.empty(k, d))).abs().max().item())
    claim(f"{name}: the same weights as torch.nn.init", max(gaps), at_most=1e-5)

# %%
STARTS = {
    "N(0, 1)": lambda d, k: torch.randn(k, d), "4 × Glorot": lambda d, k: glorot(d, k, 4),
    "He": he, "Glorot": glorot, "default": lambda d, k: nn.Linear(d, k).weight.detach(),
    "N(0, 0.01²)": lambda d, k: 0.01 * torch.randn(k, d),
}  # fmt: skip
PAINT = dict(zip(STARTS,
                 [plots.RED, plots.PURPLE, plots.GREEN, plots.BLUE, plots.SKY, plots.GREY],
                 strict=True))
ACTIVATIONS = {"tanh": torch.tanh, "ReLU": torch.relu, "sigmoid": torch.sigmoid}


def through_layers(start, activation, depth=20, width=256):
    """Two sizes after each layer: root mean square, and spread between the inputs.
    (depth, 2)"""
    torch.manual_seed(SEED)
    # single precision ends at 1e-8 beside 0.5
    h, sizes = torch.randn(500, width, dtype=torch.float64), []
    for _ in range(depth):
        h = activation(h @ start(width, width).double().T)                     # (500, 256)
        sizes.append([h.square().mean() ** 0.5, h.var(0).mean() ** 0.5])
    return np.array(sizes)


sizes = {(a, s): through_layers(STARTS[s], f) for a, f in ACTIVATIONS.items()
         for s in STARTS}

# %%
fig, axes = plots.panels("Each activation has its own right size; "
                         "too small or too large grows with depth",
                         ["tanh", "sigmoid: differences", "ReLU"],
                         xlabel="layer", ylabel="size of the signal", size=(10, 4.2),
                         sharey=True)
for ax, a in zip(axes, ("tanh", "sigmoid", "ReLU"), strict=True):
    for start, color in PAINT.items():
        line = sizes[a, start][:, int(a == "sigmoid")]
        ax.semilogy(range(1, 21), line, color=color)
        if a == "ReLU":
            last = np.flatnonzero((line < 1e10) & (line > 1e-10))[-1]
            plots.name(ax, 1 + last, line[last], start, color, dy={10: 8}.get(last, 0))
    ax.set_xticks([1, 10, 20])
axes[0].set_ylim(1e-12, 1e12)
plots.show("Signal size by layer: Glorot is nearly flat for tanh, He for ReLU, "
           "only N(0, 1) for the sigmoid.")

# %%
def kept(activation, start, kind=0):
    """What is left of the signal from one layer to the next, on average."""
    return (sizes[activation, start][-1, kind]
            / sizes[activation, start][0, kind]) ** (1 / 19)


claim("ReLU with He keeps its size", kept("ReLU", "He"), at_least=0.95, at_most=1.05)
claim("ReLU with Glorot keeps 1/√2 a layer",
      kept("ReLU", "Glorot"), at_least=0.66, at_most=0.76)
claim("ReLU with PyTorch's default keeps 1/√6",
      kept("ReLU", "default"), at_least=0.38, at_most=0.44)
claim("sigmoid with Glorot keeps a quarter",
      kept("sigmoid", "Glorot", 1), at_least=0.2, at_most=0.3)
claim("with 4 × Glorot more than half",
      kept("sigmoid", "4 × Glorot", 1), at_least=0.55, at_most=0.75)

# %%
def stretched(start):
    """Smallest over largest stretch of 20 layers in a row, without activation."""
    torch.manual_seed(SEED)
    matrices = [start(64, 64).double() for _ in range(20)]
    singular = torch.linalg.svdvals(torch.linalg.multi_dot(matrices))
    return (singular[-1] / singular[0]).item()


claim("20 Glorot layers crush some direction, relative to another",
      stretched(glorot), at_most=1e-8)
claim("20 orthogonal layers stretch nothing", stretched(orthogonal), at_least=0.999)

# %% [markdown]
# Read the left panel with care: a tanh cannot exceed one, so the large starts stay at size one, and most units are saturated (lecture 05).
#
# An **orthogonal** start only turns and mirrors. A random matrix keeps the *mean* size, and still stretches some directions and crushes others.
#
# What is proved: the variance rule, on average over random weights, at the start.
# What is measured, here and in lecture 05: that nets started so do learn.
# What is folklore: that the last factor of 1.4 matters. With batch norm or skips it seldom does.
#
# **Ask the room.** Your net has a layer that *adds* two branches of equal size. Which rule is broken, and how would you repair it?

# %% [markdown]
# ## 3 · The Boltzmann machine: learn without a label
#
# On the map: `pre-training` · `rbm`
#
# In 2006 deep sigmoid nets were held to be next to untrainable. Unlabelled data opened the door: train the weights on *pictures alone* first. This is **pre-training** (사전학습).
#
# The tool was the **restricted Boltzmann machine** (제한 볼츠만 머신), RBM: visible bits $v$, hidden bits $h$, weights $W$ between them, biases $b$ and $c$.
# Each joint state has an **energy**, and low energy means probable:
#
# $$E(v, h) = -b^\top v - c^\top h - v^\top W h, \qquad p(v, h) = \frac{e^{-E(v, h)}}{Z}$$
#
# $Z$, the **partition function**, sums $e^{-E}$ over all states.
# *Restricted*: no weights within a layer. So, given $v$, each hidden bit is lecture 01's logistic regression, and the other way round.
#
# <details><summary>Why a logistic regression?</summary>
#
# The energy is linear in each $h_j$: switching it on changes $E$ by $-(c_j + v^\top W_j)$.
# So $p(h_j = 1 \mid v) / p(h_j = 0 \mid v) = e^{c_j + v^\top W_j}$, and the logit is $c_j + v^\top W_j$.
# Sum $e^{-E}$ over $h$: each unit contributes a factor $1 + e^{c_j + v^\top W_j}$. That gives the free energy below.
# </details>

# %%
def up(v, W, b, c):
    return torch.sigmoid(v @ W + c)                    # (n, d) @ (d, k) -> (n, k)

def down(h, W, b, c):
    return torch.sigmoid(h @ W.T + b)                  # (n, k) @ (k, d) -> (n, d)

def toss(p):                                           # a coin for each probability: bits
    return (torch.rand_like(p) < p).to(p.dtype)

def free_energy(v, W, b, c):  # -log of the sum over h of exp(-E(v, h)): (n,)
    return -v @ b - F.softplus(v @ W + c).sum(1)

# %% [markdown]
# The **free energy** $F(v)$ says $p(v) = e^{-F(v)}/Z$. The gradient of $\log p$ has two halves, the data's and the model's own:
#
# $$\frac{\partial \log p(v)}{\partial W} = \mathbb E_{h \mid v}\big[v h^\top\big] - \mathbb E_{\text{model}}\big[v h^\top\big]$$
#
# The second half needs all states. **Contrastive divergence** (CD-$k$) takes a few steps from the data instead:
# up, toss coins, down, toss coins, $k$ times: a **chain**.
# It lowers the energy where the data are and raises it where the model wanders off to.
#
# With nine pixels *all* states can be listed. So see what the shortcut costs: 3×3 pictures of **bars and stripes**, 14 in all.
#
# **Predict first.** A perfect model gives each of the 14 pictures $\log \frac1{14} = -2.64$. Will CD-1 get there?

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
# The picture to draw: a landscape in which the data dig holes and the model's fantasies fill them up.
# Wrong answer to expect: "CD-1 is just a noisy gradient". It is biased as well: averaging many does not mend it.

# %%
def cd_gradient(v, W, b, c, k=1, coins=True):
    """One noisy estimate of the gradient of the mean log-likelihood,
    from k steps of a chain."""
    h = here = up(v, W, b, c)
    for _ in range(k):
        seen = down(toss(h), W, b, c)
        seen = toss(seen) if coins else seen
        h = up(seen, W, b, c)
    return (v.T @ here - seen.T @ h) / len(v), (v - seen).mean(0), (here - h).mean(0)


# states (512, 9): all there are
states = torch.tensor(list(product([0.0, 1.0], repeat=9)), dtype=torch.float64)
grid = states.reshape(-1, 3, 3)
# bars (14, 9)
bars = states[(grid == grid[:, :1]).all((1, 2)) | (grid == grid[:, :, :1]).all((1, 2))]


def log_likelihood(v, *rbm):
    return -free_energy(v, *rbm) - torch.logsumexp(-free_energy(states, *rbm), 0)


def exact_gradient(v, *rbm):
    p = torch.softmax(-free_energy(states, *rbm), 0)[:, None]                   # (512, 1)
    h, every_h = up(v, *rbm), up(states, *rbm)
    return (v.T @ h / len(v) - (p * states).T @ every_h, v.mean(0) - (p * states).sum(0),
            h.mean(0) - (p * every_h).sum(0))


# %%
torch.manual_seed(SEED)
W, b, c = tiny = [torch.randn(s, dtype=torch.float64, requires_grad=True)
                  for s in [(9, 4), (9,), (4,)]]
hidden = torch.tensor(list(product([0.0, 1.0], repeat=4)), dtype=torch.float64)  # (16, 4)
energy = -(states @ b)[:, None] - hidden @ c - states @ W @ hidden.T             # (512, 16)
every = torch.logsumexp(-energy.flatten(), 0)
summed = torch.logsumexp(-free_energy(states, *tiny), 0)

# %%
claim("Z from free energies is Z from all 8,192 joint states",
      (every - summed).abs().item(), at_most=1e-9)
by_tape = torch.autograd.grad(log_likelihood(bars, *tiny).mean(), tiny)
claim("data minus model is autograd's gradient",
      max((a - b).abs().max().item()
          for a, b in zip(by_tape, exact_gradient(bars, *tiny), strict=True)),
      at_most=1e-10)

# %%
STEPS = run.pick(lecture=2500, full=10_000)


def learn(gradient, lr=0.5):
    """Climb from small random weights;
    returns the exact mean log-likelihood every 50 steps, and the RBM."""
    torch.manual_seed(SEED)
    rbm = [0.1 * torch.randn(9, 8), torch.zeros(9), torch.zeros(8)]
    rbm = [w.double() for w in rbm]
    heights = []
    for step in range(STEPS + 1):
        if step % 50 == 0:
            heights.append(log_likelihood(bars, *rbm).mean().item())
        # seven chains from each
        for w, g in zip(rbm, gradient(bars.repeat(7, 1), *rbm), strict=True):
            w += lr * g
    return heights, rbm


climbs = {"exact gradient": learn(exact_gradient), "CD-1": learn(cd_gradient),
          "CD-10": learn(lambda *rbm: cd_gradient(*rbm, k=10))}

# %%
fig, ax = plots.figure("CD-1 finds the way up, and stops short of the top",
                       xlabel="steps", ylabel="mean log-likelihood (nats)", size=(8, 3.9))
for (name, (line, _)), color, dy in zip(climbs.items(),
                                        (plots.BLUE, plots.ORANGE, plots.GREEN), (9, 0, -5),
                                        strict=True):
    ax.plot(50 * np.arange(len(line)), line, color=color)
    plots.name(ax, 50 * len(line), line[-1], name, color, dy=dy)
ax.axhline(-np.log(14), color=plots.INK, linewidth=1, linestyle=":")
plots.name(ax, 0, -np.log(14), "perfect", plots.INK, dy=9)
inset = ax.inset_axes([0.52, 0.08, 0.44, 0.46], xticks=[], yticks=[])
inset.imshow(np.pad(bars.reshape(2, 7, 3, 3), ((0, 0), (0, 0), (0, 1), (0, 1)),
                    constant_values=0.3)
             .transpose(0, 2, 1, 3).reshape(8, 28)[:-1, :-1])
inset.set_title("the 14 pictures", fontsize=11)
inset.axis("off")
plots.show("Three rising curves: the exact one and CD-10 nearly reach the dotted line, "
           "CD-1 stays below.")

# %%
exact, one, ten = (line[-1] for line, _ in climbs.values())
claim("by the exact gradient: what is missing to perfect",
      -np.log(14) - exact, at_most=0.15)
claim("CD-1 ends behind it by", exact - one, at_least=0.2, at_most=1.5)
claim("share of this gap that ten steps instead of one mend",
      (ten - one) / (exact - one), at_least=0.6)
(W, b, c), ours = climbs["exact gradient"][1], RBM(8).fit(bars)
ours.weight_, ours.visible_bias_, ours.hidden_bias_ = W.T, b, c
gap = (ours.log_likelihood(bars) - log_likelihood(bars, W, b, c)).abs().max()
claim("utils.scratch.rbm agrees", gap, at_most=1e-9)

# %% [markdown]
# Now digits. A pixel is a number from 0 to 1, read as the probability of a bit, so the way down keeps its probabilities and tosses no coins: less noise (Hinton, 2010).
# With 64 pixels nobody can list the states, so $Z$ stays unknown. But it cancels in a *ratio*: $p(v)/p(v') = e^{F(v') - F(v)}$.

# %%
def fit_rbm(V, units=100, epochs=20, lr=0.1, momentum=0.8):
    """CD-1 in batches of 50. V: (n, d) from 0 to 1 -> W (d, units), b (d,), c (units,)."""
    mean = V.mean(0).clamp(0.01, 0.99)
    rbm = [0.01 * torch.randn(V.shape[1], units, device=V.device), torch.logit(mean),
           V.new_zeros(units)]
    speed = [torch.zeros_like(w) for w in rbm]
    for _ in range(epochs):
        for rows in torch.randperm(len(V)).split(50):
            for w, s, g in zip(rbm, speed, cd_gradient(V[rows], *rbm, coins=False),
                               strict=True):
                s.mul_(momentum).add_(lr * g)
                w += s
    return rbm


torch.manual_seed(SEED)
digit_rbm, seen, unseen = fit_rbm(pixels[train], epochs=40), pixels[train], pixels[test]
others = {"learned from": seen, "not seen": unseen,
          "upside down": unseen.reshape(-1, 8, 8).flip(1).reshape(-1, 64),
          "pixels of different digits": torch.stack([x[torch.randperm(len(x))]
                                                     for x in unseen.T], dim=1)}
level = {name: free_energy(x, *digit_rbm).cpu().numpy() for name, x in others.items()}

# %%
fig, (left, right) = plots.panels("Without a label: detectors of strokes, "
                                  "and a sense of what a digit is",
                                  ["weights of 24 hidden units (blue: ink switches it on)",
                                   "digits …"],
                                  xlabel="", ylabel="", size=(10.5, 3.7),
                                  width_ratios=[1.25, 1])
filters = digit_rbm[0].T[:24].reshape(4, 6, 8, 8).cpu().numpy()
tiles = np.pad(filters, ((0, 0), (0, 0), (0, 1), (0, 1)),
               constant_values=np.nan).transpose(0, 2, 1, 3)
left.imshow(tiles.reshape(36, 54), cmap="RdBu", vmin=-abs(filters).max(),
            vmax=abs(filters).max())
left.axis("off")
for row, name in enumerate(level):
    color = (plots.BLUE, plots.GREEN, plots.PURPLE, plots.RED)[row]
    right.hist(level[name], np.arange(-80, -20, 1.5), histtype="step", color=color,
               linewidth=2, density=True)
    right.text(0.5, 0.93 - 0.09 * row, name, color=color, fontweight="bold",
               transform=right.transAxes)
right.set(xlabel="free energy (nats): lower is more probable", ylabel="density",
          xlim=(-72, -20))
plots.show("Left, blobs and strokes. Right: "
           "learned and unseen digits coincide, mixed pixels lie far right.")

# %%
mean = {name: values.mean() for name, values in level.items()}
claim("free energy: unseen digits above learned by",
      mean["not seen"] - mean["learned from"], at_most=1.5)
claim("upside down, above unseen by", mean["upside down"] - mean["not seen"], at_least=1.5)
claim("pixels mixed, above unseen by",
      mean["pixels of different digits"] - mean["not seen"], at_least=5)
rebuilt = down(up(unseen, *digit_rbm), *digit_rbm)
claim("up and down again: share of the variance that is lost",
      F.mse_loss(rebuilt, unseen) / unseen.var(0).mean(), at_most=0.4)

# %%
theirs = BernoulliRBM(8, learning_rate=0.1, batch_size=14, n_iter=2500,
                      random_state=SEED).fit(bars.numpy())
found = [torch.tensor(w)
         for w in (theirs.components_.T, theirs.intercept_visible_,
                   theirs.intercept_hidden_)]

# %%
claim("scikit-learn's hidden probabilities are ours",
      np.abs(theirs.transform(bars.numpy()) - up(bars, *found).numpy()).max(), at_most=1e-9)
claim("its RBM on our yardstick: above independent bits",
      log_likelihood(bars, *found).mean(), at_least=-6.2)

# %% [markdown]
# ## 4 · Stack them: the deep belief network
#
# On the map: `dbn` · `layer-wise`
#
# What one machine calls hidden, the next one can call its data: so a deep net is trained **layer by layer** (층별 학습), each layer alone.
#
# RBMs stacked in this way are a **deep belief network** (심층 신뢰 신경망), DBN.
# It can dream: let a chain run in the *top* RBM for a while, then go down once through the others.
#
# Proved, for a lower bound on the log-likelihood of the whole: a new layer that starts as the mirror image of the one below, and climbs the exact likelihood, never lowers it (Hinton, Osindero and Teh, 2006).
# Practised, then and here: another width, a random start and CD-1, of which the theorem says nothing.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
# The loop is lecture 03's greedy stack, without labels: each layer does its best, not knowing who comes after it.
# Ask which letters of the alphabet this net could dream. None: it has seen digits only.

# %%
def layer_by_layer(V, fit, depth):
    """Train a layer on V, map V through it, train the next one on that.
    A list of what `fit` returns."""
    layers = []
    for _ in range(depth):
        layers.append(fit(V))
        V = up(V, *layers[-1][:3])                     # W, b, c
    return layers


def dream(layers, n, steps=300):
    """A chain in the top RBM, from coins, then down: (n, 64) probabilities of ink."""
    *below, top = layers
    h = toss(torch.full((n, len(top[2])), 0.5, device=top[0].device))
    for _ in range(steps):
        h = toss(up(toss(down(h, *top)), *top))
    v = down(h, *top)
    for rbm in reversed(below):
        v = down(v, *rbm)
    return v


torch.manual_seed(SEED)
dbn = layer_by_layer(pixels[train], fit_rbm, depth=3)
dreams = {"one RBM": dream(dbn[:1], 200), "three": dream(dbn, 200)}
shown = torch.cat([pixels[test][:12], *(v[:12] for v in dreams.values())])
plots.images(shown.reshape(-1, 8, 8).cpu().numpy(), columns=12,
             names=[*12 * ["real"], *12 * ["1 layer"], *12 * ["3 layers"]],
             title="Dreams: a stack of three stays closer to real digits than one RBM")
plots.show("Three rows of twelve pictures: "
           "real digits, blotchy ones of one RBM, rounder ones of the stack.")

# %%
reader = LogisticRegression(max_iter=2000).fit(pixels[train].cpu(), labels[train].cpu())
said = {name: reader.predict(v.cpu()) for name, v in dreams.items()}
claim("classes that the stack has dreamt of, in 200 dreams",
      len(set(said["three"])), at_least=7)
nearest = {name: torch.cdist(v, seen).min(1).values.mean().item()
           for name, v in dreams.items()}
claim("its dreams lie closer to a real digit than those of one RBM",
      nearest["three"] / nearest["one RBM"], at_most=0.9)

# %% [markdown]
# ## 5 · The auto-encoder: the same idea with back-propagation
#
# On the map: `auto-encoder` · `layer-wise`
#
# An **auto-encoder** (오토인코더) squeezes its input into a code and rebuilds the input from it; no coins, no chain, no energy.
#
# $$h = \sigma(W^\top x + c), \qquad \hat x = \sigma(U^\top h + b)$$
#
# The loss is lecture 01's cross-entropy between $\hat x$ and $x$, pixel by pixel. It stacks like the RBM: keep $W$ and $c$, drop the decoder $U, b$.
#
# With more units than pixels a plain one may just copy. A **denoising** auto-encoder gets a spoiled input, here with a share of the pixels wiped out, and must answer with the *clean* one.
#
# **Predict first.** Two auto-encoders, alike but for the wiping. Which one rebuilds *clean* digits better, which one spoiled ones?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Say it aloud: it learns to repair in order to learn what a digit is. Masked language models are this idea with words.

# %%
def wipe(x, share):
    return x * (torch.rand_like(x) >= share)


def fit_auto_encoder(V, units=100, epochs=8, lr=0.01, share=0.0):
    """V: (n, d) from 0 to 1 -> W (d, units), the decoder's bias (d,), c (units,),
    the decoder's weights."""
    net = nn.Sequential(nn.Linear(V.shape[1], units), nn.Sigmoid(),
                        nn.Linear(units, V.shape[1])).to(V.device)
    nn.init.xavier_normal_(net[0].weight, gain=4)  # section 2
    nn.init.xavier_normal_(net[2].weight)
    descent = torch.optim.Adam(net.parameters(), lr, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(V)).split(100):
            descent.zero_grad()
            F.binary_cross_entropy_with_logits(net(wipe(V[rows], share)),
                                               V[rows]).backward()
            descent.step()
    W, c, back, b = (w.detach() for w in net.parameters())
    return W.T, b, c, back

# %%
torch.manual_seed(SEED)
plain = fit_auto_encoder(seen, epochs=40)
denoising = fit_auto_encoder(seen, epochs=40, share=0.4)


def rebuild(x, W, b, c, back):
    return torch.sigmoid(up(x, W, b, c) @ back.T + b)


spoiled = wipe(unseen, 0.4)
rows = {"clean": unseen, "spoiled": spoiled, "plain": rebuild(spoiled, *plain),
        "denoising": rebuild(spoiled, *denoising)}
plots.images(torch.cat([x[:12] for x in rows.values()]).reshape(-1, 8, 8).cpu().numpy(),
             columns=12, names=[name for name in rows for _ in range(12)],
             title="The plain auto-encoder rebuilds the holes as well; "
                   "the denoising one fills them")
plots.show("Four rows of digits: clean, with holes, rebuilt with holes, "
           "rebuilt without most of them.")

# %%
def error(x, net):
    return F.mse_loss(rebuild(x, *net), unseen).item()


claim("clean digits: how many times the plain one's error the denoising one makes",
      error(unseen, denoising) / error(unseen, plain), at_least=1.5)
claim("spoiled digits: how many times the denoising one's error the plain one makes",
      error(spoiled, plain) / error(spoiled, denoising), at_least=1.3)

# %% [markdown]
# ## 6 · Few labels: what was pre-training worth?
#
# On the map: `pre-training` · `fine-tuning` · `dbn` · `auto-encoder`
#
# With three layers pre-training gained mostly the right *scale* of the weights; with ten, much more.
#
# Put ten scores on top of the pre-trained layers, and train all of it on a few labels: **fine-tuning** (미세조정).
# The unlabelled digits have served as well, so this is **semi-supervised** (준지도).
#
# The rival of 2006 was a naive start, of spread 0.1 or so. (In layers of 100 units Glorot says 0.1 as well.)
# Here are fairer ones: the *right* size, ReLU nets, lecture 01's regression. Same splits, same batches.
#
# **Predict first.** 50 labels. How much of pre-training's gain over the naive start does the right scale bring alone: a tenth, half, most?

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
# Collect guesses before the curves. Those who know the history say "a tenth".
# In the picture after them, let the room find the two catches: the plain regression, and the ten layers.

# %%
RUNS, UNITS, DEEP = run.pick(lecture=5, full=20), 100, 10


def split(i, count):
    """The i-th split: `count` labelled rows, equally many a digit; all rows to learn from;
    test rows."""
    order = np.random.default_rng([SEED, i]).permutation(len(pixels))
    known, judged = order[:1257], order[1257:]
    few = [known[digits.y[known] == digit][: count // 10] for digit in range(10)]
    return np.concatenate(few), known, judged


def quick_rbm(V):
    """The same CD-1, updating in place: utils.scratch.rbm."""
    rbm = RBM(UNITS, epochs=20, random_state=int(torch.randint(2**31, ()))).fit(V)
    return rbm.weight_.T, rbm.visible_bias_, rbm.hidden_bias_


def pre_trained(fit, depth=DEEP):
    """For each run a stack, trained layer by layer on pictures without labels."""
    torch.manual_seed(SEED)
    return [layer_by_layer(pixels[split(i, 0)[1]], fit, depth) for i in range(RUNS)]


made = {"DBN": pre_trained(quick_rbm), "auto-encoder": pre_trained(fit_auto_encoder),
        "denoising": pre_trained(lambda V: fit_auto_encoder(V, share=0.25, epochs=12),
                                 depth=3)}


def start_of(name, i, depth):
    """Hidden layers to start from, and a small random layer of ten scores: [W, c, W, c, …,
    W, c]."""
    torch.manual_seed(1000 * SEED + i)
    draw = {"naive": glorot, "4 × Glorot": partial(glorot, gain=4),
            "ReLU, He": he}.get(name)
    layers = [(draw(d, UNITS).T, torch.zeros(UNITS))
              for d in [64, *[UNITS] * (depth - 1)]] if draw else [
        (W, c) for W, _, c, *_ in made[name][i][:depth]]
    layers.append((0.1 * torch.randn(UNITS, 10), torch.zeros(10)))
    return [w.to(run.device) for layer in layers for w in layer]


# %%
def scores(x, layers, activation):
    """All nets at once, x: (nets, n, 64);
    layers: [(nets, in, out), (nets, 1, out), …] -> (nets, n, 10)."""
    *hidden, W, c = layers
    for V, b in zip(hidden[::2], hidden[1::2], strict=True):
        x = activation(torch.baddbmm(b, x, V))
    return torch.baddbmm(c, x, W)

# %%
def fine_tune(names, depth, count, steps=400, look=400, activation=torch.sigmoid, lr=0.1):
    """Test accuracy (%) every `look` steps, (looks, runs, names).
    All starts see the same batches of 25."""
    nets = [start_of(name, i, depth) for i in range(RUNS) for name in names]
    layers = [torch.stack([w.reshape(-1, w.shape[-1]) for w in same]).requires_grad_()
              for same in zip(*nets, strict=True)]  # (nets, in or 1, out)
    # (nets, rows)
    few, _, judged = (torch.tensor(np.array(rows)).repeat_interleave(len(names), 0)
                      for rows in zip(*(split(i, count) for i in range(RUNS)), strict=True))
    descent = torch.optim.SGD(layers, lr, momentum=0.9, fused=True)
    found, draw = [], torch.Generator().manual_seed(SEED)
    for step in range(steps + 1):
        if step % look == 0:
            with torch.no_grad():
                right = (scores(pixels[judged], layers, activation).argmax(2)
                         == labels[judged])
            found.append(100
                         * right.double().mean(1).reshape(RUNS, len(names)).cpu().numpy())
        rows = few[:, torch.randint(count, (25,), generator=draw)]  # (nets, 25)
        z = scores(pixels[rows], layers, activation)  # (nets, 25, 10)
        descent.zero_grad()
        # as each alone
        (len(nets) * F.cross_entropy(z.flatten(0, 1), labels[rows].flatten())).backward()
        descent.step()
    return np.array(found)


# %%
NAMES = ["naive", "4 × Glorot", "DBN", "auto-encoder", "denoising"]
COLORS = dict(zip(NAMES, [plots.GREY, plots.PURPLE, plots.ORANGE, plots.BLUE, plots.SKY],
                  strict=True))
curves = fine_tune(NAMES, depth=3, count=50, steps=800, look=20)  # (41, runs, 5)
fig, ax = plots.figure("50 labels, three sigmoid layers: "
                       "the right scale takes most of the lead",
                       xlabel="steps of fine-tuning (log)", ylabel="test accuracy (%)",
                       size=(8.5, 4.2))
for name, lines in zip(NAMES, curves.transpose(2, 0, 1), strict=True):
    steps = 20 * np.arange(len(lines))
    ax.fill_between(steps[1:], lines[1:].min(1), lines[1:].max(1), color=COLORS[name],
                    alpha=0.15, lw=0)
    ax.semilogx(steps[1:], lines[1:].mean(1), color=COLORS[name])
for name, x, y in [("auto-encoder", 20, 98), ("denoising", 55, 98), ("DBN", 120, 98),
                   ("4 × Glorot", 75, 66), ("naive", 560, 22)]:
    plots.name(ax, x, y, name, COLORS[name])
ax.set(ylim=(0, 103), xticks=[20, 50, 100, 200, 500, 800],
       xticklabels=[20, 50, 100, 200, 500, 800])
ax.minorticks_off()
plots.show("Pre-trained starts are high after 20 to 50 steps, 4 × Glorot soon after, "
           "naive after hundreds.")

# %%
def normed(i, depth, count):
    """ReLU, He's start and batch norm:
    150 steps of Adam on batches of 25 of the same rows."""
    torch.manual_seed(1000 * SEED + i)
    few, _, judged = split(i, count)
    parts = []
    for d in [64, *[UNITS] * (depth - 1)]:
        parts += [nn.Linear(d, UNITS), nn.BatchNorm1d(UNITS), nn.ReLU()]
        nn.init.kaiming_normal_(parts[-3].weight, nonlinearity="relu")
    net = nn.Sequential(*parts, nn.Linear(UNITS, 10)).to(run.device)
    descent = torch.optim.Adam(net.parameters(), 0.002, fused=True)
    for _ in range(150):
        rows = few[torch.randint(count, (25,)).numpy()]
        descent.zero_grad()
        F.cross_entropy(net(pixels[rows]), labels[rows]).backward()
        descent.step()
    return 100 * training.evaluate(net, (pixels[judged], labels[judged]))[1]


def regression(i, depth, count):
    few, _, judged = split(i, count)
    model = LogisticRegression(max_iter=1000).fit(digits.x[few] / 16, digits.y[few])
    return 100 * model.score(digits.x[judged] / 16, digits.y[judged])


# %%
table = {}
for depth, count in [(3, 50), (3, 500), (DEEP, 50)]:
    names = [name for name in NAMES[1:] if name not in made or len(made[name][0]) >= depth]
    found = dict(zip(names, fine_tune(names, depth, count)[-1].T, strict=True))
    found["ReLU, He"] = fine_tune(["ReLU, He"], depth, count, activation=torch.relu,
                                  lr=0.01)[-1, :, 0]
    for name, rival in {"ReLU, He, batch norm": normed,
                        "logistic regression": regression}.items():
        found[name] = np.array([rival(i, depth, count) for i in range(RUNS)])
    table[f"{depth} layers, {count} labels"] = found

# %%
def half(values):
    """Half the 95 % interval of a mean."""
    return stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)


ROWS = [*NAMES[1:], "ReLU, He", "ReLU, He, batch norm", "logistic regression"]
fig, axes = plots.panels("The lead shrinks with labels, grows with depth; "
                         "a plain regression is level",
                         table, xlabel="test accuracy (%)", ylabel="", size=(11, 3.7),
                         sharey=True)
for ax, found in zip(axes, table.values(), strict=True):
    for row, name in enumerate(ROWS):
        if name in found:
            color = COLORS.get(name, plots.INK)
            ax.plot(found[name], [row] * RUNS, "|", color=color, markersize=9, alpha=0.6)
            ax.errorbar(found[name].mean(), row, xerr=half(found[name]), fmt="o",
                        color=color, markersize=5)
axes[0].set_yticks(range(len(ROWS)), ROWS)
axes[0].set_ylim(len(ROWS) - 0.5, -0.5)
plots.show("Three panels of seven methods: "
           "all close together, but for 4 × Glorot with ten layers, far left.")

# %%
few, many, deep = ({name: values.mean() for name, values in found.items()}
                   for found in table.values())
naive, scaled, *trained = curves[-1].mean(axis=0)  # after 800 steps, in the order of NAMES
best = max(trained)
claim("3 layers, 50 labels: pre-training gains over the naive start (points)",
      best - naive, at_least=10)
claim("share of it that scale alone brings",
      (scaled - naive) / (best - naive), at_least=0.6, at_most=1)
claim("what is left for pre-training (points)", best - scaled, at_least=0.5, at_most=8)
left = max(many["DBN"], many["auto-encoder"], many["denoising"]) - many["4 × Glorot"]
claim("500 labels: less is left", left, at_most=3.5)

# %%
claim("10 layers, 50 labels: auto-encoders lead the right scale (points)",
      deep["auto-encoder"] - deep["4 × Glorot"], at_least=30)
relu = max(deep["ReLU, He"], deep["ReLU, He, batch norm"])
claim("and the better of the ReLU nets", deep["auto-encoder"] - relu, at_least=2)
claim("3 layers, 500 labels: there ReLU with batch norm is not behind",
      many["ReLU, He, batch norm"] - many["auto-encoder"], at_least=-1.5)
claim("50 labels: the best pre-trained net leads a plain logistic regression by at most",
      best - few["logistic regression"], at_most=3.5)

# %% [markdown]
# So both stories are half true.
#
# - **"Pre-training made deep nets trainable."** For ten sigmoid layers, yes: the right scale still loses a third a layer. ReLU with its own start trains without it, with 50 labels not as well.
# - **"It was only the scale."** For three layers, mostly.
# - What is left with few labels is what the *unlabelled* digits taught, which no random start has seen. It fades as labels come in.
# - And with 50 labels nobody needed a net at all: the plain regression is level.
#
# These bars hold for one optimizer and one rate.
#
# **Ask the room.** What do you have much of without labels? What would a net learn by rebuilding it, and is that what your labels are about?

# %% [markdown]
# ## 7 · Transfer: pre-training that stayed
#
# On the map: `fine-tuning` · `pre-training`
#
# Pre-train on another *labelled* task, and keep the layers: this form of pre-training is used everywhere today.
#
# Letters K to Z, 16 classes, many pictures. Then A to J, of which a net has seen none, with 2 to 100 pictures a letter. Three ways, one control:
#
# - **from scratch**, with He's start;
# - **frozen**: the old layers stay as they are, only the ten new scores learn;
# - **fine-tuned**: all weights go on;
# - **control**: as fine-tuned, but pre-trained on *shuffled* labels. Same pictures, much the same scale of weights, no knowledge.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Ask which of frozen and fine-tuned wins before the picture. The answer is "it depends on the number of labels", and the lines cross.
# The control is the point: without it, one could say again "it was only the scale".

# %%
source = data.load("glyphs", split="train", n=run.pick(lecture=6000, full=20_000),
                   classes="KLMNOPQRSTUVWXYZ", seed=SEED)
target = data.load("glyphs", split="train", n=4000, seed=SEED)
judge = [data.load("glyphs", split=name, n=2000, seed=SEED) for name in ("test", "unseen")]


def inputs(glyphs):
    """(n, 28, 28) bytes -> (n, 196), averaged down to 14×14; and the labels."""
    images = torch.tensor(glyphs.images, dtype=torch.float32, device=run.device)[:, None]
    labels = torch.tensor(glyphs.labels, device=run.device)
    return F.avg_pool2d(images, 2).flatten(1) / 64, labels


def letters(classes):
    parts = (nn.Linear(196, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(),
             nn.Linear(128, classes))
    for layer in parts[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*parts).to(run.device)


def fit(net, x, y, steps=150, lr=0.001):
    epochs = round(steps / -(-len(x) // 50))  # batches of 50, the last one may be smaller
    training.fit(net, (x, y), epochs=epochs, lr=lr, batch_size=50)
    return net


# %%
torch.manual_seed(SEED)
x, y = inputs(source)
teacher = fit(letters(16), x, y, steps=800)
confused = fit(letters(16), x, y[torch.randperm(len(y))], steps=800)


def adapt(way, x, y):
    """A net for ten letters, from one of the four starts."""
    net = letters(10)
    if way != "scratch":
        body = confused if way == "control" else teacher
        # the library's way: copy all layers but the last
        net[:4].load_state_dict(body[:4].state_dict())
    if way == "frozen":
        net[:4].requires_grad_(False)
    return fit(net, x, y, lr=0.003 if way == "frozen" else 0.001)


REPEATS, COUNTS = run.pick(lecture=3, full=10), [2, 5, 20, 100]
WAYS = {"scratch": plots.PURPLE, "control": plots.GREY, "fine-tuned": plots.BLUE,
        "frozen": plots.ORANGE}
x, y = inputs(target)
tests = [inputs(glyphs) for glyphs in judge]
reached = np.zeros((2, REPEATS, len(COUNTS), len(WAYS)))  # on known and on unseen fonts
for i in range(REPEATS):
    order = np.random.default_rng([SEED, i]).permutation(len(target.labels))
    for j, count in enumerate(COUNTS):
        rows = np.concatenate([order[target.labels[order] == letter][:count]
                               for letter in range(10)])
        for k, way in enumerate(WAYS):
            torch.manual_seed(1000 * SEED + i)
            net = adapt(way, x[rows], y[rows])
            reached[:, i, j, k] = [100 * training.evaluate(net, pair)[1] for pair in tests]

# %%
fig, axes = plots.panels("Few labels: keep what was learned. Many: let it go on learning",
                         ["fonts it knows", "fonts it has never seen"],
                         xlabel="labelled pictures a letter", ylabel="test accuracy (%)",
                         size=(10, 4), sharey=True)
for ax, values in zip(axes, reached, strict=True):
    for k, (way, color) in enumerate(WAYS.items()):
        lines = values[:, :, k]
        ax.fill_between(COUNTS, lines.min(0), lines.max(0), color=color, alpha=0.15, lw=0)
        ax.semilogx(COUNTS, lines.mean(0), "o-", color=color, markersize=4)
        plots.name(ax, COUNTS[0], lines.mean(0)[0], way, color, dx=-8, ha="right",
                   fontsize=11)
    ax.set_xlim(0.55, 130)
    ax.set_xticks(COUNTS, COUNTS)
    ax.minorticks_off()
plots.show("Frozen is highest at 2 and 5 pictures a letter, lowest at 100; "
           "fine-tuned is highest there.")

# %%
# gain (fonts, counts)
gain = {way: (reached[..., k] - reached[..., 0]).mean(1) for k, way in enumerate(WAYS)}
claim("5 a letter: frozen layers gain over scratch (points)",
      gain["frozen"][0, 1], at_least=5)
claim("on unseen fonts as well", gain["frozen"][1, 1], at_least=4)
claim("fine-tuning all of it gains less there",
      (gain["frozen"] - gain["fine-tuned"])[0, 1], at_least=0.5)
claim("100 a letter: frozen falls behind fine-tuned",
      (gain["fine-tuned"] - gain["frozen"])[0, 3], at_least=1)
claim("shuffled labels teach next to nothing (mean over the counts)",
      gain["control"][0].mean(), at_most=2)

# %% [markdown]
# ## What goes wrong in practice
#
# - **The default start.** `nn.Linear` is not He's. Deep and without batch norm: choose it yourself, and with the activation.
# - **Saturated from the first step.** A large start keeps signals apart and has no slope. Draw lecture 05's gradient norms.
# - **An optimizer that still holds the old head.** Make it after you have replaced the layer.
# - **Frozen, but in training mode.** Batch norm goes on moving its statistics. Call `eval()` on the frozen part.
# - **Reconstruction error as the RBM's progress.** It can fall while the likelihood falls too. Watch the free energy of held-back rows against the learned ones.
# - **An unfair rival.** Give the random start its own right scale and rate before you praise pre-training.

# %% [markdown]
# ## Summary
#
# 1. A start must be random, or units stay copies; and of the right size, or signals die: Glorot for tanh, He for ReLU.
# 2. An RBM learns from pictures alone; its gradient is data minus model, and CD-1 is a useful, biased shortcut.
# 3. Stacks are trained layer by layer: RBMs give a deep belief network, auto-encoders do the same with back-propagation.
# 4. With three layers most of the historical gain is the scale. With ten sigmoid layers, and with few labels, some of it is real.
# 5. What stayed is transfer: freeze with few labels, fine-tune with many, and keep a control.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 07`, then open `exercises/work/07_exercises.ipynb`: six tasks, 130 minutes.
#
# - P. Smolensky (1986), *Information processing in dynamical systems*.
# - G. E. Hinton (2002), *Training products of experts by minimizing contrastive divergence*, Neural Computation 14.
# - G. E. Hinton, S. Osindero, Y.-W. Teh (2006), *A fast learning algorithm for deep belief nets*, Neural Computation 18.
# - P. Vincent and others (2008), *Extracting and composing robust features with denoising autoencoders*, ICML.
# - D. Erhan and others (2010), *Why does unsupervised pre-training help deep learning?*, JMLR 11.
# - X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*, AISTATS.
# - G. E. Hinton (2010), *A practical guide to training restricted Boltzmann machines*.
# - A. M. Saxe and others (2014), *Exact solutions to the nonlinear dynamics of learning in deep linear neural networks*, ICLR.
# - J. Yosinski and others (2014), *How transferable are features in deep neural networks?*, NIPS 27.
# - K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, ICCV.
