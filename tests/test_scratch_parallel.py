"""Gate 6: training on two processes equals training on one, for batches of odd size too."""

import copy

import pytest
import torch
from torch import nn

from utils.scratch import parallel


def problem():
    torch.manual_seed(0)
    x, y = torch.randn(40, 5), torch.randint(3, (40,))
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    return model, x.double(), y, [torch.randperm(40)[:size] for size in (8, 7, 3, 2, 9)]


def test_two_processes_equal_one():
    model, x, y, batches = problem()
    one = parallel.descend(copy.deepcopy(model), x, y, batches, lr=0.5).state_dict()
    before = copy.deepcopy(model.state_dict())
    two = parallel.train(model, x, y, batches, lr=0.5)
    for name, weights in one.items():
        assert not torch.allclose(weights, before[name])
        torch.testing.assert_close(two[0][name], weights, rtol=1e-10, atol=1e-12)
        assert torch.equal(two[0][name], two[1][name])
        assert torch.equal(model.state_dict()[name], before[name])  # the caller's model is not touched


@pytest.mark.filterwarnings("ignore")
def test_a_process_that_fails_is_reported():
    model, x, y, _ = problem()
    with pytest.raises(RuntimeError, match="ended with the codes"):
        parallel.train(model, x, y, [torch.tensor([99, 99])], lr=0.5)
