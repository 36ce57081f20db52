#include "model/feature_encoder.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kBucketsMax = 1ULL << 24U;

/// Learn mean and deviation of the numbers that are there, each as often as it occurs.
void fit_number(const FeatureColumn& column, std::span<const std::uint32_t> counts, double limit,
                EncoderColumn& into) {
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (std::isnan(column.numbers[i])) {
      into.indicator |= counts[i] > 0;
    } else {
      sum += counts[i] * column.numbers[i];
      n += counts[i];
    }
  into.limit = limit;
  if (n == 0) return;
  into.mean = sum / n;
  double squares = 0;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (!std::isnan(column.numbers[i])) squares += counts[i] * std::pow(column.numbers[i] - into.mean, 2);
  into.deviation = std::sqrt(squares / n);
  // Rounding alone makes a little of numbers that are all the same.
  if (into.deviation < 1e-9 * std::abs(into.mean)) into.deviation = 0;
}

/// Learn the values that occur often enough, in their order. Others, and what is no UTF-8, share vectors.
void fit_category(const FeatureColumn& column, std::span<const std::uint32_t> counts,
                  const EncoderSettings& settings, EncoderColumn& into) {
  std::map<std::string_view, std::uint64_t> occurrences;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0 && !column.texts[i].empty()) occurrences[column.texts[i]] += counts[i];
  for (const auto& [value, count] : occurrences)
    if (count >= settings.occurrences_min && is_utf8(value)) into.values.emplace_back(value);
  into.buckets = settings.buckets;
}

constexpr double kNumberMax = 1e18;  ///< beyond it, sums of products of floats would not be finite

float standardised(double number, const EncoderColumn& column) {
  if (std::isnan(number) || column.deviation == 0) return 0;
  const double x = (number - column.mean) / column.deviation;
  const double limit = column.limit > 0 ? column.limit : kNumberMax;
  return static_cast<float>(std::clamp(x, -limit, limit));
}

/// Append the vectors of a text's pieces, by index, each once.
void encode_text(const EncoderColumn& column, std::string_view text, std::vector<FieldWeight>& into) {
  std::map<std::uint32_t, std::size_t> pieces;
  std::size_t count = 0;
  each_gram(text, column.grams, [&](std::string_view piece) {
    ++pieces[1 + static_cast<std::uint32_t>(feature_hash(piece) % column.buckets)];
    ++count;
  });
  if (count == 0) into.push_back({});
  for (const auto& [index, times] : pieces)
    into.push_back({index, static_cast<float>(times) / static_cast<float>(count)});
}

Status check_encoder_column(const EncoderColumn& column, std::string_view whose) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalid, fmt::format("{}: column '{}': {}", whose, column.name, what));
  };
  if (column.kind == ColumnKind::kNumber) {
    if (!std::isfinite(column.mean) || !(column.deviation >= 0) || !std::isfinite(column.deviation) ||
        !(column.limit >= 0))
      return wrong("mean and deviation must be finite, deviation and limit not negative");
    return {};
  }
  if (column.buckets < 1 || column.buckets > kBucketsMax)
    return wrong(fmt::format("buckets must be 1 to {}", kBucketsMax));
  if (column.kind == ColumnKind::kText && !column.values.empty()) return wrong("a text has no values");
  if (column.kind == ColumnKind::kText && column.grams.letters_max > 0 &&
      (column.grams.letters_min < 1 || column.grams.letters_min > column.grams.letters_max ||
       column.grams.letters_max > 16))
    return wrong("letters must be from 1 to 16, the smaller number first, or none");
  return {};
}

}  // namespace

Result<FeatureEncoder> FeatureEncoder::fit(const FeatureTable& table, std::span<const std::uint32_t> counts,
                                           const EncoderSettings& settings, std::string_view whose) {
  MILLRACE_TRY(check_features(table, whose));
  if (settings.occurrences_min < 1 || !(settings.number_limit >= 0))
    return fail(Code::kInvalid, "occurrences_min must be at least 1, number_limit not negative");
  std::vector<EncoderColumn> columns;
  for (const FeatureColumn& column : table.columns) {
    EncoderColumn& into = columns.emplace_back();
    into.name = column.name;
    into.kind = column.kind;
    if (column.kind == ColumnKind::kNumber)
      fit_number(column, counts, settings.number_limit, into);
    else if (column.kind == ColumnKind::kCategory)
      fit_category(column, counts, settings, into);
    if (column.kind == ColumnKind::kText) {
      into.buckets = settings.text_buckets;
      into.grams = settings.grams;
    }
  }
  return of(std::move(columns), whose);
}

Result<FeatureEncoder> FeatureEncoder::of(std::vector<EncoderColumn> columns, std::string_view whose) {
  if (columns.empty())
    return fail(Code::kInvalid,
                fmt::format("{}: there are no features; give at least one column (their id as a category, if "
                            "nothing else is known)",
                            whose));
  FeatureEncoder encoder;
  std::set<std::string_view> names;
  for (const EncoderColumn& column : columns) {
    MILLRACE_TRY(check_encoder_column(column, whose));
    if (!names.insert(column.name).second)
      return fail(Code::kInvalid, fmt::format("{}: there are two columns '{}'", whose, column.name));
    Values& values = encoder.values_.emplace_back();
    for (const std::string& value : column.values)
      if (value.empty() || !values.emplace(value, 1 + values.size()).second)
        return fail(Code::kInvalid, fmt::format("{}: column '{}': the value '{}' is empty or there twice",
                                                whose, column.name, value));
  }
  encoder.whose_ = whose;
  encoder.columns_ = std::move(columns);
  return encoder;
}

std::size_t FeatureEncoder::numbers() const {
  std::size_t count = 0;
  for (const EncoderColumn& column : columns_)
    if (column.kind == ColumnKind::kNumber) count += column.indicator ? 2 : 1;
  return count;
}

std::vector<const EncoderColumn*> FeatureEncoder::fields() const {
  std::vector<const EncoderColumn*> fields;
  for (const EncoderColumn& column : columns_)
    if (column.kind != ColumnKind::kNumber) fields.push_back(&column);
  return fields;
}

void FeatureEncoder::encode_category(std::size_t column, std::string_view value,
                                     std::vector<FieldWeight>& into) const {
  const EncoderColumn& known = columns_[column];
  if (value.empty()) return into.push_back({});
  if (const auto found = values_[column].find(value); found != values_[column].end())
    return into.push_back({found->second});
  const std::size_t bucket = feature_hash(value) % known.buckets;
  into.push_back({static_cast<std::uint32_t>(1 + known.values.size() + bucket)});
}

Result<EncodedRows> FeatureEncoder::encode(const FeatureTable& table) const {
  MILLRACE_TRY(check_features(table, whose_));
  std::vector<const FeatureColumn*> given;
  for (const EncoderColumn& column : columns_) {
    const FeatureColumn* found = table.find(column.name);
    if (found == nullptr || found->kind != column.kind)
      return fail(
          Code::kInvalid,
          fmt::format("{}: the model was trained with the column '{}', a {}, which {}", whose_, column.name,
                      column_kind_name(column.kind),
                      found == nullptr ? std::string("is not there; give it, its values may be missing")
                                       : fmt::format("is a {} here", column_kind_name(found->kind))));
    given.push_back(found);
  }
  EncodedRows rows{
      .numbers = Matrix(table.rows(), numbers()), .fields = fields().size(), .begin = {0}, .entries = {}};
  for (std::size_t i = 0; i < table.rows(); ++i) {
    float* number = rows.numbers.row(i).data();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const EncoderColumn& column = columns_[c];
      if (column.kind == ColumnKind::kNumber) {
        *number++ = standardised(given[c]->numbers[i], column);
        if (column.indicator) *number++ = std::isnan(given[c]->numbers[i]) ? 1 : 0;
        continue;
      }
      if (column.kind == ColumnKind::kCategory)
        encode_category(c, given[c]->texts[i], rows.entries);
      else
        encode_text(column, given[c]->texts[i], rows.entries);
      rows.begin.push_back(rows.entries.size());
    }
  }
  return rows;
}

}  // namespace millrace
