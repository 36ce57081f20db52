#define MILLRACE_CPU generic
#define MILLRACE_CPU_NAME "generic"
#include "linalg/kernels_eigen.h"
