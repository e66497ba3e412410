#pragma once

/*
 * jq programs over JSON, by libjq. A program may run for ever or want all memory, so programs are run only in
 * the forked child of a round (round.h), which is killed then; checking one forks a child of its own.
 */

#include <jansson.h>

#include "watchdog/base/error.h"

/* Whether @program compiles with $baseline bound. Returns 0, or -EINVAL with jq's words. */
int jq_check(const char *program, struct error *err);

/* Programs that were compiled beforehand: jq compiles all of its own functions with each program, and that
 * takes far longer than most programs run. A child of a round has them by fork(). NULL: none. */
struct jq_programs;
void jq_programs_free(struct jq_programs *programs);

/* Compiles @program, which jq_check() took, and adds it to @programs, unless it is there. One that does not
 * compile is left to jq_run(). */
void jq_programs_add(struct jq_programs **programs, const char *program);

/* Runs @program over @input with $baseline bound to @baseline (NULL: null). @prepared may have it compiled;
 * it is not changed, but used by one run at a time. @ret is a new array of all values that it gave. Returns
 * 0, -EINVAL when it does not compile, -EDOM with jq's words when it ended with an error, -E2BIG after
 * 100,000 values. */
int jq_run(const struct jq_programs *prepared, const char *program, const json_t *input,
           const json_t *baseline, json_t **ret, struct error *err);
