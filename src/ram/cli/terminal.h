// What only a person at a terminal sees: progress on standard error.
#pragma once

#include <memory>
#include <string>

#include "ram/base/progress.h"
#include "ram/cli/options.h"

namespace ram {

// A bar with rate and time left when standard error is a terminal and neither
// --quiet nor --json was given; else one that draws nothing.
std::unique_ptr<Progress> MakeProgress(const GlobalOptions& global);

// "0:42", "12:05", "1:02:03".
std::string FormatDuration(double seconds);

// The most memory this process had resident at once, mapped pages included
// (VmHWM on Linux); 0 where unknown.
uint64_t PeakMemoryBytes();

}  // namespace ram
