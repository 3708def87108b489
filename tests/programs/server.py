"""Healthy: an HTTP server under steady load from clients of its own.

    server.py REQUESTS_PER_S

Each answer builds a document and drops it; nothing outlives its request.
"""

import http.client
import http.server
import json
import sys
import threading
import time

pause_s = 1.0 / float(sys.argv[1])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        rows = [{"id": n, "text": f"{self.path}-{n}" * 4} for n in range(500)]
        body = json.dumps(rows).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
count = 0
while True:
    client = http.client.HTTPConnection(*server.server_address)
    for _ in range(100):
        client.request("GET", f"/{count}")
        client.getresponse().read()
        count += 1
        time.sleep(pause_s)
    client.close()
