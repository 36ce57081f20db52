#include "base/callback_batch.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(CallbackBatch, PutsWorkOffUntilItsEnd) {
  int ran = 0;
  {
    const CallbackBatch batch;
    CallbackBatch::run_at_end([&] { ++ran; });
    CallbackBatch::run_at_end([&] { ++ran; });
    EXPECT_EQ(ran, 0);
  }
  EXPECT_EQ(ran, 2);
}

TEST(CallbackBatch, RunsWorkAtOnceWithoutABatch) {
  int ran = 0;
  CallbackBatch::run_at_end([&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

TEST(CallbackBatch, AnInnerBatchIsPartOfTheOuter) {
  int ran = 0;
  {
    const CallbackBatch outer;
    {
      const CallbackBatch inner;
      CallbackBatch::run_at_end([&] { ++ran; });
    }
    EXPECT_EQ(ran, 0);
  }
  EXPECT_EQ(ran, 1);
}

TEST(CallbackBatch, WorkMayPutOffWork) {
  int ran = 0;
  {
    const CallbackBatch batch;
    CallbackBatch::run_at_end([&] { CallbackBatch::run_at_end([&] { ++ran; }); });
  }
  EXPECT_EQ(ran, 1);
}

}  // namespace
}  // namespace millrace
