#pragma once

/* The judgement of the `containers` kind: pure, so that each state of a container has a test. */

#include "probes/probe.h"
#include "watchdog/docker/container.h"

/* What is known beside the containers. */
struct containers_facts {
    const struct container *containers;
    size_t count;
    usec_t now_realtime;
    usec_t daemon_started; /* of dockerd or of the machine, whichever is later; realtime, 0: not known */
    const json_t *state; /* of the previous look: container id → restart count when it was last seen well */
};

/* The last line of a log that says something, for a sentence; owned by the caller. NULL: it says nothing. */
char *containers_last_words(const char *log);

/*
 * Fills in result, sentence, measured, answer and state. @ret_failed: the container that the sentence is
 * about, borrowed from @facts; NULL: none.
 *
 * | a container of an expected service                       | is              |
 * | there is none, created, being removed, other image        | fail            |
 * | created, and starting it ended with an error              | fatal           |
 * | ended, one-shot, exit status 0                            | pass            |
 * | ended, otherwise                                          | fatal           |
 * | ended since the daemon or the machine was restarted       | unknown         |
 * | ended because somebody had Docker stop it                 | unknown         |
 * | restarting                                                | fail; fatal after 3 times or the first pass |
 * | OOM-killed                                                | fatal           |
 * | runs, restarted once or twice before the first pass       | pass when healthy, or up for 10 s |
 * | runs, restarted since it was last seen well, after the first pass | fatal, unless the daemon's own
 * restart did it | | paused                                                    | fail            | | runs,
 * health: starting                                    | fail            | | runs, unhealthy | fatal | | runs,
 * healthy or without a health check                   | pass            | | the database's, in any state but
 * the last                 | unknown: the upgrade does not touch it, so its trouble is the host's; what it
 * does to the application the other probes see |
 */
void containers_judge(const struct probe_view *view, const struct containers_facts *facts,
                      struct probe_report *report, const struct container **ret_failed);
