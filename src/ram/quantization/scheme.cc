#include "ram/quantization/scheme.h"

#include <algorithm>

namespace ram {
namespace {

constexpr int kFirstBlocks = kAffineSchemeCount;
constexpr int kFirstInt = kFirstBlocks + static_cast<int>(kBlockTypes.size());
static_assert(kFirstInt +
                  static_cast<int>(kAffineBits.size() * kIntGroups.size()) ==
              kSchemeCount);

template <typename Values, typename Value>
int IndexIn(const Values& values, const Value& value) {
  const auto found = std::find(values.begin(), values.end(), value);
  return found == values.end() ? -1 : static_cast<int>(found - values.begin());
}

int BitsOfBlocks(GgmlType type) {
  switch (type) {
    case GgmlType::kQ2_K:
      return 2;
    case GgmlType::kQ3_K:
      return 3;
    case GgmlType::kQ5_0:
    case GgmlType::kQ5_1:
    case GgmlType::kQ5_K:
      return 5;
    case GgmlType::kQ6_K:
      return 6;
    case GgmlType::kQ8_0:
      return 8;
    default:
      return 4;
  }
}

}  // namespace

Scheme Blocks(GgmlType type) {
  return {SchemeKind::kBlocks, BitsOfBlocks(type),
          static_cast<int>(FactsOf(type).block_weights), type};
}

std::optional<GgmlType> ParseBlockType(std::string_view name) {
  std::string upper(name);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  const auto type = ParseGgmlType(upper);
  if (!type || IndexIn(kBlockTypes, *type) < 0) return std::nullopt;
  return type;
}

int AffineSchemeIndex(const Scheme& scheme) {
  if (scheme.kind != SchemeKind::kAffine) return -1;
  const int bits = IndexIn(kAffineBits, scheme.bits);
  const int group = IndexIn(kAffineGroups, scheme.group_size);
  return bits < 0 || group < 0
             ? -1
             : bits * static_cast<int>(kAffineGroups.size()) + group;
}

Scheme SchemeAt(int index) {
  if (index < kFirstBlocks) return AffineSchemeAt(index);
  if (index < kFirstInt) {
    return Blocks(kBlockTypes[static_cast<size_t>(index - kFirstBlocks)]);
  }
  const auto at = static_cast<size_t>(index - kFirstInt);
  return SignedInt(kAffineBits[at / kIntGroups.size()],
                   kIntGroups[at % kIntGroups.size()]);
}

int SchemeIndex(const Scheme& scheme) {
  switch (scheme.kind) {
    case SchemeKind::kAffine:
      return AffineSchemeIndex(scheme);
    case SchemeKind::kBlocks: {
      const int type = IndexIn(kBlockTypes, scheme.type);
      return type >= 0 && Blocks(scheme.type) == scheme ? kFirstBlocks + type
                                                        : -1;
    }
    case SchemeKind::kInt: {
      const int bits = IndexIn(kAffineBits, scheme.bits);
      const int group = IndexIn(kIntGroups, scheme.group_size);
      return bits < 0 || group < 0
                 ? -1
                 : kFirstInt + bits * static_cast<int>(kIntGroups.size()) +
                       group;
    }
    case SchemeKind::kFloat:
      break;
  }
  return -1;
}

bool EncoderFits(Encoder encoder, SchemeKind kind) {
  switch (kind) {
    case SchemeKind::kFloat:
      return true;
    case SchemeKind::kBlocks:
      return encoder != Encoder::kMinMax;
    case SchemeKind::kAffine:
    case SchemeKind::kInt:
      break;
  }
  return encoder != Encoder::kFast;
}

std::string_view SchemeKindName(SchemeKind kind) {
  switch (kind) {
    case SchemeKind::kAffine:
      return "affine";
    case SchemeKind::kBlocks:
      return "kquant";
    case SchemeKind::kInt:
      return "int";
    case SchemeKind::kFloat:
      break;
  }
  return "float";
}

std::optional<SchemeKind> ParseSchemeKind(std::string_view name) {
  for (const SchemeKind kind : {SchemeKind::kAffine, SchemeKind::kFloat,
                                SchemeKind::kBlocks, SchemeKind::kInt}) {
    if (name == SchemeKindName(kind)) return kind;
  }
  return std::nullopt;
}

std::string_view EncoderName(Encoder encoder) {
  switch (encoder) {
    case Encoder::kMinMax:
      return "minmax";
    case Encoder::kFast:
      return "fast";
    case Encoder::kSearch:
      break;
  }
  return "search";
}

std::optional<Encoder> ParseEncoder(std::string_view name) {
  for (const Encoder encoder :
       {Encoder::kMinMax, Encoder::kSearch, Encoder::kFast}) {
    if (name == EncoderName(encoder)) return encoder;
  }
  return std::nullopt;
}

std::string SchemeLabel(const Scheme& scheme) {
  const std::string bits = std::to_string(scheme.bits);
  const std::string group = " g" + std::to_string(scheme.group_size);
  switch (scheme.kind) {
    case SchemeKind::kAffine:
      return bits + "-bit" + group;
    case SchemeKind::kBlocks:
      return std::string(FactsOf(scheme.type).name);
    case SchemeKind::kInt:
      return "int" + bits + group;
    case SchemeKind::kFloat:
      break;
  }
  return bits + "-bit";
}

bool SchemeFits(const Scheme& scheme, uint64_t cols) {
  if (scheme.kind == SchemeKind::kFloat) return scheme == kFloat16Scheme;
  return SchemeIndex(scheme) >= 0 && cols > 0 &&
         cols % static_cast<uint64_t>(scheme.group_size) == 0;
}

uint64_t SchemeBytes(const Scheme& scheme, uint64_t rows, uint64_t cols) {
  const uint64_t weights = rows * cols;
  if (scheme.kind == SchemeKind::kFloat) return 2 * weights;
  const auto group_size = static_cast<uint64_t>(scheme.group_size);
  const uint64_t groups = weights / group_size;
  if (scheme.kind == SchemeKind::kBlocks) {
    return groups * FactsOf(scheme.type).block_bytes;
  }
  // A 16-bit scale, and with affine a 16-bit bias, a group; a group of 32 or
  // more weights fills whole words at any width.
  const uint64_t code_bytes =
      group_size * static_cast<uint64_t>(scheme.bits) / 8;
  return groups * (code_bytes + (scheme.kind == SchemeKind::kAffine ? 4 : 2));
}

}  // namespace ram
