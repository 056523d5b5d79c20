// GGUF files of a model: one, or several of at most a given size, as
// llama-gguf-split makes them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ram/target/target.h"

namespace ram {

// Where TargetLayout::rope_factors are.
inline constexpr std::string_view kGgufRopeTable = "rope_freqs.weight";

// The most data in one file, unless a single tensor is larger: what hosts of
// models take.
inline constexpr uint64_t kMaxGgufDataBytes = uint64_t{40} << 30;

// general.file_type of a file most of whose weights are stored so (llama.cpp's
// llama_ftype; of its mixes the smallest).
uint32_t GgufFileType(GgmlType type);

// Units and plain tensors in the order of their source tensors, behind
// rope_freqs.weight where the layout has factors (its data are the end of the
// first file's prefix). One file is "model.gguf", several
// "model-00001-of-00002.gguf", of which the first holds layout.metadata and
// what the weights are stored in.
std::vector<OutputFileLayout> LayOutGgufFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes,
    uint64_t max_data_bytes = kMaxGgufDataBytes);

// The bytes of those files together, by layout.metadata_bytes; without
// laying them out.
uint64_t GgufFilesBytes(const TargetLayout& layout,
                        std::span<const Scheme> schemes,
                        uint64_t max_data_bytes = kMaxGgufDataBytes);

}  // namespace ram
