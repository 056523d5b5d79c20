"""llama.cpp as the npm packages node-llama-cpp and @node-llama-cpp/linux-x64
ship it (package.json): its sources as a git bundle, its library built.

build/llama holds what is made of them: a clone, headers, llama_scores.
Every function skips the test, saying why, where the packages are missing.
"""

import os
import platform
import shutil
import subprocess

import pytest
from conftest import ROOT

PACKAGES = ROOT / "build/npm/node_modules"
BUNDLE = PACKAGES / "node-llama-cpp/llama/gitRelease.bundle"
LIBRARY = PACKAGES / "@node-llama-cpp/linux-x64/bins/linux-x64"
FOLDER = ROOT / "build/llama"
SOURCE = ROOT / "tests/peers/llama_scores.cc"
HEADERS = [
    "include/llama.h",
    *(
        f"ggml/include/{name}.h"
        for name in ("ggml", "ggml-alloc", "ggml-backend", "ggml-cpu")
        + ("ggml-opt", "gguf")
    ),
]


def git(*arguments):
    return subprocess.run(
        ["git", "--git-dir", FOLDER / "git", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def clone():
    if not BUNDLE.exists():
        pytest.skip("no node-llama-cpp here (./dev test --peers installs it)")
    made = FOLDER / "git"
    if not made.exists() or made.stat().st_mtime < BUNDLE.stat().st_mtime:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        command = ["git", "clone", "--quiet", "--bare", BUNDLE, made]
        subprocess.run(command, check=True)


def chat_templates():
    """Of published models, which llama.cpp tests itself with: {name: text}."""
    clone()
    folder = "models/templates"
    names = git("ls-tree", "--name-only", "HEAD", folder + "/").split()
    return {
        name.removeprefix(folder + "/"): git("show", f"HEAD:{name}")
        for name in names
        if name.endswith(".jinja")
    }


def program():
    """llama_scores, built."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("the library of llama.cpp is that of Linux x86-64")
    clone()
    out = FOLDER / "llama_scores"
    if not out.exists() or out.stat().st_mtime < SOURCE.stat().st_mtime:
        include = FOLDER / "include"
        include.mkdir(exist_ok=True)
        for header in HEADERS:
            name = header.rsplit("/", 1)[1]
            (include / name).write_text(git("show", f"HEAD:{header}"))
        libraries = [next(LIBRARY.glob(f"{stem}.so")) for stem in
                     ("libllama.v*", "libggml.v*", "libggml-base")]  # fmt: skip
        compiler = os.environ.get("CXX", "c++")
        command = [compiler, "-std=c++20", "-O3", f"-I{include}", SOURCE]
        command += [*libraries, f"-Wl,-rpath,{LIBRARY},-rpath-link,{LIBRARY}"]
        subprocess.run([*command, "-o", out], check=True)
    return out


def start(*arguments):
    """A process of llama_scores ARGUMENTS."""
    return subprocess.Popen(
        [program(), *map(str, arguments)],
        env=os.environ | {"LLAMA_BACKENDS": str(LIBRARY)},
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, _ = process.communicate()
    assert process.returncode == 0, "llama_scores failed"
    return out


def decode_to_float(model, out):
    """The same weights in float32, decoded by llama.cpp."""
    finish(start("float", model, out))


def quantize(model, out, mix):
    """What llama-quantize writes with this number of llama_ftype."""
    finish(start("quantize", model, out, mix))


def scores(model, text, window, mode, numbers):
    """[(tokens, mean NLL)] of the windows with these numbers, see
    llama_scores.cc. One thread each: threads of one process wait for each
    other, spinning, which takes minutes on a machine that has other work."""
    count = min(os.cpu_count() or 1, len(numbers))
    shares = [numbers[i::count] for i in range(count)]
    started = [
        start("score", model, text, window, mode, *share) for share in shares
    ]
    found = {}
    for share, process in zip(shares, started):
        lines = finish(process).splitlines()
        for number, tokens, nll in zip(
            share, lines[::2], lines[1::2], strict=True
        ):
            ids = [int(token) for token in tokens.split()[1:]]
            found[number] = ids, float(nll.split()[1])
    return [found[number] for number in numbers]


def greedy(model, text, count):
    """The ids of at most `count` tokens that follow the text in a file."""
    return [
        int(token)
        for token in finish(
            start("greedy", model, text, count, "exact")
        ).split()
    ]


def tokens(model, texts, scratch):
    """The ids of each text; `scratch` is a path for a file."""
    scratch.write_bytes(b"".join(text.encode() + b"\0" for text in texts))
    lines = finish(start("tokens", model, scratch)).splitlines()
    return [[int(token) for token in line.split()] for line in lines]
