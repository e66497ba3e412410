#pragma once

/* Nothing that a look says shows a secret: of its own, or of another probe. */

#include "probes/memory.h"

/* Masks sentence, evidence and what was found in @report. For the parent: no child knows every secret. */
void report_mask(const struct probe_set *set, const struct probe_view *view,
                 const struct probe_memory *memory, struct probe_report *report);
