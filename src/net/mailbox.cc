#include "net/mailbox.h"

#include <utility>

#include "base/callback_batch.h"
#include "net/io_thread.h"

namespace millrace {
namespace {

/// The writer's end of a stream.
class StreamHandle : public ResponseStream {
 public:
  StreamHandle(std::shared_ptr<Mailbox> mailbox, std::uint64_t ticket, std::shared_ptr<StreamState> state)
      : mailbox_(std::move(mailbox)), ticket_(ticket), state_(std::move(state)) {}
  ~StreamHandle() override { end(); }

  bool write(std::string_view bytes) override {
    const auto outcome = state_->write(bytes);
    if (outcome == StreamState::Write::kQueuedFirst || outcome == StreamState::Write::kCut) wake();
    return outcome == StreamState::Write::kQueued || outcome == StreamState::Write::kQueuedFirst;
  }

  void end() override {
    if (state_->end()) wake();
  }

  bool open() const override { return state_->open(); }
  void on_close(std::function<void()> callback) override { state_->on_close(std::move(callback)); }
  std::size_t buffered_bytes() const override { return state_->buffered_bytes(); }

 private:
  void wake() {
    mailbox_->push({.ticket = ticket_, .kind = Mailbox::Delivery::Kind::kStreamReady, .stream = state_});
  }

  std::shared_ptr<Mailbox> mailbox_;
  std::uint64_t ticket_;
  std::shared_ptr<StreamState> state_;
};

}  // namespace

StreamState::Write StreamState::write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (ended_ || cut_ || closed_) return Write::kRefused;
  if (bytes.empty()) return Write::kQueued;
  if (pending_.size() + in_flight_ + bytes.size() > buffer_bytes_max_) {
    cut_ = true;
    return Write::kCut;
  }
  const bool first = pending_.empty();
  pending_.append(bytes);
  return first ? Write::kQueuedFirst : Write::kQueued;
}

bool StreamState::end() {
  const std::lock_guard lock(mutex_);
  return !closed_ && !std::exchange(ended_, true);
}

bool StreamState::open() const {
  const std::lock_guard lock(mutex_);
  return !ended_ && !cut_ && !closed_;
}

std::size_t StreamState::buffered_bytes() const {
  const std::lock_guard lock(mutex_);
  return pending_.size() + in_flight_;
}

void StreamState::on_close(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!closed_) {
      on_close_ = std::move(callback);
      return;
    }
  }
  callback();
}

StreamState::Taken StreamState::take() {
  const std::lock_guard lock(mutex_);
  in_flight_ += pending_.size();
  return {std::exchange(pending_, {}), ended_, cut_};
}

void StreamState::set_in_flight(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  in_flight_ = bytes;
}

void StreamState::close() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    callback = std::exchange(on_close_, nullptr);
    pending_ = {};
  }
  if (callback) callback();
}

void Mailbox::send(std::uint64_t ticket, HttpResponse response) {
  push({.ticket = ticket, .kind = Delivery::Kind::kResponse, .response = std::move(response)});
}

std::shared_ptr<ResponseStream> Mailbox::start_stream(std::uint64_t ticket, HttpResponse head) {
  auto state = std::make_shared<StreamState>(stream_buffer_bytes_max_);
  push({ticket, Delivery::Kind::kStreamStart, std::move(head), state});
  return std::make_shared<StreamHandle>(shared_from_this(), ticket, state);
}

void Mailbox::push(Delivery delivery) {
  auto* io = IoThread::current();
  if (io && io->mailbox().get() == this && io->deliver_at_once(delivery)) return;
  std::unique_lock lock(mutex_);
  if (!owner_) {
    lock.unlock();
    if (delivery.stream) delivery.stream->close();
    return;
  }
  queue_.push_back(std::move(delivery));
  if (queue_.size() > 1) return;
  lock.unlock();
  CallbackBatch::run_at_end([self = shared_from_this()] { self->wake_owner(); });
}

void Mailbox::wake_owner() {
  const std::lock_guard lock(mutex_);
  if (owner_ && !queue_.empty()) owner_->wake();
}

std::vector<Mailbox::Delivery> Mailbox::take_all() {
  const std::lock_guard lock(mutex_);
  return std::exchange(queue_, {});
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    owner_ = nullptr;
  }
  for (auto& delivery : take_all())
    if (delivery.stream) delivery.stream->close();
}

}  // namespace millrace
