// Any bytes as the file of a recommender's memory, and as the memory in it behind a checksum that is right:
// refused, or taken, and then it holds its limits, does what it should with events, and is written as what
// reads the same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "recommend/memory.h"
#include "recommend/memory_file.h"

using namespace millrace;

namespace {

/// Small, so that little input reaches them.
RecommenderLimits limits() {
  return {.items = 20,
          .item_attribute_bytes = 64,
          .attribute_bytes = 256,
          .profiles = 6,
          .aliases = 8,
          .sessions = 5,
          .orders = 4,
          .basket_items = 4,
          .neighbours = 4,
          .history = 4,
          .owned = 6,
          .countries = 3,
          .country_items = 4,
          .eras = 2,
          .sources = 3,
          .sales = 30,
          .recent_messages = 5};
}

void require(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

void live_on(RecommenderMemory& memory) {
  constexpr EventType kTypes[] = {EventType::kItemView, EventType::kAddToCart, EventType::kPurchase,
                                  EventType::kRefund, EventType::kRating};
  for (int i = 0; i < 40; ++i) {
    const std::string item_id = "i" + std::to_string(i * 7 % 30), user = "u" + std::to_string(i % 9);
    const EventItem item{.item_id = item_id};
    Event event{.type = kTypes[i % 5],
                .source = i % 3 == 0 ? "a" : "web",
                .user_id = user,
                .session_id = i % 2 == 0 ? "s" : "",
                .event_time = 1'700'000'000 * kSecondUs + i * kDayUs,
                .country = "CH",
                .value = 1.0 + i % 5,
                .items = std::span(&item, 1)};
    if (i % 4 != 0) event.order = EventOrder{.order_id = user};
    memory.apply(event, 1'800'000'000 * kSecondUs);
  }
  std::vector<double> scores(memory.items.slots());
  memory.popularity.add_scores(scores);
  std::vector<float> sold(memory.items.slots());
  memory.popularity.add_sold({}, 7 * kDayUs, memory.items, sold);
  memory.popularity.for_each_country(
      [&](const std::string&, ItemRef item, double) { memory.items.get(item); });
  for (std::uint32_t slot = 0; slot < memory.items.slots(); ++slot)
    for (const CoOccurrence& each : memory.seen.of(memory.items.ref_of(slot)))
      memory.seen.cosine(memory.items.ref_of(slot), each, 5);
}

void expect_bounded(const RecommenderMemory& memory) {
  const RecommenderLimits most = limits();
  require(memory.items.size() <= most.items && memory.items.slots() <= most.items, "items bounded");
  require(memory.items.attribute_bytes() <= most.attribute_bytes, "attributes bounded");
  require(memory.profiles.size() <= most.profiles && memory.profiles.aliases() <= most.aliases,
          "people bounded");
  require(memory.sessions() <= most.sessions && memory.orders() <= most.orders, "baskets bounded");
  require(memory.popularity.sales() <= most.sales, "sales bounded");
}

void try_image(std::string_view image) {
  RecommenderMemory memory({}, limits());
  if (!memory.restore(image)) return;
  expect_bounded(memory);
  std::string again;
  memory.save(again);
  require(again.size() == image.size(), "as long as it was read");
  RecommenderMemory twin({}, limits());
  require(twin.restore(again).has_value(), "what was written is read");
  live_on(memory);
  live_on(twin);
  expect_bounded(memory);
  std::string one, other;
  memory.save(one);
  twin.save(other);
  require(one.size() == other.size(), "the same future");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto file = MemoryFile::decode(bytes)) try_image(file->image);
  try_image(bytes);
  return 0;
}
