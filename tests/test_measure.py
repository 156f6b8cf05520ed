"""The table of claims: kept lecture by lecture, compared with the notebooks; bounds that say too little."""

from datetime import date
from types import SimpleNamespace

import pytest

from utils.authoring import measure
from utils.authoring.measure import Lecture, Measured, Row, differences, newest, parsed, render, too_loose
from utils.errors import UserError
from utils.paths import LECTURES

TODAY = date.today().isoformat()


def measured(claim="a | b", numbers=(1, 2, 3, 4, 5), short=False):
    return [Measured("00_map", claim, "≥ 1", short, len(numbers), list(numbers), len(numbers))]


# --- the table -----------------------------------------------------------------------------------------


def test_the_table_is_read_as_it_was_written():
    lecture = Lecture()
    lecture.record(measured(), 1, "code")
    assert parsed(render({"00_map": lecture})) == {"00_map": lecture}
    text = (LECTURES / "CLAIMS.md").read_text(encoding="utf-8")
    assert render(parsed(text)) == text


def test_a_second_run_adds_its_column_and_another_code_begins_anew():
    lecture = Lecture()
    lecture.record(measured(), 1, "code")
    lecture.record(measured(numbers=(7, 7)), 3.0, "code")
    assert lecture.rows == [Row("a | b", "≥ 1", {1: ("1 – 3 – 5", "5/5"), 3: ("7", "2/2")})]
    assert lecture.dates == {1: TODAY, 3: TODAY}
    lecture.record(measured(numbers=(7, 8), short=True), 3.0, "other code")
    assert lecture.rows == [Row("a | b", "≥ 1", {3: ("7 – 7.5 – 8", "short")})]
    assert lecture.dates == {3: TODAY}


def test_a_claim_that_was_not_measured_is_named(monkeypatch):
    fact = {"claim": "it is fast", "measured": None, "at_least": None, "at_most": 1, "judged": False}
    fact |= {"held": False, "short": False, "needs": "a compiler"}
    monkeypatch.setattr(measure, "read", lambda path: None)
    monkeypatch.setattr(measure, "facts", lambda nb, key: [fact] if key == "claim" else [])
    rows, problems = measure.gather({"00_map seed 0": SimpleNamespace(path=None)}, 1)
    assert problems == ["00_map: not measured, it takes a compiler: it is fast"]
    assert rows[0].measured == []  # so the lecture's rows stay as they were


def test_of_two_tables_each_lecture_counts_as_it_was_measured_last(tmp_path):
    old, new = Lecture("a", "v", {1: "2026-01-01"}), Lecture("b", "v", {1: "2025-01-01", 3: "2026-01-02"})
    paths = [tmp_path / name for name in ("one.md", "two.md", "none.md", "other.md")]
    paths[0].write_text(render({"00_map": old, "01_line": new}), encoding="utf-8")
    paths[1].write_text(render({"00_map": new, "01_line": old, "02_step": old}), encoding="utf-8")
    paths[3].write_text("# Claims over 5 seeds\n\n| lecture | claim |\n", encoding="utf-8")
    assert newest(*paths) == {"00_map": new, "01_line": new, "02_step": old}


@pytest.mark.parametrize("old, new", [("| ≥ 1 |", "|"), ("| 00_map | code |", "| code |")])
def test_a_table_that_cannot_be_read_is_named(tmp_path, old, new):
    lecture = Lecture()
    lecture.record(measured(), 1, "code")
    path = tmp_path / "claims.md"
    path.write_text(render({"00_map": lecture}).replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=r"claims\.md is not a table of claims any more; restore it"):
        newest(path)


# --- the gate that compares it with the notebooks ------------------------------------------------------

ROW = Row("it grows", "≥ 1", {1: ("1 – 3 – 5", "5/5"), 3: ("1e-06 – 3 – 5", "2/2")})
SHORT = Row("in 50 steps", "≤ 0", {1: ("-2", "5/5"), 3: ("1", "short")})
SAID = [
    {"claim": "it grows", "at_least": 1, "at_most": None, "short": False},
    {"claim": "in 50 steps", "at_least": None, "at_most": 0, "short": True},
]


def changed(row, text=None, **cells):
    return Row(text or row.claim, row.bound, row.cells | {int(key[1]): cell for key, cell in cells.items()})


def test_the_gate_passes_a_table_that_says_what_the_lecture_says():
    assert differences(Lecture("", "", {1: TODAY, 3: TODAY}, [ROW, SHORT]), SAID) == []


@pytest.mark.parametrize(
    "rows, dates, problem",
    [
        ([changed(ROW, "it shrinks"), SHORT], {1, 3}, "not in the table: it grows ≥ 1"),
        ([changed(ROW, "it shrinks"), SHORT], {1, 3}, "not in the lecture: it shrinks ≥ 1"),
        ([Row(ROW.claim, "≥ 2", ROW.cells), SHORT], {1, 3}, "not in the lecture: it grows ≥ 2"),
        ([ROW], {1, 3}, "not in the table: in 50 steps ≤ 0"),
        ([SHORT, ROW], {1, 3}, "the table has the claims in another order, or one of them twice"),
        ([ROW, ROW, SHORT], {1, 3}, "the table has the claims in another order, or one of them twice"),
        ([ROW, SHORT], {1}, "not measured at budget 3"),
        ([ROW, SHORT], {3}, "not measured at budget 1"),
        (
            [changed(ROW, b1=("1 – 5", "5/5")), SHORT],
            {1, 3},
            "not least – median – most at budget 1, '1 – 5'",
        ),
        ([changed(ROW, b3=("–", "–")), SHORT], {1, 3}, "not least – median – most at budget 3, '–'"),
        ([changed(ROW, b1=("1", "4/5")), SHORT], {1, 3}, "held on 4/5, wanted 5 seeds, at budget 1"),
        ([changed(ROW, b1=("1", "4/4")), SHORT], {1, 3}, "held on 4/4, wanted 5 seeds, at budget 1"),
        ([changed(ROW, b3=("1", "short")), SHORT], {1, 3}, "held on short, wanted 2 seeds, at budget 3"),
        ([ROW, changed(SHORT, b1=("1", "short"))], {1, 3}, "held on short, wanted 5 seeds, at budget 1"),
    ],
)
def test_the_gate_refuses_a_table(rows, dates, problem):
    lecture = Lecture("", "", dict.fromkeys(dates, TODAY), rows)
    assert any(found.startswith(problem) for found in differences(lecture, SAID))


# --- bounds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bound, spread, claim",
    [
        ("≥ 0.05", "0.1 – 0.11 – 0.13", ""),  # near enough
        ("≥ 30", "40.3", ""),  # no seed moves it: a tenth of it is its spread
        ("≤ 1e-06", "0 – 3e-18 – 1e-17", ""),  # a tolerance
        ("≥ -1e-10", "-1.3e-15", ""),
        ("≤ 3", "0", ""),  # a count
        ("≤ 0", "0", ""),
        ("≥ -1", "-0.4 – 0.3 – 0.9", "it costs nothing"),
        ("≤ 1.3", "0.2 – 0.7 – 1.1", "no more than (ratio)"),
        ("∈ [-0.02, 0.02]", "0.001 – 0.004 – 0.009", ""),
        ("≥ 100", "203", "it pulls at least a hundred times as hard"),  # the sentence says so
        ("≤ 0.4", "0.018 – 0.0199 – 0.0226", "it takes less than 40 % of the time"),
        ("≥ 5000", "60000", "with more than 5,000 words"),
        ("≥ 5", "1 – 3 – 4", "broken, which is another line"),
        ("≥ 5", "nothing", "not a number"),
        ("≥ 5", "6 – inf – inf", "no end"),
    ],
)
def test_a_bound_that_fits(bound, spread, claim):
    assert too_loose(Row(claim, bound, {1: (spread, "5/5")})) is None


@pytest.mark.parametrize(
    "bound, spread, claim, why",
    [
        (
            "≥ 0.05",
            "0.31 – 0.33 – 0.34",
            "",
            "≥ 0.05 is over three spreads from 0.31 – 0.34; set it nearer than 0.217",
        ),
        (
            "≤ 0.05",
            "0 – 0.005 – 0.01",
            "",
            "≤ 0.05 is over three spreads from 0 – 0.01; set it nearer than 0.04",
        ),
        ("≥ 1000", "8.7e+07", "", "≥ 1000 is over three spreads from 8.7e+07; set it nearer than 6.09e+07"),
        ("≤ 4", "0", "", "≤ 4 is over three spreads from 0; set it nearer than 3"),
        ("∈ [2.5, 8]", "4.12 – 4.33 – 4.73", "", "is over three spreads from 4.12 – 4.73"),
        ("≤ 0.01", "1e-08", "so are our means", "over three spreads"),  # no tolerance of an equality
        ("≥ 0.001", "0.0066 – 0.0073 – 0.0082", "a usable part", "over three spreads"),
        ("≤ 0.001", "-0.4 – -0.39 – -0.38", "it falls", "over three spreads"),
        ("≥ 3", "10 – 11 – 12", "the third loop is slower, times", "over three spreads"),
        ("≥ -4", "1.65 – 4.93 – 7.88", "not behind", "of 1.65 – 7.88 would keep the bound ≥ -4 too; try 0"),
        ("≤ 1.3", "0.2 – 0.7 – 0.9", "no more than (ratio)", "would keep the bound ≤ 1.3 too; try 1"),
        ("≤ 0.02", "-0.033 – -0.016 – -0.006", "no lead", "would keep the bound ≤ 0.02 too; try 0"),
    ],
)
def test_a_bound_that_says_too_little(bound, spread, claim, why):
    assert why in too_loose(Row(claim, bound, {1: (spread, "5/5")}))


def test_a_bound_is_judged_over_all_that_was_measured():
    def judged(*third):
        return too_loose(Row("", "≥ 0.05", {1: ("0.31 – 0.33 – 0.34", "5/5"), 3: third}))

    assert judged("0.09 – 0.11 – 0.13", "2/2") is None
    assert judged("0.09 – 0.11 – 0.13", "short") is not None
    assert too_loose(Row("", "≥ 0.05", {1: ("0.31", "2/2")})) is None, "two seeds have no spread to speak of"
    assert too_loose(Row("", "≥ 0.05", {3: ("0.31", "2/2")})) is None


def test_a_loose_bound_fails(monkeypatch, course, tmp_path):
    from utils.authoring.build import build

    source = course / "lectures" / "src" / "00_good.py"
    source.write_text(source.read_text().replace("SEED, at_most=0.5", "SEED, at_most=99"))
    build(course, ["00"], run=False, force=False, jobs=1)
    monkeypatch.setattr(measure, "SEEDS", {1: 1, 3: 1})
    _, problems = measure.claims(course, ["00"], 1, None, 1, tmp_path)
    why = "the bound ≤ 99 is over three spreads from 0; set it nearer than 3"
    assert problems == [f"00_good: a seed below one is below one: {why}"]


def test_an_outcome_that_hangs_on_the_seed_is_a_problem(monkeypatch, tmp_path):
    shown = {"04 seed 0": "the stack", "04 seed 1": "both"}
    monkeypatch.setattr(measure, "read", lambda path: path.name)
    monkeypatch.setattr(
        measure,
        "facts",
        lambda name, key: [{"outcome": "04.stack", "measured": shown[name]}] if key == "outcome" else [],
    )
    runs = {name: measure.Run(tmp_path / name, []) for name in shown}
    _, problems = measure.gather(runs, 2)
    assert problems == ["04: the outcome of 04.stack hangs on the seed: both, the stack"]
    assert measure.gather({"04 seed 0": runs["04 seed 0"]}, 1)[1] == []
