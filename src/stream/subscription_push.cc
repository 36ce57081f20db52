#include "stream/subscription_push.h"

#include <algorithm>

namespace millrace {

PushWindow::PushWindow(const Options& options)
    : options_(options),
      size_(static_cast<double>(std::min(options.first, options.most))),
      threshold_(static_cast<double>(options.most)) {}

void PushWindow::succeeded() {
  failures_ = 0;
  size_ = std::min(size_ + (size_ < threshold_ ? 1.0 : 1.0 / size_), static_cast<double>(options_.most));
}

void PushWindow::failed(DurationUs now, double jitter, std::optional<DurationUs> retry_after) {
  ++failures_;
  // Many pushes that were under way together fail together: that is one sign, not many.
  if (now - shrunk_at_ >= options_.pause_min || size_ <= 1) {
    threshold_ = std::max(size_ / 2, 1.0);
    size_ = threshold_;
    shrunk_at_ = now;
  }
  if (retry_after) paused_until_ = std::max(paused_until_, now + std::min(*retry_after, options_.pause_max));
  if (size_ > 1) return;
  const DurationUs longest = std::min(options_.pause_min << std::min(failures_ - 1, 30u), options_.pause_max);
  const auto pause = static_cast<DurationUs>(static_cast<double>(longest) * (0.5 + jitter / 2));
  paused_until_ = std::max(paused_until_, now + pause);
}

}  // namespace millrace
