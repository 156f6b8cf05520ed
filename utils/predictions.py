"""Predict first, then look: a guess that is kept, and what the run shows.

    predict("04.stack", "the average", "the stack", "both", "neither")
    ...                                      # the run
    outcome("04.stack", "the stack")         # computed from the run, one of the options
    ✗ 04.stack: you predicted "both"; the run shows "the stack"

Where somebody watches there is a button for each option. Elsewhere, and in a front end without widgets, the
options stand as text, and `predict(..., choice="both")` commits to one. A choice can be changed until its
outcome is seen; from then on it stands, and `dlmap progress` counts how often one was right.
"""

from utils import progress, runtime
from utils.errors import UserError, choose

WIDGET = "application/vnd.jupyter.widget-view+json"

_asked: dict[str, tuple[str, ...]] = {}  # the options of every prediction of this session


def predict(name: str, *options: str, choice: str | None = None) -> None:
    """Ask which of `options` the run will show, and keep the answer under `name` ("04.stack").

    Raises: UserError for fewer than two options, an option given twice, or a `choice` that is none of them.
    """
    if len(options) < 2 or len(set(options)) < len(options):
        raise UserError(f"the prediction {name!r} needs two options or more, each once; got {list(options)}")
    if choice is not None and choice not in options:
        raise choose(f"answer to {name}", choice, options)
    _asked[name] = options
    kept = keep(name, choice) if choice else _told(name)
    runtime.say("Your prediction:  " + "  ·  ".join(options), prediction=name, options=list(options))
    if runtime.batch():
        return
    if choice:
        print(kept)
    else:
        _buttons(name, options, kept)


def outcome(name: str, measured: str) -> None:
    """Say what the run shows, beside what was predicted.

    Raises: UserError for a name that `predict` was not called with, or a `measured` that was no option.
    """
    if name not in _asked:
        raise choose("prediction", name, _asked or ["none yet; run the cell with its predict(…) first"])
    if measured not in _asked[name]:
        raise choose(f"outcome of {name}", measured, _asked[name])
    entry = progress.predictions().get(name, {})
    choice = entry.get("choice")
    if choice is None:
        line = f'○ {name}: the run shows "{measured}"'
    elif choice == measured:
        line = f'✔ {name}: you predicted "{choice}", and that is what the run shows'
    else:
        line = f'✗ {name}: you predicted "{choice}"; the run shows "{measured}"'
    if choice is not None and entry.get("measured") is None:
        progress.settle(name, measured)
    runtime.say(line, outcome=name, measured=measured, choice=choice)


def keep(name: str, choice: str) -> str:
    """Keep a choice, unless its outcome is known already. Returns what to tell the learner."""
    if progress.predictions().get(name, {}).get("measured") is not None:
        return _told(name)
    saved = progress.predict(name, choice)
    return _told(name) + ("" if saved else ", for this session only: the work folder cannot be written")


def _told(name: str) -> str:
    entry = progress.predictions().get(name)
    if entry is None:
        return "not chosen yet"
    seen = entry.get("measured") is not None
    return f'kept: "{entry["choice"]}"' + (", chosen before the outcome was seen" if seen else "")


def _buttons(name: str, options: tuple[str, ...], kept: str) -> None:
    """A button for each option, in any front end that shows ipywidgets."""
    from IPython.display import display
    from ipywidgets import Button, HBox, Label, Layout, VBox

    said = Label(kept)
    buttons = [Button(description=option, layout=Layout(width="auto")) for option in options]

    def clicked(button: Button) -> None:
        said.value = keep(name, button.description)

    for button in buttons:
        button.on_click(clicked)
    box = VBox([HBox(buttons, layout=Layout(flex_flow="row wrap")), said])
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    hint = f'no buttons here? Write choice="{options[0]}" as the last argument of predict(…)'
    display({WIDGET: view, "text/plain": hint}, raw=True)
