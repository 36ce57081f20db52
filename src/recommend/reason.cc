#include <fmt/format.h>

#include "recommend/ranking.h"

namespace millrace {
namespace {

Reason because_of(std::string_view code, std::string_view before, const Item& item,
                  std::string_view after = {}) {
  const std::string& name = item.facts.name.empty() ? item.facts.id : item.facts.name;
  return {std::string(code), fmt::format("{}{}{}", before, name, after), {item.facts.id}};
}

Reason seen_together(const ContextItem& context, const Item& item, Placement placement) {
  switch (context.kind) {
    case TouchKind::kCart:
      return because_of("because_cart", "Goes with ", item, " in your cart");
    case TouchKind::kBought:
      return because_of("because_bought", "Because you bought ", item);
    case TouchKind::kLike:
      return because_of("because_liked", "Because you liked ", item);
    case TouchKind::kRead:
      return because_of("because_read", "Because you read ", item);
    case TouchKind::kView:
      break;
  }
  if (placement == Placement::kItem && context.on_page) {
    return because_of("seen_together", "Often looked at together with ", item);
  }
  return because_of("because_viewed", "Because you looked at ", item);
}

}  // namespace

Reason make_reason(const ReasonInput& input) {
  switch (input.source) {
    case CandidateSource::kCoBought:
      if (input.because) return because_of("bought_together", "Often bought together with ", *input.because);
      break;
    case CandidateSource::kCoSeen:
      if (input.because && input.context)
        return seen_together(*input.context, *input.because, input.placement);
      break;
    case CandidateSource::kPopularCountry:
      return {"popular_country", fmt::format("Popular in {}", input.country), {}};
    case CandidateSource::kPopularCategory:
      return {"popular_category", fmt::format("Popular in {}", input.category), {}};
    case CandidateSource::kPopularWeek:
      return {"popular_week", "Sold most this week", {}};
    case CandidateSource::kPopular:
      break;
    case CandidateSource::kNew:
      return {"new", "New here", {}};
    case CandidateSource::kPromotion:
      return {"promotion", input.promotion.empty() ? "Promoted" : std::string(input.promotion), {}};
    default:
      // What a model has learnt from, looks or sales, the words leave open.
      if (input.because && input.context && !input.context->on_page)
        return seen_together(*input.context, *input.because, input.placement);
      if (input.because) return because_of("goes_with", "Goes with ", *input.because);
      return {"for_you", "Chosen for you", {}};
  }
  return {"popular", "Popular now", {}};
}

}  // namespace millrace
