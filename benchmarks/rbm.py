"""How close a step of CD-1 comes to its bare matrix products: one run, ratios.

usage: python benchmarks/rbm.py [rounds]

CD-1 needs five products a batch: up, down, up, and the data's and the model's half of the gradient. Ours is a
training step of `utils/scratch/rbm.py`: the products, biases, sigmoids, coins, momentum, weight decay and the
reconstruction error. It is compared with the five products alone, twice:
- as one writes them, `v @ W.T` and so on, each result in fresh memory. Goal: at most 1.2 times their time;
- into memory that is already there: the lowest floor, which no code that has to toss coins can reach.
784 visible and 500 hidden units, batches of 100, single precision, one thread: MNIST's size. The size of the
digits in lecture 07, 64 and 100 units in batches of 50, is printed beside it: there a product takes a few
microseconds, and the calls around it cost more than it does.

All run in turn, step by step, and are timed in CPU seconds of this thread, so that a busy machine disturbs
less. The median of the ratios counts.
"""
# ruff: noqa: E402 - the number of threads is set before the libraries are loaded

import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import sys
import time
from statistics import median

import torch

from utils.scratch.rbm import RBM


def seconds(call, steps: int) -> float:
    """CPU seconds a call."""
    begin = time.thread_time()
    for _ in range(steps):
        call()
    return (time.thread_time() - begin) / steps


def floors(v, W):
    """The five products on one batch, in fresh memory and in old: two calls. v: (n, d), W: (k, d)."""

    def fresh():
        h = v @ W.T
        r = h @ W
        h_r = r @ W.T
        return h.T @ v, h_r.T @ r

    h, r, h_r, data, model = v @ W.T, v.clone(), v @ W.T, W.clone(), W.clone()

    def old():
        torch.mm(v, W.T, out=h)
        torch.mm(h, W, out=r)
        torch.mm(r, W.T, out=h_r)
        torch.mm(h.T, v, out=data)
        torch.mm(h_r.T, r, out=model)

    return fresh, old


def compare(visible: int, hidden: int, batch: int, rounds: int, steps: int) -> None:
    v = (torch.rand(batch, visible) < 0.3).float()
    rbm = RBM(hidden, epochs=1, batch_size=batch).fit(v)
    calls = lambda: rbm._step(v), *floors(v, rbm.weight_.clone())
    for call in calls:
        seconds(call, 5 * steps)  # warm up
    times = [[seconds(call, steps) for call in calls] for _ in range(rounds)]
    ours, fresh, old = (median(column) for column in zip(*times, strict=True))
    print(
        f"{visible} × {hidden}, batch {batch}: CD-1 takes "
        f"{median(a / b for a, b, _ in times):.2f} times its products as written, "
        f"{median(a / c for a, _, c in times):.2f} times the products into old memory "
        f"(medians of {rounds}: {1e3 * ours:.3f}, {1e3 * fresh:.3f} and {1e3 * old:.3f} ms)"
    )


def main(rounds: int = 300) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    compare(784, 500, batch=100, rounds=rounds, steps=1)
    compare(64, 100, batch=50, rounds=rounds, steps=20)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
