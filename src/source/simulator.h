#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/env.h"
#include "base/result.h"
#include "net/latency_histogram.h"
#include "source/sim_visit.h"
#include "source/sim_world.h"

namespace millrace {

/// In which shape a simulated visit is sent.
enum class SimShape : std::uint8_t {
  kEvents,    ///< each action at once, as a Segment message
  kVisits,    ///< the whole visit when it ends, as a visit document
  kActivity,  ///< after each product, what was browsed so far, as an activity event
};

struct SimulatorOptions {
  std::string target = "127.0.0.1:8080";  ///< address of the server: "HOST:PORT"
  std::string topic;  ///< unless empty, events are published to it instead of being collected
  std::string token;  ///< sent as bearer, unless empty
  SimWorldOptions world;
  std::uint64_t seed = 1;  ///< of who comes when and does what; the world has its own
  double visits_per_minute = 60;
  DurationUs duration = kMinuteUs;  ///< new visits begin so long; those begun go on to their end
  DurationUs think_mean = 3 * kSecondUs;
  SimShape shape = SimShape::kEvents;
  bool ask_recommendations = true;
  std::optional<SimSpike> spike;

  /// So many times as many visits beside the usual ones, each a page view from one of a few addresses.
  double flood_factor = 0;

  std::size_t connections = 16;
  std::size_t visits_max = 100'000;  ///< open at a time; beyond it a visit is counted as refused
};

struct SimulatorStats {
  std::uint64_t visits = 0;
  std::uint64_t visits_refused = 0;
  std::uint64_t events_sent = 0;
  std::uint64_t events_acknowledged = 0;
  std::uint64_t errors = 0;               ///< requests that failed or were answered with other than 200
  std::string last_error;                 ///< of those, for people
  std::uint64_t offers = 0;               ///< pages on which recommendations were shown
  std::uint64_t offers_taken = 0;         ///< products looked at because they were recommended
  DurationUs behind_max = 0;              ///< by which an action was sent late, at most
  LatencyHistogram collect_latency_us;    ///< from the intended send time
  LatencyHistogram recommend_latency_us;  ///< likewise
};

/// Sends simulated visits to a running server over real HTTP, each action at its own time whether or not
/// earlier ones have been answered (open loop). Threads: `run` on one; `stats` from any.
class Simulator {
 public:
  /// Connects. Errors: those of AsyncHttpClient::open; kInvalid for options that make no sense.
  static Result<std::unique_ptr<Simulator>> open(Env& env, SimulatorOptions options);
  ~Simulator();

  /// Put the world's products and people into the server's catalogue. Errors: kIo; what the server said.
  Status send_catalogue();

  /// Run until the duration is over and the last visit has ended, or until `stop`.
  void run(const std::stop_token& stop);

  SimulatorStats stats() const;
  const SimWorld& world() const;

 private:
  class Impl;
  explicit Simulator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Write `days` of visits up to `end` as JSON lines of Segment messages to `file`, at about
/// `visits_per_day`: the history of a shop that existed before. Returns the number of messages.
/// Errors: those of the file.
Result<std::uint64_t> write_history(Env& env, const SimWorld& world, std::uint64_t seed, std::uint32_t days,
                                    double visits_per_day, TimeUs end, const Path& file);

}  // namespace millrace
