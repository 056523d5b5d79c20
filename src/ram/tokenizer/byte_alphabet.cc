#include "ram/tokenizer/byte_alphabet.h"

#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

constexpr char32_t kEnd = 0x100 + 68;

bool StandsForItself(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

struct Alphabet {
  Alphabet() {
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t c = StandsForItself(byte) ? byte : next++;
      code_points[byte] = c;
      bytes[c] = static_cast<uint8_t>(byte);
      has_byte[c] = true;
      AppendUtf8(c, utf8[byte]);
    }
  }
  std::array<char32_t, 256> code_points = {};
  std::array<uint8_t, kEnd> bytes = {};
  std::array<bool, kEnd> has_byte = {};
  std::array<std::string, 256> utf8;
};

const Alphabet& Get() {
  static const Alphabet alphabet;
  return alphabet;
}

}  // namespace

const std::array<char32_t, 256>& ByteAlphabet() { return Get().code_points; }

void AppendByteLevel(std::string_view bytes, std::string& text) {
  const Alphabet& alphabet = Get();
  for (const char byte : bytes)
    text += alphabet.utf8[static_cast<uint8_t>(byte)];
}

bool AppendBytesOf(std::string_view token, std::string& bytes) {
  const Alphabet& alphabet = Get();
  const size_t before = bytes.size();
  while (!token.empty()) {
    const CodePoint c = FirstCodePoint(token);
    if (c.value >= kEnd || !alphabet.has_byte[c.value]) {
      bytes.resize(before);
      return false;
    }
    bytes.push_back(static_cast<char>(alphabet.bytes[c.value]));
    token.remove_prefix(c.bytes);
  }
  return true;
}

}  // namespace ram
