#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>

#include "net/responder.h"
#include "recommend/streaming_job.h"

namespace millrace {

/// Sends streamed answers to who waits for those of a person or a session, as server-sent events
/// `recommendation` whose data is the record in one line. A client that reads too slowly is cut off
/// (ResponseStream). Its thread only tells each stream from time to time that it is still alive, a few at
/// once, and sleeps while there is none. Threads: any.
class RecommendationStreams {
 public:
  static constexpr std::size_t kStreamsMax = 16'384;

  enum class Of : std::uint8_t { kUser, kSession };

  RecommendationStreams();
  ~RecommendationStreams();

  /// Send the answers of the user (or anonymous) id or session `id` until the client goes. Errors:
  /// kOverloaded when kStreamsMax are open.
  Status add(Of of, std::string id, std::shared_ptr<ResponseStream> stream);

  /// Send each answer to whom it concerns.
  void send(std::span<const StreamedAnswer> answers);

 private:
  using Streams = std::unordered_multimap<std::string, std::shared_ptr<ResponseStream>>;

  /// An open stream, and where it is found.
  struct Open {
    Of of = Of::kUser;
    std::string id;
    std::shared_ptr<ResponseStream> stream;
  };

  Streams& streams(Of of) { return of == Of::kUser ? of_users_ : of_sessions_; }
  void send_to(const Streams& streams, const std::string& id, const std::string& event);
  void run();
  void say_alive(std::size_t count);
  void remove(const Open& gone);

  std::mutex mutex_;  ///< guards all below but the thread
  std::condition_variable wake_;
  Streams of_users_, of_sessions_;
  std::deque<Open> open_;  ///< the same streams; the one that was told longest ago comes first
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace
