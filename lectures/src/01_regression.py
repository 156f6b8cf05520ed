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
#
# Below the loop are 442 diabetes patients, a dot each, with a stick for the error. How small can you turn the loss by hand?

# %%
sketch = schematics.Sketch("Learning is a loop of four stations", width=9.5, height=1.75)
stations = ["predict\nŷ = w x + b", "price\nloss of ŷ and y", "find the slope\ngradient",
            "step\nturn w and b"]
boxes = [sketch.box(words, at=(1.1 + 2.43 * i, 1.3)) for i, words in enumerate(stations)]
for i in range(3):
    sketch.arrow(boxes[i], boxes[i + 1])
sketch.arrow(boxes[3].bottom, boxes[0].bottom, "again", bend=0.12, color=plots.ORANGE)
sketch.show("Four boxes: predict, price, find the slope, step; and an arrow back.")

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
# The slopes of all knobs, in a list, are the **gradient** (기울기), written ∇ ("nabla"). It points uphill.
# To write both as one, give the bias an input of its own, always 1:
# $X$ has a row $(x_i, 1)$ for each patient, $\theta$ ("theta") is the list $(w, b)$, and
#
# $$\nabla \text{MSE} = \tfrac2n X^\top (\hat y - y)$$
#
# $X^\top$ is $X$ on its side. Each of its rows holds one input of all patients; it is multiplied by the errors and added up: the two sums from above.
# *Inputs times error*: remember these three words.
#
# **Gradient descent** (경사하강법) takes a small step against the gradient, again and again.
# The **learning rate** (학습률) $\eta$ ("eta"), in code `lr`, scales the step: $\theta \leftarrow \theta - \eta \nabla$.
# Below it starts at three lines; a ring joins knobs of equal loss.

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
w_grid, b_grid = np.meshgrid(np.linspace(-90, 180, 90), np.linspace(55, 250, 90))  # pairs
bowl = np.mean((w_grid[..., None] * x + b_grid[..., None] - y) ** 2, axis=-1)
fig, ax = plots.figure("The loss is a bowl: from three starts, small steps end at one line",
                       xlabel="weight w", ylabel="bias b", size=(7.5, 5.2))
ax.contour(w_grid, b_grid, bowl, levels=18, cmap="Greys_r", linewidths=0.8)
for path, color in zip(paths, [plots.BLUE, plots.ORANGE, plots.GREEN], strict=True):
    ax.plot(*path.T, "o-", color=color, markersize=3, linewidth=1.2)
plots.name(ax, *paths[0][-1], "least squares", plots.INK, dx=10, dy=12,
           bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
ax.set_aspect("equal")
plots.show("Contour lines of the loss over both knobs; three descents meet at the bottom.")

# %% [markdown]
# The bottom of this bowl can be computed: where the gradient is zero, $X^\top (X \theta - y) = 0$, so $X^\top X\, \theta = X^\top y$.
# That is the **closed form** (닫힌 형태), exact and without a learning rate.
# **The library's way** is scikit-learn's `LinearRegression`, or `np.linalg.lstsq`.
# But few models have a closed form. Descent needs only a gradient, so most of this course descends.
#
# **Why the square?** Which number $c$ is closest to 1, 2 and 9?
# Squared errors choose the mean, 4: there the slopes $2(c-1) + 2(c-2) + 2(c-9)$ add up to zero.
# Absolute errors choose the middle one, the **median** (중앙값), 2.
# So a line fitted by squares aims at the *mean* of $y$ at each $x$, whatever the noise.
# Try noise that is far from a bell curve: many small values, a few huge ones.
#
# <details><summary>And Gaussian noise? It makes the line the most likely one, too</summary>
#
# Let the patients scatter around the line with Gaussian noise of width $s$.
# The likelihood of a line is the density $\mathcal N$ of what was seen, multiplied ($\prod$) over the patients. Its negative logarithm is
#
# $$-\log \prod_i \mathcal N(y_i \mid \hat y_i, s^2) = \frac{1}{2 s^2} \sum_i (\hat y_i - y_i)^2 + n \log s + \text{const}$$
#
# Only the first term knows the line: the squared error. So under Gaussian noise, least squares is **maximum likelihood** (최대가능도).
# Under other noise it still aims at the mean, but another line is more likely, and a loss made for that noise wastes less data.
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
# Run the sliders live, let somebody in the room call the numbers, and keep the best loss on the board until the descent beats it.
# Do the nudge on the board with one patient, before the formula. The wrong answer to expect: "the slope is the error". It is the error times the input: who has a large $x$ pulls harder.
# Ask before the bowl: can it get stuck? Not here, a bowl has one bottom. It can in lecture 02, section 2.
# If the sliders do not appear, the kernel runs in batch mode: restart it without `DLMAP_BATCH`.

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
# A line that moves up saves 0.9 for each patient above it and pays 0.1 for each below: they balance at the 0.9-quantile, with nine in ten below.
#
# Or write a **custom loss** (맞춤 손실함수). A bid too low loses the auction, one too high overpays a little:
# here too low costs nine times as much, squared.

# %%
losses = {  # prices are scaled: an error of 30 points costs about 1
    "squared": lambda error: error**2 / 900,
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
claim("one typo in 442 moves the squared loss's prediction (points)", squared, at_least=35)
claim("Huber's moves by a small part of that (ratio)", huber / squared, at_most=0.09)

# %% [markdown]
# Squared, an error ten times as large costs a hundred times as much, so the line bends to please one clerk.
#
# Now the quantile loss, for a promise that should hold nine times in ten ("you will pay at most …").
# And the custom loss, whose name among statisticians is the **expectile** (익스펙타일) loss: is it worth the trouble to train on the price that you will be charged?
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
# So on these patients the custom price bought a shift. Where the noise grows with $x$, it changes the slope as well.
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
# 569 breast tumours: does the radius of the cell nuclei tell malignant, 1, from benign, 0?
# A line through zeros and ones is no answer: it falls below 0 and rises above 1.
#
# A **step** (계단 함수) says yes where the **score** (점수) $z = wx + b$ is above 0.
# Its natural loss is the share of errors. Nudge a knob: nearly always no tumour changes sides, so the loss stays as it is.
# A staircase, with slope zero on every stair.
#
# The **sigmoid** (시그모이드) is a step with a slope, $\sigma(z) = \dfrac{1}{1 + e^{-z}}$ ("sigma of z").
# It is 0.12 at $z = -2$, exactly ½ at 0 and 0.88 at 2, so it reads as a probability $p$ of a yes.
# Its loss in the picture, the mean distance $|p - y|$, has a slope everywhere; section 4 has a better one.

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
claim("a nudge of w leaves the step's loss as it was, at nearly every setting (share)",
      np.mean(same), at_least=0.98)

# %%
def sigmoid(z):
    """1 / (1 + exp(-z)); the exponent is never positive, so nothing overflows."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


cuts = np.linspace(0, 0.6, 3000)  # the radius above which the machine says "malignant"
stairs = [share_of_errors(1, -cut) for cut in cuts]
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
# Charge a forecaster −log (natural logarithm) of the probability that was given to what then happened:
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
# To make it small is to make what happened as likely as possible: the logarithm turns a product of probabilities into a sum.

# %% [markdown]
# **The slope, in three lines.** One case, with $z = wx + b$ and $p = \sigma(z)$.
# When $z$ is nudged, the sigmoid moves with slope $p' = p(1-p)$, and $\log p$ with slope $p'/p$:
#
# - $y = 1$: the price is $-\log p$, its slope $-p'/p = -(1-p) = p - 1$
# - $y = 0$: the price is $-\log(1-p)$, its slope $p'/(1-p) = p$
# - both are $p - y$.
#
# And $z$ moves by $x$ for each unit of $w$, so the slope by $w$ is $(p - y)\,x$. Averaged over all cases:
#
# $$\nabla = \tfrac1n X^\top (p - y)$$
#
# Inputs times error, *as for the line*, but for a factor of 2.
# A yes with $x = 2$ that was given $p = 0.9$ has slope $(0.9 - 1) \cdot 2 = -0.2$: turn $w$ up a little.
#
# <details><summary>Why p′ = p(1 − p)</summary>
#
# $p = (1 + e^{-z})^{-1}$, so $p' = e^{-z} (1 + e^{-z})^{-2} = p \cdot \dfrac{e^{-z}}{1 + e^{-z}} = p\,(1 - p)$.
#
# That the same three words come back is no accident: it happens for every generalized linear model whose loss is the log-likelihood of its natural link (McCullagh & Nelder 1989).
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
# In the cross-entropy the same factor meets a $1/p$, which cancels it.
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
print("rates        ", rates, "\ncross-entropy", crossed, "\nsquared error", squared)
claim("from a wrong start, squared error needs many times the steps up to rate 10 (ratio)",
      np.min(np.divide(squared, crossed)[:4]), at_least=20)
claim("and several times the steps with each loss at its best rate (ratio)",
      min(squared) / min(crossed), at_least=4)
claim("from a start of zeros they are level (difference in steps)",
      abs(np.subtract(*(steps_to(slope, 1, start=0) for slope in SLOPES))), at_most=0)

# %% [markdown]
# A huge rate wakes the square up, and from a harmless start it never fell asleep. Cross-entropy needs neither.
#
# **A bowl without a bottom.** With $p = \sigma(z)$ the price is $\log(1 + e^z)$ for a no, and $\log(1 + e^{-z}) = \log(1 + e^z) - z$ for a yes.
# In one line: $\log(1 + e^z) - yz$. Its slope $p - y$ only grows with $z$, so it is bent upward everywhere, **convex** (볼록), in $z$ and so in the knobs: there is no second valley. (The square is not: its slope rises and falls again, the hump above.)
#
# But it may have no bottom at all. Four cases, $x$ = −2, −1, 1, 2, with answers 0, 0, 1, 1, are **separable** (분리 가능): a cut at 0 makes no error.
# A larger $w$ makes every probability better, so $w$ never stops.
# The cure is a price on large weights: section 7 uses one, lecture 06 explains it.

# %%
four, answers = np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1])
counts = (100, 1000, 10_000)
w_after = [fit_logistic(four, answers, [0], steps=count)[0] for count in counts]
print("w after", [run.steps(count) for count in counts], "steps:", np.round(w_after, 2))
claim("on separable cases a tenfold of steps adds about log 10 = 2.3 to the weight",
      np.mean(np.diff(w_after)), at_least=2.1, at_most=2.4)

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
#
# Do the three lines on the board. Everything later in the course (softmax, back-propagation, policy gradients) ends in "probability minus answer".
# At *Predict first* the common guess is "squared, because the error is large". The error is large, but the sigmoid is flat there, and slopes multiply.
# Squared error on probabilities (the Brier score) is a fine way to *judge*; it is a poor way to *learn* through a sigmoid.

# %% [markdown]
# ## 5 · The same in PyTorch: one neuron
#
# On the map: `logistic-regression`
#
# A logistic regression is a **neuron** (뉴런): inputs, each times its weight, a sum, a bend.
# So far we wrote each gradient by hand. PyTorch finds it, so that you may change the model and not the mathematics.
#
# A **tensor** (텐서) is PyTorch's array: it may live on a graphics card, and it can remember how it was computed.
# With that memory, `backward()` walks from the loss back to each knob and leaves the slope in its `.grad`.
# This is **autograd** (자동 미분); lecture 05 builds one.
#
# Below the picture it is tried on one number, the logit −6 of a yes, whose slope we know: $p - 1$.

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
# Look for the four stations of the first picture: you will meet these lines in every lecture from 04 on.

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
# The gradient is, once more, inputs times error. For class $k$ and one digit the error is $p_k - y_k$.
# $y_k$ is 1 for the true class, else 0: the answer is **one-hot** (원-핫).
# Shares 0.67, 0.24, 0.09 with the first class true: errors −0.33, 0.24, 0.09. The truth is pulled up, the others down.
# With all shares in a table $P$, a row for each digit, and all answers in $Y$: $\nabla = \frac1n X^\top (P - Y)$.
#
# The 1,797 digits lie in the order of their writers. Learn from two thirds of the rows and judge on the other third, mostly by other hands, three times in turn.
# Shuffled rows would put each hand on both sides: lecture 00's leak.
# The 64 weights of a class make a picture: what that regression looks for.

# %%
pixels = np.column_stack([digits.x / 16, np.ones(1797)])  # (1797, 65): pixels and a one
Y = np.eye(10)[digits.y]  # (1797, 10): row k of np.eye is the one-hot of class k


def softmax(z):
    """(n, k) scores -> (n, k) shares. Taking the largest off changes none: no overflow."""
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
             title="Ten templates: blue ink speaks for the digit, red ink against it")
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
# A row of lecture 00's ad log is an impression: who saw which ad, where and when, clicked (1) or not (0). One is printed below.
# A name is no number, so each user, ad, hour … gets a column of its own: one-hot again.
# Train on the first ten days, test on the last four.
#
# The score is the **share of the gap** (격차 해소율), from three log-losses on the test rows:
#
# $$\text{share} = \frac{\text{base rate} - \text{model}}{\text{base rate} - \text{truth}}$$
#
# A user who never clicked is a separable case, so the weights pay a small price: half the sum of their squares, as in scikit-learn's `LogisticRegression`.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
attributes = ["age", "gender", "category", "site", "position", "hour", "device"]
ids = ["user", "ad", "advertiser", "context"]  # a context is one place on a site


def loss_and_gradient(theta, X, y):
    """Section 4's log(1 + e^z) - yz and its gradient, both with the price on weights."""
    z, n = X @ theta, len(y)
    loss = np.mean(np.logaddexp(0, z) - y * z) + theta @ theta / 2 / n  # no overflow
    return loss, X.T @ (sigmoid(z) - y) / n + theta / n


def fit_clicks(log, columns):
    X = log.one_hot(columns)
    start = np.zeros(X.shape[1])  # L-BFGS: a descent that learns how the slope changes
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
# (40 of 136 is 29 %. The mean on new traffic is lower: ten times the odds lift a large probability by less.)
# So one constant on the logit, log 0.1, undoes it. Forget it, and nearly every bid is several times too high.
# What the constant cannot bring back is what the dropped rows knew.
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
claim("what was thinned away is gone (percentage points of the gap)", lost, at_least=0.8)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Write the share on the board: every later lecture has to beat it. If somebody asks for accuracy, lecture 00 showed why it is useless at 4 % clicks.
# At *Predict first* expect 4 % ("the model adapts") and 40 % ("ten times"). Let the odds decide, on the board.

# %% [markdown]
# ## What goes wrong in practice
#
# - **A loss that has gone flat.** Section 4's dying pull returns in lecture 05 as the vanishing gradient.
# - **Unscaled inputs.** One column in cents, one in millions: the bowl becomes a ravine and descent crawls (lecture 02).
# - **Overflow.** `exp(1000)` is infinite and `log(0)` is too. Work with logits, and let `logaddexp` or the `…WithLogits` losses do it.
# - **The forgotten bias.** Without it the line must pass through zero.

# %% [markdown]
# ## Summary
#
# 1. A model is knobs; a loss says what a mistake costs; the gradient says which way is down.
# 2. Squared error aims at the mean, whatever the noise. Other prices need another loss.
# 3. Logistic regression is linear regression plus sigmoid; its loss is cross-entropy, and its gradient is inputs times error.
# 4. Softmax is the same with ten templates side by side: *ten regressions in a row*, soon to be called a layer.
# 5. A probability that is multiplied by money has to be calibrated.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 01`, then open `exercises/work/01_exercises.ipynb`: seven tasks, about 105 minutes.
#
# - T. Hastie, R. Tibshirani, J. Friedman (2009), *The Elements of Statistical Learning*, chapters 3 and 4.
# - P. J. Huber (1964), *Robust Estimation of a Location Parameter*, Annals of Mathematical Statistics 35.
# - R. Koenker, G. Bassett (1978), *Regression Quantiles*, Econometrica 46.
# - W. K. Newey, J. L. Powell (1987), *Asymmetric Least Squares Estimation and Testing*, Econometrica 55.
# - P. McCullagh, J. A. Nelder (1989), *Generalized Linear Models*.
# - T. Gneiting, A. E. Raftery (2007), *Strictly Proper Scoring Rules, Prediction, and Estimation*, JASA 102.
# - H. B. McMahan and others (2013), *Ad Click Prediction: a View from the Trenches*, KDD.
# - X. He and others (2014), *Practical Lessons from Predicting Clicks on Ads at Facebook*, ADKDD.
