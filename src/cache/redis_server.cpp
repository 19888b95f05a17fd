#include "cache/redis_server.h"

#include <exception>
#include <optional>
#include <utility>

#include "bronze-bridge/src/lib.rs.h"

namespace bronze::cache {
namespace {

/// A table that is not written for so long is read in the ordinary way.
constexpr std::chrono::seconds k_kept_for{std::chrono::hours{30 * 24}};
/// No state of a table is larger.
constexpr std::uint64_t k_value_bytes_max = std::uint64_t{1} << 20U;

/// Empty = nothing went wrong.
std::string trouble_of(const bridge::Outcome& outcome) {
  return outcome.status == bridge::Status::Ok ? std::string() : std::string(outcome.message);
}

rust::Box<bridge::Redis> open(const RedisSettings& settings) {
  bridge::RedisOptions options;
  options.socket = settings.socket;
  options.host = settings.host;
  options.port = settings.port;
  options.tls = settings.encryption == RedisSettings::Encryption::kTls;
  options.ca_file = settings.ca_file;
  options.username = settings.username;
  options.password = settings.password;
  options.database = settings.database;
  options.timeout_ms = static_cast<std::uint32_t>(settings.timeout.count());
  return bridge::open_redis(options);
}

}  // namespace

struct RedisServer::Impl {
  /// Returns why there is no answer. Whatever a server answers, the service goes on.
  template <typename Call>
  std::string ask(Call call) {
    std::string trouble;
    try {
      if (!redis) redis.emplace(open(settings()));
      trouble = trouble_of(call(**redis));
    } catch (const std::exception& error) {
      trouble = error.what();
    }
    if (!trouble.empty()) redis.reset();
    return trouble;
  }

  Settings settings;
  std::optional<rust::Box<bridge::Redis>> redis;
};

RedisServer::RedisServer(Settings settings) {
  auto redis = open(settings());
  impl_ = std::make_unique<Impl>(Impl{.settings = std::move(settings), .redis = std::move(redis)});
}

RedisServer::~RedisServer() = default;

Values RedisServer::get(const std::vector<std::string>& keys) {
  const std::vector<rust::String> bridged(keys.begin(), keys.end());
  Values values;
  values.trouble = impl_->ask([&](bridge::Redis& redis) {
    const auto found = redis.get({bridged.data(), bridged.size()}, k_value_bytes_max);
    for (const auto& value : found.values) {
      values.values.push_back(value.text.empty() ? std::nullopt
                                                 : std::optional(std::string(value.text)));
    }
    return found.outcome;
  });
  return values;
}

std::string RedisServer::set(const std::string& key, const std::string& value) {
  constexpr auto k_keep_s = static_cast<std::uint64_t>(k_kept_for.count());
  return impl_->ask([&](bridge::Redis& redis) { return redis.set(key, value, k_keep_s); });
}

std::string RedisServer::ping() {
  return impl_->ask([](bridge::Redis& redis) { return redis.ping(); });
}

}  // namespace bronze::cache
