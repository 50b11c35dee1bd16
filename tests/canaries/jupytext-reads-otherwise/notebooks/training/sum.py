# %% name="sum"
total = 1 + 1
assert total == 2
