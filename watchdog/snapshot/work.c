/* Progress and deadline. See work.h. */

#include "watchdog/snapshot/work.h"

#include <errno.h>
#include <stddef.h>

int work_add(struct work *work, uint64_t files, uint64_t bytes, struct error *err) {
    work->files += files;
    work->bytes += bytes;
    if (!work->run)
        return 0;
    usec_t now = clock_boottime();
    if (now >= work->run->deadline)
        return error_set(err, ETIME, "it was not done within its time");
    if (work->run->progress && now - work->told >= 100 * USEC_PER_MSEC) {
        work->told = now;
        work->run->progress(work->run->userdata, work->files, work->bytes);
    }
    return 0;
}

void work_end(struct work *work) {
    if (work->run && work->run->progress)
        work->run->progress(work->run->userdata, work->files, work->bytes);
}
