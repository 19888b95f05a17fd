#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <fstream>

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {
namespace {

/// Version 1 writes "no limit" as a huge number that depends on the page size; no machine has
/// this much memory.
constexpr std::uint64_t k_unlimited_bytes_min = std::uint64_t{1} << 60U;

std::optional<std::uint64_t> read_limit(const std::string& file) {
  std::string text;
  if (!(std::ifstream(file) >> text)) return std::nullopt;
  const auto bytes = parse_whole_number(text);  // "max" is no number
  if (!bytes || *bytes >= k_unlimited_bytes_min) return std::nullopt;
  return bytes;
}

std::optional<std::uint64_t> smaller(std::optional<std::uint64_t> a,
                                     std::optional<std::uint64_t> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// A limit of any ancestor holds too, so the walk goes from the group up to the mount point.
/// Inside a container the group's path may be that of the host and not exist here: then only the
/// mount point answers, which is the container's own group.
std::optional<std::uint64_t> least_limit(const std::string& mount, std::string group,
                                         const std::string& file) {
  if (group.find("..") != std::string::npos) group.clear();
  std::optional<std::uint64_t> limit;
  while (!group.empty()) {
    limit = smaller(limit, read_limit(fmt::format("{}{}/{}", mount, group, file)));
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
  return smaller(limit, read_limit(mount + "/" + file));
}

bool lists_memory(const std::string& controllers) {
  return fmt::format(",{},", controllers).find(",memory,") != std::string::npos;
}

}  // namespace

std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root) {
  const std::string base = root.ends_with('/') ? root.substr(0, root.size() - 1) : root;
  const std::string mount = base + "/sys/fs/cgroup";
  std::string v1_group;
  std::string v2_group;
  std::ifstream own_groups(base + "/proc/self/cgroup");
  for (std::string line; std::getline(own_groups, line);) {  // id:controllers:path
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (line.starts_with("0:") && controllers.empty()) v2_group = path;
    if (lists_memory(controllers)) v1_group = path;
  }
  return smaller(least_limit(mount, v2_group, "memory.max"),
                 least_limit(mount + "/memory", v1_group, "memory.limit_in_bytes"));
}

}  // namespace bronze::config
