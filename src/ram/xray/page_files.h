// The files of src/ram/xray/page and the charting library, built into the
// program by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace ram::page_files {

std::string_view Style();         // page/page.css
std::string_view Script();        // page/page.js
std::string_view ChartStyle();    // third_party/uplot/uPlot.min.css
std::string_view ChartLibrary();  // third_party/uplot/uPlot.iife.min.js
std::string_view ChartLicence();  // third_party/uplot/LICENSE

}  // namespace ram::page_files
