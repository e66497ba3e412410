"""MediaWiki as Debian packages it, 1.39 to 1.43, on PostgreSQL: a wiki with pages, users and pictures, and a visitor who reads and logs in."""

import json
import urllib.parse
from http.client import HTTPConnection, HTTPException

from application import picture
from installed import Installed, run
from mediawiki.releases import RELEASES
from visitor import Visitor

PAGES = 60
PASSWORD = "Prüfung & \"more\" %7"


class Reader(Visitor):
    """Reads, looks at pictures, logs in: one of these at each visit."""

    def visit(self, way):
        tasks = (self.reads, self.sees_pictures, self.logs_in, self.lists, self.sees_styles, self.is_kept_out)
        return tasks[self.round % len(tasks)](way)

    def reads(self, way):
        status, page, _ = self.request(way, "/index.php?title=Plant_5&action=view")
        if status in self.starting:
            return None
        front = self.request(way, "/index.php/Main_Page")[1]
        return (status == 200 and "Plant 5 was moved to bed 5, it needs sun." in page and page.rstrip().endswith("</html>")
                and "Garden Club" in front)

    def sees_pictures(self, way):
        status, page, _ = self.request(way, "/api.php?action=query&titles=File:Tulip.png&prop=imageinfo&iiprop=url&format=json&formatversion=2")
        if status in self.starting:
            return None
        try:
            address = json.loads(page)["query"]["pages"][0]["imageinfo"][0]["url"]
        except (ValueError, LookupError):
            return False
        status, body, kind = self.request(way, urllib.parse.urlsplit(address).path)
        return status == 200 and kind.startswith("image/") and len(body) > 100

    def sees_styles(self, way):
        status, body, kind = self.request(way, "/load.php?lang=en&modules=skins.vector.styles&only=styles&skin=vector-2022")
        return None if status in self.starting else status == 200 and "css" in kind and ".mw-body" in body

    def lists(self, way):
        status, body, _ = self.request(way, "/api.php?action=query&list=allpages&aplimit=500&format=json&meta=siteinfo")
        if status in self.starting:
            return None
        try:
            query = json.loads(body)["query"]
        except (ValueError, LookupError):
            return False
        return len(query["allpages"]) == PAGES + 2 and "readonly" not in query["general"]

    def logs_in(self, way):
        status, answer = self.log_in(way, "Probe", PASSWORD)
        return None if status in self.starting else status == 429 or answer == "PASS"

    def is_kept_out(self, way):
        status, answer = self.log_in(way, "Admin", "not the password")
        return None if status in self.starting else answer != "PASS"

    def log_in(self, way, name, password):
        """Status, and what came of it."""
        status, body, cookies = self.request(way, "/api.php?action=query&meta=tokens&type=login&format=json", want_cookies=True)
        try:
            token = json.loads(body)["query"]["tokens"]["logintoken"]
        except (ValueError, LookupError):
            return status, None
        form = {"action": "clientlogin", "username": name, "password": password, "logintoken": token, "format": "json",
                "loginreturnurl": self.application.url + "/"}
        status, body, cookies = self.request(way, "/api.php", form, cookies, want_cookies=True)
        try:
            answer = json.loads(body)["clientlogin"]["status"]
        except (ValueError, LookupError):
            return status, None
        if answer == "PASS" and not self.is_somebody(way, cookies):
            return status, None
        return status, answer

    def is_somebody(self, way, cookies):
        _, body, _ = self.request(way, "/api.php?action=query&meta=userinfo&uiprop=rights&format=json", cookies=cookies)
        return '"anon"' not in body and '"edit"' in body

    def request(self, way, path, form=None, cookies=None, want_cookies=False):
        """Status, text, content type (or the cookies to send from now on); 0 where there was no answer in time."""
        connection = HTTPConnection(*way, timeout=5)
        headers = {"Host": f"127.0.0.1:{self.application.port}", "Cookie": "; ".join(f"{key}={value}" for key, value in (cookies or {}).items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request("POST" if form is not None else "GET", path, urllib.parse.urlencode(form) if form is not None else None, headers)
            answer = connection.getresponse()
            body = answer.read().decode(errors="replace")
            if not want_cookies:
                return answer.status, body, answer.headers.get("Content-Type", "")
            given = dict(cookies or {})
            for line in answer.headers.get_all("Set-Cookie") or []:
                key, _, value = line.split(";")[0].partition("=")
                given[key] = value
            return answer.status, body, given
        except (OSError, HTTPException):
            return 0, "", {} if want_cookies else ""
        finally:
            connection.close()


class MediaWiki(Installed):
    name = "mediawiki"
    image = "mediawiki/wiki"
    tag = "stable"
    service = "wiki"
    database = "wiki"
    old = "1.39"
    new = "1.43"
    arguments = {"1.39": ("PHP=8.2",), "1.43": ("PHP=8.4",)}
    volatile = ("mediawiki.objectcache", "mediawiki.job", "mediawiki.module_deps", "mediawiki.user.user_touched", "mediawiki.user.user_token",
                "mediawiki.recentchanges", "mediawiki.querycache_info", "mediawiki.site_stats")
    volatile_files = ("images/thumb", "images/temp", "images/lockdir")
    releases = RELEASES
    visitor_kind = Reader

    def credentials(self):
        return {"probe-user": "Probe", "probe-password": PASSWORD, "guest-password": "not the guest's password"}

    def environment(self):
        return {"WIKI_PORT": self.port}

    def secrets(self):
        return ("WIKI_DB_PASSWORD", "WIKI_SECRET_KEY")

    def data_directories(self):
        return ("images",)

    def seed(self):
        """Installed by MediaWiki's own installer; pages by its own import of edits, one after another; a file by its own upload."""
        password = self.password()
        admin = "the administrator's password"
        inside = ["docker", "run", "--rm", "-i", "--network", f"{self.name}_default", "-v", f"{self.directory}/images:/var/lib/mediawiki/images",
                  "-e", f"WIKI_DB_PASSWORD={password}", "-e", f"WIKI_SECRET_KEY={'0' * 64}", "-e", f"WIKI_SERVER={self.url}"]
        image = f"127.0.0.1:5000/{self.image}:{self.old}"
        maintenance = "/usr/share/mediawiki/maintenance"
        run(*inside, "--entrypoint", "php", image, f"{maintenance}/install.php", "--dbtype", "postgres", "--dbserver", "postgres",
            "--dbname", "wiki", "--dbuser", "wiki", "--dbpass", password, "--dbschema", "mediawiki", "--server", self.url, "--scriptpath", "",
            "--confpath", "/tmp", "--pass", admin, "Garden Club", "Admin", timeout=300)
        configured = [*inside, "-v", f"{self.directory}/LocalSettings.php:/etc/mediawiki/LocalSettings.php:ro", "--entrypoint", "bash", image]
        pictures = self.directory / "images"
        (pictures / "new").mkdir(mode=0o755)
        (pictures / "new" / "Tulip.png").write_bytes(picture(7, 400, 300))
        (pictures / "new" / "Rose.png").write_bytes(picture(8, 96, 96))
        script = ["set -euo pipefail", "mkdir -p /tmp/wiki", f"cd {maintenance}",
                  f"php createAndPromote.php --quiet Probe {quoted(self.credentials()['probe-password'])}",
                  "php createAndPromote.php --quiet Guest \"$(head -c 18 /dev/urandom | base64)\"",
                  "php importImages.php --user=Admin --comment='for the gallery' /var/lib/mediawiki/images/new",
                  "rm -rf /var/lib/mediawiki/images/new",
                  "chown -R www-data:www-data /var/lib/mediawiki/images"]
        for title, text, author in self.edits():
            script.append(f"php edit.php --user {author} --summary 'from the notebook' {quoted(title)} <<<{quoted(text)} >/dev/null")
        script += ["php rebuildall.php >/dev/null", "php initSiteStats.php --update >/dev/null", "php runJobs.php >/dev/null"]
        run(*configured, "-s", stdin=None, input="\n".join(script), timeout=900)

    @staticmethod
    def edits():
        yield "Main Page", "Welcome to the '''Garden Club'''.\n\n[[File:Tulip.png|thumb|A tulip]]\n* [[Plant 1]]\n* [[Garden rules]]\n", "Admin"
        yield "Garden rules", "# Water in the evening.\n# Gates stay shut. <ref>Meeting of March</ref>\n<references/>\n[[Category:Club]]", "Admin"
        for number in range(1, PAGES + 1):
            yield f"Plant {number}", f"Plant {number} needs {number % 7 + 1} litres — Grüße.\n[[Plant {number % PAGES + 1}]] [[Category:Plants]]", "Probe"
        for number in range(1, 11):
            yield f"Plant {number}", f"Plant {number} was moved to bed {number}, it needs sun.\n\n[[Category:Plants]] [[File:Rose.png]]", "Admin"


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"

