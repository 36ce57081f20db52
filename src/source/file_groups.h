#pragma once

#include <string>
#include <vector>

#include "base/env.h"
#include "base/result.h"
#include "source/row_reader.h"

namespace millrace {

/// Files of a folder that seem to be parts of one set: alike in name but for numbers and partitions
/// (dt=…/hour=…), and with the same columns.
struct FileGroup {
  std::string name;         ///< of letters, digits and _: "clicks_hour"
  std::string pattern;      ///< for people: "clicks_hour_*.csv.gz"
  std::vector<Path> files;  ///< sorted
  std::uint64_t bytes = 0;  ///< as they lie on the disk
};

struct FolderFiles {
  std::vector<FileGroup> groups;
  std::vector<Error> problems;      ///< files that cannot be read, and why
  std::vector<std::string> others;  ///< names of files that are no data
};

/// Find the data files below a folder: csv, tsv, json, jsonl, ndjson, parquet, also gzipped. Errors:
/// kNotFound, kDenied, kIo; kOutOfRange for more than `files_max`.
Result<FolderFiles> find_file_groups(Env& env, const Path& folder, const OpenParquet& open_parquet,
                                     std::size_t files_max = 100'000);

/// Return what a file is called without numbers and endings: "clicks_hour_007.csv.gz" → "clicks_hour".
std::string plain_name(const Path& file);

}  // namespace millrace
