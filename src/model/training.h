#pragma once

#include <atomic>
#include <functional>

namespace millrace {

/// How far a training is. Trainers say it after each round.
struct TrainingStep {
  int step = 0;     ///< rounds done
  int steps = 0;    ///< at the most
  double loss = 0;  ///< what the trainer makes small
};

/// What a trainer may use and hears while it works. Every trainer gives the same model for the same data,
/// settings and seed on one kind of processor, whatever `threads` is.
struct TrainingControl {
  int threads = 1;
  const std::atomic<bool>* stop = nullptr;  ///< true: give up soon, with kCancelled; null: never

  /// Called after each round on the trainer's thread; false ends the training with what there is, as a caller
  /// does when what it measures on held-out data gets no better. Empty: go on to the end.
  std::function<bool(const TrainingStep&)> on_step;

  bool stopped() const { return stop != nullptr && *stop; }
  bool goes_on(const TrainingStep& step) const { return !on_step || on_step(step); }
};

}  // namespace millrace
