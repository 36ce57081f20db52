#include "event/contract_testing.h"

#include <stdexcept>

namespace millrace {

std::string contract_text(std::string_view schema, std::string_view more) {
  static constexpr std::string_view kSchema = R"(schema:
  - name: purchase
    physicalType: event
    properties:
      - {name: user_id, logicalType: string, required: true}
      - name: country
        logicalType: string
        quality:
          - {id: countries, metric: invalidValues, arguments: {validValues: [DE, FR, GB]}, mustBe: 0}
      - name: order
        logicalType: object
        required: true
        properties:
          - {name: revenue, logicalType: number, required: true, logicalTypeOptions: {minimum: 0, maximum: 10000}}
          - name: currency
            logicalType: string
            logicalTypeOptions: {pattern: "^[A-Z]{3}$"}
      - name: items
        logicalType: array
        logicalTypeOptions: {maxItems: 3}
        items:
          logicalType: object
          properties:
            - {name: price, logicalType: number, required: true}
            - {name: quantity, logicalType: integer, logicalTypeOptions: {minimum: 1}}
      - {name: gift, logicalType: boolean}
      - {name: points, logicalType: integer}
  - name: newsletter
    physicalName: Newsletter Subscribed
    physicalType: event
    properties:
      - name: properties
        logicalType: object
        required: true
        properties:
          - {name: email, logicalType: string, required: true, logicalTypeOptions: {minLength: 3, maxLength: 12}}
          - {name: since, logicalType: date}
          - name: topics
            logicalType: array
            logicalTypeOptions: {minItems: 1, uniqueItems: true}
            items: {logicalType: string}
          - name: plan
            logicalType: string
            quality:
              - {metric: invalidValues, arguments: {validValues: [free, paid]}, mustBe: 0, severity: warn}
)";
  std::string text = "apiVersion: v3.1.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\n";
  text += schema.empty() ? kSchema : schema;
  text += more;
  return text;
}

Contract test_contract(std::string_view text, std::string_view name) {
  auto contract = parse_contract(text, Path(name));
  if (!contract) throw std::logic_error(contract.error().text());
  return *std::move(contract);
}

}  // namespace millrace
