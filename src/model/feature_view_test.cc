#include "model/feature_view.h"

#include <gmock/gmock.h>

namespace millrace {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string mistakes(const std::string& text, const char* path = "features/visits.yaml") {
  const auto view = parse_feature_view(text, path);
  return view ? "" : view.error().text();
}

constexpr const char* kHead = "owner: web\ndescription: d\nentity: visitor\nflow: item_interactions\n";

TEST(FeatureViewTest, SaysWhatAFileSays) {
  const auto view = parse_feature_view(
      "owner: web\ndescription: what people do\nentity: {customer: user_id}\nflow: order_lines\nmax_age: "
      "30d\n"
      "features:\n"
      "  spent_30d: {value: sum(amount), where: {type: [purchase, refund], currency: CHF}, window: 30d, "
      "description: s}\n"
      "  brands_1h: {value: distinct(brand), window: 1h, description: b}\n",
      "features/buyers.yaml");
  ASSERT_TRUE(view) << view.error().text();
  EXPECT_EQ(view->name, "buyers");
  EXPECT_EQ(view->max_age, 30 * kDayUs);
  EXPECT_EQ(view->entities.at(0).name, "customer");
  EXPECT_EQ(view->entities.at(0).flow->name, "user_id");
  EXPECT_EQ(view->features.at(0).type, FeatureType::kDecimal);
  EXPECT_EQ(flow_text(view->features.at(0).flow),
            "sum(amount) where type in [purchase, refund] and currency in [CHF]");
  EXPECT_EQ(view->features.at(0).flow.slice, kDayUs);
  EXPECT_EQ(view->features.at(1).flow.slice, kMinuteUs);
  EXPECT_EQ(view->horizon, 30 * kDayUs);
}

TEST(FeatureViewTest, AFeatureWithoutWindowKnowsEntitiesForEver) {
  const auto view = parse_feature_view(std::string(kHead) +
                                           "features:\n  all: {value: count, description: d}\n"
                                           "  h: {value: count, window: 1h, description: d}\n",
                                       "features/visits.yaml");
  ASSERT_TRUE(view) << view.error().text();
  EXPECT_EQ(view->horizon, 0);
}

TEST(FeatureViewTest, WindowsAreMadeOf24SlicesOrMore) {
  EXPECT_EQ(slice_of(kMinuteUs), kSecondUs);
  EXPECT_EQ(slice_of(15 * kMinuteUs), 10 * kSecondUs);
  EXPECT_EQ(slice_of(kHourUs), kMinuteUs);
  EXPECT_EQ(slice_of(kDayUs), kHourUs);
  EXPECT_EQ(slice_of(7 * kDayUs), kHourUs);
  EXPECT_EQ(slice_of(30 * kDayUs), kDayUs);
  EXPECT_EQ(slice_of(23 * kSecondUs), std::nullopt);
  EXPECT_EQ(slice_of(kMinuteUs + kMillisecondUs), std::nullopt);
  EXPECT_EQ(slice_start(-1, kMinuteUs), -kMinuteUs);
}

TEST(FeatureViewTest, MistakesAreToldWithTheirLinesAllAtOnce) {
  EXPECT_THAT(
      mistakes("entity: visiter\nflow: events\nfeatures:\n"
               "  a: {value: sum(prise), description: d}\n"
               "  b: {value: median(price), description: d}\n"
               "  c: {value: count, window: 7s, description: d}\n"
               "  d: {value: distinct(price), description: d}\n"
               "  e: {value: count, where: {tipe: purchase}}\n"),
      AllOf(HasSubstr("'owner'"), HasSubstr("visits.yaml:1: events has no column visiter"),
            HasSubstr("did you mean visitor?"), HasSubstr("visits.yaml:4: events has no column prise"),
            HasSubstr("visits.yaml:5: is count, sum(COLUMN)"),
            HasSubstr("visits.yaml:6: a window is made of 24 slices"),
            HasSubstr("visits.yaml:7: price is no text"), HasSubstr("did you mean type?"),
            HasSubstr("'description'")));
  EXPECT_THAT(mistakes("owner: a\ndescription: d\nentity: a\nfeatures:\n  a: {type: INT, description: d}\n"),
              AllOf(HasSubstr("give either from"), HasSubstr("there is a feature or entity a already"),
                    HasSubstr("BIGINT")));
  EXPECT_THAT(
      mistakes(
          "owner: a\ndescription: d\nentity: k\nfrom: t\nmax_age: 1h\nfeatures:\n  a: {description: d}\n"),
      AllOf(HasSubstr("max_age needs time"), HasSubstr("'type'")));
  EXPECT_THAT(mistakes(std::string(kHead) + "features:\n  a: {value: count, description: d}\n",
                       "features/online.yaml"),
              HasSubstr("the file's name is the view's"));
}

TEST(FeatureViewTest, AConditionNamesAValue) {
  const auto view = parse_feature_view(
      std::string(kHead) + "features:\n  all: {value: count, where: {type: []}, description: d}\n",
      "features/visits.yaml");
  ASSERT_FALSE(view);
  EXPECT_THAT(view.error().text(), testing::HasSubstr("names no value, so no row would count"));
}

}  // namespace
}  // namespace millrace
