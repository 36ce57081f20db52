#include "server/stream_beat.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kBeat(10);

}  // namespace

StreamBeat::StreamBeat(std::shared_ptr<ResponseStream> stream)
    : stream_(std::move(stream)), thread_([this](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (!woken_.wait_for(lock, stop, kBeat, [&] { return stop.stop_requested(); }))
          if (!last_.empty()) stream_->write(last_);
      }) {}

void StreamBeat::say(std::string line) {
  const std::lock_guard lock(mutex_);
  last_ = std::move(line);
  stream_->write(last_);
}

}  // namespace millrace
