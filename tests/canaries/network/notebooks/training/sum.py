# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import socket

socket.create_connection(("255.255.255.255", 80))
