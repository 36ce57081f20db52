#include "base/callback_batch.h"

#include <utility>

namespace millrace {
namespace {

thread_local std::vector<std::function<void()>>* current = nullptr;

}  // namespace

CallbackBatch::CallbackBatch() {
  if (!current) current = &put_off_;
}

CallbackBatch::~CallbackBatch() {
  if (current != &put_off_) return;
  current = nullptr;
  for (const auto& work : put_off_) work();
}

void CallbackBatch::run_at_end(std::function<void()> work) {
  if (current) {
    current->push_back(std::move(work));
  } else {
    work();
  }
}

}  // namespace millrace
