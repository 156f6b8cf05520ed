"""Source -> notebook: a pure function of the written file, so that a notebook can be held against its source.

A source is a jupytext `py:percent` file. `lectures/src/NN_name.py` makes `lectures/NN_name.ipynb`;
`solutions/src/NN_name.py` makes `solutions/NN_name.ipynb` and `exercises/NN_name.ipynb`.
"""

import ast
import hashlib
import json
import re
import warnings
from collections import Counter
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from utils import concept_map
from utils.authoring import links, merges
from utils.errors import UserError, choose
from utils.paths import atomic_write

# What JupyterLab writes when it opens a notebook, so that opening one changes nothing; but for the version of
# Python, which would change with every machine that builds: `dlmap lab` adds it to the page, not to the file.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}


@dataclass(frozen=True)
class Page:
    """One notebook of the course and the source it is built from."""

    source: Path
    path: Path

    @property
    def name(self) -> str:
        """For people: "lectures/01_regression"."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def executed(self) -> bool:
        """Exercises are for the learner to run; the others carry their outputs."""
        return self.path.parent.name != "exercises"

    def build(self) -> NotebookNode:
        """The notebook as its source says, without outputs."""
        text = self.source.read_text(encoding="utf-8")
        if self.source.parents[1].name == "solutions":
            text = resolve_regions(text, str(self.source), keep="solution" if self.executed else "exercise")
        text = links.added(text, self.source, self.path)
        return notebook(text, drop=() if self.executed else ("solution-only",))

    def stored(self) -> NotebookNode | None:
        """The notebook on disk, or None where there is none that can be read. Raises Unmerged."""
        try:
            return read(self.path)
        except Unmerged:  # to build it anew would lose its outputs
            raise
        except (FileNotFoundError, UserError):
            return None


class Unmerged(UserError):
    """A notebook with the conflict marks of a merge in it."""


def read(path: Path) -> NotebookNode:
    """A notebook from disk. Raises UserError where the file is not one."""
    try:
        with warnings.catch_warnings():  # where two cells share an id, or one has none, it gets one in memory
            warnings.simplefilter("ignore", nbformat.warnings.DuplicateCellId)
            warnings.simplefilter("ignore", nbformat.warnings.MissingIDFieldWarning)
            return nbformat.read(path, as_version=4)
    except (ValueError, AttributeError, nbformat.ValidationError):  # no JSON, no object, no notebook
        if why := merges.remedy(path, path.read_text(encoding="utf-8", errors="replace")):
            raise Unmerged(why) from None
        raise UserError(f"{path} is not a notebook") from None


def pages(root: Path, numbers: list[str] | None = None) -> list[Page]:
    """Every notebook that the sources under `root` make, or those of the given lectures: ["0", "01"]."""
    makes = {"lectures": ["lectures"], "solutions": ["solutions", "exercises"]}
    sources = [path for folder in makes for path in sorted(root.glob(f"{folder}/src/[0-9][0-9]_*.py"))]
    wanted = {number.zfill(2) if number else number for number in numbers or []}
    known = sorted({source.stem[:2] for source in sources})
    for number in sorted(wanted.difference(known)):
        raise choose("lecture", number, known)
    return [
        Page(source, root / folder / f"{source.stem}.ipynb")
        for source in sources
        if not wanted or source.stem[:2] in wanted
        for folder in makes[source.parents[1].name]
    ]


def notebook(text: str, drop: tuple[str, ...] = ()) -> NotebookNode:
    """Build a notebook from the text of a source; cells with a tag in `drop` are left out.

    Cell ids are hashes of the content: an edit changes the ids of the edited cells and of no others.
    """
    seen: Counter[str] = Counter()
    cells = []
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        tags = cell.metadata.get("tags", [])
        if set(tags) & set(drop):
            continue
        if "notes" in tags:
            cell.source = folded(cell.source)
        content = f"{cell.cell_type}\n{cell.source}"
        seen[content] += 1
        cell.id = hashlib.sha256(f"{content}\n{seen[content]}".encode()).hexdigest()[:12]
        cell.metadata = cell_metadata(cell.cell_type, cell.source, tags)
        cells.append(cell)
    mark_reveals(cells)
    return nbformat.v4.new_notebook(cells=cells, metadata=nbformat.from_dict(METADATA))


NOTES = re.compile(r"\*\*(Notes for the room \((\d+) minutes\))\.\*\*\n")


def folded(source: str) -> str:
    """A presenter's note, closed until somebody opens it, in every front end.

    Raises UserError if its first line is not `**Notes for the room (12 minutes).**`.
    """
    head = NOTES.match(source)
    if head is None:
        first = source.partition("\n")[0]
        raise UserError(
            f"a cell tagged notes begins with `**Notes for the room (12 minutes).**`, not {first!r}"
        )
    return f"<details><summary>{head[1]}</summary>\n\n{source[head.end() :].strip()}\n\n</details>"


def compared(source: str) -> bool:
    """Whether what a code cell shows must be the same on every machine: claims and outcomes.

    A claim that `needs` what may be missing is not said everywhere; where it is measured it must hold.
    """
    told = calls(source, "claim") + calls(source, "outcome")
    return bool(told) and not any(word.arg == "needs" for call in told for word in call.keywords)


def cell_metadata(kind: str, source: str, tags: list[str]) -> NotebookNode:
    """Tags, the place in the slides and what is folded, all by rule: nobody has to keep them by hand."""
    tags, slide, hidden = list(tags), None, False
    if "notes" in tags:
        slide = "notes"
    elif "navigation" in tags:
        slide = "skip"
    elif kind == "markdown":
        if re.match(r"##? ", source):
            slide = "slide"
        elif re.match(r"### |\*\*Predict first", source):
            slide = "subslide"
    elif "parameters" in tags or "runtime.setup(" in source:
        slide, hidden = "skip", True  # the first screen is the question and the map
    elif compared(source) and "nbval-check-output" not in tags:
        tags.append("nbval-check-output")  # what a claim says is compared, here and on every machine
    metadata = {"tags": tags} if tags else {}
    if slide:
        metadata["slideshow"] = {"slide_type": slide}
    if hidden:
        metadata["jupyter"] = {"source_hidden": True}
    return nbformat.from_dict(metadata)


def mark_reveals(cells: list[NotebookNode]) -> None:
    """Tag what gives an answer away: from `predict("name", …)` to the words about its `outcome("name")`."""
    asked: dict[str, int] = {}
    for place, cell in enumerate(cells):
        if cell.cell_type == "code":
            asked |= dict.fromkeys(first_words(cell.source, "predict"), place)
            for name in asked.keys() & first_words(cell.source, "outcome"):
                words = takewhile(lambda after: after.cell_type == "markdown", cells[place + 1 :])
                words = takewhile(lambda after: not re.match(r"#|\*\*Predict first", after.source), words)
                for shows in [*cells[asked.pop(name) + 1 : place + 1], *words]:
                    tags = shows.metadata.setdefault("tags", [])
                    if not {"reveals", "notes"} & set(tags):  # a note is folded already
                        tags.append("reveals")


def first_words(source: str, function: str) -> set[str]:
    """The first argument of each call of a function, where it is a literal."""
    firsts = [call.args[0] for call in calls(source, function) if call.args]
    return {first.value for first in firsts if isinstance(first, ast.Constant)}


def calls(source: str, function: str) -> list[ast.Call]:
    """The calls of a function by its name in a cell's code; none where the code is not Python."""
    try:
        nodes = ast.walk(ast.parse(source))
    except SyntaxError:
        return []
    return [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == function]


# --- an exercise is its solution with the answers taken out --------------------------------------------


def resolve_regions(text: str, name: str, keep: str) -> str:
    """Keep the "solution" or the "exercise" of every `# solution` … `# end solution` region; markers go.

    The exercise of an indented region is `return ...`; of one at the left margin, `name = ...` for each name
    it assigns; where a line `# exercise` stands in the region, the commented lines after it, uncommented.
    Raises UserError, with file and line, for markers that do not pair up within one cell.
    """
    out: list[str] = []
    start, region, exercise = 0, None, None  # the open region: its line, its solution, its own exercise
    markdown = False
    for number, line in enumerate([*text.splitlines(), "# %%"], 1):
        where, word = f"{name}:{number}", line.strip()
        if line.startswith("# %%"):
            if region is not None:
                raise UserError(f"{name}:{start}: `# solution` has no `# end solution` in its cell")
            markdown = "[markdown]" in line
            out.append(line)
        elif markdown:
            out.append(line)
        elif word == "# solution":
            if region is not None:
                raise UserError(f"{where}: `# solution` inside the region that began on line {start}")
            start, region, exercise = number, [], None
        elif word == "# end solution":
            if region is None:
                raise UserError(f"{where}: `# end solution` without a `# solution` before it in the cell")
            if keep == "solution":
                out += region
            else:  # `# exercise` with nothing under it leaves nothing
                out += stub(region, f"{name}:{start}") if exercise is None else exercise
            region = None
        elif region is None:
            out.append(line)
        elif word == "# exercise":
            exercise = []
        elif exercise is None:
            region.append(line)
        elif word.startswith("#") or not word:
            exercise.append(re.sub(r"^(\s*)# ?", r"\1", line))
        else:
            raise UserError(f"{where}: between `# exercise` and `# end solution` every line is a comment")
    return "\n".join(out[:-1]) + "\n"


def stub(region: list[str], where: str) -> list[str]:
    """What a learner finds in the place of a solution."""
    first = next((line for line in region if line.strip()), "")
    indent = first[: len(first) - len(first.lstrip())]
    if indent:
        return [f"{indent}# your code here", f"{indent}return ..."]
    try:
        statements = ast.parse("\n".join(region)).body
    except SyntaxError as error:
        raise UserError(f"{where}: the solution is not Python: {error.msg}") from None
    names = [name for statement in statements for name in assigned(statement)]
    if not names:
        raise UserError(
            f"{where}: the solution assigns no name; say under `# exercise` what stands in its place"
        )
    return ["# your code here", *(f"{name} = ..." for name in dict.fromkeys(names))]


def assigned(statement: ast.stmt) -> list[str]:
    """The names that a statement at the left margin gives a value."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    if not isinstance(statement, ast.Assign | ast.AnnAssign):
        return []
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


# --- outputs: which code they came from, and how they are kept -----------------------------------------


def code_cells(nb: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def code_hash(nb: NotebookNode) -> str:
    """The stamp of a run: sha256 over the sources of the code cells, in order."""
    return hashlib.sha256(json.dumps([cell.source for cell in code_cells(nb)]).encode()).hexdigest()


def is_fresh(built: NotebookNode, stored: NotebookNode | None) -> bool:
    """True if the stored outputs came from the code of the built notebook, and nobody edited it since."""
    if stored is None:
        return False
    stamp = stored.metadata.get("dlmap", {}).get("code")
    return code_hash(built) == code_hash(stored) == stamp


def with_outputs(built: NotebookNode, ran: NotebookNode) -> NotebookNode:
    """The built notebook with the outputs, counts and stamp of another one that has the same code cells."""
    for cell, other in zip(code_cells(built), code_cells(ran), strict=True):
        cell.outputs, cell.execution_count = other.outputs, other.execution_count
    if code := ran.metadata.get("dlmap", {}).get("code"):
        built.metadata.dlmap = {"code": code}
    return built


def with_maps(nb: NotebookNode, page: Page) -> NotebookNode:
    """The notebook with its pictures of the map drawn anew: its texts and links change with `data/map.yaml`.

    The map costs no run, and nobody's progress belongs in a stored one.
    """
    way = "." if page.path.parent.name == "lectures" else "../lectures"
    for cell in code_cells(nb):
        pictures = [output for output in cell.outputs if "text/html" in output.get("data", {})]
        for call, picture in zip(calls(cell.source, "concept_map.show"), pictures, strict=False):
            number = ast.literal_eval(call.args[0]) if call.args else None
            given = {key.arg: ast.literal_eval(key.value) for key in call.keywords if key.arg != "progress"}
            picture.data.update(concept_map.drawn(number, way=way, **given))
    return nb


def dumps(nb: NotebookNode) -> str:
    """The one way a notebook is written: sorted keys, indent 1, real letters, a newline at the end."""
    return nbformat.writes(nbformat.from_dict(whole(nb))) + "\n"


def whole(value: Any) -> Any:
    """The same value with 4 for 4.0, in metadata too: a browser knows one kind of number and saves it so."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:  # beyond, it writes 1e+21
        return int(value)
    if isinstance(value, dict):
        return {key: whole(inner) for key, inner in value.items()}
    return [whole(inner) for inner in value] if isinstance(value, list) else value


def write(page: Page, nb: NotebookNode) -> bool:
    """Store a notebook; True if the file changed. Nobody ever reads half of it."""
    text = dumps(nb)
    if page.path.exists() and page.path.read_text(encoding="utf-8") == text:
        return False
    atomic_write(page.path, text)
    return True


def sync_problem(page: Page) -> str | None:
    """Why the stored notebook is not what its source makes, byte for byte but for outputs; None if it is."""
    stored, remedy = page.stored(), f"Run `dlmap build {page.source.stem[:2]}`"
    if stored is None:
        return f"{page.name}: not built. {remedy}"
    built = page.build()
    try:
        wanted = with_maps(with_outputs(built, stored), page) if page.executed else built
        same = page.path.read_text(encoding="utf-8") == dumps(wanted)
    except ValueError:  # not the same number of code cells
        same = False
    return None if same else f"{page.name}: differs from its source. {remedy}"


def fresh_problem(page: Page) -> str | None:
    """Why the stored outputs are not those of the source's code; None if they are, or none are wanted."""
    if not page.executed or is_fresh(page.build(), page.stored()):
        return None
    return f"{page.name}: outputs are not from this code. Run `dlmap build {page.source.stem[:2]} --run`"
