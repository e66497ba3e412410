/* What texts may be. See value.h. */

#include "watchdog/config/value.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/config/database-url.h"

#define NAME_LIMIT 64
#define IDENTIFIER_LIMIT 63 /* NAMEDATALEN - 1: PostgreSQL cuts longer ones with a NOTICE only */
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int accept_if(int good, const char *value, char **ret) {
    if (!good)
        return -EINVAL;
    *ret = xstrdup(value);
    return 0;
}

static int made_of(const char *value, const char *bytes) {
    return *value && value[strspn(value, bytes)] == '\0';
}

int value_is_name(const char *value) {
    return isalnum((unsigned char)*value) && made_of(value, LOWER UPPER DIGITS "-_.") &&
           strlen(value) <= NAME_LIMIT;
}

int value_text(const char *value, char **ret, struct error *err) {
    (void)err;
    return accept_if(*value != '\0', value, ret);
}

/* "a//./b/" becomes "a/b"; ".." is -EINVAL. */
static int path_clean(const char *path, char **ret) {
    _cleanup_buffer_ struct buffer clean = { 0 };
    if (*path == '/')
        buffer_append(&clean, "/", 1);
    for (size_t size; *path; path += size) {
        size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0)
            return -EINVAL;
        if (size > 0 && !(size == 1 && *path == '.')) {
            if (clean.size > 0 && clean.text[clean.size - 1] != '/')
                buffer_append(&clean, "/", 1);
            buffer_append(&clean, path, size);
        }
        if (size == 0)
            size = 1;
    }
    if (clean.size == 0)
        buffer_append(&clean, ".", 1);
    *ret = buffer_take(&clean);
    return 0;
}

int value_path(const char *value, char **ret, struct error *err) {
    (void)err;
    return *value ? path_clean(value, ret) : -EINVAL;
}

int value_directory(const char *value, char **ret, struct error *err) {
    return *value == '/' ? value_path(value, ret, err) : -EINVAL;
}

int value_service(const char *value, char **ret, struct error *err) {
    (void)err;
    return accept_if(made_of(value, LOWER UPPER DIGITS "-_."), value, ret);
}

int value_project(const char *value, char **ret, struct error *err) {
    (void)err;
    return accept_if(made_of(value, LOWER DIGITS "-_") && strchr("-_", *value) == NULL, value, ret);
}

static void cleanup_url(CURLU **url) {
    curl_url_cleanup(*url);
}

static void cleanup_curl_text(char **text) {
    curl_free(*text);
}

int value_url(const char *value, char **ret, struct error *err) {
    __attribute__((cleanup(cleanup_url))) CURLU *url = curl_url();
    __attribute__((cleanup(cleanup_curl_text))) char *scheme = NULL, *host = NULL;
    static const CURLUPart unwanted[] = { CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                          CURLUPART_FRAGMENT };
    if (strchr(value, ' ') || !url || curl_url_set(url, CURLUPART_URL, value, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || !*host)
        return -EINVAL;
    if (!string_equal(scheme, "http") && !string_equal(scheme, "https"))
        return -EINVAL;
    for (size_t i = 0; i < ELEMENTS(unwanted); i++) {
        char *part = NULL;
        CURLUcode code = curl_url_get(url, unwanted[i], &part, 0);
        curl_free(part);
        if (code == CURLUE_OK) /* not shown: what stands there may be a password */
            return error_set(err, EINVAL,
                             "the address has a user, query or fragment, expected http://HOST[:PORT][/PATH]");
    }
    size_t size = strlen(value);
    while (size > 0 && value[size - 1] == '/')
        size--;
    *ret = xstrndup(value, size);
    return 0;
}

int value_identifier(const char *value, char **ret, struct error *err) {
    (void)err;
    return accept_if(*value && strlen(value) <= IDENTIFIER_LIMIT, value, ret);
}

int value_database(const char *value, char **ret, struct error *err) {
    if (string_equal(value, "template0") || string_equal(value, "template1"))
        return error_set(err, EINVAL,
                         "\"%s\" is a template of PostgreSQL, expected the application's database", value);
    return value_identifier(value, ret, err);
}

int value_database_url(const char *value, char **ret, struct error *err) {
    _cleanup_database_url_ struct database_url url = { 0 };
    int r = database_url_parse(value, &url, err);
    if (r >= 0 && url.user)
        r = strlen(url.user) <= IDENTIFIER_LIMIT
                ? 0
                : error_set(err, EINVAL, "the role \"%s\" has more than 63 bytes", url.user);
    if (r >= 0 && url.database) {
        _cleanup_free_ char *name = NULL;
        r = value_database(url.database, &name, err);
    }
    if (r >= 0)
        *ret = xstrdup(value);
    return r;
}

int value_programs(const char *value, char **ret, struct error *err) {
    if (*value == '/')
        return value_directory(value, ret, err);
    return accept_if(isalnum((unsigned char)*value) && made_of(value, LOWER UPPER DIGITS "-_./:@"), value,
                     ret);
}

int value_data(const char *value, char **ret, struct error *err) {
    const char *colon = strchr(value, ':');
    if (!colon)
        return value_path(value, ret, err);
    _cleanup_free_ char *service = xstrndup(value, (size_t)(colon - value));
    if (string_equal(service, "volume") && colon[1] != '/')
        return accept_if(isalnum((unsigned char)colon[1]) && made_of(colon + 1, LOWER UPPER DIGITS "-_."),
                         value, ret);
    _cleanup_free_ char *path = NULL;
    if (!made_of(service, LOWER UPPER DIGITS "-_.") || value_directory(colon + 1, &path, err) < 0)
        return -EINVAL;
    *ret = xasprintf("%s:%s", service, path);
    return 0;
}

int value_off_host(const char *value, char **ret, struct error *err) {
    if (string_starts_with(value, "s3://"))
        return error_set(err, EINVAL,
                         "s3:// is not supported by this version yet, expected an absolute directory");
    return value_directory(value, ret, err);
}

int value_textfile(const char *value, char **ret, struct error *err) {
    static const char suffix[] = ".prom";
    _cleanup_free_ char *path = NULL;
    int r = value_directory(value, &path, err);
    if (r < 0 || !string_ends_with(path, suffix) || string_ends_with(path, "/.prom"))
        return -EINVAL;
    *ret = take_ptr(path);
    return 0;
}

int value_occasions(const char *value, char **ret, struct error *err) {
    static const char *const known[] = { "upgraded",        "up-to-date", "refused", "refused-again",
                                         "rejected",        "held",       "aborted", "rolled-back",
                                         "rollback-failed", "failed" };
    _cleanup_strings_ char **words = NULL;
    for (const char *at = value + strspn(value, " \t"); *at; at += strspn(at, " \t")) {
        _cleanup_free_ char *word = xstrndup(at, strcspn(at, " \t"));
        bool good = false;
        for (size_t i = 0; i < ELEMENTS(known); i++)
            good = good || string_equal(known[i], word);
        if (!good)
            return -EINVAL;
        if (strings_contain(words, word))
            return error_set(err, EINVAL, "\"%s\" is there twice", word);
        strings_append(&words, word);
        at += strlen(word);
    }
    if (!words)
        return -EINVAL;
    *ret = strings_join(words, " ");
    return 0;
}

/* As far as it can be told without asking for it: nothing that sendmail would take for an option, and none of
 * the characters that RFC 5322 quotes. */
int value_mail(const char *value, char **ret, struct error *err) {
    const char *at = strchr(value, '@');
    (void)err;
    return accept_if(isalnum((unsigned char)*value) && made_of(value, LOWER UPPER DIGITS "-_.+=@") &&
                         (!at || (at[1] && !strchr(at + 1, '@'))) && strlen(value) <= 254,
                     value, ret);
}
