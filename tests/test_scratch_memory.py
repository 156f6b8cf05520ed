"""Gate 6: the nets of lecture 12's comparison step as torch.nn's do, and the two tasks ask what they say."""

import pytest
import torch
from torch import nn

from utils.scratch import memory


@pytest.mark.parametrize(("cell", "net"), [("RNN", nn.RNN), ("GRU", nn.GRU), ("LSTM", nn.LSTM)])
def test_a_row_of_weights_is_a_net_of_torchs(cell, net):
    torch.manual_seed(0)
    sizes, x = memory.shapes(cell, 3, 5, 2), torch.randn(7, 4, 3)
    theta = memory.fresh(memory.KINDS[cell][0], sizes, 2, lag=7)
    parts = theta.split([rows * columns for rows, columns in sizes], dim=1)
    W, U, *biases, V, v = (part.unflatten(1, size)[1] for part, size in zip(parts, sizes, strict=True))
    theirs = net(3, 5)
    hidden = biases[1] if cell == "GRU" else torch.zeros_like(biases[0])
    theirs.load_state_dict(
        {"weight_ih_l0": W.T, "weight_hh_l0": U.T, "bias_ih_l0": biases[0][0], "bias_hh_l0": hidden[0]}
    )
    expected = theirs(x)[0][-1] @ V + v
    assert torch.allclose(memory.answers(theta, cell, sizes, x)[1], expected, atol=1e-5)


def test_starts():
    sizes = memory.shapes("LSTM", 3, 8, 1)
    bias = [memory.fresh(kind, sizes, 2, lag=30)[:, -41:-9] for kind in ("LSTM, bias 1", "LSTM, chrono")]
    assert (bias[0][:, 8:16] == 1).all()
    assert torch.equal(bias[1][:, :8], -bias[1][:, 8:16])
    assert bias[1][:, 8:16].exp().min() >= 1 and bias[1][:, 8:16].exp().max() <= 29
    U = memory.fresh("RNN, orthogonal", memory.shapes("RNN", 3, 8, 1), 2, lag=30)[0, 24:88].reshape(8, 8)
    assert torch.allclose(U @ U.T, torch.eye(8), atol=1e-5)


def test_chrono_spreads_the_spans_and_opposes_the_input_gate():
    torch.manual_seed(0)
    i, f = memory.lstm_bias("chrono", hidden=4000, longest=100)[:8000].chunk(2)
    spans = f.exp()
    assert torch.equal(i, -f)
    assert 1 <= spans.min() < 2 and 98 < spans.max() <= 99
    torch.testing.assert_close(spans.quantile(torch.tensor([0.25, 0.5, 0.75])),
                               torch.tensor([25.5, 50.0, 74.5]), rtol=0, atol=4)  # fmt: skip
    with pytest.raises(ValueError, match="at least 2"):
        memory.lstm_bias("chrono", hidden=4, longest=1)


def test_tasks():
    x, y = memory.symbol(30, 100)
    assert x.shape == (31, 100, 8) and torch.equal(x[0].argmax(-1), y) and (x[1:].argmax(-1) >= 4).all()
    x, y = memory.adding(20, 100)
    assert torch.equal(x[..., 1].sum(0), torch.full((100,), 2.0))
    assert torch.allclose((x[..., 0] * x[..., 1]).sum(0), y)


def test_compare_gives_each_kind_its_losses_and_the_best_rate_is_chosen_on_the_first():
    losses = memory.compare(memory.adding, 4, 3, [0.01, 0.1], nets=2, hidden=4)
    assert list(losses) == [kind for kinds in memory.KINDS.values() for kind in kinds]
    choose, report = losses["GRU, default"]
    assert choose.shape == report.shape == (2, 2)
    best = 0 if sorted(choose[0])[0] + sorted(choose[0])[1] < choose[1].sum() else 1
    assert (memory.at_best(choose, report) == report[best]).all()


def test_the_gradient_from_the_first_step_vanishes_with_the_lag():
    short, long = (memory.from_first({"RNN, default": 0.01}, lag, 3, nets=2) for lag in (2, 20))
    assert short["RNN, default"].shape == (3,)
    assert short["RNN, default"][0] > 100 * long["RNN, default"][0] > 0


def test_learning_to_reverse_gives_a_share_for_each_length():
    class Told(nn.Module):  # writes what is due; one weight to train
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(0.1))

        def forward(self, x):
            return self.scale * nn.functional.one_hot(x.flip(0), 10).float()

    torch.manual_seed(0)
    model = Told()
    assert memory.learn_to_reverse(model, 3, longest=4) == [100.0] * 4
    assert model.scale > 0.1  # it was trained
