#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/yaml.h"
#include "event/contract.h"

/// The parts of the contract parser. Mistakes are noted in the document, where they stand.
namespace millrace::contract {

/// Of one object.
inline constexpr std::size_t kPropertiesMax = 256;

/// Count keys of the standard that say nothing to us as known.
void pass_over(const YamlMap& map, std::initializer_list<std::string_view> keys);

/// Read `logicalTypeOptions` and check them against the type and each other.
void read_options(const YamlMap& map, ContractProperty& property);

/// Read `quality` of a property, or of an object when there is none. Rules get names of their own.
void read_quality(const YamlMap& map, const ContractProperty* property, std::vector<QualityRule>& rules);

/// Check what the property says against itself: values that its own bounds refuse, rules that cannot hold.
/// `examples` are its `examples`.
void check_property(const ContractProperty& property, const std::vector<YamlValue>& examples,
                    const YamlMap& map);

/// Return why a value as text does not fit type and options, "" when it does.
std::string misfit(const ContractProperty& property, const std::string& value);

/// Note when a pattern is none.
void check_pattern(const YamlValue& value, const std::string& pattern);

/// Check an object of events: its properties are fields of events, or go to their `properties`.
void check_event_object(const ContractObject& object, const std::vector<YamlMap>& maps);

}  // namespace millrace::contract
