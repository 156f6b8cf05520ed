"""What tests and notebooks under test run with: nobody watching, offline, one thread, own folders."""

import os
import tempfile

import pytest

HOME = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    """Runs in each worker before it starts a kernel; kernels and commands inherit the environment."""
    config.stash[HOME] = tempfile.TemporaryDirectory(prefix="dlmap-tests-")
    os.environ.pop("MPLBACKEND", None)  # a kernel draws inline unless it is told otherwise
    os.environ.update(
        DLMAP_BATCH="1",
        DLMAP_OFFLINE="1",
        DLMAP_THREADS="1",  # workers that share the cores must not fight for them
        OMP_NUM_THREADS="1",
        DLMAP_WORK=config.stash[HOME].name,  # no learner's progress is touched
        IPYTHONDIR=config.stash[HOME].name,  # no start-up files of anybody's
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[HOME].cleanup()
