# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
from IPython.display import HTML

HTML("<img src='https://models.example/x.png' alt='2'>")
