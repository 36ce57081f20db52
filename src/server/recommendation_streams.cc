#include "server/recommendation_streams.h"

#include <algorithm>
#include <chrono>

#include <pthread.h>

namespace millrace {
namespace {

/// Each stream hears every 15 seconds that it is alive: so many turns of so long, since telling thousands at
/// once would hold up the answers.
constexpr std::chrono::milliseconds kTurn(100);
constexpr std::size_t kTurns = 150;

}  // namespace

RecommendationStreams::RecommendationStreams() : thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "rec-streams");
}

RecommendationStreams::~RecommendationStreams() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status RecommendationStreams::add(Of of, std::string id, std::shared_ptr<ResponseStream> stream) {
  {
    const std::lock_guard lock(mutex_);
    if (open_.size() >= kStreamsMax) say_alive(open_.size());
    if (open_.size() >= kStreamsMax) return fail(Code::kOverloaded, "too many wait for recommendations");
    streams(of).emplace(id, stream);
    open_.push_back({of, std::move(id), std::move(stream)});
  }
  wake_.notify_all();
  return {};
}

void RecommendationStreams::send(std::span<const StreamedAnswer> answers) {
  const std::lock_guard lock(mutex_);
  if (open_.empty()) return;
  for (const StreamedAnswer& answer : answers) {
    const std::string event = "event: recommendation\ndata: " + answer.json + "\n\n";
    if (!answer.user.empty()) send_to(of_users_, answer.user, event);
    if (!answer.session.empty()) send_to(of_sessions_, answer.session, event);
  }
}

void RecommendationStreams::send_to(const Streams& streams, const std::string& id, const std::string& event) {
  const auto [begin, end] = streams.equal_range(id);
  std::for_each(begin, end, [&](const auto& each) { each.second->write(event); });
}

/// Tell the next `count` streams that they are alive; who has gone is forgotten.
void RecommendationStreams::say_alive(std::size_t count) {
  for (; count > 0; --count) {
    Open next = std::move(open_.front());
    open_.pop_front();
    next.stream->write(": still here\n\n") ? open_.push_back(std::move(next)) : remove(next);
  }
}

void RecommendationStreams::remove(const Open& gone) {
  Streams& among = streams(gone.of);
  const auto [begin, end] = among.equal_range(gone.id);
  const auto found = std::find_if(begin, end, [&](const auto& each) { return each.second == gone.stream; });
  if (found != end) among.erase(found);
}

void RecommendationStreams::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait(lock, [&] { return stopping_ || !open_.empty(); });
    for (std::size_t turn = 0; turn < kTurns && !stopping_; ++turn) {
      wake_.wait_for(lock, kTurn, [&] { return stopping_; });
      say_alive((open_.size() + turn) / kTurns);
    }
  }
}

}  // namespace millrace
