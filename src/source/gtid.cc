#include "source/gtid.h"

#include <charconv>

#include <fmt/format.h>

namespace millrace {
namespace {

constexpr std::string_view kPrefix = "gtid:";

/// Take a number, and `end` behind it unless nothing follows, off the front of `rest`.
template <class T>
bool take_number(std::string_view& rest, T& number, char end) {
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc()) return false;
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  if (rest.empty()) return true;
  if (rest.front() != end) return false;
  rest.remove_prefix(1);
  return true;
}

bool take_gtid(std::string_view& rest, Gtid& gtid, char end) {
  return take_number(rest, gtid.domain, '-') && take_number(rest, gtid.server, '-') &&
         take_number(rest, gtid.sequence, end);
}

}  // namespace

std::string Gtid::text() const {
  return fmt::format("{}-{}-{}", domain, server, sequence);
}

Result<GtidPosition> GtidPosition::parse(std::string_view text) {
  GtidPosition position;
  if (text.empty() || text.starts_with("file:")) return position;
  const auto wrong = [&] {
    return fail(Code::kInvalid, fmt::format("{} is no position of a binary log", text));
  };
  if (!text.starts_with(kPrefix)) return wrong();
  std::string_view rest = text.substr(kPrefix.size());
  const std::size_t space = rest.find(' ');
  std::string_view within = space == rest.npos ? std::string_view() : rest.substr(space + 1);
  for (rest = rest.substr(0, space); !rest.empty();) {
    Gtid gtid;
    if (!take_gtid(rest, gtid, ',')) return wrong();
    position.domains_[gtid.domain] = gtid;
  }
  if (within.empty()) return position;
  Gtid gtid;
  if (!take_gtid(within, gtid, '+') || !take_number(within, position.events_, '\0')) return wrong();
  position.within_ = gtid;
  return position;
}

std::string GtidPosition::text() const {
  std::string out = std::string(kPrefix) + list();
  if (within_) out += fmt::format(" {}+{}", within_->text(), events_);
  return out;
}

std::string GtidPosition::list() const {
  std::string out;
  for (const auto& [domain, gtid] : domains_) out += (out.empty() ? "" : ",") + gtid.text();
  return out;
}

bool GtidPosition::covers(const Gtid& gtid) const {
  const auto found = domains_.find(gtid.domain);
  return found != domains_.end() && found->second.sequence >= gtid.sequence;
}

void GtidPosition::advance(const Gtid& gtid) {
  domains_[gtid.domain] = gtid;
  within_.reset();
  events_ = 0;
}

void GtidPosition::advance_within(const Gtid& gtid, std::uint64_t events) {
  within_ = gtid;
  events_ = events;
}

std::uint64_t GtidPosition::events_done(const Gtid& gtid) const {
  return within_ == gtid ? events_ : 0;
}

GtidPosition GtidPosition::later(const GtidPosition& a, const GtidPosition& b) {
  GtidPosition position = a;
  for (const auto& [domain, gtid] : b.domains_)
    if (!a.covers(gtid)) position.advance(gtid);
  return position;
}

GtidPosition GtidPosition::earlier(const GtidPosition& a, const GtidPosition& b) {
  GtidPosition position;
  for (const auto& [domain, gtid] : a.domains_) {
    const auto found = b.domains_.find(domain);
    if (found != b.domains_.end()) position.domains_[domain] = b.covers(gtid) ? gtid : found->second;
  }
  return position;
}

}  // namespace millrace
