#include "ram/base/digest.h"

#include <openssl/evp.h>

#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/interrupt.h"

namespace ram {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) {
    Fail(ErrorKind::kUnsupported, "OpenSSL: SHA-256 is not available");
  }
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(state_->context, bytes.data(), bytes.size());
}

std::string Sha256::HexDigest() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_DigestFinal_ex(state_->context, digest, &length);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    hex += fmt::format("{:02x}", digest[i]);
  }
  return hex;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(std::as_bytes(std::span(bytes)));
  return hash.HexDigest();
}

std::string Sha256OfFile(const std::filesystem::path& path) {
  const File file = File::Open(path);
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  Sha256 hash;
  for (uint64_t at = 0; at < file.size_bytes(); at += buffer.size()) {
    ThrowIfInterrupted();
    const auto part = std::span(buffer).first(
        std::min<uint64_t>(buffer.size(), file.size_bytes() - at));
    file.ReadAt(at, part);
    hash.Update(part);
  }
  return hash.HexDigest();
}

}  // namespace ram
