/* Values of the keys of Kind=http. See http.h. */

#include "probes/http.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "probes/keys.h"

static bool has_blank_or_control(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7F)
            return true;
    return false;
}

/* RFC 9110, section 5.6.2 */
static size_t token_length(const char *text) {
    size_t size = 0;
    while (isalnum((unsigned char)text[size]) || (text[size] && strchr("!#$%&'*+-.^_`|~", text[size])))
        size++;
    return size;
}

/* A value that came from outside must not choose where the request goes. */
static bool host_has_placeholder(const char *target) {
    const char *host = strstr(target, "://"), *placeholder = strstr(target, "%{");
    size_t size = host ? strcspn(host + 3, "/?#") : 0;
    return host && placeholder && placeholder < host + 3 + size;
}

int key_request(const char *value, void *target, struct error *err) {
    struct http_settings *settings = target;
    size_t method = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), blanks = strspn(value + method, " \t");
    const char *where = value + method + blanks;
    bool is_url = string_starts_with(where, "http://") || string_starts_with(where, "https://");
    if (!method || !blanks || (*where != '/' && !is_url) || has_blank_or_control(where))
        return error_set(err, EINVAL,
                         "expected a method and a path or a URL, as in \"GET /api/projects\", not \"%s\"",
                         value);
    if (host_has_placeholder(where))
        return error_set(err, EINVAL, "expected a host without \"%%{name}\" in it");
    int r = placeholders_check(where, err);
    if (r < 0)
        return r;
    replace_string(settings->method, xstrndup(value, method));
    replace_string(settings->target, xstrdup(where));
    return 0;
}

static const char *status_number(const char *text, long *ret) {
    char *end = (char *)text;
    *ret = isdigit((unsigned char)*text) ? strtol(text, &end, 10) : 0;
    return *ret >= 100 && *ret <= 599 && end == text + 3 ? end : NULL;
}

int key_status(const char *value, void *target, struct error *err) {
    struct http_settings *settings = target;
    const char *at = value;
    settings->status.count = 0;
    while (at && *at) {
        struct http_status range;
        at = status_number(at, &range.first);
        range.last = range.first;
        if (at && *at == '-')
            at = status_number(at + 1, &range.last);
        if (!at || range.last < range.first || (*at && !strchr(", ", *at)))
            break;
        settings->status.list =
            xrealloc(settings->status.list, settings->status.count + 1, sizeof(*settings->status.list));
        settings->status.list[settings->status.count++] = range;
        at += strspn(at, ", ");
    }
    if (!at || *at || settings->status.count == 0)
        return error_set(err, EINVAL,
                         "expected statuses or ranges, as in \"200\" or \"200-299, 304\", not \"%s\"", value);
    replace_string(settings->status.text, xstrdup(value));
    return 0;
}

bool http_status_wanted(const struct http_settings *settings, long status) {
    for (size_t i = 0; i < settings->status.count; i++)
        if (status >= settings->status.list[i].first && status <= settings->status.list[i].last)
            return true;
    return false;
}

int key_header(const char *value, void *target, struct error *err) {
    size_t name = token_length(value);
    if (!name || value[name] != ':')
        return error_set(err, EINVAL, "expected \"Name: value\", not \"%s\"", value);
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return error_set(err, EINVAL, "expected no control character in a header");
    int r = placeholders_check(value + name, err);
    return r < 0 ? r : key_texts(value, target, err);
}

int key_form(const char *value, void *target, struct error *err) {
    const char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return error_set(err, EINVAL, "expected \"name=value\", not \"%s\"", value);
    int r = placeholders_check(value, err);
    return r < 0 ? r : key_texts(value, target, err);
}

int key_assets(const char *value, void *target, struct error *err) {
    return string_equal(value, HTTP_ASSETS_OF_PAGE) ? key_text(value, target, err)
                                                    : key_jq(value, target, err);
}

int key_json(const char *value, void *target, struct error *err) {
    int r = placeholders_check_json(value, err);
    return r < 0 ? r : key_text(value, target, err);
}
