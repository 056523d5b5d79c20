// Python's str methods, for chat templates.
#include <utf8proc.h>

#include <algorithm>
#include <array>

#include "ram/tokenizer/jinja_functions.h"

namespace ram {
namespace {

constexpr utf8proc_int32_t kInvalid = -1;

utf8proc_int32_t PointOf(std::string_view bytes) {
  utf8proc_int32_t point = kInvalid;
  const auto size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(bytes.data()),
                       static_cast<utf8proc_ssize_t>(bytes.size()), &point);
  return size == static_cast<utf8proc_ssize_t>(bytes.size()) ? point : kInvalid;
}

void AppendPoint(utf8proc_int32_t point, std::string& out) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(point, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

template <typename Convert>
std::string Mapped(const std::string& text, Convert convert) {
  std::string out;
  for (const std::string_view bytes : JinjaCodePoints(text)) {
    const utf8proc_int32_t point = PointOf(bytes);
    if (point == kInvalid) {
      out += bytes;
    } else {
      convert(point, out);
    }
  }
  return out;
}

void AppendUpper(utf8proc_int32_t point, std::string& out) {
  if (point == 0xDF) {
    out += "SS";  // the one such letter in wide use
  } else {
    AppendPoint(utf8proc_toupper(point), out);
  }
}
void AppendLower(utf8proc_int32_t point, std::string& out) {
  AppendPoint(utf8proc_tolower(point), out);
}

bool IsLetter(utf8proc_int32_t point) {
  return utf8proc_toupper(point) != point || utf8proc_tolower(point) != point;
}

}  // namespace

// str.isspace().
bool IsSpaceCharacter(std::string_view code_point) {
  const utf8proc_int32_t point = PointOf(code_point);
  return (point >= 9 && point <= 13) || (point >= 0x1C && point <= 0x20) ||
         point == 0x85 || point == 0xA0 || point == 0x1680 ||
         (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F ||
         point == 0x3000;
}

std::string TrimText(const std::string& text, TrimSide side,
                     const JinjaValue* characters) {
  const std::vector<std::string_view> points = JinjaCodePoints(text);
  std::vector<std::string_view> set;
  const bool given = characters && !characters->none();
  if (given) set = JinjaCodePoints(characters->string());
  const auto drop = [&](std::string_view point) {
    return given ? std::find(set.begin(), set.end(), point) != set.end()
                 : IsSpaceCharacter(point);
  };
  size_t first = 0, last = points.size();
  if (side != TrimSide::kRight) {
    while (first < last && drop(points[first])) ++first;
  }
  if (side != TrimSide::kLeft) {
    while (last > first && drop(points[last - 1])) --last;
  }
  std::string out;
  for (size_t i = first; i < last; ++i) out += points[i];
  return out;
}

std::string ReplaceText(const std::string& text, const std::string& from,
                        const std::string& to, int64_t count) {
  if (from.empty()) FailJinja("replace: found '', expected text to replace");
  std::string out;
  size_t at = 0;
  for (; count != 0; --count) {
    const size_t found = text.find(from, at);
    if (found == std::string::npos) break;
    out.append(text, at, found - at);
    out += to;
    if (out.size() > (size_t{16} << 20)) FailJinja("more than 16 MiB of text");
    at = found + from.size();
  }
  return out.append(text, at);
}

std::string UpperText(const std::string& text) {
  return Mapped(text, AppendUpper);
}

std::string LowerText(const std::string& text) {
  return Mapped(text, AppendLower);
}

std::string CapitalText(const std::string& text) {
  bool first = true;
  return Mapped(text, [&](utf8proc_int32_t point, std::string& out) {
    first ? AppendUpper(point, out) : AppendLower(point, out);
    first = false;
  });
}

std::string TitleText(const std::string& text) {
  bool begins = true;
  return Mapped(text, [&](utf8proc_int32_t point, std::string& out) {
    begins ? AppendUpper(point, out) : AppendLower(point, out);
    begins = !IsLetter(point);
  });
}

}  // namespace ram
