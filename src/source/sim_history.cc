#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "source/sim_messages.h"
#include "source/simulator.h"

namespace millrace {
namespace {

struct Message {
  TimeUs time;
  std::string text;
};

/// Return how busy the shop is at this time of day, 0.2 at four in the morning to 1 in the afternoon.
double activity(TimeUs time) {
  const double hour = static_cast<double>((time % kDayUs + kDayUs) % kDayUs) / kHourUs;
  return 0.6 - 0.4 * std::cos((hour - 4) / 24 * 2 * std::numbers::pi);
}

void append_visit(const SimWorld& world, SimVisit visit, TimeUs end, std::vector<Message>& messages) {
  std::size_t n = 0;
  while (const std::optional<SimAction> action = visit.next({})) {
    if (action->time >= end) return;
    Message message{action->time, {}};
    append_segment_message(world, visit, *action, fmt::format("{}-{}", visit.session_id(), ++n), {},
                           message.text);
    messages.push_back(std::move(message));
  }
}

}  // namespace

Result<std::uint64_t> write_history(Env& env, const SimWorld& world, std::uint64_t seed, std::uint32_t days,
                                    double visits_per_day, TimeUs end, const Path& file) {
  SimWorld::Random random(seed);
  const DurationUs span = static_cast<DurationUs>(days) * kDayUs;
  const auto visits = static_cast<std::uint64_t>(visits_per_day * days);
  std::vector<Message> messages;
  for (std::uint64_t i = 0; i < visits; ++i) {
    TimeUs start = 0;
    do start = end - 1 - static_cast<TimeUs>(sim_uniform(random) * static_cast<double>(span));
    while (sim_uniform(random) > activity(start));
    const std::size_t person = sim_index(random, world.people().size());
    append_visit(world, SimVisit(world, person, start, random(), {}), end, messages);
  }
  std::sort(messages.begin(), messages.end(),
            [](const Message& a, const Message& b) { return a.time < b.time; });
  std::string text;
  for (const Message& message : messages) text.append(message.text).push_back('\n');
  MILLRACE_TRY(write_file_atomically(env, file, text));
  return messages.size();
}

}  // namespace millrace
