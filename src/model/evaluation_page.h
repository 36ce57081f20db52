#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace millrace {

/// Make a page of a report, as to_json(EvaluationReport) writes it: one file of HTML that needs nothing from
/// elsewhere and no script, light or dark as its reader's system is, with the verdict first. Reports of
/// versions that are older than some of its parts make a page without these. `title` is the heading,
/// such as "for_you@3". Text of the report and the title are escaped.
std::string evaluation_page(const nlohmann::json& report, std::string_view title);

}  // namespace millrace
