"""The tasks of lecture 02."""

from functools import cache

import numpy as np

from utils.checks import Case, Choice, Function, Mistake, Rule

rng = np.random.default_rng(2)


# --------------------------------------------------------------------------------------------- 02.limit
def _limit_by_autograd(X, c, price):
    """2 / L, with the second derivatives from PyTorch and L as a singular value of theirs."""
    import torch

    X, c = (torch.tensor(np.asarray(a, dtype=np.float64)) for a in (X, c))
    hessian = torch.autograd.functional.hessian(
        lambda w: torch.sum(c * (X @ w) ** 2) / c.sum() + price * w @ w, torch.zeros(X.shape[1]).double()
    )
    return 2 / torch.linalg.matrix_norm(hessian, 2).item()


def _limit(*, over=np.sum, power=1, two=2, price_two=2, which=lambda H: np.linalg.eigvalsh(H)[-1], top=2):
    """The limit with a switch for each usual mistake."""

    def code(X, c, price):
        H = two * X.T @ (X * c[:, None] ** power) / over(c) + price_two * price * np.eye(X.shape[1])
        return top / which(H)

    return code


limit = Function(
    "02.limit",
    cases=[
        Case(
            "50 rows of uneven weight and 3 columns", (rng.normal(size=(50, 3)), rng.uniform(0, 4, 50), 0.2)
        ),
        Case(
            "equal weights, no price, a column a hundred times as large",
            (rng.normal(size=(40, 2)) * [1.0, 100.0], np.ones(40), 0.0),
        ),
        Case(
            "two columns that go together",
            (rng.normal(size=(30, 1)) + 0.1 * rng.normal(size=(30, 2)), rng.uniform(0, 1, 30), 0.01),
        ),
        Case("one row", (np.array([[3.0, 4.0]]), np.array([2.0]), 0.5)),
        Case("a large row of weight 0", (np.array([[1.0], [2.0], [1e3]]), np.array([1.0, 3.0, 0.0]), 0.0)),
        Case("a price above everything else", (0.01 * rng.normal(size=(9, 2)), np.ones(9), 10.0)),
    ],
    oracle=_limit_by_autograd,
    mistakes=[
        Mistake("the price on large weights is missing: it curves the loss too", _limit(price_two=0), 2),
        Mistake("the second derivative of price · w² is twice the price", _limit(price_two=1), 2),
        Mistake(
            "the price stands on the diagonal only, times the identity",
            lambda X, c, price: 2 / np.linalg.eigvalsh(2 * X.T @ (X * c[:, None]) / c.sum() + 2 * price)[-1],
            2,
        ),
        Mistake("the weights of the rows are missing", _limit(power=0, over=len), 2),
        Mistake("the loss divides by the sum of the weights, not by the number of rows", _limit(over=len), 2),
        Mistake("the weight of a row is squared here; it enters once", _limit(power=2), 2),
        Mistake("the factor 2 of the square is missing from the curvature", _limit(two=1, price_two=1), 2),
        Mistake("the factor 2 of the square is missing from the curvature", _limit(two=1), 2),
        Mistake(
            "this is the limit for the sum of the squares; the loss divides by the sum of the weights",
            _limit(over=lambda c: 1),
            2,
        ),
        Mistake(
            "this is 1 / L, the rate that suits the steepest direction best; the limit is 2 / L",
            _limit(top=1),
            1,
        ),
        Mistake(
            "this takes the flattest direction; the steepest one decides",
            _limit(which=lambda H: np.linalg.eigvalsh(H)[0]),
            3,
        ),
        Mistake("the trace is a bound, not the largest eigenvalue", _limit(which=np.trace), 3),
        Mistake(
            "the norm over all entries is a bound, not the largest eigenvalue",
            _limit(which=np.linalg.norm),
            3,
        ),
        Mistake(
            "the largest entry on the diagonal ignores columns that go together",
            _limit(which=lambda H: np.diag(H).max()),
            3,
        ),
    ],
    concepts=["learning-rate", "steepest-descent"],
)


# ------------------------------------------------------------------------------------------ 02.momentum
def _torch_path(make, w, gradients):
    """The weights after each step of an optimizer of torch.optim, (steps, d)."""
    import torch

    weights = torch.tensor(np.asarray(w, dtype=np.float64), requires_grad=True)
    optimizer, path = make([weights]), []
    for g in gradients:
        weights.grad = torch.tensor(g)
        optimizer.step()
        path.append(weights.detach().numpy().copy())
    return np.array(path)


def _torch_nesterov(w, gradients, lr, beta):
    """PyTorch refuses to look ahead without momentum: at β = 0 there is nothing to look along."""
    import torch

    return _torch_path(lambda p: torch.optim.SGD(p, lr=lr, momentum=beta, nesterov=beta > 0), w, gradients)


def _rolled(step):
    """Momentum with another rule: step(w, v, g, lr, beta) -> w, v."""

    def roll(w, gradients, lr, beta):
        v, path = np.zeros_like(w), []
        for g in gradients:
            w, v = step(w, v, g, lr, beta)
            path.append(w)
        return np.array(path)

    return roll


def _looking(velocity, move):
    """A step from the new velocity(v, g, beta) and the move(v, g, beta) that it makes."""

    def step(w, v, g, lr, beta):
        v = velocity(v, g, beta)
        return w - lr * move(v, g, beta), v

    return _rolled(step)


def _usual(v, g, beta):
    return beta * v + g


def _ahead(v, g, beta):
    return g + beta * v


momentum = Function(
    "02.momentum",
    cases=[
        Case("20 random gradients", (rng.normal(size=3), rng.normal(size=(20, 3)), 0.1, 0.9)),
        Case("a constant gradient", (np.zeros(2), np.ones((5, 2)), 0.5, 0.5)),
        Case(
            "a gradient that changes its sign", (np.array([1.0]), np.array([[1.0], [-1.0], [1.0]]), 0.1, 0.99)
        ),
        Case("β = 0, plain descent", (np.array([1.0, 2.0]), rng.normal(size=(4, 2)), 0.1, 0.0)),
        Case("one step", (np.array([1.0, -1.0]), np.array([[2.0, 3.0]]), 0.1, 0.9)),
    ],
    oracle=_torch_nesterov,
    mistakes=[
        Mistake(
            "this is plain momentum: the look ahead is missing, or it uses the old velocity",
            _looking(_usual, lambda v, g, beta: v),
            2,
        ),
        Mistake("this is plain descent: no velocity takes part", _looking(_usual, lambda v, g, beta: g), 1),
        Mistake(
            "the velocity is lost between steps; set it to zero once, before the loop",
            _looking(lambda v, g, beta: g, _ahead),
            1,
        ),
        Mistake(
            "the gradient enters the velocity with weight 1, not 1 − β",
            _looking(lambda v, g, beta: beta * v + (1 - beta) * g, _ahead),
            2,
        ),
        Mistake(
            "the step takes β v beside the gradient, not v",
            _looking(_usual, lambda v, g, beta: g + v),
            2,
        ),
        Mistake(
            "the sign is wrong: this climbs", _looking(_usual, lambda v, g, beta: -_ahead(v, g, beta)), 2
        ),
    ],
    concepts=["momentum"],
)


# ------------------------------------------------------------------------------------------- 02.adagrad
def _adagrad_by_loop(W, gradients, lr, eps=1e-10):
    """Row by row and entry by entry, in plain Python."""
    out = []
    for i, row in enumerate(W.tolist()):
        total = 0.0
        for g in gradients[:, i].tolist():
            total += sum(part * part for part in g) / len(g)
            row = [a - lr * b / (total**0.5 + eps) for a, b in zip(row, g, strict=True)]
        out.append(row)
    return np.array(out)


def _shared(square):
    """The mean square of each row, which all its entries share: (rows, 1)."""
    return square.mean(axis=1, keepdims=True)


def _adagrad(first=0.0, *, root=True, late=False, share=_shared, keep=lambda total, new, t: total + new):
    """Row-wise AdaGrad with a switch for each usual mistake."""

    def code(W, gradients, lr, eps=1e-10):
        total = first
        for t, g in enumerate(gradients, start=1):
            now = keep(total, share(g**2), t)
            used = total if late else now
            W = W - lr * g / ((np.sqrt(used) if root else used) + eps)
            total = now
        return W

    return code


adagrad = Function(
    "02.adagrad",
    cases=[
        Case("one gradient, (3, 4)", (np.array([[1.0, 1.0]]), np.array([[[3.0, 4.0]]]), 0.1)),
        Case("20 random gradients", (rng.normal(size=(4, 3)), rng.normal(size=(20, 4, 3)), 0.1)),
        Case("as many rows as columns", (rng.normal(size=(3, 3)), rng.normal(size=(6, 3, 3)), 0.1)),
        Case(
            "rows with gradients near 0.001 and near 1,000",
            (np.zeros((2, 2)), rng.normal(size=(10, 2, 2)) * [[1e-3], [1e3]], 0.5),
        ),
        Case(
            "a row whose gradient is zero at first",
            (np.ones((2, 2)), np.array([[[0.0, 0.0], [1.0, 2.0]], [[2.0, 1.0], [1.0, 0.0]]]), 0.1),
        ),
        Case("a large ε", (np.ones((2, 2)), np.array([[[1.0, -2.0], [0.5, 0.5]]]), 0.1, 0.5)),
        Case(
            "gradients as small as the ε of the default", (np.ones((1, 2)), np.array([[[1e-10, 3e-10]]]), 1.0)
        ),
    ],
    oracle=_adagrad_by_loop,
    mistakes=[
        Mistake("one bug is left: the root of the sum is missing", _adagrad(root=False), 3),
        Mistake("one bug is left: the root of the sum is missing", _adagrad(1.0, root=False), 3),
        Mistake("the present gradient belongs into the sum before the step", _adagrad(1.0, late=True), 2),
        Mistake("the present gradient belongs into the sum before the step", _adagrad(late=True), 2),
        Mistake(
            "the sum starts at zero, not at one: with the right order nothing divides by zero",
            _adagrad(1.0),
            1,
        ),
        Mistake(
            "every entry has a memory of its own here; a row shares one number",
            _adagrad(share=lambda square: square),
            1,
        ),
        Mistake(
            "a row adds the mean of its squares, not their sum",
            _adagrad(share=lambda square: square.sum(axis=1, keepdims=True)),
            1,
        ),
        Mistake(
            "the mean runs over each row, not over each column",
            _adagrad(share=lambda square: square.mean(axis=0)),
            1,
        ),
        Mistake("the whole table shares one number here; each row has its own", _adagrad(share=np.mean), 1),
        Mistake(
            "this is a mean over the steps; AdaGrad adds them up",
            _adagrad(keep=lambda total, new, t: total + (new - total) / t),
            3,
        ),
        Mistake("the argument `eps` is not used", lambda *a: _adagrad_by_loop(*a[:3])),
        Mistake("the memory is lost between steps", _adagrad(keep=lambda total, new, t: new), 2),
    ],
    bug=_adagrad(1.0, root=False, late=True),
    concepts=["adagrad"],
)


# -------------------------------------------------------------------------------------------- 02.adamax
def _torch_adamax(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    import torch

    return _torch_path(lambda p: torch.optim.Adamax(p, lr=lr, betas=(beta1, beta2), eps=eps), w, gradients)


def _correct(mean, t, beta1, beta2):
    return mean / (1 - beta1**t)


def _adamax(
    correct=_correct,
    largest=lambda u, g, beta2, eps: np.maximum(beta2 * u, np.abs(g) + eps),
    size=lambda u, t, beta2: u,
    weight=lambda beta1: 1 - beta1,
    keep=lambda beta1: beta1,
):
    """AdaMax with a switch for each usual mistake."""

    def code(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
        mean, u, path = np.zeros_like(w), np.zeros_like(w), []
        for t, g in enumerate(gradients, start=1):
            mean = keep(beta1) * mean + weight(beta1) * g
            u = largest(u, g, beta2, eps)
            w = w - lr * correct(mean, t, beta1, beta2) / size(u, t, beta2)
            path.append(w)
        return np.array(path)

    return code


def _adamax_corrected_memory(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    mean, u, path = np.zeros_like(w), np.zeros_like(w), []
    for t, g in enumerate(gradients, start=1):
        mean = (beta1 * mean + (1 - beta1) * g) / (1 - beta1**t)
        u = np.maximum(beta2 * u, np.abs(g) + eps)
        w = w - lr * mean / u
        path.append(w)
    return np.array(path)


def _torch_adam(w, gradients, lr=0.002, beta1=0.9, beta2=0.999, eps=1e-8):
    import torch

    return _torch_path(lambda p: torch.optim.Adam(p, lr=lr, betas=(beta1, beta2), eps=eps), w, gradients)


adamax = Function(
    "02.adamax",
    cases=[
        Case("20 random gradients", (rng.normal(size=3), rng.normal(size=(20, 3)), 0.1, 0.9, 0.999, 1e-8)),
        Case(
            "one step, gradients of 1e-6 and −1e6",
            (np.ones(2), np.array([[1e-6, -1e6]]), 0.01, 0.9, 0.999, 1e-8),
        ),
        Case("other betas, a large ε", (rng.normal(size=2), rng.normal(size=(6, 2)), 0.1, 0.5, 0.8, 0.1)),
        Case(
            "a large gradient, then small ones",
            (np.ones(2), np.array([[9.0, -9.0], *[[0.1, 0.2]] * 5]), 0.1, 0.9, 0.5, 1e-8),
        ),
        Case("a gradient of zero", (np.ones(2), np.array([[0.0, 1.0], [0.0, 1.0]]), 0.1, 0.9, 0.999, 1e-8)),
        Case("the defaults", (rng.normal(size=2), rng.normal(size=(5, 2)))),
        Case("the defaults, gradients near 1e-8", (np.ones(2), np.array([[1e-8, -3e-8], [2e-8, 1e-8]]))),
    ],
    oracle=_torch_adamax,
    mistakes=[
        Mistake(
            "the mean of the gradients starts at zero and is not corrected",
            _adamax(correct=lambda mean, t, beta1, beta2: mean),
            1,
        ),
        Mistake(
            "the largest needs no correction: after one step it is |g| already",
            _adamax(size=lambda u, t, beta2: u / (1 - beta2**t)),
            1,
        ),
        Mistake(
            "the other way round: the mean starts too small, the largest does not",
            _adamax(correct=lambda mean, t, beta1, beta2: mean, size=lambda u, t, beta2: u / (1 - beta2**t)),
            1,
        ),
        Mistake(
            "steps count from 1: one step in, the correction divides by 1 − β₁, not by 1 − β₁²",
            _adamax(correct=lambda mean, t, beta1, beta2: mean / (1 - beta1 ** (t + 1))),
            2,
        ),
        Mistake(
            "the mean of the gradients is corrected with its own β₁, not with β₂",
            _adamax(correct=lambda mean, t, beta1, beta2: mean / (1 - beta2**t)),
            2,
        ),
        Mistake("the corrected mean went into the memory; correct a copy", _adamax_corrected_memory, 2),
        Mistake(
            "the last gradient stands above the fraction; it should be the running mean",
            _adamax(correct=lambda mean, t, beta1, beta2: mean, weight=lambda beta1: 1, keep=lambda beta1: 0),
            2,
        ),
        Mistake("this is Adam: it divides by a root of a mean, AdaMax by the largest", _torch_adam, 3),
        Mistake(
            "the old largest never fades: multiply it by β₂ before you compare",
            _adamax(largest=lambda u, g, beta2, eps: np.maximum(u, np.abs(g) + eps)),
            3,
        ),
        Mistake(
            "the new gradient fades too: only the old largest is multiplied by β₂",
            _adamax(largest=lambda u, g, beta2, eps: beta2 * np.maximum(u, np.abs(g) + eps)),
            3,
        ),
        Mistake(
            "the largest gradient of all weights is used for each; every weight has its own",
            _adamax(largest=lambda u, g, beta2, eps: np.maximum(beta2 * u, np.abs(g).max() + eps)),
            3,
        ),
        Mistake(
            "a negative gradient never counts: take its size |g|",
            _adamax(largest=lambda u, g, beta2, eps: np.maximum(beta2 * u, g + eps)),
            3,
        ),
        Mistake(
            "ε belongs to |g|, inside the maximum",
            _adamax(
                largest=lambda u, g, beta2, eps: np.maximum(beta2 * (u - eps), np.abs(g)) + eps  # added late
            ),
            3,
        ),
        Mistake(
            "the gradient enters its mean with weight 1 − β₁",
            _adamax(weight=lambda beta1: 1),
            2,
        ),
    ],
    concepts=["adam"],
)


# --------------------------------------------------------------------------------------------- 02.units
@cache
def _measured_units() -> str:
    """SGD and Adam, each tuned, on a quadratic and on a thousand times that quadratic, by torch.optim."""
    import torch

    def walk(make, scale):
        w, path = torch.tensor([2.0, -1.0], dtype=torch.float64, requires_grad=True), []
        optimizer = make([w])
        for _ in range(100):
            optimizer.zero_grad()
            (scale * (w[0] ** 2 + 10 * w[1] ** 2)).backward()
            optimizer.step()
            path.append(w.detach().clone())
        return torch.stack(path)

    def what(make):
        usual, scaled = walk(make, 1.0), walk(make, 1000.0)
        if not scaled.isfinite().all() or scaled.abs().max() > 1e6:
            return "diverges"
        return "same" if torch.allclose(usual, scaled, atol=1e-3) else "other"

    sgd = what(lambda p: torch.optim.SGD(p, lr=0.05))
    adam = what(lambda p: torch.optim.Adam(p, lr=0.05))
    found = {
        ("diverges", "diverges"): "a",
        ("diverges", "same"): "b",
        ("same", "diverges"): "c",
        ("same", "same"): "d",
    }
    return found[sgd, adam]


units = Choice(
    "02.units",
    options=("a", "b", "c", "d"),
    truth=_measured_units,
    wrong="both descents, measured just now on a loss and on a thousand times that loss, say otherwise",
    right="measured just now: that is what both descents do",
    concepts=["adam", "sgd"],
)


# ----------------------------------------------------------------------------------------- 02.evolution
def _bowl(w):
    return float(np.sum(np.arange(1, len(w) + 1) * w**2))


def _steep(w):
    return float(np.exp(_bowl(w)))  # the same order as the bowl, quite other values


def _line(w):
    return float(100 + np.sum(3 * w))


def _cliff(w):
    return float(w @ w + (1e12 if w[0] > 1 else 0))


def _by_rank(loss, w, noise, sigma):
    """Draw by draw, and a rank is a count of smaller losses, in plain Python."""
    tries = [
        loss(np.array([a + side * sigma * b for a, b in zip(w, e, strict=True)]))
        for side in (1, -1)
        for e in noise
    ]
    ranks = [sum(other < own for other in tries) / (len(tries) - 1) - 0.5 for own in tries]
    m, total = len(noise), [0.0] * len(w)
    for k, e in enumerate(noise):
        for i, part in enumerate(e):
            total[i] += (ranks[k] - ranks[k + m]) * part / m
    return np.array(total)


def _evolution(*, rank=lambda a: a.argsort().argsort(), top=None, gain=lambda up, down: up - down, by=len):
    """Evolution by ranks with a switch for each usual mistake; by(noise) is what the sum is divided by."""

    def code(loss, w, noise, sigma):
        m = len(noise)
        losses = np.array([loss(t) for t in np.concatenate([w + sigma * noise, w - sigma * noise])])
        ranks = rank(losses) / (top or (lambda m: 2 * m - 1))(m) - 0.5
        return gain(ranks[:m], ranks[m:]) @ noise / by(noise)

    return code


def _each_side(losses):
    up, down = np.split(losses, 2)
    return np.concatenate([up.argsort().argsort(), down.argsort().argsort()])


def _by_loss(loss, w, noise, sigma):
    return np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise]) @ noise / len(noise)


def _ranked_differences(loss, w, noise, sigma):
    gains = np.array([loss(w + sigma * e) - loss(w - sigma * e) for e in noise])
    return (gains.argsort().argsort() / max(len(noise) - 1, 1) - 0.5) @ noise / len(noise)


evolution = Function(
    "02.evolution",
    cases=[
        Case("a bowl, 30 draws", (_bowl, np.array([1.0, -2.0, 0.5]), rng.normal(size=(30, 3)), 0.1)),
        Case("exp of a bowl", (_steep, np.array([0.5, -0.5]), rng.normal(size=(12, 2)), 0.1)),
        Case("a straight line, one draw", (_line, np.zeros(2), np.array([[1.0, -0.5]]), 2.0)),
        Case("a cliff of 1e12", (_cliff, np.array([0.9, 1.0]), rng.normal(size=(7, 2)), 0.2)),
    ],
    oracle=_by_rank,
    mistakes=[
        Mistake(
            "argsort gives the order, not the ranks: the rank of a loss is its place in that order",
            _evolution(rank=np.argsort),
            2,
        ),
        Mistake(
            "the two sides are ranked apart; rank all 2m losses together", _evolution(rank=_each_side), 1
        ),
        Mistake(
            "the ranks are spread from −½ to ½: divide by the number of losses less one",
            _evolution(top=lambda m: 2 * m),
            2,
        ),
        Mistake("these are bare ranks; they should go from −½ to ½", _evolution(top=lambda m: 1), 2),
        Mistake(
            "the m differences of losses are ranked here; rank the 2m losses, then take differences",
            _ranked_differences,
            1,
        ),
        Mistake(
            "ranks have no unit: nothing is divided by σ here",
            lambda loss, w, noise, sigma: _by_rank(loss, w, noise, sigma) / (2 * sigma),
            3,
        ),
        Mistake(
            "the losses themselves are weighed, so one outlier decides all; use their ranks", _by_loss, 1
        ),
        Mistake(
            "the losses themselves are weighed, so one outlier decides all; use their ranks",
            lambda loss, w, noise, sigma: _by_loss(loss, w, noise, sigma) / (2 * sigma),
            1,
        ),
        Mistake(
            "the sign is wrong: this points downhill, the gradient points uphill",
            _evolution(gain=lambda up, down: down - up),
            3,
        ),
        Mistake("the rank of the mirror image is missing", _evolution(gain=lambda up, down: up), 3),
        Mistake("this is the sum over the draws; return the mean", _evolution(by=lambda noise: 1), 3),
        Mistake(
            "the mean is over the m draws, not over the 2m tries",
            _evolution(by=lambda noise: 2 * len(noise)),
            3,
        ),
    ],
    concepts=["evolution"],
)


# -------------------------------------------------------------------------------------------- 02.clicks
KEPT = 0.1


@cache
def _logs():
    """Two ad logs, split in time, whose past has lost nine in ten of its rows without a click."""
    from utils import data

    cases = []
    for seed in (73, 74):
        log = data.load("ads", rows=100_000, seed=seed)
        columns = [column for column in log.sizes if column != "day"]
        firsts = np.cumsum([0, *[log.sizes[column] for column in columns]])
        ones = np.stack([log.features[column] for column in columns], axis=1) + firsts[:-1]
        past = log.features["day"] < 10
        stays = past & ((log.click == 1) | (np.random.default_rng(seed).random(len(past)) < KEPT))
        args = (ones[stays], log.click[stays], KEPT, np.random.default_rng(seed))
        cases.append(Case(f"ad log {seed}", args, known=(log[~past], ones[~past])))
    return cases


def _clicks(w, ones):
    return 0.5 * (1 + np.tanh(0.5 * w[ones].sum(axis=1)))


def _mean_over_rate(w, *known):
    """The mean prediction over the click rate, on the later days of the full log."""
    future, later = known[-2:]
    return _clicks(w, later).mean() / future.click.mean()


clicks = Function(
    "02.clicks",
    cases=_logs,
    like=lambda ones, click, kept, rng: np.zeros(548),
    draws=True,
    rules=[
        Rule(
            "these are the click rates of the thinned log, many times too high: undo the thinning",
            lambda w, *known: not 4 < _mean_over_rate(w, *known) < 9,
            2,
        ),
        Rule(
            "the mean prediction is not the click rate of the full log",
            lambda w, *known: 0.8 < _mean_over_rate(w, *known) < 1.25,
            2,
        ),
        Rule(
            "this is less than 26 % of the gap",
            lambda w, *known: known[-2].share_of_gap(_clicks(w, known[-1])) >= 0.26,
            3,
        ),
    ],
    concepts=["sgd", "adagrad", "optimization"],
)

TASKS = [limit, momentum, adagrad, adamax, units, evolution, clicks]
