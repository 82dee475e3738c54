/* Pieces of protobuf's wire form. Source: https://protobuf.dev/programming-guides/encoding/ */

#ifndef BQSYNC_WIRE_H
#define BQSYNC_WIRE_H

#include "pages.h"

#include <string.h>

enum { MOST_VARINT = 10 };

static inline uint8_t *put_varint(uint8_t *at, uint64_t number)
{
    for (; number >= 128; number >>= 7)
        *at++ = (uint8_t)(number | 128);
    *at++ = (uint8_t)number;
    return at;
}

static inline uint8_t *put_bytes(uint8_t *at, const void *bytes, uint64_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

/* The field of a cell that is no NULL; NULL where it can't be told that it is what Python would make of it. */
uint8_t *bqsync_put_cell(uint8_t *at, const struct page *page, const struct column *column, const struct cell *cell);
/* What `null_values = "zero"` puts in the place of a NULL. */
uint8_t *bqsync_put_zero(uint8_t *at, const struct column *column);

#endif
