"""How a check speaks, what it leaves alone, and what is kept of it."""

import json
import threading

import numpy as np
import pytest
import torch

from utils import checks, data, paths, progress
from utils.checks import Case, Function, Mistake, Rule, Value
from utils.errors import UserError

TASK = Function(
    "01.double",
    cases=[
        Case("a row", (np.arange(3.0),)),
        Case("zeros", (np.zeros(2),)),
        Case("a table", (np.ones((2, 2)),)),
    ],
    oracle=lambda x: np.multiply(x, 2),
    mistakes=[Mistake("that is the square", np.square, 2)],
)
TUPLE = Function("01.pair", cases=[Case(f"{n}", (n,)) for n in (1, 2, 3)], oracle=lambda n: (float(n), n * n))
TENSOR = Function(
    "01.tensor", cases=[Case("three", (torch.arange(3.0),))] * 3, oracle=lambda x: torch.nn.functional.relu(x)
)
VALUE = Value("01.even", rules=[Rule("it is odd", lambda n: n % 2 == 0, 3)])
DRAW = Function(
    "01.draw",
    cases=[Case("five", (5, np.random.default_rng(0)))],
    like=lambda n, rng: np.zeros(n),
    draws=True,
)


@pytest.fixture(autouse=True)
def own_tasks(monkeypatch, tmp_path):
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path))
    monkeypatch.delenv("DLMAP_STRICT", raising=False)
    monkeypatch.setattr(checks, "tasks", lambda number: [TASK, TUPLE, TENSOR, VALUE, DRAW])
    monkeypatch.setattr(progress, "_session", set())


def line(name, answer, capsys):
    good = bool(checks.check(name, answer))
    text = capsys.readouterr().out
    assert good == text.startswith("✔") and text.count("\n") == 1
    return text.rstrip("\n")


def test_right_counts(capsys):
    assert line("01.double", lambda x: x + x, capsys) == "✔ 01.double: right on 3 inputs (1 of 5 done so far)"
    assert line("01.even", 4, capsys) == "✔ 01.even: it has all 1 properties (2 of 5 done so far)"


@pytest.mark.parametrize(
    "answer, message",
    [
        (3, "expected the function itself, got int"),
        (lambda x: None, "nothing came back for a row; did you forget `return`?"),
        (lambda x: list(x), "should be a NumPy array for a row, got list"),
        (lambda x: torch.tensor(x) * 2, "should be a NumPy array for a row, got PyTorch tensor"),
        (lambda x: x[None] * 2, "should have shape (3,), got (1, 3)"),
        (lambda x: (x * 2).astype(np.float32), "should have dtype float64, got float32"),
        (lambda x: (x * 2).astype(int), "should have dtype float64, got int64"),
        (lambda x: x * np.nan, "contains nan for a row"),
        (lambda x: x * 2 + np.inf, "contains inf for a row"),
        (lambda x: x * 3, "has wrong values for a row"),
        (lambda x: x**2, "that is the square. See hint 2"),
        (lambda x: x.__iadd__(x), "changes its input"),
        (lambda: 1, "your code stops for a row: TypeError"),
    ],
)
def test_the_message_is_the_most_basic_one(answer, message, capsys):
    assert message in line("01.double", answer, capsys)


def test_a_crash_shows_the_learners_own_line(capsys):
    def answer(x):
        y = np.linalg.inv(x)
        return y

    text = line("01.double", answer, capsys)
    assert "`y = np.linalg.inv(x)`, LinAlgError" in text and "linalg.py" not in text


def test_results_in_a_tuple(capsys):
    assert line("01.pair", lambda n: (n, n**2), capsys).startswith("✔")
    assert "expected 2 results, got 1 results" in line("01.pair", lambda n: (n,), capsys)
    assert "expected 2 results, got int" in line("01.pair", lambda n: n, capsys)
    assert "result 2 has wrong values" in line("01.pair", lambda n: (n, n), capsys)
    assert "result 1 is None" in line("01.pair", lambda n: (None, n * n), capsys)
    assert "should be one number for 1, got text" in line("01.pair", lambda n: ("1", n * n), capsys)


def test_tensors(capsys):
    assert line("01.tensor", lambda x: x.clamp(min=0), capsys).startswith("✔")
    assert "dtype torch.float32, got torch.float64" in line("01.tensor", lambda x: x.double(), capsys)
    assert "on cpu, got meta" in line("01.tensor", lambda x: x.to("meta"), capsys)
    assert "PyTorch tensor" in line("01.tensor", lambda x: x.numpy(), capsys)


def test_draws_come_from_the_generator(capsys):
    assert line("01.draw", lambda n, rng: rng.normal(size=n), capsys).startswith("✔")
    unseeded = np.random.default_rng()
    assert "same generator gives another" in line("01.draw", lambda n, rng: unseeded.normal(size=n), capsys)
    assert "whatever the generator" in line("01.draw", lambda n, rng: np.ones(n), capsys)


def test_rules_name_their_hint(capsys):
    assert line("01.even", 3, capsys) == "✗ 01.even: it is odd. See hint 3."


def test_a_rule_that_cannot_be_evaluated_says_so(capsys, monkeypatch):
    """A message about a property would be false: nobody could look at it."""
    task = Value("01.finite", rules=[Rule("it is not finite", np.isfinite, 3)])
    monkeypatch.setattr(checks, "tasks", lambda number: [task])
    text = line("01.finite", "three", capsys)
    assert text.startswith("✗ 01.finite: cannot tell for this answer whether it is not finite: TypeError: ")


def test_an_answer_of_a_strange_kind_gets_one_line(capsys):
    class Strange:
        @property
        def shape(self):
            raise OSError("no shape today")

    assert '`raise OSError("no shape today")`, OSError: no shape today' in line(
        "01.pair", lambda n: Strange(), capsys
    )
    assert "your code stops for a row: SystemExit" in line("01.double", lambda x: exit(), capsys)


def test_a_library_that_has_not_implemented_something_is_no_stub(capsys):
    text = line("01.double", lambda x: torch.ones(2, device="meta").item(), capsys)
    assert text.startswith("✗ 01.double: your code stops")


def test_inputs_are_compared_through_dataclasses(capsys, monkeypatch):
    log = data.load("ads", rows=50)
    task = Function("01.log", cases=[Case("a log", (log,))], like=lambda log: 0.0)
    monkeypatch.setattr(checks, "tasks", lambda number: [task])

    def overwrites(log):
        log.features["hour"][:] = 0
        return 1.0

    assert "changes its input" in line("01.log", overwrites, capsys)
    assert line("01.log", lambda log: np.float32(log.click.mean()), capsys).startswith("✔")


def test_random_state_is_left_alone(capsys):
    np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    expected = np.random.rand(), torch.rand(1)  # noqa: NPY002
    np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    checks.check("01.double", lambda x: x * np.random.rand() * torch.rand(1).item())  # noqa: NPY002
    assert (np.random.rand(), torch.rand(1)) == expected  # noqa: NPY002


def test_strict_raises(monkeypatch, capsys):
    monkeypatch.setenv("DLMAP_STRICT", "1")
    checks.check("01.double", lambda x: x * 2)
    for wrong in (..., lambda x: x):
        with pytest.raises(checks.CheckFailed, match="double"):
            checks.check("01.double", wrong)


def test_unknown_task_names_the_valid_ones(monkeypatch):
    with pytest.raises(UserError, match=r"unknown task '01.doble'; choose one of: 01.double, 01.pair"):
        checks.check("01.doble", ...)
    monkeypatch.undo()
    with pytest.raises(UserError, match="unknown lecture '77'"):
        checks.check("77.double", ...)


# --------------------------------------------------------------------------------------------- progress


def test_progress_is_kept_and_counted(capsys):
    checks.check("01.double", lambda x: x)
    checks.check("01.double", lambda x: x * 2)
    checks.check("01.double", lambda x: x)  # a later mistake does not take a success away
    assert progress.done() == {"01.double"}
    assert progress.tries() == {"01.double": 3}


def test_an_untouched_task_is_no_try():
    checks.check("01.double", ...)
    assert progress.tries() == {}


@pytest.mark.parametrize(
    "broken", ['{"tasks": {"01.a": {"tri', '{"tasks": {"01.a": {"tries": "x", "done": 5}}}', "[]"]
)
def test_a_broken_file_is_set_aside_and_nothing_is_lost(broken, capsys):
    paths.atomic_write(paths.work() / "progress.json", broken)
    checks.check("01.double", lambda x: x * 2)
    assert progress.done() == {"01.double"}
    (kept,) = paths.work().glob("progress.broken-*.json")
    assert kept.read_text() == broken


def test_a_folder_that_cannot_be_written_is_said_and_no_crash(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path / "file"))
    assert "your progress cannot be saved" in line("01.double", lambda x: x * 2, capsys)


def test_two_notebooks_at_once_lose_nothing():
    names = [f"01.task{i}" for i in range(20)]
    threads = [threading.Thread(target=progress.record, args=(name, True)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.done() == set(names)
    assert json.loads((paths.work() / "progress.json").read_text())["tasks"].keys() == set(names)


def test_off_saves_nothing(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_saving", True)
    progress.off()
    assert line("01.double", lambda x: x * 2, capsys).endswith("(1 of 5 done so far)")
    assert not (paths.work() / "progress.json").exists()


def test_fractions(monkeypatch, capsys):
    monkeypatch.setattr(checks, "tasks", lambda number: [TASK, VALUE] if number == "01" else [])
    checks.check("01.even", 2)
    assert checks.fractions() == {"01": 0.5}
