#!/usr/bin/env bash
# Sets up jaxsim in .venv and passes its tests; extra arguments go to pytest.
set -euo pipefail
. "$(dirname "$0")/environment.sh" dev
.venv/bin/ruff format --check .
.venv/bin/ruff check .
.venv/bin/lint-imports --no-cache
.venv/bin/basedpyright --pythonpath .venv/bin/python
.venv/bin/pytest --numprocesses 2 "$@"
