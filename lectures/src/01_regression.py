# %% [markdown]
# # 01 · Regression
#
# **Question.** How does a machine learn a number, a yes or no, a class, and who decides what a mistake costs?
#
# **You will be able to** fit a line, a probability and ten classes with nothing but NumPy, and a neuron in PyTorch; derive each gradient by hand; choose a loss, or write your own; read a reliability diagram; predict clicks on the ad log.
#
# **Needs** 00 · **Minutes** 95 to teach, 130 to study · **CPU** 10 s
#
# On the map: `regression` · `linear-regression` · `logistic-regression` · `softmax-regression` · `objective` · `mse` · `cross-entropy` · `custom-loss`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # 3 trains three times as long

# %%
import numpy as np
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("01")

# %% [markdown]
# ## 1 · A line is two knobs and a number to make small
#
# On the map: `regression` · `linear-regression` · `objective` · `mse`
#
# **Regression** (회귀) predicts a number $\hat y$ ("y hat") from an input $x$.
# **Linear regression** (선형회귀) does it with a line, $\hat y = wx + b$.
# The line has two knobs: the **weight** (가중치) $w$ and the **bias** (편향) $b$.
#
# The **loss** (손실), on the map the **objective** (목적함수), says how badly they are set.
# For numbers it is usually the **mean squared error** (평균제곱오차, MSE) over all $n$ cases; $y_i$ is the truth of case $i$:
#
# $$\text{MSE} = \frac1n \sum_i (\hat y_i - y_i)^2$$
#
# Two cases, one predicted 3 too high and one 1 too low: $(9 + 1) / 2 = 5$.
# Learning is a loop that makes this number small.

# %%
sketch = schematics.Sketch("Learning is a loop of four stations", width=9.5, height=1.75)
stations = ["predict\nŷ = w x + b", "price\nloss of ŷ and y", "find the slope\ngradient",
            "step\nturn w and b"]
boxes = [sketch.box(words, at=(1.1 + 2.43 * i, 1.3)) for i, words in enumerate(stations)]
for i in range(3):
    sketch.arrow(boxes[i], boxes[i + 1])
sketch.arrow(boxes[3].bottom, boxes[0].bottom, "again", bend=0.12, color=plots.ORANGE)
sketch.show("Four boxes: predict, price, find the slope, step; and an arrow back.")

# %% [markdown]
# Below are 442 diabetes patients, a dot each, with a stick for the error.
# $x$ is the body mass index, minus its mean, divided by its **standard deviation** (표준편차), the usual distance from the mean.
# So 0 is an average patient, and 2 is a heavy one.
# $y$ says how the disease went on. How small can you turn the loss by hand?

# %%
diabetes = data.load("diabetes")
bmi = diabetes.x[:, diabetes.feature_names.index("bmi")]
x = (bmi - bmi.mean()) / bmi.std()  # (442,) in standard deviations from the mean
y = diabetes.y  # (442,) how the disease went on within a year, 25 to 346 points


def line(x, w, b):
    return w * x + b


def mse(prediction, y):
    return np.mean((prediction - y) ** 2)


def draw(w=20.0, b=130.0):
    fig, ax = plots.figure(f"w = {w:g}, b = {b:g}: the loss is {mse(line(x, w, b), y):.0f}",
                           xlabel="x: body mass index (standard deviations)",
                           ylabel="y: progression (points)")
    ax.vlines(x, y, line(x, w, b), color=plots.GREY, linewidth=0.6, alpha=0.5)
    ax.plot(x, y, ".", color=plots.BLUE, alpha=0.7)
    ax.plot(x, line(x, w, b), color=plots.ORANGE)
    ax.set_ylim(0, 360)
    plots.show("Dots for patients, a line, and a grey stick from each dot to the line.")


plots.knobs(draw, w=(-50, 100), b=(50, 250))

# %% [markdown]
# **Which way is downhill?** Ask one patient: $x = 2$, truth 300, knobs $w = 20$ and $b = 130$.
# The line says 170, so the error, $\hat y - y$, is −130 and its square 16,900.
# Nudge $w$ up by 0.1: the line says 170.2, the square is 16,848. It fell by 52, about 520 for a whole unit of $w$.
#
# Why 520? A nudge $h$ of $w$ moves the error by $hx$, and
#
# $$(\text{error} + hx)^2 - \text{error}^2 = h \cdot 2 \cdot \text{error} \cdot x + h^2 x^2$$
#
# Divide by $h$ and let $h$ shrink. The slope is $2 \cdot \text{error} \cdot x = 2 \cdot (-130) \cdot 2 = -520$.
# The bias has no $x$, as if its input were 1: its slope is $2 \cdot (-130) = -260$.
# The MSE averages over the patients, so its slopes are averages, too:
# $\frac2n \sum_i \text{error}_i \, x_i$ for the weight and $\frac2n \sum_i \text{error}_i$ for the bias.

# %% [markdown]
# The slopes of all knobs, in a list, are the **gradient** (기울기), written ∇ ("nabla").
# As an arrow from the present $(w, b)$ it points uphill, where the loss grows fastest.
# To write both slopes as one, give the bias an input of its own, always 1:
# $X$ has a row $(x_i, 1)$ for each patient, and $\theta$ ("theta") is the list $(w, b)$.
# Then $X\theta$ is $\hat y$ for all patients at once, row by row $x_i \cdot w + 1 \cdot b$, and
#
# $$\nabla \text{MSE} = \tfrac2n X^\top (\hat y - y)$$
#
# $X^\top$ is $X$ on its side. Each of its two rows is multiplied by the errors and added up; in NumPy this product is `@`.
# Two patients, $x$ = 2 and −1, errors −130 and 40: the row of inputs gives $2 \cdot (-130) - 1 \cdot 40 = -300$, the row of ones $-130 + 40 = -90$.
#
# *Inputs times error*: remember these three words.

# %% [markdown]
# **Gradient descent** (경사하강법) takes a small step against the gradient, again and again.
# The **learning rate** (학습률) $\eta$ ("eta"), in code `lr`, scales the step: $\theta \leftarrow \theta - \eta \nabla$.
# The setting with the smallest MSE is called **least squares** (최소제곱).
# Below, each point is one setting of both knobs, so one line. A ring joins settings of equal loss. The descent starts at three.

# %%
X = np.column_stack([x, np.ones(len(x))])  # (442, 2): the input, and a one for the bias
w, b, h = 20.0, 130.0, 0.001
error = line(x, w, b) - y  # (442,) one error for each patient
by_nudge = (mse(line(x, w + h, b), y) - mse(line(x, w, b), y)) / h
by_element = np.mean(2 * error * x)    # and for b: np.mean(2 * error)
by_matrix = 2 / len(y) * X.T @ error   # both at once: (2, 442) @ (442,) -> (2,)
print(f"slope of w: {by_nudge:.2f} by a nudge, {by_element:.2f} by element,",
      f"{by_matrix[0]:.2f} by matrix")

# %%
def descend(start, lr=0.1, steps=200):
    """Gradient descent on the MSE: every setting of (w, b) on the way, (steps + 1, 2)."""
    path = [np.array(start)]
    for _ in range(run.steps(steps)):
        path.append(path[-1] - lr * 2 / len(y) * X.T @ (X @ path[-1] - y))
    return np.array(path)


paths = [descend(start) for start in [(-40.0, 70.0), (130.0, 90.0), (-20.0, 235.0)]]
ws, bs = np.linspace(-90, 180, 90), np.linspace(55, 250, 90)
bowl = [[mse(line(x, w, b), y) for w in ws] for b in bs]  # the loss at every setting
fig, ax = plots.figure("The loss is a bowl: from three starts, small steps end at one line",
                       xlabel="weight w", ylabel="bias b", size=(7.5, 5.2))
ax.contour(ws, bs, bowl, levels=18, cmap="Greys_r", linewidths=0.8)
for path, color in zip(paths, [plots.BLUE, plots.ORANGE, plots.GREEN], strict=True):
    ax.plot(*path.T, "o-", color=color, markersize=3, linewidth=1.2)
plots.name(ax, *paths[0][-1], "least squares", plots.INK, dx=10, dy=12,
           bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
ax.set_aspect("equal")
plots.show("Contour lines of the loss over both knobs; three descents meet at the bottom.")

# %% [markdown]
# The bottom of this bowl can be computed. There $X^\top (X\theta - y)$ is zero, so $X^\top X\, \theta = X^\top y$: two equations with two unknowns, for `np.linalg.solve`.
# This **closed form** (닫힌 형태) is exact and needs no learning rate (scikit-learn: `LinearRegression`).
# Few models have one, so most of this course descends.
#
# **Why the square?** Which number $c$ is closest to 1, 2 and 9?
# Squared errors choose the mean, 4: there the slopes $2(c-1) + 2(c-2) + 2(c-9)$ add up to zero.
# Absolute errors choose the middle one, the **median** (중앙값), 2: one step to 3 costs 1 + 1 and saves 1.
# So a line fitted by squares aims at the *mean* $y$ of all patients with that $x$.
# What is left is **noise** (잡음); its shape does not matter.
# Try one that is no bell curve (Gaussian): many small values, a few huge ones.
#
# <details><summary>And Gaussian noise? It makes the line the most likely one, too</summary>
#
# Let the patients scatter around the line with Gaussian noise of width $s$: each $y$ has the density
# $\mathcal N(y \mid \hat y, s^2) = \frac{1}{s\sqrt{2\pi}}\, e^{-(y - \hat y)^2 / 2 s^2}$, high near the line, low far away.
# The **likelihood** (가능도) of a line is this height, multiplied ($\prod$) over the patients.
# The logarithm makes a sum of it and takes the exponent down:
#
# $$-\log \prod_i \mathcal N(y_i \mid \hat y_i, s^2) = \frac{1}{2 s^2} \sum_i (\hat y_i - y_i)^2 + n \log s + \text{const}$$
#
# Only the first term knows the line: the squared error. So under Gaussian noise, least squares is **maximum likelihood** (최대가능도).
# Under other noise another line is more likely, and a loss made for that noise wastes less data.
# </details>

# %%
closed = np.linalg.solve(X.T @ X, X.T @ y)
claim("descent from three starts ends at the closed form (largest difference of a knob)",
      max(np.abs(path[-1] - closed).max() for path in paths), at_most=1e-6)

inputs, noise = rng.uniform(-2, 2, 20_000), rng.exponential(50, 20_000)  # noise of mean 50
seen = 30 * inputs + 100 + noise
fitted_line = np.polyfit(inputs, seen, deg=1)  # least squares: (w, b)
claim("under skewed noise the squared loss still finds the mean, 150 at x = 0 (points)",
      fitted_line[1], at_least=149, at_most=151)
claim("though most cases lie below that line (share)",
      np.mean(seen < line(inputs, *fitted_line)), at_least=0.62)

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# Run the sliders live, let the room call the numbers, and keep the best loss on the board until the descent beats it.
# Do the nudge with one patient before the formula. The wrong answer to expect: "the slope is the error". It is the error times the input.
# Can it get stuck? Not here, a bowl has one bottom. It can in lecture 02.
# No sliders: the kernel runs in batch mode; restart it without `DLMAP_BATCH`.

# %% [markdown]
# ## 2 · The loss is your decision
#
# On the map: `objective` · `custom-loss`
#
# A loss turns each error into a price, and the price decides which model is best.
# Squared, one error of 10 costs as much as a hundred errors of 1. **Huber** (후버 손실) is square near zero and straight far out.
#
# The **quantile loss** (분위수 손실) tilts: each unit too low costs $\tau$ ("tau"), each unit too high $1 - \tau$.
# With $\tau = 0.9$, 10 too low costs 9, and 10 too high costs 1.
# Moving the line up by 1 saves 0.9 for each patient above it and costs 0.1 for each below: even at nine below to one above.
#
# Or write a **custom loss** (맞춤 손실함수). A bid too low loses the auction, one too high overpays a little:
# say the squared error, and nine times that for a bid too low.

# %%
losses = {  # scaled: squared, an error of 30 points costs 1
    "squared": lambda error: error**2 / 900,
    # From 30 on Huber is straight: there both parts have price 1 and slope 1/15.
    "Huber": lambda error: np.where(abs(error) < 30, error**2 / 900, abs(error) / 15 - 1),
    "quantile 0.9": lambda error: np.maximum(-0.9 * error, 0.1 * error) / 30,
    "custom": lambda error: np.where(error < 0, 9, 1) * error**2 / 900,
}
LOSS_COLORS = [plots.BLUE, plots.GREEN, plots.ORANGE, plots.RED]


def fit_line(loss, x, y):
    """The line with the smallest mean price, by a search that needs no gradient: (w, b)."""
    return minimize(lambda theta: loss(line(x, *theta) - y).mean(), [40.0, 150.0],
                    method="Nelder-Mead").x


fig, axes = plots.panels("A loss sets the price of an error", losses, ylabel="price",
                         xlabel="prediction − truth", size=(10, 3), sharey=True)
grid = np.linspace(-150, 150, 301)
for ax, price_of, color in zip(axes, losses.values(), LOSS_COLORS, strict=True):
    ax.plot(grid, price_of(grid), color=color)
axes[0].set_ylim(0, 30)
plots.show("A parabola, a V with a round tip, a tilted V, a lopsided parabola.")

# %% [markdown]
# **Predict first.** A clerk mistypes one value: the heaviest patient's progression gets an extra zero.
# One patient of 442.
# By how many points does the squared loss then move its prediction for a heavy patient ($x = 2$)? And the Huber loss?

# %%
guesses = {"about 1 point": 1, "about 10 points": 10, "about 40 points": 40}
predict("01.typo", *guesses)

# %%
typo = np.where(x == x.max(), 10 * y, y)
squared, huber = (line(2, *fit_line(loss, x, typo)) - line(2, *fit_line(loss, x, y))
                  for loss in (losses["squared"], losses["Huber"]))
outcome("01.typo", min(guesses, key=lambda g: abs(guesses[g] - squared)))  # the nearest
claim("the heaviest patient's typo moves the squared loss's prediction (points)",
      squared, at_least=35)
claim("Huber's moves by a small part of that (ratio)", huber / squared, at_most=0.09)

# %% [markdown]
# Squared, an error ten times as large costs a hundred times as much, so the line tilts to please one clerk.
#
# Now the quantile loss, for a promise that should hold nine times in ten ("you will pay at most …").
# And the custom loss; statisticians call it the **expectile** (익스펙타일) loss.
# You will be charged by it. Must you also train with it, or is the squared loss good enough?
# Fit on one half of the patients, judge on the other.

# %%
order = rng.permutation(len(y))
fit_half, judge_half = order[:221], order[221:]
fitted = {name: fit_line(loss, x[fit_half], y[fit_half]) for name, loss in losses.items()}

fig, ax = plots.figure("Four losses, four lines: fitted on one half, drawn over the other",
                       xlabel="x: body mass index (standard deviations)",
                       ylabel="y: progression (points)")
ax.plot(x[judge_half], y[judge_half], ".", color=plots.GREY, alpha=0.5)
ends = np.array([-2.0, 3.3])
for (label, theta), color in zip(fitted.items(), LOSS_COLORS, strict=True):
    ax.plot(ends, line(ends, *theta), color=color)
    apart = {"squared": -7, "Huber": 7}.get(label, 0)
    plots.name(ax, ends[1], line(ends[1], *theta), label, color, dy=apart)
plots.show("The quantile and the custom line run high; squared and Huber lie together.")

# %%
unseen_x, unseen_y = x[judge_half], y[judge_half]
errors = {name: line(unseen_x, *theta) - unseen_y for name, theta in fitted.items()}
claim("the 0.9-quantile line lies above about nine in ten unseen patients (share)",
      np.mean(errors["quantile 0.9"] > 0), at_least=0.82, at_most=0.96)
charged = {name: losses["custom"](error).mean() for name, error in errors.items()}
claim("trained on the price that is charged, a line costs less than by squares (ratio)",
      charged["custom"] / charged["squared"], at_most=0.6)

residual = line(x[fit_half], *fitted["squared"]) - y[fit_half]
up = minimize(lambda up: losses["custom"](residual + up).mean(), 0.0).x
moved = losses["custom"](errors["squared"] + up).mean()
claim("but the squared-loss line, moved up by a constant, costs about the same (within %)",
      100 * abs(moved / charged["custom"] - 1), at_most=5)

# %% [markdown]
# So on these patients the custom loss did little more than move the line up. Where the noise grows with $x$, it changes the slope as well.
#
# **Ask the room.** Which of the four curves prices your bids, and who in your company knows the two prices?
#
# <details><summary>One answer</summary>
#
# A lopsided one, nearly always: too low loses the margin of an auction, too high overpays the difference.
# The two prices are known where the money is counted, not where the model is trained. Ask there first, then choose the loss.
# </details>
#
# **The library's way.** `torch.nn` has `MSELoss`, `HuberLoss` and `L1Loss`; scikit-learn has `HuberRegressor` and `QuantileRegressor`.
# A custom loss needs no library: it is a function that returns a number.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Let three people guess the effect of the typo aloud; most guesses are too small.
# The link to remember: the mean minimizes squared error, the median absolute error, a quantile the tilted error.
# If the room asks for Huber's guess: the outcome cell prints it as a share of the other.

# %% [markdown]
# ## 3 · From a number to a yes: step, then sigmoid
#
# On the map: `logistic-regression`
#
# 569 breast tumours: does the radius of their cell nuclei tell malignant, 1, from benign, 0?
# A line is no answer: it falls below 0 and rises above 1.
#
# A **step** (계단 함수) says yes where the **score** (점수) $z = wx + b$ is above 0.
# Its loss is the share of errors. Nudge a knob a little: nearly always no tumour changes sides, and the loss stays as it is.
# A staircase, flat on every stair.
#
# The **sigmoid** (시그모이드) is a step with a slope, $\sigma(z) = \dfrac{1}{1 + e^{-z}}$ ("sigma of z").
# It is 0.12 at $z = -2$, exactly ½ at 0 and 0.88 at 2: a probability $p$ of a yes.
# Its loss in the picture, the mean of $|p - y|$, changes smoothly.
# (Its bottom is not quite where the errors are fewest.)

# %%
cancer = data.load("breast_cancer")
tumours = (cancer.x - cancer.x.mean(axis=0)) / cancer.x.std(axis=0)  # (569, 30)
malignant = (cancer.y == 0).astype(float)  # (569,): 1 is malignant, 212 of 569
radius = tumours[:, 0]
cases = np.column_stack([tumours[:, :2], np.ones(569)])  # (569, 3): radius, texture, one


def share_of_errors(w, b):
    return np.mean((w * radius + b > 0) != malignant)


settings, h = rng.normal(0, 2, (1000, 2)), 1e-6
same = [share_of_errors(w + h, b) == share_of_errors(w - h, b) for w, b in settings]
claim("a nudge of a millionth leaves the step's loss as it was (share of settings)",
      np.mean(same), at_least=0.98)

# %%
def sigmoid(z):
    """1 / (1 + exp(-z)); for z < 0 the same as exp(z) / (1 + exp(z)).

    So the exponent is never positive, and nothing overflows.
    """
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


cuts = np.linspace(0, 0.6, 3000)  # the radius above which the machine says "malignant"
stairs = [share_of_errors(1, -cut) for cut in cuts]
# w = 4: the larger w, the steeper the sigmoid, and the nearer to the step.
smooth = [np.mean(np.abs(sigmoid(4 * (radius - cut)) - malignant)) for cut in cuts]
fig, (left, right) = plots.panels(
    "A step's loss is a staircase; a sigmoid's says which way",
    ["569 tumours, three answers", "the loss, as the cut moves"],
    xlabel="radius (standard deviations)", ylabel="malignant?")
left.plot(radius, malignant + rng.normal(0, 0.015, 569), ".", color=plots.GREY, alpha=0.3)
grid = np.linspace(-2.1, 4, 400)
straight = np.polyval(np.polyfit(radius, malignant, 1), grid)
for ax, at, label, color, where, what in (
        (left, (1.5, 1.3), "line", plots.INK, grid, straight),
        (left, (-0.8, 0.5), "step", plots.BLUE, grid, grid > 0.15),
        (left, (0.95, 0.5), "sigmoid", plots.ORANGE, grid, sigmoid(4 * (grid - 0.15))),
        (right, (0.04, 0.148), "step: share of errors", plots.BLUE, cuts, stairs),
        (right, (0.2, 0.185), "sigmoid: mean of |p − y|", plots.ORANGE, cuts, smooth)):
    ax.plot(where, what, color=color, linewidth=1.5)
    plots.name(ax, *at, label, color, dx=0)
right.set(xlabel="cut (standard deviations of radius)", ylabel="loss")
plots.show("Left, zeros and ones, a line, a step and an S. Right, a loss made of stairs.")

# %% [markdown]
# **Logistic regression** (로지스틱 회귀) is linear regression plus sigmoid: $p = \sigma(wx + b)$ is the probability of a yes.
# What is the score $z$, then? Solve $p = 1 / (1 + e^{-z})$ for it:
#
# $$\frac{p}{1 - p} = e^z \qquad\text{so}\qquad z = \log \frac{p}{1 - p}$$
#
# (log is the natural logarithm, here and in code: the inverse of $e^z$.)
# $p / (1 - p)$ are the **odds** (오즈): 4 to 1 for $p = 0.8$. Their logarithm $z$ is called the **logit** (로짓).
# One more unit of $x$ adds $w$ to the logit, so it multiplies the odds by $e^w$.
#
# **Ask the room.** The weight of "evening" in a click model is 0.7. What does it do to a click rate of 1 %? And of 50 %?
#
# <details><summary>One answer</summary>
#
# $e^{0.7}$ is 2, so the odds double: 1 to 99 becomes 2 to 99, and 1 % becomes 2 %.
# 1 to 1 becomes 2 to 1: 50 % becomes 67 %, not 100 %, and not 120 %.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Let somebody draw the loss of the step on the board before the picture: most draw a smooth valley.
# At *Ask the room* the usual slip is to add 0.7 to the probability.
# If time is short, skip the claim about a thousand settings; the stairs in the picture show the same.

# %% [markdown]
# ## 4 · Cross-entropy, because a machine should pay for being sure and wrong
#
# On the map: `cross-entropy` · `logistic-regression`
#
# Charge a forecaster −log of the probability that was given to what then happened:
#
# | probability given to what happened | 0.99 | 0.8 | 0.5 | 0.01 |
# |---|---|---|---|---|
# | price (nats) | 0.01 | 0.22 | 0.69 | 4.6 |
#
# Averaged, that is the **cross-entropy** (교차 엔트로피), lecture 00's log-loss. A **nat** (내트) is its unit.
# With $y_i$ = 1 for a yes, 0 for a no, and $p_i$ the probability of a yes:
#
# $$-\tfrac1n \sum_i \big[\, y_i \log p_i + (1 - y_i) \log(1 - p_i) \,\big]$$
#
# One of the two terms is always zero.
# The probability of all that happened is the product of the single ones.
# −log turns it into a sum of prices: the smallest sum is the largest product.

# %% [markdown]
# **Two rules.** The slope of $\log u$ is $1/u$: near $u = 2$, a nudge of 0.01 moves it by 0.005.
# And slopes multiply along a chain, the **chain rule** (연쇄 법칙): $p'$ is the slope of $p$ by $z$, and $\log p$ moves $1/p$ times as far as $p$.
# So the slope of $\log p$ is $p'/p$. For the sigmoid, $p' = p(1-p)$.
#
# **The slope, in three lines.** One case, with $z = wx + b$ and $p = \sigma(z)$:
#
# - $y = 1$: the price is $-\log p$, its slope $-p'/p = -(1-p) = p - 1$
# - $y = 0$: the price is $-\log(1-p)$, its slope $-(-p')/(1-p) = p$
# - both are $p - y$.
#
# And $z$ moves by $x$ for each unit of $w$: the slope by $w$ is $(p - y)\,x$. Averaged over all cases:
#
# $$\nabla = \tfrac1n X^\top (p - y)$$
#
# Inputs times error, *as for the line*, but for a factor of 2.
# A yes with $x = 2$ that was given $p = 0.9$ has slope $(0.9 - 1) \cdot 2 = -0.2$: turn $w$ up.
# Each input has its own weight, $z = w_1 x_1 + w_2 x_2 + b$, and each slope is the error times *its* input. Below: a tumour's radius and texture.
#
# <details><summary>Why p′ = p(1 − p)</summary>
#
# The slope of $e^{-z}$ is $-e^{-z}$, that of $1/u$ is $-1/u^2$, and they multiply.
# With $u = 1 + e^{-z}$ and $p = 1/u$: $p' = e^{-z} / u^2 = p \cdot \dfrac{e^{-z}}{1 + e^{-z}}$, and the fraction is $1 - p$.
# </details>

# %%
def fit_logistic(X, y, start, lr=1.0, steps=3000):
    """Logistic regression by gradient descent. X: (n, d) with a column of ones -> (d,)."""
    theta = np.array(start, dtype=float)
    for _ in range(run.steps(steps)):
        theta -= lr * X.T @ (sigmoid(X @ theta) - y) / len(y)  # against inputs times error
    return theta


knobs = fit_logistic(cases, malignant, start=[0, 0, 0])
print("weights of radius and texture, bias:", knobs.round(2))

# %% [markdown]
# **Predict first.** Why not the squared error $(p - y)^2$, here too?
# A tumour is malignant, $y = 1$, and the machine is sure that it is not: its logit is −6, so $p$ = 0.25 %.
# Nudge the logit. Which loss pulls it up harder?

# %%
predict("01.pull", "squared error", "cross-entropy", "both about the same")

# %%
def pull(price, z=-6.0, h=1e-4):
    """How hard a price pulls the logit of a yes upward: minus its slope, by a nudge."""
    return (price(sigmoid(z)) - price(sigmoid(z + h))) / h


ratio = pull(lambda p: -np.log(p)) / pull(lambda p: (1 - p) ** 2)
outcome("01.pull", "cross-entropy" if ratio > 2 else
        "squared error" if ratio < 0.5 else "both about the same")
claim("at logit −6 cross-entropy pulls far harder (ratio)", ratio, at_least=150)

# %% [markdown]
# The error is nearly as large as it can be, and still the square has let go.
# Its slope is $2(p - y)$ times $p' = p(1-p)$, and far out the sigmoid is flat: $p(1-p)$ = 0.0025.
# In the cross-entropy, $p(1-p)$ is multiplied by $1/p$, the slope of the log: $1 - p$ is left, nearly 1.
#
# What does that cost? Start a descent sure and wrong, all knobs at −3, and count steps to 85 % right, at six rates.

# %%
z = np.linspace(-10, 10, 401)
fig, ax = plots.figure("Sure and wrong: cross-entropy pulls, squared error has let go",
                       xlabel="logit of a yes", ylabel="pull on the logit (−slope)")
ax.plot(z, 1 - sigmoid(z), color=plots.ORANGE)
ax.plot(z, 2 * (1 - sigmoid(z)) ** 2 * sigmoid(z), color=plots.BLUE)
plots.name(ax, -2, 0.9, "cross-entropy: 1 − p", plots.ORANGE, dx=8)
plots.name(ax, -8.6, 0.36, "squared error: 2 (1 − p)² p", plots.BLUE)
plots.show("Cross-entropy pulls hard on the far left, then fades; squared error is a hump.")

# %%
def steps_to(slope, lr, start, accuracy=0.85, most=5000):
    """Steps of descent until `accuracy`; `slope` is the slope of the loss by the logit."""
    theta = np.full(3, float(start))
    for count in range(most):
        if np.mean((cases @ theta > 0) == malignant) >= accuracy:
            return count
        theta -= lr / len(cases) * cases.T @ slope(sigmoid(cases @ theta), malignant)
    return most


SLOPES = [lambda p, y: p - y, lambda p, y: 2 * (p - y) * p * (1 - p)]
rates = (0.3, 1, 3, 10, 100, 1000)
crossed, squared = ([steps_to(slope, lr, start=-3) for lr in rates] for slope in SLOPES)
for name, row in (("rate", rates), ("cross-entropy", crossed), ("squared error", squared)):
    print(f"{name:13}", *(f"{entry:>6}" for entry in row))
claim("started at −3, squared error needs many times the steps up to rate 10 (ratio)",
      np.min(np.divide(squared, crossed)[:4]), at_least=20)
claim("and several times the steps with each loss at its best rate (ratio)",
      min(squared) / min(crossed), at_least=4)

# %% [markdown]
# A very large rate lets the square catch up in part. And the start matters: with all knobs at 0 every $p$ is ½, and both losses point the same way.
#
# **A bowl without a bottom.** In one line, the price is $\log(1 + e^z) - yz$.
# Its slope $p - y$ only grows with $z$: it is bent upward everywhere, **convex** (볼록), in $z$ and so in the knobs. It has no second valley; the square may have one.
#
# But there may be no bottom. Four cases, $x$ = −2, −1, 1, 2, with answers 0, 0, 1, 1, are **separable** (분리 가능): a cut at 0 makes no error.
# A larger $w$ makes every probability better, so $w$ never stops.
# But the pull fades as $e^{-w}$ (that is $1 - p$ at $x = 1$): each unit more of $w$ takes $e$ times the steps.
# The cure is a price on large weights: section 7 uses one, lecture 06 explains it.
#
# <details><summary>Why log(1 + eᶻ) − yz</summary>
#
# A no costs $-\log(1-p)$, and $1 - p = 1/(1+e^z)$: the price is $\log(1+e^z)$.
# A yes costs $-\log p = \log(1+e^{-z})$. Since $1 + e^{-z} = (e^z + 1)\, e^{-z}$, that is $\log(1+e^z) - z$.
# And $z$ only adds up knobs times inputs, so what is convex in $z$ is convex in the knobs.
# </details>

# %%
four, answers = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
counts = (100, 1000, 10_000)
w_after = [fit_logistic(four, answers, [0], steps=count)[0] for count in counts]
print("w after", [run.steps(count) for count in counts], "steps:", np.round(w_after, 2))
claim("on these four cases ten times the steps add about log 10 = 2.3 to the weight",
      np.mean(np.diff(w_after)), at_least=2.1, at_most=2.4)

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# Do the three lines on the board. Much of what follows in the course ends in "probability minus answer".
# At *Predict first* the common guess is "squared, because the error is large". It is, but the sigmoid is flat there, and slopes multiply.
# Squared error on probabilities (the Brier score) is a fine way to *judge*, and a poor way to *learn*.

# %% [markdown]
# ## 5 · The same in PyTorch: one neuron
#
# On the map: `logistic-regression`
#
# A logistic regression is a **neuron** (뉴런): inputs, each times its weight, a sum, a bend.
# So far we wrote each gradient by hand. PyTorch finds it: change the model, and there is nothing to derive again.
#
# A **tensor** (텐서) is PyTorch's array: it may live on a graphics card, and it can remember how it was computed.
# With that memory, `backward()` walks from the loss back to each knob and leaves the slope in its `.grad`.
# This is **autograd** (자동 미분); lecture 05 builds one.
#
# First on one number, the logit −6 of a yes, whose slope we know: $p - 1$.

# %%
sketch = schematics.Sketch("A logistic regression is a neuron (with the knobs just found)",
                           width=9.5, height=2.7)
ins = sketch.column(["x₁", "x₂", "1"], at=(1.5, 1.35), gap=0.85)
for label, shape in zip(("radius", "texture", "always 1"), ins, strict=True):
    sketch.text(label, (shape.x - 0.4, shape.y), ha="right", fontsize=12)
total = sketch.box("add up", at=(4.9, 1.35))
bend = sketch.box("bend: sigmoid", at=(7, 1.35), kind="family")
labels = [f"{name} = {knob:.1f}".replace("-", "−")
          for name, knob in zip(("w₁", "w₂", "b"), knobs, strict=True)]
sketch.connect(ins, [total], labels=labels, at=0.42)
sketch.arrow(total, bend, "z")
sketch.arrow(bend, sketch.circle("p", at=(8.9, 1.35), kind="data"))
sketch.show("Radius, texture and a one, each times its knob, are added up to the score z; "
            "a sigmoid turns the score into the probability p.")

# %%
import torch

logit = torch.tensor(-6.0, requires_grad=True)  # "remember what is done with it"
price = -torch.log(torch.sigmoid(logit))
price.backward()
print(f"autograd finds {logit.grad.item():.4f}; by hand, p − 1 is {sigmoid(-6.0) - 1:.4f}")

# %% [markdown]
# Now the whole loop. `nn.Linear(2, 1)`, two inputs and one output, holds two weights and a bias, drawn at random.
# The optimizer `SGD` (lecture 02) makes the steps. The loss takes logits and holds the sigmoid, so that nothing overflows.
# Look for the four stations of the first picture: most lectures from 04 on have them.

# %%
inputs = torch.tensor(cases[:, :2], dtype=torch.float32, device=run.device)  # (569, 2)
target = torch.tensor(malignant, dtype=torch.float32, device=run.device)     # (569,)
neuron = torch.nn.Linear(2, 1).to(run.device)
optimizer = torch.optim.SGD(neuron.parameters(), lr=5.0)
loss_of = torch.nn.BCEWithLogitsLoss()    # binary cross-entropy, from logits

for _ in range(run.steps(500)):
    logits = neuron(inputs)[:, 0]         # predict: (569, 1) -> (569,)
    loss = loss_of(logits, target)        # price
    optimizer.zero_grad()                 # forget the last slopes
    loss.backward()                       # find the slope of each knob
    optimizer.step()                      # step

by_neuron = torch.sigmoid(neuron(inputs)[:, 0]).detach().cpu().numpy()  # back to NumPy
# C=np.inf: no price on large weights (section 7). tol: go on until hardly anything changes.
library = LogisticRegression(C=np.inf, tol=1e-8).fit(cases[:, :2], malignant)
others = by_neuron, library.predict_proba(cases[:, :2])[:, 1]
claim("ours, the neuron and scikit-learn agree (largest difference in probability)",
      max(np.abs(sigmoid(cases @ knobs) - p).max() for p in others), at_most=1e-4)

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# Ask what happens without `zero_grad`: gradients are added up, so each step repeats all earlier ones.
# The usual question: "where is the sigmoid?" In the loss, which needs it only for its own formula.

# %% [markdown]
# ## 6 · Softmax: one score per class
#
# On the map: `softmax-regression` · `cross-entropy`
#
# **Softmax regression** (소프트맥스 회귀) has a score for each class: ten digits, ten regressions.
# The **softmax** (소프트맥스) turns the scores into shares:
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$
#
# $z_k$ is the score of class $k$, and the sum runs over all classes $j$.
# Three scores 2, 1, 0: $e^z$ is 7.4, 2.7, 1, together 11.1, so the shares are 0.67, 0.24, 0.09.
# With two classes it is the sigmoid of the difference: divide above and below by $e^{z_1}$, and $1 / (1 + e^{-(z_1 - z_0)})$ is left.
#
# The loss is −log of the true class's share.

# %%
digits = data.load("digits")
sketch = schematics.Sketch("Ten regressions look at one digit; softmax makes them compete",
                           width=9.5, height=3.6)
sketch.ax.imshow(digits.x[3].reshape(8, 8), extent=(0.3, 2.5, 0.9, 3.1), zorder=3)
image = sketch.box("", at=(1.4, 2.0), kind="data", size=(2.24, 2.24))
names = ["z₀", "z₁", "…", "z₃", "…", "z₉"]
scores = sketch.column(names, at=(4.6, 2.0), gap=0.54, kind="concept", r=0.23)
soft = sketch.box("softmax", at=(6.6, 2.0), kind="family")
names = [name.replace("z", "p") for name in names]
shares = sketch.column(names, at=(8.6, 2.0), gap=0.54, r=0.23)
drawn, out = ([column[i] for i in (0, 1, 3, 5)] for column in (scores, shares))
for starts, ends in (([image], drawn), (drawn, [soft]), ([soft], out)):
    sketch.connect(starts, ends)
for words, at in (("64 pixels", 1.4), ("ten regressions", 4.6), ("ten shares", 8.6)):
    sketch.text(words, (at, 0.15), fontsize=12)
sketch.show("A handwritten three goes to ten regressions; their scores enter the softmax, "
            "and ten shares come out.")

# %% [markdown]
# With $t$ the true class, the price is $-\log p_t = \log \sum_j e^{z_j} - z_t$.
# Nudge $z_k$: the first term ($e^z$ is its own slope) has slope $e^{z_k} / \sum_j e^{z_j} = p_k$; the second −1 if $k$ is the true class, else 0.
# Together $p_k - y_k$: once more, probability minus answer. ($y_k$ is 1 for the true class, else 0: **one-hot**, 원-핫.)
# Shares 0.67, 0.24, 0.09, the first class true: errors −0.33, 0.24, 0.09.
# With all shares in a table $P$ and all answers in $Y$, a row for each digit: $\nabla = \frac1n X^\top (P - Y)$.
#
# The 1,797 digits lie in the order of their writers. Learn from two thirds of the rows, judge on the third left out, three times:
# mostly digits of writers whom the model has not seen. Shuffled rows put each hand on both sides: lecture 00's leak.
# The 64 weights of a class make a picture: what that regression looks for.

# %%
pixels = np.column_stack([digits.x / 16, np.ones(1797)])  # (1797, 65): pixels and a one
Y = np.eye(10)[digits.y]  # (1797, 10): row k of np.eye is the one-hot of class k


def softmax(z):
    """(n, k) scores -> (n, k) shares. Less the largest, the shares stay: no overflow."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_softmax(rows, lr=1.0, steps=300):
    W = np.zeros((65, 10))  # a column of knobs for each class
    for _ in range(run.steps(steps)):
        P = softmax(pixels[rows] @ W)                         # (n, 65) @ (65, 10)
        W -= lr / len(rows) * pixels[rows].T @ (P - Y[rows])  # (65, n) @ (n, 10)
    return W


def accuracy(order):
    """Share read right, each third of the rows by a fit on the other two thirds."""
    thirds = np.array_split(order, 3)
    fits = [fit_softmax(np.setdiff1d(order, third)) for third in thirds]
    return np.mean([np.mean((pixels[third] @ W).argmax(axis=1) == digits.y[third])
                    for third, W in zip(thirds, fits, strict=True)])


honest, shuffled = accuracy(np.arange(1797)), accuracy(rng.permutation(1797))
claim("softmax regression reads digits of other hands (accuracy)", honest, at_least=0.91)
claim("shuffled rows flatter it (points)", 100 * (shuffled - honest), at_least=2.2)

# %%
W = fit_softmax(np.arange(1797))
plots.images(W[:64].T.reshape(10, 8, 8), names=range(10), diverging=True,
             title="Ten templates: ink on blue speaks for the digit, ink on red against it")
plots.show("The weights of each class as a picture: the zero has a red hole in the middle.")

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# Ask what the red hole in the template of 0 means. Somebody will ask why the borders are white: no digit has ink there, so nothing pulls those weights.
# "Ten regressions in a row" is what lecture 04 will call a layer: say so, and go back to the picture.

# %% [markdown]
# ## 7 · The ad log: a probability that is multiplied by money must be right
#
# On the map: `logistic-regression` · `cross-entropy` · `objective`
#
# A row of lecture 00's ad log, printed below, is an impression: who saw which ad, where and when, clicked (1) or not (0).
# Each user, ad, hour … gets a column of its own. Train on the first ten days, test on the last four.
#
# We judge by lecture 00's share of the gap, three log-losses on the test rows:
#
# $$\text{share} = \frac{\text{base rate} - \text{model}}{\text{base rate} - \text{truth}}$$
#
# A user who never clicked has only noes: that weight would fall for ever, section 4's bowl without a bottom.
# So weights cost: half their squares, added to the *sum* of the log-losses (the code divides both by $n$).

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
attributes = ["age", "gender", "category", "site", "position", "hour", "device"]
ids = ["user", "ad", "advertiser", "context"]  # a context is one place on a site


def loss_and_gradient(theta, X, y):
    """Section 4's log(1 + e^z) - yz and its gradient, both with the price on weights."""
    z, n = X @ theta, len(y)
    # logaddexp(0, z) is log(e^0 + e^z) without overflow
    loss = np.mean(np.logaddexp(0, z) - y * z) + theta @ theta / 2 / n
    return loss, X.T @ (sigmoid(z) - y) / n + theta / n


def fit_clicks(log, columns):
    X = log.one_hot(columns)
    start = np.zeros(X.shape[1])
    # L-BFGS is a descent that learns how the slope changes; jac: the gradient comes along.
    return minimize(loss_and_gradient, start, (X, log.click), jac=True, method="L-BFGS-B").x


print({name: int(column[0]) for name, column in log.features.items()}, "→", log.click[0])
by_attributes, by_all = (sigmoid(future.one_hot(columns) @ fit_clicks(past, columns))
                         for columns in (attributes, attributes + ids))
share, share_all = (100 * future.share_of_gap(p) for p in (by_attributes, by_all))
claim("attributes alone close a part of the gap (%)", share, at_least=14)
claim("ids add more than that (percentage points)", share_all - share, at_least=18)

# %% [markdown]
# **Predict first.** A ranking multiplies this probability by a bid, so it must be right, not only in order.
# But clicks are rare, so logs are often **thinned** (다운샘플링): keep every click, and one in ten of the rest.
# You train on the thinned log. On new traffic, where 4 % click, what is the mean prediction?

# %%
guesses = {"about 4 %": 4, "about 10 %": 10, "about 25 %": 25, "about 40 %": 40}
predict("01.thinned", *guesses)

# %%
kept = (past.click == 1) | (rng.random(len(past)) < 0.1)
logit = future.one_hot(attributes + ids) @ fit_clicks(past[kept], attributes + ids)
models = {"full log": by_all, "thinned": sigmoid(logit),
          "thinned, shifted back": sigmoid(logit + np.log(0.1))}
times = {name: p.mean() / future.click.mean() for name, p in models.items()}
mean = 100 * models["thinned"].mean()
outcome("01.thinned", min(guesses, key=lambda g: abs(guesses[g] - mean)))  # the nearest

# %% [markdown]
# Of 1,000 impressions 40 are clicked and 960 are not; thinned, 40 and 96 are left. The odds are ten times as high, for any inputs.
# (40 of 136: 29 %. The mean is lower, as high rates grow less: 1 % to 9 %, 30 % only to 81 %.)
# So one constant on the logit, log 0.1, undoes it. Forget it, and nearly every bid is several times too high.
# It cannot bring back what the dropped rows knew (with a million rows that is less).
#
# **Calibration** (확률 보정) asks: of the impressions that get 8 %, are 8 % clicked?
# A **reliability diagram** (신뢰도 다이어그램) shows it: sort by prediction, cut into ten equal groups, compare with the clicks.
# On the diagonal, prediction and clicks agree. The bars are 95 % intervals, as in lecture 00.

# %%
def reliability(p, click, groups=10):
    """Mean prediction and click rate of equal groups, sorted by prediction."""
    parts = np.array_split(np.argsort(p), groups)
    return np.array([(p[part].mean(), click[part].mean()) for part in parts]).T


fig, axes = plots.panels("A thinned log leaves the diagonal, and one shift brings it back",
                         models, xlabel="predicted click rate (%)", ylabel="clicked (%)",
                         sharey=True)
for ax, p in zip(axes, models.values(), strict=True):
    said, happened = reliability(p, future.click)
    ax.axline((0, 0), slope=1, color=plots.GREY, linewidth=1)
    # As in 00, 1.96 s / √n; zeros and ones with mean m have s = √(m (1 − m)).
    spread = 1.96 * np.sqrt(happened * (1 - happened) / (len(future) / 10))
    ax.errorbar(100 * said, 100 * happened, yerr=100 * spread, fmt="o", color=plots.BLUE,
                markersize=4, linewidth=1)
plots.show("Three reliability diagrams: on the diagonal; far below it; back on it, nearly.")

# %%
miss = np.abs(np.subtract(*reliability(by_all, future.click))).mean()
lost = share_all - 100 * future.share_of_gap(models["thinned, shifted back"])
claim("ten groups hardly miss their click rate (mean, in points)", 100 * miss, at_most=0.4)
claim("thinned, the mean prediction is several times too high (ratio)",
      times["thinned"], at_least=5)
claim("one shift of the logit mends the mean (ratio)",
      times["thinned, shifted back"], at_least=0.94, at_most=1.08)
claim("thinning 200,000 rows loses (points of the gap)", lost, at_least=0.8, small=True)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Write the share on the board: every later lecture has to beat it.
# At *Predict first* expect 4 % ("the model adapts") and 40 % ("ten times"). Let the odds decide, on the board.

# %% [markdown]
# ## What goes wrong in practice
#
# - **A flat loss.** It returns in lecture 05 as the vanishing gradient.
# - **Unscaled inputs.** The bowl becomes a ravine, and descent crawls (lecture 02).
# - **Overflow.** `exp(1000)` is infinite, and so is `-log(0)`. Work with logits and the `…WithLogits` losses.
# - **The forgotten bias.** Without it the line must pass through zero.
#
# ## Summary
#
# 1. A loss says what a mistake costs; the gradient says which way is down.
# 2. Squared error aims at the mean, whatever the noise. Other prices need another loss.
# 3. Logistic regression is linear regression plus sigmoid; its loss is cross-entropy, and its gradient is inputs times error.
# 4. Softmax is the same ten times, side by side: *ten regressions in a row*, soon to be called a layer.
# 5. A probability that meets money has to be calibrated.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 01`, then open `exercises/work/01_exercises.ipynb`: seven tasks, about 105 minutes.
#
# - T. Hastie, R. Tibshirani, J. Friedman (2009), *The Elements of Statistical Learning*, chapters 3 and 4.
# - P. J. Huber (1964), *Robust Estimation of a Location Parameter*, Annals of Mathematical Statistics 35.
# - R. Koenker, G. Bassett (1978), *Regression Quantiles*, Econometrica 46.
# - W. K. Newey, J. L. Powell (1987), *Asymmetric Least Squares Estimation and Testing*, Econometrica 55.
# - H. B. McMahan and others (2013), *Ad Click Prediction: a View from the Trenches*, KDD.
# - X. He and others (2014), *Practical Lessons from Predicting Clicks on Ads at Facebook*, ADKDD.
