"""Gate 6: a function in a process of its own; what is missing is named; nothing lands in the home folder."""

import os
import time

import numpy as np
import pytest
import torch

from utils.scratch import frameworks


def twice(x):
    import os

    return 2 * x, os.environ.get("DLMAP_ELSEWHERE"), os.getpid()


def broken(x):
    raise ValueError(f"{x} is no number")


def leaving():
    import os

    os._exit(3)


def sleeping():
    import time

    time.sleep(60)


def test_a_function_runs_elsewhere_with_its_own_environment():
    doubled, there, pid = frameworks.elsewhere(twice, np.arange(3), DLMAP_ELSEWHERE="jax")
    assert (doubled == [0, 2, 4]).all()
    assert there == "jax"
    assert pid != os.getpid()
    assert "DLMAP_ELSEWHERE" not in os.environ


def test_what_goes_wrong_elsewhere_is_told(monkeypatch):
    with pytest.raises(RuntimeError, match=r"broken: ValueError: cat is no number"):
        frameworks.elsewhere(broken, "cat")
    with pytest.raises(RuntimeError, match="ended with 3"):
        frameworks.elsewhere(leaving)
    monkeypatch.setattr(frameworks, "PATIENCE", 1)
    with pytest.raises(RuntimeError, match="longer than 1 s"):
        frameworks.elsewhere(sleeping)


def test_what_is_missing_says_how_to_get_it():
    assert frameworks.missing("numpy") == ""
    assert frameworks.missing("no_such_package") == (
        "no_such_package is not installed; `make frameworks` gets it"
    )


def test_a_function_runs_only_where_its_package_is(capsys):
    assert frameworks.where("numpy", pow, 2, 5) == 32
    assert frameworks.where("no_such_package", pow, 2, 5) is None
    assert "no_such_package is not installed; `make frameworks` gets it." in capsys.readouterr().out


def test_a_compiler_is_looked_for_by_name(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not frameworks.compiler()


def test_a_cache_that_cannot_be_written_is_not_used(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLMAP_CACHE", str(tmp_path / "file"))
    assert not frameworks._folder().is_relative_to(tmp_path / "file")


def test_settings_keep_what_is_set_and_leave_the_home_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("DLMAP_CACHE", str(tmp_path))
    for key in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_HOME", "PYTENSOR_FLAGS"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    before = dict(os.environ)
    try:
        frameworks.keep_quiet()
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"
        assert os.environ["KERAS_HOME"].startswith(str(tmp_path))
        assert str(tmp_path) in os.environ["PYTENSOR_FLAGS"]
    finally:
        os.environ.clear()
        os.environ.update(before)


def deciding(x):
    if x > 0:
        return x * 2
    return x + 1


def test_torch_compile_cuts_at_an_if_on_a_value():
    graphs, result = frameworks.captured(lambda x: x * 2 + 1, torch.ones(3))
    assert len(graphs) == 1
    assert result.tolist() == [3, 3, 3]
    said = frameworks.answers(deciding, lambda: bool([]))
    assert said["torch.compile"] == "graphs: 2"
    for name in ("pytensor", "jax", "tensorflow"):
        answer = {key.lower(): value for key, value in said.items()}[name]
        wanted = frameworks.missing(name) or {"tensorflow": "StatelessIf"}.get(name, "refuses")
        assert wanted in answer


def test_the_fastest_of_many_calls():
    assert 900 < frameworks.fastest(time.sleep, 0.001, repeats=2) < 1e6
