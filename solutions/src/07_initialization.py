# %% [markdown]
# # 07 · Initialization and pre-training: exercises
#
# Seven tasks, about 150 minutes, after lecture 07.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np
from scipy.optimize import minimize

from utils import data, plots, progress, runtime
from utils.checks import check
from utils.scratch.regression import sigmoid

run = runtime.setup(PROFILE, SEED, DEVICE)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · No rule for your activation? Measure
#
# **build** · level ●●○ · 20 minutes · `initialization` `random-init`
#
# *So that you can start any net well, whatever its activation, width and data.*
#
# Glorot and He compute a spread. You can also *measure* it (Mishkin and Matas, 2016).
# Given a batch `x`, random matrices and an activation, go from layer to layer:
#
# - the scores are the layer's input times its matrix;
# - their **difference between inputs** is the root of the units' mean variance over the rows;
# - divide the matrix by it, so that the new scores have difference one;
# - the activation of the *new* scores is the next layer's input.
#
# If all inputs look alike (a difference of at most 1e-12), leave that matrix as it is. Return a tuple.
#
# <details><summary>Hint 1</summary>The variance is over the rows, unit by unit: <code>z.var(axis=0)</code>. A unit that says 5 to everybody has told nothing apart. Average the variances first, then take one root.</details>
# <details><summary>Hint 2</summary>After you have divided the matrix, compute the scores again (or divide them too) before the activation: the next layer sees the mended signal.</details>
# <details><summary>Hint 3</summary>Measure the scores, not what the activation makes of them, and return new arrays: <code>W / spread</code>, not <code>W /= spread</code>.</details>

# %%
def rescale(x, matrices, activation):
    """x: (n, d); matrices: tuple of (d, k), (k, m), …;
    activation: a function -> tuple of new matrices."""
    # solution
    h, scaled = x, []
    for W in matrices:
        spread = np.sqrt((h @ W).var(axis=0).mean())
        scaled.append(W / spread if spread > 1e-12 else W)
        h = activation(h @ scaled[-1])
    return tuple(scaled)
    # end solution


# %%
check("07.rescale", rescale)

# %% [markdown] tags=["solution-only"]
# Batch norm does this at every step, with a shift as well; here it happens once, and costs nothing later.
# The signals now differ by the same amount in every layer, whatever the depth, by construction. That alone does not make a net trainable: a unit far out on the flat part tells inputs apart and has no slope.

# %% [markdown]
# ## 2 · A path beside the path
#
# **predict** · level ●●○ · 10 minutes · `random-init`
#
# *Because He's rule is right for each layer here, and the net is wrong all the same.* (The lecture's branches were averaged; a skip adds.)
#
# Twenty blocks, each adds to what it gets: $x \leftarrow x + f(x)$, where $f$ is a ReLU followed by 256 × 256 weights with He's spread, and no bias.
# The input has size 1 (root mean square). How large is it after twenty blocks?
# Commit to one letter, then check.
#
# - **a** – about 1
# - **b** – about 4.5, the root of 20
# - **c** – about 1,000
# - **d** – about 1,000,000
#
# <details><summary>Hint 1</summary>He's f gives an output of the same mean square as its input. The two summands are unrelated. What is the mean square of the sum?</details>
# <details><summary>Hint 2</summary>The mean square doubles in each block. The question asks for its root.</details>

# %%
# solution
answer = "c"
# end solution

# %%
check("07.residual", answer)

# %% [markdown] tags=["solution-only"]
# The mean square is $2^{20}$, about a million; its root is about a thousand.
# Remedies: batch norm in each block, or a last layer of each block that starts at zero, or a spread divided by the root of the number of blocks.
# With the last one the mean square grows by $(1 + 1/20)^{20}$, about $e$.

# %% [markdown]
# ## 3 · The free energy of real numbers
#
# **build** · level ●●○ · 20 minutes · `rbm`
#
# *So that an RBM can look at data that are no bits: heights, prices, sound.*
#
# Replace the visible bits by real numbers with Gaussian noise of variance 1. The energy becomes
#
# $$E(v, h) = \tfrac12 \lVert v - b \rVert^2 - c^\top h - v^\top W h$$
#
# with hidden bits $h$ as before; $c^\top h$ is $\sum_j c_j h_j$, and $v^\top W h$ is $\sum_{i,j} v_i W_{ij} h_j$. Return the free energy $F(v) = -\log \sum_h e^{-E(v, h)}$ of each row.
# As in the lecture, a sum over all $h$ is a product, with a factor for each hidden bit.
# It must be finite for scores of ±1000: `np.logaddexp(a, b)` is $\log(e^a + e^b)$ and never overflows.
#
# <details><summary>Hint 1</summary>The quadratic part does not know h: it passes through the sum and the logarithm unchanged. What is left factorizes, a factor for each hidden unit.</details>
# <details><summary>Hint 2</summary>Each hidden unit contributes −log(1 + exp(c + v·W)). Summed over units, not averaged.</details>
# <details><summary>Hint 3</summary><code>np.logaddexp(0, z)</code> is log(1 + exp(z)), since e⁰ = 1.</details>

# %%
def free_energy(v, W, b, c):
    """v: (n, d), W: (d, k), b: (d,), c: (k,) -> (n,)."""
    # solution
    return 0.5 * ((v - b) ** 2).sum(axis=1) - np.logaddexp(0, v @ W + c).sum(axis=1)
    # end solution


# %%
check("07.energy", free_energy)

# %% [markdown] tags=["solution-only"]
# $p(v)$ is a mixture of $2^k$ Gaussians with unit width, one for each hidden state, all described by $k$ rows of weights.
# Without hidden units it is one Gaussian around $b$, and the free energy is its squared distance: lecture 06's L2 once more.

# %% [markdown]
# ## 4 · A chain that goes on
#
# **build** · level ●●● · 30 minutes · `rbm`
#
# *Because CD-1 starts at the data each time, and never visits the places that the model likes and the data do not.*
#
# **Persistent** contrastive divergence (Tieleman, 2008) keeps its chains. `chain` holds $m$ visible states, bits, from the last call.
# Let each go one step: up, toss coins, down, toss coins. Return
#
# 1. the estimate of the gradient of the mean log-likelihood for $W$: the data's mean of $v\,p(h \mid v)$ minus the chains' mean of the same, *after* their step;
# 2. the new chain, as bits, to be handed in next time.
#
# $m$ need not be $n$. Draw from `rng` and from nothing else.
#
# <details><summary>Hint 1</summary>The data do not enter the chain at all: its step starts at <code>chain</code>. Coins: <code>(rng.random(p.shape) &lt; p).astype(float)</code>, for the hidden and again for the visible bits.</details>
# <details><summary>Hint 2</summary>Both halves of the gradient use the hidden <em>probabilities</em>. Divide the data's half by n and the chains' half by m.</details>
# <details><summary>Hint 3</summary>The hidden probabilities of the second half belong to the new visible bits: go up once more.</details>

# %%
def persistent_step(v, chain, W, b, c, rng):
    """v: (n, d), chain: (m, d) bits, W: (d, k), b: (d,), c: (k,)
    -> gradient of W, new chain (m, d)."""
    # solution
    def toss(p):
        return (rng.random(p.shape) < p).astype(float)

    hidden = toss(sigmoid(chain @ W + c))
    chain = toss(sigmoid(hidden @ W.T + b))
    of_data = v.T @ sigmoid(v @ W + c) / len(v)
    of_model = chain.T @ sigmoid(chain @ W + c) / len(chain)
    return of_data - of_model, chain
    # end solution


# %%
check("07.chain", persistent_step)

# %% [markdown] tags=["solution-only"]
# While the learning rate is small, the chains keep up with the model, and the estimate has next to no bias.
# With a large rate the model runs away from its chains and the likelihood can fall: CD-1 is biased and stable, this one is neither.
# scikit-learn's `BernoulliRBM` learns in this way.

# %% [markdown]
# ## 5 · A stack that is no stack
#
# **debug** · level ●●○ · 20 minutes · `layer-wise` `dbn`
#
# *Because this bug makes no error: all widths are equal, the code runs, and depth brings nothing.*
#
# `fit(rows)` trains one layer on rows without labels and returns a function that encodes rows.
# The net is to be trained layer by layer on `train` alone. Return the top layer's code of the rows `new`.
# Somebody's version runs, and its tenth layer is no better than the first. Find out what each layer is trained on, and mend it.
#
# <details><summary>Hint 1</summary>What goes into <code>fit</code> in the second round? Print <code>train[0]</code> there.</details>
# <details><summary>Hint 2</summary>Each layer learns from the code of the layer below, so both sets of rows have to move up: fit on train, then encode train <em>and</em> new with it.</details>

# %%
def code_of(train, new, fit, depth):
    """train: (n, d), new: (m, d), fit: rows -> encoder, depth: layers
    -> the code of new, (m, k)."""
    # solution
    for _ in range(depth):
        encode = fit(train)
        train, new = encode(train), encode(new)
    return new
    # exercise
    # for _ in range(depth):
    #     encode = fit(train)
    #     new = encode(new)
    # return new
    # end solution


# %%
check("07.layers", code_of)

# %% [markdown] tags=["solution-only"]
# Fitting on `new` as well would be a leak, though one without labels. In a *semi-supervised* comparison it may even be allowed: say which rows were used.

# %% [markdown]
# ## 6 · Knowledge, or only scale? Design the control
#
# **build** · level ●●○ · 20 minutes · `pre-training` `fine-tuning`
#
# *So that you can say what a pre-trained start is worth, and not only that it helps.*
#
# A net starts from pre-trained `matrices`; column $j$ holds the weights that come into unit $j$ of that layer.
# Design a start that has all but the knowledge.
#
# - What must **stay**: each unit's own weights as a set, so their mean and spread.
# - What must **go**: which input each weight belongs to. Every order is equally likely, for each unit by itself.
#
# Biases are not among the arguments. Return a tuple of new matrices. Draw from `rng` and from nothing else.
#
# Before you write it: why is one order for all units of a matrix not enough?
#
# <details><summary>Hint 1</summary>Within a column, numbers change places; none leaves its column. Compare <code>np.sort(W, axis=0)</code> before and after.</details>
# <details><summary>Hint 2</summary>One order for all units moves all of them alike: two units that looked for the same thing still look for the same thing. Each column needs an order of its own, in each matrix a new one.</details>
# <details><summary>Hint 3</summary>A loop over the columns with <code>rng.permutation(column)</code> will do. NumPy has it for all columns at once: <code>rng.permuted</code>, with an axis.</details>

# %%
def without_knowledge(matrices, rng):
    """matrices: tuple of (d, k), (k, m), … -> tuple of new ones, of the same shapes."""
    # solution
    return tuple(rng.permuted(W, axis=0) for W in matrices)
    # end solution


# %%
check("07.control", without_knowledge)

# %% [markdown] tags=["solution-only"]
# Shuffling whole rows leaves the angles between the units, $W^\top W$, as they were; in the first layer it only renames the pixels. Shuffling along a row, or the whole matrix, gives units other scales: then two things have changed at once, and a worse result would not tell which one did it.
# What the control still has: each unit's own spread, heavy tails, its bias. If it does as well as the pre-trained net, pre-training was a way to find a scale.
# The converse does not hold: doing worse does not prove knowledge. The shuffle may have broken something else, such as the fit of a bias to its weights. Repair that, as the lecture does, then compare.

# %% [markdown]
# ## 7 · A new site opens
#
# **apply** · level ●●● · 30 minutes · `fine-tuning` `pre-training`
#
# *So that the knowledge of old traffic helps where you have little new.*
#
# Ten days of traffic from four sites, `past`. A fifth site has just opened, and `few` holds its first 4,000 impressions.
# Predict the clicks of the `future` on the fifth site. Its contexts never occur in `past`, its users and ads do.
#
# A regression can be fine-tuned as well. Train weights $w_0$ on `past`, then on `few` pay for the distance *from there*:
#
# $$\text{log-loss}(w) + \tfrac{\lambda}{2} \lVert w - w_0 \rVert^2$$
#
# Choose both λ by validation: keep a third of `few` aside and try 1e-6 to 0.03.
# `one_hot` and `minimize(…, jac=True)` are lecture 01's.
#
# The check wants 27 % of the gap on the new site, on logs that you have not seen; `future.click` is hidden there, and the `truth` of both.
#
# <details><summary>Hint 1</summary>On <code>few</code> alone, 4,000 rows with a hundred-odd clicks cannot teach 600 columns. On <code>past</code> alone, the contexts of the new site have weight zero. You need both.</details>
# <details><summary>Hint 2</summary>The price is lecture 06's Gaussian belief, centred at w₀ instead of 0. Its gradient is λ (w − w₀). <code>loss_and_gradient</code> takes the centre.</details>
# <details><summary>Hint 3</summary>λ = 1e-5 around zero on the past, then λ = 0.003 around w₀ on the few. With a λ of 1e-4 the second step forgets what the first has learned.</details>

# %%
columns = ["age", "gender", "category", "site", "position", "hour", "device", "user", "ad",
           "advertiser", "context"]


def loss_and_gradient(w, X, y, price, centre):
    z = X @ w
    away = w - centre
    loss = np.mean(np.logaddexp(0, z) - y * z) + price / 2 * away @ away
    return loss, X.T @ (sigmoid(z) - y) / len(y) + price * away


def predict_clicks(past, few, future):
    """past, few, future: ad logs -> (len(future),) click probabilities."""
    # solution
    def fit(log, price, centre):
        X = log.one_hot(columns)
        known = X, log.click, price, centre
        return minimize(loss_and_gradient, centre, known, jac=True, method="L-BFGS-B").x

    nothing = np.zeros(future.one_hot(columns).shape[1])
    old = fit(past, 1e-5, nothing)
    return sigmoid(future.one_hot(columns) @ fit(few, 0.003, old))
    # end solution


# %%
if check("07.ctr", predict_clicks):
    log = data.load("ads", rows=120_000, seed=SEED)
    early, new = log.features["day"] < 10, log.features["site"] == 0
    future = log[~early & new]
    guess = predict_clicks(log[early & ~new], log[early & new][:4000], future)
    share = 100 * future.share_of_gap(guess)
    plots.bars("Your predictions for a site that has just opened",
               {"base rate": 0, "yours": share, "truth": 100},
               xlabel="share of the gap (%)", unit=" %",
               colors={"truth": plots.COLOR["truth"]})
    plots.show("Bars of the share of the gap: base rate, your model, truth.")

# %% [markdown] tags=["solution-only"]
# Training on both logs at once does as well here, if you can keep the old log. Fine-tuning needs only its weights.
# The price λ says how much you trust the old sites. Without it, enough steps on `few` forget everything: *catastrophic forgetting*, and early stopping is the usual, less clear remedy.
