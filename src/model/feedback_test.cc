#include "model/feedback.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

FeedbackSet read(std::string_view text, PlainTextOptions options = {.name = "f.tsv"}) {
  FeedbackSet all;
  const auto status = read_feedback(text, options, all);
  EXPECT_TRUE(status) << status.error().text();
  return all;
}

TEST(IdMap, NumbersIdsInOrder) {
  IdMap ids;
  EXPECT_EQ(ids.add("b"), 0u);
  EXPECT_EQ(ids.add("a"), 1u);
  EXPECT_EQ(ids.add("b"), 0u);
  EXPECT_EQ(ids.find("a"), 1u);
  EXPECT_EQ(ids.find("c"), std::nullopt);
  EXPECT_EQ(ids.id(1), "a");
  EXPECT_EQ(ids.size(), 2u);
}

TEST(ReadFeedback, TakesEveryUsualSeparator) {
  for (const std::string_view text :
       {"u1\ti1\t4\t1700000000\nu2\ti1\t2\t1600000000\n", "u1,i1,4,1700000000\nu2,i1,2,1600000000",
        "u1::i1::4::1700000000\r\nu2::i1::2::1600000000\r\n", "u1 i1  4 1700000000\n\nu2 i1 2 1600000000\n",
        "userId,itemId,rating,timestamp\n\"u1\",\"i1\",4,1700000000\nu2,i1,2,1600000000\n",
        "\xEF\xBB\xBFu1;i1;4;1700000000\nu2;i1;2;1600000000\n"}) {
    const FeedbackSet all = read(text);
    ASSERT_EQ(all.users.size(), 2u) << text;
    EXPECT_EQ(all.users.id(0), "u1");
    EXPECT_EQ(all.items.size(), 1u);
    EXPECT_THAT(all.rows, ElementsAre(Feedback{1, 0, 2, 0, 1'600'000'000 * kSecondUs},
                                      Feedback{0, 0, 4, 0, 1'700'000'000 * kSecondUs}));
  }
}

TEST(ReadFeedback, WithoutTimesInTheOrderOfTheLines) {
  EXPECT_THAT(read("b x\na y\nb y\n").rows,
              ElementsAre(Feedback{0, 0, 1, 0, 1}, Feedback{1, 1, 1, 0, 2}, Feedback{0, 1, 1, 0, 3}));
  EXPECT_THAT(read("user item\nb x\n").rows, ElementsAre(Feedback{0, 0, 1, 0, 2})) << "a line of names";
}

TEST(ReadFeedback, RecognisesMillisecondsAndMicroseconds) {
  const auto rows = read("a x 1 1700000000\na x 1 1700000000000\na x 1 1700000000000000\n").rows;
  for (const Feedback& row : rows) EXPECT_EQ(row.time, 1'700'000'000 * kSecondUs);
}

TEST(ReadFeedback, TakesWhatWasLiked) {
  EXPECT_THAT(read("a x 5 3\na y 3 2\nb x 4 1\n", {.liked_from = 4, .name = "f"}).rows,
              ElementsAre(Feedback{1, 0, 1, 0, kSecondUs}, Feedback{0, 0, 1, 0, 3 * kSecondUs}));
}

TEST(ReadFeedback, AddsAnotherFileWithTheSameNumbers) {
  FeedbackSet all = read("a x 1 5\n");
  ASSERT_TRUE(read_feedback("b x 1 3\na y 1 4\n", {.name = "g"}, all));
  EXPECT_THAT(all.rows, ElementsAre(Feedback{1, 0, 1, 0, 3 * kSecondUs}, Feedback{0, 1, 1, 0, 4 * kSecondUs},
                                    Feedback{0, 0, 1, 0, 5 * kSecondUs}));
}

TEST(ReadFeedback, PointsAtTheLineThatIsWrong) {
  const auto refusal = [](std::string_view text) {
    FeedbackSet all;
    const auto status = read_feedback(text, {.name = "f.csv"}, all);
    return status ? std::string() : status.error().text();
  };
  EXPECT_THAT(refusal("a,x,1,5\na\n"), HasSubstr("f.csv:2: a line is `user item [rating [time]]`"));
  EXPECT_THAT(refusal("a,x,1,5\na,x,good,5\n"), HasSubstr("f.csv:2: 'good' is no rating"));
  EXPECT_THAT(refusal("a,x,1,5\na,x,nan,5\n"), HasSubstr("'nan' is no rating"));
  EXPECT_THAT(refusal("a,x,1,5\na,x,1,yesterday\n"), HasSubstr("'yesterday' is no time"));
  EXPECT_THAT(refusal("a,x,1,5,6\n"), HasSubstr("more than four fields"));
  EXPECT_THAT(refusal("a,x,1\n,x,1\n"), HasSubstr("f.csv:2"));
}

}  // namespace
}  // namespace millrace
