#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"
#include "base/yaml.h"

namespace millrace {

/// An aggregation as a user wrote it: `aggregations/NAME.yaml`. The name is the file's.
struct AggregationFile {
  Path path;
  std::string text;
};

/// One aggregated figure.
struct Measure {
  enum class Kind : std::uint8_t { kCount, kSum, kMin, kMax, kFirst, kDistinct, kTop };
  std::string name;
  Kind kind = Kind::kCount;
  std::string expression;  ///< of count: a condition, or empty
  std::uint32_t k = 0;     ///< of top
};

struct AggregationWindow {
  enum class Kind : std::uint8_t { kFixed, kSliding, kVisit };
  Kind kind = Kind::kFixed;
  DurationUs size = 0;
  DurationUs period = 0;  ///< between the beginnings of two windows; `size` when fixed
  DurationUs offset = 0;  ///< of the windows from midnight 1970 UTC
};

/// What `docs/how-to/aggregations.md` describes. Expressions are SQL as written, not yet checked.
struct Aggregation {
  struct Key {
    std::string name;
    std::string expression;
  };

  std::string name;
  std::string from;
  std::string filter;  ///< empty: everything
  AggregationWindow window;
  std::vector<Key> keys;
  std::vector<Measure> measures;
  std::optional<DurationUs> lateness;
  std::string publish;  ///< topic that closed windows go to; empty: none
};

/// The parsed file with its places, so that a later check of an expression can name its line.
class AggregationSource {
 public:
  static constexpr std::size_t kColumnsMax = 64;  ///< keys and measures together

  /// Parse a file. Errors: kInvalid when it is not YAML; anything else is noted for `finish`.
  static Result<AggregationSource> parse(const AggregationFile& file);

  const Aggregation& aggregation() const { return aggregation_; }

  /// Note a mistake in what stands under `key` at the top, or in the key or measure of that name.
  void error_at(std::string_view key, std::string message) const;
  void error_in_column(std::string_view column, std::string message) const;

  /// Report all that was noted. Errors: kInvalid, all at once, each with its line.
  Status finish() const { return yaml_.finish(); }

 private:
  explicit AggregationSource(YamlDocument yaml) : yaml_(std::move(yaml)) {}
  void read();
  void read_window();
  void read_keys();
  void read_measures();
  void read_publish();
  bool take_column_name(const std::string& name, const YamlValue& at);

  YamlDocument yaml_;
  Aggregation aggregation_;
  std::vector<std::pair<std::string, YamlValue>> columns_;  ///< keys and measures by their names
};

/// Return the aggregations that are always there, written like any other.
std::vector<AggregationFile> built_in_aggregations();

}  // namespace millrace
