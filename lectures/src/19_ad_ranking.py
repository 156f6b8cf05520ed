# %% [markdown]
# # 19 · Ad ranking, from log to auction
#
# **Question.** Eighteen lectures of models. Which one should choose the next ad, what is it worth in money, and how would you know that it broke?
#
# **You will be able to** compare models that are told the same; put log-loss and money on one scale; rank by expected value, and price by second and by first price; shorten a log, a table and a list of ads; let a new ad in, and say when exploring does not pay; judge a ranker on an old log, by an A/B test, and by monitors; say when deep learning does not pay.
#
# **Needs** 01, 03, 08, 15, 17 · **Minutes** 95 to teach, 150 to study · **CPU** 35 s
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
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder
from torch import nn

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch.factorization import FactorizationMachine, WideAndDeep, fit_clicks

# matrices this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("19")

# %% [markdown]
# ## 1 · The ladder: what a model is told, and what it can multiply
#
# On the map: `ad-ranking`
#
# Between models that are told the same, products of user and ad pay; depth as such does not.
#
# **Ad ranking** (광고 랭킹): many ads compete for a visitor, one is shown.
# It needs the **pCTR** (예측 클릭률), predicted click-through rate: the probability that this visitor clicks this ad.
# The lecture walks once round the loop below; the numbers are its sections.

# %%
s = schematics.Sketch("What is shown today is what the model learns from tomorrow",
                      width=9.8, height=2.7)
names = ("all ads", "retrieve\na few (4)", "pCTR\n(1)", "auction\n(2, 3)", "one ad\nshown (5)",
         "click?\nlater")
kinds = ("data", "concept", "concept", "family", "good", "data")
stops = [s.box(name, at=(0.75 + 1.66 * i, 1.95), kind=kind, size=(1.2, 0.72))
         for i, (name, kind) in enumerate(zip(names, kinds, strict=True))]
for start, end in zip(stops, stops[1:], strict=False):
    s.arrow(start, end)
log_box = s.box("log (6)", at=(6.6, 0.5), kind="data", size=(1.4, 0.5))
test = s.box("A/B test (7), monitors (8)", at=(3.2, 0.5), kind="family", size=(3.0, 0.5))
s.arrow(stops[5], log_box)
s.arrow(log_box, test)
s.arrow(test, stops[2], "train, switch", left=False)
s.show("Boxes in a row: all ads, retrieve a few, pCTR, auction, one ad shown, click; from the "
       "click an arrow to the log, from there to test and monitors, and back to pCTR.")

# %% [markdown]
# We train on ten days of the log and judge on the last four, as the model will be used.
# A model may be *told* four kinds of column:
#
# - *attributes*: age, gender, category, site, position, device, hour;
# - *ids*: user, ad and context besides;
# - *crosses*: three combinations of attributes (lecture 01), a weight for each cell;
# - *pairs*: user × ad and context × ad, 21,500 cells more.
#
# What it is not told it must build. Trees can cut by two columns in turn; the factorization machine of lecture 08 gives each value a vector, and multiplies vectors; the deep part has a layer of 64 ReLUs over all vectors.
# The mixture adds lecture 17: two tables of segment × category, weighed by a gate for each hour of each site.

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# Collect the room's order on the board before the table runs, and a reason for each place.
# Wrong answer to expect: "wide & deep wins, it is the deepest". Ask which models can multiply a user by an ad, and which were told a cross.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
world = data.ad_world()
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
ATTRIBUTES = ["age", "gender", "category", "site", "position", "device", "hour"]
IDS = [*ATTRIBUTES, "user", "ad", "context"]
CROSSES = [("age", "gender", "category"), ("device", "category"), ("hour", "category")]
TOLD = [*CROSSES, ("user", "ad"), ("context", "ad")]
REGIME = ("site", "hour", "age", "gender", "category")  # what the mixture's gate builds
SIZES = {name: log.sizes[name] for name in IDS}


class Logistic:
    """Lecture 01, with scikit-learn, on one-hot columns; C: one over the strength of L2."""

    def __init__(self, columns, C=1.0):
        self.columns, self.model = columns, LogisticRegression(C=C, max_iter=200)

    def fit(self, log):
        self.model.fit(log.one_hot(self.columns), log.click)
        self.parameters = self.model.coef_.size + 1
        return self

    def probability(self, log):
        return self.model.predict_proba(log.one_hot(self.columns))[:, 1]

# %%
class Boosting:
    """Lecture 03: trees on the attributes, and on click rates of ids, out of fold.
    With `crosses`, also on the click rate of each cell of these."""

    def __init__(self, crosses=(), max_iter=150, max_leaf_nodes=31):
        self.crosses = [("user",), ("ad",), ("context",), *crosses]
        self.model = HistGradientBoostingClassifier(max_iter=max(1, run.steps(max_iter)),
                                                    max_leaf_nodes=max_leaf_nodes,
                                                    min_samples_leaf=100, random_state=SEED)

    def cells(self, log):
        """The number of each row's cell in each cross: (n, crosses)."""
        return np.stack([np.ravel_multi_index([log.features[name] for name in cross],
                                              [SIZES[name] for name in cross])
                         for cross in self.crosses], 1)

    def table(self, rates, log):
        return np.c_[rates, np.stack([log.features[name] for name in ATTRIBUTES], 1)]

    def fit(self, log):
        self.encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=SEED))
        rates = self.encoder.fit_transform(self.cells(log), log.click)
        self.model.fit(self.table(rates, log), log.click)
        self.parameters = 2 * self.model.max_leaf_nodes * self.model.n_iter_  # at most
        return self

    def probability(self, log):
        rates = self.encoder.transform(self.cells(log))
        return self.model.predict_proba(self.table(rates, log))[:, 1]

# %% [markdown]
# The networks share one loop, lecture 08's `fit_clicks`, and the same number of passes over the log.
# The class `Mixture` is the factorization machine plus the two tables; all is trained jointly.

# %%
class Mixture(FactorizationMachine):
    def __init__(self, sizes, **options):
        super().__init__(sizes, **options)
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
    def __init__(self, kind, lr=0.02, fit=None, **options):
        self.kind, self.options, self.how = kind, options, {"lr": lr} | (fit or {})

    def fit(self, log):
        torch.manual_seed(SEED)
        self.model = self.kind(SIZES, **self.options).to(run.device)
        fit_clicks(self.model, log.features, log.click, epochs=max(3, run.steps(6)),
                   **self.how)
        self.parameters = sum(p.numel() for p in self.model.parameters())
        return self

    def probability(self, log):
        return self.model.probability(log.features)

# %% [markdown]
# Now twelve models, in four groups: within a group all are told the same.
# Each network has the better of two learning rates, 0.01 and 0.02, and each regression the best C of 0.3, 1 and 3; days 8 and 9 chose. (TOMEASURE)
#
# **Predict first.** Wide & deep has crosses and a deep part. Give the crosses to the factorization machine, which has no deep part. Where does it end?

# %%
PLACES = ("3 points behind wide & deep, or more", "level with it, within 3 points",
          "3 points ahead, or more")
predict("19.ladder", *PLACES)

# %%
FM = FactorizationMachine
RUNGS = {
    "told ids": {
        "regression": lambda: Logistic(IDS), "boosting": Boosting,
        "deep": lambda: Network(WideAndDeep, 0.01, hidden=(64,)),
        "FM": lambda: Network(FM)},
    "told crosses too": {
        "regression + crosses": lambda: Logistic([*IDS, *CROSSES], 0.3),
        "wide & deep": lambda: Network(WideAndDeep, 0.01, hidden=(64,), crosses=CROSSES),
        "FM + crosses": lambda: Network(FM, crosses=CROSSES)},
    "told pairs too": {
        "boosting + pairs": lambda: Boosting(TOLD),
        "regression + pairs": lambda: Logistic([*IDS, *TOLD])},
    "given the regime too": {
        "FM + regime": lambda: Network(FM, crosses=[*CROSSES, REGIME]),
        "mixture": lambda: Network(Mixture, crosses=CROSSES)},
}
makers = {"attributes": lambda: Logistic(ATTRIBUTES)}
for group in RUNGS.values():
    makers |= group
models = {name: make().fit(past) for name, make in makers.items()}
p = {name: model.probability(future) for name, model in models.items()}
share = {name: 100 * future.share_of_gap(guess) for name, guess in p.items()}

# %% [markdown]
# *total* is calibration at its coarsest: clicks predicted, over clicks that came.
# *cost* is CPU time for one prediction in a large batch, on this machine.

# %%
print(f"{'model':21}{'share':>8}{'AUC':>8}{'total':>8}{'cost':>10}{'numbers':>9}")
for name, guess in p.items():
    begin = time.process_time()
    models[name].probability(future)
    cost = 1e6 * (time.process_time() - begin) / len(future)
    print(f"{name:21}{share[name]:6.1f} %{roc_auc_score(future.click, guess):8.3f}"
          f"{guess.sum() / future.click.sum():8.2f}{cost:7.2f} µs"
          f"{models[name].parameters:9,}")

# %%
FAMILY = {"attr": plots.GREY, "reg": plots.BLUE, "boo": plots.GREEN, "dee": plots.PURPLE,
          "wid": plots.PURPLE, "FM": plots.ORANGE, "mix": plots.RED}
COLOR = {name: next(c for start, c in FAMILY.items() if name.startswith(start))
         for name in models}
fig, ax = plots.figure("Told more, each model climbs; told the same, products lead",
                       xlabel="share of the gap on later days (%)", ylabel="",
                       size=(9, 5.2))
row, ticks = 0.0, {}
for title, group in ({"": ["attributes"]} | RUNGS).items():
    plots.name(ax, 92, row, title, plots.INK)
    for name in group:
        ax.barh(row, share[name], color=COLOR[name], height=0.7)
        plots.name(ax, share[name], row, f"{share[name]:.0f} %", plots.INK)
        ticks[name], row = row, row + 1
    row += 0.6
ax.set(xlim=(0, 90), ylim=(row - 0.8, -0.7), yticks=list(ticks.values()))
ax.set_yticklabels(ticks)
plots.show("Bars in four groups: told ids, the factorization machine leads; told crosses, it "
           "is level with wide & deep; then pairs; then the regime, with the mixture.")

# %%
ahead = share["FM + crosses"] - share["wide & deep"]
outcome("19.ladder", PLACES[0 if ahead <= -3 else 2 if ahead >= 3 else 1])
claim("told ids: the deep part in place of products (points of the gap)",
      share["deep"] - share["FM"], at_most=-2)
claim("told crosses: FM and wide & deep differ by (points of the gap)", abs(ahead),
      at_most=3)
claim("told the pairs, boosting gains over ids alone (points of the gap)",
      share["boosting + pairs"] - share["boosting"], at_least=10)       # TOMEASURE
claim("the mixture, over FM told the regime as one large cross (points of the gap)",
      share["mixture"] - share["FM + regime"], at_least=1)              # TOMEASURE

# %% [markdown]
# Read within a group. Told ids alone, only the factorization machine multiplies user by ad directly; the ReLUs can learn to, and come close.
# Told the crosses, both gain, and are level: the step that wide & deep seems to make is the crosses' step.
# Boosting loses to the others on ids, and gains most when told the pairs: it did not lack power, but the column.
# The regime as one large cross has 11,520 cells, a dozen rows each; two tables and a gate say the same with 432 numbers.
#
# Newer rankers build products of any order from vectors (DCN v2, Wang and others 2021), or put the machine's products and a deep part side by side (DeepFM, Guo and others 2017).

# %% [markdown]
# ## 2 · Rank by expected value: money is not log-loss
#
# On the map: `ad-ranking`
#
# Knowing *who clicks much* lowers the log-loss, and moves no ad.
#
# The smallest case: two visitors, two ads, every click worth 1.
#
# | | truth: A | B | model 1: A | B | model 2: A | B |
# |---|---|---|---|---|---|---|
# | visitor 1 | 20 % | 10 % | 15 % | 15 % | 6 % | 3 % |
# | visitor 2 | 1 % | 2 % | 1.5 % | 1.5 % | 3 % | 6 % |
#
# Model 1 knows the visitors, model 2 the order. Which has the lower log-loss, which earns more?

# %%
true = np.array([0.20, 0.10, 0.01, 0.02])
for name, q in (("1", np.array([0.15, 0.15, 0.015, 0.015])),
                ("2", np.array([0.06, 0.03, 0.03, 0.06]))):
    loss = -(true * np.log(q) + (1 - true) * np.log(1 - q)).mean()
    best = q.reshape(2, 2) == q.reshape(2, 2).max(1, keepdims=True)    # ties: either ad
    earns = (true.reshape(2, 2) * best).sum(1) / best.sum(1)           # of each visitor
    print(f"model {name}: log-loss {loss:.3f}, earns {100 * earns.mean():.2f} a 100 visits")

# %% [markdown]
# Model 1 has the better log-loss, 0.250 to 0.293; model 2 earns a third more. An auction compares within a visit only.
#
# Now with bids. An advertiser pays $b$ for a click; a thousand impressions are worth $1000 \cdot b \cdot \text{pCTR}$, the **eCPM** (유효 노출당 비용). Show the largest $b \cdot \text{pCTR}$.
# All 50 ads compete for visitors of the last days. The log's world gives the true probability of *every* pair, so the money is known, not estimated. Bids are log-normal, one an advertiser.
#
# One scale for both, 100 for the truth. For log-loss the base rate is 0; for money, ranking by the bid alone.
#
# **Predict first.** The regression on attributes closes about 16 % of the log-loss gap. And of the gap in money?

# %%
GAPS = {"about 0": 0, "about 16": 16, "about 40": 40}
predict("19.money", *GAPS)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# The four-number table first, on the board. Let them compute what each model earns.
# Wrong answer to expect: "a better log-loss earns more". Have them write the score of the regression on ids for two users: the user's weight is in all 50 logits alike.

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
    """True expected income of a thousand visits, if each sees the ad of largest score."""
    ad = score.argmax(1)
    return 1000 * (bid[ad] * truth[np.arange(len(ad)), ad]).mean()

# %% [markdown]
# Now the promise against the income. A model is calibrated on the log. Is it on the ads that *win*?
# Take the regression on pairs three times: with a fitting L2, with too little, with too much. Let 1, 2, 5 … 50 ads compete.

# %%
def promise(guess, k, draws=20):
    """Predicted over true click rate of the winners, where k of the 50 ads compete."""
    sums = np.zeros(2)
    for _ in range(draws if k < A else 1):
        some = rng.choice(A, k, replace=False)
        ad = some[(bid * guess)[:, some].argmax(1)]
        sums += guess[np.arange(R), ad].sum(), truth[np.arange(R), ad].sum()
    return sums[0] / sums[1]


none, most = earned(np.tile(bid, (R, 1))), earned(bid * truth)
rate = np.array([past.click[past.features["ad"] == ad].mean() for ad in range(A)])
money = {name: 100 * (earned(bid * guess) - none) / (most - none)
         for name, guess in pctr.items()}
by_rate = 100 * (earned(np.tile(bid * rate, (R, 1))) - none) / (most - none)
three = {"too little L2": Logistic([*IDS, *TOLD], 10).fit(past),
         "fitting L2": models["regression + pairs"],
         "too much L2": Logistic([*IDS, *TOLD], 0.05).fit(past)}
competing = [1, 2, 5, 10, 20, 50]
winners = {name: model.probability(pairs).reshape(R, A) for name, model in three.items()}
winners["mixture"] = pctr["mixture"]
curse = {name: [promise(guess, k) for k in competing] for name, guess in winners.items()}

# %% [markdown]
# Left, money against log-loss, on the line where both agree. Right, predicted over true among the winners.

# %%
fig, axes = plots.panels("Log-loss is kinder than money, and the log is kinder than the "
                         "winners", ["what a model closes of two gaps", "the winner's curse"],
                         xlabel="gap in log-loss, closed (%)", ylabel="in money (%)",
                         size=(10.5, 4.3))
axes[0].plot([-5, 100], [-5, 100], color=plots.INK, linewidth=0.8)
SHOWN = ("attributes", "regression", "boosting", "regression + crosses", "deep", "mixture")
for name in models:
    axes[0].plot(share[name], money[name], "o", color=COLOR[name])
    if name in SHOWN:
        plots.name(axes[0], share[name], money[name], name, COLOR[name], dy=-7)
axes[0].set(xlim=(0, 110), ylim=(-10, 100))
for (name, ratio), color in zip(curse.items(), [plots.SKY, plots.INK, plots.BLUE,
                                                plots.RED], strict=True):
    axes[1].plot(competing, ratio, "o-", color=color)
    plots.name(axes[1], 50, ratio[-1], name, color,
               dy=7 * (name == "fitting L2") - 6 * (name == "mixture"))
axes[1].axhline(1, color=plots.INK, linewidth=0.8)
axes[1].set(xscale="log", xlabel="ads that compete (log scale)",
            ylabel="predicted ÷ true, winners")
axes[1].set_xticks(competing, competing)
axes[1].minorticks_off()
plots.show("Left: most models lie below the line, attributes at zero money. Right: the ratio "
           "grows with competing ads under too little L2, and falls under too much.")

# %%
outcome("19.money", min(GAPS, key=lambda words: abs(GAPS[words] - money["attributes"])))
print("money (%):", {name: round(x) for name, x in money.items()},
      f"bid × one click rate an ad: {by_rate:.0f}")
claim("regression on ids: closed in log-loss, less closed in money (points)",
      share["regression"] - money["regression"], at_least=15)           # TOMEASURE
claim("and over one click rate an ad, in money (points)",
      abs(money["regression"] - by_rate), at_most=6)                    # TOMEASURE
claim("too little L2: predicted ÷ true of the winners among 50", curse["too little L2"][-1],
      at_least=1.4)                                                     # TOMEASURE

# %% [markdown]
# Attributes cannot even beat the bids: they rank ads by category, and pay with bids for it.
# The regression on ids knows 400 users and earns what one click rate an ad earns: no user changes its order.
# Only near the top do the two scales meet: the last models differ about pairs.
#
# Right, lecture 00's winner's curse: the largest of many scores has a high truth or a lucky error, and the maximum cannot tell which.
# Calibration on the log does not protect, since the log showed ads by chance and the ranking picks the top.
# L2 that fits the noise does: it is a prior (lecture 06), and the posterior's mean has given its luck away.

# %% [markdown]
# ## 3 · The auction: what the winner pays
#
# On the map: `ad-ranking`
#
# In a second-price auction the true value is the best bid, visit by visit; in a first-price auction it earns nothing.
#
# The largest score, bid × pCTR, wins. What does the winner pay for a click?
#
# - **First price** (최고가 경매): the own bid.
# - **Second price** (차가 경매): the smallest bid that would still have won.

# %%
s = schematics.Sketch("Second price: just enough to beat the next score", width=9.4,
                      height=2.5)
offers = (("A", 2.00, 0.05), ("B", 1.00, 0.08), ("C", 4.00, 0.01))
for i, (ad, offer, rate_) in enumerate(offers):
    y = 2.05 - 0.75 * i
    ad_box = s.box(f"ad {ad}: bid {offer:.2f}, pCTR {rate_:.0%}", at=(1.9, y), kind="data",
                   size=(3.2, 0.5))
    score_box = s.box(f"score {offer * rate_:.2f}", at=(5.0, y), size=(1.4, 0.5),
                      kind=("good", "family", "off")[i])
    s.arrow(ad_box, score_box, "×")
    if i == 0:
        winner_box = s.box("A wins", at=(7.6, y), kind="good", size=(2.6, 0.5))
        s.arrow(score_box, winner_box)
    if i == 1:
        price_box = s.box("pays 0.08 / 0.05 = 1.60", at=(7.6, y), kind="family",
                          size=(2.6, 0.5))
        s.arrow(score_box, price_box)
s.show("Three ads with bid, pCTR and score. A has the largest score, 0.10, and wins; it pays "
       "B's score 0.08 over its own pCTR 0.05, which is 1.60 a click.")

# %% [markdown]
# With letters: $w$ is the winner, $s_{(2)}$ the second largest score:
#
# $$\text{price} = \frac{s_{(2)}}{\text{pCTR}_w}$$
#
# An advertiser to whom a click is worth $v$ gains $(v - \text{price}) \cdot p$ from a visit won, $p$ the true probability; else zero.
# Does it pay to bid $f \cdot v$ with another factor $f$ than 1? We take the ad that wins most, let all others bid their value, and try each $f$ on each visit.

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
#
# Play it: three people, sealed bids for a book, values on cards. Then ask the winner whether a lower bid would have lowered the price.
# The price holds only others' scores. The bid only decides whether to take this price or leave it.
# Warn: this is for one slot. With several slots the argument fails (second task).

# %%
def auction(bids, guess):
    """Scores of bids (A,) or (R, A) and pCTR (R, A)
    -> winner (R,), second price a click (R,)."""
    score = bids * guess
    second, _ = np.sort(score, axis=1)[:, -2:].T       # the second largest, the largest
    winner = score.argmax(1)
    return winner, second / guess[np.arange(len(score)), winner]


guess, value = pctr["mixture"], bid  # everybody bids the true value of a click, but one
ME = np.bincount(auction(bid, guess)[0], minlength=A).argmax()  # wins most often
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
fig, ax = plots.figure("Second price rewards the truth, first price rewards a lower bid",
                       size=(8, 3.9), xlabel="bid, as a multiple of the value",
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
claim("second price: largest gain over the truth, any visit, any factor",
      (gain["second"] - honest).max(), at_most=1e-12)
claim("first price: the best bid, as a share of the value",
      factors[gain["first"].mean(1).argmax()], at_most=0.9)              # TOMEASURE

# %% [markdown]
# Display advertising has left second price: the large exchanges sell by first price since 2019 to 2021. Search still charges by the next score.
#
# So buyers **shade** (입찰가 낮추기) their bids. Each visit has a smallest bid that would have won. Let $F(b)$ be the share of visits, of this kind, in which it lies below $b$: a curve that can be learned, as pCTR is. Then bid the $b$ with the largest $(v - b) \cdot F(b)$.
# The picture's top at the left is that rule with one factor for all visits. When all shade, prices fall; in the textbook's symmetric case to where second price had them (Vickrey 1961).
#
# And what do errors of pCTR do? Multiply all predictions by a factor: a common one, or one for each visitor, is in every score of the visit. It cancels. One for each *ad* does not.

# %%
winner, price = auction(bid, guess)
visitor = np.exp(rng.normal(size=(R, 1)))              # a factor for each visitor, wild
ad = np.exp(0.2 * rng.normal(size=A))                  # a factor for each ad, mild
for_visitor, for_ad = auction(bid, visitor * guess), auction(bid, ad * guess)
changed = (for_visitor[0] != winner) | (np.abs(for_visitor[1] / price - 1) > 1e-9)
claim("a factor for each visitor: visits with another winner or price", changed.sum(),
      at_most=0)
claim("a mild factor for each ad: share of visits with another winner",
      (for_ad[0] != winner).mean(), at_least=0.05)

# %% [markdown]
# So an error in *how much* a visitor clicks costs nothing here. It costs elsewhere: in budgets, forecasts, reserve prices.

# %% [markdown]
# ## 4 · Too many rows, too many names, too many ads
#
# On the map: `ad-ranking`
#
# A real platform has a billion rows a day, a million users, a million ads. Three ways to shorten, each with its price.
#
# **Rows.** Lecture 01 thinned the log: every click, and a share $w$ of the misses. Of 100 impressions 4 are clicked; keep a tenth of the 96 others: $4 / (4 + 9.6) = 0.29$. To undo it from the thinned log's prediction $q$, let each miss that was kept stand for $1/w$:
#
# $$\text{pCTR} = \frac{q}{q + (1 - q) / w} \qquad \frac{0.29}{0.29 + 0.71 / 0.1} = 0.04$$
#
# It is lecture 01's shift of the logit by $\ln w$. Below: is it better than as many rows by chance, and what happens to the ranking if one forgets to undo it?

# %%
def undone(q, w):
    return q / (q + (1 - q) / w)


kept = (past.click == 1) | (rng.random(len(past)) < 0.1)
some = rng.choice(len(past), kept.sum(), replace=False)
thin = Logistic([*IDS, *TOLD]).fit(past[kept])
few = Logistic([*IDS, *TOLD]).fit(past[some])
shorter = {"all rows": models["regression + pairs"].probability,
           "as many, by chance": few.probability,
           "thinned, not undone": thin.probability,
           "thinned, undone": lambda log: undone(thin.probability(log), 0.1)}
closed = {}
for name, predicted in shorter.items():
    q, score = predicted(future), bid * predicted(pairs).reshape(R, A)
    closed[name] = 100 * future.share_of_gap(q)
    print(f"{name:20} gap {closed[name]:6.1f} %   total {q.sum() / future.click.sum():5.2f}"
          f"   money {100 * (earned(score) - none) / (most - none):5.1f} %")
claim("thinned and undone, over as many rows by chance (points of the gap)",
      closed["thinned, undone"] - closed["as many, by chance"], at_least=15)  # TOMEASURE

# %% [markdown]
# Nearly all that a row tells is in the clicks: the thinned log keeps most of the gap, at a seventh of the rows. (TOMEASURE)
# Forgotten, the undoing hardly shows in the money: within a visit the order is nearly the same. It shows in the total, and so in every budget and every reserve price. That is why it goes unnoticed.
#
# **Names.** With a million users and a million ads, nine numbers each make 18 million; their cross has $10^{12}$ cells. Nobody lists those. Lecture 08's hash needs no list: a cell's name goes to one of $m$ rows, and cells that collide share a weight.
# Such regressions learn row by row, each weight with its own rate and an L1 price that keeps most at 0 (FTRL, McMahan and others 2013).
#
# **Ads.** Nobody scores a million ads a visit. Within a visit the factorization machine's score is an inner product:

# %% [markdown]
# Let $u$ be the sum of the vectors of all columns that belong to the *visit* (user, context, hour …). For ad $a$ of category $c$, with weights $w_a, w_c$ and vectors $v_a, v_c$:
#
# $$\text{logit} = (\text{the same for all ads}) + \underbrace{w_a + w_c + v_a \cdot v_c}_{\text{one number an ad}} + \; u \cdot (v_a + v_c)$$
#
# By hand with two numbers a vector: $u = (1, 2)$; ad A has $(0.5, 0)$ and the number 0.1, ad B has $(0, 0.4)$ and 0: A gets $0.1 + 0.5 = 0.6$, B $0.8$.
#
# A model that meets the ads only by such a product is a **two-tower model** (투 타워 모델): ads' vectors can be computed beforehand, and an index finds the largest products without looking at all. That step is **retrieval** (후보 추출). The slow model ranks what it returns.

# %%
machine = models["FM"].model
VISIT = [name for name in SIZES if name not in ("ad", "category")]
u = sum(machine.table(name)[future.features[name][rows]] for name in VISIT)  # (R, 8)
by_category = [part[world.category] for part in (machine.effects("category"),
                                                 machine.table("category"))]
v = machine.table("ad") + by_category[1]                                     # (50, 8)
number = (machine.effects("ad") + by_category[0]
          + (machine.table("ad") * by_category[1]).sum(1))
tower = number + u @ v.T                                                     # (R, 50)
rest = np.log(pctr["FM"] / (1 - pctr["FM"])) - tower
print(f"logit less towers, over a visit's 50 ads: varies by {np.ptp(rest, axis=1).max():.0e}")


class Hashed(Logistic):
    """The regression on pairs with all its cells hashed into `size` rows."""

    def __init__(self, size):
        super().__init__([*IDS, *TOLD])
        self.row = np.random.default_rng([SEED, size]).integers(size, size=30_000)
        self.size = size

    def hashed(self, log):
        X = log.one_hot(self.columns)
        return csr_array((X.data, self.row[X.indices], X.indptr), (len(log), self.size))

    def fit(self, log):
        self.model.fit(self.hashed(log), log.click)
        return self

    def probability(self, log):
        return self.model.predict_proba(self.hashed(log))[:, 1]

# %% [markdown]
# Left: fewer and fewer rows for the 22,000 cells. Right: the mixture ranks only the $k$ ads that were retrieved: by towers (with the bid, $\text{score} + \ln b$), by bid × the ad's click rate, or by chance.

# %%
TABLE, TAKEN = [1000, 3000, 10_000], [1, 2, 5, 10, 20, 50]
hashed = [100 * future.share_of_gap(Hashed(size).fit(past).probability(future))
          for size in TABLE]


def shortlist(order):
    """Income (%) where the mixture ranks the k best of `order` (R, 50), for each k."""
    place = np.argsort(np.argsort(-order, axis=1), axis=1)
    final = bid * pctr["mixture"]
    incomes = np.array([earned(np.where(place < k, final, -1)) for k in TAKEN])
    return 100 * incomes / earned(final)


lists = {"towers": shortlist(tower + np.log(bid)),
         "bid × click rate": shortlist(np.tile(bid * rate, (R, 1))),
         "by chance": shortlist(rng.random((R, A)))}
fig, axes = plots.panels("Hashing and retrieval: what is lost when the tables shrink",
                         ["pairs hashed", "ads retrieved, then ranked"], xlabel="rows (log)",
                         ylabel="share of the gap (%)", size=(10.5, 3.8))
cells = models["regression + pairs"].parameters - 1
axes[0].semilogx([*TABLE, cells], [*hashed, share["regression + pairs"]], "o-",
                 color=plots.BLUE)
axes[0].set_xticks([*TABLE, cells], [*(f"{size:,}" for size in TABLE), "all"])
axes[0].set_ylim(0, 80)
plots.curves(axes[1], TAKEN, lists, [plots.ORANGE, plots.BLUE, plots.GREY], dots=True)
axes[1].set(xscale="log", xlabel="k of 50 (log)", ylabel="of the income by ranking all (%)")
axes[1].set_xticks(TAKEN, TAKEN)
for ax in axes:
    ax.minorticks_off()
plots.show("Left: the share falls as the rows get fewer. Right: with towers a few ads are "
           "enough, by click rate more are needed, by chance nearly all.")

# %%
claim("hashed to less than half of the rows: lost (points of the gap)",
      share["regression + pairs"] - hashed[-1], at_least=1, at_most=25)  # TOMEASURE
claim("towers, 5 ads of 50: income, of that by ranking all (%)", lists["towers"][2],
      at_least=85)                                                       # TOMEASURE

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Do the two-number product on the board, then ask what may be computed before the visitor comes.
# Wrong answer to expect: "forgetting to undo would have been noticed in the income". Point at the table's last column.
# Ask who decides what an ad retrieved by nobody will ever earn.

# %% [markdown]
# ## 5 · Let new ads in, and where Thompson lost
#
# On the map: `ad-ranking`
#
# A ranker never learns what it does not show. Exploring pays where there is enough to find.
#
# Some ads are new: we erase what the factorization machine learned about them.
# A newcomer's row is nine numbers, its weight $w_a$ and its vector $v_a$. All other vectors are known, so its logit is *linear* in the nine, with $z$ the sum of all the other columns' vectors:
#
# $$\text{logit} = \text{rest} + w_a + v_a \cdot z$$
#
# That is lecture 01's logistic regression, and lecture 15's Laplace approximation keeps its posterior. The prior: mean and covariance of the known ads' rows.
#
# *Fixed* keeps the average row; *greedy* ranks by the posterior mean; *Thompson* draws a row each visit; and, as lecture 15 warned, the tuned rival: Thompson with draws half as wide.

# %%
known = np.c_[machine.effects("ad"), machine.table("ad")]  # (50, 9): weight and vector
blank, at = deepcopy(machine), list(SIZES).index("ad")
with torch.no_grad():
    for table in (blank.weights.weight, blank.vectors.weight):
        table[blank.start[at] : blank.start[at] + A] = 0           # no ad has a row
    ids = blank.ids(visits)
    rest = blank(ids).double().cpu().numpy().reshape(R, A)
    z = blank.vectors(ids + blank.start).sum(1).double().cpu().numpy().reshape(R, A, 8)
z = np.concatenate([np.ones((R, A, 1)), z], axis=2)                # (R, 50, 9)
whole = rest + (z * known).sum(2)                                  # the machine's own logit


def posterior(mean, precision, new, i, ad, click, steps=4):
    """Newton's method for each newcomer: prior times likelihood, then the curvature."""
    own, x, m = (ad[:, None] == new).astype(float), z[i, ad], mean
    for _ in range(steps):
        q = expit(rest[i, ad][:, None] + x @ m.T)        # (n, new)
        # H[a] = precision[a] + sum over rows n of own · q (1 - q) · x xᵀ
        H = precision + np.einsum("na,ni,nj->aij", own * q * (1 - q), x, x)
        slope = ((own * (click[:, None] - q)).T @ x
                 - np.einsum("aij,aj->ai", precision, m - mean))
        m = m + np.linalg.solve(H, slope[..., None])[..., 0]
    return m, H

# %% [markdown]
# **Predict first.** Ten newcomers among forty known ads, 20,000 visits. Who has earned more at the end?

# %%
WHO = ("Thompson", "greedy")
predict("19.ten", *WHO)

# %%
WIDTH = {"fixed": 0, "greedy": 0, "Thompson": 1, "half as wide": 0.5}


def serve(policy, new, seed, size=250):
    """Income so far, less that of knowing all ads: (batches,)."""
    luck = np.random.default_rng([SEED, seed])  # the same visitors and luck for each policy
    old = known[np.setdiff1d(np.arange(A), new)]
    mean = np.tile(old.mean(0), (len(new), 1))
    precision = np.tile(np.linalg.inv(np.cov(old.T)), (len(new), 1, 1))
    gained = []
    for _ in range(run.steps(80)):
        i, dice = luck.integers(R, size=size), luck.random(size)
        noise = WIDTH[policy] * luck.normal(size=(size, len(new), 9))
        row = mean                                       # (new, 9), or a draw a visit
        if WIDTH[policy]:
            root = np.linalg.inv(np.linalg.cholesky(precision))
            row = mean + np.einsum("aji,naj->nai", root, noise)
        score = whole[i]
        score[:, new] = rest[i][:, new] + (z[i][:, new] * row).sum(2)
        ad, usual = ((bid * expit(s)).argmax(1) for s in (score, whole[i]))
        gained.append((bid[ad] * truth[i, ad] - bid[usual] * truth[i, usual]).sum())
        if policy != "fixed":
            mean, precision = posterior(mean, precision, new, i, ad, dice < truth[i, ad])
    return np.cumsum(gained)

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Ask who would complain first about a greedy ranker: the new advertiser, whose ad got no impression.
# Lecture 15 had ten unknown arms; here most are known, and personalized, so exploring has a price from the first visit on.

# %%
RUNS = run.pick(lecture=5, full=40)
gained = {len(new): {policy: np.array([serve(policy, new, seed) for seed in range(RUNS)])
                     for policy in WIDTH}
          for new in (np.arange(1, A, 2), np.arange(1, A, 5))}
fig, axes = plots.panels("Exploring pays with half the ads new, and not with ten",
                         [f"{n} new ads of 50" for n in gained], xlabel="visits",
                         ylabel="income, less that of full knowledge", size=(10.5, 3.9))
for ax, policies in zip(axes, gained.values(), strict=True):
    plots.curves(ax, 250 * np.arange(1, policies["fixed"].shape[1] + 1), policies,
                 [plots.GREY, plots.ORANGE, plots.BLUE, plots.SKY])
plots.show("Left: fixed and greedy fall together, Thompson falls first and then flattens. "
           "Right: Thompson ends below greedy.")

# %%
end = {n: {policy: runs[:, -1].mean() for policy, runs in policies.items()}
       for n, policies in gained.items()}
outcome("19.ten", max(WHO, key=end[10].get))
half = len(gained[25]["greedy"][0]) // 2
late = {policy: (runs[:, -1] - runs[:, half]).mean() for policy, runs in gained[25].items()}
claim("25 newcomers, second half: what Thompson loses, as a share of greedy's loss",
      late["Thompson"] / late["greedy"], at_most=0.8)
claim("10 newcomers: what Thompson loses in all, as a multiple of greedy's loss",
      end[10]["Thompson"] / end[10]["greedy"], at_least=1.1)             # TOMEASURE

# %% [markdown]
# With half the ads new there is much to find, and greedy hardly meets it. With ten among forty there is little: each visit already has a good known ad, and a draw wide enough to try a newcomer costs at once what it may never bring back. The narrower draws lie between. (TOMEASURE)
# Exploring is an investment: weigh what could be found, over the visits that will use it, against the price.

# %% [markdown]
# ## 6 · Before the switch: ask the old log
#
# On the map: `ad-ranking`
#
# The old log can price the new ranking as far as it shows the same ads.
#
# The new ranking uses the mixture, the old one the regression on crosses.
# Lecture 15 estimated clicks; now the reward is income $y_i$: the bid if clicked, else 0. $\mu(a_i)$ is the log's probability of the ad shown, $\pi(x_i)$ the new ranking's choice.
#
# - IPS: the mean of $w_i y_i$ with $w_i = 1 / \mu(a_i)$ where $a_i = \pi(x_i)$, else 0.
# - **Self-normalized** (자기 정규화): $\sum w_i y_i / \sum w_i$, for the $w_i$ sum to $n$ only on average.
# - Doubly robust: the model's expectation, plus the weighted mean of what it missed.
#
# Three logs of 10,000 visits: ads by chance; a tenth by chance; the old ranking alone.

# %% [markdown]
# **Ask the room.** On the third log, which estimator gives an error message?
#
# <details><summary>One answer</summary>
#
# None: all return a number with a narrow interval. IPS counts only the visits on which both rankings agree, self-normalized takes these for all.
# Doubly robust is the model there, and nothing in this log can check it.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# On the third log doubly robust is the model, and we know that it is right only because we know the world.
# The remedy was needed before the log was written: explore a little and store the propensity.

# %%
# (R,) the two rankings' ads
before = bid * pctr["regression + crosses"]
new, old = (bid * pctr["mixture"]).argmax(1), before.argmax(1)
worth = {"new": earned(bid * pctr["mixture"]), "old": earned(before)}
LOGS, N = run.pick(lecture=200, full=1000), 10_000


def estimates(chance):
    """Old logs with this share of ads by chance
    -> estimator: estimates (LOGS,), their standard errors; and effective sample size."""
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
    size = (w.sum(1) ** 2 / (w**2).sum(1)).mean()
    return {name: (t.mean(1), t.std(1) / N**0.5) for name, t in terms.items()}, size


checks = {"ads by chance": 1.0, "old ranking, 10 % by chance": 0.1,
          "old ranking alone": 0.0}
checks = {name: estimates(chance) for name, chance in checks.items()}

# %%
fig, axes = plots.panels("Without exploration a log answers all the same (line: truth, "
                         "dashed: old)",
                         checks, xlabel="estimated eCPM", ylabel="", sharey=True,
                         sharex=True, size=(10.5, 3.2))
for ax, (found, size) in zip(axes, checks.values(), strict=True):
    for row, (estimate, _) in enumerate(found.values()):
        ax.plot(estimate, row + 0.25 * rng.uniform(-1, 1, LOGS), ".", color=plots.BLUE,
                alpha=0.3, markersize=4)
    ax.axvline(worth["new"], color=plots.INK, linewidth=1.5)
    ax.axvline(worth["old"], color=plots.GREY, linewidth=1.5, linestyle="--")
axes[0].set(yticks=range(3), yticklabels=list(found), ylim=(2.5, -0.5),
            xlim=(0, 2.2 * worth["new"]))
plots.show("Estimates around the true value (line) for two logs; "
           "for the third, IPS is far too low.")
print("effective sample size:", {name: round(size) for name, (_, size) in checks.items()})

# %%
chance, tenth, alone = (found for found, _ in checks.values())
claim("one visit in ten by chance: doubly robust ÷ truth, on average",
      tenth["doubly robust"][0].mean() / worth["new"], at_least=0.9, at_most=1.1)
claim("and its spread, over that with all ads by chance (ratio)",
      tenth["doubly robust"][0].std() / chance["doubly robust"][0].std(), at_least=1.3)
inside = np.abs(alone["IPS"][0] - worth["new"]) < 1.96 * alone["IPS"][1]
claim("no chance at all: 95 % intervals of IPS that hold the truth (share)", inside.mean(),
      at_most=0.1)

# %% [markdown]
# The effective sample size of lecture 15 is the first number to read: of 10,000 visits a few hundred count. On the third log it looks *best*, since all weights are 1 or 0. It warns of wild weights, not of what a log never showed.

# %% [markdown]
# ## 7 · The A/B test, and two ways to fool oneself with it
#
# On the map: `ad-ranking`
#
# The last word is a trial on live traffic. It is only as honest as its standard error and its day.
#
# An **A/B test** (A/B 테스트): a coin sends each *user* to the old ranking or to the new one, for good; compare the income a visit.
#
# How many visits? By hand, for clicks: old 4 %, and a new 4.4 % is worth finding. One visit has variance $0.04 \cdot 0.96 = 0.0384$; the difference of two means of $n$ visits has variance $2 \cdot 0.0384 / n$.
# To call it at $z > 1.96$ in 80 of 100 tests, the difference must be $1.96 + 0.84$ standard errors:
#
# $$n = 2 \cdot (1.96 + 0.84)^2 \cdot \frac{0.0384}{0.004^2} \approx 38{,}000 \text{ a side}$$
#
# The 80 of 100 is the test's **power** (검정력). Half the difference needs four times the visits.

# %% [markdown]
# Visits of one user are alike: 35 visits of one user are not 35 coins. So the standard error must be counted by user. With $m$ an arm's income a visit, user $k$ with $n_k$ visits and income $y_k$ is off by $e_k = y_k - m\, n_k$:
#
# $$\text{variance of } m = \frac{\sum_k e_k^2}{\left(\sum_k n_k\right)^2}$$
#
# To see what a test does when there is nothing to see, give both arms the *same* ranking: an **A/A test** (A/A 테스트). A sound one is significant in 5 of 100.
#
# **Predict first.** A/A tests over 14 days, with the right standard error. You look each day, and stop at the first $|z| > 1.96$. How many of 100 find a difference?

# %%
FALSE = {"about 5": 5, "about 20": 20, "about 60": 60}
predict("19.peek", *FALSE)

# %%
TESTS, DAYS, A_DAY, USERS = run.pick(lecture=200, full=1000), 14, 1000, log.sizes["user"]
visitor_id = future.features["user"][rows]               # (R,) whose visit it is


def trial(first, second):
    """z of the second arm over the first after each day: by visit and by user,
    two times (DAYS, TESTS)."""
    arm = rng.random((TESTS, USERS)) < 0.5
    test = np.arange(TESTS)[:, None]
    sums, z = np.zeros((3, TESTS, USERS)), []            # visits, income, its square
    for _ in range(DAYS):
        i = rng.integers(R, size=(TESTS, A_DAY))
        who = visitor_id[i]
        ad = np.where(arm[test, who], second[i], first[i])
        y = bid[ad] * (rng.random(i.shape) < truth[i, ad])
        for total, x in zip(sums, (np.ones_like(y), y, y**2), strict=True):
            np.add.at(total, (test, who), x)
        mean, by_visit, by_user = np.zeros((3, 2, TESTS))
        for side in (0, 1):
            n, income, square = sums * (arm == side)
            visits_ = n.sum(1)
            mean[side] = income.sum(1) / visits_
            by_visit[side] = (square.sum(1) / visits_ - mean[side] ** 2) / visits_
            off = income - mean[side][:, None] * n
            by_user[side] = (off**2).sum(1) / visits_**2
        z.append([(mean[1] - mean[0]) / np.sqrt(var.sum(0)) for var in (by_visit, by_user)])
    return np.array(z).transpose(1, 0, 2)

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Ask who has stopped a test on the day it became significant. Most have.
# Wrong answer to expect: "looking costs nothing". Each look is a ticket in a lottery with one prize.

# %%
same, differ = trial(old, old), trial(old, new)
false = {"by visit, one look": 100 * (np.abs(same[0, -1]) > 1.96).mean(),
         "by user, a look a day": 100 * (np.abs(same[1]) > 1.96).any(0).mean(),
         "by user, one look": 100 * (np.abs(same[1, -1]) > 1.96).mean()}
fig, axes = plots.panels("Count by user, and look once", ["A/A: nothing to find",
                         "A/B: the mixture against the crosses"],
                         xlabel="tests that find a difference (of 100)", ylabel="",
                         size=(10.5, 3.4))
axes[0].barh(list(false), list(false.values()), height=0.6,
             color=[plots.RED, plots.ORANGE, plots.BLUE])
for row, x in enumerate(false.values()):
    plots.name(axes[0], x, row, f"{x:.0f}", plots.INK)
axes[0].axvline(5, color=plots.INK, linewidth=1)
axes[0].set_ylim(2.6, -0.6)
axes[1].plot(np.arange(1, DAYS + 1), 100 * (differ[1] > 1.96).mean(1), "o-",
             color=plots.BLUE)
axes[1].axhline(80, color=plots.INK, linewidth=1)
axes[1].set(xlabel="days of 1,000 visits; one look, by user", ylabel="power (of 100 tests)",
            ylim=(0, 102))
plots.show("Left: counted by visit, and looked at daily, far more than 5 of 100 A/A tests "
           "find a difference. Right: the power rises with the days.")
outcome("19.peek", min(FALSE, key=lambda words: abs(
    np.log(FALSE[words] / max(false["by user, a look a day"], 1)))))
claim("A/A, counted by visit, one look: tests that find a difference (of 100)",
      false["by visit, one look"], at_least=9)                           # TOMEASURE
claim("A/A, counted by user, a look a day (of 100)", false["by user, a look a day"],
      at_least=14)                                                       # TOMEASURE

# %% [markdown]
# So: fix the day before the start, or use limits made for looking (O'Brien and Fleming 1979; always-valid ones, Johari and others 2017).
# Subtracting what a user earned *before* the test narrows the error for nothing (CUPED, Deng and others 2013).
#
# **Ask the room.** Both rankings train nightly on the common log. What does your A/B test compare?
#
# <details><summary>One answer</summary>
#
# Two rankings that learn from each other's clicks: the new one's discoveries help the old one, its exploring is paid by one arm. Budgets leak too: an advertiser who is spent in one arm is missing in the other. Split the logs and the budgets as well, or say so.
# </details>

# %% [markdown]
# ## 8 · After the switch: watch it
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
# Four monitors, each as a distance from its own first week, in standard deviations of that week: *log-loss*; *total*, clicks less predicted, over $\sqrt{\sum p(1-p)}$; *slices*, the same for each device × category, squared and added; *inputs*, counts of device and category against training, as $\chi^2$.

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
#
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


def monitors(columns, click):
    """Four numbers a block, from what the platform sees: (4, 28),
    in deviations of the first week."""
    seen = data.AdLog(live.features | columns, click.astype(int), live.truth)
    q = models["mixture"].probability(seen)
    cell = 8 * seen.features["device"] + seen.features["category"]
    count, clicks, hoped, var = (np.bincount(24 * block + cell, x,
                                             24 * BLOCKS).reshape(BLOCKS, 24)
                                 for x in (np.ones(len(q)), click, q, q * (1 - q)))
    loss = -np.log(np.where(click, q, 1 - q))
    usual = np.bincount(8 * past.features["device"] + past.features["category"],
                        minlength=24) / len(past)
    expected = usual * count.sum(1, keepdims=True)
    four = np.array([np.bincount(block, loss) / count.sum(1),
                     (clicks - hoped).sum(1) / var.sum(1) ** 0.5,
                     ((clicks - hoped) ** 2 / np.maximum(var, 0.5)).sum(1),
                     ((count - expected) ** 2 / expected).sum(1)])
    week = four[:, :14]
    return (four - week.mean(1, keepdims=True)) / week.std(1, keepdims=True)

# %% [markdown]
# The grey band is four deviations wide on each side: a limit that a quiet week does not cross.

# %%
NAMES = ["log-loss", "total", "slices", "inputs"]
seen = {fault: monitors(*change) for fault, change in faults.items()}
fig, axes = plots.panels("Each fault has a monitor that shouts; "
                         "log-loss takes the first for progress", seen,
                         xlabel="day", ylabel="deviations from the first week", sharey=True,
                         size=(10.5, 3.6))
four = [plots.GREY, plots.BLUE, plots.ORANGE, plots.GREEN]
for ax, values in zip(axes, seen.values(), strict=True):
    ax.axhspan(-4, 4, color=plots.GREY, alpha=0.15)  # control limits
    ax.set_xticks([0, 7, 14])
    ax.axvline(7, color=plots.INK, linewidth=0.8)
    for line, color in zip(values, four, strict=True):
        ax.plot(np.arange(BLOCKS) / 2, np.clip(line, -10, 20), color=color, linewidth=1.4)
for row, (name, color) in enumerate(zip(NAMES, four, strict=True)):
    plots.name(axes[0], 0, 18 - 3 * row, name, color)
plots.show("Three faults on day 7: total and log-loss fall in the first; "
           "inputs shoot up in the other two.")
after = {fault: dict(zip(NAMES, np.median(values[:, 14:], axis=1), strict=True))
         for fault, values in seen.items()}
claim("redesign: the total leaves the band (deviations, median)",
      after["redesign"]["total"], at_most=-4)                            # TOMEASURE
claim("redesign: log-loss goes down, as if the model had improved (deviations)",
      after["redesign"]["log-loss"], at_most=-2)

# %% [markdown]
# One more fault needs no bug: conversions, such as a sale, come days after the click. The youngest rows look like misses, as in lecture 15; wait for them to close, or model the delay (Chapelle 2014).
# And a total that has drifted is mended without new training: fit a line on the logit (Platt 1999), or a rising staircase (isotonic regression), to last week's clicks.

# %% [markdown]
# ## 9 · When deep learning does not pay
#
# On the map: `ad-ranking`
#
# With few rows, or with the right crosses told, logistic regression is as good, cheaper and easier to watch.
#
# Four sizes of the log, always the most recent rows. The large models get what small logs need: boosting fewer and smaller trees, networks smaller batches and an L2 price that grows as $1/n$, as a prior's weight does among $n$ rows. Scikit-learn's C counts the rows by itself.
#
# **Ask the room.** Your platform has 3,000 impressions. What do you build?
#
# <details><summary>One answer</summary>
#
# A regression on attributes and a few crosses, bids, a share of chance with its propensity, and monitors. The log that this writes is what a larger model will need.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
#
# Somebody says "we will have more next year". Good: ask which model is needed until then, and what it will be compared with.

# %%
FEW, FULL = [3000, 10_000, 30_000], len(past)


def small(n):
    """The models with settings for a log of n rows."""
    price = {"l2": 2e-3 * FULL / n, "batch_size": 1000}
    return {"regression + crosses": makers["regression + crosses"](),
            "regression + pairs": makers["regression + pairs"](),
            "boosting": Boosting(max_iter=40, max_leaf_nodes=8),
            "FM + crosses": Network(FM, crosses=CROSSES, fit=price),
            "mixture": Network(Mixture, crosses=CROSSES, fit=price)}


curve = {name: [] for name in small(FULL)}
for n in FEW:
    for name, model in small(n).items():
        curve[name].append(100 * future.share_of_gap(model.fit(past[-n:]).probability(future)))
for name, values in curve.items():
    values.append(share[name])

# %% [markdown]
# The dots at the right are the ladder's.

# %%
fig, ax = plots.figure("With few rows the plain regression is as good as anything",
                       size=(8, 4.2), xlabel="impressions to learn from (log)",
                       ylabel="share of the gap (%)")
for name, values in curve.items():
    ax.plot([*FEW, FULL], values, "o-", color=COLOR[name],
            linestyle="--" if name == "regression + crosses" else "-")
    plots.name(ax, FULL, values[-1], name, COLOR[name])
ax.axhline(0, color=plots.INK, linewidth=0.8)
ax.set_xscale("log")
ax.set_xticks([*FEW, FULL], [f"{n:,}" for n in (*FEW, FULL)])
ax.minorticks_off()
plots.show("Shares rise with rows: regression on crosses leads at the left, "
           "the mixture at the right.")
claim("3,000 rows: regression on crosses, over the mixture (points of the gap)",
      curve["regression + crosses"][0] - curve["mixture"][0], at_least=-3)

# %% [markdown]
# The fair account:
#
# - What paid was *structure that fits*: the pair of user and ad, the regime. Told the pairs, a regression comes near the factorization machine, and needs no start and no schedule.
# - The network pays where pairs cannot be told. 400 × 50 could; $10^{12}$ cells only hashed.
# - Depth as such paid little, **on a log that was made this way**: its truth is a logit of sums and of products of vectors, and the winner is a model of that form. On such home ground nobody can lose with it. Pictures, texts and sequences (lectures 10 to 12) are other grounds; lecture 20 tells what rankers do with a visitor's history.
# - Every visit scores every candidate: a microsecond a prediction is multiplied.
# - No model here saves an auction without exploration, propensities, a test and monitors.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Random split.** It tells target encodings what will happen. Train on the past, test on the future.
# - **Crosses given to one model only.** Then the table compares columns, not models.
# - **Judged by log-loss alone.** Price the ranking.
# - **Thinned, and not undone.** The ranking looks well, the budgets burn.
# - **Feedback loop.** Tomorrow's log holds what today's ranker showed. Keep a share of chance, and log its probability.
# - **Position as a cause.** Clicks depend on the slot; train with it, rank with one fixed value.
# - **Bids that react.** We held bids fixed; advertisers answer every change.
#
# ## Summary
#
# 1. Compare models that are told the same. Here products pay, depth does not.
# 2. Rank by bid × pCTR; the gap in money is another gap than that in log-loss.
# 3. Second price makes truth the best bid for one slot; first price makes buyers shade. A visitor's factor cancels, an ad's does not.
# 4. Undo a thinned log; hash what has no list; retrieve by towers, then rank.
# 5. Explore where there is enough to find. Judge by a log with chance in it, then by a test counted by user on a fixed day; then watch.
# 6. The map's thesis where it was drawn: the network *is* an ensemble of regressions, and pays as far as its features cannot be told by hand.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 19`, then open `exercises/work/19_exercises.ipynb`: six tasks, about 105 minutes. Lecture 20 looks at what came after the map.
#
# <details><summary>Papers</summary>
#
# - W. Vickrey (1961), *Counterspeculation, auctions, and competitive sealed tenders*, Journal of Finance 16.
# - P. O'Brien, T. Fleming (1979), *A multiple testing procedure for clinical trials*, Biometrics 35.
# - J. Platt (1999), *Probabilistic outputs for support vector machines*, Advances in Large Margin Classifiers.
# - B. Edelman, M. Ostrovsky, M. Schwarz (2007), *Internet advertising and the generalized second-price auction*, American Economic Review 97.
# - K. Weinberger and others (2009), *Feature hashing for large scale multitask learning*, ICML.
# - H. B. McMahan and others (2013), *Ad click prediction: a view from the trenches*, KDD.
# - L. Bottou and others (2013), *Counterfactual reasoning and learning systems*, Journal of Machine Learning Research 14.
# - A. Deng and others (2013), *Improving the sensitivity of online controlled experiments by utilizing pre-experiment data*, WSDM.
# - X. He and others (2014), *Practical lessons from predicting clicks on ads at Facebook*, ADKDD.
# - O. Chapelle (2014), *Modeling delayed feedback in display advertising*, KDD.
# - A. Swaminathan, T. Joachims (2015), *The self-normalized estimator for counterfactual learning*, NIPS 28.
# - P. Covington, J. Adams, E. Sargin (2016), *Deep neural networks for YouTube recommendations*, RecSys: retrieve, then rank.
# - R. Johari and others (2017), *Peeking at A/B tests*, KDD.
# - H. Guo and others (2017), *DeepFM*, IJCAI.
# - R. Wang and others (2021), *DCN V2*, WWW.
# </details>
