# %% [markdown]
# # 19 · Ad ranking, from log to auction
#
# **Question.** Eighteen lectures of models. Which one should choose the next ad, what is it worth in money, and how would you know that it broke?
#
# **You will be able to** compare models that are told the same; put log-loss and money on one scale; price by second and by first price; thin a log and undo it; retrieve before you rank; let new ads in; judge a ranker by an old log, an A/B test and monitors; say when deep learning does not pay.
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
import numpy as np

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import ranking
from utils.scratch.ranking import CROSSES, FM, IDS, PAIRS, Boosting, Logistic, Network

run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)  # two threads would only wait
rng = np.random.default_rng(SEED)

# %%
concept_map.show("19")

# %% [markdown]
# ## 1 · The ladder: what a model is told, and what it can multiply
#
# On the map: `ad-ranking`
#
# Columns and products decide more than depth.
#
# **Ad ranking** (광고 랭킹): many ads compete for a visitor, one is shown.
# It needs the **pCTR** (예측 클릭률), predicted click-through rate: the probability that this visitor clicks this ad.
# The lecture walks once round the loop below; the numbers are its sections.
#
# By hand. User 1 likes ad A ($+1$ on the logit) and not B ($-1$); user 2 the other way round. A *sum* of one number a user and one an ad cannot say this: the two liked pairs together add up all four numbers, to $+2$, and so do the two others, to $-2$. A *product* can: users $1, -1$, ads $1, -1$.

# %%
s = schematics.Sketch("What is shown today is what the model learns from tomorrow",
                      width=9.8, height=2.7)
names = ("all ads", "retrieve\na few (4)", "pCTR\n(1, 9)", "auction\n(2, 3)",
         "one ad\nshown (5)", "click?\nlater")
kinds = ("data", "concept", "concept", "family", "good", "data")
stops = [s.box(name, at=(0.75 + 1.66 * i, 1.95), kind=kind, size=(1.2, 0.72))
         for i, (name, kind) in enumerate(zip(names, kinds, strict=True))]
for i in range(5):
    s.arrow(stops[i], stops[i + 1])
log_box = s.box("log (6)", at=(6.6, 0.5), kind="data", size=(1.4, 0.5))
test = s.box("A/B test (7), monitors (8)", at=(3.2, 0.5), kind="family", size=(3.0, 0.5))
s.arrow(stops[5], log_box)
s.arrow(log_box, test)
s.arrow(test, stops[2], "train, switch", left=False)
s.show("Boxes in a row: all ads, retrieve a few, pCTR, auction, one ad shown, click; "
       "an arrow leads to the log, from there to test and monitors, and back to pCTR.")

# %% [markdown]
# We train on ten days of the log and judge on the last four. A model may be *told* four kinds of column:
#
# - *attributes*: age, gender, category, site, position, device, hour;
# - *ids*: user, ad and context besides;
# - *crosses*: three combinations of attributes (lecture 03), a weight for each cell;
# - *pairs*: user × ad and context × ad, 21,500 cells more.
#
# What it is not told it must build. Trees cut by one column after the other; the factorization machine (FM) of lecture 08 multiplies vectors; the deep part has 64 ReLUs over all vectors.
# The mixture adds lecture 17 to the FM: two tables of segment (age × gender) × category, and a gate for each hour of each site, the *regime*.

# %%
log = data.load("ads", rows=run.pick(lecture=200_000, full=1_000_000), seed=SEED)
world = data.ad_world()
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
recent = past[-140_000:]                               # as many in each profile
TOLD = [*IDS, *CROSSES, *PAIRS]
TRAINING = {"epochs": max(3, run.steps(6)), "seed": SEED, "device": run.device}
print("a cross:", CROSSES[0], " a pair:", PAIRS[0], " rows:", len(past), len(future))

# %% [markdown]
# Thirteen models, in groups that are told the same. Days 8 and 9 chose, after training on the days before: for the networks six passes (more overfit) at rate 0.02, of 0.01, 0.02 and 0.04; for the regressions scikit-learn's C, 1 over the L2 price, at 0.3, of 0.1, 0.3, 1 and 3. Boosting: rate 0.1, at most 150 trees; 0.05 with 400 was within a point.
#
# **Predict first.** Wide & deep has crosses and a deep part. Give the crosses to the FM, which has no deep part. How far is wide & deep ahead?

# %%
PLACES = ("5 points or more", "less, or behind")
predict("19.ladder", *PLACES)
ROUNDS, WIDE = max(1, run.steps(150)), ranking.WideAndDeep
GROUPS = {
    "": {"attributes": Logistic(ranking.ATTRIBUTES)},
    "told ids": {
        "regression": Logistic(IDS), "boosting": Boosting(trees=ROUNDS, seed=SEED),
        "deep": Network(WIDE, hidden=(64,), **TRAINING),
        "FM": Network(FM, **TRAINING)},
    "told crosses too": {
        "regression + crosses": Logistic([*IDS, *CROSSES]),
        "wide & deep": Network(WIDE, hidden=(64,), crosses=CROSSES, **TRAINING),
        "FM + crosses": Network(FM, crosses=CROSSES, **TRAINING)},
    "told pairs too": {
        "boosting + pairs": Boosting([*CROSSES, *PAIRS], trees=ROUNDS, seed=SEED),
        "regression + pairs": Logistic(TOLD)},
    "given the regime": {
        "boosting + all": Boosting([*CROSSES, *PAIRS, ranking.REGIME], trees=ROUNDS,
                                   seed=SEED),
        "regression + all": Logistic([*TOLD, ranking.REGIME]),
        "mixture": Network(ranking.Mixture, crosses=CROSSES, **TRAINING)}}
models = {name: model for group in GROUPS.values() for name, model in group.items()}
for name in list(models)[:7]:  # the rest in the next cell: each a few seconds
    models[name].fit(past)

# %%
for name in list(models)[7:]:
    models[name].fit(past)
p = {name: model.probability(future) for name, model in models.items()}
share = {name: 100 * future.share_of_gap(guess) for name, guess in p.items()}
for name, said in p.items():
    print(f"{name:20} {share[name]:5.1f} %   {models[name].parameters:6,} numbers   "
          f"predicted ÷ clicked {said.sum() / future.click.sum():.2f}")

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# Collect the room's order on the board before the table runs, and a reason for each place.
# Wrong answer to expect: "wide & deep wins, it is the deepest". Ask which models can multiply a user by an ad, and which were told a cross.

# %%
FAMILY = {"attr": plots.GREY, "reg": plots.BLUE, "boo": plots.GREEN, "dee": plots.PURPLE,
          "wid": plots.PURPLE, "FM": plots.ORANGE, "mix": plots.RED}
COLOR = {name: next(c for start, c in FAMILY.items() if name.startswith(start))
         for name in models}
fig, ax = plots.figure("Columns and products decide more than depth",
                       xlabel="share of the gap on later days (%)", ylabel="", size=(9, 5))
RIVAL = {"deep": "FM", "wide & deep": "FM + crosses", "boosting + pairs": "boosting",
         "mixture": "FM + crosses"}
lead = {name: share[name] - share[rival] for name, rival in RIVAL.items()}
row, ticks = 0.0, {}
for title, group in GROUPS.items():
    plots.name(ax, 90, row, title, plots.INK)
    for name in group:
        ax.barh(row, share[name], color=COLOR[name], height=0.7)
        plots.name(ax, share[name], row, f"{share[name]:.0f} %", plots.INK)
        ticks[name], row = row, row + 1
    row += 0.6
ax.set(xlim=(0, 90), ylim=(row - 0.8, -0.7), yticks=list(ticks.values()))
ax.set_yticklabels(ticks)
plots.show("Bars in groups: told ids, and told crosses, FM is a little ahead of deep; "
           "then pairs; then the regime, with the mixture.")

# %%
outcome("19.ladder", PLACES[0 if lead["wide & deep"] >= 5 else 1])
claim("told ids: deep leads FM by less than 6 (points of the gap)", lead["deep"], at_most=6)
claim("told crosses: wide & deep leads FM by less than 5 (points)", lead["wide & deep"],
      at_most=5)
claim("boosting: crosses and pairs add (points)", lead["boosting + pairs"], at_least=12)
claim("a gate and two tables add to FM + crosses (points)", lead["mixture"], at_least=2)

# %% [markdown]
# Read within a group. On ids, only the FM multiplies user by ad; the deep net's ReLUs must learn to. On five seeds it ended between 6 points behind and 4 ahead; told the crosses, between 10 behind and 2 ahead. The step that wide & deep seems to make is the crosses' step. With a million rows (`full`, one run) it led by 4, and by 3: rows may help.
# Boosting lacked columns: told crosses and pairs, it climbs by 15 to 20 points.
# The regime as one cross has 11,520 cells, and moves neither regression nor boosting by more than a point. Two tables and a gate say it with 432 numbers.
#
# Newer rankers build higher products (DCN v2, Wang and others 2021), or join FM and deep part (DeepFM, Guo and others 2017).

# %% [markdown]
# ## 2 · Rank by expected value: money is not log-loss
#
# On the map: `ad-ranking`
#
# Knowing *who clicks much* lowers the log-loss, and moves no ad.
#
# The smallest case: two visitors, two ads, a click is worth 1. Model 1 knows the visitors, model 2 the order.
#
# | | truth: A | B | model 1: A | B | model 2: A | B |
# |---|---|---|---|---|---|---|
# | visitor 1 | 20 % | 10 % | 15 % | 15 % | 6 % | 3 % |
# | visitor 2 | 1 % | 2 % | 1.5 % | 1.5 % | 3 % | 6 % |
# | log-loss | | | 0.250 | | 0.293 | |
# | earns a visit | | | 0.0825 | | 0.11 | |
#
# Model 1 cannot choose and shows either ad; model 2 shows A, then B: $(0.20 + 0.02) / 2$. The worse log-loss earns a third more.

# %% [markdown]
# Now with bids, which differ from visit to visit. An advertiser pays $b$ for a click; a thousand impressions are worth $1000 \cdot b \cdot \text{pCTR}$, the **eCPM** (유효 CPM), effective cost per mille. Show the ad where it is largest.
# All 50 ads compete for visitors of the last days. The log's world knows the true probability of *every* pair, so the income is known, not estimated.
#
# One scale for both, 100 for the truth. Log-loss has the base rate at 0; money has ranking by the bid alone.
#
# **Predict first.** The regression on ids closes nearly 40 % of the log-loss gap. And of the gap in money?

# %%
GAPS = {"about 20": 20, "about 40": 40, "about 60": 60}
predict("19.money", *GAPS)
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
bid = np.exp(0.5 * rng.normal(size=(R, 16)))[:, world.advertiser]  # (R, 50)


def income(ad):
    """True expected income of each visit that shows this ad: ad (R,) -> (R,)."""
    return (bid * truth)[np.arange(R), ad]


def in_money(guess):
    """Share of the gap between the bid alone and the truth (%): guess (R, A) or (A,)."""
    none, some, most = (income(s.argmax(1)).mean() for s in (bid, bid * guess, bid * truth))
    return 100 * (some - none) / (most - none)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# The four-number table first, on the board. Let them compute what each model earns.
# Wrong answer to expect: "a better log-loss earns more". Have them write the regression's score for two users: the user's weight is in all 50 logits alike.

# %%
def promise(guess, k, draws=20):
    """Predicted over true click rate of the winners, where k of the 50 ads compete."""
    sums = np.zeros(2)
    for _ in range(draws if k < A else 1):
        some = rng.choice(A, k, replace=False)
        ad = some[(bid * guess)[:, some].argmax(1)]
        sums += guess[np.arange(R), ad].sum(), truth[np.arange(R), ad].sum()
    return sums[0] / sums[1]


pctr = {name: model.probability(pairs).reshape(R, A) for name, model in models.items()}
money = {name: in_money(guess) for name, guess in pctr.items()}
rate = np.array([past.click[past.features["ad"] == ad].mean() for ad in range(A)])
loose, fitting, tight = (Logistic(TOLD, C).fit(recent).probability(pairs).reshape(R, A)
                         for C in (10, 0.3, 0.05))
winners = {"too little L2": loose, "fitting L2": fitting,
           "too much L2": tight, "mixture": pctr["mixture"]}
competing = [1, 2, 5, 10, 20, 50]
curse = {name: [promise(guess, k) for k in competing] for name, guess in winners.items()}

# %%
fig, axes = plots.panels("Money is another gap, and winners are not the log",
                         ["two gaps; on the line they agree", "the winners' promise"],
                         xlabel="gap in log-loss, closed (%)",
                         ylabel="gap in money, closed (%)", size=(10.5, 4.3))
axes[0].plot([0, 100], [0, 100], color=plots.INK, linewidth=0.8)
NAMED = ("attributes", "regression", "boosting", "regression + crosses", "FM", "mixture")
for name in models:
    axes[0].plot(share[name], money[name], "o", color=COLOR[name])
    if name in NAMED:
        plots.name(axes[0], share[name], money[name], name, COLOR[name],
                   dx={"boosting": -62, "FM": -26}.get(name, 6),
                   dy=4 if name == "FM" else -7)
axes[0].set(xlim=(0, 115), ylim=(0, 100))
for (name, ratio), color in zip(curse.items(), [plots.SKY, plots.BLUE, plots.INK,
                                                plots.RED], strict=True):
    axes[1].plot(competing, ratio, "o-", color=color)
    plots.name(axes[1], 50, ratio[-1], name, color,
               dy=7 * (name == "mixture") - 6 * (name == "fitting L2"))
axes[1].axhline(1, color=plots.INK, linewidth=0.8)
axes[1].set(xscale="log", xlabel="ads that compete (log)", ylabel="predicted ÷ true")
axes[1].set_xticks(competing, competing)
axes[1].minorticks_off()
plots.show("Left: weak models lie below the line, FM and mixture above. Right: the ratio "
           "grows with competing ads under too little L2, falls under too much.")

# %% [markdown]
# Left: the regression on ids knows 400 users, and earns no more than one click rate an ad: no user changes its order. The FM and the mixture close more in money than in log-loss.
#
# Right: the regression on pairs, with three strengths of L2. With one ad all promise about what comes; of 50, too much L2 promises less, too little double. That is lecture 00's winner's curse: the largest of many scores has a high truth or a lucky error, and the maximum cannot tell which.
# L2 of the right size protects: it is a prior (lecture 06), and the posterior has given its luck away.

# %%
outcome("19.money", min(GAPS, key=lambda words: abs(GAPS[words] - money["regression"])))
claim("regression on ids: closed in log-loss, less closed in money (points)",
      share["regression"] - money["regression"], at_least=12)
claim("its money, off one click rate an ad's by (points)",
      abs(money["regression"] - in_money(rate)), at_most=1.5)
claim("too little L2: predicted ÷ true of the winners of 50 ads",
      curse["too little L2"][-1], at_least=1.6)

# %% [markdown]
# ## 3 · The auction: what the winner pays
#
# On the map: `ad-ranking`
#
# In a second-price auction the true value is the best bid, visit by visit; in a first-price auction it earns nothing.
#
# The largest score, bid × pCTR, wins. For a click, the winner pays
#
# - **first price** (최고가 경매): its own bid;
# - **second price** (차가 경매): the smallest bid that would still have won, $s_{(2)} / \text{pCTR}$, with $s_{(2)}$ the second largest score and the winner's own pCTR.
#
# If a click is worth $v$ and has the true probability $p$, a visit won gains $(v - \text{price}) \cdot p$. Does it pay to bid $f \cdot v$, with $f$ other than 1? Below the ad that wins most tries each $f$; all others bid their value.

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
        price_box = s.box("A pays 0.08 / 0.05 = 1.60", at=(7.6, y), kind="family",
                          size=(2.6, 0.5))
        s.arrow(score_box, price_box)
s.show("Three ads with bid, pCTR and score. A has the largest score, 0.10, and wins; it "
       "pays B's score 0.08 over its own pCTR 0.05, which is 1.60 a click.")

# %%
def auction(bids, guess):
    """Bids and pCTR (R, A) -> winner (R,), its second price of a click (R,)."""
    score = bids * guess
    second = np.sort(score, axis=1)[:, -2]
    winner = score.argmax(1)
    return winner, second / guess[np.arange(len(score)), winner]

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
#
# Play it: three people, sealed bids for a book, values on cards. Then ask the winner whether a lower bid would have lowered the price.
# The price holds only others' scores. The bid only decides whether to take this price or leave it.
# Warn: this is for one slot. With several slots the argument fails (second task).

# %%
guess = pctr["mixture"]
ME = np.bincount(auction(bid, guess)[0], minlength=A).argmax()  # wins most often
factors = np.arange(0.3, 2.01, 0.05)
gain = {"first": [], "second": []}
for f in factors:
    bids = bid.copy()
    bids[:, ME] *= f
    winner, price = auction(bids, guess)
    mine = (winner == ME) * truth[:, ME]
    gain["second"].append(mine * (bid[:, ME] - price))    # (R,) of each visit
    gain["first"].append(mine * (bid[:, ME] - bids[:, ME]))
gain = {kind: np.array(each) for kind, each in gain.items()}
honest = gain["second"][np.abs(factors - 1).argmin()]
fig, ax = plots.figure("Second price rewards the truth, first price rewards a lower bid",
                       size=(8, 3.9), xlabel="bid, as a multiple of the value",
                       ylabel="gain of a thousand visits")
for (kind, each), color, at in zip(gain.items(), [plots.RED, plots.BLUE], (14, 28),
                                   strict=True):
    ax.plot(factors, 1000 * each.mean(1), color=color)
    plots.name(ax, factors[at], 1000 * each.mean(1)[at], f"{kind} price", color, dx=10,
               dy=12)
ax.axvline(1, color=plots.INK, linewidth=0.8)
ax.set_ylim(bottom=-0.5 * 1000 * honest.mean())
plots.show("The second-price gain has its top at 1; the first-price gain is zero there "
           "and highest below 1.")
claim("second price: largest gain over the truth, any visit, any factor",
      (gain["second"] - honest).max(), at_most=1e-12)
claim("first price: best bid ÷ value", factors[gain["first"].mean(1).argmax()], at_most=0.9)

# %% [markdown]
# Search charges by the next score. Display advertising has left second price: large exchanges went to first price from 2017 to 2021. So buyers **shade** (입찰가 낮추기) their bids. Let $F(b)$ be the share of similar visits that a bid of $b$ would win, learned as pCTR is; bid the $b$ with the largest $(v - b) \cdot F(b)$. The red top is that rule, with one factor for all visits. When all shade, prices fall: in the textbook's symmetric case to second price's average (Vickrey 1961).
#
# And if pCTR is wrong? A factor for each *visitor* is in all scores of the visit, and cancels. One for each *ad* does not.

# %%
winner, price = auction(bid, guess)
wild, mild = np.exp(rng.normal(size=(R, 1))), np.exp(0.2 * rng.normal(size=A))
(same, its_price), (other, _) = auction(bid, wild * guess), auction(bid, mild * guess)
claim("a wild factor for each visitor: visits with another winner or price",
      ((same != winner) | (abs(its_price / price - 1) > 1e-9)).sum(), at_most=0)
claim("a mild factor for each ad: visits with another winner (share)",
      (other != winner).mean(), at_least=0.1)

# %% [markdown]
# ## 4 · Too many rows, too many ads
#
# On the map: `ad-ranking`
#
# A platform has a billion rows a day and a million ads. Both can be shortened, at a price.
#
# **Rows.** Lecture 01 thinned the log: every click, and a share $r$ of the misses. Of 100 impressions 4 are clicked; keep a tenth of the 96 others: $4 / (4 + 9.6) = 0.29$. To undo it in a prediction $q$, let each kept miss stand for $1/r$:
#
# $$\text{pCTR} = \frac{q}{q + (1 - q) / r} \qquad \frac{0.29}{0.29 + 0.71 / 0.1} = 0.04$$
#
# Here $r = 0.1$. The rival: as many rows, by chance. *Money* is on section 2's scale.

# %%
kept = (recent.click == 1) | (rng.random(len(recent)) < 0.1)
few, thin = (Logistic(TOLD).fit(recent[some]).probability
             for some in (rng.permutation(kept), kept))                # as many, by chance
for name, make, r in (("chance", few, 1), ("forgotten", thin, 1), ("undone", thin, 0.1)):
    said, score = (q / (q + (1 - q) / r) for q in (make(future), make(pairs)))
    print(f"{name:9} gap {100 * future.share_of_gap(said):4.0f} %, predicted ÷ clicked "
          f"{said.mean() / future.click.mean():.1f}, money "
          f"{in_money(score.reshape(R, A)):.0f} %")

# %% [markdown]
# A seventh of the rows, well chosen, keeps most of what all rows gave (*regression + pairs*). Forgotten, pCTR is five times too high, and money is lost: 4 % and 8 % have become 29 % and 47 %, so the first with a bid of 1.9 now beats the second with a bid of 1.
#
# **Ads.** Nobody scores a million ads a visit; but a product can be searched. Let $u$ be the sum of the vectors of the *visit's* columns. For ad $a$ of category $c$, with weights $w$ and vectors $V$, the FM says
#
# $$\text{logit} = (\text{the same for all ads}) + (w_a + w_c + V_a \cdot V_c) + u \cdot (V_a + V_c)$$
#
# By hand: $u = (1, 2)$; ad A has the vector $(0.5, 0)$ and the number 0.1, B $(0, 0.4)$ and 0. A gets $0.1 + 0.5 = 0.6$, B $0.8$.
#
# Visit and ad meet only there: a **two-tower model** (투 타워 모델). An index finds the largest; adding $\ln \text{bid}$ ranks by $\text{bid} \cdot \text{odds}$: **retrieval** (후보 추출). The slow model, here the mixture, ranks what comes back.

# %%
fm = models["FM"].model
side = [name for name in ranking.SIZES if name not in ("ad", "category")]
u = sum(fm.table(name)[future.features[name][rows]] for name in side)  # (R, 8)
w_c, v_c = (part("category")[world.category] for part in (fm.effects, fm.table))
number = fm.effects("ad") + w_c + (fm.table("ad") * v_c).sum(1)        # (50,)
tower = number + u @ (fm.table("ad") + v_c).T                          # (R, 50)
same = np.log(pctr["FM"] / (1 - pctr["FM"])) - tower
print(f"logit − towers, over a visit's ads, varies by {np.ptp(same, axis=1).max():.0e}")

# %%
TAKEN = [1, 2, 5, 10, 20, 50]
ranked = bid * pctr["mixture"]
full = income(ranked.argmax(1)).mean()
lists = {}
for name, order in (("towers + ln bid", tower + np.log(bid)),
                    ("bid × click rate", bid * rate),
                    ("by chance", rng.random((R, A)))):
    place = np.argsort(np.argsort(-order, axis=1), axis=1)             # 0: taken first
    lists[name] = [100 * income(np.where(place < k, ranked, -1).argmax(1)).mean() / full
                   for k in TAKEN]
fig, ax = plots.figure("A few ads retrieved by towers earn nearly what all earn",
                       xlabel="ads retrieved, then ranked (of 50; log)",
                       ylabel="of the income by ranking all (%)", size=(8, 3.7))
for (name, line), color in zip(lists.items(), [plots.ORANGE, plots.BLUE, plots.GREY],
                               strict=True):
    ax.plot(TAKEN, line, "o-", color=color)
    plots.name(ax, TAKEN[1], line[1], name, color, dx=8, dy=-11)
ax.set(xscale="log")
ax.set_xticks(TAKEN, TAKEN)
ax.minorticks_off()
plots.show("Income against the number of retrieved ads: with towers a few are enough, by "
           "click rate more are needed, by chance nearly all.")
claim("towers, 5 ads of 50: income, of that by ranking all (%)",
      lists["towers + ln bid"][2], at_least=95)
claim("thinned and undone, over as many rows by chance (points of the gap)",
      100 * (future.share_of_gap(said) - future.share_of_gap(few(future))),
      at_least=15)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Do the two-number product on the board, then ask what may be computed before the visitor comes.
# Wrong answer to expect: "forgetting to undo changes no order". Of pCTR it does not; of bid × pCTR it does. Point at the table's last column.

# %% [markdown]
# ## 5 · Let new ads in: exploring is an investment
#
# On the map: `ad-ranking`
#
# A ranker never learns what it does not show. To show it costs now, and may earn later.
#
# By hand, all bids 1. The known ad is clicked in 5 % of its visits. A newcomer is clicked in 8 % or never, each with probability one half. Its mean is 4 %, so greedy never shows it. A hundred trials cost one click, $100 \cdot (0.05 - 0.04)$. In half the cases it is the good ad, and brings 3 clicks more in each hundred visits to come: 1.5 on average. After 67 more visits the price is paid. With only 50, a hundred trials do not pay.

# %% [markdown]
# Now erase what the FM learned about ten ads. A newcomer's row is nine numbers, its weight $w_a$ and its vector $V_a$. With $h$ the sum of the other columns' vectors, all known, its logit is $\text{rest} + w_a + V_a \cdot h$: a logistic regression, with the known ads' rows as prior. Lecture 15's Laplace keeps the posterior.
#
# *Greedy* ranks by the posterior's mean; *Thompson* draws a row for each visit. The simple rival: greedy, but 2 % of the visits see a newcomer by lot. Twenty runs, each with ten newcomers of its own.
#
# **Predict first.** Who has earned more, after 1,000 visits and after 20,000?

# %%
WHO = ("Thompson, Thompson", "greedy, Thompson", "greedy, greedy")
predict("19.ten", *WHO)

# %%
served = ranking.Newcomers(fm, visits, truth, bid)
POLICIES = {"greedy": {}, "Thompson": {"draws": 1}, "2 % by lot": {"chance": 0.02}}
runs = [(rng.choice(A, 10, replace=False), k) for k in range(run.pick(lecture=20, full=60))]
lost = {policy: -np.array([
    served.serve(new, np.random.default_rng([SEED, k]), max(8, run.steps(80)), **how)
    for new, k in runs]) for policy, how in POLICIES.items()}          # (runs, batches)
greedy, thompson, by_lot = lost.values()
up = 7 * np.sign(greedy[:, -1].mean() - by_lot[:, -1].mean())          # names apart
fig, axes = plots.panels("Exploring costs at once, pays where there is something to find",
                         ["mean of the runs", "each run's end; on the line they agree"],
                         xlabel="visits", ylabel="income lost to the intact FM",
                         size=(10.5, 3.9))
plots.curves(axes[0], 250 * np.arange(1, greedy.shape[1] + 1),
             {policy: each.mean(0) for policy, each in lost.items()},
             [plots.ORANGE, plots.BLUE, plots.GREY], dy={"greedy": up, "2 % by lot": -up})
axes[1].plot(greedy[:, -1], thompson[:, -1], "o", color=plots.BLUE)
axes[1].axline((0, 0), slope=1, color=plots.INK, linewidth=0.8)
axes[1].set(xlabel="lost by greedy", ylabel="lost by Thompson", xlim=(0, None),
            ylim=(0, None))
plots.show("Left: greedy's loss grows along a line; Thompson's starts above and bends "
           "below. Right: most runs lie below the diagonal; above it, greedy lost little.")

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# The newcomer by hand first, on the board: let them find the 67.
# Ask who would complain first about a greedy ranker: the new advertiser, whose ad got no impression.
# Cover the right panel, and ask in which runs Thompson may have lost.

# %%
early, late = (thompson[:, k].mean() / greedy[:, k].mean() for k in (3, -1))
outcome("19.ten", WHO[0 if early < 1 else 1 if late < 1 else 2])
caught = 250 * (1 + (thompson.mean(0) <= greedy.mean(0)).argmax())
print(f"Thompson has caught up after {caught:,} visits")
claim("ten newcomers, 1,000 visits: Thompson's loss ÷ greedy's", early, at_least=1.05)
claim("ten newcomers, all visits: Thompson's loss ÷ greedy's", late, at_most=0.9)
claim("all visits: Thompson's loss ÷ that of 2 % by lot",
      thompson[:, -1].mean() / by_lot[:, -1].mean(), at_most=0.8)

# %% [markdown]
# Greedy hardly shows a newcomer: the average row seldom wins, and what is not shown is not learned. Thompson pays more in the first thousand visits, catches up, and leads from then on. At 20,000 the 2 % lot breaks even.
#
# In the dots above the line Thompson lost. Greedy lost little there, so there was little to find. The first edition of this lecture tried *one* set of ten newcomers, saw Thompson lose, and made a rule of it. It was one dot.

# %% [markdown]
# ## 6 · Before the switch: ask the old log
#
# On the map: `ad-ranking`
#
# The old log can price the new ranking as far as it shows the same ads.
#
# New is the mixture, old the regression on crosses. Lecture 15 estimated clicks; now the reward is income $y_i$: the bid if clicked, else 0. With $\mu(a_i)$ the log's probability of the ad shown, the weight is $w_i = 1 / \mu(a_i)$ where the new ranking chooses $a_i$ too, else 0.

# %% [markdown]
# By hand, with bids of 1. The log showed ad A with probability 0.8, B with 0.2; the new ranking shows B. Of ten visits three saw B, one of which clicked. Each weighs 5.
#
# - IPS, the mean of $w_i y_i$: $5 / 10 = 0.5$.
# - **Self-normalized** (자기 정규화), $\sum w_i y_i / \sum w_i$: $5 / 15 = 0.33$.
# - Doubly robust, the model plus the weighted mean of what it missed. The model gives B 0.4: $0.4 + 5 \cdot (0.6 - 0.4 - 0.4) / 10 = 0.3$.
#
# Three logs of 10,000 visits: ads by chance; a tenth by chance; the old ranking alone.
#
# **Ask the room.** On the third log, which estimator gives an error message?
#
# <details><summary>One answer</summary>
#
# None: all return a number with a narrow interval. IPS counts only the visits where both rankings agree; self-normalized takes these for all. Elsewhere doubly robust is the model, unchecked.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# On the third log doubly robust is mostly the model, and we know that it is right only because we know the world.
# The remedy was needed before the log was written: explore a little and store the propensity.

# %%
new, near, old = ((bid * pctr[name]).argmax(1)
                  for name in ("mixture", "FM + crosses", "regression + crosses"))
worth = [1000 * income(ad).mean() for ad in (new, old)]
LOGS, N = run.pick(lecture=200, full=1000), 10_000


def estimates(chance):
    """Old logs with this share of ads by chance
    -> estimator: estimates (LOGS,), standard errors (LOGS,); effective sample size."""
    i = rng.integers(R, size=(LOGS, N))
    a = np.where(rng.random((LOGS, N)) < chance, rng.choice(A, (LOGS, N), p=world.ad_share),
                 old[i])
    mu = chance * world.ad_share[a] + (1 - chance) * (a == old[i])
    y = 1000 * bid[i, a] * (rng.random((LOGS, N)) < truth[i, a])
    w, model = (a == new[i]) / mu, 1000 * bid * pctr["mixture"]
    ratio = (w * y).mean(1) / w.mean(1)
    terms = {"IPS": w * y,
             "self-normalized": ratio[:, None]
             + w * (y - ratio[:, None]) / w.mean(1)[:, None],
             "doubly robust": model[i, new[i]] + w * (y - model[i, a])}
    size = (w.sum(1) ** 2 / (w**2).sum(1)).mean()
    return {name: (t.mean(1), t.std(1) / N**0.5) for name, t in terms.items()}, size


checks = {"ads by chance": 1.0, "a tenth by chance": 0.1, "old ranking alone": 0.0}
checks = {name: estimates(chance) for name, chance in checks.items()}

# %%
fig, axes = plots.panels("Without exploration a log answers all the same (line: truth, "
                         "dashed: old)", checks, xlabel="estimated eCPM", ylabel="",
                         sharey=True, sharex=True, size=(10.5, 3.2))
for ax, (found, _) in zip(axes, checks.values(), strict=True):
    for row, (value, _) in enumerate(found.values()):
        ax.plot(value, row + 0.25 * rng.uniform(-1, 1, LOGS), ".", color=plots.BLUE,
                alpha=0.3, markersize=4)
    ax.axvline(worth[0], color=plots.INK, linewidth=1.5)
    ax.axvline(worth[1], color=plots.GREY, linewidth=1.5, linestyle="--")
axes[0].set(yticks=range(3), yticklabels=list(found), ylim=(2.5, -0.5),
            xlim=(0, 2.2 * worth[0]))
plots.show("Estimates around the true value (line) for two logs; "
           "for the third, IPS is far too low.")
print("effective sample size:", {name: round(size) for name, (_, size) in checks.items()})
_, tenth, alone = (found for found, _ in checks.values())
claim("a tenth by chance: doubly robust ÷ truth, on average",
      tenth["doubly robust"][0].mean() / worth[0], at_least=0.9, at_most=1.1)
inside = np.abs(alone["IPS"][0] - worth[0]) < 1.96 * alone["IPS"][1]
claim("no chance: at most a tenth of IPS's 95 % intervals hold the truth (share)",
      inside.mean(), at_most=0.1)

# %% [markdown]
# Read lecture 15's effective sample size first: of 10,000 visits some 165 speak where all ads come by chance, some 25 with a tenth. But on the third log it looks *best*, as all weights are 0 or 1. It warns of wild weights, not of what a log never showed.

# %% [markdown]
# ## 7 · The A/B test, and two ways to be fooled by it
#
# On the map: `ad-ranking`
#
# The last word is a trial on live traffic, as honest as its standard error and its day.
#
# An **A/B test** (A/B 테스트): a coin sends each *user* to the old or to the new ranking, for good; compare the income a visit.
#
# How many visits? By hand, for clicks: 4 % against 4.4 %. One visit has variance $0.04 \cdot 0.96 = 0.0384$, the difference of two means of $n$ visits $2 \cdot 0.0384 / n$.
# To find it ($z > 1.96$) in 80 of 100 tests, the **power** (검정력), takes $1.96 + 0.84$ standard errors (80 % of a bell exceed $-0.84$):
#
# $$n = 2 \cdot 2.8^2 \cdot 0.0384 / 0.004^2 \approx 38{,}000 \text{ a side}$$

# %% [markdown]
# But 35 visits of one user are not 35 coins. Count the error by user: with $m$ an arm's income a visit, user $k$ with $n_k$ visits and income $y_k$ is off by $e_k = y_k - m\, n_k$, and
#
# $$\text{variance of } m = \textstyle\sum_k e_k^2 \,\big/ \left(\sum_k n_k\right)^2$$
#
# Two users, two visits each, incomes 4 and 0: $m = 1$, $e = 2, -2$, variance $8/16$.
#
# An **A/A test** (A/A 테스트) gives both arms the *same* ranking. A sound one finds a difference in 5 of 100.
#
# **Predict first.** A/A tests, counted by user. You look on each of 14 days and stop at the first $|z| > 1.96$. How many of 100 find a difference?

# %%
FALSE = {"about 5": 5, "about 15": 15, "about 50": 50}
predict("19.peek", *FALSE)


def by_user(n, y, squares):  # n_k, y_k, y_k² (tests, users) -> m (tests,), variance
    m = y.sum(1) / n.sum(1)
    return m, ((y - m[:, None] * n) ** 2).sum(1) / n.sum(1) ** 2


def by_visit(n, y, squares):
    m = y.sum(1) / n.sum(1)
    return m, (squares.sum(1) / n.sum(1) - m**2) / n.sum(1)

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Ask who has stopped a test on the day it became significant.
# Wrong answer to expect: "looking costs nothing". Each look is a ticket in the lottery.

# %%
plan = {"tests": run.pick(lecture=400, full=1000), "days": 14, "visits": 1000, "rng": rng}
none, *some = (ranking.trial(*ads, future.features["user"][rows], truth, bid, **plan)
               for ads in ((old, old), (old, new), (near, new)))
z, *found = (ranking.z_scores(*sums, by_user) for sums in (none, *some))  # (14, tests)
unsound = ranking.z_scores(*none, by_visit)
false = {"by visit, one look": 100 * (abs(unsound[-1]) > 1.96).mean(),
         "by user, a look a day": 100 * (abs(z) > 1.96).any(0).mean(),
         "by user, one look": 100 * (abs(z[-1]) > 1.96).mean()}
fig, axes = plots.panels("Count by user, and look once", [
    "A/A: nothing to find (line: 5)", "A/B: mixture against … (line: 80)"], ylabel="",
                         xlabel="find a difference (of 100 tests)", size=(10.5, 3.4))
axes[0].bar_label(axes[0].barh(list(false), list(false.values()), height=0.6, color=[
    plots.GREY, plots.GREY, plots.INK]), fmt="%.0f", padding=12)
axes[0].axvline(5, color=plots.INK, linewidth=1)
axes[0].set_ylim(2.6, -0.6)
for line, name in zip(found, ("regression + crosses", "FM + crosses"), strict=True):
    power = 100 * (line > 1.96).mean(1)
    axes[1].plot(np.arange(1, 15), power, "o-", color=COLOR[name])
    plots.name(axes[1], 14, power[-1], name, COLOR[name], dx=-150,
               dy=-12 if power[-1] > 50 else 10)
axes[1].axhline(80, color=plots.INK, linewidth=1)
axes[1].set(xlabel="days of 1,000 visits; one look, by user", ylabel="power (of 100 tests)",
            ylim=(0, 102), xticks=[1, 4, 7, 10, 14])
plots.show("Left: counted by visit, or looked at daily, too many A/A tests find something. "
           "Right: the power is soon 100 against the crosses, low against the FM.")
peeked = max(false["by user, a look a day"], 1)
outcome("19.peek", min(FALSE, key=lambda words: abs(np.log(FALSE[words] / peeked))))
claim("A/A, by visit, one look: tests that find a difference (of 100)",
      false["by visit, one look"], at_least=25)
claim("A/A, by user, a look a day (of 100)", peeked, at_least=10)

# %% [markdown]
# So fix the last day beforehand, or use limits made for looking (O'Brien and Fleming 1979; Johari and others 2017). FM + crosses earns a few per cent less than the mixture; two weeks seldom find that. Subtracting what the past *foretells* narrows the error (CUPED, Deng and others 2013).
#
# **Ask the room.** Both rankings train nightly on the common log. What does your A/B test compare?
#
# <details><summary>One answer</summary>
#
# Two rankings that learn from each other's clicks: what one finds helps the other, who does not pay for it. Budgets leak too: an advertiser who is spent in one arm is missing in the other.
# </details>

# %% [markdown]
# ## 8 · After the switch: watch it
#
# On the map: `ad-ranking`
#
# No single monitor sees every fault; log-loss even takes lost clicks for progress.
#
# A new log in blocks of twelve hours. On day 7 nothing breaks, or one of three: a *redesign* lowers every logit by 0.5; the *device* column is stuck at 0; the *categories* are renumbered, each one higher.
#
# Four monitors, as distances from the first week in its standard deviations: *log-loss*; *total*, clicks less predicted; *slices*, the same for each device × category, squared and added; *inputs*, counts of device and category against training ($\chi^2 = \sum (\text{seen} - \text{expected})^2 / \text{expected}$). The grey band is ±4.
#
# By hand: a block of 7,100 visits should bring 284 clicks, give or take $\sqrt{284} \approx 17$. After the redesign some 180 come: $-104 / 17 \approx -6$.

# %% [markdown] tags=["notes"]
# **Notes for the room (8 minutes).**
#
# Ask for bets: which monitor sees which fault? People expect log-loss to.
# When fewer people click, there is less to be surprised by, and log-loss falls.

# %%
live = data.load("ads", rows=200_000, seed=SEED + 1)
x, click, late = live.features, live.click, live.features["day"] >= 7
lower = live.truth / (live.truth + (1 - live.truth) * np.exp(0.5))     # logits less 0.5
faults = {"nothing breaks": ({}, click),
          "redesign": ({}, np.where(late, rng.random(len(live)) < lower, click)),
          "device stuck": ({"device": np.where(late, 0, x["device"])}, click),
          "categories renumbered": ({"category": (x["category"] + late) % 8}, click)}
seen = {k: ranking.monitors(models["mixture"], live, past, *v) for k, v in faults.items()}

# %%
NAMES = ["log-loss", "total", "slices", "inputs"]
fig, axes = plots.panels("Each fault leaves the band somewhere; "
                         "log-loss takes the redesign for progress", seen,
                         xlabel="day", ylabel="deviations (cut at 20)", sharey=True,
                         size=(10.5, 3.6))
four = [plots.GREY, plots.BLUE, plots.ORANGE, plots.GREEN]
for ax, values in zip(axes, seen.values(), strict=True):
    ax.axhspan(-4, 4, color=plots.GREY, alpha=0.15)  # control limits
    ax.set_xticks([0, 7, 14])
    ax.axvline(7, color=plots.INK, linewidth=0.8)
    for line, color in zip(values, four, strict=True):
        ax.plot(np.arange(28) / 2, np.clip(line, -10, 20), color=color, linewidth=1.4)
for row, (name, color) in enumerate(zip(NAMES, four, strict=True)):
    plots.name(axes[0], 0, 18 - 3 * row, name, color)
plots.show("A quiet panel, then three faults on day 7: total and log-loss fall in the "
           "redesign; inputs shoot up in the other two.")
print("nothing breaks, second week: outside the band:",
      (abs(seen["nothing breaks"][:, 14:]) > 4).sum(), "of 56 points")
loss, total, *_ = np.median(seen["redesign"][:, 14:], axis=1)
claim("redesign: the total leaves the band (deviations, median)", total, at_most=-4)
claim("redesign: log-loss falls, as if the model were better (deviations)", loss,
      at_most=-2)

# %% [markdown]
# ## 9 · When deep learning does not pay
#
# On the map: `ad-ranking`
#
# With few rows logistic regression, told the right crosses, is as good, cheaper and easier to watch.
#
# Four sizes of the log, the most recent rows; all models are told the crosses, two the pairs. The large models get what small logs need: boosting fewer and smaller trees, networks smaller batches, half the rate and an L2 price on the vectors alone that grows as $1/n$, as a prior's does. Scikit-learn's C counts rows by itself.
#
# **Ask the room.** Your platform has 3,000 impressions. What do you build?
#
# <details><summary>One answer</summary>
#
# A regression on attributes and a few crosses, bids, a share of chance with its propensity, monitors. The log that this writes is what a larger model will need.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (6 minutes).**
#
# Somebody says "we will have more next year". Ask which model is needed until then, and what it will be compared with.

# %%
SIZES, curve = [3000, 10_000, 30_000, len(past)], {}
for n in SIZES[:3]:
    small = ranking.for_few_rows(n, len(past), trees=max(1, run.steps(40)), **TRAINING)
    for name, model in small.items():
        guess = model.fit(past[-n:]).probability(future)
        curve[name] = [*curve.get(name, []), 100 * future.share_of_gap(guess)]

# %%
fig, ax = plots.figure("With few rows the plain regression is as good as anything",
                       size=(8.6, 4.2), xlabel="impressions to learn from (log)",
                       ylabel="share of the gap (%)")
curve = {name: [*values, share[name]] for name, values in curve.items()}
plots.curves(ax, SIZES, curve, [COLOR[name] for name in curve], dots=True,
             dy={"mixture": 5, "FM + crosses": -2, "regression + pairs": 4,
                              "boosting + pairs": -5})
ax.axhline(0, color=plots.INK, linewidth=0.8)
ax.set_xscale("log")
ax.set_xticks(SIZES, [f"{n:,}" for n in SIZES])
ax.minorticks_off()
plots.show("Shares rise with rows: regression on pairs leads up to 30,000 rows, the "
           "mixture at the right.")
claim("up to 30,000 rows: regression on pairs over the mixture (least of three, points)",
      np.subtract(curve["regression + pairs"], curve["mixture"])[:3].min(), at_least=0)
told_all = max(share["boosting + all"], share["regression + all"])
claim("all rows: mixture over the better of boosting and regression told all (points)",
      share["mixture"] - told_all, at_least=2)

# %% [markdown]
# The fair account:
#
# - What paid was *structure that fits*. Told the pairs, a regression trails FM + crosses (level at 18 passes), but needs no start.
# - Vectors pay where pairs cannot be listed. A million users and a million ads with nine numbers each make 18 million; their cross has $10^{12}$ cells. Lecture 08's hash does tell them, with collisions; FTRL, row by row, keeps only weights that pay (McMahan and others 2013).
# - Depth paid little at this size, *on a log that is made this way*: its truth is a logit of sums and products of vectors, and the winner has that form by construction. Pictures, texts, sequences (lectures 10 to 12) are other grounds.
# - No model saves an auction without exploration, propensities, a test and monitors.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Crosses given to one model only.** The table then compares columns.
# - **Feedback loop.** Tomorrow's log holds what today's ranker showed. Keep a logged share of chance.
# - **Position as a cause.** Train with the slot, rank with one fixed value.
# - **Sales come days late.** Wait, or model the delay (Chapelle 2014).
# - **A total that drifts.** Fit a line on the logit (Platt 1999), or a rising staircase.
#
# ## Summary
#
# 1. Columns and products decide more than depth.
# 2. Who clicks much moves no ad: money is another gap.
# 3. Second price rewards the truth, first price a lower bid.
# 4. Thin a log and undo it; retrieve, then rank.
# 5. Exploring is an investment. A log prices what it showed; a test counts users and looks once.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 19`, then open `exercises/work/19_exercises.ipynb`: six tasks, about 105 minutes. Lecture 20 looks at what came after the map.
#
# <details><summary>Papers</summary>
#
# - W. Vickrey (1961), *Counterspeculation, auctions, and competitive sealed tenders*, Journal of Finance 16.
# - P. O'Brien, T. Fleming (1979), *A multiple testing procedure for clinical trials*, Biometrics 35.
# - J. Platt (1999), *Probabilistic outputs for support vector machines*, in Advances in Large Margin Classifiers.
# - B. Edelman, M. Ostrovsky, M. Schwarz (2007), *Internet advertising and the generalized second-price auction*, AER 97.
# - H. B. McMahan and others (2013), *Ad click prediction: a view from the trenches*, KDD.
# - L. Bottou and others (2013), *Counterfactual reasoning and learning systems*, JMLR 14.
# - A. Deng and others (2013), *Improving the sensitivity of online controlled experiments*, WSDM.
# - O. Chapelle (2014), *Modeling delayed feedback in display advertising*, KDD.
# - A. Swaminathan, T. Joachims (2015), *The self-normalized estimator for counterfactual learning*, NIPS 28.
# - P. Covington, J. Adams, E. Sargin (2016), *Deep neural networks for YouTube recommendations*, RecSys.
# - R. Johari and others (2017), *Peeking at A/B tests*, KDD.
# - H. Guo and others (2017), *DeepFM*, IJCAI.
# - R. Wang and others (2021), *DCN V2*, WWW.
# </details>
