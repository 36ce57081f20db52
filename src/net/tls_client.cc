#include "net/tls_client.h"

#include <array>
#include <cassert>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace millrace {
namespace {

/// Return OpenSSL's words for the oldest error of this thread, and forget all of them.
std::string take_openssl_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

bool is_ip_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  return inet_pton(AF_INET, host.c_str(), address.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
}

/// Let only a certificate for `host` pass. A name is also told to the server, which may have several.
bool expect_host(SSL* ssl, const std::string& host) {
  if (is_ip_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (SSL_set1_host(ssl, host.c_str()) != 1) return false;
  std::string name = host;  // SSL_set_tlsext_host_name, whose macro casts in the old style
  return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1;
}

}  // namespace

Result<std::shared_ptr<TlsTrust>> TlsTrust::load(const std::string& ca_file) {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return fail(Code::kInternal, "cannot set up TLS: " + take_openssl_error());
  std::shared_ptr<TlsTrust> trust(new TlsTrust(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const int loaded = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context)
                                     : SSL_CTX_load_verify_file(context, ca_file.c_str());
  if (loaded != 1)
    return fail(Code::kInvalid, fmt::format("{} cannot be read as certificates in PEM form: {}",
                                            ca_file.empty() ? "the system's list of authorities" : ca_file,
                                            take_openssl_error()));
  return trust;
}

TlsTrust::~TlsTrust() {
  SSL_CTX_free(context_);
}

Result<std::unique_ptr<TlsClientSession>> TlsClientSession::begin(std::shared_ptr<TlsTrust> trust,
                                                                  const std::string& host) {
  SSL* ssl = SSL_new(trust->context_);
  if (ssl == nullptr) return fail(Code::kInternal, "cannot begin TLS: " + take_openssl_error());
  std::unique_ptr<TlsClientSession> session(new TlsClientSession(std::move(trust), ssl));
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, in, out);  // owns them from here on
  SSL_set_connect_state(ssl);
  if (!expect_host(ssl, host)) return fail(Code::kInvalid, fmt::format("'{}' is no name of a host", host));
  MILLRACE_TRY(session->shake_hands());
  return session;
}

TlsClientSession::~TlsClientSession() {
  SSL_free(ssl_);
}

void TlsClientSession::send(std::string_view plain) {
  assert(established_);
  if (plain.empty()) return;
  // Into memory all of it is written at once.
  const int written = SSL_write(ssl_, plain.data(), static_cast<int>(plain.size()));
  assert(written == static_cast<int>(plain.size()) || closed_);
  std::ignore = written;
}

Status TlsClientSession::receive(std::string_view bytes) {
  BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  if (!established_) MILLRACE_TRY(shake_hands());
  return established_ ? decrypt() : Status{};
}

std::string TlsClientSession::take_output() {
  std::string bytes(BIO_ctrl_pending(SSL_get_wbio(ssl_)), '\0');
  if (!bytes.empty()) BIO_read(SSL_get_wbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

Status TlsClientSession::shake_hands() {
  ERR_clear_error();
  const int done = SSL_do_handshake(ssl_);
  established_ = done == 1;
  if (established_ || SSL_get_error(ssl_, done) == SSL_ERROR_WANT_READ) return {};
  return failure();
}

Status TlsClientSession::decrypt() {
  ERR_clear_error();
  std::array<char, 16 * 1024> piece;  // what one record of TLS holds at most
  for (;;) {
    const int got = SSL_read(ssl_, piece.data(), static_cast<int>(piece.size()));
    if (got > 0) {
      plain_.append(piece.data(), static_cast<std::size_t>(got));
      continue;
    }
    const int why = SSL_get_error(ssl_, got);
    if (why == SSL_ERROR_WANT_READ) return {};
    if (why != SSL_ERROR_ZERO_RETURN) return failure();
    closed_ = true;
    return {};
  }
}

Status TlsClientSession::failure() const {
  const long verified = SSL_get_verify_result(ssl_);
  if (verified == X509_V_OK) return fail(Code::kCorrupt, "TLS failed: " + take_openssl_error());
  ERR_clear_error();
  return fail(Code::kDenied, fmt::format("the server's certificate is not trusted: {}",
                                         X509_verify_cert_error_string(verified)));
}

}  // namespace millrace
