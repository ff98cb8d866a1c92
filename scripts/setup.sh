#!/usr/bin/env bash
# Installs what is missing on a fresh Debian machine with Rust: a C linker. Says what it does; stops with the exact command
# where it may not.
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
