#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/env.h"
#include "base/result.h"
#include "net/http_server.h"

namespace millrace {

/// What takes long. Gives up when `stop` is set; tells `say` what it does now.
using LongWork = std::function<Result<nlohmann::json>(const std::atomic<bool>* stop,
                                                      const std::function<void(std::string_view)>& say)>;

/// Do work whose progress and result are lines of `stream`, and end that. All who share `turn` do theirs one
/// after the other; who waits says that it is for `others`. Waiting and work are given up when the client
/// goes. Blocks.
void do_long_work(Env& env, std::mutex& turn, std::string_view others,
                  const std::shared_ptr<ResponseStream>& stream, const LongWork& work);

}  // namespace millrace
