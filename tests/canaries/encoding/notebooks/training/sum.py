# %% name="sum"
import shared
import helper
total = 1 + 1
parts = [1, 1]
assert total == 2
print("total", total)
