# %% name="sum"
total = 1 + 1
parts = [1, 1]
assert total == 2
print("sum", total)
