#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "net/http.h"
#include "server/catalogue_record.h"

/// The shapes of Gorse's HTTP API beside ours: items, users, lists. docs/how-to/gorse.md says what becomes
/// what.
namespace millrace {

/// Read a body. Errors: kInvalid for what is no JSON, or too deep.
Result<nlohmann::json> gorse_body(std::string_view body);

/// Say an error as Gorse's clients show it: the text alone.
HttpResponse gorse_error(const Error& error);

/// Change an item's attributes in our catalogue by what `item` has of {"IsHidden", "Categories", "Timestamp",
/// "Labels", "Comment"}; what is null or missing stays as it was. Errors: kInvalid, naming the member.
Status apply_gorse_item(nlohmann::json& attributes, const nlohmann::json& item);

/// The same of a user: "Labels" and "Comment".
Status apply_gorse_user(nlohmann::json& attributes, const nlohmann::json& user);

/// Put an item into a category, or take it out.
void add_gorse_category(nlohmann::json& attributes, const std::string& category);
void remove_gorse_category(nlohmann::json& attributes, const std::string& category);

enum class GorseKind : std::uint8_t { kItem, kUser };

/// Read one object or an array of them into records of the catalogue. Errors: kInvalid, with the place.
Result<std::vector<CatalogueRecord>> gorse_records(GorseKind kind, const nlohmann::json& body);

/// Return {"ItemId", "IsHidden", "Categories", "Timestamp", "Labels", "Comment"} of what our catalogue has.
nlohmann::json gorse_item(const std::string& id, const nlohmann::json& attributes);

/// Return {"UserId", "Labels", "Comment"}.
nlohmann::json gorse_user(const std::string& id, const nlohmann::json& attributes);

/// Which part of a list is asked for.
struct GorsePage {
  std::size_t n = 10;
  std::size_t offset = 0;
};

inline constexpr std::size_t kGorseListMax = 500;    ///< recommendations that one list goes on for
inline constexpr std::size_t kGorseRowsMax = 1'000;  ///< of one page of items, users or feedback

/// Read `n` and `offset`; what is beyond `n_max` is cut. Errors: kInvalid for what is no number, or negative.
Result<GorsePage> gorse_page(const QueryParameters& query, std::size_t n_max);

}  // namespace millrace
