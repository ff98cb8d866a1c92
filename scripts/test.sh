#!/usr/bin/env bash
# Sets up what is missing and runs the tests; the last line is `N passed, M failed, K skipped`.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/setup.sh" --tests
cd "$root"
exec cargo run --quiet -p xtask -- test "$@"
