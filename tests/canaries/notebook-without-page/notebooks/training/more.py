# %% name="sum"
total = 1
assert total == 1
