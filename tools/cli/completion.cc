#include "tools/cli/completion.h"

namespace sluice {
namespace {

std::string flags_of(const CLI::App& app) {
  std::string flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) flags += " --" + name;
    for (const auto& name : option->get_snames()) flags += " -" + name;
  }
  return flags;
}

bool takes_job(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && option->get_name(true) == "JOB") return true;
  }
  return false;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    cases += "    " + command->get_name() + ") words=\"" + flags_of(*command).substr(1) + "\"" +
             (takes_job(*command) ? "; jobs=1" : "") + " ;;\n";
  }
  return R"(_sluice() {
  local current=${COMP_WORDS[COMP_CWORD]} command="" words="" jobs="" word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in -*) ;; *) command=$word; break ;; esac
  done
  case $command in
    "") words=")" +
         commands + R"(" ;;
)" + cases +
         R"(  esac
  if [ -n "$jobs" ] && [[ $current != -* ]]; then
    words=$("${COMP_WORDS[0]}" list --ids 2>/dev/null)
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [[ $command == run || $command == info ]] && [[ $current != -* ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
complete -o bashdefault -F _sluice sluice
)";
}

}  // namespace sluice
