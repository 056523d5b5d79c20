// What chat templates (chat_template.h) may call: filters, tests, methods and
// functions. Each throws kUnsupported for a name it does not know.
#pragma once

#include <string>
#include <string_view>

#include "ram/tokenizer/jinja_value.h"

namespace ram {

// input|name(arguments)
JinjaValue ApplyJinjaFilter(const std::string& name, const JinjaValue& input,
                            const JinjaArguments& arguments);
// input is name(arguments)
bool ApplyJinjaTest(const std::string& name, const JinjaValue& input,
                    const JinjaArguments& arguments);
// A method of a string or dictionary; undefined where there is none.
JinjaValue FindJinjaMethod(const JinjaValue& object, const std::string& name);
// range, namespace, dict, raise_exception, strftime_now; undefined otherwise.
JinjaValue FindJinjaFunction(const std::string& name);
// object.name, or object["name"]; undefined where there is none.
JinjaValue GetJinjaField(const JinjaValue& object, const std::string& name);

// Python's str methods, on UTF-8.
bool IsSpaceCharacter(std::string_view code_point);
enum class TrimSide { kBoth, kLeft, kRight };
std::string TrimText(const std::string& text, TrimSide side,
                     const JinjaValue* characters);
std::string ReplaceText(const std::string& text, const std::string& from,
                        const std::string& to, int64_t count);
std::string UpperText(const std::string& text);
std::string LowerText(const std::string& text);
std::string CapitalText(const std::string& text);
std::string TitleText(const std::string& text);

// A template's raise_exception: what() is its own words.
class JinjaRaised : public std::exception {
 public:
  explicit JinjaRaised(std::string words) : words_(std::move(words)) {}
  const char* what() const noexcept override { return words_.c_str(); }

 private:
  std::string words_;
};

}  // namespace ram
