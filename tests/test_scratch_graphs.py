"""Gate 6: a graph walked, and one fused, give the numbers of NumPy; a node comes after its arguments."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from utils import schematics
from utils.scratch import graphs


@dataclass(eq=False)
class Node:
    op: str
    args: tuple = ()
    value: object = None


def example():
    """sqrt(x · x + 4) and tanh of it, divided by x · x."""
    x, four = Node("input", value="x"), Node("const", value=4.0)
    square = Node("mul", (x, x))
    root = Node("sqrt", (Node("add", (square, four)),))
    return [root, Node("div", (Node("tanh", (root,)), square))]


def test_order_puts_arguments_first():
    nodes = graphs.order(*example())
    assert len(nodes) == len(set(nodes)) == 7
    for place, node in enumerate(nodes):
        assert all(nodes.index(a) < place for a in node.args)


def test_both_ways_give_numpys_numbers():
    roots, x = example(), np.linspace(0.5, 3, 7)
    program, text = graphs.fuse(roots)
    right = np.sqrt(x * x + 4), np.tanh(np.sqrt(x * x + 4)) / (x * x)
    for way in (graphs.walk(roots, x), program(x)):
        np.testing.assert_allclose(way, right, rtol=1e-14)
    assert text.count("x * x") == 1  # what is used twice is computed once


def test_each_operation():
    for op, want in {"add": 5, "mul": 6, "div": 1.5, "gt": True}.items():
        assert graphs.compute(op, 3, 2) == want
    assert graphs.compute("sqrt", 9.0) == 3
    assert graphs.compute("tanh", 0.0) == 0


def test_a_graph_is_drawn_with_a_box_for_each_node():
    sketch = schematics.Sketch("a graph", width=5, height=4)
    graphs.draw(sketch, example()[1], 0.2, 4)
    assert len(sketch.ax.texts) == 7
    plt.close(sketch.fig)
