/* GET from a registry. See registry-client.h. */

#include "watchdog/docker/registry-client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/docker/engine.h"

#define TOKEN_LIMIT ((size_t)1024 * 1024)
#define CONNECT_TIME (20 * USEC_PER_SEC)

void challenge_done(struct challenge *challenge) {
    free(challenge->scheme);
    free(challenge->realm);
    free(challenge->service);
    free(challenge->scope);
    *challenge = (struct challenge){ 0 };
}

/* One name=value or name="value" from @at on. Returns where it ends, NULL when there is none. */
static const char *parameter_read(const char *at, char **ret_name, char **ret_value) {
    at += strspn(at, " \t,");
    size_t size = strcspn(at, "= \t,\"");
    if (size == 0 || at[size] != '=')
        return NULL;
    *ret_name = xstrndup(at, size);
    at += size + 1;
    struct buffer value = { 0 };
    if (*at == '"') {
        for (at++; *at && *at != '"'; at++) {
            if (*at == '\\' && at[1])
                at++;
            buffer_append(&value, at, 1);
        }
        at += *at == '"';
    } else {
        size = strcspn(at, ", \t\r\n");
        buffer_append(&value, at, size);
        at += size;
    }
    *ret_value = buffer_take(&value);
    return at;
}

int challenge_parse(const char *text, struct challenge *ret) {
    struct challenge challenge = { 0 };
    text += strspn(text, " \t");
    size_t size = strcspn(text, " \t\r\n");
    challenge.scheme = xstrndup(text, size);
    for (char *at = challenge.scheme; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    for (const char *at = text + size; at;) {
        _cleanup_free_ char *name = NULL, *value = NULL;
        at = parameter_read(at, &name, &value);
        char **place = !at                                ? NULL
                       : strcasecmp(name, "realm") == 0   ? &challenge.realm
                       : strcasecmp(name, "service") == 0 ? &challenge.service
                       : strcasecmp(name, "scope") == 0   ? &challenge.scope
                                                          : NULL;
        if (place)
            replace_string(*place, take_ptr(value));
    }
    bool known = string_equal(challenge.scheme, "basic") ||
                 (string_equal(challenge.scheme, "bearer") && challenge.realm && *challenge.realm);
    if (!known) {
        challenge_done(&challenge);
        return -EBADMSG;
    }
    *ret = challenge;
    return 0;
}

static void wipe(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void registry_done(struct registry *registry) {
    free(registry->base);
    free(registry->path);
    auth_done(&registry->auth);
    wipe(registry->authorization);
    *registry = (struct registry){ 0 };
}

int registry_open(const char *host, const char *path, bool insecure, usec_t deadline, struct registry *ret,
                  struct error *err) {
    struct registry registry = { .insecure = insecure, .deadline = deadline };
    int r = auth_find(host, deadline, &registry.auth, err);
    if (r < 0)
        return r;
    registry.base = xasprintf("%s://%s", insecure ? "http" : "https",
                              string_equal(host, "docker.io") ? "registry-1.docker.io" : host);
    registry.path = xstrdup(path);
    *ret = registry;
    return 0;
}

struct answer {
    struct buffer body;
    size_t limit;
    bool too_large;
    char *challenge; /* of WWW-Authenticate */
    long status;
};

static void answer_done(struct answer *answer) {
    if (answer->body.text)
        explicit_bzero(answer->body.text, answer->body.size);
    buffer_done(&answer->body);
    free(answer->challenge);
}
#define _cleanup_answer_ __attribute__((cleanup(answer_done)))

static size_t take_body(char *data, size_t size, size_t count, void *userdata) {
    struct answer *answer = userdata;
    size *= count;
    answer->too_large = answer->too_large || size > answer->limit - answer->body.size;
    if (answer->too_large)
        return CURL_WRITEFUNC_ERROR;
    buffer_append(&answer->body, data, size);
    return size;
}

/* Of several challenges the first that is understood counts; those before a redirect do not. */
static size_t take_header(char *data, size_t size, size_t count, void *userdata) {
    static const char name[] = "www-authenticate:";
    struct answer *answer = userdata;
    size *= count;
    _cleanup_free_ char *line = xstrndup(data, size);
    if (string_starts_with(line, "HTTP/"))
        replace_string(answer->challenge, NULL);
    if (!answer->challenge && strncasecmp(line, name, strlen(name)) == 0) {
        struct challenge challenge = { 0 };
        if (challenge_parse(line + strlen(name), &challenge) == 0)
            answer->challenge = xstrdup(line + strlen(name));
        challenge_done(&challenge);
    }
    return size;
}

static long milliseconds_left(usec_t deadline, usec_t most) {
    usec_t left = deadline_left(deadline);
    left = (left < most ? left : most) / USEC_PER_MSEC;
    return left > LONG_MAX / 2 ? LONG_MAX / 2 : left > 0 ? (long)left : 1;
}

struct ask {
    const char *url, *accept, *authorization, *form; /* all but the first may be NULL */
    size_t limit;
};

static void set_options(CURL *curl, const struct registry *registry, const struct ask *ask,
                        struct curl_slist *headers, struct answer *answer) {
    const char *protocols = registry->insecure ? "http,https" : "https";
    curl_easy_setopt(curl, CURLOPT_URL, ask->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION,
                     1L); /* blobs lie elsewhere; credentials stay with the host */
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, milliseconds_left(registry->deadline, USEC_PER_DAY));
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, milliseconds_left(registry->deadline, CONNECT_TIME));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "upgrade-watchdog/" VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
    if (ask->form)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask->form);
}

/* One transfer; the status is left to the caller. */
static int transfer(const struct registry *registry, const struct ask *ask, struct answer *answer,
                    struct error *err) {
    if (deadline_left(registry->deadline) == 0)
        return error_set(err, ETIME, "no time was left to ask the registry %s", registry->base);
    CURL *curl = curl_easy_init();
    if (!curl)
        abort();
    struct curl_slist *headers = NULL;
    const struct {
        const char *name, *value;
    } lines[] = { { "Accept", ask->accept }, { "Authorization", ask->authorization } };
    for (size_t i = 0; i < ELEMENTS(lines); i++)
        if (lines[i].value) {
            char *line = xasprintf("%s: %s", lines[i].name, lines[i].value);
            headers = curl_slist_append(headers, line);
            wipe(line);
        }
    char words[CURL_ERROR_SIZE] = "";
    answer->limit = ask->limit;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words);
    set_options(curl, registry, ask, headers, answer);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    if (answer->too_large)
        return error_set(err, EFBIG, "the answer of the registry %s is larger than %zu bytes", registry->base,
                         ask->limit);
    if (code != CURLE_OK)
        return error_set(err, code == CURLE_OPERATION_TIMEDOUT ? ETIME : ECONNREFUSED,
                         "cannot ask the registry %s: %s", registry->base,
                         words[0] ? words : curl_easy_strerror(code));
    return 0;
}

static char *basic(const struct auth *auth) {
    char *pair = xasprintf("%s:%s", auth->username, auth->password);
    size_t size = strlen(pair);
    char *encoded = xcalloc(1, (size + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)pair, (int)size);
    char *value = xasprintf("Basic %s", encoded);
    wipe(pair);
    wipe(encoded);
    return value;
}

static void append_parameter(struct buffer *query, const char *name, const char *value) {
    if (!value || !*value)
        return;
    _cleanup_free_ char *escaped = url_escape(value);
    buffer_printf(query, "%s%s=%s", query->size ? "&" : "", name, escaped);
}

/* A token for this repository, as the registry's challenge says (distribution's "token" and "oauth"
 * documents). */
static int token_get(struct registry *registry, const struct challenge *challenge, struct error *err) {
    _cleanup_free_ char *scope = challenge->scope && *challenge->scope
                                     ? xstrdup(challenge->scope)
                                     : xasprintf("repository:%s:pull", registry->path);
    _cleanup_buffer_ struct buffer query = { 0 };
    append_parameter(&query, "service", challenge->service);
    append_parameter(&query, "scope", scope);
    bool by_identity = registry->auth.identity_token != NULL;
    if (by_identity) {
        append_parameter(&query, "grant_type", "refresh_token");
        append_parameter(&query, "client_id", "upgrade-watchdog");
        append_parameter(&query, "refresh_token", registry->auth.identity_token);
    }
    _cleanup_free_ char *url = by_identity ? xstrdup(challenge->realm)
                                           : xasprintf("%s%c%s", challenge->realm,
                                                       strchr(challenge->realm, '?') ? '&' : '?', query.text);
    char *authorization = !by_identity && registry->auth.username ? basic(&registry->auth) : NULL;
    struct ask ask = { .url = url,
                       .authorization = authorization,
                       .form = by_identity ? query.text : NULL,
                       .limit = TOKEN_LIMIT };
    _cleanup_answer_ struct answer answer = { 0 };
    int r = transfer(registry, &ask, &answer, err);
    wipe(authorization);
    if (by_identity)
        explicit_bzero(query.text, query.size);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return error_set(err, EACCES,
                         "the registry %s gave no token for \"%s\": status %ld; try docker login",
                         registry->base, registry->path, answer.status);
    _cleanup_json_ json_t *value = NULL;
    r = json_parse(answer.body.text ? answer.body.text : "", answer.body.size, "the registry's token", &value,
                   err);
    if (r < 0)
        return r;
    const char *token = json_get_string(value, "token", json_get_string(value, "access_token", ""));
    if (!*token || strpbrk(token, "\r\n"))
        return error_set(err, EBADMSG, "the registry %s answered without a token", registry->base);
    wipe(registry->authorization);
    registry->authorization = xasprintf("Bearer %s", token);
    return 0;
}

/* Answers a 401. Returns 0 when it is worth asking again. */
static int authenticate(struct registry *registry, const char *text, struct error *err) {
    struct challenge challenge = { 0 };
    if (!text || challenge_parse(text, &challenge) < 0)
        return error_set(err, EACCES, "the registry %s wants an authentication that is not known here",
                         registry->base);
    int r = 0;
    if (string_equal(challenge.scheme, "bearer"))
        r = token_get(registry, &challenge, err);
    else if (registry->auth.username)
        registry->authorization = basic(&registry->auth);
    else
        r = error_set(err, EACCES, "the registry %s wants a password; use docker login", registry->base);
    challenge_done(&challenge);
    return r;
}

int registry_get(struct registry *registry, const char *what, const char *accept, size_t limit,
                 struct buffer *ret, struct error *err) {
    _cleanup_free_ char *url = xasprintf("%s/v2/%s/%s", registry->base, registry->path, what);
    for (int attempt = 0;; attempt++) {
        _cleanup_answer_ struct answer answer = { 0 };
        struct ask ask = {
            .url = url, .accept = accept, .authorization = registry->authorization, .limit = limit
        };
        int r = transfer(registry, &ask, &answer, err);
        if (r < 0)
            return r;
        if (answer.status == 200) {
            *ret = answer.body;
            answer.body = (struct buffer){ 0 };
            return 0;
        }
        if (answer.status != 401 || attempt > 0 || registry->authorization)
            return error_set(err,
                             answer.status == 404                           ? ENOENT
                             : answer.status == 401 || answer.status == 403 ? EACCES
                                                                            : EPROTO,
                             "the registry %s answered %s of \"%s\" with the status %ld", registry->base,
                             what, registry->path, answer.status);
        r = authenticate(registry, answer.challenge, err);
        if (r < 0)
            return r;
    }
}
