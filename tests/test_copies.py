"""`dlmap start` and `dlmap reset`: the learner's copies, and that nothing a learner wrote is ever lost."""

import errno
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from utils.authoring import copies, sources
from utils.errors import UserError


@pytest.fixture
def tree(tmp_path):
    """A course of one lecture, without any builder: lecture and exercises that link to each other."""
    text = (
        "[exercises](../exercises/01_regression.ipynb), [2](02_next.ipynb#a), [paper](https://x.org), $f(x)$"
    )
    html = '<a href="../lectures/02_next.ipynb" title="Next"></a>'
    drawn = [nbformat.v4.new_output("display_data", {"text/html": html})]
    cells = [
        nbformat.v4.new_markdown_cell(text + ' <a href="01_regression.ipynb">here</a> `f[i](x)`'),
        nbformat.v4.new_code_cell(
            "x", outputs=[nbformat.v4.new_output("stream", text="x")], execution_count=1
        ),
        nbformat.v4.new_code_cell("claim()", metadata={"tags": ["reveals"]}),
        nbformat.v4.new_code_cell('concept_map.show("01")', outputs=drawn, execution_count=2),
        nbformat.v4.new_markdown_cell("So x it is.", metadata={"tags": ["reveals"]}),
    ]
    lecture = nbformat.v4.new_notebook(cells=cells, metadata={"dlmap": {"code": "1"}})
    for path in ("lectures/01_regression", "lectures/02_next", "exercises/01_regression"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        nbformat.write(lecture, tmp_path / f"{path}.ipynb")
    return tmp_path


def test_start_copies_lecture_and_exercises_under_names_of_their_own(tree):
    said = copies.start(tree, tree / "exercises" / "work", "1")
    work = tree / "exercises" / "work"
    assert said == [
        f"your lecture: {work / '01_lecture.ipynb'}",
        f"your exercises: {work / '01_exercises.ipynb'}",
    ]
    lecture = nbformat.read(work / "01_lecture.ipynb", as_version=4)
    nbformat.validate(lecture)
    code = sources.code_cells(lecture)
    assert [cell.execution_count for cell in code] == [None] * 3
    assert [len(cell.outputs) for cell in code] == [0, 0, 1], "the map stays"
    assert [cell.metadata.get("jupyter") for cell in code] == [None, {"source_hidden": True}, None]
    assert lecture.cells[-1].source.startswith("<details><summary>After the run</summary>\n\nSo x it is.")
    assert "dlmap" not in lecture.metadata


@pytest.mark.parametrize("work", ["exercises/work", "elsewhere"])
def test_links_of_a_copy_lead_where_they_led_or_to_the_other_copy(tree, work):
    copies.start(tree, tree / work, "1")
    lecture = nbformat.read(tree / work / "01_lecture.ipynb", as_version=4)
    prose = lecture.cells[0].source
    up = "../.." if work == "exercises/work" else ".."
    assert prose == (
        f"[exercises](01_exercises.ipynb), [2]({up}/lectures/02_next.ipynb#a), [paper](https://x.org), $f(x)$"
        ' <a href="01_lecture.ipynb">here</a> `f[i](x)`'
    )
    html = lecture.cells[3].outputs[0].data["text/html"]
    assert html == f'<a href="{up}/lectures/02_next.ipynb" title="Next"></a>'


def test_start_never_overwrites_and_knows_the_first_editions_copy(tree):
    work = tree / "work"
    work.mkdir()
    mine = work / "01_regression.ipynb"  # as the first edition called it
    mine.write_text("mine")
    os.utime(mine, (0, 0))  # older than the exercise
    said = copies.start(tree, work, "01")
    assert said[1].startswith(
        f"your exercises, there already, as you left it: {mine}; the course's has changed"
    )
    (work / "01_lecture.ipynb").write_text("mine too")
    copies.start(tree, work, "01")
    assert {path.name: path.read_text() for path in work.iterdir()} == {
        "01_regression.ipynb": "mine",
        "01_lecture.ipynb": "mine too",
    }


def test_a_copy_whose_lecture_got_another_number_since_is_found(tree):
    mine = tree / "work" / "00_regression.ipynb"
    mine.parent.mkdir()
    mine.write_text("mine")
    said = copies.start(tree, tree / "work", "01")
    assert f"as you left it: {mine}" in said[1] and mine.read_text() == "mine"


def test_reset_makes_fresh_copies_and_keeps_the_old_ones(tree):
    work = tree / "work"
    copies.start(tree, work, "01")
    for path in work.iterdir():
        path.write_text("mine")
    for _ in range(2):  # twice in one minute: two names
        copies.reset(tree, work, "01", "lecture")
        (work / "01_lecture.ipynb").write_text("mine")
    assert sorted(path.read_text() for path in work.iterdir()) == ["mine"] * 4
    (said, _) = copies.reset(tree, work, "01", "exercises")
    assert "fresh exercises" in said and "the old copy is kept: 01_exercises." in said
    assert sorted(path.read_text() == "mine" for path in work.iterdir()) == [False] + [True] * 4


def test_reset_of_a_first_editions_copy(tree):
    work = tree / "work"
    work.mkdir()
    (work / "01_regression.ipynb").write_text("mine")
    copies.reset(tree, work, "01")
    assert copies.copy_of(tree / "exercises/01_regression.ipynb", work).name == "01_exercises.ipynb"
    assert [path.read_text() for path in work.glob("01_regression.*.ipynb")] == ["mine"]


# --- where nothing can be written ----------------------------------------------------------------------


class FullDisk(io.FileIO):
    """Takes the first letters of a new file and then no more."""

    def write(self, data):
        super().write(data[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def full_disk(monkeypatch):
    """A new file breaks off, until the function that this gives is called.

    A limit of the whole process (RLIMIT_FSIZE) would hold for what runs the tests, too.
    """
    usual = Path.open

    def open_(path, mode="r", **options):
        if mode != "x":
            return usual(path, mode, **options)
        return io.TextIOWrapper(io.BufferedWriter(FullDisk(path, mode)), **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", open_)
        yield patched.undo


def test_a_write_that_breaks_off_leaves_nothing_half(tree, full_disk):
    work = tree / "work"
    with pytest.raises(
        UserError,
        match=r"cannot write .*01_lecture.ipynb: .*; make room, or set DLMAP_WORK to a folder you own",
    ):
        copies.start(tree, work, "01")
    assert list(work.iterdir()) == []
    full_disk()
    copies.start(tree, work, "01")
    assert len(list(work.iterdir())) == 2


def test_a_reset_that_breaks_off_leaves_the_old_copy_in_its_place(tree, full_disk):
    work = tree / "work"
    work.mkdir()
    (work / "01_exercises.ipynb").write_text("mine")
    with pytest.raises(UserError, match="cannot write"):
        copies.reset(tree, work, "01", "exercises")
    assert [path.read_text() for path in work.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "No space left on device; make room, or set DLMAP_WORK"),
        (errno.EROFS, "Read-only file system; set DLMAP_WORK"),
        (errno.EACCES, "Permission denied; set DLMAP_WORK"),
    ],
)
def test_the_advice_fits_what_is_wrong(tree, monkeypatch, code, advice):
    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=advice):
        copies.start(tree, tree / "work", "01")


def test_start_needs_no_hard_links(tree, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert len(copies.start(tree, tree / "work", "01")) == 2


def test_the_folder_is_a_file_and_an_unknown_number(tree):
    (tree / "work").write_text("a file")
    with pytest.raises(UserError, match="is a file; remove it, or set DLMAP_WORK"):
        copies.start(tree, tree / "work", "01")
    with pytest.raises(UserError, match="set DLMAP_WORK to a folder you own"):
        copies.start(tree, tree / "work" / "deeper", "01")
    for unknown in ("", "77", "x"):
        with pytest.raises(UserError, match=r"unknown lecture .*choose one of: 01, 02"):
            copies.start(tree, tree / "w", unknown)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("{", "is not a notebook; `git restore 01_regression.ipynb`"),
        (
            '{\n<<<<<<< HEAD\n "a": 1\n=======\n>>>>>>> main\n}',
            "conflict marks of a merge; in its folder `git checkout --theirs 01",
        ),
    ],
)
def test_an_original_that_is_broken(tree, text, advice):
    (tree / "lectures/01_regression.ipynb").write_text(text)
    with pytest.raises(UserError, match=advice):
        copies.start(tree, tree / "work", "01")


# --- the command ---------------------------------------------------------------------------------------


def test_the_commands(dlmap, course):
    work = course / "exercises" / "work"
    result = dlmap("start", "0")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"your lecture: {work / '00_lecture.ipynb'}",
        f"your exercises: {work / '00_exercises.ipynb'}",
    ]
    assert len(dlmap("reset", "00").stdout.splitlines()) == 3
    assert len(list(work.iterdir())) == 4


def test_copying_answers_at_once(dlmap):
    code = "import sys; from utils import cli; from utils.authoring import copies; print(sorted(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not [heavy for heavy in ("numpy", "torch", "nbformat", "jupytext") if f"'{heavy}'" in loaded]
    began = time.monotonic()
    assert dlmap("start", "00").exit_code == 0
    assert time.monotonic() - began < 1


# --- what gives an answer away -------------------------------------------------------------------------


def test_what_stands_between_a_prediction_and_the_words_about_its_outcome_is_marked():
    cells = [
        'predict("a", "x", "y")',
        "train()",
        "# %% [markdown]\n# Look.",
        'outcome("a", "x")\nclaim("x wins", 1)',
        "# %% [markdown]\n# So x it is.",
        "# %% [markdown]\n# ## A new section",
        'predict("b", "x", "y")',
        "later()",
        'predict(name, "x", "y")',
    ]
    text = "\n\n".join(cell if cell.startswith("# %%") else f"# %%\n{cell}" for cell in cells)
    built = sources.notebook(text).cells
    assert ["reveals" in cell.metadata.get("tags", []) for cell in built] == [
        *(False, True, True, True, True, False),
        *(False, False, False),
    ]


def test_a_copy_is_written_as_the_builder_writes(tree):
    path = tree / "lectures/01_regression.ipynb"
    path.write_text(sources.dumps(sources.notebook("# %%\nx = '×'\n")), encoding="utf-8")
    text = copies.fresh(tree, path, tree / "work")
    assert text == path.read_text(encoding="utf-8") and json.loads(text)
