#define MILLRACE_CPU v4
#define MILLRACE_CPU_NAME "x86-64-v4"
#include "linalg/kernels_eigen.h"
