"""How a check speaks, what it leaves alone, and what is kept of it."""

import errno
import gc
import json
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from filelock import Timeout

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


# ------------------------------------------------------------------------------------- what is shown


def graded(task, answer, capsys, monkeypatch):
    """The line for a task of its own."""
    monkeypatch.setattr(checks, "tasks", lambda number: [task])
    return line(task.name, answer, capsys)


def test_the_smallest_input_is_shown_with_the_learners_result(capsys):
    text = line("01.double", lambda x: np.where(x == 2, 5, x * 2), capsys)
    assert "wrong values for a row: x = [0, 1, 2] gives [0, 2, 5]; wrong at [2] only. See hint 1." in text
    text = line("01.double", lambda numbers: numbers * 0 + 7, capsys)
    assert "wrong values for zeros: numbers = [0, 0] gives [7, 7]." in text  # the first case is larger
    assert "result 2 has wrong values for 2: n = 2 gives 2." in line("01.pair", lambda n: (n, n), capsys)


def test_of_a_large_result_the_first_wrong_place_is_shown(capsys, monkeypatch):
    task = Function("01.big", cases=[Case("big", (np.ones((9, 9)), [1, 2]))], oracle=lambda x, pair: x + 1)

    def answer(x, pair):
        out = x + 1
        out[2, 3:5] = 0.25
        return out

    text = graded(task, answer, capsys, monkeypatch)
    assert "x = NumPy array of shape (9, 9), pair = [1, 2] gives NumPy array of shape (9, 9); " in text
    assert "wrong in 2 of 81 places, first at [2, 3], where yours is 0.25" in text


@pytest.mark.parametrize(
    "answer, message",
    [
        (lambda x: 3.0 * x, "every value is 1.5 times too large"),
        (lambda x: 0.5 * x, "every value is 4 times too small"),
        (lambda x: -2.0 * x, "every value has the wrong sign"),
        (lambda x: -6.0 * x, "every value has the wrong sign and is 3 times too large"),
        (lambda x: 2.0 * x + 0.1, "every value is too large by the same amount"),
        (lambda x: x * len(x), "gives [3, 6, 9]; here every value is 1.5 times too large"),
        (lambda x: x + 0.5 * x**2, "gives [1.5, 4, 7.5]; wrong in 2 of 3 places, first at [0]"),
    ],
)
def test_what_all_wrong_values_have_in_common_is_told(answer, message, capsys, monkeypatch):
    cases = [Case("three", (np.arange(1.0, 4),)), Case("five", (np.arange(1.0, 6),))]
    task = Function("01.common", cases=cases, oracle=lambda x: 2 * x)
    assert message in graded(task, answer, capsys, monkeypatch)


@pytest.mark.parametrize("turn", [np.ravel, np.transpose, lambda out: out[:, :, None]])
def test_right_numbers_in_another_shape(turn, capsys, monkeypatch):
    case = Case("a table", (np.arange(6.0).reshape(2, 3),))
    task = Function("01.table", cases=[case], oracle=lambda x: 2 * x)
    text = graded(task, lambda x: turn(2 * x), capsys, monkeypatch)
    assert text.startswith("✗ 01.table: right numbers, but the result should have shape (2, 3), got (")
    assert "right numbers" not in graded(task, lambda x: turn(3 * x), capsys, monkeypatch)


@pytest.mark.parametrize("exact", [True, False])
def test_classes_in_place_of_probabilities(exact, capsys, monkeypatch):
    """Told by the right result, or by what is like one."""
    x = np.array([-1.0, 0.5, 2.0])
    rule = Rule("not between 0 and 1", lambda p, x: ((p > 0) & (p < 1)).all())
    by = {"oracle": lambda x: 1 / (1 + np.exp(-x))} if exact else {"like": lambda x: np.full(len(x), 0.5)}
    task = Function("01.chance", cases=[Case("three", (x,))], rules=[rule], **by)
    for classes in (lambda x: (x > 0).astype(int), lambda x: x > 0, lambda x: (x > 0).astype(float)):
        text = graded(task, classes, capsys, monkeypatch)
        assert "the result holds classes, 0 or 1, for three; a probability is asked, between them" in text
    assert "classes" not in graded(task, lambda x: np.zeros(3), capsys, monkeypatch)


def test_overflow_points_to_its_hint_and_warns_in_the_line_only(capsys, monkeypatch, recwarn):
    case = Case("large scores", (np.array([1.0, 1000.0]),))
    task = Function("01.large", cases=[case], oracle=lambda z: z, overflow_hint=3)

    def answer(z):
        return np.log(np.exp(z))

    text = graded(task, answer, capsys, monkeypatch)
    assert "contains inf for large scores (overflow encountered in exp, line " in text
    assert text.endswith("`return np.log(np.exp(z))`). See hint 3.")
    assert capsys.readouterr().err == "" and not recwarn.list


def test_a_reversed_array_is_as_good_as_any(capsys, monkeypatch):
    """PyTorch, and so a rule, refuses negative strides."""
    rule = Rule("its sum is another", lambda out, x: torch.tensor(out).sum() == x.sum())
    task = Function("01.turned", cases=[Case("three", (np.arange(3.0),))], like=lambda x: x, rules=[rule])
    assert graded(task, lambda x: x[::-1], capsys, monkeypatch).startswith("✔")


def test_a_network_is_an_input_that_only_some_tasks_train(capsys, monkeypatch):
    def answer(net):
        torch.nn.init.zeros_(net.weight)
        return 1.0

    task = Function("01.net", cases=[Case("a layer", (torch.nn.Linear(2, 2),))], like=lambda net: 1.0)
    assert "changes its input for a layer" in graded(task, answer, capsys, monkeypatch)
    assert graded(replace(task, trains=True), answer, capsys, monkeypatch).startswith("✔")


# ------------------------------------------------------------------------------------- code that goes wrong


def forever(x):
    while True:
        try:
            x = x + 1
        except Exception:
            return x


@pytest.mark.parametrize("by_signal", [True, False])
def test_an_endless_answer_is_stopped(by_signal, capsys, monkeypatch):
    """In the main thread of Linux and macOS by a signal, elsewhere by a second thread."""
    if not by_signal:
        monkeypatch.delattr("signal.setitimer")
    text = graded(replace(TASK, seconds=0.2), forever, capsys, monkeypatch)
    assert text.startswith("✗ 01.double: your code was stopped after 0.2 s for a row, at line ")
    assert text.endswith("; does a loop never end?")
    assert line("01.double", lambda x: x + x, capsys).startswith("✔"), "the next one runs as ever"
    time.sleep(0.3)  # and no bell comes late


def test_an_endless_answer_is_stopped_in_another_thread(capsys, monkeypatch):
    monkeypatch.setattr(checks, "tasks", lambda number: [replace(TASK, seconds=0.2)])
    thread = threading.Thread(target=checks.check, args=("01.double", forever))
    thread.start()
    thread.join(20)
    assert not thread.is_alive() and "stopped after 0.2 s" in capsys.readouterr().out


def test_a_result_that_never_ends_is_stopped_too(capsys, monkeypatch):
    """The answer is a model, say, that the rules call."""
    monkeypatch.setattr(checks, "SECONDS", 0.2)
    task = Value("01.model", rules=[Rule("f(1) is not 2", lambda f: f(1) == 2)])
    assert "stopped after 0.2 s for this answer, at line" in graded(task, forever, capsys, monkeypatch)


def test_an_async_function_is_named_and_leaks_nothing(capsys, recwarn):
    async def answer(x):
        return x * 2

    text = line("01.double", answer, capsys)
    assert text == "✗ 01.double: calling an `async` function runs nothing; write `def` without it"
    gc.collect()
    assert not recwarn.list


@pytest.mark.parametrize(
    "answer, message",
    [
        (np.vectorize(lambda x: x / nothing), "`(np.vectorize(lambda x: x / nothing), "),  # noqa: F821
        (lambda x: sorted(x, key=lambda y: y.nothing), "AttributeError: 'numpy.float64' object has no"),
        (lambda x: sys.exit(3), "SystemExit: 3"),
        (lambda x: np.zeros((10**9, 10**7)), "MemoryError: Unable to allocate"),
    ],
)
def test_the_learners_line_is_shown_not_the_librarys(answer, message, capsys):
    text = line("01.double", answer, capsys)
    assert "stops for a row: line " in text and message in text and "numpy/" not in text


def test_recursion_is_one_line(capsys):
    def answer(x):
        return answer(x)

    assert "`return answer(x)`, RecursionError: maximum rec" in line("01.double", answer, capsys)


# ------------------------------------------------------------------------------------- what a cell shows


def test_at_the_end_of_a_cell_a_verdict_shows_nothing_of_its_own():
    from IPython.core.formatters import DisplayFormatter

    assert DisplayFormatter().format(checks.check("01.even", 4)) == ({}, {})


def test_marks_have_a_colour_in_a_terminal_only(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    checks.check("01.even", 4)
    assert capsys.readouterr().out.startswith("\x1b[32m✔\x1b[0m 01.even: ")
    monkeypatch.setenv("NO_COLOR", "1")
    checks.check("01.even", 3)
    assert capsys.readouterr().out.startswith("✗ 01.even: ")


# ------------------------------------------------------------------------------------- what is left alone


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
    assert progress.tries() == {"01.double": 2}  # until it was right


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


def test_what_was_done_under_the_first_editions_numbers_is_kept():
    old = {"16.seats": {"tries": 2, "done": "2026-01-01T00:00:00"}, "15.late": {"tries": 1, "done": None}}
    paths.atomic_write(paths.work() / "progress.json", json.dumps({"tasks": old}))
    assert progress.done() == {"17.seats"} and progress.tries() == {"17.seats": 2, "15.late": 1}
    progress.record("15.late", False)
    assert progress.tries() == {"17.seats": 2, "15.late": 2} and progress.done() == {"17.seats"}


def test_a_folder_that_cannot_be_written_is_said_and_no_crash(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path / "file"))
    assert "your progress cannot be saved" in line("01.double", lambda x: x * 2, capsys)


@pytest.mark.parametrize("error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError()])
def test_progress_is_kept_where_nothing_can_be_locked(monkeypatch, error):
    """As on some network file systems, a home folder's among them."""

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(progress.FileLock, "acquire", refuse)
    assert progress.record("01.double", True) and progress.done() == {"01.double"}


def test_a_lock_that_another_holds_too_long_is_said(monkeypatch):
    def busy(*_, **__):
        raise Timeout("progress.lock")

    monkeypatch.setattr(progress.FileLock, "acquire", busy)
    assert not progress.record("01.double", True)
    assert not (paths.work() / "progress.json").exists()


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
