"""Checks of the learner's answers: `check("01.sigmoid", sigmoid)`.

What each check tests stands in `utils/tasks/NN_name.py`. Expected values come from an independent oracle (a
library function, a plain loop, finite differences), never from the solution, and are never shown.
"""

import copy
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from utils import attempt, comparison, paths, progress, runtime
from utils.comparison import Wrong, array, kind, parts
from utils.comparison import same as _same
from utils.errors import UserError, choose

SECONDS = 20  # that an answer may take for one input
MARKS = {"done": "✔", "wrong": "✗", "todo": "○"}


class CheckFailed(AssertionError):
    """A check did not pass. Raised only where nobody is watching (`DLMAP_STRICT=1`)."""


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
    `oracle` is None: `rules` decide, and `like(*args)` is any result of the right type and shape. Where
    probabilities are asked, let it be one between 0 and 1: then the classes 0 and 1 are called so.
    `bug` is the code that a debugging task hands out: an answer that still behaves so is not mended yet.
    `draws` says that the result is random, and comes from a generator among the arguments only; `trials` is a
    rule for the list of results of 400 draws on the first case.
    `fresh` says that the result must be new: no array in it may share memory with an argument.
    `overflow_hint` is the hint for a result with nan or inf; `seconds` is what an answer may take for a case.
    `trains` says that networks among the arguments are there to be trained; all else must stay as it was.
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
    fresh: bool = False
    concepts: Sequence[str] = ()
    rtol: float = 1e-6
    atol: float = 1e-9
    overflow_hint: int = 1
    seconds: float = SECONDS
    trains: bool = False

    def grade(self, answer) -> str:
        if not callable(answer):
            raise Wrong(f"expected the function itself, got {kind(answer)}; give its name without brackets")
        cases = self.cases() if callable(self.cases) else self.cases
        runs = [self._call(answer, case) for case in cases]
        results = [result for result, _ in runs]
        if self.bug and self._explains(self.bug, cases, results):
            raise NotWritten("the bug is still there")
        try:
            expected = [(self.oracle or self.like)(*copy.deepcopy(case.args)) for case in cases]
            for case, want, (result, warned) in zip(cases, expected, runs, strict=True):
                self._compare_form(case, want, result, warned)
            if self.oracle is not None:
                self._compare_values(answer, cases, expected, results)
        except Wrong:
            for mistake in self.mistakes:
                if self._explains(mistake.code, cases, results):
                    raise Wrong(mistake.message, mistake.hint) from None
            raise
        if self.draws:
            self._draw_again(answer, cases[0], results[0])
        return f"right on {len(cases)} inputs"

    def _call(self, answer, case) -> tuple[Any, str]:
        """The result on a case, and what NumPy warned of."""
        args = copy.deepcopy(case.args)
        attempt.forget_small_arrays()
        try:
            with attempt.warnings_kept() as warned, attempt.at_most(self.seconds):
                result = answer(*args)
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and attempt.is_own(error):
                raise NotWritten("not written yet") from None
            raise Wrong(f"your code stops for {case.label}: {attempt.told(error)}") from None
        except attempt.TooLong as late:
            raise _late(late, self.seconds, case) from None
        if result is ...:
            raise NotWritten("not written yet")
        if inspect.iscoroutine(result):
            result.close()
            raise Wrong("calling an `async` function runs nothing; write `def` without it")
        for given, now in zip(case.args, args, strict=True):
            if not _same(given, now) and not (self.trains and hasattr(given, "state_dict")):
                raise Wrong(f"your code changes its input for {case.label}; work on a copy, or without `+=`")
        if self.fresh and comparison.share_memory(result, args):
            raise Wrong(
                f"the result is the input itself for {case.label}, or a view of it; return new arrays"
            )
        return comparison.straight(result), attempt.warned_of(warned)

    def _compare_form(self, case, want, result, warned):
        """What every right result has: its form, finite numbers, and the stated properties."""
        exact = self.oracle is not None
        for part, wanted, got in parts(want, result, case.label):
            comparison.compare_form(wanted, got, case.label, part, exact)
            comparison.compare_finite(wanted, got, case.label, part, warned, self.overflow_hint)
        for rule in self.rules:
            _require(rule, result, case, self.seconds, f" (seen for {case.label})")

    def _compare_values(self, answer, cases, expected, results):
        """Raises Wrong that shows the smallest input that gives a wrong value, and what it gives."""
        wrong = [
            (case, part, want, got)
            for case, right, result in zip(cases, expected, results, strict=True)
            for part, want, got in parts(right, result, case.label)
            if not comparison.close(want, got, self.rtol, self.atol)
        ]
        if not wrong:
            return
        case, part, want, got = min(wrong, key=lambda w: comparison.size(w[0].args) + comparison.size(w[3]))
        everywhere = comparison.relation([array(w[2]) for w in wrong], [array(w[3]) for w in wrong])
        here = comparison.relation([array(want)], [array(got)])
        shown = f"{comparison.shown_inputs(answer, case.args)} gives {comparison.shown(got)}"
        places = comparison.where(want, got, self.rtol, self.atol)
        more = "; ".join(filter(None, [shown, places, everywhere or (here and f"here {here}")]))
        raise Wrong(f"{part} has wrong values for {case.label}: {more}", 1)

    def _draw_again(self, answer, case, result):
        """The same generator gives the same result, another one another, and many draw what they should."""

        def with_seed(seed):
            drawn = [
                np.random.default_rng(seed) if isinstance(a, np.random.Generator) else a for a in case.args
            ]
            return self._call(answer, Case(case.label, tuple(drawn)))[0]

        if not _same(result, self._call(answer, case)[0]):
            raise Wrong("the same generator gives another result each time: draw from the argument only")
        if _same(result, with_seed(99)):
            raise Wrong("whatever the generator, the result is the same: draw from the argument")
        if self.trials:
            drawn = [with_seed(seed) for seed in range(400)]
            _require(self.trials, drawn, Case(case.label, case.args), self.seconds)

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
            for part, want, got in parts(self.like(answer), answer, "this answer"):
                comparison.compare_form(want, got, "this answer", part)
                comparison.compare_finite(want, got, "this answer", part)
        for rule in self.rules:
            _require(rule, comparison.straight(answer), self._case, SECONDS)
        return f"it has all {len(self.rules)} properties"


def _require(rule, result, case, seconds, seen=""):
    """Raises Wrong if a result lacks a property, and says so if nobody can tell."""
    try:
        with attempt.at_most(seconds):
            holds = bool(rule.holds(result, *copy.deepcopy(case.args), *case.known))
    except attempt.TooLong as late:
        raise _late(late, seconds, case) from None
    except (Exception, SystemExit) as error:
        if attempt.own_line(error):  # the result is code too: a function, a model
            raise Wrong(f"your code stops for {case.label}: {attempt.told(error)}") from None
        raise Wrong(f"cannot tell for {case.label} whether {rule.message}: {attempt.told(error)}") from None
    if not holds:
        raise Wrong(f"{rule.message}{seen}", rule.hint)


def _late(error, seconds, case) -> Wrong:
    at = "".join(f", at {line}" for line in attempt.own_line(error))
    return Wrong(f"your code was stopped after {seconds:g} s for {case.label}{at}; does a loop never end?")


# ---------------------------------------------------------------------- what a notebook calls


@dataclass(frozen=True)
class Verdict:
    """What a check found. It is true where the answer is right."""

    task: str
    state: str  # of MARKS
    message: str

    def __bool__(self) -> bool:
        return self.state == "done"

    def _ipython_display_(self) -> None:
        """As the last line of a cell it shows nothing: its line stands there already."""


def check(name: str, answer) -> Verdict:
    """Say whether an answer is right, in one line, and keep the success.

    Raises: UserError for an unknown task; CheckFailed in a strict run if the answer is not right.
    """
    name = progress.RENAMED.get(name, name)  # in a copy that was begun with the first edition
    task = _find(name)
    verdict = _judge(task, answer)
    saved = verdict.state == "todo" or progress.record(name, bool(verdict))
    line = f"{MARKS[verdict.state]} {name}: {verdict.message}"
    if verdict:
        names = [other.name for other in tasks(name[:2])]
        line += f" ({len(progress.done() & set(names))} of {len(names)} done so far)"
        line += "" if saved else " – but your progress cannot be saved: the work folder cannot be written"
    runtime.say(line, **vars(verdict))
    if runtime.strict() and not verdict:
        raise CheckFailed(line)
    return verdict


def _judge(task, answer) -> Verdict:
    try:
        if answer is ...:
            raise NotWritten("not written yet")
        with attempt.random_state_kept(), attempt.warnings_kept():
            state, message = "done", task.grade(answer)
    except NotWritten as reason:
        state, message = "todo", str(reason)
    except Wrong as reason:
        state, message = "wrong", str(reason)
        message += f". See hint {reason.hint}." if reason.hint else ""
    except Exception as error:  # an answer of a kind that nobody thought of: still one line, no wall
        state, message = "wrong", f"this answer cannot be read: {attempt.told(error)}"
    return Verdict(task.name, state, message)


def tasks(number: str) -> list:
    """The tasks of a unit, in the order of its notebook; none if it has none yet."""
    unit = paths.unit(number)
    if importlib.util.find_spec(f"utils.tasks.{unit}") is None:
        return []
    return importlib.import_module(f"utils.tasks.{unit}").TASKS


def fractions() -> dict[str, float]:
    """Lecture number -> share of its tasks that are done, for every lecture that has tasks."""
    finished, share = progress.done(), {}
    for number in paths.units():
        names = [task.name for task in tasks(number)]
        if names:
            share[number] = sum(name in finished for name in names) / len(names)
    return share


def _find(name: str):
    number = str(name).partition(".")[0]
    known = {task.name: task for task in tasks(number)}
    if name not in known:
        raise choose("task", name, known) if known else UserError(f"lecture {number} has no tasks")
    return known[name]
