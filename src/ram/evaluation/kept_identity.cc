#include "ram/evaluation/kept_identity.h"

#include <fmt/format.h>

#include <filesystem>

#include "ram/base/digest.h"

namespace ram {

OrderedJson IdentityOf(const Checkpoint& model) {
  OrderedJson files = OrderedJson::array();
  for (const std::string& name : model.weight_files()) {
    const FileIdentity& identity = model.file(name).identity();
    files.push_back({name, identity.size_bytes, identity.modified_ns});
  }
  return {{"path", std::filesystem::absolute(model.path()).string()},
          {"config_sha256", Sha256Hex(model.config_text())},
          {"files", files}};
}

std::string DigestOf(std::span<const Segment> segments) {
  Sha256 digest;
  for (const Segment& segment : segments) {
    const uint64_t head[] = {static_cast<uint64_t>(segment.parent),
                             segment.first_scored, segment.tokens.size()};
    digest.Update(std::as_bytes(std::span(head)));
    digest.Update(std::as_bytes(std::span(segment.tokens)));
  }
  return digest.HexDigest();
}

std::string_view ComputeName(ComputeType compute) {
  return compute == ComputeType::kF32 ? "f32" : "bf16";
}

std::string KeyText(const OrderedJson& key) {
  return key.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

std::string KeptFileName(const std::string& key, std::string_view extension) {
  return fmt::format("{}.{}", Sha256Hex(key).substr(0, 16), extension);
}

}  // namespace ram
