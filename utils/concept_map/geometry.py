"""Where it lies: every box, curve and label of a picture, in px at 1600 wide."""

from dataclasses import dataclass
from typing import NamedTuple

from utils.concept_map import model
from utils.concept_map.model import Node, Point

WIDTH, HEIGHT = 1600, 900
TYPE = {"full": 18, "simple": 27}  # px at 1600 wide
LARGER = {"deep-learning": 1.6, "ann": 1.25}  # the two words of the thesis

Curve = tuple[Point, Point, Point, Point]  # a cubic Bézier: start, two handles, end


class Box(NamedTuple):
    """A rectangle on the picture: its centre and its size, in px at 1600 wide."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Layout:
    """Where everything lies: what `svg` draws and the tests measure."""

    boxes: dict[str, Box]
    tree: dict[tuple[str, str], Curve]  # (parent, child)
    cross: dict[tuple[str, str], Curve]  # (source, target)
    labels: dict[tuple[str, str], Box]  # of the cross links


# Advance widths of Arial and Helvetica, in thousandths of the type size.
_ADVANCE = {
    char: width
    for width, chars in {
        222: "ijl",
        278: "I,./:;! ft·",
        333: "r-()",
        500: "cksvxyzJ",
        584: "+=×",
        611: "FTZ",
        667: "ABEKPSVXY&",
        722: "CDHNRUw",
        778: "GOQ",
        833: "mM",
        944: "W",
    }.items()
    for char in chars
}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Estimated width of a line of type in px, a little generous: fonts differ between machines."""
    units = sum(_ADVANCE.get(char, 950 if ord(char) > 0x1100 else 556) for char in text)
    return units / 1000 * size * (1.08 if bold else 1.0) * 1.03


def layout(simple: bool = False, lang: str = "en") -> Layout:
    """Place every node, link and label of one picture."""
    known, picture = model.load(), "simple" if simple else "full"
    boxes = {node.id: _box(node, picture, lang) for node in known.nodes.values() if getattr(node, picture)}
    tree = {
        (node.parent, node.id): _branch(boxes[node.parent], boxes[node.id], node.grow)
        for node in known.nodes.values()
        if node.id in boxes and node.parent
    }
    cross, labels = {}, {}
    for link in known.links:
        if handles := getattr(link, picture):
            key, (first, second) = (link.source, link.target), handles
            start, end = _edge(boxes[link.source], first, gap=2), _edge(boxes[link.target], second, gap=7)
            cross[key] = (start, first, second, end)
            size = label_size(picture)
            labels[key] = Box(*bezier(cross[key], link.at), text_width(link.why[lang], size) + 8, size * 1.3)
    return Layout(boxes, tree, cross, labels)


def type_size(id: str, picture: str) -> float:
    return TYPE[picture] * LARGER.get(id, 1)


def label_size(picture: str) -> float:
    return TYPE[picture] * 0.85


def _box(node: Node, picture: str, lang: str) -> Box:
    size = type_size(node.id, picture)
    text = text_width(node.label[lang], size, node.bold)
    width, height = {
        "concept": (text + 1.3 * size, 1.75 * size),
        "family": (1.1 * text + size, 1.85 * size),  # the corners of the text lie inside the ellipse
        "detail": (text + 0.6 * size, 1.3 * size),
    }[node.shape]
    x, y = getattr(node, picture)
    shift = {"left": -width / 2, "right": width / 2, None: 0}[node.grow]
    return Box(x + shift, y, width, height)


def _branch(parent: Box, child: Box, grow: str | None) -> Curve:
    """A link of the tree: sideways to a child that grows so or stands beside, else up or down."""
    gap_x = abs(child.x - parent.x) - (child.w + parent.w) / 2
    gap_y = abs(child.y - parent.y) - (child.h + parent.h) / 2
    if gap_x > 0 and (grow or gap_x > gap_y):
        side = 1 if child.x > parent.x else -1
        start, end = (parent.x + side * parent.w / 2, parent.y), (child.x - side * child.w / 2, child.y)
        middle = (start[0] + end[0]) / 2
        return start, (middle, start[1]), (middle, end[1]), end
    side = 1 if child.y > parent.y else -1
    start, end = (parent.x, parent.y + side * parent.h / 2), (child.x, child.y - side * child.h / 2)
    middle = (start[1] + end[1]) / 2
    return start, (start[0], middle), (end[0], middle), end


def _edge(box: Box, towards: Point, gap: float) -> Point:
    """Where the straight line from the centre of a box to a point leaves the box, `gap` px outside it."""
    dx, dy = towards[0] - box.x, towards[1] - box.y
    scale = min((box.w / 2 + gap) / (abs(dx) or 1e-9), (box.h / 2 + gap) / (abs(dy) or 1e-9))
    return box.x + dx * scale, box.y + dy * scale


def bezier(curve: Curve, t: float) -> Point:
    """The point of a curve at 0 ≤ t ≤ 1."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * point[axis] for w, point in zip(weights, curve, strict=True)) for axis in (0, 1))
    return x, y
