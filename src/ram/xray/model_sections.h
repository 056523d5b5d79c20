// The sections of the page that show one model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ram/xray/page.h"
#include "ram/xray/report.h"

namespace ram {

// `<ul>` of findings, each with a link to its section unless they stand in it
// (`here`); those with several hits list them. `prefix` is that of the model's
// sections. Nothing without findings.
std::string FindingsHtml(const std::vector<Finding>& findings,
                         const Subject* subject, const std::string& prefix,
                         std::string_view here);

// Appends the sections and their data. `prefix` makes ids unique; `of` goes
// behind the titles, where several models share a page; `evaluation` is told on
// the first screen.
void AddModelSections(const Subject& subject, const Examination& examination,
                      const std::string& prefix, const std::string& of,
                      const std::vector<Finding>& evaluation, Page& page);

}  // namespace ram
