#include "event/contract_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "event/contract_testing.h"

namespace millrace {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

TEST(ContractTypes, JsonSchemaSaysWhatTheContractSays) {
  const Json schema = Json::parse(json_schema_of(test_contract(contract_text())));
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["anyOf"][0]["$ref"], "#/$defs/purchase");
  const Json& purchase = schema["$defs"]["purchase"];
  EXPECT_EQ(purchase["required"], Json({"type", "user_id", "order"}));
  const Json& properties = purchase["properties"];
  EXPECT_EQ(properties["type"]["const"], "purchase");
  EXPECT_EQ(properties["user_id"]["type"], "string");
  EXPECT_EQ(properties["country"]["enum"], Json({"DE", "FR", "GB", nullptr}));
  EXPECT_EQ(properties["order"]["properties"]["revenue"]["maximum"], 10'000);
  EXPECT_EQ(properties["items"]["maxItems"], 3);
  EXPECT_EQ(properties["items"]["items"]["required"], Json({"price"}));
  EXPECT_EQ(properties["properties"]["properties"]["gift"]["type"], Json({"boolean", "null"}))
      << "what is no field of an event lies in its properties";
  const Json& newsletter = schema["$defs"]["newsletter"];
  EXPECT_EQ(newsletter["properties"]["type"]["const"], "Newsletter Subscribed");
  EXPECT_EQ(newsletter["properties"]["properties"]["properties"]["since"]["format"], "date");
  EXPECT_FALSE(newsletter["properties"]["properties"]["properties"]["plan"].contains("enum"))
      << "it only warns";
}

TEST(ContractTypes, TypeScript) {
  const std::string types = typescript_of(test_contract(contract_text()));
  EXPECT_THAT(types,
              HasSubstr("export interface Purchase {\n  type: \"purchase\";\n  user_id: string;\n"
                        "  country?: \"DE\" | \"FR\" | \"GB\" | null;\n  order: {\n    revenue: number;\n"));
  EXPECT_THAT(types, HasSubstr("  items?: Array<{\n    price: number;\n    quantity?: number | null;\n"));
  EXPECT_THAT(types, HasSubstr("  properties?: {\n    gift?: boolean | null;\n    points?: number | null;\n"
                               "    [unannounced: string]: unknown;\n  } | null;\n}\n"));
  EXPECT_THAT(
      types,
      HasSubstr("export interface Newsletter {\n  type: \"Newsletter Subscribed\";\n  properties: {\n"));
}

TEST(ContractTypes, NamesAndTextsThatWouldBreakOutAreMadeHarmless) {
  const std::string types = typescript_of(test_contract(
      contract_text("schema:\n  - name: 2 odd-names\n    description: 'ends */ here'\n    properties:\n"
                    "      - {name: 'a b\"c', logicalType: integer, quality: [{metric: invalidValues, "
                    "mustBe: 0, arguments: "
                    "{validValues: ['1', '2']}}]}\n")));
  EXPECT_THAT(
      types,
      HasSubstr("/** ends * / here */\nexport interface T2OddNames {\n  \"a b\\\"c\"?: 1 | 2 | null;\n"));
}

}  // namespace
}  // namespace millrace
