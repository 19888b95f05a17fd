#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <stdexcept>

namespace bronze {

/// A socket that listens on loopback, on a port that was free. Whoever makes it closes it.
struct LoopbackListener {
  /// Throws std::runtime_error.
  LoopbackListener() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    if (bind(socket, plain, size) != 0 || listen(socket, 8) != 0 ||
        getsockname(socket, plain, &size) != 0) {
      throw std::runtime_error("a server of the tests cannot listen on loopback");
    }
    port = ntohs(address.sin_port);
  }

  int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  int port = 0;
};

}  // namespace bronze
