# %% [markdown]
# # 09 · Words: exercises
#
# Seven tasks, about 125 minutes, after lecture 09.

# %% tags=["parameters"]
PROFILE = "lecture"
SEED = 0
DEVICE = "auto"

# %%
import numpy as np

from utils import data, plots, progress, runtime
from utils.checks import check

run = runtime.setup(PROFILE, SEED, DEVICE, threads=1)
# solution
progress.off()  # a solution that was read is not an exercise that was done
# exercise
# end solution

# %% [markdown]
# ## 1 · Count what stands to the right
#
# **build** · level ●●○ · 15 minutes · `glove`
#
# *So that you can build the table that every method of the lecture starts from, and keep the order of words if you want it.*
#
# The lecture's window looks both ways. Count the *right-hand* side only, and let a pair at distance $d$ count $1/d$.
# Cell $(i, j)$ of the result is the sum of $1/d$ over all places where word $j$ stands $d$ = 1 … `window` tokens to the right of word $i$, in the same sentence.
# `ids` holds the text as numbers, `sentence` the number of each token's sentence (it never falls), `size` is the number of words.
#
# <details><summary>Hint 1</summary>For one distance d, <code>ids[:-d]</code> stands to the left of <code>ids[d:]</code>. A pair counts only where <code>sentence[:-d] == sentence[d:]</code>.</details>
# <details><summary>Hint 2</summary><code>counts[left, right] += 1 / d</code> keeps one of several equal pairs. <code>np.add.at(counts, (left, right), 1 / d)</code> adds up all of them.</details>
# <details><summary>Hint 3</summary>Stop at d = len(ids) − 1: a text of one token has no pairs.</details>

# %%
def count_right(ids, sentence, window, size):
    """ids, sentence: (n,) int -> (size, size) float: sum of 1 / d over neighbours on the
    right."""
    # solution
    counts = np.zeros((size, size))
    for d in range(1, min(window, len(ids) - 1) + 1):
        same = sentence[:-d] == sentence[d:]
        np.add.at(counts, (ids[:-d][same], ids[d:][same]), 1 / d)
    return counts
    # end solution


# %%
check("09.right", count_right)

# %% [markdown] tags=["solution-only"]
# Add the transpose and you have GloVe's table. Keep it as it is, and left and right neighbours become different columns:
# that helps where grammar matters (*of* stands before a noun) and costs twice the table.

# %% [markdown]
# ## 2 · Information with a scale
#
# **build** · level ●●○ · 15 minutes · `word2vec`
#
# *Because a PMI of 7 may be two words that always go together, or two rare words that met once.*
#
# Divide the PMI by its largest possible value:
#
# $$\text{NPMI}(w, c) = \frac{\log \frac{p(w, c)}{p(w)\, p(c)}}{-\log p(w, c)}$$
#
# It is 1 for words that are never apart, 0 for words that ignore each other, and its limit is −1 for a pair that never meets.
# Keep the negative values, use plain shares (no power 0.75), and give −1 to every cell without a count.
# If one cell holds all the counts, it gets 1.
#
# <details><summary>Hint 1</summary>p(w, c) is the count over the sum of all counts; p(w) is the sum of its row, p(c) the sum of its column.</details>
# <details><summary>Hint 2</summary>Start from a table of −1 and fill only <code>seen = counts &gt; 0</code>. No logarithm of zero is needed then.</details>
# <details><summary>Hint 3</summary>Where p(w, c) is 1, both logarithms are 0: treat this one apart, before you divide.</details>

# %%
def npmi(counts):
    """counts: (V, C) float, not negative, not all zero
    -> (V, C) normalized PMI, from -1 to 1."""
    # solution
    p = counts / counts.sum()
    chance = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    result = np.full(counts.shape, -1.0)
    seen = (p > 0) & (p < 1)
    result[seen] = np.log(p[seen] / chance[seen]) / -np.log(p[seen])
    result[p == 1] = 1.0
    return result
    # end solution


# %%
check("09.npmi", npmi)

# %% [markdown] tags=["solution-only"]
# With PMI the first places go to rare pairs, since $p(w, c)$ cancels less than it should. NPMI (Bouma, 2009) ranks *ball tree* above a typing error that happened twice.
# The base of the logarithm cancels, so any will do.

# %% [markdown]
# ## 3 · The gradients of CBOW
#
# **build** · level ●●● · 25 minutes · `word2vec`
#
# *So that you have once derived what moves a word vector, mean and mask included.*
#
# There are $n$ windows of at most $m$ neighbours. `x` holds the neighbours' vectors, `there` says with 1 which of them exist. Each window has at least one.
# With $h_i$ the *mean* of window $i$'s existing neighbours, $v_i$ the word in the middle and $z_{i1} \dots z_{ik}$ *its own* negatives, the loss is
#
# $$\sum_i \Big[ -\log \sigma(h_i \cdot v_i) - \sum_j \log \sigma(-h_i \cdot z_{ij}) \Big]$$
#
# By hand, with two neighbours: $h = (x_1 + x_2) / 2$, so if the gradient by $h$ is (0.4, −0.2), each neighbour gets half of it, (0.2, −0.1).
#
# Return the loss and its gradients by `x`, `v` and `z`. Scores may be as large as 1000.
#
# <details><summary>Hint 1</summary>−log σ(s) is <code>np.logaddexp(0, -s)</code>, which does not overflow. <code>scipy.special.expit</code> is a sigmoid that does not either.</details>
# <details><summary>Hint 2</summary>The error of the yes is σ(h·v) − 1, of each no σ(h·z). The gradient by h is the sum of error times the other vector.</details>
# <details><summary>Hint 3</summary>h is a mean: each existing neighbour gets the gradient by h divided by the number of neighbours in <em>its</em> window, and the others get zero.</details>

# %%
from scipy.special import expit


def cbow(x, there, v, z):
    """x: (n, m, d), there: (n, m) of 0 and 1, v: (n, d), z: (n, k, d)
    -> loss, gradients by x, v, z."""
    # solution
    share = there / there.sum(axis=1, keepdims=True)                 # (n, m)
    h = np.einsum("nm,nmd->nd", share, x)
    yes, no = (h * v).sum(axis=1), np.einsum("nd,nkd->nk", h, z)     # (n,), (n, k)
    loss = np.logaddexp(0, -yes).sum() + np.logaddexp(0, no).sum()
    error, error_no = expit(yes) - 1, expit(no)
    h_grad = error[:, None] * v + np.einsum("nk,nkd->nd", error_no, z)
    return (loss, share[:, :, None] * h_grad[:, None], error[:, None] * h,
            error_no[:, :, None] * h[:, None])
    # end solution


# %%
check("09.cbow", cbow)

# %% [markdown] tags=["solution-only"]
# All neighbours of a window get the same gradient. That is why CBOW smooths over rare words, and why skip-gram, which pulls each pair apart, often serves them better.
# The original program adds the gradient to each neighbour *without* dividing by their number (its mean goes forward only). It works, and it is not the gradient of this loss.

# %% [markdown]
# ## 4 · Where does it come to rest?
#
# **predict** · level ●●○ · 10 minutes · `word2vec`
#
# *So that you can read a dot product of skip-gram vectors.*
#
# Two words ignore each other: they meet exactly as often as chance has it.
# Skip-gram is trained to the end, with enough numbers a word, $k$ = 5 negatives, and negatives drawn as often as the words occur.
# ("Chance" is the $p(c)$ of the PMI. Here it is the words' own share; the lecture draws by count to the power 0.75, and its $p(c)$ is then the share among the noes.)
# Where does $u_w \cdot v_c$ come to rest? Commit to one letter, then check.
#
# - **a** – 0, since they ignore each other
# - **b** – about −1.6
# - **c** – about 1.6
# - **d** – it goes to −∞, since most examples of the pair are a *no*
#
# <details><summary>Hint 1</summary>Among the examples with this word and this neighbour, how many are a no for each yes?</details>
# <details><summary>Hint 2</summary>A logistic regression on one number ends where σ(u·v) is the share of yes: one in six.</details>

# %%
# solution
answer = "b"
# end solution

# %%
check("09.rest", answer)

# %% [markdown] tags=["solution-only"]
# $\sigma(s) = 1/6$ at $s = -\log 5 \approx -1.61$: PMI − log k with a PMI of 0.
# So a dot product of zero is already a word of praise: $k$ times as often as chance.

# %% [markdown]
# ## 5 · An analogy that forgets a word
#
# **debug** · level ●●○ · 15 minutes · `word2vec` `glove`
#
# *Because this bug passes every demonstration, and shows only where the three words are not on top.*
#
# $a$ is to $b$ as $c$ is to …: unit vector of $b$, minus that of $a$, plus that of $c$; the nearest words by cosine, without $a$, $b$ and $c$.
# Somebody noticed that the three given words come first, and cut off the first three. Do they always come first?
# Mend it. `table` holds a vector a row, $a$, $b$, $c$ are row numbers. Return a NumPy array of the `n` best row numbers, the best first; on a tie the smaller number first.
#
# <details><summary>Hint 1</summary>The lecture prints the first words of row : rows = matrix : ? with all words allowed. Where is <em>row</em>? What would be left after cutting off three?</details>
# <details><summary>Hint 2</summary>Give the three words the worst score there is, <code>-np.inf</code>, before you sort. a, b and c need not be three different words.</details>

# %%
def analogy(table, a, b, c, n):
    """table: (V, d), a, b, c: rows -> (n,) int array of row numbers without a, b, c."""
    # solution
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    cosine = unit @ (unit[b] - unit[a] + unit[c])
    cosine[[a, b, c]] = -np.inf
    return np.argsort(-cosine, kind="stable")[:n]
    # exercise
    # unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    # cosine = unit @ (unit[b] - unit[a] + unit[c])
    # return np.argsort(-cosine, kind="stable")[3:n + 3]
    # end solution


# %%
check("09.analogy", analogy)

# %% [markdown] tags=["solution-only"]
# The sum moves away from *a*, so *a* is often far down the list, and the cut falls on a right answer instead.
# The same bug sits in many a search for neighbours: `argsort(...)[1:]` drops "the word itself", unless a copy of it comes first.

# %% [markdown]
# ## 6 · A vector for a word never seen
#
# **build** · level ●●○ · 15 minutes · `word2vec`
#
# *So that a typing error, a plural or a new product name need not be a hole in your model.*
#
# As in fastText: put `<` before the word and `>` behind it. Its pieces are all runs of `shortest` to `longest` letters in that, both included; the marks count as letters.
# `rows` is a dictionary from a piece to its vector. Return the *mean* of the vectors of the pieces that are in it: it points where the lecture's sum does, and is no longer for a longer word.
# A piece that comes twice in the word counts twice. If no piece is known, return zeros.
#
# <details><summary>Hint 1</summary><code>&lt;at&gt;</code> has 4 letters: for 3 to 6 its pieces are <code>&lt;at</code>, <code>at&gt;</code> and <code>&lt;at&gt;</code>.</details>
# <details><summary>Hint 2</summary>A text of L letters has L − n + 1 runs of n letters; <code>range</code> of a negative number is empty, which is right here.</details>
# <details><summary>Hint 3</summary>Collect the known vectors in a list first. Divide by how many are <em>known</em>, not by how many pieces there are.</details>

# %%
def from_pieces(word, rows, shortest, longest):
    """word: str, rows: dict of str -> (d,) float array, not empty -> (d,) float array."""
    # solution
    marked, known = f"<{word}>", []
    for n in range(shortest, longest + 1):
        for i in range(len(marked) - n + 1):
            if marked[i:i + n] in rows:
                known.append(rows[marked[i:i + n]])
    if not known:
        return np.zeros_like(next(iter(rows.values())))
    return np.mean(known, axis=0)
    # end solution


# %%
check("09.pieces", from_pieces)

# %% [markdown] tags=["solution-only"]
# Without the marks, *her* in *where* and the word *her* would be one piece; with them, `<her>` is the word.
# fastText does not even keep a list of pieces: it hashes each to one of two million rows, and lets a few share a row (lecture 08 on hashed names).

# %% [markdown]
# ## 7 · Ads as words
#
# **apply** · level ●●● · 30 minutes · `word2vec`
#
# *So that you carry the idea from text to a log: an ad is known by the users who click it.*
#
# `user`, `ad` and `click` are columns of an ad log: 400 users, 50 ads, a row for each impression. Return 12 numbers for each ad.
# The lecture's first probe judges them, with the ads' hidden *categories* for kinds; 0.5 is a guess. The check wants 0.76 on new logs, where each advertiser aimed at some users.
#
# PPMI with its SVD on a table of clicks stays below.
# The *expected clicks* of a cell (ad, user), if users had no taste: its impressions, times the ad's click rate, times the user's, over the rate of all. Build your table from both.
#
# <details><summary>Hint 1</summary>Count with <code>np.add.at(clicks, (ad, user), click)</code>. A user who saw an ad fifty times and never clicked says something. What does PPMI make of it?</details>
# <details><summary>Hint 2</summary>Keep the negative values: log((clicks + 1) / (expected + 1)), where the one more on either side keeps cells of few clicks quiet.</details>
# <details><summary>Hint 3</summary>A user or an ad without a row has no rate: divide by at least 1. After the logarithm an SVD, and 12 columns of U √S as in the lecture.</details>

# %%
def ad_vectors(user, ad, click):
    """user, ad, click: (n,) int -> (50, 12) float, a vector for each ad."""
    # solution
    shown, clicks = np.zeros((50, 400)), np.zeros((50, 400))
    np.add.at(shown, (ad, user), 1)
    np.add.at(clicks, (ad, user), click)
    ad_rate = clicks.sum(axis=1) / np.maximum(shown.sum(axis=1), 1)
    user_rate = clicks.sum(axis=0) / np.maximum(shown.sum(axis=0), 1)
    expected = shown * ad_rate[:, None] * user_rate / click.mean()
    u, s, _ = np.linalg.svd(np.log((clicks + 1) / (expected + 1)), full_matrices=False)
    return u[:, :12] * np.sqrt(s[:12])
    # end solution


# %%
if check("09.ads", ad_vectors):
    log = data.load("ads", rows=300_000, seed=SEED)
    table = ad_vectors(log.features["user"], log.features["ad"], log.click)
    category = np.zeros(50, dtype=int)
    category[log.features["ad"]] = log.features["category"]
    order = np.argsort(category, kind="stable")
    unit = table[order] / np.linalg.norm(table[order], axis=1, keepdims=True)
    _, ax = plots.figure("Ads of one category have the same friends",
                         xlabel="ads, sorted by category",
                         ylabel="ads, sorted by category", size=(5, 4.6))
    ax.imshow(unit @ unit.T, cmap="RdBu", vmin=-1, vmax=1)
    ax.grid(False)
    plots.show("Cosines between 50 ads: blue squares along the diagonal where a category "
               "begins and ends.")

# %% [markdown] tags=["solution-only"]
# Nobody told the table what a category is; the users did. The same on sequences of items, with skip-gram, is known as item2vec (Barkan and Koenigstein, 2016).
# In a text a pair that never meets may have had no chance to. In a log you know the chances: the impressions. Use them.
