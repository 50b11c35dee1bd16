# ---
# jupyter:
#   qa:
#     seconds: 3

# %% name="a"
x = 1
assert x == 1
