"""How large a machine a class needs, from what was measured: `python deploy/sizes.py 8 30 100`.

Prints the table of README.md; other numbers of learners may be given.
"""

import math
import sys

# Measured (README.md says how), in MB of memory and seconds of CPU.
SYSTEM = 350  # assumed: Debian without a desktop
HUB = 213  # hub, proxy and culler
SERVER = 131  # a learner's JupyterLab with a lecture open
KERNEL = 631  # of lecture 08 after its last cell: the largest measured without `make frameworks`
PEAK = 518  # what the largest moment takes beside that, in lecture 12
SLOWEST = 8.8  # seconds of CPU of the slowest cell, lecture 08
# Assumed.
KERNELS = 2  # a learner has open: the lecture and its exercises
TOGETHER = {"in a lesson": 1.0, "at home": 0.3}  # the share of learners who are there at a time
AT_ONCE = 0.5  # of those who are there, the share that run the slowest cell at the same moment
WAIT = 20  # seconds that it then takes; alone it takes SLOWEST
SLICE = 0.9  # of the memory is the learners'
SOLD = (4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # GB of machines that can be had


def memory(learners: int, share: float) -> float:
    """GB for a class of so many, of whom a share is there."""
    there = math.ceil(learners * share)
    used = HUB + SYSTEM + there * (SERVER + KERNELS * KERNEL) + math.ceil(there / 4) * PEAK
    return used / SLICE / 1024


def cores(learners: int, share: float) -> float:
    """Processors so that the slowest cell, run by AT_ONCE of those who are there, takes WAIT seconds."""
    return math.ceil(learners * share) * AT_ONCE * SLOWEST / WAIT


def table(classes: list[int]) -> str:
    """A row for each number of learners: what is needed, and the machine to take."""
    lines = ["| learners | " + " | ".join(f"{when}: memory, cores" for when in TOGETHER) + " | take |"]
    lines.append("|---" * (len(TOGETHER) + 2) + "|")
    for learners in classes:
        need = [(memory(learners, share), cores(learners, share)) for share in TOGETHER.values()]
        least = max(gigabytes for gigabytes, _ in need)
        take = next((size for size in SOLD if size >= least), None)
        machine = (
            f"{take} GB, {max(2, math.ceil(round(need[0][1], 3)))} cores" if take else "several machines"
        )
        cells = " | ".join(f"{gigabytes:.0f} GB, {processors:.1f}" for gigabytes, processors in need)
        lines.append(f"| {learners} | {cells} | {machine} |")
    return "\n".join(lines)


if __name__ == "__main__":
    given = sys.argv[1:] or ["8", "30", "100"]
    if not all(text.isdecimal() and int(text) for text in given):
        sys.exit(f"expected numbers of learners, such as 8 30 100; got {' '.join(given)}")
    print(table([int(text) for text in given]))
