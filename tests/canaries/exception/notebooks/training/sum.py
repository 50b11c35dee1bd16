# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
def share(parts):
    return total / parts


share(0)
