#include "stream/subscription_push.h"

#include <algorithm>

namespace millrace {
namespace {

// Fewer may be the fault of a message, not of the endpoint.
constexpr std::uint32_t kFailuresToPause = 3;

}  // namespace

PushWindow::PushWindow(const Options& options)
    : options_(options),
      size_(static_cast<double>(std::min(options.first, options.most))),
      threshold_(static_cast<double>(options.most)) {}

void PushWindow::succeeded() {
  failures_ = pauses_ = 0;
  size_ = std::min(size_ + (size_ < threshold_ ? 1.0 : 1.0 / size_), static_cast<double>(options_.most));
}

void PushWindow::failed(DurationUs now, double jitter, std::optional<DurationUs> retry_after) {
  ++failures_;
  if (retry_after) paused_until_ = std::max(paused_until_, now + std::min(*retry_after, options_.pause_max));
  if (now < paused_until_) return;  // it was under way together with the one that led to the pause
  size_ = threshold_ = std::max(size_ / 2, 1.0);
  if (failures_ < kFailuresToPause && size_ > 1) return;
  const DurationUs longest = std::min(options_.pause_min << std::min(pauses_++, 30u), options_.pause_max);
  paused_until_ = now + static_cast<DurationUs>(static_cast<double>(longest) * (0.5 + jitter / 2));
}

}  // namespace millrace
