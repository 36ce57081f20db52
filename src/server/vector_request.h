#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vector/vector_set.h"

namespace millrace {

/// A question for the nearest vectors, understood.
struct VectorQuery {
  static constexpr std::size_t kNeighboursMax = 1'000;
  static constexpr std::size_t kQueriesMax = 100;

  std::optional<std::string> id;  ///< near to the vector of this id, without itself; else …
  std::vector<float> vectors;     ///< … to each of these
  std::size_t count = 1;          ///< how many
  bool is_list = false;           ///< asked as `vectors`: the answer is a list of lists
  std::size_t n = 10;
  std::vector<std::string> exclude;
  std::optional<std::vector<std::string>> only;  ///< none: all
  bool with_vectors = false;
};

// The bodies need HttpRequest::kBodyPadding readable bytes behind them, as those of requests have.

/// Read rows {"id":"a","vector":[0.1,0.2]}, an array of them or a line each; ids may be whole numbers.
/// Errors: kInvalid, `where` being "[3]" or "line 4".
Result<std::vector<VectorSet::Row>> parse_vector_rows(std::string_view body);

/// Read {"vector":[…]} or {"vectors":[[…]]} or {"id":"a"}, with n, exclude, only, with_vectors.
/// Errors: kInvalid, with the member that was probably meant.
Result<VectorQuery> parse_vector_query(std::string_view body);

/// Read {"dimensions":32,"similarity":"dot"}. Errors: kInvalid.
Result<VectorShape> parse_vector_shape(std::string_view body);

/// Whom the e-commerce system's own calls are about: a vector, or someone's id.
struct SomeoneOrVector {
  std::optional<std::string> id;
  std::vector<float> vector;
};

/// Read [0.1,0.2] or {"embedding":[…]}, or {"customer_number":103} (also customerNumber, user_id, id), beside
/// which other members may stand. Errors: kInvalid.
Result<SomeoneOrVector> parse_someone(std::string_view body);

/// Write a value in the fewest digits that read back as the same float.
std::string float_text(float value);

}  // namespace millrace
