# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="timed"
%%time
slow = 3

assert total == slow
