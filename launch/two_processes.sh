#!/usr/bin/env bash
# Trains as two processes on this machine's processor, as several machines would:
#   launch/two_processes.sh CONFIG --out RUN
# Each gets one device. What the second process says goes to two_processes.log.
set -euo pipefail
. "$(dirname "$0")/environment.sh" ""
export JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=1
export JAX_COORDINATOR_ADDRESS="localhost:${PORT:-29400}" JAX_NUM_PROCESSES=2
JAX_PROCESS_ID=1 .venv/bin/jaxsim train "$@" > two_processes.log 2>&1 &
second=$!
trap 'kill "$second" 2> /dev/null || true' EXIT
JAX_PROCESS_ID=0 .venv/bin/jaxsim train "$@"
wait "$second"
