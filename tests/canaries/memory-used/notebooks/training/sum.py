# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
block = b"x" * (3 << 30)
