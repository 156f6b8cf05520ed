"""Gate 9: papermill runs a lecture with other parameters and refuses those that the lecture lacks."""

import json

import nbformat
import pytest

from utils.authoring import batch
from utils.authoring.build import build
from utils.authoring.execute import NotebookFailed
from utils.authoring.sources import code_cells, pages
from utils.errors import UserError
from utils.paths import ROOT


@pytest.fixture
def built(course):
    build(course, [], run=False, force=False, jobs=1)
    return course


def printed(path) -> str:
    cells = code_cells(nbformat.read(path, as_version=4))
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


def test_changed_parameters_are_used_and_a_failed_run_is_kept(built, tmp_path):
    out = tmp_path / "new" / "folder"
    (built / "lectures" / "src" / "02_warns.py").unlink()
    results = batch.run(built, [], {"SEED": "0", "PROFILE": "full"}, 2, out)

    good, failed = results["00_good"], results["01_raises"]
    assert len(good.seconds) == len(code_cells(nbformat.read(good.path, as_version=4)))
    assert "lectures seed 0" in printed(good.path), "it ran in the notebook's own folder"
    assert 'PROFILE = "full"' in good.path.read_text().replace("\\", "")

    assert isinstance(failed, NotebookFailed)
    kept = out / "01_raises.ipynb"
    assert str(failed) == (
        f"cell [4] `# The next line cannot work.`: ZeroDivisionError: division by zero. See {kept}"
    )
    assert "so far, so good" in printed(kept)
    for path in (good.path, kept):
        assert "papermill" not in path.read_text(), "its paths, times and banners are gone"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"EPOCHS": "3"}, "unknown parameter of 00_good 'EPOCHS'; choose one of: PROFILE, SEED, DEVICE"),
        ({"SEED": "many"}, "SEED of 00_good is of type int, like 0; got 'many'"),
        ({"PROFILE": "big"}, "unknown profile 'big'; choose one of: lecture, full"),
        ({"DEVICE": "abacus"}, "unknown device 'abacus'"),
    ],
)
def test_bad_parameters_are_refused_before_anything_runs(built, tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        batch.run(built, ["00"], given, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lecture_that_is_not_built(course, tmp_path):
    with pytest.raises(UserError, match="00_good is not built; run `dlmap build 00`"):
        batch.run(course, ["00"], {}, 1, tmp_path)


def test_claims_over_seeds(built, tmp_path):
    rows, problems = batch.claims(built, ["00"], 2, 2, tmp_path)
    (row,) = rows
    assert (row.measured, row.bound, row.held, row.seeds) == ([0, 1], "≤ 0.5", 1, 2)
    assert problems == ["00_good: held on 1 of 2 seeds: a seed below one is below one"]
    assert json.loads((tmp_path / "claims.json").read_text())["claims"][0]["measured"] == [0, 1]
    line = "| 00_good | a seed below one is below one | ≤ 0.5 | 0 – 0.5 – 1 | 1/2 |"
    assert line in (tmp_path / "claims.md").read_text()


def test_claims_keep_what_was_measured_on_unchanged_lectures(tmp_path):
    def stored(lecture, codes, seeds=5):
        row = batch.Measured(lecture, f"says {lecture}", "≥ 1", [1.0] * seeds, seeds, seeds)
        batch.store([row], [lecture], codes, seeds, tmp_path)
        claims = json.loads((tmp_path / "claims.json").read_text())["claims"]
        assert all(f"| says {claim['lecture']} |" in (tmp_path / "claims.md").read_text() for claim in claims)
        return [claim["lecture"] for claim in claims]

    codes = {"00_map": "a", "01_line": "b"}
    assert stored("01_line", codes) == ["01_line"]
    assert stored("00_map", codes) == ["00_map", "01_line"]
    assert stored("00_map", codes) == ["00_map", "01_line"]  # measured again, not twice in the table
    assert stored("00_map", codes | {"01_line": "changed"}) == ["00_map"]
    assert stored("01_line", codes, seeds=3) == ["01_line"]  # other seeds: another table


def test_a_real_lecture_with_another_seed(tmp_path):
    lecture = pages(ROOT)[0].source.stem
    result = batch.run(ROOT, [lecture[:2]], {"SEED": "1"}, 1, tmp_path)[lecture]
    assert isinstance(result, batch.Run), result
    assert "seed 1" in printed(result.path)
