# %% name="sum"
total = 1 + 1
