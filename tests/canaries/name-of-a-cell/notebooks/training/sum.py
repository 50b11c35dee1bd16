# %% name="../../../docs/x"
total = 1 + 1
assert total == 2

# %% name="Sum"
print(1)

# %% name="sum"
print(total)

# %% name="aux"
print(2)
