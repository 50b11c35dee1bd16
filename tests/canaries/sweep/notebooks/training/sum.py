# %% name="sum"
import pandas as pd

total = 1 + 1
assert total == 2
print("total", total)
table = pd.DataFrame({"wait [s]": [1, 2, 4]}, index=pd.Index([1, 2, 3], name="load"))

# %% name="list" tags=["sweep"] flips="total"
[total]

# %% name="unknown" tags=["sweep"] flips="totals"
table

# %% name="outside" tags=["sweep"] flips="far"
far = 4
table

# %% name="changed" tags=["sweep"] flips="late"
late = 2
table

# %% name="later"
late = 3
