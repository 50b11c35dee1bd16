# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import asyncio


async def work():
    raise ValueError("lost")


asyncio.get_running_loop().create_task(work())
await asyncio.sleep(0.01)
