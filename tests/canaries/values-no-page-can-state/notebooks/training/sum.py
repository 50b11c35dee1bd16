# %% name="sum"
total = 1 + 1
parts = [1, 1]
assert total == 2
print("total", total)

# %% name="values"
from decimal import Decimal

lost = float("nan")
endless = float("inf")
undecided = Decimal("NaN")
huge = 10**5000
tall = Decimal("1e400")
words = "x" * 5000
third = 1 / 3
assert third < 1
