# %% [markdown]
# # 15 · Bandits: exercises
#
# Six tasks, about 95 minutes, after lecture 15.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
from scipy import stats

from utils import plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Clicks that arrive late
#
# **build** · level ●○○ · 10 minutes · `bayesian-inference`
#
# *Because real logs are open at their end, and a belief that reads them as closed is wrong.*
#
# A click may come up to `window` hours after the impression. An impression younger than that is still open: it counts neither way, clicked or not.
# Ads `0 … K − 1` hold beliefs Beta(a, b). Update them with a batch of impressions, in which an ad may occur many times, or never.
#
# <details><summary>Hint 1</summary><code>a[ad] += 1</code> adds one for an ad that occurs ten times. <code>np.bincount(ad, minlength=K)</code> counts.</details>
# <details><summary>Hint 2</summary>First keep the rows with <code>age &gt;= window</code>, both clicked and not. Then count clicks and no clicks of each ad.</details>

# %%
def late_update(a, b, ad, clicked, age, window):
    """a, b (K,) floats; ad (n,) int, clicked (n,) bool, age (n,) hours
    -> new a, new b, each (K,)."""
    # solution
    closed = age >= window
    clicks = np.bincount(ad[closed & clicked], minlength=len(a))
    misses = np.bincount(ad[closed & ~clicked], minlength=len(b))
    return a + clicks, b + misses
    # end solution


# %%
check("15.late", late_update)

# %% [markdown] tags=["solution-only"]
# Counting young clicks but not young misses would be tempting, and wrong: among the open impressions only the lucky ones would be heard, and every rate would look too high.
# Who cannot wait for the window models the delay (O. Chapelle, 2014, *Modeling delayed feedback in display advertising*).

# %% [markdown]
# ## 2 · Thompson sampling, for a batch of visitors
#
# **build** · level ●○○ · 15 minutes · `thompson-sampling` · `bayesian-inference`
#
# *Because a real system answers many visitors between two updates of its counts, and one draw for all of them is not Thompson sampling.*
#
# Each of K ads has its counts, and all share the prior Beta(α, β). For each of `visitors` visitors choose the ad by a draw of their own.
#
# <details><summary>Hint 1</summary>An ad's belief is Beta(α + clicks, β + misses). Misses are shown − clicks.</details>
# <details><summary>Hint 2</summary><code>rng.beta(a, b, size=(visitors, K))</code> draws a row for each visitor, though a and b are (K,).</details>
# <details><summary>Hint 3</summary>Show the ad whose draw is the largest in the row: <code>argmax(axis=1)</code>.</details>

# %%
def thompson(clicks, shown, alpha, beta, visitors, rng):
    """clicks, shown: (K,) floats; alpha, beta > 0; visitors a whole number;
    rng: draw from this generator -> the ad for each visitor, (visitors,) int."""
    # solution
    size = visitors, len(shown)
    return rng.beta(alpha + clicks, beta + shown - clicks, size=size).argmax(axis=1)
    # end solution


# %%
check("15.thompson", thompson)

# %% [markdown] tags=["solution-only"]
# With one draw for the whole batch all its visitors see the same ad, as under UCB in section 4.
# The mean over many batches would still be right; what suffers is what one batch can teach.

# %% [markdown]
# ## 3 · The chance that A is better
#
# **build** · level ●●○ · 15 minutes · `bayesian-inference`
#
# *Because "which ad is better, and how sure are you?" is the question that a manager asks.*
#
# Two ads, two independent posteriors Beta(aA, bA) and Beta(aB, bB). Return the probability that A's rate is larger than B's, right to three decimals.
# It must work with no data at all, and with a hundred thousand impressions each.
#
# <details><summary>Hint 1</summary>Given A's rate x, the chance that B's is below is B's distribution function at x. Average that over A's belief.</details>
# <details><summary>Hint 2</summary>A fixed grid over [0, 1] misses a narrow peak. Walk along A's quantiles instead: <code>stats.beta(aA, bA).ppf(u)</code> for evenly spaced u.</details>
# <details><summary>Hint 3</summary>Take ten thousand u at (k + ½) / 10,000. Drawing at random needs a million draws for three decimals.</details>

# %%
def chance_better(aA, bA, aB, bB):
    """Four positive numbers -> P(rate of A > rate of B), a number."""
    # solution
    u = (np.arange(10_000) + 0.5) / 10_000
    return float(stats.beta(aB, bB).cdf(stats.beta(aA, bA).ppf(u)).mean())
    # end solution


# %%
check("15.better", chance_better)

# %% [markdown] tags=["solution-only"]
# With two ads this number is exactly how often Thompson sampling shows A.
# It is no licence to stop a test as soon as it passes 95 %: look often enough and it will, now and then, for equal ads too.

# %% [markdown]
# ## 4 · The bound that Lai and Robbins ask for
#
# **build** · level ●●● · 25 minutes · `thompson-sampling`
#
# *So that optimism knows that a click rate lives between 0 and 1, and is small.*
#
# UCB1's bonus ignores the variance. **KL-UCB** takes as index the *largest* rate that the data do not contradict: with $\hat p$ = clicks / shown,
#
# $$\max\{\, q \in [\hat p, 1] : \; n\, \mathrm{KL}(\hat p, q) \le \log t \,\}$$
#
# An ad that was never shown gets 1. Right to six decimals, for all ads at once.
#
# <details><summary>Hint 1</summary>KL grows with q above p̂, so halve the interval [p̂, 1] again and again: keep the half in which n · KL crosses log t.</details>
# <details><summary>Hint 2</summary>0 · log 0 is 0 here: <code>scipy.special.xlogy</code>, or <code>rel_entr(p, q) + rel_entr(1 - p, 1 - q)</code>. At q = 1 the KL is infinite unless p̂ = 1.</details>
# <details><summary>Hint 3</summary>Forty halvings of <code>middle = (low + high) / 2</code>, with <code>np.where</code> for all ads at once. Divide by <code>np.maximum(shown, 1)</code>.</details>

# %%
def kl_ucb(clicks, shown, t):
    """clicks, shown: (K,) whole numbers as floats, t >= 1 -> (K,) indices."""
    # solution
    from scipy.special import rel_entr

    p = np.where(shown > 0, clicks / np.maximum(shown, 1), 1.0)
    low, high = p, np.ones_like(p)
    for _ in range(50):
        q = (low + high) / 2
        inside = shown * (rel_entr(p, q) + rel_entr(1 - p, 1 - q)) <= np.log(t)
        low, high = np.where(inside, q, low), np.where(inside, high, q)
    return high
    # end solution


# %%
if check("15.klucb", kl_ucb):
    fig, ax = plots.figure("KL-UCB's doubt shrinks much faster than UCB1's at 4 % clicks",
                           xlabel="times shown", ylabel="index", size=(7.5, 3.4))
    n = np.array([25.0, 50, 100, 200, 400, 800, 1600, 3200])
    for label, index, color in [("UCB1", 0.04 + np.sqrt(2 * np.log(10_000) / n), plots.RED),
                                ("KL-UCB", kl_ucb(0.04 * n, n, 10_000), plots.BLUE)]:
        ax.semilogx(n, index, color=color)
        plots.name(ax, n[-1], index[-1], label, color)
    ax.axhline(0.04, color=plots.INK, linewidth=1)
    plots.show("Indices over times shown: "
               "UCB1 stays far above KL-UCB, which comes near the observed rate.")

# %% [markdown] tags=["solution-only"]
# KL-UCB reaches the growth of Lai and Robbins (A. Garivier, O. Cappé, 2011); in the lecture's race it loses half as much again as Thompson sampling, since it, too, is built for a horizon without end. With no click in n impressions its index is $1 - t^{-1/n}$, a good check by hand.

# %% [markdown]
# ## 5 · Doubly robust, with a cap and an error bar
#
# **apply** · level ●●○ · 20 minutes · `thompson-sampling`
#
# *Because one impression with weight 500 can decide a launch, and an estimate without an error bar did.*
#
# From the ad log: `shown` is the ad, `chance` the probability with which the old policy showed it, `q` a model's click rates for all ads, `new` the new policy's probabilities.
# Cap each weight at `cap`, and return the doubly robust estimate and its standard error (the standard deviation of the rows' terms, as `np.std` takes it, divided by $\sqrt n$).
#
# <details><summary>Hint 1</summary>The weight is new over old, of the shown ad: <code>new[np.arange(n), shown] / chance</code>, then <code>np.minimum(…, cap)</code>.</details>
# <details><summary>Hint 2</summary>The model's part is not weighted: <code>(new * q).sum(1)</code>. Only what the model did not foresee is: click − q of the shown ad.</details>
# <details><summary>Hint 3</summary>Keep the n terms; return their mean, and <code>terms.std() / np.sqrt(n)</code>.</details>

# %%
def capped_robust(new, q, shown, chance, click, cap):
    """new, q (n, K); shown, click (n,) int; chance (n,);
    cap a number -> estimate, standard error."""
    # solution
    rows = np.arange(len(shown))
    w = np.minimum(new[rows, shown] / chance, cap)
    terms = (new * q).sum(1) + w * (click - q[rows, shown])
    return terms.mean(), terms.std() / np.sqrt(len(terms))
    # end solution


# %%
check("15.robust", capped_robust)

# %% [markdown] tags=["solution-only"]
# The cap trades spread for bias: where weights are cut, the estimate falls back on the model. With cap 0 it *is* the model.
# Report how many weights the cap has cut. If it is more than a few, the log does not know the answer.

# %% [markdown]
# ## 6 · A prior is worth impressions
#
# **predict** · level ●○○ · 10 minutes · `thompson-sampling`
#
# *So that you can say in advance what a prior will cost.*
#
# Ten ads with rates from 1 to 8 %, 5,000 rounds of Thompson sampling, the mean over 40 runs. Which prior loses most?
#
# - **a** – Beta(1, 1): anything is possible
# - **b** – Beta(1, 24): about 4 %, held loosely
# - **c** – Beta(1, 2400): very low, and sure of it
# - **d** – Beta(50, 50): about a half, and fairly sure of it
#
# <details><summary>Hint 1</summary>How many impressions is each prior worth, and how many clicks does it imagine?</details>
# <details><summary>Hint 2</summary>After n impressions at 4 % an ad's mean is (50 + 0.04 n) / (100 + n) under d. When is that below 10 %? How many ads must get there?</details>

# %%
# solution
answer = "d"
# end solution

# %%
check("15.prior", answer)

# %%
def thompson_regret(a, b, rounds=5000, runs=40):
    """Regret of each run, (runs,)."""
    rates, each = np.linspace(0.01, 0.08, 10), np.arange(runs)
    shown, clicks, lost = np.zeros((runs, 10)), np.zeros((runs, 10)), np.zeros(runs)
    for _ in range(rounds):
        ad = rng.beta(a + clicks, b + shown - clicks).argmax(1)
        shown[each, ad] += 1
        clicks[each, ad] += rng.random(runs) < rates[ad]
        lost += rates.max() - rates[ad]
    return lost


lost = {f"Beta({a}, {b})": thompson_regret(a, b)
        for a, b in [(1, 1), (1, 24), (1, 2400), (50, 50)]}
plots.bars("Fifty imaginary clicks on each ad are expensive to disprove",
           {name: runs.mean() for name, runs in lost.items()},
           xlabel="clicks lost in 5,000 rounds, mean")
plots.show("Bars: Beta(50, 50) loses about twice as many clicks as each of the other three "
           "priors.")

# %%
print("spread over runs:", {name: round(runs.std()) for name, runs in lost.items()})

# %% [markdown] tags=["solution-only"]
# Under d, every ad must be shown for very long before its imaginary clicks are outweighed: for 5,000 rounds that is hardly better than random.
# The pessimist c does not lose more than a flat prior on average, but look at its spread: some runs fall in love with the first ad that is clicked.
# The safe side is a weak prior with the mean of the business: the lecture's Beta(1, 24).
