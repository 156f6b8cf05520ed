"""What lecture 11 needs beside its nets: letters moved and laid over each other, readers, drawings.

The lecture builds the blocks; here stands what would only be in the way there. Pictures are (n, 1, 28, 28)
tensors from 0 to 1 on any device, a letter set is a pair of pictures and labels (n,).
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from utils import plots, runtime, schematics


# ------------------------------------------------------------------------------------------------ letters
def moved(x: Tensor, zoom: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
    """Pictures at `zoom` (n,) of their size, turned by `angle` (n,) radians, shifted by (n, 2) half pages."""
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    where = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], dim=1)
    return F.grid_sample(x, F.affine_grid(where.view(-1, 2, 3), x.shape, align_corners=False),
                         align_corners=False)  # fmt: skip


def augment(x: Tensor) -> Tensor:
    """A little larger or smaller, turned and shifted, by chance."""
    zoom, angle, *shift = torch.randn(4, len(x), device=x.device)
    return moved(x, 1 + 0.1 * zoom, 0.15 * angle, 0.1 * torch.stack(shift, dim=1))


def any_size(letters: tuple[Tensor, Tensor], seed: int) -> tuple[Tensor, Tensor]:
    """The letters at 40 to 100 % of the page, at any place where they stay on it."""
    x, y = letters
    torch.manual_seed(seed)
    size = 0.4 + 0.6 * torch.rand(len(x), device=x.device)
    place = (1 / size - 1) * (2 * torch.rand(2, len(x), device=x.device) - 1)
    return moved(x, size, 0 * size, place.T), y


def overlap(letters: tuple[Tensor, Tensor], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pages of two different letters: (m, 1, 14, 14), labels (m, 2), each letter alone (m, 2, 14, 14)."""
    x, y = letters
    torch.manual_seed(seed)
    one = torch.randperm(len(x), device=x.device)
    two = one.roll(1)
    one, two = one[y[one] != y[two]], two[y[one] != y[two]]
    still = torch.zeros(len(one), device=x.device)
    shift = 0.15 + 0.05 * torch.randn(len(one), 2, device=x.device)
    alone = [F.avg_pool2d(moved(x[rows], 1 + still, still, sign * shift), 2)
             for rows, sign in ((one, 1), (two, -1))]  # fmt: skip
    return torch.maximum(*alone), torch.stack([y[one], y[two]], dim=1), torch.cat(alone, dim=1)


def refitted(learned: list[Tensor], y: Tensor, tested: list[Tensor], test_y: Tensor) -> list[float]:
    """A softmax regression on the features (n, c) of each depth: per cent of the test letters read."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    shares = []
    for train, test in zip(learned, tested, strict=True):
        scale = StandardScaler().fit(train.cpu().numpy())
        train, test = (scale.transform(part.cpu().numpy()) for part in (train, test))
        head = LogisticRegression(C=100, max_iter=1000).fit(train, y.cpu().numpy())
        shares.append(100 * head.score(test, test_y.cpu().numpy()))
    return shares


# ----------------------------------------------------------------------------------------------- training
def accuracy(net: nn.Module, *pairs: tuple[Tensor, Tensor]) -> float:
    """Per cent of letters read, over all pairs (pictures, labels) together."""
    with torch.no_grad():
        right = torch.cat([(net(x).argmax(1) == y).float() for x, y in pairs])
    return 100 * right.mean().item()


def train(
    net: nn.Module,
    x: Tensor,
    y: Tensor,
    lr: float | list[float],
    steps: int,
    *,
    batch: int = 64,
    loss: Callable = F.cross_entropy,
    change: Callable | None = None,
    groups: list[dict] | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Adam in shuffled mini-batches, the rate rising to `lr` and falling again; the net in evaluation mode.

    `change` alters the pictures of each batch; `groups` are the optimizer's, with a rate each in `lr`;
    `seed` fixes the order of the batches, by default that of the run. Built in lecture 10.
    """
    torch.manual_seed(runtime.last.seed if seed is None else seed)
    descent = torch.optim.Adam(groups or net.parameters(), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(descent, lr, total_steps=max(steps, 2))
    epochs = 1 + steps * batch // len(x)  # enough rows for all steps
    order = torch.cat([torch.randperm(len(x), device=x.device) for _ in range(epochs)])
    for rows in order[: steps * batch].split(batch):
        descent.zero_grad()
        loss(net(change(x[rows]) if change else x[rows]), y[rows]).backward()
        descent.step()
        schedule.step()
    return net.eval()


def best(
    make: Callable,
    learn,
    choose,
    rates,
    steps: int,
    *,
    score: Callable = accuracy,
    start: int = 0,
    **how,
) -> nn.Module:
    """`make()` from one start at each rate, trained on the pair `learn`; the best on the pair `choose`.

    `start`: 0, 1, … for other first weights and another order of the batches.
    """
    nets, seed = [], runtime.last.seed + 1000 * start
    for lr in rates:
        torch.manual_seed(seed)
        nets.append(train(make().to(learn[0].device), *learn, lr, steps, seed=seed, **how))
    return max(nets, key=lambda net: score(net, choose))


def both_read(net: nn.Module, page: tuple[Tensor, Tensor]) -> float:
    """Per cent of pages (see `overlap`) whose two letters are the two largest answers."""
    with torch.no_grad():
        top = net(page[0]).topk(2, dim=1).indices.sort(dim=1).values
    return 100 * (top == page[1].sort(dim=1).values).all(1).float().mean().item()


def tune(net: nn.Module, rates: dict[nn.Module, float], x: Tensor, y: Tensor, steps: int) -> nn.Module:
    """Train the modules in `rates` (module -> rate); the rest stays as it is, in evaluation mode."""
    net.requires_grad_(False).eval()
    for module in rates:
        module.requires_grad_(True).train()
    groups = [{"params": list(module.parameters())} for module in rates]
    return train(net, x, y, list(rates.values()), steps, batch=25, groups=groups)


class Stage(nn.Module):
    """A residual block on top of maps (n, c, h, w) that stay as they are, and the head that reads the sum."""

    def __init__(self, f: nn.Module, head: nn.Module):
        super().__init__()
        self.f, self.head = f, head

    def forward(self, h: Tensor) -> Tensor:
        return self.head((h + self.f(h)).mean((2, 3)))


# --------------------------------------------------------------------------------------------------- nets
def narrow_resnet(classes: int, c: int = 8) -> nn.Module:
    """torchvision's ResNet with one block a stage, for grey pictures 28×28; c, 2c, 4c and 8c maps."""
    from torchvision import models

    Block = models.resnet.BasicBlock
    with torch.device("meta"):
        net = models.ResNet(Block, [1, 1, 1, 1])  # the plan; all its layers are replaced
    net.conv1 = nn.Conv2d(1, c, 3, stride=2, padding=1, bias=False)
    net.bn1 = nn.BatchNorm2d(c)
    net.maxpool, net.layer1 = nn.Identity(), Block(c, c)
    for stage in (2, 3, 4):
        k = c * 2 ** (stage - 1)
        skip = nn.Sequential(nn.Conv2d(k // 2, k, 1, stride=2, bias=False), nn.BatchNorm2d(k))
        setattr(net, f"layer{stage}", Block(k // 2, k, stride=2, downsample=skip))
    net.fc = nn.Linear(8 * c, classes)
    return net


NAMES = {
    "AlexNet": "alexnet",
    "VGG-16": "vgg16",
    "GoogLeNet": "googlenet",
    "ResNet-18": "resnet18",
    "ResNet-50": "resnet50",
    "ResNet-152": "resnet152",
    "MobileNet V3": "mobilenet_v3_large",
}


def imagenet(count: Callable) -> dict[str, tuple[int, int, list[float]]]:
    """Label -> weights, multiply-adds (both by `count(net)`), accuracies by the old and the new recipe (%).

    Raises ValueError where a count differs from the published one by
    more than half a per cent.
    """
    from torchvision import models

    facts = {}
    for label, name in NAMES.items():
        options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        with torch.device("meta"):  # shapes only
            weights, work = count(models.get_model(name, weights=None, **options))
        versions = {entry.name: entry.meta for entry in models.get_model_weights(name)}
        cards = [versions[key] for key in ("IMAGENET1K_V1", "IMAGENET1K_V2") if key in versions]
        published = np.array([cards[0]["num_params"], 1e9 * cards[0]["_ops"]])
        if np.abs(np.array([weights, work]) / published - 1).max() > 5e-3:
            raise ValueError(f"{label}: counted {weights:,} and {work:,}, published {published}")
        facts[label] = weights, work, [card["_metrics"]["ImageNet-1K"]["acc@1"] for card in cards]
    return facts


# ----------------------------------------------------------------------------------------------- drawings
def draw_stack() -> None:
    """Three layers of width 3 beside one of width 7, from the side."""
    s = schematics.Sketch("Three layers of width 3 see seven pixels, as one of width 7", width=9, height=3.1)
    for middle, counts, rise in ((2.9, (7, 5, 3, 1), 0.75), (6.9, (7, 1), 2.25)):
        below = []
        for level, count in enumerate(counts):
            row = [
                s.circle(
                    "",
                    at=(middle + 0.55 * (i - (count - 1) / 2), 0.4 + rise * level),
                    r=0.15,
                    kind="concept" if below else "data",
                )
                for i in range(count)
            ]
            for i, circle in enumerate(row if below else []):
                sees = below[i : i + len(below) - count + 1]
                s.connect([circle], sees, head=False, width=1)
            below = row
    for high, name in ((0.4, "pixels"), (1.15, "3 wide"), (1.9, "3 wide"), (2.65, "3 wide")):
        s.text(name, (0.5, high), fontsize=12)
    s.text("7 wide", (7.7, 2.65), fontsize=12)
    s.show("Left, one circle stands on three, five and seven; right, one circle on seven.")


def draw_inception() -> None:
    """The first Inception block of GoogLeNet with its numbers of maps; below it, depthwise and 1×1."""
    title = "Inception: several sizes at once; below, the cheap pair of the nets for phones"
    s = schematics.Sketch(title, width=9.6, height=4.9)
    source = s.box("input\n192 maps", at=(0.95, 3.0), kind="data")
    join = s.box("joined\n256 maps", at=(8.7, 3.0), kind="good")
    branches = [
        ("", "1×1", 64),
        ("1×1 → 96 maps", "3×3", 128),
        ("1×1 → 16 maps", "5×5", 32),
        ("largest of 3×3", "1×1", 32),
    ]
    for i, (first, second, maps) in enumerate(branches):
        high = 4.5 - i
        end = s.box(second, at=(5.9, high))
        if first:
            start = s.box(first, at=(3.4, high), kind="concept" if "largest" in first else "family")
            s.arrow(source, start)
            s.arrow(start, end)
        else:
            s.arrow(source.top, end, bend=0.18)
        s.arrow(end, join, f"{maps} maps")
    pair = [
        s.box("input\n192 maps", at=(0.95, 0.45), kind="data"),
        s.box("3×3, depthwise:\neach map alone", at=(3.4, 0.45), kind="family"),
        s.box("1×1\nmixes", at=(5.9, 0.45)),
        s.box("192 maps", at=(8.7, 0.45), kind="good"),
    ]
    for start, end in pairwise(pair):
        s.arrow(start, end)
    s.show("Input, four branches: 1×1; 1×1 then 3×3; 1×1 then 5×5; pooling then 1×1; joined. "
           "Below, one row: a 3×3 on each map alone, then a 1×1.")  # fmt: skip


def draw_residual() -> None:
    """A plain block, a residual one, and ResNet-50's bottleneck, one below the other."""
    s = schematics.Sketch("Plain, residual, and the bottleneck of ResNet-50", width=9.6, height=4.9)
    two = ["3×3, norm,\nReLU", "3×3,\nnorm"]
    three = ["1×1: 256 → 64,\nnorm, ReLU", "3×3 on 64,\nnorm, ReLU", "1×1: 64 → 256,\nnorm"]
    for high, name, layers, skip in (
        (4.2, "plain", two, False),
        (2.35, "residual", two, True),
        (0.45, "bottleneck", three, True),
    ):
        s.text(name, (0.1, high + 0.5), fontsize=12, ha="left", fontweight="bold")
        last = s.text("x", (0.75, high))
        for i, layer in enumerate(layers):
            box = s.box(layer, at=(2.2 + 2.2 * i, high), fontsize=11)
            s.arrow(last, box)
            last = box
        if skip:
            end = s.circle("+", at=(8.2, high), r=0.2, kind="good")
            s.arrow((0.75, high + 0.15), (8.2, high + 0.24), "skip: x itself", bend=0.2, color=plots.GREEN)
        else:
            end = s.box("ReLU", at=(8.2, high), kind="family", fontsize=11)
        s.arrow(last, end)
        s.arrow(end, (9.35, high), "y")
    s.show("Three rows: two convolutions; the same with a line round them to a plus; 1×1, 3×3, 1×1 with one.")


def draw_bills(bills: dict[str, dict[str, tuple[int, int]]]) -> dict[str, tuple[float, float]]:
    """A panel for each net: the share of each layer in its weights and in its work.

    `bills`: net -> layer -> (weights, multiply-adds); dense layers are those whose name has "classifier".
    Returns: net -> the dense layers' share of the weights, the convolutions' share of the work.
    """
    title = "Weights sit in the dense layers, work in the convolutions"
    _, axes = plots.panels(title, bills, xlabel="share of the net (%)", ylabel="", size=(10, 4.4))
    found = {}
    for ax, (net, layers) in zip(axes, bills.items(), strict=True):
        share = 100 * np.array(list(layers.values())) / np.sum(list(layers.values()), axis=0)
        dense = sum(name.startswith("classifier") for name in layers)
        labels = [f"conv {i + 1}" for i in range(len(share) - dense)]
        labels += [f"dense {i + 1}" for i in range(dense)]
        found[net] = share[-dense:, 0].sum() / 100, share[:-dense, 1].sum() / 100
        rows = np.arange(len(share))
        for offset, values, color in zip((-0.2, 0.2), share.T, (plots.BLUE, plots.ORANGE), strict=True):
            ax.barh(rows + offset, values, 0.4, color=color)
        ax.set_yticks(rows, labels, fontsize=9, color=plots.INK)
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
    plots.name(axes[0], 45, 0.5, "weights", plots.BLUE)
    plots.name(axes[0], 45, 1.1, "multiply-adds", plots.ORANGE)
    plots.show("Bars by layer: the first dense layer holds most weights; convolutions do nearly all work.")
    return found


def draw_depth(title: str, depths: list[int], reached: dict[str, np.ndarray]) -> None:
    """Per cent of letters read over depth; `reached`: net -> (depths, 2), training letters and new ones.

    A net that has one row only was trained at the last depth, and is a single mark.
    """
    _, axes = plots.panels(
        title,
        ["training letters", "new letters"],
        xlabel="blocks of two layers",
        ylabel="letters read (%)",
        size=(9.5, 3.6),
        sharey=True,
    )
    for (name, values), color in zip(reached.items(), (plots.BLUE, plots.ORANGE, plots.GREY), strict=False):
        for ax, line in zip(axes, values.T, strict=True):
            ax.plot(depths[-len(line) :], line, "o-", color=color)
            plots.name(ax, depths[-1], line[-1], name, color)
    plots.show("Two panels: the plain net falls steeply with depth, the residual net does not; "
               "the control's mark lies between them.")  # fmt: skip


def draw_readers(title: str, left_out: dict, reached: dict, read: dict) -> None:
    """Left: a block taken out; right: read after each block, dashed with the last head, solid refitted.

    `left_out`: net -> per cent without each block; `reached`: as in `draw_depth`, of nets with all blocks;
    `read`: net -> (last head, refitted) per cent after the stem and after each block.
    """
    _, (left, right) = plots.panels(
        title,
        ["one block taken out", "read after each block"],
        xlabel="block",
        ylabel="new letters read (%)",
        size=(11, 4),
        sharey=True,
    )
    count = len(next(iter(left_out.values())))
    for (name, values), color in zip(left_out.items(), (plots.BLUE, plots.ORANGE), strict=True):
        left.plot(range(1, count + 1), values, "o-", color=color, markersize=5)
        left.axhline(reached[name][-1, 1], color=color, linewidth=1, linestyle=":")
        plots.name(left, count, values[-1], name, color)
    for (name, (last, own)), color in zip(read.items(), (plots.ORANGE, plots.GREEN), strict=True):
        right.plot(last, "--", color=color, linewidth=1.5)
        right.plot(own, "o-", color=color, markersize=5)
        plots.name(right, count, own[-1], name, color, dy=7 if color == plots.ORANGE else -7)
    left.set(xlabel="block taken out", ylim=(0, 100))
    right.set(xlabel="blocks used (0: the stem alone)")
    plots.show("Left: the residual net hardly misses a late block, but the first ones. "
               "Right: after two blocks the joint net's dashed line is far below its solid one.")  # fmt: skip


def draw_imagenet(title: str, facts: dict[str, tuple[int, int, list[float]]]) -> None:
    """Discs: accuracy over weights, the area is the work; arrows lead to the new recipe. See `imagenet`."""
    _, ax = plots.figure(
        title, size=(8.5, 4.6), xlabel="million weights (log)", ylabel="accuracy as published (%)"
    )
    for label, (count, work, top1) in facts.items():
        color = plots.ORANGE if label.startswith("Res") else plots.BLUE
        giga, place = work / 1e9, (count / 1e6, top1[0])
        ax.scatter(*place, s=60 * giga + 8, color=color, alpha=0.6, linewidth=0)
        dy = {"GoogLeNet": -12, "ResNet-50": -10}.get(label, 0)
        plots.name(ax, *place, f"{label}: {giga:.1f}", color, dx=5 + 3.8 * giga**0.5, dy=dy)
        if len(top1) > 1:
            arrow = {"arrowstyle": "-|>", "color": plots.GREEN, "linewidth": 2}
            ax.annotate("", (place[0], top1[1]), place, arrowprops=arrow)
    ax.set(xscale="log", xlim=(4, 500), ylim=(54, 85), xticks=[5, 10, 20, 50, 100, 200])
    ax.set_xticklabels([5, 10, 20, 50, 100, 200])
    ax.minorticks_off()
    plots.name(ax, 4.3, 60, "disc, number: billion multiply-adds a picture", plots.GREY, fontweight="normal")
    plots.name(ax, 4.3, 82.5, "arrow: the new recipe", plots.GREEN)
    plots.show("Discs: AlexNet low at 61 million weights, GoogLeNet at 6.6 nearly as high as VGG-16 at 138. "
               "Arrows up from ResNet-50 and ResNet-152 by four to five points.")  # fmt: skip
