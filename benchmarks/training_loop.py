"""How much of the bare compute limit `training.fit` reaches: LeNet, batch 256, one run, a ratio.

usage: python benchmarks/training_loop.py [rounds]

The limit is forward, backward and step on one cached batch, with nothing else in the loop. Both run in turn,
so that a machine whose speed drifts slows both; the median ratio counts. Goal: at least 0.90.
"""

import sys
import time
from statistics import median

import torch
from torch import nn

from utils import training

BATCH, BATCHES = 256, 40


def lenet() -> nn.Module:
    """LeCun and others (1998), with ReLU and max pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def bare_seconds(x, y) -> float:
    """Seconds for BATCHES steps on one batch."""
    model = lenet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    start = time.perf_counter()
    for _ in range(BATCHES):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return time.perf_counter() - start


def main(rounds: int = 7) -> None:
    torch.manual_seed(0)
    x, y = torch.rand(BATCH * BATCHES, 1, 28, 28), torch.randint(10, (BATCH * BATCHES,))
    ratios = []
    bare_seconds(x[:BATCH], y[:BATCH])  # warm up
    for _ in range(rounds):
        bare = bare_seconds(x[:BATCH], y[:BATCH])
        ours = training.fit(lenet(), (x, y), epochs=1, batch_size=BATCH).seconds[0]
        ratios.append(bare / ours)
        images = BATCH * BATCHES
        print(f"bare {images / bare:7.0f}/s   fit {images / ours:7.0f}/s   share {bare / ours:.3f}")
    print(f"median share of the bare limit: {median(ratios):.3f} ({torch.get_num_threads()} threads)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
