# %% name="sum"
total = 1 + 1
assert total == 2

# %%
total += 1
