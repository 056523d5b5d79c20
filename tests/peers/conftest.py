"""Runs the program that RAM names and hands its outputs to other people's code.

RAM is the path of the built `ram`; RAM_SHARED the folder of checkpoints that
are not in the repository (tests that need one are left out without it).
"""

import os
import subprocess
from pathlib import Path

import pytest

# LAPACK's threads spin while they wait for one another, for long where other
# programs run: beside two compilers on two cores, test_spectra took 75 s with
# two threads and 10 s with one. Read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
RAM = os.environ.get("RAM", str(ROOT / "build/release/ram"))
SHARED = Path(os.environ.get("RAM_SHARED", ROOT.parent / "shared"))


def run_ram(*arguments):
    """Output of `ram ARGUMENTS`; raises with what it said when it fails."""
    done = subprocess.run(
        [RAM, *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, (
        f"ram {' '.join(map(str, arguments))}: exit {done.returncode}\n"
        f"{done.stdout}{done.stderr}"
    )
    return done.stdout


def checkpoint(name):
    """A checkpoint directory, or None where it is absent."""
    for path in (ROOT / "models" / name, SHARED / "models" / name):
        if path.exists():
            return path
    return None


def present(names):
    """Those of `names` that are here, saying which are not."""
    found = []
    for name in names:
        if checkpoint(name):
            found.append(name)
        else:
            print(f"skipped: no shared data for {name}")
    return found


class Outputs:
    """Compressed models, each made once a session."""

    def __init__(self, folder):
        self.folder = folder
        self.made = {}

    def compress(self, model, *options):
        key = (model, *options)
        if key not in self.made:
            out = self.folder / f"{model}-{len(self.made)}"
            run_ram("compress", checkpoint(model), "-o", out, *options)
            self.made[key] = out
        return self.made[key]

    def analyze(self, path, *options):
        key = ("analyze", path, *options)
        if key not in self.made:
            out = self.folder / f"analysis-{len(self.made)}"
            run_ram("analyze", path, "-o", out, *options)
            self.made[key] = out
        return self.made[key]


@pytest.fixture(scope="session")
def outputs(tmp_path_factory):
    return Outputs(tmp_path_factory.mktemp("outputs"))
