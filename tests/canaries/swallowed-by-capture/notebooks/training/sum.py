# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="captured"
%%capture
three = 3
assert total == three
