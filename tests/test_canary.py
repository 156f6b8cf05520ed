"""Gate 7: the gates can fail. Each one meets notebooks that it must refuse, beside one that it must pass."""

import base64
import os
import re
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from utils.authoring.build import build, check
from utils.authoring.gates import freshness, style
from utils.authoring.sources import code_cells, code_hash, dumps, pages, sync_problem
from utils.paths import ROOT

# --- 1 sync --------------------------------------------------------------------------------------------


@pytest.fixture
def page(course):
    build(course, ["00"], run=False, force=False, jobs=1)
    return pages(course, ["00"])[0]


def test_sync_passes_what_was_built(page):
    assert sync_problem(page) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A small lecture", "A smaller lecture"),  # prose edited in the notebook
        ("SEED = 0", "SEED = 7"),  # code edited in the notebook
        ('"id": "', '"id": "x'),  # an id that is no content hash
        ('"nbval-check-output"', '"nbval-skip"'),  # a tag that switches the comparison off
        ('"name": "python3"', '"name": "other"'),  # another kernel
        ("\n}\n", "\n}"),  # no newline at the end
        ('"cell_type": "code"', '"cell_type": "raw"'),  # a cell that does not run
    ],
)
def test_sync_refuses(page, old, new):
    text = page.path.read_text(encoding="utf-8")
    assert old in text
    page.path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert "Run `dlmap build 00`" in sync_problem(page)


def test_sync_refuses_a_missing_notebook_and_an_executed_exercise(course, page):
    exercise = next(page for page in pages(course, ["00"]) if not page.executed)
    assert sync_problem(exercise) is None
    nb = exercise.stored()
    code_cells(nb)[0].execution_count = 1
    exercise.path.write_text(dumps(nb), encoding="utf-8")
    assert sync_problem(exercise)
    page.path.unlink()
    assert sync_problem(page) == "lectures/00_good: not built. Run `dlmap build 00`"


def test_check_refuses_outputs_of_other_code(course, page):
    assert check(course, ["00"])[0].startswith("lectures/00_good: outputs are not from this code")


# --- 2 fresh -------------------------------------------------------------------------------------------


def picture(kilobytes: int, **metadata):
    data = base64.b64encode(bytes(kilobytes * 1024)).decode()
    return new_output("display_data", {"image/png": data}, metadata={"image/png": metadata})


def claim_output(measured: float, said: float | None = None, held: bool = True):
    text = f"✔ a sentence: {measured if said is None else said:.3g} ≥ 0.05"
    fact = {"claim": "a sentence", "measured": measured, "at_least": 0.05, "at_most": None, "held": held}
    return new_output("display_data", {"text/plain": text}, metadata={"dlmap": fact})


def executed(*cells):
    nb = new_notebook(cells=list(cells))
    for count, cell in enumerate(code_cells(nb), 1):
        cell.execution_count = count
    nb.metadata.dlmap = {"code": code_hash(nb)}
    return nb


def stored(nb, tmp_path):
    path = tmp_path / "nb.ipynb"
    path.write_text(dumps(nb), encoding="utf-8")
    return freshness(nb, path)


def test_fresh_passes_a_clean_run(tmp_path):
    outputs = [picture(79, alt="a line"), claim_output(0.107)]
    assert stored(executed(new_code_cell("1", outputs=outputs)), tmp_path) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (new_output("error", ename="E", evalue="", traceback=[]), "stored an error or a warning"),
        (new_output("stream", name="stderr", text="warning"), "stored an error or a warning"),
        (new_output("stream", name="stdout", text="saved in /home/me/run.txt"), "shows an absolute path"),
        (new_output("execute_result", {"text/plain": "'/opt/data/x'"}), "shows an absolute path"),
        (picture(81, alt="a line"), "has a picture of 81 KB, wanted at most 80"),
        (picture(1), "has a picture without alt text"),
        (new_output("display_data", {"image/svg+xml": "<svg></svg>"}), "has a picture without alt text"),
        (new_output("display_data", {"image/jpeg": "aaaa"}), "has a picture without alt text"),
        (new_output("display_data", {"text/html": "<img src='x'>"}), "has a picture without alt text"),
        (new_output("display_data", {"text/html": "x" * 120_000}), "has 117 KB of HTML, wanted at most 80"),
        (claim_output(0.01, held=False), "stored a claim that does not hold"),
        (claim_output(0.2, said=0.3), "stored a claim that does not hold, or says another number"),
        (new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}}), "stored a widget"),
    ],
)
def test_fresh_refuses_an_output(output, message, tmp_path):
    (problem,) = stored(executed(new_code_cell("1", outputs=[output])), tmp_path)
    assert problem.startswith(f"cell [1] {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda nb: nb.cells[0].update(source="2"), "the outputs did not come from this code"),
        (lambda nb: nb.cells[0].update(execution_count=None), "not executed once, from top to bottom"),
        (lambda nb: nb.cells[0].update(execution_count=2), "not executed once, from top to bottom"),
        (lambda nb: nb.metadata.update(widgets={}), "the metadata holds widgets"),
        (lambda nb: nb.cells.append(new_markdown_cell("x" * 800_000)), "the notebook has 78"),
    ],
)
def test_fresh_refuses_a_notebook(change, message, tmp_path):
    nb = executed(new_code_cell("1"))
    change(nb)
    (problem,) = stored(nb, tmp_path)
    assert message in problem


# --- 3 run: the very options that `make test` gives to nbval -------------------------------------------


def claim_cell(measured: str, text: str = "a sentence", bound: str = "0.05"):
    """A cell that prints seconds and says one claim, stored with other seconds, number, text or bound."""
    source = "print('took 3 s\\n\\n✔ a sentence: 0.107 ≥ 0.05')"
    outputs = [new_output("stream", name="stdout", text=f"took 4 s\n\n✔ {text}: {measured} ≥ {bound}\n")]
    return new_code_cell(source, outputs=outputs, metadata={"tags": ["nbval-check-output"]})


NOTEBOOKS = {
    "holds": claim_cell("0.207"),  # the number may differ, the sentence and its bound may not
    "changed": claim_cell("0.107", text="another sentence"),
    "loosened": claim_cell("0.107", bound="0.04"),
    "broken": new_code_cell(
        "from utils.claims import claim\nclaim('one is two', 1, at_least=2)",
    ),
    "raises": new_code_cell("1 / 0"),
    "slow": new_code_cell("import time\ntime.sleep(60)"),
}


def test_nbval_refuses_a_changed_claim_an_error_and_a_slow_cell(tmp_path):
    for name, cell in NOTEBOOKS.items():
        (tmp_path / f"{name}.ipynb").write_text(dumps(executed(cell)), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "@tests/nbval.args", "-n0", "-q", "-rA"]
    ran = subprocess.run(
        [*command, "--nbval-cell-timeout=3", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"DLMAP_STRICT": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    outcome = {name: word for word, name in re.findall(r"(?m)^([A-Z]+) .*?(\w+)\.ipynb::Cell 0", ran.stdout)}
    refused = dict.fromkeys(NOTEBOOKS, "FAILED") | {"holds": "PASSED"}
    assert outcome == refused, ran.stdout + ran.stderr
    assert "Timeout of 3 seconds exceeded" in ran.stdout and "ClaimFailed" in ran.stdout


# --- 8 style -------------------------------------------------------------------------------------------

PARAMETERS = 'PROFILE = "lecture"\nSEED = 0\nDEVICE = "auto"\nBUDGET = 1.0'
PREDICT = 'predict("04.{i}", "up", "down")'
OUTCOME = 'outcome("04.{i}", "up" if rises else "down")'
ASK = "**Ask the room.** Why?\n\n<details><summary>One answer</summary>\n\nBecause.\n</details>"


def lecture(
    parameters=PARAMETERS, tags=("parameters",), sections=6, notes=15, minutes=90, words=90, row=2,
    figures=6, schematics=1, claims=8, predictions=2, predict=PREDICT, outcome=OUTCOME, asks=2, ask=ASK,
):  # fmt: skip
    """A lecture of the second edition that keeps every measure, unless it is told otherwise."""
    prose, note = "word " * words, f"<summary>Notes for the room ({notes} minutes)</summary>"
    cells = [new_markdown_cell(f"# 04 · Name\n\n**Minutes** {minutes} to teach, 150 to study")]
    cells += [new_code_cell(parameters, metadata={"tags": list(tags)})]
    cells += [new_code_cell("run = runtime.setup(PROFILE)"), new_code_cell('concept_map.show("04")')]
    for i in range(sections):
        cells += [new_markdown_cell(f"## {i + 1} · Section\n\n{prose}")]
        cells += [new_markdown_cell(note, metadata={"tags": ["notes"]})] if notes else []
        cells += [new_code_cell("x") for _ in range(row)]
        cells[-1].outputs = [picture(1, alt="a")] if i < figures else []
        cells[-1].source = "Sketch()" if i < schematics else "x"
        for j in range(2):
            cells += [new_markdown_cell(prose), new_code_cell("claim()" if 2 * i + j < claims else "x")]
    for i in range(predictions):
        cells += [new_markdown_cell(""), new_code_cell(predict.format(i=i))]
        cells += [new_markdown_cell(""), new_code_cell(outcome.format(i=i))]
    cells += [new_markdown_cell(ask) for _ in range(asks)]
    return new_notebook(cells=cells)


def test_style_passes_a_lecture_that_keeps_every_measure():
    assert style(lecture(), "lectures") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sections": 2}, "cells: 30, wanted 34 to 66"),
        ({"sections": 7}, "cells: 70, wanted 34 to 66"),
        ({"words": 10}, "words: "),
        ({"words": 200}, "words: "),
        ({"row": 3}, "code cells in a row: 3, wanted 1 to 2"),
        ({"figures": 5}, "figures: 5, wanted 6 to 11"),
        ({"schematics": 0}, "schematics: 0, wanted 1 to 11"),
        ({"claims": 7}, "claims: 7, wanted 8 to 24"),
        ({"predictions": 1}, "predictions: 1, wanted 2 to 4"),
        ({"asks": 1}, "ask the room: 1, wanted 2 to 4"),
        ({"ask": "**Ask the room.** Why?"}, "`**Ask the room.** Why?` has no one answer folded under it"),
        ({"ask": "**Ask the room.** A?\n\n" + ASK}, "`**Ask the room.** A?"),
        ({"notes": 0}, "section 1 has no notes for the room"),
        ({"notes": 14}, "the notes take 84 minutes, the header says 90"),
        ({"tags": ()}, "the first code cell, and only that, has the tag parameters"),
        ({"parameters": PARAMETERS + "\nimport os"}, "the parameters cell holds something other"),
        ({"parameters": PARAMETERS.replace("= 0", "= int()")}, "the parameters cell holds something other"),
        ({"parameters": PARAMETERS.replace("\nBUDGET = 1.0", "")}, "the parameters cell lacks"),
        (
            {"predict": 'predict("05.{i}", "a", "b")'},
            "predict('05.0'): a name begins with the lecture's number",
        ),
        ({"predict": 'predict(name, "a", "b")'}, "predict(''): a name begins with"),
        ({"predict": 'predict("04.same", "a", "b")'}, "predict('04.same'): asked twice"),
        ({"predict": 'predict("04.{i}", "a", "b", choice="a")'}, "predict('04.0'): chooses for the reader"),
        ({"outcome": "x"}, "predict('04.0'): has no outcome"),
        ({"outcome": 'outcome("04.other", x)'}, "outcome('04.other'): not asked before"),
        ({"outcome": 'outcome("04.0", x)'}, "outcome('04.0'): told twice"),
        ({"outcome": 'outcome("04.{i}", "up")'}, "outcome('04.0'): written down, not computed from the run"),
        ({"outcome": 'outcome("04.{i}", measured="up")'}, "outcome('04.0'): written down, not computed"),
    ],
)
def test_style_refuses_a_lecture(change, message):
    assert any(problem.startswith(message) for problem in style(lecture(**change), "lectures"))


def test_a_prediction_comes_before_its_outcome():
    nb = lecture()
    nb.cells.reverse()
    assert "outcome('04.0'): not asked before" in style(nb, "lectures")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (new_code_cell('model.to("cuda")'), "names CUDA"),
        (new_code_cell("model.cuda()"), "names CUDA"),
        (new_markdown_cell("Do `pip install keras` first."), "installs something"),
        (new_code_cell("%pip install keras"), "installs something"),
        (new_code_cell("!ls"), "runs a shell line"),
        (new_code_cell("%%bash\nls"), "runs a shell line"),
        (new_code_cell("files = !ls"), "runs a shell line"),
        (new_code_cell("%%capture\nclaim('a', x, at_least=0)"), "runs a shell line"),
        (new_code_cell("import subprocess"), "runs a shell line"),
        (new_code_cell("torch.cuda.is_available()"), "names a device"),
        (new_code_cell("warnings.filterwarnings('ignore')"), "hides warnings"),
        (new_code_cell("Path.home()"), "leaves the course's folder"),
        (new_code_cell("requests.get(url)"), "uses the network"),
        (new_code_cell("claim('a', 1, at_least=0)"), "claims a literal"),
        (new_code_cell("c = claim"), "uses claim under another name"),
        (
            new_code_cell("try:\n    claim('a', x, at_least=0)\nexcept Exception:\n    pass"),
            "claims inside a try",
        ),
        (new_code_cell("claim('it is', x, at_least=0, short=True)"), "does not say of how long"),
        (new_code_cell("claim('in few rows', x, at_least=0, small=True)"), "does not say of how many"),
        (new_code_cell("x\n" + "y" * 93), "has a line of 93 letters, wanted at most 92"),
        (new_code_cell('open("/home/me/data.csv")'), "holds an absolute path"),
        (new_markdown_cell("From https://example.org/simple/x."), "links to a package index"),
        (new_code_cell("# NBVAL_SKIP\nx"), "tells nbval how to treat a cell"),
        (new_code_cell("x", metadata={"tags": ["raises-exception"]}), "has the tag raises-exception"),
        (new_markdown_cell("word " * 121), "has 121 words, wanted at most 120"),
        (new_code_cell("x\n" * 31), "has 31 lines, wanted at most 30"),
        (new_code_cell("x"), "tasks: 0, wanted 4 to 7"),
    ],
)
def test_style_refuses_a_cell(cell, message):
    assert any(message in problem for problem in style(new_notebook(cells=[cell]), "solutions"))


@pytest.mark.parametrize(
    "source",
    [
        "![a map](map.png)",
        "train/val/test and 1 / 2",
        "<details>\n" + "word " * 200 + "</details>",
        "$a/b$, [x](y/z)",
    ],
)
def test_style_lets_pass(source):
    problems = style(new_notebook(cells=[new_markdown_cell(source)]), "solutions")
    assert problems == ["tasks: 0, wanted 4 to 7"]


def test_ruff_refuses_an_unused_import(tmp_path):
    (tmp_path / "bad.py").write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1 and "unused-import" in ran.stdout
