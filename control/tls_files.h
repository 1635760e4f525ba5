// The files that TLS with mutual authentication needs: all three, or none for no TLS.
#pragma once

#include <string>

namespace sluice {

struct TlsFiles {
  std::string certificate;
  std::string key;
  /// Whoever has a certificate of it may take part.
  std::string ca;
};

}  // namespace sluice
