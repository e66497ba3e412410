#pragma once

/* One or several INI files read into one struct settings. Used by settings.c alone. */

#include "watchdog/config/setting.h"

struct position {
    char *file; /* owned; NULL: nowhere */
    unsigned line;
};

/* One per row of the table, in its order. */
struct position *positions_new(void);
void positions_free(struct position *positions);

struct seen_section {
    char *name;
    struct position at;
};

struct settings_reader {
    struct settings *settings; /* owned until it is taken */
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
