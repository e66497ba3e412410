"""MediaWiki as Debian packages it, 1.39 to 1.43, on PostgreSQL, and releases of 1.43 with something wrong with them."""

import json
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from installed import Installed, picture, run

PAGES = 60


class MediaWiki(Installed):
    name = "mediawiki"
    image = "mediawiki/wiki"
    tag = "stable"
    service = "wiki"
    database = "wiki"
    old = "1.39"
    new = "1.43"
    arguments = {"1.39": ("PHP=8.2",), "1.43": ("PHP=8.4",)}
    volatile = ("mediawiki.objectcache", "mediawiki.job", "mediawiki.module_deps", "mediawiki.mwuser.user_touched", "mediawiki.mwuser.user_token",
                "mediawiki.recentchanges", "mediawiki.querycache_info", "mediawiki.site_stats")
    releases = ()

    def credentials(self):
        return {"probe-user": "Probe", "probe-password": "Prüfung & \"more\" %7", "guest-password": "not the guest's password"}

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


APPLICATION = MediaWiki
