#pragma once

/*
 * While a transaction runs, the machine does not fall asleep or shut down at once: logind waits as long as
 * its InhibitDelayMaxSec= says (org.freedesktop.login1(5), "delay"), and shows who asked for it
 * (systemd-inhibit --list).
 */

/* Returns a descriptor that holds the lock until it is closed, for this process alone; -1 where there is no
 * logind, or it does not answer in time: a transaction goes on without. */
int inhibitor_take(const char *app);
