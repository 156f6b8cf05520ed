"""Gate 9: papermill runs a lecture with other parameters and refuses those that the lecture lacks."""

import nbformat
import pytest

from utils.authoring import batch, measure
from utils.authoring.build import build
from utils.authoring.execute import NotebookFailed
from utils.authoring.sources import code_cells, pages
from utils.errors import UserError
from utils.paths import ROOT, units


@pytest.fixture
def built(course):
    build(course, [], run=False, force=False, jobs=1)
    return course


def printed(path) -> str:
    cells = code_cells(nbformat.read(path, as_version=4))
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


def test_changed_parameters_are_used_and_a_failed_run_is_kept(built, tmp_path, cluster):
    out = tmp_path / "new" / "folder"
    (built / "lectures" / "src" / "02_warns.py").unlink()
    results = batch.run(built, [], {"SEED": "0", "PROFILE": "full"}, 2, out, cluster)

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
        (
            {"EPOCHS": "3"},
            "unknown parameter of 00_good 'EPOCHS'; choose one of: PROFILE, SEED, DEVICE, BUDGET",
        ),
        ({"SEED": "many"}, "the seed is 'many'; expected a whole number from 0"),
        ({"BUDGET": "many"}, "the budget is 'many'; expected a number above 0"),
        ({"BUDGET": "-1"}, "the budget is -1.0; expected a number above 0"),
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


def test_claims_over_seeds_and_budgets_complete_one_table(built, tmp_path, cluster):
    source = built / "lectures" / "src" / "00_good.py"
    setup = 'from utils import runtime\nruntime.last = runtime.Run("lecture", SEED, None, BUDGET)\n'
    more = f'{setup}claim("in one step it is small", BUDGET, at_most=1, short=True)\n'
    source.write_text(source.read_text() + f"\n# %%\n{more}")
    build(built, ["00"], run=False, force=False, jobs=1)

    rows, problems = measure.claims(built, ["00"], 2, None, 2, tmp_path, cluster)
    assert [(row.measured, row.bound, row.verdict) for row in rows] == [
        ([0, 1], "≤ 0.5", "1/2"),
        ([1, 1], "≤ 1", "2/2"),
    ]
    assert problems == ["00_good: held on 1 of 2 seeds at budget 1: a seed below one is below one"]

    rows, problems = measure.claims(built, ["00"], 1, "3", 1, tmp_path, cluster)
    assert [row.measured for row in rows] == [[0], [3]]
    assert problems == [], "a claim about a short training is not broken by a long one"
    text = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "| 00_good | a seed below one is below one | ≤ 0.5 | 0 – 0.5 – 1 | 1/2 | 0 | 1/1 |" in text
    assert "| 00_good | in one step it is small | ≤ 1 | 1 | 2/2 | 3 | short |" in text

    rows, *_ = measure.claims(built, ["00"], 1, "0.5", 1, tmp_path, cluster)
    assert [row.verdict for row in rows] == ["1/1", "1/1"], "a smaller budget is a short training too"
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == text, "it has no column in the table"


def test_a_lecture_that_crashed_stays_in_the_table_as_it_was(built, tmp_path, cluster):
    before = measure.Lecture(
        "code", "versions", {1: "2026-01-01"}, [measure.Row("it", "≥ 1", {1: ("1", "5/5")})]
    )
    (built / "lectures" / "CLAIMS.md").write_text(measure.render({"01_raises": before, "99_gone": before}))
    _, problems = measure.claims(built, ["01"], 1, None, 1, tmp_path, cluster)
    assert "ZeroDivisionError" in problems[0]
    assert measure.parsed((tmp_path / "claims.md").read_text()) == {"01_raises": before}


def test_what_was_run_is_not_run_again(built, tmp_path, cluster, capsys):
    source, ran = built / "lectures" / "src" / "00_good.py", tmp_path / "ran.txt"
    counts = f"with open({str(ran)!r}, 'a') as file:\n    print(SEED, file=file)"
    source.write_text(source.read_text().replace("SEED + 1", counts))
    source.with_name("02_warns.py").unlink()

    def runs(numbers=("00",), seeds=1, **options):
        """The seeds that were run, in order, where `dlmap claims` is called."""
        build(built, [], run=False, force=False, jobs=1)
        measure.claims(built, list(numbers), seeds, None, 1, tmp_path / "out", cluster, **options)
        seen = ran.read_text().split() if ran.exists() else []
        ran.unlink(missing_ok=True)
        return seen

    assert runs() == ["0"]
    assert runs() == []
    assert runs(seeds=3) == ["1", "2"], "a measurement goes on where it was stopped"
    said = "· 1 of 3 notebooks stand: same code, parameters and course; --force runs them again\n"
    assert said in capsys.readouterr().err
    assert runs(force=True) == ["0"]
    first = tmp_path / "out" / "seed-0" / "00_good.ipynb"
    first.write_text(first.read_text().replace("SEED, at_most", "SEED * 1, at_most"))
    assert runs(seeds=3) == ["0"], "an edited output is no measurement"
    first.write_text("{")
    assert runs() == ["0"], "nor is half a file"
    source.write_text(source.read_text() + "\n# %%\n'more code'\n")
    assert runs() == ["0"]
    batch.run(built, ["00"], {"SEED": "0"}, 1, first.parent, cluster)
    assert ran.read_text() == "0\n", "a run that lets no claim break is another one"
    for _ in range(2):
        failed = batch.run(built, ["01"], {}, 1, tmp_path / "out", cluster)["01_raises"]
        assert isinstance(failed, NotebookFailed), "what failed is tried again"


def test_a_real_lecture_with_another_seed(tmp_path, cluster):
    lecture = pages(ROOT)[0].source.stem
    result = batch.run(ROOT, [lecture[:2]], {"SEED": "1"}, 1, tmp_path, cluster)[lecture]
    assert isinstance(result, batch.Run), result
    assert "seed 1" in printed(result.path)


@pytest.mark.parametrize("number", units())
def test_a_lecture_runs_to_its_end_on_hardly_any_training(number, tmp_path, cluster):
    """Claims break then, as they may where somebody is learning; nothing else does."""
    (page,) = batch.lectures(ROOT, [number])
    values = batch.parse({"BUDGET": "0.02"}, batch.parameters_of(page.stored()), page.path.stem)
    todo = {number: (page.path, tmp_path / page.path.name, values)}
    result = batch.run_many(todo, 1, strict=False, cluster=cluster)[number]
    assert isinstance(result, batch.Run), result
    assert "budget 0.02" in printed(result.path)
