#pragma once

/* clang-format off */
/*
 * What the reports of all rounds mean together: one pure function, no clock, no world.
 *
 * What "unknown" means is decided here and nowhere else. "Deciding": a probe without Severity=advisory.
 *
 * | row | when                          | a deciding probe is                     | then                      |
 * | 1   | the host is in trouble        | fail, fatal or not                      | counts as unknown; a pass counts |
 * | 2   | any time                      | not reported at all                     | counts as unknown         |
 * | 3   | before the first pass         | fail, fatal                             | roll back, bad            |
 * | 4   | before the first pass         | fail                                    | wait; the start clock runs |
 * | 5   | before the first pass         | unknown, and none fails                 | wait; the start clock stands still |
 * | 6   | start clock at StartTimeout   | fail                                    | roll back, bad            |
 * | 7   | it stood 2 x StartTimeout     | unknown, and none fails                 | roll back, not known bad  |
 * | 8   | before the first pass         | pass, all in the latest results         | first pass; the window begins |
 * | 9   | after it                      | fail, fatal                             | roll back, bad            |
 * | 10  | after it                      | fail, FailAfter looks in a row; unknown ones between neither count nor interrupt | roll back, bad |
 * | 11  | after it                      | fail in more than FailShare of at least 10 looks; unknown is no look | roll back, bad |
 * | 12  | after it                      | unknown                                 | the window's clock stands still |
 * | 13  | it stood 2 x Duration without row 18 | unknown                          | keep, and tell a person   |
 * | 14  | window's clock at Duration    | pass, all of them                       | keep                      |
 * | 15  | window's clock at Duration    | fail in its latest look, but not row 10 or 11 | wait for its next look |
 * | 16  | it is at 3 x Duration         | the same still                          | keep, and tell a person   |
 * | 17  | before the first pass         | fail or unknown, none fatal, while Progress= shows a migration at work | the start clock begins again, until ProgressLimit |
 * | 18  | the host is busy with other things | fail, and only too slow            | counts as unknown         |
 * | 19  | before the first pass, for SettleTime without a break | fail by a wrong answer, and the start has settled | roll back, bad |
 * | 20  | it stood 2 x Duration by row 18 | unknown                               | roll back, bad: no host is that busy |
 * | 21  | it stood 3 x Duration by both | unknown                                 | by whichever lasted longer |
 *
 * The start has settled when no deciding probe fails otherwise than by a wrong answer, one that passes says `ready`,
 * and Progress= shows nothing: an application that has started and answers wrongly is not one that is still starting.
 *
 * FailAfter and FailShare are the probe's own where it has them.
 *
 * A time between two steps that is longer than a round can be (the machine was suspended) counts as two
 * minutes.
 */
/* clang-format on */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "probes/probe.h"
#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

struct verdict_rules {
    usec_t start_timeout, duration, interval;
    usec_t settle_time;    /* 0: the start never settles */
    usec_t progress_limit; /* since the switch; 0: progress does not extend the start */
    unsigned fail_after;   /* at least 1 */
    unsigned fail_share;   /* percent */
};

/* What the verdict remembers of earlier rounds. Zero-initialised is the moment of the switch. */
struct verdict_memory {
    bool first_pass;
    usec_t last;   /* since_switch of the previous step */
    usec_t used;   /* counted time of the present clock: start clock before the first pass, window after it */
    usec_t stood;  /* how long that clock stood still */
    usec_t slowed; /* of that, how long a probe was excused by row 18 */
    bool settled;  /* row 19, in the step before; neither is kept in the record */
    usec_t wrong;  /* how long it has been settled, and something wrong */
    struct verdict_counter *counters; /* per probe, since the first pass */
    size_t counters_count;
};
void verdict_memory_done(struct verdict_memory *memory);
/* For the record. @memory of from_json is zero-initialised; -EBADMSG names the member. */
json_t *verdict_memory_to_json(const struct verdict_memory *memory);
int verdict_memory_from_json(const json_t *value, struct verdict_memory *memory, struct error *err);
/* After a recovery: a fresh StartTimeout before the first pass, the window goes on after it; since_switch
 * begins at 0 again. */
void verdict_memory_restart(struct verdict_memory *memory);

enum verdict {
    VERDICT_WAIT = 0,
    VERDICT_FIRST_PASS,        /* once: now the gate may be opened; the window begins */
    VERDICT_ROLL_BACK,         /* a probe failed by the rules: the release is bad */
    VERDICT_ROLL_BACK_UNKNOWN, /* never a full pass, and nothing known against it: not known bad */
    VERDICT_KEEP,
    VERDICT_KEEP_TELL, /* too long unknown after the first pass: keep, and tell a person */
};
const char *verdict_name(enum verdict verdict);

/* What a round says of the host: sentences, NULL none. */
struct verdict_host {
    const char *trouble, *busy;
};

/* One step, after each round. Of @reports the latest results are read, and `looked` says which are new.
 * @since_switch is on a clock that does not go back. @host may be NULL: all is well with it.
 * @ret_probe and @ret_reason (owned; NULL for wait, first pass and keep) name the probe and say why: "login:
 * POST /api/auth/login answered 500, wanted 200 (2 times in a row)". */
enum verdict verdict_step(const struct verdict_rules *rules, struct verdict_memory *memory,
                          const struct probe_report *reports, size_t count, const struct verdict_host *host,
                          usec_t since_switch, char **ret_probe, char **ret_reason);
