#pragma once

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "model/model_spec.h"
#include "model/retrain_backtest.h"
#include "net/http.h"

namespace millrace {

/// Read how a model is to be judged from the query of POST /v1/models/{name}/evaluate: `n`, lengths of lists,
/// takes the place of what the model's file says; `retrain` names cadences to compare and `first` the share
/// of the interactions before that walk. Errors: kInvalid, also for other parameters.
Result<std::optional<RetrainSettings>> read_evaluation_query(const QueryParameters& query,
                                                             EvaluationSpec& spec);

/// Return the page of a version's evaluation, as its bundle keeps it. It loads nothing and runs nothing,
/// which browsers are told to see to.
HttpResponse evaluation_response(const nlohmann::json& evaluation, std::string_view title);

}  // namespace millrace
