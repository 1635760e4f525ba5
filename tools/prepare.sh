# Sourced by the scripts in tools/: goes to the workspace root, installs missing packages and
# starts Bazel with the disk cache. It keeps no state of its own.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Bazel refuses to start without a home.
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
readonly disk_cache_dir="${SLUICE_DISK_CACHE:-$HOME/.cache/sluice/bazel}"

# Messages go to stderr, so that a script's stdout stays its result.
say() { printf '%s\n' "$*" >&2; }

# Installs what tools/packages.txt names and this machine lacks.
install_missing_packages() {
  local wanted missing as_root=()
  wanted=$(grep -v '^#' tools/packages.txt | sort)
  missing=$(comm -23 <(printf '%s\n' "$wanted") \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' 2>/dev/null |
      sed -n 's/^installed //p' | sort -u))
  [ -z "$missing" ] && return 0
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  say "Installing: $(printf '%s ' $missing)"
  # Word splitting of $missing is wanted: one argument per package.
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
    --no-install-recommends $missing </dev/null >&2; then
    say "Retrying after apt-get update"
    "${as_root[@]}" apt-get update -q </dev/null >&2 || return 1
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
      --no-install-recommends $missing </dev/null >&2 || return 1
  fi
}

# Bazel with the scripts' defaults: run_bazel COMMAND [ARGUMENT...]
run_bazel() {
  local command=$1
  shift
  bazel "$command" --disk_cache="$disk_cache_dir" "$@" </dev/null
}
