# ---
# jupyter:
#   qa:
#     second: 3
# ---

# %% name="a"
x = 1
assert x == 1
