#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/time.h"

namespace millrace {

struct SessionKnnSettings {
  std::size_t sessions_per_item = 500;  ///< m: the most recent that are looked at
  std::size_t neighbours = 100;         ///< k: the most similar of them
  std::size_t context_items = 10;       ///< of the session that is asked for, latest first
  std::size_t session_items = 100;      ///< kept of each, the first ones
  std::size_t sessions = 500'000;       ///< kept in all; the oldest go
  DurationUs half_life = 0;             ///< a session this old counts half; 0: age does not matter
  double idf = 0;  ///< exponent on ln(sessions / sessions of the item) of what is recommended
};

/// Recommends what was met in recent sessions that resemble the present one: VMIS-kNN (Kersbergen and others,
/// Serenade, 2022), which is V-SKNN over an index of the most recent sessions of each item, with STAN's decay
/// by age where wanted. Learns as sessions come. Memory is bounded by its settings. Threads: `add` needs to
/// be alone; `score` may run beside itself, each with a Scratch of its own.
class SessionKnn {
 public:
  explicit SessionKnn(const SessionKnnSettings& settings) : settings_(settings) {}

  /// Take in that an item was met in a session; `session` is any number that tells sessions apart. Times may
  /// come in any order; a session's order is that of the calls.
  void add(std::uint64_t session, std::uint32_t item, TimeUs time);

  /// What `score` needs besides. It grows to fit and is used again.
  class Scratch {
    friend class SessionKnn;
    std::vector<float> similarity;         // by place in sessions_; 0: not met
    std::vector<std::uint16_t> shared_at;  // the latest shared item: 0 is the latest of all
    std::vector<std::uint32_t> touched;    // places in sessions_ that are met
  };

  /// Add to `scores` (one for each item; items beyond it are left out) what neighbours of the session say
  /// whose items were `items`, oldest first. What is in the session already is scored like the rest.
  void score(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch,
             std::span<float> scores) const;

  /// Return what was met in a session so far, each once, in order; empty for one that is not (or no more)
  /// known.
  std::span<const std::uint32_t> items_of(std::uint64_t session) const;

  /// Call `take(session, item, time)` for everything that is kept, in an order in which adding it to an empty
  /// index of the same settings makes the same index; `time` is the session's last.
  template <class Take>
  void for_each(const Take& take) const {
    for (const Session& session : sessions_)
      for (const std::uint32_t item : session.items) take(session.id, item, session.last);
  }

  std::size_t sessions() const { return sessions_.size(); }

 private:
  struct Session {
    std::uint64_t id = 0;
    TimeUs last = 0;
    std::vector<std::uint32_t> items;  ///< each once, in order
  };
  /// The most recent sessions of an item, by their running numbers, as a ring.
  struct Postings {
    std::vector<std::uint64_t> sessions;
    std::size_t next = 0;     ///< where the next goes once the ring is full
    std::uint64_t count = 0;  ///< of all time
  };

  Session& session_of(std::uint64_t id);
  void find_similar(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch) const;

  const SessionKnnSettings settings_;
  std::deque<Session> sessions_;  ///< by running number, from first_
  std::uint64_t first_ = 0;
  std::unordered_map<std::uint64_t, std::uint64_t> numbers_;  ///< of the sessions in sessions_, by id
  std::vector<Postings> postings_;                            ///< by item
};

}  // namespace millrace
