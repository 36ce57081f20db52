#include "stream/subscription_testing.h"

#include <cstdlib>
#include <future>

namespace millrace {
namespace {

class ScriptedSender : public PushSender {
 public:
  ScriptedSender(std::string url, const ScriptedTargets::Answer& answer)
      : url_(std::move(url)), answer_(answer) {}
  ~ScriptedSender() override {
    for (const Done& done : hanging_) done({PushOutcome::Kind::kUnreachable, "closed"});
  }
  void send(std::string_view, PushBody body, Done done) override {
    if (const auto outcome = answer_(url_, body)) {
      done(*outcome);
    } else {
      hanging_.push_back(std::move(done));
    }
  }

 private:
  const std::string url_;
  const ScriptedTargets::Answer& answer_;
  std::vector<Done> hanging_;
};

}  // namespace

SubscriptionLogTest::SubscriptionLogTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace-sub-XXXXXX").string();
  dir_ = ::mkdtemp(pattern.data());
  reopen_log();
  make_topic("clicks");
}

SubscriptionLogTest::~SubscriptionLogTest() {
  log_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void SubscriptionLogTest::reopen_log() {
  log_.reset();
  auto opened = SegmentLog::open(Env::system(), dir_ / "log");
  ASSERT_TRUE(opened) << opened.error().text();
  log_ = *std::move(opened);
}

void SubscriptionLogTest::make_topic(std::string_view topic, std::uint32_t partitions) {
  TopicConfig config;
  config.partitions = partitions;
  config.segment_bytes = 1 << 20;
  const Status made = log_->create_topic(topic, config);
  ASSERT_TRUE(made) << made.error().text();
}

void SubscriptionLogTest::publish(const std::vector<std::string>& messages, std::uint32_t partition,
                                  std::string_view topic) {
  std::vector<NewRecord> records;
  for (const std::string& message : messages) {
    const std::string_view text = message;
    const std::size_t equals = text.find('=');
    const bool keyed = equals != std::string_view::npos;
    records.push_back({keyed ? text.substr(0, equals) : std::string_view(),
                       R"({"content_type":"text/plain"})", keyed ? text.substr(equals + 1) : text,
                       Env::system().now(), 1});
  }
  std::promise<Result<Offset>> durable;
  log_->append({std::string(topic), PartitionId(partition)}, records,
               [&](Result<Offset> offset) { durable.set_value(std::move(offset)); });
  const auto offset = durable.get_future().get();
  ASSERT_TRUE(offset) << offset.error().text();
}

std::vector<std::string> SubscriptionLogTest::values(std::string_view topic) {
  const auto batch = log_->read({std::string(topic), PartitionId(0)}, Offset(0), {});
  std::vector<std::string> out;
  if (batch)
    for (const Record& record : batch->records) out.emplace_back(record.value);
  return out;
}

Status ScriptedTargets::check(std::string_view url) const {
  if (url.starts_with("http://")) return {};
  return fail(Code::kDenied, "only http:// in this test");
}

Result<std::unique_ptr<PushSender>> ScriptedTargets::open(std::string_view url, DurationUs, std::size_t) {
  return std::make_unique<ScriptedSender>(std::string(url), answer_);
}

}  // namespace millrace
