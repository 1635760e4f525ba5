// Generator<T>: a coroutine that gives values one at a time with co_yield; an input range.
//
//   Generator<Word> words_of(const Line& line) {
//     for (...) co_yield Word{...};
//   }
//
// Used as the result of a flat_map function it is resumable between any two values: the operator
// waits for room without holding what was not yet asked for. The record passed by reference stays
// valid until the generator is destroyed. A Text made inside the body is valid until the next
// co_yield; what must live longer is a std::string.
//
// Move-only; one thread at a time. Frames are recycled per thread, so a generator per record costs
// no heap allocation in the steady state.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace sluice {

namespace detail {

/// A free coroutine frame of this thread, or fresh memory.
void* allocate_coroutine_frame(size_t size);
void release_coroutine_frame(void* frame, size_t size);

}  // namespace detail

template <class T>
class [[nodiscard]] Generator {
 public:
  using value_type = std::remove_cvref_t<T>;

  struct promise_type {
    Generator get_return_object() { return Generator(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    std::suspend_always yield_value(const value_type& value) noexcept {
      current = std::addressof(value);
      return {};
    }
    void return_void() noexcept {}
    void unhandled_exception() { error = std::current_exception(); }
    /// co_await makes no sense inside a generator.
    void await_transform() = delete;

    static void* operator new(size_t size) { return detail::allocate_coroutine_frame(size); }
    static void operator delete(void* frame, size_t size) {
      detail::release_coroutine_frame(frame, size);
    }

    const value_type* current = nullptr;
    std::exception_ptr error;
  };
  using Handle = std::coroutine_handle<promise_type>;

  class iterator {
   public:
    using value_type = Generator::value_type;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    explicit iterator(Handle handle) : handle_(handle) {}
    const value_type& operator*() const { return *handle_.promise().current; }
    iterator& operator++() {
      Generator::advance(handle_);
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) {
      return it.handle_.done();
    }

   private:
    Handle handle_;
  };

  Generator(Generator&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Generator& operator=(Generator&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Generator() {
    if (handle_) handle_.destroy();
  }

  /// Runs to the first value. Call once.
  iterator begin() {
    advance(handle_);
    return iterator(handle_);
  }
  std::default_sentinel_t end() const { return {}; }

 private:
  explicit Generator(Handle handle) : handle_(handle) {}

  static void advance(Handle handle) {
    handle.resume();
    if (handle.promise().error) std::rethrow_exception(std::exchange(handle.promise().error, {}));
  }

  Handle handle_;
};

}  // namespace sluice
