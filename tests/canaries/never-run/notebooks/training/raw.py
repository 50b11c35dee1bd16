# %% name="a"
x = 1
assert x == 1

# %% [raw]
# y = 1

# %% [markdown]
# Text.
y = 1

# %% name="b"
# y = 1

# %% name="c"
