#pragma once

/* Compose processes of somebody else that work on the same project: a person's `up`, a unit with a foreground
 * `up`. */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Pure: is it a call of Compose that changes containers of the project? @words: the command line, NULL-ended;
 * @place: the process's working directory, "" when not known; @directory: the project's. A call belongs to
 * the project whose name it says, else by the project directory that it says, else by its files, else by the
 * place where it was typed. Environment variables (COMPOSE_FILE=) are not looked at.
 */
bool foreign_acts(char *const *words, const char *place, const char *directory, const char *project);

/*
 * Those found in /proc at this moment, as "process 4711 (docker compose up)": a list, NULL when there are
 * none, owned by the caller. Descendants of this process do not count, nor those of @supervisor, the process
 * that this one is a worker of (0: of none).
 */
char **foreign_compose(const char *directory, const char *project, pid_t supervisor);
