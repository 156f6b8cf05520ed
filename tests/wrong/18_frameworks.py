"""Wrong answers to lecture 18's tasks, each with its message, and right ones written otherwise."""

import numpy as np
import torch


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


# ----------------------------------------------------------------------------------------------- share
def shared(program, draws=True, inputs=True, any_order=("add", "mul"), through=True):
    names = []
    for i, (name, *args) in enumerate(program):
        if (name == "draw" and draws) or (name == "input" and inputs):
            names.append((name, i))
        elif name in ("draw", "input", "const"):
            names.append((name, *args))
        else:
            parts = [names[a] if through else a for a in args]
            names.append((name, *(sorted(parts, key=repr) if name in any_order else parts)))
    return np.array([names.index(name) for name in names])


def share_last(program):
    first = shared(program)
    return np.array([max(np.flatnonzero(first == one)) for one in first])


def share_by_pairs(program):
    def same(i, j):
        (a, *left), (b, *right) = program[i], program[j]
        if i == j or a != b or a in ("input", "draw"):
            return i == j
        if a == "const":
            return left == right
        orders = [right, right[::-1]] if a in ("add", "mul") else [right]
        return any(all(map(same, left, order)) for order in orders)

    return np.array([next(j for j in range(i + 1) if same(j, i)) for i in range(len(program))])


# ------------------------------------------------------------------------------------------------ port
def ported(conv, dense, height, width, kernel=(2, 3, 1, 0), rows=True):
    matrix = dense
    if rows:
        matrix = np.moveaxis(dense.reshape(-1, len(conv), height, width), 1, -1).reshape(len(dense), -1)
    return np.transpose(conv, kernel), matrix.T


def ported_einsum(conv, dense, height, width):
    parts = dense.reshape(len(dense), len(conv), height, width)
    return np.einsum("oihw->hwio", conv), np.einsum("kchw->hwck", parts).reshape(-1, len(dense))


def ported_by_index(conv, dense, height, width):
    places = np.arange(dense.shape[1]).reshape(len(conv), height, width)
    return np.moveaxis(conv, (0, 1), (3, 2)), dense.T[places.transpose(1, 2, 0).ravel()]


# ---------------------------------------------------------------------------------------------- losses
def keeping(w0, x, y, lr, steps):
    w, x, y = torch.tensor(w0, requires_grad=True), torch.tensor(x), torch.tensor(y)
    total = 0.0
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        w.grad = None
        loss.backward()
        total = total + loss
        with torch.no_grad():
            w -= lr * w.grad
    return w.detach().numpy(), total.item() / steps


def detached(w0, x, y, lr, steps):
    w, x, y = torch.tensor(w0, requires_grad=True), torch.tensor(x), torch.tensor(y)
    losses = []
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        losses.append(loss.detach())
        w.data -= lr * w.grad
        w.grad.zero_()
    return w.detach().numpy(), float(torch.stack(losses).mean())


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
    "18.share": {
        "draws too": (lambda p: shared(p, draws=False), "two draws are two numbers"),
        "inputs too": (lambda p: shared(p, inputs=False), "two inputs may get two values"),
        "both": (lambda p: shared(p, draws=False, inputs=False), "are not the same number"),
        "in this order only": (lambda p: shared(p, any_order=()), "b + a say the same"),
        "in any order": (lambda p: shared(p, any_order=("add", "mul", "div")), "a / b and b / a"),
        "not through": (lambda p: shared(p, through=False), "whose arguments say the same"),
        "nothing": (lambda p: np.arange(len(p)), "nothing is shared"),
        "the last": (share_last, "wrong values"),
        "how many": (lambda p: np.array(len(set(shared(p)))), "shape"),
    },
    "18.port": {
        "only turned": (lambda *a: ported(*a, rows=False), "reorder them before"),
        "exchanged": (lambda *a: ported(*a, kernel=(3, 2, 1, 0)), "width of the kernel"),
        "in and out": (lambda *a: ported(*a, kernel=(2, 3, 0, 1)), "channels in and out"),
        "not turned": (lambda c, d, h, w: (c, d), "shape"),
        "flat": (
            lambda c, d, h, w: (ported(c, d, h, w)[0].ravel(), ported(c, d, h, w)[1]),
            "should have shape",
        ),
        "only the kernel": (lambda c, d, h, w: ported(c, d, h, w)[0], "expected 2 results"),
    },
    "18.losses": {
        "graphs kept": (keeping, "still in memory"),
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
    "18.fold": {"forward": folded, "by recursion": by_recursion},
    "18.share": {"by names": shared, "by pairs": share_by_pairs},
    "18.port": {"moveaxis": ported, "einsum": ported_einsum, "by index": ported_by_index},
    "18.losses": {"by optimizer": by_optimizer, "detached": detached},
    "18.shards": {"np.average": shards_by_average, "where": shards_where},
    "18.master": {"at once": at_once, "torch": by_torch},
    "18.breaks": {"d": "d", "D.": "D."},
}
