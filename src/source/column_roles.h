#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "source/file_profile.h"

namespace millrace {

/// Words of a name of a column: "clickDeviceGroup", "click_device_group" → click, device, group.
std::vector<std::string> words_of(std::string_view name);

/// What a column seems to be, in the words of a mapping: "user_id", "time", "item.price", "order.order_id",
/// "type", …. By its name, and where a wrong guess would make events of nonsense by its values as well. Each
/// role has one column, the one whose name fits best.
std::map<std::string, std::string> roles_of(const FileProfile& profile);

}  // namespace millrace
