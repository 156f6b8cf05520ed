"""How it looks: the picture as SVG."""

from collections.abc import Collection, Mapping
from html import escape

from utils.concept_map import model
from utils.concept_map.geometry import (
    HEIGHT,
    LARGER,
    TYPE,
    WIDTH,
    Box,
    Curve,
    label_size,
    layout,
    text_width,
    type_size,
)
from utils.concept_map.links import linked
from utils.concept_map.model import WORDS, Node
from utils.errors import choose

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


def svg(
    simple: bool = False,
    lang: str = "en",
    lit: Collection[str] = (),
    progress: Mapping[str, float] | None = None,
    lectures: str | Mapping[str, str] | None = "../lectures",
) -> str:
    """Draw the map as SVG, 1600 × 900, scaling with its frame.

    `lit`: ids to show as they are while the others fade. `progress`: {"01": 0.5}, the share of each lecture's
    tasks that is done; colours its nodes. `lectures`: the way from the picture to that folder, for the links,
    or the way to each concept by its id; None draws a still picture, without links and tooltips.
    Raises UserError.
    """
    known, words, picture = model.load(), WORDS[model.language(lang)], "simple" if simple else "full"
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
        f' class="dlmap" role="img" aria-label="{escape(describe(lang, lit, progress))}">',
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
            why = "" if faded else _text(label.x, label.y, label_size(picture), link.why[lang])
            parts.append(f'<g class="cross{" pale" * bool(faded)}"><path d="{_path(curve)}"/>{why}</g>')
    for node in nodes:
        drawn = _node(node, place.boxes[node.id], states[node.id], picture, lang)
        parts.append(linked(node, drawn, lang, lectures) if lectures else drawn)
    parts += [_legend(words, picture, progress), "</svg>"]
    return "\n".join(parts) + "\n"


def _shown(id: str, boxes: Collection[str]) -> str:
    """The node itself, or on the simple map what stands for it: its nearest ancestor there."""
    return id if id in boxes else _shown(model.load().nodes[id].parent, boxes)


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
        ".cross text": f"text-anchor:middle;font-size:{label_size(picture):g}px;font-style:italic;"
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
    size = type_size(node.id, picture)
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


def describe(lang: str, lit: Collection[str], progress: Mapping[str, float] | None) -> str:
    """What the picture shows, for readers who cannot see it."""
    known, words = model.load(), WORDS[lang]
    alt = f"{words['title']}. {words['thesis']}"
    if lit:
        names = (node.label[lang] for node in known.nodes.values() if node.id in lit)
        alt += f" {words['lit']}: {', '.join(names)}."
    if progress is not None:
        done = sum(share >= 1 for share in progress.values())
        alt += f" {done}/{len(known.lectures)} {words['states']['done']}."
    return alt


def stills() -> dict[str, str]:
    """The pictures kept in `data/` for the README; `python -m utils.concept_map` writes them."""
    return {"map.svg": svg(lectures=None), "map_simple.svg": svg(simple=True, lectures=None)}
