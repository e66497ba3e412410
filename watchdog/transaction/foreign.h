#pragma once

/* Compose processes of somebody else that work on the same project: a person's `up`, a unit with a foreground
 * `up`. */

/*
 * Those found in /proc at this moment, as "process 4711 (docker compose up)": a list, NULL when there are
 * none, owned by the caller. A process belongs to the project when it works in @directory (or names it, or a
 * file in it), or names
 * @project; descendants of this process's supervisor do not count.
 */
char **foreign_compose(const char *directory, const char *project);
