#pragma once

/*
 * The configuration of one application: an INI file in systemd's style with drop-ins, read into one struct
 * through one table of keys. Nothing is cut in silence, an unknown section or key is an error with file and
 * line. [Probe NAME] sections stay raw here, with file and line: the kinds of probes know their own keys.
 */

#include <stddef.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

#define SETTINGS_DIRECTORY "/etc/upgrade-watchdog"

enum gate_until {
    GATE_UNTIL_FIRST_PASS = 0, /* the gate opens when all probes have passed once */
    GATE_UNTIL_WINDOW,         /* only when the window is over */
};

/* One assignment of a [Probe NAME] section, as written. */
struct setting_key {
    char *name, *value;
    char *file;
    unsigned line;
};

/* A [Probe NAME] section, of all files together. An empty assignment has already taken away what stood before
 * it. Whether a key may repeat is known to the kind of probe: of one that may not, the last counts, and two
 * with the same file are an error. */
struct probe_section {
    char *name; /* NAME of [Probe NAME] */
    char *file; /* where the section begins first */
    unsigned line;
    struct setting_key
        *keys; /* in order of file and line; a repeated key is there as often as it was given */
    size_t keys_count;
};

struct position;

struct settings {
    char *app;              /* name of APP.conf */
    char *path;             /* the file, absolute where it was loaded */
    char *config_directory; /* its directory */

    struct {
        char *directory;                       /* absolute */
        char *project;                         /* NULL: not given */
        char **files, **profiles, **env_files; /* as written, relative to the directory; NULL: not given */
        char *base_url;                        /* without a final slash; NULL: not given */
        unsigned slots;                        /* upgrades at once on this host */
    } application;

    struct {
        char *service;  /* NULL: @url is given */
        char *url;      /* see database-url.h; NULL: @service is given */
        char *programs; /* for @url: a directory of this host, or an image; NULL: to be looked for */
        char **names;   /* at least one; with those that @url says */
        char *user;     /* with that of @url */
    } database;

    struct {
        char **data, **ignore; /* NULL: none */
        unsigned keep;
        usec_t keep_clone, quarantine, max_freeze;
        char *off_host; /* absolute directory; NULL: none */
    } snapshot;

    struct {
        usec_t start_timeout; /* 0: auto */
        usec_t settle_time;
        usec_t duration, interval;
        unsigned fail_after;
        unsigned fail_share;  /* percent, 1 to 100 */
        char **progress;      /* patterns; NULL: none */
        char *progress_query; /* NULL: none */
        usec_t progress_limit;
        char *gate; /* service; NULL: none */
        enum gate_until gate_until;
    } watch;

    struct {
        char *textfile; /* absolute path; NULL: none */
    } metrics;

    struct {
        char *on;                 /* words of value_occasions(), with one blank between */
        char **urls;              /* "[FORMAT ]ADDRESS", may hold %{name}; NULL: none */
        char **headers;           /* "Name: value", may hold %{name}; NULL: none */
        char *body;               /* jq program; NULL: the message as it is */
        char **mails, **commands; /* NULL: none */
        char *ping;               /* address, may hold %{name}; NULL: none */
    } notify;

    struct position *positions;   /* where each key was assigned last: settings_refuse() */
    struct probe_section *probes; /* in the order of their first appearance */
    size_t probes_count;
};

/* Reads APP.conf in @config_directory, or the file @app where it ends in ".conf", then the *.conf of
 * APP.conf.d/ beside it in the order of their names. A key of a drop-in replaces one that does not repeat;
 * one that does is added to the list, and an empty assignment (`Key=`) empties it first, as in
 * systemd.unit(5). Returns 0, or -EINVAL with "FILE:LINE: [Section] Key=: what was expected", -ENOENT, or the
 * errno of the failing read. @ret is owned by the caller. */
int settings_load(const char *config_directory, const char *app, struct settings **ret, struct error *err);

/* The name that APP, or a path ending in ".conf", stands for; nothing is read. -EINVAL. Owned by the caller.
 */
int settings_app_name(const char *app, char **ret, struct error *err);

/* The same from @size bytes at @text, which errors name as @path; no drop-ins are read. @path also says which
 * directory credentials are looked for in. Whether directories and files that it names exist is not looked
 * at: settings_load() does that. */
int settings_parse(const char *app, const char *path, const char *text, size_t size, struct settings **ret,
                   struct error *err);

/* The whole effective configuration as text that settings_parse() reads back equal, with the files and lines
 * of probes' keys (as `#line` comments): a transaction stores it, so that recovery does not depend on later
 * edits. Owned by the caller. */
char *settings_effective(const struct settings *settings);

/* For whoever finds out later that a value cannot be (a service that the project does not have): sets
 * "FILE:LINE: [Section] Key=: …". Returns -EINVAL. The key must be one of the table. */
int settings_refuse(const struct settings *settings, const char *section, const char *key, struct error *err,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

void settings_free(struct settings *settings);
void cleanup_settings(struct settings **settings);
#define _cleanup_settings_ __attribute__((cleanup(cleanup_settings)))
