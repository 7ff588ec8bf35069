#!/usr/bin/env bash
# Trains as two processes on this machine's processor, as several machines would:
#   launch/two_processes.sh                          # an example, 3.5 minutes
#   launch/two_processes.sh CONFIG --data DIR --out RUN
# Each gets one device. What the second process says goes to RUN.process1.log.
set -euo pipefail
. "$(dirname "$0")/environment.sh" ""
[ $# -gt 0 ] || set -- configs/quickstart.py:steps=20,size_px=96 --out runs/two_processes

out="" before=""
for word in "$@"; do
    case "$word" in
        --out=*) out="${word#--out=}" ;;
        *) [ "$before" != --out ] || out="$word" ;;
    esac
    before="$word"
done
[ -n "$out" ] || { echo "$0: give the folder of the run as --out RUN" >&2; exit 2; }
log="${out%/}.process1.log"
mkdir -p "$(dirname "$log")"

export JAX_PLATFORMS=cpu JAX_NUM_CPU_DEVICES=1
export JAX_COORDINATOR_ADDRESS="localhost:${PORT:-29400}" JAX_NUM_PROCESSES=2
JAX_PROCESS_ID=1 .venv/bin/jaxsim train "$@" > "$log" 2>&1 &
second=$!
trap 'kill "$second" 2> /dev/null || true' EXIT
JAX_PROCESS_ID=0 .venv/bin/jaxsim train "$@"
wait "$second" || { echo "the second process failed; $log says why" >&2; exit 1; }
