# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault" tags=["raises-exception"] raises="Exception"
totl
