# shellcheck shell=bash disable=SC2034
# What setup, build, demo and test share: where things lie, headings with the time taken, and how to give up.
# Sourced, after `set -euo pipefail`.

FLUKE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FLUKE_CACHE=${FLUKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fluke}
export FLUKE_CACHE  # cmake/FlukeDependencies.cmake reads it too

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then BOLD=$'\e[1m' RED=$'\e[31m' PLAIN=$'\e[0m'; else BOLD='' RED='' PLAIN=''; fi

say() { printf '%s\n' "$*" >&2; }
heading() { say "$BOLD==> $*$PLAIN"; }
warn() { say "${RED}warning:$PLAIN $*"; }

# fail WHAT [ADVICE LINE]...
fail() {
  say "${RED}error:$PLAIN $1"
  shift
  local line
  for line in "$@"; do say "  $line"; done
  exit 1
}

minutes() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

# timed HEADING COMMAND...: one step with its heading and how long it took. Called plainly, never in a condition, so that
# `set -e` holds inside the command.
timed() {
  local began=$SECONDS
  heading "$1"
  "${@:2}"
  say "    done in $(minutes $((SECONDS - began)))"
}
