#include "ram/tokenizer/chat_template.h"

#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_functions.h"
#include "ram/tokenizer/jinja_interpreter.h"
#include "ram/tokenizer/jinja_parser.h"

namespace ram {

ChatTemplate::ChatTemplate(std::string_view source, std::string name)
    : name_(std::move(name)) {
  try {
    template_ = std::make_unique<const JinjaTemplate>(ParseJinja(source));
  } catch (const Error& error) {
    Fail(error.kind(), "{}: {}", name_, error.what());
  }
}

ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::string ChatTemplate::Render(const OrderedJson& variables) const {
  const JinjaValue values = JinjaValue::FromJson(variables);
  try {
    return RunJinja(*template_, *values.dict());
  } catch (const JinjaRaised& raised) {
    Fail(ErrorKind::kUsage, "{}: {}", name_, raised.what());
  } catch (const Error& error) {
    Fail(error.kind(), "{}: {}", name_, error.what());
  }
}

std::string ChatTemplate::Render(const std::vector<ChatMessage>& messages,
                                 bool add_generation_prompt,
                                 const OrderedJson& special_tokens) const {
  OrderedJson variables = special_tokens;
  OrderedJson list = OrderedJson::array();
  for (const ChatMessage& message : messages) {
    list.push_back({{"role", message.role}, {"content", message.content}});
  }
  variables["messages"] = std::move(list);
  variables["add_generation_prompt"] = add_generation_prompt;
  return Render(variables);
}

}  // namespace ram
