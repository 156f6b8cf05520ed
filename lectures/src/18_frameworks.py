# %% [markdown]
# # 18 · Frameworks
#
# **Question.** Theano, TensorFlow, PyTorch and Keras compute the same numbers. What do they do differently, and what does that decide for you?
#
# **You will be able to** write one network four ways and show that they agree; build a static graph that differentiates and compiles itself; say what define-by-run gives and what `torch.compile` takes back; choose a number format; find where a training loop spends its time; train on two processes.
#
# **Needs** 02, 05 · **Minutes** 95 to teach, 130 to study · **CPU** 30 s
#
# On the map: `frameworks` · `theano` · `tensorflow` · `torch` · `keras`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import copy
import inspect
import io
import math
import os
import tempfile
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile, record_function

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch import autograd, parallel

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)
os.environ["KINETO_LOG_LEVEL"] = "99"  # the profiler keeps its own log to itself

# %%
concept_map.show("18")

# %% [markdown]
# ## 1 · One network, four times
#
# On the map: `frameworks` · `torch` · `keras`
#
# Given the same weights and the same batches, four ways of writing a network give the same losses.
#
# A **framework** (프레임워크) computes gradients for you and runs the work on a CPU or a GPU. It does not change the mathematics.
# Our network: 64 pixels of a digit, 32 tanh units, 10 logits; cross-entropy; plain gradient descent on batches of 64.
#
# First by hand, in NumPy: forward, then the chain rule from the end to the start, as in lecture 05.
# Then with that lecture's tape, `utils/scratch/autograd`: the gradients vanish from our code.
# Then in **PyTorch** (토치), which adds layers, an optimizer and devices.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Show the four cells side by side. Ask which lines vanish from one to the next: first the gradients, then the layers' formulas, last the step itself.
# Every line that vanishes is a line that you cannot get wrong, and cannot see.

# %%
table = data.load("digits")
X, Y = (table.x / 16).astype(np.float32), table.y.astype(np.int64)   # (1797, 64), (1797,)
LR, STEPS = 0.5, run.pick(lecture=80, full=150)
batches = [rng.permutation(len(X))[:64] for _ in range(STEPS)]
start = [(rng.normal(size=shape) / math.sqrt(shape[0])).astype(np.float32)
         for shape in ((64, 32), (32, 10))]
# W1, b1, W2, b2
start = [start[0], np.zeros(32, np.float32), start[1], np.zeros(10, np.float32)]

# %%
def by_hand():
    W1, b1, W2, b2 = (w.copy() for w in start)
    losses = []
    for rows in batches:
        x, y, n = X[rows], Y[rows], len(rows)
        h = np.tanh(x @ W1 + b1)                       # (n, 32)
        z = h @ W2 + b2                                # (n, 10)
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[np.arange(n), y]).mean())
        dz = p
        dz[np.arange(n), y] -= 1
        dz /= n
        dh = (dz @ W2.T) * (1 - h * h)
        for w, grad in ((W1, x.T @ dh), (b1, dh.sum(0)), (W2, h.T @ dz), (b2, dz.sum(0))):
            w -= LR * grad
    return losses

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

# %%
def torch_net():
    net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))
    with torch.no_grad():
        for p, w in zip(net.parameters(), start, strict=True):
            p.copy_(torch.tensor(w.T))  # nn.Linear holds its weights on their side
    return net.to(run.device)


x_all, y_all = torch.tensor(X, device=run.device), torch.tensor(Y, device=run.device)


def by_torch():
    net = torch_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    losses = []
    for rows in batches:
        loss = F.cross_entropy(net(x_all[rows]), y_all[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses

# %% [markdown]
# **Keras** (케라스) is an interface above a framework. Keras 3 runs on TensorFlow, JAX or PyTorch; which one is read from the environment at import. Here it is PyTorch.
# Its settings go to a temporary folder instead of your home.

# %%
os.environ["KERAS_BACKEND"] = "torch"
os.environ["KERAS_HOME"] = tempfile.mkdtemp()

import keras

print("back end:", keras.backend.backend())

# %%
def by_keras():
    with keras.device(str(run.device)):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "tanh"),
                                  keras.layers.Dense(10)])
        model.compile(keras.optimizers.SGD(LR),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.set_weights(start)
        losses = []
        for rows in batches:
            model.reset_metrics()  # what train_on_batch returns is a mean since the reset
            losses.append(model.train_on_batch(X[rows], Y[rows]))
    return losses

# %% [markdown]
# **Predict first.** Four programs, eighty steps, numbers of 32 bits. Will the four curves agree to one digit, to five, to all?

# %%
WAYS = {"NumPy by hand": by_hand, "our tape": by_tape, "PyTorch": by_torch,
        "Keras": by_keras}
curves = {}
for way, train in WAYS.items():
    began = time.process_time()
    curves[way] = np.array(train(), dtype=float)
    print(f"{way:<14} {1000 * (time.process_time() - began) / STEPS:>6.2f} ms of CPU per "
          "step")

# %%
fig, ax = plots.figure("Four programs, one curve", xlabel="step", ylabel="loss (nats)")
for (way, curve), color, width in zip(curves.items(),
                                      (plots.SKY, plots.ORANGE, plots.GREEN, plots.INK),
                                      (11, 7.5, 4.5, 1.2), strict=True):
    ax.plot(curve, color=color, linewidth=width)
    row = list(curves).index(way)
    ax.text(0.55, 0.9 - 0.09 * row, way, color=color, fontweight="bold",
            transform=ax.transAxes)
plots.show("Four loss curves lie exactly on top of each other and fall from above two to "
           "below a half.")

# %%
apart = max(np.abs(curve - curves["NumPy by hand"]).max() for curve in curves.values())
claim("largest difference between the four loss curves", apart, at_most=1e-5)
claim("and the network learns: the loss falls by",
      np.mean(curves["PyTorch"][:5] - curves["PyTorch"][-5:]), at_least=1)

# %% [markdown]
# They agree to rounding: each framework adds up in its own order.
# What differs is how much you write, and what a step costs.
# The network is so small that you measure overhead, not arithmetic: the times say nothing about large networks.

# %% [markdown]
# ## 2 · A static graph: define, compile, run
#
# On the map: `theano` · `tensorflow`
#
# If the formula is known before the numbers, it can be differentiated and improved like any other text.
#
# **Theano** (테아노) made that a way of working. Python code does not compute; it *describes*: every operation adds a node to an **expression graph**.
# Then the graph is compiled, once. Then it runs, often.
#
# A node has an operation and arguments. An input has a name, a constant a number.

# %% [markdown] tags=["notes"]
# **Notes for the room (25 minutes).**
# Type `x + 1` and show that nothing is computed. That is the hurdle for newcomers; let them stumble here.
# The rules of `GRAD` return nodes, not numbers: the gradient is a graph too, and goes through the same passes.

# %%
@dataclass(eq=False)
class Node:
    op: str
    args: tuple = ()
    value: object = None  # the name of an input, the number of a constant

    def __add__(self, other): return Node("add", (self, lift(other)))
    def __mul__(self, other): return Node("mul", (self, lift(other)))
    def __truediv__(self, other): return Node("div", (self, lift(other)))
    def __bool__(self):
        raise TypeError("a node has no value yet, so Python cannot decide on it")
    __radd__, __rmul__ = __add__, __mul__


def lift(value):
    return value if isinstance(value, Node) else Node("const", value=float(value))


def tanh(a): return Node("tanh", (lift(a),))
def sqrt(a): return Node("sqrt", (lift(a),))


CODE = {"add": "({} + {})", "mul": "({} * {})", "div": "({} / {})", "tanh": "np.tanh({})",
        "sqrt": "np.sqrt({})"}


def order(*roots):
    """Every node once, arguments before what uses them."""
    found = {}
    def visit(node):
        if node not in found:
            for a in node.args:
                visit(a)
            found[node] = None
    for root in roots:
        visit(root)
    return list(found)

# %% [markdown]
# Our example is **GELU**, an activation of many networks, in the form that uses tanh:
#
# $$\text{gelu}(x) = \tfrac12\, x \left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right)$$
#
# The gradient is built by walking the graph backward. Each rule takes `g`, the node of the gradient so far, and answers with nodes.

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
    for node in reversed(order(root)):
        if node.args and node in grads:
            for a, g in zip(node.args, GRAD[node.op](grads[node], node, *node.args),
                            strict=True):
                grads[a] = grads[a] + g if a in grads else g
    return grads[wrt]


def formula(x):
    return 0.5 * x * (1 + tanh(sqrt(lift(2) / math.pi) * (x + 0.044715 * x * x * x)))


x = Node("input", value="x")
gelu, slope = formula(x), gradient(formula(x), x)      # written twice, as users do

# %% [markdown]
# Now the passes. **Constant folding** computes at once what depends on no input, and drops a factor of 1.
# **Common-subexpression elimination** (CSE) keeps one node where several say the same.
# **Fusion** writes what is left as one function.
#
# Our program writes the formula twice, once for its value and once for its slope.
#
# **Predict first.** Which share of the operations do folding and CSE remove together: a seventh, a third, a half?

# %%
def improve(roots, fold=True, share=True):
    """The same values from fewer operations: a new graph."""
    new, known = {}, {}
    for node in order(*roots):
        args = tuple(new[a] for a in node.args)
        numbers = [a.value for a in args if a.op == "const"]
        made = Node(node.op, args, node.value)
        if fold and args and len(numbers) == len(args):
            made = lift(eval(CODE[node.op].format(*numbers), {"np": np}))
        elif fold and node.op == "mul" and 1.0 in numbers:
            made = args[0] if args[1].op == "const" else args[1]
        names = [id(a) for a in made.args]
        key = made.op, made.value, *(sorted(names) if made.op in ("add", "mul") else names)
        new[node] = known.setdefault(key, made) if share else made
    return [new[root] for root in roots]


def operations(roots):
    return sum(bool(node.args) for node in order(*roots))


both = [gelu, slope]
count = {"as written": operations(both),
         "constants folded": operations(improve(both, share=False)),
         "folded, then shared": operations(improve(both))}
plots.bars("Folding and sharing remove work before it begins", count, xlabel="operations")
plots.show("Three bars, operations of gelu and its slope, as written, folded, and shared: "
           "fewer each.")

# %%
def draw(ax, root):
    """Arguments below what uses them."""
    level, rows, place = {}, {}, {}
    for node in order(root):
        level[node] = 1 + max((level[a] for a in node.args), default=-1)
        rows.setdefault(level[node], []).append(node)
    for height, row in rows.items():
        for i, node in enumerate(row):
            place[node] = ((i + 0.5) / len(row) + 0.06 * (height % 3 - 1), height)
    for node in place:
        for a in node.args:
            ax.annotate("", place[node], place[a],
                        arrowprops={"arrowstyle": "->", "color": plots.GREY})
    colors = {"const": plots.ORANGE, "input": plots.GREEN}
    for node, (across, height) in place.items():
        text = (node.op if node.args else f"{node.value:.3g}" if node.op == "const"
                else node.value)
        ax.text(across, height, text, ha="center", va="center", fontsize=11, color="white",
                fontweight="bold",
                bbox={"boxstyle": "round", "fc": colors.get(node.op, plots.BLUE),
                      "ec": "white"})
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.7, max(rows) + 0.7))
    ax.axis("off")

# %%
fig, axes = plots.panels("The formula as data: "
                         "operations blue, constants orange, the input green",
                         ["gelu as written", "folded and shared"], xlabel="", ylabel="",
                         size=(10, 5.6))
draw(axes[0], gelu)
draw(axes[1], improve([gelu])[0])
plots.show("Two graphs of gelu: as written with several constants, and smaller, "
           "after folding and sharing.")

# %%
def interpret(roots, x):
    """Run the graph node by node."""
    values = {}
    for node in order(*roots):
        values[node] = x if node.op == "input" else node.value if node.op == "const" else \
            eval(KERNELS[node.op], {"np": np}, {"a": [values[a] for a in node.args]})
    return [values[root] for root in roots]


KERNELS = {op: compile(code.format("a[0]", "a[1]"), "<op>", "eval")
           for op, code in CODE.items()}


def fuse(roots):
    """One Python function for the whole graph;
    what is used once is written where it is used."""
    nodes, lines = order(*roots), ["def program(x):"]
    uses = [a for node in nodes for a in node.args] + list(roots)
    text = {}
    for i, node in enumerate(nodes):
        text[node] = (CODE[node.op].format(*(text[a] for a in node.args)) if node.args
                      else str(node.value))
        if node.args and uses.count(node) > 1:
            lines.append(f"    t{i} = {text[node]}")
            text[node] = f"t{i}"
    lines.append("    return " + ", ".join(text[root] for root in roots))
    space = {"np": np}
    exec(compile("\n".join(lines), "<graph>", "exec"), space)
    return space["program"], "\n".join(lines)


program, source = fuse(improve(both))
print(source)

# %%
values = rng.normal(size=1000)
tape = torch.tensor(values, requires_grad=True)
theirs = F.gelu(tape, approximate="tanh")
theirs.sum().backward()
ours = program(values)

# %%
claim("the compiled gelu is PyTorch's",
      np.abs(ours[0] - theirs.detach().numpy()).max(), at_most=1e-10)
claim("the gradient that we compiled is PyTorch's",
      np.abs(ours[1] - tape.grad.numpy()).max(), at_most=1e-10)
claim("share of the operations that is left",
      count["folded, then shared"] / count["as written"], at_most=0.7)

# %%
def cost(function, values, repeats):
    began = time.process_time()
    for _ in range(repeats):
        function(values)
    return 1e6 * (time.process_time() - began) / repeats

# %%
for size in (10, 1000, 20_000):
    slow, fast = [cost(f, rng.normal(size=size), 150)
                  for f in (lambda v: interpret(both, v), program)]
    print(f"{size:>6} numbers: node by node {slow:6.0f} µs, compiled {fast:6.0f} µs")

# %% [markdown]
# On few numbers the walk over the graph is what costs. On many it is memory: the walk keeps every array, the compiled function lets each go once used. The operations saved are the smaller part.
# Our fusion is modest: NumPy still writes an array for every operation. Theano, and `torch.compile` today, generate C++ or GPU code with *one* loop over all of them.
#
# **TensorFlow** (텐서플로) took over the static graph in 2015. It is not installed here, so this is text:
#
# ```
# x = tf.placeholder(tf.float32, [None, 64])
# W = tf.Variable(tf.zeros([64, 10]))
# logits = tf.matmul(x, W)
# with tf.Session() as session:
#     session.run(tf.global_variables_initializer())
#     print(session.run(logits, feed_dict={x: images}))
# ```
#
# An error in the formula appeared at `session.run`, far from the line at fault. A `print` showed a node.
# TensorFlow 2 (2019) computes at once, **eager**; `tf.function` traces a graph out of Python where you ask for it.

# %% [markdown]
# ## 3 · Define by run: the graph is what happened
#
# On the map: `torch`
#
# PyTorch records while it computes, so Python's `if` and `while` need no counterpart in the graph.
#
# Torch (2002) had layers in C++; its later versions, up to Torch7 (2011), in C and Lua. Chainer (2015) recorded the graph while Python ran: **define by run**. PyTorch took both on.
#
# The function below halves a vector until it is short. How often depends on the numbers.
# Each input therefore has a graph of its own; our `Node` refuses the same code.
#
# **Ask the room.** What would a static graph need in order to say "until it is short"?
#
# <details><summary>One answer</summary>
#
# Loops as nodes: Theano had `scan`, TensorFlow `tf.while_loop`.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Ask who would like to debug a loop that is a node.
# The price of define by run: no one sees the whole, so no one can improve it.

# %%
def shorten(x):
    while x @ x > 1:
        x = x / 2
    return x.sum()


def recorded(node):
    """Operations on the tape behind a result of this chain of operations."""
    n = 0
    while node is not None:
        n, node = n + 1, node.next_functions[0][0] if node.next_functions else None
    return n


def on_tape(length):
    x = torch.full((4,), float(length), device=run.device, requires_grad=True)
    y = shorten(x)
    y.backward()
    return recorded(y.grad_fn), x.grad[0].item()


claim("a longer vector makes a longer graph: more operations on the tape",
      on_tape(1000)[0] - on_tape(1)[0], at_least=5)
claim("the gradient is 1/2 to the number of halvings: 11 for 1000",
      abs(on_tape(1000)[1] - 2**-11), at_most=1e-9)
try:
    if Node("input", value="x"):
        refused = 0
except TypeError:
    refused = 1
claim("a static graph refuses an `if` on a value", refused, at_least=1)

# %% [markdown]
# ## 4 · The circle closes: torch.compile and torch.export
#
# On the map: `torch` · `tensorflow`
#
# `torch.compile` reads the graph off the running Python code, and hands it to a compiler: Theano's idea, without Theano's style.
#
# Where it meets something it cannot trace, it compiles what it has, lets Python do that line, and starts again: a **graph break**.
# A **back end** gets each captured graph. Ours only keeps it, and runs it unchanged.
#
# **Ask the room.** Two functions below: a plain formula, and one with an `if` on a value. How many graphs for each?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Read the captured graph aloud: it is section 2's graph with other names. Then count the breaks.
# Recompiling is the other surprise: a graph holds for the shapes and Python numbers that it was traced with.

# %%
def plain(x):
    return torch.tanh(x * 2 + 1).sum()


def deciding(x):
    h = torch.tanh(x)
    if h.sum() > 0:                                    # Python must know the number here
        return (h * 2).sum()
    return (h - 1).sum()


def captured(function, *inputs):
    """Run `function` under torch.compile: the graphs, and the results."""
    graphs = []
    def keep(graph, example):
        graphs.append(graph)
        return graph.forward
    torch.compiler.reset()
    compiled = torch.compile(function, backend=keep, dynamic=False)
    return graphs, [compiled(x) for x in inputs]


ones = torch.ones(5, device=run.device)
graphs, _ = captured(plain, ones)
print(graphs[0].code.strip())

# %%
unbroken, results = captured(plain, ones)
broken, decided = captured(deciding, ones)
sizes, _ = captured(plain, ones, ones, torch.ones(6, device=run.device))

# %%
claim("a plain formula is captured in one graph", len(unbroken), at_least=1, at_most=1)
claim("an `if` on a value breaks it in two", len(broken), at_least=2, at_most=2)
claim("another shape means another graph (here with dynamic=False)",
      len(sizes), at_least=2, at_most=2)
claim("the results are eager's", max(abs((results[0] - plain(ones)).item()),
                                     abs((decided[0] - deciding(ones)).item())),
      at_most=1e-6)

# %% [markdown]
# The default back end, **inductor**, writes C++ for a CPU and Triton for a GPU. It needs a C++ compiler, which may be missing, so this lecture does not call it.
#
# `torch.export` goes all the way: one whole graph, no breaks allowed, saved to a file, run without the Python code that made it.

# %%
net = torch_net().eval()
exported = torch.export.export(net, (x_all[:64],))
torch.export.save(exported, file := io.BytesIO())
file.seek(0)
again = torch.export.load(file).module()
print(*[f"{node.op:<14} {node.name:<12} {node.args}" for node in exported.graph.nodes],
      sep="\n")
claim("the saved program gives the same logits",
      (again(x_all[:64]) - net(x_all[:64])).abs().max().item(), at_most=1e-5)

# %% [markdown]
# ## 5 · Twenty years on one line
#
# On the map: `theano` · `tensorflow` · `torch` · `keras`
#
# The field went from static to dynamic and, since 2019, to dynamic code with a graph on demand.
#
# Theano was developed at Montreal from 2007 and published in 2010. Keras began in 2015 on top of it.
# Theano's makers ended its development in 2017, and Chainer's theirs in 2019.

# %% [markdown] tags=["notes"]
# **Notes for the room (5 minutes).**
# Ask who has used which. The colours show the debate: who won? Both.
# Dates are first public releases, or years of publication; sources differ by months.

# %%
HISTORY = [(2002, "Torch", "layers"), (2007, "Theano begun", "static"),
           (2010, "Theano published", "static"),
           (2013, "Caffe", "layers"), (2015, "Keras", "layers"),
           (2015, "Chainer", "dynamic"),
           (2015, "TensorFlow", "static"), (2016.7, "PyTorch", "dynamic"),
           (2019, "TensorFlow 2", "both"),
           (2023, "torch.compile", "both"), (2023, "Keras 3", "layers")]
KIND = {"layers": plots.GREY, "static": plots.RED, "dynamic": plots.BLUE,
        "both": plots.GREEN}

# %%
fig, ax = plots.figure("Static, then dynamic, then both", xlabel="year", ylabel="",
                       size=(9.5, 4.2))
for row, (year, label, kind) in enumerate(HISTORY):
    ax.plot(year, -row, "o", color=KIND[kind], markersize=9)
    plots.name(ax, year, -row, f"{label} ({kind})", KIND[kind], dx=10)
ax.set(xlim=(2001, 2029), yticks=[])
plots.show("Timeline from Torch in 2002, Theano, Caffe, TensorFlow, Keras, "
           "PyTorch to Keras 3 in 2023.")

# %% [markdown]
# ## 6 · Number formats, and where the time goes
#
# On the map: `torch`
#
# Fewer bits are faster on the hardware made for them, and lose small updates; the loop around the network may cost more than the network.
#
# `float32` has 24 bits of precision, `float16` 11, `bfloat16` only 8, but the range of `float32`.
# Add 0.001 to a sum ten thousand times. When the sum is so large that 0.001 is less than half of its spacing, nothing is added any more. Just before, steps are rounded *up* to a whole spacing, and the sum runs ahead: the kinks.
#
# A tensor lives on one **device**; `.to(device)` copies it, and an operation wants all inputs on the same one.
#
# Hence **mixed precision**: weights and sums in `float32`, matrix products in fewer bits. **Autocast** chooses per operation.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# A weight is such a sum, and an update such a small number. Ask at which value each format will stop.
# Answer: bfloat16 at 0.5, float16 at 4.

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

# %%
fig, ax = plots.figure("A small update is lost when the number is large",
                       xlabel="updates of 0.001", ylabel="sum")
for (name, trail), color in zip(sums.items(), (plots.BLUE, plots.ORANGE, plots.RED),
                                strict=True):
    ax.plot(trail, color=color)
    plots.name(ax, 0.72 * N, trail[int(0.72 * N)], name, color, dy=12, dx=-60)
plots.show("Sums of ten thousand small numbers: "
           "float32 reaches 10, float16 stops near 4, bfloat16 near 0.5.")

# %%
claim("float32 is right to a thousandth", abs(sums["float32"][-1] / 10 - 1), at_most=1e-3)
claim("float16 stops short of half", sums["float16"][-1], at_most=5)
claim("bfloat16 stops below one", sums["bfloat16"][-1], at_most=1)

# %%
with torch.autocast(run.device.type, dtype=torch.bfloat16), torch.no_grad():
    low = net(x_all)
with torch.no_grad():
    high = net(x_all)
claim("under autocast the logits are bfloat16", low.dtype == torch.bfloat16, at_least=1)
claim("while the weights stay float32", net[0].weight.dtype == torch.float32, at_least=1)
off = (low.float() - high).abs().max().item() / high.abs().max().item()
claim("relative error of the logits", off, at_least=1e-5, at_most=0.05)

# %% [markdown]
# Where does a loop spend its time? `record_function` names a stretch of code, and the **profiler** adds up.
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


def epoch(batches, net, optimizer):
    batches = iter(batches)
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
spent = {}
for way, feed in (("DataLoader", lambda: loader), ("in memory", in_memory)):
    net = torch_net()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    epoch(feed(), net, optimizer)                      # the first one pays for the start
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        epoch(feed(), net, optimizer)
    spent[way] = {e.key: e.cpu_time_total / 1000 for e in seen.key_averages()
                  if e.key in PARTS}

fig, ax = plots.figure("With a small network, loading row by row costs most",
                       xlabel="ms an epoch, profiled", ylabel="", size=(8.5, 3.4))
left = dict.fromkeys(spent, 0.0)
for part, color in PARTS.items():
    ax.barh(list(spent), [spent[way][part] for way in spent], left=list(left.values()),
            color=color, height=0.45)
    plots.name(ax, left["DataLoader"] + spent["DataLoader"][part] / 2, 0.4, part, color,
               dx=-12, dy=15 if part == "step" else 0)
    left = {way: left[way] + spent[way][part] for way in spent}
plots.show("Stacked bars: loading is the largest part of the DataLoader's epoch; "
           "in memory it is small.")

# %% [markdown]
# ## 7 · Two processes that train one network
#
# On the map: `torch` · `frameworks`
#
# If each process averages its gradient with the others', they take the step of one process with the whole batch.
#
# **Data-parallel** training: every process holds all weights and a share of each batch. Before the step, **all-reduce** adds the gradients up and hands everyone the sum.
# The mean over a batch is a mean of the shares' means, weighted by their sizes.
#
# A new process imports its work, so the function stands in a file: `utils/scratch/parallel.py`.
# Two processes talk by **gloo**, the CPU's way; GPUs use NCCL.
# The library's way is `DistributedDataParallel`: the same average, begun while backward still runs.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Read `average_gradients`, two lines. All of data-parallel training is in them; the rest is plumbing.
# Starting two processes costs more than the whole training here. Say so: it pays when a step takes long.

# %%
print(inspect.getsource(parallel.average_gradients))
# 61: the two shares are 31 and 30
some = [torch.tensor(rows[:61]) for rows in batches[:20]]
net = torch_net().cpu()
one = parallel.descend(copy.deepcopy(net), torch.tensor(X), torch.tensor(Y), some,
                       LR).state_dict()
two = parallel.train(net, torch.tensor(X), torch.tensor(Y), some, LR, world=2)

# %%
def distance(a, b):
    return max((a[key] - b[key]).abs().max().item() for key in a)


claim("two processes end with the same weights", distance(*two), at_most=1e-7)
claim("and these are one process's, with the whole batch",
      distance(one, two[0]), at_most=1e-5)
claim("which had moved from the start", distance(one, net.state_dict()), at_least=0.01)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A sum of losses** that are still tensors keeps every graph alive. Add `loss.item()`.
# - **No `zero_grad`**: gradients add up over steps. Nothing fails; the step just grows.
# - **Timing a GPU without waiting for it.** Calls return at once; synchronize first.
# - **`.item()` in the middle of a compiled function** breaks the graph, at every call.
# - **A mean of means** over unequal shares. Weight by size.
# - **All weights in bfloat16**: late in training, updates vanish. Keep a float32 copy.
# - **Comparing frameworks with different defaults.** Start, epsilon and momentum differ; hand over the weights, as section 1 does.

# %% [markdown]
# ## Summary
#
# 1. Frameworks agree to rounding; they differ in what you write and what you see.
# 2. A static graph is data: it can be differentiated, folded, shared and fused before it runs.
# 3. Define by run records what happened, so Python's own control flow works.
# 4. `torch.compile` and `torch.export` get the graph back; values that steer Python break it.
# 5. Averaged gradients make many processes one. Few bits lose small updates; a profiler says where the time goes, often to loading.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 18`, then open `exercises/work/18_exercises.ipynb`: six tasks, about 85 minutes.
#
# - R. Collobert, S. Bengio, J. Mariéthoz (2002), *Torch: a modular machine learning software library*, IDIAP.
# - J. Bergstra and others (2010), *Theano: a CPU and GPU math compiler in Python*, SciPy.
# - Y. Jia and others (2014), *Caffe: convolutional architecture for fast feature embedding*, ACM Multimedia.
# - S. Tokui, K. Oono, S. Hido, J. Clayton (2015), *Chainer: a next-generation open source framework for deep learning*, NIPS workshop.
# - M. Abadi and others (2016), *TensorFlow: a system for large-scale machine learning*, OSDI.
# - P. Micikevicius and others (2018), *Mixed precision training*, ICLR.
# - A. Paszke and others (2019), *PyTorch: an imperative style, high-performance deep learning library*, NeurIPS.
# - S. Li and others (2020), *PyTorch distributed: experiences on accelerating data parallel training*, VLDB.
# - J. Ansel and others (2024), *PyTorch 2: faster machine learning through dynamic Python bytecode transformation and graph compilation*, ASPLOS.
