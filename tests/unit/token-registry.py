#!/usr/bin/env python3
"""A registry that wants a bearer token, and the server that gives tokens out for a password or an identity token (distribution's
"token" and "oauth" documents): prints its port, then serves."""

import base64
import json
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCOPE = "repository:a/b:pull"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/token":
            asked = dict(urllib.parse.parse_qsl(url.query))
            pair = "Basic " + base64.b64encode(b"user:geheim").decode()
            right = self.headers["Authorization"] == pair and asked == {"service": "the registry", "scope": SCOPE}
            self.answer(200 if right else 401, json.dumps({"token": "given"}))
        elif self.headers["Authorization"] == "Bearer given":
            self.answer(200, "the manifest")
        else:
            realm = f"http://127.0.0.1:{self.server.server_port}/token"
            self.answer(401, "", [("WWW-Authenticate", f'Bearer realm="{realm}",service="the registry",scope="{SCOPE}"')])

    def do_POST(self):
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        right = (form.get("grant_type"), form.get("refresh_token"), form.get("scope"), form.get("service")) == (
            "refresh_token", "refresh/+=", SCOPE, "the registry")
        self.answer(200 if right and form.get("client_id") else 401, json.dumps({"access_token": "given"}))


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
