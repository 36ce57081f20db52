#include "warehouse/measure_value.h"

#include <cmath>

#include "warehouse/hyperloglog.h"
#include "warehouse/json_cells.h"
#include "warehouse/sketch_functions.h"
#include "warehouse/space_saving.h"

namespace millrace {
namespace {

using Kind = Measure::Kind;

/// DuckDB's order: NaN is above all.
bool real_less(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

bool is_less(const MeasureValue& a, const MeasureValue& b) {
  switch (a.type) {
    case MeasureType::kInteger:
      return a.number < b.number;
    case MeasureType::kReal:
      return real_less(a.real, b.real);
    case MeasureType::kText:
      return a.text < b.text;
  }
  return false;
}

bool comes_first(const MeasureValue& a, const MeasureValue& b) {
  return a.at != b.at ? a.at < b.at : is_less(a, b);
}

/// Whether `other` takes the place of `mine`.
bool is_chosen(const MeasureValue& other, const MeasureValue& mine) {
  if (mine.kind == Kind::kMax) return is_less(mine, other);
  return mine.kind == Kind::kMin ? is_less(other, mine) : comes_first(other, mine);
}

template <class Sketch>
void merge_sketch(std::string& mine, const std::string& other) {
  auto sketch = Sketch::parse(mine);
  const auto added = Sketch::parse(other);
  if (!added) return;
  if (sketch) sketch->merge(*added);
  mine = (sketch ? *sketch : *added).bytes();
}

}  // namespace

void MeasureValue::merge(const MeasureValue& other) {
  if (!other.known) return;
  if (!known) {
    *this = other;
    return;
  }
  switch (kind) {
    case Kind::kCount:
    case Kind::kSum:
      number += other.number;
      real += other.real;
      return;
    case Kind::kMin:
    case Kind::kMax:
    case Kind::kFirst:
      if (is_chosen(other, *this)) *this = other;
      return;
    case Kind::kDistinct:
      return merge_sketch<HyperLogLog>(text, other.text);
    case Kind::kTop:
      return merge_sketch<SpaceSaving>(text, other.text);
  }
}

void MeasureValue::write(JsonWriter& json, const MeasureForm& form) const {
  switch (form.kind) {
    case Kind::kCount:
      return write_wide(json, number, std::nullopt);
    case Kind::kDistinct: {
      const auto sketch = HyperLogLog::parse(text);
      return write_wide(json, known && sketch ? static_cast<Int128>(sketch->estimate()) : 0, std::nullopt);
    }
    case Kind::kTop: {
      const auto sketch = SpaceSaving::parse(text);
      json.raw(known && sketch ? frequent_json(*sketch) : "[]");
      return;
    }
    default:
      break;
  }
  if (!known) {
    json.null();
  } else if (form.kind != Kind::kSum) {
    json.raw(shown);
  } else if (form.type == MeasureType::kReal) {
    json.number(real);
  } else {
    write_wide(json, number, form.scale);
  }
}

void MeasureValues::merge(const MeasureValues& other) {
  if (values.size() < other.values.size()) values.resize(other.values.size());
  for (std::size_t i = 0; i < other.values.size(); ++i) values[i].merge(other.values[i]);
  events += other.events;
}

}  // namespace millrace
