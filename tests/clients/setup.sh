#!/bin/sh
# Installs what the tests need beside Rust: strace for the store's crash-point tests, the virtual
# environment of the client tests, tests/clients/.venv with requirements.txt in it, one for s3fs, and the AWS SDK
# for JavaScript in tests/clients/js/node_modules. Does nothing for what is already there.
set -eu
cd "$(dirname "$0")"

PYTHON=${PYTHON:-python3}
VENV=.venv
STAMP=$VENV/requirements.installed

fail() {
    echo "tests/clients: $1" >&2
    exit 1
}

have() {
    command -v "$1" >/dev/null 2>&1
}

# Debian splits `venv` and `ensurepip` from Python: a fresh machine may have one without the other.
install_with_apt() {
    if have apt-get && [ "$(id -u)" = 0 ]; then
        echo "tests/clients: installing $* with apt-get"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null
    else
        fail "missing $*: install it (Debian, Ubuntu: sudo apt-get install $*) and run this again"
    fi
}

python_clients() {
    if [ -f "$STAMP" ] && cmp -s "$STAMP" requirements.txt && "$VENV/bin/python" -c '' 2>/dev/null; then
        return
    fi
    have "$PYTHON" || install_with_apt python3 python3-venv
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "needs Python 3.11 or newer, $PYTHON is $("$PYTHON" --version); set PYTHON=/path/to/a/newer/one"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_with_apt python3-venv

    echo "tests/clients: installing boto3, the AWS CLI, awswrangler, pandas, … into $VENV"
    rm -rf "$VENV"
    "$PYTHON" -m venv "$VENV"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
    cp requirements.txt "$STAMP"
}

# s3fs pins another botocore than boto3: apart.
fsspec_client() {
    apart=.venv-fsspec
    if [ -f "$apart/installed" ] && cmp -s "$apart/installed" fsspec/requirements.txt; then
        return
    fi
    echo "tests/clients: installing s3fs into $apart"
    rm -rf "$apart"
    "$PYTHON" -m venv "$apart"
    "$apart/bin/python" -m pip install --quiet --disable-pip-version-check --requirement fsspec/requirements.txt
    cp fsspec/requirements.txt "$apart/installed"
}

javascript_clients() {
    if [ -f js/node_modules/.installed ] && cmp -s js/node_modules/.installed js/package-lock.json; then
        return
    fi
    if ! { have node && have npm; } && ! (install_with_apt nodejs npm); then
        echo "tests/clients: NO NODE.JS: the tests with the AWS SDK for JavaScript will be SKIPPED" >&2
        return
    fi
    echo "tests/clients: installing the AWS SDK for JavaScript into tests/clients/js/node_modules"
    (cd js && npm ci --silent --no-audit --no-fund)
    cp js/package-lock.json js/node_modules/.installed
}

if [ "$(uname)" = Linux ]; then
    have strace || install_with_apt strace
fi
python_clients
fsspec_client
javascript_clients
