/* How much was written. See statistics.h. */

#include "watchdog/database/statistics.h"

#include <inttypes.h>
#include <string.h>

#include "watchdog/base/json.h"

/* Tables whose rows a dump carries: no member of an extension (but for those that it declares as
 * configuration, which is its own affair), no temporary table. */
#define TABLES_WHERE                                                                                         \
    " c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')" \
    " AND n.nspname NOT LIKE 'pg\\_toast%' AND NOT EXISTS (SELECT FROM pg_depend e"                          \
    " WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e')"

static int count_rows(PGconn *connection, const char *table, usec_t deadline, json_int_t *ret,
                      struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *sql = xasprintf("SELECT count(*) FROM ONLY %s", table);
    int r = server_query(connection, deadline, &result, err, sql, SQL_NONE);
    if (r < 0)
        return error_prefix(err, "cannot count the rows of %s", table);
    *ret = (json_int_t)sql_integer(result, 0, 0);
    return 0;
}

int tables_count(PGconn *connection, usec_t deadline, json_t **ret, struct error *err) {
    static const char query[] = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c"
                                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE" TABLES_WHERE
                                " UNION ALL SELECT 'pg_catalog.pg_largeobject_metadata' ORDER BY 1";
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_json_ json_t *counts = json_object();
    int r = server_query(connection, deadline, &result, err, query, SQL_NONE);
    for (int i = 0; r >= 0 && i < PQntuples(result); i++) {
        json_int_t rows = 0;
        const char *table = sql_text(result, i, 0);
        r = count_rows(connection, table, deadline, &rows, err);
        if (r >= 0 && json_object_set_new(counts, table, json_integer(rows)) < 0)
            abort();
    }
    if (r < 0)
        return r;
    *ret = take_ptr(counts);
    return 0;
}

int statistics_read(PGconn *connection, uint64_t count_limit, usec_t deadline, json_t **ret,
                    struct error *err) {
    static const char query[] =
        "SELECT format('%I.%I', n.nspname, c.relname), pg_stat_get_tuples_inserted(c.oid),"
        " pg_stat_get_tuples_updated(c.oid), pg_stat_get_tuples_deleted(c.oid),"
        " pg_table_size(c.oid) <= $1::numeric AND has_table_privilege(c.oid, 'SELECT')"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE" TABLES_WHERE " ORDER BY 1";
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_json_ json_t *statistics = json_object();
    _cleanup_free_ char *limit = xasprintf("%" PRIu64, count_limit);
    int r = server_query(connection, deadline, &result, err, query, SQL_VALUES(limit));
    for (int i = 0; r >= 0 && i < PQntuples(result); i++) {
        const char *table = sql_text(result, i, 0);
        json_int_t rows = 0;
        json_t *entry = json_pack("{s:I, s:I, s:I}", "added", (json_int_t)sql_integer(result, i, 1),
                                  "changed", (json_int_t)sql_integer(result, i, 2), "deleted",
                                  (json_int_t)sql_integer(result, i, 3));
        if (!entry || json_object_set_new(statistics, table, entry) < 0)
            abort();
        if (sql_boolean(result, i, 4) && (r = count_rows(connection, table, deadline, &rows, err)) >= 0)
            json_object_set_new(entry, "rows", json_integer(rows));
    }
    if (r < 0)
        return error_prefix(err, "cannot read the statistics of the tables");
    *ret = take_ptr(statistics);
    return 0;
}

struct counts {
    json_int_t added, changed, deleted, rows; /* rows -1: not known */
};

static struct counts counts_of(const json_t *entry) {
    return (struct counts){ json_get_integer(entry, "added", 0), json_get_integer(entry, "changed", 0),
                            json_get_integer(entry, "deleted", 0), json_get_integer(entry, "rows", -1) };
}

/* The counters' difference, put right by exact counts where there are two. */
static struct counts difference_of(struct counts before, struct counts after) {
    bool reset =
        after.added < before.added || after.changed < before.changed || after.deleted < before.deleted;
    struct counts lost = { .added = after.added, .changed = after.changed, .deleted = after.deleted };
    if (!reset) {
        lost.added -= before.added;
        lost.changed -= before.changed;
        lost.deleted -= before.deleted;
    }
    if (before.rows < 0 || after.rows < 0)
        return lost;
    json_int_t net = after.rows - before.rows;
    if (lost.added - lost.deleted > net) {
        /* More came, by the counters, than is there: rolled back, where the table did not shrink; else a
         * TRUNCATE, which no counter sees. */
        if (net >= 0)
            lost.added = net + lost.deleted;
        else
            lost.deleted = lost.added - net;
    } else if (lost.added - lost.deleted < net) {
        /* less came than is there: a crash has taken counts away, or a deletion was rolled back */
        lost.added = net + lost.deleted;
    }
    return lost;
}

static void append(json_t *list, const char *table, struct counts lost) {
    if (!lost.added && !lost.changed && !lost.deleted)
        return;
    if (json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I}", "table", table, "added", lost.added,
                                              "changed", lost.changed, "deleted", lost.deleted)) < 0)
        abort();
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *statistics_difference(const json_t *before, const json_t *after) {
    json_t *list = json_array();
    json_t *all = json_object();
    const char *table;
    json_t *entry;
    /* the names of both, in order */
    json_object_update(all, (json_t *)(uintptr_t)before);
    json_object_update(all, (json_t *)(uintptr_t)after);
    size_t count = json_object_size(all), i = 0;
    const char **names = xcalloc(count, sizeof(*names));
    json_object_foreach(all, table, entry) names[i++] = table;
    qsort(names, count, sizeof(*names), compare_names);
    for (i = 0; i < count; i++) {
        const json_t *was = json_object_get(before, names[i]), *is = json_object_get(after, names[i]);
        struct counts lost;
        if (was && is)
            lost = difference_of(counts_of(was), counts_of(is));
        else if (is) /* a new table: what is in it, where that is known */
            lost = difference_of((struct counts){ 0 }, counts_of(is));
        else /* dropped */
            lost = (struct counts){ .deleted = counts_of(was).rows < 0 ? 0 : counts_of(was).rows };
        append(list, names[i], lost);
    }
    free(names);
    json_decref(all);
    return list;
}
