#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "stream/window.h"
#include "stream/window_key_index.h"

namespace millrace {

/// The values of all keys in one stretch of event time. Keys lie end to end in one string and everything is
/// dropped at once, so an event allocates nothing but, now and then, a doubled table. One thread.
template <Accumulator Value>
class WindowSlice {
 public:
  struct Entry {
    std::uint64_t key_at = 0;
    std::uint32_t key_size = 0;
    std::uint32_t hash = 0;
    Offset last_offset;
    Value value;
  };

  /// Return the entry of `key`, made when there is none. It stays where it is until the next call.
  Entry& at(std::string_view key, std::uint32_t hash) {
    if (const auto found = find_index(key, hash)) return entries_[*found];
    index_.insert(hash, static_cast<KeyIndex::Entry>(entries_.size()));
    Entry& entry = entries_.emplace_back();
    entry.key_at = keys_.size();
    entry.key_size = static_cast<std::uint32_t>(key.size());
    entry.hash = hash;
    keys_ += key;
    return entry;
  }

  const Entry* find(std::string_view key, std::uint32_t hash) const {
    const auto found = find_index(key, hash);
    return found ? &entries_[*found] : nullptr;
  }

  /// Merge all of `other` into this.
  void merge(const WindowSlice& other) {
    for (const Entry& entry : other.entries_) {
      Entry& mine = at(other.key(entry), entry.hash);
      mine.value.merge(entry.value);
      mine.last_offset = std::max(mine.last_offset, entry.last_offset);
    }
  }

  void clear() {
    index_.clear();
    entries_.clear();
    keys_.clear();
  }

  /// In the order in which the keys first came.
  const std::vector<Entry>& entries() const { return entries_; }
  std::string_view key(const Entry& entry) const {
    return std::string_view(keys_).substr(entry.key_at, entry.key_size);
  }

  static std::uint32_t hash_of(std::string_view key) { return static_cast<std::uint32_t>(hash64(key)); }
  /// Return about how much memory an entry takes, with its share of the tables.
  static std::size_t bytes_of(const Entry& entry) {
    return sizeof(Entry) + entry.key_size + kIndexBytes + entry.value.bytes();
  }

 private:
  static constexpr std::size_t kIndexBytes = 16;

  std::optional<KeyIndex::Entry> find_index(std::string_view key, std::uint32_t hash) const {
    return index_.find(hash, [&](KeyIndex::Entry entry) { return this->key(entries_[entry]) == key; });
  }

  KeyIndex index_;
  std::vector<Entry> entries_;
  std::string keys_;
};

}  // namespace millrace
