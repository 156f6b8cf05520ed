# %% [markdown]
# # 19 · Ad ranking, from log to auction: exercises
#
# Six tasks, about 105 minutes, after lecture 19.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
rng = np.random.default_rng(SEED)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Several slots and a reserve
#
# **build** · level ●●○ · 20 minutes · `ad-ranking`
#
# *Because a page has more than one slot, and the platform its pride.*
#
# In the **generalized second-price auction** the largest score bid × pCTR gets slot 0, the next gets slot 1, and so on; of equal scores the smaller number goes first.
# Each winner pays, for a click, the smallest bid that would have kept its slot: against the *next* score in the whole order, which may belong to a loser, and against the **reserve**, a score below which nobody is shown.
# A slot without an ad has winner −1 and price 0. There may be fewer ads than slots.
#
# <details><summary>Hint 1</summary><code>np.argsort(-score, axis=1, kind="stable")</code> is the order, ties by number.</details>
# <details><summary>Hint 2</summary>Pad the sorted scores with zeros until slot S has a next one. The score to beat is the larger of the next and the reserve.</details>
# <details><summary>Hint 3</summary>A score becomes a price for a click when it is divided by the winner's own pCTR.</details>

# %%
def slots(bid, pctr, S, reserve):
    """bid, pctr (n, A), pctr > 0; S slots;
    reserve >= 0 -> winners (n, S) integers, prices (n, S)."""
    # solution
    n, A = bid.shape
    room = ((0, 0), (0, max(S + 1 - A, 0)))
    score = np.pad(bid * pctr, room, constant_values=-1.0)  # -1: nobody, below any reserve
    order = np.argsort(-score, axis=1, kind="stable")[:, : S + 1]
    ranked = np.take_along_axis(score, order, axis=1)
    own = np.take_along_axis(np.pad(pctr, room, constant_values=1.0), order, axis=1)[:, :S]
    shown = (ranked[:, :S] >= reserve) & (ranked[:, :S] >= 0)
    price = np.maximum(ranked[:, 1:], reserve) / own
    return np.where(shown, order[:, :S], -1), np.where(shown, price, 0.0)
    # end solution


# %%
check("19.slots", slots)

# %% [markdown] tags=["solution-only"]
# How much a slot is seen does not enter the price: it is in the own score and in the next one alike, and cancels.
# The reserve acts as one more bidder, the platform itself. A common factor on all pCTR no longer cancels against it, as it did in the lecture.

# %% [markdown]
# ## 2 · Is the truth still best?
#
# **predict** · level ●●○ · 10 minutes · `ad-ranking`
#
# *So that you do not carry a theorem into a room where it does not hold.*
#
# Three advertisers with the same pCTR value a click at 10, 4 and 2. There are two slots; the second is seen nine times for every ten of the first.
# Generalized second price, no reserve. The other two bid their values. What is best for the first?
#
# - **a** – to bid 10, the truth
# - **b** – to bid less than 4, and take the second slot
# - **c** – to bid less than 2, and get nothing
#
# <details><summary>Hint 1</summary>Gain is how often the slot is seen, times (value − price).</details>
# <details><summary>Hint 2</summary>The first slot costs 4 a click, the second costs 2.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("19.truth", answer)

# %% [markdown] tags=["solution-only"]
# The first slot gains $10 - 4 = 6$, the second $0.9 \cdot (10 - 2) = 7.2$.
# With one slot the bid only decides whether to take the price; with two it also decides *which* price. Edelman, Ostrovsky and Schwarz (2007) made this known; the auction that keeps truth best charges each winner what its presence costs the others.

# %% [markdown]
# ## 3 · A thinned log, undone
#
# **build** · level ●○○ · 15 minutes · `ad-ranking`
#
# *Because a forgotten factor does not show in a ranking by pCTR, and burns the budgets.*
#
# The log kept every click. Of the misses it kept a share, and on busy sites a smaller one: row $i$, had it been a miss, would have been kept with probability `keep[i]`.
# A model that was trained on what was kept predicts `q[i]`. Return the click probability on the full traffic.
#
# By hand: of 100 impressions 4 are clicked, a tenth of the 96 misses is kept. Then $q = 4 / 13.6$, and 4 % has to come out.
#
# <details><summary>Hint 1</summary>Think of a heap of kept rows: the share q is clicked, the share 1 − q is not. How many misses were there before the thinning?</details>
# <details><summary>Hint 2</summary>A kept miss stands for 1 / keep misses, a click for one click.</details>
# <details><summary>Hint 3</summary>Clicks over all: <code>q / (q + (1 - q) / keep)</code>.</details>

# %%
def undo(q, keep):
    """q (n,) in [0, 1], on the thinned log; keep (n,) in (0, 1] -> (n,) on full traffic."""
    # solution
    return q / (q + (1 - q) / keep)
    # end solution


# %%
if check("19.undo", undo):
    q = np.linspace(0, 1, 101)
    fig, ax = plots.figure("A tenth of the misses: what a prediction really means",
                           xlabel="predicted on the thinned log (%)",
                           ylabel="on full traffic (%)")
    ax.plot(100 * q, 100 * undo(q, np.full(101, 0.1)), color=plots.BLUE)
    ax.axline((0, 0), slope=1, color=plots.GREY, linewidth=1)
    plots.show("A curve far below the diagonal: 29 % on the thinned log is 4 % in truth.")

# %% [markdown] tags=["solution-only"]
# On the logit it is a shift by $\ln(\text{keep})$, lecture 01's; so with one `keep` for all rows the order stays.
# With a `keep` of each site the order *between* sites changes, and a ranking across sites is wrong until it is undone.

# %% [markdown]
# ## 4 · Clicks from the future
#
# **debug** · level ●●○ · 15 minutes · `ad-ranking`
#
# *Because this bug gives the best offline numbers of all.*
#
# The function replaces an id by its smoothed click rate: (clicks + `weight` · `prior`) / (impressions + `weight`).
# It counts clicks that had not happened yet, and even the row's own. Mend it: a row may use only rows with a *smaller* `hour`; rows of the same hour do not see one another.
# The rows come in any order. Ids start at 0.
#
# <details><summary>Hint 1</summary>Write the double loop first: for each row, a mask of the rows with the same id and a smaller hour.</details>
# <details><summary>Hint 2</summary>Faster: walk through the hours in order. Encode all rows of the hour from two running counters; then add the hour to the counters.</details>
# <details><summary>Hint 3</summary>Adding with repeats: <code>np.add.at(clicks, ids[now], click[now])</code>, or <code>np.bincount</code> with <code>minlength</code>.</details>

# %%
def encode(ids, hour, click, prior, weight):
    """ids, hour, click: (n,) integers;
    weight > 0 -> (n,) the click rate of each row's id, so far."""
    # solution
    clicks, seen = np.zeros((2, ids.max() + 1))
    out = np.zeros(len(ids))
    for h in np.unique(hour):
        now = hour == h
        out[now] = (clicks[ids[now]] + weight * prior) / (seen[ids[now]] + weight)
        np.add.at(clicks, ids[now], click[now])
        np.add.at(seen, ids[now], 1)
    return out
    # exercise
    # clicks, seen = np.bincount(ids, click), np.bincount(ids)
    # return (clicks[ids] + weight * prior) / (seen[ids] + weight)
    # end solution


# %%
if check("19.encode", encode):
    log = data.load("ads", rows=20_000, seed=SEED)
    hours = 24 * log.features["day"] + log.features["hour"]
    user, rate = log.features["user"], log.click.mean()
    honest = encode(user, hours, log.click, rate, 5.0)
    clicks, seen = np.bincount(user, log.click), np.bincount(user)
    leaked = (clicks[user] + 5 * rate) / (seen[user] + 5)
    plots.bars("The leak shines on its own rows", {"leaked": 100 * log.share_of_gap(leaked),
               "only the past": 100 * log.share_of_gap(honest)},
               xlabel="share of the gap (%)", unit=" %")
    plots.show("Two bars: the leaked encoding looks far better than the one that only "
               "knows the past.")

# %% [markdown] tags=["solution-only"]
# Cross-fitting, as scikit-learn's `TargetEncoder` does it, removes the row's own click but still looks at later ones. In a log with drift, or for ids that die, that is a leak as well.

# %% [markdown]
# ## 5 · A clipped answer from an old log
#
# **apply** · level ●●● · 20 minutes · `ad-ranking`
#
# *So that one lucky click does not decide about the switch.*
#
# Row $i$ of the log showed ad `shown[i]` with probability `mu[i]` and earned `y[i]`; the new ranking would show `new[i]`.
# Weights are $1/\mu$ where both agree, else 0, and none is above `clip`.
# Return the self-normalized estimate, and the **effective sample size** $(\sum w)^2 / \sum w^2$: how many rows without weights would be as noisy. If the two never agree, both are 0.
#
# <details><summary>Hint 1</summary><code>np.minimum(1 / mu, clip)</code>, times the agreement.</details>
# <details><summary>Hint 2</summary>Self-normalized: divide by the sum of the weights, not by the number of rows.</details>

# %%
def from_log(shown, mu, y, new, clip):
    """shown, new (n,) integers; mu (n,) in (0, 1]; y (n,) -> estimate, effective sample
    size."""
    # solution
    w = np.minimum(1 / mu, clip) * (shown == new)
    if not w.any():
        return 0.0, 0.0
    return (w * y).sum() / w.sum(), w.sum() ** 2 / (w**2).sum()
    # end solution


# %%
check("19.from_log", from_log)

# %% tags=["solution-only"]
world, log = data.ad_world(), data.load("ads", rows=100_000, seed=SEED)
shown = log.features["ad"]
# knows each user's taste
new = (world.ad_effect + world.user_ad[log.features["user"]]).argmax(1)
true = world.probability(log.features | {"ad": new}).mean()
print(f"truth: {100 * true:.2f} % clicks")
for clip in (np.inf, 40, 10):
    estimate, size = from_log(shown, world.ad_share[shown], log.click, new, clip)
    print(f"clip {clip:>4}: {100 * estimate:.2f} %, worth {size:,.0f} of {len(log):,} rows")

# %% [markdown] tags=["solution-only"]
# The effective size is the first number to look at: a hundred thousand rows are worth a few thousand, since log and ranking seldom agree.
# Clipping buys a little size and pays with bias towards the ads that the log showed often.

# %% [markdown]
# ## 6 · A budget for the day
#
# **build** · level ●●● · 25 minutes · `ad-ranking`
#
# *Because nearly every advertiser has a budget, and it is the platform that spends it.*
#
# Your client wins view $i$ if its score $m \cdot v \cdot p_i$ is *above* `rival[i]`, the best other score, and then pays `rival[i]` for the view, on average.
# **Pacing** bids not the value $v$ but $m \cdot v$, with one $m \le 1$ for the whole day. Use the $m$ that wins most views with a total payment of at most `budget`.
# Return which views are won. Views that begin to be won at the same $m$ are won together, or not at all.
#
# <details><summary>Hint 1</summary>View i is won as soon as m exceeds rival[i] / (v · p[i]). Call this the view's ratio. Which ratios are out of reach of m ≤ 1?</details>
# <details><summary>Hint 2</summary>Sort by ratio and add up payments. The cut must not part equal ratios.</details>
# <details><summary>Hint 3</summary>For each distinct ratio r below 1, from small to large: what does winning all views with ratio ≤ r cost?</details>

# %%
def paced(v, p, rival, budget):
    """v > 0; p (n,) > 0; rival (n,) >= 0; budget >= 0 -> won (n,) booleans."""
    # solution
    ratio = rival / (v * p)
    won = np.zeros(len(p), dtype=bool)
    for r in np.unique(ratio[ratio < 1]):
        more = ratio <= r
        if rival[more].sum() > budget:
            break
        won = more
    return won
    # end solution


# %%
check("19.paced", paced)

# %% [markdown] tags=["solution-only"]
# Pacing buys the views with the most value per euro, not those that come first in the morning: the rule of the knapsack with divisible goods.
# In practice the day's rivals are not known in advance, so $m$ is steered: up when spending lags behind plan, down when it runs ahead.
