#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

struct ObjectInfo {
  std::string key;
  std::uint64_t bytes = 0;

  bool operator==(const ObjectInfo&) const = default;
};

/// Whole objects under keys such as `raw/events/year=2026/…/0-17-90.jsonl.zst`: a directory, or a bucket.
/// It can do what S3 can, and nothing else: there is no rename and no append, so what belongs together is
/// decided by the manifest (lake/manifest.h), never by what happens to lie in the store.
/// Threads: any method from any thread; of two puts of one key either may win.
class ObjectStore {
 public:
  static constexpr std::size_t kKeyBytesMax = 512;

  virtual ~ObjectStore() = default;

  /// Keep `bytes` under `key`, in place of what was there. Readers see the old or the new object, whole, at
  /// any moment and after any crash; durable when it returns.
  /// Errors: kInvalid for what `check_object_key` refuses; kNoSpace, after which it may be tried again; kIo,
  /// after which either object may be there.
  virtual Status put(std::string_view key, std::string_view bytes) = 0;

  /// Return up to `bytes_max` bytes of an object from byte `from`, fewer only at its end.
  /// Errors: kNotFound, kInvalid, kIo.
  virtual Result<std::string> get(std::string_view key, std::uint64_t from = 0,
                                  std::uint64_t bytes_max = UINT64_MAX) const = 0;

  /// Return all objects whose key begins with `prefix` ("" is all), in order of keys. Objects that are put
  /// or removed meanwhile may or may not be among them.
  virtual Result<std::vector<ObjectInfo>> list(std::string_view prefix) const = 0;

  /// Remove an object; fine when there is none. Durable when it returns.
  virtual Status remove(std::string_view key) = 0;
};

/// Check a key: names of [A-Za-z0-9._=-] joined by single slashes, none beginning with a dot; at most
/// kKeyBytesMax bytes. Names that begin with a dot are the stores' own. Errors: kInvalid.
Status check_object_key(std::string_view key);

}  // namespace millrace
