# %% [markdown]
# # Sums
