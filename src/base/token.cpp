#include "base/token.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <random>

namespace bronze {

std::string new_token() {
  std::random_device device;
  std::array<std::uint32_t, 4> bits{device(), device(), device(), device()};
  bits[1] = (bits[1] & 0xFFFF0FFFU) | 0x00004000U;
  bits[2] = (bits[2] & 0x3FFFFFFFU) | 0x80000000U;
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%04x%08x", bits[0], bits[1] >> 16U,
                bits[1] & 0xFFFFU, bits[2] >> 16U, bits[2] & 0xFFFFU, bits[3]);
  return text;
}

}  // namespace bronze
