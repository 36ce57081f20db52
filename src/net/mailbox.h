#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "net/responder.h"

namespace millrace {

class IoThread;

/// What the writer of a stream and the session that sends it share.
/// Threads: any; guarded by its mutex.
class StreamState {
 public:
  struct Taken {
    std::string bytes;
    bool ended = false;
    bool cut = false;  ///< the client is too slow
  };

  explicit StreamState(std::size_t buffer_bytes_max) : buffer_bytes_max_(buffer_bytes_max) {}

  enum class Write { kRefused, kQueued, kQueuedFirst, kCut };

  /// Queue bytes. kQueuedFirst and kCut want the session to be woken.
  Write write(std::string_view bytes);
  /// Returns whether the session must be woken.
  bool end();
  bool open() const;
  std::size_t buffered_bytes() const;
  void on_close(std::function<void()> callback);

  /// For the session: take over what is queued.
  Taken take();
  /// For the session: tell how much of what was taken is not sent yet.
  void set_in_flight(std::size_t bytes);
  /// For the session: no byte will leave any more. Calls the callback.
  void close();

 private:
  mutable std::mutex mutex_;
  const std::size_t buffer_bytes_max_;
  std::string pending_;
  std::size_t in_flight_ = 0;
  bool ended_ = false;
  bool cut_ = false;
  bool closed_ = false;
  std::function<void()> on_close_;
};

/// The queue of answers to one io thread. It outlives the thread, so that a Responder may outlive the server.
/// Threads: any.
class Mailbox : public ResponseSink, public std::enable_shared_from_this<Mailbox> {
 public:
  struct Delivery {
    enum class Kind { kResponse, kStreamStart, kStreamReady };
    std::uint64_t ticket = 0;
    Kind kind = Kind::kResponse;
    HttpResponse response = {};
    std::shared_ptr<StreamState> stream = {};
  };

  Mailbox(IoThread& owner, std::size_t stream_buffer_bytes_max)
      : owner_(&owner), stream_buffer_bytes_max_(stream_buffer_bytes_max) {}

  void send(std::uint64_t ticket, HttpResponse response) override;
  std::shared_ptr<ResponseStream> start_stream(std::uint64_t ticket, HttpResponse head) override;

  /// Queue, and wake the io thread, at the end of a CallbackBatch, unless it has been woken for what is
  /// queued already.
  void push(Delivery delivery);

  std::vector<Delivery> take_all();

  /// Drop what comes from now on; streams among it are closed.
  void close();

 private:
  void wake_owner();

  std::mutex mutex_;
  IoThread* owner_;  ///< null once closed
  const std::size_t stream_buffer_bytes_max_;
  std::vector<Delivery> queue_;
};

}  // namespace millrace
