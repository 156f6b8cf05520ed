"""What lecture 02 races on, but does not teach: two small networks, and a black box.

The optimizers are compared on a convolutional net (lecture 10) that reads digits, and on a Transformer
(lecture 20) that guesses words. Vaswani and others (2017); auctions: Vickrey (1961).
"""

from collections import Counter
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import data, plots
from utils.scratch import optim

WORDS, WINDOW = 300, 8  # the first of the words, number 0, stands for all that are rarer


class Transformer(nn.Module):
    """One block: (n, 8) word numbers -> (n, 300, 8) scores of each next word, which sees those before it."""

    def __init__(self, d: int = 24):
        super().__init__()
        self.word, self.place = nn.Embedding(WORDS, d), nn.Parameter(torch.zeros(WINDOW, d))
        self.norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(3))
        self.look = nn.Linear(d, 3 * d)
        self.think = nn.Sequential(nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d))
        self.guess = nn.Linear(d, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.word(tokens) + self.place
        x = x + F.scaled_dot_product_attention(*self.look(self.norms[0](x)).chunk(3, -1), is_causal=True)
        x = x + self.think(self.norms[1](x))
        return self.guess(self.norms[2](x)).transpose(1, 2)


def convolutional() -> nn.Module:
    """(n, 1, 8, 8) pictures -> (n, 10) scores."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def problem(name: str, seed: int, device=None) -> tuple:
    """Of "convolutional net" or "Transformer": how to make it, (x, y) to train on, (x, y) to judge on.

    Digits: x (n, 1, 8, 8), y (n,). Words: x and y (n, 8), y one word further.
    """
    rng = np.random.default_rng(seed)
    if name == "convolutional net":
        digits = data.load("digits")
        make, cut, sizes = convolutional, 1300, (1300, 497)
        x, y = (digits.x.reshape(-1, 1, 8, 8) / 16).astype(np.float32), digits.y
    else:
        windows = np.lib.stride_tricks.sliding_window_view(words()[0], WINDOW + 1)
        make, cut, sizes = Transformer, 190_000, (50_000, 2_000)
        x, y = windows[:, :-1], windows[:, 1:]
    # Neighbours are alike (a writer's digits, windows of one text): what judges lies behind the cut.
    sides = [rng.permutation(cut)[: sizes[0]], rng.permutation(np.arange(cut + WINDOW, len(x)))[: sizes[1]]]
    pairs = [tuple(torch.tensor(v[rows], device=device) for v in (x, y)) for rows in sides]
    return make, *pairs


def words(count: int = 200_000) -> tuple[np.ndarray, list[str]]:
    """Technical English as word numbers (count,), and the words; "?" is any word that is not among them."""
    text = data.load("docstrings").split()[:count]
    common = ["?", *(word for word, _ in Counter(text).most_common(WORDS - 1))]
    number = {word: i for i, word in enumerate(common)}
    return np.array([number.get(word, 0) for word in text]), common


def race(
    make: Callable[[], nn.Module],
    train: tuple[Tensor, Tensor],
    judge: tuple[Tensor, Tensor],
    optimizer: Callable,
    lr: float,
    *,
    steps: int,
    seed: int,
    batch: int = 16,
) -> tuple[np.ndarray, np.ndarray]:
    """Train a net with a warm-up of a tenth and a cosine. The same start and batches for the same `seed`.

    Returns: on the rows to judge on, the log-loss of each guess and whether it is right.
    """
    torch.manual_seed(seed)
    x, y = train
    net, draw = make().to(x.device), np.random.default_rng(seed)
    descent = optimizer(net.parameters(), lr=lr)
    for t in range(steps):
        descent.param_groups[0]["lr"] = optim.cosine(t, steps, lr, warmup=steps // 10)
        rows = torch.tensor(draw.integers(0, len(x), batch), device=x.device)
        loss = F.cross_entropy(net(x[rows]), y[rows])
        descent.zero_grad()
        loss.backward()
        descent.step()
    with torch.no_grad():
        scores = net(judge[0])
        price = F.cross_entropy(scores, judge[1], reduction="none")
    return price.cpu().numpy(), (scores.argmax(1) == judge[1]).cpu().numpy()


def tune(
    name: str, optimizer: Callable, rates: np.ndarray, seed: int, device, steps: int, batch: int
) -> np.ndarray:
    """`race` on `problem(name)` at each rate: the mean log-loss on the rows that judge.

    Returns: (rates,), in nats; infinite where the net diverged.
    """
    make, train, judge = problem(name, seed, device)
    losses = [
        race(make, train, judge, optimizer, lr, seed=seed, steps=steps, batch=batch)[0].mean() for lr in rates
    ]
    return np.nan_to_num(np.array(losses), nan=np.inf)


def draw_paths(rows: list[dict], colors: dict[str, str]) -> None:
    """A row for the straight ravine, one for the tilted: rule -> (path (n, 2), last loss, ravine)."""
    fig, axes = plt.subplots(2, 6, figsize=(10, 4.4), layout="constrained", sharex=True, sharey=True)
    plots.headline(fig, "A tilt takes AdaGrad's lead away; momentum does not mind")
    u = np.linspace(-2.5, 2.5, 80)
    for line, row in zip(axes, rows, strict=True):
        for ax, (name, color) in zip(line, colors.items(), strict=True):
            path, loss, ((a, b), (_, d)) = row[name]
            v = u[:, None]
            levels = [1, 4, 16, 50, 160]
            ax.contour(u, u, a * u**2 + 2 * b * u * v + d * v**2, levels, colors="#BBBBBB", linewidths=0.8)
            ax.plot(*path.T, color=color, linewidth=1.3)
            ax.plot(*path[0], "o", color=color, markersize=5)
            ax.set_title(f"{name}\n{loss:.0e}", color=color)
            ax.set(xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), aspect="equal", xlabel="weight 1", ylabel="weight 2")
            ax.label_outer()
    plots.show("Each method's path in a straight ravine, and below in a tilted one, with the last loss.")


def draw_rates(
    rate: np.ndarray, seen: np.ndarray, click: np.ndarray, ladder: dict, share: dict, colors: dict[str, str]
) -> None:
    """Left, each weight's `rate` by how often it was seen; right, the share of the gap by learning rate.

    rate (weights,), seen (n, ones of a row), click (n,); share: (rule, plan) -> (rates, halves).
    """
    _, (left, right) = plots.panels(
        "AdaGrad: a rate for each weight, a schedule built in",
        ["each weight's rate", "the race"],
        xlabel="times seen (log)",
        ylabel="effective rate (log)",
    )
    times, clicks = (
        np.bincount(seen.ravel(), np.repeat(each, seen.shape[1]), minlength=len(rate))
        for each in (np.ones(len(click)), click)
    )
    for some, color, text, at in (
        (clicks > 0, plots.GREEN, "clicked", (2000, 4)),
        (clicks == 0, plots.ORANGE, "never clicked", (600, 33)),
    ):
        left.loglog(times[some], rate[some], ".", color=color, alpha=0.5)
        plots.name(left, *at, text, color, dx=0)
    places = (10.5, 19), (3, 38), (0.012, 38), (0.02, 14)
    for ((name, plan), values), at in zip(share.items(), places, strict=True):
        dash = "o-" if plan == "constant" else "o--"
        right.semilogx(ladder[name], values.mean(axis=1), dash, color=colors[name])
        plots.name(right, *at, f"{name}, {plan}", colors[name], dx=0, fontweight=None)
    right.set(xlabel="learning rate (log)", ylabel="share of the gap (%)", ylim=(10, 40))
    plots.show(
        "Left, the rate falls with the count; weights of users who never clicked lie above. "
        "Right, on a line to zero SGD catches up."
    )


class Auctions:
    """A day of second-price auctions on some sites: `gain(bids)` is all that it tells.

    The highest bidder wins a view and pays the second highest bid. A tenth of what all views would cost is
    the day's budget; once a win would pass it, nothing more is bought.
    """

    def __init__(self, value: np.ndarray, usual: np.ndarray, rng: np.random.Generator, views: int = 2000):
        """`value` of a view and `usual` price on each site: (sites,)."""
        self.site = rng.integers(0, len(value), views)
        self.value = value[self.site]
        self.rival = usual[self.site] * np.exp(rng.normal(0, 0.6, views))

    def gain(self, bids: np.ndarray) -> float:
        """bids: (sites,) -> value won less price paid, a view."""
        paid = np.where(bids[self.site] > self.rival, self.rival, 0)
        won = (paid > 0) & (np.cumsum(paid) <= 0.1 * self.rival.sum())
        return float(np.sum((self.value - self.rival)[won]) / len(won))
