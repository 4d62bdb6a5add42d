#!/bin/sh
# Makes sure of what pip cannot install. As root on Debian it installs what is
# missing; otherwise it says what to install.
#
#   install_system.sh python PYTHON   a Python that can make environments
#   install_system.sh opengl PYTHON   an OpenGL that MuJoCo can render with
set -eu

install_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing system packages: $*"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -qq -y --no-install-recommends "$@" >/dev/null
    else
        echo "Missing system packages. Please run as root:" >&2
        echo "    apt-get install $*" >&2
        exit 1
    fi
}

check_python() {
    if ! command -v "$1" >/dev/null; then
        install_packages python3 python3-venv
    fi
    if ! "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "Python 3.11 or newer is needed, but $1 is $("$1" -V)." >&2
        echo "Choose another one: make PYTHON=python3.12 ..." >&2
        exit 1
    fi
    if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        install_packages python3-venv
    fi
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
    python) check_python "$2" ;;
    opengl) check_opengl "$2" ;;
    *) echo "usage: $0 python|opengl PYTHON" >&2; exit 2 ;;
esac
