#!/bin/sh
# Installs what the tests need beside Rust: strace for the store's crash-point tests, and the virtual
# environment of the client tests, tests/clients/.venv with requirements.txt in it. Does nothing
# when all of it is already there.
set -eu
cd "$(dirname "$0")"

PYTHON=${PYTHON:-python3}
VENV=.venv
STAMP=$VENV/requirements.installed

fail() {
    echo "tests/clients: $1" >&2
    exit 1
}

# Debian splits `venv` and `ensurepip` from Python: a fresh machine may have one without the other.
install_with_apt() {
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        echo "tests/clients: installing $* with apt-get"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
    else
        fail "missing $*: install it (Debian, Ubuntu: sudo apt-get install $*) and run this again"
    fi
}

if [ "$(uname)" = Linux ]; then
    command -v strace >/dev/null 2>&1 || install_with_apt strace
fi

if [ -f "$STAMP" ] && cmp -s "$STAMP" requirements.txt && "$VENV/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

command -v "$PYTHON" >/dev/null 2>&1 || install_with_apt python3 python3-venv
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "needs Python 3.11 or newer, $PYTHON is $("$PYTHON" --version); set PYTHON=/path/to/a/newer/one"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_with_apt python3-venv

echo "tests/clients: installing boto3, the AWS CLI, awswrangler, pandas, … into $VENV"
rm -rf "$VENV"
"$PYTHON" -m venv "$VENV"
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
cp requirements.txt "$STAMP"
