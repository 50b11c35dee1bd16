# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import socket

try:
    socket.getaddrinfo("models.example", 443)
except OSError:
    total = 2
