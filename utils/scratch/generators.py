"""A small convolutional VAE and a measure of generated pictures, as built in lecture 13.

    x, y = letters("train", "ABCDE")              # pictures of ink (1) and paper (0), and their letters
    vae = VAE(codes=10)
    fit(vae, x, vae.negative_elbo, steps=500)
    vae.sample(100)                               # (100, 1, 28, 28), the probability of ink
    density, coverage = density_and_coverage(real, made)

`encoder` and `decoder` serve other generators as well: a discriminator is an encoder with one output, a
generator is a decoder. Everything stays on the device of the tensors that come in.

Kingma & Welling (2014), Auto-Encoding Variational Bayes; Burda, Grosse & Salakhutdinov (2016) for the tighter
bound; Naeem, Oh, Uh, Choi & Yoo (2020), Reliable Fidelity and Diversity Metrics for Generative Models.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import data, runtime

PLAIN_STYLES = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "STIX sans", "STIX sans bold",
)  # fmt: skip


def letters(split: str = "train", classes: str = "ABCDE", styles: tuple[str, ...] = PLAIN_STYLES):
    """The glyphs of some letters in some styles, each pixel 1 (ink) or 0 (paper).

    Returns: x (n, 1, 28, 28) float32; y (n,) int64, the place of the letter in `classes`.
    Raises: ValueError if a letter is not one of A to J, or if nothing is left ("unseen" has other styles).
    """
    glyphs = data.load("glyphs", split=split)
    if not classes or len(set(classes)) < len(classes) or not set(classes) <= set(glyphs.class_names):
        raise ValueError(f"classes is {classes!r}; expected different letters from A to J")
    wanted = np.array([name in styles for name in glyphs.style_names])
    place = np.array([classes.find(name) for name in glyphs.class_names])
    keep = wanted[glyphs.styles] & (place[glyphs.labels] >= 0)
    if not keep.any():
        raise ValueError(f"the {split} split has none of the styles {styles}")
    x = torch.tensor(glyphs.images[keep] > 127, dtype=torch.float32)[:, None]
    return x, torch.tensor(place[glyphs.labels[keep]])


def encoder(outputs: int, width: int = 8) -> nn.Sequential:
    """Pictures (n, 1, 28, 28) -> (n, outputs): two strided convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1), nn.ReLU(),  # (n, width, 14, 14)
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.ReLU(),  # (n, 2 width, 7, 7)
        nn.Flatten(), nn.Linear(2 * width * 49, outputs),
    )  # fmt: skip


def decoder(inputs: int, width: int = 8) -> nn.Sequential:
    """Codes (n, inputs) -> one logit a pixel, (n, 1, 28, 28): the encoder, run backward."""
    return nn.Sequential(
        nn.Linear(inputs, 2 * width * 49), nn.Unflatten(1, (2 * width, 7, 7)), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.ReLU(),  # (n, width, 14, 14)
        nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
    )  # fmt: skip


def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats, summed over the code: (n, d), (n, d) -> (n,)."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


class VAE(nn.Module):
    """Gaussian code of `codes` numbers, and a coin for each pixel. `beta` weighs the price of the code."""

    def __init__(self, codes: int, width: int = 8, beta: float = 1.0):
        super().__init__()
        if not isinstance(codes, int) or codes < 1:
            raise ValueError(f"codes is {codes!r}; expected a whole number, at least 1")
        self.codes, self.beta = codes, beta
        self.encoder, self.decoder = encoder(2 * codes, width), decoder(codes, width)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code: (n, 1, 28, 28) -> (n, codes), (n, codes)."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Tensor) -> Tensor:
        """The probability of ink: (n, codes) -> (n, 1, 28, 28)."""
        return torch.sigmoid(self.decoder(z))

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The two parts of the ELBO, the first with one draw: reconstruction and KL, (n,) nats each."""
        mu, logvar = self.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        return self._log_likelihood(z, x), kl_to_prior(mu, logvar)

    def negative_elbo(self, x: Tensor) -> Tensor:
        """What to make small: beta × KL − reconstruction, (n,) nats."""
        reconstruction, price = self.parts(x)
        return self.beta * price - reconstruction

    @torch.no_grad()
    def bound(self, x: Tensor, draws: int = 1) -> Tensor:
        """The importance-weighted bound on log p(x): (n,) nats. One draw is the ELBO; more are tighter."""
        if draws < 1:
            raise ValueError(f"draws is {draws!r}; expected at least 1")
        mu, logvar = self.encode(x)
        weights = []
        for _ in range(draws):
            noise = torch.randn_like(mu)
            z = mu + torch.exp(logvar / 2) * noise
            log_ratio = 0.5 * (noise**2 + logvar - z**2).sum(1)  # log p(z) - log q(z)
            weights.append(self._log_likelihood(z, x) + log_ratio)
        return torch.logsumexp(torch.stack(weights), 0) - math.log(draws)

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """Decode n codes from the prior: (n, 1, 28, 28), the probability of ink."""
        like = next(self.parameters())
        return self.decode(torch.randn(n, self.codes, dtype=like.dtype, device=like.device))

    def _log_likelihood(self, z, x):
        return -F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum((1, 2, 3))


def fit(
    model: nn.Module,
    x: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    steps: int = 500,
    lr: float = 0.01,
    batch_size: int = 64,
) -> Tensor:
    """Adam, with a rate that rises to `lr` and falls again: from the full rate some starts never recover.

    `loss(batch)` is one number a row. Returns the mean loss of each step, (steps,).
    Raises: ValueError if the loss is not finite (says at which step).
    """
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.2, cycle_momentum=False)
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        mean = loss(x[torch.randint(len(x), (batch_size,))]).mean()
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        schedule.step()
        losses.append(mean.detach())
    path = torch.stack(losses).cpu()
    if not path.isfinite().all():
        step = int((~path.isfinite()).nonzero()[0]) + 1
        raise ValueError(f"the loss is {path[step - 1].item()} at step {step}: try a smaller lr than {lr:g}")
    return path


@torch.no_grad()
def density_and_coverage(real: Tensor, made: Tensor, k: int = 5) -> tuple[float, float]:
    """Are the made points where real ones are, and are all real ones reached?

    Around each real point lies a ball that reaches to its k-th nearest real neighbour.
    Density: in how many balls a made point lies, on average, over k; about 1 for points as good as real ones.
    Coverage: the share of balls with a made point in them; 1 - 2^-k or so at best, and 0 at worst.
    Parameters: real (n, ...) and made (m, ...), pictures or features; rows are flattened.
    Raises: ValueError if there are not more than k real points, no made one, or other widths.
    """
    real, made = real.flatten(1), made.flatten(1)
    if not 1 <= k < len(real):
        raise ValueError(f"k is {k!r} with {len(real)} real points; expected 1 ≤ k < {len(real)}")
    if not len(made) or real.shape[1] != made.shape[1]:
        raise ValueError(
            f"made has shape {tuple(made.shape)} when flattened; expected at least one row of {real.shape[1]}"
        )
    radius = torch.cdist(real, real).kthvalue(k + 1, dim=1).values  # the nearest is the point itself
    inside = torch.cdist(real, made) <= radius[:, None]  # (n, m)
    return inside.sum(0).float().mean().item() / k, inside.any(1).float().mean().item()
