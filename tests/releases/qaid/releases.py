"""The releases of the sample application: what is wrong with each, and where such a thing happened."""

import json
from dataclasses import dataclass, field

from corpus import Release
from qaid import host


@dataclass(frozen=True)
class QaidRelease(Release):
    fault: str = ""           # names of server/*.py's functions, with blanks between
    version: str = "1.3.0"    # of the server below it
    environment: dict = field(default_factory=dict)
    entrypoint: tuple = ()
    frontend: str = ""        # lines of a Dockerfile from the good one
    caddy: str = ""
    others: dict = field(default_factory=dict)  # image: tag, where it is neither this release's nor the good one's

    @property
    def server(self):
        return not (self.frontend or self.caddy) or bool(self.fault)

    def change_server(self, config):
        environment = {"QAID_RELEASE": self.version, "QAID_FAULT": self.fault.replace(" ", ","), **self.environment}
        config["Env"] = [line for line in config.get("Env") or [] if line.split("=")[0] not in environment]
        config["Env"] += [f"{name}={value}" for name, value in sorted(environment.items())]
        config["Labels"] = {**(config.get("Labels") or {}), "org.opencontainers.image.version": self.version}
        if self.entrypoint:
            config["Entrypoint"] = list(self.entrypoint)



# "Understanding and Detecting Software Upgrade Failures in Distributed Systems" (SOSP 2021): its classes of what is incompatible and of what
# a user sees. A name with a number is a report of a failed upgrade.
SOSP = "SOSP 2021: "
OWN = "no report: thought of"
WINDOW = "[Watch]\nDuration={}s\n"


def bad(name, family, what, source, **more):
    return QaidRelease(name=name, bad=True, family=family, what=what, source=source, **more)


def good(name, family, what, source, **more):
    return QaidRelease(name=name, bad=False, family=family, what=what, source=source, **more)


def shell(*commands):
    """Lines of a Dockerfile for images that have nothing but busybox."""
    return "".join(f'RUN {json.dumps(["busybox", "sh", "-euc", command])}\n' for command in commands)


def page(*edits):
    return shell("busybox sed -i '" + "; ".join(edits) + "' /www/index.html")


def caddyfile(*edits):
    return shell("busybox sed -i '" + "; ".join(edits) + "' /etc/caddy/Caddyfile")


START = (
    bad("crash-loop", "start", "a setting that is new in it is missing: exits with 1, again and again", "teelur/budget-board#965",
        fault="missing_setting", sample=True),
    bad("exits-at-once", "start", "ends at once with 0", "LinkStackOrg/linkstack-docker#71", fault="exits-at-once"),
    bad("never-listens", "start", "hangs before it listens", "thingsboard/thingsboard#2263", fault="never-listens"),
    bad("other-port", "start", "listens on another port", "searxng/searxng-docker#444", fault="other_port"),
    bad("loopback-only", "start", "listens on 127.0.0.1: healthy, but nobody gets in", "NginxProxyManager/nginx-proxy-manager#3423",
        fault="loopback_only"),
    bad("wrong-entrypoint", "start", "its entry point is not in the image", "mbentley/docker-omada-controller#116",
        entrypoint=("/app/start-server",)),
    bad("deadlocked", "start", "listens and accepts, and never answers", "docker/for-win#765", fault="deadlocked"),
    bad("dies-now-and-then", "start", "dies eight seconds after each start", "open-webui/open-webui#27645", fault="dies_now_and_then",
        settings=WINDOW.format(20)),
)

MIGRATION = (
    bad("migration-error", "migration", "the migration stops half done, the first half is committed", "metabase/metabase#8909",
        fault="migration-error", sample=True),
    bad("crash-after-migration", "migration", "the migration is done, then it crashes", "sourcegraph/sourcegraph-public-snapshot#55414",
        fault="crash-after-migration"),
    bad("lock-wait", "migration", "the migration waits for a lock for ever", "taskcluster/taskcluster#3632", fault="lock_wait"),
    bad("endless-migration", "migration", "the migration never ends", "apache/superset#6606", fault="endless_migration"),
    bad("half-applied", "migration", "written down as done, but a table is missing", "garrytan/gbrain#2898", fault="half_applied"),
    bad("projects-lost", "migration", "succeeds, and five projects are gone", "Kareadita/Kavita#2924", fault="projects_lost"),
    bad("wrong-table", "migration", "succeeds, and empties the wrong table", "sympa-community/sympa#1708", fault="wrong_table_emptied"),
    bad("steps-doubled", "migration", "succeeds, and each step is there twice", "xibosignage/xibo#2545", fault="steps_doubled"),
    bad("encoded-twice", "migration", "succeeds, and text is encoded twice", "SimpleMachines/SMF#3980", fault="encoded_twice"),
    bad("states-overwritten", "migration", "succeeds, and failed test runs have passed", "metabase/metabase#45046",
        fault="states_overwritten"),
)

DATABASE = (
    bad("connection-leak", "database", "does not give connections back", "equinor/flotilla#1234", fault="connection_leak", sample=True),
    bad("pool-runs-dry", "database", "its pool is exhausted some seconds later", "akvo/akvo-lumen#3167", fault="pool_runs_dry",
        settings=WINDOW.format(20)),
    bad("connection-storm", "database", "opens more connections than the database has", "NCEAS/metacat#2016", fault="connection_storm"),
    bad("read-only", "database", "the database has become read-only", "supabase/supabase#32689", fault="read_only"),
    bad("role-password", "database", "changes its own password in the database", "skycoin/skywire-testnet#175", fault="role-password"),
)

LOGIN = (
    bad("login-500", "login", "every login answers 500", "open-webui/open-webui#10912", fault="login-500", sample=True),
    bad("login-no-token", "login", "a login answers 200, without a token", "docmost/docmost#1210", fault="login_no_token"),
    bad("login-useless-token", "login", "the token that a login gives does not work", "nextcloud/docker#1530", fault="login_useless_token"),
    bad("login-redirects", "login", "the login redirects to itself", "requarks/wiki#752", fault="login_redirects"),
    bad("login-anybody", "login", "a wrong password lets in", "greenbone/gvmd#3050", fault="login_anybody"),
    bad("login-nobody", "login", "no password is right any more", "cypht-org/cypht#1989", fault="login_nobody"),
    bad("no-login-needed", "login", "the list is open to everybody", "localwiki/localwiki#244", fault="no_login_needed"),
)

LISTS = (
    bad("list-empty", "list", "the list of projects is empty", "knadh/listmonk#2165", fault="list_empty", sample=True),
    bad("list-short", "list", "the list ends after ten projects", "umami-software/umami#1960", fault="list_short"),
    bad("list-of-others", "list", "the list has another tenant's projects", "elabftw/elabftw#1834", fault="list_of_others"),
    bad("list-nulls", "list", "the projects have no names", SOSP + "data syntax", fault="list_nulls"),
    bad("list-error-in-200", "list", "an error, with status 200", OWN, fault="list_error_in_200"),
    bad("list-html", "list", "a page in place of JSON, with status 200", "BIG-Games-LLC/ps99-public-api-docs#98", fault="list_html"),
)

DETAIL = (
    bad("detail-500", "detail", "a test run's page answers 500", "alexjustesen/speedtest-tracker#2080", fault="detail_500"),
    bad("steps-lost", "detail", "the last step of each test run is not shown", "alainm23/planify#893", fault="steps_lost"),
    bad("pictures-404", "detail", "screenshots are not found", "lwatsondev/uPste#14", fault="pictures_404", sample=True),
    bad("pictures-empty", "detail", "screenshots are empty", "LusciousMedia/luscious#7", fault="pictures_empty"),
    bad("pictures-cut", "detail", "screenshots are cut in half", "LusciousMedia/luscious#7", fault="pictures_cut"),
    bad("pictures-same", "detail", "all screenshots are the same", OWN, fault="pictures_same"),
    bad("pictures-html", "detail", "screenshots are a page, with status 200", "planetoftheweb/vibe-glossary#37", fault="pictures_html"),
    bad("pictures-unlinked", "detail", "every second step has lost its screenshot", "gbif/portal-feedback#322", fault="links_lost"),
)

SLOW = (
    bad("slow", "slow", "each request takes two seconds", "coralproject/talk#4125", fault="slow", sample=True),
    bad("slow-list", "slow", "the list takes a second and a half", "metabase/metabase#18759", fault="slow_list"),
    bad("slow-now-and-then", "slow", "each sixth request times out", "ZFC-Digital/cf-clearance-scraper#22", fault="slow_now_and_then",
        settings=WINDOW.format(20)),
)

RESOURCES = (
    bad("memory-leak", "resources", "takes memory until it is killed for it", "langgenius/dify#11719", fault="memory_leak",
        settings=WINDOW.format(20), sample=True),
    bad("descriptor-leak", "resources", "does not close files", "minio/minio#15022", fault="descriptor_leak", settings=WINDOW.format(20)),
    bad("temporary-files", "resources", "fills its /tmp", "duplicati/duplicati#3652", fault="temporary_files", settings=WINDOW.format(20)),
)

FRONTEND = (
    bad("blank-page", "frontend", "the page is blank, with status 200", "goauthentik/authentik#11282",
        frontend=shell("echo '<!doctype html><html><head></head><body></body></html>' >/www/index.html"), sample=True),
    bad("assets-404", "frontend", "the page names scripts by a hash that they do not have", "opf/openproject-docker-compose#78",
        frontend=page("s/app[.]js/app.d284824e.js/")),
    bad("style-404", "frontend", "the page's style is missing", "postalserver/postal#1678", frontend=shell("busybox rm /www/assets/app.css")),
    bad("base-path", "frontend", "the page looks for its assets below another path", "gitlabhq/gitlabhq#9205",
        frontend=page("s#/assets/#/qaid/assets/#g")),
    bad("script-empty", "frontend", "the page's script is empty", "owncloud/core#20461", frontend=shell(": >/www/assets/app.js")),
    bad("script-html", "frontend", "the page is sent in place of its script", "planetoftheweb/vibe-glossary#37",
        frontend=shell("busybox cp /www/index.html /www/assets/app.js")),
    bad("frontend-port", "frontend", "the frontend listens on another port", "nagimov/agendav-docker#16",
        frontend='CMD ["busybox", "httpd", "-f", "-p", "80", "-h", "/www"]\n'),
    bad("frontend-exits", "frontend", "the frontend does not find its files and ends", "sourcegraph/sourcegraph-public-snapshot#55414",
        frontend='CMD ["busybox", "httpd", "-f", "-p", "3000", "-h", "/srv/www"]\n'),
)

PROXY = (
    bad("route-missing", "proxy", "the route to the screenshots is gone", "postalserver/postal#1678",
        caddy=caddyfile("s# /screenshots/[*]##"), sample=True),
    bad("to-https", "proxy", "all is redirected to https, which is not there", "caddyserver/caddy#1152",
        caddy=caddyfile("s#@server path.*#redir https://{host}{uri} 308#", "/handle/,$d") + shell("echo '}' >>/etc/caddy/Caddyfile")),
    bad("other-upstream", "proxy", "the proxy looks for the server under another name", "jlesage/docker-nginx-proxy-manager#139",
        caddy=caddyfile("s#qaid-server:8080#server:8080#")),
    bad("header-dropped", "proxy", "the proxy does not pass the token on", "caddyserver/caddy#2550",
        caddy=caddyfile("s#reverse_proxy qaid-server:8080#reverse_proxy qaid-server:8080 {\\nheader_up -Authorization\\n}#")),
    bad("proxy-configuration", "proxy", "the proxy does not understand its configuration and ends", SOSP + "configuration",
        caddy=caddyfile("s#reverse_proxy frontend#proxy frontend#")),
)

DELAYED = (
    bad("late-12", "delayed", "fine for twelve seconds, then everything fails", "phusion/passenger#1412", fault="late_12",
        settings=WINDOW.format(20), sample=True),
    bad("late-40", "delayed", "fine for forty seconds, then everything fails", "docker-library/owncloud#85", fault="late_40",
        settings=WINDOW.format(60)),
    bad("late-login", "delayed", "after twelve seconds no token is good any more", "docmost/docmost#1210", fault="late_login",
        settings=WINDOW.format(20)),
)

FLAPPING = (
    bad("each-third", "flapping", "each third request fails", "cloudnative-pg/cloudnative-pg#1254", fault="each_third",
        settings=WINDOW.format(20), sample=True),
    bad("each-fifth", "flapping", "each fifth request fails", "BIG-Games-LLC/ps99-public-api-docs#98", fault="each_fifth",
        settings=WINDOW.format(20)),
)

HARMLESS = (
    good("plain", "harmless", "nothing: a migration and new features", "the vendor's minor release", version="1.3.0"),
    good("patch", "harmless", "nothing: no migration", "the vendor's patch release", version="1.2.4"),
    good("slow-migration", "harmless", "a migration of eight seconds", "FuzzyGrim/Yamtrack#637", version="2.0.0",
         environment={"QAID_MIGRATION_SECONDS": "8"}, others={"frontend": "2.0.0"}, sample=True),
    good("one-restart", "harmless", "restarts once: the database did not let it in yet", "mindersec/minder#320", fault="one_restart"),
    good("slow-start", "harmless", "answers 503 for eight seconds while it warms up", "darthnorse/dockmon#7", fault="slow_start"),
    good("words", "harmless", "\"error\" and \"failed\" in harmless lines", OWN, fault="words"),
    good("deprecations", "harmless", "warns of what is deprecated", OWN, fault="deprecations"),
    good("flood", "harmless", "logs sixty thousand lines: debugging was left on", OWN, fault="flood"),
    good("json-differently", "harmless", "other order of keys, indented, other headers", OWN,
         fault="json_differently", sample=True),
    good("more-fields", "harmless", "new fields beside the old ones", OWN, fault="more_fields"),
    good("new-ids", "harmless", "a new number and time in each answer", SOSP + "data semantics", fault="new_ids"),
    good("renamed-assets", "harmless", "scripts and styles have new names", "requarks/wiki#1401",
         frontend=shell("busybox mv /www/assets/app.js /www/assets/app.8d1f0c2b.js", "busybox mv /www/assets/app.css /www/assets/app.77aa01.css")
         + page("s/app[.]js/app.8d1f0c2b.js/", "s/app[.]css/app.77aa01.css/")),
    good("frontend-only", "harmless", "only the frontend is new", "the vendor's patch release", frontend=page("s/QAID/QAID 2/"),
         others={"server": "1.2.3"}),
    good("one-lost", "harmless", "one single request fails", "darthnorse/dockmon#7", fault="one_lost"),
    good("one-slow", "harmless", "one single request takes three seconds", OWN, fault="one_slow"),
    good("login-limit", "harmless", "allows five logins a minute", OWN, fault="login_limit", sample=True),
    good("a-bit-slower", "harmless", "each request takes some milliseconds more", OWN, fault="a_bit_slower"),
)

HOST = (
    good("recreated", "host", "a person recreates another container meanwhile", OWN, version="1.3.0",
         disturb=host.recreate_mailer, sample=True),
    good("busy-host", "host", "the host is busy meanwhile", OWN, version="1.3.0",
         disturb=host.busy, settings=WINDOW.format(20)),
    good("docker-restarted", "host", "dockerd is restarted meanwhile", "moby/moby#23277", version="1.3.0", disturb=host.restart_docker,
         settings=WINDOW.format(20)),
    good("docker-killed", "host", "dockerd crashes meanwhile and is started again", OWN, version="1.3.0",
         disturb=host.crash_docker, settings=WINDOW.format(20)),
    good("registry-down", "host", "the registry is down meanwhile", "MRColorR/money4band#36", version="1.3.0", disturb=host.registry_down),
)

RELEASES = (*START, *MIGRATION, *DATABASE, *LOGIN, *LISTS, *DETAIL, *SLOW, *RESOURCES, *FRONTEND, *PROXY, *DELAYED, *FLAPPING, *HARMLESS,
            *HOST)
