#include "ram/tokenizer/jinja_operators.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

int64_t Checked(bool overflow, int64_t value) {
  if (overflow) FailJinja("an integer of more than 64 bits");
  return value;
}

JinjaValue Divide(const std::string& op, const JinjaValue& a,
                  const JinjaValue& b) {
  if (b.number() == 0) FailJinja("division by zero");
  if (op == "/") return JinjaValue(a.number() / b.number());
  if (!a.is_integer() || !b.is_integer()) {
    const double quotient = std::floor(a.number() / b.number());
    return JinjaValue(op == "//" ? quotient
                                 : a.number() - quotient * b.number());
  }
  const int64_t x = a.integer(), y = b.integer();
  if (y == -1) {  // INT64_MIN / -1 does not fit
    if (op == "%") return JinjaValue::Int(0);
    return JinjaValue::Int(Checked(x == INT64_MIN, x == INT64_MIN ? 0 : -x));
  }
  const bool down = x % y != 0 && (x < 0) != (y < 0);
  if (op == "//") return JinjaValue::Int(x / y - (down ? 1 : 0));
  return JinjaValue::Int(x % y + (down ? y : 0));
}

std::string Joined(const std::string& a, const std::string& b) {
  if (a.size() + b.size() > kMaxJinjaText)
    FailJinja("more than 16 MiB of text");
  return a + b;
}

JinjaValue Repeat(const JinjaValue& what, const JinjaValue& times) {
  const int64_t count = std::max<int64_t>(times.integer(), 0);
  if (what.is_string()) {
    if (!what.string().empty() &&
        static_cast<uint64_t>(count) > kMaxJinjaText / what.string().size()) {
      FailJinja("more than 16 MiB of text");
    }
    std::string out;
    for (int64_t i = 0; i < count && !what.string().empty(); ++i) {
      out += what.string();
    }
    return JinjaValue::String(std::move(out));
  }
  throw Error(ErrorKind::kUnsupported, "repeated lists are not supported");
}

}  // namespace

JinjaValue JinjaArithmetic(const std::string& op, const JinjaValue& a,
                           const JinjaValue& b) {
  if (op == "~") return JinjaValue::String(Joined(a.Str(), b.Str()));
  if (op == "+" && a.is_string() && b.is_string()) {
    return JinjaValue::String(Joined(a.string(), b.string()));
  }
  if (op == "+" && a.list() && b.list()) {
    JinjaList out = *a.list();
    out.insert(out.end(), b.list()->begin(), b.list()->end());
    return JinjaValue::List(std::move(out));
  }
  if (op == "*" && a.is_string() && b.is_integer()) return Repeat(a, b);
  if (op == "*" && b.is_string() && a.is_integer()) return Repeat(b, a);
  if (!a.is_number() || !b.is_number()) {
    if (op == "%" && a.is_string()) {
      throw Error(ErrorKind::kUnsupported, "text % values is not supported");
    }
    FailJinja("found " + a.TypeName() + " " + op + " " + b.TypeName() +
              ", expected two values that go together");
  }
  if (op == "/" || op == "//" || op == "%") return Divide(op, a, b);
  if (!a.is_integer() || !b.is_integer()) {
    const double x = a.number(), y = b.number();
    return JinjaValue(op == "+" ? x + y : op == "-" ? x - y : x * y);
  }
  const int64_t x = a.integer(), y = b.integer();
  int64_t out = 0;
  const bool overflow = op == "+"   ? __builtin_add_overflow(x, y, &out)
                        : op == "-" ? __builtin_sub_overflow(x, y, &out)
                                    : __builtin_mul_overflow(x, y, &out);
  return JinjaValue::Int(Checked(overflow, out));
}

bool CompareJinja(const std::string& op, const JinjaValue& a,
                  const JinjaValue& b) {
  if (op == "==") return JinjaValue::Equal(a, b);
  if (op == "!=") return !JinjaValue::Equal(a, b);
  if (op == "in") return b.Contains(a);
  if (op == "not in") return !b.Contains(a);
  if (op == "<") return JinjaValue::Less(a, b);
  if (op == ">") return JinjaValue::Less(b, a);
  return op == "<=" ? !JinjaValue::Less(b, a) : !JinjaValue::Less(a, b);
}

std::vector<size_t> JinjaSlicePlaces(size_t size, std::optional<int64_t> start,
                                     std::optional<int64_t> stop,
                                     int64_t step) {
  if (step == 0) FailJinja("a slice: found step 0, expected another");
  const auto n = static_cast<int64_t>(size);
  const int64_t lowest = step > 0 ? 0 : -1;
  const int64_t highest = step > 0 ? n : n - 1;
  const auto place = [&](int64_t i) {
    return std::clamp(i < 0 ? std::max(i, -n - 1) + n : std::min(i, n), lowest,
                      highest);
  };
  int64_t at = start ? place(*start) : (step > 0 ? 0 : n - 1);
  const int64_t end = stop ? place(*stop) : (step > 0 ? n : -1);
  std::vector<size_t> out;
  while (step > 0 ? at < end : at > end) {
    out.push_back(static_cast<size_t>(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return out;
}

}  // namespace ram
