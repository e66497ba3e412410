/* The Engine: connecting, the version, one JSON request. See engine.h. */

#include "watchdog/docker/engine.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "watchdog/docker/transport.h"

#define SOCKET_DEFAULT "/var/run/docker.sock"

void engine_free(struct engine *engine) {
    if (!engine)
        return;
    free(engine->socket_path);
    free(engine->server_version);
    free(engine->root_directory);
    json_decref(engine->registries);
    free(engine);
}

void cleanup_engine(struct engine **engine) {
    engine_free(*engine);
}

const char *engine_socket_path(const struct engine *engine) {
    return engine->socket_path;
}

const char *engine_api_version(const struct engine *engine) {
    return engine->api_version;
}

const char *engine_server_version(const struct engine *engine) {
    return engine->server_version;
}

static char *escape(const char *text, const char *kept) {
    static const char hex[] = "0123456789ABCDEF";
    struct buffer escaped = { 0 };
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (isalnum(*at) || strchr(kept, *at))
            buffer_append(&escaped, at, 1);
        else
            buffer_append(&escaped, (char[]){ '%', hex[*at >> 4], hex[*at & 15] }, 3);
    return buffer_take(&escaped);
}

char *url_escape(const char *text) {
    return escape(text, "-._~");
}

char *url_escape_path(const char *text) {
    return escape(text, "-._~/:@");
}

struct version {
    unsigned major, minor;
};

static int version_parse(const char *text, struct version *ret) {
    unsigned parts[2] = { 0 };
    for (int i = 0; i < 2; i++) {
        if (!isdigit((unsigned char)*text))
            return -EBADMSG;
        for (; isdigit((unsigned char)*text); text++) {
            parts[i] = parts[i] * 10 + (unsigned)(*text - '0');
            if (parts[i] > 9999)
                return -EBADMSG;
        }
        if (*text != (i == 0 ? '.' : '\0'))
            return -EBADMSG;
        text++;
    }
    *ret = (struct version){ parts[0], parts[1] };
    return 0;
}

static int version_compare(struct version a, struct version b) {
    return a.major != b.major ? (a.major > b.major ? 1 : -1) : (a.minor > b.minor) - (a.minor < b.minor);
}

int engine_version_choose(const char *newest, const char *oldest, char ret[16], struct error *err) {
    struct version theirs_new, theirs_old, ours_new, ours_old;
    version_parse(ENGINE_API_NEWEST, &ours_new);
    version_parse(ENGINE_API_OLDEST, &ours_old);
    if (version_parse(newest, &theirs_new) < 0 || version_parse(oldest, &theirs_old) < 0)
        return error_set(err, EBADMSG,
                         "Docker says that it speaks API \"%s\" to \"%s\", expected two versions", oldest,
                         newest);
    if (version_compare(theirs_new, ours_old) < 0)
        return error_set(err, EPROTONOSUPPORT,
                         "Docker speaks API %s, expected at least %s (Docker Engine 20.10); update it",
                         newest, ENGINE_API_OLDEST);
    struct version chosen = version_compare(theirs_new, ours_new) < 0 ? theirs_new : ours_new;
    if (version_compare(chosen, theirs_old) < 0)
        chosen = theirs_old;
    snprintf(ret, 16, "%u.%u", chosen.major, chosen.minor);
    return 0;
}

int engine_request(struct engine *engine, const char *method, const char *path, const json_t *body,
                   usec_t deadline, json_t **ret, struct error *err) {
    struct request request = { .method = method, .path = path, .body = body, .deadline = deadline };
    _cleanup_buffer_ struct buffer answer = { 0 };
    int r = transport_request(engine, &request, &answer, err);
    if (r < 0 || !ret)
        return r;
    if (answer.size == 0) {
        *ret = json_null();
        return 0;
    }
    _cleanup_free_ char *what =
        xasprintf("Docker's answer to %s %.*s", method, (int)strcspn(path, "?"), path);
    return json_parse(answer.text, answer.size, what, ret, err);
}

/* A header of the answer, "" where it has none. Owned by the caller. */
static char *header_of(struct exchange *exchange, const char *name) {
    struct curl_header *header = NULL;
    if (curl_easy_header(exchange->curl, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return xstrdup("");
    return xstrdup(header->value);
}

/* What the headers of GET /_ping say: the API's newest version, and "Docker/20.10.24 (linux)". Either may be
 * "". */
static int ping(struct engine *engine, usec_t deadline, char **ret_newest, char **ret_server,
                struct error *err) {
    struct request request = { .method = "GET", .path = "/_ping", .unversioned = true, .deadline = deadline };
    _cleanup_exchange_ struct exchange exchange;
    exchange_init(&exchange, engine, &request);
    int r = exchange_judge(&exchange, curl_easy_perform(exchange.curl), err);
    if (r < 0)
        return r;
    *ret_newest = header_of(&exchange, "Api-Version");
    *ret_server = header_of(&exchange, "Server");
    return 0;
}

/* "Docker/20.10.24 (linux)": 20.10.24 */
static char *server_version_of(const char *server) {
    const char *slash = strchr(server, '/');
    return slash ? xstrndup(slash + 1, strcspn(slash + 1, " ")) : xstrdup(server);
}

static int agree_by_version(struct engine *engine, usec_t deadline, struct error *err) {
    struct request request = {
        .method = "GET", .path = "/version", .unversioned = true, .deadline = deadline
    };
    _cleanup_buffer_ struct buffer answer = { 0 };
    int r = transport_request(engine, &request, &answer, err);
    if (r < 0)
        return r;
    _cleanup_json_ json_t *version = NULL;
    r = json_parse(answer.text ? answer.text : "", answer.size, "Docker's answer to GET /version", &version,
                   err);
    if (r < 0)
        return r;
    r = engine_version_choose(json_get_string(version, "ApiVersion", ""),
                              json_get_string(version, "MinAPIVersion", "1.0"), engine->api_version, err);
    if (r < 0)
        return r;
    free(engine->server_version);
    engine->server_version = xstrdup(json_get_string(version, "Version", ""));
    return 0;
}

/*
 * GET /version makes the daemon start `runc --version` and `docker-init --version`, each time; this is asked
 * in each step of a transaction, and users wait. GET /_ping tells the newest version only, which is enough
 * where it is no newer than what is known here: a daemon still speaks what is its own newest.
 */
static int agree(struct engine *engine, usec_t deadline, struct error *err) {
    _cleanup_free_ char *newest = NULL, *server = NULL;
    int r = ping(engine, deadline, &newest, &server, err);
    if (r < 0)
        return r;
    struct version theirs, ours;
    version_parse(ENGINE_API_NEWEST, &ours);
    if (version_parse(newest, &theirs) < 0 || version_compare(theirs, ours) > 0)
        return agree_by_version(engine, deadline, err);
    engine->server_version = server_version_of(server);
    return engine_version_choose(newest, newest, engine->api_version, err);
}

/* $DOCKER_HOST, where it is a unix socket. */
static int socket_from_environment(char **ret, struct error *err) {
    const char *host = getenv("DOCKER_HOST");
    if (!host || !*host)
        *ret = xstrdup(SOCKET_DEFAULT);
    else if (string_starts_with(host, "unix:///"))
        *ret = xstrdup(host + strlen("unix://"));
    else
        return error_set(
            err, ENOTSUP,
            "DOCKER_HOST is \"%s\", expected unix:///PATH: the data to be kept is on this host, so "
            "its daemon has to be",
            host);
    return 0;
}

int engine_new(const char *socket_path, usec_t deadline, struct engine **ret, struct error *err) {
    _cleanup_engine_ struct engine *engine = xcalloc(1, sizeof(*engine));
    int r = 0;
    if (socket_path)
        engine->socket_path = xstrdup(socket_path);
    else
        r = socket_from_environment(&engine->socket_path, err);
    if (r == 0)
        r = agree(engine, deadline, err);
    if (r < 0)
        return r;
    *ret = take_ptr(engine);
    return 0;
}

/* Asked for once: the daemon starts programs to answer it. */
static int know_info(struct engine *engine, usec_t deadline, struct error *err) {
    if (engine->root_directory)
        return 0;
    _cleanup_json_ json_t *info = NULL;
    int r = engine_request(engine, "GET", "/info", NULL, deadline, &info, err);
    if (r < 0)
        return r;
    engine->root_directory = xstrdup(json_get_string(info, "DockerRootDir", "/var/lib/docker"));
    engine->registries = json_incref(json_get_object(info, "RegistryConfig"));
    return 0;
}

int engine_root_directory(struct engine *engine, usec_t deadline, const char **ret, struct error *err) {
    int r = know_info(engine, deadline, err);
    if (r < 0)
        return r;
    *ret = engine->root_directory;
    return 0;
}

/* Is @address, a literal one, within "127.0.0.0/8" or "::1/128"? */
static bool network_holds(const char *network, const char *address) {
    char base[64];
    unsigned prefix;
    if (sscanf(network, "%63[0-9a-fA-F.:]/%u", base, &prefix) != 2)
        return false;
    int family = strchr(base, ':') ? AF_INET6 : AF_INET;
    unsigned char a[16] = { 0 }, b[16] = { 0 };
    if (prefix > (family == AF_INET6 ? 128U : 32U) || inet_pton(family, base, a) != 1 ||
        inet_pton(family, address, b) != 1)
        return false;
    for (unsigned bit = 0; bit < prefix; bit++)
        if ((a[bit / 8] ^ b[bit / 8]) & (0x80 >> bit % 8))
            return false;
    return true;
}

/* By the RegistryConfig of GET /info. */
static bool insecure_by_configuration(json_t *registries, const char *host, const char *name) {
    json_t *configured = json_get_object(json_get_object(registries, "IndexConfigs"), host);
    if (configured)
        return !json_get_boolean(configured, "Secure", 1);
    size_t i;
    json_t *network;
    json_array_foreach(json_get_array(registries, "InsecureRegistryCIDRs"), i,
                       network) if (json_is_string(network) &&
                                    network_holds(json_string_value(network), name)) return true;
    return network_holds("127.0.0.0/8", name) || string_equal(name, "localhost") || string_equal(name, "::1");
}

int engine_insecure_registry(struct engine *engine, const char *host, usec_t deadline, bool *ret,
                             struct error *err) {
    int r = know_info(engine, deadline, err);
    if (r < 0)
        return r;
    const char *colon = strrchr(host, ':');
    _cleanup_free_ char *name = host[0] == '['
                                    ? xstrndup(host + 1, strcspn(host + 1, "]"))
                                    : xstrndup(host, colon ? (size_t)(colon - host) : strlen(host));
    *ret = insecure_by_configuration(engine->registries, host, name);
    return 0;
}
