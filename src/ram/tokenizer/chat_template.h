// Chat templates: the part of Jinja2 (jinja.palletsprojects.com, 3.1) that
// templates of language models use, with the settings of the transformers
// library (trim_blocks, lstrip_blocks, an immutable sandbox, loop controls,
// raise_exception, strftime_now, tojson without escaping).
//
// Statements: for (filter, else, unpacking, loop.*, break, continue), if, set
// (attributes of namespaces, blocks), macro, generation, raw.
// Expressions: all operators, conditions, calls with keywords, slices, tests,
// filters; methods of strings and dictionaries. Whatever is not known is an
// error that names it, never left out.
//
// What differs: integers have 64 bits; keys of dictionaries are text; `safe`
// marks nothing; filters and methods beyond those in jinja_filters.cc and
// jinja_methods.cc are missing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"

namespace ram {

struct JinjaTemplate;

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // `name` is named in messages. Throws kUnsupported "NAME: line N: ..." for
  // what is not known, kCorrupt for what is not a template.
  ChatTemplate(std::string_view source, std::string name);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // `variables` is an object: messages, add_generation_prompt, bos_token...
  // Throws kUsage with the template's own words where it raises an exception,
  // kCorrupt where it goes wrong, and also above 16 MiB of text or a million
  // steps.
  std::string Render(const OrderedJson& variables) const;

  // The usual variables; `special_tokens` is an object such as
  // {"bos_token": "<s>"}.
  std::string Render(const std::vector<ChatMessage>& messages,
                     bool add_generation_prompt,
                     const OrderedJson& special_tokens) const;

 private:
  std::string name_;
  std::unique_ptr<const JinjaTemplate> template_;
};

}  // namespace ram
