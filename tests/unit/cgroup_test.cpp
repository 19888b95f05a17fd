#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "config/config.h"

namespace bronze::config {
namespace {

using Files = std::map<std::string, std::string>;

struct CgroupCase {
  std::string name;
  Files files;
  std::optional<std::uint64_t> limit;
};

/// A root directory of its own, removed at the end.
class FakeRoot {
 public:
  explicit FakeRoot(const Files& files) {
    std::string path = testing::TempDir() + "cgroup_test_XXXXXX";
    path_ = ::mkdtemp(path.data());
    for (const auto& [file, text] : files) {
      const std::filesystem::path full = path_ + file;
      std::filesystem::create_directories(full.parent_path());
      std::ofstream(full) << text;
    }
  }
  ~FakeRoot() { std::filesystem::remove_all(path_); }
  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

const std::vector<CgroupCase>& cases() {
  static const std::vector<CgroupCase> k_cases = {
      {"nothing mounted", {}, std::nullopt},
      {"v2 in a container",
       {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "268435456\n"}},
       268435456},
      {"v2 without limit",
       {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "max\n"}},
       std::nullopt},
      {"v2 own group",
       {{"/proc/self/cgroup", "0::/system.slice/bronze.service\n"},
        {"/sys/fs/cgroup/system.slice/bronze.service/memory.max", "100\n"},
        {"/sys/fs/cgroup/system.slice/memory.max", "max\n"}},
       100},
      {"v2 tighter parent",
       {{"/proc/self/cgroup", "0::/a/b\n"},
        {"/sys/fs/cgroup/a/b/memory.max", "300\n"},
        {"/sys/fs/cgroup/a/memory.max", "200\n"}},
       200},
      {"v2 outside the own namespace",
       {{"/proc/self/cgroup", "0::/../other\n"}, {"/sys/fs/cgroup/memory.max", "70\n"}},
       70},
      {"v1 own group",
       {{"/proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/bronze\n"},
        {"/sys/fs/cgroup/memory/bronze/memory.limit_in_bytes", "268435456\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
       268435456},
      {"v1 path of the host inside a container",
       {{"/proc/self/cgroup", "4:memory:/docker/0123\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "123\n"}},
       123},
      {"v1 without limit",
       {{"/proc/self/cgroup", "4:memory:/\n"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}},
       std::nullopt},
      {"v1 and v2, the smaller",
       {{"/proc/self/cgroup", "4:memory:/a\n0::/a\n"},
        {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "500\n"},
        {"/sys/fs/cgroup/a/memory.max", "400\n"}},
       400},
      {"no list of groups", {{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "50\n"}}, 50},
      {"garbage",
       {{"/proc/self/cgroup", "x\n::\n:\n"}, {"/sys/fs/cgroup/memory.max", "12 apples\nx"}},
       12},
      {"no number",
       {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "-1\n"}},
       std::nullopt},
      {"overflow",
       {{"/proc/self/cgroup", "0::/\n"}, {"/sys/fs/cgroup/memory.max", "99999999999999999999\n"}},
       std::nullopt},
  };
  return k_cases;
}

TEST(CgroupMemoryLimit, OfEveryLayout) {
  for (const auto& [name, files, limit] : cases()) {
    const FakeRoot root(files);
    EXPECT_EQ(cgroup_memory_limit(root.path()), limit) << name;
    EXPECT_EQ(cgroup_memory_limit(root.path() + "/"), limit) << name;
  }
}

}  // namespace
}  // namespace bronze::config
