"""Wrong answers to lecture 18's tasks, each with its message, and right ones written otherwise."""

import math

import numpy as np
import torch
from scipy.special import softmax


# ------------------------------------------------------------------------------------------------ rule
def overflowing(g, a):
    with np.errstate(all="ignore"):
        return g[:, None] * np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)


def rule_by_loop(g, a):
    out = np.empty_like(a)
    for i, row in enumerate(a):
        top = max(row)
        total = math.fsum(math.exp(v - top) for v in row)
        out[i] = [g[i] * math.exp(v - top) / total for v in row]
    return out


# ------------------------------------------------------------------------------------------------ fold
def folded(program, leaves=("const",), decide=all):
    constant = []
    for name, *args in program:
        if name in ("input", "draw", "const"):
            constant.append(name in leaves)
        else:
            constant.append(decide(constant[i] for i in args))
    return np.array(constant, dtype=bool)


def without_names(program):
    constant = []
    for name, *args in program:
        constant.append(name == "const" or all(constant[i] for i in args))
    return np.array(constant, dtype=bool)


def by_recursion(program):
    def fixed(i):
        name, *args = program[i]
        return name == "const" or (name not in ("input", "draw") and all(map(fixed, args)))

    return np.array([fixed(i) for i in range(len(program))])


# ---------------------------------------------------------------------------------------------- losses
def descend(
    w0, x, y, lr, steps, clear=True, last=False, mean=True, late=False, as_float=True, in_place=False
):
    w, x, y = torch.tensor(w0, requires_grad=True), torch.tensor(x), torch.tensor(y)
    total = 0.0
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        if clear:
            w.grad = None
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            now = ((x @ w - y) ** 2).mean() if late else loss
        total = now.item() if last else total + now.item()
    if in_place:
        w0[:] = w.detach().numpy()
    total = total / (steps if mean and not last else 1)
    return w.detach().numpy(), total if as_float else torch.tensor(total)


def by_optimizer(w0, x, y, lr, steps):
    w = torch.nn.Parameter(torch.tensor(w0))
    optimizer, losses = torch.optim.SGD([w], lr=lr), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(torch.tensor(x) @ w, torch.tensor(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return w.detach().numpy(), sum(losses) / steps


# ---------------------------------------------------------------------------------------------- shards
def shards_by_average(grads, counts):
    there = counts > 0
    if not there.any():
        return np.zeros(grads.shape[1])
    return np.average(grads[there], axis=0, weights=counts[there])


def shards_where(grads, counts):
    weights = counts / max(counts.sum(), 1)
    return np.where(counts[:, None] > 0, grads * weights[:, None], 0).sum(axis=0)


# ---------------------------------------------------------------------------------------------- master
def in_half(w, grads, lr):
    for grad in grads:
        w = w - np.float16(lr) * grad
    return w


def rounded(w, grads, lr):
    for grad in grads:
        w = (w.astype(np.float32) - np.float32(lr) * grad.astype(np.float32)).astype(np.float16)
    return w


def product_in_half(w, grads, lr):
    master = w.astype(np.float32)
    for grad in grads:
        master = master - (np.float16(lr) * grad).astype(np.float32)
    return master.astype(np.float16)


def at_once(w, grads, lr, dtype=np.float16):
    return (w.astype(np.float64) - lr * grads.astype(np.float64).sum(axis=0)).astype(dtype)


def by_torch(w, grads, lr):
    total = torch.tensor(w).float()
    for grad in grads:
        total.sub_(torch.tensor(grad).float(), alpha=lr)
    return total.half().numpy()


WRONG = {
    "18.rule": {
        "overflowing": (overflowing, "overflows"),
        "no g": (lambda g, a: softmax(a, axis=1), "what follows is missing"),
        "g by column": (lambda g, a: g * softmax(a, axis=1), "stops"),
        "by column": (lambda g, a: g[:, None] * softmax(a, axis=0), "not over each column"),
        "not divided": (lambda g, a: g[:, None] * np.exp(np.minimum(a, 700)), "wrong values"),
        "of the sum": (lambda g, a: softmax(a * g[:, None], axis=1), "wrong values"),
        "the value itself": (lambda g, a: g * np.log(np.exp(a - 1000).sum(axis=1) + 1), "shape"),
    },
    "18.fold": {
        "inputs too": (lambda p: folded(p, ("const", "input", "draw")), "an input has been folded"),
        "no look at names": (without_names, "an input has been folded"),
        "draws too": (lambda p: folded(p, ("const", "draw")), "a draw has been folded"),
        "one is enough": (lambda p: folded(p, decide=any), "one constant argument"),
        "only constants": (
            lambda p: np.array([line[0] == "const" for line in p]),
            "only the constants themselves",
        ),
        "all": (lambda p: np.ones(len(p), dtype=bool), "an input has been folded"),
        "none": (lambda p: np.zeros(len(p), dtype=bool), "wrong values"),
        "a number": (lambda p: np.array(folded(p).sum()), "shape"),
    },
    "18.losses": {
        "sum": (lambda *a: descend(*a, mean=False), "sum of the losses"),
        "after": (lambda *a: descend(*a, late=True), "before"),
        "last loss": (lambda *a: descend(*a, last=True), "wrong values"),
        "not cleared, and the sum": (lambda *a: descend(*a, clear=False, mean=False), "wrong values"),
        "in place": (lambda *a: descend(*a, in_place=True), "changes its input"),
        "only the weights": (lambda *a: descend(*a)[0], "expected 2 results"),
        "a tensor": (lambda *a: descend(*a, as_float=False), "still a tensor"),
    },
    "18.shards": {
        "mean of means": (lambda g, c: g.mean(axis=0), "mean of the means"),
        "nanmean": (lambda g, c: g[c > 0].mean(axis=0) if c.any() else np.zeros(g.shape[1]), "not weighted"),
        "nan comes in": (lambda g, c: (g * c[:, None]).sum(axis=0) / max(c.sum(), 1), "leave the empty"),
        "by processes": (
            lambda g, c: (g[c > 0] * c[c > 0, None]).sum(axis=0) / len(c),
            "number of processes",
        ),
        "a sum": (lambda g, c: (g[c > 0] * c[c > 0, None]).sum(axis=0), "sum over the rows"),
        "at least two rows": (
            lambda g, c: shards_by_average(g, c) * min(1, c.sum() / 2),
            "wrong values for one row",
        ),
        "empty ends it": (lambda g, c: np.average(g[c > 0], axis=0, weights=c[c > 0]), "stops"),
    },
    "18.master": {
        "in half": (in_half, "kept in float16"),
        "rounded": (rounded, "kept in float16"),
        "product in half": (product_in_half, "underflows"),
        "uphill": (lambda w, g, lr: at_once(w, -g, lr), "goes down"),
        "the mean": (lambda w, g, lr: at_once(w, g / max(len(g), 1), lr), "wrong values"),
        "only the last": (lambda w, g, lr: at_once(w, g[-1:], lr), "wrong values"),
        "lr in half": (lambda w, g, lr: at_once(w, g, np.float64(np.float16(lr))), "lr is rounded"),
    },
    "18.breaks": {
        "loop": ("a", "captured whole"),
        "shape": ("b", "captured whole"),
        "where": ("c", "captured whole"),
        "another letter": ("e", "answer with one of"),
    },
}

RIGHT = {
    "18.rule": {"scipy": lambda g, a: g[:, None] * softmax(a, axis=1), "loop": rule_by_loop},
    "18.fold": {"forward": folded, "by recursion": by_recursion},
    "18.losses": {"by optimizer": by_optimizer},
    "18.shards": {"np.average": shards_by_average, "where": shards_where},
    "18.master": {"at once": at_once, "torch": by_torch},
    "18.breaks": {"d": "d", "D.": "D."},
}
