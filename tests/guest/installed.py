"""What an installed program looks like to its host, whether `meson install` or the package has put it there."""

import re

UNITS = ("upgrade-watchdog@qaid.service", "upgrade-watchdog@qaid.timer", "upgrade-watchdog-recover.service", "upgrade-watchdog-recover.timer")
CATALOG = "/opt/tree/units/upgrade-watchdog.catalog"


def complaints(guest):
    """Of everything that should be found where the host looks for it: what is not."""
    found = []
    for unit in UNITS:
        shown = dict(line.split("=", 1) for line in guest.run("systemctl", "show", "-p", "LoadState,NeedDaemonReload", unit).stdout.splitlines())
        if shown != {"LoadState": "loaded", "NeedDaemonReload": "no"}:
            found.append(f"{unit}: {shown}")
    verified = guest.run("systemd-analyze", "verify", *UNITS, check=False)
    found += [line for line in (verified.stdout + verified.stderr).splitlines() if "upgrade-watchdog" in line]
    known = guest.run("journalctl", "--no-pager", "--list-catalog").stdout
    events = re.findall(r"^-- ([0-9a-f]{32})$", guest.run("cat", CATALOG).stdout, re.MULTILINE)
    found += [f"the catalogue lacks {event}" for event in events if event not in known]
    for page in ("upgrade-watchdog.8", "upgrade-watchdog.conf.5"):
        section = page.rpartition(".")[2]
        shown = guest.run("man", section, page.rpartition(".")[0], check=False)
        if "EXIT STATUS" not in shown.stdout and "SECTION [App]" not in shown.stdout:
            found.append(f"man {page}: {shown.stderr}")
    rule = guest.sh("""perl -e 'our %nrconf; defined(do "/etc/needrestart/conf.d/upgrade-watchdog.conf") or die $@ || $!;"""
                    """ my ($rule) = keys %{$nrconf{override_rc}}; print "upgrade-watchdog\\@qaid.service" =~ $rule ? 1 : 0'""", check=False)
    if rule.stdout != "1":
        found.append(f"needrestart: {rule.stdout}{rule.stderr}")
    modes = guest.run("stat", "-c", "%a %U %n", "/etc/upgrade-watchdog", "/etc/upgrade-watchdog/credentials").stdout.splitlines()
    found += [line for line in modes if not line.startswith("700 root ")]
    return found if events else ["no event in the catalogue"]
