"""The map of the course: `data/map.yaml` -> a picture in which every concept opens its lecture.

    concept_map.show()                  the whole map
    concept_map.show("01")              today's concepts lit, the rest faded
    concept_map.show(simple=True, lang="ko", progress=True)

Rectangles are concepts, ellipses families of algorithms, plain text details; bold is what made deep learning
possible or is the default today. Positions are laid by hand in the file; this module only draws them.
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import NamedTuple

import yaml

from utils import paths
from utils.errors import choose

LANGUAGES = ("en", "ko")
SHAPES = ("concept", "family", "detail")
WIDTH, HEIGHT = 1600, 900
TYPE = {"full": 18, "simple": 27}  # px at 1600 wide
LARGER = {"deep-learning": 1.6, "ann": 1.25}  # the two words of the thesis

BLUE, ORANGE, GREEN, VERMILLION, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#767676", "#222"
FONTS = (
    "Arial,Helvetica,'Liberation Sans','Noto Sans KR','Noto Sans CJK KR','Malgun Gothic',"
    "'Apple SD Gothic Neo',NanumGothic,sans-serif"
)
# Fill and outline of a node by its shape (default), or by its state when the map is lit or shows progress.
PAINT = {
    "concept": ("#E3F0F8", BLUE),
    "family": ("#FFF4DC", ORANGE),
    "detail": ("none", "none"),
    "lit": ("#FFF4DC", "none"),  # what lies behind a lit detail, which has no shape of its own
    "faded": ("#fff", "#D0D0D0"),
    "todo": ("#fff", "#A8A8A8"),
    "started": ("#FFF4DC", ORANGE),
    "done": ("#D5EFE6", GREEN),
}
WORDS = {
    "en": {
        "title": "The deep learning map",
        "thesis": "Deep learning extends the neural network; "
        "the neural network is an ensemble of regressions.",
        "shapes": {
            "concept": "concept",
            "family": "family",
            "detail": "detail",
            "bold": "key idea",
            "cross": "link",
        },
        "states": {"todo": "not started", "started": "started", "done": "done"},
        "lit": "Lit",
        "unwritten": "not written yet",
    },
    "ko": {
        "title": "딥러닝 맵",
        "thesis": "신경망을 넓힌 것이 딥러닝이고, 신경망은 회귀를 모은 앙상블이다.",
        "shapes": {
            "concept": "큰 개념",
            "family": "알고리즘",
            "detail": "세부",
            "bold": "핵심",
            "cross": "연결",
        },
        "states": {"todo": "시작 전", "started": "진행 중", "done": "완료"},
        "lit": "강조",
        "unwritten": "준비 중",
    },
}

Point = tuple[float, float]
Curve = tuple[Point, Point, Point, Point]  # a cubic Bézier: start, two handles, end


@dataclass(frozen=True)
class Lecture:
    number: str
    title: str
    stem: str


@dataclass(frozen=True)
class Node:
    """One concept.

    `full`, `simple`: where it stands in the two pictures; None where it is left out. That point is the centre
    of its box, or with `grow` one end of it: a box that grows "left" ends there on the right.
    """

    id: str
    name: dict[str, str]
    label: dict[str, str]  # the name, shortened for the picture
    what: str
    shape: str
    bold: bool
    parent: str | None
    lecture: str
    full: Point
    simple: Point | None
    grow: str | None


@dataclass(frozen=True)
class Link:
    """A link across the tree. `full`, `simple`: the two handles of its curve; None where it is left out."""

    source: str
    target: str
    why: dict[str, str]
    full: tuple[Point, Point]
    simple: tuple[Point, Point] | None
    at: float  # where along the curve the label stands, 0 to 1


@dataclass(frozen=True)
class Map:
    lectures: dict[str, Lecture]
    nodes: dict[str, Node]
    links: tuple[Link, ...]


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


# --- the file ---------------------------------------------------------------------------------------------


@cache
def load() -> Map:
    """The map of record, `data/map.yaml`. Raises ValueError saying what is wrong and where."""
    return parse((paths.DATA / "map.yaml").read_text(encoding="utf-8"))


def parse(text: str) -> Map:
    """Read a map from YAML and check it. Raises ValueError saying what is wrong and where."""
    raw = yaml.safe_load(text)
    lectures = {number: Lecture(number, *entry) for number, entry in raw["lectures"].items()}
    nodes: dict[str, Node] = {}
    for entry in raw["nodes"]:
        where = f"map.yaml, node {entry.get('id')!r}"
        try:
            node = _parse_node(entry, where)
        except KeyError as error:
            raise ValueError(f"{where}: {error.args[0]!r} is missing") from None
        if node.id in nodes:
            raise ValueError(f"{where}: the id is used twice")
        if node.lecture not in lectures:
            raise ValueError(f"{where}: lecture {node.lecture!r} is not in the table of lectures")
        nodes[node.id] = node
    for node in nodes.values():
        where = f"map.yaml, node {node.id!r}"
        if node.parent is not None and node.parent not in nodes:
            raise ValueError(f"{where}: unknown parent {node.parent!r}")
        if node.simple and node.parent and not nodes[node.parent].simple:
            raise ValueError(f"{where}: its parent {node.parent!r} is not on the simple map")
    return Map(lectures, nodes, tuple(_parse_link(entry, nodes) for entry in raw["links"]))


def _parse_node(entry: dict, where: str) -> Node:
    name, shape, grow = entry["name"], entry["shape"], entry.get("grow")
    if not isinstance(name, dict) or set(name) != set(LANGUAGES):
        raise ValueError(f"{where}: name must hold {' and '.join(LANGUAGES)}, not {name!r}")
    if shape not in SHAPES:
        raise ValueError(f"{where}: shape {shape!r} is not one of {', '.join(SHAPES)}")
    if grow not in ("left", "right", None):
        raise ValueError(f"{where}: grow {grow!r} is not left or right")
    return Node(
        id=entry["id"],
        name=name,
        label=name | entry.get("label", {}),
        what=entry["what"],
        shape=shape,
        bold=entry.get("bold", False),
        parent=entry["parent"],
        lecture=entry["lecture"],
        full=_point(entry["full"], where),
        simple=_point(entry["simple"], where) if "simple" in entry else None,
        grow=grow,
    )


def _parse_link(entry: dict, nodes: Mapping[str, Node]) -> Link:
    where = f"map.yaml, link {entry.get('from')!r} to {entry.get('to')!r}"
    for end in ("from", "to"):
        if entry.get(end) not in nodes:
            raise ValueError(f"{where}: unknown node {entry.get(end)!r}")
    source, target = nodes[entry["from"]], nodes[entry["to"]]
    handles = {}
    for picture in ("full", "simple"):
        drawn = getattr(source, picture) and getattr(target, picture)
        if drawn and len(entry.get(picture, ())) != 2:
            raise ValueError(f"{where}: {picture!r} must hold the two handles of its curve")
        handles[picture] = tuple(_point(pair, where) for pair in entry[picture]) if drawn else None
    return Link(source.id, target.id, entry["why"], at=entry.get("at", 0.5), **handles)


def _point(pair, where: str) -> Point:
    try:
        x, y = map(float, pair)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: a position must be [x, y], not {pair!r}") from None
    return x, y


# --- the layout -------------------------------------------------------------------------------------------

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
    known, picture = load(), "simple" if simple else "full"
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
            size = _label_size(picture)
            labels[key] = Box(*bezier(cross[key], link.at), text_width(link.why[lang], size) + 8, size * 1.3)
    return Layout(boxes, tree, cross, labels)


def _size(id: str, picture: str) -> float:
    return TYPE[picture] * LARGER.get(id, 1)


def _label_size(picture: str) -> float:
    return TYPE[picture] * 0.85


def _box(node: Node, picture: str, lang: str) -> Box:
    size = _size(node.id, picture)
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


# --- the picture ------------------------------------------------------------------------------------------


def svg(
    simple: bool = False,
    lang: str = "en",
    lit: Collection[str] = (),
    progress: Mapping[str, float] | None = None,
    lectures: str | None = "../lectures",
) -> str:
    """Draw the map as SVG, 1600 × 900, scaling with its frame.

    `lit`: ids to show as they are while the others fade. `progress`: {"01": 0.5}, the share of each lecture's
    tasks that is done; colours its nodes. `lectures`: the way from the picture to that folder, for the links;
    None draws a still picture, without links and tooltips. Raises UserError.
    """
    known, words, picture = load(), WORDS[_language(lang)], "simple" if simple else "full"
    for id in lit:
        if id not in known.nodes:
            raise choose("concept", id, known.nodes)
    for number in progress or ():
        if number not in known.lectures:
            raise choose("lecture", number, known.lectures)
    place = layout(simple, lang)
    lit = {_shown(id, place.boxes) for id in lit}
    nodes = [known.nodes[id] for id in place.boxes]
    states = {node.id: _state(node, lit, progress) for node in nodes}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" height="100%"'
        f' class="dlmap" role="img" aria-label="{escape(_alt(simple, lang, lit, progress))}">',
        _style(picture),
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="14" fill="#fff"/>',
    ]
    for faded in (True, False):
        ends = [key for key in place.tree if (states[key[1]] == "faded") is faded]
        if ends:
            curves = "".join(_path(place.tree[key]) for key in ends)
            parts.append(f'<path class="tree{" pale" * faded}" d="{curves}"/>')
    for link in known.links:
        if curve := place.cross.get((link.source, link.target)):
            faded = lit and link.source not in lit and link.target not in lit
            label = place.labels[link.source, link.target]
            why = "" if faded else _text(label.x, label.y, _label_size(picture), link.why[lang])
            parts.append(f'<g class="cross{" pale" * bool(faded)}"><path d="{_path(curve)}"/>{why}</g>')
    for node in nodes:
        drawn = _node(node, place.boxes[node.id], states[node.id], picture, lang)
        parts.append(_linked(node, drawn, lang, lectures) if lectures else drawn)
    parts += [_legend(words, picture, progress), "</svg>"]
    return "\n".join(parts) + "\n"


def _shown(id: str, boxes: Collection[str]) -> str:
    """The node itself, or on the simple map what stands for it: its nearest ancestor there."""
    return id if id in boxes else _shown(load().nodes[id].parent, boxes)


def _language(lang: str) -> str:
    if lang not in LANGUAGES:
        raise choose("language", lang, LANGUAGES)
    return lang


def _state(node: Node, lit: Collection[str], progress: Mapping[str, float] | None) -> str:
    if lit and node.id not in lit:
        return "faded"
    if progress is not None:
        share = progress.get(node.lecture, 0)
        return "done" if share >= 1 else "started" if share > 0 else "todo"
    return "lit" if lit and node.shape == "detail" else node.shape


def _style(picture: str) -> str:
    """The style sheet; its rules are bound to the picture and change nothing else in the page around it."""
    size = TYPE[picture]
    thin, thick = f"stroke-width:{size / 12:.1f}", f"stroke-width:{size / 7:.1f}"
    rules = {
        "": f"font-family:{FONTS};font-size:{size}px;fill:{INK}",
        ".node text": "text-anchor:middle",
        ".tree": f"fill:none;stroke:#B0B0B0;{thin}",
        ".cross path": f"fill:none;stroke:{VERMILLION};{thin};stroke-dasharray:7 5;"
        "marker-end:url(#dlmap-arrow)",
        ".cross text": f"text-anchor:middle;font-size:{_label_size(picture):g}px;font-style:italic;"
        "fill:#A84A00;paint-order:stroke;stroke:#fff;stroke-width:6px;stroke-linejoin:round",
        ".pale": "opacity:.45",
        ".faded text": f"fill:{GREY}",
    }
    for state, (fill, stroke) in PAINT.items():
        rules[f".{state} .shape"] = f"fill:{fill};stroke:{stroke};{thin}"
    rules |= {
        ".plain .shape": "stroke:none",
        ".bold": "font-weight:700",
        ".bold .shape": thick,
        ".root .shape": f"fill:{BLUE}",
        ".root text": "fill:#fff",
    }
    return (
        f"<style>{''.join(f'.dlmap {selector}{{{rule}}}' for selector, rule in rules.items())}</style>"
        '<marker id="dlmap-arrow" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="11" markerHeight="11"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{VERMILLION}"/></marker>'
    )


def _path(curve: Curve) -> str:
    start, *rest = (f"{x:.0f} {y:.0f}" for x, y in curve)
    return f"M{start}C{' '.join(rest)}"


def _text(x: float, y: float, size: float, words: str, attributes: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y + 0.35 * size:.0f}"{attributes}>{escape(words)}</text>'


def _node(node: Node, box: Box, state: str, picture: str, lang: str) -> str:
    size = _size(node.id, picture)
    classes = ["node", state, "bold" * node.bold, "plain" * (node.shape == "detail")]
    if state == "concept" and node.id in LARGER:
        classes.append("root")
    shape = badge = ""
    if node.shape != "detail" or state in ("lit", "started", "done"):
        shape = _shape("ellipse" if node.shape == "family" else "rect", box)
    if state == "done":
        up = 0.14 if node.shape == "family" else 0.4
        badge = _badge(box.x + 0.48 * box.w, box.y - up * box.h, size / 18)
    scaled = f' style="font-size:{size:g}px"' if node.id in LARGER else ""
    text = _text(box.x, box.y, size, node.label[lang], scaled)
    return f'<g class="{" ".join(filter(None, classes))}">{shape}{text}{badge}</g>'


def _shape(kind: str, box: Box) -> str:
    x, y, w, h = box
    if kind == "ellipse":
        return f'<ellipse class="shape" cx="{x:.0f}" cy="{y:.0f}" rx="{w / 2:.0f}" ry="{h / 2:.0f}"/>'
    corner = f'x="{x - w / 2:.0f}" y="{y - h / 2:.0f}"'
    return f'<rect class="shape" {corner} width="{w:.0f}" height="{h:.0f}" rx="6"/>'


def _badge(x: float, y: float, scale: float) -> str:
    """A small check mark, so that "done" does not hang on colour alone."""
    return (
        f'<g transform="translate({x:.0f} {y:.0f}) scale({scale:.2g})"><circle r="8" fill="{GREEN}"/>'
        '<path d="M-4 0L-1 3L4 -3" fill="none" stroke="#fff" stroke-width="2"/></g>'
    )


def _linked(node: Node, drawn: str, lang: str, lectures: str) -> str:
    drawn = drawn.replace(">", f"><title>{escape(tooltip(node, lang))}</title>", 1)
    href = _href(node, lectures)
    return f'<a href="{escape(href)}">{drawn}</a>' if href else drawn


def _href(node: Node, lectures: str) -> str | None:
    """The notebook of a node's lecture, or None where it is not written yet."""
    return f"{lectures}/{load().lectures[node.lecture].stem}.ipynb" if node.lecture in paths.units() else None


def tooltip(node: Node, lang: str) -> str:
    """Name, explanation and lecture of a node in one line."""
    lecture = load().lectures[node.lecture]
    unwritten = "" if node.lecture in paths.units() else f" ({WORDS[lang]['unwritten']})"
    return f"{node.name[lang]}. {node.what} → {lecture.number} {lecture.title}{unwritten}"


def _legend(words: dict, picture: str, progress: Mapping[str, float] | None) -> str:
    """The bottom line: the thesis on the left, what the shapes or colours mean on the right."""
    size, y = 16 if picture == "full" else 22, HEIGHT - 24
    scaled = f' style="font-size:{size}px"'
    parts, x = [_text(24, y, size, words["thesis"], scaled)], WIDTH - 16
    entries = words["shapes"] if progress is None else words["states"]
    for key, text in reversed(entries.items()):
        if key == "detail" and picture == "simple":  # it has none
            continue
        width = text_width(text, size, key == "bold") + (10 if key in ("bold", "cross") else 20)
        x -= width / 2
        box = Box(x, y, width, size * 1.7)
        classes = {"bold": "bold plain", "detail": "plain"}.get(key, key)
        shape = ""
        if key == "cross":
            shape = f'<path d="M{x - width / 2 - 52:.0f} {y}h46"/>'
        elif key not in ("detail", "bold"):
            shape = _shape("ellipse" if key == "family" else "rect", box)
        badge = _badge(x + width / 2, y - 11, 0.9) if key == "done" else ""
        parts.append(f'<g class="node {classes}">{shape}{_text(x, y, size, text, scaled)}{badge}</g>')
        x -= width / 2 + (66 if key == "cross" else 14)
    return "".join(parts)


def _alt(simple: bool, lang: str, lit: Collection[str], progress: Mapping[str, float] | None) -> str:
    """What the picture shows, for readers who cannot see it."""
    known, words = load(), WORDS[lang]
    alt = f"{words['title']}. {words['thesis']}"
    if lit:
        alt += (
            f" {words['lit']}: {', '.join(known.nodes[id].label[lang] for id in known.nodes if id in lit)}."
        )
    if progress is not None:
        done = sum(share >= 1 for share in progress.values())
        alt += f" {done}/{len(known.lectures)} {words['states']['done']}."
    return alt


# --- in a notebook ----------------------------------------------------------------------------------------


def show(
    lecture: str | int | None = None,
    simple: bool = False,
    lang: str = "en",
    progress: bool = False,
    lectures: str = "../lectures",
) -> None:
    """Show the map in a notebook; a click on a concept opens its lecture.

    `lecture`: light this lecture's concepts. `progress`: colour the map by what the learner has done.
    `lectures`: the way from the notebook to the lectures; the default fits every folder beside them.
    Raises UserError.
    """
    from IPython.display import display

    known, lit = load(), ()
    if lecture is not None:
        number = str(lecture).zfill(2)
        if number not in known.lectures:
            raise choose("lecture", lecture, known.lectures)
        lit = [node.id for node in known.nodes.values() if node.lecture == number]
    shares = None
    if progress:
        from utils import progress as learner

        shares = learner.fractions()
    alt = _alt(simple, _language(lang), lit, shares)
    picture = svg(simple, lang, lit, shares, lectures=None)
    html = overlay(picture, alt, layout(simple, lang).boxes, lang, lectures)
    display({"text/html": html, "text/plain": alt}, raw=True)


def overlay(picture: str, alt: str, boxes: Mapping[str, Box], lang: str, lectures: str) -> str:
    """The picture as an `<img>` with a transparent link over each node.

    Why not the SVG itself: JupyterLab shows image/svg+xml as a dead image, and not at all in a notebook it
    does not trust yet, as in every fresh clone. Of SVG inside HTML its sanitizer then leaves bare words. This
    form passes the sanitizer whole, and Lab opens the links as tabs.
    """
    data = base64.b64encode(picture.encode()).decode()
    parts = [
        '<div style="position:relative">',
        f'<img src="data:image/svg+xml;base64,{data}" alt="{escape(alt)}" style="width:100%;display:block">',
    ]
    for id, (x, y, w, h) in boxes.items():
        node = load().nodes[id]
        area = zip(
            ("left", "top", "width", "height"),
            (100 * (x - w / 2) / WIDTH, 100 * (y - h / 2) / HEIGHT, 100 * w / WIDTH, 100 * h / HEIGHT),
            strict=True,
        )
        style = ";".join(f"{side}:{percent:.1f}%" for side, percent in area)
        href = _href(node, lectures)
        target = f' href="{escape(href)}"' if href else ""
        parts.append(
            f'<a{target} title="{escape(tooltip(node, lang))}" style="position:absolute;{style}"></a>'
        )
    return "".join([*parts, "</div>"])


def stills() -> dict[str, str]:
    """The pictures kept in `data/` for the README; `python -m utils.concept_map` writes them."""
    return {"map.svg": svg(lectures=None), "map_simple.svg": svg(simple=True, lectures=None)}


if __name__ == "__main__":
    for name, picture in stills().items():
        paths.atomic_write(paths.DATA / name, picture)
