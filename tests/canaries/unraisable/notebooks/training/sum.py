# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
class Handle:
    def __del__(self):
        raise ValueError("lost")


Handle();
