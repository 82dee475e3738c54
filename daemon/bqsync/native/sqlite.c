#define _GNU_SOURCE

#include "pages.h"
#include "sqlite.h"

#include <dlfcn.h>
#include <string.h>

struct sqlite sqlite;

#define FUNCTION(name) {"sqlite3_" #name, offsetof(struct sqlite, name)}

static const struct {
    const char *name;
    size_t place;
} functions[] = {
    FUNCTION(open_v2),      FUNCTION(close),       FUNCTION(exec),        FUNCTION(limit),
    FUNCTION(db_config),
    FUNCTION(extended_errcode), FUNCTION(prepare_v2), FUNCTION(finalize), FUNCTION(step),
    FUNCTION(bind_int64),   FUNCTION(bind_double), FUNCTION(bind_text),   FUNCTION(bind_blob),
    FUNCTION(column_count), FUNCTION(column_value), FUNCTION(value_type), FUNCTION(value_int64),
    FUNCTION(value_double), FUNCTION(value_text),  FUNCTION(value_blob),  FUNCTION(value_bytes),
};

const char *bqsync_use(const char *library)
{
    /* Only one that is loaded already; its symbols, and those of the libraries that it was linked with. */
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    if (!handle)
        return "the library";
    for (size_t at = 0; at < sizeof functions / sizeof *functions; at++) {
        void *found = dlsym(handle, functions[at].name);
        /* One that was put before it, by LD_PRELOAD, is the one that it calls. */
        void *first = dlsym(RTLD_DEFAULT, functions[at].name);
        if (!found || (first && first != found))
            return functions[at].name;
        memcpy((char *)&sqlite + functions[at].place, &found, sizeof found);
    }
    return NULL; /* the handle stays: so do its functions */
}
