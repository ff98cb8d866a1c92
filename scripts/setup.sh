#!/usr/bin/env bash
# Installs what is missing on a fresh Debian machine with Rust: a C linker, and for the tests (--tests) valgrind (it counts
# the instructions of benches/budgets.toml), strace (it shows the system calls of the hot path), tshark (it reads our packet
# files with our dissector) and git (it tells a build its commit). Says what it does; stops with the exact command where it may
# not. Without one of the first three the tests that need it say `skipped:`; without git a report's commit is unknown.
set -euo pipefail

die() { printf 'setup: %s\n' "$1" >&2; exit 69; }

# Installs Debian packages; false with the command to run where it may not or cannot.
install() {
  local install=(apt-get install -y --no-install-recommends "$@") run=()
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { echo "setup: no right to install: run as root '${install[*]}'" >&2; return 1; }
    run=(sudo -n)
  fi
  echo "setup: installing $*" >&2
  "${run[@]}" apt-get update -qq >&2 && "${run[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}" >&2
}

command -v cargo >/dev/null || die "cargo is not on PATH: install Rust 1.95 or newer (rustup.rs), then run this again"
rust=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && rustc --version | cut -d ' ' -f 2) || die "rustc --version fails: repair Rust (rustup update), then run this again"
printf '1.95.0\n%s\n' "$rust" | sort -V -C || die "Rust $rust is too old: install 1.95 or newer (rustup update), then run this again"
command -v cc >/dev/null || install gcc libc6-dev || die "Rust needs a C linker: install it as said, then run this again"

if [ "${1:-}" = --tests ]; then
  command -v valgrind >/dev/null || install valgrind libc6-dbg || echo "setup: the instruction budgets are skipped" >&2
  command -v strace >/dev/null || install strace || echo "setup: the system calls of the hot path are not checked" >&2
  command -v git >/dev/null || install git || echo "setup: builds do not know their commit" >&2
  command -v tshark >/dev/null || install tshark || echo "setup: the packet dissector is not checked" >&2
fi
