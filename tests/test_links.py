"""What the builder adds to every notebook: where it leads on to. No link is dead: see `test_teaching`."""

import re

import pytest

from utils import concept_map, paths, runtime
from utils.authoring import links
from utils.authoring.sources import pages

PAGES = pages(paths.ROOT)


def ways(page) -> list[list[str]]:
    """The links of each cell with navigation, as paths from the root of the course."""
    cells = [cell for cell in page.build().cells if "navigation" in cell.metadata.get("tags", [])]
    found = [re.findall(r"\]\(([^)]+)\)", cell.source) for cell in cells]
    return [
        [str((page.path.parent / way).resolve().relative_to(paths.ROOT)) for way in each] for each in found
    ]


def test_a_notebook_leads_to_the_other_two_and_to_the_lectures_around_it():
    page = {page.name: page for page in PAGES}
    around = ["lectures/00_the_map.ipynb", "lectures/02_optimization.ipynb"]
    for kind in links.KINDS:
        others = [f"{folder}/01_regression.ipynb" for folder in links.KINDS if folder != kind]
        assert ways(page[f"{kind}/01_regression"]) == [[around[0], *others, around[1]]] * 2
    assert ways(page["lectures/00_the_map"])[0][0] == "exercises/00_the_map.ipynb"


def test_every_notebook_has_its_links_at_both_ends_and_says_which_it_is():
    titles = set()
    for page in PAGES:
        first, second, *_, last = page.build().cells
        assert second.metadata.slideshow.slide_type == last.metadata.slideshow.slide_type == "skip"
        assert "navigation" in second.metadata.tags and "navigation" in last.metadata.tags
        assert ("Write your code" in first.source) is (page.path.parent.name == "exercises")
        titles.add(first.source.splitlines()[0])
    assert len(titles) == len(PAGES), "two notebooks have the same title"


def test_authors_write_none_of_it():
    for source in paths.ROOT.glob("solutions/src/*.py"):
        assert links.ANSWERING[0] not in source.read_text(encoding="utf-8"), source


# --- where a notebook runs -----------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.delenv("DLMAP_BATCH")
    return lambda path: monkeypatch.setenv("JPY_SESSION_NAME", str(path))


@pytest.mark.parametrize(
    ("path", "warned"), [("exercises/01_regression", True), ("exercises/work/01_exercises", False)]
)
def test_an_exercise_outside_work_says_how_to_make_it_ones_own(watched, capsys, path, warned):
    watched(paths.ROOT / f"{path}.ipynb")
    runtime.setup()
    assert ("`dlmap start 01` in a terminal" in capsys.readouterr().out) is warned


def test_nothing_is_said_in_batch(watched, capsys, monkeypatch):
    watched(paths.EXERCISES / "01_regression.ipynb")
    monkeypatch.setenv("DLMAP_BATCH", "1")
    runtime.setup()
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("exercises/work/01_lecture", "../../lectures"),
        ("lectures/01_regression", "."),
        ("../elsewhere/01_lecture", f"../{paths.ROOT.name}/lectures"),
    ],
)
def test_the_map_of_a_copy_leads_to_the_lectures(watched, monkeypatch, path, way):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data["text/html"]))
    watched(paths.ROOT / f"{path}.ipynb")
    concept_map.show("01")
    assert f'href="{way}/01_regression.ipynb"' in shown[0]
