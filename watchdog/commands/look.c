/* Looking without touching. See look.h. */

#include "watchdog/commands/look.h"

#include <errno.h>

#include "probes/set.h"
#include "watchdog/commands/services.h"
#include "watchdog/transaction/supervisor.h"

/* Where there is no state yet, the paths are those that it will have. */
static struct state *state_to_be(const char *root, const char *app) {
    struct state *state = xcalloc(1, sizeof(*state));
    *state = (struct state){ xstrdup(root), xstrdup(app), xasprintf("%s/%s", root, app), -1, -1, -1 };
    return state;
}

static int open_state(struct look *look, const char *app, struct error *err) {
    const char *root = look->options->state_directory;
    int r = state_open(root, app, false, &look->context.state, err);
    if (r != -ENOENT)
        return r;
    error_done(err);
    look->context.state = state_to_be(root, app);
    return 0;
}

int look_init(struct look *look, const struct options *options, usec_t time) {
    _cleanup_error_ struct error err = ERROR_NONE;
    _cleanup_probe_set_ struct probe_set *set = NULL;
    *look = (struct look){
        .options = options,
        .context = { .channel = -1, .dry = true, .deadline = deadline_in(time) },
    };
    int r = command_settings(options, &look->context.settings);
    if (r)
        return r;
    if (probe_set_new(look->context.settings, &set, &err) < 0 ||
        services_check(look->context.settings, &err) < 0)
        return command_fail(options, EXIT_CONFIGURATION, &err);
    look->context.record = record_new(look->context.settings->app, KIND_UPGRADE);
    return open_state(look, look->context.settings->app, &err) < 0 ? look_fail(look, &err) : 0;
}

void look_done(struct look *look) {
    context_done(&look->context);
}

int look_fail(const struct look *look, const struct error *err) {
    return command_fail(look->options, EXIT_REFUSED, err);
}
