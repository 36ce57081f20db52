#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "net/socket.h"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace {

/// A server that speaks TLS with a certificate of its own making, and answers each request with what its body
/// was. Threads: one of its own; the methods from one other.
class TlsTestServer {
 public:
  struct Options {
    std::string name = "localhost";  ///< of the certificate
    bool cut = false;                ///< after half an answer, without a word of farewell
  };

  explicit TlsTestServer(const Options& options);
  ~TlsTestServer();

  /// "localhost:41873".
  std::string address() const;
  /// Return the path of a PEM file with the certificate, for who is to trust it.
  const std::string& ca_file() const { return ca_file_; }
  int requests() const { return requests_; }

 private:
  void run(const std::stop_token& stop);
  void serve(int fd, const std::stop_token& stop);
  bool answer_one(ssl_st* ssl, int fd, const std::stop_token& stop);

  const Options options_;
  UniqueFd listener_;
  ssl_ctx_st* context_;
  std::string ca_file_;
  std::atomic<int> requests_ = 0;
  std::jthread thread_;  ///< last: uses the others
};

}  // namespace millrace
