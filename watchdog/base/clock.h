#pragma once

/*
 * Time: microseconds, and each value says by its name which clock it is of. A deadline is CLOCK_BOOTTIME, so
 * that a suspended machine does not stretch it; what a person reads is CLOCK_REALTIME in UTC.
 */

#include <stddef.h>
#include <stdint.h>

#include "watchdog/base/error.h"

typedef uint64_t usec_t;

#define USEC_PER_MSEC ((usec_t)1000)
#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

usec_t clock_realtime(void);  /* since 1970 */
usec_t clock_boottime(void);  /* since boot, suspended time included */
usec_t clock_monotonic(void); /* since boot, without it: what the two differ by was slept */

/* A deadline @after from now, on clock_boottime(); USEC_INFINITY stays. */
usec_t deadline_in(usec_t after);
/* What is left of it, 0 when it has passed. */
usec_t deadline_left(usec_t deadline);
/* The same as a poll(2) timeout: milliseconds rounded up, -1 for USEC_INFINITY, at most INT_MAX. */
int deadline_poll(usec_t deadline);
/* Sleeps @duration or until the deadline. Returns 1, or 0 when the deadline has passed. */
int deadline_sleep(usec_t deadline, usec_t duration);

#define TIMESTAMP_SIZE 32
/* "2026-11-23T03:15:00Z". Returns @text. */
char *timestamp_format(char text[TIMESTAMP_SIZE], usec_t realtime);
/* The same back, and RFC 3339 with fractions and offsets as Docker writes them. Returns 0 or -EINVAL. */
int timestamp_parse(const char *text, usec_t *ret_realtime);

#define DURATION_SIZE 64
/* For a person: "10min", "1h 5min", "1.3s", "250ms". Returns @text. */
char *duration_format(char text[DURATION_SIZE], usec_t duration);
/* systemd's time span, as in systemd.time(7): "10min", "1h 30s", "3d"; a number without a unit is an error,
 * "0" is not. Returns 0 or -EINVAL with what was expected. */
int duration_parse(const char *text, usec_t *ret, struct error *err);

/* The kernel's boot id, 36 characters and NUL. */
void clock_boot_id(char text[37]);
