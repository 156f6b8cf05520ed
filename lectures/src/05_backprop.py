# %% [markdown]
# # 05 · Back-propagation
#
# **Question.** A network has a million weights. How does each of them learn, from one number at the far end, which way to turn?
#
# **You will be able to** carry a gradient backward through any computation by hand; build the engine that does it for you; check a gradient that you do not trust; tell why a deep net does not learn, and name the remedy.
#
# **Needs** 04 · **Minutes** 85 to teach, 130 to study · **CPU** 25 s
#
# On the map: `backprop` · `vanishing` · `exploding`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer and with more seeds
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import timeit
import tracemalloc
from statistics import median

import numpy as np
import torch
from torch import nn

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch import autograd

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("05")

# %% [markdown]
# ## 1 · The chain rule, drawn with numbers
#
# On the map: `backprop`
#
# A gradient is found by walking the computation twice: forward for the values, backward for the derivatives.
#
# One neuron: input $x$, weight $w$, bias $b$, answer $y$. Its loss is $L = (\tanh(wx + b) - y)^2$ (from here on $L$ is a loss, not lecture 02's curvature).
# Cut it into steps so small that each derivative is obvious. That is a **graph**: numbers are nodes, steps are arrows.
# The **chain rule** (연쇄법칙) says: derivatives along a path multiply.
#
# $$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial e} \cdot \frac{\partial e}{\partial a} \cdot \frac{\partial a}{\partial z} \cdot \frac{\partial z}{\partial u} \cdot \frac{\partial u}{\partial w}$$
#
# **Back-propagation** (역전파) multiplies from the left, so that the loss's side is shared by all weights.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Draw the graph on the board first, values only. Let the room compute the gradients from right to left before the picture shows them.
# The usual wrong answer: the gradient of w is w. It is x times whatever arrives.
# If the sliders do not appear, the kernel runs in batch mode: restart it without `DLMAP_BATCH`.

# %%
def neuron(w, b, x=2.0, y=1.0):
    """Values and gradients of one neuron's graph: two dictionaries."""
    u = w * x
    z = u + b
    a = np.tanh(z)
    e = a - y
    loss = e**2

    d_loss = 1.0                 # the loss changes with itself one to one
    d_e = d_loss * 2 * e         # (e²)' = 2e
    d_a = d_e * 1                # a enters e as it is
    d_z = d_a * (1 - a**2)       # tanh' = 1 - tanh²
    d_u, d_b = d_z, d_z          # a sum passes its gradient on to both
    d_w, d_x = d_u * x, d_u * w  # a product swaps its factors
    values = {"x": x, "w": w, "u": u, "b": b, "z": z, "a": a, "y": y, "e": e, "loss": loss}
    return values, {"x": d_x, "w": d_w, "u": d_u, "b": d_b, "z": d_z, "a": d_a, "y": -d_e,
                    "e": d_e, "loss": d_loss}


# %%
PLACES = {"x": (0, 2), "w": (0, 1), "u": (1, 1.5), "b": (1, 0.5), "z": (2, 1), "a": (3, 1),
          "y": (3, 0), "e": (4, 0.5), "loss": (5, 0.5)}
STEPS = {"u": ("w x", "xw"), "z": ("u + b", "ub"), "a": ("tanh z", "z"),
         "e": ("a − y", "ay"), "loss": ("e²", "e")}


def draw(w=0.5, b=-0.4):
    values, gradients = neuron(w, b)
    _, ax = plots.figure("Values go forward, gradients come back", xlabel="", ylabel="",
                         size=(9.5, 3.4))
    ax.set(xlim=(-0.5, 5.55), ylim=(-0.45, 2.5))
    ax.axis("off")
    for end, (_, inputs) in STEPS.items():
        for start in inputs:
            ax.annotate("", PLACES[end], PLACES[start],
                        arrowprops={"arrowstyle": "-|>", "color": plots.GREY, "shrinkA": 34,
                                    "shrinkB": 38})
    for node, (column, row) in PLACES.items():
        label = f"{node} = {STEPS[node][0]}" if node in STEPS else node
        style = {"ha": "center", "va": "center"}
        ax.text(column, row + 0.24, label, color=plots.INK, fontsize=12, fontweight="bold",
                **style)
        ax.text(column, row, f"{values[node]:.3f}", color=plots.BLUE, fontsize=13, **style)
        ax.text(column, row - 0.23, f"{gradients[node]:.3f}", color=plots.RED, fontsize=13,
                **style)
    ax.text(3.1, 2.3, "blue: value, computed from left to right", color=plots.BLUE)
    ax.text(3.1, 2.0, "red: derivative of the loss, from right to left", color=plots.RED)
    plots.show("A graph of nine nodes from x and w to the loss, "
               "with a value and a gradient at each node.")


plots.knobs(draw, w=(-2, 2), b=(-2, 2))

# %%
# Is it right? Nudge each knob a little, by h, both ways, and see how the loss moves.
# No calculus needed.
h = 1e-5
nudged = {"w": [neuron(0.5 + s * h, -0.4)[0]["loss"] for s in (1, -1)],
          "b": [neuron(0.5, -0.4 + s * h)[0]["loss"] for s in (1, -1)]}
gradients = neuron(0.5, -0.4)[1]

# %%
claim("by hand and by nudging, the neuron's gradients agree",
      max(abs((up - down) / (2 * h) - gradients[name])
          for name, (up, down) in nudged.items()), at_most=1e-8)

# %% [markdown]
# ## 2 · An engine: write down what you did, then read it backward
#
# On the map: `backprop`
#
# A machine can do the backward walk for any program, if every step leaves a note on a **tape**.
#
# A note holds the result and, for each input, a **rule**: the gradient of the result comes in, the gradient of that input goes out.
# Results are noted in the order of their making, so reading backward meets every result before its inputs.
# No graph search and no recursion.
#
# A value that is used twice gets a gradient from each use, and they *add up*.
# So do the copies that **broadcasting** (브로드캐스팅) makes: a bias of shape `(10,)` added to `(100, 10)` scores is used a hundred times.
# `fold` sums over the axes that were stretched.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# This is the part to type live: the class, `backward`, and one rule. The rest can be run.
# Wrong answer to expect: "the later use wins". That is exactly the bug of `=` in place of `+=`; exercise 7 has a cousin of it.

# %%
tape = []  # every result, in the order of its making


class Tensor:
    """An array, its gradient, and pairs (input, rule) that say how the gradient goes on."""

    __array_ufunc__ = None  # array * tensor asks the tensor

    def __init__(self, values, *rules):
        self.data = np.asarray(values, dtype=float)
        self.grad = np.zeros_like(self.data)
        self.rules = rules
        if rules:
            tape.append(self)

# %%
def backward(loss):
    """Read the tape from its end: each result passes its gradient to its inputs.
    The tape is empty after."""
    loss.grad = np.ones_like(loss.data)
    while tape:
        result = tape.pop()
        for source, rule in result.rules:
            source.grad = source.grad + fold(rule(result.grad), source.data.shape)

# %%
def fold(g, shape):
    """Sum a gradient over the axes that broadcasting has added or stretched,
    back to `shape`."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def tensor(x):
    return x if isinstance(x, Tensor) else Tensor(x)


def add(a, b):
    return Tensor(a.data + b.data, (a, lambda g: g), (b, lambda g: g))


def mul(a, b):
    return Tensor(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))


Tensor.__add__ = Tensor.__radd__ = lambda a, b: add(a, tensor(b))
Tensor.__mul__ = Tensor.__rmul__ = lambda a, b: mul(a, tensor(b))
Tensor.__neg__ = lambda a: a * -1
Tensor.__sub__ = lambda a, b: a + -tensor(b)

# %% [markdown]
# **Predict first.** $y = x \cdot x + x$ at $x = 3$. In the graph, $x$ is used three times.
# Which gradient lands in `x.grad`, and which would land there if `backward` said `=` instead of adding?

# %%
x = Tensor(3.0)
backward(x * x + x)
claim("three uses of x add up to 2x + 1", x.grad, at_least=7, at_most=7)

# %%
# Cover the right side, derive it, then look:
# each rule multiplies what arrives, g, by the local slope.
def matmul(a, b):                                        # (n, d) @ (d, k)
    return Tensor(a.data @ b.data, (a, lambda g: g @ b.data.T), (b, lambda g: a.data.T @ g))

def power(a, n):
    return Tensor(a.data**n, (a, lambda g: g * n * a.data ** (n - 1)))

def exp(a):
    e = np.exp(a.data)
    return Tensor(e, (a, lambda g: g * e))               # its own slope

def log(a):
    return Tensor(np.log(a.data), (a, lambda g: g / a.data))

def tanh(a):
    t = np.tanh(a.data)
    return Tensor(t, (a, lambda g: g * (1 - t**2)))

def relu(a):
    return Tensor(np.maximum(a.data, 0), (a, lambda g: g * (a.data > 0)))

# %%
def total(a, axis=None):  # a sum hands the same gradient to each entry
    s = a.data.sum(axis, keepdims=axis is not None)
    return Tensor(s, (a, lambda g: np.broadcast_to(g, a.data.shape)))

def pick(a, key):
    """a[key]; on the way back the gradients go to the picked places,
    and twice picked adds up."""
    def rule(g):
        spread = np.zeros_like(a.data)
        np.add.at(spread, key, g)  # spread[key] += g would keep only one
        return spread
    return Tensor(a.data[key], (a, rule))

Tensor.__matmul__ = lambda a, b: matmul(a, tensor(b))
Tensor.__pow__ = power
Tensor.__truediv__ = lambda a, b: a * tensor(b) ** -1
Tensor.__getitem__ = pick
Tensor.exp, Tensor.log, Tensor.tanh, Tensor.relu, Tensor.sum = exp, log, tanh, relu, total

# %% [markdown]
# ## 3 · Never trust a gradient that you have not checked
#
# On the map: `backprop`
#
# A wrong gradient seldom crashes: the net just learns worse, so compare with two referees, finite differences and PyTorch.
#
# The same expressions run in our engine and in **PyTorch**, whose tensors keep notes in the same way.
#
# **Predict first.** Finite differences need a step $h$. Smaller is closer to the true derivative.
# Of $10^{-2}$, $10^{-5}$ and $10^{-12}$, which gives the best answer?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Nearly everybody says "the smallest". Two numbers that agree in twelve digits leave four digits when they are subtracted.

# %%
A, B = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(3,))
gallery = {
    "a + b, broadcast": lambda a, b: (a + b) * a,
    "a · b, broadcast": lambda a, b: a * b * b,
    "a / b": lambda a, b: a / b,
    "matmul": lambda a, b: a @ (a * b)[[0, 1, 2]],
    "power": lambda a, b: a**3 + b**-0.5,
    "exp, log": lambda a, b: (a.exp() + b).log(),
    "tanh": lambda a, b: (a * b).tanh(),
    "relu": lambda a, b: (a - b).relu(),
    "sum of an axis": lambda a, b: a * (a * b).sum(0),
    "a row picked twice": lambda a, b: a[[1, 1, 3]] * b,
}


def ours(f):
    a, b = Tensor(A), Tensor(B)
    backward((f(a, b) * f(a, b)).sum())
    return np.append(a.grad, b.grad)


def pytorchs(f):
    a, b = torch.tensor(A, requires_grad=True), torch.tensor(B, requires_grad=True)
    (f(a, b) * f(a, b)).sum().backward()
    return np.append(a.grad.numpy(), b.grad.numpy())

# %%
def differences(f, h=1e-5):
    """The gradient of sum(f²) by nudging each of the 15 numbers up and down: (15,)."""
    def loss(flat):
        with torch.no_grad():                              # PyTorch, but without its tape
            values = f(torch.tensor(flat[:12].reshape(4, 3)), torch.tensor(flat[12:]))
            return (values * values).sum().item()
    flat, nudge = np.append(A, B), h * np.eye(15)
    return np.array([(loss(flat + step) - loss(flat - step)) / (2 * h) for step in nudge])


def gap(one, other):                                       # relative to the largest entry
    return np.abs(one - other).max() / np.abs(other).max()

# %%
sizes = 10.0 ** np.arange(-14, 0)
fig, ax = plots.figure("Too large a step is inexact, too small a step is noise",
                       xlabel="step h", ylabel="relative error of the gradient")
errors = {}
for name, color in {"exp, log": plots.BLUE, "tanh": plots.ORANGE,
                    "power": plots.GREEN}.items():
    errors[name] = np.array([gap(differences(gallery[name], h), ours(gallery[name]))
                             for h in sizes])
    ax.loglog(sizes, errors[name], "o-", color=color, markersize=4, label=name)
ax.legend(loc="lower left")
ax.text(1e-13, 1e-7, "rounding", color=plots.GREY)
ax.text(1.2e-4, 1e-10, "formula: error ~ h²", color=plots.GREY)
plots.show("Three V-shaped curves: the error is smallest for steps near ten to the minus "
           "five.")

# %%
claim("every operation of the gallery has PyTorch's gradient",
      max(gap(ours(f), pytorchs(f)) for f in gallery.values()), at_most=1e-12)
claim("finite differences agree with every operation",
      max(gap(ours(f), differences(f)) for f in gallery.values()), at_most=1e-6)
claim("the best step is not the smallest",
      min(sizes[e.argmin()] for e in errors.values()), at_least=1e-7)
claim("a step of 1e-12 is worse than one of 1e-5, many times",
      min(e[2] / e[9] for e in errors.values()), at_least=1e3)

# %% [markdown]
# ## 4 · Train a network with it
#
# On the map: `backprop`
#
# Sixty lines of engine train a real network, number for number as PyTorch does.
#
# 64 pixels, 32 hidden units with ReLU, ten digits.
# The loss is lecture 01's cross-entropy, built from `exp`, `sum`, `log` and a pick of the true class.
# The largest score of each row is taken off as a plain number: it cancels in the result, so it needs no gradient.
#
# **The library's way** is the second loop: `requires_grad` puts a tensor on the tape, `.backward()` reads it, `step()` moves the weights.
# Same start, same batches, double precision.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Point at the line `w.data = …`: the update happens on plain numbers, outside the tape.
# Ask what happens if `w.grad` is not cleared: the gradients of all steps add up, a momentum that never forgets.

# %%
digits = data.load("digits")
pixels = (digits.x - digits.x.mean()) / digits.x.std()  # (1797, 64)
# the same for PyTorch, in double precision
X, Y = torch.tensor(pixels), torch.tensor(digits.y)
order = rng.permutation(len(pixels))
train, test = order[:1300], order[1300:]
start = [rng.normal(0, np.sqrt(2 / 64), (64, 32)), np.zeros(32),
         rng.normal(0, np.sqrt(2 / 32), (32, 10)), np.zeros(10)]
loss_ours, loss_theirs = [], []
batches = [rng.choice(train, 64) for _ in range(run.pick(lecture=400, full=2000))]


def scores(x, w1, b1, w2, b2):
    return (x @ w1 + b1).relu() @ w2 + b2               # (n, 64) -> (n, 32) -> (n, 10)


def cross_entropy(z, labels):
    z = z - z.data.max(axis=1, keepdims=True)
    true_class = z[np.arange(len(labels)), labels]
    return (z.exp().sum(1).log().sum() - true_class.sum()) * (1 / len(labels))

# %%
weights = [Tensor(w) for w in start]
for rows in batches:
    loss = cross_entropy(scores(Tensor(pixels[rows]), *weights), digits.y[rows])
    backward(loss)
    for w in weights:
        w.data = w.data - 0.1 * w.grad
        w.grad = np.zeros_like(w.grad)
    loss_ours.append(loss.data)

# %%
theirs = [torch.tensor(w, requires_grad=True) for w in start]
descent = torch.optim.SGD(theirs, lr=0.1)
for rows in batches:
    descent.zero_grad()
    loss = nn.functional.cross_entropy(scores(X[rows], *theirs), Y[rows])
    loss.backward()
    descent.step()
    loss_theirs.append(loss.item())

# %%
fig, ax = plots.figure("Our tape and PyTorch walk the same path", xlabel="step",
                       ylabel="loss (nats)")
ax.semilogy(loss_theirs, color=plots.SKY, linewidth=5)
ax.semilogy(loss_ours, color=plots.INK, linewidth=1)
plots.name(ax, 100, 1.2, "PyTorch: the broad line", plots.SKY)
plots.name(ax, 100, 0.8, "ours: the thin line inside it", plots.INK)
plots.show("Two loss curves lie exactly on each other and fall from above two to below a "
           "tenth.")

# %%
claim("step by step, our losses are PyTorch's",
      np.abs(np.subtract(loss_ours, loss_theirs)).max(), at_most=1e-9)
predicted = scores(Tensor(pixels[test]), *weights).data.argmax(axis=1)
claim("the net that our tape trained reads digits",
      np.mean(predicted == digits.y[test]), at_least=0.93)
tape.clear()  # judging left notes too

# %% [markdown]
# ## 5 · What it costs: a few forward passes, and memory
#
# On the map: `backprop`
#
# The whole gradient costs a small multiple of one forward pass, however many weights there are; the price is memory.
#
# That a small constant bounds the count of arithmetic operations is *proved* (Baur and Strassen, 1983).
# What a clock says is another matter, so measure. Finite differences are not run to the end: their line is two timed forward passes for each weight.
# The engine here is `utils/scratch/autograd.py`, this lecture's tape grown up: faster, and with errors for people.
#
# **Predict first.** A net has a million weights, and its forward pass takes a millisecond.
# How long does the gradient take by finite differences? And by back-propagation?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Two passes per weight: two million milliseconds, over half an hour. Backward: two or three milliseconds.
# The claims have wide bounds on purpose: a busy machine shifts every time.

# %%
def layers(width, depth=2, rows=4):
    return autograd.Tensor(rng.normal(size=(rows, width))), [
        autograd.Tensor(rng.normal(0, width**-0.5, (width, width)), requires_grad=True)
        for _ in range(depth)]


def forward(x, weights):
    for w in weights:
        x = (x @ w).tanh()
    return x.sum()


def seconds(job):
    return median(timeit.repeat(job, number=1, repeat=9))

# %%
cost = {"forward": [], "back-propagation": [], "nudging": []}
widths = [8, 16, 32, 64, 128, 256]
for width in widths:
    x, net = layers(width)
    with autograd.no_grad():
        cost["forward"].append(seconds(lambda x=x, net=net: forward(x, net)))
    cost["back-propagation"].append(
        seconds(lambda x=x, net=net: forward(x, net).backward()))
    # two passes for each weight
    cost["nudging"].append(2 * 2 * width**2 * cost["forward"][-1])

# %%
count = 2 * np.square(widths)
fig, ax = plots.figure("Backward follows forward; nudging pays for each weight",
                       xlabel="number of weights", ylabel="seconds for one gradient")
for (name, line), color in zip(cost.items(), [plots.GREY, plots.BLUE, plots.RED],
                               strict=True):
    ax.loglog(count, line, "o-", color=color, markersize=4)
    plots.name(ax, count[-1], line[-1], name, color,
               dy=8 if name == "back-propagation" else 0)
ax.set_xlim(right=count[-1] * 12)
plots.show("Two nearly parallel lines close together, "
           "and a third that rises far above them.")

# %%
def peak(job):
    """The most memory that a job holds at once, in megabytes."""
    tracemalloc.start()
    job()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6

# %%
memory = {"with tape": [], "no_grad": []}
depths = [1, 2, 4, 8, 16, 32]
for depth in depths:
    x, net = layers(64, depth, rows=64)
    memory["with tape"].append(peak(lambda x=x, net=net: forward(x, net)))
    with autograd.no_grad():
        memory["no_grad"].append(peak(lambda x=x, net=net: forward(x, net)))

# %%
fig, ax = plots.figure("The tape holds every layer until it is read; "
                       "without it a layer can go",
                       xlabel="layers", ylabel="peak memory (MB)", size=(7.5, 3.6))
for (name, line), color in zip(memory.items(), [plots.BLUE, plots.GREY], strict=True):
    ax.plot(depths, line, "o-", color=color)
    plots.name(ax, depths[-1], line[-1], name, color)
plots.show("Memory with a tape rises in proportion to the layers; "
           "without a tape it stays flat.")

# %%
claim("forward and backward together cost a few forward passes",
      median(np.divide(cost["back-propagation"], cost["forward"])), at_least=1.5, at_most=8)
claim("with 131,072 weights, nudging would cost thousands of times as much",
      cost["nudging"][-1] / cost["back-propagation"][-1], at_least=5000)
claim("with the tape, 32 layers hold many times the memory of 4",
      memory["with tape"][-1] / memory["with tape"][2], at_least=5)
claim("without it, depth costs no memory",
      memory["no_grad"][-1] / memory["no_grad"][2], at_most=1.2)

# %% [markdown]
# The backward of a layer needs what went *into* the layer, so all of it is kept.
# You may also keep only every few layers and compute the rest again: `torch.utils.checkpoint`, memory for time.
#
# **Ask the room.** Training stops with "out of memory", evaluation does not.
# Which knobs do you have, and what does each one cost?

# %% [markdown]
# ## 6 · The vanishing gradient
#
# On the map: `vanishing`
#
# In a deep sigmoid net with **Glorot**'s start, each layer divides the gradient by about four, and the first layers never hear of the loss.
#
# By the chain rule the gradient passes through every layer. Layer $l$ multiplies it by its weights $W_l$ and by the slope of its activation:
#
# $$\delta_{l-1} = \big(\delta_l \odot \sigma'(z_l)\big)\, W_l^\top$$
#
# $\delta_l$ is the gradient that arrives at the output of layer $l$, $z_l$ is its score, $\odot$ multiplies entry by entry.
# The sigmoid's slope is at most ¼. That is the **vanishing gradient** (기울기 소실).
#
# **Predict first.** Weights with a spread of $1/\sqrt{64}$ keep the length, on average. 20 layers, so 19 slopes.
# How much weaker is the gradient of the first layer than that of the last?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Let somebody compute 4 to the power of 19: 275 billion. The measurement meets it.
# The usual objection: "then use a larger learning rate". For which layer? The last one would explode.

# %%
ACTIVATIONS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}
# Glorot's and He's starts carry the names of their authors; lecture 07 derives both.
SPREADS = {"N(0, 0.01²)": 0.01, "Glorot": 64**-0.5, "He": (2 / 64) ** 0.5,
           "4 × Glorot": 4 * 64**-0.5, "N(0, 1)": 1.0}
INIT_COLORS = dict(zip(SPREADS,
                       [plots.GREY, plots.BLUE, plots.GREEN, plots.PURPLE, plots.RED],
                       strict=True))


class DeepNet(nn.Module):
    """20 layers of 64 units, then ten scores;
    batch norm before the activation and a skip, if asked."""

    def __init__(self, activation, init, norm=False, skip=False):
        super().__init__()
        self.activation, self.skip = ACTIVATIONS[activation], skip
        self.layers = nn.ModuleList(nn.Linear(64, 64) for _ in range(20))
        self.norms = nn.ModuleList(nn.BatchNorm1d(64) if norm else nn.Identity()
                                   for _ in range(20))
        self.head = nn.Linear(64, 10)
        for layer in self.layers:
            nn.init.normal_(layer.weight, std=SPREADS[init])
            nn.init.zeros_(layer.bias)

    def hidden(self, x):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            out = self.activation(norm(layer(x)))
            x = x + out if self.skip else out
        return x

    def forward(self, x):
        return self.head(self.hidden(x))

# %%
inputs = torch.tensor(pixels, dtype=torch.float32, device=run.device)
labels = torch.tensor(digits.y, device=run.device)


def fresh(*args, seed=0, **options):
    torch.manual_seed(1000 * SEED + seed)
    return DeepNet(*args, **options).to(run.device)


def gradient_norms(*args, **options):
    """Norm of the gradient of each layer's weights at the start,
    median over five starts: (20,)."""
    norms = []
    for seed in range(5):
        # single precision ends at 1e-45
        net = fresh(*args, seed=seed, **options).cpu().double()
        nn.functional.cross_entropy(net(X[:256]), Y[:256]).backward()
        norms.append([layer.weight.grad.norm().item() for layer in net.layers])
    return np.median(norms, axis=0)


norms = {(a, init): gradient_norms(a, init) for a in ACTIVATIONS for init in SPREADS}

# %%
fig, axes = plots.panels("Activation and initialization decide together what reaches the "
                         "first layer",
                         ACTIVATIONS, xlabel="layer", ylabel="gradient norm", size=(10, 4),
                         sharey=True)
for (activation, init), line in norms.items():
    axes[list(ACTIVATIONS).index(activation)].semilogy(range(1, 21), line,
                                                       color=INIT_COLORS[init])
for init, color in INIT_COLORS.items():
    plots.name(axes[2], 20, norms["relu", init][-1], init, color,
               dy=5 if init == "He" else -5)
plots.show("Sigmoid lines fall steeply to layer 1; "
           "most tanh lines and all ReLU lines are flat, far apart.")

# %%
with torch.no_grad():
    spread = {name: fresh(*name).hidden(inputs[:256]).std(dim=0).mean().item()
              for name in [("sigmoid", "Glorot"), ("relu", "He")]}


def first_to_last(activation, init):
    return norms[activation, init][0] / norms[activation, init][-1]


claim("sigmoid, Glorot: layer 1 gets next to nothing",
      first_to_last("sigmoid", "Glorot"), at_most=1e-10)
claim("that is a factor of about a quarter a layer",
      first_to_last("sigmoid", "Glorot") ** (1 / 19), at_least=0.22, at_most=0.28)
claim("tanh, Glorot: first and last layer get about the same",
      first_to_last("tanh", "Glorot"), at_least=0.3, at_most=4)
claim("ReLU, He: about the same as well",
      first_to_last("relu", "He"), at_least=0.2, at_most=4)
claim("ReLU, N(0, 1): the ratio looks healthy too", first_to_last("relu", "N(0, 1)"),
      at_least=0.05, at_most=5)
claim("and yet that gradient is absurdly large", norms["relu", "N(0, 1)"][0], at_least=1e10)
claim("after 20 sigmoid layers, all pictures look alike",
      spread["sigmoid", "Glorot"], at_most=1e-6)
claim("after 20 ReLU layers with He's start, they differ",
      spread["relu", "He"], at_least=0.05)

# %% [markdown]
# ReLU's slope is one or zero, and He's factor $\sqrt 2$ pays for the half of the units that are off.
# Its other lines are flat too, at absurd heights: a weight's gradient is what came in *times* what comes back, and one shrinks as the other grows.
# So look at the norm, not only at the ratio of layers.
# Pictures fade forward by the same product: the last sigmoid layers get a gradient, but nothing to learn from.
#
# | remedy | what it does to the product |
# |---|---|
# | ReLU | slope 1 where it is on |
# | initialization (07) | weights that make up for the slope |
# | **batch norm** (06) | rescales the scores of each layer |
# | **skip** (11) | $x + f(x)$: a path without any factor |
#
# Train each: same rate, same batches, gradients clipped (section 7).

# %%
def accuracy_after(net, steps=250, clip=2.0, lr=0.03):
    """Test accuracy after some steps of momentum descent on batches of 64."""
    descent = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9)
    rows_rng = np.random.default_rng(SEED)
    for _ in range(steps):
        rows = rows_rng.choice(train, 64)
        descent.zero_grad()
        nn.functional.cross_entropy(net(inputs[rows]), labels[rows]).backward()
        nn.utils.clip_grad_norm_(net.parameters(), clip)
        descent.step()
    with torch.no_grad():
        return (net.eval()(inputs[test]).argmax(1) == labels[test]).float().mean().item()


accuracy = {f"{a}, {init}": accuracy_after(fresh(a, init)) for a, init in
            [("sigmoid", "Glorot"), ("sigmoid", "4 × Glorot"), ("relu", "N(0, 0.01²)"),
             ("relu", "He"), ("tanh", "Glorot")]}

# %%
accuracy |= {"sigmoid + batch norm": accuracy_after(fresh("sigmoid", "Glorot", norm=True)),
             "sigmoid + skip": accuracy_after(fresh("sigmoid", "Glorot", skip=True)),
             "relu + batch norm": accuracy_after(fresh("relu", "He", norm=True))}
stuck = ["sigmoid, Glorot", "sigmoid, 4 × Glorot", "relu, N(0, 0.01²)"]

# %%
plots.bars("ReLU needs its start; batch norm and skips save even the sigmoid",
           {name: 100 * share for name, share in accuracy.items()},
           xlabel="test accuracy (%)", unit=" %", colors=dict.fromkeys(stuck, plots.RED))
plots.show("Eight bars of accuracy: two sigmoid nets and ReLU with a small start at "
           "chance, five are high.")

# %%
claim("20 plain sigmoid layers stay at chance", accuracy["sigmoid, Glorot"], at_most=0.2)
claim("four times the start does not save them",
      accuracy["sigmoid, 4 × Glorot"], at_most=0.4)
claim("ReLU alone does not help: see a small start",
      accuracy["relu, N(0, 0.01²)"], at_most=0.2)
claim("each of the five other nets reads most digits",
      min(share for name, share in accuracy.items() if name not in stuck), at_least=0.6)
uneven = gradient_norms("relu", "He", norm=True)

# %%
claim("ReLU with batch norm learns although its first layer's gradient is many times the "
      "last's",
      uneven[0] / uneven[-1], at_least=10)

# %% [markdown]
# Some warnings. An even gradient at the start is not necessary: see the last claim.
# The rate was chosen so that the mended nets learn within 250 steps, and with another optimizer their bars move a good deal;
# the plain sigmoid net stayed at chance in every setting tried.
# And a gradient that arrives is not sufficient: the larger start brings the sigmoid's first layer many orders of magnitude closer to the last, and the net still does not learn in these steps.
#
# **Ask the room.** Your deep net is stuck at chance. Which two curves do you draw first, before you touch any setting?

# %% [markdown]
# ## 7 · The exploding gradient, and clipping
#
# On the map: `exploding`
#
# The same product grows when its factors exceed one; clipping keeps one such step from ruining the weights.
#
# The **exploding gradient** (기울기 폭발) is common where one weight is applied many times, as in lecture 12's recurrent nets.
# The smallest example: twenty layers that share one weight, $L(w) = (w^{20} - 1)^2$. It is flat below 1 and a wall above.
#
# **Clipping** keeps the direction and limits the length. With $g$ the gradients of *all* weights as one vector:
#
# $$g \leftarrow g \cdot \min\!\big(1,\ c / \lVert g \rVert\big)$$

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Usual slip: to clip each weight on its own. That changes the direction; the *global* norm does not.
# A clip that is active at every step is a learning rate in disguise: log how often it bites.

# %%
def shared(w, clip=np.inf, lr=0.001, steps=200):
    """Descend on (w^20 - 1)^2 and return the path of w."""
    path = [w]
    for _ in range(steps):
        w = Tensor(path[-1])
        backward((w**20 - 1) ** 2)
        g = w.grad * min(1, clip / max(abs(w.grad), 1e-12))
        path.append(path[-1] - lr * g)
        if abs(path[-1]) > 5:  # gone
            break
    return np.array(path)


plain, clipped = shared(1.15), shared(1.15, clip=10)

# %%
fig, ax = plots.figure("One step off the wall, or many small ones down it",
                       xlabel="weight w", ylabel="loss")
w = np.linspace(-1.25, 1.17, 400)
ax.semilogy(w, (w**20 - 1) ** 2 + 1e-6, color=plots.GREY)
ax.semilogy(clipped, (clipped**20 - 1) ** 2 + 1e-6, "o-", color=plots.BLUE, markersize=4)
ax.annotate("", (-1.25, 230), (1.15, 230),
            arrowprops={"arrowstyle": "-|>", "color": plots.RED})
plots.name(ax, -0.62, 530, f"without clipping: to w = {plain[1]:.1f} in one step",
           plots.RED)
plots.name(ax, 1.04, 1e-2, "clipped: arrives", plots.BLUE, dx=-120)
plots.show("A flat valley with walls: "
           "the clipped path walks down the right wall, the other leaves.")

# %%
claim("without clipping the first step leaves the valley for good",
      abs(plain[-1]), at_least=2)
claim("clipped, the descent arrives", abs(clipped[-1] - 1), at_most=1e-3)

skip = {clip: accuracy_after(fresh("relu", "He", skip=True), steps=200, clip=clip)
        for clip in (np.inf, 2.0)}

# %%
claim("ReLU with skips, whose sums grow: without clipping, at chance",
      skip[np.inf], at_most=0.2)
claim("the same net with clipping learns", skip[2.0], at_least=0.6)
wild = accuracy_after(fresh("tanh", "N(0, 1)"), steps=200)
claim("but clipping does not rescue tanh started at N(0, 1)", wild, at_most=0.4)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Clipping as a cure-all.** It mends the length of a gradient, not its direction. In the last net above most units are saturated; mend the start.
# - **Gradients that were not cleared** add up over steps. The loss falls, then wanders.
# - **A value changed in place** between forward and backward makes a wrong gradient. PyTorch counts changes and refuses, unless they go through `.data`; `utils/scratch/autograd.py` refuses those too.
# - **A detached piece**: `.item()`, `.numpy()` or `.data` in the middle of a loss, and everything before it stops learning, silently.
# - **Evaluation with the tape on** eats memory. Use `no_grad`.
# - **`loss += …` over an epoch** keeps every graph alive. Add `loss.item()`.
# - **A nan** that passes the backward reaches every weight. Check that the loss is finite before the step.

# %% [markdown]
# ## Summary
#
# 1. Back-propagation is the chain rule, read from the loss backward, each piece computed once.
# 2. An engine is a tape of small rules; what is used twice gets both gradients, added.
# 3. The whole gradient costs a few forward passes and the memory of all layers.
# 4. Deep means a product of many factors: below one it vanishes, above one it explodes, forward as well as backward.
# 5. ReLU *with* its initialization, batch norm or skips mend the factors; clipping only limits the damage.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 05`, then open `exercises/work/05_exercises.ipynb`: seven tasks, about 125 minutes.
#
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), *Learning representations by back-propagating errors*, Nature 323.
# - W. Baur, V. Strassen (1983), *The complexity of partial derivatives*, Theoretical Computer Science 22.
# - A. Griewank, A. Walther (2008), *Evaluating Derivatives*, second edition, SIAM.
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind (2018), *Automatic differentiation in machine learning: a survey*, JMLR 18.
# - Y. Bengio, P. Simard, P. Frasconi (1994), *Learning long-term dependencies with gradient descent is difficult*, IEEE Transactions on Neural Networks 5.
# - X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*, AISTATS.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013), *On the difficulty of training recurrent neural networks*, ICML.
# - K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, ICCV.
