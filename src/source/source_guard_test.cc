#include "source/source_guard.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(SourceGuard, KnowsAServerThatTakesWritesByANumberOrAWord) {
  for (const char* off : {"0", "OFF", ""}) EXPECT_TRUE(takes_writes(off)) << off;
  for (const char* on : {"1", "ON", "NO_LOCK", "NO_LOCK_NO_ADMIN"}) EXPECT_FALSE(takes_writes(on)) << on;
}

}  // namespace
}  // namespace millrace
