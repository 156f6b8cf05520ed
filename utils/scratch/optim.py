"""SGD, AdaGrad, RMSProp, AdaDelta, Adam and AdamW, schedules and an evolution step, as built in lecture 02.

Every optimizer has one interface. It holds the parameters and moves them in place:

    optimizer = Adam([w, b], lr=0.01)
    for ...:
        optimizer.step([gradient_w, gradient_b])

`optimizer.lr` may be set between two steps: that is all a schedule does. The formulas and the defaults are
`torch.optim`'s, which the tests compare with step by step. `weight_decay` adds `weight_decay * w` to the
gradient (L2), except in AdamW, where it shrinks the weight itself.

Robbins & Monro (1951), Polyak (1964), Duchi, Hazan & Singer (2011), Zeiler (2012), Kingma & Ba (2015),
Loshchilov & Hutter (2019); Salimans and others (2017) for the evolution step.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np


class Optimizer:
    """Holds float arrays and moves them in place. A subclass says in which `direction` to go."""

    def __init__(
        self, parameters: np.ndarray | Sequence[np.ndarray], lr: float, *, weight_decay: float = 0.0
    ):
        self.parameters = _listed(parameters)
        if not self.parameters:
            raise ValueError("there are no parameters; give an array or a list of arrays")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, np.ndarray) or p.dtype.kind != "f":
                kind = p.dtype if isinstance(p, np.ndarray) else type(p).__name__
                raise ValueError(
                    f"parameter {i} is {kind}; expected a NumPy array of floats, which is moved in place"
                )
        self.lr = lr
        self.weight_decay = _checked("weight_decay", weight_decay, 0, math.inf)
        self.memory: list[dict] = [{} for _ in self.parameters]  # what each parameter's history is kept in
        self.steps = 0
        self._shapes = [p.shape for p in self.parameters]

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = _checked("lr", lr, 0, math.inf)

    def step(self, gradients: np.ndarray | Sequence[np.ndarray]) -> None:
        """Move each parameter one step, given its gradient of the same shape, in the same order.

        Raises: ValueError for a wrong number or shape, or for a gradient that is not finite.
        Nothing has moved then, and no memory has changed.
        """
        gradients = self._finite(_listed(gradients))
        self.steps += 1
        for p, g, memory in zip(self.parameters, gradients, self.memory, strict=True):
            p -= self.lr * self.direction(self.decay(p, g), memory)

    def decay(self, p: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The gradient with the price of large weights in it."""
        return g + self.weight_decay * p if self.weight_decay else g

    def direction(self, g: np.ndarray, memory: dict) -> np.ndarray:
        """Where to go from here, for one parameter; the step is `lr` times this, downhill."""
        raise NotImplementedError

    def _finite(self, gradients: list) -> list[np.ndarray]:
        if len(gradients) != len(self.parameters):
            raise ValueError(f"got {len(gradients)} gradients for {len(self.parameters)} parameters")
        checked = []
        for i, (p, g, shape) in enumerate(zip(self.parameters, gradients, self._shapes, strict=True)):
            if g is None:
                raise ValueError(f"gradient {i} is None; was the backward pass run?")
            g = np.asarray(g, dtype=p.dtype)
            if p.shape != shape:
                raise ValueError(f"parameter {i} had shape {shape}, now {p.shape}; make a new optimizer")
            if g.shape != shape:
                raise ValueError(f"gradient {i} has shape {g.shape}; its parameter has {shape}")
            if not np.isfinite(g).all():
                what = "nan" if np.isnan(g).any() else "infinity"
                raise ValueError(
                    f"gradient {i} holds {what} at step {self.steps + 1}: "
                    f"try a smaller learning rate than {self.lr:g}, and look for nan in the data"
                )
            checked.append(g)
        return checked


class SGD(Optimizer):
    """The gradient itself; with `momentum`, a running sum of gradients that forgets a little at each step.

    `nesterov` looks one step ahead: it adds the gradient once more to the velocity (Sutskever, 2013).
    """

    def __init__(self, parameters, lr=1e-3, *, momentum=0.0, nesterov=False, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.momentum = _checked("momentum", momentum, 0, 1)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")

    def direction(self, g, memory):
        if not self.momentum:
            return g
        memory["velocity"] = self.momentum * memory.get("velocity", 0) + g
        return g + self.momentum * memory["velocity"] if self.nesterov else memory["velocity"]


class AdaGrad(Optimizer):
    """Divides by the root of the sum of all squared gradients: what was moved often, moves less."""

    def __init__(self, parameters, lr=1e-2, *, eps=1e-10, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.eps = _checked("eps", eps, 0, math.inf)

    def direction(self, g, memory):
        memory["sum"] = memory.get("sum", 0) + g * g
        return g / (np.sqrt(memory["sum"]) + self.eps)


class RMSProp(Optimizer):
    """AdaGrad with a running mean in place of the sum, so that old gradients are forgotten (Hinton, 2012)."""

    def __init__(self, parameters, lr=1e-2, *, rho=0.99, eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.rho, self.eps = _checked("rho", rho, 0, 1), _checked("eps", eps, 0, math.inf)

    def direction(self, g, memory):
        return g / (np.sqrt(_average(memory, "square", g * g, self.rho)) + self.eps)


class AdaDelta(Optimizer):
    """RMSProp times the size of the recent moves, so that a move has the unit of the weight; lr is 1."""

    def __init__(self, parameters, lr=1.0, *, rho=0.9, eps=1e-6, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.rho, self.eps = _checked("rho", rho, 0, 1), _checked("eps", eps, 0, math.inf)

    def direction(self, g, memory):
        square = _average(memory, "square", g * g, self.rho)
        move = np.sqrt(memory.get("moved", 0) + self.eps) / np.sqrt(square + self.eps) * g
        _average(memory, "moved", move * move, self.rho)
        return move


class Adam(Optimizer):
    """Momentum over RMSProp. Both running means start at zero; dividing by 1 - beta^t takes that bias out."""

    def __init__(self, parameters, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay=weight_decay)
        self.betas = tuple(_checked(f"betas[{i}]", beta, 0, 1) for i, beta in enumerate(betas))
        self.eps = _checked("eps", eps, 0, math.inf)

    def direction(self, g, memory):
        first, second = self.betas
        mean = _average(memory, "mean", g, first) / (1 - first**self.steps)
        square = _average(memory, "square", g * g, second) / (1 - second**self.steps)
        return mean / (np.sqrt(square) + self.eps)


class AdamW(Adam):
    """Adam whose weight decay shrinks the weight itself, and is not divided by the gradient's size."""

    def __init__(self, parameters, lr=1e-3, *, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def decay(self, p, g):
        p *= 1 - self.lr * self.weight_decay
        return g


def cosine(step: int, steps: int, peak: float, *, warmup: int = 0) -> float:
    """The learning rate of one of `steps` steps: up in a line for `warmup` steps, then half a cosine to 0.

    Steps count from 0, and the first one of a warm-up is `peak / warmup`. Loshchilov & Hutter (2017).
    """
    if not 0 <= step < steps or not 0 <= warmup < steps:
        raise ValueError(f"step {step} and warm-up {warmup} must lie in 0 to {steps - 1}, of {steps} steps")
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def evolution_gradient(
    loss: Callable[[np.ndarray], float],
    w: np.ndarray,
    rng: np.random.Generator,
    *,
    pairs: int = 20,
    sigma: float = 0.1,
) -> np.ndarray:
    """A descent direction from loss values alone: the gradient of the loss blurred by noise of width `sigma`.

    w: any shape -> the same shape. Calls `loss` 2 * pairs times, at w + noise and its mirror image w - noise.
    Raises: ValueError if a loss is not finite, or for a bad `pairs` or `sigma`.
    """
    if pairs < 1 or not _checked("sigma", sigma, 0, math.inf):
        raise ValueError(f"evolution needs at least one pair and a sigma above 0, got {pairs} and {sigma}")
    noise = rng.normal(size=(pairs, *w.shape))
    gain = np.array([loss(w + sigma * n) - loss(w - sigma * n) for n in noise]) / (2 * sigma)  # (pairs,)
    if not np.isfinite(gain).all():
        raise ValueError(f"the loss is not finite near w; try a smaller sigma than {sigma:g}")
    return np.tensordot(gain, noise, axes=1) / pairs


def _average(memory, name, new, keep):
    """The running mean called `name`, after it has seen `new`; it starts at zero."""
    memory[name] = keep * memory.get(name, 0) + (1 - keep) * new
    return memory[name]


def _listed(arrays):
    """One array counts as a list of one."""
    return [arrays] if isinstance(arrays, np.ndarray) else list(arrays)


def _checked(name, value, low, high):
    """A number from `low` up to, but not including, `high`; a learning rate is above zero."""
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not low <= value < high or (name == "lr" and value == 0):
        wanted = "above 0" if name == "lr" else f"at least {low}"
        upper = "" if high == math.inf else f" and below {high}"
        raise ValueError(f"{name} is {value!r}; expected a finite number {wanted}{upper}")
    return float(value)
