#include "server/flow_http.h"

#include <map>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "event/json_writer.h"
#include "net/http_client.h"
#include "server/push_client.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using Kind = FlowOutcome::Kind;

constexpr std::size_t kAnswerBytesMax = 64 << 20;

std::string text_of(const Json& record, const char* member) {
  const auto found = record.find(member);
  return found != record.end() && found->is_string() ? found->get<std::string>() : "";
}

Error failed(std::string message) {
  return {Code::kInvalid, std::move(message), {}};
}

FlowOutcome outcome_of(const Json& record) {
  const std::string result = text_of(record, "result");
  if (result == "Dropped") return {Kind::kDrop, {}, {}};
  if (result == "ProcessingFailed") {
    const std::string why = text_of(record, "errorMessage");
    return {Kind::kFailed, {}, failed(why.empty() ? "the function answered ProcessingFailed" : why)};
  }
  if (result != "Ok")
    return {Kind::kAgain, {}, failed("the function's result is none of Ok, Dropped, ProcessingFailed")};
  auto data = base64_decode(text_of(record, "data"));
  if (!data || !record.contains("data"))
    return {Kind::kAgain, {}, failed("the function's data is not base64")};
  return {Kind::kPublish, *std::move(data), {}};
}

std::vector<FlowOutcome> all_again(std::size_t count, const Error& error) {
  return std::vector<FlowOutcome>(count, FlowOutcome{Kind::kAgain, {}, error});
}

class HttpFunction : public FlowFunction {
 public:
  HttpFunction(HttpFunctionOptions options, PushUrl url)
      : options_(std::move(options)), url_(std::move(url)) {}

  Result<std::vector<FlowOutcome>> apply(std::span<const SubscriptionMessage* const> messages) override;

 private:
  Status connect();

  const HttpFunctionOptions options_;
  const PushUrl url_;
  std::unique_ptr<HttpClient> client_;
};

Status HttpFunction::connect() {
  HttpClientOptions options;
  options.address = url_.address;
  options.connect_timeout = options.request_timeout = options_.timeout;
  options.response_bytes_max = kAnswerBytesMax;
  if (!options_.authorization.empty()) options.headers = {{"Authorization", options_.authorization}};
  MILLRACE_ASSIGN(client_, HttpClient::connect(std::move(options)));
  return {};
}

Result<std::vector<FlowOutcome>> HttpFunction::apply(std::span<const SubscriptionMessage* const> messages) {
  if (!client_) MILLRACE_TRY(connect());
  const auto answer = client_->request("POST", url_.target, function_request(messages));
  if (!answer) {
    client_.reset();
    if (answer.error().code == Code::kNotFound) return fail(answer.error());
    return all_again(messages.size(), answer.error());
  }
  if (answer->status != 200)
    return all_again(messages.size(),
                     {Code::kIo, fmt::format("the function answered {}", answer->status), {}});
  auto outcomes = function_outcomes(messages, answer->body);
  return outcomes ? *std::move(outcomes) : all_again(messages.size(), outcomes.error());
}

}  // namespace

std::string function_request(std::span<const SubscriptionMessage* const> messages) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object().key("records").begin_array();
  for (const SubscriptionMessage* message : messages) {
    writer.begin_object().member("recordId", message->id());
    writer.member("approximateArrivalTimestamp", message->publish_time / kMillisecondUs);
    writer.member("data", base64_encode(message->data)).end_object();
  }
  writer.end_array().end_object();
  return out;
}

Result<std::vector<FlowOutcome>> function_outcomes(std::span<const SubscriptionMessage* const> messages,
                                                   std::string_view answer) {
  const Json body = Json::parse(answer, nullptr, false);
  if (!body.is_object() || !body.value("records", Json()).is_array())
    return fail(Code::kInvalid, R"(the function's answer is not {"records":[…]})");
  std::map<std::string, std::size_t> places;
  for (std::size_t i = 0; i < messages.size(); ++i) places[messages[i]->id()] = i;
  std::vector<FlowOutcome> outcomes =
      all_again(messages.size(), failed("the function left the record out of its answer"));
  std::vector<bool> seen(messages.size());
  for (const Json& record : body["records"]) {
    const auto place = record.is_object() ? places.find(text_of(record, "recordId")) : places.end();
    if (place == places.end())
      return fail(Code::kInvalid, "the function answered a recordId that it was not given");
    if (seen[place->second]) return fail(Code::kInvalid, "the function answered a recordId twice");
    seen[place->second] = true;
    outcomes[place->second] = outcome_of(record);
  }
  return outcomes;
}

Result<std::unique_ptr<FlowFunction>> make_http_function(HttpFunctionOptions options) {
  MILLRACE_ASSIGN(PushUrl url, PushUrl::parse(options.url));
  if (url.tls)
    return fail(Code::kInvalid,
                "functions are called by http:// alone; put a proxy beside Millrace that speaks TLS");
  return std::make_unique<HttpFunction>(std::move(options), std::move(url));
}

}  // namespace millrace
