"""The three lists of packages say the same: pyproject asks, the lock pins, environment.yml takes the pins."""

import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from utils.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = {canonicalize_name(r.name): r for r in map(Requirement, PROJECT["dependencies"])}
LOCK = [
    Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1] not in "#"
]
PINS = {canonicalize_name(r.name): r for r in LOCK}
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
ASKED_FOR = {"jupyterlab", "numpy", "torch", "torchvision", "matplotlib", "nbval", "papermill"}


def version(requirement):
    return str(requirement.specifier).removeprefix("==")


def test_every_line_of_the_lock_is_one_exact_public_version():
    text = (ROOT / "requirements.lock").read_text()
    assert not set("@/") & set(text), "an address or a path in the lock works on one machine only"
    for pin in LOCK:
        assert str(pin.specifier).startswith("=="), f"{pin} is not pinned"
        assert "+" not in version(pin), (
            f"{pin} names one build; the user's index decides between CPU and CUDA"
        )
    lines = [(pin.name, str(pin.marker)) for pin in LOCK]
    assert len(set(lines)) == len(lines), "a package is locked twice for the same machines"


@pytest.mark.parametrize("name", WANTED)
def test_the_pin_lies_in_the_range(name):
    assert name in PINS, f"{name} is asked for but not locked; CONTRIBUTING.md says how to lock"
    assert version(PINS[name]) in WANTED[name].specifier
    assert PINS[name].marker is None, f"{name} is asked for everywhere but locked for some machines only"


@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_the_lock_of_an_extra_adds_to_the_other_and_changes_nothing_in_it(extra):
    added = [Requirement(line) for line in (ROOT / f"requirements-{extra}.lock").read_text().splitlines()]
    assert all(str(pin.specifier).startswith("==") for pin in added)
    assert PINS.keys().isdisjoint(canonicalize_name(pin.name) for pin in added)
    for asked in map(Requirement, PROJECT["optional-dependencies"][extra]):
        pins = [pin for pin in added if pin.name == asked.name]
        assert pins and all(version(pin) in asked.specifier for pin in pins), f"{asked.name} is not locked"


def test_what_was_asked_for_is_there_and_torch_pulls_no_cuda_into_the_lock():
    assert WANTED.keys() >= ASKED_FOR
    assert not [name for name in PINS if name.startswith(("nvidia", "cuda", "triton"))]
    assert (version(PINS["torch"]), version(PINS["torchvision"])) == ("2.13.0", "0.28.0")


def test_environment_takes_everything_from_the_lock_and_the_project():
    python, pip, packages = ENVIRONMENT["dependencies"]
    assert packages == {"pip": ["-r requirements.lock", "-e ."]} and pip == "pip"
    assert python.removeprefix("python=") in SpecifierSet(PROJECT["requires-python"])


def test_what_is_installed_here_goes_together():
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout


def test_import_utils_is_light():
    code = "import sys, utils; assert not {'torch', 'matplotlib', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
