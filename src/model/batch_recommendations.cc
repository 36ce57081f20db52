#include "model/batch_recommendations.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/logging.h"
#include "base/parallel.h"
#include "base/text.h"
#include "linalg/kernels.h"
#include "model/ranking_metrics.h"
#include "warehouse/transform.h"
#include "warehouse/write_transaction.h"

namespace millrace {
namespace {

constexpr std::size_t kUsersPerBlock = 64;
constexpr std::size_t kSetNameBytesMax = 64;
constexpr const char* kRunColumns =
    "set_name, run, epoch_us(made_time), model, list_length::BIGINT, user_count, row_count, path";

struct Scored {
  std::uint32_t item = 0;
  float score = 0;
};

/// The lists of everyone, made by blocks of users on several threads.
class Lists {
 public:
  Lists(const ServedModel& model, const FeedbackSet& feedback, std::size_t n)
      : model_(model), top_(model.fallback.empty() ? 1 : std::ranges::max(model.fallback)), n_(n) {
    histories_.resize(feedback.users.size());
    std::vector<std::optional<std::uint32_t>> items(feedback.items.size());
    for (std::uint32_t i = 0; i < items.size(); ++i) items[i] = model.items.find(feedback.items.id(i));
    for (Feedback row : feedback.rows) {
      now_ = std::max(now_, row.time);
      if (!items[row.item]) continue;  // newer than the model
      row.item = *items[row.item];
      histories_[row.user].push_back(row);
    }
    for (std::uint32_t user = 0; user < histories_.size(); ++user)
      numbers_.push_back(model.users.find(feedback.users.id(user)));
    lists_.resize(histories_.size());
  }

  /// Make the lists of users `begin` to `end`.
  void make(std::size_t begin, std::size_t end) {
    const std::size_t items = model_.items.size();
    Matrix scores(end - begin, items);
    std::vector<bool> silent(end - begin);
    const auto vectors = model_.ranking->item_vectors();
    if (vectors) {
      Matrix users(end - begin, vectors->columns);
      for (std::size_t user = begin; user < end; ++user) {
        const std::vector<float> vector = model_.ranking->user_vector(person(user));
        silent[user - begin] = vector.empty();
        std::ranges::copy(vector, users.row(user - begin).begin());
      }
      kernels().gemm(Op::kAsIs, Op::kTransposed, end - begin, items, vectors->columns, 1, users.data(),
                     vectors->columns, vectors->data(), vectors->columns, 0, scores.data(), items);
    } else {
      for (std::size_t user = begin; user < end; ++user)
        model_.ranking->score(person(user), scores.row(user - begin));
    }
    for (std::size_t user = begin; user < end; ++user) {
      const auto row = scores.row(user - begin);
      const HistoryRow met(person(user), items);
      std::vector<std::uint32_t> best;
      if (!silent[user - begin]) best = best_items(row, n_, met.columns);
      for (const std::uint32_t item : best) lists_[user].push_back({item, row[item]});
      // What is popular comes last, below whatever the model says.
      const float least = best.empty() ? 0 : row[best.back()];
      for (const std::uint32_t item : model_.fill_up(best, n_, met.columns))
        lists_[user].push_back({item, std::min(least, 0.F) - 1 + model_.fallback[item] / top_});
    }
  }

  std::size_t users() const { return lists_.size(); }
  const std::vector<Scored>& of(std::size_t user) const { return lists_[user]; }

 private:
  Person person(std::size_t user) const {
    return {.history = histories_[user], .now = now_, .user = numbers_[user]};
  }

  const ServedModel& model_;
  const float top_;  ///< the most that an item weighs in the fallback
  const std::size_t n_;
  TimeUs now_ = std::numeric_limits<TimeUs>::min();
  std::vector<std::vector<Feedback>> histories_;
  std::vector<std::optional<std::uint32_t>> numbers_;  ///< that the model has for them
  std::vector<std::vector<Scored>> lists_;
};

BatchRun run_of(const duck::Rows& rows, std::size_t row) {
  return {.set = std::string(rows.text(0, row)),
          .run = rows.int64(1, row),
          .made = rows.int64(2, row),
          .model = std::string(rows.text(3, row)),
          .n = static_cast<int>(rows.int64(4, row)),
          .users = rows.int64(5, row),
          .rows = rows.int64(6, row),
          .path = std::string(rows.text(7, row))};
}

/// Write the lists to a table of this connection alone, by user, and count them.
Status keep_lists(duck::Connection& connection, const Lists& lists, const FeedbackSet& feedback,
                  const ServedModel& model, BatchRun& run) {
  MILLRACE_TRY(
      connection.execute("CREATE OR REPLACE TEMP TABLE batch_lists (user_id VARCHAR, position INTEGER, "
                         "item_id VARCHAR, score DOUBLE)"));
  std::vector<std::uint32_t> order(lists.users());
  for (std::uint32_t user = 0; user < order.size(); ++user) order[user] = user;
  std::ranges::sort(order, {},
                    [&](std::uint32_t user) -> const std::string& { return feedback.users.id(user); });
  MILLRACE_ASSIGN(auto appender, duck::TableAppender::open(connection, "batch_lists"));
  for (const std::uint32_t user : order) {
    if (lists.of(user).empty()) continue;
    ++run.users;
    std::int32_t position = 0;
    for (const auto& [item, score] : lists.of(user)) {
      appender->text(feedback.users.id(user)).int32(++position).text(model.items.id(item)).real(score);
      MILLRACE_TRY(appender->end_row());
      ++run.rows;
    }
  }
  return appender->flush();
}

}  // namespace

Result<BatchRun> BatchRecommendations::run(const ModelSpec& spec, const std::string& set, std::size_t n,
                                           const std::atomic<bool>* stop,
                                           const std::function<void(std::string_view)>& on_step) {
  if (!is_snake_case(set, kSetNameBytesMax))
    return fail(Code::kInvalid, "a set's name is lower-case letters, digits and _, 64 at the most");
  const std::lock_guard lock(mutex_);
  const auto model = tools_.registry.current(spec.name);
  if (!model) return fail(tools_.registry.none_deployed(spec.name));
  on_step("reading");
  MILLRACE_ASSIGN(const TrainingFeedback feedback,
                  read_training_feedback(tools_.warehouse, spec, tools_.sets));
  Lists lists(*model, feedback.set, n);
  std::mutex step_mutex;
  std::size_t done = 0;
  parallel_for(
      lists.users(), kUsersPerBlock, tools_.threads,
      [&](std::size_t begin, std::size_t end) {
        lists.make(begin, end);
        const std::lock_guard step(step_mutex);
        const std::size_t before = done * 100 / lists.users();
        done += end - begin;
        if (done * 100 / lists.users() != before)
          on_step(fmt::format("{} of {} people", with_thousands(done), with_thousands(lists.users())));
      },
      stop);
  if (stop != nullptr && *stop) return fail(Code::kCancelled, "the run was stopped; the one before stays");
  on_step("writing");
  MILLRACE_ASSIGN(auto connection, tools_.warehouse.connect());
  BatchRun run{.set = set,
               .made = tools_.warehouse.env().now(),
               .model = model->name + "@" + model->version,
               .n = static_cast<int>(n)};
  MILLRACE_TRY(keep_lists(connection, lists, feedback.set, *model, run));
  return publish(connection, std::move(run));
}

Result<BatchRun> BatchRecommendations::publish(duck::Connection& connection, BatchRun run) {
  Env& env = tools_.warehouse.env();
  MILLRACE_ASSIGN(
      auto last, connection.query(
                     "SELECT coalesce(max(run), 0)::BIGINT FROM batch_recommendation_runs WHERE set_name = ?",
                     {run.set}));
  MILLRACE_ASSIGN(const bool has, last.next_chunk());
  run.run = has ? last.int64(0, 0) + 1 : 1;
  run.path = fmt::format("recommendations/batch/{}/run={}", run.set, run.run);

  MILLRACE_TRY(env.make_dirs(tools_.staging));
  const Path file = tools_.staging / "batch.parquet";
  MILLRACE_TRY(connection.execute(fmt::format(
      "COPY (SELECT * FROM batch_lists ORDER BY user_id, position) TO {} (FORMAT parquet, COMPRESSION zstd)",
      sql_literal(file.string()))));
  MILLRACE_ASSIGN(const std::string bytes, read_file(env, file));
  MILLRACE_TRY(tools_.lake.put(run.path + "/part-00000.parquet", bytes));
  MILLRACE_TRY(env.remove(file));

  MILLRACE_ASSIGN(auto transaction, WriteTransaction::begin(tools_.warehouse, connection));
  MILLRACE_TRY(connection.query("DELETE FROM batch_recommendations WHERE set_name = ?", {run.set}));
  MILLRACE_TRY(
      connection.query("INSERT INTO batch_recommendations SELECT ?, user_id, position, item_id, score FROM "
                       "batch_lists ORDER BY user_id, position",
                       {run.set}));
  MILLRACE_TRY(connection.query("DELETE FROM batch_recommendation_runs WHERE set_name = ?", {run.set}));
  MILLRACE_TRY(connection.query(
      "INSERT INTO batch_recommendation_runs VALUES (?, ?, make_timestamp(?), ?, ?, ?, ?, ?)",
      {run.set, run.run, run.made, run.model, static_cast<std::int64_t>(run.n), run.users, run.rows,
       run.path}));
  MILLRACE_TRY(transaction.commit());
  if (run.run == 1) return run;
  // The run is true already: a file of the one before that stays is no reason to call it failed.
  const auto gone = tools_.lake.remove(
      fmt::format("recommendations/batch/{}/run={}/part-00000.parquet", run.set, run.run - 1));
  if (!gone)
    log_warning("batch", "could not remove the file of the run before",
                {field("set", run.set), field("error", gone.error().text())});
  return run;
}

Result<BatchList> BatchRecommendations::find(const std::string& set, const std::string& user,
                                             std::size_t n) const {
  MILLRACE_ASSIGN(auto connection, tools_.warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto snapshot, duck::Transaction::begin(connection));
  BatchList list;
  {
    MILLRACE_ASSIGN(
        auto runs,
        connection.query(
            fmt::format("SELECT {} FROM batch_recommendation_runs WHERE set_name = ?", kRunColumns), {set}));
    MILLRACE_ASSIGN(const bool has, runs.next_chunk());
    if (!has) return fail(Code::kNotFound, fmt::format("there is no set {}: millrace batch-recommend", set));
    list.run = run_of(runs, 0);
  }
  MILLRACE_ASSIGN(auto rows,
                  connection.query("SELECT item_id, score FROM batch_recommendations WHERE set_name = ? AND "
                                   "user_id = ? AND position <= ? ORDER BY position",
                                   {set, user, static_cast<std::int64_t>(n)}));
  while (true) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) break;
    for (std::size_t row = 0; row < rows.size(); ++row)
      list.items.emplace_back(rows.text(0, row), rows.real(1, row));
  }
  if (list.items.empty())
    return fail(Code::kNotFound, fmt::format("{} has no list for that user; it was made at {}", set,
                                             format_time(list.run.made)));
  return list;
}

Result<std::vector<BatchRun>> BatchRecommendations::runs() const {
  MILLRACE_ASSIGN(auto connection, tools_.warehouse.connect_for_answer());
  MILLRACE_ASSIGN(auto rows, connection.query(fmt::format(
                                 "SELECT {} FROM batch_recommendation_runs ORDER BY set_name", kRunColumns)));
  std::vector<BatchRun> all;
  while (true) {
    MILLRACE_ASSIGN(const bool more, rows.next_chunk());
    if (!more) return all;
    for (std::size_t row = 0; row < rows.size(); ++row) all.push_back(run_of(rows, row));
  }
}

}  // namespace millrace
