# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
async def answer():
    return 42


waiting = answer()
