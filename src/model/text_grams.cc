#include "model/text_grams.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/text.h"

namespace millrace {
namespace {

bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9');
}

/// Return where each letter of a word begins, and its end.
std::vector<std::size_t> letters_of(std::string_view word) {
  std::vector<std::size_t> begins;
  for (std::size_t i = 0; i < word.size(); ++i)
    if ((static_cast<unsigned char>(word[i]) & 0xC0U) != 0x80U) begins.push_back(i);
  begins.push_back(word.size());
  return begins;
}

/// Call `take` for the pieces of one word in its brackets; return false once that said enough.
template <class Take>
bool each_piece(std::string_view word, const TextGrams& grams, const Take& take) {
  if (!take(word)) return false;
  const std::vector<std::size_t> begins = letters_of(word);
  const std::size_t letters = begins.size() - 1;
  for (std::size_t n = grams.letters_min; n <= grams.letters_max && n < letters; ++n)
    for (std::size_t i = 0; i + n <= letters; ++i)
      if (!take(word.substr(begins[i], begins[i + n] - begins[i]))) return false;
  return true;
}

}  // namespace

std::uint64_t feature_hash(std::string_view bytes) {
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001B3ULL;
  }
  return hash ^ (hash >> 32U);
}

void each_gram(std::string_view text, const TextGrams& grams,
               const std::function<void(std::string_view)>& take) {
  const std::string lower = to_lower(text);
  std::size_t count = 0;
  for (auto at = lower.begin(); at != lower.end();) {
    const auto begin = std::find_if(at, lower.end(), is_word_byte);
    at = std::find_if_not(begin, lower.end(), is_word_byte);
    if (begin == at) return;
    const std::string word = '<' + std::string(begin, at) + '>';
    const bool more = each_piece(word, grams, [&](std::string_view piece) {
      take(piece);
      return ++count < kGramsMax;
    });
    if (!more) return;
  }
}

}  // namespace millrace
