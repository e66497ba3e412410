"""The host's own troubles: Docker killed, the registry down."""

import os
import subprocess
from pathlib import Path

MACHINE = Path(os.environ.get("TESTS_TOP", ".")) / "tests" / "machine"


class Host:
    def __init__(self):
        self.broken = set()

    @staticmethod
    def _do(*command):
        subprocess.run([MACHINE / command[0], *command[1:]], check=True, stdin=subprocess.DEVNULL)

    def kill_docker(self):
        self.broken.add("dockerd")
        self._do("dockerd", "kill")

    def stop_docker(self):
        self.broken.add("dockerd")
        self._do("dockerd", "stop")

    def start_docker(self):
        self._do("dockerd", "start")
        self.broken.discard("dockerd")

    def stop_registry(self):
        self.broken.add("registry")
        self._do("registry", "stop")

    def start_registry(self):
        self._do("registry", "start")
        self.broken.discard("registry")

    def restore(self):
        for component in sorted(self.broken):
            self._do(component, "start")
        self.broken.clear()
