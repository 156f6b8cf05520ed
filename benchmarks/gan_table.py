"""Lecture 14's stored table: which change mends a GAN on letters, at which rate? About ten minutes on a CPU.

    python benchmarks/gan_table.py            # three seeds, three rates, six rows: 54 trainings

Each row is the mended recipe with changes taken back; a number is the share of the test letters that as many
drawings cover, in per cent, in the features of lecture 13's judge: the median of three seeds.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from utils import runtime
from utils.scratch import games
from utils.scratch.generators import decoder, density_and_coverage, encoder, fit, letters

CODE, STEPS, RATES, SEEDS = 16, 300, (0.003, 0.01, 0.03), (0, 1, 2)
MINIMAX = (lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: -F.softplus(fake))
NONSATURATING = (MINIMAX[0], lambda fake: F.softplus(-fake))


def penalty(score, real, fake, label):
    """Asks for steepness 1 at random points between real and fake pictures."""
    share = torch.rand(len(real), 1, 1, 1)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(score(between, label).sum(), between, create_graph=True)
    return ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()


ROWS = {
    "section 1": {"losses": MINIMAX, "momentum": 0.9, "extra": None},
    "all three": {},
    "the game's own loss": {"losses": MINIMAX},
    "momentum 0.9": {"momentum": 0.9},
    "no penalty": {"extra": None},
    "spectral norm instead": {"extra": None, "spectral": True},
}


def drawings(x, count, seed, lr, losses=NONSATURATING, momentum=0.5, extra=penalty, spectral=False):
    """Train one GAN and draw `count` letters."""
    torch.manual_seed(seed)
    G, D = nn.Sequential(*decoder(CODE + 1), nn.Sigmoid()), encoder(1)
    for i in (0, 2, 5) if spectral else ():
        nn.utils.parametrizations.spectral_norm(D[i])

    def make(like):
        return G(F.pad(torch.randn(len(like), CODE), (0, 1), value=1.0))  # 1: the only kind

    def real():
        rows = x[torch.randint(len(x), (32,))]
        return rows, rows

    games.play((G, D), make, lambda pictures, _: D(pictures)[:, 0], real, losses, steps=STEPS,
               momentum=momentum, extra=extra, lr=lr)  # fmt: skip
    with torch.no_grad():
        return make(torch.empty(count, 1))


def train_judge(x, y):
    """Lecture 13's classifier of the letters A to J; its first part makes 32 features."""
    judge = nn.Sequential(encoder(32), nn.ReLU(), nn.Linear(32, 10))
    rows = torch.arange(len(x))
    fit(judge, rows, lambda i: F.cross_entropy(judge(x[i]), y[i], reduction="none"), steps=200, lr=0.005)
    return judge


def main() -> None:
    covered = {(row, lr): [] for row in ROWS for lr in RATES}
    for seed in SEEDS:
        runtime.setup("lecture", seed, "cpu", threads=1)
        all_x, all_y = letters("train", "ABCDEFGHIJ")
        x, test = all_x[all_y < 5], letters("test", "ABCDE")[0]
        judge = train_judge(all_x, all_y)
        for row, lr in covered:
            with torch.no_grad():
                made = judge[0](drawings(x, len(test), seed, lr, **ROWS[row]))
                covered[row, lr].append(100 * density_and_coverage(judge[0](test), made)[1])
    for row in ROWS:
        print(f"{row:24}", *(f"{np.median(covered[row, lr]):4.0f}" for lr in RATES))


if __name__ == "__main__":
    main()
