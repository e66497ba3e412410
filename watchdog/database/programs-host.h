#pragma once

/* Inside this directory only: where PostgreSQL's programs run when the server is none of our containers. */

#include "watchdog/database/programs.h"

/* A program_runner of this host; @context is not looked at. PG* of our own environment are not handed on, and
 * @call's user is not looked at. The program dies with this process. */
int programs_run_on_host(void *context, const struct program_call *call, int *ret_exit, char **ret_errors,
                         struct error *err);
