#include "net/tls_testing.h"

#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace millrace {
namespace {

constexpr int kPollMs = 20;

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

/// Return a certificate for `name` that signs itself and is valid for an hour.
std::unique_ptr<X509, FreeX509> make_certificate(const std::string& name, EVP_PKEY* key) {
  std::unique_ptr<X509, FreeX509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
  X509_add_ext(certificate.get(), names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate.get(), key, EVP_sha256());
  return certificate;
}

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, kPollMs) > 0;
}

}  // namespace

TlsTestServer::TlsTestServer(const Options& options)
    : options_(options), context_(SSL_CTX_new(TLS_server_method())) {
  auto listening = listen_on(*resolve_address("127.0.0.1:0"), "127.0.0.1:0");
  if (!listening) throw std::runtime_error(listening.error().text());
  listener_ = *std::move(listening);
  const std::unique_ptr<EVP_PKEY, FreeKey> key(EVP_EC_gen("P-256"));
  const auto certificate = make_certificate(options.name, key.get());
  SSL_CTX_use_certificate(context_, certificate.get());
  SSL_CTX_use_PrivateKey(context_, key.get());
  ca_file_ = fmt::format("/tmp/millrace-tls-test-{}-{}.pem", getpid(), local_address(listener_.get()).port());
  std::FILE* file = std::fopen(ca_file_.c_str(), "w");
  PEM_write_X509(file, certificate.get());
  std::fclose(file);
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

TlsTestServer::~TlsTestServer() {
  thread_.request_stop();
  thread_.join();
  SSL_CTX_free(context_);
  std::remove(ca_file_.c_str());
}

std::string TlsTestServer::address() const {
  return fmt::format("localhost:{}", local_address(listener_.get()).port());
}

void TlsTestServer::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!readable(listener_.get())) continue;
    const UniqueFd connection(::accept(listener_.get(), nullptr, nullptr));  // blocking, as accept gives it
    if (connection.valid()) serve(connection.get(), stop);
  }
}

void TlsTestServer::serve(int fd, const std::stop_token& stop) {
  SSL* ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    while (answer_one(ssl, fd, stop)) {
    }
  }
  SSL_free(ssl);
}

bool TlsTestServer::answer_one(SSL* ssl, int fd, const std::stop_token& stop) {
  std::string request;
  std::size_t body = std::string::npos;
  std::size_t length = 0;
  while (body == std::string::npos || request.size() < body + length) {
    while (SSL_pending(ssl) == 0 && !readable(fd))
      if (stop.stop_requested()) return false;
    char piece[4096];
    const int got = SSL_read(ssl, piece, sizeof piece);
    if (got <= 0) return false;
    request.append(piece, static_cast<std::size_t>(got));
    if (body != std::string::npos || request.find("\r\n\r\n") == std::string::npos) continue;
    body = request.find("\r\n\r\n") + 4;
    const std::size_t at = request.find("Content-Length: ");
    if (at != std::string::npos) length = std::stoul(request.substr(at + 16));
  }
  ++requests_;
  if (options_.cut) {
    const std::string half = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of";
    SSL_write(ssl, half.data(), static_cast<int>(half.size()));
    return false;
  }
  const std::string answer =
      fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", length, request.substr(body));
  SSL_write(ssl, answer.data(), static_cast<int>(answer.size()));
  return true;
}

}  // namespace millrace
