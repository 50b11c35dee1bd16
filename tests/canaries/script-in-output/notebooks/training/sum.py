# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
from IPython.display import HTML

HTML("<b onclick=\"steal()\">2</b><script>steal()</script>")
