#include "model/training_feedback.h"

#include <cmath>

#include <fmt/format.h>

#include "base/hash.h"
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

std::string feedback_sql(const ModelSpec& spec) {
  return fmt::format(
      "SELECT {}::VARCHAR, {}::VARCHAR, epoch_us({}::TIMESTAMP), {} FROM {} WHERE {} IS NOT NULL AND {} IS "
      "NOT NULL AND {} IS NOT "
      "NULL ORDER BY 3, 1, 2, 4",
      sql_identifier(spec.user), sql_identifier(spec.item), sql_identifier(spec.time),
      spec.weight.empty() ? "1::DOUBLE" : fmt::format("coalesce({}::DOUBLE, 0)", sql_identifier(spec.weight)),
      kFeedbackTable, sql_identifier(spec.user), sql_identifier(spec.item), sql_identifier(spec.time));
}

/// Takes rows as they come and hashes them.
class FeedbackReader {
 public:
  explicit FeedbackReader(FeedbackSet& into) : into_(into) {}

  Status add(const duck::Rows& rows, std::size_t row) {
    const std::string_view user = rows.text(0, row), item = rows.text(1, row);
    const double weight = rows.real(3, row);
    if (!(weight >= 0) || !std::isfinite(weight))
      return fail(Code::kInvalid,
                  fmt::format("the weight {} of {} and {} is negative or no number", weight, user, item));
    const Feedback feedback{into_.users.add(user), into_.items.add(item), static_cast<float>(weight),
                            rows.int64(2, row)};
    add_to_hash(user);
    add_to_hash(item);
    hasher_.add({reinterpret_cast<const char*>(&feedback.weight), sizeof feedback.weight});
    hasher_.add({reinterpret_cast<const char*>(&feedback.time), sizeof feedback.time});
    into_.rows.push_back(feedback);
    return {};
  }
  std::string hash() const { return to_hex(hasher_.result()); }

 private:
  void add_to_hash(std::string_view text) {
    const std::uint64_t size = text.size();
    hasher_.add({reinterpret_cast<const char*>(&size), sizeof size});
    hasher_.add(text);
  }

  FeedbackSet& into_;
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

}  // namespace

Result<TrainingFeedback> read_training_feedback(Warehouse& warehouse, const ModelSpec& spec) {
  MILLRACE_ASSIGN(auto connection, warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(connection));
  TrainingFeedback feedback;
  // The whole is one SELECT of the user's, checked as such, and then one of ours over it.
  if (auto made = make_checked(connection, fmt::format("CREATE TEMP TABLE {} AS SELECT * FROM {}",
                                                       kFeedbackTable, from_sql(spec.from)));
      !made)
    return fail(in_spec(std::move(made).error(), spec));
  MILLRACE_ASSIGN(const auto all, connection.scalar(fmt::format("SELECT count(*) FROM {}", kFeedbackTable)));
  FeedbackReader reader(feedback.set);
  auto rows = connection.query(feedback_sql(spec));
  if (!rows) return fail(in_spec(std::move(rows).error(), spec));
  while (true) {
    MILLRACE_ASSIGN(const bool more, rows->next_chunk());
    if (!more) break;
    for (std::size_t row = 0; row < rows->size(); ++row)
      if (auto added = reader.add(*rows, row); !added) return fail(in_spec(std::move(added).error(), spec));
  }
  feedback.incomplete = static_cast<std::size_t>(all.value_or(0)) - feedback.set.rows.size();
  if (feedback.set.rows.empty())
    return fail(Code::kInvalid,
                fmt::format("models/{}.yaml: interactions: there are none to learn from", spec.name));
  feedback.hash = reader.hash();
  MILLRACE_ASSIGN(feedback.offsets, offsets_of(connection));
  return feedback;  // the transaction is rolled back: it made a temporary table alone
}

}  // namespace millrace
