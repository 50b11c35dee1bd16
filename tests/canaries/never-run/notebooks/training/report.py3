# %% name="a"
x = 1
