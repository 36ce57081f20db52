#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "model/two_tower.h"

namespace millrace {

// Towers as a folder of files that other programs can read and write: `towers.json` says what the encoders
// know and how the layers follow one another, each matrix is a `.npy` file: docs/formats/towers.md.

inline constexpr std::string_view kTowersFile = "towers.json";

/// Write a model into `folder`, which is made. `towers.json` is written last, so that a folder that has one
/// is whole. Errors: kNoSpace, kIo, kDenied.
Status save_towers(Env& env, const Path& folder, const TwoTowerModel& model);

/// Read what save_towers, or an export from elsewhere, has written. Errors, with the file and what it should
/// be: kNotFound for a folder without `towers.json`, or a file that it names; kInvalid for what does not fit
/// together; kCorrupt for bytes that are not those whose hash was written down.
Result<TwoTowerModel> load_towers(Env& env, const Path& folder);

/// Write the files one by one to wherever `put` puts them, `towers.json` last. Errors: those of `put`.
Status write_towers(const TwoTowerModel& model,
                    const std::function<Status(const std::string& file, std::string_view bytes)>& put);

/// Read files from wherever `get` has them; `where` goes before messages. Errors: as load_towers.
Result<TwoTowerModel> read_towers(const std::function<Result<std::string>(const std::string& file)>& get,
                                  const Path& where);

}  // namespace millrace
