/*
 * Contents of files. See contents.h.
 *
 * Reading and writing by hand where a reflink is not to be had: the checksum needs every byte in memory once
 * anyway, and copy_file_range(2) would have them read twice.
 */

#include "watchdog/snapshot/contents.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/durable.h"
#include "watchdog/base/memory.h"

#define BLOCK ((size_t)256 * 1024)

struct copying {
    int from, to; /* to -1: only hashed */
    char *block;
    struct digest digest;
    struct work *work;
};

static int hash_hole(struct copying *copying, uint64_t size, struct error *err) {
    memset(copying->block, 0, size < BLOCK ? (size_t)size : BLOCK);
    while (size > 0) {
        size_t part = size < BLOCK ? (size_t)size : BLOCK;
        digest_update(&copying->digest, copying->block, part);
        size -= part;
        int r = work_add(copying->work, 0, 0, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_at(int fd, const char *data, size_t size, off_t at) {
    while (size > 0) {
        ssize_t written = pwrite(fd, data, size, at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        data += written;
        at += written;
        size -= (size_t)written;
    }
    return 0;
}

/* Data from *at to @end. A file that ends earlier leaves *at there. */
static int copy_data(struct copying *copying, off_t *at, off_t end, struct error *err) {
    while (*at < end) {
        size_t part = end - *at < (off_t)BLOCK ? (size_t)(end - *at) : BLOCK;
        ssize_t size = pread(copying->from, copying->block, part, *at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_errno(err, errno, "cannot read");
        if (size == 0)
            return 0;
        digest_update(&copying->digest, copying->block, (size_t)size);
        int r = copying->to < 0 ? 0 : write_at(copying->to, copying->block, (size_t)size, *at);
        if (r < 0)
            return error_errno(err, -r, "cannot write the copy");
        *at += size;
        r = work_add(copying->work, 0, (uint64_t)size, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int copy_all(struct copying *copying, uint64_t *ret_size, struct error *err) {
    struct stat status;
    if (fstat(copying->from, &status) < 0)
        return error_errno(err, errno, "cannot read");
    off_t at = 0, end = status.st_size;
    while (at < end) {
        off_t data = lseek(copying->from, at, SEEK_DATA);
        if (data < 0 && errno != ENXIO) /* no holes on this file system */
            data = at;
        if (data < 0 || data > end)
            data = end;
        int r = hash_hole(copying, (uint64_t)(data - at), err);
        if (r < 0)
            return r;
        at = data;
        off_t hole = at < end ? lseek(copying->from, at, SEEK_HOLE) : end;
        if (hole < 0 || hole > end)
            hole = end;
        r = copy_data(copying, &at, hole, err);
        if (r < 0)
            return r;
        if (at < hole)
            break;
    }
    if (copying->to >= 0 && ftruncate(copying->to, at) < 0)
        return error_errno(err, errno, "cannot write the copy");
    *ret_size = (uint64_t)at;
    return 0;
}

static int run(int from, int to, struct work *work, uint64_t *ret_size, char digest[MANIFEST_DIGEST_SIZE],
               struct error *err) {
    _cleanup_free_ char *block = xcalloc(BLOCK, 1);
    struct copying copying = { .from = from, .to = to, .block = block, .work = work };
    digest_init(&copying.digest);
    int r = copy_all(&copying, ret_size, err);
    if (r >= 0)
        digest_final(&copying.digest, digest);
    digest_done(&copying.digest);
    return r;
}

int contents_copy(int from, int to, struct work *work, uint64_t *ret_size, char digest[MANIFEST_DIGEST_SIZE],
                  struct error *err) {
    /* The reflink is one moment of the file; hashing the copy hashes that moment. */
    if (ioctl(to, FICLONE, from) == 0)
        return run(to, -1, work, ret_size, digest, err);
    return run(from, to, work, ret_size, digest, err);
}

int contents_digest(int fd, struct work *work, char digest[MANIFEST_DIGEST_SIZE], struct error *err) {
    uint64_t size;
    return run(fd, -1, work, &size, digest, err);
}
