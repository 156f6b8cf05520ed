"""For `jupyter nbconvert --to html`: `jupyter_nbconvert_config.json`, which `make` installs, leads it here.

Its own pages would tell who cannot see a picture that "no description has been provided", and would link to
notebooks, which a browser shows as source.
"""

import re
from typing import Any

from nbconvert.preprocessors import Preprocessor

from utils.authoring.lab.contents import described

# To a file of the course, in Markdown or HTML; the page beside it has the same name.
NOTEBOOK = re.compile(r'(\]\(|href=")(?![a-z]+:)([^)"#\s]+)\.ipynb(?=[#)"])')


class Readable(Preprocessor):
    """Pictures with their descriptions, links from page to page."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        for data, html in described(nb):
            data["text/html"] = html
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = NOTEBOOK.sub(r"\1\2.html", cell.source)
            for output in cell.get("outputs", []):
                if "text/html" in output.get("data", {}):
                    output.data["text/html"] = NOTEBOOK.sub(r"\1\2.html", output.data["text/html"])
        return nb, resources
