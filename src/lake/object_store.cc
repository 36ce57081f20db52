#include "lake/object_store.h"

#include <algorithm>

#include <fmt/format.h>

namespace millrace {
namespace {

bool is_key_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '=' || c == '-';
}

bool is_key_name(std::string_view name) {
  return !name.empty() && name.front() != '.' && std::ranges::all_of(name, is_key_letter);
}

}  // namespace

Status check_object_key(std::string_view key) {
  bool good = key.size() <= ObjectStore::kKeyBytesMax;
  for (std::string_view rest = key; good;) {
    const std::size_t slash = rest.find('/');
    good = is_key_name(rest.substr(0, slash));
    if (slash == std::string_view::npos) break;
    rest.remove_prefix(slash + 1);
  }
  if (good) return {};
  return fail(Code::kInvalid,
              fmt::format("'{}' is no key of an object: names of letters, digits and ._=- joined by /",
                          key.substr(0, 100)));
}

}  // namespace millrace
