#define MILLRACE_CPU v3
#define MILLRACE_CPU_NAME "x86-64-v3"
#include "linalg/kernels_eigen.h"
