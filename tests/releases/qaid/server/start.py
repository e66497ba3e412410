"""The server with what QAID_FAULT names: functions of the modules here, each of which changes something of the running program before it starts,
and faults of the server's own."""

import os
import sys

sys.path.insert(0, "/app")

import server  # noqa: E402
import answers  # noqa: E402
import starting  # noqa: E402

MODULES = (answers, starting)

for name in filter(None, os.environ.get("QAID_FAULT", "").split(",")):
    for module in MODULES:
        if hasattr(module, name):
            getattr(module, name)(server)

server.main()
