/* A server that is no service of the project. See external.h. */

#include "watchdog/transaction/external.h"

#include "watchdog/config/database-url.h"

#define CALL_TIME (30 * USEC_PER_SEC)

static void look_at_programs(struct context *context, struct finding **findings, size_t *count) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = programs_find(context->programs, context->server, context_deadline(context, CALL_TIME), &err);
    findings_add(findings, count, "database-programs", r >= 0, false, "", "%s",
                 r >= 0 ? programs_name(context->programs) : error_text(&err));
}

static void look_at_tls(const struct database_url *url, struct finding **findings, size_t *count) {
    _cleanup_free_ char *weakness = database_url_weakness(url);
    bool verified = string_equal(database_url_parameter(url, "sslmode"), "verify-full");
    findings_add(
        findings, count, "database-tls", !weakness, true,
        weakness ? "sslmode=verify-full, and sslrootcert= where its authority is not one of the system's"
                 : "",
        "%s",
        weakness   ? weakness
        : verified ? "the connection is by TLS, and the server proves to be the one that is asked for"
                   : "the server is on this host");
}

int external_look(struct context *context, struct finding **findings, size_t *count, char ***addresses,
                  struct error *err) {
    _cleanup_database_url_ struct database_url url = { 0 };
    _cleanup_result_ PGresult *result = NULL;
    int r = database_url_parse(context->settings->database.url, &url, err);
    if (r >= 0)
        r = server_query(context->maintenance, context_deadline(context, CALL_TIME), &result, err,
                         "SELECT host(inet_client_addr()), host(inet_server_addr())", SQL_NONE);
    if (r < 0)
        return r;
    const char *server = sql_text(result, 0, 1);
    if (server && strings_contain(*addresses, server) && !string_starts_with(server, "127."))
        findings_add(findings, count, "database-elsewhere", false, false,
                     "name it in Service=, in place of Url=: it would be stopped with the others",
                     "Url= leads to a container of this very project");
    if (sql_text(result, 0, 0))
        strings_append(addresses, sql_text(result, 0, 0));
    look_at_tls(&url, findings, count);
    look_at_programs(context, findings, count);
    return 0;
}
