/*
 * XXH3, 64 bits, without a seed: the fingerprint of a row, as the package xxhash gives it.
 *
 * Written after the specification; a test holds both against each other for every length.
 * Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */

#include "pages.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are read by Python on machines of this byte order"
#endif

#define PRIME32_1 0x9E3779B1u
#define PRIME32_2 0x85EBCA77u
#define PRIME32_3 0xC2B2AE3Du
#define PRIME64_1 0x9E3779B185EBCA87u
#define PRIME64_2 0xC2B2AE3D27D4EB4Fu
#define PRIME64_3 0x165667B19E3779F9u
#define PRIME64_4 0x85EBCA77C2B2AE63u
#define PRIME64_5 0x27D4EB2F165667C5u

enum { LANES = 8, STRIPE = 64, STRIPES_OF_BLOCK = 16, BLOCK = STRIPE * STRIPES_OF_BLOCK };

/* The algorithm's default secret. */
static const uint8_t secret[192] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static inline uint32_t read32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t read64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static inline uint64_t rotated(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline uint64_t folded_product(uint64_t one, uint64_t other)
{
    unsigned __int128 product = (unsigned __int128)one * other;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t avalanche(uint64_t hash)
{
    hash ^= hash >> 37;
    hash *= 0x165667919E3779F9u;
    return hash ^ hash >> 32;
}

static inline uint64_t older_avalanche(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= PRIME64_2;
    hash ^= hash >> 29;
    hash *= PRIME64_3;
    return hash ^ hash >> 32;
}

static inline uint64_t mixed(const uint8_t *at, const uint8_t *key)
{
    return folded_product(read64(at) ^ read64(key), read64(at + 8) ^ read64(key + 8));
}

/* Up to 16 bytes. */
static uint64_t of_few(const uint8_t *data, uint64_t size)
{
    if (size > 8) {
        uint64_t low = read64(data) ^ read64(secret + 24) ^ read64(secret + 32);
        uint64_t high = read64(data + size - 8) ^ read64(secret + 40) ^ read64(secret + 48);
        return avalanche(size + __builtin_bswap64(low) + high + folded_product(low, high));
    }
    if (size >= 4) {
        uint64_t both = read32(data + size - 4) + ((uint64_t)read32(data) << 32);
        uint64_t hash = both ^ read64(secret + 8) ^ read64(secret + 16);
        hash ^= rotated(hash, 49) ^ rotated(hash, 24);
        hash *= 0x9FB21C651E98DF25u;
        hash ^= (hash >> 35) + size;
        hash *= 0x9FB21C651E98DF25u;
        return hash ^ hash >> 28;
    }
    if (size) {
        uint32_t all = (uint32_t)data[0] << 16 | (uint32_t)data[size >> 1] << 24 | data[size - 1] | (uint32_t)size << 8;
        return older_avalanche(all ^ (uint64_t)(read32(secret) ^ read32(secret + 4)));
    }
    return older_avalanche(read64(secret + 56) ^ read64(secret + 64));
}

/* From 17 to 240 bytes. */
static uint64_t of_some(const uint8_t *data, uint64_t size)
{
    uint64_t hash = size * PRIME64_1;
    if (size <= 128) {
        for (uint64_t at = (size - 1) / 32 * 16;; at -= 16) {
            hash += mixed(data + at, secret + 2 * at) + mixed(data + size - at - 16, secret + 2 * at + 16);
            if (!at)
                return avalanche(hash);
        }
    }
    for (uint64_t round = 0; round < 8; round++)
        hash += mixed(data + 16 * round, secret + 16 * round);
    hash = avalanche(hash);
    for (uint64_t round = 8; round < size / 16; round++)
        hash += mixed(data + 16 * round, secret + 16 * (round - 8) + 3);
    return avalanche(hash + mixed(data + size - 16, secret + 136 - 17));
}

static inline void take_stripe(uint64_t lanes[LANES], const uint8_t *data, const uint8_t *key)
{
    for (int lane = 0; lane < LANES; lane++) {
        uint64_t value = read64(data + 8 * lane), keyed = value ^ read64(key + 8 * lane);
        lanes[lane ^ 1] += value;
        lanes[lane] += (keyed & 0xFFFFFFFFu) * (keyed >> 32);
    }
}

static void scramble(uint64_t lanes[LANES])
{
    for (int lane = 0; lane < LANES; lane++) {
        uint64_t value = lanes[lane];
        value ^= value >> 47;
        value ^= read64(secret + sizeof secret - STRIPE + 8 * lane);
        lanes[lane] = value * PRIME32_1;
    }
}

static uint64_t of_many(const uint8_t *data, uint64_t size)
{
    uint64_t lanes[LANES] = {PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1};
    const uint8_t *at = data, *last = data + size - STRIPE;
    for (uint64_t block = (size - 1) / BLOCK; block; block--) {
        for (int stripe = 0; stripe < STRIPES_OF_BLOCK; stripe++, at += STRIPE)
            take_stripe(lanes, at, secret + 8 * stripe);
        scramble(lanes);
    }
    uint64_t rest = (size - 1) % BLOCK / STRIPE;
    for (uint64_t stripe = 0; stripe < rest; stripe++, at += STRIPE)
        take_stripe(lanes, at, secret + 8 * stripe);
    take_stripe(lanes, last, secret + sizeof secret - STRIPE - 7);
    uint64_t hash = size * PRIME64_1;
    for (int lane = 0; lane < LANES; lane += 2)
        hash += folded_product(lanes[lane] ^ read64(secret + 11 + 8 * lane),
                               lanes[lane + 1] ^ read64(secret + 11 + 8 * lane + 8));
    return avalanche(hash);
}

uint64_t bqsync_xxh3(const uint8_t *data, uint64_t size)
{
    return size <= 16 ? of_few(data, size) : size <= 240 ? of_some(data, size) : of_many(data, size);
}
