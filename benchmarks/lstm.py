"""How fast the LSTM of `utils/scratch/recurrent.py` is beside torch.nn.LSTM: one run, ratios.

usage: python benchmarks/lstm.py [rounds]

Goal: a loop over time in Python, forward and backward, within 3 times of nn.LSTM's time, on one thread, with
the same outputs and gradients, at the size of lecture 12's character model. A smaller size is shown as well,
where the loop's fixed price per step counts most (about 3 times), and a larger one, where it is lost.
The two run in turn, so that a machine whose speed drifts slows both; the median of the ratios counts.
"""
# ruff: noqa: E402 - the number of threads is set before NumPy is loaded

import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import sys
import time
from statistics import median

import torch

from utils.scratch.recurrent import LSTM

SIZES = {  # steps, batch, inputs, hidden units
    "small": (30, 32, 8, 24),
    "lecture 12": (32, 32, 32, 128),
    "large": (64, 64, 128, 256),
}


def pass_through(net, x: torch.Tensor) -> torch.Tensor:
    """Forward and backward; the gradients stay in the net."""
    net.zero_grad()
    h, _ = net(x)
    h.square().sum().backward()
    return h


def seconds(net, x: torch.Tensor, repeats: int) -> float:
    begin = time.process_time()  # CPU time: other programs on the machine do not count
    for _ in range(repeats):
        pass_through(net, x)
    return (time.process_time() - begin) / repeats


def largest_gap(ours, theirs, x: torch.Tensor) -> float:
    """Largest difference of outputs and of gradients, in double precision, relative to the largest entry."""
    ours, theirs, x = ours.double(), theirs.double(), x.double()
    pairs = [(pass_through(ours, x), pass_through(theirs, x))]
    pairs += [(p.grad, dict(theirs.named_parameters())[name].grad) for name, p in ours.named_parameters()]
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in pairs)


def main(rounds: int = 15) -> None:
    torch.set_num_threads(1)
    for name, (steps, batch, inputs, hidden) in SIZES.items():
        torch.manual_seed(0)
        theirs = torch.nn.LSTM(inputs, hidden)
        ours = LSTM(inputs, hidden)
        ours.load_state_dict(theirs.state_dict())
        x = torch.randn(steps, batch, inputs)
        repeats = max(1, int(0.05 / seconds(theirs, x, 3)))
        seconds(ours, x, 1)  # warm
        times = [(seconds(ours, x, repeats), seconds(theirs, x, repeats)) for _ in range(rounds)]
        ratio = median(mine / library for mine, library in times)
        mine, library = (1e3 * median(column) for column in zip(*times, strict=True))
        gap = largest_gap(ours, theirs, x)
        print(
            f"{name} (T {steps}, B {batch}, d {inputs}, H {hidden}): {ratio:.2f} of nn.LSTM's time "
            f"(median of {rounds}; {mine:.2f} and {library:.2f} ms); largest difference {gap:.0e}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
