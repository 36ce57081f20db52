#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "lake/manifest.h"

namespace millrace {

// How the files of the lake's curated zone are named: docs/formats/lake.md.

inline constexpr std::string_view kCuratedZone = "curated";

/// Files are made no smaller than so many rows, about, however short memory is.
inline constexpr std::uint64_t kCuratedFileRowsMin = 16'384;

/// Return the part of a table's hour: `curated/<table>/dt=2026-07-01/hour=09`.
LakePart curated_part(std::string_view table, TimeUs hour);

/// Return the hour that a part's path names, or nothing for another path.
std::optional<TimeUs> hour_of_part(std::string_view path);

/// Return the time of a cut as names of files begin with it: `20260701T100000Z`.
std::string curated_cut_name(TimeUs time);

/// Return the last multiple of `step` that is not after `time`.
TimeUs floor_to(TimeUs time, DurationUs step);

}  // namespace millrace
