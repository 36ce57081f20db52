#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace millrace {

struct ChildOptions {
  std::vector<std::string> command;  ///< the program, looked up in PATH, and its arguments
  std::vector<std::pair<std::string, std::string>> environment;  ///< beside or over this process's own

  /// Make it the leader of a process group: Ctrl-C at the terminal does not reach it, and `kill` and its end
  /// take all its own children along.
  bool own_group = false;
};

/// A program run as a child of this process, its standard input and output as pipes; its standard error is
/// this process's. It cannot outlive its parent, however that ends: the kernel kills it once the thread that
/// started it is gone (so start it from one that lasts), and the destructor kills it too. It inherits no
/// other file, no blocked signal. Threads: one at a time.
class ChildProcess {
 public:
  /// Start it. Errors: kNotFound, kDenied when the program cannot be run, saying why; kIo.
  static Result<ChildProcess> start(const ChildOptions& options);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }

  int input() const { return input_.get(); }    ///< its standard input, for writing; does not block
  int output() const { return output_.get(); }  ///< its standard output, for reading; does not block
  void close_input() { input_.reset(); }

  /// Return how it ended, "exit code 3" or "signal 9 (Killed)", once it did; at the latest after `limit`,
  /// with nothing while it runs. What is left of its process group is killed.
  std::optional<std::string> wait(int limit_ms);

  /// Send a signal to it alone.
  void signal(int number) const;

  /// Kill it, and its process group if it has one of its own, and wait for its end; works on stopped ones
  /// too.
  void kill();

 private:
  ChildProcess(pid_t pid, bool own_group) : pid_(pid), own_group_(own_group) {}

  std::optional<std::string> reap(bool block);

  pid_t pid_ = 0;  ///< 0 once it was waited for
  bool own_group_ = false;
  UniqueFd input_;
  UniqueFd output_;
  std::optional<std::string> ended_;
};

/// Cuts what comes through a pipe into lines.
class LineReader {
 public:
  explicit LineReader(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}

  /// Read what is there, without waiting. Errors: kNotFound at the end of the pipe, kInvalid for a line that
  /// is too long, kIo.
  Status read(int fd);

  /// Return the next whole line, without its end.
  std::optional<std::string> next();

 private:
  std::size_t line_bytes_max_;
  std::string bytes_;
  std::size_t taken_ = 0;
};

}  // namespace millrace
