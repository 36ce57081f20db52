#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "event/event.h"
#include "recommend/item_store.h"
#include "recommend/lru.h"
#include "recommend/settings.h"

namespace millrace {

/// Orders are known by a hash of so many bits: of 50,000 that are remembered, one in 20 million new ones is
/// taken for another.
constexpr unsigned kOrderKeyBits = 40;

/// What a person did to an item, weakest first.
enum class TouchKind : std::uint8_t { kView, kRead, kLike, kCart, kBought };

/// One item in a person's history, in 24 bytes: there are more of these than of all else.
struct Touch {
  std::int64_t time_ms : 48 = 0;      ///< of the latest event, since 1970
  TouchKind kind = TouchKind::kView;  ///< the strongest
  bool disliked = false;
  std::uint64_t order : kOrderKeyBits = 0;  ///< key of the order it was last bought in; 0 without one
  std::uint64_t session : 24 = 0;           ///< hash of its session id; 0 without one
  ItemRef item;
  float units = 0;  ///< bought and not given back

  TimeUs time() const { return time_ms * kMillisecondUs; }
};
static_assert(sizeof(Touch) == 24, "without padding, since the bytes are written as they are");

/// A set of item fingerprints in the order they came, of bounded size: the oldest leaves.
class FingerprintList {
 public:
  void add(std::uint32_t fingerprint, std::size_t limit);
  void remove(std::uint32_t fingerprint);
  const std::vector<std::uint32_t>& values() const { return values_; }
  std::size_t heap_bytes() const { return values_.capacity() * sizeof(std::uint32_t); }

  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in, std::size_t limit);

 private:
  std::vector<std::uint32_t> values_;
};

/// What is remembered of a person. It takes, in bytes,
///
///     128                                  this struct
///     + 24 × room of `history`             at most limits.history of them
///     + 4 × room of `bought`, `read` and `disliked`, at most limits.owned each
///     + a country's name of more than 15 letters
///
/// and in a ProfileStore 8 + 8 of key and order and 32 to 64 of the index. Room grows in steps, 1, 2, 4, 8,
/// 13, 18, 24, …, by 4 and an eighth, up to the limit. What the allocator rounds up is not in it.
struct Profile {
  std::string country;
  std::vector<Touch> history;  ///< by time, latest last
  FingerprintList bought;      ///< bought, or rated: the person has it
  FingerprintList read;        ///< viewed or read
  FingerprintList disliked;    ///< rated 1 or 2, or dismissed: never to be shown

  /// Return the entry of `item`, made when absent, moved to where `time` puts it.
  Touch& touch(ItemRef item, TimeUs time, std::size_t history_max);
  Touch* find(ItemRef item);

  /// Take over what `other` knows.
  void merge(const Profile& other, const RecommenderLimits& limits);

  /// Return the bytes it takes beside those of the struct.
  std::size_t heap_bytes() const;

  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in, const RecommenderLimits& limits);
};
static_assert(sizeof(Profile) == 128);

/// People by user id, anonymous id or session id, and which of these are the same person. What was done
/// under an anonymous id or in a session moves to the user once an event carries both, and the id leads
/// to the user from then on, until it is seen with another user.
/// One writer at a time, readers beside one another.
class ProfileStore {
 public:
  explicit ProfileStore(const RecommenderLimits& limits);

  /// Return the profile of whoever did `event`, made when absent; null when the event names nobody.
  Profile* of(const Event& event);

  /// Return the profile of a user, made when absent.
  Profile& of_user(std::string_view user_id);

  /// Find a person by user id or anonymous id, else by session id; null when unknown.
  const Profile* find(std::string_view user, std::string_view session) const;

  void erase_user(std::string_view user_id);

  std::size_t size() const { return profiles_.size(); }
  std::size_t aliases() const { return owner_.size(); }
  std::uint64_t evictions() const { return profiles_.evictions(); }
  /// Return the bytes of all, and of the profiles alone.
  std::size_t bytes() const { return profile_bytes() + owner_.bytes(); }
  std::size_t profile_bytes() const;

  /// `restore` needs a store that is empty, and items that are restored.
  void save(MemoryWriter& out) const;
  void restore(MemoryReader& in);

 private:
  std::uint64_t resolve(std::uint64_t key) const;
  void lead(std::uint64_t from, std::uint64_t to);

  RecommenderLimits limits_;
  LruMap<Profile> profiles_;
  LruMap<std::uint64_t> owner_;  ///< key of an anonymous or session id → key of the person
};

/// Return the hash, of 24 bits, under which a session id appears in `Touch::session`; 0 for an empty one.
std::uint32_t session_hash(std::string_view session_id);

}  // namespace millrace
