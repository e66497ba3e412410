#pragma once

/* Services that the configuration names, against those that the project has: a mistyped one is a wrong
 * configuration, and found before anything begins. */

#include "watchdog/config/settings.h"

/* Returns 0, or -EINVAL with "FILE:LINE: [Section] Key=: …" and the nearest name, or what
 * Compose says of files that it cannot read. Where Docker or Compose
 * cannot be asked it returns 0: whoever needs them says so. */
int services_check(const struct settings *settings, struct error *err);
