#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct ZSTD_CCtx_s;

namespace millrace {

/// Compresses pieces into zstd frames; frames one after the other are one file to every zstd program. The
/// same bytes give the same frame, whatever came before. Threads: one at a time.
class FrameCompressor {
 public:
  /// `level`: of zstd, up to 19; 1 is tuned to records of one kind, below 0 is faster and larger.
  explicit FrameCompressor(int level);
  ~FrameCompressor();

  /// Compress `raw` into one frame at the end of `out`. Errors: kInternal when there is no memory for it.
  Status append(std::string_view raw, std::string& out);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };

  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<char> scratch_;
};

/// Decompress all frames, which must hold `raw_bytes` bytes together; `padding` bytes of zeros follow them.
/// Errors: kCorrupt.
Result<std::string> decompress_frames(std::string_view frames, std::uint64_t raw_bytes,
                                      std::size_t padding = 0);

}  // namespace millrace
