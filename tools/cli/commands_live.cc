// actors, graph, watermarks, top: what the actor system does right now.
#include <optional>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "control/inspection_json.h"
#include "core/clock.h"
#include "tools/cli/command_context.h"
#include "tools/cli/reach.h"
#include "tools/cli/render_actors.h"
#include "tools/cli/render_graph.h"
#include "tools/cli/terminal.h"
#include "tools/cli/top_view.h"
#include "tools/cli/watermark_blame.h"

namespace sluice {
namespace {

/// Rates are differences: a single look takes two, this far apart.
constexpr Duration kLookDistance{500};

/// Looks again and again at all jobs that can be reached, or at one of them.
class LiveLooks {
 public:
  explicit LiveLooks(const CommandFlags& flags) : flags_(flags) {}

  Result<ActorLook> next(bool details) {
    SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags_.cluster));
    ActorLook look;
    look.now = system_clock().wall_ms();
    if (!flags_.job.empty()) {
      SLUICE_ASSIGN_OR_RETURN(const Reach::Found found, reach.job(flags_.job));
      SLUICE_RETURN_IF_ERROR(add(*found.where, found.summary.id, details, look));
    } else {
      for (Reached& reached : reach.all()) {
        // Between finding a process and asking it its job may have ended.
        const auto jobs = reached.client->list();
        if (!jobs.is_ok()) continue;
        SLUICE_RETURN_IF_ERROR(add_all(reached, *jobs, details, look));
      }
    }
    before_ = look.jobs;
    return look;
  }

 private:
  Status add_all(Reached& reached, const std::vector<JobSummary>& jobs, bool details,
                 ActorLook& look) {
    auto actors = reached.client->actors();
    if (!actors.is_ok()) return Status::ok();
    look.actors.insert(look.actors.end(), actors->begin(), actors->end());
    for (const JobSummary& summary : jobs) {
      auto job = reached.client->inspect(summary.id, details);
      if (job.is_ok()) add_job(std::move(job).value(), look);
    }
    return Status::ok();
  }
  Status add(Reached& reached, const std::string& id, bool details, ActorLook& look) {
    SLUICE_ASSIGN_OR_RETURN(auto actors, reached.client->actors());
    for (auto& actor : actors) {
      if (actor.job.empty() || actor.job == id) look.actors.push_back(std::move(actor));
    }
    SLUICE_ASSIGN_OR_RETURN(JobInspection job, reached.client->inspect(id, details));
    add_job(std::move(job), look);
    return Status::ok();
  }
  void add_job(JobInspection job, ActorLook& look) {
    const JobInspection* before = nullptr;
    for (const JobInspection& earlier : before_) {
      if (earlier.summary.id == job.summary.id) before = &earlier;
    }
    look.rates.push_back(rates_of(before, job));
    look.jobs.push_back(std::move(job));
  }

  const CommandFlags& flags_;
  std::vector<JobInspection> before_;
};

/// One job with its rates, from two looks.
struct RatedJob {
  JobInspection job;
  std::vector<TaskRates> rates;
};
Result<RatedJob> look_twice(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  SLUICE_ASSIGN_OR_RETURN(const Reach::Found found, reach.job(flags.job));
  SLUICE_ASSIGN_OR_RETURN(const JobInspection before,
                          found.where->client->inspect(found.summary.id, false));
  pause(kLookDistance);
  RatedJob rated;
  SLUICE_ASSIGN_OR_RETURN(rated.job, found.where->client->inspect(found.summary.id, true));
  rated.rates = rates_of(&before, rated.job);
  return rated;
}

/// Draws until q is pressed, or for the given number of screens.
template <class Draw>
Status watch(const CommandFlags& flags, bool& toggled, Draw draw) {
  Terminal terminal;
  for (int shown = 1;; ++shown) {
    SLUICE_RETURN_IF_ERROR(draw(terminal));
    if (shown == flags.screens) return Status::ok();
    const auto key = terminal.key(flags.interval);
    if (key == 'q' || key == 'Q') return Status::ok();
    if (key == 't') toggled = !toggled;
  }
}

/// The same for programs: a line of JSON for each look.
Status watch_json(const CommandFlags& flags, LiveLooks& looks, bool details) {
  for (int shown = 1;; ++shown) {
    SLUICE_ASSIGN_OR_RETURN(const ActorLook look, looks.next(details));
    print(nlohmann::json::parse(actors_json(look)).dump() + "\n");
    if (shown == flags.screens) return Status::ok();
    pause(flags.interval);
  }
}

std::vector<std::string> lines_of(const std::string& text, size_t height) {
  std::vector<std::string> lines;
  size_t begin = 0;
  while (begin < text.size() && lines.size() < height) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

}  // namespace

Status command_actors(const CommandFlags& flags) {
  LiveLooks looks(flags);
  SLUICE_RETURN_IF_ERROR(looks.next(false).status());
  if (!flags.watch) {
    pause(kLookDistance);
    SLUICE_ASSIGN_OR_RETURN(const ActorLook look, looks.next(true));
    if (look.actors.empty() && !flags.json) {
      print("no job is running\n");
    } else {
      print(flags.json ? actors_json(look) + "\n" : render_actors(look, flags.channels));
    }
    return Status::ok();
  }
  if (flags.json) return watch_json(flags, looks, true);
  bool channels = flags.channels;
  return watch(flags, channels, [&](Terminal& terminal) {
    SLUICE_ASSIGN_OR_RETURN(const ActorLook look, looks.next(true));
    terminal.show(lines_of(render_actors(look, channels), terminal.size().height));
    return Status::ok();
  });
}

Status command_graph(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(const RatedJob rated, look_twice(flags));
  if (flags.json) {
    print(graph_json(rated.job, rated.rates) + "\n");
  } else if (flags.dot) {
    print(graph_dot(rated.job, rated.rates));
  } else if (flags.svg) {
    print(graph_svg(rated.job, rated.rates));
  } else {
    print(graph_text(rated.job, rated.rates, ::isatty(STDOUT_FILENO) != 0));
  }
  return Status::ok();
}

namespace {

std::string blame_json(const JobInspection& job, const std::vector<BlameChain>& chains) {
  nlohmann::json json;
  json["job"] = job.summary.id;
  json["looked"] = job.looked;
  json["chains"] = nlohmann::json::array();
  for (const BlameChain& chain : chains) {
    nlohmann::json steps = nlohmann::json::array();
    for (const BlameStep& step : chain.steps) {
      steps.push_back({{"kind", step.kind},
                       {"name", step.name},
                       {"input", step.input},
                       {"watermark", step.watermark},
                       {"since", step.since},
                       {"state", step.state}});
    }
    json["chains"].push_back({{"sink", chain.sink},
                              {"watermark", chain.watermark},
                              {"stuck", chain.is_stuck},
                              {"steps", std::move(steps)},
                              {"culprit", chain.culprit},
                              {"reason", chain.reason}});
  }
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Status command_watermarks(const CommandFlags& flags) {
  SLUICE_ASSIGN_OR_RETURN(Reach reach, Reach::find(flags.cluster));
  SLUICE_ASSIGN_OR_RETURN(const Reach::Found found, reach.job(flags.job));
  SLUICE_ASSIGN_OR_RETURN(const JobInspection job,
                          found.where->client->inspect(found.summary.id, true));
  const auto chains = blame_watermarks(job);
  if (flags.json) {
    print(blame_json(job, chains) + "\n");
    return Status::ok();
  }
  print(render_blame(job, chains));
  if (flags.details) print("\n" + render_watermark_details(job));
  return Status::ok();
}

Status command_top(const CommandFlags& flags) {
  LiveLooks looks(flags);
  if (flags.json) {
    // A first look, so that there are rates.
    SLUICE_RETURN_IF_ERROR(looks.next(false).status());
    pause(kLookDistance);
    return watch_json(flags, looks, false);
  }
  TopOptions options;
  options.tasks = flags.tasks;
  return watch(flags, options.tasks, [&](Terminal& terminal) {
    const auto size = terminal.size();
    options.width = size.width;
    options.height = size.height;
    const auto look = looks.next(false);
    // A job that is gone is news, not an error: others come.
    options.message = look.is_ok() ? "" : look.status().message();
    terminal.show(render_top(look.is_ok() ? *look : ActorLook(), options));
    return Status::ok();
  });
}

}  // namespace sluice
