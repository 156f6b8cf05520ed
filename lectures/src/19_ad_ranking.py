# %% [markdown]
# # 19 · Ad ranking, from log to auction
#
# **Question.** Eighteen lectures of models. Which one should choose the next ad, what is it worth in money, and how would you know that it broke?
#
# **You will be able to** put eight models on one ladder of accuracy, calibration and cost; rank by expected value and price by second-price auction; say which errors of a prediction cost money and which cancel; let a new ad in by Thompson sampling; judge a ranker on an old log before the switch; watch it afterwards; say when deep learning does not pay.
#
# **Needs** 01, 03, 08, 15, 17 · **Minutes** 90 to teach, 140 to study · **CPU** 30 s
#
# On the map: `ad-ranking`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" uses a larger ad log, and more runs
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import time
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder
from torch import nn

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("19")

# %% [markdown]
# ## 1 · The ladder
#
# On the map: `ad-ranking`
#
# Each rung adds one idea of this course, and the idea that fits the data pays, not the number of layers.
#
# **Ad ranking** (광고 랭킹): many ads compete for a visitor, one is shown. It begins with **pCTR**, the predicted click-through rate: the probability that this visitor clicks this ad.
#
# We train on ten days of the log and judge on the last four, as the model will be used.
# Columns: *attributes* (age, hour, …); *ids* adds user, ad and context; *crosses* adds crosses of attributes; *pairs* adds user × ad and context × ad, 21,500 numbers more.
#
# **Predict first.** Order by share of the gap (lecture 01): regression on ids, boosting, factorization machine, wide & deep, mixture of experts.

# %% [markdown] tags=["notes"]
# **Notes for the room (20 minutes).**
# Collect the room's order on the board before the table runs, and ask for the reason of each place.
# Wrong answer to expect: "wide & deep wins, it is the deepest". Ask which of the rungs can multiply a user by an ad.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
world = data.ad_world()
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
ATTRIBUTES = ["age", "gender", "category", "site", "position", "device", "hour"]
IDS = [*ATTRIBUTES, "user", "ad", "context"]
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]
PAIRS = [*IDS, *CROSSES, ("user", "ad"), ("context", "ad")]
SIZES = {name: log.sizes[name] for name in IDS}


class Logistic:
    """Lecture 01, with scikit-learn, on one-hot columns.
    C is one over the strength of L2."""

    def __init__(self, columns, C):
        self.columns, self.model = columns, LogisticRegression(C=C, max_iter=200)

    def fit(self, log):
        self.model.fit(log.one_hot(self.columns), log.click)
        self.parameters = self.model.coef_.size + 1
        return self

    def probability(self, log):
        return self.model.predict_proba(log.one_hot(self.columns))[:, 1]

# %%
class Boosting:
    """Lecture 03: trees on the attributes, and on each id's click rate,
    encoded out of fold."""

    def __init__(self, max_iter=150, max_leaf_nodes=31):
        self.model = HistGradientBoostingClassifier(max_iter=max_iter,
                                                    max_leaf_nodes=max_leaf_nodes,
                                                    min_samples_leaf=100, random_state=SEED)

    def table(self, ids, log):
        return np.c_[ids, np.stack([log.features[name] for name in ATTRIBUTES], 1)]

    def ids(self, log):
        return np.stack([log.features[name] for name in ("user", "ad", "context")], 1)

    def fit(self, log):
        self.encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=SEED))
        encoded = self.encoder.fit_transform(self.ids(log), log.click)
        self.model.fit(self.table(encoded, log), log.click)
        # at most: leaves and cuts
        self.parameters = 2 * self.model.max_leaf_nodes * self.model.n_iter_
        return self

    def probability(self, log):
        rates = self.encoder.transform(self.ids(log))
        return self.model.predict_proba(self.table(rates, log))[:, 1]

# %% [markdown]
# The three networks share one loop, lecture 08's `fit_clicks`.
#
# - The **factorization machine** gives each value a vector; pairs of values meet in an inner product.
# - **Wide & deep**: the crosses go straight to the output (wide); a layer of 64 ReLUs sees all vectors (deep).
# - The **mixture of experts** is the factorization machine plus lecture 17's two tables of segment × category, weighed by a gate with one pair of logits for each hour of each site. Now all is trained jointly.

# %%
class Mixture(FactorizationMachine):
    def __init__(self, sizes):
        super().__init__(sizes)
        self.at = [list(sizes).index(name)
                   for name in ("age", "gender", "category", "site", "hour")]
        self.experts = nn.Parameter(0.1 * torch.randn(12 * 8, 2))
        self.gate = nn.Parameter(0.1 * torch.randn(5 * 24, 2))

    def forward(self, x):                              # ids (n, columns) -> logits (n,)
        age, gender, category, site, hour = (x[:, i] for i in self.at)
        # 3: tables learn thrice as fast as vectors
        weight = (3 * self.gate[24 * site + hour]).softmax(1)
        opinion = 3 * self.experts[8 * (2 * age + gender) + category]
        return super().forward(x) + (weight * opinion).sum(1)


class Network:
    def __init__(self, make, **options):
        self.make, self.options = make, options

    def fit(self, log):
        torch.manual_seed(SEED)
        self.model = self.make().to(run.device)
        fit_clicks(self.model, log.features, log.click, **self.options)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        return self

    def probability(self, log):
        return self.model.probability(log.features)

# %%
RUNGS = {
    "attributes": lambda: Logistic(ATTRIBUTES, 1.0),
    "ids": lambda: Logistic(IDS, 1.0),
    "crosses": lambda: Logistic([*IDS, *CROSSES], 0.3),
    "pairs": lambda: Logistic(PAIRS, 1.0),
    "boosting": Boosting,
    "factorization": lambda: Network(lambda: FactorizationMachine(SIZES), epochs=5),
    "wide & deep": lambda: Network(lambda: WideAndDeep(SIZES, crosses=CROSSES,
                                                       hidden=(64,)),
                                   epochs=6, lr=0.01),
    "mixture": lambda: Network(lambda: Mixture(SIZES), epochs=6),
}

# %%
PALETTE = [plots.GREY, plots.SKY, plots.BLUE, plots.INK, plots.GREEN, plots.ORANGE,
           plots.PURPLE, plots.RED]
COLOR = dict(zip(RUNGS, PALETTE, strict=True))
models = {name: make().fit(past) for name, make in RUNGS.items()}
p = {"base rate": np.full(len(future), past.click.mean())}
p |= {name: model.probability(future) for name, model in models.items()}
share = {name: 100 * future.share_of_gap(guess) for name, guess in p.items()}

# %% [markdown]
# **Calibration**: of the impressions to which a model gives 4 %, are 4 % clicked? Two numbers:
#
# - *total*: clicks predicted, over clicks that came;
# - *tenths*: sort by prediction, cut into ten equal parts; the mean distance between predicted and clicked, in percentage points.
#
# **AUC**: the probability that a clicked impression got a higher prediction than one without click.
# The cost is CPU time for one prediction in a large batch, on this machine.

# %%
def tenths(guess, log):
    """Predicted and observed click rate in each tenth of the rows, by prediction:
    two times (10,)."""
    parts = np.array_split(np.argsort(guess, kind="stable"), 10)
    return np.array([[guess[rows].mean(), log.click[rows].mean()] for rows in parts]).T


print(f"{'model':15}{'share':>8}{'AUC':>8}{'total':>8}{'tenths':>9}"
      f"{'cost':>10}{'numbers':>9}")
for name, guess in p.items():
    cost, numbers = 0.0, 1
    if name in models:
        begin = time.process_time()
        models[name].probability(future)
        cost = 1e6 * (time.process_time() - begin) / len(future)
        numbers = models[name].parameters
    line = f"{name:15}{share[name]:6.1f} %{roc_auc_score(future.click, guess):8.3f}"
    off = 100 * abs(np.subtract(*tenths(guess, future))).mean()
    line += f"{guess.sum() / future.click.sum():8.2f}{off:6.2f} pp"
    print(line + f"{cost:7.2f} µs{numbers:9,}")

# %%
fig, axes = plots.panels("Whoever sees the pair of user and ad makes the big step; "
                         "all are nearly calibrated",
                         ["eight models", "clicked against predicted, by tenths"],
                         xlabel="share of the gap on later days (%)", ylabel="",
                         size=(10.5, 3.9))
axes[0].barh(list(models), [share[name] for name in models], color=list(COLOR.values()),
             height=0.6)
for row, name in enumerate(models):
    plots.name(axes[0], share[name], row, f"{share[name]:.0f} %", plots.INK)
axes[0].set(xlim=(0, 95), ylim=(7.6, -0.6))
for name in ("attributes", "boosting", "mixture"):
    guess, clicked = 100 * tenths(p[name], future)
    axes[1].plot(guess, clicked, "o-", color=COLOR[name], markersize=5)
    plots.name(axes[1], guess[-1], clicked[-1], name, COLOR[name])
axes[1].plot([0, 30], [0, 30], color=plots.INK, linewidth=0.8)
axes[1].set(xlabel="mean prediction of the tenth (%)", ylabel="clicked (%)")
axes[1].margins(x=0.15)
plots.show("Bars: attributes lowest, then ids, boosting, crosses; pairs and networks lead.")

# %%
claim("ids add to attributes", share["ids"] - share["attributes"], at_least=8)
claim("crosses, told by hand, add to ids", share["crosses"] - share["ids"], at_least=5)
claim("user × ad, told by hand, adds more", share["pairs"] - share["crosses"], at_least=5)
claim("a factorization machine is ahead of boosting",
      share["factorization"] - share["boosting"], at_least=8)

# %%
claim("but not of the logistic regression on pairs",
      share["factorization"] - share["pairs"], at_least=-7, at_most=7)
claim("a deep part in place of products is no sure step up",
      share["wide & deep"] - share["factorization"], at_most=10)
claim("the mixture is ahead of the factorization machine",
      share["mixture"] - share["factorization"], at_least=2)
claim("attributes rank poorly, and are calibrated in total all the same",
      abs(p["attributes"].sum() / future.click.sum() - 1), at_most=0.12)

# %% [markdown]
# ## 2 · Rank by expected value
#
# On the map: `ad-ranking`
#
# Show the ad with the largest bid × pCTR; and check the model on the winners, for you may have picked the ones that it overrates.
#
# The advertiser pays for a click, with a bid of $b$. The expected income of a thousand impressions is $1000 \cdot b \cdot \text{pCTR}$, called **eCPM** (effective cost per mille).
#
# We take visitors of the last days and let all 50 ads compete for each. The log's world gives the true probability of *every* pair, so that the money is known, not estimated.
# Bids are log-normal, one for each advertiser.
#
# **Ask the room.** A logistic regression on ids has the user as a column. Does it show different ads to different users?
#
# <details><summary>One answer</summary>
#
# No. The user's weight is in all 50 logits alike, so the order of the odds is the same for everybody.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Let them write its score for two users.
# The answer is why log-loss and money disagree: knowing *who clicks a lot* lowers the loss, and moves no ad.

# %%
R, A = run.pick(lecture=4000, full=20_000), 50
rows = rng.choice(len(future), R, replace=False)
visits = {name: np.repeat(column[rows], A) for name, column in future.features.items()}
visits["ad"] = np.tile(np.arange(A), R)                # each visitor with each ad
visits |= {"advertiser": world.advertiser[visits["ad"]],
           "category": world.category[visits["ad"]]}
truth = world.probability(visits)
pairs = data.AdLog({name: c.astype(np.int32) for name, c in visits.items()},
                   np.zeros(R * A, int), truth)
truth = truth.reshape(R, A)
pctr = {name: model.probability(pairs).reshape(R, A) for name, model in models.items()}
bid = np.exp(0.5 * rng.normal(size=16))[world.advertiser]  # (50,) for a click


def earned(score):
    """True expected income of a thousand impressions,
    if each visitor sees the ad of the largest score."""
    ad = score.argmax(1)
    return 1000 * (bid[ad] * truth[np.arange(len(ad)), ad]).mean()


rate = np.array([past.click[past.features["ad"] == ad].mean() for ad in range(A)])
by = {"any ad": 1000 * (bid * truth).mean(), "bid alone": earned(np.tile(bid, (R, 1))),
      "true pCTR alone": earned(truth),
      "bid × ad's click rate": earned(np.tile(bid * rate, (R, 1)))}
by |= {f"bid × pCTR: {name}": earned(bid * guess) for name, guess in pctr.items()}
most = earned(bid * truth)

# %%
plots.bars("Money follows what a model knows about the pair of visitor and ad",
           {name: 100 * money / most for name, money in by.items()}, unit=" %",
           xlabel="income, as a share of what the truth would earn (%)",
           colors={name: plots.ORANGE if "pCTR:" in name else plots.GREY for name in by})
plots.show("Bars: any ad and bid alone are lowest, ids and crosses between; "
           "pairs and networks far ahead.")

# %%
claim("bid × true pCTR earns more than the true pCTR alone",
      most / earned(truth), at_least=1.05)
claim("and far more than bids alone", most / by["bid alone"], at_least=1.4)
claim("logistic regression on ids: as much as one click rate an ad, no more",
      by["bid × pCTR: ids"] / by["bid × ad's click rate"], at_least=0.85, at_most=1.15)
claim("on pairs: as a share of the factorization machine's income",
      by["bid × pCTR: pairs"] / by["bid × pCTR: factorization"], at_least=0.85,
      at_most=1.15)
claim("the mixture, as a share of what the truth earns",
      by["bid × pCTR: mixture"] / most, at_least=0.7)
claim("the mixture, over the crosses",
      by["bid × pCTR: mixture"] / by["bid × pCTR: crosses"], at_least=1.1)

# %% [markdown]
# The last step down from truth is shorter in money than in log-loss: two good ads are nearly worth the same, and the ranking only needs the top.
#
# Now the promise against the income. A model is calibrated on the log. Is it on the ads that *win*?
# Take the logistic regression on pairs three times: with a fitting L2, with too little, with too much.
# **Predict first.** Let 1, 2, 5 … 50 ads compete. What becomes of predicted ÷ true among the winners?

# %%
def promise(guess, k, draws=20):
    """Predicted over true click rate of the winners, where k of the 50 ads compete."""
    sums = np.zeros(2)
    for _ in range(draws if k < A else 1):
        some = rng.choice(A, k, replace=False)
        ad = some[(bid * guess)[:, some].argmax(1)]
        sums += guess[np.arange(R), ad].sum(), truth[np.arange(R), ad].sum()
    return sums[0] / sums[1]


three = {"too little L2": Logistic(PAIRS, 10).fit(past), "fitting L2": models["pairs"],
         "too much L2": Logistic(PAIRS, 0.05).fit(past)}
total = [model.probability(future).sum() / future.click.sum() for model in three.values()]
competing = [1, 2, 5, 10, 20, 50]
winners = {name: model.probability(pairs).reshape(R, A) for name, model in three.items()}
winners["mixture"] = pctr["mixture"]
curse = {name: [promise(guess, k) for k in competing] for name, guess in winners.items()}

fig, ax = plots.figure("The winner's curse: calibrated on the log is not calibrated on the "
                       "winners",
                       xlabel="ads that compete (log scale)",
                       ylabel="predicted ÷ true, winners", size=(8, 3.9))
for (name, ratio), color in zip(curse.items(),
                                [plots.ORANGE, plots.INK, plots.BLUE, plots.RED],
                                strict=True):
    ax.plot(competing, ratio, "o-", color=color)
    plots.name(ax, 50, ratio[-1], name, color,
               dy=7 * (name == "fitting L2") - 6 * (name == "mixture"))
ax.axhline(1, color=plots.INK, linewidth=0.8)
ax.set(xscale="log", xticks=competing, xticklabels=competing)
ax.minorticks_off()
plots.show("Predicted over true among winners: near 1 with one ad; "
           "with 50 about 2, near 1, or below.")

# %%
claim("on the log, all three are calibrated in total: largest distance from 1",
      np.abs(np.subtract(total, 1)).max(), at_most=0.12)
claim("too little L2: with 50 ads, the winners are overrated",
      curse["too little L2"][-1], at_least=1.2)
claim("too much L2: they are underrated", curse["too much L2"][-1], at_most=0.92)
claim("the mixture's are about right", curse["mixture"][-1], at_least=0.85, at_most=1.15)

# %% [markdown]
# This is the **winner's curse**: the largest of many scores has a high truth or a lucky error, and the maximum cannot tell which.
# Calibration on the log does not protect, for the log showed ads by chance and the ranking picks the top.
# **Shrinkage** does: an L2 price that fits the noise is a prior (lecture 06), and the posterior's mean has already given away its luck.
#
# %% [markdown]
# ## 3 · The auction
#
# On the map: `ad-ranking`
#
# In a second-price auction telling the truth is best, visit by visit; in a first-price auction it earns nothing.
#
# Who has the largest score $s_a = b_a \cdot \text{pCTR}_a$ wins. What does the winner $w$ pay for a click?
#
# - **First price**: the own bid $b_w$.
# - **Second price**: the smallest bid that would still have won, with $s_{(2)}$ the second largest score:
#
# $$\text{price} = \frac{s_{(2)}}{\text{pCTR}_w}$$
#
# An advertiser to whom a click is worth $v$ gains $(v - \text{price}) \cdot p$ from an impression won, $p$ the true probability; else zero.
# May it pay to **shade** the bid, that is, to bid $f \cdot v$ with $f \ne 1$?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Play it: three people, sealed bids for a book, values on cards. Then ask the winner whether a lower bid would have lowered the price.
# The price holds only others' scores. The bid only decides whether to take this price or leave it, so take it when it is below your value.
# Warn: this is for one slot. With several slots and generalized second prices the argument fails (second task).

# %%
def auction(bids, guess):
    """Scores of bids (A,) or (R, A) and pCTR (R, A)
    -> winner (R,), second price a click (R,)."""
    score = bids * guess
    second, _ = np.sort(score, axis=1)[:, -2:].T       # the second largest, the largest
    winner = score.argmax(1)
    return winner, second / guess[np.arange(len(score)), winner]


guess, value = pctr["mixture"], bid  # everybody bids the true value of a click, but one
ME = auction(bid, guess)[0]
ME = np.bincount(ME, minlength=A).argmax()             # the ad that wins most often
factors = np.arange(0.3, 2.01, 0.05)
gain = {"first": [], "second": []}
for f in factors:
    bids = value.copy()
    bids[ME] *= f
    winner, price = auction(bids, guess)
    mine = (winner == ME) * truth[:, ME]
    gain["second"].append(mine * (value[ME] - price))  # (R,) of each visit
    gain["first"].append(mine * (value[ME] - bids[ME]))
gain = {kind: np.array(rows) for kind, rows in gain.items()}
honest = gain["second"][np.abs(factors - 1).argmin()]

# %%
fig, ax = plots.figure("Second price rewards the truth, first price rewards shading",
                       size=(8, 3.9),
                       xlabel="bid, as a multiple of the value",
                       ylabel="gain of a thousand visits")
for (kind, rows), color in zip(gain.items(), [plots.RED, plots.BLUE], strict=True):
    ax.plot(factors, 1000 * rows.mean(1), color=color)
    at = 14 if kind == "first" else 28
    plots.name(ax, factors[at], 1000 * rows.mean(1)[at], f"{kind} price", color, dx=10,
               dy=12)
ax.axvline(1, color=plots.INK, linewidth=0.8)
ax.set_ylim(bottom=-0.5 * 1000 * honest.mean())
plots.show("The second-price gain has its top at 1; "
           "the first-price gain is zero there and highest below 1.")

# %%
claim("second price: largest gain over the truth, any visit, any factor",
      (gain["second"] - honest).max(), at_most=1e-12)
claim("and bids off by half cost something",
      1 - gain["second"][4].mean() / honest.mean(), at_least=0.02)
first = gain["first"].mean(1)
claim("first price: the truth gains nothing",
      abs(first[np.abs(factors - 1).argmin()]), at_most=1e-12)
claim("first price: the best bid is below the value", factors[first.argmax()], at_most=0.95)

# %% [markdown]
# And what do errors of pCTR do to prices? Multiply all predictions by a factor:
#
# - a common one, or one for each visitor, is in every score of the visit: it cancels, winner and price stay;
# - one for each *ad* does not: it changes winners, and the price, which divides by the own pCTR.
#
# So a model that is wrong about *how much* a visitor clicks costs nothing here. It costs elsewhere: in forecasts, budgets and reserve prices.

# %%
winner, price = auction(bid, guess)
visitor = np.exp(rng.normal(size=(R, 1)))              # a factor for each visitor, wild
ad = np.exp(0.2 * rng.normal(size=A))                  # a factor for each ad, mild
for_visitor, for_ad = auction(bid, visitor * guess), auction(bid, ad * guess)
claim("a factor for each visitor: no winner changes",
      (for_visitor[0] != winner).sum(), at_most=0)
claim("and no price", np.abs(for_visitor[1] / price - 1).max(), at_most=1e-9)

# %%
claim("a mild factor for each ad: share of visits with another winner",
      (for_ad[0] != winner).mean(), at_least=0.05)
claim("and income falls, as a share",
      1 - earned(bid * ad * guess) / earned(bid * guess), at_least=0.003)

# %% [markdown]
# ## 4 · Let new ads in
#
# On the map: `ad-ranking`
#
# A ranker never learns what it does not show; Thompson sampling on top of the model gives newcomers their chance.
#
# Every second ad is new: we erase what the factorization machine learned about it.
# A newcomer's row is nine numbers, its weight $w_a$ and its vector $v_a$. All other vectors are known, so its logit is *linear* in them:
#
# $$\text{logit} = \text{rest} + w_a + v_a \cdot z, \qquad z = \textstyle\sum_{\text{other columns}} v$$
#
# That is lecture 01's logistic regression with nine features, and lecture 15's Laplace approximation keeps its posterior.
# The prior: the mean and covariance of the rows of the 25 known ads.
#
# - **Fixed** keeps the average row. **Greedy** ranks by posterior mean. **Thompson sampling** draws a row each visit.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Ask who would complain first about a greedy ranker: the new advertiser, whose ad got no impression.
# Lecture 15 had ten unknown arms; here half are known, and personalized, so exploring has a price from the first visit on.
# Be fair: with ten newcomers among forty known ads, Thompson lost to greedy over the same 20,000 visits. There was too little to find.

# %%
NEW = np.arange(1, A, 2)
OLD = np.setdiff1d(np.arange(A), NEW)
machine = models["factorization"].model
known = np.c_[machine.effects("ad"), machine.table("ad")]  # (50, 9): weight and vector
prior = known[OLD].mean(0), np.linalg.inv(np.cov(known[OLD].T))    # mean, and precision

blank, at = deepcopy(machine), list(SIZES).index("ad")
with torch.no_grad():
    for table in (blank.weights.weight, blank.vectors.weight):
        table[blank.start[at] : blank.start[at] + A] = 0           # no ad has a row
    ids = blank.ids(visits)
    rest = blank(ids).double().cpu().numpy().reshape(R, A)
    z = blank.vectors(ids + blank.start).sum(1).double().cpu().numpy().reshape(R, A, 8)
z = np.concatenate([np.ones((R, A, 1)), z], axis=2)                # (R, 50, 9)
whole = rest + (z * known).sum(2)
claim("rest and nine numbers are the factorization machine's logit: largest difference",
      np.abs(expit(whole) - pctr["factorization"]).max(), at_most=1e-4)

# %%
def serve(policy, seed, batches=80, size=250):
    """Income so far, less that of knowing all ads: (batches,).
    And the share of visits to newcomers."""
    luck = np.random.default_rng([SEED, seed])  # the same visitors and luck for each policy
    mean, precision = np.tile(prior[0], (len(NEW), 1)), np.tile(prior[1], (len(NEW), 1, 1))
    gained, new = [], 0
    for _ in range(batches):
        i = luck.integers(R, size=size)
        noise = luck.normal(size=(size, len(NEW), 9))
        dice = luck.random(size)
        row = mean                                       # (25, 9), or a draw for each visit
        if policy == "Thompson":
            root = np.linalg.inv(np.linalg.cholesky(precision))
            row = mean + np.einsum("aji,naj->nai", root, noise)
        score = whole[i]
        score[:, NEW] = rest[i][:, NEW] + (z[i][:, NEW] * row).sum(2)
        ad, usual = ((bid * expit(s)).argmax(1) for s in (score, whole[i]))
        gained.append((bid[ad] * truth[i, ad] - bid[usual] * truth[i, usual]).sum())
        new += np.isin(ad, NEW).mean() / batches
        if policy != "fixed":
            mean, precision = posterior(mean, precision, i, ad, dice < truth[i, ad])
    return np.cumsum(gained), new

# %%
def posterior(mean, precision, i, ad, click, steps=4):
    """Newton's method for each newcomer:
    prior times the batch's likelihood, then the curvature."""
    own, x, m = (ad[:, None] == NEW).astype(float), z[i, ad], mean
    for _ in range(steps):
        q = expit(rest[i, ad][:, None] + x @ m.T)        # (n, 25)
        H = precision + np.einsum("na,ni,nj->aij", own * q * (1 - q), x, x)
        slope = ((own * (click[:, None] - q)).T @ x
                 - np.einsum("aij,aj->ai", precision, m - mean))
        m = m + np.linalg.solve(H, slope[..., None])[..., 0]
    return m, H

# %%
RUNS = run.pick(lecture=6, full=40)
served = {policy: [serve(policy, seed) for seed in range(RUNS)]
          for policy in ("fixed", "greedy", "Thompson")}
gained = {policy: np.array([income for income, _ in runs])
          for policy, runs in served.items()}
newcomers = {policy: np.mean([new for _, new in runs]) for policy, runs in served.items()}

# %%
fig, ax = plots.figure("Greedy hardly meets the newcomers; "
                       "Thompson pays early and loses less later",
                       xlabel="visits", ylabel="income, less that of full knowledge",
                       size=(8, 3.9))
visit = 250 * np.arange(1, 81)
for policy, color in (("fixed", plots.GREY), ("Thompson", plots.BLUE),
                      ("greedy", plots.ORANGE)):
    ax.fill_between(visit, *np.quantile(gained[policy], [0, 1], axis=0), color=color,
                    alpha=0.15)
    ax.plot(visit, gained[policy].mean(0), color=color,
            linestyle=":" if policy == "greedy" else "-")
    dy = {"fixed": -7, "greedy": 7, "Thompson": 0}[policy]
    plots.name(ax, visit[-1], gained[policy][:, -1].mean(), policy, color, dy=dy)
plots.show("Fixed and greedy fall together on a line; "
           "Thompson falls faster at first and then flattens.")

# %%
# the second 10,000 visits
late = {policy: runs[:, -1] - runs[:, 39] for policy, runs in gained.items()}
claim("Thompson shows newcomers more often than greedy: difference of the shares",
      newcomers["Thompson"] - newcomers["greedy"], at_least=0.1)
claim("second half: what Thompson loses, as a share of greedy's loss",
      late["Thompson"].mean() / late["greedy"].mean(), at_most=0.8)

# %% [markdown]
# ## 5 · Before the switch: ask the old log
#
# On the map: `ad-ranking`
#
# The old log can price the new ranking as far as it shows the same ads.
#
# The new ranking uses the mixture, the old one the crosses.
# Lecture 15 estimated clicks; now the reward is income $y_i$: the bid if clicked, else 0. $\mu(a_i)$ is the log's probability of the ad shown, $\pi(x_i)$ the new ranking's choice.
#
# - **IPS**: the mean of $w_i y_i$ with $w_i = 1 / \mu(a_i)$ where $a_i = \pi(x_i)$, else 0.
# - **Self-normalized** (SNIPS): $\sum w_i y_i / \sum w_i$, for the $w_i$ sum to $n$ only on average.
# - **Doubly robust**: the model's expectation, plus the weighted mean of what it missed.
#
# Three logs: ads by chance; a tenth by chance; the old ranking alone.
#
# **Ask the room.** On the third log, which estimator gives an error message?
#
# <details><summary>One answer</summary>
#
# None: all return a number with a narrow interval. IPS counts only the visits on which both rankings agree, self-normalized takes these for all.
# Doubly robust is the model there, and nothing in this log can check it.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# On the third log doubly robust is the model, and we know that it is right only because we know the world.
# The remedy was needed before the log was written: explore a little and store the propensity.

# %%
# (R,) the two rankings' ads
new, old = (bid * pctr["mixture"]).argmax(1), (bid * pctr["crosses"]).argmax(1)
worth = {"new": earned(bid * pctr["mixture"]), "old": earned(bid * pctr["crosses"])}
LOGS, N = run.pick(lecture=200, full=1000), 10_000


def estimates(chance):
    """Old logs with this share of ads by chance
    -> estimator: estimates (LOGS,) and their standard errors."""
    i = rng.integers(R, size=(LOGS, N))
    a = np.where(rng.random((LOGS, N)) < chance, rng.choice(A, (LOGS, N), p=world.ad_share),
                 old[i])
    mu = chance * world.ad_share[a] + (1 - chance) * (a == old[i])
    y = 1000 * bid[a] * (rng.random((LOGS, N)) < truth[i, a])
    w, model = (a == new[i]) / mu, 1000 * bid * pctr["mixture"]
    ratio = (w * y).mean(1) / w.mean(1)
    terms = {"IPS": w * y,
             "self-normalized": ratio[:, None]
             + w * (y - ratio[:, None]) / w.mean(1)[:, None],
             "doubly robust": model[i, new[i]] + w * (y - model[i, a])}
    return {name: (t.mean(1), t.std(1) / N**0.5) for name, t in terms.items()}


checks = {"ads by chance": 1.0, "old ranking, 10 % by chance": 0.1,
          "old ranking alone": 0.0}
checks = {name: estimates(chance) for name, chance in checks.items()}

# %%
fig, axes = plots.panels("Without exploration a log answers all the same (line: truth, "
                         "dashed: old)",
                         checks, xlabel="estimated eCPM", ylabel="", sharey=True,
                         sharex=True, size=(10.5, 3.2))
for ax, found in zip(axes, checks.values(), strict=True):
    for row, (value, _) in enumerate(found.values()):
        ax.plot(value, row + 0.25 * rng.uniform(-1, 1, LOGS), ".", color=plots.BLUE,
                alpha=0.3, markersize=4)
    ax.axvline(worth["new"], color=plots.INK, linewidth=1.5)
    ax.axvline(worth["old"], color=plots.GREY, linewidth=1.5, linestyle="--")
axes[0].set(yticks=range(3), yticklabels=list(found), ylim=(2.5, -0.5),
            xlim=(0, 2.2 * worth["new"]))
plots.show("Estimates around the true value (line) for two logs; "
           "for the third, IPS is far too low.")

# %%
def covered(value, error):
    # share of 95 % intervals with the truth
    return (np.abs(value - worth["new"]) < 1.96 * error).mean()


chance, some, none = checks.values()

# %%
claim("ads by chance: IPS is right on average (estimate ÷ truth)",
      chance["IPS"][0].mean() / worth["new"], at_least=0.9, at_most=1.1)
claim("doubly robust is narrower (ratio of spreads)",
      chance["doubly robust"][0].std() / chance["IPS"][0].std(), at_most=0.95)
claim("its 95 % intervals hold the truth in",
      covered(*chance["doubly robust"]), at_least=0.85)

# %%
claim("one visit in ten by chance: still right on average",
      some["doubly robust"][0].mean() / worth["new"], at_least=0.8, at_most=1.2)
claim("but wider (ratio of spreads)",
      some["doubly robust"][0].std() / chance["doubly robust"][0].std(), at_least=1.3)
claim("no chance at all: IPS ÷ truth", none["IPS"][0].mean() / worth["new"], at_most=0.85)
claim("self-normalized ÷ truth",
      none["self-normalized"][0].mean() / worth["new"], at_least=1.02)
claim("the intervals of IPS hold the truth in", covered(*none["IPS"]), at_most=0.1)

# %% [markdown]
# ## 6 · After the switch: watch it
#
# On the map: `ad-ranking`
#
# No single monitor sees every fault; log-loss even takes lost clicks for progress.
#
# A new log, cut into blocks of twelve hours. On day 7 one of three things breaks:
#
# - a *redesign* moves the ads: every logit falls by 0.5;
# - the *device* column is stuck at 0: the world is as before, the model is told wrongly;
# - the *categories* are renumbered: each id is one higher, the last becomes 0.
#
# Four monitors, each as a distance from its own first week, in standard deviations of that week:
#
# - *log-loss*;
# - *total*: (clicks − predicted) / their standard deviation, $\sqrt{\sum p(1-p)}$;
# - *slices*: the same for each device × category, squared and added;
# - *inputs*: counts of device and category against those of training, as $\chi^2$.

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
# Ask for bets: which monitor sees which fault? People expect log-loss to see them all.
# When fewer people click, there is less to be surprised by, and log-loss falls.

# %%
live, BLOCKS = data.load("ads", rows=200_000, seed=SEED + 1), 28
# block (n,) 0 to 27, the fault begins at 14
block = 2 * live.features["day"] + live.features["hour"] // 12
late = block >= 14
lower = replace(world, position_effect=world.position_effect - 0.5)
moved = lower.probability(live.features)
faults = {"redesign": ({}, np.where(late, rng.random(len(live)) < moved, live.click)),
          "device stuck": ({"device": np.where(late, 0, live.features["device"])},
                           live.click),
          "categories renumbered": ({"category": (live.features["category"] + late) % 8},
                                    live.click)}

# %%
def monitors(columns, click):
    """Four numbers a block, from what the platform sees: (4, 28),
    in deviations of the first week."""
    seen = data.AdLog(live.features | columns, click.astype(int), live.truth)
    q = models["mixture"].probability(seen)
    cell = 8 * seen.features["device"] + seen.features["category"]
    rows, clicks, hoped, var = (np.bincount(24 * block + cell, x,
                                            24 * BLOCKS).reshape(BLOCKS, 24)
                                for x in (np.ones(len(q)), click, q, q * (1 - q)))
    loss = -np.log(np.where(click, q, 1 - q))
    usual = np.bincount(8 * past.features["device"] + past.features["category"],
                        minlength=24) / len(past)
    expected = usual * rows.sum(1, keepdims=True)
    four = np.array([np.bincount(block, loss) / rows.sum(1),
                     (clicks - hoped).sum(1) / var.sum(1) ** 0.5,
                     ((clicks - hoped) ** 2 / np.maximum(var, 0.5)).sum(1),
                     ((rows - expected) ** 2 / expected).sum(1)])
    week = four[:, :14]
    return (four - week.mean(1, keepdims=True)) / week.std(1, keepdims=True)


NAMES = ["log-loss", "total", "slices", "inputs"]
seen = {fault: monitors(*change) for fault, change in faults.items()}

# %%
fig, axes = plots.panels("Each fault has a monitor that shouts; "
                         "log-loss takes the first for progress", seen,
                         xlabel="day", ylabel="deviations from the first week", sharey=True,
                         size=(10.5, 3.6))
four = [plots.GREY, plots.BLUE, plots.ORANGE, plots.GREEN]
for ax, values in zip(axes, seen.values(), strict=True):
    ax.axhspan(-4, 4, color=plots.GREY, alpha=0.15)  # control limits
    ax.set_xticks([0, 7, 14])
    ax.axvline(7, color=plots.INK, linewidth=0.8)
    for value, color in zip(values, four, strict=True):
        ax.plot(np.arange(BLOCKS) / 2, np.clip(value, -10, 20), color=color, linewidth=1.4)
for row, (name, color) in enumerate(zip(NAMES, four, strict=True)):
    plots.name(axes[0], 0, 18 - 3 * row, name, color)
plots.show("Three faults on day 7: total and log-loss fall in the first; "
           "inputs shoot up in the other two.")

# %%
after = {fault: dict(zip(NAMES, np.median(values[:, 14:], axis=1), strict=True))
         for fault, values in seen.items()}
claim("redesign: total calibration is far below its usual",
      after["redesign"]["total"], at_most=-2.5)
claim("and log-loss goes down, as if the model had improved",
      after["redesign"]["log-loss"], at_most=-2)

# %%
stuck = after["device stuck"]
claim("stuck device: how far the total moves, as a share of the inputs' move",
      abs(stuck["total"]) / stuck["inputs"], at_most=0.05)
claim("the inputs tell at once: block 14 already shows",
      seen["device stuck"][3, 14], at_least=50)
claim("renumbered: slices move more than the total",
      after["categories renumbered"]["slices"]
      - after["categories renumbered"]["total"], at_least=3)

# %% [markdown]
# ## 7 · When deep learning does not pay
#
# On the map: `ad-ranking`
#
# With few rows, or with the right crosses told, logistic regression is as good, cheaper and easier to watch.
#
# Four sizes of the log, always the most recent rows. To be fair to the large models, they get what small logs need: boosting fewer and smaller trees, networks smaller batches and an L2 price that grows as $1/n$, as a prior's weight does among $n$ rows.
# Scikit-learn's C counts the rows by itself.
#
# **Ask the room.** Your platform has 3,000 impressions. What do you build?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Somebody says "we will have more next year". Good: then ask which model is needed until then, and what it will be compared with.

# %%
FEW, FULL = [3000, 10_000, 30_000], len(past)


def small(n):
    """The rungs with settings for a log of n rows."""
    price = {"l2": 2e-3 * FULL / n, "batch_size": 1000}
    return {name: RUNGS[name]() for name in ("ids", "crosses", "pairs")} | {
        "boosting": Boosting(max_iter=40, max_leaf_nodes=8),
        "factorization": Network(lambda: FactorizationMachine(SIZES), epochs=5, **price),
        "mixture": Network(lambda: Mixture(SIZES), epochs=6, **price)}


curve = {name: [] for name in small(FULL)}
for n in FEW:
    for name, model in small(n).items():
        guess = model.fit(past[-n:]).probability(future)
        curve[name].append(100 * future.share_of_gap(guess))
for name, values in curve.items():
    values.append(share[name])

fig, ax = plots.figure("With few rows the plain regression is as good as anything",
                       size=(8, 4.2),
                       xlabel="impressions to learn from (log scale)",
                       ylabel="share of the gap (%)")
for name, values in curve.items():
    ax.plot([*FEW, FULL], values, "o-", color=COLOR[name])
    plots.name(ax, FULL, values[-1], name, COLOR[name],
               dy={"factorization": 6, "pairs": -6}.get(name, 0))
ax.axhline(0, color=plots.INK, linewidth=0.8)
ax.set(xscale="log", xticks=[*FEW, FULL], xticklabels=[f"{n:,}" for n in (*FEW, FULL)])
ax.minorticks_off()
plots.show("Shares rise with rows: regression on crosses leads at the left, "
           "the mixture at the right.")

# %%
gap = np.subtract(curve["crosses"], curve["mixture"])  # at the four sizes
claim("3,000 rows: logistic regression on crosses, less the mixture", gap[0], at_least=-3)
claim("10,000 rows", gap[1], at_least=-3)
claim("the whole log: the mixture is far ahead", -gap[3], at_least=12)
claim("the factorization machine needs the rows too: less than the crosses at 3,000",
      curve["crosses"][0] - curve["factorization"][0], at_least=-3)

# %% [markdown]
# The fair account, on this log:
#
# - What paid was *structure that fits*: the pair of user and ad, the regime. A logistic regression that is told the pairs is level with the factorization machine, and needs no GPU, no start, no schedule.
# - The network pays where pairs cannot be told: with a million users and a million ads the cross has $10^{12}$ cells, the vectors a few million numbers. Here 400 × 50 could be told.
# - Depth as such paid little. Our log has no pictures, texts or sequences; with those, lectures 10 to 12 apply.
# - Cost is real: every visit scores every candidate, so a microsecond a prediction is multiplied by 50.
# - And no model here saves an auction without exploration, propensities and monitors.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Random split.** Train on the past, test on the future; a random split tells target encodings what will happen.
# - **Judged by log-loss alone.** Knowing who clicks much lowers it, and moves no ad. Price the ranking.
# - **Calibrated on the log, used on winners.** Plot predicted ÷ clicked on the ads that won.
# - **Feedback loop.** Tomorrow's log holds what today's ranker showed. Keep a share of chance, and log its probability.
# - **Position as a cause.** Clicks depend on the slot; train with it, rank with one fixed value.
# - **One threshold for all monitors.** Set limits from the monitor's own quiet weeks.
# - **Bids that react.** We held bids fixed; real advertisers answer every change of the auction.

# %% [markdown]
# ## Summary
#
# 1. Rank by bid × pCTR; the gap in money is another gap than that in log-loss.
# 2. Second price makes truth the best bid for one slot; factors of the visitor cancel, factors of the ad do not.
# 3. The maximum seeks out errors: shrink; let newcomers in by draws from the posterior.
# 4. Before the switch, an off-policy estimate from a log with chance in it; after it, monitors of total, slices and inputs.
# 5. The map's thesis, on its home ground: the neural network *is* an ensemble of regressions. The best rung is one, with products of vectors for weights. Deep learning extends the features, and pays as far as these cannot be told by hand.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 19`, then open `exercises/work/19_exercises.ipynb`: five tasks, about 90 minutes. Lecture 20 looks at what came after the map.
#
# - W. Vickrey (1961), *Counterspeculation, auctions, and competitive sealed tenders*, Journal of Finance 16.
# - B. Edelman, M. Ostrovsky, M. Schwarz (2007), *Internet advertising and the generalized second-price auction*, American Economic Review 97.
# - O. Chapelle, L. Li (2011), *An empirical evaluation of Thompson sampling*, NIPS 24.
# - H. B. McMahan and others (2013), *Ad click prediction: a view from the trenches*, KDD.
# - L. Bottou and others (2013), *Counterfactual reasoning and learning systems*, Journal of Machine Learning Research 14.
# - X. He and others (2014), *Practical lessons from predicting clicks on ads at Facebook*, ADKDD.
# - A. Swaminathan, T. Joachims (2015), *The self-normalized estimator for counterfactual learning*, NIPS 28.
