/* Kind=sql: what the application's database says. See sql.h for the parts. */

#include "probes/sql.h"

#include <errno.h>
#include <string.h>

#include "probes/docker.h"
#include "probes/sessions.h"
#include "watchdog/base/json.h"
#include "watchdog/config/settings.h"
#include "watchdog/database/server.h"

#define APPLICATION_NAME "upgrade-watchdog probe"
#define ROWS_LIMIT 10000
#define BYTES_LIMIT ((size_t)8 * 1024 * 1024)
#define FETCH "FETCH FORWARD 500 FROM upgrade_watchdog_probe"
/* The server gives up a little before we do: its own word is a clearer answer than our silence. */
#define SERVER_GIVES_UP (200 * USEC_PER_MSEC)
/* Names in a query mean what they mean to the application: no search_path of ours. */
#define SESSION_OPTIONS                                                                                      \
    "-c default_transaction_read_only=on -c client_min_messages=error -c standard_conforming_strings=on "    \
    "-c DateStyle=ISO -c bytea_output=hex -c extra_float_digits=1"

struct sql_look {
    const struct probe_look *look;
    const struct sql_settings *settings;
    struct probe_report *report;
    struct secrets secrets;
    const char *database;
    const struct container *container; /* of the server; borrowed */
    struct server *server;
    PGconn *connection;
    char *sql;
    char **values; /* owned, wiped by secrets */
    char **names;
    json_t *rows;
    int columns;
    usec_t took;
};

static void sql_look_done(struct sql_look *sql) {
    PQfinish(sql->connection);
    server_free(sql->server);
    secrets_done(&sql->secrets);
    for (size_t i = 0; sql->values && sql->values[i]; i++)
        explicit_bzero(sql->values[i], strlen(sql->values[i]));
    strings_free(sql->values);
    strings_free(sql->names);
    free(sql->sql);
    json_decref(sql->rows);
}

/* "the query", masked. Return false. */
static bool failed(struct sql_look *sql, const char *words) {
    _cleanup_free_ char *masked = secrets_mask(&sql->secrets, words, strlen(words));
    probe_fail(sql->report, "the query on \"%s\": %s", sql->database, masked);
    return false;
}

static bool unknown(struct sql_look *sql, const char *words) {
    _cleanup_free_ char *masked = secrets_mask(&sql->secrets, words, strlen(words));
    probe_unknown(sql->report, "the query on \"%s\": %s", sql->database, masked);
    return false;
}

static bool find_container(struct sql_look *sql) {
    const struct probe_look *look = sql->look;
    const char *service = look->view->settings->database.service;
    if (!service)
        return true; /* it is elsewhere */
    _cleanup_error_ struct error err = ERROR_NONE;
    const struct container *containers;
    size_t count;
    if (probe_docker_containers(look, &containers, &count, &err) < 0) {
        error_prefix(&err, "Docker cannot be asked where the database is");
        return unknown(sql, error_text(&err));
    }
    for (size_t i = 0; i < count; i++)
        if (probe_docker_counts(look->view, &containers[i], service) &&
            string_equal(containers[i].status, "running"))
            sql->container = &containers[i];
    _cleanup_free_ char *words = xasprintf("the database's service \"%s\" does not run", service);
    return sql->container || unknown(sql, words);
}

/*
 * The server has no session left. That is the host's matter (another application on the same server, a limit
 * that is too low), unless the release itself has used them up: then it holds at least half of them, as a
 * leak does before it is through, and a server that was sized for it does not have.
 */
static bool judge_no_session_left(struct sql_look *sql, const char *words) {
    const struct container *containers;
    struct session_count sessions;
    size_t count;
    _cleanup_error_ struct error err = ERROR_NONE;
    if (!sql->container || probe_docker_containers(sql->look, &containers, &count, NULL) < 0 ||
        sessions_count(containers, count, sql->container, &sessions, &err) < 0)
        return unknown(sql, words);
    _cleanup_free_ char *counted =
        xasprintf("%s; %zu of %zu sessions are the application's%s%s%s", words, sessions.application,
                  sessions.total, sessions.service ? ", most of them of the service \"" : "",
                  sessions.service ? sessions.service : "", sessions.service ? "\"" : "");
    return sessions.application * 2 >= sessions.total ? failed(sql, counted) : unknown(sql, counted);
}

/* Whether it is the fence that keeps us out: ours or somebody's, it is not the release's doing. */
static bool is_fenced(struct sql_look *sql) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_result_ PGresult *result = NULL;
    usec_t deadline = sql->look->deadline;
    if (server_connect(sql->server, NULL, deadline, &connection, NULL) < 0 ||
        server_query(connection, deadline, &result, NULL,
                     "SELECT datallowconn FROM pg_database WHERE datname = $1",
                     SQL_VALUES(sql->database)) < 0)
        return true;
    return PQntuples(result) == 1 && !sql_boolean(result, 0, 0);
}

/* The same role got in at the baseline: it is the release that took its right away. */
static bool was_let_in(const struct sql_look *sql) {
    return sql->look->view->baseline && sql->look->baseline && !sql->look->view->is_baseline;
}

static bool judge_refusal(struct sql_look *sql, int number, const char *words) {
    switch (number) {
    case -EUSERS:
        return judge_no_session_left(sql, words);
    case -ENOENT: /* the migration dropped or renamed it */
        return failed(sql, words);
    case -EPERM:
        return is_fenced(sql) ? unknown(sql, words) : failed(sql, words);
    case -EACCES:
        return was_let_in(sql) ? failed(sql, words) : unknown(sql, words);
    default:
        return unknown(sql, words);
    }
}

static bool connect_to(struct sql_look *sql) {
    _cleanup_error_ struct error err = ERROR_NONE;
    if (server_for_probe(sql->look->view->settings, sql->container, APPLICATION_NAME, SESSION_OPTIONS,
                         &sql->server, &err) < 0)
        return unknown(sql, error_text(&err));
    int r = server_connect(sql->server, sql->database, sql->look->deadline, &sql->connection, &err);
    return r >= 0 || judge_refusal(sql, r, error_text(&err));
}

/* One statement of ours; @sqlstate says whose fault its error is. */
static bool run_statement(struct sql_look *sql, const char *text, bool with_values, PGresult **ret) {
    _cleanup_error_ struct error err = ERROR_NONE;
    char sqlstate[6];
    size_t count = with_values ? strings_count(sql->values) : 0;
    int r = server_query_state(sql->connection, sql->look->deadline, ret, sqlstate, &err, text,
                               count ? (const char *const *)sql->values : NULL, count);
    if (r >= 0)
        return true;
    if (string_equal(sqlstate, "57014"))
        return failed(sql, "was not answered in time");
    return sql_state_is_fault(sqlstate) ? failed(sql, error_text(&err)) : unknown(sql, error_text(&err));
}

/* Read-only, and it ends on the server too, should we be killed. */
static bool begin(struct sql_look *sql) {
    usec_t left = deadline_left(sql->look->deadline);
    usec_t time = left > 2 * SERVER_GIVES_UP ? left - SERVER_GIVES_UP : left / 2 + USEC_PER_MSEC;
    usec_t milliseconds = time / USEC_PER_MSEC + 1;
    _cleanup_free_ char *timeout =
        xasprintf("SET LOCAL statement_timeout = %llu", (unsigned long long)milliseconds);
    _cleanup_free_ char *quoted =
        sql->settings->role ? sql_identifier(sql->connection, sql->settings->role) : NULL;
    _cleanup_free_ char *role = quoted ? xasprintf("SET LOCAL ROLE %s", quoted) : NULL;
    return run_statement(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", false, NULL) &&
           run_statement(sql, timeout, false, NULL) && (!role || run_statement(sql, role, false, NULL));
}

static size_t bytes_of(const PGresult *result) {
    size_t bytes = 0;
    for (int row = 0; row < PQntuples(result); row++)
        for (int column = 0; column < PQnfields(result); column++)
            bytes += (size_t)PQgetlength(result, row, column);
    return bytes;
}

/* Through a cursor, so that a query that gives too much costs as much as is looked at. */
static bool fetch(struct sql_look *sql) {
    size_t bytes = 0;
    sql->rows = json_array();
    for (;;) {
        _cleanup_result_ PGresult *result = NULL;
        _cleanup_error_ struct error err = ERROR_NONE;
        if (!run_statement(sql, FETCH, false, &result))
            return false;
        sql->columns = PQnfields(result);
        if (PQntuples(result) == 0)
            return true;
        if ((bytes += bytes_of(result)) > BYTES_LIMIT)
            return unknown(sql, "gave more than 8 MiB");
        if (sql_rows(result, sql->rows, &err) < 0)
            return unknown(sql, error_text(&err));
        if (json_array_size(sql->rows) > ROWS_LIMIT)
            return unknown(sql, "gave more than 10000 rows");
    }
}

static bool fill(struct sql_look *sql) {
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = sql_statement(sql->settings->query, &sql->sql, &sql->names, &err);
    for (size_t i = 0; r >= 0 && sql->names && sql->names[i]; i++) {
        _cleanup_free_ char *placeholder = xasprintf("%%{%s}", sql->names[i]), *value = NULL;
        r = placeholders_fill(&sql->secrets, placeholder, PLACE_TEXT, &value, &err);
        if (r >= 0)
            strings_append(&sql->values, value);
    }
    return r >= 0 || unknown(sql, error_text(&err));
}

static bool ask(struct sql_look *sql) {
    if (!fill(sql) || !find_container(sql) || !connect_to(sql) || !begin(sql))
        return false;
    _cleanup_free_ char *cursor =
        xasprintf("DECLARE upgrade_watchdog_probe NO SCROLL CURSOR FOR %s", sql->sql);
    usec_t begun = clock_boottime();
    bool asked = run_statement(sql, cursor, true, NULL) && fetch(sql);
    sql->took = clock_boottime() - begun;
    return asked;
}

/* "gave 7", "gave 12 rows". */
static char *what_it_gave(const struct sql_look *sql, const json_t *answer) {
    size_t rows = json_array_size(sql->rows);
    if (answer == sql->rows)
        return rows == 1 ? xstrdup("gave 1 row") : xasprintf("gave %zu rows", rows);
    _cleanup_free_ char *text = json_text(answer);
    _cleanup_free_ char *excerpt = secrets_excerpt(&sql->secrets, text, strlen(text), 80);
    return xasprintf("gave %s", excerpt);
}

/* `SELECT count(*) = 0 …` says itself what it thinks, where nothing else is asked of its answer. */
static bool says_no(const struct answer_settings *settings, const json_t *answer) {
    return json_is_false(answer) && !settings->asserts && !settings->same && !settings->match &&
           !settings->no_match;
}

static void judge(struct sql_look *sql, json_t *captures) {
    json_t *answer = sql_answer(sql->rows, sql->columns);
    _cleanup_free_ char *text =
        json_is_string(answer) ? xstrdup(json_string_value(answer)) : json_text(answer);
    struct judgement judgement = {
        .look = sql->look,
        .settings = &sql->settings->judge,
        .secrets = &sql->secrets,
        .report = sql->report,
        .subject = xasprintf("the query on \"%s\"", sql->database),
        .said = what_it_gave(sql, answer),
        .what = "an answer",
        .text = text,
        .size = strlen(text),
        .took = sql->took,
        .json = answer,
    };
    answer_begin(&judgement, captures);
    sql->report->measured = json_pack("{s:I, s:I}", "rows", (json_int_t)json_array_size(sql->rows),
                                      "milliseconds", (json_int_t)(sql->took / USEC_PER_MSEC));
    sql->report->answered = says_no(judgement.settings, answer) ? !answer_failed(&judgement, "gave false")
                                                                : !answer_judge(&judgement);
    answer_end(&judgement);
}

/* Values stand as their names. */
static void explain(struct sql_look *sql) {
    if (!sql->look->explain)
        return;
    json_t *names = json_array();
    for (char **name = sql->names; name && *name; name++)
        json_array_append_new(names, json_text_string(*name));
    probe_explain(sql->report, "request",
                  json_pack("{s:s, s:o, s:o, s:s?}", "database", sql->database, "query",
                            json_text_string(sql->sql ? sql->sql : sql->settings->query), "parameters", names,
                            "role", sql->settings->role));
    if (sql->container)
        probe_explain(sql->report, "connection", json_text_string(sql->container->name));
    else if (sql->server)
        probe_explain(sql->report, "connection", json_text_string(server_host(sql->server)));
    if (!sql->rows)
        return;
    _cleanup_json_ json_t *answer = sql_answer(sql->rows, sql->columns);
    _cleanup_free_ char *text = json_text(answer);
    _cleanup_free_ char *shown = secrets_excerpt(&sql->secrets, text, strlen(text), 2000);
    probe_explain(sql->report, "answer",
                  json_pack("{s:I, s:I, s:o}", "rows", (json_int_t)json_array_size(sql->rows), "milliseconds",
                            (json_int_t)(sql->took / USEC_PER_MSEC), "value", json_text_string(shown)));
}

static void load_captures(struct sql_look *sql) {
    const char *name;
    const json_t *value;
    json_object_foreach((json_t *)sql->look->captures, name, value)
        secrets_add(&sql->secrets, json_string_value(value));
}

static void run(const struct probe_look *look, struct probe_report *report) {
    const struct sql_settings *settings = look->probe->settings;
    const struct settings *application = look->view->settings;
    struct sql_look sql = { .look = look,
                            .settings = settings,
                            .report = report,
                            .secrets = { .credentials = look->credentials, .captures = look->captures },
                            .database =
                                settings->database ? settings->database : application->database.names[0] };
    load_captures(&sql);
    bool asked = ask(&sql);
    explain(&sql);
    if (asked) {
        json_t *captures = json_object();
        judge(&sql, captures);
        report->session = json_pack("{s:o, s:[]}", "captures", captures, "cookies");
    }
    sql_look_done(&sql);
}

static int check(const struct probe *probe, const struct probe_set *set, const struct settings *settings,
                 struct error *err) {
    (void)set;
    const struct sql_settings *own = probe->settings;
    size_t names = strings_count(settings->database.names);
    if (own->database && !strings_contain(settings->database.names, own->database))
        return error_set(err, EINVAL, "Database=: expected one of [Database] Name=, not \"%s\"",
                         own->database);
    if (!own->database && names > 1)
        return error_set(err, EINVAL, "expected Database=: there are %zu", names);
    return answer_check(&own->judge, false, settings, err);
}

static void placeholders(const struct probe *probe, char ***names) {
    const struct sql_settings *own = probe->settings;
    placeholders_names(own->query, names);
}

static void captures(const struct probe *probe, char ***names) {
    const struct sql_settings *own = probe->settings;
    answer_captures(&own->judge, names);
}

static void prepare(struct probe *probe) {
    struct sql_settings *own = probe->settings;
    answer_prepare(&own->judge);
}

static void done(void *settings) {
    struct sql_settings *own = settings;
    answer_settings_done(&own->judge);
    free(own->query);
    free(own->database);
    free(own->role);
}

static const struct probe_key keys[] = {
    { "Query", key_query, offsetof(struct sql_settings, query), .required = true,
      .help = "one statement that reads; %{name} is a bound parameter" },
    { "Database", key_text, offsetof(struct sql_settings, database),
      .help = "which of [Database] Name=, where there are several" },
    { "Role", key_text, offsetof(struct sql_settings, role),
      .help = "the role that the query is run as, such as the application's own" },
    ANSWER_KEYS,
    { 0 },
};

extern const struct probe_kind probe_sql;
const struct probe_kind probe_sql = {
    .name = "sql",
    .help = "a query's answer is what it should be",
    .keys = keys,
    .settings_size = sizeof(struct sql_settings),
    .timeout = 10 * USEC_PER_SEC,
    .sandbox = SANDBOX_DATABASE,
    .check = check,
    .placeholders = placeholders,
    .captures = captures,
    .prepare = prepare,
    .run = run,
    .done = done,
};
