#pragma once

/* Parsers for the values of keys: entries of a table of struct probe_key. Each returns 0, or -EINVAL with
 * what was expected. Targets are zero-initialised or hold a default. */

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

int key_text(const char *value, void *target, struct error *err);  /* char *: not empty */
int key_texts(const char *value, void *target, struct error *err); /* char **: appended */
int key_names(const char *value, void *target, struct error *err); /* char **: words, appended */
int key_yes(const char *value, void *target,
            struct error *err); /* bool: yes, no, true, false, 1, 0, on, off */
int key_duration(const char *value, void *target, struct error *err); /* usec_t, over 0 */
int key_count(const char *value, void *target, struct error *err);    /* unsigned, 1 to 1000 */
int key_share(const char *value, void *target, struct error *err); /* unsigned, 1 to 100, with or without % */
int key_bytes(const char *value, void *target, struct error *err); /* size_t: number, or with K, M */
int key_pattern(const char *value, void *target, struct error *err);  /* char *: a PCRE2 pattern */
int key_patterns(const char *value, void *target, struct error *err); /* char **: appended */
int key_jq(const char *value, void *target, struct error *err);       /* char *: a jq program */
int key_jqs(const char *value, void *target, struct error *err);      /* char **: appended */
