"""The house style, and the few pictures that several lectures share.

fig, ax = plots.figure("The title is the message", xlabel="epoch", ylabel="loss (nats)")
ax.plot(...); plots.name(ax, x, y, "train", plots.BLUE)
plots.show("Training loss falls from 2.3 to 0.1 in ten epochs.")
"""

import base64
import inspect
import io
from uuid import uuid4

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from utils import environment, runtime
from utils.pictures import tag

# Okabe & Ito (2008), Color Universal Design: told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, GREY, INK = "#CC79A7", "#56B4E9", "#767676", "#222222"

# The same thing has the same colour in every lecture.
COLOR = {"train": BLUE, "validation": ORANGE, "test": GREEN, "truth": INK, "click": ORANGE, "no click": BLUE}

mpl.rcParams.update(
    {
        "figure.dpi": 100,
        "font.size": 12,
        "axes.titlesize": 12,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.labelcolor": INK,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E6E6E6",
        "grid.linewidth": 0.8,
        "lines.linewidth": 2.2,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "legend.frameon": False,
        "image.cmap": "gray_r",
        "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]),
    }
)


def figure(title: str, *, xlabel: str, ylabel: str, size: tuple[float, float] = (7.5, 4.2)):
    """One set of axes whose title is the message. `size` is in inches of 100 pixels."""
    fig, ax = plt.subplots(figsize=size, layout="constrained")
    headline(fig, title)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return fig, ax


def panels(title: str, names, *, xlabel: str, ylabel: str, size: tuple[float, float] = (10, 3.6), **subplots):
    """Axes side by side, one for each name, under one title: the same thing seen several ways."""
    fig, axes = plt.subplots(1, len(names), figsize=size, layout="constrained", **subplots)
    headline(fig, title)
    for ax, name_ in zip(axes, names, strict=True):
        ax.set_title(name_)
        ax.set_xlabel(xlabel)
    axes[0].set_ylabel(ylabel)
    return fig, axes


def name(ax, x: float, y: float, text: str, color: str, *, dx: float = 6, dy: float = 0, **style) -> None:
    """Write a line's own name beside the point (x, y), `dx` and `dy` points away: no legend to look up."""
    ax.annotate(
        text,
        (x, y),
        xytext=(dx, dy),
        textcoords="offset points",
        color=color,
        va="center",
        annotation_clip=False,
        **{"fontweight": "bold", **style},
    )


def images(
    pictures: np.ndarray, title: str, *, names=None, columns: int = 10, diverging: bool = False
) -> None:
    """A grid of pictures: (n, height, width), or (n, height, width, 3), on one shared scale of grey.

    `diverging` centres the scale on zero, red below and blue above: for weights.
    """
    count = len(pictures)
    columns = min(columns, count)
    rows = -(-count // columns)
    inch = 9.5 / columns
    fig, axes = plt.subplots(
        rows, columns, figsize=(9.5, rows * (inch + 0.25 * (names is not None)) + 0.35), squeeze=False
    )
    fig.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02)
    headline(fig, title)
    scale = {}
    if diverging:
        top = float(np.abs(pictures).max())
        scale = {"cmap": "RdBu", "vmin": -top, "vmax": top}
    elif np.ndim(pictures) == 3:
        scale = {"vmin": float(np.min(pictures)), "vmax": float(np.max(pictures))}
    for i, ax in enumerate(axes.flat):
        ax.axis("off")
        if i < count:
            ax.imshow(pictures[i], **scale)
            if names is not None:
                ax.set_title(str(names[i]), fontsize=11, loc="center", pad=3)


def strips(title: str, rows: dict, columns: int = 12, *, frame: bool = False) -> None:
    """A named row for each set of square pictures, of which the first `columns` are shown.

    `frame` draws grey lines between them, where the pictures are white at their edges.

    `rows`: name -> (m, 1, side, side), tensors from 0 to 1 on any device, at least `columns` pictures each.
    Sixteen greys keep the stored picture small.
    """
    _, ax = figure(title, xlabel="", ylabel="", size=(9, 0.45 + 8 / columns * len(rows)))
    sheet = np.vstack([np.hstack(row[:columns, 0].cpu().numpy()) for row in rows.values()])
    ax.imshow(np.rint(15 * sheet), vmin=0, vmax=15, interpolation="nearest")
    side = len(sheet) / len(rows)
    ax.set(xticks=[], yticks=side * (np.arange(len(rows)) + 0.5) - 0.5)
    ax.set_yticklabels(rows, color=INK)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if frame:
        lines = {"colors": "#B0B0B0", "linewidths": 1, "clip_on": False}
        width = side * columns
        ax.hlines(side * np.arange(len(rows) + 1) - 0.5, -0.5, width - 0.5, **lines)
        ax.vlines(side * np.arange(columns + 1) - 0.5, -0.5, len(sheet) - 0.5, **lines)


def bars(
    title: str, values: dict[str, float], *, xlabel: str, unit: str = "", digits: int = 0, colors=None
) -> None:
    """Named horizontal bars with their values written out, from top to bottom. `colors`: name -> colour."""
    _, ax = figure(title, xlabel=xlabel, ylabel="", size=(7.5, 1.1 + 0.42 * len(values)))
    colors = [(colors or {}).get(label, BLUE) for label in values]
    ax.barh(list(values), list(values.values()), color=colors, height=0.62)
    for row, value in enumerate(values.values()):
        name(ax, max(value, 0), row, f"{value:.{digits}f}{unit}", INK)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", labelcolor=INK, length=0)


def intervals(ax, rows: dict, colors=None) -> None:
    """A row for each name: values as ticks, their mean as a dot, its 95 % interval (Student's t) as a bar.

    `rows`: name -> (runs,) values, at least two; `colors`: one for each row.
    """
    from scipy import stats

    for place, values in enumerate(rows.values()):
        values, color = np.asarray(values), colors[place] if colors else BLUE
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
        ax.plot(values, [place] * len(values), "|", color=GREY, markersize=9)
        ax.errorbar(values.mean(), place, xerr=half, fmt="o", color=color, markersize=6)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", labelcolor=INK, length=0)


def curves(ax, x, lines: dict, colors, *, dots: bool = False, dy: dict | None = None) -> None:
    """A line for each name, with its name at its end; over several runs their mean, and a band of all.

    `lines`: name -> (points,) or (runs, points); `colors`: one for each line; `dy`: name -> points of type by
    which the name is moved up, where two would touch.
    """
    for (label, values), color in zip(lines.items(), colors, strict=True):
        runs = np.atleast_2d(values)
        if len(runs) > 1:
            ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=color, alpha=0.2, linewidth=0)
        mean = runs.mean(axis=0)
        ax.plot(x, mean, "o-" if dots else "-", color=color, markersize=4)
        name(ax, x[-1], mean[-1], label, color, dy=(dy or {}).get(label, 0))


def table(title: str, rows: dict, columns, *, xlabel: str, digits: int = 1, low: float | None = None) -> None:
    """Named rows of numbers, written out and tinted by their size; the last column in bold, set apart.

    `rows`: name -> a number for each of `columns`; `low` is the size that stays white, by default the least.
    """
    _, ax = figure(title, xlabel=xlabel, ylabel="", size=(7.5, 1.1 + 0.38 * len(rows)))
    sheet = np.array(list(rows.values()), dtype=float)
    low = sheet.min() if low is None else low
    ax.imshow(sheet, cmap="Blues", vmin=low, vmax=low + 1.8 * (sheet.max() - low), aspect="auto")
    for (row, column), value in np.ndenumerate(sheet):
        weight = "bold" if column == len(columns) - 1 else None
        ax.text(column, row, f"{value:.{digits}f}", ha="center", va="center", color=INK, fontweight=weight)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.axvline(len(columns) - 1.5, color="white", linewidth=6)
    ax.tick_params(labelcolor=INK, length=0)
    ax.grid(visible=False)


def maps(title: str, machines: dict, points, label, *, sizes=3, borders=None) -> None:
    """The plane behind two moons, coloured by what each machine says there, and the points on top.

    Parameters: `machines`: name -> a function from (m, 2) points to (m,) numbers from 0, red, to 1, blue;
    points: (n, 2); label: (n,) of 0 and 1; `sizes`: the dots' areas, for all or a list for each machine;
    `borders`: for each machine a list of such functions, whose ½ is drawn as a thin line.
    """
    across, up = np.meshgrid(np.linspace(-2, 3, 160), np.linspace(-1.6, 2.1, 120))
    plane = np.column_stack([across.ravel(), up.ravel()])
    _, axes = panels(title, machines, xlabel="x₁", ylabel="x₂", size=(11, 3.1), sharey=True)
    for i, (ax, machine) in enumerate(zip(axes, machines.values(), strict=True)):
        said = np.asarray(machine(plane), dtype=float).reshape(across.shape)
        ax.pcolormesh(across, up, said, cmap="RdBu", vmin=-0.6, vmax=1.6)
        for line in borders[i] if borders else []:
            half = line(plane).reshape(across.shape)
            ax.contour(across, up, half, levels=[0.5], colors=INK, linewidths=0.5)
        area = sizes if np.isscalar(sizes) else sizes[i]
        ax.scatter(*points.T, s=area, c=np.where(label == 1, BLUE, RED), alpha=0.7, linewidths=0)
        ax.grid(visible=False)


def groups(title: str, pictures: dict, groups, *, size=(10, 4.2), above: bool = False) -> None:
    """Points in the plane, a panel for each picture: a colour for each group, its name within or above.

    `pictures`: name -> (n, 2) points; `groups`: for each picture (n,) names, at most ten; "" is not written.
    """
    _, axes = panels(title, pictures, xlabel="first number", ylabel="second number", size=size)
    box = {"boxstyle": "circle,pad=0.12", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    for ax, points, group in zip(axes, pictures.values(), groups, strict=True):
        names, which = np.unique(group, return_inverse=True)
        ax.scatter(*points.T, c=which, cmap="tab10", vmin=0, vmax=9, s=8, linewidths=0)
        ax.set_aspect("equal", adjustable="datalim")
        for i, label in enumerate(names.astype(str)):
            own = points[which == i]
            x, y = np.median(own, axis=0)
            place = {"y": own[:, 1].max(), "dy": 9} if above else {"y": y, "bbox": box}
            name(ax, x, text=label, color=INK, dx=0, ha="center", **place)


def headline(fig, title: str) -> None:
    """The message, from the left edge, as large as the width allows."""
    text = fig.suptitle(title, x=0.008, ha="left", fontsize=14, fontweight="bold", color=INK)
    room = 0.94 * fig.get_figwidth() * fig.dpi
    width = text.get_window_extent(fig.canvas.get_renderer()).width
    text.set_fontsize(14 * min(1, room / width))


def show(alt: str) -> None:
    """Show the current figure with its description for readers who cannot see it, and close it.

    The picture is stored in at most 256 colours, about a third of the bytes: git keeps every version of it.
    """
    from IPython.display import display
    from PIL import Image

    fig = plt.gcf()
    raw, small = io.BytesIO(), io.BytesIO()
    sharp = 2 if environment.flag("DLMAP_STAGE") else 1  # a projector shows it larger
    fig.savefig(raw, format="png", facecolor="white", dpi=sharp * fig.dpi)
    width, height = (int(side) for side in fig.get_size_inches() * fig.dpi)
    plt.close(fig)
    picture = Image.open(raw).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        small, format="png", optimize=True
    )
    about = {"alt": alt, "width": width, "height": height}
    data = {"image/png": small.getvalue(), "text/plain": f"<picture: {alt}>"}
    if not runtime.batch():  # what is stored stays small; `dlmap lab` adds this to it
        data["text/html"] = tag(base64.b64encode(small.getvalue()).decode(), **about)
    display(data, raw=True, metadata={"image/png": about})


def knobs(draw, **ranges: tuple[float, float]) -> None:
    """Sliders for the arguments of `draw` where somebody is watching; elsewhere one picture of its defaults.

    `ranges` gives each argument's lowest and highest value. The sliders stand in one row above the picture,
    which is an output like any other: the next day, when the sliders are gone, it is still there.
    """
    if runtime.batch():
        draw()
        return
    from IPython.display import display
    from IPython.utils.capture import capture_output
    from ipywidgets import FloatSlider, HBox, Layout

    defaults = {name_: parameter.default for name_, parameter in inspect.signature(draw).parameters.items()}
    place = uuid4().hex  # the picture's, which each redrawing replaces
    sliders = {
        name_: FloatSlider(
            defaults[name_],
            min=low,
            max=high,
            step=(high - low) / 100,
            description=name_,
            continuous_update=False,
        )
        for name_, (low, high) in ranges.items()
    }

    def redraw(change: dict | None = None) -> None:
        with capture_output() as drawn:
            draw(**{name_: slider.value for name_, slider in sliders.items()})
        for picture in drawn.outputs:
            display(picture.data, raw=True, metadata=picture.metadata, display_id=place, update=bool(change))

    display(HBox(list(sliders.values()), layout=Layout(flex_flow="row wrap")))
    redraw()
    for slider in sliders.values():
        slider.observe(redraw, "value")
