#pragma once

/* The parts of sandbox.c. */

#include "watchdog/base/sandbox.h"

/* A filter for system calls from the table in sandbox-calls.c; sets no_new_privs. 0 or -ENOTSUP. */
int sandbox_calls(enum sandbox_kind kind, struct error *err);
bool sandbox_calls_supported(void);

/* Landlock (landlock(7)): nothing can be written, and all can be read but what is below a directory of
 * @closed, and not in @readable. Wants no_new_privs. 0 or -ENOTSUP. */
int sandbox_files(char *const *closed, char *const *readable, struct error *err);
bool sandbox_files_supported(void);
