"""Start ranks as real processes over gloo, and count the bytes that their sockets carry."""

import gc
import os
import socket
import struct
import tempfile
from collections.abc import Callable
from datetime import timedelta

import psutil
import torch
import torch._dynamo  # once here, or every rank imports it for itself
import torch.distributed as dist
import torch.multiprocessing as mp


# --8<-- [start:launch]
def launch(world: int, work: Callable, *cases: dict) -> list[list[dict]]:
    """Run work(rank, world, **case) for each case in `world` forked processes: results[case][rank]."""
    gc.freeze()  # the children's collector then leaves the parent's pages shared
    with tempfile.TemporaryDirectory() as box:
        mp.start_processes(
            _rank, (world, box, work, cases), nprocs=world, start_method="fork"
        )
        return [
            [torch.load(f"{box}/{i}-{rank}.pt") for rank in range(world)]
            for i in range(len(cases))
        ]


def _rank(
    rank: int, world: int, box: str, work: Callable, cases: tuple[dict, ...]
) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    dist.init_process_group(
        "gloo",
        init_method=f"file://{box}/store",
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=60),
    )
    for i, case in enumerate(cases):
        torch.manual_seed(0)  # every rank draws the same initial weights
        torch.save(work(rank, world, **case), f"{box}/{i}-{rank}.pt")
        gc.collect()  # a wrapped model must be gone before its process group
        dist.barrier()
    dist.destroy_process_group()


# --8<-- [end:launch]


def bytes_sent() -> int:
    """Bytes this process has put on its TCP sockets, without retransmissions (Linux tcp_info)."""
    total = 0
    for connection in psutil.Process().net_connections("tcp"):
        with socket.socket(fileno=os.dup(connection.fd)) as sock:
            info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        sent, resent = struct.unpack_from("=QQ", info, 200)
        total += sent - resent
    return total


def traffic(action: Callable) -> int:
    """Bytes this rank sends while all ranks perform the action."""
    dist.barrier()
    before = bytes_sent()
    action()
    dist.barrier()
    return bytes_sent() - before
