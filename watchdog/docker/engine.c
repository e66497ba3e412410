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
    free(engine->id);
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

const char *engine_root_directory(const struct engine *engine) {
    return engine->root_directory;
}

const char *engine_id(const struct engine *engine) {
    return engine->id;
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

static int agree(struct engine *engine, usec_t deadline, struct error *err) {
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
    engine->server_version = xstrdup(json_get_string(version, "Version", ""));
    return 0;
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
    _cleanup_json_ json_t *info = NULL;
    r = engine_request(engine, "GET", "/info", NULL, deadline, &info, err);
    if (r < 0)
        return r;
    engine->id = xstrdup(json_get_string(info, "ID", ""));
    engine->root_directory = xstrdup(json_get_string(info, "DockerRootDir", "/var/lib/docker"));
    engine->registries = json_incref(json_get_object(info, "RegistryConfig"));
    *ret = take_ptr(engine);
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

bool engine_insecure_registry(const struct engine *engine, const char *host) {
    json_t *configured = json_get_object(json_get_object(engine->registries, "IndexConfigs"), host);
    if (configured)
        return !json_get_boolean(configured, "Secure", 1);
    const char *colon = strrchr(host, ':');
    _cleanup_free_ char *name = host[0] == '['
                                    ? xstrndup(host + 1, strcspn(host + 1, "]"))
                                    : xstrndup(host, colon ? (size_t)(colon - host) : strlen(host));
    if (string_equal(name, "localhost") || network_holds("127.0.0.0/8", name) || string_equal(name, "::1"))
        return true;
    size_t i;
    json_t *network;
    json_array_foreach(json_get_array(engine->registries, "InsecureRegistryCIDRs"), i,
                       network) if (json_is_string(network) &&
                                    network_holds(json_string_value(network), name)) return true;
    return false;
}
