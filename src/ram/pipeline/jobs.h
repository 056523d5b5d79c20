// One function per job of the command line; also what a daemon will call.
#pragma once

namespace ram {}
