"""What happens to the host while a good release is being watched."""

import subprocess

from host import Host

BUSY = 3


def recreate_mailer(application, over):
    over.wait(6)
    application.instance.compose("up", "-d", "--no-deps", "--force-recreate", "mailer", timeout=60)


def busy(application, over):
    """More to compute than there are processors, for as long as it is watched."""
    burners = [subprocess.Popen(["timeout", "40", "sh", "-c", "while :; do :; done"]) for _ in range(BUSY)]
    over.wait(40)
    for burner in burners:
        burner.terminate()
        burner.wait()


def restart_docker(application, over):
    over.wait(8)
    host = Host()
    host.stop_docker()
    host.start_docker()


def crash_docker(application, over):
    over.wait(8)
    host = Host()
    host.kill_docker()
    host.start_docker()


def registry_down(application, over):
    host = Host()
    over.wait(2)
    host.stop_registry()
    over.wait(8)
    host.start_registry()
