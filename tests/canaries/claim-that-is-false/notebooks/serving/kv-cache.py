# %% name="kv-cache"
layers, kv_heads, head_dim, width = 80, 8, 128, 2  # Llama 3.1 70B in bf16
per_token = 2 * layers * kv_heads * head_dim * width  # bytes of keys and values
session = 8192 * per_token
print(f"one session of 8K tokens: {session / 2**30:.1f} GiB")
assert session < 2 * 2**30, "the page says: less than 2 GiB"
