"""What is drawn: the concepts, their links and their words, read from `data/map.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import yaml

from utils import paths
from utils.errors import choose

LANGUAGES = ("en", "ko")
SHAPES = ("concept", "family", "detail")
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
        "list": "The same as a list",
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
        "list": "목록으로 보기",
        "unwritten": "준비 중",
    },
}

Point = tuple[float, float]


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


@cache
def load() -> Map:
    """The map of record, `data/map.yaml`. Raises ValueError saying what is wrong and where."""
    return parse((paths.DATA / "map.yaml").read_text(encoding="utf-8"))


def language(lang: str) -> str:
    """The language itself. Raises UserError where the map does not speak it."""
    if lang not in LANGUAGES:
        raise choose("language", lang, LANGUAGES)
    return lang


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
