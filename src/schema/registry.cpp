#include "schema/registry.h"

#include <spdlog/spdlog.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <utility>

#include "base/secret_file.h"
#include "schema/verdict.h"

namespace bronze::schema {
namespace {

/// Who we are to a registry, as of now. Any thread.
class Login {
 public:
  explicit Login(const RegistrySettings& settings)
      : username_(settings.username_file, settings.username),
        password_(settings.password_file, settings.password) {}

  /// Looks at the files again.
  [[nodiscard]] bridge::RegistryLogin now() {
    const std::lock_guard lock(mutex_);
    for (SecretFile* part : {&username_, &password_}) {
      if (part->path().empty() || !part->renew()) continue;
      spdlog::info("{} has changed: the schema registry is asked with what it holds now",
                   part->path());
    }
    return {.username = username_.secret(), .password = password_.secret()};
  }

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  SecretFile username_;
  SecretFile password_;
};

class RegistryValidator final : public decode::Validator {
 public:
  /// Both outlive it.
  RegistryValidator(const bridge::Registry& registry, Login& login)
      : registry_(registry), login_(login) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    return verdict_of([&] { return registry_.check(bytes_of(value)); });
  }

  [[nodiscard]] std::vector<decode::FetchOutcome> fetch(
      std::span<const std::int32_t> ids) override {
    const auto results = registry_.fetch({ids.data(), ids.size()}, login_.now());
    std::vector<decode::FetchOutcome> outcomes;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      outcomes.push_back({.id = ids[i],
                          .status = from_bridge(results[i].status),
                          .message = std::string(results[i].message)});
    }
    return outcomes;
  }

 private:
  const bridge::Registry& registry_;
  Login& login_;
};

}  // namespace

struct Registry::Impl {
  Impl(rust::Box<bridge::Registry> opened, const RegistrySettings& settings)
      : registry(std::move(opened)), login(settings) {}

  rust::Box<bridge::Registry> registry;
  Login login;
};

Registry::Registry(const RegistrySettings& settings) {
  bridge::RegistryOptions options;
  for (const auto& url : settings.urls) options.urls.push_back(url);
  options.ca_file = settings.ca_file;
  options.connect_timeout_ms = static_cast<std::uint32_t>(settings.connect_timeout.count());
  options.request_timeout_ms = static_cast<std::uint32_t>(settings.request_timeout.count());
  options.formats = to_bridge(settings.formats);
  impl_ = std::make_unique<Impl>(bridge::open_registry(options), settings);
}

Registry::~Registry() = default;

std::unique_ptr<decode::Validator> Registry::validator() const {
  return std::make_unique<RegistryValidator>(*impl_->registry, impl_->login);
}

}  // namespace bronze::schema
