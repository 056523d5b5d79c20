#include "ram/analysis/block_errors.h"

#include <cmath>

#include "ram/quantization/gguf_encode.h"

namespace ram {

bool IsWorthMeasuring(GgmlType type, uint64_t cols) {
  if (!SchemeFits(Blocks(type), cols)) return false;
  if (type == GgmlType::kQ8_0 || type == GgmlType::kQ6_K) return true;
  const bool wide = cols % 256 == 0;
  return (FactsOf(type).block_weights == 256) == wide;
}

void MeasureBlockErrors(std::span<const float> weights, uint64_t cols,
                        bool fast, bool every, std::vector<std::byte>& buffer,
                        BlockErrors& errors) {
  const uint64_t rows = cols > 0 ? weights.size() / cols : 0;
  for (size_t k = 0; k < kBlockTypes.size(); ++k) {
    const GgmlType type = kBlockTypes[k];
    const Scheme scheme = Blocks(type);
    errors[k] = std::nan("");
    if (every ? !SchemeFits(scheme, cols) : !IsWorthMeasuring(type, cols)) {
      continue;
    }
    const uint64_t bytes = SchemeBytes(scheme, rows, cols);
    if (buffer.size() < bytes) buffer.resize(bytes);
    errors[k] =
        EncodeBlocks(type, fast ? BlockEffort::kFast : BlockEffort::kBest,
                     weights, cols, {}, buffer.data());
  }
}

}  // namespace ram
