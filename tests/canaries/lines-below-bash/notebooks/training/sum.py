# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="script"
%%bash
echo one

false
echo two
