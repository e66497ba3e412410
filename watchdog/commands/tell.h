#pragma once

/* Sees to it that what lies in the spool is sent. */

#include "watchdog/commands/options.h"

/* Asks the application's notify unit for it, without waiting for its end; where there is none and @wait, it
 * is sent by this process, a minute at most. Nothing where nothing is due. That it could not be done is told
 * on standard error and changes nothing else: the next run, or recovery, does it. */
void tell_spooled(const struct options *options, const char *app, bool wait);

/* The application's unit may have failed: its notify unit looks whether that is news. What was told is
 * not told again. */
void tell_failed(const struct options *options, const char *app);
