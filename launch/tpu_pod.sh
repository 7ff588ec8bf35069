#!/usr/bin/env bash
# Sets up jaxsim for TPUs in .venv and trains on a Cloud TPU pod slice; to be started on
# all of its machines at once:
#   gcloud compute tpus tpu-vm ssh POD --worker=all \
#     --command "jaxsim/launch/tpu_pod.sh CONFIG --data DIR --out RUN"
# All machines must see RUN at the same path, such as a mounted bucket.
set -euo pipefail
. "$(dirname "$0")/environment.sh" tpu
export JAX_COORDINATOR_ADDRESS=auto
exec .venv/bin/jaxsim train "$@"
