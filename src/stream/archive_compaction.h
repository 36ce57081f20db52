#pragma once

#include <cstdint>

#include "base/env.h"
#include "lake/manifest.h"
#include "lake/object_store.h"
#include "lake/raw_file.h"
#include "lake/zstd_frames.h"

namespace millrace {

/// The raw zone's upkeep: brings small files of a closed hour together, and clears up what a crash left.
///
/// Putting several files in the place of one another cannot be atomic in a store without rename, and who
/// lists the directories shall never find a record twice. So the new file is put under `staging/`, the
/// manifest takes it for the old ones in one transaction, the old ones are removed, and only then it is put
/// in its place. Whoever lists in between misses records of an hour that is not settled yet; whoever asks the
/// manifest misses nothing. Every step can be done again after a crash. Threads: one at a time.
class Compaction {
 public:
  /// The references must outlive it.
  Compaction(Env& env, ObjectStore& store, Manifest& manifest, FrameCompressor& compressor,
             std::uint64_t file_bytes_max)
      : env_(env),
        store_(store),
        manifest_(manifest),
        compressor_(compressor),
        file_bytes_max_(file_bytes_max) {}

  /// Bring the first files of a part together that make at most `file_bytes_max` raw bytes; return false, and
  /// close the part, when there are none left. After an error call `settle` until it succeeds.
  Result<bool> step(const LakePart& part);

  /// Finish what was begun: remove what was replaced, put in its place what is staged.
  Status settle();

  /// Remove the objects of a dataset (and its twins) that the manifest does not know.
  Status remove_orphans(const std::string& zone, const std::string& dataset);

 private:
  Result<BuiltPair> merge(const std::vector<LakeFile>& files);
  Status stage(std::vector<BuiltFile*> files, const std::vector<LakeFile>& replaced);

  Env& env_;
  ObjectStore& store_;
  Manifest& manifest_;
  FrameCompressor& compressor_;
  const std::uint64_t file_bytes_max_;
};

}  // namespace millrace
