/* Capture=: values for the probes that come after this one. See answer.h. */

#include "probes/capture.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "probes/html.h"
#include "probes/jq.h"
#include "probes/pattern.h"
#include "watchdog/base/json.h"

#define FOUND_LIMIT 10000
#define CAPTURE_LIMIT ((size_t)64 * 1024)

/* A captured value goes into headers, URLs and forms. */
static const char *bad_value(const char *value, size_t size) {
    if (size == 0)
        return "is empty";
    if (size > CAPTURE_LIMIT)
        return "is longer than 64 KiB";
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7F)
            return "has a control character";
    return NULL;
}

/* A string is taken as it is, a number or boolean as JSON writes it. Owned by the caller, NULL: neither. */
char *capture_text(const json_t *value) {
    if (json_is_string(value))
        return json_string_length(value) == strlen(json_string_value(value))
                   ? xstrdup(json_string_value(value))
                   : NULL;
    return json_is_number(value) || json_is_boolean(value) ? json_text(value) : NULL;
}

int capture_by_pattern(const struct judgement *judgement, const char *source, char **ret, struct error *err) {
    _cleanup_pattern_ struct pattern *pattern = NULL;
    _cleanup_free_ char *value = NULL;
    size_t size = 0;
    int r = pattern_new(source, &pattern, err);
    r = r < 0 ? r : pattern_capture(pattern, judgement->text, judgement->size, &value, &size, err);
    if (r <= 0)
        return r;
    if (strlen(value) != size)
        return error_set(err, EDOM, "has a NUL byte");
    *ret = judgement->is_html ? html_decode(value, size) : take_ptr(value);
    return 1;
}

int capture_all_by_pattern(const struct judgement *judgement, const char *source, json_t *found,
                           struct error *err) {
    _cleanup_pattern_ struct pattern *pattern = NULL;
    struct pattern_range ranges[2];
    int r = pattern_new(source, &pattern, err);
    for (size_t at = 0; r >= 0 && at <= judgement->size;) {
        r = pattern_find(pattern, judgement->text, judgement->size, at, ranges, ELEMENTS(ranges), err);
        if (r <= 0)
            break;
        if (json_array_size(found) >= FOUND_LIMIT)
            return error_set(err, E2BIG, "was found more than %d times", FOUND_LIMIT);
        const struct pattern_range *range = &ranges[ranges[1].is_set ? 1 : 0];
        const char *begin = judgement->text + range->begin;
        _cleanup_free_ char *text =
            judgement->is_html ? html_decode(begin, range->size) : xstrndup(begin, range->size);
        json_array_append_new(found, json_text_string(text));
        at = ranges[0].begin + ranges[0].size + (ranges[0].size == 0);
    }
    return r;
}

int capture_by_jq(const struct judgement *judgement, const char *source, char **ret, struct error *err) {
    _cleanup_json_ json_t *values = NULL;
    if (!judgement->json)
        return 0;
    int r = jq_run(judgement->settings->prepared, source, judgement->json, judgement->json, &values, err);
    *ret = r == 0 ? capture_text(json_array_get(values, 0)) : NULL;
    return r < 0 ? r : *ret != NULL;
}

/* The last of that name, as it came. */
static int capture_header(const char *headers, const char *name, char **ret) {
    size_t length = strlen(name);
    for (const char *at = headers; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        if (strncasecmp(at, name, length) != 0 || at[length] != ':')
            continue;
        const char *value = at + length + 1 + strspn(at + length + 1, " \t");
        size_t size = strcspn(value, "\r\n");
        while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
            size--;
        replace_string(*ret, xstrndup(value, size));
    }
    return *ret != NULL;
}

static int hex(char digit) {
    return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

/* As scripts read a cookie whose value they send back in a header: percent-decoded. */
static char *decoded(const char *value) {
    struct buffer text = { 0 };
    for (const char *at = value; *at; at++) {
        bool is_code = *at == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]);
        char letter = is_code ? (char)(hex(at[1]) * 16 + hex(at[2])) : *at;
        buffer_append(&text, &letter, 1);
        at += is_code ? 2 : 0;
    }
    return buffer_take(&text);
}

/* Netscape's format: domain, subdomains, path, secure, expires, name, value. */
static int capture_cookie(const json_t *cookies, const char *name, char **ret) {
    size_t i;
    const json_t *line;
    json_array_foreach(cookies, i, line) {
        const char *text = json_string_value(line), *value = text ? strrchr(text, '\t') : NULL;
        if (!value)
            continue;
        const char *before = memrchr(text, '\t', (size_t)(value - text));
        if (before && (size_t)(value - before - 1) == strlen(name) &&
            strncmp(before + 1, name, strlen(name)) == 0)
            replace_string(*ret, decoded(value + 1));
    }
    return *ret != NULL;
}

/* Returns 1 with the value, 0 when the answer has none, or -errno. */
static int capture_one(const struct judgement *judgement, const struct answer_capture *capture, char **ret,
                       struct error *err) {
    switch (capture->from) {
    case ANSWER_JQ:
        return capture_by_jq(judgement, capture->source, ret, err);
    case ANSWER_PATTERN:
        return capture_by_pattern(judgement, capture->source, ret, err);
    case ANSWER_HEADER:
        return capture_header(judgement->headers, capture->source, ret);
    case ANSWER_COOKIE:
        return capture_cookie(judgement->cookies, capture->source, ret);
    case ANSWER_FIELD:
        break;
    }
    return html_field(judgement->text, judgement->size, capture->source, ret, err);
}

void capture_all(struct judgement *judgement, json_t *captures) {
    const struct answer_settings *settings = judgement->settings;
    for (size_t i = 0; i < settings->captures.count; i++) {
        const struct answer_capture *capture = &settings->captures.list[i];
        _cleanup_error_ struct error err = ERROR_NONE;
        _cleanup_free_ char *value = NULL;
        int r = capture_one(judgement, capture, &value, &err);
        const char *bad = r > 0    ? bad_value(value, strlen(value))
                          : r == 0 ? "is not there"
                                   : error_text(&err);
        if (r > 0)
            secrets_add(judgement->secrets, value);
        if (r > 0 && !bad)
            json_object_set_new(captures, capture->name, json_text_string(value));
        else if (!judgement->missing) {
            judgement->missing = xasprintf("%s: %s", capture->name, bad);
            judgement->was_stopped = r == -ELOOP || r == -E2BIG;
        }
        _cleanup_free_ char *outcome = bad ? xstrdup(bad) : xasprintf("*** (%zu characters)", strlen(value));
        answer_note(judgement, "Capture", capture->name, NULL, outcome);
    }
}
