# %% [markdown]
# # 18 · Frameworks: exercises
#
# Seven tasks, about 110 minutes, after lecture 18.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch

from utils import progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · What may be folded?
#
# **build** · level ●●○ · 20 minutes · `theano`
#
# *So that you know what a compiler must not do: fold what will change.*
#
# A program is a list of lines, each a tuple: `("input",)`, `("const", 3.0)`, `("draw",)`, which is a fresh random number at every run, or an operation with the numbers of earlier lines, such as `("add", 0, 1)` or `("tanh", 2)`.
# Return an array of bool: which lines have the same value at every run, whatever the inputs are, and so may be folded?
#
# <details><summary>Hint 1</summary>Go from the first line to the last: when you come to a line, its arguments have been decided.</details>
# <details><summary>Hint 2</summary>An operation is constant if all of its arguments are. One is not enough.</details>
# <details><summary>Hint 3</summary><code>all([])</code> is True. So a line without arguments needs a look at its name: an input and a draw have none, and are not constant.</details>

# %%
def foldable(program):
    """program: a list of n tuples -> (n,) bool."""
    # solution
    constant = []
    for name, *args in program:
        constant.append(name == "const" or (bool(args) and all(constant[i] for i in args)))
    return np.array(constant, dtype=bool)
    # end solution


# %%
check("18.fold", foldable)

# %% [markdown] tags=["solution-only"]
# The draw is the trap: no input, and yet not constant. A framework that folds it trains with one dropout mask for ever.
# The same care is due to reading a file or a clock. What happens in Python during tracing is frozen in just this way.

# %% [markdown]
# ## 2 · Which lines say the same?
#
# **build** · level ●●○ · 20 minutes · `theano`
#
# *Because a compiler computes once what you wrote twice.*
#
# A program as in task 1. For each line, return the number of the *first* line that says the same; its own number if there is none before it.
#
# - Two constants say the same if their numbers are equal. An input or a draw says the same as no other line.
# - Two operations say the same if they have one name, and their arguments say the same. For `add` and `mul` the order of the arguments does not matter; for all others it does.
#
# <details><summary>Hint 1</summary>Go from the first line to the last. Replace each argument by the first line that says the same: you know it already.</details>
# <details><summary>Hint 2</summary>Make a key of the name and the arguments, and keep a dictionary from key to line number; <code>known.setdefault(key, i)</code>. For add and mul sort the arguments first.</details>
# <details><summary>Hint 3</summary>The key of an input or a draw must not meet another one's: put the line's own number into it.</details>

# %%
def same_as(program):
    """program: a list of n tuples -> (n,) whole numbers."""
    # solution
    first, known = [], {}
    for i, (name, *args) in enumerate(program):
        if name in ("input", "draw"):
            key = name, i
        elif name == "const":
            key = name, args[0]
        else:
            args = [first[a] for a in args]
            key = name, *(sorted(args) if name in ("add", "mul") else args)
        first.append(known.setdefault(key, i))
    return np.array(first)
    # end solution


# %%
check("18.share", same_as)

# %% [markdown] tags=["solution-only"]
# This is common-subexpression elimination, also called value numbering. Here it is on a graph that `torch.compile` has captured.

# %% tags=["solution-only"]
def keep(graph, example):
    lines, place = [], {}
    for node in graph.graph.nodes:
        if node.op in ("placeholder", "call_function", "call_method"):
            args = [place[a] for a in node.args if a in place]
            name = "input" if node.op == "placeholder" else getattr(
                node.target, "__name__", node.target)
            place[node] = len(lines)
            lines.append((name, *args))
    print(*lines, sep="\n")
    print("the first that says the same:", same_as(lines))
    return graph.forward


torch.compiler.reset()
twice = torch.compile(lambda x: torch.tanh(x * x) + torch.tanh(x * x), backend=keep)
print(twice(torch.ones(3)))

# %% [markdown]
# ## 3 · From PyTorch to Keras
#
# **build** · level ●●● · 20 minutes · `keras`
#
# *Because weights outlive the framework that they were trained in.*
#
# A network is a convolution, then `Flatten`, then a linear layer. PyTorch keeps a picture as (channels, height, width); Keras as (height, width, channels). So their weights lie in another order:
#
# - the convolution: in PyTorch (out, in, height, width), in Keras (height, width, in, out);
# - the linear layer: in PyTorch (classes, features), in Keras (features, classes). *And the features*, the flattened picture of `out` channels, stand in the order of the picture's axes.
#
# Given PyTorch's two arrays, and height and width of the picture that is flattened, return Keras's two.
#
# <details><summary>Hint 1</summary>The convolution's axes are 0 out, 1 in, 2 height, 3 width. In which order does Keras want them? That is the argument of <code>transpose</code>.</details>
# <details><summary>Hint 2</summary>Give the features their axes back: <code>dense.reshape(classes, channels, height, width)</code>. Bring them into Keras's order, the classes last, and flatten the features again.</details>

# %%
def to_keras(conv, dense, height, width):
    """conv: (out, in, h, w), dense: (classes, out * height * width)
    -> (h, w, in, out), (height * width * out, classes)."""
    # solution
    parts = dense.reshape(len(dense), len(conv), height, width)
    features = parts.transpose(2, 3, 1, 0)              # (height, width, out, classes)
    return conv.transpose(2, 3, 1, 0), features.reshape(-1, len(dense))
    # end solution


# %%
check("18.port", to_keras)

# %% [markdown] tags=["solution-only"]
# The shapes fit even if the features are in the wrong order: nothing fails, and the answers are noise. So compare the outputs, as below, on each back end that you will use.

# %% tags=["solution-only"]
from utils.scratch import frameworks


def in_keras(picture, kernel, bias, matrix, offset):
    import keras

    model = keras.Sequential([keras.Input(picture.shape[1:]),
                              keras.layers.Conv2D(kernel.shape[3], kernel.shape[:2]),
                              keras.layers.Flatten(), keras.layers.Dense(len(offset))])
    model.set_weights([kernel, bias, matrix, offset])
    return keras.ops.convert_to_numpy(model(picture))


net = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Flatten(),
                          torch.nn.Linear(3 * 4 * 4, 5))
picture = torch.randn(7, 2, 6, 6)
conv, bias, dense, offset = (p.detach().numpy() for p in net.parameters())
kernel, matrix = to_keras(conv, dense, 4, 4)
given = picture.permute(0, 2, 3, 1).numpy(), kernel, bias, matrix, offset

# %% tags=["solution-only"]
def on(name):
    return frameworks.elsewhere(in_keras, *given, KERAS_BACKEND=name)


frameworks.keep_quiet()
for name in ("torch", "jax"):
    out = frameworks.where(name, on, name)
    if out is not None:
        gap = np.abs(out - net(picture).detach().numpy()).max()
        print(name, "largest difference:", gap)

# %% [markdown]
# ## 4 · The loss that remembers
#
# **debug** · level ●○○ · 10 minutes · `torch`
#
# *Because both bugs below run without a complaint.*
#
# Linear regression by gradient descent on the mean squared error. The function returns the weights after all steps, and the *mean* of the losses, each taken before its step, as a Python `float`.
# As it stands, the gradients of all earlier steps stay in, and the sum of losses keeps every graph in memory. Mend both.
#
# <details><summary>Hint 1</summary>backward() adds to w.grad. Who empties it?</details>
# <details><summary>Hint 2</summary><code>w.grad = None</code> or <code>w.grad.zero_()</code>, once a step, before backward().</details>
# <details><summary>Hint 3</summary>Add up <code>loss.item()</code>: a number has no graph. In the end, divide by the number of steps.</details>

# %%
def descend(w0, x, y, lr, steps):
    """w0 (d,), x (n, d), y (n,): NumPy arrays
    -> weights (d,) as an array, mean loss as a float."""
    w, x, y = torch.tensor(w0, requires_grad=True), torch.tensor(x), torch.tensor(y)
    total = 0.0
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        # solution
        w.grad = None
        loss.backward()
        total += loss.item()
        # exercise
        # loss.backward()
        # total = total + loss
        # end solution
        with torch.no_grad():
            w -= lr * w.grad
    # solution
    return w.detach().numpy(), total / steps
    # exercise
    # return w.detach().numpy(), total.detach() / steps
    # end solution


# %%
check("18.losses", descend)

# %% [markdown] tags=["solution-only"]
# The first bug is momentum that never decays, so the weights overshoot. The second shows only as memory that grows with every step.

# %% [markdown]
# ## 5 · Unequal shards
#
# **build** · level ●●○ · 15 minutes · `torch`
#
# *Because the last batch is seldom divisible by the number of processes.*
#
# Each of `k` processes has the mean gradient over its own rows. Return the mean over all rows.
# A process without rows reports `nan`, the mean of nothing, and must not matter. If nobody has rows, return zeros.
#
# <details><summary>Hint 1</summary>A process with twice the rows counts twice: multiply by the count, add up, divide by the sum of the counts.</details>
# <details><summary>Hint 2</summary>0 · nan is nan. Choose the processes with rows first: <code>grads[counts &gt; 0]</code>.</details>
# <details><summary>Hint 3</summary>Where the sum of the counts is 0, divide by 1.</details>

# %%
def combine(grads, counts):
    """grads: (k, d) mean gradients, counts: (k,) rows
    -> (d,) the mean gradient over all rows."""
    # solution
    there = counts > 0
    total = (grads[there] * counts[there, None]).sum(axis=0)
    return total / max(counts.sum(), 1)
    # end solution


# %%
check("18.shards", combine)

# %% [markdown] tags=["solution-only"]
# `DistributedDataParallel` divides by the number of processes and trusts that the shares are equal. The usual sampler repeats rows to make them so.

# %% [markdown]
# ## 6 · Small updates, kept
#
# **build** · level ●●○ · 15 minutes · `torch`
#
# *Because weights of 16 bits save memory, and lose the end of the training.*
#
# Weights `w` and gradients come as `float16`. Take the steps `w - lr * grad` one after the other on a **master copy** in `float32`, and return the weights as `float16` in the end.
#
# <details><summary>Hint 1</summary>Near 1, float16 has steps of 0.001. What becomes of an update of 0.0001? Where must the sum be kept?</details>
# <details><summary>Hint 2</summary><code>w.astype(np.float32)</code> before the loop, back to float16 after it, and never inside it.</details>
# <details><summary>Hint 3</summary>The gradient has to be converted <em>before</em> it is multiplied: a small lr · grad underflows in float16.</details>

# %%
def with_master(w, grads, lr):
    """w: (d,) float16, grads: (steps, d) float16, lr: a number -> (d,) float16."""
    # solution
    master = w.astype(np.float32)
    for grad in grads:
        master = master - np.float32(lr) * grad.astype(np.float32)
    return master.astype(np.float16)
    # end solution


# %%
check("18.master", with_master)

# %% [markdown] tags=["solution-only"]
# This is what mixed precision does: fast copies in 16 bits for the products, one slow copy in 32 for the sum.

# %% [markdown]
# ## 7 · Which line breaks the graph?
#
# **predict** · level ●○○ · 10 minutes · `torch`
#
# *So that you can read a function the way a compiler does.*
#
# Four functions go through `torch.compile`. Just one of them falls into more than one graph. Which?
#
# - **a** – `for i in range(3): x = x * i + 1`
# - **b** – `if x.shape[0] > 3: x = x * 2`
# - **c** – `x = torch.where(x > 0, x, -x)`
# - **d** – `x = x / 2 if x.max() > 1 else x + 1`
#
# <details><summary>Hint 1</summary>What is known while tracing: numbers of Python and shapes. What is not: the values in a tensor.</details>
# <details><summary>Hint 2</summary>A choice inside a tensor operation is no choice for Python. Which line makes Python choose by a value?</details>

# %%
# solution
answer = "d"
# end solution

# %%
check("18.breaks", answer)

# %%
def loop(x):
    for i in range(3):
        x = x * i + 1
    return x + 1


def by_value(x):
    x = x / 2 if x.max() > 1 else x + 1
    return x + 1


for function in (loop, by_value):
    graphs = []
    torch.compiler.reset()
    compiled = torch.compile(function,
                             backend=lambda graph, _, kept=graphs: kept.append(graph)
                             or graph.forward)
    compiled(torch.ones(4))
    print(f"{function.__name__}: {len(graphs)} graph(s)")

# %% [markdown] tags=["solution-only"]
# The loop is unrolled: three copies of its body in one graph. The `if` on a shape is decided while tracing, and guarded.
# `torch.where` computes both sides. Only **d** asks for a value, so the graph ends there and a second one begins.
