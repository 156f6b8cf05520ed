# %% [markdown]
# # 00 · The map
#
# **Question.** What belongs to deep learning, how does it hang together, and how do you know that a model works?
#
# **You will be able to** find your way on the map; split data honestly; choose a metric; tell a real score from a leak; put an interval around a score; say what choosing costs, and cross-validate.
#
# **Needs** Python, a little NumPy (array, shape, mask), school algebra · **Minutes** 85 to teach, 120 to study · **CPU** 15 s
#
# On the map: `deep-learning` · `data-practice`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses more data
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # 3 trains three times as long; here nothing is trained in steps

# %%
import numpy as np
import torch
from scipy.sparse import hstack
from sklearn.datasets import make_moons
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, pairwise_distances, roc_auc_score
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET)
rng = np.random.default_rng(SEED)
claim("PyTorch puts an array on the device of this run (1 is yes)",
      torch.arange(10, device=run.device).device.type == run.device.type, at_least=1)

# %%
concept_map.show(simple=True)
concept_map.show(progress=True)

# %% [markdown]
# ## 1 · One sentence and a map
#
# On the map: `deep-learning`
#
# *Deep learning extends the neural network, and the neural network is an ensemble of regressions.*
#
# An engineer of an ad platform drew the map around that sentence, this course's **thesis** (논지). By **deep learning** (딥러닝) it means networks of many layers, each fed by the one before. Above is its skeleton, then the whole.
# A rectangle is a concept, an ellipse a family of algorithms, plain text a detail. Bold is a key idea; a dashed arrow links two branches.
# You need none of these words yet. Click a node to open its lecture.
#
# Read, commit to an answer at *Predict first*, run. `dlmap start 00` in a terminal gives you a copy and the exercises; they colour your map.

# %% [markdown]
# A line with ✔ is a **claim** (주장): a sentence, what was measured, and its bound. ≥ means "at least", ≤ "at most", ∈ "between".
# The one at the top is about PyTorch, a library of later lectures.
#
# Now the thesis, its second half. A *regression* is here a machine that answers with a probability.
# It multiplies each input by a weight, adds a bias, and squeezes the sum $z$ between 0 and 1, by $1 / (1 + e^{-z})$, where $e$ is 2.718 ….
# For the inputs 1 and 2, the weights 0.5 and −1, and the bias 1: $z = 0.5 - 2 + 1 = -0.5$, and the answer is $1/(1+e^{0.5}) = 0.38$.
#
# To which of two half-moons does a point belong? scikit-learn *trains*: it finds weights that answer well on half of 1,000 points, for one regression of the two coordinates, and for a *network*: sixteen regressions (`(16,)`) look at the point, one more at their answers.

# %%
points, moon = make_moons(1000, noise=0.2, random_state=SEED)  # (1000, 2) and (1000,)
alone = LogisticRegression().fit(points[:500], moon[:500])
network = MLPClassifier((16,), activation="logistic", solver="lbfgs", max_iter=2000,
                        alpha=0.1,  # for a smooth border; lecture 06 says how
                        random_state=SEED).fit(points[:500], moon[:500])

side = np.linspace(-2, 3, 200), np.linspace(-1.5, 2, 200)
grid = np.stack(np.meshgrid(*side), axis=-1).reshape(-1, 2)  # 40,000 points of the plane
right = [machine.score(points[500:], moon[500:]) for machine in (alone, network)]
fig, axes = plots.panels("A network bends where one regression is straight",
                         [f"one regression: {100 * right[0]:.0f} % of unseen points",
                          f"a network: {100 * right[1]:.0f} %"],
                         xlabel="first coordinate", ylabel="second coordinate", sharey=True)
for ax, machine in zip(axes, (alone, network), strict=True):
    p = machine.predict_proba(grid)[:, 1].reshape(200, 200)  # the probability of moon 1
    ax.contour(*side, p, levels=[0.5], colors=plots.INK)
    ax.scatter(*points[500:].T, c=np.where(moon[500:], plots.ORANGE, plots.BLUE), s=5)
plots.show("Two half-moons of dots; a straight border on the left, a bent one right.")

# %% [markdown]
# Colours are the true moons. The *accuracy* is the share of dots that are right; 96 % against 95 % is one *point*. At the black border the machine says ½.
# (`"logistic"` is the squeeze; the other settings steer the search.)
#
# Is that really all? Take the network's numbers out (`w1` is (2, 16), a table of 2 rows and 16 columns: a column for each of the sixteen; `w2` is (16, 1)) and build it from regressions.
# A group of machines whose answers are combined is an *ensemble*.
# In code, `x @ w` multiplies each row of inputs by the weights and adds up, for all rows and all regressions at once.
#
# Lectures 01 to 05 earn this half; 04 shows where it stops being the whole story. Lectures 06 to 20 are the first half.

# %%
def regression(x, w, b):
    """(n, inputs) -> (n, outputs) probabilities; each column of w is a regression."""
    return 1 / (1 + np.exp(-(x @ w + b)))


(w1, w2), (b1, b2) = network.coefs_, network.intercepts_  # the network's own numbers
opinions = regression(points[500:], w1, b1)    # (500, 16): sixteen look at each point
verdict = regression(opinions, w2, b2)[:, 0]   # (500,): one looks at the sixteen
by_network = network.predict_proba(points[500:])[:, 1]

# %%
claim("the network is 16 regressions and one on top of them (largest difference)",
      np.abs(verdict - by_network).max(), at_most=1e-9)
claim("on unseen points they beat a single regression (points of accuracy)",
      100 * (right[1] - right[0]), at_least=4)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Do not explain the nodes: each has its lecture.
# If an import fails, run `dlmap doctor`: it says what to do.
# At the two moons it is enough that everybody knows what the sixteen columns of `w1` are.

# %% [markdown]
# ## 2 · A score without a baseline says nothing
#
# On the map: `data-practice`
#
# A score means something only beside a **baseline** (기준선), the score of the simplest thing you could do instead.
# Such habits are **data practice** (데이터 다루기).
#
# Our data is an **ad log** (광고 로그). Each time that an ad is shown to a user is an **impression** (노출), a row; two weeks have 200,000.
# About 4 % are clicked.
# The log is made by a program, so for once the true probability of each click is known.
# Below are five impressions, two clicked and three not, for once side by side: each *column* of numbers is one. Everything is numbered from 0.

# %%
log = data.load("ads", rows=200_000, seed=SEED)
MEANING = {
    "user": "who looked: 400 users", "age": "of the user, in 6 groups",
    "gender": "of the user", "ad": "what was shown: 50 ads",
    "advertiser": "who pays for the ad: 16", "category": "what the advertiser sells: 8",
    "context": "where on a site: 30 places", "site": "the site of the place: 5",
    "position": "on the page, 0 is the top", "device": "phone, tablet, computer",
    "day": "0 to 13, two weeks", "hour": "0 to 23",
}
clicked, passed = np.flatnonzero(log.click == 1), np.flatnonzero(log.click == 0)
five = log[np.append(clicked[:2], passed[:3])]
for name, meaning in MEANING.items():
    print(f"{name:>10}", *(f"{value:5}" for value in five.features[name]), f"  {meaning}")
print(f"{'click':>10}", *(f"{value:5}" for value in five.click), "  1 is a click")
print(f"{'truth':>10}", *(f"{100 * p:5.1f}" for p in five.truth), "  the probability, in %")

# %% [markdown]
# The **training** (훈련) rows teach the model, the **validation** (검증) rows choose between models, and the **test** (테스트) rows judge the chosen one, once.
# A click model predicts the future, so split by time: eight days, three days, three days.
#
# The model is one regression, as in section 1. An input has to be a number in which more means more. "Ad 7" is no such number, and noon is not "more" than 11 for clicks.
# So `one_hot` gives each ad an input of its own, a *column*: 1 if it is this ad, else 0.
# `fit` finds the weights from the training rows (lecture 01 shows how).

# %%
day = log.features["day"]
# log[condition]: the rows for which it holds
train, validation, test = log[day < 8], log[(day >= 8) & (day < 11)], log[day >= 11]
attributes = ["age", "gender", "category", "site", "position", "hour", "device"]


def fit_predict(train, test, columns):
    """Click probabilities for `test`, (len(test),), from a regression fitted on `train`."""
    model = LogisticRegression(max_iter=300).fit(train.one_hot(columns), train.click)
    return model.predict_proba(test.one_hot(columns))[:, 1]  # column 1: of a click

# %% [markdown]
# A *metric* makes one number of predictions and answers. The first of three judges yes and no, the others the order.
#
# - **Accuracy** (정확도): how often yes or no is right; yes is a probability above ½.
# - **AUC** (곡선 아래 면적): the chance that a random click is ranked above a random non-click. A tie counts half, so ½ is guessing. Clicks get 0.3 and 0.1, non-clicks 0.2 and 0.1: of the four pairs two are right, one is wrong, one is a tie: 2.5 / 4 = 0.625. (The name: it is the area under a curve, too.)
# - **Average precision** (평균 정밀도): sort by probability, the largest first. At each click write down which share of the rows *so far* are clicks, then average. Clicks in the places 1 and 4: (1/1 + 2/4) / 2 = 0.75. Guessing gives the click rate, here 0.04.

# %% [markdown]
# Money needs the probability itself. It is judged by the **log-loss** (로그 손실): the mean of −log (the natural logarithm) of the probability that was given to what happened: $p$ for a click, $1-p$ for none.
# Say 4 % to everybody: a click costs $-\log 0.04 = 3.22$, a non-click $-\log 0.96 = 0.04$; the mean is $0.04 \cdot 3.22 + 0.96 \cdot 0.04 = 0.17$.
#
# Of all numbers that one could say to everybody, the **base rate** (기저율), the share of clicks, has the smallest log-loss.
# The true probabilities have a smaller one on average, but not zero: who knows "10 %" still does not know which of ten.
# How far has a model come from the base rate's to the truth's? This is the **share of the gap** (격차 해소율):
#
# $$\text{share} = \frac{\text{loss(base rate)} - \text{loss(model)}}{\text{loss(base rate)} - \text{loss(truth)}}$$
#
# All three are log-losses on the same rows. With 0.17, 0.15 and 0.12: $0.02 / 0.05$, so 40 %.

# %% [markdown]
# Two candidates: the attributes alone, or the numbers of user and ad as well.
# The validation rows choose the one with the larger share of the gap; the test rows are touched once, after that. The winner is *the model* below.
#
# **Predict first.** A baseline says "no click", always.
# By how many points is the better model's accuracy above it on the test rows?

# %%
ACCURACY = ("by more than 10", "by 1 to 10", "by less than 1")
predict("00.accuracy", *ACCURACY)

# %%
candidates = {"attributes": attributes, "attributes, user, ad": [*attributes, "user", "ad"]}
scores = {name: validation.share_of_gap(fit_predict(train, validation, columns))
          for name, columns in candidates.items()}
columns = candidates[max(scores, key=scores.get)]  # the candidate with the larger score
print("share of the gap on the validation rows:",
      *(f"{name} {100 * score:.0f} %" for name, score in scores.items()), sep="\n  ")
p = fit_predict(train, test, columns)

answers = {"never click": np.zeros(len(test)), "model": p, "truth": test.truth}
METRICS = {"accuracy": lambda click, p: np.mean((p > 0.5) == click),
           "AUC": roc_auc_score, "average precision": average_precision_score}
table = {f"{metric}: {name}": score(test.click, q)
         for metric, score in METRICS.items() for name, q in answers.items()}
gain = 100 * (table["accuracy: model"] - table["accuracy: never click"])
outcome("00.accuracy", ACCURACY[0 if gain > 10 else 1 if gain > 1 else 2])
plots.bars("Accuracy hardly sees a difference; AUC and average precision do", table,
           xlabel="score on the test rows", digits=3,
           colors={f"{metric}: {name}": color for metric in METRICS for name, color in
                   (("never click", plots.GREY), ("truth", plots.COLOR["truth"]))})
plots.show("All three accuracies are nearly 1; the AUC and the average precision "
           "rise from the baseline to the model to the truth.")

# %% [markdown]
# Hardly an impression is more likely clicked than not: cut at ½, even the *truth* nearly always says "no".
#
# AUC and average precision answer two questions. The AUC asks whether the order is right over all rows.
# Average precision looks at the top of the list, the impressions that you would pay for: most of those are not clicked.
# It rises with the click rate, so give that rate beside it. Drop nine of ten non-clicks, and the same model looks far better.
# The AUC stays: it compares clicks with non-clicks, however many there are.
#
# At the end, the share of the gap in our own log-losses.

# %%
claim("at 4 % clicks the model and 'never click' are alike (points of accuracy)",
      abs(gain), at_most=0.03)
claim("its AUC is far above the one half of guessing", table["AUC: model"], at_least=0.74)
thin = (test.click == 1) | (rng.random(len(test)) < 0.1)  # all clicks, a tenth of the rest
auc_thin, ap_thin = (METRICS[name](test.click[thin], p[thin])
                     for name in ("AUC", "average precision"))
claim("nine of ten non-clicks dropped: the average precision grows (ratio)",
      ap_thin / table["average precision: model"], at_least=3)
claim("but the AUC stays (difference)", abs(auc_thin - table["AUC: model"]), at_most=0.01)

base = test.log_loss(np.full(len(test), test.click.mean()))
model, truth = test.log_loss(p), test.log_loss(test.truth)
share = (base - model) / (base - truth)
print(f"({base:.3f} − {model:.3f}) / ({base:.3f} − {truth:.3f}) = {share:.2f}")
claim("the model closes a part of the gap from base rate to truth (%)",
      100 * share, at_least=31)

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# Take the five impressions slowly.
# Before the prediction, ask for the baseline's accuracy (96 %; somebody will say 50), then for the gain.
# The point: the metric was chosen before the model.
# Do the four pairs of the AUC on the board; the tie is what people forget.

# %% [markdown]
# ## 3 · A feature that knows the answer
#
# On the map: `data-practice`
#
# A feature (an input) computed from the very answers it is judged on makes a wonderful score, worth nothing.
#
# For example: how often this user clicked this ad. Over the table it contains each row's own click, the test rows' too.
# That is a **leak** (누수): knowledge that will not be there when the model is used.
#
# One click in two impressions is not yet 50 %. So each pair of user and ad starts with ten more (our choice), at 4 % clicks, which is 0.4: $(1 + 0.4) / (2 + 10)$ is 12 %.
#
# The *leaky* model learns from `rate_in` (whole table), the *honest* one from `rate_before` (only the rows before).
#
# **Ask the room.** Which column of your own tables is written *after* the event that you predict?
#
# <details><summary>One answer</summary>
#
# A status that a later step sets: "delivered", "refunded", "visits until today".
# Ask of each column when it was written last.
# </details>

# %%
def smoothed(clicks, shown):
    # ten impressions at 4 %: a careful start for new pairs
    return (clicks + 0.4) / (shown + 10)


def pairs(log):  # 400 users × 50 ads: one number for each of the 20,000 pairs
    return log.features["user"] * log.sizes["ad"] + log.features["ad"]


def rate_in(source, rows):
    """Click rate of each row's (user, ad) pair,
    counted over the whole of `source`: (len(rows),)."""
    # bincount counts the rows of each pair, or adds up their clicks
    clicks = np.bincount(pairs(source), source.click, minlength=20_000)
    shown = np.bincount(pairs(source), minlength=20_000)
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

# %% [markdown]
# (`hstack` glues columns together; `rate[:, None]` makes a list a column.)
# Each is judged twice: on the test rows, and *in use*, on new impressions whose clicks nobody has counted.
# In use both get the same rates, from all fourteen days; so only what they learned in training differs. (Take the new impressions as the same fortnight lived once more: their own clicks are not counted, so this is no leak.)

# %%
def with_rate(log, rate):  # the attributes, and one more column of numbers
    return hstack([log.one_hot(attributes), rate[:, None]]).tocsr()


new = data.load("ads", rows=60_000, seed=SEED + 1000)
before, use = rate_before(log), rate_in(log, new)
rates = {"leaky": (rate_in(log, train), rate_in(log, test)),
         "honest": (before[day < 8], before[day >= 11])}
share, auc_of = {}, {}
for name, (for_train, for_test) in rates.items():
    model = LogisticRegression(max_iter=300).fit(with_rate(train, for_train), train.click)
    for where, rows, rate in (("on the test rows", test, for_test), ("in use", new, use)):
        q, bar = model.predict_proba(with_rate(rows, rate))[:, 1], f"{name}, {where}"
        share[bar], auc_of[bar] = 100 * rows.share_of_gap(q), roc_auc_score(rows.click, q)
plots.bars("The leak promises what it cannot keep; the honest feature serves better", share,
           xlabel="share of the gap (%)", unit=" %",
           colors={"leaky, on the test rows": plots.RED})
plots.show("The leaky feature scores twice as high on test rows as in use; "
           "the honest one is better in use.")

# %%
claim("the leak inflates the AUC: test rows against use (difference)",
      auc_of["leaky, on the test rows"] - auc_of["leaky, in use"], at_least=0.1)
claim("counted before each row, the test AUC is the AUC in use (difference)",
      abs(auc_of["honest, on the test rows"] - auc_of["honest, in use"]), at_most=0.02)
claim("in use the honest feature closes more of the gap (percentage points)",
      share["honest, in use"] - share["leaky, in use"], at_least=4)

# %% [markdown]
# The feature is good. Wrong were the *promise* and the training: a model that learned from rates which contain the answer trusts them too much.
# The rule: at each row, a feature may use only what was *known* before that row. (If a day's clicks are reported at night, that means the days before.)
# The honest bar rises in use, probably since its rates are then counted from more days.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
#
# The usual objection: "but the feature is useful". It is, and the last bar shows it, when it is counted in time.
# Exercise 4 asks for the walk again, day by day.

# %% [markdown]
# ## 4 · The same hand on both sides
#
# On the map: `data-practice`
#
# How you split decides which question the score answers. Split rows at random, and every test user was already seen in training.
# Fine, for the same users; a leak, if you promise a score for *new* ones.
#
# scikit-learn's famous table leaks so: 1,797 handwritten **digits** (손글씨 숫자). They are by 13 people, and the rows lie writer by writer.
# No column names the writer. But each copied one list onto a sheet, a *form*. The list begins with 0 … 9 a few times, then goes on mixed. So a 0 … 9 more than 50 rows after the last begins a new form. There are 14: one person filled two.
# Below are four beginnings, a row each: only in the third the 1 has a foot.

# %%
digits = data.load("digits")
pixels, ten = digits.x / 16, np.arange(10)  # pixels (1797, 64), 0 is white, 1 black
runs = np.array([i for i in range(1788) if (digits.y[i : i + 10] == ten).all()])
begins = runs[np.diff(runs, prepend=-99) > 50]  # a form starts with several such runs
form = np.searchsorted(begins, np.arange(1797), side="right") - 1  # of each row: 0 to 13
four = pixels[(begins[[0, 3, 4, 11], None] + ten).ravel()].reshape(40, 8, 8)
plots.images(four, "The first ten digits of four forms: look at the 1, the 4 and the 7")
plots.show("Zero to nine as written on four forms; each form has a style of its own.")

# %% [markdown]
# A regression for each digit, ten whose answers sum to one, learn to read them (lecture 01 calls this softmax regression).
# Go seven rounds. In each a seventh of the rows is left out: the model learns from the rest, and reads it.
# So each row is judged once, by a model that has not seen it.
#
# Cut the sevenths in two ways: shuffled rows, or two whole forms each. Both leave about as many rows to learn from.
# And look for each digit's most similar image, pixel by pixel: on whose form is it? (By chance on the same in 1 of 14 cases, 0.07.)
#
# For the ad log, learn from 70 % of the rows at random, or from all rows of 70 % of the users.

# %%
def judged_once(part, rounds=7):
    """Share of digits read right; part (1797,) is the round in which a row is left out."""
    right = np.zeros(1797, dtype=bool)
    for number in range(rounds):
        out = part == number
        model = LogisticRegression(max_iter=200).fit(pixels[~out], digits.y[~out])
        right[out] = model.predict(pixels[out]) == digits.y[out]
    return 100 * right.mean()


shuffled = judged_once(rng.permutation(1797) % 7)       # a random round for each row
by_form = judged_once((rng.permutation(14) % 7)[form])  # a random round for each form
distance = pairwise_distances(pixels)  # (1797, 1797)
np.fill_diagonal(distance, np.inf)     # a row is not its own neighbour
same_form = np.mean(form[distance.argmin(axis=1)] == form)

# %%
# ("user", "category") is a cross: a column for each combination of the two
detailed = [*attributes, "ad", "user", ("user", "category")]
by_row = rng.random(len(log)) < 0.7  # 70 % of the rows, to learn from
by_user = (rng.random(400) < 0.7)[log.features["user"]]  # one draw for each user
seen_users, new_users = (
    100 * roc_auc_score(log[~part].click, fit_predict(log[part], log[~part], detailed))
    for part in (by_row, by_user))
plots.bars("A random split of rows answers another question",
           {"digits, shuffled rows: accuracy": shuffled,
            "digits, whole forms: accuracy": by_form,
            "clicks, split by row: AUC": seen_users,
            "clicks, split by user: AUC": new_users},
           xlabel="score (%)", digits=1,
           colors={"digits, shuffled rows: accuracy": plots.RED,
                   "clicks, split by row: AUC": plots.RED})
plots.show("Two pairs of bars: split by row scores higher than by form or by user.")

claim("a digit's most similar image is on the same form (share; by chance 0.07)",
      same_form, at_least=0.5)
claim("digits: shuffled rows flatter the score for new hands (points of accuracy)",
      shuffled - by_form, at_least=3)
claim("clicks: a split by row flatters the score for new users (points of AUC)",
      seen_users - new_users, at_least=5.5)

# %% [markdown]
# Shuffled, many mistakes disappear: the model seems to know the hands. (An AUC of 0.79 is drawn as 79 %.)
# The click model's `detailed` inputs have the users in them: for new ones, of no use.
# Split as the model will be used: `GroupKFold` keeps groups together, `TimeSeriesSplit` the order of time.
#
# Two more things are often done *before* the split:
#
# - (a) Scaling: from each column subtract its mean, divide by its standard deviation (their usual distance from the mean), over *all* rows. Tried on 569 breast tumours, malignant or not, with 30 columns.
# - (b) Choosing: of 5,000 columns keep the 20 whose means differ most clearly between the answers, over *all* rows. Tried on *pure noise*, 200 rows, with answers thrown by a coin.

# %%
cancer = data.load("breast_cancer")
noise, coin = rng.normal(size=(200, 5000)), rng.integers(0, 2, 200)
steps = {"scaled": (StandardScaler(), cancer.x, cancer.y),
         "noise, chosen": (SelectKBest(k=20), noise, coin)}


def auc_after(step, x, y, on):
    """AUC on the second half of the rows, after `step` was fitted on that of `on`."""
    halves = train_test_split(x, y, test_size=0.5, random_state=SEED)
    x_train, x_test, y_train, y_test = halves
    step.fit(*((x, y) if on == "all rows" else (x_train, y_train)))
    model = LogisticRegression(max_iter=1000).fit(step.transform(x_train), y_train)
    return roc_auc_score(y_test, model.predict_proba(step.transform(x_test))[:, 1])

# %% [markdown]
# **Predict first.** `step.fit` computes the means, or the choice. Which one flatters the AUC more? The honest AUC of noise is ½.

# %%
EARLY = ("(a) scaling", "(b) choosing columns", "neither gains more than 0.01")
predict("00.early", *EARLY)

# %%
scores = {f"{name} on {on}": auc_after(*step, on) for name, step in steps.items()
          for on in ("all rows", "training rows")}
scaled, scaled_late, chosen, chosen_late = scores.values()
gains = [scaled - scaled_late, chosen - chosen_late]
outcome("00.early", EARLY[2 if max(gains) < 0.01 else int(np.argmax(gains))])
plots.bars("Scaling early is harmless here; choosing columns early invents a signal",
           scores, xlabel="AUC", digits=3, colors={"noise, chosen on all rows": plots.RED})
plots.show("Scaled scores are equal; noise columns chosen on all rows score high.")

# %% [markdown]
# Here the step that never sees the answers leaks next to nothing, and the step that sees them leaks a lot.
# You need not judge case by case: put every step into a `Pipeline` of scikit-learn, and it is fitted on training rows only.

# %%
claim("scaling before the split changes next to nothing (difference of AUC)",
      abs(gains[0]), at_most=0.001)
claim("choosing columns before the split finds a signal in pure noise (AUC)",
      chosen, at_least=0.78)
claim("choosing them on the training rows does not (AUC)",
      chosen_late, at_least=0.33, at_most=0.67)

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Let the room find what each writer does in his own way.
# Expect (a); the measurement says (b), by far. Scaling knows the means of all columns but no answer.

# %% [markdown]
# ## 5 · How much data, and how sure?
#
# On the map: `data-practice`
#
# More data brings the training and the validation score together, and a score is known only to within an interval.
#
# A **learning curve** (학습 곡선) draws the score against the number of training rows.
# While training and validation are far apart, more data usually helps (so may a simpler model). Once they meet, only a better model helps.
#
# Here from 1,000 rows (few) to 120,000 (many), again of all fourteen days.
#
# **Predict first.** 100 % of the gap is the truth itself. Can a model score above 100 % on its own training rows?

# %%
MEMORY = ("yes, with few rows", "yes, with many rows", "no, never")
predict("00.memory", *MEMORY)

# %%
supply = data.load("ads", rows=run.pick(lecture=120_000, full=1_000_000), seed=SEED + 3000)
sizes = np.geomspace(1000, len(supply), 7).astype(int)  # each about twice the one before
curves = {"train": [], "validation": []}
for size in sizes:
    part = supply[rng.permutation(len(supply))[:size]]
    for name, rows in (("train", part), ("validation", validation)):
        curves[name].append(100 * rows.share_of_gap(fit_predict(part, rows, detailed)))

fig, ax = plots.figure("More rows bring the lines together",
                       xlabel="training rows", ylabel="share of the gap (%)")
for name, curve in curves.items():
    ax.semilogx(sizes, curve, "o-", color=plots.COLOR[name])
    plots.name(ax, sizes[-1], curve[-1], name, plots.COLOR[name])
plots.show("With few rows the training score is far above the validation score; "
           "with many they come close.")
few, lots = np.array(curves["train"])[[0, -1]] > 100
outcome("00.memory", MEMORY[0 if few and not lots else 1 if lots else 2])

distance = np.subtract(curves["train"], curves["validation"])
claim("with few rows the model beats the truth on its own training rows, by memory (%)",
      curves["train"][0], at_least=120)
claim("the distance of training and validation shrinks: most rows over fewest (ratio)",
      distance[-1] / distance[0], at_most=0.25)

# %% [markdown]
# They have not met: still more rows should help. Below 0 % a model is worse than one number for everybody.
# Above 100 % is memory: the model knows which of these very rows were clicked, which no probability can know.
#
# With $n$ rows and a standard deviation $s$ of the loss per row, a 95 % **confidence interval** (신뢰구간) is the score $\pm 1.96\, s / \sqrt n$.
# Means of many rows scatter like a bell curve, $s/\sqrt n$ wide, and 95 % of a bell lie within 1.96 widths of its middle. So of 100 such intervals about 95 should contain the score on endless rows.
# With $s = 0.6$ and $n = 2000$: $1.96 \cdot 0.6 / 44.7 = 0.026$. Four times the rows, half the width.
#
# Is that true? Draw a hundred test sets, and count. Then compare two models, `detailed` and the attributes alone. The black line is the score on 400,000 other rows.

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
plots.name(ax, 101, score, "400,000\nother rows", plots.INK, dx=8, fontsize=10)
ax.set_xlim(-2, 101)
plots.show("A hundred vertical intervals around a horizontal line, the score on 400,000 "
           "other rows; the few that do not cross it are red.")

# %%
claim("about 95 in 100 intervals contain the score on other rows (share)",
      np.mean(hit), at_least=0.86, at_most=0.99)

other = loss_per_row(many, fit_predict(train, many, attributes))
claim("two models compared row by row: the interval of the difference "
      "is narrower than that of a score (ratio)",
      np.std(other - losses) / np.std(losses), at_most=0.4)

# %% [markdown]
# Often only 90 to 93 hit: with few clicks the bell fits badly.
#
# So to compare two models, judge them on the *same* rows and look at the difference.
# If they are alike, most of the luck of a test set hits both, and cancels.
#
# **Ask the room.** Your new model's log-loss is 0.3 % smaller on 2,000 rows. Which two numbers do you want to see before you switch?
#
# <details><summary>One answer</summary>
#
# The difference in the unit that you are paid in, and its interval, on the same rows for both models.
# If the interval contains zero, the rows cannot tell the two apart yet.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Expect: "the p-value". Steer to: the size of the difference, and its interval on the same rows.

# %% [markdown]
# ## 6 · Choosing has a price, and folds stretch few rows
#
# On the map: `data-practice`
#
# The best of many scores is too good, because luck was chosen along with the model.
#
# A hundred people each call twenty tosses of a coin. Most get about ten right; the *best* 75 to 80 %.
# Toss again, and the same person is back at ten. The winner's score promises more than the winner keeps: the **winner's curse** (승자의 저주).
#
# Some models *are* better. Does the curse remain? Take forty candidates, each a regression on 5,000 rows; for each, coins decide which of eleven features it gets.
# One round: draw 1,000 of 60,000 rows and compute forty AUCs. The best is *promised*. The same model's AUC on all 60,000 (with the 1,000) is *kept*. Sixty rounds, averaged; `promised` is (60, 40).

# %%
def auc(click, p):
    """Section 2's AUC: all pairs of a click and a non-click; a tie counts half."""
    yes, no = p[click == 1][:, None], p[click == 0]  # a column and a row: a table of pairs
    return np.mean((yes > no) + (yes == no) / 2)


fresh = data.load("ads", rows=60_000, seed=SEED + 6000)
small = train[rng.permutation(len(train))[:5000]]
names = [*attributes, "user", "ad", "context", "advertiser"]
guesses, kept = [], []
for _ in range(40):
    half = [name for name in names if rng.random() < 0.5] or ["ad"]
    guesses.append(fit_predict(small, fresh, half))
    kept.append(roc_auc_score(fresh.click, guesses[-1]))
draws = rng.permutation(60_000).reshape(60, 1000)  # sixty validation sets
promised = np.array([[auc(fresh.click[rows], p[rows]) for p in guesses] for rows in draws])

# %% [markdown]
# **Predict first.** The winner of forty has some AUC on the 1,000 rows that chose it.
# On the 60,000 its AUC will be, on average over sixty such choices,

# %%
CURSE = ("higher by more than 0.01", "the same within 0.01", "lower by more than 0.01")
predict("00.winner", *CURSE)

# %%
counts, said, held = [1, 2, 5, 10, 20, 40], [], []
for count in counts:  # each choice is among so many of the forty, drawn anew
    best = []
    for scores in promised:
        few = rng.permutation(40)[:count]
        best.append(few[scores[few].argmax()])
    said.append(promised[np.arange(60), best].mean())  # choice 0's winner, choice 1's …
    held.append(np.mean(np.array(kept)[best]))

fig, ax = plots.figure("The more you choose from, the less the winner keeps of its promise",
                       xlabel="candidates to choose from", ylabel="AUC (mean of 60)")
for curve, label, color in ((said, "promised", plots.COLOR["validation"]),
                            (held, "kept", plots.COLOR["test"])):
    ax.semilogx(counts, curve, "o-", color=color)
    plots.name(ax, 40, curve[-1], label, color)
ax.set_xticks(counts, counts)
ax.minorticks_off()
plots.show("Promised and kept AUC begin together and drift apart as the candidates grow.")
lost = said[-1] - held[-1]
outcome("00.winner", CURSE[2 if lost > 0.01 else 0 if lost < -0.01 else 1])

# %% [markdown]
# So the chosen model is better than one at random, and worse than its own validation score says.
# This is what the test rows are for: they took no part in the choice. Use them to choose, and they are validation rows.
# Fewer candidates make the price smaller, but what is kept, too: see the left end. More validation rows should cut only the price.

# %%
claim("the best of forty on 1,000 rows promises more than it keeps (difference of AUC)",
      lost, at_least=0.02)
claim("it is worth choosing all the same: best of forty over one at random (AUC, kept)",
      held[-1] - held[0], at_least=0.01)

# %% [markdown]
# **Few rows?** Then a test set of a fifth is small, and its score hangs on which rows it got.
# **Cross-validation** (교차 검증) cuts the rows into, say, five parts of equal size, the **folds** (폴드).
# Each fold is left out once: learn from the other four, judge on it. The score is the mean of the five.
# Section 4 did it with seven folds of digits.

# %%
s = schematics.Sketch("Five folds: each row is judged once, by a model new to it",
                      width=9, height=3.2)
for turn in range(5):
    y = 2.95 - 0.56 * turn
    s.text(f"round {turn + 1}", (0.7, y), fontsize=12)
    for fold in range(5):
        word, kind = ("judge", "family") if fold == turn else ("learn", "concept")
        s.box(word, at=(1.95 + 1.12 * fold, y), kind=kind, size=(1.04, 0.44), fontsize=12)
    s.arrow((7.05, y), (7.6, y))
    s.text(f"score {turn + 1}", (8.15, y), fontsize=12)
s.text("their mean", (8.15, 0.16), fontsize=12, fontweight="bold")
s.text("all rows, shuffled, in five folds", (4.2, 0.16), fontsize=12)
s.show("Five rounds; in each another fifth judges, and the rest is learned from.")

# %% [markdown]
# What is gained? Shuffle the 569 tumours twenty times. How much does a score wander from shuffle to shuffle: that of a single fold, and the mean of five?
# `make_pipeline` is section 4's advice: the scaling is fitted in each round anew, on the four folds only.
# `one` is taken over all 100 single scores.

# %%
machine = make_pipeline(StandardScaler(), LogisticRegression())
cuts = [KFold(5, shuffle=True, random_state=20 * SEED + turn) for turn in range(20)]
scores = np.array([cross_val_score(machine, cancer.x, cancer.y, cv=cut) for cut in cuts])
one, five = scores.std(), scores.mean(axis=1).std()  # scores: (20 shuffles, 5 folds)
print(f"{100 * scores.mean():.1f} % right; standard deviation over the shuffles:",
      f"{100 * one:.1f} points with one fold, {100 * five:.1f} with five")
claim("from shuffle to shuffle the mean of five folds wanders less than one fold (ratio)",
      five / one, at_most=0.5)

# %% [markdown]
# The price is five times the work. Only the luck of the *cut* is averaged away: with other patients the score would be another, which twenty shuffles cannot show.
#
# **Ask the room.** You choose among forty models by cross-validation, and report the winner's score. Is the report honest?
#
# <details><summary>One answer</summary>
#
# No: the score chose the winner, so the curse applies, though usually smaller than with one part of the rows.
# Keep test rows aside before the first fold is cut, or cross-validate the whole procedure, the choice included.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Play the coins with the room: all stand up and call heads or tails; who is wrong sits down. Stop at the last one standing. Ask for the method.
# At the folds ask what five folds of the digits should be: whole forms.
# For a log with a time, folds are days, and a day is judged by what came before it.

# %% [markdown]
# ## What goes wrong in practice
#
# - Duplicates: one picture on both sides.
# - The log has only what the old system chose to show (lecture 15).
# - The world moves: with a trend, a random split flatters too.
#
# ## Summary
#
# 1. Deep learning extends the neural network; the neural network is, in form, an ensemble of regressions.
# 2. A baseline, then a model; and a metric that can tell them apart. At 4 % clicks, accuracy hardly can.
# 3. Split first, as you will use the model: by time, by user, by writer.
# 4. Whatever has seen a test answer, even through a feature, is a leak.
# 5. A score has an interval, the difference of two models that are alike a narrower one, on the same rows; and the best of many scores is too good.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 00`, then open `exercises/work/00_exercises.ipynb`: five tasks, about 65 minutes.
#
# - S. Kaufman, S. Rosset, C. Perlich, O. Stitelman (2012), *Leakage in Data Mining*, ACM TKDD 6.
# - C. Ambroise, G. J. McLachlan (2002), *Selection bias in gene extraction on the basis of microarray gene-expression data*, PNAS 99.
# - J. Davis, M. Goadrich (2006), *The relationship between Precision-Recall and ROC curves*, ICML.
# - G. C. Cawley, N. L. C. Talbot (2010), *On over-fitting in model selection and subsequent selection bias in performance evaluation*, JMLR 11.
