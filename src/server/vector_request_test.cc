#include "server/vector_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/http.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Call `parse` with a body as a request has it.
template <class Parse>
auto parsed(Parse parse, std::string_view body) {
  const HttpRequest request = HttpRequest::make("POST", "/", {}, body).value();
  return parse(request.body());
}

template <class Parse>
std::string refused(Parse parse, std::string_view body) {
  const auto result = parsed(parse, body);
  return result ? "taken" : result.error().text();
}

TEST(VectorRequest, RowsAsLinesAndAsAnArray) {
  for (const std::string_view body :
       {R"([{"id":"a","vector":[1,-0.5]},{"vector":[2e1,3],"id":7}])",
        "\n{\"id\":\"a\",\"vector\":[1,-0.5]}\r\n\n{\"id\":7,\"vector\":[20,3]}\n"}) {
    const auto rows = parsed(parse_vector_rows, body);
    ASSERT_TRUE(rows) << rows.error().text();
    ASSERT_EQ(rows->size(), 2u);
    EXPECT_EQ((*rows)[0].id, "a");
    EXPECT_THAT((*rows)[0].vector, ElementsAre(1.F, -0.5F));
    EXPECT_EQ((*rows)[1].id, "7");
    EXPECT_THAT((*rows)[1].vector, ElementsAre(20.F, 3.F));
  }
}

TEST(VectorRequest, RowsThatAreNone) {
  EXPECT_THAT(refused(parse_vector_rows, ""), HasSubstr("no rows"));
  EXPECT_THAT(refused(parse_vector_rows, "[]"), HasSubstr("no rows"));
  EXPECT_THAT(refused(parse_vector_rows, "[1"), HasSubstr("not JSON"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":"a","vector":[1]},7])"), HasSubstr("[1]: a row is"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":"a"}])"), HasSubstr("[0]: a row is"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":1.5,"vector":[1]}])"), HasSubstr("[0]: an id is"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":"a","vector":"x"}])"),
              HasSubstr("[0]: a vector is a list"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":"a","vector":[1,null]}])"),
              HasSubstr("[0]: a vector is a list"));
  EXPECT_THAT(refused(parse_vector_rows, R"([{"id":"a","vector":[1],"x":1}])"), HasSubstr("no member 'x'"));
  EXPECT_THAT(refused(parse_vector_rows, "{\"id\":\"a\",\"vector\":[1]}\n{\"id\""),
              HasSubstr("line 2: is not JSON"));
  EXPECT_THAT(refused(parse_vector_rows, "{\"id\":\"a\",\"vector\":[1]} x"),
              HasSubstr("line 1: is not JSON"));
}

TEST(VectorRequest, Queries) {
  const auto query = parsed(parse_vector_query,
                            R"({"vector":[1,2],"n":3,"exclude":["a",7],"only":["b"],"with_vectors":true})");
  ASSERT_TRUE(query) << query.error().text();
  EXPECT_THAT(query->vectors, ElementsAre(1.F, 2.F));
  EXPECT_EQ(query->count, 1u);
  EXPECT_FALSE(query->is_list);
  EXPECT_EQ(query->n, 3u);
  EXPECT_THAT(query->exclude, ElementsAre("a", "7"));
  EXPECT_THAT(*query->only, ElementsAre("b"));
  EXPECT_TRUE(query->with_vectors);
  const auto several = parsed(parse_vector_query, R"({"vectors":[[1,2],[3,4]]})");
  ASSERT_TRUE(several);
  EXPECT_THAT(several->vectors, ElementsAre(1.F, 2.F, 3.F, 4.F));
  EXPECT_EQ(several->count, 2u);
  EXPECT_TRUE(several->is_list);
  EXPECT_EQ(parsed(parse_vector_query, R"({"id":7})")->id, "7");
}

TEST(VectorRequest, QueriesThatAreNone) {
  for (const std::string_view body : {"", "[]", "{}", R"({"id":"a","vector":[1]})"})
    EXPECT_THAT(refused(parse_vector_query, body), HasSubstr("send {\"vector\"")) << body;
  EXPECT_THAT(refused(parse_vector_query, R"({"vector":[1],"n":0})"), HasSubstr("n: is a whole number"));
  EXPECT_THAT(refused(parse_vector_query, R"({"vector":[1],"n":1001})"), HasSubstr("n: is a whole number"));
  EXPECT_THAT(refused(parse_vector_query, R"({"vectors":[]})"), HasSubstr("vectors: takes 1 to 100"));
  EXPECT_THAT(refused(parse_vector_query, R"({"vectors":[[1],[1,2]]})"),
              HasSubstr("vectors: takes vectors of one"));
  EXPECT_THAT(refused(parse_vector_query, R"({"vector":[1],"exclud":[]})"),
              HasSubstr("did you mean exclude"));
  EXPECT_THAT(refused(parse_vector_query, R"({"vector":[1],"only":"a"})"),
              HasSubstr("only: takes a list of ids"));
}

TEST(VectorRequest, ShapesAndPeople) {
  EXPECT_EQ(*parsed(parse_vector_shape, R"({"dimensions":32})"), (VectorShape{32, Similarity::kDot}));
  EXPECT_EQ(*parsed(parse_vector_shape, R"({"dimensions":1,"similarity":"cosine"})"),
            (VectorShape{1, Similarity::kCosine}));
  EXPECT_THAT(refused(parse_vector_shape, R"({"dimension":32})"),
              HasSubstr("dimension: send {\"dimensions\""));
  EXPECT_THAT(refused(parse_vector_shape, R"({"dimensions":5000})"), HasSubstr("1 to 4096"));
  EXPECT_THAT(refused(parse_vector_shape, "{}"), HasSubstr("1 to 4096"));

  EXPECT_THAT(parsed(parse_someone, "[1,2]")->vector, ElementsAre(1.F, 2.F));
  EXPECT_THAT(parsed(parse_someone, R"({"city":"Nantes","embedding":[1,2]})")->vector, ElementsAre(1.F, 2.F));
  EXPECT_EQ(parsed(parse_someone, R"({"customer_number":103,"city":"Nantes"})")->id, "103");
  EXPECT_THAT(refused(parse_someone, R"({"city":"Nantes"})"), HasSubstr("send a vector"));
}

TEST(VectorRequest, FloatsReadBackTheSame) {
  for (const float value : {0.1F, 1.F, -3e-38F, 1e16F, 1.F / 3})
    EXPECT_EQ(std::stof(float_text(value)), value);
  EXPECT_EQ(float_text(0.1F), "0.1");
}

}  // namespace
}  // namespace millrace
