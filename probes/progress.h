#pragma once

/* [Watch] Progress= and ProgressQuery= as what a round can look at. */

#include "probes/probe.h"

/* New lines in the logs of all services but the database that match one of the patterns of Progress=. */
extern const struct probe_kind probe_progress;

/* The names that their reports have. */
#define PROGRESS_NAME "Progress="
#define PROGRESS_QUERY_NAME "ProgressQuery="
