#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace millrace {

/// Whom a client trusts. TLS 1.2 and 1.3, OpenSSL's own choice of ciphers. Shared by connections.
/// Threads: `TlsClientSession::begin` from any thread.
class TlsTrust {
 public:
  /// Trust the authorities of the system, or with `ca_file` those in that PEM file alone.
  /// Errors: kInvalid when the file cannot be read as certificates.
  static Result<std::shared_ptr<TlsTrust>> load(const std::string& ca_file = {});
  ~TlsTrust();
  TlsTrust(const TlsTrust&) = delete;
  TlsTrust& operator=(const TlsTrust&) = delete;

 private:
  friend class TlsClientSession;
  explicit TlsTrust(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// The client's end of one TLS connection, over bytes that others move: what came from the wire goes in, what
/// is to go out comes out. After each call `take_output` has what must be sent.
///
///     session.receive(bytes_from_the_socket);         // moves the handshake on, and decrypts
///     plain += session.take_plain();
///     if (session.established()) session.send("GET / …");
///     socket.write(session.take_output());
///
/// Threads: one at a time.
class TlsClientSession {
 public:
  /// Begin the handshake with the server that must have a certificate for `host` (a name or an IP address).
  static Result<std::unique_ptr<TlsClientSession>> begin(std::shared_ptr<TlsTrust> trust,
                                                         const std::string& host);
  ~TlsClientSession();
  TlsClientSession(const TlsClientSession&) = delete;
  TlsClientSession& operator=(const TlsClientSession&) = delete;

  /// Return whether the handshake is over and the server is who it should be.
  bool established() const { return established_; }

  /// Return whether the server has said that nothing more will come. Without that, an end of the connection
  /// may be somebody cutting it.
  bool closed_in_good_order() const { return closed_; }

  /// Encrypt `plain`. Needs `established()`.
  void send(std::string_view plain);

  /// Take bytes from the wire. Errors: kDenied when the server's certificate is not to be trusted, with the
  /// reason; kCorrupt for what is not TLS or was tampered with. The session is of no use afterwards.
  Status receive(std::string_view bytes);

  std::string take_plain() { return std::exchange(plain_, {}); }
  std::string take_output();

 private:
  TlsClientSession(std::shared_ptr<TlsTrust> trust, ssl_st* ssl) : trust_(std::move(trust)), ssl_(ssl) {}
  Status shake_hands();
  Status decrypt();
  Status failure() const;

  std::shared_ptr<TlsTrust> trust_;
  ssl_st* ssl_;
  std::string plain_;
  bool established_ = false;
  bool closed_ = false;
};

}  // namespace millrace
