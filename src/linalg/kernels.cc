#include "linalg/kernels.h"

#include <array>

namespace millrace {

namespace generic {
extern const Kernels kKernels;
}
#ifdef MILLRACE_CPU_VARIANTS
namespace v3 {
extern const Kernels kKernels;
}
namespace v4 {
extern const Kernels kKernels;
}
#endif

namespace {

constexpr std::array kAll = {
    &generic::kKernels,
#ifdef MILLRACE_CPU_VARIANTS
    &v3::kKernels,
    &v4::kKernels,
#endif
};

std::size_t runnable() {
#ifdef MILLRACE_CPU_VARIANTS
  if (__builtin_cpu_supports("x86-64-v4")) return 3;
  if (__builtin_cpu_supports("x86-64-v3")) return 2;
#endif
  return 1;
}

}  // namespace

std::span<const Kernels* const> all_kernels() {
  static const std::size_t count = runnable();
  return std::span(kAll).first(count);
}

const Kernels& kernels() {
  return *all_kernels().back();
}

}  // namespace millrace
