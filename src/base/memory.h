#pragma once

namespace millrace {

/// Give memory that was freed back to the operating system, after a phase that needed much more than what
/// follows will. Takes a few milliseconds. Does nothing in a
/// build without jemalloc.
void return_freed_memory();

}  // namespace millrace
