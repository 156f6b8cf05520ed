"""Restricted Boltzmann machines and deep belief networks, as built in lecture 07.

    rbm = RBM(128, epochs=30).fit(pixels)     # (n, d), each in [0, 1]: a bit, or the probability of one
    code = rbm.transform(pixels)              # (n, 128), the probability that each hidden unit is on
    rbm.free_energy(pixels)                   # (n,), lower where the model finds a row more probable
    dbn = DBN([RBM(128), RBM(64)]).fit(pixels)
    dbn.linears()                             # two nn.Linear, to start a network from

A joint state of visible bits v and hidden bits h has the energy  E(v, h) = -b·v - c·h - h·W v  and the
probability  exp(-E) / Z.  Within a layer the units do not see each other: given one layer, the other one is
a row of logistic regressions. That is all that learning needs (contrastive divergence). On a model whose
smaller layer has at most 20 units, Z, the likelihood and its gradient are computed exactly as well.

Everything is a tensor and stays where `fit` found it; rows come as tensors or arrays. Smolensky (1986) for
the model; Hinton (2002), Training Products of Experts by Minimizing Contrastive Divergence; Hinton (2010),
A Practical Guide to Training Restricted Boltzmann Machines; Hinton, Osindero & Teh (2006) for the stack.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST_UNITS = 20  # of the smaller layer, for exact enumeration: about a million states


class RBM:
    """One visible and one hidden layer of bits, trained by contrastive divergence (CD-k).

    `n_hidden`: hidden units; `k`: steps of the chain that starts at the data, for each gradient;
    `epochs`, `lr`, `momentum`, `batch_size`: of the ascent on the likelihood; `decay`: the share of the
    weights that is taken off, times `lr`, at each step; `sample_visible`: whether the chain draws its visible
    bits (needed for CD-k to become exact as k grows) or takes their probabilities (less noise, faster);
    `random_state`: the same one gives the same machine.
    Learned, in the layout of nn.Linear: `weight_` (hidden, visible), `hidden_bias_` (hidden,),
    `visible_bias_` (visible,); `errors_`: the mean squared reconstruction error of each epoch.
    """

    def __init__(
        self,
        n_hidden: int,
        *,
        k: int = 1,
        epochs: int = 30,
        lr: float = 0.1,
        momentum: float = 0.8,
        decay: float = 1e-4,
        batch_size: int = 50,
        sample_visible: bool = False,
        random_state: int = 0,
    ):
        for name, value in {"n_hidden": n_hidden, "k": k, "epochs": epochs, "batch_size": batch_size}.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} is {value!r}; expected a whole number, at least 1")
        if not (lr > 0 and math.isfinite(lr)):
            raise ValueError(f"lr is {lr!r}; expected a positive number")
        if not (0 <= momentum < 1 and decay >= 0 and lr * decay < 1):
            raise ValueError(
                f"momentum is {momentum!r} and decay {decay!r}; expected 0 ≤ momentum < 1, 0 ≤ decay < 1 / lr"
            )
        self.n_hidden, self.k, self.epochs, self.batch_size = n_hidden, k, epochs, batch_size
        self.lr, self.momentum, self.decay = lr, momentum, decay
        self.sample_visible, self.random_state = sample_visible, random_state

    # ----------------------------------------------------------------------------------------- learning
    def fit(self, V) -> "RBM":
        """V: (n, d) in [0, 1]. Raises ValueError for anything else, and if the weights stop being finite."""
        V = _checked(V)
        self._start(V)
        for epoch in range(self.epochs):
            order = torch.randperm(len(V), generator=self._draw, device=V.device)
            wrong = sum(self._step(V[rows]) for rows in order.split(self.batch_size))
            self.errors_.append(float(wrong) / V.numel())
            if not all(w.isfinite().all() for w in self._parameters()):
                raise ValueError(
                    f"lr {self.lr:g} is too large: weights are not finite after epoch {epoch + 1}"
                )
        return self

    def _start(self, V):
        """Small weights, no hidden bias, and visible biases that give each bit its own mean already."""
        self._draw = torch.Generator(V.device).manual_seed(self.random_state)
        shape = (self.n_hidden, V.shape[1])
        self.weight_ = 0.01 * torch.randn(shape, generator=self._draw, device=V.device, dtype=V.dtype)
        self.hidden_bias_ = V.new_zeros(self.n_hidden)
        self.visible_bias_ = V.mean(0).clamp(0.01, 0.99).logit()
        self._velocity = [torch.zeros_like(w) for w in self._parameters()]
        self.errors_ = []

    def _step(self, v) -> Tensor:
        """One step uphill on a batch, in place; returns its summed squared reconstruction error."""
        h, v_k, h_k = self._contrast(v)
        W, b, c = self._velocity
        scale = self.lr / len(v)
        W.addmm_(h.T, v, beta=self.momentum, alpha=scale).addmm_(h_k.T, v_k, alpha=-scale)
        gap = v - v_k
        b.mul_(self.momentum).add_(gap.sum(0), alpha=scale)
        c.mul_(self.momentum).add_((h - h_k).sum(0), alpha=scale)
        torch.add(W, self.weight_, alpha=1 - self.lr * self.decay, out=self.weight_)
        self.visible_bias_ += b
        self.hidden_bias_ += c
        return gap.square_().sum()

    def _contrast(self, v):
        """Both ends of the chain: hidden probabilities at the data; visible and hidden ones after k steps."""
        h = h_k = self._up(v)
        for _ in range(self.k):
            v_k = self._down(self._bits(h_k))
            if self.sample_visible:
                v_k = self._bits(v_k)
            h_k = self._up(v_k)
        return h, v_k, h_k

    def contrastive_gradient(self, V) -> tuple[Tensor, Tensor, Tensor]:
        """One noisy CD-k estimate of the gradient of the mean log-likelihood: shaped as weight, b and c."""
        v = self._seen(V)
        h, v_k, h_k = self._contrast(v)
        return (h.T @ v - h_k.T @ v_k) / len(v), (v - v_k).mean(0), (h - h_k).mean(0)

    # -------------------------------------------------------------------------------------------- using
    def transform(self, V) -> Tensor:
        """The probability that each hidden unit is on: (n, d) -> (n, hidden)."""
        return self._up(self._seen(V))

    def reconstruct(self, V) -> Tensor:
        """Up and down once, with probabilities all the way: (n, d) -> (n, d)."""
        return self._down(self.transform(V))

    def free_energy(self, V) -> Tensor:
        """F(v) = -log of the sum over h of exp(-E(v, h)): (n, d) -> (n,). p(v) = exp(-F(v)) / Z."""
        V = self._seen(V)
        return -V @ self.visible_bias_ - F.softplus(self._score(V)).sum(1)

    def sample(self, n: int, steps: int = 1000, start=None) -> Tensor:
        """Visible probabilities (n, d) after n chains of so many steps, from `start` or from fair coins."""
        self._fitted()
        v = (
            torch.full((n, len(self.visible_bias_)), 0.5).to(self.weight_)
            if start is None
            else self._seen(start)
        )
        if len(v) != n or steps < 1:
            raise ValueError(f"start has {len(v)} rows and steps is {steps}; expected n = {n} and at least 1")
        for _ in range(steps):
            v = self._down(self._bits(self._up(self._bits(v))))
        return v

    # ------------------------------------------------------------------------------- exact, where small
    def log_partition(self) -> float:
        """log Z, by going through every state of the smaller layer. Raises ValueError above 20 units."""
        return torch.logsumexp(-self._all_energies()[1], 0).item()

    def log_likelihood(self, V) -> Tensor:
        """The exact log-probability of each row of bits: (n, d) -> (n,). For small models only."""
        return -self.free_energy(V) - self.log_partition()

    def likelihood_gradient(self, V) -> tuple[Tensor, Tensor, Tensor]:
        """The exact gradient of the mean log-likelihood: data minus model. For small models only."""
        v = self._seen(V)
        h = self._up(v)
        states, energies = self._all_energies()
        share = torch.softmax(-energies, 0)[:, None]
        if states.shape[1] == len(self.visible_bias_):
            model_v, model_h = states, self._up(states)
        else:
            model_v, model_h = self._down(states), states
        return (
            h.T @ v / len(v) - model_h.T @ (share * model_v),
            v.mean(0) - (share * model_v).sum(0),
            h.mean(0) - (share * model_h).sum(0),
        )

    def _all_energies(self):
        """Every state of the smaller layer, and its free energy: the other layer is summed out."""
        self._fitted()
        visible, hidden = self.weight_.shape[1], self.weight_.shape[0]
        size = min(visible, hidden)
        if size > MOST_UNITS:
            raise ValueError(
                f"{visible} visible and {hidden} hidden units are too many to enumerate; one layer needs "
                f"{MOST_UNITS} or fewer"
            )
        numbers = torch.arange(2**size, device=self.weight_.device)
        states = (numbers[:, None] >> torch.arange(size, device=self.weight_.device) & 1).to(self.weight_)
        if size == visible:
            return states, -states @ self.visible_bias_ - F.softplus(self._score(states)).sum(1)
        down = torch.addmm(self.visible_bias_, states, self.weight_)
        return states, -states @ self.hidden_bias_ - F.softplus(down).sum(1)

    # ------------------------------------------------------------------------------------------ the parts
    def _score(self, v):
        return torch.addmm(self.hidden_bias_, v, self.weight_.T)  # (n, d) @ (d, hidden)

    def _up(self, v):
        return self._score(v).sigmoid_()

    def _down(self, h):
        return torch.addmm(self.visible_bias_, h, self.weight_).sigmoid_()  # (n, hidden) @ (hidden, d)

    def _bits(self, p):
        """Toss a coin for each probability."""
        return torch.rand(p.shape, generator=self._draw, device=p.device, dtype=p.dtype).lt_(p)

    def _parameters(self):
        return self.weight_, self.visible_bias_, self.hidden_bias_

    def _fitted(self):
        if not hasattr(self, "weight_"):
            raise ValueError("this RBM is not fitted yet; call fit(V) first")

    def _seen(self, V):
        """V for a fitted machine: of its width, where it is, in its precision."""
        self._fitted()
        return _checked(V, like=self.weight_)


class DBN:
    """RBMs trained one on top of another: each learns from the hidden probabilities of the one below.

    `rbms`: at least one, from the bottom to the top; `fit` trains them in this order.
    """

    def __init__(self, rbms: Sequence[RBM]):
        self.rbms = list(rbms)
        if not self.rbms or not all(isinstance(rbm, RBM) for rbm in self.rbms):
            raise ValueError("a DBN needs a list of one or more RBMs, such as DBN([RBM(128), RBM(64)])")
        if len(set(map(id, self.rbms))) < len(self.rbms):
            raise ValueError("the same RBM stands in the list twice; each layer needs one of its own")

    def fit(self, V) -> "DBN":
        """V: (n, d) in [0, 1]. Layer by layer: a layer is finished before the next one starts."""
        for rbm in self.rbms:
            V = rbm.fit(V).transform(V)
        return self

    def transform(self, V) -> Tensor:
        """(n, d) -> (n, hidden units of the top)."""
        for rbm in self.rbms:
            V = rbm.transform(V)
        return V

    def reconstruct(self, V) -> Tensor:
        """All the way up and down again, with probabilities: (n, d) -> (n, d)."""
        return self._descend(self.transform(V), self.rbms)

    def sample(self, n: int, steps: int = 1000, start=None) -> Tensor:
        """Dreams (n, d): a chain in the top RBM, then down through the others; `start` is rows of pixels."""
        *below, top = self.rbms
        for rbm in below if start is not None else ():
            start = rbm.transform(start)
        return self._descend(top.sample(n, steps, start), below)

    def linears(self) -> list[nn.Linear]:
        """The way up as fresh nn.Linear layers, copies of what was learned; a sigmoid belongs after each."""
        layers = []
        for rbm in self.rbms:
            rbm._fitted()
            linear = nn.utils.skip_init(nn.Linear, *rbm.weight_.T.shape)
            linear.to(rbm.weight_).load_state_dict({"weight": rbm.weight_, "bias": rbm.hidden_bias_})
            layers.append(linear)
        return layers

    def _descend(self, code, rbms):
        for rbm in reversed(rbms):
            code = rbm._down(code)
        return code


def _checked(V, like: Tensor | None = None) -> Tensor:
    """V as a floating tensor (n, d) in [0, 1]. Raises ValueError that says what is wrong."""
    V = torch.as_tensor(V)
    if V.is_complex():
        raise ValueError("V holds complex numbers; expected real ones from 0 to 1")
    if V.ndim != 2 or not V.numel():
        raise ValueError(
            f"V has shape {tuple(V.shape)}; expected (rows, visible units), at least one of each"
        )
    V = (
        V.detach().to(like)
        if like is not None
        else V.detach().to(V.dtype if V.is_floating_point() else torch.float32)
    )
    if like is not None and V.shape[1] != like.shape[1]:
        raise ValueError(f"V has {V.shape[1]} columns; this RBM was fitted on {like.shape[1]} visible units")
    if V.isnan().any():
        raise ValueError("V holds nan; fill or drop these rows first")
    low, high = V.min().item(), V.max().item()
    if low < 0 or high > 1:
        raise ValueError(
            f"V runs from {low:g} to {high:g}; expected values from 0 to 1: scale it, such as V / V.max()"
        )
    return V
