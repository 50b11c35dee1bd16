# %% name="a"
x = 1
assert x == 1

# In[3]:
y = 1
