#pragma once

/* One or several INI files read into one struct settings. Used by settings.c alone. */

#include "watchdog/config/setting.h"

struct position {
    char *file; /* owned; NULL: nowhere */
    unsigned line;
};

struct seen_section {
    char *name;
    struct position at;
};

struct settings_reader {
    struct settings *settings;  /* owned until it is taken */
    struct position *positions; /* per row of the table: where it was assigned last */
    struct seen_section *sections;
    size_t sections_count;
};

/* Begins with every fallback in place. */
void settings_reader_init(struct settings_reader *reader, const char *app, const char *path);
void settings_reader_done(struct settings_reader *reader);
#define _cleanup_settings_reader_ __attribute__((cleanup(settings_reader_done)))

/* Reads one file's contents over what is there. @marks: `#line` comments are obeyed. */
int settings_reader_add(struct settings_reader *reader, const char *file, const char *text, size_t size,
                        int marks, struct error *err);

/* What only the whole can say: required keys, keys that contradict each other. */
int settings_reader_finish(struct settings_reader *reader, struct error *err);

/* Sets "FILE:LINE: [Section] Key=: …" for the row that holds @offset. Returns -EINVAL. */
int settings_reader_refuse(const struct settings_reader *reader, size_t offset, struct error *err,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
