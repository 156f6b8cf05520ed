"""The map of the course: `data/map.yaml` -> a picture in which every concept opens its lecture.

    concept_map.show()                  the whole map
    concept_map.show("01")              today's concepts lit, the rest faded
    concept_map.show(simple=True, lang="ko", progress=True)

Rectangles are concepts, ellipses families of algorithms, plain text details; bold is what made deep learning
possible or is the default today. `model` reads the file, in which positions are laid by hand; `geometry`
places boxes and curves, `drawing` turns them into SVG, `links` leads from each concept to its lecture.
"""

from utils.concept_map.drawing import stills, svg
from utils.concept_map.geometry import TYPE, WIDTH, Box, bezier, layout
from utils.concept_map.links import overlay
from utils.concept_map.model import LANGUAGES, WORDS, load, parse
from utils.concept_map.notebook import drawn, show

__all__ = [
    "LANGUAGES", "TYPE", "WIDTH", "WORDS", "Box",
    "bezier", "drawn", "layout", "load", "overlay", "parse", "show", "stills", "svg",
]  # fmt: skip
