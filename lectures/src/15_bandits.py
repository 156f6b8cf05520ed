# %% [markdown]
# # 15 · Bandits
#
# **Question.** You only see what your own choice earned. How do you choose the next ad, and what does finding out cost?
#
# **You will be able to** choose ads with Thompson sampling, and say what exploration costs; update a belief by Bayes' rule; judge a new policy from an old log.
#
# **Needs** 01, 05 · **Minutes** 90 to teach, 150 to study · **CPU** 35 s
#
# On the map: `bayesian-inference` · `thompson-sampling`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer, with more runs
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression

from utils import concept_map, data, plots, runtime
from utils.claims import claim

# arrays this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)


def band(ax, at, runs, color, name, dy=0):
    """Mean and middle 80 % of runs (runs, len(at)), with their name at the right end."""
    ax.fill_between(at, *np.quantile(runs, [0.1, 0.9], axis=0), color=color, alpha=0.15)
    ax.plot(at, runs.mean(0), color=color)
    plots.name(ax, at[-1], runs[:, -1].mean(), name, color, dy=dy)

# %%
concept_map.show("15")

# %% [markdown]
# ## 1 · Bandits: to find out, you must be ready to lose
#
# On the map: `thompson-sampling`
#
# Whoever always takes what looks best may never learn what is best.
#
# In **reinforcement learning** (강화학습) an agent picks **actions** and sees a **reward**, but never the right answer.
# The smallest case is a **bandit**: ten ads, each with a click rate that you do not know. Show one, see a click or none, again.
#
# The ad log's process is known, so we can let each ad compete for the same visitors.
# **Regret** is what you lost so far against always showing the best ad, in expected clicks:
#
# $$R_T = \sum_{t=1}^{T} \big(p^* - p_{a_t}\big)$$
#
# $p^*$ is the best rate, $p_{a_t}$ the rate of the ad shown in round $t$.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Let the room play first: two coins on the board, twenty tosses, who earns most? Somebody always stops exploring after three.
# Wrong answer to expect: "test all ads equally, then switch". Ask for how long, and what that costs.

# %%
log, world = data.load("ads"), data.ad_world()
ADS = np.array([0, 3, 9, 11, 16, 23, 27, 31, 38, 44])   # ten of the fifty


def click_rates(features):
    """True click probability of each of the ten ads for each impression: (n, 10)."""
    n = len(features["user"])
    return np.stack([world.probability(features | {"ad": np.full(n, ad)}) for ad in ADS], 1)


rate = click_rates(log[:20_000].features).mean(0)        # (10,) averaged over visitors
print("true click rates (%):", np.sort(100 * rate)[::-1].round(1))

# %% [markdown]
# A **policy** says what to do. Four of them:
#
# - **Greedy** takes the ad with the best rate so far.
# - **ε-greedy** does the same, but shows a random ad with probability $\varepsilon$.
# - **UCB**, upper confidence bound, is optimistic: observed rate plus a bonus for doubt. UCB1's bonus is $\sqrt{2 \log t / n}$ for an ad that was shown $n$ times.
# - **UCB-tuned** shrinks the bonus where the variance is small. A click of 4 % has a variance of 0.04, not the worst case 0.25.
#
# All runs go side by side, as arrays (runs, ads): Python's loop costs the same for 20 runs as for one.
#
# **Predict first.** 20,000 rounds, 20 runs each. Which of the four loses least, and whose runs differ most from one another?

# %%
def play(policy, rounds, runs, rate=rate, seed=SEED):
    """Returns the regret (rounds, runs).
    policy(t, shown, clicks, rng) -> one ad for each run, (runs,)."""
    rng, each = np.random.default_rng(seed), np.arange(runs)
    shown, clicks = np.zeros((2, runs, len(rate)))
    lost = np.zeros((rounds, runs))
    for t in range(rounds):
        ad = policy(t, shown, clicks, rng)
        shown[each, ad] += 1
        clicks[each, ad] += rng.random(runs) < rate[ad]
        lost[t] = rate.max() - rate[ad]
    return lost.cumsum(0)

def observed(shown, clicks, rng):
    """Click rate so far; an ad that was never shown comes first,
    ties are broken by chance."""
    tiny = 1e-9 * rng.random(shown.shape)
    return np.where(shown > 0, clicks / np.maximum(shown, 1), np.inf) + tiny

# %%
def greedy(t, shown, clicks, rng):
    return observed(shown, clicks, rng).argmax(1)


def epsilon_greedy(t, shown, clicks, rng, epsilon=0.1):
    explore = rng.random(len(shown)) < epsilon
    return np.where(explore, rng.integers(shown.shape[1], size=len(shown)),
                    greedy(t, shown, clicks, rng))


def ucb1(t, shown, clicks, rng):
    return (observed(shown, clicks, rng)
            + np.sqrt(2 * np.log(t + 1) / np.maximum(shown, 1))).argmax(1)


def ucb_tuned(t, shown, clicks, rng):
    mean, width = observed(shown, clicks, rng), np.log(t + 1) / np.maximum(shown, 1)
    p = np.minimum(mean, 1)
    variance = np.minimum(0.25, p * (1 - p) + np.sqrt(2 * width))
    return (mean + np.sqrt(width * variance)).argmax(1)

ROUNDS, RUNS = 20_000, run.pick(lecture=20, full=200)
policies = {"greedy": greedy, "ε = 0.1": epsilon_greedy, "UCB1": ucb1,
            "UCB-tuned": ucb_tuned}
regret = {name: play(policy, ROUNDS, RUNS) for name, policy in policies.items()}

# %% [markdown]
# ## 2 · Bayes' rule, and a policy that draws its belief
#
# On the map: `bayesian-inference` · `thompson-sampling`
#
# Hold a belief about each rate, draw one number from each belief, and show the ad whose number is largest.
#
# **Bayesian inference** (베이지언 추론) treats the unknown rate $p$ as uncertain. Before any data you hold a **prior** $P(p)$.
# An impression $y$ (1 is a click) has **likelihood** $P(y \mid p)$: $p$ if clicked, $1-p$ if not.
# **Bayes' rule** makes the **posterior** of them:
#
# $$P(p \mid y) = \frac{P(y \mid p)\, P(p)}{\int_0^1 P(y \mid q)\, P(q)\, dq}$$
#
# In words: multiply each possible rate's belief by how well it foresaw what happened, then rescale to one.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Do the first two updates by hand on the board, with three possible rates only: 2, 4 and 6 %.
# Wrong answer to expect: "no click tells nothing". It shifts belief a little, every time, and 96 % of all evidence is of that kind.

# %%
width = 1e-4
grid = np.arange(width / 2, 1, width)                    # ten thousand possible rates
clicks = (rng.random(2500) < rate.max()).astype(int)     # 2,500 impressions of the best ad
history = [stats.beta(1, 24).pdf(grid)]  # the prior: about 4 %, held loosely
for y in clicks:
    belief = history[-1] * (grid if y else 1 - grid)     # prior times likelihood
    history.append(belief / (belief.sum() * width))      # and rescaled to one

# %%
fig, axes = plots.panels("The belief narrows around the truth (line), "
                         "one multiplication at a time", range(4),
                         xlabel="click rate (%)", ylabel="belief (density)", size=(10, 3.2),
                         sharex=True)
for ax, n in zip(axes, [0, 25, 250, 2500], strict=True):
    ax.fill_between(100 * grid, history[n] / 100, color=plots.BLUE, alpha=0.35)
    ax.axvline(100 * rate.max(), color=plots.INK, linewidth=1)
    ax.set_title(f"{clicks[:n].sum()} clicks of {n}")
    ax.set(xlim=(0, 16), ylim=(0, None))
plots.show("Four densities of one ad's click rate: "
           "wide before any data, narrow after 2,500 impressions.")

# %% [markdown]
# Multiply $p^{a-1}(1-p)^{b-1}$ by $p$ or by $1-p$, and it keeps its form: only an exponent grows by one.
# That form is the **Beta** distribution, $\text{Beta}(a, b)$, with mean $a / (a + b)$. So the whole grid shrinks to two counters:
#
# $$\text{Beta}(a, b) \;\to\; \text{Beta}(a + \text{clicks},\; b + \text{no clicks})$$
#
# A prior with this luck is called **conjugate**. $\text{Beta}(1, 24)$ is worth 25 impressions with one click.
#
# **Thompson sampling** (톰슨 샘플링) draws one rate from each ad's posterior and shows the ad with the largest draw.
# So each ad is shown as often as it is believed to be the best. Doubt makes wide draws, wide draws explore, and exploring ends the doubt.

# %%
def thompson(t, shown, clicks, rng, a=1, b=24):
    return rng.beta(a + clicks, b + shown - clicks).argmax(1)


regret["Thompson"] = play(thompson, ROUNDS, RUNS)
PALETTE = [plots.GREY, plots.ORANGE, plots.RED, plots.PURPLE, plots.BLUE]
counted = stats.beta(1 + clicks.sum(), 24 + (1 - clicks).sum()).pdf(grid)
claim("2,500 steps of Bayes' rule are two counters: largest relative difference",
      np.abs(history[-1] - counted).max() / counted.max(), at_most=1e-4)

# %%
fig, ax = plots.figure("Thompson loses least; greedy gambles; UCB1 hardly stops exploring",
                       xlabel="round", ylabel="regret (expected clicks lost)",
                       size=(8.5, 4.6))
for (name, lost), color in zip(regret.items(), PALETTE, strict=True):
    band(ax, np.arange(0, ROUNDS, 100), lost[::100].T, color, name,
         dy=8 if name == "UCB1" else -4)
plots.show("Regret of five policies with bands of 80 % of the runs: "
           "Thompson is lowest and flattens.")

# %%
final = {name: lost[-1] for name, lost in regret.items()}
claim("Thompson's regret, as a share of ε-greedy's",
      final["Thompson"].mean() / final["ε = 0.1"].mean(), at_most=0.95)
claim("as a share of UCB-tuned's",
      final["Thompson"].mean() / final["UCB-tuned"].mean(), at_most=0.8)
claim("UCB1 loses more than ε = 0.1, for all its theory",
      final["UCB1"].mean() / final["ε = 0.1"].mean(), at_least=1.2)
claim("greedy's runs differ more than Thompson's",
      final["greedy"].std() / final["Thompson"].std(), at_least=1.5)

# %% [markdown]
# UCB1 is built for any reward in $[0, 1]$, and ignores that a click's variance is tiny. A worst-case guarantee has its price.
#
# How good can it get? **Lai and Robbins** (1985): any policy that is good on *every* bandit must in the long run lose at least
#
# $$\frac{R_T}{\log T} \;\ge\; \sum_{a:\, p_a < p^*} \frac{p^* - p_a}{\mathrm{KL}(p_a, p^*)}, \qquad \mathrm{KL}(p, q) = p \log \frac pq + (1-p) \log \frac{1-p}{1-q}$$
#
# KL, lecture 13's divergence, here between two coins, says how easily they are told apart: the harder, the more must be lost. Thompson sampling reaches this rate of growth (Kaufmann and others, 2012).
#
# **Ask the room.** Clicks arrive an hour late, in batches. What does each policy do in the meantime? (UCB shows one and the same ad all hour.)

# %%
p, best = rate[rate < rate.max()], rate.max()
kl = p * np.log(p / best) + (1 - p) * np.log((1 - p) / (1 - best))
bound = ((best - p) / kl).sum()
growth = {name: (lost[-1] - lost[ROUNDS // 4]).mean() / np.log(4)
          for name, lost in regret.items()}
claim("from round 5,000 on Thompson grows at about the bound's rate",
      growth["Thompson"] / bound, at_least=0.3, at_most=1.5)
claim("ε-greedy grows faster: exploring never ends",
      growth["ε = 0.1"] / growth["Thompson"], at_least=1.5)

# %% [markdown]
# ## 3 · Context: the belief is about a regression
#
# On the map: `thompson-sampling` · `bayesian-inference`
#
# No ad is best for everybody. Replace ten rates by one logistic regression, and its weights' posterior by a Gaussian.
#
# The features of a pair (visitor, ad) are indicators: a constant, the ad, age × gender × category, device × category.
# There is no conjugate prior here. The **Laplace approximation** puts a Gaussian at the top $m$ of the posterior, with the curvature there as its precision (inverse covariance) $H$:
#
# $$H = P + X^\top \operatorname{diag}\big(\sigma(1 - \sigma)\big) X$$
#
# $P$ is the prior's precision, $X$ holds the features, $\sigma$ the predicted probabilities.
# After each batch the posterior becomes the next prior: Bayes' rule again.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# This is lecture 01's logistic regression with an L2 penalty (lecture 06): the penalty *is* the Gaussian prior.
# Expect: "is the noise in w not harmful?". It is the point: where the data are thin the weights, and so the choices, vary.

# %%
CATEGORY = world.category[ADS]
WIDTH = 1 + 10 + 12 * 8 + 3 * 8


def features(rows):
    """The four indicators that are on,
    for each impression and each of the ten ads: (n, 10, 4) indices."""
    segment, device = (2 * rows["age"] + rows["gender"])[:, None], rows["device"][:, None]
    ad = np.broadcast_to(np.arange(10), (len(device), 10))
    return np.stack([0 * ad, 1 + ad, 11 + 8 * segment + CATEGORY,
                     107 + 8 * device + CATEGORY], 2)


def dense(on):
    """(n, 4) indices -> (n, WIDTH) zeros and ones."""
    return np.eye(WIDTH)[on].sum(1)


def update(mean, precision, X, y, steps=6):
    """Laplace: the top of prior × likelihood by Newton's method,
    and the curvature there."""
    w = mean
    for _ in range(steps):
        p = 1 / (1 + np.exp(-X @ w))
        H = precision + (X * (p * (1 - p))[:, None]).T @ X
        w = w - np.linalg.solve(H, precision @ (w - mean) + X.T @ (p - y))
    return w, H

rows = log[:3000]
X = dense(features(rows.features)[np.arange(3000), rng.integers(10, size=3000)])
w, _ = update(np.zeros(WIDTH), 4 * np.eye(WIDTH), X, rows.click)
library = LogisticRegression(C=1 / 4, fit_intercept=False, tol=1e-8,
                             max_iter=1000).fit(X, rows.click)
claim("the top of our posterior is scikit-learn's regression with an L2 penalty",
      np.abs(w - library.coef_[0]).max(), at_most=1e-3)

# %%
def serve(choose, batches=40, size=500, seed=SEED):
    """Show ads to log's visitors, in batches.
    Returns the expected clicks of each batch, and the model."""
    rng = np.random.default_rng([seed, 3])
    mean, precision = np.zeros(WIDTH), 4 * np.eye(WIDTH)
    mean[0], earned = -3.2, []                           # the prior: a click rate of 4 %
    for _ in range(batches):
        visitors = log[rng.integers(len(log), size=size)].features
        on, p = features(visitors), click_rates(visitors)
        shown = choose(on, mean, precision, rng)         # (size,) one of ten
        each = np.arange(size)
        clicks = rng.random(size) < p[each, shown]
        mean, precision = update(mean, precision, dense(on[each, shown]), clicks)
        earned.append([p[each, shown].mean(), p.max(1).mean()])
    return np.array(earned), mean

def best_guess(on, mean, precision, rng):
    return mean[on].sum(2).argmax(1)


def thompson_context(on, mean, precision, rng):
    root = np.linalg.cholesky(precision)  # one draw of all weights for each visitor
    draws = mean + np.linalg.solve(root.T, rng.normal(size=(WIDTH, len(on)))).T
    return draws[np.arange(len(on))[:, None, None], on].sum(2).argmax(1)

CONTEXT_RUNS = run.pick(lecture=6, full=20)
served = {name: [serve(choose, seed=SEED + 100 * r) for r in range(CONTEXT_RUNS)]
          for name, choose in [("greedy", best_guess), ("Thompson", thompson_context)]}
# earned (runs, batches, 2)
earned = {name: np.array([e for e, _ in runs]) for name, runs in served.items()}

# %%
fig, ax = plots.figure("Knowing the visitor beats the best ad, greedy or not",
                       xlabel="impressions served", ylabel="expected click rate (%)")
for name, color, dy in [("greedy", plots.GREY, 12), ("Thompson", plots.BLUE, -12)]:
    band(ax, np.arange(500, 20_500, 500), 100 * earned[name][:, :, 0], color, name, dy)
ax.axhline(100 * rate.max(), color=plots.ORANGE)
plots.name(ax, 20_000, 100 * rate.max(), "best single ad", plots.ORANGE)
plots.show("Click rate over impressions, mean and range of six runs: "
           "both rise above the best single ad.")

# %%
late = earned["Thompson"][:, 20:].mean(1)  # (runs, 2) second half: earned, and possible
claim("contextual Thompson's worst run, over the best single ad",
      late[:, 0].min() / rate.max(), at_least=1.1)
claim("it stays below whoever knows the true rates",
      late[:, 0].mean() / late[:, 1].mean(), at_most=0.85)

# %% [markdown]
# ## 4 · Off-policy: judge tomorrow's policy by yesterday's log
#
# On the map: `thompson-sampling`
#
# A log answers "what if we had shown other ads?", if it says how likely each shown ad was.
#
# **Off-policy evaluation** estimates the value of a new policy $\pi$ from clicks $r_i$ that an old one, $\mu$, earned. Let $w_i = \pi(a_i \mid x_i) / \mu(a_i \mid x_i)$ for visitor $x_i$ and shown ad $a_i$.
#
# - **Model**: fit $\hat q(x, a)$ to the log, average it over what $\pi$ would show.
# - **IPS**, inverse propensity score: the mean of $w_i r_i$. Unbiased if $\mu$ gives every ad a chance.
# - **Doubly robust**: the model, corrected by IPS on what it got wrong:
#
# $$\hat V = \frac1n \sum_i \Big[ \sum_a \pi(a \mid x_i)\, \hat q(x_i, a) + w_i \big(r_i - \hat q(x_i, a_i)\big) \Big]$$

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Ask who has compared two policies by the click rates of their shown ads. Then ask who was shown them.
# Why $w$: an ad shown half as often as π would show it must count twice.

# %%
visitors = log[:20_000].features
p = click_rates(visitors)  # (20000, 10) the truth, known only here


def softmax(z):
    z = np.exp(z - z.max(1, keepdims=True))
    return z / z.sum(1, keepdims=True)


segment = 2 * visitors["age"] + visitors["gender"]
old = 0.2 / 10 + 0.8 * softmax(1.5 * rng.normal(size=(12, 10)))[segment]
new = (0.1 / 10
       + 0.9 * np.eye(10)[served["Thompson"][0][1][features(visitors)].sum(2).argmax(1)])
value = (new * p).sum(1).mean()                          # what the estimators should find

def draw_log(logs, n, rng):
    """Logs of the old policy: visitor, shown ad, click, each (logs, n)."""
    i = rng.integers(len(p), size=(logs, n))
    a = (old[i].cumsum(2) > rng.random((logs, n, 1))).argmax(2)
    return i, a, rng.random((logs, n)) < p[i, a]


i, a, r = draw_log(1, 5000, rng)
# the model: click rates, context ignored
q = np.array([r[a == ad].mean() for ad in range(10)])


def estimates(i, a, r, q):
    w, model = new[i, a] / old[i, a], (new[i] * q).sum(2)    # (logs, n)
    return {"model": model.mean(1), "IPS": (w * r).mean(1),
            "doubly robust": (model + w * (r - q[a])).mean(1)}


i, a, r = draw_log(run.pick(lecture=300, full=1000), 2000, rng)
clicked, stayed = estimates(i, a, r, q), estimates(i, a, 1 - r, 1 - q)

# %%
fig, axes = plots.panels("The model is biased; IPS is not, but pays for large rewards; "
                         "robust does not",
                         ["reward: click", "reward: no click"],
                         xlabel="estimate − truth (percentage points)",
                         ylabel="", sharex=True, sharey=True, size=(10, 3.2))
for ax, estimate, truth in zip(axes, (clicked, stayed), (value, 1 - value), strict=True):
    for row, (name, color) in enumerate(zip(estimate, [plots.RED, plots.ORANGE, plots.BLUE],
                                            strict=True)):
        error = 100 * (estimate[name] - truth)
        ax.plot(error, row + 0.25 * rng.uniform(-1, 1, len(error)), ".", color=color,
                alpha=0.3, markersize=4)
        ax.plot(error.mean(), row, "|", color=plots.INK, markersize=26)
axes[0].set(yticks=range(3), yticklabels=list(clicked), ylim=(2.5, -0.5))
plots.show("Errors of three estimators over 300 logs: "
           "the model is off, IPS wide, doubly robust less so.")

# %%
claim("the model misses the value, and more data would not help (share of the value)",
      abs(clicked["model"].mean() - value) / value, at_least=0.05)
claim("IPS is right on average (share of value)",
      abs(clicked["IPS"].mean() - value) / value, at_most=0.06)
claim("so is doubly robust",
      abs(clicked["doubly robust"].mean() - value) / value, at_most=0.06)
claim("for clicks, doubly robust is hardly narrower than IPS: spreads, as a ratio",
      clicked["doubly robust"].std() / clicked["IPS"].std(), at_least=0.8, at_most=1.05)
claim("for the reward of no click it is",
      stayed["doubly robust"].std() / stayed["IPS"].std(), at_most=0.7)

# %% [markdown]
# Not clicking is the frequent case: IPS weighs it whole, with all the noise of $w$. The doubly robust estimate only weighs what the model did not foresee, so both rewards give it the same error.
# It is right if the model *or* the propensities are right, hence the name. Log the propensities: nothing replaces them later.
#
# **Ask the room.** The old policy never showed ad 7 to young visitors. What do the three estimators say about a policy that does?

# %% [markdown]
# ## What goes wrong in practice
#
# - **Greedy by accident.** A recommender that trains on its own clicks is greedy. Visitors differ and explore for you, so it often works; some runs get stuck.
# - **A log without propensities**, or with chances of zero: section 4 is closed to you.
# - **The world moves**; a posterior that never forgets stays sure of last year.
# - **Right on average.** Nearly every move is perfect, and the perfect player still wins games: one slip is enough, and every game has the same start.
# - **`done` is two things**: bootstrap where time ran out, not where the world ended.
# - **One seed, best checkpoint.** A net that bootstraps on data of its own choice has no guarantee. Show all seeds.

# %% [markdown]
# ## Summary
#
# 1. To learn from rewards alone you must explore, and regret is its price; the best rate is logarithmic.
# 2. Bayes' rule turns clicks into belief, and Thompson sampling turns belief into action.
# 3. An old log can judge a new policy, if it kept its propensities.
# 4. Bellman's equation values actions by what follows; Q-learning, policy gradient and DQN solve it from samples, ever less safely.
# 5. Search improves a net's moves, and the net learns them: that loop is AlphaGo Zero.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 15`, then open `exercises/work/15_exercises.ipynb`: seven tasks, about 115 minutes.
#
# - W. Thompson (1933), *On the likelihood that one unknown probability exceeds another …*, Biometrika 25.
# - T. L. Lai, H. Robbins (1985), *Asymptotically efficient adaptive allocation rules*.
# - R. J. Williams (1992), *Simple statistical gradient-following algorithms for connectionist reinforcement learning*, Machine Learning 8.
# - P. Auer and others (2002), *Finite-time analysis of the multiarmed bandit problem*, Machine Learning 47.
# - M. Dudík and others (2011), *Doubly robust policy evaluation and learning*, ICML.
# - E. Kaufmann and others (2012), *Thompson sampling: an asymptotically optimal finite-time analysis*, ALT.
# - V. Mnih and others (2015), *Human-level control through deep reinforcement learning*, Nature 518.
# - D. Silver and others (2016), *Mastering the game of Go with deep neural networks and tree search*, Nature 529.
# - D. Silver and others (2017), *Mastering the game of Go without human knowledge*, Nature 550.
# - R. S. Sutton, A. G. Barto (2018), *Reinforcement learning: an introduction*.
