# %% name="sum"
total = 1 + 1
parts = [1, 1]
# ⁦ if admin
assert total == 2
