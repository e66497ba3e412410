"""A stranger who uses an application, and notices when something is wrong with it."""

import abc
import time

import engine


class Visitor(abc.ABC):
    """Uses an application as a person does, and knows what belongs there. While the gate is shut, in by the gate's twin."""

    gate = "caddy"
    pause = 0.4         # seconds between two visits: a visitor must not be what makes it slow
    starting = (0, 502, 503, 504)

    def __init__(self, application):
        self.application = application
        self.since = None
        self.way = None
        self.was_fine = False
        self.round = 0
        self.next = 0.0

    def sees_a_fault(self):
        containers = engine.containers(self.application.name)
        if self.since is None:
            self.since = max((container["Created"] for container in containers), default=0)
        if self.crashed(containers):
            return True
        if time.monotonic() < self.next:
            return False
        way = self.way_in(containers)
        if way and way != self.way:  # the gate was opened: it may take a moment to let in
            self.way, self.was_fine = way, False
        answer = self.visit(way) if way else None
        self.round += 1
        self.next = time.monotonic() + self.pause
        self.was_fine = self.was_fine or answer is True
        return answer is False or (answer is None and self.was_fine)

    @abc.abstractmethod
    def visit(self, way):
        """One visit to (host, port). True: all is well. False: a fault is seen. None: it may still be starting."""

    def crashed(self, containers):
        return any(container["State"] == "restarting" or (container["State"] in ("exited", "dead") and container["Created"] > self.since)
                   for container in containers)

    def way_in(self, containers):
        gates = [container for container in containers if container["State"] == "running"
                 and container["Labels"].get("com.docker.compose.service") == self.gate]
        if any(gate["Labels"].get("com.docker.compose.oneoff") != "True" for gate in gates):
            return "127.0.0.1", self.application.port
        return next(((engine.address(gate), 80) for gate in gates if engine.address(gate)), None)
