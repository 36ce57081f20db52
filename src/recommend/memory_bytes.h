#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "recommend/item_store.h"
#include "recommend/lru.h"
#include "stream/state_snapshot_bytes.h"

namespace millrace {

// The bytes of the recommender's memory: docs/formats/recommender.md. Each store writes itself with `save`,
// and one that is new and empty reads itself again with `restore`, which looks at everything before it is
// used: afterwards no number in it can lead outside a store or past a limit. A store that has failed to
// restore is of no use any more.

/// Appends to a string. One thread.
class MemoryWriter {
 public:
  /// `out` must outlive the writer.
  explicit MemoryWriter(std::string& out) : out_(out) {}

  template <class Number>
    requires std::is_arithmetic_v<Number>
  void put(Number number) {
    append(&number, sizeof number);
  }
  void put_text(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    append(text.data(), text.size());
  }
  /// Write the bytes of one, of which none may be padding.
  template <class Row>
    requires std::is_trivially_copyable_v<Row>
  void put_row(const Row& row) {
    append(&row, sizeof row);
  }
  /// Write how many there are, and their bytes, of which none may be padding.
  template <class Row>
    requires std::is_trivially_copyable_v<Row>
  void put_rows(std::span<const Row> rows) {
    put(static_cast<std::uint32_t>(rows.size()));
    append(rows.data(), rows.size_bytes());
  }
  template <class Row>
  void put_rows(const std::vector<Row>& rows) {
    put_rows(std::span<const Row>(rows));
  }

 private:
  void append(const void* bytes, std::size_t size) { out_.append(static_cast<const char*>(bytes), size); }

  std::string& out_;
};

/// Reads what a MemoryWriter wrote. After the first thing that is wrong everything reads as zero or empty,
/// and `status` tells what it was. Takes no more memory than a small multiple of the bytes there are. One
/// thread.
class MemoryReader {
 public:
  explicit MemoryReader(std::string_view bytes) : in_(bytes) {}

  template <class Number>
    requires std::is_arithmetic_v<Number>
  Number take() {
    Number number{};
    if (const auto bytes = raw(sizeof number); !bytes.empty())
      std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }
  bool take_bool() {
    const auto value = take<std::uint8_t>();
    expect(value <= 1, "a truth that is neither");
    return value == 1;
  }
  /// Read how many things follow, of at least `bytes_min` bytes each and at most `most`.
  std::uint32_t take_count(std::size_t most, std::size_t bytes_min) {
    const auto count = take<std::uint32_t>();
    expect(count <= most && count <= in_.left() / bytes_min, "more of something than there can be");
    return ok() ? count : 0;
  }
  std::string_view take_text() { return raw(take<std::uint32_t>()); }

  /// Read rows of a type that any bytes make a value of.
  template <class Row>
    requires std::is_trivially_copyable_v<Row>
  std::vector<Row> take_rows(std::size_t most) {
    const std::uint32_t count = take_count(most, sizeof(Row));
    std::vector<Row> rows(count);
    const std::string_view bytes = raw(count * sizeof(Row));
    if (!bytes.empty()) std::memcpy(static_cast<void*>(rows.data()), bytes.data(), bytes.size());
    return rows;
  }
  TimeUs take_time() { return checked(take<std::int64_t>()); }
  TimeUs checked(TimeUs time) {
    expect(time >= kTimeMin && time <= kTimeMax, "a time that cannot be");
    return ok() ? time : 0;
  }

  /// From here on items have slots below `slots`.
  void set_item_slots(std::uint32_t slots) { item_slots_ = slots; }
  std::uint32_t item_slots() const { return item_slots_; }

  /// Demand that an item's slot exists and that what is counted of it is a number.
  void expect_counted(ItemRef item, double amount) {
    expect(item.slot() < item_slots_, "an item that is not there");
    expect(std::isfinite(amount), "a count that is no number");
  }

  /// Refuse to go on, unless `good`.
  void expect(bool good, std::string_view what) {
    if (ok() && !good) wrong_ = what;
  }
  bool ok() const { return wrong_.empty(); }

  /// Errors: kCorrupt, naming what was wrong.
  Status status() const { return ok() ? Status{} : fail(Code::kCorrupt, "it has " + wrong_); }

  /// Check that this was all, too.
  Status finish() {
    expect(in_.done(), "bytes after its end");
    return status();
  }

 private:
  std::string_view raw(std::size_t size) {
    if (!ok()) return {};
    const std::string_view bytes = in_.raw(size);
    expect(in_.ok(), "an end too early");
    return bytes;
  }

  StateReader in_;
  std::string wrong_;
  std::uint32_t item_slots_ = 0;
};

/// Have rows brought near that are written soon: they lie anywhere.
template <class Row>
void prefetch_rows(const std::vector<Row>& rows) {
  const auto* bytes = reinterpret_cast<const char*>(rows.data());
  for (std::size_t line = 0; line < std::min<std::size_t>(512, rows.size() * sizeof(Row)); line += 64)
    __builtin_prefetch(bytes + line);
}

/// Write the values of a map with their keys, and then the order of their use: `save_value(value)` writes
/// one, `soon(value)` was called a little before.
template <class Value, class Soon, class Save>
void save_lru(MemoryWriter& out, const LruMap<Value>& map, Soon soon, Save save_value) {
  out.put(static_cast<std::uint32_t>(map.size()));
  map.for_each_in_place(soon, [&](std::uint64_t key, const Value& value) {
    out.put(key);
    save_value(value);
  });
  out.put_rows(map.order());
}
template <class Value, class Save>
void save_lru(MemoryWriter& out, const LruMap<Value>& map, Save save_value) {
  save_lru(out, map, [](const Value&) {}, save_value);
}

/// Read them into an empty map: `restore_value(value)` reads one.
template <class Value, class Restore>
void restore_lru(MemoryReader& in, LruMap<Value>& map, Restore restore_value) {
  const std::uint32_t count = in.take_count(map.limit(), sizeof(std::uint64_t));
  std::vector<std::uint64_t> keys(count);
  for (std::uint64_t& key : keys) {
    key = in.take<std::uint64_t>();
    in.expect(map.find(key) == nullptr, "a key twice");
    if (!in.ok()) return;
    restore_value(map.touch(key));
  }
  const std::vector<std::uint32_t> order = in.take_rows<std::uint32_t>(count);
  std::vector<bool> touched(count);
  in.expect(order.size() == count, "an order of use that is not whole");
  for (const std::uint32_t number : order) {
    in.expect(number < count && !touched[number], "an order of use that cannot be");
    if (!in.ok()) return;
    touched[number] = true;
    map.touch(keys[number]);
  }
}

}  // namespace millrace
