"""Recurrent nets as loops over time, and what a character model needs around them.

model = CharModel(LSTM(32, 128), symbols=len(alphabet))
losses = fit_text(model, train, steps=1200)
surprise = text_bits(model, test)        # bits, one for each character; .mean() is bits per character

Built in lecture 12. `RNN`, `LSTM` and `GRU` hold their weights under the names that torch.nn gives them, so
`ours.load_state_dict(theirs.state_dict())` works, in both directions. One layer, one direction, time first.
S. Hochreiter & J. Schmidhuber (1997) for the LSTM; F. Gers, J. Schmidhuber & F. Cummins (2000) for its forget
gate and the bias of it; K. Cho and others (2014) for the GRU.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class _Recurrent(nn.Module):
    """What the three share: the weights, and the walk over time. A subclass says how one step is made."""

    gates = 1  # blocks of `hidden_size` rows in the weights
    states = 1  # tensors that are carried from step to step; the first is the output

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"sizes must be at least 1, got input_size={input_size}, {hidden_size=}")
        self.input_size, self.hidden_size = input_size, hidden_size
        rows, bound = self.gates * hidden_size, hidden_size**-0.5

        def uniform(*shape):
            return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))

        self.weight_ih_l0 = uniform(rows, input_size)
        self.weight_hh_l0 = uniform(rows, hidden_size)
        self.bias_ih_l0 = uniform(rows)
        self.bias_hh_l0 = uniform(rows)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """x: (T, B, input_size) -> each h (T, B, hidden_size), last state: a tuple of (B, hidden_size).

        `state` is what an earlier call returned, zeros by default.
        Raises: ValueError if x is not (T, B, input_size) with T at least 1.
        """
        if x.ndim != 3 or x.shape[2] != self.input_size or not len(x):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; expected (steps, batch, {self.input_size}), one step at least"
            )
        if state is None:
            state = (x.new_zeros(x.shape[1], self.hidden_size),) * self.states
        outputs, weight = [], self.weight_hh_l0.T  # (hidden_size, rows)
        for projected in self.project(x):  # the inputs' part of all steps is one large product, made before
            state = self.step(projected, state, weight)
            outputs.append(state[0])
        return torch.stack(outputs), state

    def project(self, x: Tensor) -> tuple[Tensor, ...]:
        """What does not depend on the state: (T, B, input_size) -> T tensors (B, gates * hidden_size)."""
        return nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0).unbind(0)

    def step(self, projected: Tensor, state: State, weight: Tensor) -> State:
        raise NotImplementedError


class RNN(_Recurrent):
    """The plain recurrent net, with tanh."""

    def step(self, projected, state, weight):
        (h,) = state
        return (torch.addmm(projected, h, weight).tanh(),)


class LSTM(_Recurrent):
    """Long short-term memory. The rows of its weights are, in torch's order: input, forget, cell, output."""

    gates, states = 4, 2

    def step(self, projected, state, weight):
        h, c = state
        scores = torch.addmm(projected, h, weight)  # (B, 4 * hidden_size)
        i, f, _, o = scores.sigmoid().chunk(4, dim=1)  # one call for all: a quarter too much, and yet faster
        g = scores.chunk(4, dim=1)[2].tanh()
        c = torch.addcmul(f * c, i, g)  # f * c + i * g
        return o * c.tanh(), c


class GRU(_Recurrent):
    """Gated recurrent unit. In torch's order: reset, update, new. The reset gate acts after the product."""

    gates = 3

    def project(self, x):  # the state's bias stays out: the reset gate multiplies it
        return nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0).unbind(0)

    def step(self, projected, state, weight):
        (h,) = state
        recurrent = torch.addmm(self.bias_hh_l0, h, weight)
        r_x, z_x, n_x = projected.chunk(3, dim=1)
        r_h, z_h, n_h = recurrent.chunk(3, dim=1)
        z = (z_x + z_h).sigmoid()
        n = (n_x + (r_x + r_h).sigmoid() * n_h).tanh()
        return (n + z * (h - n),)


@torch.no_grad()
def forget_bias_(net: nn.Module, bias: float) -> nn.Module:
    """Start an LSTM's forget gates at sigmoid(bias): they keep for about exp(bias) steps. Ours or torch's."""
    hidden = net.hidden_size
    net.bias_ih_l0[hidden : 2 * hidden] = bias
    net.bias_hh_l0[hidden : 2 * hidden] = 0
    return net


# ---------------------------------------------------------------------------------- models of text


class CharModel(nn.Module):
    """Reads symbols and predicts the next one: a table of vectors, a recurrent net, a softmax regression.

    `net` is one of ours or of torch.nn, time first, with `input_size` and `hidden_size`.
    """

    def __init__(self, net: nn.Module, symbols: int):
        super().__init__()
        self.table = nn.Embedding(symbols, net.input_size)
        self.net = net
        self.head = nn.Linear(net.hidden_size, symbols)

    def forward(self, x: Tensor, state=None):
        """x: (T, B) int64, state as the net's -> logits (T, B, symbols), state."""
        h, state = self.net(self.table(x), state)
        return self.head(h), state


def streams(codes: Tensor, batch: int, length: int) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """Walk through a text in `batch` streams side by side: (x, y, fresh), x and y (length, batch).

    y is x one symbol later. Each piece goes on where the last one ended, so a state can be carried over;
    `fresh` says that the text begins anew. Never ends. Symbols that fill no row are left out.
    Raises: ValueError if the text is too short.
    """
    rows = len(codes) // batch
    pieces = (rows - 1) // length
    if pieces < 1:
        raise ValueError(f"{len(codes)} symbols are too few for {batch} streams of {length} steps")
    table = codes[: rows * batch].reshape(batch, rows).T  # (rows, batch): a column is a stream
    while True:
        for i in range(0, pieces * length, length):
            yield table[i : i + length], table[i + 1 : i + length + 1], i == 0


def fit_text(
    model: nn.Module,
    codes: Tensor,
    *,
    steps: int,
    lr: float = 0.02,
    batch: int = 32,
    length: int = 32,
    clip: float = 1.0,
    lengths: list[float] | None = None,
) -> list[float]:
    """Train by truncated back-propagation through time. Returns the loss of each step, in bits a symbol.

    The state is carried from piece to piece, the gradient is not. Adam with a rate that rises and falls.
    To `lengths` the length of each step's gradient is appended, before it is clipped.
    Raises: ValueError if the loss is not finite (says at which step).
    """
    descent = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
    rate = torch.optim.lr_scheduler.OneCycleLR(descent, lr, total_steps=steps + 1, pct_start=0.1)
    losses, state = [], None
    pieces = streams(codes, batch, length)
    for step in range(steps):
        x, y, fresh = next(pieces)
        logits, state = model(x, None if fresh else state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
        descent.zero_grad()
        loss.backward()
        length_now = nn.utils.clip_grad_norm_(model.parameters(), clip)
        if lengths is not None:
            lengths.append(length_now.item())
        descent.step()
        rate.step()
        losses.append(loss.item() / math.log(2))
        if not math.isfinite(losses[-1]):
            raise ValueError(f"the loss is {losses[-1]} at step {step + 1}: try a smaller rate than {lr:g}")
    return losses


@torch.no_grad()
def text_bits(model: nn.Module, codes: Tensor, batch: int = 32) -> np.ndarray:
    """Surprise at each symbol in bits, (symbols,), without the first of each of `batch` streams."""
    rows = len(codes) // batch
    table = codes[: rows * batch].reshape(batch, rows).T  # (rows, batch)
    logits, _ = model(table[:-1])
    surprise = nn.functional.cross_entropy(logits.flatten(0, 1), table[1:].flatten(), reduction="none")
    return surprise.reshape(rows - 1, batch).T.flatten().cpu().numpy() / math.log(2)


@torch.no_grad()
def write(model: nn.Module, start: Tensor, length: int, temperature: float, batch: int = 8) -> Tensor:
    """Go on from `start` (symbols,), a draw at a time, each fed back: (batch, length) symbols.

    The logits are divided by the temperature before the softmax.
    """
    x, state, drawn = start[:, None].repeat(1, batch), None, []  # (T, batch)
    for _ in range(length):
        logits, state = model(x, state)
        p = torch.softmax(logits[-1] / temperature, dim=-1)
        x = torch.multinomial(p, 1).T  # (1, batch)
        drawn.append(x[0])
    return torch.stack(drawn, 1)


def ngram_bits(train: np.ndarray, test: np.ndarray, order: int, symbols: int) -> np.ndarray:
    """Surprise at each symbol of `test` but the first `order` - 1, in bits, by counts in `train`.

    The last `order` - 1 symbols predict the next. Each order trusts its own counts as far as they reach, and
    the order below for the rest (Witten & Bell 1991): a context seen n times, with u different symbols after
    it, gives (count + u * p_below) / (n + u).
    Raises: ValueError if the order is below 1 or too high for 64 bits.
    """
    if order < 1 or symbols**order >= 2**63:
        raise ValueError(f"the order is {order}; expected 1 or more, with {symbols}**order below 2**63")
    p = np.full(len(test) - order + 1, 1 / symbols)
    for k in range(order):  # the last k symbols are the context
        grams, times = np.unique(_windows(train, k + 1, symbols), return_counts=True)
        contexts, first, followers = np.unique(grams // symbols, return_index=True, return_counts=True)
        seen = np.add.reduceat(times, first)
        wanted = _windows(test, k + 1, symbols)[order - 1 - k :]
        count = _look_up(wanted, grams, times)
        n = _look_up(wanted // symbols, contexts, seen)
        u = _look_up(wanted // symbols, contexts, followers)
        p = np.where(n > 0, (count + u * p) / np.maximum(n + u, 1), p)
    return -np.log2(p)


def _windows(codes: np.ndarray, width: int, symbols: int) -> np.ndarray:
    """Every run of `width` neighbours as one number, written in base `symbols`."""
    number = np.zeros(len(codes) - width + 1, dtype=np.int64)
    for i in range(width):
        number = number * symbols + codes[i : len(codes) - width + 1 + i]
    return number


def _look_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 for one that is not among the sorted keys."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
