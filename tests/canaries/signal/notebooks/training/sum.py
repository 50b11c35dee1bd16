# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import os
import signal

os.kill(os.getpid(), signal.SIGKILL)
