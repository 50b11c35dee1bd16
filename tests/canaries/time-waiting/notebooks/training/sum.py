# ---
# jupyter:
#   qa:
#     seconds: 1
# ---

# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import time

time.sleep(600)
