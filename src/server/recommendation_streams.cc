#include "server/recommendation_streams.h"

#include <chrono>

#include <pthread.h>

namespace millrace {
namespace {

constexpr std::chrono::seconds kSignOfLife(10);

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
    if (of_users_.size() + of_sessions_.size() >= kStreamsMax) remove_closed();
    if (of_users_.size() + of_sessions_.size() >= kStreamsMax)
      return fail(Code::kOverloaded, "too many wait for recommendations");
    (of == Of::kUser ? of_users_ : of_sessions_).emplace(std::move(id), std::move(stream));
  }
  wake_.notify_all();
  return {};
}

void RecommendationStreams::send(std::span<const StreamedAnswer> answers) {
  const std::lock_guard lock(mutex_);
  if (of_users_.empty() && of_sessions_.empty()) return;
  for (const StreamedAnswer& answer : answers) {
    const std::string event = "event: recommendation\ndata: " + answer.json + "\n\n";
    if (!answer.user.empty()) send_to(of_users_, answer.user, event);
    if (!answer.session.empty()) send_to(of_sessions_, answer.session, event);
  }
}

void RecommendationStreams::send_to(Streams& streams, const std::string& id, const std::string& event) {
  auto [at, end] = streams.equal_range(id);
  while (at != end) at = at->second->write(event) ? std::next(at) : streams.erase(at);
}

void RecommendationStreams::remove_closed() {
  for (Streams* streams : {&of_users_, &of_sessions_})
    std::erase_if(*streams, [](const auto& each) { return !each.second->open(); });
}

void RecommendationStreams::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait(lock, [&] { return stopping_ || !of_users_.empty() || !of_sessions_.empty(); });
    if (wake_.wait_for(lock, kSignOfLife, [&] { return stopping_; })) return;
    for (Streams* streams : {&of_users_, &of_sessions_})
      for (const auto& [id, stream] : *streams) stream->write(": still here\n\n");
    remove_closed();
  }
}

}  // namespace millrace
