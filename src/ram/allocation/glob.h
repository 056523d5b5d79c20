// Names matched by * (any run of characters) and ? (any one).
#pragma once

#include <string_view>

namespace ram {

bool GlobMatches(std::string_view pattern, std::string_view text);

}  // namespace ram
