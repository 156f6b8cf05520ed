# %% [markdown]
# # 04 · Neural networks: exercises
#
# Seven tasks, about 130 minutes, after lecture 04.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
import torch
from torch import nn

from utils import data, plots, progress, runtime
from utils.checks import check
from utils.training import fit

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)  # two threads would only wait
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Several networks are one network
#
# **build** · level ●●○ · 15 minutes · `mlp` `ann`
#
# *Because a layer is a bag of regressions, and then a bag of networks is a network.*
#
# Somebody averages the logits of several networks, in place of one answer. Put them together into *one* network with the same logits.
# A network is four arrays: $\text{ReLU}(xW + b)\,V + c$, with `W` (d, units), `b` (units,), `V` (units, k) and `c` (k,).
# All have the same inputs and outputs, but each has its own number of units. Return `W`, `b`, `V`, `c` of the one, with all the units and no more.
#
# <details><summary>Hint 1</summary>Nothing in a hidden unit changes because another unit stands beside it. Set all units side by side: what is W then, and b?</details>
# <details><summary>Hint 2</summary>The output adds up what the units say. A mean over M networks is a sum divided by M: where can this M go? And the biases c: are they added or averaged?</details>
# <details><summary>Hint 3</summary>A column of W belongs to a unit, and so does a row of V: <code>np.hstack</code> for the one, <code>np.concatenate</code> for the others.</details>

# %%
def merge(networks):
    """[(W, b, V, c), ...] -> (W, b, V, c): one network, its logits the mean of theirs."""
    # solution
    W, b, V, c = zip(*networks, strict=True)
    return np.hstack(W), np.concatenate(b), np.concatenate(V) / len(V), np.mean(c, axis=0)
    # end solution


# %%
check("04.merge", merge)

# %% [markdown] tags=["solution-only"]
# In form an ensemble of small networks is a wide one. In training it is not: trained apart, none of its units knows of the units of the others.
# Averaging the *weights* is another thing, and no mean of the networks: the ReLU stands between.

# %% [markdown]
# ## 2 · Two knobs between a line and a ReLU
#
# **build** · level ●●○ · 15 minutes · `elu` `swish` `activation`
#
# *Because an infinity in one unit is a nan in every weight, one step later.*
#
# The lecture's ELU and Swish have relatives with a knob. Return both:
#
# $$\text{CELU}(z) = \begin{cases} z & z > 0 \\ \alpha\,(e^{z/\alpha} - 1) & \text{otherwise} \end{cases} \qquad \text{Swish}(z) = z \cdot \sigma(\beta z)$$
#
# with $\alpha > 0$ and $\beta \ge 0$; at 1 they are the lecture's ELU and Swish.
# Both must be right for $z = \pm 1000$, and CELU for $z = -10^{-13}$ as well, where $e^{z/\alpha}$ rounds.
#
# <details><summary>Hint 1</summary>Read the formulas: α stands twice, in front and below z; β once, inside the sigmoid. Then print your CELU at −1e-13. Nearly all digits of exp(z / α) − 1 cancel; NumPy has a function for exactly this difference.</details>
# <details><summary>Hint 2</summary>A product with a mask, <code>expm1(z / alpha) * (z <= 0)</code>, computes infinity times zero at z = 1000. Clip z before the exponential.</details>
# <details><summary>Hint 3</summary>A sigmoid as exp(s) / (1 + exp(s)) is infinity over infinity at s = 1000. The same sigmoid is <code>0.5 * (1 + np.tanh(0.5 * s))</code>, which cannot overflow.</details>

# %%
def celu_and_swish(z, alpha, beta):
    """Two activations of the same scores: z -> (celu, swish), each of z's shape."""
    # solution
    celu = np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0) / alpha))
    swish = z * 0.5 * (1 + np.tanh(0.5 * beta * z))
    return celu, swish
    # end solution


# %%
check("04.smooth", celu_and_swish)

# %% [markdown] tags=["solution-only"]
# Turn the knobs: CELU goes from a ReLU (α near 0) to a line (α large), Swish from a line, z / 2 (β = 0), to a ReLU (β large).
# The slope of CELU at zero is 1 from both sides, whatever α is. PyTorch's `elu(z, alpha)` divides by nothing: its slope jumps there from α to 1.
#
# `np.where` picks from two finished arrays: the side that is not picked is computed all the same, overflow included.
# In NumPy that is a warning. In an autograd engine the gradient of the side not picked is infinity times zero, a nan: clip first, choose after.

# %% [markdown]
# ## 3 · XOR without a step
#
# **build** · level ●●○ · 15 minutes · `relu` `mlp`
#
# *So that you have set a network's weights with your own hands, once.*
#
# The lecture solved XOR with steps. Do it with **two ReLUs** and a linear output, no step at all:
# $\text{ReLU}(xW + b) \cdot v + c$ must be 0, 1, 1, 0 on the corners (0, 0), (0, 1), (1, 0), (1, 1), exactly.
# Give `xor = (W, b, v, c)`: NumPy arrays (2, 2), (2,), (2,) and a number. A column of `W` belongs to a unit.
#
# <details><summary>Hint 1</summary>Look at the sum s = x₁ + x₂. It is 0, 1, 1 or 2 on the corners. Draw the wanted output over s: up, then down.</details>
# <details><summary>Hint 2</summary>The first unit may be s itself: ReLU(s) is 0, 1, 1, 2. Only the last corner is wrong then: by how much?</details>
# <details><summary>Hint 3</summary>The second unit has to be zero except at s = 2: ReLU(s − 1). How many times must it be taken off?</details>

# %%
# solution
W = np.array([[1.0, 1.0], [1.0, 1.0]])
b = np.array([0.0, -1.0])
v = np.array([1.0, -2.0])
c = 0.0
xor = (W, b, v, c)
# end solution

# %%
check("04.xor", xor)

# %% [markdown] tags=["solution-only"]
# The network is piecewise linear in s: slope 1, then slope 1 − 2 = −1. That is the tent of section 7.
# There are many solutions. A second one takes |x₁ − x₂|, as ReLU(x₁ − x₂) + ReLU(x₂ − x₁).

# %% [markdown]
# ## 4 · A network that is only a line
#
# **debug** · level ●●○ · 15 minutes · `activation` `ann`
#
# *Because this network trains, its loss falls, and nobody notices what it is.*
#
# The function trains a network with 32 hidden units on two moons, and returns probabilities for new points.
# It scores like a logistic regression. Find out why, and mend it.
#
# <details><summary>Hint 1</summary>Write the two layers as formulas, and multiply them out. What is left of the hidden layer?</details>
# <details><summary>Hint 2</summary>More layers or more units do not help. What has to stand between two linear maps?</details>

# %%
def moons_network(x, y, x_new, rng):
    """x: (n, 2), y: (n,), x_new: (m, 2), rng: a generator -> (m,) probabilities of 1."""
    torch.manual_seed(int(rng.integers(2**31)))
    # solution
    net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 1))
    # exercise
    # net = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 1))
    # end solution
    inputs, target = (torch.tensor(part, dtype=torch.float32) for part in (x, y))
    descent = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(300):
        descent.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(net(inputs)[:, 0], target).backward()
        descent.step()
    with torch.no_grad():
        logits = net(torch.tensor(x_new, dtype=torch.float32))[:, 0]
        return torch.sigmoid(logits).double().numpy()


# %%
check("04.line", moons_network)

# %% [markdown] tags=["solution-only"]
# $(xW + b)V + c = x(WV) + (bV + c)$: whatever the hidden layer does, a single regression can do.
# The same happens inside larger networks, when an activation is lost in a refactoring: the loss still falls, only less.

# %% [markdown]
# ## 5 · Nobody votes against
#
# **build** · level ●●○ · 15 minutes · `ann` `sigmoid`
#
# *Because this is why a plain average of votes can be as good as a network.*
#
# A network of one hidden layer has the logit $\sigma(xW + b)\,v + u$, with `W` (d, units), `b` (units,), `v` (units,) and a number `u`.
# Where $v$ is negative, a unit votes *against* class 1. Turn these units round, so that no output weight is negative and no logit changes.
# Return `W`, `b`, `v`, `u`, with the same units in the same order.
#
# <details><summary>Hint 1</summary>σ(z) = 1 − σ(−z). Put that into v σ(z), for a negative v. What becomes of the weight?</details>
# <details><summary>Hint 2</summary>v σ(z) = v − v σ(−z). The first v does not depend on the input: where in the network is there room for it?</details>
# <details><summary>Hint 3</summary>The score is z = xW + b. To turn it round, both the unit's column of W and its b change their sign.</details>

# %%
def all_for(W, b, v, u):
    """A one-layer sigmoid network -> (W, b, v, u): the same logits, no v below zero."""
    # solution
    sign = np.where(v < 0, -1.0, 1.0)
    return W * sign, b * sign, np.abs(v), u + v[v < 0].sum()
    # end solution


# %%
check("04.turn", all_for)

# %% [markdown] tags=["solution-only"]
# So a layer of sigmoids needs no negative output weights. If all are of one size as well, the network is an average behind a steep link: section 3's jury.
# With a ReLU it does not work: max(0, −z) is no mirror image of max(0, z).

# %% [markdown]
# ## 6 · How far is the regression true?
#
# **build** · level ●●● · 25 minutes · `relu` `mlp`
#
# *Because the bank's coefficients are exact only up to the next hinge, and it should say how far that is.*
#
# Around `x` a ReLU network is one linear regression, until the first ReLU switches, on or off.
# Return the distance from `x` to the nearest point where one does.
# `layers` is a list of pairs `W` (ins, outs), `b` (outs,), with at least one hidden layer; after the last pair stands no ReLU.
# Use no search and no finite differences: read it off the weights.
#
# <details><summary>Hint 1</summary>As long as no unit switches, the <em>score</em> of every hidden unit is a linear regression on x too: a x + c. Carry the matrix A of all the a, and the vector c, through the layers, as the lecture does. A unit with a = 0 never switches: leave it out.</details>
# <details><summary>Hint 2</summary>A unit switches where its score is zero. How far from x is the plane a x + c = 0? The score says how much is missing, the length of a how fast it changes.</details>
# <details><summary>Hint 3</summary>Look at the scores <em>before</em> the units that are off are set to zero, in every hidden layer, on or off.</details>

# %%
def radius(x, layers):
    """The distance to the nearest point where a ReLU switches. x: (d,) -> a number."""
    # solution
    A, c, nearest = np.eye(len(x)), np.zeros(len(x)), np.inf
    for W, b in layers[:-1]:
        A, c = W.T @ A, W.T @ c + b                     # the scores of this layer: A x + c
        score, steep = A @ x + c, np.linalg.norm(A, axis=1)
        moves = steep > 0
        nearest = min(nearest, np.min(np.abs(score[moves]) / steep[moves], initial=np.inf))
        A, c = A * (score > 0)[:, None], c * (score > 0)
    return nearest
    # end solution


# %%
check("04.radius", radius)

# %% [markdown] tags=["solution-only"]
# The planes of the deeper units hold only while no earlier unit has switched. But the *nearest* of all planes comes first, so nothing before it has switched, and the minimum is right.
# Try it on the lecture's digits: the distance is a small part of the distance between two images. An explanation by coefficients is exact that far, and makes no promise beyond.

# %% [markdown]
# ## 7 · Clicks, with a hidden layer
#
# **apply** · level ●●● · 30 minutes · `mlp` `ann`
#
# *So that the hidden layer finds the crosses that lecture 01 had to list.*
#
# Train a small network on `past` and return click probabilities for the rows of `future`.
# Use single columns only, no hand-made crosses.
# The check wants three points more of the gap than a logistic regression on the same columns gets; `future.click` is hidden there, and the `truth` of both.
# The first layer needs no matrix: one-hot times $W$ *picks rows* of $W$, so it is `nn.EmbeddingBag(..., mode="sum")`: the rows of the values present, added up.
#
# <details><summary>Hint 1</summary>Number the values of all columns in one table: column j starts where the ones before it end. <code>np.cumsum</code> of <code>past.sizes[...]</code> gives the starts.</details>
# <details><summary>Hint 2</summary>Start the output's bias near the logit of 4 %, about −3.2, and the table small: <code>nn.init.normal_(table.weight, std=0.1)</code>.</details>
# <details><summary>Hint 3</summary>The network overfits soon: 32 units, batches of 500, three epochs at lr 0.005 and one at 0.001. A falling rate is worth several points.</details>

# %%
columns = ["user", "age", "gender", "ad", "category",
           "context", "site", "position", "device", "hour"]


def predict_clicks(past, future):
    """past, future: ad logs -> (len(future),) click probabilities."""
    # solution
    torch.manual_seed(0)
    sizes = [past.sizes[name] for name in columns]
    starts = np.cumsum([0, *sizes[:-1]])

    def values(log):
        names = np.stack([log.features[name] for name in columns], axis=1)
        return torch.tensor(names + starts)

    table = nn.EmbeddingBag(sum(sizes), 32, mode="sum")
    net = nn.Sequential(table, nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
    nn.init.normal_(table.weight, std=0.1)
    nn.init.constant_(net[2].bias, -3.2)
    pair = values(past), torch.tensor(past.click, dtype=torch.float32)
    for lr, epochs in ((0.005, 3), (0.001, 1)):
        fit(net, pair, epochs=epochs, lr=lr, batch_size=500,
            loss=nn.functional.binary_cross_entropy_with_logits)
    with torch.no_grad():
        return torch.sigmoid(net(values(future))).double().numpy()
    # end solution


# %%
if check("04.clicks", predict_clicks):
    log = data.load("ads", rows=100_000, seed=SEED)
    past, future = log[log.features["day"] < 10], log[log.features["day"] >= 10]
    share = 100 * future.share_of_gap(predict_clicks(past, future))
    plots.bars("Your network on the ad log", {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your network, truth.")

# %% [markdown] tags=["solution-only"]
# The hidden layer beats the plain regression without a single cross. But lecture 01's exercise, with three crosses chosen by hand, does better still:
# knowledge of the problem is worth more than 32 units here. Lecture 08 gives the network a form that suits ids.
