"""The training loop learns, reports, and says what is wrong."""

import pytest
import torch
from torch import nn

from utils import training
from utils.errors import UserError


def blobs(n=400):
    torch.manual_seed(0)
    y = torch.arange(n) % 2
    return torch.randn(n, 2) + 4.0 * y[:, None], y


@pytest.mark.parametrize("optimizer", training.OPTIMIZERS)
def test_it_learns(optimizer):
    x, y = blobs()
    history = training.fit(
        nn.Linear(2, 2), (x, y), epochs=20, validation=(x, y), optimizer=optimizer, lr=0.03, batch_size=64
    )
    assert history.validation_accuracy[-1] > 0.95
    assert history.loss[-1] < history.loss[0]
    assert len(history.loss) == len(history.seconds) == len(history.validation_loss) == 20


def test_regression_by_another_loss():
    x, _ = blobs()
    y = x @ torch.tensor([[2.0], [-1.0]]) + 3
    model = nn.Linear(2, 1)
    history = training.fit(model, (x, y), epochs=60, validation=(x, y), loss=nn.functional.mse_loss, lr=0.05)
    assert history.validation_loss[-1] < 1e-2
    assert history.validation_accuracy[-1] != history.validation_accuracy[-1]  # nan: no class numbers


def test_an_epoch_is_every_row_once():
    x, y = torch.arange(10.0)[:, None].repeat(1, 2), torch.zeros(10, dtype=torch.int64)
    seen = []

    class Spy(nn.Linear):
        def forward(self, rows):
            seen.extend(rows[:, 0].tolist())
            return super().forward(rows)

    training.fit(Spy(2, 2), (x, y), epochs=2, batch_size=3)
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(map(float, range(10)))
    assert seen[:10] != seen[10:]


def test_the_same_seed_gives_the_same_model():
    losses = []
    for _ in range(2):
        x, y = blobs()
        losses.append(training.fit(nn.Linear(2, 2), (x, y), epochs=3).loss)
    assert losses[0] == losses[1]


def test_evaluate_leaves_the_mode_alone_and_switches_dropout_off():
    x, y = blobs()
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2))
    first, second = training.evaluate(model, (x, y)), training.evaluate(model, (x, y), batch_size=7)
    assert model.training
    assert first == pytest.approx(second, rel=1e-5)


def test_errors_for_people():
    x, y = blobs(10)
    with pytest.raises(ValueError, match="data has 10 inputs but 9 targets"):
        training.fit(nn.Linear(2, 2), (x, y[:9]), epochs=1)
    with pytest.raises(ValueError, match="validation has 10 inputs but 0 targets"):
        training.fit(nn.Linear(2, 2), (x, y), validation=(x, y[:0]), epochs=1)
    with pytest.raises(ValueError, match="data is empty"):
        training.fit(nn.Linear(2, 2), (x[:0], y[:0]), epochs=1)
    with pytest.raises(UserError, match="unknown optimizer 'adma'; choose one of: sgd"):
        training.fit(nn.Linear(2, 2), (x, y), epochs=1, optimizer="adma")


def test_a_loss_that_is_not_finite_names_the_step():
    x, y = blobs(10)
    x[0] = float("nan")
    with pytest.raises(
        ValueError, match=r"the loss is nan at step 1: try a smaller learning rate than 0\.001"
    ):
        training.fit(nn.Linear(2, 2), (x, y), epochs=1)
    model, y = nn.Linear(2, 1), torch.zeros(10, 1)
    with pytest.raises(ValueError, match=r"at step \d+"):
        training.fit(
            model, (blobs(10)[0], y), epochs=500, loss=nn.functional.mse_loss, optimizer="sgd", lr=1e3
        )
