"""Gate 6: the optimizers of lecture 02 equal torch.optim, step by step."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from utils.scratch import optim

PAIRS = {
    "SGD": (optim.SGD, torch.optim.SGD, {"lr": 0.1}),
    "momentum": (optim.SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (optim.SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "AdaGrad": (optim.AdaGrad, torch.optim.Adagrad, {"lr": 0.1}),
    "RMSProp": (optim.RMSProp, lambda p, rho=0.99, **o: torch.optim.RMSprop(p, alpha=rho, **o), {"lr": 0.05}),
    "AdaDelta": (optim.AdaDelta, torch.optim.Adadelta, {"lr": 1.0}),
    "Adam": (optim.Adam, torch.optim.Adam, {"lr": 0.05}),
    "AdamW": (optim.AdamW, torch.optim.AdamW, {"lr": 0.05}),
}
EVERY = pytest.mark.parametrize("ours, theirs, options", PAIRS.values(), ids=PAIRS)


@cache
def tumours():
    x, y = load_breast_cancer(return_X_y=True)
    return (x - x.mean(axis=0)) / x.std(axis=0), y.astype(float)


def largest_gap(ours, theirs, options, gradients, start, dtype=np.float64, rates=None):
    """Both walk from `start`, each with `gradients(w, b, t)` of its own place. The largest difference."""
    mine = [p.astype(dtype) for p in start]
    their = [torch.tensor(p.astype(dtype), requires_grad=True) for p in start]
    optimizer, library = ours(mine, **options), theirs(their, **options)
    gap = 0.0
    for t in range(80):
        if rates is not None:
            optimizer.lr = library.param_groups[0]["lr"] = rates(t)
        optimizer.step(gradients(*mine, t))
        for p, g in zip(their, gradients(*(p.detach().numpy() for p in their), t), strict=True):
            p.grad = torch.tensor(np.asarray(g, dtype=dtype))
        library.step()
        gap = max(gap, *(np.abs(p - q.detach().numpy()).max() for p, q in zip(mine, their, strict=True)))
    assert any(np.abs(p - s).max() > 1e-3 for p, s in zip(mine, start, strict=True)), "nothing moved"
    return gap


def by_batches(w, b, t):
    """Gradients of logistic regression on the t-th mini-batch of the tumours."""
    x, y = tumours()
    rows = np.random.default_rng(t).integers(0, len(x), 32)
    error = (1 / (1 + np.exp(-(x[rows] @ w + b))) - y[rows]) / len(rows)
    return [x[rows].T @ error, error.sum(keepdims=True)]


START = [np.random.default_rng(0).normal(size=30), np.zeros(1)]


@EVERY
@pytest.mark.parametrize("weight_decay", [None, 0.0, 0.1])
def test_every_step_is_torchs(ours, theirs, options, weight_decay):
    if weight_decay is not None:
        options = {**options, "weight_decay": weight_decay}
    assert largest_gap(ours, theirs, options, by_batches, START) < 1e-10


@EVERY
def test_defaults_are_torchs(ours, theirs, options):
    options = {name: value for name, value in options.items() if name != "lr"}
    assert largest_gap(ours, theirs, options, by_batches, START) < 1e-10


@EVERY
def test_in_single_precision_too(ours, theirs, options):
    assert largest_gap(ours, theirs, options, by_batches, START, dtype=np.float32) < 1e-4


@EVERY
def test_a_schedule_is_torchs(ours, theirs, options):
    def rates(t):
        return options["lr"] * optim.cosine(t, 100, 1.0, warmup=10)

    assert largest_gap(ours, theirs, options, by_batches, START, rates=rates) < 1e-10


@pytest.mark.parametrize(
    "name, options",
    [
        ("momentum", {"lr": 0.01, "momentum": 0.5}),
        ("RMSProp", {"lr": 0.01, "rho": 0.5, "eps": 1e-3}),
        ("AdaGrad", {"lr": 0.01, "eps": 1e-2}),
        ("AdaDelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3}),
        ("Adam", {"lr": 0.01, "betas": (0.5, 0.6), "eps": 1e-2}),
    ],
)
def test_every_option_is_torchs(name, options):
    ours, theirs, _ = PAIRS[name]
    assert largest_gap(ours, theirs, options, by_batches, START) < 1e-10


@EVERY
@given(
    shape=st.lists(st.integers(1, 3), max_size=3),
    scale=st.sampled_from([1e-8, 1.0, 1e8]),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=15)
def test_any_shape_and_scale(ours, theirs, options, shape, scale, seed):
    rng = np.random.default_rng(seed)
    path = scale * rng.normal(size=(5, *shape)) * rng.integers(0, 2, size=(5, *shape))  # with zeros in it
    w, v = np.ones(shape), torch.ones(shape, dtype=torch.float64, requires_grad=True)
    optimizer, library = ours([w], **options), theirs([v], **options)
    for g in path:
        optimizer.step([g])
        v.grad = torch.tensor(g)
        library.step()
        np.testing.assert_allclose(w, v.detach().numpy(), rtol=1e-9, atol=1e-9)


@EVERY
def test_one_array_is_a_list_of_one_and_moves_in_place(ours, theirs, options):
    w = np.ones((2, 3))
    optimizer = ours(w, **options)
    optimizer.step(np.full((2, 3), 2.0))
    assert optimizer.parameters[0] is w and (w < 1).all()


@EVERY
def test_bad_gradients_move_nothing(ours, theirs, options):
    w, b = np.ones(3), np.ones(1)
    optimizer = ours([w, b], **options)
    optimizer.step([np.ones(3), np.ones(1)])
    kept, memory = w.copy(), str(optimizer.memory)
    for gradients, message in [
        ([np.ones(3), np.array([np.nan])], "gradient 1 holds nan at step 2: try a smaller learning rate"),
        ([np.array([1, np.inf, 1]), np.ones(1)], "gradient 0 holds infinity"),
        ([np.ones((3, 1)), np.ones(1)], r"gradient 0 has shape \(3, 1\); its parameter has \(3,\)"),
        ([np.ones(3), None], "gradient 1 is None"),
        ([np.ones(3)], "1 gradients for 2 parameters"),
    ]:
        with pytest.raises(ValueError, match=message):
            optimizer.step(gradients)
    assert (w == kept).all() and str(optimizer.memory) == memory and optimizer.steps == 1


def test_a_parameter_that_changes_shape_is_an_error():
    w = np.ones((2, 3))
    optimizer = optim.Adam(w)
    optimizer.step(np.ones((2, 3)))
    optimizer.parameters[0] = np.ones(6)
    with pytest.raises(ValueError, match=r"had shape \(2, 3\), now \(6,\)"):
        optimizer.step(np.ones(6))


@EVERY
@pytest.mark.parametrize("lr", [0, -0.1, math.nan, math.inf, "0.1", None, True])
def test_a_bad_learning_rate_is_an_error(ours, theirs, options, lr):
    with pytest.raises(ValueError, match=r"lr is .*; expected a finite number above 0"):
        ours([np.ones(2)], **{**options, "lr": lr})
    optimizer = ours([np.ones(2)], **options)
    with pytest.raises(ValueError, match="lr is"):
        optimizer.lr = lr


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: optim.SGD([]), "no parameters"),
        (lambda: optim.SGD([np.arange(3)]), "parameter 0 is int64; expected a NumPy array of floats"),
        (lambda: optim.SGD([[1.0, 2.0]]), "parameter 0 is list"),
        (lambda: optim.SGD([np.ones(2)], momentum=1.0), "momentum is 1.0; .* below 1"),
        (lambda: optim.SGD([np.ones(2)], nesterov=True), "nesterov needs a momentum"),
        (lambda: optim.Adam([np.ones(2)], betas=(0.9, 1)), r"betas\[1\] is 1"),
        (lambda: optim.RMSProp([np.ones(2)], rho=-0.1), "rho is -0.1"),
        (lambda: optim.AdaDelta([np.ones(2)], eps=-1), "eps is -1"),
        (lambda: optim.AdamW([np.ones(2)], weight_decay=math.nan), "weight_decay is nan"),
    ],
)
def test_bad_options_say_what_is_wrong(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_cosine_is_torchs():
    w = torch.zeros(1, requires_grad=True)
    library = torch.optim.SGD([w], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(library, T_max=50)
    for step in range(50):
        assert optim.cosine(step, 50, 0.3) == pytest.approx(schedule.get_last_lr()[0])
        library.step()
        schedule.step()
    assert [optim.cosine(t, 10, 1.0, warmup=4) for t in range(5)] == [0.25, 0.5, 0.75, 1.0, 1.0]
    for step, warmup in [(10, 0), (-1, 0), (0, 10)]:
        with pytest.raises(ValueError, match="of 10 steps"):
            optim.cosine(step, 10, 1.0, warmup=warmup)


def test_evolution_estimates_the_gradient():
    x, y = tumours()
    w = np.random.default_rng(0).normal(0, 0.1, 30)

    def loss(w):
        return np.mean(np.logaddexp(0, x @ w) - y * (x @ w))

    gradient = x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y)
    guess = optim.evolution_gradient(loss, w, np.random.default_rng(1), pairs=3000, sigma=0.01)
    assert guess @ gradient / np.linalg.norm(guess) / np.linalg.norm(gradient) > 0.99
    assert np.linalg.norm(guess) == pytest.approx(np.linalg.norm(gradient), rel=0.05)


def test_evolution_needs_finite_losses():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="not finite near w"):
        optim.evolution_gradient(lambda w: math.nan, np.ones(2), rng)
    for options in ({"pairs": 0}, {"sigma": 0.0}, {"sigma": -1.0}):
        with pytest.raises(ValueError, match=r"sigma|pair"):
            optim.evolution_gradient(lambda w: 0.0, np.ones(2), rng, **options)
