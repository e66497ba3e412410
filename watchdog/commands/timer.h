#pragma once

/* When systemd runs the next upgrade of an application. */

#include "watchdog/base/clock.h"

/* The next elapse of upgrade-watchdog@APP.timer, as real time; 0 where it does not run, there is no such
 * unit, or no systemd. Waits two seconds at most. */
usec_t timer_next(const char *app);
