/* Steps on the database: clone, count, swap. Everything by OID; what stands is read from the catalogue. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/clone.h"
#include "watchdog/database/dump.h"
#include "watchdog/database/fence.h"
#include "watchdog/database/roles.h"
#include "watchdog/database/statistics.h"
#include "watchdog/database/swap.h"
#include "watchdog/transaction/beside.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define SESSIONS_TIME USEC_PER_MINUTE

static char *roles_path(const struct context *context) {
    return state_transaction_path(context->state, context->record->id, "roles.json");
}

static int save_roles(struct context *context, struct error *err) {
    _cleanup_json_ json_t *roles = NULL;
    int r = roles_read(context->maintenance, context_deadline(context, CALL_TIME), &roles, err);
    if (r < 0)
        return r;
    _cleanup_free_ char *text = json_text(roles), *path = roles_path(context);
    return durable_write(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static void save_speed(const struct context *context, uint64_t speed) {
    _cleanup_free_ char *path = state_path(context->state, "clone-speed");
    _cleanup_free_ char *text = xasprintf("%llu\n", (unsigned long long)speed);
    if (speed)
        durable_write(AT_FDCWD, path, text, strlen(text), 0600, NULL);
}

static int clone_database(struct context *context, struct record_database *database, struct error *err) {
    _cleanup_database_ struct database source = { 0 };
    _cleanup_fingerprint_ struct fingerprint print = { 0 };
    int r = database_by_oid(context->maintenance, database->oid, context_deadline(context, CALL_TIME),
                            &source, err);
    if (r >= 0 && !string_equal(source.name, database->name))
        r = error_set(err, ESTALE, "the database \"%s\" is not the one that it was", database->name);
    if (r < 0)
        return r;
    usec_t begun = clock_boottime();
    context_progress(context, 0, 0, "clone %s", database->name);
    r = clone_create(context->maintenance, &source, database->clone, database->clone_mark, context->deadline,
                     &print, err);
    if (r < 0)
        return r;
    save_speed(context, clone_speed(source.size, clock_boottime() - begun));
    json_decref(database->clone_print);
    database->clone_print = fingerprint_to_json(&print);
    /* As of the freeze: a comment or setting may have changed since the preflight. */
    source.allows_connections = true;
    json_decref(database->attributes);
    database->attributes = database_to_json(&source);
    return 0;
}

int step_clone(struct context *context, struct error *err) {
    struct record *record = context->record;
    usec_t begun = clock_boottime();
    int r = context_open_maintenance(context, err);
    if (r >= 0)
        r = save_roles(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = clone_database(context, &record->databases[i], err);
    if (r < 0)
        return error_prefix(err, "cannot clone the database");
    record_seconds(record, "clone", clock_boottime() - begun);
    return context_record(context, err);
}

static int print_oid(const json_t *print, uint32_t *ret) {
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    int r = print ? fingerprint_from_json(print, &fingerprint, NULL) : -ENOENT;
    *ret = r < 0 ? 0 : fingerprint.oid;
    return r;
}

/* What the name shall belong to after the undo: the restored dump where there is one, else the clone. */
static uint32_t target_oid(const struct record_database *database) {
    uint32_t oid = 0;
    if (print_oid(database->restored_print, &oid) < 0)
        print_oid(database->clone_print, &oid);
    return oid;
}

int step_see_identity(struct context *context, struct error *err) {
    _cleanup_free_ struct database_identity *list = NULL;
    size_t count = 0;
    int r = database_holders(context, &list, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (list[i].oid != target_oid(&context->record->databases[i])) {
            error_set(err, ESTALE, "\"%s\" is not the restored database", list[i].name);
            r = 1;
        }
    return r;
}

static int count_database(struct context *context, const struct record_database *database, json_t *lost,
                          struct error *err) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_json_ json_t *now = NULL;
    usec_t deadline = context_deadline(context, STATISTICS_TIME);
    if (!database->written_before)
        return error_set(err, ENODATA, "what was written before is not known");
    int r = server_connect(context->server, database->name, deadline, &connection, err);
    if (r >= 0)
        r = statistics_read(connection, STATISTICS_COUNT_LIMIT, deadline, &now, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *difference = statistics_difference(database->written_before, now);
    size_t i;
    json_t *table;
    if (context->record->databases_count > 1)
        json_array_foreach(difference, i, table)
            json_object_set_new(table, "database", json_text_string(database->name));
    json_array_extend(lost, difference);
    return 0;
}

/* At three in the morning "lost" means somebody's work. */
static void note_whose_writes(struct record *record) {
    const struct record_service *gate = record_gate(record);
    if (gate && record->gate == GATE_SHUT && !record->gate_by_hand && json_array_size(record->lost) > 0)
        record_note(
            record,
            "the gate \"%s\" was shut all the time: nobody came in by it, and what is lost is what the "
            "new release and the probes wrote",
            gate->service);
}

int step_count_writes(struct context *context, struct error *err) {
    struct record *record = context->record;
    if (record->lost || record->lost_unknown)
        return 0;
    json_t *lost = json_array();
    int r = context_open_maintenance(context, err);
    if (r < 0)
        return r;
    beside_tell(context);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = count_database(context, &record->databases[i], lost, err);
    if (r < 0) {
        record->lost_unknown = true;
        record_note(record, "what the rollback loses could not be counted: %s", error_text(err));
        json_decref(lost);
        error_done(err);
    } else {
        record->lost = lost;
        note_whose_writes(record);
    }
    return context_record(context, err);
}

/* The swap of one database as things stand. The attributes live in *ret_recorded, the caller's. */
static int make_swap(const struct record_database *database, struct database *ret_recorded, struct swap *ret,
                     struct error *err) {
    int r = database_from_json(database->attributes, ret_recorded, err);
    if (r < 0)
        return r;
    *ret = (struct swap){ ret_recorded, database->current ? database->current : database->oid,
                          target_oid(database), database->failed };
    return 0;
}

/* The release may have dropped the database and made another of its name: that one is what steps aside then.
 */
static int adopt_holder(struct context *context, struct record_database *database, struct error *err) {
    _cleanup_database_ struct database recorded = { 0 };
    struct swap swap;
    enum swap_state state;
    uint32_t holder = 0;
    int r = make_swap(database, &recorded, &swap, err);
    if (r >= 0)
        r = swap_look(context->maintenance, &swap, context_deadline(context, CALL_TIME), &state, &holder,
                      err);
    if (r < 0 || state != SWAP_NAME_FOREIGN || holder == database->current)
        return r;
    _cleanup_free_ char *elsewhere = NULL;
    if (database_name(context->maintenance, database->current, context_deadline(context, CALL_TIME),
                      &elsewhere, NULL) >= 0)
        record_note(context->record,
                    "the release had renamed the database \"%s\" to \"%s\" and made another one: it stays, "
                    "and lets nobody in",
                    database->name, elsewhere);
    else
        record_note(context->record, "the release had dropped the database \"%s\" and made it again",
                    database->name);
    database->current = holder;
    return context_record(context, err);
}

static int usable(struct context *context, const json_t *print, struct error *err) {
    _cleanup_fingerprint_ struct fingerprint fingerprint = { 0 };
    if (!print) {
        error_set(err, ENOENT, "there is none");
        return 0;
    }
    int r = fingerprint_from_json(print, &fingerprint, err);
    return r < 0 ? r
                 : fingerprint_check(context->maintenance, &fingerprint, context_deadline(context, CALL_TIME),
                                     err);
}

static int restore_dump(struct context *context, struct record_database *database, struct error *err) {
    _cleanup_database_ struct database recorded = { 0 };
    _cleanup_dump_ struct dump dump = { 0 };
    _cleanup_fingerprint_ struct fingerprint print = { 0 };
    int r = context_open_snapshot(context, err);
    if (r < 0)
        return r;
    size_t i;
    const json_t *entry, *found = NULL;
    json_array_foreach(json_get_array(context->snapshot->document, "databases"), i,
                       entry) if (string_equal(json_get_string(entry, "name", ""), database->name)) found =
        entry;
    if ((r = dump_from_json(json_path(found, "details.dump"), &dump, err)) < 0 ||
        (r = database_from_json(database->attributes, &recorded, err)) < 0)
        return error_prefix(err, "the snapshot's dump of \"%s\"", database->name);
    _cleanup_free_ char *path = snapshot_dump_path(context->snapshot, database->name);
    context_progress(context, 0, dump.file.bytes, "restore the dump of %s", database->name);
    r = dump_restore(context->programs, context->server, context->maintenance, path, &dump, &recorded,
                     database->restored, database->restored_mark, NULL, context->deadline, &print, err);
    if (r < 0)
        return error_prefix(err, "cannot restore the dump of \"%s\"", database->name);
    database->restored_print = fingerprint_to_json(&print);
    return context_record(context, err);
}

static int prepare_database(struct context *context, struct record_database *database, struct error *err) {
    struct record *record = context->record;
    int r = adopt_holder(context, database, err);
    if (r < 0)
        return r;
    _cleanup_free_ struct database_identity *list = NULL;
    size_t count;
    if ((r = database_holders(context, &list, &count, err)) < 0)
        return r;
    uint32_t target = target_oid(database);
    for (size_t i = 0; target && i < count; i++)
        if (list[i].oid == target)
            return 0; /* swapped already: the catalogue says so */
    if (database->restored_print && (r = usable(context, database->restored_print, err)) != 0)
        return r < 0 ? r : 0;
    json_decref(database->restored_print);
    database->restored_print = NULL;
    r = usable(context, database->clone_print, err);
    if (r != 0)
        return r < 0 ? r : 0;
    record_note(
        record,
        "the clone of \"%s\" cannot be used (%s): the dump of the snapshot is restored, and what was written "
        "after it until the switch is in the quarantined database",
        database->name, error_text(err));
    error_done(err);
    return restore_dump(context, database, err);
}

int step_prepare_databases(struct context *context, struct error *err) {
    struct record *record = context->record;
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = prepare_database(context, &record->databases[i], err);
    /* What stands under the names now is fenced and empty of sessions before it is moved. */
    if (r >= 0)
        r = step_fence(context, err);
    return r < 0 ? r : step_end_sessions(context, err);
}

int step_swap(struct context *context, struct error *err) {
    struct record *record = context->record;
    struct database *recorded = xcalloc(record->databases_count, sizeof(*recorded));
    struct swap *swaps = xcalloc(record->databases_count, sizeof(*swaps));
    usec_t begun = clock_boottime();
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = make_swap(&record->databases[i], &recorded[i], &swaps[i], err);
    if (r >= 0)
        r = databases_swap(context->maintenance, swaps, record->databases_count,
                           context_deadline(context, SESSIONS_TIME), err);
    for (size_t i = 0; i < record->databases_count; i++)
        database_done(&recorded[i]);
    free(recorded);
    free(swaps);
    if (r < 0)
        return error_prefix(err, "cannot swap the databases");
    if (r == 0)
        return 0; /* done before, in a run that died */
    record_seconds(record, "swap", clock_boottime() - begun);
    return context_record(context, err);
}

/* On a server that is not the application's own they are somebody else's, who is told. */
static int compare_roles(struct context *context, const json_t *before, json_t **ret_told,
                         struct error *err) {
    _cleanup_json_ json_t *after = NULL;
    int r = roles_read(context->maintenance, context_deadline(context, CALL_TIME), &after, err);
    if (r >= 0)
        *ret_told = roles_difference(before, after);
    return r;
}

int step_restore_roles(struct context *context, struct error *err) {
    _cleanup_free_ char *path = roles_path(context), *text = NULL;
    _cleanup_json_ json_t *before = NULL, *told = NULL;
    bool external = context->settings->database.url != NULL;
    size_t size;
    if (context->record->kind != KIND_UPGRADE)
        return 0;
    int r = file_read(AT_FDCWD, path, (size_t)64 * 1024 * 1024, &text, &size, err);
    if (r >= 0)
        r = json_parse(text, size, path, &before, err);
    if (r >= 0)
        r = context_open_maintenance(context, err);
    if (r >= 0)
        r = external ? compare_roles(context, before, &told, err)
                     : roles_restore(context->maintenance, before, context_deadline(context, SESSIONS_TIME),
                                     &told, err);
    if (r < 0) {
        /* Not a part of the application's data: told, and gone on without. */
        record_note(context->record, "roles of the cluster could not be compared: %s", error_text(err));
        error_done(err);
    }
    size_t i;
    const json_t *sentence;
    json_array_foreach(told, i, sentence)
        record_note(context->record, "%s%s", json_string_value(sentence),
                    external ? "; left as it is, for the server is not the application's own" : "");
    return told || r < 0 ? context_record(context, err) : 0;
}

/* Drops what stands under the clone's name, whether its OID was recorded or not: the name is this
 * transaction's alone. */
static int drop_clone(struct context *context, const struct record_database *database, const char *name,
                      struct error *err) {
    uint32_t oid = 0;
    int r = database_oid(context->maintenance, name, context_deadline(context, CALL_TIME), &oid, err);
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    if (r < 0)
        return r;
    if (oid == database->oid || oid == database->current)
        return error_set(err, EEXIST, "\"%s\" is the application's own database", name);
    r = database_drop(context->maintenance, oid, name, context_deadline(context, SESSIONS_TIME), err);
    return r < 0 ? r : 0;
}

int step_drop_clone(struct context *context, struct error *err) {
    const struct record *record = context->record;
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++)
        r = drop_clone(context, &record->databases[i], record->databases[i].clone, err);
    return r < 0 ? error_prefix(err, "cannot drop the clone") : 0;
}

int step_settle_clone(struct context *context, struct error *err) {
    int r = context->settings->snapshot.keep_clone ? 0 : step_drop_clone(context, err);
    return r < 0 ? r : step_drop_holds(context, err);
}
