"""Two tasks that only memory solves, and kinds of recurrent nets compared on them, each at its best rate.

losses = compare(symbol, lag=30, steps=200, rates=[0.005, 0.02, 0.05])
at_best(*losses["LSTM, default"])        # (nets,)

Lecture 12 writes the cells and the loop for one net. Here a net is a row of `theta`, as in `many`: all nets
of a cell go through time together. The adding task is after S. Hochreiter & J. Schmidhuber (1997).
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from utils import runtime
from utils.scratch import many

KINDS = {
    "RNN": ["RNN, default", "RNN, orthogonal"],
    "GRU": ["GRU, default"],
    "LSTM": ["LSTM, default", "LSTM, bias 1", "LSTM, chrono"],
}
BLOCKS = {"RNN": 1, "GRU": 3, "LSTM": 4}  # layers that read the input and the state


def symbol(lag: int, batch: int) -> tuple[Tensor, Tensor]:
    """Which symbol came first? x: (lag + 1, batch, 8) one-hot, one of four, then noise from four others.

    y: (batch,) int64, the number of the first symbol. A guess costs 2 bits.
    """
    y = torch.randint(4, (batch,))
    return nn.functional.one_hot(torch.cat([y[None], 4 + torch.randint(4, (lag, batch))]), 8).float(), y


def adding(lag: int, batch: int) -> tuple[Tensor, Tensor]:
    """The sum of two marked numbers. x: (lag, batch, 2): numbers from 0 to 1, and a mark in each half.

    y: (batch,) float, the sum. A guess, 1, costs a squared error of 1/6.
    """
    numbers, marks = torch.rand(lag, batch), torch.zeros(lag, batch)
    first, second = torch.randint(lag // 2, (batch,)), torch.randint(lag // 2, lag, (batch,))
    marks[first, torch.arange(batch)] = marks[second, torch.arange(batch)] = 1
    return torch.stack([numbers, marks], dim=-1), (numbers * marks).sum(0)


def compare(
    task: Callable, lag: int, steps: int, rates: Sequence[float], *, seed=0, nets=5, hidden=16, device=None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Train `nets` nets of each of KINDS at each rate of Adam, all on the same sequences, 16 a step.

    Parameters: `task` is `symbol` or `adding`; `hidden` is the size of the state.
    Returns: kind -> losses (rates, nets) on 1,000 fresh sequences to choose by, on 1,000 others to report.
    """
    x, y = task(lag, 1)
    d, k = x.shape[2], 4 if y.dtype == torch.int64 else 1
    losses = {}
    for cell, kinds in KINDS.items():
        sizes = shapes(cell, d, hidden, k)

        def loss(theta, batch=16, cell=cell, sizes=sizes):
            x, y = (part.to(theta.device) for part in task(lag, batch))
            return price(answers(theta, cell, sizes, x), y)

        start = torch.cat([fresh(kind, sizes, nets, lag) for kind in kinds]).to(device)
        each = torch.tensor(rates, device=device).repeat_interleave(len(start))[:, None]
        torch.manual_seed(seed)  # the same sequences for every cell
        theta = many.train(start.repeat(len(rates), 1), loss, each, steps)
        choose, report = (
            loss(theta, 1000).cpu().numpy().reshape(len(rates), len(kinds), nets) for _ in range(2)
        )
        losses |= {kind: (choose[:, i], report[:, i]) for i, kind in enumerate(kinds)}
    return losses


def from_first(
    rates: dict[str, float], lag: int, steps: int, *, seed=0, nets=5, hidden=16, device=None
) -> dict[str, np.ndarray]:
    """The gradient that comes back over `lag` steps while nets train on `symbol`; `rates`: kind -> of Adam.

    Only the first step shows one of the first four symbols, so all gradient of their rows of W is from there.
    Returns: kind -> (steps,), the length of that part of the gradient before each step, of the median net.
    """
    trails = {}
    for kind, rate in rates.items():
        cell, lengths = kind.split(",")[0], []
        sizes = shapes(cell, 8, hidden, 4)

        def loss(theta, cell=cell, lengths=lengths, sizes=sizes):
            x, y = (part.to(theta.device) for part in symbol(lag, 16))
            each = price(answers(theta, cell, sizes, x), y)
            (g,) = torch.autograd.grad(each.sum(), theta, retain_graph=True)
            lengths.append(g[:, : 4 * sizes[0][1]].norm(dim=1))
            return each

        torch.manual_seed(seed)
        start = fresh(kind, sizes, nets, lag).to(device)
        many.train(start, loss, torch.full((nets, 1), rate, device=device), steps)
        trails[kind] = torch.stack(lengths).median(dim=1).values.cpu().numpy()
    return trails


def at_best(choose: np.ndarray, report: np.ndarray) -> np.ndarray:
    """(rates, nets) losses twice -> (nets,) of the second, at the rate whose median is least in the first."""
    return report[np.median(choose, axis=1).argmin()]


def shapes(cell: str, d: int, hidden: int, k: int) -> list[tuple[int, int]]:
    """Of W, U, the bias (a GRU has two), and of the regression on the last state."""
    wide = hidden * BLOCKS[cell]
    return [(d, wide), (hidden, wide), *[(1, wide)] * (1 + (cell == "GRU")), (hidden, k), (1, k)]


def fresh(kind: str, sizes: Sequence[tuple[int, int]], nets: int, lag: int) -> Tensor:
    """Nets of a kind before training: (nets, weights); all is uniform but what the kind names."""
    hidden = sizes[1][0]
    parts = [uniform(nets, *shape, hidden=hidden) for shape in sizes]
    if not kind.startswith("GRU"):  # torch's nets have two biases, in one here but for a GRU
        parts[2] += uniform(nets, *sizes[2], hidden=hidden)
    if kind == "RNN, orthogonal":
        parts[1] = torch.stack([nn.init.orthogonal_(U) for U in parts[1]])
    if kind.startswith("LSTM"):
        parts[2] = lstm_bias(kind.removeprefix("LSTM, "), nets, 1, hidden=hidden, longest=lag)
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def uniform(*shape: int, hidden: int) -> Tensor:
    """How torch's recurrent nets start: uniform from -1/√hidden to 1/√hidden."""
    return (2 * torch.rand(*shape) - 1) / math.sqrt(hidden)


def lstm_bias(start: str, *nets: int, hidden: int, longest: int) -> Tensor:
    """The bias of LSTMs, (*nets, 4 * hidden): "default" as torch has it, "bias 1" (or 4 …), or "chrono".

    "bias 1" is that of the forget gates; "chrono" spreads their spans from 1 to `longest` - 1 (Tallec &
    Ollivier 2018). Raises: ValueError if `longest` is below 2.
    """
    if longest < 2:
        raise ValueError(f"longest is {longest}; expected at least 2 steps")
    b = uniform(*nets, 4 * hidden, hidden=hidden) + uniform(*nets, 4 * hidden, hidden=hidden)
    i, f, _, _ = b.chunk(4, dim=-1)  # views: what is written there is written in b
    if start == "chrono":
        f[:] = torch.log(1 + torch.rand(*nets, hidden) * (longest - 2))
        i[:] = -f
    elif start != "default":
        f[:] = float(start.removeprefix("bias "))
    return b


def by_lag(
    cell: Callable, W: Tensor, U: Tensor, b: Tensor, *, states: int = 1, steps: int = 60
) -> np.ndarray:
    """Length of the gradient of something at the last step by the state k steps earlier: (steps,), first 1.

    `cell` makes one step, (x, state, W, U, b) -> state, with `states` tensors in its state.
    """
    trail, state = [], (torch.zeros(32, len(U), requires_grad=True),) * states
    for x in torch.randn(steps, 32, len(W)):
        state = cell(x, state, W, U, b)
        trail.append(state)
        for part in state:
            part.retain_grad()
    (state[0] * torch.randn_like(state[0])).sum().backward()
    norms = np.array([torch.cat([part.grad.double() for part in state]).norm() for state in reversed(trail)])
    return norms / norms[0]


def answers(theta: Tensor, cell: str, sizes: Sequence[tuple[int, int]], x: Tensor) -> Tensor:
    """Each net's scores on the last state: x (T, B, d) -> (nets, B, k)."""
    parts = theta.split([rows * columns for rows, columns in sizes], dim=1)
    W, U, *biases, V, v = (part.unflatten(1, size) for part, size in zip(parts, sizes, strict=True))
    h = c = theta.new_zeros(len(theta), x.shape[1], U.shape[1])
    reads = x.flatten(0, 1) @ W + biases[0]  # the inputs' part of all steps, one large product
    for now in reads.unflatten(1, x.shape[:2]).unbind(1):  # (nets, B, wide)
        if cell == "RNN":
            h = torch.baddbmm(now, h, U).tanh()
        elif cell == "LSTM":
            scores = torch.baddbmm(now, h, U)
            i, f, _, o = scores.sigmoid().chunk(4, dim=-1)  # one call for all is faster
            c = torch.addcmul(f * c, i, scores.chunk(4, dim=-1)[2].tanh())
            h = o * c.tanh()
        else:
            (r, z, n), (r_h, z_h, n_h) = now.chunk(3, dim=-1), (h @ U + biases[1]).chunk(3, dim=-1)
            z, n = (z + z_h).sigmoid(), (n + (r + r_h).sigmoid() * n_h).tanh()
            h = n + z * (h - n)
    return h @ V + v


def price(out: Tensor, y: Tensor) -> Tensor:
    """out (nets, B, k), y (B,) -> (nets,): bits where y holds classes, else the squared error."""
    if y.dtype == torch.int64:
        logits, classes = out.transpose(1, 2), y.expand(len(out), -1)
        return nn.functional.cross_entropy(logits, classes, reduction="none").mean(1) / math.log(2)
    return (out[..., 0] - y).square().mean(1)


def learn_to_reverse(model: nn.Module, steps: int, *, longest: int = 12, lr: float = 0.01) -> list[float]:
    """Train a model to write strings of 1 to `longest` digits in reverse, 64 strings a step.

    model: (T, B) digits -> scores (T, B, 10). Adam, with a rate that rises and falls.
    Returns: for each length, how many digits of 1,000 fresh strings are written rightly, in per cent.
    """
    device = next(model.parameters()).device
    descent = torch.optim.Adam(model.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(descent, lr, total_steps=steps + 1)
    for _ in runtime.track(range(steps), "steps"):
        x = torch.randint(10, (int(torch.randint(1, longest + 1, ())), 64)).to(device)
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), x.flip(0).flatten())
        descent.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        descent.step()
        rate.step()
    shares = []
    with torch.no_grad():
        for length in range(1, longest + 1):
            x = torch.randint(10, (length, 1000)).to(device)
            shares.append(100 * (model(x).argmax(-1) == x.flip(0)).float().mean().item())
    return shares
