# %% name="sum"
import helper

total = helper.two()
assert (total == 2, "message")
assert total == 2
pattern = "\d"
