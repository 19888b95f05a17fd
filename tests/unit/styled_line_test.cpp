#include "commands/styled_line.h"

#include <gtest/gtest.h>

#include "commands/one_line.h"
#include "commands/text_table.h"

namespace bronze::commands {
namespace {

using Texts = std::vector<std::string>;

TEST(OneLine, IsNothingButText) {
  EXPECT_EQ(one_line("plain – ünïcödé 漢字 👍"), "plain – ünïcödé 漢字 👍");
  EXPECT_EQ(one_line(std::string("a\nb\tc\0d", 7)), "a b c d");
  EXPECT_EQ(one_line("\x1b[31m\x7f"), " [31m ");
  EXPECT_EQ(one_line("\xc2\x85\xc2\x9b\xc2\xa0"), "  \xc2\xa0");
  EXPECT_EQ(one_line("\u202e\u2066\u2069\u200f\u061c\u2028"), "      ");
  EXPECT_EQ(one_line("\xff\x9b"), "\uFFFD\uFFFD");
}

TEST(StyledLine, WideCharactersTakeTwoColumns) {
  EXPECT_EQ(columns_of("ab–"), 4U);
  EXPECT_EQ(columns_of("aé…"), 3U);
  EXPECT_EQ(columns_of("漢字"), 4U);
  EXPECT_EQ(columns_of(""), 0U);
}

TEST(StyledLine, WhatDoesNotFitIsCut) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdef", 5), "abcd…");
  EXPECT_EQ(cut("漢字漢", 4), "漢…");
  EXPECT_EQ(cut("abc", 1), "…");
  EXPECT_EQ(cut("abc", 0), "");
  const StyledLine line = {{"abc"}, {"def", Style::kBad}, {"ghi"}};
  const auto text = [&](std::size_t columns) { return written(cut(line, columns), Colours::kOff); };
  EXPECT_EQ(text(9), "abcdefghi");
  EXPECT_EQ(text(8), "abcdefg…");
  EXPECT_EQ(text(7), "abcdef…");
  EXPECT_EQ(text(6), "abcde…");
  EXPECT_EQ(text(4), "abc…");
  EXPECT_EQ(text(3), "ab…");
  EXPECT_EQ(text(1), "…");
}

TEST(StyledLine, SentencesAreBrokenBetweenWords) {
  EXPECT_EQ(wrapped("one two three", 20), (Texts{"one two three"}));
  EXPECT_EQ(wrapped("one two three", 7), (Texts{"one two", "three"}));
  EXPECT_EQ(wrapped("one two three", 8), (Texts{"one two", "three"}));
  EXPECT_EQ(wrapped("abcdefgh ij", 3), (Texts{"abc", "def", "gh", "ij"}));
  EXPECT_EQ(wrapped("", 3), (Texts{""}));
}

TEST(StyledLine, ColoursAreWrittenWhereTheyAreWanted) {
  const StyledLine line = {{"a"}, {"b", Style::kWarn}};
  EXPECT_EQ(written(line, Colours::kOff), "ab");
  EXPECT_EQ(written(line, Colours::kOn), "a\x1b[33mb\x1b[0m");
}

TEST(TextTable, LeavesOutWholeColumnsAndCutsNamesOnly) {
  const std::vector<TableRow> rows = {{{"a-very-long-name"}, {"ok"}, {"1,234,567"}, {"8"}},
                                      {{"b"}, {"ok"}, {"9"}, {"10"}}};
  const auto text = [&](std::optional<std::size_t> columns) {
    const TableText table = table_text({"name", "state", "rows", "files"}, rows, columns);
    std::string all;
    for (const auto& line : table.lines) all += written(line, Colours::kOff) + "\n";
    return all + table.left_out;
  };
  EXPECT_EQ(text({}),
            "name              state       rows  files\n"
            "a-very-long-name  ok     1,234,567      8\n"
            "b                 ok             9     10\n");
  EXPECT_EQ(text(37),
            "name          state       rows  files\n"
            "a-very-long…  ok     1,234,567      8\n"
            "b             ok             9     10\n");
  EXPECT_EQ(text(36),
            "name          state       rows\n"
            "a-very-long…  ok     1,234,567\n"
            "b             ok             9\n"
            "files");
  EXPECT_EQ(text(5),
            "name\n"
            "a-very-long…\n"
            "b\n"
            "state, rows, files");
}

}  // namespace
}  // namespace bronze::commands
