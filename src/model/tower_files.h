#pragma once

#include "base/env.h"
#include "base/result.h"
#include "model/two_tower.h"

namespace millrace {

/// Towers as a folder of files that other programs can read and write: `towers.json` says what the encoders
/// know and how the layers follow one another, each matrix is a `.npy` file: docs/formats/towers.md.

/// Write a model into `folder`, which is made. `towers.json` is written last, so that a folder that has one
/// is whole. Errors: kNoSpace, kIo, kDenied.
Status save_towers(Env& env, const Path& folder, const TwoTowerModel& model);

/// Read what save_towers, or an export from elsewhere, has written. Errors, with the file and what it should
/// be: kNotFound for a folder without `towers.json`, or a file that it names; kInvalid for what does not fit
/// together; kCorrupt for bytes that are not those whose hash was written down.
Result<TwoTowerModel> load_towers(Env& env, const Path& folder);

}  // namespace millrace
