"""Gate 1: every built notebook is what its source makes, byte for byte but for outputs."""

import pytest

from utils.authoring.sources import pages, sync_problem
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
