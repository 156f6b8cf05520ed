"""How it links: from each concept to the notebook of its lecture, in SVG and in HTML."""

import base64
from collections.abc import Collection, Mapping
from html import escape

from utils import paths
from utils.concept_map import model
from utils.concept_map.geometry import HEIGHT, WIDTH, Box
from utils.concept_map.model import WORDS, Node
from utils.pictures import tag

READABLE = 11  # px: the least size of type on a screen


def href(node: Node, lectures: str | Mapping[str, str]) -> str | None:
    """The notebook of a node's lecture, or None where it is not written yet; `lectures` may hold the ways."""
    if not isinstance(lectures, str):
        return lectures.get(node.id)
    written = node.lecture in paths.units()
    return f"{lectures}/{model.load().lectures[node.lecture].stem}.ipynb" if written else None


def tooltip(node: Node, lang: str) -> str:
    """Name, explanation and lecture of a node in one line."""
    lecture = model.load().lectures[node.lecture]
    unwritten = "" if node.lecture in paths.units() else f" ({WORDS[lang]['unwritten']})"
    return f"{node.name[lang]}. {node.what} → {lecture.number} {lecture.title}{unwritten}"


def linked(node: Node, drawn: str, lang: str, lectures: str | Mapping[str, str]) -> str:
    """A drawn node with its id ("map-mlp"), its tooltip and, if its lecture is written, its link."""
    named = f' id="map-{escape(node.id)}"><title>{escape(tooltip(node, lang))}</title>'
    drawn = drawn.replace(">", named, 1)
    way = href(node, lectures)
    return f'<a href="{escape(way)}">{drawn}</a>' if way else drawn


def overlay(
    picture: str, alt: str, boxes: Mapping[str, Box], lang: str, lectures: str, size: float = 18
) -> str:
    """The picture as an `<img>` with a transparent link over each node.

    `size`: of the type, in px at 1600 wide; where the page is narrow the picture scrolls before it gets
    smaller than `READABLE`.

    Why not the SVG itself: JupyterLab shows image/svg+xml as a dead image, and not at all in a notebook it
    does not trust yet, as in every fresh clone. Of SVG inside HTML its sanitizer then leaves bare words. This
    form passes the sanitizer whole, and Lab opens the links as tabs.
    """
    data = base64.b64encode(picture.encode()).decode()
    parts = [
        '<div style="overflow-x:auto">',
        f'<div style="position:relative;min-width:{WIDTH * READABLE / size:.0f}px">',
        tag(data, alt, "image/svg+xml", style="width:100%;display:block"),
    ]
    for id, (x, y, w, h) in boxes.items():
        node = model.load().nodes[id]
        area = zip(
            ("left", "top", "width", "height"),
            (100 * (x - w / 2) / WIDTH, 100 * (y - h / 2) / HEIGHT, 100 * w / WIDTH, 100 * h / HEIGHT),
            strict=True,
        )
        style = ";".join(f"{side}:{percent:.1f}%" for side, percent in area)
        way = href(node, lectures)
        target = f' href="{escape(way)}"' if way else ""
        parts.append(
            f'<a{target} title="{escape(tooltip(node, lang))}" style="position:absolute;{style}"></a>'
        )
    return "".join([*parts, "</div></div>"])


def listed(lit: Collection[str], lang: str, lectures: str | Mapping[str, str]) -> str:
    """The lit concepts (all, if none) as a folded list: for small screens, and without the picture."""
    known, entries = model.load(), []
    for node in known.nodes.values():
        if not lit or node.id in lit:
            way, lecture = href(node, lectures), known.lectures[node.lecture]
            name = "" if lit else f"{lecture.number} {escape(lecture.title)}"  # lit is where the reader is
            name = f'<a href="{escape(way)}">{name}</a>' if way and name else name
            entries.append(f"<li><b>{escape(node.name[lang])}</b>. {escape(node.what)} {name}</li>")
    return f"<details><summary>{WORDS[lang]['list']}</summary><ul>{''.join(entries)}</ul></details>"


def go_on(shares: Mapping[str, float], lectures: str) -> str:
    """Where a learner goes on: the last lecture that they began, or if that is done, the one after it.

    `shares`: {"01": 0.5}, the share of each lecture's tasks that is done, of one at least more than 0.
    """
    known = model.load().lectures
    began = max(number for number, share in shares.items() if share)
    later = [number for number in sorted(shares) if number > began]
    number = began if shares[began] < 1 or not later else later[0]
    if shares[number] >= 1:
        return "<p>All exercises are done.</p>"
    name, way = f"{number} {escape(known[number].title)}", f"{lectures}/{known[number].stem}.ipynb"
    done = f"{shares[number]:.0%} of its exercises done"
    return f'<p>Go on here: <a href="{escape(way)}">{name}</a>, {done}.</p>'
