// Lists, trees, graphs and screens.
#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/tools/cli/looks.h"
#include "tools/cli/human_text.h"
#include "tools/cli/render_actors.h"
#include "tools/cli/render_graph.h"
#include "tools/cli/render_jobs.h"
#include "tools/cli/top_view.h"

namespace sluice {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

ActorLook some_look() {
  ActorLook look;
  look.now = kLooked;
  look.jobs.push_back(some_job());
  look.rates.push_back(std::vector<TaskRates>(4));
  look.rates[0][0].back_pressured = 0.75;
  look.rates[0][0].busy = 0.25;
  look.rates[0][2].rows_in = 12'345;
  int64_t id = 0;
  const auto add = [&](const std::string& kind, const std::string& job, const std::string& label) {
    look.actors.push_back({"host:1", ++id, kind, job, label, id, 1, kLooked, false});
  };
  add("job_manager", "", "");
  add("task_manager", "", "");
  add("job_master", "bids-17", "bids");
  add("checkpoint_coordinator", "bids-17", "bids");
  add("enumerator", "bids-17", "read");
  for (const auto& task : look.jobs[0].tasks) add("task", "bids-17", task.name);
  add("heartbeat", "", "from the future");
  return look;
}

TEST_CASE("human text: numbers, bytes, durations, watermarks") {
  CHECK(count_text(999) == "999");
  CHECK(count_text(12'345) == "12.3 k");
  CHECK(count_text(4'560'000) == "4.56 M");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.50 KiB");
  CHECK(bytes_text(int64_t{5} << 30) == "5.00 GiB");
  CHECK(duration_text(-5) == "0 ms");
  CHECK(duration_text(12'345) == "12.3 s");
  CHECK(duration_text(250'000) == "4 m 10 s");
  CHECK(duration_text(int64_t{26} * 3'600'000) == "1 d 2 h");
  CHECK(ago_text(0, 5) == "never");
  CHECK(watermark_text(kMinTime.ms) == "-");
  CHECK(watermark_text(kMaxTime.ms) == "end");
  CHECK(single_line("a\nb\x1b[31m") == "a b [31m");
}

TEST_CASE("text table: columns line up, also with letters of several bytes") {
  TextTable table({"A", "B", "C"});
  table.align_right({1});
  table.add({"größe", "1", "x"});
  table.add({"s", "1000", ""});
  CHECK(table.to_text() ==
        "A         B  C\n"
        "größe     1  x\n"
        "s      1000\n");
}

TEST_CASE("list and status: what a user asks first") {
  CHECK(render_list({}, kLooked) == "no job is running\n");
  const JobInspection job = some_job();
  const std::string list = render_list({{job.summary, "process 5"}}, kLooked);
  CHECK(contains(list, "bids-17"));
  CHECK(contains(list, "4/4"));
  CHECK(contains(list, "process 5"));
  JobInspection failed = job;
  failed.summary.state = "RESTARTING";
  failed.summary.reason = "operator map (1/2): boom";
  failed.checkpointing = true;
  CheckpointLook checkpoint;
  checkpoint.id = 7;
  checkpoint.purpose = "checkpoint";
  checkpoint.outcome = "complete";
  checkpoint.duration_ms = 12;
  checkpoint.triggered = kLooked - 3000;
  checkpoint.full_bytes = 2048;
  failed.checkpoints.push_back(checkpoint);
  failed.failures.push_back({kLooked - 1500, 0, "map (1/2)", "", "user function: boom"});
  const std::string status = render_status(failed);
  CHECK(contains(status, "bids (bids-17) RESTARTING for 1 m 0 s"));
  CHECK(contains(status, "operator map (1/2): boom"));
  CHECK(contains(status, "checkpoint 7 complete after 12 ms, 3.0 s ago, 2.00 KiB"));
  CHECK(contains(status, "1.5 s ago: user function: boom"));
  CHECK(contains(render_status(job), "checkpoints  off"));
}

TEST_CASE("checkpoints and exceptions: tables, with subtasks on demand") {
  JobInspection job = some_job();
  CHECK(render_checkpoints(job, false) == "the job takes no checkpoints\n");
  job.checkpointing = true;
  CHECK(render_checkpoints(job, false) == "no checkpoint yet\n");
  CheckpointLook checkpoint;
  checkpoint.id = 41;
  checkpoint.purpose = "savepoint";
  checkpoint.outcome = "failed";
  checkpoint.failure = "declined by\nwindow";
  checkpoint.acknowledged = 1;
  checkpoint.subtasks.push_back({1, 1, true, kLooked, 3, 4, 5, 6, 7});
  checkpoint.subtasks.push_back({0, 0, false, 0, 0, 0, 0, 0, 0});
  job.checkpoints.push_back(checkpoint);
  const std::string brief = render_checkpoints(job, false);
  CHECK(contains(brief, "savepoint"));
  CHECK(contains(brief, "1/2"));
  CHECK(contains(brief, "declined by window"));
  CHECK_FALSE(contains(brief, "window -> write (2/2)"));
  const std::string full = render_checkpoints(job, true);
  CHECK(contains(full, "window -> write (2/2)"));
  CHECK(contains(full, "missing"));
  CHECK(render_failures(job) == "no failure\n");
  job.failures.push_back({kLooked, 2, "", "", "lost\nthings"});
  CHECK(contains(render_failures(job), "(job)"));
  CHECK(contains(render_failures(job), "lost things"));
}

TEST_CASE("actors: a tree per node, tasks with their numbers, channels on demand") {
  const ActorLook look = some_look();
  const std::string tree = render_actors(look, false);
  CHECK(contains(tree, "host:1\n"));
  CHECK(contains(tree, "\n  job_manager "));
  CHECK(contains(tree, "\n    job_master bids "));
  CHECK(contains(tree, "\n      checkpoint_coordinator "));
  CHECK(contains(tree, "\n      enumerator read "));
  CHECK(contains(tree, "\n  task_manager "));
  CHECK(contains(tree, "\n    read -> parse (1/2) "));
  CHECK(contains(tree, "75 %"));
  CHECK(contains(tree, "12.3 k"));
  CHECK(contains(tree, "1970-01-01T00:01:00Z"));
  // A kind of actor this version does not know is shown all the same.
  CHECK(contains(tree, "heartbeat from the future"));
  CHECK_FALSE(contains(tree, "<- "));
  const std::string channels = render_actors(look, true);
  CHECK(contains(channels, "<- read -> parse (2/2)"));
  CHECK(contains(channels, "-> window -> write (1/2)"));
  const auto json = nlohmann::json::parse(actors_json(look));
  CHECK(json["actors"].size() == look.actors.size());
  CHECK(json["jobs"][0]["tasks"][0]["rates"]["back_pressured"] == 0.75);
}

TEST_CASE("graph: text, DOT and SVG agree on back pressure; names are escaped") {
  JobInspection job = some_job();
  job.vertices[0].name = "read <\"x\"> & \\parse";
  std::vector<TaskRates> rates(4);
  for (size_t i = 0; i < 2; ++i) {
    rates[i].back_pressured = 0.9;
    rates[i].busy = 0.1;
    rates[i].rows_out = 1000;
  }
  const std::string text = graph_text(job, rates, false);
  CHECK(contains(text, "[0] read <\"x\"> & \\parse x2"));
  CHECK(contains(text, "2000 records/s, back pressure HIGH"));
  CHECK(contains(text, "-> [1] HASH"));
  CHECK_FALSE(contains(text, "\x1b["));
  CHECK(contains(graph_text(job, rates, true), "\x1b[31mread"));
  const std::string dot = graph_dot(job, rates);
  CHECK(contains(dot, "v0 [label=\"read <\\\"x\\\"> & \\\\parse\\nx 2"));
  CHECK(contains(dot, "fillcolor=\"#f8cecc\""));
  CHECK(contains(dot, "v0 -> v1 [label=\"HASH\"]"));
  const std::string svg = graph_svg(job, rates);
  CHECK(contains(svg, "read &lt;&quot;x&quot;&gt; &amp; \\parse"));
  CHECK(contains(svg, "fill=\"#f8cecc\""));
  CHECK(contains(svg, "marker-end"));
  CHECK(svg.ends_with("</svg>\n"));
  const auto json = nlohmann::json::parse(graph_json(job, rates));
  CHECK(json["vertices"][0]["back_pressure"] == "HIGH");
  CHECK(json["vertices"][1]["back_pressure"] == "OK");
}

TEST_CASE("top: fits any screen, switches to tasks, says what is wrong") {
  const ActorLook look = some_look();
  for (size_t width = 1; width < 130; width += 7) {
    for (size_t height = 1; height < 20; ++height) {
      TopOptions options;
      options.width = width;
      options.height = height;
      options.tasks = width % 2 == 0;
      const auto lines = render_top(look, options);
      CHECK(lines.size() <= height);
      for (const auto& line : lines) CHECK(text_width(line) <= width);
    }
  }
  TopOptions options;
  options.width = 200;
  auto lines = render_top(look, options);
  REQUIRE(lines.size() >= 5);
  CHECK(contains(lines[2], "bids  RUNNING  up 1 m 1 s"));
  CHECK(contains(lines[4], "read -> parse x2"));
  options.tasks = true;
  lines = render_top(look, options);
  CHECK(lines.size() == 8);
  CHECK(contains(lines[4], "read -> parse (1/2)"));  // The busiest first.
  options.message = "nobody answers";
  CHECK(contains(render_top(ActorLook(), options)[1], "nobody answers"));
}

}  // namespace
}  // namespace sluice
