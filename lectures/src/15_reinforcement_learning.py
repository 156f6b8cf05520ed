# %% [markdown]
# # 15 · Reinforcement learning
#
# **Question.** Nobody tells you the right answer; you only see what your own choice earned. How do you learn, and what does learning cost?
#
# **You will be able to** choose ads with Thompson sampling, and say what exploration costs; update a belief by Bayes' rule; judge a new policy from an old log; solve a small world by value iteration, Q-learning and policy gradient; train a DQN and distrust it; build AlphaGo in small and judge it against perfect play.
#
# **Needs** 01, 05 · **Minutes** 90 to teach, 150 to study · **CPU** 35 s
#
# On the map: `reinforcement-learning` · `bayesian-inference` · `thompson-sampling` · `alphago`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer, with more runs
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
from copy import deepcopy
from itertools import pairwise

import gymnasium as gym
import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn.functional import smooth_l1_loss

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
# On the map: `reinforcement-learning`
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
# On the map: `reinforcement-learning`
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
# ## 5 · When actions have consequences: value iteration and Q-learning
#
# On the map: `reinforcement-learning`
#
# A bandit's visitor leaves. In an MDP what you do now decides where you stand next.
#
# A **Markov decision process**, MDP, has states $s$, actions $a$, probabilities $P(s' \mid s, a)$ of the next state and rewards $R(s, a)$.
# The best **value** $V$ of a state, and the best value $Q$ of an action in it, obey **Bellman's equation**:
#
# $$Q(s, a) = R(s, a) + \gamma \sum_{s'} P(s' \mid s, a)\, V(s'), \qquad V(s) = \max_a Q(s, a)$$
#
# The **discount** $\gamma < 1$ makes later rewards count less.
# **Value iteration** turns the equation into an assignment and repeats it. Each round shrinks the error by $\gamma$.
#
# Our world: a cliff. Each step costs 1, falling costs 30, and one step in five slips sideways.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Let the room draw the best path before the picture. Wrong answer to expect: straight along the cliff. Slipping makes the detour pay.

# %%
H, L, GAMMA, SLIP = 4, 7, 0.97, 0.2
MOVES = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])     # up, right, down, left
S, START, GOAL = H * L, (H - 1) * L, H * L - 1
PITS = np.arange(START + 1, GOAL)  # the bottom row, between start and goal
END = np.isin(np.arange(S), [GOAL, *PITS])

spot = np.stack(np.divmod(np.arange(S), L), 1)           # (S, 2) row and column
# lands (S, 4) where each move ends
lands = np.clip(spot[:, None] + MOVES, 0, [H - 1, L - 1]) @ [L, 1]
P = np.zeros((S, 4, S))
for a in range(4):
    for move, chance in [(a, 1 - SLIP), ((a + 1) % 4, SLIP / 2), ((a - 1) % 4, SLIP / 2)]:
        P[np.arange(S), a, lands[:, move]] += chance
R = -1 - 30 * P[:, :, PITS].sum(2)
P[END], R[END] = 0, 0                                    # the end: nothing comes after it

V, change = np.zeros(S), []
for _ in range(200):
    Q_best = R + GAMMA * P @ V                           # (S, 4)
    change.append(np.abs(Q_best.max(1) - V).max())
    V = Q_best.max(1)


def worth(policy):
    """Exact value of each state under policy (S, 4),
    by solving Bellman's equation without the max."""
    step, reward = np.einsum("sa,sat->st", policy, P), (policy * R).sum(1)
    return np.linalg.solve(np.eye(S) - GAMMA * step, reward)


claim("value iteration = its own policy's exact value",
      np.abs(worth(np.eye(4)[Q_best.argmax(1)]) - V).max(), at_most=1e-3)
claim("its error shrinks by γ a round at least",
      (change[60] / change[20]) ** (1 / 40), at_most=GAMMA)

# %% [markdown]
# Value iteration needs $P$ and $R$. **Q-learning** has only steps taken: from $s$, action $a$, reward $r$, next state $s'$. It moves its estimate towards what this one step suggests, at rate $\eta$:
#
# $$Q(s, a) \leftarrow Q(s, a) + \eta \big(r + \gamma \max_{a'} Q(s', a') - Q(s, a)\big)$$
#
# The bracket's first part is the **target**. At the end of an episode the target is $r$ alone: nothing comes after it.
# It explores as in section 1, with $\varepsilon$-greedy. Ten learners walk side by side.

# %%
def q_learning(steps, learners=10, epsilon=0.2, seed=SEED):
    rng, each = np.random.default_rng([seed, 5]), np.arange(learners)
    Q, visits = np.zeros((2, learners, S, 4))
    s = np.full(learners, START)
    for _ in range(steps):
        explore = rng.random(learners) < epsilon
        a = np.where(explore, rng.integers(4, size=learners), Q[each, s].argmax(1))
        after = (P[s, a].cumsum(1) > rng.random((learners, 1))).argmax(1)
        reward = -1.0 - 30 * np.isin(after, PITS)
        target = reward + GAMMA * np.where(END[after], 0, Q[each, after].max(1))
        visits[each, s, a] += 1
        Q[each, s, a] += visits[each, s, a] ** -0.6 * (target - Q[each, s, a])
        s = np.where(END[after], START, after)
    return Q


Q = q_learning(run.pick(lecture=20_000, full=100_000))

def draw_world(ax, values, actions):
    ax.imshow(np.where(END, np.nan, values).reshape(H, L), cmap="Blues", vmin=-22, vmax=20)
    for s in np.flatnonzero(~END):
        y, x = spot[s]
        ax.text(x, y, "↑→↓←"[actions[s]], ha="center", va="center", fontsize=15,
                color=plots.INK)
    for s in np.flatnonzero(END):
        ax.text(*spot[s][::-1], "goal" if s == GOAL else "pit", ha="center", va="center",
                color=plots.RED)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)

# %%
fig, axes = plots.panels("Steps alone teach the path that the equation knows",
                         ["value iteration knows the world; start: left",
                          "Q-learning walks in it"],
                         xlabel="", ylabel="", size=(10, 3.4))
draw_world(axes[0], V, Q_best.argmax(1))
draw_world(axes[1], Q[0].max(1), Q[0].argmax(1))
plots.show("Two maps with an arrow in each field: "
           "both go up two fields, then right, and down to the goal.")

# %%
reached = np.array([worth(np.eye(4)[one.argmax(1)])[START] for one in Q])
random_walk = np.full((S, 4), 0.25)
uniform = worth(random_walk)[START]
claim("Q-learning closes the gap from random to best walk: share, median of ten",
      np.median((reached - uniform) / (V[START] - uniform)), at_least=0.95)
claim("its value of the start is near the truth",
      abs(np.median(Q[:, START].max(1)) - V[START]), at_most=4)

# %% [markdown]
# ## 6 · Networks: policy gradient, and a DQN on CartPole
#
# On the map: `reinforcement-learning`
#
# Learn the policy directly, or learn $Q$ with a net. Both work, and both are noisy.
#
# A **policy gradient** climbs the expected return $J$, here from starts anywhere. With $\theta$ the policy's logits, $G_t$ the discounted reward from step $t$ on, and $b$ any **baseline** that does not depend on the action:
#
# $$\nabla_\theta J = \mathbb E \sum_t \gamma^t \big(G_t - b(s_t)\big) \nabla_\theta \log \pi_\theta(a_t \mid s_t)$$
#
# In words: make likelier what went better than expected. The baseline leaves the mean alone, because $\mathbb E\, \nabla \log \pi = 0$.
# Gradient ascent with such samples is **REINFORCE** (Williams 1992).
#
# **Predict first.** In the cliff world, how much does $b(s) = V^\pi(s)$ shrink the gradient's variance: by a tenth, to a half, to a tenth, or less?

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# All returns here are negative, so without a baseline every action is pushed down, and the good ones only less.
# Before the DQN: ask for three reasons why a net that fits its own predictions might run away.

# %%
def walks(policy, count, rng, longest=150):
    """Episodes side by side: states (-1 after the end), actions, rewards: (time, count)."""
    s, trail = rng.choice(np.flatnonzero(~END), count), []
    for _ in range(longest):
        on = s >= 0
        a = (policy[s].cumsum(1) > rng.random((count, 1))).argmax(1)
        after = (P[s, a].cumsum(1) > rng.random((count, 1))).argmax(1)
        trail.append((s, a, np.where(on, -1.0 - 30 * np.isin(after, PITS), 0)))
        s = np.where(on & ~END[after], after, -1)
        if (s < 0).all():
            break
    return (np.array(part) for part in zip(*trail, strict=True))


def policy_gradient(policy, baseline, count, rng):
    """One gradient for each episode: (count, S, 4)."""
    s, a, r = walks(policy, count, rng)
    grad, G, each = np.zeros((count, S, 4)), np.zeros(count), np.arange(count)
    for t in reversed(range(len(s))):
        G = r[t] + GAMMA * G
        advantage = np.where(s[t] >= 0, GAMMA**t * (G - baseline[s[t]]), 0)
        grad[each, s[t]] += advantage[:, None] * (np.eye(4)[a[t]] - policy[s[t]])
    return grad

def reinforce(with_baseline, steps=200, rate=0.5):
    """Gradient ascent on the logits, 20 episodes a step.
    Returns the exact value of the start in the end."""
    logits = np.zeros((S, 4))
    for _ in range(steps):
        policy = softmax(logits)
        slope = policy_gradient(policy, worth(policy) * with_baseline, 20, rng).mean(0)
        logits += rate * slope
    return worth(softmax(logits))[START]

# %%
grads = [policy_gradient(random_walk, b, 10_000, rng)
         for b in (np.zeros(S), worth(random_walk))]
without, with_it = (((g - g.mean(0)) ** 2).sum((1, 2)).mean() for g in grads)
claim("the baseline shrinks the variance to", with_it / without, at_most=0.15)
climbed = np.array([[reinforce(b) for b in (0, 1)]
                    for _ in runtime.track(range(5), "REINFORCE")])
without, with_it = (np.median(climbed, axis=0) - uniform) / (V[START] - uniform)
print("REINFORCE, share of the gap: "
      f"{100 * without:.0f} % without, {100 * with_it:.0f} % with the baseline")
claim("with the baseline it closes the gap to the best walk: share, median of five",
      with_it, at_least=0.75)
claim("without it, at the same rate and number of walks, less by",
      with_it - without, at_least=0.05)

# %% [markdown]
# Too many states for a table? Let a net guess $Q$. A **DQN**, deep Q-network, fits $Q(s, a)$ to Q-learning's target. Two crutches keep it upright:
#
# - **Replay**: train on random past steps, not on the last ones, which are all alike.
# - **Target net**: compute targets with a copy that is renewed now and then, so that the net does not chase itself.
#
# CartPole, from gymnasium: balance a pole, one point a step, at most 500.
# Five learners at once: each weight has a leading axis, one entry per learner.
#
# When time runs out the pole has not fallen: that is no end, and the target goes on. `terminated` and `truncated` are two things.

# %%
class QNets(nn.Module):
    """Five nets 4 → 64 → 64 → 2 side by side: x (5, n, 4) -> (5, n, 2)."""

    def __init__(self, nets=5, sizes=(4, 64, 64, 2)):
        super().__init__()
        self.w = nn.ParameterList((2 * torch.rand(nets, a, b) - 1) / a**0.5
                                  for a, b in pairwise(sizes))
        self.b = nn.ParameterList(torch.zeros(nets, 1, b) for b in sizes[1:])

    def forward(self, x):
        x = x / x.new_tensor([2.4, 3, 0.21, 3])          # the state's usual size
        for layer, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = torch.baddbmm(b, x.relu() if layer else x, w)
        return x


@torch.no_grad()
def act(nets, s):
    """s: (5 · n, 4) -> the best action of each, (5 · n,)."""
    values = nets(torch.tensor(s, device=run.device).view(5, -1, 4))
    return values.argmax(2).flatten().cpu().numpy()

def carts(n):
    return gym.make_vec("CartPole-v1", num_envs=5 * n,
                        vectorization_mode="vector_entry_point")


def points(nets, n=10):
    """Mean points of each learner's greedy policy over n episodes: (5,)."""
    env, alive, total = carts(n), np.ones(5 * n, bool), np.zeros(5 * n)
    s, _ = env.reset(seed=1000)
    while alive.any():
        s, _, terminated, truncated, _ = env.step(act(nets, s))
        total += alive
        alive &= ~(terminated | truncated)
    return total.reshape(5, n).mean(1)

# %%
def q_loss(nets, target, rows, gamma=0.99):
    """rows (5, batch, 11): state, state after it, action, end, reset.
    Sum of five mean losses."""
    x, x_after, (a, end, reset) = rows[..., :4], rows[..., 4:8], rows[..., 8:].unbind(2)
    y = 1 + gamma * (1 - end) * target(x_after).max(2).values.detach()
    q = nets(x).gather(2, a.long()[..., None])[..., 0]
    return (smooth_l1_loss(q, y, reduction="none") * (1 - reset)).mean(1).sum()

# %%
def dqn(steps, with_target=True, n=4, batch=64, memory=5000):
    """Train five DQNs, n carts each.
    Returns their points at ten moments, (10, 5), and the largest Q."""
    torch.manual_seed(SEED)
    rng, nets, env = np.random.default_rng([SEED, 7]), QNets().to(run.device), carts(n)
    target, descent = deepcopy(nets), torch.optim.Adam(nets.parameters(), lr=1e-3)
    s, _ = env.reset(seed=SEED)
    store = np.zeros((memory, 5, n, 11), np.float32)
    reset = np.zeros(5 * n, bool)
    curve = []
    for t in runtime.track(range(steps), "DQN"):
        explore = rng.random(5 * n) < max(0.05, 1 - t / (0.3 * steps))
        a = np.where(explore, rng.integers(2, size=5 * n), act(nets, s))
        after, _, terminated, truncated, _ = env.step(a)
        store[t % memory] = np.column_stack([s, after, a, terminated,
                                             reset]).reshape(5, n, 11)
        # gymnasium spends the next step on the reset
        s, reset = after, terminated | truncated
        if t >= 50:
            i = rng.integers(min(t + 1, memory), size=(5, batch))
            cart = rng.integers(n, size=(5, batch))
            rows = torch.tensor(store[i, np.arange(5)[:, None], cart], device=run.device)
            descent.zero_grad()
            q_loss(nets, target if with_target else nets, rows).backward()
            descent.step()
        if t % 100 == 0:
            target.load_state_dict(nets.state_dict())
        if (t + 1) % (steps // 10) == 0:
            curve.append(points(nets))
    return np.array(curve), nets(rows[..., :4]).max().item()

# %%
STEPS = run.pick(lecture=2500, full=20_000)
(curves, _), (without, belief) = dqn(STEPS), dqn(STEPS, with_target=False)      # (10, 5)
peak, end = curves.max(0), curves[-1]
claim("every DQN has a moment at which it balances for (points, the worst of five)",
      peak.min(), at_least=60)
claim("on average a learner ends at this share of its own peak",
      (end / peak).mean(), at_most=0.95)
claim("no state is worth more than 1 / (1 − γ) = 100; "
      "without the target net it believes in", belief,
      at_least=1000)

# %%
fig, ax = plots.figure("DQN learns, and forgets again; "
                       "without the target net its values run away",
                       xlabel="updates", ylabel="points (at most 500)")
for name, lines, color in [("DQN", curves, plots.BLUE),
                           ("no target net", without, plots.RED)]:
    ax.plot(STEPS // 10 * np.arange(1, 11), lines, color=color, linewidth=1.2, alpha=0.7)
    plots.name(ax, STEPS, lines[-1].mean(), name, color)
plots.show("Five curves of points rise to some hundreds and fall back, up and down; "
           "five others stay at ten.")
claim("without the target net all stay near nothing (points, the best of five)",
      without.max(), at_most=90)

# %% [markdown]
# ## 7 · AlphaGo in small: a net guides a search, the search teaches the net
#
# On the map: `alphago`
#
# Search makes a weak player strong; a net learns from it; search starts from the better net.
#
# **AlphaGo** (알파고, 2016) learned from human games first. AlphaGo Zero (2017), which we follow, starts from nothing. Its net has two outputs: a **policy** $P(a \mid s)$ and a **value** $v(s)$, who will win.
# **Monte Carlo tree search**, MCTS, grows a tree from the present position. Each simulation walks down by **PUCT**:
#
# $$a = \arg\max_a\; \frac{W_a}{N_a} + c\, P(a \mid s)\, \frac{\sqrt{1 + \sum_b N_b}}{1 + N_a}$$
#
# $N$ counts visits, $W$ adds up the values found there, $c$ weighs curiosity: section 1's optimism, with a prior. A new position is worth the net's $v$; its sign changes at every step up.
#
# Our board is tic-tac-toe: minimax gives the truth for each position.

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
# Draw three simulations by hand. Wrong answer to expect: "it plays the move with the best mean". It plays the most visited one: a mean of one visit is luck.

# %%
LINES = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8],
                  [0, 4, 8], [2, 4, 6]])
boards, number, child, result = [(0,) * 9], {(0,) * 9: 0}, [], []
for board in boards:  # grows while we walk; +1 is who moves, -1 the other
    lost = (np.array(board)[LINES].sum(1) == -3).any()
    result.append(-1.0 if lost else np.nan if 0 in board else 0.0)  # nan: the game goes on
    row = [-1] * 9
    for a in np.flatnonzero(np.array(board) == 0) if np.isnan(result[-1]) else []:
        after = tuple(-1 if k == a else -stone for k, stone in enumerate(board))
        if after not in number:
            number[after] = len(boards)
            boards.append(after)
        row[a] = number[after]
    child.append(row)
boards, child, result = np.array(boards), np.array(child), np.array(result)
going, legal = np.isnan(result), child >= 0

# %%
perfect = np.nan_to_num(result)
for s in reversed(np.flatnonzero(going)):  # later positions have larger numbers
    perfect[s] = -perfect[child[s, legal[s]]].min()
best_moves = legal & (-perfect[child] == perfect[:, None])
# some legal move is a mistake
MATTERS = np.flatnonzero(going & (best_moves.sum(1) < legal.sum(1)))


def rollout(s):
    """The result of one random game from each position,
    in the eyes of whoever moves there."""
    s, sign = s.copy(), np.ones(len(s))
    while going[s].any():
        on = going[s]
        a = np.where(legal[s], rng.random((len(s), 9)), -1).argmax(1)
        s, sign = np.where(on, child[s, a], s), np.where(on, -sign, sign)
    return sign * result[s]


print(f"{len(boards)} positions, in {len(MATTERS)} of them a move can be wrong")
claim("with perfect play nobody wins", abs(perfect[0]), at_most=0)

# %%
def puct(n, w, prior, allowed, c=1.5):
    """The move to look at next, for each row: n, w, prior, allowed (B, 9) -> (B,)."""
    score = (w / np.maximum(n, 1)
             + c * prior * np.sqrt(1 + n.sum(1, keepdims=True)) / (1 + n))
    return np.where(allowed, score, -np.inf).argmax(1)

# %%
def search(roots, prior, value, sims):
    """MCTS from many positions side by side: roots (B,) -> visits of each move, (B, 9).

    prior(s): (n,) -> (n, 9), value(s): (n,) -> (n,), in the eyes of whoever moves in s.
    """
    B, each = len(roots), np.arange(len(roots))
    place, kid = np.zeros((B, sims + 1), int), np.full((B, sims + 1, 9), -1)
    N, W, P = np.zeros((3, B, sims + 1, 9))  # node 0 is the root, each simulation adds one
    place[:, 0], P[:, 0] = roots, prior(roots)
    for new in range(1, sims + 1):
        node, walking, path = np.zeros(B, int), np.ones(B, bool), []
        while walking.any():                             # down
            s = place[each, node]
            a = puct(N[each, node], W[each, node], P[each, node], legal[s])
            path.append((walking.copy(), node, a))
            opened = walking & (kid[each, node, a] < 0)
            kid[each[opened], node[opened], a[opened]] = new
            place[opened, new] = child[s, a][opened]
            node = np.where(walking, kid[each, node, a], node)
            walking &= ~opened & going[place[each, node]]
        s = place[each, node]
        # the net, or the rules
        P[each, node], v = prior(s), np.where(going[s], value(s), result[s])
        for on, node, a in reversed(path):               # and back up
            v = np.where(on, -v, v)
            N[each[on], node[on], a[on]] += 1
            W[each[on], node[on], a[on]] += v[on]
    return N[:, 0]

# %% [markdown]
# **Self-play**: all games at once, each move drawn from the search's visits, with some noise on the prior for variety. Then the net learns from every position:
#
# - policy: the visits of the search, by cross-entropy;
# - value: the game's result, by squared error.
#
# With so few positions the net can read all of them at once, into two tables.
#
# The rival without a net: all legal moves equally likely a priori, and a position's value is one game played out at random, a **rollout**. That was MCTS before; AlphaGo mixed both.
#
# **Ask the room.** With 24 simulations a move, which gains more: a better value or a better prior?

# %%
class PolicyValue(nn.Module):
    def __init__(self, H=64):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(18, H), nn.ReLU(), nn.Linear(H, H), nn.ReLU())
        self.policy, self.value = nn.Linear(H, 9), nn.Linear(H, 1)

    def forward(self, x):
        h = self.body(x)
        return self.policy(h), torch.tanh(self.value(h))[:, 0]


planes = torch.tensor(np.hstack([boards == 1, boards == -1]), dtype=torch.float32,
                      device=run.device)
closed = torch.tensor(~legal, device=run.device)


@torch.no_grad()
def read(net):
    """The net's policy (positions, 9), illegal moves masked out,
    and its value (positions,)."""
    logits, v = net(planes)
    return torch.softmax(logits.masked_fill(closed, -1e9), 1).cpu().numpy(), v.cpu().numpy()

# %%
def self_play(prior, value, games, sims, rng):
    """Positions (n,), the search's visits as shares (n, 9),
    results in the mover's eyes (n,)."""
    s, moves = np.zeros(games, int), []
    while going[s].any():
        on = np.flatnonzero(going[s])
        noise = rng.gamma(1.0, size=(len(on), 9)) * legal[s[on]]
        noisy = prior.copy()
        noisy[s[on]] = 0.75 * prior[s[on]] + 0.25 * noise / noise.sum(1, keepdims=True)
        visits = search(s[on], noisy.__getitem__, value.__getitem__, sims) / sims
        moves.append((on, s[on], visits))
        a = (visits.cumsum(1) > rng.random((len(on), 1)) * (1 - 1e-9)).argmax(1)
        s[on] = child[s[on], a]
    length = np.bincount(np.concatenate([on for on, _, _ in moves]))
    z = [result[s[on]] * (-1.0) ** (length[on] - t) for t, (on, _, _) in enumerate(moves)]
    return [np.concatenate(part)
            for part in ([x for _, x, _ in moves], [x for _, _, x in moves], z)]

# %%
def alpha(generations, games=64, sims=24):
    torch.manual_seed(SEED)
    rng, net = np.random.default_rng([SEED, 8]), PolicyValue().to(run.device)
    descent, memory, curve = torch.optim.Adam(net.parameters(), lr=3e-3), [], []
    for _ in runtime.track(range(generations), "self-play"):
        prior, value = read(net)
        curve.append(best_moves[MATTERS, prior[MATTERS].argmax(1)].mean())
        memory = [*memory, self_play(prior, value, games, sims, rng)][-16:]
        s, visits, z = (np.concatenate(part) for part in zip(*memory, strict=True))
        for _ in range(50):
            i = rng.integers(len(s), size=128)
            y, won = (torch.tensor(t[i], dtype=torch.float32, device=run.device)
                      for t in (visits, z))
            logits, v = net(planes[s[i]])
            logits = logits.masked_fill(closed[s[i]], -1e9)
            loss = -(y * logits.log_softmax(1)).sum(1).mean() + ((v - won) ** 2).mean()
            descent.zero_grad()
            loss.backward()
            descent.step()
    return *read(net), curve


def lost_games(prior, value, sims, games=200):
    """Share of games lost to a perfect player (a random best move); each begins half."""
    s, ours = np.zeros(games, int), np.arange(games) % 2 == 0
    while going[s].any():
        on, a = going[s], (best_moves[s] * rng.random((games, 9))).argmax(1)
        think = on & ours
        a[think] = search(s[think], prior, value, sims).argmax(1)
        s, ours = np.where(on, child[s, a], s), ours ^ on
    return (np.where(ours, result[s], -result[s]) < 0).mean()


prior, value, curve = alpha(run.pick(lecture=50, full=200))

# %%
even = legal / np.maximum(legal.sum(1, keepdims=True), 1)  # each legal move alike
PLAYERS = {"net + search": (prior.__getitem__, value.__getitem__),
           "rollouts + search": (even.__getitem__, rollout)}
tested, BUDGETS = rng.choice(MATTERS, 800, replace=False), [6, 12, 24, 48, 96]
right = {name: [best_moves[tested, search(tested, *player, sims).argmax(1)].mean()
                for sims in BUDGETS]
         for name, player in PLAYERS.items()}
lost = {name: [lost_games(*player, sims) for sims in BUDGETS]
        for name, player in PLAYERS.items()}
alone = best_moves[tested, prior[tested].argmax(1)].mean()
chance = (even * best_moves)[tested].sum(1).mean()

fig, axes = plots.panels("Search makes the net stronger, and the net makes search stronger",
                         ["single positions: perfect moves",
                          "whole games: lost to the perfect player"],
                         xlabel="simulations a move", ylabel="share (%)", size=(10, 4))
for ax, shares in zip(axes, (right, lost), strict=True):
    for (name, share), color, dy in zip(shares.items(), (plots.BLUE, plots.ORANGE), (8, -8),
                                        strict=True):
        ax.plot(BUDGETS, 100 * np.array(share), "o-", color=color)
        plots.name(ax, BUDGETS[-1], 100 * share[-1], name, color,
                   dy=dy if ax is axes[0] else -dy)
    ax.set(xscale="log", xticks=BUDGETS, xticklabels=BUDGETS, ylim=(0, 103))
    ax.minorticks_off()
for level, label, color in [(alone, "net alone", plots.GREEN),
                            (chance, "random", plots.GREY)]:
    axes[0].axhline(100 * level, color=color, linewidth=1.2)
    plots.name(axes[0], BUDGETS[-1], 100 * level, label, color, dy=-10)
plots.show("Left, share of perfect moves over simulations, right, share of games lost, "
           "for net and rollouts.")

# %%
claim("the net alone is ahead of random moves (share of perfect moves) by",
      alone - chance, at_least=0.3)
claim("24 simulations with the net beat the net alone",
      right["net + search"][2] - alone, at_least=0.02)
ahead = np.array(right["net + search"]) - right["rollouts + search"]
claim("with 6 simulations the net is ahead of rollouts", ahead[0], at_least=0.1)
claim("96 simulations with the net: share of perfect moves",
      right["net + search"][-1], at_least=0.95)
claim("of games against perfect play the net loses fewer than rollouts do, on average, by",
      np.mean(lost["rollouts + search"]) - np.mean(lost["net + search"]), at_least=0.1)

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
