# %% name="a" tags=["raises-excepton", "hide_input", "slow"]
x = 1
assert x == 1

# %% nmae="b"
y = 1
