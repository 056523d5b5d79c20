// The X-ray as one HTML file.
#pragma once

#include <string>

#include "ram/xray/report.h"

namespace ram {

std::string XrayToHtml(const XrayReport& report);

}  // namespace ram
