/* The address of an external server. See database-url.h. */

#include "watchdog/config/database-url.h"

#include <errno.h>
#include <string.h>

#include <libpq-fe.h>

#include "watchdog/base/memory.h"

#define SYSTEM_CERTIFICATES "/etc/ssl/certs/ca-certificates.crt"

void database_url_done(struct database_url *url) {
    free(url->user);
    free(url->database);
    free(url->host);
    free(url->port);
    strings_free(url->parameters);
    *url = (struct database_url){ 0 };
}

const char *database_url_parameter(const struct database_url *url, const char *keyword) {
    for (char **at = url->parameters; at && *at; at += 2)
        if (string_equal(at[0], keyword))
            return at[1];
    return NULL;
}

static void cleanup_options(PQconninfoOption **options) {
    PQconninfoFree(*options);
}

static void cleanup_words(char **words) {
    PQfreemem(*words);
}

/* What an address may say besides. The rest is this program's business, or leads elsewhere. */
static bool is_parameter(const char *keyword) {
    static const char *const known[] = {
        "hostaddr", "sslmode",         "sslrootcert",  "sslcert",
        "sslkey",   "sslcrl",          "sslcrldir",    "ssl_min_protocol_version",
        "sslsni",   "channel_binding", "require_auth", "ssl_max_protocol_version",
    };
    for (size_t i = 0; i < ELEMENTS(known); i++)
        if (string_equal(keyword, known[i]))
            return true;
    return false;
}

static int take_option(struct database_url *url, const PQconninfoOption *option, struct error *err) {
    const char *keyword = option->keyword, *value = option->val;
    if (!value || !*value)
        return 0;
    if (string_equal(keyword, "password") || string_equal(keyword, "sslpassword"))
        return error_set(err, EINVAL,
                         "the address holds a password, expected it in the credential database-password");
    if (string_equal(keyword, "user")) {
        url->user = xstrdup(value);
    } else if (string_equal(keyword, "dbname")) {
        url->database = xstrdup(value);
    } else if (string_equal(keyword, "port")) {
        url->port = xstrdup(value);
    } else if (string_equal(keyword, "host")) {
        url->host = xstrdup(value);
    } else if (is_parameter(keyword)) {
        strings_append(&url->parameters, keyword);
        strings_append(&url->parameters, value);
    } else {
        return error_set(err, EINVAL, "the address has %s=, expected keywords of TLS only", keyword);
    }
    return 0;
}

static bool is_here(const struct database_url *url) {
    const char *address = database_url_parameter(url, "hostaddr"), *host = address ? address : url->host;
    return *host == '/' || *host == '@' || string_equal(host, "localhost") || string_equal(host, "::1") ||
           string_starts_with(host, "127.");
}

static int check_mode(const char *mode, struct error *err) {
    static const char *const modes[] = {
        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"
    };
    for (size_t i = 0; i < ELEMENTS(modes); i++)
        if (string_equal(mode, modes[i]))
            return 0;
    return error_set(err, EINVAL,
                     "the address has sslmode=%s, expected disable, allow, prefer, require, verify-ca or "
                     "verify-full",
                     mode);
}

static void set_default(struct database_url *url, const char *keyword, const char *value) {
    if (database_url_parameter(url, keyword))
        return;
    strings_append(&url->parameters, keyword);
    strings_append(&url->parameters, value);
}

/* Files are read by root, wherever it stands at the moment. */
static int check_files(const struct database_url *url, struct error *err) {
    static const char *const files[] = { "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir" };
    for (size_t i = 0; i < ELEMENTS(files); i++) {
        const char *path = database_url_parameter(url, files[i]);
        if (path && *path != '/' && !string_equal(path, "system"))
            return error_set(err, EINVAL, "the address has %s=%s, expected an absolute path", files[i], path);
    }
    return 0;
}

static int check(struct database_url *url, struct error *err) {
    if (!url->host)
        return error_set(err, EINVAL, "the address names no host, expected postgresql://HOST/DATABASE");
    if (strchr(url->host, ',') || (url->port && strchr(url->port, ',')))
        return error_set(err, EINVAL,
                         "the address names several hosts, expected the one that can be written to");
    if (!url->port)
        url->port = xstrdup("5432");
    set_default(url, "sslmode", is_here(url) ? "prefer" : "verify-full");
    const char *mode = database_url_parameter(url, "sslmode");
    if (string_starts_with(mode, "verify-"))
        set_default(url, "sslrootcert", SYSTEM_CERTIFICATES);
    int r = check_mode(mode, err);
    return r < 0 ? r : check_files(url, err);
}

int database_url_parse(const char *text, struct database_url *ret, struct error *err) {
    __attribute__((cleanup(cleanup_options))) PQconninfoOption *options = NULL;
    __attribute__((cleanup(cleanup_words))) char *words = NULL;
    _cleanup_database_url_ struct database_url url = { 0 };
    if (!string_starts_with(text, "postgresql://") && !string_starts_with(text, "postgres://"))
        return error_set(err, EINVAL, "expected postgresql://[USER@]HOST[:PORT][/DATABASE][?sslmode=...]");
    options = PQconninfoParse(text, &words);
    if (!options)
        /* libpq's words repeat the address, with what may be a password in it */
        return error_set(err, EINVAL,
                         "libpq does not understand the address, expected "
                         "postgresql://[USER@]HOST[:PORT][/DATABASE][?sslmode=...], with %%XX for "
                         "characters that have a meaning there");
    int r = 0;
    for (const PQconninfoOption *option = options; r == 0 && option->keyword; option++)
        r = take_option(&url, option, err);
    if (r == 0)
        r = check(&url, err);
    if (r < 0)
        return r;
    *ret = url;
    url = (struct database_url){ 0 };
    return 0;
}

void database_url_files(const char *text, char ***files) {
    static const char *const keywords[] = { "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir" };
    _cleanup_database_url_ struct database_url url = { 0 };
    if (database_url_parse(text, &url, NULL) < 0)
        return;
    if (*url.host == '/')
        strings_append(files, url.host);
    for (size_t i = 0; i < ELEMENTS(keywords); i++) {
        const char *path = database_url_parameter(&url, keywords[i]);
        if (path && *path == '/' && !strings_contain(*files, path))
            strings_append(files, path);
    }
}

char *database_url_weakness(const struct database_url *url) {
    const char *mode = database_url_parameter(url, "sslmode");
    if (is_here(url) || string_equal(mode, "verify-full"))
        return NULL;
    if (string_equal(mode, "verify-ca"))
        return xasprintf("sslmode=verify-ca does not look whether the certificate is that of \"%s\"",
                         url->host);
    if (string_equal(mode, "require"))
        return xasprintf(
            "sslmode=require does not look at the certificate: anybody on the way could take the "
            "place of \"%s\"",
            url->host);
    return xasprintf("sslmode=%s lets the connection to \"%s\" go without TLS", mode, url->host);
}
