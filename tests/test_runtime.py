"""A run: device, seed, profile; claims; pictures."""

import json
import subprocess
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from utils import plots, runtime
from utils.authoring.execute import WIDGET, run_notebook
from utils.claims import ClaimFailed, claim
from utils.errors import UserError


@pytest.fixture(autouse=True)
def somebody_watches(monkeypatch):
    monkeypatch.delenv("DLMAP_STRICT", raising=False)


# ---------------------------------------------------------------------------------------------- runtime


def test_banner_and_pick(capsys):
    run = runtime.setup("full", 3, "cpu")
    banner = capsys.readouterr().out
    assert banner.count("\n") == 1
    assert all(
        word in banner for word in ("Python 3.", "torch 2.13.0", "device cpu", "profile full", "seed 3")
    )
    assert run.pick(lecture=1, full=2) == 2
    assert runtime.setup().pick(lecture=1, full=2) == 1
    assert run.device == torch.device("cpu")


def test_the_threads_asked_for_never_exceed_those_of_the_worker(monkeypatch):
    before = torch.get_num_threads()
    try:
        for worker, asked, used in (("2", 1, 1), ("1", 2, 1), ("2", None, 2)):
            monkeypatch.setenv("DLMAP_THREADS", worker)
            runtime.setup(device="cpu", threads=asked)
            assert torch.get_num_threads() == used
            assert {pool["num_threads"] for pool in threadpool_info()} <= {1, used}
    finally:
        torch.set_num_threads(before)
        threadpool_limits(before)


def test_same_seed_same_numbers():
    draws = []
    for seed in (5, 5, 6):
        runtime.setup(seed=seed, device="cpu")
        draws.append((torch.rand(3).tolist(), np.random.rand(3).tolist()))  # noqa: NPY002
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"profile": "ful"}, "unknown profile 'ful'; choose one of: lecture, full"),
        ({"device": "gpu"}, "unknown device 'gpu'; choose one of: auto, cpu"),
        ({"device": "cuda:77"}, "no device 'cuda:77' on this machine; choose one of: auto, cpu"),
        ({"seed": "one"}, "the seed is 'one'; expected a whole number"),
        ({"seed": -1}, "the seed is -1; expected a whole number"),
        ({"seed": 1.5}, "the seed is 1.5; expected a whole number"),
    ],
)
def test_bad_setup_names_what_is_valid(wrong, message):
    with pytest.raises(UserError) as error:
        runtime.setup(**wrong)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_gpu_is_an_error_and_never_a_silent_cpu_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no device 'cuda'"):
        runtime.find_device("cuda")
    assert runtime.find_device("auto").type in ("cpu", "mps")


def test_torchvision_imports_and_its_models_run():
    """In a process of its own: where the operators do not load, the import stops unless they are declared."""
    code = (
        "from utils import runtime; runtime.torchvision_ready(); runtime.torchvision_ready()\n"
        "import torch, torchvision\n"
        "torchvision.models.resnet18()(torch.zeros(2, 3, 32, 32))\n"
        "from torchvision.transforms import v2; v2.RandomAffine(10)(torch.zeros(1, 28, 28))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ----------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize(
    "measured, bounds, line",
    [
        (0.107, {"at_least": 0.05}, "✔ it holds: 0.107 ≥ 0.05\n"),
        (0.01, {"at_least": 0.05}, "✘ it holds: 0.01 ≥ 0.05\n"),
        (1e-9, {"at_most": 1e-6}, "✔ it holds: 1e-09 ≤ 1e-06\n"),
        (0.9, {"at_least": 0.8, "at_most": 1}, "✔ it holds: 0.9 ∈ [0.8, 1]\n"),
        (1.1, {"at_least": 0.8, "at_most": 1}, "✘ it holds: 1.1 ∈ [0.8, 1]\n"),
        (np.float32(2), {"at_least": 2}, "✔ it holds: 2 ≥ 2\n"),
        (torch.tensor([3.0]), {"at_least": 2}, "✔ it holds: 3 ≥ 2\n"),
        (True, {"at_least": 1}, "✔ it holds: 1 ≥ 1\n"),
        (float("nan"), {"at_most": 1}, "✘ it holds: nan ≤ 1\n"),
        (float("-inf"), {"at_most": 1}, "✘ it holds: -inf ≤ 1\n"),
    ],
)
def test_claim_says_one_line(measured, bounds, line, capsys, monkeypatch):
    claim("it holds", measured, **bounds)
    assert capsys.readouterr().out == line
    monkeypatch.setenv("DLMAP_STRICT", "1")
    if line.startswith("✘"):
        with pytest.raises(ClaimFailed):
            claim("it holds", measured, **bounds)
    else:
        claim("it holds", measured, **bounds)


def test_a_claim_about_few_data_is_not_judged_on_more(capsys, monkeypatch):
    monkeypatch.setenv("DLMAP_STRICT", "1")
    monkeypatch.setattr(runtime, "last", runtime.Run("full", 0, None))
    claim("from 20 rows it is seen", 0, at_least=1, small=True)
    assert capsys.readouterr().out == "– from 20 rows it is seen: 0 ≥ 1 (said of less data)\n"
    claim("in 20 steps it is seen", 0, at_least=1, short=True)  # there training is longer, too
    assert capsys.readouterr().out == "– in 20 steps it is seen: 0 ≥ 1 (said of a shorter training)\n"
    monkeypatch.setattr(runtime, "last", runtime.Run("lecture", 0, None, budget=3))
    with pytest.raises(ClaimFailed):
        claim("from 20 rows it is seen", 0, at_least=1, small=True)


def test_a_claim_about_what_is_missing_is_said_without_a_judgement(capsys, monkeypatch):
    monkeypatch.setenv("DLMAP_STRICT", "1")
    claim("it is fast", None, at_most=1, needs="a compiler")
    assert capsys.readouterr().out == "– it is fast: not measured on this machine; it takes a compiler\n"
    claim("it is fast", 0.5, at_most=1, needs="a compiler")
    assert capsys.readouterr().out == "✔ it is fast: 0.5 ≤ 1\n"
    with pytest.raises(ClaimFailed):  # where it is there, it is judged like any other
        claim("it is fast", 2, at_most=1, needs="a compiler")
    with pytest.raises(ValueError, match="needs one number"):
        claim("it is fast", None, at_most=1)


def test_claim_needs_a_bound_and_one_number():
    with pytest.raises(ValueError, match="no bound"):
        claim("it holds", 1)
    for wrong in ([1, 2], np.zeros(3), "text", None):
        with pytest.raises(ValueError, match="needs one number"):
            claim("it holds", wrong, at_least=0)


# ------------------------------------------------------------------------------------------------ plots


def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw, metadata: outputs.append((data, metadata))
    )
    return outputs


def test_show_stores_a_small_picture_with_its_description(monkeypatch):
    outputs = shown(monkeypatch)
    _, ax = plots.figure("A title", xlabel="x", ylabel="y")
    ax.plot(np.random.default_rng(0).normal(size=(200, 5)))
    plots.show("Five noisy lines.")
    (data, metadata), *rest = outputs
    assert not rest and not plt.get_fignums()
    assert data["image/png"].startswith(b"\x89PNG") and len(data["image/png"]) < 80 * 1024
    assert metadata["image/png"]["alt"] == "Five noisy lines."
    json.dumps(metadata)


def test_a_picture_is_the_same_bytes_each_time(monkeypatch):
    outputs = shown(monkeypatch)
    for _ in range(2):
        plots.bars("Bars", {"a": 1, "b": 2}, xlabel="x")
        plots.show("Two bars.")
    assert outputs[0] == outputs[1]


def test_a_long_title_fits_the_figure():
    fig, _ = plots.figure("A very long title that says rather more than fits " * 2, xlabel="x", ylabel="y")
    width = fig._suptitle.get_window_extent(fig.canvas.get_renderer()).width
    assert width <= fig.get_figwidth() * fig.dpi
    plt.close(fig)


def test_images_of_any_number(monkeypatch):
    shown(monkeypatch)
    for count in (1, 9, 13):
        plots.images(np.random.default_rng(0).normal(size=(count, 8, 8)), "T", columns=5, diverging=True)
        assert len(plt.gcf().axes) == -(-count // min(5, count)) * min(5, count)
        plots.show("Noise.")


def test_strips_put_each_named_row_beside_its_name():
    rows = {"white": torch.zeros(12, 1, 4, 4), "black": torch.ones(20, 1, 4, 4)}
    plots.strips("T", rows)
    (ax,) = plt.gcf().axes
    assert [label.get_text() for label in ax.get_yticklabels()] == list(rows)
    sheet = np.asarray(ax.images[0].get_array())
    assert sheet.shape == (2 * 4, 12 * 4)
    for y, grey in zip(ax.get_yticks(), (0, 15), strict=True):
        assert (sheet[int(y - 1.5) : int(y + 2.5)] == grey).all()
    plt.close()


def test_knobs_draw_once_where_nobody_watches(monkeypatch):
    monkeypatch.setenv("DLMAP_BATCH", "1")
    calls = []
    plots.knobs(lambda w=2.0: calls.append(w), w=(0, 5))
    assert calls == [2.0]


def test_knobs_redraw_a_picture_that_is_still_there_the_next_day(tmp_path):
    cells = [
        "import os; os.environ.pop('DLMAP_BATCH', None)\n"
        "import ipywidgets\n"
        "from utils import plots\n"
        "made, Slider = [], ipywidgets.FloatSlider\n"
        "ipywidgets.FloatSlider = lambda *a, **k: made.append(Slider(*a, **k)) or made[-1]\n"
        "def draw(w=2.0):\n"
        "    plots.figure('w', xlabel='x', ylabel='y'); plots.show(f'w is {w}')",
        "plots.knobs(draw, w=(0, 5))",
        "made[0].value = 3.0; (made[0].min, made[0].max)",
    ]
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    run_notebook(nb, tmp_path, lambda: None)
    sliders, picture = nb.cells[1].outputs
    assert WIDGET in sliders.data
    assert picture.metadata["image/png"]["alt"] == "w is 3.0"
    assert 'alt="w is 3.0"' in picture.data["text/html"]
    assert [output.data["text/plain"] for output in nb.cells[2].outputs] == ["(0.0, 5.0)"]
