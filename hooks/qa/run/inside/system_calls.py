"""Keep a run from the parts of the kernel that no example needs, by a seccomp filter.

Namespaces leave these as they are: some belong to the whole machine (keyrings, vsock), some take
memory that nobody can count, and in most of them lie the kernel's own past faults. What is refused
looks like an old kernel without it, so that libraries do what they do there. The filter is made by
libseccomp, without which apt and systemd do not run. See seccomp(2), seccomp_rule_add(3).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from functools import cache

KEYRINGS = ("add_key", "keyctl", "request_key")
OTHER_PROCESSES = (
    *("kcmp", "migrate_pages", "move_pages", "pidfd_getfd", "process_madvise"),
    *("process_vm_readv", "process_vm_writev", "ptrace"),
)
NAMESPACES = (
    *("chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount"),
    *("name_to_handle_at", "open_by_handle_at", "open_tree", "pivot_root", "setns", "umount2"),
    *("clone3", "unshare"),  # a filter cannot see the flags of clone3; the C library has clone
)
UNCOUNTED_MEMORY = (
    *("io_setup", "memfd_create", "memfd_secret", "mq_open", "msgget", "semget", "vmsplice"),
)
WIDE = (
    *("bpf", "fanotify_init", "io_uring_enter", "io_uring_register", "io_uring_setup"),
    *("perf_event_open", "userfaultfd"),
)
MACHINE = (
    *("acct", "adjtimex", "clock_adjtime", "clock_settime", "delete_module", "finit_module"),
    *("init_module", "ioperm", "iopl", "kexec_file_load", "kexec_load", "lookup_dcookie"),
    *("modify_ldt", "nfsservctl", "personality", "quotactl", "quotactl_fd", "reboot"),
    *("settimeofday", "swapoff", "swapon", "sysfs", "syslog", "uselib", "ustat", "vhangup"),
)
REFUSED = (*KEYRINGS, *OTHER_PROCESSES, *NAMESPACES, *UNCOUNTED_MEMORY, *WIDE, *MACHINE)
NEWER = range(451, 600)
"""Numbers, on all architectures the same, of what came after Linux 6.4 and of what is to come."""
PRETENDED = ("sync", "syncfs")
"""A run has nothing to write to a disk; with these it could make the machine's busy."""

CLONE_NEW = (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000)
"""Flags of clone(2) for new namespaces."""
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

# From seccomp.h and linux/seccomp.h.
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NE, EQ, GT, MASKED_EQ = 1, 4, 6, 7
PR_SET_SECCOMP, MODE_FILTER = 22, 2
INSTRUCTION = 8
"""Bytes of one."""


class _Condition(ctypes.Structure):
    """scmp_arg_cmp: of which argument, how, with what."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value2", ctypes.c_uint64),
    )


def _is(argument: int, value: int) -> _Condition:
    """That an argument of 32 bits has this value, whatever stands in the other 32."""
    return _Condition(argument, MASKED_EQ, 0xFFFFFFFF, value)


class _Program(ctypes.Structure):
    """sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


_Rule = tuple[str | int, int, tuple[_Condition, ...]]


def _rules() -> Iterator[_Rule]:
    """What is refused: the call, the error it gives, and which of its arguments make it so.

    The kernel takes 32 bits of most arguments, a filter sees 64, and a run may fill them all.
    """
    for call in (*REFUSED, *NEWER):
        yield call, errno.ENOSYS, ()
    for call in PRETENDED:
        yield call, 0, ()
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):  # buffers keep the size that they have
        yield "setsockopt", 0, (_is(1, socket.SOL_SOCKET), _is(2, option))
    for command in (fcntl.F_SETLEASE, fcntl.F_NOTIFY):  # on files that the builder has, too
        yield "fcntl", errno.EINVAL, (_is(1, command),)
    for flag in CLONE_NEW:
        yield "clone", errno.EPERM, (_Condition(0, MASKED_EQ, flag, flag),)
    for family in set(range(max(FAMILIES))) - set(FAMILIES):
        yield "socket", errno.EAFNOSUPPORT, (_Condition(0, EQ, family),)
    yield "socket", errno.EAFNOSUPPORT, (_Condition(0, GT, max(FAMILIES)),)
    route = (_Condition(0, EQ, socket.AF_NETLINK), _Condition(2, NE, 0))
    yield "socket", errno.EPROTONOSUPPORT, route
    for family in (socket.AF_INET, socket.AF_INET6):  # no SCTP, no DCCP, no MPTCP
        other = (_Condition(0, EQ, family), _Condition(2, GT, socket.IPPROTO_UDP))
        yield "socket", errno.EPROTONOSUPPORT, other


@cache
def _library() -> ctypes.CDLL:
    """Raises OSError if it is not there."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def number(call: str) -> int:
    """Of a system call, on this machine's architecture; below -1 where it has none.

    Raises OSError if libseccomp is too old to know it.
    """
    found: int = _library().seccomp_syscall_resolve_name(call.encode())
    if found == -1:
        raise OSError(errno.ENOSYS, f"libseccomp 2.5.3 or newer is needed: {call} is unknown")
    return found


@cache
def compiled() -> ctypes.Array[ctypes.c_char]:
    """The filter's program, made once for all runs. Raises OSError."""
    context = ctypes.c_void_p(_library().seccomp_init(ALLOW))
    for call, error, conditions in _rules():
        which = number(call) if isinstance(call, str) else call
        array = (_Condition * len(conditions))(*conditions)
        rule = (context, ERRNO | error, which, len(conditions), array)
        _check(_library().seccomp_rule_add_array(*rule), f"refuse {call}")
    with tempfile.TemporaryFile() as file:
        _check(_library().seccomp_export_bpf(context, file.fileno()), "filter of system calls")
        file.seek(0)
        program = file.read()
    _library().seccomp_release(context)
    return ctypes.create_string_buffer(program, len(program))


def refuse() -> None:
    """From now on, for this process and all that it will start. Raises OSError.

    It must have no privileges to gain any more (PR_SET_NO_NEW_PRIVS). Programs for another
    architecture than the kernel's own (x32, 32 bits) are killed.
    """
    program = compiled()
    sized = _Program(len(program) // INSTRUCTION, ctypes.addressof(program))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(sized)):
        _check(-ctypes.get_errno(), "filter of system calls")


def _check(code: int, step: str) -> None:
    if code < 0:
        raise OSError(-code, f"{step}: {os.strerror(-code)}")
