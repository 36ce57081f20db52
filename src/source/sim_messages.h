#pragma once

#include <span>
#include <string>
#include <string_view>

#include "source/sim_visit.h"
#include "source/sim_world.h"

namespace millrace {

/// Append `action` of `visit` as one Segment message, as a shop's page would send it. `visit` is as it was
/// right after it returned the action (a purchase is of its cart). `recommendation_id` is the answer that
/// led to it, or empty.
void append_segment_message(const SimWorld& world, const SimVisit& visit, const SimAction& action,
                            std::string_view message_id, std::string_view recommendation_id,
                            std::string& out);

/// Append a whole visit as one clickstream visit document (C1) with `actions` in order. Visits know page
/// views, additions to the cart and purchases; looking at a product is the view of its page.
void append_visit_document(const SimWorld& world, const SimVisit& visit, std::span<const SimAction> actions,
                           std::string& out);

/// Append what the visitor has browsed so far as one e-commerce activity event (E7).
void append_activity_event(const SimWorld& world, const SimVisit& visit, std::span<const SimAction> actions,
                           std::string& out);

/// Append {"id":…,"name":…,"category":…,"price":…} of a product, and {"id":…,"country":…} of a person, as
/// PUT /v1/items and /v1/users take them.
void append_item(const SimProduct& product, std::string& out);
void append_user(const SimPerson& person, std::string& out);

}  // namespace millrace
