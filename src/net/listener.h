#pragma once

#include <functional>
#include <string>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>

#include "net/io_thread.h"
#include "net/socket.h"

namespace millrace {

/// Accepts connections on one address and hands them on. Threads: those of the io thread it belongs to.
class Listener {
 public:
  using OnConnection = std::function<void(NewConnection)>;

  /// Take over a non-blocking socket that listens.
  Listener(IoThread& io, UniqueFd fd, OnConnection on_connection);

  void start();
  void close();

 private:
  void accept_all();
  bool accept_one();
  void pause();

  boost::asio::posix::basic_stream_descriptor<IoThread::Executor> descriptor_;
  boost::asio::basic_waitable_timer<IoThread::Clock, boost::asio::wait_traits<IoThread::Clock>,
                                    IoThread::Executor>
      pause_timer_;
  OnConnection on_connection_;
};

}  // namespace millrace
