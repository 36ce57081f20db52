#include "source/sim_visit.h"

#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::size_t kActionsMax = 15;
constexpr double kAddToCartChance = 0.42;
constexpr double kGoToCartChance = 0.38;
constexpr double kPlainPageChance = 0.14;
constexpr std::array<std::string_view, 4> kPlainPages = {"/products", "/about", "/contact", "/home"};

}  // namespace

SimVisit::SimVisit(const SimWorld& world, std::size_t person, TimeUs start, std::uint64_t seed, Pace pace,
                   std::optional<SimSpike> spike)
    : world_(world), person_(person), random_(seed), time_(start), pace_(pace), spike_(std::move(spike)) {
  session_id_ = fmt::format("S-{:016x}", random_());
  order_id_ = fmt::format("O-{:012x}", random_() >> 16);
  actions_left_ = 1 + sim_index(random_, kActionsMax);
  if (spike_ && spike_->country == this->person().country && sim_uniform(random_) < spike_->share) {
    spike_pending_ = true;
    actions_left_ = kActionsMax;
  }
}

std::optional<SimAction> SimVisit::next(const std::vector<std::size_t>& offered) {
  if (stage_ == Stage::kGone || actions_left_ == 0) return std::nullopt;
  --actions_left_;
  SimAction action;
  switch (stage_) {
    case Stage::kArrive:
      action = page("/home");
      stage_ = Stage::kBrowse;
      break;
    case Stage::kBrowse:
      action = browse(offered);
      break;
    case Stage::kConsider:
      action = add_to_cart();
      break;
    case Stage::kCart:
      action = page("/cart");
      stage_ = Stage::kCheckout;
      break;
    case Stage::kCheckout:
      action = page("/checkout");
      actions_left_ = std::max<std::size_t>(actions_left_, 1);  // who came this far pays
      stage_ = Stage::kPay;
      break;
    case Stage::kPay:
      action = page("/confirmation");
      action.type = EventType::kPurchase;
      stage_ = Stage::kGone;
      break;
    case Stage::kGone:
      return std::nullopt;
  }
  action.time = time_;
  time_ +=
      static_cast<DurationUs>(-std::log(1 - sim_uniform(random_)) * static_cast<double>(pace_.think_mean));
  return action;
}

SimAction SimVisit::page(std::string path) {
  SimAction action;
  action.referrer_path = path_;
  action.page_path = path_ = std::move(path);
  return action;
}

SimAction SimVisit::look_at(std::size_t product, bool from_recommendation) {
  looked_at_ = product;
  SimAction action = page("/products/" + world_.products()[product].id);
  action.type = EventType::kItemView;
  action.product = product;
  action.from_recommendation = from_recommendation;
  after_look();
  return action;
}

SimAction SimVisit::browse(const std::vector<std::size_t>& offered) {
  if (spike_pending_) return look_at(spike_->product, false);
  if (!offered.empty()) {
    const std::size_t chosen = world_.choose_among(person(), offered, random_);
    if (chosen < offered.size()) return look_at(offered[chosen], true);
  }
  if (sim_uniform(random_) < kPlainPageChance)
    return page(std::string(kPlainPages[sim_index(random_, kPlainPages.size())]));
  return look_at(world_.choose_product(person(), random_), false);
}

void SimVisit::after_look() {
  const bool adds = spike_pending_ || sim_uniform(random_) < kAddToCartChance;
  stage_ = adds ? Stage::kConsider : Stage::kBrowse;
}

SimAction SimVisit::add_to_cart() {
  SimAction action;
  action.type = EventType::kAddToCart;
  action.page_path = action.referrer_path = path_;
  action.product = looked_at_;
  action.quantity = sim_uniform(random_) < 0.8 ? 1 : 2 + static_cast<std::int64_t>(sim_index(random_, 2));
  cart_.push_back({looked_at_, action.quantity});
  stage_ = spike_pending_ || sim_uniform(random_) < kGoToCartChance ? Stage::kCart : Stage::kBrowse;
  spike_pending_ = false;
  return action;
}

}  // namespace millrace
