# %% [markdown]
# # 14 · Generative adversarial network
#
# **Question.** Can a net learn to draw without a likelihood, from nothing but the verdicts of another net?
#
# **You will be able to** write the game and its losses; say what the best discriminator computes, and check it; explain why a discriminator can be too good; produce mode collapse and mend it; draw letters, also to order; judge drawings by more than a look, and a VAE against a GAN.
#
# **Needs** 05, 06, 10, 13 · **Minutes** 85 to teach, 130 to study · **CPU** 50 s
#
# On the map: `gan`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import math
from itertools import pairwise

import numpy as np
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional as F

from utils import concept_map, plots, runtime
from utils.claims import claim
from utils.scratch.generators import (
    VAE,
    decoder,
    density_and_coverage,
    encoder,
    fit,
    letters,
)

# nets this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)

# %%
concept_map.show("14")

# %% [markdown]
# ## 1 · Two nets, one game, and a first run that fails
#
# On the map: `gan`
#
# Written down as a game and trained with Adam's usual momentum, a GAN draws nothing that you can read.
#
# A **generative adversarial network** (생성적 적대 신경망), **GAN** for short, is two nets.
# The **generator** $G$ turns noise $z$ into a picture. The **discriminator** $D$ says how likely a picture is to be real.
# Each trains against the other (Goodfellow and others 2014):
#
# $$\min_G \max_D \; V = \mathbb E_{\text{real } x}[\log D(x)] + \mathbb E_{z}[\log(1 - D(G(z)))]$$
#
# $V$ is the **value** of the game. For $D$ it is the log-likelihood of lecture 01: real is class 1, fake is class 0.
# No picture has a likelihood here: nothing to watch falling.
#
# The nets are lecture 13's: the discriminator is an encoder, the generator a decoder, twice as wide.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# The usual image is forger and bank. Add what it hides: the forger sees the bank's gradient.
# Show the failing run before any theory. Write the room's guesses down for section 6.

# %%
def play(nets, make, score, real, loss, *, steps, momentum=0.5, ahead=1, extra=None,
         lr=0.005):
    """Train (G, D) in turns: D `ahead` times, then G once.

    real() -> pictures and labels; make(labels) -> fakes; score(pictures, labels) -> logits
    of "real". loss: one function of logits (real, fake) for D, one of logits (fake) for G.
    """
    to_beat, to_fool = loss
    adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr, betas=(momentum, 0.99))
                      for net in nets)
    for step in runtime.track(range(steps), "steps"):
        for adam in (adam_g, adam_d):  # full rate for half of the time, then down
            adam.param_groups[0]["lr"] = lr * min(1, 2 - 2 * step / steps)
        for _ in range(ahead):
            x, y = real()
            with torch.no_grad():                              # the generator stands still
                fake = make(y)
            cost = to_beat(score(x, y), score(fake, y)).mean()
            if extra:
                cost = cost + extra(score, x, fake, y)         # section 5
            adam_d.zero_grad()
            cost.backward()
            adam_d.step()
        cost = to_fool(score(make(y), y)).mean()
        adam_g.zero_grad()
        cost.backward()  # through D into G; only G takes a step
        adam_g.step()

# %% [markdown]
# $D = \sigma(\ell)$ is a sigmoid of a logit $\ell$, so $-\log D = \text{softplus}(-\ell)$ and $-\log(1 - D) = \text{softplus}(\ell)$.
# Written so, nothing overflows.
#
# The discriminator has one output for each kind of picture; here there is one kind, and section 6 has five.
# The generator's noise is sixteen numbers, with the kind appended.

# %%
minimax = (lambda real, fake: F.softplus(-real) + F.softplus(fake),      # D: the log-loss
           lambda fake: -F.softplus(fake))  # G: the same game, other sign

CODE, STEPS = 16, run.pick(lecture=400, full=5000)
all_x, all_y = (a.to(run.device) for a in letters("train", "ABCDEFGHIJ"))
x, y = all_x[all_y < 5], all_y[all_y < 5]  # the letters A to E, zeros and ones
test = letters("test", "ABCDE")[0].to(run.device)


def gan(kinds=1, width=16):
    """Both nets, and how to draw and to score with them."""
    G = nn.Sequential(*decoder(CODE + kinds, width), nn.Sigmoid()).to(run.device)
    D = encoder(kinds).to(run.device)

    def make(y):
        z = torch.randn(len(y), CODE, device=run.device)
        return G(torch.cat([z, F.one_hot(y, kinds)], dim=1))   # (n, 1, 28, 28)

    return (G, D), make, lambda x, y: D(x).gather(1, y[:, None])[:, 0]


def some_letters(kinds=1, batch=32):
    rows = torch.randint(len(x), (batch,))
    return x[rows], y[rows] if kinds == 5 else torch.zeros_like(y[rows])

# %%
# a thousand labels of the one kind
nobody = torch.zeros(1000, dtype=torch.int64, device=run.device)
nets, make, score = gan()
play(nets, make, score, some_letters, minimax, steps=STEPS, momentum=0.9)
with torch.no_grad():
    failed = make(nobody)
plots.strips("The textbook game with Adam's usual momentum: nothing to read",
             {"real": x[::40], "drawn": failed})
plots.show("Twelve real letters, and below them twelve drawings, none of them a letter.")

# %%
with torch.no_grad():
    verdict = torch.sigmoid(score(failed, nobody)).mean()
covered = density_and_coverage(test, failed)[1]  # lecture 13's measure, on bare pixels
claim("a thousand drawings cover few of the test letters", covered, at_most=0.35)
claim("and the discriminator has won: it calls them real with a mean probability of",
      verdict, at_most=0.2)

# %% [markdown]
# ## 2 · The best discriminator is a ratio of densities
#
# On the map: `gan`
#
# Against a fixed generator, the best discriminator is $p / (p + q)$, and a logistic regression on learned features finds it.
#
# Let $p$ be the density of real things and $q$ that of fakes. At each $x$, $D$ should make $p \log D + q \log(1 - D)$ large:
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)} \qquad \ell^*(x) = \log \frac{p(x)}{q(x)}$$
#
# Put in, the game's value is $2\,\text{JS}(p, q) - \log 4$, where **JS** is the **Jensen–Shannon divergence**: the mean of two KL divergences, from $p$ and from $q$ to their average.
# It is zero where $q = p$, and never above $\log 2$.
#
# **Predict first.** Two bells, $\mathcal N(0, 1)$ and $\mathcal N(1, 2^2)$. Which features of $x$ does a plain logistic regression need to be the best discriminator?
#
# <details><summary>Proof: why the ratio</summary>
#
# The derivative of p log D + q log(1 − D) by D is p/D − q/(1 − D). It is zero at D = p/(p + q), and the second derivative is negative.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# This is the lecture's hinge: lecture 01's logistic regression estimates a ratio of densities, and nobody had to know either density.
# Wrong answer to expect: "at the end D is right everywhere". At the end it says one half everywhere.

# %%
torch.manual_seed(SEED)
a, b = torch.randn(100_000), 1 + 2 * torch.randn(100_000)      # draws of p and of q
features = torch.stack([torch.cat([a, b]), torch.cat([a, b]) ** 2], dim=1).numpy()
plain = LogisticRegression(C=np.inf).fit(features, np.repeat([1, 0], 100_000))
exact = np.array([math.log(2) + 1 / 8, -1 / 4, -3 / 8])  # log p/q = log 2 + (x-1)²/8 - x²/2
found = np.r_[plain.intercept_, plain.coef_[0]]
claim("logistic regression on x and x² finds log p/q, to",
      np.abs(found - exact).max(), at_most=0.06)

# %% [markdown]
# Where no two features suffice, a small net learns its own.

# %%
def density(x, bells):
    return sum(share * stats.norm.pdf(x, m, s) for share, m, s in bells)


def draws(n, bells):
    share, m, s = torch.tensor(bells).T
    which = torch.multinomial(share, n, replacement=True)
    return (m[which] + s[which] * torch.randn(n)).to(run.device)

# %%
P, Q = [(0.5, -1.5, 0.5), (0.5, 1.0, 0.7)], [(1.0, 0.3, 1.2)]
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
                    nn.Linear(32, 1))
net.to(run.device)
# pairs (n, 2): one real, one fake
pairs = torch.stack([draws(40_000, P), draws(40_000, Q)], dim=1)
fit(net, pairs, lambda rows: minimax[0](net(rows[:, :1]), net(rows[:, 1:])), steps=1000,
    batch_size=256);

# %%
grid = np.linspace(-4, 4.5, 2000)
p, q = density(grid, P), density(grid, Q)
with torch.no_grad():
    column = torch.tensor(grid[:, None], dtype=torch.float32, device=run.device)
    D = torch.sigmoid(net(column))[:, 0].cpu().numpy()
fig, (left, right) = plots.panels("A trained discriminator is the ratio of the densities",
                                  ["two densities", "the discriminator"], xlabel="x",
                                  ylabel="")
for ax, values, color, label, at in [
        (left, p, plots.BLUE, "real p", -1.4), (left, q, plots.ORANGE, "fake q", 1.9),
        (right, p / (p + q), plots.INK, "p / (p + q)", -1.6),
        (right, D, plots.RED, "net", 0)]:
    ax.plot(grid, values, color=color, linestyle="--" if label == "net" else "-")
    plots.name(ax, at, np.interp(at, grid, values), label, color, dx=10, dy=8)
left.set_ylabel("density")
right.set(ylabel="D(x)", ylim=(0, 1))
plots.show("Left, two bells and a wide bell. "
           "Right, the net lies on the exact ratio, but for the edges.")
weight = (p + q) / (p + q).sum()
claim("the net is off the exact ratio, on average, by",
      weight @ np.abs(D - p / (p + q)), at_most=0.04)
step = grid[1] - grid[0]
value = step * (p * np.log(D) + q * np.log(1 - D)).sum()
js = step * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum() / 2
claim("its value is 2 JS − log 4, to", abs(value - (2 * js - math.log(4))), at_most=0.02)

# %% [markdown]
# (At the edges the net is wrong: hardly a point lies there, real or fake.)
#
# So the generator never meets the data. All that it hears is the slope of the discriminator's logit, an estimate of the slope of $\log p/q$.
#
# **Ask the room.** The generator is perfect, and the discriminator has been trained to the end. What does it answer, and what does the generator learn from it?

# %% [markdown]
# ## 3 · A discriminator can be too good
#
# On the map: `gan`
#
# When the discriminator wins, the game's own loss has no gradient left for the generator; another sign of the same logit mends that.
#
# The generator descends $\log(1 - D) = -\text{softplus}(\ell)$. Its derivative by the logit is $-\sigma(\ell)$.
# A clear fake has $\ell \ll 0$: next to nothing comes through. The loss **saturates**.
# The **non-saturating loss** $-\log D = \text{softplus}(-\ell)$ has the derivative $-\sigma(-\ell)$, about −1 there. Both push the same way.
#
# **Predict first.** Real: $\mathcal N(0, 1)$. Fake: $\mathcal N(d, 1)$, a shift $d$ to the right. The discriminator is the best there is.
# From how far away does the game's own loss still pull?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Let the room name the usual cure: "train the discriminator less". It works (section 4), and it means that the better judge is the worse teacher.
# Then ask for a loss where a better judge is a better teacher. That is section 5.

# %%
nonsaturating = (minimax[0], lambda fake: F.softplus(-fake))
shifts = np.linspace(0, 8, 81)
points, mass = np.polynomial.hermite_e.hermegauss(80)  # exact averages over a Gaussian
mass = mass / mass.sum()


def pull(d, of_logit):
    """Mean gradient by the shift: the logit at d + noise is d²/2 - d x, its slope -d."""
    logit = torch.tensor(-d * points - d * d / 2, requires_grad=True)
    slope, = torch.autograd.grad(of_logit(logit).sum(), logit)
    return -d * (mass @ slope.numpy())

# %%
game, mended = (np.array([pull(d, loss[1]) for d in shifts])
                for loss in (minimax, nonsaturating))


def twice_js(d):
    x = np.linspace(-12, 20, 20_001)
    log_p, log_q = stats.norm.logpdf(x), stats.norm.logpdf(x, d)
    middle = np.logaddexp(log_p, log_q) - math.log(2)
    return ((x[1] - x[0])
            * (np.exp(log_p) * (log_p - middle) + np.exp(log_q) * (log_q - middle)).sum())

# %% [markdown]
# The same on letters: the generator is untrained and stands still, the discriminator trains.
# How large is the gradient that reaches the generator's weights?

# %%
nets, make, score = gan()
adam = torch.optim.Adam(nets[1].parameters(), 0.002)
sizes = {"game": [], "non-saturating": []}
for _ in range(60):
    real, label = some_letters()
    fake = make(label)
    logits = score(fake, label)
    for name, loss in zip(sizes, (minimax, nonsaturating), strict=True):
        grads = torch.autograd.grad(loss[1](logits).mean(), nets[0].parameters(),
                                    retain_graph=True)
        sizes[name].append(math.sqrt(sum(g.square().sum().item() for g in grads)))
    cost = minimax[0](score(real, label), score(fake.detach(), label)).mean()
    adam.zero_grad()
    cost.backward()
    adam.step()

# %%
fig, (left, right) = plots.panels("The better the discriminator, "
                                  "the less the game's own loss says",
                                  ["best discriminator, by distance",
                                   "letters, while D trains"],
                                  xlabel="shift d", ylabel="gradient", size=(10, 3.8))
for values, color, label, at in [(game, plots.RED, "game", 5),
                                 (mended, plots.BLUE, "non-saturating", 3.4)]:
    left.plot(shifts, values, color=color)
    aside = -104 if color == plots.BLUE else 0
    plots.name(left, at, np.interp(at, shifts, values), label, color, dx=aside, dy=12)
for (label, values), color in zip(sizes.items(), (plots.RED, plots.BLUE), strict=True):
    right.semilogy(values, color=color)
    plots.name(right, 30, values[30], label, color, dy=14 if color == plots.RED else -14)
right.set(xlabel="steps of D", ylabel="norm, by G's weights")
plots.show("Left, one curve rises and falls to zero, one keeps rising. "
           "Right, one gradient falls by decades.")

# %%
h = 0.05
by_js = np.array([(twice_js(d + h) - twice_js(d - h)) / (2 * h) for d in shifts])
claim("with the best D, the game's gradient is that of 2 JS, to",
      np.abs(game - by_js).max(), at_most=0.002)
claim("from 8 standard deviations away nearly nothing is left of it",
      game[-1] / game.max(), at_most=0.02)
claim("the non-saturating one is larger there, so many times",
      mended[-1] / game[-1], at_least=100)
claim("letters: after 60 steps of D the other loss has more gradient, so many times",
      sizes["non-saturating"][-1] / sizes["game"][-1], at_least=10)

# %% [markdown]
# ## 4 · Mode collapse, produced on a ring
#
# On the map: `gan`
#
# A generator that fools the discriminator with a few of eight clusters has no reason to find the others: **mode collapse**.
#
# Real points come from eight narrow bells on a ring. The discriminator takes five steps for each of the generator's.
# Five pairs of nets train at once, with a leading axis as in lecture 12: five lots of luck.
#
# - A cluster is **found** if at least 20 of 1,000 drawn points lie within 0.4 of its middle.
# - **Good** is the share of points within 0.4 of any middle.
#
# Two more cures: **one-sided label smoothing** (Salimans and others 2016) asks for $D = 0.9$ on real points, so the judge is never certain;
# and one step each, so it is never far ahead.

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Why collapse? In its step, the generator may put everything where D is highest. Then D moves, and G follows.
# Smoothing is in every list of tricks; on this ring it brings back no cluster. Say so.

# %%
PAIRS, BATCH, RING_STEPS = 5, 64, run.pick(lecture=300, full=2000)
angle = torch.arange(8, device=run.device) * math.pi / 4
middles = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)  # (8, 2)


class Nets(nn.Module):
    """Five small nets side by side: (5, n, d) -> (5, n, outputs)."""

    def __init__(self, *sizes):
        super().__init__()
        pairs = list(pairwise(sizes))
        self.W = nn.ParameterList((2 * torch.rand(PAIRS, i, o) - 1) / math.sqrt(i)
                                  for i, o in pairs)
        self.b = nn.ParameterList(torch.zeros(PAIRS, 1, o) for _, o in pairs)

    def forward(self, x):
        for W, b in zip(self.W[:-1], self.b[:-1], strict=True):
            x = F.leaky_relu(x @ W + b, 0.2)  # keeps a slope of 0.2: no unit dies
        return x @ self.W[-1] + self.b[-1]

# %%
def ring_points():
    which = torch.randint(8, (PAIRS, BATCH), device=run.device)
    return middles[which] + 0.02 * torch.randn(PAIRS, BATCH, 2, device=run.device), BATCH


def train_ring(loss, ahead=5, steps=RING_STEPS, **options):
    """Points drawn by five generators: (5, 1000, 2)."""
    torch.manual_seed(SEED)
    G, D = Nets(2, 32, 32, 2).to(run.device), Nets(2, 32, 32, 1).to(run.device)

    def make(n):
        return G(torch.randn(PAIRS, n, 2, device=run.device))

    play((G, D), make, lambda x, _: D(x), ring_points, loss, steps=steps, ahead=ahead,
         **options)
    with torch.no_grad():
        return make(1000)


def found_and_good(points):
    """Of each generator: clusters found, share of good points: (5,), (5,)."""
    near = torch.cdist(points, middles.expand(PAIRS, 8, 2)) < 0.4  # (5, 1000, 8)
    found, good = (near.sum(1) >= 20).sum(1), near.any(2).float().mean(1)
    return found.cpu().numpy(), good.cpu().numpy()

# %%
smoothed = (lambda real, fake: 0.9 * F.softplus(-real) + 0.1 * F.softplus(real)
            + F.softplus(fake), nonsaturating[1])
drawn = {"game": train_ring(minimax), "non-saturating": train_ring(nonsaturating)}

# %%
drawn["smoothed"] = train_ring(smoothed)
drawn["one step each"] = train_ring(nonsaturating, ahead=1, steps=2 * RING_STEPS)

# %%
def draw_rings(title, drawn):
    fig, axes = plots.panels(title, list(drawn), xlabel="", ylabel="",
                             size=(2.5 * len(drawn), 3.3))
    for ax, points in zip(axes, drawn.values(), strict=True):
        # the median of five
        middle = int(np.argsort(found_and_good(points)[0], kind="stable")[PAIRS // 2])
        ax.plot(*middles.T.cpu().numpy(), "o", color=plots.SKY, markersize=13)
        ax.plot(*points[middle, :500].T.cpu().numpy(), ".", color=plots.INK, markersize=2)
        ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[-2, 0, 2], yticks=[-2, 0, 2],
               aspect="equal", xlabel="x₁")
    axes[0].set_ylabel("x₂")


draw_rings("A judge five steps ahead: scatter, or collapse", drawn)
plots.show("Four rings of eight discs: scattered points; points on a few discs, twice; "
           "points on all eight.")

ring = {name: found_and_good(points) for name, points in drawn.items()}
for name, (found, good) in ring.items():
    print(f"{name:15} clusters found by each generator {found.tolist()}, "
          f"good {100 * np.median(good):3.0f} %")

# %%
median = {name: [np.median(values) for values in pair] for name, pair in ring.items()}
claim("the game's own loss: few points are good", median["game"][1], at_most=0.3)
claim("non-saturating: more points are good, by",
      median["non-saturating"][1] - median["game"][1], at_least=0.2)
claim("but of eight clusters it finds", median["non-saturating"][0], at_most=5)
claim("smoothing brings back, clusters",
      median["smoothed"][0] - median["non-saturating"][0], at_most=0.5)
claim("one step each finds more clusters, by",
      median["one step each"][0] - median["non-saturating"][0], at_least=2)

# %% [markdown]
# So here the cure for a judge that is too good was a worse judge.
# That is no comfort: how many steps are too many, you learn by failing.
#
# **Ask the room.** You see only the drawings of *one* generator, on pictures, with no middles to count. How would you notice collapse?

# %% [markdown]
# ## 5 · A distance that a better judge measures better
#
# On the map: `gan`
#
# The Wasserstein distance still has a slope where the two sides do not overlap, so its judge may be five steps ahead.
#
# The **Wasserstein distance** $W$ is the work of moving $q$'s mass onto $p$: mass times distance. Its dual form has a judge in it:
#
# $$W(p, q) = \max_{|f'| \le 1} \; \mathbb E_p[f(x)] - \mathbb E_q[f(x)]$$
#
# The judge $f$, the **critic**, gives a number, not a probability, and may not be steeper than one anywhere.
# The **gradient penalty** (Gulrajani and others 2017) asks for steepness 1 at random points between real and fake:
#
# $$\lambda\, \mathbb E\big[(\lVert \nabla f \rVert - 1)^2\big]$$
#
# It is a penalty, no law: for a shift $d$ the best straight critic has the slope $1 + d / 2\lambda$, and overstates $W = d$.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# The slope is one line on the board: make s d − λ (s − 1)² large. λ = 10 is usual.
# Earth in heaps is the image. Ask what JS says of two heaps that do not overlap: log 2, however far.

# %%
def slope_penalty(score, real, fake, label, weight=10.0, axes=(-3, -2, -1)):
    """weight × mean of (norm of the critic's gradient - 1)², between real and fake;
    a row's axes: `axes`."""
    share = torch.rand_like(real.sum(axes, keepdim=True))
    between = (share * real + (1 - share) * fake).requires_grad_()
    slope, = torch.autograd.grad(score(between, label).sum(), between, create_graph=True)
    return weight * ((torch.linalg.vector_norm(slope, dim=axes) - 1) ** 2).mean()

# %%
wasserstein = (lambda real, fake: fake - real, lambda fake: -fake)
# five shifts, five critics
far = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0], device=run.device)[:, None, None]
critics = Nets(1, 32, 1).to(run.device)
# start flat: a slope that starts out negative is held near -1 by the penalty
nn.init.zeros_(critics.W[-1])
adam = torch.optim.Adam(critics.parameters(), 0.01)
for _ in runtime.track(range(400), "steps"):
    real = torch.randn(PAIRS, 128, 1, device=run.device)
    fake = far + torch.randn_like(real)
    cost = wasserstein[0](critics(real), critics(fake)).mean()
    cost = cost + slope_penalty(lambda x, _: critics(x), real, fake, None, axes=(-1,))
    adam.zero_grad()
    cost.backward()
    adam.step()

# %%
heap = torch.randn(PAIRS, 20_000, 1, device=run.device)
shift = far[:, 0, 0].cpu().numpy()
with torch.no_grad():
    told = (critics(heap) - critics(far + heap)).mean((1, 2)).cpu().numpy()
moved = (far + torch.randn_like(heap)).cpu().numpy()[:, :, 0]
still = heap.cpu().numpy()[:, :, 0]
by_sorting = [stats.wasserstein_distance(a, b) for a, b in zip(still, moved, strict=True)]

# %%
fig, ax = plots.figure("JS stops at log 2; the Wasserstein distance goes on, "
                       "and its critic overstates it",
                       xlabel="shift d", ylabel="divergence or distance", size=(7.5, 3.8))
ax.plot(shifts, [twice_js(d) / 2 for d in shifts], color=plots.RED)
ax.plot(shifts, shifts, color=plots.INK)
ax.plot(shifts, shifts * (1 + shifts / 20), color=plots.SKY, linestyle="--")
ax.plot(shift, told, "o", color=plots.BLUE)
plots.name(ax, 6, 0.7, "Jensen–Shannon", plots.RED, dy=12)
plots.name(ax, 6, 6, "Wasserstein", plots.INK, dy=-12)
plots.name(ax, 4, 4.8, "critic, and d (1 + d / 2λ)", plots.BLUE, dx=-190, dy=12)
plots.show("JS flattens at 0.7 from shift 4 on; the distance is a straight line; "
           "dots lie above it.")

# %%
claim("SciPy sorts both heaps: W is the shift, to",
      np.abs(by_sorting - shift).max(), at_most=0.08)
claim("the critic overstates as d (1 + d / 2λ) says, relative error",
      np.abs(told / (shift * (1 + shift / 20)) - 1).max(), at_most=0.12)

# %%
drawn["Wasserstein"] = train_ring(
    wasserstein, extra=lambda *a: slope_penalty(*a, weight=1.0, axes=(-1,)))
draw_rings("With the same five steps ahead, the critic brings all clusters back",
           {name: drawn[name] for name in ("game", "non-saturating", "Wasserstein")})
plots.show("Three rings: scattered points; points on a few discs; "
           "points on all eight and between them.")

# %%
found, good = found_and_good(drawn["Wasserstein"])
claim("Wasserstein, five steps ahead: clusters found", np.median(found), at_least=6)
claim("its price: a smaller share of good points than non-saturating, by",
      median["non-saturating"][1] - np.median(good), at_least=0.05)

# %% [markdown]
# ## 6 · Letters, and letters to order
#
# On the map: `gan`
#
# With a calm optimizer and a judge with bounded slope, the nets that failed in section 1 draw letters; with a label they draw the letter you ask for.
#
# **DCGAN** (Radford and others 2016) is the recipe that made pictures work: strided convolutions both ways, Adam with momentum 0.5, batch norm.
# We do without batch norm, keep the non-saturating loss, and add section 5's penalty: it steadies that loss as well.
#
# A **conditional GAN** (Mirza and Osindero 2014) tells both nets the label.
# The generator finds it appended to its noise. The discriminator has one output a letter, five logistic regressions on the same features; the label says which one counts.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Look at the pictures first and let the room find the bad ones. Then compare with section 1: same nets, same data.
# Three things changed at once: G's loss, the momentum, the penalty. Change one back, live.

# %%
def judge_penalty(*args):
    return slope_penalty(*args, weight=1.0)


nets, make, score = gan()
play(nets, make, score, some_letters, nonsaturating, steps=STEPS, extra=judge_penalty)
with torch.no_grad():
    plain_gan = make(nobody)

# %%
wanted = torch.arange(1000, device=run.device) % 5            # A, B, C, D, E, A, ...
nets, make, score = gan(kinds=5)
play(nets, make, score, lambda: some_letters(5), nonsaturating, steps=STEPS,
     extra=judge_penalty)
with torch.no_grad():
    to_order = make(wanted)

# %%
plots.strips("The same nets, mended: letters; and letters to order",
             {"section 1": failed, "GAN": plain_gan, "GAN, more": plain_gan[12:],
              **{f"order: {letter}": to_order[wanted == k]
                 for k, letter in enumerate("ABCDE")}})
plots.show("Rows of drawings: the failed run; two of mixed letters; "
           "five rows, each mostly its letter.")

# %% [markdown]
# ## 7 · Judging drawings, and a VAE beside a GAN
#
# On the map: `gan`
#
# No single number will do: a legible drawing may be the only one, a varied one no letter.
#
# Lecture 13's judge is a small classifier of the letters A to J. Three measures rest on it:
#
# - **Legible**: it gives one of A to E at least 90 %. (The *Inception score* is a relative.)
# - **Density**: in how many balls a drawing lies, over $k$, on average. A ball reaches from a test letter to its $k = 5$th nearest, in the judge's 32 features.
# - **Coverage**: the share of balls with a drawing in them.
#
# The **Fréchet inception distance**, FID, compares mean and covariance of such features: one number, which hides what is bad.
#
# **Predict first.** A "generator" draws one perfect A, a thousand times. What do the three measures say?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Legible 100 %, coverage near zero; density high if it is a common A.
# Beside every number put that of real letters: the ceiling.

# %%
judge = nn.Sequential(encoder(32), nn.ReLU(), nn.Linear(32, 10)).to(run.device)
fit(judge, torch.arange(len(all_x), device=run.device), steps=300, lr=0.005,
    loss=lambda rows: F.cross_entropy(judge(all_x[rows]), all_y[rows], reduction="none"))
vae = VAE(CODE, width=16).to(run.device)
fit(vae, x, vae.negative_elbo, steps=STEPS);

# %%
@torch.no_grad()
def measures(pictures, k=5):
    """Legible, density, coverage."""
    legible = (judge(pictures).softmax(1)[:, :5].amax(1) >= 0.9).float().mean().item()
    real, made = judge[0](test), judge[0](pictures)               # (n, 32), (m, 32)
    density = coverage = 0
    for i in range(len(real)):                                     # one ball at a time
        # the nearest is itself
        radius = (real - real[i]).norm(dim=1).kthvalue(k + 1).values
        inside = (made - real[i]).norm(dim=1) <= radius            # (m,)
        density += inside.float().mean().item() / k
        coverage += inside.any().item() / len(real)
    return legible, density, coverage


rng = torch.Generator().manual_seed(SEED)
shown = {"real letters": x[torch.randperm(len(x), generator=rng)[:1000]],
         "one perfect A":
             test[(judge(test).softmax(1)[:, 0]).argmax()].expand(1000, -1, -1, -1),
         "section 1": failed, "VAE": vae.sample(1000), "GAN": plain_gan,
         "GAN, to order": to_order}
table = {name: measures(pictures) for name, pictures in shown.items()}

# %%
fig, axes = plots.panels("Three measures, and none of them alone",
                         ["legible", "density", "coverage"],
                         xlabel="", ylabel="", size=(10, 3.3), sharey=True)
for ax, values in zip(axes, zip(*table.values(), strict=True), strict=True):
    ax.barh(list(table), values, height=0.62,
            color=[plots.GREY, plots.GREY, plots.RED, plots.ORANGE, plots.BLUE, plots.BLUE])
    for row, value in enumerate(values):
        plots.name(ax, value, row, f"{value:.2f}", plots.INK, fontsize=10, dx=3)
    ax.set(xlabel="share" if ax is not axes[1] else "1: as dense as real",
           xlim=(0, 1.3 * max(1, *values)))
axes[0].invert_yaxis()
plots.show("Bars for six sources: real letters are high in all; "
           "one A is legible, dense, and covers nothing.")

# %%
with torch.no_grad():
    library = density_and_coverage(judge[0](test), judge[0](plain_gan))
    asked = (judge(to_order).argmax(1) == wanted).float().mean()

# %%
claim("our loop gives the density and coverage of utils.scratch, to",
      np.abs(np.subtract(library, table["GAN"][1:])).max(), at_most=0.01)
claim("one perfect A is all legible", table["one perfect A"][0], at_least=0.99)
claim("and covers next to nothing", table["one perfect A"][2], at_most=0.1)
claim("real letters are the ceiling: coverage", table["real letters"][2], at_least=0.9)
claim("the mended GAN covers more than the failed run, by",
      table["GAN"][2] - table["section 1"][2], at_least=0.2)
claim("the letter that was asked for is drawn", asked, at_least=0.8)
claim("the label makes the drawings denser, by",
      table["GAN, to order"][1] - table["GAN"][1], at_least=0.1)

# %%
def grey(pictures):
    """The share of pixels that are neither ink nor paper."""
    return ((pictures > 0.1) & (pictures < 0.9)).float().mean().item()


plots.strips("A VAE hedges with grey, a GAN commits",
             {"VAE": shown["VAE"], "GAN": plain_gan})
plots.show("Twelve letters of a VAE with soft grey parts, "
           "twelve of a GAN in black and white.")

# %%
claim("VAE and plain GAN are about equally dense: apart",
      abs(table["VAE"][1] - table["GAN"][1]), at_most=0.2)
claim("the VAE covers more than the plain GAN, by",
      table["VAE"][2] - table["GAN"][2], at_least=0)
claim("the GAN to order is more legible than the VAE, by",
      table["GAN, to order"][0] - table["VAE"][0], at_least=0.1)
claim("the VAE has more grey pixels, so many times",
      grey(shown["VAE"]) / grey(plain_gan), at_least=1.3)
claim("no drawing of either is as good as real letters: density of the better one",
      max(table["VAE"][1], table["GAN"][1]), at_most=0.8)

# %% [markdown]
# Side by side: the VAE has a bound on the likelihood, trains in one piece, blurs, and covers more. The GAN has sharp edges, no such number, and a training that may fail.
# Neither comes near the real letters' density; the label helps the GAN a lot. Its fair rival is a VAE that knows the label too, not measured here. Lecture 13's mixture over codes drew better than its prior; a GAN has no codes of pictures to fit one to.
#
# No real pixel is grey, and a discriminator can see that; so the generator learns to draw few. Crisp is not the same as good.

# %% [markdown]
# ## What goes wrong in practice
#
# - **A forgotten `detach`** (or `no_grad`): the discriminator's step leaves gradients in the generator's weights. If they are not cleared, the generator is taught to help.
# - **Losses read as progress.** Both are relative to the other net. Keep a fixed noise and look at its pictures; measure coverage.
# - **Momentum 0.9** remembers where the other net was, ten steps ago.
# - **Only pretty pictures shown.** Draw at random, and say how many you drew.
# - **A score from a small sample, or from another judge.** Neither can be compared.
# - **Batch norm beside a gradient penalty.** The penalty is for one picture at a time; batch norm mixes pictures.

# %% [markdown]
# ## Summary
#
# 1. A GAN is a game of two nets: a logistic regression on learned features, and a generator that follows its slope.
# 2. The best discriminator is $p / (p + q)$; the game's value is then $2\,\text{JS} - \log 4$.
# 3. When it wins, the game's own loss goes silent; the non-saturating one does not, and may collapse.
# 4. A critic with bounded slope may be ahead: on the ring it brought all clusters back, with fewer good points.
# 5. Judge by several measures, next to real data: legible is not varied, and varied is not legible.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 14`, then open `exercises/work/14_exercises.ipynb`: six tasks, about 95 minutes.
#
# - I. Goodfellow and others (2014), *Generative Adversarial Nets*, NIPS.
# - M. Mirza, S. Osindero (2014), *Conditional Generative Adversarial Nets*, arXiv.
# - A. Radford, L. Metz, S. Chintala (2016), *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks*, ICLR.
# - T. Salimans and others (2016), *Improved Techniques for Training GANs*, NIPS.
# - M. Arjovsky, S. Chintala, L. Bottou (2017), *Wasserstein Generative Adversarial Networks*, ICML.
# - I. Gulrajani and others (2017), *Improved Training of Wasserstein GANs*, NIPS.
# - L. Mescheder, A. Geiger, S. Nowozin (2018), *Which Training Methods for GANs do actually Converge?*, ICML (exercise 4).
# - M. Heusel and others (2017), *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*, NIPS.
# - M. F. Naeem and others (2020), *Reliable Fidelity and Diversity Metrics for Generative Models*, ICML.
