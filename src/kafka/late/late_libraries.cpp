// libcurl and libsasl2 for librdkafka, loaded when they are first needed: for OAUTHBEARER with OIDC
// and for GSSAPI. Linked in the ordinary way they bring thirty more libraries into each process,
// 4 MB that hardly any needs. The static librdkafka finds these functions instead of the real ones;
// a function that is missing here is taken from the real library (cmake/dependencies.cmake).

#include <dlfcn.h>
#include <spdlog/spdlog.h>

#include <cstdarg>
#include <mutex>

namespace {

/// Stays loaded for the life of the process.
class LateLibrary {
 public:
  LateLibrary(const char* file, const char* needed_for) : handle_(::dlopen(file, RTLD_NOW)) {
    if (handle_ == nullptr) {
      spdlog::error("{} is needed for {} and cannot be loaded: {}; install it", file, needed_for,
                    ::dlerror());
    }
  }

  /// nullptr: not there.
  template <typename Function>
  [[nodiscard]] Function* find(const char* name) const {
    if (handle_ == nullptr) return nullptr;
    return reinterpret_cast<Function*>(::dlsym(handle_, name));
  }

  /// `missing` when the function is not there.
  template <typename Result, typename... Arguments>
  Result call(const char* name, Result missing, Arguments... arguments) const {
    const auto function = find<Result(Arguments...)>(name);
    return function == nullptr ? missing : function(arguments...);
  }

  template <typename... Arguments>
  void run(const char* name, Arguments... arguments) const {
    if (const auto function = find<void(Arguments...)>(name)) function(arguments...);
  }

 private:
  void* handle_;
};

// Of curl/curl.h and sasl/sasl.h, whose numbers are part of these libraries' ABI.
constexpr long k_curl_global_default = 3;
constexpr int k_curl_failed_init = 2;
constexpr int k_sasl_ok = 0;
constexpr int k_sasl_fail = -1;

const LateLibrary& curl() {
  static const LateLibrary library{"libcurl.so.4", "OAUTHBEARER with OIDC"};
  static std::once_flag once;
  std::call_once(once, [] { library.call("curl_global_init", 0, k_curl_global_default); });
  return library;
}

const LateLibrary& sasl() {
  static const LateLibrary library{"libsasl2.so.2", "GSSAPI"};
  return library;
}

/// The one argument behind a function's last named one: a long or a pointer, which are passed
/// alike.
void* only_argument(std::va_list& list) { return va_arg(list, void*); }

}  // namespace

// Nobody but librdkafka is to find these, least of all the libraries themselves.
#pragma GCC visibility push(hidden)
extern "C" {

// --- libcurl ---

int curl_global_init(long) { return 0; }

void* curl_easy_init() { return curl().call<void*>("curl_easy_init", nullptr); }

int curl_easy_setopt(void* handle, int option, ...) {
  std::va_list list;
  va_start(list, option);
  void* const value = only_argument(list);
  va_end(list);
  const auto real = curl().find<int(void*, int, ...)>("curl_easy_setopt");
  return real == nullptr ? k_curl_failed_init : real(handle, option, value);
}

int curl_easy_getinfo(void* handle, int info, ...) {
  std::va_list list;
  va_start(list, info);
  void* const value = only_argument(list);
  va_end(list);
  const auto real = curl().find<int(void*, int, ...)>("curl_easy_getinfo");
  return real == nullptr ? k_curl_failed_init : real(handle, info, value);
}

int curl_easy_perform(void* handle) {
  return curl().call("curl_easy_perform", k_curl_failed_init, handle);
}

void curl_easy_cleanup(void* handle) { curl().run("curl_easy_cleanup", handle); }

char* curl_easy_escape(void* handle, const char* text, int length) {
  return curl().call<char*>("curl_easy_escape", nullptr, handle, text, length);
}

void* curl_slist_append(void* list, const char* text) {
  return curl().call<void*>("curl_slist_append", nullptr, list, text);
}

void curl_slist_free_all(void* list) { curl().run("curl_slist_free_all", list); }

void* curl_url() { return curl().call<void*>("curl_url", nullptr); }

void curl_url_cleanup(void* url) { curl().run("curl_url_cleanup", url); }

int curl_url_get(const void* url, int what, char** part, unsigned flags) {
  return curl().call("curl_url_get", k_curl_failed_init, url, what, part, flags);
}

int curl_url_set(void* url, int what, const char* part, unsigned flags) {
  return curl().call("curl_url_set", k_curl_failed_init, url, what, part, flags);
}

// --- libsasl2 ---

/// librdkafka calls this for every client, also without SASL, and gives no callbacks.
int sasl_client_init(const void*) { return k_sasl_ok; }

int sasl_client_new(const char* service, const char* server, const char* local, const char* remote,
                    const void* callbacks, unsigned flags, void** connection) {
  static std::once_flag once;
  static int status = k_sasl_fail;
  std::call_once(once, [] {
    status = sasl().call("sasl_client_init", k_sasl_fail, static_cast<const void*>(nullptr));
  });
  if (status != k_sasl_ok) return status;
  return sasl().call("sasl_client_new", k_sasl_fail, service, server, local, remote, callbacks,
                     flags, connection);
}

int sasl_client_start(void* connection, const char* mechanisms, void** prompts, const char** out,
                      unsigned* length, const char** mechanism) {
  return sasl().call("sasl_client_start", k_sasl_fail, connection, mechanisms, prompts, out, length,
                     mechanism);
}

int sasl_client_step(void* connection, const char* in, unsigned in_length, void** prompts,
                     const char** out, unsigned* length) {
  return sasl().call("sasl_client_step", k_sasl_fail, connection, in, in_length, prompts, out,
                     length);
}

void sasl_dispose(void** connection) { sasl().run("sasl_dispose", connection); }

const char* sasl_errstring(int error, const char* languages, const char** language) {
  return sasl().call<const char*>("sasl_errstring", "libsasl2 cannot be used", error, languages,
                                  language);
}

const char* sasl_errdetail(void* connection) {
  return sasl().call<const char*>("sasl_errdetail", "libsasl2 cannot be used", connection);
}

int sasl_getprop(void* connection, int property, const void** value) {
  return sasl().call("sasl_getprop", k_sasl_fail, connection, property, value);
}

int sasl_listmech(void* connection, const char* user, const char* prefix, const char* separator,
                  const char* suffix, const char** result, unsigned* length, int* count) {
  return sasl().call("sasl_listmech", k_sasl_fail, connection, user, prefix, separator, suffix,
                     result, length, count);
}

}  // extern "C"
#pragma GCC visibility pop
