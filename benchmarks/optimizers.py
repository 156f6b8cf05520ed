"""Seconds of one step of our optimizers against torch.optim's at equal arrays: a ratio.

usage: python benchmarks/optimizers.py [rounds]

The arrays are a small network's (784 → 64 → 10, float64), the gradients are equal, one thread each. Both run
in turn, so that a machine whose speed drifts slows both; the median ratio counts. Goal: at most 2 each.
"""

import os
import sys
import time
from statistics import median

os.environ["OMP_NUM_THREADS"] = "1"  # before NumPy and torch start their threads

import numpy as np
import torch

from utils.scratch import optim

STEPS = 300
SHAPES = [(784, 64), (64,), (64, 10), (10,)]
PEERS = {
    "SGD, momentum 0.9": ((optim.SGD, {"momentum": 0.9}), (torch.optim.SGD, {"momentum": 0.9})),
    "AdaGrad": ((optim.AdaGrad, {}), (torch.optim.Adagrad, {})),
    "RMSProp": ((optim.RMSProp, {}), (torch.optim.RMSprop, {})),
    "AdaDelta": ((optim.AdaDelta, {}), (torch.optim.Adadelta, {})),
    "Adam": ((optim.Adam, {}), (torch.optim.Adam, {})),
    "AdamW": ((optim.AdamW, {}), (torch.optim.AdamW, {})),
}


def our_seconds(make, options, gradients) -> float:
    optimizer = make([np.zeros(shape) for shape in SHAPES], lr=1e-3, **options)
    start = time.perf_counter()
    for _ in range(STEPS):
        optimizer.step(gradients)
    return time.perf_counter() - start


def their_seconds(make, options, gradients) -> float:
    parameters = [torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in SHAPES]
    for p, g in zip(parameters, gradients, strict=True):
        p.grad = torch.as_tensor(g)
    optimizer = make(parameters, lr=1e-3, **options)
    start = time.perf_counter()
    for _ in range(STEPS):
        optimizer.step()
    return time.perf_counter() - start


def main(rounds: int = 5) -> None:
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=shape) for shape in SHAPES]
    for name, (ours, theirs) in PEERS.items():
        times = [(our_seconds(*ours, gradients), their_seconds(*theirs, gradients)) for _ in range(rounds)]
        ratio = median(mine / peer for mine, peer in times)
        mine, peer = (median(column) / STEPS * 1e6 for column in zip(*times, strict=True))
        print(f"{name:18s} ours {mine:6.0f} µs   torch {peer:6.0f} µs a step   median ratio {ratio:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
