"""What members share of their progress, what is kept back, and what a room's files add up to."""

import json
import xml.etree.ElementTree as ET

import pytest
from typer.testing import CliRunner

from utils import cli, paths, progress, room
from utils.errors import UserError


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DLMAP_WORK", str(tmp_path / "work"))
    monkeypatch.setattr(progress, "_guesses", {})
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    (tmp_path / "room").mkdir()


@pytest.fixture
def learn(tmp_path, monkeypatch):
    """Let a new member do something and share it in the room; returns the file."""

    def learn(file, name=None, right=(), wrong=(), guesses=()):
        monkeypatch.setenv("DLMAP_WORK", str(tmp_path / f"work of {file}"))
        for task in wrong:
            progress.record(task, False)
        for task in right:
            progress.record(task, True)
        for prediction, choice, measured in guesses:
            progress.predict(prediction, choice)
            progress.settle(prediction, measured)
        room.share(tmp_path / "room" / file, name)
        return tmp_path / "room" / file

    return learn


def dlmap(*arguments):
    return CliRunner().invoke(cli.app, ["progress", *map(str, arguments)])


# ---------------------------------------------------------------------- a member's file


def test_a_file_holds_what_is_shared_and_nothing_else(learn, tmp_path):
    progress_json = tmp_path / "work of a.json" / "progress.json"
    state = {
        "tasks": {
            "01.loop": {"tries": 2, "done": "2026-01-01T10:11:12"},
            "my own": {"tries": 1, "done": None},
        },
        "predictions": {
            "my secret": {"choice": "def f(x): ...", "at": "2026-01-01T10:11:12", "measured": None}
        },
        "else": "kept back",
    }
    paths.atomic_write(progress_json, json.dumps(state))
    shared = json.loads(learn("a.json", guesses=[("04.stack", "both", "neither")]).read_text("utf-8"))
    word, day = shared.pop("member"), shared.pop("day")
    assert shared == {
        "format": "deep-learning-map progress",
        "version": 1,
        "name": None,
        "tasks": {"01.loop": {"tries": 2, "done": True}},
        "predictions": {"04.stack": {"choice": "both", "measured": "neither"}},
    }
    assert len(day) == 10 and word.isalnum()
    assert json.loads(progress_json.read_text())["else"] == "kept back", "what is not known is not lost"


def test_the_command_says_what_it_wrote(tmp_path):
    progress.record("01.loop", True)
    result = dlmap("--share", tmp_path / "me.json", "--name", "김민지")
    assert result.exit_code == 0
    assert "tasks: 1, predictions: 0, under the name 김민지" in result.stdout
    assert json.loads((tmp_path / "me.json").read_text("utf-8"))["name"] == "김민지"


def test_only_an_older_file_of_ones_own_is_replaced(learn, tmp_path):
    mine = learn("mine.json", "Ada", right=["01.loop"])
    before = json.loads(mine.read_text())
    learn("mine.json", right=["01.ctr"])
    after = json.loads(mine.read_text())
    assert after["member"] == before["member"]
    assert list(after["tasks"]) == ["01.ctr", "01.loop"] and after["name"] is None

    theirs = learn("theirs.json", "Kim", right=["01.loop"])
    for foreign in (theirs, tmp_path / "notes.txt", tmp_path / "room"):
        if not foreign.exists():
            foreign.write_text("my notes")
        kept = foreign.read_bytes() if foreign.is_file() else None
        learner = tmp_path / "work of mine.json"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DLMAP_WORK", str(learner))
            result = dlmap("--share", foreign)
        assert (result.exit_code, result.stderr) == (
            2,
            f"dlmap: {foreign} is there and is not a file that you shared; choose another name\n",
        )
        assert kept is None or foreign.read_bytes() == kept


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--share", "a.json", "--name", ""],
            "the name is ''; expected one line of 1 to 40 letters, or no --name",
        ),
        (["--share", "a.json", "--name", "a\nb"], "the name is 'a\\nb'; expected one line of 1 to 40"),
        (["--share", "a.json", "--name", "x" * 41], "expected one line of 1 to 40 letters"),
        (["--share", "nowhere/a.json"], "no folder {}nowhere; make it, or choose another place"),
        (
            ["--name", "Ada"],
            "--name is what --share writes into its file; give it together with --share FILE",
        ),
        (["--share", "a.json", "--all", "room"], "are three commands; give one of them"),
        (["--all", "nowhere"], "no folder {}nowhere; put there what the members wrote"),
        (["--all", "room"], "no shared progress in {}room: each member writes a file by"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, arguments, message):
    progress.record("01.loop", True)
    places = {"a.json", "nowhere/a.json", "nowhere", "room"}
    result = dlmap(*(tmp_path / word if word in places else word for word in arguments))
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
    assert message.format(f"{tmp_path}/") in result.stderr
    assert not (tmp_path / "a.json").exists()


def test_where_nothing_was_done_nothing_is_written(tmp_path):
    result = dlmap("--share", tmp_path / "a.json")
    assert result.stderr == "dlmap: nothing to share yet: no task was checked and nothing predicted\n"
    assert not (tmp_path / "a.json").exists()


def test_a_disk_that_takes_nothing_is_one_line(tmp_path, monkeypatch, learn):
    def full(*_):
        raise OSError(28, "No space left on device")

    mine = learn("mine.json", right=["01.loop"])
    before = mine.read_bytes()
    monkeypatch.setattr(paths, "atomic_write", full)
    for place in (mine, tmp_path / "room" / "new.json"):
        with pytest.raises(UserError, match=rf"cannot write {place}: No space left on device; choose"):
            room.share(place)
    assert mine.read_bytes() == before and [file.name for file in mine.parent.iterdir()] == ["mine.json"]


# ---------------------------------------------------------------------- the room


def test_the_room_is_told_and_drawn(learn, tmp_path):
    learn(
        "a.json",
        "Ada <b>",
        right=["01.loop", "01.ctr"],
        wrong=["01.ctr"],
        guesses=[("04.stack", "both", "neither")],
    )
    learn(
        "b.json",
        None,
        right=["01.loop"],
        wrong=["01.ctr"] * 4,
        guesses=[("04.stack", "the stack", "neither")],
    )
    learn("c.json", "Kim", guesses=[("04.stack", "both", "neither"), ("05.equals", "3", "3")])
    result = dlmap("--all", tmp_path / "room")
    assert result.exit_code == 0 and result.stderr == ""
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    count = len(room.tasks())
    assert any(row.startswith(f"Ada <b> 2 of {count} 2 0 of 1") for row in rows)
    assert any(row.startswith(f"Kim 0 of {count} 0 1 of 2") for row in rows)
    assert any(row.startswith(f"without a name 1 of {count} 2 0 of 1") for row in rows)
    assert "04.stack 3 of 3 both neither" in rows and not any("05.equals" in row for row in rows)
    assert "01.ctr 5 1 of 2" in rows and not any(row.startswith("01.loop") for row in rows)

    svg = ET.fromstring((tmp_path / "build" / "room.svg").read_text("utf-8"))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == (
        f"3 members, 0 to 2 of {count} tasks right. Most missed the prediction 04.stack: 3 of 3. "
        "Most wrong tries were at the task 01.ctr: 5."
    )
    marks = [element.get("class") for element in svg.iter()]
    # three tasks are right and one was tried; one more of each stands in the key
    assert (marks.count("done"), marks.count("tried"), marks.count("none")) == (4, 2, 3 * count - 4 + 1)
    titles = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "Ada <b>, 01.loop: 1 try, right" and "without a name, 01.ctr: 4 tries" in titles


def test_of_two_files_of_a_member_the_newer_counts(learn, tmp_path):
    """On one day it is the one with more in it; another member may have the same name."""
    first = learn("new.json", "Kim", right=["01.loop"])
    old = json.loads(first.read_text())
    learn("new.json", "Kim", wrong=["01.ctr"])
    (tmp_path / "room" / "a copy.json").write_text(json.dumps(old))
    (tmp_path / "room" / "z.json").write_text(json.dumps(old | {"day": "2020-02-29"}))
    learn("other.json", "Kim", right=["01.loop"])
    members, notes = room.gather(tmp_path / "room")
    assert sorted(len(member.tries) for member in members) == [1, 2]
    assert sorted(room.names(members)) == ["Kim", "Kim (2)"]
    assert notes == [
        "a copy.json is left out: new.json is the same member's and newer",
        "z.json is left out: new.json is the same member's and newer",
    ]


def good():
    return {
        "format": room.FORMAT,
        "version": 1,
        "member": "b" * 12,
        "name": None,
        "day": "2026-11-29",
        "tasks": {"01.loop": {"tries": 1, "done": True}},
        "predictions": {"04.stack": {"choice": "both", "measured": None}},
    }


FOREIGN, DAMAGED = "not a file that `dlmap progress --share` wrote", "it is damaged"


@pytest.mark.parametrize(
    "content, why",
    [
        ("my notes", FOREIGN),
        ("", FOREIGN),
        (b"\xff\xfe\x00", FOREIGN),
        ("[" * 100_000, FOREIGN),
        ("[1]", FOREIGN),
        ('{"tasks": {}, "predictions": {}}', FOREIGN),  # a learner's own progress.json
        (json.dumps(good())[:100], FOREIGN),
        (b" " * (room.LARGEST + 1), FOREIGN),
        (good() | {"version": 2}, "it has version 2; this copy of the course reads 1"),
        (good() | {"version": "x" * 1000}, "it has version 'xxxxxxxx; this copy of the course reads 1"),
        (good() | {"tasks": []}, DAMAGED),
        (good() | {"tasks": {"01.loop": {"tries": True, "done": True}}}, DAMAGED),
        (good() | {"tasks": {"01.loop": {"tries": -1, "done": True}}}, DAMAGED),
        (good() | {"tasks": {"01.loop": {"tries": 10**30, "done": True}}}, DAMAGED),
        (good() | {"tasks": {"01.loop": {"tries": 1, "done": "yes"}}}, DAMAGED),
        (good() | {"predictions": {"04.stack": {"choice": 5, "measured": None}}}, DAMAGED),
        (good() | {"predictions": {"04.stack": {"choice": "x" * 201, "measured": None}}}, DAMAGED),
        (good() | {"predictions": {"04.stack": {"choice": "both"}}}, DAMAGED),
        (good() | {"name": "a\x1b[31m"}, DAMAGED),
        (good() | {"name": 5}, DAMAGED),
        (good() | {"day": "yesterday"}, DAMAGED),
        ({key: value for key, value in good().items() if key != "member"}, DAMAGED),
    ],
)
def test_a_damaged_or_foreign_file_is_named_and_left_out(learn, tmp_path, content, why):
    learn("good.json", right=["01.loop"])
    content = json.dumps(content) if isinstance(content, dict) else content
    (tmp_path / "room" / "bad.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    members, notes = room.gather(tmp_path / "room")
    assert len(members) == 1 and notes == [f"bad.json is left out: {why}"]


def test_folders_are_left_out_and_hidden_files_not_even_named(learn, tmp_path):
    learn("good.json", right=["01.loop"])
    (tmp_path / "room" / "more").mkdir()
    (tmp_path / "room" / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "room" / "with a mark.json").write_text(json.dumps(good()), encoding="utf-8-sig")
    members, notes = room.gather(tmp_path / "room")
    assert len(members) == 2 and notes == [f"more is left out: {FOREIGN}"]


def test_what_is_of_another_edition_is_not_counted(tmp_path):
    state = good() | {"tasks": {"77.gone": {"tries": 9, "done": False}}}
    (tmp_path / "room" / "a.json").write_text(json.dumps(state))
    ((member,), _) = room.gather(tmp_path / "room")
    assert member.tries == {} and room.tried([member]) == [] and room.missed([member]) == []
    svg = ET.fromstring(room.picture([member]))
    assert {"Nobody has missed one.", "Nobody was wrong."} <= {element.text for element in svg.iter()}


def test_a_picture_that_cannot_be_written_is_one_line_after_the_table(learn, tmp_path):
    learn("a.json", "Ada", right=["01.loop"])
    paths.BUILD.write_text("in the way")
    result = dlmap("--all", tmp_path / "room")
    assert result.exit_code == 2 and "Ada" in result.stdout
    assert result.stderr.startswith("dlmap: no picture: cannot write ")


def test_the_name_of_a_file_cannot_write_to_the_terminal(learn, tmp_path):
    learn("good.json", right=["01.loop"])
    (tmp_path / "room" / "red\x1b[31m\nall is well.json").write_text("mine", encoding="utf-8")
    _, (note,) = room.gather(tmp_path / "room")
    assert note.isprintable() and note.startswith("'red\\x1b[31m\\nall is well.json' is left out")
