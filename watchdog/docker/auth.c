/* Credentials of registries. See auth.h. */

#include "watchdog/docker/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>

#include "watchdog/base/durable.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/base/process.h"
#include "watchdog/docker/compose-run.h"

#define CONFIG_LIMIT ((size_t)1024 * 1024)
#define HUB "docker.io"
#define HUB_SERVER "https://index.docker.io/v1/"
#define HELPER_TIME (30 * USEC_PER_SEC)

static void wipe(char *secret) {
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void auth_done(struct auth *auth) {
    free(auth->username);
    wipe(auth->password);
    wipe(auth->identity_token);
    free(auth->server);
    *auth = (struct auth){ 0 };
}

static char *config_path(void) {
    const char *directory = getenv("DOCKER_CONFIG");
    _cleanup_free_ char *home = home_directory();
    return directory && *directory ? xasprintf("%s/config.json", directory)
                                   : xasprintf("%s/.docker/config.json", home);
}

static int config_read(json_t **ret, struct error *err) {
    _cleanup_free_ char *path = config_path();
    char *text = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, CONFIG_LIMIT, &text, &size, err);
    if (r == -ENOENT || r == -ENOTDIR) {
        error_done(err);
        *ret = json_object();
        return 0;
    }
    if (r < 0)
        return r;
    r = json_parse(text, size, path, ret, err);
    wipe(text);
    return r;
}

/* The host of a key such as "https://host/v1/". Owned by the caller. */
static char *host_of(const char *key) {
    const char *at = strstr(key, "://");
    at = at ? at + 3 : key;
    return xstrndup(at, strcspn(at, "/"));
}

/* "user:password" in base64. */
static void decode_pair(const char *text, struct auth *ret) {
    size_t size = strlen(text);
    if (size == 0 || size % 4 || size > 65536)
        return;
    unsigned char *plain = xcalloc(1, size + 1);
    int length = EVP_DecodeBlock(plain, (const unsigned char *)text, (int)size);
    char *colon =
        length > 0 ? strchr((char *)plain, ':') : NULL; /* padding became NULs: the text ends there */
    if (colon) {
        ret->username = xstrndup((char *)plain, (size_t)(colon - (char *)plain));
        ret->password = xstrdup(colon + 1);
    }
    explicit_bzero(plain, size);
    free(plain);
}

static int from_entry(const char *server, const json_t *entry, struct auth *ret) {
    const char *token = json_get_string(entry, "identitytoken", "");
    decode_pair(json_get_string(entry, "auth", ""), ret);
    if (!ret->username && json_object_get(entry, "username")) {
        ret->username = xstrdup(json_get_string(entry, "username", ""));
        ret->password = xstrdup(json_get_string(entry, "password", ""));
    }
    if (*token)
        ret->identity_token = xstrdup(token);
    if (!ret->username && !ret->identity_token)
        return 0;
    ret->server = xstrdup(server);
    return 1;
}

/* What the helper gave. An empty user is none (docker-credential-helpers, README, "get"). */
static void take_answer(const char *server, const struct buffer *output, struct auth *ret) {
    _cleanup_json_ json_t *answer = NULL;
    if (json_parse(output->text ? output->text : "", output->size, "what the helper wrote", &answer, NULL) <
        0)
        return;
    const char *user = json_get_string(answer, "Username", "");
    const char *secret = json_get_string(answer, "Secret", "");
    if (!*user)
        return;
    ret->server = xstrdup(server);
    if (string_equal(user, "<token>")) {
        ret->identity_token = xstrdup(secret);
    } else {
        ret->username = xstrdup(user);
        ret->password = xstrdup(secret);
    }
}

/* A helper says what is wrong on standard output, where a secret would stand as well: only what is no JSON is
 * shown. */
static int helper_failed(const char *server, const struct process_result *result, const struct error *one,
                         struct error *err) {
    static const char *const nothing[] = { "credentials not found in native keychain",
                                           "no credentials server URL", "no credentials username" };
    const char *text = result->output.text ? result->output.text : "";
    text += strspn(text, " \t\r\n");
    for (size_t i = 0; i < ELEMENTS(nothing); i++)
        if (string_starts_with(text, nothing[i]))
            return 0;
    int size = strchr(text, '{') ? 0 : (int)strcspn(text, "\r\n");
    return error_set(err, one->number == ETIME ? ETIME : EACCES,
                     "the login of \"%s\" cannot be had from its credential helper: %s%s%.*s", server,
                     error_text(one), size > 0 && result->errors.size == 0 ? ": " : "",
                     result->errors.size == 0 ? size > 300 ? 300 : size : 0, text);
}

/* The program that `docker login` stored them with, run as Docker runs it. One that knows none says so and
 * exits with 1. */
static int from_helper(const char *name, const char *server, usec_t deadline, struct auth *ret,
                       struct error *err) {
    if (!*name ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(name))
        return error_set(err, EACCES, "\"%s\" is no name of a credential helper of Docker", name);
    _cleanup_free_ char *program = xasprintf("docker-credential-%s", name);
    char *argv[] = { program, (char *)"get", NULL };
    usec_t soon = deadline_in(HELPER_TIME);
    struct process process = {
        .argv = argv, .input = server, .deadline = soon < deadline ? soon : deadline, .output_limit = 65536
    };
    struct process_result result = { 0 };
    _cleanup_error_ struct error one = ERROR_NONE;
    int r = process_run(&process, &result, &one);
    if (r == 0)
        take_answer(server, &result.output, ret);
    else if (r == -ENOENT)
        r = error_set(err, EACCES,
                      "the login of \"%s\" is kept by the credential helper \"%s\", which is not in PATH: "
                      "install it, or take it out of Docker's config.json and use docker login",
                      server, program);
    else
        r = helper_failed(server, &result, &one, err);
    if (result.output.text)
        explicit_bzero(result.output.text, result.output.size);
    process_result_done(&result);
    return r < 0 ? r : ret->server != NULL;
}

/* The helper for a registry, NULL where the file keeps the logins itself. */
static const char *helper_of(const json_t *config, const char *host, const char *server) {
    const json_t *helpers = json_get_object(config, "credHelpers");
    const char *helper = json_get_string(helpers, server, json_get_string(helpers, host, NULL));
    helper = helper ? helper : json_get_string(config, "credsStore", NULL);
    return helper && *helper ? helper : NULL;
}

/* Under the name that Docker gives it, else under an older one ("https://HOST/v1/"). */
static int from_file(const json_t *config, const char *host, const char *server, struct auth *ret) {
    json_t *auths = json_get_object(config, "auths"), *entry;
    const char *key;
    int r = json_object_get(auths, server) ? from_entry(server, json_object_get(auths, server), ret) : 0;
    json_object_foreach(auths, key, entry) {
        _cleanup_free_ char *name = host_of(key);
        if (r == 0 &&
            (string_equal(name, host) || (string_equal(host, HUB) && string_equal(name, "index.docker.io"))))
            r = from_entry(key, entry, ret);
    }
    return r;
}

int auth_find(const char *host, usec_t deadline, struct auth *ret, struct error *err) {
    _cleanup_json_ json_t *config = NULL;
    int r = config_read(&config, err);
    if (r < 0)
        return r;
    const char *server = string_equal(host, HUB) ? HUB_SERVER : host;
    const char *helper = helper_of(config, host, server);
    _cleanup_auth_ struct auth found = { 0 };
    /* as Docker does it: where a helper keeps the logins, the file is not asked */
    r = helper ? from_helper(helper, server, deadline, &found, err) : from_file(config, host, server, &found);
    if (r > 0) {
        *ret = found;
        found = (struct auth){ 0 };
    }
    return r;
}

int auth_explain(const char *host, bool known, struct error *err) {
    static const char *const words[] = { "unauthorized", "no basic auth credentials", "denied", "401" };
    bool refused = false;
    if (!err)
        return -EIO;
    for (size_t i = 0; i < ELEMENTS(words); i++)
        refused = refused || strstr(error_text(err), words[i]);
    if (!refused)
        return -err->number;
    _cleanup_free_ char *path = config_path(), *text = xstrdup(error_text(err));
    return error_set(err, EACCES, "%s; %s \"%s\", %s: docker login%s%s", text,
                     known ? "the registry did not accept the login that is known from"
                           : "it may want a login, and none for it is known from",
                     path, known ? "log in anew" : "log in", string_equal(host, HUB) ? "" : " ",
                     string_equal(host, HUB) ? "" : host);
}

char *auth_header(const struct auth *auth) {
    json_t *value = json_object();
    if (auth->identity_token) {
        json_object_set_new(value, "identitytoken", json_text_string(auth->identity_token));
    } else {
        json_object_set_new(value, "username", json_text_string(auth->username));
        json_object_set_new(value, "password", json_text_string(auth->password));
    }
    json_object_set_new(value, "serveraddress", json_text_string(auth->server));
    char *text = json_text(value);
    json_decref(value);
    size_t size = strlen(text);
    char *encoded = xcalloc(1, (size + 2) / 3 * 4 + 1);
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)text, (int)size);
    wipe(text);
    for (char *at = encoded; *at; at++) /* RFC 4648, section 5, as the Engine wants it */
        *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    return encoded;
}

int auth_request_headers(const char *host, usec_t deadline, struct curl_slist **ret, struct error *err) {
    _cleanup_auth_ struct auth auth = { 0 };
    int r = auth_find(host, deadline, &auth, err);
    if (r <= 0)
        return r;
    char *header = auth_header(&auth);
    char *line = xasprintf("X-Registry-Auth: %s", header);
    *ret = curl_slist_append(NULL, line);
    wipe(header);
    wipe(line);
    if (!*ret)
        abort();
    return 0;
}
