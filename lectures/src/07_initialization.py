# %% [markdown]
# # 07 · Initialization and pre-training
#
# **Question.** Training has to start somewhere. How much does the place matter, and what can a network learn before it sees the first label?
#
# **You will be able to** say why a start must be unequal, and how large; derive Glorot's and He's rule; train a restricted Boltzmann machine and an auto-encoder, and stack them; design a control that tells knowledge from scale; probe, then tune, with few labels.
#
# **Needs** 05, 06 · **Minutes** 100 to teach, 150 to study · **CPU** 40 s
#
# On the map: `initialization` · `random-init` · `pre-training` · `rbm` · `dbn` · `auto-encoder` · `layer-wise` · `fine-tuning`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" repeats on more splits
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
from itertools import product

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics, training
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import many, pretraining  # many: lecture 04's networks side by side
from utils.scratch.rbm import RBM  # section 3's machine, tidied up

torch.set_flush_denormal(True)  # numbers below 1e-38 count as 0: they are slow
# matrices this small: a second thread would only wait
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)

# %%
concept_map.show("07")

# %% [markdown]
# ## 1 · Units that start equal stay equal
#
# On the map: `initialization` · `random-init`
#
# A start must be *unequal*: hidden units that begin as copies remain copies. Chance is only a handy way.
#
# **Initialization** (초기화) chooses the weights that training starts from. For a regression zero is fine (lecture 01).
# Take two hidden units with tanh and one input $x = 1$. Both start with the weight 0.5 and enter the score with the weight 1.
# Each says $h = \tanh 0.5 = 0.46$. Let $g$ be the slope of the loss by the score. Lecture 05's walk back multiplies it by the output weight, by tanh's slope $1 - h^2$ and by the input. For *either* weight this is
#
# $$g \cdot 1 \cdot (1 - 0.46^2) \cdot 1 = 0.79\, g$$
#
# Equal weights, equal slopes, so equal steps. This is the **symmetry** (대칭성) of the units. Training, without lecture 06's dropout, does not break it.

# %% [markdown]
# The digits of lecture 01 again: 64 pixels, eight tanh units, ten scores. The output layer and all biases start at 0. (First the output weights of units that don't say 0 move; then slopes reach these units.) The hidden weights start in one of four ways:
#
# - all at 0, or all at 0.1;
# - as *waves*: eight fixed pictures made of cosines, drawn below. No chance in it;
# - by **random initialization** (무작위 초기화): drawn from a bell curve of spread 0.1.
#
# In the picture below a small square is one unit's 64 weights, laid out as the pixels: dark is positive, light negative, middle grey zero; each row has a scale of its own.
#
# **Predict first.** Which of the four nets, after 20 epochs, will read nine of ten unseen digits?

# %%
# the nets that reach 90 %, and what to call them
READ = {(): "none", ("random",): "only the random one",
        ("waves", "random"): "the random one and the waves",
        ("all 0.1", "waves", "random"): "all but the zeros"}
predict("07.start", *READ.values())

# %%
digits = data.load("digits")
pixels = torch.tensor(digits.x / 16, dtype=torch.float32, device=run.device)  # 0 to 1
labels = torch.tensor(digits.y, device=run.device)
torch.manual_seed(SEED)
train, test = torch.randperm(len(pixels)).split([1257, 540])
seen, unseen = pixels[train], pixels[test]
STARTS = {"all 0": torch.zeros(8, 64), "all 0.1": torch.full((8, 64), 0.1),
          "waves": 0.1 * pretraining.waves(), "random": 0.1 * torch.randn(8, 64)}


def eight_units(start):
    """64-8-10 with tanh, trained; all but the hidden weights start at 0. If those are 0,
    too, only the output's biases have a slope: that net's weights are not drawn."""
    net = nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)).to(run.device)
    for weights in net.parameters():
        nn.init.zeros_(weights)
    net[0].load_state_dict({"weight": start, "bias": torch.zeros(8)})  # put it there
    torch.manual_seed(SEED)  # the same batches for all; `fit` is lecture 02's loop
    training.fit(net, (seen, labels[train]), epochs=run.steps(20), optimizer="momentum",
                 lr=0.1, batch_size=100)
    return net

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Expect "only the random one": most books say so. All at 0.1 is the trap: it learns something, as one unit would.
# Then ask: and if the hidden weights are all 0.1, and only the *output* weights are random? What comes back to the units differs, so they part after one step.

# %%
nets = {name: eight_units(start) for name, start in STARTS.items()}
learned = {name: net[0].weight.detach().cpu() for name, net in nets.items()}  # (8, 64) each
rows = {"all 0.1": learned["all 0.1"], "waves, start": STARTS["waves"],
        "waves": learned["waves"], "random": learned["random"]}
plots.strips("Started equal: one picture eight times. Unequal: eight pictures",
             {name: F.pad((w / w.abs().max() / 2 + 0.5).reshape(8, 1, 8, 8), (1, 1, 1, 1))
              for name, w in rows.items()}, columns=8)  # 0 is grey 0.5; a white frame
plots.show("Eight equal pictures; eight waves; their learned forms; eight random, learned.")

# %%
right = {name: 100 * training.evaluate(net, (unseen, labels[test]))[1]
         for name, net in nets.items()}  # per cent of the 540 unseen digits
print({name: f"{value:.0f} %" for name, value in right.items()})
outcome("07.start", READ[tuple(name for name in right if right[name] > 90)])
claim("started at 0.1: largest difference between two of the eight units, after training",
      (learned["all 0.1"] - learned["all 0.1"][0]).abs().max(), at_most=1e-4)
claim("random against waves: difference in points of accuracy",
      abs(right["random"] - right["waves"]), at_most=3.5)

# %% [markdown]
# ## 2 · How large? So that the signal keeps its size
#
# On the map: `random-init`
#
# The right spread of the weights is the one with which a layer's signal is as large as the one it got.
#
# Two inputs, $h = (1, -2)$. A bar is a mean: over the inputs, $\overline{h^2} = (1 + 4)/2 = 2.5$.
# The weights $w_1, w_2$ are drawn independently, with mean 0 and variance $\frac12$. So over many draws the mean of $w_1^2$ is $\frac12$, that of $w_1 w_2$ is $0 \cdot 0 = 0$.
# The score is $z = w_1 - 2 w_2$. Its square is $w_1^2 - 4 w_1 w_2 + 4 w_2^2$, on average $\frac12 - 0 + 4 \cdot \frac12 = 2.5$: as large as what came in. With $d$ inputs and the variance $\operatorname{Var}(w)$:
#
# $$\overline{z^2} = \sum_{i=1}^d \operatorname{Var}(w)\, h_i^2 = d \,\operatorname{Var}(w)\, \overline{h^2}$$
#
# (The bar over $z^2$ is a mean over draws; a layer's units are so many draws.) $\operatorname{Var}(w) = 1/d$, a spread of $1/\sqrt d$, keeps the mean square. Then comes the activation.

# %% [markdown]
# - **tanh** near zero gives back nearly what it gets: $1/d$ is right. On the way back each input's slope is a sum over the $k$ units that it feeds: the same count, with $k$ for $d$. **Glorot's start** (글로럿 초기화), $\operatorname{Var}(w) = 2/(d + k)$, is between the two.
# - **ReLU** cuts off the negative half of the scores, and with it half of the mean square. **He's start** (허 초기화) makes up for it: $\operatorname{Var}(w) = 2/d$.
# - **Sigmoid** has the slope ¼ at zero: four times Glorot's spread makes up for it *there*. Such a factor on the spread is called **gain** (게인).
#
# If $d = k$, He's spread is $\sqrt 2 = 1.4$ times Glorot's. Is that much? Over 20 layers it is $\sqrt2^{20}$, a thousand. He and others (2015) trained 30 layers of ReLU with He's, not with Glorot's.
# (PyTorch: `nn.init.kaiming_normal_`; Glorot's: `xavier_normal_`.)

# %%
def glorot(d, k, gain=1.0):
    return gain * (2 / (d + k)) ** 0.5 * torch.randn(k, d)

def he(d, k):
    return (2 / d) ** 0.5 * torch.randn(k, d)

def default(d, k):  # what `nn.Linear` draws by itself
    return nn.Linear(d, k).weight.detach()

# %% [markdown]
# Now send 500 random inputs of size 1 through 20 layers of 256 units, never trained, without biases. The *size* of a signal is the root of its mean square. N(0, s²) is the bell curve of spread s.
#
# A sigmoid's *mean* output stays near ½, so for the sigmoid the picture shows how much the inputs *differ*: a unit's spread over the 500 inputs.
#
# **Predict first.** ReLU with the default of `nn.Linear`. How large is the signal after 20 layers?

# %%
SIZES = {"above 0.1": 0.1, "0.001 to 0.1": 1e-3, "a millionth to 0.001": 1e-6,
         "below a millionth": 0.0}
predict("07.default", *SIZES)

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Do the example with two inputs on the board. Most think that the library's default is He's: its variance is 1/(3d), a sixth of He's.

# %%
SPREADS = {
    "N(0, 1)": lambda d, k: torch.randn(k, d), "4 × Glorot": lambda d, k: glorot(d, k, 4),
    "He": he, "Glorot": glorot, "default": default,
    "N(0, 0.01²)": lambda d, k: 0.01 * torch.randn(k, d),
}  # fmt: skip
PAINT = [plots.RED, plots.PURPLE, plots.GREEN, plots.BLUE, plots.SKY, plots.GREY]
ACTIVATIONS = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, "ReLU": torch.relu}


def through_layers(draw, bend, depth=20, width=256):
    """After each layer the size of the signal, and how much the inputs differ: (20, 2)."""
    torch.manual_seed(SEED)
    # double precision: single precision cannot tell 0.5 from 0.50000001
    h, sizes = torch.randn(500, width, dtype=torch.float64), []
    for _ in range(depth):
        h = bend(h @ draw(width, width).double().T)                            # (500, 256)
        sizes.append([h.square().mean() ** 0.5, h.var(0).mean() ** 0.5])
    return np.array(sizes)


sizes = {(a, s): through_layers(draw, bend)[:, int(a == "sigmoid")]  # it: differences
         for a, bend in ACTIVATIONS.items() for s, draw in SPREADS.items()}

# %%
fig, axes = plots.panels("Each layer multiplies: small starts fade, "
                         "in ReLU large ones grow",
                         ["tanh: size", "sigmoid: differences", "ReLU: size"],
                         xlabel="layer", ylabel="size or differences (log)", size=(10, 4),
                         sharey=True)
for ax, a in zip(axes, ACTIVATIONS, strict=True):
    for start, color in zip(SPREADS, PAINT, strict=True):
        line = sizes[a, start]
        ax.semilogy(range(1, 21), line, color=color)
        if a == "ReLU":  # names at the right end, those that leave the picture at its edge
            last = np.flatnonzero((line < 1e10) & (line > 1e-10))[-1]
            plots.name(ax, 1 + last, line[last], start, color, dy={10: 8}.get(last, 0))
    ax.set_xticks([1, 10, 20])
axes[0].set_ylim(1e-12, 1e12)
for ax, x, y, color, text in (
        (axes[0], 5, 40, plots.INK, "N(0, 1), 4 × Glorot, He"),
        (axes[0], 12, 4e-3, plots.BLUE, "Glorot"), (axes[0], 8, 3e-5, plots.SKY, "default"),
        (axes[1], 11, 4, plots.RED, "N(0, 1)"),
        (axes[1], 12.5, 6e-6, plots.PURPLE, "4 × Glorot")):
    plots.name(ax, x, y, text, color, dx=0, fontsize=10)
plots.show("Signal by layer. For tanh N(0, 1), 4 × Glorot and He are flat, Glorot sinks a "
           "little; for ReLU He is flat, larger ones shoot up; for the sigmoid only "
           "N(0, 1) is flat. All others fall.")

# %% [markdown]
# A flat line is no good start yet: at the left, and for N(0, 1) in the middle, most units of large starts are saturated (lecture 04).
# At the end He's line is at 0.55, Glorot's at 0.15: for tanh both serve, but Glorot's keeps the scores where tanh is straight.
#
# In the middle four times Glorot's spread loses 37 % in each layer: outputs near ½ push the next scores off zero, where the slope is under ¼. Section 6 tries larger gains.
#
# A size is a mean: single directions can still be crushed. An **orthogonal** (직교 초기화) start, rows of length 1 at right angles, only turns and mirrors (`nn.init.orthogonal_`).
#
# **Ask the room.** A layer takes the *mean* of two equally large branches, whose product averages to zero. How large is it?
#
# <details><summary>One answer</summary>
#
# $\overline{(a + b)^2}/4$ is $(1 + 0 + 1)/4$, half of the mean square: 0.7 of the size, in each such layer. Divide by $\sqrt2$ instead. A skip adds (exercise 2).
# </details>

# %%
end = sizes["ReLU", "default"][-1]
outcome("07.default", next(name for name, least in SIZES.items() if end >= least))
# what a layer leaves of the signal, on average over the 19 that follow the first
kept = {key: (line[-1] / line[0]) ** (1 / 19) for key, line in sizes.items()}
claim("ReLU with He: of its size a layer keeps", kept["ReLU", "He"],
      at_least=0.95, at_most=1.04)
claim("sigmoid with 4 × Glorot: a layer keeps of the differences",
      kept["sigmoid", "4 × Glorot"], at_least=0.58, at_most=0.74)

# %% [markdown]
# ## 3 · The Boltzmann machine: learn without a label
#
# On the map: `pre-training` · `rbm`
#
# In 2006 deep sigmoid nets seemed untrainable. What opened the door: train the weights on *pictures alone* first, **pre-training** (사전학습).
#
# The tool was the **restricted Boltzmann machine** (제한 볼츠만 머신), RBM: visible bits $v$ (0 or 1) with biases $b$, hidden bits $h$ with biases $c$, and weights $W$ between the two layers. *Restricted*: none within a layer.
# Each state of all bits together has an **energy** (에너지) $E$. Read $-E$ as a score: the bias of each bit that is on, and each weight between two bits that are on, adds to it. Then $p$ is lecture 01's softmax over all states:
#
# $$E(v, h) = -\sum_i b_i v_i - \sum_j c_j h_j - \sum_{i,j} v_i W_{ij} h_j \qquad p(v, h) = \frac{e^{-E(v, h)}}{Z}$$
#
# $Z$, the **partition function** (분배 함수), is the sum of $e^{-E}$ over all states, so that the probabilities add up to one.

# %%
s = schematics.Sketch("An RBM: two layers of bits, and the smallest example", width=9.5,
                      height=2.6)
hidden = [s.circle(f"h{j}", at=(0.9 + 1.3 * i, 2.1), r=0.3) for i, j in enumerate("₁₂₃")]
visible = [s.circle(f"v{j}", at=(0.5 + i, 0.5), kind="data", r=0.3)
           for i, j in enumerate("₁₂₃₄")]
s.connect(visible, hidden, head=False)
s.text("W", (4.05, 1.3))
one = s.circle("h", at=(7, 2.1), r=0.3)
two = [s.circle(f"v{j}", at=(x, 0.5), kind="data", r=0.3) for j, x in (("₁", 6), ("₂", 8))]
s.connect(two, [one], head=False, labels=["2", "2"])
s.text("c = −3", (8, 2.1))
s.text("b₁ = b₂ = 0", (7, 0.5), fontsize=11)
s.show("Left: four visible bits, each tied to three hidden bits, no ties within a layer. "
       "Right: two visible bits tied by weights of 2 to one hidden bit with bias -3.")

# %% [markdown]
# At the right of the picture: $E = 3h - 2 v_1 h - 2 v_2 h$. For each $v$ sum $e^{-E}$ over $h = 0$ and $h = 1$:
#
# | $v$ | $h = 0$ | $h = 1$ | sum | $p(v)$ |
# |---|---|---|---|---|
# | (0, 0) | $e^0 = 1$ | $e^{-3} = 0.05$ | 1.05 | 0.14 |
# | (0, 1) and (1, 0), each | 1 | $e^{-1} = 0.37$ | 1.37 | 0.18 |
# | (1, 1) | 1 | $e^{1} = 2.72$ | 3.72 | 0.50 |
#
# $Z = 1.05 + 2 \cdot 1.37 + 3.72 = 7.51$.
# Given $v = (1, 1)$, how probable is $h = 1$? $2.72 / 3.72 = 0.73 = \sigma(1)$: a logistic regression on $v$, with the logit $c + 2 v_1 + 2 v_2$.
# So it is for every hidden bit. With the score $z_j = c_j + \sum_i v_i W_{ij}$, the energy given $v$ is a sum with a term $-z_j h_j$ for each, so the probability is a product, and
#
# $$p(h_j = 1 \mid v) = \sigma(z_j) \qquad \text{(“|” reads “given”)}$$
#
# The same holds for every visible bit, given $h$. Now sum $e^{-E}$ over $h$. For two hidden bits that is $e^{\sum_i b_i v_i}$ times
#
# $$1 + e^{z_1} + e^{z_2} + e^{z_1 + z_2} = (1 + e^{z_1})(1 + e^{z_2})$$
#
# Each hidden bit brings a factor. The sum's logarithm with its sign turned is the **free energy** (자유 에너지):
#
# $$F(v) = -\sum_i b_i v_i - \sum_j \log\big(1 + e^{z_j}\big) \qquad p(v) = \frac{e^{-F(v)}}{Z}$$

# %% [markdown]
# Now climb the log-likelihood, the data's mean of $\log p(v) = -F(v) - \log Z$. Softplus, $\log(1 + e^z)$, has the slope $\sigma(z)$, so $-F(v)$ has by $W_{ij}$ the slope $v_i\, \sigma(z_j)$.
# $Z$ is the sum of $e^{-F(v')}$ over all visible states $v'$. The slope of $e^{-F}$ is $e^{-F}$ times that of $-F$, the slope of $\log Z$ is $1/Z$ times that of $Z$. It is the *model's mean* of the same:
#
# $$\frac{1}{Z} \sum_{v'} e^{-F(v')} \cdot v'_i\, p(h_j = 1 \mid v') = \sum_{v'} p(v') \cdot v'_i\, p(h_j = 1 \mid v')$$
#
# So the gradient is *data minus model*: the data's mean of $v_i\, p(h_j = 1 \mid v)$, less the model's. In the example, were all data $(1, 1)$, the slope by $v_1$'s weight is $0.73 - (0.50 \cdot 0.73 + 0.18 \cdot 0.27) = 0.32$: the weight grows.
#
# The model's half needs all states, $2^{64}$ with 64 pixels. Instead walk. A step: *up*, toss each hidden bit with its $p(h_j = 1 \mid v)$, then *down*, toss the visible bits given those. After very many steps such a **chain** (연쇄) visits each state as often as $p$ says, wherever it began.

# %%
def up(v, W, b, c):                                    # p(h = 1): (n, d) -> (n, k)
    return torch.sigmoid(v @ W + c)

def down(h, W, b, c):                                  # p(v = 1): (n, k) -> (n, d)
    return torch.sigmoid(h @ W.mT + b)                 # .mT turns the last two axes

def toss(p):                                           # a coin for each probability: bits
    return (torch.rand_like(p) < p).to(p.dtype)

def free_energy(v, W, b, c):                           # (n, d) -> (n,)
    return -(v * b).sum(-1) - F.softplus(v @ W + c).sum(-1)

# %% [markdown]
# The state where a chain ends stands in for the model's mean. **Contrastive divergence** (대조 발산), CD-$k$, starts chains at the data and takes only $k$ steps: they end still near the data.
# **Persistent contrastive divergence** (지속 대조 발산; Tieleman 2008) lets its chains go on from where the last gradient left them.
#
# With nine pixels all 512 states can be listed. The data: 14 pictures of whole rows or whole columns (printed below; █ is 1).
# Each way runs once, at the best of four rates by the likelihood at the end. Chain steps a gradient: CD-5 five, the exact one none, others one.
# Nine fair coins give a picture $9 \log \frac12 = -6.24$ nats, a perfect model $\log \frac1{14} = -2.64$ (dotted).

# %%
def data_minus_model(v, model, share, W, b, c):
    """The gradient by W, b, c: data rows v (n, d), and rows of the model that count
    `share` (m, 1) each."""
    h, model_h, n = up(v, W, b, c), up(model, W, b, c), v.shape[-2]
    return (v.mT @ h / n - (share * model).mT @ model_h,
            (v.sum(-2) / n - (share * model).sum(-2))[..., None, :],  # one row, as b and c
            (h.sum(-2) / n - (share * model_h).sum(-2))[..., None, :])

# %%
states = torch.tensor(list(product([0.0, 1.0], repeat=9)), device=run.device)  # (512, 9)
grid = states.reshape(-1, 3, 3)
in_rows = (grid == grid[:, :, :1]).all((1, 2))     # each row of one colour
in_columns = (grid == grid[:, :1]).all((1, 2))
bars = states[in_rows | in_columns]                # (14, 9): either of them
ink = np.where(bars.reshape(-1, 3, 3).cpu() == 1, "█", "·")
for line in range(3):
    print("   ".join("".join(picture[line]) for picture in ink))

# %% [markdown] tags=["notes"]
# **Notes for the room (23 minutes).**
#
# Draw a landscape; data dig holes, fantasies fill holes up. CD-1 fills only near the data. It is biased: averaging many does not mend it.

# %%
RATES = torch.tensor([0.2, 0.5, 1.0, 2.0], device=run.device)[:, None, None]
CLIMB = run.steps(run.pick(lecture=3000, full=10_000))
# each picture 14 times: with 196 chains much of the coins' noise averages out
rows = bars.repeat(14, 1).expand(4, -1, -1)  # (rates, 196, 9)


def log_likelihood(rbm):  # exact, in nats, averaged over the 14 pictures
    return (-free_energy(bars, *rbm).mean(-1)
            - torch.logsumexp(-free_energy(states, *rbm), -1))


def climb(way, k=1):
    """Four RBMs with 8 hidden bits at once, one for each rate, which falls to zero.
    The exact log-likelihood every 100 steps, (looks, 4)."""
    torch.manual_seed(SEED)
    rbm = [(0.1 * torch.randn(9, 8)).to(run.device).repeat(4, 1, 1),
           rows.new_zeros(4, 1, 9), rows.new_zeros(4, 1, 8)]
    heights, chain = [], rows
    for step in range(CLIMB + 1):
        if step % 100 == 0:
            heights.append(log_likelihood(rbm).cpu().numpy())
        if way == "exact":  # all 512 states, each by its probability
            model = states.expand(4, -1, -1)
            share = torch.softmax(-free_energy(model, *rbm), -1)[..., None]
        else:
            model, share = chain if way == "persistent" else rows, 1 / rows.shape[1]
            for _ in range(k):
                model = toss(down(toss(up(model, *rbm)), *rbm))
            chain = model
        for w, g in zip(rbm, data_minus_model(rows, model, share, *rbm), strict=True):
            w += RATES * (1 - step / CLIMB) * g
    return np.array(heights)

# %%
climbs = {"exact gradient": climb("exact"), "CD-5": climb("CD", 5),
          "persistent CD": climb("persistent"), "CD-1": climb("CD")}
top = {name: line[:, line[-1].argmax()] for name, line in climbs.items()}
print("best rates:", {name: round(RATES[line[-1].argmax()].item(), 1)
                      for name, line in climbs.items()})
fig, ax = plots.figure("Persistent CD, at CD-1's price, zigzags and ends higher than CD-1",
                       xlabel="gradient steps", ylabel="mean log-likelihood (nats)",
                       size=(8, 3.9))
plots.curves(ax, np.linspace(0, CLIMB, len(climbs["CD-1"])), top,
             [plots.BLUE, plots.GREEN, plots.PURPLE, plots.ORANGE],
             dy={"exact gradient": 13, "CD-5": 1, "persistent CD": -11, "CD-1": -11})
ax.axhline(-np.log(14), color=plots.INK, linewidth=1, linestyle=":")
plots.name(ax, 0, -np.log(14), "perfect", plots.INK, dy=8)
plots.show("Four curves rise: the exact one to the dotted line; CD-5 ends just below; "
           "persistent CD zigzags, dips deep and ends near CD-5; CD-1 stays well below.")
exact, five, persistent, one = (line[-1] for line in top.values())
claim("CD-1 ends below the exact gradient by (nats)", exact - one, at_least=0.2)
claim("persistent CD ends above CD-1 by (nats)", persistent - one, at_least=0.1)

rbm = [torch.randn(size, device=run.device, requires_grad=True)
       for size in ((9, 4), (1, 9), (1, 4))]  # any W, b, c
share = torch.softmax(-free_energy(states, *rbm), 0)[:, None]
by_hand = data_minus_model(bars, states, share, *rbm)
by_tape = torch.autograd.grad(log_likelihood(rbm), rbm)
claim("data minus model against autograd's gradient: largest difference",
      max((a - g).abs().max().item() for a, g in zip(by_tape, by_hand, strict=True)),
      at_most=1e-5)

# %% [markdown]
# In the dips the model runs away from its persistent chains; as the rate nears 0, they catch up. (scikit-learn's `BernoulliRBM` keeps its chains, too.)
#
# Now digits, by CD-1 with momentum (`RBM`). A pixel from 0 to 1 is read as the probability of a bit; on the way down no coins are tossed, the probabilities go on (Hinton 2010).
# $Z$ stays unknown, but cancels in a ratio: $p(v)/p(v') = e^{F(v') - F(v)}$. So only differences count: 3 nats are a factor of $e^3 = 20$.
# Compare digits it learned from, unseen ones, these mirrored top to bottom, and pictures with each pixel from another unseen digit. (A tick is a picture, the dot the mean. Left: ink switches the hidden bit on where blue, off where red.)

# %%
digit_rbm = RBM(100, epochs=run.steps(40), random_state=SEED).fit(seen)
mixed = torch.stack([column[torch.randperm(len(column))] for column in unseen.T], dim=1)
kinds = {"learned from": seen, "not seen": unseen,
         "mirrored": unseen.reshape(-1, 8, 8).flip(1).flatten(1), "pixels mixed": mixed}
level = {name: digit_rbm.free_energy(v).cpu().numpy() for name, v in kinds.items()}

fig, (left, ax) = plots.panels("Without a label: detectors of strokes; "
                               "on average digits are more probable",
                               ["weights of 24 hidden bits", "free energy of pictures"],
                               xlabel="", ylabel="", size=(10, 3.4), width_ratios=[1.4, 1])
tiles = np.pad(digit_rbm.weight_[:24].reshape(4, 6, 8, 8).cpu(),
               ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
left.imshow(tiles.swapaxes(1, 2).reshape(36, 54), cmap="RdBu",
            vmin=-np.nanmax(tiles), vmax=np.nanmax(tiles))
left.axis("off")
plots.intervals(ax, {name: values[:300] for name, values in level.items()})
ax.set_xlabel("nats; lower is more probable")
plots.show("Left: blobs and strokes. Right: learned and unseen digits lie at the same "
           "level, mirrored ones higher, with overlap, mixed pixels far to the right.")
mean = {name: values.mean() for name, values in level.items()}
claim("mirrored digits above unseen, on average (nats)",
      mean["mirrored"] - mean["not seen"], at_least=2.5)
claim("pixels mixed above unseen (nats)", mean["pixels mixed"] - mean["not seen"],
      at_least=8)

# %% [markdown]
# ## 4 · Stack them: the deep belief network
#
# On the map: `dbn` · `layer-wise`
#
# One machine's hidden bits are the next one's data. Train **layer by layer** (층별 학습), each alone, from bottom to top.
# RBMs stacked in this way are a **deep belief network** (심층 신뢰 신경망), DBN.
#
# It can dream: a chain of 300 steps, begun with coins, runs in the *top* RBM; its end goes down through the others. (No equal race with one RBM: four times the weights, thrice the training, a smoother way down.)
# How good are 500 dreams? Take each unseen digit's distance to the nearest dream, over the 64 pixels; beside it, to the nearest of 1,257 it learned from. Their variety is the mean distance between two dreams, against two real digits.

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# The loop is greedy: no layer is touched again.
# Proved is a lower bound on the log-likelihood (Hinton and others 2006): a new layer that starts as the mirror image of the one below, and climbs the exact likelihood, does not lower it. Practised: a random start and CD-1.

# %%
def layer_by_layer(V, fit, depth):
    """Train a layer on V, map V through it, train the next one on that: [(W, c), …].
    Below the three RBMs do so one by one, to keep their way down; section 6 calls this."""
    layers = []
    for _ in range(depth):
        W, c = fit(V)
        layers.append((W, c))
        V = torch.sigmoid(V @ W + c)
    return layers


def dream(rbms, n, steps=300):
    """A chain in the top RBM, from coins, then down: (n, 64) probabilities of ink."""
    *below, top = rbms
    v = top.sample(n, steps)
    for rbm in reversed(below):
        v = torch.sigmoid(v @ rbm.weight_ + rbm.visible_bias_)
    return v


rbms, deeper = [digit_rbm], digit_rbm.transform(seen)
for i in (1, 2):
    rbms.append(RBM(100, epochs=run.steps(40), random_state=SEED + i).fit(deeper))
    deeper = rbms[-1].transform(deeper)
dreams = {"one RBM": dream(rbms[:1], 500), "a stack of three": dream(rbms, 500)}
plots.strips("Dreams: a stack of three comes closer to digits than one RBM",
             {name: v.reshape(-1, 1, 8, 8)
              for name, v in {"real, unseen": unseen, **dreams}.items()},
             columns=14, frame=True)
plots.show("Three rows of pictures: real digits, blotchy ones of one RBM, rounder ones of "
           "the stack.")

# %%
nearest = {name: torch.cdist(unseen, v).min(1).values.mean().item()  # all pairs
           for name, v in {**dreams, "digits learned from": seen}.items()}
print("to the nearest:", {name: round(d, 2) for name, d in nearest.items()})
variety = {name: F.pdist(v).mean().item() for name, v in {**dreams, "real": unseen}.items()}
claim("from a real digit to the nearest dream: the stack's distance over one RBM's",
      nearest["a stack of three"] / nearest["one RBM"], at_most=0.93)
claim("but two of the stack's dreams differ less than two real digits (ratio)",
      variety["a stack of three"] / variety["real"], at_most=0.93)

# %% [markdown]
# ## 5 · The auto-encoder: the same idea with back-propagation
#
# On the map: `auto-encoder` · `layer-wise`
#
# An **auto-encoder** (오토인코더) turns its input $x$ into a *code* $h$ by weights $W$ and biases $c$, and rebuilds the input from it by others, $U$ and $b$. No coins, no chain, no energy:
#
# $$h = \sigma(xW + c) \qquad \hat x = \sigma(hU + b)$$
#
# $\hat x$ ("x hat") is the rebuilt input. The loss is lecture 01's cross-entropy between $\hat x$ and $x$, pixel by pixel: a pixel of 0.8 that is rebuilt as 0.6 costs $-0.8 \log 0.6 - 0.2 \log 0.4 = 0.59$ nats, and as 0.8 only 0.50.
# It stacks like the RBM: keep $W$ and $c$, drop $U$ and $b$, train the next one on the codes.
#
# With more units than pixels, here 100 for 64, it may just copy. A **denoising auto-encoder** (잡음 제거 오토인코더) gets a spoiled input, here with 40 % of the pixels set to 0 (white), and must answer with the *clean* one.

# %%
s = schematics.Sketch("An auto-encoder: what is kept, and what is dropped after training",
                      width=10, height=2.5)
x = s.box("x\n64 pixels", at=(0.8, 1.2), kind="data")
spoiled = s.box("wiped\n(denoising only)", at=(2.75, 1.2), kind="off", fontsize=11)
code = s.box("h\n100 units", at=(5.3, 1.2))
rebuilt = s.box("x̂\n64 pixels", at=(7.4, 1.2), kind="off")
loss = s.box("loss", at=(9.2, 1.2), kind="family")
s.arrow(x, spoiled)
s.arrow(spoiled, code, "W, c")
s.arrow(code, rebuilt, "U, b")
s.arrow(rebuilt, loss)
s.arrow(x.bottom, loss.bottom, bend=-0.14, dashed=True)
s.text("the clean x", (5, 0.12), fontsize=11)
s.frame([code], "kept, with W and c", color=plots.BLUE)
s.show("Pixels, wiped, enter a code of 100 units, which rebuilds 64 pixels; the loss "
       "compares them with the clean pixels. The weights into the code are kept.")

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# The plain one has never seen a hole: the picture is a demonstration, not a contest. It learns to repair in order to learn what a digit is.

# %%
def wipe(x, share):  # lecture 06's mask: each pixel to 0 with this probability
    return x * (torch.rand_like(x) >= share)


def auto_encoder(V, units=100, epochs=40, share=0.0):
    """V (n, d) from 0 to 1 -> a trained net: d -> units -> d logits."""
    net = nn.Sequential(nn.Linear(V.shape[1], units), nn.Sigmoid(),
                        nn.Linear(units, V.shape[1])).to(V.device)
    nn.init.xavier_normal_(net[0].weight, gain=4)  # section 2
    descent = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(run.steps(epochs)):
        for rows in torch.randperm(len(V)).split(100):
            descent.zero_grad()
            answer = net(wipe(V[rows], share))
            F.binary_cross_entropy_with_logits(answer, V[rows]).backward()
            descent.step()
    return net


torch.manual_seed(SEED)
plain, denoising = auto_encoder(seen), auto_encoder(seen, share=0.4)
spoiled = wipe(unseen, 0.4)
rebuilt = {name: torch.sigmoid(net(spoiled)).detach()
           for name, net in (("plain", plain), ("denoising", denoising))}
plots.strips("From spoiled digits: the plain one rebuilds the holes, the other fills them",
             {name: x.reshape(-1, 1, 8, 8) for name, x in
              {"clean": unseen, "spoiled": spoiled, **rebuilt}.items()},
             columns=14, frame=True)
plots.show("Four rows of digits: clean, with holes, rebuilt with holes, rebuilt without.")
error = {name: F.mse_loss(x, unseen).item() for name, x in rebuilt.items()}
claim("spoiled digits: the plain one's squared error over the denoising one's (ratio)",
      error["plain"] / error["denoising"], at_least=2)

# %% [markdown]
# ## 6 · Few labels: what was pre-training worth?
#
# On the map: `pre-training` · `fine-tuning` · `dbn` · `auto-encoder`
#
# How much of pre-training's gain is knowledge, how much only a good size of weights?
#
# Put ten new scores on pre-trained layers and train all of it on a few labels: **fine-tuning** (미세조정). Unlabelled rows first, labels then: together **semi-supervised** (준지도).
#
# Here: 3 or 10 sigmoid layers of 64 units, 50 labelled digits, five a class. Starts:
#
# - *random*: Glorot's spread times a gain; 1 is the *naive* start;
# - *pre-trained* on 1,100 digits, the 50 among them, unlabelled: RBMs (20 epochs), auto-encoders (8; begun at 4);
# - a **control** (대조군) for each: all of it but the knowledge.
#
# Each is multiplied, biases too, by seven factors, ¼ to 8. (Glorot's spread for 64 units is ⅛: 8 times it is lecture 05's N(0, 1).)

# %% [markdown]
# To take the knowledge out, put a unit's incoming weights in another order, for each unit by itself: **shuffled** (뒤섞은 대조군).
# Weights (2, 0, −1) look for ink at the left and none at the right. Shuffled, perhaps (0, −1, 2), they are as large and look for nothing.
#
# But the bias was learned for the old order. With ink at the left only, $(1, 0, 0)$, the score was 2 and is 0 now: with a bias of −1 the unit was likely on, and is likely off. So *repaired* copies are scaled and shifted, unit by unit, until the scores on the 1,100 digits have the mean and spread of before.
#
# **Predict first.** Ten layers of RBM weights, shuffled. How many points of test accuracy does the repair win back?

# %%
MENDED = {"less than 3": 3, "3 to 20": 20, "more than 20": np.inf}
predict("07.repair", *MENDED)

# %%
def shuffled(W):
    order = torch.rand_like(W).argsort(0)  # for each column, a unit, an order of its own
    return W.gather(0, order)              # the column's numbers in that order


RUNS, UNITS, DEEP = run.pick(lecture=3, full=10), 64, 10
orders = np.array([np.random.default_rng([SEED, i]).permutation(len(pixels))
                   for i in range(RUNS)])
known, valid, judged = (torch.tensor(part, device=run.device)          # (runs, rows) each
                        for part in np.split(orders, [1100, 1400], axis=1))
parts = pretraining.first_of_each(known, labels, 5), valid, judged     # 50, 300, 397 rows


def by_rbm(V):
    seed = int(torch.randint(2**31, ()))
    rbm = RBM(UNITS, epochs=run.steps(20), random_state=seed).fit(V)
    return rbm.weight_.T, rbm.hidden_bias_


def by_auto_encoder(V):
    W, c, *_ = (w.detach() for w in auto_encoder(V, UNITS, epochs=8).parameters())
    return W.T, c


torch.manual_seed(SEED)
stacks = {name: [layer_by_layer(pixels[rows], fit, DEEP) for rows in known]
          for name, fit in (("auto-encoders", by_auto_encoder), ("RBMs", by_rbm))}

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
#
# Ask first which experiment would show that it was only the scale. Somebody will invent the shuffle (exercise 6); then ask what else the shuffle breaks.

# %%
def start(kind, factor, i, depth):  # hidden layers (W, c), for split i
    torch.manual_seed(1000 * SEED + i)
    name, _, control = kind.partition(", ")  # "RBMs, shuffled": "RBMs", ", ", "shuffled"
    if name == "random":
        return [(glorot(64, UNITS, factor).T, torch.zeros(UNITS)) for _ in range(depth)]
    layers, before = [], pixels[known[i]]    # what came into the trained layer,
    now = before                             # and what comes into this one
    for W, c in stacks[name][i][:depth]:
        V, b = (shuffled(W) if control else W), c
        if control == "repaired":
            old = before @ W + c
            V = V * old.std(0) / (now @ V).std(0)  # unit by unit the spread of before,
            b = old.mean(0) - (now @ V).mean(0)    # then the mean
        before, now = torch.sigmoid(before @ W + c), torch.sigmoid(now @ V + b)
        layers.append((factor * V, factor * b))    # biases are multiplied, too
    return layers

# %%
FACTORS = (0.25, 0.5, 1, 2, 4, 6, 8)  # for the random start they are its gain
KINDS = ["random", "auto-encoders, repaired", "auto-encoders", "RBMs, shuffled",
         "RBMs, repaired", "RBMs"]

def fine_tune(kind, depth):  # accuracies (factors, splits), on validation and on test
    starts = [[start(kind, factor, i, depth) for i in range(RUNS)] for factor in FACTORS]
    return pretraining.fine_tune(starts, pixels, labels, parts, steps=run.steps(300),
                                 seed=SEED)


tried = {"3 layers": {kind: fine_tune(kind, 3) for kind in KINDS}}

# %% [markdown]
# All train 300 steps at a rate of 0.1 (in a trial with ten layers 0.03 and 0.3 were worse for all). Each start's factor is chosen on 300 labelled validation rows, a luxury with "few labels", and judged on 397 test rows; three splits.
# The strongest simple rival is lecture 01's softmax regression on the same 50 rows.
#
# The left panel shows the random start's test accuracy by its gain, the others each start at its best: a tick is a split, the dot their mean, the bar its 95 % interval (of three splits 4.3 standard errors, so it is wide).
# Below it: the factors chosen, and lecture 06's paired differences, split by split.

# %%
tried["10 layers"] = {kind: fine_tune(kind, DEEP) for kind in KINDS}
regression = pretraining.regression(pixels, labels, parts)
best = {depth: {"naive": each["random"][1][FACTORS.index(1)],
                "random, best gain": many.chosen(*each["random"])}
        | {kind: many.chosen(*each[kind]) for kind in KINDS[1:]}
        | {"softmax regression": regression} for depth, each in tried.items()}

# %%
fig, (ax, *axes) = plots.panels("50 labels: a good scale does most; RBMs add some",
                                ["random starts", *best], xlabel="test accuracy (%)",
                                ylabel="", size=(11, 4.2), width_ratios=[0.8, 1, 1])
for (depth, each), style in zip(tried.items(), ("o-", "o--"), strict=True):
    line = each["random"][1].mean(1)
    ax.plot(FACTORS, line, style, color=plots.GREY, markersize=4)  # as at the right
    plots.name(ax, 8, 92 if depth == "3 layers" else 25, depth, plots.GREY, dx=0,
               ha="right")
ax.set(xticks=[1, 2, 4, 6, 8], xlabel="gain", ylabel="test accuracy (%)", ylim=(0, 100))
colors = [plots.GREY, plots.GREY, plots.SKY, plots.BLUE, plots.RED, plots.PURPLE,
          plots.ORANGE, plots.INK]
for ax, rows in zip(axes, best.values(), strict=True):
    plots.intervals(ax, rows, colors)
    ax.set_xlim(0, 100)
axes[1].set_yticklabels([])
plots.show("Left: accuracy by gain; ten layers need a gain near 6. Middle, three layers: "
           "all but the naive start are close. Right, ten layers: naive at chance, "
           "shuffled RBMs far below the others, repaired ones near the best random start, "
           "RBMs above, the regression highest.")
print("chosen factor (3 layers, 10 layers):")
for kind in KINDS:
    print(f"{kind:25}", *(FACTORS[each[kind][0].mean(1).argmax()]
                          for each in tried.values()))
print("pre-trained less repaired, points, split by split:")
for kind in ("auto-encoders", "RBMs"):
    for depth, rows in best.items():
        print(f"{kind:14} {depth:10}", *(rows[kind] - rows[kind + ", repaired"]).round(1))
three, ten = ({kind: accuracy.mean() for kind, accuracy in rows.items()}
              for rows in best.values())
mended = ten["RBMs, repaired"] - ten["RBMs, shuffled"]

# %% [markdown]
# - *"It was only the scale."* For three layers of auto-encoders, nearly: their repaired copies come within a few points.
# - *"It was knowledge."* At ten layers the shuffled RBMs say so. But half of their gap or more was their own broken biases and scales. The rest is knowledge: which weight stands where, as far as this control can tell.
# - A plain regression leads every net of ten layers, and is just behind RBMs of three. With all training tripled (two seeds) RBMs of ten read 88 and 91 %, the regression 87 and 86, random starts still 74 and 73: their lead grows.
#
# **Ask the room.** A colleague reports: "pre-trained on our clicks, the net is 4 points better than from scratch." Which controls do you ask for?
#
# <details><summary>One answer</summary>
#
# Scratch at its best gain and rate; the pre-trained weights shuffled within each unit, and repaired; the same work spent on labelled rows; a plain regression.
# </details>

# %%
outcome("07.repair", next(name for name, most in MENDED.items() if mended <= most))
claim("3 and 10 layers: RBMs lead best gain and repaired copies (least lead, points)",
      min(each["RBMs"] - max(each["random, best gain"], each["RBMs, repaired"])
          for each in (three, ten)), at_least=2)
claim("10 layers, in 300 steps: the repair mends the shuffled RBMs by (points)", mended,
      at_least=8, short=True)
claim("10 layers: the regression leads the best gain, points",
      regression.mean() - ten["random, best gain"], at_least=7)

# %% [markdown]
# ## 7 · Transfer: probe, then tune
#
# On the map: `fine-tuning` · `pre-training`
#
# **Transfer** (전이 학습): pre-train on another *labelled* task, keep the layers (the *body*), replace the output (the *head*).
#
# Before: K to Z, 6,000 pictures, 14 × 14 pixels. Now: A to J, 5, 20 or 100 a letter. Two ReLU layers of 64 units. Five ways:
#
# - *scratch*: He's start;
# - **frozen** (동결): the body's rate is 0, only the head's $65 \cdot 10 = 650$ numbers learn. Also a **probe** (프로브): it shows what the body knows;
# - *tuned*: all 17,418 learn;
# - *probe, then tune*: half of the steps each, the second half at three tenths of the rate;
# - *control*: tuned, from a body trained on K to Z with the labels dealt out at random.
#
# Each way gets the best of three rates, chosen on 1,000 validation rows; means over three draws of labelled rows, one body.

# %%
def inputs(glyphs):
    """(n, 28, 28) bytes -> (n, 196) averaged down to 14 × 14, and the labels."""
    images = torch.tensor(glyphs.images, dtype=torch.float32, device=run.device)[:, None]
    return (F.avg_pool2d(images, 2).flatten(1) / 64,  # ink has a spread of about 1
            torch.tensor(glyphs.labels, device=run.device))


x, y = inputs(data.load("glyphs", split="train", n=6000, classes="KLMNOPQRSTUVWXYZ",
                        seed=SEED))
new, letters = inputs(data.load("glyphs", split="train", n=4000, seed=SEED))
shown = torch.cat([new[letters == letter][:2] for letter in range(10)])
plots.strips("The new task: A to J, and what was learned before: K to Z",
             {name: pictures.reshape(-1, 1, 14, 14) * 64 / 255
              for name, pictures in {"new": shown, "before": x[:20]}.items()}, columns=20)
plots.show("Two rows of letters in many fonts: A to J, two of each; some of K to Z.")

def he_start(nets, classes):
    # PyTorch's default has the variance 1/(3d), He's is 2/d: √6 times the spread
    # (also of the biases, which PyTorch draws, too)
    return 6**0.5 * many.random_start(nets, 196, 64, 64, classes, device=run.device)


def old_task_loss(theta):
    rows = torch.randint(len(x), (64,), device=run.device)
    scores = pretraining.scores(theta, x[rows], (196, 64, 64, 16), torch.relu)
    return many.price(scores, teaching[:, rows]).mean(1)


torch.manual_seed(SEED)
# two bodies at once: row 0 learns the true labels, row 1 labels dealt out at random
teaching = torch.stack([y, y[torch.randperm(len(y), device=run.device)]])
pair = many.train(he_start(1, 16).repeat(2, 1), old_task_loss,
                  torch.tensor([[0.003]], device=run.device), run.steps(800))
body = pair[:, : -65 * 16]  # without the old scores: 64 weights and a bias for each class

# %%
WAYS = {  # name: which body, then the factors (body, head) in both halves of the steps
    "scratch": (None, (1, 1), (1, 1)), "control": (1, (1, 1), (1, 1)),
    "tuned": (0, (1, 1), (1, 1)), "frozen": (0, (0, 1), (0, 1)),
    "probe, then tune": (0, (0, 1), (0.3, 0.3))}
LETTER_RATES = [0.003, 0.01, 0.03]
parts = [(new, letters), (new[3000:], letters[3000:])]                       # 1,000 rows
parts += [inputs(data.load("glyphs", split=name, n=2000, seed=SEED))
          for name in ("test", "unseen")]  # fonts of the training, and new ones

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# "Frozen or tuned?" depends on the labels: the lines cross. At first the new scores are random, and what comes back pushes good layers about (Kumar and others 2022).
# In each half of the steps the rate falls to nearly zero, for all five ways.

# %%
COUNTS = [5, 20, 100]
torch.manual_seed(SEED)
orders = torch.stack([torch.randperm(3000) for _ in range(3)]).to(run.device)
fresh = he_start(3, 10)


def adapt(count, source, *halves):  # (fonts it knows, new fonts), per cent
    theta = fresh.clone()
    if source is not None:
        theta[:, : body.shape[1]] = body[source]
    valid, *judged = pretraining.adapt(
        theta, halves, pretraining.first_of_each(orders, letters, count), parts,
        (196, 64, 64, 10), LETTER_RATES, steps=run.steps(75), seed=SEED)
    return [many.chosen(valid, accuracy).mean() for accuracy in judged]


reached = {way: np.array([adapt(count, *how) for count in COUNTS])
           for way, how in WAYS.items()}  # (counts, 2) each

# %%
fig, axes = plots.panels("Few labels: frozen layers lead scratch. Many: they fall behind",
                         ["fonts it knows", "fonts it has never seen"],
                         xlabel="labelled pictures a letter (log)",
                         ylabel="test accuracy (%)", size=(10, 4), sharey=True)
STYLE = {"scratch": (plots.PURPLE, -9), "control": (plots.GREY, 5),
         "tuned": (plots.BLUE, 0), "frozen": (plots.ORANGE, -5),
         "probe, then tune": (plots.GREEN, 8)}
for side, ax in enumerate(axes):
    for way, (color, dy) in STYLE.items():
        line = reached[way][:, side]
        ax.semilogx(COUNTS, line, "o-", color=color, markersize=4)
        plots.name(ax, COUNTS[0], line[0], way, color, dx=-8, dy=dy, ha="right",
                   fontsize=11)
    ax.set_xlim(0.8, 130)
    ax.margins(y=0.12)
    ax.set_xticks(COUNTS, COUNTS)
    ax.minorticks_off()
plots.show("Frozen and probe-then-tune are highest at 5 pictures a letter; at 100 frozen "
           "is below, and the tuned ones are level with scratch.")

# %% [markdown]
# - The control is hardly better than scratch: what helps is what the labels taught.
# - At 5 a letter frozen is level with *probe, then tune*; at 100 it falls behind, and scratch has caught up. (At 5, steps tripled, tuned is level on one of two seeds.)
# - At the right, in new fonts, all are lower, in much the same order.

# %%
few, _, lots = ({way: pairs[j, 0] for way, pairs in reached.items()} for j in range(3))
claim("5 a letter: frozen layers lead scratch, points of accuracy",
      few["frozen"] - few["scratch"], at_least=4)
claim("5 a letter, in twice 75 steps: probe, then tune, leads tuned from the start, points",
      few["probe, then tune"] - few["tuned"], at_least=1, short=True)
claim("100 a letter: frozen layers fall behind tuned ones, points",
      lots["tuned"] - lots["frozen"], at_least=2)

# %% [markdown]
# ## 8 · Pre-training came back: labels made of the data
#
# On the map: `pre-training` · `auto-encoder`
#
# **Self-supervised** (자기지도) learning hides a part of the data and asks for it: each row is its own label, as in section 5's denoising. Nearly every large model begins so:
#
# | | hidden | asked for |
# |---|---|---|
# | BERT (2019) | 15 % of a text's word pieces | those pieces |
# | GPT (2018) | the next word piece | that piece |
# | MAE (2022) | 75 % of a photograph's patches | their pixels |
# | CLIP (2021) | which caption belongs to which photograph | the right pairs |
#
# (CLIP's captions were written by people: labels found, not made.)
#
# **Ask the room.** What do you have much of, without labels? What would you hide?
#
# <details><summary>One answer</summary>
#
# An ad log: hide the site of an impression, ask for it from user, hour and ad. It teaches who goes where. Whether that helps with clicks, a probe tells.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (5 minutes).**
#
# What has changed since 2006: the layers are trained together, thanks to norms, skips and good starts, and there are billions of rows. What follows is section 7.

# %% [markdown]
# ## What goes wrong in practice
#
# - **The default start.** `nn.Linear` is not He's. In a deep net without a norm set the start yourself, to fit the activation.
# - **An optimizer that still holds the old head.** The new head is in no optimizer, so it never moves. Make it after you have replaced the layer.
# - **Frozen, but in training mode.** Batch norm goes on moving its statistics. Call `eval()` on the frozen part, after every `train()`.
# - **Persistent chains at a large, constant rate.** The model runs away from its chains. Let the rate fall.
# - **An unfair rival.** Its own best gain and rate first; then a control.

# %% [markdown]
# ## Summary
#
# 1. A start must be unequal, or units stay copies; and of right size, or signals die or explode: Glorot for tanh, He for ReLU.
# 2. An RBM learns from pictures alone: data minus model. CD-1 is biased; chains that go on come closer at its price.
# 3. Stacked layer by layer, RBMs give a deep belief network; auto-encoders do it with back-propagation.
# 4. Much of pre-training's gain is scale. RBMs keep a lead over repaired shuffled copies: a control needs a control. With little training a plain regression leads all nets of ten layers.
# 5. With few labels freeze, or probe, then tune; with many, scratch does as well. Today's pre-training makes its own labels.
#
# ## Exercises and further reading
#
# `dlmap start 07`, then open `exercises/work/07_exercises.ipynb`: seven tasks, about 150 minutes.
#
# <details><summary>Papers</summary>
#
# - RBM: P. Smolensky (1986); G. E. Hinton (2002), Neural Computation 14; T. Tieleman (2008), ICML; Hinton (2010), *A practical guide to training RBMs*.
# - Stacks: Hinton, S. Osindero, Y.-W. Teh (2006), Neural Computation 18; Y. Bengio and others (2007), NIPS 19; P. Vincent and others (2008), ICML; D. Erhan and others (2010), JMLR 11.
# - Starts: X. Glorot, Y. Bengio (2010), AISTATS; K. He and others (2015), ICCV; D. Mishkin, J. Matas (2016), ICLR.
# - Transfer: J. Yosinski and others (2014), NIPS 27; A. Kumar and others (2022), ICLR.
# - GPT: A. Radford and others (2018); BERT: J. Devlin and others (2019); CLIP: Radford and others (2021); MAE: He and others (2022).
# </details>
