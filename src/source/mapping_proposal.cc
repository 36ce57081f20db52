#include "source/mapping_proposal.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.h"
#include "base/time.h"
#include "event/codec.h"
#include "source/column_roles.h"
#include "source/ingest.h"
#include "source/row_mapper.h"

namespace millrace {
namespace {

constexpr std::size_t kGroupBytesMax = 256 << 20;
constexpr std::size_t kPaddingAfterText = 64;

/// What shops call what people do, in the words of the event.
std::string_view usual_event_type(std::string_view word) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 28> kWords{
      {{"view", "item_view"},
       {"productview", "item_view"},
       {"itemview", "item_view"},
       {"pv", "item_view"},
       {"click", "item_view"},
       {"detailview", "item_view"},
       {"viewitem", "item_view"},
       {"pageview", "page_view"},
       {"page", "page_view"},
       {"addtocart", "add_to_cart"},
       {"cart", "add_to_cart"},
       {"addcart", "add_to_cart"},
       {"removefromcart", "remove_from_cart"},
       {"purchase", "purchase"},
       {"transaction", "purchase"},
       {"order", "purchase"},
       {"buy", "purchase"},
       {"sale", "purchase"},
       {"refund", "refund"},
       {"return", "refund"},
       {"search", "search"},
       {"rating", "rating"},
       {"rate", "rating"},
       {"review", "rating"},
       {"read", "read"},
       {"listview", "list_view"},
       {"viewlist", "list_view"},
       {"viewitemlist", "list_view"}}};
  const auto found = std::ranges::find(kWords, word, &std::pair<std::string_view, std::string_view>::first);
  return found == kWords.end() ? "" : found->second;
}

std::string joined_words(std::string_view text) {
  return fmt::format("{}", fmt::join(words_of(text), ""));
}

bool needs_item(std::string_view type) {
  return type == "item_view" || type == "add_to_cart" || type == "remove_from_cart" || type == "read" ||
         type == "rating";
}

/// Writes one proposal.
class Proposer {
 public:
  Proposer(const FileProfile& profile, const std::string& source, TimeUs modified)
      : profile_(profile), source_(source), modified_(modified) {
    proposal_.roles = roles_of(profile);
  }

  Result<MappingProposal> run();

 private:
  bool has(std::string_view role) const { return proposal_.roles.contains(std::string(role)); }
  std::string column(std::string_view role) const { return proposal_.roles.at(std::string(role)); }
  const ColumnProfile& profile(std::string_view role) const { return *profile_.find(column(role)); }
  bool has_person() const { return has("user_id") || has("anonymous_id") || has("session_id"); }
  void drop(std::string_view role) { proposal_.roles.erase(std::string(role)); }
  void note(std::string text) { proposal_.notes.push_back(std::move(text)); }
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    proposal_.yaml += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  std::optional<Produce> produce();
  void write_head(Produce produce);
  void write_catalogue(Produce produce);
  void write_events();
  void write_group();
  void write_type();
  void write_types_of_column();
  void write_time();
  void write_members(std::string_view section, std::string_view prefix);
  void write_order();
  void write_item();
  std::string item_event() const;
  void settle_order();

  const FileProfile& profile_;
  const std::string& source_;
  const TimeUs modified_;
  MappingProposal proposal_;
  bool is_purchase_ = false;
  bool grouped_ = false;
};

std::optional<Produce> Proposer::produce() {
  const bool about_item = has("item.item_id"), about_order = has("order.order_id");
  if (about_item && !has_person() && !about_order && !has("type")) return Produce::kItems;
  if (has("user_id") && profile("user_id").is_unique() && !about_item && !about_order && !has("type") &&
      !has("session_id"))
    return Produce::kUsers;
  const bool about_something =
      about_item || about_order || has("type") || has("page_url") || has("search_query");
  if (about_something && (has("time") || has_person() || about_order)) return Produce::kEvents;
  if (has("time") && has_person()) return Produce::kEvents;
  return std::nullopt;
}

Result<MappingProposal> Proposer::run() {
  const auto what = produce();
  if (!what) {
    note("no column looks like a person, a product and a time, so no mapping is proposed");
    return std::move(proposal_);
  }
  write_head(*what);
  if (*what == Produce::kEvents)
    write_events();
  else
    write_catalogue(*what);
  auto mapping = parse_mapping(proposal_.yaml, source_ + ".yaml");
  if (!mapping)
    return fail(Code::kInternal, fmt::format("what was proposed is no mapping: {}\n{}",
                                             mapping.error().text(), proposal_.yaml));
  proposal_.mapping = *std::move(mapping);
  return std::move(proposal_);
}

void Proposer::write_head(Produce produce) {
  const std::string_view formats[] = {"csv", "jsonl", "parquet"};
  const std::string_view format = formats[static_cast<std::size_t>(profile_.format)];
  line("# Proposed by `millrace discover` from {} rows of {}. Read it before you use it.", profile_.rows,
       without_controls(profile_.path.filename().string()));
  line("source: {}", yaml_text(source_));
  line("format: {}", format);
  if (!profile_.unnest.empty()) line("unnest: {}   # each of these is a row", yaml_text(profile_.unnest));
  if (profile_.format == RowFormat::kCsv && profile_.delimiter != ',')
    line("delimiter: {}", profile_.delimiter == '\t' ? "tab" : fmt::format("\"{}\"", profile_.delimiter));
  proposal_.command = produce == Produce::kEvents  ? fmt::format("ingest {}", format)
                      : produce == Produce::kItems ? "ingest items"
                                                   : "ingest users";
}

void Proposer::write_catalogue(Produce produce) {
  const bool items = produce == Produce::kItems;
  const std::string id = items ? "item.item_id" : "user_id";
  line("produce: {}", items ? "items" : "users");
  if (!profile(id).is_unique()) {
    line("group_by: [{}]            # the first row of each counts", yaml_text(column(id)));
    note(fmt::format("{} is not unique: the first row of each is taken", column(id)));
  }
  line("\nid: {}", yaml_text(column(id)));
  std::string attributes;
  for (const auto& [role, name] : proposal_.roles) {
    const bool of_item = role.starts_with("item.");
    if (role == id || (items ? !of_item && role != "order.currency" : of_item || role.starts_with("order.")))
      continue;
    if (role == "time" || role == "type" || role == "value" || role == "item.quantity") continue;
    const auto attribute = role.substr(role.find('.') + 1);
    attributes += fmt::format("  {}: {}\n", attribute, yaml_text(name));
  }
  if (!attributes.empty())
    proposal_.yaml += "\nattributes:                   # the other columns are kept too\n" + attributes;
}

void Proposer::write_events() {
  settle_order();
  write_group();
  write_type();
  write_time();
  write_members("fields", "");
  write_order();
  write_item();
}

/// A purchase needs products, an order and an amount.
void Proposer::settle_order() {
  const bool has_amount = has("item.price") || has("order.total");
  is_purchase_ = has("order.order_id") && has("item.item_id") && has_amount && !has("type");
  if (has("order.order_id") && has("item.item_id") && !has_amount && !has("type"))
    note("there are orders without an amount: say what a purchase costs, and make its type purchase");
  grouped_ = is_purchase_ && !profile("order.order_id").is_unique();
}

void Proposer::write_group() {
  if (grouped_)
    line("\ngroup_by: [{}]     # all rows of an order make one event", yaml_text(column("order.order_id")));
}

std::string Proposer::item_event() const {
  if (!has("item.item_id"))
    return has("search_query") ? "search" : has("page_url") ? "page_view" : "activity";
  if (has("value")) return "rating";
  // Articles that have a price are a shop's.
  const bool is_read = joined_words(column("item.item_id")).contains("article") && !has("item.price");
  return is_read ? "read" : "item_view";
}

void Proposer::write_type() {
  if (has("type")) return write_types_of_column();
  if (!is_purchase_) {
    const auto type = has("order.order_id") ? std::string("order_line") : item_event();
    line("\ntype: {}", type);
    proposal_.types = {type};
    return;
  }
  if (has("item.quantity") && profile("item.quantity").negative > 0) {
    line("\ntype:                         # the first rule that fits decides");
    line("  - when: {{{}: {{below: 0}}}}   # what was given back", yaml_text(column("item.quantity")));
    line("    is: refund");
    line("  - is: purchase");
    proposal_.types = {"purchase", "refund"};
    return;
  }
  line("\ntype: purchase");
  proposal_.types = {"purchase"};
}

/// Each value of the column is a type: one of ours where its word is known.
void Proposer::write_types_of_column() {
  line("\ntype:                         # the first rule that fits decides");
  const bool can_buy = has("order.order_id") && (has("item.price") || has("order.total"));
  for (const auto& [value, count] : profile("type").values) {
    std::string type(usual_event_type(joined_words(value)));
    if (type == "purchase" && !can_buy) {
      note(fmt::format("'{}' is kept as the type sale: a purchase needs an order id and an amount", value));
      type = "sale";
    }
    if (type.empty() || (needs_item(type) && !has("item.item_id")))
      type = fmt::format("{}", fmt::join(words_of(value), "_"));
    if (type.empty()) continue;
    line("  - when: {{{}: {}}}", yaml_text(column("type")), yaml_text(value));
    line("    is: {}", yaml_text(type));
    if (std::ranges::find(proposal_.types, type) == proposal_.types.end()) proposal_.types.push_back(type);
  }
  line("  - is: other                 # values that were not among the rows looked at");
}

void Proposer::write_time() {
  line("\ntime:");
  if (!has("time")) {
    line("  constant: \"{}\"   # the file has no times; this is when it was written", format_time(modified_));
    return note("the rows have no time: all get the one when the file was written");
  }
  const auto& time = profile("time");
  line("  column: {}", yaml_text(time.name));
  const bool is_pattern = time.time_format.size() > 3 || time.time_format.starts_with('%');
  if (time.time_format != "iso")
    line("  format: {}", is_pattern ? '"' + time.time_format + '"' : time.time_format);
  if (time.is_ambiguous)
    note(fmt::format("{} may be day before month or month before day: {} was taken", time.name,
                     time.time_format));
  if (time.names_zone || time.time_format == "s" || time.time_format == "ms" || time.time_format == "us")
    return;
  line("  zone: UTC                   # whose clock it shows, such as Europe/London");
  note(fmt::format("{} does not say its zone: UTC was taken", time.name));
}

/// Write the roles of a section: "item" has those that begin with "item.".
void Proposer::write_members(std::string_view section, std::string_view prefix) {
  std::string members;
  for (const auto& [role, name] : proposal_.roles) {
    if (prefix.empty() ? role.contains('.') || role == "time" || role == "type" : !role.starts_with(prefix))
      continue;
    members += fmt::format("  {}: {}\n", role.substr(prefix.size()), yaml_text(name));
  }
  if (!members.empty()) proposal_.yaml += fmt::format("\n{}:\n", section) + members;
}

void Proposer::write_order() {
  const bool has_order = has("order.order_id") || has("order.total");
  if (!has_order) return;
  if (grouped_ && has("order.total") && has("item.price")) drop("order.total");  // of the line, not the order
  write_members("order", "order.");
  if (is_purchase_ && !has("order.total")) line("  revenue: sum_of_items       # Σ price × quantity");
  if (has("order.currency")) return;
  line("  # currency: {{constant: EUR}} # the file does not say it");
  note("no column says the currency: add one under order");
}

void Proposer::write_item() {
  if (has("item.item_id")) write_members("item", "item.");
}

/// Count what becomes of one file.
class Trial {
 public:
  Trial(Env& env, const Mapping& mapping, const Contracts* contracts)
      : env_(env), mapping_(mapping), contracts_(contracts), mapper_(mapping, {}, kGroupBytesMax) {}

  Result<MappingTrial> run(RowReader& rows, std::uint64_t rows_max) {
    const bool is_csv = mapping_.format == RowFormat::kCsv;
    if (is_csv) MILLRACE_TRY(mapper_.bind(rows.columns(), true));
    std::size_t bound = 0;
    for (Row row; trial_.rows < rows_max; ++trial_.rows) {
      MILLRACE_ASSIGN(const auto step, rows.next(row));
      if (step == RowReader::Step::kEnd) break;
      if (!is_csv && rows.columns().size() != bound) MILLRACE_TRY(mapper_.bind(rows.columns(), false));
      bound = rows.columns().size();
      const Status mapped =
          step == RowReader::Step::kBadRow ? Status(fail(row.problem)) : mapper_.map(row, mapped_);
      if (!mapped && mapped.error().code == Code::kOutOfRange) return fail(mapped.error());
      if (!mapped) refuse(mapped.error(), row.place);
      if (mapped_.text.size() > kRowBytesMax) check();
    }
    while (mapper_.take_groups(mapped_, kRowBytesMax)) check();
    check();
    return trial_;
  }

 private:
  void refuse(const Error& reason, const RowPlace& place) {
    // Where it says a line, that is one of the pieces that were checked together.
    const auto& why = reason.where.starts_with("line ") ? reason.message : reason.text();
    if (trial_.refused++ == 0) trial_.first_refusal = fmt::format("line {}: {}", place.text(), why);
  }

  /// Return where the row is that a piece came of.
  RowPlace place_of(std::string_view piece) const {
    const auto begin = static_cast<std::size_t>(piece.data() - mapped_.text.data());
    const auto after = std::ranges::upper_bound(mapped_.pieces, begin, {}, &MappedRecords::Piece::begin);
    return std::prev(after)->place;
  }

  void check() {
    if (mapping_.produce != Produce::kEvents) {
      trial_.records += mapped_.pieces.size();
    } else if (!mapped_.pieces.empty()) {
      mapped_.text.reserve(mapped_.text.size() + kPaddingAfterText);
      BodyFacts facts;
      facts.source = mapping_.source;
      facts.received_time = env_.now();
      const BodyLimits limits{IngestLimits().event_bytes_max, SIZE_MAX, 10'000'000, contracts_};
      const auto split = split_body(CodecId::kNative, mapped_.text, facts, limits, env_);
      if (split) {
        for (const auto& record : split->accepted) trial_.records += record.count;
        for (const auto& refused : split->refused) refuse(refused.reason, place_of(refused.value));
      } else {
        refuse(split.error(), mapped_.pieces.front().place);
      }
    }
    mapped_.clear();
  }

  Env& env_;
  const Mapping& mapping_;
  const Contracts* const contracts_;
  RowMapper mapper_;
  MappedRecords mapped_;
  MappingTrial trial_;
};

}  // namespace

std::string yaml_text(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
  };
  static constexpr std::array<std::string_view, 9> kWords{"null", "true", "false", "yes", "no",
                                                          "on",   "off",  "y",     "n"};
  const bool plain = !text.empty() && std::ranges::all_of(text, is_plain) &&
                     std::ranges::find(kWords, to_lower(text)) == kWords.end() &&
                     (text[0] < '0' || text[0] > '9') && text[0] != '-' && text[0] != '.';
  return plain ? std::string(text) : yaml_quoted(text);
}

std::string yaml_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7F')
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      quoted += c;
  }
  return quoted + '"';
}

Result<MappingProposal> propose_mapping(const FileProfile& profile, const std::string& source,
                                        TimeUs modified) {
  return Proposer(profile, source, modified).run();
}

Result<MappingTrial> try_mapping(Env& env, const Path& path, const OpenParquet& open_parquet,
                                 const Mapping& mapping, std::uint64_t rows_max, const Contracts* contracts) {
  MILLRACE_ASSIGN(const auto opened, open_rows_of(env, path, open_parquet, mapping.unnest));
  return Trial(env, mapping, contracts).run(*opened.rows, rows_max);
}

}  // namespace millrace
