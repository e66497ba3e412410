/* What structured lines say. See messages.h. */

#include "probes/messages.h"

#include <ctype.h>
#include <string.h>

#include "watchdog/base/json.h"

#define DEPTH_LIMIT 6
#define VALUE_LIMIT 8192

/*
 * Names under which loggers write what is said: winston, pino, bunyan; logback, log4j's JSON layouts,
 * Quarkus; structlog, python-json-logger; zap, zerolog, slog, logrus; Monolog, semantic_logger; Serilog's
 * compact format
 * (@m, @x); tracing; Elastic Common Schema.
 */
static const char *const said[] = {
    "message",
    "msg",
    "text",
    "log",
    "event",
    "error",
    "err",
    "stack",
    "stack_trace",
    "stacktrace",
    "stackTrace",
    "exception",
    "exc_info",
    "traceback",
    "detail",
    "errorMessage",
    "error_message",
    "exception_message",
    "errorVerbose",
    "error.message",
    "error.stack_trace",
    "extendedStackTrace",
    "backtrace",
    "@m",
    "@x",
    "@message",
    "RenderedMessage",
    "Exception",
};
/* Objects that hold such. */
static const char *const holds[] = {
    "error",  "err",      "exception", "thrown", "cause", "causedBy",  "previous",
    "parent", "original", "context",   "fields", "meta",  "Exception",
};

static bool is_one_of(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (string_equal(names[i], name))
            return true;
    return false;
}

/* A stack trace may be an array of lines. */
static int give_lines(const json_t *array, line_function *function, void *userdata) {
    _cleanup_buffer_ struct buffer lines = { 0 };
    const json_t *line;
    size_t i;
    json_array_foreach(array, i, line) if (json_is_string(line))
        buffer_printf(&lines, "%s%s", lines.size ? "\n" : "", json_string_value(line));
    return lines.size ? function(userdata, "", lines.text, lines.size) : 0;
}

/* Appends the objects in @object that may hold messages to @next. */
static int give_object(const json_t *object, line_function *function, void *userdata, json_t *next) {
    const char *name;
    json_t *value;
    int r = 0;
    json_object_foreach((json_t *)object, name, value) {
        if (json_is_string(value) && is_one_of(said, ELEMENTS(said), name))
            r = function(userdata, "", json_string_value(value), json_string_length(value));
        else if (json_is_array(value) && is_one_of(said, ELEMENTS(said), name))
            r = give_lines(value, function, userdata);
        else if (json_is_object(value) && is_one_of(holds, ELEMENTS(holds), name))
            json_array_append(next, value);
        if (r < 0)
            break;
    }
    return r;
}

/* Level by level, without recursion. */
static int give_json(json_t *line, line_function *function, void *userdata) {
    json_t *level = json_pack("[O]", line);
    int r = 0;
    for (int depth = 0; depth < DEPTH_LIMIT && json_array_size(level) > 0 && r == 0; depth++) {
        json_t *next = json_array();
        const json_t *object;
        size_t i;
        json_array_foreach(level, i, object) {
            r = give_object(object, function, userdata, next);
            if (r < 0)
                break;
        }
        json_decref(level);
        level = next;
    }
    json_decref(level);
    return r;
}

/* The quoted value at @at, unescaped; returns what is behind it. */
static const char *unquote(const char *at, const char *end, char value[VALUE_LIMIT], size_t *ret_size) {
    size_t size = 0;
    for (at++; at < end && *at != '"'; at++) {
        char letter = *at;
        if (letter == '\\' && at + 1 < end) {
            at++;
            letter = (char)(*at == 'n' ? '\n' : *at == 't' ? '\t' : *at);
        }
        if (size < VALUE_LIMIT - 1)
            value[size++] = letter;
    }
    value[size] = '\0';
    *ret_size = size;
    return at < end ? at + 1 : end;
}

static bool is_key(char letter) {
    return isalnum((unsigned char)letter) || letter == '_' || letter == '.' || letter == '-' || letter == '@';
}

static int give_logfmt(const char *text, size_t size, line_function *function, void *userdata) {
    static const char *const keys[] = { "msg", "message", "error", "err" };
    char value[VALUE_LIMIT], key[16];
    const char *end = text + size;
    int r = 0;
    for (const char *at = text; at < end && r == 0;) {
        const char *begin = at;
        while (at < end && is_key(*at))
            at++;
        size_t length = (size_t)(at - begin), value_size = 0;
        if (length == 0 || at >= end || *at != '=') {
            at += at < end && at == begin;
            continue;
        }
        snprintf(key, sizeof(key), "%.*s", (int)(length < sizeof(key) ? length : 0), begin);
        if (++at < end && *at == '"') {
            at = unquote(at, end, value, &value_size);
        } else {
            begin = at;
            while (at < end && *at != ' ')
                at++;
            value_size = (size_t)(at - begin) < VALUE_LIMIT ? (size_t)(at - begin) : VALUE_LIMIT - 1;
            memcpy(value, begin, value_size);
            value[value_size] = '\0';
        }
        if (is_one_of(keys, ELEMENTS(keys), key))
            r = function(userdata, "", value, value_size);
    }
    return r;
}

/* Two pairs at least, one of them the message: prose with one "=" in it is none. */
static bool is_logfmt(const char *text) {
    const char *message = strstr(text, "msg=");
    if (!message)
        message = strstr(text, "message=");
    if (!message || (message > text && message[-1] != ' '))
        return false;
    const char *first = strchr(text, '='), *other = first ? strchr(first + 1, '=') : NULL;
    return other != NULL;
}

int line_messages(const char *text, size_t size, line_function *function, void *userdata,
                  enum line_format *ret_format) {
    *ret_format = LINE_PLAIN;
    while (size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    if (size >= 2 && *text == '{') {
        _cleanup_json_ json_t *line = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
        if (!line)
            return 0;
        *ret_format = LINE_JSON;
        return give_json(line, function, userdata);
    }
    if (!is_logfmt(text))
        return 0;
    *ret_format = LINE_LOGFMT;
    return give_logfmt(text, size, function, userdata);
}
