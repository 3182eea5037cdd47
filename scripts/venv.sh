# Sourced by the other scripts. Sets $root, and $python in a virtual environment.
# Debian packages pip and venv separately from Python, and its pip does not
# install outside of a virtual environment. So each way to create one is tried.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
python="$root/.venv/bin/python"

make_venv() {
    base=${PYTHON:-python3}
    "$base" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
        echo "Python 3.10 or newer is needed; $base is $("$base" --version 2>&1)." >&2
        echo "Name another with PYTHON=/path/to/python3.12 $0" >&2
        exit 1
    }
    "$base" -m venv .venv 2>/dev/null && "$python" -m pip --version >/dev/null 2>&1 && return
    rm -rf .venv
    "$base" -m venv --without-pip .venv 2>/dev/null &&
        "$base" -m pip --python "$python" install --quiet pip 2>/dev/null && return
    rm -rf .venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        "$base" -m venv .venv && return
    fi
    echo "This Python can't create a virtual environment. On Debian: apt-get install python3-venv" >&2
    exit 1
}

# install NAME PIP-ARGUMENTS...: installs again only if a requirement file has changed.
install() {
    [ -x "$python" ] && "$python" -m pip --version >/dev/null 2>&1 || make_venv
    name=$1; shift
    stamp=".venv/installed-$name-$(cat pyproject.toml requirements-dev.txt constraints.txt | cksum | cut -d' ' -f1)"
    [ -e "$stamp" ] && return
    echo "Installing into .venv (once) ..." >&2
    "$python" -m pip install --quiet --disable-pip-version-check -c constraints.txt "$@"
    rm -f .venv/installed-"$name"-*
    touch "$stamp"
}
