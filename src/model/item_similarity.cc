#include "model/item_similarity.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "base/parallel.h"
#include "linalg/kernels.h"

namespace millrace {
namespace {

constexpr std::size_t kItemsPerSlice = 64;

std::unexpected<Error> cancelled(std::string_view model) {
  return fail(Code::kCancelled, fmt::format("{}: the training was stopped", model));
}

/// Return the diagonal of meetingsᵀ·meetings: how often each item was met.
std::vector<float> squares(const SparseMatrix& met_by) {
  std::vector<float> sums(met_by.rows());
  for (std::size_t i = 0; i < met_by.rows(); ++i)
    for (const float value : met_by.row(i).values) sums[i] += value * value;
  return sums;
}

/// Return the `count` strongest cells of a row of weights, by column; equal ones by the smaller column.
std::vector<SparseEntry> strongest(std::span<const float> weights, std::uint32_t row, std::size_t count) {
  std::vector<SparseEntry> cells;
  for (std::uint32_t j = 0; j < weights.size(); ++j)
    if (weights[j] > 0 && j != row) cells.push_back({row, j, weights[j]});
  if (cells.size() > count) {
    std::ranges::nth_element(cells, cells.begin() + static_cast<std::ptrdiff_t>(count), [](auto& a, auto& b) {
      return a.value != b.value ? a.value > b.value : a.column < b.column;
    });
    cells.resize(count);
  }
  return cells;
}

}  // namespace

std::span<const float> CoMeetings::of(std::size_t item) {
  std::ranges::fill(sums_, 0.F);
  const auto people = met_by_.row(item);
  for (std::size_t p = 0; p < people.size(); ++p) {
    const auto others = meetings_.row(people.columns[p]);
    for (std::size_t o = 0; o < others.size(); ++o)
      sums_[others.columns[o]] += people.values[p] * others.values[o];
  }
  return sums_;
}

Result<ItemKnnModel> train_item_knn(const SparseMatrix& meetings, const ItemKnnSettings& settings,
                                    const TrainingControl& control) {
  if (meetings.size() == 0)
    return fail(Code::kInvalid, "item_knn: there is nothing to learn from: nobody met anything");
  if (settings.neighbours < 1 || !(settings.damping >= 0))
    return fail(Code::kInvalid, "item_knn: neighbours must be at least 1, damping not negative");
  const SparseMatrix met_by = meetings.transposed();
  const std::vector<float> met = squares(met_by);
  std::vector<std::vector<SparseEntry>> slices((met_by.rows() + kItemsPerSlice - 1) / kItemsPerSlice);
  parallel_for(
      met_by.rows(), kItemsPerSlice, control.threads,
      [&](std::size_t begin, std::size_t end) {
        CoMeetings together(meetings, met_by);
        std::vector<float> weights(met_by.rows());
        for (std::size_t i = begin; i < end; ++i) {
          const auto sums = together.of(i);
          for (std::size_t j = 0; j < sums.size(); ++j)
            weights[j] = sums[j] == 0
                             ? 0
                             : sums[j] / (std::sqrt(met[i] * met[j]) + static_cast<float>(settings.damping));
          const auto kept = strongest(weights, static_cast<std::uint32_t>(i), settings.neighbours);
          auto& slice = slices[begin / kItemsPerSlice];
          slice.insert(slice.end(), kept.begin(), kept.end());
        }
      },
      control.stop);
  if (control.stopped()) return cancelled("item_knn");
  std::vector<SparseEntry> cells;
  for (const auto& slice : slices) cells.insert(cells.end(), slice.begin(), slice.end());
  return ItemKnnModel{SparseMatrix(met_by.rows(), met_by.rows(), cells)};
}

void score_by_items(const SparseMatrix& weights, const SparseMatrix::Row& row, std::span<float> scores) {
  std::ranges::fill(scores, 0.F);
  for (std::size_t i = 0; i < row.size(); ++i) {
    const auto near = weights.row(row.columns[i]);
    for (std::size_t j = 0; j < near.size(); ++j) scores[near.columns[j]] += row.values[i] * near.values[j];
  }
}

Result<EaseModel> train_ease(const SparseMatrix& meetings, const EaseSettings& settings,
                             const TrainingControl& control) {
  const std::size_t n = meetings.columns();
  if (meetings.size() == 0)
    return fail(Code::kInvalid, "ease: there is nothing to learn from: nobody met anything");
  if (!(settings.regularization > 0)) return fail(Code::kInvalid, "ease: regularization must be above 0");
  if (n > settings.items_max)
    return fail(Code::kInvalid,
                fmt::format("ease: {} items are more than the {} of items_max; its memory grows with "
                            "their square: train als, or leave out items that few people met",
                            n, settings.items_max));
  const SparseMatrix met_by = meetings.transposed();
  Matrix gram(n, n);
  parallel_for(
      n, kItemsPerSlice, control.threads,
      [&](std::size_t begin, std::size_t end) {
        CoMeetings together(meetings, met_by);
        for (std::size_t i = begin; i < end; ++i) {
          std::ranges::copy(together.of(i), gram.row(i).begin());
          gram.row(i)[i] += static_cast<float>(settings.regularization);
        }
      },
      control.stop);
  if (control.stopped()) return cancelled("ease");
  if (!kernels().cholesky(gram.data(), n))
    return fail(Code::kInvalid, "ease: the co-occurrences cannot be inverted: take a larger regularization");

  // Column j of the inverse, divided by its diagonal and its sign turned, is column j of the weights; the
  // inverse is symmetric, so it is made row by row and divided column by column.
  EaseModel model{Matrix(n, n)};
  std::vector<float> diagonal(n);
  parallel_for(
      n, kItemsPerSlice, control.threads,
      [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) model.weights.row(i)[i] = 1;
        kernels().cholesky_columns(gram.data(), n, model.weights.row(begin).data(), end - begin);
        for (std::size_t i = begin; i < end; ++i) diagonal[i] = model.weights.row(i)[i];
      },
      control.stop);
  if (control.stopped()) return cancelled("ease");
  parallel_for(n, kItemsPerSlice, control.threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = model.weights.row(i);
      for (std::size_t j = 0; j < n; ++j) row[j] = j == i ? 0 : -row[j] / diagonal[j];
    }
  });
  return model;
}

void score_by_items(MatrixView weights, const SparseMatrix::Row& row, std::span<float> scores) {
  std::ranges::fill(scores, 0.F);
  for (std::size_t i = 0; i < row.size(); ++i)
    kernels().axpy(row.values[i], weights.row(row.columns[i]).data(), scores.data(), scores.size());
}

}  // namespace millrace
