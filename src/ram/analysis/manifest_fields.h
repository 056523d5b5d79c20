// The fields of manifest.json as tables: name, type, and where the value goes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ram/analysis/parsed_manifest.h"

namespace ram {

// A JSON value that is neither object nor array.
struct JsonScalar {
  enum class Kind : uint8_t { kNull, kBool, kUint, kNumber, kString };
  Kind kind = Kind::kNull;
  uint64_t uint = 0;
  double number = 0;  // set for kUint, too
  const std::string* string = nullptr;
};

enum class FieldType : uint8_t {
  kUint,
  kNumber,  // null allowed: NaN
  kString,
  kObject,
  kArray,
  kJson,  // an object kept as it is
};

struct JsonContext;

// What may stand in one place. Values go to the last element of the vectors of
// the manifest under construction.
struct JsonSlot {
  FieldType type;
  std::string_view expected;
  // Takes a scalar, or (called with null) prepares for an object or array.
  // False: not one of the values that are understood.
  bool (*set)(ParsedManifest& manifest, const JsonScalar& value);
  const JsonContext* child = nullptr;  // of an object or array
};

struct JsonField {
  std::string_view key;
  bool required;
  JsonSlot slot;
};

// An object with these fields (at most 64), or an array of `element`.
struct JsonContext {
  std::span<const JsonField> fields;
  const JsonSlot* element = nullptr;
};

// The whole file.
const JsonSlot& ManifestSlot();

}  // namespace ram
