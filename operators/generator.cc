#include "operators/generator.h"

#include <new>

namespace sluice::detail {

namespace {

/// Frames of one size that wait for their next use. Generators of one flat_map are equally large
/// and few live at a time, so one size class with a few slots serves nearly every call.
class FrameCache {
 public:
  static constexpr int kFramesMax = 4;

  FrameCache() = default;
  FrameCache(const FrameCache&) = delete;
  FrameCache& operator=(const FrameCache&) = delete;
  ~FrameCache() { drop_all(); }

  void* take(size_t size) {
    if (size != size_ || count_ == 0) return ::operator new(size);
    return frames_[--count_];
  }
  void give(void* frame, size_t size) {
    if (size != size_) {
      drop_all();
      size_ = size;
    }
    if (count_ == kFramesMax) {
      ::operator delete(frame);
      return;
    }
    frames_[count_++] = frame;
  }

 private:
  void drop_all() {
    while (count_ > 0) ::operator delete(frames_[--count_]);
  }

  size_t size_ = 0;
  int count_ = 0;
  void* frames_[kFramesMax] = {};
};

FrameCache& frame_cache() {
  thread_local FrameCache cache;
  return cache;
}

}  // namespace

void* allocate_coroutine_frame(size_t size) { return frame_cache().take(size); }

void release_coroutine_frame(void* frame, size_t size) { frame_cache().give(frame, size); }

}  // namespace sluice::detail
