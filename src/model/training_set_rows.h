#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Return what a FROM takes of the files of a training set that was made. Errors: kNotFound when files have
/// gone, as of a set made in place that is being made anew; kCorrupt for no manifest.
Result<std::string> training_files_sql(Env& env, const Path& lake_dir, const std::string& manifest);

/// Give `take` the rows of a training set that was made, each as a JSON object, in the order of its files,
/// until it says false. `manifest` is the set's; its files lie in `lake_dir`, the directory of the store.
/// Errors: those of training_files_sql and of the tables.
Status read_training_rows(Warehouse& warehouse, const Path& lake_dir, const std::string& manifest,
                          const std::function<bool(std::string_view)>& take);

}  // namespace millrace
