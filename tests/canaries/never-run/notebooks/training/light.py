import math

# + tags=["x"]
assert math.pi
