#pragma once

/* Inside this directory only: the mounts of a project's services. */

#include "watchdog/docker/project.h"

/* Fills @project's mounts from its containers and its configuration. */
int mounts_read(struct engine *engine, struct project *project, usec_t deadline, struct error *err);
void mount_done(struct mount *mount);
