#pragma once

#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "lake/object_store.h"

namespace millrace {

/// A store under test that can be closed and opened again on the same data.
class ObjectStoreHarness {
 public:
  virtual ~ObjectStoreHarness();  // out of line: whoever has a harness links the tests
  virtual ObjectStore& store() = 0;
  virtual void reopen() = 0;
};

/// What every ObjectStore must do. To run it on an implementation:
///   INSTANTIATE_TEST_SUITE_P(Local, ObjectStoreConformance, ::testing::Values(make_harness));
class ObjectStoreConformance
    : public ::testing::TestWithParam<std::function<std::unique_ptr<ObjectStoreHarness>()>> {
 protected:
  ObjectStoreConformance();
  ~ObjectStoreConformance() override;

  ObjectStore& store() { return harness_->store(); }
  void reopen() { harness_->reopen(); }
  void put(std::string_view key, std::string_view bytes);
  std::string get(std::string_view key);
  std::vector<std::string> keys(std::string_view prefix);

 private:
  std::unique_ptr<ObjectStoreHarness> harness_;
};

}  // namespace millrace
