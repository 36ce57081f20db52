#include "source/file_reader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/gzip.h"
#include "source/json_elements.h"
#include "source/row_reader.h"
#include "source/source_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Everything a reader says about a file: "line: cell|cell", "line! problem", "error …".
std::vector<std::string> all_rows(Result<std::unique_ptr<RowReader>> reader) {
  std::vector<std::string> said;
  if (!reader) return {"error " + reader.error().message};
  for (Row row;;) {
    const auto step = (*reader)->next(row);
    if (!step) said.push_back("error " + step.error().message);
    if (!step || *step == RowReader::Step::kEnd) return said;
    auto text = row.place.text();
    if (*step == RowReader::Step::kBadRow) {
      said.push_back(text + "! " + row.problem.message);
      continue;
    }
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      text += i == 0 ? ": " : "|";
      text += row.cells[i].is_json ? "<" + std::string(row.cells[i].text) + ">" : row.cells[i].text;
    }
    said.push_back(text);
  }
}

class Rows : public testing::Test {
 protected:
  std::unique_ptr<FileReader> file(std::string_view content) {
    return FileReader::open(Env::system(), folder_.write("file", content)).value();
  }
  std::vector<std::string> csv(std::string_view content, char delimiter = ',') {
    return all_rows(open_csv(file(content), delimiter, 1 << 20));
  }
  std::vector<std::string> json(std::string_view content, const std::string& unnest = {}) {
    return all_rows(read_json_rows(std::make_unique<JsonElements>(file(content), 1 << 20), unnest));
  }

  TestFolder folder_;
};

TEST_F(Rows, CsvKeepsQuotesDelimitersAndLineBreaks) {
  EXPECT_THAT(csv("a,b\r\n1,2\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",4\n,\n\"\",\"\"\n"),
              ElementsAre("2: 1|2", "3: x,y|say \"hi\"", "4: two\nlines|4", "6: |", "7: |"));
}

TEST_F(Rows, CsvNeedsNoLastLineBreak) {
  EXPECT_THAT(csv("a,b\n1,2"), ElementsAre("2: 1|2"));
  EXPECT_THAT(csv("a,b\n1,"), ElementsAre("2: 1|"));
  EXPECT_THAT(csv("a,b\n1,\"2\""), ElementsAre("2: 1|2"));
  EXPECT_THAT(csv("a,b\r\n1,2\r"), ElementsAre("2: 1|2"));
}

TEST_F(Rows, CsvPassesOverTheByteOrderMarkAndBlankLines) {
  EXPECT_THAT(csv("\xEF\xBB\xBF"
                  "a;b\n\n\r\n1;2\n\n",
                  ';'),
              ElementsAre("4: 1|2"));
}

TEST_F(Rows, CsvReportsBadRowsAndGoesOn) {
  EXPECT_THAT(
      csv("a,b\n1\n1,2,3\n\"x\"y,2\n3,4\n\xFF,5\n6,7\n"),
      ElementsAre("2! expected 2 fields, found 1", "3! expected 2 fields, found 3",
                  HasSubstr("4! there is text between"), "5: 3|4", "6! the row is not UTF-8", "7: 6|7"));
  EXPECT_THAT(csv("a,b\n\"open,1\n2,3\n"), ElementsAre(HasSubstr("2! the row does not end"), "3: 2|3"));
}

TEST_F(Rows, CsvRefusesWhatHasNoHeader) {
  EXPECT_THAT(csv(""), ElementsAre(HasSubstr("error the file is empty")));
  EXPECT_THAT(csv("a,a\n"), ElementsAre(HasSubstr("names 'a' twice")));
  EXPECT_THAT(csv("\xFF\xFE"
                  "a"),
              ElementsAre(HasSubstr("UTF-16")));
  EXPECT_THAT(csv("a,b\n"), IsEmpty());
}

TEST_F(Rows, CsvRowsMayCrossEveryBoundaryOfTheBuffer) {
  std::string content = "a,b\n";
  std::vector<std::string> expected;
  for (int i = 0; content.size() < 2'000'000; ++i) {
    content += fmt::format("{},\"{}\"\"\"\n", i, std::string(static_cast<std::size_t>(i % 977), 'x'));
    expected.push_back(
        fmt::format("{}: {}|{}\"", i + 2, i, std::string(static_cast<std::size_t>(i % 977), 'x')));
  }
  EXPECT_EQ(csv(content), expected);
  EXPECT_EQ(csv(gzip(content)), expected);
}

TEST_F(Rows, CsvRowThatIsTooLongIsReported) {
  const auto said = csv("a,b\n\"" + std::string(3 << 20, 'x') + "\n1,2\n");
  ASSERT_FALSE(said.empty());
  EXPECT_THAT(said.front(), HasSubstr("2! the row does not end"));
}

TEST_F(Rows, JsonLines) {
  EXPECT_THAT(
      json("{\"a\":\"1\",\"b\":2}\n\n  {\"b\":true,\"a\":null,\"c\":[1,2]}\r\n{\"a\":{\"x\":\"\\u00e9\"}}"),
      ElementsAre("1: 1|<2>", "3: |<true>|<[1,2]>", "4: |||é"));
}

TEST_F(Rows, JsonArraysOverAnyLines) {
  EXPECT_THAT(json("[\n {\"a\":1,\n  \"b\":\"}]\\\"\"},\n{\"a\":2}\n]\n"),
              ElementsAre("2: <1>|}]\"", "4: <2>|"));
  EXPECT_THAT(json("[{\"a\":1},{\"a\":2}]"), ElementsAre("1: <1>", "1: <2>"));
  EXPECT_THAT(json("[]"), IsEmpty());
  EXPECT_THAT(json(""), IsEmpty());
  EXPECT_THAT(json("{\n\"a\": 1\n}\n{\n\"a\": 2\n}"), ElementsAre("1: <1>", "4: <2>"));
}

TEST_F(Rows, JsonReportsBadRowsAndGoesOn) {
  const auto said = json("{\"a\":1}\n{\"a\":\n7\n{\"a\":1} x\n{\"a\":\"\xFF\"}\n{\"a\":2}\n");
  ASSERT_EQ(said.size(), 6u);
  EXPECT_EQ(said[0], "1: <1>");
  EXPECT_THAT(said[1], HasSubstr("2! "));
  EXPECT_THAT(said[2], HasSubstr("3! the row is not a JSON object"));
  EXPECT_THAT(said[3], HasSubstr("4! "));
  EXPECT_THAT(said[4], HasSubstr("5! "));
  EXPECT_EQ(said[5], "6: <2>");
  EXPECT_THAT(json("[{\"a\":1},{\"a\":"), ElementsAre("1: <1>", "1! the value does not end"));
}

TEST_F(Rows, JsonLineThatIsTooLongIsReportedAndPassedOver) {
  const auto said = json("{\"a\":1}\n{\"a\":\"" + std::string(3 << 20, 'x') + "\"}\n{\"a\":2}\n");
  EXPECT_THAT(said, ElementsAre("1: <1>", "2! the line is too long", "3: <2>"));
}

TEST_F(Rows, GzipCutShortKeepsWhatCameBefore) {
  std::string content = "a\n";
  for (int i = 0; i < 200'000; ++i) content += std::to_string(i * 7919 % 99991) + "\n";
  const auto whole = gzip(content);
  const auto said = csv(std::string_view(whole).substr(0, whole.size() / 2));
  ASSERT_GT(said.size(), 10'000u);
  EXPECT_EQ(said[0], "2: 0");
  EXPECT_EQ(said.back(), "error the gzip file is cut short");
}

TEST_F(Rows, GzipThatIsDamagedIsAnError) {
  std::string content = "a\n";
  for (int i = 0; i < 50'000; ++i) content += std::to_string(i * 7919 % 99991) + "\n";
  auto bytes = gzip(content);
  bytes[bytes.size() / 2] = static_cast<char>(~bytes[bytes.size() / 2]);
  EXPECT_THAT(csv(bytes).back(), HasSubstr("error the gzip file is"));
}

TEST_F(Rows, GzipMayHaveSeveralMembers) {
  EXPECT_THAT(csv(gzip("a\n1\n") + gzip("2\n")), ElementsAre("2: 1", "3: 2"));
}

TEST(FileReader, HashesTheBytesOnTheDisk) {
  TestFolder folder;
  const auto path = folder.write("x.gz", gzip(std::string(1'000'000, 'y')));
  auto reader = FileReader::open(Env::system(), path).value();
  std::vector<char> into(100'000);
  while (reader->read(into).value() > 0) {
  }
  EXPECT_EQ(reader->file_hash(), hash_file(Env::system(), path).value());
  EXPECT_EQ(reader->file_bytes_done(), reader->file_bytes_total());
}

TEST(FileReader, SaysWhichFileIsMissing) {
  EXPECT_EQ(FileReader::open(Env::system(), "/no/such/file").error().code, Code::kNotFound);
}

TEST_F(Rows, ElementsOfAListAreRowsWithWhatIsAroundThem) {
  EXPECT_THAT(json("{\"v\":1,\"hits\":[{\"t\":\"a\"},{\"t\":\"b\",\"n\":2}],\"z\":\"e\\u00e9\"}\n"
                   "{\"v\":2,\"hits\":[]}\n{\"v\":3}\n{\"hits\":[{\"n\":4}]}\n",
                   "hits"),
              ElementsAre("1.1: <1>|eé|a", "1.2: <1>|eé|b|<2>", "4.1: |||<4>"));
}

TEST_F(Rows, AListBelowAnObjectCanBeUnnested) {
  EXPECT_THAT(json("{\"a\":{\"b\":[{\"c\":1},{\"c\":2}],\"d\":3}}", "a.b"),
              ElementsAre("1.1: <3>|<1>", "1.2: <3>|<2>"));
}

TEST_F(Rows, ABadElementIsBadAlone) {
  const auto said = json(
      "{\"hits\":[{\"a\":1},7,{\"a\":2}]}\n{\"hits\":\"x\"}\n{\"hits\":{\"a\":1}}\n{\"hits\":[{\"a\":3}]}",
      "hits");
  EXPECT_THAT(said, ElementsAre("1.1: <1>", "1.2! the row is not a JSON object", "1.3: <2>",
                                "2! 'hits' is not a list", "3! 'hits' is not a list", HasSubstr("4.1: <3>")));
}

TEST_F(Rows, ListsOfIndexAndValueAreColumns) {
  const auto all = json(
      "{\"d\":[{\"index\":\"10\",\"value\":\"x\"},{\"index\":7,\"value\":null}],\"e\":[{\"index\":1,\"name\":"
      "2}],"
      "\"f\":[]}");
  EXPECT_THAT(all, ElementsAre("1: x||<[{\"index\":1,\"name\":2}]>|<[]>"));
}

}  // namespace
}  // namespace millrace
