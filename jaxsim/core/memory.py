"""Memory in huge pages, for what is computed on a CPU."""

import os
import sys

SETTING = "glibc.malloc.hugetlb=1"
RESTARTED = "JAXSIM_RESTARTED"


def restart_with_huge_pages() -> None:
    """Starts this process anew with an allocator that asks for huge pages.

    A program of XLA takes its working memory from the system and gives it back at each
    call, and every page is zeroed again when it is first touched, which takes a good
    part of a training step if they are small. The C library reads how to
    allocate only when a process starts. Returns at once where there is nothing to do:
    without glibc, or if `GLIBC_TUNABLES` already chooses the pages.
    """
    chosen = os.environ.get("GLIBC_TUNABLES", "")
    # The system may take the setting away again, and must not be asked for ever.
    if "glibc.malloc.hugetlb" in chosen or RESTARTED in os.environ or not _is_glibc():
        return
    os.environ[RESTARTED] = "1"
    os.environ["GLIBC_TUNABLES"] = f"{chosen}:{SETTING}" if chosen else SETTING
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _is_glibc() -> bool:
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
