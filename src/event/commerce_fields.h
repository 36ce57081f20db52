#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "event/event_draft.h"

namespace millrace {

/// What the properties of a commerce event can say, whatever a producer calls it.
enum class CommerceField : std::uint8_t {
  kProductId,
  kSku,
  kName,
  kCategory,
  kBrand,
  kVariant,
  kPrice,
  kQuantity,
  kPosition,
  kCurrency,
  kProducts,
  kOrderId,
  kTotal,
  kRevenue,
  kShipping,
  kTax,
  kDiscount,
  kCoupon,
  kListId,
  kQuery,
  kUrl,
  kPath,
  kTitle,
  kReferrer,
  kRating,
  kValue,
  kSessionId,
  kRecommendationId,
  kUnknown
};

/// Collects the properties of one event as they come, and gives them their meaning when the event's type
/// is known: `name` is a product's in "Product Viewed" and anything at all in a custom event. What no
/// meaning was found for is kept in the event's properties.
class CommerceFields {
 public:
  /// Take a member; `raw` is checked JSON with 64 readable bytes after its end.
  void put(CommerceField field, std::string_view key, std::string_view raw, EventDraft& draft);

  /// Fill in items, order, page, search, list and value as the draft's type asks for. A custom event's
  /// properties that have another form than ours are no error: they stay properties.
  /// Errors: kInvalid, `where` being the producer's name of the field.
  Status apply(EventDraft& draft);

 private:
  struct Given {
    std::string_view key;
    std::string_view raw;
  };

  Given& at(CommerceField field) { return given_[static_cast<std::size_t>(field)]; }
  static std::uint32_t bit(CommerceField field) { return 1u << static_cast<unsigned>(field); }
  bool has(CommerceField field) const { return (present_ & bit(field)) != 0; }
  void drop(CommerceField field) { present_ &= ~bit(field); }

  template <class T, class Read>
  Status take(CommerceField field, T& into, Read read);
  Status take_text(CommerceField field, std::string_view& into, EventBatch& batch);
  Status take_id(CommerceField field, std::string_view& into, EventBatch& batch);
  Status take_decimal(CommerceField field, std::optional<Decimal>& into);

  Status apply_page(EventDraft& draft);
  Status apply_order(EventDraft& draft);
  Status apply_value(EventDraft& draft);
  Status apply_items(EventDraft& draft);
  Status apply_one_item(EventDraft& draft);
  Status apply_by_type(EventDraft& draft);
  Status apply_currency(EventDraft& draft);

  static_assert(static_cast<unsigned>(CommerceField::kUnknown) <= 32, "one bit for each field");
  std::array<Given, static_cast<std::size_t>(CommerceField::kUnknown)> given_;  ///< where `present_` says so
  std::uint32_t present_ = 0;
  bool is_lenient_ = false;
};

}  // namespace millrace
