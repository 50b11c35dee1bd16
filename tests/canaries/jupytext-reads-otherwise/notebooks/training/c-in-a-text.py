# %% name="a"
x = 1
assert x == 1
text = """
# %% name="b"
"""
