#pragma once

#include <map>
#include <string>
#include <vector>

#include "source/file_profile.h"
#include "source/mapping.h"

namespace millrace {

class Contracts;

/// What a file's rows might be read as.
struct MappingProposal {
  std::string yaml;                ///< a mapping file; empty: no column looks like a person, product or time
  Mapping mapping;                 ///< the same, read
  std::string command;             ///< arguments of `millrace` before `--map`: "ingest csv"
  std::vector<std::string> types;  ///< of the events
  std::map<std::string, std::string> roles;  ///< what column is what
  std::vector<std::string> notes;            ///< what a person should look at
};

/// Propose how to read a file. `modified` is when it was written: the time of its rows where they have none.
/// Errors: kInternal when what is proposed is no mapping.
Result<MappingProposal> propose_mapping(const FileProfile& profile, const std::string& source,
                                        TimeUs modified);

/// What becomes of a file's first rows by a mapping.
struct MappingTrial {
  std::uint64_t rows = 0;
  std::uint64_t records = 0;  ///< events, items or people
  std::uint64_t refused = 0;
  std::string first_refusal;
};

/// Read the first rows of a file by a mapping, and check what comes of them as ingesting would, also against
/// `contracts`, without keeping anything. Errors: those of reading, and of the mapping.
Result<MappingTrial> try_mapping(Env& env, const Path& path, const OpenParquet& open_parquet,
                                 const Mapping& mapping, std::uint64_t rows_max,
                                 const Contracts* contracts = nullptr);

/// Return a text as YAML: in quotes where it would be something else.
std::string yaml_text(std::string_view text);
/// The same, always in quotes.
std::string yaml_quoted(std::string_view text);

}  // namespace millrace
