#include "schema/registry.h"

#include <cstdint>
#include <span>

#include "schema/verdict.h"

namespace bronze::schema {
namespace {

class RegistryValidator final : public decode::Validator {
 public:
  /// `registry` outlives it.
  explicit RegistryValidator(const bridge::Registry& registry) : registry_(registry) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    return verdict_of([&] { return registry_.check(bytes_of(value)); });
  }

  [[nodiscard]] std::vector<decode::FetchOutcome> fetch(
      std::span<const std::int32_t> ids) override {
    const auto results = registry_.fetch({ids.data(), ids.size()});
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
};

}  // namespace

struct Registry::Impl {
  rust::Box<bridge::Registry> registry;
};

Registry::Registry(const RegistrySettings& settings) {
  bridge::RegistryOptions options;
  for (const auto& url : settings.urls) options.urls.push_back(url);
  options.username = settings.username;
  options.password = settings.password;
  options.ca_file = settings.ca_file;
  options.connect_timeout_ms = static_cast<std::uint32_t>(settings.connect_timeout.count());
  options.request_timeout_ms = static_cast<std::uint32_t>(settings.request_timeout.count());
  options.formats = to_bridge(settings.formats);
  impl_ = std::make_unique<Impl>(Impl{bridge::open_registry(options)});
}

Registry::~Registry() = default;

std::unique_ptr<decode::Validator> Registry::validator() const {
  return std::make_unique<RegistryValidator>(*impl_->registry);
}

}  // namespace bronze::schema
