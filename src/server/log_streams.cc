#include "server/log_streams.h"

#include <algorithm>
#include <iterator>

#include <pthread.h>

namespace millrace {
namespace {

constexpr DurationUs kHeartbeat = 5 * kSecondUs;
constexpr DurationUs kStopCheck =
    100 * kMillisecondUs;  ///< how long `wait_for_more` may keep us from seeing the end
constexpr LogPageLimits kAtOnce{.lines = 200, .bytes = 1 << 20};
constexpr std::size_t kUnsentBytesMax = 128 << 10;  ///< who has so much before them gets no more for now

}  // namespace

std::string with_position(const LogLine& line) {
  std::string out = R"({"position":")" + line.at.text() + R"(",)";
  return out.append(line.json, 1);  // a line is an object: it goes on with its own members
}

LogStreams::LogStreams(Env& env, const LogFiles& files) : env_(env), files_(files) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "log-follow");
}

LogStreams::~LogStreams() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status LogStreams::add(LogFilter filter, LogPosition from, std::shared_ptr<ResponseStream> stream) {
  {
    const std::lock_guard lock(mutex_);
    if (open_ >= kStreamsMax) return fail(Code::kOverloaded, "too many follow the log; close one");
    ++open_;
    added_.push_back({std::move(filter), from, std::move(stream)});
  }
  wake_.notify_all();
  return {};
}

void LogStreams::run() {
  LogPosition seen;
  DurationUs last_heartbeat = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (followers_.empty()) wake_.wait(lock, [&] { return stopping_ || !added_.empty(); });
    if (stopping_) return;
    std::ranges::move(std::exchange(added_, {}), std::back_inserter(followers_));
    lock.unlock();
    const DurationUs now = env_.steady_now();
    const bool heartbeat = now - last_heartbeat >= kHeartbeat;
    if (heartbeat) last_heartbeat = now;
    const bool more = send(heartbeat);
    if (!more) {
      const LogPosition end = files_.wait_for_more(seen, kStopCheck);
      if (end > seen) std::ranges::for_each(followers_, [](Follower& one) { one.behind = true; });
      seen = end;
    }
    lock.lock();
    open_ = followers_.size() + added_.size();
  }
}

/// Send everyone what there is; return whether there is more to send at once.
bool LogStreams::send(bool heartbeat) {
  std::erase_if(followers_, [](const Follower& one) { return !one.stream->open(); });
  bool more = false;
  for (Follower& follower : followers_) {
    send_to(follower, heartbeat);
    more |= follower.behind && follower.stream->buffered_bytes() < kUnsentBytesMax;
  }
  return more;
}

void LogStreams::send_to(Follower& follower, bool heartbeat) const {
  if (heartbeat) follower.stream->write(": still here\n\n");
  if (!follower.behind || follower.stream->buffered_bytes() >= kUnsentBytesMax) return;
  const auto page = read_log_forwards(env_, files_.dir(), follower.filter, follower.next, kAtOnce);
  if (!page) return;  // the disk: at the next line again
  follower.behind = *page->next != follower.next;
  follower.next = *page->next;
  for (std::size_t i = 0; i < page->lines.size(); ++i) {
    const LogPosition next = i + 1 < page->lines.size() ? page->lines[i + 1].at : follower.next;
    follower.stream->write("event: line\nid: " + next.text() + "\ndata: " + with_position(page->lines[i]) +
                           "\n\n");
  }
}

}  // namespace millrace
