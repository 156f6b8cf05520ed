"""What the learner has done so far, kept in `exercises/work/progress.json` on their own disk."""

import json
from datetime import datetime

from filelock import FileLock

from utils import paths

_session: set[str] = set()  # tasks done while saving is off
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
    try:
        paths.work().mkdir(parents=True, exist_ok=True)
        with FileLock(_file().with_suffix(".lock"), timeout=10):  # two notebooks may check at the same moment
            state = _read()
            entry = state["tasks"].setdefault(task, {"tries": 0, "done": None})
            entry["tries"] += 1
            if done and not entry["done"]:
                entry["done"] = datetime.now().isoformat(timespec="seconds")
            paths.atomic_write(_file(), json.dumps(state, indent=1, sort_keys=True) + "\n")
    except (OSError, TimeoutError):
        _session.update({task} if done else ())
        return False
    return True


def done() -> set[str]:
    """The names of the tasks that are done."""
    saved = {name for name, entry in _read()["tasks"].items() if entry["done"]} if _saving else set()
    return saved | _session


def tries() -> dict[str, int]:
    """How often each task was checked."""
    return {name: entry["tries"] for name, entry in _read()["tasks"].items()}


def fractions() -> dict[str, float]:
    """Lecture number -> share of its tasks that are done, for every lecture that has tasks."""
    from utils import checks

    finished = done()
    share = {}
    for number in paths.units():
        names = [task.name for task in checks.tasks(number)]
        if names:
            share[number] = sum(name in finished for name in names) / len(names)
    return share


def _file():
    return paths.work() / "progress.json"


def _read() -> dict:
    """The saved state. A file that cannot be read is set aside under a new name, never overwritten."""
    try:
        state = json.loads(_file().read_text(encoding="utf-8"))
        for entry in state["tasks"].values():
            if not isinstance(entry["tries"], int) or not isinstance(entry["done"], str | None):
                raise TypeError
        return state
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (ValueError, KeyError, TypeError, AttributeError, IsADirectoryError):
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
        _file().rename(_file().with_name(f"progress.broken-{stamp}.json"))
    return {"tasks": {}}
