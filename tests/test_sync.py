"""Gate 1: every built notebook is what its source makes, byte for byte but for outputs."""

import pytest

from utils.authoring.sources import code_cells, pages, sync_problem, with_maps
from utils.paths import ROOT

PAGES = pages(ROOT)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_notebook_equals_its_source(page):
    assert sync_problem(page) is None


def test_every_notebook_has_a_source():
    stored = {
        path for folder in ("lectures", "solutions", "exercises") for path in (ROOT / folder).glob("*.ipynb")
    }
    assert stored - {page.path for page in PAGES} == set()


def test_a_stored_map_follows_the_maps_own_file():
    page = next(page for page in PAGES if page.name == "lectures/02_optimization")
    nb = page.stored()
    cell = next(cell for cell in code_cells(nb) if "concept_map.show(" in cell.source)
    (output,) = cell.outputs
    today = output.data["text/html"]
    output.data["text/html"] = today.replace("01_regression.ipynb", "99_gone.ipynb")
    assert output.data["text/html"] != today
    assert with_maps(nb, page) is nb and output.data["text/html"] == today
