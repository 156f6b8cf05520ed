# %% [markdown]
# # 03 · Ensembles: exercises
#
# Six tasks, about 100 minutes, after lecture 03.
# Write your code where a cell says `# your code here`, run the cell, then run the check below it.
# ○ is not written yet, ✗ says what is wrong and which hint helps, ✔ is right, and saved.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Draw bootstrap samples
#
# **build** · level ●○○ · 10 minutes · `bootstrap` `bagging`
#
# *So that the machines of a bag have something to differ by, and an honest score for nothing.*
#
# Return two arrays of shape `(samples, n)`: the row numbers of that many bootstrap samples of `n` rows, and a mask.
# `mask[s, i]` is `True` where sample `s` misses row `i`.
# Draw from the generator `rng` and from nothing else.
#
# <details><summary>Hint 1</summary>A bootstrap sample is drawn with replacement: a row may come twice. Every row has the same chance in every draw, the first and the last one too.</details>
# <details><summary>Hint 2</summary><code>rng.integers(n, size=...)</code> draws from 0 to n − 1. For the mask start from ones of type bool, and set the drawn rows to False, sample by sample.</details>

# %%
def bootstrap(n, samples, rng):
    """n rows, a NumPy generator -> drawn rows (samples, n) int, missed rows (samples, n) bool."""
    # solution
    drawn = rng.integers(n, size=(samples, n))
    missed = np.ones((samples, n), dtype=bool)
    np.put_along_axis(missed, drawn, False, axis=1)
    return drawn, missed
    # end solution


# %%
check("03.bootstrap", bootstrap)

# %% [markdown] tags=["solution-only"]
# About 37 % of the rows are out of bag. A machine judged on them is judged on rows it has not seen, without giving any away.
# `np.random.choice(n, n)` works too, but draws from a hidden state that anybody may have moved.

# %% [markdown]
# ## 2 · The best question
#
# **build** · level ●●○ · 25 minutes · `weak-machine`
#
# *Because whoever has written a stump has understood trees.*
#
# Which question "is column $j$ at most $t$?" leaves the smallest squared error, when each side answers with its mean?
# Return $j$, $t$ and that squared error, summed over all rows. $t$ lies halfway between two neighbouring values of the column.
# If no column can be split, return `-1`, `0.0` and the squared error of the mean.
# On a tie, the first column wins, and in it the smallest $t$.
#
# <details><summary>Hint 1</summary>Loop over columns and over <code>np.unique</code> of each; its neighbours' midpoints are all the cuts there are. A loop is fine here.</details>
# <details><summary>Hint 2</summary>The squared error of one side is <code>((side - side.mean()) ** 2).sum()</code>. Add both sides: a sum, not a mean of two means.</details>
# <details><summary>Hint 3</summary>Start with j = -1, t = 0.0 and the error of the whole, and replace them only when the error is smaller by more than rounding (say 1e-9).</details>

# %%
def best_split(X, y):
    """X: (n, d), y: (n,) -> column j, cut t, and the summed squared error of both sides."""
    # solution
    best = -1, 0.0, float(((y - y.mean()) ** 2).sum())
    for j in range(X.shape[1]):
        order = X[:, j].argsort()
        values, sums, squares = X[order, j], y[order].cumsum(), (y[order] ** 2).cumsum()
        n_left = np.arange(1, len(y))
        error = squares[-1] - sums[:-1] ** 2 / n_left - (sums[-1] - sums[:-1]) ** 2 / (len(y) - n_left)
        error[values[:-1] == values[1:]] = np.inf
        i = int(np.argmin(error)) if len(error) else 0
        if len(error) and error[i] < best[2] - 1e-9:
            best = j, (values[i] + values[i + 1]) / 2, error[i]
    return best
    # end solution


# %%
check("03.split", best_split)

# %% [markdown] tags=["solution-only"]
# A plain loop over all cuts costs n² a column; the running sums cost one sort.
# Whoever averages the two sides' mean errors gives a single odd row as much say as all the others together.

# %% [markdown]
# ## 3 · How much is a hundredth model worth?
#
# **predict** · level ●○○ · 10 minutes · `ensemble`
#
# *So that you know when to stop adding models.*
#
# Your team averages ten models. Each has an error of variance 1, and any two errors correlate with 0.5.
# You may either train ninety more of the same kind (**more**), or rebuild the ten so that they correlate with 0.3 (**different**).
# Which gives the smaller variance, and about how large is it? Commit to one letter, then check.
#
# - **a** – more: about 0.05
# - **b** – more: about 0.50
# - **c** – different: about 0.37
# - **d** – different: about 0.10
#
# <details><summary>Hint 1</summary>Two terms: what is shared stays, and the rest is divided by the number of models.</details>
# <details><summary>Hint 2</summary>ρ + (1 − ρ)/M, once with ρ = 0.5, M = 100, and once with ρ = 0.3, M = 10.</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("03.correlation", answer)

# %% [markdown] tags=["solution-only"]
# Ninety more models bring 0.55 down to 0.505. Making the ten less alike brings it to 0.37.
# The hundredth model is worth next to nothing; a different one is worth a lot.

# %% [markdown]
# ## 4 · AdaBoost's weights
#
# **build** · level ●●○ · 15 minutes · `boosting`
#
# *Because the whole of AdaBoost is in these three lines.*
#
# One round: a machine answered `said`, the truth is `y`, both of −1 and 1, and the rows weigh `w`, which sum to one.
# Return its say $\alpha = \frac12 \log \frac{1-\varepsilon}{\varepsilon}$, where $\varepsilon$ is the weight of its mistakes, and the new weights, which sum to one again.
#
# <details><summary>Hint 1</summary>ε is a sum of weights, not a share of rows: <code>w[said != y].sum()</code>.</details>
# <details><summary>Hint 2</summary><code>y * said</code> is 1 where the machine is right and −1 where it is wrong. Multiply each weight by exp(−α y said).</details>
# <details><summary>Hint 3</summary>Divide by the sum at the end, and leave the argument <code>w</code> as it was.</details>

# %%
def reweigh(w, y, said):
    """w: (n,) weights that sum to 1; y, said: (n,) of -1.0 and 1.0 -> alpha, new weights (n,)."""
    # solution
    error = w[said != y].sum()
    alpha = np.log((1 - error) / error) / 2
    new = w * np.exp(-alpha * y * said)
    return alpha, new / new.sum()
    # end solution


# %%
check("03.reweigh", reweigh)

# %% [markdown] tags=["solution-only"]
# Afterwards the mistakes hold exactly half of the weight: for the new weights this machine is a coin.
# So the next one must find something else. If ε is above one half, α is negative, and the vote counts the other way round.

# %% [markdown]
# ## 5 · A stack that is too good
#
# **debug** · level ●●○ · 20 minutes · `stacking`
#
# *Because this bug is invisible in training, and costs you on the first day of use.*
#
# The function below should return out-of-fold answers: each row's comes from a machine that was fitted on the *other* folds.
# `make()` gives a fresh machine with `fit(X, y)` and `predict(X)`; `fold` holds the number of each row's fold.
# With a machine that learns by heart, the answers are perfect. Find the leak, and mend it.
#
# <details><summary>Hint 1</summary>Which rows does the machine see in <code>fit</code>, and which ones does it answer?</details>
# <details><summary>Hint 2</summary>For fold f, fit on <code>fold != f</code> and answer <code>fold == f</code>. Fold numbers need not be 0, 1, 2, …</details>

# %%
def out_of_fold(make, X, y, fold):
    """make: a function that gives a machine; X: (n, d), y: (n,), fold: (n,) -> answers (n,), float."""
    # solution
    answers = np.zeros(len(y))
    for f in np.unique(fold):
        machine = make()
        machine.fit(X[fold != f], y[fold != f])
        answers[fold == f] = machine.predict(X[fold == f])
    return answers
    # exercise
    # answers = np.zeros(len(y))
    # for f in np.unique(fold):
    #     machine = make()
    #     machine.fit(X, y)
    #     answers[fold == f] = machine.predict(X[fold == f])
    # return answers
    # end solution


# %%
check("03.leak", out_of_fold)

# %% [markdown] tags=["solution-only"]
# The loop over folds *looked* like cross-validation. When you review such code, look at the line with `fit`, and at nothing else first.

# %% [markdown]
# ## 6 · Clicks, boosted
#
# **apply** · level ●●● · 30 minutes · `boosting`
#
# *So that you beat the lecture on the ad log.*
#
# Fit gradient boosting on `past` and return click probabilities for the rows of `future`.
# `log.features["user"]` is the column of users, and so on. Use any features and any library you have here.
# The check wants 40 % of the gap on logs that you have not seen; `future.click` is hidden there.
#
# <details><summary>Hint 1</summary>Boosting on the bare attributes is far from enough, and a cut through bare id numbers puts strangers on one side. Encode the ids by their click rate.</details>
# <details><summary>Hint 2</summary><code>TargetEncoder().fit_transform(ids, past.click)</code> encodes out of fold; for the future rows call <code>transform</code>. <code>HistGradientBoostingClassifier</code> is fast.</details>
# <details><summary>Hint 3</summary>Clicks are few, so ask for many rows in a leaf, <code>min_samples_leaf=200</code>. <code>early_stopping=False</code> uses all rows to fit. Do not balance the classes.</details>

# %%
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import TargetEncoder

attributes = ["age", "gender", "category", "site", "position", "hour", "device"]
ids = ["user", "ad", "advertiser", "context"]


def predict_clicks(past, future):
    """past, future: ad logs -> (len(future),) click probabilities."""
    # solution
    def columns(log, names):
        return np.column_stack([log.features[name] for name in names])

    encoder = TargetEncoder()
    encoded = encoder.fit_transform(columns(past, ids), past.click)
    model = HistGradientBoostingClassifier(min_samples_leaf=200, early_stopping=False)
    model.fit(np.hstack([encoded, columns(past, attributes)]), past.click)
    future_columns = np.hstack([encoder.transform(columns(future, ids)), columns(future, attributes)])
    return model.predict_proba(future_columns)[:, 1]
    # end solution


# %%
if check("03.ctr", predict_clicks):
    log = data.load("ads", rows=100_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    share = 100 * future.share_of_gap(predict_clicks(past, future))
    plots.bars("Your boosting on the ad log", {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %", colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# At 4 % clicks a leaf of twenty rows holds one click at most, and its answer is mostly luck; 200 rows hold eight.
# Lecture 01's regression with three crosses still wins. Learning such crosses, in place of cutting, is lecture 08's subject.
