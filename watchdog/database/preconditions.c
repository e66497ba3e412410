/* Preconditions of an upgrade. See preconditions.h. */

#include "watchdog/database/preconditions.h"

#include <errno.h>
#include <inttypes.h>

#include "watchdog/base/json.h"
#include "watchdog/database/catalog.h"
#include "watchdog/database/clone.h"
#include "watchdog/docker/container.h"

#define ROOM_LEAST ((uint64_t)256 << 20) /* for the log that the work itself writes */

/* What the looks share. */
struct looks {
    struct server *server;
    PGconn *connection;
    usec_t deadline;
    struct server_facts facts;
    struct database *databases; /* those that are there */
    size_t databases_count;
    char *oids; /* theirs, as an array literal */
    char *const *addresses;
    uint64_t free_bytes;
    struct finding **findings;
    size_t *count;
};

static void find(struct looks *looks, const char *name, bool ok, bool advisory, const char *cure,
                 const char *sentence) {
    findings_add(looks->findings, looks->count, name, ok, advisory, cure, "%s", sentence);
}

/* Rows of one text column, joined; "" when there are none. */
static int rows(PGconn *connection, usec_t deadline, const char *sql, const char *parameter, char **ret,
                struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    struct buffer all = { 0 };
    int r = parameter ? server_query(connection, deadline, &result, err, sql, SQL_VALUES(parameter))
                      : server_query(connection, deadline, &result, err, sql, SQL_NONE);
    if (r < 0)
        return r;
    for (int i = 0; i < PQntuples(result); i++)
        buffer_printf(&all, "%s%s", i ? ", " : "", sql_text(result, i, 0) ? sql_text(result, i, 0) : "");
    *ret = buffer_take(&all);
    return 0;
}

/* A query whose rows are what must not be there. */
static int none_of(struct looks *looks, const char *name, bool advisory, const char *good, const char *bad,
                   const char *cure, const char *sql, struct error *err) {
    _cleanup_free_ char *found = NULL;
    int r = rows(looks->connection, looks->deadline, sql, looks->oids, &found, err);
    if (r < 0)
        return error_prefix(err, "cannot look for \"%s\"", name);
    _cleanup_free_ char *sentence = *found ? xasprintf("%s: %s", bad, found) : xstrdup(good);
    find(looks, name, !*found, advisory, cure, sentence);
    return 0;
}

static int look_server(struct looks *looks, struct error *err) {
    (void)err;
    const struct server_facts *facts = &looks->facts;
    findings_add(looks->findings, looks->count, "database-server", facts->version_number >= 130000, false,
                 "PostgreSQL 13 or newer is needed", "PostgreSQL %s answers", facts->version);
    find(looks, "database-primary", !facts->in_recovery, false, "name the primary server as the database",
         facts->in_recovery ? "the server is a standby: nothing can be written to it" : "it is no standby");
    find(looks, "database-fsync", facts->fsync, false,
         "set fsync = on: without it a power cut can destroy the clone, and the database",
         facts->fsync ? "what is committed is on disk" : "the server runs with fsync = off");
    find(looks, "database-full-page-writes", facts->full_page_writes, true, "set full_page_writes = on",
         facts->full_page_writes ? "pages torn by a power cut are mended"
                                 : "the server runs with full_page_writes = off");
    return 0;
}

static int look_rights(struct looks *looks, struct error *err) {
    _cleanup_free_ char *foreign = NULL;
    if (looks->facts.is_superuser) {
        find(looks, "database-rights", true, false, "", "our role is a superuser");
        return 0;
    }
    int r = rows(looks->connection, looks->deadline,
                 "SELECT format('%s (of %s)', datname, pg_get_userbyid(datdba)) FROM pg_database"
                 " WHERE oid = ANY ($1::oid[]) AND NOT pg_has_role(datdba, 'USAGE') ORDER BY 1",
                 looks->oids, &foreign, err);
    if (r < 0)
        return r;
    findings_add(looks->findings, looks->count, "database-rights",
                 looks->facts.may_create_databases && !*foreign, false,
                 "ALTER ROLE … CREATEDB, and GRANT the owner to it (or name a superuser in User=)",
                 "the role \"%s\" may%s create databases%s%s", looks->facts.user,
                 looks->facts.may_create_databases ? "" : " not",
                 *foreign ? ", and does not own " : " and owns all of them", foreign);
    return none_of(looks, "database-sessions-rights", false, "our role may end the sessions of others",
                   "our role may not end the sessions of others", "GRANT pg_signal_backend to it",
                   "SELECT current_user FROM (SELECT $1::text) p"
                   " WHERE NOT pg_has_role('pg_signal_backend', 'USAGE')",
                   err);
}

static int look_state(struct looks *looks, struct error *err) {
    static const struct {
        const char *name, *good, *bad, *cure, *sql;
        bool advisory;
    } states[] = {
        { "database-valid", "the databases are valid", "marked invalid by an interrupted DROP DATABASE",
          "restore them from a backup",
          "SELECT datname FROM pg_database WHERE oid = ANY ($1::oid[]) AND datconnlimit = -2", false },
        { "database-open", "the databases accept connections", "these refuse connections",
          "ALTER DATABASE … ALLOW_CONNECTIONS true, if that was not on purpose",
          "SELECT datname FROM pg_database WHERE oid = ANY ($1::oid[]) AND NOT datallowconn", false },
        { "database-prepared", "there are no prepared transactions",
          "prepared transactions hold a database: it can be neither cloned nor renamed",
          "COMMIT PREPARED or ROLLBACK PREPARED them",
          "SELECT format('%s in %s', p.gid, p.database) FROM pg_prepared_xacts p JOIN pg_database d"
          " ON d.datname = p.database WHERE d.oid = ANY ($1::oid[]) ORDER BY 1",
          false },
        { "database-slots", "there are no logical replication slots",
          "logical replication slots would stay with the failed database after a rollback",
          "drop them, or upgrade by hand",
          "SELECT format('%s in %s', s.slot_name, s.database) FROM pg_replication_slots s"
          " WHERE s.datoid = ANY ($1::oid[]) AND s.slot_type = 'logical' ORDER BY 1",
          false },
        { "database-subscriptions", "there are no subscriptions", "a clone does not carry subscriptions",
          "drop them, or upgrade by hand",
          "SELECT format('%s in %s', s.subname, d.datname) FROM pg_subscription s JOIN pg_database d"
          " ON d.oid = s.subdbid WHERE d.oid = ANY ($1::oid[]) ORDER BY 1",
          false },
        { "database-owners", "all objects of the cluster that a clone needs are there",
          "these have an owner that is no role any more", "ALTER DATABASE … OWNER TO",
          "SELECT datname FROM pg_database WHERE oid = ANY ($1::oid[])"
          " AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = datdba)",
          false },
    };
    int r = 0;
    for (size_t i = 0; r >= 0 && i < ELEMENTS(states); i++)
        r = none_of(looks, states[i].name, states[i].advisory, states[i].good, states[i].bad, states[i].cure,
                    states[i].sql, err);
    return r;
}

/* Version 15 on. A mismatch is no obstacle to us, but a person should know: indexes on text may be wrong. */
static int look_collation(struct looks *looks, struct error *err) {
    if (PQserverVersion(looks->connection) < 150000)
        return 0;
    return none_of(looks, "database-collation", true,
                   "the collations are those that the indexes were built with",
                   "the system's collations have changed since the indexes were built",
                   "REINDEX DATABASE, then ALTER DATABASE … REFRESH COLLATION VERSION",
                   "SELECT format('%s (%s, now %s)', datname, datcollversion,"
                   " pg_database_collation_actual_version(oid)) FROM pg_database"
                   " WHERE oid = ANY ($1::oid[]) AND datcollversion IS DISTINCT FROM"
                   " pg_database_collation_actual_version(oid) ORDER BY 1",
                   err);
}

/* Extensions that act by themselves: their workers come back as soon as a fence is lifted. */
static int look_schedulers(struct looks *looks, struct error *err) {
    _cleanup_buffer_ struct buffer found = { 0 };
    for (size_t i = 0; i < looks->databases_count; i++) {
        const struct database *database = &looks->databases[i];
        _cleanup_connection_ PGconn *inside = NULL;
        _cleanup_free_ char *names = NULL;
        if (!database->allows_connections)
            continue;
        int r = server_connect(looks->server, database->name, looks->deadline, &inside, err);
        if (r >= 0)
            r = rows(inside, looks->deadline,
                     "SELECT extname FROM pg_extension WHERE extname IN"
                     " ('pg_cron', 'pg_partman', 'timescaledb', 'pg_timetable') ORDER BY 1",
                     NULL, &names, err);
        if (r < 0)
            return r;
        if (*names)
            buffer_printf(&found, "%s%s in %s", found.size ? ", " : "", names, database->name);
    }
    _cleanup_free_ char *sentence = found.size
                                        ? xasprintf("extensions that act by themselves: %s", found.text)
                                        : xstrdup("no extension acts by itself");
    find(looks, "database-schedulers", found.size == 0, true,
         "see that none of their jobs runs in the upgrade's window", sentence);
    return 0;
}

/* Others in the same database lose what they write, when a rollback comes. */
static int look_sessions(struct looks *looks, struct error *err) {
    static const char query[] =
        "SELECT DISTINCT format('%s from %s%s in %s', a.usename, coalesce(host(a.client_addr), 'a socket'),"
        " ' with ' || nullif(a.application_name, ''), a.datname) FROM pg_stat_activity a"
        " WHERE a.datid = ANY ($1::oid[]) AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()"
        " AND left(a.application_name, 16) <> 'upgrade-watchdog'"
        " AND ($3 OR NOT coalesce(a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1', true))"
        " AND NOT coalesce(host(a.client_addr) = ANY ($2::text[]), false) ORDER BY 1";
    /* what comes from inside of the database's container is its health check, from inside of another host
     * somebody's */
    const char *elsewhere = server_parameters(looks->server) ? "true" : "false";
    if (!looks->addresses)
        return 0;
    _cleanup_free_ char *blind = NULL;
    int r = rows(
        looks->connection, looks->deadline,
        "SELECT current_user FROM (SELECT $1::text) p WHERE NOT pg_has_role('pg_read_all_stats', 'USAGE')",
        looks->oids, &blind, err);
    if (r < 0)
        return r;
    if (*blind) {
        find(looks, "database-sessions", false, true, "GRANT pg_read_all_stats to it",
             "whether others than the application use its database is not known: our role does not see who "
             "they are");
        return 0;
    }
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *joined = strings_join(looks->addresses, ","), *list = xasprintf("{%s}", joined);
    r = server_query(looks->connection, looks->deadline, &result, err, query,
                     SQL_VALUES(looks->oids, list, elsewhere));
    if (r < 0)
        return r;
    _cleanup_buffer_ struct buffer found = { 0 };
    for (int i = 0; i < PQntuples(result); i++)
        buffer_printf(&found, "%s%s", i ? ", " : "", sql_text(result, i, 0));
    _cleanup_free_ char *sentence =
        found.size ? xasprintf("others than the application's containers use its database: %s", found.text)
                   : xstrdup("nobody but the application uses its database");
    find(looks, "database-sessions", found.size == 0, false,
         "end them; what they write between the switch and a rollback would be lost", sentence);
    return 0;
}

static int look_room(struct looks *looks, struct error *err) {
    (void)err;
    uint64_t size = 0;
    for (size_t i = 0; i < looks->databases_count; i++)
        size += looks->databases[i].size;
    uint64_t needed = size + size / 10 + ROOM_LEAST;
    if (looks->free_bytes == UINT64_MAX) {
        find(looks, "database-room", false, true, "see that there is room for one more copy of the databases",
             "the free room of the server's data directory is not known");
        return 0;
    }
    findings_add(looks->findings, looks->count, "database-room", looks->free_bytes >= needed, false,
                 "free some room on the file system of the data directory",
                 "a clone needs %" PRIu64 " MiB, %" PRIu64 " MiB are free", needed >> 20,
                 looks->free_bytes >> 20);
    return 0;
}

static int look_leftovers(struct looks *looks, struct error *err) {
    struct leftover *leftovers = NULL;
    size_t count = 0;
    int r = leftovers_find(looks->connection, looks->deadline, &leftovers, &count, err);
    if (r < 0)
        return r;
    _cleanup_buffer_ struct buffer found = { 0 };
    for (size_t i = 0; i < count; i++)
        buffer_printf(&found, "%s%s (%" PRIu64 " MiB)", i ? ", " : "", leftovers[i].path,
                      leftovers[i].size >> 20);
    leftovers_free(leftovers, count);
    _cleanup_free_ char *sentence =
        found.size ? xasprintf("files in the data directory belong to no database: %s", found.text)
                   : xstrdup("no files of killed clones lie about");
    find(looks, "database-leftovers", found.size == 0, true,
         "when no CREATE DATABASE runs, they can be removed by hand", sentence);
    return 0;
}

static int (*const all_looks[])(struct looks *looks, struct error *err) = {
    look_server,     look_rights,   look_state, look_collation,
    look_schedulers, look_sessions, look_room,  look_leftovers,
};

/* The databases by name; one that is not there is a finding. */
static int find_databases(struct looks *looks, char *const *names, struct error *err) {
    _cleanup_buffer_ struct buffer oids = { 0 };
    looks->databases = xcalloc(strings_count(names), sizeof(*looks->databases));
    for (size_t i = 0; names && names[i]; i++) {
        struct database *database = &looks->databases[looks->databases_count];
        int r = database_by_name(looks->connection, names[i], looks->deadline, database, err);
        if (r < 0 && r != -ENOENT)
            return r;
        findings_add(looks->findings, looks->count, "database-exists", r >= 0, false,
                     "correct Name= in the section [Database]", "the database \"%s\" %s", names[i],
                     r < 0 ? "is not there" : "is there");
        if (r < 0)
            continue;
        buffer_printf(&oids, "%s%" PRIu32, oids.size ? "," : "", database->oid);
        looks->databases_count++;
    }
    looks->oids = xasprintf("{%s}", oids.text ? oids.text : "");
    return 0;
}

static int look_all(struct looks *looks, char *const *names, struct error *err) {
    int r = server_connect(looks->server, NULL, looks->deadline, &looks->connection, err);
    if (r >= 0)
        r = server_facts_read(looks->connection, looks->deadline, &looks->facts, err);
    if (r >= 0)
        r = find_databases(looks, names, err);
    for (size_t i = 0; r >= 0 && i < ELEMENTS(all_looks); i++)
        r = all_looks[i](looks, err);
    return r;
}

int preconditions_look(struct server *server, char *const *names, char *const *addresses, uint64_t free_bytes,
                       usec_t deadline, struct finding **ret, size_t *ret_count, struct error *err) {
    struct finding *findings = NULL;
    size_t count = 0;
    struct looks looks = { .server = server,
                           .deadline = deadline,
                           .addresses = addresses,
                           .free_bytes = free_bytes,
                           .findings = &findings,
                           .count = &count };
    int r = look_all(&looks, names, err);
    PQfinish(looks.connection);
    server_facts_done(&looks.facts);
    databases_free(looks.databases, looks.databases_count);
    free(looks.oids);
    if (r < 0) {
        findings_free(findings, count);
        return error_prefix(err, "cannot look at the database server");
    }
    *ret = findings;
    *ret_count = count;
    return 0;
}

static bool is_on_host_network(const struct container *container) {
    return string_equal(json_get_string(json_path(container->inspect, "HostConfig"), "NetworkMode", ""),
                        "host");
}

char **preconditions_addresses(const struct container *containers, size_t count) {
    /* who is on the host's own network comes by the bridge */
    static const char *const keys[] = { "IPAddress", "GlobalIPv6Address", "Gateway", "IPv6Gateway" };
    size_t wanted = 2;
    char **addresses = NULL;
    for (size_t i = 0; i < count; i++)
        if (is_on_host_network(&containers[i]))
            wanted = ELEMENTS(keys);
    for (size_t i = 0; i < count; i++) {
        json_t *networks = json_path(containers[i].inspect, "NetworkSettings.Networks"), *network;
        const char *name;
        json_object_foreach(networks, name, network) {
            for (size_t k = 0; k < wanted; k++) {
                const char *address = json_get_string(network, keys[k], "");
                if (*address && !strings_contain(addresses, address))
                    strings_append(&addresses, address);
            }
        }
    }
    return addresses ? addresses : xcalloc(1, sizeof(*addresses));
}
