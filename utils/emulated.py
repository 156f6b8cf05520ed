"""The emulated device: memory of the CPU that answers as another device, so that mixing fails as on CUDA.

`DEVICE = "emulated"` shows on a machine without a GPU what a GPU would refuse: an operand, an index or a
generator that lies elsewhere, `.numpy()` before `.cpu()`. "emulated:no-float64" refuses double precision too,
as Apple's MPS does. Nothing runs faster: the CPU does every operation.

How it works. PyTorch keeps one device type, PrivateUse1, for makers of hardware. We claim it, and PyTorch's
own C++ takes an emulated tensor for one on an accelerator: its autograd, its promotion of types, its device
checks. What it asks of a maker is kernels, and there is one for all operations, `_kernel`: it looks at the
same memory through CPU tensors and calls the CPU's kernel. What may be mixed in an operation it reads from
the table that PyTorch's checks for CUDA are generated from.

Imported only where the device is asked for: a process that has claimed the device type keeps it.
"""

import ctypes
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend as claim_device_type

from utils.errors import UserError

NAME = "emulated"
NAMES = NAME, f"{NAME}:no-float64"
aten = torch.ops.aten

_installed: list[Any] = []  # what must live as long as the process
_refused: tuple[torch.dtype, ...] = ()  # what the device has no numbers for


def find(name: str) -> torch.device:
    """The emulated device in one of its NAMES; the name asked for last holds for the whole process.

    Raises UserError where this process has trained already: PyTorch counted the devices then.
    """
    global _refused
    if not _installed:
        _install()
    try:
        torch.ones(1, device=torch.device(NAME, 0), requires_grad=True).sum().backward()
    except RuntimeError:
        raise UserError(
            "this process went backward before it had the emulated device; restart the kernel, then run anew"
        ) from None
    _refused = () if name == NAME else (torch.float64, torch.complex128)
    return torch.device(NAME, 0)


# --- the same memory under another device's name -------------------------------------------------------

# DLPack is how libraries hand tensors to each other without a copy. Its record of a tensor begins with the
# pointer to the data; the type of the device follows.
_DLPACK = {"cpu": 1, NAME: 12}  # kDLCPU; kDLExtDev, which PyTorch reads as PrivateUse1
_record = ctypes.pythonapi.PyCapsule_GetPointer
_record.restype, _record.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
_POINTER = ctypes.sizeof(ctypes.c_void_p)


def _seen_from(device: str, t: Tensor) -> Tensor:
    """The memory of `t` as a tensor of "cpu" or "emulated"; it keeps `t` alive."""
    capsule = torch._C._to_dlpack(t)
    ctypes.c_int32.from_address(_record(capsule, b"dltensor") + _POINTER).value = _DLPACK[device]
    return torch._C._from_dlpack(capsule)


def _to_device(t: Tensor) -> Tensor:
    """A tensor that the CPU has just made becomes the device's. Raises TypeError for a refused type."""
    if t.dtype in _refused:
        raise TypeError(
            "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
            "Please use float32 instead."
        )
    return _seen_from(NAME, t)


def _leaves(values: Any) -> Iterator:
    for value in values:
        if isinstance(value, list | tuple):
            yield from _leaves(value)
        elif value is not None:
            yield value


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """`change` a value, or each one that lists and tuples hold: operations know no other containers."""
    if isinstance(value, list | tuple):
        return type(value)([_each(change, v) for v in value])
    return change(value)


# --- what CUDA refuses ---------------------------------------------------------------------------------


class Rule(NamedTuple):
    """How the kernel treats one operation."""

    takes_number: bool  # whether a tensor of no dimension may lie on the CPU
    on_cuda: bool  # whether CUDA has it
    indices: bool  # whether its second argument holds indices, which may lie on the CPU
    integers: bool  # whether it takes whole numbers on CUDA
    view: bool  # whether it makes or changes a view and leaves the memory alone
    tensors: tuple[int, ...]  # the places of its arguments that are tensors, numbers too


@cache
def _table() -> dict[str, str]:
    """PyTorch's own list of operations: "mm.out" -> its entry, with kernels and checks of each backend."""
    torchgen = Path(find_spec("torchgen").submodule_search_locations[0])
    text = (torchgen / "packaged/ATen/native/native_functions.yaml").read_text(encoding="utf-8")
    return {entry.partition("(")[0]: entry for entry in text.split("\n- func: ")[1:]}


@cache
def _rule(op: Any) -> Rule:
    name = op._schema.name.removeprefix("aten::")
    entry = _table().get(op.name().removeprefix("aten::"), "")
    kernels = [line.partition(":")[0] for line in entry.splitlines() if line.startswith("    ")]
    backends = {backend.strip() for line in kernels for backend in line.split(",")}
    aliases = [result.alias_info for result in op._schema.returns if result.alias_info]
    return Rule(
        takes_number="device_check: NoCheck" in entry,
        on_cuda="CUDA" in backends or "CPU" not in backends,
        indices=name in ("index", "_index_put_impl_", "_unsafe_index"),
        integers=name not in ("mm", "bmm", "addmm", "baddbmm", "addmv", "dot"),
        view=any(not alias.is_write for alias in aliases) or name in ("set_", "as_strided_"),
        tensors=tuple(i for i, a in enumerate(op._schema.arguments) if isinstance(a.type, torch.TensorType)),
    )


def _refuse(op: Any, rule: Rule, args: tuple, kwargs: dict[str, Any]) -> None:
    """Raise what CUDA would for these arguments."""
    if not rule.on_cuda:
        raise NotImplementedError(f"Could not run '{op.name()}' with arguments from the 'CUDA' backend")
    bound = (args[0], *args[2:]) if rule.indices else args
    for value in _leaves((*bound, *kwargs.values())):
        if isinstance(value, Tensor):
            if not (value.device.type == NAME or (rule.takes_number and value.dim() == 0)):
                raise RuntimeError(
                    "Expected all tensors to be on the same device, but found at least two devices, "
                    f"{NAME}:0 and {value.device}! (when checking arguments of {op.name()})"
                )
            if not (rule.integers or value.is_floating_point() or value.is_complex()):
                kind = str(value.dtype).removeprefix("torch.")
                raise RuntimeError(f'"{op._schema.name[6:]}_cuda" not implemented for {kind!r}')
        elif isinstance(value, torch._C.Generator) and value._cdata not in Generator.emulated:
            raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")


# --- the kernels ---------------------------------------------------------------------------------------

_ON_CPU = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU)


def _kernel(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Any operation on emulated tensors: refuse it as CUDA would, or let the CPU do it in the same memory."""
    rule = _rule(op)
    _refuse(op, rule, args, kwargs)
    if rule.view:
        return op.redispatch(_ON_CPU, *args, **kwargs)  # the CPU's kernel does not look at the device
    # PyTorch hands on the 3 of `x % 3` as a number and asks for it back as a tensor.
    numbers = {i: args[i] for i in rule.tensors if i < len(args) and isinstance(args[i], int | float)}
    for i, number in numbers.items():
        exact = torch.float64 if isinstance(number, float) else None
        args = (*args[:i], torch.tensor(number, dtype=exact), *args[i + 1 :])
    hosts: dict[int, Tensor] = {}  # id of an emulated tensor -> the same memory as the CPU sees it
    given: dict[int, Tensor] = {}  # id of that -> the emulated tensor

    def enter(value: Any) -> Any:
        if isinstance(value, Tensor):
            if value.device.type != NAME:
                return value
            if id(value) not in hosts:
                # An empty result will be resized, and only memory of the CPU's own can be.
                shape = {"size": value.shape, "stride": value.stride(), "dtype": value.dtype}
                host = _seen_from("cpu", value) if value.numel() else torch.empty_strided(**shape)
                hosts[id(value)], given[id(host)] = host, value
            return hosts[id(value)]
        if isinstance(value, torch.device) and value.type == NAME:
            return torch.device("cpu")
        return value

    def leave(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return given[id(value)] if id(value) in given else _to_device(value)

    result = op(*_each(enter, args), **{name: _each(enter, value) for name, value in kwargs.items()})
    for value in given.values():
        host = hosts[id(value)]
        if host.shape != value.shape:
            value.set_(_to_device(host))
    return _each(leave, result)


def _copy(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """What `copy_`, `.to` and `.cpu` come down to: the one way between devices."""
    if source.dtype != target.dtype and target.dtype in _refused and source.device.type == NAME:
        raise TypeError("Cannot convert a float64 Tensor to MPS: convert on the CPU, as .cpu().double()")
    if target.numel():
        a, b = (_seen_from("cpu", t) if t.device.type == NAME else t for t in (source, target))
        b.copy_(a)
    return target


# Operations that PyTorch would take apart into calls that only makers of hardware answer.
_WHOLE = "convolution", "convolution_backward", "mse_loss", "smooth_l1_loss"


def _lstm_cell(x, h, c, bias_x=None, bias_h=None):
    """(B, 4H) sums of the input and of the state, (B, H) cell -> state, cell, what a GPU would keep."""
    gates = x + h if bias_x is None else x + h + bias_x + bias_h
    i, f, g, o = gates.chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c, gates


def _gru_cell(x, h, state, bias_x=None, bias_h=None):
    """(B, 3H) sums of the input and of the state, (B, H) state -> state, what a GPU would keep."""
    if bias_x is not None:
        x, h = x + bias_x, h + bias_h
    (r, z, n), (hr, hz, hn) = x.chunk(3, 1), h.chunk(3, 1)
    z, n = (z + hz).sigmoid(), (n + (r + hr).sigmoid() * hn).tanh()
    return n + z * (state - n), x


# --- what is no operation ------------------------------------------------------------------------------


class _AnyGenerator(type(torch.Generator)):
    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, torch._C.Generator)


class Generator(torch.Generator, metaclass=_AnyGenerator):
    """`torch.Generator` that can be one of the emulated device: the CPU's numbers under another name."""

    emulated: ClassVar = WeakValueDictionary()  # address of the generator in C++ -> itself

    def __new__(cls, device: Any = "cpu") -> "Generator":
        if torch.device(device).type != NAME:
            return torch._C.Generator(device)
        self = super().__new__(cls, "cpu")
        if not any(isinstance(kept, _OwnGenerators) for kept in _installed):
            _installed.append(_OwnGenerators())
            _installed[-1].__enter__()
        cls.emulated[self._cdata] = self
        return self

    @property
    def device(self) -> torch.device:
        return torch.device(NAME, 0)


class _OwnGenerators(TorchFunctionMode):
    """Refuses a generator of the emulated device for numbers of the CPU, whose kernels would take it."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None):
        result = func(*args, **kwargs or {})
        generator = (kwargs or {}).get("generator")
        if generator is not None and generator.device.type == NAME != result.device.type:
            raise RuntimeError(f"Expected a 'cpu' device type for generator but found '{NAME}'")
        return result


def _clone(storage: torch.UntypedStorage) -> torch.UntypedStorage:
    """What `copy.deepcopy` asks of a tensor's memory, which Python cannot make without a tensor."""
    if storage.device.type != NAME:
        return _clone_elsewhere(storage)
    return torch.empty(0, dtype=torch.uint8, device=NAME).set_(storage).clone().untyped_storage()


def _storage_to(storage: torch.UntypedStorage, *, device: Any, non_blocking: bool = False) -> Any:
    """What `torch.load` asks of the memory it has read."""
    if torch.device(device).type != NAME or storage.device.type == NAME:
        return _storage_to_elsewhere(storage, device=device, non_blocking=non_blocking)
    return torch.empty(0, dtype=torch.uint8).set_(storage).to(NAME).untyped_storage()


def _apply(model: torch.nn.Module, change: Callable, recurse: bool = True) -> torch.nn.Module:
    """`model.to(...)` keeps its parameters the same objects, as it does between the CPU and CUDA."""
    before = torch.__future__.get_swap_module_params_on_conversion()
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        return _apply_elsewhere(model, change, recurse)
    finally:
        torch.__future__.set_swap_module_params_on_conversion(before)


_clone_elsewhere, _storage_to_elsewhere = torch.UntypedStorage.clone, torch.UntypedStorage.to
_apply_elsewhere = torch.nn.Module._apply


def _install() -> None:
    module = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        current_device=lambda: 0,
        _is_in_bad_fork=lambda: False,
        manual_seed_all=lambda seed: None,  # it draws the CPU's numbers, which are seeded too
    )
    claim_device_type(NAME, module)
    every, some = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    every.fallback(_kernel, "PrivateUse1")
    some.impl("_copy_from", _copy, "PrivateUse1")
    some.impl("_pin_memory", lambda t, device=None: t.clone(), "CPU")
    for name in _WHOLE:
        some.impl(name, partial(_kernel, getattr(aten, name).default), "PrivateUse1")
    for name, cell in {"_thnn_fused_lstm_cell": _lstm_cell, "_thnn_fused_gru_cell": _gru_cell}.items():
        some.impl(name, cell, "PrivateUse1")
        some.impl(name, cell, "AutogradPrivateUse1")  # differentiated through its parts
    torch.Generator = Generator
    torch.UntypedStorage.clone, torch.UntypedStorage.to = _clone, _storage_to
    torch.nn.Module._apply = _apply
    _installed.extend([every, some])
