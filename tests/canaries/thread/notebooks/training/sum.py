# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import threading


def work():
    raise ValueError("lost")


thread = threading.Thread(target=work)
thread.start()
thread.join()
