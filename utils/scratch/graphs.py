"""An expression graph put in order, run, written as one function, and drawn: the plumbing of lecture 18.

The lecture builds the nodes, their gradients and the passes. A node has `op`, `args` (nodes) and `value`: the
name of an input, the number of a constant. Bergstra and others (2010), Theano, SciPy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

# each operation as a text of Python, with places for its arguments
CODE = {
    "add": "({} + {})",
    "mul": "({} * {})",
    "div": "({} / {})",
    "gt": "({} > {})",
    "tanh": "np.tanh({})",
    "sqrt": "np.sqrt({})",
}
KERNELS = {op: compile(code.format("a[0]", "a[1]"), "<op>", "eval") for op, code in CODE.items()}


def order(*roots) -> list:
    """Every node once, arguments before what uses them."""
    found: dict = {}

    def visit(node):
        if node not in found:
            for a in node.args:
                visit(a)
            found[node] = None

    for root in roots:
        visit(root)
    return list(found)


def compute(op: str, *numbers) -> Any:
    """One operation on numbers or arrays."""
    return eval(KERNELS[op], {"np": np}, {"a": numbers})


def walk(roots, x) -> list:
    """The values of `roots` for an input x, node by node; every result is kept to the end."""
    values: dict = {}
    for node in order(*roots):
        if node.op == "input":
            values[node] = x
        elif node.op == "const":
            values[node] = node.value
        else:
            values[node] = compute(node.op, *(values[a] for a in node.args))
    return [values[root] for root in roots]


def fuse(roots) -> tuple[Callable, str]:
    """One Python function for the whole graph, and its text: what is used once stands where it is used."""
    nodes, lines, text = order(*roots), ["def program(x):"], {}
    uses = [a for node in nodes for a in node.args] + list(roots)
    for node in nodes:
        if not node.args:
            text[node] = str(node.value)
            continue
        text[node] = CODE[node.op].format(*(text[a] for a in node.args))
        if uses.count(node) > 1:
            name = f"t{len(lines)}"
            lines.append(f"    {name} = {text[node]}")
            text[node] = name
    lines.append("    return " + ", ".join(text[root] for root in roots))
    space: dict[str, Any] = {"np": np}
    exec(compile("\n".join(lines), "<graph>", "exec"), space)
    return space["program"], "\n".join(lines)


def draw(sketch, root, left: float, width: float, step: float = 0.62) -> None:
    """A graph between `left` and `left + width` of a `schematics.Sketch`: each node below what uses it.

    What changes with the input stands in the middle or on the left, what is constant on the right.
    """
    nodes = order(root)
    below, height, varies = {root: 0}, {}, {}
    for node in nodes:
        height[node] = 1 + max((height[a] for a in node.args), default=-1)
        varies[node] = node.op == "input" or any(varies[a] for a in node.args)
    for node in reversed(nodes):
        for a in node.args:
            below[a] = max(below.get(a, 0), below[node] + 1)
    lowest, shapes, column = max(below.values()), {}, {}
    kinds = {"const": "family", "input": "good"}
    for row in range(lowest + 1):
        here = sorted((n for n in nodes if below[n] == row), key=height.get, reverse=True)
        spine = next((n for n in here if varies[n] and n.op != "input"), None)
        right = iter((0.77, 1.0, 1.23))
        for node in here:
            users = [column[n] for n in nodes if node in n.args and n in column]
            if varies[node]:
                column[node] = 0.5 if node is spine else 0.2
            else:  # beside a user that stands on the left, if it has one
                column[node] = 0.0 if users and max(users) < 0.5 else next(right)
            place = left + width * column[node], 0.3 + step * (lowest - row)
            text = node.op if node.args else str(node.value)[:6]
            shapes[node] = sketch.box(text, place, kind=kinds.get(node.op, "concept"), fontsize=11)
    for node in shapes:
        for a in dict.fromkeys(node.args):
            sketch.arrow(shapes[a], shapes[node])
