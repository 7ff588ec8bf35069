# Sourced by the launch scripts: makes .venv and installs jaxsim with the given extras.
# Usage: . launch/environment.sh [extra,extra]

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -c \
            'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "jaxsim needs Python 3.11 or newer; name one: PYTHON=/path/to/python $0" >&2
    return 1
}

install_jaxsim() {
    local extras="${1:+[$1]}" python wanted stamp
    if [ ! -x .venv/bin/python ]; then
        python="$(find_python)" || return 1
        "$python" -m venv .venv || return 1
    fi
    # Installing again is skipped while nothing that it depends on has changed.
    wanted="$(cat pyproject.toml constraints.txt | cksum)"
    stamp=".venv/.installed${1:+-${1//,/-}}"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        .venv/bin/python -m pip install --quiet --disable-pip-version-check \
            --constraint constraints.txt --editable ".$extras" || return 1
        echo "$wanted" > "$stamp"
    fi
}

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
install_jaxsim "${1:-}" || exit 1
