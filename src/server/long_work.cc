#include "server/long_work.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/json_text.h"
#include "server/stream_beat.h"

namespace millrace {
namespace {

using Json = nlohmann::json;

constexpr DurationUs kLookAgain = 50 * kMillisecondUs;

std::string line_of(const Json& json) {
  return json_text(json) + "\n";
}

}  // namespace

void do_long_work(Env& env, std::mutex& turn, std::string_view others,
                  const std::shared_ptr<ResponseStream>& stream, const LongWork& work) {
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  stream->on_close([stop] { *stop = true; });
  const auto result = [&]() -> Result<Json> {
    StreamBeat beat(stream);
    const auto say = [&](std::string_view step) { beat.say(line_of({{"progress", {{"step", step}}}})); };
    std::unique_lock lock(turn, std::try_to_lock);
    if (!lock) say(fmt::format("waiting for {}", others));
    while (!lock && !*stop && !lock.try_lock()) env.sleep_for(kLookAgain);
    if (!lock) return fail(Code::kCancelled, "given up before it began: the client has gone");
    return work(stop.get(), say);
  }();
  if (result)
    stream->write(line_of({{"result", *result}}));
  else
    stream->write(
        line_of({{"error", {{"code", code_name(result.error().code)}, {"message", result.error().text()}}}}));
  stream->end();
}

}  // namespace millrace
