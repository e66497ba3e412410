/* JSON objects one a line. See json-lines.h. */

#include "watchdog/docker/json-lines.h"

#include <errno.h>
#include <string.h>

#define LINE_LIMIT ((size_t)1024 * 1024)

void json_lines_add(struct json_lines *lines, const char *data, size_t size) {
    struct buffer *rest = &lines->rest;
    if (lines->used > 0) {
        memmove(rest->text, rest->text + lines->used, rest->size - lines->used);
        rest->size -= lines->used;
        lines->used = 0;
    }
    buffer_append(rest, data, size);
}

int json_lines_next(struct json_lines *lines, bool last, json_t **ret, struct error *err) {
    for (;;) {
        const char *line = lines->rest.text ? lines->rest.text + lines->used : "";
        size_t left = lines->rest.size - lines->used;
        const char *end = memchr(line, '\n', left);
        if (!end && left > LINE_LIMIT)
            return error_set(err, EFBIG, "a line of Docker's answer is longer than %zu bytes", LINE_LIMIT);
        if (!end && (!last || left == 0))
            return 0;
        size_t size = end ? (size_t)(end - line) : left;
        lines->used += size + (end != NULL);
        while (size > 0 && strchr("\r \t", line[size - 1]))
            size--;
        if (size == 0)
            continue;
        int r = json_parse(line, size, "a line of Docker's answer", ret, err);
        return r < 0 ? r : 1;
    }
}

void json_lines_done(struct json_lines *lines) {
    buffer_done(&lines->rest);
    *lines = (struct json_lines){ 0 };
}
