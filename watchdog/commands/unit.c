/* The application's unit. See unit.h. */

#include "watchdog/commands/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "watchdog/base/clock.h"
#include "watchdog/config/settings.h"
#include "watchdog/transaction/state.h"

#define BUS_TIME (20 * USEC_PER_SEC)
#define NOTIFY_BUS_TIME (3 * USEC_PER_SEC) /* what waits in the spool can wait for another occasion */
#define MANAGER "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"

void unit_done(struct unit *unit) {
    sd_bus_flush_close_unref(unit->bus);
    free(unit->name);
    free(unit->path);
    *unit = (struct unit){ 0 };
}

void unit_state_done(struct unit_state *state) {
    free(state->active);
    free(state->sub);
    free(state->text);
    free(state->result);
    *state = (struct unit_state){ 0 };
}

static int refuse(const struct unit *unit, const char *what, int r, const sd_bus_error *error,
                  struct error *err) {
    return error_set(err, r < 0 ? -r : EIO, "cannot %s %s: %s", what, unit->name,
                     error->message ? error->message : strerror(-r));
}

static int property(const struct unit *unit, const char *interface, const char *name, char type, void *ret) {
    return sd_bus_get_property_trivial(unit->bus, "org.freedesktop.systemd1", unit->path, interface, name,
                                       NULL, type, ret);
}

static char *text_property(const struct unit *unit, const char *interface, const char *name) {
    char *text = NULL;
    if (sd_bus_get_property_string(unit->bus, "org.freedesktop.systemd1", unit->path, interface, name, NULL,
                                   &text) < 0)
        return xstrdup("");
    return text;
}

#define UNIT "org.freedesktop.systemd1.Unit"
#define SERVICE "org.freedesktop.systemd1.Service"

/* The unit is kept in systemd's memory as long as this process wants to read its state. */
static int load(struct unit *unit, struct error *err) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message *reply = NULL;
    const char *path = NULL;
    int r = sd_bus_call_method(unit->bus, MANAGER, "LoadUnit", &error, &reply, "s", unit->name);
    if (r >= 0)
        r = sd_bus_message_read(reply, "o", &path);
    if (r >= 0)
        unit->path = xstrdup(path);
    else
        r = refuse(unit, "find", r, &error, err);
    sd_bus_message_unref(reply);
    sd_bus_error_free(&error);
    if (r < 0)
        return r;
    (void)sd_bus_call_method(unit->bus, "org.freedesktop.systemd1", unit->path, UNIT, "Ref", NULL, NULL, "");
    _cleanup_free_ char *loaded = text_property(unit, UNIT, "LoadState");
    return string_equal(loaded, "loaded");
}

static int find(const struct options *options, const char *prefix, const char *app, usec_t patience,
                struct unit *ret, struct error *err) {
    _cleanup_unit_ struct unit unit = { .name = xasprintf("%s@%s.service", prefix, app) };
    bool theirs = string_equal(options->config_directory, SETTINGS_DIRECTORY) &&
                  string_equal(options->state_directory, STATE_DIRECTORY) &&
                  (!options->app || string_equal(options->app, app));
    if (options->here || !theirs || sd_booted() <= 0)
        return 0;
    int r = sd_bus_open_system(&unit.bus);
    if (r < 0)
        return error_errno(err, -r,
                           "cannot speak to systemd (with --here the command does it in its own process)");
    (void)sd_bus_set_method_call_timeout(unit.bus, patience);
    r = load(&unit, err);
    if (r <= 0)
        return r;
    *ret = unit;
    unit = (struct unit){ 0 };
    return 1;
}

int unit_find(const struct options *options, const char *app, struct unit *ret, struct error *err) {
    return find(options, "upgrade-watchdog", app, BUS_TIME, ret, err);
}

int unit_find_notify(const struct options *options, const char *app, struct unit *ret, struct error *err) {
    struct options anywhere = *options;
    anywhere.here = false; /* where the transaction runs says nothing of where messages are sent */
    return find(&anywhere, "upgrade-watchdog-notify", app, NOTIFY_BUS_TIME, ret, err);
}

static int invocation(const struct unit *unit, char text[33]) {
    sd_bus_message *reply = NULL;
    const void *bytes = NULL;
    size_t size = 0;
    int r = sd_bus_get_property(unit->bus, "org.freedesktop.systemd1", unit->path, UNIT, "InvocationID", NULL,
                                &reply, "ay");
    if (r >= 0)
        r = sd_bus_message_read_array(reply, 'y', &bytes, &size);
    for (size_t i = 0; r >= 0 && i < size && i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)bytes)[i]);
    sd_bus_message_unref(reply);
    return r;
}

int unit_look(const struct unit *unit, struct unit_state *ret, struct error *err) {
    _cleanup_unit_state_ struct unit_state state = { 0 };
    sd_bus_message *reply = NULL;
    uint32_t job = 0;
    int32_t code = 0, status = 0;
    /* Before the rest: what is read after a unit has been seen to have ended belongs to its end. */
    state.active = text_property(unit, UNIT, "ActiveState");
    state.sub = text_property(unit, UNIT, "SubState");
    int r = sd_bus_get_property(unit->bus, "org.freedesktop.systemd1", unit->path, UNIT, "Job", NULL, &reply,
                                "(uo)");
    if (r >= 0)
        r = sd_bus_message_read(reply, "(uo)", &job, NULL);
    sd_bus_message_unref(reply);
    if (r >= 0)
        r = invocation(unit, state.invocation);
    if (r >= 0)
        r = property(unit, SERVICE, "ExecMainCode", 'i', &code);
    if (r >= 0)
        r = property(unit, SERVICE, "ExecMainStatus", 'i', &status);
    if (r < 0)
        return error_errno(err, -r, "cannot ask systemd about %s", unit->name);
    state.text = text_property(unit, SERVICE, "StatusText");
    state.result = text_property(unit, SERVICE, "Result");
    state.has_job = job != 0;
    state.code = code;
    state.status = status;
    *ret = state;
    state = (struct unit_state){ 0 };
    return 0;
}

bool unit_state_busy(const struct unit_state *state) {
    return state->has_job ||
           !(string_equal(state->active, "inactive") || string_equal(state->active, "failed"));
}

int unit_start(const struct unit *unit, bool person, struct error *err) {
    sd_bus_error error = SD_BUS_ERROR_NULL;
    if (person)
        (void)sd_bus_call_method(unit->bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit->name);
    int r = sd_bus_call_method(unit->bus, MANAGER, "StartUnit", &error, NULL, "ss", unit->name, "replace");
    if (r < 0)
        r = refuse(unit, "start", r, &error, err);
    sd_bus_error_free(&error);
    return r < 0 ? r : 0;
}
