"""A booted Debian host with systemd, its own journal, Docker Engine and registry, in a container of systemd-nspawn: what `meson install`
installs into, and where timers, the watchdog protocol, reboots and power cuts are real.

Runs inside the tests' machine (tests/machine/start), and ends with it. The clock is the outer machine's and is never set.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

TOP = Path(os.environ.get("TESTS_TOP", "."))
CACHE = Path(os.environ.get("TESTS_CACHE", "/var/cache/upgrade-watchdog-tests"))
BOOT_SECONDS = 60
REBOOTED = 133  # systemd-nspawn's exit status with --keep-unit when the guest asked for a reboot
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HELD_BACK = "-sys_time,-sys_module"


def run(*arguments, check=True, **options):
    done = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


class Guest:
    def __init__(self, suite):
        self.suite = suite
        self.home = CACHE / "guest" / suite
        self.merged = self.home / "merged"
        self.process = None

    # The disk: the kept root below, what this run writes above it

    def make_disk(self):
        """A host as freshly installed, with the registry's store as the tests' machine has it."""
        if self.merged.is_mount():
            run("umount", "-l", self.merged)
        for name in ("upper", "work", "docker", "srv", "registry", "merged"):
            shutil.rmtree(self.home / name, ignore_errors=True)
            (self.home / name).mkdir(parents=True)
        (self.home / "build").mkdir(exist_ok=True)
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={self.home}/root,upperdir={self.home}/upper,workdir={self.home}/work", self.merged)
        run("cp", "-a", "--reflink=auto", f"{CACHE}/registry/.", self.home / "registry")
        if not os.path.ismount("/run/systemd/nspawn"):
            Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
            run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run/systemd/nspawn")

    def join_own_cgroup(self):
        """So that two machines never share nspawn's payload and supervisor groups."""
        for hierarchy in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"):
            if Path(hierarchy, "cgroup.procs").exists():
                group = Path(hierarchy, "upgrade-watchdog-tests", f"guest-{self.suite}-{os.getppid()}")
                group.mkdir(parents=True, exist_ok=True)
                (group / "cgroup.procs").write_text("0")

    def start(self):
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
                       "SYSTEMD_SECCOMP": "0"}
        binds = {"docker": "/var/lib/docker", "srv": "/srv", "registry": "/var/lib/docker-registry", "build": "/opt/build"}
        self.log = open(self.home / "console.log", "ab")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "-b", "-D", self.merged, "-M", f"host-{self.suite}", "--console=pipe",
             "--capability=all", "--drop-capability=CAP_SYS_TIME,CAP_SYS_MODULE", "--private-network", "--resolv-conf=off",
             "--kill-signal=SIGRTMIN+3", f"--bind-ro={TOP}:/opt/tree",
             *(f"--bind={self.home}/{name}:{place}" for name, place in binds.items())],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, preexec_fn=self.join_own_cgroup)
        self.wait_until_up()

    def init(self):
        """The process id of the guest's first process; None while there is none."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        except FileNotFoundError:
            return None
        return int(children[0]) if children else None

    def wait_until_up(self):
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the guest did not boot: {(self.home / 'console.log').read_text(errors='replace')[-3000:]}")
            if self.init() and self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"):
                return
            time.sleep(0.2)
        raise RuntimeError("the guest did not come up")

    def boot(self):
        self.make_disk()
        (self.home / "console.log").unlink(missing_ok=True)
        self.start()
        self.run("chown", "-R", "docker-registry:", "/var/lib/docker-registry")

    def power_cut(self):
        """Everything in the guest is gone at once; its page cache is not."""
        os.kill(self.init(), signal.SIGKILL)
        self.process.wait(60)

    def await_reboot(self):
        """After a `systemctl reboot` inside: waits for its end, and boots it again."""
        code = self.process.wait(180)
        if code != REBOOTED:
            raise RuntimeError(f"the guest ended with {code}, expected a reboot")
        self.start()

    def power_off(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.power_cut()
        run("umount", "-l", self.merged, check=False)

    # Inside

    def command(self, *arguments):
        return ["nsenter", "-t", str(self.init()), "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w", "setpriv", f"--bounding-set={HELD_BACK}",
                f"--inh-caps={HELD_BACK}", "env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "TESTS_TOP=/opt/tree",
                "TESTS_CACHE=/srv/cache", *map(str, arguments)]

    def run(self, *arguments, **options):
        return run(*self.command(*arguments), **options)

    def sh(self, text, **options):
        return self.run("sh", "-c", text, **options)

    def write(self, path, text, mode=0o644):
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" >"$1" && chmod "$3" "$1"', "sh", path, text, oct(mode)[2:])

    def install(self):
        """As README.md says it, from the tree."""
        self.sh("cd /opt/tree && { [ -f /opt/build/build.ninja ] || meson setup /opt/build --prefix=/usr >/opt/build/setup.log; } &&"
                " meson compile -C /opt/build upgrade-watchdog && meson install -C /opt/build --no-rebuild && systemctl daemon-reload && journalctl --update-catalog")
