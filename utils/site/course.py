"""What the site is made of: the stored notebooks, read once, and where everything stands."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from nbformat import NotebookNode

from utils import concept_map, glossary
from utils.authoring import index
from utils.authoring.sources import Page, pages
from utils.glossary import Term

SECTION = re.compile(r"## (\d+) · (.+)")
HEADING = re.compile(r"## (?:(\d+) · )?(.+)")
NOTES = r"(?s)<summary>Notes for the room \((\d+) minutes\)</summary>\n(.*)</details>"
# Pages that stand in the repository under another name.
DOCUMENTS = {
    "README.md": "start",
    "data/README.md": "data",
    "lectures/CLAIMS.md": "claims",
    "lectures/README.md": "lectures/index",
}


@dataclass(frozen=True)
class Section:
    """A section of a notebook: its number ("" for one that has none), its title, its cells."""

    place: str
    title: str
    cells: list[NotebookNode] = field(default_factory=list)

    def prose(self, pattern: str, kind: str = "") -> list[str]:
        """What a pattern finds in its Markdown; in the presenter's notes, where `kind` is "notes"."""
        texts = (c.source for c in self.cells if c.cell_type == "markdown" and ("notes" in tags(c)) == bool(kind))
        return [found for text in texts for found in re.findall(pattern, text)]

    @property
    def notes(self) -> list[str]:
        """What the notes for the room say, a line each."""
        return [line for text in self.prose(NOTES, "notes") for line in text[1].strip().splitlines() if line.strip()]

    @property
    def minutes(self) -> int:
        """What the notes for the room give it."""
        return sum(int(text[0]) for text in self.prose(NOTES, "notes"))


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
            for part in self.sections(f"lectures/{stem}"):
                for id in re.findall(r"`([\w-]+)`", " ".join(part.prose(r"(?m)^On the map: (.+)$"))):
                    if id in mine and part.place:
                        found.setdefault(id, f"lectures/{stem}.html#{section(head['number'], part.place)}")
            found |= {id: f"lectures/{stem}.html" for id in mine - found.keys()}
        return found

    def sections(self, name: str) -> list[Section]:
        """The sections of a notebook, its header first."""
        parts = [Section("", "")]
        for cell in self.cells(name):
            if head := HEADING.match(cell.source) if cell.cell_type == "markdown" else None:
                parts.append(Section(head[1] or "", head[2]))
            parts[-1].cells.append(cell)
        return parts

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


def tags(cell: NotebookNode) -> set[str]:
    """The tags of a cell."""
    return set(cell.metadata.get("tags", []))


def facts(cell: NotebookNode) -> list[dict]:
    """What the outputs of a cell say to tools: claims, predictions, outcomes."""
    return [output.get("metadata", {}).get("dlmap", {}) for output in cell.get("outputs", [])]


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
    """What to do about a notebook that is not built; the same for all of a lecture."""
    number = page.source.stem[:2]
    return f"Lecture {number} is not built: `dlmap build {number} --run`, then `make site`"


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
