/* Facts about the server. See facts.h. */

#include "watchdog/database/facts.h"

#include <errno.h>
#include <string.h>

void server_facts_done(struct server_facts *facts) {
    free(facts->version);
    free(facts->system_identifier);
    free(facts->user);
    free(facts->data_directory);
    free(facts->programs);
    strings_free(facts->socket_directories);
    *facts = (struct server_facts){ 0 };
}

static char *copy(const char *text) {
    return text ? xstrdup(text) : NULL;
}

/* The view is closed to most roles, and looking at it without the right is an error, not an empty answer. */
static int read_programs(PGconn *connection, usec_t deadline, char **ret, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    int r = server_query(connection, deadline, &result, err,
                         "SELECT setting FROM pg_config() WHERE name = 'BINDIR'", SQL_NONE);
    if (r >= 0 && PQntuples(result) == 1)
        *ret = copy(sql_text(result, 0, 0));
    return r;
}

/* A list of paths, each perhaps in quotes (unix_socket_directories). Abstract sockets ("@…") are none. */
static void split_directories(const char *text, char ***ret) {
    for (const char *at = text; at && *at;) {
        at += strspn(at, " ,\"");
        size_t size = strcspn(at, ",\"");
        while (size && at[size - 1] == ' ')
            size--;
        if (size && at[0] == '/')
            strings_appendf(ret, "%.*s", (int)size, at);
        at += size;
        at += strcspn(at, ",");
    }
}

int server_facts_read(PGconn *connection, usec_t deadline, struct server_facts *ret, struct error *err) {
    static const char query[] =
        "SELECT current_setting('server_version_num'), current_setting('server_version'),"
        " (pg_control_system()).system_identifier, current_user,"
        " CASE WHEN p.settings THEN current_setting('data_directory') END,"
        " CASE WHEN p.settings THEN current_setting('unix_socket_directories') END,"
        " r.rolsuper, r.rolsuper OR r.rolcreatedb, pg_is_in_recovery(),"
        " current_setting('fsync')::bool, current_setting('full_page_writes')::bool,"
        " floor(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,"
        " has_function_privilege('pg_config()', 'EXECUTE')"
        " FROM pg_roles r, (SELECT pg_has_role('pg_read_all_settings', 'USAGE') AS settings) p"
        " WHERE r.rolname = current_user";
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    int r = server_query(connection, deadline, &result, err, query, SQL_NONE);
    if (r < 0)
        return error_prefix(err, "cannot read the facts of the database server");
    if (PQntuples(result) != 1)
        return error_set(err, EPROTO, "the database server does not know its own role");
    facts.version_number = (int)sql_integer(result, 0, 0);
    facts.version = copy(sql_text(result, 0, 1));
    facts.system_identifier = copy(sql_text(result, 0, 2));
    facts.user = copy(sql_text(result, 0, 3));
    facts.data_directory = copy(sql_text(result, 0, 4));
    split_directories(sql_text(result, 0, 5), &facts.socket_directories);
    facts.is_superuser = sql_boolean(result, 0, 6);
    facts.may_create_databases = sql_boolean(result, 0, 7);
    facts.in_recovery = sql_boolean(result, 0, 8);
    facts.fsync = sql_boolean(result, 0, 9);
    facts.full_page_writes = sql_boolean(result, 0, 10);
    facts.started = (usec_t)sql_integer(result, 0, 11);
    if (sql_boolean(result, 0, 12) && (r = read_programs(connection, deadline, &facts.programs, err)) < 0)
        return r;
    *ret = facts;
    facts = (struct server_facts){ 0 };
    return 0;
}

int server_checkpoint(PGconn *connection, usec_t deadline, struct error *err) {
    _cleanup_error_ struct error refused = ERROR_NONE;
    int r = server_query(connection, deadline, NULL, &refused, "CHECKPOINT", SQL_NONE);
    if (r == -EPERM)
        return 0;
    return r < 0 ? error_move(err, &refused) : 1;
}
