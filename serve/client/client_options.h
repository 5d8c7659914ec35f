// How a client of the server connects and who it is.
#pragma once

#include <chrono>
#include <string>

namespace fluke::serve {

struct ClientOptions {
  std::chrono::milliseconds timeout{30'000};  // of each call
  std::string api_key = {};                   // empty: none
  // TLS, where `tls` or any of the files is given. Files are PEM.
  bool tls = false;
  std::string ca = {};           // whom to believe; empty: those that the system believes
  std::string certificate = {};  // of the client (mTLS), with its key
  std::string private_key = {};
  std::string server_name = {};  // that the server's certificate is for; empty: as in the address
};

}  // namespace fluke::serve
