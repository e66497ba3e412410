"""Tryton as Debian packages it, 6.0 to 7.0, on PostgreSQL: parties with addresses and an attachment, users, and a clerk who visits."""

import base64
import json
import time
from http.client import HTTPConnection, HTTPException

from installed import Installed, run
from tryton.releases import RELEASES
from visitor import Visitor

PARTIES = 40
ADMIN = "the administrator's password"
PASSWORD = "Prüfung & \"more\" %7"
ATTACHED = b"a contract, signed by both sides\n" * 20


class Refused(Exception):
    """An answer that is no result: status, text."""


class Client:
    """Speaks JSON-RPC as Tryton's own clients do."""

    def __init__(self, way, host, timeout=5):
        self.way = way
        self.host = host
        self.timeout = timeout
        self.authorization = None

    def request(self, method, path, body=None, headers=None):
        connection = HTTPConnection(*self.way, timeout=self.timeout)
        try:
            connection.request(method, path, body, {"Host": self.host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def call(self, name, *parameters, path="/tryton/"):
        headers = {"Content-Type": "application/json"}
        if self.authorization:
            headers["Authorization"] = f"Session {self.authorization}"
        status, text = self.request("POST", path, json.dumps({"id": 1, "method": name, "params": parameters}), headers)
        if status != 200:
            raise Refused(status, text)
        try:
            answer = json.loads(text)
        except ValueError:
            raise Refused(status, text) from None
        if not isinstance(answer, dict) or "result" not in answer:
            raise Refused(status, text)
        return answer["result"]

    def login(self, user, password):
        user_id, session, *_ = self.call("common.db.login", user, {"password": password}, "en")
        self.authorization = base64.b64encode(f"{user}:{user_id}:{session}".encode()).decode()


class Clerk(Visitor):
    """Opens the web client, logs in, looks at parties and at the attachment; sometimes a stranger tries a password."""

    def visit(self, way):
        client = Client(way, f"127.0.0.1:{self.application.port}")
        try:
            status, page = client.request("GET", "/")
            if status in self.starting:
                return None
            code = client.request("GET", "/dist/tryton-sao.min.js")
            if status != 200 or "<title>Tryton</title>" not in page or code[0] != 200 or "Sao" not in code[1]:
                return False
            client.login("probe", PASSWORD)
            parties = client.call("model.party.party.search_read", [], 0, 200, [["id", "ASC"]], ["name"], {})
            attached = client.call("model.ir.attachment.search_read", [], 0, 10, None, ["data"], {})
            groups = client.call("model.res.user.get_preferences", True, {}).get("groups")
        except Refused as refused:
            return None if refused.args[0] in self.starting else refused.args[0] == 429
        return (len(parties) == PARTIES and parties[4]["name"] == "Bäckerei 5" and len(attached) == 1 and bool(groups)
                and base64.b64decode(attached[0]["data"]["base64"]) == ATTACHED and (self.round % 5 > 0 or self.keeps_out(way)))

    def keeps_out(self, way):
        try:
            Client(way, f"127.0.0.1:{self.application.port}").login("admin", "not the password")
        except Refused:
            return True
        return False


class Tryton(Installed):
    name = "tryton"
    image = "tryton/server"
    tag = "lts"
    service = "tryton"
    database = "tryton"
    old = "6.0"
    new = "7.0"
    arguments = {"6.0": (), "7.0": ()}
    volatile = ("public.ir_session", "public.ir_session_wizard", "public.res_user_login_attempt", "public.ir_cache", "public.ir_queue",
                "public.ir_cron", "public.ir_trigger_log", "public.ir_lang.write_date")
    releases = RELEASES
    visitor_kind = Clerk

    def credentials(self):
        return {"probe-user": "probe", "probe-password": PASSWORD, "guest-password": "not the guest's password"}

    def environment(self):
        return {"TRYTON_PORT": self.port}

    def secrets(self):
        return ("TRYTON_DB_PASSWORD",)

    def data_directories(self):
        return ("files",)

    def offer(self, release):
        """Releases follow each other faster here than on a host: Tryton, which counts wrong passwords for five minutes, is to forget them."""
        if release:
            with self.connect() as connection, connection.cursor() as cursor:
                cursor.execute("DELETE FROM res_user_login_attempt")
            connection.close()
        super().offer(release)

    def seed(self):
        """Database and modules by Tryton's own tool, parties by its clients' protocol."""
        script = ("printf %s \"$ADMIN\" >/tmp/password; export TRYTONPASSFILE=/tmp/password; "
                  "trytond-admin -c /etc/tryton/trytond.conf -d tryton -u res party company --activate-dependencies --email admin@tryton.example")
        self.compose("run", "--rm", "-T", "--no-deps", "--entrypoint", "bash", "-e", f"ADMIN={ADMIN}", self.service, "-c", script, timeout=300)
        self.compose("up", "-d", "--wait", timeout=300)
        client = Client(("127.0.0.1", self.port), f"127.0.0.1:{self.port}", timeout=60)
        self.log_in_patiently(client)
        self.make_users(client)
        self.make_parties(client)

    @staticmethod
    def log_in_patiently(client, seconds=60):
        end = time.monotonic() + seconds
        while True:
            try:
                return client.login("admin", ADMIN)
            except Refused:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)

    @staticmethod
    def make_users(client):
        groups = client.call("model.res.group.search", [], 0, None, None, {})
        client.call("model.res.user.create", [
            {"name": "Probe", "login": "probe", "password": PASSWORD, "groups": [["add", groups]]},
            {"name": "Guest", "login": "guest", "password": "Xq7-wLp9_rTz3"}], {})

    @staticmethod
    def make_parties(client):
        names = [f"{('Bäckerei', 'Müllerei', 'Garden shop')[number % 3 - 2]} {number}" for number in range(1, PARTIES + 1)]
        made = client.call("model.party.party.create", [
            {"name": name, "addresses": [["create", [{"city": f"Köln {number}", "postal_code": f"5{number:04}"}]]],
             "contact_mechanisms": [["create", [{"type": "email", "value": f"shop{number}@example.org"}]]]}
            for number, name in enumerate(names, 1)], {})
        client.call("model.ir.attachment.create", [
            {"name": "contract.txt", "type": "data", "resource": f"party.party,{made[0]}",
             "data": {"__class__": "bytes", "base64": base64.b64encode(ATTACHED).decode()}}], {})
