"""Errors and speeds of our encoders beside those of llama-quantize.

    python tests/peers/encoder_table.py [--shared DIR] [--speed] COMMAND...

COMMAND starts llama-quantize. Error: ours over theirs, at the two efforts,
each under the weights that ggml minimises, decoded by the `gguf` package; on
random weights and on the checkpoints in DIR/models. Speed: MB/s of bfloat16
with all processors, from reading the file to having written the other; of ours
also without the writing.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

import blocks_side
import gguf
import numpy as np

REAL = {
    "wiki-dense": "wiki-dense/model.safetensors",
    "wiki-moe": "wiki-moe/model.safetensors",
    "GPT-2": "real-tensors/gpt2-124m-partial.safetensors",
    "Tiny-LLM": "real-tensors/tiny-llm-layer.safetensors",
}


def safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__" or entry["dtype"] not in ("BF16", "F32"):
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            bits = np.frombuffer(data[begin:end], np.uint16).astype(np.uint32)
            values = (bits << 16).view(np.float32)
        else:
            values = np.frombuffer(data[begin:end], np.float32)
        yield values.reshape(entry["shape"])


def real_weights(path):
    """The matrices whose rows are whole blocks of 256, as rows of 256."""
    parts = [
        t.reshape(-1, 256)
        for t in safetensors(path)
        if t.ndim == 2 and t.shape[1] % 256 == 0 and t.shape[0] > 1
    ]
    return blocks_side.bfloat16(np.concatenate(parts))


def write_model(path, tensors):
    """A GGUF that llama-quantize takes, whatever its tensors' shapes."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(len(tensors))
    writer.add_context_length(64)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(256)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(32)
    for i, weights in enumerate(tensors.values()):
        bits = (np.ascontiguousarray(weights).view(np.uint32) >> 16).astype(np.uint16)
        writer.add_tensor(
            f"blk.{i}.ffn_up.weight",
            bits.view(np.uint8),
            raw_dtype=gguf.GGMLQuantizationType.BF16,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def llama_quantize(command, name, source, out):
    """Tensors of `source`, decoded, and the seconds it took."""
    begin = time.monotonic()
    done = subprocess.run(
        [*command, "--pure", source, out, name, str(os.cpu_count())],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = re.search(r"quantize time = *([0-9.]+) ms", done.stdout + done.stderr)
    seconds = float(said[1]) / 1000 if said else time.monotonic() - begin
    return gguf.GGUFReader(out).tensors, seconds


def error_table(command, tensors, folder):
    source, out = folder / "source.gguf", folder / "out.gguf"
    write_model(source, tensors)
    print("| type | " + " | ".join(tensors) + " |")
    print("|---" * (len(tensors) + 1) + "|")
    for name in blocks_side.TYPES:
        stored, _ = llama_quantize(command, name, source, out)
        cells = []
        for tensor, weights in zip(stored, tensors.values(), strict=True):
            assert tensor.tensor_type.name == name, tensor.tensor_type
            theirs = blocks_side.decode(name, tensor.data.reshape(-1), weights.shape)
            ratios = []
            for effort in ("fast", "best"):
                blocks, _ = blocks_side.encode(name, effort, weights, folder)
                ours = blocks_side.decode(name, blocks, weights.shape)
                ratios.append(
                    blocks_side.error(name, weights, ours)
                    / blocks_side.error(name, weights, theirs)
                )
            cells.append("{:.3f} {:.3f}".format(*ratios))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def speed_table(command, folder):
    weights = blocks_side.samples(cols=4096, rows=8192)["Gaussian"]
    megabytes = weights.size * 2 / 1e6
    source, out = folder / "source.gguf", folder / "out.gguf"
    write_model(source, {"": weights})
    print("| type | llama-quantize | fast | best | fast, not written | best |")
    print("|---|---|---|---|---|---|")
    for name in blocks_side.TYPES:
        theirs = min(llama_quantize(command, name, source, out)[1] for _ in range(2))
        ours = [
            min(
                blocks_side.encode(name, effort, weights, folder)[1]
                for _ in range(3)
            )
            for effort in ("fast", "best")
        ]
        seconds = [theirs, ours[0][0], ours[1][0], ours[0][1], ours[1][1]]
        cells = " | ".join(f"{megabytes / s:.0f}" for s in seconds)
        print(f"| {name} | {cells} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("command", nargs="+", help="starts llama-quantize")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.speed:
            speed_table(options.command, folder)
            return
        tensors = blocks_side.samples()
        for label, path in (REAL if options.shared else {}).items():
            tensors[label] = real_weights(options.shared / "models" / path)
        error_table(options.command, tensors, folder)


main()
