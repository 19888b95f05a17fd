#include "cache/redis_server.h"

#include <exception>
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

/// The same for a call whose outcome is all that counts. Whatever a server answers, the service
/// goes on.
template <typename Call>
std::string trouble_in(Call call) {
  try {
    return trouble_of(call());
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

struct RedisServer::Impl {
  rust::Box<bridge::Redis> redis;
};

RedisServer::RedisServer(const RedisSettings& settings) {
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
  impl_ = std::make_unique<Impl>(Impl{bridge::open_redis(options)});
}

RedisServer::~RedisServer() = default;

Values RedisServer::get(const std::vector<std::string>& keys) {
  const std::vector<rust::String> bridged(keys.begin(), keys.end());
  Values values;
  values.trouble = trouble_in([&] {
    const auto found = impl_->redis->get({bridged.data(), bridged.size()}, k_value_bytes_max);
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
  return trouble_in([&] { return impl_->redis->set(key, value, k_keep_s); });
}

std::string RedisServer::ping() {
  return trouble_in([&] { return impl_->redis->ping(); });
}

}  // namespace bronze::cache
