// Runs a chat template (chat_template.h).
#pragma once

#include <string>

#include "ram/tokenizer/jinja_parser.h"
#include "ram/tokenizer/jinja_value.h"

namespace ram {

// Throws kUnsupported and kCorrupt "line N: ...", JinjaRaised.
std::string RunJinja(const JinjaTemplate& parsed, const JinjaDict& variables);

}  // namespace ram
