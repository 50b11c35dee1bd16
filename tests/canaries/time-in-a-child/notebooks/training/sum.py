# ---
# jupyter:
#   qa:
#     seconds: 1
# ---

# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import subprocess
import sys

subprocess.run([sys.executable, "-c", "while True: pass"])
