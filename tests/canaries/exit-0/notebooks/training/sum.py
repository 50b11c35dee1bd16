# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import sys

sys.exit(0)
