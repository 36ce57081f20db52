#include "source/statement.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace millrace {
namespace {

/// Whatever else than spaces stands between these is of no interest.
constexpr std::array<std::string_view, 11> kVerbs = {
    "ALTER", "CREATE", "DROP", "RENAME", "TRUNCATE", "INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "WITH"};

/// Words of ALTER TABLE behind which rows may have other values than before, or the table another name.
constexpr std::array<std::string_view, 15> kHeavyWords = {
    "DROP",    "CHANGE", "RENAME",   "CONVERT",  "CHARACTER", "CHARSET",      "COLLATE",   "PARTITION",
    "DISCARD", "IMPORT", "TRUNCATE", "EXCHANGE", "PERIOD",    "PARTITIONING", "PARTITIONS"};

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

char upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return upper(x) == upper(y); });
}

struct Word {
  std::string_view text;
  bool quoted = false;  ///< `so`
};

/// Return the end of what begins at `at` with a quote; a doubled quote or one behind \ does not end it.
std::size_t quoted_end(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\' && quote != '`') {
      ++at;
    } else if (text[at] == quote) {
      if (at + 1 == text.size() || text[at + 1] != quote) return at;
      ++at;
    }
  }
  return text.size();
}

/// Return the end of a comment that begins at `at`, or `at`. What stands in /*! … */ is no comment.
std::size_t comment_end(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.starts_with("/*") && !rest.starts_with("/*!") && !rest.starts_with("/*M!")) {
    const std::size_t end = text.find("*/", at + 2);
    return end == text.npos ? text.size() : end + 2;
  }
  if (rest.starts_with("-- ") || rest.starts_with("#")) {
    const std::size_t end = text.find('\n', at);
    return end == text.npos ? text.size() : end + 1;
  }
  return at;
}

/// Return words and names of a statement; texts in quotes are left out, but " may quote a name.
std::vector<Word> words(std::string_view text) {
  std::vector<Word> out;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t end = comment_end(text, at); end != at) {
      at = end;
      continue;
    }
    const char c = text[at];
    if (c == '`' || c == '"' || c == '\'') {
      const std::size_t end = quoted_end(text, at);
      if (c != '\'') out.push_back({text.substr(at + 1, end - at - 1), true});
      at = std::min(end + 1, text.size());
    } else if (is_word(c)) {
      std::size_t end = at;
      while (end < text.size() && is_word(text[end])) ++end;
      out.push_back({text.substr(at, end - at), false});
      at = end;
    } else {
      ++at;
    }
  }
  return out;
}

std::string_view verb_of(const std::vector<Word>& all) {
  // In /*!40000 ALTER … */ the number of a version comes first.
  const auto is_first = [](const Word& word) {
    return word.quoted || word.text.find_first_not_of("0123456789M") != std::string_view::npos;
  };
  auto first = std::ranges::find_if(all, is_first);
  // What SET STATEMENT lock_wait_timeout = 1 FOR ALTER … does stands behind FOR.
  if (first != all.end() && first + 1 != all.end() && same(first->text, "SET") &&
      same(first[1].text, "STATEMENT")) {
    first = std::find_if(first, all.end(),
                         [](const Word& word) { return !word.quoted && same(word.text, "FOR"); });
    if (first != all.end()) first = std::find_if(first + 1, all.end(), is_first);
  }
  if (first == all.end() || first->quoted) return {};
  const auto found =
      std::ranges::find_if(kVerbs, [&](std::string_view verb) { return same(verb, first->text); });
  return found == kVerbs.end() ? std::string_view() : *found;
}

bool mentions(const std::vector<Word>& all, std::string_view name) {
  std::string doubled;  // a name with ` in it stands doubled
  for (const char c : name) doubled += c == '`' ? "``" : std::string(1, c);
  return std::ranges::any_of(all, [&](const Word& word) {
    return same(word.text, name) || (word.quoted && same(word.text, doubled));
  });
}

bool concerns(const std::vector<Word>& all, std::string_view session_database, std::string_view database) {
  return same(session_database, database) || mentions(all, database);
}

/// Return whether ALTER TABLE may add columns of which older rows have a value: one that a later statement
/// can hide, as by another default.
bool adds_values(const std::vector<Word>& all) {
  const auto is = [&](std::size_t i, std::string_view word) {
    return i < all.size() && !all[i].quoted && same(all[i].text, word);
  };
  bool adds = false, has_value = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    adds |= is(i, "ADD");
    has_value |= (is(i, "DEFAULT") && !is(i + 1, "NULL")) || (is(i, "NOT") && is(i + 1, "NULL")) ||
                 is(i, "AS") || is(i, "AUTO_INCREMENT") || is(i, "SERIAL");
  }
  return adds && has_value;
}

/// Return whether ALTER TABLE does more than to add columns and indexes or to change how columns are.
bool is_heavy(const std::vector<Word>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].quoted) continue;
    if (std::ranges::none_of(kHeavyWords, [&](std::string_view word) { return same(word, all[i].text); }))
      continue;
    const std::string_view next =
        i + 1 < all.size() && !all[i + 1].quoted ? all[i + 1].text : std::string_view();
    const bool index = same(next, "INDEX") || same(next, "KEY") || same(next, "CONSTRAINT") ||
                       same(next, "FOREIGN") || same(next, "CHECK") || same(next, "DEFAULT");
    if (!index) return true;
  }
  return false;
}

}  // namespace

std::string_view statement_verb(std::string_view statement) {
  return verb_of(words(statement));
}

StatementEffect statement_effect(std::string_view statement, std::string_view session_database,
                                 std::string_view database, std::string_view table) {
  const auto all = words(statement);
  const std::string_view verb = verb_of(all);
  if (verb.empty() || !concerns(all, session_database, database) || !mentions(all, table))
    return StatementEffect::kNone;
  const bool is_table = std::ranges::any_of(all, [](const Word& word) {
    return !word.quoted && (same(word.text, "TABLE") || same(word.text, "TABLES"));
  });
  if (verb == "ALTER") {
    if (!is_table) return StatementEffect::kNone;
    return is_heavy(all) || adds_values(all) ? StatementEffect::kContents : StatementEffect::kColumns;
  }
  if (verb == "CREATE" || verb == "DROP" || verb == "RENAME")
    return is_table ? StatementEffect::kContents : StatementEffect::kNone;
  return StatementEffect::kContents;  // TRUNCATE, and changes of rows that were logged as statements
}

bool alters_tables(std::string_view statement, std::string_view session_database, std::string_view database) {
  const auto all = words(statement);
  const std::string_view verb = verb_of(all);
  const bool ddl = verb == "ALTER" || verb == "CREATE" || verb == "DROP" || verb == "RENAME";
  return ddl && concerns(all, session_database, database);
}

}  // namespace millrace
