"""A teaching claim: a sentence, the number that was measured for it, and the bound it must keep."""

import math

from utils import runtime


class ClaimFailed(AssertionError):
    """A claim did not hold. Raised only in tests and batch runs (`DLMAP_STRICT=1`)."""


def claim(
    text: str,
    measured: float | None,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    short: bool = False,
    small: bool = False,
    needs: str | None = None,
) -> None:
    """Measure a sentence and say whether it holds.

        claim("joint training beats the greedy stack on spirals", joint - stack, at_least=0.05)
        ✔ joint training beats the greedy stack on spirals: 0.107 ≥ 0.05

    Parameters: `measured` is one number (a one-element array or tensor will do); at least one bound is given.
    `short` marks a sentence about a short training ("in 50 steps …"), not judged where the budget is over 1
    nor in the full profile; `small` one about few data ("from 200,000 rows …"), not judged in the latter.
    `needs` names what may be missing on this machine, and how to get it; `measured` may be None then, and the
    sentence is said without a judgement. Such a run is never stored: `dlmap build` refuses it.
    Live, a broken claim prints ✘ and the notebook goes on: a learner who changed a number sees what it broke.
    Raises: ValueError if there is no bound or not one number; ClaimFailed if it is broken in a strict run.
    """
    if at_least is None and at_most is None:
        raise ValueError(f"the claim {text!r} has no bound: give at_least=, at_most= or both")
    if measured is None and needs:
        facts = {"claim": text, "measured": None, "at_least": at_least, "at_most": at_most}
        line = f"– {text}: not measured on this machine; it takes {needs}"
        runtime.say(line, **facts, held=False, short=short, judged=False, needs=needs)
        return
    try:
        number = float(measured)
    except (TypeError, ValueError):
        raise ValueError(f"the claim {text!r} needs one number, got {type(measured).__name__}") from None
    above = at_least is None or number >= at_least
    below = at_most is None or number <= at_most
    held = above and below and math.isfinite(number)

    if at_least is None:
        bound = f"≤ {at_most:g}"
    elif at_most is None:
        bound = f"≥ {at_least:g}"
    else:
        bound = f"∈ [{at_least:g}, {at_most:g}]"
    full = runtime.last and runtime.last.profile == "full"
    longer = full or (runtime.last and runtime.last.budget > 1)
    said_of = "a shorter training" if short and longer else "less data" if small and full else ""
    judged = not said_of
    line = f"{('✔' if held else '✘') if judged else '–'} {text}: {number:.3g} {bound}"
    line += f" (said of {said_of})" if said_of else ""
    facts = {"claim": text, "measured": number, "at_least": at_least, "at_most": at_most}
    runtime.say(line, **facts, held=held, short=short, judged=judged)
    if runtime.strict() and judged and not held:
        raise ClaimFailed(line)
