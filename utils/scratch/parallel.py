"""Data-parallel training on processes of this machine: what lecture 18 builds.

Each process holds the whole model and a share of every batch; the gradients are averaged before each step.
The functions stand in a file because a new process finds its work by importing it.
Li and others (2020), PyTorch distributed: experiences on accelerating data parallel training, VLDB 13.
"""

import os
import tempfile
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy

PATIENCE = 300  # seconds that a process waits for another one


def average_gradients(parameters, share: float) -> None:
    """Replace each gradient by the sum over all processes of share · gradient; the shares add up to 1."""
    for p in parameters:
        p.grad *= share
        dist.all_reduce(p.grad)  # sums over the processes, in place


def descend(model, x, y, batches, lr: float, rank: int = 0, world: int = 1):
    """SGD on the rows rank, rank + world, … of each batch of row numbers. Returns the model.

    `x`: (n, d), `y`: (n,) int64; `batches`: rows of indices, each of at least `world` entries.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for rows in batches:
        mine = rows[rank::world]
        optimizer.zero_grad()
        cross_entropy(model(x[mine]), y[mine]).backward()
        if world > 1:
            average_gradients(model.parameters(), len(mine) / len(rows))
        optimizer.step()
    return model


def train(model, x, y, batches, lr: float, world: int = 2) -> list[dict[str, torch.Tensor]]:
    """Train copies of `model` on `world` new processes; returns the weights that each of them ends with.

    Everything is on the CPU. Raises RuntimeError if a process fails or does not come back.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.pt"
        torch.save((model, x, y, batches, lr), job)
        workers = [context.Process(target=_work, args=(rank, world, folder)) for rank in range(world)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
        codes = [worker.exitcode for worker in workers]
        for worker in workers:
            if worker.exitcode is None:
                worker.kill()
        if any(code != 0 for code in codes):
            raise RuntimeError(f"the processes ended with the codes {codes}; 0 is success, None is too slow")
        return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(world)]


def _work(rank: int, world: int, folder: str) -> None:
    torch.set_num_threads(1)
    model, x, y, batches, lr = torch.load(Path(folder) / "job.pt", weights_only=False)
    meeting = (Path(folder) / "meeting").as_uri()
    dist.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=world, timeout=timedelta(seconds=PATIENCE)
    )
    descend(model, x, y, batches, lr, rank, world)
    torch.save(model.state_dict(), Path(folder) / f"{rank}.pt")
    dist.barrier()  # nobody leaves while another one still needs its answers
    # All is saved, so leave at once. An orderly exit ends the library's threads, and about once in a hundred
    # starts that aborts the process ("terminate called without an active exception").
    os._exit(0)
