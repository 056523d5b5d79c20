#include "ram/base/json.h"

#include <unordered_set>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"

namespace ram {
namespace {

// Refuses what nlohmann's parser would silently accept. Depth is bounded here,
// so the value built afterwards cannot overflow the stack either.
class StrictSax : public nlohmann::json_sax<Json> {
 public:
  StrictSax(std::string_view source, int max_depth)
      : source_(source), max_depth_(max_depth) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }

  bool start_object(std::size_t) override {
    Enter();
    keys_.emplace_back();
    return true;
  }
  bool end_object() override {
    --depth_;
    keys_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override {
    Enter();
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(string_t& key) override {
    if (!keys_.back().insert(key).second) {
      Fail(ErrorKind::kCorrupt,
           "{}: key '{}': found twice in one object, expected once", source_,
           key);
    }
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) override {
    Fail(ErrorKind::kCorrupt, "{}: JSON: {}, expected well-formed JSON",
         source_, Explain(position, problem.what()));
  }

 private:
  void Enter() {
    if (++depth_ > max_depth_) {
      Fail(ErrorKind::kCorrupt,
           "{}: JSON: found nesting deeper than {} levels, expected less",
           source_, max_depth_);
    }
  }

  // nlohmann's "[json.exception...] parse error at line 1, column 2: WHY".
  static std::string Explain(std::size_t position, std::string_view what) {
    const std::size_t colon = what.find(": ");
    const std::string_view why =
        colon == what.npos ? what : what.substr(colon + 2);
    return fmt::format("found an error at byte {} ({})", position,
                       why.substr(0, 160));
  }

  std::string_view source_;
  int max_depth_;
  int depth_ = 0;
  std::vector<std::unordered_set<std::string>> keys_;
};

std::string Describe(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] void FailField(const Json* value, const char* key,
                            std::string_view source,
                            std::string_view expected) {
  Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", source, key,
       value ? Describe(*value) : "nothing", expected);
}

}  // namespace

Json ParseJson(std::string_view text, std::string_view source, int max_depth) {
  StrictSax sax(source, max_depth);
  Json::sax_parse(text.begin(), text.end(), &sax);
  return Json::parse(text.begin(), text.end());
}

Json ReadJsonFile(const std::string& path, int max_depth) {
  return ParseJson(ReadTextFile(path), path, max_depth);
}

std::optional<uint64_t> AsUint64(const Json& value) {
  if (!value.is_number_unsigned()) return std::nullopt;
  return value.get<uint64_t>();
}

std::optional<uint64_t> OptionalUint(const Json& object, const char* key,
                                     std::string_view source) {
  const Json* value = Find(object, key);
  if (!value) return std::nullopt;
  const auto number = AsUint64(*value);
  if (!number) FailField(value, key, source, "a whole number, zero or more");
  return number;
}

std::optional<std::string> OptionalString(const Json& object, const char* key,
                                          std::string_view source) {
  const Json* value = Find(object, key);
  if (!value) return std::nullopt;
  if (!value->is_string()) FailField(value, key, source, "a string");
  return value->get<std::string>();
}

std::optional<bool> OptionalBool(const Json& object, const char* key,
                                 std::string_view source) {
  const Json* value = Find(object, key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) FailField(value, key, source, "true or false");
  return value->get<bool>();
}

uint64_t UintField(const Json& object, const char* key,
                   std::string_view source) {
  const auto value = OptionalUint(object, key, source);
  if (!value) FailField(nullptr, key, source, "a whole number, zero or more");
  return *value;
}

std::string StringField(const Json& object, const char* key,
                        std::string_view source) {
  const auto value = OptionalString(object, key, source);
  if (!value) FailField(nullptr, key, source, "a string");
  return *value;
}

std::string Excerpt(const Json& value, size_t most) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace)
      .substr(0, most);
}

}  // namespace ram
