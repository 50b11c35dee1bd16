# %% name="sum"
import matplotlib.pyplot as plt
import pandas as pd

total = 1 + 1
assert total == 2
plt.plot([1, total])
plt.title("sum of 2")
plt.xlabel("epoch")
plt.ylabel("损失")
plt.show()
pd.DataFrame({"mean [ms]": [total], "max_tokens": ["GPU"]})
