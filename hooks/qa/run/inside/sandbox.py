"""Shut a process in: its own network, processes and files, by Linux namespaces.

What a sandboxed process sees: loopback and nothing behind it; its own processes; programs and
libraries, read-only; one writable folder in memory, of limited size. It runs as an ordinary user
without capabilities, whoever builds. When its init process ends, the kernel kills all that is left.
See namespaces(7), user_namespaces(7), mount_setattr(2). It needs Linux 5.12, user namespaces and
libseccomp.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from qa.run.inside import system_calls
from qa.run.protocol import Limits

WORK, HOME = Path("/tmp/work"), Path("/tmp/home")
"""The working folder and the home inside; the same for every run, so that paths in outputs are."""

USER = 1000
BUILDER = os.geteuid(), os.getegid()
"""User and group; inside they have no number until they are mapped."""
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
DEVICE_FOLDERS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
SETTINGS = (
    *("alternatives", "fonts", "ssl", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
    *("localtime", "mime.types", "nsswitch.conf", "protocols", "services"),
)
"""What of /etc is seen: nothing that holds a secret."""
WRITTEN = {
    "passwd": f"user:x:{USER}:{USER}::{HOME}:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    "group": f"user:x:{USER}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
DEVICES = ("null", "zero", "full", "random", "urandom")
KERNEL = (
    *("cpuinfo", "diskstats", "filesystems", "loadavg", "meminfo", "stat", "sys", "sysvipc"),
    *("uptime", "version", "vmstat"),
)
"""What of /proc is seen beside the run's own processes: all that is left out is the machine's."""

# From the headers of Linux; these are the same on all its architectures.
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x00020000, 0x02000000, 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC
NAMESPACES |= CLONE_NEWUTS | CLONE_NEWCGROUP
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID = 1, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 4, 36, 38
KEYCTL_JOIN_SESSION_KEYRING = 1
SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_lock = ctypes.PyDLL(None, use_errno=True)
"""Calls of it keep the interpreter's lock."""


class IsolationError(OSError):
    """This system cannot isolate; the text says at which step, and why."""


def _call(step: str, function: str, *arguments: object) -> int:
    result: int = getattr(_libc, function)(*arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise IsolationError(code, f"{step}: {os.strerror(code)}")
    return result


def _system_call(step: str, name: str, *arguments: object) -> None:
    """One that has no wrapper in the C library."""
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    _call(step, "syscall", ctypes.c_long(system_calls.number(name)), *longs)


def fork() -> int:
    """As os.fork, but the child is the init process of new namespaces. Raises IsolationError.

    Python has only unshare, which needs a process in between: with large libraries loaded, to fork
    it and to end it takes ten milliseconds. But the C library must know of a fork where there are
    threads: their locks would stay closed.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return _fork_in_two_steps()
    flags = NAMESPACES | signal.SIGCHLD
    call = [ctypes.c_long(each) for each in (system_calls.number("clone"), flags, 0, 0, 0, 0)]
    ctypes.pythonapi.PyOS_BeforeFork()
    pid: int = _libc_with_lock.syscall(*call)
    code = ctypes.get_errno()
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    else:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise IsolationError(code, f"new namespaces: {os.strerror(code)}")
    return pid


def _fork_in_two_steps() -> int:
    pid = os.fork()
    if pid == 0 and (_libc.unshare(NAMESPACES) or os.fork()):
        os._exit(0)  # the process in between
    return pid


def map_user() -> None:
    """In the init process: be USER, who outside is whoever builds."""
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{USER} {BUILDER[0]} 1")
        Path("/proc/self/gid_map").write_text(f"{USER} {BUILDER[1]} 1")
    except OSError as error:
        raise IsolationError(error.errno, f"user mapping: {error.strerror}") from error


def enter(limits: Limits) -> None:
    """In the init process: build the file system, raise loopback, then hide from the run."""
    raise_loopback()
    socket.sethostname("localhost")
    _build_root(limits)
    Path("/proc/self/oom_score_adj").write_text("1000")  # where memory ends, it ends for the run
    with suppress(IsolationError):  # a second hurdle: no run can call keyctl
        _system_call("new keyring", "keyctl", KEYCTL_JOIN_SESSION_KEYRING, None)
    for setting, value in _settings(limits).items():
        with suppress(OSError):
            Path("/proc/sys", setting).write_text(str(value))
    set_readonly("/proc")
    _call("hide memory", "prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)


def _settings(limits: Limits) -> dict[str, object]:
    """Each is a second hurdle; where the kernel is too old to have it, others stand."""
    return {
        "kernel/pid_max": 2 * limits.processes,
        "net/ipv4/tcp_rmem": "4096 131072 262144",
        "net/ipv4/tcp_wmem": "4096 131072 262144",
        "user/max_inotify_instances": 16,  # of those that the builder has
        "user/max_inotify_watches": 1024,
        "user/max_user_namespaces": 0,
    }


def adopt_orphans() -> None:
    """Make this process the parent of all orphans below it, as an init process is."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def drop_privileges() -> None:
    """Give up all capabilities, for this process and all that it will start.

    It can be observed again by its supervisor, from which it was forked.
    """
    _call("be observable", "prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)
    _call("no new privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    header = struct.pack("=Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    _call("drop capabilities", "capset", header, bytes(24))


def set_resource_limits(limits: Limits) -> None:
    """The hard limits that the kernel keeps a process to, set for this one and its children."""
    data = limits.memory * 2 + _data_size()  # the supervisor's measure is exact, but comes later
    for kind, value in (
        (resource.RLIMIT_CORE, 1),  # with 0, a core still goes to a program of the machine's
        (resource.RLIMIT_DATA, data),
        (resource.RLIMIT_FSIZE, limits.disk),
        (resource.RLIMIT_MEMLOCK, 8 << 20),
        (resource.RLIMIT_NOFILE, limits.descriptors),
        (resource.RLIMIT_NPROC, 2 * limits.processes),
        (resource.RLIMIT_RTPRIO, 0),
        (resource.RLIMIT_SIGPENDING, 1024),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _data_size() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * resource.getpagesize()


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", IFF_UP | IFF_RUNNING)
        fcntl.ioctl(control, SIOCSIFFLAGS, request)


def _build_root(limits: Limits) -> None:
    """Replace the root by a folder in memory that holds what SYSTEM and `_python` name."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID, "size=1m,mode=755")
    Path("/tmp/old").mkdir()
    _system_call("new root", "pivot_root", b"/tmp", b"/tmp/old")
    os.chdir("/")
    for folder in ("proc", "dev", "etc"):
        Path("/", folder).mkdir()
    _make_writable(limits)  # first, because this Python may itself lie below /tmp
    settings = [f"/etc/{name}" for name in SETTINGS]
    for path in (*SYSTEM, *DEVICE_FOLDERS, *_python(), *settings):
        _show(Path(path))
    for name, text in WRITTEN.items():
        Path("/etc", name).write_text(text)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _hide_machine()
    for name in DEVICES:
        Path("/dev", name).touch()
        mount(f"/old/dev/{name}", f"/dev/{name}", flags=MS_BIND)
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        Path("/dev", name).symlink_to(f"/proc/self/fd/{descriptor}")
    Path("/dev/fd").symlink_to("/proc/self/fd")
    _call("hide the old root", "umount2", b"/old", MNT_DETACH)
    Path("/old").rmdir()
    mount("none", "/", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID)


def _make_writable(limits: Limits) -> None:
    """/tmp and /dev/shm: two folders of one file system, whose limits they share."""
    options = f"size={limits.disk},nr_inodes={limits.files},mode=700"
    Path("/memory").mkdir()
    mount("tmpfs", "/memory", "tmpfs", MS_NOSUID | MS_NODEV, options)
    for folder in ("/tmp", "/dev/shm"):
        inside = Path("/memory", Path(folder).name)
        inside.mkdir(mode=0o700)
        Path(folder).mkdir()
        mount(str(inside), folder, flags=MS_BIND)
    _call("hide /memory", "umount2", b"/memory", MNT_DETACH)
    Path("/memory").rmdir()


def _hide_machine() -> None:
    """Cover what of /proc is not named in KERNEL, by nothing."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() or path.name in KERNEL or path.is_symlink():
            continue
        if path.is_dir():
            mount("tmpfs", str(path), "tmpfs", MS_RDONLY, "nr_inodes=1")
        else:
            mount("/old/dev/null", str(path), flags=MS_BIND)


def _python() -> Iterator[str]:
    """Where this Python and its packages lie, outermost first."""
    places = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)}
    shown = [Path(path) for path in SYSTEM]
    for place in sorted(places):
        if not any(Path(place).is_relative_to(path) for path in shown):
            shown.append(Path(place))
            yield place


def _show(path: Path) -> None:
    """Let `path` of the old root be seen under the same name, read-only."""
    old = Path("/old") / path.relative_to("/")
    if old.is_symlink():
        path.symlink_to(old.readlink())
    elif old.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if old.is_dir():
            path.mkdir(exist_ok=True)
        else:
            path.touch()
        mount(str(old), str(path), flags=MS_BIND | MS_REC)
        set_readonly(str(path))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    names = (source.encode(), target.encode(), kind.encode() or None)
    _call(f"mount {target}", "mount", *names, ctypes.c_ulong(flags), options.encode() or None)


def set_readonly(path: str) -> None:
    """For the mount at `path` and all below it."""
    attributes = struct.pack("=QQQQ", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, 0, 0, 0)
    arguments = (AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, len(attributes))
    _system_call(f"read-only {path}", "mount_setattr", *arguments)
