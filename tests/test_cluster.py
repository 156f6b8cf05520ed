"""Notebooks through Dask: workers that die or have another course, a scheduler that goes, Ctrl-C."""

import os
import shutil
import socket
import subprocess
import sys

import nbformat
import psutil
import pytest
from distributed import Client, LocalCluster
from test_authoring import alive, wait_until

from conftest import local_cluster
from utils.authoring import cluster
from utils.authoring.cluster import Job, Ran, in_parallel
from utils.authoring.execute import NotebookFailed
from utils.errors import UserError

STAY = "import os, pathlib, time\npathlib.Path({!r}).write_text(str(os.getpid()))\ntime.sleep(60)"


def job(folder, *cells) -> Job:
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    return Job(nb, folder, strict=True)


def printed(name: str, ran: Ran) -> str:
    """What is kept of a job here: what its last cell printed."""
    if ran.error:
        raise ran.error
    return ran.nb.cells[-1].outputs[0].text.strip()


def test_a_worker_that_dies_is_replaced_once_and_then_named(tmp_path, capfd):
    """And a kernel that is killed, as for its memory, is named by its cell; nobody outside is listened to."""
    mark = tmp_path / "mark"
    kill = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"
    once = f"import pathlib, time\nmark = pathlib.Path({str(mark)!r})\nif not mark.exists():\n"
    once += "    mark.touch()\n    " + kill.replace("\n", "\n    ") + "\n    time.sleep(60)\nprint('again')"
    jobs = {
        "good": job(tmp_path, "import os", "print(os.environ['DLMAP_STRICT'], os.getcwd())"),
        "once": job(tmp_path, once),
        "always": job(tmp_path, f"{kill}\nimport time; time.sleep(60)"),
        "memory": job(tmp_path, "x = 1", "import os\nos.kill(os.getpid(), 9)"),
    }
    open_ports = set()

    def keep(name, ran):
        here = psutil.Process()
        for process in [here, *here.children(recursive=True)]:
            found = process.net_connections("inet")
            open_ports.update(c.laddr for c in found if c.status == psutil.CONN_LISTEN)
        return printed(name, ran)

    results = in_parallel(jobs, keep, 2)
    assert list(results) == list(jobs)
    assert results["good"] == f"1 {tmp_path}"
    assert results["once"] == "again"
    assert str(results["always"]).startswith(
        "two workers died while they ran it, the last at tls://127.0.0.1:"
    )
    assert "cell [2] `import os`: the kernel died (out of memory?)" in str(results["memory"])
    assert {address.ip for address in open_ports} == {"127.0.0.1"}
    assert 8787 not in {address.port for address in open_ports}, "Dask's own port for its pages"
    said = capfd.readouterr().err
    assert said.count("died while it ran once, which is given to another") == 1
    assert "Traceback" not in said and "distributed" not in said


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:1", "tcp://127.0.0.1", "8786", "http://127.0.0.1:1", ""]
)
def test_a_scheduler_that_is_not_there(address, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with pytest.raises(UserError, match=r"no scheduler answers at .*; start one with `dask scheduler`"):
        in_parallel({"one": job(tmp_path, "1")}, printed, 1, address)


def test_something_else_at_the_address(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "ANSWER", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(UserError, match=f"no scheduler answers at '{address}'"):
            in_parallel({"one": job(tmp_path, "1")}, printed, 1, address)


@pytest.mark.parametrize("end", ["scheduler", "ctrl-c", "workers"])
def test_what_is_done_is_kept_whatever_ends_first(end, tmp_path, monkeypatch, capfd):
    """The cluster is another's: after Ctrl-C it stays, but no kernel runs on for somebody who left."""
    monkeypatch.setattr(cluster, "PATIENCE", 2)
    pid_file = tmp_path / "kernel.pid"
    jobs = {
        "first": job(tmp_path, "print(1)"),
        "second": job(tmp_path, STAY.format(str(pid_file))),
        "third": job(tmp_path, "print(3)"),
    }
    done = []

    def keep(name, ran):
        done.append(printed(name, ran))
        wait_until(pid_file.exists, 60)
        if end == "ctrl-c":
            raise KeyboardInterrupt
        dask.close() if end == "scheduler" else dask.scale(0)

    with local_cluster(tmp_path, workers=2) as dask:
        with pytest.raises(KeyboardInterrupt if end == "ctrl-c" else UserError) as raised:
            in_parallel(jobs, keep, None, dask.scheduler_address)
        kernel = int(pid_file.read_text())
        wait_until(lambda: not alive(kernel), 20)
    assert done == ["1"]
    whole = str(raised.value) if end != "ctrl-c" else capfd.readouterr().err
    began = {
        "scheduler": "the scheduler went away; start it again. ",
        "ctrl-c": "stopped. ",
        "workers": "no worker has this very course; start one in a copy of it: `dask worker tcp://127.0.0.1:",
    }
    assert began[end] in whole
    assert (
        f"{0 if end == 'ctrl-c' else 1} of 3 notebooks are done and kept; the same command goes on" in whole
    )


def test_a_worker_with_another_course_is_left_out(tmp_path, capfd):
    for name in ("utils", "data"):
        where = cluster.ROOT / name
        shutil.copytree(where, tmp_path / name, ignore=shutil.ignore_patterns("cache", "__pycache__"))
    (tmp_path / "utils" / "errors.py").write_text("class UserError(Exception): pass\ndef choose(): pass\n")
    where = {"dashboard_address": None, "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"}}
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", **where) as dask:
        address = dask.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address]
        command += ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        other = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            dask.wait_for_workers(1, timeout=60)
            jobs = {name: job(tmp_path, "import os; print(os.getppid())") for name in ("one", "two")}
            with pytest.raises(UserError, match="no worker has this very course; start one in a copy of it"):
                in_parallel(jobs, printed, None, address)
            dask.scale(1)
            dask.wait_for_workers(2, timeout=60)
            assert set(in_parallel(jobs, printed, None, address).values()) == {str(os.getpid())}
        finally:
            other.kill()
    here = cluster.course()["course"]
    said = capfd.readouterr().err
    assert said.count("is left out: course ") == 2 and f" there, {here} here" in said


def test_a_kernel_finds_nothing_set_that_dask_sets_for_its_workers(tmp_path):
    where = {"host": "127.0.0.1", "dashboard_address": None, "local_directory": str(tmp_path)}
    where["scheduler_kwargs"] = {"dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=1, threads_per_worker=1, **where) as dask, Client(dask) as client:
        worker = client.run(os.environ.get, "MALLOC_TRIM_THRESHOLD_")
        asks = {"one": job(tmp_path, "import os; print(os.environ.get('MALLOC_TRIM_THRESHOLD_'))")}
        kernel = in_parallel(asks, printed, 1, dask.scheduler_address)
    assert (*worker.values(), *kernel.values()) == ("65536", "None")


def test_a_worker_that_has_no_course_says_so():
    assert cluster.differs(cluster.course()) == ""
    why = cluster.differs(ModuleNotFoundError("No module named 'utils'"))
    assert why == "it cannot import this course (ModuleNotFoundError: No module named 'utils')"
    assert "torch 2.0 there, " in cluster.differs(cluster.course() | {"torch": "2.0"})


def test_what_cannot_be_kept_is_a_failure_of_its_notebook_alone(tmp_path):
    def keep(name, ran):
        if name == "bad":
            raise NotebookFailed("a warning")
        if name == "full":
            raise OSError("no space left")
        return printed(name, ran)

    with local_cluster(tmp_path) as dask:
        jobs = {"bad": job(tmp_path, "1"), "full": job(tmp_path, "1"), "good": job(tmp_path, "print(2)")}
        results = in_parallel(jobs, keep, 1, dask.scheduler_address)
    assert [str(result) for result in results.values()] == ["a warning", "OSError: no space left", "2"]


def test_a_course_is_its_files_as_they_are_now(tmp_path, monkeypatch):
    (tmp_path / "data" / ".ipynb_checkpoints").mkdir(parents=True)  # JupyterLab makes it beside what it saves
    (tmp_path / "data" / "map.yaml").write_text("one", encoding="utf-8")
    monkeypatch.setattr(cluster, "ROOT", tmp_path)
    before = cluster.course_now()
    assert cluster.differs(before) == ""
    (tmp_path / "data" / "map.yaml").write_text("two", encoding="utf-8")
    assert cluster.course_now() != before and cluster.differs(before).startswith("course ")
    cluster.course.cache_clear()
