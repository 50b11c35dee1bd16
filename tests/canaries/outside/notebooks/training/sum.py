# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
from pathlib import Path

Path("/usr/total.txt").write_text("2")
