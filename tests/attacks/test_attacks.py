"""What hostile code tries, in the real sandbox: it gets nothing, leaves nothing, and is named.

No attack sends anything anywhere but to the builder's own loopback, which must be out of reach.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.attacks.attack import SECRET, Attack

# Tests that run beside this one have sleepers of their own.
MARK = f"3600.{os.getpid()}"
"""Seconds for which left processes would sleep: by this they are found."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def left_behind() -> list[psutil.Process]:
    """Processes of attacks that still live on the builder's machine."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if MARK in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_fork_bomb_is_stopped(attack: Attack) -> None:
    failure, *_ = attack.failures("import os\nwhile True: os.fork()")
    assert 'cell "attack": ' in failure
    assert "process limit" in failure or "Resource temporarily unavailable" in failure
    deadline = time.monotonic() + 5
    while any(psutil.Process(each.pid).children() for each in attack.server.processes()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_fork_bomb_in_a_shell_is_stopped(attack: Attack) -> None:
    code = "import subprocess\nsubprocess.run(['bash', '-c', 'f() { f | f & }; f; sleep 60'])"
    (failure,) = attack.failures(code)
    assert failure == '9: cell "attack": process limit: more than 256 at once'


def test_endless_output_of_a_child_is_stopped(attack: Attack) -> None:
    (failure,) = attack.failures("import subprocess\nsubprocess.run(['yes'])")
    assert failure == '9: cell "attack": flood of output: more than 1024 KiB'


def test_endless_figures_are_stopped(attack: Attack) -> None:
    code = """
        from IPython.display import display
        while True: display({'text/plain': 'x' * 90_000}, raw=True)
        """
    (failure,) = attack.failures(code)
    reason = "flood of output: OutputFlood: more figures and tables than a page can hold"
    assert failure == f'10: cell "attack": {reason}'


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.create_connection(('127.0.0.1', {port}))",
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', "
        "'import socket; socket.create_connection((\"127.0.0.1\", {port}))'], check=True)",
    ],
)
def test_the_builder_s_loopback_is_out_of_reach(
    attack: Attack, listener: socket.socket, code: str
) -> None:
    port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        listener.accept()[0].close()  # the builder itself reaches it
    (failure,) = attack.failures(code.format(port=port))
    assert "ConnectionRefusedError" in failure or "failed command: exit status 1" in failure
    listener.settimeout(0.2)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_the_builder_s_abstract_sockets_are_out_of_reach(attack: Attack) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0qa-{os.getpid()}")
        server.listen()
        code = f"import socket\nsocket.socket(socket.AF_UNIX).connect('\\0qa-{os.getpid()}')"
        (failure,) = attack.failures(code)
    assert failure == '9: cell "attack": ConnectionRefusedError: [Errno 111] Connection refused'


def test_two_runs_use_one_port_at_once(attack: Attack) -> None:
    code = """
        import socket, time
        with socket.create_server(('127.0.0.1', 8123)):
            began = time.monotonic()
            time.sleep(2)
            ended = time.monotonic()
        """
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(attack.run, code, 10, name) for name in ("one", "two")]
        one, two = (each.result().values for each in runs)
    assert float(one["began"]) < float(two["ended"])
    assert float(two["began"]) < float(one["ended"])


def test_the_builder_s_environment_cannot_be_read(attack: Attack) -> None:
    code = """
        import glob, os
        found = [str(os.environ)]
        for path in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
            try:
                found.append(open(path).read())
            except OSError as error:
                found.append(str(error))
        print(found)
        """
    assert os.environ["QA_SECRET"] == SECRET
    text = attack.output(code)
    assert "MATPLOTLIBRC" in text
    assert SECRET not in text


def test_the_builder_s_processes_cannot_be_seen(attack: Attack) -> None:
    assert attack.output("import psutil\nprint(psutil.pids())") == "[1, 2]"


def test_the_builder_s_files_cannot_be_read(attack: Attack) -> None:
    home = Path.home()
    places = [attack.secret, attack.folder, home, "/etc/shadow", "/root", "/var", "/run", "/mnt"]
    code = f"""
        import os
        from pathlib import Path
        for place in {[str(place) for place in places]}:
            shown = Path(place)
            if shown.is_dir():
                for folder, folders, files in os.walk(place):
                    folders[:] = [] if '/lib/python' in folder else folders
                    print(folder, [f for f in files if 'secret.txt' in f])
            elif shown.exists():
                print('SEEN', shown.read_text())
        """
    result = attack.run(code)
    text = "".join(output["text"] for output in result.cells["attack"].outputs)
    assert SECRET not in text
    assert "SEEN" not in text
    assert "secret.txt" not in text


@pytest.mark.parametrize("place", ["/usr/new", "/new", "/work/new", "/var/new"])
def test_nothing_outside_is_written(attack: Attack, place: str) -> None:
    (failure,) = attack.failures(f"open({place!r}, 'w').write('taken')")
    assert failure == f'8: cell "attack": writes outside its folder: {place}'
    past_the_guard = f"import ctypes\nassert ctypes.CDLL(None).creat({place.encode()!r}, 0o600) < 0"
    attack.run(past_the_guard)
    assert not Path(place).exists()


@pytest.mark.parametrize("name", ["docs/new.md", "docs/secret.txt", "notebooks/security/attack.py"])
def test_the_project_is_not_written(attack: Attack, name: str) -> None:
    before = {path: path.read_text() for path in attack.folder.rglob("*") if path.is_file()}
    path = attack.folder / name
    code = f"""
        import ctypes, os
        assert ctypes.CDLL(None).creat({str(path).encode()!r}, 0o600) < 0
        os.makedirs({str(path.parent)!r})  # a folder of the sandbox's own, with the same name
        open({str(path)!r}, 'w').write('taken')
        """
    attack.run(code)
    after = {path: path.read_text() for path in attack.folder.rglob("*") if path.is_file()}
    assert before.items() <= after.items() or name.endswith(".py")
    assert "taken" not in "".join(after.values()).replace("write('taken')", "")


def test_a_link_made_in_the_run_leads_nowhere(attack: Attack) -> None:
    code = f"""
        import os
        os.symlink({str(attack.secret)!r}, 'link')
        print(open('link').read())
        """
    (failure,) = attack.failures(code)
    assert "FileNotFoundError" in failure


def test_a_link_brought_along_is_refused(attack: Attack) -> None:
    folder = attack.folder / "notebooks" / "security" / "attack"
    folder.mkdir(parents=True)
    (folder / "data.csv").symlink_to(attack.secret)
    assert attack.failures("pass") == ["1: is a link out of attack/: put the file there"]


def test_a_process_that_hides_from_its_parent_dies_with_the_run(attack: Attack) -> None:
    code = f"""
        import os, signal
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)
                os.execvp('sleep', ['sleep', '{MARK}'])
            os._exit(0)
        os.wait()
        import time
        time.sleep(0.3)
        """
    (failure,) = attack.failures(code)
    assert failure == f'8: cell "attack": left behind: process sleep {MARK}'
    assert not left_behind()


def test_a_run_that_is_stopped_leaves_no_process(attack: Attack) -> None:
    code = f"import subprocess\nsubprocess.run(['sleep', '{MARK}'])"
    (failure,) = attack.failures(code, seconds=1)
    assert failure == '9: cell "attack": time budget: not done after 14 s'
    assert not left_behind()


def test_a_builder_that_goes_takes_its_runs_along(attack: Attack) -> None:
    code = f"import subprocess\nsubprocess.run(['sleep', '{MARK}'])"
    thread = threading.Thread(target=attack.failures, args=[code])
    thread.start()
    deadline = time.monotonic() + 20
    while not left_behind():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    attack.server.stop_runs()
    thread.join()
    deadline = time.monotonic() + 5
    while left_behind():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_disk_is_limited(attack: Attack) -> None:
    code = """
        with open('a', 'wb') as a, open('b', 'wb') as b:
            for file in (a, b):
                for _ in range(90):
                    file.write(bytes(10 << 20))
        """
    (failure,) = attack.failures(code)
    assert failure.startswith('12: cell "attack": disk limit: OSError: [Errno 28]'), failure


def test_memory_of_many_children_counts_together(attack: Attack) -> None:
    code = """
        import subprocess, sys
        child = [sys.executable, '-c', 'import time; x = b"x" * (700 << 20); time.sleep(60)']
        for each in [subprocess.Popen(child) for _ in range(4)]: each.wait()
        """
    (failure,) = attack.failures(code)
    assert failure == '11: cell "attack": memory limit: more than 2048 MiB'


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.mknod('disk', 0o60600, os.makedev(254, 0))",
        "import ctypes\nassert ctypes.CDLL(None).mount(b'a', b'/tmp', b'tmpfs', 0, None) == 0",
        "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
        "import ctypes\nassert ctypes.CDLL(None).umount2(b'/proc', 2) == 0",
        "open('/proc/1/mem', 'rb').read(1)",
        "open('/proc/1/environ').read()",
        "import ctypes\nassert ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
        "import os\nfd = os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)",
        "import os\nos.setuid(0)",
        "import os\nos.listdir('/old')",
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)",
    ],
)
def test_privileges_are_gone(attack: Attack, code: str) -> None:
    (failure,) = attack.failures(code)
    assert "ends before its end" not in failure


def test_killing_the_supervisor_has_no_effect(attack: Attack) -> None:
    text = attack.output("import os\nfor n in (9, 15, 19, 2): os.kill(1, n)\nprint('still here')")
    assert text == "still here"


def test_a_forged_report_is_refused(attack: Attack) -> None:
    code = """
        import json, os
        lie = json.dumps({'type': 'End', 'verdict': '', 'status': 0, 'left': [], 'cell': 0})
        for number in range(3, 64):
            try:
                os.write(number, lie.encode() + b'\\n')
            except OSError:
                pass
        import time
        time.sleep(30)
        """
    (failure,) = attack.failures(code)
    assert failure == "1: sandbox: ValidationError: Invalid value 'End' - at `$.type`"
