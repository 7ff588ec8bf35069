#!/usr/bin/env bash
# Sets up jaxsim for NVIDIA GPUs in .venv and trains on all of this machine:
#   launch/gpu_host.sh CONFIG --data DIR --out RUN
set -euo pipefail
. "$(dirname "$0")/environment.sh" cuda
# exec, so that a signal to this script reaches the training.
exec .venv/bin/jaxsim train "$@"
