#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace bronze::fakes {

using Env = std::map<std::string, std::string, std::less<>>;

/// Finds these variables and no others.
inline config::EnvLookup lookup(const Env& env) {
  return [env](std::string_view name) -> std::optional<std::string> {
    const auto found = env.find(name);
    return found == env.end() ? std::nullopt : std::optional(found->second);
  };
}

inline config::LoadResult load(const Env& env,
                               std::optional<std::uint64_t> cgroup_bytes = std::nullopt) {
  return config::load_config(lookup(env), cgroup_bytes);
}

}  // namespace bronze::fakes
