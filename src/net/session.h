#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include "net/io_thread.h"
#include "net/mailbox.h"
#include "net/message_writer.h"
#include "net/request_parser.h"
#include "net/socket.h"

namespace millrace {

/// One connection of a client. Requests are read ahead but handled one at a time, so answers are in order.
/// Idle it holds a 4 KB read buffer and little else. Threads: its io thread only.
class Session {
 public:
  Session(IoThread& io, std::uint32_t slot, NewConnection connection);
  ~Session();

  void start();

  /// The request being handled, or 0.
  std::uint64_t ticket() const { return ticket_; }

  // For the request being handled:
  void answer(const HttpResponse& response);
  void start_stream(const HttpResponse& head, std::shared_ptr<StreamState> stream);
  void stream_ready();

  /// Close when idle; else after the request under way. Streams end.
  void drain();
  void close();
  void check_deadlines(IoThread::Clock::time_point now);

 private:
  enum class Phase {
    kReading,    ///< a request, or waiting for one
    kHandling,   ///< the handler has it
    kStreaming,  ///< a ResponseStream is open
    kClosing,    ///< close when all is sent
    kLingering,  ///< refused: throw away what still comes, so that the client gets to see the answer
    kClosed,     ///< only waits for its operations to end
  };
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, IoThread::Executor>;
  using TimePoint = IoThread::Clock::time_point;

  void pump();
  bool parse_one();
  void handle(HttpRequest request);
  void refuse(const HttpResponse& response);
  void answer_with(const HttpResponse& response, bool keep_alive);
  void finish_answer(bool keep_alive);
  void end_after_answer();
  void finish_stream();

  void flush();
  void on_flushed();
  void wait_writable();
  void on_writable(const boost::system::error_code& error);

  void want_read();
  bool make_room();
  void start_read();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void on_bytes(std::size_t bytes);
  void on_end_of_input(const boost::system::error_code& error);
  void operation_done();

  std::string_view unread() const { return {buffer_.get() + begin_, end_ - begin_}; }
  std::size_t buffer_bytes_wanted() const;
  AnswerForm form(bool keep_alive) const;
  bool may_keep_alive() const;
  bool stream_keeps_alive() const;
  void set_deadline(DurationUs from_now);
  void clear_deadline() { deadline_ = TimePoint::max(); }

  IoThread& io_;
  const std::uint32_t slot_;
  Socket socket_;
  std::string remote_ip_;
  const bool over_unix_socket_;
  RequestParser parser_;
  Phase phase_ = Phase::kReading;
  std::uint64_t ticket_ = 0;
  std::shared_ptr<StreamState> stream_;  ///< in kStreaming

  std::unique_ptr<char[]> buffer_;  ///< [begin_, end_) is read and not parsed
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  Outbox outbox_;

  int operations_ = 0;  ///< callbacks that will still come; the session lives at least as long
  bool pumping_ = false;
  bool read_under_way_ = false;
  bool write_blocked_ = false;
  bool input_ended_ = false;    ///< the client sends no more, but may still read
  bool request_begun_ = false;  ///< some bytes of it have come
  bool continue_sent_ = false;
  bool output_shut_ = false;
  std::size_t lingered_bytes_ = 0;
  TimePoint deadline_ = TimePoint::max();
  TimePoint write_deadline_ = TimePoint::max();
};

}  // namespace millrace
