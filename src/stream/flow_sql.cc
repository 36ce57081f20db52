#include "stream/flow_sql.h"

#include <nlohmann/json.hpp>

#include "warehouse/flow_expression.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

class SqlFunction : public FlowFunction {
 public:
  SqlFunction(std::unique_ptr<FlowExpression> expression, DurationUs timeout)
      : expression_(std::move(expression)), timeout_(timeout) {}

  Result<std::vector<FlowOutcome>> apply(std::span<const SubscriptionMessage* const> messages) override {
    std::vector<std::string> attributes;
    std::vector<ExpressionRow> rows;
    attributes.reserve(messages.size());
    for (const SubscriptionMessage* message : messages) {
      attributes.push_back(Json(message->attributes).dump(-1, ' ', false, Json::error_handler_t::replace));
      rows.push_back({message->data, message->key, message->publish_time, attributes.back()});
    }
    MILLRACE_ASSIGN(auto made, expression_->apply(rows, timeout_));
    std::vector<FlowOutcome> outcomes;
    for (FlowExpression::Outcome& one : made) outcomes.push_back(outcome_of(std::move(one)));
    return outcomes;
  }

 private:
  static FlowOutcome outcome_of(FlowExpression::Outcome made) {
    using Kind = FlowOutcome::Kind;
    if (!made) return {Kind::kFailed, {}, std::move(made).error()};
    if (!*made) return {Kind::kDrop, {}, {}};
    return {Kind::kPublish, **std::move(made), {}};
  }

  std::unique_ptr<FlowExpression> expression_;
  const DurationUs timeout_;
};

}  // namespace

Result<std::unique_ptr<FlowFunction>> make_sql_function(std::string_view sql, DurationUs timeout) {
  MILLRACE_ASSIGN(auto expression, FlowExpression::open(sql));
  return std::make_unique<SqlFunction>(std::move(expression), timeout);
}

}  // namespace millrace
