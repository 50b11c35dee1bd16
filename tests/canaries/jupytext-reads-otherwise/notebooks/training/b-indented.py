# %% name="a"
x = 1
assert x == 1
if x:
    # %% name="b"
    y = 1
