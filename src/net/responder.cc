#include "net/responder.h"

#include <atomic>
#include <utility>

namespace millrace {

struct Responder::Right {
  Right(std::shared_ptr<ResponseSink> s, std::uint64_t t) : sink(std::move(s)), ticket(t) {}
  Right(const Right&) = delete;
  Right& operator=(const Right&) = delete;
  ~Right() {
    if (take())
      sink->send(ticket, HttpResponse::error(500, "internal", "the request was dropped without an answer"));
  }

  bool take() { return !taken.exchange(true); }

  std::shared_ptr<ResponseSink> sink;
  std::uint64_t ticket;
  std::atomic<bool> taken = false;
};

Responder::Responder(std::shared_ptr<ResponseSink> sink, std::uint64_t ticket)
    : right_(std::make_shared<Right>(std::move(sink), ticket)) {}

void Responder::send(HttpResponse response) const {
  if (right_ && right_->take()) right_->sink->send(right_->ticket, std::move(response));
}

std::shared_ptr<ResponseStream> Responder::start_stream(std::string content_type, Headers headers) const {
  if (!right_ || !right_->take()) return nullptr;
  return right_->sink->start_stream(right_->ticket, {200, std::move(content_type), {}, std::move(headers)});
}

bool Responder::answered() const {
  return !right_ || right_->taken.load();
}

}  // namespace millrace
