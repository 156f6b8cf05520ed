"""Gate 2: the stored outputs came from one clean run of the stored code."""

import pytest

from utils.authoring.gates import freshness
from utils.authoring.sources import pages
from utils.paths import ROOT


@pytest.mark.parametrize("page", [page for page in pages(ROOT) if page.executed], ids=lambda page: page.name)
def test_outputs_are_fresh(page):
    nb = page.stored()
    assert nb is not None, "not built"
    assert freshness(nb, page.path) == []
