/* Lines of logs. See lines.h. */

#include "probes/lines.h"

#include <stdio.h>
#include <string.h>

#define DOCKER_PIECE ((size_t)16 * 1024)

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
    memcpy(ret, line, (size_t)(space - line));
    ret[space - line] = '\0';
    usec_t realtime;
    if (space[-1] != 'Z' && timestamp_parse(ret, &realtime) == 0) {
        line_time(realtime, ret);
        if (point && space - point > 10) /* nanoseconds are lost in between */
            memcpy(ret + strcspn(ret, "."), point, 10);
    }
    return line + (space - line) + 1;
}

void lines_begin(struct line_stream *stream, const struct line_mark *from, const struct line_mark *seen) {
    lines_done(stream);
    *stream = (struct line_stream){ .from = { .mark = *from },
                                    .seen = { .mark = seen ? *seen : *from },
                                    .last = *from };
}

/* Whether a line of that time stands behind the mark. Only a @whole line counts among those of its time. */
static bool reaches(struct line_cursor *cursor, const char *time, bool whole) {
    if (cursor->reached)
        return true;
    int order = *cursor->mark.time ? strcmp(time, cursor->mark.time) : 1;
    if (order == 0 && cursor->met < cursor->mark.lines) {
        cursor->found = true;
        cursor->met += whole;
        cursor->reached = cursor->met == cursor->mark.lines;
        return false;
    }
    cursor->found = cursor->found || (order <= 0 && cursor->mark.lines == 0);
    cursor->reached = order >= 0;
    return cursor->reached;
}

static void move(struct line_mark *mark, const char *time) {
    if (!string_equal(mark->time, time)) {
        memcpy(mark->time, time, sizeof(mark->time));
        mark->lines = 0;
    }
    mark->lines++;
}

/* Docker stamps each 16 KiB of a long line with the time of its beginning. */
static size_t remove_times(char *text, size_t size, const char *time, size_t length) {
    size_t kept = 0;
    if (size <= DOCKER_PIECE || length == 0)
        return size;
    for (const char *at = text, *end = text + size; at < end;) {
        const char *found = memmem(at, (size_t)(end - at), time, length);
        size_t part = (size_t)((found ? found : end) - at);
        memmove(text + kept, at, part);
        kept += part;
        at = found ? found + length : end;
    }
    text[kept] = '\0';
    return kept;
}

static int give(struct line_stream *stream, bool whole, line_function *function, void *userdata) {
    char *text = stream->line.text ? stream->line.text : (char[]){ "" }, time[LOG_TIME_SIZE] = "";
    char *rest = split_time(text, time);
    size_t size = stream->line.size - (rest ? (size_t)(rest - text) : 0);
    int r = 0;
    if (!*stream->first)
        memcpy(stream->first, time, sizeof(stream->first));
    if (!*time || reaches(&stream->from, time, whole)) {
        stream->again = *time && !reaches(&stream->seen, time, whole);
        size = remove_times(rest ? rest : text, size, text, rest ? (size_t)(rest - text) : 0);
        rest = rest ? rest : text;
        size = line_strip(rest, size);
        r = function(userdata, time, rest, size);
        if (*time && whole)
            move(&stream->last, time);
    } else {
        reaches(&stream->seen, time, whole);
    }
    stream->line.size = 0;
    return r;
}

/* What has come of an endless line is given; what follows is another line of the same time. */
static int give_piece(struct line_stream *stream, line_function *function, void *userdata) {
    char time[LOG_TIME_SIZE] = "";
    _cleanup_free_ char *begin = xstrndup(stream->line.text, LOG_TIME_SIZE);
    const char *rest = split_time(begin, time);
    int r = give(stream, false, function, userdata);
    if (rest)
        buffer_append(&stream->line, begin, (size_t)(rest - begin));
    return r;
}

int lines_feed(struct line_stream *stream, const char *data, size_t size, line_function *function,
               void *userdata) {
    while (size > 0) {
        const char *newline = memchr(data, '\n', size);
        size_t part = newline ? (size_t)(newline - data) : size;
        size_t room = LINE_LIMIT - stream->line.size;
        bool fits = part <= room;
        buffer_append(&stream->line, data, fits ? part : room);
        if (fits && !newline)
            break;
        int r = fits ? give(stream, true, function, userdata) : give_piece(stream, function, userdata);
        if (r < 0)
            return r;
        data += fits ? part + 1 : room;
        size -= fits ? part + 1 : room;
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
