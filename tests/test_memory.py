"""Memory that stays in the process when it is freed."""

import platform
import subprocess
import sys

import pytest

# Touches and frees blocks of 256 MB, and prints the page faults of later ones.
PROGRAM = """
import ctypes, resource, sys
from planet_tf2.tools.devices import keep_freed_memory
libc = ctypes.CDLL("libc.so.6")
if sys.argv[1] == "keep":
    keep_freed_memory()
libc.malloc.restype = ctypes.c_void_p
def touch():
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(2**28)))
    ctypes.memset(block, 1, 2**28)
    libc.free(block)
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode):
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc can be asked"
)
def test_freed_memory_is_used_again():
    assert page_faults("keep") < page_faults("default") / 10
