#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/responder.h"

namespace millrace {

/// Sends figures to open pages at an interval, as server-sent events `snapshot`; drawn up once for all pages
/// that want the same. Does nothing while no page is open. Threads: `add` from any.
class SnapshotStreams {
 public:
  static constexpr std::size_t kStreamsMax = 256;

  /// Draws up the figures that go by `key`, as JSON in one line; on the thread of the streams.
  using Draw = std::function<Result<std::string>(std::string_view key)>;

  /// `name` names the thread, and the component in the log.
  SnapshotStreams(std::string name, DurationUs interval, Draw draw);
  ~SnapshotStreams();

  /// Send the figures of `key` to the stream until its client goes. Errors: kOverloaded when kStreamsMax are
  /// open.
  Status add(std::string_view key, std::shared_ptr<ResponseStream> stream);

 private:
  struct Page {
    std::string key;
    std::shared_ptr<ResponseStream> stream;
  };

  void run();
  void send_to_pages();
  std::string event_of(std::string_view key) const;

  const std::string name_;
  const DurationUs interval_;
  const Draw draw_;
  std::mutex mutex_;  ///< guards all below
  std::condition_variable wake_;
  std::vector<Page> pages_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace
