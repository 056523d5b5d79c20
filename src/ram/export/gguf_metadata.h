// All metadata of a GGUF file that holds a model: what it is, how it is built,
// its tokenizer.
#pragma once

#include "ram/checkpoint/checkpoint.h"
#include "ram/container/gguf_writer.h"
#include "ram/target/target.h"

namespace ram {

// Of a model directory: general.*, the keys of its architecture
// (gguf_hyperparameters.h), tokenizer.* (gguf_tokenizer_pairs.h). Of a GGUF
// file: its own pairs, in the order of their keys. What says how a file was
// written (general.file_type, split.*) is left out: target/gguf_files.h adds
// it. The same bytes for the same model, wherever it lies. Throws kUnsupported
// for what llama.cpp could not load.
GgufPairs MakeGgufMetadata(const Checkpoint& checkpoint);

// What the target describes, with the metadata of its files where it has some.
TargetLayout DescribeOutput(const Checkpoint& checkpoint, const Target& target);

}  // namespace ram
