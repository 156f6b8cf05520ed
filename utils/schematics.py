"""Draw how a thing is built: boxes, circles, arrows and text in the house style.

    from utils import schematics

    s = schematics.Sketch("A neuron is a regression and a bend", width=8, height=3)
    x = s.column(["x₁", "x₂"], at=(1, 1.5))                    # two circles, one above the other
    z = s.box("w·x + b", at=(4, 1.5))
    y = s.box("σ", at=(6, 1.5), kind="family")
    s.connect(x, [z], labels=["w₁", "w₂"])
    s.arrow(z, y, "z")
    s.arrow(y, (7.5, 1.5), "h")
    s.show("Two inputs, each times a weight, enter a sum; a sigmoid bends the sum to the output h.")

The unit is one inch of 100 pixels; (0, 0) is the lower left corner, so the picture is `width` × `height`.
Whatever is drawn comes back as a `Shape`, and an arrow leads from shape to shape, or to a point: it ends at
the outline, wherever the two stand. The kinds are those of the map (blue concept, orange family) and
four more; outlines differ too and words say what matters, so a picture in black and white says the same.

`lstm_cell(s, x, parts)` draws an LSTM cell one gate at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from utils import plots
from utils.errors import choose

Point = tuple[float, float]

# Fill, outline and its dashes, for each kind.
KINDS = {
    "concept": ("#E3F0F8", plots.BLUE, "-"),  # a thing: a layer, a model
    "family": ("#FFF4DC", plots.ORANGE, "-"),  # a rule: an activation, a loss
    "data": ("#FFFFFF", plots.INK, "-"),  # what comes in and what is known
    "off": ("#FFFFFF", "#B0B0B0", ":"),  # switched off, left out
    "plain": ("none", "none", "-"),  # no outline: text, a sign
    "good": ("#D5EFE6", plots.GREEN, "--"),  # what the picture points at
}
TYPE = 13  # points; 18 px at 100 pixels an inch


@dataclass(frozen=True)
class Shape:
    """Something drawn at (`x`, `y`), of half width `w` and half height `h`; `round` for a circle."""

    x: float
    y: float
    w: float
    h: float
    round: bool = False

    def edge(self, towards: Point, gap: float = 0.04) -> Point:
        """Where the straight line from the centre to a point leaves the shape, `gap` inches outside it."""
        dx, dy = towards[0] - self.x, towards[1] - self.y
        length = np.hypot(dx, dy) or 1e-9
        if self.round:
            reach = self.w / length
        else:
            reach = min(self.w / (abs(dx) or 1e-9), self.h / (abs(dy) or 1e-9))
        reach += gap / length
        return self.x + dx * reach, self.y + dy * reach

    @property
    def right(self) -> Point:
        return self.x + self.w, self.y

    @property
    def left(self) -> Point:
        return self.x - self.w, self.y

    @property
    def top(self) -> Point:
        return self.x, self.y + self.h

    @property
    def bottom(self) -> Point:
        return self.x, self.y - self.h


class Sketch:
    """One schematic: `box`, `circle`, `column`, `arrow`, `connect`, `text`, `frame` draw; then `show`."""

    def __init__(self, title: str, *, width: float = 9, height: float = 3.2):
        self.fig = plt.figure(figsize=(width, height + 0.45))
        self.ax = self.fig.add_axes((0, 0, 1, height / (height + 0.45)))
        self.ax.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.ax.axis("off")
        plots.headline(self.fig, title)

    def box(
        self,
        text: str,
        at: Point,
        *,
        kind: str = "concept",
        size: tuple[float, float] | None = None,
        fontsize: float = TYPE,
        **style,
    ) -> Shape:
        """A rectangle with text in it; as wide and as high as the text needs, or `size` (width, height)."""
        fill, line, dashes = _paint(kind)
        words = self.text(text, at, fontsize=fontsize, **style)
        wide, high = size or (2 * words.w + 0.28, 2 * words.h + 0.2)
        corner = at[0] - wide / 2, at[1] - high / 2
        self.ax.add_patch(
            FancyBboxPatch(
                corner,
                wide,
                high,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=fill,
                edgecolor=line,
                linestyle=dashes,
                linewidth=1.8,
                zorder=2,
            )
        )
        return Shape(*at, wide / 2, high / 2)

    def circle(
        self, text: str, at: Point, *, kind: str = "concept", r: float = 0.27, fontsize: float = TYPE, **style
    ) -> Shape:
        """A circle of radius `r` with text in it: a unit, an input, a sign where lines meet."""
        fill, line, dashes = _paint(kind)
        self.ax.add_patch(
            Circle(at, r, facecolor=fill, edgecolor=line, linestyle=dashes, linewidth=1.8, zorder=2)
        )
        self.text(text, at, fontsize=fontsize, **style)
        return Shape(*at, r, r, round=True)

    def column(
        self, texts: Sequence[str], at: Point, *, gap: float = 0.7, kind: str = "data", **style
    ) -> list[Shape]:
        """Circles one above the other, the first on top, around the point `at`. "…" is drawn as dots."""
        top = at[1] + gap * (len(texts) - 1) / 2
        places = [(at[0], top - gap * i) for i in range(len(texts))]
        return [
            self.text("⋮", place) if text == "…" else self.circle(text, place, kind=kind, **style)
            for text, place in zip(texts, places, strict=True)
        ]

    def text(self, text: str, at: Point, *, fontsize: float = TYPE, color: str = plots.INK, **style) -> Shape:
        """Words at a point, centred unless `ha`, `va` say otherwise. Returns the room they take."""
        style = {"ha": "center", "va": "center", **style}
        written = self.ax.text(*at, text, fontsize=fontsize, color=color, zorder=4, **style)
        extent = written.get_window_extent(self.fig.canvas.get_renderer())
        (left, low), (right, high) = self.ax.transData.inverted().transform(extent.get_points())
        return Shape((left + right) / 2, (low + high) / 2, (right - left) / 2, (high - low) / 2)

    def table(
        self, values: np.ndarray, at: Point, *, lit: Sequence[Point] = (), side: float = 0.5
    ) -> dict[tuple[int, int], Shape]:
        """Numbers in squares of that side, from the centre `at` of the first; `lit`: which (row, column)."""
        return {
            (i, j): self.box(
                f"{value:g}".replace("-", "−"),
                (at[0] + side * j, at[1] - side * i),
                size=(side, side),
                kind="family" if (i, j) in lit else "data",
            )
            for (i, j), value in np.ndenumerate(values)
        }

    def arrow(
        self,
        start: Shape | Point,
        end: Shape | Point,
        text: str = "",
        *,
        bend: float = 0.0,
        color: str = plots.GREY,
        head: bool = True,
        dashed: bool = False,
        width: float = 1.6,
        at: float = 0.5,
        left: bool = True,
    ) -> None:
        """An arrow from outline to outline, with words beside it.

        `bend` curves it (to the left of its way when positive), `head=False` is a plain line; `at` is where
        along the way the words stand, on its left side or, with `left=False`, on its right.
        """
        a, b = _centre(start), _centre(end)
        a, b = (
            start.edge(b) if isinstance(start, Shape) else a,
            end.edge(a) if isinstance(end, Shape) else b,
        )
        self.ax.add_patch(
            FancyArrowPatch(
                a,
                b,
                arrowstyle="-|>" if head else "-",
                mutation_scale=13,
                linewidth=width,
                color=color,
                linestyle="--" if dashed else "-",
                connectionstyle=f"arc3,rad={-bend}",
                shrinkA=0,
                shrinkB=0,
                zorder=1,
            )
        )
        if text:
            dx, dy = b[0] - a[0], b[1] - a[1]
            length = np.hypot(dx, dy) or 1e-9
            along, aside = np.array([dx, dy]) / length, np.array([-dy, dx]) / length * (1 if left else -1)
            bulge = 2 * bend * at * (1 - at) * length * (1 if left else -1)
            on_line = np.array(a) + at * length * along
            words = self.text(
                text, tuple(on_line), fontsize=11, color=plots.INK if color == plots.GREY else color
            )
            room = abs(aside[0]) * words.w + abs(aside[1]) * words.h + 0.06  # so that no line crosses a word
            self.ax.texts[-1].set_position(tuple(on_line + (bulge + room) * aside))

    def connect(
        self, starts: Sequence[Shape], ends: Sequence[Shape], *, labels: Sequence[str] = (), **style
    ) -> None:
        """An arrow from each of `starts` to each of `ends`; `labels`, in that order, may name them."""
        pairs = [(a, b) for a in starts for b in ends]
        for i, (a, b) in enumerate(pairs):
            self.arrow(a, b, labels[i] if labels else "", **style)

    def frame(
        self, shapes: Sequence[Shape], text: str, *, color: str = plots.GREY, pad: float = 0.18
    ) -> Shape:
        """A dashed line round shapes that belong together, with their common name above it."""
        left, right = min(s.x - s.w for s in shapes) - pad, max(s.x + s.w for s in shapes) + pad
        low, high = min(s.y - s.h for s in shapes) - pad, max(s.y + s.h for s in shapes) + pad
        self.ax.add_patch(
            FancyBboxPatch(
                (left, low),
                right - left,
                high - low,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor="none",
                edgecolor=color,
                linestyle=(0, (4, 3)),
                linewidth=1.3,
                zorder=0,
            )
        )
        self.text(text, (left + 0.05, high + 0.15), fontsize=12, color=color, fontweight="bold", ha="left")
        return Shape((left + right) / 2, (low + high) / 2, (right - left) / 2, (high - low) / 2)

    def show(self, alt: str) -> None:
        """Show the picture with its description, as `plots.show` does."""
        plt.figure(self.fig)
        plots.show(alt)


def lstm_cell(s: Sketch, x: float, parts: int) -> None:
    """An LSTM cell from `x` on, 3.1 wide and 3 high, with its first 1, 2 or 3 parts, the newest in colour.

    Part 1 is the forget gate on the cell's line, 2 the input gate and the candidate, 3 the output gate.
    """

    def kind(part):
        return "family" if part == parts else "data"

    def sign(text, at, part):
        return s.circle(text, at=(x + at[0], at[1]), kind=kind(part), r=0.17)

    cell = {"color": plots.BLUE, "width": 3}
    last = meet = sign("×", (0.4, 2.75), 1)
    targets = {"f": meet}
    s.arrow((x - 0.1, 2.75), meet, **cell)
    if parts > 1:
        last, targets["i"] = sign("+", (1.3, 2.75), 2), sign("×", (1.3, 1.95), 2)
        targets["g"] = targets["i"]
        s.arrow(meet, last, **cell)
        s.arrow(targets["i"], last)
    s.arrow(last, (x + 3.1, 2.75), "new c", at=0.8, **cell)
    if parts > 2:
        targets["o"] = sign("×", (2.45, 1.95), 3)
        s.arrow((x + 2.45, 2.75), targets["o"], "tanh", left=False)
        s.arrow(targets["o"], (x + 3.1, 1.95), "h")
    places = {"f": (0.4, 1), "i": (1.0, 2), "g": (1.6, 2), "o": (2.45, 3)}
    for name, target in targets.items():
        at, part = places[name]
        words = f"{name}\n{'tanh' if name == 'g' else 'σ'}"
        gate = s.box(words, at=(x + at, 0.95), kind=kind(part), size=(0.52, 0.56), fontsize=12)
        s.arrow(gate, target)
        s.arrow((x + at, 0.3), gate)
    s.text("x and the last h", (x + 1.4, 0.15), fontsize=12)


def _paint(kind: str) -> tuple[str, str, str]:
    if kind not in KINDS:
        raise choose("kind of shape", kind, KINDS)
    return KINDS[kind]


def _centre(place: Shape | Point) -> Point:
    return (place.x, place.y) if isinstance(place, Shape) else place
