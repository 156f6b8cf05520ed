# %% [markdown]
# # 14 · Generative adversarial network
#
# **Question.** Can a net learn to draw without a likelihood, from nothing but the verdicts of another net?
#
# **You will be able to** play the game with one number, by hand; write its losses; say what the best discriminator computes, and check it; explain why a discriminator can be too good; produce mode collapse, and tell its cure from mere scatter; find which of several changes mended a training; judge drawings by more than a look, beside their strongest rival.
#
# **Needs** 05, 06, 10, 13 · **Minutes** 95 to teach, 140 to study · **CPU** 45 s
#
# On the map: `gan`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import math

import numpy as np
import torch
from scipy.special import expit as sigmoid
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from torch import nn
from torch.nn import functional as F

from utils import concept_map, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import games
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
torch.set_flush_denormal(True)  # numbers below 1e-38 are slow on a CPU: make them zero

# %%
concept_map.show("14")

# %% [markdown]
# ## 1 · Two nets, one game
#
# On the map: `gan`
#
# A **generative adversarial network** (생성적 적대 신경망), **GAN** (생성적 적대 신경망) for short, is two nets (Goodfellow and others, 2014).
# The **generator** (생성자) $G$ turns noise $z$ into a picture.
# The **discriminator** (판별자) $D$ looks at a picture $x$ and says how likely it is to be real.
# $D$ learns to tell real from fake, as a logistic regression does: real is class 1, fake is class 0.
# $G$ learns to be taken for real.
#
# The usual image is a forger and a bank. It hides one thing: this forger may look up the bank's gradient.

# %%
s = schematics.Sketch("G never sees a real picture: all it hears is D's gradient", width=10,
                      height=2.9)
z = s.circle("z", at=(0.6, 1.75), kind="data")
G, D = s.box("generator G", at=(2.3, 1.75)), s.box("discriminator D", at=(6.7, 1.25))
made, real = (s.box(word, at=at, kind="data")
              for word, at in (("fake", (4.3, 1.75)), ("real x", (4.3, 0.6))))
for start, end in ((z, G), (G, made), (made, D), (real, D)):
    s.arrow(start, end)
s.arrow(D, (9.2, 1.25), "chance that it is real", at=0.55)
s.arrow(D.top, G.top, "the gradient, for G", bend=-0.22, color=plots.ORANGE, dashed=True,
        left=False)
s.show("Noise z enters the generator; its fake and a real picture enter the discriminator, "
       "which gives a chance. A dashed arrow leads from the discriminator back to G.")

# %% [markdown]
# Written down ($\mathbb E$ is a mean), $D$ makes the game's value $V$ large and $G$ makes it small:
#
# $$\min_G \max_D \; V = \mathbb E_{\text{real } x}[\log D(x)] + \mathbb E_{z}[\log(1 - D(G(z)))]$$
#
# $D = \sigma(\ell)$ is a sigmoid of a logit $\ell$. So $-\log D = \log(1 + e^{-\ell}) = \text{softplus}(-\ell)$, and $-\log(1 - D) = \text{softplus}(\ell)$. Softplus has slope $\sigma$.
#
# **The smallest game.** (After Mescheder and others, 2018.) The real thing is always the number 0. The generator draws one number $\theta$ ("theta"), always the same; it starts at 1. The discriminator has one weight, at first 0: $\ell = w x$. (The real 0 gives it no slope.) Both use the rate 0.5.
#
# - $D$ moves: the slope of $\text{softplus}(w\theta)$ by $w$ is $\sigma(w\theta)\,\theta = 0.5$. So $w = 0 - 0.5 \cdot 0.5 = -0.25$: "large numbers are fake".
# - $G$ moves: the slope of $-\text{softplus}(w\theta)$ by $\theta$ is $-\sigma(w\theta)\, w = 0.44 \cdot 0.25 = 0.11$. So $\theta = 1 - 0.5 \cdot 0.11 = 0.95$: nearer to 0.
#
# **Predict first.** After 400 turns, now at rate 0.3: where is $\theta$?

# %%
ENDS = ("at 0, the real number", "it circles around 0, as far away as at first",
        "ever farther from 0")
predict("14.duel", *ENDS)

# %%
def duel(turns, rate=0.3, momentum=0.0, penalty=0.0):
    """The one-number game: theta and w after each turn, (turns + 1, 2)."""
    theta, w, going_w, going_theta = 1.0, 0.0, 0.0, 0.0
    path = [(theta, w)]
    for _ in range(turns):
        slope = sigmoid(w * theta) * theta + penalty * w          # D: its own loss, by w
        going_w = momentum * going_w + (1 - momentum) * slope
        w = w - rate * going_w
        slope = -sigmoid(w * theta) * w                           # G: its loss, by theta
        going_theta = momentum * going_theta + (1 - momentum) * slope
        theta = theta - rate * going_theta
        path.append((theta, w))
    return np.array(path)


print("by hand, in code: theta, w =", duel(1, rate=0.5)[1].round(2))

# %% [markdown] tags=["notes"]
# **Notes for the room (16 minutes).**
#
# Play the one-number game on the board with two volunteers, one step each, three turns. Nobody forgets the overshoot.
# Then collect bets, and only then run the next cell. Ask each camp which *one* function both players descend.

# %%
duels = {name: duel(run.steps(400), **options) for name, options in (
    ("plain", {}), ("momentum 0.9", {"momentum": 0.9}), ("penalty", {"penalty": 0.3}))}
away = {name: np.hypot(*path.T) for name, path in duels.items()}  # distance from (0, 0)

# %%
fig, (left, right) = plots.panels("A game has no valley: plain descent walks in a circle",
                                  ["the first 45 turns", "distance from (0, 0)"],
                                  xlabel="θ, the fake", ylabel="w, the judge's weight")
ends = [(0.1, 1.25), (0.4, -2.1), (1.2, -0.6)]  # where the names stand
colors = [plots.INK, plots.RED, plots.BLUE]
for (label, path), color, end in zip(duels.items(), colors, ends, strict=True):
    left.plot(*path[:46].T, color=color, linewidth=1.6)
    plots.name(left, *end, label, color, dx=0)
    right.semilogy(away[label][:200] + 1e-9, color=color)
    plots.name(right, 100, away[label][:101][-1], label, color, dx=0, dy=10)
left.plot(0, 0, "o", color=plots.GREEN)
left.set(aspect="equal", xlim=(-3.6, 3.6), ylim=(-3, 3))
right.set(xlabel="turn", ylabel="distance (log)", ylim=(1e-4, 30))
plots.show("Left, paths in the plane: a circle, a spiral outward, a spiral inward. "
           "Right, the distance stays at one, grows to seven, or falls to zero.")
last, ever = away["plain"][-100:], np.abs(duels["plain"][-100:, 0]).max()
outcome("14.duel", ENDS[0 if ever < 0.1 else 1 if last.max() < 1.2 else 2])
claim("plain: distance from the goal after 400 turns, relative to the start (ratio)",
      last.mean(), at_least=0.95, at_most=1.05)
claim("momentum 0.9 drives the two apart: distance (ratio)", away["momentum 0.9"][-1],
      at_least=6)
claim("a penalty on D's weight brings them home: distance", away["penalty"][-1],
      at_most=0.001)

# %% [markdown]
# Near 0 the sigmoid is $\frac12$: $w$ moves with $-\frac12\theta$, and $\theta$ with $+\frac12 w$.
# Each is pushed by the other's place, with opposite signs: a rotation. (Moved at once: a spiral outward.)
# *Momentum* remembers where the other stood ten turns ago, and overshoots. A *penalty* on $D$'s slope, $0.15\, w^2$, takes speed out.
#
# **The same game on letters.** The data are lecture 13's: the letters A to E in six plain fonts, pixels 0 (paper) and 1 (ink). The nets, too: $D$ is the encoder with one output, $G$ the decoder, fed sixteen numbers of noise. `games.play` is the loop above, for nets and with Adam. One turn:
#
# ```python
# with torch.no_grad():                                   # the generator stands still
#     fake = make(y)
# cost = to_beat(score(x, y), score(fake, y)).mean()      # D's own loss; then D's step
# ...
# cost = to_fool(score(make(y), y)).mean()                # through D into G; then G's step
# ```
#
# $y$ is the *kind* of picture. Here there is one kind; section 6 has five, and $D$ an output for each.

# %%
minimax = (lambda real, fake: F.softplus(-real) + F.softplus(fake),      # D: the log-loss
           lambda fake: -F.softplus(fake))  # G: the same game, other sign

CODE, STEPS = 16, run.steps(run.pick(lecture=300, full=5000))
all_x, all_y = (a.to(run.device) for a in letters("train", "ABCDEFGHIJ"))
x, y = all_x[all_y < 5], all_y[all_y < 5]  # the letters A to E
test = letters("test", "ABCDE")[0].to(run.device)


def gan(kinds=1):
    """Both nets, and how to draw (`make`) and to score with them."""
    G = nn.Sequential(*decoder(CODE + kinds), nn.Sigmoid()).to(run.device)
    D = encoder(kinds).to(run.device)

    def make(y):
        z = torch.randn(len(y), CODE, device=run.device)
        return G(torch.cat([z, F.one_hot(y, kinds)], dim=1))   # (n, 1, 28, 28)

    return (G, D), make, lambda x, y: D(x).gather(1, y[:, None])[:, 0]


def draw_letters(loss, *, momentum=0.5, extra=None, lr=0.01, kinds=1):
    """Train a GAN, always from the same start; draw as many letters as the test has."""
    torch.manual_seed(SEED)
    nets, make, score = gan(kinds)

    def some_letters():
        rows = torch.randint(len(x), (32,))
        return x[rows], y[rows] % kinds

    games.play(nets, make, score, some_letters, loss, steps=STEPS, momentum=momentum,
               extra=extra, lr=lr)
    with torch.no_grad():
        return make(torch.arange(len(test), device=run.device) % kinds)  # A, B, …, A, B, …

# %%
failed = draw_letters(minimax, momentum=0.9)
plots.strips(f"The game as written, with Adam's usual momentum, after {STEPS:,} steps",
             {"real": x[::40], "drawn": failed}, frame=True)
plots.show("Twelve real letters, and below them twelve drawings: after 300 steps no "
           "letter.")
# lecture 13's coverage, on bare pixels: test letters with a drawing as near as their fifth
# nearest test letter
claim("in 300 steps, as many drawings as test letters: share of these covered",
      density_and_coverage(test, failed)[1], at_most=0.05, short=True)

# %% [markdown]
# ## 2 · The best discriminator is a ratio of densities
#
# On the map: `gan`
#
# Why did it fail? Ask first what $D$ learns. Let $p$ be the density of real things, $q$ that of fakes. Near some $x$ are 30 real things and 10 fakes: one chance for all is $30/40 = 0.75$, the logit $\log 3$.
# In general $D$ should make $p \log D + q \log(1 - D)$ large at each $x$:
#
# $$D^*(x) = \frac{p(x)}{p(x) + q(x)} \qquad \ell^*(x) = \log \frac{p(x)}{q(x)}$$
#
# Put in, the game's value is $2\,\text{JS}(p, q) - \log 4$. JS, the **Jensen–Shannon divergence** (옌센–섀넌 발산), is the mean of two KL divergences, from $p$ and from $q$ to their average: zero where $q = p$, and at most $\log 2$.
#
# <details><summary>Proof: why the ratio, and why JS</summary>
#
# The derivative of p log D + q log(1 − D) by D is p/D − q/(1 − D). It is zero at D = p/(p + q), and the second derivative is negative.
#
# There the value is the sum of p log(p/(p + q)) and q log(q/(p + q)). With the average a = (p + q)/2 these are p log(p/a) − p log 2 and q log(q/a) − q log 2; p and q each add up to 1.
# </details>
#
# An example. Real: $\mathcal N(0, 1)$, a bell with mean 0 and standard deviation 1. Fake: $\mathcal N(1, 2^2)$.
# The logarithm of a bell is a parabola, and so is a difference of two: $\log p/q = \log 2 + (x - 1)^2/8 - x^2/2$.
# So a logistic regression with features $x$ and $x^2$ can be the best discriminator. It sees draws only.

# %%
torch.manual_seed(SEED)
a, b = torch.randn(100_000), 1 + 2 * torch.randn(100_000)      # draws of p and of q
features = torch.stack([torch.cat([a, b]), torch.cat([a, b]) ** 2], dim=1).numpy()
plain = LogisticRegression(C=np.inf).fit(features, np.repeat([1, 0], 100_000))
exact = np.array([math.log(2) + 1 / 8, -1 / 4, -3 / 8])  # constant, x, x²
found = np.r_[plain.intercept_, plain.coef_[0]]
claim("logistic regression on x and x² finds log p/q (largest difference of a weight)",
      np.abs(found - exact).max(), at_most=0.018)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# This is the lecture's hinge: lecture 01's logistic regression estimates a ratio of densities, and nobody had to know either density.
# Wrong answer to expect: "at the end D is right everywhere". At the end it says one half everywhere.

# %%
# Where no two features suffice, a small net learns its own.
P, Q = [(0.5, -1.5, 0.5), (0.5, 1.0, 0.7)], [(1.0, 0.3, 1.2)]  # bells: share, mean, spread
net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(),
                    nn.Linear(32, 1)).to(run.device)
# pairs (n, 2): one real, one fake
pairs = torch.stack([games.draws(40_000, bells) for bells in (P, Q)], 1).to(run.device)
fit(net, pairs, lambda rows: minimax[0](net(rows[:, :1]), net(rows[:, 1:])),
    steps=run.steps(1000), batch_size=256);

# %%
grid = np.linspace(-4, 4.5, 2000)
p, q = games.density(grid, P), games.density(grid, Q)
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
claim("the net is off the exact ratio by (mean difference)",
      weight @ np.abs(D - p / (p + q)), at_most=0.018)
step = grid[1] - grid[0]
value = step * (p * np.log(D) + q * np.log(1 - D)).sum()
js = step * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum() / 2
claim("its value is 2 JS − log 4 (difference in nats)", abs(value - (2 * js - math.log(4))),
      at_most=0.008)

# %% [markdown]
# (At the edges the net is wrong: hardly a point lies there, real or fake.)
#
# So the generator never meets the data. It hears the logit's slope, an estimate of that of $\log p/q$, times the loss's slope by the logit.
#
# **Ask the room.** The generator is perfect, and the discriminator has been trained to the end. What does it answer, and what does the generator learn from it?
#
# <details><summary>One answer</summary>
#
# One half everywhere, since p = q. Its logit is 0 everywhere, so is its slope: the generator learns nothing, and need not. In the one-number game that is the point (0, 0).
# </details>

# %% [markdown]
# ## 3 · A discriminator can be too good
#
# On the map: `gan`
#
# When the discriminator wins, the game's own loss has no gradient left for the generator; another sign of the same logit mends that.
#
# The generator descends $\log(1 - D) = -\text{softplus}(\ell)$. Its derivative by the logit is $-\sigma(\ell)$.
# A clear fake has a very negative $\ell$, say $-8$: then $\sigma(\ell) = 0.0003$, and next to nothing comes through. The loss saturates, as a sigmoid unit does (lecture 04).
# The **non-saturating loss** (비포화 손실) is $-\log D = \text{softplus}(-\ell)$. Its derivative is $-\sigma(-\ell) = -0.9997$ there. Both push the same way.
#
# Real: $\mathcal N(0, 1)$. Fake: $\mathcal N(d, 1)$, a shift $d$ to the right. The discriminator is the best there is: $\ell = d^2/2 - d x$.
#
# **Predict first.** $D$ stands still. From which $d$ is the game's slope by $d$ less than a tenth of its largest?

# %%
FAR = {"about 1.5": 1.5, "about 6": 6.0, "about 20": 20.0}
predict("14.pull", *FAR)
nonsaturating = (minimax[0], lambda fake: F.softplus(-fake))

# %%
shifts = np.linspace(0, 8, 81)
points, mass = np.polynomial.hermite_e.hermegauss(80)  # exact averages over a Gaussian


def pull(d, of_logit):  # mean gradient by d: at d + noise the logit is -d²/2 - d·noise
    logit = torch.tensor(-d * points - d * d / 2, requires_grad=True)
    slope, = torch.autograd.grad(of_logit(logit).sum(), logit)
    return -d * (mass @ slope.numpy()) / mass.sum()


game, mended = (np.array([pull(d, of_logit) for d in shifts])
                for of_logit in (minimax[1], nonsaturating[1]))

# %% [markdown]
# The same on letters: the generator is untrained and stands still, the discriminator trains for 60 steps.
# How large is the gradient that reaches the generator's weights?

# %%
torch.manual_seed(SEED)
nets, make, score = gan()
adam = torch.optim.Adam(nets[1].parameters(), 0.002)
sizes = {"game": [], "non-saturating": []}
for real in x[torch.randint(len(x), (60, 32))]:
    label = torch.zeros_like(y[:32])
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
weak = shifts[np.flatnonzero(game >= game.max() / 10)[-1]]  # the last that still pulls
outcome("14.pull", min(FAR, key=lambda name: abs(FAR[name] - weak)))
by_js = (2 * (games.js(shifts + 0.05) - games.js(shifts - 0.05)) / 0.1)
claim("with the best D, the game's gradient is that of 2 JS (largest difference)",
      np.abs(game - by_js).max(), at_most=0.001)
claim("from 8 standard deviations away the other loss pulls so many times as hard",
      mended[-1] / game[-1], at_least=15_000)
claim("letters: after 60 steps of D the other loss has so many times the gradient",
      sizes["non-saturating"][-1] / sizes["game"][-1], at_least=10)

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# Let the room name the usual cure: "train the discriminator less". It works (section 4), and it means that the better judge is the worse teacher.
# Then ask for a loss where a better judge is a better teacher. That is section 5.

# %% [markdown]
# ## 4 · Mode collapse, produced on a ring
#
# On the map: `gan`
#
# A generator that fools the discriminator with a few of six clusters has no reason to find the others: **mode collapse** (모드 붕괴).
#
# Real points come from six bells on a ring, each with spread 0.2 (first panel below). To count fairly:
#
# - A point is **good:** it lies within 0.4, two spreads, of a middle. Of real points 86 % are good.
# - A cluster is **found:** it has at least half of its share of 1,000 points, which is 83, within 0.4.
#
# A count needs rivals that know nothing. A uniform *disc* of points, and a plain *circle* through all six middles, stand in the table.

# %%
torch.manual_seed(SEED)
drawn = {"real": games.ring(5, 1000, device=run.device),
         **games.know_nothing(5, 1000, device=run.device)}  # the disc and the circle
for name, points in drawn.items():
    found, good = games.found_and_good(points)
    print(f"{name:12} clusters found {found}, good points {100 * good.mean():.0f} %")

# %% [markdown]
# The discriminator takes *five* steps for each of the generator's 300. Three pairs of losses: the game's own, the non-saturating one, and that with **one-sided label smoothing** (단측 라벨 스무딩; Salimans and others, 2016). It asks for $D = 0.9$ on real points, so that the judge is never certain.
#
# And a fourth: the non-saturating loss with *one* step each, 900 times. That is as many steps in all, 1,800.
#
# Luck matters, so each is trained five times, all nets side by side in one tensor: (nets, points, numbers). Each net has two layers of 32. The rate is 0.015. (Tried once: for each row of the table in section 5, 0.005 and 0.04 were worse, or better by less than half a cluster.)

# %%
smoothed = (lambda real, fake: 0.9 * F.softplus(-real) + 0.1 * F.softplus(real)
            + F.softplus(fake), nonsaturating[1])
TURNS = run.steps(run.pick(lecture=300, full=2000))
again = {"seed": SEED, "device": run.device}
drawn |= games.play_ring({"game": minimax, "non-saturating": nonsaturating,
                          "smoothed": smoothed}, steps=TURNS, ahead=5, **again)
drawn |= games.play_ring({"one step each": nonsaturating}, steps=3 * TURNS, ahead=1,
                         **again)

# %%
# each panel is the middle one of its five, by clusters found
names = ["real", "game", "non-saturating", "smoothed", "one step each"]
fig, axes = plots.panels("Five steps ahead, clusters are missing", names,
                         xlabel="x₁", ylabel="x₂", size=(11, 2.9), sharey=True)
for ax, points in zip(axes, (drawn[name] for name in names), strict=True):
    middle = np.argsort(games.found_and_good(points)[0], kind="stable")[2]
    for spot in games.middles().numpy():
        ax.add_patch(plots.plt.Circle(spot, 0.4, color=plots.SKY, alpha=0.6))
    ax.plot(*points[int(middle), :500].T.cpu().numpy(), ".", color=plots.INK, markersize=2)
    ax.set(xlim=(-3, 3), ylim=(-3, 3), xticks=[-2, 0, 2], yticks=[-2, 0, 2], aspect="equal")
plots.show("Rings of six discs: real points on all; then on a few of them, three times; "
           "with one step each on all six again.")
ring = {name: [values.mean() for values in games.found_and_good(points)]
        for name, points in drawn.items()}
claim("non-saturating, five steps ahead: clusters found, of six (mean of five pairs)",
      ring["non-saturating"][0], at_least=1.8, at_most=3.4)
claim("one step each finds more, for the same number of steps (clusters, mean)",
      ring["one step each"][0] - ring["non-saturating"][0], at_least=2.5)

# %% [markdown]
# Why collapse? In its step, the generator may put everything where $D$ is highest. Then $D$ moves, and $G$ follows.
#
# A judge less far ahead cured the non-saturating loss; more turns alone do not (section 5).
# That is no comfort: how many steps are too many, you learn by failing.
#
# **Ask the room.** You see only the drawings of *one* generator, on pictures, with no middles to count. How would you notice collapse?
#
# <details><summary>One answer</summary>
#
# Draw many and look for near twins. Let a classifier sort the drawings, and compare its histogram with that of real pictures. Take real pictures one by one and ask whether any drawing is near: that is coverage (section 7).
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
#
# Cover the table's rivals first and let the room invent a count of "clusters found" that the plain circle passes. An early draft of this lecture had one.
# Smoothing is in every list of tricks; on this ring it brings back hardly one cluster. Say so.

# %% [markdown]
# ## 5 · A distance that a better judge measures better
#
# On the map: `gan`
#
# The Wasserstein distance still has a slope where the two sides do not overlap, so its judge may be ahead.
#
# The **Wasserstein distance** (바서슈타인 거리) $W$ is the least work, mass times distance, to move heap onto heap. Two grains at 0 and 1 are to go to 5 and 6: each moves 5, half the mass each, so $W = 5$. Two bells $d$ apart have $W = d$, however far. JS stops at $\log 2$.
#
# It has a second form, with a judge $f$ in it:
#
# $$W(p, q) = \max_{|f'| \le 1} \; \mathbb E_p[f(x)] - \mathbb E_q[f(x)]$$
#
# This judge, the *critic*, gives a number, no probability, and may not be steeper than one. Try $f(x) = -x$ on the grains: $-0.5 - (-5.5) = 5$.

# %% [markdown]
# How to bound the slope of a net? The **gradient penalty** (기울기 벌점; Gulrajani and others, 2017) asks for steepness 1 at random points between real and fake:
#
# $$\lambda\, \mathbb E\big[(\lVert \nabla f \rVert - 1)^2\big]$$
#
# It is a penalty, no law. For a shift $d$, a straight critic of slope $s$ earns $s\,d - \lambda (s - 1)^2$. That is largest at $s = 1 + d / 2\lambda$, so it overstates: $d\,(1 + d/2\lambda)$ in place of $d$.
#
# **Spectral normalization** (스펙트럼 정규화; Miyato and others, 2018) is another way: divide each weight matrix by the most that it can stretch a vector, its largest singular value.
#
# Below: five shifts, five critics, $\lambda = 10$. (**The library's way** to $W$ in one dimension is `scipy.stats.wasserstein_distance`, which sorts both heaps.)

# %%
def slope_penalty(score, real, fake, label, weight=10.0, axes=(-3, -2, -1)):
    """weight × mean of (norm of the critic's gradient - 1)², between real and fake;
    a row's axes: `axes`."""
    share = torch.rand_like(real.sum(axes, keepdim=True))
    between = (share * real + (1 - share) * fake).requires_grad_()
    slope, = torch.autograd.grad(score(between, label).sum(), between, create_graph=True)
    return weight * ((torch.linalg.vector_norm(slope, dim=axes) - 1) ** 2).mean()


wasserstein = (lambda real, fake: fake - real, lambda fake: -fake)
# five shifts, five critics
far = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0], device=run.device)[:, None, None]
critics = games.Nets(5, 1, 32, 1).to(run.device)
# start flat: a slope that starts out negative is held near -1 by the penalty
nn.init.zeros_(critics.W[-1])
adam = torch.optim.Adam(critics.parameters(), 0.01)
for _ in runtime.track(range(run.steps(400)), "steps"):
    real = torch.randn(5, 128, 1, device=run.device)
    fake = far + torch.randn_like(real)
    cost = wasserstein[0](critics(real), critics(fake)).mean()
    cost = cost + slope_penalty(lambda x, _: critics(x), real, fake, None, axes=(-1,))
    adam.zero_grad()
    cost.backward()
    adam.step()

# %%
heap = torch.randn(5, 20_000, 1, device=run.device)
shift = far[:, 0, 0].cpu().numpy()
with torch.no_grad():
    told = (critics(heap) - critics(far + heap)).mean((1, 2)).cpu().numpy()

fig, ax = plots.figure("JS stops at log 2; the Wasserstein distance goes on, "
                       "and its critic overstates it",
                       xlabel="shift d", ylabel="divergence or distance", size=(7.5, 3.8))
ax.plot(shifts, games.js(shifts), color=plots.RED)
ax.plot(shifts, shifts, color=plots.INK)
ax.plot(shifts, shifts * (1 + shifts / 20), color=plots.SKY, linestyle="--")
ax.plot(shift, told, "o", color=plots.BLUE)
plots.name(ax, 6, 0.7, "Jensen–Shannon", plots.RED, dy=12)
plots.name(ax, 6, 6, "Wasserstein", plots.INK, dy=-12)
plots.name(ax, 4, 4.8, "critic, and d (1 + d / 2λ)", plots.BLUE, dx=-190, dy=12)
plots.show("JS flattens at 0.7 from shift 4 on; the distance is a straight line; "
           "dots lie above it.")
claim("the critic overstates as d (1 + d / 2λ) says (largest relative error)",
      np.abs(told / (shift * (1 + shift / 20)) - 1).max(), at_most=0.03)

# %% [markdown]
# Now back to the ring, five steps ahead as before. The *Wasserstein loss* ($-f$ for $G$) is said to cure collapse. But it comes with a penalty, and the other losses had none. So give each loss this penalty on the logit, $\lambda = 1$.
#
# **Predict first.** Which find more clusters than the non-saturating loss found without it?

# %%
CURES = ("the Wasserstein loss only", "the game's and the non-saturating loss only",
         "all three losses", "none of them")
predict("14.ring", *CURES)

# %%
drawn |= games.play_ring(
    {"game + penalty": minimax, "non-sat. + penalty": nonsaturating,
     "Wasserstein + penalty": wasserstein}, steps=TURNS, ahead=5, **again,
    extra=lambda *a: slope_penalty(*a, weight=1.0, axes=(-1,)))
ring = {name: [values.mean() for values in games.found_and_good(points)]
        for name, points in drawn.items()}

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# The slope is one line on the board: make s d − λ (s − 1)² large. λ = 10 is usual for pictures.
# Then the ring: let each table vote for one loss before you show the counts.

# %%
plots.table("The penalty brings clusters back, with each loss",
            {name: [100 * good, 100 * found / 6] for name, (found, good) in ring.items()},
            ["good points (%)", "clusters found (%)"], digits=0, low=0,
            xlabel="mean of five (from game on: of five pairs of nets)")
plots.show("Table. Disc and circle find no cluster. Without a penalty about two fifths of "
           "the clusters are found, with it more, with one step each all.")

lead = {name: ring[name][0] - ring["non-saturating"][0] for name in list(ring)[-3:]}
cured = [gain > 0.4 for gain in lead.values()]
outcome("14.ring", CURES[2] if all(cured) else CURES[1] if all(cured[:2])
        else CURES[0] if cured[2] else CURES[3])
claim("the penalty adds, to the non-saturating loss (clusters, mean of five pairs)",
      lead["non-sat. + penalty"], at_least=1.5)
claim("in 1,800 steps the game's loss with it leads Wasserstein's (clusters, mean of five)",
      ring["game + penalty"][0] - ring["Wasserstein + penalty"][0], at_least=0.3,
      short=True)
claim("in 1,800 steps the price: fewer good points than without (points)",
      100 * (ring["non-saturating"][1] - ring["non-sat. + penalty"][1]), at_least=4,
      short=True)

# %% [markdown]
# So in 1,800 steps it was the penalty: a judge of bounded slope cannot shut the generator out.
# For the non-saturating loss, the price is more scatter. And a count of "any twenty points within 0.4" would call the plain circle a cure: it passes all six.
#
# With `BUDGET = 3` (tried twice) all three losses with the penalty find six of six, or nearly, and scatter less; without it the non-saturating loss stays at about three, but the game's own finds six.

# %% [markdown]
# ## 6 · Letters, one change back at a time
#
# On the map: `gan`
#
# The nets of section 1 draw letters after three changes. Which did it?
#
# **DCGAN** (심층 합성곱 GAN; Radford and others, 2016) is the recipe that made pictures work: strides both ways, batch norm, momentum 0.5, rate 0.0002. (Our 0.01 is 50 times as large: we take 300 steps, not days.) We change three things:
#
# 1. the loss: non-saturating (section 3);
# 2. Adam's momentum: 0.5, not 0.9 (section 1);
# 3. a penalty on $D$'s slope, $\lambda = 1$ (section 5).
#
# To learn what a change is worth, take it back alone; and let each row have three rates: 0.003, 0.01, 0.03.
#
# **Predict first.** Take one change back, at the best rate for that. For how many of the three is at least two thirds of the full recipe's coverage left?

# %%
COUNTS = ("none", "one", "two", "all three")
predict("14.back", *COUNTS)

# %%
penalty = {"extra": lambda *a: slope_penalty(*a, weight=1.0)}
drawings = {"section 1": failed, "all three": draw_letters(nonsaturating, **penalty),
            "game's own loss": draw_letters(minimax, **penalty)}

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# Read one row of the stored table aloud. Then the strips: let the room say which rows are letters.
# What arrives together shares the credit: Wasserstein and its penalty (section 5), a new net and its new schedule. Ask for more such pairs.

# %%
stored = {"section 1": [1, 0, 0], "all three": [12, 28, 30],
          "game's own loss": [17, 30, 9], "momentum 0.9": [6, 16, 30],
          "no penalty": [5, 17, 16], "spectral norm instead": [24, 16, 18]}
best = {name: max(row) for name, row in stored.items()}
plots.table("The penalty is missed most; loss and momentum can be spared at some rate",
            {name: [*row, best[name]] for name, row in stored.items()},
            ["0.003", "0.01", "0.03", "best"], digits=0, low=0,
            xlabel="rate of Adam: test letters covered (%), median of three seeds")
plots.show("Table of coverage. Section 1 is at most 1 at each rate. All three, the game's "
           "own loss and momentum 0.9 reach 30 at their best rate, no penalty 17.")
spared = sum(best[name] >= best["all three"] * 2 / 3 for name in list(stored)[2:5])
outcome("14.back", COUNTS[spared])

# %% [markdown]
# This table is stored: one run is luck as much as recipe; here are 54, of 300 steps (`benchmarks/gan_table.py`), with spectral normalization in the penalty's place as a row more. The penalty did most, as in the one-number game and on the ring. (At rate 0.01 alone, momentum and penalty look alike: 16 and 17.) Without all three, 300 steps draw nothing at any rate.
#
# **To order.** A **conditional GAN** (조건부 GAN; Mirza and Osindero, 2014) tells both nets the label: the generator finds it appended to its noise, as five numbers, one of them 1. The discriminator has five outputs, and the label says which one counts.

# %%
wanted = torch.arange(len(test), device=run.device) % 5            # A, B, C, D, E, A, ...
to_order = draw_letters(nonsaturating, kinds=5, **penalty)
drawings["to order"] = to_order
plots.strips("The same nets: nothing, letters, letters, and letters to order", drawings,
             frame=True)
plots.show("Rows: section 1's blank paper; letters, some broken, twice; "
           "and A, B, C, D, E in turn.")

# %% [markdown]
# ## 7 · Judging drawings, beside the strongest rival
#
# On the map: `gan`
#
# No single number will do: a legible drawing may be the only one, a varied one no letter, and a perfect one a copy.
#
# Lecture 13's judge classifies the letters A to J. For 483 drawings and the 483 test letters, which it never saw:
#
# - **Legible:** the judge gives one of A to E at least 90 %. (The *Inception score* is a relative.)
# - **Coverage:** around each test letter lies a ball that reaches its fifth nearest test letter, in the judge's 32 features. The share of balls with a drawing in them.
# - **Density:** in how many balls a drawing lies on average, divided by five. About 1 for real letters.
# - **Nearest:** how many pixels, after rounding, differ from the most similar *training* letter (median). A copy has 0.

# %% [markdown]
# - **FID:** the **Fréchet inception distance** (프레셰 인셉션 거리; Heusel and others, 2017) takes both sets of features for bells, and compares means and spreads. With one feature: means 0 and 3, spreads 1 and 2 give $(0 - 3)^2 + (1 - 2)^2 = 10$. With many, $m$ a mean and $C$ a covariance matrix:
#
# $$\lVert m - m' \rVert^2 + \text{tr}\big(C + C' - 2\,(C C')^{1/2}\big)$$
#
# tr sums the diagonal; for a matrix root: the roots of the eigenvalues. Papers use the features of one large net, Inception; ours come from our judge, so our numbers compare with each other only.
#
# **Ask the room.** A "generator" draws one perfect A, 483 times. Another hands out training letters. What does each measure say of them?
#
# <details><summary>One answer</summary>
#
# One A: all legible, coverage near 0; its density depends on how usual that A is, and FID is bad, since nothing varies. The copies: as good as real letters in every measure but the last.
# </details>

# %%
def frechet(a, b):  # two sets of features, (n, d) and (m, d)
    C, K = np.cov(a.T), np.cov(b.T)
    roots = np.sqrt(np.linalg.eigvals(C @ K).real.clip(0))
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(C + K) - 2 * roots.sum()


def nearest(pictures):  # of each, rounded: pixels off the nearest training letter; which
    apart = torch.cdist(pictures.round().flatten(1), x.flatten(1), p=1)  # (n, training)
    return apart.min(dim=1)

# %%
@torch.no_grad()
def measures(pictures):
    """Legible, density, coverage, FID, nearest: of as many pictures as test letters."""
    legible = (judge(pictures).softmax(1)[:, :5].amax(1) >= 0.9).float().mean().item()
    real, made = judge[0](test), judge[0](pictures)               # (n, 32), (n, 32)
    return (legible, *density_and_coverage(real, made),
            frechet(real.cpu().numpy(), made.cpu().numpy()),
            nearest(pictures)[0].median().item())

# %% [markdown]
# The judge, and two rivals. The strongest rival is old: lecture 13's auto-encoder, and a mixture of ten Gaussians fitted to its codes. It gets as many steps, each of 64 letters, not 32. So does a VAE, which draws from its prior.

# %%
torch.manual_seed(SEED)
judge = nn.Sequential(encoder(32), nn.ReLU(), nn.Linear(32, 10)).to(run.device)
fit(judge, torch.arange(len(all_x), device=run.device), steps=run.steps(200), lr=0.005,
    loss=lambda rows: F.cross_entropy(judge(all_x[rows]), all_y[rows], reduction="none"))
ae = nn.Sequential(encoder(CODE), decoder(CODE)).to(run.device)
fit(ae, x, lambda x: F.binary_cross_entropy_with_logits(ae(x), x, reduction="none")
    .sum((1, 2, 3)), steps=STEPS)
vae = VAE(CODE).to(run.device)
fit(vae, x, vae.negative_elbo, steps=STEPS)

with torch.no_grad():
    codes = ae[0](x).cpu().double().numpy()
    mixture = GaussianMixture(10, reg_covar=1e-3, random_state=SEED).fit(codes)
    z = torch.tensor(mixture.sample(len(test))[0], dtype=torch.float32, device=run.device)
    from_mixture = ae[1](z).sigmoid()[torch.randperm(len(z))]  # they come bell by bell

# %%
# copies, and one A again and again, know nothing of drawing
most_like_a = test[judge(test).softmax(1)[:, 0].argmax()]
shown = {"copies of training": x[torch.randperm(len(x))[:len(test)]],
         "one perfect A": most_like_a.expand_as(test), "section 1": failed,
         "GAN": drawings["all three"], "GAN, to order": to_order,
         "VAE": vae.sample(len(test)), "auto-encoder + mixture": from_mixture}
table = {name: measures(pictures) for name, pictures in shown.items()}

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Beside every number put that of real letters: the ceiling.
# Then let the room find what the GAN is best at in this table. The answer is short, and the lecture does not hide it.

# %%
print(f"{'':24}legible  density  coverage     FID  nearest")
for name, (legible, dense, covered, distance, pixels) in table.items():
    print(f"{name:24}{legible:7.2f}{dense:9.2f}{covered:10.2f}{distance:8.0f}{pixels:9.0f}")

# %%
best_gan = np.maximum(table["GAN"][:3], table["GAN, to order"][:3])
rival = table["auto-encoder + mixture"]
unseen = nearest(test)[0].median().item()
claim("in 300 steps the auto-encoder's mixture leads the better GAN: density",
      rival[1] - best_gan[1], at_least=0.3, short=True)
claim("in 300 steps, coverage (points)", 100 * (rival[2] - best_gan[2]), at_least=15,
      short=True)
claim("in 300 steps, section 1's game: coverage (points)", 100 * table["section 1"][2],
      at_most=2, short=True)
claim("after the three changes (points)", 100 * table["GAN"][2], at_least=20)
with torch.no_grad():
    asked = (judge(to_order).argmax(1) == wanted).float().mean()
claim("to order: the letter that was asked for is drawn (share)", asked, at_least=0.8)
claim("mixture: pixels off the nearest training letter, against an unseen letter's (ratio)",
      rival[4] / unseen, at_least=0.75, at_most=1.25)


# %% [markdown]
# So in 300 steps lecture 13's mixture wins by far in density, coverage and FID. (The GAN to order, which is told the labels, is about as legible.) And it is no copier: its letters are as far from the training letters as unseen ones are. After 5,000 steps, from two starts: section 1's game covers 39 % and nothing, the GAN to order 84 and 83, the mixture 96 and 90.
#
# What is left for the GAN? No real pixel is grey, and a discriminator can see that; so the generator draws few. A VAE's draws hedge with grey (the mixture's less), a GAN commits. But crisp is not good: rounded, the VAE's are crisp, too.

# %%
def with_nearest(name, pictures):
    return {name: pictures, f"{name}: nearest": x[nearest(pictures[:12])[1]]}


plots.strips("Under each drawing its nearest training letter",
             with_nearest("mixture", from_mixture) | with_nearest("GAN", to_order),
             frame=True)
plots.show("Four rows: the mixture's letters, below each a very similar training letter; "
           "the GAN's letters and below each a training letter that differs more.")


def grey(pictures):
    """The share of pixels that are neither ink nor paper, in per cent."""
    return 100 * ((pictures > 0.1) & (pictures < 0.9)).float().mean().item()


print(f"grey pixels: VAE {grey(shown['VAE']):.1f} %, mixture {grey(from_mixture):.1f} %, "
      f"GAN {grey(to_order):.1f} %;  an unseen letter's nearest: {unseen:.0f} pixels")
claim("the VAE has more grey pixels than the GAN to order (ratio)",
      grey(shown["VAE"]) / grey(to_order), at_least=3)

# %% [markdown]
# ## What goes wrong in practice
#
# - **A forgotten `detach`.** Without it (or `no_grad`) $D$'s step leaves gradients in $G$. Not cleared, they teach $G$ to help.
# - **Losses read as progress.** Each is relative to the other net.
# - **Three changes, one credit.** Take each back alone, at several rates.
# - **A count that scatter passes.** Put points that know nothing in the table.
# - **Pretty pictures.** Draw at random.
#
# ## Summary
#
# 1. A GAN is a game: a logistic regression on learned features, and a generator that follows its slope. It rotates; a penalty brings it home.
# 2. The best discriminator is $p / (p + q)$.
# 3. When it wins, the game's own loss goes silent; the non-saturating one does not, and may collapse.
# 4. A bounded slope brings clusters back, with each loss.
# 5. Judge by several measures, beside the strongest rival.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 14`, then open `exercises/work/14_exercises.ipynb`: six tasks, about 95 minutes.
#
# <details><summary>Papers</summary>
#
# - I. Goodfellow and others (2014), *Generative Adversarial Nets*, NIPS.
# - M. Mirza, S. Osindero (2014), *Conditional Generative Adversarial Nets*, arXiv:1411.1784.
# - A. Radford, L. Metz, S. Chintala (2016), *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks*, ICLR.
# - T. Salimans and others (2016), *Improved Techniques for Training GANs*, NIPS.
# - M. Arjovsky, S. Chintala, L. Bottou (2017), *Wasserstein Generative Adversarial Networks*, ICML.
# - I. Gulrajani and others (2017), *Improved Training of Wasserstein GANs*, NIPS.
# - M. Heusel and others (2017), *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*, NIPS.
# - L. Mescheder, A. Geiger, S. Nowozin (2018), *Which Training Methods for GANs do actually Converge?*, ICML (the one-number game; exercise 4).
# - T. Miyato and others (2018), *Spectral Normalization for Generative Adversarial Networks*, ICLR.
# - G. Gidel and others (2019), *Negative Momentum for Improved Game Dynamics*, AISTATS.
# - M. F. Naeem and others (2020), *Reliable Fidelity and Diversity Metrics for Generative Models*, ICML.
# </details>
