# %% [markdown]
# # 02 · Optimization
#
# **Question.** A loss is given: how do you get down it, how fast, and what if it has no slope?
#
# **You will be able to** compute the largest learning rate that works; train on mini-batches; write SGD, momentum, AdaGrad, RMSProp, AdaDelta, Adam and AdamW in a few lines each; choose between them; optimize without a gradient.
#
# **Needs** 01 · **Minutes** 90 to teach, 150 to study · **CPU** 20 s
#
# On the map: `optimization` · `steepest-descent` · `sgd` · `learning-rate` · `momentum` · `adagrad` · `adadelta` · `adam` · `evolution`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import time

import numpy as np
import torch
from scipy.optimize import minimize

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch.regression import sigmoid, softmax  # built in lecture 01

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET)

# %%
concept_map.show("02")

# %% [markdown]
# ## 1 · The steepest direction sets the speed limit
#
# On the map: `optimization` · `steepest-descent` · `learning-rate`
#
# The largest learning rate that works is two divided by the largest curvature of the loss.
#
# **Optimization** (최적화) makes a loss small.
# **Steepest descent** (경사하강법), lecture 01's gradient descent, steps against the gradient $g$: $w \leftarrow w - \eta\, g(w)$.
# The **learning rate** (학습률) $\eta$, in code `lr`, is the only thing to choose.
# **The library's way** is `torch.optim.SGD(parameters, lr=…)`, and it leaves the choice to you.
#
# Take diabetes progression again, with two inputs: body mass index, and blood pressure in a unit that makes its numbers five times as large.
# Lecture 01's round bowl becomes a ravine.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Draw a parabola and let somebody bounce on it with η = 1/L, 1.9/L, 2.1/L before you show the panels.
# The usual wrong answer at *predict first*: "you end a little beside the bottom". The factor per step is 1.02, and it compounds.

# %% [markdown]
# How much does the slope change when you walk? The **curvature** says it: the matrix $H$ of second derivatives.
# For this loss $H = \frac2n X^\top X$, the same everywhere, so $g(w) = H (w - w^*)$ with $w^*$ the bottom.
# One step changes the distance to the bottom:
#
# $$w - w^* \;\leftarrow\; (I - \eta H)(w - w^*)$$
#
# Along a direction of curvature $\lambda$ (an eigenvalue of $H$) the factor is $1 - \eta\lambda$.
# The distance shrinks exactly if $\eta < 2 / \lambda$.
# This must hold in *every* direction, so the largest eigenvalue $L$ decides: $\eta < 2 / L$. This is proved, not folklore.
#
# **Predict first.** You set $\eta$ one per cent above $2/L$. Where are you after 1,000 steps? And one per cent below?

# %%
diabetes = data.load("diabetes")
bmi, pressure = (diabetes.x[:, diabetes.feature_names.index(name)]
                 for name in ("bmi", "bp"))
X = np.column_stack([bmi / bmi.std(), 5 * pressure / pressure.std()])  # (442, 2)
y = diabetes.y - diabetes.y.mean()  # centred, so no bias is needed


def mse_gradient(w):
    return 2 / len(y) * X.T @ (X @ w - y)


def descend(gradient, w, lr, steps):
    path = [np.array(w, dtype=float)]
    for _ in range(steps):
        path.append(path[-1] - lr * gradient(path[-1]))
    return np.array(path)  # (steps + 1, d): every setting of the weights on the way


flat, L = np.linalg.eigvalsh(2 / len(y) * X.T @ X)  # the smallest and the largest curvature
bottom = np.linalg.solve(X.T @ X, X.T @ y)
rates = {"0.1 / L: slow": 0.1, "1 / L: good": 1, "1.9 / L: zigzag": 1.9,
         "2.1 / L: divergent": 2.1}
fig, axes = plots.panels("The same ravine, four learning rates", rates,
                         xlabel="weight of body mass",
                         ylabel="weight of pressure", sharey=True)
u, v = np.meshgrid(np.linspace(-60, 130, 60), np.linspace(-30, 36, 60))
surface = np.mean((u[..., None] * X[:, 0] + v[..., None] * X[:, 1] - y) ** 2, axis=-1)
for ax, factor in zip(axes, rates.values(), strict=True):
    ax.contour(u, v, surface, levels=14, cmap="Greys_r", linewidths=0.7)
    path = descend(mse_gradient, [-40, 28], factor / L, 25)
    ax.plot(*path.T, "o-", color=plots.BLUE, markersize=3, linewidth=1)
    ax.plot(*bottom, "*", color=plots.ORANGE, markersize=12)
    ax.set(xlim=(-60, 130), ylim=(-30, 36))
plots.show("25 steps each: creeping; down and along the valley; zigzag across it; "
           "out of the picture.")

# %%
def distance(lr, steps=1000):  # to the bottom, as a multiple of the distance at the start
    path = descend(mse_gradient, [-40, 28], lr, steps)
    return np.linalg.norm(path[-1] - bottom) / np.linalg.norm(path[0] - bottom)


claim("on the quadratic, 1 % below 2/L arrives", distance(0.99 * 2 / L), at_most=1e-6)
claim("on the quadratic, 1 % above 2/L runs away", distance(1.01 * 2 / L), at_least=1000)

# %% [markdown]
# Other losses curve differently at each place; what decides in the end is the curvature *at the bottom*.
# Take logistic regression (lecture 01) on two measurements of 569 tumours.
# A library finds the bottom, the largest eigenvalue there gives the limit, and descent tries it.
#
# One thing is different. The slope of this loss is bounded: far out it is a straight ramp, where the bowl gets ever steeper.
# Above the limit the weights should not run away, but jump to and fro.

# %%
cancer = data.load("breast_cancer")
tumours = (cancer.x - cancer.x.mean(axis=0)) / cancer.x.std(axis=0)  # (569, 30)
malignant = (cancer.y == 0).astype(float)
# F (569, 3): radius, texture, one
F = np.column_stack([tumours[:, :2], np.ones(len(tumours))])


def log_loss(w, X=F, y=malignant):
    return np.mean(np.logaddexp(0, X @ w) - y * (X @ w))


def log_gradient(w, X=F, y=malignant):
    return X.T @ (sigmoid(X @ w) - y) / len(y)


best = minimize(log_loss, np.zeros(3), jac=log_gradient, method="BFGS",
                options={"gtol": 1e-10}).x
p = sigmoid(F @ best)
# the curvature at the bottom
L_log = np.linalg.eigvalsh(F.T @ (F * (p * (1 - p))[:, None]) / len(F))[-1]
ends = [descend(log_gradient, np.zeros(3), times * 2 / L_log, 3000)[-1]
        for times in (0.98, 1.02, 2)]
below, above, far = (np.abs(end - best).max() for end in ends)

# %%
claim("on the logistic loss, 2 % below 2/L arrives", below, at_most=1e-6)
claim("on the logistic loss, 2 % above 2/L never settles", above, at_least=0.05)
claim("but it does not run away, even at twice the limit", far, at_most=20)

# %% [markdown]
# ## 2 · A few rows tell the way
#
# On the map: `sgd`
#
# A gradient from a hundred rows points nearly as well as one from all rows, and costs a fraction.
#
# **Full batch** reads every row for one step. **Mini-batch** reads a few, drawn at random. **Online** reads one, as it arrives.
# The last two are **stochastic gradient descent** (확률적 경사하강법, SGD).
# One reading of all rows is a pass, or **epoch** (에폭).
#
# On the ad log, one-hot inputs are nearly all zero. So keep the *numbers of the ones*, eleven a row; a score is then a sum of eleven weights.
#
# **Predict first.** After one pass over the rows, which is ahead: one step on all rows, 700 steps on 100 rows, or 70,000 steps on one?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Ask how many people you must poll to know which of two parties leads. Nobody says "all".
# The online run is slow because Python pays for every step, not because of the rows.
# Each batch size has a good rate from a small ladder, picked by its share on such logs; for all rows that is a little below 2/L.

# %%
rng = np.random.default_rng(SEED)
log = data.load("ads", rows=run.pick(lecture=100_000, full=1_000_000), seed=SEED)
columns = [column for column in log.sizes if column != "day"]
# where each column's weights begin
firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
# ones (n, 11)
ones = np.stack([log.features[column] for column in columns], axis=1) + firsts[:-1]
past = log.features["day"] < 10
seen, click, unseen, future = ones[past], log.click[past], ones[~past], log[~past]
# every row at the base rate
START = np.full(firsts[-1], np.log(click.mean() / (1 - click.mean())) / 11)


def click_gradient(w, rows):
    """Gradient of the log-loss on some rows. w: (548,) -> (548,)."""
    error = sigmoid(w[seen[rows]].sum(axis=1)) - click[rows]
    return np.bincount(seen[rows].ravel(), np.repeat(error, 11) / len(rows),
                       minlength=len(w))

# %%
everything = np.arange(len(click))


def train(batch, lr, passes):
    """Descent on batches of the ad log:
    on the way, passes read and share of the gap on the future, in %."""
    w, curve, steps = START, [], passes * len(click) // batch
    marks = set(np.geomspace(1, steps, 14).astype(int))
    for t in range(1, steps + 1):
        rows = everything if batch == len(click) else rng.integers(0, len(click), batch)
        w = w - lr * click_gradient(w, rows)
        if t in marks:
            curve.append((t * batch / len(click),
                          100 * future.share_of_gap(sigmoid(w[unseen].sum(axis=1)))))
    return np.array(curve)


curves, seconds = {}, {}
fig, ax = plots.figure("Small batches learn before the first pass ends",
                       xlabel="passes over the rows (log)", ylabel="share of the gap (%)")
for name, batch, lr, passes, color, up in [
        ("all rows", len(click), 24, 30, plots.INK, 0),
        ("1,000 rows", 1000, 8, 10, plots.BLUE, -8),
        ("100 rows", 100, 1, 10, plots.ORANGE, 8),
        ("one row", 1, 0.02, 1, plots.GREEN, 14)]:
    start = time.perf_counter()
    curves[name] = train(batch, lr, passes)
    seconds[name] = (time.perf_counter() - start) / passes
    late = curves[name][curves[name][:, 0] >= 0.01]
    ax.semilogx(*late.T, "o-", color=color, markersize=4)
    plots.name(ax, *late[-1], name, color, dx=-62 if batch == 1 else 6, dy=up)
plots.show("Share of the gap by passes: "
           "batches of one, 100 and 1000 lie far above the full batch.")

# %%
claim("one pass in batches of 100 beats five steps on all rows, in points of the gap",
      np.interp(1, *curves["100 rows"].T) - np.interp(5, *curves["all rows"].T), at_least=3)
claim("a pass in batches of 100 takes a fraction of the time of a pass row by row",
      seconds["100 rows"] / seconds["one row"], at_most=0.4)
full = click_gradient(START, everything)
noise = {batch: np.mean([np.sum((click_gradient(START, rng.choice(everything, batch))
                                 - full) ** 2)
                         for _ in range(300)]) ** 0.5 for batch in (10, 1000)}
claim("a hundred times the rows, a tenth of the noise",
      noise[10] / noise[1000], at_least=8, at_most=12)

# %% [markdown]
# The noise falls with the square root of the batch, the cost grows with the batch: that is the bargain.
# A batch should be small enough to step often, and large enough to keep the processor busy.
#
# Noise can even help. The model is $\hat y = \sin(wx)$ with one unknown, the frequency $w$; its loss is full of holes.
# Start at 200 places and descend with the same rates, on all rows or on one row at a time.
#
# That noise finds *better* minima of large networks too is folklore with some evidence. Here you see it on a toy.

# %%
waves = rng.uniform(-3, 3, 200)
heard = np.sin(4 * waves) + rng.normal(0, 0.1, 200)  # the true frequency is 4


def find_frequency(w, batch, steps=1500):
    """Descend from every start at once, the rate falling to zero;
    batch None means all rows. w: (200,)."""
    for t in range(steps):
        rows = slice(None) if batch is None else rng.integers(0, 200, (len(w), batch))
        x, angle = waves[rows], w[:, None] * waves[rows]
        slope = np.mean(2 * (np.sin(angle) - heard[rows]) * np.cos(angle) * x, axis=1)
        w = w - 0.1 * (1 + np.cos(np.pi * t / steps)) * slope
    return w


grid, found = np.linspace(0, 8.6, 500), {}
fig, ax = plots.figure("Noise shakes the one-row descent out of the holes",
                       xlabel="frequency w", ylabel="mean squared error")
ax.plot(grid, np.mean((np.sin(grid[:, None] * waves) - heard) ** 2, axis=1),
        color=plots.GREY)
for name, batch, color, height in (("all rows", None, plots.BLUE, 1.55),
                                   ("one row", 1, plots.ORANGE, 1.95)):
    ends = find_frequency(np.linspace(0.5, 8, 200), batch)
    found[name] = np.mean(np.abs(ends - 4) < 0.1)
    places, count = np.unique(ends.round(1), return_counts=True)
    ax.scatter(places, np.full(len(places), height), s=3 * count, color=color)
    plots.name(ax, 0.1, height, f"{name}: {found[name]:.0%} at 4", color, dx=0, dy=14)
ax.set(xlim=(0, 9), ylim=(0, 2.3))
plots.show("A loss with holes, the deepest at 4; "
           "most one-row descents end there, few of the full ones.")

# %%
claim("one row at a time finds the deep hole from more starts",
      found["one row"] - found["all rows"], at_least=0.25)

# %% [markdown]
# ## 3 · A schedule: fast first, then fine
#
# On the map: `sgd` · `learning-rate`
#
# Where rows disagree, SGD with a constant rate never arrives: the noise keeps it above the bottom, and higher for a higher rate.
#
# So begin fast and end slowly. A **schedule** gives each step $t$ of $T$ its own rate.
# Usual ones: $\eta / \sqrt{1 + t/t_0}$, which needs no end, and half a **cosine** from $\eta$ to zero, which does.
# $t_0$ says when the fall begins: below, after a hundredth of the steps.
# **Warm-up** is the opposite at the start: a short climb from zero, while the averages of section 5 fill.
#
# **Ask the room.** Your click model learns online and never stops. Which schedule, if the world changes every week?
#
# <details><summary>One answer</summary>
#
# A constant rate. Robbins and Monro need rates that sum to infinity with squares that do not, for a world that stands still.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# The mistake to expect: a schedule that ends before training does, or after.

# %%
def noisy_descent(rate, steps=2000, runs=20, batch=8):
    """Logistic regression on the tumours, in small batches:
    mean excess loss at every tenth step."""
    w, excess = np.zeros((runs, 3)), []
    for t in range(steps):
        rows = rng.integers(0, len(F), (runs, batch))
        error = sigmoid(np.einsum("rbd,rd->rb", F[rows], w)) - malignant[rows]
        w = w - 2 * rate(t / steps) * np.einsum("rb,rbd->rd", error, F[rows]) / batch
        if t % 10 == 9:
            excess.append(np.mean([log_loss(one) for one in w]) - log_loss(best))
    return np.array(excess)


schedules = {"constant": (lambda s: 1, plots.INK),
             "a quarter": (lambda s: 0.25, plots.BLUE),
             "1 / √t": (lambda s: 1 / np.sqrt(1 + 100 * s), plots.GREEN),
             "cosine": (lambda s: (1 + np.cos(np.pi * s)) / 2, plots.ORANGE)}
excess = {name: noisy_descent(rate) for name, (rate, _) in schedules.items()}
fig, ax = plots.figure("A constant rate hovers; a falling one lands",
                       xlabel="step", ylabel="loss above the minimum (nats, log)")
for name, (_, color) in schedules.items():
    ax.semilogy(np.arange(10, 2001, 10), excess[name], color=color, linewidth=1.5)
    plots.name(ax, 2000, excess[name][-10:].mean(), name, color)
plots.show("Excess loss over 2000 steps: "
           "constant hovers high, a quarter lower, then 1/√t, cosine lowest.")

# %%
claim("a quarter of the rate hovers at about a quarter of the height",
      excess["constant"][-50:].mean() / excess["a quarter"][-50:].mean(), at_least=2.5,
      at_most=8)
claim("the cosine lands far below the constant rate",
      excess["cosine"][-5:].mean() / excess["constant"][-50:].mean(), at_most=0.15)

# %% [markdown]
# ## 4 · Momentum: a ball instead of a walker
#
# On the map: `momentum`
#
# In a narrow ravine, momentum saves most of the steps.
#
# A walker forgets how the last step went. A ball keeps a **velocity** $v$: **momentum** (모멘텀).
#
# $$v \leftarrow \beta v + g, \qquad w \leftarrow w - \eta v$$
#
# $\beta$ is the share of velocity that stays, often 0.9.
# Zigzags across the ravine cancel in $v$; steps along it add up, to $1/(1-\beta)$ times the single one.
#
# The ravine's **condition number** $\kappa = L / \lambda_{\min}$ is the ratio of its curvatures.
# At the best settings descent shrinks the distance by $\frac{\kappa - 1}{\kappa + 1}$ a step, momentum in the long run by $\frac{\sqrt\kappa - 1}{\sqrt\kappa + 1}$ (Polyak, 1964; proved for quadratics).

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# People expect more momentum to be better. The 0.99 curve is the answer: it swings past the bottom for hundreds of steps.

# %%
def roll(lr, beta, steps=300):
    """Distance to the bottom of section 1's ravine at each step, by momentum,
    from 1 on: (steps + 1,)."""
    w, v, distances = np.array([-40.0, 28.0]), np.zeros(2), []
    for _ in range(steps + 1):
        distances.append(np.linalg.norm(w - bottom))
        v = beta * v + mse_gradient(w)
        w = w - lr * v
    return np.array(distances) / distances[0]


root = np.sqrt(L / flat)
rolls = {"no momentum": roll(2 / (L + flat), 0),
         "best β": roll(4 / (L**0.5 + flat**0.5) ** 2, ((root - 1) / (root + 1)) ** 2),
         "β = 0.99": roll(1 / L, 0.99)}
fig, ax = plots.figure("Momentum saves most of the steps in a ravine of condition "
                       f"{root**2:.0f}",
                       xlabel="step", ylabel="distance to the bottom (log)")
hues = plots.INK, plots.BLUE, plots.PURPLE
for (name, curve), color, at in zip(rolls.items(), hues, (150, 40, 230), strict=True):
    ax.semilogy(curve, color=color, linewidth=1.5)
    plots.name(ax, at, curve[at], name, color, dx=10, dy=26 if at == 230 else 6)
ax.set_ylim(1e-9, 20)
plots.show("Distance by step: momentum falls steeply, plain descent slowly, "
           "β = 0.99 swings at the top.")

# %%
# len: not there yet
steps = {name: np.argmax(curve < 1e-6) or len(curve) for name, curve in rolls.items()}
claim("the best momentum needs a fraction of the steps",
      steps["best β"] / steps["no momentum"], at_most=0.35)
claim("too much momentum needs more steps than none",
      steps["β = 0.99"] / steps["no momentum"], at_least=1.2)

# %% [markdown]
# ## 5 · A learning rate for every weight
#
# On the map: `adagrad` · `adadelta` · `adam` · `momentum`
#
# The Ada-family divides each weight's step by the size of that weight's own gradients.
#
# A ravine needs a small rate across and a large one along, so each weight gets its own.
# A method takes the weights, the gradient and a memory, and returns new weights.
#
# - **AdaGrad** (에이다그래드): divide by the root of the *sum* of all squared gradients.
# - **RMSProp**: of a running *mean*, which forgets.
# - **AdaDelta** (에이다델타): times the size of recent moves, so that the units fit.
# - **Adam** (아담): RMSProp with momentum, and a correction for averages that start at zero.
# - **AdamW**: Adam that also shrinks the weights themselves a little at each step.
#
# **The library's way** is `torch.optim`; below, both walk side by side, in double precision.

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
# Write AdaGrad on the board, and let the room change one thing at a time until it is Adam.
# Ask for Adam's first step: it is `lr` in every coordinate, whatever the gradient.
# If the sliders of the race do not appear, restart the kernel without `DLMAP_BATCH`.

# %%
def sgd(w, g, memory, lr):
    return w - lr * g


def momentum(w, g, memory, lr, beta=0.9):
    memory["v"] = beta * memory.get("v", 0) + g
    return w - lr * memory["v"]


def adagrad(w, g, memory, lr, eps=1e-10):
    memory["sum"] = memory.get("sum", 0) + g**2
    return w - lr * g / (np.sqrt(memory["sum"]) + eps)

# %%
def average(memory, name, new, keep):  # a running mean that starts at zero
    memory[name] = keep * memory.get(name, 0) + (1 - keep) * new
    return memory[name]


def rmsprop(w, g, memory, lr, keep=0.99, eps=1e-8):
    return w - lr * g / (np.sqrt(average(memory, "g²", g**2, keep)) + eps)


def adadelta(w, g, memory, lr, keep=0.9, eps=1e-6):
    size = np.sqrt(average(memory, "g²", g**2, keep) + eps)
    move = np.sqrt(memory.get("move²", 0) + eps) / size * g
    average(memory, "move²", move**2, keep)
    return w - lr * move

# %%
def adam(w, g, memory, lr, keep=0.9, keep_square=0.999, eps=1e-8):
    t = memory["t"] = memory.get("t", 0) + 1
    # the mean starts at zero: take that bias out
    mean = average(memory, "g", g, keep) / (1 - keep**t)
    square = average(memory, "g²", g**2, keep_square) / (1 - keep_square**t)
    return w - lr * mean / (np.sqrt(square) + eps)


def adamw(w, g, memory, lr, decay=0.01):
    return adam(w * (1 - lr * decay), g, memory, lr)

# %%
rules = {"SGD": sgd, "momentum": momentum, "AdaGrad": adagrad, "RMSProp": rmsprop,
         "AdaDelta": adadelta, "Adam": adam, "AdamW": adamw}
library = {"SGD": torch.optim.SGD,
           "momentum": lambda w, **rate: torch.optim.SGD(w, momentum=0.9, **rate),
           "AdaGrad": torch.optim.Adagrad, "RMSProp": torch.optim.RMSprop,
           "AdaDelta": torch.optim.Adadelta,
           "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def apart(name, lr=0.1, steps=100):
    """Both walk on mini-batches, each by the gradients of its own place:
    the largest difference ever."""
    w, memory, gap = np.zeros(3), {}, 0.0
    theirs = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = library[name]([theirs], lr=lr)
    for rows in rng.integers(0, len(F), (steps, 32)):
        w = rules[name](w, log_gradient(w, F[rows], malignant[rows]), memory, lr)
        slope = log_gradient(theirs.detach().numpy(), F[rows], malignant[rows])
        theirs.grad = torch.tensor(slope)
        optimizer.step()
        gap = max(gap, np.abs(w - theirs.detach().numpy()).max())
    return gap


for name in rules:
    claim(f"{name} is PyTorch's, step by step", apart(name), at_most=1e-6)

# %% [markdown]
# What rate does a weight get in effect? For AdaGrad, `lr` divided by the root of its sum. Look at the ad log after one pass:
# the weight of a rare user has moved seldom, so it still moves far when that user comes.

# %%
def one_pass_of(rule, lr):
    w, memory = START, {}
    for rows in rng.permutation(len(click))[: len(click) // 100 * 100].reshape(-1, 100):
        w = rule(w, click_gradient(w, rows), memory, lr)
    return 100 * future.share_of_gap(sigmoid(w[unseen].sum(axis=1))), memory


by_adagrad, memory = one_pass_of(adagrad, 0.1)
times_seen = np.bincount(seen.ravel(), minlength=len(START))
rate = 0.1 / np.sqrt(memory["sum"])
slope, height = np.polyfit(np.log(times_seen), np.log(rate), 1)

fig, ax = plots.figure("AdaGrad gives the rare a large rate, the frequent a small one",
                       xlabel="times seen in training (log)",
                       ylabel="effective learning rate (log)")
ax.loglog(times_seen, rate, ".", color=plots.GREEN, alpha=0.5)
span = np.array([times_seen.min(), times_seen.max()])
ax.loglog(span, np.exp(height) * span**slope, color=plots.INK, linewidth=1.2)
plots.name(ax, 3000, 4, f"slope {slope:.2f}", plots.INK)
plots.show("Each weight's effective rate against how often it was seen: "
           "a falling line in log-log scale.")

# %%
by_sgd = max(one_pass_of(sgd, lr)[0] for lr in (0.3, 1, 2, 4))
claim("AdaGrad's rate falls about as one over the root of the count",
      slope, at_least=-0.7, at_most=-0.4)
claim("after one pass AdaGrad is ahead of SGD at the best of four rates, "
      "in points of the gap",
      by_adagrad - by_sgd, at_least=2)

# %% [markdown]
# The comparison is not blind: AdaGrad's 0.1 was picked from three rates on such logs, SGD got the best of four here. At 0.03 AdaGrad was only level.
# Still, ids are the natural home of AdaGrad: Google's click model used such per-weight rates (McMahan, 2013).
#
# The picture is kinder than the truth, though: the family scales the *axes*. What if the ravine runs diagonally?
# Here is the race, each method at one rate for both ravines. Turn `tilt` yourself.

# %%
COLORS = {"SGD": plots.INK, "momentum": plots.BLUE, "AdaGrad": plots.GREEN,
          "RMSProp": plots.SKY, "AdaDelta": plots.PURPLE, "Adam": plots.ORANGE}
RATES = {"SGD": 0.01, "momentum": 0.01, "AdaGrad": 0.5, "RMSProp": 0.02, "AdaDelta": 10,
         "Adam": 0.1}


def race(name, tilt, steps):
    """Paths and losses in a ravine of curvatures 1 and 100, turned by `tilt` degrees."""
    a = np.deg2rad(tilt)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    ravine, path, memory = turn @ np.diag([1, 100]) @ turn.T, [turn @ [-2.0, 0.5]], {}
    for _ in range(int(steps)):
        path.append(rules[name](path[-1], ravine @ path[-1], memory, RATES[name]))
    return np.array(path), np.einsum("ti,ij,tj->t", path, ravine, path) / 2


def draw(tilt=45.0, steps=80.0):
    fig, axes = plots.panels("The Ada-family runs along the axes, and a tilt slows it",
                             ["along an axis", f"turned by {tilt:g}°"],
                             xlabel="weight 1", ylabel="weight 2", size=(10, 4.6))
    for ax, angle in zip(axes, (0.0, tilt), strict=True):
        u, v = np.meshgrid(np.linspace(-2.5, 2.2, 80), np.linspace(-2.4, 0.9, 80))
        c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        ax.contour(u, v, (c * u + s * v) ** 2 / 2 + 50 * (c * v - s * u) ** 2,
                   levels=[0.3, 2, 8, 25, 80, 200], colors="#BBBBBB", linewidths=0.8)
        for name, color in COLORS.items():
            path, loss = race(name, angle, steps)
            ax.plot(*path.T, color=color, linewidth=1.8, label=f"{name} {loss[-1]:.0e}")
        ax.set(xlim=(-2.5, 2.2), ylim=(-2.4, 0.9))
        ax.legend(fontsize=10, loc="lower right", title="loss at the end", frameon=True,
                  framealpha=0.9)
    plots.show("Six paths in a straight ravine and in a tilted one, "
               "with the last loss of each.")


plots.knobs(draw, tilt=(0, 90), steps=(10, 400))

# %%
needed = {(name, tilt): np.argmax(race(name, tilt, 2000)[1] < 1e-3)
          for name in ("SGD", "AdaGrad", "Adam") for tilt in (0, 45)}
for name, low, high in [("SGD", 0.99, 1.01), ("AdaGrad", 5, 50), ("Adam", 2.5, 10)]:
    claim(f"turned by 45°, the steps of {name} multiply by",
          needed[name, 45] / needed[name, 0], at_least=low, at_most=high)

# %% [markdown]
# ## 6 · "The Ada-family perform alike, plain SGD aside": tested
#
# On the map: `sgd` · `adagrad` · `adadelta` · `adam` · `optimization`
#
# At its best rate each method does well; what differs is how hard that rate is to find.
#
# The sentence is from the article that drew the map. Test it: softmax regression, batches of 64, 400 steps, every method at every rate from $10^{-7}$ to $10^2$.
# Once on digits, scaled to $[0, 1]$. Once on the tumours in *raw* units, where some columns hold thousandths and others thousands.
#
# **Predict first.** On the raw columns, at which rate does SGD do best?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Most guess 0.1 or 0.01, the rates they know. Section 1 answers: 2/L, and L grows with the square of the largest column.
# SGD has a small window far to the left, where nobody looks.

# %%
def fit(rule, lr, x, y, x_test, y_test, steps=400):
    """Softmax regression by mini-batches:
    the training loss and the accuracy on unseen rows."""
    answers, memory, w = np.eye(y.max() + 1)[y], {}, np.zeros((x.shape[1], y.max() + 1))
    for rows in np.random.default_rng(SEED).integers(0, len(x), (steps, 64)):
        w = rule(w, x[rows].T @ (softmax(x[rows] @ w) - answers[rows]) / 64, memory, lr)
    z = x @ w
    loss = np.mean(np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y])
    return loss, np.mean((x_test @ w).argmax(axis=1) == y_test)


digits, problems, tried = data.load("digits"), {}, {}
# PyTorch's own
DEFAULT = {name: library[name]([torch.zeros(1)]).defaults["lr"] for name in COLORS}
ladder = 10.0 ** np.arange(-7, 2.1, 0.5)

# %%
fig, axes = plots.panels("Every method has a good rate; "
                         "they differ in where it is, and how wide",
                         ["digits, scaled", "tumours, raw"], xlabel="learning rate (log)",
                         ylabel="training loss (nats, log)", size=(10, 4), sharey=True)
tables = (digits.x / 16, digits.y), (cancer.x, cancer.y)
for ax, where, (x, y) in zip(axes, ("digits", "raw"), tables, strict=True):
    x, order = np.column_stack([x, np.ones(len(x))]), rng.permutation(len(x))
    train_rows, test_rows = np.split(order, [int(0.7 * len(x))])
    problems[where] = x[train_rows], y[train_rows], x[test_rows], y[test_rows]
    for name, color in COLORS.items():
        # (19, 2)
        tried[where, name] = np.array([fit(rules[name], lr, *problems[where])
                                       for lr in ladder])
        ax.loglog(ladder, tried[where, name][:, 0], color=color, linewidth=1.8, label=name)
        ax.plot(DEFAULT[name], fit(rules[name], DEFAULT[name], *problems[where])[0], "o",
                color=color)
    ax.set_ylim(0.01, 3000)
axes[0].legend(fontsize=10, loc="upper left", ncols=2, title="dot: PyTorch's default rate")
plots.show("Loss against learning rate, six methods, two problems: "
           "U-shaped curves at different places.")

# %%
def at_best(where, name):  # loss, accuracy and rate where the training loss is smallest
    i = int(np.nanargmin(tried[where, name][:, 0]))
    return *tried[where, name][i], ladder[i]


accuracy = [at_best("digits", name)[1] for name in COLORS]
claim("at the best rate of each, all six read unseen digits alike, SGD too",
      np.ptp(accuracy), at_most=0.04)

# %%
default = {name: fit(rules[name], DEFAULT[name], *problems["digits"])[0] for name in COLORS}
family = [default[name] for name in ("AdaGrad", "RMSProp", "AdaDelta", "Adam")]
claim("at PyTorch's default rates SGD is last: its loss over the family's worst",
      default["SGD"] / max(family), at_least=1.2)
claim("but the family is not alike there either: worst loss over best",
      max(family) / min(family), at_least=4)

# %%
sgd_default, adam_default = (fit(rules[name], DEFAULT[name], *problems["raw"])[0]
                             for name in ("SGD", "Adam"))
sgd_best, adam_best = at_best("raw", "SGD"), at_best("raw", "Adam")

# %%
claim("on raw columns, at default rates: SGD's loss over Adam's",
      sgd_default / adam_default, at_least=20)
claim("SGD's best rate there is a small part of its default",
      sgd_best[2] / DEFAULT["SGD"], at_most=0.1)
claim("and even there its loss stays above Adam's",
      sgd_best[0] / adam_best[0], at_least=1.2)

# %% [markdown]
# So the sentence is half right. Tuned, and with scaled inputs, plain SGD is as good as the family.
# On raw columns SGD too has a rate that works, but a tiny one, and it crawls along the flat directions.
# With rare ids (section 5) it fell behind in one pass, at each of four rates.
# And at default rates the family is no family: its members differ by more than SGD differs from the next.
# What Adam buys here is not a better minimum but a rate you need not search for, and on raw columns speed.
#
# **Ask the room.** A paper says "our optimizer beats SGD". Which two questions do you ask?

# %% [markdown]
# ## 7 · Evolution: when there is no slope
#
# On the map: `evolution`
#
# Shake the weights and follow what went well: it needs no gradient, and pays with many more looks at the loss.
#
# **Evolution strategies** (진화적 최적화) draw noise $\varepsilon$, try $w + \sigma\varepsilon$ and its mirror image $w - \sigma\varepsilon$, and move along $\varepsilon$ by what it gained:
#
# $$\hat g = \frac1m \sum_{k=1}^{m} \frac{\ell(w + \sigma \varepsilon_k) - \ell(w - \sigma \varepsilon_k)}{2\sigma}\, \varepsilon_k$$
#
# $\ell$ is the loss, $m$ the number of pairs, $\sigma$ the width of the noise.
# On average this is the gradient of the loss *blurred* by that noise. Even lecture 01's staircase, blurred, has a slope.
#
# **The library's way.** `scipy.optimize.differential_evolution` for a few knobs, the package `cma` for some hundred. PyTorch has none.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# The wrong answer to expect: "evolution finds the global optimum". It follows a blurred slope, no more.
# Populations with crossover are cousins; this is the kind that Salimans and others revived in 2017.

# %%
def evolution_gradient(loss, w, pairs=20, sigma=0.1):
    noise = rng.normal(size=(pairs, len(w)))
    gain = (np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise])
            / (2 * sigma))
    return gain @ noise / pairs


def evolve(loss, w, steps=300, lr=0.1, sigma=0.1):
    memory = {}
    for _ in range(steps):
        w = adam(w, evolution_gradient(loss, w, sigma=sigma), memory, lr)
    return w


cuts = np.linspace(-1, 1.5, 4000)
stairs = np.array([np.mean((F[:, 0] > cut) != malignant) for cut in cuts])
blurred = np.mean([np.interp(cuts + e, cuts, stairs) for e in rng.normal(0, 0.1, 500)],
                  axis=0)
fig, ax = plots.figure("Blur the stairs, and there is a slope again",
                       xlabel="cut (standard deviations of radius)",
                       ylabel="share of errors")
ax.plot(cuts, stairs, color=plots.GREY, linewidth=1.2)
ax.plot(cuts, blurred, color=plots.ORANGE)
ax.set(xlim=(0, 0.5), ylim=(0.105, 0.15))
plots.name(ax, 0.2, 0.113, "the stairs", plots.GREY, ha="right")
plots.name(ax, 0.17, 0.130, "what evolution sees", plots.ORANGE)
plots.show("A staircase of errors by cut, "
           "and the smooth valley that remains after blurring.")

# %% [markdown]
# How well does a guess from $m = 20$ pairs point along the true gradient?
# For $d$ weights, theory says that the cosine is about $\sqrt{m / (m + d)}$; the first cell tries it on random slopes.
# So the price of evolution grows with the number of weights.
#
# Then the same problem as before: logistic regression on the tumours, now with all 30 measurements and a bias.

# %%
def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


for d in (31, 650, 5000):
    slope = rng.normal(size=d)
    hits = np.mean([cosine(evolution_gradient(slope.dot, np.zeros(d)), slope)
                    for _ in range(20)])
    claim(f"20 pairs, {d:,} weights: cosine minus theory", hits - (20 / (20 + d)) ** 0.5,
          at_least=-0.08, at_most=0.08)

# %%
fitting, judging = np.split(rng.permutation(len(tumours)), [400])
wide = np.column_stack([tumours, np.ones(len(tumours))])  # (569, 31)
told = malignant[fitting]  # (400,)
losses = {"log-loss": lambda w: log_loss(w, wide[fitting], told),
          "errors": lambda w: np.mean((wide[fitting] @ w > 0) != told)}
ways = {"gradient": descend(lambda w: log_gradient(w, wide[fitting], told), np.zeros(31),
                            1.0, 300)[-1],
        "evolution": evolve(losses["log-loss"], np.zeros(31)),
        "on errors": evolve(losses["errors"], rng.normal(0, 0.3, 31), lr=0.05)}
score = {way: np.mean((wide[judging] @ w > 0) == malignant[judging])
         for way, w in ways.items()}

# %%
claim("300 steps of evolution reach the accuracy of 300 gradient steps, give or take",
      abs(score["evolution"] - score["gradient"]), at_most=0.05)
claim("so do 300 steps on the share of errors itself, which has no slope",
      abs(score["on errors"] - score["gradient"]), at_most=0.05)

# %% [markdown]
# A tie, for forty times the looks at the loss: the detour over the sigmoid was a good idea.
#
# Where does evolution win? Where no detour is at hand: eight hidden *step* neurons, and points inside or outside a circle.
# Their weights have gradient zero, so descent can move the output weights only.

# %%
points = rng.normal(size=(1000, 2))
inside = (np.sum(points**2, axis=1) < 2 * np.log(2)).astype(float)  # half of them
points = np.column_stack([points, np.ones(1000)])  # (1000, 3)


def step_network(w, x):
    """Eight step neurons, then a logit: the first 24 weights are hidden,
    the last 9 read them. -> (n,)"""
    hidden = (x @ w[:24].reshape(3, 8) > 0).astype(float)
    return np.column_stack([hidden, np.ones(len(x))]) @ w[24:]


def ring_loss(w):
    z = step_network(w, points[:500])
    return np.mean(np.logaddexp(0, z) - inside[:500] * z)


start = np.append(rng.normal(size=24), rng.normal(0, 0.1, 9))
slopes = np.array([(ring_loss(start + e) - ring_loss(start - e)) / 2e-6
                   for e in 1e-6 * np.eye(33)])
claim("the hidden step neurons have no gradient", np.mean(slopes[:24] == 0), at_least=0.9)

output_only = minimize(lambda top: ring_loss(np.append(start[:24], top)), start[24:],
                       method="BFGS").x
ends = {"descent": np.append(start[:24], output_only),
        "evolution": evolve(ring_loss, start, sigma=0.2)}
score = {name: np.mean((step_network(w, points[500:]) > 0) == inside[500:])
         for name, w in ends.items()}
claim("evolution trains the network of steps", score["evolution"], at_least=0.88)
claim("and beats descent, which moves the output only",
      score["evolution"] - score["descent"], at_least=0.05)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A loss of NaN.** Most often the rate is above $2/L$. Divide it by ten before you look for anything else.
# - **Unscaled inputs.** Scale them: it costs one line, and section 6's window opens.
# - **A rate from another batch size.** Less noise bears a larger rate. Retune after you change the batch.
# - **Adam with L2 in the gradient.** The penalty is divided away with the rest. Use AdamW (Loshchilov & Hutter, 2019).
# - **A forgotten `zero_grad()`.** PyTorch adds gradients up until you clear them.
# - **A resumed run without the optimizer's memory.** Save `optimizer.state_dict()` with the weights.

# %% [markdown]
# ## Summary
#
# 1. A step works if $\eta < 2/L$, where $L$ is the largest curvature; the smallest one decides how long it takes.
# 2. Mini-batches step often and cheaply; their noise can help, and a falling rate removes it at the end.
# 3. Momentum turns $\kappa$ into $\sqrt\kappa$. The Ada-family gives each weight its own rate, along the axes.
# 4. Tuned and scaled, all are alike, SGD too. Untuned or with rare ids, the adaptive ones win.
# 5. Evolution needs no slope, and pays with its cost in every dimension.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 02`, then open `exercises/work/02_exercises.ipynb`: seven tasks, about 110 minutes.
# The optimizers: `utils/scratch/optim.py`.
#
# - H. Robbins, S. Monro (1951), *A Stochastic Approximation Method*, Annals of Mathematical Statistics 22.
# - B. T. Polyak (1964), *Some methods of speeding up the convergence of iteration methods*, USSR Computational Mathematics 4.
# - J. Duchi, E. Hazan, Y. Singer (2011), *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*, JMLR 12.
# - T. Tieleman, G. Hinton (2012), *Lecture 6.5: RMSProp*, Coursera.
# - M. D. Zeiler (2012), *ADADELTA: An Adaptive Learning Rate Method*, arXiv 1212.5701.
# - D. P. Kingma, J. Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR.
# - I. Loshchilov, F. Hutter (2019), *Decoupled Weight Decay Regularization*, ICLR.
# - L. Bottou, F. E. Curtis, J. Nocedal (2018), *Optimization Methods for Large-Scale Machine Learning*, SIAM Review 60.
# - T. Salimans and others (2017), *Evolution Strategies as a Scalable Alternative to Reinforcement Learning*, arXiv 1703.03864.
# - R. M. Schmidt, F. Schneider, P. Hennig (2021), *Descending through a Crowded Valley*, ICML.
# - H. B. McMahan and others (2013), *Ad Click Prediction: a View from the Trenches*, KDD.
