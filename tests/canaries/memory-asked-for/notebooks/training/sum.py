# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
block = bytearray(100 << 30)
