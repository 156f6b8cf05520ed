"""What nbconvert makes of a notebook: described pictures, links from page to page."""

import json

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from utils.paths import ROOT
from utils.predictions import WIDGET

FILE = "utils/authoring/jupyter_nbconvert_config.json"
SETTINGS = json.loads((ROOT / FILE).read_text())
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_nbconvert_finds_the_settings_where_make_installs_the_course():
    assert f"cp {FILE} .venv/etc/jupyter/" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_a_page_holds_no_widget_that_nothing_moves():
    """The state of widgets without its "state" also ends nbconvert's own export."""
    slider = nbformat.v4.new_output("display_data", {WIDGET: {"model_id": "a"}, "text/plain": "a slider"})
    picture = nbformat.v4.new_output("display_data", {"image/png": PNG, "text/html": '<img alt="a curve">'})
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[slider, picture])])
    nb.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {"version_major": 2}}
    page, _ = HTMLExporter(config=Config(SETTINGS)).from_notebook_node(nb)
    assert '<img alt="a curve"' in page and "a slider" not in page and '"model_id"' not in page


def test_a_page_describes_its_pictures_and_leads_to_pages():
    about = {"image/png": {"alt": "One black dot.", "width": 1}}
    picture = nbformat.v4.new_output("display_data", {"image/png": PNG}, metadata=about)
    way = nbformat.v4.new_output("display_data", {"text/html": '<a href="../lectures/02_next.ipynb">2</a>'})
    text = "[next](02_next.ipynb#a) [code](https://x.org/a.ipynb) `x.ipynb`"
    cells = [nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell("x", outputs=[picture, way])]
    page, _ = HTMLExporter(config=Config(SETTINGS)).from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    assert 'alt="One black dot."' in page and "No description" not in page
    assert page.count(PNG) == 1
    for target in ("02_next.html#a", "../lectures/02_next.html", "https://x.org/a.ipynb"):
        assert f'href="{target}"' in page
    assert "x.ipynb</code>" in page
