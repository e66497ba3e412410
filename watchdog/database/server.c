/* The server. See server.h. */

#include "watchdog/database/server.h"

#include <errno.h>

#include "watchdog/database/connection.h"
#include "watchdog/database/reach.h"

#define START_INTERVAL (200 * USEC_PER_MSEC)

struct server {
    struct reach reach;
    size_t preferred; /* the way that worked last */
    char *user, *application_name, *maintenance;
    char *options; /* NULL: the usual ones */
};

static struct server *make(const char *user, const char *id, const char *maintenance) {
    struct server *server = xcalloc(1, sizeof(*server));
    server->user = xstrdup(user);
    server->application_name = id ? xasprintf(SERVER_APPLICATION "%s", id) : xstrdup("upgrade-watchdog");
    server->maintenance = xstrdup(maintenance);
    return server;
}

void server_new(const struct server_way *ways, size_t count, const char *user, const char *id,
                const char *maintenance, struct server **ret) {
    struct server *server = make(user, id, maintenance);
    for (size_t i = 0; i < count; i++)
        reach_add(&server->reach, ways[i].host, ways[i].port, ways[i].password, "%s", ways[i].name);
    *ret = server;
}

void server_free(struct server *server) {
    if (!server)
        return;
    reach_done(&server->reach);
    free(server->user);
    free(server->application_name);
    free(server->maintenance);
    free(server->options);
    free(server);
}

void cleanup_server(struct server **server) {
    server_free(*server);
}

const char *server_user(const struct server *server) {
    return server->user;
}

const char *server_maintenance(const struct server *server) {
    return server->maintenance;
}

const char *server_application_name(const struct server *server) {
    return server->application_name;
}

const char *server_password(const struct server *server) {
    return server->reach.ways_count ? server->reach.ways[server->preferred].password : NULL;
}

const char *server_host(const struct server *server) {
    return server->reach.ways_count ? server->reach.ways[server->preferred].host : "";
}

char *const *server_parameters(const struct server *server) {
    return server->reach.ways_count ? server->reach.ways[server->preferred].parameters : NULL;
}

const char *server_port(const struct server *server) {
    return server->reach.ways_count ? server->reach.ways[server->preferred].port : "5432";
}

/* One way. Adds to @tried why it failed, and says in @ret_refusal whether the next one may be tried. */
static int connect_by(struct server *server, size_t index, const char *database, usec_t deadline,
                      PGconn **ret, enum connection_refusal *ret_refusal, struct buffer *tried) {
    const struct reach_way *way = &server->reach.ways[index];
    const struct connection_target target = {
        .host = way->host,
        .port = way->port,
        .user = server->user,
        .password = way->password,
        .parameters = way->parameters,
        .database = database,
        .application_name = server->application_name,
        .options = server->options,
    };
    _cleanup_error_ struct error err = ERROR_NONE;
    int r = connection_open(&target, deadline, ret, ret_refusal, &err);
    if (r < 0)
        buffer_printf(tried, "%s%s: %s", tried->size ? "; " : "", way->name, error_text(&err));
    else
        server->preferred = index;
    return r;
}

int server_connect(struct server *server, const char *database, usec_t deadline, PGconn **ret,
                   struct error *err) {
    size_t count = server->reach.ways_count, first = server->preferred;
    _cleanup_buffer_ struct buffer tried = { 0 };
    int worst = ECONNREFUSED;
    if (!database)
        database = server->maintenance;
    for (size_t i = 0; i < count; i++) {
        enum connection_refusal refusal = REFUSAL_NONE;
        size_t index = i == 0 ? first : i <= first ? i - 1 : i;
        int r = connect_by(server, index, database, deadline, ret, &refusal, &tried);
        if (r >= 0)
            return 0;
        if (refusal == REFUSAL_FINAL) {
            worst = -r;
            break;
        }
        if (refusal == REFUSAL_AUTHENTICATION)
            worst = EACCES;
    }
    return error_set(err, worst, "cannot connect to the database \"%s\" as \"%s\": %s", database,
                     server->user, tried.text ? tried.text : "no way to its server is known");
}

/* Its first session. A server that says of itself that it is on its way up is waited for. */
static int connect_first(struct server *server, usec_t deadline, struct error *err) {
    for (;;) {
        _cleanup_connection_ PGconn *connection = NULL;
        int r = server_connect(server, NULL, deadline, &connection, err);
        if (r != -EAGAIN || !deadline_sleep(deadline, START_INTERVAL))
            return r;
    }
}

static int reach_server(struct server *server, const struct settings *settings,
                        const struct container *database, struct error *err) {
    return settings->database.url ? reach_url(settings, &server->reach, err)
                                  : reach_container(settings, database, &server->reach, err);
}

int server_open(const struct settings *settings, const struct container *database, const char *id,
                usec_t deadline, struct server **ret, struct error *err) {
    bool own = strings_contain(settings->database.names, "postgres");
    _cleanup_server_ struct server *server =
        make(settings->database.user, id, own ? "template1" : "postgres");
    int r = reach_server(server, settings, database, err);
    if (r < 0)
        return r;
    r = connect_first(server, deadline, err);
    /* hardened servers let nobody into "postgres" */
    if ((r == -ENOENT || r == -EPERM) && !own) {
        replace_string(server->maintenance, xstrdup("template1"));
        r = connect_first(server, deadline, err);
    }
    if (r < 0)
        return settings->database.url
                   ? error_prefix(err, "the database server of Url=")
                   : error_prefix(err, "the database service \"%s\"", settings->database.service);
    *ret = take_ptr(server);
    return 0;
}

int server_for_probe(const struct settings *settings, const struct container *database,
                     const char *application_name, const char *options, struct server **ret,
                     struct error *err) {
    bool own = strings_contain(settings->database.names, "postgres");
    _cleanup_server_ struct server *server =
        make(settings->database.user, NULL, own ? "template1" : "postgres");
    replace_string(server->application_name, xstrdup(application_name));
    replace_string(server->options, xstrdup(options));
    int r = reach_server(server, settings, database, err);
    if (r < 0)
        return r;
    *ret = take_ptr(server);
    return 0;
}
