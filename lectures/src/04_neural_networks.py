# %% [markdown]
# # 04 · Neural networks
#
# **Question.** Is a neural network an ensemble of regressions, and where does that view end?
#
# **You will be able to** set a network's weights by hand; take a network apart into regressions, and put it together again; say what joint training adds, in numbers; choose an activation and find its dead units; read the linear regression out of a ReLU network.
#
# **Needs** 01, 03 · **Minutes** 90 to teach, 150 to study · **CPU** 30 s
#
# On the map: `ann` · `mlp` · `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"

# %%
from itertools import pairwise, product

import numpy as np
import torch
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)  # matrices this small: a second thread only waits
rng = np.random.default_rng(SEED)

# %%
concept_map.show("04")

# %% [markdown]
# ## 1 · One line cannot say "one of the two, not both"; three can
#
# On the map: `ann` · `mlp` · `step`
#
# One step of a linear score draws one line, and one line cannot separate XOR.
#
# A **perceptron** (퍼셉트론) is a **step** (계단 함수) of a linear score: it fires if $w_1 x_1 + w_2 x_2 + b > 0$.
# Rosenblatt's rule of 1958 needs no gradient: after a mistake, add the input to the weights, or take it off.
# If some line separates the two classes, the rule finds one; that is proved.
# The question is whether there is such a line.
#
# <details><summary>For the presenter (10 minutes), and the proof</summary>
#
# XOR asks for $b \le 0$, $w_1 + b > 0$, $w_2 + b > 0$ and $w_1 + w_2 + b \le 0$.
# Add the two in the middle: $w_1 + w_2 + 2b > 0$. Add the outer two: $w_1 + w_2 + 2b \le 0$. Both cannot be.
# Let somebody try to draw the line on the board first.
# </details>

# %%
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
AND, XOR = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])


def step(z):
    return (z > 0).astype(float)


def perceptron(x, y, rounds=100):
    """Rosenblatt's rule, row by row: (n, 2) points, (n,) answers -> (n,) predictions after training."""
    X, w = np.column_stack([x, np.ones(len(x))]), np.zeros(3)
    for _ in range(rounds):
        for row, answer in zip(X, y, strict=True):
            w += (answer - step(row @ w)) * row  # zero where it was right
    return step(X @ w)


claim("a perceptron learns AND: corners right, of four", np.sum(perceptron(corners, AND) == AND), at_least=4)
claim("it does not learn XOR", np.sum(perceptron(corners, XOR) == XOR), at_most=3)

lines = rng.normal(size=(100_000, 3))  # w1, w2, b: perhaps it was only unlucky?
right = (step(lines[:, :2] @ corners.T + lines[:, 2:]) == XOR).sum(axis=1)
claim("the best of 100,000 random lines is right on three corners", right.max(), at_least=3, at_most=3)

# %% [markdown]
# So use three. Two perceptrons look at the corners: one says OR, one says AND.
# A third looks at *their answers*: "OR, but not AND".
# Nothing is trained here, all nine numbers are set by hand.

# %%
def hidden(x):
    """Two perceptrons side by side: (n, 2) corners -> (n, 2), whether OR holds and whether AND holds."""
    return step(x @ np.array([[1, 1], [1, 1]]) + np.array([-0.5, -1.5]))


def xor(x):
    return step(hidden(x) @ np.array([1, -1]) - 0.5)


claim("three perceptrons with weights set by hand solve XOR", np.sum(xor(corners) == XOR), at_least=4)

# %%
fig, axes = plots.panels("The hidden layer moves the points until one line is enough",
                         ["what comes in", "what the hidden layer makes of it"],
                         xlabel="x₁", ylabel="x₂", size=(9, 3.6))
ends = np.array([-0.5, 1.5])
for ax, points in zip(axes, [corners, hidden(corners)], strict=True):
    ax.scatter(*points.T, c=np.where(XOR, plots.ORANGE, plots.BLUE), s=120, zorder=3)
    ax.set(xlim=(-0.4, 1.4), ylim=(-0.4, 1.4))
for score, cut in (("OR", 0.5), ("AND", 1.5)):
    axes[0].plot(ends, cut - ends, color=plots.GREY)
    plots.name(axes[0], cut / 2, cut / 2, score, plots.GREY)
axes[1].plot(ends, ends + 0.5 - 1, color=plots.GREY)  # OR − AND = 0.5
axes[1].set(xlabel="OR", ylabel="AND")
plots.show("Left: four corners, two parallel lines. Right: two fell together, and one line is enough.")

# %% [markdown]
# ## 2 · A layer is a bag of regressions, the output is the regression stacked on it
#
# On the map: `ann` · `mlp` · `sigmoid` · `softmax`
#
# Replace the step by a **sigmoid** (시그모이드) and each perceptron becomes a logistic regression.
# An **artificial neural network** (인공신경망) of this kind, the **multi-layer perceptron** (다층 퍼셉트론), is then two things that you know:
#
# $$h = \sigma(xW + b) \qquad p = \text{softmax}(hV + c)$$
#
# $W, b$ are the weights of many logistic regressions side by side: a *bag*, called the **hidden layer**.
# $V, c$ are those of one more regression, which takes their opinions $h$ for inputs: it is *stacked* on the bag.
# Its **softmax** (소프트맥스) makes shares of the scores, one for each class.
#
# <details><summary>For the presenter (15 minutes)</summary>
#
# Say the sentence slowly: the output of regressions is the input of a regression. Lecture 03 did it; nothing here is new but the name.
# At *predict first* many trust the average, since averaging helped so much in lecture 03.
# </details>

# %% [markdown]
# Sixteen regressions on the same points would be sixteen copies.
# So each gets its own part of the problem, as a bag should.
# On the plane: the neighbourhood of a random point.
# For the digits, later: half of the pixels, and the question "is it one of these five digits?".
#
# **Predict first.** You have sixteen straight opinions about the two spiral arms.
# You average them; then, instead, you stack a seventeenth regression on them. Which of the two can follow the arms?

# %%
def spirals(rng, n=2000):
    """Two arms, one turned by half a circle against the other: (n, 2) points, (n,) arms 0 and 1."""
    arm = rng.integers(0, 2, n)
    angle = 0.4 + 8.5 * np.sqrt(rng.random(n))
    turned = angle + np.pi * arm
    x = angle[:, None] / 3.1 * np.column_stack([np.cos(turned), np.sin(turned)])
    return x + rng.normal(0, 0.09, (n, 2)), arm


def moons(rng, n=2000):
    return make_moons(n, noise=0.2, random_state=int(rng.integers(2**31)))


def digits(rng):
    order, table = rng.permutation(1797), data.load("digits")
    return table.x[order] / 16, table.y[order]


UNITS = 16


def one_of_the_bag(x, y, rng):
    """A logistic regression on a random part of the problem: its weights (d,) and its bias."""
    if x.shape[1] == 2:  # the quarter of each class that is nearest to a random point
        distance = ((x - x[rng.integers(len(x))]) ** 2).sum(axis=1)
        near = np.concatenate([np.flatnonzero(y == c)[distance[y == c].argsort()[: sum(y == c) // 4]]
                               for c in (0, 1)])
        model = LogisticRegression(C=100, max_iter=3000).fit(x[near], y[near])
    else:
        pixels, group = rng.permutation(64) < 32, rng.permutation(10)[:5]
        model = LogisticRegression(max_iter=3000).fit(x * pixels, np.isin(y, group))
    return model.coef_[0], model.intercept_[0]


def sigmoid(z):
    return 0.5 * (1 + np.tanh(0.5 * z))


def bag(x, y, rng):
    """The hidden layer, trained apart: W (d, units), b (units,)."""
    weights, biases = zip(*[one_of_the_bag(x, y, rng) for _ in range(UNITS)], strict=True)
    return np.array(weights).T, np.array(biases)


# %%
points, arm = spirals(rng)
W, b = bag(points, arm, rng)
stack = LogisticRegression(C=100, max_iter=3000).fit(sigmoid(points @ W + b), arm)

side = np.linspace(-3.2, 3.2, 120)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # (14400, 2)
opinions = sigmoid(grid @ W + b)  # (14400, 16)
views = {"one of the sixteen": opinions[:, 0], "their average": opinions.mean(axis=1),
         "a regression stacked on them": stack.predict_proba(opinions)[:, 1]}

# %%
fig, axes = plots.panels("Straight opinions: averaged they stay plain, stacked they bend", views,
                         xlabel="x₁", ylabel="x₂", size=(10, 3.9), sharey=True)
for ax, view in zip(axes, views.values(), strict=True):
    ax.contourf(side, side, view.reshape(120, 120), levels=[0, 0.5, 1], colors=["#CBE3F2", "#FBE3B0"])
    ax.scatter(*points[:600].T, c=np.where(arm[:600], plots.ORANGE, plots.BLUE), s=3)
    ax.grid(visible=False)
plots.show("Two spiral arms: a straight cut, a nearly straight cut, and a border that winds with the arms.")

# %% [markdown]
# Is this *like* a neural network, or *is* it one?
# Copy the weights of the seventeen regressions into PyTorch's layers, and compare. That is **the library's way**.
#
# **Ask the room.** If it is one: what is left that could differ between a network and such a stack?

# %%
linear = torch.nn.Linear(2, UNITS), torch.nn.Linear(UNITS, 1)
net = torch.nn.Sequential(linear[0], torch.nn.Sigmoid(), linear[1], torch.nn.Sigmoid()).double()
for layer, weight, bias in ((linear[0], W.T, b), (linear[1], stack.coef_, stack.intercept_)):
    layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
by_net = net(torch.tensor(grid))[:, 0].detach().numpy()
claim("seventeen regressions, put together, are a network: the same probabilities",
      np.abs(by_net - views["a regression stacked on them"]).max(), at_most=1e-10)

# %% [markdown]
# ## 3 · The thesis, measured: the form is a stack, the training is not
#
# On the map: `ann` · `mlp`
#
# One thing is left: who chooses the weights. In a stack each regression is fitted alone; in a network all weights follow one loss, together.
#
# The gradient for that comes from **back-propagation**, lecture 05's subject.
# Until then PyTorch computes it for us, as a tool: `loss.backward()`.
# Six ways, with one regression or sixteen units, on three problems, five times with fresh data, splits and starts.
# The averaged bag is a plain one: each member has seen a random quarter of the rows.
# In the picture a dot is a mean over five runs, the bar its 95 % interval (Student's t), the ticks are the runs.
#
# <details><summary>For the presenter (20 minutes)</summary>
#
# This is the heart of the course: give the picture time. Read it panel by panel, and let the room say what the thesis would predict.
# If time is short, run the cells before the session starts.
# </details>

# %%
def fit(x, y, C=1.0):
    return LogisticRegression(C=C, max_iter=3000).fit(x, y)


def regressions_only(x, y, x_test, y_test, rng):
    """Four ways without backprop: their test accuracies, and the stack's weights ((W, b), (V, c))."""
    resamples = rng.integers(len(x), size=(UNITS, len(x) // 4))
    votes = sum(fit(x[rows], y[rows]).predict_proba(x_test) for rows in resamples)
    bound = 1 / np.sqrt(x.shape[1])
    F0, f0 = rng.uniform(-bound, bound, (x.shape[1], UNITS)), rng.uniform(-bound, bound, UNITS)
    W, b = bag(x, y, rng)
    frozen, apart = fit(sigmoid(x @ F0 + f0), y, C=100), fit(sigmoid(x @ W + b), y, C=100)
    V, c = apart.coef_.T, apart.intercept_
    if len(c) == 1:  # two classes: the sigmoid of z is the softmax of (0, z)
        V, c = np.hstack([0 * V, V]), np.append(0, c)
    return {"one regression": fit(x, y).score(x_test, y_test),
            "bag of 16, averaged": np.mean(votes.argmax(axis=1) == y_test),
            "16 at random, frozen; stack": frozen.score(sigmoid(x_test @ F0 + f0), y_test),
            "16 trained apart; stack": apart.score(sigmoid(x_test @ W + b), y_test)}, ((W, b), (V, c))


PROBLEMS, RUNS = {"moons": moons, "spirals": spirals, "digits": digits}, 5
splits, scores, stacks = {}, {}, {}
for name, make in PROBLEMS.items():
    sources = np.random.default_rng(SEED).spawn(RUNS)
    drawn = [make(source) for source in sources]
    cut = int(0.6 * len(drawn[0][0]))
    splits[name] = [np.stack([pair[i][part] for pair in drawn])  # x, y, x_test, y_test, each (runs, n, ...)
                    for part in (slice(cut), slice(cut, None)) for i in (0, 1)]
    results = [regressions_only(*split, source)
               for *split, source in zip(*splits[name], sources, strict=True)]
    scores[name] = {way: [result[way] for result, _ in results] for way in results[0][0]}
    stacks[name] = [layers for _, layers in results]

# %%
def network(layers, x, activation=torch.sigmoid):
    """Logits of several networks at once, the run in front: x (runs, n, d) -> (runs, n, k)."""
    for W, b in layers[:-1]:
        x = activation(x @ W + b)
    W, b = layers[-1]
    return x @ W + b


def train(layers, x, y, activation=torch.sigmoid, lr=0.03, steps=1500, batch=128):
    """Adam on the cross-entropy, with a learning rate that falls to nearly zero (lecture 02)."""
    descent = torch.optim.Adam([w.requires_grad_() for layer in layers for w in layer], lr)
    schedule = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02, steps)
    for _ in runtime.track(range(steps), "steps"):
        rows = torch.randint(x.shape[1], (batch,), device=x.device)
        logits = network(layers, x[:, rows], activation)  # (runs, batch, k)
        descent.zero_grad()
        # Times the number of runs, so that each gets the gradient of its own mean.
        (len(x) * F.cross_entropy(logits.flatten(0, 1), y[:, rows].flatten())).backward()
        descent.step()
        schedule.step()
    return layers


def accuracy(layers, x, y, activation=torch.sigmoid):
    """(runs,) the share of right answers of each network."""
    with torch.no_grad():
        return (network(layers, x, activation).argmax(-1) == y).double().mean(1).cpu().numpy()


# %%
def random_start(runs, *sizes):
    """Pairs W (runs, ins, outs), b (runs, 1, outs), uniform in ±1/√ins, as PyTorch's own layers start."""
    return [[(2 * torch.rand(runs, rows, outs, device=run.device) - 1) / ins**0.5 for rows in (ins, 1)]
            for ins, outs in pairwise(sizes)]


def tensor(array):
    whole = np.asarray(array).dtype.kind == "i"
    return torch.tensor(array, dtype=torch.int64 if whole else torch.float32, device=run.device)


# %%
STEPS = run.pick(lecture=1500, full=6000)
for name, split in splits.items():
    x, y, x_test, y_test = map(tensor, split)
    from_stack = [[tensor(np.stack([layers[i][0] for layers in stacks[name]])),
                   tensor(np.stack([layers[i][1] for layers in stacks[name]]))[:, None]] for i in (0, 1)]
    chance = random_start(RUNS, x.shape[2], UNITS, 10 if name == "digits" else 2)
    for way, start in {"from that stack": from_stack, "random start": chance}.items():
        trained = train(start, x, y, steps=STEPS, lr=0.03 if name == "digits" else 0.05)
        scores[name][f"same net, {way}: backprop"] = accuracy(trained, x_test, y_test)


def intervals(ax, rows, color=plots.BLUE):
    """Runs as ticks, their mean as a dot, its 95 % interval as a bar; a row for each name."""
    for place, values in enumerate(rows.values()):
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        reach = [[half], [min(half, 1 - np.mean(values))]]  # no accuracy lies above one
        ax.plot(values, [place] * len(values), "|", color=plots.GREY, markersize=9)
        ax.errorbar(np.mean(values), place, xerr=reach, fmt="o", color=color, markersize=5)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)


fig, axes = plots.panels("Moons: a stack is enough. Spirals: joint training wins. Digits: neither is needed",
                         PROBLEMS, xlabel="test accuracy", ylabel="", size=(10, 3.8), sharey=True)
for ax, rows in zip(axes, scores.values(), strict=True):
    intervals(ax, rows)
plots.show("Six ways by three problems: backprop is at the right end on each, the stack only on the moons.")

mean = {name: [np.mean(values) for values in rows.values()] for name, rows in scores.items()}
one, averaged, _, apart, _, joint = np.array([*mean.values()]).T  # each: moons, spirals, digits
own = []
for name in ("moons", "spirals"):  # the same sixteen as the stack's, averaged
    W, b = (np.stack([layers[0][i] for layers in stacks[name]]) for i in (0, 1))  # (runs, 2, 16), (runs, 16)
    votes = sigmoid(splits[name][2] @ W + b[:, None]).mean(axis=2)  # (runs, n)
    own.append(np.mean((votes > 0.5) == splits[name][3]))

# %%
claim("a plain bag, averaged, is nowhere better than one regression", max(averaged - one), at_most=0.02)
claim("on moons the stack beats one regression", apart[0] - one[0], at_least=0.04)
claim("moons, spirals: the stack's sixteen, averaged, end below it by", min(apart[:2] - own), at_least=0.04)
claim("on moons joint training adds next to nothing to the stack", joint[0] - apart[0], at_most=0.04)
claim("on spirals joint training beats the greedy stack", joint[1] - apart[1], at_least=0.03)
claim("on digits a single regression beats the greedy stack", one[2] - apart[2], at_least=0.03)
claim("on digits the joint network is level with one regression", abs(joint[2] - one[2]), at_most=0.02)

# %%
steep = {16: [], 64: []}  # could a larger ensemble replace joint training? Steep random units, a stack
for (x, y, x_test, y_test), units in product(zip(*splits["spirals"], strict=True), steep):
    W, b = rng.uniform(-3.5, 3.5, (2, units)), rng.uniform(-3.5, 3.5, units)
    steep[units].append(fit(sigmoid(x @ W + b), y, C=100).score(sigmoid(x_test @ W + b), y_test))
claim("64 random regressions, never trained, and a stack solve spirals", np.mean(steep[64]), at_least=0.97)
claim("16 of the same kind do not", np.mean(steep[16]), at_most=0.96)

# %% [markdown]
# - **Where the thesis holds.** In form, always. On moons it explains the score too: regressions and a stack, no backprop needed.
# - **Where it ends.** On spirals joint training adds accuracy that no member brought along. A hidden unit is not trained to be right, but to be *useful to the others*.
# - **Where it does harm.** On digits the stack sees sixteen opinions in place of 64 pixels, and loses to one plain regression.
# - **What joint training buys.** Not the impossible: 64 random units and a stack solve the spirals too. It buys economy, a quarter of the units.
#
# With more inputs, random units are said to fall behind quickly. That is folklore here, not measured.

# %% [markdown]
# ## 4 · The activation decides what can bend, and what can learn
#
# On the map: `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`
#
# Descent learns through an activation's *slope*: where the slope is zero, nothing below it learns.
#
# An **activation** (활성화 함수) is what stands between the linear scores. Without it, layers collapse into one: $(xW)V = x(WV)$.
# Eight of them are on the map. Seven look at one score $z$ each:
# **tanh** (하이퍼볼릭 탄젠트) is a sigmoid from −1 to 1, the **Gaussian** (가우시안) a bump, **ReLU** (렐루) is $\max(0, z)$,
# **ELU** bends to −1 on the left, **Swish** (스위시) is $z \cdot \sigma(z)$.
# Softmax looks at all scores of a row at once.
#
# <details><summary>For the presenter (15 minutes)</summary>
#
# Cover the orange curves and let the room draw them. The usual slip: a Gaussian's slope at zero is thought to be large.
# Swish and SiLU are two names of one function.
# </details>

# %%
def swish_slope(z):
    s = sigmoid(z)
    return s + z * s * (1 - s)


FUNCTIONS = {  # name: the activation, its derivative, the library's
    "step": (step, lambda z: 0 * z, None),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), torch.sigmoid),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, torch.tanh),
    "Gaussian": (lambda z: np.exp(-(z**2)), lambda z: -2 * z * np.exp(-(z**2)), lambda z: torch.exp(-(z**2))),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: step(z), torch.relu),
    "ELU": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
            lambda z: np.exp(np.minimum(z, 0)), F.elu),
    "Swish": (lambda z: z * sigmoid(z), swish_slope, F.silu),
}

z = np.linspace(-6, 6, 601)
curves = {name: (f(z), slope(z)) for name, (f, slope, _) in FUNCTIONS.items()}
share = np.exp(z) / (np.exp(z) + 1 + np.e)  # softmax: the share of z beside two scores that stay at 0 and 1
curves["softmax"] = (share, share * (1 - share))

# %%
fig, axes = plots.panels("Where the slope (orange) is zero, nothing is learned", curves,
                         xlabel="z", ylabel="", size=(10, 2.7), sharey=True)
for ax, (value, slope) in zip(axes, curves.values(), strict=True):
    ax.plot(z, slope, color=plots.ORANGE)
    ax.plot(z, value, color=plots.BLUE)
    ax.set(xlim=(-5, 5), ylim=(-1.3, 2.3), xticks=(-4, 0, 4))
plots.show("Eight functions and slopes: the bounded ones go flat far out, three others rise on the right.")

# %%
gaps = []
for f, slope, library in (triple for triple in FUNCTIONS.values() if triple[2]):
    t = torch.tensor(z, requires_grad=True)
    library(t).sum().backward()
    gaps += [np.abs(library(t).detach().numpy() - f(z)).max(), np.abs(t.grad.numpy() - slope(z)).max()]
claim("six activations and slopes by hand are the library's", max(gaps), at_most=1e-12)

p = np.array([0.7, 0.2, 0.1])
jacobian = torch.autograd.functional.jacobian(lambda s: s.softmax(0), torch.tensor(np.log(p)))
claim("softmax has a matrix of slopes, diag(p) − ppᵀ",
      np.abs(jacobian.numpy() - (np.diag(p) - np.outer(p, p))).max(), at_most=1e-12)

at_ten = {name: slope(np.array(10.0)) for name, (_, slope, _) in FUNCTIONS.items()}
claim("at z = 10 each bounded slope is below one in ten thousand",
      max(at_ten[name] for name in ("step", "sigmoid", "tanh", "Gaussian")), at_most=1e-4)
claim("at z = 10 each unbounded slope is one, nearly",
      max(abs(at_ten[name] - 1) for name in ("ReLU", "ELU", "Swish")), at_most=1e-3)
claim("a sigmoid passes on a quarter of the gradient, at most", curves["sigmoid"][1].max(), at_most=0.25)

# %% [markdown]
# ## 5 · The same task with each: the step cannot learn, the ReLU can die
#
# On the map: `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`
#
# Trained alike on the spirals, most activations solve the task; the step's hidden layer does not move by a single bit.
#
# Softmax is usually the output's activation. Here it serves in the hidden layer too: sixteen units that share one vote.
#
# **Predict first.** The step has slope zero nearly everywhere. Its *output* regression can learn all the same.
# Which of section 3's six rows will the step network resemble?
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# The answer is the frozen row. Do not let the room rank the others: at another learning rate the order changes.
# Evolution (lecture 02) can train the step; descent cannot.
# </details>

# %%
HIDDEN = {
    "step": lambda z: (z > 0).to(z), "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "Gaussian": lambda z: torch.exp(-(z**2)), "softmax": lambda z: z.softmax(-1),
    "ReLU": torch.relu, "ELU": F.elu, "Swish": F.silu,
}  # fmt: skip


def each_its_own(z):
    """Eight activations in one tensor: the networks come in eight equal groups."""
    return torch.cat([f(part) for f, part in zip(HIDDEN.values(), z.chunk(len(HIDDEN)), strict=True)])


x, y, x_test, y_test = (tensor(part).repeat(8, *[1] * (part.ndim - 1)) for part in splits["spirals"])
layers = random_start(8 * RUNS, 2, UNITS, 2)  # eight activations, five runs each
before = layers[0][0].clone()
train(layers, x, y, each_its_own, steps=STEPS)
reached = accuracy(layers, x_test, y_test, each_its_own).reshape(8, RUNS)
by_activation = dict(zip(HIDDEN, reached, strict=True))

fig, ax = plots.figure("All but the step train; how fast depends on the learning rate too",
                       xlabel="test accuracy on the spirals", ylabel="", size=(7.5, 3.9))
intervals(ax, by_activation)
plots.show("Eight rows: the step far to the left; sigmoid, softmax and ELU in between; the others near one.")

# %%
moved = (layers[0][0] - before).detach().abs().amax(dim=(1, 2)).reshape(8, RUNS)
solved = {name: values.mean() for name, values in by_activation.items()}
claim("the step's hidden weights have not moved", moved[0].max(), at_most=0)
claim("every other hidden layer has", moved[1:].min(), at_least=0.1)
claim("so the step stays behind the ReLU", solved["ReLU"] - solved["step"], at_least=0.1)
claim("tanh, Gaussian, ReLU and Swish all solve the spirals",
      min(solved[name] for name in ("tanh", "Gaussian", "ReLU", "Swish")), at_least=0.93)

# %% [markdown]
# A unit in a flat part is **saturated**: it still speaks, but it no longer listens.
# A ReLU whose score is negative for *every* input is **dead**: its slope is zero everywhere, so no gradient reaches its weights any more.
# A large learning rate can throw a unit that far.
# Count the units whose slope is below one in a million at every training point.

# %%
RATES, TRIO = [0.01, 0.1, 0.3, 1.0], {name: HIDDEN[name] for name in ("ReLU", "ELU", "Swish")}
x, y, x_test, y_test = (tensor(part[:3]) for part in splits["spirals"])
dead, alive = {name: [] for name in TRIO}, {name: [] for name in TRIO}
for name, f in TRIO.items():
    for rate in RATES:
        layers = train(random_start(3, 2, 32, 2), x, y, f, lr=rate, steps=300)
        score = (x @ layers[0][0] + layers[0][1]).detach().requires_grad_()  # (3, n, 32)
        f(score).sum().backward()
        dead[name].append((score.grad.abs().amax(dim=1) < 1e-6).double().mean().item())
        alive[name].append(accuracy(layers, x_test, y_test, f).mean())

fig, ax = plots.figure("A high learning rate kills ReLUs; ELU and Swish keep a slope",
                       xlabel="learning rate of Adam", ylabel="dead units (%)", size=(7.5, 3.6))
colors = (plots.RED, plots.SKY, plots.PURPLE)
for (name, values), color, dy in zip(dead.items(), colors, (0, 9, -7), strict=True):
    ax.semilogx(RATES, 100 * np.array(values), "o-", color=color)
    plots.name(ax, RATES[-1], 100 * values[-1], name, color, dy=dy)
ax.set_ylim(bottom=-6)
plots.show("The share of dead ReLUs climbs with the learning rate to about half; the others stay at zero.")

# %%
claim("at a learning rate of 1 many ReLUs are dead", dead["ReLU"][-1], at_least=0.25)
claim("ELUs and Swishes are not", max(dead["ELU"] + dead["Swish"]), at_most=0.1)
claim("at 0.3 the net with dead ReLUs still solves the task: it had units to spare",
      alive["ReLU"][2], at_least=0.95)

# %% [markdown]
# ## 6 · A ReLU network is a piecewise linear regression
#
# On the map: `relu` · `mlp`
#
# Around any point a ReLU network *is* one linear regression, and you can read it off exactly.
#
# At a point each ReLU is on (slope 1) or off (slope 0). Fix this **pattern**, and only linear maps are left:
# their product $A$ and their sum of biases $c$ give $z = Ax + c$, for all points with the same pattern.
# So the network is many linear regressions, and the input chooses which.
#
# **Predict first.** A network on the moons has 2 layers of 12 ReLUs: $2^{24}$, nearly 17 million patterns.
# How many does the plane show: about 15, about 150, or thousands?
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# Most say thousands. One layer of 12 lines cuts a plane into at most 1 + 12 + 66 = 79 pieces: that is proved, and far below 4,096.
# Ask what "explaining" a prediction by its local regression is worth, if the neighbour has another.
# </details>

# %%
def local_regression(layers, x):
    """The linear regression that a ReLU network is around one point: x (d,) -> A (k, d), c (k,)."""
    A, c = np.eye(len(x)), np.zeros(len(x))
    for i, (W, b) in enumerate(layers):
        A, c = W.T @ A, W.T @ c + b
        if i < len(layers) - 1:  # switch off the units whose score is negative here
            on = A @ x + c > 0
            A, c = A * on[:, None], c * on
    return A, c


def one_network(problem, *sizes, steps):
    """One ReLU network for a problem's first split, as NumPy weights: its layers, and the test points."""
    x, y, x_test, _ = (tensor(part[:1]) for part in splits[problem])
    trained = train(random_start(1, *sizes), x, y, torch.relu, lr=0.02, steps=steps)
    return [(W[0].detach().cpu().double().numpy(), b[0, 0].detach().cpu().double().numpy())
            for W, b in trained], splits[problem][2][0]


def forward(layers, x):
    """x (n, d) -> the logits (n, k), and whether each ReLU is on (n, units)."""
    patterns = []
    for W, b in layers[:-1]:
        patterns.append(x @ W + b > 0)
        x = np.maximum(x @ W + b, 0)
    return x @ layers[-1][0] + layers[-1][1], np.hstack(patterns)


# %%
moon_net, moon_points = one_network("moons", 2, 12, 12, 2, steps=800)
digit_net, digit_images = one_network("digits", 64, 32, 32, 10, steps=800)
for name, net, points in (("moons", moon_net, moon_points), ("digits", digit_net, digit_images)):
    logits, _ = forward(net, points)
    local = [A @ x + c for x in points for A, c in [local_regression(net, x)]]
    claim(f"{name}: read off and evaluated, the local regressions are the network",
          np.abs(np.array(local) - logits).max(), at_most=1e-6)

# %%
across, up = np.linspace(-2, 3, 400), np.linspace(-1.5, 2, 280)
grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
logits, patterns = forward(moon_net, grid)
regions, region = np.unique(patterns, axis=0, return_inverse=True)
tints = np.random.default_rng(SEED).uniform(0.72, 1, (len(regions), 3))
fig, ax = plots.figure(f"{len(regions)} linear regressions tile this piece of the plane",
                       xlabel="x₁", ylabel="x₂", size=(7.5, 4.6))
ax.imshow(tints[region.ravel()].reshape(280, 400, 3), extent=[-2, 3, -1.5, 2], origin="lower", aspect="auto")
ax.contour(across, up, (logits[:, 1] - logits[:, 0]).reshape(280, 400), levels=[0], colors=plots.INK)
moon = splits["moons"][3][0][:400]
ax.scatter(*moon_points[:400].T, c=np.where(moon, plots.ORANGE, plots.BLUE), s=5)
ax.grid(visible=False)
plots.show("A plane in flat tiles, a black border of straight pieces between two moons of points.")

# %%
claim("of 17 million patterns the plane shows some hundred", len(regions), at_least=40, at_most=600)
of_digits = len(np.unique(forward(digit_net, digit_images)[1], axis=0)) / len(digit_images)
claim("with 64 inputs there are more than half as many regressions as test images", of_digits, at_least=0.5)

# %% [markdown]
# **Ask the room.** A bank explains a refusal by the coefficients of the local regression.
# They are exact. What would you ask before you believe them? (Exercise 6 computes one answer: how far they hold.)

# %% [markdown]
# ## 7 · Width can do it, by proof; whether descent finds it is another question
#
# On the map: `mlp` · `relu` · `tanh`
#
# With enough units one hidden layer comes as close to any continuous function as you like, on any bounded piece of its inputs: **universal approximation**.
# It is a proof of existence. It says nothing about training.
#
# You can see the proof. $H$ ReLUs are $H$ hinges: put one at each knot, let each change the slope, and the network follows any zigzag.
# Set the weights by hand, then train the same widths, and compare.
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# Expect: "then why not one wide layer for everything?" Three answers: cost, training, and section 7's last claim.
# The trained lines differ from start to start; the hand-set one has no luck in it.
# </details>

# %%
def wiggle(x):
    return np.sin(2 * x) + 0.4 * np.sin(5 * x)


t = np.linspace(-3, 3, 121)
WIDTHS = [4, 8, 16, 32, 64]


def by_hand(width):
    """A one-layer ReLU network whose hinges sit on equal knots: its values at t."""
    knots = np.linspace(-3, 3, width + 1)
    slopes = np.diff(wiggle(knots)) / np.diff(knots)
    return wiggle(-3) + np.maximum(t[:, None] - knots[:-1], 0) @ np.diff(slopes, prepend=0)


def fit_curve(sizes, activation, runs=5, steps=600):
    """Train networks on the wiggle: (runs, 121) their values at t."""
    layers = random_start(runs, 1, *sizes, 1)
    descent = torch.optim.Adam([w.requires_grad_() for layer in layers for w in layer], 0.03)
    schedule = torch.optim.lr_scheduler.LinearLR(descent, 1, 0.02, steps)
    for _ in range(steps):
        descent.zero_grad()
        (runs * F.mse_loss(network(layers, tensor(t)[:, None], activation)[..., 0],
                           tensor(wiggle(t)).expand(runs, -1))).backward()
        descent.step()
        schedule.step()
    return network(layers, tensor(t)[:, None], activation)[..., 0].detach().cpu().numpy()


def rms(values):
    """Root mean square error, of each run."""
    return np.sqrt(np.mean((values - wiggle(t)) ** 2, axis=-1))


# %%
curve = {"ReLU, trained": [fit_curve([width], torch.relu) for width in WIDTHS],
         "tanh, trained": [fit_curve([width], torch.tanh) for width in WIDTHS],
         "ReLU, set by hand": [by_hand(width)[None] for width in WIDTHS]}
error = {name: np.array([np.median(rms(values)) for values in row]) for name, row in curve.items()}

fig, axes = plots.panels("By hand the error keeps falling with width; trained, it falls far less",
                         ["8 ReLUs", "64 ReLUs", "error"], xlabel="t", ylabel="", size=(10, 3.6))
for ax, i in zip(axes, (1, 4), strict=False):
    ax.plot(t, wiggle(t), color=plots.COLOR["truth"], linewidth=1)
    ax.plot(t, curve["ReLU, trained"][i][0], color=plots.RED)
    ax.plot(t, curve["ReLU, set by hand"][i][0], color=plots.GREEN, linestyle=":")
colors = (plots.RED, plots.ORANGE, plots.GREEN)
for (name, values), color, dy in zip(error.items(), colors, (8, -8, 0), strict=True):
    axes[2].loglog(WIDTHS, values, "o-", color=color)
    plots.name(axes[2], WIDTHS[-1], values[-1], name, color, dy=dy)
axes[2].set(xlabel="units (log)", ylabel="RMS error (log)")
axes[2].set_xticks(WIDTHS, WIDTHS)
axes[2].minorticks_off()
plots.show("A wiggle with fits of 8 and 64 ReLUs; right, errors over width: the hand-set one falls fastest.")

# %%
claim("set by hand, twice the units leave about a quarter of the error", error["ReLU, set by hand"][3]
      / error["ReLU, set by hand"][4], at_least=3.3, at_most=4.7)
claim("trained, 32 tanh units beat 4", error["tanh, trained"][0] / error["tanh, trained"][3], at_least=1.5)
claim("64 trained ReLUs miss by several times what 64 hand-set ones do",
      error["ReLU, trained"][4] / error["ReLU, set by hand"][4], at_least=3)

# %% [markdown]
# And depth? By construction it is strong: two ReLUs fold $[0, 1]$ into a tent, up and down. Stack tents, and each layer *doubles* the pieces.
#
# Trained, it has to be measured. The wiggle again, about 200 weights each: 64 units in one layer, 12 + 12 in two, 9 + 9 + 9 in three.

# %%
def tents(x, depth):
    """Two ReLUs a layer, weights set by hand: each layer folds [0, 1] once more."""
    for _ in range(depth):
        x = 2 * np.maximum(x, 0) - 4 * np.maximum(x - 0.5, 0)
    return x


fold = tents(np.linspace(0, 1, 2**12 + 1), depth=6)
pieces = 1 + np.sum(np.diff(np.sign(np.diff(fold))) != 0)
claim("six layers of two ReLUs draw 64 pieces; one layer needs 63 units", pieces, at_least=64, at_most=64)

# %%
SHAPES = [(64,), (12, 12), (9, 9, 9)]
deep = {name: [rms(fit_curve(sizes, HIDDEN[name])) for sizes in SHAPES] for name in ("tanh", "ReLU")}
one, two, three = (np.median(errors) for errors in deep["tanh"])
claim("tanh: at equal weights a second layer lowers the error", one / two, at_least=1.3)
claim("tanh: a third layer gains no more than the second did, give or take: ratio of the two factors",
      (two / three) / (one / two), at_most=1.3)
claim("one layer, trained alike: ReLU misses this smooth curve by more than tanh",
      np.median(deep["ReLU"][0]) / one, at_least=1.1)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A forgotten activation.** Two linear layers in a row are one regression.
# - **A softmax before the loss.** `cross_entropy` wants logits. Softmax twice still trains, slowly, and nobody tells you.
# - **A hidden layer where none is needed.** Run the regression first.
# - **Dead units.** Count them. If there are many, lower the learning rate before you change the activation.
# - **Depth as a cure.** A deeper net says more with the same weights, and is harder to train: lectures 05, 07 and 11.
# - **One start.** The ticks in section 3 differ by points. Compare means over starts, with intervals. Section 7's narrow three-layer ReLU nets fail on some starts, on some seeds only: so no claim is made.

# %% [markdown]
# ## Summary
#
# 1. A hidden layer is a bag of regressions; the output is a regression stacked on it. In form this is exact.
# 2. In training it is not: all weights follow one loss. On spirals that adds points, on moons nothing, and on digits one regression was enough.
# 3. An activation must bend, and must have a slope: a step cannot be trained by descent, a saturated or dead unit does not listen.
# 4. A ReLU network is a set of linear regressions, and the input chooses one.
# 5. One wide layer can be anything, by proof. What descent finds is less, and a matter of width, depth, activation and start.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 04`, then open `exercises/work/04_exercises.ipynb`: seven tasks, about 120 minutes.
#
# - F. Rosenblatt (1958), *The Perceptron*, Psychological Review 65.
# - M. Minsky, S. Papert (1969), *Perceptrons*, MIT Press.
# - G. Cybenko (1989), *Approximation by Superpositions of a Sigmoidal Function*, Mathematics of Control, Signals and Systems 2.
# - D. H. Wolpert (1992), *Stacked Generalization*, Neural Networks 5.
# - A. Rahimi, B. Recht (2008), *Random Features for Large-Scale Kernel Machines*, NIPS 20.
# - V. Nair, G. E. Hinton (2010), *Rectified Linear Units Improve Restricted Boltzmann Machines*, ICML.
# - G. Montúfar, R. Pascanu, K. Cho, Y. Bengio (2014), *On the Number of Linear Regions of Deep Neural Networks*, NIPS 27.
# - D.-A. Clevert, T. Unterthiner, S. Hochreiter (2016), *Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)*, ICLR.
# - M. Telgarsky (2016), *Benefits of Depth in Neural Networks*, COLT.
# - P. Ramachandran, B. Zoph, Q. V. Le (2017), *Searching for Activation Functions*, arXiv 1710.05941.
