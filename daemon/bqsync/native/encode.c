/* The cells of a page become rows in protobuf's wire form, their keys and their fingerprints: as `bqsync.encode` does. */

#include "pages.h"
#include "utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_VARINT = 10, KEY_INTEGER = 3, KEY_TEXT = 5, FRAME_TAG = 0x0A, ENVELOPE_KEY_TAG = 0x0A };

static const uint8_t upsert[] = {0x12, 1, 'U', 0x18}; /* the operation, and the tag of the sequence number */

/* From 0001-01-01 to 9999-12-31, in microseconds. */
static const int64_t least_instant_us = -62135596800000000, greatest_instant_us = 253402300799999999;

static int unfit(struct page *page, int column, const char *why)
{
    page->why = why;
    page->column = column;
    return UNFIT;
}

static uint8_t *put_varint(uint8_t *at, uint64_t number)
{
    for (; number >= 128; number >>= 7)
        *at++ = (uint8_t)(number | 128);
    *at++ = (uint8_t)number;
    return at;
}

static uint8_t *put_bytes(uint8_t *at, const void *bytes, uint64_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static int append(struct bytes *bytes, const void *what, uint64_t size)
{
    uint8_t *at = bqsync_room(bytes, size);
    if (!at)
        return NO_MEMORY;
    memcpy(at, what, size);
    bytes->size += size;
    return DONE;
}

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
        unsigned __int128 rest = product & (((unsigned __int128)1 << shift) - 1), half = (unsigned __int128)1 << (shift - 1);
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

static uint8_t *put_zero(uint8_t *at, const struct column *column)
{
    switch (column->kind) {
    case AS_DOUBLE: return put_double(at, column, 0);
    case AS_TEXT: return put_field(at, column, (const uint8_t *)"", 0);
    default: return put_number(at, column, 0);
    }
}

/* The field of a cell that is no NULL; NULL where it can't be told that it is what Python would make of it. */
static uint8_t *put_cell(uint8_t *at, const struct page *page, const struct column *column, const struct cell *cell)
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

/* The data of a row, in `row`. */
static int put_row(struct page *page, const struct cell *cells, const struct encoding *encoding)
{
    page->row.size = 0;
    for (int32_t at = 0; at < encoding->count; at++) {
        const struct column *column = encoding->columns + at;
        const struct cell *cell = cells + column->cell;
        uint64_t size = cell->type >= CELL_TEXT && cell->type != CELL_NULL ? cell->size : 0;
        uint8_t *begin = bqsync_room(&page->row, sizeof column->tag + 2 * MOST_VARINT + 8 + size), *end = begin;
        if (!begin)
            return NO_MEMORY;
        if (cell->type != CELL_NULL)
            end = put_cell(begin, page, column, cell);
        else if (column->null_rule == NULL_UNFIT)
            return unfit(page, column->cell, "NULL");
        else if (column->null_rule == NULL_ZERO)
            end = put_zero(begin, column);
        if (!end)
            return unfit(page, column->cell, "another value than its column promises");
        page->row.size += (uint64_t)(end - begin);
    }
    return DONE;
}

/* Its components, so that the order of the bytes is theirs. */
static int put_key(struct page *page, const struct cell *cells, const struct encoding *encoding)
{
    for (int32_t part = 0; part < encoding->key_count; part++) {
        const struct key *key = encoding->keys + part;
        const struct cell *cell = cells + key->cell;
        uint64_t size = cell->type == CELL_TEXT ? cell->size : 8;
        uint8_t *at = bqsync_room(&page->keys, size + 3);
        if (!at)
            return NO_MEMORY;
        if (cell->type != key->type)
            return unfit(page, key->cell, "another value than its column promises");
        if (cell->type == CELL_INTEGER) {
            uint64_t ordered = __builtin_bswap64((uint64_t)cell->integer ^ (uint64_t)1 << 63);
            *at = KEY_INTEGER;
            memcpy(at + 1, &ordered, sizeof ordered);
            page->keys.size += 9;
        } else {
            const uint8_t *text = bqsync_text(page, cell);
            if (memchr(text, 0, cell->size))
                return unfit(page, key->cell, "a NUL");
            *at = KEY_TEXT;
            memcpy(at + 1, text, size);
            memset(at + 1 + size, 0, 2);
            page->keys.size += size + 3;
        }
    }
    return DONE;
}

static int compared(const uint8_t *one, uint64_t its, const uint8_t *other, uint64_t size)
{
    int order = memcmp(one, other, its < size ? its : size);
    return order ? order : its < size ? -1 : its > size;
}

/* Row and envelope, one behind the other, are one message; framed, it is an element of a request's list. */
static int put_staged(struct page *page, const uint8_t *key, uint64_t key_size, uint64_t sequence)
{
    uint8_t head[MOST_VARINT + 1] = {ENVELOPE_KEY_TAG}, tail[sizeof upsert + MOST_VARINT], frame[MOST_VARINT + 1] = {FRAME_TAG};
    uint64_t head_size = (uint64_t)(put_varint(head + 1, key_size) - head);
    uint64_t tail_size = (uint64_t)(put_varint(put_bytes(tail, upsert, sizeof upsert), sequence) - tail);
    uint64_t size = page->row.size + head_size + key_size + tail_size;
    uint64_t frame_size = (uint64_t)(put_varint(frame + 1, size) - frame);
    uint8_t *at = bqsync_room(&page->body, frame_size + size);
    if (!at)
        return NO_MEMORY;
    at = put_bytes(at, frame, frame_size);
    uint32_t bounds[2] = {(uint32_t)(at - page->body.at), (uint32_t)((uint64_t)(at - page->body.at) + page->row.size)};
    at = put_bytes(at, page->row.at, page->row.size);
    at = put_bytes(at, head, head_size);
    at = put_bytes(at, key, key_size);
    at = put_bytes(at, tail, tail_size);
    page->body.size = (uint64_t)(at - page->body.at);
    uint32_t end = (uint32_t)page->body.size;
    return append(&page->bounds, bounds, sizeof bounds) || append(&page->ends, &end, sizeof end) ? NO_MEMORY : DONE;
}

static int put_bare(struct page *page)
{
    uint32_t bounds[2] = {(uint32_t)page->body.size, (uint32_t)(page->body.size + page->row.size)};
    return append(&page->body, page->row.at, page->row.size) || append(&page->bounds, bounds, sizeof bounds) ? NO_MEMORY
                                                                                                            : DONE;
}

static int encode_row(struct page *page, int64_t number, const struct encoding *encoding)
{
    const struct cell *cells = (const struct cell *)page->cells.at + number * page->width;
    uint64_t key_at = page->keys.size;
    int outcome = put_row(page, cells, encoding);
    if (outcome == DONE)
        outcome = put_key(page, cells, encoding);
    if (outcome != DONE)
        return outcome;
    uint64_t key_size = page->keys.size - key_at;
    if (page->row.size + key_size > (uint64_t)encoding->most_row_bytes)
        return unfit(page, -1, "a row that is too large");
    uint32_t key_end = (uint32_t)page->keys.size;
    /* As a signed number, so that SQLite stores it; see `EncodedRow`. */
    uint64_t print = bqsync_xxh3(page->row.at, page->row.size) ^ (uint64_t)1 << 63;
    if (append(&page->key_ends, &key_end, sizeof key_end) || append(&page->prints, &print, sizeof print))
        return NO_MEMORY;
    if (!number)
        page->key_size = (int32_t)key_size;
    else if (page->key_size && (key_size != (uint64_t)page->key_size ||
                                compared(page->keys.at + key_at - page->key_size, key_size, page->keys.at + key_at, key_size) >= 0))
        page->key_size = 0;
    if (!encoding->is_staged)
        return put_bare(page);
    return put_staged(page, page->keys.at + key_at, key_size, (uint64_t)(encoding->first_sequence + number));
}

int bqsync_encode(struct page *page, const struct encoding *encoding)
{
    for (int64_t row = 0; row < page->rows; row++) {
        int outcome = encode_row(page, row, encoding);
        if (outcome != DONE)
            return outcome;
    }
    return DONE;
}

int bqsync_texts(struct page *page, int32_t column)
{
    page->column_texts.size = page->column_ends.size = 0;
    const struct cell *cell = (const struct cell *)page->cells.at + column;
    for (int64_t row = 0; row < page->rows; row++, cell += page->width) {
        if ((cell->type == CELL_TEXT || cell->type == CELL_BLOB) &&
            append(&page->column_texts, bqsync_text(page, cell), cell->size))
            return NO_MEMORY;
        uint32_t end = (uint32_t)page->column_texts.size;
        if (append(&page->column_ends, &end, sizeof end))
            return NO_MEMORY;
    }
    return DONE;
}

int bqsync_replace(struct page *page, int32_t column, const struct cell *cells, const uint8_t *heap, uint64_t size)
{
    uint64_t begin = page->heap.size;
    if (append(&page->heap, heap, size))
        return NO_MEMORY;
    struct cell *cell = (struct cell *)page->cells.at + column;
    for (int64_t row = 0; row < page->rows; row++, cell += page->width) {
        *cell = cells[row];
        if (cell->type == CELL_TEXT || cell->type == CELL_BLOB)
            cell->offset += begin;
    }
    return DONE;
}
