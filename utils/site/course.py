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
from utils.errors import UserError, choose
from utils.glossary import Term
from utils.predictions import WIDGET

SECTION = re.compile(r"## (\d+) · (.+)")
HEADING = re.compile(r"## (?:(\d+) · )?(.+)")
NOTES = r"(?s)<summary>Notes for the room \((\d+) minutes\)</summary>\n(.*)</details>"
# What a presenter's note says of the usual answer.
USUAL = re.compile(
    r"(?i)\b(wrong answers?|usual|votes? for|nearly everybody|many trust|most guesses|expect:"
    r"|most (say|expect|guess|predict|trust)|at (the|\*).*predict)"
)
PREDICT = "**Predict first.**"
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
        cells = (cell for cell in self.cells if cell.cell_type == "markdown")
        texts = (cell.source for cell in cells if ("notes" in tags(cell)) == (kind == "notes"))
        return [found for text in texts for found in re.findall(pattern, text)]

    @property
    def notes(self) -> list[str]:
        """What the notes for the room say, a line each."""
        said = "\n".join(text for _, text in self.prose(NOTES, "notes"))
        return [line for line in said.splitlines() if line.strip()]

    @property
    def minutes(self) -> int:
        """What the notes for the room give it."""
        return sum(int(minutes) for minutes, _ in self.prose(NOTES, "notes"))


@dataclass(frozen=True)
class Course:
    """The notebooks under `root`, by name ("lectures/04_neural_networks"), and what is said about them.

    `missing`: what to do about each notebook that is not built, by its name. `pictures`: what the pages show,
    by file name; filled while they are made.
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
                        found.setdefault(id, aim(stem, part.place))
            found |= dict.fromkeys(mine - found.keys(), aim(stem))
        return found

    def stem(self, number: str) -> str:
        """The lecture of a number, "04_…", which is built. Raises UserError."""
        stems = {stem[:2]: stem for stem in self.heads}
        if number.zfill(2) not in stems:
            raise choose("lecture", number, stems)
        stem = stems[number.zfill(2)]
        if why := self.missing.get(f"lectures/{stem}"):
            raise UserError(why)
        return stem

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

    def way(self, target: str, here: str, page: str = "") -> str | None:
        """A link of the notebook or document `here` ("lectures/04_…") as one of the site, or None.

        `target` is relative to its file: "../solutions/04_….ipynb#a" -> "../exercises/04_….md#a".
        `page` is where it will stand on the site, if not under the same name.
        """
        if re.match(r"[a-z]+:|#", target):
            return target
        path, hash, anchor = target.partition("#")
        file = PurePosixPath(os.path.normpath(PurePosixPath(here).parent / path))
        if str(file) in DOCUMENTS:
            document = DOCUMENTS[str(file)]
        elif file.stem in self.heads and file.suffix == ".ipynb":
            document = f"{'lectures' if file.parts[0] == 'lectures' else 'exercises'}/{file.stem}"
        elif self.repository and (self.root / file).exists():
            return f"https://github.com/{self.repository}/blob/HEAD/{file}{hash}{anchor}"
        else:
            return None
        start = PurePosixPath(page or DOCUMENTS.get(f"{here}.md", here)).parent
        return f"{PurePosixPath(os.path.relpath(document, start)).as_posix()}.md{hash}{anchor}"

    def links(self, text: str, here: str, page: str = "") -> str:
        """Markdown whose links lead to pages of the site; of a link that leads nowhere the words stay."""

        def moved(found: re.Match) -> str:
            way = self.way(found[2], here, page)
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


def aim(stem: str, place: str = "", kind: str = "html") -> str:
    """The way from the home page to a section, "lectures/04_….html#section-04-2"; to the top if "" or "0"."""
    return f"lectures/{stem}.{kind}" + (f"#{section(stem[:2], place)}" if place not in ("", "0") else "")


def read(root: Path) -> Course:
    """The course under `root`. A notebook without the outputs of a whole run counts as not built."""
    notebooks, missing = {}, {}
    for page in pages(root):
        stored = page.stored()
        if stored is None or (page.executed and "dlmap" not in stored.metadata):
            missing[page.name] = remedy(page)
        else:
            notebooks[page.name] = settled(stored)
    return Course(root, index.headers(root), notebooks, missing, repository(root))


def settled(nb: NotebookNode) -> NotebookNode:
    """A notebook without what only a live run adds to it: widgets, and the colours of a terminal."""
    for cell in nb.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
            for data in (output.get("data", {}) for output in cell.outputs):
                if "text/plain" in data:
                    data["text/plain"] = re.sub(r"\x1b\[[\d;]*m", "", data["text/plain"])
    return nb


def remedy(page: Page) -> str:
    """What to do about a notebook that is not built; the same for all of a lecture."""
    number = page.source.stem[:2]
    return f"Lecture {number} is not built: `dlmap build {number} --run` builds it"


def repository(root: Path) -> str | None:
    """Owner and name on GitHub of what was checked out here, for Binder; None if it is from elsewhere."""
    if named := os.environ.get("GITHUB_REPOSITORY"):
        return named
    try:
        asked = ["git", "-C", str(root), "remote", "get-url", "origin"]
        url = subprocess.run(asked, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?$", url)
    return found[1] if found else None
