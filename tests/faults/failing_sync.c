/* fsync() and fdatasync() of the state file fail with EIO while the file that FAULT_FLAG names exists. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int descriptor)
{
    char link[64], path[4096];
    const char *flag = getenv("FAULT_FLAG");
    if (flag == NULL || access(flag, F_OK) != 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return strstr(path, "state.db") != NULL;
}

static int call(const char *name, int descriptor)
{
    if (fails(descriptor)) {
        errno = EIO;
        return -1;
    }
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return real(descriptor);
}

int fsync(int descriptor)
{
    return call("fsync", descriptor);
}

int fdatasync(int descriptor)
{
    return call("fdatasync", descriptor);
}
