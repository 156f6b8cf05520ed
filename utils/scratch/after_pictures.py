"""The pictures and sketches of lecture 20. Each says in words, too, what is to be seen."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from utils import plots, schematics


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
        "At 2,000 steps the GPT is ahead of the LSTM and of both counts",
        xlabel="training steps",
        ylabel="bits per character",
    )
    for name, color, dy in (("GPT", plots.BLUE, -5), ("LSTM", plots.GREY, 5)):
        ax.semilogx(steps, stored[name], "o-", color=color)
        plots.name(ax, steps[-1], stored[name][-1], name, color, dy=dy)
    for (name, value), dy in zip(counts.items(), (7, -9), strict=True):
        ax.hlines(value, steps[0] * 0.92, steps[-1] * 1.04, color=plots.ORANGE, linewidth=1)
        plots.name(ax, steps[0], value, f"{name}, counted", plots.ORANGE, dx=0, dy=dy)
    ax.set_xticks(steps, steps)
    ax.set_xlim(steps[0] * 0.92, steps[-1] * 1.5)
    ax.minorticks_off()
    plots.show(
        "Bits against steps: the GPT starts above the LSTM, meets it at 1,000, ends below it, and below two "
        "lines, of the 5-gram and of the 3-gram of pieces."
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
        "Three panels, two starts each: two layers fall to zero, one layer and the LSTM remain far off."
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
    plots.show("Two panels: arrows lead to three clusters of drawn points; learned leaves some between.")


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
