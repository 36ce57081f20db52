#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "net/http_client.h"

namespace millrace {

/// What the server is asked to load.
struct IngestCall {
  std::string format;
  std::string map;                 ///< path of a mapping, or empty
  std::string source;              ///< or empty
  std::vector<std::string> files;  ///< paths; made absolute, for the server's working directory is its own
  bool again = false;
};

struct IngestCallProgress {
  std::string file;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t rows = 0;
  double rows_per_second = 0;
};

/// Ask the server behind `client` to load files; return its result as JSON (server/ingest_routes.h).
/// Errors: what the server said; those of HttpClient.
Result<std::string> call_ingest(HttpClient& client, IngestCall call,
                                const std::function<void(const IngestCallProgress&)>& on_progress);

/// Print a bar with rate and time left on a terminal; elsewhere a line every few seconds.
class ProgressLine {
 public:
  explicit ProgressLine(std::string what, std::FILE* to = stdout);
  ~ProgressLine();  ///< ends the line

  void show(const IngestCallProgress& progress);

 private:
  const std::string what_;
  std::FILE* const to_;
  const bool redraw_;
  std::int64_t started_us_;
  std::int64_t shown_us_ = 0;
};

}  // namespace millrace
