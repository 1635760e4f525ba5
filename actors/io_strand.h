// Blocking work in order: what is given to one strand runs one after the other on the I/O threads,
// never two at a time. For objects that are used by one thread at a time, such as the checkpoint
// storage. Any thread; work under way keeps the strand's state alive.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "core/operator.h"

namespace sluice {

class IoStrand {
 public:
  explicit IoStrand(IoRunner* io) : state_(std::make_shared<State>()) { state_->io = io; }

  void run(std::function<void()> work) {
    {
      const std::lock_guard lock(state_->mutex);
      state_->waiting.push_back(std::move(work));
      if (std::exchange(state_->is_running, true)) return;
    }
    state_->io->run([state = state_] { run_all(*state); });
  }

 private:
  struct State {
    IoRunner* io = nullptr;
    std::mutex mutex;
    std::deque<std::function<void()>> waiting;
    bool is_running = false;
  };
  static void run_all(State& state) {
    while (true) {
      std::function<void()> work;
      {
        const std::lock_guard lock(state.mutex);
        if (state.waiting.empty()) {
          state.is_running = false;
          return;
        }
        work = std::move(state.waiting.front());
        state.waiting.pop_front();
      }
      work();
    }
  }

  std::shared_ptr<State> state_;
};

}  // namespace sluice
