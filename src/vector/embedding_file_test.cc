#include "vector/embedding_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fault_env_testing.h"
#include "base/npy.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// "code at where: message" of what is refused.
std::string refusal(const Result<EmbeddingRows>& read) {
  if (read) return "read";
  return std::string(code_name(read.error().code)) + " at " + read.error().where + ": " +
         read.error().message;
}
std::string csv_refusal(std::string_view text) {
  return refusal(parse_embedding_csv(text, "e.csv"));
}

TEST(EmbeddingCsv, ReadsTheForms) {
  const auto read = parse_embedding_csv(
      "id,embedding\n"
      "S10_1678,\"[0.5,-1.25, 3e-2]\"\r\n"
      "\"a,\"\"b\",[ 1 2\t3 ]\n"
      "103,\"[ 1.5\n  2.5\n  -3.5]\"\n"
      "last,\"[+1,2.,.5]\"",
      "e.csv");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->dimensions, 3u);
  EXPECT_THAT(read->rows.ids, ElementsAre("S10_1678", "a,\"b", "103", "last"));
  EXPECT_THAT(read->rows.values,
              ElementsAre(0.5F, -1.25F, 0.03F, 1.F, 2.F, 3.F, 1.5F, 2.5F, -3.5F, 1.F, 2.F, 0.5F));
}

TEST(EmbeddingCsv, WhatIsWrittenReadsTheSame) {
  const EmbeddingRows rows{2, {{"a", "b,\"c\"", "ü"}, {0.1F, 1.0F / 3, -3e-38F, 1e16F, 0, -0.0F}}};
  const auto read = parse_embedding_csv(embedding_csv(rows), "e.csv");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->rows.ids, rows.rows.ids);
  EXPECT_EQ(read->rows.values, rows.rows.values);
}

TEST(EmbeddingCsv, SaysWhatIsWrongAndInWhichLine) {
  EXPECT_EQ(csv_refusal(""), "invalid at e.csv: is empty; the first line is id,embedding");
  EXPECT_EQ(csv_refusal("id,vector\na,[1]\n"), "invalid at e.csv:1: the first line must be id,embedding");
  EXPECT_EQ(csv_refusal("id,embedding\n"), "invalid at e.csv: has no vectors");
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1,2]\"\nb,\"[1]\"\n"),
              HasSubstr("invalid at e.csv:3: the vector has 1 values; all here have 2"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1,\n\n2]\"\nb,\"[1,nan]\"\n"),
              HasSubstr("invalid at e.csv:5: value 2 of the vector is not a number (NaN)"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[-inf]\"\n"),
              HasSubstr("e.csv:2: value 1 of the vector is infinite"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1e50]\"\n"), HasSubstr("e.csv:2: '1e50' is more"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1,x]\"\n"), HasSubstr("e.csv:2: 'x' is not a number"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1;2]\"\n"), HasSubstr("e.csv:2: '1;2' is not a number"));
  EXPECT_THAT(csv_refusal("id,embedding\na,[]\n"),
              HasSubstr("e.csv:2: vectors have 1 to 4096 dimensions, not 0"));
  EXPECT_THAT(csv_refusal("id,embedding\na,1 2\n"),
              HasSubstr("e.csv:2: an embedding is its values in brackets"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1] 2\"\n"), HasSubstr("e.csv:2: there is more behind"));
  EXPECT_THAT(csv_refusal("id,embedding\na,[1,2]\n"),
              HasSubstr("e.csv:2: a row is id,embedding; this one has more"));
  EXPECT_THAT(csv_refusal("id,embedding\n\na,[1]\n"),
              HasSubstr("e.csv:2: a row is id,embedding; this one has no"));
  EXPECT_THAT(csv_refusal("id,embedding\na,\"[1]\"x\n"), HasSubstr("e.csv:2: a quoted field must end"));
  EXPECT_THAT(csv_refusal("id,embedding\n,[1]\n"), HasSubstr("e.csv:2: an id must not be empty"));
  EXPECT_THAT(csv_refusal("id,embedding\na,[1]\nb,[2]\na,[3]\n"),
              HasSubstr("invalid at e.csv:4: the id 'a' is in line 2 already"));
}

TEST(EmbeddingCsv, AFileThatWasCutIsCorruptWhereverItWas) {
  const std::string whole = "id,embedding\na,\"[1.5,2.5]\"\nb,\"[3.5,4.5]\"\n";
  const std::size_t second = whole.find("\nb") + 1;
  for (std::size_t end = second + 1; end < whole.size() - 2; ++end)
    EXPECT_THAT(csv_refusal(whole.substr(0, end)), HasSubstr("corrupt at e.csv:3: ")) << whole.substr(0, end);
  EXPECT_EQ(csv_refusal(whole.substr(0, whole.size() - 1)),
            "read");  // without its last line break it is whole
  EXPECT_THAT(csv_refusal("id,embedding\na,[1.5 2"),
              HasSubstr("corrupt at e.csv:2: the embedding has no closing"));
}

TEST(EmbeddingNpy, PairsRowsWithIds) {
  FaultEnv env;
  const EmbeddingRows rows{2, {{"a", "b", "c d"}, {1, 2, 3, 4, 5, 6}}};
  ASSERT_TRUE(write_embeddings(env, "/e.npy", "/ids.txt", rows));
  EXPECT_EQ(*read_file(env, "/ids.txt"), "a\nb\nc d\n");
  const auto read = read_embeddings(env, "/e.npy", "/ids.txt");
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(read->dimensions, 2u);
  EXPECT_EQ(read->rows.ids, rows.rows.ids);
  EXPECT_EQ(read->rows.values, rows.rows.values);
  ASSERT_TRUE(write_embeddings(env, "/e.csv", "", rows));
  EXPECT_EQ(read_embeddings(env, "/e.csv", "")->rows.values, rows.rows.values);
}

TEST(EmbeddingNpy, SaysWhatIsWrongAndWhere) {
  const auto npy = [](std::vector<float> values, std::vector<std::size_t> shape) {
    return npy_header(NpyType::kFloat32, shape[0], shape.size() == 2 ? shape[1] : 0)
        .append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  };
  const auto of = [](const std::string& bytes, std::string_view ids) {
    return refusal(parse_embedding_npy(bytes, "e.npy", ids, "ids.txt"));
  };
  EXPECT_EQ(of(npy({1, 2}, {2, 1}), "a\r\nb"), "read");
  EXPECT_THAT(of(npy({1, 2}, {2, 1}), "a\n"),
              HasSubstr("invalid at ids.txt: has 1 ids, one a line, for the 2 rows"));
  EXPECT_THAT(of(npy({1, 2}, {2, 1}), "a\n\n"), HasSubstr("invalid at ids.txt:2: an id must not be empty"));
  EXPECT_THAT(of(npy({1, 2}, {2, 1}), "a\na\n"),
              HasSubstr("invalid at ids.txt:2: the id 'a' is in line 1 already"));
  EXPECT_THAT(of(npy({1, std::nanf("")}, {2, 1}), "a\nb\n"),
              HasSubstr("ids.txt:2: value 1 of the vector is not a"));
  EXPECT_THAT(of(npy({1, 2}, {2}), "a\nb\n"), HasSubstr("invalid at e.npy: has one dimension"));
  EXPECT_THAT(of(npy({}, {0, 2}), ""), HasSubstr("invalid at e.npy: has no vectors"));
  EXPECT_THAT(of("x", "a"), HasSubstr("corrupt at e.npy"));
}

TEST(EmbeddingNpy, NeedsAFileOfIdsAndOthersHaveNone) {
  FaultEnv env;
  EXPECT_THAT(refusal(read_embeddings(env, "/e.npy", "")), HasSubstr("--ids"));
  EXPECT_THAT(refusal(read_embeddings(env, "/e.csv", "/ids")), HasSubstr("only a .npy file takes --ids"));
  EXPECT_THAT(write_embeddings(env, "/e.npy", "", {}).error().message, HasSubstr("--ids"));
  EXPECT_THAT(refusal(read_embeddings(env, "/none.csv", "")), HasSubstr("not_found"));
}

}  // namespace
}  // namespace millrace
