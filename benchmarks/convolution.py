"""How fast the convolution of `utils/scratch/convolution.py` is beside PyTorch's: one run, ratios.

usage: python benchmarks/convolution.py [rounds]

Forward, and forward with all three gradients, on five layers in single precision, one thread. The goal is at
most 3 times the time of `F.conv2d`. PyTorch's convolution is a machine's best code (oneDNN, written for each
processor); ours is NumPy. In every round both run in turn, so that a machine whose speed drifts slows both;
the median ratio counts.
"""
# ruff: noqa: E402 - the number of threads is set before NumPy is loaded

import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import sys
import time
from statistics import median

import numpy as np
import torch
from torch.nn import functional as F

from utils.scratch import autograd
from utils.scratch.autograd import Tensor
from utils.scratch.convolution import conv2d

# name: pictures, channels, side, filters, window, stride, padding
LAYERS = {
    "LeNet, first layer": (256, 1, 28, 6, 5, 1, 2),
    "LeNet, second layer": (256, 6, 14, 16, 5, 1, 0),
    "VGG-like, 3×3": (16, 64, 28, 64, 3, 1, 1),
    "ResNet-like, stride 2": (64, 16, 28, 32, 3, 2, 1),
    "1×1": (32, 64, 14, 128, 1, 1, 0),
}


def seconds(job) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def measure(name: str, rounds: int) -> tuple[float, float]:
    """Median ratios of our time to PyTorch's: forward, forward and backward."""
    n, c, side, k, window, stride, padding = LAYERS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype("f") for s in [(n, c, side, side), (k, c, window, window), (k,)]]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    ours = [Tensor(a, requires_grad=True) for a in arrays]
    how = {"stride": stride, "padding": padding}
    g = torch.randn_like(F.conv2d(*theirs, **how))
    weight = Tensor(g.numpy())

    def our_forward():
        with autograd.no_grad():
            return conv2d(*ours, **how)

    def our_gradients():
        autograd.zero_grad(ours)
        out = conv2d(*ours, **how)
        out._backward(weight._array)  # the convolution alone, without the sum that a loss would need
        return [t.grad for t in ours]

    def their_forward():
        with torch.no_grad():
            return F.conv2d(*theirs, **how)

    def their_gradients():
        return torch.autograd.grad(F.conv2d(*theirs, **how), theirs, g)

    gap = np.abs(our_forward().data - their_forward().numpy()).max()
    for mine, other in zip(our_gradients(), their_gradients(), strict=True):
        gap = max(gap, np.abs(mine - other.numpy()).max() / np.abs(mine).max())
    ratios = []
    for _ in range(rounds):
        times = [seconds(job) for job in (our_forward, their_forward, our_gradients, their_gradients)]
        ratios.append((times[0] / times[1], times[2] / times[3]))
    forward, whole = (median(column) for column in zip(*ratios, strict=True))
    print(
        f"{name:22s} forward {1e3 * times[0]:6.2f} ms, {forward:4.2f} of PyTorch's time; "
        f"with gradients {1e3 * times[2]:6.2f} ms, {whole:4.2f}; largest difference {gap:.0e}",
        flush=True,
    )
    return forward, whole


def main(rounds: int = 30) -> None:
    torch.set_num_threads(1)
    ratios = [measure(name, rounds) for name in LAYERS]
    for label, column in zip(("forward", "with gradients"), zip(*ratios, strict=True), strict=True):
        print(f"{label}: {min(column):.2f} to {max(column):.2f} of PyTorch's time, goal at most 3")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
