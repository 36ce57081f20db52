#include "net/gzip.h"

#include <algorithm>
#include <cassert>

#include <zlib.h>

namespace millrace {
namespace {

constexpr int kGzipOnly = 15 + 16;  // zlib's way to say: a 32 KB window, with gzip's header and nothing else

/// The end of a z_stream at the end of a scope.
template <int (*end)(z_streamp)>
struct StreamGuard {
  z_stream& stream;
  ~StreamGuard() { end(&stream); }
};

/// zlib wants to be able to write to its input, but does not.
Bytef* as_input(std::string_view bytes) {
  return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
}

Bytef* as_output(char* bytes) {
  return reinterpret_cast<Bytef*>(bytes);
}

/// Make room for more, at most to `bytes_max` + 1: the one byte more shows that the limit is passed.
void grow(z_stream& stream, std::string& out, std::size_t bytes_max) {
  const std::size_t used = out.size() - stream.avail_out;
  const std::size_t wanted = std::max<std::size_t>(2 * out.size(), 4096);
  out.resize(std::min(wanted, bytes_max + 1));
  stream.next_out = as_output(out.data() + used);
  stream.avail_out = static_cast<uInt>(out.size() - used);
}

std::unexpected<Error> damaged() {
  return fail(Code::kInvalid, "the gzip data is damaged or cut short");
}

}  // namespace

bool looks_gzipped(std::string_view bytes) {
  return bytes.starts_with("\x1f\x8b\x08");
}

Result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return fail(Code::kInternal, "zlib has no memory");
  const StreamGuard<inflateEnd> guard{stream};
  stream.next_in = as_input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  out.resize(std::min(bytes.size() * 4, bytes_max + 1));
  stream.next_out = as_output(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  while (true) {
    if (stream.avail_out == 0) {
      if (out.size() > bytes_max)
        return fail(Code::kOutOfRange, "the body is larger than allowed once it is unzipped");
      grow(stream, out, bytes_max);
    }
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_STREAM_END && stream.avail_in == 0) break;
    if (code == Z_STREAM_END && inflateReset(&stream) == Z_OK) continue;
    if (code == Z_BUF_ERROR && stream.avail_out == 0) continue;
    if (code != Z_OK || (stream.avail_in == 0 && stream.avail_out != 0)) return damaged();
  }
  out.resize(out.size() - stream.avail_out);
  if (out.size() > bytes_max)
    return fail(Code::kOutOfRange, "the body is larger than allowed once it is unzipped");
  return out;
}

std::string gzip(std::string_view bytes, int level) {
  z_stream stream{};
  [[maybe_unused]] const int made =
      deflateInit2(&stream, level, Z_DEFLATED, kGzipOnly, 8, Z_DEFAULT_STRATEGY);
  assert(made == Z_OK);
  const StreamGuard<deflateEnd> guard{stream};
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = as_input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = as_output(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  [[maybe_unused]] const int done = deflate(&stream, Z_FINISH);
  assert(done == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  return out;
}

}  // namespace millrace
