"""The committed golden files are what the live `gguf` package says today."""

import subprocess
import sys

from conftest import ROOT


def test_golden_files_are_the_packages_own(tmp_path):
    script = ROOT / "tests/peers/make_gguf_golden.py"
    subprocess.run([sys.executable, script, tmp_path], check=True)
    committed = sorted((ROOT / "tests/data/gguf_blocks").iterdir())
    assert len(committed) == 15
    for path in committed:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path
