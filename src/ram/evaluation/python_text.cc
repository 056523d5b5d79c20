#include "ram/evaluation/python_text.h"

#include <utf8proc.h>

#include <array>

namespace ram {
namespace {

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The code point at `at`, and its bytes; a byte that starts none stands for
// itself.
std::pair<utf8proc_int32_t, size_t> CodePointAt(std::string_view text,
                                                size_t at) {
  utf8proc_int32_t code = 0;
  const auto rest = text.substr(at);
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(rest.data()),
                       static_cast<utf8proc_ssize_t>(rest.size()), &code);
  if (bytes <= 0) return {-1, 1};
  return {code, static_cast<size_t>(bytes)};
}

// str.isspace: bidirectional class WS, B or S, or category Zs.
bool IsSpace(utf8proc_int32_t code) {
  if (code < 0) return false;
  const utf8proc_property_t* property = utf8proc_get_property(code);
  switch (property->bidi_class) {
    case UTF8PROC_BIDI_CLASS_WS:
    case UTF8PROC_BIDI_CLASS_B:
    case UTF8PROC_BIDI_CLASS_S:
      return true;
    default:
      return property->category == UTF8PROC_CATEGORY_ZS;
  }
}

}  // namespace

size_t StrippedLength(std::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && IsContinuation(text[start])) --start;
    if (!IsSpace(CodePointAt(text.substr(0, end), start).first)) break;
    end = start;
  }
  return end;
}

std::string_view Strip(std::string_view text) {
  text = text.substr(0, StrippedLength(text));
  while (!text.empty()) {
    const auto [code, bytes] = CodePointAt(text, 0);
    if (!IsSpace(code)) break;
    text.remove_prefix(bytes);
  }
  return text;
}

std::string Capitalize(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto [code, bytes] = CodePointAt(text, at);
    if (code < 0) {
      out += text[at];
    } else {
      std::array<utf8proc_uint8_t, 4> encoded;
      const utf8proc_ssize_t size = utf8proc_encode_char(
          at == 0 ? utf8proc_totitle(code) : utf8proc_tolower(code),
          encoded.data());
      out.append(reinterpret_cast<const char*>(encoded.data()),
                 static_cast<size_t>(size));
    }
    at += bytes;
  }
  return out;
}

size_t CodePoints(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += IsContinuation(c) ? 0 : 1;
  return count;
}

std::string ReplaceAll(std::string_view text, std::string_view from,
                       std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    if (found == std::string_view::npos) return out.append(text.substr(at));
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
}

}  // namespace ram
