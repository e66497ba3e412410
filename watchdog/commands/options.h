#pragma once

/*
 * The command line, as upgrade-watchdog(8) documents it: one table of commands, each with its arguments,
 * options and function. Options may stand before or behind the command and its arguments.
 */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/error.h"
#include "watchdog/base/memory.h"

struct command;

/* What was asked for. Strings are borrowed from argv or constant. */
struct options {
    const struct command *command; /* NULL with help or version alone */
    const char *config_directory, *state_directory;
    bool json, help, version;

    const char *app;        /* NULL: not given */
    const char *explain;    /* probe: the one that is to explain itself; NULL: none */
    const char *id;         /* of a transaction or snapshot; NULL: not given */
    bool yes;               /* rollback: do not ask */
    bool here;              /* upgrade: in this process, not through systemd */
    bool unit;              /* upgrade: as upgrade-watchdog@.service */
    bool test;              /* notify: a test message, at once */
    bool again;             /* upgrade: also a release that is known to be bad */
    bool verify;            /* read everything back */
    const char *verify_how; /* "checksums" or "restore"; NULL: not given */
};

enum option_storage {
    OPTION_FLAG,  /* bool */
    OPTION_TEXT,  /* const char * */
    OPTION_HOW,   /* --verify or --verify=HOW, one of the words in .argument ("checksums|restore"); to verify
                     and verify_how, whatever the offset */
    OPTION_LATER, /* known, but not to this version */
};

struct option_row {
    const char *name;     /* "--yes" */
    const char *argument; /* what stands behind it, for help; NULL: nothing */
    enum option_storage storage;
    size_t offset; /* in struct options */
    const char *help;
};

#define COMMAND_ARGUMENTS 2

struct command {
    const char *name;
    const char *arguments;                     /* as in the help: "APP [ID]" */
    size_t required;                           /* how many of them */
    size_t offsets[COMMAND_ARGUMENTS];         /* where they go in struct options; 0: no such argument */
    const struct option_row *options;          /* ended by a NULL name; NULL: none of its own */
    int (*run)(const struct options *options); /* returns the exit status; NULL: comes with a later version */
    const char *summary;                       /* one line */
    const char *text;                          /* what else `help COMMAND` says; NULL: nothing */
};

extern const struct command commands[];          /* ended by a NULL name */
extern const struct option_row global_options[]; /* ended by a NULL name */

/* Returns 0, or -EINVAL with a sentence about what is wrong with the command line (exit status 2). */
int options_parse(int argc, char *const *argv, struct options *ret, struct error *err);

/* What --help and `help COMMAND` print; @command NULL: about the whole program. Owned by the caller. */
char *options_help(const struct command *command);

/* NULL when there is none. */
const struct command *command_find(const char *name);
