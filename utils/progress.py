"""What the learner has done so far, kept in `exercises/work/progress.json` on their own disk."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from uuid import uuid4

from filelock import FileLock

from utils import paths

# The first edition had one lecture less before these tasks: their numbers moved up by one.
_MOVED = {
    15: "learn puct",
    16: "blame devices m_step push seats start twins",
    17: "breaks fold losses master rule shards",
    18: "encode from_log paced slots truth",
    19: "back cache clicks leak lora mask",
}
RENAMED = {f"{old}.{name}": f"{old + 1}.{name}" for old, names in _MOVED.items() for name in names.split()}

_session: set[str] = set()  # tasks done while saving is off
_guesses: dict[str, dict] = {}  # predictions that could not be saved
_saving = True


def off() -> None:
    """Save nothing from here on: a solution that was read is not an exercise that was done."""
    global _saving
    _saving = False


def record(task: str, done: bool) -> bool:
    """Note a try, and its success. Returns whether it could be saved: a full disk is no error here."""
    if not _saving:
        if done:
            _session.add(task)
        return True

    def note(state: dict) -> None:
        entry = state["tasks"].setdefault(task, {"tries": 0, "done": None})
        if not entry["done"]:  # `dlmap check` runs a right answer again each time: that is no try
            entry |= {"tries": entry["tries"] + 1, "done": _now() if done else None}

    saved = _update(note)
    if not saved and done:
        _session.add(task)
    return saved


def predict(name: str, choice: str) -> bool:
    """Note what was predicted. Returns whether it could be saved."""
    entry = {"choice": choice, "at": _now(), "measured": None}
    saved = _update(lambda state: state["predictions"].update({name: entry}))
    if not saved:
        _guesses[name] = entry
    return saved


def settle(name: str, measured: str) -> None:
    """Note what the run showed for a prediction that was made."""
    if name in _guesses:
        _guesses[name]["measured"] = measured
    elif name in _read()["predictions"]:
        _update(lambda state: state["predictions"][name].update(measured=measured))


def predictions() -> dict[str, dict]:
    """Name -> {"choice", "at", "measured"}; `measured` is None until the outcome was seen."""
    return _read()["predictions"] | _guesses


def member() -> str:
    """A random word that marks this learner's shared files: of two of them the newer one counts."""
    word = uuid4().hex[:12]
    _update(lambda state: state.setdefault("member", word))
    return _read().get("member", word)  # a new one each time where the work folder cannot be written


def _update(change: Callable[[dict], None]) -> bool:
    """Change the saved state under a lock: two notebooks may do so at the same moment."""
    lock = FileLock(_file().with_suffix(".lock"))
    try:
        paths.work().mkdir(parents=True, exist_ok=True)
        with suppress(
            OSError, NotImplementedError
        ):  # a file system without locks: kept is better than locked
            try:
                lock.acquire(timeout=10)
            except TimeoutError:
                return False
        state = _read()
        change(state)
        paths.atomic_write(_file(), json.dumps(state, indent=1, sort_keys=True) + "\n")
    except OSError:
        return False
    finally:
        lock.release()
    return True


def _now() -> str:
    return datetime.now().isoformat(timespec="seconds")


def done() -> set[str]:
    """The names of the tasks that are done."""
    saved = {name for name, entry in _read()["tasks"].items() if entry["done"]} if _saving else set()
    return saved | _session


def tries() -> dict[str, int]:
    """How often each task was checked until it was right."""
    return {name: entry["tries"] for name, entry in _read()["tasks"].items()}


def _file():
    return paths.work() / "progress.json"


def _read() -> dict:
    """The saved state. A file that cannot be read is set aside under a new name, never overwritten."""
    try:
        state = json.loads(_file().read_text(encoding="utf-8"))
        for entry in state["tasks"].values():
            if not isinstance(entry["tries"], int) or not isinstance(entry["done"], str | None):
                raise TypeError
        for guess in state.setdefault("predictions", {}).values():  # the first edition kept none
            if not isinstance(guess["choice"], str) or not isinstance(guess["measured"], str | None):
                raise TypeError
        if not isinstance(state.get("member", ""), str):
            raise TypeError
        for old in RENAMED.keys() & state["tasks"].keys():
            state["tasks"].setdefault(RENAMED[old], state["tasks"].pop(old))
        return state
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (ValueError, KeyError, TypeError, AttributeError, IsADirectoryError):
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        _file().rename(_file().with_name(f"progress.broken-{stamp}.json"))
    return {"tasks": {}, "predictions": {}}
