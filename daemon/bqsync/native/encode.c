/* The cells of a page become rows as they are staged, their keys and their fingerprints: as `bqsync.encode` does. */

#include "wire.h"

enum { KEY_INTEGER = 3, KEY_TEXT = 5, FRAME_TAG = 0x0A, ENVELOPE_KEY_TAG = 0x0A };

static const uint8_t upsert[] = {0x12, 1, 'U', 0x18}; /* the operation, and the tag of the sequence number */

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
            end = bqsync_put_cell(begin, page, column, cell);
        else if (column->null_rule == NULL_UNFIT)
            return bqsync_unfit(page, column->cell, "NULL");
        else if (column->null_rule == NULL_ZERO)
            end = bqsync_put_zero(begin, column);
        if (!end)
            return bqsync_unfit(page, column->cell, "another value than its column promises");
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
            return bqsync_unfit(page, key->cell, "another value than its column promises");
        if (cell->type == CELL_INTEGER) {
            uint64_t ordered = __builtin_bswap64((uint64_t)cell->integer ^ (uint64_t)1 << 63);
            *at = KEY_INTEGER;
            memcpy(at + 1, &ordered, sizeof ordered);
            page->keys.size += 9;
        } else {
            const uint8_t *text = bqsync_text(page, cell);
            if (memchr(text, 0, cell->size))
                return bqsync_unfit(page, key->cell, "a NUL");
            *at = KEY_TEXT;
            memcpy(at + 1, text, size);
            memset(at + 1 + size, 0, 2);
            page->keys.size += size + 3;
        }
    }
    return DONE;
}

/* Row and envelope, one behind the other, are one message; framed, it is an element of a request's list. */
static int put_staged(struct page *page, const uint8_t *key, uint64_t key_size, uint64_t sequence)
{
    uint8_t frame[MOST_VARINT + 1] = {FRAME_TAG}, head[MOST_VARINT + 1] = {ENVELOPE_KEY_TAG};
    uint8_t tail[sizeof upsert + MOST_VARINT];
    uint64_t head_size = (uint64_t)(put_varint(head + 1, key_size) - head);
    uint64_t tail_size = (uint64_t)(put_varint(put_bytes(tail, upsert, sizeof upsert), sequence) - tail);
    uint64_t size = page->row.size + head_size + key_size + tail_size;
    uint64_t frame_size = (uint64_t)(put_varint(frame + 1, size) - frame);
    uint8_t *at = bqsync_room(&page->body, frame_size + size);
    if (!at)
        return NO_MEMORY;
    at = put_bytes(at, frame, frame_size);
    uint32_t begin = (uint32_t)(at - page->body.at), bounds[2] = {begin, begin + (uint32_t)page->row.size};
    at = put_bytes(at, page->row.at, page->row.size);
    at = put_bytes(at, head, head_size);
    at = put_bytes(at, key, key_size);
    at = put_bytes(at, tail, tail_size);
    page->body.size = (uint64_t)(at - page->body.at);
    uint32_t end = (uint32_t)page->body.size;
    int is_full = bqsync_append(&page->bounds, bounds, sizeof bounds) || bqsync_append(&page->ends, &end, sizeof end);
    return is_full ? NO_MEMORY : DONE;
}

static int put_bare(struct page *page)
{
    uint32_t bounds[2] = {(uint32_t)page->body.size, (uint32_t)(page->body.size + page->row.size)};
    int is_full = bqsync_append(&page->body, page->row.at, page->row.size) ||
                  bqsync_append(&page->bounds, bounds, sizeof bounds);
    return is_full ? NO_MEMORY : DONE;
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
        return bqsync_unfit(page, -1, "a row that is too large");
    uint32_t key_end = (uint32_t)page->keys.size;
    /* As a signed number, so that SQLite stores it; see `EncodedRow`. */
    uint64_t print = bqsync_xxh3(page->row.at, page->row.size) ^ (uint64_t)1 << 63;
    if (bqsync_append(&page->key_ends, &key_end, sizeof key_end) || bqsync_append(&page->prints, &print, sizeof print))
        return NO_MEMORY;
    const uint8_t *key = page->keys.at + key_at;
    if (!number)
        page->key_size = (int32_t)key_size;
    else if (key_size != (uint64_t)page->key_size || memcmp(key - key_size, key, key_size) >= 0)
        page->key_size = 0; /* once that, no key has that length any more */
    if (!encoding->is_staged)
        return put_bare(page);
    return put_staged(page, key, key_size, (uint64_t)(encoding->first_sequence + number));
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
