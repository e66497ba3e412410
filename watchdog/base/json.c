/* JSON over jansson. See json.h. */

#include "watchdog/base/json.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/memory.h"

void cleanup_json(json_t **value) {
    json_decref(*value);
}

int json_parse(const char *text, size_t size, const char *what, json_t **ret, struct error *err) {
    json_error_t where;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (!value)
        return error_set(err, EBADMSG, "%s is not valid JSON: line %d, column %d: %s", what, where.line,
                         where.column, where.text);
    *ret = value;
    return 0;
}

char *json_text(const json_t *value) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    if (!text)
        abort();
    return text;
}

const char *json_get_string(const json_t *object, const char *key, const char *fallback) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : fallback;
}

json_int_t json_get_integer(const json_t *object, const char *key, json_int_t fallback) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

int json_get_boolean(const json_t *object, const char *key, int fallback) {
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

json_t *json_get_object(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_object(value) ? value : NULL;
}

json_t *json_get_array(const json_t *object, const char *key) {
    json_t *value = json_object_get(object, key);
    return json_is_array(value) ? value : NULL;
}

json_t *json_path(const json_t *value, const char *path) {
    json_t *at = NULL;
    for (const char *rest = path; rest;) {
        const char *dot = strchr(rest, '.');
        _cleanup_free_ char *key = dot ? xstrndup(rest, (size_t)(dot - rest)) : xstrdup(rest);
        at = json_object_get(at ? at : value, key);
        if (!at)
            return NULL;
        rest = dot ? dot + 1 : NULL;
    }
    return at;
}

/* The length of the valid UTF-8 sequence at @text, 0 when there is none (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *text) {
    size_t size = text[0] < 0x80   ? 1
                  : text[0] < 0xC2 ? 0
                  : text[0] < 0xE0 ? 2
                  : text[0] < 0xF0 ? 3
                  : text[0] < 0xF5 ? 4
                                   : 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    if ((text[0] == 0xE0 && text[1] < 0xA0) || (text[0] == 0xED && text[1] > 0x9F) ||
        (text[0] == 0xF0 && text[1] < 0x90) || (text[0] == 0xF4 && text[1] > 0x8F))
        return 0;
    return size;
}

json_t *json_text_string(const char *text) {
    _cleanup_buffer_ struct buffer valid = { 0 };
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t size = utf8_sequence(at);
        if (size)
            buffer_append(&valid, at, size);
        else
            buffer_append(&valid, "\xEF\xBF\xBD", 3);
        at += size ? size : 1;
    }
    json_t *string = json_string(valid.text ? valid.text : "");
    if (!string)
        abort();
    return string;
}
