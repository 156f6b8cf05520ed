# %% [markdown]
# # 18 · Frameworks
#
# **Question.** NumPy, Theano, TensorFlow, JAX, PyTorch and Keras compute the same numbers. What do they do differently, and what does that decide for you?
#
# **You will be able to** write one network in seven ways and show that they agree; build a static graph that differentiates and compiles itself; say what a framework does with an `if`; say what `torch.compile` saves, and when; choose a number format, and a scale for the loss; find where a training loop spends its time; train on two processes.
#
# **Needs** 02, 05 · **Minutes** 95 to teach, 150 to study · **CPU** 35 s
#
# On the map: `frameworks` · `theano` · `tensorflow` · `torch` · `keras`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import copy
import inspect
import io
import itertools
import math
import os
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile, record_function

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import autograd, frameworks, graphs, parallel

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)
frameworks.keep_quiet()  # the others log errors only, and write into the course's cache

# %%
concept_map.show("18")

# %% [markdown]
# ## 1 · One network, four times
#
# On the map: `frameworks` · `torch` · `keras`
#
# A **framework** (프레임워크) finds gradients for you and runs the work on a CPU or a GPU. It does not change the mathematics.
#
# The smallest example has one weight. The prediction is $w\,x$, with the weight $w = 0.5$ and the input $x = 2$; the target is 3.
# The loss is $(wx - 3)^2 = (1 - 3)^2 = 4$.
# Its slope is $2\,(wx - 3)\,x = 2 \cdot (-2) \cdot 2 = -8$.
# A step with the rate 0.1 takes $w$ to $0.5 + 0.1 \cdot 8 = 1.3$.
#
# You found the slope. Lecture 05's tape, `utils/scratch/autograd`, finds it too.
# So does **PyTorch** (파이토치), which you have used since lecture 01.

# %% [markdown] tags=["notes"]
# **Notes for the room (17 minutes).**
#
# Show the four programs side by side. Ask which lines vanish from one to the next: first the gradients, then the layers' formulas, last the step itself.
# The sentence for the board: every line that vanishes is a line that you cannot get wrong, and cannot see.
# The wrong answer to expect at the prediction is "to the last bit": the same formula, so the same number. Rounding depends on the order of additions.

# %%
for library in (autograd.Tensor, torch.tensor):
    w = library(0.5, requires_grad=True)
    loss = (w * 2 - 3) ** 2
    loss.backward()
    print(f"{library.__module__:<25} slope {float(w.grad):g}")

# %% [markdown]
# Now a network: 64 pixels of lecture 00's digits, 32 tanh units, 10 logits.
# The loss is cross-entropy, the method plain gradient descent on batches of 64 rows.
# All programs get the same weights to start from, and the same batches.
#
# First by hand, in NumPy: forward, then the chain rule from the end to the start, as in lecture 05.
# `z - z.max(...)` keeps exponentials at most 1, and the logarithm is taken of their *sum*: nothing overflows, and no probability of 0 meets a logarithm.

# %%
table = data.load("digits")
X, Y = (table.x / 16).astype(np.float32), table.y.astype(np.int64)  # (1797, 64), (1797,)
LR, STEPS = 0.5, run.steps(run.pick(lecture=80, full=150))
batches = [rng.permutation(len(X))[:64] for _ in range(STEPS)]
W1, W2 = [(rng.normal(size=shape) / math.sqrt(shape[0])).astype(np.float32)
          for shape in ((64, 32), (32, 10))]
start = [W1, np.zeros(32, np.float32), W2, np.zeros(10, np.float32)]  # W1, b1, W2, b2


def by_hand():
    W1, b1, W2, b2 = (w.copy() for w in start)
    losses = []
    for rows in batches:
        x, y, n = X[rows], Y[rows], len(rows)
        h = np.tanh(x @ W1 + b1)                                 # (n, 32)
        z = h @ W2 + b2                                          # (n, 10)
        z = z - z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        losses.append(-log_p[np.arange(n), y].mean())
        dz = np.exp(log_p)
        dz[np.arange(n), y] -= 1                                 # lecture 01: p - y
        dz /= n
        dh = (dz @ W2.T) * (1 - h * h)
        for w, grad in ((W1, x.T @ dh), (b1, dh.sum(0)), (W2, h.T @ dz), (b2, dz.sum(0))):
            w -= LR * grad
    return losses

# %% [markdown]
# Then with the tape: the gradients vanish from our code.
# Then in PyTorch: it brings the layers, the optimizer and devices.
# A **device** (장치) is where a tensor lies, a CPU or a GPU; `.to(device)` copies it, and an operation wants all its inputs on the same one.
#
# **Keras** (케라스) is an interface above a framework: even the step vanishes.
# It runs on TensorFlow, JAX or PyTorch, its **back end** (백엔드), and reads once, at import, which one.
# For a second back end we need a second process. `frameworks.elsewhere` sends the *text* of a function to a new process.
# So `by_keras` imports what it uses, and gets all else as arguments.

# %%
def by_tape():
    weights = [autograd.Tensor(w, requires_grad=True) for w in start]
    W1, b1, W2, b2 = weights
    losses = []
    for rows in batches:
        loss = autograd.cross_entropy((autograd.Tensor(X[rows]) @ W1 + b1).tanh() @ W2 + b2,
                                      Y[rows])
        autograd.zero_grad(weights)
        loss.backward()
        autograd.descend(weights, LR)
        losses.append(loss.item())
    return losses

def torch_net():
    net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    with torch.no_grad():
        for p, w in zip(net.parameters(), start, strict=True):
            p.copy_(torch.tensor(w.T))  # nn.Linear holds its weights on their side
    return net.to(run.device)


x_all, y_all = torch.tensor(X, device=run.device), torch.tensor(Y, device=run.device)


def by_torch():
    net, losses = torch_net(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    for rows in batches:
        loss = F.cross_entropy(net(x_all[rows]), y_all[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %%
def by_keras(start, X, Y, batches, lr, device):
    import keras

    with keras.device(device):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "tanh"),
                                  keras.layers.Dense(10)])
        model.compile(keras.optimizers.SGD(lr),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.set_weights(start)
        losses = []
        for rows in batches:
            model.reset_metrics()  # what train_on_batch returns is a mean since the reset
            losses.append(float(model.train_on_batch(X[rows], Y[rows])))
    return keras.backend.backend(), losses

# %% [markdown]
# **Predict first.** Four programs, 80 steps, numbers of 32 bits. How far will the four curves agree?

# %%
AGREE = "not even to one decimal", "to four decimals or more", "to the last bit"
predict("18.agree", *AGREE)

# %%
os.environ["KERAS_BACKEND"] = "torch"  # read when by_keras imports keras, below
given = start, X, Y, batches, LR
curves = {"NumPy by hand": by_hand(), "our tape": by_tape(), "PyTorch": by_torch(),
          "Keras": by_keras(*given, str(run.device))[1]}


def apart(losses):
    """The largest difference from NumPy's curve; None where there is no curve."""
    return losses and np.abs(np.subtract(losses, curves["NumPy by hand"])).max()


fig, ax = plots.figure("Four programs, one curve", xlabel="step", ylabel="loss (nats)")
for row, (way, color, width) in enumerate(zip(
        curves, (plots.SKY, plots.ORANGE, plots.GREEN, plots.INK), (11, 7.5, 4.5, 1.2),
        strict=True)):
    ax.plot(curves[way], color=color, linewidth=width)
    ax.text(0.55, 0.9 - 0.09 * row, way, color=color, fontweight="bold",
            transform=ax.transAxes)
plots.show("Four loss curves lie exactly on top of each other and fall from above two to "
           "below a half.")
off = max(map(apart, curves.values()))
claim("largest difference between the four loss curves, in nats", off, at_most=1e-5)
claim("and the network learns: the loss falls by, in nats",
      np.mean(curves["PyTorch"][:5]) - np.mean(curves["PyTorch"][-5:]), at_least=1.5)
outcome("18.agree", AGREE[0 if off > 0.05 else 1 if off > 0 else 2])

# %% [markdown]
# They agree up to rounding: each framework adds up in its own order, and the last bits of a sum depend on the order.
#
# **Ask the room.** If they all compute the same: why do two teams with two frameworks get different results?
#
# <details><summary>One answer</summary>
#
# Their defaults differ: the start of the weights, Adam's ε, and settings of layers from lectures 06 and 10.
# We handed over the weights and the batches. To compare frameworks, do that first.
# </details>
#
# Now the same function `by_keras` on **JAX** (잭스), in a process of its own. JAX has no layers and no optimizers; Keras brings them. Its own turn comes in section 4.

# %%
def keras_on_jax():
    return frameworks.elsewhere(by_keras, *given, "cpu:0", KERAS_BACKEND="jax")


backend, losses = frameworks.where("jax", keras_on_jax) or (None, None)
print("Keras ran on", backend)
claim("Keras on JAX: largest difference from NumPy's curve, in nats",
      apart(losses), at_most=1e-5, needs="JAX (`make frameworks`)")

# %% [markdown]
# ## 2 · A static graph: define, compile, run
#
# On the map: `theano`
#
# If the formula is known before the numbers, a program can differentiate and improve it like any other text.
#
# The tape computes each line at once and notes what happened. This is called **eager** (즉시 실행).
# **Theano** (테아노) went the other way. Python code does not compute there; it *describes*.
# Every operation adds a node to an **expression graph** (식 그래프).
# Then the graph is compiled, once. Then it runs, often.
#
# We build such an engine. By hand: `x + 1` computes nothing. It makes a node `add` with two arguments, the input `x` and the constant 1.
# Python calls `__add__` when it meets `+`, and `__radd__` where the node stands on the right, as in `1 + x`.

# %%
s = schematics.Sketch("Eager computes line by line; a graph is read whole, then run")
for y, row in ((2.3, ["a line of\nPython", "its number,\nat once", "a note on\nthe tape"]),
               (0.8, ["all lines\nof Python", "graph", "fold, share", "program"])):
    shapes = [s.box(text, (2.1 + 1.95 * i, y)) for i, text in enumerate(row)]
    for a, b in itertools.pairwise(shapes):
        s.arrow(a, b)
    s.text("static" if y < 1 else "eager", (0.6, y), fontweight="bold")
s.show("Above: a line, its number, a note on the tape. Below: lines, graph, program.")

# %% [markdown] tags=["notes"]
# **Notes for the room (22 minutes).**
#
# Type `x + 1` and show that nothing is computed. That is the hurdle for newcomers; let them stumble here.
# The rules of `GRAD` return nodes, not numbers: the gradient is a graph too, and goes through the same passes.
# At the prediction most say "a seventh". Let them count: the program wrote the formula twice.

# %%
@dataclass(eq=False)
class Node:
    op: str
    args: tuple = ()
    value: object = None  # the name of an input, the number of a constant

    def __add__(self, other): return Node("add", (self, lift(other)))
    def __mul__(self, other): return Node("mul", (self, lift(other)))
    def __truediv__(self, other): return Node("div", (self, lift(other)))
    def __gt__(self, other): return Node("gt", (self, lift(other)))
    def __bool__(self):
        raise TypeError("a node has no value yet, so Python cannot decide on it")
    __radd__, __rmul__ = __add__, __mul__


def lift(value):
    return value if isinstance(value, Node) else Node("const", value=float(value))


def tanh(a): return Node("tanh", (lift(a),))
def sqrt(a): return Node("sqrt", (lift(a),))


print(Node("input", value="x") + 1)

# %% [markdown]
# Our example is lecture 04's GELU, in the form that uses tanh:
#
# $$\text{gelu}(x) = \tfrac12\, x \left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right)$$
#
# The gradient is built by walking the graph backward, as the tape does. But a rule takes nodes, `g`, the gradient so far, `out`, its own, and gives nodes.
# For a product $a \cdot b$: the slope for $a$ is $g \cdot b$, and for $b$ it is $g \cdot a$.
# `graphs.order` lists the nodes, arguments before what uses them.

# %%
GRAD = {
    "add": lambda g, out, a, b: (g, g),
    "mul": lambda g, out, a, b: (g * b, g * a),
    "div": lambda g, out, a, b: (g / b, -1 * g * out / b),
    "tanh": lambda g, out, a: (g * (1 + -1 * out * out),),
    "sqrt": lambda g, out, a: (0.5 * g / out,),
}


def gradient(root, wrt):
    """The node of d root / d wrt, entry by entry."""
    grads = {root: lift(1)}
    for node in reversed(graphs.order(root)):
        if node.args and node in grads:
            for a, g in zip(node.args, GRAD[node.op](grads[node], node, *node.args),
                            strict=True):
                grads[a] = grads[a] + g if a in grads else g
    return grads[wrt]


def formula(x):
    return 0.5 * x * (1 + tanh(sqrt(lift(2) / math.pi) * (x + 0.044715 * x * x * x)))


x = Node("input", value="x")
gelu, slope = formula(x), gradient(formula(x), x)  # written twice, as users do

# %% [markdown]
# Now the passes over the graph.
#
# - **Constant folding** (상수 접기) computes at once what depends on no input, such as $\sqrt{2/\pi}$, and drops a factor of 1.
# - **Common-subexpression elimination** (공통 부분식 제거), CSE for short, keeps one node where several say the same.
# - **Fusion** (연산 융합) writes what is left as one function.
#
# Our program writes the formula twice, once for its value and once for its slope.
#
# **Predict first.** Which share of the operations do folding and CSE remove together?

# %%
SHARES = {"a seventh": 1 / 7, "a third": 1 / 3, "a half": 1 / 2, "two thirds": 2 / 3}
predict("18.operations", *SHARES)

# %%
def improve(roots, fold=True, share=True):
    """The same values from fewer operations: a new graph."""
    new, known = {}, {}
    for node in graphs.order(*roots):
        args = tuple(new[a] for a in node.args)
        numbers = [a.value for a in args if a.op == "const"]
        made = Node(node.op, args, node.value)
        if fold and args and len(numbers) == len(args):
            made = lift(graphs.compute(node.op, *numbers))
        elif fold and node.op == "mul" and 1.0 in numbers:
            made = args[0] if args[1].op == "const" else args[1]
        names = [id(a) for a in made.args]
        names = sorted(names) if made.op in ("add", "mul") else names  # in any order
        key = made.op, made.value, *names                              # what the node says
        new[node] = known.setdefault(key, made) if share else made
    return [new[root] for root in roots]


def operations(roots): return sum(bool(node.args) for node in graphs.order(*roots))


written = [gelu, slope]
improved = improve(written)
count = {"as written": operations(written),
         "constants folded": operations(improve(written, share=False)),
         "folded, then shared": operations(improved)}
plots.bars("Folding and sharing remove work before it begins", count, xlabel="operations")
plots.show("Bars, operations of gelu and slope as written, folded and shared: fewer each.")
left = count["folded, then shared"] / count["as written"]
claim("share of the operations that is left", left, at_most=0.7)
outcome("18.operations", min(SHARES, key=lambda name: abs(SHARES[name] - (1 - left))))

# %% [markdown]
# The graph of the value alone, before and after. Arrows lead from an argument to what uses it.
#
# There are two ways to run it. `graphs.walk` goes from node to node and keeps every result.
# `graphs.fuse` writes one function, and puts what is used once where it is used.
# By hand: the nodes of $0.5 \cdot (x + 1)$ become the line `return (0.5 * (x + 1.0))`.

# %%
s = schematics.Sketch("The formula as data: constants orange, the input green",
                      width=9.6, height=6.2)
for root, side, text in ((gelu, 0.3, "as written"), (improve([gelu])[0], 5.3, "improved")):
    graphs.draw(s, root, side, 3.4)
    s.text(text, (side + 2, 6), fontweight="bold")
s.show("Two graphs of gelu: as written with several constants, and smaller when improved.")

# %%
program, source = graphs.fuse(improved)
print(source)
values = rng.normal(size=1000)
tape = torch.tensor(values, requires_grad=True)
F.gelu(tape, approximate="tanh").sum().backward()
claim("largest difference of our compiled slope from PyTorch's",
      np.abs(program(values)[1] - tape.grad.numpy()).max(), at_most=1e-10)

# %% [markdown]
# Which of the two makes it fast, fewer operations or one function? Measure all four.

# %%
timed, forms = {}, {"as written": written, "improved": improved}
for n, (name, roots) in itertools.product((10, 20_000), forms.items()):
    timed[n, name, "walk"] = frameworks.fastest(graphs.walk, roots, np.ones(n))
    timed[n, name, "fused"] = frameworks.fastest(graphs.fuse(roots)[0], np.ones(n))
print(*(f"{took:5.0f} µs for {way}" for way, took in timed.items()), sep="\n")
claim("ten numbers: the walk takes at least twice the time of the fused function; ratio",
      timed[10, "improved", "walk"] / timed[10, "improved", "fused"], at_least=2)

# %% [markdown]
# On ten numbers the walk costs most: Python's own work, a node at a time.
# On 20,000 numbers the arrays cost most. How much depends on the process: in one that gets fresh memory for each array, we measured 2.3 ms for the walk as written, instead of 0.2.
# Fewer operations made the walk a third shorter in either case. One function, which lets go of used arrays, saved a third of the 0.2 and three quarters of the 2.3.
#
# Still, NumPy writes an array for every operation. Theano generated C code with *one* loop over all of them.
# It lives on as **PyTensor** (파이텐서), which makes a single node of the formula and its slope, `Composite`.
# Compiling our network takes some 20 seconds: there we ask for a walk.

# %%
def gelu_in_pytensor():
    import pytensor
    import pytensor.tensor as pt
    x = pt.vector("x")
    gelu = 0.5 * x * (1 + pt.tanh(pt.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    program = pytensor.function([x], [gelu, pytensor.grad(gelu.sum(), x)])
    [node] = program.maker.fgraph.toposort()  # all nodes of the compiled graph: one
    print(node, "is", *[inner.op for inner in node.op.scalar_op.fgraph.toposort()])
    return program(values)[1]


def by_pytensor():
    import pytensor
    import pytensor.tensor as pt
    x, y, weights = pt.fmatrix("x"), pt.lvector("y"), [pytensor.shared(w) for w in start]
    W1, b1, W2, b2 = weights
    logits = pt.tanh(x @ W1 + b1) @ W2 + b2
    loss = -pt.special.log_softmax(logits, axis=1)[pt.arange(y.shape[0]), y].mean()
    updates = [(w, w - np.float32(LR) * g) for w, g in
               zip(weights, pytensor.grad(loss, weights), strict=True)]
    walk = pytensor.compile.Mode(linker="py")
    step = pytensor.function([x, y], loss, updates=updates, mode=walk)
    return [float(step(X[rows], Y[rows])) for rows in batches]


PT, their = "PyTensor (`make frameworks`)", frameworks.where("pytensor", gelu_in_pytensor)
off = None if their is None else np.abs(their - program(values)[1]).max()
claim("PyTensor's one node: largest difference of its slopes from ours", off,
      at_most=1e-10, needs=PT)
off = apart(frameworks.where("pytensor", by_pytensor))
claim("PyTensor: largest difference from NumPy's loss curve, in nats", off,
      at_most=1e-5, needs=PT)

# %% [markdown]
# ## 3 · Define by run: the graph is what happened
#
# On the map: `torch`
#
# PyTorch records while it computes. So Python's `if` and `while` need no counterpart in the graph.
#
# **Torch** (토치; 2002) had layers in C++; its later versions, up to Torch7 (2011), in C and Lua.
# Chainer (2015) recorded the graph while Python ran: **define by run** (실행하며 정의). PyTorch took both on.
#
# By hand: halve 5 until it is at most 1. $5 \to 2.5 \to 1.25 \to 0.625$ are three halvings. The result is $x / 8$, so the slope is 1/8.
# From 1000 it takes ten halvings, and the slope is $2^{-10}$. Each input has a graph of its own.
#
# **Ask the room.** What would a static graph need, to say "until it is at most 1"?
#
# <details><summary>One answer</summary>
#
# Loops as nodes, with a body that is a graph itself: Theano has `scan`, TensorFlow `tf.while_loop`, JAX `lax.while_loop`.
# Python's own `while` runs while the graph is described, when there is no number to compare.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
#
# Ask who would like to debug a loop that is a node. That is why the field left the static graph.
# The price of define by run: no one sees the whole, so no one can improve it. Section 4 is about that price.

# %%
def shorten(x):
    while x > 1:
        x = x / 2
    return x


x = torch.tensor([5.0, 1000.0], requires_grad=True)
sum(shorten(number) for number in x).backward()
print("slopes", x.grad.tolist())
claim("halvings from 1000, by the slope", -math.log2(x.grad[1]), at_least=10, at_most=10)

# %% [markdown]
# ## 4 · The circle closes: graphs traced out of Python
#
# On the map: `theano` · `tensorflow` · `torch` · `keras`
#
# Write eager code, and let the framework read a graph off it: Theano's idea without Theano's style.
#
# The field went from static to dynamic and, since about 2018, to dynamic code with a graph on demand.
# Theano was developed at Montreal from 2007 and published in 2010. Keras began in 2015 on top of it.
# Theano's makers ended its development in 2017, and Chainer's theirs in 2019.
# JAX and TorchScript, both of 2018, traced graphs out of eager code; TensorFlow 2 and `torch.compile` followed.

# %%
HISTORY = [(2002, "Torch", "layers"), (2007, "Theano begun", "static"),
           (2010, "Theano published", "static"), (2013, "Caffe", "layers"),
           (2015, "Keras", "layers"), (2015, "Chainer", "dynamic"),
           (2015.8, "TensorFlow", "static"), (2016.7, "PyTorch", "dynamic"),
           (2018.9, "JAX", "both"), (2018.9, "TorchScript", "both"),
           (2019.7, "TensorFlow 2", "both"), (2023, "PyTensor", "static"),
           (2023.2, "torch.compile", "both"), (2023.9, "Keras 3", "layers")]
KIND = {"layers": plots.GREY, "static": plots.RED, "dynamic": plots.BLUE,
        "both": plots.GREEN}

fig, ax = plots.figure("Static, then dynamic, then both", xlabel="year", ylabel="",
                       size=(9.5, 4.6))
for row, (year, label, kind) in enumerate(HISTORY):
    ax.plot(year, -row, "o", color=KIND[kind], markersize=9)
    plots.name(ax, year, -row, f"{label} ({kind})", KIND[kind], dx=10)
ax.set(xlim=(2001, 2029), yticks=[])
plots.show("Timeline from Torch in 2002, Theano, Caffe, TensorFlow, Keras, PyTorch, JAX "
           "to Keras 3 in 2023.")

# %% [markdown] tags=["notes"]
# **Notes for the room (25 minutes).**
#
# Let the room find the word "traced" in what is printed: it comes once, though the function is called twice.
# Before the table of the `if`, ask each framework's friend in the room to answer for it.
# Compiling takes seconds; ask how often a function must run until it has paid. With 300 µs saved a call: about 20,000 calls.
# Recompiling is the other surprise: a graph holds for the shapes and Python numbers that it was traced with.
# Dates in the picture are first public releases, or years of publication; sources differ by months.

# %% [markdown]
# **TensorFlow** (텐서플로) began in 2015 with Theano's way. Its first version had inputs without values, `tf.placeholder`, and a `tf.Session` that ran the graph.
# An error in the formula appeared at `session.run`, far from the line at fault. A `print` showed a node.
#
# TensorFlow 2 (2019) is eager. `tf.GradientTape` is its tape.
# And `tf.function` turns a Python function into a graph: at the first call it runs the function once with inputs *without values*, and keeps the operations it meets. That is called **tracing** (트레이싱).
#
# In our network the forward pass, the gradient and the step are one graph, traced once for all calls.
# `noisy` uses Python's own `random`. How many different results will five calls give?

# %%
def eager_and_traced():
    import tensorflow as tf

    w = tf.Variable(0.5)
    with tf.GradientTape() as tape:
        loss = (w * 2 - 3) ** 2
    print("eager: loss", loss.numpy(), "slope", tape.gradient(loss, w).numpy())

    @tf.function
    def plain(x):
        print("traced with", x)  # Python's print: only while the function is traced
        return tf.tanh(x * 2 + 1)

    print(plain(tf.constant(0.0)).numpy(), plain(tf.constant(1.0)).numpy())
    graph = plain.get_concrete_function(tf.constant(0.0)).graph
    for op in graph.get_operations():
        print(f"{op.name:<9} {op.type:<12}", *[i.op.name for i in op.inputs])


frameworks.where("tensorflow", eager_and_traced)

# %%
def noisy(x):
    return x + random.random()


def by_tensorflow():
    import tensorflow as tf

    weights = [tf.Variable(w) for w in start]

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            W1, b1, W2, b2 = weights
            logits = tf.tanh(x @ W1 + b1) @ W2 + b2
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        for w, g in zip(weights, tape.gradient(loss, weights), strict=True):
            w.assign_sub(LR * g)
        return loss

    losses = [float(step(X[rows], Y[rows])) for rows in batches]
    draw_once = tf.function(noisy)
    draws = {float(draw_once(tf.constant(0.0))) for _ in range(5)}
    return losses, step.experimental_get_tracing_count(), len(draws)


losses, traces, draws = frameworks.where("tensorflow", by_tensorflow) or [None] * 3

TF = "TensorFlow (`make frameworks`)"
claim("TensorFlow: largest difference from NumPy's loss curve, in nats",
      apart(losses), at_most=1e-5, needs=TF)
claim("TensorFlow traces its step, times in all calls", traces, at_most=1, needs=TF)
claim("`noisy` under tf.function: different results of five", draws, at_most=1, needs=TF)

# %% [markdown]
# The random number was drawn while the function was *traced*; in the graph it is a constant. A random batch drawn so would be the same for ever. So each framework has random operations of its own.
#
# JAX (2018) traces too, under `jax.jit`. Its graph is the **jaxpr** (잭스 식). `jax.grad` makes of a function the function of its slope.
#
# `torch.compile` reads the graph off the running byte code, for a compiler.
# `frameworks.captured` puts a compiler of our own behind it, which only keeps the graphs.

# %%
def in_jax():
    import jax
    import jax.numpy as jnp

    print("slope", jax.grad(lambda w: (w * 2 - 3) ** 2)(0.5))
    print(jax.make_jaxpr(lambda x: jnp.tanh(x * 2 + 1))(0.0))


frameworks.where("jax", in_jax)

# %%
def plain(x):
    return torch.tanh(x * 2 + 1)


unbroken, result = frameworks.captured(plain, torch.ones(5, device=run.device))
print(unbroken[0].code.strip())
claim("a plain formula is captured in one graph", len(unbroken), at_least=1, at_most=1)

# %% [markdown]
# **Predict first.** `deciding` has an `if` on a *value*. Our engine cannot: when the graph is described, there is no value.
# What will `torch.compile` do?

# %%
CHOICES = "refuse it", "one graph with both branches", "two graphs, Python between"
predict("18.if", *CHOICES)

# %%
def deciding(x):
    if x > 0:
        return x * 2
    return x + 1


answers = frameworks.answers(deciding, lambda: deciding(Node("input", value="x")))
print(*(f"{name:<14} {said}" for name, said in answers.items()), sep="\n")
cuts = len(frameworks.captured(deciding, torch.ones((), device=run.device))[0])
outcome("18.if", CHOICES[min(cuts, 2)])

# %% [markdown]
# Three ways, then. PyTensor and `jax.jit` refuse; you write the choice as a node, `ifelse` or `lax.cond`.
# TensorFlow reads the *text* of the function, and makes a node that holds both branches.
# `torch.compile` ends the graph at the line that needs a value, lets Python decide, and starts another graph: a **graph break** (그래프 끊김). That costs at each call.
# None of them quietly takes the branch of the first call.
#
# And the speed? The default compiler, **inductor** (인덕터), writes C++ for a CPU and Triton for a GPU.
# GELU written out has nine operations, and each of them reads and writes memory. Inductor makes one loop.
#
# `torch.export`, in the last cell, goes all the way: one whole graph, saved to a file, run without the Python code that made it.

# %%
def gelu_torch(x):
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + torch.tanh(inner))


many = torch.randn(200_000)  # on the CPU
ways = {"nine operations": gelu_torch, "F.gelu": lambda x: F.gelu(x, approximate="tanh")}
if frameworks.compiler():
    torch.compiler.reset()
    ways["compiled"] = torch.compile(gelu_torch)  # compiles when it is called first
else:
    print("torch.compile needs a C++ compiler, and there is none on this machine")
took = {name: frameworks.fastest(function, many) for name, function in ways.items()}
plots.bars("GELU: one loop over the numbers instead of nine", took,
           xlabel="µs for 200,000 numbers", colors={"compiled": plots.GREEN})
plots.show("Bars: nine operations take longest, F.gelu and the compiled version far less.")
ratio = took["compiled"] / took["nine operations"] if "compiled" in took else None
claim("compiled, GELU takes less than 0.8 of the time of its nine operations; ratio", ratio,
      at_most=0.8, needs="a C++ compiler")

# %%
net = torch_net().eval()
exported = torch.export.export(net, (x_all[:64],))
torch.export.save(exported, file := io.BytesIO())
file.seek(0)
again = torch.export.load(file).module()
print(*(f"{n.op:<14} {n.name:<12} {n.args}" for n in exported.graph.nodes), sep="\n")
claim("the saved program gives the same logits: largest difference",
      (again(x_all[:64]) - net(x_all[:64])).abs().max().item(), at_most=1e-5)

# %% [markdown]
# ## 5 · Number formats, and where the time goes
#
# On the map: `torch`
#
# Fewer bits are faster on the hardware made for them, and lose small numbers. The loop around the network may cost more than the network.
#
# `float32` keeps 24 binary digits, `float16` 11, `bfloat16` 8, but reaches as far as `float32`.
# Add 0.001 to a sum ten thousand times. Once 0.001 is less than half the gap to the format's next number, nothing is added any more.
# Just before, steps are rounded *up* to a whole gap, and the sum runs ahead: the kinks.
#
# Hence **mixed precision** (혼합 정밀도): weights and sums in `float32`, matrix products in fewer bits. **Autocast** (자동 형 변환) chooses per operation.

# %%
N = 10_000
sums = {}
for name, dtype in {"float32": torch.float32, "float16": torch.float16,
                    "bfloat16": torch.bfloat16}.items():
    total, small = torch.zeros((), dtype=dtype), torch.tensor(0.001, dtype=dtype)
    trail = []
    for _ in range(N):
        total = total + small
        trail.append(total)
    sums[name] = torch.stack(trail).double().numpy()

fig, ax = plots.figure("A small update is lost when the number is large",
                       xlabel="updates of 0.001", ylabel="sum")
for (name, trail), color in zip(sums.items(), (plots.BLUE, plots.ORANGE, plots.RED),
                                strict=True):
    ax.plot(trail, color=color)
    plots.name(ax, 0.72 * N, trail[int(0.72 * N)], name, color, dy=12, dx=-60)
plots.show("Sums of ten thousand small numbers: "
           "float32 reaches 10, float16 stops near 4, bfloat16 near 0.5.")
claim("the sum in float16 stops at", sums["float16"][-1], at_least=4, at_most=4)
claim("the sum in bfloat16 stops at", sums["bfloat16"][-1], at_least=0.5, at_most=0.5)
with torch.autocast(run.device.type, dtype=torch.bfloat16), torch.no_grad():
    print("under autocast: weights", net[0].weight.dtype, "logits", net(x_all).dtype)

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# A weight is such a sum, and an update such a small number. Ask at which value each format will stop.
# Answer: bfloat16 at 0.5, float16 at 4. There the spacing is 0.0039; half of it is more than 0.001.
# In the picture of the scale let somebody say why the line ends on the right: numbers over 65,504.

# %% [markdown]
# The other end: above 0, `float16` begins at $6 \cdot 10^{-8}$.
# A slope of $2 \cdot 10^{-8}$ becomes 0. Take 1024 times the loss: then the slope is $2 \cdot 10^{-5}$, and `float16` can hold it.
# Divide by 1024 afterwards, in `float32`. This is **loss scaling** (손실 스케일링).
#
# Too large a scale is no good either: over 65,504 `float16` has only infinity.
# We try it on a sigmoid chain as in lecture 05; its first layer's slopes are about $10^{-7}$.

# %%
depth = [nn.Linear(64, 32), nn.Sigmoid(), *[layer for _ in range(5) for layer in
         (nn.Linear(32, 32), nn.Sigmoid())], nn.Linear(32, 10)]
chain = nn.Sequential(*depth).to(run.device)


def first_slopes(dtype, scale=1.0):
    """The gradient of the first layer, computed in a number format with a scaled loss."""
    net = copy.deepcopy(chain).to(dtype)
    loss = F.cross_entropy(net(x_all[:256].to(dtype)).float(), y_all[:256])
    (scale * loss).backward()
    return net[0].weight.grad.float() / scale


exact = first_slopes(torch.float32)
SCALES = [2.0**power for power in range(0, 33, 2)]
wrong = {name: [((first_slopes(dtype, scale) - exact).norm() / exact.norm()).item()
                for scale in SCALES]
         for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16))}

fig, ax = plots.figure("float16 needs a scale between too small and too large",
                       xlabel="the loss is multiplied by", ylabel="relative error")
for (name, errors), color, at in zip(wrong.items(), (plots.ORANGE, plots.RED), (2, 7),
                                     strict=True):
    ax.loglog(SCALES, errors, "o-", base=10, color=color)
    plots.name(ax, SCALES[at], errors[at], name, color, dy=10)
last = sum(map(math.isfinite, wrong["float16"])) - 1
ax.axvspan(SCALES[last], SCALES[-1], color=plots.GREY, alpha=0.2)
plots.name(ax, SCALES[last], 0.3, "float16: infinite", plots.INK)
plots.show("The error of float16 falls from about 1 to 0.001 as the scale grows, then ends "
           "in infinity; bfloat16 stays near 0.01 everywhere.")
claim("float16, loss not scaled: error of the first layer's gradient, relative",
      wrong["float16"][0], at_least=0.7)
claim("float16, loss times 1024: error of the first layer's gradient, relative",
      wrong["float16"][5], at_most=0.004)

# %% [markdown]
# `bfloat16` needs no scale: it has the range of `float32`; but scaled `float16` is 7 times as exact.
#
# **The library's way**: `torch.amp.GradScaler` begins with a large scale, halves it and leaves out the step whenever a slope is infinite, and doubles it after 2,000 good steps.
#
# Where does a loop spend its time? `record_function` names a stretch of code, and the **profiler** (프로파일러) adds up.
# We compare a `DataLoader`, which fetches row by row and stacks, with indices into tensors that lie in memory.
#
# A profiler slows down what it watches, so read shares, not seconds.
# `DataLoader` pays where a row is costly to make, such as a picture read from disk: its workers do that beside the training.

# %%
dataset = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
loader = torch.utils.data.DataLoader(dataset, 64)


def in_memory():
    for rows in torch.randperm(len(X), device=run.device).split(64):
        yield x_all[rows], y_all[rows]


def epoch(feed, net, optimizer):
    batches = iter(feed())
    while True:
        with record_function("load"):
            batch = next(batches, None)
        if batch is None:
            return
        x, y = (part.to(run.device) for part in batch)
        with record_function("forward"):
            loss = F.cross_entropy(net(x), y)
        with record_function("backward"):
            optimizer.zero_grad()
            loss.backward()
        with record_function("step"):
            optimizer.step()

# %%
PARTS = {"load": plots.RED, "forward": plots.BLUE, "backward": plots.SKY,
         "step": plots.GREEN}
spent, took = {}, {}
for way, feed in (("DataLoader", lambda: loader), ("in memory", in_memory)):
    net = torch_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    took[way] = frameworks.fastest(epoch, feed, net, optimizer, repeats=15)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        epoch(feed, net, optimizer)
    for part in PARTS:  # the median batch counts for all: other programs disturb some
        each = [e.cpu_time_total / 1000 for e in seen.events() if e.name == part]
        spent.setdefault(way, {})[part] = len(each) * np.median(each)
claim("an epoch with DataLoader takes at least 1.3 times one in memory; ratio",
      took["DataLoader"] / took["in memory"], at_least=1.3)

fig, ax = plots.figure("Row by row, loading costs more than the rest together",
                       xlabel="ms an epoch, profiled", ylabel="", size=(8.5, 3.4))
left = dict.fromkeys(spent, 0.0)
for number, (part, color) in enumerate(PARTS.items()):
    ax.barh(list(spent), [spent[way][part] for way in spent], left=list(left.values()),
            color=color, height=0.45)
    ax.text(0.3 + 0.18 * number, 0.47, part, color=color, fontweight="bold",
            transform=ax.transAxes)
    left = {way: left[way] + spent[way][part] for way in spent}
plots.show("Stacked bars: loading is the largest part of the DataLoader's epoch; "
           "in memory it is small.")

# %% [markdown]
# ## 6 · Two processes that train one network
#
# On the map: `torch` · `frameworks`
#
# If processes average their gradients, weighted by rows, they take the step of one with the whole batch.
#
# This is **data-parallel** (데이터 병렬) training: each process holds all weights and a share of a batch.
# Before the step, **all-reduce** (올리듀스) adds the gradients up and hands everyone the sum.
#
# By hand: three rows have the slopes 2, 4 and 9; their mean is 5. One process has the rows 2 and 4, with the mean 3. The other has 9.
# The mean of the means is 6, which is wrong. Weighted by the rows, $\tfrac23 \cdot 3 + \tfrac13 \cdot 9 = 5$.
#
# Two processes talk by **gloo** (글루), the CPU's way; GPUs use NCCL.
# The library's `DistributedDataParallel` begins while backward still runs, but takes the plain mean of means.

# %%
s = schematics.Sketch("Each process has all weights and a share of the batch", height=2.9)
batch = s.box("batch:\n61 rows", (0.7, 1.45), kind="data")
reduce = s.box("all-reduce:\n31/61 · g₁ + 30/61 · g₂", (5.7, 1.45), kind="family")
for rows, y, g in ((31, 2.35, "g₁"), (30, 0.55, "g₂")):
    s.arrow(batch, copy_of := s.box("process with\nall weights", (2.8, y)), f"{rows} rows")
    s.arrow(copy_of, reduce, g, left=y > 1)
    s.arrow(reduce, s.box("the same step", (8.2, y), kind="good"))
s.show("A batch goes to two processes; their gradients meet, weighted; both step alike.")

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Read `average_gradients`, two lines. All of data-parallel training is in them; the rest is plumbing.
# Starting two processes costs more than the whole training here. Say so: it pays when a step takes long.

# %%
print(inspect.getsource(parallel.average_gradients))
net, shared = torch_net().cpu(), [torch.tensor(rows[:61]) for rows in batches[:20]]
given = torch.tensor(X), torch.tensor(Y), shared, LR
one = parallel.descend(copy.deepcopy(net), *given).state_dict()
two = parallel.train(net, *given, world=2)
claim("two processes end with the weights of one: largest difference",
      max((w[key] - one[key]).abs().max().item() for w in two for key in one), at_most=1e-5)

# %% [markdown]
# ## What goes wrong in practice
#
# - A sum of losses that are still tensors keeps every graph alive. Add `loss.item()`.
# - No `zero_grad`: gradients add up over steps. Nothing fails; the step just grows.
# - A GPU is timed without waiting for it. Calls return at once; synchronize first.
# - `.item()` in the middle of a compiled function breaks the graph, at every call.
# - Python's clock, random numbers and prints in a traced function: they run once, while it is traced.
# - A mean of means over unequal shares. Weight by size.
# - All weights in bfloat16: late in training, updates vanish. Keep a float32 copy.
# - Frameworks compared with different defaults. Hand over the weights, as section 1 does.

# %% [markdown]
# ## Summary
#
# 1. Frameworks agree up to rounding; they differ in what you write, what you see and what a step costs.
# 2. A static graph is data: it can be differentiated, folded, shared and fused before it runs. What Python said while it was described is frozen in it.
# 3. Define by run records what happened, so Python's own control flow works.
# 4. `tf.function`, JAX and `torch.compile` trace a graph out of Python. On an `if` on a value one makes a node, one refuses, one breaks the graph. A compiler makes one loop of many operations.
# 5. Few bits lose small updates and small slopes: keep a float32 copy, and scale the loss. A profiler says where the time goes. Averaged gradients make many processes one.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 18`, then open `exercises/work/18_exercises.ipynb`: seven tasks, about 110 minutes.
#
# - R. Collobert and others (2002), *Torch: a modular machine learning software library*, IDIAP.
# - J. Bergstra and others (2010), *Theano: a CPU and GPU math compiler in Python*, SciPy.
# - S. Tokui and others (2015), *Chainer: a next-generation open source framework for deep learning*, NIPS workshop.
# - M. Abadi and others (2016), *TensorFlow: a system for large-scale machine learning*, OSDI.
# - R. Frostig, M. Johnson, C. Leary (2018), *Compiling machine learning programs via high-level tracing*, SysML.
# - P. Micikevicius and others (2018), *Mixed precision training*, ICLR.
# - A. Paszke and others (2019), *PyTorch: an imperative style, high-performance deep learning library*, NeurIPS.
# - S. Li and others (2020), *PyTorch distributed: experiences on accelerating data parallel training*, VLDB.
# - J. Ansel and others (2024), *PyTorch 2: faster machine learning through dynamic Python bytecode transformation and graph compilation*, ASPLOS.
