#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <string>

#include "commands/check_report.h"
#include "commands/store_inspector.h"
#include "config/config.h"
#include "kafka/cluster_look.h"

namespace bronze::commands {

using LookAtCluster = std::function<kafka::ClusterLook(const kafka::LookRequest&)>;

/// Why Redis does not answer; empty = it does. Not valid = there is no Redis.
using RedisAnswer = std::future<std::string>;

/// `bronze check`: what the service would find were it started now. Asks Kafka on this thread,
/// while `store` asks the store; both for at most `timeout`, as `redis` is waited for.
/// REQUIRES: `store` has been asked for no table.
[[nodiscard]] CheckReport check(const config::Config& config, std::chrono::milliseconds timeout,
                                const LookAtCluster& look_at_cluster, StoreInspector& store,
                                RedisAnswer redis);

}  // namespace bronze::commands
