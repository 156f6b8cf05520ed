"""What a cluster gains, by simulation: 21 lectures over five seeds on 1, 10 and 100 workers.

usage: python benchmarks/cluster.py [seconds]

First, what a notebook costs beside its seconds: the processor's time of client, scheduler and worker, over
notebooks that take none. Then how long all take, the seconds being those of the lectures' headers:
- ideal: the longest notebook, or all of them shared evenly, whichever takes longer;
- planned: the longest first, each to the worker that is free first, begun that cost after the one before;
- measured: all of it but the notebooks, in place of which the workers sleep, scaled so that the ideal takes
  `seconds` (30). Client, scheduler and workers live in this process; a busy machine makes it longer.
"""

import dataclasses
import heapq
import sys
import tempfile
import time

import dask
from distributed import LocalCluster, get_worker

from utils.authoring import cluster
from utils.authoring.batch import lectures, parameterized
from utils.authoring.sources import code_cells
from utils.paths import ROOT

SEEDS, EMPTY = 5, 30


@dataclasses.dataclass
class Nap(cluster.Job):
    """A job that sleeps; what its lecture takes, scaled."""

    nap: float = 0.0


def sleep(job: Nap, name: str, topic: str) -> cluster.Ran:
    """Stands in for `cluster.execute`."""
    cells = len(code_cells(job.nb))
    for _ in range(cells):
        time.sleep(job.nap / cells)
        get_worker().log_event(topic, name)
    return cluster.Ran(job.nb, [job.nap / cells] * cells, None)


def seconds(jobs: dict[str, Nap], workers: int) -> float:
    """How long the jobs take on that many workers, which are up before the clock starts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(cluster.LOCAL),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            local_directory=folder,
        ) as crew,
    ):
        began = time.perf_counter()
        cluster.in_parallel(jobs, lambda name, ran: None, None, crew.scheduler_address)
        return time.perf_counter() - began


def main(whole: float = 30.0) -> None:
    cluster.execute, cluster.bars = sleep, quiet_bars
    books = {page.path.stem: parameterized(page.stored(), {"SEED": 0}) for page in lectures(ROOT, [])}
    full = {
        f"{stem} seed {seed}": Nap(nb, ROOT / "lectures", strict=True)
        for stem, nb in books.items()
        for seed in range(SEEDS)
    }
    used = time.process_time()
    seconds(dict(list(full.items())[:1]), 1)
    begin = time.process_time() - used
    seconds(dict(list(full.items())[: EMPTY + 1]), 1)
    cost = (time.process_time() - used - 2 * begin) / EMPTY
    print(f"to begin and end: {begin:.2f} s of CPU; each notebook: {1000 * cost:.0f} ms", flush=True)
    takes = sorted((job.seconds for job in full.values()), reverse=True)
    print(f"{len(full)} notebooks, {sum(takes)} s of them, the longest {takes[0]} s")
    print("workers | ideal | planned | measured, s")
    for workers in (1, 10, 100):
        ideal = max(takes[0], sum(takes) / workers)
        scale = whole / ideal
        naps = {name: dataclasses.replace(job, nap=job.seconds * scale) for name, job in full.items()}
        took = seconds(naps, workers) / scale
        print(f"{workers:7} | {ideal:5.0f} | {planned(takes, workers, cost):7.0f} | {took:8.0f}", flush=True)


def planned(takes: list[int], workers: int, cost: float) -> float:
    """When the last notebook ends; they begin in the order given, one client giving out one at a time."""
    free, client = [0.0] * workers, 0.0
    for take in takes:
        client = max(client, heapq.heappop(free)) + cost
        heapq.heappush(free, client + take)
    return max(free)


def quiet_bars():
    """The bars, hidden: the terminal is for the table."""
    progress = BARS()
    progress.disable = progress.console.quiet = True
    return progress


BARS = cluster.bars

if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
