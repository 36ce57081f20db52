#include "stream/session_timers.h"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "stream/window.h"

namespace millrace {
namespace {

/// Order a heap so that the earliest timer is at its front.
bool later(const SessionTimers::Timer& a, const SessionTimers::Timer& b) {
  return std::tie(a.due, a.sequence) > std::tie(b.due, b.sequence);
}

}  // namespace

SessionTimers::SessionTimers(DurationUs bucket_width)
    : width_(std::max<DurationUs>(1, bucket_width)), near_end_(kBeforeAllTime) {}

std::int64_t SessionTimers::bucket_of(TimeUs due) const {
  return due / width_ - (due % width_ < 0 ? 1 : 0);
}

void SessionTimers::push(const Timer& timer) {
  if (timer.due >= near_end_) return far_[bucket_of(timer.due)].push_back(timer);
  near_.push_back(timer);
  std::ranges::push_heap(near_, later);
}

const SessionTimers::Timer& SessionTimers::top() {
  if (near_.empty()) fetch_bucket();
  return near_.front();
}

void SessionTimers::pop() {
  if (near_.empty()) fetch_bucket();
  std::ranges::pop_heap(near_, later);
  near_.pop_back();
}

void SessionTimers::fetch_bucket() {
  assert(!far_.empty());
  const auto first = far_.begin();
  near_end_ = (first->first + 1) * width_;
  near_ = std::move(first->second);
  far_.erase(first);
  std::ranges::make_heap(near_, later);
}

TimeUs SessionTimers::due_at_least() const {
  if (!near_.empty()) return near_.front().due;
  return far_.empty() ? kAfterAllTime : far_.begin()->first * width_;
}

}  // namespace millrace
