"""What is wrong in the answers of a server that runs."""

import itertools
import time


def list_empty(server):
    """A new permission that nobody has."""
    server.projects = lambda pool: []


def list_short(server):
    """Pages of ten, and clients that know nothing of pages."""
    original = server.projects
    server.projects = lambda pool: original(pool)[:10]


def list_of_others(server):
    original = server.projects
    server.projects = lambda pool: [{**project, "id": project["id"] + 100, "name": f"Tenant 2: {project['name']}"} for project in original(pool)]


def list_nulls(server):
    original = server.projects
    server.projects = lambda pool: [{**project, "name": None, "runs": None} for project in original(pool)]


def list_error_in_200(server):
    server.projects = lambda pool: {"ok": False, "error": {"code": "E_INTERNAL", "message": "relation does not exist"}}


def list_html(server):
    """The page for unknown addresses, with 200, in place of the API."""
    answer_with(server, "/api/projects", b"<!doctype html><html><body><div id=\"root\"></div></body></html>", "text/html")


def answer_with(server, path, body, kind):
    original = server.Handler.serve

    def serve(self, method):
        if self.path.startswith(path):
            return self.answer(200, body, kind)
        return original(self, method)

    server.Handler.serve = serve


def login_no_token(server):
    original = server.login
    server.login = lambda pool, asked: {"user": original(pool, asked)["user"]}


def login_useless_token(server):
    """The token is signed with one key and checked with another."""
    original = server.login
    server.login = lambda pool, asked: {**original(pool, asked), "token": server.secrets.token_urlsafe(32)}


def login_redirects(server):
    """To itself, for ever: it thinks that it is asked without TLS."""
    redirect(server, "/api/auth/login", "/api/auth/login?secure=1")


def drop_body(self):
    """What was sent with a request is read, or the next request on the connection would begin with it."""
    self.rfile.read(int(self.headers.get("Content-Length", "0")))


def redirect(server, path, target):
    original = server.Handler.serve

    def serve(self, method):
        if not self.path.startswith(path):
            return original(self, method)
        drop_body(self)
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    server.Handler.serve = serve


def login_anybody(server):
    """The comparison of the password is gone."""
    server.hmac = type("hmac", (), {"compare_digest": staticmethod(lambda *_: True)})


def login_nobody(server):
    """Another number of rounds: no password of before fits."""
    original = server.password_hash
    server.password_hash = lambda password, salt: original(password + ".", salt)


def no_login_needed(server):
    server.Handler.authorize = lambda self: None


def detail_500(server):
    def test_run(pool, number):
        raise RuntimeError("KeyError: 'selector'")

    server.test_run = test_run


def steps_lost(server):
    original = server.test_run
    server.test_run = lambda pool, number: {**(run := original(pool, number)), "steps": run["steps"][:-1]}


def pictures_404(server):
    def screenshot(*_):
        raise server.Refused(404, "no such screenshot")

    server.screenshot = screenshot


def pictures_empty(server):
    server.screenshot = lambda *_: b""


def pictures_cut(server):
    """Half of each file: the rest was not written."""
    original = server.screenshot
    server.screenshot = lambda *arguments: (image := original(*arguments))[:len(image) // 2]


def pictures_same(server):
    original = server.screenshot
    server.screenshot = lambda pool, number, position: original(pool, 1, 1)


def pictures_html(server):
    """A page that says that one has to log in, with 200."""
    answer_with(server, "/screenshots/", b"<!doctype html><title>Log in</title>", "text/html")


def each_third(server):
    """One of three instances behind one address was not migrated."""
    counter = itertools.count(1)
    fail_when(server, lambda: next(counter) % 3 == 0)


def each_fifth(server):
    counter = itertools.count(1)
    fail_when(server, lambda: next(counter) % 5 == 0)


def fail_when(server, condition):
    """Requests but those for health fail while the condition says so."""
    original = server.Handler.serve

    def serve(self, method):
        if "/api/health" not in self.path and condition():
            drop_body(self)
            raise RuntimeError("relation \"test_runs_v2\" does not exist")
        return original(self, method)

    server.Handler.serve = serve


def late(seconds):
    def install(server):
        listening = []
        original = server.log

        def log(text, level="info"):
            if text.startswith("listening"):
                listening.append(time.monotonic())
            original(text, level)

        server.log = log
        fail_when(server, lambda: bool(listening) and time.monotonic() - listening[0] > seconds)

    return install


late_12 = late(12)
late_40 = late(40)


def late_login(server):
    """Sessions are kept in memory and thrown away after ten seconds."""
    original = server.Handler.authorize
    begun = time.monotonic()

    def authorize(self):
        if time.monotonic() - begun > 12:
            raise server.Refused(401, "the session is over")
        return original(self)

    server.Handler.authorize = authorize
