#!/usr/bin/env bash
# Fails when a C++ file is laid out otherwise than .clang-format says. Exits with 77 (skipped) without clang-format 14:
# other versions lay some constructs out differently.
set -euo pipefail
cd "$1"
for formatter in clang-format-14 clang-format none; do
  if command -v "$formatter" >/dev/null && "$formatter" --version | grep -q 'version 14\.'; then break; fi
done
if [[ $formatter == none ]]; then
  echo "skipped: no clang-format 14 here (Debian 12 has it)"
  exit 77
fi
find common train index serve cli tests \( -name '*.h' -o -name '*.cc' \) -print0 |
  xargs -0 "$formatter" --dry-run -Werror
