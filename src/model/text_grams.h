#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace millrace {

/// Return the 64-bit FNV-1a hash (Fowler, Noll, Vo) of `bytes`, its upper half folded onto its lower. Short
/// in any language, so that a model trained elsewhere can be given the same numbers: docs/formats/towers.md.
std::uint64_t feature_hash(std::string_view bytes);

/// Which pieces of a text are looked at: each word, and its runs of `letters_min` to `letters_max` letters,
/// so that words never seen share something with those that were (Bojanowski and others, Enriching Word
/// Vectors with Subword Information, 2017). letters_max 0: words only.
struct TextGrams {
  std::size_t letters_min = 3;
  std::size_t letters_max = 4;

  friend bool operator==(const TextGrams&, const TextGrams&) = default;
};

/// What more a text holds is not looked at.
inline constexpr std::size_t kGramsMax = 1'000;

/// Call `take` for each piece of a text, at most kGramsMax. A word is a run of letters and digits of ASCII,
/// in lower case, and of all bytes beyond ASCII; it stands between '<' and '>', which count as letters. A
/// letter is a code point of UTF-8.
void each_gram(std::string_view text, const TextGrams& grams,
               const std::function<void(std::string_view)>& take);

}  // namespace millrace
