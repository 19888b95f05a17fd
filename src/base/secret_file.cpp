#include "base/secret_file.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

namespace bronze {
namespace {

constexpr std::size_t k_bytes_max = std::size_t{64} * 1024;

}  // namespace

SecretRead read_secret_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(k_bytes_max + 1, '\0');
  // A directory can be opened, but not read.
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return {.secret = {}, .fault = std::string("cannot be read: ") + std::strerror(errno)};
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > k_bytes_max) return {.secret = {}, .fault = "is larger than 64 KiB"};
  if (text.find('\0') != std::string::npos) return {.secret = {}, .fault = "is not text"};
  text.erase(text.find_last_not_of("\r\n") + 1);
  if (text.empty()) return {.secret = {}, .fault = "is empty"};
  return {.secret = std::move(text), .fault = {}};
}

bool is_read_only_once(const std::string& path) {
  std::error_code unknown;
  const auto type = std::filesystem::status(path, unknown).type();
  return type == std::filesystem::file_type::fifo || type == std::filesystem::file_type::socket ||
         type == std::filesystem::file_type::character;
}

SecretFile::SecretFile(std::string path, std::string secret)
    : path_(std::move(path)), secret_(std::move(secret)) {}

bool SecretFile::renew() {
  if (is_read_only_once(path_)) return false;
  auto read = read_secret_file(path_);
  if (!read.fault.empty() && read.fault != fault_) {
    spdlog::warn("{} {}: the secret that it held before stays in use", path_, read.fault);
  }
  fault_ = std::move(read.fault);
  if (!fault_.empty() || read.secret == secret_) return false;
  secret_ = std::move(read.secret);
  return true;
}

}  // namespace bronze
