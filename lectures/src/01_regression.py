# %% [markdown]
# # 01 · Regression
#
# **Question.** How does a machine learn a number, a yes or no, a class, and who decides what a mistake costs?
#
# **You will be able to** fit a line, a probability and ten classes with nothing but NumPy; choose a loss, or write your own; read a reliability diagram; predict clicks on the ad log.
#
# **Needs** 00 · **Minutes** 90 to teach, 120 to study · **CPU** 10 s
#
# On the map: `regression` · `linear-regression` · `logistic-regression` · `softmax-regression` · `objective` · `mse` · `cross-entropy` · `custom-loss`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LinearRegression, LogisticRegression

from utils import concept_map, data, plots, runtime
from utils.claims import claim

run = runtime.setup(PROFILE, SEED, DEVICE)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("01")

# %% [markdown]
# ## 1 · A line is two knobs and a number to make small
#
# On the map: `regression` · `linear-regression` · `objective` · `mse`
#
# A model is a few knobs, and a number that says how badly they are set. Fitting is making that number small.
#
# **Regression** (회귀) predicts a number $\hat y$ from an input $x$.
# **Linear regression** (선형회귀) has one knob per input, the **weight** $w$, and one more, the **bias** $b$:
#
# $$\hat y = w x + b$$
#
# The **objective** (목적함수), also called cost or **loss**, says how bad a setting of the knobs is.
# **Mean squared error** (평균제곱오차) is the usual one for numbers: $\text{MSE} = \frac1n \sum_i (\hat y_i - y_i)^2$.
#
# 442 diabetes patients: does body mass index tell how the disease progresses within a year?
# Turn the knobs before any algorithm does.
#
# <details><summary>For the presenter (20 minutes)</summary>
#
# Run the sliders live, let somebody in the room call the numbers, and keep the best loss on the board until the descent beats it.
# The wrong answer to expect at *predict first*: "it can get stuck". It cannot here, because a quadratic bowl has one bottom. It can in lecture 02, section 2.
# If the sliders do not appear, the kernel runs in batch mode: restart it without `DLMAP_BATCH`.
# </details>

# %%
diabetes = data.load("diabetes")
bmi = diabetes.x[:, diabetes.feature_names.index("bmi")]
x = (bmi - bmi.mean()) / bmi.std()  # (442,) in standard deviations from the mean
y = diabetes.y  # (442,) a score of disease progression after one year


def line(x, w, b):
    return w * x + b


def mse(prediction, y):
    return np.mean((prediction - y) ** 2)


# %%
def draw(w=20.0, b=130.0):
    fig, ax = plots.figure(f"w = {w:g}, b = {b:g}: the loss is {mse(line(x, w, b), y):,.0f}",
                           xlabel="body mass index (standard deviations)", ylabel="progression")
    ax.vlines(x, y, line(x, w, b), color=plots.GREY, linewidth=0.6, alpha=0.5)
    ax.plot(x, y, ".", color=plots.BLUE, alpha=0.7)
    ax.plot(x, line(x, w, b), color=plots.ORANGE)
    ax.set_ylim(0, 360)
    plots.show("A cloud of patients, a line through it, and a grey stick from each patient to the line.")


plots.knobs(draw, w=(-50, 100), b=(50, 250))

# %% [markdown]
# Which way is downhill? The **gradient** points uphill, in all knobs at once, so step against it.
# From here $w$ holds both knobs, weight and bias, and $X$ the inputs with a column of ones for the bias:
#
# $$\nabla \text{MSE} = \tfrac2n X^\top (\hat y - y)$$
#
# In words: each knob is pulled by its input times the error, averaged over the $n$ patients.
# ($X^\top$ is $X$ on its side, a row for each knob.)
# **Gradient descent** (경사하강법) takes a small step downhill, again and again.
# The **learning rate** (학습률) $\eta$, in code `lr`, scales the step: $w \leftarrow w - \eta \nabla$.
#
# **Predict first.** Will you end at the best line, whatever line you start from?

# %%
X = np.column_stack([x, np.ones_like(x)])  # (442, 2): the input, and a one for the bias


def descend(start, lr=0.1, steps=200):
    """Gradient descent on the MSE: returns every setting of (w, b) on the way, (steps + 1, 2)."""
    path = [np.array(start)]
    for _ in range(steps):
        error = X @ path[-1] - y                             # (442,)
        path.append(path[-1] - lr * 2 / len(y) * X.T @ error)
    return np.array(path)


paths = [descend(start) for start in [(-40.0, 60.0), (100.0, 80.0), (-20.0, 240.0)]]

# %%
w_grid, b_grid = np.meshgrid(np.linspace(-60, 120, 90), np.linspace(40, 260, 90))
bowl = np.mean((w_grid[..., None] * x + b_grid[..., None] - y) ** 2, axis=-1)
fig, ax = plots.figure("The loss is a bowl: small steps end at the same line from anywhere",
                       xlabel="weight w", ylabel="bias b")
ax.contour(w_grid, b_grid, bowl, levels=18, cmap="Greys_r", linewidths=0.8)
for path, color in zip(paths, [plots.BLUE, plots.ORANGE, plots.GREEN], strict=True):
    ax.plot(*path.T, "o-", color=color, markersize=3, linewidth=1.2)
plots.name(ax, *paths[0][-1], "least squares", plots.INK, dx=10)
plots.show("Contour lines of the loss over both knobs, and three descents that meet at the bottom.")

# %% [markdown]
# A bowl has a bottom that can be computed: where the gradient is zero, $X^\top X w = X^\top y$.
# That is the **closed form**: exact, and without a step size to choose.
# In practice call `np.linalg.lstsq`, which solves the same problem with less rounding.
# But few models have a closed form. Descent needs only a gradient, so most of this course descends.

# %%
closed = np.linalg.solve(X.T @ X, X.T @ y)
claim("gradient descent ends at the closed form, from three starts",
      max(np.abs(path[-1] - closed).max() for path in paths), at_most=1e-6)

library = LinearRegression().fit(x[:, None], y)
claim("scikit-learn's LinearRegression is the same line",
      np.abs(closed - [library.coef_[0], library.intercept_]).max(), at_most=1e-8)

# %% [markdown]
# Why the *square* of the error?
# Suppose that patients scatter around the line with Gaussian noise of width $s$.
# The likelihood of a line is the probability density $\mathcal N$ of what was seen, multiplied ($\prod$) over the patients.
# Its negative logarithm is
#
# $$-\log \prod_i \mathcal N(y_i \mid \hat y_i, s^2) = \frac{1}{2 s^2} \sum_i (\hat y_i - y_i)^2 + n \log s + \text{const}$$
#
# and only the first term knows the line: the squared error.
# So the most likely line is the line of least squares, and a squared loss *is* an opinion about the noise.
# If the noise is not Gaussian, another loss may fit it better.

# %%
def surprise(knobs):
    """Mean negative log-likelihood, for Gaussian noise around the line; knobs = (w, b, log s)."""
    w, b, log_s = knobs
    return np.mean(((line(x, w, b) - y) / np.exp(log_s)) ** 2) / 2 + log_s + np.log(2 * np.pi) / 2


likely = minimize(surprise, x0=[0.0, 150.0, 4.0], options={"gtol": 1e-9}).x
claim("the most likely line under Gaussian noise is the line of least squares",
      np.abs(likely[:2] - closed).max(), at_most=1e-2)

# %% [markdown]
# ## 2 · The loss is your decision
#
# On the map: `objective` · `custom-loss`
#
# A loss turns each error into a price, and the price decides which model is best.
# Squared, one error of 10 costs as much as a hundred errors of 1. **Huber** is square near zero and straight far out.
# The **quantile loss** tilts: each unit too low costs $\tau$, each unit too high $1 - \tau$.
# At $\tau = 0.9$ a line that moves up saves 0.9 for each patient above it and pays 0.1 for each below.
# The two balance when nine in ten are below.
#
# And you can write your own. A bid that is too low loses the auction, one that is too high overpays a little:
# here too low costs nine times as much as too high, squared.
#
# <details><summary>For the presenter (15 minutes)</summary>
#
# Let three people guess the effect of the typo before the cell runs; most guesses are too small.
# The link to remember: the mean minimizes squared error, the median absolute error, a quantile the tilted error.
# </details>

# %%
losses = {
    "squared": lambda e: (e / 30) ** 2,
    "Huber": lambda e: np.where(abs(e) < 30, (e / 30) ** 2, abs(e) / 15 - 1),
    "quantile 0.9": lambda e: np.maximum(-0.9 * e, 0.1 * e) / 30,
    "custom": lambda e: np.where(e < 0, 9, 1) * (e / 30) ** 2,
}
LOSS_COLORS = [plots.BLUE, plots.GREEN, plots.ORANGE, plots.RED]
fig, axes = plots.panels("A loss sets the price of an error", losses,
                         xlabel="prediction − truth", ylabel="price", size=(10, 3), sharey=True)
error = np.linspace(-150, 150, 301)
for ax, loss, color in zip(axes, losses.values(), LOSS_COLORS, strict=True):
    ax.plot(error, loss(error), color=color)
axes[0].set_ylim(0, 30)
plots.show("Four price curves: a parabola, a V with a round tip, a tilted V, and a lopsided parabola.")

# %% [markdown]
# **Predict first.** A clerk mistypes one value: the heaviest patient's progression gets an extra zero.
# One patient of 442. By how much does the prediction for a heavy patient move, with the squared loss and with Huber?

# %%
def fit_line(loss, x, y):
    """The line with the smallest mean price. Two knobs: even a search that knows no gradient finds it."""
    return minimize(lambda wb: loss(line(x, *wb) - y).mean(), x0=[40.0, 150.0], method="Nelder-Mead").x


typo = np.where(x == x.max(), 10 * y, y)
moved = {name: line(2, *fit_line(losses[name], x, typo)) - line(2, *fit_line(losses[name], x, y))
         for name in ("squared", "Huber")}
claim("one typo in 442 moves the squared-loss prediction for a heavy patient", moved["squared"], at_least=30)
claim("Huber's moves less than a tenth as far", moved["Huber"] / moved["squared"], at_most=0.1)

# %% [markdown]
# Squared, an error ten times as large costs a hundred times as much, so the line bends to please one clerk.
#
# Now the quantile loss, for a promise that should hold nine times in ten ("you will pay at most …").
# And the custom loss: is it worth the trouble to train on the price that you will be charged?
# Fit on one half of the patients, judge on the other.

# %%
order = rng.permutation(len(y))
fit_half, judge_half = order[:221], order[221:]
fitted = {name: fit_line(loss, x[fit_half], y[fit_half]) for name, loss in losses.items()}

fig, ax = plots.figure("Four losses, four lines: fitted on one half, drawn over the other",
                       xlabel="body mass index (standard deviations)", ylabel="progression")
ax.plot(x[judge_half], y[judge_half], ".", color=plots.GREY, alpha=0.5)
ends = np.array([-2.0, 3.3])
for (label, setting), color in zip(fitted.items(), LOSS_COLORS, strict=True):
    ax.plot(ends, line(ends, *setting), color=color)
    apart = {"squared": -7, "Huber": 7}.get(label, 0)
    plots.name(ax, ends[1], line(ends[1], *setting), label, color, dy=apart)
plots.show("The quantile and the custom line run above most patients; squared and Huber lie close together.")

# %%
unseen_x, unseen_y = x[judge_half], y[judge_half]
claim("the 0.9-quantile line lies above nine in ten unseen patients, give or take",
      np.mean(unseen_y < line(unseen_x, *fitted["quantile 0.9"])), at_least=0.82, at_most=0.97)


def price(name):
    """What the line fitted with that loss is charged, at the custom price, on patients it has not seen."""
    return losses["custom"](line(unseen_x, *fitted[name]) - unseen_y).mean()


claim("trained on its own price, a line costs less than the squared-loss line",
      price("custom") / price("squared"), at_most=0.8)

# %% [markdown]
# **Ask the room.** Which of the four curves prices your bids, and who in your company knows the two prices?
#
# **The library's way.** `torch.nn` has `MSELoss`, `HuberLoss` and `L1Loss`; scikit-learn has `HuberRegressor` and `QuantileRegressor`.
# A custom loss needs no library: it is a function that returns a number.

# %% [markdown]
# ## 3 · From a number to a yes: step, then sigmoid
#
# On the map: `logistic-regression`
#
# A neuron passes a signal on or does not: a **step** (계단 함수) of a linear score $z = wx + b$.
# The natural loss is the share of errors. But that loss is a staircase, and on every stair the slope is zero.
#
# 569 breast tumours: does the radius of the cell nuclei tell malignant from benign?
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# exp(0.7) is 2: the odds double. 1 % becomes 2 %, but 50 % becomes 67 %, not 100 %.
# The usual slip is to add 0.7 to the probability.
# </details>

# %%
cancer = data.load("breast_cancer")
tumours = (cancer.x - cancer.x.mean(axis=0)) / cancer.x.std(axis=0)  # (569, 30)
malignant = (cancer.y == 0).astype(float)  # (569,): 1 is malignant, 212 of 569
radius = tumours[:, 0]


def step(z):
    return (z > 0).astype(float)


def sigmoid(z):
    """1 / (1 + exp(-z)); the exponent is never positive, so nothing overflows."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def cross_entropy(p, y):  # section 4 says where it comes from
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


# %%
cut = np.linspace(-0.5, 1, 3000)  # radius above which the machine says "malignant"
errors = [np.mean(step(radius - c) != malignant) for c in cut]
smooth = [cross_entropy(sigmoid(4 * (radius - c)), malignant) for c in cut]  # 4: about as steep as the data
fig, axes = plots.panels("On every stair the slope is zero; a smooth loss says which way",
                         ["step: share of errors", "sigmoid: cross-entropy (section 4)"],
                         xlabel="cut (standard deviations of radius)", ylabel="loss")
axes[0].plot(cut, errors, color=plots.BLUE, linewidth=1)
zoom = axes[0].inset_axes([0.3, 0.5, 0.45, 0.42], xlim=(0.1, 0.2), ylim=(0.115, 0.133), xticks=[], yticks=[])
zoom.plot(cut, errors, color=plots.BLUE)
axes[0].indicate_inset_zoom(zoom, edgecolor=plots.GREY)
axes[1].plot(cut, smooth, color=plots.ORANGE)
plots.show("Left, a loss that is made of flat stairs, seen closely. Right, a smooth loss over the same cuts.")

# %%
def share_of_errors(w, b):
    return np.mean(step(w * radius + b) != malignant)


settings, h = rng.normal(0, 2, (1000, 2)), 1e-6
slopes = [(share_of_errors(w + h, b) - share_of_errors(w - h, b)) / (2 * h) for w, b in settings]
claim("the step's loss has gradient zero at nearly every setting of the knobs",
      np.mean(np.array(slopes) == 0), at_least=0.98)

# %% [markdown]
# The two losses prefer different cuts: the first counts who is on the wrong side, the second also asks how far.
#
# The **sigmoid** (시그모이드) $\sigma(z) = \dfrac{1}{1 + e^{-z}}$ is a step with a slope, and it reads as a probability.
# **Logistic regression** (로지스틱 회귀) is linear regression plus sigmoid: $p = \sigma(wx + b)$.
#
# The **odds** of an event are $p / (1 - p)$: 4 to 1 for $p$ = 0.8. The score $z$ is their logarithm, called the **logit**.
# So one more unit of $x$ adds $w$ to the logit, and multiplies the odds by $e^w$.
#
# **Ask the room.** The weight of "evening" in a click model is 0.7.
# What does it do to a click rate of 1 %? And of 50 %?

# %% [markdown]
# ## 4 · Cross-entropy, because a machine should pay for being sure and wrong
#
# On the map: `cross-entropy` · `logistic-regression`
#
# A coin that says yes with probability $p$ gives the answer $y$ a likelihood of $p^y (1-p)^{1-y}$.
# Its negative logarithm, averaged, is the **cross-entropy** (교차 엔트로피), lecture 00's log-loss.
# It is measured in nats, the unit of the natural logarithm:
#
# $$-\tfrac1n \sum_i \big[\, y_i \log p_i + (1 - y_i) \log(1 - p_i) \,\big]$$
#
# Take the gradient with respect to the weights and nearly everything cancels:
#
# $$\nabla = \tfrac1n X^\top (p - y)$$
#
# Inputs times error, on average: *the same formula as for linear regression*, but for a factor of 2, which the learning rate absorbs.
#
# <details><summary>For the presenter (15 minutes)</summary>
#
# Common guess: "squared, because the error is large". The error is large, but the sigmoid is flat there, and the chain rule multiplies.
# Squared error on probabilities (the Brier score) is a fine way to *judge*; it is a poor way to *learn* through a sigmoid.
# </details>

# %%
def fit_logistic(X, y, start, lr=1.0, steps=3000):
    """Logistic regression by gradient descent: every weight goes against inputs times error."""
    w = np.array(start, dtype=float)
    for _ in range(steps):
        w -= lr / len(y) * X.T @ (sigmoid(X @ w) - y)
    return w


F = np.column_stack([tumours[:, :2], np.ones(len(tumours))])  # (569, 3): radius, texture, one
scratch = sigmoid(F @ fit_logistic(F, malignant, start=[0, 0, 0]))

# %% [markdown]
# **The library's way**, twice: scikit-learn's estimator, and one neuron in PyTorch.
# A neuron with a sigmoid *is* a logistic regression; all that differs is who searches for the weights.

# %%
estimator = LogisticRegression(C=np.inf, tol=1e-8).fit(F[:, :2], malignant)

neuron = torch.nn.Linear(2, 1).to(run.device)
inputs = torch.tensor(F[:, :2], dtype=torch.float32, device=run.device)
target = torch.tensor(malignant, dtype=torch.float32, device=run.device)
descent = torch.optim.SGD(neuron.parameters(), lr=5.0)
for _ in range(500):
    descent.zero_grad()
    torch.nn.functional.binary_cross_entropy_with_logits(neuron(inputs)[:, 0], target).backward()
    descent.step()

by_sklearn = estimator.predict_proba(F[:, :2])[:, 1]
by_neuron = torch.sigmoid(neuron(inputs)[:, 0]).detach().cpu().numpy()
claim("ours gives scikit-learn's probabilities", np.abs(scratch - by_sklearn).max(), at_most=1e-4)
claim("ours gives the probabilities of one PyTorch neuron", np.abs(scratch - by_neuron).max(), at_most=1e-4)

# %% [markdown]
# **Predict first.** Why not the squared error, here too?
# A tumour is malignant, $y = 1$, and the machine is sure that it is not: its logit is −6, so $p$ = 0.25 %.
# Which loss pulls harder on that logit, and by what factor?

# %%
z = np.linspace(-10, 10, 401)
p = sigmoid(z)
fig, ax = plots.figure("Sure and wrong: cross-entropy pulls, squared error has let go",
                       xlabel="logit of a case that is a yes", ylabel="pull on the logit (−gradient)")
ax.plot(z, 1 - p, color=plots.ORANGE)
ax.plot(z, 2 * (1 - p) * p * (1 - p), color=plots.BLUE)
plots.name(ax, -2, 0.9, "cross-entropy: 1 − p", plots.ORANGE, dx=8)
plots.name(ax, -8.6, 0.36, "squared error: 2 (1 − p)² p", plots.BLUE)
plots.show("Cross-entropy pulls hard on the far left and fades to the right; squared error is a hump.")

# %%
def pull(loss, logit):
    """How hard a loss pulls on the logit of a yes: minus its derivative, from PyTorch."""
    z = torch.tensor(logit, requires_grad=True)
    loss(torch.sigmoid(z)).backward()
    return -z.grad.item()


claim("at logit −6 cross-entropy pulls at least a hundred times as hard as squared error",
      pull(lambda p: -torch.log(p), -6.0) / pull(lambda p: (1 - p) ** 2, -6.0), at_least=100)


def steps_to(slope, lr, accuracy=0.85, most=5000):
    """Steps of descent from a wrong start; `slope` is the derivative of the loss by the logit."""
    w = np.array([-3.0, -3.0, -3.0])
    for count in range(most):
        if np.mean((F @ w > 0) == malignant) >= accuracy:
            return count
        w -= lr / len(F) * F.T @ slope(sigmoid(F @ w), malignant)
    return most


longer = [steps_to(lambda p, y: 2 * (p - y) * p * (1 - p), lr) / steps_to(lambda p, y: p - y, lr)
          for lr in (0.3, 1.0, 3.0, 10.0)]
claim("from a wrong start squared error needs ten times as many steps, at every learning rate tried",
      min(longer), at_least=10)

# %% [markdown]
# ## 5 · Softmax: one score per class
#
# On the map: `softmax-regression` · `cross-entropy`
#
# With ten digits there are ten scores. **Softmax** (소프트맥스) turns them into shares: $p_k = e^{z_k} / \sum_j e^{z_j}$.
# The loss is the negative logarithm of the true class's share.
# The gradient is, once more, inputs times error: $\frac1n X^\top (P - Y)$.
# $P$ holds the shares, $Y$ the answers, a one in the column of the true class: **one-hot**.
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# Ask what the red hole in the template of 0 means. Somebody will ask why the borders are white: no digit has ink there, so nothing pulls those weights.
# </details>

# %%
digits = data.load("digits")
pixels = np.column_stack([digits.x / 16, np.ones(len(digits.x))])  # (1797, 65): 8×8 pixels and a one
order = rng.permutation(len(pixels))
train, test = order[:1200], order[1200:]
Y = np.eye(10)[digits.y]  # (1797, 10) one-hot


def softmax(z):
    """(n, k) scores -> (n, k) shares. Subtracting the largest score changes nothing and prevents overflow."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


W = np.zeros((65, 10))
for _ in range(300):
    W -= 1.0 / len(train) * pixels[train].T @ (softmax(pixels[train] @ W) - Y[train])

# %%
plots.images(W[:64].T.reshape(10, 8, 8), names=range(10), diverging=True,
             title="Ten regressions, ten templates: blue ink speaks for the digit, red against")
plots.show("The weights of each class as an 8 by 8 picture: the zero has a red hole in the middle.")

# %%
claim("softmax regression reads unseen digits",
      np.mean((pixels[test] @ W).argmax(axis=1) == digits.y[test]), at_least=0.93)

weights = torch.tensor(W, dtype=torch.float32, device=run.device, requires_grad=True)
scores = torch.tensor(pixels, dtype=torch.float32, device=run.device) @ weights
torch.nn.functional.cross_entropy(scores, torch.tensor(digits.y, device=run.device)).backward()
by_hand = pixels.T @ (softmax(pixels @ W) - Y) / len(Y)
claim("the gradient by hand is PyTorch's", np.abs(by_hand - weights.grad.cpu().numpy()).max(), at_most=1e-5)

pair = rng.normal(0, 5, (1000, 2))
claim("softmax of two scores is the sigmoid of their difference",
      np.abs(softmax(pair)[:, 1] - sigmoid(pair[:, 1] - pair[:, 0])).max(), at_most=1e-12)

# %% [markdown]
# ## 6 · The ad log: will this user click?
#
# On the map: `logistic-regression` · `cross-entropy`
#
# An impression is a row of names: user 17, ad 3, evening, phone.
# A name is no number, so each value gets a column of its own, one or zero: one-hot again.
# (No column of ones is needed: the columns of each feature add up to one.)
# Two weeks, 4 % clicks. Train on the first ten days, test on the last four.
# The descent is SciPy's L-BFGS, taken as it is: it learns from its last steps how the slope changes.
# This log comes from a known process, so a model can be scored on a scale with both ends fixed:
# the **share of the gap** is 0 % for the base rate's log-loss and 100 % for the truth's.
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# Write the share on the board: every later lecture has to beat it.
# If somebody asks for accuracy, lecture 00 showed why it is useless at 4 % clicks.
# </details>

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
attributes = ["age", "gender", "category", "site", "position", "hour", "device"]
ids = ["user", "ad", "advertiser", "context"]  # a context is one place on a site


def loss_and_gradient(w, X, y, penalty=1e-5):
    """Section 4's loss from logits, and its gradient; plus a small price on large weights (lecture 06)."""
    z = X @ w
    loss = np.mean(np.logaddexp(0, z) - y * z) + penalty / 2 * w @ w  # logaddexp: log(1 + e^z), no overflow
    return loss, X.T @ (sigmoid(z) - y) / len(y) + penalty * w


def fit_clicks(log, columns):
    X = log.one_hot(columns)
    return minimize(loss_and_gradient, np.zeros(X.shape[1]), (X, log.click), jac=True, method="L-BFGS-B").x


# %%
predicted = {}
for label, columns in {"attributes": attributes, "attributes and ids": attributes + ids}.items():
    predicted[label] = sigmoid(future.one_hot(columns) @ fit_clicks(past, columns))
share = {label: 100 * future.share_of_gap(p) for label, p in predicted.items()}

plots.bars("Knowing who and what matters more than age and hour", {"base rate": 0, **share, "truth": 100},
           xlabel="share of the gap (%)", unit=" %", colors={"truth": plots.COLOR["truth"]})
plots.show("Bars: base rate zero; attributes a first part of the gap; with ids much more; truth one hundred.")

# %%
claim("attributes alone reach a part of the gap", share["attributes"], at_least=10)
claim("ids add to it", share["attributes and ids"] - share["attributes"], at_least=8)

X, wide = past.one_hot(attributes + ids), future.one_hot(attributes + ids)
library = LogisticRegression(C=1 / (1e-5 * len(past)), fit_intercept=False, max_iter=1000, tol=1e-6)
library.fit(X, past.click)
claim("scikit-learn's LogisticRegression predicts the same click rates",
      np.abs(library.predict_proba(wide)[:, 1] - predicted["attributes and ids"]).mean(), at_most=0.001)

# %% [markdown]
# ## 7 · A probability that is multiplied by money must be right
#
# On the map: `logistic-regression` · `objective`
#
# A ranking by expected value multiplies the click probability by a bid.
# **Calibration** asks: of the impressions that get 8 %, are 8 % clicked?
# A **reliability diagram** answers: sort by prediction, cut into ten equal groups, compare.
#
# Clicks are rare, so logs are often **thinned**: keep every click, and one in ten of the rest.
#
# **Predict first.** You train on the thinned log. On new traffic, is the mean prediction about 4 %, 10 % or 25 %?
#
# (The bars in the next picture are 95 % intervals, as in lecture 00.)
#
# <details><summary>For the presenter (10 minutes)</summary>
#
# Expect 4 % ("the model adapts") and 40 % ("ten times"). Let the odds decide: 4 to 96 becomes 4 to 9.6, and 29 % of the thinned log are clicks.
# On new traffic the mean is lower than that: ten times the odds make a small probability nearly ten times as large, and a large one much less.
# </details>

# %%
kept = (past.click == 1) | (rng.random(len(past)) < 0.1)
logit = future.one_hot(attributes + ids) @ fit_clicks(past[kept], attributes + ids)
models = {"full log": predicted["attributes and ids"], "thinned": sigmoid(logit),
          "thinned, shifted back": sigmoid(logit + np.log(0.1))}


def reliability(p, click, groups=10):
    """Mean prediction and click rate of equal groups, sorted by prediction: two arrays (groups,)."""
    cuts = np.array_split(np.argsort(p), groups)
    return np.array([p[c].mean() for c in cuts]), np.array([click[c].mean() for c in cuts])


# %%
fig, axes = plots.panels("A thinned log leaves the diagonal, and one shift brings it back, nearly", models,
                         xlabel="predicted click rate (%)", ylabel="clicked (%)", sharey=True)
for ax, p in zip(axes, models.values(), strict=True):
    said, happened = reliability(p, future.click)
    ax.axline((0, 0), slope=1, color=plots.GREY, linewidth=1)
    spread = 100 * 1.96 * np.sqrt(happened * (1 - happened) / (len(future) / 10))
    ax.errorbar(100 * said, 100 * happened, yerr=spread, fmt="o", color=plots.BLUE, markersize=4, linewidth=1)
plots.show("Three reliability diagrams: on the diagonal; far from it; close to it, the top group too high.")

# %%
def miss(p):
    """Mean distance between prediction and click rate over the ten groups."""
    return np.abs(np.subtract(*reliability(p, future.click))).mean()


claim("trained on the full log, ten groups miss their click rate by little",
      miss(models["full log"]), at_most=0.005)
claim("trained on the thinned log, the mean prediction is several times too high",
      models["thinned"].mean() / future.click.mean(), at_least=4)
claim("one shift of the logit mends the mean",
      models["thinned, shifted back"].mean() / future.click.mean(), at_least=0.94, at_most=1.08)
full, shifted = (100 * future.share_of_gap(models[name]) for name in ("full log", "thinned, shifted back"))
claim("but what was thinned away is gone: less of the gap is closed", full - shifted, at_least=0.5)

# %% [markdown]
# Thinning multiplies the odds of a click by ten, whatever the inputs, so one constant on the logit undoes it, on average.
# Forget it, and nearly every bid is several times too high.
# What the constant cannot bring back is the information in the rows that were dropped:
# with a tenth of the non-clicks the largest predictions are a little too large.

# %% [markdown]
# ## What goes wrong in practice
#
# - **A loss that has gone flat.** Section 4's dying pull returns in lecture 05 as the vanishing gradient.
# - **Unscaled inputs.** One column in cents, one in millions: the bowl becomes a ravine and descent crawls (lecture 02).
# - **Overflow.** `exp(1000)` is infinite and `log(0)` is too. Work with logits, and let `logaddexp` or the `…_with_logits` losses do it.
# - **The forgotten bias.** Without it the line must pass through zero.

# %% [markdown]
# ## Summary
#
# 1. A model is knobs; a loss says what a mistake costs; the gradient says which way is down.
# 2. Squared error is Gaussian noise in disguise. Other noise, or other prices, need another loss.
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
# - T. Gneiting, A. E. Raftery (2007), *Strictly Proper Scoring Rules, Prediction, and Estimation*, JASA 102.
# - H. B. McMahan and others (2013), *Ad Click Prediction: a View from the Trenches*, KDD.
# - X. He and others (2014), *Practical Lessons from Predicting Clicks on Ads at Facebook*, ADKDD.
