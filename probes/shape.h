#pragma once

/*
 * The shape of a line: what stays of it when numbers, times, UUIDs and hexadecimal ids are masked (but no
 * error codes as "P3009" or "42P07"). Lines that differ only in what is volatile have one shape.
 */

#include <stddef.h>
#include <stdint.h>

#define SHAPE_SIZE 17 /* 16 hexadecimal digits */

/* @begin is SHAPE_BEGIN, or the shape of the lines before where several make one. */
#define SHAPE_BEGIN UINT64_C(14695981039346656037)
uint64_t line_shape(uint64_t begin, const char *text, size_t size);
void shape_format(uint64_t shape, char ret[SHAPE_SIZE]);
