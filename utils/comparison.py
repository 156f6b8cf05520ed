"""How a result is held against the right one, and the difference told without showing the right one."""

import inspect
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from typing import Any

import numpy as np

SMALL = 12  # entries of an array that is shown in full
WIDE = 150  # characters of inputs that are shown in full


class Wrong(Exception):
    """What is wrong with an answer, and the number of the hint that helps, if one does."""

    def __init__(self, message: str, hint: int | None = None):
        super().__init__(message)
        self.hint = hint


# ---------------------------------------------------------------------- the form


def parts(expected: Any, result: Any, label: str) -> list[tuple[str, Any, Any]]:
    """(name, expected, got): one for a single result, one for each member of a tuple. Raises Wrong."""
    if result is None:
        raise Wrong(f"nothing came back for {label}; did you forget `return`?")
    if not isinstance(expected, tuple):
        return [("the result", expected, result)]
    if hasattr(result, "shape") and tuple(result.shape) == (len(expected),):
        result = list(result)  # an array with one entry a result will do
    if not isinstance(result, tuple | list) or len(result) != len(expected):
        got = f"{len(result)} results" if isinstance(result, tuple | list) else kind(result)
        raise Wrong(f"expected {len(expected)} results, got {got}, for {label}")
    return [(f"result {i + 1}", *pair) for i, pair in enumerate(zip(expected, result, strict=True))]


def compare_form(want: Any, got: Any, label: str, part: str = "the result", exact: bool = True) -> None:
    """Type, device, shape, dtype: in this order, so that the first message is the most basic one.

    `exact`: `want` is the right result. Otherwise it only is like one, and single precision will do.
    Raises: Wrong.
    """
    if got is None:
        raise Wrong(f"{part} is None for {label}; did you forget `return`?")
    if is_number(want):
        if not is_number(got):
            shape = f" of shape {tuple(got.shape)}" if hasattr(got, "shape") else ""
            raise Wrong(f"{part} should be one number for {label}, got {kind(got)}{shape}")
    elif type(want).__module__.split(".")[0] in ("numpy", "torch"):
        if not isinstance(got, type(want)):
            raise Wrong(f"{part} should be a {kind(want)} for {label}, got {kind(got)}")
        if getattr(want, "device", None) != getattr(got, "device", None):
            raise Wrong(f"{part} should be on {want.device}, got {got.device}, for {label}")
        if want.shape != got.shape:
            right = "right numbers, but " if exact and is_rearranged(want, got) else ""
            shapes = f"{tuple(want.shape)}, got {tuple(got.shape)}"
            raise Wrong(f"{right}{part} should have shape {shapes}, for {label}")
        if are_classes(want, got):
            raise Wrong(f"{part} holds classes, 0 or 1, for {label}; a probability is asked, between them")
        whole = all(
            re.match(r"(torch\.)?u?int", str(a.dtype)) for a in (want, got)
        )  # int32 will do for int64
        single = not exact and all("float" in str(a.dtype) for a in (want, got))
        if want.dtype != got.dtype and not whole and not single:
            raise Wrong(f"{part} should have dtype {want.dtype}, got {got.dtype}, for {label}")
    elif not isinstance(got, type(want)):
        raise Wrong(f"{part} should be a {kind(want)} for {label}, got {kind(got)}")


def compare_finite(want: Any, got: Any, label: str, part: str, warned: str = "", hint: int = 1) -> None:
    """Raises Wrong for nan or inf in what should be numbers; `warned` is what NumPy said of it meanwhile."""
    if not (is_number(want) or hasattr(want, "shape")):
        return
    values = array(got)
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        bad = "nan" if np.isnan(values).any() else "inf"
        raise Wrong(f"{part} contains {bad} for {label}" + (f" ({warned})" if warned else ""), hint)


def is_rearranged(want: Any, got: Any, rtol: float = 1e-6, atol: float = 1e-9) -> bool:
    """Whether `got` has the right numbers in another shape: flattened, reshaped or with axes exchanged."""
    want, got = array(want), array(got)
    if want.size != got.size or not want.size or not {want.dtype.kind, got.dtype.kind} <= set("fciub"):
        return False
    orders = itertools.permutations(range(got.ndim)) if got.ndim <= 4 else []
    turned = [np.transpose(got, order) for order in orders]
    candidates = [got.reshape(want.shape), *(t for t in turned if t.shape == want.shape)]
    return any(np.allclose(candidate, want, rtol, atol, equal_nan=True) for candidate in candidates)


def are_classes(want: Any, got: Any) -> bool:
    """Whether probabilities of single events are asked, and all that came is 0 and 1."""
    want, got = array(want), array(got)
    if want.dtype.kind != "f" or not want.size or not ((want > 0) & (want < 1)).all():
        return False
    if np.allclose(want.sum(-1), 1):  # a distribution, where all may lie on one
        return False
    values = set(np.unique(got).tolist()) if got.dtype.kind in "fiub" else {None}
    return values == {0, 1} or (got.dtype.kind in "iub" and values <= {0, 1})


# ---------------------------------------------------------------------- the values


def close(want: Any, got: Any, rtol: float, atol: float) -> bool:
    return np.allclose(array(got), array(want), rtol=rtol, atol=atol)


def relation(wants: Sequence[np.ndarray], gots: Sequence[np.ndarray]) -> str:
    """What all wrong values have in common: one factor (told), one distance (not told), or "" for nothing."""
    if not all(a.dtype.kind in "fiub" for a in (*wants, *gots)):
        return ""
    want, got = (np.concatenate([np.ravel(a) for a in side]).astype(float) for side in (wants, gots))
    if np.count_nonzero(want) < 2:
        return ""
    with np.errstate(all="ignore"):
        largest = np.abs(want).argmax()
        factor, distance = got[largest] / want[largest], got[largest] - want[largest]
        if abs(factor) > 1e-9 and np.allclose(got, factor * want, rtol=1e-5, atol=1e-9 * abs(factor)):
            size = max(abs(factor), 1 / abs(factor))
            sign = "has the wrong sign" if factor < 0 else ""
            times = f"{size:.3g} times too {'large' if abs(factor) > 1 else 'small'}" if size > 1.001 else ""
            said = " and is ".join(filter(None, [sign, times])) if sign else f"is {times}" if times else ""
            return f"every value {said}" if said else ""
        if np.ptp(want) and np.allclose(got - want, distance, rtol=1e-5, atol=1e-9):
            return f"every value is too {'large' if distance > 0 else 'small'} by the same amount"
    return ""


def where(want: Any, got: Any, rtol: float, atol: float) -> str:
    """Which entries are wrong, if not all are: "wrong in 2 of 6 places, first at [0, 1]"."""
    want, got = array(want), array(got)
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol)
    if not want.ndim or (wrong.all() and want.size <= SMALL):
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    yours = "" if want.size <= SMALL else f", where yours is {shown(got[first])}"
    if wrong.sum() == 1:
        return f"wrong at {list(first)} only{yours}"
    return f"wrong in {wrong.sum()} of {want.size} places, first at {list(first)}{yours}"


# ---------------------------------------------------------------------- how a value is shown


def shown_inputs(answer: Callable, args: tuple) -> str:
    """The arguments by their names in the learner's function: "x = [1, 2], h = 0.1"."""
    try:
        names = list(inspect.signature(answer).bind(*args).arguments)
    except (TypeError, ValueError):  # a function in C, such as `np.exp`
        names = []
    named = [f"{name} = " for name in names] if len(names) == len(args) else [""] * len(args)

    def line(small: int) -> str:
        return ", ".join(name + shown(value, small) for name, value in zip(named, args, strict=True))

    return line(SMALL) if len(line(SMALL)) <= WIDE else line(1)


def shown(value: Any, small: int = SMALL) -> str:
    """A value in one short line: numbers and small arrays in full, larger ones by their shape."""
    if value is None or isinstance(value, bool | str):
        return repr(value)
    if is_number(value):
        return f"{array(value).item():.5g}" if array(value).dtype.kind == "f" else str(array(value).item())
    if hasattr(value, "shape"):
        if size(value) > small or array(value).dtype.kind not in "fciub":
            return f"{kind(value)} of shape {tuple(value.shape)}"
        digits = {"float_kind": lambda number: f"{number:.5g}"}
        text = np.array2string(array(value), separator=", ", formatter=digits)
        return re.sub(r"\s+", " ", text)
    if isinstance(value, list | tuple) and size(value) <= small:
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, list | tuple | dict):
        return f"{kind(value)} of {len(value)}"
    return getattr(value, "__name__", kind(value))


def size(value: Any) -> int:
    """How much a reader has to look at: the numbers in a value, one for anything else."""
    if hasattr(value, "shape"):
        return int(np.prod(tuple(value.shape)))
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(size, value)) if isinstance(value, list | tuple) else 1


def kind(value: Any) -> str:
    """The name of a type for people."""
    names = {"ndarray": "NumPy array", "Tensor": "PyTorch tensor", "NoneType": "nothing", "str": "text"}
    name = type(value).__name__
    return names.get(name, name)


# ---------------------------------------------------------------------- what counts as equal


def is_number(value: Any) -> bool:
    """A Python number, a NumPy scalar or anything numeric without axes: all count as one number."""
    if isinstance(value, bool | int | float):
        return True
    return hasattr(value, "dtype") and tuple(value.shape) == () and array(value).dtype.kind in "fiub"


def array(value: Any) -> np.ndarray:
    """The values as NumPy, wherever they are."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def straight(value: Any) -> Any:
    """A result that any library takes: PyTorch refuses an array that was reversed by `[::-1]`."""
    if isinstance(value, np.ndarray) and any(stride < 0 for stride in value.strides):
        return value.copy()
    return type(value)(map(straight, value)) if type(value) in (list, tuple) else value


def share_memory(a: Any, b: Any) -> bool:
    """Whether an array in `a` lies in the same memory as one in `b`, through lists and tuples."""

    def arrays(value: Any) -> list[np.ndarray]:
        if isinstance(value, list | tuple):
            return [array for member in value for array in arrays(member)]
        return [value] if isinstance(value, np.ndarray) else []

    return any(np.shares_memory(one, other) for one in arrays(a) for other in arrays(b))


def same(a: Any, b: Any, rtol: float = 0.0, atol: float = 0.0) -> bool:
    """Equal to a tolerance, nan too, in lists, dicts, dataclasses and networks; all else counts as equal."""
    if is_dataclass(a) and type(a) is type(b):
        a, b = vars(a), vars(b)
    if hasattr(a, "state_dict") and hasattr(b, "state_dict"):  # a network: what it has learned
        a, b = a.state_dict(), b.state_dict()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key], rtol, atol) for key in a)
    if isinstance(a, tuple | list):
        return (
            isinstance(b, tuple | list)
            and len(a) == len(b)
            and all(same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
        )
    if not (is_number(a) or hasattr(a, "shape")):
        return True
    a, b = array(a), array(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fciub" or b.dtype.kind not in "fciub":
        return bool(np.array_equal(a, b))
    return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
