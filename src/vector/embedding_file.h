#pragma once

#include <string>
#include <string_view>

#include "base/env.h"
#include "base/result.h"
#include "vector/vector_index.h"

namespace millrace {

/// Vectors as people's own models write them.
struct EmbeddingRows {
  std::size_t dimensions = 0;
  VectorRows rows;
};

/// Read lines `id,embedding` with that header, an embedding being its values in brackets: "[0.1,0.2]", with
/// commas or blanks between them, as lists, NumPy and pgvector write them. Fields may be quoted ("" is a
/// quote) and quoted ones hold line breaks. All embeddings are of one length; ids occur once. Errors:
/// kInvalid, kCorrupt for a file that ends within a row; `where` is "NAME:LINE".
Result<EmbeddingRows> parse_embedding_csv(std::string_view text, const std::string& name);

/// Pair the rows of a .npy file (float32, two dimensions) with ids, one a line, in the same order.
/// Errors: kInvalid, kCorrupt; `where` is the file, with the line of its id where a row is wrong.
Result<EmbeddingRows> parse_embedding_npy(std::string_view bytes, const std::string& name,
                                          std::string_view ids, const std::string& ids_name);

/// Read a file of either kind, told apart by its ending; a .npy file needs `ids`, which is else empty.
/// Errors: as above; those of reading files.
Result<EmbeddingRows> read_embeddings(Env& env, const Path& file, const Path& ids);

/// Write lines `id,embedding`, values in the fewest digits that read back the same.
std::string embedding_csv(const EmbeddingRows& embeddings);

/// Write a file of either kind, whole or not at all; a .npy file needs `ids`, the file that the ids go to.
/// Errors: kInvalid; those of writing files.
Status write_embeddings(Env& env, const Path& file, const Path& ids, const EmbeddingRows& embeddings);

}  // namespace millrace
