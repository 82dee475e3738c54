/*
 * Cells become fields: what is nearly a copy. All else is converted by `bqsync.encode`, and comes back as a number or
 * as a text.
 */

#include "utf8.h"
#include "wire.h"

#include <math.h>
#include <stdio.h>

/* From 0001-01-01 to 9999-12-31, in microseconds. */
static const int64_t least_instant_us = -62135596800000000, greatest_instant_us = 253402300799999999;

/* A whole number that a double is, exactly. */
static int whole(double real, int64_t *number)
{
    if (!(real >= -0x1p63 && real < 0x1p63) || real != floor(real))
        return 0;
    *number = (int64_t)real;
    return 1;
}

/* A double times a number of microseconds, to the nearest whole one, half to even, without floating point. */
static int instant_of_real(double real, int64_t unit_us, int64_t *instant_us)
{
    if (!(fabs(real) < 0x1p62))
        return 0;
    int exponent;
    int64_t mantissa = (int64_t)ldexp(frexp(fabs(real), &exponent), 53);
    int shift = 53 - exponent;
    unsigned __int128 product = (unsigned __int128)(uint64_t)mantissa * (uint64_t)unit_us;
    if (shift <= 0) {
        if (shift < -20)
            return 0;
        product <<= -shift;
    } else if (shift > 120) {
        product = 0; /* far less than half a microsecond */
    } else {
        unsigned __int128 half = (unsigned __int128)1 << (shift - 1), rest = product & (2 * half - 1);
        product >>= shift;
        product += rest > half || (rest == half && (product & 1));
    }
    if (product > (unsigned __int128)greatest_instant_us)
        return 0;
    *instant_us = real < 0 ? -(int64_t)product : (int64_t)product;
    return *instant_us >= least_instant_us;
}

static int instant_of(const struct cell *cell, int64_t unit_us, int64_t *instant_us)
{
    if (cell->type == CELL_REAL)
        return instant_of_real(cell->real, unit_us, instant_us);
    return cell->type == CELL_INTEGER && !__builtin_mul_overflow(cell->integer, unit_us, instant_us) &&
           *instant_us >= least_instant_us && *instant_us <= greatest_instant_us;
}

static int is_exact_double(int64_t number)
{
    double real = (double)number;
    return real < 0x1p63 && (int64_t)real == number;
}

/* Texts and bytes: their length and themselves. */
static uint8_t *put_field(uint8_t *at, const struct column *column, const uint8_t *bytes, uint64_t size)
{
    at = put_bytes(at, column->tag, (uint64_t)column->tag_size);
    at = put_varint(at, size);
    return put_bytes(at, bytes, size);
}

static uint8_t *put_number(uint8_t *at, const struct column *column, int64_t number)
{
    at = put_bytes(at, column->tag, (uint64_t)column->tag_size);
    return put_varint(at, (uint64_t)number);
}

static uint8_t *put_double(uint8_t *at, const struct column *column, double real)
{
    at = put_bytes(at, column->tag, (uint64_t)column->tag_size);
    return put_bytes(at, &real, sizeof real);
}

uint8_t *bqsync_put_zero(uint8_t *at, const struct column *column)
{
    switch (column->kind) {
    case AS_DOUBLE: return put_double(at, column, 0);
    case AS_TEXT: return put_field(at, column, (const uint8_t *)"", 0);
    default: return put_number(at, column, 0);
    }
}

uint8_t *bqsync_put_cell(uint8_t *at, const struct page *page, const struct column *column, const struct cell *cell)
{
    const uint8_t *text = bqsync_text(page, cell);
    int64_t number = cell->integer;
    char digits[24];
    switch (column->kind) {
    case AS_INT64:
        if (cell->type != CELL_INTEGER && !(cell->type == CELL_REAL && whole(cell->real, &number)))
            return NULL;
        return put_number(at, column, number);
    case AS_BOOL:
        if (cell->type != CELL_INTEGER && !(cell->type == CELL_REAL && whole(cell->real, &number)))
            return NULL;
        return number == 0 || number == 1 ? put_number(at, column, number) : NULL;
    case AS_INSTANT:
        return instant_of(cell, column->unit_us, &number) ? put_number(at, column, number) : NULL;
    case AS_DOUBLE:
        if (cell->type == CELL_REAL)
            return put_double(at, column, cell->real);
        return cell->type == CELL_INTEGER && is_exact_double(number) ? put_double(at, column, (double)number) : NULL;
    case AS_TEXT:
        if (cell->type == CELL_INTEGER) {
            int size = snprintf(digits, sizeof digits, "%lld", (long long)number);
            return put_field(at, column, (const uint8_t *)digits, (uint64_t)size);
        }
        if (cell->type != CELL_TEXT || !is_utf8(text, cell->size))
            return NULL;
        return put_field(at, column, text, cell->size);
    case AS_BYTES: return cell->type == CELL_BLOB ? put_field(at, column, text, cell->size) : NULL;
    default: return NULL;
    }
}
