"""What lecture 17 trains, draws and compares beside its own machines: data, races at several rates, rivals.

X, group = clouds(rng)                                  # four clouds in the plane
bic, silhouette = judges(X, most=8, seed=0)             # how many groups?
theta = race(loss, first, rates=(0.03, 0.1), steps=400)  # the better rate by training loss
theta, shares = fit_added(one_table, start, parts, ...)  # what a table adds to a frozen click model

Schwarz (1978) for BIC, Rousseeuw (1987) for the silhouette.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from utils import plots
from utils.scratch import many

COLORS = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.PURPLE]
CELLS = 5 * 24  # of site and hour
TASTES = 12 * 8  # of segment (age × gender) and category


# ---------------------------------------------------------------------- groups of points


def clouds(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two long clouds side by side, a small one and an upright one: X (700, 2), group (700,)."""
    shapes = [
        (200, (-2, 1), 1.6, 0.25, 35),
        (200, (-0.6, -0.6), 1.6, 0.25, 35),
        (200, (3, 2), 0.3, 0.3, 0),
        (100, (3.5, -2), 1.0, 0.5, 90),
    ]
    parts = []
    for n, middle, length, width, degrees in shapes:
        turn = np.radians(degrees)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        parts.append(middle + rng.normal(size=(n, 2)) * [length, width] @ axes)
    return np.concatenate(parts), np.repeat(np.arange(4), [n for n, *_ in shapes])


def judges(X: np.ndarray, *, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """BIC a point of mixtures of 1 … `most` Gaussians, mean silhouette of k-means with 2 … `most` groups."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from sklearn.mixture import GaussianMixture

    counts = range(1, most + 1)
    how = {"n_init": 10, "init_params": "k-means++", "random_state": seed}  # few starts mislead it
    mixtures = [GaussianMixture(K, **how).fit(X) for K in counts]
    cuts = [KMeans(K, n_init=3, random_state=seed).fit(X).labels_ for K in counts[1:]]
    bic = np.array([mixture.bic(X) / len(X) for mixture in mixtures])
    return bic, np.array([silhouette_score(X, cut) for cut in cuts])


def ellipse(ax, mean: np.ndarray, cov: np.ndarray, color: str) -> None:
    """Draw where a Gaussian is two standard deviations from its mean."""
    from matplotlib.patches import Ellipse

    size, axis = np.linalg.eigh(cov)
    angle = np.degrees(np.arctan2(axis[1, 0], axis[0, 0]))
    ax.add_patch(Ellipse(mean, *4 * np.sqrt(size), angle=angle, fill=False, linewidth=2, color=color))


# ---------------------------------------------------------------------- many starts at several rates


def race(
    loss: Callable[[Tensor], Tensor], first: Tensor, *, rates: Sequence[float], steps: int
) -> tuple[Tensor, Tensor]:
    """Train `first` (starts, weights) at each rate: the rows of the rate whose median loss is lowest.

    Returns: theta (starts, weights), and the training loss of each row (starts,).
    """
    each = many.tensor(rates, first.device).repeat_interleave(len(first))[:, None]
    theta = many.train(first.repeat(len(rates), 1), loss, each, steps)
    with torch.no_grad():
        losses = loss(theta).reshape(len(rates), -1)
    at = losses.median(1).values.argmin()
    return theta.reshape(len(rates), *first.shape)[at], losses[at]


# ---------------------------------------------------------------------- what is added to a click model


def impressions(machine, log) -> tuple[Tensor, Tensor, Tensor]:
    """The frozen logit of each impression, its segment × category, its site × hour: three of (n,)."""
    columns = (log.features[name] for name in ("age", "gender", "category", "site", "hour"))
    device = next(machine.parameters()).device
    age, gender, category, site, hour = (many.tensor(column, device) for column in columns)
    with torch.no_grad():
        frozen = machine(machine.ids(log.features))
    return frozen, 8 * (2 * age + gender) + category, 24 * site + hour


def one_table(theta: Tensor, taste: Tensor, cell: Tensor) -> Tensor:
    """theta (nets, 96) -> (nets, n): a weight for each segment × category."""
    return theta[:, taste]


def crosses(theta: Tensor, taste: Tensor, cell: Tensor) -> Tensor:
    """theta (nets, 96 + 960): one table, plus a weight for each (site, hour) × category."""
    return theta[:, taste] + theta[:, TASTES + 8 * cell + taste % 8]


def one_network(theta: Tensor, taste: Tensor, cell: Tensor, units: int = 16) -> Tensor:
    """A hidden layer of ReLUs over indicators of segment, category, and site × hour."""
    (W, b), (v, u) = many.layers(theta, 12 + 8 + CELLS, units, 1)
    score = W[:, taste // 8] + W[:, 12 + taste % 8] + W[:, 20 + cell] + b
    return (torch.relu(score) @ v + u)[..., 0]


def network_gate(theta: Tensor) -> Tensor:
    """theta (nets, weights of 29 -> 16 -> 2) -> (nets, 120, 2): weights by a net that sees site and hour."""
    cell = torch.arange(CELLS, device=theta.device)
    seen = torch.cat([F.one_hot(cell // 24), F.one_hot(cell % 24)], 1).float()
    (W1, b1), (W2, b2) = many.layers(theta, 29, 16, 2)
    return (torch.tanh(seen @ W1 + b1) @ W2 + b2).softmax(2)


def fit_added(
    forward: Callable[[Tensor, Tensor, Tensor], Tensor],
    start: Tensor,
    parts: Sequence[tuple],
    *,
    rates: Sequence[float],
    strengths: Sequence[float],
    steps: int,
    batch: int = 2000,
) -> tuple[Tensor, np.ndarray]:
    """Train what is added to frozen logits, from each start, at each rate and each price on squared weights.

    Parameters: `parts` are (log, impressions(machine, log)) three times: to train on, to choose the setting
    on, to judge on; forward(theta, taste, cell) gives (nets, n) logits; `start` (starts, weights).
    Returns: the rows (starts, weights) of the setting that was best where it was chosen, and their shares of
    the gap where they are judged, in per cent (starts,).
    """
    grid = [(rate, strength) for rate in rates for strength in strengths]
    each, prices = (
        many.tensor(values, start.device).float().repeat_interleave(len(start))
        for values in zip(*grid, strict=True)
    )
    (past, (known, *ids)), *unseen = parts
    clicks = many.tensor(past.click, start.device).float()

    def loss(theta):
        i = torch.randint(len(clicks), (batch,), device=start.device)
        logits = known[i] + forward(theta, *(column[i] for column in ids))
        return many.price(logits, clicks[i].expand_as(logits)).mean(1) + prices * theta.square().sum(1)

    theta = many.train(start.repeat(len(grid), 1), loss, each[:, None], steps)
    scores = []
    for log, columns in unseen:
        values = [100 * log.share_of_gap(p) for p in probabilities(forward, theta, columns)]
        scores.append(np.reshape(values, (len(grid), -1)))
    at = scores[0].mean(1).argmax()
    return theta.reshape(len(grid), *start.shape)[at], scores[1][at]


def probabilities(forward: Callable, theta: Tensor, columns: Sequence[Tensor]) -> np.ndarray:
    """The click probabilities of the rows of theta on impressions: (nets, n)."""
    known, *ids = columns
    with torch.no_grad():
        return torch.sigmoid(known.cpu().double() + forward(theta, *ids).cpu().double()).numpy()


# ---------------------------------------------------------------------- pictures


def draw_mixture(title: str, X, group, means, covs, trace) -> None:
    """Points coloured by their likeliest group, with its ellipse; and the log-likelihood by step."""
    _, axes = plots.panels(
        title,
        ["two standard deviations of each group", "likelihood by step"],
        xlabel="x₁",
        ylabel="x₂",
        size=(10, 3.9),
    )
    axes[0].scatter(*X.T, c=np.array(COLORS)[group], s=8, alpha=0.6)
    for mean, cov in zip(means, covs, strict=True):
        ellipse(axes[0], mean, cov, plots.INK)
    axes[0].set_aspect("equal")
    axes[1].plot(trace, color=plots.BLUE)
    axes[1].set(xlabel="step of EM", ylabel="log-likelihood of a point (nats)")


def draw_judges(title: str, scores: dict) -> None:
    """name -> (BIC a point for K = 1 …, silhouette for K = 2 …): two panels, each choice circled."""
    names = ["BIC, above its lowest: 0 wins", "silhouette: the highest wins"]
    _, axes = plots.panels(title, names, xlabel="groups K", ylabel="BIC a point", size=(10, 3.7))
    for (name, (bic, silhouette)), color in zip(scores.items(), COLORS, strict=False):
        for ax, first, values, at in zip(
            axes, (1, 2), (bic - bic.min(), silhouette), (bic.argmin(), silhouette.argmax()), strict=True
        ):
            ax.plot(range(first, first + len(values)), values, "o-", color=color)
            ax.plot(first + at, values[at], "o", color=color, markersize=13, fillstyle="none")
        plots.name(axes[1], 1 + len(silhouette), silhouette[-1], name, color)
    axes[1].set(xlim=axes[0].get_xlim(), ylabel="mean silhouette")


def draw_gate(title: str, x, y, x_new, f, g, cuts) -> None:
    """Left the data and each expert f (n, K) where it has the say, right its weight g (n, K)."""
    names = ["experts where they have the say", "the gate: who is asked"]
    _, axes = plots.panels(title, names, xlabel="x", ylabel="y", size=(10, 3.7))
    axes[0].plot(x, y, ".", color=plots.GREY, markersize=3, alpha=0.6)
    for place, j in enumerate(np.argsort(x_new @ g / g.sum(0))):
        color, says = COLORS[place], g[:, j]
        axes[0].plot(x_new, np.where(says > 0.05, f[:, j], np.nan), color=color)
        axes[1].plot(x_new, says, color=color)
        middle = float(x_new @ says / says.sum())
        plots.name(axes[1], middle, 1.09, f"expert {place + 1}", color, dx=-22, fontsize=10)
    for cut in cuts:
        axes[1].axvline(cut, color=plots.INK, linestyle=":", linewidth=1)
    axes[1].set(ylabel="weight of the expert", ylim=(-0.03, 1.18))


def draw_starts(title: str, rows: dict, levels: dict) -> None:
    """name -> (errors by descent, errors by EM), a dot for each start; `levels`: name -> a dotted line."""
    _, ax = plots.figure(title, xlabel="", ylabel="error on new points (log)", size=(8, 4))
    for at, pair in enumerate(rows.values()):
        for values, color, shift in zip(pair, COLORS, (-0.12, 0.12), strict=False):
            places = at + shift + np.linspace(-0.08, 0.08, len(values))
            ax.semilogy(places, np.sort(values), ".", color=color, markersize=9)
    right = len(rows) - 0.5
    for name, level in levels.items():
        ax.axhline(level, color=plots.GREY, linewidth=1, linestyle=":")
        plots.name(ax, right, level, name, plots.GREY)
    low = min(np.min(values) for pair in rows.values() for values in pair if len(values))
    for name, color, place in (("descent", plots.BLUE, 1), ("EM", plots.ORANGE, 2)):
        plots.name(ax, -0.4, low * place, f"● {name}", color, dx=0)
    ax.set(xlim=(-0.5, right))
    ax.set_xticks(range(len(rows)), rows)


def draw_loads(title: str, loads: dict, notes: dict, even: float) -> None:
    """name -> (starts, experts) shares of points; each start sorted by load, then averaged."""
    names = [f"{name}: {notes[name]}" for name in loads]
    _, axes = plots.panels(
        title,
        names,
        xlabel="expert, busiest first",
        ylabel="points that ask it (%)",
        size=(10.5, 3.5),
        sharey=True,
    )
    colors = [plots.RED, plots.GREEN, plots.ORANGE, plots.BLUE]
    for ax, load, color in zip(axes, loads.values(), colors, strict=True):
        ax.bar(np.arange(1, load.shape[1] + 1), 100 * np.sort(load)[:, ::-1].mean(0), color=color)
        ax.set_xticks(range(1, load.shape[1] + 1))
        ax.axhline(100 * even, color=plots.INK, linestyle=":", linewidth=1)
    plots.name(axes[0], 4.2, 100 * even, "even load", plots.INK, dy=9)


def draw_shares(title: str, shares: dict, gated) -> None:
    """name -> shares of the gap, a dot each; names in `gated` are blue."""
    label = "share of the gap on later days (%), a dot for each start"
    _, ax = plots.figure(title, xlabel=label, ylabel="", size=(8.5, 3.4))
    for row, (name, values) in enumerate(shares.items()):
        color = plots.BLUE if name in gated else plots.GREY
        ax.plot(values, [row] * len(values), "o", color=color, alpha=0.6)
        plots.name(ax, max(values), row, f"{np.mean(values):.1f} %", plots.INK, dx=10)
    ax.set_yticks(range(len(shares)), shares)
    ax.invert_yaxis()
    ax.margins(x=0.12)


def draw_regimes(title: str, pictures: dict) -> None:
    """name -> (5 sites, 24 hours) weights from 0 to 1, side by side."""
    _, axes = plots.panels(title, pictures, xlabel="hour", ylabel="site", size=(10, 2.9), sharey=True)
    for ax, picture in zip(axes, pictures.values(), strict=True):
        ax.imshow(picture, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        ax.set(xticks=range(0, 24, 6), yticks=range(5))
        ax.grid(visible=False)
