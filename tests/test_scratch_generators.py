"""Gate 6: the VAE of lecture 13 against torch.distributions and loops; density and coverage by definition."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal, kl_divergence

from utils.scratch.generators import VAE, decoder, density_and_coverage, encoder, fit, kl_to_prior, letters


def random_vae(codes=3, **options):
    """In double precision, with a decoder that depends strongly on its code."""
    torch.manual_seed(0)
    vae = VAE(codes, width=2, **options).double()
    with torch.no_grad():
        vae.decoder[0].weight.mul_(3)
    return vae, (torch.rand(4, 1, 28, 28) < 0.3).double()


def test_letters_are_the_glyphs_asked_for():
    x, y = letters("test", "CA")
    assert x.shape[1:] == (1, 28, 28) and x.dtype == torch.float32 and set(x.unique().tolist()) == {0.0, 1.0}
    assert len(x) == len(y) and set(y.tolist()) == {0, 1}
    both, place = letters("test", "ABC")
    assert torch.equal(x[y == 0], both[place == 2]) and torch.equal(x[y == 1], both[place == 0])
    assert 0.05 < x.mean() < 0.4  # ink on paper


@pytest.mark.parametrize("arguments", [("test", "AA"), ("test", ""), ("test", "AZ"), ("unseen", "AB")])
def test_letters_that_are_not_there(arguments):
    with pytest.raises(ValueError, match=r"expected different letters|none of the styles"):
        letters(*arguments)


def test_shapes_of_encoder_and_decoder():
    x = torch.zeros(3, 1, 28, 28)
    assert encoder(7, width=4)(x).shape == (3, 7)
    assert decoder(5, width=4)(torch.zeros(3, 5)).shape == (3, 1, 28, 28)


@given(n=st.integers(1, 4), d=st.integers(1, 5), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_the_price_is_the_librarys_and_never_negative(n, d, seed):
    generator = torch.Generator().manual_seed(seed)
    mu, logvar = (3 * torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(2))
    library = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    assert torch.allclose(kl_to_prior(mu, logvar), library, rtol=1e-9, atol=1e-9)
    assert (kl_to_prior(mu, logvar) >= 0).all() and kl_to_prior(0 * mu, 0 * logvar).abs().max() == 0


def test_the_parts_are_the_librarys_with_the_same_draw():
    vae, x = random_vae()
    torch.manual_seed(1)
    reconstruction, price = vae.parts(x)
    torch.manual_seed(1)
    mu, logvar = vae.encode(x)
    q = Normal(mu, (logvar / 2).exp())
    z = mu + q.scale * torch.randn_like(mu)
    assert torch.allclose(reconstruction, Bernoulli(logits=vae.decoder(z)).log_prob(x).sum((1, 2, 3)))
    assert torch.allclose(price, kl_divergence(q, Normal(0.0, 1.0)).sum(1))
    torch.manual_seed(1)
    dear, _ = random_vae(beta=4.0)
    torch.manual_seed(1)
    assert torch.allclose(dear.negative_elbo(x), 4 * price - reconstruction)


def test_the_bound_is_the_log_of_a_mean_weight():
    vae, x = random_vae()
    torch.manual_seed(2)
    bound = vae.bound(x, draws=3)
    torch.manual_seed(2)
    mu, logvar = vae.encode(x)
    q = Normal(mu, (logvar / 2).exp())
    weights = []
    for _ in range(3):
        z = mu + q.scale * torch.randn_like(mu)
        log_p = Bernoulli(logits=vae.decoder(z)).log_prob(x).sum((1, 2, 3)) + Normal(0.0, 1.0).log_prob(
            z
        ).sum(1)
        weights.append(log_p - q.log_prob(z).sum(1))
    assert torch.allclose(bound, torch.stack(weights).logsumexp(0) - math.log(3))


def test_more_draws_reach_the_likelihood_of_a_grid():
    """One number of code: the likelihood is an integral that a grid gives."""
    vae, x = random_vae(codes=1)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    with torch.no_grad():
        logits = vae.decoder(grid)
        joint = torch.stack([Bernoulli(logits=logits).log_prob(row).sum((1, 2, 3)) for row in x], 1)
        exact = (joint + Normal(0.0, 1.0).log_prob(grid)).logsumexp(0) + math.log(16 / 4000)
        torch.manual_seed(0)
        one = torch.stack([vae.bound(x) for _ in range(200)]).mean(0)
    assert (one < exact + 0.05).all()
    assert torch.allclose(vae.bound(x, draws=5000), exact, atol=0.1)


def test_fit_learns_and_repeats_itself():
    x, _ = letters("test", "AB")

    def run():
        torch.manual_seed(0)
        vae = VAE(4, width=4)
        return fit(vae, x, vae.negative_elbo, steps=40), vae

    (path, vae), (again, _) = run(), run()
    assert torch.equal(path, again) and path.shape == (40,)
    assert path[-5:].mean() < 0.6 * path[:3].mean()
    made = vae.sample(6)
    assert made.shape == (6, 1, 28, 28) and made.min() >= 0 and made.max() <= 1 and not made.requires_grad


def test_fit_stops_where_the_loss_is_not_finite():
    vae = VAE(2, width=2)
    with pytest.raises(ValueError, match=r"the loss is nan at step 1: try a smaller lr"):
        fit(vae, torch.full((8, 1, 28, 28), torch.nan), vae.negative_elbo, steps=2)


def test_wrong_sizes_are_errors():
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="codes is"):
            VAE(wrong)
    vae, x = random_vae()
    with pytest.raises(ValueError, match="draws is 0"):
        vae.bound(x, draws=0)


# ------------------------------------------------------------------------------------ density, coverage
def by_loops(real, made, k):
    inside = np.zeros((len(real), len(made)))
    for i, center in enumerate(real):
        radius = sorted(math.dist(center, other) for j, other in enumerate(real) if j != i)[k - 1]
        for j, point in enumerate(made):
            inside[i, j] = math.dist(center, point) <= radius
    return inside.sum(0).mean() / k, inside.any(1).mean()


@given(n=st.integers(4, 12), m=st.integers(1, 9), k=st.integers(1, 3), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=25)
def test_density_and_coverage_are_the_double_loop(n, m, k, seed):
    rng = np.random.default_rng(seed)
    real, made = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    assert np.allclose(
        density_and_coverage(torch.tensor(real), torch.tensor(made), k), by_loops(real, made, k)
    )


def test_density_and_coverage_say_what_they_should():
    torch.manual_seed(0)
    real, more = torch.randn(2, 400, 8)
    density, coverage = density_and_coverage(real, more)
    assert 0.9 < density < 1.1 and coverage > 0.93
    assert density_and_coverage(real, more + 100) == (0.0, 0.0)
    density, coverage = density_and_coverage(
        real, 0.01 * more
    )  # all in the middle: in many balls, few reached
    assert density > 1.5 and coverage < density_and_coverage(real, more)[1]
    density, coverage = density_and_coverage(real, more[:1].repeat(400, 1))  # one picture again and again
    assert coverage < 0.1


def test_pictures_are_flattened():
    torch.manual_seed(0)
    real, made = torch.rand(20, 1, 4, 4), torch.rand(10, 1, 4, 4)
    assert density_and_coverage(real, made) == density_and_coverage(real.flatten(1), made.flatten(1))


@pytest.mark.parametrize(
    "real, made, k", [((5, 2), (3, 2), 5), ((5, 2), (3, 2), 0), ((9, 2), (0, 2), 3), ((9, 2), (3, 4), 3)]
)
def test_density_and_coverage_of_too_little(real, made, k):
    with pytest.raises(ValueError, match="expected"):
        density_and_coverage(torch.rand(real), torch.rand(made), k)
