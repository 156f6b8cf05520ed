# %% [markdown]
# # 00 · The map
#
# **Question.** What belongs to deep learning, how does it hang together, and how do you know that a model works?
#
# **You will be able to** find your way on the map; split data honestly; tell a real score from a leak; put an interval around a score.
#
# **Needs** Python, a little algebra · **Minutes** 65 to teach, 90 to study · **CPU** 10 s
#
# On the map: `deep-learning` · `data-practice`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import numpy as np
import torch
from scipy.sparse import hstack
from sklearn.datasets import make_moons
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from utils import concept_map, data, plots, runtime
from utils.claims import claim

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET)
rng = np.random.default_rng(SEED)
claim("PyTorch computes on the device of this run",
      torch.arange(10, device=run.device).sum(), at_least=45)

# %% [markdown]
# ## 1 · One sentence and a map
#
# On the map: `deep-learning`
#
# *Deep learning extends the neural network, and the neural network is an ensemble of regressions.*
#
# An engineer of an ad platform drew a map around that sentence, this course's **thesis**, because the team wanted to use deep learning and had no common ground.
# The course walks the map: a rectangle is a concept, an ellipse a family of algorithms, plain text a detail.
# Bold is what made deep learning possible, what is the default today, or what was hottest when the map was drawn.
# Click a node to open its lecture.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Show the simple map first, then the full one; ask where the room has worked already.
# If an import fails, run `dlmap doctor` in a terminal: it says what is missing and what to do.
# Do not explain the nodes. Every one has its lecture.

# %%
concept_map.show(simple=True)

# %%
concept_map.show(progress=True)

# %% [markdown]
# Three ways to use the notebooks:
#
# | | how |
# |---|---|
# | **alone** | Read, commit to an answer at *Predict first*, run, change a number, run again. `dlmap start 00` gives you the exercises, `dlmap progress` shows how far you are. |
# | **in a group** | One lecture a session. *Ask the room* is for discussion; the exercises are for home. |
# | **on stage** | Run it live. The folded notes say how long a section takes and which answer to expect. |
#
# Teaching sentences are measured. A line that begins with ✔ is a **claim**: a number, and the bound that it must keep.
# The first claim is the course's own sentence.
# Below, scikit-learn trains a small network on two half-moons. Then we take it apart.

# %%
points, moon = make_moons(1000, noise=0.2, random_state=SEED)
network = MLPClassifier((16,), activation="logistic", solver="lbfgs", max_iter=2000,
                        random_state=SEED)
network.fit(points[:500], moon[:500])


def regression(x, w, b):
    """Logistic regression: (n, inputs)
    -> (n, outputs), each output with weights of its own."""
    return 1 / (1 + np.exp(-(x @ w + b)))


(w1, w2), (b1, b2) = network.coefs_, network.intercepts_
# opinions (500, 16): sixteen regressions look at the points
opinions = regression(points[500:], w1, b1)
verdict = regression(opinions, w2, b2)[:, 0]  # (500,): one regression looks at the sixteen

# %%
claim("the network is sixteen regressions and one more on top of them",
      np.abs(verdict - network.predict_proba(points[500:])[:, 1]).max(), at_most=1e-9)
alone = LogisticRegression().fit(points[:500], moon[:500])
claim("and together they beat a single regression on unseen points",
      np.mean((verdict > 0.5) == moon[500:]) - alone.score(points[500:], moon[500:]),
      at_least=0.04)

# %% [markdown]
# Lectures 01 to 05 earn this sentence piece by piece, and lecture 04 shows where it stops being the whole story.

# %% [markdown]
# ## 2 · A score without a baseline says nothing
#
# On the map: `data-practice`
#
# A score means something only beside a baseline, and in a metric that can tell the two apart.
# Beginners' questions, the author of the map saw, are rarely about deep learning. They are about data.
#
# Our data is an **ad log**: users, ads, places, and whether a click followed, for two weeks.
# It is made by a process that we know, so for once the truth is there to compare with.
# The **training** rows teach the model, the **validation** rows choose between models, the **test** rows judge the chosen one, once.
# A click model predicts the future, so split by time.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Collect the guesses for the baseline's accuracy on the board. Somebody will say 50 %.
# The point to make: the metric was chosen before the model, and by what the number will be used for.

# %%
log = data.load("ads", rows=200_000, seed=SEED)
day = log.features["day"]
train, validation, test = log[day < 8], log[(day >= 8) & (day < 11)], log[day >= 11]
attributes = ["age", "gender", "category", "site", "position", "hour", "device"]


def fit_predict(train, test, columns, train_extra=None, test_extra=None):
    """Click probabilities for `test` from a logistic regression on `train`:
    (len(test),)."""
    x, x_new = train.one_hot(columns), test.one_hot(columns)
    if train_extra is not None:  # one more numeric column
        x, x_new = (hstack([x, train_extra[:, None]]).tocsr(),
                    hstack([x_new, test_extra[:, None]]).tocsr())
    return LogisticRegression(max_iter=300).fit(x, train.click).predict_proba(x_new)[:, 1]


# %% [markdown]
# Three metrics, all in `sklearn.metrics`:
#
# - **Accuracy** (정확도): how often yes or no is right.
# - **AUC**: the chance that a random click is ranked above a random non-click. Use it when only the order counts; 0.5 is guessing.
# - **Log-loss**: the mean of −log of the probability that was given to what happened. Use it when the probability is multiplied by money.
#
# Since the truth is known here, log-loss becomes the **share of the gap**:
# 0 % is the log-loss of the **base rate** (the mean click rate for everybody), 100 % that of the true probabilities.

# %% [markdown]
# Two candidates: a few attributes, or the ids of user and ad as well.
# The validation rows choose between them, and the test rows are touched once, after that.
# Both are logistic regressions, lecture 01's subject: for now, a machine that returns a click probability.
# `one_hot` gives every value of a column a column of its own, one or zero.
#
# **Predict first.** 4 % of the impressions are clicked. A baseline predicts "no click", always.
# What is its accuracy? And by how much does the better model beat it?

# %%
candidates = {"attributes": attributes, "attributes, user, ad": [*attributes, "user", "ad"]}
scores = {name: validation.share_of_gap(fit_predict(train, validation, columns))
          for name, columns in candidates.items()}
columns = candidates[max(scores, key=scores.get)]
p = fit_predict(train, test, columns)

never = np.zeros(len(test))
plots.bars("Accuracy sees no difference; AUC does",
           {"accuracy: never click": np.mean(never == test.click),
            "accuracy: model": np.mean((p > 0.5) == test.click),
            "AUC: never click": roc_auc_score(test.click, never),
            "AUC: model": roc_auc_score(test.click, p)},
           xlabel="score", digits=3,
           colors={f"{metric}: never click": plots.GREY for metric in ("accuracy", "AUC")})
plots.show("Both accuracies are equal and high; "
           "the AUC is one half for the baseline, more for the model.")

# %%
gain = np.mean((p > 0.5) == test.click) - np.mean(never == test.click)
claim("at 4 % clicks, accuracy cannot tell a model from 'never click'",
      abs(gain), at_most=0.003)
claim("AUC can", roc_auc_score(test.click, p), at_least=0.7)
claim("log-loss can: the model closes a part of the gap from base rate to truth (%)",
      100 * test.share_of_gap(p), at_least=20)

# %% [markdown]
# ## 3 · A feature that knows the answer
#
# On the map: `data-practice`
#
# A feature that was computed from the answers makes a wonderful score, and it is worth nothing.
#
# Somebody adds a strong feature: how often this user has clicked this ad.
# It is computed once, over the whole table. So each row's own click is in it, and so are the clicks of the test rows.
# That is a **leak** (누수): knowledge that will not be there when the model is used.
#
# **Ask the room.** Which column of your own tables is written *after* the event that you predict?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# The usual objection: "but the feature is useful". It is, and the last bar shows it, when it is counted in time.
# The walk row by row takes a second or two; exercise 4 asks for it again.

# %%
def smoothed(clicks, shown):
    # ten impressions at 4 %: a careful start for new pairs
    return (clicks + 0.4) / (shown + 10)


def pairs(log):
    return log.features["user"] * log.sizes["ad"] + log.features["ad"]


def rate_in(source, rows):
    """Click rate of each row's (user, ad) pair,
    counted over the whole of `source`: (len(rows),)."""
    clicks, shown = (np.bincount(pairs(source), w, minlength=20_000)
                     for w in (source.click, None))
    return smoothed(clicks, shown)[pairs(rows)]


def rate_before(log):
    """Click rate of each row's pair before that row;
    the rows are in the order of time: (len(log),)."""
    clicks, shown, rates = np.zeros(20_000), np.zeros(20_000), []
    for pair, click in zip(pairs(log), log.click, strict=True):
        rates.append(smoothed(clicks[pair], shown[pair]))
        clicks[pair] += click
        shown[pair] += 1
    return np.array(rates)


# %%
# fresh impressions, whose clicks nobody has counted
new = data.load("ads", rows=60_000, seed=SEED + 1000)
before, use = rate_before(log), rate_in(log, new)  # in use, all that was logged is known
features = {"leaky": (rate_in(log, train), rate_in(log, test), use),
            "honest": (before[day < 8], before[day >= 11], use)}
share, auc = {}, {}
for name, (for_train, for_test, for_use) in features.items():
    for where, rows, rate in (("on the test rows", test, for_test),
                              ("in use", new, for_use)):
        q, bar = fit_predict(train, rows, attributes, for_train, rate), f"{name}, {where}"
        share[bar], auc[bar] = 100 * rows.share_of_gap(q), roc_auc_score(rows.click, q)
plots.bars("The leak promises what it cannot keep; the honest feature serves better", share,
           xlabel="share of the gap (%)", unit=" %",
           colors={"leaky, on the test rows": plots.RED})
plots.show("The leaky feature scores twice as high on test rows as in use; "
           "the honest one is better in use.")

# %%
claim("the leak inflates the AUC",
      auc["leaky, on the test rows"] - auc["leaky, in use"], at_least=0.08)
claim("counted before each row, the test AUC is the AUC in use",
      abs(auc["honest, on the test rows"] - auc["honest, in use"]), at_most=0.03)
claim("in use the honest feature closes more of the gap (percentage points)",
      share["honest, in use"] - share["leaky, in use"], at_least=2)

# %% [markdown]
# The idea of the feature is good. What was wrong is the *promise*, and the training:
# a model that learned from rates which contain the answer trusts them too much.
# The rule: at each row, a feature may use only what was known before that row.

# %% [markdown]
# ## 4 · The same user on both sides
#
# On the map: `data-practice`
#
# How you split decides which question the score answers.
#
# Rows of one user resemble each other. Split rows at random, and every test user was already seen in training.
# That is fine if you will serve the same users. It is a leak if you promise a score for *new* ones.
# So before you split, say in one sentence where the model will be used, and split the same way.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Expect (a) as the answer at *predict first*. The measurement says (b), by far.
# Scaling knows the means of all columns but no label. With few rows and outliers it can matter a little.

# %%
# The pair is a cross: a column for each combination of a user and a category.
detailed = [*attributes, "ad", "user", ("user", "category")]
by_row = rng.random(len(log)) < 0.7
by_user = (rng.random(log.sizes["user"]) < 0.7)[log.features["user"]]
seen_users, new_users = (roc_auc_score(log[~part].click,
                                       fit_predict(log[part], log[~part], detailed))
                         for part in (by_row, by_user))
plots.bars("A random split of rows answers another question",
           {"split by row": seen_users, "split by user": new_users},
           xlabel="AUC", digits=3, colors={"split by row": plots.RED})
plots.show("Two bars: the split by row scores clearly higher than the split by user.")

# %%
claim("a split by row flatters the score for new users",
      seen_users - new_users, at_least=0.03)

# %% [markdown]
# scikit-learn's `GroupKFold` and `GroupShuffleSplit` keep groups together, `TimeSeriesSplit` keeps the order of time.
#
# **Predict first.** Two more things are often done *before* the split. Which one is worse?
# (a) scaling each column with the mean and deviation of all rows; (b) keeping the 20 of 5,000 columns that go best with the label.
#
# For (a), 569 breast tumours. For (b), columns of *pure noise*, and a label thrown by a coin: an honest AUC is 0.5.

# %%
cancer = data.load("breast_cancer")
noise, coin = rng.normal(size=(200, 5000)), rng.integers(0, 2, 200)


def auc_after(step, x, y, fitted_on):
    """AUC on the second half, after `step` was fitted on "all rows"
    or on the "training rows" only."""
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.5,
                                                        random_state=SEED)
    step.fit(*((x, y) if fitted_on == "all rows" else (x_train, y_train)))
    model = LogisticRegression(max_iter=1000).fit(step.transform(x_train), y_train)
    return roc_auc_score(y_test, model.predict_proba(step.transform(x_test))[:, 1])


scaling = {on: auc_after(StandardScaler(), cancer.x, cancer.y, on)
           for on in ("all rows", "training rows")}
choosing = {on: auc_after(SelectKBest(k=20), noise, coin, on)
            for on in ("all rows", "training rows")}
plots.bars("Scaling early is harmless here; choosing columns early invents a signal",
           {f"scaled on {on}": score for on, score in scaling.items()}
           | {f"noise, chosen on {on}": score for on, score in choosing.items()},
           xlabel="AUC", digits=3, colors={"noise, chosen on all rows": plots.RED})
plots.show("Both scaled scores are equal; "
           "noise columns score high if chosen on all rows, else one half.")

# %%
claim("scaling before the split changes next to nothing",
      abs(scaling["all rows"] - scaling["training rows"]), at_most=0.005)
claim("choosing columns before the split finds a signal in pure noise",
      choosing["all rows"], at_least=0.7)
claim("choosing them on the training rows does not",
      choosing["training rows"], at_least=0.3, at_most=0.7)

# %% [markdown]
# Here the step that never sees the label leaks next to nothing, and the step that sees the label leaks a lot.
# You need not judge case by case: put every step into a `sklearn.pipeline.Pipeline`, and it is fitted on training rows only.

# %% [markdown]
# ## 5 · How much data, and how sure?
#
# On the map: `data-practice`
#
# More data brings the training and the test score together, and the test score is known only to within an interval.
#
# A **learning curve** (학습 곡선) draws the score against the number of training rows.
# While training and validation are far apart, more data helps. Once they meet, only a better model does.
#
# **Predict first.** 100 % of the gap is the truth itself. Can a model score above 100 % on its own training rows?

# %%
supply = data.load("ads", rows=run.pick(lecture=120_000, full=1_000_000), seed=SEED + 3000)
sizes = np.geomspace(1000, len(supply), 7).astype(int)
curves = {"train": [], "validation": []}
for size in sizes:
    part = supply[rng.permutation(len(supply))[:size]]
    for name, rows in (("train", part), ("validation", validation)):
        curves[name].append(100 * rows.share_of_gap(fit_predict(part, rows, detailed)))

# %%
fig, ax = plots.figure("More rows bring the lines together",
                       xlabel="training rows", ylabel="share of the gap (%)")
for name, curve in curves.items():
    ax.semilogx(sizes, curve, "o-", color=plots.COLOR[name])
    plots.name(ax, sizes[-1], curve[-1], name, plots.COLOR[name])
plots.show("With few rows the training score is far above the validation score; "
           "with many they come close.")

# %%
distance = np.subtract(curves["train"], curves["validation"])
claim("with few rows the model beats the truth on its own training rows, by memory",
      curves["train"][0], at_least=100)
claim("the distance between training and validation shrinks with data",
      distance[-1] / distance[0], at_most=0.25)

# %% [markdown]
# Above 100 % is memory: the model knows on which side the coins fell, which no truth about probabilities can know.
#
# A score is an average over test rows, so it has an error of its own.
# With $n$ rows and a standard deviation $s$ of the loss per row, a 95 % **confidence interval** (신뢰구간) is $\pm 1.96\, s / \sqrt n$.
# Is that true? Draw a hundred test sets, and count the intervals that contain the score on 400,000 other rows.

# %%
def loss_per_row(log, p):
    return -np.where(log.click == 1, np.log(p), np.log(1 - p))


many = data.load("ads", rows=200_000, seed=SEED + 2000)
losses = loss_per_row(many, fit_predict(train, many, detailed))
others = data.load("ads", rows=400_000, seed=SEED + 4000)
score = loss_per_row(others, fit_predict(train, others, detailed)).mean()
# a hundred random test sets of 2,000 rows
sets = rng.permutation(losses).reshape(100, 2000)
center, half = sets.mean(axis=1), 1.96 * sets.std(axis=1) / np.sqrt(2000)
hit = np.abs(center - score) < half

fig, ax = plots.figure("A hundred test sets, a hundred intervals: a few miss",
                       xlabel="test set", ylabel="log-loss")
for part, color in ((hit, plots.BLUE), (~hit, plots.RED)):
    ax.errorbar(np.flatnonzero(part), center[part], half[part], fmt=".", color=color,
                linewidth=1)
ax.axhline(score, color=plots.INK, linewidth=1)
plots.show("A hundred vertical intervals around a horizontal line; "
           "the few that do not cross it are red.")

# %%
claim("about 95 in 100 intervals contain the true score",
      np.mean(hit), at_least=0.86, at_most=0.99)

other = loss_per_row(many, fit_predict(train, many, attributes))
claim("two models compared row by row: "
      "the interval of the difference is narrower than that of a score",
      np.std(other - losses) / np.std(losses), at_most=0.7)

# %% [markdown]
# So to compare two models, judge them on the *same* rows and look at the difference.
# Most of the luck of a test set hits both, and cancels.
#
# **Ask the room.** Your new model wins by 0.3 % on 2,000 rows. Which two numbers do you want to see before you switch?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Expect: "the p-value". Steer to: the size of the difference, and its interval on the same rows.
# On many seeds a few hits are missing: with 4 % clicks the losses are far from Gaussian, and the intervals tend to be short.

# %% [markdown]
# ## What goes wrong in practice
#
# - The test rows are used ten times to choose. They are validation rows by then; keep a fresh set back.
# - Duplicates: the same picture twice, once on each side.
# - The log contains only what the old system chose to show (lecture 15).
# - The world moves: a random split of a log with a trend flatters too. Split by time.

# %% [markdown]
# ## Summary
#
# 1. Deep learning extends the neural network; the neural network is an ensemble of regressions.
# 2. Split first, as you will use the model: by time, by user, by group.
# 3. A baseline, then a model; and a metric that can tell them apart.
# 4. Whatever has seen a test label, even through a feature, is a leak.
# 5. A score has an interval; a difference on the same rows has a narrower one.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 00`, then open `exercises/work/00_exercises.ipynb`: five tasks, about 55 minutes.
#
# - S. Kaufman, S. Rosset, C. Perlich, O. Stitelman (2012), *Leakage in Data Mining*, ACM TKDD 6.
# - C. Ambroise, G. J. McLachlan (2002), *Selection bias in gene extraction on the basis of microarray gene-expression data*, PNAS 99.
# - T. Fawcett (2006), *An introduction to ROC analysis*, Pattern Recognition Letters 27.
# - R. Kohavi, D. Tang, Y. Xu (2020), *Trustworthy Online Controlled Experiments*.
# - I. Goodfellow, Y. Bengio, A. Courville (2016), *Deep Learning*, chapter 5.
