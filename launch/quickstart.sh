#!/usr/bin/env bash
# Sets up jaxsim in .venv and runs the main job on photographs that come with it.
set -euo pipefail
. "$(dirname "$0")/environment.sh" ""
.venv/bin/jaxsim quickstart --out runs/quickstart "$@"
