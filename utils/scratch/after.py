"""What lecture 20's experiments stand on: training, data and judges that a reader need not see.

    losses = descend(model, loss, steps=500, lr=0.01)      # `loss()` draws a batch
    codes = merge(codes, (3, 7), 104)                      # a pair of symbols becomes one
    bits = window_bits(gpt, codes, 32)                     # surprise by place in the window
    x, values, seen = entries(32, 20)                      # lists in which a key comes again

Its pictures are in `after_pictures`. Attention, the Transformer, and diffusion's formulas are the
lecture's own.
P. Gage (1994) for the pairs; C. Olsson and others (2022) for the lists;
O. Ronneberger and others (2015) for the shape of the denoiser.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import runtime
from utils.scratch import generators, latent
from utils.scratch.after_pictures import (  # noqa: F401 - one name to call them by
    draw_bumps,
    draw_entropy,
    draw_guidance,
    draw_lookup,
    draw_map,
    draw_recall,
    draw_scale,
    sketch_block,
    sketch_noise,
)
from utils.scratch.recurrent import CharModel, forget_bias_

STEPS = 200  # of noise, from data to nothing but noise
KEYS = 8  # of the lists for recall, and as many values


def descend(
    model: nn.Module, loss: Callable[[], Tensor], steps: int, lr: float, cycle: bool = True
) -> np.ndarray:
    """Adam; with `cycle` its rate rises, then falls. `loss()` draws a batch. Returns each step's loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr, betas=(0.9, 0.99))
    rate = None
    if cycle:
        rate = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, lr, total_steps=max(steps + 1, 12), pct_start=0.1, cycle_momentum=False
        )
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        value = loss()
        optimizer.zero_grad()
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if rate:
            rate.step()
        losses.append(value.detach())
    return torch.stack(losses).cpu().numpy()


# --- text -----------------------------------------------------------------------------------------------
def merge(codes: np.ndarray, pair: Sequence[int], new: int) -> np.ndarray:
    """Put the symbol `new` for each occurrence of the pair, from left to right: of "aaa", the first two."""
    places = []
    for place in np.flatnonzero((codes[:-1] == pair[0]) & (codes[1:] == pair[1])):
        if not places or place > places[-1] + 1:
            places.append(place)
    codes = codes.copy()
    codes[places] = new
    return np.delete(codes, np.array(places, dtype=int) + 1)


def windows(codes: Tensor, T: int, B: int) -> tuple[Tensor, Tensor]:
    """B random windows of T symbols, and the same one symbol later: (B, T), (B, T)."""
    rows = torch.randint(len(codes) - T, (B, 1), device=codes.device)
    rows = codes[rows + torch.arange(T + 1, device=codes.device)]
    return rows[:, :-1], rows[:, 1:]


@torch.no_grad()
def window_bits(model: nn.Module, codes: Tensor, T: int) -> np.ndarray:
    """Surprise by place in the window, (T,) bits. Windows start at every half length."""
    starts = torch.arange(0, len(codes) - T - 1, T // 2, device=codes.device)[:, None]
    rows = codes[starts + torch.arange(T + 1, device=codes.device)]
    bits = [
        F.cross_entropy(model(part[:, :-1]).transpose(1, 2), part[:, 1:], reduction="none").cpu()
        for part in rows.split(256)
    ]
    return torch.cat(bits).mean(0).numpy() / math.log(2)


def stored() -> dict[str, list[float]]:
    """Bits per character after so many "steps" of training, as `benchmarks/scale.py` found, seed 0."""
    return {
        "steps": [125, 250, 500, 1000, 2000],
        "GPT": [2.989, 2.534, 2.095, 1.888, 1.785],
        "LSTM": [2.555, 2.287, 2.072, 1.896, 1.865],
    }


def bits_of_gpt(
    model: nn.Module, train: Tensor, test: Tensor, steps: int, lr: float, T: int = 64, B: int = 32
) -> float:
    """Train on B windows of T symbols a step; bits a symbol of `test` where half a window is seen before."""

    def loss():
        x, y = windows(train, T, B)
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten())

    descend(model, loss, steps, lr)
    return window_bits(model, test, T)[T // 2 :].mean().item()


# --- recall ---------------------------------------------------------------------------------------------
def entries(B: int = 32, n: int = 20, device=None) -> tuple[Tensor, Tensor, Tensor]:
    """Each row lists n entries of its own secret dictionary: x (B, 2n), key, value, key, value …

    Also the values (B, n), and which of the keys have come before (B, n).
    """
    secret = torch.randint(KEYS, (B, KEYS), device=device)
    keys = torch.randint(KEYS, (B, n), device=device)
    values = secret.gather(1, keys)
    seen = (keys[:, :, None] == keys[:, None]).tril(-1).any(2)
    return torch.stack([keys, KEYS + values], 2).flatten(1), values, seen


class Reader(nn.Module):
    """An LSTM with the GPT's shape outside: (B, T) -> logits (B, T, KEYS)."""

    def __init__(self, H: int = 40):
        super().__init__()
        self.net = CharModel(forget_bias_(nn.LSTM(32, H), 1), 2 * KEYS)
        self.head = nn.Linear(2 * KEYS, KEYS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.net(x.T)[0]).transpose(0, 1)


def recall(make: Callable[[], nn.Module], steps: int, seed: int, device=None) -> tuple[np.ndarray, float]:
    """Train on fresh lists: bits at each step, and the share right at the end, at keys that came before."""
    torch.manual_seed(seed)
    model = make().to(device)

    def loss():
        x, values, seen = entries(device=device)
        return F.cross_entropy(model(x)[:, ::2][seen], values[seen])  # at the keys

    bits = descend(model, loss, steps, lr=0.015, cycle=False) / math.log(2)
    x, values, seen = entries(500, device=device)
    with torch.no_grad():
        right = (model(x)[:, ::2].argmax(-1) == values)[seen].float().mean().item()
    return bits, right


# --- diffusion ------------------------------------------------------------------------------------------
def cosine(device=None) -> Tensor:
    """The share of the data's variance that is left after 0 … STEPS steps (Nichol & Dhariwal 2021)."""
    phase = (torch.arange(STEPS + 1, device=device) / STEPS + 0.008) / 1.008
    start = math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    return (torch.cos(phase * math.pi / 2) ** 2 / start).clamp(1e-4, 1)


def waves(t: Tensor) -> Tensor:
    """Eight numbers that say what time it is: t (n,) -> (n, 8)."""
    angle = t[:, None] / STEPS * math.pi * torch.tensor([0.5, 1, 2, 4], device=t.device)
    return torch.cat([angle.sin(), angle.cos()], 1)


class Small(nn.Module):
    """Two hidden layers: z (n, d), the time t (n,) and, if wanted, `more` columns -> noise (n, d)."""

    def __init__(self, d: int, more: int = 0, width: int = 96):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(d + 8 + more, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, d)
        )

    def forward(self, z: Tensor, t: Tensor, *more: Tensor) -> Tensor:
        return self.net(torch.cat([z, waves(t), *more], 1))


class Denoiser(nn.Module):
    """A small U-Net: z (n, 1, 28, 28), t (n,) -> v of the same shape."""

    def __init__(self, w: int = 16):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, 64), nn.SiLU())
        self.shift = nn.ModuleList(nn.Linear(64, c) for c in (w, 2 * w, 2 * w, w))
        self.down1, self.down2 = nn.Conv2d(1, w, 4, 2, 1), nn.Conv2d(w, 2 * w, 4, 2, 1)
        self.all = nn.Sequential(
            nn.Flatten(), nn.Linear(98 * w, 256), nn.SiLU(),
            nn.Linear(256, 98 * w), nn.Unflatten(1, (2 * w, 7, 7)),
        )  # fmt: skip
        self.up1 = nn.ConvTranspose2d(4 * w, w, 4, 2, 1)
        self.up2 = nn.ConvTranspose2d(2 * w, 1, 4, 2, 1)

    def forward(self, z: Tensor, t: Tensor) -> Tensor:
        a, b, c, d = (shift(self.time(waves(t)))[:, :, None, None] for shift in self.shift)
        half = F.silu(self.down1(z) + a)  # (n, w, 14, 14)
        quarter = F.silu(self.down2(half) + b)  # (n, 2w, 7, 7)
        whole = F.silu(self.all(quarter) + c)  # every place hears from every other
        up = F.silu(self.up1(torch.cat([quarter, whole], 1)) + d)  # (n, w, 14, 14), side path included
        return self.up2(torch.cat([up, half], 1))


def auto_encoder(x: Tensor, codes: int, steps: int, lr: float) -> nn.Sequential:
    """Lecture 13's plain auto-encoder, trained on pictures x of ink and paper: encoder, decoder (logits)."""
    ae = nn.Sequential(generators.encoder(codes), generators.decoder(codes)).to(x.device)

    def loss(x):
        return F.binary_cross_entropy_with_logits(ae(x), x, reduction="none").sum((1, 2, 3))

    generators.fit(ae, x, loss, steps=steps, lr=lr)
    return ae


class Judge(latent.Judge):
    """Lecture 13's judge, that also gives lecture 14's density."""

    @torch.no_grad()
    def marks(self, made: Tensor) -> tuple[float, float, float]:
        """Legible (%), density, coverage (%) of pictures among the test letters."""
        density, _ = generators.density_and_coverage(self.net[0](self.test), self.net[0](made))
        legible, covered = self.rate(made)
        return legible, density, covered

    @torch.no_grad()
    def obeyed(self, made: Tensor, wanted: Tensor) -> float:
        """Per cent of pictures that are read as the letter that was wanted, (n,) numbers."""
        return 100 * (self.net(made).argmax(1) == wanted).float().mean().item()
