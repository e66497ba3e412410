"""The releases of the sample application: what is wrong with each, and where such a thing happened."""

from dataclasses import dataclass, field

from corpus import Release


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


SOSP = "SOSP 2021 (Zhang et al.)"


def bad(name, family, what, source, **more):
    return QaidRelease(name=name, bad=True, family=family, what=what, source=source, **more)


def good(name, family, what, source, **more):
    return QaidRelease(name=name, bad=False, family=family, what=what, source=source, **more)


RELEASES = (
    bad("crash-loop", "start", "a setting that is new in it is missing: exits with 1, again and again", SOSP, fault="missing_setting",
        sample=True),
    bad("migration-error", "migration", "the migration stops half done, the first half is committed", SOSP, fault="migration-error",
        sample=True),
    bad("login-500", "login", "every login answers 500", SOSP, fault="login-500", sample=True),
    bad("list-empty", "list", "the list of projects is empty", SOSP, fault="list_empty", sample=True),
    good("plain", "harmless", "nothing: a migration and new features", SOSP, sample=True),
)
