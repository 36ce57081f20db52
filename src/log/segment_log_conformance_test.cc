#include <cstdlib>

#include "log/event_log_conformance_testing.h"
#include "log/segment_log.h"

namespace millrace {
namespace {

/// A SegmentLog in a directory of the machine, removed at the end.
class SegmentLogHarness final : public EventLogHarness {
 public:
  SegmentLogHarness() {
    std::string pattern = (std::filesystem::temp_directory_path() / "millrace-log-XXXXXX").string();
    dir_ = ::mkdtemp(pattern.data());
    open();
  }
  ~SegmentLogHarness() override {
    log_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  EventLog& log() override { return *log_; }
  void reopen() override {
    log_.reset();
    open();
  }

 private:
  void open() {
    auto opened = SegmentLog::open(Env::system(), dir_);
    if (!opened) throw std::runtime_error(opened.error().text());
    log_ = *std::move(opened);
    EXPECT_TRUE(log_->problems().empty());
  }

  Path dir_;
  std::unique_ptr<SegmentLog> log_;
};

INSTANTIATE_TEST_SUITE_P(SegmentLog, EventLogConformance,
                         ::testing::Values([] { return std::make_unique<SegmentLogHarness>(); }));

}  // namespace
}  // namespace millrace
