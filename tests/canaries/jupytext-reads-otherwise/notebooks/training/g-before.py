x = 1

# %% name="a"
assert x == 1
