"""What is wrong with a built notebook: each gate returns its findings, a line each; an empty list is a pass.

The tests run them over every notebook of the course, and `tests/test_canary.py` proves that they can fail.
"""

import ast
import base64
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode

from utils.authoring.execute import WIDGET
from utils.authoring.sources import calls, code_cells, code_hash

PICTURE_KB = 80
NOTEBOOK_KB = 700
PICTURES = ("image/png", "image/svg+xml")
PROSE_CELL = 120  # words, folded details not counted
CODE_CELL = 30  # lines that are not blank
CODE_WIDTH = 92  # letters a line: what a projector shows
OPENING = r"runtime\.setup\(|concept_map\.show\("  # a lecture's first code cells, after the parameters

# What a notebook of each kind measures: at least, at most.
MEASURES = {
    "lectures": {
        "cells": (34, 66),
        "words": (1400, 2900),
        "median lines of a code cell": (1, 8),
        "code cells in a row": (1, 2),
        "figures": (6, 11),
        "schematics": (1, 11),
        "claims": (8, 24),
        "predictions": (2, 4),
        "ask the room": (2, 4),
    },
    "solutions": {"tasks": (4, 7)},
    "exercises": {"tasks": (4, 7)},
}

ABSOLUTE = r"(?<![\w/:.<>~)\]])/[\w.-]+/[\w.-]+|\b[A-Z]:\\Users"
# How a claim says that it is about a short training, or about few data.
SHORT = r"\b(?:in|after|within|of) (?:\S+ ){1,3}(?:steps?|epochs?|updates?|rounds?|passes|episodes?|games?)\b"
SMALL = r"\b\d+(?:,\d{3})* (?:rows?|impressions|pictures|letters|words)\b"
# Never in a notebook: pattern -> why.
FORBIDDEN = {
    r"""["']cuda|\.cuda\(""": "names CUDA; the device comes from run.device",
    r"pip install|(?m:^\s*[%!]+(?:pip|conda|uv)\b)": "installs something; pyproject.toml lists the needs",
    r"(?m)^\s*(?:\w+\s*=\s*)?[!%]{1,2}\w|os\.system|subprocess|get_ipython": "runs a shell line or a magic",
    r"torch\.cuda|\.mps\b": "names a device; it comes from run.device",
    r"filterwarnings|simplefilter|catch_warnings": "hides warnings; mend what warns",
    r"Path\.home|expanduser|\b[A-Z]:\\": "leaves the course's folder",
    r"urlopen|urlretrieve|requests\.(?:get|post)": "uses the network; utils.data does, where it must",
    ABSOLUTE: "holds an absolute path",
    r"https?://[^\s)]*(?:pypi|/simple\b)": "links to a package index",
    r"#\s*NBVAL_": "tells nbval how to treat a cell",
}
# nbval would not compare, not run, or not mind that a cell did not raise.
FORBIDDEN_TAGS = {"raises-exception", "nbval-skip", "nbval-ignore-output", "skip-execution"}


def words(text: str) -> int:
    """Words of prose: code, formulas and HTML tags are not read aloud."""
    prose = re.sub(r"`[^`]*`|\$\$[^$]*\$\$|\$[^$]*\$|<[^>]+>", " ", text)
    return len(re.findall(r"[A-Za-z가-힣']{2,}", prose))


def lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


def measure(nb: NotebookNode) -> dict[str, float]:
    """The numbers that MEASURES bounds; the links that the builder adds are no cells of the author's."""
    written = [cell for cell in nb.cells if "navigation" not in cell.metadata.get("tags", [])]
    prose = "\n".join(cell.source for cell in written if cell.cell_type == "markdown")
    code = [cell.source for cell in code_cells(nb)]
    everything = "\n".join(code)
    return {
        "cells": len(written),
        "words": words(prose),
        "median lines of a code cell": statistics.median([lines(source) for source in code] or [0]),
        "figures": sum(kind in PICTURES for output in outputs(nb) for kind in output.get("data", {})),
        "schematics": len(re.findall(r"\bSketch\(", everything)),
        "code cells in a row": in_a_row(nb),
        "claims": sum(len(calls(source, "claim")) for source in code),
        "predictions": sum(len(calls(source, "predict")) for source in code),
        "ask the room": len(re.findall(r"(?m)^\*\*Ask the room\b", prose)),
        "tasks": len(set(re.findall(r"\bcheck\(\s*[\"']([^\"']+)", everything))),
    }


def in_a_row(nb: NotebookNode) -> int:
    """The most code cells that follow one another without a word between; the opening ones are not read."""
    most = run = 0
    for cell in nb.cells:
        opening = "parameters" in cell.metadata.get("tags", []) or re.search(OPENING, cell.source)
        run = run + 1 if cell.cell_type == "code" and not opening else 0
        most = max(most, run)
    return most


def outputs(nb: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(nb) for output in cell.outputs]


def style(nb: NotebookNode, kind: str) -> list[str]:
    """The measures of a notebook of that `kind`, a key of MEASURES, and what must not be in it."""
    found = measure(nb)
    problems = [
        f"{what}: {found[what]:g}, wanted {low} to {high}"
        for what, (low, high) in MEASURES[kind].items()
        if not low <= found[what] <= high
    ]
    for number, cell in enumerate(nb.cells, 1):
        where = f"cell {number} `{cell.source.strip().splitlines()[0][:50] if cell.source.strip() else ''}`"
        problems += [
            f"{where} {why}" for pattern, why in FORBIDDEN.items() if re.search(pattern, cell.source)
        ]
        tags = FORBIDDEN_TAGS.intersection(cell.metadata.get("tags", []))
        problems += [f"{where} has the tag {tag}" for tag in sorted(tags)]
        if cell.cell_type == "code":
            problems += [f"{where} {why}" for why in hidden_claims(cell.source)]
        open_text = re.sub(r"(?is)<details\b.*?</details>", " ", cell.source)
        if cell.cell_type == "markdown" and words(open_text) > PROSE_CELL:
            problems.append(f"{where} has {words(open_text)} words, wanted at most {PROSE_CELL}")
        if cell.cell_type == "code" and lines(cell.source) > CODE_CELL:
            problems.append(f"{where} has {lines(cell.source)} lines, wanted at most {CODE_CELL}")
        longest = max((len(line) for line in cell.source.splitlines()), default=0)
        if cell.cell_type == "code" and longest > CODE_WIDTH:
            problems.append(f"{where} has a line of {longest} letters, wanted at most {CODE_WIDTH}")
    if kind == "lectures":
        problems += parameters(nb) + predictions(nb) + notes(nb) + answers(nb)
    return problems


def hidden_claims(source: str) -> list[str]:
    """Claims that cannot fail or cannot be seen: a literal as the measured number, another name, a `try`.

    A claim that is excused from longer training (`short=True`) or more data (`small=True`) says so.
    """
    found = calls(source, "claim")
    problems = [
        "claims a literal" for call in found if len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    ]
    problems += [
        f"is a claim of {what}, and does not say of how {much}: `{such}`"
        for call in found
        for excuse, pattern, what, much, such in (
            ("short", SHORT, "a short training", "long", "in 50 steps"),
            ("small", SMALL, "few data", "many", "from 2,000 rows"),
        )
        if any(word.arg == excuse for word in call.keywords)
        and not re.search(pattern, ast.unparse(call.args[0]) if call.args else "")
    ]
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return ["is not Python"]
    names = sum(isinstance(node, ast.Name) and node.id == "claim" for node in nodes)
    if names > len(found):
        problems.append("uses claim under another name")
    tries = [ast.unparse(node) for node in nodes if isinstance(node, ast.Try)]
    if any(calls(text, "claim") for text in tries):
        problems.append("claims inside a try")
    return problems


def parameters(nb: NotebookNode) -> list[str]:
    """A lecture's first code cell holds the parameters, literals only, for papermill to replace."""
    code = code_cells(nb)
    tagged = [cell for cell in code if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1 or tagged[0] is not code[0]:
        return ["the first code cell, and only that, has the tag parameters"]
    try:
        statements = ast.parse(tagged[0].source).body
        values = {s.targets[0].id: ast.literal_eval(s.value) for s in statements}
    except (SyntaxError, ValueError, AttributeError):
        return ["the parameters cell holds something other than `NAME = literal`"]
    wanted = {"PROFILE": "lecture", "SEED": 0, "DEVICE": "auto", "BUDGET": 1.0}
    return [] if wanted.items() <= values.items() else [f"the parameters cell lacks one of {wanted}"]


def predictions(nb: NotebookNode) -> list[str]:
    """Each `predict` of a lecture has one `outcome` of the same name below it, which the run computes.

    A name begins with the lecture's number, so that it is the only one of the course.
    """
    problems, asked, told = [], [], []
    for cell in code_cells(nb):
        for call in calls(cell.source, "predict"):
            name = literal(call)
            if not re.match(rf"{number(nb)}\.\w", name):
                problems.append(f"predict({name!r}): a name begins with the lecture's number: {number(nb)}.")
            if name in asked:
                problems.append(f"predict({name!r}): asked twice")
            if any(word.arg == "choice" for word in call.keywords):
                problems.append(f"predict({name!r}): chooses for the reader")
            asked.append(name)
        for call in calls(cell.source, "outcome"):
            name, measured = literal(call), [*call.args[1:], *(word.value for word in call.keywords)]
            if name not in asked or name in told:
                problems.append(f"outcome({name!r}): {'told twice' if name in told else 'not asked before'}")
            if not any(isinstance(node, ast.Name) for value in measured for node in ast.walk(value)):
                problems.append(f"outcome({name!r}): written down, not computed from the run")
            told.append(name)
    return problems + [f"predict({name!r}): has no outcome" for name in asked if name not in told]


def literal(call: ast.Call) -> str:
    """The first argument of a call, if it is a text; "" otherwise."""
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def number(nb: NotebookNode) -> str:
    """The lecture's, from its header `# 04 · Title`; "" where it has none."""
    head = re.match(r"# (\d\d) · ", nb.cells[0].source) if nb.cells else None
    return head[1] if head else ""


def notes(nb: NotebookNode) -> list[str]:
    """Each numbered section has a presenter's note, and their minutes add up to those of the header."""
    problems, minutes, silent = [], 0, None
    for cell in [*nb.cells, None]:
        head = re.match(r"## (\d+) · ", cell.source) if cell else None
        if (head or cell is None) and silent:
            problems.append(f"section {silent} has no notes for the room")
        silent = head[1] if head else silent
        if cell and "notes" in cell.metadata.get("tags", []):
            minutes += int(re.search(r"Notes for the room \((\d+) minutes\)", cell.source)[1])
            silent = None
    header = nb.cells[0].source if nb.cells else ""
    said = re.search(r"\*\*Minutes\*\* (\d+) to teach", header)
    if not said or int(said[1]) != minutes:
        problems.append(f"the notes take {minutes} minutes, the header says {said[1] if said else 'nothing'}")
    return problems


def answers(nb: NotebookNode) -> list[str]:
    """Under each *Ask the room* one answer is folded, in the same cell."""
    pieces = [
        piece
        for cell in nb.cells
        if cell.cell_type == "markdown"
        for piece in re.split(r"(?m)^(?=\*\*Ask the room\b)", cell.source)[1:]
    ]
    return [
        f"`{piece[:50]}` has no one answer folded under it"
        for piece in pieces
        if len(re.findall(r"<details><summary>One answer</summary>", piece)) != 1
    ]


def teaching(nb: NotebookNode, ids: set[str], tasks: dict[str, Sequence[str]]) -> list[str]:
    """Whether a lecture teaches what the map promises: `ids` are its nodes, `tasks` names -> ids they back.

    The line `On the map: ...` of the header and of each section says which ids are taught there. An id is
    backed by a claim in such a section, or by a task.
    """
    sections: list[tuple[set[str], bool]] = []  # ids named, whether it claims something
    for cell in nb.cells:
        if cell.cell_type == "markdown" and re.match(r"##? ", cell.source):
            named = re.findall(r"(?m)^On the map: (.+)$", cell.source)
            sections.append((set(re.findall(r"`([\w-]+)`", " ".join(named))), False))
        elif cell.cell_type == "code" and calls(cell.source, "claim") and sections:
            sections[-1] = (sections[-1][0], True)
    header, *body = [named for named, _ in sections] or [set()]
    claimed = set().union(*(named for named, claims in sections[1:] if claims))
    tasked = {id for concepts in tasks.values() for id in concepts}
    return [
        *(f"`{id}` is not named in the header" for id in sorted(ids - header)),
        *(f"`{id}` is not a node of this lecture" for id in sorted(header - ids)),
        *(f"no section teaches `{id}`" for id in sorted(ids - set().union(*body))),
        *(f"`{id}` is backed by no claim and no task" for id in sorted(ids - claimed - tasked)),
    ]


def freshness(nb: NotebookNode, path: Path) -> list[str]:
    """Whether the stored outputs came from one clean run of this very code, and are small and readable."""
    problems = []
    if nb.metadata.get("dlmap", {}).get("code") != code_hash(nb):
        problems.append("the outputs did not come from this code")
    code = code_cells(nb)
    if [cell.execution_count for cell in code] != list(range(1, len(code) + 1)):
        problems.append("the code cells were not executed once, from top to bottom")  # nbval skips such cells
    if "widgets" in nb.metadata:
        problems.append("the metadata holds widgets")
    for cell in code:
        problems += [
            f"cell [{cell.execution_count}] {why}" for out in cell.outputs for why in output_problems(out)
        ]
    size = path.stat().st_size / 1024
    if size > NOTEBOOK_KB:
        problems.append(f"the notebook has {size:.0f} KB, wanted at most {NOTEBOOK_KB}")
    return problems


def output_problems(output: NotebookNode) -> list[str]:
    """What is wrong with one stored output."""
    data = output.get("data", {})
    problems = []
    if output.output_type == "error" or output.get("name") == "stderr":
        problems.append("stored an error or a warning")
    if WIDGET in data:
        problems.append("stored a widget")
    for kind, content in data.items():
        if not kind.startswith("image/"):
            continue
        picture = base64.b64decode(content) if kind != "image/svg+xml" else content.encode()
        if len(picture) > PICTURE_KB * 1024:
            problems.append(f"has a picture of {len(picture) / 1024:.0f} KB, wanted at most {PICTURE_KB}")
        spoken = kind == "image/svg+xml" and re.search(r"<title\b|aria-label", content)
        if not output.metadata.get(kind, {}).get("alt") and not spoken:
            problems.append("has a picture without alt text")
    html = data.get("text/html", "")
    problems += [
        "has a picture without alt text" for tag in re.findall(r"<img\b[^>]*>", html) if "alt=" not in tag
    ]
    if len(html) > PICTURE_KB * 1024 * 4 / 3:
        problems.append(f"has {len(html) / 1024:.0f} KB of HTML, wanted at most {PICTURE_KB}")
    fact = output.get("metadata", {}).get("dlmap", {})
    if "claim" in fact and not (fact["held"] and f": {fact['measured']:.3g} " in data["text/plain"]):
        problems.append(f"stored a claim that does not hold, or says another number: {data['text/plain']}")
    texts = [output.get("text", ""), *(text for kind, text in data.items() if kind.startswith("text/"))]
    if any(re.search(ABSOLUTE, text) for text in texts):
        problems.append("shows an absolute path")
    return problems
