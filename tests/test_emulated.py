"""The table of the emulated device, in a process of its own.

PyTorch counts the devices when it first goes backward: whoever trained before has none left for this one.
"""

import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("emulated_table.py")
LATE = """
import torch
torch.ones(1, requires_grad=True).sum().backward()
from utils import runtime
runtime.setup(device="emulated")
"""


def test_the_table_in_a_process_of_its_own():
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", str(TABLE)]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=300)
    assert ran.returncode == 0 and " passed" in ran.stdout, ran.stdout[-4000:]


def test_after_a_training_it_is_too_late_and_a_line_says_so():
    ran = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, encoding="utf-8")
    assert "restart the kernel" in ran.stderr.splitlines()[-1]
