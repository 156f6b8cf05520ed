# %% [markdown]
# # 02 · Optimization
#
# **Question.** A loss is given: how do you get down it, how fast, and what if it has no slope?
#
# **You will be able to** compute the largest learning rate that works; train on mini-batches, with a schedule; write SGD, momentum, AdaGrad, RMSProp, AdaDelta, Adam and AdamW in a few lines each; compare optimizers fairly; optimize without a gradient.
#
# **Needs** 01 · **Minutes** 95 to teach, 150 to study · **CPU** 30 s
#
# On the map: `optimization` · `steepest-descent` · `sgd` · `learning-rate` · `momentum` · `adagrad` · `adadelta` · `adam` · `evolution`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.optimize import minimize

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import optim, races  # the optimizers below, tidied up; what they race on
from utils.scratch.regression import sigmoid, softmax  # built in lecture 01

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)  # two threads would only wait
rng = np.random.default_rng(SEED)

# %%
concept_map.show("02")

# %% [markdown]
# ## 1 · The steepest direction sets the speed limit
#
# On the map: `optimization` · `steepest-descent` · `learning-rate`
#
# The largest learning rate that works is two divided by the largest curvature, the slope of the slope.
#
# **Optimization** (최적화) makes losses small.
# **Steepest descent** (최급강하법), lecture 01's gradient descent, steps against the gradient $g$: $w \leftarrow w - \eta\, g(w)$.
# ($w$: all knobs, lecture 01's $\theta$.) You choose only the learning rate $\eta$ ("eta"), in code `lr`.
# **The library's way** is `torch.optim.SGD(parameters, lr=…)`. Its default is 0.001.
#
# One weight: $2w^2$ has the slope $4w$, so a step is $w \leftarrow w - \eta \cdot 4w = (1 - 4\eta)\, w$.
# With $\eta = 0.1$ the factor is 0.6: $w$ is 1, 0.6, 0.36 … With 0.4 it is −0.6, a zigzag that shrinks; with 0.6 it is −1.4, one that grows.
# The limit is a factor of −1: $\eta = 2/4$. And 4, how fast the slope changes, is the **curvature** (곡률).
#
# **Predict first.** You set $\eta$ one per cent above such a limit. Where are you after 1,000 steps?

# %%
guesses = ["at the bottom, only later", "a little beside it", "far away, and ever farther"]
predict("02.limit", *guesses)

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Draw a parabola and let somebody bounce on it with η = 1/L, 1.9/L, 2.1/L before you show the panels.
# The usual wrong answer at *predict first*: "you end a little beside the bottom". The factor per step is 1.02, and it compounds.

# %% [markdown]
# Diabetes again, from body mass index, and blood pressure in a unit that makes its numbers five times as large. Lecture 01's round bowl becomes a ravine (grey lines join equal losses, the star is the bottom).
# Its curvature is a matrix $H$: entry $i, j$ is how the slope of weight $i$ changes as weight $j$ moves.
# Here $H = \frac2n X^\top X$ everywhere (derive lecture 01's gradient once more). So $g$ is linear, 0 at the bottom $w^*$: $g(w) = H (w - w^*)$. One step:
#
# $$w - w^* \;\leftarrow\; (I - \eta H)(w - w^*)$$
#
# ($I$, the identity, changes nothing.) In as many directions as there are weights, its **eigenvectors** (고유벡터), $H$ only stretches, by the **eigenvalue** (고유값) $\lambda$ ("lambda"): there each step multiplies the distance by $1 - \eta\lambda$, as above.
# Every way to the bottom is a sum of such parts. One shrinks exactly if $\eta < 2 / \lambda$; the one with the largest eigenvalue, $L$, breaks first: $\eta < 2 / L$.

# %%
diabetes = data.load("diabetes")
bmi, pressure = (diabetes.x[:, diabetes.feature_names.index(k)] for k in ("bmi", "bp"))
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
fig, axes = plt.subplots(2, 2, figsize=(10, 5), layout="constrained")
plots.headline(fig, "The same ravine, four learning rates")
u, v = np.meshgrid(np.linspace(-60, 130, 60), np.linspace(-30, 36, 60))
# the loss at each (u, v): the last axis of the sum below is the rows
surface = np.mean((u[..., None] * X[:, 0] + v[..., None] * X[:, 1] - y) ** 2, axis=-1)
for ax, (name, factor) in zip(axes.flat, rates.items(), strict=True):
    ax.contour(u, v, surface, levels=9, cmap="Greys_r", linewidths=0.7)
    path = descend(mse_gradient, [-40, 28], factor / L, 25)
    ax.plot(*path.T, "o-", color=plots.BLUE, markersize=3, linewidth=1)
    ax.plot(*bottom, "*", color=plots.ORANGE, markersize=12)
    ax.set(title=name, xlim=(-60, 130), ylim=(-30, 36), aspect="equal",
           xlabel="weight of body mass", ylabel="weight of pressure")
    ax.label_outer()
plots.show("25 steps each: creeping; along the valley; zigzag across; out of the picture.")

# %%
def distance(lr, steps=1000):  # to the bottom, as a multiple of the distance at the start
    path = descend(mse_gradient, [-40, 28], lr, run.steps(steps))
    return np.linalg.norm(path[-1] - bottom) / np.linalg.norm(path[0] - bottom)


below, above = distance(0.99 * 2 / L), distance(1.01 * 2 / L)
outcome("02.limit", guesses[0 if above < 1e-3 else 1 if above < 1 else 2])
claim("1 % below 2/L arrives (share of the distance that is left)", below, at_most=1e-6)
claim("1 % above 2/L, the distance grows at least 1000 times (ratio)", above, at_least=1000)

# %% [markdown]
# Other losses curve differently at each place; once near, what decides is the curvature *at the bottom*.
# Logistic regression (lecture 01) on two measurements of 569 tumours: a library (BFGS, a descent that learns the curvature) finds the bottom, the largest eigenvalue there gives the limit, and descent tries it.
#
# The slope of this loss is bounded: far out it is a straight ramp, while a bowl gets ever steeper.
# So above the limit the weights do not run away: they jump to and fro. (Distances are those of weights from the bottom.)
#
# <details><summary>And networks?</summary>
#
# There the curvature changes on the way. With a constant rate and all rows, the largest one often *rises* to about $2/\eta$, and stays there, while the loss falls on in jumps: the edge of stability (Cohen and others, 2021). A large rate often ends in a flatter valley.
# </details>

# %%
cancer = data.load("breast_cancer")
tumours = (cancer.x - cancer.x.mean(axis=0)) / cancer.x.std(axis=0)  # (569, 30)
malignant = (cancer.y == 0).astype(float)
# F (569, 3): radius, texture, one
F = np.column_stack([tumours[:, :2], np.ones(len(tumours))])


def log_loss(w, X=F, y=malignant):  # as in lecture 01: log(1 + e^z) − y z
    return np.mean(np.logaddexp(0, X @ w) - y * (X @ w))


def log_gradient(w, X=F, y=malignant):
    return X.T @ (sigmoid(X @ w) - y) / len(y)


best = minimize(log_loss, np.zeros(3), jac=log_gradient, method="BFGS",
                options={"gtol": 1e-10}).x
p = sigmoid(F @ best)
# The slope of p by the score is p (1 − p): derive log_gradient once more for H.
L_log = np.linalg.eigvalsh(F.T @ (F * (p * (1 - p))[:, None]) / len(F))[-1]
ends = [descend(log_gradient, np.zeros(3), times * 2 / L_log, run.steps(3000))[-1]
        for times in (0.98, 1.02)]
below, above = (np.abs(end - best).max() for end in ends)
claim("on the logistic loss, 2 % below 2/L arrives (largest distance of a weight)",
      below, at_most=1e-6)
claim("2 % above it never settles, nor runs away (largest distance of a weight)",
      above, at_least=0.18, at_most=0.3)

# %% [markdown]
# ## 2 · A few rows point roughly the right way, at a fraction of the cost
#
# On the map: `sgd`
#
# A gradient from a hundred rows is a rough guess. But seven hundred rough steps beat five exact steps.
#
# For one step, **full batch** (전체 배치) reads every row, **mini-batch** (미니배치) a few, drawn at random, **online** (온라인) one, as it arrives.
# The last two are **stochastic gradient descent** (확률적 경사하강법, SGD).
# One reading of all rows is a pass, or **epoch** (에폭).
#
# The ad log again: eleven columns, one-hot. Their 548 inputs are numbered; of a row keep only the *numbers of its ones*, eleven.
# A row's score is the sum of those eleven weights. Each row adds its error, $p$ less click, to their slopes; divide by the batch's rows.

# %% [markdown] tags=["notes"]
# **Notes for the room (17 minutes).**
#
# Ask how many people you must poll to know which of two parties leads. Nobody says "all".
# At *predict first* most say 0.95. The answer is the lesson: roughly is enough, if it is cheap.
# All rows get a rate a little below 2/L; a batch of one bears only a small one.

# %%
log = data.load("ads", rows=run.pick(lecture=100_000, full=1_000_000), seed=SEED)
columns = [column for column in log.sizes if column != "day"]
# where each column's weights begin
firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
ones = np.stack([log.features[name] for name in columns], axis=1) + firsts[:-1]  # (n, 11)
past = log.features["day"] < 10
seen, click, unseen, future = ones[past], log.click[past], ones[~past], log[~past]
print("the ones of a row:", seen[0].tolist(), "→ click", click[0])

# %%
# every row at the base rate: eleven equal weights add up to its logit
START = np.full(firsts[-1], np.log(click.mean() / (1 - click.mean())) / 11)


def click_gradient(w, rows):  # of the log-loss on some rows: (548,) -> (548,)
    error = sigmoid(w[seen[rows]].sum(axis=1)) - click[rows]
    # bincount adds each row's error to the eleven weights that the row uses
    return np.bincount(seen[rows].ravel(), np.repeat(error, 11) / len(rows),
                       minlength=len(w))

# %% [markdown]
# How well does a batch point? Compare directions by the **cosine** (코사인) of the angle between two gradients: 1 for the same direction, 0 for a right angle, −1 for the opposite.
# In code: multiply entry by entry, add up, divide by both lengths.
#
# **Predict first.** The gradient of 100 rows against that of all 70,000, at the start: what is their cosine, in the mean of 50 draws?

# %%
guesses = {"about 0.2": 0.2, "about 0.6": 0.6, "about 0.95": 0.95}
predict("02.cosine", *guesses)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

# %%
everything = np.arange(len(click))
full = click_gradient(START, everything)
points = {batch: np.mean([cosine(click_gradient(START, rng.choice(everything, batch)), full)
                          for _ in range(50)]) for batch in (1, 10, 100, 1000, 10_000)}
print("rows → cosine:", {batch: round(float(value), 2) for batch, value in points.items()})
outcome("02.cosine", min(guesses, key=lambda guess: abs(guesses[guess] - points[100])))
claim("cosine of a gradient of 100 rows with the full one",
      points[100], at_least=0.15, at_most=0.26)

# %% [markdown]
# A cosine of 0.2 is an angle of 78°. A small step that way goes down a fifth as far as an exact one of the same length, but costs a seven-hundredth.
# The noise of a batch falls with the root of its size, its cost grows with its size: that is the bargain.
#
# Now train with four batch sizes, at rates picked from a ladder on other such logs.
# The picture shows lecture 01's share of the gap on four later days, by passes.

# %%
def train(batch, lr, passes):  # on the way: passes read, and share of the gap in %
    w, curve, steps = START, [], passes * len(click) // batch
    marks = set(np.geomspace(1, steps, 14).astype(int))
    for t in range(1, steps + 1):
        rows = everything if batch == len(click) else rng.integers(0, len(click), batch)
        w = w - lr * click_gradient(w, rows)
        if t in marks:
            curve.append((t * batch / len(click),
                          100 * future.share_of_gap(sigmoid(w[unseen].sum(axis=1)))))
    return np.array(curve)


curves = {}
fig, ax = plots.figure("Small batches learn before the first pass ends",
                       xlabel="passes over the rows (log)", ylabel="share of the gap (%)")
for name, batch, lr, passes, color, up in [
        ("all rows", len(click), 24, run.steps(30), plots.INK, 0),
        ("1,000 rows", 1000, 8, run.steps(6), plots.BLUE, -8),
        ("100 rows", 100, 1, run.steps(6), plots.ORANGE, 8),
        ("one row", 1, 0.02, 1, plots.GREEN, 14)]:
    curves[name] = train(batch, lr, passes)
    late = curves[name][curves[name][:, 0] >= 0.01]
    ax.semilogx(*late.T, "o-", color=color, markersize=4)
    plots.name(ax, *late[-1], name, color, dx=-62 if batch == 1 else 6, dy=up)
plots.show("Share of the gap by passes: "
           "batches of one, 100 and 1000 lie far above the full batch.")
claim("one pass in batches of 100 beats five steps on all rows, in points of the gap",
      np.interp(1, *curves["100 rows"].T) - np.interp(5, *curves["all rows"].T), at_least=3)

# %% [markdown]
# Can noise even *help*? The model $\hat y = \sin(wx)$ has one unknown, the frequency $w$. Its loss is full of holes (left); the deepest is at 4, with which the data were made.
# Start at 40 places from 0.5 to 8. Descend on batches of all 200 rows, of ten, or of one, while $\eta$ falls to zero.
# On the right, for each first rate: how many of the 40 end within 0.1 of the deepest hole?

# %%
waves = rng.uniform(-3, 3, 200)
heard = np.sin(4 * waves) + rng.normal(0, 0.1, 200)  # the true frequency is 4


def share_found(batch, lr, steps=1500):  # of 40 descents, in %; batch 200 means all rows
    w, steps = np.linspace(0.5, 8, 40), run.steps(steps)
    for t in range(steps):
        rows = slice(None) if batch == 200 else rng.integers(0, 200, (len(w), batch))
        x, angle = waves[rows], w[:, None] * waves[rows]
        # the slope of sin is cos; the chain rule multiplies by x
        slope = np.mean(2 * (np.sin(angle) - heard[rows]) * np.cos(angle) * x, axis=1)
        w = w - optim.cosine(t, steps, lr) * slope  # a rate that falls to 0 (section 3)
    return 100 * np.mean(np.abs(w - 4) < 0.1)


RATES, found = [0.02, 0.07, 0.2, 0.5, 1.0], {}
fig, (left, right) = plots.panels("Noise shakes descent out of holes, if the rate fits",
                                  ["the loss", "descents that find the deepest hole"],
                                  xlabel="frequency w", ylabel="mean squared error")
grid = np.linspace(0, 8.6, 500)
hole = np.mean((np.sin(grid[:, None] * waves) - heard) ** 2, axis=1)
left.plot(grid, hole, color=plots.GREY)
for batch, color, name, at in ((200, plots.INK, "all rows", (0.02, 25)), (10, plots.ORANGE,
        "ten rows", (0.36, 93)), (1, plots.GREEN, "one row", (0.045, 90))):
    found[batch] = [share_found(batch, lr) for lr in RATES]
    right.semilogx(RATES, found[batch], "o-", color=color)
    plots.name(right, *at, name, color, dx=0)
right.set(xlabel="first rate (log)", ylabel="found (% of 40 starts)", ylim=(0, 105))
plots.show("Left, a loss with many holes. Right, one row finds the deepest at rate 0.2, "
           "ten rows at 0.5, all rows seldom.")

claim("at rate 0.2 one row finds the deepest hole more often than all rows (points)",
      found[1][2] - found[200][2], at_least=35)

# %% [markdown]
# So noise helps in a window: too small, it shakes no start out of its hole; too large, it shakes them out of the deepest, too.
# With ten rows there is less noise, and the window lies at a larger rate.
#
# A rule of thumb is the **linear scaling rule** (선형 스케일링 규칙): $k$ times the batch, $k$ times the rate (Goyal and others, 2017).
# For $k$ small steps in nearly the same direction are one that is $k$ times as long. Here, from one row to ten, the window moved from 0.2 to 0.5 only (on a coarse ladder).

# %% [markdown]
# ## 3 · A schedule: fast first, then fine
#
# On the map: `sgd` · `learning-rate`
#
# Where rows disagree, SGD at a constant rate never arrives: noise keeps it up.
#
# So a **schedule** (학습률 스케줄) gives each step $t$ of $T$ its own rate. $\eta / \sqrt{1 + t/t_0}$ needs no end $T$: $t_0$ is any fixed number of steps (below: 20). Half a cosine wave, or a straight line to zero, needs $T$.
# **Warm-up** (웜업) is a short climb from zero at the start.
#
# The order counts. *Replacement* draws each batch from all rows. *Reshuffling* takes every row once a pass, in a new order: much of the noise cancels.
#
# Below: section 1's tumours, the mean of 20 runs, batches of 8, $\eta = 2$ ("a quarter" and "… reshuffled": 0.5).
#
# **Ask the room.** Your click model learns online and never stops. Which schedule, if the world changes weekly?
#
# <details><summary>One answer</summary>
#
# A constant rate. Falling rates are for a world that stands still: there rates arrive surely if their sum is infinite, that of their squares not (Robbins, Monro; $1/\sqrt t$ just misses it, and is popular).
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# The mistake to expect: a schedule that ends before training does, or after.
# Libraries reshuffle (`DataLoader(shuffle=True)`).

# %%
def noisy_descent(rate, reshuffle, steps=2000, batch=8):  # 20 runs at once, on the tumours
    w, excess, steps = np.zeros((20, 3)), [], run.steps(steps)
    for t in range(steps):
        place = t * batch % 568  # 568 = 71 batches of 8; one row is left out
        if place == 0:  # a pass begins
            # a row of numbers for each run, each row in an order of its own
            order = rng.permuted(np.tile(np.arange(569), (20, 1)), axis=1)
        rows = order[:, place:place + batch]
        if not reshuffle:
            rows = rng.integers(0, 569, (20, batch))
        x = F[rows]  # (20, batch, 3)
        error = sigmoid((x * w[:, None]).sum(axis=2)) - malignant[rows]
        w = w - 2 * rate(t / steps) * (error[..., None] * x).mean(axis=1)
        if t % 10 == 9:
            excess.append(np.mean([log_loss(one) for one in w]) - log_loss(best))
    return np.array(excess)


schedules = {"constant": (lambda s: 1, False, plots.INK),  # s: the share of steps done
             "a quarter": (lambda s: 0.25, False, plots.BLUE),
             "… reshuffled": (lambda s: 0.25, True, plots.SKY),  # True: reshuffle
             "1 / √t": (lambda s: 1 / np.sqrt(1 + 100 * s), False, plots.GREEN),
             "cosine": (lambda s: (1 + np.cos(np.pi * s)) / 2, False, plots.ORANGE)}
fig, ax = plots.figure("A constant rate hovers; a falling one lands",
                       xlabel="step", ylabel="loss above the minimum (nats, log)")
excess = {name: noisy_descent(*how[:2]) for name, how in schedules.items()}
for name, (*_, color) in schedules.items():
    at = 10 * np.arange(1, len(excess[name]) + 1)
    ax.semilogy(at, excess[name], color=color, linewidth=1.5)
    plots.name(ax, at[-1], excess[name][-10:].mean(), name, color)
plots.show("Loss above the minimum by step: constant highest, cosine lands lowest.")

# %%
hover = {name: values[len(values) // 2:].mean() for name, values in excess.items()}
claim("both from η = 2: the cosine lands far below where the constant rate hovers (ratio)",
      excess["cosine"][-5:].mean() / hover["constant"], at_most=0.06)
claim("at the same rate, reshuffled batches hover lower (ratio of losses)",
      hover["… reshuffled"] / hover["a quarter"], at_most=0.75)

# %% [markdown]
# ## 4 · Momentum: a ball instead of a walker
#
# On the map: `momentum`
#
# In a narrow ravine, momentum saves most of the steps, if it fits the ravine.
#
# A walker forgets the last step. A ball keeps a velocity $v$: **momentum** (모멘텀).
#
# $$v \leftarrow \beta v + g, \qquad w \leftarrow w - \eta v$$
#
# $\beta$ ("beta"), a number from 0 to 1 without a unit, is the share of the velocity that stays. With $\beta = 0.9$ and a gradient that is always 1, $v$ is 1, 1.9, 2.71 … up to $1/(1-\beta) = 10$.
# With a gradient of 1, −1, 1 … it ends up between 0.53 and −0.53. So steps along the ravine add up, and zigzags across it cancel.
#
# **Nesterov's momentum** (네스테로프 모멘텀, 1983) steps as if the new velocity had already moved the ball once more: $w \leftarrow w - \eta\,(g + \beta v)$. It brakes earlier.

# %% [markdown]
# How narrow is a ravine? Its **condition number** (조건수) $\kappa$ ("kappa") $= L / \lambda_{\min}$ is its largest curvature divided by its smallest: a ratio, without a unit.
#
# Each method runs at the best of 40 rates below its limit. (A ball bears more than $2/L$: $2(1+\beta)/L$. Nesterov's rule bears less: $2(1+\beta)/((1 + 2\beta)L)$.)
# The left picture shows how far from the bottom each is; the right one, in the same colours, how many steps it takes to a millionth of the first distance.
#
# **Predict first.** Section 1's ravine has $\kappa \approx 30$. Does $\beta = 0.9$, the usual choice, save steps there against no momentum ($\beta = 0$)?

# %%
guesses = ["it saves at least half", "between half and twice as many",
           "it takes more than twice as many"]
predict("02.momentum", *guesses)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# People expect more momentum to be better, and 0.9 to be good everywhere. The right picture is the answer: 0.9 takes the same 250 steps in nearly every ravine.
# The sum to do on the board: 0.949 to the power of 264 is a millionth.

# %%
def settle(H, start, beta, nesterov, steps=2200):
    """At the best of 40 rates: steps to a millionth of the distance; share left by step."""
    limit = 2 * (1 + beta) / (1 + 2 * beta * nesterov) / np.linalg.eigvalsh(H)[-1]
    rates = limit * np.geomspace(0.02, 0.995, 40)[:, None]
    w, v, away = np.tile(start, (40, 1)), 0.0, []  # a row for each rate
    for _ in range(run.steps(steps)):
        away.append(np.linalg.norm(w, axis=1) / np.linalg.norm(start))
        g = w @ H
        v = beta * v + g
        w = w - rates * (g + beta * v if nesterov else v)
    needed = len(away) - (np.array(away)[::-1] >= 1e-6).argmax(axis=0)  # from the end back
    return needed.min(), np.array(away)[:, needed.argmin()]


KAPPAS, needed = (3, 10, L / flat, 100, 300), {}
fits = [((k**0.5 - 1) / (k**0.5 + 1)) ** 2 for k in KAPPAS]  # the best β of each
fig, (left, right) = plots.panels("Momentum pays in narrow ravines, and β has to fit",
                                  [f"κ = {L / flat:.0f}, as in section 1", "other ravines"],
                                  xlabel="step", ylabel="distance left (share, log)")
for name, betas, color, dy in (
        ("β = 0", [0] * 5, plots.INK, 0), ("best β", fits, plots.PURPLE, -9),
        ("β = 0.9", [0.9] * 5, plots.BLUE, 8), ("Nesterov", [0.9] * 5, plots.RED, -2)):
    each = [settle(np.diag([1, k]), np.ones(2), beta, name == "Nesterov")
            for k, beta in zip(KAPPAS, betas, strict=True)]
    needed[name], away = zip(*each, strict=True)
    left.semilogy(away[2][:300], color=color, linewidth=1.3)
    right.loglog(KAPPAS, needed[name], "o-", color=color)
    plots.name(right, 300, needed[name][-1], name, color, dy=dy)
left.set_ylim(1e-8, 2)
plots.name(left, 46, 1e-7, f"best β = {fits[2]:.2f}", plots.PURPLE)
right.set(xlabel="condition number κ (log)", ylabel="steps to a millionth (log)")
plots.show("Steps against κ: 0.9 is level near 250, no momentum grows with κ, best β less.")

# %%
no, _, usual, ahead = needed.values()
outcome("02.momentum", guesses[0 if usual[2] <= no[2] / 2 else 1 + (usual[2] > 2 * no[2])])
claim("κ = 30: β = 0.9 against no momentum, each at its best rate (ratio of steps)",
      usual[2] / no[2], at_least=1.1, at_most=1.4)
claim("κ = 300: β = 0.9 needs a fraction of the steps of no momentum (ratio)",
      usual[4] / no[4], at_most=0.16)
claim("κ = 30, β = 0.9: Nesterov's needs fewer steps than the plain ball (ratio)",
      ahead[2] / usual[2], at_most=0.8)

# %% [markdown]
# For such bowls it is proved how the distance shrinks per step, in the long run, at the best rate (Polyak, 1964):
#
# | | factor per step | $\kappa = 30$ |
# |---|---|---|
# | no momentum | $(\kappa - 1) / (\kappa + 1)$ | 0.935 |
# | the best $\beta$ | $(\sqrt\kappa - 1) / (\sqrt\kappa + 1)$, the root of that $\beta$ | 0.691 |
# | a larger $\beta$ | $\sqrt\beta$ | 0.949 for 0.9 |
#
# So 0.9 is too much for $\kappa = 30$: the ball swings past the bottom. From $\kappa \approx 40$ on it saves steps; near 1,400 it is the best. Nesterov's rule forgives a $\beta$ that is too large.

# %% [markdown]
# ## 5 · A learning rate for every weight
#
# On the map: `adagrad` · `adadelta` · `adam` · `momentum`
#
# The Ada-family divides each step by the size of that weight's gradients.
#
# Two weights have gradients 10 and 0.1, twice. AdaGrad divides by the root of the squares' sum, 14 and 0.14: both move by 0.7 `lr`, at first by `lr`.
#
# - **AdaGrad** (에이다그래드): divide by the root of the *sum* of all squared gradients.
# - **RMSProp** (RMSProp): of a running *mean*: it forgets.
# - **AdaDelta** (에이다델타): RMSProp's step is a pure number, a weight may be in kilograms. So multiply by the size of recent *moves*.
# - **Adam** (아담): RMSProp with momentum. A mean that starts at zero is $0.1 g$ after one step; divided by $1 - 0.9^1$ it is $g$.
# - **AdamW** (AdamW): Adam that also shrinks weights at each step.
#
# **The library's way** is `torch.optim`; below, ours walk beside it.

# %%
COLORS = {"SGD": plots.INK, "momentum": plots.BLUE, "AdaGrad": plots.GREEN,
          "RMSProp": plots.SKY, "AdaDelta": plots.PURPLE, "Adam": plots.ORANGE}
sketch = schematics.Sketch("One thing is added at a time; each in the colour of its curves",
                           width=9.5, height=3.5)


def box(text, at):  # the name is its first line; Nesterov and AdamW race no more
    color = COLORS.get(text.split("\n")[0], plots.GREY)
    return sketch.box(text, at, kind="data", color=color, fontweight="bold")


sgd_box, ball = box("SGD\ng", (0.8, 1.75)), box("momentum\nv, a sum that fades", (3.4, 2.9))
nesterov = box("Nesterov\nlooks ahead", (6.5, 2.9))
grad = box("AdaGrad\ng / √ sum of g²", (3.0, 0.6))
rms = box("RMSProp\ng / √ mean of g²", (5.7, 0.6))
delta = box("AdaDelta\nunits fit", (8.4, 0.6))
adam_box = box("Adam\nmean of g / √ mean of g²", (5.7, 1.75))
adamw_box = box("AdamW\nweights shrink", (8.5, 1.75))
for start, end in ((sgd_box, ball), (ball, nesterov), (sgd_box, grad), (grad, rms),
                   (rms, delta), (ball, adam_box), (rms, adam_box), (adam_box, adamw_box)):
    sketch.arrow(start, end)
sketch.show("From SGD one branch leads to momentum and Nesterov, one to AdaGrad, RMSProp "
            "and AdaDelta; both meet in Adam, which leads to AdamW.")

# %%
def sgd(w, g, memory, lr):
    return w - lr * g


def momentum(w, g, memory, lr, beta=0.9):  # memory: a dict, kept between the steps
    memory["v"] = beta * memory.get("v", 0) + g
    return w - lr * memory["v"]


# eps is the papers' ε ("epsilon"), in the unit of g: so that nothing is divided by zero
def adagrad(w, g, memory, lr, eps=1e-10):
    memory["sum"] = memory.get("sum", 0) + g**2
    return w - lr * g / (np.sqrt(memory["sum"]) + eps)


# keep, a share without a unit, is how much stays of a running mean that starts at zero
def average(memory, name, new, keep):
    memory[name] = keep * memory.get(name, 0) + (1 - keep) * new
    return memory[name]


def rmsprop(w, g, memory, lr, keep=0.99, eps=1e-8):
    return w - lr * g / (np.sqrt(average(memory, "g²", g**2, keep)) + eps)


def adadelta(w, g, memory, lr, keep=0.9, eps=1e-6):
    size = np.sqrt(average(memory, "g²", g**2, keep) + eps)
    move = np.sqrt(memory.get("move²", 0) + eps) / size * g
    average(memory, "move²", move**2, keep)
    return w - lr * move

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# Write AdaGrad on the board, and let the room change one thing at a time until it is Adam.
# Ask for Adam's first step: it is `lr` in every coordinate, whatever the gradient.
# If the sliders of the race do not appear, restart the kernel without `DLMAP_BATCH`.

# %%
# keep and keep_square are the paper's β₁ and β₂: shares, for the means of g and of g²
def adam(w, g, memory, lr, keep=0.9, keep_square=0.999, eps=1e-8):
    t = memory["t"] = memory.get("t", 0) + 1  # the means start at zero: take that bias out
    mean = average(memory, "g", g, keep) / (1 - keep**t)
    square = average(memory, "g²", g**2, keep_square) / (1 - keep_square**t)
    return w - lr * mean / (np.sqrt(square) + eps)


def adamw(w, g, memory, lr, decay=0.01):  # takes the share lr · decay off w
    return adam(w * (1 - lr * decay), g, memory, lr)

# %%
rules = {"SGD": sgd, "momentum": momentum, "AdaGrad": adagrad, "RMSProp": rmsprop,
         "AdaDelta": adadelta, "Adam": adam, "AdamW": adamw}
library = {"SGD": torch.optim.SGD,
           "momentum": lambda w, **rate: torch.optim.SGD(w, momentum=0.9, **rate),
           "AdaGrad": torch.optim.Adagrad, "RMSProp": torch.optim.RMSprop,
           "AdaDelta": torch.optim.Adadelta,
           "Adam": torch.optim.Adam, "AdamW": torch.optim.AdamW}


def apart(name, lr=0.1, steps=100):  # each by the gradients of its own place
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


claim("all seven are PyTorch's, step by step (largest difference of a weight)",
      max(apart(name) for name in rules), at_most=1e-6)

# %% [markdown]
# AdaGrad's effective rate of a weight is `lr` divided by the root of its sum.
# On the ad log, a rare user's weight still moves far when that user comes (left, below: a dot a weight).
# The rate is largest for users who *never* clicked, the orange cloud: without a click the error is small, and so the sum.
#
# Is it better than SGD there? It has a schedule built in: its sum only grows, so its rates fall. So give both a constant `lr`, then both a straight line to zero.
# One pass in batches of 100; eight rates each, a factor of two apart. The rate that is best on two of the later days is judged on the other two, and the other way round.

# %%
LADDER = {"SGD": 2.0 ** np.arange(-1, 7), "AdaGrad": 0.1 * 2.0 ** np.arange(-3, 5)}
PLANS = {"constant": lambda s: 1.0, "line to zero": lambda s: 1 - s}
early = future.features["day"] < 12  # two of the four later days


def one_pass(rule, lr, plan):  # the share of the gap on either half (%), and the memory
    w, memory, count, order = START, {}, len(click) // 100, np.random.default_rng(SEED)
    steps = run.steps(count)
    for t in range(steps):
        if t % count == 0:  # a pass begins: a new order, the same for every rule and rate
            batches = order.permutation(len(click))[: 100 * count].reshape(-1, 100)
        g = click_gradient(w, batches[t % count])
        w = rule(w, g, memory, lr * plan(t / steps))
    p = sigmoid(w[unseen].sum(axis=1))
    return [100 * future[half].share_of_gap(p[half]) for half in (early, ~early)], memory


def judged_apart(both):  # each half judges the rate that is best on the other
    first, last = both.argmax(axis=0)
    return (both[first, 1] + both[last, 0]) / 2


share = {(name, plan): np.array([one_pass(rules[name], lr, PLANS[plan])[0]
                                 for lr in LADDER[name]])  # (8 rates, 2 halves)
         for name in LADDER for plan in PLANS}

# %%
rate = 0.1 / np.sqrt(one_pass(adagrad, 0.1, PLANS["constant"])[1]["sum"])
races.draw_rates(rate, seen, click, LADDER, share, COLORS)
by_sgd, by_ada = ([judged_apart(share[name, plan]) for plan in PLANS] for name in LADDER)
claim("at a constant rate AdaGrad is ahead of SGD, each at its best (points of the gap)",
      by_ada[0] - by_sgd[0], at_least=2.5)
claim("SGD on a line to zero comes near AdaGrad's better plan (points of the gap behind)",
      max(by_ada) - by_sgd[1], at_most=3)

# %% [markdown]
# So in one pass most of AdaGrad's lead was SGD's missing schedule. AdaGrad saves choosing one, in a world that stands still.
#
# And the family scales the *axes*. What if the ravine runs diagonally?
# The race has $\kappa = 100$. Each method runs at the best of those of 71 rates that keep it in the picture, for either ravine anew.
# The dot is the start, the number the last loss (2e-04 is 0.0002). Turn `tilt` yourself.
# Along an axis AdaGrad scales the ravine into a bowl: at the best rate its first step is too far, then each leaves a fifth (4e-107 is as good as zero). Turned, its lead is gone.
# RMSProp's too. Adam had none; it takes as many steps to a loss of 0.001 (claims).

# %%
FINE = np.geomspace(1e-4, 1e3, 71)


def race(name, tilt, steps):  # all rates at once: paths (steps + 1, 71, 2), losses
    a = np.deg2rad(tilt)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    ravine, memory = turn @ np.diag([1, 100]) @ turn.T, {}
    path = [np.tile(turn @ [-2.0, 0.5], (len(FINE), 1))]
    with np.errstate(all="ignore"):  # too large a rate overflows, and is not chosen
        for _ in range(int(steps)):
            g = path[-1] @ ravine
            path.append(rules[name](path[-1], g, memory, FINE[:, None]))
        path = np.array(path)
        loss = (path @ ravine * path).sum(axis=2) / 2
        left = ~(np.abs(path) < 2.5).all(axis=(0, 2))  # the rates that leave the picture
        return path, np.where(left, np.inf, loss), ravine


def draw(tilt=45.0, steps=80.0):
    rows = []
    for angle in (0.0, tilt):
        runs = {name: race(name, angle, steps) for name in COLORS}
        best = {name: loss[-1].argmin() for name, (_, loss, _) in runs.items()}
        rows.append({name: (path[:, best[name]], loss[-1, best[name]], ravine)
                     for name, (path, loss, ravine) in runs.items()})
    races.draw_paths(rows, COLORS)


plots.knobs(draw, tilt=(0, 90), steps=(10, 400))

# %%
def settled(name, tilt):  # steps until the loss stays below 0.001, at the best rate
    late = ~(race(name, tilt, run.steps(500))[1] < 1e-3)  # not below, or overflown
    return (len(late) - late[::-1].argmax(axis=0)).min()


slower = {name: settled(name, 45) / settled(name, 0) for name in ("AdaGrad", "Adam")}
claim("turned by 45°, AdaGrad needs many times the steps (ratio)",
      slower["AdaGrad"], at_least=50)
claim("turned by 45°, Adam hardly more (ratio)", slower["Adam"], at_least=0.9, at_most=1.3)

# %% [markdown]
# ## 6 · "The Ada-family perform alike, plain SGD aside": tested
#
# On the map: `sgd` · `adagrad` · `adadelta` · `adam` · `optimization`
#
# On a convex model with scaled inputs their accuracy is alike, SGD's too; on words Adam beats momentum.
#
# The sentence is from the article that drew the map. First softmax regression, which is convex: one cosine schedule for all six, 21 rates from $10^{-7}$ to $10^3$.
# Digits are scaled to $[0, 1]$; tumours are in *raw* units, from thousandths to thousands.
#
# **Predict first.** On the raw columns, at which rate does SGD do best?

# %%
guesses = {"near 0.1": 0.1, "near 0.001": 0.001, "near 0.00001": 0.00001}
predict("02.raw", *guesses)

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Most guess 0.1 or 0.001. Section 1 answers: 2/L, and L grows with the square of the largest column.
# The two networks train for some seconds: let the room bet on them meanwhile.

# %%
def fit_all(rule, rates, x, y, x_test, y_test, steps=400):
    """At all rates at once: training losses and unseen accuracies, (rates,) each."""
    answers, memory, steps = np.eye(y.max() + 1)[y], {}, run.steps(steps)  # one-hot
    w = np.zeros((len(rates), x.shape[1], y.max() + 1))
    batches = np.random.default_rng(SEED).integers(0, len(x), (steps, 64))
    for t, rows in enumerate(batches):
        lr = rates[:, None, None] * optim.cosine(t, steps, 1.0)
        w = rule(w, x[rows].T @ (softmax(x[rows] @ w) - answers[rows]) / 64, memory, lr)
    z = x @ w  # (rates, n, classes)
    loss = np.mean(np.logaddexp.reduce(z, axis=2) - z[:, np.arange(len(y)), y], axis=1)
    return loss, np.mean((x_test @ w).argmax(axis=2) == y_test, axis=1)


digits, tried, ladder = data.load("digits"), {}, 10.0 ** np.arange(-7, 3.1, 0.5)
tables = {"digits": (digits.x / 16, digits.y), "raw": (cancer.x, cancer.y)}
for where, (x, labels) in tables.items():
    x, order = np.column_stack([x, np.ones(len(x))]), rng.permutation(len(x))
    train_rows, test_rows = np.split(order, [int(0.7 * len(x))])
    for name in COLORS:
        tried[where, name] = fit_all(rules[name], ladder, x[train_rows], labels[train_rows],
                                     x[test_rows], labels[test_rows])

# %%
best_rate = ladder[tried["raw", "SGD"][0].argmin()]  # by the training loss
outcome("02.raw", min(guesses, key=lambda g: abs(np.log(guesses[g] / best_rate))))
accuracy = [right[loss.argmin()] for (where, _), (loss, right) in tried.items()
            if where == "digits"]
claim("digits, each at its best rate: from best to worst of six, points of accuracy",
      100 * np.ptp(accuracy), at_most=4)
claim("raw columns, each at its best rate: SGD's training loss over Adam's (ratio)",
      tried["raw", "SGD"][0].min() / tried["raw", "Adam"][0].min(), at_least=1.5)

# %% [markdown]
# Now two networks (`utils/scratch/races.py`); how they work comes later.
# A **convolutional net** (합성곱 신경망, lecture 10) reads the digits. A small **Transformer** (트랜스포머, lecture 20) reads English and guesses each next word from up to eight before it.
# Its text documents Python packages, in 299 words; any other is "?".
#
# SGD gets momentum 0.9. Both sides get the same batches, a warm-up, the same cosine, and five rates each, a factor of two apart (no dot where a net does badly).
# They are judged on rows from another part of the data, each side at its lowest dot (which flatters both alike).

# %%
stream, common = races.words()
print(" ".join(common[i] for i in stream[1000:1025]))
NETS = {"convolutional net": (300, 32, 0.025), "Transformer": (200, 16, 0.07)}
judged = {}  # losses (5 rates,). Above: steps, batch, momentum's lowest rate
for where, (steps, batch, low) in NETS.items():
    for name, least in (("momentum", low), ("Adam", 0.01)):
        judged[where, name] = races.tune(where, library[name], least * 2.0 ** np.arange(5),
                                         SEED, run.device, run.steps(steps), batch)

# %%
fig, axes = plt.subplots(2, 2, figsize=(9.5, 6.4), layout="constrained")
plots.headline(fig, "A good rate for each; how deep it leads hangs on the problem")
for ax, where, name in zip(axes[0], tables, ("scaled digits", "raw tumours"), strict=True):
    for rule, color in COLORS.items():
        wide = {"linewidth": 6, "alpha": 0.3} if rule == "SGD" else {"linewidth": 1.6}
        ax.loglog(ladder, tried[where, rule][0], color=color, label=rule, **wide)
    ax.set(title=f"softmax regression: {name}", ylim=(1e-3, 3000), xlabel="rate (log)",
           ylabel="training loss (nats, log)")
axes[0, 0].legend(fontsize=11, loc="upper left", ncols=2)
for (where, name), loss in judged.items():
    ax = axes[1, list(NETS).index(where)]
    lr = (0.01 if name == "Adam" else NETS[where][2]) * 2.0 ** np.arange(5)
    lr, loss = lr[loss < 1.7 * loss.min()], loss[loss < 1.7 * loss.min()]
    ax.semilogx(lr, loss, "o-" if name == "Adam" else "s-", color=COLORS[name])
    end = 0 if name == "Adam" else -1
    plots.name(ax, lr[end], loss[end], name, COLORS[name], dx=-10, dy=14)
    ax.set(title=where, xlabel="rate (log)", ylabel="unseen loss (nats)")
    ax.margins(0.15, 0.4)
plots.show("Loss by rate: six valleys of unlike depth; on words Adam is below momentum.")
lead = {where: judged[where, "momentum"].min() - judged[where, "Adam"].min()
        for where in NETS}
claim("convolutional net, in 300 steps: Adam leads SGD with momentum (nats a digit)",
      lead["convolutional net"], at_least=0.04, short=True)
claim("Transformer, best rates: Adam is ahead of SGD with momentum (nats a word)",
      lead["Transformer"], at_least=0.04)

# %% [markdown]
# So the sentence needs its conditions.
#
# - **Scaled inputs, one convex model:** tuned, all six read unseen digits alike (Adam's training loss falls fastest).
# - **Raw columns:** SGD's rate lies far to the left, and even there it crawls along the flat directions.
# - **The convolutional net:** after 300 steps Adam is ahead of tuned SGD with momentum. After 900 nobody leads on every seed.
# - **The Transformer:** there it stays: 0.05 nats make the right word 1.05 times as probable. In large ones rare words may be the reason (Kunstner and others, 2024). Ours are "?", so here it stays open.
#
# (The article's 대부분 비슷한 성능, "mostly similar", is of 2017, before Transformers spread.)
#
# **Ask the room.** A paper says "our optimizer beats SGD". Which questions do you ask?
#
# <details><summary>One answer</summary>
#
# Was SGD's rate tuned as widely? With momentum, and the same schedule? The same steps, or seconds? On how many seeds? With longer training?
# </details>

# %% [markdown]
# ## 7 · Evolution: when there is no slope
#
# On the map: `evolution`
#
# Shake the weights and follow what went well: no gradient, but many looks at the loss.
#
# **Evolution strategies** (진화적 최적화) draw noise $\varepsilon$ ("epsilon" again, but not `eps`), try $w + \sigma\varepsilon$ and its mirror image $w - \sigma\varepsilon$, and compare the losses. Step against the mean:
#
# $$\hat g = \frac1m \sum_{k=1}^{m} \frac{\ell(w + \sigma \varepsilon_k) - \ell(w - \sigma \varepsilon_k)}{2\sigma}\, \varepsilon_k$$
#
# $\ell$ is the loss, $m$ the number of pairs, $\sigma$ ("sigma") the width of the noise.
# With $w = 3$, $\ell = w^2$, $\sigma = 0.1$ and $\varepsilon = 2$: $(3.2^2 - 2.8^2) / 0.2 \cdot 2 = 24$. The draw $\varepsilon = 0.5$ gives 1.5. A draw gives $6\varepsilon^2$; $\varepsilon$ is from a bell curve of width 1, so $\varepsilon^2$ is 1 in the mean, and the mean is 6, the slope.
# On average $\hat g$ is the gradient of the *blurred* loss; even lecture 01's staircase has one (below). With $d$ weights, its cosine with $\hat g$ is about $\sqrt{m / (m + d)}$: evolution's price grows with $d$.
#
# **The library's way.** The package `cma`; a cousin is `scipy.optimize.differential_evolution`.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# The wrong answer to expect: "evolution finds the global optimum". It follows a blurred slope, no more.

# %%
def evolution_gradient(loss, w, pairs=20, sigma=0.1):
    noise = rng.normal(size=(pairs, len(w)))
    gain = (np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise])
            / (2 * sigma))
    return gain @ noise / pairs


def evolve(loss, w, steps=300, lr=0.1, sigma=0.1):
    memory, steps = {}, run.steps(steps)
    for t in range(steps):  # Adam, its rate on a line to zero
        g = evolution_gradient(loss, w, sigma=sigma)
        w = adam(w, g, memory, lr * (1 - t / steps))
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

# %%
order, wide = rng.permutation(569), np.column_stack([tumours, np.ones(569)])
(x, x_new), (told, new) = (np.split(part[order], [400]) for part in (wide, malignant))
down = descend(lambda w: log_gradient(w, x, told), np.zeros(31), 1.0, run.steps(300))[-1]
on_loss = evolve(lambda w: log_loss(w, x, told), np.zeros(31))
on_errors = evolve(lambda w: np.mean((x @ w > 0) != told), rng.normal(0, 0.3, 31), lr=0.05)
by_descent, *evolved = (np.mean((x_new @ w > 0) == new) for w in (down, on_loss, on_errors))
claim("tumours: evolution, on log-loss or errors, against descent (largest gap, accuracy)",
      max(abs(score - by_descent) for score in evolved), at_most=0.04)

# %% [markdown]
# That was logistic regression on 30 measurements, judged on 169 unseen tumours. Nearly a tie, for forty times the looks: log-loss, smooth in place of the stairs, is a good detour.
#
# Now a network of *steps*: eight cuts $h$ (yes or no) look at a point, and a logistic regression reads them (lecture 04). Is the point inside a circle? The weights of the cuts have slope zero nearly everywhere, so evolution trains them.
# But there is a detour here, too: sigmoids in place of the steps, *hardened*, made up to 20 times as steep, while they learn. Their slope is the product along the path: input, steepness times $h(1-h)$, the weight that reads the cut, error (lecture 05). At the end put the steps back.

# %%
points = rng.normal(size=(1500, 2))
inside = np.sum(points**2, axis=1) < 2 * np.log(2)  # half of them
points = np.column_stack([points, np.ones(1500)])  # (1500, 3)
fit, check = slice(500), slice(500, None)


def network(w, x, bend):  # eight cuts (24 weights), and a regression that reads them (9)
    hidden = np.column_stack([bend(x @ w[:24].reshape(3, 8)), np.ones(len(x))])
    return hidden @ w[24:], hidden  # (n,), (n, 9)


def step(z):
    return (z > 0).astype(float)


def ring_loss(w):
    z = network(w, points[fit], step)[0]
    return np.mean(np.logaddexp(0, z) - inside[fit] * z)


def harden(w, steps=300, lr=0.1):  # descent on sigmoids that become steps
    memory, steps = {}, run.steps(steps)
    for t in range(steps):
        steep = 20 ** (t / steps)
        z, h = network(w, points[fit], lambda u, steep=steep: sigmoid(steep * u))
        error = (sigmoid(z) - inside[fit]) / 500
        back = error[:, None] * w[24:32] * steep * h[:, :8] * (1 - h[:, :8])
        g = np.concatenate([(points[fit].T @ back).ravel(), h.T @ error])
        w = adam(w, g, memory, lr * (1 - t / steps))
    return w


start = np.append(rng.normal(size=24), rng.normal(0, 0.1, 9))
ends = {"evolution": evolve(ring_loss, start, sigma=0.2), "hardened": harden(start)}
score = {name: 100 * np.mean((network(w, points[check], step)[0] > 0) == inside[check])
         for name, w in ends.items()}
print({name: round(float(share), 1) for name, share in score.items()}, "% right")
claim("300 gradients of hardened sigmoids against 12,000 looks of evolution (points ahead)",
      score["hardened"] - score["evolution"], at_least=-4, at_most=7)

# %% [markdown]
# So even a network of steps does not need evolution. It is for what you cannot open: a **black box** (블랙박스), such as a simulator.
#
# Here is one, `races.Auctions`. You bid for ad views on 20 sites, and know a view's worth on each. The highest bidder wins and pays the *second* highest bid; when the day's budget, a tenth of what all views cost, is spent, you are out, of cheap views too. It says only what you gained: value less price.
# Your bid is never what you pay, so a nudge changes nothing: no slope. Start by bidding the value. (The code moves the logarithms of bids, so that no bid is negative.)

# %%
value, usual = np.exp(rng.normal(0, 0.5, (2, 20)))  # usual: the rivals' typical price
today, tomorrow = (races.Auctions(value, usual, rng) for _ in range(2))
evolved = evolve(lambda log_bids: -today.gain(np.exp(log_bids)), np.log(value), steps=100)
climbed = np.log(value)  # the simplest rival: a random step, kept if it is better
for _ in range(run.steps(4000)):  # as many looks
    other = climbed + 0.1 * rng.normal(size=20)
    climbed = max(climbed, other, key=lambda log_bids: today.gain(np.exp(log_bids)))
divisor = max(np.linspace(1, 5, 81), key=lambda part: today.gain(value / part))
earned = {name: tomorrow.gain(bids) for name, bids in (
    ("the value", value), ("evolution", np.exp(evolved)),
    ("random climbing", np.exp(climbed)), ("value / one number", value / divisor))}
print({name: round(each, 3) for name, each in earned.items()}, "a view, on a new day")
claim("a black box: evolution earns more than the start (ratio of gains, on a new day)",
      earned["evolution"] / earned["the value"], at_least=1.4)

# %% [markdown]
# Evolution works where nothing has a slope. But with 20 knobs random climbing does as well. And whoever knows auctions divides all values by one number, and is as good with 81 looks (lecture 19). So open the box if you can.
#
# ## What goes wrong in practice
#
# - **A loss of NaN.** A rate above $2/L$ is one cause, a logarithm of zero another. Dividing the rate by ten is a quick test.
# - **Unscaled inputs.** Scale them: it costs one line, and SGD's window opens.
# - **Adam with a price on large weights.** In the gradient it is divided away with the rest. Use AdamW (Loshchilov & Hutter, 2019).
# - **A resumed run without the optimizer's memory.** Save `optimizer.state_dict()` with the weights.

# %% [markdown]
# ## Summary
#
# 1. Near the bottom descent works if $\eta < 2/L$, where $L$ is the largest curvature; the smallest one decides how long it takes.
# 2. A small batch points roughly the right way, and costs little. Its noise can help, in a window of rates.
# 3. Momentum turns $\kappa$ into $\sqrt\kappa$, at the $\beta$ that fits; 0.9 is for narrow ravines. The Ada-family gives each weight its own rate, along the axes.
# 4. AdaGrad's lead over SGD is mostly a missing schedule. Tuned, on scaled inputs and convex softmax regression, all are about as accurate; our small Transformer prefers Adam.
# 5. Evolution needs no slope, and pays with its cost in every dimension. Look for a detour with a slope first.
#
# ## Exercises and further reading
#
# `dlmap start 02`, then open `exercises/work/02_exercises.ipynb`: seven tasks, about 110 minutes.
# The optimizers: `utils/scratch/optim.py`.
#
# <details><summary>Papers and books</summary>
#
# - H. Robbins, S. Monro (1951), *A Stochastic Approximation Method*, Annals of Mathematical Statistics 22.
# - B. T. Polyak (1964), *Some methods of speeding up the convergence of iteration methods*, USSR Computational Mathematics 4; Y. Nesterov (1983), *A method of solving a convex programming problem with convergence rate O(1/k²)*, Soviet Mathematics Doklady 27.
# - J. Duchi, E. Hazan, Y. Singer (2011), *Adaptive Subgradient Methods for Online Learning and Stochastic Optimization*, JMLR 12.
# - T. Tieleman, G. Hinton (2012), *Lecture 6.5: RMSProp*, Coursera; M. D. Zeiler (2012), *ADADELTA*, arXiv 1212.5701.
# - D. P. Kingma, J. Ba (2015), *Adam: A Method for Stochastic Optimization*, ICLR; I. Loshchilov, F. Hutter (2019), *Decoupled Weight Decay Regularization*, ICLR.
# - P. Goyal and others (2017), *Accurate, Large Minibatch SGD*, arXiv 1706.02677; T. Salimans and others (2017), *Evolution Strategies as a Scalable Alternative to Reinforcement Learning*, arXiv 1703.03864.
# - J. Cohen and others (2021), *Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability*, ICLR; R. M. Schmidt, F. Schneider, P. Hennig (2021), *Descending through a Crowded Valley*, ICML.
# - F. Kunstner and others (2024), *Heavy-Tailed Class Imbalance and Why Adam Outperforms Gradient Descent on Language Models*, NeurIPS.
# </details>
