/* Prepared transactions. See prepared.h. */

#include "watchdog/database/prepared.h"

#include <errno.h>

#include "watchdog/database/fence.h"

int prepared_find(PGconn *connection, const uint32_t *oids, size_t count, usec_t deadline,
                  struct prepared **ret, size_t *ret_count, struct error *err) {
    _cleanup_result_ PGresult *result = NULL;
    _cleanup_free_ char *list = oid_array(oids, count);
    int r = server_query(connection, deadline, &result, err,
                         "SELECT p.gid, p.owner, p.database, date_trunc('second', p.prepared), d.oid"
                         " FROM pg_prepared_xacts p JOIN pg_database d ON d.datname = p.database"
                         " WHERE d.oid = ANY ($1::oid[]) ORDER BY p.prepared, p.gid",
                         SQL_VALUES(list));
    if (r < 0)
        return error_prefix(err, "cannot look for prepared transactions");
    *ret_count = (size_t)PQntuples(result);
    *ret = xcalloc(*ret_count + 1, sizeof(**ret));
    for (size_t i = 0; i < *ret_count; i++)
        (*ret)[i] = (struct prepared){ .gid = xstrdup(sql_text(result, (int)i, 0)),
                                       .owner = xstrdup(sql_text(result, (int)i, 1)),
                                       .database = xstrdup(sql_text(result, (int)i, 2)),
                                       .since = xstrdup(sql_text(result, (int)i, 3)),
                                       .oid = (uint32_t)sql_integer(result, (int)i, 4) };
    return 0;
}

void prepared_free(struct prepared *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(list[i].gid);
        free(list[i].owner);
        free(list[i].database);
        free(list[i].since);
    }
    free(list);
}

int prepared_commit(PGconn *connection, const struct prepared *prepared, usec_t deadline, struct error *err) {
    _cleanup_free_ char *gid = sql_literal(connection, prepared->gid),
                        *owner = sql_identifier(connection, prepared->owner);
    bool superuser = string_equal(PQparameterStatus(connection, "is_superuser"), "on");
    if (!superuser)
        server_execute(connection, deadline, NULL, "SET ROLE %s", owner);
    int r = server_execute(connection, deadline, err, "COMMIT PREPARED %s", gid);
    if (!superuser)
        server_execute(connection, deadline, NULL, "RESET ROLE");
    if (r == -ENOENT) {
        error_done(err);
        return 0;
    }
    return r < 0 ? error_prefix(err, "cannot commit the prepared transaction \"%s\"", prepared->gid) : 0;
}
