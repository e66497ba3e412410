#pragma once

/* Inside this directory only: the program, what it is started with, and its environment. */

#include "watchdog/base/process.h"
#include "watchdog/docker/compose.h"

struct compose {
    char *binary, *version;
    unsigned major, minor;
    char **environment;
    char *directory, *project;
    bool name_project; /* it is not what Compose would choose by itself */
    char **files;
    bool files_explicit, files_from_environment;
    char **env_files;
    bool env_files_explicit;
    char **profiles;
};

/* Sets binary, version and environment. */
int compose_find_program(struct compose *compose, const char *socket_path, usec_t deadline,
                         struct error *err);

/* The command line up to the subcommand; @explicit names the files whether that is needed or not. Owned by
 * the caller. */
char **compose_arguments(const struct compose *compose, bool explicit);
int compose_run(const struct compose *compose, char *const *arguments, const char *input, usec_t deadline,
                struct process_result *ret, struct error *err);

/* $HOME, or what the user database says. Owned by the caller. */
char *home_directory(void);

/* Pure: "2.26.1-4", "v2.3.3", "Docker Compose version v2.2". Returns 0 or -EBADMSG. */
int compose_version_parse(const char *text, unsigned *ret_major, unsigned *ret_minor, char **ret_version);
