#include "app/server_link.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kServerFileBytesMax = 1 << 16;

Error error_of(const HttpResponse& answer) {
  Code code = Code::kIo;
  if (answer.status == 401 || answer.status == 403) code = Code::kDenied;
  if (answer.status == 404) code = Code::kNotFound;
  if (answer.status == 400 || answer.status == 413) code = Code::kInvalid;
  const Json body = Json::parse(answer.body, nullptr, false);
  if (body.is_object() && body.contains("message") && body["message"].is_string())
    return {code, body["message"].get<std::string>(), {}};
  return {code, fmt::format("the server answered {}", answer.status), {}};
}

/// Read the address and the token of the server that has `data` open.
Status read_server_file(const Path& data, HttpClientOptions& options) {
  const Path path = data / "server.json";
  const auto text = read_file(Env::system(), path, kServerFileBytesMax);
  if (!text)
    return fail(Code::kIo,
                fmt::format("no server runs with the data in {}; start `millrace up`, or say where it is "
                            "with --data or --server",
                            data.string()));
  const Json file = Json::parse(*text, nullptr, false);
  if (!file.is_object()) return fail(Code::kIo, "is not JSON", path.string());
  options.address = "unix:" + file.value("socket", "");
  options.headers = {{"Authorization", "Bearer " + file.value("token", "")}};
  return {};
}

}  // namespace

Status ServerLink::connect() {
  HttpClientOptions options;
  options.connect_timeout = timeout_;
  options.request_timeout = timeout_;
  if (place_.address.empty()) {
    MILLRACE_TRY(read_server_file(place_.data, options));
  } else {
    options.address = place_.address;
    if (!place_.token.empty()) options.headers = {{"Authorization", "Bearer " + place_.token}};
  }
  auto client = HttpClient::connect(std::move(options));
  if (!client && client.error().code == Code::kNotFound) return fail(Code::kIo, client.error().message);
  MILLRACE_ASSIGN(client_, std::move(client));
  return {};
}

Result<Json> ServerLink::ask(std::string_view method, const std::string& target, const Json& body) {
  if (!client_) MILLRACE_TRY(connect());
  auto answer = client_->request(method, target, body.is_null() ? "" : body.dump());
  if (!answer) {
    client_.reset();
    const Error& error = answer.error();
    return fail(error.code == Code::kDeadline ? Code::kDeadline : Code::kIo, error.message);
  }
  // The token is another once it was started again; where this one was read from has the new one then.
  if (answer->status == 401 || answer->status == 403) client_.reset();
  if (answer->status < 200 || answer->status >= 300) return fail(error_of(*answer));
  Json parsed = Json::parse(answer->body, nullptr, false);
  if (parsed.is_discarded()) return fail(Code::kIo, "the server's answer is not JSON");
  return parsed;
}

}  // namespace millrace
