"""What no namespace covers: keyrings, rare system calls and sockets, files of the machine.

All have to look as on a system that lacks them, so that libraries do without.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest

from tests.attacks.attack import Attack

CALL = """
import ctypes, os
library = ctypes.CDLL('libseccomp.so.2')
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    number = name if isinstance(name, int) else library.seccomp_syscall_resolve_name(name)
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = libc.syscall(ctypes.c_long(number), *longs)
    return os.strerror(ctypes.get_errno()) if result < 0 else result
"""
MISSING = "Function not implemented"


@pytest.fixture
def key_of_builder() -> Iterator[str]:
    """A key in the builder's session keyring, as a log-in or a mounted disk leaves one."""
    libc = ctypes.CDLL(None, use_errno=True)
    resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name
    name, text, session, unlink = f"qa-{os.getpid()}", b"a-token-of-the-builder", -3, 9
    key = libc.syscall(resolve(b"add_key"), b"user", name.encode(), text, len(text), session)
    assert key > 0, os.strerror(ctypes.get_errno())
    yield name
    libc.syscall(resolve(b"keyctl"), unlink, key, session)


def test_keyrings_are_out_of_reach(attack: Attack, key_of_builder: str) -> None:
    code = f"""{CALL}
search, session, user, name = 10, -3, -4, {key_of_builder.encode()!r}
print(call(b'keyctl', search, session, b'user', name, 0))
print(call(b'request_key', b'user', name, None, session))
print(call(b'add_key', b'user', b'for-the-next', b'run', 3, user))
print(open('/proc/keys').read() + open('/proc/key-users').read())
"""
    assert attack.output(code).splitlines() == [MISSING] * 3


def test_rare_system_calls_are_missing(attack: Attack) -> None:
    code = f"""{CALL}
wide = [
    (b'io_uring_setup', 8, bytes(120)), (b'userfaultfd', 1), (b'bpf', 0, bytes(128), 128),
    (b'perf_event_open', bytes(128), 0, -1, -1, 0), (b'fanotify_init', 0, 0),
    (b'clone3', bytes(88), 88), (451, 0, None, None, 0), (462, 0, 0, 0), (599, 0),
]
uncounted = [
    (b'memfd_create', b'x', 0), (b'memfd_secret', 0), (b'io_setup', 8, bytes(8)),
    (b'semget', 0, 32000, 0o1600), (b'msgget', 0, 0o1600), (b'vmsplice', 1, None, 0, 0),
    (b'mq_open', b'x', 0o102, 0o600, None),
]
others = [
    (b'ptrace', 0, 0, 0, 0), (b'process_vm_readv', os.getpid(), None, 0, None, 0, 0),
    (b'pidfd_getfd', os.pidfd_open(os.getpid()), 0, 0), (b'kcmp', 2, 2, 0, 0, 0),
]
namespaces = [
    (b'unshare', 0x10000000), (b'unshare', 0x80), (b'setns', 3, 0), (b'fsopen', b'tmpfs', 0),
    (b'open_tree', -100, b'/', 1), (b'mount', b'a', b'/tmp', b'tmpfs', 0, None),
    (b'umount2', b'/proc', 2), (b'pivot_root', b'/tmp', b'/tmp'), (b'chroot', b'/tmp'),
    (b'name_to_handle_at', -100, b'/', (8).to_bytes(4, 'little') + bytes(200), bytes(4), 0),
    (b'open_by_handle_at', -100, bytes(200), 0),
]
machine = [
    (b'kexec_load', 0, 0, None, 0), (b'init_module', None, 0, b''), (b'personality', 0x40000),
    (b'syslog', 10, None, 0), (b'reboot', 0, 0, 0, None), (b'quotactl', 0, b'/', 0, None),
]
for each in wide + uncounted + others + namespaces + machine:
    if (result := call(*each)) != {MISSING!r}:
        print(each, result)
"""
    assert attack.run(code).cells["attack"].outputs == []


def test_no_process_begins_in_new_namespaces(attack: Attack) -> None:
    """The flags CLONE_NEW of clone(2), the whole of it in each of its forms."""
    code = f"""{CALL}
for bit in (17, 25, 26, 27, 28, 29, 30):
    for more in (0, 1 << 28):
        result = call(b'clone', (1 << bit) | more | 17, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        if result != 'Operation not permitted':
            print(bit, more, result)
"""
    assert attack.run(code).cells["attack"].outputs == []


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="there is no x32 elsewhere")
def test_no_program_of_another_architecture_runs(attack: Attack) -> None:
    code = f"""{CALL}
child = os.fork()
if child == 0:
    call(0x40000000 + 39)  # getpid of x32, a number that no rule names
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert attack.output(code) == "31"  # SIGSYS


def test_odd_sockets_are_missing(attack: Attack) -> None:
    """vsock reaches the machine around the sandbox, whatever its network is."""
    code = f"""{CALL}
high = 1 << 32  # the kernel takes the lower half of it
families = [(family, kind, 0) for family in range(3, 46) if family not in (10, 16)
            for kind in (1, 2, 3, 5)]
families += [(high + 40, 1, 0), (high + 38, 5, 0), (-1, 1, 0)]
netlink = [(16, 3, protocol) for protocol in (*range(1, 23), high + 9)] + [(high + 16, 3, 9)]
streams = [(family, kind, protocol) for family in (2, 10) for kind in (1, 2, 5)
           for protocol in (33, 132, 136, 262, high + 262)]
refused = {{'Address family not supported by protocol', 'Protocol not supported'}}
for each in families + netlink + streams:
    if (result := call(b'socket', *each)) not in refused:
        print(each, result)
"""
    assert attack.run(code).cells["attack"].outputs == []


def test_files_that_the_builder_has_are_not_held(attack: Attack) -> None:
    """A lease makes who writes to a file wait; `sync` makes the whole machine write."""
    code = f"""{CALL}
import errno, fcntl, os
for command in (fcntl.F_SETLEASE, fcntl.F_NOTIFY, fcntl.F_SETLEASE + (1 << 32)):
    with open('mine', 'w'), open('mine') as file, open('/usr/bin/env') as other:
        for descriptor in (file.fileno(), other.fileno()):
            result = call(b'fcntl', descriptor, command, fcntl.F_RDLCK)
            if result != 'Invalid argument':
                print(command, result)
print(call(b'syncfs', 1 << 20), call(b'sync'))
"""
    assert attack.output(code) == "0 0"  # success, even for a file that there is not


def test_files_of_the_machine_cannot_be_seen(attack: Attack) -> None:
    code = """
import os
from pathlib import Path
wanted = {'cpuinfo', 'diskstats', 'filesystems', 'loadavg', 'meminfo', 'mounts', 'net', 'self',
          'stat', 'sys', 'sysvipc', 'thread-self', 'uptime', 'version', 'vmstat'}
for path in Path('/proc').iterdir():
    if path.name in wanted or path.name.isdigit():
        continue
    if path.is_dir() and list(path.iterdir()) or path.is_file():
        print(path)
    elif not path.is_dir() and path.read_bytes():
        print(path)
print(sorted(os.listdir('/sys')), sorted(os.listdir('/sys/devices/system')))
print(open('/proc/self/cgroup').read().split(':')[-1].strip())
"""
    assert attack.output(code).splitlines() == ["['devices'] ['cpu', 'node']", "/"]


def test_nothing_of_the_kernel_is_set(attack: Attack) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None)
for folder, _, names in os.walk('/proc/sys'):
    for name in names:
        if libc.open(os.path.join(folder, name).encode(), os.O_WRONLY) >= 0:
            print(folder, name)
for name in ('self/oom_score_adj', '1/oom_score_adj', 'self/timerslack_ns', 'self/comm'):
    if libc.open(f'/proc/{name}'.encode(), os.O_WRONLY) >= 0:
        print(name)
"""
    assert attack.run(code).cells["attack"].outputs == []


def test_limits_of_a_process_hold(attack: Attack) -> None:
    """A core of size 0 would still be handed to a program of the machine's; one of 1 is not."""
    code = """
import resource
names = ('CORE', 'NOFILE', 'MEMLOCK', 'SIGPENDING', 'RTPRIO')
for name in names:
    soft, hard = resource.getrlimit(getattr(resource, f'RLIMIT_{name}'))
    print(name, soft, hard)
print(open('/proc/self/oom_score_adj').read(), end='')
print(open('/proc/sys/user/max_inotify_instances').read(), end='')
"""
    shown = attack.output(code).splitlines()
    assert shown == [
        "CORE 1 1",
        "NOFILE 1024 1024",
        f"MEMLOCK {8 << 20} {8 << 20}",
        "SIGPENDING 1024 1024",
        "RTPRIO 0 0",
        "1000",
        "16",
    ]


def test_what_libraries_need_is_there(attack: Attack) -> None:
    """Each of these stands beside something that is refused."""
    code = """
import asyncio, mmap, multiprocessing, os, signal, socket, subprocess, threading
from multiprocessing import shared_memory
with multiprocessing.Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
block = shared_memory.SharedMemory(create=True, size=1 << 20)
block.close()
block.unlink()
mmap.mmap(-1, 1 << 20).close()
assert [name for _, name in socket.if_nameindex()] == ['lo']
one, other = socket.socketpair()
one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
with socket.create_server(('::1', 0), family=socket.AF_INET6) as server:
    socket.create_connection(server.getsockname()[:2]).close()
assert subprocess.run(['sh', '-c', 'true | cat'], check=True).returncode == 0
async def main():
    process = await asyncio.create_subprocess_exec('true')
    await process.wait()
await main()
read, write = os.pipe()
with open('a', 'w+b') as a, open('b', 'w+b') as b:
    a.write(b'x' * 100); a.flush(); a.seek(0)
    assert os.sendfile(b.fileno(), a.fileno(), 0, 100) == 100
"""
    attack.run(code)
