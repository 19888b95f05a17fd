#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

extern "C" {
char* curl_easy_escape(void* handle, const char* text, int length);
int sasl_client_new(const char* service, const char* server, const char* local, const char* remote,
                    const void* callbacks, unsigned flags, void** connection);
const char* sasl_errstring(int error, const char* languages, const char** language);
void sasl_dispose(void** connection);
}

namespace bronze::kafka {
namespace {

bool is_mapped(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(library) != std::string::npos) return true;
  }
  return false;
}

TEST(LateLibraries, LoadCurlWhenItIsCalledFirst) {
  EXPECT_FALSE(is_mapped("libcurl"));
  const std::unique_ptr<char, decltype(&std::free)> escaped(curl_easy_escape(nullptr, "a b", 0),
                                                            &std::free);
  EXPECT_STREQ(escaped.get(), "a%20b");
  EXPECT_TRUE(is_mapped("libcurl"));
}

TEST(LateLibraries, LoadSaslWhenItIsCalledFirst) {
  void* connection = nullptr;
  const int status =
      sasl_client_new("kafka", "localhost", nullptr, nullptr, nullptr, 0, &connection);
  EXPECT_EQ(status, 0) << sasl_errstring(status, nullptr, nullptr);
  EXPECT_NE(connection, nullptr);
  sasl_dispose(&connection);
  EXPECT_EQ(connection, nullptr);
  EXPECT_TRUE(is_mapped("libsasl2"));
}

}  // namespace
}  // namespace bronze::kafka
