#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/env.h"
#include "base/npy.h"
#include "base/result.h"
#include "linalg/matrix.h"
#include "model/feedback.h"
#include "model/sparse_matrix.h"

namespace millrace {

/// Writes a version of a model: a directory of files that never changes afterwards. Bytes:
/// docs/formats/model.md. Everything is written to a directory beside it, which takes its name once all of it
/// is durable; so a version is there whole or not at all. One thread.
class BundleWriter {
 public:
  /// `dir` must not exist yet; `dir`.tmp is taken over from a writer that died. Errors: kExists; those of
  /// Env.
  static Result<BundleWriter> begin(Env& env, const Path& dir);
  BundleWriter(BundleWriter&&) = default;

  /// Add an array as NAME.npy.
  Status add(std::string_view name, MatrixView matrix);
  Status add(std::string_view name, std::span<const float> values);
  Status add(std::string_view name, std::span<const std::int32_t> values);
  Status add(std::string_view name, std::span<const std::int64_t> values);
  /// Add a sparse matrix, as three arrays NAME_begin, NAME_column, NAME_value.
  Status add(std::string_view name, const SparseMatrix& matrix);
  /// Add ids as NAME.jsonl: one JSON text a line, in the order of their numbers.
  Status add(std::string_view name, const IdMap& ids);
  Status add_json(std::string_view name, const nlohmann::json& json);  ///< as NAME.json
  Status add_bytes(const std::string& file, std::string_view bytes);   ///< as they are

  /// Write `manifest`, with the size and hash of every file under "files", and make the version true.
  Status finish(nlohmann::json manifest);

 private:
  BundleWriter(Env& env, Path dir) : env_(&env), dir_(std::move(dir)) {}
  Path staging() const { return dir_.string() + ".tmp"; }
  Status add_file(const std::string& name, std::span<const std::string_view> parts);
  template <class Value>
  Status add_values(std::string_view name, NpyType type, std::span<const Value> values, std::size_t rows,
                    std::size_t columns);

  Env* env_;
  Path dir_;
  nlohmann::json files_ = nlohmann::json::object();
};

/// Reads a version. What it hands out lies in the files, which are mapped, and stays as long as somebody
/// holds it. Threads: any, once open.
class BundleReader {
 public:
  /// Read the manifest and check the size and hash of every file it names. Errors: kNotFound for no such
  /// directory; kCorrupt for a file that is missing, cut or changed, with its name; kInvalid for a newer
  /// format; those of Env.
  static Result<BundleReader> open(Env& env, const Path& dir);

  const nlohmann::json& manifest() const { return manifest_; }
  const Path& dir() const { return dir_; }

  /// Return an array. Errors: kCorrupt for none of that name, or of another type or number of columns than
  /// wanted.
  Result<MatrixView> matrix(std::string_view name) const;
  Result<std::span<const float>> floats(std::string_view name) const;
  Result<std::span<const std::int32_t>> int32s(std::string_view name) const;
  Result<std::span<const std::int64_t>> int64s(std::string_view name) const;
  Result<SparseMatrix> sparse(std::string_view name, std::size_t columns) const;
  Result<IdMap> ids(std::string_view name) const;
  Result<nlohmann::json> json(std::string_view name) const;

  bool has(std::string_view file) const { return files_->contains(file); }
  /// Return a file as it is. Errors: kCorrupt for none of that name.
  Result<std::string_view> bytes(const std::string& file) const;

  /// Return what must be held as long as a view of an array is used.
  std::shared_ptr<const void> files() const { return files_; }

 private:
  using Files = std::map<std::string, std::shared_ptr<const FileBytes>, std::less<>>;

  BundleReader(Path dir, nlohmann::json manifest, std::shared_ptr<const Files> files)
      : dir_(std::move(dir)), manifest_(std::move(manifest)), files_(std::move(files)) {}
  Result<const FileBytes*> file(const std::string& name) const;
  Result<NpyView> array(std::string_view name, NpyType type) const;
  std::unexpected<Error> unfit(std::string_view name, std::string_view what) const;

  Path dir_;
  nlohmann::json manifest_;
  std::shared_ptr<const Files> files_;
};

}  // namespace millrace
