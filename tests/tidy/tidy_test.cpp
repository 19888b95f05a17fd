#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tidy/functions.h"
#include "tidy/rules.h"
#include "tidy/source.h"

namespace bronze::tidy {
namespace {

struct Rule {
  std::string name;
  Offences (*check)(const Source&);
};

const std::vector<Rule>& rules() {
  static const std::vector<Rule> k_rules = {
      {"EnvironmentReads", environment_reads}, {"LibrdkafkaCalls", librdkafka_calls},
      {"BridgeCalls", bridge_calls},           {"ForbiddenIncludes", forbidden_includes},
      {"SharedPointers", shared_pointers},     {"LongFunctions", long_functions},
      {"WideConstructors", wide_constructors}, {"LongLines", long_lines},
      {"NamelessFiles", nameless_files},       {"UnguardedHeaders", unguarded_headers},
      {"LeftoverNotes", leftover_notes},       {"WordsAboutTheWork", words_about_the_work},
  };
  return k_rules;
}

const std::vector<Source>& project() {
  static const std::vector<Source> k_sources =
      sources_below(BRONZE_SOURCE_DIR, {"src", "bridge/src"});
  return k_sources;
}

class Tidy : public testing::TestWithParam<Rule> {};

TEST_P(Tidy, NoOffences) {
  ASSERT_GT(project().size(), 50U) << "the sources were not found";
  for (const Source& source : project()) {
    for (const auto& offence : GetParam().check(source)) ADD_FAILURE() << offence;
  }
}

INSTANTIATE_TEST_SUITE_P(House, Tidy, testing::ValuesIn(rules()),
                         [](const auto& rule) { return rule.param.name; });

/// A snippet that breaks a rule, and the lines on which it does.
struct Snippet {
  Offences (*check)(const Source&);
  std::string path;
  std::string text;
  std::vector<int> lines;
};

void expect_offences(const Snippet& snippet) {
  const Offences offences = snippet.check(Source(snippet.path, snippet.text));
  ASSERT_EQ(offences.size(), snippet.lines.size())
      << snippet.path << ":\n"
      << snippet.text << testing::PrintToString(offences);
  for (std::size_t i = 0; i < offences.size(); ++i) {
    const std::string place = snippet.path + ":" + std::to_string(snippet.lines[i]) + ": ";
    EXPECT_TRUE(offences[i].starts_with(place)) << offences[i] << " is not at " << place;
  }
}

TEST(TidyRules, NoticeWhoReadsTheEnvironment) {
  const std::string text = "\nauto* x = std::getenv(name);\n";
  expect_offences({environment_reads, "src/app.cpp", text, {2}});
  expect_offences({environment_reads, "src/config/environment.cpp", text, {}});
  expect_offences({environment_reads, "src/app.cpp", "// getenv\nf(\"getenv\");\n", {}});
  expect_offences({environment_reads, "bridge/src/store.rs", "std::env::var(\"A\")", {1}});
}

TEST(TidyRules, NoticeWhoCallsLibrdkafka) {
  const std::string text = "#include <librdkafka/rdkafka.h>\n\nrd_kafka_t* kafka;\n";
  expect_offences({librdkafka_calls, "src/ingest/lane.cpp", text, {3, 1}});
  expect_offences({librdkafka_calls, "src/kafka/handles.h", text, {}});
  expect_offences({librdkafka_calls, "src/app.cpp", "#include \"kafka/rd_kafka_source.h\"\n", {}});
}

TEST(TidyRules, NoticeWhoCallsTheBridge) {
  const std::string text = "void f(\n    bridge::Table& table,\n    rust::Str s);\n";
  expect_offences({bridge_calls, "src/ingest/lane.cpp", text, {2, 3}});
  expect_offences({bridge_calls, "src/delta/delta_sink.cpp", text, {}});
  expect_offences({bridge_calls, "src/schema/json_schema_validator.cpp", text, {}});
}

TEST(TidyRules, NoticeWhatAFolderMayNotKnow) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"src/decode/decoder.h", "kafka/message_source.h"},
      {"src/decode/decoder.h", "delta/table_sink.h"},
      {"src/batch/columns.h", "kafka/message_source.h"},
      {"src/batch/columns.h", "delta/table_sink.h"},
      {"src/base/date.h", "config/config.h"},
      {"src/ingest/lane.h", "kafka/rd_kafka_source.h"},
      {"src/ingest/lane.h", "kafka/handles.h"},
      {"src/ingest/lane.h", "delta/delta_sink.h"},
      {"src/ingest/lane.h", "config/config.h"},
      {"src/config/config.h", "ingest/lane.h"},
      {"src/commands/check.h", "kafka/cluster_inspector.h"},
      {"src/commands/check.h", "delta/delta_store.h"},
      {"src/schema/validators.h", "config/config.h"},
      {"src/decode/decoder.h", "schema/validators.h"},
  };
  for (const auto& [path, header] : bad) {
    expect_offences({forbidden_includes, path, "\n#include \"" + header + "\"\n", {2}});
  }
  const std::vector<std::pair<std::string, std::string>> good = {
      {"src/decode/decoder.h", "base/ids.h"},
      {"src/ingest/lane.h", "kafka/message_source.h"},
      {"src/ingest/lane.h", "ingest/batch.h"},
      {"src/delta/delta_sink.h", "bronze-bridge/src/lib.rs.h"},
      {"src/app.cpp", "kafka/rd_kafka_source.h"},
  };
  for (const auto& [path, header] : good) {
    expect_offences({forbidden_includes, path, "#include \"" + header + "\"\n", {}});
  }
}

TEST(TidyRules, NoticeSharedPointers) {
  const std::string text = "std::shared_ptr<int> x =\n    std::make_shared<int>(1);\n";
  expect_offences({shared_pointers, "src/app.cpp", text, {1, 2}});
  expect_offences({shared_pointers, "src/app.cpp", "// no shared_ptr\n", {}});
  expect_offences({shared_pointers, "src/observe/log.cpp", text, {}});
}

std::string body_of(std::size_t lines) {
  std::string body;
  for (std::size_t i = 0; i < lines; ++i) body += "  work();\n";
  return body;
}

TEST(TidyRules, NoticeLongFunctions) {
  const std::string path = "src/app.cpp";
  expect_offences({long_functions, path, "\nvoid f() {\n" + body_of(68) + "}\n", {}});
  expect_offences({long_functions, path, "\nvoid f() {\n" + body_of(69) + "}\n", {2}});
  expect_offences(
      {long_functions, path, "void f(int a,\n       int b) {\n" + body_of(68) + "}\n", {1}});
  expect_offences({long_functions,
                   "bridge/src/lib.rs",
                   "impl T {\n    pub fn f(&self, a: [u8; 4]) -> u8 {\n" + body_of(69) + "}\n}\n",
                   {2}});
  expect_offences({long_functions, "bridge/src/lib.rs", "fn f();\n" + body_of(100), {}});
}

TEST(TidyRules, NoticeWideConstructors) {
  const std::string path = "src/app.h";
  expect_offences({wide_constructors,
                   path,
                   "struct A {\n  A(int a, int b, std::map<int, int> c,\n    int d, int e);\n};\n",
                   {}});
  expect_offences(
      {wide_constructors,
       path,
       "class A {\n  explicit A(int a, int b, int c, int d,\n    int e, int f = 0);\n};\n",
       {2}});
  expect_offences(
      {wide_constructors, path, "A::A(int a, B b, C c, D d, E e, F f) : a_(a) {}\n", {1}});
  expect_offences({wide_constructors, path, "int f(int a, B b, C c, D d, E e, F f);\n", {}});
  expect_offences({wide_constructors, path, "int A::f(int a, B b, C c, D d, E e, F f);\n", {}});
}

TEST(TidyRules, NoticeLongLines) {
  const std::string ok(100, 'x');
  expect_offences({long_lines, "src/app.cpp", ok + "\n" + ok + "x\n" + ok, {2}});
  std::string wide;
  for (int i = 0; i < 100; ++i) wide += "\xC3\xA9";
  expect_offences({long_lines, "bridge/src/lib.rs", wide, {}});
  const std::string literal = "    r#\"" + ok + "\"#,\n    \"" + ok + "\",\n";
  expect_offences({long_lines, "bridge/src/lib.rs", literal, {}});
  expect_offences({long_lines, "src/app.cpp", literal, {1, 2}});
  expect_offences({long_lines, "bridge/src/lib.rs", "    call(\"" + ok + "\",\n", {1}});
}

TEST(TidyRules, NoticeNamelessFiles) {
  for (const char* path : {"src/utils.h", "src/ingest/util.cpp", "src/ingest/test_helpers.h",
                           "src/common/types.h", "bridge/src/helpers.rs", "src/base/misc.h"}) {
    expect_offences({nameless_files, path, "", {1}});
  }
  for (const char* path : {"src/ingest/lane.h", "src/kafka/commons_lang.h", "src/base/date.h"}) {
    expect_offences({nameless_files, path, "", {}});
  }
}

TEST(TidyRules, NoticeUnguardedHeaders) {
  expect_offences({unguarded_headers, "src/app.h", "#include <string>\n#pragma once\n", {1}});
  expect_offences({unguarded_headers, "src/app.h", "", {1}});
  expect_offences({unguarded_headers, "src/app.h", "#pragma once\n\n#include <string>\n", {}});
  expect_offences({unguarded_headers, "src/app.cpp", "#include <string>\n", {}});
}

TEST(TidyRules, NoticeNotes) {
  const std::string text =
      std::string("// TO") + "DO: later\n\ntodo!()\n// FIX" + "ME\n// XX" + "X\n";
  expect_offences({leftover_notes, "bridge/src/lib.rs", text, {1, 3, 4, 5}});
  expect_offences({leftover_notes, "src/app.cpp", "// a mastodon\nint todo_list;\n", {}});
}

TEST(TidyRules, NoticeWordsAboutTheWork) {
  for (const char* words : {"see issue 12", "fixed in #345", "(#3)", "since the last session",
                            "kept in /wo"
                            "rk/main",
                            "as discussed"}) {
    expect_offences({words_about_the_work, "src/app.cpp", "\n// " + std::string(words), {2}});
  }
  for (const char* words : {"session.timeout.ms", "a session name", "briefly", "issued at 3",
                            "#include <map>", "C# 3", "r#\"raw\"#"}) {
    expect_offences({words_about_the_work, "src/app.cpp", words, {}});
  }
}

TEST(TidySource, CodeIsWithoutCommentsAndLiterals) {
  const Source source("a.cpp",
                      "a; // {\nb; /* { \n { */ c(\"{\\\"{\", '{', '\\''); 1'000'000;\n"
                      "auto r = R\"x({ )\" )x\"; d;\n#define BRACE {\ne;\n");
  EXPECT_EQ(source.code().size(), source.text().size());
  EXPECT_EQ(source.code().find('{'), std::string::npos) << source.code();
  for (const char* kept : {"a;", "b;", "c(", "1'000'000;", "d;", "e;"}) {
    EXPECT_NE(source.code().find(kept), std::string::npos) << kept;
  }
  EXPECT_EQ(source.line_of(source.code().find("e;")), 6U);
}

TEST(TidySource, RustHasNestedCommentsLifetimesAndOtherRawStrings) {
  const Source source("a.rs",
                      "/* { /* { */ { */ fn a<'a>(x: &'a str) -> char { '{' }\n"
                      "const R: &str = r#\"{ \" \"#; const B: &[u8] = br\"{\"; b;\n");
  const std::string& code = source.code();
  EXPECT_EQ(std::count(code.begin(), code.end(), '{'), 1) << code;
  EXPECT_NE(code.find("x: &'a str"), std::string::npos) << code;
  EXPECT_NE(code.find("b;"), std::string::npos) << code;
}

TEST(TidyFunctions, AreFoundWhereverTheyStand) {
  const Source source("a.cpp", R"text(namespace a {
struct S : B<int> {
  explicit S(int x) : x_{x}, y_{1} {
    if (x) {
    }
  }
  int get() const { return x_; }
  int x_{0};
  std::vector<int> list = {1, 2};

 private:
  enum class E { kOne };
  [[nodiscard]] bool operator()(int a,
                                int b) const noexcept {
    return [](int c) { return c; }(a);
  }
};

template <typename T>
void g(T t) {
}
}  // namespace a
)text");
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (const auto& function : functions_of(source))
    found.emplace_back(function.line, function.lines);
  const std::vector<std::pair<std::size_t, std::size_t>> expected = {
      {3, 4}, {7, 1}, {13, 4}, {19, 3}};
  EXPECT_EQ(found, expected);
}

TEST(TidyFunctions, OfTheProjectAreFound) {
  std::size_t functions = 0;
  std::size_t constructors = 0;
  for (const Source& source : project()) {
    functions += functions_of(source).size();
    constructors += constructors_of(source).size();
  }
  EXPECT_GT(functions, 300U);
  EXPECT_GT(constructors, 20U);
}

}  // namespace
}  // namespace bronze::tidy
