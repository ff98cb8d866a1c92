#!/usr/bin/env bash
# Sets up what is missing, builds, and runs `tickway demo` with the caller's arguments, folder, signals and exit code.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The object that `tickway demo --json` would print, with nothing known but what failed.
report() {
  cat <<JSON
{"schema_version":1,"verdict":"differences","differences":["$1 failed: see standard error"],"equations":[],"seconds":null,\
"market":{"source":null,"messages":null,"by_type":{},"itch_file":null,"injected":{"malformed":null,"dropped":null,"duplicated":null}},\
"feed":{"received":null,"gaps":null,"recovered":null,"duplicates":null,"malformed":{},"integrity_faults":{}},\
"orders":{"sent":null,"accepted":null,"rejected_by_risk":null,"rejected":null,"cancelled":null,"replaced":null},\
"fills":{"count":null,"quantity":null},"positions":[],\
"tick_to_order_ns":{"count":null,"p50":null,"p99":null,"p999":null,"max":null},"timer_caused_orders":null,\
"placement":null,"parts_ns":{"receive":{"count":null,"p50":null,"p99":null,"p999":null,"max":null},\
"path":{"count":null,"p50":null,"p99":null,"p999":null,"max":null},\
"send":{"count":null,"p50":null,"p99":null,"p999":null,"max":null}},\
"hops_ns":{"market_data":{"count":null,"p50":null,"p99":null,"p999":null,"max":null},\
"order_intent":{"count":null,"p50":null,"p99":null,"p999":null,"max":null},\
"order_entry":{"count":null,"p50":null,"p99":null,"p999":null,"max":null}},\
"anchor_ns":{"before":null,"after":null},"cpu_steal_pct":null,"jitter_floor":{"max_ns":null,"lost_pct":null},\
"allocations_after_start":{},"wait_strategy":null,\
"processes":[],"kill":{"engaged":null,"released":null,"journal_sequence":null,"confirmed_ns":null},\
"regions":{"backing":null,"bytes":null},"rings":[],\
"paths":{"data":null,"files":[],"journal":null,"capture":null,"log":null}}
JSON
}

fail() {
  local what=$1
  shift
  for argument in "$@"; do
    if [ "$argument" = --json ]; then
      report "$what"
      break
    fi
  done
  exit 70
}

"$root/scripts/setup.sh" || fail "the set-up" "$@"
echo "demo: building (release)" >&2
cargo build --release --manifest-path "$root/Cargo.toml" -p tickway -p exchange-sim -p feed-handler -p strategy -p risk \
  -p execution-gateway -p recorder -p supervisor -p fused >&2 || fail "the build" "$@"
# The journal's first sync waits behind all that the build has written: that goes to the disk before the start, not in it.
timeout 120 sync -f /var/tmp 2>/dev/null || true
exec "${CARGO_TARGET_DIR:-$root/target}/release/tickway" demo "$@"
