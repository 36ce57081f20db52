#pragma once

namespace millrace {

/// Give memory that was freed back to the operating system, after a phase that needed much more than what
/// follows will. Takes a few milliseconds. Does nothing where the C library keeps no such memory.
void return_freed_memory();

}  // namespace millrace
