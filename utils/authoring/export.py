"""For `jupyter nbconvert --to html`: `jupyter_nbconvert_config.json`, which `make` installs, leads it here.

Its own pages would tell who cannot see a picture that "no description has been provided", link to notebooks,
which a browser shows as source, and show sliders and buttons that move nothing.
"""

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor

from utils.authoring.lab.contents import described
from utils.predictions import WIDGET

# To a file of the course, in Markdown or HTML; the page beside it has the same name.
NOTEBOOK = re.compile(r'(\]\(|href=")(?![a-z]+:)([^)"#\s]+)\.ipynb(?=[#)"])')


class Readable(Preprocessor):
    """Pictures with their descriptions, links from page to page; no widgets: a picture stands beside them."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        nb.metadata.pop("widgets", None)
        for data, html in described(nb):
            data["text/html"] = html
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = NOTEBOOK.sub(r"\1\2.html", cell.source)
            if "outputs" in cell:
                cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for output in cell.get("outputs", []):
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = NOTEBOOK.sub(r"\1\2.html", output.data["text/html"])
        return nb, resources
