#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/server_link.h"
#include "app/worker_slot.h"
#include "base/result.h"
#include "base/service_notify.h"
#include "net/http_server.h"
#include "stream/worker_scaler.h"

namespace millrace {

struct KeeperOptions {
  ServerPlace server;
  std::string subscription;
  WorkerScalerOptions scaler;
  WorkerSlotOptions slot;
  std::string health = "127.0.0.1:0";  ///< HOST:PORT of its /healthz
  ChildOptions worker;                 ///< starts a worker; the keeper adds the number to the command
  bool redraw = false;                 ///< the status is one line that changes, as on a terminal
};

/// Keeps as many workers of a subscription running as its backlog needs, and replaces those that end or fall
/// silent. Feeds systemd's watchdog from the same loop, so that a keeper that hangs is replaced as well.
/// Threads: one, which must last, and one for /healthz.
class WorkerKeeper {
 public:
  /// Errors: no server, no such subscription, one that pushes; those of HttpServer::open.
  static Result<std::unique_ptr<WorkerKeeper>> open(KeeperOptions options, ServiceNotify notify);
  ~WorkerKeeper();

  /// Keep workers until SIGTERM or SIGINT; then let them finish what they hold, and return.
  void run();

 private:
  WorkerKeeper(KeeperOptions options, ServiceNotify notify);

  Status open_all();
  void look(DurationUs now);
  void turn(int wanted, DurationUs now);
  void count(DurationUs now);
  void tell(DurationUs now);
  void stop();
  int running() const;
  std::string summary() const;
  void publish(DurationUs now);
  void answer_health(const Responder& responder);

  const KeeperOptions options_;
  ServiceNotify notify_;
  ServerLink server_;
  WorkerScaler scaler_;
  std::vector<WorkerSlot> slots_;  ///< workers_max of them
  std::unique_ptr<HttpServer> health_;

  WorkerLoad load_;
  bool server_answers_ = true;
  DurationUs looked_at_ = 0;
  std::uint64_t done_ = 0, failed_ = 0, replaced_ = 0;
  std::deque<std::pair<DurationUs, std::uint64_t>> done_over_time_;  ///< of the last seconds
  double rate_ = 0;                                                  ///< messages a second
  DurationUs told_at_ = 0;
  std::string told_;
  bool stopping_ = false;

  std::mutex mutex_;         ///< guards what follows, which the thread of /healthz reads
  std::string health_body_;  ///< JSON
  bool healthy_ = false;
  DurationUs published_at_ = 0;
};

}  // namespace millrace
