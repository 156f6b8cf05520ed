"""How strong the checks of the exercises are: spoil each solution in many small ways, see what is accepted.

usage: python benchmarks/mutation.py [NN or NN.task ...] [--most 40] [--seconds 20] [--seed 0]

A spoiled solution is a *mutant*: one operator, number, argument, call or line of the solution is changed. Its
check should reject it: then the mutant is killed. Those that survive are printed, each with its change. Read
them: some are equivalent, that is right as well (`np.maximum(a, b)` for `np.maximum(b, a)`); of the others
each is a wrong answer that learners may give too. Add a case that kills it, and a line in `tests/wrong/`.

At most `--most` mutants are drawn a task, for about `--seconds` of checking. Needs fork: Linux, macOS.
"""

import argparse
import ast
import copy
import difflib
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import torch  # noqa: F401 (once here, not in the process of each mutant)

from utils import checks, paths
from utils.authoring import sources

ROOT = Path(__file__).parents[1]
FORK = multiprocessing.get_context("fork")

PAIRS = ["sum mean", "max min", "argmax argmin", "maximum minimum", "zeros ones", "zeros_like ones_like",
         "any all", "std var", "hstack vstack", "exp expm1", "log log1p", "cumsum cumprod"]  # fmt: skip
OTHER = {one: other for pair in PAIRS for one, other in (pair.split(), pair.split()[::-1])}
OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """A task's solution: the statements that it needs, and which of them is the function that is spoiled."""

    task: str
    statements: list[ast.stmt]
    function: ast.FunctionDef


@dataclass
class Score:
    killed: int = 0
    survived: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(self.killed + other.killed, self.survived + other.survived)

    def __str__(self) -> str:
        many = self.killed + self.survived
        share = self.killed / max(many, 1)
        return f"{many:5} mutants  {self.killed:5} killed  {self.survived:4} survived  {share:6.1%}"


def answers(number: str) -> Iterator[Answer]:
    """The solutions of a unit that are functions, in the order of its notebook."""
    path = ROOT / "solutions" / "src" / f"{paths.unit(number)}.py"
    notebook = sources.notebook(sources.resolve_regions(path.read_text("utf-8"), path.name, "solution"))
    body = ast.parse("\n".join(cell.source for cell in sources.code_cells(notebook))).body
    for end, statement in enumerate(body):
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id == "check" and len(call.args) == 2:
                name, wanted = call.args
                needed = closure(body[:end], used(wanted))
                functions = [s for s in needed if isinstance(s, ast.FunctionDef) and s.name in used(wanted)]
                if functions and isinstance(wanted, ast.Name):
                    yield Answer(ast.literal_eval(name), needed, functions[-1])


def closure(body: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements that define these names, and what those need, in their order."""
    needed = []
    for statement in reversed(body):
        if bound(statement) & wanted:
            needed.insert(0, statement)
            wanted = wanted | used(statement)
    return needed


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the left margin gives a value."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def used(node: ast.AST) -> set[str]:
    """The names that it reads; of a function, those that are not its own."""
    names = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    own = (
        {n.id for n in names if isinstance(n.ctx, ast.Store)} if isinstance(node, ast.FunctionDef) else set()
    )
    own |= {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    return {n.id for n in names if isinstance(n.ctx, ast.Load)} - own


def mutants(function: ast.FunctionDef) -> list[ast.FunctionDef]:
    """Copies of a function with one change each, at most three a place; no two have the same code."""
    count, seen, found = len(list(places(function))), {ast.unparse(function)}, []
    for place, choice in ((p, c) for p in range(count) for c in range(3)):
        mutant = copy.deepcopy(function)
        for change in changes(list(places(mutant))[place], mutant)[choice : choice + 1]:
            change()
        if (text := ast.unparse(mutant)) not in seen:
            seen.add(text)
            found.append(mutant)
    return found


def places(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, ast.AST, str, int | None]]:
    """Every node below the function's head: (node, its parent, the field, the position in a list)."""
    for parent in ast.walk(ast.Module(function.body, [])):
        for field, value in ast.iter_fields(parent):
            for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(node, ast.AST):
                    yield node, parent, field, index


def changes(place: tuple, function: ast.FunctionDef) -> list:
    """What can be done to a node, as functions that do it."""
    node, parent, field, index = place

    def put(new: ast.AST | None):
        """Set another node in its place, or take it out of its list."""

        def change():
            if index is None:
                setattr(parent, field, new)
            elif new is None:
                getattr(parent, field).pop(index)
            else:
                getattr(parent, field)[index] = new

        return change

    match node:
        case ast.operator() | ast.cmpop() | ast.boolop():
            return [put(OPERATORS[type(node)]())] if type(node) in OPERATORS else []
        case ast.UnaryOp():
            return [put(node.operand)]
        case ast.Constant(value=bool()):
            return [put(ast.Constant(not node.value))]
        case ast.Constant(value=int() | float()):
            numbers = (node.value + 1, node.value / 2, 0) if node.value else (1,)
            return [put(ast.Constant(type(node.value)(number))) for number in numbers]
        case ast.keyword() if isinstance(parent, ast.Call):
            return [put(None)]
        case ast.IfExp():
            return [put(node.body), put(node.orelse)]
        case ast.BinOp():
            return [put(node.left), put(node.right)]
        case ast.Attribute(attr=name) if name in OTHER:
            return [put(ast.Attribute(node.value, OTHER[name], node.ctx))]
        case ast.Call():
            turned = ast.Call(node.func, node.args[:2][::-1] + node.args[2:], node.keywords)
            first = node.args[:1] or ([node.func.value] if isinstance(node.func, ast.Attribute) else [])
            return [put(new) for new in first] + ([put(turned)] if len(node.args) > 1 else [])
        case ast.Slice():
            return [put(ast.Slice(None, node.upper, node.step)), put(ast.Slice(node.lower, None, node.step))]
        case ast.Name(ctx=ast.Load()):
            names = [a.arg for a in function.args.args]
            return [put(ast.Name(n, node.ctx)) for n in names if node.id in names and n != node.id]
        case ast.If() | ast.AugAssign() | ast.Expr(value=ast.Call()) | ast.Break() | ast.Continue():
            return [put(ast.Pass())]
    return []


def verdict(task, answer: Answer, function: ast.FunctionDef, limit: float) -> str:
    """ "killed" or "survived": what the check says of this function, in a process of its own."""
    process = FORK.Process(target=_child, args=(task, answer, function), daemon=True)
    process.start()
    process.join(limit)
    process.kill()  # if it still runs
    process.join()
    return "survived" if process.exitcode == 0 else "killed"


def _child(task, answer: Answer, function: ast.FunctionDef) -> None:
    """Ends without an error if the answer is accepted."""
    import resource

    with suppress(ValueError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30,) * 2)
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        try:
            body = [function if s is answer.function else s for s in answer.statements]
            namespace: dict = {}
            module = ast.fix_missing_locations(ast.Module(body, []))
            exec(compile(module, "<solution>", "exec"), namespace)
            task.grade(namespace[function.name])
        except BaseException:  # whatever stops a mutant
            raise SystemExit(1) from None


def survey(task, answer: Answer, most: int, seconds: float, rng: random.Random) -> tuple[Score, list[str]]:
    """The score of a task's check, and the change of each survivor, as lines of a diff."""
    score, survivors, start = Score(), [], time.perf_counter()
    if verdict(task, answer, answer.function, 600) == "killed":
        return score, ["the solution itself does not pass alone: nothing was measured"]
    alone = time.perf_counter() - start
    found = mutants(answer.function)
    for mutant in rng.sample(found, min(len(found), most, max(3, int(seconds / alone)))):
        said = verdict(task, answer, mutant, 10 + 4 * alone)
        setattr(score, said, getattr(score, said) + 1)
        if said == "survived":
            before, after = (ast.unparse(f).splitlines() for f in (answer.function, mutant))
            survivors += [line for line in difflib.unified_diff(before, after, n=0, lineterm="")
                          if line[:1] in "+-" and line[:3] not in ("+++", "---")]  # fmt: skip
    return score, survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="units or tasks: 05, 05.clip; all, if none")
    parser.add_argument("--most", type=int, default=40, help="mutants a task")
    parser.add_argument("--seconds", type=float, default=20.0, help="of checking a task, about")
    parser.add_argument("--seed", type=int, default=0, help="which mutants are drawn")
    options = parser.parse_args()

    total, wanted = {True: Score(), False: Score()}, options.names or paths.units()
    known = {task.name: task for number in paths.units() for task in checks.tasks(number)}
    if unknown := set(wanted) - set(paths.units()) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; name a unit such as 05, or a task: 05.clip")
    for number in dict.fromkeys(name[:2] for name in wanted):
        for answer in answers(number):
            task = known[answer.task]
            if not isinstance(task, checks.Function) or not {number, task.name} & set(wanted):
                continue
            drawn = random.Random(f"{options.seed} {task.name}")
            score, survivors = survey(task, answer, options.most, options.seconds, drawn)
            print(f"{task.name:16} {score}", *survivors, sep="\n    ", flush=True)
            total[task.oracle is not None] += score
    print(f"{'one right result':16} {total[True]}\n{'many are right':16} {total[False]}")


if __name__ == "__main__":
    main()
