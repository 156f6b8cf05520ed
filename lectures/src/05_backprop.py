# %% [markdown]
# # 05 · Back-propagation
#
# **Question.** A network has a million weights. How does each of them learn, from one number at the far end, which way to turn?
#
# **You will be able to** carry a gradient backward through any computation by hand; build the engine that does it for you; check a gradient that you do not trust; say what a gradient costs, in time and memory; tell why a deep net does not learn, and name the remedy.
#
# **Needs** 02, 04 · **Minutes** 95 to teach, 130 to study · **CPU** 50 s
#
# On the map: `backprop` · `vanishing` · `exploding`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import timeit
import tracemalloc
from contextlib import nullcontext
from itertools import pairwise, product
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import autograd, many  # many: lecture 04's networks side by side

# matrices this small: a second thread would only wait
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("05")

# %% [markdown]
# ## 1 · The chain rule, drawn with numbers
#
# On the map: `backprop`
#
# A gradient is found by walking the computation twice: forward for the values, backward for the slopes.
#
# Lecture 01 found a slope by a *nudge*: move one weight a little, and look at the loss.
# It is simple, but each weight needs a nudge of its own, and each nudge a run of the whole network.
# A million weights, a million runs, for one single step of descent.
#
# The cure is first seen on one neuron. Its input is $x = 2$, its weight $w = 0.5$, its bias $b = -0.4$.
# Its activation is tanh, and the right answer is $y = 1$. Its loss is the squared error:
#
# $$L = (\tanh(wx + b) - y)^2$$
#
# (Here $L$ is the loss; in lecture 02 it was the largest curvature.)

# %% [markdown]
# In small steps. Read down the values, then the last column up: each is the one below, times that row's local slope ($z$: row $a$'s −0.926 times row $a$'s 0.712).
#
# | step | value | local slopes | slope of $L$ by this value |
# |---|---|---|---|
# | $w = 0.5$ | | | $-0.659 \cdot 2 = -1.318$ |
# | $u = w \cdot x$ | 1 | by $w$: $x = 2$; by $x$: $w = 0.5$ | $-0.659 \cdot 1 = -0.659$ |
# | $z = u + b$ | 0.6 | by $u$ and by $b$: 1 | $-0.926 \cdot 0.712 = -0.659$ |
# | $a = \tanh z$ | 0.537 | by $z$: $1 - a^2 = 0.712$ | $-0.926 \cdot 1 = -0.926$ |
# | $e = a - y$ | −0.463 | by $a$: 1 | $1 \cdot (-0.926) = -0.926$ |
# | $L = e^2$ | 0.214 | by $e$: $2e = -0.926$ | 1 |
#
# A **local slope** (국소 기울기): how far a step's result moves per unit of one input.
# Nudge $w$ by $h$: $u$ and $z$ move by $2h$, so $a$ by $0.712 \cdot 2h$, and so on. **Along a path, slopes multiply.**
# $\partial L / \partial z$ (∂ is a curly d) is the slope of $L$ by $z$. This is lecture 01's chain rule:
#
# $$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial e} \cdot \frac{\partial e}{\partial a} \cdot \frac{\partial a}{\partial z} \cdot \frac{\partial z}{\partial u} \cdot \frac{\partial u}{\partial w}$$
#
# **Back-propagation** (역전파) multiplies from the left, from $L$ on. So −0.659 is computed once.
# Drawn, this is a **graph** (계산 그래프): boxes for values, arrows with their local slopes; red, the slope of $L$ by each. (Sliders: $w$, $b$.)
#
# <details><summary>Why the slope of tanh is 1 − a²</summary>
#
# $a = \tanh z$ is a stretched sigmoid: $2\sigma(2z) - 1 = \frac{2}{1 + e^{-2z}} - 1 = \frac{1 - e^{-2z}}{1 + e^{-2z}} = a$.
# So $\sigma(2z) = (1 + a)/2$. A sigmoid's slope is $\sigma(1 - \sigma)$; both twos of $2\sigma(2z)$ multiply it:
# $4 \cdot \frac{1 + a}{2} \cdot \frac{1 - a}{2} = (1 + a)(1 - a) = 1 - a^2$.
# </details>

# %%
def neuron(w, b, x=2.0, y=1.0):
    """One neuron: its values, and the slope of the loss by each: two dictionaries."""
    u = w * x
    z = u + b
    a = np.tanh(z)
    e = a - y
    loss = e**2

    d_e = 1 * 2 * e              # each line: what has arrived, times the local slope
    d_a = d_e * 1
    d_z = d_a * (1 - a**2)
    d_u, d_b = d_z * 1, d_z * 1  # a sum hands its gradient on to both
    d_w, d_x = d_u * x, d_u * w  # a product swaps its factors
    values = {"x": x, "w": w, "u": u, "b": b, "z": z, "a": a, "y": y, "e": e, "L": loss}
    return values, {"x": d_x, "w": d_w, "u": d_u, "b": d_b, "z": d_z, "a": d_a,
                    "y": -d_e, "e": d_e, "L": 1.0}  # e = a − y: minus, by y

# %%
PLACES = {"x": (0.6, 2.8), "w": (0.6, 1.2), "u": (2.36, 2.0), "b": (2.36, 0.6),
          "z": (4.06, 2.0), "a": (5.88, 2.0), "y": (5.88, 0.6), "e": (7.6, 2.0),
          "L": (9.42, 2.0)}
STEPS = {"u": "u = w·x", "z": "z = u + b", "a": "a = tanh z", "e": "e = a − y",
         "L": "L = e²"}


def number(x):
    return f"{x:.3f}".rstrip("0").rstrip(".").replace("-", "−")


def draw(w=0.5, b=-0.4):
    value, slope = neuron(w, b)
    s = schematics.Sketch("Values go forward, slopes multiply on the way back",
                          width=10, height=3.25)
    boxes = {}
    for name, place in PLACES.items():
        boxes[name] = s.box(f"{STEPS.get(name, name)}\n{number(value[name])}", at=place,
                            kind="concept" if name in STEPS else "data", fontsize=12,
                            size=(1.0, 0.6))
        s.text(number(slope[name]), (place[0], place[1] - 0.5), color=plots.RED,
               fontsize=13, fontweight="bold")
    # "wu": on the arrow from w to u
    local = {"wu": value["x"], "xu": w, "uz": 1, "bz": 1, "za": 1 - value["a"] ** 2,
             "ae": 1, "ye": -1, "eL": 2 * value["e"]}
    for (start, end), times in local.items():
        s.arrow(boxes[start], boxes[end], f"× {number(times)}")
    s.show("A graph from x and w to the loss: a value in each box, a local slope on each "
           "arrow, and under each box, in red, the slope of the loss.")


plots.knobs(draw, w=(-2, 2), b=(-2, 2))

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Draw the graph on the board first, values only. Let the room fill in the local slopes, then walk from right to left, before the picture shows it.
# The usual wrong answer: the gradient of w is w. It is x times whatever arrives.
# No sliders? Restart the kernel without `DLMAP_BATCH`.

# %%
# The nudge is the referee: move each knob by h, both ways.
h, gradients = 1e-5, neuron(0.5, -0.4)[1]
nudged = {"w": [neuron(0.5 + s * h, -0.4)[0]["L"] for s in (1, -1)],
          "b": [neuron(0.5, -0.4 + s * h)[0]["L"] for s in (1, -1)]}
claim("by walking back and by nudging: largest difference of a neuron's slopes",
      max(abs((up - down) / (2 * h) - gradients[name])
          for name, (up, down) in nudged.items()), at_most=1e-8)

# %% [markdown]
# ## 2 · An engine: write down what you did, then read it backward
#
# On the map: `backprop`
#
# A machine can walk back through any program, if every step leaves a note on a **tape** (테이프).
#
# A note holds a result and, for each of its inputs, a rule. The rule is a small function: $g$, the slope of the loss by the *result*, goes in; the slope of the loss by the *input* comes out.
# It is always "$g$ times the local slope". For $u = w \cdot x$ the rules are $g \cdot x$, for $w$, and $g \cdot w$, for $x$.
# (In Python, `lambda g: g * 2` is a function without a name, which takes `g` and returns `g * 2`.)
#
# Results are noted in the order of their making. Read from its end, the tape meets each result before its inputs.

# %%
tape = []  # every result, in the order of its making


class Tensor:
    """An array, its gradient, and pairs (input, rule) that say how the gradient goes on."""

    __array_ufunc__ = None  # so that in array * tensor the tensor is asked

    def __init__(self, values, *rules):  # *: any number of pairs, also none
        self.data = np.asarray(values, dtype=float)
        self.grad = np.zeros_like(self.data)  # the slope of the loss by each entry
        self.rules = rules
        if rules:
            tape.append(self)


def tensor(x):
    return x if isinstance(x, Tensor) else Tensor(x)


def add(a, b):
    return Tensor(a.data + b.data, (a, lambda g: g), (b, lambda g: g))


def mul(a, b):
    return Tensor(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: g * a.data))

# %% [markdown]
# The walk back starts at the loss, whose slope by itself is 1. Each result hands its gradient to its inputs through their rules. They *add* what arrives: nudge a value that is used twice, and both uses move.
#
# The same holds for **broadcasting** (브로드캐스팅), NumPy's way to stretch a small array over a large one.
# A bias of shape `(10,)`, added to scores of shape `(100, 10)`, is used a hundred times: its gradient is a sum over a hundred rows.
# So `fold` sums over the axes that NumPy has put in front, then over those that had size 1.
#
# **Predict first.** $y = x \cdot x + x$ at $x = 3$. By algebra the slope is $2x + 1 = 7$: three uses of $x$ give 3, 3 and 1.
# Somebody writes `=` in `backward`, in place of adding. Which number is in `x.grad` at the end?

# %%
def fold(g, shape):
    """Sum a gradient over the axes that broadcasting has added or stretched: -> `shape`."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))  # axis=(): nothing to sum
    stretched = tuple(i for i, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)


def backward(loss):
    """Read the tape from its end: each result passes its gradient to its inputs.
    The tape is empty after."""
    loss.grad = np.ones_like(loss.data)
    while tape:
        result = tape.pop()  # takes the last one off
        for source, rule in result.rules:
            source.grad = source.grad + fold(rule(result.grad), source.data.shape)


# what Python calls where it reads a + b (or 2 + b), a * b, -a, a - b
Tensor.__add__ = Tensor.__radd__ = lambda a, b: add(a, tensor(b))
Tensor.__mul__ = Tensor.__rmul__ = lambda a, b: mul(a, tensor(b))
Tensor.__neg__ = lambda a: a * -1
Tensor.__sub__ = lambda a, b: a + -tensor(b)

# %%
predict("05.equals", "1", "3", "6", "7")

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# This is the part to type live: the class, `backward`, and one rule.
# Wrong answer to expect at the prediction: 1, "the last use". The last use is the sum, but the tape is read from its end.
# Do the matrix rule on the board with the numbers of the picture, one lit entry at a time.

# %%
x = Tensor(3.0)
(x * x + x).grad = 1.0  # both results, x * x and the sum, are on the tape
while tape:             # the spoiled walk: "=" where `backward` adds
    result = tape.pop()
    for source, rule in result.rules:
        source.grad = rule(result.grad)
outcome("05.equals", f"{x.grad:g}")

# %% [markdown]
# The sum was noted last, so it is read first, and writes 1 into `x.grad` and into the product's. Then the product writes 3 into `x.grad`, and 3 again over it.
#
# **The rule of the matrix product.** In $C = AB$ each entry is a row of $A$ times a column of $B$. Two examples are the rows of $A$ = (1, 2), (3, 1); the weights are $B$.
# Where is the 2 used, in row 1, column 2 of $A$? In $c_{11} = 1 \cdot 3 + 2 \cdot 5 = 13$, with local slope 5, and in $c_{12} = 1 \cdot 4 + 2 \cdot 6 = 16$, with slope 6. Row 2 of $C$ does not contain it.
# Let $G$ be the gradient of $C$, with 1 and 10 in row 1. Both uses add up: $1 \cdot 5 + 10 \cdot 6 = 65$, row 1 of $G$ times row 2 of $B$. Lit is all that takes part:

# %%
s = schematics.Sketch("The entry 2 of A touches one row of C = AB", width=9.5, height=1.7)
grids = {"A": "1 2* / 3 1", "B": "3 4 / 5* 6*", "C": "13* 16* / 14 18", "G": "1* 10* / 2 1"}
for x, (name, rows) in enumerate(grids.items()):
    s.text(name, (1.3 + 2.3 * x, 1.5), fontweight="bold")
    for (i, row), j in product(enumerate(rows.split(" / ")), range(2)):  # *: lit
        s.box(row.split()[j].strip("*"), at=(0.98 + 2.3 * x + 0.64 * j, 0.95 - 0.62 * i),
              size=(0.6, 0.58), kind="family" if "*" in row.split()[j] else "data")
s.show("Four matrices; lit: the entry 2 of A, row 2 of B, and row 1 of C and of G.")

# %% [markdown]
# In general the entry $a_{ij}$ is used in row $i$ of $C$, once in each column $k$, with slope $b_{jk}$:
#
# $$\frac{\partial L}{\partial a_{ij}} = \sum_k g_{ik}\, b_{jk} = (G B^\top)_{ij} \qquad\qquad \frac{\partial L}{\partial b_{jk}} = \sum_i a_{ij}\, g_{ik} = (A^\top G)_{jk}$$
#
# ($^\top$ swaps rows and columns.) The second: $b_{jk}$ is used in column $k$, once for each example $i$, with slope $a_{ij}$.
#
# Now all rules. Cover the right side of each line, derive it, then look: what arrives, `g`, times the local slope. ($a^n$ has slope $n a^{n-1}$.) A sum hands its gradient to each entry; a pick, `a[key]`, to where it picked.
#
# **Ask the room.** The rule of ReLU is `g * (a.data > 0)`. What does it say about a unit that is off?
#
# <details><summary>One answer</summary>
#
# Its slope is 0: on this row nothing goes back through it, and its weights do not learn. Off on *every* row it is lecture 04's dead unit.
# At exactly 0 there is no slope; the rule takes 0, as PyTorch does.
# </details>

# %%
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

def total(a, axis=None):
    s = a.data.sum(axis, keepdims=axis is not None)      # a summed axis stays, with size 1
    return Tensor(s, (a, lambda g: np.broadcast_to(g, a.data.shape)))

def pick(a, key):
    def rule(g):
        spread = np.zeros_like(a.data)
        np.add.at(spread, key, g)  # spread[key] += g would keep only one of two
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
# A wrong gradient seldom crashes: the net just learns worse. So compare it with two referees, nudges and PyTorch.
#
# The nudge's slope, (up − down) / 2h, is called a **central difference** (중심 차분).
# The same expressions of $a$ (4, 3) and $b$ (3,) run in both engines; the loss is the sum of the result's squared entries.
# The error is *relative*: the largest difference, divided by the largest entry.
# Nudges are tried in double precision (16 digits) and in single (7 digits), at steps $h$ from $10^{-14}$ to 0.1.
#
# **Predict first.** A smaller step $h$ comes closer to the true slope.
# Of $10^{-2}$, $10^{-5}$ and $10^{-12}$, which gives the smallest error?

# %%
predict("05.step", "h = 1e-2", "h = 1e-5", "h = 1e-12")

# %%
A, B = rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(3,))
gallery = {
    "broadcast +, ·": lambda a, b: (a + b) * a * b,
    "a / b": lambda a, b: a / b,
    "matmul": lambda a, b: a @ (a * b)[[0, 1, 2]],  # (4, 3) @ its first three rows
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
    return np.append(a.grad, b.grad)  # 12 + 3 slopes in one list


def pytorchs(f):  # requires_grad=True: note on PyTorch's tape what is done with it
    a, b = torch.tensor(A, requires_grad=True), torch.tensor(B, requires_grad=True)
    (f(a, b) * f(a, b)).sum().backward()
    return np.append(a.grad.numpy(), b.grad.numpy())


def gap(one, other):
    return np.abs(one - other).max() / np.abs(other).max()

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# At the prediction nearly everybody says "the smallest". Two numbers that agree in twelve digits leave four when they are subtracted.
# In the training loop point at `w.data = …`: the update happens on plain numbers, outside the tape. And ask what happens if `w.grad` is not cleared: the gradients of all steps add up.

# %%
def differences(f, h=1e-5, dtype=torch.float64):
    """The gradient of the sum of f², by nudging each of the 15 numbers: (15,)."""
    def loss(flat):
        a = torch.tensor(flat[:12].reshape(4, 3), dtype=dtype)
        b = torch.tensor(flat[12:], dtype=dtype)
        return (f(a, b) * f(a, b)).sum().item()
    flat, nudge = np.append(A, B), h * np.eye(15)  # row i of the table nudges number i
    return np.array([(loss(flat + step) - loss(flat - step)) / (2 * h) for step in nudge])


sizes = 10.0 ** np.arange(-14, 0)
double = {name: np.array([gap(differences(gallery[name], h), ours(gallery[name]))
                          for h in sizes]) for name in ("exp, log", "tanh", "power")}
single = np.array([gap(differences(gallery["tanh"], h, torch.float32),
                       ours(gallery["tanh"])) for h in sizes])
fig, ax = plots.figure("Too large a step is inexact, too small a step is noise",
                       xlabel="step h (log)", ylabel="relative error of the gradient (log)")
for name, errors in (double | {"tanh, single precision": single}).items():
    ax.loglog(sizes, errors, "o-", markersize=4, label=name)
ax.legend(loc="lower left", fontsize=11)
ax.text(2e-10, 1e-4, "rounding: ~ 1/h", color=plots.INK)
ax.text(4e-4, 1e-10, "formula: ~ h²", color=plots.INK)
plots.show("V-shaped curves: in double precision the error is smallest near 1e-5, in "
           "single precision far to the right and higher up.")
worst = {size: max(errors[place] for errors in double.values())
         for size, place in (("h = 1e-2", 12), ("h = 1e-5", 9), ("h = 1e-12", 2))}
outcome("05.step", min(worst, key=worst.get))

# %% [markdown]
# In the picture, ~ is "grows like". On the right the central difference is off by about $h^2$, since the curve is not straight.
# On the left, at $h = 10^{-12}$, the two losses agree in about twelve of sixteen digits: their difference has four left. In single precision a nudge below $10^{-7}$ is rounded away: slope 0, error 1. (An *order of magnitude* is a factor of ten.)
#
# **The library's way.** `torch.autograd.gradcheck(f, inputs)`. A checklist for your own:
#
# 1. Double precision, central differences, $h$ near $10^{-5}$, the relative error. $10^{-7}$ is fine, $10^{-2}$ a mistake; in between, look.
# 2. Stay off kinks. ReLU's slope at 0.000001 is 1; a nudge of 0.00001 finds $0.000011 / 0.00002 = 0.55$.
# 3. The same rows for both. No prices on weights: their gradient can outweigh a wrong one.
# 4. Spoil a rule on purpose (below: tanh). If the check still passes, mend the check.

# %%
tanh_rule, Tensor.tanh = Tensor.tanh, lambda a: Tensor(  # 1 − t in place of 1 − t²
    np.tanh(a.data), (a, lambda g: g * (1 - np.tanh(a.data))))
spoiled, Tensor.tanh = ours(gallery["tanh"]), tanh_rule  # the right rule is back
claim("our engine against PyTorch: largest relative error of nine expressions",
      max(gap(ours(f), pytorchs(f)) for f in gallery.values()), at_most=1e-12)
# places 2 and 9 of the steps: 1e-12 and 1e-5
claim("a step of 1e-12 errs more than one of 1e-5, orders of magnitude",
      min(np.log10(errors[2] / errors[9]) for errors in double.values()), at_least=4)
claim("in single precision the best of all steps errs more, orders of magnitude",
      np.log10(single.min() / double["tanh"].min()), at_least=4.5)
claim("the spoiled rule is caught: relative error",
      gap(spoiled, differences(gallery["tanh"])), at_least=0.5)

# %% [markdown]
# **Train a network with it.** Our engine does it, number for number as PyTorch does.
#
# The digits again: 64 pixels, 32 hidden units with ReLU, ten scores.
# The loss is lecture 01's cross-entropy, $\log \sum_j e^{z_j} - z_t$ with $t$ the true class, averaged over the rows.
# So that nothing overflows, the largest score of each row is taken off first, as a plain number. It cancels in the result, so it needs no gradient.
#
# 1,100 rows train, 200 validate, 497 stay unseen. The second loop is PyTorch's: `zero_grad` clears the gradients, `.backward()` reads the tape, `step()` moves the weights. (SGD is lecture 02's plain descent; `.item()` makes a Python number.) Same start, same batches, double precision.

# %%
digits = data.load("digits")
pixels = (digits.x - digits.x.mean()) / digits.x.std()  # (1797, 64)
X, Y = torch.tensor(pixels), torch.tensor(digits.y)     # the same for PyTorch
train, valid, test = np.split(rng.permutation(len(pixels)), [1100, 1300])
start = [rng.normal(0, 0.2, (64, 32)), np.zeros(32), rng.normal(0, 0.2, (32, 10)),
         np.zeros(10)]
batches = [rng.choice(train, 64)
           for _ in range(run.steps(run.pick(lecture=400, full=2000)))]


def scores(x, w1, b1, w2, b2):
    return (x @ w1 + b1).relu() @ w2 + b2               # (n, 64) -> (n, 32) -> (n, 10)


def cross_entropy(z, labels):
    z = z - z.data.max(axis=1, keepdims=True)
    true_class = z[np.arange(len(labels)), labels]      # of row i the score labels[i]
    return (z.exp().sum(1).log().sum() - true_class.sum()) * (1 / len(labels))


weights, loss_ours = [Tensor(w) for w in start], []
for rows in batches:
    loss = cross_entropy(scores(Tensor(pixels[rows]), *weights), digits.y[rows])
    backward(loss)
    for w in weights:
        w.data = w.data - 0.1 * w.grad
        w.grad = np.zeros_like(w.grad)
    loss_ours.append(loss.data)

theirs, loss_theirs = [torch.tensor(w, requires_grad=True) for w in start], []
descent = torch.optim.SGD(theirs, lr=0.1)
for rows in batches:
    descent.zero_grad()
    loss = F.cross_entropy(scores(X[rows], *theirs), Y[rows])
    loss.backward()
    descent.step()
    loss_theirs.append(loss.item())

# %%
claim("our losses against PyTorch's, step by step: largest difference (nats)",
      np.abs(np.subtract(loss_ours, loss_theirs)).max(), at_most=1e-9)
read = scores(Tensor(pixels[test]), *weights).data.argmax(axis=1) == digits.y[test]
claim("the net that our tape trained reads unseen digits, per cent", 100 * read.mean(),
      at_least=93)
tape.clear()  # judging left notes too

# %% [markdown]
# ## 4 · Forward or backward, and what each costs
#
# On the map: `backprop`
#
# Slopes can be carried forward too. Backward wins where one loss has many weights, and pays for it with memory.
#
# **Forward mode** (전진 모드) carries each value together with its slope by *one* chosen weight. Such a pair is a **dual number** (이원수).
# Choose $w$ of section 1: it is the pair (0.5, 1), since it moves with itself; all other inputs have slope 0.
# So $u = wx$ is (1, 2), $z = u + b$ is (0.6, 2), $a = \tanh z$ is (0.537, $0.712 \cdot 2 = 1.423$), and so on to the loss, (0.214, −1.318).
# The slope of a product follows the *product rule*: slope times other value, plus value times other slope. No tape, nothing to keep:

# %%
class Dual:
    def __init__(self, value, slope):  # the slope is by one chosen input
        self.value, self.slope = value, slope

    def __add__(self, other):
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other, times=np.multiply):  # times: also the matrix product, below
        return Dual(times(self.value, other.value),
                    times(self.slope, other.value) + times(self.value, other.slope))

    def __matmul__(self, other):
        return self.__mul__(other, np.matmul)

    def tanh(self):
        t = np.tanh(self.value)
        return Dual(t, (1 - t**2) * self.slope)


error = (Dual(0.5, 1.0) * Dual(2.0, 0.0) + Dual(-0.4, 0.0)).tanh() + Dual(-1.0, 0.0)
loss = error * error
print(f"loss {loss.value:.3f}, its slope by w {loss.slope:.3f}")

# %% [markdown]
# A walk forward gives all results' slopes by *one* input; a walk back *one* result's by all inputs.
#
# | | walks for a gradient | must keep |
# |---|---|---|
# | nudging | 2 a weight | nothing |
# | forward mode | 1 of pairs (triple work) a weight | nothing |
# | backward mode | 1 a *loss* | every value on the way |
#
# A network, many weights and one loss: backward. One input and many results: forward (PyTorch: `torch.func.jvp(f, inputs, nudges)` gives results and their slopes).
#
# Forward and backward together need at most about 4 times the operations of forward alone: *proved* (Baur & Strassen 1983). A clock also counts the tape.
# Now by the clock: two layers of 8 to 256 units; for nudging and forward mode one walk is timed, times the table's number.
# The engine is `utils/scratch/autograd.py`, our tape grown up. The right picture shows the most memory a walk forward holds.

# %%
def layers(width, depth, rows):
    weights = rng.normal(0, width**-0.5, (depth, width, width))
    return rng.normal(size=(rows, width)), list(weights)


def forward(x, weights):
    for w in weights:
        x = (x @ w).tanh()
    return x


def on_tape(x, weights):
    return autograd.Tensor(x), [autograd.Tensor(w, requires_grad=True) for w in weights]


def seconds(job):
    return median(timeit.repeat(job, number=1, repeat=9))  # of nine runs


def prices(width):
    """Seconds for a whole gradient, three ways, and for one walk forward."""
    x, weights = layers(width, depth=2, rows=4)
    tensors, count = on_tape(x, weights), 2 * width**2
    duals = Dual(x, 0 * x), [Dual(w, 0 * w) for w in weights]
    with autograd.no_grad():
        once = seconds(lambda: forward(*tensors))
    return (2 * count * once, count * seconds(lambda: forward(*duals)),
            seconds(lambda: forward(*tensors).sum().backward()), once)


def held(depth, context):
    """The most memory that a walk through `depth` layers holds at once, in megabytes."""
    tensors = on_tape(*layers(64, depth, rows=64))
    tracemalloc.start()  # counts bytes in use
    with context():      # no_grad: without tape; nullcontext: changes nothing
        forward(*tensors)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6

# %% [markdown]
# The backward walk through a layer needs what went *into* the layer, so all of it is kept. Without a tape, a layer's values can go as soon as the next has used them.
#
# **Ask the room.** Training stops with "out of memory", evaluation does not. Which knobs do you have, and what does each one cost?
#
# <details><summary>One answer</summary>
#
# A smaller batch: a noisier gradient, or several batches whose gradients add up, which takes longer.
# Single or half precision: fewer digits. Keep only every few layers and compute the rest again on the way back (`torch.utils.checkpoint`): about one more forward walk.
# </details>

# %%
widths, depths = np.array([8, 16, 32, 64, 128, 256]), [1, 2, 4, 8, 16, 32]
costs = dict(zip(("nudging", "forward mode", "back-propagation", "one walk forward"),
                 np.transpose([prices(width) for width in widths]), strict=True))
memory = {name: [held(depth, context) for depth in depths] for name, context in
          (("with tape", nullcontext), ("without", autograd.no_grad))}
fig, axes = plots.panels("Backward is cheap in time, and pays in memory",
                         ["two layers: time of one gradient", "64 units: memory"],
                         xlabel="number of weights (log)", ylabel="seconds (log)",
                         size=(10, 4))
colors = [plots.RED, plots.PURPLE, plots.BLUE, plots.GREY]
for (name, line), color, dy in zip(costs.items(), colors, (-9, 4, 6, -6), strict=True):
    axes[0].loglog(2 * widths**2, line, "o-", color=color, markersize=4)
    plots.name(axes[0], 2 * widths[-1] ** 2, line[-1], name, color, dy=dy)
axes[0].set_xlim(right=2 * widths[-1] ** 2 * 400)
for (name, line), color in zip(memory.items(), [plots.BLUE, plots.GREY], strict=True):
    axes[1].plot(depths, line, "o-", color=color)
    plots.name(axes[1], depths[-1], line[-1], name, color)
axes[1].set(xlabel="layers", ylabel="peak memory (MB)", xlim=(0, 45))
plots.show("Left: two low lines, and two that rise steeply with the number of weights. "
           "Right: memory rises with depth with a tape, and is flat without.")

# %%
claim("forward and backward together cost at most 8 forward walks (median ratio)",
      np.median(costs["back-propagation"] / costs["one walk forward"]), at_most=8)
claim("131,072 weights: nudging and forward mode cost more, at least 5,000 times",
      min(costs["nudging"][-1], costs["forward mode"][-1])
      / costs["back-propagation"][-1], at_least=5000)
claim("32 layers hold more memory than 4, with the tape (ratio)",
      memory["with tape"][-1] / memory["with tape"][2], at_least=6)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Ask first: a million weights, a forward walk of one millisecond, how long does a gradient take by nudging? Over half an hour. By back-propagation: a few milliseconds.
# The bounds on time are wide on purpose: a busy machine shifts every time.

# %% [markdown]
# ## 5 · The vanishing gradient
#
# On the map: `vanishing`
#
# On the way back each layer multiplies the gradient. A product of many factors vanishes, or explodes.
#
# Call $h_l$ the output of layer $l$, $z_l$ its scores and $W_l$ its weights, so $z_l = h_{l-1} W_l + b_l$ and $h_l = \sigma(z_l)$.
# Call $\delta_l$ ("delta") the slope of the loss by $h_l$. With one unit a layer, section 1's walk says
#
# $$\delta_{l-1} = \delta_l \cdot \sigma'(z_l) \cdot w_l$$
#
# $\sigma$: any activation; $\sigma'$: its slope. For layers the last factor is section 2's matrix rule ($\odot$ multiplies entry by entry):
#
# $$\delta_{l-1} = \big(\delta_l \odot \sigma'(z_l)\big)\, W_l^\top$$

# %%
s = schematics.Sketch("From layer 20 to layer 1: nineteen factors", width=10, height=1.8)
names = ["x", "layer 1", "layer 2", "…", "layer 19", "layer 20", "loss"]
spots = [(0.6 + 1.46 * i, 1.35) for i in range(7)]
kinds = {"x": "data", "loss": "family", "…": "plain"}
boxes = [s.box(name, at, kind=kinds.get(name, "concept"), fontsize=12)
         for name, at in zip(names, spots, strict=True)]
for i, (a, b) in enumerate(pairwise(boxes)):
    s.arrow(a, b)
    if i:
        s.arrow(b.bottom, a.bottom, "" if i == 5 else "× σ′ × W", bend=0.3,
                color=plots.RED)
s.show("x, layers 1 to 20 and the loss in a row; red arrows lead back from the loss to "
       "layer 1, those between layers labelled: times the slope, times the weights.")

# %% [markdown]
# A sigmoid's slope is at most ¼, at $z = 0$; nineteen of them multiply. That is the **vanishing gradient** (기울기 소실).
#
# And the weights? Each entry of the product by $W_l^\top$ is a sum of 64 terms, backward as forward. An entry of spread (standard deviation) $r$ times a weight of spread $s$ has spread $rs$. Variances of independent terms add: the sum has spread $\sqrt{64}\, rs = 8rs$.
# So weights of spread ⅛ keep the size, and the slopes decide. Five starts, each a bell curve around 0 of this spread:
#
# - 0.01, a habit;
# - $1/\sqrt{64}$ = 0.125, Glorot's start, and four times that;
# - $\sqrt{2/64}$ = 0.177, He's: half of the ReLUs are off, and the 2 makes up for it;
# - 1, written N(0, 1): mean 0, variance 1.
#
# **Predict first.** Sigmoid, Glorot's start (lecture 07 derives it), 20 layers, 19 factors.
# How much weaker is the gradient of layer 1's weights than layer 20's?

# %%
WEAKER = {"about 5 times": 5, "about 80 times": 80, "about a million times": 1e6,
          "over a billion times": 1e11}
predict("05.deep", *WEAKER)

# %%
BENDS = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}
SPREADS = {"0.01": 0.01, "Glorot": 64**-0.5, "He": (2 / 64) ** 0.5,
           "4 × Glorot": 4 * 64**-0.5, "N(0, 1)": 1.0}
images, labels = many.tensor(pixels, run.device), many.tensor(digits.y, run.device)
SIZES = [64] * 21 + [10]  # 64 pixels, 20 layers of 64 units, ten scores


def drawn(start, copies=1, seed=0):
    """Equal copies of a net at its start: (copies, weights). All biases are 0."""
    draw, parts = torch.Generator().manual_seed(1000 * SEED + seed), []  # own dice
    for ins, outs in pairwise(SIZES):
        s = SPREADS[start] if outs == 64 else 64**-0.5  # the scores: Glorot's, always
        parts += [torch.zeros(outs), s * torch.randn(ins * outs, generator=draw)]
    return torch.cat(parts).repeat(copies, 1).to(run.device)


def hidden(theta, x, bend, norm=False, skip=False):
    """The outputs of layer 20: x (n, 64) -> (copies, n, 64)."""
    h = x.expand(len(theta), *x.shape)  # the same x for each net
    for W, b in many.layers(theta, *SIZES)[:-1]:
        z = torch.baddbmm(b, h, W)  # h @ W + b
        if norm:                    # each unit's scores over the rows: mean 0, spread 1
            z = (z - z.mean(1, keepdim=True)) / (z.std(1, keepdim=True) + 1e-3)
        h = h + BENDS[bend](z) if skip else BENDS[bend](z)
    return h


def ten_scores(theta, x, *args, **options):
    V, u = many.layers(theta, *SIZES)[-1]
    return hidden(theta, x, *args, **options) @ V + u  # (copies, n, 10)

# %% [markdown]
# As in lecture 04, a row of `theta` is a net, and `many.layers` cuts it into weights and biases. (`norm` and `skip` come later.)
#
# The picture: the length of the gradient of each layer's weights, before any training. *Length*: the root of the sum of all squared entries. Layer 1 is at the left; the starts' colours are named at the right.

# %%
def gradient_lengths(bend, start, **options):
    """Length of the gradient of each layer's weights at the start, median of 5: (20,)."""
    lengths = []
    for seed in range(5):
        # double: in single precision the smallest number is 1e-45; a last _: in place
        theta = drawn(start, seed=seed).cpu().double().requires_grad_()
        F.cross_entropy(ten_scores(theta, X[:256], bend, **options)[0], Y[:256]).backward()
        lengths.append([W.norm() for W, _ in many.layers(theta.grad, *SIZES)[:-1]])
    return np.median(lengths, axis=0)


lengths = {(bend, start): gradient_lengths(bend, start)
           for bend in BENDS for start in SPREADS}
fig, axes = plots.panels("Activation and start decide together what reaches layer 1", BENDS,
                         xlabel="layer", ylabel="length of the gradient (log)",
                         size=(10, 4), sharey=True)
colors = [plots.GREY, plots.BLUE, plots.GREEN, plots.PURPLE, plots.RED]
for ((bend, start), line), color in zip(lengths.items(), 3 * colors, strict=True):
    axes[list(BENDS).index(bend)].semilogy(range(1, 21), line, color=color)
    if bend == "ReLU":
        apart = {"He": 6, "Glorot": -6}.get(start, 0)
        plots.name(axes[2], 20, line[-1], start, color, dy=apart)
for ax in axes:
    ax.set_xticks([1, 5, 10, 15, 20])
plots.show("Sigmoid: lines fall steeply toward layer 1, but for N(0, 1), nearly flat; most "
           "tanh lines and all ReLU lines are flat, far apart.")

ratio = {name: line[0] / line[-1] for name, line in lengths.items()}  # layer 1 over 20
weaker = 1 / ratio["sigmoid", "Glorot"]
outcome("05.deep", min(WEAKER, key=lambda guess: abs(np.log(WEAKER[guess] / weaker))))

# %%
claim("sigmoid, Glorot: each layer multiplies by about a quarter",
      weaker ** (-1 / 19), at_least=0.23, at_most=0.26)
claim("sigmoid, N(0, 1): layer 1's gradient over layer 20's (ratio)",
      ratio["sigmoid", "N(0, 1)"], at_least=0.005)
claim("ReLU, N(0, 1): the length of layer 1's gradient, orders of magnitude above 1",
      np.log10(lengths["ReLU", "N(0, 1)"][0]), at_least=14)
claim("sigmoid, Glorot: what is left of the pictures in layer 20 (spread over rows)",
      hidden(drawn("Glorot").cpu().double(), X, "sigmoid").std(dim=1).mean(), at_most=1e-6)

# %% [markdown]
# The sigmoid's red line, N(0, 1), falls 10 to 50 times, not billions: most units are saturated, but in the others slopes up to ¼ meet weights that lengthen 8 times. Tanh's red line *grows* on its way back: it explodes (section 6).
#
# ReLU's are flat: $W_l$'s gradient is $h_{l-1}^\top (\delta_l \odot \sigma')$. With a factor $q$ a layer, $h$ is about $q^l$, δ about $q^{20-l}$: together $q^{20}$ in each. So look at the *height*: $10^{-24}$ has vanished everywhere.
#
# | remedy | what it does |
# |---|---|
# | ReLU, a start that fits | slope 1, fitting weights |
# | batch norm (lecture 06) | divides scores, and so the gradient, by their spread |
# | a skip (lecture 11): $h + f(h)$ | slope $1 + f'$: can grow |
#
# Now train with Adam: 300 steps, the same batches, the best of five rates on validation rows.
#
# **Predict first.** Plain sigmoid, 20 layers. Which start gets furthest?

# %%
STARTS = ("Glorot", "4 × Glorot", "N(0, 1)", "none gets above 20 % right")
predict("05.start", *STARTS)

# %%
RATES = [0.0001, 0.0005, 0.002, 0.01, 0.05]


def price(theta, rows, *args, **options):
    """The cross-entropy of each net on these rows: (nets,)."""
    out = ten_scores(theta, images[rows], *args, **options)
    return many.price(out, labels[rows].expand(len(theta), -1)).mean(1)


def per_cent(theta, rows, *args, **options):
    """The share of these rows that each net reads right, in per cent: (nets,)."""
    with torch.no_grad():
        right = ten_scores(theta, images[rows], *args, **options).argmax(-1) == labels[rows]
    return 100 * right.float().mean(1).cpu().numpy()


def at_its_best(bend, *starts, **options):
    """Nets trained from each start at each rate: for each start the accuracies on unseen
    rows, and last that of the rate which `valid` chooses."""
    theta = torch.cat([drawn(start, len(RATES)) for start in starts])
    rates = many.tensor(RATES, run.device).repeat(len(starts))[:, None]
    order = np.random.default_rng(SEED)  # the same batches of 32 for every net
    theta = many.train(
        theta, lambda theta: price(theta, order.choice(train, 32), bend, **options),
        rates, run.steps(run.pick(lecture=300, full=3000)))  # rates fall to 1/50
    choice, unseen = (per_cent(theta, rows, bend, **options).reshape(len(starts), -1)
                      for rows in (valid, test))
    return [[*row, row[place]] for row, place in zip(unseen, choice.argmax(1), strict=True)]


accuracy = dict(zip([f"sigmoid, {start}" for start in STARTS[:3]],
                    at_its_best("sigmoid", *STARTS[:3]), strict=True))

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# Let somebody compute 4 to the power of 19: 275 billion. (Measured: slightly more.)
# At the second prediction nearly everybody says "none"; the flat red line was on the screen two minutes ago.

# %%
accuracy |= dict(zip(["ReLU, 0.01", "ReLU, He"], at_its_best("ReLU", "0.01", "He"),
                     strict=True))
(accuracy["tanh, Glorot"],) = at_its_best("tanh", "Glorot")

# %%
(accuracy["sigmoid + batch norm"],) = at_its_best("sigmoid", "Glorot", norm=True)
(accuracy["sigmoid + skip"],) = at_its_best("sigmoid", "Glorot", skip=True)
(accuracy["ReLU + batch norm"],) = at_its_best("ReLU", "He", norm=True)

# %% [markdown]
# In the table a row is a net, a column the rate of Adam's first step; the rates fall to a fiftieth of it. The numbers are per cent of 497 unseen digits read right (guessing: 8 to 12).
# Bold: at the rate that reads most of the 200 *validation* digits.

# %%
best = {name: row[-1] for name, row in accuracy.items()}
plots.table("The plain sigmoid learns from N(0, 1), the mended nets much faster", accuracy,
            [*map(str, RATES), "chosen"], low=10, digits=0,
            xlabel="first learning rate of Adam: accuracy on unseen digits (%)")
plots.show("Accuracy by net and rate: two nets at chance, two in between, five high at "
           "one rate or more, and none of them best at either end.")
top = max(STARTS[:3], key=lambda start: best[f"sigmoid, {start}"])
outcome("05.start", top if best[f"sigmoid, {top}"] > 20 else STARTS[3])

# %%
claim("sigmoid, Glorot, and ReLU, 0.01, at any rate read at most 16 per cent",
      max(accuracy["sigmoid, Glorot"] + accuracy["ReLU, 0.01"]), at_most=16)
claim("sigmoid, N(0, 1): accuracy, per cent", best["sigmoid, N(0, 1)"], at_least=20)
claim("the worst of the five mended nets: accuracy, per cent",
      min(list(best.values())[4:]), at_least=80)
uneven = gradient_lengths("ReLU", "He", norm=True)
claim("ReLU + batch norm, at the start: layer 1's gradient over layer 20's (ratio)",
      uneven[0] / uneven[-1], at_least=12)

# %% [markdown]
# - **Not the sigmoid alone is to blame, but its product with the start.** From N(0, 1) it learns without any remedy; from Glorot's, where tanh learns, it stays at chance in 300 steps: at the top all pictures give nearly the same numbers, so nothing tells them apart, however Adam scales a step.
# - **An even gradient is not necessary, with Adam.** Under ReLU + batch norm layer 1's gradient is over twelve times layer 20's (last claim), and it learns.
# - **Compare each at its best rate.** One column alone makes some mended nets look broken. No net that learns has its best rate at the grid's edge.
#
# **Ask the room.** Your deep net is stuck at chance. Which two curves do you draw first?
#
# <details><summary>One answer</summary>
#
# The length of the gradient, by layer: does the loss reach the first layers? And the spread of each layer's outputs over the rows: do the pictures still differ at the end?
# </details>

# %% [markdown]
# ## 6 · The exploding gradient, and clipping
#
# On the map: `exploding`
#
# Factors above one make the product grow; clipping tames such a step.
#
# The **exploding gradient** (기울기 폭발) is common where one weight is applied many times, as in lecture 12's nets for sequences.
# The smallest example: twenty one-unit layers, no bend, that share one weight $w$. The input is 1, the output $w^{20}$ should be 1:
#
# $$L(w) = (w^{20} - 1)^2 \qquad L'(w) = 2\,(w^{20} - 1) \cdot 20\, w^{19}$$
#
# At $w = 0.5$ the slope is −0.00008, at $w = 1.15$ it is about 8,700: a step at rate 0.001 moves $w$ by −8.7.
#
# **Clipping** (기울기 자르기) keeps the direction and limits the length. With $g$ the gradients of *all* weights as one vector, $\lVert g \rVert$ its length, $c$ the limit:
#
# $$g \leftarrow g \cdot \min\!\big(1,\ c / \lVert g \rVert\big)$$
#
# The picture: the loss, grey; red, the first step unclipped, off the picture; blue, a dot a step, $c = 10$. (A log scale has no 0: a millionth is added.)

# %%
def shared(w, limit=np.inf, lr=0.001, steps=200):
    path = [Tensor(w)]
    while len(path) <= run.steps(steps) and abs(path[-1].data) < 5:
        backward((path[-1] ** 20 - 1) ** 2)
        w, g = path[-1].data, path[-1].grad
        path.append(Tensor(w - lr * g * min(1, limit / max(abs(g), 1e-12))))  # never / 0
    return np.array([w.data for w in path])

free, clipped = shared(1.15), shared(1.15, limit=10)

# %%
fig, ax = plots.figure("One step off the wall, or many small ones down it",
                       xlabel="weight w", ylabel="loss + 0.000001 (log)")
w = np.sort([*np.linspace(-1.25, 1.17, 400), -1, 1])  # the bottoms, too
ax.semilogy(w, (w**20 - 1) ** 2 + 1e-6, color=plots.GREY)
ax.semilogy(clipped, (clipped**20 - 1) ** 2 + 1e-6, "o-", color=plots.BLUE, markersize=4)
ax.plot([-1.25, 1.15], [230, 230], "<-", color=plots.RED, markevery=[0])
plots.name(ax, -0.62, 530, f"unclipped: to w = {number(free[1].round(1))}", plots.RED)
plots.show("A plateau, two pits, two walls: the clipped path walks down one into a pit.")

# %% [markdown]
# The same on a real net: ReLU with skips. Each layer adds to its input, so lengths grow from layer to layer, and the gradient with them.
# Momentum descent (lecture 02), without a limit and with one of 2, at the same 17 rates, from 0.00000003 to 3, half a power of ten apart. Printed: per cent of unseen digits right at each rate (a net that has blown up reads about 10), and the rate that reads most validation digits.
# Last, tanh from N(0, 1), clipped: is the length its only trouble?

# %%
SLOW = np.geomspace(3e-8, 3, 17)


def by_momentum(limit, bend, start, **options):
    """Per cent right at each rate, on validation and on unseen rows: (17,) and (17,)."""
    theta, lr = drawn(start, len(SLOW)).requires_grad_(), many.tensor(SLOW, run.device)
    speed, order = torch.zeros_like(theta), np.random.default_rng(SEED)  # equal batches
    for _ in range(run.steps(250)):
        cost = price(theta, order.choice(train, 32), bend, **options)
        (g,) = torch.autograd.grad(cost.sum(), theta)  # each net's own gradient
        length = g.norm(dim=1, keepdim=True)           # and its length
        speed = 0.9 * speed + g * (limit / length).clamp(max=1)
        theta.data -= lr[:, None] * speed              # .data: not on the tape
    return [per_cent(theta, rows, bend, **options) for rows in (valid, test)]


unclipped = by_momentum(np.inf, "ReLU", "He", skip=True)
limited = by_momentum(2.0, "ReLU", "He", skip=True)
best = {name: unseen[choice.argmax()] for name, (choice, unseen) in
        {"without": unclipped, "clipped": limited}.items()}
for name, (choice, unseen) in (("without", unclipped), ("clipped", limited)):
    print(f"{name:8}", unseen.round().astype(int), f"rate {SLOW[choice.argmax()]:.0e}")

# %%
claim("clipped, the descent on w arrives: distance from 1", abs(clipped[-1] - 1),
      at_most=1e-3)
claim("ReLU with skips: clipping leads, points of accuracy",
      best["clipped"] - best["without"], at_least=25)
claim("tanh from N(0, 1), clipped, at any rate reads at most 16 per cent",
      by_momentum(2.0, "tanh", "N(0, 1)")[1].max(), at_most=16)

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Usual slip: to clip each weight on its own. That changes the direction; the *global* norm does not.
# A clip that is active at every step is a learning rate in disguise: log how often it bites.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Clipping as a cure-all.** It mends a length, not a direction: tanh from N(0, 1) stays at chance (last claim). ReLU with skips needed it here.
# - **Gradients that were not cleared.** They add up over steps: often the loss falls, then wanders.
# - **A value changed in place.** Between forward and backward, that makes a wrong gradient. PyTorch counts changes and refuses where a rule saved the value, unless they go through `.data`.
# - **A detached piece.** `.detach()`, `.data` or `.item()` in the middle of a loss, and nothing before it learns from that part, silently. (`.numpy()` refuses.)
# - **The tape left on.** Evaluation then eats memory; use `torch.no_grad()`.
# - **Tapes kept alive.** `total += loss` keeps every tape; add `loss.item()`.
# - **One nan.** It can reach every weight. Check that the loss is finite before the step.
#
# <details><summary>Who found it: a short history</summary>
#
# The chain rule is from the seventeenth century; what had to be found is the *order* of the products, and what it is good for.
# Wengert (1964) described forward mode, Linnainmaa (1970; 1976) backward mode for any program, to follow rounding errors.
# Werbos (1974; 1982) proposed it for networks. Parker and LeCun (both 1985) found it again.
# Rumelhart, Hinton and Williams (1986) made it known: hidden units learn features that nobody had thought of.
# Hochreiter (1991) explained why deep nets did not learn: the gradient vanishes or explodes.
# </details>

# %% [markdown]
# ## Summary
#
# 1. Back-propagation is the chain rule, walked from the loss backward, each piece computed once.
# 2. An engine is a tape of small rules; what is used twice gets both gradients, added.
# 3. One loss, many weights: backward mode, a few forward walks and the memory of all layers. One knob, many results: forward mode.
# 4. Deep means a product of many factors: below one it vanishes, above one it explodes.
# 5. A start that fits the activation, batch norm or skips help the product; clipping limits the length of a step.
#
# ## Exercises and further reading
#
# `dlmap start 05`, then open `exercises/work/05_exercises.ipynb`: seven tasks, about 125 minutes.
#
# <details><summary>Papers and books</summary>
#
# - R. E. Wengert (1964), *A simple automatic derivative evaluation program*, Communications of the ACM 7.
# - S. Linnainmaa (1976), *Taylor expansion of the accumulated rounding error*, BIT 16.
# - P. J. Werbos (1982), *Applications of advances in nonlinear sensitivity analysis*, in: System Modeling and Optimization, Springer.
# - W. Baur, V. Strassen (1983), *The complexity of partial derivatives*, Theoretical Computer Science 22.
# - D. E. Rumelhart, G. E. Hinton, R. J. Williams (1986), *Learning representations by back-propagating errors*, Nature 323.
# - S. Hochreiter (1991), *Untersuchungen zu dynamischen neuronalen Netzen*, diploma thesis, TU München.
# - X. Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*, AISTATS.
# - R. Pascanu, T. Mikolov, Y. Bengio (2013), *On the difficulty of training recurrent neural networks*, ICML.
# - K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*, ICCV.
# </details>
