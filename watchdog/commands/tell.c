/* Has the spool sent. See tell.h. */

#include "watchdog/commands/tell.h"

#include <errno.h>
#include <systemd/sd-daemon.h>

#include "watchdog/commands/command.h"
#include "watchdog/commands/unit.h"
#include "watchdog/notify/send.h"
#include "watchdog/notify/spool.h"

#define SEND_TIME USEC_PER_MINUTE
#define BUS_EXTENSION USEC_PER_MINUTE

static int send_here(const struct options *options, struct error *err) {
    _cleanup_settings_ struct settings *settings = NULL;
    struct send_result result = { 0 };
    int r = settings_load(options->config_directory, options->app, &settings, err);
    if (r >= 0)
        r = send_spool(options->state_directory, settings, false, deadline_in(SEND_TIME), &result, err);
    for (char **failure = result.failures; failure && *failure; failure++)
        command_warn("nobody was told yet: %s", *failure);
    send_result_done(&result);
    return r;
}

static void tell(const struct options *options, const char *app, bool wait) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_unit_ struct unit unit = { 0 };
    /* The main loop stands still meanwhile, in a unit: a slow bus is no reason to be killed. */
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long)BUS_EXTENSION);
    (void)sd_notify(0, "WATCHDOG=1");
    int r = unit_find_notify(options, app, &unit, &err);
    if (r > 0)
        r = unit_start(&unit, false, &err);
    else if (r == 0 && wait)
        r = send_here(options, &err);
    if (r < 0 && err.number != EBUSY)
        command_warn("nobody was told yet: %s", error_text(&err));
}

void tell_spooled(const struct options *options, const char *app, bool wait) {
    _cleanup_free_ char *directory = xasprintf("%s/%s", options->state_directory, app);
    if (spool_due(directory, clock_realtime()))
        tell(options, app, wait);
}

void tell_failed(const struct options *options, const char *app) {
    tell(options, app, false);
}
