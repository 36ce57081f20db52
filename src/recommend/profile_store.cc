#include "recommend/profile_store.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "base/hash.h"
#include "recommend/memory_bytes.h"

namespace millrace {
namespace {

/// Keys of the three kinds of id never meet: each is mixed with a number of its own.
constexpr std::uint64_t kUserSalt = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kAnonymousSalt = 0xc2b2ae3d27d4eb4f;
constexpr std::uint64_t kSessionSalt = 0x165667b19e3779f9;

std::uint64_t key_of(std::string_view id, std::uint64_t salt) {
  return id.empty() ? 0 : hash64(id) ^ salt;
}

/// Make room for one more: a little at first, then for four and an eighth, but no more than for `limit`. So
/// little of it is empty, and little is moved.
template <class Value>
void grow(std::vector<Value>& values, std::size_t limit) {
  const std::size_t size = values.size();
  if (size < values.capacity()) return;
  const std::size_t room = size < 4 ? std::max<std::size_t>(1, 2 * size) : size + 4 + size / 8;
  values.reserve(std::max(size + 1, std::min(room, limit)));
}

/// Where in the bytes of a Touch are those that not every value may have.
constexpr std::size_t kKindAt = 6;
constexpr std::size_t kDislikedAt = 7;

/// The bytes of a Touch, of which nothing is known.
struct TouchBytes {
  alignas(Touch) unsigned char bytes[sizeof(Touch)];
};

}  // namespace

std::uint32_t session_hash(std::string_view session_id) {
  return session_id.empty() ? 0 : std::max(1u, static_cast<std::uint32_t>(hash64(session_id) >> 40));
}

void FingerprintList::add(std::uint32_t fingerprint, std::size_t limit) {
  if (std::ranges::find(values_, fingerprint) != values_.end()) return;
  if (values_.size() >= limit) values_.erase(values_.begin());
  grow(values_, limit);
  values_.push_back(fingerprint);
}

void FingerprintList::remove(std::uint32_t fingerprint) {
  std::erase(values_, fingerprint);
}

Touch* Profile::find(ItemRef item) {
  const auto found = std::ranges::find(history, item, &Touch::item);
  return found == history.end() ? nullptr : &*found;
}

Touch& Profile::touch(ItemRef item, TimeUs time, std::size_t history_max) {
  Touch entry{.time_ms = time / kMillisecondUs, .item = item};
  if (const auto found = std::ranges::find(history, item, &Touch::item); found != history.end()) {
    entry = *found;
    entry.time_ms = std::max<std::int64_t>(time / kMillisecondUs, entry.time_ms);
    history.erase(found);
  } else if (history.size() >= history_max) {
    history.erase(history.begin());
  }
  grow(history, history_max);
  const auto at = std::ranges::upper_bound(history, entry.time(), {}, &Touch::time);
  return *history.insert(at, entry);
}

void Profile::merge(const Profile& other, const RecommenderLimits& limits) {
  if (country.empty()) country = other.country;
  for (const Touch& theirs : other.history) {
    Touch& mine = touch(theirs.item, theirs.time(), limits.history);
    if (mine.time_ms == theirs.time_ms) mine.session = theirs.session;
    if (theirs.order != 0) mine.order = theirs.order;
    mine.units += theirs.units;
    mine.kind = std::max(mine.kind, theirs.kind);
    mine.disliked |= theirs.disliked;
  }
  for (const std::uint32_t fingerprint : other.bought.values()) bought.add(fingerprint, limits.owned);
  for (const std::uint32_t fingerprint : other.read.values()) read.add(fingerprint, limits.owned);
  for (const std::uint32_t fingerprint : other.disliked.values()) disliked.add(fingerprint, limits.owned);
}

std::size_t Profile::heap_bytes() const {
  const std::size_t country_bytes =
      country.capacity() > std::string().capacity() ? country.capacity() + 1 : 0;
  return country_bytes + history.capacity() * sizeof(Touch) + bought.heap_bytes() + read.heap_bytes() +
         disliked.heap_bytes();
}

ProfileStore::ProfileStore(const RecommenderLimits& limits)
    : limits_(limits), profiles_(limits.profiles), owner_(limits.aliases) {}

std::uint64_t ProfileStore::resolve(std::uint64_t key) const {
  // A session leads to an anonymous id, that to a user: two steps at the most.
  for (int step = 0; step < 2; ++step) {
    const std::uint64_t* owner = owner_.find(key);
    if (!owner) break;
    key = *owner;
  }
  return key;
}

/// Let `from` lead to `to`, and move what is known under `from` there.
void ProfileStore::lead(std::uint64_t from, std::uint64_t to) {
  if (from == to) return;
  std::uint64_t& owner = owner_.touch(from);
  if (owner == to) return;
  owner = to;
  const Profile* theirs = profiles_.find(from);
  if (!theirs) return;
  const Profile moved = *theirs;
  profiles_.erase(from);
  profiles_.touch(to).merge(moved, limits_);
}

Profile* ProfileStore::of(const Event& event) {
  const std::uint64_t user = key_of(event.user_id, kUserSalt);
  const std::uint64_t anonymous = key_of(event.anonymous_id, kAnonymousSalt);
  const std::uint64_t session = key_of(event.session_id, kSessionSalt);
  std::uint64_t who = user;
  if (anonymous != 0) {
    if (who != 0)
      lead(anonymous, who);
    else
      who = resolve(anonymous);
  }
  if (session != 0) {
    if (who != 0)
      lead(session, who);
    else
      who = resolve(session);
  }
  return who == 0 ? nullptr : &profiles_.touch(who);
}

Profile& ProfileStore::of_user(std::string_view user_id) {
  return profiles_.touch(key_of(user_id, kUserSalt));
}

const Profile* ProfileStore::find(std::string_view user, std::string_view session) const {
  if (!user.empty()) {
    if (const Profile* known = profiles_.find(key_of(user, kUserSalt))) return known;
    if (const Profile* known = profiles_.find(resolve(key_of(user, kAnonymousSalt)))) return known;
  }
  return session.empty() ? nullptr : profiles_.find(resolve(key_of(session, kSessionSalt)));
}

void ProfileStore::erase_user(std::string_view user_id) {
  profiles_.erase(key_of(user_id, kUserSalt));
}

std::size_t ProfileStore::profile_bytes() const {
  std::size_t bytes = profiles_.bytes();
  profiles_.for_each([&](const Profile& profile) { bytes += profile.heap_bytes(); });
  return bytes;
}

void FingerprintList::save(MemoryWriter& out) const {
  out.put_rows(values_);
}

void FingerprintList::restore(MemoryReader& in, std::size_t limit) {
  values_ = in.take_rows<std::uint32_t>(limit);
}

void Profile::save(MemoryWriter& out) const {
  out.put_text(country);
  out.put_rows(history);
  bought.save(out);
  read.save(out);
  disliked.save(out);
}

void Profile::restore(MemoryReader& in, const RecommenderLimits& limits) {
  country = in.take_text();
  const auto rows = in.take_rows<TouchBytes>(limits.history);
  history.reserve(rows.size());
  for (const TouchBytes& row : rows) {
    in.expect(
        row.bytes[kKindAt] <= static_cast<unsigned char>(TouchKind::kBought) && row.bytes[kDislikedAt] <= 1,
        "a deed of no kind");
    if (!in.ok()) return;
    const auto touch = std::bit_cast<Touch>(row);
    in.expect_counted(touch.item, touch.units);
    in.expect(history.empty() || history.back().time_ms <= touch.time_ms, "a history out of order");
    static_cast<void>(in.checked(touch.time()));
    history.push_back(touch);
  }
  bought.restore(in, limits.owned);
  read.restore(in, limits.owned);
  disliked.restore(in, limits.owned);
}

void ProfileStore::save(MemoryWriter& out) const {
  const auto soon = [](const Profile& profile) {
    prefetch_rows(profile.history);
    prefetch_rows(profile.bought.values());
    prefetch_rows(profile.read.values());
  };
  save_lru(out, profiles_, soon, [&](const Profile& profile) { profile.save(out); });
  save_lru(out, owner_, [&](const std::uint64_t& owner) { out.put(owner); });
}

void ProfileStore::restore(MemoryReader& in) {
  restore_lru(in, profiles_, [&](Profile& profile) { profile.restore(in, limits_); });
  restore_lru(in, owner_, [&](std::uint64_t& owner) { owner = in.take<std::uint64_t>(); });
}

}  // namespace millrace
