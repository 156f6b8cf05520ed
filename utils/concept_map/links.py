"""How it links: from each concept to the notebook of its lecture, in SVG and in HTML."""

import base64
from collections.abc import Mapping
from html import escape

from utils import paths
from utils.concept_map import model
from utils.concept_map.geometry import HEIGHT, WIDTH, Box
from utils.concept_map.model import WORDS, Node


def href(node: Node, lectures: str) -> str | None:
    """The notebook of a node's lecture, or None where it is not written yet."""
    written = node.lecture in paths.units()
    return f"{lectures}/{model.load().lectures[node.lecture].stem}.ipynb" if written else None


def tooltip(node: Node, lang: str) -> str:
    """Name, explanation and lecture of a node in one line."""
    lecture = model.load().lectures[node.lecture]
    unwritten = "" if node.lecture in paths.units() else f" ({WORDS[lang]['unwritten']})"
    return f"{node.name[lang]}. {node.what} → {lecture.number} {lecture.title}{unwritten}"


def linked(node: Node, drawn: str, lang: str, lectures: str) -> str:
    """A drawn node with its tooltip and, if its lecture is written, its link."""
    drawn = drawn.replace(">", f"><title>{escape(tooltip(node, lang))}</title>", 1)
    way = href(node, lectures)
    return f'<a href="{escape(way)}">{drawn}</a>' if way else drawn


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
    return "".join([*parts, "</div>"])
