#pragma once

#include <string>
#include <string_view>

#include "base/env.h"
#include "base/shared_data_testing.h"

namespace millrace {

/// A folder for one test, removed with all it holds at the end of it.
class TestFolder {
 public:
  TestFolder();
  ~TestFolder();
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const Path& path() const { return path_; }

  /// Write a file there and return its path.
  Path write(std::string_view name, std::string_view content) const;

 private:
  Path path_;
};

/// Run a shell command and return what it printed, without the last line break.
std::string output_of(const std::string& command);

}  // namespace millrace
