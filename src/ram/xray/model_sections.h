// The sections of the page that show one model.
#pragma once

#include <string>

#include "ram/xray/page.h"
#include "ram/xray/report.h"

namespace ram {

// `<ul>` of findings, each with a link to its section; those with several hits
// list them. `prefix` is that of the model's sections.
std::string FindingsHtml(const std::vector<Finding>& findings,
                         const Subject* subject, const std::string& prefix);

// Appends the sections and their data. `prefix` makes ids unique; `suffix` goes
// behind the titles.
void AddModelSections(const Subject& subject, const Examination& examination,
                      const std::string& prefix, const std::string& suffix,
                      Page& page);

}  // namespace ram
