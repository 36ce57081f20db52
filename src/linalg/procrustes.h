#pragma once

#include "linalg/matrix.h"

namespace millrace {

/// Return the rotation (columns × columns, reflections among them) that brings the rows of `from`, each times
/// it, nearest to the rows of `to` in the sum of squares: the orthogonal Procrustes problem (Schönemann,
/// 1966). Both must have as many rows and columns. A few times columns³ of work beside rows · columns².
Matrix procrustes_rotation(MatrixView from, MatrixView to);

}  // namespace millrace
