"""What the corpus is made of: releases with what is wrong with them, and the applications that they are releases of.

A release is an image (or several) in the registry that an application offers under its floating tag. An application knows how to
build its images once, to come up freshly with its old release, to offer a release, and how a stranger sees, without this program,
that something is wrong with it. Nothing here knows how the program finds out.
"""

import abc
from dataclasses import dataclass
from typing import Callable, Optional

FAMILIES = ("start", "migration", "database", "login", "list", "detail", "slow", "resources", "frontend", "proxy", "delayed",
            "flapping", "harmless", "host")


@dataclass(frozen=True)
class Release:
    name: str      # the tag it has in the registry: "1.3.0-login-500"
    bad: bool
    family: str    # one of FAMILIES
    what: str      # what is wrong with it, or what only looks so: a sentence for the table
    source: str    # where such a failure was reported or studied
    probes: tuple = ()      # the probes that may find it; () any
    sample: bool = False    # in the sample of `tests/run check`
    settings: str = ""      # a drop-in of the configuration, for this release only
    # Run in a thread from the switch on, with the application and an Event that is set when it is over: what happens to the host.
    disturb: Optional[Callable] = None
    # Asked ten times a second from the switch on, with the application: True once a stranger would see that something is wrong.
    # None: the application's own visible() is asked.
    visible: Optional[Callable] = None

    def __post_init__(self):
        assert self.family in FAMILIES, self.family

    @property
    def alone(self):
        """Nothing else may be tried on the machine meanwhile: something happens to it, or time decides."""
        return self.disturb is not None or self.family in ("slow", "host")


class Application(abc.ABC):
    """One kind of application. An object is one instance on the tests' machine."""

    name: str             # "qaid", "mediawiki", "tryton"
    releases: tuple       # of Release

    @classmethod
    @abc.abstractmethod
    def build(cls):
        """Makes the images of all releases and pushes them to the registry, unless that was done before from the same files."""

    @abc.abstractmethod
    def up(self, root, port):
        """A fresh application below `root` that runs its old release, healthy and with data; sets config_directory, state_directory."""

    @abc.abstractmethod
    def offer(self, release):
        """Puts the images of a release (of its name; None: the old one) under the floating tags in the registry."""

    @abc.abstractmethod
    def down(self):
        """Removes containers, volumes and networks of this instance."""

    @abc.abstractmethod
    def evidence(self):
        """Rows and files, as a value to compare: the same after a rollback as before the upgrade."""

    def visible(self, release):
        """Whether a stranger would see that the release that runs is bad: not through this program."""
        return False
