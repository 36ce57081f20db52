#include "model/session_knn.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

bool holds(std::span<const std::uint32_t> items, std::uint32_t item) {
  return std::ranges::find(items, item) != items.end();
}

}  // namespace

SessionKnn::Session& SessionKnn::session_of(std::uint64_t id) {
  const auto [found, is_new] = numbers_.try_emplace(id, first_ + sessions_.size());
  if (!is_new) return sessions_[found->second - first_];
  sessions_.push_back({.id = id, .last = 0, .items = {}});
  if (sessions_.size() > settings_.sessions) {
    numbers_.erase(sessions_.front().id);
    sessions_.pop_front();
    ++first_;
  }
  return sessions_.back();
}

std::span<const std::uint32_t> SessionKnn::items_of(std::uint64_t session) const {
  const auto found = numbers_.find(session);
  return found == numbers_.end() ? std::span<const std::uint32_t>() : sessions_[found->second - first_].items;
}

void SessionKnn::add(std::uint64_t session, std::uint32_t item, TimeUs time) {
  Session& into = session_of(session);
  into.last = std::max(into.last, time);
  if (into.items.size() >= settings_.session_items || holds(into.items, item)) return;
  into.items.push_back(item);
  if (item >= postings_.size()) postings_.resize(item + 1);
  Postings& postings = postings_[item];
  ++postings.count;
  const std::uint64_t number = numbers_.at(session);
  if (postings.sessions.size() < settings_.sessions_per_item) {
    postings.sessions.push_back(number);
  } else {
    postings.sessions[postings.next] = number;
    postings.next = (postings.next + 1) % settings_.sessions_per_item;
  }
}

void SessionKnn::find_similar(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch) const {
  scratch.similarity.resize(std::max(scratch.similarity.size(), sessions_.size()));
  scratch.shared_at.resize(scratch.similarity.size());
  scratch.touched.clear();
  const std::size_t count = std::min(items.size(), settings_.context_items);
  for (std::size_t back = 0; back < count; ++back) {
    const std::uint32_t item = items[items.size() - 1 - back];
    if (item >= postings_.size()) continue;
    if (holds(items.last(back), item)) continue;  // it counts where it was met last
    const float weight = 1 - static_cast<float>(back) / static_cast<float>(count);
    for (const std::uint64_t number : postings_[item].sessions) {
      if (number < first_) continue;
      const auto place = static_cast<std::uint32_t>(number - first_);
      if (scratch.similarity[place] == 0) {
        scratch.touched.push_back(place);
        scratch.shared_at[place] = static_cast<std::uint16_t>(back);
      }
      scratch.similarity[place] += weight;
    }
  }
  if (settings_.half_life > 0)
    for (const std::uint32_t place : scratch.touched)
      scratch.similarity[place] *=
          std::exp2(-static_cast<float>(std::max<DurationUs>(0, now - sessions_[place].last)) /
                    static_cast<float>(settings_.half_life));
}

void SessionKnn::score(std::span<const std::uint32_t> items, TimeUs now, Scratch& scratch,
                       std::span<float> scores) const {
  find_similar(items, now, scratch);
  const auto more_similar = [&](std::uint32_t a, std::uint32_t b) {
    return scratch.similarity[a] != scratch.similarity[b] ? scratch.similarity[a] > scratch.similarity[b]
                                                          : a > b;
  };
  const std::size_t kept = std::min(settings_.neighbours, scratch.touched.size());
  std::ranges::nth_element(scratch.touched, scratch.touched.begin() + static_cast<std::ptrdiff_t>(kept),
                           more_similar);
  for (std::size_t i = 0; i < kept; ++i) {
    const std::uint32_t place = scratch.touched[i];
    const float by_place = std::max(0.1F, 1 - 0.1F * static_cast<float>(scratch.shared_at[place]));
    for (const std::uint32_t item : sessions_[place].items)
      if (item < scores.size()) {
        float weight = scratch.similarity[place] * by_place;
        if (settings_.idf > 0)
          weight *= static_cast<float>(std::pow(
              std::log1p(static_cast<double>(sessions_.size()) / static_cast<double>(postings_[item].count)),
              settings_.idf));
        scores[item] += weight;
      }
  }
  for (const std::uint32_t place : scratch.touched) scratch.similarity[place] = 0;
}

}  // namespace millrace
