# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
!echo 2 > /usr/total.txt
