# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="future"
from concurrent.futures import ThreadPoolExecutor


def fail(what):
    raise ValueError(what)


with ThreadPoolExecutor() as threads:
    threads.submit(fail, "future")

# %% name="children"
import multiprocessing
import os

process = multiprocessing.get_context("fork").Process(target=fail, args=["process"])
process.start()
process.join()
with multiprocessing.get_context("fork").Pool(1) as pool:
    pool.apply_async(fail, ["pool"])
    pool.close()
    pool.join()
child = os.fork()
if child == 0:
    raise ValueError("fork")
_ = os.waitpid(child, 0)

# %% name="at-the-end"
import asyncio
import atexit
import threading
import time


def fail_later():
    time.sleep(0.2)
    fail("daemon")


async def wait():
    await asyncio.sleep(600)


atexit.register(fail, "atexit")
threading.Thread(target=fail_later, daemon=True).start()
task = asyncio.create_task(wait())

# %% name="log"
import logging

logging.basicConfig()
logging.error("%d", "no number")
