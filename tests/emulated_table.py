"""The emulated device refuses what CUDA refuses and nothing else: op by op, against a table.

Where the rows come from: PyTorch's notes on CUDA semantics; its tests `test_cross_device_binary_ops`,
`test_invalid_device`, `test_cpu_indices`; `device_check` in its `native_functions.yaml`, from which the
checks of CUDA's kernels are generated; `TensorIterator`, which lets numbers of the CPU pass; and messages
that people report. On a machine with CUDA every row runs there too, and must come out as the table says.
"""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from utils import emulated, runtime
from utils.errors import UserError

# Where a table is read; where the real device is, it must answer as the emulated one.
AS_CUDA = ["emulated", *["cuda"] * torch.cuda.is_available()]
AS_MPS = ["emulated:no-float64", *["mps"] * torch.backends.mps.is_available()]

# What a row comes to: a tensor on the device, one on the CPU, something else; or an error with these words.
DEVICE, CPU, OTHER = "device", "cpu", "other"
SAME = "(?i)(expected all tensors|at least|to be|are not|should have|must be) .*(same|at) .*device"
TYPE = "(?i)should be the same|same device"
INDEX = "indices should be either on cpu or on the same device as the indexed tensor"
NUMPY = "can't convert .* device type tensor to numpy. Use Tensor.cpu()"
GENERATOR = "Expected a '.*' device type for generator but found '.*'"

# x, i, m lie on the device, c, k, n are the same on the CPU: (3, 4) numbers, two indices, one number.
TABLE = {
    "operands": {
        "x + x": DEVICE,
        "c + c": CPU,
        "x + c": SAME,
        "c + x": SAME,
        "x - c": SAME,
        "x * c": SAME,
        "x / c": SAME,
        "x // c": SAME,
        "x > c": SAME,
        "x @ c.T": SAME,
        "c @ x.T": SAME,
        "x.add_(c)": SAME,
        "c.add_(x)": SAME,
        "torch.add(x, x, out=c)": "(?i)device",
        "torch.maximum(x, c)": SAME,
        "torch.cat([x, x])": DEVICE,
        "torch.cat([x, c])": SAME,
        "torch.stack([c, x])": SAME,
        "torch.stack([m, n])": SAME,
        "torch.einsum('ij,kj->ik', x, c)": SAME,
        "torch.bmm(x[None], c.T[None])": SAME,
        "torch.dot(x[0], c[0])": SAME,
        "torch.outer(x[0], c[0])": SAME,
        "torch.equal(x, c)": SAME,
        "torch.allclose(x, c)": SAME,
        "torch.isin(x, c)": SAME,
        "torch.where(x > 0, x, c)": SAME,
        "torch.where(c > 0, x, x)": SAME,
        "torch.linalg.solve(x[:, :3], c[:, :3])": "(?i)device",
        "torch.bucketize(x, c[0])": "(?i)same device",
        "torch.linspace(0, 1, 3, device=d) * torch.linspace(0, 1, 3)": SAME,
    },
    "numbers: tensors of no dimension": {
        "x + n": DEVICE,
        "n + x": DEVICE,
        "n * m": DEVICE,
        "x ** n": DEVICE,
        "x % 2.5": DEVICE,
        "i % 2": DEVICE,
        "i % 0.5": DEVICE,
        "x > n": DEVICE,
        "x.add_(n)": DEVICE,
        "torch.maximum(x, n)": DEVICE,
        "torch.where(x > 0, x, n)": DEVICE,
        "x.fill_(n)": DEVICE,
        "x.masked_fill(x > 0, n)": DEVICE,
        "x + 2.5": DEVICE,
        "c + m": SAME,
        "m * c": SAME,
        "c.add_(m)": SAME,
        "x[0] @ n.expand(4)": SAME,
    },
    "indices": {
        "x[i]": DEVICE,
        "x[k]": DEVICE,
        "x[:, k]": DEVICE,
        "x[k, k]": DEVICE,
        "x[k[0]]": DEVICE,
        "x[c > 0]": DEVICE,
        "c[i]": INDEX,
        "c[x > 0]": INDEX,
        "c[:, i]": INDEX,
        "c[i[0]]": CPU,
        "x.index_put_((k,), x[:2].clone())": DEVICE,
        "x.index_put_((i,), m)": DEVICE,
        "x.index_put_((k,), n)": DEVICE,
        "x.index_put_((k,), c[:2])": SAME,
        "x.index_put_((k,), c[:2], accumulate=True)": SAME,
        "c.index_put_((k,), x[:2])": SAME,
        "x.__setitem__(k, 1.0)": OTHER,
        "x.__setitem__(k, n)": OTHER,
        "x.__setitem__(c > 0, 0.0)": OTHER,
        "x.__setitem__(k, c[:2])": SAME,
        "x.__setitem__(0, c[0])": OTHER,
        "c.__setitem__(0, x[0])": OTHER,
        "x.index_select(0, i)": DEVICE,
        "x.index_select(0, k)": SAME,
        "x.gather(0, k[:, None])": SAME,
        "x.take(k)": SAME,
        "torch.take_along_dim(x, k[:, None], 0)": "(?i)device",
        "x.scatter(0, k[:, None], 1.0)": SAME,
        "x.index_add(0, k, x[:2])": SAME,
        "x.index_fill(0, k, 1.0)": SAME,
        "x.masked_select(c > 0)": SAME,
        "x.masked_fill(c > 0, 0.0)": SAME,
        "F.embedding(i, x)": DEVICE,
        "F.embedding(k, x)": SAME,
        "F.one_hot(i)": DEVICE,
        "torch.bincount(i)": DEVICE,
        "torch.nonzero(x)": DEVICE,
        "x.argsort()": DEVICE,
    },
    "networks": {
        "nn.Linear(4, 2).to(d)(x)": DEVICE,
        "nn.Linear(4, 2)(x)": SAME,
        "nn.Linear(4, 2).to(d)(c)": SAME,
        "nn.Conv1d(3, 2, 2).to(d)(x[None])": DEVICE,
        "nn.Conv1d(3, 2, 2)(x[None])": TYPE,
        "nn.Conv1d(3, 2, 2).to(d)(c[None])": TYPE,
        "nn.BatchNorm1d(4).to(d)(x)": DEVICE,
        "nn.BatchNorm1d(4)(x)": SAME,
        "F.layer_norm(x, (4,), torch.ones(4))": SAME,
        "nn.LSTM(4, 2).to(d)(x)[0]": DEVICE,
        "nn.GRU(4, 2).to(d)(x)[0]": DEVICE,
        "nn.RNN(4, 2)(x)[0]": SAME,
        "nn.LSTM(4, 2)(x)[0]": SAME,
        "nn.Embedding(3, 2)(i)": SAME,
        "nn.MultiheadAttention(4, 2).to(d)(x, x, x)[0]": DEVICE,
        "nn.MultiheadAttention(4, 2).to(d)(x, c, c)[0]": SAME,
        "F.max_pool1d(x, 2)": DEVICE,
        "F.interpolate(x[None], scale_factor=2)": DEVICE,
        "F.cross_entropy(x[:2], i)": DEVICE,
        "F.cross_entropy(x[:2], k)": SAME,
        "F.cross_entropy(c[:2], i)": SAME,
        "F.cross_entropy(x[:2], i, weight=torch.ones(4))": SAME,
        "F.mse_loss(x, x)": DEVICE,
        "F.mse_loss(x, c)": SAME,
        "F.binary_cross_entropy_with_logits(x, c)": SAME,
        "F.dropout(x)": DEVICE,
    },
    "gradients": {
        "torch.autograd.grad((x.requires_grad_() ** 2).sum(), x)[0]": DEVICE,
        "(x.requires_grad_() * 2).backward(c)": "(?i)device",
        "setattr(x.requires_grad_(), 'grad', c)": "(?i)device",
        "torch.func.grad(lambda v: (v**2).sum())(x)": DEVICE,
        "torch.func.vmap(torch.sum)(x)": DEVICE,
    },
    "from one device to the other": {
        "x.cpu()": CPU,
        "x.to('cpu')": CPU,
        "c.to(d)": DEVICE,
        "c.to(x)": DEVICE,
        "x.to(c.device)": CPU,
        "c.to(d, torch.float16)": DEVICE,
        "x.copy_(c)": DEVICE,
        "c.copy_(x)": CPU,
        "x[0].copy_(n)": DEVICE,
        "x.new_tensor([1.0])": DEVICE,
        "x.new_zeros(2)": DEVICE,
        "torch.zeros_like(x)": DEVICE,
        "torch.tensor([1.0, 2.0], device=d)": DEVICE,
        "torch.as_tensor(c.numpy(), device=d)": DEVICE,
        "torch.tensor([m, m])": CPU,
        "copy.deepcopy(x)": DEVICE,
        "x.clone().detach().contiguous()": DEVICE,
        "c.pin_memory()": CPU,
        "x.pin_memory()": "cannot pin '.*' only dense CPU tensors can be pinned",
    },
    "numbers and arrays of the CPU": {
        "m.item()": OTHER,
        "float(m)": OTHER,
        "bool(m > 0)": OTHER,
        "x.tolist()": OTHER,
        "[float(v) for v in x[0]]": OTHER,
        "f'{m:.1f}'": OTHER,
        "x.cpu().numpy()": OTHER,
        "x.numpy()": NUMPY,
        "np.asarray(x)": NUMPY,
        "np.array(x)": NUMPY,
        "np.exp(x)": NUMPY,
        "np.concatenate([x, x])": NUMPY,
        "np.testing.assert_allclose(x, x)": NUMPY,
        "np.zeros(3) + x[:, 0].numpy()": NUMPY,
        "torch.from_numpy(np.ones((3, 4), np.float32)) + x": SAME,
    },
    "random numbers": {
        "torch.rand(3, device=d)": DEVICE,
        "torch.randperm(5, device=d)": DEVICE,
        "torch.randint(5, (3,), device=d)": DEVICE,
        "torch.randn_like(x)": DEVICE,
        "x.abs().multinomial(2)": DEVICE,
        "torch.randn(3, device=d, generator=torch.Generator(d))": DEVICE,
        "torch.randperm(5, device=d, generator=torch.Generator(d))": DEVICE,
        "torch.randn(3, device=d, generator=torch.Generator())": GENERATOR,
        "torch.randperm(5, device=d, generator=torch.Generator())": GENERATOR,
        "torch.bernoulli(x.sigmoid(), generator=torch.Generator())": GENERATOR,
        "x.normal_(generator=torch.Generator())": GENERATOR,
        "x.abs().multinomial(2, generator=torch.Generator())": GENERATOR,
        "torch.rand(3, generator=torch.Generator(d))": GENERATOR,
        "torch.randperm(5, generator=torch.Generator(d))": GENERATOR,
        "c.uniform_(generator=torch.Generator(d))": GENERATOR,
        "torch.rand(3, generator=torch.Generator())": CPU,
    },
    "what CUDA has no kernel for": {
        "i @ i": "not implemented for",
        "torch.stack([i, i]) @ torch.stack([i, i])": "not implemented for",
        "torch.histogram(x, 4)": "Could not run 'aten::histogram",
        "k @ k": CPU,
    },
}
ROWS = [(code, expected) for part in TABLE.values() for code, expected in part.items()]

NO_FLOAT64 = "Cannot convert a (MPS Tensor to float64|float64 Tensor to MPS)"
FLOAT64 = {
    "x.double()": NO_FLOAT64,
    "x.to(torch.float64)": NO_FLOAT64,
    "i.double()": NO_FLOAT64,
    "c.double().to(d)": NO_FLOAT64,
    "torch.zeros(2, dtype=torch.float64, device=d)": NO_FLOAT64,
    "torch.tensor(np.ones(2), device=d)": NO_FLOAT64,
    "torch.as_tensor(np.ones(2), device=d)": NO_FLOAT64,
    "nn.Linear(4, 2).double().to(d)": NO_FLOAT64,
    "x.sum(dtype=torch.float64)": NO_FLOAT64,
    "x.to('cpu', torch.float64)": NO_FLOAT64,
    "x.cpu().double()": CPU,
    "c.double().to(d, torch.float32)": DEVICE,
    "torch.tensor(np.ones(2), dtype=torch.float32, device=d)": DEVICE,
    "torch.tensor([0.5], device=d)": DEVICE,
    "x * 0.1": DEVICE,
    "i / 2": DEVICE,
    "m.item()": OTHER,
}


def names(device: str) -> dict:
    """What the rows speak of; the same numbers whatever the device."""
    draw = np.random.default_rng(0)
    c = torch.tensor(draw.normal(size=(3, 4)), dtype=torch.float32)
    k, n = torch.tensor([0, 2]), torch.tensor(2.0)
    moved = {"x": c.to(device), "i": k.to(device), "m": n.to(device), "d": torch.device(device)}
    return {"c": c.clone(), "k": k, "n": n, "torch": torch, "nn": nn, "F": F, "np": np, "copy": copy} | moved


def run(code: str, device: str):
    torch.manual_seed(0)
    return eval(code, names(device))


def comes_to(code: str, expected: str, device: str):
    """The result of a row, after it has been held against the table."""
    if expected not in (DEVICE, CPU, OTHER):
        with pytest.raises((RuntimeError, TypeError, IndexError), match=expected):
            run(code, device)
        return None
    result = run(code, device)
    if isinstance(result, torch.Tensor):
        assert result.device.type == (torch.device(device).type if expected == DEVICE else "cpu")
    else:
        assert expected == OTHER
    return result


@pytest.fixture(scope="module", autouse=True)
def only_here():
    """The device type stays claimed; what else was put in PyTorch's place is taken back for other tests."""
    kept = [
        (torch, "Generator"),
        (torch.UntypedStorage, "clone"),
        (torch.UntypedStorage, "to"),
        (nn.Module, "_apply"),
    ]
    before = [getattr(owner, name) for owner, name in kept]
    yield
    for (owner, name), value in zip(kept, before, strict=True):
        setattr(owner, name, value)
    for mode in emulated._installed:
        if isinstance(mode, emulated._OwnGenerators):
            mode.__exit__(None, None, None)


@pytest.fixture(autouse=True)
def device():
    yield emulated.find("emulated")
    emulated.find("emulated")


@pytest.mark.parametrize("where", AS_CUDA)
@pytest.mark.parametrize(("code", "expected"), ROWS, ids=[code for code, _ in ROWS])
def test_as_cuda_does(code, expected, where):
    result = comes_to(code, expected, where)
    if isinstance(result, torch.Tensor) and where == "emulated":  # CUDA draws and rounds in its own way
        torch.testing.assert_close(result.cpu(), run(code, "cpu").cpu())


@pytest.mark.parametrize("where", AS_MPS)
@pytest.mark.parametrize(("code", "expected"), FLOAT64.items(), ids=FLOAT64)
def test_no_float64_as_mps_does(code, expected, where):
    if where != "mps":
        where = str(emulated.find(where))
    comes_to(code, expected, where)


def test_every_row_is_one_case():
    assert len(ROWS) == sum(len(part) for part in TABLE.values()) == len({code for code, _ in ROWS})


# --- what one line cannot say --------------------------------------------------------------------------


def test_training_gives_the_numbers_of_the_cpu(device):
    def trained(where):
        torch.manual_seed(0)
        parts = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
        net = nn.Sequential(*parts, nn.Linear(36, 3))
        adam, before = torch.optim.Adam(net.parameters(), 1e-2), list(net.parameters())
        net.to(where)  # after the optimizer: its parameters must be the model's still
        assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
        x, y = torch.randn(8, 1, 8, 8).to(where), torch.arange(8).to(where) % 3
        for _ in range(5):
            adam.zero_grad()
            F.cross_entropy(net(x), y).backward()
            adam.step()
        return torch.cat([p.detach().cpu().flatten() for p in net.parameters()])

    torch.testing.assert_close(trained(device), trained("cpu"))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_cells_are_those_of_the_cpu(kind, bias, device):
    torch.manual_seed(0)
    here = kind(3, 5, num_layers=2, bias=bias)
    there = copy.deepcopy(here).to(device)
    x = torch.randn(4, 2, 3)
    for net, given in ((here, x), (there, x.to(device))):
        (net(given)[0] ** 2).sum().backward()
    torch.testing.assert_close(there(x.to(device))[0].cpu(), here(x)[0])
    for p, q in zip(here.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(q.grad.cpu(), p.grad)


def test_views_share_memory_with_each_other_and_arrays_do_not(device):
    array = np.zeros(6, np.float32)
    x = torch.as_tensor(array, device=device)
    x.view(2, 3)[1].mul_(0).add_(1)
    x.t()[0:1].fill_(5)
    array[2] = 7
    assert x.tolist() == [5, 0, 0, 1, 1, 1]
    assert array.tolist() == [0, 0, 7, 0, 0, 0]
    x.requires_grad_()
    x.detach()[0] = 2
    (x[1:].reshape(5).unfold(0, 2, 1) ** 2).sum().backward()
    assert x.grad.tolist() == [0, 0, 0, 4, 4, 2]


def test_what_was_saved_comes_back_where_it_was_or_is_asked_for(device, tmp_path):
    x = torch.arange(6.0, device=device).view(2, 3).T
    torch.save(x, tmp_path / "x.pt")
    torch.save(x.cpu(), tmp_path / "c.pt")
    for name, where, kind in [("x", None, "emulated"), ("x", "cpu", "cpu"), ("c", device, "emulated")]:
        again = torch.load(tmp_path / f"{name}.pt", map_location=where)
        assert again.device.type == kind and again.tolist() == x.tolist()


def test_memory_goes_when_the_tensors_go(device):
    class Owner(np.ndarray):
        alive = 0

        def __del__(self):
            Owner.alive -= 1

    def one():
        Owner.alive += 1
        host = torch.from_numpy(np.ones(3, np.float32).view(Owner))
        view = emulated._to_device(host)[1:]
        del host
        return view

    view = one()
    assert Owner.alive == 1 and view.sum().item() == 2
    del view
    assert Owner.alive == 0


def test_a_run_is_repeated_by_its_seed(device):
    def draws():
        runtime.setup(seed=3, device="emulated")
        own = torch.Generator(device).manual_seed(1)
        return torch.rand(3, device=device).tolist() + torch.rand(3, device=device, generator=own).tolist()

    assert draws() == draws()
    assert isinstance(torch.default_generator, torch.Generator)
    assert torch.Generator().device.type == "cpu"


@pytest.mark.parametrize("name", ["emulated:1", "emulated:no-float32", "emulated:", "emulate"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match=re.escape(repr(name))) as error:
        runtime.find_device(name)
    assert "\n" not in str(error.value)


def test_setup_says_what_runs_where(capsys):
    assert runtime.setup(device="emulated:no-float64").device.type == "emulated"
    assert "device emulated" in capsys.readouterr().out
    assert runtime.setup(device="cpu").device.type == "cpu"
    assert runtime.setup(device="auto").device.type != "emulated"


def test_what_cuda_checks_is_read_from_pytorchs_own_table():
    """Another edition of PyTorch may write its table otherwise; then this speaks before the rows above do."""
    rule = {name: emulated._rule(op) for name, op in vars(SimpleNamespace(
        add=torch.ops.aten.add.out, mm=torch.ops.aten.mm.out, histogram=torch.ops.aten.histogram.bin_ct,
        view=torch.ops.aten.view.default, index=torch.ops.aten.index.Tensor_out,
    )).items()}  # fmt: skip
    assert len(emulated._table()) > 2000
    assert rule["add"].takes_number and not rule["mm"].takes_number
    assert rule["add"].on_cuda and rule["mm"].on_cuda and not rule["histogram"].on_cuda
    assert rule["view"].view and not rule["add"].view
    assert rule["index"].indices and not rule["mm"].integers
