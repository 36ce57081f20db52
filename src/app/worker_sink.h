#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/server_link.h"
#include "base/child_process.h"
#include "base/result.h"
#include "base/time.h"

namespace millrace {

/// What became of one message.
struct Verdict {
  bool is_done = false;  ///< acknowledge it; else it is to come again
  std::string reason;    ///< why not
};

/// Does the work of a worker: takes messages and says, in the same order, what became of each.
/// Threads: one at a time.
class WorkerSink {
 public:
  virtual ~WorkerSink() = default;

  /// Take a message as `pull` answers it: {"ack_id","delivery_attempt","message":{…}}.
  virtual void add(const nlohmann::json& pulled) = 0;

  /// Work for `limit` at most, and append the verdicts that came about. Errors: it cannot go on; the messages
  /// without a verdict are to be given back.
  virtual Status work(DurationUs limit, std::vector<Verdict>& verdicts) = 0;

  /// Tell it that no message will follow, and wait for its end for `limit` at most.
  virtual void finish(DurationUs limit) = 0;

  /// Return the process group it started; 0 when there is none.
  virtual int group() const = 0;
};

/// Hands messages to a program: a line of JSON for each to its standard input, and a line "ok" or "fail
/// REASON" for each from its standard output, in the same order. docs/how-to/workers.md has the members of
/// the line.
class CommandSink : public WorkerSink {
 public:
  /// Errors: those of ChildProcess::start.
  static Result<std::unique_ptr<WorkerSink>> start(const ChildOptions& command);  // of a group of its own

  void add(const nlohmann::json& pulled) override;
  Status work(DurationUs limit, std::vector<Verdict>& verdicts) override;
  void finish(DurationUs limit) override;
  int group() const override { return child_.pid(); }

 private:
  explicit CommandSink(ChildProcess child);

  Status send();
  Status receive(std::vector<Verdict>& verdicts);
  Status ended();

  ChildProcess child_;
  LineReader answers_;
  std::string unsent_;
  std::size_t sent_ = 0;  ///< bytes of `unsent_`
  std::size_t awaited_ = 0;
};

/// Posts each message to the server's /v1/push/{codec}, which puts it into the topic `events`.
class CollectorSink : public WorkerSink {
 public:
  /// `codec` is for messages that do not say theirs by the attribute `codec`.
  CollectorSink(ServerPlace place, DurationUs timeout, const std::string& codec, std::string subscription);

  void add(const nlohmann::json& pulled) override;
  Status work(DurationUs limit, std::vector<Verdict>& verdicts) override;
  void finish(DurationUs /*limit*/) override {}
  int group() const override { return 0; }

 private:
  ServerLink server_;
  const std::string target_;
  const std::string subscription_;
  std::deque<nlohmann::json> waiting_;
};

}  // namespace millrace
