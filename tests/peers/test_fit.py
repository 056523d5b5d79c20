"""`ram fit` against what llama.cpp says when it loads a model.

llama.cpp prints two decimals of a MiB; the cache must agree with that, and the
compute buffer to 0.1 MiB (beside tensors it holds the positions of a batch).
"""

import json
import re

import gguf_models
import llama_library
import pytest
from conftest import run_ram

MIB = 1 << 20
USES = [
    (512, 1, "f16"),
    (1000, 1, "f16"),
    (4096, 4, "f16"),
    (32768, 1, "q8_0"),
    (131072, 1, "f16"),
]


def printed(model, context, texts, cache):
    """MiB of the cache and of the compute buffer."""
    log = llama_library.finish(
        llama_library.start("memory", model, context, texts, cache)
    )
    cells = re.findall(r"llama_kv_cache: size = +([\d.]+) MiB", log)
    compute = re.findall(r"compute buffer size = +([\d.]+) MiB", log)
    return sum(map(float, cells)), sum(map(float, compute))


@pytest.mark.parametrize("use", USES, ids=lambda use: "-".join(map(str, use)))
@pytest.mark.parametrize("name", gguf_models.MODELS)
def test_cache_and_buffers_are_what_llama_cpp_allocates(name, use):
    llama_library.program()
    model = gguf_models.model(name)
    if model is None:
        pytest.skip(f"no {name}")
    context, texts, cache = use
    report = json.loads(
        run_ram(
            *("fit", model, "--memory", "64GiB", "--json", "--kv", cache),
            *("--context", context, "--batch", texts),
        )
    )
    ours = {item["name"]: item["bytes"] for item in report["runtime_memory"]}
    cells, compute = printed(model, context, texts, cache)
    assert ours[f"KV cache, {cache}"] / MIB == pytest.approx(cells, abs=0.01)
    slack = 0.1 if cache == "f16" else 1.5  # one more hidden state with codes
    assert ours["compute buffer"] / MIB == pytest.approx(compute, abs=slack)
