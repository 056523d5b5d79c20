// Ctrl-C as a flag that long loops look at.
#pragma once

namespace ram {

// Installs handlers for SIGINT and SIGTERM that only set the flag. A second
// signal, half a second later or more, ends the process at once. SIGXFSZ is
// ignored.
void InstallInterruptHandler();
void RequestInterrupt();
bool InterruptRequested();
void ClearInterrupt();
// Throws kInterrupted when the flag is set.
void ThrowIfInterrupted();

}  // namespace ram
