#!/usr/bin/env bash
# Sets up what is missing, builds, and runs `tickway demo` with the caller's arguments, folder, signals and exit code.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
  for argument in "$@"; do
    if [ "$argument" = --json ]; then
      echo '{"schema_version":1,"verdict":"differences","differences":["set-up or build failed: see stderr"]}'
    fi
  done
  exit 70
}

"$root/scripts/setup.sh" || fail "$@"
echo "demo: building (release)" >&2
cargo build --release --manifest-path "$root/Cargo.toml" -p tickway -p exchange-sim -p feed-handler -p strategy -p risk \
  -p execution-gateway -p recorder -p supervisor >&2 || fail "$@"
exec "${CARGO_TARGET_DIR:-$root/target}/release/tickway" demo "$@"
