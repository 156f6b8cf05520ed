"""A game of two nets, in turns, and a ring of clusters to play it on: as built in lecture 14.

    minimax = (lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: -F.softplus(fake))
    play((G, D), make, score, real, minimax, steps=400)
    drawn = play_ring({"game": minimax}, steps=300, ahead=5)        # name -> (5, 1000, 2), five generators
    found, good = found_and_good(drawn["game"])                     # clusters of six, share of good points

A pair of losses is a function of the logits (real, fake) for the discriminator D, and one of the logits of
fakes for the generator G. Goodfellow and others (2014), Generative Adversarial Nets.
"""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from utils import runtime

Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]

CLUSTERS, RADIUS, SPREAD = 6, 2.0, 0.2  # of the ring
NEAR = 2 * SPREAD  # a point within this of a middle is good; of real points 1 - exp(-2) = 86 % are
PAIRS = 5  # pairs of nets for each pair of losses: luck matters


def play(
    nets: tuple[nn.Module, nn.Module],
    make: Callable[[Tensor], Tensor],
    score: Callable[[Tensor, Tensor], Tensor],
    real: Callable[[], tuple[Tensor, Tensor]],
    losses: Losses,
    *,
    steps: int,
    momentum: float = 0.5,
    ahead: int = 1,
    extra: Callable | None = None,
    lr: float = 0.005,
) -> None:
    """Train (G, D) in turns by Adam: D `ahead` times, then G once, `steps` turns in all.

    Parameters: real() gives things and labels; make(labels) fakes; score(things, labels) logits of "real";
    extra(score, real, fake, labels) is added to D's cost. The rate is `lr` for half of the time, then falls.
    Raises: ValueError if there is no turn, or D is to take no step.
    """
    if steps < 1 or ahead < 1:
        raise ValueError(f"steps is {steps!r} and ahead {ahead!r}; expected 1 or more of each")
    to_beat, to_fool = losses
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr, betas=(momentum, 0.99)) for net in nets)
    for step in runtime.track(range(steps), "steps"):
        for adam in (adam_g, adam_d):
            adam.param_groups[0]["lr"] = lr * min(1, 2 - 2 * step / steps)
        for _ in range(ahead):
            x, y = real()
            with torch.no_grad():  # the generator stands still
                fake = make(y)
            cost = to_beat(score(x, y), score(fake, y)).mean()
            if extra:
                cost = cost + extra(score, x, fake, y)
            adam_d.zero_grad()
            cost.backward()
            adam_d.step()
        cost = to_fool(score(make(y), y)).mean()
        adam_g.zero_grad()
        cost.backward()  # through D into G; only G takes a step
        adam_g.step()


class Nets(nn.Module):
    """Small nets side by side, layers of `sizes`: (nets, n, ins) -> (nets, n, outs)."""

    def __init__(self, nets: int, *sizes: int):
        super().__init__()
        pairs = list(pairwise(sizes))
        self.W = nn.ParameterList((2 * torch.rand(nets, i, o) - 1) / math.sqrt(i) for i, o in pairs)
        self.b = nn.ParameterList(torch.zeros(nets, 1, o) for _, o in pairs)

    def forward(self, x: Tensor) -> Tensor:
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            x = F.leaky_relu(torch.baddbmm(b, x, W), 0.2)  # keeps a slope of 0.2: no unit dies
        return torch.baddbmm(self.b[-1], x, self.W[-1])


def middles(device=None) -> Tensor:
    """The middles of the ring's clusters: (6, 2)."""
    angle = torch.arange(CLUSTERS, device=device) * 2 * math.pi / CLUSTERS
    return RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)


def ring(*shape: int, device=None) -> Tensor:
    """Real points: (*shape, 2), each from one of six bells."""
    which = torch.randint(CLUSTERS, shape, device=device)
    return middles(device)[which] + SPREAD * torch.randn(*shape, 2, device=device)


def know_nothing(*shape: int, device=None) -> dict[str, Tensor]:
    """Rivals that ignore the clusters: a uniform disc of radius 2.5, and a circle through the middles."""
    turn = 2 * math.pi * torch.rand(*shape, device=device)
    circle = RADIUS * torch.stack([turn.cos(), turn.sin()], dim=-1)
    disc = 1.25 * circle * torch.rand(*shape, 1, device=device).sqrt()
    return {"uniform disc": disc, "plain circle": circle}


def found_and_good(points: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Of each set of points (nets, n, 2): clusters found, and the share of points that are good.

    A point is good if it is within two spreads of a middle; a cluster is found if at least half of its fair
    share of the points, n / 12, are good there.
    """
    near = torch.cdist(points, middles(points.device).expand(len(points), -1, -1)) < NEAR  # (nets, n, 6)
    enough = math.floor(points.shape[1] / (2 * CLUSTERS))
    found, good = (near.sum(1) >= enough).sum(1), near.any(2).float().mean(1)
    return found.cpu().numpy(), good.cpu().numpy()


def side_by_side(losses: list[Losses]) -> Losses:
    """One pair of losses for many nets: each of `losses` has its own five of the leading axis."""

    def beat(real, fake):
        parts = zip(losses, real.split(PAIRS), fake.split(PAIRS), strict=True)
        return torch.cat([loss[0](r, f) for loss, r, f in parts])

    def fool(fake):
        parts = zip(losses, fake.split(PAIRS), strict=True)
        return torch.cat([loss[1](f) for loss, f in parts])

    return beat, fool


def play_ring(
    losses: Mapping[str, Losses],
    *,
    steps: int,
    ahead: int = 5,
    extra: Callable | None = None,
    lr: float = 0.015,
    seed: int = 0,
    device=None,
) -> dict[str, Tensor]:
    """Five pairs of nets for each pair of losses, trained on the ring at once.

    Returns: name -> 1,000 points drawn by each of the five generators, (5, 1000, 2).
    """
    torch.manual_seed(seed)
    count = PAIRS * len(losses)
    G, D = (Nets(count, 2, 32, 32, outs).to(device) for outs in (2, 1))

    def make(points):  # as many as there are real ones
        return G(torch.randn(count, points.shape[1], 2, device=device))

    def real():
        points = ring(count, 64, device=device)
        return points, points

    play((G, D), make, lambda points, _: D(points), real, side_by_side(list(losses.values())),
         steps=steps, ahead=ahead, extra=extra, lr=lr)  # fmt: skip
    with torch.no_grad():
        drawn = make(torch.empty(count, 1000, 2, device=device))
    return dict(zip(losses, drawn.split(PAIRS), strict=True))


Bells = list[tuple[float, float, float]]  # (share, mean, spread) of each


def density(x: np.ndarray, bells: Bells) -> np.ndarray:
    """The density of a mixture of bells at each x."""
    return sum(share * stats.norm.pdf(x, mean, spread) for share, mean, spread in bells)


def draws(n: int, bells: Bells) -> Tensor:
    """Numbers drawn from a mixture of bells: (n,)."""
    share, mean, spread = torch.tensor(bells).T
    which = torch.multinomial(share, n, replacement=True)
    return mean[which] + spread[which] * torch.randn(n)


def js(shifts: np.ndarray) -> np.ndarray:
    """The Jensen–Shannon divergence of N(0, 1) and N(d, 1) for each shift d, in nats, on a fine grid."""
    x = np.linspace(-12, 20, 8001)
    log_p, log_q = stats.norm.logpdf(x), stats.norm.logpdf(x - np.asarray(shifts)[:, None])
    middle = np.logaddexp(log_p, log_q) - math.log(2)
    terms = np.exp(log_p) * (log_p - middle) + np.exp(log_q) * (log_q - middle)
    return terms.sum(1) * (x[1] - x[0]) / 2
