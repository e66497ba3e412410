#!/usr/bin/env python3
"""A small real server for the tests of http probes: prints its port, then serves. With a file of key and certificate it
speaks TLS."""

import html
import json
import socket
import ssl
import struct
import sys
import time
import urllib.parse
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = {"shots": "good", "page": "good", "version": "1.2.4", "pause": 0}
STATE = {"logins": 0, "tokens": set(), "hits": {}}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


def png(shade):
    """One whole pixel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)) + \
        chunk(b"IDAT", zlib.compress(bytes([0, shade]))) + chunk(b"IEND", b"")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", kind="text/plain", headers=()):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, value, status=200, headers=()):
        self.answer(status, json.dumps(value), "application/json", headers)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def do(self):
        url = urllib.parse.urlsplit(self.path)
        name = url.path.strip("/").split("/")[0]
        STATE["hits"][name] = STATE["hits"].get(name, 0) + 1
        body = self.body()
        handler = getattr(self, "on_" + name.replace("-", "_"), None)
        if handler:
            handler(url, body)
        else:
            self.answer(404, "no such page")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do

    def on_ok(self, url, body):
        self.answer(200, "all is well")

    def on_status(self, url, body):
        self.answer(int(url.path.split("/")[2]), "as you like it")

    def on_echo(self, url, body):
        self.json({"method": self.command, "path": self.path, "host": self.headers["Host"],
                   "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()})

    def on_sni(self, url, body):
        self.json({"sni": STATE["sni"]})

    def on_login(self, url, body):
        given = json.loads(body)
        STATE["logins"] += 1
        STATE["leak"] = given.get("password")
        if given.get("password") != 'p"w %{x}ü':
            self.json({"error": "wrong password " + str(given.get("password"))}, 401)
            return
        token = "token-%08d" % STATE["logins"]
        STATE["tokens"].add(token)
        self.json({"token": token, "id": 7})

    def on_leak(self, url, body):
        self.json({"error": "wrong password " + STATE["leak"] + "?"}, 500)

    def on_logins(self, url, body):
        self.json({"logins": STATE["logins"]})

    def on_forget(self, url, body):
        STATE["tokens"].clear()
        self.answer(200, "forgotten")

    def on_projects(self, url, body):
        token = (self.headers.get("Authorization") or "").replace("Bearer ", "")
        if token not in STATE["tokens"]:
            self.json({"error": "who are you, " + token}, 401)
            return
        self.json([{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])

    def on_run(self, url, body):
        # key order and times change from look to look, what matters does not
        steps = [{"screenshot": "/image/1.png"}, {"screenshot": "../image/2.png"}]
        self.json({"time": time.time(), "steps": steps, "status": "passed"}
                  if STATE["hits"]["run"] % 2 else {"status": "passed", "steps": steps, "time": time.time()})

    def on_changed(self, url, body):
        self.json({"rows": 10 - STATE["hits"]["changed"]})

    def on_assets(self, url, body):
        self.json({"urls": urllib.parse.parse_qs(url.query).get("u", [])})

    def on_image(self, url, body):
        self.answer(200, PNG, "image/png")

    def on_empty_image(self, url, body):
        self.answer(200, b"", "image/png")

    def on_mode(self, url, body):
        MODE.update({name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()})
        self.answer(200, "so be it")

    def on_shots(self, url, body):
        shots = ["/shot/%d.png" % i for i in range(2 if MODE["shots"] == "fewer" else 3)]
        self.json({"shots": [] if MODE["shots"] == "none" else shots})

    def on_shot(self, url, body):
        shade = 7 if MODE["shots"] == "same" else int(url.path.split("/")[2].split(".")[0])
        if MODE["shots"] == "twice" and shade == 2:
            shade = 1
        whole = png(shade)
        if MODE["shots"] == "short" and shade == 1:
            # says more than it sends
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[:-9])
            self.close_connection = True
            return
        self.answer(200, whole[:-9] if MODE["shots"] == "cut" and shade == 1 else whole, "image/png")

    def on_page(self, url, body):
        asset = "/asset/app-%s.%s" % ("new" if MODE["page"] == "renamed" else "old", "%s")
        page = '<!doctype html><base href="/"><link href="%s" rel=stylesheet><script defer src=%s></script>' \
            '<img src="shot/1.png"><img src="https://elsewhere.invalid/no.png"><div id=root></div>' % (asset % "css", asset % "js")
        self.answer(200, "<div id=root></div>" if MODE["page"] == "blank" else page, "text/html; charset=utf-8")

    def on_asset(self, url, body):
        if MODE["page"] == "lost":
            self.answer(200, "<!doctype html>the front page, whatever was asked for", "text/html")
        elif url.path.endswith(".js"):
            self.answer(404 if MODE["page"] == "gone" else 200, "console.log(1)", "text/javascript")
        else:
            self.answer(200, "a { color: red }", "text/css")

    def on_version(self, url, body):
        self.json({"version": MODE["version"], "time": time.time(), "n": STATE["hits"]["version"]})

    def on_paused(self, url, body):
        time.sleep(float(MODE["pause"]))
        self.answer(200, "at last")

    def on_field(self, url, body):
        if self.command == "GET":
            self.answer(200, "<form><input value='a&amp;b&#39;c&#x2f;\"+=' type=hidden name=\"_token\"></form>", "text/html")
            return
        fields = urllib.parse.parse_qs(body.decode())
        self.answer(200 if fields == {"_token": ["a&b'c/\"+="]} else 403, repr(fields))

    def on_hook(self, url, body):
        """Takes what is told, and shows all of it at /hooks; /hook/500 does not want it."""
        wanted = url.path.split("/")[2:3]
        if wanted and wanted[0].isdigit():
            self.answer(int(wanted[0]), "the secret of " + self.path)
            return
        STATE.setdefault("hooks", []).append(
            {"method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()})
        self.answer(200, "ok")

    def on_hooks(self, url, body):
        self.json(STATE.pop("hooks", []))

    def on_html(self, url, body):
        self.answer(200, "<html>not found, but nicely</html>", "text/html")

    def on_form(self, url, body):
        csrf = "secret&csrf=\"value\""
        if self.command == "GET":
            self.answer(200, '<input name="csrf" value=\'%s\'>' % csrf, "text/html",
                        [("Set-Cookie", "session=s3ss10n; Path=/; HttpOnly")])
            return
        fields = urllib.parse.parse_qs(body.decode(), keep_blank_values=True)
        good = fields.get("csrf") == [csrf] and "session=s3ss10n" in (self.headers.get("Cookie") or "")
        self.answer(200 if good else 403, "welcome" if good else "go away: " + repr(fields))

    def on_rows(self, url, body):
        names = [name for name in MODE["rows"].split(",") if name != "-"]
        self.answer(200, "<table>%s</table>" % "".join("<tr><td>%s</td>" % html.escape(name) for name in names), "text/html")

    def on_double(self, url, body):
        """Wants what its cookie and its header said, in headers: as Laravel's and Angular's clients do it."""
        if self.command == "GET":
            self.answer(204, "", headers=[("Set-Cookie", "XSRF-TOKEN=eyJ%3Dabc%2B; Path=/"), ("X-Token", " n3xt, please "), ("Location", "/double/7")])
            return
        good = self.headers["X-XSRF-TOKEN"] == "eyJ=abc+" and self.headers["X-Token"] == "n3xt, please" and self.path == "/double/7"
        self.answer(200 if good else 419, "welcome" if good else repr(self.headers.items()))

    def on_guarded(self, url, body):
        """A page for whoever brings the Secure cookie that it sets first; "follow" redirects with it."""
        cookie = ("Set-Cookie", "sid=s3ss10n; Path=/guarded; Secure; HttpOnly; SameSite=Lax")
        if "sid=s3ss10n" in (self.headers.get("Cookie") or ""):
            self.answer(200, "welcome", headers=[("Set-Cookie", "sid=; Path=/guarded; Secure; Max-Age=0")] if "leave" in self.path else ())
        else:
            self.answer(302 if "follow" in self.path else 401, "", headers=[cookie, ("Location", "/guarded")])

    def on_redirect(self, url, body):
        self.answer(302, "", headers=[("Location", "/ok")])

    def on_loop(self, url, body):
        self.answer(302, "", headers=[("Location", "/loop")])

    def on_limited(self, url, body):
        self.answer(429, "slow down", headers=[("Retry-After", "77")])

    def on_maintenance(self, url, body):
        self.answer(503, "soon", headers=[("Retry-After", "5")])

    def on_newline(self, url, body):
        self.json({"token": "a\r\nX-Evil: 1", "empty": "", "number": 12345, "list": [1]})

    def on_big(self, url, body):
        self.answer(200, b"x" * (9 * 1024 * 1024))

    def on_aaaa(self, url, body):
        self.answer(200, b"a" * 5000 + b"!")

    def on_slow(self, url, body):
        time.sleep(30)
        self.answer(200, "at last")

    def on_nothing(self, url, body):
        self.close_connection = True

    def on_reset(self, url, body):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def on_garbage(self, url, body):
        self.wfile.write(b"SSH-2.0-this is no http\r\n\r\n")
        self.close_connection = True

    def on_deep(self, url, body):
        self.answer(200, "[" * 100000, "application/json")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) > 1:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1])
    context.sni_callback = lambda connection, name, _: STATE.update(sni=name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
