#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "base/time.h"
#include "recommend/item_filter.h"
#include "recommend/recommendation.h"

namespace millrace {

/// A source of candidates and how much it counts.
struct SourceWeight {
  std::string name;  ///< of a built-in source (`candidate_source_name`), or of a deployed model
  double weight = 1;
  std::string where;  ///< "models/shop.yaml:7"
};

/// Items that get a share of each page, whatever they score.
struct Promotion {
  std::string name;
  std::string text;  ///< the reason that people read; empty: "Promoted"
  ItemFilter filter;
  double share = 0.1;  ///< of the places of a page, at least one
  std::optional<TimeUs> from;
  std::optional<TimeUs> until;
};

/// How candidates become an answer: a file `models/NAME.yaml` of kind `pipeline`. What is not given is as in
/// ModelSettings. docs/how-to/pipelines.md.
struct PipelineSpec {
  std::string name;
  std::string description;
  std::vector<Placement> placements;  ///< that it answers; empty: all that no other pipeline names
  std::vector<SourceWeight> sources;  ///< those not named count as if there were no file, models too
  bool only_sources = false;          ///< those not named do not count
  ItemFilter filter;                  ///< holds beside the request's own
  std::optional<bool> exclude_bought;
  std::optional<bool> exclude_read;
  std::optional<DurationUs> item_age_max;
  std::optional<DurationUs> deadline;
  std::optional<double> category_share_max;
  std::optional<double> new_share;  ///< of the places of a home page, for items nobody has met
  double diversity = 0;  ///< λ of maximal marginal relevance: 0 by score alone, 1 as unlike as can be
  bool learned = true;   ///< by a learned ranker, once one is trained and better
  DurationUs train_every = kDayUs;  ///< how often it is trained again; 0: only when asked
  std::vector<Promotion> promotions;
  std::string text;  ///< the file's
};

/// Whether a file of models/ is a pipeline: the kind decides. False for text that is no YAML.
bool is_pipeline(std::string_view text);

/// Read a file. Errors: kInvalid, all mistakes at once, each with file and line.
Result<PipelineSpec> parse_pipeline(std::string_view text, const Path& path);

/// Refuse two pipelines for one placement. Errors: kInvalid, naming both.
Status check_placements(const std::vector<PipelineSpec>& pipelines);

}  // namespace millrace
