#pragma once

/*
 * Containers of the project that no service of the configuration stands for: orphans, services of a profile
 * that somebody gave on the command line, one-off containers of `compose run`. An upgrade and a rollback stop
 * whatever runs, and start what the configuration knows: these would stay down for good.
 */

#include "watchdog/database/finding.h"
#include "watchdog/docker/project.h"

/* Pure: would it be missed? It runs, or has a restart policy that would be taken from it (a one-off: it
 * runs), and is neither ours nor of a service of the project. */
bool stray_is(const struct project *project, const struct container *container);
/* Pure: a finding on one, for which stray_is(). @everything: `config` with every profile, NULL: not known. */
void stray_find(const struct container *container, const json_t *everything, struct finding **findings,
                size_t *count);

/* All of @project, as findings; none, no finding. Errors of Compose only tell less about the cure. */
void strays_find(const struct project *project, struct compose *compose, usec_t deadline,
                 struct finding **findings, size_t *count);
/* 0, or -EBUSY with the first of them and its cure. */
int strays_refuse(const struct project *project, struct compose *compose, usec_t deadline, struct error *err);
