#pragma once

namespace millrace {

/// Let the calling thread, and those it starts from now on, yield to others while the processor is short: 0
/// is usual, 19 takes only what nobody else wants (nice, which on Linux belongs to a thread). It cannot be
/// taken back without privileges. Does nothing where it is not allowed.
void yield_to_others(int niceness);

}  // namespace millrace
