"""What the machine has: cores and memory."""

import contextlib
import os
from pathlib import Path


def cores() -> int:
    """Returns the number of CPU cores that this process may use.

    Example:
        >>> cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> int:
    """Returns the memory of the machine in bytes, or that of the container if it is less.

    Example:
        >>> memory() > 2**20
        True
    """
    limits = []
    with contextlib.suppress(AttributeError, ValueError):  # not on every system
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups, versions 2 and 1
        with contextlib.suppress(OSError, ValueError):  # no such file, or no limit
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
    return min(limits, default=2**34)
