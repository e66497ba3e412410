#pragma once

/*
 * jq programs over JSON, by libjq. A program may run for ever or want all memory, so programs are run only in
 * the forked child of a round (round.h), which is killed then; checking one forks a child of its own.
 */

#include <jansson.h>

#include "watchdog/base/error.h"

/* Whether @program compiles with $baseline bound. Returns 0, or -EINVAL with jq's words. */
int jq_check(const char *program, struct error *err);

/* Runs @program over @input with $baseline bound to @baseline (NULL: null). @ret is a new array of all values
 * that it gave. Returns 0, -EINVAL when it does not compile, -EDOM with jq's words when it ended with an
 * error, -E2BIG after 100,000 values. */
int jq_run(const char *program, const json_t *input, const json_t *baseline, json_t **ret, struct error *err);
