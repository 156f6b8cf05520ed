"""Schematics: an arrow ends at the outline, a word beside it is crossed by no line, a picture has its alt."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils import plots, schematics
from utils.errors import UserError


@pytest.fixture
def sketch():
    yield schematics.Sketch("A title", width=8, height=3)
    plt.close("all")


def test_an_arrow_ends_at_the_outline(sketch):
    box, circle = sketch.box("layer", (2, 1.5), size=(2, 1)), sketch.circle("x", (6, 1.5), r=0.3)
    assert box.edge((6, 1.5), gap=0) == (3, 1.5)
    assert np.allclose(circle.edge((2, 1.5), gap=0), (5.7, 1.5))
    assert np.allclose(box.edge((2, 9), gap=0), (2, 2))


def test_a_box_is_as_wide_as_its_words(sketch):
    assert sketch.box("a long name of a layer", (4, 1.5)).w > sketch.box("σ", (4, 0.5)).w


@pytest.mark.parametrize("end", [(6, 1), (4, 2.8), (2, 2.5), (4.0, 0.2)])
@pytest.mark.parametrize("left", [True, False])
def test_no_straight_arrow_crosses_its_word(sketch, end, left):
    sketch.arrow((4, 1), end, "forget", left=left)
    written = sketch.ax.texts[-1]
    extent = written.get_window_extent(sketch.fig.canvas.get_renderer())
    low, high = sketch.ax.transData.inverted().transform(extent.get_points())
    way = np.array((4, 1)) + np.linspace(0, 1, 200)[:, None] * np.subtract(end, (4, 1))
    assert not ((way > low) & (way < high)).all(axis=1).any()


def test_connect_draws_every_pair_and_a_column_has_dots(sketch):
    x, h = sketch.column(["x", "…", "z"], at=(1, 1.5)), sketch.column(["a", "b"], at=(4, 1.5))
    before = len(sketch.ax.patches)
    sketch.connect(x, h, labels=list("abcdef"))
    assert len(sketch.ax.patches) - before == 6
    assert [t.get_text() for t in sketch.ax.texts][1] == "⋮"


def test_a_table_has_a_square_for_each_number(sketch):
    squares = sketch.table(np.array([[1.0, -2], [0, 3]]), (1, 2), lit=[(0, 1)], side=0.4)
    assert [text.get_text() for text in sketch.ax.texts] == ["1", "−2", "0", "3"]
    assert squares[1, 0].y == pytest.approx(1.6) and squares[0, 1].left[0] == pytest.approx(1.2)


def test_an_unknown_kind_names_those_there_are(sketch):
    with pytest.raises(UserError, match="concept, family, data"):
        sketch.box("x", (1, 1), kind="bubble")


def test_a_sketch_is_shown_with_its_description(sketch, monkeypatch):
    told = []
    monkeypatch.setattr(plots, "show", told.append)
    sketch.show("what it is")
    assert told == ["what it is"]


def test_an_lstm_cell_grows_a_part_at_a_time(sketch):
    words, shapes = [], []
    for parts in (1, 2, 3):
        before = len(sketch.ax.texts), len(sketch.ax.patches)
        schematics.lstm_cell(sketch, 0.3, parts)
        words.append({text.get_text()[0] for text in sketch.ax.texts[before[0] :]})
        shapes.append(len(sketch.ax.patches) - before[1])
    assert [{"f", "i", "g", "o"} & some for some in words] == [{"f"}, {"f", "i", "g"}, {"f", "i", "g", "o"}]
    assert shapes[0] < shapes[1] < shapes[2]
