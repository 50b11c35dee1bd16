# %% name="a"
x = 1
assert x == 1

#%% name="b"
y = 1
