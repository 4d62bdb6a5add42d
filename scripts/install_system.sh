#!/bin/sh
# Makes sure of what pip cannot install. As root on Debian it installs what is
# missing; otherwise it says what to install.
#
#   install_system.sh python [PYTHON]   prints a Python that can make
#                                       environments: PYTHON, or one it finds
#   install_system.sh opengl PYTHON     an OpenGL that MuJoCo can render with
set -eu

install_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing system packages: $*" >&2
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq >&2
        apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    else
        echo "Missing system packages. Please run as root:" >&2
        echo "    apt-get install $*" >&2
        exit 1
    fi
}

# dm_control needs labmaze, which has no wheel for Python 3.13.
fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
        2>/dev/null
}

find_python() {
    for name in ${1:-python3.11 python3.12 python3}; do
        if command -v "$name" >/dev/null && fits "$name"; then
            echo "$name"
            return
        fi
    done
    found=$("${1:-python3}" -V 2>/dev/null || echo missing)
    echo "Python 3.11 or 3.12 is needed, but ${1:-python3} is $found." \
        "Install one (apt-get install python3.12 python3.12-venv, or uv" \
        "python install 3.12), or name one: make PYTHON=/path/to/python3.12" >&2
    exit 1
}

check_python() {
    if [ -z "$1" ] && ! command -v python3 >/dev/null; then
        install_packages python3 python3-venv
    fi
    python=$(find_python "$1")
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_packages "python$version-venv"
    fi
    echo "$python"
}

check_opengl() {
    probe='from planet_tf2 import envs; print(envs.choose_backend())'
    if "$1" -c "$probe" >/dev/null 2>&1; then
        return
    fi
    if [ -n "${MUJOCO_GL:-}" ]; then
        # Somebody chose a backend. Say why it does not work.
        "$1" -c "$probe" 2>&1 | tail -n 5 >&2
        exit 1
    fi
    install_packages libegl1 libopengl0 libgl1-mesa-dri
    "$1" -c "$probe" >/dev/null
}

case "$1" in
    python) check_python "${2:-}" ;;
    opengl) check_opengl "$2" ;;
    *) echo "usage: $0 python|opengl [PYTHON]" >&2; exit 2 ;;
esac
