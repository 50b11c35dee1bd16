# %% name="a"
x = 1
assert x == 1

# +
y = 1
# -

# region Load
z = 1
# endregion

# %%[markdown]
# Text.
