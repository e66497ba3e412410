#pragma once

/*
 * SHA-256 (FIPS 180-4) by OpenSSL, streaming or of a whole file, as 64 lower case hexadecimal digits. A
 * digest that cannot be made is an abort, like memory that cannot be had: OpenSSL fails here only without its
 * default provider, and going on without a checksum is never right.
 */

#include <stddef.h>
#include <stdint.h>

#include "watchdog/base/error.h"

#define DIGEST_TEXT_SIZE 65 /* 64 digits and NUL */

/* One that runs. Zero-initialised is "not begun". */
struct digest {
    void *context; /* EVP_MD_CTX, owned */
};

/* Begins, also again. */
void digest_init(struct digest *digest);
/* Adds @size bytes. */
void digest_update(struct digest *digest, const void *data, size_t size);
/* Ends it and writes the digits. digest_init() is needed before it is used again. Returns @text. */
char *digest_final(struct digest *digest, char text[DIGEST_TEXT_SIZE]);
/* Frees what is held; may be called at any time, and more than once. */
void digest_done(struct digest *digest);
#define _cleanup_digest_ __attribute__((cleanup(digest_done)))

/* Of @size bytes in memory. Returns @text. */
char *digest_memory(const void *data, size_t size, char text[DIGEST_TEXT_SIZE]);

/* Of everything that can be read from @fd from where it stands; @ret_size (may be NULL) gets the number of
 * bytes. Returns 0 or -errno of read(2), without a name: the caller knows the file. */
int digest_fd(int fd, char text[DIGEST_TEXT_SIZE], uint64_t *ret_size, struct error *err);

/* Of the file @path, relative to @directory_fd (or AT_FDCWD). Follows symbolic links, as open(2). */
int digest_file(int directory_fd, const char *path, char text[DIGEST_TEXT_SIZE], uint64_t *ret_size,
                struct error *err);

/* 1 when @text is exactly 64 lower case hexadecimal digits, else 0. */
int digest_valid(const char *text);

/* @size random bytes of the kernel (getrandom(2)) as 2 * @size digits and NUL in @text. */
void random_text(char *text, size_t size);
