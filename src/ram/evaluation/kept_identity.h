// What kept work belongs to: results on disk are used again only for the same
// model and the same tokens.
#pragma once

#include <span>
#include <string>

#include "ram/base/json.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/score.h"

namespace ram {

// Path, digest of config.json, and name, size and time of every weight file.
OrderedJson IdentityOf(const Checkpoint& model);

// The SHA-256 of tokens, parents and what is scored.
std::string DigestOf(std::span<const Segment> segments);

// "f32" or "bf16".
std::string_view ComputeName(ComputeType compute);

// One line.
std::string KeyText(const OrderedJson& key);

// The name of the file for a key: its digest, a dot and `extension`.
std::string KeptFileName(const std::string& key, std::string_view extension);

}  // namespace ram
