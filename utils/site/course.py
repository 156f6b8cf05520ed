"""What the site is made of: the stored notebooks, read once, and where everything stands."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from utils import concept_map, glossary
from utils.authoring import index
from utils.authoring.sources import Page, pages
from utils.glossary import Term

SECTION = re.compile(r"## (\d+) · (.+)")
# Pages that stand in the repository under another name.
DOCUMENTS = {
    "README.md": "start",
    "data/README.md": "data",
    "lectures/CLAIMS.md": "claims",
    "lectures/README.md": "lectures/index",
}


@dataclass(frozen=True)
class Course:
    """The notebooks under `root`, by name ("lectures/04_neural_networks"), and what is said about them.

    `missing`: a line for each lecture that is not built, by its name. `pictures`: what the pages show, by file
    name; filled while they are made.
    """

    root: Path
    heads: dict[str, dict[str, str]]
    notebooks: dict[str, NotebookNode]
    missing: dict[str, str]
    repository: str | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def terms(self) -> dict[str, Term]:
        """The glossary's entries whose lectures are here."""
        here = {head["number"] for head in self.heads.values()}
        return {key: term for key, term in glossary.load().items() if term.lecture in here}

    @cached_property
    def places(self) -> dict[str, str]:
        """The section that teaches each concept of the map: {"mlp": "lectures/04_….html#section-04-1"}.

        The first section of its lecture that names it; the top of the lecture where none does.
        """
        known, found = concept_map.load(), {}
        for stem, head in self.heads.items():
            mine = {id for id, node in known.nodes.items() if node.lecture == head["number"]}
            for id, anchor in self._named(stem, head["number"]):
                if id in mine:
                    found.setdefault(id, f"lectures/{stem}.html#{anchor}")
            found |= {id: f"lectures/{stem}.html" for id in mine - found.keys()}
        return found

    def _named(self, stem: str, number: str) -> Iterator[tuple[str, str]]:
        for cell in self.cells(f"lectures/{stem}"):
            if head := SECTION.match(cell.source):
                for line in re.findall(r"(?m)^On the map: (.+)$", cell.source):
                    yield from ((id, section(number, head[1])) for id in re.findall(r"`([\w-]+)`", line))

    def cells(self, name: str) -> list[NotebookNode]:
        """The cells of a notebook, of none where it is not built."""
        return self.notebooks[name].cells if name in self.notebooks else []

    def way(self, target: str, here: str) -> str | None:
        """A link of the notebook or document `here` ("lectures/04_…"), as one of the site; None if there is none.

        `target` is relative to the file in the repository: "../solutions/04_….ipynb#a" -> "../exercises/04_….md#a".
        """
        if re.match(r"[a-z]+:|#", target):
            return target
        path, hash, anchor = target.partition("#")
        aim = os.path.normpath(PurePosixPath(here).parent / path)
        stem = PurePosixPath(aim).stem
        if aim in DOCUMENTS:
            document = DOCUMENTS[aim]
        elif stem in self.heads and aim.endswith(".ipynb"):
            document = f"{'lectures' if aim.startswith('lectures') else 'exercises'}/{stem}"
        elif self.repository and (self.root / aim).exists():
            return f"https://github.com/{self.repository}/blob/HEAD/{aim}{hash}{anchor}"
        else:
            return None
        start = PurePosixPath(DOCUMENTS.get(f"{here}.md", here)).parent
        return f"{PurePosixPath(os.path.relpath(document, start)).as_posix()}.md{hash}{anchor}"

    def links(self, text: str, here: str) -> str:
        """Markdown whose links lead to pages of the site; of a link that leads nowhere the words stay."""

        def moved(found: re.Match) -> str:
            way = self.way(found[2], here)
            return f"[{found[1]}]({way})" if way else found[1]

        return re.sub(r"(?<!!)\[([^\]\n]*)\]\(([^)\s]+)\)", moved, text)


def section(number: str, place: str) -> str:
    """The anchor of a section: ("04", "2") -> "section-04-2"."""
    return f"section-{number}-{place}"


def read(root: Path) -> Course:
    """The course under `root`. A notebook without the outputs of a whole run counts as not built."""
    notebooks, missing = {}, {}
    for page in pages(root):
        stored = page.stored()
        if stored is None or (page.executed and "dlmap" not in stored.metadata):
            missing[page.name] = remedy(page)
        else:
            notebooks[page.name] = stored
    return Course(root, index.headers(root), notebooks, missing, repository(root))


def remedy(page: Page) -> str:
    return f"{page.name} is not built: `dlmap build {page.source.stem[:2]} --run`, then `make site`"


def repository(root: Path) -> str | None:
    """The owner and the name on GitHub that this checkout comes from, which Binder opens; None if elsewhere."""
    if named := os.environ.get("GITHUB_REPOSITORY"):
        return named
    try:
        asked = ["git", "-C", str(root), "remote", "get-url", "origin"]
        url = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", url)
    return found[1] if found else None
