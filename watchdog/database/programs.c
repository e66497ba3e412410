/* PostgreSQL's own programs. See programs.h. */

#include "watchdog/database/programs.h"

#include <errno.h>
#include <string.h>

#include "watchdog/config/database-url.h"
#include "watchdog/database/facts.h"
#include "watchdog/database/programs-host.h"
#include "watchdog/database/programs-image.h"
#include "watchdog/docker/container.h"
#include "watchdog/docker/exec.h"

#define NEWER_TRIED 8              /* versions after the server's */
#define ERRORS_SHOWN ((size_t)800) /* bytes of a program's messages in an error */

/* How a program gets into the server from where it runs. */
struct entry {
    const char *name; /* for errors */
    const char *host; /* NULL: the socket in the server's own directory */
    bool password;
    bool as_role;  /* run as the operating system's user of the role's name (peer authentication) */
    bool external; /* by the address of Url= */
};

static const struct entry entries[] = {
    { "the socket without a password", NULL, false, false },
    { "the socket with the password", NULL, true, false },
    { "127.0.0.1 with the password", "127.0.0.1", true, false },
    { "127.0.0.1 without a password", "127.0.0.1", false, false },
    { "the socket as the role's own system user", NULL, false, true },
};

static const struct entry external_entries[] = {
    { "the address of Url= with the password", .password = true, .external = true },
    { "the address of Url= without a password", .external = true },
};

struct programs {
    program_runner runner;
    void *context;
    struct engine *engine;
    char *container;
    bool external;
    char *wanted;                 /* directory of Programs=, with its slash; NULL: none */
    struct programs_image *image; /* NULL: no image runs them */
    char *name;                   /* see programs_name() */
    /* found by programs_find() */
    const struct entry *entry;
    char *directory; /* of the programs, with its slash; "": PATH */
    char *socket;    /* directory of the socket; "": the programs' own default */
};

static int run_in_container(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                            struct error *err) {
    const struct programs *programs = context;
    const struct exec exec = { .container = programs->container,
                               .argv = call->argv,
                               .environment = call->environment,
                               .user = call->user,
                               .on_input = call->on_input,
                               .on_output = call->on_output,
                               .userdata = call->userdata,
                               .deadline = call->deadline };
    return engine_exec(programs->engine, &exec, ret_exit, ret_errors, err);
}

void programs_new(struct engine *engine, const struct container *database, struct programs **ret) {
    programs_new_runner(run_in_container, NULL, ret);
    (*ret)->context = *ret;
    (*ret)->engine = engine;
    (*ret)->container = xstrdup(database->id);
}

void programs_new_external(const struct settings *settings, struct engine *engine, const char *id,
                           struct programs **ret) {
    const char *where = settings->database.programs;
    programs_new_runner(programs_run_on_host, NULL, ret);
    (*ret)->external = true;
    if (where && *where == '/') {
        (*ret)->wanted = xasprintf("%s/", where);
    } else if (where) {
        (*ret)->runner = programs_run_in_image;
        char **files = NULL; /* an image does not have them */
        database_url_files(settings->database.url, &files);
        programs_image_new(engine, where, id, files, &(*ret)->image);
        (*ret)->context = (*ret)->image;
    }
}

void programs_new_runner(program_runner runner, void *context, struct programs **ret) {
    struct programs *programs = xcalloc(1, sizeof(*programs));
    programs->runner = runner;
    programs->context = context;
    *ret = programs;
}

void programs_free(struct programs *programs) {
    if (!programs)
        return;
    programs_image_free(programs->image);
    free(programs->container);
    free(programs->wanted);
    free(programs->name);
    free(programs->directory);
    free(programs->socket);
    free(programs);
}

void cleanup_programs(struct programs **programs) {
    programs_free(*programs);
}

/* One value of a connection string (PostgreSQL manual, 34.1.1.1). */
static void connection_value(struct buffer *string, const char *keyword, const char *value) {
    buffer_printf(string, "%s%s='", string->size ? " " : "", keyword);
    for (const char *at = value; *at; at++) {
        if (*at == '\'' || *at == '\\')
            buffer_append(string, "\\", 1);
        buffer_append(string, at, 1);
    }
    buffer_append(string, "'", 1);
}

static char *connection_string(const struct programs *programs, const struct server *server,
                               const struct entry *entry, const char *database) {
    struct buffer string = { 0 };
    const char *host = entry->external ? server_host(server) : entry->host ? entry->host : programs->socket;
    if (*host)
        connection_value(&string, "host", host);
    for (char *const *at = entry->external ? server_parameters(server) : NULL; at && *at; at += 2)
        connection_value(&string, at[0], at[1]);
    static const char *const lasting[] = { "keepalives_idle", "10",         "tcp_user_timeout",
                                           "30000",           "gssencmode", "disable" };
    for (size_t i = 0; entry->external && i < ELEMENTS(lasting); i += 2)
        connection_value(&string, lasting[i], lasting[i + 1]);
    connection_value(&string, "port", server_port(server));
    connection_value(&string, "user", server_user(server));
    connection_value(&string, "dbname", database);
    return buffer_take(&string);
}

/* What the container's own environment says of PostgreSQL is meant for the application. */
static char **environment(const struct server *server, const struct entry *entry) {
    static const char *const fixed[] = {
        "PGHOST=", "PGHOSTADDR=", "PGCLIENTENCODING=", "LC_MESSAGES=C",
        "PGOPTIONS=-c synchronous_commit=on -c statement_timeout=0 -c default_transaction_read_only=off"
    };
    char **list = NULL;
    for (size_t i = 0; i < ELEMENTS(fixed); i++)
        strings_append(&list, fixed[i]);
    strings_appendf(&list, "PGAPPNAME=%s", server_application_name(server));
    if (entry->password)
        strings_appendf(&list, "PGPASSWORD=%s", server_password(server));
    return list;
}

/* The program's own messages, "; " between them. What continues a line is left out: it can be a row. */
static char *messages(const char *name, const char *errors) {
    struct buffer kept = { 0 };
    _cleanup_free_ char *prefix = xasprintf("%s: ", name);
    const char *last = "";
    for (const char *line = errors; line && *line;) {
        size_t size = strcspn(line, "\n");
        if (string_starts_with(line, prefix) && kept.size < ERRORS_SHOWN) {
            const char *words = line + strlen(prefix);
            buffer_printf(&kept, "%s%.*s", kept.size ? "; " : "", (int)(size - strlen(prefix)), words);
        }
        if (size)
            last = line;
        line += size + (line[size] == '\n');
    }
    if (!kept.size)
        buffer_printf(&kept, "%.*s", (int)strcspn(last, "\n"), last);
    return buffer_take(&kept);
}

/* A shell's conventions, which Docker keeps to: 126 and 127 could not be started, above is a signal. */
static int exit_number(int code) {
    if (code == 126 || code == 127)
        return ENOENT;
    return code > 127 ? EIO : EREMOTEIO;
}

/* One run. As programs_run(). */
static int run(struct programs *programs, struct server *server, const struct entry *entry,
               const char *directory, const char *name, char *const *arguments, const char *database,
               const struct program_call *io, struct error *err) {
    _cleanup_strings_ char **argv = NULL, **variables = environment(server, entry);
    strings_appendf(&argv, "%s%s", directory, name);
    for (size_t i = 0; arguments && arguments[i]; i++)
        strings_append(&argv, arguments[i]);
    if (database) {
        _cleanup_free_ char *string = connection_string(programs, server, entry, database);
        strings_append(&argv, "-d");
        strings_append(&argv, string);
    }
    struct program_call call = *io;
    call.argv = argv;
    call.environment = variables;
    call.user = entry->as_role ? server_user(server) : NULL;
    _cleanup_free_ char *errors = NULL;
    int code = 0, r = programs->runner(programs->context, &call, &code, &errors, err);
    if (r < 0)
        return r;
    if (code == 0)
        return 0;
    _cleanup_free_ char *words = messages(name, errors);
    return error_set(err, exit_number(code), "%s ended with exit status %d%s%s", name, code,
                     *words ? ": " : "", words);
}

/* Where the server keeps its socket and its programs, as far as our role may know. */
static int read_places(struct programs *programs, struct server *server, usec_t deadline,
                       char **ret_directory, int *ret_major, struct error *err) {
    _cleanup_connection_ PGconn *connection = NULL;
    _cleanup_server_facts_ struct server_facts facts = { 0 };
    int r = server_connect(server, NULL, deadline, &connection, err);
    if (r >= 0)
        r = server_facts_read(connection, deadline, &facts, err);
    if (r < 0)
        return r;
    replace_string(programs->socket, xstrdup(facts.socket_directories ? facts.socket_directories[0] : ""));
    *ret_directory = facts.programs ? xasprintf("%s/", facts.programs) : xstrdup("");
    *ret_major = facts.version_number / 10000;
    return 0;
}

/* Where they may be, the best first: of the server's version, then of newer ones; "" is PATH. */
static char **directories_of(const struct programs *programs, const char *servers, int major) {
    char **list = NULL;
    if (!programs->external) {
        strings_append(&list, servers);
        if (*servers)
            strings_append(&list, "");
        return list;
    }
    if (programs->wanted) {
        strings_append(&list, programs->wanted);
        return list;
    }
    if (programs->image)
        strings_append(&list, "");
    for (int version = major; version < major + NEWER_TRIED; version++) {
        strings_appendf(&list, "/usr/lib/postgresql/%d/bin/", version); /* Debian, Ubuntu */
        strings_appendf(&list, "/usr/pgsql-%d/bin/", version);          /* the PostgreSQL project's RPMs */
    }
    if (!programs->image)
        strings_append(&list, "");
    return list;
}

/* Docker may refuse an exec of a program or user that is not there, too. */
static bool is_no_way(int r) {
    return r == -EREMOTEIO || r == -ENOENT || r == -EPROTO;
}

static int keep_text(void *userdata, const char *data, size_t size) {
    buffer_append(userdata, data, size);
    return 0;
}

/* Of an external server: pg_dump of its version or newer. 1, or 0 when it is not, or -errno. */
static int try_version(struct programs *programs, struct server *server, const char *directory, int major,
                       usec_t deadline, char ***tried, struct error *err) {
    static char *const arguments[] = { "--version", NULL };
    _cleanup_error_ struct error failure = ERROR_NONE;
    _cleanup_buffer_ struct buffer text = { 0 };
    const struct program_call io = { .on_output = keep_text, .userdata = &text, .deadline = deadline };
    int found = 0,
        r = run(programs, server, &external_entries[1], directory, "pg_dump", arguments, NULL, &io, &failure);
    if (r < 0 && !is_no_way(r))
        return error_move(err, &failure);
    if (r < 0) {
        strings_appendf(tried, "%spg_dump: %s", directory, error_text(&failure));
        return 0;
    }
    char *line = text.text ? text.text : xstrdup("");
    line[strcspn(line, "\n")] = '\0';
    text.text = line;
    const char *parenthesis = strchr(line, ')');
    if (!parenthesis || sscanf(parenthesis, ") %d", &found) != 1)
        found = 0;
    /* pg_restore 17 sets transaction_timeout, which an older server does not know */
    if (found >= 17 && major < 17)
        strings_appendf(tried,
                        "%spg_dump is \"%s\", whose pg_restore does not get on with a server of version %d",
                        directory, line, major);
    if (found >= 17 && major < 17)
        return 0;
    if (found < major) {
        strings_appendf(tried, "%spg_dump is \"%s\", older than the server (%d)", directory, line, major);
        return 0;
    }
    replace_string(programs->name, xasprintf("%s%s%s", line, *directory || programs->image ? " of " : "",
                                             programs->image ? programs->image->image : directory));
    return 1;
}

/* Tries to get in with psql of @directory. 1 when it did, 0 when not (@tried says why), or -errno. */
static int try_entries(struct programs *programs, struct server *server, const char *directory,
                       usec_t deadline, char ***tried, struct error *err) {
    static char *const arguments[] = { "-X", "-A", "-t", "-q", "-w", "-c", "SELECT 1", NULL };
    const struct program_call io = { .deadline = deadline };
    const struct entry *list = programs->external ? external_entries : entries;
    size_t count = programs->external ? ELEMENTS(external_entries) : ELEMENTS(entries);
    for (size_t i = 0; i < count; i++) {
        _cleanup_error_ struct error failure = ERROR_NONE;
        if (list[i].password != !!server_password(server) && (list[i].password || programs->external))
            continue;
        int r = run(programs, server, &list[i], directory, "psql", arguments, server_maintenance(server), &io,
                    &failure);
        if (r >= 0) {
            programs->entry = &list[i];
            replace_string(programs->directory, xstrdup(directory));
            return 1;
        }
        if (!is_no_way(r))
            return error_move(err, &failure);
        strings_appendf(tried, "%spsql by %s: %s", directory, list[i].name, error_text(&failure));
        if (r == -ENOENT)
            break;
    }
    return 0;
}

/* What was not found at all is not worth a word: what was found and would not do is. */
static int programs_missing(const struct programs *programs, char *const *tried, int major,
                            struct error *err) {
    _cleanup_buffer_ struct buffer words = { 0 };
    for (; tried && *tried; tried++)
        if (!strcasestr(*tried, "no such file or directory"))
            buffer_printf(&words, "; %s", *tried);
    if (programs->image || programs->wanted)
        return error_set(err, EACCES, "no pg_dump of PostgreSQL %d or newer that gets in is in Programs=%s%s",
                         major, programs->image ? programs->image->image : programs->wanted,
                         words.text ? words.text : "");
    return error_set(err, EACCES,
                     "no pg_dump of PostgreSQL %d or newer that gets in is on this host (apt install "
                     "postgresql-client-%d, or name an image in Programs=)%s",
                     major, major, words.text ? words.text : "");
}

int programs_find(struct programs *programs, struct server *server, usec_t deadline, struct error *err) {
    if (programs->entry)
        return 0;
    _cleanup_free_ char *servers = NULL;
    _cleanup_strings_ char **tried = NULL;
    int major = 0, r = read_places(programs, server, deadline, &servers, &major, err);
    if (r < 0)
        return r;
    _cleanup_strings_ char **directories = directories_of(programs, servers, major);
    for (size_t i = 0; directories[i]; i++) {
        r = programs->external ? try_version(programs, server, directories[i], major, deadline, &tried, err)
                               : 1;
        if (r > 0)
            r = try_entries(programs, server, directories[i], deadline, &tried, err);
        if (r != 0)
            return r < 0 ? r : 0;
    }
    if (programs->external)
        return programs_missing(programs, tried, major, err);
    _cleanup_free_ char *all = strings_join(tried, "; ");
    return error_set(err, EACCES, "PostgreSQL's programs where the database runs do not get in: %s", all);
}

const char *programs_name(const struct programs *programs) {
    return programs->name ? programs->name : "";
}

int programs_run(struct programs *programs, struct server *server, const char *name, char *const *arguments,
                 const char *database, const struct program_call *io, struct error *err) {
    int r = programs_find(programs, server, io->deadline, err);
    return r < 0 ? r
                 : run(programs, server, programs->entry, programs->directory, name, arguments, database, io,
                       err);
}
