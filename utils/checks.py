"""Checks of the learner's answers: `check("01.sigmoid", sigmoid)`.

What each check tests stands in `utils/tasks/NN_name.py`. Expected values come from an independent oracle (a
library function, a plain loop, finite differences), never from the solution, and are never shown.
"""

import copy
import importlib
import importlib.util
import linecache
import random
import re
import traceback
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import numpy as np

from utils import paths, progress, runtime
from utils.errors import UserError, choose


class CheckFailed(AssertionError):
    """A check did not pass. Raised only where nobody is watching (`DLMAP_STRICT=1`)."""


class Wrong(Exception):
    """What is wrong with an answer, and the number of the hint that helps, if one does."""

    def __init__(self, message: str, hint: int | None = None):
        super().__init__(message)
        self.hint = hint


class NotWritten(Exception):
    """The answer is still the stub, or the bug that came with the exercise."""


# ---------------------------------------------------------------------- what a task file is written with


@dataclass(frozen=True)
class Case:
    """One input: `label` finishes the sentence "wrong for …".

    `known` is what the rules know and the answer does not see, such as the clicks to predict.
    """

    label: str
    args: tuple
    known: tuple = ()


@dataclass(frozen=True)
class Rule:
    """A property of every right result: `holds(result, *args, *known)`, or else `message`."""

    message: str
    holds: Callable
    hint: int = 1


@dataclass(frozen=True)
class Mistake:
    """A usual wrong answer, as code: a result that equals it on every case gets this message."""

    message: str
    code: Callable
    hint: int = 1


@dataclass(frozen=True)
class Function:
    """A task whose answer is a function.

    `cases` may be a function, so that listing the tasks makes no data.
    `oracle(*args)` gives the right result by another way. Where many results are right (a training run),
    `oracle` is None: `rules` decide, and `like(*args)` is any result of the right type and shape.
    `bug` is the code that a debugging task hands out: an answer that still behaves so is not mended yet.
    `draws` says that the result is random, and comes from a generator among the arguments only; `trials` is a
    rule for the list of results of 400 draws on the first case.
    """

    name: str
    cases: Sequence[Case] | Callable[[], Sequence[Case]]
    oracle: Callable | None = None
    like: Callable | None = None
    rules: Sequence[Rule] = ()
    mistakes: Sequence[Mistake] = ()
    bug: Callable | None = None
    draws: bool = False
    trials: Rule | None = None
    concepts: Sequence[str] = ()
    rtol: float = 1e-6
    atol: float = 1e-9

    def grade(self, answer) -> str:
        if not callable(answer):
            raise Wrong(f"expected the function itself, got {_kind(answer)}; give its name without brackets")
        cases = self.cases() if callable(self.cases) else self.cases
        results = [self._call(answer, case) for case in cases]
        if self.bug and self._explains(self.bug, cases, results):
            raise NotWritten("the bug is still there")
        try:
            for case, result in zip(cases, results, strict=True):
                self._compare(case, result)
        except Wrong:
            for mistake in self.mistakes:
                if self._explains(mistake.code, cases, results):
                    raise Wrong(mistake.message, mistake.hint) from None
            raise
        if self.draws:
            self._draw_again(answer, cases[0], results[0])
        return f"right on {len(cases)} inputs"

    def _call(self, answer, case):
        args = copy.deepcopy(case.args)
        try:
            result = answer(*args)
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and _is_own(error):
                raise NotWritten("not written yet") from None
            raise Wrong(f"your code stops for {case.label}: {_own_lines(error)}") from None
        if result is ...:
            raise NotWritten("not written yet")
        for given, now in zip(case.args, args, strict=True):
            if not _same(given, now):
                raise Wrong(f"your code changes its input for {case.label}; work on a copy, or without `+=`")
        return result

    def _compare(self, case, result):
        expected = (self.oracle or self.like)(*copy.deepcopy(case.args))
        for part, (want, got) in _parts(expected, result, case.label):
            _compare_form(want, got, case.label, part, any_float=self.oracle is None)
        for rule in self.rules:
            if not _holds(rule, result, case):
                raise Wrong(f"{rule.message} (seen for {case.label})", rule.hint)
        if self.oracle is None:
            return
        for part, (want, got) in _parts(expected, result, case.label):
            if not np.allclose(_array(got), _array(want), rtol=self.rtol, atol=self.atol):
                raise Wrong(f"{part} has wrong values for {case.label}", 1)

    def _draw_again(self, answer, case, result):
        """The same generator gives the same result, another one another, and many draw what they should."""

        def with_seed(seed):
            drawn = [
                np.random.default_rng(seed) if isinstance(a, np.random.Generator) else a for a in case.args
            ]
            return self._call(answer, Case(case.label, tuple(drawn)))

        if not _same(result, self._call(answer, case)):
            raise Wrong("the same generator gives another result each time: draw from the argument only")
        if _same(result, with_seed(99)):
            raise Wrong("whatever the generator, the result is the same: draw from the argument")
        if self.trials and not self.trials.holds([with_seed(seed) for seed in range(400)], *case.args):
            raise Wrong(self.trials.message, self.trials.hint)

    def _explains(self, code, cases, results) -> bool:
        """Whether `code` gives the same results: on every case that it can answer, and on one at least."""
        equal = []
        for case, got in zip(cases, results, strict=True):
            with np.errstate(all="ignore"):
                try:
                    want = code(*copy.deepcopy(case.args))
                    equal.append(_same(want, got, self.rtol, self.atol))
                except Exception:  # a mistake may well crash on some input
                    continue
        return bool(equal) and all(equal)


@dataclass(frozen=True)
class Choice:
    """A prediction, committed before the run: one of `options`. `truth()` measures which one is right."""

    name: str
    options: Sequence[str]
    truth: Callable[[], str]
    wrong: str = "that is not what the run shows; run the next cell and see"
    concepts: Sequence[str] = ()
    right: str = "that is what the run shows"
    hint: int = 1

    def grade(self, answer) -> str:
        chosen = answer.strip(" .)").lower() if isinstance(answer, str) else None
        if chosen not in self.options:
            raise Wrong(f"answer with one of: {', '.join(map(repr, self.options))}")
        if chosen != self.truth():
            raise Wrong(self.wrong, self.hint)
        return self.right


@dataclass(frozen=True)
class Value:
    """A task whose answer is a thing: a number, an array, a fitted model.

    `like(answer)` is any answer of the right type and shape; `rules` are the stated properties.
    """

    name: str
    rules: Sequence[Rule]
    like: Callable[[Any], Any] | None = None
    concepts: Sequence[str] = ()
    _case: Case = field(default=Case("this answer", ()), repr=False)

    def grade(self, answer) -> str:
        if self.like is not None:
            for part, (want, got) in _parts(self.like(answer), answer, "this answer"):
                _compare_form(want, got, "this answer", part)
        for rule in self.rules:
            if not _holds(rule, answer, self._case):
                raise Wrong(rule.message, rule.hint)
        return f"it has all {len(self.rules)} properties"


# ---------------------------------------------------------------------- what a notebook calls


def check(name: str, answer) -> bool:
    """Say whether an answer is right, in one line, and keep the success. Returns True if it is.

    Raises: UserError for an unknown task; CheckFailed in a strict run if the answer is not right.
    """
    task = _find(name)
    hint = None
    try:
        if answer is ...:
            raise NotWritten("not written yet")
        with _random_state_kept():
            state, message = "done", task.grade(answer)
    except NotWritten as reason:
        state, message = "todo", str(reason)
    except Wrong as reason:
        state, message, hint = "wrong", str(reason), reason.hint
    except Exception as error:  # an answer of a kind that nobody thought of: still one line, no wall
        state, message = (
            "wrong",
            f"this answer cannot be read: {type(error).__name__}: {error}".splitlines()[0],
        )

    saved = state == "todo" or progress.record(name, state == "done")
    if state == "done":
        names = [other.name for other in tasks(name[:2])]
        message += f" ({len(progress.done() & set(names))} of {len(names)} done)"
        message += "" if saved else " – but your progress cannot be saved: the work folder cannot be written"
    elif hint:
        message += f". See hint {hint}."
    line = f"{ {'done': '✔', 'wrong': '✗', 'todo': '○'}[state] } {name}: {message}"
    runtime.say(line, task=name, state=state, message=message)
    if runtime.strict() and state != "done":
        raise CheckFailed(line)
    return state == "done"


def tasks(number: str) -> list:
    """The tasks of a unit, in the order of its notebook; none if it has none yet."""
    unit = paths.unit(number)
    if importlib.util.find_spec(f"utils.tasks.{unit}") is None:
        return []
    return importlib.import_module(f"utils.tasks.{unit}").TASKS


def _find(name: str):
    number = str(name).partition(".")[0]
    known = {task.name: task for task in tasks(number)}
    if name not in known:
        raise choose("task", name, known) if known else UserError(f"lecture {number} has no tasks")
    return known[name]


# ---------------------------------------------------------------------- how two results are compared


def _parts(expected, result, label):
    """Pairs of (name, (expected, got)): one for a single result, one for each member of a tuple."""
    if result is None:
        raise Wrong(f"nothing came back for {label}; did you forget `return`?")
    if not isinstance(expected, tuple):
        return [("the result", (expected, result))]
    if hasattr(result, "shape") and tuple(result.shape) == (len(expected),):
        result = list(result)  # an array with one entry a result will do
    if not isinstance(result, tuple | list) or len(result) != len(expected):
        got = f"{len(result)} results" if isinstance(result, tuple | list) else _kind(result)
        raise Wrong(f"expected {len(expected)} results, got {got}, for {label}")
    return [(f"result {i + 1}", pair) for i, pair in enumerate(zip(expected, result, strict=True))]


def _compare_form(want, got, label, part="the result", any_float=False):
    """Type, shape, dtype, device, finite: in this order, so that the first message is the most basic one.

    `any_float`: single or double precision, where no exact value is compared.
    """
    if got is None:
        raise Wrong(f"{part} is None for {label}; did you forget `return`?")
    if _is_number(want):
        if not _is_number(got):
            shape = f" of shape {tuple(got.shape)}" if hasattr(got, "shape") else ""
            raise Wrong(f"{part} should be one number for {label}, got {_kind(got)}{shape}")
    elif type(want).__module__.split(".")[0] in ("numpy", "torch"):
        if not isinstance(got, type(want)):
            raise Wrong(f"{part} should be a {_kind(want)} for {label}, got {_kind(got)}")
        if want.shape != got.shape:
            shapes = f"{tuple(want.shape)}, got {tuple(got.shape)}"
            raise Wrong(f"{part} should have shape {shapes}, for {label}")
        whole = all(
            re.match(r"(torch\.)?u?int", str(a.dtype)) for a in (want, got)
        )  # int32 will do for int64
        single = any_float and all("float" in str(a.dtype) for a in (want, got))
        if want.dtype != got.dtype and not whole and not single:
            raise Wrong(f"{part} should have dtype {want.dtype}, got {got.dtype}, for {label}")
        if getattr(want, "device", None) != getattr(got, "device", None):
            raise Wrong(f"{part} should be on {want.device}, got {got.device}, for {label}")
    elif not isinstance(got, type(want)):
        raise Wrong(f"{part} should be a {_kind(want)} for {label}, got {_kind(got)}")
    else:
        return
    values = _array(got)
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        bad = "nan" if np.isnan(values).any() else "inf"
        raise Wrong(f"{part} contains {bad} for {label}", 1)


def _is_number(value) -> bool:
    """A Python number, a NumPy scalar or anything numeric without axes: all count as one number."""
    if isinstance(value, bool | int | float):
        return True
    return hasattr(value, "dtype") and tuple(value.shape) == () and _array(value).dtype.kind in "fiub"


def _array(value) -> np.ndarray:
    """The values as NumPy, wherever they are."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _same(a, b, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Equal to a tolerance, nan included, through lists, dicts and dataclasses; all else counts as equal."""
    if is_dataclass(a) and type(a) is type(b):
        a, b = vars(a), vars(b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key], rtol, atol) for key in a)
    if isinstance(a, tuple | list):
        return (
            isinstance(b, tuple | list)
            and len(a) == len(b)
            and all(_same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
        )
    if not (_is_number(a) or hasattr(a, "shape")):
        return True
    a, b = _array(a), _array(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fciub" or b.dtype.kind not in "fciub":
        return bool(np.array_equal(a, b))
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))


def _holds(rule, result, case) -> bool:
    try:
        return bool(rule.holds(result, *copy.deepcopy(case.args), *case.known))
    except Exception:  # a rule that cannot even be evaluated on this result does not hold
        return False


def _kind(value) -> str:
    """The name of a type for people."""
    names = {"ndarray": "NumPy array", "Tensor": "PyTorch tensor", "NoneType": "nothing", "str": "text"}
    kind = type(value).__name__
    return names.get(kind, kind)


def _is_own(error: BaseException) -> bool:
    """Whether the learner's own code raised it, not a library that it called."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call in this file
    return bool(frames) and frames[-1].filename == frames[0].filename


def _own_lines(error: BaseException) -> str:
    """The learner's last own line, and what happened there; frames inside libraries are left out."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call in this file
    first = frames[0].filename if frames else None
    own = [frame for frame in frames if frame.filename == first]
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    if not own:
        return what
    line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno)).strip()
    return f"line {own[-1].lineno}, `{line}`, {what}"


@contextmanager
def _random_state_kept():
    """The learner's random numbers go on as if nothing had been checked."""
    import torch

    # NumPy's legacy state is the only global one it has; a Generator belongs to whoever made it.
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
        torch.set_rng_state(kept[2])
