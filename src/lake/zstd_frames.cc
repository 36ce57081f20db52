#include "lake/zstd_frames.h"

#include <fmt/format.h>
#include <zstd.h>

namespace millrace {

void FrameCompressor::Free::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}

FrameCompressor::FrameCompressor(int level) : context_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
}

FrameCompressor::~FrameCompressor() = default;

Status FrameCompressor::append(std::string_view raw, std::string& out) {
  const std::size_t bound = ZSTD_compressBound(raw.size());
  if (scratch_.size() < bound) scratch_.resize(bound);
  const std::size_t size =
      ZSTD_compress2(context_.get(), scratch_.data(), scratch_.size(), raw.data(), raw.size());
  if (ZSTD_isError(size) != 0)
    return fail(Code::kInternal, fmt::format("cannot compress: {}", ZSTD_getErrorName(size)));
  out.append(scratch_.data(), size);
  return {};
}

Result<std::string> decompress_frames(std::string_view frames, std::uint64_t raw_bytes, std::size_t padding) {
  std::string raw(raw_bytes + padding, '\0');
  const std::size_t size = ZSTD_decompress(raw.data(), raw_bytes, frames.data(), frames.size());
  if (ZSTD_isError(size) != 0)
    return fail(Code::kCorrupt, fmt::format("cannot decompress: {}", ZSTD_getErrorName(size)));
  if (size != raw_bytes)
    return fail(Code::kCorrupt, fmt::format("decompresses to {} bytes instead of {}", size, raw_bytes));
  return raw;
}

}  // namespace millrace
