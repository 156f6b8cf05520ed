"""How fast the engine of `utils/scratch/autograd.py` is: one run, ratios.

usage: python benchmarks/autograd.py [steps of micrograd]

1. micrograd's own demo: two moons, 100 points, MLP(2, [16, 16, 1]), hinge loss and L2, full batch, double
   precision, the same start in all three. Goal: at least 3,000 times as fast as micrograd with the same
   losses, and faster than PyTorch eager. micrograd is no dependency of the course: install it somewhere else
   with `pip install --target DIR micrograd` and set PYTHONPATH=DIR.
2. MLP 784-256-128-10, batch 128, single precision. Goal: in no more time than PyTorch eager.

One thread. After each of micrograd's 100 steps, and for each round of 2, the engines run in turn, so that a
machine whose speed drifts slows all of them; the median ratio counts.
"""
# ruff: noqa: E402 - the number of threads is set before NumPy is loaded

import os

for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import random
import sys
import time
from itertools import pairwise
from statistics import median

import numpy as np
import torch
from sklearn.datasets import make_moons

from utils.scratch import autograd
from utils.scratch.autograd import Tensor, cross_entropy, linear

ALPHA = 1e-4  # the demo's L2
CHUNK = 20  # steps of the fast engines for each step of micrograd


def rate(step: int) -> float:
    """The demo's learning rate, from 1 down to 0.1."""
    return 1.0 - 0.9 * min(step, 99) / 100


class Micrograd:
    """The demo as it is published: one Python object a number."""

    def __init__(self, x, y):
        from micrograd.engine import Value
        from micrograd.nn import MLP

        random.seed(1337)
        self.value, self.net, self.x, self.y = Value, MLP(2, [16, 16, 1]), x, y

    def weights(self) -> list[np.ndarray]:
        """w, b of each layer, (inputs, units) and (units,)."""
        arrays = []
        for layer in self.net.layers:
            arrays.append(np.array([[w.data for w in neuron.w] for neuron in layer.neurons]).T)
            arrays.append(np.array([float(neuron.b.data) for neuron in layer.neurons]))
        return arrays

    def step(self, lr: float) -> float:
        scores = [self.net(list(map(self.value, row))) for row in self.x]
        losses = [(1 + -yi * score).relu() for yi, score in zip(self.y, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + ALPHA * sum(p * p for p in self.net.parameters())
        self.net.zero_grad()
        loss.backward()
        for p in self.net.parameters():
            p.data -= lr * p.grad
        return loss.data


class Moons:
    """The same with our tape."""

    def __init__(self, x, y, weights):
        self.x, self.y = Tensor(x), Tensor(y[:, None])
        self.weights = [Tensor(w, requires_grad=True) for w in weights]

    def step(self, lr: float) -> float:
        w1, b1, w2, b2, w3, b3 = self.weights
        scores = linear(linear(linear(self.x, w1, b1).relu(), w2, b2).relu(), w3, b3)
        loss = (1 - self.y * scores).relu().mean() + ALPHA * sum((w * w).sum() for w in self.weights)
        autograd.zero_grad(self.weights)
        loss.backward()
        autograd.descend(self.weights, lr)
        return loss.item()


class TorchMoons:
    """The same with PyTorch, eager."""

    def __init__(self, x, y, weights):
        self.x, self.y = torch.tensor(x), torch.tensor(y[:, None])
        self.weights = [torch.tensor(w, requires_grad=True) for w in weights]

    def step(self, lr: float) -> float:
        w1, b1, w2, b2, w3, b3 = self.weights
        hidden = torch.addmm(b2, torch.addmm(b1, self.x, w1).relu(), w2).relu()
        scores = torch.addmm(b3, hidden, w3)
        loss = (1 - self.y * scores).relu().mean() + ALPHA * sum((w * w).sum() for w in self.weights)
        torch_step(loss, self.weights, lr)
        return loss.item()


def torch_step(loss, weights, lr: float) -> None:
    for w in weights:
        w.grad = None
    loss.backward()
    with torch.no_grad():
        for w in weights:
            w.sub_(w.grad, alpha=lr)


def moons(steps: int) -> None:
    x, y = make_moons(n_samples=100, noise=0.1, random_state=1337)
    y = y * 2.0 - 1
    theirs = Micrograd(x, y)
    start = theirs.weights()
    ours, in_torch = Moons(x, y, start), TorchMoons(x, y, start)
    spare = Moons(x, y, start), TorchMoons(x, y, start)  # what is timed; the other two keep step
    for engine in spare:
        seconds(engine, 99, 50)
    gap, against_micrograd, against_torch = 0.0, [], []
    for k in range(steps):
        begin = time.perf_counter()
        loss = theirs.step(rate(k))
        slow = time.perf_counter() - begin
        gap = max(gap, *(abs(engine.step(rate(k)) - loss) for engine in (ours, in_torch)))
        fast, eager = (seconds(engine, 99, CHUNK) for engine in spare)
        against_micrograd.append(slow / fast)
        against_torch.append(eager / fast)
        print(
            f"\rmoons, step {k + 1:3d}: micrograd {slow:5.2f} s, ours {1e3 * fast:5.3f} ms, "
            f"PyTorch {1e3 * eager:5.3f} ms, loss {loss:.6f}, largest difference {gap:.1e}",
            end="",
            flush=True,
        )
    print(
        f"\nmoons: {median(against_micrograd):,.0f} times as fast as micrograd, "
        f"{median(against_torch):.2f} times as fast as PyTorch (medians of {steps}); "
        f"losses of {steps} steps differ by at most {gap:.1e}"
    )


def seconds(engine, k: int, steps: int) -> float:
    """Seconds a step."""
    begin = time.perf_counter()
    for _ in range(steps):
        engine.step(rate(k))
    return (time.perf_counter() - begin) / steps


class Digits:
    """MLP 784-256-128-10 on one batch with our tape."""

    def __init__(self, x, y, weights):
        self.x, self.y = Tensor(x), y
        self.weights = [Tensor(w, requires_grad=True) for w in weights]

    def step(self, lr: float) -> float:
        w1, b1, w2, b2, w3, b3 = self.weights
        hidden = linear(linear(self.x, w1, b1).relu(), w2, b2).relu()
        loss = cross_entropy(linear(hidden, w3, b3), self.y)
        autograd.zero_grad(self.weights)
        loss.backward()
        autograd.descend(self.weights, lr)
        return loss.item()


class TorchDigits:
    """The same with PyTorch, eager."""

    def __init__(self, x, y, weights):
        self.x, self.y = torch.tensor(x), torch.tensor(y)
        self.weights = [torch.tensor(w, requires_grad=True) for w in weights]

    def step(self, lr: float) -> float:
        w1, b1, w2, b2, w3, b3 = self.weights
        hidden = torch.addmm(b2, torch.addmm(b1, self.x, w1).relu(), w2).relu()
        loss = torch.nn.functional.cross_entropy(torch.addmm(b3, hidden, w3), self.y)
        torch_step(loss, self.weights, lr)
        return loss.item()


def mlp(rounds: int = 40, steps: int = 20) -> None:
    rng = np.random.default_rng(0)
    sizes = [784, 256, 128, 10]
    start = []
    for d, k in pairwise(sizes):
        start += [rng.normal(0, (2 / d) ** 0.5, (d, k)).astype("f"), np.zeros(k, "f")]
    x, y = rng.random((128, 784)).astype("f"), rng.integers(0, 10, 128)
    ours, in_torch = Digits(x, y, start), TorchDigits(x, y, start)
    gap = max(abs(ours.step(0.1) - in_torch.step(0.1)) for _ in range(20))
    ratios = []
    for _ in range(rounds):
        fast, eager = seconds(ours, 99, steps), seconds(in_torch, 99, steps)
        ratios.append(fast / eager)
    print(
        f"MLP 784-256-128-10: {median(ratios):.2f} of PyTorch's time (median of {rounds}, "
        f"last {1e3 * fast:.2f} and {1e3 * eager:.2f} ms a step); "
        f"losses of the first 20 steps differ by at most {gap:.1e}"
    )


def main(steps: int = 100) -> None:
    torch.set_num_threads(1)
    mlp()
    try:
        import micrograd  # noqa: F401
    except ImportError:
        sys.exit("micrograd is not installed: `pip install --target DIR micrograd`, then set PYTHONPATH=DIR")
    moons(steps)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
