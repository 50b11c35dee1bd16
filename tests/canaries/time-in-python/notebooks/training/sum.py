# ---
# jupyter:
#   qa:
#     seconds: 1
# ---

# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
while True: total += 1  # noqa: E701
