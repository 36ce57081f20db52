#include "source/column_roles.h"

#include <algorithm>
#include <cctype>
#include <functional>

#include "source/file_groups.h"

namespace millrace {
namespace {

using Type = ColumnProfile::Type;

bool is_text(const ColumnProfile& column) {
  return column.type == Type::kText;
}
bool is_id(const ColumnProfile& column) {
  return column.type == Type::kText || column.type == Type::kInteger;
}
bool is_number(const ColumnProfile& column) {
  return column.is_number();
}
bool is_amount(const ColumnProfile& column) {
  return column.is_number() && column.time_format.empty() && column.distinct > 0;
}
bool is_time(const ColumnProfile& column) {
  return !column.time_format.empty();
}
/// Numbers, or their words: what the numbers of some site mean is not for us to say.
bool is_word(const ColumnProfile& column) {
  return column.type == Type::kText && column.bytes_max <= 200;
}
bool is_rating(const ColumnProfile& column) {
  const auto in_bounds = [](const std::string& text) {
    return text.size() <= 4 && !text.starts_with('-') && std::stod(text) >= 1 && std::stod(text) <= 5;
  };
  return column.is_number() && in_bounds(column.min) && in_bounds(column.max);
}
bool is_type(const ColumnProfile& column) {
  return column.type == Type::kText && !column.values.empty();
}
bool is_currency(const ColumnProfile& column) {
  return column.type == Type::kText && column.min.size() == 3 && column.bytes_max == 3;
}
bool is_code(const ColumnProfile& column) {
  return column.type != Type::kJson && column.type != Type::kEmpty;
}

/// Names that a column of a role has, without their word breaks, the likeliest first.
struct Role {
  std::string_view role;
  bool (*fits)(const ColumnProfile&);
  std::vector<std::string_view> names;
};

const std::vector<Role>& all_roles() {
  static const std::vector<Role> roles{
      {"message_id", is_id, {"messageid", "eventid", "eventuuid"}},
      {"user_id",
       is_id,
       {"userid", "customerid", "customernumber", "memberid", "accountid", "buyerid", "reviewerid",
        "subscriberid", "custid", "uid", "user", "customer", "visitornumber"}},
      {"anonymous_id",
       is_id,
       {"anonymousid", "visitorid", "fullvisitorid", "cookieid", "deviceid", "clientid"}},
      {"session_id", is_id, {"sessionid", "visitid", "session"}},
      {"item.item_id",
       is_id,
       {"itemid", "productid", "productcode", "articleid", "stockcode", "sku", "productsku", "asin", "isbn",
        "movieid", "bookid", "parentasin", "item", "product", "article"}},
      {"order.order_id",
       is_id,
       {"orderid", "ordernumber", "orderno", "invoiceno", "invoiceid", "invoicenumber", "transactionid",
        "basketid", "receiptid", "invoice"}},
      {"time",
       is_time,
       {"eventtime",
        "eventtimestamp",
        "timestamp",
        "clicktimestamp",
        "invoicedate",
        "orderdate",
        "orderedat",
        "paidat",
        "placedat",
        "at",
        "purchasedat",
        "purchasedate",
        "transactiondate",
        "occurredat",
        "viewedat",
        "datetime",
        "time",
        "ts",
        "tdat",
        "createdat",
        "createdatts",
        "date",
        "updatedat"}},
      {"type", is_type, {"eventtype", "eventname", "event", "action", "behavior", "behaviortype", "type"}},
      {"value", is_rating, {"rating", "productrating", "stars", "score", "overall"}},
      {"item.quantity", is_number, {"quantity", "qty", "quantityordered", "units"}},
      {"item.price", is_amount, {"unitprice", "price", "priceeach", "itemprice", "saleprice", "msrp"}},
      {"order.total", is_amount, {"ordertotal", "totalamount", "total", "amount", "grandtotal", "revenue"}},
      {"order.currency", is_currency, {"currency", "currencycode"}},
      {"item.name",
       is_text,
       {"productname", "itemname", "productdescription", "title", "description", "name"}},
      {"item.category",
       is_code,
       {"category", "productcategory", "productline", "categoryid", "categorycode", "department", "genre",
        "section"}},
      {"item.brand", is_text, {"brand", "manufacturer", "vendor", "productvendor"}},
      {"search_query", is_text, {"searchquery", "query", "searchterm", "keywords"}},
      {"page_url", is_text, {"pageurl", "url", "pagepath", "page"}},
      {"page_referrer", is_text, {"referrerurl", "referrer", "referer"}},
      {"device_type", is_word, {"devicetype", "device", "devicecategory", "devicegroup"}},
      {"os", is_word, {"os", "operatingsystem"}},
      {"browser", is_word, {"browser"}},
      {"user_agent", is_text, {"useragent"}},
      {"ip", is_text, {"ip", "ipaddress"}},
      {"country", is_word, {"country", "countrycode", "countryname"}},
      {"region", is_word, {"region", "state", "province"}},
      {"city", is_word, {"city", "town"}},
      {"postal_code", is_code, {"postalcode", "postcode", "zip", "zipcode"}},
  };
  return roles;
}

/// Return how well a name fits: 0 not at all, higher is better. A name may have words before it that say
/// whose it is: "click article id".
int score(const std::vector<std::string>& words, const Role& role) {
  std::string joined;
  for (std::size_t n = words.size(); n-- > 0;) {
    joined.insert(0, words[n]);
    const auto found = std::ranges::find(role.names, std::string_view(joined));
    if (found == role.names.end()) continue;
    const int order = 50 - static_cast<int>(found - role.names.begin());
    if (n == 0) return 100 + order;
    // "session time" may be a time; "parent user" or "store country" are somebody else's more often than not.
    if (joined.size() > 2) return order;
  }
  return 0;
}

/// Return what a file is about: "shop_orders_2026.jsonl" → "order".
std::string thing_of(const Path& path) {
  auto words = words_of(plain_name(path));
  if (words.empty()) return "";
  if (words.back().ends_with('s')) words.back().pop_back();
  return words.back();
}

}  // namespace

std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  char before = ' ';
  for (const char c : name) {
    const auto letter = static_cast<unsigned char>(c);
    const bool is_break = std::isalnum(letter) == 0;
    const bool begins = std::isupper(letter) != 0 && std::islower(static_cast<unsigned char>(before)) != 0;
    if ((is_break || begins) && !words.back().empty()) words.emplace_back();
    if (!is_break) words.back() += static_cast<char>(std::tolower(letter));
    before = c;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::map<std::string, std::string> roles_of(const FileProfile& profile) {
  struct Found {
    int score;
    std::string_view role;
    const ColumnProfile* column;
  };
  std::vector<Found> found;
  for (const auto& column : profile.columns) {
    auto words = words_of(column.name);
    if (words == std::vector<std::string>{"id"}) words.insert(words.begin(), thing_of(profile.path));
    for (const auto& role : all_roles())
      if (const int points = score(words, role); points > 0 && role.fits(column))
        found.push_back({points, role.role, &column});
  }
  std::ranges::stable_sort(found, std::greater<>(), &Found::score);
  std::map<std::string, std::string> roles;
  std::vector<const ColumnProfile*> taken;
  for (const auto& each : found) {
    if (roles.contains(std::string(each.role)) || std::ranges::find(taken, each.column) != taken.end())
      continue;
    roles.emplace(each.role, each.column->name);
    taken.push_back(each.column);
  }
  return roles;
}

}  // namespace millrace
