#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/server_link.h"
#include "app/worker_sink.h"
#include "base/result.h"
#include "base/time.h"
#include "net/http_server.h"

namespace millrace {

/// What a keeper tells each of its workers.
struct WorkerOptions {
  ServerPlace server;
  std::string subscription;
  std::vector<std::string> command;  ///< empty: post to the server's collector
  std::string codec = "native";      ///< of messages that do not say it, for the collector
  std::size_t batch_max = 100;       ///< messages held at once
  DurationUs message_timeout = 5 * kMinuteUs;
  DurationUs stall = 15 * kSecondUs;  ///< it answers at least that often, else it is replaced
  int number = 1;                     ///< of this worker, from 1
};

/// What a worker says about itself, twice a second, as a line of JSON on its standard output.
struct WorkerBeat {
  std::uint64_t done = 0;    ///< messages acknowledged since it began
  std::uint64_t failed = 0;  ///< and given back
  std::uint64_t held = 0;    ///< in its hands now
  std::string health;        ///< HOST:PORT of its /healthz
  int command = 0;           ///< process group of its program; 0 without one
  /// False once its program ended, until a new one answered a message or lasted ten seconds.
  bool ready = true;

  std::string text() const;
  /// Errors: kCorrupt.
  static Result<WorkerBeat> parse(std::string_view line);
};

/// One worker: pulls messages, has the sink work on them, acknowledges those that are done and gives back the
/// others. Holds as many as it handles in about a second: one at first, twice as many each time a batch was
/// quicker, so that a slow message delays few others, and one that ends the command is soon alone. While the
/// sink works the messages' leases are extended, up to `message_timeout` for each. A process of its own; one
/// thread, and one for its /healthz.
class Worker {
 public:
  /// Errors: the command cannot be run, or no port is free.
  static Result<std::unique_ptr<Worker>> open(WorkerOptions options);
  ~Worker();

  /// Work until SIGTERM or SIGINT, then finish what it holds. Errors: the command failed or hangs, what it
  /// held is given back; the subscription cannot be pulled.
  Status run();

 private:
  explicit Worker(WorkerOptions options);

  Status open_all();
  Status turn();
  Status pull();
  void work();
  Status start_sink();
  void restart(const Error& error);
  void blame(const Error& error);
  bool may_start();
  void take_verdicts(const std::vector<Verdict>& verdicts);
  void finish_batch();
  void extend();
  void give_back();
  bool settle();
  bool settle_one(const char* action, std::vector<std::string>& ids);
  Status complain(const Error& error);
  void beat();
  void answer_health(const Responder& responder) const;
  bool is_stopping();

  const WorkerOptions options_;
  const std::string address_;  ///< of the subscription
  ServerLink server_;
  std::unique_ptr<WorkerSink> sink_;  ///< none while it waits to be made anew
  DurationUs start_at_ = 0;           ///< when it is
  DurationUs pause_;
  std::unique_ptr<HttpServer> health_;

  std::deque<nlohmann::json> held_;   ///< as pulled, without a verdict, in the order of the sink
  std::vector<std::string> done_;     ///< not yet acknowledged
  std::vector<std::string> refused_;  ///< not yet given back
  std::size_t window_ = 1;
  DurationUs started_at_ = 0;  ///< when its program last was
  DurationUs batch_since_ = 0;
  DurationUs head_since_ = 0;  ///< since when the first of `held_` is
  DurationUs extended_at_ = 0;
  DurationUs settled_at_ = 0;
  DurationUs beat_at_ = 0;
  DurationUs lease_ = 10 * kSecondUs;
  bool stopping_ = false;
  std::string complaint_;  ///< the last one, so that it is logged once

  // What the thread of /healthz reads.
  std::atomic<std::uint64_t> done_count_ = 0;
  std::atomic<std::uint64_t> failed_count_ = 0;
  std::atomic<std::uint64_t> held_count_ = 0;
  std::atomic<DurationUs> turned_at_ = 0;
  std::atomic<bool> ready_ = true;
};

}  // namespace millrace
