#include "model/training_feedback.h"

#include <cmath>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/hash.h"
#include "model/feature_side_reader.h"
#include "model/training_set_rows.h"
#include "model/training_set_sql.h"
#include "warehouse/duck.h"
#include "warehouse/transform.h"

namespace millrace {
namespace {

constexpr std::string_view kFeedbackTable = "model_feedback";

/// Errors of SQL speak of what the user wrote.
Error in_spec(Error error, const ModelSpec& spec) {
  return std::move(error).with_context(fmt::format("models/{}.yaml: interactions", spec.name));
}

/// The columns that FeedbackReader reads, in this order; those of features follow.
enum Column : std::size_t { kUser, kItem, kTime, kWeight, kLabel, kFeatures };

std::string feedback_sql(const ModelSpec& spec, const std::vector<std::string>& features) {
  const std::string user = sql_identifier(spec.user), item = sql_identifier(spec.item);
  std::string where = fmt::format("{} IS NOT NULL AND {} IS NOT NULL", user, item);
  const std::string weight =
      spec.weight.empty() ? "1::DOUBLE" : fmt::format("coalesce({}::DOUBLE, 0)", sql_identifier(spec.weight));
  std::string label = "0::DOUBLE";
  if (!spec.label.empty()) {
    label = fmt::format("{}::DOUBLE", sql_identifier(spec.label));
    where += fmt::format(" AND {} IS NOT NULL", sql_identifier(spec.label));
  }
  std::string rest, order = "3, 1, 2, 4, 5";  // by all columns: the same rows are always in the same order
  for (std::size_t i = 0; i < features.size(); ++i) {
    rest += ", " + features[i];
    order += fmt::format(", {}", kFeatures + i + 1);
  }
  std::string time = fmt::format("epoch_us({}::TIMESTAMP)", sql_identifier(spec.time));
  if (spec.time == kNoTime)  // an order as good as drawn
    time = fmt::format(
        "1000000 * row_number() OVER (ORDER BY md5(concat_ws(chr(0), {0}, {1})), {0}, {1}, {2}, {3}{4})",
        user, item, weight, label, rest);
  else
    where += fmt::format(" AND {} IS NOT NULL", sql_identifier(spec.time));
  return fmt::format("SELECT {}::VARCHAR, {}::VARCHAR, {}, {}, {}{} FROM {} WHERE {} ORDER BY {}", user, item,
                     time, weight, label, rest, kFeedbackTable, where, order);
}

/// Features of both sides, as they are read.
struct FeaturesReader {
  explicit FeaturesReader(const ModelSpec& spec) : users(spec.users, "users"), items(spec.items, "items") {}

  Status begin(duck::Connection& connection, const ModelSpec& spec) {
    MILLRACE_TRY(users.begin(connection, std::string(kFeedbackTable), spec.user));
    return items.begin(connection, std::string(kFeedbackTable), spec.item);
  }
  std::vector<std::string> expressions() const {
    std::vector<std::string> all = users.expressions();
    all.insert(all.end(), items.expressions().begin(), items.expressions().end());
    return all;
  }
  void add(const duck::Rows& rows, std::size_t row, const Feedback& feedback) {
    users.add(rows, row, kFeatures, rows.text(kUser, row), feedback.user);
    items.add(rows, row, kFeatures + users.expressions().size(), rows.text(kItem, row), feedback.item);
  }
  std::unique_ptr<const RankingFeatures> finish(FeedbackSet& set, std::vector<float> labels) {
    users.finish(set.users);
    items.finish(set.items);
    return std::make_unique<const RankingFeatures>(RankingFeatures{
        std::move(users.table), std::move(items.table), std::move(users.rows), std::move(items.rows),
        std::move(labels), std::move(users.first), std::move(items.first)});
  }

  FeatureSideReader users;
  FeatureSideReader items;
};

/// Takes rows as they come and hashes them.
class FeedbackReader {
 public:
  FeedbackReader(FeedbackSet& into, bool labelled) : into_(into), labelled_(labelled) {}

  Result<Feedback> add(const duck::Rows& rows, std::size_t row) {
    const std::string_view user = rows.text(kUser, row), item = rows.text(kItem, row);
    const double weight = rows.real(kWeight, row), label = rows.real(kLabel, row);
    if (!(weight >= 0) || !std::isfinite(weight))
      return fail(Code::kInvalid,
                  fmt::format("the weight {} of {} and {} is negative or no number", weight, user, item));
    if (!std::isfinite(label))
      return fail(Code::kInvalid, fmt::format("the label {} of {} and {} is no number", label, user, item));
    const Feedback feedback{.user = into_.users.add(user),
                            .item = into_.items.add(item),
                            .weight = static_cast<float>(weight),
                            .row = static_cast<std::uint32_t>(into_.rows.size()),
                            .time = rows.int64(kTime, row)};
    add_text(user);
    add_text(item);
    add_number(feedback.weight);
    add_number(feedback.time);
    if (labelled_) {
      labels.push_back(static_cast<float>(label));
      add_number(labels.back());
    }
    into_.rows.push_back(feedback);
    return feedback;
  }
  void add(const FeatureTable& table) {
    for (const std::string& id : table.ids) add_text(id);
    for (const FeatureColumn& column : table.columns) {
      add_text(column.name);
      for (const double number : column.numbers) add_number(number);
      for (const std::string& text : column.texts) add_text(text);
    }
  }
  std::string hash() const { return to_hex(hasher_.result()); }

  std::vector<float> labels;

 private:
  template <class Number>
  void add_number(const Number& number) {
    hasher_.add({reinterpret_cast<const char*>(&number), sizeof number});
  }
  void add_text(std::string_view text) {
    add_number(static_cast<std::uint64_t>(text.size()));
    hasher_.add(text);
  }

  FeedbackSet& into_;
  const bool labelled_;
  Hasher128 hasher_;
};

Result<nlohmann::json> offsets_of(duck::Connection& connection) {
  nlohmann::json offsets = nlohmann::json::object();
  MILLRACE_ASSIGN(
      auto rows,
      connection.query("SELECT log_topic, log_partition::BIGINT, next_offset FROM _offsets ORDER BY ALL"));
  while (true) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return offsets;
    for (std::size_t row = 0; row < rows.size(); ++row)
      offsets[fmt::format("{}/{}", rows.text(0, row), rows.int64(1, row))] = rows.int64(2, row);
  }
}

/// Make the table of the interactions: the user's own SELECT, checked as such, or files of a training set.
Status make_feedback_table(duck::Connection& connection, Warehouse& warehouse, const ModelSpec& spec,
                           const TrainingSetFiles& sets, TrainingFeedback& feedback) {
  if (spec.training_set.empty())
    return make_checked(connection, fmt::format("CREATE TEMP TABLE {} AS SELECT * FROM {}", kFeedbackTable,
                                                from_sql(spec.from)));
  if (!sets.manifest) return fail(Code::kInvalid, "there are no training sets here");
  MILLRACE_ASSIGN(const std::string manifest, sets.manifest(spec.training_set));
  MILLRACE_ASSIGN(const std::string files, training_files_sql(warehouse.env(), sets.lake_dir, manifest));
  const auto known = nlohmann::json::parse(manifest, nullptr, false);
  feedback.training_set = fmt::format("{}@{}", spec.training_set, known.value("version", ""));
  return connection.execute(fmt::format("CREATE TEMP TABLE {} AS SELECT * FROM {}", kFeedbackTable, files));
}

Status read_rows(duck::Connection& connection, const ModelSpec& spec, FeedbackReader& reader,
                 FeaturesReader* features) {
  MILLRACE_ASSIGN(auto rows,
                  connection.query(feedback_sql(
                      spec, features == nullptr ? std::vector<std::string>() : features->expressions())));
  while (true) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return {};
    for (std::size_t row = 0; row < rows.size(); ++row) {
      MILLRACE_ASSIGN(const Feedback feedback, reader.add(rows, row));
      if (features != nullptr) features->add(rows, row, feedback);
    }
  }
}

}  // namespace

Result<TrainingFeedback> read_training_feedback(Warehouse& warehouse, const ModelSpec& spec,
                                                const TrainingSetFiles& sets, NoRows no_rows) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(connection));
  TrainingFeedback feedback;
  // The whole is one SELECT of the user's, or a training set, and then one of ours over it.
  if (auto made = make_feedback_table(connection, warehouse, spec, sets, feedback); !made)
    return fail(in_spec(std::move(made).error(), spec));
  MILLRACE_ASSIGN(const auto all, connection.scalar(fmt::format("SELECT count(*) FROM {}", kFeedbackTable)));
  std::optional<FeaturesReader> features;
  if (spec.reads_features()) {
    features.emplace(spec);
    if (auto begun = features->begin(connection, spec); !begun)
      return fail(std::move(begun).error().with_context(fmt::format("models/{}.yaml", spec.name)));
  }
  FeedbackReader reader(feedback.set, !spec.label.empty());
  if (auto read = read_rows(connection, spec, reader, features ? &*features : nullptr); !read)
    return fail(in_spec(std::move(read).error(), spec));
  feedback.incomplete = static_cast<std::size_t>(all.value_or(0)) - feedback.set.rows.size();
  if (feedback.set.rows.empty() && no_rows == NoRows::kError)
    return fail(Code::kInvalid,
                fmt::format("models/{}.yaml: interactions: there are none to learn from", spec.name));
  if (features) {
    feedback.features = features->finish(feedback.set, std::move(reader.labels));
    reader.add(feedback.features->users);
    reader.add(feedback.features->items);
  }
  feedback.hash = reader.hash();
  MILLRACE_ASSIGN(feedback.offsets, offsets_of(connection));
  return feedback;  // the transaction is rolled back: it made temporary tables alone
}

}  // namespace millrace
