"""A service to which messages are posted, as ntfy, Slack or a monitoring system is one: takes them and keeps them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hooks:
    """Use as a context. `.requests`: (method, path, decoded body or None), in the order in which they came."""

    def __init__(self, port=0):
        hooks = self
        self.requests = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def take(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                hooks.requests.append((self.command, self.path, json.loads(body) if body else None))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = take

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def messages(self):
        return [body for method, _, body in self.requests if method == "POST"]

    def pings(self):
        return [path for method, path, _ in self.requests if method == "GET"]
