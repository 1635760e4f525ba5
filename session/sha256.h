// SHA-256, the name of an artefact: what is under a name can be checked, and nobody can choose one.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sluice {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  /// 64 lower-case hexadecimal digits; to be called once, at the end.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether `text` is such a name, and so can be part of a path.
bool is_sha256(std::string_view text);

}  // namespace sluice
