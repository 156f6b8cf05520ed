"""Gate 6: the RBM of lecture 07 against exact enumeration, scikit-learn and autograd."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM
from torch import nn

from utils.scratch.rbm import DBN, RBM


def bits(n):
    return torch.tensor(list(product([0.0, 1.0], repeat=n)), dtype=torch.float64)


def machine(visible, hidden, seed=0, size=1.0, **options):
    """An RBM with given random weights, in double precision."""
    draw = torch.Generator().manual_seed(seed)
    rbm = RBM(hidden, epochs=1, **options).fit(torch.full((2, visible), 0.5, dtype=torch.float64))
    rbm.weight_, rbm.visible_bias_, rbm.hidden_bias_ = (
        size * torch.randn(shape, generator=draw, dtype=torch.float64)
        for shape in [(hidden, visible), (visible,), (hidden,)]
    )
    return rbm


def joint(rbm):
    """Every state with its probability by the definition of the energy: v (2^d, d), h (2^k, k), p, log Z."""
    v, h = bits(rbm.weight_.shape[1]), bits(rbm.weight_.shape[0])
    minus = torch.zeros(len(v), len(h), dtype=torch.float64)
    for i, one in enumerate(v):
        for j, other in enumerate(h):
            minus[i, j] = rbm.visible_bias_ @ one + rbm.hidden_bias_ @ other + other @ rbm.weight_ @ one
    z = torch.logsumexp(minus.flatten(), 0)
    return v, h, torch.exp(minus - z), z.item()


@pytest.mark.parametrize("visible, hidden", [(4, 3), (3, 4), (1, 1), (5, 2)])
def test_partition_function_and_probabilities_by_enumeration(visible, hidden):
    rbm = machine(visible, hidden)
    v, _, p, log_z = joint(rbm)
    assert rbm.log_partition() == pytest.approx(log_z, abs=1e-10)
    assert torch.allclose(rbm.log_likelihood(v).exp(), p.sum(1), atol=1e-12)
    assert rbm.log_likelihood(v).exp().sum().item() == pytest.approx(1, abs=1e-12)
    assert torch.allclose(-rbm.free_energy(v) - log_z, p.sum(1).log(), atol=1e-10)


def test_hidden_and_visible_probabilities_by_enumeration():
    rbm = machine(4, 3)
    v, h, p, _ = joint(rbm)
    assert torch.allclose(rbm.transform(v), p @ h / p.sum(1, keepdim=True), atol=1e-12)
    assert torch.allclose(rbm._down(h), p.T @ v / p.sum(0)[:, None], atol=1e-12)


@pytest.mark.parametrize("visible, hidden", [(4, 3), (3, 5)])
def test_exact_gradient_is_that_of_autograd_and_of_differences(visible, hidden):
    rbm = machine(visible, hidden)
    data = bits(visible)[torch.tensor([0, 3, 5, 5])]
    exact = rbm.likelihood_gradient(data)

    v, h = bits(visible), bits(hidden)
    tracked = [w.clone().requires_grad_() for w in rbm._parameters()]
    W, b, c = tracked
    minus = (v @ b)[:, None] + h @ c + v @ W.T @ h.T
    of_data = (data @ b)[:, None] + h @ c + data @ W.T @ h.T
    (torch.logsumexp(of_data, 1).mean() - torch.logsumexp(minus.flatten(), 0)).backward()
    for g, w in zip(exact, tracked, strict=True):
        assert torch.allclose(g, w.grad, atol=1e-12)

    step = 1e-6
    for g, w in zip(exact, rbm._parameters(), strict=True):
        place = (0,) * w.ndim
        w[place] += step
        above = rbm.log_likelihood(data).mean().item()
        w[place] -= 2 * step
        below = rbm.log_likelihood(data).mean().item()
        w[place] += step
        assert g[place].item() == pytest.approx((above - below) / (2 * step), abs=1e-7)


def expected_cd(rbm, data, k):
    """The expectation of CD-k over all its coins: the chain as a matrix of probabilities."""
    v, h = bits(rbm.weight_.shape[1]), bits(rbm.weight_.shape[0])

    def share(p, states):
        return (p[:, None] * states + (1 - p[:, None]) * (1 - states)).prod(2)

    kernel = share(rbm._up(v), h) @ share(rbm._down(h), v)  # (2^d, 2^d): one step of the chain
    start = torch.stack([(v == row).all(1).double() for row in data]).mean(0)
    end = start @ torch.linalg.matrix_power(kernel, k)
    here, there = start[:, None] * v, end[:, None] * v
    return (
        rbm._up(v).T @ (here - there),
        (here - there).sum(0),
        (rbm._up(v) * (start - end)[:, None]).sum(0),
    )


@pytest.mark.parametrize("k", [1, 3])
def test_cd_estimates_scatter_around_their_expectation(k):
    rbm = machine(3, 2, k=k, sample_visible=True)
    data = bits(3)[torch.tensor([1, 6, 6, 7])]
    many = [rbm.contrastive_gradient(data.repeat(50, 1)) for _ in range(400)]  # 80,000 chains
    for estimates, expected in zip(zip(*many, strict=True), expected_cd(rbm, data, k), strict=True):
        assert torch.allclose(torch.stack(estimates).mean(0), expected, atol=0.01)


def test_cd_k_tends_to_the_exact_gradient_and_cd_1_is_biased():
    rbm = machine(4, 3)
    data = bits(4)[torch.tensor([0, 15, 15, 3])]
    exact = rbm.likelihood_gradient(data)[0]
    gaps = [(expected_cd(rbm, data, k)[0] - exact).abs().max().item() for k in (1, 5, 200)]
    assert gaps[0] > 0.01
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-6


def test_chain_forgets_its_start_and_samples_the_model():
    rbm = machine(3, 2, size=0.7)
    v, _, p, _ = joint(rbm)
    samples = rbm._bits(rbm.sample(20_000, steps=30, start=torch.zeros(20_000, 3)))
    shares = torch.stack([(samples == state).all(1).double().mean() for state in v])
    assert torch.allclose(shares, p.sum(1), atol=0.02)


def test_training_climbs_the_exact_likelihood():
    grid = bits(9).reshape(-1, 3, 3)
    bars = bits(9)[(grid == grid[:, :1]).all(2).all(1) | (grid == grid[:, :, :1]).all(2).all(1)]
    assert len(bars) == 14
    data = bars.repeat(10, 1)
    short, long = (
        RBM(8, k=5, sample_visible=True, epochs=epochs, lr=0.1, batch_size=140, decay=0).fit(data)
        for epochs in (1, 2000)
    )
    p = bars.mean(0)
    independent = (bars * p.log() + (1 - bars) * (1 - p).log()).sum(1).mean().item()
    assert short.log_likelihood(bars).mean().item() == pytest.approx(independent, abs=0.2)
    assert long.log_likelihood(bars).mean().item() > -3.4
    assert long.log_likelihood(bars).mean().item() < -np.log(14) + 1e-9


def test_scikit_learn_agrees_on_probabilities_and_free_energy():
    X = load_digits().data[:300] / 16
    theirs = BernoulliRBM(20, n_iter=3, random_state=0).fit(X)
    ours = machine(64, 20)
    ours.weight_, ours.visible_bias_, ours.hidden_bias_ = (
        torch.tensor(w) for w in (theirs.components_, theirs.intercept_visible_, theirs.intercept_hidden_)
    )
    assert np.abs(ours.transform(X).numpy() - theirs.transform(X)).max() < 1e-12
    assert np.abs(ours.free_energy(X).numpy() - theirs._free_energy(X)).max() < 1e-9


@pytest.fixture(scope="module")
def digits():
    return torch.tensor(load_digits().data / 16, dtype=torch.float32)


def test_digits_are_rebuilt_and_more_probable_than_mixed_pixels(digits):
    seen, unseen = digits[:1200], digits[1200:]
    rbm = RBM(100, epochs=20).fit(seen)
    assert rbm.errors_[-1] < 0.6 * rbm.errors_[0]
    assert len(rbm.errors_) == 20
    lost = ((rbm.reconstruct(unseen) - unseen) ** 2).mean() / unseen.var(0).mean()
    assert lost < 0.35
    draw = torch.Generator().manual_seed(0)
    mixed = torch.stack([x[torch.randperm(len(x), generator=draw)] for x in unseen.T], 1)
    assert rbm.free_energy(mixed).mean() - rbm.free_energy(unseen).mean() > 4


def test_same_seed_same_machine_another_seed_another(digits):
    first, again, other = (RBM(10, epochs=2, random_state=s).fit(digits[:200]) for s in (1, 1, 2))
    assert torch.equal(first.weight_, again.weight_)
    assert not torch.equal(first.weight_, other.weight_)


def test_fit_leaves_the_data_and_the_global_state_alone(digits):
    before, state = digits[:100].clone(), torch.get_rng_state()
    RBM(5, epochs=1).fit(digits[:100])
    assert torch.equal(before, digits[:100])
    assert torch.equal(state, torch.get_rng_state())


def test_dbn_is_its_rbms_one_after_another(digits):
    data = digits[:400]
    dbn = DBN([RBM(30, epochs=3, random_state=1), RBM(20, epochs=3, random_state=2)]).fit(data)
    lower = RBM(30, epochs=3, random_state=1).fit(data)
    upper = RBM(20, epochs=3, random_state=2).fit(lower.transform(data))
    assert torch.equal(dbn.transform(data), upper.transform(lower.transform(data)))
    assert torch.equal(dbn.reconstruct(data), lower._down(upper.reconstruct(lower.transform(data))))
    assert dbn.sample(7, steps=5).shape == (7, 64)
    assert dbn.sample(3, steps=5, start=data[:3]).shape == (3, 64)


def test_linears_are_the_way_up_and_copies(digits):
    dbn = DBN([RBM(30, epochs=1), RBM(20, epochs=1)]).fit(digits[:200])
    first, second = dbn.linears()
    net = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid())
    with torch.no_grad():
        assert torch.allclose(net(digits[:50]), dbn.transform(digits[:50]), atol=1e-6)
        first.weight.zero_()
    assert dbn.rbms[0].weight_.abs().max() > 0
    assert all(w.requires_grad for w in net.parameters())


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 100), st.sampled_from([0.1, 1.0, 30.0]))
def test_likelihood_sums_to_one_however_large_the_weights(visible, hidden, seed, size):
    rbm = machine(visible, hidden, seed, size)
    assert rbm.log_likelihood(bits(visible)).exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert all(g.isfinite().all() for g in rbm.likelihood_gradient(bits(visible)))


def test_precision_and_kind_of_the_rows():
    rows = np.array([[0, 1, 1], [1, 0, 1]])
    assert RBM(2, epochs=1).fit(rows).transform(rows).dtype == torch.float32
    assert RBM(2, epochs=1).fit(rows.astype(np.float64)).transform(rows).dtype == torch.float64
    assert RBM(2, epochs=1).fit(rows.astype(bool)).free_energy(rows).shape == (2,)
    assert RBM(2, epochs=1).fit(torch.ones(1, 3)).weight_.shape == (2, 3)


BAD_ROWS = {
    "one row as a vector": (np.ones(3), r"V has shape \(3,\); expected \(rows, visible units\)"),
    "no rows": (np.ones((0, 3)), r"V has shape \(0, 3\)"),
    "a cube": (np.ones((2, 3, 4)), r"V has shape \(2, 3, 4\)"),
    "grey levels": (np.full((2, 3), 16.0), "V runs from 16 to 16; expected values from 0 to 1: scale it"),
    "negative": (np.array([[-0.1, 0.5]]), "V runs from -0.1 to 0.5"),
    "nan": (np.array([[np.nan, 0.5]]), "V holds nan; fill or drop"),
    "infinite": (np.array([[np.inf, 0.5]]), "V runs from 0.5 to inf"),
    "complex": (np.array([[1j, 0.5]]), "complex"),
}


@pytest.mark.parametrize("V, message", BAD_ROWS.values(), ids=BAD_ROWS)
def test_bad_rows_are_refused_with_a_reason(V, message):
    with pytest.raises(ValueError, match=message):
        RBM(2).fit(V)
    with pytest.raises(ValueError, match=message):
        DBN([RBM(2)]).fit(V)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"n_hidden": 0}, "n_hidden is 0; expected a whole number"),
        ({"n_hidden": 2.5}, "n_hidden is 2.5"),
        ({"k": True}, "k is True"),
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"lr": 0}, "lr is 0; expected a positive number"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"momentum": 1.0}, "momentum is 1.0"),
        ({"decay": -1e-3}, "decay -0.001"),
        ({"decay": 20}, "decay 20"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RBM(**{"n_hidden": 2, **options})


@pytest.mark.parametrize(
    "use",
    [
        lambda rbm: rbm.transform(np.ones((1, 2))),
        lambda rbm: rbm.reconstruct(np.ones((1, 2))),
        lambda rbm: rbm.free_energy(np.ones((1, 2))),
        lambda rbm: rbm.log_likelihood(np.ones((1, 2))),
        lambda rbm: rbm.sample(3),
        lambda rbm: rbm.log_partition(),
        lambda rbm: rbm.likelihood_gradient(np.ones((1, 2))),
        lambda rbm: rbm.contrastive_gradient(np.ones((1, 2))),
        lambda rbm: DBN([rbm]).linears(),
        lambda rbm: DBN([rbm]).transform(np.ones((1, 2))),
    ],
)
def test_not_fitted_says_so(use):
    with pytest.raises(ValueError, match="not fitted yet; call fit"):
        use(RBM(2))


def test_other_mistakes_are_refused():
    rbm = RBM(2, epochs=1).fit(np.ones((3, 4)))
    with pytest.raises(ValueError, match="V has 3 columns; this RBM was fitted on 4"):
        rbm.transform(np.ones((1, 3)))
    with pytest.raises(ValueError, match="start has 2 rows"):
        rbm.sample(3, start=np.ones((2, 4)))
    with pytest.raises(ValueError, match="steps is 0"):
        rbm.sample(3, steps=0)
    with pytest.raises(ValueError, match="too many to enumerate"):
        RBM(30, epochs=1).fit(np.ones((2, 25))).log_partition()
    with pytest.raises(ValueError, match=r"lr 1e\+38 is too large"):
        RBM(3, lr=1e38, decay=0, epochs=20).fit(np.random.default_rng(0).random((50, 4)).astype("f"))
    with pytest.raises(ValueError, match="list of one or more RBMs"):
        DBN([])
    with pytest.raises(ValueError, match="list of one or more RBMs"):
        DBN([30, 20])
    with pytest.raises(ValueError, match="twice"):
        DBN([rbm, rbm])
