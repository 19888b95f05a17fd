#include "base/secret_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace bronze {
namespace {

SecretRead read(const std::string& content) {
  const std::string path = testing::TempDir() + "secret_file_test";
  std::ofstream(path, std::ios::binary) << content;
  return read_secret_file(path);
}

TEST(SecretFile, IsReadWithoutTheLineEndBehindIt) {
  for (const std::string end : {"", "\n", "\r\n", "\n\n"}) {
    EXPECT_EQ(read(" pass word " + end).secret, " pass word ");
    EXPECT_EQ(read("two\nlines" + end).secret, "two\nlines");
  }
  EXPECT_EQ(read("pass").fault, "");
}

TEST(SecretFile, SaysWhyThereIsNone) {
  EXPECT_EQ(read("").fault, "is empty");
  EXPECT_EQ(read("\n").fault, "is empty");
  EXPECT_EQ(read(std::string("a\0b", 3)).fault, "is not text");
  EXPECT_EQ(read(std::string(65'537, 'x')).fault, "is larger than 64 KiB");
  EXPECT_EQ(read(std::string(65'536, 'x')).fault, "");
  EXPECT_EQ(read_secret_file("/nonexistent").fault, "cannot be read: No such file or directory");
  EXPECT_EQ(read_secret_file(testing::TempDir()).fault, "cannot be read: Is a directory");
  EXPECT_EQ(read("").secret, "");
}

TEST(SecretFile, IsReadAgain) {
  const std::string path = testing::TempDir() + "secret_file_renewed";
  const auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  write("first\n");
  SecretFile file(path, "first");
  EXPECT_FALSE(file.renew());
  write("second\n");
  EXPECT_TRUE(file.renew());
  EXPECT_FALSE(file.renew());
  EXPECT_EQ(file.secret(), "second");
  for (const std::string unusable : {"", "\n"}) {
    write(unusable);
    EXPECT_FALSE(file.renew());
    EXPECT_EQ(file.secret(), "second");
  }
  std::filesystem::remove(path);
  EXPECT_FALSE(file.renew());
  EXPECT_EQ(file.secret(), "second");
  write("third");
  EXPECT_TRUE(file.renew());
}

TEST(SecretFile, ThatIsAPipeIsReadOnce) {
  const std::string path = testing::TempDir() + "secret_pipe";
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_TRUE(is_read_only_once(path));
  std::thread writer([&] { std::ofstream(path) << "piped\n"; });
  EXPECT_EQ(read_secret_file(path).secret, "piped");
  writer.join();
  SecretFile file(path, "piped");
  EXPECT_FALSE(file.renew());
  EXPECT_EQ(file.secret(), "piped");
  std::filesystem::remove(path);
  EXPECT_FALSE(is_read_only_once(path));
  EXPECT_FALSE(is_read_only_once(testing::TempDir()));
}

}  // namespace
}  // namespace bronze
