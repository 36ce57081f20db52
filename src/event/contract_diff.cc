#include "event/contract_diff.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace millrace {
namespace {

constexpr std::string_view kGone = "whoever reads it finds it no more";
constexpr std::string_view kRefused = "data that was right until now is refused";
constexpr std::string_view kWider = "what was right stays right";

using Change = ContractChange;

/// Compares two versions; changes are collected in order.
class Differ {
 public:
  std::vector<Change> run(const Contract& before, const Contract& after) {
    if (before.id != after.id)
      add(true, "", fmt::format("the id was '{}' and is '{}'", before.id, after.id),
          "it is another contract");
    if (before.is_in_force() && after.status == "retired")
      add(true, "", "it is retired", "nobody promises anything of the data from then on");
    compare_sources(before, after);
    for (const ContractObject& old : before.objects) {
      const auto now = std::ranges::find(after.objects, old.name, &ContractObject::name);
      if (now == after.objects.end())
        add(true, old.name, "the object is removed", kGone);
      else
        compare_objects(old, *now);
    }
    for (const ContractObject& one : after.objects)
      if (std::ranges::find(before.objects, one.name, &ContractObject::name) == before.objects.end())
        add(false, one.name, "the object is added", "nobody relies on it yet");
    return std::move(changes_);
  }

 private:
  void add(bool breaking, std::string place, std::string what, std::string_view why) {
    changes_.push_back({breaking, std::move(place), std::move(what), std::string(why)});
  }

  void compare_sources(const Contract& before, const Contract& after) {
    if (before.sources == after.sources) return;
    const bool all_before = before.sources.empty();
    std::vector<std::string> more;
    for (const std::string& source : after.sources)
      if (std::ranges::find(before.sources, source) == before.sources.end()) more.push_back(source);
    if (!all_before && (after.sources.empty() || !more.empty()))
      add(true, "",
          after.sources.empty() ? "it holds for all sources"
                                : fmt::format("it also holds for {}", fmt::join(more, ", ")),
          "sources that were free until now are held to it");
    else
      add(false, "", "it holds for fewer sources", kWider);
  }

  void compare_objects(const ContractObject& old, const ContractObject& now) {
    if (old.table() != now.table() || old.is_event() != now.is_event())
      add(true, old.name, fmt::format("the data lie in '{}', no longer in '{}'", now.table(), old.table()),
          kGone);
    compare_properties(old.name, old.properties, now.properties);
    compare_rules(old.name, old.quality, now.quality);
  }

  void compare_properties(const std::string& place, const std::vector<ContractProperty>& old,
                          const std::vector<ContractProperty>& now) {
    for (const ContractProperty& one : old) {
      const auto found = std::ranges::find(now, one.name, &ContractProperty::name);
      if (found == now.end())
        add(true, place + "." + one.name, "the property is removed", kGone);
      else
        compare_property(place + "." + one.name, one, *found);
    }
    for (const ContractProperty& one : now) {
      if (std::ranges::find(old, one.name, &ContractProperty::name) != old.end()) continue;
      if (one.required || one.primary_key)
        add(true, place + "." + one.name, "a required property is added",
            "data without it, as until now, are refused");
      else
        add(false, place + "." + one.name, "an optional property is added", kWider);
    }
  }

  void compare_property(const std::string& place, const ContractProperty& old, const ContractProperty& now) {
    if (old.column() != now.column())
      add(true, place,
          fmt::format("it is called '{}' in the data, no longer '{}'", now.column(), old.column()), kGone);
    if (old.type != now.type) {
      add(true, place,
          fmt::format("the type was {} and is {}", logical_type_name(old.type), logical_type_name(now.type)),
          now.type == LogicalType::kAny ? "whoever reads it may meet other types" : kRefused);
      return;  // options of another type cannot be compared
    }
    compare_needs(place, old, now);
    compare_options(place, old.options, now.options);
    compare_rules(place, old.quality, now.quality);
    compare_relationships(place, old, now);
    compare_properties(place, old.properties, now.properties);
    if (!old.items.empty() && !now.items.empty())
      compare_property(place + "[]", old.items.front(), now.items.front());
    if (old.items.empty() != now.items.empty())
      add(old.items.empty(), place,
          old.items.empty() ? "its items are described" : "its items are described no more",
          old.items.empty() ? kRefused : kWider);
    if (old.classification != now.classification)
      add(false, place,
          fmt::format("the classification was '{}' and is '{}'", old.classification, now.classification),
          "no value changes; who may read it may");
  }

  void compare_needs(const std::string& place, const ContractProperty& old, const ContractProperty& now) {
    const bool needed = old.required || old.primary_key, needs = now.required || now.primary_key;
    if (!needed && needs)
      add(true, place, "it becomes required", "data without it, as until now, are refused");
    if (needed && !needs) add(true, place, "it is required no more", "whoever reads it may meet nulls");
    if (old.primary_key != now.primary_key)
      add(true, place, old.primary_key ? "it is no key any more" : "it becomes a key",
          "joins and merges by the key change");
    else if (!old.unique && now.unique)
      add(true, place, "it becomes unique", kRefused);
    else if (old.unique && !now.unique)
      add(true, place, "it is unique no more", "a join on it may give more rows");
  }

  template <class T>
  void compare_limit(const std::string& place, std::string_view name, const std::optional<T>& old,
                     const std::optional<T>& now, bool is_least) {
    if (old == now) return;
    const auto text = [](const std::optional<T>& limit) {
      return limit ? fmt::format("{}", *limit) : std::string("none");
    };
    const bool narrower = now && (!old || (is_least ? *now > *old : *now < *old));
    add(narrower, place, fmt::format("{} was {} and is {}", name, text(old), text(now)),
        narrower ? kRefused : kWider);
  }

  void compare_bound(const std::string& place, std::string_view name, const std::optional<ValueBound>& old,
                     const std::optional<ValueBound>& now, bool is_least) {
    const auto same = [](const ValueBound& a, const ValueBound& b) {
      return a.value == b.value && a.exclusive == b.exclusive;
    };
    if ((!old && !now) || (old && now && same(*old, *now))) return;
    const auto text = [](const std::optional<ValueBound>& bound) {
      return bound ? bound->text + (bound->exclusive ? " (exclusive)" : "") : std::string("none");
    };
    bool narrower = now.has_value();
    if (old && now && old->value != now->value)
      narrower = is_least ? now->value > old->value : now->value < old->value;
    if (old && now && old->value == now->value) narrower = now->exclusive;
    add(narrower, place, fmt::format("{} was {} and is {}", name, text(old), text(now)),
        narrower ? kRefused : kWider);
  }

  void compare_options(const std::string& place, const LogicalTypeOptions& old,
                       const LogicalTypeOptions& now) {
    compare_bound(place, "minimum", old.minimum, now.minimum, true);
    compare_bound(place, "maximum", old.maximum, now.maximum, false);
    compare_limit(place, "minLength", old.min_length, now.min_length, true);
    compare_limit(place, "maxLength", old.max_length, now.max_length, false);
    compare_limit(place, "minItems", old.min_items, now.min_items, true);
    compare_limit(place, "maxItems", old.max_items, now.max_items, false);
    compare_limit(place, "minProperties", old.min_properties, now.min_properties, true);
    compare_limit(place, "maxProperties", old.max_properties, now.max_properties, false);
    if (old.multiple_of != now.multiple_of)
      add(now.multiple_of.has_value(), place, "multipleOf changes", now.multiple_of ? kRefused : kWider);
    if (old.unique_items != now.unique_items)
      add(now.unique_items, place, now.unique_items ? "its items become unique" : "its items may repeat",
          now.unique_items ? kRefused : kWider);
    if (old.pattern != now.pattern)
      add(!now.pattern.empty(), place,
          fmt::format("the pattern was '{}' and is '{}'", old.pattern, now.pattern),
          now.pattern.empty() ? kWider : "values that the old pattern allows may be refused");
    if (old.format != now.format)
      add(true, place, fmt::format("the format was '{}' and is '{}'", old.format, now.format),
          "the same value is written otherwise");
  }

  /// Rules are told apart by their names.
  void compare_rules(const std::string& place, const std::vector<QualityRule>& old,
                     const std::vector<QualityRule>& now) {
    for (const QualityRule& one : old) {
      const auto found = std::ranges::find(now, one.name, &QualityRule::name);
      if (found != now.end())
        compare_rule(place, one, *found);
      else if (one.valid_values.empty())
        add(false, place, fmt::format("the rule {} is removed", one.name), kWider);
      else
        add(false, place,
            fmt::format("any value is allowed, where {} were", fmt::join(one.valid_values, ", ")), kWider);
    }
    for (const QualityRule& one : now) {
      if (std::ranges::find(old, one.name, &QualityRule::name) != old.end()) continue;
      const bool stops = one.severity == RuleSeverity::kStop;
      add(stops, place, fmt::format("the rule {} is added", one.name), stops ? kRefused : "it only warns");
    }
  }

  void compare_rule(const std::string& place, const QualityRule& old, const QualityRule& now) {
    for (const std::string& value : old.valid_values)
      if (!now.valid_values.empty() && std::ranges::find(now.valid_values, value) == now.valid_values.end())
        add(true, place, fmt::format("the value '{}' is removed", value),
            "producers that send it are refused");
    for (const std::string& value : now.valid_values)
      if (std::ranges::find(old.valid_values, value) == old.valid_values.end())
        add(old.valid_values.empty(), place, fmt::format("the value '{}' is added", value),
            old.valid_values.empty() ? kRefused : kWider);
    for (const std::string& value : now.missing_values)
      if (std::ranges::find(old.missing_values, value) == old.missing_values.end())
        add(now.severity == RuleSeverity::kStop, place, fmt::format("the value '{}' stands for none", value),
            kRefused);
    if (old.metric != now.metric)
      add(now.severity == RuleSeverity::kStop, place,
          fmt::format("the rule {} measures something else", old.name), kRefused);
    if (old.must.text() != now.must.text() || old.percent != now.percent || old.pattern != now.pattern ||
        old.query != now.query || old.properties != now.properties ||
        old.null_is_missing != now.null_is_missing)
      add(now.severity == RuleSeverity::kStop, place,
          fmt::format("the rule {} {}, and {} before", old.name, now.must.text(), old.must.text()),
          "data that were right may fail it");
    if (old.severity != now.severity) {
      const bool stops = now.severity == RuleSeverity::kStop;
      add(stops, place,
          fmt::format("the rule {} {}", old.name, stops ? "stops data, where it warned" : "only warns"),
          stops ? kRefused : kWider);
    }
  }

  void compare_relationships(const std::string& place, const ContractProperty& old,
                             const ContractProperty& now) {
    const auto has = [](const ContractProperty& one, const Relationship& other) {
      return std::ranges::any_of(one.relationships, [&](const Relationship& r) {
        return r.object == other.object && r.property == other.property;
      });
    };
    for (const Relationship& one : old.relationships)
      if (!has(now, one))
        add(true, place, fmt::format("its values need not be in {}.{} any more", one.object, one.property),
            "a join to it may lose rows");
    for (const Relationship& one : now.relationships)
      if (!has(old, one))
        add(true, place, fmt::format("its values must be in {}.{}", one.object, one.property), kRefused);
  }

  std::vector<Change> changes_;
};

}  // namespace

std::vector<ContractChange> diff_contracts(const Contract& before, const Contract& after) {
  return Differ().run(before, after);
}

bool is_breaking(const std::vector<ContractChange>& changes) {
  return std::ranges::any_of(changes, &ContractChange::breaking);
}

}  // namespace millrace
