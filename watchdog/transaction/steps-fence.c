/* Steps that shut the database and open it again. What stands under which name is read from the catalogue. */

#include <errno.h>

#include "watchdog/database/catalog.h"
#include "watchdog/database/fence.h"
#include "watchdog/database/prepared.h"
#include "watchdog/database/statistics.h"
#include "watchdog/transaction/beside.h"
#include "watchdog/transaction/steps.h"

#define CALL_TIME (30 * USEC_PER_SEC)
#define SESSIONS_TIME USEC_PER_MINUTE

int database_holders(struct context *context, struct database_identity **ret, size_t *ret_count,
                     struct error *err) {
    const struct record *record = context->record;
    struct database_identity *list = xcalloc(record->databases_count, sizeof(*list));
    int r = context_open_maintenance(context, err);
    for (size_t i = 0; r >= 0 && i < record->databases_count; i++) {
        list[i].name = record->databases[i].name;
        r = database_oid(context->maintenance, list[i].name, context_deadline(context, CALL_TIME),
                         &list[i].oid, err);
        if (r == -ENOENT) {
            error_done(err);
            r = 0;
        }
    }
    if (r < 0) {
        free(list);
        return r;
    }
    *ret = list;
    *ret_count = record->databases_count;
    return 0;
}

/* What is to be shut: what holds the names, and the databases that did and were renamed since. */
struct shut {
    struct database_identity *list;
    size_t count;
    char **names; /* of those that were renamed */
};

static void shut_done(struct shut *shut) {
    free(shut->list);
    strings_free(shut->names);
}
#define _cleanup_shut_ __attribute__((cleanup(shut_done)))

static bool has_oid(const struct shut *shut, uint32_t oid) {
    for (size_t i = 0; i < shut->count; i++)
        if (shut->list[i].oid == oid)
            return true;
    return false;
}

/* A release may rename its database: then it is out of the name's way, but it is still the one to step aside.
 */
static int add_renamed(struct context *context, struct shut *shut, struct error *err) {
    const struct record *record = context->record;
    for (size_t i = 0; i < record->databases_count; i++) {
        uint32_t oid = record->databases[i].current;
        char *name = NULL;
        if (!oid || has_oid(shut, oid))
            continue;
        int r = database_name(context->maintenance, oid, context_deadline(context, CALL_TIME), &name, err);
        if (r == -ENOENT) {
            error_done(err);
            continue;
        }
        if (r < 0)
            return r;
        strings_append(&shut->names, name);
        free(name);
        shut->list = xrealloc(shut->list, shut->count + 1, sizeof(*shut->list));
        shut->list[shut->count++].oid = oid;
    }
    /* the names lie still from here on; those that were added come last, in the same order */
    size_t added = strings_count(shut->names);
    for (size_t i = 0; i < added; i++)
        shut->list[shut->count - added + i].name = shut->names[i];
    return 0;
}

static int find_shut(struct context *context, struct shut *shut, struct error *err) {
    int r = database_holders(context, &shut->list, &shut->count, err);
    if (r < 0)
        return r;
    size_t kept = 0;
    for (size_t i = 0; i < shut->count; i++)
        if (shut->list[i].oid)
            shut->list[kept++] = shut->list[i];
    shut->count = kept;
    return add_renamed(context, shut, err);
}

static uint32_t *oids_of(const struct shut *shut) {
    uint32_t *oids = xcalloc(shut->count + 1, sizeof(*oids));
    for (size_t i = 0; i < shut->count; i++)
        oids[i] = shut->list[i].oid;
    return oids;
}

/* It is committed only inside its own database: behind a fence that a run before this one has set up, that is
 * lifted once more. Nobody is there to come in: the services are stopped. */
static int end_prepared(struct context *context, const struct database_identity *database,
                        const struct prepared *prepared, struct error *err) {
    _cleanup_connection_ PGconn *inside = NULL;
    usec_t deadline = context_deadline(context, CALL_TIME);
    bool standing = false;
    int r = fence_read(context->maintenance, database->oid, deadline, &standing, err);
    if (r >= 0 && standing)
        r = fence_set(context->maintenance, database, 1, false, deadline, err);
    if (r >= 0)
        r = server_connect(context->server, database->name, deadline, &inside, err);
    return r < 0 ? r : prepared_commit(inside, prepared, deadline, err);
}

/*
 * A transaction that the failed release has prepared and not ended holds its database: it could not be
 * renamed, and there would be no way back. None is older than the switch, since the preflight refuses them.
 * It is committed: what it wrote is then in the database that is quarantined, and a person can find it there.
 * Said before it is done.
 */
static int end_all_prepared(struct context *context, const struct shut *shut, struct error *err) {
    _cleanup_free_ uint32_t *oids = oids_of(shut);
    struct prepared *list = NULL;
    size_t count = 0;
    int r = prepared_find(context->maintenance, oids, shut->count, context_deadline(context, CALL_TIME),
                          &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++)
        record_note(context->record,
                    "the prepared transaction \"%s\" of \"%s\", from %s, held the database \"%s\": it is "
                    "committed, and what it wrote goes with that database into quarantine",
                    list[i].gid, list[i].owner, list[i].since, list[i].database);
    if (r >= 0 && count > 0)
        r = context_record(context, err);
    for (size_t i = 0; r >= 0 && i < count; i++)
        for (size_t k = 0; r >= 0 && k < shut->count; k++)
            if (shut->list[k].oid == list[i].oid)
                r = end_prepared(context, &shut->list[k], &list[i], err);
    prepared_free(list, count);
    return r;
}

int step_fence(struct context *context, struct error *err) {
    _cleanup_shut_ struct shut shut = { 0 };
    int r = find_shut(context, &shut, err);
    if (r >= 0 && context->record->phase == PHASE_UNDO_STOP)
        r = end_all_prepared(context, &shut, err);
    if (r >= 0 && shut.count > 0)
        r = fence_set(context->maintenance, shut.list, shut.count, true, context_deadline(context, CALL_TIME),
                      err);
    return r < 0 ? error_prefix(err, "cannot fence the database") : 0;
}

int step_end_sessions(struct context *context, struct error *err) {
    _cleanup_shut_ struct shut shut = { 0 };
    int r = find_shut(context, &shut, err);
    if (r < 0)
        return r;
    _cleanup_free_ uint32_t *oids = oids_of(&shut);
    return sessions_end(context->maintenance, oids, shut.count, context_deadline(context, SESSIONS_TIME),
                        err);
}

void database_remember_written(struct context *context) {
    struct record *record = context->record;
    /* no session to the maintenance database, which would stay: it may be template1, and then nobody could
     * make a database through the window */
    if (context_open_database(context, NULL) < 0)
        return;
    for (size_t i = 0; i < record->databases_count; i++) {
        _cleanup_connection_ PGconn *connection = NULL;
        json_t *statistics = NULL;
        usec_t deadline = context_deadline(context, STATISTICS_TIME);
        if (server_connect(context->server, record->databases[i].name, deadline, &connection, NULL) >= 0)
            statistics_read(connection, STATISTICS_COUNT_LIMIT, deadline, &statistics, NULL);
        json_decref(record->databases[i].written_before);
        record->databases[i].written_before = statistics;
    }
}

int step_lift(struct context *context, struct error *err) {
    _cleanup_free_ struct database_identity *list = NULL;
    size_t count = 0;
    int r = database_holders(context, &list, &count, err);
    for (size_t i = 0; r >= 0 && i < count; i++)
        if (!list[i].oid)
            r = error_set(err, ENOENT, "no database is called \"%s\"", list[i].name);
    if (r >= 0)
        r = fence_set(context->maintenance, list, count, false, context_deadline(context, CALL_TIME), err);
    if (r < 0)
        return error_prefix(err, "cannot lift the fence");
    if (context->record->phase == PHASE_SWITCH) {
        context->record->switched = clock_realtime();
        database_remember_written(context);
        beside_remember(context);
        return context_record(context, err);
    }
    return 0;
}
