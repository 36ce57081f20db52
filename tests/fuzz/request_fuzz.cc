// Any bytes on a connection, in pieces of any size: the parser never reads on without using bytes up,
// never takes more than it was given, and never hands out a body past its limit.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/request_parser.h"

namespace {

using namespace millrace;

constexpr std::size_t kBodyBytesMax = 4096;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Handle a finished request; return whether the connection goes on.
bool finish(RequestParser& parser) {
  auto request = parser.take();
  if (!request) {
    require(request.error().status >= 400);
    return false;
  }
  require(request->body().size() <= kBodyBytesMax);
  const bool on = parser.keep_alive();
  parser.reset();
  return on;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const RequestParser::Limits limits{.body = [](std::string_view, std::string_view) {
    return HttpBodyLimits{.wire_bytes_max = kBodyBytesMax, .unzipped_bytes_max = kBodyBytesMax};
  }};
  RequestParser parser(limits);
  const std::size_t piece = 1 + data[0] * 7U;
  std::string_view left(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::size_t offered = std::min(piece, left.size());
  while (offered > 0) {
    const std::size_t used = parser.feed(left.substr(0, offered));
    require(used <= offered);
    left.remove_prefix(used);
    if (parser.step() == RequestParser::Step::kFailed) {
      require(parser.failure().status >= 400);
      return 0;
    }
    if (parser.step() == RequestParser::Step::kDone && !finish(parser)) return 0;
    const std::size_t next = std::min(offered - used + piece, left.size());
    if (used == 0 && next == offered) return 0;  // it wants more than there is
    offered = next;
  }
  return 0;
}
