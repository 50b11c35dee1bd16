# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
while True:
    print("total", total)
