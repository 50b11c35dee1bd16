# %% name="sum"
total = 1 + 1
assert total == 2

# %% name="fault"
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

server = HTTPServer(("127.0.0.1", 8000), BaseHTTPRequestHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
