# %% [markdown]
# # 04 · Neural networks
#
# **Question.** Is a neural network an ensemble of regressions, and where does that view end?
#
# **You will be able to** set a network's weights by hand; take a network apart into regressions, and put it together again; say what training together adds, in points of accuracy; choose an activation and find its dead units; read the linear regression out of a ReLU network.
#
# **Needs** 01, 02, 03 · **Minutes** 95 to teach, 150 to study · **CPU** 45 s
#
# On the map: `ann` · `mlp` · `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import many  # many small networks trained at once
from utils.scratch.regression import sigmoid  # built in lecture 01

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)  # two threads would only wait
rng = np.random.default_rng(SEED)

# %%
concept_map.show("04")

# %% [markdown]
# ## 1 · One line cannot say "one of the two, not both"; three can
#
# On the map: `ann` · `mlp` · `step`
#
# A neuron is a small regression with a bend at its end.
#
# A neuron (lecture 01), also called a **unit** (유닛), takes inputs $x_1, x_2$.
# It multiplies each input by a weight of its own, $w_1, w_2$, and adds a bias $b$.
# The sum is the score $z$ of lecture 01. What leaves the neuron is a bent $z$, called $h$.
# In the picture the numbers are one example: the inputs 1 and 0, the weights 1 and 1, the bias −0.5.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Let somebody try to draw the line for XOR on the board before you run anything.
# Then do one mistake of Rosenblatt's rule by hand, with the numbers of the text.
# The wrong answer to expect: "more training would do it". The 100,000 random lines answer that.

# %%
s = schematics.Sketch("A neuron: a weighted sum, then a bend", width=9, height=2.4)
inputs = s.column(["x₁ = 1", "x₂ = 0"], at=(1, 1.2), gap=1.2, r=0.47, fontsize=12)
score = s.box("z = w₁x₁ + w₂x₂ + b\n= 1·1 + 1·0 − 0.5 = 0.5", at=(4.1, 1.2))
bend = s.box("bend\nhere a step:\n1 if z > 0", at=(6.75, 1.2), kind="family")
s.connect(inputs, [score], labels=["w₁ = 1", "w₂ = 1"])
s.arrow(score, bend, "z")
s.arrow(bend, (8.6, 1.2), "h = 1")
s.show("Two inputs, each times its weight, enter a sum z; a step makes h = 1 of it.")

# %% [markdown]
# With a **step** (계단 함수) for a bend, the neuron is the **perceptron** (퍼셉트론) of Rosenblatt (1958): it fires if $z > 0$.
# Where $z = 0$ there is a line, and the neuron says on which side of it a point lies.
#
# Rosenblatt's rule: if it should have fired, add the inputs to the weights; if it should not, take them off.
# For example, all weights are zero and the point (1, 1) should fire. But $z = 0$: a mistake.
# Add: $w_1 = w_2 = b = 1$ (the bias has the input 1). Now $z = 3$, and it fires.
#
# If some line separates the two classes, the rule finds one; that is proved. Is there one for XOR, "one of the two, not both"?
# If not, take three neurons: one says OR, one says AND, and the third looks at *their answers*.
#
# <details><summary>Why there is no line</summary>
#
# XOR asks for four things: $b \le 0$ at (0, 0), $w_2 + b > 0$ at (0, 1), $w_1 + b > 0$ at (1, 0), and $w_1 + w_2 + b \le 0$ at (1, 1).
# Add the two in the middle: $w_1 + w_2 + 2b > 0$. Add the first and the last: $w_1 + w_2 + 2b \le 0$. Both cannot be.
# </details>

# %%
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
AND, XOR = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])  # both; one of the two, not both


def step(z):
    return (z > 0).astype(float)


def perceptron(x, y, rounds=100):
    """Rosenblatt's rule, row by row: (n, 2) points, (n,) answers -> its answers."""
    X, w = np.column_stack([x, np.ones(len(x))]), np.zeros(3)  # the last weight is the bias
    for _ in range(rounds):
        for row, answer in zip(X, y, strict=True):
            w += (answer - step(row @ w)) * row  # +row, −row, or zero where it was right
    return step(X @ w)


lines = rng.normal(size=(100_000, 3))  # w₁, w₂, b each: was the rule only unlucky?
right = (step(lines[:, :2] @ corners.T + lines[:, 2:]) == XOR).sum(axis=1)
claim("a perceptron learns AND: corners right, of four",
      sum(perceptron(corners, AND) == AND), at_least=4)
claim("it does not learn XOR: corners right, of four",
      sum(perceptron(corners, XOR) == XOR), at_most=3)
claim("the best of 100,000 random lines: corners of XOR right",
      right.max(), at_least=3, at_most=3)

# %%
def xor(x1, x2):
    """Three perceptrons; all nine numbers are set by hand, nothing is trained."""
    says_or = step(1 * x1 + 1 * x2 - 0.5)   # fires from a sum of 1 on
    says_and = step(1 * x1 + 1 * x2 - 1.5)  # fires at a sum of 2 only
    return step(1 * says_or - 1 * says_and - 0.5), says_or, says_and  # OR, but not AND


answer, *between = xor(corners[:, 0], corners[:, 1])
fig, axes = plots.panels("Two neurons move the points until one line is enough",
                         ["what comes in", f"two meet: {sum(answer == XOR)} of 4 right"],
                         xlabel="x₁", ylabel="x₂", size=(9, 3.8))
ends = np.array([-0.5, 1.5])
for ax, points in zip(axes, [corners, np.column_stack(between)], strict=True):
    ax.scatter(*points.T, c=np.where(XOR, plots.ORANGE, plots.BLUE), s=120, zorder=3)
    ax.set(xlim=(-0.4, 1.4), ylim=(-0.4, 1.4), aspect="equal")
for neuron, cut in (("OR", 0.5), ("AND", 1.5)):
    axes[0].plot(ends, cut - ends, color=plots.GREY)
    plots.name(axes[0], cut / 2 + 0.1, cut / 2 - 0.1, neuron, plots.GREY)
axes[1].plot(ends, ends + 0.5 - 1, color=plots.GREY)  # OR − AND = 0.5
axes[1].set(xlabel="OR", ylabel="AND")
plots.show("Left: four corners, two parallel lines. Right: two met, one line will do.")

# %% [markdown]
# ## 2 · A layer is a bag of regressions, the output is a regression stacked on it
#
# On the map: `ann` · `mlp` · `sigmoid` · `softmax`
#
# Replace the step by a **sigmoid** (시그모이드) $\sigma$, and each neuron is a logistic regression (lecture 01).
# Sixteen of them look at the same point. The first one, with weights and a bias of its own, says
#
# $$h_1 = \sigma(w_{11} x_1 + w_{21} x_2 + b_1)$$
#
# The output is one more logistic regression. Its inputs are the sixteen opinions $h_1 \dots h_{16}$, its weights are $v_1 \dots v_{16}$, its bias is $u$:
#
# $$p = \sigma(v_1 h_1 + v_2 h_2 + \dots + v_{16} h_{16} + u)$$
#
# The sixteen side by side are the **hidden layer** (은닉층): no data says what their values should be.
# The whole is an **artificial neural network** (인공신경망), of the kind called **multi-layer perceptron** (다층 퍼셉트론).

# %%
s = schematics.Sketch("A layer is a bag; the output is stacked on it", width=9, height=3.7)
inputs = s.column(["x₁", "x₂"], at=(1.2, 1.7), gap=1.1)
bag = s.column(["h₁", "h₂", "…", "h₁₆"], at=(4.2, 1.7), kind="concept")
out = s.circle("p", at=(7.2, 1.7), kind="family")  # the regression stacked on them
s.connect(inputs, bag[:2] + bag[3:])
s.connect(bag[:2] + bag[3:], [out], labels=["v₁", "v₂", "v₁₆"], at=0.42)
s.frame(bag, "hidden layer: a bag of 16 regressions", color=plots.BLUE)
s.show("Two inputs feed sixteen circles, the bag; all sixteen feed one more, the stack.")

# %% [markdown]
# In one line each, with the weights of the sixteen as the columns of a matrix $W$, and $v$ a column:
#
# $$h = \sigma(xW + b) \qquad p = \sigma(h\,v + u)$$
#
# For more than two classes the output is a softmax regression: a score for each class, and **softmax** (소프트맥스) makes shares of the scores.
#
# Three problems will test the idea: two moons, two spiral arms, and lecture 01's digits.
#
# On the same points, sixteen regressions would be sixteen copies, and copies are worth one (lecture 03).
# So each learns on its own part, the neighbourhood of a random point, to be right there, alone.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Say the title slowly. Lecture 03 built a bag and a stack; nothing here is new but the name.
# At the prediction many trust the average, since averaging helped so much in lecture 03.
# In the three panels, let somebody follow one arm with a finger before you go on.

# %%
def spirals(rng, n=2000):
    """Two arms, one turned by half a circle: (n, 2) points, (n,) arms 0 and 1."""
    arm = rng.integers(0, 2, n)
    angle = 0.4 + 8.5 * np.sqrt(rng.random(n))
    turned = angle + np.pi * arm
    x = angle[:, None] / 3.1 * np.column_stack([np.cos(turned), np.sin(turned)])
    return x + rng.normal(0, 0.09, (n, 2)), arm


def moons(rng, n=2000):
    return make_moons(n, noise=0.2, random_state=int(rng.integers(2**31)))


def dots(ax, points, label):
    ax.scatter(*points.T, c=np.where(label == 1, plots.ORANGE, plots.BLUE), s=4)
    ax.set(xticks=[], yticks=[], xlabel="x₁", aspect="equal")
    ax.grid(visible=False)


points, arm = spirals(rng)
digits = data.load("digits")
fig, axes = plots.panels("Three problems: which moon, which arm, which digit?",
                         ["moons", "spirals", "digits: 8 × 8 pixels"],
                         xlabel="", ylabel="x₂", size=(10, 3.4))
dots(axes[0], *moons(rng, 600))
dots(axes[1], points[:800], arm[:800])
shown = np.pad(digits.x[:24].reshape(4, 6, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
axes[2].imshow(shown.swapaxes(1, 2).reshape(40, 60))
axes[2].axis("off")
plots.show("Two interlocked half circles, two arms wound round each other, and 24 digits.")

# %%
def neighbourhood(x, y, rng):
    """Rows of the quarter of each class that is nearest to a random point."""
    distance = ((x - x[rng.integers(len(x))]) ** 2).sum(axis=1)
    return np.concatenate([rows[distance[rows].argsort()[: len(rows) // 4]]
                           for rows in (np.flatnonzero(y == 0), np.flatnonzero(y == 1))])


def train_alone(x, y, parts):
    """A logistic regression for each part, a list of rows: W (d, units), b (units,)."""
    # C=100: large weights cost little, so that a border may be sharp
    fit = [LogisticRegression(C=100, max_iter=5000).fit(x[r], y[r]) for r in parts]
    return np.transpose([m.coef_[0] for m in fit]), np.array([m.intercept_[0] for m in fit])


def views(x):
    """(n, 2) points -> three probabilities of arm 1, (n,) each."""
    h = sigmoid(x @ W + b)  # (n, 16) opinions
    return {"one of the sixteen": h[:, 0], "their average": h.mean(axis=1),
            "a regression stacked on them": stack.predict_proba(h)[:, 1]}


UNITS = 16
W, b = train_alone(points, arm, [neighbourhood(points, arm, rng) for _ in range(UNITS)])
stack = LogisticRegression(C=1000, max_iter=5000).fit(sigmoid(points @ W + b), arm)
fresh, truth = spirals(rng)  # points that nobody was trained on
right = {name: np.mean((p > 0.5) == truth) for name, p in views(fresh).items()}

# %% [markdown]
# **Predict first.** You have sixteen straight opinions about the two arms.
# You average them and cut at ½. Then, instead, you stack a seventeenth regression on them.
# Which of the two is right on more than five points of six?

# %%
predict("04.stack", "the average", "the stack", "both", "neither")

# %%
side, TINTS = np.linspace(-3.2, 3.2, 120), ["#CBE3F2", "#FBE3B0"]
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)  # (14400, 2)
fig, axes = plots.panels("Straight opinions: averaged they hardly bend, stacked they wind",
                         [f"{name}: {100 * share:.0f} %" for name, share in right.items()],
                         xlabel="", ylabel="x₂", size=(10, 3.7), sharey=True)
for ax, view in zip(axes, views(grid).values(), strict=True):
    ax.contourf(side, side, view.reshape(120, 120), [0, 0.5, 1], colors=TINTS)
    dots(ax, points[:600], arm[:600])
plots.show("Two spiral arms: a straight cut, a nearly plain cut, one that winds with them.")
options = {(1, 0): "the average", (0, 1): "the stack", (1, 1): "both", (0, 0): "neither"}
outcome("04.stack", options[tuple(share > 5 / 6 for share in list(right.values())[1:])])

# %% [markdown]
# Is this *like* a neural network, or *is* it one? **The library's way** to write a network is `nn.Sequential`: layers in a row, each fed with the output of the one before.
# Copy the weights of the seventeen regressions into it, and compare.
#
# **Ask the room.** If it is one: what is left that could differ between a network and such a stack?
#
# <details><summary>One answer</summary>
#
# Not the form, only the way to the weights: who trains them, on which rows, for which loss.
# Not the number of layers: a stack on a stack is a third layer.
# </details>

# %%
net = nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Linear(16, 1), nn.Sigmoid()).double()
# nn.Linear keeps a row of weights for each unit, so W.T.
for part, weight, bias in ((net[0], W.T, b), (net[2], stack.coef_, stack.intercept_)):
    part.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})
by_net = net(torch.tensor(grid))[:, 0].detach().numpy()
claim("17 regressions put together are a network: largest difference in probability",
      np.abs(by_net - views(grid)["a regression stacked on them"]).max(), at_most=1e-10)
x, y = (many.tensor(part, run.device) for part in (points, 1.0 * arm))

# %% [markdown]
# ## 3 · Trained alone or trained together: that is the difference
#
# On the map: `ann` · `mlp`
#
# The form of a network is a stack on a bag. What is new is the training: all weights follow *one* loss, together.
#
# The loop is lecture 01's, in eight plain lines: some rows, their loss, its gradient, a step of Adam (lecture 02).
# The gradient of all 65 weights comes from `loss.backward()`.
# How it is found is lecture 05's subject, **back-propagation** (역전파).

# %% [markdown] tags=["notes"]
# **Notes for the room (25 minutes).**
#
# This is the heart of the course: give the picture of seven ways its time, row by row.
# Before the jury is trained, let the room vote; nearly everybody says that an average of straight opinions stays straight.
# The sentence for the board: "nine votes of sixteen are enough". It explains the two prices, and why a member may be wrong.
# The cell that trains three ways takes some seconds: start it, and explain the prices while it runs.

# %%
net = nn.Sequential(nn.Linear(2, 16), nn.Sigmoid(), nn.Linear(16, 1)).to(run.device)
descent = torch.optim.Adam(net.parameters(), lr=0.1)
for _ in range(run.steps(1500)):
    rows = torch.randint(len(x), (128,), device=run.device)
    loss = F.binary_cross_entropy_with_logits(net(x[rows])[:, 0], y[rows])  # σ is inside
    descent.zero_grad()
    loss.backward()
    descent.step()

# %%
share = np.mean((net(many.tensor(fresh, run.device))[:, 0] > 0).cpu().numpy() == truth)
claim("spirals: 17 regressions trained together beat section 2's stack, points of accuracy",
      100 * (share - right["a regression stacked on them"]), at_least=1)

# %% [markdown]
# Two things differ from lecture 03's bag: the members are stacked, *and* they are trained together.
# Which of the two does it? Take the stack away again.
#
# **Predict first.** Sixteen logistic regressions vote: their plain average, cut at ½, no stack.
# But all sixteen are trained together, so that the *average* is right.
# How well can this jury follow the spirals, at its best?

# %%
JURY = ("no better than one regression", "better, but far from the network",
        "level with the network")
predict("04.jury", *JURY)

# %% [markdown]
# Call the average $\bar p$. What should training charge for it? There are two prices.
#
# - **The cross-entropy of $\bar p$.** Nine of sixteen say 1, rightly, seven say 0: $\bar p = 0.56$ costs $-\log 0.56 = 0.58$, nearly as much as a coin's $0.69$. It gets cheap only if *all* agree. So each member is pushed to be right alone.
# - **The cross-entropy of a steep logit.** Make the logit from $\bar p$ by a steep *link*: $100\,(\bar p - \frac12)$. No answer changes: it is positive exactly where $\bar p > \frac12$. But now nine of sixteen have the logit 6.25, which costs 0.002. A majority is enough, and the other seven may vote as they like.

# %% [markdown]
# To be fair, each way gets the same rows, the same steps, and its best of four learning rates.
# Each draw of the data has 900 rows to train on, 300 to choose the rate on (validation), and 800 to judge on (test).
# Five draws times four rates make twenty networks a way.
#
# What keeps it fast: a network is a *row of numbers*, its 65 weights, and twenty networks are a table, `theta`, of twenty rows.
# PyTorch multiplies them all at once. `many.fit` is the loop above for such a table, with a rate that falls to a fiftieth; `many.layers` cuts the rows into `W` and `b`.
#
# The three ways differ in one line: how the logit comes out of the sixteen opinions.

# %%
def opinions(theta, x):
    W, b = many.layers(theta, 2, UNITS, 1)[0]  # 2 inputs, 16 units, 1 output; [1]: v, u
    return torch.sigmoid(x @ W + b)            # (nets, n, 2) @ (nets, 2, 16)


def stacked(theta, x):
    v, u = many.layers(theta, 2, UNITS, 1)[1]
    return (opinions(theta, x) @ v + u)[..., 0]  # (nets, n)


def averaged(theta, x):
    return torch.logit(opinions(theta, x).mean(-1), eps=1e-6)  # its sigmoid is the average


def averaged_steep(theta, x):
    return 100 * (opinions(theta, x).mean(-1) - 0.5)


RUNS, RATES, STEPS = 5, [0.03, 0.1, 0.3, 1.0], run.steps(run.pick(lecture=1500, full=6000))
# problems[name]: training, validation, test; each x (5 draws, n, 2), y (5, n)
problems = {name: many.split([make(source) for source in
                              np.random.default_rng(SEED).spawn(RUNS)], 900, 1200)
            for name, make in (("moons", moons), ("spirals", spirals))}
STEEP = "together, averaged, steep link"
ways = {"together, averaged": averaged, STEEP: averaged_steep,
        "together, stacked: a network": stacked}
how = {"steps": STEPS, "device": run.device}
# many.fit: the weights, then the accuracies (rates, draws) on validation and test
together = {name: {way: many.fit(parts, (2, UNITS, 1), logits, rates=RATES, **how)
                   for way, logits in ways.items()} for name, parts in problems.items()}

# %% [markdown]
# The rivals are trained alone, each to the end, since scikit-learn finds the best weights of a regression.
# Their settings: the strength `C`, which says how little large weights cost; members from random rows or from neighbourhoods, drawn three times.
# A control has *random* members that are never trained, with small, middle or large weights.
#
# In the picture a dot is the mean over five draws, the bar its 95 % interval (lecture 00), the ticks are the draws.

# %%
def ways_alone(parts):
    """parts: three pairs x (n, 2), y (n,). Way -> accuracies of its settings."""
    (x, y), *unseen = parts
    random_rows = [rng.integers(len(x), size=len(x) // 4) for _ in range(UNITS)]
    near = [[neighbourhood(x, y, rng) for _ in range(UNITS)] for _ in range(3)]
    bags = [train_alone(x, y, rows) for rows in (random_rows, *near)]
    drawn = [(rng.uniform(-s, s, (2, UNITS)), rng.uniform(-s, s, UNITS))
             for s in (1, 2, 4)]
    return {"one regression": many.stacks(parts),
            "alone, averaged": [[np.mean((sigmoid(x @ W + b).mean(1) > 0.5) == y)
                                 for x, y in unseen] for W, b in bags],
            "random, stacked": [pair for Wb in drawn for pair in many.stacks(parts, *Wb)],
            "alone, stacked": [pair for Wb in bags for pair in many.stacks(parts, *Wb)]}


scores = {}
for name, parts in problems.items():
    runs = [ways_alone([(x[i], y[i]) for x, y in parts]) for i in range(RUNS)]
    # .T turns (runs, settings, 2) into valid and test, (settings, runs) each;
    # many.chosen: the test accuracies of the setting that is best on validation.
    scores[name] = {way: many.chosen(*np.array([result[way] for result in runs]).T)
                    for way in runs[0]}
    scores[name] |= {way: many.chosen(*pair) for way, (_, *pair) in together[name].items()}

# %%
fig, axes = plots.panels("Trained together, an average can follow the spirals",
                         scores, xlabel="test accuracy", ylabel="", sharey=True)
for ax, rows in zip(axes, scores.values(), strict=True):
    plots.intervals(ax, rows, [plots.GREY] + [plots.BLUE] * 3 + [plots.ORANGE] * 3)
plots.show("Seven ways on moons and spirals: the steep average equals the network.")
mean = [100 * shares.mean() for shares in scores["spirals"].values()]  # per cent
one, by_average, by_random, by_stack, plain, steep, joint = mean
outcome("04.jury", JURY[0 if steep < one + 3 else 2 if steep > joint - 3 else 1])

# %% [markdown]
# Why is the average enough, if it is trained together? Because it *is* a network.
# Written out, its logit is $\frac{100}{16} h_1 + \dots + \frac{100}{16} h_{16} - 50$: an output layer whose weights are all 6.25 and never change.
# That costs little. A unit that should count against class 1 turns round: $\sigma(-z) = 1 - \sigma(z)$. One that is always on shifts the constant.
# A unit that should count twice comes twice. Such *committee machines* are as old as Nilsson (1965).
#
# And what is a member of this jury worth alone? Let each of the sixteen decide by itself.

# %%
claim("spirals: an average trained together beats one trained alone, points of accuracy",
      steep - by_average, at_least=20)
claim("spirals: with the steep link it is level with the network, points of accuracy",
      abs(steep - joint), at_most=1.1)
claim("spirals: with its own cross-entropy it is far behind, points of accuracy",
      joint - plain, at_least=20)
claim("spirals: trained alone, the stack stays behind the network, points of accuracy",
      joint - by_stack, at_least=2)

# %%
(x, y), (theta, *_) = problems["spirals"][2], together["spirals"][STEEP]
# theta has 4 rates × 5 draws = 20 rows: so the 5 test sets, four times over
says = opinions(theta, many.tensor(x, run.device).repeat(len(RATES), 1, 1)).cpu() > 0.5
right_alone = says.numpy() == np.tile(y, (len(RATES), 1))[..., None]  # (nets, n, 16)
claim("spirals: a member of such a jury is right by itself, per cent on average",
      100 * right_alone.mean(), at_most=60)

# %% [markdown]
# So on average a member is a little better than a coin, and worse than a regression that thinks of itself only. Together they are right nearly always.
#
# **Ask the room.** "A hidden unit is not trained to be right, but to be useful to the others." Where do you know that from?
#
# <details><summary>One answer</summary>
#
# A team with a goalkeeper: alone he wins no match. Or lecture 03's boosting, where each tree mends what the others left.
# Not that ensembles are bad: each member has to be wrong in its own place, and a common loss sees to that.
# </details>
#
# Now the digits: does a network pay where one softmax regression is good already?
# Each member of the bag learns "is it one of these five digits?", for five digits of its own.

# %%
# 1,795 = 5 × 359 of the 1,797: three fifths, one, one
rows = [np.random.default_rng([SEED, i]).permutation(1795) for i in range(RUNS)]
parts = many.split([(digits.x[r] / 16, digits.y[r]) for r in rows], 1077, 1436)


def halves(x, y):
    """A layer of 16 regressions, each on a random half of the classes."""
    # C = 0.1: of 0.03, 0.1, 0.3 and 1 the best for the stack in most draws
    fit = [LogisticRegression(C=0.1, max_iter=5000).fit(x, np.isin(y, some))
           for some in (rng.permutation(10)[:5] for _ in range(16))]
    return np.transpose([m.coef_[0] for m in fit]), np.array([m.intercept_[0] for m in fit])


def network(units):
    """Test accuracy of networks with that many units, at the better of two rates."""
    def logits(theta, x):
        (W, b), (v, u) = many.layers(theta, 64, units, 10)
        return torch.sigmoid(x @ W + b) @ v + u  # (nets, n, 10)

    return many.chosen(*many.fit(parts, (64, units, 10), logits, rates=[0.01, 0.03],
                                 steps=run.steps(1200), device=run.device)[1:])


runs = [[(x[i], y[i]) for x, y in parts] for i in range(RUNS)]
single = many.chosen(*np.array([many.stacks(one) for one in runs]).T)
greedy = many.chosen(*np.array([many.stacks(one, *halves(*one[0])) for one in runs]).T)
claim("digits: a network of 64 units beats one regression, points of accuracy",
      100 * (network(64) - single).mean(), at_least=0.2)
claim("digits: 16 alone, stacked, lose to a network of 16, points of accuracy",
      100 * (network(16) - greedy).mean(), at_least=0.6)
Wb = rng.uniform(-4, 4, (2, 64)), rng.uniform(-4, 4, 64)
runs = [[(x[i], y[i]) for x, y in problems["spirals"]] for i in range(RUNS)]
many_random = many.chosen(*np.array([many.stacks(one, *Wb) for one in runs]).T)
claim("spirals: 64 random regressions, never trained, and a stack are right, per cent",
      100 * many_random.mean(), at_least=99)

# %% [markdown]
# (The digits' rows are shuffled, so a writer is in training and in test: lecture 00's leak.)
#
# - **Where the thesis holds.** In form, always: a network is a stack on a bag. On moons in the score too, but random members tie there.
# - **Where it ends.** In the training. Sixteen members, each trained to be right, lose to sixteen that are trained to be right *together*; on the spirals random members lose only a few points more.
# - **What joint training buys.** Economy. Sixty-four random units and a stack solve the spirals too. But with many inputs random units fall behind, by theorem: to match $n$ trained ones may take a number exponential in the inputs (Barron 1993; Yehudai & Shamir 2019).

# %% [markdown]
# ## 4 · The activation decides what can bend, and what can learn
#
# On the map: `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`
#
# Descent learns through the *slope* of the bend: where the slope is zero, nothing below it learns.
#
# The bend between the linear scores is called **activation** (활성화 함수). Without it two layers are one: $(xW)V = x(WV)$.
#
# - **tanh** (하이퍼볼릭 탄젠트): a sigmoid that goes from −1 to 1. The **Gaussian** (가우시안): the bump $e^{-z^2}$.
# - **ReLU** (렐루): $\max(0, z)$. **ELU** (ELU): $z$ on the right, $e^z - 1$ on the left.
# - **Swish** (스위시), also SiLU: $z \cdot \sigma(z)$. **GELU** (GELU): $z$ times the chance that a draw from a bell curve (mean 0, deviation 1) lies below $z$. Both are in Hendrycks & Gimpel (2016).
# - Softmax looks at all scores of a row at once; the rest look at one.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Cover the orange curves and let the room draw them. The usual slip: a Gaussian's slope at zero is thought to be large.
# Swish and SiLU are two names of one function; GELU is the bend inside most Transformers (last lecture).

# %%
def swish_slope(z):
    s = sigmoid(z)
    return s + z * s * (1 - s)  # the product rule


bell = stats.norm  # .cdf(z): the probability below z; .pdf(z): its slope
FUNCTIONS = {  # name: the activation, its slope, the library's
    "step": (step, lambda z: 0 * z, None),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z)), torch.sigmoid),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, torch.tanh),
    "Gaussian": (lambda z: np.exp(-(z**2)), lambda z: -2 * z * np.exp(-(z**2)),
                 lambda z: torch.exp(-(z**2))),
    "ReLU": (lambda z: np.maximum(z, 0), step, torch.relu),
    "ELU": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
            lambda z: np.exp(np.minimum(z, 0)), F.elu),
    "Swish": (lambda z: z * sigmoid(z), swish_slope, F.silu),
    "GELU": (lambda z: z * bell.cdf(z), lambda z: bell.cdf(z) + z * bell.pdf(z), F.gelu),
}
z, gaps = np.linspace(-6, 6, 601), []
for f, slope, library in (triple for triple in FUNCTIONS.values() if triple[2]):
    t = torch.tensor(z, requires_grad=True)
    library(t).sum().backward()  # each z moves only its own term: t.grad holds the slopes
    gaps += [np.abs(library(t).detach().numpy() - f(z)), np.abs(t.grad.numpy() - slope(z))]
claim("seven activations and slopes by hand against PyTorch's: largest difference",
      max(gap.max() for gap in gaps), at_most=1e-12)

# %%
p = np.exp(z) / (np.exp(z) + 1 + np.e)  # softmax: the share of z beside scores of 0 and 1
curves = [(k, f(z), df(z)) for k, (f, df, _) in FUNCTIONS.items()]
fig, axes = plt.subplots(3, 3, figsize=(9, 6), layout="constrained", sharey="all")
plots.headline(fig, "Where the slope (orange, dashed) is zero, nothing is learned")
for ax, (name, f, df) in zip(axes.flat, [*curves, ("softmax", p, p - p**2)], strict=True):
    ax.plot(z, f, "-", z, df, "--")
    ax.set(title=name, xlim=(-5, 5), ylim=(-1.3, 2.3), xticks=(-4, 0, 4))
plots.show("Nine functions and slopes: the bounded go flat far out, four rise for ever.")

# %% [markdown]
# ## 5 · The same task with each: the step cannot learn, the ReLU can die
#
# On the map: `activation` · `step` · `sigmoid` · `tanh` · `gaussian` · `softmax` · `relu` · `elu` · `swish`
#
# Trained at one rate, activations seem to differ much. Each at its best rate, all that have a slope solve the spirals.
#
# Section 3's network again, with 16 units and nine activations, each at five learning rates.
# (Softmax makes sixteen units that share one vote.) The table's last column is at the rate best on the validation rows.
#
# **Ask the room.** The step's slope is zero nearly everywhere, but its *output* regression can learn.
# Which of section 3's seven ways will the step network resemble?
#
# <details><summary>One answer</summary>
#
# In form the random members, stacked: the hidden layer stays as it was drawn. (Its score is lower: a step tells the side, not how far.) Evolution (lecture 02) could train it; so could a sigmoid that is made steeper bit by bit.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# Let the room rank the activations first. Then cover all columns of the table but the one at 0.03, and let them see their ranking confirmed.
# Uncover the rest: the ranking was the rate's. The same happened to the optimizers in lecture 02.

# %%
HIDDEN = {  # the step with + 0 * z: its slope is zero, where PyTorch would find none
    "step": lambda z: (z > 0).to(z) + 0 * z, "sigmoid": torch.sigmoid, "tanh": torch.tanh,
    "Gaussian": lambda z: torch.exp(-(z**2)), "softmax": lambda z: z.softmax(-1),
    "ReLU": torch.relu, "ELU": F.elu, "Swish": F.silu, "GELU": F.gelu,
}  # fmt: skip
MORE_RATES = [0.01, 0.03, 0.1, 0.3, 1.0]


def bent(bend):
    """Logits (nets, n) of networks with 16 hidden units of that activation."""
    def logits(theta, x):
        (W, b), (v, u) = many.layers(theta, 2, UNITS, 1)
        return (bend(x @ W + b) @ v + u)[..., 0]

    return logits


three = [(x[:3], y[:3]) for x, y in problems["spirals"]]  # three of the five draws
how["steps"] = run.steps(1000)
trained = {name: many.fit(three, (2, UNITS, 1), bent(bend), rates=MORE_RATES, **how)
           for name, bend in HIDDEN.items()}
best = {name: 100 * many.chosen(*fitted[1:]).mean() for name, fitted in trained.items()}
bends = [best[name] for name in HIDDEN if name != "step"]
claim("each at its best rate: from best to worst of eight activations, points of accuracy",
      max(bends) - min(bends), at_most=1.8)
claim("the step stays behind the worst of them, points of accuracy",
      min(bends) - best["step"], at_least=17)

# %%
plots.table("At one rate they differ; each at its best rate, all but the step agree",
            {name: [*(100 * fit[2].mean(1)), best[name]] for name, fit in trained.items()},
            [*map(str, MORE_RATES), "chosen"], low=60,
            xlabel="first learning rate of Adam: test accuracy on the spirals (%)")
plots.show("Accuracy by activation and rate: at its best all but the step is near 99.")

# %% [markdown]
# At a small rate the steps run out. Why do some fail at 1? A unit in a flat part of its activation is **saturated** (포화): it still speaks, but it no longer listens.
# A ReLU whose score is negative at *every* training point is **dead** (죽은 뉴런): its slope is zero at all of them, so no gradient reaches its weights any more.
# One large step can throw a unit that far. Activations with a tail on the left, as ELU's, die later, not never.
#
# Count, in the networks just trained, the units whose slope is below one in a million at every training point.

# %%
def dead(name):
    """Units without a slope at any training point, in per cent, for each rate."""
    W, b = many.layers(trained[name][0], 2, UNITS, 1)[0]
    score = many.tensor(three[0][0], run.device).repeat(len(MORE_RATES), 1, 1) @ W + b
    HIDDEN[name](score.requires_grad_()).sum().backward()
    silent = (score.grad.abs().amax(dim=1) < 1e-6).float()  # (nets, 16)
    return 100 * silent.reshape(len(MORE_RATES), -1).mean(1).cpu().numpy()

# %%
claim("at a learning rate of 1: dead ReLUs, per cent", dead("ReLU")[-1], at_least=30)
claim("ReLUs die more often than ELUs, percentage points",
      dead("ReLU")[-1] - dead("ELU")[-1], at_least=25)

# %% [markdown]
# ## 6 · A ReLU network is a piecewise linear regression
#
# On the map: `relu` · `mlp`
#
# Around nearly any point a ReLU network *is* one linear regression, and you can read it off exactly.
#
# At a point each ReLU is on (slope 1) or off (slope 0). Which are on is the **pattern** (활성화 패턴) of that point.
# While the pattern stays, only linear maps are left, and give one: $z = Ax + c$, with $x$ a column.
# The matrix $A$ and the constants $c$ belong to the pattern, so the network is many linear regressions, and the input chooses which.
#
# For one input and two units: $z = 2\,\text{ReLU}(x) - 3\,\text{ReLU}(x - 1)$. At $x = 0.5$ only the first is on: $z = 2x$.
# At $x = 2$ both are on: $z = 2x - 3(x - 1) = -x + 3$.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Most predict thousands. One layer of 12 lines cuts a plane into at most 1 + 12 + 66 = 79 pieces: that is proved, and far below 4,096.
# Draw two lines on the board, then a third, and count the pieces before you say the formula.
# Ask what "explaining" a prediction by its local regression is worth, if the neighbour has another.

# %%
def local_regression(net, x):
    """What a ReLU network is around one point: x (d,) -> A (k, d), c (k,)."""
    A, c = np.eye(len(x)), np.zeros(len(x))
    for i, (W, b) in enumerate(net):
        A, c = W.T @ A, W.T @ c + b
        if i < len(net) - 1:  # switch off the units whose score is negative here
            on = A @ x + c > 0
            A, c = A * on[:, None], c * on
    return A, c


def forward(net, x):
    """x (n, d) -> logits (n, k), and the patterns: whether each ReLU is on (n, units)."""
    patterns = []
    for W, b in net[:-1]:
        patterns.append(x @ W + b > 0)
        x = np.maximum(x @ W + b, 0)
    return x @ net[-1][0] + net[-1][1], np.hstack(patterns)

# %%
def relu_network(parts, *sizes):
    """Train a ReLU network on the first draw: NumPy pairs W (ins, outs), b (outs,)."""
    def logits(theta, x):
        *hidden, (W, b) = many.layers(theta, *sizes)
        for w, bias in hidden:
            x = torch.relu(x @ w + bias)
        return x @ W + b

    first = [(x[:1], y[:1]) for x, y in parts]
    theta, *_ = many.fit(first, sizes, logits, rates=[0.02], steps=run.steps(800),
                         device=run.device)
    return [(W[0].cpu().double().numpy(), b[0, 0].cpu().double().numpy())
            for W, b in many.layers(theta, *sizes)]


moon_points, images = problems["moons"][2][0][0], parts[2][0][0]
moon_net = relu_network(problems["moons"], 2, 12, 12, 2)
digit_net = relu_network(parts, 64, 32, 32, 10)
gaps = []
for net, points in ((moon_net, moon_points), (digit_net, images)):
    maps = [local_regression(net, x) for x in points]
    local = [A @ x + c for x, (A, c) in zip(points, maps, strict=True)]
    gaps.append(np.abs(np.array(local) - forward(net, points)[0]).max())
claim("local regressions against the network: largest difference in a logit",
      max(gaps), at_most=1e-6)
of_digits = len(np.unique(forward(digit_net, images)[1], axis=0)) / len(images)
claim("digits: regressions in use, as a share of the test images", of_digits, at_least=0.75)

# %% [markdown]
# **Predict first.** A network on the moons has two layers of 12 ReLUs: $2^{24}$, nearly 17 million patterns.
# How many of them does the plane show, where the moons lie?

# %%
predict("04.regions", "about 15", "about 150", "about 5,000", "about a million")

# %%
across, up = np.linspace(-2, 3, 400), np.linspace(-1.5, 2, 280)
plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
logits, patterns = forward(moon_net, plane)
regions, region = np.unique(patterns, axis=0, return_inverse=True)
tints = np.random.default_rng(SEED).uniform(0.72, 1, (len(regions), 3))
fig, ax = plots.figure(f"At least {len(regions)} linear regressions tile this piece",
                       xlabel="x₁", ylabel="x₂", size=(7.5, 5))
tiles = tints[region.ravel()].reshape(280, 400, 3)
ax.imshow(tiles, extent=[-2, 3, -1.5, 2], origin="lower")
border = (logits[:, 1] - logits[:, 0]).reshape(280, 400)
ax.contour(across, up, border, levels=[0], colors=plots.INK)
moon = problems["moons"][2][1][0]
ax.scatter(*moon_points[:400].T, c=np.where(moon[:400], plots.ORANGE, plots.BLUE), s=5)
ax.grid(visible=False)
plots.show("A plane in flat tiles, a black border of straight pieces between two moons.")
sizes = {"about 15": 15, "about 150": 150, "about 5,000": 5000, "about a million": 1e6}
nearest = min(sizes, key=lambda option: abs(np.log(sizes[option] / len(regions))))
outcome("04.regions", nearest)

# %% [markdown]
# The network on the digits meets another regression on nearly every image.
#
# **Ask the room.** A bank explains a refusal by the coefficients of the local regression.
# They are exact. What would you ask before you believe them?
#
# <details><summary>One answer</summary>
#
# How far they hold: exercise 6 computes the distance to the next tile. Often a small change of the input already meets another regression, with other coefficients.
# </details>

# %% [markdown]
# ## 7 · Width can do it, by proof; what descent finds is another question
#
# On the map: `mlp` · `relu` · `tanh`
#
# With enough units one hidden layer comes as close as you like to any continuous function on a closed and bounded domain: **universal approximation** (보편 근사; Cybenko 1989 for sigmoids, Leshno and others 1993 for ReLU).
# The weights exist; finding them is another matter.
#
# For one input you can see why. A ReLU is a hinge: flat, then a ramp. Put one at each corner (knot) of a zigzag: each changes the slope there.
#
# By hand, with evenly spaced knots: a zigzag through the curve, or slopes by least squares.
# Then descent: hinges all over, three starts at each of three rates; the best rate's median counts.

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
#
# Fold a strip of paper into a zigzag: each fold is a unit. Then ask where the folds should go.
# Expect: "then why not one wide layer for everything?" Two answers: the number of knots grows exponentially with the number of inputs, and descent does not find them.

# %%
def wiggle(x):
    return np.sin(2 * x) + 0.4 * np.sin(5 * x)


def by_hand(width):
    """ReLUs with equal knots, values at t: the zigzag, and with fitted slopes."""
    knots, gap = np.linspace(-3, 3, width + 1, retstep=True)
    slopes = np.diff(wiggle(knots)) / gap
    hinges = np.maximum(t[:, None] - knots[:-1], 0)  # (161, width)
    free = np.column_stack([hinges, 1 + 0 * t])
    return (wiggle(-3) + hinges @ np.diff(slopes, prepend=0),  # what each hinge adds
            free @ np.linalg.lstsq(free, wiggle(t))[0])


t, WIDTHS = np.linspace(-3, 3, 161), [4, 16, 64]
SLOW, STARTS = [0.01, 0.03, 0.1], 3  # learning rates


def start_spread(nets, width):
    """Hinges all over [−3, 3]: a unit with weight w and bias −w·k bends at k."""
    theta = many.random_start(nets, 1, width, 1, device=run.device)
    # a row of theta: the biases, the weights, then the output layer
    w, k = 3 * theta[:, width : 2 * width], 6 * torch.rand_like(theta[:, :width]) - 3
    return torch.cat([-w * k, w, theta[:, 2 * width :]], dim=1)


def by_descent(width):
    """The values at t of (2 activations, rates, starts) networks: ReLU first, then tanh."""
    half, x = len(SLOW) * STARTS, many.tensor(t, run.device)[:, None]
    target = many.tensor(wiggle(t), run.device)

    def curve(theta):
        (W, b), (v, u) = many.layers(theta, 1, width, 1)
        z = x @ W + b
        return (torch.cat([torch.relu(z[:half]), torch.tanh(z[half:])]) @ v + u)[..., 0]

    rates = many.tensor(SLOW, run.device).repeat_interleave(STARTS).repeat(2)[:, None]
    theta = many.train(start_spread(2 * half, width), rates=rates, steps=run.steps(3000),
                       loss=lambda theta: ((curve(theta) - target) ** 2).mean(1))
    return curve(theta).cpu().numpy().reshape(2, len(SLOW), STARTS, -1)

# %%
found = {width: by_descent(width) for width in WIDTHS}


def rms(values):  # root mean square error over t
    return np.sqrt(np.mean((values - wiggle(t)) ** 2, axis=-1))


# the median start at the best rate, for each width
relu, tanh = np.array([np.median(rms(found[n]), axis=2).min(axis=1) for n in WIDTHS]).T
hand, fitted = np.array([[rms(values) for values in by_hand(n)] for n in WIDTHS]).T
fig, axes = plots.panels("ReLUs: descent wins with few units, the hand with many",
                         ["4 ReLUs", "64 ReLUs", "error"], xlabel="t", ylabel="",
                         size=(10, 3.6))
for ax, n in zip(axes, (4, 64), strict=False):
    best_rate = np.median(rms(found[n][0]), axis=1).argmin()
    ax.plot(t, wiggle(t), color=plots.COLOR["truth"], linewidth=1)
    ax.plot(t, found[n][0, best_rate, 0], color=plots.RED)
    ax.plot(t, by_hand(n)[1], color=plots.GREEN, linestyle=":")
for name, values, color, dy in (("ReLU, trained", relu, plots.RED, 0),
                                ("by hand", hand, plots.GREY, 0),
                                ("its slopes fitted", fitted, plots.GREEN, 0),
                                ("tanh, trained", tanh, plots.ORANGE, 9)):
    axes[2].loglog(WIDTHS, values, "o-", color=color)
    plots.name(axes[2], WIDTHS[-1], values[-1], name, color, dy=dy)
axes[2].set(xlabel="units (log)", ylabel="RMS error (log)")
axes[2].set_xticks(WIDTHS, WIDTHS)
axes[2].minorticks_off()
plots.show("A wiggle with fits of 4 and 64 ReLUs; right, errors: the hand's falls fastest.")
claim("4 ReLUs: descent's error over that of equal knots, slopes fitted (ratio)",
      relu[0] / fitted[0], at_most=0.95)
claim("64 ReLUs: descent's error over the hand's, not even fitted (ratio)",
      relu[2] / hand[2], at_least=2)
claim("64 units, descent: tanh's error over ReLU's (ratio)",
      tanh[2] / relu[2], at_most=0.25)

# %% [markdown]
# Few hinges must sit in the right places, and descent moves them there; the hand keeps its equal knots.
# Many hinges only have to be dense: then four times the units leave a fifteenth of the hand's error, and descent is slow. Three times the steps close part of the gap.
# (Smooth units suit a smooth curve: see tanh.)
#
# And depth? By construction it is strong: two ReLUs a layer double the pieces each time.
#
# <details><summary>Sixty-four pieces from twelve ReLUs</summary>
#
# The tent $2\,\text{ReLU}(x) - 4\,\text{ReLU}(x - \frac12)$ goes from 0 up to 1 and back, for $x$ in $[0, 1]$.
# A tent of a tent has 4 straight pieces, six in a row have $2^6 = 64$ (Telgarsky 2016).
# One layer needs at least 63 ReLUs for as many, since each one bends once.
# Whether descent finds such folds is another matter: lectures 05, 07 and 11.
# </details>
#
# ## What goes wrong in practice
#
# - **A forgotten activation.** Two linear layers in a row are one regression (exercise 4).
# - **A softmax before the loss.** `cross_entropy` wants logits. Softmax twice still trains, slowly.
# - **Activations compared at one rate.** Give each its best.
# - **Dead units.** Count them; lower the rate before you change the activation.

# %% [markdown]
# ## Summary
#
# 1. A hidden layer is a bag of regressions; the output is a regression stacked on it. In form this is exact.
# 2. What counts is training *together*. Then even a plain average follows the spirals, if a majority is enough for it; trained alone, the average fails, and sixteen in a stack fall short.
# 3. An activation must bend, and must have a slope. Each at its best learning rate, those tie on the spirals.
# 4. A ReLU network is a set of linear regressions, and the input chooses one.
# 5. One wide layer can be anything, by proof. Descent beats the hand with few ReLUs, and falls behind it with many.
#
# ## Exercises and further reading
#
# `dlmap start 04`, then open `exercises/work/04_exercises.ipynb`: seven tasks, about 130 minutes.
#
# <details><summary>Papers and books</summary>
#
# - F. Rosenblatt (1958), *The Perceptron*, Psychological Review 65.
# - N. J. Nilsson (1965), *Learning Machines*, McGraw-Hill: committee machines.
# - M. Minsky, S. Papert (1969), *Perceptrons*, MIT Press.
# - G. Cybenko (1989), *Approximation by Superpositions of a Sigmoidal Function*, Mathematics of Control, Signals and Systems 2; M. Leshno, V. Lin, A. Pinkus, S. Schocken (1993), *Multilayer Feedforward Networks with a Nonpolynomial Activation Function Can Approximate Any Function*, Neural Networks 6.
# - D. H. Wolpert (1992), *Stacked Generalization*, Neural Networks 5.
# - A. R. Barron (1993), *Universal Approximation Bounds for Superpositions of a Sigmoidal Function*, IEEE Transactions on Information Theory 39; G. Yehudai, O. Shamir (2019), *On the Power and Limitations of Random Features for Understanding Neural Networks*, NeurIPS 32.
# - V. Nair, G. E. Hinton (2010), *Rectified Linear Units Improve Restricted Boltzmann Machines*, ICML.
# - G. Montúfar, R. Pascanu, K. Cho, Y. Bengio (2014), *On the Number of Linear Regions of Deep Neural Networks*, NIPS 27; M. Telgarsky (2016), *Benefits of Depth in Neural Networks*, COLT.
# - D.-A. Clevert, T. Unterthiner, S. Hochreiter (2016), *Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)*, ICLR; D. Hendrycks, K. Gimpel (2016), *Gaussian Error Linear Units (GELUs)*, arXiv 1606.08415; P. Ramachandran, B. Zoph, Q. V. Le (2017), *Searching for Activation Functions*, arXiv 1710.05941.
# </details>
