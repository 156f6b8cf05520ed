"""CartPole for many carts at once, and many small nets that learn it side by side.

    poles = cartpole.Poles(80, rng)         # 80 carts; gymnasium's CartPole-v1, in NumPy
    after, end, over = poles.step(actions)  # poles.s are the states from which to go on

The dynamics are those of A. G. Barto, R. S. Sutton & C. W. Anderson (1983) with gymnasium's numbers, and
equal gymnasium's to rounding. Lecture 16 writes the losses; a net is a row of `theta`, as in `many`.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from utils import plots
from utils.scratch import many

LIMIT = 500  # steps, after which the clock is stopped: truncated, not terminated
SCALE = (2.4, 3.0, 0.21, 3.0)  # the usual size of place, speed, angle (radians), angular speed


def move(s: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One step of 0.02 s: states (n, 4), pushes to the left (0) or right (1) (n,) -> states, fallen (n,)."""
    _, speed, angle, turn = s.T
    cos, sin = np.cos(angle), np.sin(angle)
    force = np.where(a == 1, 10.0, -10.0)
    pull = (force + 0.05 * turn**2 * sin) / 1.1
    spin = (9.8 * sin - cos * pull) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
    push = pull - 0.05 * spin * cos / 1.1
    new = s + 0.02 * np.stack([speed, push, turn, spin], axis=1)
    return new, (np.abs(new[:, 0]) > 2.4) | (np.abs(new[:, 2]) > 12 * np.pi / 180)


class Poles:
    """`count` carts that start anew, near rest, as soon as the pole has fallen or LIMIT steps are over."""

    def __init__(self, count: int, rng: np.random.Generator):
        self.rng, self.age = rng, np.zeros(count, int)
        self.s = rng.uniform(-0.05, 0.05, (count, 4))

    def step(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The states after the push (n, 4), which poles fell (n,), which episodes are over (n,)."""
        after, fallen = move(self.s, a)
        self.age += 1
        over = fallen | (self.age >= LIMIT)
        self.s = np.where(over[:, None], self.rng.uniform(-0.05, 0.05, after.shape), after)
        self.age[over] = 0
        return after, fallen, over


class Nets(nn.Module):
    """Nets of the same `sizes` side by side: x (nets, n, 4) -> (nets, n, sizes[-1])."""

    def __init__(self, nets: int, sizes: tuple[int, ...], bend: Callable = torch.relu):
        super().__init__()
        self.sizes, self.bend = sizes, bend
        self.theta = nn.Parameter(many.random_start(nets, *sizes))  # (nets, weights)
        self.register_buffer("scale", torch.tensor(SCALE))

    def forward(self, x: Tensor) -> Tensor:
        x = x / self.scale
        for i, (W, b) in enumerate(many.layers(self.theta, *self.sizes)):
            x = torch.baddbmm(b, self.bend(x) if i else x, W)
        return x

    def tensor(self, values: np.ndarray) -> Tensor:
        """(nets · n, ...) or (nets, n, ...), as NumPy has it -> (nets, n, ...) on the nets' device."""
        values = torch.as_tensor(values, dtype=torch.float32, device=self.theta.device)
        return values.reshape(len(self.theta), -1, *values.shape[1:]) if values.ndim < 3 else values

    @torch.no_grad()
    def best(self, s: np.ndarray, actions: int = 2) -> np.ndarray:
        """The action with the largest output, for each of the states (nets · n, 4): (nets · n,)."""
        return self(self.tensor(s))[..., :actions].argmax(2).flatten().cpu().numpy()


class Adam:
    """Lecture 02's Adam with a learning rate for each net: `rates` (nets,)."""

    def __init__(self, nets: Nets, rates):
        self.theta, self.t = nets.theta, 0
        self.rates = torch.as_tensor(rates, dtype=torch.float32, device=self.theta.device)[:, None]
        self.mean, self.square = torch.zeros_like(self.theta), torch.zeros_like(self.theta)

    def step(self, loss: Tensor) -> None:
        """Down the gradient of the sum of all nets' losses, which touch no other net's weights."""
        (g,) = torch.autograd.grad(loss, self.theta)
        self.t += 1
        self.mean.lerp_(g, 0.1)
        self.square.lerp_(g**2, 0.001)
        size = (self.square / (1 - 0.999**self.t)).sqrt() + 1e-8
        with torch.no_grad():
            self.theta -= self.rates * self.mean / (1 - 0.9**self.t) / size


def points(nets: Nets, carts: int = 10, actions: int = 2) -> np.ndarray:
    """Steps that each net's best action balances, mean over the same `carts` starts for all: (nets,)."""
    count = len(nets.theta)
    start = np.random.default_rng(1000).uniform(-0.05, 0.05, (carts, 4))
    s, alive, total = np.tile(start, (count, 1)), np.ones(count * carts, bool), np.zeros(count * carts)
    for _ in range(LIMIT):
        after, fallen = move(s, nets.best(s, actions))
        total += alive
        alive &= ~fallen
        if not alive.any():
            break
        s = np.where(alive[:, None], after, 0)
    return total.reshape(count, carts).mean(1)


def play(nets: Nets, poles: Poles, steps: int) -> tuple[Tensor, ...]:
    """Play a policy whose logits are the first two outputs: what a batch of PPO is made of.

    Returns: state, action, state after, fallen, over, each (steps, nets, n, ·).
    """
    trail = []
    for _ in range(steps):
        s = poles.s
        with torch.no_grad():
            right = nets(nets.tensor(s))[..., :2].softmax(2)[..., 1].flatten().cpu().numpy()
        a = (poles.rng.random(len(s)) < right).astype(int)
        after, fallen, over = poles.step(a)
        trail.append(nets.tensor(np.column_stack([s, a, after, fallen, over])))
    return torch.stack(trail).split([4, 1, 4, 1, 1], dim=3)


def flat(x: Tensor) -> Tensor:
    """(steps, nets, n, ...) -> (nets, steps · n, ...): a batch for each net."""
    return x.transpose(0, 1).flatten(1, 2)


def advantages(
    v: Tensor, v_after: Tensor, fallen: Tensor, over: Tensor, gamma: float = 0.99, lam: float = 0.95
) -> Tensor:
    """Errors 1 + γv' − v added up over later steps, the k-th times (γλ)^k: all (steps, nets, n).

    J. Schulman and others (2016). After a fall v' counts 0; after any end the sum begins anew.
    """
    error = 1 + gamma * (1 - fallen) * v_after - v
    total, rows = torch.zeros_like(v[0]), []
    for t in reversed(range(len(v))):
        total = error[t] + gamma * lam * (1 - over[t]) * total
        rows.append(total)
    return torch.stack(rows[::-1])


def draw(s) -> None:
    """The cart, its pole and a state, on a Sketch."""
    s.arrow((0.6, 0.45), (6.4, 0.45), head=False)
    cart = s.box("cart", at=(3.5, 0.72), size=(1.3, 0.5))
    s.arrow((3.5, 1.0), (4.15, 2.35), head=False, width=6, color=plots.ORANGE)
    s.arrow((3.5, 1.0), (3.5, 2.35), head=False, dashed=True)
    s.text("angle,\nits speed", (4.75, 1.75), fontsize=12)
    s.text("place, its speed", (3.5, 0.2), fontsize=12)
    s.arrow((1.6, 0.72), cart, "push 1")
    s.arrow((5.4, 0.72), cart, "push 0", left=False)
    s.table(np.array([[0.3], [-0.5], [0.1], [0.8]]), at=(7.2, 2.0))
    s.text("a state", (7.2, 2.42), fontsize=12)
