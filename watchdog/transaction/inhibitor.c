/* A delay lock of logind. See inhibitor.h. */

#include "watchdog/transaction/inhibitor.h"

#include <fcntl.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

#define BUS_TIME (2 * USEC_PER_SEC)

int inhibitor_take(const char *app) {
    sd_bus *bus = NULL;
    sd_bus_message *reply = NULL;
    int lent = -1, fd = -1;
    /* without logind's socket in the file system the call would wait for its start by D-Bus */
    if (sd_booted() <= 0 || access("/run/systemd/inhibit", F_OK) < 0 || sd_bus_open_system(&bus) < 0)
        return -1;
    (void)sd_bus_set_method_call_timeout(bus, BUS_TIME);
    _cleanup_free_ char *why = xasprintf("%s is being upgraded or rolled back", app);
    if (sd_bus_call_method(bus, "org.freedesktop.login1", "/org/freedesktop/login1",
                           "org.freedesktop.login1.Manager", "Inhibit", NULL, &reply, "ssss",
                           "shutdown:sleep", "upgrade-watchdog", why, "delay") >= 0 &&
        sd_bus_message_read_basic(reply, 'h', &lent) >= 0)
        fd = fcntl(lent, F_DUPFD_CLOEXEC, 3);
    sd_bus_message_unref(reply);
    sd_bus_flush_close_unref(bus);
    return fd;
}
