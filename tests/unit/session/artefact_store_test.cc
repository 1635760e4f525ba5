#include "session/artefact_store.h"

#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include <doctest/doctest.h>

#include "session/private_directory.h"
#include "tests/support/scratch_directory.h"

namespace sluice {
namespace {

std::string sha256_of(const std::string& bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

Status put(ArtefactStore& store, const std::string& name, const std::string& bytes) {
  auto upload = store.begin(name, static_cast<int64_t>(bytes.size()));
  if (!upload.is_ok()) return upload.status();
  SLUICE_RETURN_IF_ERROR((*upload)->append(bytes));
  return (*upload)->finish();
}

TEST_CASE("sha256: the digest of a known text") {
  CHECK(sha256_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(is_sha256(sha256_of("")));
  CHECK(!is_sha256("../" + sha256_of("").substr(3)));
  CHECK(!is_sha256(sha256_of("") + "0"));
}

TEST_CASE("artefact_store: what has the announced bytes is kept for its user alone") {
  const ScratchDirectory scratch;
  const std::string directory = scratch.path() + "/artefacts";
  auto store = std::move(ArtefactStore::open(directory, {})).value();
  const std::string name = sha256_of("program");
  CHECK(store->find(name).status().code() == StatusCode::kNotFound);
  CHECK(put(*store, name, "program").is_ok());
  const std::string path = *store->find(name);
  struct stat found {};
  CHECK(::stat(path.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0500);
  CHECK(::stat(directory.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777) == 0700);
}

TEST_CASE("artefact_store: other bytes, sizes and names than announced are refused and gone") {
  const ScratchDirectory scratch;
  auto store = std::move(ArtefactStore::open(scratch.path() + "/a", {})).value();
  const std::string name = sha256_of("program");
  CHECK(put(*store, name, "PROGRAM").code() == StatusCode::kCorruption);
  CHECK(put(*store, "../../etc/passwd", "x").code() == StatusCode::kInvalidArgument);
  CHECK(store->begin(name, 0).status().code() == StatusCode::kInvalidArgument);
  CHECK(store->begin(name, int64_t{1} << 40).status().code() == StatusCode::kInvalidArgument);
  {
    auto upload = std::move(store->begin(name, 3)).value();
    CHECK(upload->append("prog").code() == StatusCode::kInvalidArgument);
    CHECK(upload->append("pr").is_ok());
    CHECK(upload->finish().code() == StatusCode::kCorruption);
  }
  CHECK(std::filesystem::is_empty(scratch.path() + "/a"));
}

TEST_CASE("artefact_store: a file that was changed on disk is not used by the next process") {
  const ScratchDirectory scratch;
  const std::string name = sha256_of("program");
  {
    auto store = std::move(ArtefactStore::open(scratch.path() + "/a", {})).value();
    CHECK(put(*store, name, "program").is_ok());
    std::filesystem::permissions(*store->find(name), std::filesystem::perms::owner_all);
    std::ofstream(*store->find(name)) << "another";
    std::ofstream(scratch.path() + "/a/incoming-7") << "half";
  }
  auto store = std::move(ArtefactStore::open(scratch.path() + "/a", {})).value();
  CHECK(store->find(name).status().code() == StatusCode::kNotFound);
  CHECK(std::filesystem::is_empty(scratch.path() + "/a"));
}

TEST_CASE("artefact_store: a full cache forgets what no job holds") {
  const ScratchDirectory scratch;
  ArtefactStore::Limits limits;
  limits.total_bytes_max = 10;
  auto store = std::move(ArtefactStore::open(scratch.path() + "/a", limits)).value();
  const std::string held = sha256_of("held!");
  const std::string idle = sha256_of("idle!");
  CHECK(put(*store, held, "held!").is_ok());
  store->hold(held);
  CHECK(put(*store, idle, "idle!").is_ok());
  CHECK(put(*store, sha256_of("third"), "third").is_ok());
  CHECK(store->find(held).is_ok());
  CHECK(!store->find(idle).is_ok());
  CHECK(store->begin(sha256_of("x"), 6).status().code() == StatusCode::kResourceExhausted);
  store->let_go(held);
  CHECK(store->begin(sha256_of("x"), 6).is_ok());
}

TEST_CASE("private_directory: a directory that others can enter is refused") {
  const ScratchDirectory scratch;
  const std::string path = scratch.path() + "/open";
  std::filesystem::create_directory(path);
  std::filesystem::permissions(path, std::filesystem::perms{0755});
  CHECK(make_private_directory(path).code() == StatusCode::kFailedPrecondition);
  std::filesystem::create_symlink(scratch.path(), scratch.path() + "/link");
  CHECK(make_private_directory(scratch.path() + "/link").code() == StatusCode::kFailedPrecondition);
  CHECK(make_private_directory(scratch.path() + "/new/private").is_ok());
}

}  // namespace
}  // namespace sluice
