"""JupyterHub for a class on one machine with systemd: README.md beside this file says how to set it up.

A learner has a system account. Their server and all its kernels are one unit of systemd, which the kernel of
the system (its control groups) holds to MEMORY and CORES, whatever they start. /etc/default/jupyterhub
changes the settings, so that this file stays as it is in git.
"""

import os
import re
import sys
from pathlib import Path

c = get_config()  # noqa: F821 - JupyterHub's

COURSE = Path(__file__).resolve().parents[1]


def setting(name: str, default: str, pattern: str, expected: str) -> str:
    """A variable of /etc/default/jupyterhub. Ends with a line where it is not what was expected."""
    text = os.environ.get(name) or default
    if not re.fullmatch(pattern, text):
        sys.exit(f"{name} is {text!r}; expected {expected}; change it in /etc/default/jupyterhub")
    return text


MEMORY = setting("HUB_MEMORY", "2G", r"[1-9]\d*[MG]", "a learner's memory, such as 1500M or 2G")
CORES = float(
    setting("HUB_CORES", "2", r"[1-9]\d*(\.\d+)?|0\.\d*[1-9]\d*", "a learner's cores, such as 1 or 2.5")
)
THREADS = setting("HUB_THREADS", "1", r"[1-9]\d*", "the threads of one notebook, such as 1")
IDLE = int(
    setting("HUB_IDLE_MINUTES", "60", r"[1-9]\d*", "minutes until an idle server is stopped, such as 60")
)
REPOSITORY = setting(
    "HUB_REPOSITORY",
    f"file://{COURSE}",
    r"(https|ssh|file)://\S+",
    "where the course is pulled from: https://…, or file:///…",
)
BRANCH = setting("HUB_BRANCH", "main", r"[\w./-]+", "a branch")
ADDRESS = setting("HUB_ADDRESS", "http://127.0.0.1:8000", r"https?://\S+:\d+", "an address with a port")


def bytes_of(size: str) -> int:
    """ "2G" -> 2147483648."""
    return int(size[:-1]) * {"M": 2**20, "G": 2**30}[size[-1]]


# --- who may come in -----------------------------------------------------------------------------------

c.JupyterHub.bind_url = ADDRESS
c.JupyterHub.cleanup_servers = False  # learners work on while the hub starts anew
c.JupyterHub.authenticator_class = "pam"  # the accounts of the machine, with their passwords
c.PAMAuthenticator.allowed_groups = {"learners", "teachers"}
c.PAMAuthenticator.admin_groups = {"teachers"}
c.PAMAuthenticator.open_sessions = False

# --- what a learner gets -------------------------------------------------------------------------------

c.JupyterHub.spawner_class = "systemd"
c.Spawner.cmd = [sys.executable, str(COURSE / "deploy" / "server.py")]
c.Spawner.default_url = "/lab/tree/deep-learning-map/lectures/00_the_map.ipynb"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120  # the first start copies the course
c.Spawner.environment = {
    "COURSE_REPOSITORY": REPOSITORY,
    "COURSE_BRANCH": BRANCH,
    # Made once for all, read by all; where it lacks something a learner's kernel makes it for itself.
    "DLMAP_CACHE": str(COURSE / "data" / "cache"),
    "DLMAP_THREADS": THREADS,
    "OMP_NUM_THREADS": THREADS,  # NumPy's and PyTorch's pools are made when they are imported
    "OPENBLAS_NUM_THREADS": THREADS,
}
c.SystemdSpawner.extra_paths = [str(COURSE / ".venv" / "bin")]
c.SystemdSpawner.default_shell = "/bin/bash"
c.SystemdSpawner.isolate_tmp = True
c.SystemdSpawner.slice = "learners.slice"
c.SystemdSpawner.mem_limit = c.Spawner.mem_limit = MEMORY
c.SystemdSpawner.cpu_limit = c.Spawner.cpu_limit = CORES
c.SystemdSpawner.unit_extra_properties = {
    # Over MEMORY the system ends the largest process, which is a kernel; the server goes on. One process
    # alone is stopped a little earlier, and by an error in its cell instead: "Unable to allocate …".
    "LimitDATA": str(bytes_of(MEMORY) * 7 // 8),
    "MemorySwapMax": "0",
    "TasksMax": "500",
}
c.Spawner.args = [
    "--KernelManager.transport=ipc",  # sockets in the learner's home; other users can reach a port
    # The variables of a notebook that nobody ran for twice as long make room for others.
    f"--MappingKernelManager.cull_idle_timeout={120 * IDLE}",
    "--MappingKernelManager.cull_connected=True",
]

# --- what is idle makes room ---------------------------------------------------------------------------

c.JupyterHub.services = [
    {
        "name": "culler",
        "command": [
            *(sys.executable, "-m", "jupyterhub_idle_culler"),
            *(f"--timeout={60 * IDLE}", f"--max-age={12 * 3600}"),  # the latter ends a loop by next morning
        ],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "culler",
        "services": ["culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
