/* Structs to JSON and back. See codec.h. Lists nest as deep as the tables do, never as deep as the input
 * says. */

#include "watchdog/base/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

#define AT(object, offset, type) ((type *)((char *)(object) + (offset)))
#define AT_CONST(object, offset, type) ((const type *)((const char *)(object) + (offset)))

static json_t *encode_strings(char *const *list) {
    json_t *array = json_array();
    for (; *list; list++)
        json_array_append_new(array, json_text_string(*list));
    return array;
}

static json_t *encode_list(const struct field *field, const void *object) {
    const char *elements = *AT_CONST(object, field->offset, char *);
    size_t count = *AT_CONST(object, field->count_offset, size_t);
    if (count == 0)
        return NULL;
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, codec_encode(field->of, elements + i * field->of_size));
    return array;
}

static json_t *encode_field(const struct field *field, const void *object) {
    const void *at = (const char *)object + field->offset;
    switch (field->type) {
    case FIELD_STRING:
        return *(char *const *)at ? json_text_string(*(char *const *)at) : NULL;
    case FIELD_BOOLEAN:
        return *(const bool *)at ? json_true() : NULL;
    case FIELD_INTEGER:
        return *(const int64_t *)at ? json_integer(*(const int64_t *)at) : NULL;
    case FIELD_TIME:
        return *(const usec_t *)at ? json_integer((json_int_t) * (const usec_t *)at) : NULL;
    case FIELD_NUMBER:
        return *(const uint32_t *)at ? json_integer(*(const uint32_t *)at) : NULL;
    case FIELD_REAL:
        return *(const double *)at > 0 || *(const double *)at < 0 ? json_real(*(const double *)at) : NULL;
    case FIELD_WORD:
        return json_string(field->words[*(const int *)at]);
    case FIELD_STRINGS:
        return *(char **const *)at ? encode_strings(*(char **const *)at) : NULL;
    case FIELD_LIST:
        return encode_list(field, object);
    case FIELD_JSON:
        return json_incref(*(json_t *const *)at);
    }
    return NULL;
}

json_t *codec_encode(const struct field *fields, const void *object) {
    json_t *json = json_object();
    for (const struct field *field = fields; field->name; field++) {
        json_t *value = encode_field(field, object);
        if (value)
            json_object_set_new(json, field->name, value);
    }
    return json;
}

static int expected(const char *place, const char *name, const char *what, struct error *err) {
    return error_set(err, EBADMSG, "%s.%s: expected %s", place, name, what);
}

static int decode_word(const struct field *field, const json_t *value, const char *place, int *ret,
                       struct error *err) {
    for (int i = 0; field->words[i]; i++)
        if (string_equal(json_string_value(value), field->words[i])) {
            *ret = i;
            return 0;
        }
    _cleanup_free_ char *words = strings_join((char *const *)field->words, ", ");
    return error_set(err, EBADMSG, "%s.%s: expected one of %s", place, field->name, words);
}

static int decode_strings(const struct field *field, const json_t *value, const char *place, char ***ret,
                          struct error *err) {
    size_t i;
    json_t *element;
    if (!json_is_array(value))
        return expected(place, field->name, "a list of strings", err);
    json_array_foreach(value, i, element) {
        if (!json_is_string(element))
            return expected(place, field->name, "a list of strings", err);
        strings_append(ret, json_string_value(element));
    }
    return 0;
}

static int decode_list(const struct field *field, const json_t *value, const char *place, void *object,
                       struct error *err) {
    if (!json_is_array(value))
        return expected(place, field->name, "a list", err);
    size_t count = json_array_size(value);
    char *elements = xcalloc(count, field->of_size);
    *AT(object, field->offset, char *) = elements;
    *AT(object, field->count_offset, size_t) = count;
    for (size_t i = 0; i < count; i++) {
        _cleanup_free_ char *inner = xasprintf("%s.%s[%zu]", place, field->name, i);
        int r = codec_decode(field->of, json_array_get(value, i), inner, elements + i * field->of_size, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode_integer(const json_t *value, json_int_t low, json_int_t high, json_int_t *ret) {
    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= low && *ret <= high;
}

static int decode_field(const struct field *field, json_t *value, const char *place, void *object,
                        struct error *err) {
    void *at = (char *)object + field->offset;
    json_int_t integer;
    switch (field->type) {
    case FIELD_STRING:
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            return expected(place, field->name, "a string", err);
        *(char **)at = xstrdup(json_string_value(value));
        return 0;
    case FIELD_BOOLEAN:
        if (!json_is_boolean(value))
            return expected(place, field->name, "true or false", err);
        *(bool *)at = json_is_true(value);
        return 0;
    case FIELD_INTEGER:
        if (!decode_integer(value, INT64_MIN, INT64_MAX, &integer))
            return expected(place, field->name, "an integer", err);
        *(int64_t *)at = integer;
        return 0;
    case FIELD_TIME:
        if (!decode_integer(value, 0, INT64_MAX, &integer))
            return expected(place, field->name, "a time in microseconds", err);
        *(usec_t *)at = (usec_t)integer;
        return 0;
    case FIELD_NUMBER:
        if (!decode_integer(value, 0, UINT32_MAX, &integer))
            return expected(place, field->name, "a number from 0 to 4294967295", err);
        *(uint32_t *)at = (uint32_t)integer;
        return 0;
    case FIELD_REAL:
        if (!json_is_number(value))
            return expected(place, field->name, "a number", err);
        *(double *)at = json_number_value(value);
        return 0;
    case FIELD_WORD:
        return decode_word(field, value, place, at, err);
    case FIELD_STRINGS:
        return decode_strings(field, value, place, at, err);
    case FIELD_LIST:
        return decode_list(field, value, place, object, err);
    case FIELD_JSON:
        *(json_t **)at = json_incref(value);
        return 0;
    }
    return 0;
}

static const struct field *field_find(const struct field *fields, const char *name) {
    for (; fields->name; fields++)
        if (string_equal(fields->name, name))
            return fields;
    return NULL;
}

int codec_decode(const struct field *fields, const json_t *json, const char *place, void *ret,
                 struct error *err) {
    const char *name;
    json_t *value;
    if (!json_is_object(json))
        return error_set(err, EBADMSG, "%s: expected an object", place);
    json_object_foreach((json_t *)json, name, value) {
        const struct field *field = field_find(fields, name);
        int r = field ? decode_field(field, value, place, ret, err)
                      : error_set(err, EBADMSG, "%s.%s: this version does not know that member", place, name);
        if (r < 0) {
            codec_free(fields, ret);
            return r;
        }
    }
    return 0;
}

void codec_free(const struct field *fields, void *object) {
    for (const struct field *field = fields; field->name; field++) {
        void *at = (char *)object + field->offset;
        switch (field->type) {
        case FIELD_STRING:
            free(*(char **)at);
            *(char **)at = NULL;
            break;
        case FIELD_STRINGS:
            strings_free(*(char ***)at);
            *(char ***)at = NULL;
            break;
        case FIELD_JSON:
            json_decref(*(json_t **)at);
            *(json_t **)at = NULL;
            break;
        case FIELD_LIST: {
            char *elements = *(char **)at;
            size_t *count = AT(object, field->count_offset, size_t);
            for (size_t i = 0; i < *count; i++)
                codec_free(field->of, elements + i * field->of_size);
            free(elements);
            *(char **)at = NULL;
            *count = 0;
            break;
        }
        case FIELD_BOOLEAN:
        case FIELD_INTEGER:
        case FIELD_TIME:
        case FIELD_NUMBER:
        case FIELD_REAL:
        case FIELD_WORD:
            break;
        }
    }
}
