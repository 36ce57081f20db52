#include "app/worker_sink.h"

#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <unistd.h>

#include "base/text.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kAnswerBytesMax = 64 << 10;
constexpr int kEndWaitMs = 500;

/// The line a program gets for a message.
std::string line_of(const Json& pulled) {
  const Json& message = pulled["message"];
  Json line = {{"message_id", message["message_id"]},
               {"publish_time", message["publish_time"]},
               {"delivery_attempt", pulled["delivery_attempt"]},
               {"attributes", message.value("attributes", Json::object())}};
  if (const auto key = message.find("ordering_key"); key != message.end()) line["key"] = *key;
  std::string data = base64_decode(message["data"].get_ref<const std::string&>()).value_or("");
  if (is_utf8(data)) {
    line["data"] = std::move(data);
  } else {
    line["data_base64"] = message["data"];
  }
  return line.dump() + "\n";
}

Result<Verdict> verdict_of(const std::string& line) {
  if (line == "ok") return Verdict{true, {}};
  if (line == "fail") return Verdict{false, "the command says so"};
  if (line.starts_with("fail ")) return Verdict{false, line.substr(5)};
  return fail(
      Code::kInvalid,
      fmt::format(
          "the command answered '{}'; its standard output is for one line 'ok' or 'fail REASON' for each "
          "message, anything else goes to standard error",
          line.substr(0, 80)));
}

}  // namespace

Result<std::unique_ptr<WorkerSink>> CommandSink::start(const ChildOptions& command) {
  MILLRACE_ASSIGN(ChildProcess child, ChildProcess::start(command));
  return std::unique_ptr<WorkerSink>(new CommandSink(std::move(child)));
}

CommandSink::CommandSink(ChildProcess child) : child_(std::move(child)), answers_(kAnswerBytesMax) {}

void CommandSink::add(const Json& pulled) {
  unsent_.erase(0, std::exchange(sent_, 0));
  unsent_ += line_of(pulled);
  ++awaited_;
}

Status CommandSink::ended() {
  const auto how = child_.wait(kEndWaitMs);
  return fail(Code::kIo, how ? fmt::format("the command ended with {}", *how)
                             : "the command closed its standard output");
}

Status CommandSink::send() {
  const ssize_t n = ::write(child_.input(), unsent_.data() + sent_, unsent_.size() - sent_);
  if (n > 0) sent_ += static_cast<std::size_t>(n);
  // Why it does not read any more shows at its other end, after the answers that are still to come.
  if (n < 0 && errno != EAGAIN && errno != EINTR) sent_ = unsent_.size();
  return {};
}

Status CommandSink::receive(std::vector<Verdict>& verdicts) {
  const Status read = answers_.read(child_.output());
  while (const auto line = answers_.next()) {
    MILLRACE_ASSIGN(Verdict verdict, verdict_of(*line));
    if (awaited_ == 0)
      return fail(Code::kInvalid, "the command answered more lines than it was given messages");
    --awaited_;
    verdicts.push_back(std::move(verdict));
  }
  if (read) return {};
  return read.error().code == Code::kNotFound ? ended() : read;
}

Status CommandSink::work(DurationUs limit, std::vector<Verdict>& verdicts) {
  const bool sending = sent_ < unsent_.size();
  std::array<pollfd, 2> fds = {{{child_.output(), POLLIN, 0}, {child_.input(), POLLOUT, 0}}};
  if (poll(fds.data(), sending ? 2 : 1, static_cast<int>(limit / kMillisecondUs)) <= 0) return {};
  if (sending && fds[1].revents != 0) MILLRACE_TRY(send());
  return fds[0].revents != 0 ? receive(verdicts) : Status();
}

void CommandSink::finish(DurationUs limit) {
  child_.close_input();
  child_.wait(static_cast<int>(limit / kMillisecondUs));
}

CollectorSink::CollectorSink(ServerPlace place, DurationUs timeout, const std::string& codec,
                             std::string subscription)
    : server_(std::move(place), timeout),
      target_("/v1/push/" + url_encode(codec)),
      subscription_(std::move(subscription)) {}

void CollectorSink::add(const Json& pulled) {
  waiting_.push_back({{"message", pulled["message"]}, {"subscription", subscription_}});
}

Status CollectorSink::work(DurationUs limit, std::vector<Verdict>& verdicts) {
  if (waiting_.empty()) return {};
  const auto answer = server_.ask("POST", target_, waiting_.front());
  // Only what is wrong with the message itself is its failure; a busy server or a wrong token is not.
  if (!answer && answer.error().code != Code::kInvalid) {
    Env::system().sleep_for(limit);
    return {};
  }
  waiting_.pop_front();
  verdicts.push_back(answer ? Verdict{true, {}} : Verdict{false, answer.error().message});
  return {};
}

}  // namespace millrace
