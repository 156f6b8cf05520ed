"""The map holds every concept it must, draws without collisions, and its picture does what it says."""

import re
from base64 import b64decode
from xml.etree import ElementTree

import pytest

from utils import concept_map, paths
from utils.errors import UserError

# The list of record, as in the syllabus: what each lecture teaches.
TAUGHT = {
    "00": "deep-learning data-practice",
    "01": "regression linear-regression logistic-regression softmax-regression objective mse cross-entropy "
    "custom-loss",
    "02": "optimization steepest-descent sgd learning-rate momentum adagrad adadelta adam evolution",
    "03": "ensemble weak-machine bagging bootstrap stacking boosting",
    "04": "ann mlp activation step sigmoid tanh gaussian softmax relu elu swish",
    "05": "backprop vanishing exploding",
    "06": "regularization l1 l2 dropout augmentation noise early-stopping batch-norm",
    "07": "initialization random-init pre-training rbm dbn auto-encoder layer-wise fine-tuning",
    "08": "embedding dimension-reduction pca unsupervised entity-embedding",
    "09": "word2vec glove",
    "10": "convolution pooling cnn",
    "11": "alexnet vgg googlenet resnet capsnet",
    "12": "rnn lstm",
    "13": "vae",
    "14": "gan",
    "15": "bayesian-inference thompson-sampling",
    "16": "reinforcement-learning alphago",
    "17": "moe clustering",
    "18": "frameworks theano tensorflow torch keras",
    "19": "ad-ranking",
    "20": "attention diffusion",
}
BOLD = (
    "deep-learning ann regression logistic-regression sgd adam ensemble relu backprop vanishing dropout "
    "batch-norm embedding word2vec cnn resnet lstm vae gan reinforcement-learning moe tensorflow keras"
)
SIMPLE = (
    "deep-learning ann regression objective optimization ensemble activation backprop regularization "
    "initialization embedding cnn rnn lstm vae gan reinforcement-learning moe frameworks"
)
CROSS = {
    ("ensemble", "ann"),
    ("ensemble", "dropout"),
    ("auto-encoder", "embedding"),
    ("auto-encoder", "vae"),
    ("relu", "vanishing"),
    ("boosting", "resnet"),
    ("ensemble", "moe"),
    ("regression", "ad-ranking"),
}
MAP = concept_map.load()
PICTURES = [(simple, lang) for simple in (False, True) for lang in concept_map.LANGUAGES]


# --- the file ---------------------------------------------------------------------------------------------


def test_every_concept_of_the_list_is_there_with_its_lecture():
    assert {node.id: node.lecture for node in MAP.nodes.values()} == {
        id: lecture for lecture, ids in TAUGHT.items() for id in ids.split()
    }
    assert len(MAP.nodes) == 88


def test_bold_simple_and_cross_links_are_those_of_the_list():
    assert {node.id for node in MAP.nodes.values() if node.bold} == set(BOLD.split())
    assert {node.id for node in MAP.nodes.values() if node.simple} == set(SIMPLE.split())
    assert {(link.source, link.target) for link in MAP.links} == CROSS


def test_everything_hangs_on_deep_learning():
    for node in MAP.nodes.values():
        seen = set()
        while node.parent:
            assert node.id not in seen, f"{node.id} is its own ancestor"
            seen.add(node.id)
            node = MAP.nodes[node.parent]
        assert node.id == "deep-learning"


def test_explanations_are_one_plain_sentence():
    for node in MAP.nodes.values():
        assert re.fullmatch(r"[^.].{10,115}\.", node.what), node.id


def test_each_lecture_of_the_map_is_written_under_the_name_that_the_map_links_to():
    assert {number: lecture.stem for number, lecture in MAP.lectures.items()} == paths.units()


GOOD = """
lectures: {"00": [The map, 00_the_map]}
nodes:
  - {id: a, name: {en: A, ko: 가}, what: First., shape: concept, parent: null, lecture: "00", full: [9, 9]}
  - {id: b, name: {en: B, ko: 나}, what: Next., shape: family, parent: a, lecture: "00", full: [300, 400]}
links:
  - {from: a, to: b, why: {en: why, ko: 왜}, full: [[700, 200], [400, 200]]}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("parent: a", "parent: x", "node 'b': unknown parent 'x'"),
        ("id: b", "id: a", "node 'a': the id is used twice"),
        ("shape: family", "shape: blob", "node 'b': shape 'blob' is not one of concept, family, detail"),
        (", full: [300, 400]", "", "node 'b': 'full' is missing"),
        ("[300, 400]", "[300]", "node 'b': a position must be [x, y], not [300]"),
        ("[300, 400]", "[300, 400], simple: [1, 2]", "node 'b': its parent 'a' is not on the simple map"),
        ("[300, 400]", "[300, 400], grow: up", "node 'b': grow 'up' is not left or right"),
        ("{en: B, ko: 나}", "{en: B}", "node 'b': name must hold en and ko"),
        ('parent: a, lecture: "00"', 'parent: a, lecture: "77"', "lecture '77' is not in the table"),
        ("to: b", "to: z", "link 'a' to 'z': unknown node 'z'"),
        ("[[700, 200], [400, 200]]", "[[700, 200]]", "'full' must hold the two handles"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(old, new, message):
    assert concept_map.parse(GOOD).nodes["b"].parent == "a"
    assert old in GOOD
    with pytest.raises(ValueError, match=re.escape(message)):
        concept_map.parse(GOOD.replace(old, new))


# --- the layout -------------------------------------------------------------------------------------------


def overlap(one: concept_map.Box, other: concept_map.Box, gap: float = 0) -> bool:
    return (
        abs(one.x - other.x) < (one.w + other.w) / 2 + gap
        and abs(one.y - other.y) < (one.h + other.h) / 2 + gap
    )


@pytest.mark.parametrize(("simple", "lang"), PICTURES)
def test_nothing_overlaps(simple, lang):
    place = concept_map.layout(simple, lang)
    things = [*place.boxes.items(), *place.labels.items()]
    for i, (name, box) in enumerate(things):
        assert box.x - box.w / 2 > 8 and box.x + box.w / 2 < concept_map.WIDTH - 8, (
            f"{name} leaves the canvas"
        )
        assert box.y - box.h / 2 > 8 and box.y + box.h / 2 < 850, (
            f"{name} leaves the canvas or meets the legend"
        )
        for other_name, other in things[i + 1 :]:
            assert not overlap(box, other, gap=2), f"{name} overlaps {other_name}"


@pytest.mark.parametrize(("simple", "lang"), PICTURES)
def test_no_link_runs_through_a_foreign_node(simple, lang):
    place = concept_map.layout(simple, lang)
    for ends, curve in [*place.tree.items(), *place.cross.items()]:
        points = [concept_map.Box(*concept_map.bezier(curve, step / 60), 0, 0) for step in range(61)]
        for id, box in place.boxes.items():
            if id not in ends:
                assert not any(overlap(point, box) for point in points), f"the link {ends} runs through {id}"


def test_type_is_large_enough_to_read():
    assert concept_map.TYPE["full"] * 0.85 >= 15
    assert concept_map.TYPE["simple"] * 0.8 >= 22 * 0.95


# --- the picture ------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def draw(**options) -> ElementTree.Element:
    return ElementTree.fromstring(concept_map.svg(**options))


def states(**options) -> dict[str, set[str]]:
    """Label -> the classes it is drawn with."""
    nodes = draw(lectures=None, **options).iter(f"{SVG}g")
    return {
        node.find(f"{SVG}text").text: set(node.get("class").split())
        for node in nodes
        if "node" in (node.get("class") or "").split()
    }


def label(id: str) -> str:
    return MAP.nodes[id].label["en"]


@pytest.mark.parametrize(("simple", "lang"), PICTURES)
def test_the_picture_is_valid_described_and_always_the_same(simple, lang):
    first = concept_map.svg(simple, lang)
    concept_map.load.cache_clear()
    assert concept_map.svg(simple, lang) == first
    root = ElementTree.fromstring(first)
    assert root.get("role") == "img" and root.get("aria-label")
    assert root.get("viewBox") == "0 0 1600 900" and root.get("width") == "100%"
    shown = {text.text for text in root.iter(f"{SVG}text")}
    assert {node.label[lang] for node in MAP.nodes.values() if node.simple or not simple} <= shown


def test_shapes_follow_the_file():
    drawn = states()
    for node in MAP.nodes.values():
        assert node.shape in drawn[node.label["en"]]
        assert ("bold" in drawn[node.label["en"]]) is node.bold
    root = draw(lectures=None)
    kinds = [node.shape for node in MAP.nodes.values()]
    assert len(list(root.iter(f"{SVG}ellipse"))) == kinds.count("family") + 1  # one in the legend
    assert len(list(root.iter(f"{SVG}rect"))) == kinds.count("concept") + 2  # legend and ground


def test_lit_fades_all_others_and_nothing_else():
    plain, lit = states(), states(lit=["regression", "custom-loss"])
    assert {name for name in lit if "faded" in lit[name]} == {label(id) for id in MAP.nodes} - {
        "Regression",
        "Custom loss",
    }
    assert lit["Regression"] == plain["Regression"]
    assert "lit" in lit["Custom loss"]


def test_what_is_not_on_the_simple_map_lights_its_ancestor():
    lit = states(simple=True, lit=["alexnet", "mse"])
    nodes = {label(id) for id in SIMPLE.split()}
    assert {name for name in nodes if "faded" not in lit[name]} == {label("cnn"), label("objective")}


def test_progress_colours_each_lecture_by_its_share():
    drawn = states(progress={"01": 1, "02": 0.5, "03": 0})
    for node in MAP.nodes.values():
        expected = {"01": "done", "02": "started"}.get(node.lecture, "todo")
        assert expected in drawn[node.label["en"]], node.id
    assert set(concept_map.WORDS["en"]["states"].values()) <= set(drawn)  # the legend
    marks = concept_map.svg(progress={"01": 1}).count("<circle")
    assert marks == len(TAUGHT["01"].split()) + 1


def test_each_node_links_to_its_lecture_if_that_is_written(monkeypatch):
    monkeypatch.setattr(paths, "units", lambda: {"01": "01_regression"})
    links = draw().findall(f"{SVG}a")
    assert {link.get("href") for link in links} == {"../lectures/01_regression.ipynb"}
    assert {link.find(f".//{SVG}text").text for link in links} == {label(id) for id in TAUGHT["01"].split()}
    tips = [title.text for title in draw().iter(f"{SVG}title")]
    assert len(tips) == 88
    assert sum("(not written yet)" in tip for tip in tips) == 88 - len(links)
    assert not draw(lectures=None).findall(f".//{SVG}title")


def test_marks_in_the_text_are_escaped(monkeypatch):
    nasty = concept_map.parse(
        GOOD.replace("en: A,", "en: '<b> & \"A\"',").replace("First.", "'x < y & \"z\".'")
    )
    monkeypatch.setattr(concept_map.model, "load", lambda: nasty)
    assert '<b> & "A"' in {text.text for text in draw().iter(f"{SVG}text")}
    html = concept_map.overlay(concept_map.svg(), "alt", concept_map.layout().boxes, "en", "../lectures")
    assert "<b>" not in html and "x < y" not in html and "x &lt; y &amp; &quot;z&quot;" in html


@pytest.mark.parametrize(
    ("options", "valid"),
    [({"lang": "fr"}, "en, ko"), ({"lit": ["relou"]}, "relu"), ({"progress": {"77": 1}}, "20")],
)
def test_unknown_names_are_refused_with_the_valid_ones(options, valid):
    with pytest.raises(UserError, match=valid):
        concept_map.svg(**options)


# --- in a notebook ----------------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """Collects what `show` displays."""
    outputs = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: outputs.append(data))
    return outputs


def test_show_gives_a_picture_with_links_that_a_sanitizer_keeps(shown):
    concept_map.show("01")
    concept_map.show(1)
    assert shown[0] == shown[1]
    html = shown[0]["text/html"]
    assert "Cross-entropy" in shown[0]["text/plain"]
    assert set(re.findall(r"<(\w+)", html)) == {"div", "img", "a", "details", "summary", "ul", "li", "b"}
    assert html.count("<a ") == 88 and html.count("<li>") == len(TAUGHT["01"].split())
    assert f'alt="{shown[0]["text/plain"]}"' in html
    picture = b64decode(re.search(r"base64,([^\"]+)", html)[1]).decode()
    assert picture == concept_map.svg(lit=TAUGHT["01"].split(), lectures=None)
    assert len(html) < 45_000


def test_show_reads_the_learners_progress(shown, monkeypatch):
    monkeypatch.setattr("utils.checks.fractions", lambda: {"00": 1.0})
    concept_map.show(simple=True, progress=True)
    assert "1/21 done" in shown[0]["text/plain"]
    assert "All exercises are done" in shown[0]["text/html"]  # of the one lecture that has some here
    assert len(shown[0]["text/html"]) < 15_000


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"00": 1.0, "01": 0.5, "02": 0.0}, 'Go on here: <a href="../lectures/01_regression.ipynb">01'),
        ({"00": 0.5, "01": 1.0, "02": 0.0}, 'Go on here: <a href="../lectures/02_optimization.ipynb">02'),
        ({"00": 0.0, "01": 0.0}, None),
    ],
)
def test_a_learner_is_told_where_to_go_on(shown, monkeypatch, shares, said):
    monkeypatch.setattr("utils.checks.fractions", lambda: shares)
    concept_map.show(progress=True)
    concept_map.show()
    if said:
        assert said in shown[0]["text/html"]
    else:
        assert shown[0] == shown[1], "who has done nothing sees the plain map"


def test_type_is_never_too_small_on_a_screen(shown):
    concept_map.show()
    concept_map.show(simple=True)
    for data, size in zip(shown, concept_map.TYPE.values(), strict=True):
        narrowest = int(re.search(r"min-width:(\d+)px", data["text/html"])[1])
        assert size * narrowest / concept_map.WIDTH >= 10.9


@pytest.mark.parametrize(("options", "valid"), [({"lecture": "21"}, "00, 01"), ({"lang": "fr"}, "en, ko")])
def test_show_refuses_unknown_names(options, valid, shown):
    with pytest.raises(UserError, match=valid):
        concept_map.show(**options)
    assert not shown


def test_the_readmes_pictures_are_up_to_date():
    for name, picture in concept_map.stills().items():
        stored = (paths.DATA / name).read_text(encoding="utf-8")
        assert stored == picture, f"data/{name} is old; run: python -m utils.concept_map"
