"""Predictions: asked, kept, changed until the outcome is seen, and counted."""

import json

import pytest

from utils import paths, predictions, progress
from utils.errors import UserError
from utils.predictions import outcome, predict


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path))
    monkeypatch.setattr(progress, "_guesses", {})
    monkeypatch.setattr(predictions, "_asked", {})


def test_a_choice_is_kept_and_told_beside_the_outcome(capsys):
    predict("04.stack", "average", "stack", choice="average")
    outcome("04.stack", "stack")
    assert '✗ 04.stack: you predicted "average"; the run shows "stack"' in capsys.readouterr().out
    saved = json.loads((paths.work() / "progress.json").read_text())["predictions"]["04.stack"]
    assert saved["choice"] == "average" and saved["measured"] == "stack"


def test_it_can_be_changed_until_the_outcome_is_seen(capsys):
    predict("04.stack", "average", "stack", choice="average")
    predict("04.stack", "average", "stack", choice="stack")
    outcome("04.stack", "stack")
    predict("04.stack", "average", "stack", choice="average")
    assert progress.predictions()["04.stack"]["choice"] == "stack"
    outcome("04.stack", "average")  # run again with another setting: the first outcome stands
    assert progress.predictions()["04.stack"]["measured"] == "stack"


def test_without_a_choice_the_outcome_stands_alone(capsys):
    predict("04.stack", "average", "stack")
    outcome("04.stack", "stack")
    assert '○ 04.stack: the run shows "stack"' in capsys.readouterr().out
    assert progress.predictions() == {}


def test_the_options_stand_as_text(capsys):
    predict("04.stack", "average", "stack")
    assert "average  ·  stack" in capsys.readouterr().out


def test_buttons_keep_what_is_clicked(monkeypatch):
    monkeypatch.delenv("DLMAP_BATCH", raising=False)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    predict("04.stack", "average", "stack")

    view = shown[0][predictions.WIDGET]
    box = next(w for w in _live_widgets() if w.model_id == view["model_id"])
    button = next(b for b in box.children[0].children if b.description == "stack")
    button.click()
    assert progress.predictions()["04.stack"]["choice"] == "stack"
    assert box.children[1].value == 'kept: "stack"'
    assert 'choice="average"' in shown[0]["text/plain"], "a front end without widgets says what to write"


def _live_widgets():
    from ipywidgets.widgets import widget

    return list(widget._instances.values())


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: predict("04.stack", "a", "b", choice="c"), "choose one of: a, b"),
        (lambda: predict("04.stack", "a"), "two options or more"),
        (lambda: predict("04.stack", "a", "a"), "each once"),
        (lambda: outcome("04.stack", "a"), "unknown prediction '04.stack'"),
        (lambda: (predict("04.stack", "a", "b"), outcome("04.stack", "c")), "choose one of: a, b"),
        (lambda: (predict("04.stack", "a", "b"), outcome("04.stak", "a")), "choose one of: 04.stack"),
    ],
)
def test_bad_input_is_one_line_that_names_what_is_valid(call, words):
    with pytest.raises(UserError, match=words):
        call()


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    assert "for this session only" in predictions.keep("04.stack", "stack")
    predict("04.stack", "average", "stack")
    outcome("04.stack", "stack")
    assert '✔ 04.stack: you predicted "stack"' in capsys.readouterr().out


def test_progress_of_the_first_edition_is_read(tmp_path):
    old = {"tasks": {"01.scale": {"tries": 2, "done": "2026-01-01T00:00:00"}}}
    (tmp_path / "progress.json").write_text(json.dumps(old))
    progress.predict("04.stack", "stack")
    assert progress.done() == {"01.scale"} and progress.predictions()["04.stack"]["choice"] == "stack"
