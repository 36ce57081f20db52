#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "base/time.h"
#include "model/als.h"
#include "model/item_similarity.h"
#include "model/session_knn.h"
#include "model/two_tower.h"

namespace millrace {

/// The kinds of models that rank a catalogue.
enum class RankingKind : std::uint8_t {
  kPopularity,
  kItemKnn,
  kEase,
  kAls,
  kSessionKnn,
  kTwoTower,  ///< reads features: train_ranking needs RankingFeatures
  kImported,  ///< vectors that were made elsewhere; cannot be trained
  kCount
};

std::string_view ranking_kind_name(RankingKind kind);
std::optional<RankingKind> ranking_kind(std::string_view name);

/// How to train one.
struct RankingSettings {
  RankingKind kind = RankingKind::kPopularity;
  /// Of an interaction's weight before the newest, in training and in a history; 0: none.
  DurationUs half_life = 0;
  DurationUs window = 0;  ///< what is older than this before the newest is not trained on; 0: everything is
  bool once = false;      ///< meeting an item again adds nothing
  std::string segment;    ///< popularity: counted apart by this feature of users; empty: not
  double segment_damping = 100;
  ItemKnnSettings item_knn;
  EaseSettings ease;
  AlsSettings als;
  SessionKnnSettings session_knn;
  TwoTowerSettings two_tower;
};

/// A setting of a kind that is a number, by its name in models/*.yaml and in a version's manifest.
struct RankingNumber {
  std::string_view name;
  double min = 0;
  double max = 0;
  double (*get)(const RankingSettings&) = nullptr;
  void (*set)(RankingSettings&, double) = nullptr;  ///< rounds where it is a whole number
};

std::span<const RankingNumber> ranking_numbers(RankingKind kind);

/// Set one by its name, brought within its limits. Errors: kInvalid when the kind has none of that name, with
/// those it has.
Status set_ranking_number(RankingSettings& settings, std::string_view name, double value);

nlohmann::json to_json(const RankingSettings& settings);
/// Errors: kCorrupt for what to_json did not write.
Result<RankingSettings> ranking_settings_of(const nlohmann::json& json);

}  // namespace millrace
