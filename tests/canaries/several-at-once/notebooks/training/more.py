# %% name="more"
assert 1 + 1 == 3
