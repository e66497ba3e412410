/* SHA-256. See digest.h. */

#include "watchdog/base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "watchdog/base/memory.h"

static void hexadecimal(const unsigned char *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

void digest_init(struct digest *digest) {
    if (!digest->context)
        digest->context = EVP_MD_CTX_new();
    if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) != 1)
        abort();
}

void digest_update(struct digest *digest, const void *data, size_t size) {
    if (!digest->context || EVP_DigestUpdate(digest->context, data, size) != 1)
        abort();
}

char *digest_final(struct digest *digest, char text[DIGEST_TEXT_SIZE]) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!digest->context || EVP_DigestFinal_ex(digest->context, bytes, &size) != 1 || size != 32)
        abort();
    hexadecimal(bytes, size, text);
    return text;
}

void digest_done(struct digest *digest) {
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

char *digest_memory(const void *data, size_t size, char text[DIGEST_TEXT_SIZE]) {
    _cleanup_digest_ struct digest digest = { 0 };
    digest_init(&digest);
    digest_update(&digest, data, size);
    return digest_final(&digest, text);
}

int digest_fd(int fd, char text[DIGEST_TEXT_SIZE], uint64_t *ret_size, struct error *err) {
    enum { BLOCK = 256 * 1024 };
    _cleanup_digest_ struct digest digest = { 0 };
    _cleanup_free_ char *block = xcalloc(BLOCK, 1);
    uint64_t total = 0;
    digest_init(&digest);
    for (;;) {
        ssize_t size = read(fd, block, BLOCK);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return error_errno(err, errno, "cannot read");
        if (size == 0)
            break;
        digest_update(&digest, block, (size_t)size);
        total += (uint64_t)size;
    }
    digest_final(&digest, text);
    if (ret_size)
        *ret_size = total;
    return 0;
}

int digest_file(int directory_fd, const char *path, char text[DIGEST_TEXT_SIZE], uint64_t *ret_size,
                struct error *err) {
    _cleanup_close_ int fd = openat(directory_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_errno(err, errno, "cannot open \"%s\"", path);
    int r = digest_fd(fd, text, ret_size, err);
    return r < 0 ? error_prefix(err, "\"%s\"", path) : 0;
}

int digest_valid(const char *text) {
    return text && strspn(text, "0123456789abcdef") == DIGEST_TEXT_SIZE - 1 && !text[DIGEST_TEXT_SIZE - 1];
}

void random_text(char *text, size_t size) {
    _cleanup_free_ unsigned char *bytes = xcalloc(size, 1);
    for (size_t done = 0; done < size;) {
        ssize_t got = getrandom(bytes + done, size - done, 0);
        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0)
            done += (size_t)got;
    }
    hexadecimal(bytes, size, text);
}
