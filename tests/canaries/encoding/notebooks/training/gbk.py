# %% name="a"
x = "жа"
assert x
