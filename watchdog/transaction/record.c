/* The record's tables, and its public face. See record.h. */

#include "watchdog/transaction/record.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/change.h"

#define MEMBER(type, member, kind)                                                                           \
    { #member, kind, offsetof(type, member) }
#define WORDS(type, member, list)                                                                            \
    { #member, FIELD_WORD, offsetof(type, member), .words = (list) }
#define LIST(type, member, element, table)                                                                   \
    { #member, FIELD_LIST, offsetof(type, member), table, sizeof(element), offsetof(type, member##_count) }

static const struct field service_fields[] = {
    MEMBER(struct record_service, service, FIELD_STRING),
    MEMBER(struct record_service, database, FIELD_BOOLEAN),
    MEMBER(struct record_service, gate, FIELD_BOOLEAN),
    MEMBER(struct record_service, container_id, FIELD_STRING),
    MEMBER(struct record_service, container_name, FIELD_STRING),
    MEMBER(struct record_service, image, FIELD_STRING),
    MEMBER(struct record_service, tag, FIELD_STRING),
    MEMBER(struct record_service, image_id, FIELD_STRING),
    MEMBER(struct record_service, digest, FIELD_STRING),
    MEMBER(struct record_service, version, FIELD_STRING),
    MEMBER(struct record_service, ran, FIELD_BOOLEAN),
    MEMBER(struct record_service, one_shot, FIELD_BOOLEAN),
    MEMBER(struct record_service, policy, FIELD_STRING),
    MEMBER(struct record_service, policy_retries, FIELD_INTEGER),
    MEMBER(struct record_service, changes, FIELD_BOOLEAN),
    MEMBER(struct record_service, candidate_digest, FIELD_STRING),
    MEMBER(struct record_service, candidate_image_id, FIELD_STRING),
    MEMBER(struct record_service, candidate_version, FIELD_STRING),
    MEMBER(struct record_service, held, FIELD_STRING),
    MEMBER(struct record_service, candidate_held, FIELD_STRING),
    { 0 },
};

static const struct field tag_fields[] = {
    MEMBER(struct record_tag, reference, FIELD_STRING),
    MEMBER(struct record_tag, image_id, FIELD_STRING),
    MEMBER(struct record_tag, candidate_image_id, FIELD_STRING),
    { 0 },
};

static const struct field file_fields[] = {
    MEMBER(struct record_file, path, FIELD_STRING),
    MEMBER(struct record_file, copy, FIELD_STRING),
    MEMBER(struct record_file, sha256, FIELD_STRING),
    { 0 },
};

static const struct field pin_fields[] = {
    MEMBER(struct record_pin, service, FIELD_STRING),
    MEMBER(struct record_pin, path, FIELD_STRING),
    MEMBER(struct record_pin, before, FIELD_STRING),
    MEMBER(struct record_pin, candidate, FIELD_STRING),
    MEMBER(struct record_pin, meaning, FIELD_STRING),
    MEMBER(struct record_pin, old, FIELD_STRING),
    { 0 },
};

static const struct field database_fields[] = {
    MEMBER(struct record_database, name, FIELD_STRING),
    MEMBER(struct record_database, oid, FIELD_NUMBER),
    MEMBER(struct record_database, size, FIELD_INTEGER),
    MEMBER(struct record_database, clone, FIELD_STRING),
    MEMBER(struct record_database, failed, FIELD_STRING),
    MEMBER(struct record_database, restored, FIELD_STRING),
    MEMBER(struct record_database, clone_mark, FIELD_STRING),
    MEMBER(struct record_database, clone_print, FIELD_JSON),
    MEMBER(struct record_database, restored_mark, FIELD_STRING),
    MEMBER(struct record_database, restored_print, FIELD_JSON),
    MEMBER(struct record_database, current, FIELD_NUMBER),
    MEMBER(struct record_database, attributes, FIELD_JSON),
    MEMBER(struct record_database, written_before, FIELD_JSON),
    { 0 },
};

static const struct field tree_fields[] = {
    MEMBER(struct record_tree, name, FIELD_STRING),
    MEMBER(struct record_tree, path, FIELD_STRING),
    { 0 },
};

static const char *const kinds[] = { "upgrade", "rollback", "snapshot", NULL };
static const char *const gates[] = { "none", "shut", "opening", "open", NULL };
static const char *const outcomes[] = { "none",    "upgraded",    "up-to-date",      "refused", "rejected",
                                        "aborted", "rolled-back", "rollback-failed", NULL };
/* In the order of enum phase; a unit test holds it against phase_name(). */
static const char *const phases[] = { "none",       "preflight", "baseline",  "resolve",   "fetch",
                                      "backup",     "quiesce",   "freeze",    "switch",    "watch",
                                      "commit",     "back-out",  "undo-stop", "undo-data", "undo-pins",
                                      "undo-start", "forget",    NULL };

const struct field record_fields[] = {
    MEMBER(struct record, id, FIELD_STRING),
    MEMBER(struct record, app, FIELD_STRING),
    WORDS(struct record, kind, kinds),
    WORDS(struct record, phase, phases),
    WORDS(struct record, back_out_from, phases),
    MEMBER(struct record, boot_id, FIELD_STRING),
    MEMBER(struct record, version, FIELD_STRING),
    MEMBER(struct record, config, FIELD_STRING),
    MEMBER(struct record, started, FIELD_TIME),
    MEMBER(struct record, finished, FIELD_TIME),
    MEMBER(struct record, phase_started, FIELD_TIME),
    MEMBER(struct record, attempts, FIELD_INTEGER),
    MEMBER(struct record, project, FIELD_STRING),
    MEMBER(struct record, directory, FIELD_STRING),
    MEMBER(struct record, system_identifier, FIELD_STRING),
    MEMBER(struct record, database_container, FIELD_STRING),
    MEMBER(struct record, database_image_id, FIELD_STRING),
    MEMBER(struct record, user, FIELD_STRING),
    LIST(struct record, services, struct record_service, service_fields),
    LIST(struct record, tags, struct record_tag, tag_fields),
    LIST(struct record, files, struct record_file, file_fields),
    LIST(struct record, pins, struct record_pin, pin_fields),
    LIST(struct record, databases, struct record_database, database_fields),
    LIST(struct record, trees, struct record_tree, tree_fields),
    MEMBER(struct record, snapshot, FIELD_STRING),
    MEMBER(struct record, snapshot_exact, FIELD_BOOLEAN),
    MEMBER(struct record, hold_container, FIELD_STRING),
    MEMBER(struct record, quiesced, FIELD_TIME),
    MEMBER(struct record, switched, FIELD_TIME),
    MEMBER(struct record, first_pass, FIELD_TIME),
    MEMBER(struct record, undone, FIELD_TIME),
    MEMBER(struct record, down_since, FIELD_TIME),
    MEMBER(struct record, memory, FIELD_INTEGER),
    MEMBER(struct record, window, FIELD_JSON),
    WORDS(struct record, gate, gates),
    MEMBER(struct record, gate_by_hand, FIELD_BOOLEAN),
    MEMBER(struct record, twin, FIELD_STRING),
    MEMBER(struct record, cause, FIELD_STRING),
    MEMBER(struct record, failed_probe, FIELD_STRING),
    WORDS(struct record, failed_phase, phases),
    MEMBER(struct record, bad, FIELD_BOOLEAN),
    MEMBER(struct record, again, FIELD_BOOLEAN),
    MEMBER(struct record, known_bad, FIELD_BOOLEAN),
    MEMBER(struct record, locked_out, FIELD_BOOLEAN),
    MEMBER(struct record, stop_asked, FIELD_BOOLEAN),
    MEMBER(struct record, quarantines, FIELD_STRINGS),
    MEMBER(struct record, reports, FIELD_JSON),
    MEMBER(struct record, seconds, FIELD_JSON),
    MEMBER(struct record, lost, FIELD_JSON),
    MEMBER(struct record, lost_unknown, FIELD_BOOLEAN),
    MEMBER(struct record, notes, FIELD_STRINGS),
    WORDS(struct record, outcome, outcomes),
    { 0 },
};

const char *outcome_name(enum outcome outcome) {
    return outcomes[outcome];
}

/* "20261123T031500Z-1f3a": sorts by time, and two runs of one second differ. */
static char *transaction_id(usec_t now) {
    time_t seconds = (time_t)(now / USEC_PER_SEC);
    struct tm broken_down;
    char text[TIMESTAMP_SIZE];
    uint16_t random = 0;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint16_t)(now ^ (now >> 16));
    gmtime_r(&seconds, &broken_down);
    strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &broken_down);
    return xasprintf("%s-%04x", text, random);
}

struct record *record_new(const char *app, enum transaction_kind kind) {
    struct record *record = xcalloc(1, sizeof(*record));
    char boot_id[37];
    clock_boot_id(boot_id);
    record->started = clock_realtime();
    record->id = transaction_id(record->started);
    record->app = xstrdup(app);
    record->kind = (int)kind;
    record->boot_id = xstrdup(boot_id);
    record->version = xstrdup(VERSION);
    record->seconds = json_object();
    return record;
}

void record_free(struct record *record) {
    if (!record)
        return;
    codec_free(record_fields, record);
    free(record);
}

void cleanup_record(struct record **record) {
    record_free(*record);
}

json_t *record_encode(const struct record *record) {
    return codec_encode(record_fields, record);
}

int record_decode(const json_t *json, const char *place, struct record **ret, struct error *err) {
    struct record *record = xcalloc(1, sizeof(*record));
    int r = codec_decode(record_fields, json, place, record, err);
    if (r >= 0 && (!record->id || !record->app))
        r = error_set(err, EBADMSG, "%s: expected the members id and app", place);
    if (r < 0) {
        record_free(record);
        return r;
    }
    if (!record->seconds)
        record->seconds = json_object();
    *ret = record;
    return 0;
}

static json_t *text_or_null(const char *text) {
    return text && *text ? json_text_string(text) : json_null();
}

static json_t *time_or_null(usec_t time) {
    char text[TIMESTAMP_SIZE];
    return time ? json_string(timestamp_format(text, time)) : json_null();
}

static json_t *public_image(const char *image, const char *digest, const char *version) {
    json_t *json = json_object();
    json_object_set_new(json, "image", text_or_null(image));
    json_object_set_new(json, "digest", text_or_null(digest));
    json_object_set_new(json, "version", text_or_null(version));
    return json;
}

static json_t *public_services(const struct record *record) {
    json_t *services = json_array();
    for (size_t i = 0; i < record->services_count; i++) {
        const struct record_service *service = &record->services[i];
        if (service->database)
            continue;
        json_t *json = json_object();
        const char *image = service->tag ? service->tag : service->image;
        json_object_set_new(json, "service", text_or_null(service->service));
        json_object_set_new(json, "change",
                            json_string(service->changes
                                            ? change_class(service->version, service->candidate_version)
                                            : "none"));
        json_t *old = public_image(image, service->digest, service->version);
        json_t *new = service->changes
                          ? public_image(image, service->candidate_digest, service->candidate_version)
                          : json_incref(old);
        bool back = record->kind == KIND_ROLLBACK;
        json_object_set_new(json, "from", back ? new : old);
        json_object_set_new(json, "to", back ? old : new);
        json_array_append_new(services, json);
    }
    return services;
}

static json_t *public_quarantine(const struct record *record) {
    bool swapped = record->outcome == OUTCOME_ROLLED_BACK || record->outcome == OUTCOME_ROLLBACK_FAILED;
    if (!swapped)
        return json_null();
    json_t *json = json_object();
    size_t files = strings_count(record->quarantines);
    json_object_set_new(json, "database",
                        record->databases_count ? text_or_null(record->databases[0].failed) : json_null());
    json_t *databases = json_array();
    for (size_t i = 0; i < record->databases_count; i++)
        json_array_append_new(databases, text_or_null(record->databases[i].failed));
    if (record->databases_count > 1)
        json_object_set(json, "databases", databases);
    json_decref(databases);
    json_object_set_new(json, "files",
                        files ? json_text_string(record->quarantines[files - 1]) : json_null());
    return json;
}

json_t *record_public(const struct record *record) {
    json_t *json = json_object();
    int phase = record->outcome && record->failed_phase ? record->failed_phase : record->phase;
    json_object_set_new(json, "id", json_text_string(record->id));
    json_object_set_new(json, "app", json_text_string(record->app));
    json_object_set_new(json, "kind", json_string(kinds[record->kind]));
    json_object_set_new(json, "outcome",
                        record->outcome ? json_string(outcomes[record->outcome]) : json_null());
    json_object_set_new(json, "phase", json_string(phases[phase]));
    if (record->known_bad)
        json_object_set_new(json, "known_bad", json_true());
    json_object_set_new(json, "failed_probe", text_or_null(record->failed_probe));
    json_object_set_new(json, "reason", text_or_null(record->cause));
    json_object_set_new(json, "started", time_or_null(record->started));
    json_object_set_new(json, "finished", time_or_null(record->finished));
    json_object_set_new(json, "services", public_services(record));
    json_object_set(json, "seconds", record->seconds);
    json_object_set_new(json, "snapshot", text_or_null(record->snapshot));
    json_object_set_new(json, "lost", record->lost ? json_incref(record->lost) : json_array());
    json_object_set_new(json, "quarantine", public_quarantine(record));
    json_t *notes = json_array();
    for (size_t i = 0; record->notes && record->notes[i]; i++)
        json_array_append_new(notes, json_text_string(record->notes[i]));
    json_object_set_new(json, "notes", notes);
    json_object_set_new(json, "probes", record->reports ? json_incref(record->reports) : json_array());
    return json;
}

struct record_service *record_service(const struct record *record, const char *service) {
    for (size_t i = 0; i < record->services_count; i++)
        if (string_equal(record->services[i].service, service))
            return &record->services[i];
    return NULL;
}

struct record_service *record_gate(const struct record *record) {
    for (size_t i = 0; i < record->services_count; i++)
        if (record->services[i].gate)
            return &record->services[i];
    return NULL;
}

void record_seconds(struct record *record, const char *name, usec_t duration) {
    usec_t milliseconds = duration / USEC_PER_MSEC; /* finer is noise */
    json_object_set_new(record->seconds, name, json_real((double)milliseconds / 1000.0));
}

void record_serves(struct record *record) {
    usec_t now = clock_realtime();
    if (record->down_since && now > record->down_since) {
        double before = json_number_value(json_object_get(record->seconds, "downtime"));
        record_seconds(record, "downtime",
                       now - record->down_since + (usec_t)(before * (double)USEC_PER_SEC));
    }
    record->down_since = 0;
    if (record->undone && now > record->undone && !json_object_get(record->seconds, "rollback"))
        record_seconds(record, "rollback", now - record->undone);
}

void record_note(struct record *record, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    if (!strings_contain(record->notes, text))
        strings_append(&record->notes, text);
}
