# %% [markdown]
# # 13 · Variational auto-encoder
#
# **Question.** An auto-encoder can rebuild what it sees. What does it lack to make up something new, and to say how likely a picture is?
#
# **You will be able to** derive the bound that a VAE climbs, and measure both of its parts; send a gradient through a random draw; check a VAE against an exact answer; draw letters; tell broken traffic from real traffic, and say what a likelihood does not see.
#
# **Needs** 07, 08, 10 · **Minutes** 85 to teach, 130 to study · **CPU** 45 s
#
# On the map: `vae`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0

# %%
import math
from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from torch import distributions, nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime
from utils.claims import claim
from utils.scratch.generators import letters

# nets this small: a second thread only waits
run = runtime.setup(PROFILE, SEED, DEVICE, BUDGET, threads=1)
rng = np.random.default_rng(SEED)

# %%
concept_map.show("13")

# %% [markdown]
# ## 1 · An auto-encoder does not know where its codes are
#
# On the map: `vae`
#
# An auto-encoder rebuilds letters well, and a code that you make up gives you scribble.
#
# Lecture 07's **auto-encoder** (오토인코더) squeezes a picture into a **code** $z$, here sixteen numbers, and rebuilds the picture from it.
# To *make* a picture, draw a code and decode it. From where do you draw?
#
# The pictures are the letters A to E in six plain fonts, each pixel ink or paper, 1 or 0.
# The nets are lecture 10's convolutions; a **transposed convolution** runs one backward, from small to large.
# The decoder's last layer is 784 logistic regressions, one a pixel, on what the layer before has learned.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# Let the room say where they would draw codes from before you show anything. "From a Gaussian" is the usual answer; ask which one.
# The judge is a crutch: a net is sure of strange pictures too. Look at the pictures first, at the numbers after.

# %%
def encoder(outputs):
    return nn.Sequential(  # (n, 1, 28, 28)
        nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.ReLU(),  # (n, 8, 14, 14)
        nn.Conv2d(8, 16, 4, stride=2, padding=1), nn.ReLU(),  # (n, 16, 7, 7)
        nn.Flatten(), nn.Linear(16 * 7 * 7, outputs))  # (n, outputs)


def decoder(inputs):
    return nn.Sequential(  # (n, inputs)
        # (n, 16, 7, 7)
        nn.Linear(inputs, 16 * 7 * 7), nn.Unflatten(1, (16, 7, 7)), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1), nn.ReLU(),  # (n, 8, 14, 14)
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1))  # (n, 1, 28, 28) logits


def log_likelihood(logits, x):
    """Log-probability of pictures whose pixels are coins with these logits: (n, 1, 28, 28)
    -> (n,) nats."""
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))

# %%
def train(model, loss, inputs, steps, lr=0.01, batch=64):
    """Adam, its rate rising, then falling; loss(model, rows): a number a row.
    Returns the steps' losses."""
    optimizer = torch.optim.Adam(model.to(inputs.device).parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.2,
                                                   cycle_momentum=False)
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        rows = torch.randint(len(inputs), (batch,)) if batch else slice(None)
        mean = loss(model, inputs[rows]).mean()
        optimizer.zero_grad()
        mean.backward()
        optimizer.step()
        schedule.step()
        losses.append(mean.detach())
    return torch.stack(losses).cpu()

# %%
CODE, STEPS = 16, run.pick(lecture=500, full=5000)
all_x, all_y = (a.to(run.device) for a in letters("train", "ABCDEFGHIJ"))
x = all_x[all_y < 5]  # (n, 1, 28, 28) of zeros and ones: the letters A to E
test = letters("test", "ABCDE")[0].to(run.device)

ae = nn.Sequential(encoder(CODE), decoder(CODE))
train(ae, lambda ae, x: -log_likelihood(ae(x), x), x, STEPS);

# %% [markdown]
# Judge made-up pictures by eye; and by a **judge**, a small classifier of the letters A to J.
#
# - **Legible**: the judge gives one of A to E at least 90 %.
# - **Coverage**: draw a ball around each test letter, in the judge's 32 features, out to its fifth nearest neighbour. In which share of the balls lies a drawn picture?
#
# A judge can be fooled by one picture, drawn again and again. Coverage cannot (more in lecture 14).
#
# **Predict first.** The judge reads nearly all letters that the auto-encoder has rebuilt.
# Draw 1,000 codes from a standard Gaussian and decode them. Which share of the test letters do they cover?

# %%
judge = nn.Sequential(encoder(32), nn.ReLU(), nn.Linear(32, 10))
train(judge,
      lambda judge, rows: F.cross_entropy(judge(all_x[rows]), all_y[rows],
                                          reduction="none"),
      torch.arange(len(all_x), device=run.device), steps=300, lr=0.005)


@torch.no_grad()
def legible(pictures):
    return (judge(pictures).softmax(1)[:, :5].amax(1) >= 0.9).float().mean().item()


@torch.no_grad()
def coverage(pictures):
    real, made = judge[0](test), judge[0](pictures)  # (n, 32), (m, 32)
    # the first is the letter itself
    radius = torch.cdist(real, real).kthvalue(6, dim=1).values
    return (torch.cdist(real, made).amin(1) <= radius).float().mean().item()


@torch.no_grad()
def decode(decoder, z):
    # (n, 1, …)
    z = torch.as_tensor(z, dtype=torch.float32, device=run.device)
    return torch.sigmoid(decoder(z))

with torch.no_grad():
    ae_codes, rebuilt = ae[0](x), torch.sigmoid(ae(test))  # (n, 16), (m, 1, 28, 28)
noise = torch.randn(1000, CODE)
plots.strips("Rebuilt, a letter is sharp; drawn, it is scribble",
             {"test": test, "rebuilt": rebuilt, "drawn": decode(ae[1], noise)})
plots.show("Three rows: test letters; the same, rebuilt well; "
           "and shapeless blots from random codes.")

# %%
print(f"the judge calls {100 * legible(decode(ae[1], noise)):.0f} % of these blots "
      "legible: it can be fooled")
claim("nearly every rebuilt letter is legible", legible(rebuilt), at_least=0.9)
claim("1,000 drawn pictures cover few of the test letters",
      coverage(decode(ae[1], noise)), at_most=0.35)
claim("real codes lie far from such draws: their standard deviation",
      ae_codes.std(0).mean(), at_least=3)

# %% [markdown]
# ## 2 · A bound on the likelihood, in two parts
#
# On the map: `vae`
#
# A model that draws a code and decodes it gives each picture a probability, and the ELBO bounds its logarithm from below.
#
# Say how a picture comes about: a code $z$ is drawn from the **prior** (사전분포) $p(z) = \mathcal N(0, I)$, a picture from $p(x \mid z)$, the decoder.
# A picture's probability is an average over all codes, an ensemble with one member for each code:
#
# $$p(x) = \mathbb E_{p(z)}\big[p(x \mid z)\big]$$
#
# Drawing codes blindly hardly ever finds one that fits $x$.
# So let an encoder propose: $q(z)$, a Gaussian that may depend on $x$. Weight each draw for having been proposed:
#
# $$\log p(x) = \log \mathbb E_q\!\left[\frac{p(x \mid z)\, p(z)}{q(z)}\right] \ge \mathbb E_q\!\left[\log \frac{p(x \mid z)\, p(z)}{q(z)}\right]$$

# %% [markdown]
# The step is **Jensen's inequality**: the logarithm of an average is at least the average of the logarithms.
# The right side is the **evidence lower bound**, or **ELBO** (증거 하한):
#
# $$\text{ELBO} = \underbrace{\mathbb E_q[\log p(x \mid z)]}_{\text{reconstruction}} - \underbrace{\text{KL}(q \,\|\, p(z))}_{\text{price of the code}}$$
#
# The **KL divergence** $\text{KL}(q \,\|\, p) = \mathbb E_q[\log q(z) - \log p(z)]$ is never negative, and zero only where $q = p$.
# Read it as the nats that the code carries.
#
# The codes that fit, once $x$ has been seen, have a distribution of their own, the **posterior** $p(z \mid x)$. The gap between the two sides is the KL divergence from $q$ to it (proof below).
#
# **Ask the room.** Move the sliders. Where do the arch and the line meet, and what is $q$ there?
#
# <details><summary>Proof: the gap is a KL divergence too</summary>
#
# By Bayes' rule p(x|z) p(z) = p(x) p(z|x). Put that into the ELBO: E_q[log p(x) + log p(z|x) − log q(z)] = log p(x) − KL(q ‖ p(z|x)).
# So the bound is tight exactly when q is the posterior p(z|x), and raising the ELBO by q brings q closer to it.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (15 minutes).**
# Derive it on the board, with the room naming each step. Then move the sliders until the gap is zero.
# Wrong answer to expect: "the best q is the prior, then the KL is zero". Then the reconstruction is bad: the two parts pull against each other.

# %%
x0, s = 1.5, 0.6  # the smallest model: z ~ N(0, 1), x given z ~ N(z, s²), and 1.5 was seen
evidence = distributions.Normal(0, math.sqrt(1 + s**2)).log_prob(torch.tensor(x0)).item()
posterior = distributions.Normal(x0 / (1 + s**2), s / math.sqrt(1 + s**2))


def kl(mu, logvar):
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats, summed over the code: (n, d), (n, d)
    -> (n,)."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def elbo_parts(m, v):
    """Reconstruction and price of q = N(m, v²), both exact."""
    reconstruction = (-((x0 - m) ** 2 + v**2) / (2 * s**2)
                      - math.log(s * math.sqrt(2 * math.pi)))
    return reconstruction, kl(torch.tensor([m]), torch.tensor([2 * math.log(v)])).item()

# %%
def draw(m=0.2, v=0.8):
    reconstruction, price = elbo_parts(m, v)
    text = f"ELBO = {reconstruction:.2f} − {price:.2f} = {reconstruction - price:.2f}"
    text = text.replace("-", "−")
    fig, (left, right) = plots.panels(
        f"{text}, a gap of {evidence - reconstruction + price:.2f} nats",
        ["the proposal q and its target", "the ELBO along q's mean"], xlabel="code z",
        ylabel="density")
    z = torch.linspace(-3, 3.5, 300)
    for q, color, label, at, dx in [
            (distributions.Normal(0.0, 1.0), plots.GREY, "prior", -1.5, -44),
            (posterior, plots.INK, "posterior", 1.6, 6),
            (distributions.Normal(m, v), plots.ORANGE, "q", m, -20)]:
        left.plot(z, q.log_prob(z).exp(), color=color)
        plots.name(left, at, q.log_prob(torch.tensor(at)).exp(), label, color, dx=dx, dy=8)
    means = np.linspace(-0.5, 2.5, 100)
    right.plot(means, [np.subtract(*elbo_parts(a, v)) for a in means], color=plots.ORANGE)
    right.plot(m, reconstruction - price, "o", color=plots.ORANGE)
    right.axhline(evidence, color=plots.INK)
    plots.name(right, -0.5, evidence + 0.4, "log p(x)", plots.INK)
    right.set(xlabel="mean of q", ylabel="nats", ylim=(-8, 0))
    plots.show("Left, three bells: prior, posterior, q. "
               "Right, the ELBO is an arch below a line, log p(x).")


plots.knobs(draw, m=(-0.5, 2.5), v=(0.1, 1.5))

# %%
settings = [(0.2, 0.8), (-1.0, 0.3), (2.0, 1.5),
            (posterior.loc.item(), posterior.scale.item())]
gaps = [evidence - np.subtract(*elbo_parts(m, v)) for m, v in settings]
wrong_by = [distributions.kl_divergence(distributions.Normal(m, v), posterior).item()
            for m, v in settings]
claim("the gap is the KL from q to the posterior",
      np.abs(np.subtract(gaps, wrong_by)).max(), at_most=1e-5)
claim("with q the posterior there is no gap", abs(gaps[-1]), at_most=1e-5)

# %%
q, prior = distributions.Normal(2.0, 1.5), distributions.Normal(0.0, 1.0)
# its mean is the KL, by definition
log_ratio = q.log_prob(z := q.sample((100_000,))) - prior.log_prob(z)
off = (log_ratio.mean() - elbo_parts(2.0, 1.5)[1]) / (log_ratio.std() / math.sqrt(len(z)))

# %%
claim("100,000 draws give the closed form's KL, within this many standard errors",
      abs(off), at_most=4.5)

mu, logvar = torch.randn(2, 50, CODE)
library = distributions.kl_divergence(distributions.Normal(mu, torch.exp(logvar / 2)),
                                      prior).sum(1)
claim("torch.distributions has the same KL",
      (kl(mu, logvar) - library).abs().max(), at_most=1e-4)

# %% [markdown]
# ## 3 · A gradient through a random draw
#
# On the map: `vae`
#
# Written as $z = \mu + \sigma \varepsilon$, a draw has a derivative, and that estimate of the gradient is, here and usually, far less noisy than its rival.
#
# The encoder gives $\mu$ and $\sigma$; then $z$ is drawn. How does $\mu$ hear from the loss?
# With $f(z) = \log p(x \mid z)$, wanted is the gradient of $\mathbb E_q[f(z)]$ by $\mu$. Two ways:
#
# - **Score function** (REINFORCE in lecture 16): $f(z)\, \nabla_\mu \log q(z)$. It needs only the value of $f$, so the code may even be made of bits.
# - **Reparameterization** (재매개변수화): draw $\varepsilon \sim \mathcal N(0, I)$, a plain input. Then $\mu$ and $\sigma$ are in the graph, and the chain rule does the rest: $\nabla f(z)$.
#
# **Predict first.** Both are right on average. With a code of 64 numbers, how much larger is the spread of the score function's estimate?

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# An image: the score function tastes the soup and guesses which spoon of salt did it; reparameterization asks each spoon.
# A spread ten times as large takes a hundred times as many draws to average away.
# The baseline is a trick of lecture 16: subtract what you expected. It does not change the mean, because the score's mean is zero.

# %%
def estimates(d, draws=4000):
    """The gradient by mu[0], one estimate a draw:
    f(z) = log N(x; z, I), x = 1, mu = 0, sigma = 1."""
    z = torch.randn(draws, d)                                # (draws, d)
    f = -0.5 * ((1 - z) ** 2).sum(1)                         # (draws,), constants left out
    score = z[:, 0]  # derivative of log q(z) by mu[0]
    return {"score function": f * score,
            "score function − baseline": (f - f.mean()) * score,
            "reparameterization": 1 - z[:, 0]}  # derivative of f(mu + eps) by mu[0]


dims = [1, 4, 16, 64, 256]
estimated = {d: estimates(d) for d in dims}
fig, ax = plots.figure("The score function's noise grows with the code, "
                       "reparameterization's does not",
                       xlabel="numbers in the code", ylabel="spread of one estimate")
for label, color in zip(estimated[1], [plots.RED, plots.ORANGE, plots.BLUE], strict=True):
    spread = [estimated[d][label].std() for d in dims]
    ax.loglog(dims, spread, "o-", color=color)
    plots.name(ax, dims[-1], spread[-1], label, color, dx=8)
ax.set_xticks(dims, dims)
ax.minorticks_off()
plots.show("Spread on log axes: one line is flat at one, one rises as the root, "
           "one in proportion.")

# %%
def standard_errors_off(draws, truth=1.0):
    return abs(draws.mean() - truth) / (draws.std() / math.sqrt(len(draws)))


claim("all of them are right on average, within this many standard errors",
      max(standard_errors_off(e) for ways in estimated.values() for e in ways.values()),
      at_most=4.5)
plain, with_baseline, reparameterized = (e.std() for e in estimated[64].values())

# %%
claim("at 64 numbers the score function's spread is so many times",
      plain / reparameterized, at_least=40)
claim("a baseline helps, and does not close the gap",
      with_baseline / reparameterized, at_least=6, at_most=16)

# %%
# The library's way: rsample() draws inside the graph; behind sample() the graph ends.
mu = torch.zeros(64, requires_grad=True)
q = distributions.Normal(mu, 1.0)
z = q.rsample()
(-0.5 * ((1 - z) ** 2).sum()).backward()

# %%
claim("rsample's gradient is the reparameterized one",
      (mu.grad - (1 - z.detach())).abs().max(), at_most=1e-6)
claim("behind sample() is no gradient: take log_prob, and multiply",
      q.sample().requires_grad, at_most=0)

# %% [markdown]
# ## 4 · An exact check: the linear VAE is probabilistic PCA
#
# On the map: `vae`
#
# Where the exact likelihood is known, a VAE must reach it, and it does.
#
# Make both nets linear: $p(x \mid z) = \mathcal N(Wz, s^2 I)$, and the encoder's mean $Vx$ with one $\sigma$ for each axis of the code.
# Then $p(x)$ is one Gaussian, and its best likelihood is known: **probabilistic PCA** (Tipping and Bishop 1999).
# scikit-learn's `PCA(...).score` computes it. 178 wines, 13 measurements each, brought to mean 0 and standard deviation 1.
#
# Lecture 08's linear auto-encoder found the subspace of PCA, but no axes inside it.

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# This is the test to write for your own VAE before you believe its curves.
# The importance-weighted bound is the thesis in one line: average the machines, then judge.

# %%
wine = data.load("wine").x
wine = torch.tensor((wine - wine.mean(0)) / wine.std(0))  # (178, 13), double precision


class LinearVAE(nn.Module):
    def __init__(self, axes, log_s=None):
        super().__init__()
        self.W, self.V = (nn.Parameter(0.1 * torch.randn(13, axes).double())
                          for _ in range(2))
        self.logvar = nn.Parameter(torch.zeros(axes).double())
        self.log_s = (nn.Parameter(torch.zeros(1).double()) if log_s is None
                      else torch.tensor([log_s]))

    def log_normal(self, x, z):
        """log p(x | z): (n, 13), (..., n, axes) -> (..., n)."""
        return distributions.Normal(z @ self.W.T, self.log_s.exp()).log_prob(x).sum(-1)

    def negative_elbo(self, x):
        mu = x @ self.V                                                          # (n, axes)
        z = mu + torch.exp(self.logvar / 2) * torch.randn_like(mu)
        return kl(mu, self.logvar.expand_as(mu)) - self.log_normal(x, z)         # (n,)

    def exact(self, x):
        """log p(x): one Gaussian with covariance WWᵀ + s²I."""
        covariance = self.W @ self.W.T + (2 * self.log_s).exp() * torch.eye(13)
        return distributions.MultivariateNormal(torch.zeros(13).double(),
                                                covariance).log_prob(x)


def train_linear(model):
    return -train(model, LinearVAE.negative_elbo, wine, 3 * STEPS, lr=0.03, batch=None)

# %%
linear = LinearVAE(axes=2)
curve = train_linear(linear)
pca = PCA(2).fit(wine)
best = pca.score(wine)  # log-likelihood a wine, in nats
with torch.no_grad():
    reached = -linear.negative_elbo(wine.repeat(200, 1)).mean()
    exact = linear.exact(wine).mean()

# %%
claim("the ELBO reaches probabilistic PCA's log-likelihood: nats apart",
      abs(reached - best), at_most=0.05)
claim("the model's own exact log-likelihood is scikit-learn's",
      abs(exact - best), at_most=0.01)
W = linear.W.detach()
angles = np.rad2deg(subspace_angles(W.numpy(), pca.components_.T))

# %%
claim("the decoder's plane is PCA's, to this many degrees", angles.max(), at_most=1.5)
claim("its two axes are at right angles: cosine",
      abs(F.cosine_similarity(*W.T, dim=0)), at_most=0.05)

# %% [markdown]
# The last one is new. A code with one $\sigma$ for each axis prices axes that are mixed, so the VAE turns them until they are PCA's own.
#
# **A tighter bound.** Average $k$ weights *before* the logarithm, and Jensen gives less away:
#
# $$\text{ELBO}_k = \mathbb E\left[\log \tfrac1k \sum_{i=1}^{k} \frac{p(x \mid z_i)\, p(z_i)}{q(z_i)}\right]$$
#
# This is the **importance-weighted bound** (Burda and others 2016). It never falls as $k$ grows, and goes to $\log p(x)$ if the weights are bounded.
# Try it with a proposal that does not look at $x$ at all: $q$ = the prior.

# %%
def weighted_bound(log_weights):
    """Draws along the first axis: (k, n) log-weights -> (n,).
    logsumexp, so that no weight underflows."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


counts = [1, 3, 10, 30, 100, 300, 1000, 3000]
with torch.no_grad():  # q = p(z): the two cancel in the weight
    blind = {}
    for k in counts:
        z = torch.randn(k, len(wine), 2).double()
        blind[k] = weighted_bound(linear.log_normal(wine, z)).mean().item()

fig, (left, right) = plots.panels("A VAE arrives at the exact answer; "
                                  "a blind proposal with many draws too",
                                  ["one draw, while training", "a blind proposal, k draws"],
                                  xlabel="step", ylabel="bound (nats a wine)", sharey=True)
left.plot(curve, color=plots.BLUE, linewidth=1)
right.semilogx(counts, blind.values(), "o-", color=plots.ORANGE)
right.set(xlabel="k", ylim=(-30, -14))
for ax in (left, right):
    ax.axhline(best, color=plots.INK, linewidth=1)
plots.name(left, 600, best + 0.9, "exact: probabilistic PCA", plots.INK)
plots.show("Left, the ELBO climbs to the exact line. "
           "Right, the bound climbs to it as k goes to 3,000.")

claim("one blind draw is far below the exact value, in nats", best - blind[1], at_least=2)
claim("each tenfold number of draws helps",
      min(blind[10] - blind[1], blind[100] - blind[10]), at_least=0.2)
claim("3,000 come close", abs(best - blind[3000]), at_most=0.1)

# %% [markdown]
# **Predict first.** Fix the decoder's noise at $s = 1$, as a plain squared error does, and give the code six axes.
# The variances along the wines' principal axes are 4.7, 2.5, 1.4, 0.9, 0.9 and 0.6. Does the VAE use all six?
#
# (An axis of variance $\lambda$ is worth $\tfrac12 \log(\lambda / s^2)$ nats where $\lambda > s^2$, and nothing otherwise: follows from Tipping and Bishop.)

# %%
blunt = LinearVAE(axes=6, log_s=0.0)
train_linear(blunt)
with torch.no_grad():
    # price (178, 6)
    price = 0.5 * ((wine @ blunt.V) ** 2 + blunt.logvar.exp() - 1 - blunt.logvar)
used = price.mean(0).sort(descending=True).values
variance = torch.linalg.eigvalsh(wine.T @ wine / len(wine)).flip(0)[:6]
formula = 0.5 * variance.log().clamp(min=0)

fig, ax = plots.figure("Axes with less variance than the decoder's noise are switched off",
                       xlabel="axis of the wines, by variance", ylabel="nats of code",
                       size=(7.5, 3.4))
ax.bar(np.arange(6) - 0.2, used, width=0.36, color=plots.BLUE)
ax.bar(np.arange(6) + 0.2, formula, width=0.36, color=plots.GREY)
ax.set_xticks(range(6), [f"{v:.2f}" for v in variance])
plots.name(ax, 3, 0.55, "KL, measured", plots.BLUE)
plots.name(ax, 3, 0.45, "½ log variance", plots.GREY)
plots.show("Bars of nats for six axes: "
           "three fall from 0.8 to 0.2 and meet the formula, three are zero.")
claim("each axis costs what the formula says", (used - formula).abs().max(), at_most=0.06)
claim("axes in use, of six", (used > 0.05).sum(), at_least=3, at_most=3)

# %% [markdown]
# ## 5 · A VAE on letters, and where to draw from
#
# On the map: `vae`
#
# The VAE's codes lie near the prior, so a draw from it often gives a letter; describing the codes afterwards works better, for the plain auto-encoder too.
#
# A **variational auto-encoder** (변분 오토인코더; Kingma and Welling 2014) is section 1's auto-encoder with two changes:
# the encoder gives a mean and a log-variance for each number of the code, and the loss is the negative ELBO.
# The price is phased in over the first steps; else the code may be given up before it is of use.

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
# The table of who draws from where is the honest part: most books stop at the VAE's row. Let the room explain the mixture's success before you do.
# If someone asks for sharper pictures: lecture 14.

# %%
class VAE(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.encoder, self.decoder = encoder(2 * d), decoder(d)

    def encode(self, x):
        """(n, 1, 28, 28) -> mean and log-variance of the code, (n, d) each."""
        return self.encoder(x).chunk(2, dim=1)

    def parts(self, x):
        """Reconstruction, with one draw, and KL: (n,), (n,) nats."""
        mu, logvar = self.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        return log_likelihood(self.decoder(z), x), kl(mu, logvar)


def train_vae(beta=1.0):
    """A VAE on letters; beta weighs the price of the code (section 6)."""
    weights = iter(beta * np.clip(np.arange(1, STEPS + 1) / (0.4 * STEPS), 0, 1))

    def loss(vae, x):
        reconstruction, price = vae.parts(x)
        return next(weights) * price - reconstruction

    vae = VAE(CODE)
    train(vae, loss, x, STEPS)
    return vae


vae = train_vae()

# %%
@torch.no_grad()
def log_weights(vae, x, k):
    """k draws a picture: log p(x | z) + log p(z) - log q(z), (k, n);
    in the library's words."""
    mu, logvar = vae.encode(x)
    q = distributions.Normal(mu, torch.exp(logvar / 2))
    prior = distributions.Normal(0.0, 1.0)
    weights = []
    for z in (q.sample() for _ in range(k)):
        pixels = distributions.Bernoulli(logits=vae.decoder(z)).log_prob(x).sum((1, 2, 3))
        weights.append(pixels + (prior.log_prob(z) - q.log_prob(z)).sum(1))
    return torch.stack(weights)


with torch.no_grad():
    vae_codes, (mu, logvar) = vae.encode(x)[0], vae.encode(test)
    reconstruction, price = (part.mean().item() for part in vae.parts(test))
elbo, weights = reconstruction - price, log_weights(vae, test, k=32)
print(f"unseen letters: reconstruction {reconstruction:.1f}, KL {price:.1f}, "
      f"ELBO {elbo:.1f}")
lonely = log_likelihood(x.mean(0).clamp(0.001, 0.999).logit().expand_as(test), test).mean()
claim("the ELBO beats pixels that know nothing of each other, in nats",
      elbo - lonely, at_least=100)
claim("torch.distributions gives the same ELBO, up to the draws",
      abs(weights.mean() - elbo), at_most=3)
bounds = {k: weighted_bound(weights[:k]).mean().item() for k in (1, 4, 32)}
claim("four draws give a tighter bound than one, in nats",
      bounds[4] - bounds[1], at_least=1)
claim("thirty-two than four", bounds[32] - bounds[4], at_least=1)

# %% [markdown]
# Now draw. From the prior; and from what the codes of the training letters *are*, found out afterwards:
# a **mixture** of ten Gaussians (lecture 17 builds one: ten bells, each with a share, a middle and a shape), fitted to the codes (for the VAE, to their means).
# That is two machines stacked, and the second knows nothing of pictures.
#
# **Predict first.** Four ways: auto-encoder or VAE, prior or mixture. Order them by the share of legible letters.

# %%
def from_mixture(codes, n=1000):
    mixture = GaussianMixture(10, reg_covar=1e-3,
                              random_state=SEED).fit(codes.cpu().double().numpy())
    return mixture.sample(n)[0][rng.permutation(n)]  # they come sorted by component


drawings = {"AE, prior": decode(ae[1], noise), "VAE, prior": decode(vae.decoder, noise),
            "AE, mixture": decode(ae[1], from_mixture(ae_codes)),
            "VAE, mixture": decode(vae.decoder, from_mixture(vae_codes))}
plots.strips("Drawn letters: the prior needs a VAE, the mixture does not", drawings)
plots.show("Four rows of drawn letters: blots; letters, some of them broken; "
           "two rows of clear letters.")

# %%
share = {way: (legible(pictures), coverage(pictures)) for way, pictures in drawings.items()}
for way, (clear, covered) in share.items():
    print(f"{way:13}: legible {100 * clear:3.0f} %, coverage {100 * covered:3.0f} %")
prior_ae, prior_vae, mixture_ae, mixture_vae = share.values()

# %%
claim("from the prior, the VAE covers more than the auto-encoder",
      prior_vae[1] - prior_ae[1], at_least=0.2)
claim("with a mixture fitted afterwards, the plain auto-encoder beats the VAE's prior, "
      "on both counts",
      min(np.subtract(mixture_ae, prior_vae)), at_least=0.15)
claim("with it the VAE is about as legible",
      abs(mixture_vae[0] - mixture_ae[0]), at_most=0.1)

# %% [markdown]
# So "an auto-encoder cannot be sampled" is true for a blind draw only (compare Ghosh and others 2020).
# The VAE's codes, all together, are *near* the prior, not equal to it: some draws fall between the letters.
#
# What does the VAE have that no mixture gives? A bound on the likelihood of a picture, hence surprise in nats;
# and the same bound for every decoder, so that two models can be compared.

# %% [markdown]
# ## 6 · What the code means, and what β buys
#
# On the map: `vae`
#
# Halfway between two codes there is mostly a letter, in a plain auto-encoder too; β sets how many nats a code may carry.
#
# **β-VAE** (Higgins and others 2017): weight the price, $\text{reconstruction} - \beta\, \text{KL}$.
# This is a bound on $\log p(x)$ for $\beta \ge 1$ only, and the tightest one at $\beta = 1$.
# Section 4 says what to expect: for a Gaussian decoder, $\beta$ acts as a noise of $\beta s^2$, so more axes are switched off.

# %% [markdown] tags=["notes"]
# **Notes for the room (10 minutes).**
# Ask for two letters from the room and change the picks.
# The halfway picture is sometimes no letter at all. Say so: nothing promised otherwise.

# %%
# a test picture of A, B, C, D, E
letter = [int((judge(test).argmax(1) == k).nonzero()[3]) for k in range(5)]
dearest = (0.5
           * (mu**2 + logvar.exp() - 1 - logvar)).mean(0).argsort(descending=True).tolist()


def between(start, end, steps=12):
    """Decode a straight line between the codes of two test pictures."""
    share = torch.linspace(0, 1, steps, device=mu.device)[:, None]  # (steps, 1)
    return decode(vae.decoder, torch.lerp(mu[start], mu[end], share))


def along(axis, start, steps=12):
    """Decode one test picture's code with one of its numbers moved from -3 to 3."""
    codes = mu[start].repeat(steps, 1)
    codes[:, axis] = torch.linspace(-3, 3, steps, device=mu.device)
    return decode(vae.decoder, codes)


plots.strips("Between two codes, and along one number of a code",
             {"A to B": between(letter[0], letter[1]),
              "D to E": between(letter[3], letter[4]),
              "dearest number": along(dearest[0], letter[1]),
              "second": along(dearest[1], letter[1]),
              "cheapest": along(dearest[-1], letter[1])})
plots.show("Five rows: A melts into B, D into E; "
           "a B changes shape along three numbers of its code.")

# %%
order = torch.from_numpy(rng.permutation(len(x)))
halfway_ae = legible(decode(ae[1], (ae_codes + ae_codes[order])[:1000] / 2))
halfway_vae = legible(decode(vae.decoder, (vae_codes + vae_codes[order])[:1000] / 2))
claim("halfway between two letters there is a legible one, more often than not",
      halfway_vae, at_least=0.55)
claim("the plain auto-encoder's are about as good",
      abs(halfway_vae - halfway_ae), at_most=0.2)

# %%
cheap = train_vae(beta=0.2)

# %%
dear = train_vae(beta=4.0)
betas = {0.2: cheap, 1.0: vae, 4.0: dear}
drawn = {beta: decode(model.decoder, noise) for beta, model in betas.items()}
plots.strips("From the prior: a dear code draws fewer scribbles, and fewer details",
             {f"β = {beta:g}": pictures for beta, pictures in drawn.items()})
plots.show("Rows of drawn letters: many scribbles at β = 0.2, fewer at 1, "
           "and plain ones at 4.")

# %%
with torch.no_grad():
    parts = {beta: [part.mean().item() for part in model.parts(test)]
             for beta, model in betas.items()}
elbos = {beta: reconstruction - price for beta, (reconstruction, price) in parts.items()}
covered = {beta: coverage(pictures) for beta, pictures in drawn.items()}
for beta, (reconstruction, price) in parts.items():
    print(f"β = {beta:3g}: reconstruction {reconstruction:6.1f}, KL {price:4.1f}, "
          f"ELBO {elbos[beta]:6.1f}, "
          f"legible {100 * legible(drawn[beta]):.0f} %, "
          f"coverage {100 * covered[beta]:.0f} %")
claim("a larger β: fewer nats of code", parts[0.2][1] - parts[4.0][1], at_least=20)
claim("and a worse reconstruction", parts[0.2][0] - parts[4.0][0], at_least=20)
claim("of the three, β = 1 has the best ELBO, by",
      elbos[1.0] - max(elbos[0.2], elbos[4.0]), at_least=2)
claim("but β = 4 covers more of the test letters",
      covered[4.0] - covered[1.0], at_least=0.1)

# %% [markdown]
# The best bound and the best-looking draws are different goals.
# A number of the code seldom means one thing. "Disentangled" codes cannot be guaranteed without labels or further assumptions (proved by Locatello and others 2019); that β brings them is folklore.
#
# **Ask the room.** Two papers report log-likelihoods of VAEs, one with section 4's $k = 1$, one with $k = 5000$. May you compare them?

# %% [markdown]
# ## 7 · The ad log: is this traffic odd?
#
# On the map: `vae`
#
# A VAE of impressions notices a broken join without being told the rule, and so does a plain table; and it takes a dull bot for the best of traffic.
#
# A row of names becomes one-hot columns, the decoder gives each column a softmax, and the **surprise** is the negative ELBO.
# Train on ten days. Then two kinds of odd rows:
#
# - a **broken join**: every column of later rows is shuffled on its own, so nothing fits (an ad has one advertiser, a context one site);
# - a **dull bot** repeats the hundred past impressions with the most frequent values.
#
# **Predict first.** For which of the two is the surprise above the usual?

# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
# The second half is the lesson: "unlikely" and "odd" are two things. For a coin that prefers heads, a thousand heads in a row is the single most likely outcome, and nobody believes it.

# %%
columns = ["age", "gender", "ad", "advertiser", "category", "context", "site", "position",
           "device", "hour"]
log = data.load("ads", rows=60_000, seed=SEED)
sizes = [log.sizes[name] for name in columns]
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]


def one_hot(log):
    return torch.tensor(log.one_hot(columns).toarray(), dtype=torch.float32,
                        device=run.device)


class TrafficVAE(nn.Module):
    def __init__(self, d=8, hidden=64):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(sum(sizes), hidden), nn.ReLU(),
                                     nn.Linear(hidden, 2 * d))
        self.decoder = nn.Sequential(nn.Linear(d, hidden), nn.ReLU(),
                                     nn.Linear(hidden, sum(sizes)))

    def surprise(self, x):
        """The negative ELBO, with one draw: (n, all values) -> (n,) nats."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        logits = self.decoder(mu + torch.exp(logvar / 2) * torch.randn_like(mu))
        reconstruction = sum((row * z.log_softmax(1)).sum(1)
                             for row, z in zip(x.split(sizes, 1), logits.split(sizes, 1),
                                               strict=True))
        return kl(mu, logvar) - reconstruction


traffic = TrafficVAE()
train(traffic, TrafficVAE.surprise, one_hot(past), run.pick(lecture=800, full=5000),
      lr=0.005, batch=512);

# %%
# Beside it three plain detectors: larger is odder, one number a row.
frequency = one_hot(past).mean(0)                            # of each value, on its own
plane = PCA(8).fit(one_hot(past[:10_000]).cpu())  # a linear auto-encoder with as many axes
seen = one_hot(past).T @ one_hot(past) > 0  # (values, values): ever in one row?


def vae_surprise(rows):
    with torch.no_grad():
        return torch.stack([traffic.surprise(one_hot(rows))
                            for _ in range(10)]).mean(0).cpu().numpy()


def rarity(rows):
    return -(one_hot(rows) @ frequency.clamp(min=1e-6).log()).cpu().numpy()


def pca_error(rows):
    values = one_hot(rows).cpu().numpy()
    return ((values - plane.inverse_transform(plane.transform(values))) ** 2).sum(1)


def new_pairs(rows):
    """In how many pairs of columns do two values meet that never met in the past?"""
    return ((one_hot(rows) @ (~seen).float()) * one_hot(rows)).sum(1).cpu().numpy() / 2


order = rng.permutation(len(future))
real, other = future[order[:4000]], future[order[4000:8000]]
broken = replace(other,
                 features={name: rng.permutation(values)
                           for name, values in other.features.items()})
bot = past[np.argsort(rarity(past))[rng.integers(0, 100, 4000)]]
detectors = {"VAE": vae_surprise, "rarity": rarity, "PCA error": pca_error,
             "table of pairs": new_pairs}
scores = {name: [detect(rows) for rows in (real, broken, bot)]
          for name, detect in detectors.items()}

# %%
fig, ax = plots.figure("A broken join surprises the VAE, "
                       "and a bot looks more normal than people",
                       xlabel="surprise (nats)", ylabel="share of rows (%)",
                       size=(7.5, 3.8))
for values, color, label, at, height in zip(scores["VAE"],
                                            [plots.BLUE, plots.RED, plots.ORANGE],
                                            ["real", "broken join", "dull bot"],
                                            [18.5, 34, 16.5], [30, 9, 40], strict=True):
    counted, edges = np.histogram(values, np.arange(10, 51, 1.0))
    ax.stairs(100 * counted / len(values), edges, color=color, linewidth=2)
    plots.name(ax, at, height, label, color, dx=0)
plots.show("Histograms of surprise: the bot lies left, real traffic beside it, "
           "the broken join far right.")


def auc(ordinary, odd):
    return roc_auc_score(np.repeat([0, 1], 4000), np.r_[ordinary, odd])


area = {name: (auc(usual, joined), auc(usual, dull))
        for name, (usual, joined, dull) in scores.items()}
print(f"{'AUC':16}{'broken join':>12}{'dull bot':>12}")
for name, (joined, dull) in area.items():
    print(f"{name:16}{joined:12.3f}{dull:12.3f}")
claim("the VAE finds the broken join", area["VAE"][0], at_least=0.98)
claim("so does the table of pairs, which trains nothing",
      area["table of pairs"][0], at_least=0.98)
claim("rarity of single values cannot", area["rarity"][0], at_most=0.55)
claim("PCA's error does badly", area["PCA error"][0], at_most=0.8)
claim("the dull bot looks more normal to the VAE than people do",
      area["VAE"][1], at_most=0.3)

# %% [markdown]
# A high likelihood is no sign of good health: most real rows are a little unusual, the bot's never are.
# (Nalisnick and others 2019 saw the same with pictures.)
# So ask whether the surprise is *typical*: of a batch of rows at once, and on both sides.
# Then one number finds both kinds, without an example of either.
#
# But for a rule that you can write down, the table is simpler, exact, and explains itself.
# And a bot that copies real rows evenly has the usual surprise: nothing that looks at rows one by one can see it.

# %%
def batch_oddness(surprise, batch=100):
    """How many standard errors a batch's mean surprise lies from the past's,
    either way: (n / batch,)."""
    usual = vae_surprise(past[-4000:])
    off = np.abs(surprise.reshape(-1, batch).mean(1) - usual.mean())
    return off / (usual.std() / math.sqrt(batch))


odd_real, odd_broken, odd_bot = map(batch_oddness, scores["VAE"])
claim("every batch of 100 odd rows, of either kind, "
      "is odder than every batch of real ones, so many times",
      min(odd_broken.min(), odd_bot.min()) / odd_real.max(), at_least=1.5)

# %% [markdown]
# ## What goes wrong in practice
#
# - **Mean over pixels, sum over the code.** Then β is 784. Sum both over a picture, and average over the batch.
# - **Posterior collapse**: some axes, or all, have no KL. Section 4's is right (Lucas and others 2019); others come from too strong a decoder, or from the first steps. Look at each axis; phase the price in.
# - **`exp(logvar)` where `exp(logvar / 2)` was meant.** It trains, and the price is for another code.
# - **ELBOs that cannot be compared**: grey or binary pixels, other $k$, constants left out.
# - **Blurred pictures.** Where the code does not say, the best coin for a pixel is an average.
# - **Probabilities shown as samples**, as here; the model itself would toss a coin for each pixel.

# %% [markdown]
# ## Summary
#
# 1. An auto-encoder rebuilds; to draw, you must know where its codes are.
# 2. $\log p(x)$ is at least reconstruction minus KL, by Jensen; the gap is the KL to the posterior.
# 3. Reparameterization sends the gradient through the draw, with a spread that does not grow with the code.
# 4. The linear VAE *is* probabilistic PCA; axes below the noise are switched off, and that is right.
# 5. A VAE draws letters and measures surprise; a mixture over codes draws better, and likely is not the same as healthy.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 13`, then open `exercises/work/13_exercises.ipynb`: six tasks, about 105 minutes.
#
# - D. P. Kingma, M. Welling (2014), *Auto-Encoding Variational Bayes*, ICLR; (2019), *An Introduction to Variational Autoencoders*, Foundations and Trends in Machine Learning 12.
# - D. J. Rezende and others (2014), *Stochastic Backpropagation and Approximate Inference in Deep Generative Models*, ICML.
# - M. E. Tipping, C. M. Bishop (1999), *Probabilistic Principal Component Analysis*, Journal of the Royal Statistical Society B 61.
# - J. Lucas and others (2019), *Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse*, NeurIPS.
# - Y. Burda, R. Grosse, R. Salakhutdinov (2016), *Importance Weighted Autoencoders*, ICLR.
# - I. Higgins and others (2017), *beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework*, ICLR.
# - P. Ghosh and others (2020), *From Variational to Deterministic Autoencoders*, ICLR.
# - F. Locatello and others (2019), *Challenging Common Assumptions* (on disentanglement), ICML.
# - E. Nalisnick and others (2019), *Do Deep Generative Models Know What They Don't Know?*, ICLR.
