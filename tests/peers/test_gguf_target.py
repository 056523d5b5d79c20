"""What `ram compress --target gguf` writes is what llama.cpp loads and
computes with, for every family; the `gguf` package reads the same from it.

Two references for one file: llama.cpp itself (llama_library.py) and the source
that the file was made from, which `ram` reads by other code.
"""

import json

import gguf_models
import llama_library
import numpy as np
import pytest
import tiny_models
from conftest import ROOT, run_ram
from gguf import GGMLQuantizationType, GGUFReader
from gguf.quants import dequantize

TEXT = ROOT / "models/wiki-dense/sample.txt"
WINDOW = 256
WINDOWS = 2
KEPT = ("--policy", "uniform", "--set", "*=16")
# Many types in one file, whatever the rows' width.
MIXED = (
    *("--policy", "uniform", "--type", "IQ4_XS"),
    *("--set", "*attn_v*=8", "--set", "*ffn_down*=6", "--set", "*attn_q*=3"),
    *("--set", "token_embd=5", "--set", "*attn_output=4"),
    *("--set", "*ffn_up*=2"),
)


def compress(source, out, *options):
    run_ram("compress", source, "-o", out, "--target", "gguf", *options)
    return out / "model.gguf"


def evaluate(model, report, window=WINDOW, windows=WINDOWS):
    """(numbers of the windows, NLL of each), in float32."""
    run_ram(
        *("evaluate", "perplexity", model, "--data", TEXT, "-q"),
        *("--window", window, "--windows", windows, "--dtype", "f32"),
        *("--json", report),
    )
    found = json.loads(report.read_text())
    return found["protocol"]["window_numbers"], found["models"][0]["window_nll"]


def theirs(model, numbers, mode, window=WINDOW):
    rows = llama_library.scores(model, TEXT, window, mode, numbers)
    return [nll for _, nll in rows]


def tensors(path):
    """Name -> (type, weights in float32 by the `gguf` package)."""
    return {
        tensor.name: (
            tensor.tensor_type,
            dequantize(tensor.data, tensor.tensor_type).reshape(
                [int(n) for n in reversed(tensor.shape)]
            ),
        )
        for tensor in GGUFReader(path).tensors
    }


def near(wanted, source):
    """Float32 sums in another order give 1e-4 of a log-probability (see
    test_perplexity.py); Gemma's GELU, which ggml looks up in a table of half
    precision, some more."""
    gemma = "gemma" in source.name
    return pytest.approx(wanted, rel=0, abs=5e-4 if gemma else 1e-4)


@pytest.fixture(scope="module", params=tiny_models.CONFIGS)
def tiny(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return tiny_models.make(request.param, folder), folder


def test_kept_weights_compute_what_the_source_does(tiny):
    """At 16 bits nothing is rounded, so the file, as `ram` reads it and as
    llama.cpp reads it, is the source."""
    source, folder = tiny
    model = compress(source, folder / "kept", *KEPT)
    numbers, wanted = evaluate(source, folder / "source.json")
    assert evaluate(model, folder / "kept.json")[1] == pytest.approx(
        wanted, rel=0, abs=1e-5
    )
    decoded = folder / "float32.gguf"
    llama_library.decode_to_float(model, decoded)
    assert theirs(decoded, numbers, "exact") == near(wanted, source)
    run_ram("audit", folder / "kept", "--source", source)


def test_mixed_types_compute_the_same(tiny):
    source, folder = tiny
    model = compress(source, folder / "mixed", *MIXED)
    numbers, ours = evaluate(model, folder / "mixed.json")
    decoded = folder / "mixed32.gguf"
    llama_library.decode_to_float(model, decoded)
    assert theirs(decoded, numbers, "exact") == near(ours, source)
    # As llama.cpp usually computes it, activations in 8 bits.
    usual = np.mean(theirs(model, numbers, "usual"))
    assert np.exp(np.mean(ours) - usual) == pytest.approx(1, rel=0, abs=0.01)
    types = {kind for kind, _ in tensors(model).values()}
    assert len(types) > 4
    run_ram("audit", folder / "mixed", "--source", source)
    run_ram("reproduce", folder / "mixed", "--source", source)


def paired(weight, heads):
    """LlamaModel.permute of llama.cpp's converter."""
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1)
    return rows.swapaxes(1, 2).reshape(weight.shape)


def source_weights(folder):
    """Every tensor of a safetensors file in float32."""
    data = (folder / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + at for at in entry["data_offsets"])
        assert entry["dtype"] == "BF16"
        words = np.frombuffer(data[begin:end], np.uint16).astype(np.uint32)
        found[name] = (words << 16).view(np.float32).reshape(entry["shape"])
    return found


def test_the_package_reads_the_weights(tmp_path):
    """Names, shapes, order of rows and values, to the bit at 16 bits; the
    error of 8 and 4 bits where it should be."""
    source = tiny_models.make("llama", tmp_path)
    weights = source_weights(source)
    sizes = tiny_models.SIZES
    for name, options, most in (
        ("kept", KEPT, 0),
        ("q8", ("--policy", "uniform", "--type", "Q8_0"), 1e-4),
        ("q4", ("--policy", "uniform", "--type", "Q4_K"), 1e-2),
    ):
        found = tensors(compress(source, tmp_path / name, *options))
        assert len(found) == len(weights)
        pairs = {"attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj"}
        for theirs_name, ours_name in pairs.items():
            wanted = weights[f"model.layers.1.self_attn.{ours_name}.weight"]
            if ours_name == "q_proj":
                wanted = paired(wanted, sizes["num_attention_heads"])
            if ours_name == "k_proj":
                wanted = paired(wanted, sizes["num_key_value_heads"])
            _, weight = found[f"blk.1.{theirs_name}.weight"]
            error = np.sum((weight - wanted) ** 2) / np.sum(wanted**2)
            assert error <= most
        norm = weights["model.layers.0.input_layernorm.weight"]
        kind, stored = found["blk.0.attn_norm.weight"]
        assert kind == GGMLQuantizationType.F32
        assert np.array_equal(stored, norm)


def test_the_package_lists_the_metadata(tmp_path):
    source = tiny_models.make("qwen3-moe", tmp_path)
    reader = GGUFReader(compress(source, tmp_path / "out", *KEPT))
    field = lambda key: reader.fields[key].contents()
    assert field("general.architecture") == "qwen3moe"
    assert field("general.file_type") == 32  # MOSTLY_BF16
    assert field("general.quantization_version") == 2
    assert field("qwen3moe.block_count") == 2
    assert field("qwen3moe.embedding_length") == 256
    assert field("qwen3moe.expert_count") == 8
    assert field("qwen3moe.expert_used_count") == 3
    assert field("qwen3moe.expert_feed_forward_length") == 256
    assert field("qwen3moe.attention.head_count") == 4
    assert field("qwen3moe.attention.head_count_kv") == 2
    assert field("qwen3moe.attention.key_length") == 64
    assert field("qwen3moe.rope.freq_base") == 10000
    assert field("tokenizer.ggml.model") == "gpt2"
    assert field("tokenizer.ggml.pre") == "qwen2"
    original = json.loads((source / "tokenizer.json").read_text())
    tokens = field("tokenizer.ggml.tokens")
    assert len(tokens) == tiny_models.VOCABULARY
    for text, number in original["model"]["vocab"].items():
        assert tokens[number] == text
    merges = [" ".join(pair) for pair in original["model"]["merges"]]
    assert field("tokenizer.ggml.merges") == merges


def test_greedy_text_is_the_same(tmp_path):
    """The bundled model, trained: the same tokens until two are equally
    likely."""
    source = ROOT / "models/wiki-dense"
    model = compress(source, tmp_path / "out", *MIXED)
    decoded = tmp_path / "float32.gguf"
    llama_library.decode_to_float(model, decoded)
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("The town lies on the river")
    wanted = llama_library.greedy(decoded, prompt, 40)
    assert len(wanted) > 10
    ours = run_ram(
        *("generate", decoded, prompt.read_text(), "--raw", "--json"),
        *("--max-tokens", len(wanted)),
    )
    assert json.loads(ours)["tokens"] == wanted


REAL = [path for path in map(gguf_models.model, gguf_models.MODELS) if path]


@pytest.mark.parametrize("source", REAL, ids=lambda path: path.stem)
def test_real_files_are_compressed_again(source, tmp_path):
    """GGUF in, GGUF out: the metadata unchanged but for what says how the file
    was written, the perplexity that of llama.cpp with the same file, and
    little worse than that of the source."""
    model = compress(source, tmp_path / "out", *MIXED)
    before, after = GGUFReader(source), GGUFReader(model)
    skipped = ("GGUF.", "general.file_type", "general.quantization_version")
    names = [key for key in before.fields if not key.startswith(skipped)]
    assert [key for key in names if key not in after.fields] == []
    for key in names:
        assert before.fields[key].contents() == after.fields[key].contents()
    numbers, ours = evaluate(model, tmp_path / "r.json", 256, 4)
    usual = theirs(model, numbers, "usual", 256)
    assert np.exp(np.mean(ours) - np.mean(usual)) == pytest.approx(
        1, rel=0, abs=0.01
    )
    _, original = evaluate(source, tmp_path / "s.json", 256, 4)
    assert np.exp(np.mean(ours) - np.mean(original)) < 1.5
