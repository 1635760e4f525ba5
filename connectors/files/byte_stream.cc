#include "connectors/files/byte_stream.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <zlib.h>
#include <zstd.h>

namespace sluice {
namespace {

constexpr size_t kPackedBlockBytes = 128 * 1024;

class PlainStream final : public ByteStream {
 public:
  PlainStream(const ReadableFile& file, uint64_t offset) : file_(file), offset_(offset) {}

  Result<size_t> read(char* to, size_t size) override {
    SLUICE_ASSIGN_OR_RETURN(const size_t got, file_.pread(offset_, to, size));
    offset_ += got;
    return got;
  }

 private:
  const ReadableFile& file_;
  uint64_t offset_;
};

// The packed bytes, a block at a time.
class PackedInput {
 public:
  explicit PackedInput(const ReadableFile& file) : file_(file), block_(kPackedBlockBytes) {}

  /// What is not used yet; reads on when that is nothing. Empty at the end of the file.
  Result<std::string_view> peek() {
    if (begin_ == end_) {
      SLUICE_ASSIGN_OR_RETURN(end_, file_.pread(offset_, block_.data(), block_.size()));
      begin_ = 0;
      offset_ += end_;
    }
    return std::string_view(block_.data() + begin_, end_ - begin_);
  }
  void use(size_t bytes) { begin_ += bytes; }

  Status damaged(const char* reason) const {
    return Status::corruption(file_.path() + ": " + reason + " at byte " +
                              std::to_string(offset_ - (end_ - begin_)));
  }

 private:
  const ReadableFile& file_;
  std::vector<char> block_;
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t offset_ = 0;
};

class GzipStream final : public ByteStream {
 public:
  explicit GzipStream(const ReadableFile& file) : input_(file) {}
  ~GzipStream() override {
    if (open_) inflateEnd(&state_);
  }

  Result<size_t> read(char* to, size_t size) override {
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const std::string_view packed, input_.peek());
      if (packed.empty()) {
        if (inside_member_) return input_.damaged("gzip data ends too early");
        return size_t{0};
      }
      if (!inside_member_) SLUICE_RETURN_IF_ERROR(start_member());
      state_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // NOLINT
      state_.avail_in = static_cast<uInt>(packed.size());
      state_.next_out = reinterpret_cast<Bytef*>(to);
      state_.avail_out = static_cast<uInt>(size);
      const int result = inflate(&state_, Z_NO_FLUSH);
      input_.use(packed.size() - state_.avail_in);
      if (result == Z_STREAM_END) {
        inside_member_ = false;
      } else if (result != Z_OK && result != Z_BUF_ERROR) {
        return input_.damaged("damaged gzip data");
      }
      if (const size_t got = size - state_.avail_out; got > 0) return got;
    }
  }

 private:
  Status start_member() {
    constexpr int kGzipWindowBits = 15 + 16;
    const int result = open_ ? inflateReset(&state_) : inflateInit2(&state_, kGzipWindowBits);
    if (result != Z_OK) return Status::resource_exhausted("no memory to unpack gzip");
    open_ = inside_member_ = true;
    return Status::ok();
  }

  PackedInput input_;
  z_stream state_{};
  bool open_ = false;
  bool inside_member_ = false;
};

class ZstdStream final : public ByteStream {
 public:
  explicit ZstdStream(const ReadableFile& file)
      : input_(file), state_(ZSTD_createDStream(), &ZSTD_freeDStream) {}

  Result<size_t> read(char* to, size_t size) override {
    if (state_ == nullptr) return Status::resource_exhausted("no memory to unpack zstd");
    while (true) {
      SLUICE_ASSIGN_OR_RETURN(const std::string_view packed, input_.peek());
      ZSTD_inBuffer in{packed.data(), packed.size(), 0};
      ZSTD_outBuffer out{to, size, 0};
      // Without new input the decoder may still hold unpacked bytes.
      const size_t before = wanted_;
      wanted_ = ZSTD_decompressStream(state_.get(), &out, &in);
      input_.use(in.pos);
      if (ZSTD_isError(wanted_) != 0) return input_.damaged("damaged zstd data");
      if (out.pos > 0) return out.pos;
      if (packed.empty()) {
        if (before != 0) return input_.damaged("zstd data ends too early");
        return size_t{0};
      }
    }
  }

 private:
  PackedInput input_;
  std::unique_ptr<ZSTD_DStream, size_t (*)(ZSTD_DStream*)> state_;
  size_t wanted_ = 0;  // 0 = a frame is complete.
};

}  // namespace

Result<Compression> detect_compression(const ReadableFile& file) {
  std::array<char, 4> first{};
  SLUICE_ASSIGN_OR_RETURN(const size_t got, file.pread(0, first.data(), first.size()));
  const std::string_view magic(first.data(), got);
  if (magic.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (magic.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  const std::string& path = file.path();
  if (got > 0 && path.ends_with(".gz")) return Status::corruption(path + ": not gzip data");
  if (got > 0 && path.ends_with(".zst")) return Status::corruption(path + ": not zstd data");
  return Compression::kNone;
}

Result<std::unique_ptr<ByteStream>> open_byte_stream(const ReadableFile& file,
                                                     Compression compression, uint64_t offset) {
  SLUICE_CHECK(offset == 0 || compression == Compression::kNone);
  std::unique_ptr<ByteStream> stream;
  switch (compression) {
    case Compression::kNone:
      stream = std::make_unique<PlainStream>(file, offset);
      break;
    case Compression::kGzip:
      stream = std::make_unique<GzipStream>(file);
      break;
    case Compression::kZstd:
      stream = std::make_unique<ZstdStream>(file);
      break;
  }
  return stream;
}

}  // namespace sluice
