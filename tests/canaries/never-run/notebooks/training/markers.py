# %% A title name="a"
x = 1
assert x == 1

# %% name="b" tags="volatile"
y = 1

# %% name=c
z = 1
