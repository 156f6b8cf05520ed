"""The mutation test of the checks tells a strong check from a weak one."""

import ast
import importlib.util
import random
import sys
from pathlib import Path

import numpy as np
import pytest

from utils.checks import Case, Function

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork")


@pytest.fixture(scope="module")
def mutation():
    path = Path(__file__).parents[1] / "benchmarks" / "mutation.py"
    spec = importlib.util.spec_from_file_location("mutation", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


SOLUTION = """
import numpy as np
def margins(a, b):
    return np.maximum(a - b, 0)
"""


def task(*cases):
    return Function("99.margins", cases=[Case("numbers", case) for case in cases], oracle=_by_loop)


def _by_loop(a, b):
    return np.array([x - y if x > y else 0.0 for x, y in zip(a, b, strict=True)])


WEAK = task((np.array([3.0, 1.0]), np.zeros(2)))
STRONG = task((np.array([3.0, 1.0]), np.zeros(2)), (np.array([1.0, 5.0]), np.array([2.0, 0.5])))


def answer(mutation):
    statements = ast.parse(SOLUTION).body
    return mutation.Answer("99.margins", statements, statements[-1])


def test_each_mutant_has_one_change(mutation):
    found = {ast.unparse(m).splitlines()[-1].strip() for m in mutation.mutants(answer(mutation).function)}
    wanted = ["np.maximum(a + b, 0)", "np.minimum(a - b, 0)", "np.maximum(a - b, 1)", "np.maximum(b - b, 0)",
              "np.maximum(a, 0)", "np.maximum(0, a - b)", "a - b"]  # fmt: skip
    assert {f"return {code}" for code in wanted} <= found
    assert "return np.maximum(a - b, 0)" not in found


def test_a_weak_check_is_found(mutation):
    weak, survivors = mutation.survey(WEAK, answer(mutation), 99, 60, random.Random(0))
    strong, left = mutation.survey(STRONG, answer(mutation), 99, 60, random.Random(0))
    assert weak.killed + weak.survived == strong.killed + strong.survived
    assert "+    return np.maximum(a + b, 0)" in survivors and "+    return a - b" in survivors
    assert [line for line in left if line.startswith("+")] == ["+    return np.maximum(0, a - b)"]
    assert strong.survived == 1 < weak.survived


def test_a_mutant_that_does_not_end_is_killed(mutation):
    loop = ast.parse("def margins(a, b):\n    while True:\n        pass").body[0]
    assert mutation.verdict(STRONG, answer(mutation), loop, 0.5) == "killed"


def test_solutions_are_found_with_what_they_need(mutation):
    found = {a.task: a for a in mutation.answers("17")}
    assert {"17.start", "17.devices"} <= set(found) and "17.twins" not in found  # a choice
    needed = [mutation.bound(s) for s in found["17.devices"].statements]
    assert {"COLUMNS"} in needed and needed[-1] == {found["17.devices"].function.name}
