#include "recommend/pipeline_spec.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.h"
#include "base/yaml.h"

namespace millrace {
namespace {

constexpr std::size_t kPipelineNameMax = 64;
constexpr double kWeightMax = 1'000;
constexpr DurationUs kTrainEveryMin = kHourUs;
constexpr DurationUs kTrainEveryMax = 365 * kDayUs;
constexpr DurationUs kDeadlineMin = kMillisecondUs;
constexpr DurationUs kDeadlineMax = 10 * kSecondUs;

class PipelineReader {
 public:
  PipelineReader(const YamlMap& root, PipelineSpec& spec) : root_(root), spec_(spec) {}

  void read() {
    std::string kind;
    root_.required("kind", kind);
    root_.optional("description", spec_.description);
    read_placements();
    for (const auto& [name, value] : root_.map("sources").entries()) {
      SourceWeight source{.name = name, .where = value.where()};
      value.read(source.weight, 0.0, kWeightMax);
      spec_.sources.push_back(std::move(source));
    }
    root_.optional("only_sources", spec_.only_sources);
    root_.optional_choice("ranker", spec_.learned, {{"learned", true}, {"fixed", false}});
    root_.optional_duration("train_every", spec_.train_every, 0, kTrainEveryMax);
    if (spec_.train_every > 0 && spec_.train_every < kTrainEveryMin)
      root_.find("train_every")->error("give an hour or more, or 0 for only when asked");
    read_duration("deadline", spec_.deadline, kDeadlineMin, kDeadlineMax);
    read_rules(root_.map("rules"));
  }

 private:
  void read_placements() {
    std::vector<std::string> names;
    if (!root_.optional("placements", names)) return;
    for (const std::string& name : names) {
      const auto placement = parse_placement(name);
      if (!placement || name.empty())
        root_.find("placements")
            ->error(fmt::format("there is no placement '{}': take home, item, cart, checkout", name));
      else
        spec_.placements.push_back(*placement);
    }
  }

  void read_duration(std::string_view key, std::optional<DurationUs>& into, DurationUs min, DurationUs max) {
    read_duration(root_, key, into, min, max);
  }
  static void read_duration(const YamlMap& map, std::string_view key, std::optional<DurationUs>& into,
                            DurationUs min, DurationUs max) {
    DurationUs value = 0;
    if (map.optional_duration(key, value, min, max)) into = value;
  }

  template <class T>
  static void read_optional(const YamlMap& map, std::string_view key, std::optional<T>& into) {
    T value{};
    if (map.optional(key, value)) into = value;
  }
  static void read_share(const YamlMap& map, std::string_view key, std::optional<double>& into) {
    double value = 0;
    if (map.optional(key, value, 0.0, 1.0)) into = value;
  }

  void read_rules(const YamlMap& map) {
    read_filter(map, spec_.filter);
    read_optional(map, "exclude_bought", spec_.exclude_bought);
    read_optional(map, "exclude_read", spec_.exclude_read);
    read_duration(map, "item_age_max", spec_.item_age_max, 0, 100 * 365 * kDayUs);
    read_share(map, "category_share", spec_.category_share_max);
    read_share(map, "new_share", spec_.new_share);
    map.optional("diversity", spec_.diversity, 0.0, 1.0);
    for (const auto& [name, value] : map.map("promotions").entries()) read_promotion(name, value.map());
  }

  static void read_filter(const YamlMap& map, ItemFilter& into) {
    std::string text;
    if (!map.optional("filter", text)) return;
    auto filter = ItemFilter::parse(text);
    if (filter)
      into = *std::move(filter);
    else
      map.find("filter")->error(filter.error().message);
  }

  static void read_time(const YamlMap& map, std::string_view key, std::optional<TimeUs>& into) {
    std::string text;
    if (!map.optional(key, text)) return;
    if (const auto time = parse_time(text))
      into = *time;
    else
      map.find(key)->error(fmt::format("'{}' is no time: write 2026-12-24 or 2026-12-24T18:00:00Z", text));
  }

  void read_promotion(const std::string& name, const YamlMap& map) {
    Promotion promotion{.name = name, .text = {}, .filter = {}, .from = {}, .until = {}};
    read_filter(map, promotion.filter);
    if (!map.find("filter")) map.missing("filter");
    if (promotion.filter.needs_person())
      map.find("filter")->error(
          "what is promoted is the same for everybody: it cannot go by what a person did");
    map.optional("share", promotion.share, 0.0, 1.0);
    map.optional("text", promotion.text);
    read_time(map, "from", promotion.from);
    read_time(map, "until", promotion.until);
    spec_.promotions.push_back(std::move(promotion));
  }

  const YamlMap& root_;
  PipelineSpec& spec_;
};

}  // namespace

bool is_pipeline(std::string_view text) {
  const auto yaml = YamlDocument::parse(text, "models");
  if (!yaml) return false;
  std::string kind;
  yaml->root().optional("kind", kind);
  return kind == "pipeline";
}

Result<PipelineSpec> parse_pipeline(std::string_view text, const Path& path) {
  MILLRACE_ASSIGN(const auto yaml, YamlDocument::parse(text, path));
  PipelineSpec spec;
  spec.name = path.stem().string();
  spec.text = text;
  if (!is_snake_case(spec.name, kPipelineNameMax))
    return fail(Code::kInvalid,
                "a pipeline's name is its file's: lower-case letters, digits and _, such as shop.yaml",
                path.string());
  const YamlMap root = yaml.root();
  PipelineReader(root, spec).read();
  MILLRACE_TRY(yaml.finish());
  return spec;
}

Status check_placements(const std::vector<PipelineSpec>& pipelines) {
  constexpr Placement kAll[] = {Placement::kHome, Placement::kItem, Placement::kCart, Placement::kCheckout};
  const PipelineSpec* of_the_rest = nullptr;
  for (const PipelineSpec& spec : pipelines) {
    if (!spec.placements.empty()) continue;
    if (of_the_rest != nullptr)
      return fail(
          Code::kInvalid,
          fmt::format("pipelines {} and {} both answer what no other does: give one of them placements",
                      of_the_rest->name, spec.name),
          "models");
    of_the_rest = &spec;
  }
  for (const Placement placement : kAll) {
    const PipelineSpec* first = nullptr;
    for (const PipelineSpec& spec : pipelines) {
      if (std::ranges::find(spec.placements, placement) == spec.placements.end()) continue;
      if (first != nullptr)
        return fail(Code::kInvalid,
                    fmt::format("pipelines {} and {} both answer the placement {}", first->name, spec.name,
                                placement_name(placement)),
                    "models");
      first = &spec;
    }
  }
  return {};
}

}  // namespace millrace
