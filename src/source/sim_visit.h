#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "event/event.h"
#include "source/sim_world.h"

namespace millrace {

/// One thing a simulated visitor does.
struct SimAction {
  EventType type = EventType::kPageView;
  std::string page_path;
  std::string referrer_path;
  std::optional<std::size_t> product;  ///< index into SimWorld::products()
  std::int64_t quantity = 1;
  bool from_recommendation = false;
  TimeUs time = 0;
};

/// Sell `product` as if everybody in `country` had heard of it: each visit from there goes for it
/// with `share`.
struct SimSpike {
  std::size_t product = 0;
  std::string country;
  double share = 0.6;
};

/// A line of a cart.
struct SimCartLine {
  std::size_t product = 0;
  std::int64_t quantity = 1;
};

/// One visit, step by step: home page, then pages, searches and products until the visitor leaves or
/// buys. What is offered on a page (recommendations) decides in part what they look at next.
///
/// Follows the reference simulator's proportions: 1 to 15 events, about 6 page views to 3 additions
/// to the cart to 1 purchase.
class SimVisit {
 public:
  struct Pace {
    DurationUs think_mean = 20 * kSecondUs;  ///< between two actions, drawn exponentially
  };

  /// `world` must outlive the visit. `seed` decides everything that happens.
  SimVisit(const SimWorld& world, std::size_t person, TimeUs start, std::uint64_t seed, Pace pace,
           std::optional<SimSpike> spike = std::nullopt);

  /// Return the next action, or nothing when the visit is over. `offered` are the products shown on
  /// the present page.
  std::optional<SimAction> next(const std::vector<std::size_t>& offered);

  const SimPerson& person() const { return world_.people()[person_]; }
  const std::string& session_id() const { return session_id_; }
  const std::string& order_id() const { return order_id_; }

  /// What is in the cart; at a purchase, what is bought.
  const std::vector<SimCartLine>& cart() const { return cart_; }

  /// When the next action is due at the earliest.
  TimeUs next_time() const { return time_; }

 private:
  enum class Stage { kArrive, kBrowse, kConsider, kCart, kCheckout, kPay, kGone };

  SimAction page(std::string path);
  SimAction look_at(std::size_t product, bool from_recommendation);
  SimAction browse(const std::vector<std::size_t>& offered);
  SimAction add_to_cart();
  void after_look();

  const SimWorld& world_;
  std::size_t person_;
  SimWorld::Random random_;
  TimeUs time_;
  Pace pace_;
  std::optional<SimSpike> spike_;
  Stage stage_ = Stage::kArrive;
  std::size_t actions_left_;
  std::size_t looked_at_ = 0;
  bool spike_pending_ = false;
  std::string path_;
  std::string session_id_;
  std::string order_id_;
  std::vector<SimCartLine> cart_;
};

}  // namespace millrace
