"""The ad log: impressions and clicks from a process whose true click probability is known.

Nothing here depends on the machine. The world's tables are rounded to six decimals and the probability to
seven, so that the last bits of `exp` and `cos`, which differ between processors, never reach the data.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.sparse import csr_array

from utils.data.store import whole
from utils.errors import UserError, choose

SIZES = {
    "user": 400, "age": 6, "gender": 2, "ad": 50, "advertiser": 16, "category": 8, "context": 30, "site": 5,
    "position": 4, "device": 3, "day": 14, "hour": 24,
}  # fmt: skip
FACTORS = 3
WORLD_SEED = 2
INTERCEPT = -4.038575  # solved once, so that 4 % of the impressions are clicked
CLIP = 1e-7


@dataclass(frozen=True)
class AdLog:
    """An ad log of n impressions, in the order of time.

    features: column -> (n,) int32, numbered from 0 to `sizes[column] - 1`;
    click: (n,) int64, 1 for a click; truth: (n,) float64, the probability from which the click was drawn.
    """

    features: dict[str, np.ndarray]
    click: np.ndarray
    truth: np.ndarray

    @property
    def sizes(self) -> dict[str, int]:
        """Column -> number of values it can take, whether or not they occur in these rows."""
        return dict(SIZES)

    def __len__(self) -> int:
        return len(self.click)

    def __getitem__(self, rows) -> "AdLog":
        """The log of some rows: a slice, a boolean mask or an array of row numbers."""
        if np.ndim(rows) == 0 and not isinstance(rows, slice):
            raise TypeError(f"ads[...] takes a slice, a mask or an array of row numbers, got {rows!r}")
        features = {name: column[rows] for name, column in self.features.items()}
        return AdLog(features, self.click[rows], self.truth[rows])

    def one_hot(self, columns: Iterable[str | tuple[str, ...]]) -> csr_array:
        """One indicator per value of each column: (n, sum of sizes) sparse, float64.

        A tuple of columns means their cross: one indicator per combination of their values.
        The width depends on `sizes` only, so train and test rows always agree.
        """
        blocks = []
        for column in [columns] if isinstance(columns, str) else columns:
            names = (column,) if isinstance(column, str) else tuple(column)
            unknown = [name for name in names if name not in SIZES]
            if unknown:
                raise choose("column", unknown[0], SIZES)
            shape = [SIZES[name] for name in names]
            value = np.ravel_multi_index([self.features[name] for name in names], shape)
            blocks.append((value, int(np.prod(shape))))
        if not blocks:
            raise UserError(f"one_hot needs at least one column of: {', '.join(SIZES)}")
        widths = [width for _, width in blocks]
        starts = np.cumsum([0, *widths[:-1]])
        indices = np.stack([value + start for (value, _), start in zip(blocks, starts, strict=True)], axis=1)
        indices = indices.astype(np.int32).ravel()  # 32 bits: some of scikit-learn's solvers take no other
        ends = np.arange(0, indices.size + 1, len(blocks), dtype=np.int32)
        return csr_array((np.ones(indices.size), indices, ends), shape=(len(self), sum(widths)))

    def log_loss(self, p: np.ndarray) -> float:
        """Mean of -log(probability given to what happened), in nats; p: (n,) click probabilities.

        Probabilities are clipped to [1e-7, 1 - 1e-7], so one wrong certainty costs 16 nats, not infinity.
        Raises ValueError on a wrong shape, NaN, or a value outside [0, 1].
        """
        p = np.asarray(p, dtype=np.float64)
        if p.shape != self.click.shape:
            raise ValueError(
                f"p has shape {p.shape}; expected one click probability a row, {self.click.shape}"
            )
        if not len(self):
            raise ValueError("the log has no rows")
        if np.isnan(p).any():
            raise ValueError(f"p holds NaN in {np.isnan(p).sum()} of {len(p)} rows")
        if p.min() < 0 or p.max() > 1:
            raise ValueError(f"p reaches from {p.min():.4g} to {p.max():.4g}; probabilities lie in [0, 1]")
        p = np.clip(p, CLIP, 1 - CLIP)
        return float(-np.mean(np.where(self.click == 1, np.log(p), np.log1p(-p))))

    def share_of_gap(self, p: np.ndarray) -> float:
        """How far p comes from the base rate (0) to the truth (1), by log-loss on these rows.

            share = (log_loss(base rate) - log_loss(p)) / (log_loss(base rate) - log_loss(truth))

        The base rate is the share of clicks in these rows. Negative: p is worse than that one number.
        Raises ValueError as `log_loss`, and where the rows are too few for the truth to win.
        """
        base = self.log_loss(np.full(len(self), self.click.mean() if len(self) else 0.0))
        gap = base - self.log_loss(self.truth)
        if gap <= 0:
            raise ValueError(
                f"on these {len(self)} rows the truth does not beat the base rate; use more rows"
            )
        return (base - self.log_loss(p)) / gap


@dataclass(frozen=True)
class AdWorld:
    """The truth behind the ad log. logit(click) = intercept + main + cross + latent + regime.

    Shapes use users U = 400, ads A = 50, contexts C = 30, segments (age × gender) S = 12, categories K = 8.
    """

    intercept: float
    user_share: np.ndarray  # (U,) how often each user appears
    ad_share: np.ndarray  # (A,) how often each ad is shown, whoever looks: the logging policy
    age: np.ndarray  # (U,) of each user
    gender: np.ndarray  # (U,)
    advertiser: np.ndarray  # (A,) of each ad
    category: np.ndarray  # (A,)
    site: np.ndarray  # (C,) of each context
    user_effect: np.ndarray  # (U,) main effects, in logits
    ad_effect: np.ndarray  # (A,)
    context_effect: np.ndarray  # (C,)
    position_effect: np.ndarray  # (4,)
    segment_category: np.ndarray  # (S, K) crosses, in logits
    device_category: np.ndarray  # (3, K)
    hour_category: np.ndarray  # (24, K)
    user_factors: np.ndarray  # (U, 3) latent factors
    ad_factors: np.ndarray  # (A, 3)
    context_factors: np.ndarray  # (C, 3)
    user_ad: np.ndarray  # (U, A) = user_factors @ ad_factors.T, in logits
    context_ad: np.ndarray  # (C, A)
    regime: np.ndarray  # (2, S, K) two tables of logits
    mode: np.ndarray  # (5, 24) weight of the first table by site and hour, in [0, 1]

    def parts(self, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The four terms of the logit, each (n,). Needs user, ad, context, position, hour and device."""
        user, ad, context, position, hour, device = (
            features[name] for name in ("user", "ad", "context", "position", "hour", "device")
        )
        segment, category = 2 * self.age[user] + self.gender[user], self.category[ad]
        mode = self.mode[self.site[context], hour]
        main = self.user_effect[user] + self.ad_effect[ad] + self.context_effect[context]
        cross = self.segment_category[segment, category] + self.device_category[device, category]
        first, second = self.regime[:, segment, category]
        return {
            "main": main + self.position_effect[position],
            "cross": cross + self.hour_category[hour, category],
            "latent": self.user_ad[user, ad] + self.context_ad[context, ad],
            "regime": mode * first + (1 - mode) * second,
        }

    def probability(self, features: dict[str, np.ndarray]) -> np.ndarray:
        """The true click probability: (n,), to seven decimals. For any impression, also one never shown."""
        logit = self.intercept + sum(self.parts(features).values())
        return np.clip(np.round(1 / (1 + np.exp(-logit)), 7), CLIP, 1 - CLIP)


@cache
def ad_world() -> AdWorld:
    """The one world from which every ad log is drawn. An ad log's `seed` draws impressions only."""
    rng = np.random.default_rng(WORLD_SEED)
    users, ads, contexts = SIZES["user"], SIZES["ad"], SIZES["context"]
    segments, categories = SIZES["age"] * SIZES["gender"], SIZES["category"]

    def normal(sd: float, *shape: int) -> np.ndarray:
        return np.round(rng.normal(0, sd, shape), 6)

    advertiser = rng.permutation(np.arange(ads) % SIZES["advertiser"])
    advertiser_effect = normal(0.35, SIZES["advertiser"])
    user_factors, ad_factors, context_factors = normal(1, users, 3), normal(1, ads, 3), normal(1, contexts, 3)
    peak = rng.uniform(0, 24, categories)  # the hour at which a category is clicked most
    switch = np.array([0, 5, 10, 14, 19]) + rng.uniform(-1, 1, SIZES["site"])  # the hour of a site's regime
    hour = 2 * np.pi * np.arange(24) / 24
    hour_category = 0.5 * np.cos(hour[:, None] - 2 * np.pi * peak / 24)
    mode = 1 / (1 + np.exp(-4 * np.cos(hour - 2 * np.pi * switch[:, None] / 24)))
    return AdWorld(
        intercept=INTERCEPT,
        user_share=_rank_share(users),
        ad_share=_rank_share(ads),
        age=rng.integers(0, SIZES["age"], users),
        gender=rng.integers(0, SIZES["gender"], users),
        advertiser=advertiser,
        category=advertiser % categories,  # an advertiser sells one kind of thing
        site=np.arange(contexts) % SIZES["site"],
        user_effect=normal(0.75, users),
        ad_effect=normal(0.35, ads) + advertiser_effect[advertiser],
        context_effect=normal(0.35, contexts),
        position_effect=np.array([0.0, -0.5, -1.0, -1.4]),
        segment_category=normal(0.5, segments, categories),
        device_category=normal(0.5, SIZES["device"], categories),
        hour_category=np.round(hour_category, 6),
        user_factors=user_factors,
        ad_factors=ad_factors,
        context_factors=context_factors,
        user_ad=np.round(0.95 / np.sqrt(FACTORS) * (user_factors[:, None] * ad_factors).sum(2), 6),
        context_ad=np.round(0.55 / np.sqrt(FACTORS) * (context_factors[:, None] * ad_factors).sum(2), 6),
        regime=normal(0.75, 2, segments, categories),
        mode=np.round(mode, 6),
    )


def _rank_share(n: int) -> np.ndarray:
    """Few are seen often, many seldom: the r-th most frequent with weight 1/√r. (n,), sums to 1."""
    weight = 1 / np.sqrt(np.arange(1, n + 1))
    return weight / weight.sum()


def load_ads(rows: int = 200_000, seed: int = 0) -> AdLog:
    """Draw an ad log: two weeks of impressions, 4 % clicked. Same rows and seed, same bytes everywhere."""
    rows, seed = whole("rows", rows, least=1), whole("seed", seed)
    world = ad_world()
    when, who, what, where, place, screen, luck = (
        np.random.default_rng(stream) for stream in np.random.SeedSequence([WORLD_SEED, seed]).spawn(7)
    )
    time = np.sort(when.integers(0, SIZES["day"] * SIZES["hour"], rows))
    user = who.choice(SIZES["user"], rows, p=world.user_share)
    ad = what.choice(SIZES["ad"], rows, p=world.ad_share)
    context = where.integers(0, SIZES["context"], rows)
    features = {
        "user": user, "age": world.age[user], "gender": world.gender[user],
        "ad": ad, "advertiser": world.advertiser[ad], "category": world.category[ad],
        "context": context, "site": world.site[context],
        "position": place.integers(0, SIZES["position"], rows),
        "device": screen.integers(0, SIZES["device"], rows),
        "day": time // SIZES["hour"], "hour": time % SIZES["hour"],
    }  # fmt: skip
    features = {name: column.astype(np.int32) for name, column in features.items()}
    truth = world.probability(features)
    return AdLog(features, (luck.random(rows) < truth).astype(np.int64), truth)
