"""Gate 4: every check accepts what is right, rejects what is wrong with its message, and waits for a stub."""

import copy
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from utils import checks, comparison, paths, progress

UNITS = [number for number in paths.units() if checks.tasks(number)]
TASKS = [task for number in UNITS for task in checks.tasks(number)]
FUNCTIONS = [task for task in TASKS if isinstance(task, checks.Function)]


@pytest.fixture(autouse=True)
def nobody_watches(monkeypatch, tmp_path):
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path))
    monkeypatch.delenv("DLMAP_STRICT", raising=False)


def answers(number):
    path = Path(__file__).parent / "wrong" / f"{paths.unit(number)}.py"
    spec = importlib.util.spec_from_file_location(f"wrong_{number}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def named(kind):
    return [
        pytest.param(task, answer, id=f"{task}-{label}")
        for number in UNITS
        for task, group in getattr(answers(number), kind).items()
        for label, answer in group.items()
    ]


def names(tasks):
    return [task.name for task in tasks]


@pytest.mark.parametrize("number", UNITS)
def test_every_task_ships_wrong_and_right_answers(number):
    module, tasks = answers(number), checks.tasks(number)
    assert list(module.WRONG) == list(module.RIGHT) == names(tasks)
    assert 4 <= len(tasks) <= 7
    for task in tasks:
        assert len(module.WRONG[task.name]) >= 3, f"{task.name}: at least three named wrong answers"
        assert len(module.RIGHT[task.name]) >= 1, f"{task.name}: at least one right answer written otherwise"
        assert task.name.startswith(f"{number}."), task.name


@pytest.mark.parametrize("name, wrong", named("WRONG"))
def test_wrong_answer_is_named(name, wrong, capsys):
    answer, message = wrong
    assert not checks.check(name, answer)
    line = capsys.readouterr().out
    assert line.startswith(f"✗ {name}: "), line
    assert message in line, line
    assert line.count("\n") == 1, line


@pytest.mark.parametrize("name, right", named("RIGHT"))
def test_right_answer_written_otherwise(name, right, capsys):
    assert checks.check(name, right), capsys.readouterr().out
    assert capsys.readouterr().out.startswith(f"✔ {name}: ")


@pytest.mark.parametrize("task", TASKS, ids=names(TASKS))
@pytest.mark.parametrize("stub", ["ellipsis", "function", "not implemented"])
def test_stub_waits(task, stub, capsys):
    def not_implemented(*args):
        raise NotImplementedError

    if stub != "ellipsis" and not isinstance(task, checks.Function):
        pytest.skip("its answer is no function")
    answer = {"ellipsis": ..., "function": lambda *args: ..., "not implemented": not_implemented}[stub]
    assert not checks.check(task.name, answer)
    assert capsys.readouterr().out == f"○ {task.name}: not written yet\n"


def members(result):
    """The results in a tuple, or the only one."""
    return result if isinstance(result, tuple) else (result,)


def change(value, how):
    """Spoil a result, or each member of a tuple; `how` maps an array to something else."""
    if isinstance(value, tuple):
        return tuple(change(member, how) for member in value)
    return how(value)


def spoilers(right, exact=True):
    """Generic wrong answers, made from a right one."""

    def overwriting(*args):
        result = right(*args)
        for arg in args:
            if isinstance(arg, np.ndarray) and arg.size and arg.flags.writeable:
                arg += 1
        return result

    def after(how):
        return lambda *args: change(right(*args), how)

    return {
        "zeros": after(lambda r: r * 0),
        "none": lambda *args: None,
        "input returned": lambda *args: args[0],
        "extra axis": after(lambda r: np.asarray(r)[None]),
        "one row": after(lambda r: np.asarray(r)[:1] if np.ndim(r) else np.asarray([r])),
        "other dtype": after(
            lambda r: np.asarray(r).astype(
                str
                if not np.ndim(r)
                else np.float32
                if exact or np.asarray(r).dtype.kind == "i"
                else np.int64
            )
        ),
        "nan": after(lambda r: r * np.nan),
        "off by 0.001": after(lambda r: r + 0.001),
        "input overwritten": overwriting,
        "constant": lambda *args, seen=[]: seen[0] if seen else (seen.append(right(*args)) or seen[0]),
        "crash": lambda *args: 1 / 0,
    }


def right_answer(task):
    """The oracle where there is one: it is right by definition, and shares nothing with the solution."""
    if task.oracle is not None:
        return task.oracle
    return next(iter(answers(task.name[:2]).RIGHT[task.name].values()))


@pytest.mark.parametrize("kind", list(spoilers(None)))
@pytest.mark.parametrize("task", FUNCTIONS, ids=names(FUNCTIONS))
def test_generic_wrong_answer(task, kind, capsys):
    if task.oracle is None and kind in ("off by 0.001", "constant"):
        pytest.skip("many results are right: a small change, or the same one again, can be right too")
    if kind == "input overwritten" and not any(isinstance(a, np.ndarray) for a in cases(task)[0].args):
        pytest.skip("no array goes in")
    answer = spoilers(right_answer(task), exact=task.oracle is not None)[kind]
    with np.errstate(all="ignore"):
        assert not checks.check(task.name, answer)
    assert capsys.readouterr().out.startswith(f"✗ {task.name}: ")


def cases(task):
    return task.cases() if callable(task.cases) else task.cases


@pytest.mark.parametrize("task", FUNCTIONS, ids=names(FUNCTIONS))
def test_the_oracle_itself_is_right_and_the_bug_is_not(task, capsys):
    assert len(cases(task)) >= (3 if task.oracle else 2)
    assert checks.check(task.name, right_answer(task)), capsys.readouterr().out
    if task.bug:
        assert not checks.check(task.name, task.bug)
        assert "the bug is still there" in capsys.readouterr().out


@pytest.mark.parametrize("task", FUNCTIONS, ids=names(FUNCTIONS))
def test_no_message_shows_an_expected_value(task, capsys):
    """The input and the learner's own result may be shown, whatever numbers they share with the right one."""
    right = right_answer(task)

    def wrong(*args):
        return change(right(*args), lambda r: r + 0.5)

    checks.check(task.name, wrong)
    message = re.sub(r"where yours is \S+", "", capsys.readouterr().out)
    for case in cases(task):
        inputs = comparison.shown_inputs(wrong, copy.deepcopy(case.args))
        for own in parts if isinstance(parts := wrong(*copy.deepcopy(case.args)), tuple) else (parts,):
            message = message.replace(f": {inputs} gives {comparison.shown(own)}", "")
    for case in cases(task):
        expected = right(*copy.deepcopy(case.args))
        for value in np.ravel(members(expected)[0])[:3]:
            text = f"{float(value):.3g}"
            assert len(text) < 4 or text not in message.replace(case.label, "")


def test_no_task_of_today_has_a_name_that_the_first_edition_gave_to_another():
    today = {task.name for number in paths.units() for task in checks.tasks(number)}
    assert progress.RENAMED.keys().isdisjoint(today)
