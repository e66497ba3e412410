"""What goes wrong before the first request."""

import sys


def missing_setting(server):
    server.log("Error: SESSION_SECRET must be set", "error")
    sys.exit(1)
