# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import os

os._exit(0)
