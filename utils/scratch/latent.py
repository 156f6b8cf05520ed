"""What lecture 13's experiments stand on: a judge, a description of codes, detectors, pictures.

    judge = Judge(all_x, all_y, test, steps=300)
    judge.rate(pictures)                          # per cent legible, per cent of the test letters covered
    found = describe(codes, parts=10)             # a mixture of Gaussians, fitted to codes (n, d)
    found.log_density(z); found.draw(100)

The nets, the bounds and the estimates of gradients are the lecture's own; here is what a reader need not see.
Naeem, Oh, Uh, Choi & Yoo (2020), Reliable Fidelity and Diversity Metrics for Generative Models, for coverage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import plots
from utils.scratch import generators


class Judge:
    """A small classifier of letters, for pictures (n, 1, 28, 28) that should be one of the first `wanted`."""

    def __init__(self, x: Tensor, y: Tensor, test: Tensor, *, steps: int, wanted: int = 5):
        self.wanted, self.test = wanted, test
        self.net = nn.Sequential(generators.encoder(32), nn.ReLU(), nn.Linear(32, 10)).to(x.device)
        rows = torch.arange(len(x), device=x.device)
        generators.fit(
            self.net,
            rows,
            lambda rows: F.cross_entropy(self.net(x[rows]), y[rows], reduction="none"),
            steps=steps,
            lr=0.005,
        )

    @torch.no_grad()
    def rate(self, pictures: Tensor) -> tuple[float, float]:
        """Per cent that get one of the wanted letters at 90 % or more; per cent of test letters covered."""
        sure = self.net(pictures).softmax(1)[:, : self.wanted].amax(1) >= 0.9
        _, covered = generators.density_and_coverage(self.net[0](self.test), self.net[0](pictures))
        return 100 * sure.float().mean().item(), 100 * covered


@dataclass
class Description:
    """A mixture of Gaussians that was fitted to codes."""

    log_density: Callable[[Tensor], Tensor]  # (n, d) -> (n,), on the device of z
    draw: Callable[[int], np.ndarray]  # n codes, (n, d), in random order


def describe(codes: Tensor, parts: int, *, seed: int = 0) -> Description:
    """Fit a mixture of `parts` Gaussians, each with its own covariances, to codes (n, d).

    Raises: ValueError (scikit-learn's) for fewer codes than parts, or one that is not finite.
    """
    from sklearn.mixture import GaussianMixture

    found = GaussianMixture(parts, reg_covar=1e-3, random_state=seed).fit(codes.cpu().double().numpy())

    def log_density(z: Tensor) -> Tensor:
        scores = found.score_samples(z.cpu().double().numpy())
        return torch.tensor(scores, dtype=torch.float32, device=z.device)

    def draw(n: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(found.sample(n)[0])  # they come sorted by part

    return Description(log_density, draw)


def detectors(past: Tensor, axes: int = 8) -> dict[str, Callable[[Tensor], np.ndarray]]:
    """Three plain detectors of odd rows: each takes one-hot rows as `past` (n, values), larger is odder.

    Rarity: the sum of -log frequency of a row's values. PCA error: the squared distance to the plane of the
    first principal axes. Table of pairs: how many pairs of values of a row never met in a row of the past.
    """
    from sklearn.decomposition import PCA

    frequency = past.mean(0).clamp(min=1e-6)
    plane = PCA(axes).fit(past[:10_000].cpu().numpy())
    never = (past.T @ past == 0).float()  # (values, values)

    def pca_error(rows: Tensor) -> np.ndarray:
        rows = rows.cpu().numpy()
        return ((rows - plane.inverse_transform(plane.transform(rows))) ** 2).sum(1)

    return {
        "rarity": lambda rows: -(rows @ frequency.log()).cpu().numpy(),
        "PCA error": pca_error,
        "table of pairs": lambda rows: ((rows @ never) * rows).sum(1).cpu().numpy() / 2,
    }


# --- pictures -------------------------------------------------------------------------------------------
def draw_densities(z, code, f, x, picture, *, noise: float, draws: Sequence[float]) -> None:
    """Density of the code, the decoder f with its noise, density of the picture, and some draws as dots."""
    _, (left, middle, right) = plots.panels(
        "One bell of codes, bent by a decoder, is two hills of pictures",
        ["density of the code", "the decoder", "density of the picture"],
        xlabel="code z",
        ylabel="p(z)",
        size=(10, 3.2),
    )
    left.plot(z, code, color=plots.GREY)
    middle.plot(z, f(z), color=plots.INK)
    middle.fill_between(z, f(z) - noise, f(z) + noise, color=plots.INK, alpha=0.12, linewidth=0)
    right.plot(x, picture, color=plots.GREEN)
    middle.set_ylabel(f"picture x: f(z) ± {noise:g}")
    right.set(xlabel="picture x", ylabel="p(x)")
    for color, one in zip((plots.ORANGE, plots.RED, plots.PURPLE), draws, strict=False):
        made = f(torch.tensor(one)).item()
        left.plot(one, 0, "o", color=color, clip_on=False)
        middle.plot(one, made, "o", color=color)
        right.plot(made, 0, "o", color=color, clip_on=False)


def draw_gap(posterior, elbo_parts: Callable, m: float, v: float, evidence: float) -> None:
    """Prior, posterior and q = N(m, v²) as bells; the ELBO along q's mean, an arch under log p(x).

    `elbo_parts(m, v)` is reconstruction and price; `posterior` a distribution of torch's.
    """
    normal = torch.distributions.Normal
    reconstruction, price = elbo_parts(m, v)
    elbo = reconstruction - price
    text = f"ELBO = {reconstruction:.2f} − {price:.2f} = {elbo:.2f}, a gap of {evidence - elbo:.2f} nats"
    _, (left, right) = plots.panels(
        text.replace("-", "−"),
        ["the proposal q and its target", "the ELBO along q's mean"],
        xlabel="code z",
        ylabel="density",
    )
    z, means = torch.linspace(-3, 3.5, 300), np.linspace(-0.5, 2.5, 100)
    for bell, color, label, at, dx in (
        (normal(0.0, 1.0), plots.GREY, "prior", -1.5, -44),
        (posterior, plots.INK, "posterior", 1.6, 6),
        (normal(m, v), plots.ORANGE, "q", m, -20),
    ):
        left.plot(z, bell.log_prob(z).exp(), color=color)
        plots.name(left, at, bell.log_prob(torch.tensor(at)).exp(), label, color, dx=dx, dy=8)
    right.plot(means, [np.subtract(*elbo_parts(mean, v)) for mean in means], color=plots.ORANGE)
    right.plot(m, elbo, "o", color=plots.ORANGE)
    right.axhline(evidence, color=plots.INK)
    plots.name(right, -0.5, evidence + 0.4, "log p(x)", plots.INK)
    right.set(xlabel="mean of q", ylabel="nats", ylim=(-8, 0))


def draw_spreads(spread: dict, wavy: dict) -> None:
    """Two panels. `spread`: (kind, way) -> size of the code -> spread; `wavy`: way -> w -> spread."""
    _, (left, right) = plots.panels(
        "A smooth f favours reparameterization; a jagged one, the score function",
        ["apart (solid) and coupled (dashed)", "wavy: sin(w z), one number"],
        xlabel="numbers in the code",
        ylabel="spread of one estimate (log)",
        size=(11, 4),
    )
    color = {"score": plots.RED, "reparameterized": plots.BLUE}
    for (kind, way), line in spread.items():
        style = "s--" if kind == "coupled" else "o-"
        left.loglog(list(line), list(line.values()), style, color=color[way], markersize=5)
        up = 6 if (kind, way) == ("apart", "score") else -6 if kind == "coupled" else 0
        last = list(line)[-1]
        plots.name(left, last, line[last], f"{way}, {kind}", color[way], dy=up, fontsize=11)
    for way, line in wavy.items():
        right.loglog(list(line), list(line.values()), "o-", color=color[way], markersize=5)
        last = list(line)[-1]
        plots.name(right, last, line[last], way, color[way], fontsize=11)
    right.set_xlabel("w (more jagged to the right)")
    for ax, at in ((left, list(next(iter(spread.values())))), (right, list(next(iter(wavy.values()))))):
        ax.set_xticks(at, at)
        ax.minorticks_off()


def draw_codes(plain: Tensor, vae: Tensor, prior: Tensor, letter: Tensor, names: str) -> None:
    """One number of each net's codes under the prior's bell, and a plane in which the letters lie apart.

    `plain`, `vae` (n, d) are codes of the same letters, whose numbers are `letter` (n,); `prior` (m, d) are
    draws from N(0, I). The plane is that of the first principal axes of the letters' mean codes.
    """
    means = torch.stack([vae[letter == k].mean(0) for k in range(len(names))])
    plane = torch.linalg.svd(means - means.mean(0), full_matrices=False)[2][:2].T  # (d, 2)
    _, (left, middle, right) = plots.panels(
        "One number of the VAE's code is near the prior; two directions are not",
        ["auto-encoder, one number", "VAE, one number", "VAE, two directions"],
        xlabel="value",
        ylabel="density",
        size=(11, 3.6),
    )
    for ax, values in ((left, plain[:, 0]), (middle, vae[:, 0])):
        values = values.cpu().numpy()
        edge = max(3.5, np.abs(values).max())
        line = np.linspace(-edge, edge, 400)
        ax.hist(values, bins=40, density=True, color=plots.SKY)
        ax.plot(line, np.exp(-(line**2) / 2) / np.sqrt(2 * np.pi), color=plots.GREY)
    plots.name(left, 1, 0.3, "prior", plots.GREY)
    plots.name(left, np.quantile(plain[:, 0].cpu().numpy(), 0.6), 0.07, "codes", plots.BLUE)
    right.scatter(*(prior @ plane).cpu().numpy().T, s=6, color="#B0B0B0")
    colors = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.RED, plots.PURPLE]
    box = {"boxstyle": "circle,pad=0.12", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    for k, color in zip(range(len(names)), colors, strict=False):
        own = (vae[letter == k] @ plane).cpu().numpy()
        right.scatter(*own[:100].T, s=6, color=color)
        plots.name(right, *own.mean(0), names[k], plots.INK, dx=0, ha="center", bbox=box)
    right.set(xlabel="first direction (grey: prior)", ylabel="second", aspect="equal")


def draw_surprise(values: dict) -> None:
    """Histograms of surprise. `values`: name -> (rows,) nats, of real rows, a broken join and a dull bot."""
    _, ax = plots.figure(
        "A broken join surprises the VAE, and a bot looks more normal than people",
        xlabel="surprise (nats)",
        ylabel="share of rows (%)",
        size=(7.5, 3.8),
    )
    places = [(plots.BLUE, 18.5, 30), (plots.RED, 34, 9), (plots.ORANGE, 16.5, 40)]
    for (label, nats), (color, at, height) in zip(values.items(), places, strict=True):
        counted, edges = np.histogram(nats, np.arange(10, 51, 1.0))
        ax.stairs(100 * counted / len(nats), edges, color=color, linewidth=2)
        plots.name(ax, at, height, label, color, dx=0)
