#include "server/snapshot_streams.h"

#include <chrono>
#include <map>

#include <pthread.h>

#include "base/logging.h"

namespace millrace {

SnapshotStreams::SnapshotStreams(std::string name, DurationUs interval, Draw draw)
    : name_(std::move(name)), interval_(interval), draw_(std::move(draw)) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), name_.c_str());
}

SnapshotStreams::~SnapshotStreams() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

Status SnapshotStreams::add(std::string_view key, std::shared_ptr<ResponseStream> stream) {
  {
    const std::lock_guard lock(mutex_);
    if (pages_.size() >= kStreamsMax) return fail(Code::kOverloaded, "too many dashboards are open");
    pages_.push_back({std::string(key), std::move(stream)});
  }
  wake_.notify_all();
  return {};
}

void SnapshotStreams::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (pages_.empty()) {
      wake_.wait(lock, [&] { return stopping_ || !pages_.empty(); });
      continue;
    }
    lock.unlock();
    send_to_pages();
    lock.lock();
    wake_.wait_for(lock, std::chrono::microseconds(interval_), [&] { return stopping_; });
  }
}

void SnapshotStreams::send_to_pages() {
  std::vector<Page> pages;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(pages_, [](const Page& page) { return !page.stream->open(); });
    pages = pages_;
  }
  std::map<std::string, std::string> events;
  for (const Page& page : pages) {
    std::string& event = events[page.key];
    if (event.empty()) event = event_of(page.key);
    page.stream->write(event);
  }
}

std::string SnapshotStreams::event_of(std::string_view key) const {
  const Result<std::string> figures = draw_(key);
  if (figures) return "event: snapshot\ndata: " + *figures + "\n\n";
  log_warning(name_, "no snapshot", {field("error", figures.error().text())});
  return ": " + figures.error().message + "\n\n";
}

}  // namespace millrace
