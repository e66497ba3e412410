/* Outcomes in the journal. See outcomes.h. */

#include "watchdog/audit/outcomes.h"

#include <string.h>

#include "watchdog/audit/history.h"
#include "watchdog/audit/journal.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/config/value.h"

#define PROGRAM "upgrade-watchdog"
#define DIGEST_PREFIX "sha256:"

#define FIELD(name, member)                                                                                  \
    { name, offsetof(struct outcome_fields, member) }
const struct outcome_field outcome_field_table[] = {
    FIELD("MESSAGE_ID", message_id),   FIELD("UPGRADE_APP", app),
    FIELD("UPGRADE_ID", id),           FIELD("UPGRADE_PHASE", phase),
    FIELD("UPGRADE_OUTCOME", outcome), FIELD("UPGRADE_REASON", reason),
    FIELD("UPGRADE_FROM", from),       FIELD("UPGRADE_TO", to),
    FIELD("UPGRADE_PROBE", probe),     FIELD("UPGRADE_PROBE_RESULT", probe_result),
    FIELD("UPGRADE_SECONDS", seconds), FIELD("_UID", uid),
    FIELD("_SYSTEMD_UNIT", unit),      FIELD("_EXE", exe),
    FIELD("_MACHINE_ID", machine_id),  { NULL, 0 },
};

/* The instance as typed, and as systemd-escape(1) would have it: both name the same application. */
static bool is_unit_of(const char *unit, const char *app) {
    static const char prefix[] = PROGRAM "@", suffix[] = ".service";
    if (!unit || !string_starts_with(unit, prefix) || !string_ends_with(unit, suffix))
        return false;
    _cleanup_buffer_ struct buffer escaped = { 0 };
    for (const char *at = app; *at; at++)
        buffer_printf(&escaped, *at == '-' ? "\\x2d" : "%c", *at);
    _cleanup_free_ char *plain = xasprintf("%s%s%s", prefix, app, suffix);
    _cleanup_free_ char *other = xasprintf("%s%s%s", prefix, escaped.text ? escaped.text : "", suffix);
    return string_equal(unit, plain) || string_equal(unit, other);
}

static bool is_program(const char *exe) {
    return exe && *exe == '/' && string_ends_with(exe, "/" PROGRAM);
}

static bool is_closing(const struct outcome_fields *fields) {
    for (const enum event *event = closing_events; *event != EVENT_COUNT; event++)
        if (string_equal(events[*event].name, fields->outcome))
            return string_equal(events[*event].message_id, fields->message_id);
    return false;
}

bool outcome_counts(const struct outcome_fields *fields, const char *app, const char *machine_id) {
    return string_equal(fields->uid, "0") && fields->machine_id &&
           string_equal(fields->machine_id, machine_id) && fields->app && value_is_name(fields->app) &&
           (!app || string_equal(fields->app, app)) &&
           (is_unit_of(fields->unit, fields->app) || is_program(fields->exe)) && fields->id &&
           transaction_id_valid(fields->id) && fields->outcome && is_closing(fields);
}

static json_t *text_or_null(const char *text) {
    return text && *text ? json_text_string(text) : json_null();
}

/* The version of @service in "qaid-server 1.2.4, frontend 1.2.4", or NULL. Owned by the caller. */
static char *version_in(const char *list, const char *service) {
    size_t size = strlen(service);
    for (const char *at = list; at && *at;) {
        const char *end = strstr(at, ", ");
        size_t length = end ? (size_t)(end - at) : strlen(at);
        if (length > size + 1 && strncmp(at, service, size) == 0 && at[size] == ' ')
            return xstrndup(at + size + 1, length - size - 1);
        at = end ? end + 2 : NULL;
    }
    return NULL;
}

static json_t *release_of(const char *version) {
    bool digest = version && string_starts_with(version, DIGEST_PREFIX);
    json_t *json = json_object();
    json_object_set_new(json, "image", json_null());
    json_object_set_new(json, "digest", text_or_null(digest ? version : NULL));
    json_object_set_new(json, "version", text_or_null(digest ? NULL : version));
    return json;
}

/* Those that were to change: the fields name no others. */
static json_t *services_of(const struct outcome_fields *fields) {
    json_t *services = json_array();
    const char *list = fields->to ? fields->to : fields->from;
    for (const char *at = list; at && *at;) {
        const char *end = strstr(at, ", ");
        size_t length = end ? (size_t)(end - at) : strlen(at), name = strcspn(at, " ");
        if (name > 0 && name + 1 < length) {
            _cleanup_free_ char *service = xstrndup(at, name);
            _cleanup_free_ char *from = version_in(fields->from, service),
                                *to = version_in(fields->to, service);
            json_t *json = json_object();
            json_object_set_new(json, "service", text_or_null(service));
            json_object_set_new(json, "change", json_null());
            json_object_set_new(json, "from", release_of(from));
            json_object_set_new(json, "to", release_of(to));
            json_array_append_new(services, json);
        }
        at = end ? end + 2 : NULL;
    }
    return services;
}

/* "20261123T031500Z-1f3a" began at "2026-11-23T03:15:00Z". */
static json_t *started_of(const char *id) {
    _cleanup_free_ char *text =
        xasprintf("%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", id, id + 4, id + 6, id + 9, id + 11, id + 13);
    return json_string(text);
}

static json_t *seconds_of(const char *text) {
    json_t *seconds = json_object();
    char *end = NULL;
    double value = text && *text >= '0' && *text <= '9' ? strtod(text, &end) : 0;
    if (end && *end == '\0' && value >= 0 && value < 1e12)
        json_object_set_new(seconds, "total", json_real(value));
    return seconds;
}

json_t *outcome_to_json(const struct outcome_fields *fields) {
    char finished[TIMESTAMP_SIZE];
    json_t *json = json_object();
    json_object_set_new(json, "id", json_text_string(fields->id));
    json_object_set_new(json, "app", json_text_string(fields->app));
    json_object_set_new(json, "kind", json_null());
    json_object_set_new(json, "outcome", json_text_string(fields->outcome));
    json_object_set_new(json, "phase", text_or_null(fields->phase));
    json_object_set_new(json, "failed_probe", text_or_null(fields->probe));
    json_object_set_new(json, "reason", text_or_null(fields->reason));
    json_object_set_new(json, "started", started_of(fields->id));
    json_object_set_new(json, "finished", json_string(timestamp_format(finished, fields->realtime)));
    json_object_set_new(json, "services", services_of(fields));
    json_object_set_new(json, "seconds", seconds_of(fields->seconds));
    static const char *const unknown[] = { "snapshot", "lost", "quarantine", "notes", "probes" };
    for (size_t i = 0; i < ELEMENTS(unknown); i++)
        json_object_set_new(json, unknown[i], json_null());
    json_object_set_new(json, "source", json_string("journal"));
    return json;
}
