"""The sample application as one of the corpus: limits for memory and descriptors as a careful person sets them, a service beside the others,
floating tags of its own, and a visitor who notices what is wrong."""

import hashlib
import json
import os
import subprocess
import urllib.parse
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import application as sample
import engine
import fingerprint
from corpus import Application
from qaid.releases import RELEASES
from visitor import Visitor

HERE = Path(__file__).resolve().parent
OLD = {"server": "1.2.3", "frontend": "1.2.3", "caddy": "2"}
GOOD = {"server": "1.3.0", "frontend": "1.3.0", "caddy": "2"}
TOO_SLOW = 1.5

MORE_SEED = """
UPDATE projects SET name = 'Größe & Maß ' || id WHERE id % 5 = 0;
UPDATE test_steps SET description = 'Schritt „' || position || '“ prüfen – 確認' WHERE position % 3 = 0;
"""


class Instance(sample.Application):
    """Its directory, containers and users."""

    def make_directory(self):
        super().make_directory()
        self.compose_file.write_text((HERE / "compose.yaml").read_text().replace("@TAG@", floating(self.port)))

    def make_config(self):
        super().make_config()
        text = (HERE / "qaid.conf").read_text()
        self.config.write_text(text.replace("@DIRECTORY@", str(self.directory)).replace("@PORT@", str(self.port)))

    def seed_statements(self):
        return super().seed_statements().replace("COMMIT;", MORE_SEED + "COMMIT;")

    def start(self):
        super().start()
        sample.run("docker", "start", self.container("mailer"))


def floating(port):
    return f"of-{port}"


class Qaid(Application):
    name = "qaid"
    releases = RELEASES

    @classmethod
    def build(cls):
        """The images of the tests' own application are there (tests/machine/start made them); these are made from them."""
        stamp = sample.CACHE / "releases" / "qaid.made"
        made = cls.made_from()
        if stamp.is_file() and stamp.read_text() == made:
            return
        print("building the releases of qaid", flush=True)
        docker_build("server:corpus", (HERE / "Dockerfile").read_text(), HERE / "server")
        for release in RELEASES:
            if release.frontend:
                docker_build(f"frontend:{release.name}", f"FROM {sample.IMAGES}/frontend:1.3.0\n{release.frontend}")
            if release.caddy:
                docker_build(f"caddy:{release.name}", f"FROM {sample.IMAGES}/caddy:2\n{release.caddy}")
            if release.server:
                engine.derive("qaid/server", "corpus", release.name, release.change_server)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(made)

    @staticmethod
    def made_from():
        files = [path for path in sorted(HERE.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
        text = b"".join(path.read_bytes() for path in files) + (sample.CACHE / "images.made").read_bytes()
        return hashlib.sha256(text).hexdigest()

    def up(self, root, port):
        self.instance = Instance(root, port=port, rows=2000, name=self.name)
        self.config_directory, self.state_directory = self.instance.config_directory, self.instance.state_directory
        self.port = port
        self.offer(None)
        self.instance.up()
        self.visitor = QaidVisitor(self.instance)

    def offer(self, release):
        offered = {image: release.name if release and getattr(release, image) else (GOOD if release else OLD)[image] for image in OLD}
        if release:
            offered.update(release.others)
        for image, tag in offered.items():
            engine.tag(f"qaid/{image}", tag, floating(self.port))
        if release:
            self.visitor = QaidVisitor(self.instance)

    def down(self):
        self.instance.down()

    def evidence(self):
        self.instance.wait_until_serving(30)
        taken = fingerprint.take(self.instance)
        for relation in fingerprint.VOLATILE:
            taken["relations"].get(relation, {}).pop("content", None)
        return json.loads(json.dumps({"data": taken["data"], "database": taken["database"], "roles": taken["roles"],
                                      "relations": taken["relations"], "images": {
            name: [container["image"], container["runs"], container["policy"]] for name, container in taken["containers"].items()}}))

    def visible(self, release):
        return self.visitor.sees_a_fault()


def docker_build(name, dockerfile, directory=None):
    reference = f"{sample.IMAGES}/{name}"
    arguments = ["-f", "-", str(directory)] if directory else ["-"]
    done = subprocess.run(["docker", "build", "-q", "-t", reference, *arguments], input=dockerfile, text=True, capture_output=True,
                          env={**os.environ, "DOCKER_BUILDKIT": "0"})
    if done.returncode != 0:
        raise RuntimeError(f"{reference}: {done.stderr[-2000:]}")
    sample.run("docker", "push", "-q", reference)


class QaidVisitor(Visitor):
    pause = 0.0

    def visit(self, way):
        """True: all is well. False: a fault is seen. None: it may still be starting."""
        status, page, _ = self.request(way, "GET", "/")
        if status in self.starting:
            return None
        login = self.request(way, "POST", "/api/auth/login", {"email": sample.EMAIL, "password": sample.PASSWORD})
        if login[0] in self.starting:
            return None
        return self.page_is_well(way, status, page) and self.users_are_well(way, login) and (self.round % 5 or self.keeps_out(way))

    def page_is_well(self, way, status, page):
        text = page.decode(errors="replace")
        linked = [part.split('"')[0] for part in text.replace('href="', 'src="').split('src="')[1:]]
        if status != 200 or "<main" not in text or not linked:
            return False
        for address in linked:
            status, body, kind = self.request(way, "GET", urllib.parse.urljoin("/", address))
            if status != 200 or len(body) < 20 or "html" in kind or body.lstrip().startswith(b"<"):
                return False
        return True

    def users_are_well(self, way, login):
        answer = decoded(login[1])
        if login[0] != 200 or not isinstance(answer, dict) or not answer.get("token"):
            return False
        headers = {"Authorization": f"Bearer {answer['token']}"}
        status, body, _ = self.request(way, "GET", "/api/projects", headers=headers)
        projects = decoded(body)
        if status != 200 or not isinstance(projects, list) or len(projects) < 25:
            return False
        if any(not project.get("name") for project in projects) or projects[4]["name"] != "Größe & Maß 5":
            return False
        status, body, _ = self.request(way, "GET", "/api/test-runs/3", headers=headers)
        shown = decoded(body)
        if status != 200 or not isinstance(shown, dict) or len(shown.get("steps", [])) != sample.STEPS_PER_RUN:
            return False
        if shown["status"] != "failed" or shown["steps"][2]["description"] != "Schritt „3“ prüfen – 確認":
            return False
        answers = [self.request(way, "GET", step["screenshot"]) for step in shown["steps"] if step["screenshot"]]
        pictures, bodies = [(status, kind) for status, _, kind in answers], [body for _, body, _ in answers[:2]]
        return (len(pictures) == sample.SCREENSHOTS_PER_RUN and all(status == 200 and "image" in kind for status, kind in pictures)
                and all(body.startswith(b"\x89PNG") and b"IEND" in body[-8:] for body in bodies) and bodies[0] != bodies[1])

    def keeps_out(self, way):
        wrong = self.request(way, "POST", "/api/auth/login", {"email": sample.EMAIL, "password": "not the password"})
        return wrong[0] in (401, 403, 429) and self.request(way, "GET", "/api/projects")[0] in (401, 403)

    def request(self, way, method, path, body=None, headers=None):
        """Status, body, content type; 0 where there was no answer in time."""
        connection = HTTPConnection(*way, timeout=TOO_SLOW if self.was_fine else 5)
        try:
            connection.request(method, path, body=json.dumps(body) if body is not None else None,
                               headers={"Host": f"127.0.0.1:{self.application.port}", "Content-Type": "application/json", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers.get("Content-Type", "")
        except (OSError, HTTPException):
            return 0, b"", ""
        finally:
            connection.close()


def decoded(body):
    try:
        return json.loads(body)
    except ValueError:
        return None
