#include "warehouse/sketch_functions.h"

#include <gmock/gmock.h>

#include "warehouse/warehouse_testing.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SketchFunctions : public WarehouseTest {
 protected:
  std::string error(const std::string& sql) {
    auto connection = warehouse_->connect().value();
    auto rows = connection.query(sql);
    return rows ? "" : rows.error().message;
  }
};

TEST_F(SketchFunctions, CountsDistinctValuesOfGroups) {
  EXPECT_THAT(
      rows("SELECT i % 3, hll_count(hll((i % 50)::VARCHAR)) FROM range(1000) r(i) GROUP BY 1 ORDER BY 1"),
      ElementsAre("0|50", "1|50", "2|50"));
  EXPECT_EQ(cell("SELECT hll_count(hll_merge(s)) FROM (SELECT i % 3, hll((i % 90)::VARCHAR) AS s FROM "
                 "range(900) r(i) "
                 "GROUP BY 1)"),
            "90");
  const auto many = std::stod(cell("SELECT hll_count(hll(i::VARCHAR)) FROM range(300000) r(i)"));
  EXPECT_NEAR(many, 300'000, 300'000 * 0.05);
}

TEST_F(SketchFunctions, PassesOverNull) {
  EXPECT_EQ(cell("SELECT hll(CASE WHEN i < 0 THEN 'a' END) IS NULL FROM range(10) r(i)"), "true");
  EXPECT_EQ(cell("SELECT hll_count(hll(CASE WHEN i % 2 = 0 THEN 'a' END)) FROM range(10) r(i)"), "1");
  EXPECT_EQ(cell("SELECT hll_count(NULL) IS NULL AND topk_list(NULL) IS NULL"), "true");
  EXPECT_EQ(cell("SELECT hll_count(hll('same')) FROM range(5000)"), "1");  // a constant column
  EXPECT_EQ(cell("SELECT hll_count(hll_merge(s)) FROM (SELECT hll(NULL) AS s UNION ALL SELECT hll('a'))"),
            "1");
}

TEST_F(SketchFunctions, ListsFrequentValues) {
  EXPECT_EQ(cell("SELECT topk_list(topk('v' || least(i % 10, 2), 2)) FROM range(100) r(i)"),
            R"([{"value":"v2","count":80,"error":0},{"value":"v0","count":10,"error":0}])");
  EXPECT_EQ(
      cell("SELECT topk_list(topk_merge(s)) FROM (SELECT topk('a\"', 5) AS s UNION ALL SELECT topk('b', 5) "
           "FROM range(3))"),
      R"([{"value":"b","count":3,"error":0},{"value":"a\"","count":1,"error":0}])");
}

TEST_F(SketchFunctions, RefuseOtherBytes) {
  EXPECT_THAT(error("SELECT hll_count('abc'::BLOB)"), HasSubstr("not a sketch"));
  EXPECT_THAT(error("SELECT hll_merge('abc'::BLOB)"), HasSubstr("not a sketch"));
  EXPECT_THAT(error("SELECT topk_list(hll('a'))"), HasSubstr("not a sketch"));
  EXPECT_THAT(error("SELECT topk_merge(s) FROM (SELECT hll('a') AS s)"), HasSubstr("not a sketch"));
  EXPECT_THAT(error("SELECT topk('a', 0)"), HasSubstr("1 to 1000"));
}

}  // namespace
}  // namespace millrace
