# %% name="sum"
import matplotlib.pyplot as plt

total = 1 + 1
assert total == 2
plt.plot([1, total])
plt.show()
