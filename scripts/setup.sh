#!/usr/bin/env bash
# Installs what is missing on a fresh Debian machine with Rust: a C linker, and for the tests (--tests) valgrind. Says what
# it does; stops with the exact command where it may not. Without valgrind the tests run, but for the instruction budgets.
set -euo pipefail

die() { printf 'setup: %s\n' "$1" >&2; exit 69; }

command -v cargo >/dev/null || die "cargo is not on PATH: install Rust 1.95 or newer (rustup.rs), then run this again"

if ! command -v cc >/dev/null; then
  install=(apt-get install -y --no-install-recommends gcc libc6-dev)
  if [ "$(id -u)" = 0 ]; then run=(); elif sudo -n true 2>/dev/null; then run=(sudo -n); else
    die "no C linker and no right to install one: run 'sudo ${install[*]}', then this again"
  fi
  echo "setup: installing gcc and libc6-dev (Rust needs a C linker)" >&2
  "${run[@]}" apt-get update -qq >&2
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2
fi

if [ "${1:-}" = --tests ] && ! command -v valgrind >/dev/null; then
  install=(apt-get install -y --no-install-recommends valgrind libc6-dbg)
  if [ "$(id -u)" = 0 ]; then run=(); elif sudo -n true 2>/dev/null; then run=(sudo -n); else
    echo "setup: no right to install valgrind: run 'sudo ${install[*]}' for the instruction budgets" >&2
    exit 0
  fi
  echo "setup: installing valgrind (it counts the instructions of benches/budgets.toml)" >&2
  { "${run[@]}" apt-get update -qq && "${run[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"; } >&2 ||
    echo "setup: valgrind could not be installed; the instruction budgets are skipped" >&2
fi
