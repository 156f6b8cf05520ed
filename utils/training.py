"""The training loop, for the lectures after 02 and 05, which build it in front of the reader."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from utils import runtime
from utils.errors import choose

OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass
class History:
    """One entry an epoch. `loss` is the mean over the epoch's batches, while the model was learning."""

    loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)


def fit(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    *,
    epochs: int,
    validation: tuple[Tensor, Tensor] | None = None,
    loss: Callable = nn.functional.cross_entropy,
    optimizer: str = "adam",
    lr: float = 1e-3,
    batch_size: int = 128,
    device: torch.device | str | None = None,
) -> History:
    """Train a model on tensors in memory, in mini-batches of a fresh random order each epoch.

    Parameters: `data` and `validation` are pairs x: (n, ...), y: (n, ...); `loss(model(x), y)` is one number;
    `optimizer` is a name in OPTIMIZERS; `device` is where to train, the model's own by default.
    Returns: `History`; `validation_accuracy` is filled where y holds class numbers (int64).
    Raises: ValueError if x and y differ in length, or if the loss is not finite (says at which step).
    Built in lectures 02 and 05; Bottou, Curtis & Nocedal (2018) for the method.
    """
    if optimizer not in OPTIMIZERS:
        raise choose("optimizer", optimizer, OPTIMIZERS)
    device = device or next(model.parameters()).device
    model.to(device)
    x, y = _pair(data, device, "data")
    if validation is not None:
        validation = _pair(validation, device, "validation")
    descent = OPTIMIZERS[optimizer](model.parameters(), lr=lr)

    history = History()
    for epoch in runtime.track(range(epochs), "epochs"):
        start = time.perf_counter()
        model.train()
        losses = []  # tensors: reading each number would make a GPU wait at every step
        for rows in torch.randperm(len(x), device=device).split(batch_size):
            descent.zero_grad()
            batch_loss = loss(model(x[rows]), y[rows])
            batch_loss.backward()
            descent.step()
            losses.append(batch_loss.detach())
        losses = torch.stack(losses)
        if not losses.isfinite().all():
            step = epoch * len(losses) + int((~losses.isfinite()).nonzero()[0]) + 1
            raise ValueError(
                f"the loss is {losses[~losses.isfinite()][0].item()} at step {step}: "
                f"try a smaller learning rate than {lr:g}, and look for nan in the data"
            )
        history.loss.append(losses.mean().item())
        history.seconds.append(time.perf_counter() - start)
        if validation is not None:
            measured = evaluate(model, validation, loss=loss)
            history.validation_loss.append(measured[0])
            history.validation_accuracy.append(measured[1])
    return history


@torch.no_grad()
def evaluate(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    *,
    loss: Callable = nn.functional.cross_entropy,
    batch_size: int = 1024,
) -> tuple[float, float]:
    """Mean loss and accuracy of a model on a pair of tensors, in evaluation mode; the mode is put back after.

    Accuracy is nan where y holds no class numbers (int64).
    """
    x, y = _pair(data, next(model.parameters()).device, "data")
    was_training = model.training
    model.eval()
    total, right = 0.0, 0
    for inputs, target in zip(x.split(batch_size), y.split(batch_size), strict=True):
        output = model(inputs)
        total += loss(output, target).item() * len(inputs)
        right += (output.argmax(1) == target).sum().item() if y.dtype == torch.int64 else float("nan")
    model.train(was_training)
    return total / len(x), right / len(x)


def _pair(data, device, name):
    x, y = data
    if len(x) != len(y):
        raise ValueError(
            f"{name} has {len(x)} inputs but {len(y)} targets; expected one target for each input"
        )
    if not len(x):
        raise ValueError(f"{name} is empty; expected at least one row")
    return x.to(device), y.to(device)
