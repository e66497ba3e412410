/* The next timer. See timer.h; the interface is org.freedesktop.systemd1(5). */

#include "watchdog/commands/timer.h"

#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#include "watchdog/base/memory.h"

#define BUS_TIME (2 * USEC_PER_SEC)

static void cleanup_bus(sd_bus **bus) {
    sd_bus_close_unref(*bus);
}

usec_t timer_next(const char *app) {
    __attribute__((cleanup(cleanup_bus))) sd_bus *bus = NULL;
    _cleanup_free_ char *unit = xasprintf("upgrade-watchdog@%s.timer", app), *path = NULL;
    uint64_t next = 0;
    if (sd_booted() <= 0 || sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path) < 0 ||
        sd_bus_open_system(&bus) < 0)
        return 0;
    (void)sd_bus_set_method_call_timeout(bus, BUS_TIME);
    if (sd_bus_get_property_trivial(bus, "org.freedesktop.systemd1", path, "org.freedesktop.systemd1.Timer",
                                    "NextElapseUSecRealtime", NULL, 't', &next) < 0)
        return 0;
    return next == USEC_INFINITY ? 0 : next;
}
