# %% [markdown]
# # 13 · Variational auto-encoder
#
# **Question.** An auto-encoder can rebuild what it sees. What does it lack to make up something new, and to say how likely a picture is?
#
# **You will be able to** derive the bound that a VAE climbs, and measure both of its parts; send a gradient through a random draw, and say when that is the wrong way; check a VAE against an exact answer; draw letters, and say which part of the machine drew them well; tell broken traffic from real traffic, and say what a likelihood does not see.
#
# **Needs** 07, 08, 10 · **Minutes** 95 to teach, 140 to study · **CPU** 35 s
#
# On the map: `vae`

# %% tags=["parameters"]
PROFILE = "lecture"  # "full" trains longer
SEED = 0
DEVICE = "auto"
BUDGET = 1.0  # times as many training steps

# %%
import math
from dataclasses import replace

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from torch import distributions, nn
from torch.nn import functional as F

from utils import concept_map, data, plots, runtime, schematics
from utils.claims import claim
from utils.predictions import outcome, predict
from utils.scratch import coins, latent
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
# An auto-encoder rebuilds letters well. Can it make up new ones?
# Lecture 07's auto-encoder turns a picture into a code $z$, here sixteen numbers, and rebuilds it. To *make* a picture, draw a code, and decode it. From where?
#
# By hand: a code is one number, near 8 for all A's, near −3 for all B's. A draw from $\mathcal N(0, 1)$, the bell of width 1 around 0, is 0.4: nobody's code. The decoder was never trained there.
#
# Our pictures: A to E in six plain fonts, each pixel 1 (ink) or 0 (paper).
# The nets: lecture 10's; a **transposed convolution** (전치 합성곱) runs one backward, from small to large.
# The decoder ends in 784 logistic regressions, one a pixel; their losses add up.

# %%
def encoder(outputs):
    return nn.Sequential(  # (n, 1, 28, 28)
        nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.ReLU(),  # (n, 8, 14, 14)
        nn.Conv2d(8, 16, 4, stride=2, padding=1), nn.ReLU(),  # (n, 16, 7, 7)
        nn.Flatten(), nn.Linear(16 * 7 * 7, outputs))  # (n, outputs)


def decoder(inputs):
    return nn.Sequential(  # (n, inputs) -> (n, 16, 7, 7)
        nn.Linear(inputs, 16 * 7 * 7), nn.Unflatten(1, (16, 7, 7)), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1), nn.ReLU(),  # (n, 8, 14, 14)
        nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1))  # (n, 1, 28, 28) logits


def log_likelihood(logits, x):
    """Log-probability of pictures, each pixel a coin with its logit: (n,) nats."""
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))


def train(model, loss, inputs, steps, lr=0.01, batch=64):
    """Adam, its rate up, then down (lecture 02); loss(model, rows) is a number a row."""
    optimizer = torch.optim.Adam(model.to(inputs.device).parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.2,
                                                   cycle_momentum=False)
    losses = []
    for _ in runtime.track(range(steps), "steps"):
        rows = torch.randint(len(inputs), (batch,)) if batch else slice(None)
        losses.append(loss(model, inputs[rows]).mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
        schedule.step()
    return torch.stack(losses).detach().cpu()


# %%
CODE, STEPS = 16, run.steps(run.pick(lecture=500, full=5000))
all_x, all_y = (a.to(run.device) for a in letters("train", "ABCDEFGHIJ"))
x, y = all_x[all_y < 5], all_y[all_y < 5]  # the letters A to E: (n, 1, 28, 28), (n,)
test, which = (a.to(run.device) for a in letters("test", "ABCDE"))

ae = nn.Sequential(encoder(CODE), decoder(CODE))
train(ae, lambda ae, x: -log_likelihood(ae(x), x), x, STEPS);

# %% [markdown]
# Judge made-up pictures by eye, then by a **judge** (심판), a small classifier of the letters A to J.
#
# - **legible** (판독 가능): the judge gives one of A to E at least 90 %.
# - **coverage** (포괄도): around each test letter lies a ball, in the judge's 32 features, out to the fifth nearest test letter. What share of the balls holds a drawn picture? We draw as many as there are test letters.
#
# A judge can be fooled by one good picture drawn again and again; coverage cannot. (Copies of the training letters would do well in both: lecture 14 looks for copies.)
#
# **Predict first.** Draw sixteen numbers from $\mathcal N(0, 1)$ each and decode them, again and again. Which share of the test letters do the pictures cover? Real training letters cover nearly all.

# %%
COVER = {"nearly all": 95, "about half": 50, "less than a quarter": 10}
predict("13.blind", *COVER)

# %%
judge = latent.Judge(all_x, all_y, test, steps=run.steps(300))


@torch.no_grad()
def decode(decoder, z):
    z = torch.as_tensor(z, dtype=torch.float32, device=run.device)
    return torch.sigmoid(decoder(z))  # (n, 1, 28, 28)


codes, rebuilt = ae[0](x).detach(), torch.sigmoid(ae(test)).detach()
bells = torch.randn(len(test), CODE).to(run.device)  # codes from N(0, I)
scaled = codes.mean(0) + codes.std(0) * bells  # moved to each number's own place and width
shown = {"test": test, "rebuilt": rebuilt, "from N(0, I)": decode(ae[1], bells),
         "scaled": decode(ae[1], scaled)}
plots.strips("Rebuilt, letters are sharp; drawn from bells, many never turn up",
             shown)
plots.show("Four rows: test letters; the same, rebuilt well; grey blots; black shapes, "
           "some of them letters.")
rates = {name: judge.rate(pictures) for name, pictures in shown.items()}
for name, both in rates.items():
    print("{:13} legible {:3.0f} %, coverage {:3.0f} %".format(name, *both))
outcome("13.blind", min(COVER, key=lambda s: abs(COVER[s] - rates["from N(0, I)"][1])))
claim("codes drawn at the codes' own place and width: test letters covered (per cent)",
      rates["scaled"][1], at_most=55)

# %% [markdown] tags=["notes"]
# **Notes for the room (11 minutes).**
#
# Ask where the room would draw codes from before you show anything. "From a Gaussian" is the usual answer; ask which one.
# The judge is a crutch: it calls some blots legible. Look at the pictures first, at the numbers after.

# %% [markdown]
# ## 2 · A bound on the likelihood, in two parts
#
# On the map: `vae`
#
# A model that draws a code and decodes it gives each picture a probability. The ELBO bounds its logarithm from below.
#
# Say how a picture comes about: draw a code $z$ from the **prior** (사전 분포) $p(z)$, then a picture $x$ from $p(x \mid z)$, the decoder.
#
# By hand: the picture is one pixel, the code one fair coin, 0 or 1. Ink has probability 0.2 if $z = 0$, and 0.9 if $z = 1$.
#
# - How likely is ink? Over both codes: $p(x) = \frac12 \cdot 0.2 + \frac12 \cdot 0.9 = 0.55$.
# - You see ink. Which code was it? By Bayes' rule (belief times likelihood, over their sum) $p(z{=}1 \mid x) = \frac12 \cdot 0.9 \,/\, 0.55 = 0.82$: the posterior.
#
# In general $p(x)$ is the mean over draws of $z$ from $p(z)$, $\mathbb E_{p(z)}$: an ensemble, a member for each code:
#
# $$p(x) = \mathbb E_{p(z)}\big[p(x \mid z)\big]$$
#
# Now let $z$ be a real number from $\mathcal N(0, 1)$, and $x$ a number, too: $p(x \mid z) = \mathcal N(f(z), 0.5^2)$, with a bent $f$ in the decoder's place.

# %%
def f(z):
    return 2 * torch.tanh(3 * z)


z, value = torch.linspace(-3, 3, 301), torch.linspace(-4, 4, 201)  # two grids
p_z = distributions.Normal(0.0, 1.0).log_prob(z).exp()
p_x_given_z = distributions.Normal(f(z), 0.5).log_prob(value[:, None]).exp()  # (201, 301)
p_x = p_x_given_z @ (p_z / p_z.sum())  # the average over all codes
latent.draw_densities(z, p_z, f, value, p_x, noise=0.5, draws=(-1.0, 0.1, 0.8))
plots.show("A bell; an S-shaped curve; a density with two hills. Three dots in each.")

# %% [markdown]
# With one number you can add up over a grid. With sixteen no grid will do, and a blind draw hardly ever fits $x$.
# So let an encoder propose: a Gaussian $q(z)$ for this $x$. Dividing by $q$ undoes its choice; the ratio is a draw's *weight*:
#
# $$\log p(x) = \log \mathbb E_q\!\left[\frac{p(x \mid z)\, p(z)}{q(z)}\right] \ge \mathbb E_q\!\left[\log \frac{p(x \mid z)\, p(z)}{q(z)}\right]$$
#
# The step is **Jensen's inequality** (옌센 부등식): the logarithm of an average is at least the average of the logarithms. (With 0.2 and 0.9: $\log 0.55 = -0.60$, and $\frac12 \log 0.2 + \frac12 \log 0.9 = -0.86$.)
# The right side is the **evidence lower bound** (증거 하한), or **ELBO** (증거 하한):
#
# $$\text{ELBO} = \underbrace{\mathbb E_q[\log p(x \mid z)]}_{\text{reconstruction}} - \underbrace{\text{KL}(q \,\|\, p(z))}_{\text{price of the code}}$$

# %% [markdown]
# The **KL divergence** (쿨백–라이블러 발산) $\text{KL}(q \,\|\, p) = \mathbb E_q[\log q(z) - \log p(z)]$ is never negative, and zero only where $q = p$.
#
# The coin again, $x$ is ink, $q$ gives $z = 1$ a share $a$:
#
# - $a = 0.5$, the prior: $-0.86 - 0 = -0.86$.
# - $a = 1$, sure of itself: $\log 0.9 - (\log 1 - \log\frac12) = -0.11 - 0.69 = -0.80$.
# - $a = 0.82$, the posterior: $-0.38 - 0.22 = -0.60$. That is $\log p(x)$: no gap.
#
# In general the gap is the KL divergence from $q$ to the posterior. For a Gaussian $q = \mathcal N(\mu, \sigma^2)$ and the prior $\mathcal N(0, 1)$, each number of the code costs $\frac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)$ nats.
#
# <details><summary>Proofs: the gap, the formula</summary>
#
# By Bayes' rule p(x|z) p(z) = p(x) p(z|x). Put that into the ELBO: E_q[log p(x) + log p(z|x) − log q(z)] = log p(x) − KL(q ‖ p(z|x)).
#
# E_q of log q(z) = −(z − μ)²/2σ² − log σ − c, with c = ½ log 2π, is −½ − log σ − c, since (z − μ)² is σ² on average. E_q of log p(z) = −z²/2 − c is −(μ² + σ²)/2 − c. Subtract.
# </details>
#
# **Ask the room.** Next, $x = 1.5$ is $z$ plus noise. Which m and v ($q$'s mean, width) put the dot on the line?
#
# <details><summary>One answer</summary>
#
# At m = 1.10, v = 0.51, where q lies on the posterior. The bell that explains x best, a needle at 1.5, is not it: its price is too high.
# </details>

# %%
x0, s = 1.5, 0.6  # the smallest Gaussian model: z ~ N(0, 1), x ~ N(z, s²), 1.5 was seen
evidence = distributions.Normal(0, math.sqrt(1 + s**2)).log_prob(torch.tensor(x0)).item()
posterior = distributions.Normal(x0 / (1 + s**2), s / math.sqrt(1 + s**2))


def kl(mu, logvar):
    """KL(N(mu, exp(logvar)) || N(0, I)) in nats, summed over the code: (n, d) -> (n,)."""
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)


def elbo_parts(m, v):
    """Of q = N(m, v²), exact: E_q of (x − z)² is (x − m)² + v²."""
    reconstruction = (-((x0 - m) ** 2 + v**2) / (2 * s**2)
                      - math.log(s * math.sqrt(2 * math.pi)))
    return reconstruction, kl(torch.tensor([m]), torch.tensor([2 * math.log(v)])).item()


best = posterior.loc.item(), posterior.scale.item()
tried = [(0.2, 0.8), (-1.0, 0.3), (2.0, 1.5), best]
wrong_by = [distributions.kl_divergence(distributions.Normal(m, v), posterior).item()
            for m, v in tried]
gaps = [evidence - np.subtract(*elbo_parts(m, v)) for m, v in tried]
claim("four q's: the gap is the KL from q to the posterior (largest difference, nats)",
      np.abs(np.subtract(gaps, wrong_by)).max(), at_most=1e-5)

# %%
def draw(m=0.2, v=0.8):
    latent.draw_gap(posterior, elbo_parts, m, v, evidence)
    plots.show("Left three bells; right the ELBO is an arch below a line, log p(x).")


plots.knobs(draw, m=(-0.5, 2.5), v=(0.1, 1.5))

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# Let the room compute the coin's three lines. Then derive the bound on the board, with somebody naming each step.
# Wrong answer to expect: "the best q is the prior, then the KL is zero". Then the reconstruction is bad: the two parts pull against each other.

# %% [markdown]
# ## 3 · A gradient through a random draw
#
# On the map: `vae`
#
# Written as $z = \mu + \sigma \varepsilon$, a draw has a derivative. For a smooth $f$ that gives a far less noisy gradient than its rival; for a jagged one, or a code of bits, the rival wins.

# %%
sketch = schematics.Sketch("The draw is an input: the gradient goes round it",
                           width=10, height=2.9)
picture = sketch.box("x", at=(0.5, 1.5), kind="data")
enc = sketch.box("encoder", at=(1.9, 1.5))
mu_, sigma_ = (sketch.circle(name, at=(3.6, up)) for name, up in (("μ", 1.95), ("σ", 1.05)))
q_ = sketch.frame([mu_, sigma_], "q", color=plots.BLUE)
noise_ = sketch.circle("ε", at=(5.0, 0.3), kind="data")
code_ = sketch.box("z = μ + σ ε", at=(5.5, 1.5), kind="family")
dec = sketch.box("decoder", at=(7.5, 1.5))
pixels_ = sketch.box("log p(x | z)", at=(9.15, 1.5), kind="good")
price_ = sketch.box("price: KL", at=(5.5, 2.55), kind="good")
sketch.connect([picture], [enc])
sketch.connect([enc], [mu_, sigma_])
sketch.connect([mu_, sigma_, noise_], [code_])
sketch.arrow((q_.x + q_.w, 2.25), price_)
sketch.connect([code_], [dec])
sketch.connect([dec], [pixels_])
sketch.text("drawn from N(0, I)", (5.35, 0.3), ha="left", fontsize=12, color=plots.GREY)
sketch.show("x enters the encoder, which gives mu and sigma; with a drawn epsilon they "
            "make z; the decoder turns z into the log-probability of x. Mu and sigma also "
            "give the price.")

# %% [markdown]
# Write $f(z)$ for what follows the draw. We want the gradient of $\mathbb E_q[f(z)]$ by $\mu$:
#
# - **score function** (점수 함수; *REINFORCE* in lecture 16): $f(z)\, \nabla_\mu \log q(z)$, since $\nabla q = q\, \nabla\log q$. It needs only its *value*. In code $f$'s mean, a *baseline*, is taken off: less noise, same average.
# - **reparameterization** (재매개변수화): $\varepsilon$ is a plain input, and the chain rule does the rest: $\nabla f(z)$, the *slope* of $f$.
#
# By hand: $f(z) = -\frac12 (1 - z)^2$, with slope $1 - z$; $\mu = -1$, $\sigma = 1$. Two draws, $\varepsilon = 1$ and $-1$, so $z = 0$ and $-2$, and $f = -0.5$ and $-4.5$.
#
# - Here $\nabla_\mu \log q = \varepsilon$. Score function: $-0.5 \cdot 1$ and $-4.5 \cdot (-1)$, on average 2.
# - Reparameterization: the slopes 1 and 3, on average 2.
#
# Both are right, but one scatters by 2.5, one by 1. The score function tastes the soup and guesses which spoon of salt did it. Reparameterization asks each spoon.
#
# Three kinds of $f$: *apart*, $-\frac12 \sum_j (1 - z_j)^2$; *coupled*, $-\frac12 (1 - \sum_j z_j)^2$, where each slope depends on all numbers; *wavy*, $\sin(w z)$, the more jagged the larger $w$.

# %%
def estimates(f, d, draws=4000):
    """The gradient by mu[0], an estimate a draw, q = N(0, I); f: (draws, d) -> (draws,)."""
    z = torch.randn(draws, d, requires_grad=True)  # mu = 0, sigma = 1: z is epsilon
    values = f(z)
    slope = torch.autograd.grad(values.sum(), z)[0][:, 0]
    values, z = values.detach(), z.detach()
    return {"score": (values - values.mean()) * z[:, 0], "reparameterized": slope}


# %%
kinds = {"apart": lambda z: -0.5 * ((1 - z) ** 2).sum(1),
         "coupled": lambda z: -0.5 * (1 - z.sum(1)) ** 2}
dims, ways = (1, 4, 16, 64, 256), ("score", "reparameterized")
found = {kind: {d: estimates(f, d) for d in dims} for kind, f in kinds.items()}
found["wavy"] = {w: estimates(lambda z, w=w: torch.sin(w * z[:, 0]), 1)
                 for w in (0.5, 1, 2, 5, 10, 20)}
spread = {(kind, way): {at: both[way].std().item() for at, both in found[kind].items()}
          for kind in found for way in ways}
latent.draw_spreads({key: line for key, line in spread.items() if key[0] != "wavy"},
                    {way: spread["wavy", way] for way in ways})
plots.show("Left, four lines by size of the code: reparameterized, apart, is flat; the "
           "others rise, score, coupled, most. Right, the two lines cross near w = 1.")
off = [(draws.mean() - 1) / draws.std() * math.sqrt(len(draws))
       for kind in kinds for both in found[kind].values() for draws in both.values()]
claim("apart, coupled: right on average (largest distance from the truth, standard errors)",
      max(map(abs, off)), at_most=4.5)
claim("64 numbers, either f: the score's spread over the other's (ratio, the smaller)",
      min(spread[kind, ways[0]][64] / spread[kind, ways[1]][64] for kind in kinds),
      at_least=4.5)
claim("256 numbers, reparameterized: the spread for coupled over that for apart (ratio)",
      spread["coupled", ways[1]][256] / spread["apart", ways[1]][256], at_least=13)
claim("sin(10 z): reparameterization's spread over the score's (ratio)",
      spread["wavy", ways[1]][10] / spread["wavy", ways[0]][10], at_least=9)

# %% [markdown]
# A spread ten times as large takes a hundred times as many draws to average away.
# A step is worse than a wave: its slope is 0 everywhere, and so is each reparameterized estimate, whatever the truth. Nor does a code of bits have a slope.
#
# **The library's way**: `rsample()` draws inside the graph. Behind `sample()` the graph ends; take `log_prob` there, and multiply.
#
# **Ask the room.** Your code is one ad out of fifty, and $f$ says whether it was clicked. Which way?
#
# <details><summary>One answer</summary>
#
# The score function, with a baseline: there is no slope from ad to ad. Lecture 16 learns to act in this way.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (14 minutes).**
#
# Do the two draws on the board. Then ask for an f that breaks reparameterization; "a step" comes soon.
# Wrong answer to expect: "the score function is biased". It is only noisy.

# %% [markdown]
# ## 4 · An exact check: the linear VAE is probabilistic PCA
#
# On the map: `vae`
#
# With linear nets a VAE, encoder and decoder trained on the ELBO, can reach the exact likelihood, and does.
#
# Make both nets linear: $p(x \mid z) = \mathcal N(zW^\top, s^2 I)$, and the encoder's mean $xV$, with one $\sigma$ for each axis of the code.
# A sum of Gaussians is a Gaussian, so $p(x)$ is one, and its best likelihood is known: **probabilistic PCA** (확률적 주성분분석; Tipping and Bishop 1999).
# scikit-learn's `PCA(...).score` computes it. The data are 178 wines, 13 measurements each (alcohol, colour, …), brought to mean 0 and standard deviation 1.
#
# Lecture 08's linear auto-encoder found the plane of PCA, but no axes inside it.

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
        mu = x @ self.V                                  # (n, axes)
        z = mu + torch.exp(self.logvar / 2) * torch.randn_like(mu)
        return kl(mu, self.logvar.expand_as(mu)) - self.log_normal(x, z)  # (n,)


def train_linear(model):
    return -train(model, LinearVAE.negative_elbo, wine, 3 * STEPS, lr=0.03, batch=None)

# %%
linear = LinearVAE(axes=2)
curve, pca = train_linear(linear), PCA(2).fit(wine)
best = pca.score(wine)  # log-likelihood a wine, in nats
reached = -linear.negative_elbo(wine.repeat(200, 1)).mean().detach()
cosine = (torch.tensor(pca.components_) @ F.normalize(linear.W.detach(), dim=0)).abs()
claim("the ELBO is PCA's log-likelihood (nats apart)", abs(reached - best), at_most=0.02)
claim("the decoder's axes are PCA's own (largest angle between them, degrees)",
      cosine.amax(0).arccos().rad2deg().max(), at_most=3)

# %% [markdown]
# The axes are new. With one $\sigma$ for each axis, mixed axes cost more, so the VAE turns them until they are PCA's own.
#
# **A tighter bound.** Average $k$ weights *before* the logarithm, and Jensen gives less away:
#
# $$\text{ELBO}_k = \mathbb E\left[\log \tfrac1k \sum_{i=1}^{k} \frac{p(x \mid z_i)\, p(z_i)}{q(z_i)}\right]$$
#
# By hand: two weights, 0.2 and 0.9. One at a time: $\frac12 (\log 0.2 + \log 0.9) = -0.86$. Averaged first: $\log 0.55 = -0.60$.
#
# This is the **importance-weighted bound** (중요도 가중 하한; Burda and others 2016). It never falls as $k$ grows, and goes to $\log p(x)$ if the weights are bounded.
# Try it with a proposal that does not look at $x$ at all: $q$ = the prior. Then a draw's weight is $p(x \mid z)$.

# %%
def weighted_bound(log_weights):
    """(k, n) log-weights -> (n,). By logsumexp: no weight underflows."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


counts = [1, 3, 10, 30, 100, 300, 1000, 3000]
with torch.no_grad():
    blind = {k: weighted_bound(linear.log_normal(
        wine, torch.randn(k, len(wine), 2).double())).mean().item() for k in counts}
fig, (left, right) = plots.panels("A VAE arrives at the exact answer; "
                                  "a blind proposal with many draws too",
                                  ["one draw, while training", "a blind proposal, k draws"],
                                  xlabel="step", ylabel="bound (nats a wine)", sharey=True)
left.plot(curve, color=plots.BLUE, linewidth=1)
right.semilogx(counts, blind.values(), "o-", color=plots.ORANGE)
right.set(xlabel="k", ylim=(-30, -14))
for ax in (left, right):
    ax.axhline(best, color=plots.INK, linewidth=1)
plots.name(left, 0.35 * len(curve), best + 1.1, "exact: probabilistic PCA", plots.INK)
plots.show("Left, the ELBO climbs to the exact line. "
           "Right, the bound climbs to it as k goes to 3,000.")
claim("3,000 blind draws: their bound and the exact value (nats apart)",
      abs(best - blind[3000]), at_most=0.02)

# %% [markdown]
# **Predict first.** Fix the decoder's noise at $s = 1$, as half the squared error does, and give the code six axes.
# The variances along the wines' principal axes are 4.7, 2.5, 1.4, 0.9, 0.9 and 0.6. How many axes does the VAE use?
#
# (An axis of variance $\lambda$ is worth $\frac12 \log(\lambda / s^2)$ nats where $\lambda > s^2$, and nothing otherwise: follows from Tipping and Bishop.)

# %%
AXES = {2: "two", 3: "three", 6: "all six"}
predict("13.axes", *AXES.values(), "another number")

# %%
blunt = LinearVAE(axes=6, log_s=0.0)
train_linear(blunt)
mu, logvar = (wine @ blunt.V).detach(), blunt.logvar.detach()
used = (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).mean(0).sort(descending=True).values
variance = torch.linalg.eigvalsh(wine.T @ wine / len(wine)).flip(0)[:6]
formula = 0.5 * variance.log().clamp(min=0)
_, ax = plots.figure("Axes with less variance than the decoder's noise are switched off",
                     xlabel="axis of the wines, by variance", ylabel="nats of code",
                     size=(7.5, 3.2))
for side, (label, nats, color) in enumerate([("KL, measured", used, plots.BLUE),
                                             ("½ log variance", formula, plots.GREY)]):
    ax.bar(np.arange(6) + 0.4 * side - 0.2, nats, width=0.36, color=color)
    plots.name(ax, 3, 0.55 - 0.1 * side, label, color)
ax.set_xticks(range(6), [f"{v:.2f}" for v in variance])
plots.show("Bars of nats for six axes: three fall from 0.8 to 0.2 and meet the formula, "
           "three are zero.")
outcome("13.axes", AXES.get(int((used > 0.05).sum()), "another number"))
claim("each axis costs what the formula says (largest difference, nats)",
      (used - formula).abs().max(), at_most=0.011)

# %% [markdown] tags=["notes"]
# **Notes for the room (13 minutes).**
#
# This is the test to write for your own VAE before you believe its curves.
# The importance-weighted bound is the thesis in one line: average the machines, then judge.

# %% [markdown]
# ## 5 · A VAE on letters, and who describes the codes
#
# On the map: `vae`
#
# A VAE gives a bound in nats, and letters from its prior. How good are the two, and who is to thank: the nets, or those who describe the codes?
#
# A **variational auto-encoder** (변분 오토인코더), or VAE (Kingma and Welling 2014), is section 1's auto-encoder with two changes:
# the encoder gives a mean and a log-variance for each number of the code, and the loss is the negative ELBO.
#
# The price is phased in over the first steps; else the code may be given up before it is of use. And the log-variance is held between −12 and 12: one wild step to 100 would make $\sigma^2 = e^{100}$, and soon nan.

# %%
class VAE(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.encoder, self.decoder = encoder(2 * d), decoder(d)

    def encode(self, x):
        """(n, 1, 28, 28) -> mean and log-variance of the code, (n, d) each."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar.clamp(-12, 12)

    def parts(self, x):
        """Reconstruction, with one draw, and KL: (n,), (n,) nats."""
        mu, logvar = self.encode(x)
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        return log_likelihood(self.decoder(z), x), kl(mu, logvar)


def train_vae(beta=1.0):
    """A VAE on letters; beta weighs the price of the code (section 6)."""
    phase = iter(beta * np.clip(np.arange(1, STEPS + 1) / (0.4 * STEPS), 0, 1))

    def loss(vae, x):
        reconstruction, price = vae.parts(x)
        return next(phase) * price - reconstruction

    vae = VAE(CODE)
    train(vae, loss, x, STEPS)
    return vae


vae = train_vae()

# %% [markdown]
# **Is the bound any good?** A rival with an exact likelihood: a mixture of coins. Its code is one of 400 numbers; each has a share, and for each pixel a chance of ink of its own (`scratch/coins.py`; lecture 17 builds a mixture).
#
# **Where is the gap?** One encoder must serve all letters. So give each unseen letter a $q$ of its own: start from the encoder's $\mu$ and $\log \sigma^2$, and climb the ELBO by these numbers alone. The decoder stays, so $p(x)$ is the same: only the bound gets tighter. What that gains is the **amortization gap** (상각 격차; Cremer and others 2018).

# %%
@torch.no_grad()
def log_weights(decoder, mu, logvar, log_prior, x, k):
    """log p(x | z) + log p(z) − log q(z) for k draws a picture: (k, n)."""
    q = distributions.Normal(mu, torch.exp(logvar / 2))
    draws = [q.sample() for _ in range(k)]
    return torch.stack([log_likelihood(decoder(z), x) + log_prior(z)
                        - q.log_prob(z).sum(1) for z in draws])


def standard(z):
    return distributions.Normal(0.0, 1.0).log_prob(z).sum(1)


def own_q(vae, x, steps):
    """Each picture's mean and log-variance, from the encoder's on: (n, d) each."""
    mu, logvar = (part.detach().requires_grad_() for part in vae.encode(x))
    optimizer = torch.optim.Adam([mu, logvar], lr=0.05)
    for _ in range(steps):
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        loss = (kl(mu, logvar) - log_likelihood(vae.decoder(z), x)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return mu.detach(), logvar.detach()

# %%
q_test = [part.detach() for part in vae.encode(test)]
weights = log_weights(vae.decoder, *q_test, standard, test, k=32)
bound, k32, price = (v.mean() for v in (weights, weighted_bound(weights), kl(*q_test)))
own = log_weights(vae.decoder, *own_q(vae, test, 60), standard, test, k=8).mean()
rival = coins.fit(x, parts=400, rounds=15)(test).mean()
print(f"price {price:.1f}, ELBO {bound:.1f}, with k = 32 {k32:.1f}, with own q {own:.1f}")
claim("unseen letters: the ELBO leads the coins by (nats)", bound - rival, at_least=45)
claim("unseen letters: a q of their own gains (nats)", own - bound, at_least=7)

# %% [markdown]
# So several nats of the gap are the encoder's. And the prior?
#
# **Prior against aggregate.** The codes of all letters together have the density $q_{\text{all}}(z)$, the average of all their $q$'s: the **aggregate posterior** (집계 사후 분포). To draw well, the prior must look like it. Does it?
#
# (Section 1's *scaled* draws had each number's own mean and width. They covered less than half: sixteen bells do not know how the numbers hang together.)
#
# Left and middle: the first number of the code, of either net, under the prior's bell. Right: the plane in which the mean codes of the five letters lie farthest apart.

# %%
mu, logvar = (part.detach() for part in vae.encode(x))
drawn = mu + torch.exp(logvar / 2) * torch.randn_like(mu)  # (n, 16) from q_all
latent.draw_codes(codes, drawn, bells, y, "ABCDE")
plots.show("Left, codes spread far beyond a narrow bell. Middle, codes under the bell. "
           "Right, five clumps of coloured dots, grey dots from the prior between them.")

# %% [markdown]
# So part of the price is no information. On average it is *what a code tells of its letter* plus *how far all codes together lie from the prior*, $\text{KL}(q_{\text{all}} \,\|\, p)$ (Hoffman and Johnson 2016). The second part can be had back: keep the nets, and fit a better prior to the codes.
#
# Three descriptions: $\mathcal N(0, I)$; one Gaussian with the codes' means and covariances; a **mixture** (혼합) of ten such Gaussians, each with a share. The last two are fitted to draws from the training letters' $q$'s.
#
# The plain auto-encoder gets the same. It lacks a $q$, so we lend it one: its code as the mean, and as the width of each number a fixed share of that number's spread, chosen on training letters.

# %%
def lend(share):
    """Noisy codes of the auto-encoder; log-variance; its bound on training letters."""
    width = share * codes.std(0)  # (16,)
    noisy = codes + width * torch.randn_like(codes)
    logvar = 2 * width.log().expand_as(codes)
    prior = latent.describe(noisy, 10, seed=SEED).log_density
    return noisy, logvar, log_weights(ae[1], codes, logvar, prior, x, 1).mean().item()


noisy, widths, _ = max(map(lend, (0.05, 0.08, 0.12, 0.18)), key=lambda lent: lent[2])

# %% [markdown]
# **Predict first.** Which letters cover more of the test: the VAE's from its prior, or the plain auto-encoder's from a mixture?

# %%
WHO = ("the VAE's", "alike, within 10 points", "the auto-encoder's")
predict("13.draw", *WHO)

# %%
q_lent = ae[0](test).detach(), widths[:len(test)]
models = {"auto-encoder": (ae[1], noisy, q_lent), "VAE": (vae.decoder, drawn, q_test)}
found, strips = {}, {}
for name, (net, known, q) in models.items():
    for prior, parts in (("N(0, I)", 0), ("one Gaussian", 1), ("mixture", 10)):
        log_prior, z = standard, bells
        if parts:
            fit = latent.describe(known, parts, seed=SEED)
            log_prior, z = fit.log_density, fit.draw(len(test))
        strips[f"{name}, {prior}"] = made = decode(net, z)
        weights = log_weights(net, *q, log_prior, test, k=4)
        found[name, prior] = *judge.rate(made), weights.mean().item()
        print("{:12}  {:12}  legible {:3.0f} %, coverage {:3.0f} %, "
              "bound {:7.1f} nats".format(name, prior, *found[name, prior]))
plots.strips("The description of the codes makes the letters, with either net", strips)
plots.show("Six rows of drawn letters. From N(0, I) the auto-encoder gives blots, the VAE "
           "letters and fragments. For both, one Gaussian is better, a mixture clear.")
(_, own, first), (_, mixed, better) = (found["VAE", p] for p in ("N(0, I)", "mixture"))
_, plain, lent = found["auto-encoder", "mixture"]
outcome("13.draw", WHO[1] if abs(plain - own) <= 10 else WHO[0 if own > plain else 2])
claim("one VAE, a mixture as its prior in place of N(0, I): the bound gains (nats)",
      better - first, at_least=5)
claim("and the test letters covered rise by (points)", mixed - own, at_least=20)
claim("a mixture for both nets: coverage (points apart)", abs(mixed - plain), at_most=9)
claim("in 500 steps, a mixture for both nets: bounds (nats apart)", abs(better - lent),
      at_most=4, short=True)

# %% [markdown]
# "An auto-encoder cannot be sampled" is true of a blind draw only (compare Ghosh and others 2020). After 500 steps one Gaussian on its codes covers more than the VAE's own prior (rates 0.005 and 0.02: the same). After 5,000 the prior covers some 60 %, a mixture over 90 with either net, and the VAE's bound leads by 9 nats.
#
# What is a VAE's own? *One* run learns what we lent, a width for each code, and draws without a second fit.
#
# Today: a **VQ-VAE** (벡터 양자화 오토인코더; van den Oord and others 2017) rounds codes to a learned table's entries, then fits a prior to them. **Latent diffusion** (잠재 확산; Rombach and others 2022) describes an auto-encoder's codes by lecture 20's diffusion. The VampPrior (Tomczak and Welling 2018) learns a mixture along with the nets.

# %% [markdown] tags=["notes"]
# **Notes for the room (18 minutes).**
#
# The table of who draws from where is the honest part: most books stop at the VAE's first row. Let the room explain the mixture's success before you do.
# If somebody asks for sharper pictures: lecture 14.

# %% [markdown]
# ## 6 · What the code means, and what β buys
#
# On the map: `vae`
#
# Halfway between two codes there is mostly a letter, in a plain auto-encoder too; β sets how many nats a code may carry.
#
# **β-VAE** (베타 VAE; Higgins and others 2017): weight the price, $\text{reconstruction} - \beta\, \text{KL}$.
# This is a bound on $\log p(x)$ for $\beta \ge 1$ only, and the tightest one at $\beta = 1$.
# Section 4 says what to expect: for a Gaussian decoder, $\beta$ acts as a noise of $\beta s^2$, so more axes are switched off.

# %%
A, B = (int((which == k).nonzero()[3]) for k in (0, 1))  # a test A, a test B
m, v = q_test  # means and log-variances
nats = 0.5 * (m**2 + v.exp() - 1 - v).mean(0)  # the price of each number (16,)
way = torch.linspace(0, 1, 12, device=x.device)[:, None]  # twelve steps
rows = {"A to B": decode(vae.decoder, torch.lerp(m[A], m[B], way)),
        "A to B, pixels": torch.lerp(test[A], test[B], way[..., None, None])}
for name, axis in (("dearest number", nats.argmax()), ("cheapest", nats.argmin())):
    moved = m[B].repeat(12, 1)  # the code of B, one number of which goes from -3 to 3
    moved[:, axis] = 6 * way[:, 0] - 3
    rows[name] = decode(vae.decoder, moved)
plots.strips("Between codes an A becomes a B; between pixels it fades", rows, frame=True)
plots.show("Four rows: A melts into B; A fades out while B fades in; a B changes its shape "
           "along the dearest number of its code, and along the cheapest.")

# %%
a, b = torch.randint(len(x), (2, 1000)).to(x.device)
a, b = (rows[y[a] != y[b]][:len(test)] for rows in (a, b))  # pairs of different letters
half = {"VAE": decode(vae.decoder, (mu[a] + mu[b]) / 2), "pixels": (x[a] + x[b]) / 2,
        "auto-encoder": decode(ae[1], (codes[a] + codes[b]) / 2)}
clear = {name: judge.rate(pictures)[0] for name, pictures in half.items()}
print("halfway, legible:", ", ".join(f"{name} {c:.0f} %" for name, c in clear.items()))
claim("halfway between two letters, either net: more legible than mixed pixels (points)",
      min(clear["VAE"], clear["auto-encoder"]) - clear["pixels"], at_least=8)

# %% [markdown]
# The control, mixing the pixels of two pictures without a net, gives fewer letters than either net.
#
# Now β: three VAEs, two descriptions of their codes. "A larger β draws better letters", one reads. From the prior it does. From a mixture?

# %%
betas = {0.2: train_vae(beta=0.2), 1.0: vae, 4.0: train_vae(beta=4.0)}
covers, nats = {}, {}
for beta, model in betas.items():
    mu, logvar = (part.detach() for part in model.encode(x))
    noisy = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
    z = latent.describe(noisy, 10, seed=SEED).draw(len(test))
    covers[beta] = [judge.rate(decode(model.decoder, codes_))[1] for codes_ in (bells, z)]
    parts = [part.detach().mean().item() for part in model.parts(test)]
    nats[beta] = parts[1]
    print("β = {:3g}: reconstruction {:6.1f}, KL {:4.1f}, ELBO {:6.1f}; coverage {:.0f} % "
          "from the prior, {:.0f} % mixture".format(beta, *parts, parts[0] - parts[1],
                                                    *covers[beta]))
claim("β = 4 in place of 0.2: the price falls by (nats)", nats[0.2] - nats[4.0],
      at_least=35)
claim("drawn from the prior, β = 4 misses fewer test letters than β = 1 (ratio)",
      (100 - covers[4.0][0]) / (100 - covers[1.0][0]), at_most=0.55)
claim("drawn from a mixture, each of the three covers at least (per cent)",
      min(mixed for _, mixed in covers.values()), at_least=86)

# %% [markdown]
# β = 1 has the best bound of the three: it is the one that climbs it. A larger β brings the codes nearer to the prior, and that made its draws better; with the codes described, the lead is gone.
# A number of the code seldom means one thing. "Disentangled" codes cannot be guaranteed without labels or further assumptions (proved by Locatello and others 2019); that β brings them is folklore.
#
# **Ask the room.** Two papers report log-likelihoods of VAEs, one by section 4's bound with $k = 1$, one with $k = 5000$. May you compare them?
#
# <details><summary>One answer</summary>
#
# No: more draws tighten the bound for the same model, here by several nats for 32. Ask for the same k, the same pixels (grey or binary), and the constants.
# </details>

# %% [markdown] tags=["notes"]
# **Notes for the room (9 minutes).**
#
# Ask for two letters from the room and change the picks.
# The halfway picture is sometimes no letter at all. Say so: nothing promised otherwise.

# %% [markdown]
# ## 7 · The ad log: is this traffic odd?
#
# On the map: `vae`
#
# A VAE knows how likely a row of traffic is. Is what is unlikely odd, and what is odd unlikely?
#
# A row of names becomes one-hot columns, and the decoder gives each column a softmax. The **surprise** (놀라움) of a row is its negative ELBO.
# Train on ten days. Then two kinds of odd rows:
#
# - a **broken join** (깨진 조인): each column of later rows is shuffled on its own, so nothing fits (an ad has one advertiser, a context one site);
# - a **dull bot** (단조로운 봇): it repeats the hundred past impressions with the most frequent values.

# %%
columns = ["age", "gender", "ad", "advertiser", "category", "context", "site", "position",
           "device", "hour"]
log = data.load("ads", rows=60_000, seed=SEED)
sizes = [log.sizes[name] for name in columns]
past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
print("a row:", ", ".join(f"{name} {past.features[name][0]}" for name in columns))


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
        columns = zip(x.split(sizes, 1), logits.split(sizes, 1), strict=True)
        return kl(mu, logvar) - sum((row * z.log_softmax(1)).sum(1) for row, z in columns)


traffic = TrafficVAE()
train(traffic, TrafficVAE.surprise, one_hot(past),
      run.steps(run.pick(lecture=800, full=5000)), lr=0.005, batch=512);

# %% [markdown]
# Beside it three plain detectors (`latent.detectors`): how rare the single values are; the error of PCA, a linear auto-encoder, with as many axes; and a table of pairs: how many pairs of the row's values never met in the past.
#
# How well does one tell odd rows from real ones? By the AUC (lecture 00): ½ is a guess, 1 is perfect.
#
# **Predict first.** For which of the two kinds is the VAE's surprise above the usual?

# %%
ODD = {(1, 1): "both", (1, 0): "the broken join only", (0, 1): "the dull bot only",
       (0, 0): "neither"}
predict("13.odd", *ODD.values())

# %%
def vae_surprise(shown, draws=10):
    with torch.no_grad():
        return sum(traffic.surprise(shown) for _ in range(draws)).cpu().numpy() / draws


detect = {"VAE": vae_surprise, **latent.detectors(one_hot(past))}
order = rng.permutation(len(future))
real, other = future[order[:4000]], future[order[4000:8000]]
broken = replace(other, features={name: rng.permutation(values)
                                  for name, values in other.features.items()})
rare = detect["rarity"](one_hot(past))
bot = past[np.argsort(rare)[rng.integers(0, 100, 4000)]]
kinds = {"real": real, "broken join": broken, "dull bot": bot}
scores = {name: {kind: score(one_hot(rows)) for kind, rows in kinds.items()}
          for name, score in detect.items()}
latent.draw_surprise(scores["VAE"])
plots.show("Histograms of surprise: the bot lies left, real traffic beside it, "
           "the broken join far right.")
area = {name: [roc_auc_score(np.repeat([0, 1], 4000), np.r_[of["real"], of[odd]])
               for odd in ("broken join", "dull bot")] for name, of in scores.items()}
for name, both in area.items():
    print("{:15} AUC: broken join {:.3f}, dull bot {:.3f}".format(name, *both))
usual, joined, dull = (np.median(values) for values in scores["VAE"].values())
outcome("13.odd", ODD[int(joined > usual), int(dull > usual)])

# %% [markdown]
# A high likelihood is no sign of good health: most real rows are a little unusual, the bot's never are.
# (Nalisnick and others 2019 saw the same with pictures.)
# So ask whether the surprise is *typical*: of a batch of rows at once, and on both sides.
# Then one number finds whole batches of either, without an example.
#
# But for a rule that you can write down, the table is simpler, exact, and explains itself.
# And a bot that copies real rows evenly has the usual surprise: nothing that looks at rows one by one can see it.

# %%
claim("broken join: the VAE, and the table, which trains nothing (AUC, the smaller)",
      min(area["VAE"][0], area["table of pairs"][0]), at_least=0.98)
claim("broken join: rarity and PCA's error (AUC, the larger)",
      max(area["rarity"][0], area["PCA error"][0]), at_most=0.75)
claim("dull bot: the VAE (AUC; below ½: more normal than people)", area["VAE"][1],
      at_most=0.15)

# %%
usual = vae_surprise(one_hot(past[-4000:]))


def batch_oddness(surprise, batch=100):
    """Standard errors between a batch's mean surprise and the past's, either way."""
    off = np.abs(surprise.reshape(-1, batch).mean(1) - usual.mean())
    return off / (usual.std() / math.sqrt(batch))


odd = {kind: batch_oddness(values) for kind, values in scores["VAE"].items()}
claim("batches of 100: the least odd of either odd kind over the oddest real one (ratio)",
      min(odd[k].min() for k in list(kinds)[1:]) / odd["real"].max(), at_least=1.5)


# %% [markdown] tags=["notes"]
# **Notes for the room (12 minutes).**
#
# The second half is the lesson: "unlikely" and "odd" are two things. For a coin that prefers heads, a thousand heads in a row is the single most likely outcome, and nobody believes it.

# %% [markdown]
# ## What goes wrong in practice
#
# - **Mean over pixels, sum over code.** Then β is 784.
# - **Posterior collapse.** Axes without KL. Section 4's are right (Lucas and others 2019); others come from too strong a decoder, or the first steps. Phase the price in, or charge nothing for the first nats: *free bits* (Kingma and others 2016).
# - **`exp(logvar)` for `exp(logvar / 2)`.** It trains.
# - **A prior not checked.** Draw from the aggregate, too.
# - **Blur.** What a code leaves open, a pixel averages.
#
# ## Summary
#
# 1. To draw, know where the codes are.
# 2. $\log p(x)$ is at least reconstruction minus KL, by the KL to the posterior.
# 3. Reparameterization is quiet for a smooth $f$, the score function for a jagged one.
# 4. The linear VAE is probabilistic PCA; axes below the noise go.
# 5. A mixture on either net's codes beats the VAE's prior.

# %% [markdown]
# ## Exercises and further reading
#
# `dlmap start 13`, then open `exercises/work/13_exercises.ipynb`: six tasks, about 105 minutes.
#
# <details><summary>Papers</summary>
#
# - D. P. Kingma, M. Welling (2014), *Auto-Encoding Variational Bayes*, ICLR; (2019), *An Introduction to Variational Autoencoders*, Foundations and Trends in Machine Learning 12.
# - D. J. Rezende and others (2014), *Stochastic Backpropagation and Approximate Inference in Deep Generative Models*, ICML.
# - M. E. Tipping, C. M. Bishop (1999), *Probabilistic Principal Component Analysis*, Journal of the Royal Statistical Society B 61.
# - J. Lucas and others (2019), *Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse*, NeurIPS.
# - Y. Burda, R. Grosse, R. Salakhutdinov (2016), *Importance Weighted Autoencoders*, ICLR.
# - D. P. Kingma and others (2016), *Improved Variational Inference with Inverse Autoregressive Flow*, NIPS.
# - M. D. Hoffman, M. J. Johnson (2016), *ELBO surgery*, NIPS workshop on approximate Bayesian inference.
# - I. Higgins and others (2017), *beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework*, ICLR.
# - A. van den Oord, O. Vinyals, K. Kavukcuoglu (2017), *Neural Discrete Representation Learning*, NIPS.
# - C. Cremer, X. Li, D. Duvenaud (2018), *Inference Suboptimality in Variational Autoencoders*, ICML.
# - J. M. Tomczak, M. Welling (2018), *VAE with a VampPrior*, AISTATS.
# - P. Ghosh and others (2020), *From Variational to Deterministic Autoencoders*, ICLR.
# - F. Locatello and others (2019), *Challenging Common Assumptions* (on disentanglement), ICML.
# - E. Nalisnick and others (2019), *Do Deep Generative Models Know What They Don't Know?*, ICLR.
# - R. Rombach and others (2022), *High-Resolution Image Synthesis with Latent Diffusion Models*, CVPR.
# </details>
