#include "app/usage.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "app/command.h"

namespace millrace {
namespace {

/// Parse a command line of the real program; return what is said of its unknown word.
std::string unknown_in(std::vector<std::string> words) {
  CLI::App app;
  CommonOptions common;
  int exit_code = kExitDone;
  app.require_subcommand(1);
  add_up_command(app, common, exit_code);
  add_ingest_command(app, common, exit_code);
  add_simulate_command(app, common, exit_code);
  add_sql_command(app, common, exit_code);
  std::ranges::reverse(words);  // as CLI11 wants them
  EXPECT_THROW(app.parse(words), CLI::ParseError);
  return unknown_word(app);
}

TEST(UnknownWord, NamesTheNearestCommand) {
  EXPECT_EQ(unknown_in({"ingset"}), "there is no command 'ingset'; did you mean 'ingest'?");
  EXPECT_EQ(unknown_in({"simulat", "--minutes", "1"}),
            "there is no command 'simulat'; did you mean 'simulate'?");
  EXPECT_EQ(unknown_in({"--hepl"}), "'millrace' has no option '--hepl'; did you mean '--help'?");
  EXPECT_EQ(unknown_in({"fly"}), "there is no command 'fly'; the commands are up, ingest, simulate, sql");
}

TEST(UnknownWord, NamesTheNearestOption) {
  EXPECT_EQ(unknown_in({"up", "--lsten", "127.0.0.1:0"}),
            "'up' has no option '--lsten'; did you mean '--listen'?");
  EXPECT_EQ(unknown_in({"up", "--lsten=127.0.0.1:0"}),
            "'up' has no option '--lsten'; did you mean '--listen'?");
  EXPECT_EQ(unknown_in({"ingest", "--mpa", "m.yaml", "csv", "/nowhere.csv"}),
            "'ingest' has no option '--mpa'; did you mean '--map'?");
  EXPECT_EQ(unknown_in({"up", "--frobnicate"}),
            "'up' has no option '--frobnicate'; the options are --help, --data, --project, --listen");
}

TEST(UnknownWord, LeavesOtherMistakesToTheParser) {
  EXPECT_EQ(unknown_in({}), "");
  EXPECT_EQ(unknown_in({"sql"}), "");
  EXPECT_EQ(unknown_in({"up", "--listen"}), "");
  EXPECT_EQ(unknown_in({"up", "now"}), "'up' does not know what to do with 'now'");
}

}  // namespace
}  // namespace millrace
