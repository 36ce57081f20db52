#include <charconv>

#include <fmt/format.h>

#include "stream/subscription.h"

namespace millrace {
namespace {

/// Read a number at the start of `text` and go past it.
template <class Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_letter(std::string_view& text, char letter) {
  if (!text.starts_with(letter)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string SubscriptionProgress::undone_text() const {
  std::string out;
  std::uint64_t last = next.value();
  for (const auto& [offset, attempts] : undone) {
    if (!out.empty()) out += ' ';
    fmt::format_to(std::back_inserter(out), "{}", offset.value() - last);
    if (attempts > 0) fmt::format_to(std::back_inserter(out), "*{}", attempts);
    last = offset.value();
  }
  return out;
}

Result<SubscriptionProgress> SubscriptionProgress::parse(Offset next, Offset reach, std::string_view text) {
  SubscriptionProgress progress{next, reach, {}};
  std::uint64_t last = next.value();
  while (!text.empty()) {
    std::uint64_t step = 0;
    std::uint32_t attempts = 0;
    const bool good = take_number(text, step) && (!take_letter(text, '*') || take_number(text, attempts)) &&
                      (take_letter(text, ' ') || text.empty());
    last += step;
    if (!good || last >= reach.value())
      return fail(Code::kCorrupt, "the progress of a subscription cannot be read");
    progress.undone[Offset(last)] = attempts;
  }
  return progress;
}

}  // namespace millrace
