// Ctrl-C as a flag that long loops look at.
#pragma once

namespace ram {

// SIGINT and SIGTERM set the flag; a second one, half a second later or more,
// ends the process at once. SIGXFSZ is ignored. To be called before any thread
// starts: a thread of its own waits for the signals, as a handler would write
// its frame below the stack pointer, which oneDNN's f32 kernels use for
// something else (seen as a corrupt heap).
void InstallInterruptHandler();
void RequestInterrupt();
bool InterruptRequested();
void ClearInterrupt();
// Throws kInterrupted when the flag is set.
void ThrowIfInterrupted();

}  // namespace ram
