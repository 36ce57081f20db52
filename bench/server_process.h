#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"
#include "net/http_client.h"

namespace millrace::bench {

/// The real `millrace up` (the binary in MILLRACE_BIN, else build/release/millrace), as a process of its own
/// on a free port. Killed when this is destroyed; a data directory of its own is then removed.
class ServerProcess {
 public:
  /// Start and wait until it says where it listens. `data` is kept; "" makes a temporary one. `options`
  /// follow those of the command. Errors: kNotFound when there is no binary; kDeadline when it is not ready
  /// within a minute.
  static Result<std::unique_ptr<ServerProcess>> start(std::filesystem::path data = {},
                                                      std::vector<std::string> options = {});
  ~ServerProcess();

  /// "127.0.0.1:41873".
  const std::string& address() const { return address_; }
  std::string url() const { return "http://" + address_; }
  const std::filesystem::path& data() const { return data_; }

  /// From the start of the process to the line that says it listens.
  DurationUs start_us() const { return start_us_; }

  /// Ask it to stop, and wait until it has.
  void stop();

  Result<std::unique_ptr<HttpClient>> client() const;

  /// Resident memory, bytes, and processor time used so far, both from /proc.
  std::uint64_t resident_bytes() const;
  DurationUs cpu_us() const;

  /// Run one query and return the first cell of the first row, as text.
  Result<std::string> sql_cell(const std::string& query) const;

  /// Wait until everything logged is in the warehouse. Errors: kDeadline.
  Status wait_loaded(DurationUs limit) const;

 private:
  ServerProcess() = default;
  Status spawn(const std::vector<std::string>& options);

  std::filesystem::path data_;
  bool owns_data_ = false;
  pid_t pid_ = -1;
  std::string address_;
  DurationUs start_us_ = 0;
};

/// The path of the binary under test.
std::filesystem::path binary_path();

/// Run a command of the binary to its end; return its standard output. Errors: kIo with what it said.
Result<std::string> run_binary(const std::vector<std::string>& arguments);

/// A file of the shared real data (MILLRACE_SHARED_DATA, else ../shared/data), or "" where there is none.
std::filesystem::path shared_data(const std::string& name);

}  // namespace millrace::bench
