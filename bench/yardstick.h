#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace millrace::bench {

/// What wrk measured.
struct WrkResult {
  double requests_per_second = 0;
  std::uint64_t requests = 0;
  double p50_us = 0;
  double p99_us = 0;
  std::uint64_t errors = 0;  ///< socket errors and answers other than 2xx and 3xx
};

struct WrkLoad {
  int connections = 64;
  int threads = 2;
  int seconds = 4;
  std::string script;  ///< path of a Lua script, or ""
};

/// Run wrk (a closed loop over keep-alive connections) and read its report. Blocks for the duration.
/// Errors: kNotFound when wrk is not installed or failed; kCorrupt when its report cannot be read.
Result<WrkResult> run_wrk(const std::string& url, const WrkLoad& load);

/// An nginx of our own that serves one static file, tuned as one would (open files cached, no access log,
/// endless keep-alive); its files are in a folder of their own, and it is stopped by its pid when this is
/// destroyed.
class Nginx {
 public:
  /// Errors: kNotFound when nginx is not installed or did not start; kIo.
  static Result<std::unique_ptr<Nginx>> start(std::string_view file_content, int workers = 2);
  ~Nginx();

  /// Return the URL of the file.
  std::string url() const;

  /// Return the processor time its workers have taken.
  double cpu_seconds() const;

 private:
  Nginx() = default;
  Status write_files(std::string_view file_content, int workers);
  Status spawn();

  std::filesystem::path folder_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

/// Return the processor time this process has taken, without its children.
double own_cpu_seconds();

/// One figure of a benchmark; printed as one JSON object a line.
struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string yardstick = {};  ///< what it is held against, or ""
  double yardstick_value = 0;
  std::optional<double> target =
      {};  ///< what is wanted: the least ratio with a yardstick, else the greatest value
};

/// Return value / yardstick_value, or 0 without a yardstick.
double ratio_of(const Figure& figure);

/// Return whether the target is met; true without one.
bool passes(const Figure& figure);

/// Print to standard output and flush.
void print(const Figure& figure);

/// Return the median; needs at least one value.
double median(std::vector<double> values);

}  // namespace millrace::bench
