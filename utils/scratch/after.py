"""What lecture 20's experiments stand on: training, data, judges and pictures that a reader need not see.

    losses = descend(model, loss, steps=500, lr=0.01)      # `loss()` draws a batch
    codes = merge(codes, (3, 7), 104)                      # a pair of symbols becomes one
    bits = window_bits(gpt, codes, 32)                     # surprise by place in the window
    x, values, seen = entries(32, 20)                      # lists in which a key comes again

Attention, the Transformer, and diffusion's formulas are the lecture's own.
P. Gage (1994) for the pairs; C. Olsson and others (2022) for the lists;
O. Ronneberger and others (2015) for the shape of the denoiser.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import plots, runtime, schematics
from utils.scratch import generators, latent
from utils.scratch.recurrent import CharModel, forget_bias_

STEPS = 200  # of noise, from data to nothing but noise
KEYS = 8  # of the lists for recall, and as many values


def descend(
    model: nn.Module, loss: Callable[[], Tensor], steps: int, lr: float, cycle: bool = True
) -> np.ndarray:
    """Adam; with `cycle` its rate rises, then falls. `loss()` draws a batch. Returns each step's loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
    rate = None
    if cycle:
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=max(steps + 1, 12), pct_start=0.1, cycle_momentum=False
        )
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if rate:
            rate.step()
        losses.append(value.detach())
    return torch.stack(losses).cpu().numpy()


# --- text -----------------------------------------------------------------------------------------------
def merge(codes: np.ndarray, pair: Sequence[int], new: int) -> np.ndarray:
    """Put the symbol `new` for each occurrence of the pair, from left to right: of "aaa", the first two."""
    places = []
    for place in np.flatnonzero((codes[:-1] == pair[0]) & (codes[1:] == pair[1])):
        if not places or place > places[-1] + 1:
            places.append(place)
    codes = codes.copy()
    codes[places] = new
    return np.delete(codes, np.array(places, dtype=int) + 1)


def windows(codes: Tensor, T: int, B: int) -> tuple[Tensor, Tensor]:
    """B random windows of T symbols, and the same one symbol later: (B, T), (B, T)."""
    rows = torch.randint(len(codes) - T, (B, 1), device=codes.device)
    rows = codes[rows + torch.arange(T + 1, device=codes.device)]
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def window_bits(model: nn.Module, codes: Tensor, T: int) -> np.ndarray:
    """Surprise by place in the window, (T,) bits. Windows start at every half length."""
    starts = torch.arange(0, len(codes) - T - 1, T // 2, device=codes.device)[:, None]
    rows = codes[starts + torch.arange(T + 1, device=codes.device)]
    bits = [
        F.cross_entropy(model(part[:, :-1]).transpose(1, 2), part[:, 1:], reduction="none").cpu()
        for part in rows.split(256)
    ]
    return torch.cat(bits).mean(0).numpy() / math.log(2)


def stored() -> dict[str, list[float]]:
    """Bits per character after so many "steps" of training, as `benchmarks/scale.py` found, seed 0."""
    return {
        "steps": [125, 250, 500, 1000, 2000],
        "GPT": [2.989, 2.534, 2.095, 1.894, 1.785],
        "LSTM": [2.781, 2.418, 2.162, 1.979, 1.9],
    }


def bits_of_gpt(
    model: nn.Module, train: Tensor, test: Tensor, steps: int, lr: float, T: int = 64, B: int = 32
) -> float:
    """Train on B windows of T symbols a step; bits a symbol of `test` where half a window is seen before."""

    def loss():
        x, y = windows(train, T, B)
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    descend(model, loss, steps, lr)
    return window_bits(model, test, T)[T // 2 :].mean().item()


# --- recall ---------------------------------------------------------------------------------------------
def entries(B: int = 32, n: int = 20, device=None) -> tuple[Tensor, Tensor, Tensor]:
    """Each row lists n entries of its own secret dictionary: x (B, 2n), key, value, key, value …

    Also the values (B, n), and which of the keys have come before (B, n).
    """
    secret = torch.randint(KEYS, (B, KEYS), device=device)
    keys = torch.randint(KEYS, (B, n), device=device)
    values = secret.gather(1, keys)
    seen = (keys[:, :, None] == keys[:, None]).tril(-1).any(2)
    return torch.stack([keys, KEYS + values], 2).flatten(1), values, seen


class Reader(nn.Module):
    """An LSTM with the GPT's shape outside: (B, T) -> logits (B, T, KEYS)."""

    def __init__(self, H: int = 40):
        super().__init__()
        self.net = CharModel(forget_bias_(nn.LSTM(32, H), 1), 2 * KEYS)
        self.head = nn.Linear(2 * KEYS, KEYS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x.T)[0]).transpose(0, 1)


def recall(make: Callable[[], nn.Module], steps: int, seed: int, device=None) -> tuple[np.ndarray, float]:
    """Train on fresh lists: bits at each step, and the share right at the end, at keys that came before."""
    torch.manual_seed(seed)
    model = make().to(device)

    def loss():
        x, values, seen = entries(device=device)
        return F.cross_entropy(model(x)[:, ::2][seen], values[seen])  # at the keys

    bits = descend(model, loss, steps, lr=0.015, cycle=False) / math.log(2)
    x, values, seen = entries(500, device=device)
    with torch.no_grad():
        right = (model(x)[:, ::2].argmax(-1) == values)[seen].float().mean().item()
    return bits, right


# --- diffusion ------------------------------------------------------------------------------------------
def cosine(device=None) -> Tensor:
    """The share of the data's variance that is left after 0 … STEPS steps (Nichol & Dhariwal 2021)."""
    phase = (torch.arange(STEPS + 1, device=device) / STEPS + 0.008) / 1.008
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    return (torch.cos(phase * math.pi / 2) ** 2 / start).clamp(1e-4, 1)


def waves(t: Tensor) -> Tensor:
    """Eight numbers that say what time it is: t (n,) -> (n, 8)."""
    angle = t[:, None] / STEPS * math.pi * torch.tensor([0.5, 1, 2, 4], device=t.device)
    return torch.cat([angle.sin(), angle.cos()], 1)


class Small(nn.Module):
    """Two hidden layers: z (n, d), the time t (n,) and, if wanted, `more` columns -> noise (n, d)."""

    def __init__(self, d: int, more: int = 0, width: int = 96):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d + 8 + more, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d)
        )

    def forward(self, z: Tensor, t: Tensor, *more: Tensor) -> Tensor:
        return self.net(torch.cat([z, waves(t), *more], 1))


class Denoiser(nn.Module):
    """A small U-Net: z (n, 1, 28, 28), t (n,) -> v of the same shape."""

    def __init__(self, w: int = 16):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 64), nn.SiLU())
        self.shift = nn.ModuleList(nn.Linear(64, c) for c in (w, 2 * w, 2 * w, w))
        self.down1, self.down2 = nn.Conv2d(1, w, 4, 2, 1), nn.Conv2d(w, 2 * w, 4, 2, 1)
        self.all = nn.Sequential(
            nn.Flatten(), nn.Linear(98 * w, 256), nn.SiLU(),
            nn.Linear(256, 98 * w), nn.Unflatten(1, (2 * w, 7, 7)),
        )  # fmt: skip
        self.up1 = nn.ConvTranspose2d(4 * w, w, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(2 * w, 1, 4, 2, 1)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        a, b, c, d = (shift(self.time(waves(t)))[:, :, None, None] for shift in self.shift)
        half = F.silu(self.down1(z) + a)  # (n, w, 14, 14)
        quarter = F.silu(self.down2(half) + b)  # (n, 2w, 7, 7)
        whole = F.silu(self.all(quarter) + c)  # every place hears from every other
        up = F.silu(self.up1(torch.cat([quarter, whole], 1)) + d)  # (n, w, 14, 14), side path included
        return self.up2(torch.cat([up, half], 1))


def auto_encoder(x: Tensor, codes: int, steps: int, lr: float) -> nn.Sequential:
    """Lecture 13's plain auto-encoder, trained on pictures x of ink and paper: encoder, decoder (logits)."""
    ae = nn.Sequential(generators.encoder(codes), generators.decoder(codes)).to(x.device)

    def loss(x):
        return F.binary_cross_entropy_with_logits(ae(x), x, reduction="none").sum((1, 2, 3))

    generators.fit(ae, x, loss, steps=steps, lr=lr)
    return ae


class Judge(latent.Judge):
    """Lecture 13's judge, that also gives lecture 14's density."""

    @torch.no_grad()
    def marks(self, made: Tensor) -> tuple[float, float, float]:
        """Legible (%), density, coverage (%) of pictures among the test letters."""
        density, _ = generators.density_and_coverage(self.net[0](self.test), self.net[0](made))
        legible, covered = self.rate(made)
        return legible, density, covered

    @torch.no_grad()
    def obeyed(self, made: Tensor, wanted: Tensor) -> float:
        """Per cent of pictures that are read as the letter that was wanted, (n,) numbers."""
        return 100 * (self.net(made).argmax(1) == wanted).float().mean().item()


# --- pictures -------------------------------------------------------------------------------------------
def sketch_block() -> None:
    """One block of a Transformer, with its two skips."""
    s = schematics.Sketch(
        "One block: look around, then think; each is added to what was there", width=10, height=1.95
    )
    shapes = [s.circle("x", at=(0.4, 1.5), kind="data")]
    for at, words in ((1.6, ("norm", "look")), (5.4, ("norm", "think"))):
        shapes.append(s.box(words[0], at=(at, 1.5), kind="family"))
        shapes.append(s.box(words[1], at=(at + 1.4, 1.5)))
        shapes.append(s.circle("+", at=(at + 2.6, 1.5), r=0.2, kind="good"))
    for a, b in pairwise(shapes):
        s.arrow(a, b)
    s.arrow(shapes[-1], (9.3, 1.5), "next block")
    for start, end in ((0.85, 4.2), (4.6, 8.0)):
        s.arrow((start, 1.5), (start, 0.6), head=False, color=plots.ORANGE)
        s.arrow((start, 0.6), (end, 0.6), head=False, color=plots.ORANGE)
        s.arrow((end, 0.6), (end, 1.27), color=plots.ORANGE)
        s.text("skip", ((start + end) / 2, 0.82), color=plots.ORANGE)
    s.show(
        "A line from x through norm and look to a plus sign, then through norm and think to "
        "another; below, two arrows skip the boxes and end at the plus signs."
    )


def sketch_noise() -> None:
    """The chain from data to noise, and back."""
    s = schematics.Sketch(
        "Forward, noise is added; backward, a net takes it out again", width=10, height=1.75
    )
    places = [
        s.circle(text, at=(at, 1.1), kind=kind, r=0.4)
        for text, at, kind in (
            ("x", 1.0, "data"), ("z₅₀", 3.4, "concept"), ("z₁₀₀", 5.8, "concept"), ("z₂₀₀", 8.2, "off")
        )
    ]  # fmt: skip
    for a, b in pairwise(places):
        s.arrow((a.x + 0.35, 1.35), (b.x - 0.35, 1.35), "noise")
        s.arrow((b.x - 0.35, 0.85), (a.x + 0.35, 0.85), color=plots.ORANGE)
        s.text("net", ((a.x + b.x) / 2, 0.6), color=plots.ORANGE)
    s.text("data", (1.0, 0.35))
    s.text("nothing but noise", (8.2, 0.35))
    s.show(
        "Four circles in a row, from data x to z 200, which is nothing but noise. Arrows named noise lead to "
        "the right, arrows named net lead back to the left."
    )


def draw_lookup(x: Tensor, guesses: dict) -> None:
    """Predictions against the first feature x (n,), a panel for each name -> (n, 1), and the sine behind."""
    _, axes = plots.panels(
        "A learned lookup finds out which feature counts",
        guesses,
        xlabel="first feature",
        ylabel="value",
        sharey=True,
    )
    grid = np.linspace(-1, 1, 100)
    colors = [plots.ORANGE, plots.GREEN, plots.BLUE]
    for ax, guess, color in zip(axes, guesses.values(), colors, strict=True):
        ax.plot(x.cpu(), guess.cpu(), ".", color=color)
        ax.plot(grid, np.sin(4 * grid), color=plots.INK, linewidth=1)
        ax.set_xticks([-1, 0, 1])
    plots.name(axes[2], -0.95, 0.72, "truth", plots.INK)
    plots.show(
        "Three panels of predictions around a sine: one width scatters widely, the learned lookup and the "
        "forest lie close to it."
    )


def draw_entropy(dims: Sequence[int], scaled: dict, plain: dict) -> None:
    """Entropy against d. `scaled`, `plain`: d -> bits."""
    _, ax = plots.figure(
        "Without 1/√d, a query soon looks at one key only",
        xlabel="d, numbers in a key",
        ylabel="entropy of the weights (bits)",
        size=(7.5, 3.6),
    )
    for values, label, color, dy in (
        (scaled, "divided by √d", plots.BLUE, 10),
        (plain, "not", plots.RED, 12),
    ):
        ax.semilogx(dims, [values[d] for d in dims], "o-", color=color, base=2)
        plots.name(ax, 64, values[64], label, color, dy=dy)
    ax.set_ylim(0, 6.2)
    plots.show("Entropy against d: flat near five bits when scaled, falling to nearly zero when not.")


def draw_scale(stored: dict, counts: dict) -> None:
    """Bits per character of nets against "steps", and of two counts as lines, the worse first."""
    steps = stored["steps"]
    _, ax = plots.figure(
        "Longer training takes the GPT past the LSTM, then past all counts",
        xlabel="training steps",
        ylabel="bits per character",
    )
    for name, color, dy in (("GPT", plots.BLUE, -5), ("LSTM", plots.GREY, 5)):
        ax.semilogx(steps, stored[name], "o-", color=color)
        plots.name(ax, steps[-1], stored[name][-1], name, color, dy=dy)
    for (name, value), dy in zip(counts.items(), (7, -9), strict=True):
        ax.axhline(value, color=plots.ORANGE, linewidth=1)
        plots.name(ax, steps[0], value, f"{name}, counted", plots.ORANGE, dx=0, dy=dy)
    ax.set_xticks(steps, steps)
    ax.set_xlim(steps[0] * 0.92, steps[-1] * 1.5)
    ax.minorticks_off()
    plots.show(
        "Bits against steps: the GPT starts above the LSTM, falls more steeply, and ends below two lines, of "
        "the 5-gram and of the 3-gram of pieces."
    )


def draw_recall(recalled: dict) -> None:
    """Loss against step, a panel for each name -> runs of (bits, share right)."""
    _, axes = plots.panels(
        "Two layers of attention learn to look it up; the others do not in this time",
        recalled,
        xlabel="step",
        ylabel="loss (bits)",
        size=(10, 3),
        sharey=True,
    )
    colors = [plots.BLUE, plots.SKY, plots.GREY]
    for ax, runs, color in zip(axes, recalled.values(), colors, strict=True):
        for losses, _ in runs:
            width = min(10, len(losses))
            ax.plot(np.convolve(losses, np.ones(width) / width, "valid"), color=color, linewidth=1.2)
        ax.axhline(3, color=plots.INK, linewidth=0.8, linestyle=":")
    plots.show(
        "Three panels, two starts each: two layers fall to zero, one layer and the LSTM stay above two."
    )


def draw_bumps(drawn: dict, noises: Sequence[Callable], t: int = 80) -> None:
    """Points in the plane, a panel for each name, and arrows against the predicted noise at time t."""
    _, axes = plots.panels(
        "The learned noise is nearly the exact one, and draws the three bumps",
        drawn,
        xlabel="first number",
        ylabel="second number",
        size=(9, 4.2),
        sharey=True,
    )
    for ax, points, noise, color in zip(axes, drawn.values(), noises, [plots.INK, plots.BLUE], strict=True):
        side = torch.linspace(-2, 2, 13, device=points.device)
        places = torch.cartesian_prod(side, side)
        with torch.no_grad():
            down = -noise(places, torch.full((len(places),), t, device=points.device))
        ax.quiver(*places.T.cpu(), *down.T.cpu(), color=plots.GREY, width=0.004)
        ax.plot(*points.T.cpu(), ".", color=color, markersize=3)
        ax.set(xlim=(-2.2, 2.2), ylim=(-2.2, 2.2), aspect="equal")
    plots.show("Two panels: arrows lead to three clusters of drawn points; learned and exact look alike.")


def draw_guidance(guided: dict, mixture: float) -> None:
    """`guided`: w -> (as asked, legible, density, coverage); the mixture's coverage as a line."""
    _, ax = plots.figure(
        "Guidance buys obedience with variety",
        xlabel="guidance w",
        ylabel="share (%)",
        size=(8, 3.8),
    )
    for column, label, color in ((0, "drawn as asked", plots.BLUE), (3, "test covered", plots.GREEN)):
        line = [row[column] for row in guided.values()]
        ax.plot(range(len(guided)), line, "o-", color=color)
        plots.name(ax, len(guided) - 1, line[-1], label, color)
    ax.axhline(mixture, color=plots.ORANGE, linewidth=1)
    plots.name(ax, 3, mixture, "covered by the mixture", plots.ORANGE, dx=0, dy=7)
    ax.set_xticks(range(len(guided)), guided)
    ax.set(xlim=(-0.2, len(guided) + 1), ylim=(0, 108))
    plots.show(
        "Against w, the share drawn as asked rises from a fifth to nearly all; the share of test letters "
        "covered falls from w = 1 on."
    )


# A box of 2017 -> what grew out of it: year of the first public version, name, first author or firm.
SINCE = {
    "ad-ranking": [
        (2017, "attention over past ads", "Zhou"), (2023, "semantic id", "Rajput"),
        (2024, "HSTU", "Zhai"), (2026, "GR4AD", "Xue"),
    ],
    "cnn": [
        (2016, "graph nets", "Kipf"), (2020, "vision Transformer", "Dosovitskiy"),
        (2023, "segment anything", "Kirillov"), (2025, "… by a phrase", "Carion"),
    ],
    "moe": [
        (2017, "sparse MoE", "Shazeer"), (2021, "Switch", "Fedus"), (2024, "V3", "DeepSeek"),
        (2026, "V4", "DeepSeek"),
    ],
    "rnn": [
        (2014, "attention", "Bahdanau"), (2017, "Transformer", "Vaswani"), (2021, "S4", "Gu"),
        (2023, "Mamba", "Gu"), (2026, "Mamba-3", "Lahoti"),
    ],
    "pre-training": [(2018, "BERT", "Devlin"), (2020, "GPT-3", "Brown"), (2022, "Chinchilla", "Hoffmann")],
    "reinforcement-learning": [
        (2017, "preferences", "Christiano"), (2022, "agents", "Yao"), (2024, "GRPO", "Shao"),
        (2025, "R1", "DeepSeek"),
    ],
    "embedding": [(2020, "retrieval", "Lewis"), (2021, "CLIP", "Radford"), (2026, "n-gram tables", "Cheng")],
    "vae": [
        (2015, "diffusion", "Sohl-Dickstein"), (2020, "DDPM", "Ho"), (2022, "flow matching", "Lipman"),
        (2025, "text diffusion", "Nie"),
    ],
}  # fmt: skip


def draw_map(nodes: dict) -> None:
    """A row for each box of SINCE, its descendants by year; `nodes` are the map's, by id."""
    _, ax = plots.figure(
        "From the boxes of 2017 to the names of 2026",
        xlabel="first public version",
        ylabel="",
        size=(10, 8.2),
    )
    ax.axvspan(2013, 2017.5, color=plots.SKY, alpha=0.12, linewidth=0, zorder=0)
    ax.text(2017.4, len(SINCE) - 0.42, "before the map", ha="right", va="bottom", color=plots.BLUE)
    for row, (box, grown) in enumerate(SINCE.items()):
        ax.plot([2013, grown[-1][0]], [row, row], color=plots.SKY, linewidth=1.5, zorder=1)
        label = nodes[box].label["en"].replace(" · ", ",\n").replace(" ", "\n", 1)
        label = f"{label} ({nodes[box].lecture})"
        ax.text(2012.9, row, label, ha="right", va="center", color=plots.BLUE, fontweight="bold")
        for i, (year, name, author) in enumerate(grown):  # above and below the line in turns
            ax.plot(year, row, "o", color=plots.ORANGE)
            places = (-16, -29) if i % 2 else (18, 6)  # points from the dot to the two baselines
            for text, at, color in ((name, places[0], plots.INK), (author, places[1], plots.GREY)):
                ax.annotate(
                    text, (year, row), (0, at), textcoords="offset points",
                    ha="center", color=color, fontsize=11,
                )  # fmt: skip
    ax.set(xlim=(2013, 2027), ylim=(-0.6, len(SINCE) - 0.15), yticks=[], xticks=range(2014, 2027, 2))
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    plots.show(
        "Eight rows from boxes of the 2017 map to what grew out of them between 2014 and 2026, by year."
    )
