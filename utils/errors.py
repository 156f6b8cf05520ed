"""The errors that are meant for a person, not for a traceback."""


class UserError(Exception):
    """One line: what was wrong, what was expected, what to do next. `dlmap` prints it and exits with 2."""

    def _render_traceback_(self) -> list[str]:
        """IPython asks for this: in a notebook too the line stands alone, without a wall of frames."""
        return [f"✘ {self}"]


def choose(what: str, given: object, valid) -> UserError:
    """The error for a name that is not among the valid ones."""
    return UserError(f"unknown {what} {given!r}; choose one of: {', '.join(map(str, valid))}")
