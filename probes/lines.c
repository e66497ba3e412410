/* Lines of logs. See lines.h. */

#include "probes/lines.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "watchdog/base/json.h"

void line_time(usec_t realtime, char ret[LOG_TIME_SIZE]) {
    char seconds[TIMESTAMP_SIZE];
    timestamp_format(seconds, realtime);
    snprintf(ret, LOG_TIME_SIZE, "%.*s.%06u000Z", (int)strcspn(seconds, "Z"), seconds,
             (unsigned)(realtime % USEC_PER_SEC));
}

/* Takes "2026-11-23T03:15:00.123456789Z " off the line's beginning. Times are compared as text, so they must
 * be of one zone: the "local" driver writes that of the daemon. Returns the text behind it, or NULL when
 * there is no time. */
static char *split_time(char *line, char ret[LOG_TIME_SIZE]) {
    const char *space = strchr(line, ' '), *point = strchr(line, '.');
    if (!space || space - line >= LOG_TIME_SIZE || space - line < 20 || line[4] != '-' || line[10] != 'T')
        return NULL;
    snprintf(ret, LOG_TIME_SIZE, "%.*s", (int)(space - line), line);
    usec_t realtime;
    if (space[-1] != 'Z' && timestamp_parse(ret, &realtime) == 0) {
        line_time(realtime, ret);
        if (point && space - point > 10) /* nanoseconds are lost in between */
            memcpy(ret + strcspn(ret, "."), point, 10);
    }
    return line + (space - line) + 1;
}

static int give(struct line_stream *stream, bool whole, line_function *function, void *userdata) {
    char *text = stream->line.text ? stream->line.text : (char[]){ "" }, time[LOG_TIME_SIZE] = "";
    char *rest = split_time(text, time);
    size_t size = stream->line.size - (rest ? (size_t)(rest - text) : 0);
    int r = 0;
    if (!*stream->first)
        snprintf(stream->first, sizeof(stream->first), "%s", time);
    if (!*time || strcmp(time, stream->last) > 0) {
        rest = rest ? rest : text;
        size = line_strip(rest, size);
        r = function(userdata, time, rest, size);
        if (*time && whole)
            memcpy(stream->last, time, sizeof(stream->last));
    }
    stream->line.size = 0;
    return r;
}

int lines_feed(struct line_stream *stream, const char *data, size_t size, line_function *function,
               void *userdata) {
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t part = newline ? (size_t)(newline - data) : size;
        size_t room = LINE_LIMIT > stream->line.size ? LINE_LIMIT - stream->line.size : 0;
        buffer_append(&stream->line, data, part < room ? part : room);
        if (!newline)
            break;
        int r = give(stream, true, function, userdata);
        if (r < 0)
            return r;
        data = newline + 1;
        size -= part + 1;
    }
    return 0;
}

int lines_end(struct line_stream *stream, line_function *function, void *userdata) {
    return stream->line.size ? give(stream, false, function, userdata) : 0;
}

void lines_done(struct line_stream *stream) {
    buffer_done(&stream->line);
}

/* The length of the escape sequence at @text, which begins with ESC. */
static size_t escape_length(const char *text, size_t size) {
    if (size < 2)
        return 1;
    size_t at = 2;
    if (text[1] == '[') {
        while (at < size && (unsigned char)text[at] >= 0x20 && (unsigned char)text[at] <= 0x3F)
            at++;
        return at < size ? at + 1 : size;
    }
    if (text[1] == ']') { /* ended by BEL or ESC \ */
        while (at < size && text[at] != '\a' && text[at] != '\x1b')
            at++;
        if (at < size && text[at] == '\x1b' && at + 1 < size)
            at++;
        return at < size ? at + 1 : size;
    }
    return 2;
}

size_t line_strip(char *text, size_t size) {
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        if (text[at] == '\x1b')
            at += escape_length(text + at, size - at);
        else
            text[kept++] = text[at++];
    }
    while (kept > 0 && text[kept - 1] == '\r')
        kept--;
    text[kept] = '\0';
    return kept;
}

static int give_member(const json_t *object, const char *key, line_function *function, void *userdata) {
    const json_t *value = json_object_get(object, key);
    if (json_is_object(value))
        value = json_object_get(value, "message");
    if (!json_is_string(value))
        return 0;
    return function(userdata, "", json_string_value(value), json_string_length(value));
}

int line_messages(const char *text, size_t size, line_function *function, void *userdata) {
    static const char *const keys[] = { "message", "msg", "error", "err", "log", "text", "event" };
    while (size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    if (size < 2 || *text != '{')
        return 0;
    _cleanup_json_ json_t *line = json_loadb(text, size, JSON_ALLOW_NUL, NULL);
    int r = 0;
    for (size_t i = 0; line && i < ELEMENTS(keys) && r == 0; i++)
        r = give_member(line, keys[i], function, userdata);
    return r;
}

static bool is_word(unsigned char letter) {
    return isalnum(letter) || letter == '_' || letter >= 0x80;
}

/* An error's code says what went wrong: one to four capitals and up to six digits (P3009), or an SQLSTATE
 * with a letter (42P07). */
static bool is_code(const char *word, size_t size) {
    size_t capitals = 0, digits = 0;
    while (capitals < size && isupper((unsigned char)word[capitals]))
        capitals++;
    while (capitals + digits < size && isdigit((unsigned char)word[capitals + digits]))
        digits++;
    if (capitals >= 1 && capitals <= 4 && digits <= 6 && capitals + digits == size)
        return true;
    bool letter = false;
    for (size_t i = 0; i < size; i++) {
        letter = letter || isupper((unsigned char)word[i]);
        if (!isupper((unsigned char)word[i]) && !isdigit((unsigned char)word[i]))
            return false;
    }
    return letter && size == 5;
}

/* A word that is an id or a number: any digit in it, or six or more hexadecimal digits. After another one, as
 * in a time or a UUID, a few of them are enough, and it is no error code. */
static bool is_id(const char *word, size_t size, bool follows_id) {
    bool digit = false, hexadecimal = follows_id || size >= 6;
    for (size_t i = 0; i < size; i++) {
        digit = digit || isdigit((unsigned char)word[i]);
        hexadecimal = hexadecimal && isxdigit((unsigned char)word[i]);
    }
    return (digit || hexadecimal) && (follows_id || !is_code(word, size));
}

static uint64_t hash_more(uint64_t hash, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return hash;
}

void line_shape(const char *text, size_t size, char ret[SHAPE_SIZE]) {
    uint64_t hash = UINT64_C(14695981039346656037);
    bool was_id = false;
    for (size_t at = 0; at < size;) {
        size_t word = 0;
        while (at + word < size && is_word((unsigned char)text[at + word]))
            word++;
        if (word > 0 && is_id(text + at, word, was_id)) {
            /* the parts of a time, a UUID, a version count as one */
            if (!was_id)
                hash = hash_more(hash, "#", 1);
            was_id = true;
            at += word;
            continue;
        }
        size_t part = word ? word : 1;
        bool joins = was_id && !word && strchr("-:.,+/", text[at]) && at + 1 < size &&
                     is_word((unsigned char)text[at + 1]);
        if (!joins) {
            hash = hash_more(hash, text + at, part);
            was_id = false;
        }
        at += part;
    }
    snprintf(ret, SHAPE_SIZE, "%016" PRIx64, hash);
}
